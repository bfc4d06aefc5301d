/* import_target.h: where a file's rows go: which run, and which rows are there already. */
#ifndef STEPLOG_IMPORT_TARGET_H
#define STEPLOG_IMPORT_TARGET_H

#include "import_format.h"
#include "import_resume.h"
#include "import_rows.h"

/* The runs of the store that were imported, by their keys. */
typedef struct import_runs {
    struct import_run {
        char *key;
        steplog_id id;
    } *runs;
    size_t count;
} import_runs;

int import_runs_read(import_runs *runs, session *s);
void import_runs_clear(import_runs *runs);

typedef struct import_target_options {
    const char *run_key; /* --run-key; NULL: from the file */
    const char *name;    /* --run */
    const char *project;
    const steplog_pair *params;
    size_t param_count;
} import_target_options;

/* What a row callback answers when the file is not a longer copy of the run it was compared with: import_target_next(),
 * and read the file from its start. */
#define IMPORT_RESTART (-1)

typedef struct import_target {
    const import_target_options *options;
    session *s;
    import_runs *runs;
    import_file *file;
    char *default_name; /* of a new run, from the path */
    const char *base;   /* of the path */
    uint64_t head_hash;
    int head_rank;      /* where its head says that steps come from */
    int step_rank;      /* where they do: as before, when it was imported before */
    unsigned candidate; /* 1, 2...: files that begin alike */
    char *key, *source;
    const struct import_run *run; /* when it exists */
    int is_comparing;
    import_resume resume;
    import_source *sources; /* the writers whose rows were compared */
    size_t source_count;
    import_doubt doubt; /* of a run that differed: the file may be there nevertheless */
    steplog_id doubt_run;
    uint64_t known_rows;           /* equal to rows of the store */
    uint64_t new_rows, new_points; /* recorded; after import_target_finish() that is all of them */
    uint64_t next_index;           /* of the row to come, among those of the source */
    steplog_writer *writer;
    import_rows rows;
    steplog_id id; /* of the run, once known */
    int has_id;
    void (*progress)(void *context, const import_file *file);
    void *progress_context;
} import_target;

void import_target_init(import_target *g, const import_target_options *options, session *s, import_runs *runs,
                        import_file *file);

/* Chooses the first run, or the next one, to compare the file with. Returns 0, or an exit code. */
int import_target_next(import_target *g);

/* The row callback. */
int import_target_row(void *context, const import_table *t, const import_row *row);

/* Records the rows held back and what is known at the end of the file: params; is_whole: the file was read to its end.
 * Closes the writer. Returns 0, or an exit code. */
int import_target_finish(import_target *g, int is_whole);
void import_target_clear(import_target *g);

#endif
