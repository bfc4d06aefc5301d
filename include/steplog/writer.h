/* steplog/writer.h: recording a run.
 *
 * A writer is one opening of one run by one thread. Once an append returned OK
 * its points survive any end of the process; a sync (each second by default)
 * makes them survive the end of the machine.
 *
 * After fork() the writer is the child's, too: its first append there opens logs of
 * its own, as another incarnation. But a signal handler that interrupted a call with
 * a writer may only fork a child that ends, by exec or _exit(), before it returns
 * from the handler: the call that it would go on with stores into a log that is not
 * mapped there (SIGSEGV). */
#ifndef STEPLOG_WRITER_H
#define STEPLOG_WRITER_H

#include "steplog/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Zero in a field means its default. */
typedef struct steplog_writer_options {
    size_t size_bytes;          /* sizeof(steplog_writer_options) */
    const char *run_key;        /* same key, same run, in any process and on any host;
                                   NULL is $STEPLOG_RUN_KEY; neither: a new run */
    const steplog_id *run_id;   /* an existing run by id; not together with run_key */
    const char *run_name;       /* a label for people; need not be unique; NULL none */
    const char *project;        /* NULL none */
    uint32_t rank;              /* of this process in the job */
    const steplog_pair *labels; /* part of every series of this writer; sorted by the library */
    size_t label_count;         /* at most STEPLOG_LABELS_MAX, and STEPLOG_LABELS_BYTES_MAX */
    uint32_t attempt;           /* 0 joins the highest attempt of the run, 1 if there is none;
                                   ranks of one restart give the same number */
    int is_resume;              /* the job continues from a checkpoint at resume_step */
    int64_t resume_step;        /* first step this writer will log again */
    const char *step_axis;      /* what steps count: NULL is "step"; "epoch", "token" */
} steplog_writer_options;

typedef struct steplog_writer_stats {
    size_t size_bytes;           /* sizeof, set by the caller */
    uint64_t row_count;          /* rows and points appended */
    uint64_t refused_count;      /* points refused since opening (disk full) */
    uint64_t slow_append_count;  /* appends that had to prepare or seal a log themselves,
                                    or waited for the sealer */
    uint64_t last_sequence;      /* of the last record appended */
    uint64_t durable_sequence;   /* everything up to here survives a power cut */
    uint32_t attempt;            /* that this writer writes to */
    int is_mapped;               /* 1: appends are stores into a mapped file; 0: pwrite */
    steplog_id run;              /* the run */
    steplog_id incarnation;      /* this writer's own identity */
} steplog_writer_stats;

/* Opens a writer.
 *
 * store    not READ_ONLY; must stay open as long as the writer.
 * options  NULL is a new run without a name.
 * out      receives the writer; give it back with steplog_writer_close().
 * err      may be NULL.
 *
 * Returns OK; MISUSE (read-only store, size_bytes, both run_key and run_id, text
 * that is not UTF-8: file_offset is the offset of the bad byte; labels NULL beside a
 * label_count; a label whose key or value is NULL, or whose key is empty, "rank", or
 * there twice); LIMIT; FULL; IO; NOMEM. On failure *out is NULL and nothing was recorded.
 * Threads: any; the writer then belongs to one thread at a time.
 * Cost: creates and allocates one log file; reads the run's facts. */
STEPLOG_API steplog_status steplog_writer_open(steplog_store *store, const steplog_writer_options *options,
                                               steplog_writer **out, steplog_error *err);

/* Names a metric. The same name gives the same handle.
 *
 * name, bytes  any UTF-8 of 1 to STEPLOG_NAME_BYTES_MAX bytes; copied. A zero byte
 *              is allowed.
 * out          receives the handle, good for this writer.
 *
 * Returns OK; MISUSE when name is empty or not UTF-8 (file_offset is the offset of
 * the first bad byte); LIMIT; FULL; IO; NOMEM; FAILED. Threads: the writer's.
 * Cost: a hash look-up; for a new name one record. */
STEPLOG_API steplog_status steplog_writer_metric(steplog_writer *writer, const char *name, size_t bytes,
                                                 steplog_metric *out, steplog_error *err);

/* Names a list of metrics that are logged together. The same list gives the same
 * handle.
 *
 * metrics, count  1 to STEPLOG_ROW_METRICS_MAX different handles, in the order the
 *                 values will come. Their names, and 4 bytes for each, have
 *                 STEPLOG_SCHEMA_NAMES_BYTES_MAX bytes together at most.
 *
 * Returns OK; MISUSE (no metric, one twice, a handle that is not this writer's);
 * LIMIT; FULL; IO; NOMEM; FAILED. Threads: the writer's. Cost: as for a metric. */
STEPLOG_API steplog_status steplog_writer_schema(steplog_writer *writer, const steplog_metric *metrics, size_t count,
                                                 steplog_schema *out, steplog_error *err);

/* Appends one row. Hot: no allocation, no lock, no system call while the log has
 * room (mapped logs), at most one clock read.
 *
 * schema   from steplog_writer_schema() of this writer.
 * step     any.
 * time_ns  nanoseconds since 1970-01-01 UTC, STEPLOG_TIME_NOW or STEPLOG_TIME_NONE.
 * values   one for each metric of the schema; any bit pattern, kept exactly.
 *
 * Returns OK: the row survives any end of the process. FULL: the row is not
 * recorded, is counted, and a gap will say so; the next call tries again. IO, NOMEM,
 * FAILED, MISUSE: not recorded; steplog_writer_error() has the words. (An IO after
 * which every call gives FAILED: nobody can tell whether the row is there.)
 * Threads: the writer's. Cost: a copy and a checksum of the row. */
STEPLOG_API steplog_status steplog_writer_append(steplog_writer *writer, steplog_schema schema, int64_t step,
                                                 int64_t time_ns, const double *values);

/* Appends one row of which some metrics are missing.
 *
 * present  bit i (word i / 64, bit i % 64) says whether values[i] is there; values of
 *          missing metrics are not read. NULL: all are there. A row with none is MISUSE.
 *
 * Otherwise as steplog_writer_append(). */
STEPLOG_API steplog_status steplog_writer_append_present(steplog_writer *writer, steplog_schema schema, int64_t step,
                                                         int64_t time_ns, const double *values,
                                                         const uint64_t *present);

/* Appends many rows of one schema.
 *
 * row_count  rows; 0 is a no-op.
 * steps      one for each row.
 * times_ns   one for each row, or NULL: the clock is read once for all of them.
 * values     row by row.
 *
 * Returns OK when all rows are recorded; otherwise the rows before the one that
 * failed are (get_stats() tells how many). Otherwise as steplog_writer_append(). */
STEPLOG_API steplog_status steplog_writer_append_rows(steplog_writer *writer, steplog_schema schema, size_t row_count,
                                                      const int64_t *steps, const int64_t *times_ns,
                                                      const double *values);

/* Appends one point. Points that follow one another at one step share it, and
 * share the clock reading when time_ns is STEPLOG_TIME_NOW.
 *
 * metric  from steplog_writer_metric() of this writer.
 *
 * Otherwise as steplog_writer_append(). */
STEPLOG_API steplog_status steplog_writer_point(steplog_writer *writer, steplog_metric metric, int64_t step,
                                                int64_t time_ns, double value);

/* Appends values by name, at the time of the call: the easy way. The first call
 * with a new list of names makes a schema; later ones find it by a hash.
 *
 * named, count  1 to STEPLOG_ROW_METRICS_MAX names with their values. MISUSE: any
 *               other count; named is NULL; a name that is NULL, empty, not UTF-8,
 *               or given twice. LIMIT: as for a metric and a schema.
 *
 * Otherwise as steplog_writer_append().
 * Cost: hashing the names. */
STEPLOG_API steplog_status steplog_writer_log(steplog_writer *writer, int64_t step, const steplog_named *named,
                                              size_t count);

/* Records a fact about the run: the latest value of a key wins, older ones are kept.
 *
 * key    UTF-8, 1 to STEPLOG_NAME_BYTES_MAX bytes. "name", "project" and "note" are
 *        known to the tools; "param.X" and "tag.X" are parameters and tags.
 * value  UTF-8, at most STEPLOG_VALUE_BYTES_MAX bytes. NULL takes the fact away.
 *
 * Returns OK; MISUSE; LIMIT; FULL; IO; NOMEM; FAILED. Threads: the writer's.
 * Cost: looks for newer facts of other writers, then appends one record. */
STEPLOG_API steplog_status steplog_writer_set_fact(steplog_writer *writer, const char *key, const char *value,
                                                   steplog_error *err);

/* Records a blob: an image, a text, a table.
 *
 * name          UTF-8, like a metric's.
 * step, time_ns as for a row.
 * content_type  such as "image/png" or "text/csv; charset=utf-8", at most 1024 bytes;
 *               NULL is "application/octet-stream".
 * data, bytes   at most STEPLOG_BLOB_BYTES_MAX; copied.
 *
 * Returns as steplog_writer_set_fact(). Threads: the writer's. */
STEPLOG_API steplog_status steplog_writer_blob(steplog_writer *writer, const char *name, int64_t step, int64_t time_ns,
                                               const char *content_type, const void *data, size_t bytes,
                                               steplog_error *err);

/* Makes everything appended so far survive a power cut.
 *
 * Returns OK: stats.durable_sequence is now last_sequence. IO: the disk refused; the
 * writer will move its unsynced rows to a new log, or has FAILED. FULL, NOMEM: they
 * can not be moved yet; nothing is lost, the next sync or append tries again. FAILED.
 * Threads: the writer's. Cost: one sync of what is new. */
STEPLOG_API steplog_status steplog_writer_sync(steplog_writer *writer, steplog_error *err);

/* Tells what the last failed hot call of this writer failed on.
 *
 * out  receives the error; code is OK when none failed yet.
 *
 * Threads: the writer's. */
STEPLOG_API void steplog_writer_error(const steplog_writer *writer, steplog_error *out);

/* Tells how the writer is doing.
 *
 * out  size_bytes must be set. Threads: the writer's. Cost: none. */
STEPLOG_API void steplog_writer_get_stats(const steplog_writer *writer, steplog_writer_stats *out);

/* Closes a writer: records how it ended, seals its logs. NULL is a no-op.
 *
 * exit_code  0 finished, any other failed.
 *
 * Returns OK, or the failure of the last sync or sealing (nothing appended is lost:
 * the logs stay and are sealed by the next who opens the store). The handle is gone
 * in any case. In a child made by fork() it closes what the child itself recorded; where
 * that is nothing it only frees memory.
 * Threads: the writer's. Cost: compresses and syncs what is not sealed yet. */
STEPLOG_API steplog_status steplog_writer_close(steplog_writer *writer, int exit_code, steplog_error *err);

#ifdef __cplusplus
}
#endif
#endif
