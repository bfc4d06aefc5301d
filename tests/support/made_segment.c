/* support/made_segment.c: see the header. */
#include "support/made_segment.h"

#include "format/checksum.h"
#include "format/chunk_codec.h"
#include "format/int_codec.h"
#include "format/page_codec.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

steplog_id made_id(uint64_t number)
{
    steplog_id id;
    sl_store64(id.bytes, sl_scramble(number + 1));
    sl_store64(id.bytes + 8, sl_scramble(number + 1) ^ 0x5555555555555555);
    return id;
}

void made_store(const char *path)
{
    kit_store_close(kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    HOLDS(mkdir(test_path(path, "seg"), 0777) == 0 || errno == EEXIST, "cannot make seg");
    HOLDS(mkdir(test_path(path, "seg/0"), 0777) == 0 || errno == EEXIST, "cannot make seg/0");
}

made_segment made_segment_begin(const char *store, uint64_t number)
{
    made_segment s = {.store = store, .id = made_id(1000000 + number)};
    sl_segment_header header = {.version = 1, .file_id = s.id, .created_time_ns = 1};
    sl_segment_header_encode(&header, sl_buffer_grow(&s.file, SL_SEGMENT_HEADER_BYTES));
    return s;
}

static uint64_t put_page(made_segment *s, unsigned kind, uint32_t index, const void *content, size_t bytes, int pack)
{
    uint64_t at = s->file.bytes;
    sl_page_encode(&s->file, kind, index, content, bytes, pack, sl_file_key(&s->id), at);
    return at;
}

uint64_t made_page(made_segment *s, unsigned kind, uint32_t index, const void *content, size_t bytes)
{
    int may_compress = kind == SL_PAGE_WRITER || kind == SL_PAGE_SCHEMA || kind == SL_PAGE_FACTS || kind == SL_PAGE_BLOB;
    return put_page(s, kind, index, content, bytes, may_compress ? SL_PACK_FAST : SL_PACK_NEVER);
}

uint64_t made_writer_page(made_segment *s, uint32_t index, const steplog_id *run, const steplog_id *incarnation,
                          size_t label_bytes)
{
    sl_buffer labels = {0}, body = {0};
    uint32_t count = 0;
    for (; label_bytes; count++) {
        uint32_t part = label_bytes < 65536 ? (uint32_t)label_bytes : 65536;
        sl_buffer_u32(&labels, 2);
        sl_buffer_u8(&labels, (uint8_t)('a' + count / 26));
        sl_buffer_u8(&labels, (uint8_t)('a' + count % 26));
        sl_buffer_u32(&labels, part);
        memset(sl_buffer_grow(&labels, part), 'x', part);
        label_bytes -= part;
    }
    sl_writer_description d = {.incarnation = *incarnation, .run = *run, .attempt = 1, .host = "h", .host_bytes = 1,
                               .step_axis = "step", .step_axis_bytes = 4, .label_count = count,
                               .labels = labels.data ? labels.data : (const uint8_t *)"",
                               .labels_bytes = (uint32_t)labels.bytes};
    sl_writer_description_encode(&d, &body);
    uint64_t at = made_page(s, SL_PAGE_WRITER, index, body.data, body.bytes);
    sl_buffer_free(&labels);
    sl_buffer_free(&body);
    return at;
}

sl_schema_entry made_schema_page(made_segment *s, uint32_t index, uint32_t names, uint32_t name_bytes, uint32_t salt)
{
    sl_buffer content = {0};
    char tail[24];
    sl_buffer_u32(&content, names);
    for (uint32_t i = 0; i < names; i++) {
        int length = snprintf(tail, sizeof tail, "%u.%u", salt, i);
        sl_buffer_u32(&content, name_bytes);
        uint8_t *name = sl_buffer_grow(&content, name_bytes);
        HOLDS(length < (int)name_bytes, "names of %u bytes are too short", name_bytes);
        memset(name, 'n', name_bytes);
        memcpy(name + name_bytes - length, tail, (size_t)length);
    }
    uint64_t at = made_page(s, SL_PAGE_SCHEMA, index, content.data, content.bytes);
    sl_buffer_free(&content);
    return (sl_schema_entry){at, names, (uint32_t)(s->file.bytes - at)};
}

sl_chunk_entry made_chunk_page(made_segment *s, uint32_t writer, uint32_t schema, uint32_t rows, uint32_t columns,
                               uint64_t sequence, int is_bad)
{
    int64_t steps[SL_CHUNK_ROWS_MAX] = {0}, sequences[SL_CHUNK_ROWS_MAX];
    double values[SL_CHUNK_ROWS_MAX];
    uint8_t axis[2][SL_INT_ENCODED_BYTES_MAX(SL_CHUNK_ROWS_MAX)];
    for (uint32_t i = 0; i < rows; i++) {
        sequences[i] = (int64_t)(sequence + i);
        values[i] = 1;
    }
    sl_buffer directory = {0}, payloads = {0}, payload = {0}, content = {0};
    sl_column_info info;
    sl_column_encode(values, NULL, rows, &payload, &info);
    if (is_bad) payload.data[0] ^= 0x60;
    for (uint32_t i = 0; i < columns; i++) {
        sl_chunk_directory_put(&directory, &info);
        sl_buffer_put(&payloads, payload.data, payload.bytes);
    }
    sl_chunk_head head = {.writer = writer, .schema = schema, .row_count = rows, .column_count = columns,
                          .flags = SL_CHUNK_STEPS_SORTED, .part = {axis[0], axis[0], axis[1]},
                          .directory = directory.data, .directory_bytes = (uint32_t)directory.bytes,
                          .inline_payloads = payloads.data, .inline_bytes = (uint32_t)payloads.bytes};
    head.part_bytes[SL_PART_STEPS] = (uint32_t)sl_int_encode(steps, rows, axis[0]);
    head.part_bytes[SL_PART_SEQUENCES] = (uint32_t)sl_int_encode(sequences, rows, axis[1]);
    sl_chunk_encode(&head, &content);
    uint64_t at = made_page(s, SL_PAGE_CHUNK, schema, content.data, content.bytes);
    sl_buffer_free(&directory);
    sl_buffer_free(&payloads);
    sl_buffer_free(&payload);
    sl_buffer_free(&content);
    return (sl_chunk_entry){.page_offset = at, .page_bytes = (uint32_t)(s->file.bytes - at), .row_count = (uint16_t)rows,
                            .flags = SL_CHUNK_STEPS_SORTED, .sequence_first = sequence,
                            .sequence_last = sequence + rows - 1, .time_min_ns = STEPLOG_TIME_NONE,
                            .time_max_ns = STEPLOG_TIME_NONE, .value_count = rows * columns, .extent_offset = at};
}

uint64_t made_blob_pages(made_segment *s, uint64_t bytes, uint8_t value, uint64_t *content_hash)
{
    uint32_t pages = bytes ? (uint32_t)((bytes + SL_BLOB_PAGE_RAW_BYTES - 1) / SL_BLOB_PAGE_RAW_BYTES) : 1;
    uint64_t at = s->file.bytes, left = bytes;
    uint8_t *page = malloc(SL_RECORD_PREFIX_BYTES + SL_BLOB_PAGE_RAW_BYTES);
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    for (uint32_t i = 0; i < pages; i++) {
        size_t part = left < SL_BLOB_PAGE_RAW_BYTES ? (size_t)left : SL_BLOB_PAGE_RAW_BYTES, skip = i ? 0 : SL_RECORD_PREFIX_BYTES;
        sl_record_prefix prefix = {.bytes = pages, .sequence = 1, .sequence_count = 1, .type = SL_ENTRY_BLOB};
        if (i == 0) sl_record_prefix_encode(&prefix, page);
        memset(page + skip, value, part);
        XXH3_64bits_update(&state, page + skip, part);
        made_page(s, SL_PAGE_BLOB, i, page, skip + part);
        left -= part;
    }
    free(page);
    *content_hash = XXH3_64bits_digest(&state);
    return at;
}

void made_record(made_segment *s, uint32_t writer, uint64_t sequence, int type, const sl_buffer *body, uint64_t data_offset)
{
    sl_record_prefix prefix = {.writer = writer, .bytes = (uint32_t)body->bytes, .sequence = sequence, .sequence_count = 1,
                               .type = (uint8_t)type, .data_offset = data_offset};
    sl_record_prefix_encode(&prefix, sl_buffer_grow(&s->facts, SL_RECORD_PREFIX_BYTES));
    sl_fact fact = {0};
    if (type == SL_ENTRY_FACT) sl_fact_decode(body->data, body->bytes, &fact);
    sl_record_entry entry = {.writer = writer, .type = (uint8_t)type, .fact_kind = fact.kind,
                             .content_offset = (uint32_t)s->facts.bytes, .bytes = (uint32_t)body->bytes,
                             .sequence = sequence, .lamport = fact.lamport, .sequence_count = 1,
                             .page_offset = s->file.bytes};
    made_record_entry(s, &entry);
    sl_buffer_put(&s->facts, body->data, body->bytes);
}

void made_facts_page(made_segment *s)
{
    made_page(s, SL_PAGE_FACTS, 0, s->facts.data, s->facts.bytes);
    sl_buffer_clear(&s->facts);
}

void made_writer_entry(made_segment *s, const sl_writer_entry *entry)
{
    sl_writer_entry_encode(entry, sl_buffer_grow(&s->tables[SL_TABLE_WRITERS], SL_WRITER_ENTRY_BYTES));
}

void made_schema_entry(made_segment *s, const sl_schema_entry *entry)
{
    sl_schema_entry_encode(entry, sl_buffer_grow(&s->tables[SL_TABLE_SCHEMAS], SL_SCHEMA_ENTRY_BYTES));
}

void made_group_entry(made_segment *s, const sl_group_entry *entry)
{
    sl_group_entry_encode(entry, sl_buffer_grow(&s->tables[SL_TABLE_GROUPS], SL_GROUP_ENTRY_BYTES));
}

void made_chunk_entry(made_segment *s, const sl_chunk_entry *entry)
{
    sl_chunk_entry_encode(entry, sl_buffer_grow(&s->tables[SL_TABLE_CHUNKS], SL_CHUNK_ENTRY_BYTES));
}

void made_range_entry(made_segment *s, const sl_range_entry *entry)
{
    sl_range_entry_encode(entry, sl_buffer_grow(&s->tables[SL_TABLE_RANGES], SL_RANGE_ENTRY_BYTES));
}

void made_record_entry(made_segment *s, const sl_record_entry *entry)
{
    sl_record_entry_encode(entry, sl_buffer_grow(&s->tables[SL_TABLE_RECORDS], SL_RECORD_ENTRY_BYTES));
}

sl_group_entry made_group(uint32_t writer, uint32_t schema, uint32_t chunk_first, uint32_t chunks, uint64_t rows, uint64_t columns)
{
    return (sl_group_entry){.writer = writer, .schema = schema, .chunk_first = chunk_first, .chunk_count = chunks,
                            .row_count = rows, .value_count = rows * columns, .time_min_ns = STEPLOG_TIME_NONE,
                            .time_max_ns = STEPLOG_TIME_NONE, .stats_first = SL_NO_STATS, .node_stats_first = SL_NO_STATS};
}

void made_segment_end(made_segment *s)
{
    sl_trailer trailer = {.time_min_ns = STEPLOG_TIME_NONE, .time_max_ns = STEPLOG_TIME_NONE};
    for (int table = 0; table < SL_TABLE_COUNT; table++) {
        const uint32_t entry_bytes = sl_table_entry_bytes[table];
        const uint64_t count = s->tables[table].bytes / entry_bytes;
        const uint32_t most = sl_table_page_most(table, count);
        trailer.tables[table].offset = s->file.bytes;
        trailer.tables[table].entry_count = count;
        for (uint64_t i = 0; i < count; i += most)
            put_page(s, sl_table_page_kind[table], (uint32_t)(i / most), s->tables[table].data + i * entry_bytes,
                     (count - i < most ? count - i : most) * entry_bytes,
                     s->packs_tables && count - i <= most ? SL_PACK_SMALL : SL_PACK_NEVER);
        for (uint64_t i = 0; table == SL_TABLE_GROUPS && i < count; i++) {
            sl_group_entry group;
            sl_group_entry_decode(s->tables[table].data + i * entry_bytes, &group);
            trailer.row_count += group.row_count;
            trailer.value_count += group.value_count;
        }
        for (uint64_t i = 0; table == SL_TABLE_RECORDS && i < count; i++) {
            sl_record_entry record;
            sl_record_entry_decode(s->tables[table].data + i * entry_bytes, &record);
            if (record.lamport > trailer.lamport_max) trailer.lamport_max = record.lamport;
        }
        sl_buffer_free(&s->tables[table]);
    }
    uint8_t content[SL_TRAILER_CONTENT_BYTES];
    char id[STEPLOG_ID_TEXT_BYTES], name[80];
    trailer.file_bytes = s->file.bytes + SL_TRAILER_BYTES;
    sl_trailer_encode(&trailer, content);
    made_page(s, SL_PAGE_TRAILER, 0, content, sizeof content);
    steplog_id_format(&s->id, id);
    snprintf(name, sizeof name, "seg/0/%s.seg", id);
    const char *path = test_path(s->store, name);
    FILE *file = fopen(path, "wb");
    HOLDS(file && fwrite(s->file.data, 1, s->file.bytes, file) == s->file.bytes && fclose(file) == 0, "cannot write '%s'", path);
    if (s->file_bytes) HOLDS(truncate(path, (off_t)s->file_bytes) == 0, "cannot make '%s' longer", path);
    sl_buffer_free(&s->file);
    sl_buffer_free(&s->facts);
}

/* Stored it has some 150 KB. */
static uint64_t large_schema_page(made_segment *s)
{
    uint8_t *content = calloc(1, SL_SCHEMA_CONTENT_BYTES_MAX);
    for (uint32_t i = 0; i < 131072; i += 8) sl_store64(content + i, sl_scramble(i));
    uint64_t at = made_page(s, SL_PAGE_SCHEMA, 1, content, SL_SCHEMA_CONTENT_BYTES_MAX);
    free(content);
    return at;
}

void made_far_columns(const char *path, const steplog_id *run, uint32_t columns)
{
    const steplog_id incarnation = made_id(1);
    const int64_t step = 0, sequence = 1;
    uint8_t axis[2][SL_INT_ENCODED_BYTES_MAX(1)];
    sl_buffer directory = {0}, content = {0};
    made_store(path);
    made_segment s = made_segment_begin(path, 0);
    sl_writer_entry writer = {.run = *run, .incarnation = incarnation, .attempt = 1, .group_count = 1, .range_count = 1,
                              .page_offset = made_writer_page(&s, 0, run, &incarnation, 0)};
    sl_schema_entry schema = made_schema_page(&s, 0, columns, 16, 0);
    const uint64_t place = large_schema_page(&s), at = s.file.bytes;
    const sl_column_info info = {.flags = SL_COLUMN_HAS_VALUES | SL_COLUMN_IS_OWN_PAGE, .payload_bytes = 100,
                                 .value_count = 1, .page_distance = at - place};
    for (uint32_t i = 0; i < columns; i++) sl_chunk_directory_put(&directory, &info);
    sl_chunk_head head = {.row_count = 1, .column_count = columns, .flags = SL_CHUNK_STEPS_SORTED,
                          .part = {axis[0], axis[0], axis[1]}, .directory = directory.data,
                          .directory_bytes = (uint32_t)directory.bytes};
    head.part_bytes[SL_PART_STEPS] = (uint32_t)sl_int_encode(&step, 1, axis[0]);
    head.part_bytes[SL_PART_SEQUENCES] = (uint32_t)sl_int_encode(&sequence, 1, axis[1]);
    sl_chunk_encode(&head, &content);
    made_page(&s, SL_PAGE_CHUNK, 0, content.data, content.bytes);
    sl_chunk_entry chunk = {.page_offset = at, .page_bytes = (uint32_t)(s.file.bytes - at), .row_count = 1,
                            .flags = SL_CHUNK_STEPS_SORTED, .sequence_first = 1, .sequence_last = 1,
                            .time_min_ns = STEPLOG_TIME_NONE, .time_max_ns = STEPLOG_TIME_NONE,
                            .value_count = columns, .extent_offset = place};
    sl_group_entry group = made_group(0, 0, 0, 1, 1, columns);
    made_writer_entry(&s, &writer);
    made_schema_entry(&s, &schema);
    made_group_entry(&s, &group);
    made_chunk_entry(&s, &chunk);
    made_range_entry(&s, &(sl_range_entry){0, SL_RANGE_HELD, 1, 2});
    made_segment_end(&s);
    sl_buffer_free(&directory);
    sl_buffer_free(&content);
}
