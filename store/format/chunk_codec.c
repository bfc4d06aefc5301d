/* format/chunk_codec.c: encoder and decoder of chunks and their columns. */
#include "format/chunk_codec.h"

#include "base/error.h"
#include "format/int_codec.h"
#include "format/kernels.h"
#include "format/value_codec.h"

#include <math.h>

/* Where all values are finite: the extremes, then where they are, the first of equals, -0 and 0 too. 0 when one is
 * not finite. */
static int make_finite_stats(const double *values, size_t count, sl_column_stats *out)
{
    const sl_kernels *kernels = sl_kernels_now();
    double least, most;
    if (!kernels->are_finite(values, count)) return 0;
    kernels->extremes_of_doubles(values, count, &least, &most);
    out->smallest_at = (uint16_t)kernels->find(values, count, least);
    out->smallest = values[out->smallest_at];
    out->largest_at = (uint16_t)kernels->find(values, count, most);
    out->largest = values[out->largest_at];
    return 1;
}

void sl_column_stats_make(const double *values, size_t count, sl_column_stats *out)
{
    *out = (sl_column_stats){.first = values[0], .last = values[count - 1], .smallest = NAN, .largest = NAN};
    int has_finite = 0;
    if (make_finite_stats(values, count, out)) return;
    for (size_t i = 0; i < count; i++) {
        double x = values[i];
        if (isfinite(x)) {
            if (!has_finite || x < out->smallest) {
                out->smallest = x;
                out->smallest_at = (uint16_t)i;
            }
            if (!has_finite || x > out->largest) {
                out->largest = x;
                out->largest_at = (uint16_t)i;
            }
            has_finite = 1;
        } else if (isnan(x)) {
            out->nan_count++;
        } else if (x > 0) {
            out->positive_inf_count++;
        } else {
            out->negative_inf_count++;
        }
    }
}

/* Presence as a bitmap or as the list of positions, whichever is shorter. */
static void encode_presence(const uint64_t *present, uint32_t row_count, uint32_t value_count, sl_buffer *payload,
                            sl_column_info *info)
{
    uint8_t encoded[SL_INT_ENCODED_BYTES_MAX(SL_CHUNK_ROWS_MAX) + SL_DECODE_SLACK_BYTES];
    int64_t positions[SL_CHUNK_ROWS_MAX];
    uint32_t bitmap_bytes = (row_count + 7) / 8, count = 0;
    for (uint32_t row = 0; row < row_count; row++)
        if (present[row / 64] >> (row % 64) & 1) positions[count++] = row;
    size_t positions_bytes = sl_int_encode(positions, value_count, encoded);
    if (positions_bytes < bitmap_bytes) {
        info->flags |= SL_COLUMN_HAS_POSITIONS;
        info->presence_bytes = (uint32_t)positions_bytes;
        sl_buffer_put(payload, encoded, positions_bytes);
        return;
    }
    info->flags |= SL_COLUMN_HAS_BITMAP;
    info->presence_bytes = bitmap_bytes;
    for (uint32_t i = 0; i < bitmap_bytes; i++) sl_buffer_u8(payload, (uint8_t)(present[i / 8] >> (8 * (i % 8))));
}

void sl_column_encode(const double *values, const uint64_t *present, uint32_t row_count, sl_buffer *payload,
                      sl_column_info *info)
{
    double dense[SL_CHUNK_ROWS_MAX];
    const double *source = values;
    *info = (sl_column_info){.value_count = row_count};
    sl_buffer_clear(payload);
    if (present) {
        uint32_t count = 0, words = row_count / 64;
        for (uint32_t word = 0; word < words; word++) count += (uint32_t)__builtin_popcountll(present[word]);
        if (row_count % 64)
            count += (uint32_t)__builtin_popcountll(present[words] & (((uint64_t)1 << (row_count % 64)) - 1));
        if (count < row_count) {
            count = 0;
            for (uint32_t row = 0; row < row_count; row++)
                if (present[row / 64] >> (row % 64) & 1) dense[count++] = values[row];
        }
        info->value_count = count;
        if (count == 0) return;
        if (count < row_count) {
            source = dense;
            encode_presence(present, row_count, count, payload, info);
        }
    }
    info->flags |= SL_COLUMN_HAS_VALUES;
    size_t bound = SL_VALUE_ENCODED_BYTES_MAX(info->value_count) + SL_DECODE_SLACK_BYTES;
    uint8_t *at = sl_buffer_grow(payload, bound);
    if (!at) return;
    payload->bytes -= bound;
    payload->bytes += sl_value_encode(source, info->value_count, at);
    info->payload_bytes = (uint32_t)payload->bytes;
}

static void set_all_present(uint64_t *present, uint32_t row_count)
{
    memset(present, 0, SL_PRESENT_WORDS * sizeof *present);
    memset(present, 0xff, row_count / 64 * sizeof *present);
    if (row_count % 64) present[row_count / 64] = ((uint64_t)1 << (row_count % 64)) - 1;
}

static steplog_status decode_presence(const sl_column_info *info, const uint8_t *payload, uint32_t row_count,
                                      uint64_t *present, const char **what)
{
    memset(present, 0, SL_PRESENT_WORDS * sizeof *present);
    *what = "presence does not agree with the number of values";
    if (info->flags & SL_COLUMN_HAS_POSITIONS) {
        int64_t positions[SL_CHUNK_ROWS_MAX];
        SL_TRY(sl_int_decode(payload, info->presence_bytes, info->value_count, positions, what));
        int64_t previous = -1;
        for (uint32_t i = 0; i < info->value_count; i++) {
            if (positions[i] <= previous || positions[i] >= (int64_t)row_count) return STEPLOG_CORRUPT;
            previous = positions[i];
            present[previous / 64] |= (uint64_t)1 << (previous % 64);
        }
        return STEPLOG_OK;
    }
    uint32_t count = 0;
    if (info->presence_bytes != (row_count + 7) / 8) return STEPLOG_CORRUPT;
    for (uint32_t i = 0; i < info->presence_bytes; i++) present[i / 8] |= (uint64_t)payload[i] << (8 * (i % 8));
    for (uint32_t i = 0; i < SL_PRESENT_WORDS; i++) count += (uint32_t)__builtin_popcountll(present[i]);
    if (row_count < SL_CHUNK_ROWS_MAX && present[row_count / 64] >> (row_count % 64)) return STEPLOG_CORRUPT;
    return count == info->value_count ? STEPLOG_OK : STEPLOG_CORRUPT;
}

steplog_status sl_column_decode(const sl_column_info *info, const uint8_t *payload, uint32_t row_count, double *values,
                                uint64_t present[SL_PRESENT_WORDS], const char **what)
{
    if (!(info->flags & SL_COLUMN_HAS_VALUES)) {
        memset(values, 0, row_count * sizeof *values);
        memset(present, 0, SL_PRESENT_WORDS * sizeof *present);
        return STEPLOG_OK;
    }
    if (!(info->flags & (SL_COLUMN_HAS_BITMAP | SL_COLUMN_HAS_POSITIONS))) {
        set_all_present(present, row_count);
        return sl_value_decode(payload, info->payload_bytes, row_count, values, what);
    }
    SL_TRY(decode_presence(info, payload, row_count, present, what));
    SL_TRY(sl_value_decode(payload + info->presence_bytes, info->payload_bytes - info->presence_bytes,
                           info->value_count, values, what));
    /* Spread the dense values to their rows, from the back so that nothing is overwritten unread. */
    uint32_t next = info->value_count;
    for (uint32_t row = row_count; row-- > 0;) values[row] = present[row / 64] >> (row % 64) & 1 ? values[--next] : 0.0;
    return STEPLOG_OK;
}

int sl_chunk_head_decode(const uint8_t *content, uint32_t bytes, sl_chunk_head *out)
{
    sl_span span = sl_span_of(content, bytes);
    out->writer = sl_span_u32(&span);
    out->schema = sl_span_u32(&span);
    out->row_count = sl_span_u16(&span);
    out->column_count = sl_span_u16(&span);
    out->flags = sl_span_u16(&span);
    if (sl_span_u16(&span) != 0) return 0;
    for (int i = 0; i < SL_PART_COUNT; i++) {
        uint32_t part_bytes = sl_span_u32(&span);
        out->is_reference[i] = (part_bytes & SL_CHUNK_PART_IS_REFERENCE) != 0;
        out->part_bytes[i] = part_bytes & ~SL_CHUNK_PART_IS_REFERENCE;
    }
    out->directory_bytes = sl_span_u32(&span);
    for (int i = 0; i < SL_PART_COUNT; i++) {
        out->part[i] = sl_span_take(&span, out->part_bytes[i]);
        out->reference[i] = out->is_reference[i] && out->part[i] && out->part_bytes[i] == 8 ? sl_load64(out->part[i])
                                                                                            : 0;
        if (out->is_reference[i] && out->part_bytes[i] != 8) return 0;
    }
    out->directory = sl_span_take(&span, out->directory_bytes);
    out->inline_payloads = span.at;
    out->inline_bytes = (uint32_t)span.left;
    return !span.is_bad && out->row_count >= 1 && out->row_count <= SL_CHUNK_ROWS_MAX && out->column_count >= 1 &&
           out->column_count <= STEPLOG_ROW_METRICS_MAX && out->flags <= (SL_CHUNK_STEPS_SORTED | SL_CHUNK_HAS_TIMES) &&
           out->part_bytes[SL_PART_STEPS] > 0 && out->part_bytes[SL_PART_SEQUENCES] > 0 &&
           (out->part_bytes[SL_PART_TIMES] > 0) == ((out->flags & SL_CHUNK_HAS_TIMES) != 0);
}

sl_chunk_walk sl_chunk_directory_begin(const sl_chunk_head *head)
{
    return (sl_chunk_walk){.span = sl_span_of(head->directory, head->directory_bytes), .head = head};
}

int sl_chunk_directory_next(sl_chunk_walk *walk, sl_column_info *out)
{
    const sl_chunk_head *head = walk->head;
    if (walk->is_bad) return 0;
    if (walk->column == head->column_count) {
        walk->is_bad = walk->span.left != 0 || walk->inline_offset != head->inline_bytes;
        return 0;
    }
    sl_span *span = &walk->span;
    *out = (sl_column_info){.flags = sl_span_u8(span)};
    walk->column++;
    if (out->flags == 0 && !span->is_bad) return 1; /* no value in any row */
    uint64_t payload_bytes = sl_span_varint(span);
    out->value_count = head->row_count;
    if (out->flags & SL_COLUMN_IS_OWN_PAGE) out->page_distance = sl_span_varint(span);
    if (out->flags & (SL_COLUMN_HAS_BITMAP | SL_COLUMN_HAS_POSITIONS)) {
        uint64_t value_count = sl_span_varint(span), presence_bytes = sl_span_varint(span);
        if (value_count == 0 || value_count >= head->row_count || presence_bytes >= payload_bytes) span->is_bad = 1;
        out->value_count = (uint32_t)value_count;
        out->presence_bytes = (uint32_t)presence_bytes;
    }
    uint8_t both = SL_COLUMN_HAS_BITMAP | SL_COLUMN_HAS_POSITIONS;
    if (!(out->flags & SL_COLUMN_HAS_VALUES) || out->flags > 15 || (out->flags & both) == both || payload_bytes == 0 ||
        payload_bytes > SL_COLUMN_PAYLOAD_BYTES_MAX)
        span->is_bad = 1;
    out->payload_bytes = (uint32_t)payload_bytes;
    if (!(out->flags & SL_COLUMN_IS_OWN_PAGE) && !span->is_bad) {
        if (payload_bytes > head->inline_bytes - walk->inline_offset)
            span->is_bad = 1;
        else
            out->payload = head->inline_payloads + walk->inline_offset;
        walk->inline_offset += (uint32_t)payload_bytes;
    }
    walk->is_bad = span->is_bad;
    return !walk->is_bad;
}

void sl_chunk_directory_put(sl_buffer *directory, const sl_column_info *info)
{
    sl_buffer_u8(directory, info->flags);
    if (info->flags == 0) return;
    sl_buffer_varint(directory, info->payload_bytes);
    if (info->flags & SL_COLUMN_IS_OWN_PAGE) sl_buffer_varint(directory, info->page_distance);
    if (info->flags & (SL_COLUMN_HAS_BITMAP | SL_COLUMN_HAS_POSITIONS)) {
        sl_buffer_varint(directory, info->value_count);
        sl_buffer_varint(directory, info->presence_bytes);
    }
}

void sl_chunk_encode(const sl_chunk_head *head, sl_buffer *out)
{
    sl_buffer_u32(out, head->writer);
    sl_buffer_u32(out, head->schema);
    sl_buffer_u16(out, (uint16_t)head->row_count);
    sl_buffer_u16(out, (uint16_t)head->column_count);
    sl_buffer_u16(out, (uint16_t)head->flags);
    sl_buffer_u16(out, 0);
    for (int i = 0; i < SL_PART_COUNT; i++)
        sl_buffer_u32(out, head->is_reference[i] ? 8 | SL_CHUNK_PART_IS_REFERENCE : head->part_bytes[i]);
    sl_buffer_u32(out, head->directory_bytes);
    for (int i = 0; i < SL_PART_COUNT; i++) {
        if (head->is_reference[i])
            sl_buffer_u64(out, head->reference[i]);
        else
            sl_buffer_put(out, head->part[i], head->part_bytes[i]);
    }
    sl_buffer_put(out, head->directory, head->directory_bytes);
    sl_buffer_put(out, head->inline_payloads, head->inline_bytes);
}
