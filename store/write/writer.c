/* write/writer.c: a writer's life: opening, rotating logs, refusing on a full disk, moving after a failed sync,
 * starting over in a forked child, closing. Appending is in append.c, names and facts in writer_text.c, what the
 * background does in writer_work.c.
 *
 * Invariants:
 *  1. log is never NULL; its records are numbered without a hole up to next_sequence - 1.
 *  2. Every log begins with the writer's description and all names and schemas in use.
 *  3. Logs leave through the sealing list only, oldest last; who takes them from there owns them. */
#include "write/writer.h"

#include "base/error.h"
#include "base/kill_point.h"
#include "format/log_walk.h"
#include "index/ranges.h"
#include "os/os.h"
#include "steplog/reader.h"

#include <stdarg.h>
#include <stdio.h>

#define FIRST_LOG_BYTES (1u << 20)
#define CATCH_UP_NS_MAX 50000000ll
#define CATCH_UP_TURN_NS 1000000ll
#define HELP_PAUSE_NS 1000000000ll

static sl_row_log *active_log(const steplog_writer *w) { return atomic_load_explicit(&w->log, memory_order_relaxed); }

steplog_status sl_writer_fail(steplog_writer *w, steplog_status status, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return sl_fail(&w->error, status, -1, "%s", text);
}

/* ---- a record by pwrite ---- */

/* 1: these bytes stand at offset; 0: others do; or -errno. */
static int reads_back(sl_row_log *log, const uint8_t *data, size_t bytes, uint64_t offset)
{
    uint8_t back[4096];
    for (size_t at = 0; at < bytes;) {
        size_t part = bytes - at < sizeof back ? bytes - at : sizeof back;
        int64_t got = sl_os_read(log->fd, back, part, offset + at);
        if (got < 0) return (int)got;
        if ((size_t)got < part || memcmp(back, data + at, part) != 0) return 0;
        at += part;
    }
    return 1;
}

steplog_status sl_writer_put(steplog_writer *w, sl_row_log *log, uint64_t at, uint32_t bytes, steplog_error *err)
{
    int e = sl_os_write_full(log->fd, log->scratch, (size_t)bytes + 8, at);
    if (e == 0) return STEPLOG_OK;
    /* A write that failed may have done its work. Then readers find the record, and neither its number nor its bytes
     * may be used again: it is recorded. */
    int is_there = reads_back(log, log->scratch, bytes, at);
    if (is_there > 0) return STEPLOG_OK;
    if (is_there == 0) return sl_fail_os(err, -e, (int64_t)at, "cannot write log '%s'", log->name);
    sl_row_log_freeze(log);
    w->state = SL_WRITER_FAILED;
    return sl_fail(err, STEPLOG_IO, (int64_t)at,
                   "cannot write log '%s' (error %d), nor read what is there now (error %d)", log->name, -e, -is_there);
}

/* ---- a new log ---- */

static steplog_status activate(steplog_writer *w, sl_row_log *log, uint64_t first_sequence, steplog_error *err)
{
    const sl_writer_description *d = &w->description;
    sl_log_header header = {.incarnation = w->incarnation,
                            .run = w->run,
                            .host_id = d->host_id,
                            .boot_id = d->boot_id,
                            .first_sequence = first_sequence,
                            .attempt = d->attempt,
                            .rank = d->rank,
                            .process_id = d->process_id,
                            .process_start_ns = d->process_start_ns};
    return sl_row_log_activate(log, &header, err);
}

/* Restates the description, names and schemas at the front of a log that was just activated. Room is there. */
static steplog_status restate(steplog_writer *w, steplog_error *err)
{
    SL_TRY(sl_writer_append_text(w, SL_RECORD_WRITER, 0, w->description_bytes.data, w->description_bytes.bytes, NULL, 0,
                                 err));
    for (size_t i = 0; i < w->table.metrics.count; i++)
        SL_TRY(sl_writer_append_text(w, SL_RECORD_NAME, (uint32_t)i, w->table.metrics.items[i].name,
                                     w->table.metrics.items[i].bytes, NULL, 0, err));
    for (size_t i = 0; i < w->table.schemas.count; i++) {
        const sl_schema_list *schema = &w->table.schemas.items[i];
        sl_buffer_clear(&w->scratch);
        for (uint32_t m = 0; m < schema->count; m++) sl_buffer_u32(&w->scratch, schema->metrics[m]);
        if (w->scratch.is_out_of_memory) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a schema");
        SL_TRY(
            sl_writer_append_text(w, SL_RECORD_SCHEMA, (uint32_t)i, w->scratch.data, w->scratch.bytes, NULL, 0, err));
    }
    return STEPLOG_OK;
}

/* How large a log has to be to restate everything and then hold bytes more, or what becomes of that many when they
 * are moved: a continuation of 24 bytes is a point of 40 then. What is too much for one log goes on in the next. */
static uint64_t log_bytes_for(const steplog_writer *w, uint64_t bytes)
{
    static_assert(2 * ((uint64_t)STEPLOG_WRITER_NAMES_BYTES_MAX + STEPLOG_BLOB_BYTES_MAX + (4u << 20)) <
                      SL_LOG_CAPACITY_MAX, "a log has room for the largest text behind all that it restates");
    uint64_t least = SL_LOG_HEADER_BYTES + SL_LOG_RESERVE_BYTES +
                     2 * (w->table.names_bytes + w->description_bytes.bytes) + 2 * bytes + 131072;
    if (least < w->wanted_log_bytes) least = w->wanted_log_bytes;
    return least < SL_LOG_CAPACITY_MAX ? least : SL_LOG_CAPACITY_MAX;
}

/* Gives a log that is ready to be activated: the spare when it is large enough, else a new one. What took the name of
 * the log before may have taken those of the spares. */
static steplog_status take_log(steplog_writer *w, uint64_t bytes, sl_row_log **out, steplog_error *err)
{
    const sl_row_log *old = active_log(w);
    const int is_moving = old && atomic_load_explicit(&old->is_frozen, memory_order_relaxed);
    uint64_t wanted = log_bytes_for(w, bytes);
    for (sl_row_log *spare; (spare = sl_writer_take_spare(w)) != NULL;) {
        *out = spare;
        if (spare->capacity_bytes >= wanted &&
            !(is_moving && sl_row_log_has_lost_its_name(spare, w->context->log_dir)))
            return STEPLOG_OK;
        sl_row_log_remove(spare, w->context->log_dir, NULL);
    }
    w->slow_append_count++;
    uint32_t ordinal = atomic_fetch_add_explicit(&w->next_ordinal, 1, memory_order_relaxed);
    SL_TRY(sl_row_log_create(w->context->log_dir, &w->incarnation, ordinal, wanted, w->context->is_mapped, out, err));
    if (active_log(w)) sl_row_log_touch_pages(*out); /* who fills one log so fast fills the next one, too */
    return STEPLOG_OK;
}

static void push_sealing(steplog_writer *w, sl_row_log *log)
{
    atomic_fetch_add_explicit(&w->waiting_bytes, log->capacity_bytes, memory_order_relaxed);
    sl_row_log *head = atomic_load_explicit(&w->sealing, memory_order_relaxed);
    do log->next = head;
    while (!atomic_compare_exchange_weak_explicit(&w->sealing, &head, log, memory_order_release, memory_order_relaxed));
}

/* Before an append begins one more log than may wait: it lets the sealer have the time, or, when that is not enough,
 * seals the oldest one itself. It waits for no lock, and for the sealer CATCH_UP_NS_MAX at most, once a log: a disk
 * that hangs does not stop the training. 1: the append was slow. */
static int let_sealer_catch_up(steplog_writer *w)
{
    const sl_write_context *context = w->context;
    if (atomic_load_explicit(&w->waiting_bytes, memory_order_relaxed) < context->backlog_bytes) return 0;
    int64_t now = sl_os->monotonic_time_ns(), until = now + CATCH_UP_NS_MAX;
    if (now < w->help_retry_ns) return 0;
    if (context->wake) context->wake(context->store);
    const uint64_t waited_for = atomic_load_explicit(&w->waiting_bytes, memory_order_relaxed);
    do {
        steplog_status status = STEPLOG_WAIT;
        if (atomic_load_explicit(&w->waiting_bytes, memory_order_relaxed) >= context->help_bytes)
            status = sl_writer_help_seal(w);
        SL_KILL_POINT("append.helped");
        if (status < 0) w->help_retry_ns = now + HELP_PAUSE_NS; /* a full disk: refused appends come often */
        if (status != STEPLOG_WAIT) return 1;
        sl_os->sleep_ns(CATCH_UP_TURN_NS);
    } while (atomic_load_explicit(&w->waiting_bytes, memory_order_relaxed) >= context->backlog_bytes &&
             sl_os->monotonic_time_ns() < until);
    /* A sealer that does nothing has no room either, or its disk hangs: the appends to come do not wait for that. */
    if (atomic_load_explicit(&w->waiting_bytes, memory_order_relaxed) >= waited_for)
        w->help_retry_ns = sl_os->monotonic_time_ns() + HELP_PAUSE_NS;
    return 1;
}

/* Replaces the active log by a new one whose first record will have first_sequence. The old one is handed to the
 * sealer, or kept back in *kept for a caller that still reads it. On failure the old log stays active.
 *
 * Until the fresh log is whole the background syncs the old one. It never sees the fresh one without having the old
 * one in sealing: what it says is durable in the fresh one includes all that was recorded before. */
static steplog_status rotate(steplog_writer *w, uint64_t bytes, uint64_t first_sequence, sl_row_log **kept,
                             steplog_error *err)
{
    sl_row_log *fresh, *old = active_log(w);
    SL_TRY(take_log(w, bytes, &fresh, err));
    SL_KILL_POINT("rotate.log_taken");
    uint64_t sequence = w->next_sequence;
    steplog_status status = activate(w, fresh, first_sequence, err);
    if (status >= 0) {
        atomic_store_explicit(&w->log, fresh, memory_order_release);
        SL_KILL_POINT("rotate.active");
        w->next_sequence = first_sequence;
        w->has_base = 0;
        status = restate(w, err);
        w->next_sequence = sequence;
    }
    if (status < 0) {
        atomic_store_explicit(&w->log, old, memory_order_release);
        sl_row_log_remove(fresh, w->context->log_dir, NULL);
        return status;
    }
    SL_KILL_POINT("rotate.restated");
    atomic_store_explicit(&w->shared_log, NULL, memory_order_release);
    if (kept)
        *kept = old;
    else if (old)
        push_sealing(w, old);
    SL_KILL_POINT("rotate.handed_over");
    atomic_store_explicit(&w->shared_log, fresh, memory_order_release);
    if (w->wanted_log_bytes < w->context->log_bytes) {
        w->wanted_log_bytes *= 2;
        if (w->wanted_log_bytes > w->context->log_bytes) w->wanted_log_bytes = w->context->log_bytes;
    }
    atomic_store_explicit(&w->spare_bytes, log_bytes_for(w, 0), memory_order_relaxed);
    if (old && w->context->wake) w->context->wake(w->context->store);
    return STEPLOG_OK;
}

/* ---- a full disk ---- */

/* Opens a gap: a record in the reserve of the log that is full; the count grows in the log's header. */
static void begin_gap(steplog_writer *w)
{
    sl_row_log *log = active_log(w);
    sl_fact gap = {
        .kind = STEPLOG_EVENT_GAP, .time_ns = sl_os->wall_time_ns(), .has_key = 1, .key = "refused", .key_bytes = 7};
    atomic_store_explicit(&log->limit, log->capacity_bytes - SL_LOG_RESERVE_BYTES / 2, memory_order_relaxed);
    if (sl_writer_append_fact(w, &gap, NULL) >= 0) w->state = SL_WRITER_GAP;
    SL_KILL_POINT("gap.begun");
    /* A sync that failed meanwhile had the log moved: it may be sealed by now, and freed. */
    if (active_log(w) == log) atomic_store_explicit(&log->limit, 0, memory_order_relaxed);
}

steplog_status sl_writer_refuse(steplog_writer *w, uint64_t points, int64_t step, int64_t time_ns)
{
    if (points == 0) return STEPLOG_FULL; /* a name or a fact: its caller knows */
    if (w->moving_lost) return STEPLOG_FULL; /* the next number is a moved record's, which stays where it is */
    if (w->state == SL_WRITER_OPEN && w->unrecorded.counter == 0 && active_log(w)) begin_gap(w);
    w->refused_count += points;
    if (w->state == SL_WRITER_GAP)
        sl_row_log_count_refused(active_log(w), points, step, time_ns);
    else
        sl_log_gap_count(&w->unrecorded, points, step, time_ns);
    return STEPLOG_FULL;
}

void sl_writer_record_gap(steplog_writer *w)
{
    const sl_log_gap *gap = &w->unrecorded;
    if (gap->counter == 0) return;
    sl_fact fact = {
        .kind = STEPLOG_EVENT_GAP, .time_ns = sl_os->wall_time_ns(), .has_key = 1, .key = "refused", .key_bytes = 7};
    sl_fact_close_gap(&fact, gap);
    if (sl_writer_append_fact(w, &fact, NULL) >= 0) w->unrecorded = (sl_log_gap){0};
}

/* ---- a failed sync ---- */

static steplog_status add_lost(steplog_writer *w, sl_ranges *lost, uint64_t end)
{
    return sl_ranges_add(lost, w->next_sequence, end)
               ? STEPLOG_OK
               : sl_fail(&w->error, STEPLOG_NOMEM, -1, "no memory to say what a failed sync lost");
}

/* A text goes on as it is, but for the gap of a full disk: the log that counts what it refused is not the new one. */
static steplog_status copy_text(steplog_writer *w, const sl_row_log *old, const sl_log_item *item)
{
    sl_fact fact;
    if (item->record_kind != SL_RECORD_FACT || !sl_fact_decode(item->content, item->content_bytes, &fact) ||
        !sl_fact_close_gap(&fact, &old->gap))
        return sl_writer_append_text(w, item->record_kind, 0, item->content, item->content_bytes, NULL, 0, &w->error);
    return sl_writer_append_fact(w, &fact, &w->error);
}

/* Copies the records above the durable mark of a frozen log into the fresh active one, each checked again. What
 * fails is declared a gap. */
static steplog_status copy_tail(steplog_writer *w, sl_row_log *old, sl_ranges *lost)
{
    sl_log_walk walk;
    sl_log_item item;
    sl_log_dictionary dictionary = {0};
    steplog_status status = STEPLOG_OK;
    uint64_t end = w->next_sequence, first = old->mark.sequence + 1;
    const uint64_t tail = atomic_load_explicit(&old->tail, memory_order_relaxed);
    sl_log_walk_init(&walk, sl_row_log_read, old, old->file_key, old->capacity_bytes, old->header.first_sequence,
                     old->capacity_bytes, &dictionary);
    w->next_sequence = first;
    while (status >= 0 && w->next_sequence < end) {
        uint64_t at = walk.offset;
        sl_log_walk_next(&walk, &item);
        if (item.kind == SL_ITEM_END) break;
        if (item.kind == SL_ITEM_ERROR) { /* they are there, for all that anyone knows: not lost */
            status = item.os_errno ? sl_fail_os(&w->error, item.os_errno, (int64_t)item.offset,
                                                "cannot read log '%s' back", old->name)
                                   : sl_fail(&w->error, STEPLOG_NOMEM, -1, "no memory to read log '%s'", old->name);
            break;
        }
        if (item.kind == SL_ITEM_DAMAGE || item.kind == SL_ITEM_OTHER || item.sequence < first) continue;
        if (item.sequence > w->next_sequence) {
            /* Numbers are never used again and never jump within a log: go on in one more. */
            SL_TRY_DONE(add_lost(w, lost, item.sequence));
            SL_TRY_DONE(rotate(w, tail - at, item.sequence, NULL, &w->error));
            w->next_sequence = item.sequence;
        }
        if (item.kind == SL_ITEM_TEXT) {
            status = copy_text(w, old, &item);
        } else if (item.kind == SL_ITEM_POINT) {
            w->has_base = 0;
            status = steplog_writer_point(w, (steplog_metric){item.index}, item.step, item.time_ns, item.value);
            w->row_count--;
        } else {
            status = sl_writer_append_raw(w, old, at, (uint32_t)item.bytes);
        }
        SL_KILL_POINT("frozen.record_copied");
    }
    if (status >= 0 && w->next_sequence < end) {
        SL_TRY_DONE(add_lost(w, lost, end));
        status = rotate(w, 0, end, NULL, &w->error);
    }
done:
    w->next_sequence = end;
    sl_log_walk_free(&walk);
    sl_dictionary_free(&dictionary);
    return status;
}

static steplog_status move_from_frozen(steplog_writer *w)
{
    sl_row_log *old = active_log(w);
    sl_ranges lost = {0};
    const int is_nested = w->moving_lost != NULL; /* the log that is moved to failed, too: the outer move goes on after this */
    uint64_t bytes = atomic_load_explicit(&old->tail, memory_order_relaxed) - old->mark.offset;
    SL_TRY(rotate(w, bytes, old->mark.sequence + 1, &old, &w->error));
    SL_KILL_POINT("frozen.rotated");
    if (!is_nested) w->moving_lost = &lost;
    steplog_status status = copy_tail(w, old, w->moving_lost);
    if (!is_nested) w->moving_lost = NULL;
    SL_KILL_POINT("frozen.copied");
    atomic_store_explicit(&old->is_moved, status >= 0, memory_order_release);
    push_sealing(w, old);
    SL_KILL_POINT("frozen.handed_over");
    if (w->context->wake) w->context->wake(w->context->store);
    for (size_t i = 0; i < lost.count && status >= 0; i++) {
        sl_fact gap = {.kind = STEPLOG_EVENT_GAP,
                       .time_ns = sl_os->wall_time_ns(),
                       .has_key = 1,
                       .key = "lost",
                       .key_bytes = 4,
                       .number = (int64_t)(lost.items[i].end - lost.items[i].begin),
                       .has_target = 1,
                       .target = w->incarnation,
                       .target_sequence = lost.items[i].begin};
        status = sl_writer_append_fact(w, &gap, &w->error);
    }
    SL_VEC_FREE(&lost);
    if (status < 0) {
        /* Its numbers stop somewhere: no reader would find a record with a later one behind them. */
        sl_row_log_freeze(active_log(w));
        w->state = SL_WRITER_FAILED;
        status = w->error.code = STEPLOG_IO; /* whatever it was, the next call does not try again */
    }
    return status;
}

/* ---- a forked child ---- */

static void forget_log(sl_row_log *log)
{
    if (!log) return;
    log->base = NULL; /* something else may be there by now */
    log->fd = -1;
    sl_row_log_close(log);
}

void sl_writer_leave_parent(steplog_writer *w)
{
    atomic_store(&w->shared_log, NULL);
    forget_log(atomic_exchange(&w->log, NULL));
    for (unsigned i = 0; i < SL_SPARES_MAX; i++) forget_log(atomic_exchange(&w->spares[i], NULL));
    sl_row_log *lists[2] = {atomic_exchange(&w->sealing, NULL), w->sealing_taken};
    w->sealing_taken = NULL;
    for (unsigned i = 0; i < 2; i++)
        for (sl_row_log *log = lists[i], *next; log; log = next) {
            next = log->next;
            forget_log(log);
        }
    atomic_store(&w->waiting_bytes, 0);
    w->moving_lost = NULL;
    w->scratch = (sl_buffer){0}; /* it may have been growing: leaked */
    pthread_mutex_init(&w->sync_lock, NULL);
}

#define NO_GENERATION UINT64_MAX /* of no process: it has no log, and starts over at the next append */

/* Another incarnation, with nothing in it yet. */
static steplog_status become_another(steplog_writer *w, uint64_t generation)
{
    sl_writer_leave_parent(w);
    int e = sl_os->random(w->incarnation.bytes, 16);
    if (e < 0) return sl_fail_os(&w->error, -e, -1, "no random bytes for an incarnation");
    w->description.incarnation = w->incarnation;
    w->description.process_id = sl_os->process_id();
    w->description.start_time_ns = sl_os->wall_time_ns();
    w->description.process_start_ns = sl_os->process_start_time_ns();
    memcpy(w->description_bytes.data, w->incarnation.bytes, 16);
    sl_store32(w->description_bytes.data + 76, w->description.process_id);
    sl_store64(w->description_bytes.data + 88, (uint64_t)w->description.start_time_ns);
    sl_store64(w->description_bytes.data + 96, (uint64_t)w->description.process_start_ns);
    w->next_sequence = 1;
    w->row_count = w->refused_count = w->slow_append_count = 0;
    w->state = SL_WRITER_OPEN;
    atomic_store(&w->sealed_sequence, 0);
    atomic_store(&w->synced_sequence, 0);
    atomic_store(&w->next_ordinal, 1);
    w->unrecorded = (sl_log_gap){0};
    w->starting_generation = generation;
    return STEPLOG_OK;
}

/* Fails as long as there is no room for a log; what was refused meanwhile is counted. */
static steplog_status start_over_in_child(steplog_writer *w)
{
    w->context->after_fork(w->context->store);
    uint64_t generation = atomic_load_explicit(w->alive_page, memory_order_relaxed);
    if (w->starting_generation != generation) SL_TRY(become_another(w, generation));
    w->generation = generation; /* so that the log that is made is its own */
    steplog_status status = rotate(w, 0, 1, NULL, &w->error);
    if (status < 0) w->generation = NO_GENERATION;
    else atomic_store_explicit(&w->work_generation, generation, memory_order_release);
    return status;
}

steplog_status sl_writer_make_room(steplog_writer *w, uint64_t bytes, uint64_t points, int64_t step, int64_t time_ns)
{
    if (sl_writer_is_of_parent(w)) {
        steplog_status status = start_over_in_child(w);
        if (status == STEPLOG_FULL) return sl_writer_refuse(w, points, step, time_ns);
        if (status >= 0) sl_writer_record_gap(w);
        return status;
    }
    if (w->state == SL_WRITER_FAILED)
        return sl_writer_fail(w, STEPLOG_FAILED, "the writer failed earlier and now accepts only close");
    sl_row_log *log = active_log(w);
    atomic_thread_fence(memory_order_acquire); /* a limit of zero was stored after is_frozen */
    int is_frozen = atomic_load_explicit(&log->is_frozen, memory_order_acquire);
    uint64_t slow_before = w->slow_append_count;
    int has_waited = !is_frozen && let_sealer_catch_up(w);
    steplog_status status = is_frozen ? move_from_frozen(w) : rotate(w, bytes, w->next_sequence, NULL, &w->error);
    if (has_waited && w->slow_append_count == slow_before) w->slow_append_count++;
    if (status == STEPLOG_FULL) return sl_writer_refuse(w, points, step, time_ns);
    if (status < 0) return status;
    w->state = SL_WRITER_OPEN;
    if (!w->moving_lost) sl_writer_record_gap(w); /* else the next number is a moved record's */
    SL_KILL_POINT("rotate.room_made");
    return status;
}

/* ---- opening and closing ---- */

steplog_status sl_writer_new(sl_write_context *context, const sl_writer_setup *setup, steplog_writer **out,
                             steplog_error *err)
{
    *out = NULL;
    steplog_writer *w = sl_alloc_zero(1, sizeof *w);
    if (!w) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a writer");
    pthread_mutex_init(&w->sync_lock, NULL);
    w->context = context;
    w->alive_page = context->alive_page;
    w->generation = atomic_load_explicit(w->alive_page, memory_order_relaxed);
    w->run = setup->run;
    w->next_sequence = 1;
    atomic_init(&w->next_ordinal, 1);
    int is_facts_only = (setup->flags & SL_WRITER_IS_FACTS_ONLY) != 0;
    w->wanted_log_bytes = is_facts_only ? SL_LOG_BYTES_MIN : FIRST_LOG_BYTES;
    if (w->wanted_log_bytes > context->log_bytes) w->wanted_log_bytes = context->log_bytes;
    steplog_status status;
    int e = sl_os->random(w->incarnation.bytes, 16);
    if (e < 0) {
        status = sl_fail_os(err, -e, -1, "no random bytes for an incarnation");
        goto done;
    }
    w->description = (sl_writer_description){.incarnation = w->incarnation,
                                             .run = setup->run,
                                             .host_id = setup->host_id,
                                             .boot_id = setup->boot_id,
                                             .attempt = setup->attempt,
                                             .rank = setup->rank,
                                             .flags = setup->flags |
                                                      (context->is_mapped ? (uint32_t)SL_WRITER_IS_MAPPED : 0),
                                             .process_id = setup->process_id,
                                             .resume_step = setup->resume_step,
                                             .start_time_ns = sl_os->wall_time_ns(),
                                             .process_start_ns = setup->process_start_ns,
                                             .host = setup->host,
                                             .host_bytes = (uint32_t)strlen(setup->host),
                                             .step_axis = setup->step_axis,
                                             .step_axis_bytes = (uint32_t)strlen(setup->step_axis),
                                             .label_count = setup->label_count,
                                             .labels = setup->labels,
                                             .labels_bytes = setup->labels_bytes};
    sl_writer_description_encode(&w->description, &w->description_bytes);
    if (w->description_bytes.is_out_of_memory ||
        !sl_writer_description_decode(w->description_bytes.data, w->description_bytes.bytes, &w->description)) {
        status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a writer");
        goto done;
    }
    SL_TRY_DONE(rotate(w, 0, 1, NULL, err));
    atomic_store_explicit(&w->work_generation, w->generation, memory_order_release);
    w->slow_append_count = 0;
    *out = w;
    return STEPLOG_OK;
done:
    sl_writer_free(w);
    return status;
}

static void close_logs(sl_row_log *log)
{
    while (log) {
        sl_row_log *next = log->next;
        sl_row_log_close(log);
        log = next;
    }
}

void sl_writer_free(steplog_writer *w)
{
    if (!w) return;
    for (sl_row_log *spare; (spare = sl_writer_take_spare(w)) != NULL;)
        sl_row_log_remove(spare, w->context->log_dir, NULL);
    sl_row_log_close(atomic_load(&w->log));
    close_logs(atomic_exchange(&w->sealing, NULL));
    close_logs(w->sealing_taken);
    sl_schema_table_free(&w->table);
    sl_hash_map_free(&w->names_seen);
    for (size_t i = 0; i < w->names_lists.count; i++) sl_free(w->names_lists.items[i].names);
    SL_VEC_FREE(&w->names_lists);
    sl_buffer_free(&w->description_bytes);
    sl_buffer_free(&w->scratch);
    pthread_mutex_destroy(&w->sync_lock);
    sl_free(w);
}

void steplog_writer_error(const steplog_writer *w, steplog_error *out)
{
    if (out && w) *out = w->error;
}

void steplog_writer_get_stats(const steplog_writer *w, steplog_writer_stats *out)
{
    if (!w || !out || out->size_bytes < sizeof *out) return;
    uint64_t sealed = atomic_load_explicit(&w->sealed_sequence, memory_order_acquire);
    uint64_t synced = atomic_load_explicit(&w->synced_sequence, memory_order_acquire);
    *out = (steplog_writer_stats){.size_bytes = out->size_bytes,
                                  .row_count = w->row_count,
                                  .refused_count = w->refused_count,
                                  .slow_append_count = w->slow_append_count,
                                  .last_sequence = w->next_sequence - 1,
                                  .durable_sequence = sealed > synced ? sealed : synced,
                                  .attempt = w->description.attempt,
                                  .is_mapped = w->context->is_mapped,
                                  .run = w->run,
                                  .incarnation = w->incarnation};
}
