/* read/log_reader.c: logs are read with pread: no one else's truncation can end the reading process. Where the caller says that
 * nobody truncates they are mapped, but rows are copied all the same before they are checked: the owner may recycle the file.
 *
 * A log is walked once as it grows; what is kept is an index of stretches of rows, the facts, and how many points
 * each metric has. Rows are decoded again when they are asked for. The owner may recycle the file at any time: its id
 * then changes, every check fails, and is_gone says that a new listing is needed. */
#include "read/log_reader.h"

#include "base/error.h"
#include "format/checksum.h"
#include "steplog/reader.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

#define STRETCH_ROWS 1024u
#define KEPT_VALUE_BYTES 4096u /* a longer value is read again when it is asked for */
#define KEPT_BYTES_MAX (256u << 10)

static int64_t read_file(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    const sl_log *log = context;
    if (!log->map) return sl_os_read(log->fd, buffer, bytes, offset);
    uint64_t left = offset < log->header.capacity_bytes ? log->header.capacity_bytes - offset : 0;
    if (bytes > left) bytes = (size_t)left;
    /* The word at the front first: what it says is there is there before it. */
    if (bytes >= 8) (void)__atomic_load_n((const uint64_t *)(const void *)(log->map + offset), __ATOMIC_ACQUIRE);
    memcpy(buffer, log->map + offset, bytes);
    return (int64_t)bytes;
}

static uint64_t next_data(void *context, uint64_t offset) { return sl_os_next_data(((sl_log *)context)->fd, offset); }

static void report(sl_log *log, uint64_t offset, uint64_t bytes, const char *what, int is_notice)
{
    if (!is_notice) log->has_damage = 1;
    if (!log->damage) return;
    steplog_damage finding = {.size_bytes = sizeof finding,
                              .file = log->name,
                              .offset = (int64_t)offset,
                              .bytes = bytes,
                              .what = what,
                              .has_run = 1,
                              .run = log->header.run,
                              .is_notice = is_notice};
    sl_damage_add(log->damage, &finding);
}

void sl_log_report(sl_log *log, uint64_t offset, uint64_t bytes, const char *what)
{
    report(log, offset, bytes, what, 0);
}

steplog_status sl_log_failed(const sl_log *log, const sl_log_item *item, steplog_error *err)
{
    if (item->os_errno)
        return sl_fail_os(err, item->os_errno, (int64_t)item->offset, "cannot read log '%s'", log->name);
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read log '%s'", log->name);
}

/* One of the two headers is damaged and the other one counts: nothing is missing, has_damage stays as it is. */
static void report_header(sl_log *log)
{
    if (!log->damage || !sl_log_is_still_itself(log)) return;
    steplog_damage finding = {.size_bytes = sizeof finding,
                              .file = log->name,
                              .offset = log->header_at ? 0 : SL_LOG_COPY_OFFSET,
                              .bytes = SL_LOG_FIXED_BYTES,
                              .what = log->header_at ? SL_LOG_WORDS_HEADER_DAMAGED : SL_LOG_WORDS_COPY_DAMAGED,
                              .has_run = 1,
                              .run = log->header.run};
    sl_damage_add(log->damage, &finding);
}

static steplog_status read_header(sl_log *log, steplog_error *err)
{
    uint8_t head[SL_LOG_HEADER_BYTES];
    int e = sl_os_read_full(log->fd, head, sizeof head, 0);
    if (e == -ENODATA) return STEPLOG_MISSING; /* its writer has made it but not given it its size yet */
    if (e < 0) return sl_fail_os(err, -e, 0, "cannot read log '%s'", log->name);
    steplog_status status = sl_log_header_read(head, log->name, &log->header, &log->header_at, err);
    if (status == STEPLOG_CORRUPT && sl_load64(head) == 0) return STEPLOG_MISSING; /* being made ready */
    if (status != STEPLOG_OK) return status;
    log->file_key = sl_file_key(&log->header.log_id);
    if (sl_log_header_twin(head, log->header_at) == SL_LOG_TWIN_OTHER) report_header(log);
    sl_log_mark_latest(head, log->file_key, &log->mark);
    sl_log_gap_latest(head, log->file_key, &log->gap);
    return STEPLOG_OK;
}

/* The mark may have moved, a gap may have grown. 0 when the file is another log by now. */
static int read_slots(sl_log *log)
{
    uint8_t head[SL_LOG_HEADER_BYTES];
    if (sl_os_read_full(log->fd, head, sizeof head, 0) < 0 ||
        !sl_id_equal(head + log->header_at + 16, &log->header.log_id)) {
        log->is_gone = 1;
        return 0;
    }
    sl_log_mark_latest(head, log->file_key, &log->mark);
    sl_log_gap_latest(head, log->file_key, &log->gap);
    log->walk.mark_offset = log->mark.offset;
    return 1;
}

steplog_status sl_log_open(int store_dir, const char *name, const steplog_id *host_id, const steplog_id *boot_id,
                           int is_local, int is_mapping, sl_damage_list *damage, sl_log **out, steplog_error *err)
{
    *out = NULL;
    sl_log *log = sl_alloc_zero(1, sizeof *log);
    if (!log) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read a log");
    *log = (sl_log){.reference_count = 1,
                    .damage = damage,
                    .step_min = INT64_MAX,
                    .step_max = INT64_MIN,
                    .time_min_ns = STEPLOG_TIME_NONE,
                    .time_max_ns = STEPLOG_TIME_NONE,
                    .lock = SL_OS_LOCK_UNKNOWN};
    snprintf(log->name, sizeof log->name, "%s", name);
    steplog_status status;
    log->fd = sl_os->open(store_dir, name, SL_OS_READ);
    if (log->fd < 0) {
        status = sl_fail_os(err, -log->fd, -1, "cannot open log '%s'", name);
        goto failed;
    }
    if (sl_os->stat(log->fd, &log->file) < 0) log->file.is_file = 0;
    if ((status = read_header(log, err)) < 0) goto failed;
    int is_this_host = is_local && sl_id_equal(&log->header.host_id, host_id);
    log->is_same_boot = is_local && sl_log_header_is_same_boot(&log->header, host_id, boot_id);
    int has_stat = log->file.is_file;
    int is_original = !log->header.inode || !has_stat || log->file.inode == log->header.inode;
    void *map;
    if (is_mapping && has_stat && log->file.bytes >= log->header.capacity_bytes &&
        sl_os->map(log->fd, log->header.capacity_bytes, 0, &map) == 0)
        log->map = map;
    if (is_this_host && is_original) log->lock = sl_os->probe(log->fd);
    sl_log_walk_init(&log->walk, read_file, log, log->file_key, log->header.capacity_bytes, log->header.first_sequence,
                     log->mark.offset, &log->dictionary);
    log->walk.is_same_boot = log->is_same_boot;
    log->walk.live = log->map;
    log->walk.has_heads_only = 1;
    log->walk.next_data = next_data;
    log->dictionary.header = &log->header;
    *out = log;
    return STEPLOG_OK;
failed:
    sl_log_release(log);
    return status;
}

void sl_log_retain(sl_log *log) { log->reference_count++; }

void sl_log_release(sl_log *log)
{
    if (!log || --log->reference_count > 0) return;
    if (log->fd >= 0) sl_os->close(log->fd);
    if (log->map) sl_os->unmap((void *)(uintptr_t)log->map, log->header.capacity_bytes);
    sl_log_walk_free(&log->walk);
    sl_dictionary_free(&log->dictionary);
    for (size_t i = 0; i < log->texts.count; i++) sl_free(log->texts.items[i].content);
    SL_VEC_FREE(&log->texts);
    SL_VEC_FREE(&log->stretches);
    SL_VEC_FREE(&log->uses);
    SL_VEC_FREE(&log->held);
    SL_VEC_FREE(&log->parts);
    sl_free(log);
}

int sl_log_is_still_itself(sl_log *log)
{
    uint8_t id[16];
    if (log->map) {
        atomic_thread_fence(memory_order_acquire); /* after what was read of it */
        memcpy(id, log->map + log->header_at + 16, sizeof id);
    }
    if ((!log->map && sl_os_read_full(log->fd, id, sizeof id, log->header_at + 16) < 0) || !sl_id_equal(id, &log->header.log_id))
        log->is_gone = 1;
    return !log->is_gone;
}

int sl_log_is_replaced(const sl_log *log, int store_dir)
{
    sl_os_stat now;
    if (!log->file.is_file || sl_os->stat_name(store_dir, log->name, &now) < 0) return 0;
    return sl_os_is_replaced(&log->file, &now, log->has_damage && log->lock != SL_OS_LOCK_HELD);
}

/* Room for what is counted of each metric that has a name. */
static int know_uses(sl_log *log)
{
    while (log->uses.count < log->dictionary.names.count)
        if (!SL_VEC_PUSH(&log->uses, (sl_metric_use){0})) return 0;
    return 1;
}

static void count_use(sl_log *log, uint32_t place)
{
    log->uses.items[place].count++;
    log->point_count++;
}

static void count_row_uses(sl_log *log, const sl_log_item *item)
{
    if (item->kind == SL_ITEM_POINT) {
        count_use(log, sl_dictionary_place_of(&log->dictionary, item->index));
        return;
    }
    const sl_dictionary_schema *schema = sl_dictionary_schema_of(&log->dictionary, item->index);
    for (uint32_t i = 0; i < schema->count; i++)
        if (!item->presence || (sl_load64(item->presence + i / 64 * 8) >> (i % 64) & 1)) count_use(log, schema->places[i]);
}

/* 1, or 0 when out of memory: then nothing was counted. */
static int take_row(sl_log *log, const sl_log_item *item, const sl_point_base *base)
{
    sl_log_stretch *stretch = log->stretches.count ? &log->stretches.items[log->stretches.count - 1] : NULL;
    if (!know_uses(log)) return 0;
    if (!stretch || stretch->row_count == STRETCH_ROWS) {
        sl_log_stretch fresh = {.offset = item->offset,
                                .sequence = item->sequence,
                                .base = *base,
                                .sequence_first = item->sequence,
                                .step_min = INT64_MAX,
                                .step_max = INT64_MIN};
        if (!SL_VEC_PUSH(&log->stretches, fresh)) return 0;
        stretch = &log->stretches.items[log->stretches.count - 1];
    }
    stretch->row_count++;
    stretch->offset_end = item->offset + item->bytes;
    stretch->sequence_last = item->sequence;
    if (item->step < stretch->step_min) stretch->step_min = item->step;
    if (item->step > stretch->step_max) stretch->step_max = item->step;
    if (item->step < log->step_min) log->step_min = item->step;
    if (item->step > log->step_max) log->step_max = item->step;
    if (item->time_ns != STEPLOG_TIME_NONE) {
        if (log->time_min_ns == STEPLOG_TIME_NONE || item->time_ns < log->time_min_ns) log->time_min_ns = item->time_ns;
        if (log->time_max_ns == STEPLOG_TIME_NONE || item->time_ns > log->time_max_ns) log->time_max_ns = item->time_ns;
    }
    log->row_count++;
    count_row_uses(log, item);
    return 1;
}

/* The key, and the value as long as there is room. */
static void copy_fact_texts(sl_log *log, sl_log_text *text)
{
    sl_fact *fact = &text->fact;
    int is_kept = fact->value_bytes <= KEPT_VALUE_BYTES && log->kept_bytes + fact->value_bytes <= KEPT_BYTES_MAX;
    if (!is_kept) fact->value = NULL;
    text->bytes = fact->key_bytes + (fact->value ? fact->value_bytes : 0);
    text->content = sl_alloc(text->bytes);
    if (!text->content) return;
    if (fact->value) {
        memcpy(text->content + fact->key_bytes, fact->value, fact->value_bytes);
        fact->value = (const char *)text->content + fact->key_bytes;
        log->kept_bytes += fact->value_bytes;
    }
    if (fact->key) {
        memcpy(text->content, fact->key, fact->key_bytes);
        fact->key = (const char *)text->content;
    }
}

/* One that breaks a rule, or is of a later version, is as one that is not complete. */
static int leave_text(sl_log *log, const sl_log_item *item, const char *what)
{
    if (!sl_ranges_add(&log->parts, item->sequence, item->sequence + item->sequence_count)) return 0;
    report(log, item->offset, item->bytes, what, 0);
    return 1;
}

static int take_text(sl_log *log, const sl_log_item *item)
{
    sl_log_text text = {.offset = item->offset,
                        .sequence_at_offset = item->sequence,
                        .sequence = item->sequence,
                        .sequence_count = item->sequence_count,
                        .record_kind = item->record_kind,
                        .bytes = item->content_bytes};
    if (item->record_kind == SL_RECORD_BLOB) {
        sl_blob blob;
        if (!sl_blob_decode(item->content, item->content_bytes, &blob, NULL) || blob.data_bytes != item->data_bytes)
            return leave_text(log, item, "blob record breaks a rule");
        text.content = sl_copy_bytes(item->content, item->content_bytes);
    } else {
        if (!sl_fact_decode(item->content, item->content_bytes, &text.fact))
            return leave_text(log, item, "fact record breaks a rule");
        copy_fact_texts(log, &text);
    }
    if (!text.content) return 0;
    if (text.fact.lamport > log->lamport_max) log->lamport_max = text.fact.lamport;
    if (SL_VEC_PUSH(&log->texts, text)) return 1;
    if (text.fact.value) log->kept_bytes -= text.fact.value_bytes;
    sl_free(text.content);
    return 0;
}

/* The parts of a text come one by one, and with the last one the whole. */
static int note_parts(sl_log *log, const sl_log_item *item)
{
    sl_range whole = {item->sequence, item->sequence + item->sequence_count};
    const sl_ranges text = {.items = &whole, .count = 1};
    if (item->kind == SL_ITEM_OTHER) return sl_ranges_add(&log->parts, whole.begin, whole.end);
    return log->parts.count == 0 || sl_ranges_subtract(&log->parts, &text);
}

/* 1, or 0 when out of memory: taking it again makes up for it. */
static int take_item(sl_log *log, const sl_log_item *item, const sl_point_base *base)
{
    /* The parts of a text that was never completed are present too: nothing is missing there. */
    if (SL_RECORD_IS_NUMBERED(item->record_kind) &&
        (!sl_ranges_add(&log->held, item->sequence, item->sequence + item->sequence_count) || !note_parts(log, item)))
        return 0;
    if (item->kind == SL_ITEM_ROW || item->kind == SL_ITEM_POINT) return take_row(log, item, base);
    return item->kind != SL_ITEM_TEXT || take_text(log, item);
}

steplog_status sl_log_advance(sl_log *log, steplog_error *err)
{
    if (log->is_gone) return STEPLOG_OK;
    if (log->walk.offset >= log->header.capacity_bytes) return STEPLOG_OK;
    if (!read_slots(log)) return STEPLOG_OK;
    log->walk.is_ended = log->lock == SL_OS_LOCK_FREE;
    for (;;) {
        sl_log_item item;
        sl_point_base base = log->walk.base;
        sl_log_walk_next(&log->walk, &item);
        if (item.kind == SL_ITEM_END) break;
        if (item.kind == SL_ITEM_ERROR) return sl_log_failed(log, &item, err);
        if (item.kind == SL_ITEM_DAMAGE) {
            if (!sl_log_is_still_itself(log)) return STEPLOG_OK;
            report(log, item.offset, item.bytes, item.what, 0);
            continue;
        }
        if (!take_item(log, &item, &base)) {
            sl_log_walk_return(&log->walk, &item, &base); /* the next call takes it */
            return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read log '%s'", log->name);
        }
    }
    log->is_torn = log->walk.is_torn;
    if (log->is_torn && sl_log_is_still_itself(log)) {
        log->salvageable_count = sl_log_walk_salvageable(&log->walk);
        report(log, log->walk.offset, 0, "log ends in a record that was not completed", 1);
    }
    sl_log_walk_rest(&log->walk);
    return STEPLOG_OK;
}

void sl_log_replay(sl_log *log, uint64_t offset, uint64_t sequence, const sl_point_base *base, sl_log_walk *walk)
{
    sl_log_walk_init(walk, read_file, log, log->file_key, log->header.capacity_bytes, sequence, log->mark.offset,
                     &log->dictionary);
    walk->offset = offset;
    walk->is_replay = 1;
    walk->is_same_boot = log->is_same_boot;
    walk->live = log->map;
    walk->has_heads_only = 1;
    walk->next_data = next_data;
    walk->is_ended = log->lock == SL_OS_LOCK_FREE;
    if (base) walk->base = *base;
}

/* A text that was there could not be read again. */
static steplog_status lost_text(sl_log *log, const sl_log_text *text, const char *what, steplog_error *err)
{
    if (!sl_log_is_still_itself(log)) return STEPLOG_MISSING;
    return sl_fail(err, STEPLOG_CORRUPT, (int64_t)text->offset, "%s in '%s' at offset %llu can not be read again", what,
                   log->name, (unsigned long long)text->offset);
}

steplog_status sl_log_fact(sl_log *log, const sl_log_text *text, sl_buffer *out, steplog_error *err)
{
    sl_log_walk walk;
    sl_log_item item;
    sl_log_replay(log, text->offset, text->sequence_at_offset, NULL, &walk);
    do sl_log_walk_next(&walk, &item);
    while (item.kind == SL_ITEM_OTHER);
    int is_good = item.kind == SL_ITEM_TEXT && item.record_kind == SL_RECORD_FACT && item.sequence == text->sequence;
    steplog_status status = STEPLOG_OK;
    if (is_good) sl_buffer_put(out, item.content, item.content_bytes);
    if (out->is_out_of_memory)
        status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read log '%s'", log->name);
    else if (item.kind == SL_ITEM_ERROR)
        status = sl_log_failed(log, &item, err);
    else if (!is_good)
        status = lost_text(log, text, "a fact", err);
    sl_log_walk_free(&walk);
    return status;
}

typedef struct blob_target {
    uint8_t *buffer;
    uint64_t bytes;
} blob_target;

static void copy_part(void *context, const uint8_t *data, size_t bytes, uint64_t at)
{
    const blob_target *target = context;
    if (at <= target->bytes && bytes <= target->bytes - at) memcpy(target->buffer + at, data, bytes);
}

steplog_status sl_log_blob_data(sl_log *log, const sl_log_text *text, uint8_t *buffer, uint64_t bytes,
                                steplog_error *err)
{
    sl_log_walk walk;
    sl_log_item item;
    blob_target target = {buffer, bytes};
    sl_log_replay(log, text->offset, text->sequence_at_offset, NULL, &walk);
    walk.take_data = copy_part;
    walk.data_context = &target;
    do sl_log_walk_next(&walk, &item);
    while (item.kind == SL_ITEM_OTHER);
    int is_good = item.kind == SL_ITEM_TEXT && item.record_kind == SL_RECORD_BLOB &&
                  item.sequence == text->sequence && item.data_bytes == bytes;
    steplog_status status = STEPLOG_OK;
    if (item.kind == SL_ITEM_ERROR)
        status = sl_log_failed(log, &item, err);
    else if (!is_good)
        status = lost_text(log, text, "a blob", err);
    sl_log_walk_free(&walk);
    return status;
}
