/* write/segment_writer.c: blocks, facts and tables into a temporary file; then sync, rename, sync.
 *
 * Invariants:
 *  1. Everything before offset is in the file or in out, in order; nothing in the file is ever rewritten.
 *  2. chunks[] and records[] know their page once it is in out; facts waiting in pending_facts do not yet.
 *  3. Until rename the file has a .tmp name, which no reader looks at. */
#include "write/segment_writer.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/hash_map.h"
#include "base/kill_point.h"
#include "format/checksum.h"
#include "format/file_names.h"
#include "format/int_codec.h"
#include "format/page_codec.h"
#include "os/os.h"
#include "os/private_fd.h"
#include "write/level_dir.h"
#include "write/open_block.h"
#include "write/segment_index.h"
#include "write/stripe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define OUT_BYTES (256u * 1024)
/* Payloads that wait in stripes: each, and all together. A compaction may take more than a writer in a training job. */
#define STRIPE_BYTES (256u * 1024)
#define STRIPE_BYTES_COMPACTING (1024u * 1024)
#define SHARED_PARTS 1024u        /* remembered axis parts */
#define SHARED_PART_BYTES_MIN 24u /* a shorter part is no longer than a reference worth having */

typedef struct shared_part {
    XXH128_hash_t hash;
    uint64_t page_offset;
    uint32_t bytes;
    uint8_t part;
} shared_part;

#define NOWHERE UINT32_MAX

typedef struct schema_place {
    XXH128_hash_t hash;     /* of its content */
    uint32_t block, stripe; /* in blocks[] and stripes[], or NOWHERE */
} schema_place;

struct sl_segment_writer {
    int level_dir, fd;
    uint32_t level;
    steplog_id file_id;
    uint64_t file_key, offset; /* offset: where the next page goes */
    sl_buffer out;
    char temporary_name[SL_FILE_NAME_BYTES];
    sl_segment_header header;

    sl_segment_index index;
    SL_VEC(schema_place) places; /* of index.schemas[] */
    sl_hash_map schemas_seen;    /* hash to places[]: a writer may have 65536 schemas and a million metrics */
    size_t writer_chunk_first;    /* index.chunks[] of the current writer begin here */
    SL_VEC(sl_open_block) blocks; /* of the current writer */
    SL_VEC(sl_stripe) stripes;    /* likewise */
    size_t record_pending_first;  /* records[] from here on wait for their facts page */
    sl_buffer pending_facts;
    shared_part *shared;
    sl_buffer content, directory, payload, inline_payloads;
    size_t stripe_bytes; /* payloads in all stripes */
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
    for (size_t i = 0; i < w->stripes.count; i++) sl_stripe_free(&w->stripes.items[i]);
    sl_segment_index_free(&w->index);
    SL_VEC_FREE(&w->places);
    sl_hash_map_free(&w->schemas_seen);
    SL_VEC_FREE(&w->blocks);
    SL_VEC_FREE(&w->stripes);
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
    sl_segment_index_init(&w->index);
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

/* What is written once more is for keeping. */
static int pack_of(const sl_segment_writer *w) { return w->level ? SL_PACK_SMALL : SL_PACK_FAST; }

static steplog_status put_page(sl_segment_writer *w, unsigned kind, uint32_t index, const void *content, size_t bytes,
                               int pack, uint64_t *at, steplog_error *err)
{
    if (at) *at = w->offset;
    if (bytes > sl_page_content_bytes_max(kind))
        return sl_fail(err, STEPLOG_LIMIT, -1, "a page of %zu bytes is too large", bytes);
    w->offset += sl_page_encode(&w->out, kind, index, content, bytes, pack, w->file_key, w->offset);
    return flush(w, OUT_BYTES, err);
}

/* ---- facts and blobs ---- */

static steplog_status flush_facts(sl_segment_writer *w, steplog_error *err)
{
    if (w->pending_facts.is_out_of_memory) return no_memory(err);
    if (w->pending_facts.bytes == 0) return STEPLOG_OK;
    uint64_t at;
    SL_TRY(put_page(w, SL_PAGE_FACTS, 0, w->pending_facts.data, w->pending_facts.bytes, pack_of(w), &at, err));
    for (size_t i = w->record_pending_first; i < w->index.records.count; i++) w->index.records.items[i].page_offset = at;
    w->record_pending_first = w->index.records.count;
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
    if (w->pending_facts.is_out_of_memory || !SL_VEC_PUSH(&w->index.records, copy)) return no_memory(err);
    return STEPLOG_OK;
}

static uint32_t current_writer(const sl_segment_writer *w) { return (uint32_t)w->index.writers.count - 1; }

steplog_status sl_segment_writer_fact(sl_segment_writer *w, const uint8_t *body, uint32_t bytes, uint64_t sequence,
                                      uint32_t sequence_count, steplog_error *err)
{
    sl_fact fact;
    if (!sl_fact_decode(body, bytes, &fact))
        return sl_fail(err, STEPLOG_CORRUPT, -1, "a fact breaks a rule of its format");
    if (fact.lamport > w->index.trailer.lamport_max) w->index.trailer.lamport_max = fact.lamport;
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

steplog_status sl_segment_writer_blob_page(sl_segment_writer *w, uint32_t index, const sl_record_prefix *prefix,
                                           const uint8_t *data, uint32_t bytes, uint64_t *at, steplog_error *err)
{
    sl_buffer_clear(&w->content);
    uint8_t *head = index == 0 ? sl_buffer_grow(&w->content, SL_RECORD_PREFIX_BYTES) : NULL;
    if (head) sl_record_prefix_encode(prefix, head);
    sl_buffer_put(&w->content, data, bytes);
    if (w->content.is_out_of_memory) return no_memory(err);
    return put_page(w, SL_PAGE_BLOB, index, w->content.data, w->content.bytes, SL_PACK_FAST, at, err);
}

sl_record_prefix sl_segment_writer_blob_prefix(const sl_segment_writer *w, uint64_t bytes, uint64_t sequence,
                                               uint32_t sequence_count)
{
    uint64_t pages = (bytes + SL_BLOB_PAGE_RAW_BYTES - 1) / SL_BLOB_PAGE_RAW_BYTES;
    return (sl_record_prefix){current_writer(w), pages ? (uint32_t)pages : 1, sequence, sequence_count, SL_ENTRY_BLOB, 0};
}

steplog_status sl_segment_writer_blob_head(sl_segment_writer *w, const uint8_t *head, uint32_t head_bytes, uint64_t sequence,
                                           uint32_t sequence_count, uint64_t data_offset, steplog_error *err)
{
    sl_record_prefix prefix = {current_writer(w), head_bytes, sequence, sequence_count, SL_ENTRY_BLOB, data_offset};
    sl_record_entry entry = {.writer = prefix.writer,
                             .type = SL_ENTRY_BLOB,
                             .bytes = head_bytes,
                             .sequence = sequence,
                             .sequence_count = sequence_count};
    return add_record(w, &prefix, &entry, head, err);
}

steplog_status sl_segment_writer_blob(sl_segment_writer *w, const uint8_t *head, uint32_t head_bytes, uint64_t sequence,
                                      uint32_t sequence_count, const uint8_t *data, uint64_t bytes, steplog_error *err)
{
    sl_record_prefix prefix = sl_segment_writer_blob_prefix(w, bytes, sequence, sequence_count);
    uint64_t first_at = 0;
    for (uint32_t i = 0; i < prefix.bytes; i++) {
        uint64_t from = (uint64_t)i * SL_BLOB_PAGE_RAW_BYTES, left = bytes - from, at;
        uint32_t part = left < SL_BLOB_PAGE_RAW_BYTES ? (uint32_t)left : SL_BLOB_PAGE_RAW_BYTES;
        SL_TRY(sl_segment_writer_blob_page(w, i, &prefix, data + from, part, &at, err));
        if (i == 0) first_at = at;
    }
    return sl_segment_writer_blob_head(w, head, head_bytes, sequence, sequence_count, first_at, err);
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

static steplog_status put_chunk(sl_segment_writer *w, uint32_t schema, const axis *a, sl_column_info *infos,
                                uint32_t column_count, uint64_t extent_offset, sl_stats_entry **stats,
                                steplog_error *err)
{
    uint64_t at = w->offset;
    sl_chunk_entry chunk_entry = {0}, *entry = &chunk_entry;
    describe_axis(a, entry);
    sl_buffer_clear(&w->directory);
    for (uint32_t c = 0; c < column_count; c++) {
        if (infos[c].flags & SL_COLUMN_IS_OWN_PAGE) infos[c].page_distance = at - infos[c].page_distance;
        if (infos[c].flags & SL_COLUMN_HAS_VALUES) entry->value_count += infos[c].value_count;
        sl_chunk_directory_put(&w->directory, &infos[c]);
    }
    sl_chunk_head head = {.writer = current_writer(w),
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
    SL_TRY(put_page(w, SL_PAGE_CHUNK, schema, w->content.data, w->content.bytes, SL_PACK_NEVER, NULL, err));
    entry->page_offset = at;
    entry->page_bytes = (uint32_t)(w->offset - at);
    entry->extent_offset = extent_offset;
    sl_stats_entry *taken = *stats;
    *stats = NULL;
    return sl_segment_index_add_chunk(&w->index, schema, entry, taken) ? STEPLOG_OK : no_memory(err);
}

/* The COLUMN pages of a stripe, column by column; page_distance becomes the page's offset, and for short columns 0. */
static steplog_status put_columns(sl_segment_writer *w, sl_stripe *s, uint64_t *extents, steplog_error *err)
{
    for (uint32_t c = 0; c < s->column_count; c++)
        for (size_t n = 0; n < s->chunk_count; n++) {
            sl_column_info *info = &s->chunks[n].infos[c];
            info->payload = s->payloads.data + info->page_distance;
            info->page_distance = 0;
            info->flags &= (uint8_t)~SL_COLUMN_IS_OWN_PAGE;
            if (!(info->flags & SL_COLUMN_HAS_VALUES) || info->payload_bytes < SL_CHUNK_OWN_PAGE_BYTES_MIN) continue;
            info->flags |= SL_COLUMN_IS_OWN_PAGE;
            if (!extents[n]) extents[n] = w->offset;
            SL_TRY(put_page(w, SL_PAGE_COLUMN, c, info->payload, info->payload_bytes, SL_PACK_NEVER,
                            &info->page_distance, err));
        }
    return STEPLOG_OK;
}

static steplog_status flush_stripe(sl_segment_writer *w, sl_stripe *s, steplog_error *err)
{
    uint64_t extents[SL_STRIPE_CHUNKS_MAX] = {0};
    SL_TRY(put_columns(w, s, extents, err));
    for (size_t n = 0; n < s->chunk_count; n++) {
        sl_stripe_chunk *chunk = &s->chunks[n];
        size_t rows = chunk->row_count;
        sl_buffer_clear(&w->inline_payloads);
        for (uint32_t c = 0; c < s->column_count; c++)
            if ((chunk->infos[c].flags & (SL_COLUMN_HAS_VALUES | SL_COLUMN_IS_OWN_PAGE)) == SL_COLUMN_HAS_VALUES)
                sl_buffer_put(&w->inline_payloads, chunk->infos[c].payload, chunk->infos[c].payload_bytes);
        if (w->inline_payloads.is_out_of_memory) return no_memory(err);
        axis a = {chunk->row_count, chunk->axis, chunk->axis + rows, chunk->axis + 2 * rows};
        SL_TRY(put_chunk(w, s->schema, &a, chunk->infos, s->column_count, extents[n] ? extents[n] : w->offset,
                         &chunk->stats, err));
    }
    w->stripe_bytes -= s->payloads.bytes;
    sl_stripe_clear(s);
    return STEPLOG_OK;
}

static sl_stripe *find_stripe(sl_segment_writer *w, uint32_t schema)
{
    uint32_t *place = &w->places.items[schema].stripe;
    if (*place != NOWHERE) return &w->stripes.items[*place];
    sl_stripe stripe;
    sl_stripe_init(&stripe, schema, w->index.schemas.items[schema].name_count);
    if (!SL_VEC_PUSH(&w->stripes, stripe)) return NULL;
    *place = (uint32_t)w->stripes.count - 1;
    return &w->stripes.items[*place];
}

/* Ends the adding of a chunk: accounts for its bytes, or takes it away again. */
static steplog_status end_chunk(sl_segment_writer *w, sl_stripe *s, size_t bytes_before, steplog_status status,
                                steplog_error *err)
{
    const size_t limit = w->level ? STRIPE_BYTES_COMPACTING : STRIPE_BYTES;
    if (status < 0) {
        sl_stripe_drop(s);
        s->payloads.bytes = bytes_before;
        return status;
    }
    w->stripe_bytes += s->payloads.bytes - bytes_before;
    if (s->chunk_count < SL_STRIPE_CHUNKS_MAX && s->payloads.bytes < limit && w->stripe_bytes < 2 * limit)
        return STEPLOG_OK;
    return flush_stripe(w, s, err);
}

static steplog_status flush_block(sl_segment_writer *w, sl_open_block *block, steplog_error *err)
{
    if (block->row_count == 0) return STEPLOG_OK;
    sl_stripe *stripe = find_stripe(w, block->schema);
    sl_stripe_chunk *chunk = stripe ? sl_stripe_add(stripe, block->row_count, block->steps, block->times,
                                                    block->sequences)
                                    : NULL;
    if (!chunk) return no_memory(err);
    size_t bytes_before = stripe->payloads.bytes;
    steplog_status status = STEPLOG_OK;
    int64_t step_min = INT64_MAX;
    for (uint32_t row = 0; row < block->row_count; row++)
        step_min = block->steps[row] < step_min ? block->steps[row] : step_min;
    sl_open_block_finish(block);
    for (uint32_t c = 0; c < block->column_count && status >= 0; c++) {
        sl_column_info info;
        sl_column_encode(block->values + c * block->column_stride, block->present + (size_t)c * SL_PRESENT_WORDS,
                         block->row_count, &w->payload, &info);
        if (w->payload.is_out_of_memory || !sl_stripe_put(stripe, chunk, c, &info, w->payload.data))
            status = no_memory(err);
        sl_stats_make(block->values + c * block->column_stride, block->present + (size_t)c * SL_PRESENT_WORDS,
                      block->row_count, block->steps, step_min, &chunk->stats[c]);
    }
    if (status >= 0) sl_open_block_clear(block);
    return end_chunk(w, stripe, bytes_before, status, err);
}

static sl_open_block *open_block(sl_segment_writer *w, uint32_t schema)
{
    uint32_t *place = &w->places.items[schema].block;
    if (*place != NOWHERE) return &w->blocks.items[*place];
    sl_open_block block;
    sl_open_block_init(&block, schema, w->index.schemas.items[schema].name_count);
    if (!SL_VEC_PUSH(&w->blocks, block)) return NULL;
    *place = (uint32_t)w->blocks.count - 1;
    return &w->blocks.items[*place];
}

/* The block to which a row of that number may be added: numbers ascend within a block. They go back where a log lost
 * rows that stand in a later one, too. */
static steplog_status find_block(sl_segment_writer *w, uint32_t schema, uint64_t sequence, sl_open_block **out,
                                 steplog_error *err)
{
    sl_open_block *block = *out = open_block(w, schema);
    if (!block) return no_memory(err);
    if (block->row_count == 0 || (uint64_t)block->sequences[block->row_count - 1] < sequence) return STEPLOG_OK;
    return flush_block(w, block, err);
}

steplog_status sl_segment_writer_row(sl_segment_writer *w, uint32_t schema, int64_t step, int64_t time_ns,
                                     uint64_t sequence, const double *values, const uint64_t *present,
                                     steplog_error *err)
{
    SL_ASSERT(w->is_in_writer && schema < w->index.schemas.count);
    sl_open_block *block;
    SL_TRY(find_block(w, schema, sequence, &block, err));
    if (!sl_open_block_add(block, step, time_ns, sequence, values, present)) return no_memory(err);
    return sl_open_block_is_full(block) ? flush_block(w, block, err) : STEPLOG_OK;
}

steplog_status sl_segment_writer_rows(sl_segment_writer *w, uint32_t schema, const uint8_t *const *bodies,
                                      uint32_t count, uint64_t sequence, steplog_error *err)
{
    SL_ASSERT(w->is_in_writer && schema < w->index.schemas.count);
    sl_open_block *block;
    SL_TRY(find_block(w, schema, sequence, &block, err));
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
                                       const uint8_t *const *payloads, const sl_stats_entry *stats, steplog_error *err)
{
    sl_open_block *block = open_block(w, schema);
    if (!block) return no_memory(err);
    SL_TRY(flush_block(w, block, err));
    sl_stripe *stripe = find_stripe(w, schema);
    sl_stripe_chunk *chunk = stripe ? sl_stripe_add(stripe, row_count, steps, times, sequences) : NULL;
    if (!chunk) return no_memory(err);
    size_t bytes_before = stripe->payloads.bytes;
    steplog_status status = STEPLOG_OK;
    for (uint32_t c = 0; c < stripe->column_count && status >= 0; c++)
        if (!sl_stripe_put(stripe, chunk, c, &infos[c], payloads[c])) status = no_memory(err);
    memcpy(chunk->stats, stats, stripe->column_count * sizeof *stats);
    return end_chunk(w, stripe, bytes_before, status, err);
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
    for (size_t probe = 0; sl_hash_map_find(&w->schemas_seen, hash.low64, &probe, ordinal);)
        if (XXH128_isEqual(w->places.items[*ordinal].hash, hash)) return STEPLOG_OK;
    const schema_place place = {hash, NOWHERE, NOWHERE};
    sl_schema_entry entry = {.name_count = count};
    *ordinal = (uint32_t)w->index.schemas.count;
    SL_TRY(put_page(w, SL_PAGE_SCHEMA, *ordinal, w->content.data, w->content.bytes, pack_of(w), &entry.page_offset, err));
    entry.page_bytes = (uint32_t)(w->offset - entry.page_offset);
    return SL_VEC_PUSH(&w->index.schemas, entry) && SL_VEC_PUSH(&w->places, place) &&
                   sl_hash_map_add(&w->schemas_seen, hash.low64, *ordinal)
               ? STEPLOG_OK
               : no_memory(err);
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
    entry.range_first = (uint32_t)w->index.ranges.count;
    entry.record_first = (uint32_t)w->index.records.count;
    SL_TRY(put_page(w, SL_PAGE_WRITER, (uint32_t)w->index.writers.count, description, bytes, pack_of(w),
                    &entry.page_offset, err));
    w->is_in_writer = 1;
    return SL_VEC_PUSH(&w->index.writers, entry) ? STEPLOG_OK : no_memory(err);
}

static steplog_status add_ranges(sl_segment_writer *w, const sl_ranges *set, uint32_t kind, steplog_error *err)
{
    for (size_t i = 0; set && i < set->count; i++) {
        sl_range_entry entry = {current_writer(w), kind, set->items[i].begin, set->items[i].end};
        if (!SL_VEC_PUSH(&w->index.ranges, entry)) return no_memory(err);
    }
    return STEPLOG_OK;
}

steplog_status sl_segment_writer_flush(sl_segment_writer *w, steplog_error *err)
{
    for (size_t i = 0; i < w->blocks.count; i++) SL_TRY(flush_block(w, &w->blocks.items[i], err));
    for (size_t i = 0; i < w->blocks.count; i++) {
        w->places.items[w->blocks.items[i].schema].block = NOWHERE;
        sl_open_block_free(&w->blocks.items[i]);
    }
    w->blocks.count = 0;
    return STEPLOG_OK;
}

steplog_status sl_segment_writer_end(sl_segment_writer *w, const sl_ranges *held, const sl_ranges *dropped,
                                     steplog_error *err)
{
    SL_TRY(sl_segment_writer_flush(w, err));
    for (size_t i = 0; i < w->stripes.count; i++) SL_TRY(flush_stripe(w, &w->stripes.items[i], err));
    for (size_t i = 0; i < w->stripes.count; i++) {
        w->places.items[w->stripes.items[i].schema].stripe = NOWHERE;
        sl_stripe_free(&w->stripes.items[i]);
    }
    w->stripes.count = 0;
    if (!sl_segment_index_end_writer(&w->index, w->writer_chunk_first)) return no_memory(err);
    w->writer_chunk_first = w->index.chunks.count;
    SL_TRY(add_ranges(w, held, SL_RANGE_HELD, err));
    SL_TRY(add_ranges(w, dropped, SL_RANGE_DROPPED, err));
    sl_writer_entry *entry = &w->index.writers.items[w->index.writers.count - 1];
    entry->range_count = (uint32_t)w->index.ranges.count - entry->range_first;
    entry->record_count = (uint32_t)w->index.records.count - entry->record_first;
    w->is_in_writer = 0;
    return STEPLOG_OK;
}

uint64_t sl_segment_writer_bytes(const sl_segment_writer *w) { return w->offset + w->stripe_bytes; }

/* ---- the end ---- */

static steplog_status put_table_page(void *context, unsigned kind, uint32_t index, const void *content, size_t bytes,
                                     int may_compress, steplog_error *err)
{
    const sl_segment_writer *w = context;
    int pack = may_compress && w->level ? SL_PACK_SMALL : SL_PACK_NEVER;
    return put_page(context, kind, index, content, bytes, pack, NULL, err);
}

static steplog_status put_tables(sl_segment_writer *w, steplog_error *err)
{
    const sl_page_sink sink = {put_table_page, w, &w->offset};
    SL_TRY(flush_facts(w, err));
    return sl_segment_index_write(&w->index, &sink, err);
}

steplog_status sl_segment_writer_publish(sl_segment_writer *w, char *name, int *is_named, steplog_error *err)
{
    char final_name[SL_FILE_NAME_BYTES];
    int e;
    steplog_status status;
    if (name) *name = '\0';
    if (is_named) *is_named = 0;
    SL_TRY_DONE(put_tables(w, err));
    SL_TRY_DONE(flush(w, 0, err));
    sl_segment_name(&w->file_id, final_name);
    SL_KILL_POINT("publish.written");
    if ((e = sl_os->sync_data(w->fd)) < 0) {
        status = sl_fail_os(err, -e, -1, "cannot sync segment '%s'", w->temporary_name);
        goto done;
    }
    SL_KILL_POINT("publish.synced");
    if (name) snprintf(name, 80, "%s/%u/%s", SL_SEGMENT_DIR, (unsigned)w->level, final_name);
    if ((e = sl_os->rename(w->level_dir, w->temporary_name, w->level_dir, final_name)) < 0) {
        status = sl_fail_os(err, -e, -1, "cannot publish segment '%s'", final_name);
        goto done;
    }
    if (is_named) *is_named = 1;
    SL_KILL_POINT("publish.renamed");
    if ((e = sl_os->sync_all(w->level_dir)) < 0) {
        /* It may or may not be there after a power cut; whoever relied on it keeps its source. */
        status = sl_fail_os(err, -e, -1, "cannot sync the directory of segment '%s'", final_name);
        free_writer(w);
        return status;
    }
    SL_KILL_POINT("publish.directory_synced");
    free_writer(w);
    return STEPLOG_OK;
done:
    sl_segment_writer_abort(w);
    return status;
}
