/* write/segment_writer.c: blocks, facts and tables into a temporary file; then sync, rename, sync.
 *
 * Invariants:
 *  1. Everything before offset is in the file or in out, in order; nothing in the file is ever rewritten.
 *  2. chunks[] and records[] know their page once it is in out; facts waiting in pending_facts do not yet.
 *  3. Until rename the file has a .tmp name, which no reader looks at. */
#include "write/segment_writer.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/kill_point.h"
#include "format/checksum.h"
#include "format/file_names.h"
#include "format/int_codec.h"
#include "format/page_codec.h"
#include "os/os.h"
#include "os/private_fd.h"
#include "write/level_dir.h"
#include "write/open_block.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define OUT_BYTES (256u * 1024)
#define SHARED_PARTS 1024u        /* remembered axis parts */
#define SHARED_PART_BYTES_MIN 24u /* a shorter part is no longer than a reference worth having */

typedef struct shared_part {
    XXH128_hash_t hash;
    uint64_t page_offset;
    uint32_t bytes;
    uint8_t part;
} shared_part;

typedef struct chunk_record {
    uint32_t writer, schema;
    sl_chunk_entry entry;
} chunk_record;

struct sl_segment_writer {
    int level_dir, fd;
    uint32_t level;
    steplog_id file_id;
    uint64_t file_key, offset; /* offset: where the next page goes */
    sl_buffer out;
    char temporary_name[SL_FILE_NAME_BYTES];
    sl_segment_header header;

    SL_VEC(sl_writer_entry) writers;
    SL_VEC(sl_schema_entry) schemas;
    SL_VEC(XXH128_hash_t) schema_hashes;
    SL_VEC(chunk_record) chunks;
    SL_VEC(sl_range_entry) ranges;
    SL_VEC(sl_record_entry) records;
    SL_VEC(sl_open_block) blocks; /* of the current writer */
    size_t record_pending_first;  /* records[] from here on wait for their facts page */
    sl_buffer pending_facts;
    shared_part *shared;
    sl_buffer content, directory, payload, inline_payloads;
    sl_trailer trailer;
    int is_in_writer;
};

static steplog_status no_memory(steplog_error *err)
{
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a segment");
}

static void free_writer(sl_segment_writer *w)
{
    sl_private_close(&w->fd);
    if (w->level_dir >= 0) sl_os->close(w->level_dir);
    for (size_t i = 0; i < w->blocks.count; i++) sl_open_block_free(&w->blocks.items[i]);
    SL_VEC_FREE(&w->writers);
    SL_VEC_FREE(&w->schemas);
    SL_VEC_FREE(&w->schema_hashes);
    SL_VEC_FREE(&w->chunks);
    SL_VEC_FREE(&w->ranges);
    SL_VEC_FREE(&w->records);
    SL_VEC_FREE(&w->blocks);
    sl_free(w->shared);
    sl_buffer_free(&w->out);
    sl_buffer_free(&w->pending_facts);
    sl_buffer_free(&w->content);
    sl_buffer_free(&w->directory);
    sl_buffer_free(&w->payload);
    sl_buffer_free(&w->inline_payloads);
    sl_free(w);
}

void sl_segment_writer_abort(sl_segment_writer *w)
{
    if (!w) return;
    if (w->fd >= 0) sl_os->unlink(w->level_dir, w->temporary_name); /* in a forked child it is not ours: -1 */
    free_writer(w);
}

steplog_status sl_segment_writer_open(int store_dir, uint32_t level, sl_segment_writer **out, steplog_error *err)
{
    *out = NULL;
    sl_segment_writer *w = sl_alloc_zero(1, sizeof *w);
    if (!w) return no_memory(err);
    *w = (sl_segment_writer){.level_dir = -1, .fd = -1, .level = level};
    w->trailer.step_min = INT64_MAX;
    w->trailer.step_max = INT64_MIN;
    w->trailer.time_min_ns = w->trailer.time_max_ns = STEPLOG_TIME_NONE;
    steplog_status status = STEPLOG_NOMEM;
    int e;
    if (!(w->shared = sl_alloc_zero(SHARED_PARTS, sizeof *w->shared))) {
        no_memory(err);
        goto failed;
    }
    if ((status = sl_level_dir_open(store_dir, level, &w->level_dir, err)) < 0) goto failed;
    if ((e = sl_os->random(w->file_id.bytes, 16)) < 0) {
        status = sl_fail_os(err, -e, -1, "no random bytes for a segment's id");
        goto failed;
    }
    w->file_key = sl_file_key(&w->file_id);
    sl_temporary_name(&w->file_id, w->temporary_name);
    e = sl_private_open(&w->fd, w->level_dir, w->temporary_name, SL_OS_WRITE | SL_OS_CREATE);
    if (e < 0) {
        status = sl_fail_os(err, -e, -1, "cannot create segment '%s/%u/%s'", SL_SEGMENT_DIR, (unsigned)level,
                            w->temporary_name);
        goto failed;
    }
    SL_KILL_POINT("segment.created");
    w->header = (sl_segment_header){SL_FORMAT_VERSION, 0, w->file_id, sl_os->wall_time_ns()};
    uint8_t *head = sl_buffer_grow(&w->out, SL_SEGMENT_HEADER_BYTES);
    if (!head) {
        status = no_memory(err);
        goto failed;
    }
    sl_segment_header_encode(&w->header, head);
    w->offset = SL_SEGMENT_HEADER_BYTES;
    *out = w;
    return STEPLOG_OK;
failed:
    sl_segment_writer_abort(w);
    return status;
}

static steplog_status flush(sl_segment_writer *w, size_t keep_below, steplog_error *err)
{
    if (w->out.is_out_of_memory) return no_memory(err);
    if (w->out.bytes <= keep_below) return STEPLOG_OK;
    uint64_t at = w->offset - w->out.bytes;
    int e = sl_os_write_full(w->fd, w->out.data, w->out.bytes, at);
    if (e < 0) return sl_fail_os(err, -e, (int64_t)at, "cannot write segment '%s'", w->temporary_name);
    SL_KILL_POINT("segment.pages_written");
    sl_buffer_clear(&w->out);
    return STEPLOG_OK;
}

static steplog_status put_page(sl_segment_writer *w, unsigned kind, uint32_t index, const void *content, size_t bytes,
                               int may_compress, uint64_t *at, steplog_error *err)
{
    if (at) *at = w->offset;
    if (bytes > SL_PAGE_CONTENT_BYTES_MAX)
        return sl_fail(err, STEPLOG_LIMIT, -1, "a page of %zu bytes is too large", bytes);
    w->offset += sl_page_encode(&w->out, kind, index, content, bytes, may_compress, w->file_key, w->offset);
    return flush(w, OUT_BYTES, err);
}

/* ---- facts and blobs ---- */

static steplog_status flush_facts(sl_segment_writer *w, steplog_error *err)
{
    if (w->pending_facts.is_out_of_memory) return no_memory(err);
    if (w->pending_facts.bytes == 0) return STEPLOG_OK;
    uint64_t at;
    SL_TRY(put_page(w, SL_PAGE_FACTS, 0, w->pending_facts.data, w->pending_facts.bytes, 1, &at, err));
    for (size_t i = w->record_pending_first; i < w->records.count; i++) w->records.items[i].page_offset = at;
    w->record_pending_first = w->records.count;
    sl_buffer_clear(&w->pending_facts);
    return STEPLOG_OK;
}

static steplog_status add_record(sl_segment_writer *w, const sl_record_prefix *prefix, const sl_record_entry *entry,
                                 const uint8_t *body, steplog_error *err)
{
    if (w->pending_facts.bytes && w->pending_facts.bytes + prefix->bytes > SL_FACTS_PAGE_RAW_BYTES)
        SL_TRY(flush_facts(w, err));
    sl_record_entry copy = *entry;
    uint8_t *head = sl_buffer_grow(&w->pending_facts, SL_RECORD_PREFIX_BYTES);
    if (!head) return no_memory(err);
    sl_record_prefix_encode(prefix, head);
    copy.content_offset = (uint32_t)w->pending_facts.bytes;
    sl_buffer_put(&w->pending_facts, body, prefix->bytes);
    if (w->pending_facts.is_out_of_memory || !SL_VEC_PUSH(&w->records, copy)) return no_memory(err);
    return STEPLOG_OK;
}

static uint32_t current_writer(const sl_segment_writer *w) { return (uint32_t)w->writers.count - 1; }

steplog_status sl_segment_writer_fact(sl_segment_writer *w, const uint8_t *body, uint32_t bytes, uint64_t sequence,
                                      uint32_t sequence_count, steplog_error *err)
{
    sl_fact fact;
    if (!sl_fact_decode(body, bytes, &fact))
        return sl_fail(err, STEPLOG_CORRUPT, -1, "a fact breaks a rule of its format");
    if (fact.lamport > w->trailer.lamport_max) w->trailer.lamport_max = fact.lamport;
    sl_record_prefix prefix = {current_writer(w), bytes, sequence, sequence_count, SL_ENTRY_FACT, 0};
    sl_record_entry entry = {.writer = prefix.writer,
                             .type = SL_ENTRY_FACT,
                             .fact_kind = fact.kind,
                             .bytes = bytes,
                             .sequence = sequence,
                             .lamport = fact.lamport,
                             .sequence_count = sequence_count};
    return add_record(w, &prefix, &entry, body, err);
}

steplog_status sl_segment_writer_blob(sl_segment_writer *w, const uint8_t *head, uint32_t head_bytes, uint64_t sequence,
                                      uint32_t sequence_count, const uint8_t *data, uint64_t bytes, steplog_error *err)
{
    uint64_t pages = (bytes + SL_BLOB_PAGE_RAW_BYTES - 1) / SL_BLOB_PAGE_RAW_BYTES, first_at = 0;
    if (pages == 0) pages = 1;
    sl_record_prefix data_prefix = {current_writer(w), (uint32_t)pages, sequence, sequence_count, SL_ENTRY_BLOB, 0};
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t from = i * SL_BLOB_PAGE_RAW_BYTES, left = bytes - from, at;
        uint64_t part = left < SL_BLOB_PAGE_RAW_BYTES ? left : SL_BLOB_PAGE_RAW_BYTES;
        sl_buffer_clear(&w->content);
        if (i == 0) {
            uint8_t *prefix = sl_buffer_grow(&w->content, SL_RECORD_PREFIX_BYTES);
            if (!prefix) return no_memory(err);
            sl_record_prefix_encode(&data_prefix, prefix);
        }
        sl_buffer_put(&w->content, data + from, (size_t)part);
        if (w->content.is_out_of_memory) return no_memory(err);
        SL_TRY(put_page(w, SL_PAGE_BLOB, (uint32_t)i, w->content.data, w->content.bytes, 1, &at, err));
        if (i == 0) first_at = at;
    }
    sl_record_prefix prefix = {current_writer(w), head_bytes, sequence, sequence_count, SL_ENTRY_BLOB, first_at};
    sl_record_entry entry = {.writer = prefix.writer,
                             .type = SL_ENTRY_BLOB,
                             .bytes = head_bytes,
                             .sequence = sequence,
                             .sequence_count = sequence_count};
    return add_record(w, &prefix, &entry, head, err);
}

/* ---- blocks ---- */

typedef struct axis {
    uint32_t row_count;
    const int64_t *steps, *times, *sequences;
} axis;

/* Encodes one part of an axis, or refers to an equal one. Encoded bytes go to out. */
static void encode_part(sl_segment_writer *w, int part, const int64_t *values, uint32_t count, uint64_t chunk_offset,
                        sl_buffer *out, sl_chunk_head *head)
{
    uint8_t *at = sl_buffer_grow(out, SL_INT_ENCODED_BYTES_MAX(SL_CHUNK_ROWS_MAX) + SL_DECODE_SLACK_BYTES);
    if (!at) return;
    size_t bytes = sl_int_encode(values, count, at);
    out->bytes = (size_t)(at - out->data) + bytes;
    head->part_bytes[part] = (uint32_t)bytes;
    if (bytes < SHARED_PART_BYTES_MIN) return;
    XXH128_hash_t hash = XXH3_128bits(at, bytes);
    shared_part *slot = &w->shared[hash.low64 % SHARED_PARTS];
    if (slot->bytes == bytes && slot->part == part && XXH128_isEqual(slot->hash, hash)) {
        head->is_reference[part] = 1;
        head->reference[part] = slot->page_offset;
        out->bytes -= bytes;
    } else {
        *slot = (shared_part){hash, chunk_offset, (uint32_t)bytes, (uint8_t)part};
    }
}

static void describe_axis(const axis *a, sl_chunk_entry *entry)
{
    entry->row_count = (uint16_t)a->row_count;
    entry->sequence_first = (uint64_t)a->sequences[0];
    entry->sequence_last = (uint64_t)a->sequences[a->row_count - 1];
    entry->flags = SL_CHUNK_STEPS_SORTED;
    entry->step_min = INT64_MAX;
    entry->step_max = INT64_MIN;
    entry->time_min_ns = entry->time_max_ns = STEPLOG_TIME_NONE;
    for (uint32_t i = 0; i < a->row_count; i++) {
        int64_t step = a->steps[i], time = a->times[i];
        if (step < entry->step_min) entry->step_min = step;
        if (step > entry->step_max) entry->step_max = step;
        if (i && step < a->steps[i - 1]) entry->flags &= (uint16_t)~SL_CHUNK_STEPS_SORTED;
        if (time == STEPLOG_TIME_NONE) continue;
        entry->flags |= SL_CHUNK_HAS_TIMES;
        if (entry->time_min_ns == STEPLOG_TIME_NONE || time < entry->time_min_ns) entry->time_min_ns = time;
        if (entry->time_max_ns == STEPLOG_TIME_NONE || time > entry->time_max_ns) entry->time_max_ns = time;
    }
}

static void count_chunk(sl_trailer *trailer, const sl_chunk_entry *entry)
{
    trailer->row_count += entry->row_count;
    trailer->value_count += entry->value_count;
    if (entry->step_min < trailer->step_min) trailer->step_min = entry->step_min;
    if (entry->step_max > trailer->step_max) trailer->step_max = entry->step_max;
    if (entry->time_min_ns == STEPLOG_TIME_NONE) return;
    if (trailer->time_min_ns == STEPLOG_TIME_NONE || entry->time_min_ns < trailer->time_min_ns)
        trailer->time_min_ns = entry->time_min_ns;
    if (trailer->time_max_ns == STEPLOG_TIME_NONE || entry->time_max_ns > trailer->time_max_ns)
        trailer->time_max_ns = entry->time_max_ns;
}

/* The columns of the chunk being written: COLUMN pages go out at once, short ones wait in inline_payloads. The
 * distances in own_infos are from the start of the extent until the place of the chunk page is known. */
static steplog_status put_column(sl_segment_writer *w, uint32_t column, sl_column_info *info, const uint8_t *payload,
                                 steplog_error *err)
{
    info->flags &= (uint8_t)~SL_COLUMN_IS_OWN_PAGE;
    if (!(info->flags & SL_COLUMN_HAS_VALUES)) return STEPLOG_OK;
    if (info->payload_bytes < SL_CHUNK_OWN_PAGE_BYTES_MIN) {
        sl_buffer_put(&w->inline_payloads, payload, info->payload_bytes);
        return w->inline_payloads.is_out_of_memory ? no_memory(err) : STEPLOG_OK;
    }
    info->flags |= SL_COLUMN_IS_OWN_PAGE;
    return put_page(w, SL_PAGE_COLUMN, column, payload, info->payload_bytes, 0, &info->page_distance, err);
}

static steplog_status put_chunk(sl_segment_writer *w, uint32_t schema, const axis *a, sl_column_info *infos,
                                uint32_t column_count, uint64_t extent_offset, steplog_error *err)
{
    uint64_t at = w->offset;
    chunk_record record = {.writer = current_writer(w), .schema = schema};
    sl_chunk_entry *entry = &record.entry;
    describe_axis(a, entry);
    sl_buffer_clear(&w->directory);
    for (uint32_t c = 0; c < column_count; c++) {
        if (infos[c].flags & SL_COLUMN_IS_OWN_PAGE) infos[c].page_distance = at - infos[c].page_distance;
        if (infos[c].flags & SL_COLUMN_HAS_VALUES) entry->value_count += infos[c].value_count;
        sl_chunk_directory_put(&w->directory, &infos[c]);
    }
    sl_chunk_head head = {.writer = record.writer,
                          .schema = schema,
                          .row_count = a->row_count,
                          .column_count = column_count,
                          .flags = entry->flags,
                          .directory = w->directory.data,
                          .directory_bytes = (uint32_t)w->directory.bytes,
                          .inline_payloads = w->inline_payloads.data,
                          .inline_bytes = (uint32_t)w->inline_payloads.bytes};
    const int64_t *parts[SL_PART_COUNT] = {a->steps, a->times, a->sequences};
    size_t part_at[SL_PART_COUNT];
    sl_buffer_clear(&w->payload);
    for (int i = 0; i < SL_PART_COUNT; i++) {
        part_at[i] = w->payload.bytes;
        if (i == SL_PART_TIMES && !(entry->flags & SL_CHUNK_HAS_TIMES)) continue;
        encode_part(w, i, parts[i], a->row_count, at, &w->payload, &head);
    }
    for (int i = 0; i < SL_PART_COUNT; i++) head.part[i] = w->payload.data + part_at[i];
    sl_buffer_clear(&w->content);
    sl_chunk_encode(&head, &w->content);
    if (w->payload.is_out_of_memory || w->directory.is_out_of_memory || w->content.is_out_of_memory)
        return no_memory(err);
    SL_TRY(put_page(w, SL_PAGE_CHUNK, schema, w->content.data, w->content.bytes, 0, NULL, err));
    entry->page_offset = at;
    entry->page_bytes = (uint32_t)(w->offset - at);
    entry->extent_offset = extent_offset;
    count_chunk(&w->trailer, entry);
    return SL_VEC_PUSH(&w->chunks, record) ? STEPLOG_OK : no_memory(err);
}

static steplog_status flush_block(sl_segment_writer *w, sl_open_block *block, steplog_error *err)
{
    if (block->row_count == 0) return STEPLOG_OK;
    sl_column_info *infos = sl_alloc(block->column_count * sizeof *infos);
    if (!infos) return no_memory(err);
    uint64_t extent = w->offset;
    steplog_status status = STEPLOG_OK;
    sl_buffer_clear(&w->inline_payloads);
    sl_open_block_finish(block);
    for (uint32_t c = 0; c < block->column_count; c++) {
        sl_column_encode(block->values + c * block->column_stride, block->present + (size_t)c * SL_PRESENT_WORDS,
                         block->row_count, &w->payload, &infos[c]);
        status = w->payload.is_out_of_memory ? no_memory(err) : put_column(w, c, &infos[c], w->payload.data, err);
        if (status < 0) goto done;
    }
    axis a = {block->row_count, block->steps, block->times, block->sequences};
    status = put_chunk(w, block->schema, &a, infos, block->column_count, extent, err);
    sl_open_block_clear(block);
done:
    sl_free(infos);
    return status;
}

static sl_open_block *find_block(sl_segment_writer *w, uint32_t schema)
{
    for (size_t i = w->blocks.count; i-- > 0;)
        if (w->blocks.items[i].schema == schema) return &w->blocks.items[i];
    sl_open_block block;
    sl_open_block_init(&block, schema, w->schemas.items[schema].name_count);
    return SL_VEC_PUSH(&w->blocks, block) ? &w->blocks.items[w->blocks.count - 1] : NULL;
}

steplog_status sl_segment_writer_row(sl_segment_writer *w, uint32_t schema, int64_t step, int64_t time_ns,
                                     uint64_t sequence, const double *values, const uint64_t *present,
                                     steplog_error *err)
{
    SL_ASSERT(w->is_in_writer && schema < w->schemas.count);
    sl_open_block *block = find_block(w, schema);
    if (!block || !sl_open_block_add(block, step, time_ns, sequence, values, present)) return no_memory(err);
    return sl_open_block_is_full(block) ? flush_block(w, block, err) : STEPLOG_OK;
}

steplog_status sl_segment_writer_rows(sl_segment_writer *w, uint32_t schema, const uint8_t *const *bodies,
                                      uint32_t count, uint64_t sequence, steplog_error *err)
{
    SL_ASSERT(w->is_in_writer && schema < w->schemas.count);
    sl_open_block *block = find_block(w, schema);
    if (!block) return no_memory(err);
    while (count > 0) {
        uint32_t taken = sl_open_block_add_rows(block, bodies, count, sequence);
        if (taken == 0) return no_memory(err);
        if (sl_open_block_is_full(block)) SL_TRY(flush_block(w, block, err));
        bodies += taken;
        count -= taken;
        sequence += taken;
    }
    return STEPLOG_OK;
}

steplog_status sl_segment_writer_block(sl_segment_writer *w, uint32_t schema, uint32_t row_count, const int64_t *steps,
                                       const int64_t *times, const int64_t *sequences, const sl_column_info *infos,
                                       const uint8_t *const *payloads, steplog_error *err)
{
    sl_open_block *block = find_block(w, schema);
    if (!block) return no_memory(err);
    SL_TRY(flush_block(w, block, err));
    uint32_t column_count = w->schemas.items[schema].name_count;
    sl_column_info *copies = sl_alloc(column_count * sizeof *copies);
    if (!copies) return no_memory(err);
    memcpy(copies, infos, column_count * sizeof *copies);
    uint64_t extent = w->offset;
    steplog_status status = STEPLOG_OK;
    sl_buffer_clear(&w->inline_payloads);
    for (uint32_t c = 0; c < column_count && status >= 0; c++) status = put_column(w, c, &copies[c], payloads[c], err);
    if (status >= 0) {
        axis a = {row_count, steps, times, sequences};
        status = put_chunk(w, schema, &a, copies, column_count, extent, err);
    }
    sl_free(copies);
    return status;
}

steplog_status sl_segment_writer_schema(sl_segment_writer *w, const char *const *names, const uint32_t *name_bytes,
                                        uint32_t count, uint32_t *ordinal, steplog_error *err)
{
    sl_buffer_clear(&w->content);
    sl_buffer_u32(&w->content, count);
    for (uint32_t i = 0; i < count; i++) {
        sl_buffer_u32(&w->content, name_bytes[i]);
        sl_buffer_put(&w->content, names[i], name_bytes[i]);
    }
    if (w->content.is_out_of_memory) return no_memory(err);
    XXH128_hash_t hash = XXH3_128bits(w->content.data, w->content.bytes);
    for (size_t i = w->schema_hashes.count; i-- > 0;)
        if (XXH128_isEqual(w->schema_hashes.items[i], hash)) {
            *ordinal = (uint32_t)i;
            return STEPLOG_OK;
        }
    sl_schema_entry entry = {.name_count = count};
    *ordinal = (uint32_t)w->schemas.count;
    SL_TRY(put_page(w, SL_PAGE_SCHEMA, *ordinal, w->content.data, w->content.bytes, 1, &entry.page_offset, err));
    entry.page_bytes = (uint32_t)(w->offset - entry.page_offset);
    return SL_VEC_PUSH(&w->schemas, entry) && SL_VEC_PUSH(&w->schema_hashes, hash) ? STEPLOG_OK : no_memory(err);
}

steplog_status sl_segment_writer_begin(sl_segment_writer *w, const uint8_t *description, size_t bytes,
                                       steplog_error *err)
{
    sl_writer_description d;
    SL_ASSERT(!w->is_in_writer);
    if (!sl_writer_description_decode(description, bytes, &d))
        return sl_fail(err, STEPLOG_CORRUPT, -1, "a writer's description breaks a rule");
    sl_writer_entry entry = {.run = d.run,
                             .incarnation = d.incarnation,
                             .attempt = d.attempt,
                             .rank = d.rank,
                             .flags = d.flags,
                             .start_time_ns = d.start_time_ns};
    entry.range_first = (uint32_t)w->ranges.count;
    entry.record_first = (uint32_t)w->records.count;
    SL_TRY(put_page(w, SL_PAGE_WRITER, (uint32_t)w->writers.count, description, bytes, 1, &entry.page_offset, err));
    w->is_in_writer = 1;
    return SL_VEC_PUSH(&w->writers, entry) ? STEPLOG_OK : no_memory(err);
}

static steplog_status add_ranges(sl_segment_writer *w, const sl_ranges *set, uint32_t kind, steplog_error *err)
{
    for (size_t i = 0; set && i < set->count; i++) {
        sl_range_entry entry = {current_writer(w), kind, set->items[i].begin, set->items[i].end};
        if (!SL_VEC_PUSH(&w->ranges, entry)) return no_memory(err);
    }
    return STEPLOG_OK;
}

steplog_status sl_segment_writer_flush(sl_segment_writer *w, steplog_error *err)
{
    for (size_t i = 0; i < w->blocks.count; i++) SL_TRY(flush_block(w, &w->blocks.items[i], err));
    for (size_t i = 0; i < w->blocks.count; i++) sl_open_block_free(&w->blocks.items[i]);
    w->blocks.count = 0;
    return STEPLOG_OK;
}

steplog_status sl_segment_writer_end(sl_segment_writer *w, const sl_ranges *held, const sl_ranges *dropped,
                                     steplog_error *err)
{
    SL_TRY(sl_segment_writer_flush(w, err));
    SL_TRY(add_ranges(w, held, SL_RANGE_HELD, err));
    SL_TRY(add_ranges(w, dropped, SL_RANGE_DROPPED, err));
    sl_writer_entry *entry = &w->writers.items[w->writers.count - 1];
    entry->range_count = (uint32_t)w->ranges.count - entry->range_first;
    entry->record_count = (uint32_t)w->records.count - entry->record_first;
    w->is_in_writer = 0;
    return STEPLOG_OK;
}

uint64_t sl_segment_writer_bytes(const sl_segment_writer *w) { return w->offset; }

/* ---- tables ---- */

static int compare_chunks(const void *a, const void *b)
{
    const chunk_record *x = a, *y = b;
    if (x->writer != y->writer) return x->writer < y->writer ? -1 : 1;
    if (x->schema != y->schema) return x->schema < y->schema ? -1 : 1;
    if (x->entry.sequence_first != y->entry.sequence_first)
        return x->entry.sequence_first < y->entry.sequence_first ? -1 : 1;
    return 0;
}

static int compare_records(const void *a, const void *b)
{
    const sl_record_entry *x = a, *y = b;
    if (x->writer != y->writer) return x->writer < y->writer ? -1 : 1;
    if (x->sequence != y->sequence) return x->sequence < y->sequence ? -1 : 1;
    return 0;
}

typedef SL_VEC(sl_group_entry) group_list;

static int make_groups(sl_segment_writer *w, group_list *groups)
{
    for (size_t i = 0; i < w->chunks.count; i++) {
        const chunk_record *chunk = &w->chunks.items[i];
        sl_group_entry *group = groups->count ? &groups->items[groups->count - 1] : NULL;
        if (!group || group->writer != chunk->writer || group->schema != chunk->schema) {
            sl_group_entry fresh = {.writer = chunk->writer,
                                    .schema = chunk->schema,
                                    .chunk_first = (uint32_t)i,
                                    .step_min = INT64_MAX,
                                    .step_max = INT64_MIN,
                                    .time_min_ns = STEPLOG_TIME_NONE,
                                    .time_max_ns = STEPLOG_TIME_NONE};
            sl_writer_entry *writer = &w->writers.items[chunk->writer];
            if (writer->group_count == 0) writer->group_first = (uint32_t)groups->count;
            writer->group_count++;
            if (!SL_VEC_PUSH(groups, fresh)) return 0;
            group = &groups->items[groups->count - 1];
        }
        group->chunk_count++;
        group->row_count += chunk->entry.row_count;
        group->value_count += chunk->entry.value_count;
        if (chunk->entry.step_min < group->step_min) group->step_min = chunk->entry.step_min;
        if (chunk->entry.step_max > group->step_max) group->step_max = chunk->entry.step_max;
        sl_group_entry_widen_times(group, &chunk->entry);
    }
    return 1;
}

static void encode_entry(const sl_segment_writer *w, const group_list *groups, int table, size_t i, uint8_t *out)
{
    switch (table) {
    case SL_TABLE_WRITERS: sl_writer_entry_encode(&w->writers.items[i], out); break;
    case SL_TABLE_SCHEMAS: sl_schema_entry_encode(&w->schemas.items[i], out); break;
    case SL_TABLE_GROUPS: sl_group_entry_encode(&groups->items[i], out); break;
    case SL_TABLE_CHUNKS: sl_chunk_entry_encode(&w->chunks.items[i].entry, out); break;
    case SL_TABLE_RANGES: sl_range_entry_encode(&w->ranges.items[i], out); break;
    default: sl_record_entry_encode(&w->records.items[i], out); break;
    }
}

static steplog_status put_table(sl_segment_writer *w, const group_list *groups, int table, size_t count,
                                steplog_error *err)
{
    uint32_t entry_bytes = sl_table_entry_bytes[table];
    w->trailer.tables[table].offset = w->offset;
    w->trailer.tables[table].entry_count = count;
    for (size_t from = 0; from < count; from += SL_TABLE_PAGE_ENTRIES) {
        size_t here = count - from < SL_TABLE_PAGE_ENTRIES ? count - from : SL_TABLE_PAGE_ENTRIES;
        sl_buffer_clear(&w->content);
        uint8_t *at = sl_buffer_grow(&w->content, here * entry_bytes);
        if (!at) return no_memory(err);
        for (size_t i = 0; i < here; i++) encode_entry(w, groups, table, from + i, at + i * entry_bytes);
        SL_TRY(put_page(w, sl_table_page_kind[table], (uint32_t)(from / SL_TABLE_PAGE_ENTRIES), w->content.data,
                        w->content.bytes, 0, NULL, err));
    }
    return STEPLOG_OK;
}

static steplog_status put_tables(sl_segment_writer *w, steplog_error *err)
{
    group_list groups = {0};
    steplog_status status = flush_facts(w, err);
    if (status < 0) return status;
    if (w->chunks.count) qsort(w->chunks.items, w->chunks.count, sizeof *w->chunks.items, compare_chunks);
    if (w->records.count) qsort(w->records.items, w->records.count, sizeof *w->records.items, compare_records);
    if (!make_groups(w, &groups)) status = no_memory(err);
    size_t counts[SL_TABLE_COUNT] = {w->writers.count, w->schemas.count, groups.count,
                                     w->chunks.count,  w->ranges.count,  w->records.count};
    for (int table = 0; table < SL_TABLE_COUNT && status >= 0; table++)
        status = put_table(w, &groups, table, counts[table], err);
    SL_VEC_FREE(&groups);
    if (status < 0) return status;
    uint8_t content[SL_TRAILER_CONTENT_BYTES];
    w->trailer.file_bytes = w->offset + SL_TRAILER_BYTES;
    sl_trailer_encode(&w->trailer, content);
    return put_page(w, SL_PAGE_TRAILER, 0, content, sizeof content, 0, NULL, err);
}

steplog_status sl_segment_writer_publish(sl_segment_writer *w, char *name, steplog_id *file_id, steplog_error *err)
{
    char final_name[SL_FILE_NAME_BYTES];
    int e;
    steplog_status status;
    SL_TRY_DONE(put_tables(w, err));
    SL_TRY_DONE(flush(w, 0, err));
    sl_segment_name(&w->file_id, final_name);
    SL_KILL_POINT("publish.written");
    if ((e = sl_os->sync_data(w->fd)) < 0) {
        status = sl_fail_os(err, -e, -1, "cannot sync segment '%s'", w->temporary_name);
        goto done;
    }
    SL_KILL_POINT("publish.synced");
    if ((e = sl_os->rename(w->level_dir, w->temporary_name, w->level_dir, final_name)) < 0) {
        status = sl_fail_os(err, -e, -1, "cannot publish segment '%s'", final_name);
        goto done;
    }
    SL_KILL_POINT("publish.renamed");
    if ((e = sl_os->sync_all(w->level_dir)) < 0) {
        /* It may or may not be there after a power cut; whoever relied on it keeps its source. */
        status = sl_fail_os(err, -e, -1, "cannot sync the directory of segment '%s'", final_name);
        free_writer(w);
        return status;
    }
    SL_KILL_POINT("publish.directory_synced");
    if (name) snprintf(name, 80, "%s/%u/%s", SL_SEGMENT_DIR, (unsigned)w->level, final_name);
    if (file_id) *file_id = w->file_id;
    free_writer(w);
    return STEPLOG_OK;
done:
    sl_segment_writer_abort(w);
    return status;
}
