/* format/record_codec.c: decoding one record of a row log. Encoding a row is in the append path
 * (write/append.h), where each store counts. */
#include "format/record_codec.h"

static int is_known_kind(unsigned kind)
{
    return (kind >= SL_RECORD_ROW && kind <= SL_RECORD_BLOB) || (kind >= SL_RECORD_WRITER && kind <= SL_RECORD_SCHEMA);
}

sl_record_state sl_record_decode(const uint8_t *p, size_t available, uint64_t file_key, uint64_t offset,
                                 uint64_t expected_sequence, sl_record *out)
{
    if (available < 8) return SL_RECORD_SHORT;
    uint64_t head = sl_load64(p);
    if (head == 0) return SL_RECORD_NONE;
    uint32_t bytes = (uint32_t)(head & 0xffff) * 8;
    unsigned kind = (unsigned)(head >> 16) & 0xff;
    if (bytes < SL_RECORD_HEAD_BYTES + 8 || bytes > SL_RECORD_BYTES_MAX || !is_known_kind(kind))
        return SL_RECORD_BROKEN;
    if (bytes > available) return SL_RECORD_SHORT;
    uint64_t hash = sl_hash(p + SL_RECORD_HEAD_BYTES, bytes - SL_RECORD_HEAD_BYTES);
    *out = (sl_record){.bytes = bytes,
                       .kind = (uint8_t)kind,
                       .flags = (uint8_t)(head >> 24),
                       .index = (uint32_t)(head >> 32),
                       .sequence = sl_record_sequence(sl_load64(p + 8), hash, file_key, offset, head),
                       .body = p + SL_RECORD_HEAD_BYTES,
                       .body_bytes = bytes - SL_RECORD_HEAD_BYTES};
    return out->sequence == expected_sequence ? SL_RECORD_GOOD : SL_RECORD_ELSEWHEN;
}

int sl_row_body_decode(const sl_record *record, uint32_t metric_count, sl_row_body *out)
{
    if ((record->flags & ~SL_ROW_HAS_PRESENCE) || record->body_bytes < 16) return 0;
    out->step = (int64_t)sl_load64(record->body);
    out->time_ns = (int64_t)sl_load64(record->body + 8);
    out->presence = NULL;
    out->values = record->body + 16;
    out->value_count = metric_count;
    uint32_t bytes = record->body_bytes - 16;
    if (record->flags & SL_ROW_HAS_PRESENCE) {
        uint32_t presence_bytes = SL_PRESENCE_BYTES(metric_count);
        if (bytes < presence_bytes) return 0;
        out->presence = record->body + 16;
        out->values += presence_bytes;
        bytes -= presence_bytes;
        uint32_t count = 0;
        for (uint32_t i = 0; i < presence_bytes; i += 8)
            count += (uint32_t)__builtin_popcountll(sl_load64(out->presence + i));
        if (metric_count % 64 && sl_load64(out->presence + presence_bytes - 8) >> (metric_count % 64)) return 0;
        out->value_count = count;
    }
    return out->value_count > 0 && bytes == 8 * out->value_count;
}

int sl_part_decode(const sl_record *record, sl_part *out)
{
    if ((record->flags & ~(SL_PART_HAS_MORE | SL_PART_IS_FIRST)) || record->body_bytes < SL_PART_HEAD_BYTES) return 0;
    out->bytes = sl_load32(record->body);
    out->total_bytes = sl_load32(record->body + 4);
    out->data = record->body + SL_PART_HEAD_BYTES;
    uint32_t room = record->body_bytes - SL_PART_HEAD_BYTES;
    if (out->bytes > room || room - out->bytes >= 8 || out->bytes > out->total_bytes) return 0;
    if ((record->flags & SL_PART_HAS_MORE) && (out->bytes == 0 || out->bytes % 8)) return 0;
    return sl_is_zero(out->data + out->bytes, room - out->bytes);
}
