/* write/writer_text.c: what a writer records besides rows: names, schemas, facts, blobs.
 *
 * Each is a text record, split into parts where it is longer than one record may be. A text never crosses from
 * one log into the next. */
#include "base/error.h"
#include "base/kill_point.h"
#include "base/utf8.h"
#include "format/checksum.h"
#include "os/os.h"
#include "steplog/reader.h"
#include "write/writer.h"

static sl_row_log *active_log(const steplog_writer *w) { return atomic_load_explicit(&w->log, memory_order_relaxed); }

/* Puts one record at a place of the active log, of which p is the memory; room is there. */
static steplog_status put_record(steplog_writer *w, unsigned kind, unsigned flags, uint32_t index, uint64_t at, uint8_t *p,
                                 uint32_t bytes, steplog_error *err)
{
    sl_row_log *log = active_log(w);
    uint64_t head = sl_record_head(bytes, kind, flags, index);
    sl_store64(p + 8, sl_record_check_of(p, bytes, head, log->file_key, at, w->next_sequence));
    SL_KILL_POINT("text.filled");
    if (log->base) {
        sl_store64(p + bytes, 0);
        SL_KILL_POINT("text.next_word_zeroed");
        __atomic_store_n((uint64_t *)(void *)p, SL_LE(64, head), __ATOMIC_RELEASE);
    } else {
        sl_store64(p, head);
        sl_store64(p + bytes, 0);
        SL_TRY(sl_writer_put(w, log, at, bytes, err));
    }
    SL_KILL_POINT("text.committed");
    w->next_sequence += SL_RECORD_IS_NUMBERED(kind) ? 1 : 0;
    if (SL_RECORD_IS_NUMBERED(kind)) w->has_base = 0;
    return STEPLOG_OK;
}

/* What was put counts from now on for whoever syncs: no mark is set between the parts of a text, which could not be
 * moved from there after a failed sync. */
static void move_tail(steplog_writer *w, uint64_t tail)
{
    sl_row_log *log = active_log(w);
    atomic_store_explicit(&log->tail, tail, memory_order_release);
    atomic_store_explicit(&log->tail_sequence, w->next_sequence - 1, memory_order_release);
}

static uint64_t tail_of(const sl_row_log *log) { return atomic_load_explicit(&log->tail, memory_order_relaxed); }

static uint8_t *place_of(sl_row_log *log, uint64_t at) { return log->base ? log->base + at : log->scratch; }

/* Copies [at, at + bytes) of the two pieces. */
static void copy_pieces(uint8_t *to, size_t at, size_t bytes, const uint8_t *first, size_t first_bytes,
                        const uint8_t *second)
{
    if (at < first_bytes) {
        size_t here = first_bytes - at < bytes ? first_bytes - at : bytes;
        memcpy(to, first + at, here);
        to += here;
        at += here;
        bytes -= here;
    }
    if (bytes) memcpy(to, second + (at - first_bytes), bytes);
}

static uint64_t records_bytes(uint64_t total)
{
    uint64_t parts = total / SL_PART_BYTES_MAX + 1;
    return total + parts * (SL_RECORD_HEAD_BYTES + SL_PART_HEAD_BYTES + 8);
}

static int has_room(steplog_writer *w, uint64_t bytes)
{
    sl_row_log *log = active_log(w);
    return !sl_writer_is_of_parent(w) && atomic_load_explicit(&log->tail, memory_order_relaxed) + bytes <=
                                             atomic_load_explicit(&log->limit, memory_order_relaxed);
}

steplog_status sl_writer_append_text(steplog_writer *w, unsigned kind, uint32_t index, const void *first,
                                     size_t first_bytes, const void *second, size_t second_bytes, steplog_error *err)
{
    size_t total = first_bytes + second_bytes, at = 0;
    steplog_status status = STEPLOG_OK;
    uint64_t wanted = records_bytes(total) + 8;
    int is_first = 1;
    while (!has_room(w, wanted)) {
        status = sl_writer_make_room(w, wanted, 0, 0, STEPLOG_TIME_NONE);
        if (status < 0) {
            if (err) *err = w->error;
            return status;
        }
    }
    uint64_t tail = tail_of(active_log(w));
    do {
        size_t part = total - at < SL_PART_BYTES_MAX ? total - at : SL_PART_BYTES_MAX & ~(size_t)7;
        uint32_t bytes = (uint32_t)(SL_RECORD_HEAD_BYTES + SL_PART_HEAD_BYTES + ((part + 7) & ~(size_t)7));
        uint8_t *p = place_of(active_log(w), tail);
        sl_store32(p + 16, (uint32_t)part);
        sl_store32(p + 20, (uint32_t)total);
        memset(p + bytes - 8, 0, bytes > 24 ? 8 : 0);
        copy_pieces(p + 24, at, part, first, first_bytes, second);
        at += part;
        unsigned flags = (is_first ? (unsigned)SL_PART_IS_FIRST : 0) | (at < total ? (unsigned)SL_PART_HAS_MORE : 0);
        status = put_record(w, kind, flags, index, tail, p, bytes, err);
        if (status < 0) break; /* the parts that are there have taken their numbers and their place */
        tail += bytes;
        if (at < total) SL_KILL_POINT("text.between_parts");
        is_first = 0;
    } while (at < total);
    move_tail(w, tail);
    return status;
}

steplog_status sl_writer_append_raw(steplog_writer *w, sl_row_log *from, uint64_t offset, uint32_t bytes)
{
    while (!has_room(w, (uint64_t)bytes + 8))
        SL_TRY(sl_writer_make_room(w, (uint64_t)bytes + 8, 1, 0, STEPLOG_TIME_NONE));
    const uint64_t tail = tail_of(active_log(w));
    uint8_t *p = place_of(active_log(w), tail);
    uint8_t head[8];
    if (sl_row_log_read(from, head, 8, offset) != 8 ||
        sl_row_log_read(from, p + 16, bytes - 16, offset + 16) != (int64_t)bytes - 16)
        return sl_writer_fail(w, STEPLOG_IO, "cannot read log '%s' back", from->name);
    SL_TRY(put_record(w, head[2], head[3], sl_load32(head + 4), tail, p, bytes, &w->error));
    move_tail(w, tail + bytes);
    return STEPLOG_OK;
}

steplog_status sl_writer_append_fact(steplog_writer *w, sl_fact *fact, steplog_error *err)
{
    if (fact->lamport == 0) fact->lamport = w->lamport + 1;
    if (fact->attempt == 0) fact->attempt = w->description.attempt;
    sl_buffer body = {0};
    sl_fact_encode(fact, &body);
    steplog_status status = body.is_out_of_memory
                                ? sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a fact")
                                : sl_writer_append_text(w, SL_RECORD_FACT, 0, body.data, body.bytes, NULL, 0, err);
    sl_buffer_free(&body);
    SL_KILL_POINT("text.fact_recorded");
    if (status >= 0 && fact->lamport > w->lamport) w->lamport = fact->lamport;
    return status;
}

/* ---- names and schemas ---- */

/* Every log begins with them, and is no larger than its header may say. */
static steplog_status check_names_bytes(const steplog_writer *w, uint64_t more, steplog_error *err)
{
    if (w->table.names_bytes + more <= STEPLOG_WRITER_NAMES_BYTES_MAX) return STEPLOG_OK;
    return sl_fail(err, STEPLOG_LIMIT, -1, "the writer's names have %llu bytes already: expected at most %u",
                   (unsigned long long)w->table.names_bytes, STEPLOG_WRITER_NAMES_BYTES_MAX);
}

static steplog_status check_text(const char *what, const char *text, size_t bytes, size_t least, size_t most,
                                 steplog_error *err)
{
    size_t bad = 0;
    if (bytes < least) return sl_fail(err, STEPLOG_MISUSE, -1, "%s is empty", what);
    if (bytes > most)
        return sl_fail(err, STEPLOG_LIMIT, -1, "%s has %zu bytes: expected at most %zu", what, bytes, most);
    if (!sl_utf8_check(text, bytes, &bad))
        return sl_fail(err, STEPLOG_MISUSE, (int64_t)bad, "%s is not UTF-8: byte %zu is 0x%02x", what, bad,
                       (unsigned char)text[bad]);
    return STEPLOG_OK;
}

static steplog_status check_list_bytes(uint64_t bytes, steplog_error *err)
{
    static_assert(STEPLOG_SCHEMA_NAMES_BYTES_MAX + 4 == SL_SCHEMA_CONTENT_BYTES_MAX, "a SCHEMA page has their count, too");
    if (bytes <= STEPLOG_SCHEMA_NAMES_BYTES_MAX) return STEPLOG_OK;
    return sl_fail(err, STEPLOG_LIMIT, -1, "the names of one schema have %llu bytes: expected at most %u",
                   (unsigned long long)bytes, STEPLOG_SCHEMA_NAMES_BYTES_MAX);
}

static steplog_status check_counts(size_t metrics, size_t schemas, steplog_error *err)
{
    if (metrics > STEPLOG_WRITER_METRICS_MAX)
        return sl_fail(err, STEPLOG_LIMIT, -1, "a writer has at most %u metrics", STEPLOG_WRITER_METRICS_MAX);
    if (schemas > STEPLOG_WRITER_SCHEMAS_MAX)
        return sl_fail(err, STEPLOG_LIMIT, -1, "a writer has at most %u schemas", STEPLOG_WRITER_SCHEMAS_MAX);
    return STEPLOG_OK;
}

steplog_status sl_writer_check_names(const steplog_writer *w, const steplog_named *named, size_t count,
                                     steplog_error *err)
{
    uint64_t list_bytes = 0, more = sl_schema_table_list_bytes((uint32_t)count);
    size_t new_count = 0;
    uint32_t index;
    for (size_t i = 0; i < count; i++) {
        size_t bytes = strlen(named[i].name);
        SL_TRY(check_text("metric name", named[i].name, bytes, 1, STEPLOG_NAME_BYTES_MAX, err));
        list_bytes += bytes + 4;
        if (sl_schema_table_find_metric(&w->table, named[i].name, (uint32_t)bytes, &index)) continue;
        new_count++;
        more += sl_schema_table_metric_bytes((uint32_t)bytes);
    }
    SL_TRY(check_list_bytes(list_bytes, err));
    if (new_count == 0) return STEPLOG_OK; /* the list may be known */
    SL_TRY(check_counts(w->table.metrics.count + new_count, w->table.schemas.count + 1, err));
    return check_names_bytes(w, more, err);
}

steplog_status steplog_writer_metric(steplog_writer *w, const char *name, size_t bytes, steplog_metric *out,
                                     steplog_error *err)
{
    if (!w || !name || !out) return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_writer_metric: an argument is NULL");
    SL_TRY(check_text("metric name", name, bytes, 1, STEPLOG_NAME_BYTES_MAX, err));
    if (sl_schema_table_find_metric(&w->table, name, (uint32_t)bytes, &out->index)) return STEPLOG_OK;
    SL_TRY(check_counts(w->table.metrics.count + 1, 0, err));
    SL_TRY(check_names_bytes(w, sl_schema_table_metric_bytes((uint32_t)bytes), err));
    uint32_t index = (uint32_t)w->table.metrics.count;
    char *copy = sl_schema_table_prepare_metric(&w->table, name, (uint32_t)bytes);
    if (!copy) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a metric");
    /* First the record, then the table: a rotation on the way would otherwise restate it before its record. */
    steplog_status status = sl_writer_append_text(w, SL_RECORD_NAME, index, name, bytes, NULL, 0, err);
    if (status < 0) {
        sl_free(copy);
        return status;
    }
    SL_KILL_POINT("text.name_recorded");
    out->index = sl_schema_table_add_metric(&w->table, copy, (uint32_t)bytes);
    return STEPLOG_OK;
}

steplog_status steplog_writer_schema(steplog_writer *w, const steplog_metric *metrics, size_t count,
                                     steplog_schema *out, steplog_error *err)
{
    if (!w || !metrics || !out) return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_writer_schema: an argument is NULL");
    if (count == 0) return sl_fail(err, STEPLOG_MISUSE, -1, "a schema without a metric");
    if (count > STEPLOG_ROW_METRICS_MAX)
        return sl_fail(err, STEPLOG_LIMIT, -1, "a schema of %zu metrics: expected at most %u", count,
                       STEPLOG_ROW_METRICS_MAX);
    const uint32_t *list = &metrics->index;
    static_assert(sizeof(steplog_metric) == sizeof(uint32_t), "a list of metrics is a list of indices");
    if (sl_schema_table_find_schema(&w->table, list, (uint32_t)count, &out->index)) return STEPLOG_OK;
    int is_good = sl_schema_table_is_list_good(&w->table, list, (uint32_t)count);
    if (is_good < 0) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a schema");
    if (!is_good)
        return sl_fail(err, STEPLOG_MISUSE, -1, "a metric of the schema is there twice, or is not of this writer");
    uint64_t names_bytes = 0;
    for (size_t i = 0; i < count; i++) names_bytes += w->table.metrics.items[list[i]].bytes + 4;
    SL_TRY(check_list_bytes(names_bytes, err));
    SL_TRY(check_counts(0, w->table.schemas.count + 1, err));
    SL_TRY(check_names_bytes(w, sl_schema_table_list_bytes((uint32_t)count), err));
    uint32_t *copy = sl_schema_table_prepare_schema(&w->table, list, (uint32_t)count);
    sl_buffer body = {0};
    for (size_t i = 0; i < count; i++) sl_buffer_u32(&body, list[i]);
    steplog_status status = !copy || body.is_out_of_memory
                                ? sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a schema")
                                : sl_writer_append_text(w, SL_RECORD_SCHEMA, (uint32_t)w->table.schemas.count,
                                                        body.data, body.bytes, NULL, 0, err);
    sl_buffer_free(&body);
    if (status < 0) {
        sl_free(copy);
        return status;
    }
    SL_KILL_POINT("text.schema_recorded");
    out->index = sl_schema_table_add_schema(&w->table, copy, (uint32_t)count);
    return STEPLOG_OK;
}

/* ---- facts and blobs ---- */

steplog_status steplog_writer_set_fact(steplog_writer *w, const char *key, const char *value, steplog_error *err)
{
    if (!w || !key) return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_writer_set_fact: an argument is NULL");
    SL_TRY(check_text("fact key", key, strlen(key), 1, STEPLOG_NAME_BYTES_MAX, err));
    if (value) SL_TRY(check_text("fact value", value, strlen(value), 0, STEPLOG_VALUE_BYTES_MAX, err));
    uint64_t seen = 0;
    SL_TRY(w->context->next_lamport(w->context->store, &w->run, &seen, err));
    if (seen > w->lamport + 1) w->lamport = seen - 1;
    sl_fact fact = {.kind = STEPLOG_EVENT_SET,
                    .time_ns = sl_os->wall_time_ns(),
                    .has_key = 1,
                    .key = key,
                    .key_bytes = (uint32_t)strlen(key),
                    .has_value = value != NULL,
                    .value = value,
                    .value_bytes = value ? (uint32_t)strlen(value) : 0};
    return sl_writer_append_fact(w, &fact, err);
}

steplog_status steplog_writer_blob(steplog_writer *w, const char *name, int64_t step, int64_t time_ns,
                                   const char *content_type, const void *data, size_t bytes, steplog_error *err)
{
    if (!w || !name || (!data && bytes))
        return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_writer_blob: an argument is NULL");
    if (!content_type) content_type = "application/octet-stream";
    SL_TRY(check_text("blob name", name, strlen(name), 1, STEPLOG_NAME_BYTES_MAX, err));
    SL_TRY(check_text("content type", content_type, strlen(content_type), 1, 1024, err));
    if (bytes > STEPLOG_BLOB_BYTES_MAX)
        return sl_fail(err, STEPLOG_LIMIT, -1, "a blob of %zu bytes: expected at most %u", bytes,
                       STEPLOG_BLOB_BYTES_MAX);
    sl_blob blob = {.step = step,
                    .time_ns = time_ns == STEPLOG_TIME_NOW ? sl_os->wall_time_ns() : time_ns,
                    .data_bytes = bytes,
                    .content_hash = sl_hash(data ? data : "", bytes),
                    .name = name,
                    .name_bytes = (uint32_t)strlen(name),
                    .content_type = content_type,
                    .content_type_bytes = (uint32_t)strlen(content_type)};
    sl_buffer head = {0};
    sl_blob_encode(&blob, &head);
    steplog_status status = head.is_out_of_memory
                                ? sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a blob")
                                : sl_writer_append_text(w, SL_RECORD_BLOB, 0, head.data, head.bytes, data, bytes, err);
    sl_buffer_free(&head);
    SL_KILL_POINT("text.blob_recorded");
    return status;
}
