/* support/script.h: scripted scenes on a store, and an oracle that knows what each must leave.
 *
 * A scene is played on the machine in use (support/sim_os.h) without a background thread, so that it is the same each
 * time. Every call may fail: the script goes on as a job would, and remembers what was acknowledged, refused and
 * reported durable. Writer w records the metrics "w<w>.0" to "w<w>.3", facts "w<w>.f<n>" and blobs "w<w>.b<n>". */
#ifndef TESTS_SUPPORT_SCRIPT_H
#define TESTS_SUPPORT_SCRIPT_H

#include "steplog.h"

#include "support/sim_os.h"

enum { SCRIPT_WRITERS_MAX = 12, SCRIPT_COLUMNS = 4, SCRIPT_LOG_BYTES = 65536 };

typedef enum script_kind { SCRIPT_ROW, SCRIPT_FACT, SCRIPT_BLOB } script_kind;
typedef enum script_state {
    SCRIPT_IN_FLIGHT,    /* the call has not returned */
    SCRIPT_ACKNOWLEDGED,
    SCRIPT_REFUSED,      /* FULL: not recorded, counted */
    SCRIPT_FAILED        /* any other error */
} script_state;

typedef struct script_item {
    uint8_t kind, state, is_removed; /* is_removed: 1 asked for, 2 and acknowledged */
    uint32_t number;                 /* of its kind: the step of a row */
    uint64_t sequence;               /* of acknowledged ones */
} script_item;

typedef struct script_writer {
    steplog_writer *writer;
    steplog_schema schema;
    int has_schema;
    steplog_id run;
    script_item *items;
    size_t item_count, item_capacity;
    uint32_t counts[3]; /* of each kind */
    uint64_t durable;   /* highest sequence reported */
    uint64_t refused;   /* as its stats said last */
    int is_elsewhere;   /* in another store, not merged yet */
} script_writer;

typedef struct script {
    sim *machine; /* the one in use */
    uint64_t seed;
    uint32_t flags; /* for opening the store */
    uint32_t sync_interval_ms;
    uint64_t backlog_bytes; /* as in steplog_store_options */
    const char *path;
    steplog_store *store;
    script_writer writers[SCRIPT_WRITERS_MAX];
    size_t writer_count;
    uint64_t errors; /* calls that gave an error */
    steplog_status first_error;
    int has_failed; /* a writer said FAILED */
    int may_hold_more_runs; /* forks */
    int is_alone;           /* no one else changes files: what they leave in a power cut is not the library's */
    int may_lose;           /* a failed sync lost pages for good: what is missing must be told of, not hidden */
    int may_tear_logs;      /* logs that failed to sync hold what reached the disk: damage in them is no wonder */
    void (*point)(void *context); /* called after every append */
    void *point_context;
} script;

/* What had happened by some moment. */
typedef struct script_moment {
    size_t item_counts[SCRIPT_WRITERS_MAX];
    uint64_t durable[SCRIPT_WRITERS_MAX];
    int is_elsewhere[SCRIPT_WRITERS_MAX];
} script_moment;

/* Begins on a machine, which is put into use. */
void script_begin(script *s, sim *machine, uint64_t seed, uint32_t flags);
void script_end(script *s); /* frees the oracle; closes nothing */

/* 1 when the call gave no error; all of them count errors and note what is durable. */
int script_open(script *s, uint32_t more_flags);
int script_writer_open(script *s, const char *run_key, uint32_t attempt, int64_t resume_step, size_t *w);
void script_rows(script *s, size_t w, uint32_t count);
void script_fact(script *s, size_t w);
void script_blob(script *s, size_t w, size_t bytes);
void script_sync(script *s, size_t w);
void script_tick(script *s);
void script_compact(script *s);
void script_read(script *s, size_t w); /* whatever it gives: nothing is compared */
void script_remove(script *s, size_t w, int64_t begin, int64_t end);
void script_writer_close(script *s, size_t w);
void script_close(script *s); /* the writers too */
int script_tried(script *s, steplog_status status);
/* The process is killed: another machine takes its place, with the same files. */
void script_kill(script *s);
/* The process is killed, on the same machine: what was not synced is still remembered. */
void script_kill_traced(script *s);
void script_fill_blob(uint8_t *data, size_t bytes, size_t w, uint32_t number);

void script_note(const script *s, script_moment *out);

/* ---- scenes ---- */

typedef struct script_scene {
    const char *name;
    void (*setup)(script *s); /* without faults */
    void (*play)(script *s);
} script_scene;

extern const script_scene script_scenes[];
extern const size_t script_scene_count; /* of those with few calls */
extern const size_t script_all_scene_count; /* three more: thousands of rows, until a log is used again; many segments */
const script_scene *script_find_scene(const char *name); /* NULL: none */

/* Opens the store for writing as a later process would, so that what died is recovered, compacts, and closes. */
void script_recover(script *s);

/* ---- what must hold ---- */

enum {
    SCRIPT_AFTER_KILL = 1, /* everything acknowledged is there */
    SCRIPT_AFTER_POWER = 2 /* a prefix of it is, at least up to what was durable at the moment */
};

/* Reads everything on the machine in use. NULL, or what does not hold: lent until the next call. signature: of what
 * was read, may be NULL. moment: NULL is all of the script. */
const char *script_check(const script *s, int after, const script_moment *moment, uint64_t *signature);

/* verify must find no damage. NULL, or what it found. */
const char *script_verify(const script *s);

#endif
