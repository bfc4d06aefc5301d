/* write/writer_work.c: what is done for a writer beside its appends, by the background thread or, without one, in
 * tick(), sync() and close(): making the next log ready, syncing, sealing.
 *
 * One thread at a time works for a writer (the store sees to that); the appending thread may go on meanwhile. */
#include "write/writer.h"

#include "base/error.h"
#include "base/kill_point.h"
#include "os/os.h"
#include "write/seal.h"

#include <stdlib.h>

static sl_row_log *active_log(const steplog_writer *w) { return atomic_load_explicit(&w->log, memory_order_acquire); }

/* Whether the active log is filling. */
static int is_filling(steplog_writer *w)
{
    pthread_mutex_lock(&w->sync_lock);
    const sl_row_log *log = atomic_load_explicit(&w->shared_log, memory_order_acquire);
    int is = log && atomic_load_explicit(&log->tail, memory_order_relaxed) >= log->capacity_bytes / 4;
    pthread_mutex_unlock(&w->sync_lock);
    return is;
}

steplog_status sl_writer_prepare_spare(steplog_writer *w, steplog_error *err)
{
    sl_row_log *spare;
    if (sl_writer_spare_count(w) || !is_filling(w)) return STEPLOG_OK;
    uint32_t ordinal = atomic_fetch_add_explicit(&w->next_ordinal, 1, memory_order_relaxed);
    SL_TRY(sl_row_log_create(w->context->log_dir, &w->incarnation, ordinal,
                             atomic_load_explicit(&w->spare_bytes, memory_order_relaxed), w->context->is_mapped, &spare,
                             err));
    SL_KILL_POINT("spare.created");
    sl_row_log_touch_pages(spare);
    SL_KILL_POINT("spare.touched");
    if (!sl_writer_give_spare(w, spare)) sl_row_log_remove(spare, w->context->log_dir, NULL);
    return STEPLOG_OK;
}

/* Moves the logs that appends handed over to the end of sealing_taken, oldest first. */
static void take_sealing(steplog_writer *w)
{
    sl_row_log *newest_first = atomic_exchange_explicit(&w->sealing, NULL, memory_order_acquire), *oldest_first = NULL;
    while (newest_first) {
        sl_row_log *next = newest_first->next;
        newest_first->next = oldest_first;
        oldest_first = newest_first;
        newest_first = next;
    }
    sl_row_log **end = &w->sealing_taken;
    while (*end) end = &(*end)->next;
    *end = oldest_first;
}

int sl_writer_has_work(steplog_writer *w)
{
    pthread_mutex_lock(&w->sync_lock); /* the writer's own sync() may be taking logs over */
    int has_taken = w->sealing_taken != NULL;
    pthread_mutex_unlock(&w->sync_lock);
    return has_taken || atomic_load_explicit(&w->sealing, memory_order_relaxed) != NULL;
}

static void raise_number(_Atomic uint64_t *to, uint64_t value)
{
    if (value > atomic_load_explicit(to, memory_order_relaxed)) atomic_store_explicit(to, value, memory_order_release);
}

steplog_status sl_writer_sync_logs(steplog_writer *w, steplog_error *err)
{
    steplog_status status = STEPLOG_OK;
    uint64_t sequence = 0;
    pthread_mutex_lock(&w->sync_lock);
    /* The active log is looked up first: all that are older stand in sealing then (writer.c, rotate). */
    sl_row_log *log = atomic_load_explicit(&w->shared_log, memory_order_acquire);
    take_sealing(w);
    for (sl_row_log *old = w->sealing_taken; old && status == STEPLOG_OK; old = old->next) {
        if (atomic_load_explicit(&old->is_moved, memory_order_acquire)) continue; /* its rows stand in a later log */
        status = sl_row_log_sync(old, w->context->log_dir, &sequence, err);
        if (old == log) log = NULL;
    }
    if (status == STEPLOG_OK && log) status = sl_row_log_sync(log, w->context->log_dir, &sequence, err);
    if (status == STEPLOG_OK) raise_number(&w->synced_sequence, sequence);
    pthread_mutex_unlock(&w->sync_lock);
    return status;
}

/* What becomes of a sealed log: the next spare, or nothing. */
static void retire_log(steplog_writer *w, sl_row_log *log, int may_recycle)
{
    uint64_t wanted = atomic_load_explicit(&w->spare_bytes, memory_order_relaxed);
    if (may_recycle && sl_writer_spare_count(w) < SL_SPARES_MAX && log->capacity_bytes >= wanted &&
        !atomic_load_explicit(&log->is_frozen, memory_order_relaxed)) {
        uint32_t ordinal = atomic_fetch_add_explicit(&w->next_ordinal, 1, memory_order_relaxed);
        if (sl_row_log_recycle(log, w->context->log_dir, &w->incarnation, ordinal, NULL) >= 0 &&
            sl_writer_give_spare(w, log)) {
            SL_KILL_POINT("retire.recycled");
            return;
        }
    }
    sl_row_log_remove(log, w->context->log_dir, NULL);
}

/* A log that failed to sync comes after those that its rows were moved to; by numbers it is before them. */
static int compare_sources(const void *a, const void *b)
{
    const sl_seal_source *x = a, *y = b;
    if (x->header.first_sequence != y->header.first_sequence)
        return x->header.first_sequence < y->header.first_sequence ? -1 : 1;
    return x->header.ordinal < y->header.ordinal ? -1 : x->header.ordinal > y->header.ordinal;
}

/* Under sync_lock. Seals the oldest logs, at most most of them. */
static steplog_status seal_oldest(steplog_writer *w, size_t most, int with_active, const sl_write_context *context,
                                  steplog_error *err)
{
    sl_seal_result result;
    steplog_status status = STEPLOG_OK;
    size_t count = 0;
    take_sealing(w);
    if (with_active) {
        sl_row_log **end = &w->sealing_taken;
        while (*end) end = &(*end)->next;
        atomic_store(&w->shared_log, NULL);
        sl_row_log *log = atomic_exchange(&w->log, NULL);
        *end = log;
        if (log) log->next = NULL;
    }
    for (sl_row_log *log = w->sealing_taken; log && count < most; log = log->next) count++;
    sl_seal_source *sources = count ? sl_alloc_zero(count, sizeof *sources) : NULL;
    if (!sources) {
        if (count) status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory to seal logs");
        goto done;
    }
    size_t i = 0;
    for (sl_row_log *log = w->sealing_taken; i < count; log = log->next, i++)
        sources[i] = (sl_seal_source){.read = sl_row_log_read,
                                      .context = log,
                                      .memory = log->base,
                                      .header = log->header,
                                      .mark_offset = atomic_load_explicit(&log->tail, memory_order_acquire),
                                      .gap = log->gap,
                                      .is_moved = atomic_load_explicit(&log->is_moved, memory_order_acquire)};
    qsort(sources, count, sizeof *sources, compare_sources);
    SL_KILL_POINT("seal.logs_taken");
    SL_TRY_DONE(sl_seal_logs(context, sources, count, SL_SEAL_ALL_DURABLE, &result, err));
    if (result.is_published) raise_number(&w->sealed_sequence, result.sequence_end - 1);
    for (; count > 0; count--) {
        SL_KILL_POINT("retire.next_log");
        sl_row_log *log = w->sealing_taken;
        w->sealing_taken = log->next;
        if (!with_active) atomic_fetch_sub_explicit(&w->waiting_bytes, log->capacity_bytes, memory_order_relaxed);
        if (result.damaged_count)
            sl_row_log_close(log); /* what could be read is in the segment; the rest may be wanted */
        else
            retire_log(w, log, !with_active);
    }
done:
    sl_free(sources);
    return status;
}

steplog_status sl_writer_seal(steplog_writer *w, int with_active, steplog_error *err)
{
    pthread_mutex_lock(&w->sync_lock);
    steplog_status status = seal_oldest(w, with_active ? SIZE_MAX : SL_SPARES_MAX, with_active, w->context, err);
    pthread_mutex_unlock(&w->sync_lock);
    return status;
}

steplog_status sl_writer_help_seal(steplog_writer *w)
{
    sl_write_context context = *w->context;
    context.is_sealed = NULL; /* takes locks: a segment that is gone at once is the background's to think about */
    if (pthread_mutex_trylock(&w->sync_lock) != 0) return STEPLOG_WAIT;
    steplog_status status = seal_oldest(w, 1, 0, &context, NULL);
    pthread_mutex_unlock(&w->sync_lock);
    if (status >= 0) atomic_fetch_add_explicit(&w->helped_count, 1, memory_order_relaxed);
    return status;
}

/* A full log that waits for the sealer and failed to sync, or lost its name: published in a segment its rows are durable
 * too. Only the writer's thread can do something about the active one. */
static steplog_status sync_or_seal(steplog_writer *w, steplog_error *err)
{
    int has_failed = 0;
    for (;;) {
        steplog_status status = sl_writer_sync_logs(w, err);
        if (status == STEPLOG_OK || atomic_load_explicit(&active_log(w)->is_frozen, memory_order_relaxed)) return status;
        if (status < 0 && has_failed) return status;
        if (status < 0) has_failed = 1;
        SL_TRY(sl_writer_seal(w, 0, err));
    }
}

steplog_status steplog_writer_sync(steplog_writer *w, steplog_error *err)
{
    if (!w) return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_writer_sync: writer is NULL");
    if (sl_writer_is_of_parent(w)) return STEPLOG_OK; /* a child that has not appended yet has nothing to sync */
    if (w->state == SL_WRITER_FAILED)
        return sl_fail(err, STEPLOG_FAILED, -1, "the writer failed earlier and now accepts only close");
    steplog_status status = sync_or_seal(w, err);
    if (status == STEPLOG_OK || !atomic_load_explicit(&active_log(w)->is_frozen, memory_order_relaxed)) return status;
    /* The disk refused, or the log is gone. What is not durable goes to a new log, and that one is synced: once. */
    status = sl_writer_make_room(w, 64, 0, 0, STEPLOG_TIME_NONE);
    if (status < 0) {
        if (w->state == SL_WRITER_FAILED) status = STEPLOG_IO; /* with whatever else: this handle does not try again */
        if (err) *err = w->error;
        if (err) err->code = status;
        return status;
    }
    status = sync_or_seal(w, err);
    if (status < 0) w->state = SL_WRITER_FAILED;
    return status == STEPLOG_WAIT ? sl_fail(err, STEPLOG_IO, -1, "the writer's new log was removed or replaced at once")
                                  : status;
}
