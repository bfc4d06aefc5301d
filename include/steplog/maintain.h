/* steplog/maintain.h: changing what is recorded about runs, compacting, verifying. */
#ifndef STEPLOG_MAINTAIN_H
#define STEPLOG_MAINTAIN_H

#include "steplog/reader.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- facts and attempts, from outside the job ---- */

/* Records facts about a run: as steplog_writer_set_fact() for several at once, without
 * a writer. All or none are recorded: none when this fails. Where that could not be
 * made sure of the status is IO and the text says that they may be; that holds for all
 * that records facts below.
 *
 * facts, count  a value of NULL takes the fact away; a key of NULL is MISUSE.
 *
 * Returns OK; MISSING when there is no such run; otherwise as
 * steplog_writer_set_fact(). Threads: any. Cost: one small segment, synced. */
STEPLOG_API steplog_status steplog_run_set_facts(steplog_store *store, const steplog_id *run,
                                                 const steplog_pair *facts, size_t count, steplog_error *err);

/* Opens the next attempt of a run, from a step on: what the attempts before it hold at
 * step and above leaves the default view. Nothing is freed.
 *
 * step     first step that will be logged again.
 * attempt  receives the number of the new attempt, for steplog_writer_options; may be NULL.
 *
 * Returns OK; MISSING; LIMIT when there is no attempt after the highest; IO; FULL; NOMEM.
 * Threads: any. Cost: one record, synced. */
STEPLOG_API steplog_status steplog_run_rewind(steplog_store *store, const steplog_id *run, int64_t step,
                                              uint32_t *attempt, steplog_error *err);

/* Takes back the latest rewind in force: its attempt leaves the default view and what it
 * hid returns.
 *
 * attempt  receives the number of the attempt taken back; may be NULL.
 *
 * Returns OK; MISSING when there is no run or no rewind in force; IO; FULL; NOMEM. */
STEPLOG_API steplog_status steplog_run_rewind_undo(steplog_store *store, const steplog_id *run, uint32_t *attempt,
                                                   steplog_error *err);

/* Makes a new run that begins as another did: it sees the parent's points, as its highest
 * attempt stands now, below a step. Later rewinds of the parent do not change it. Where the
 * fork is itself rewound below that step, or resumed, it sees the parent's points below that.
 *
 * step      first step that the fork logs itself.
 * run_key   for the fork; NULL gives it a random id.
 * name      of the fork; NULL none.
 * out       receives the fork's id.
 *
 * Returns OK; MISSING; MISUSE when run_key names a run that exists; LIMIT when the run has
 * STEPLOG_FORK_DEPTH_MAX above it already; IO; FULL; NOMEM. */
STEPLOG_API steplog_status steplog_run_fork(steplog_store *store, const steplog_id *run, int64_t step,
                                            const char *run_key, const char *name, steplog_id *out,
                                            steplog_error *err);

/* ---- removing ---- */

typedef struct steplog_remove_options {
    size_t size_bytes;
    steplog_id run;
    const char *selector; /* which series; NULL: the run whole, facts and blobs too */
    int has_begin, has_end;
    int64_t step_begin, step_end; /* with has_begin or has_end: only points in [begin, end); an end of INT64_MAX is none */
    int is_dry_run;               /* only count */
} steplog_remove_options;

typedef struct steplog_remove_result {
    size_t size_bytes; /* set by the caller */
    uint64_t series_count;    /* that have such points */
    uint64_t point_count;     /* points that the removal covers; a parent's stay, also in its forks */
    uint64_t tombstone_count; /* records written */
} steplog_remove_result;

/* Removes points that are recorded now: later ones of the same run stay. They leave all
 * views at once; compaction frees their bytes after a grace time of 24 hours.
 *
 * Returns OK; MISSING when nothing matches; MISUSE; BUSY when the run is being written
 * (a live writer) and no step range or selector is given; IO; FULL; NOMEM. */
STEPLOG_API steplog_status steplog_remove(steplog_store *store, const steplog_remove_options *options,
                                          steplog_remove_result *out, steplog_error *err);

/* Takes back the removals of a run that are still within their grace time and whose bytes
 * are still there.
 *
 * restored  receives how many tombstones were taken back; may be NULL.
 *
 * Returns OK; MISSING when there is none to take back; IO; FULL; NOMEM. */
STEPLOG_API steplog_status steplog_remove_undo(steplog_store *store, const steplog_id *run, uint64_t *restored,
                                               steplog_error *err);

/* ---- compaction and merging ---- */

/* Called now and then during long work. done and total are in bytes of input.
 * Return 0 to go on, anything else to stop safely (the call then answers END). A
 * child that is forked in it and returns gets END, and has changed nothing. */
typedef int (*steplog_progress)(void *context, uint64_t done, uint64_t total);

enum {
    STEPLOG_COMPACT_NOW = 1,   /* free what was removed without waiting for the grace time */
    STEPLOG_COMPACT_ADOPT = 2, /* seal logs of other hosts too: only when those are lost */
    STEPLOG_COMPACT_LIGHT = 4  /* only what the background thread would merge */
};

typedef struct steplog_compact_options {
    size_t size_bytes;
    uint32_t flags;
    steplog_progress progress; /* NULL none */
    void *progress_context;
} steplog_compact_options;

typedef struct steplog_compact_result {
    size_t size_bytes; /* set by the caller */
    uint64_t files_before, files_after;
    uint64_t bytes_before, bytes_after;
    uint64_t logs_sealed;
    uint64_t points_dropped; /* removed for good */
    uint64_t points_lost;    /* in blocks that could not be read; those files are kept */
} steplog_compact_result;

/* Seals what dead writers left, merges segments into few large ones, frees what was
 * removed, and what stopped processes left half written more than 24 hours ago. Readers
 * and writers may go on meanwhile.
 *
 * options  NULL is all defaults.
 * out      may be NULL; else size_bytes must be set.
 *
 * Returns OK; END when progress stopped it (the store is as good as before); IO; FULL;
 * NOMEM; CORRUPT when a damaged file had to be left out (everything else was done).
 * Threads: any. Cost: reads and writes what it merges; memory is bounded. */
STEPLOG_API steplog_status steplog_store_compact(steplog_store *store, const steplog_compact_options *options,
                                                 steplog_compact_result *out, steplog_error *err);

typedef struct steplog_merge_result {
    size_t size_bytes; /* set by the caller */
    uint64_t files_copied, files_known, bytes_copied;
} steplog_merge_result;

/* Copies what another store holds into this one. Doing it twice changes nothing.
 *
 * source  path of the other store; only read. Its live logs are copied as they stand, and
 *         segments of which a part is damaged as they are.
 *
 * Returns OK; END when progress stopped it; MISSING; CORRUPT or NEWER when a file of the
 * other store had to be left out (everything else was done), or the store as a whole; IO,
 * after all that could be brought was; FULL; NOMEM.
 * Threads: any. Cost: copies and checks files. */
STEPLOG_API steplog_status steplog_store_merge(steplog_store *store, const char *source, steplog_progress progress,
                                               void *progress_context, steplog_merge_result *out, steplog_error *err);

/* ---- looking at the bytes ---- */

/* One field of one structure of one file. Strings are lent for the call. */
typedef struct steplog_dump_item {
    const char *file;      /* relative to the store */
    int64_t offset;        /* in the file */
    uint64_t bytes;        /* on disk; 0 for a derived value */
    const char *structure; /* FORMAT.md's name, such as "log header" */
    const char *field;     /* FORMAT.md's name; "" begins a structure */
    const char *value;     /* as text; "" where field is "" */
    int is_number;         /* value is a JSON number */
    int is_damaged;        /* value says what is wrong */
} steplog_dump_item;

/* Return 0 to go on, anything else to stop. */
typedef int (*steplog_dump_callback)(void *context, const steplog_dump_item *item);

enum {
    STEPLOG_DUMP_VALUES = 1 /* decode blocks and rows to their values as well */
};

/* Walks the files of a store field by field, damaged ones too.
 *
 * path  the store, or one file of it.
 * file  a file relative to the store, or NULL for all.
 *
 * Returns OK; END when the callback stopped it; MISSING; IO; NOMEM.
 * Threads: any. Cost: reads everything. */
STEPLOG_API steplog_status steplog_dump(const char *path, const char *file, uint32_t flags,
                                        steplog_dump_callback callback, void *context, steplog_error *err);

/* Return 0 to go on, anything else to stop. */
typedef int (*steplog_verify_callback)(void *context, const steplog_damage *finding);

typedef struct steplog_verify_options {
    size_t size_bytes;
    steplog_verify_callback callback; /* for each finding, notices too; NULL none */
    void *context;
    steplog_progress progress; /* NULL none */
    void *progress_context;
} steplog_verify_options;

typedef struct steplog_verify_result {
    size_t size_bytes; /* set by the caller */
    uint64_t file_count, byte_count, block_count, row_count, point_count;
    uint64_t damage_count, notice_count;
} steplog_verify_result;

/* Checks every byte of a store: checksums, rules of FORMAT.md, that index and blocks
 * agree, that sequences have no gap. Changes nothing.
 *
 * options  NULL is all defaults.
 * out      may be NULL; else size_bytes must be set.
 *
 * Returns OK when nothing is damaged (notices are allowed); CORRUPT when something is;
 * END when stopped; MISSING; NEWER; IO; NOMEM. Threads: any. Cost: reads everything. */
STEPLOG_API steplog_status steplog_store_verify(const char *path, const steplog_verify_options *options,
                                                steplog_verify_result *out, steplog_error *err);

typedef struct steplog_store_info {
    size_t size_bytes; /* set by the caller */
    steplog_id id;
    uint32_t format_version;
    int64_t created_time_ns;
    uint64_t run_count, writer_count, row_count, point_count;
    uint64_t log_count, log_bytes;
    uint64_t segment_count, segment_bytes;
    uint32_t level_count;
    const char *log_mode; /* "mapped" or "pwrite": what a writer would use here */
    const char *file_system; /* "ext4", or a number; static */
} steplog_store_info;

/* Describes a store as a reader sees it.
 *
 * out  size_bytes must be set.
 *
 * Returns OK; MISUSE; IO or NOMEM when runs could not be read: out is not whole then.
 * Threads: the reader's. */
STEPLOG_API steplog_status steplog_reader_store_info(steplog_reader *reader, steplog_store_info *out,
                                                     steplog_error *err);

#ifdef __cplusplus
}
#endif
#endif
