/* core/store.h: an open store: its directories, its writers, its background thread.
 *
 * Locks: list_lock guards the list of writers and the counts, never held while working, nor while a signal is handled;
 * work_lock is held by whoever works for writers (syncing, sealing) and by a writer that closes; compact_lock by one
 * compaction, in the middle of which the background works for writers. Taken in the order compact_lock, work_lock,
 * list_lock. No append takes any but list_lock, to wake the background. */
#ifndef SL_CORE_STORE_H
#define SL_CORE_STORE_H

#include "format/store_file.h"
#include "os/os.h"
#include "read/reader.h"
#include "steplog/maintain.h"
#include "write/writer.h"

#include <signal.h>

struct steplog_store {
    char *path;
    uint32_t flags;
    uint64_t sync_interval_ns; /* INT64_MAX: never */
    int store_dir, log_dir;    /* log_dir: -1 when read-only */
    sl_store_file file;
    sl_os_file_system file_system;
    steplog_id host_id, boot_id;
    char host[256];
    uint32_t process_id;
    int64_t process_start_ns;
    _Atomic uint64_t *alive_page;  /* the generation of the process; zero in a child whose fork handlers did not run */
    uint64_t generation;           /* the same, which a child inherits */
    _Atomic int is_forked;         /* a child that has not taken the store over yet */
    sl_write_context write;

    pthread_mutex_t list_lock, work_lock, compact_lock;
    pthread_cond_t work;
    pthread_t thread;
    int has_thread, must_stop;
    _Atomic int is_awake; /* the background has been told, or is working */
    steplog_writer *writers;
    size_t writer_count, reader_count;
    int64_t last_sync_ns; /* under work_lock */
    _Atomic int64_t last_compact_ns;
    _Atomic int64_t compact_pause_ns; /* more than usual until the next one, after one that failed */
    _Atomic uint64_t sealed_count; /* segments made since the last light compaction; any thread */
    _Atomic int has_recovered; /* or is at it: the background or a tick(), one of them */
    _Atomic int64_t recover_retry_ns; /* not before */
    int64_t recover_pause_ns;         /* of whoever is at it */
    steplog_error background_error; /* the last failure */
    steplog_reader *facts;          /* for Lamport numbers and attempts; under fact_lock */
    pthread_mutex_t fact_lock;
    struct steplog_store *next;     /* all open stores, for fork */
};

sl_read_context sl_store_read_context(steplog_store *store);

/* Differs from what it was before when this is a child of the process that asked before. */
static inline uint64_t sl_store_generation(const steplog_store *store)
{
    return atomic_load_explicit(store->alive_page, memory_order_relaxed);
}

/* fork.c: list_lock, with signals blocked: a handler that forks takes it too. before is for the unlocking. */
void sl_store_lock_list(steplog_store *store, sigset_t *before);
void sl_store_unlock_list(steplog_store *store, const sigset_t *before);

/* fork.c: takes all stores from a parent that took no locks for it: _Fork() and clone() call no handlers. */
void sl_fork_was_unseen(void);

/* First in every call that takes a lock of the store: in such a child threads that are not here may hold it. */
static inline void sl_store_enter(const steplog_store *store)
{
    if (sl_store_generation(store) == 0) sl_fork_was_unseen();
}

/* background.c */
steplog_status sl_background_start(steplog_store *store, steplog_error *err);
void sl_background_stop(steplog_store *store);
void sl_background_wake(steplog_store *store);
/* One round: spares, syncs that are due, sealing; with light compaction and recovery while budget is left.
 * WAIT when work is left. */
steplog_status sl_background_work(steplog_store *store, int64_t deadline_ns, steplog_error *err);

/* recover.c: seals what dead writers of this host left. adopt: of any host. */
steplog_status sl_recover_logs(steplog_store *store, int adopt, uint64_t *sealed, steplog_error *err);

/* run.c */
steplog_status sl_store_next_lamport(steplog_store *store, const steplog_id *run, uint64_t *lamport, steplog_error *err);
/* A snapshot that sees everything up to now; give it back with sl_store_facts_done(). */
steplog_status sl_store_facts(steplog_store *store, steplog_reader **out, steplog_error *err);
void sl_store_facts_done(steplog_store *store);
/* Whether segments hold these records of a log's writer, each of them read and decoded. */
steplog_status sl_store_is_sealed(steplog_store *store, const sl_log_header *log, const sl_ranges *numbers, int *yes,
                                  steplog_error *err);
/* Records facts of a run by a writer that does nothing else. */
steplog_status sl_store_record(steplog_store *store, const steplog_id *run, uint32_t attempt, sl_fact *facts, size_t count, steplog_error *err);

/* fork.c */
/* From now on a forked child closes private descriptors: before the first of them is opened. Takes over what such a
 * child was left with. */
void sl_fork_watch(void);
void sl_fork_register(steplog_store *store);
void sl_fork_unregister(steplog_store *store);
/* Makes an inherited store this process's own. Any number of times, by any thread. */
void sl_store_after_fork(steplog_store *store);

#endif
