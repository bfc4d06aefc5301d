/* steplog/reader.h: reading what was recorded, while it is being recorded or years later.
 *
 * A reader is a snapshot of a store: runs, their series, facts, attempts and blobs.
 * A cursor passes over the points of some series in batches. Reading changes
 * nothing on disk and never slows a writer. */
#ifndef STEPLOG_READER_H
#define STEPLOG_READER_H

#include "steplog/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the snapshot ---- */

/* Opens a view of the store as it stands now.
 *
 * store  must stay open for as long as the reader; not changed.
 * out    receives the reader; give it back with steplog_reader_close().
 * err    may be NULL.
 *
 * The reader sees every row committed before this call. Damage does not make the
 * call fail: what can be read is shown, the rest is listed (steplog_reader_damage()).
 *
 * Returns OK; IO; NOMEM. On failure *out is NULL. Files of a later format version are left
 * out, and a notice names them.
 *
 * Segments that are compacted away while it is open can still be read. Of up to 128 the
 * descriptors are kept; a file beyond these is mapped, and read with pread while it has its
 * name. Only where that can not be done, in a process with no mappings left or beyond 16384
 * segments, calls that read it answer IO with os_errno ESTALE: refresh, and open the cursor
 * again.
 * Threads: callable from any; a reader serves one thread at a time.
 * Cost: one open file or mapping for each segment and each live log. */
STEPLOG_API steplog_status steplog_reader_open(steplog_store *store, steplog_reader **out, steplog_error *err);

/* Takes in what was recorded since. Series handles stay good; strings and arrays
 * lent by the reader before this call do not. Cursors opened before keep their view,
 * except those opened with STEPLOG_VIEW_FOLLOW.
 *
 * Other calls do the same where they have to, so what was lent ends with them too:
 * steplog_cursor_next() of a cursor with FOLLOW, any time; steplog_cursor_open(),
 * steplog_cursor_open_matching() and steplog_reader_m4() when a log that they read was
 * sealed meanwhile. Names and labels of series stay good until the reader is closed.
 *
 * Returns as steplog_reader_open(). On failure the reader stays as it was, but after NOMEM
 * it may show nothing until a refresh returns OK.
 * Threads: the reader's. Cost: what is new. */
STEPLOG_API steplog_status steplog_reader_refresh(steplog_reader *reader, steplog_error *err);

/* Closes a reader. NULL is a no-op. Its cursors must be closed first.
 * Threads: the reader's. */
STEPLOG_API void steplog_reader_close(steplog_reader *reader);

/* ---- runs ---- */

typedef enum steplog_run_status {
    STEPLOG_RUN_UNKNOWN = 0,  /* locks cannot tell: another host, a copy */
    STEPLOG_RUN_RUNNING = 1,  /* a writer lives */
    STEPLOG_RUN_FINISHED = 2, /* every writer of the highest attempt that has some closed with 0 */
    STEPLOG_RUN_FAILED = 3,   /* one of them closed with another code */
    STEPLOG_RUN_KILLED = 4,   /* one of them left no end record and none lives */
    STEPLOG_RUN_EMPTY = 5     /* no writer ever logged to it (a fork, facts only) */
} steplog_run_status;

/* Steps, times and counts are of what the run recorded itself, not of its parents. Where two files hold the same rows in
 * part (a store merged or copied twice while its writers lived) the counts of rows and points are estimates, until
 * compaction. Strings are lent until the next refresh or close; NULL where there is none. */
typedef struct steplog_run_info {
    size_t size_bytes; /* set by the caller */
    steplog_id id;
    const char *name;
    const char *project;
    steplog_run_status status;
    uint32_t attempt;       /* the highest that counts; 0 for none */
    uint32_t attempt_count; /* attempts seen, replaced and undone ones too */
    int has_steps;          /* some row was recorded */
    int64_t step_first;     /* smallest step of any attempt */
    int64_t step_last;      /* no step of the default view is larger: of an attempt that a rewind cuts, the one
                               before the cut, whether a row has it or not; step_first when the view is empty */
    int64_t time_first_ns;  /* earliest known wall time, or STEPLOG_TIME_NONE */
    int64_t time_last_ns;   /* latest known wall time of a row; where none has one, of a record of the history */
    uint64_t row_count;     /* of all attempts */
    uint64_t point_count;   /* of all attempts */
    uint64_t series_count; /* with those of its parents */
    uint64_t writer_count; /* without those that were removed whole */
    uint64_t blob_count;
    uint64_t gap_count;
    uint64_t stored_bytes; /* on disk, shared parts counted for each run */
    int has_parent;        /* the run is a fork */
    steplog_id parent;
    uint32_t parent_attempt;
    int64_t parent_step; /* the fork sees the parent's points below this step */
} steplog_run_info;

/* Counts the runs, newest first by their first writer's start.
 * Threads: the reader's. Cost: none. */
STEPLOG_API size_t steplog_reader_run_count(const steplog_reader *reader);

/* Describes a run by its place, 0 to run_count - 1. The order changes with a refresh.
 *
 * out  size_bytes must be set.
 *
 * Returns OK; MISSING; MISUSE; IO; NOMEM. Threads: the reader's.
 * Cost: reads the run's facts and what its logs gained, once after a refresh. */
STEPLOG_API steplog_status steplog_reader_run(steplog_reader *reader, size_t index, steplog_run_info *out,
                                              steplog_error *err);

/* Describes a run by its id. Otherwise as steplog_reader_run(). */
STEPLOG_API steplog_status steplog_reader_run_by_id(steplog_reader *reader, const steplog_id *run,
                                                    steplog_run_info *out, steplog_error *err);

/* Finds runs.
 *
 * selector  a run id, a unique prefix of one (4 digits or more), a name, a glob over
 *           names (* ? [a-z], backslash escapes), or "@latest". Tried in that order.
 * out       receives up to capacity ids, newest first; may be NULL when capacity is 0.
 * found     receives how many there are, which may be more than capacity.
 *
 * Returns OK with *found >= 1; MISSING when nothing matches; MISUSE when selector is
 * malformed; IO; NOMEM. Threads: the reader's. Cost: the names of all runs. */
STEPLOG_API steplog_status steplog_reader_find_runs(steplog_reader *reader, const char *selector, steplog_id *out,
                                                    size_t capacity, size_t *found, steplog_error *err);

/* ---- writers, facts, events and blobs of a run ---- */

typedef enum steplog_liveness {
    STEPLOG_LIVENESS_UNKNOWN = 0,
    STEPLOG_LIVENESS_ALIVE = 1,
    STEPLOG_LIVENESS_DEAD = 2, /* without an end record: it was killed */
    STEPLOG_LIVENESS_ENDED = 3 /* it closed */
} steplog_liveness;

/* Strings are lent until the next refresh or close. */
typedef struct steplog_writer_info {
    size_t size_bytes; /* set by the caller */
    steplog_id incarnation;
    steplog_id run;
    uint32_t attempt;
    uint32_t rank;
    int is_resume;
    int64_t resume_step;
    steplog_liveness liveness;
    int exit_code; /* when ended */
    const char *host;
    const char *step_axis;
    uint32_t pid;
    int64_t start_time_ns;
    int is_mapped;
    uint64_t first_sequence;   /* smallest that is held, or was removed for good; 0: none */
    uint64_t last_sequence;    /* largest, likewise */
    uint64_t missing_count;    /* sequence numbers between them that are neither */
    uint64_t salvageable_count; /* rows found after a hole at or above the durable mark; not shown */
    uint64_t durable_sequence;
    uint64_t unsealed_bytes; /* of its logs */
    uint64_t refused_count;  /* points refused on a full disk */
    const steplog_pair *labels;
    size_t label_count;
} steplog_writer_info;

/* Counts the writers of a run. 0 for an unknown run, and for one that can not be read: steplog_reader_run_by_id() tells
 * why. So it is with events and blobs. Threads: the reader's. */
STEPLOG_API size_t steplog_reader_writer_count(steplog_reader *reader, const steplog_id *run);

/* Describes a writer, in order of attempt, rank, start.
 *
 * index  0 to writer_count - 1.
 * out    size_bytes must be set.
 *
 * Returns OK; MISSING; MISUSE; IO; NOMEM. Threads: the reader's. */
STEPLOG_API steplog_status steplog_reader_writer(steplog_reader *reader, const steplog_id *run, size_t index,
                                                 steplog_writer_info *out, steplog_error *err);

/* Gives the latest value of a fact, lent until the next refresh or close.
 *
 * Returns OK; MISSING when there is none; CORRUPT; IO; NOMEM. Threads: the
 * reader's. Cost: a long value is read from its file now, and kept. */
STEPLOG_API steplog_status steplog_reader_fact(steplog_reader *reader, const steplog_id *run, const char *key,
                                               const char **value);

typedef enum steplog_event_kind {
    STEPLOG_EVENT_SET = 1,       /* key, value (NULL: taken away) */
    STEPLOG_EVENT_END = 2,       /* a writer closed: number is its exit code */
    STEPLOG_EVENT_REWIND = 3,    /* attempt replaces parent_attempt from step_begin on */
    STEPLOG_EVENT_UNDO = 4,      /* takes back the record (target, target_sequence) */
    STEPLOG_EVENT_FORK = 5,      /* of run target at parent_attempt, below step_end */
    STEPLOG_EVENT_TOMBSTONE = 6, /* removed: records of target up to target_sequence; key: the metric */
    STEPLOG_EVENT_GAP = 7        /* points refused or lost: number of them, step range */
} steplog_event_kind;

/* One record of the run's history. Strings are lent until the next refresh or close. */
typedef struct steplog_event {
    size_t size_bytes; /* set by the caller */
    steplog_event_kind kind;
    int is_in_force; /* the latest of its key, and not undone */
    uint64_t lamport;
    int64_t time_ns;
    steplog_id incarnation; /* with sequence: the record's identity */
    uint64_t sequence;
    const char *key;
    const char *value;
    uint32_t attempt;
    uint32_t parent_attempt;
    int64_t number;
    int has_steps;
    int64_t step_begin;
    int64_t step_end;
    steplog_id target;
    uint64_t target_sequence;
} steplog_event;

/* Counts the records of a run's history. Threads: the reader's. */
STEPLOG_API size_t steplog_reader_event_count(steplog_reader *reader, const steplog_id *run);

/* Gives a record of a run's history in order (Lamport number, incarnation, sequence).
 *
 * index  0 to event_count - 1.
 * out    size_bytes must be set.
 *
 * Returns OK; MISSING; MISUSE; CORRUPT; IO; NOMEM. Threads: the reader's.
 * Cost: a long value is read from its file now, and kept. */
STEPLOG_API steplog_status steplog_reader_event(steplog_reader *reader, const steplog_id *run, size_t index,
                                                steplog_event *out, steplog_error *err);

/* Strings are lent until the next refresh or close. */
typedef struct steplog_blob_info {
    size_t size_bytes; /* set by the caller */
    const char *name;
    const char *content_type;
    int64_t step;
    int64_t time_ns;
    uint64_t bytes;
    uint64_t content_hash; /* XXH3-64 of the content */
    uint32_t attempt;
    uint32_t rank;
} steplog_blob_info;

/* Counts the blobs of a run. Threads: the reader's. */
STEPLOG_API size_t steplog_reader_blob_count(steplog_reader *reader, const steplog_id *run);

/* Describes a blob, in order of (name, step, attempt, incarnation, sequence).
 *
 * Returns OK; MISSING; MISUSE; IO; NOMEM. Threads: the reader's. */
STEPLOG_API steplog_status steplog_reader_blob(steplog_reader *reader, const steplog_id *run, size_t index,
                                               steplog_blob_info *out, steplog_error *err);

/* Reads a blob's content.
 *
 * buffer, capacity  receives the content; capacity must be at least info.bytes.
 *
 * Returns OK; MISSING; MISUSE; CORRUPT; IO; NOMEM. Threads: the reader's. */
STEPLOG_API steplog_status steplog_reader_blob_read(steplog_reader *reader, const steplog_id *run, size_t index,
                                                    void *buffer, size_t capacity, steplog_error *err);

/* ---- series ---- */

/* Strings are lent until the next refresh or close. */
typedef struct steplog_series_info {
    size_t size_bytes; /* set by the caller */
    steplog_id run;
    const char *name; /* terminated; may hold zero bytes, see name_bytes */
    size_t name_bytes;
    uint32_t rank;
    const steplog_pair *labels; /* sorted by key */
    size_t label_count;
} steplog_series_info;

/* Finds series of a run, and of the runs it is a fork of.
 *
 * run       the run.
 * selector  a glob over metric names (* ? [a-z], backslash escapes), optionally with
 *           labels: "loss{rank=0}", "loss{rank=*,split=val}"; each label value is a
 *           glob; rank is a label here. NULL or "*": all.
 * out       receives up to capacity handles, by name, then rank, then labels.
 * found     receives how many there are, which may be more than capacity.
 *
 * Handles stay good until the reader is closed.
 *
 * Returns OK with *found >= 1; MISSING when nothing matches; MISUSE when selector is
 * malformed (file_offset: at which byte); IO; NOMEM. Threads: the reader's.
 * Cost: the names of the run's series. */
STEPLOG_API steplog_status steplog_reader_find(steplog_reader *reader, const steplog_id *run, const char *selector,
                                               steplog_series *out, size_t capacity, size_t *found,
                                               steplog_error *err);

/* Describes a series.
 *
 * out  size_bytes must be set.
 *
 * Returns OK; MISUSE for a handle that is not this reader's. Threads: the reader's. */
STEPLOG_API steplog_status steplog_reader_series(steplog_reader *reader, steplog_series series,
                                                 steplog_series_info *out, steplog_error *err);

/* ---- points ---- */

enum {
    STEPLOG_VIEW_ALL_ATTEMPTS = 1,  /* replaced and undone points too */
    STEPLOG_VIEW_ARRIVAL_ORDER = 2, /* rows as they were recorded, writer by writer; never joined */
    STEPLOG_VIEW_FOLLOW = 4         /* live: END is never answered, WAIT is; implies arrival order;
                                       rows of all attempts as they come, of the run itself, not of its parents */
};

/* Which points a cursor passes over. Zero is everything in the default view: steps in
 * order, the highest attempt winning from its cut on. */
typedef struct steplog_view {
    size_t size_bytes; /* sizeof(steplog_view) */
    uint32_t flags;
    int has_begin, has_end;
    int64_t step_begin; /* [step_begin, step_end) */
    int64_t step_end;
    uint64_t last_count; /* only the last so many rows; 0 is all; not with FOLLOW */
} steplog_view;

/* A batch of rows, lent until the next call on the cursor. In step order the columns
 * are a union: each step once, unless a series has several points at it; the n-th of
 * one series stands beside the n-th of another. Of a step with more rows than fit a
 * batch, those that come later do not go into rows that were given: what a series still
 * has then stands beside what the others still have. */
typedef struct steplog_batch {
    size_t row_count;
    size_t column_count;               /* one for each series of the cursor, in its order */
    const int64_t *steps;
    const int64_t *times_ns;           /* STEPLOG_TIME_NONE where unknown; where recorded rows are joined, of the one
                                          that is first by (parent's first, attempt, incarnation, sequence) */
    const uint32_t *attempts;          /* of that row */
    const uint32_t *writers;           /* index for steplog_reader_writer(), likewise; UINT32_MAX: of a parent */
    const uint64_t *sequences;         /* likewise */
    const double *const *values;       /* values[column][row]; 0 where not present */
    const uint64_t *const *present;    /* bit row % 64 of present[column][row / 64] */
} steplog_batch;

/* Opens a cursor.
 *
 * reader         must stay open as long as the cursor.
 * series, count  1 or more handles of one run (and its parents), each once.
 * view           NULL is the default view.
 * out            receives the cursor; give it back with steplog_cursor_close().
 *
 * Ends what the reader has lent, as a refresh does, when it has to take one.
 *
 * Returns OK; MISUSE; IO; NOMEM. Threads: the reader's.
 * Cost: the index of these series; no points are read yet. */
STEPLOG_API steplog_status steplog_cursor_open(steplog_reader *reader, const steplog_series *series, size_t count,
                                               const steplog_view *view, steplog_cursor **out, steplog_error *err);

/* Opens a cursor on every series of a run that a selector matches. With FOLLOW, series
 * that appear later join as further columns (steplog_cursor_series()); the run need not
 * have any yet.
 *
 * selector  as for steplog_reader_find().
 *
 * Otherwise as steplog_cursor_open(). */
STEPLOG_API steplog_status steplog_cursor_open_matching(steplog_reader *reader, const steplog_id *run,
                                                        const char *selector, const steplog_view *view,
                                                        steplog_cursor **out, steplog_error *err);

/* Tells which series a column of the cursor is.
 *
 * column  0 to column_count - 1 of the last batch.
 *
 * Returns OK or MISUSE. Threads: the reader's. */
STEPLOG_API steplog_status steplog_cursor_series(const steplog_cursor *cursor, size_t column, steplog_series *out);

/* Gives the next batch.
 *
 * out      receives the batch, lent until the next call on this cursor.
 * wait_ms  with FOLLOW: how long to wait for something new; 0 not at all, negative for
 *          ever. Otherwise ignored.
 *
 * Damaged blocks are passed over and listed (steplog_reader_damage()). With FOLLOW each
 * call may end what the reader has lent, as a refresh does.
 *
 * Returns OK with at least one row; END; WAIT (only with FOLLOW); IO; NOMEM. Without
 * FOLLOW a cursor that failed answers the same from then on: open another one. With
 * FOLLOW no row is lost: call again.
 * Threads: the reader's. Cost: decodes about one block for each series. */
STEPLOG_API steplog_status steplog_cursor_next(steplog_cursor *cursor, steplog_batch *out, int32_t wait_ms,
                                               steplog_error *err);

/* Closes a cursor. NULL is a no-op. Threads: the reader's. */
STEPLOG_API void steplog_cursor_close(steplog_cursor *cursor);

/* A bucket of points: M4 (Jugel et al., 2014) with the counts that a plot must not hide. */
typedef struct steplog_m4 {
    int64_t step[4];    /* of the first, last, smallest, largest value */
    double value[4];    /* first and last: any value, NaN too; smallest, largest: finite */
    uint64_t count;     /* points in the bucket, NaN and Inf included; 0: the rest means nothing */
    uint64_t nan_count;
    uint64_t inf_count;          /* of either sign */
    uint64_t negative_inf_count; /* of inf_count */
} steplog_m4;

/* Reduces a series to buckets of equal step width.
 *
 * view          its step range is what the buckets divide; where it has no begin or
 *               end, it is that of the series' own first or last point. NULL: the
 *               default view of all.
 * pixel_count   1 to 65536 buckets.
 * out           receives pixel_count buckets.
 * begin, end    receive the range divided, [*begin, *end); may be NULL.
 *
 * Bucket i holds the steps s with floor((s - begin) * pixel_count / (end - begin)) == i.
 * A point at step INT64_MAX, which no end is behind, counts as if it were at the step before.
 * When nothing finite is in a bucket, value[2] and value[3] are NaN. Ends what the reader
 * has lent, as a refresh does, when it has to take one.
 *
 * Returns OK; MISSING when the view holds no point; MISUSE; IO; NOMEM.
 * Threads: the reader's. Cost: block headers, and the blocks at bucket edges. */
STEPLOG_API steplog_status steplog_reader_m4(steplog_reader *reader, steplog_series series, const steplog_view *view,
                                             size_t pixel_count, steplog_m4 *out, int64_t *begin, int64_t *end,
                                             steplog_error *err);

/* ---- what could not be read ---- */

/* Strings are lent until the next refresh or close; NULL where not known. */
typedef struct steplog_damage {
    size_t size_bytes; /* set by the caller */
    const char *file;  /* relative to the store */
    int64_t offset;    /* in the file; -1: the whole file */
    uint64_t bytes;    /* 0: not known */
    const char *what;  /* one line: expected, found */
    int has_run;
    steplog_id run;
    const char *series; /* the metric, or NULL: all series of the rows; a long name may be cut and end in "..." */
    int has_steps;
    int64_t step_first, step_last; /* both included */
    int is_notice; /* worth telling, but nothing is damaged: an unsynced tail, a foreign file */
} steplog_damage;

/* Counts the damage this reader has come upon so far. Threads: the reader's. */
STEPLOG_API size_t steplog_reader_damage_count(const steplog_reader *reader);

/* Describes damage, in the order it was met.
 *
 * index  0 to damage_count - 1.
 *
 * Returns OK; MISSING; MISUSE. Threads: the reader's. */
STEPLOG_API steplog_status steplog_reader_damage(const steplog_reader *reader, size_t index, steplog_damage *out);

#ifdef __cplusplus
}
#endif
#endif
