/* read/collect.c: from series to the blocks that a pass over them has to look at. */
#include "read/collect.h"

#include "base/error.h"
#include "format/checksum.h"

#include <stdlib.h>

static steplog_status no_memory(steplog_error *err)
{
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read points");
}

/* ---- the wanted series ---- */

#define FEW_SERIES 8u /* are looked through */

static uint64_t hash_name(uint64_t key_hash, const char *name, uint32_t bytes)
{
    return sl_scramble(sl_hash(name, bytes) ^ key_hash);
}

static const sl_series *wanted_series(const sl_wanted *w, size_t index)
{
    return &w->reader->series.items[w->series[index].index];
}

static int is_series(const sl_series *series, uint64_t key_hash, const char *name, uint32_t bytes)
{
    return series->name_bytes == bytes && series->key_hash == key_hash && memcmp(series->name, name, bytes) == 0;
}

int sl_wanted_find(const sl_wanted *w, uint64_t key_hash, const char *name, uint32_t bytes, uint32_t *output)
{
    if (w->count <= FEW_SERIES) {
        for (*output = 0; *output < w->count; (*output)++)
            if (is_series(wanted_series(w, *output), key_hash, name, bytes)) return 1;
        return 0;
    }
    for (size_t probe = 0; sl_hash_map_find(&w->by_name, hash_name(key_hash, name, bytes), &probe, output);)
        if (is_series(wanted_series(w, *output), key_hash, name, bytes)) return 1;
    return 0;
}

/* first: the first series of the key. */
static int key_is_wanted(const sl_wanted *w, uint64_t key_hash, uint32_t *first)
{
    size_t probe = 0;
    return sl_hash_map_find(&w->by_key, sl_scramble(key_hash), &probe, first);
}

/* Of a pass over one incarnation only what it may have: there may be one for each writer, and many series of all. 1, or 0
 * when out of memory. */
static int index_series(sl_wanted *w)
{
    const steplog_id *only = w->view.only_incarnation;
    const sl_incarnation *incarnation = only ? sl_reader_incarnation(w->reader, only) : NULL;
    for (uint32_t i = 0, first; i < w->count; i++) {
        const sl_series *series = wanted_series(w, i);
        if (incarnation && series->key_hash != incarnation->key_hash) continue;
        if (w->count > FEW_SERIES &&
            !sl_hash_map_add(&w->by_name, hash_name(series->key_hash, series->name, series->name_bytes), i))
            return 0;
        if (!key_is_wanted(w, series->key_hash, &first) && !sl_hash_map_add(&w->by_key, sl_scramble(series->key_hash), i))
            return 0;
    }
    return 1;
}

int sl_wanted_put(sl_wanted *w, uint32_t stored, uint32_t output)
{
    return SL_VEC_PUSH(&w->stored, stored) && SL_VEC_PUSH(&w->output, output);
}

/* As many as were found, no more: a store may have a group for each of its metrics. */
static sl_columns *make_columns(sl_wanted *w)
{
    const size_t count = w->stored.count;
    sl_columns *columns = sl_alloc(sizeof *columns + 2 * count * sizeof *columns->stored);
    if (!columns || !SL_VEC_PUSH(&w->set->columns, columns)) {
        sl_free(columns);
        return NULL;
    }
    *columns = (sl_columns){.count = (uint32_t)count, .stored = (uint32_t *)(void *)(columns + 1)};
    columns->output = columns->stored + count;
    memcpy(columns->stored, w->stored.items, count * sizeof *columns->stored);
    memcpy(columns->output, w->output.items, count * sizeof *columns->output);
    return columns;
}

sl_origin *sl_wanted_origin(sl_wanted *w, const sl_incarnation *i, const sl_filter *filter, uint32_t writer)
{
    const sl_columns *columns = make_columns(w);
    sl_origin *origin = columns ? sl_alloc(sizeof *origin) : NULL;
    if (!origin) return NULL;
    *origin = (sl_origin){.columns = columns,
                          .filter = filter,
                          .incarnation = i->id,
                          .attempt = i->attempt,
                          .writer = writer,
                          .depth = w->depth};
    if (SL_VEC_PUSH(&w->set->origins, origin)) return origin;
    sl_free(origin);
    return NULL;
}

/* ---- filters ---- */

/* What tombstones take of the wanted series of an incarnation, once for all its files; *out is NULL for nothing. 1, or 0
 * when out of memory. */
static int make_removals(sl_wanted *w, const sl_run *run, const sl_incarnation *i, const sl_removals **out)
{
    SL_VEC(sl_removed) items = {0};
    int is_good = 1;
    *out = NULL;
    for (size_t t = sl_run_first_tombstone(run, &i->id); t < run->tombstones.count && is_good; t++) {
        const sl_tombstone *tombstone = &run->tombstones.items[t];
        if (!sl_id_equal(&tombstone->incarnation, &i->id)) break;
        sl_removed item = {.output = SL_ALL_OUTPUTS,
                           .has_steps = tombstone->has_steps,
                           .step_begin = tombstone->step_begin,
                           .step_end = tombstone->step_end,
                           .sequence_last = tombstone->sequence_last};
        if (tombstone->metric &&
            !sl_wanted_find(w, i->key_hash, tombstone->metric, tombstone->metric_bytes, &item.output))
            continue;
        is_good = SL_VEC_PUSH(&items, item);
    }
    if (is_good && items.count) {
        sl_removals *removals = sl_alloc_zero(1, sizeof *removals);
        is_good = removals && SL_VEC_PUSH(&w->set->removals, removals);
        if (is_good)
            is_good = sl_removals_make(items.items, items.count, removals);
        else
            sl_free(removals);
        *out = removals;
    }
    SL_VEC_FREE(&items);
    return is_good;
}

static sl_filter *new_filter(sl_wanted *w, const sl_source *source, const sl_removals *removals, int64_t step_last)
{
    sl_filter *filter = sl_alloc_zero(1, sizeof *filter);
    if (!filter) return NULL;
    if (!SL_VEC_PUSH(&w->set->filters, filter)) {
        sl_free(filter);
        return NULL;
    }
    filter->step_begin = w->view.step_begin;
    filter->step_last = step_last;
    filter->removals = removals;
    return sl_ranges_copy(&filter->assigned, &source->assigned) ? filter : NULL;
}

/* ---- groups ---- */

/* 1 when the filter may let rows of a stretch through. *whole: when it lets all through. */
static int is_wanted(const sl_piece_set *set, const sl_filter *filter, int64_t step_min, int64_t step_max,
                     uint64_t sequence_first, uint64_t sequence_last, int *whole)
{
    if (step_min > filter->step_last || step_max < filter->step_begin || sequence_last < set->sequence_from ||
        !sl_ranges_has_any(&filter->assigned, sequence_first, sequence_last + 1))
        return 0;
    *whole = !filter->removals && step_min >= filter->step_begin && step_max <= filter->step_last &&
             sl_ranges_has_all(&filter->assigned, sequence_first, sequence_last + 1);
    return 1;
}

static int64_t later_of(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t earlier_of(int64_t a, int64_t b) { return a < b ? a : b; }

/* The chunks of a group ascend by their first numbers. One that does not would be there twice, or behind its place. */
static int is_in_order(const sl_origin *origin, const sl_chunk_entry *chunk, const sl_chunk_entry *before,
                       uint64_t sequence_begin, uint64_t sequence_end)
{
    int is_within = chunk->sequence_first >= sequence_begin && chunk->sequence_first < sequence_end;
    if (is_within && (!before || chunk->sequence_first > before->sequence_first)) return 1;
    if (!origin->segment->is_rebuilt) /* else the chunks of a node were looked for by their numbers, and more were found */
        sl_segment_report(origin->segment, chunk->page_offset, chunk->page_bytes, "chunk entry is out of order", NULL, chunk,
                          NULL);
    return 0;
}

/* Makes pieces of set->chunks, which begin with the chunk first of their group; their first numbers are in
 * [sequence_begin, sequence_end). 1, or 0 when out of memory. */
static int add_pieces(sl_piece_set *set, const sl_origin *origin, uint32_t first, uint64_t sequence_begin,
                      uint64_t sequence_end)
{
    const sl_filter *filter = origin->filter;
    const sl_chunk_entry *before = NULL;
    for (size_t c = 0; c < set->chunks.count; c++) {
        const sl_chunk_entry *chunk = &set->chunks.items[c];
        sl_piece piece = {.origin = origin,
                          .entry = *chunk,
                          .chunk = first + (uint32_t)c,
                          .sequence_first = chunk->sequence_first,
                          .step_min = later_of(chunk->step_min, filter->step_begin),
                          .step_max = earlier_of(chunk->step_max, filter->step_last)};
        if (!is_in_order(origin, chunk, before, sequence_begin, sequence_end)) continue;
        before = chunk;
        if (is_wanted(set, filter, chunk->step_min, chunk->step_max, chunk->sequence_first, chunk->sequence_last,
                      &piece.is_whole) &&
            !SL_VEC_PUSH(&set->pieces, piece))
            return 0;
    }
    return 1;
}

steplog_status sl_node_expand(sl_piece_set *set, const sl_piece_node *node, steplog_error *err)
{
    const sl_origin *origin = node->origin;
    SL_TRY(sl_segment_node_chunks(origin->segment, &set->chunk_table, &origin->group, node->node, &node->entry,
                                  &set->chunks, err));
    return add_pieces(set, origin, node->node * SL_NODE_CHUNKS, node->entry.sequence_first, node->sequence_end)
               ? STEPLOG_OK
               : no_memory(err);
}

/* Takes the nodes of a long group. OK; CORRUPT when they can not be read: nothing was taken. */
static steplog_status collect_nodes(sl_wanted *w, const sl_origin *origin)
{
    sl_node_list nodes = {0};
    const sl_filter *filter = origin->filter;
    steplog_status status = sl_segment_nodes(origin->segment, &origin->group, &nodes, w->err);
    for (uint32_t n = 0; n < nodes.count && status >= 0; n++) {
        const sl_node_entry *entry = &nodes.items[n];
        sl_piece_node node = {.origin = origin,
                              .entry = *entry,
                              .node = n,
                              .sequence_end = n + 1 < nodes.count ? entry[1].sequence_first : UINT64_MAX,
                              .step_min = later_of(entry->step_min, filter->step_begin),
                              .step_max = earlier_of(entry->step_max, filter->step_last)};
        if (is_wanted(w->set, filter, entry->step_min, entry->step_max, entry->sequence_first, entry->sequence_last,
                      &node.is_whole) &&
            !SL_VEC_PUSH(&w->set->nodes, node))
            status = no_memory(w->err);
    }
    SL_VEC_FREE(&nodes);
    return status;
}

static steplog_status collect_group(sl_wanted *w, const sl_incarnation *i, const sl_source *source, uint32_t index,
                                    const sl_filter *filter, uint32_t writer)
{
    sl_segment *segment = source->segment;
    const sl_group_entry group = segment->groups.items[index];
    const sl_schema_names *names;
    steplog_status status = sl_segment_names(segment, group.schema, &names, w->err);
    if (status < 0 && status != STEPLOG_CORRUPT) return status;
    if (status < 0 || group.step_min > filter->step_last || group.step_max < filter->step_begin) return STEPLOG_OK;
    w->stored.count = w->output.count = 0;
    for (uint32_t n = 0, output; n < names->count; n++)
        if (sl_wanted_find(w, i->key_hash, names->names[n], names->bytes[n], &output) && !sl_wanted_put(w, n, output))
            return no_memory(w->err);
    if (w->stored.count == 0) return STEPLOG_OK;
    sl_origin *origin = sl_wanted_origin(w, i, filter, writer);
    if (!origin) return no_memory(w->err);
    sl_segment_retain(segment);
    origin->segment = segment;
    origin->segment_writer = source->writer;
    origin->group = group;
    if (sl_node_count(group.chunk_count) && !segment->is_rebuilt) {
        status = collect_nodes(w, origin);
        if (status != STEPLOG_CORRUPT) return status;
    }
    SL_TRY(sl_segment_chunks(segment, index, &w->set->chunks, w->err));
    if (segment->is_rebuilt) origin->group.stats_first = SL_NO_STATS; /* chunks may not be those of the tables */
    return add_pieces(w->set, origin, 0, 0, UINT64_MAX) ? STEPLOG_OK : no_memory(w->err);
}

static steplog_status collect_segment(sl_wanted *w, const sl_incarnation *i, const sl_source *source,
                                      const sl_filter *filter, uint32_t writer)
{
    /* Looked at anew each time: a damaged table of chunks fills the groups anew. */
    const sl_writer_entry *entry = &source->segment->writers.items[source->writer];
    for (uint32_t g = 0; g < entry->group_count; g++)
        SL_TRY(collect_group(w, i, source, entry->group_first + g, filter, writer));
    return STEPLOG_OK;
}

/* ---- runs ---- */

/* The last step that is seen of an incarnation; 0 when none is. bound: where what its forks log begins, or NULL. */
static int step_limit(const sl_wanted *w, const sl_window *window, const int64_t *bound, int64_t *step_last)
{
    *step_last = w->view.step_last;
    if (!w->view.all_attempts) {
        if (!window->is_visible) return 0;
        if (window->has_end) {
            if (window->step_end == INT64_MIN) return 0;
            if (window->step_end - 1 < *step_last) *step_last = window->step_end - 1;
        }
    }
    if (bound) {
        if (*bound == INT64_MIN) return 0;
        if (*bound - 1 < *step_last) *step_last = *bound - 1;
    }
    return *step_last >= w->view.step_begin;
}

/* Lowers the bounds to where a fork takes over from its parent: its step, and what its attempts say. */
static steplog_status lower_bounds(sl_wanted *w, const sl_run *fork, uint32_t attempt_max, uint64_t lamport_max)
{
    uint64_t *keys = sl_alloc(w->count * sizeof *keys);
    if (!w->bounds && (w->bounds = sl_alloc(w->count * sizeof *w->bounds)) != NULL)
        for (size_t i = 0; i < w->count; i++) w->bounds[i] = INT64_MAX;
    int is_good = keys && w->bounds;
    for (size_t i = 0; i < w->count && is_good; i++) {
        keys[i] = wanted_series(w, i)->key_hash;
        w->bounds[i] = earlier_of(w->bounds[i], fork->parent_step);
    }
    if (is_good && !w->view.all_attempts)
        is_good = sl_run_lower_to_cuts(w->reader, fork, attempt_max, lamport_max, keys, w->count, w->bounds);
    sl_free(keys);
    return is_good ? STEPLOG_OK : no_memory(w->err);
}

static steplog_status collect_run(sl_wanted *w, sl_run *run, uint32_t attempt_max, uint64_t lamport_max, int depth)
{
    SL_TRY(sl_run_load(w->reader, run, w->err));
    /* Those of the run itself are known since it was loaded. */
    sl_window *windows = depth ? sl_alloc_zero(run->incarnations.count, sizeof *windows) : NULL;
    if (depth && !windows) return no_memory(w->err);
    w->depth = depth;
    steplog_status status = STEPLOG_OK;
    if (depth && !sl_run_windows(w->reader, run, attempt_max, lamport_max, windows)) status = no_memory(w->err);
    for (size_t n = 0; n < run->incarnations.count && status == STEPLOG_OK; n++) {
        const sl_incarnation *i = &w->reader->incarnations.items[run->incarnations.items[n]];
        const uint32_t writer = depth ? UINT32_MAX : i->number;
        const sl_window window = depth ? windows[n]
                                       : (sl_window){.is_visible = i->is_visible,
                                                     .has_end = i->visible_is_bounded,
                                                     .step_end = i->visible_end};
        int64_t step_last;
        uint32_t first;
        if (w->view.only_incarnation && !sl_id_equal(w->view.only_incarnation, &i->id)) continue;
        if (i->row_count == 0 || !key_is_wanted(w, i->key_hash, &first) ||
            !step_limit(w, &window, depth ? &w->bounds[first] : NULL, &step_last))
            continue;
        if (depth && i->attempt > attempt_max) continue;
        const sl_removals *removals;
        if (!make_removals(w, run, i, &removals)) status = no_memory(w->err);
        for (size_t s = 0; s < i->sources.count && status == STEPLOG_OK; s++) {
            const sl_source *source = &i->sources.items[s];
            if (source->assigned.count == 0 || (source->log && w->view.without_logs)) continue;
            sl_filter *filter = new_filter(w, source, removals, step_last);
            if (!filter)
                status = no_memory(w->err);
            else
                status = source->segment ? collect_segment(w, i, source, filter, writer)
                                         : sl_collect_log(w, i, source->log, filter, writer);
        }
    }
    sl_free(windows);
    if (status != STEPLOG_OK || !run->has_parent || depth >= STEPLOG_FORK_DEPTH_MAX || w->view.only_incarnation)
        return status;
    sl_run *parent = sl_reader_run(w->reader, &run->parent);
    if (!parent) return STEPLOG_OK;
    SL_TRY(lower_bounds(w, run, attempt_max, lamport_max));
    return collect_run(w, parent, run->parent_attempt, run->parent_lamport, depth + 1);
}

steplog_status sl_pieces_collect(steplog_reader *r, const steplog_id *run_id, const steplog_series *series,
                                 size_t count, const sl_piece_view *view, sl_piece_set *out, steplog_error *err)
{
    out->sequence_from = view->only_incarnation ? view->sequence_from : 0;
    sl_wanted w = {.reader = r, .series = series, .count = count, .view = *view, .set = out, .err = err};
    sl_run *run = sl_reader_run(r, run_id);
    if (!run) return STEPLOG_OK;
    SL_TRY(sl_run_load(r, run, err)); /* the keys of its incarnations */
    steplog_status status = index_series(&w) ? collect_run(&w, run, UINT32_MAX, UINT64_MAX, 0) : no_memory(err);
    sl_free(w.bounds);
    sl_hash_map_free(&w.by_name);
    sl_hash_map_free(&w.by_key);
    SL_VEC_FREE(&w.stored);
    SL_VEC_FREE(&w.output);
    return status;
}
