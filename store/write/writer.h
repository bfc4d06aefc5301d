/* write/writer.h: a writer as its own files and the background work see it.
 *
 * States of a writer:
 *   OPEN    log is active; every append either is recorded or says why not
 *   GAP     the disk is full: appends are refused and counted, each tries again
 *   FAILED  it can no longer vouch for its file; only close is left
 * A writer belongs to one thread. The background work touches only what is marked so below. */
#ifndef SL_WRITE_WRITER_H
#define SL_WRITE_WRITER_H

#include "format/fact_codec.h"
#include "index/ranges.h"
#include "steplog/writer.h"
#include "write/row_log.h"
#include "write/schema_table.h"
#include "write/write_context.h"

#include <pthread.h>

/* What steplog_writer_log() remembers of a list of names. */
typedef struct sl_names_list {
    steplog_schema schema;
    uint32_t count;
    char *names;  /* each with its zero byte, one behind the other */
    size_t bytes;
} sl_names_list;

/* Sealed logs that are kept for reuse: a writer that runs ahead of its sealer finds their pages in memory, which
 * costs a tenth of fresh ones. As many are sealed together. */
#define SL_SPARES_MAX 4u

enum { SL_WRITER_OPEN = 0, SL_WRITER_GAP = 1, SL_WRITER_FAILED = 2 };

struct steplog_writer {
    sl_row_log *_Atomic log;        /* active: the writer's thread, and whoever closes */
    const _Atomic uint64_t *alive_page;
    uint64_t generation; /* of the process that the logs belong to */
    uint64_t starting_generation; /* of the process that this incarnation is of, when it has no log yet */
    _Atomic uint64_t work_generation; /* the same once there is a log that the background may work on */
    uint64_t next_sequence;
    int has_base; /* the last record was a point: base_step and base_time_ns can be shared */
    int64_t base_step, base_time_ns;
    int64_t base_asked_ns; /* its time as it was given: STEPLOG_TIME_NOW when it was read from the clock */
    int state;

    sl_write_context *context;
    steplog_id incarnation, run;
    sl_writer_description description; /* lent from description_bytes */
    sl_buffer description_bytes;
    uint64_t lamport;
    uint64_t wanted_log_bytes;
    sl_schema_table table;
    sl_hash_map names_seen;        /* steplog_writer_log(): hash of the names to names_lists[] */
    SL_VEC(sl_names_list) names_lists;
    sl_buffer scratch;
    steplog_error error;
    uint64_t row_count, refused_count, slow_append_count;
    int64_t help_retry_ns; /* when to wait again for the sealer, or seal, in an append, after that did not help */
    sl_ranges *moving_lost; /* while records are moved out of a frozen log: those that are gone; else NULL */
    sl_log_gap unrecorded; /* refused while not even a gap record could be written */

    /* shared with the background work */
    sl_row_log *_Atomic shared_log; /* the active log, once it is whole and the one before stands in sealing; NULL for the
                                       moment in between. Looked at under sync_lock: nobody frees it meanwhile */
    sl_row_log *_Atomic spares[SL_SPARES_MAX]; /* made or recycled by it, taken by append */
    sl_row_log *_Atomic sealing;   /* pushed by append, taken by it: newest first */
    _Atomic uint32_t helped_count; /* segments that appends made themselves, for the background to count */
    _Atomic uint64_t waiting_bytes; /* of the logs that were pushed and are not sealed yet */
    _Atomic uint64_t sealed_sequence; /* published: survives a power cut */
    _Atomic uint64_t synced_sequence;
    _Atomic uint32_t next_ordinal;
    _Atomic uint64_t spare_bytes;  /* how large the next log should be */
    pthread_mutex_t sync_lock;     /* one syncer at a time; never taken by an append */
    sl_row_log *sealing_taken;     /* by the sealer, oldest first, kept when sealing fails */
    int64_t retry_ns, pause_ns;    /* of the background: when to try again what failed; 0 nothing failed */
    struct steplog_writer *next;   /* in the store's list */
};

typedef struct sl_writer_setup {
    steplog_id run;
    uint32_t attempt, rank, flags; /* SL_WRITER_IS_RESUME, SL_WRITER_IS_FACTS_ONLY */
    int64_t resume_step;
    const char *step_axis;
    const uint8_t *labels; /* encoded, sorted by key */
    uint32_t labels_bytes, label_count;
    steplog_id host_id, boot_id;
    const char *host;
    uint32_t process_id;
    int64_t process_start_ns;
} sl_writer_setup;

steplog_status sl_writer_new(sl_write_context *context, const sl_writer_setup *setup, steplog_writer **out,
                             steplog_error *err);
void sl_writer_free(steplog_writer *writer); /* memory and descriptors only */
/* In a child: frees what the parent's logs took in memory; their files, mappings and descriptors are not here. The
 * parent's thread may have been anywhere in an append. */
void sl_writer_leave_parent(steplog_writer *writer);

/* Makes room for bytes in the active log, whatever it takes: the slow way of an append. points, step and time
 * are what is refused when that fails. Returns OK, FULL, IO, NOMEM, FAILED. */
steplog_status sl_writer_make_room(steplog_writer *writer, uint64_t bytes, uint64_t points, int64_t step,
                                   int64_t time_ns);

/* Counts what is refused and records it as a gap, now or when there is space again. Returns FULL. */
steplog_status sl_writer_refuse(steplog_writer *writer, uint64_t points, int64_t step, int64_t time_ns);
/* Records a gap that could not be recorded before. */
void sl_writer_record_gap(steplog_writer *writer);

/* Pwrite mode: writes the record of bytes that stands in the log's scratch, and the zero word behind it, at at. */
steplog_status sl_writer_put(steplog_writer *writer, sl_row_log *log, uint64_t at, uint32_t bytes, steplog_error *err);

/* Appends a text record (fact, blob, name, schema) of two pieces. */
steplog_status sl_writer_append_text(steplog_writer *writer, unsigned kind, uint32_t index, const void *first,
                                     size_t first_bytes, const void *second, size_t second_bytes, steplog_error *err);

/* Whether a list of names passes no limit, and each is good: OK, LIMIT, MISUSE. */
steplog_status sl_writer_check_names(const steplog_writer *writer, const steplog_named *named, size_t count,
                                     steplog_error *err);

/* Copies the record at offset of another log of this writer, under the next number. */
steplog_status sl_writer_append_raw(steplog_writer *writer, sl_row_log *from, uint64_t offset, uint32_t bytes);

/* Appends a fact; a Lamport number of 0 becomes the next one. */
steplog_status sl_writer_append_fact(steplog_writer *writer, sl_fact *fact, steplog_error *err);

/* Remembers and returns a failure of a hot call. */
steplog_status sl_writer_fail(steplog_writer *writer, steplog_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- background work; one thread at a time for a writer ---- */

/* A spare, or NULL. It is the caller's now. */
static inline sl_row_log *sl_writer_take_spare(steplog_writer *writer)
{
    sl_row_log *log = NULL;
    for (unsigned i = 0; i < SL_SPARES_MAX && !log; i++)
        if (atomic_load_explicit(&writer->spares[i], memory_order_relaxed))
            log = atomic_exchange_explicit(&writer->spares[i], NULL, memory_order_acquire);
    return log;
}

/* 1 when the log is now a spare; 0 when there are enough. */
static inline int sl_writer_give_spare(steplog_writer *writer, sl_row_log *take_log)
{
    for (unsigned i = 0; i < SL_SPARES_MAX; i++) {
        sl_row_log *none = NULL;
        if (atomic_compare_exchange_strong_explicit(&writer->spares[i], &none, take_log, memory_order_release, memory_order_relaxed))
            return 1;
    }
    return 0;
}

static inline unsigned sl_writer_spare_count(const steplog_writer *writer)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SL_SPARES_MAX; i++) count += atomic_load_explicit(&writer->spares[i], memory_order_relaxed) != NULL;
    return count;
}

/* Makes the spare log when the active one is filling. */
steplog_status sl_writer_prepare_spare(steplog_writer *writer, steplog_error *err);
/* Makes everything committed durable as far as logs go. WAIT: a log lost its name; its rows are durable when it was sealed,
 * or when the writer, at its next append or sync, has moved on from it. */
steplog_status sl_writer_sync_logs(steplog_writer *writer, steplog_error *err);
/* Seals the oldest full logs, at most SL_SPARES_MAX; with_active (closing): all, and the active one too. Sealed logs
 * are recycled or removed. */
steplog_status sl_writer_seal(steplog_writer *writer, int with_active, steplog_error *err);
int sl_writer_has_work(steplog_writer *writer);

/* For an append that ran far ahead of the sealer: seals the oldest full log now. WAIT when somebody is sealing or
 * syncing: it never waits for a lock. */
steplog_status sl_writer_help_seal(steplog_writer *writer);

/* 1 in a child made by fork(), until the writer has started over there. */
static inline int sl_writer_is_of_parent(const steplog_writer *writer)
{
    return atomic_load_explicit(writer->alive_page, memory_order_relaxed) != writer->generation;
}

/* 1 when the background may work for it: not while it starts over in a child. */
static inline int sl_writer_is_ready(const steplog_writer *writer)
{
    uint64_t generation = atomic_load_explicit(&writer->work_generation, memory_order_acquire);
    return atomic_load_explicit(writer->alive_page, memory_order_relaxed) == generation;
}

#endif
