/* import_format.h: the parsers of import. Each reads a file from its start and feeds its table. */
#ifndef STEPLOG_IMPORT_FORMAT_H
#define STEPLOG_IMPORT_FORMAT_H

#include "import_input.h"
#include "import_table.h"
#include "json.h"

typedef enum import_format {
    IMPORT_AUTO,
    IMPORT_CSV,
    IMPORT_TSV,
    IMPORT_JSONL,
    IMPORT_TEXT_LOG,
    IMPORT_TRAINER_STATE,
    IMPORT_FORMATS
} import_format;

/* The names of the formats, NULL-ended: "auto", "csv"... */
extern const char *const import_format_names[];

/* What was met and could not be used, with the first line of each kind. */
typedef struct import_tally {
    uint64_t count;
    uint64_t first_line;
} import_tally;

typedef struct import_param {
    char *key, *value;
} import_param;

/* One file and what reads it. */
typedef struct import_file {
    import_input input;
    import_table table;
    import_format format;
    char delimiter;      /* of CSV and TSV */
    json_document *json; /* for one line, or the whole file */
    import_tally ragged, unparsable, comments;
    int is_headless;     /* CSV whose first line is numbers */
    const char *unparsable_reason;
    import_param *params; /* from comments */
    size_t param_count;
} import_file;

#define IMPORT_PARAMS_MAX 1024u

/* Decides the format from the name and the head of the file, when it is IMPORT_AUTO, and the delimiter. */
void import_file_detect(import_file *file);

/* Parse: 0 at the end, what the row callback answered, or an exit code after saying why. With is_head only the head is
 * read. */
int import_file_parse(import_file *file, int is_head);
void import_file_close(import_file *file);

int import_csv(import_file *file);
int import_jsonl(import_file *file);
int import_text(import_file *file);
int import_trainer_state(import_file *file, int is_head);

/* Puts the members of an object into the table's current record: nested ones as "outer.inner". */
void import_json_cells(import_table *table, const json_value *object, const char *prefix, size_t prefix_bytes);

/* Counts one more, and remembers the first line. */
void import_tally_add(import_tally *tally, uint64_t line);

/* Reports a failed read. Returns TOOL_IO. */
int import_read_failure(const import_file *file);

/* Keeps a param that a comment gave. */
void import_file_param(import_file *file, const char *key, const char *value);

#endif
