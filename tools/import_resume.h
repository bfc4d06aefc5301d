/* import_resume.h: which rows of a store came from a file, so that importing it again adds only what is new.
 *
 * Every import notes in its run, under "import.source", which source its writer reads: the hash of the file's first
 * record; and where its steps came from, for the head of a longer copy might suggest another column. The rows of all
 * writers of one source, in the order they were recorded, are what is known of that file, and they are compared with
 * the file bit for bit: nothing is taken on trust but which rows to compare. */
#ifndef STEPLOG_IMPORT_RESUME_H
#define STEPLOG_IMPORT_RESUME_H

#include "import_table.h"
#include "select.h"

#define IMPORT_KEY_FACT "import.key"         /* the run key of a run that was imported */
#define IMPORT_SOURCE_FACT "import.source"   /* "SOURCE STEP FILE": what the writer of this record reads */
#define IMPORT_PARTIAL_FACT "import.partial" /* "SOURCE ROW": that row came from a line without an end */

/* Why the rows shown may not be all that was imported. */
typedef enum import_doubt {
    IMPORT_NO_DOUBT,
    IMPORT_DAMAGED, /* the reader came upon damage */
    IMPORT_REMOVED  /* `steplog rm` took some away */
} import_doubt;

/* A writer of the source, as it was when its rows were compared. */
typedef struct import_source {
    steplog_id incarnation;
    uint64_t last_sequence;
} import_source;

/* A pass over the rows known of one source. */
typedef struct import_resume {
    session *s;
    steplog_id run;
    steplog_cursor *cursor;
    steplog_batch batch;
    size_t row;
    uint8_t *is_source; /* by writer index */
    size_t writer_count;
    import_source *sources;
    size_t source_count;
    int has_removals; /* of rows of the source */
    uint64_t *name_hashes; /* by column */
    size_t name_count;
    uint64_t *partial; /* rows that came from a line without an end */
    size_t partial_count;
    uint64_t index; /* of the next row */
    char *file;     /* the name noted with the source, or NULL */
    int has_step_rank;
    int step_rank; /* where its steps came from */
} import_resume;

/* Looks for a source in a run. *is_known receives whether it is there; then the pass is open. Returns 0, or an exit
 * code after saying why. */
int import_resume_open(import_resume *r, session *s, const steplog_id *run, const char *source, int *is_known);

/* Compares the next row known with one of the file. *is_end receives 1 when none is left: this one is new. Returns 1
 * when they are equal, 0 when they differ, -1 after saying what failed. */
int import_resume_match(import_resume *r, const import_table *t, const import_row *row, int *is_end);

/* Asked when the rows known have ended, or differ: whether some that were imported may be hidden. */
import_doubt import_resume_doubt(const import_resume *r);

/* Looks whether another import of the source is at work, or was since its rows were compared: a writer that is neither
 * among the sources nor `own`, one that has recorded more, one that lives. Refreshes the reader. Returns 1, 0, or -1
 * after saying what failed. */
int import_resume_has_others(session *s, const steplog_id *run, const char *source, const import_source *sources,
                             size_t source_count, const steplog_id *own);

void import_resume_close(import_resume *r);

#endif
