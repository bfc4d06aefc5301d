/* steplog/store.h: opening and closing a store.
 *
 * A store is a directory. Any number of processes may have it open at once, to
 * write, to read or to compact; none of them waits for another. */
#ifndef STEPLOG_STORE_H
#define STEPLOG_STORE_H

#include "steplog/types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    STEPLOG_CREATE = 1,       /* make the store if nothing, or an empty directory, is there */
    STEPLOG_READ_ONLY = 2,    /* change nothing, ever; no background thread */
    STEPLOG_NO_THREAD = 4,    /* no background thread; tick(), sync() and close() do its work */
    STEPLOG_FORCE_PWRITE = 8, /* write logs with pwrite where they could be mapped */
    STEPLOG_NO_ADOPT = 16,    /* do not seal logs that dead writers left behind */
    STEPLOG_MAP_READS = 32    /* readers map files instead of reading them, which is faster. For local
                                 disks whose files nobody makes shorter: who does ends this process
                                 (SIGBUS), as does a disk that can not be read. Default: pread */
};

/* Zero in a field means its default. */
typedef struct steplog_store_options {
    size_t size_bytes;         /* sizeof(steplog_store_options) */
    uint32_t flags;            /* the flags above; default none */
    uint32_t sync_interval_ms; /* between syncs of live logs; 0 is 1000, UINT32_MAX never
                                  (then only sync() and close()). Longer: fewer writes to
                                  the disk, more steps at risk in a power cut. */
    uint64_t log_bytes;        /* size of one log; 0 is 8 MiB, 64 KiB to 1 GiB. Larger:
                                  fewer and larger segments, more disk held while writing. */
    uint64_t backlog_bytes;    /* how much of a writer's full logs may wait to be sealed; 0 is
                                  32 MiB or four logs, whichever is more; UINT64_MAX is no
                                  limit. Beyond it an append that begins another log waits
                                  up to 50 ms for the background thread; beyond four times
                                  as much, and without a thread, it seals a log itself. Both
                                  count as slow. Larger: longer bursts at full speed (8 MiB
                                  are 900,000 values), more disk and page cache held. */
} steplog_store_options;

/* Opens a store.
 *
 * path     the store's directory, UTF-8 or any bytes; copied.
 * options  NULL is all defaults.
 * out      receives the handle; give it back with steplog_store_close().
 * err      may be NULL.
 *
 * With CREATE a missing or empty directory becomes a store; a directory that
 * holds anything else is refused. Without READ_ONLY, logs that dead writers of
 * this host left behind are sealed later, by the background thread or tick().
 *
 * Calls that may seal or compact take up to 256 KiB of their thread's stack:
 * tick(), sync(), closing, compacting, merging; without a background thread, or
 * beyond backlog_bytes, appends too. Reads and verify take up to half of that. The
 * background thread's own stack has 1 MiB or more.
 *
 * Returns OK; MISSING when there is no store at path; MISUSE for bad options or
 * a directory that is not a store; NEWER; CORRUPT when the store's own file is
 * damaged; IO; FULL; NOMEM. On failure *out is NULL.
 * Threads: any. Cost: one small file; a thread is started unless told not to. */
STEPLOG_API steplog_status steplog_store_open(const char *path, const steplog_store_options *options,
                                              steplog_store **out, steplog_error *err);

/* Does a share of the background work: syncs what is due, prepares logs, seals,
 * merges small segments. For stores opened with NO_THREAD; allowed with a thread.
 *
 * budget_ms  stop starting new work after this long; 0 does only what is due now:
 *            for each writer a sync, its next log, and sealing some of its full logs.
 *
 * Returns OK; WAIT when the time was too short to seal logs of dead writers or to merge
 * segments; IO, FULL, NOMEM. After either more full logs of a writer may wait for the
 * next tick.
 * Threads: any, but not beside an append on a writer of the same store unless the
 * store has a background thread. */
STEPLOG_API steplog_status steplog_store_tick(steplog_store *store, uint32_t budget_ms, steplog_error *err);

/* Gives the store's id. Threads: any. Cost: none.
 *
 * store  an open store. */
STEPLOG_API steplog_id steplog_store_id(const steplog_store *store);

/* Gives the path the store was opened with, valid until it is closed.
 *
 * store  an open store. Threads: any. */
STEPLOG_API const char *steplog_store_path(const steplog_store *store);

/* Closes a store. NULL is a no-op.
 *
 * Returns BUSY, and the store stays open, while a writer or a reader of it is
 * open; otherwise the handle is gone: OK, or the failure of the last background
 * work. Threads: any one. */
STEPLOG_API steplog_status steplog_store_close(steplog_store *store, steplog_error *err);

#ifdef __cplusplus
}
#endif
#endif
