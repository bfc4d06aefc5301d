/* write/segment_index.c: the tables and the trailer of a segment, from what was written before them. */
#include "write/segment_index.h"

#include "base/assert.h"
#include "base/error.h"

#include <stdlib.h>

static steplog_status no_memory(steplog_error *err)
{
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a segment");
}

void sl_segment_index_init(sl_segment_index *x)
{
    *x = (sl_segment_index){.trailer = {.step_min = INT64_MAX,
                                        .step_max = INT64_MIN,
                                        .time_min_ns = STEPLOG_TIME_NONE,
                                        .time_max_ns = STEPLOG_TIME_NONE}};
}

void sl_segment_index_free(sl_segment_index *x)
{
    for (size_t i = 0; i < x->chunks.count; i++) sl_free(x->chunks.items[i].stats);
    SL_VEC_FREE(&x->writers);
    SL_VEC_FREE(&x->schemas);
    SL_VEC_FREE(&x->chunks);
    SL_VEC_FREE(&x->ranges);
    SL_VEC_FREE(&x->records);
    SL_VEC_FREE(&x->groups);
    SL_VEC_FREE(&x->nodes);
}

/* ---- chunks ---- */

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

int sl_segment_index_add_chunk(sl_segment_index *x, uint32_t schema, const sl_chunk_entry *entry,
                               sl_stats_entry *take_stats)
{
    sl_index_chunk chunk = {(uint32_t)x->writers.count - 1, schema, *entry, take_stats};
    if (!SL_VEC_PUSH(&x->chunks, chunk)) {
        sl_free(take_stats);
        return 0;
    }
    count_chunk(&x->trailer, entry);
    return 1;
}

static int has_stats(uint64_t chunk_count, uint64_t value_count, uint32_t column_count)
{
    return chunk_count >= SL_STATS_CHUNKS_MIN && value_count >= chunk_count * column_count * SL_STATS_VALUES_MIN;
}

int sl_segment_index_end_writer(sl_segment_index *x, size_t chunk_first)
{
    struct count {
        uint64_t chunks, values;
    } *counts = sl_alloc_zero(x->schemas.count + 1, sizeof *counts);
    if (!counts) return 0;
    for (size_t i = chunk_first; i < x->chunks.count; i++) {
        counts[x->chunks.items[i].schema].chunks++;
        counts[x->chunks.items[i].schema].values += x->chunks.items[i].entry.value_count;
    }
    for (size_t i = chunk_first; i < x->chunks.count; i++) {
        sl_index_chunk *chunk = &x->chunks.items[i];
        if (has_stats(counts[chunk->schema].chunks, counts[chunk->schema].values,
                      x->schemas.items[chunk->schema].name_count))
            continue;
        sl_free(chunk->stats);
        chunk->stats = NULL;
    }
    sl_free(counts);
    return 1;
}

/* ---- what follows from them ---- */

static int compare_chunks(const void *a, const void *b)
{
    const sl_index_chunk *x = a, *y = b;
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

static int make_groups(sl_segment_index *x)
{
    for (size_t i = 0; i < x->chunks.count; i++) {
        const sl_index_chunk *chunk = &x->chunks.items[i];
        sl_group_entry *group = x->groups.count ? &x->groups.items[x->groups.count - 1] : NULL;
        if (!group || group->writer != chunk->writer || group->schema != chunk->schema) {
            sl_group_entry fresh = {.writer = chunk->writer,
                                    .schema = chunk->schema,
                                    .chunk_first = (uint32_t)i,
                                    .step_min = INT64_MAX,
                                    .step_max = INT64_MIN,
                                    .time_min_ns = STEPLOG_TIME_NONE,
                                    .time_max_ns = STEPLOG_TIME_NONE};
            sl_writer_entry *writer = &x->writers.items[chunk->writer];
            if (writer->group_count == 0) writer->group_first = (uint32_t)x->groups.count;
            writer->group_count++;
            if (!SL_VEC_PUSH(&x->groups, fresh)) return 0;
            group = &x->groups.items[x->groups.count - 1];
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

/* The chunks of node n of a group. */
static uint32_t node_chunks(const sl_group_entry *group, uint32_t node, uint32_t *first)
{
    uint32_t before = node * SL_NODE_CHUNKS, left = group->chunk_count - before;
    *first = group->chunk_first + before;
    return left < SL_NODE_CHUNKS ? left : SL_NODE_CHUNKS;
}

/* Makes the nodes, and says where each group's entries will be. counts: of the tables of statistics. */
static steplog_status make_nodes(sl_segment_index *x, uint64_t *stats_count, uint64_t *node_stats_count,
                                 steplog_error *err)
{
    sl_chunk_entry entries[SL_NODE_CHUNKS];
    *stats_count = *node_stats_count = 0;
    for (size_t g = 0; g < x->groups.count; g++) {
        sl_group_entry *group = &x->groups.items[g];
        uint32_t count = sl_node_count(group->chunk_count), columns = x->schemas.items[group->schema].name_count;
        group->node_first = (uint32_t)x->nodes.count;
        for (uint32_t n = 0; n < count; n++) {
            uint32_t first, chunks = node_chunks(group, n, &first);
            sl_node_entry node;
            for (uint32_t i = 0; i < chunks; i++) entries[i] = x->chunks.items[first + i].entry;
            sl_node_make(entries, chunks, &node);
            if (!SL_VEC_PUSH(&x->nodes, node)) return no_memory(err);
        }
        group->stats_first = group->node_stats_first = SL_NO_STATS;
        if (!has_stats(group->chunk_count, group->value_count, columns)) continue;
        group->stats_first = (uint32_t)*stats_count;
        group->node_stats_first = (uint32_t)*node_stats_count;
        *stats_count += (uint64_t)columns * group->chunk_count;
        *node_stats_count += (uint64_t)columns * count;
        if (*stats_count >= SL_NO_STATS)
            return sl_fail(err, STEPLOG_LIMIT, -1, "a segment of %llu statistics is too large",
                           (unsigned long long)*stats_count);
    }
    return STEPLOG_OK;
}

/* ---- writing ---- */

/* Where a pass over the statistics is: entries come group by group, column by column. */
typedef struct stats_place {
    size_t group;
    uint32_t column, item; /* a chunk or a node of the group */
} stats_place;

/* Goes to the next place that exists, this one if it does. per_group: how many items a group has. */
static void settle_place(const sl_segment_index *x, stats_place *p, int is_node)
{
    for (; p->group < x->groups.count; p->group++, p->column = 0) {
        const sl_group_entry *group = &x->groups.items[p->group];
        uint32_t items = is_node ? sl_node_count(group->chunk_count) : group->chunk_count;
        if (group->stats_first == SL_NO_STATS || items == 0) continue;
        if (p->item == items) {
            p->item = 0;
            p->column++;
        }
        if (p->column < x->schemas.items[group->schema].name_count) return;
    }
}

static void encode_stats(const sl_segment_index *x, stats_place *p, uint8_t *out)
{
    settle_place(x, p, 0);
    const sl_group_entry *group = &x->groups.items[p->group];
    sl_stats_entry_encode(&x->chunks.items[group->chunk_first + p->item++].stats[p->column], out);
}

static void encode_node_stats(const sl_segment_index *x, stats_place *p, uint8_t *out)
{
    settle_place(x, p, 1);
    const sl_group_entry *group = &x->groups.items[p->group];
    sl_node_stats_entry stats;
    uint32_t first, count = node_chunks(group, p->item, &first);
    sl_node_stats_begin(&stats);
    for (uint32_t i = first; i < first + count; i++)
        sl_node_stats_add(&stats, &x->chunks.items[i].entry, &x->chunks.items[i].stats[p->column]);
    if (!(x->nodes.items[group->node_first + p->item].flags & SL_NODE_IS_ASCENDING)) stats = sl_node_stats_none();
    sl_node_stats_entry_encode(&stats, out);
    p->item++;
}

static void encode_entry(const sl_segment_index *x, int table, size_t i, stats_place *p, uint8_t *out)
{
    switch (table) {
    case SL_TABLE_WRITERS: sl_writer_entry_encode(&x->writers.items[i], out); break;
    case SL_TABLE_SCHEMAS: sl_schema_entry_encode(&x->schemas.items[i], out); break;
    case SL_TABLE_GROUPS: sl_group_entry_encode(&x->groups.items[i], out); break;
    case SL_TABLE_CHUNKS: sl_chunk_entry_encode(&x->chunks.items[i].entry, out); break;
    case SL_TABLE_RANGES: sl_range_entry_encode(&x->ranges.items[i], out); break;
    case SL_TABLE_RECORDS: sl_record_entry_encode(&x->records.items[i], out); break;
    case SL_TABLE_NODES: sl_node_entry_encode(&x->nodes.items[i], out); break;
    case SL_TABLE_STATS: encode_stats(x, p, out); break;
    default: encode_node_stats(x, p, out); break;
    }
}

static steplog_status put_table(sl_segment_index *x, const sl_page_sink *sink, int table, uint64_t count,
                                steplog_error *err)
{
    uint8_t content[SL_TABLE_CONTENT_BYTES_MAX];
    const uint32_t entry_bytes = sl_table_entry_bytes[table], most = sl_table_page_most(table, count);
    stats_place place = {0};
    SL_ASSERT(most * entry_bytes <= sizeof content);
    x->trailer.tables[table].offset = *sink->offset;
    x->trailer.tables[table].entry_count = count;
    for (uint64_t from = 0; from < count; from += most) {
        size_t here = (size_t)(count - from < most ? count - from : most);
        for (size_t i = 0; i < here; i++) encode_entry(x, table, (size_t)from + i, &place, content + i * entry_bytes);
        SL_TRY(sink->put(sink->context, sl_table_page_kind[table], (uint32_t)(from / most), content, here * entry_bytes,
                         most >= count, err));
    }
    return STEPLOG_OK;
}

steplog_status sl_segment_index_write(sl_segment_index *x, const sl_page_sink *sink, steplog_error *err)
{
    uint64_t stats_count, node_stats_count;
    if (x->chunks.count) qsort(x->chunks.items, x->chunks.count, sizeof *x->chunks.items, compare_chunks);
    if (x->records.count) qsort(x->records.items, x->records.count, sizeof *x->records.items, compare_records);
    if (!make_groups(x)) return no_memory(err);
    SL_TRY(make_nodes(x, &stats_count, &node_stats_count, err));
    const uint64_t counts[SL_TABLE_COUNT] = {x->writers.count, x->schemas.count, x->groups.count,
                                             x->chunks.count,  x->ranges.count,  x->records.count,
                                             x->nodes.count,   stats_count,      node_stats_count};
    for (int table = 0; table < SL_TABLE_COUNT; table++) SL_TRY(put_table(x, sink, table, counts[table], err));
    uint8_t content[SL_TRAILER_CONTENT_BYTES];
    x->trailer.file_bytes = *sink->offset + SL_TRAILER_BYTES;
    sl_trailer_encode(&x->trailer, content);
    return sink->put(sink->context, SL_PAGE_TRAILER, 0, content, sizeof content, 0, err);
}
