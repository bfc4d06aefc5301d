/* core/verify_stats.c: nodes made again from chunks, and statistics from values.
 *
 * Statistics are as many as chunks times columns, so they are kept neither from the pages nor from the tables. Each
 * chunk has the sum of the hashes of what its values make; the table is read again from its first entry to its last, and
 * gives the same sums, and on the way the statistics of nodes. */
#include "core/verify_segment.h"

#include "format/page_walk.h"

#include <errno.h>
#include <stdio.h>

/* ---- nodes ---- */

static uint32_t columns_of(const sl_segment_check *c, const sl_group_entry *group)
{
    return group->schema < c->schemas.count ? c->schemas.items[group->schema].name_count : 0;
}

/* The chunks of node n of a group. */
static uint32_t node_chunks(const sl_group_entry *group, uint32_t node, uint32_t *first)
{
    uint32_t before = node * SL_NODE_CHUNKS, left = group->chunk_count - before;
    *first = group->chunk_first + before;
    return left < SL_NODE_CHUNKS ? left : SL_NODE_CHUNKS;
}

static int has_stats(const sl_segment_check *c, size_t group)
{
    sl_group_entry stored;
    if (group >= c->table_entries[SL_TABLE_GROUPS]) return 0;
    sl_group_entry_decode(c->tables[SL_TABLE_GROUPS].data + group * SL_GROUP_ENTRY_BYTES, &stored);
    return stored.stats_first != SL_NO_STATS;
}

int sl_verify_make_nodes(sl_segment_check *c, sl_found_group_list *groups, uint64_t *stats_count,
                         uint64_t *node_stats_count)
{
    sl_chunk_entry entries[SL_NODE_CHUNKS];
    *stats_count = *node_stats_count = 0;
    for (size_t g = 0; g < groups->count; g++) {
        sl_group_entry *group = &groups->items[g];
        uint32_t count = sl_node_count(group->chunk_count);
        group->node_first = (uint32_t)c->nodes.count;
        for (uint32_t n = 0; n < count; n++) {
            uint32_t first, chunks = node_chunks(group, n, &first);
            sl_node_entry node;
            for (uint32_t i = 0; i < chunks; i++) entries[i] = c->chunks.items[first + i].entry;
            sl_node_make(entries, chunks, &node);
            if (!SL_VEC_PUSH(&c->nodes, node)) return 0;
        }
        group->stats_first = group->node_stats_first = SL_NO_STATS;
        if (!has_stats(c, g)) continue;
        group->stats_first = (uint32_t)*stats_count;
        group->node_stats_first = (uint32_t)*node_stats_count;
        *stats_count += (uint64_t)columns_of(c, group) * group->chunk_count;
        *node_stats_count += (uint64_t)columns_of(c, group) * count;
    }
    return 1;
}

/* ---- statistics ---- */

/* A table that is read entry by entry, from its first on. */
typedef struct entry_stream {
    const sl_segment_check *c;
    int table;
    sl_page_walk *walk; /* whose buffers hold the page */
    uint64_t next;
    sl_page_item page;
} entry_stream;

/* The next entry, lent until the next call; NULL when its page can no longer be read: os_errno, or 0. */
static const uint8_t *next_entry(entry_stream *s, int *os_errno)
{
    uint32_t bytes = sl_table_entry_bytes[s->table], most = sl_verify_page_most(s->c, s->table);
    uint32_t at = (uint32_t)(s->next % most) * bytes;
    *os_errno = 0;
    if (at == 0)
        sl_page_read_one(s->walk, sl_verify_entry_offset(s->c, s->table, s->next) - SL_PAGE_HEAD_BYTES, &s->page);
    if (s->page.kind == SL_PAGE_ITEM_ERROR) *os_errno = s->page.os_errno;
    else if (s->page.kind != SL_PAGE_ITEM_PAGE || at + bytes > s->page.content_bytes) *os_errno = EIO;
    if (s->page.kind != SL_PAGE_ITEM_PAGE || *os_errno) return NULL;
    s->next++;
    return s->page.content + at;
}

static void report_entry(sl_segment_check *c, int table, uint64_t entry, uint32_t writer, const sl_found_chunk *chunk,
                         const char *what)
{
    sl_segment_place place = {.offset = sl_verify_entry_offset(c, table, entry),
                              .bytes = sl_table_entry_bytes[table],
                              .what = what,
                              .writer = writer};
    if (chunk) {
        place.has_steps = 1;
        place.step_first = chunk->entry.step_min;
        place.step_last = chunk->entry.step_max;
    }
    sl_segment_check_report(c, &place);
}

/* Compares the statistics of a node with what those of its chunks make. 1, or -1. */
static int compare_node(sl_segment_check *c, const sl_group_entry *group, uint32_t node, entry_stream *stream,
                        const sl_node_stats_entry *made, int *os_errno)
{
    uint8_t expected[SL_NODE_STATS_ENTRY_BYTES];
    sl_node_stats_entry none = sl_node_stats_none();
    int is_ascending = c->nodes.items[group->node_first + node].flags & SL_NODE_IS_ASCENDING;
    char what[120];
    const uint8_t *stored = next_entry(stream, os_errno);
    if (!stored) return -1;
    sl_node_stats_entry_encode(is_ascending ? made : &none, expected);
    if (memcmp(stored, expected, sizeof expected) == 0) return 1;
    snprintf(what, sizeof what, "entry %llu of the table of statistics of nodes is not what its chunks make",
             (unsigned long long)(stream->next - 1));
    report_entry(c, SL_TABLE_NODE_STATS, stream->next - 1, group->writer, NULL, what);
    return 1;
}

/* One column of a group: adds its hashes to sums, one for each chunk, and compares its nodes. 1, or -1. */
static int take_column(sl_segment_check *c, const sl_group_entry *group, uint32_t column, entry_stream *stats,
                       entry_stream *nodes, uint64_t *sums, int *os_errno)
{
    const int has_nodes = sl_node_count(group->chunk_count) > 0;
    sl_node_stats_entry made;
    for (uint32_t i = 0; i < group->chunk_count; i++) {
        const sl_found_chunk *chunk = &c->chunks.items[group->chunk_first + i];
        sl_stats_entry entry;
        const uint8_t *stored = next_entry(stats, os_errno);
        if (!stored) return -1;
        sums[i] += sl_verify_stats_hash(column, stored);
        if (!has_nodes) continue;
        if (i % SL_NODE_CHUNKS == 0) sl_node_stats_begin(&made);
        sl_stats_entry_decode(stored, &entry);
        sl_node_stats_add(&made, &chunk->entry, &entry);
        if ((i + 1) % SL_NODE_CHUNKS != 0 && i + 1 != group->chunk_count) continue;
        if (compare_node(c, group, i / SL_NODE_CHUNKS, nodes, &made, os_errno) < 0) return -1;
    }
    return 1;
}

static int compare_group(sl_segment_check *c, const sl_group_entry *group, entry_stream *stats, entry_stream *nodes,
                         int *os_errno)
{
    uint64_t *sums = sl_alloc_zero(group->chunk_count, sizeof *sums);
    int result = sums ? 1 : -1;
    *os_errno = 0;
    for (uint32_t column = 0; column < columns_of(c, group) && result > 0; column++)
        result = take_column(c, group, column, stats, nodes, sums, os_errno);
    for (uint32_t i = 0; i < group->chunk_count && result > 0; i++) {
        const sl_found_chunk *chunk = &c->chunks.items[group->chunk_first + i];
        if (chunk->stats_sum && chunk->stats_sum != sums[i])
            report_entry(c, SL_TABLE_STATS, (uint64_t)group->stats_first + i, group->writer, chunk,
                         "the statistics of a chunk, this entry of its first column or those of others, are not those "
                         "of its values");
    }
    sl_free(sums);
    return result;
}

int sl_verify_stats(sl_segment_check *c, const sl_found_group_list *groups, int *os_errno)
{
    entry_stream stats = {.c = c, .table = SL_TABLE_STATS, .walk = &c->walk};
    entry_stream nodes = {.c = c, .table = SL_TABLE_NODE_STATS, .walk = &c->pages};
    int result = 1;
    for (size_t i = 0; i < groups->count && result > 0; i++)
        if (groups->items[i].stats_first != SL_NO_STATS)
            result = compare_group(c, &groups->items[i], &stats, &nodes, os_errno);
    return result;
}
