/* read/downsample.c: M4 (Jugel, Jerzak, Hackenbroich, Markl: M4: A Visualization-Oriented Time Series Data Aggregation,
 * 2014): first, last, smallest and largest value of each pixel column, and how many values are not finite.
 *
 * A node or a block whose rows all fall into one bucket, all count, and overlap nothing else is taken from its statistics.
 * The others are decoded in the order of the view: so a series of any length costs the blocks at the borders of pixels, and
 * 80 bytes for each node between them. */
#include "read/m4.h"
#include "read/merge.h"

#include "base/error.h"

#include <stdlib.h>

typedef struct pass {
    sl_m4 m4;
    sl_piece_set *set;
    sl_merge merge;
    sl_table_view stats, node_stats;
    const sl_origin *damaged; /* whose statistics can not be read */
    sl_rows *rows;            /* of the block that is decoded for itself */
    steplog_error *err;
} pass;

/* ---- statistics ---- */

/* Entry of an item (a block or a node, of item_count) in a table of statistics, and how many follow it directly, it
 * included; NULL when there is none that can be read. */
static const uint8_t *find_stats(pass *p, const sl_origin *origin, int table, uint32_t first, uint32_t item,
                                 uint32_t item_count, uint32_t *run)
{
    sl_table_view *view = table == SL_TABLE_STATS ? &p->stats : &p->node_stats;
    const uint8_t *out;
    if (first == SL_NO_STATS || origin == p->damaged || origin->segment->is_rebuilt) return NULL;
    uint64_t index = first + (uint64_t)origin->columns->stored[0] * item_count + item;
    uint32_t soon = table == SL_TABLE_STATS ? SL_NODE_CHUNKS - item % SL_NODE_CHUNKS : item_count - item;
    if (soon > item_count - item) soon = item_count - item;
    if (sl_table_run(origin->segment, view, table, index, soon, &out, run, NULL) >= 0) return out;
    const sl_trailer *trailer = &origin->segment->trailer;
    const uint64_t page = index / sl_table_page_most(table, trailer->tables[table].entry_count);
    sl_segment_report(origin->segment, sl_table_page_offset(trailer, table, page),
                      view->bytes, "page of statistics is damaged: the values were read instead", NULL, NULL, NULL);
    p->damaged = origin;
    return NULL;
}

/* Takes a whole node from its statistics. 0 when its blocks have to be looked at. */
static int add_node(pass *p, const sl_piece_node *node)
{
    const sl_group_entry *group = &node->origin->group;
    sl_node_stats_entry stats;
    uint32_t run;
    if (!node->is_whole || !(node->entry.flags & SL_NODE_IS_ASCENDING) ||
        !sl_m4_is_one_bucket(&p->m4, node->step_min, node->step_max))
        return 0;
    const uint8_t *in = find_stats(p, node->origin, SL_TABLE_NODE_STATS, group->node_stats_first, node->node,
                                   sl_node_count(group->chunk_count), &run);
    if (!in || !sl_node_stats_entry_decode(in, &stats) || stats.value_count == SL_NODE_STATS_NONE) return 0;
    sl_m4_add(&p->m4, &(sl_m4_summary){.first = stats.first,
                                       .last = stats.last,
                                       .smallest = stats.smallest,
                                       .largest = stats.largest,
                                       .first_step = stats.first_step,
                                       .last_step = stats.last_step,
                                       .smallest_step = stats.smallest_step,
                                       .largest_step = stats.largest_step,
                                       .count = stats.value_count,
                                       .nan_count = stats.nan_count,
                                       .positive_inf_count = stats.positive_inf_count,
                                       .negative_inf_count = stats.negative_inf_count});
    return 1;
}

/* Takes a whole block, whose steps ascend, from its statistics (in; NULL: there are none). 0 when it has to be decoded. */
static int add_stats(pass *p, const sl_chunk_entry *entry, const uint8_t *in)
{
    sl_stats_entry stats;
    if (!in || !sl_m4_is_one_bucket(&p->m4, entry->step_min, entry->step_max) || !sl_stats_entry_decode(in, &stats) ||
        stats.value_count == SL_STATS_NONE)
        return 0;
    const uint64_t from = (uint64_t)entry->step_min;
    sl_m4_add(&p->m4, &(sl_m4_summary){.first = stats.first,
                                       .last = stats.last,
                                       .smallest = stats.smallest,
                                       .largest = stats.largest,
                                       .first_step = (int64_t)(from + stats.first_distance),
                                       .last_step = (int64_t)(from + stats.last_distance),
                                       .smallest_step = (int64_t)(from + stats.smallest_distance),
                                       .largest_step = (int64_t)(from + stats.largest_distance),
                                       .count = stats.value_count,
                                       .nan_count = stats.nan_count,
                                       .positive_inf_count = stats.positive_inf_count,
                                       .negative_inf_count = stats.negative_inf_count});
    return 1;
}

/* ---- blocks ---- */

/* Decodes the steps and values of a whole block whose steps ascend. A damaged one is reported and passed over. */
static steplog_status add_values(pass *p, const sl_origin *origin, const sl_chunk_entry *entry)
{
    sl_chunk *chunk = &p->set->chunk;
    uint32_t column = origin->columns->stored[0];
    if (!p->rows && !(p->rows = sl_rows_new(1))) return sl_fail(p->err, STEPLOG_NOMEM, -1, "no memory to read points");
    sl_rows_reset(p->rows, 1);
    chunk->next_count = 0;
    chunk->next_bytes = 0;
    steplog_status status = sl_segment_chunk(origin->segment, entry->page_offset, entry, &origin->group, chunk, p->err);
    if (status >= 0 && column >= chunk->head.column_count) return STEPLOG_OK;
    if (status >= 0) status = sl_segment_axis(origin->segment, chunk, SL_PART_STEPS, p->rows->steps, p->err);
    if (status >= 0)
        status = sl_segment_column(origin->segment, chunk, column, p->rows->values, p->rows->present, p->err);
    if (status == STEPLOG_CORRUPT) return STEPLOG_OK;
    if (status < 0) return status;
    p->rows->row_count = chunk->head.row_count;
    sl_m4_add_rows(&p->m4, p->rows, 0, p->rows->row_count);
    return STEPLOG_OK;
}

static steplog_status add_block(pass *p, const sl_origin *origin, const sl_chunk_entry *entry, uint32_t chunk)
{
    uint32_t run;
    const uint8_t *in = find_stats(p, origin, SL_TABLE_STATS, origin->group.stats_first, chunk, origin->group.chunk_count,
                                   &run);
    return add_stats(p, entry, in) ? STEPLOG_OK : add_values(p, origin, entry);
}

/* A whole node that lies across buckets: block by block. */
static steplog_status add_node_blocks(pass *p, const sl_piece_node *node)
{
    sl_piece_set *set = p->set;
    const sl_origin *origin = node->origin;
    SL_TRY(sl_segment_node_chunks(origin->segment, &set->chunk_table, &origin->group, node->node, &node->entry,
                                  &set->chunks, p->err));
    const uint32_t first = node->node * SL_NODE_CHUNKS, count = (uint32_t)set->chunks.count;
    /* Where an entry was left out it is not known which statistics are whose. */
    const int is_complete = count == SL_NODE_CHUNKS || first + count == origin->group.chunk_count;
    for (uint32_t i = 0, run = count; i < count; i += run) {
        const uint8_t *in = find_stats(p, origin, SL_TABLE_STATS, origin->group.stats_first, first + i,
                                       origin->group.chunk_count, &run);
        if (!is_complete) in = NULL;
        if (!in || run > count - i) run = count - i;
        for (uint32_t n = 0; n < run; n++) {
            const sl_chunk_entry *entry = &set->chunks.items[i + n];
            if (!add_stats(p, entry, in ? in + n * SL_STATS_ENTRY_BYTES : NULL)) SL_TRY(add_values(p, origin, entry));
        }
    }
    return STEPLOG_OK;
}

static int is_plain_piece(const sl_piece *piece)
{
    return piece->origin->segment && piece->is_whole && (piece->entry.flags & SL_CHUNK_STEPS_SORTED) != 0;
}

/* ---- the pass ---- */

/* The first step of what comes after item piece and node nodes have been passed over; INT64_MAX: perhaps nothing. */
static int64_t next_step(const pass *p, size_t piece, size_t node)
{
    int64_t step = INT64_MAX;
    if (piece < p->set->pieces.count) step = p->set->pieces.items[piece].step_min;
    if (node < p->set->nodes.count && p->set->nodes.items[node].step_min < step)
        step = p->set->nodes.items[node].step_min;
    return step;
}

static int is_last(const pass *p, size_t piece, size_t node)
{
    return piece == p->set->pieces.count && node == p->set->nodes.count;
}

static steplog_status take_node(pass *p)
{
    sl_merge *m = &p->merge;
    const sl_piece_node node = p->set->nodes.items[m->next_node];
    if (is_last(p, m->next, m->next_node + 1) || next_step(p, m->next, m->next_node + 1) > node.step_max) {
        int is_plain = node.is_whole && (node.entry.flags & SL_NODE_IS_ASCENDING);
        if (add_node(p, &node)) {
            m->next_node++;
            return STEPLOG_OK;
        }
        if (is_plain && !node.origin->segment->is_rebuilt) {
            m->next_node++;
            return add_node_blocks(p, &node);
        }
    }
    return sl_merge_expand(m, p->err);
}

/* Merges the pieces that overlap the next one; nodes that do are expanded first. */
static steplog_status take_pieces(pass *p)
{
    sl_merge *m = &p->merge;
    sl_piece_set *set = p->set;
    const sl_piece *first = &set->pieces.items[m->next];
    size_t end = m->next + 1;
    for (int64_t reach = first->step_max;; end++) {
        if (m->next_node < set->nodes.count && set->nodes.items[m->next_node].step_min <= reach)
            return sl_merge_expand(m, p->err); /* and once more */
        if (end == set->pieces.count || set->pieces.items[end].step_min > reach) break;
        if (set->pieces.items[end].step_max > reach) reach = set->pieces.items[end].step_max;
    }
    if (end == m->next + 1 && is_plain_piece(first)) {
        const sl_piece piece = *first;
        m->next++;
        return add_block(p, piece.origin, &piece.entry, piece.chunk);
    }
    m->end = end;
    steplog_status status;
    for (sl_piece *piece; (status = sl_merge_top(m, &piece, p->err)) >= 0 && piece;) {
        uint32_t count = sl_merge_run_length(m);
        if (count == 0) count = 1;
        sl_m4_add_rows(&p->m4, piece->rows, piece->row, count);
        sl_merge_advance(m, count);
    }
    m->end = SIZE_MAX;
    return status;
}

static steplog_status reduce(pass *p)
{
    sl_merge *m = &p->merge;
    steplog_status status = STEPLOG_OK;
    sl_merge_init(m, p->set);
    while (status >= 0 && !is_last(p, m->next, m->next_node))
        status = sl_merge_node_is_next(m) ? take_node(p) : take_pieces(p);
    sl_merge_free(m);
    return status;
}

static void free_pass(pass *p)
{
    sl_rows_free(p->rows);
    sl_table_view_free(&p->stats);
    sl_table_view_free(&p->node_stats);
}

static steplog_status collect(steplog_reader *r, const steplog_id *run, steplog_series series,
                              const sl_piece_view *view, sl_piece_set *set, steplog_error *err)
{
    for (int tries = 0; tries < 100; tries++) {
        *set = (sl_piece_set){0};
        steplog_status status = sl_pieces_collect(r, run, &series, 1, view, set, err);
        if (status == STEPLOG_OK) return status;
        sl_pieces_free(set);
        if (status < 0) return status;
        SL_TRY(sl_snapshot_take(r, err));
    }
    return sl_fail(err, STEPLOG_IO, -1, "logs change faster than they can be read");
}

/* ---- the series' own range ---- */

/* A piece or a node, by where it may begin, or may end: then the steps are ~, so that they go the other way. */
typedef struct bound {
    int64_t key;
    size_t index;
    int is_node;
} bound;

typedef SL_VEC(bound) bound_list;

typedef struct border {
    int is_last, is_found;
    int64_t key; /* of the first point that was found, or of the last one */
} border;

/* Lets the one at an index of a heap by key sink to its place. */
static void sink(bound *heap, size_t count, size_t at)
{
    const bound sinking = heap[at];
    for (size_t down; (down = 2 * at + 1) < count; at = down) {
        if (down + 1 < count && heap[down + 1].key < heap[down].key) down++;
        if (heap[down].key >= sinking.key) break;
        heap[at] = heap[down];
    }
    heap[at] = sinking;
}

static int64_t key_of(const border *b, int64_t first, int64_t last) { return b->is_last ? ~last : first; }

/* The points of something are from first to last. */
static void find_point(border *b, int64_t first, int64_t last)
{
    const int64_t key = key_of(b, first, last);
    if (!b->is_found || key < b->key) b->key = key;
    b->is_found = 1;
}

/* What statistics say, where they can be true. 0: the values have to be read. */
static int take_border(border *b, uint64_t count, int64_t first, int64_t last, int64_t step_min, int64_t step_max)
{
    if (count && (first < step_min || last > step_max || first > last)) return 0;
    if (count) find_point(b, first, last);
    return 1;
}

static steplog_status find_in_piece(pass *p, const sl_piece *piece, border *b)
{
    const sl_origin *origin = piece->origin;
    sl_stats_entry stats;
    uint32_t run;
    if (piece->rows) { /* of a log: they are the series' */
        find_point(b, piece->step_min, piece->step_max);
        return STEPLOG_OK;
    }
    if (is_plain_piece(piece)) {
        const uint64_t from = (uint64_t)piece->entry.step_min;
        const uint8_t *in = find_stats(p, origin, SL_TABLE_STATS, origin->group.stats_first, piece->chunk,
                                       origin->group.chunk_count, &run);
        if (in && sl_stats_entry_decode(in, &stats) && stats.value_count != SL_STATS_NONE &&
            take_border(b, stats.value_count, (int64_t)(from + stats.first_distance),
                        (int64_t)(from + stats.last_distance), piece->step_min, piece->step_max))
            return STEPLOG_OK;
    }
    sl_piece decoded = *piece;
    steplog_status status = sl_piece_decode(p->set, &decoded, NULL, 0, p->err);
    for (uint32_t row = 0; status >= 0 && row < decoded.rows->row_count; row++)
        if (sl_rows_has_any(decoded.rows, row)) find_point(b, decoded.rows->steps[row], decoded.rows->steps[row]);
    sl_piece_release_rows(p->set, &decoded);
    return status;
}

static steplog_status find_in_node(pass *p, const sl_piece_node *node, border *b)
{
    sl_piece_set *set = p->set;
    const sl_group_entry *group = &node->origin->group;
    sl_node_stats_entry stats;
    uint32_t run;
    if (node->is_whole && (node->entry.flags & SL_NODE_IS_ASCENDING)) {
        const uint8_t *in = find_stats(p, node->origin, SL_TABLE_NODE_STATS, group->node_stats_first, node->node,
                                       sl_node_count(group->chunk_count), &run);
        if (in && sl_node_stats_entry_decode(in, &stats) && stats.value_count != SL_NODE_STATS_NONE &&
            take_border(b, stats.value_count, stats.first_step, stats.last_step, node->step_min, node->step_max))
            return STEPLOG_OK;
    }
    const size_t before = set->pieces.count;
    steplog_status status = sl_node_expand(set, node, p->err);
    for (size_t i = before; i < set->pieces.count && status >= 0; i++) {
        const sl_piece piece = set->pieces.items[i];
        if (!b->is_found || key_of(b, piece.step_min, piece.step_max) < b->key) status = find_in_piece(p, &piece, b);
    }
    set->pieces.count = before; /* the pass will expand it when it comes there */
    return status;
}

/* Finds the first point, or the last one: looks at what may hold it in the order in which that may begin, until nothing
 * may begin before what was found. Nearly always that is one look into the statistics. */
static steplog_status find_border(pass *p, border *b)
{
    const sl_piece_set *set = p->set;
    bound_list bounds = {0};
    steplog_status status = STEPLOG_OK;
    if (!SL_VEC_RESERVE(&bounds, set->pieces.count + set->nodes.count))
        return sl_fail(p->err, STEPLOG_NOMEM, -1, "no memory to read points");
    for (size_t i = 0; i < set->pieces.count; i++)
        bounds.items[bounds.count++] =
            (bound){key_of(b, set->pieces.items[i].step_min, set->pieces.items[i].step_max), i, 0};
    for (size_t i = 0; i < set->nodes.count; i++)
        bounds.items[bounds.count++] = (bound){key_of(b, set->nodes.items[i].step_min, set->nodes.items[i].step_max), i, 1};
    for (size_t i = bounds.count / 2; i-- > 0;) sink(bounds.items, bounds.count, i);
    while (bounds.count && status >= 0 && (!b->is_found || bounds.items[0].key < b->key)) {
        const bound first = bounds.items[0];
        bounds.items[0] = bounds.items[--bounds.count];
        if (bounds.count) sink(bounds.items, bounds.count, 0);
        status = first.is_node ? find_in_node(p, &set->nodes.items[first.index], b)
                               : find_in_piece(p, &set->pieces.items[first.index], b);
    }
    SL_VEC_FREE(&bounds);
    return status;
}

/* Finds the sides that the view does not give: MISSING when there is no point. */
static steplog_status find_range(pass *p, const steplog_view *view, int64_t *first, int64_t *last)
{
    border begin = {0}, end = {.is_last = 1};
    const int has_begin = view && view->has_begin, has_end = view && view->has_end;
    if (!has_begin) SL_TRY(find_border(p, &begin));
    if (!has_end && (has_begin || begin.is_found)) SL_TRY(find_border(p, &end));
    if ((!has_begin && !begin.is_found) || (!has_end && !end.is_found))
        return sl_fail(p->err, STEPLOG_MISSING, -1, "the view holds no point");
    if (!has_begin) *first = begin.key;
    if (!has_end) *last = ~end.key;
    if (*last < *first) *last = *first; /* an index that lies */
    return STEPLOG_OK;
}

steplog_status steplog_reader_m4(steplog_reader *r, steplog_series series, const steplog_view *view, size_t pixel_count,
                                 steplog_m4 *out, int64_t *begin, int64_t *end, steplog_error *err)
{
    if (!r || !out || series.index >= r->series.count || (view && view->size_bytes < sizeof *view))
        return sl_fail(err, STEPLOG_MISUSE, -1,
                       "steplog_reader_m4: an argument is NULL, or not a series of this reader");
    if (pixel_count < 1 || pixel_count > 65536)
        return sl_fail(err, STEPLOG_MISUSE, -1, "%zu pixels: expected 1 to 65536", pixel_count);
    steplog_id run = r->series.items[series.index].run;
    sl_piece_view wanted = {.all_attempts = view && (view->flags & STEPLOG_VIEW_ALL_ATTEMPTS),
                            .step_begin = view && view->has_begin ? view->step_begin : INT64_MIN,
                            .step_last = view && view->has_end && view->step_end > INT64_MIN ? view->step_end - 1
                                                                                             : INT64_MAX};
    if (view && ((view->has_end && view->step_end == INT64_MIN) ||
                 (view->has_begin && view->has_end && view->step_begin >= view->step_end)))
        return sl_fail(err, STEPLOG_MISSING, -1, "the view holds no step");
    sl_piece_set set;
    SL_TRY(collect(r, &run, series, &wanted, &set, err));
    int64_t first = wanted.step_begin, last = wanted.step_last;
    pass p = {.set = &set, .err = err};
    steplog_status status = find_range(&p, view, &first, &last);
    if (status >= 0) {
        sl_m4_init(&p.m4, out, pixel_count, first, last);
        status = reduce(&p);
        if (begin) *begin = p.m4.begin;
        if (end) *end = p.m4.last + 1;
    }
    free_pass(&p);
    sl_pieces_free(&set);
    if (status < 0) return status;
    for (size_t i = 0; i < pixel_count; i++)
        if (out[i].count) return STEPLOG_OK;
    return sl_fail(err, STEPLOG_MISSING, -1, "the view holds no point");
}
