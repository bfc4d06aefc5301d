/* compact/compact_job.c: inputs in, one or more segments of the next level out, inputs away.
 *
 * Writer by writer, schema by schema. Blocks that are full and count whole are copied as they are stored; partial ones
 * are decoded and merged with their neighbours. What tombstones cover, after their grace time, is left out and its
 * numbers are listed as dropped. An input goes only after the outputs were published and read back, and after the names
 * of other segments that hold records of it were synced; one with damage stays. */
#include "compact/compact_job.h"

#include "base/error.h"
#include "base/kill_point.h"
#include "compact/blob_copy.h"
#include "compact/compact_plan.h"
#include "compact/removed.h"
#include "read/piece.h"
#include "write/level_dir.h"
#include "write/open_block.h"
#include "write/seal.h"
#include "write/segment_writer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* One block of one group of one input, on its way. */
typedef struct block_source {
    sl_segment *segment;
    const sl_ranges *assigned;
    sl_chunk_entry entry;
    uint32_t ordinal; /* of its schema in the output */
    uint32_t group;   /* in its segment */
} block_source;

typedef struct job {
    steplog_reader *reader;
    const sl_compact_request *request;
    sl_due due;
    steplog_compact_result *result;
    steplog_error *err;
    uint32_t level;
    sl_segment **inputs;
    int *is_damaged;
    size_t input_count;
    const sl_segment *left_out; /* one of those whose tables are damaged; NULL: there is none */
    sl_segment_writer *writer;
    SL_VEC(block_source) blocks;
    sl_blob_copies blobs; /* in the output that is being written */
    sl_range_pile held, dropped; /* of the current incarnation, sets from carry_ranges() on */
    sl_chunk chunk;
    uint64_t done_bytes, total_bytes;
    SL_VEC(char *) outputs;
    sl_ranges relied; /* levels of segments that are no inputs and hold what is in no output */
} job;

static steplog_status no_memory(job *j) { return sl_fail(j->err, STEPLOG_NOMEM, -1, "no memory to compact"); }

static size_t input_index(const job *j, const sl_segment *segment)
{
    for (size_t i = 0; i < j->input_count; i++)
        if (j->inputs[i] == segment) return i;
    return SIZE_MAX;
}

static void mark_damaged(job *j, const sl_segment *segment)
{
    size_t input = input_index(j, segment);
    if (input != SIZE_MAX) j->is_damaged[input] = 1;
}

/* When tables were damaged, what the pages do not tell any more is in no group, range or record: nobody can say that
 * all of such a file was copied. */
static int is_incomplete(const sl_segment *segment)
{
    if (segment->is_rebuilt) return 1;
    for (size_t i = 0; i < segment->writers.count; i++)
        if (segment->writers.items[i].attempt == 0) return 1;
    return 0;
}

static steplog_status tell_progress(job *j)
{
    if (!j->request->progress) return STEPLOG_OK;
    uint64_t done = j->done_bytes < j->total_bytes ? j->done_bytes : j->total_bytes;
    return j->request->progress(j->request->progress_context, done, j->total_bytes) ? STEPLOG_END : STEPLOG_OK;
}

/* ---- blocks ---- */

static void lose_block(job *j, const block_source *source)
{
    mark_damaged(j, source->segment);
    j->result->points_lost += source->entry.value_count;
}

static const sl_group_entry *group_of(const block_source *source) { return &source->segment->groups.items[source->group]; }

/* Copies a block as it is stored. CORRUPT when a page of it is damaged: then nothing was written. */
static steplog_status copy_block(job *j, const block_source *source)
{
    int64_t axis[SL_PART_COUNT][SL_CHUNK_ROWS_MAX];
    sl_segment *segment = source->segment;
    SL_TRY(sl_segment_chunk(segment, source->entry.page_offset, &source->entry, group_of(source), &j->chunk, j->err));
    SL_TRY(sl_segment_axis(segment, &j->chunk, SL_PART_STEPS, axis[SL_PART_STEPS], j->err));
    SL_TRY(sl_segment_axis(segment, &j->chunk, SL_PART_TIMES, axis[SL_PART_TIMES], j->err));
    SL_TRY(sl_segment_sequences(segment, &j->chunk, &source->entry, axis[SL_PART_SEQUENCES], j->err));
    uint32_t count = j->chunk.head.column_count;
    SL_TRY(sl_segment_columns(segment, &j->chunk, count, j->err));
    const uint8_t **payloads = sl_alloc_zero(count, sizeof *payloads);
    sl_stats_entry *stats = sl_alloc_zero(count, sizeof *stats);
    uint8_t *copies = NULL;
    size_t bytes = 0, at = 0;
    for (uint32_t c = 0; c < count; c++) bytes += j->chunk.infos.items[c].payload_bytes;
    steplog_status status = payloads && stats && (copies = sl_alloc(bytes + 1)) ? STEPLOG_OK : no_memory(j);
    for (uint32_t c = 0; c < count && status >= 0; c++) {
        double values[SL_CHUNK_ROWS_MAX];
        uint64_t present[SL_PRESENT_WORDS];
        const uint8_t *payload;
        uint32_t payload_bytes = j->chunk.infos.items[c].payload_bytes;
        status = sl_segment_payload(segment, &j->chunk, c, &payload, j->err);
        if (status < 0 || !payload_bytes) continue;
        memcpy(copies + at, payload, payload_bytes);
        payloads[c] = copies + at;
        at += payload_bytes;
        /* What can not be decoded is not copied as if it were whole. */
        status = sl_segment_column(segment, &j->chunk, c, values, present, j->err);
        if (status >= 0)
            sl_stats_make(values, present, j->chunk.head.row_count, axis[SL_PART_STEPS], source->entry.step_min,
                          &stats[c]);
    }
    if (status >= 0)
        status = sl_segment_writer_block(j->writer, source->ordinal, j->chunk.head.row_count, axis[SL_PART_STEPS],
                                         axis[SL_PART_TIMES], axis[SL_PART_SEQUENCES], j->chunk.infos.items, payloads,
                                         stats, j->err);
    sl_free(copies);
    sl_free(stats);
    sl_free((void *)(uintptr_t)payloads);
    if (status < 0) return status;
    for (uint32_t row = 0; row < j->chunk.head.row_count; row++)
        if (!sl_range_pile_add(&j->held, (uint64_t)axis[SL_PART_SEQUENCES][row],
                               (uint64_t)axis[SL_PART_SEQUENCES][row] + 1))
            return no_memory(j);
    return STEPLOG_OK;
}

static steplog_status decode_all(job *j, const block_source *source, sl_rows *rows)
{
    sl_segment *segment = source->segment;
    SL_TRY(sl_segment_chunk(segment, source->entry.page_offset, &source->entry, group_of(source), &j->chunk, j->err));
    SL_TRY(sl_segment_axis(segment, &j->chunk, SL_PART_STEPS, rows->steps, j->err));
    SL_TRY(sl_segment_axis(segment, &j->chunk, SL_PART_TIMES, rows->times, j->err));
    SL_TRY(sl_segment_sequences(segment, &j->chunk, &source->entry, rows->sequences, j->err));
    rows->row_count = j->chunk.head.row_count;
    for (uint32_t c = 0; c < rows->column_count; c++)
        SL_TRY(sl_segment_column(segment, &j->chunk, c, rows->values + (size_t)c * SL_CHUNK_ROWS_MAX,
                                 rows->present + (size_t)c * SL_PRESENT_WORDS, j->err));
    return STEPLOG_OK;
}

/* Adds the rows of a block that count, one by one. */
static steplog_status add_rows(job *j, const sl_run *run, const sl_incarnation *i, const block_source *source)
{
    const uint32_t columns = source->segment->schemas.items[group_of(source)->schema].name_count;
    const sl_schema_names *names;
    sl_rows *rows = sl_rows_new(columns);
    double *values = sl_alloc(columns * sizeof *values);
    steplog_status status = rows && values ? decode_all(j, source, rows) : no_memory(j);
    if (status >= 0) status = sl_segment_names(source->segment, group_of(source)->schema, &names, j->err);
    uint64_t present[STEPLOG_ROW_METRICS_MAX / 64];
    int has_removed = sl_due_has_any(&j->due, run, &i->id);
    for (uint32_t row = 0; status >= 0 && row < rows->row_count; row++) {
        uint64_t sequence = (uint64_t)rows->sequences[row];
        uint32_t count = 0, removed = 0;
        if (!sl_ranges_has(source->assigned, sequence)) continue;
        memset(present, 0, (columns + 63) / 64 * sizeof *present);
        int is_removed = has_removed && sl_due_has_row(&j->due, run, &i->id, rows->steps[row], sequence);
        for (uint32_t c = 0; c < columns; c++) {
            if (!(rows->present[(size_t)c * SL_PRESENT_WORDS + row / 64] >> (row % 64) & 1)) continue;
            values[c] = rows->values[(size_t)c * SL_CHUNK_ROWS_MAX + row];
            if (is_removed || (has_removed && sl_due_has_value(&j->due, run, &i->id, rows->steps[row], sequence,
                                                               names->names[c], names->bytes[c]))) {
                removed++;
                continue;
            }
            present[c / 64] |= (uint64_t)1 << (c % 64);
            count++;
        }
        j->result->points_dropped += removed;
        if (count == 0) {
            if (!sl_range_pile_add(&j->dropped, sequence, sequence + 1)) status = no_memory(j);
            continue;
        }
        status = sl_segment_writer_row(j->writer, source->ordinal, rows->steps[row], rows->times[row], sequence, values,
                                       present, j->err);
        if (status >= 0 && !sl_range_pile_add(&j->held, sequence, sequence + 1)) status = no_memory(j);
    }
    sl_rows_free(rows);
    sl_free(values);
    return status;
}

static int compare_blocks(const void *a, const void *b)
{
    const block_source *x = a, *y = b;
    if (x->ordinal != y->ordinal) return x->ordinal < y->ordinal ? -1 : 1;
    if (x->entry.sequence_first != y->entry.sequence_first)
        return x->entry.sequence_first < y->entry.sequence_first ? -1 : 1;
    return 0;
}

/* Rows of a schema have to come in ascending numbers: blocks that interleave are sorted row by row. */
static int interleaves(const job *j, size_t n)
{
    const block_source *block = &j->blocks.items[n];
    return (n > 0 && j->blocks.items[n - 1].ordinal == block->ordinal &&
            j->blocks.items[n - 1].entry.sequence_last >= block->entry.sequence_first) ||
           (n + 1 < j->blocks.count && j->blocks.items[n + 1].ordinal == block->ordinal &&
            j->blocks.items[n + 1].entry.sequence_first <= block->entry.sequence_last);
}

/* About what the values of a block take in its file: by their number, because columns of several blocks lie together. */
static uint64_t bytes_of_values(const block_source *source)
{
    const sl_trailer *trailer = &source->segment->trailer;
    return (uint64_t)((double)source->segment->file_bytes * source->entry.value_count /
                      ((double)trailer->value_count + 1));
}

/* How much behind a block will be read soon: the pages of the blocks that come next, where they follow. */
static void look_ahead(job *j, size_t n)
{
    const block_source *block = &j->blocks.items[n];
    uint64_t offset = block->entry.page_offset + block->entry.page_bytes;
    j->chunk.next_count = 0;
    j->chunk.next_bytes = 0;
    for (size_t i = n + 1; i < j->blocks.count && j->chunk.next_bytes < SL_WINDOW_BYTES_MAX; i++) {
        const block_source *next = &j->blocks.items[i];
        if (next->segment != block->segment || next->entry.page_offset != offset) break;
        j->chunk.next_count++;
        j->chunk.next_bytes += next->entry.page_bytes;
        offset += next->entry.page_bytes;
    }
}

/* Two files that hold the same records under different block borders: each block gives only what is assigned to its
 * file, so blocks interleave without sharing a number. They are closed off from each other by writing them apart. */
static steplog_status write_blocks(job *j, const sl_run *run, const sl_incarnation *i)
{
    if (j->blocks.count) qsort(j->blocks.items, j->blocks.count, sizeof *j->blocks.items, compare_blocks);
    for (size_t n = 0; n < j->blocks.count; n++) {
        const block_source *source = &j->blocks.items[n];
        const uint32_t columns = source->segment->schemas.items[group_of(source)->schema].name_count;
        int is_whole = sl_ranges_has_all(source->assigned, source->entry.sequence_first,
                                         source->entry.sequence_last + 1);
        int is_full = source->entry.row_count == sl_block_rows_max(columns);
        if (n && j->blocks.items[n - 1].ordinal != source->ordinal) SL_TRY(sl_segment_writer_flush(j->writer, j->err));
        if (interleaves(j, n)) SL_TRY(sl_segment_writer_flush(j->writer, j->err));
        look_ahead(j, n);
        steplog_status status = is_whole && is_full && !sl_due_has_any(&j->due, run, &i->id) ? copy_block(j, source)
                                                                                             : add_rows(j, run, i, source);
        SL_KILL_POINT("compact.block_written");
        if (status == STEPLOG_CORRUPT)
            lose_block(j, source);
        else if (status < 0)
            return status;
        j->done_bytes += source->entry.page_bytes + bytes_of_values(source);
        if ((status = tell_progress(j)) != STEPLOG_OK) return status;
    }
    return sl_segment_writer_flush(j->writer, j->err);
}

static steplog_status collect_blocks(job *j, const sl_source *source)
{
    sl_segment *segment = source->segment;
    const sl_writer_entry *w = &segment->writers.items[source->writer];
    sl_chunk_list chunks = {0};
    steplog_status status = STEPLOG_OK;
    for (uint32_t g = 0; g < w->group_count && status >= 0; g++) {
        uint32_t schema = segment->groups.items[w->group_first + g].schema, ordinal;
        const sl_schema_names *names;
        status = sl_segment_names(segment, schema, &names, j->err);
        if (status < 0 && status != STEPLOG_CORRUPT) break;
        if (status < 0) {
            status = STEPLOG_OK;
            mark_damaged(j, segment);
            j->result->points_lost += segment->groups.items[w->group_first + g].value_count;
            continue;
        }
        status = sl_segment_writer_schema(j->writer, names->names, names->bytes, names->count, &ordinal, j->err);
        if (status >= 0) status = sl_segment_chunks(segment, w->group_first + g, &chunks, j->err);
        /* A damaged chunk table is found only now, and entries that break a rule are left out. */
        if (status >= 0 &&
            (segment->is_rebuilt || chunks.count < segment->groups.items[w->group_first + g].chunk_count))
            mark_damaged(j, segment);
        for (size_t c = 0; c < chunks.count && status >= 0; c++) {
            block_source block = {.segment = segment,
                                  .assigned = &source->assigned,
                                  .entry = chunks.items[c],
                                  .ordinal = ordinal,
                                  .group = w->group_first + g};
            if (!sl_ranges_has_any(&source->assigned, block.entry.sequence_first, block.entry.sequence_last + 1))
                continue;
            if (!SL_VEC_PUSH(&j->blocks, block)) status = no_memory(j);
        }
    }
    SL_VEC_FREE(&chunks);
    return status;
}

/* ---- facts and blobs ---- */

static steplog_status copy_records(job *j, const sl_run *run, const sl_incarnation *i, const sl_source *source)
{
    sl_segment *segment = source->segment;
    const sl_writer_entry *w = &segment->writers.items[source->writer];
    for (uint32_t n = 0; n < w->record_count; n++) {
        const sl_record_entry *entry = &segment->records.items[w->record_first + n];
        sl_record_prefix prefix;
        const uint8_t *content;
        if (!sl_ranges_has(&source->assigned, entry->sequence)) continue;
        sl_range_pile *pile = &j->dropped;
        steplog_status status = STEPLOG_OK;
        if (!sl_due_has_record(&j->due, run, &i->id, entry)) {
            pile = &j->held;
            status = sl_segment_record(segment, entry, &prefix, &content, j->err);
            if (status >= 0)
                status = entry->type == SL_ENTRY_BLOB
                             ? sl_blob_copy(&j->blobs, j->writer, segment, entry, &prefix, content, j->err)
                             : sl_segment_writer_fact(j->writer, content, entry->bytes, entry->sequence,
                                                      entry->sequence_count, j->err);
        }
        if (status == STEPLOG_CORRUPT) {
            mark_damaged(j, segment);
            continue;
        }
        if (status < 0) return status;
        if (!sl_range_pile_add(pile, entry->sequence, entry->sequence + entry->sequence_count)) return no_memory(j);
    }
    return STEPLOG_OK;
}

/* ---- writers ---- */

/* Other segments of its writer may have what an input holds and is not asked for. */
static int note_relied(job *j, const sl_incarnation *i)
{
    for (size_t s = 0; s < i->sources.count; s++) {
        const sl_segment *segment = i->sources.items[s].segment;
        if (segment && input_index(j, segment) == SIZE_MAX &&
            !sl_ranges_add(&j->relied, segment->level, (uint64_t)segment->level + 1))
            return 0;
    }
    return 1;
}

/* Numbers that an input holds without a row or record (parts of a text that was not completed) stay held. */
static steplog_status carry_ranges(job *j, const sl_incarnation *i, const sl_source *source)
{
    sl_ranges rest = {0}, held = {0}, dropped = {0};
    int is_good = sl_ranges_copy(&rest, &source->assigned) && sl_ranges_subtract(&rest, &j->held.set) &&
                  sl_ranges_subtract(&rest, &j->dropped.set);
    size_t input = input_index(j, source->segment);
    if (is_good && input != SIZE_MAX && !j->is_damaged[input]) is_good = sl_ranges_add_all(&j->held.set, &rest);
    is_good = is_good && sl_segment_ranges(source->segment, source->writer, &held, &dropped) &&
              sl_ranges_add_all(&j->dropped.set, &dropped) && sl_ranges_subtract(&held, &source->assigned);
    if (is_good && held.count) is_good = note_relied(j, i);
    SL_VEC_FREE(&rest);
    SL_VEC_FREE(&held);
    SL_VEC_FREE(&dropped);
    return is_good ? STEPLOG_OK : no_memory(j);
}

static steplog_status publish(job *j)
{
    char name[80];
    if (!j->writer) return STEPLOG_OK;
    SL_KILL_POINT("compact.writing_done");
    steplog_status status = sl_segment_writer_publish(j->writer, name, NULL, j->err);
    j->writer = NULL;
    sl_blob_copies_clear(&j->blobs);
    SL_KILL_POINT("compact.published");
    if (status >= 0) status = sl_segment_read_back(j->reader->context.store_dir, name, j->err);
    if (status == STEPLOG_MISSING) status = STEPLOG_OK; /* see are_outputs_there() */
    char *copy = status >= 0 ? sl_copy_text(name) : NULL;
    if (status >= 0 && (!copy || !SL_VEC_PUSH(&j->outputs, copy))) {
        sl_free(copy);
        status = no_memory(j);
    }
    return status;
}

static steplog_status compact_incarnation(job *j, const sl_run *run, sl_incarnation *i)
{
    steplog_status status = STEPLOG_OK;
    int is_wanted = 0;
    for (size_t s = 0; s < i->sources.count; s++)
        if (i->sources.items[s].segment && input_index(j, i->sources.items[s].segment) != SIZE_MAX) is_wanted = 1;
    if (!is_wanted) return STEPLOG_OK;
    if (!i->has_description) { /* its writer page is damaged: leave its files alone */
        for (size_t s = 0; s < i->sources.count; s++)
            if (i->sources.items[s].segment) mark_damaged(j, i->sources.items[s].segment);
        return STEPLOG_OK;
    }
    if (!j->writer) SL_TRY(sl_segment_writer_open(j->reader->context.store_dir, j->level, &j->writer, j->err));
    j->blocks.count = 0;
    sl_range_pile_clear(&j->held);
    sl_range_pile_clear(&j->dropped);
    SL_TRY(sl_segment_writer_begin(j->writer, i->description_bytes.data, i->description_bytes.bytes, j->err));
    for (size_t s = 0; s < i->sources.count && status >= 0; s++) {
        const sl_source *source = &i->sources.items[s];
        if (!source->segment || input_index(j, source->segment) == SIZE_MAX) continue;
        status = copy_records(j, run, i, source);
        if (status >= 0) status = collect_blocks(j, source);
    }
    SL_KILL_POINT("compact.records_copied");
    if (status >= 0 && (status = write_blocks(j, run, i)) != STEPLOG_OK) return status;
    SL_KILL_POINT("compact.blocks_written");
    sl_range_pile_settle(&j->held);
    sl_range_pile_settle(&j->dropped);
    for (size_t s = 0; s < i->sources.count && status >= 0; s++)
        if (i->sources.items[s].segment && input_index(j, i->sources.items[s].segment) != SIZE_MAX)
            status = carry_ranges(j, i, &i->sources.items[s]);
    /* What one input had freed another may have brought back: an old copy, the output of a compaction that slept. */
    if (status >= 0 && !sl_ranges_subtract(&j->dropped.set, &j->held.set)) status = no_memory(j);
    if (status >= 0) status = sl_segment_writer_end(j->writer, &j->held.set, &j->dropped.set, j->err);
    if (status >= 0 && sl_segment_writer_bytes(j->writer) >= SL_COMPACT_OUTPUT_BYTES) status = publish(j);
    return status;
}

static _Thread_local const steplog_reader *sorting_reader;

static int compare_incarnations(const void *a, const void *b)
{
    const sl_incarnation *x = &sorting_reader->incarnations.items[*(const uint32_t *)a],
                         *y = &sorting_reader->incarnations.items[*(const uint32_t *)b];
    int order = memcmp(x->run.bytes, y->run.bytes, 16);
    return order ? order : memcmp(x->id.bytes, y->id.bytes, 16);
}

static steplog_status write_outputs(job *j)
{
    size_t count = j->reader->incarnations.count;
    uint32_t *order = sl_alloc(count * sizeof *order);
    if (!order) return no_memory(j);
    for (uint32_t n = 0; n < count; n++) order[n] = n;
    sorting_reader = j->reader;
    qsort(order, count, sizeof *order, compare_incarnations);
    steplog_status status = STEPLOG_OK;
    for (size_t n = 0; n < count && status == STEPLOG_OK; n++) {
        sl_incarnation *i = &j->reader->incarnations.items[order[n]];
        sl_run *run = sl_reader_run(j->reader, &i->run);
        status = sl_run_load(j->reader, run, j->err);
        if (status >= 0) status = compact_incarnation(j, run, i);
        if (status == STEPLOG_OK) status = tell_progress(j);
    }
    sl_free(order);
    return status == STEPLOG_OK ? publish(j) : status;
}

/* ---- the whole ---- */

/* By their first writer and what it holds: when not all can be merged at once, neighbours are, and blocks do not reach
 * over the rows of other files. */
static int compare_segments(const void *a, const void *b)
{
    const sl_segment *x = *(sl_segment *const *)a, *y = *(sl_segment *const *)b;
    if (!x->writers.count || !y->writers.count) return (x->writers.count > 0) - (y->writers.count > 0);
    const sl_writer_entry *v = &x->writers.items[0], *w = &y->writers.items[0];
    int order = memcmp(v->incarnation.bytes, w->incarnation.bytes, sizeof v->incarnation.bytes);
    if (order) return order;
    uint64_t p = v->range_count ? x->ranges.items[v->range_first].sequence_begin : 0;
    uint64_t q = w->range_count ? y->ranges.items[w->range_first].sequence_begin : 0;
    return p < q ? -1 : p > q;
}

static steplog_status choose(job *j)
{
    size_t count = j->reader->segments.count;
    sl_compact_file *files = sl_alloc_zero(count, sizeof *files);
    j->inputs = sl_alloc_zero(count, sizeof *j->inputs);
    j->is_damaged = sl_alloc_zero(count, sizeof *j->is_damaged);
    if (!files || !j->inputs || !j->is_damaged) {
        sl_free(files);
        return no_memory(j);
    }
    size_t candidates = 0;
    for (size_t i = 0; i < count; i++) {
        sl_segment *segment = j->reader->segments.items[i];
        if (segment->level == SL_LEVEL_MAX) continue; /* an output lies above its inputs */
        if (is_incomplete(segment)) { /* left alone: merging it again and again would never free it */
            j->left_out = segment;
            continue;
        }
        j->inputs[candidates++] = segment;
    }
    if (candidates) qsort(j->inputs, candidates, sizeof(sl_segment *), compare_segments);
    for (size_t i = 0; i < candidates; i++)
        files[i] = (sl_compact_file){.level = j->inputs[i]->level,
                                     .bytes = j->inputs[i]->file_bytes,
                                     .has_removed = sl_due_has_segment(&j->due, j->reader, j->inputs[i])};
    size_t picked = sl_compact_pick(files, candidates, (j->request->flags & STEPLOG_COMPACT_LIGHT) != 0);
    if (j->request->has_more) *j->request->has_more = picked == SL_COMPACT_INPUTS_MAX;
    for (size_t i = 0; i < candidates; i++) {
        if (!files[i].is_picked) continue;
        j->inputs[j->input_count++] = j->inputs[i];
        j->total_bytes += files[i].bytes;
        if (files[i].level + 1 > j->level) j->level = files[i].level + 1;
    }
    sl_free(files);
    return STEPLOG_OK;
}

/* An output that is gone was compacted once more by somebody, or deleted: nobody knows, so the inputs stay for the next
 * compaction. */
static steplog_status are_outputs_there(job *j, int *yes)
{
    *yes = 1;
    for (size_t i = 0; i < j->outputs.count && *yes; i++) {
        sl_os_stat stat;
        int e = sl_os->stat_name(j->reader->context.store_dir, j->outputs.items[i], &stat);
        if (e < 0 && e != -ENOENT) return sl_fail_os(j->err, -e, -1, "cannot look for '%s'", j->outputs.items[i]);
        *yes = e == 0;
    }
    return STEPLOG_OK;
}

static steplog_status retire_inputs(job *j)
{
    int dir = j->reader->context.store_dir, is_safe;
    steplog_status status = are_outputs_there(j, &is_safe);
    if (status < 0 || !is_safe) return status;
    /* Whoever published those may not have lived to sync their names. */
    SL_TRY(sl_level_dirs_sync(dir, &j->relied, j->err));
    for (size_t i = 0; i < j->input_count; i++) {
        if (j->is_damaged[i] || is_incomplete(j->inputs[i])) {
            status = sl_fail(j->err, STEPLOG_CORRUPT, -1,
                             "'%s' is damaged and was kept; what could be read of it was compacted",
                             j->inputs[i]->name);
            continue;
        }
        SL_KILL_POINT("compact.removing_input");
        int e = sl_os->unlink(dir, j->inputs[i]->name);
        SL_KILL_POINT("compact.input_removed");
        if (e < 0 && e != -ENOENT && status >= 0) /* gone: another compaction had it as well */
            status = sl_fail_os(j->err, -e, -1, "cannot remove '%s'", j->inputs[i]->name);
    }
    return status;
}

static void free_job(job *j)
{
    sl_segment_writer_abort(j->writer);
    for (size_t i = 0; i < j->outputs.count; i++) sl_free(j->outputs.items[i]);
    SL_VEC_FREE(&j->outputs);
    SL_VEC_FREE(&j->blocks);
    SL_VEC_FREE(&j->relied);
    sl_blob_copies_free(&j->blobs);
    sl_range_pile_free(&j->held);
    sl_range_pile_free(&j->dropped);
    sl_chunk_free(&j->chunk);
    sl_free(j->inputs);
    sl_free(j->is_damaged);
    sl_reader_free(j->reader);
}

steplog_status sl_compact_segments(const sl_read_context *context, const sl_compact_request *request,
                                   steplog_compact_result *out, steplog_error *err)
{
    job j = {.request = request,
             .due = {request->now_ns, (request->flags & STEPLOG_COMPACT_NOW) != 0},
             .result = out,
             .err = err};
    steplog_status status;
    SL_TRY_DONE(sl_reader_new(context, &j.reader, err));
    for (size_t i = 0; i < j.reader->segments.count; i++) out->bytes_before += j.reader->segments.items[i]->file_bytes;
    out->files_before += j.reader->segments.count;
    for (size_t i = 0; i < j.reader->runs.count; i++) SL_TRY_DONE(sl_run_load(j.reader, &j.reader->runs.items[i], err));
    SL_KILL_POINT("compact.loaded");
    SL_TRY_DONE(choose(&j));
    if (j.input_count) {
        SL_KILL_POINT("compact.chosen");
        status = write_outputs(&j);
        if (status != STEPLOG_OK) goto done;
        SL_KILL_POINT("compact.outputs_there");
        status = retire_inputs(&j);
        SL_KILL_POINT("compact.inputs_gone");
    }
    if (j.left_out && status >= 0 && !(request->flags & STEPLOG_COMPACT_LIGHT))
        status = sl_fail(err, STEPLOG_CORRUPT, -1, "'%s' has a damaged index and was left out", j.left_out->name);
    steplog_error ignored;
    if (sl_snapshot_take(j.reader, &ignored) >= 0) {
        for (size_t i = 0; i < j.reader->segments.count; i++)
            out->bytes_after += j.reader->segments.items[i]->file_bytes;
        out->files_after += j.reader->segments.count;
    }
done:
    free_job(&j);
    return status;
}
