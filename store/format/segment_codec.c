/* format/segment_codec.c: encoders and decoders of a segment's fixed-size structures.
 *
 * Entries are read where they lie: a table is searched by arithmetic, without parsing. */
#include "format/segment_codec.h"

#include "base/error.h"
#include "base/hash_map.h"
#include "base/span.h"
#include "base/utf8.h"
#include "format/checksum.h"

static const char magic[8] = {'S', 'L', 'S', 'E', 'G', 'M', 'N', 'T'};

const uint32_t sl_table_entry_bytes[SL_TABLE_COUNT] = {SL_WRITER_ENTRY_BYTES, SL_SCHEMA_ENTRY_BYTES,
                                                       SL_GROUP_ENTRY_BYTES,  SL_CHUNK_ENTRY_BYTES,
                                                       SL_RANGE_ENTRY_BYTES,  SL_RECORD_ENTRY_BYTES,
                                                       SL_NODE_ENTRY_BYTES,   SL_STATS_ENTRY_BYTES,
                                                       SL_NODE_STATS_ENTRY_BYTES};
/* What is looked up entry by entry in long tables stands in short pages. */
const uint32_t sl_table_page_entries_max[SL_TABLE_COUNT] = {512, 512, 512, 64, 512, 512, 512, 64, 512};
const uint8_t sl_table_page_kind[SL_TABLE_COUNT] = {SL_PAGE_WRITER_TABLE, SL_PAGE_SCHEMA_TABLE, SL_PAGE_GROUP_TABLE,
                                                    SL_PAGE_CHUNK_TABLE,  SL_PAGE_RANGE_TABLE,  SL_PAGE_RECORD_TABLE,
                                                    SL_PAGE_NODE_TABLE,   SL_PAGE_STATS_TABLE,  SL_PAGE_NODE_STATS_TABLE};

void sl_segment_header_encode(const sl_segment_header *header, uint8_t out[SL_SEGMENT_HEADER_BYTES])
{
    memset(out, 0, SL_SEGMENT_HEADER_BYTES);
    memcpy(out, magic, 8);
    sl_store32(out + 8, header->version);
    sl_store32(out + 12, header->features);
    memcpy(out + 16, header->file_id.bytes, 16);
    sl_store64(out + 32, (uint64_t)header->created_time_ns);
    sl_store64(out + 56, sl_check(sl_hash(out, 56), sl_file_key(&header->file_id), 0, 0, 0));
}

steplog_status sl_segment_header_decode(const uint8_t *in, const char *name, sl_segment_header *out, steplog_error *err)
{
    if (memcmp(in, magic, 8) != 0)
        return sl_fail(err, STEPLOG_CORRUPT, 0, "'%s' does not begin with the words of a segment", name);
    memcpy(out->file_id.bytes, in + 16, 16);
    uint64_t stored = sl_load64(in + 56), computed = sl_check(sl_hash(in, 56), sl_file_key(&out->file_id), 0, 0, 0);
    if (stored != computed)
        return sl_fail(err, STEPLOG_CORRUPT, 56,
                       "header checksum differs in '%s' at offset 56: stored %016llx, computed %016llx", name,
                       (unsigned long long)stored, (unsigned long long)computed);
    out->version = sl_load32(in + 8);
    out->features = sl_load32(in + 12);
    out->created_time_ns = (int64_t)sl_load64(in + 32);
    if (out->version > SL_FORMAT_VERSION || (out->features & SL_FEATURES_REQUIRED_MASK & ~SL_FEATURES_KNOWN))
        return sl_fail(err, STEPLOG_NEWER, 8, "'%s' has format version %u, features %#x: this library reads version %u",
                       name, (unsigned)out->version, (unsigned)out->features, SL_FORMAT_VERSION);
    if (out->version == 0 || !sl_is_zero(in + 40, 16))
        return sl_fail(err, STEPLOG_CORRUPT, 8, "'%s' breaks a rule of the segment header", name);
    return STEPLOG_OK;
}

void sl_writer_entry_encode(const sl_writer_entry *entry, uint8_t *out)
{
    memcpy(out, entry->run.bytes, 16);
    memcpy(out + 16, entry->incarnation.bytes, 16);
    sl_store32(out + 32, entry->attempt);
    sl_store32(out + 36, entry->rank);
    sl_store32(out + 40, entry->flags);
    sl_store32(out + 44, 0);
    sl_store64(out + 48, entry->page_offset);
    sl_store32(out + 56, entry->range_first);
    sl_store32(out + 60, entry->range_count);
    sl_store32(out + 64, entry->group_first);
    sl_store32(out + 68, entry->group_count);
    sl_store32(out + 72, entry->record_first);
    sl_store32(out + 76, entry->record_count);
    sl_store64(out + 80, (uint64_t)entry->start_time_ns);
    sl_store64(out + 88, 0);
}

int sl_writer_entry_decode(const uint8_t *in, sl_writer_entry *out)
{
    memcpy(out->run.bytes, in, 16);
    memcpy(out->incarnation.bytes, in + 16, 16);
    out->attempt = sl_load32(in + 32);
    out->rank = sl_load32(in + 36);
    out->flags = sl_load32(in + 40);
    out->page_offset = sl_load64(in + 48);
    out->range_first = sl_load32(in + 56);
    out->range_count = sl_load32(in + 60);
    out->group_first = sl_load32(in + 64);
    out->group_count = sl_load32(in + 68);
    out->record_first = sl_load32(in + 72);
    out->record_count = sl_load32(in + 76);
    out->start_time_ns = (int64_t)sl_load64(in + 80);
    return out->attempt > 0 && sl_is_zero(in + 44, 4) && sl_is_zero(in + 88, 8);
}

void sl_schema_entry_encode(const sl_schema_entry *entry, uint8_t *out)
{
    sl_store64(out, entry->page_offset);
    sl_store32(out + 8, entry->name_count);
    sl_store32(out + 12, entry->page_bytes);
}

int sl_schema_entry_decode(const uint8_t *in, sl_schema_entry *out)
{
    *out = (sl_schema_entry){sl_load64(in), sl_load32(in + 8), sl_load32(in + 12)};
    return out->name_count >= 1 && out->name_count <= STEPLOG_ROW_METRICS_MAX;
}

void sl_group_entry_encode(const sl_group_entry *entry, uint8_t *out)
{
    sl_store32(out, entry->writer);
    sl_store32(out + 4, entry->schema);
    sl_store32(out + 8, entry->chunk_first);
    sl_store32(out + 12, entry->chunk_count);
    sl_store64(out + 16, entry->row_count);
    sl_store64(out + 24, entry->value_count);
    sl_store64(out + 32, (uint64_t)entry->step_min);
    sl_store64(out + 40, (uint64_t)entry->step_max);
    sl_store64(out + 48, (uint64_t)entry->time_min_ns);
    sl_store64(out + 56, (uint64_t)entry->time_max_ns);
    sl_store32(out + 64, entry->node_first);
    sl_store32(out + 68, entry->stats_first);
    sl_store32(out + 72, entry->node_stats_first);
    sl_store32(out + 76, 0);
}

int sl_group_entry_decode(const uint8_t *in, sl_group_entry *out)
{
    *out = (sl_group_entry){.writer = sl_load32(in),
                            .schema = sl_load32(in + 4),
                            .chunk_first = sl_load32(in + 8),
                            .chunk_count = sl_load32(in + 12),
                            .row_count = sl_load64(in + 16),
                            .value_count = sl_load64(in + 24),
                            .step_min = (int64_t)sl_load64(in + 32),
                            .step_max = (int64_t)sl_load64(in + 40),
                            .time_min_ns = (int64_t)sl_load64(in + 48),
                            .time_max_ns = (int64_t)sl_load64(in + 56),
                            .node_first = sl_load32(in + 64),
                            .stats_first = sl_load32(in + 68),
                            .node_stats_first = sl_load32(in + 72)};
    return out->chunk_count >= 1 && out->step_min <= out->step_max && sl_is_zero(in + 76, 4) &&
           (out->stats_first == SL_NO_STATS) == (out->node_stats_first == SL_NO_STATS);
}

void sl_chunk_entry_encode(const sl_chunk_entry *entry, uint8_t *out)
{
    sl_store64(out, entry->page_offset);
    sl_store32(out + 8, entry->page_bytes);
    sl_store16(out + 12, entry->row_count);
    sl_store16(out + 14, entry->flags);
    sl_store64(out + 16, entry->sequence_first);
    sl_store64(out + 24, entry->sequence_last);
    sl_store64(out + 32, (uint64_t)entry->step_min);
    sl_store64(out + 40, (uint64_t)entry->step_max);
    sl_store64(out + 48, (uint64_t)entry->time_min_ns);
    sl_store64(out + 56, (uint64_t)entry->time_max_ns);
    sl_store32(out + 64, entry->value_count);
    sl_store32(out + 68, 0);
    sl_store64(out + 72, entry->extent_offset);
}

int sl_chunk_entry_decode(const uint8_t *in, sl_chunk_entry *out)
{
    *out = (sl_chunk_entry){.page_offset = sl_load64(in),
                            .page_bytes = sl_load32(in + 8),
                            .row_count = sl_load16(in + 12),
                            .flags = sl_load16(in + 14),
                            .sequence_first = sl_load64(in + 16),
                            .sequence_last = sl_load64(in + 24),
                            .step_min = (int64_t)sl_load64(in + 32),
                            .step_max = (int64_t)sl_load64(in + 40),
                            .time_min_ns = (int64_t)sl_load64(in + 48),
                            .time_max_ns = (int64_t)sl_load64(in + 56),
                            .value_count = sl_load32(in + 64),
                            .extent_offset = sl_load64(in + 72)};
    return out->row_count >= 1 && out->row_count <= SL_CHUNK_ROWS_MAX && out->sequence_first >= 1 &&
           out->sequence_first <= out->sequence_last && out->step_min <= out->step_max &&
           out->extent_offset <= out->page_offset && sl_is_zero(in + 68, 4);
}

void sl_range_entry_encode(const sl_range_entry *entry, uint8_t *out)
{
    sl_store32(out, entry->writer);
    sl_store32(out + 4, entry->kind);
    sl_store64(out + 8, entry->sequence_begin);
    sl_store64(out + 16, entry->sequence_end);
}

int sl_range_entry_decode(const uint8_t *in, sl_range_entry *out)
{
    *out = (sl_range_entry){sl_load32(in), sl_load32(in + 4), sl_load64(in + 8), sl_load64(in + 16)};
    return (out->kind == SL_RANGE_HELD || out->kind == SL_RANGE_DROPPED) && out->sequence_begin >= 1 &&
           out->sequence_begin < out->sequence_end;
}

void sl_record_entry_encode(const sl_record_entry *entry, uint8_t *out)
{
    memset(out, 0, SL_RECORD_ENTRY_BYTES);
    sl_store32(out, entry->writer);
    out[4] = entry->type;
    out[5] = entry->fact_kind;
    sl_store64(out + 8, entry->page_offset);
    sl_store32(out + 16, entry->content_offset);
    sl_store32(out + 20, entry->bytes);
    sl_store64(out + 24, entry->sequence);
    sl_store64(out + 32, entry->lamport);
    sl_store32(out + 40, entry->sequence_count);
}

int sl_record_entry_decode(const uint8_t *in, sl_record_entry *out)
{
    *out = (sl_record_entry){.writer = sl_load32(in),
                             .type = in[4],
                             .fact_kind = in[5],
                             .page_offset = sl_load64(in + 8),
                             .content_offset = sl_load32(in + 16),
                             .bytes = sl_load32(in + 20),
                             .sequence = sl_load64(in + 24),
                             .lamport = sl_load64(in + 32),
                             .sequence_count = sl_load32(in + 40)};
    int is_plain = out->type == SL_ENTRY_BLOB && out->fact_kind == 0 && out->lamport == 0;
    return (out->type == SL_ENTRY_FACT || is_plain) && out->sequence >= 1 && out->sequence_count >= 1 &&
           sl_is_zero(in + 6, 2) && sl_is_zero(in + 44, 4);
}

void sl_record_prefix_encode(const sl_record_prefix *prefix, uint8_t out[SL_RECORD_PREFIX_BYTES])
{
    memset(out, 0, SL_RECORD_PREFIX_BYTES);
    sl_store32(out, prefix->writer);
    sl_store32(out + 4, prefix->bytes);
    sl_store64(out + 8, prefix->sequence);
    sl_store32(out + 16, prefix->sequence_count);
    out[20] = prefix->type;
    sl_store64(out + 24, prefix->data_offset);
}

int sl_record_prefix_decode(const uint8_t *in, sl_record_prefix *out)
{
    *out = (sl_record_prefix){.writer = sl_load32(in),
                              .bytes = sl_load32(in + 4),
                              .sequence = sl_load64(in + 8),
                              .sequence_count = sl_load32(in + 16),
                              .type = in[20],
                              .data_offset = sl_load64(in + 24)};
    int is_plain = out->type == SL_ENTRY_FACT && out->data_offset == 0;
    return (is_plain || out->type == SL_ENTRY_BLOB) && out->sequence >= 1 && out->sequence_count >= 1 &&
           sl_is_zero(in + 21, 3);
}

void sl_trailer_encode(const sl_trailer *trailer, uint8_t out[SL_TRAILER_CONTENT_BYTES])
{
    memset(out, 0, SL_TRAILER_CONTENT_BYTES);
    sl_store64(out, trailer->file_bytes);
    for (int i = 0; i < SL_TABLE_COUNT; i++) {
        sl_store64(out + 8 + 16 * i, trailer->tables[i].offset);
        sl_store64(out + 16 + 16 * i, trailer->tables[i].entry_count);
    }
    sl_store64(out + 152, trailer->row_count);
    sl_store64(out + 160, trailer->value_count);
    sl_store64(out + 168, trailer->lamport_max);
    sl_store64(out + 176, (uint64_t)trailer->step_min);
    sl_store64(out + 184, (uint64_t)trailer->step_max);
    sl_store64(out + 192, (uint64_t)trailer->time_min_ns);
    sl_store64(out + 200, (uint64_t)trailer->time_max_ns);
}

/* Writers, schemas and chunks have pages of their own, however few bytes their tables are compressed to. */
static int has_room_for_pages(const sl_trailer *t)
{
    uint64_t pages = t->tables[SL_TABLE_WRITERS].entry_count + t->tables[SL_TABLE_SCHEMAS].entry_count +
                     t->tables[SL_TABLE_CHUNKS].entry_count;
    return pages * SL_OWN_PAGE_BYTES_MIN <= t->file_bytes;
}

int sl_trailer_decode(const uint8_t *in, sl_trailer *out)
{
    out->file_bytes = sl_load64(in);
    if (out->file_bytes < SL_SEGMENT_HEADER_BYTES + SL_TRAILER_BYTES) return 0;
    uint64_t tables_end = out->file_bytes - SL_TRAILER_BYTES;
    for (int i = 0; i < SL_TABLE_COUNT; i++) {
        out->tables[i].offset = sl_load64(in + 8 + 16 * i);
        out->tables[i].entry_count = sl_load64(in + 16 + 16 * i);
        uint64_t count = out->tables[i].entry_count;
        if (count > UINT32_MAX || out->tables[i].offset > tables_end) return 0;
        /* The page of a table that has one may be compressed. */
        uint64_t most = sl_table_page_most(i, count), pages = (count + most - 1) / most;
        uint64_t bytes = pages > 1 ? count * sl_table_entry_bytes[i] : 0;
        if (bytes + pages * SL_PAGE_HEAD_BYTES > tables_end - out->tables[i].offset) return 0;
    }
    out->row_count = sl_load64(in + 152);
    out->value_count = sl_load64(in + 160);
    out->lamport_max = sl_load64(in + 168);
    out->step_min = (int64_t)sl_load64(in + 176);
    out->step_max = (int64_t)sl_load64(in + 184);
    out->time_min_ns = (int64_t)sl_load64(in + 192);
    out->time_max_ns = (int64_t)sl_load64(in + 200);
    return sl_is_zero(in + 208, SL_TRAILER_CONTENT_BYTES - 208) && has_room_for_pages(out);
}

uint32_t sl_table_page_most(int table, uint64_t entry_count)
{
    if (entry_count * sl_table_entry_bytes[table] > SL_TABLE_CONTENT_BYTES_MAX) return sl_table_page_entries_max[table];
    return entry_count ? (uint32_t)entry_count : 1;
}

uint64_t sl_table_page_offset(const sl_trailer *trailer, int table, uint64_t page_index)
{
    const uint32_t most = sl_table_page_most(table, trailer->tables[table].entry_count);
    uint64_t stride = SL_PAGE_HEAD_BYTES + (uint64_t)most * sl_table_entry_bytes[table];
    return trailer->tables[table].offset + page_index * stride;
}

uint32_t sl_table_page_entries(const sl_trailer *trailer, int table, uint64_t page_index)
{
    uint64_t count = trailer->tables[table].entry_count, most = sl_table_page_most(table, count);
    uint64_t before = page_index * most;
    if (before >= count) return 0;
    return (uint32_t)(count - before < most ? count - before : most);
}

int sl_table_page_is_right(const sl_trailer *trailer, int table, uint64_t page_index, unsigned flags,
                           uint32_t content_bytes)
{
    const uint64_t count = trailer->tables[table].entry_count;
    return content_bytes == sl_table_page_entries(trailer, table, page_index) * sl_table_entry_bytes[table] &&
           (!flags || sl_table_page_most(table, count) >= count);
}

int sl_schema_content_check(const uint8_t *content, uint32_t bytes, uint32_t *count)
{
    sl_span span = sl_span_of(content, bytes), earlier;
    sl_hash_map seen = {0};
    int result = bytes <= SL_SCHEMA_CONTENT_BYTES_MAX;
    *count = sl_span_u32(&span);
    if (*count < 1 || *count > STEPLOG_ROW_METRICS_MAX) result = 0;
    for (uint32_t i = 0; i < *count && result == 1; i++) {
        uint32_t name_bytes = sl_span_u32(&span), at;
        const uint8_t *name = sl_span_take(&span, name_bytes);
        if (!name || name_bytes < 1 || name_bytes > STEPLOG_NAME_BYTES_MAX ||
            !sl_utf8_check((const char *)name, name_bytes, NULL)) {
            result = 0;
            break;
        }
        uint64_t hash = sl_hash_text(name, name_bytes);
        for (size_t probe = 0; sl_hash_map_find(&seen, hash, &probe, &at);) {
            earlier = sl_span_of(content + at, bytes - at);
            if (sl_span_u32(&earlier) == name_bytes && memcmp(earlier.at, name, name_bytes) == 0) result = 0;
        }
        if (!sl_hash_map_add(&seen, hash, (uint32_t)(name - content) - 4)) result = -1;
    }
    sl_hash_map_free(&seen);
    return result == 1 && (span.is_bad || span.left) ? 0 : result;
}
