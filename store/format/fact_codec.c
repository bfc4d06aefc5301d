/* format/fact_codec.c: facts, blob heads and writer descriptions, to bytes and back.
 *
 * One fixed head serves all kinds of facts: they are few, and LZ4 takes the zeros. */
#include "format/fact_codec.h"

#include "base/utf8.h"
#include "steplog/reader.h"

enum { FACT_HAS_KEY = 1, FACT_HAS_VALUE = 2, FACT_HAS_STEPS = 4, FACT_HAS_TARGET = 8 };

void sl_fact_encode(const sl_fact *fact, sl_buffer *out)
{
    sl_buffer_u8(out, fact->kind);
    sl_buffer_u8(out, (uint8_t)((fact->has_key ? FACT_HAS_KEY : 0) | (fact->has_value ? FACT_HAS_VALUE : 0) |
                                (fact->has_steps ? FACT_HAS_STEPS : 0) | (fact->has_target ? FACT_HAS_TARGET : 0)));
    sl_buffer_u16(out, 0);
    sl_buffer_u32(out, fact->attempt);
    sl_buffer_u64(out, fact->lamport);
    sl_buffer_i64(out, fact->time_ns);
    sl_buffer_i64(out, fact->number);
    sl_buffer_u32(out, fact->parent_attempt);
    sl_buffer_u32(out, fact->has_key ? fact->key_bytes : 0);
    sl_buffer_u32(out, fact->has_value ? fact->value_bytes : 0);
    sl_buffer_u32(out, 0);
    if (fact->has_steps) {
        sl_buffer_i64(out, fact->step_begin);
        sl_buffer_i64(out, fact->step_end);
    }
    if (fact->has_target) {
        sl_buffer_put(out, fact->target.bytes, 16);
        sl_buffer_u64(out, fact->target_sequence);
    }
    if (fact->has_key) sl_buffer_put(out, fact->key, fact->key_bytes);
    if (fact->has_value) sl_buffer_put(out, fact->value, fact->value_bytes);
}

static const char *take_text(sl_span *span, uint32_t bytes)
{
    const char *text = (const char *)sl_span_take(span, bytes);
    if (text && !sl_utf8_check(text, bytes, NULL)) span->is_bad = 1;
    return text;
}

int sl_fact_decode(const void *data, size_t bytes, sl_fact *out)
{
    sl_span span = sl_span_of(data, bytes);
    *out = (sl_fact){.step_begin = INT64_MIN, .step_end = INT64_MAX};
    out->kind = sl_span_u8(&span);
    uint8_t flags = sl_span_u8(&span);
    if (sl_span_u16(&span) != 0 || flags > 15) return 0;
    out->attempt = sl_span_u32(&span);
    out->lamport = sl_span_u64(&span);
    out->time_ns = sl_span_i64(&span);
    out->number = sl_span_i64(&span);
    out->parent_attempt = sl_span_u32(&span);
    out->key_bytes = sl_span_u32(&span);
    out->value_bytes = sl_span_u32(&span);
    if (sl_span_u32(&span) != 0) return 0;
    out->has_key = (flags & FACT_HAS_KEY) != 0;
    out->has_value = (flags & FACT_HAS_VALUE) != 0;
    out->has_steps = (flags & FACT_HAS_STEPS) != 0;
    out->has_target = (flags & FACT_HAS_TARGET) != 0;
    if (out->key_bytes > (out->has_key ? STEPLOG_NAME_BYTES_MAX : 0) ||
        out->value_bytes > (out->has_value ? STEPLOG_VALUE_BYTES_MAX : 0))
        return 0;
    if (out->has_steps) {
        out->step_begin = sl_span_i64(&span);
        out->step_end = sl_span_i64(&span);
    }
    if (out->has_target) {
        const uint8_t *id = sl_span_take(&span, 16);
        if (id) memcpy(out->target.bytes, id, 16);
        out->target_sequence = sl_span_u64(&span);
    }
    out->key = out->has_key ? take_text(&span, out->key_bytes) : NULL;
    out->value = out->has_value ? take_text(&span, out->value_bytes) : NULL;
    return !span.is_bad && span.left == 0 && out->kind != 0 && (out->kind != STEPLOG_EVENT_SET || out->has_key);
}

void sl_blob_encode(const sl_blob *blob, sl_buffer *out)
{
    sl_buffer_i64(out, blob->step);
    sl_buffer_i64(out, blob->time_ns);
    sl_buffer_u32(out, blob->name_bytes);
    sl_buffer_u32(out, blob->content_type_bytes);
    sl_buffer_u64(out, blob->data_bytes);
    sl_buffer_u64(out, blob->content_hash);
    sl_buffer_put(out, blob->name, blob->name_bytes);
    sl_buffer_put(out, blob->content_type, blob->content_type_bytes);
}

int sl_blob_decode(const void *data, size_t bytes, sl_blob *out, size_t *head_bytes)
{
    sl_span span = sl_span_of(data, bytes);
    out->step = sl_span_i64(&span);
    out->time_ns = sl_span_i64(&span);
    out->name_bytes = sl_span_u32(&span);
    out->content_type_bytes = sl_span_u32(&span);
    out->data_bytes = sl_span_u64(&span);
    out->content_hash = sl_span_u64(&span);
    out->name = take_text(&span, out->name_bytes);
    out->content_type = take_text(&span, out->content_type_bytes);
    if (head_bytes) *head_bytes = bytes - span.left;
    return !span.is_bad && out->name_bytes > 0 && out->name_bytes <= STEPLOG_NAME_BYTES_MAX &&
           out->content_type_bytes <= STEPLOG_NAME_BYTES_MAX && out->data_bytes <= STEPLOG_BLOB_BYTES_MAX;
}

int sl_fact_close_gap(sl_fact *fact, const sl_log_gap *gap)
{
    if (fact->kind != STEPLOG_EVENT_GAP || fact->number != 0 || gap->counter == 0) return 0;
    fact->number = (int64_t)gap->refused_count;
    fact->has_steps = 1;
    fact->step_begin = gap->step_first;
    fact->step_end = gap->step_last == INT64_MAX ? INT64_MAX : gap->step_last + 1;
    return 1;
}

void sl_writer_description_encode(const sl_writer_description *description, sl_buffer *out)
{
    sl_buffer_put(out, description->incarnation.bytes, 16);
    sl_buffer_put(out, description->run.bytes, 16);
    sl_buffer_put(out, description->host_id.bytes, 16);
    sl_buffer_put(out, description->boot_id.bytes, 16);
    sl_buffer_u32(out, description->attempt);
    sl_buffer_u32(out, description->rank);
    sl_buffer_u32(out, description->flags);
    sl_buffer_u32(out, description->process_id);
    sl_buffer_i64(out, description->resume_step);
    sl_buffer_i64(out, description->start_time_ns);
    sl_buffer_i64(out, description->process_start_ns);
    sl_buffer_u32(out, description->host_bytes);
    sl_buffer_put(out, description->host, description->host_bytes);
    sl_buffer_u32(out, description->step_axis_bytes);
    sl_buffer_put(out, description->step_axis, description->step_axis_bytes);
    sl_buffer_u32(out, description->label_count);
    sl_buffer_put(out, description->labels, description->labels_bytes);
}

int sl_label_next(sl_span *span, const char **key, uint32_t *key_bytes, const char **value, uint32_t *value_bytes)
{
    if (span->left == 0 || span->is_bad) return 0;
    *key_bytes = sl_span_u32(span);
    *key = take_text(span, *key_bytes);
    *value_bytes = sl_span_u32(span);
    *value = take_text(span, *value_bytes);
    return !span->is_bad;
}

static int is_key_before(const char *a, uint32_t a_bytes, const char *b, uint32_t b_bytes)
{
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return order < 0 || (order == 0 && a_bytes < b_bytes);
}

int sl_writer_description_decode(const void *data, size_t bytes, sl_writer_description *out)
{
    sl_span span = sl_span_of(data, bytes);
    const uint8_t *ids = sl_span_take(&span, 64);
    if (!ids || bytes > SL_WRITER_CONTENT_BYTES_MAX) return 0;
    memcpy(out->incarnation.bytes, ids, 16);
    memcpy(out->run.bytes, ids + 16, 16);
    memcpy(out->host_id.bytes, ids + 32, 16);
    memcpy(out->boot_id.bytes, ids + 48, 16);
    out->attempt = sl_span_u32(&span);
    out->rank = sl_span_u32(&span);
    out->flags = sl_span_u32(&span);
    out->process_id = sl_span_u32(&span);
    out->resume_step = sl_span_i64(&span);
    out->start_time_ns = sl_span_i64(&span);
    out->process_start_ns = sl_span_i64(&span);
    out->host_bytes = sl_span_u32(&span);
    out->host = take_text(&span, out->host_bytes);
    out->step_axis_bytes = sl_span_u32(&span);
    out->step_axis = take_text(&span, out->step_axis_bytes);
    out->label_count = sl_span_u32(&span);
    if (span.is_bad || out->label_count > STEPLOG_LABELS_MAX || out->attempt == 0) return 0;
    out->labels = span.at;
    out->labels_bytes = (uint32_t)span.left;
    const char *key, *value, *previous = NULL;
    uint32_t key_bytes, value_bytes, previous_bytes = 0;
    for (uint32_t i = 0; i < out->label_count; i++) {
        if (!sl_label_next(&span, &key, &key_bytes, &value, &value_bytes)) return 0;
        if (previous && !is_key_before(previous, previous_bytes, key, key_bytes)) return 0;
        previous = key;
        previous_bytes = key_bytes;
    }
    return !span.is_bad && span.left == 0;
}
