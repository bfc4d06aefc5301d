/* read/collect_log.c: the rows of logs that a pass wants.
 *
 * Its owner may recycle a log at any time, so they are decoded when the pass begins, and packed: what that takes is about
 * as much as the values took in the log, whatever the number of its metrics. */
#include "read/collect.h"

#include "base/error.h"

typedef struct log_pass {
    sl_wanted *wanted;
    sl_log *log;
    const sl_filter *filter;
    uint32_t *map; /* by the place of a name in the dictionary: column + 1, or 0 */
    sl_row_list list;
} log_pass;

static steplog_status no_memory(const log_pass *p)
{
    return sl_fail(p->wanted->err, STEPLOG_NOMEM, -1, "no memory to read points");
}

/* Finds the columns: the metrics that have a value in the log. 1, or 0 when out of memory. */
static int map_metrics(log_pass *p, uint64_t key_hash)
{
    sl_wanted *w = p->wanted;
    const sl_log *log = p->log;
    p->map = sl_alloc_zero(log->dictionary.names.count + 1, sizeof *p->map);
    w->stored.count = w->output.count = 0;
    for (uint32_t m = 0; m < log->uses.count && p->map; m++) {
        const sl_dictionary_name *name = &log->dictionary.names.items[m];
        uint32_t output;
        if (!log->uses.items[m].count || !sl_wanted_find(w, key_hash, name->text, name->bytes, &output)) continue;
        if (!sl_wanted_put(w, m, output)) return 0;
        p->map[m] = (uint32_t)w->stored.count;
    }
    return p->map != NULL;
}

static int take_value(log_pass *p, const sl_log_item *item, uint32_t place, double value)
{
    uint32_t column = p->map[place];
    if (!column) return 1;
    const sl_removals *removals = p->filter->removals;
    const sl_removal *removal = removals ? sl_removals_of(removals, p->wanted->output.items[column - 1]) : NULL;
    if (removal && sl_removal_covers(removal, item->step, item->sequence)) return 1;
    return sl_row_list_put(&p->list, column - 1, value);
}

/* Takes what is wanted of a row or point. 1, or 0 when out of memory. */
static int take_row(log_pass *p, const sl_log_item *item)
{
    const sl_log_dictionary *dictionary = &p->log->dictionary;
    if (!sl_filter_keeps(p->filter, item->step, item->sequence, 1)) return 1;
    if (item->kind == SL_ITEM_POINT) {
        if (!take_value(p, item, sl_dictionary_place_of(dictionary, item->index), item->value)) return 0;
    } else {
        const sl_dictionary_schema *schema = sl_dictionary_schema_of(dictionary, item->index);
        const uint8_t *at = item->values;
        for (uint32_t m = 0; m < schema->count; m++) {
            if (item->presence && !(sl_load64(item->presence + m / 64 * 8) >> (m % 64) & 1)) continue;
            if (!take_value(p, item, schema->places[m], sl_double_of(sl_load64(at)))) return 0;
            at += 8;
        }
    }
    return sl_row_list_end_row(&p->list, item->step, item->time_ns, item->sequence);
}

/* Makes a piece of the rows that were taken. */
static steplog_status add_piece(log_pass *p, const sl_origin *origin)
{
    sl_piece_set *set = p->wanted->set;
    sl_piece piece = {.origin = origin, .step_min = INT64_MAX, .step_max = INT64_MIN, .is_whole = 1};
    if (!SL_VEC_RESERVE(&set->pieces, set->pieces.count + 1) ||
        !sl_row_list_pack(&p->list, origin->columns->count, origin->columns->output, !set->is_arrival_order, &piece.rows))
        return no_memory(p);
    if (!piece.rows) return STEPLOG_OK;
    piece.sequence_first = (uint64_t)p->list.sequences.items[0];
    for (uint32_t r = 0; r < piece.rows->row_count; r++) {
        if (piece.rows->steps[r] < piece.step_min) piece.step_min = piece.rows->steps[r];
        if (piece.rows->steps[r] > piece.step_max) piece.step_max = piece.rows->steps[r];
    }
    set->pieces.items[set->pieces.count++] = piece;
    sl_row_list_clear(&p->list);
    return STEPLOG_OK;
}

/* The walk came upon something that is no record, where rows were. WAIT when the log is another one by now; IO or no
 * memory; OK when it is damage: that is told of, and the rows are passed over. */
static steplog_status take_trouble(log_pass *p, const sl_log_item *item, const sl_log_stretch *stretch)
{
    sl_log *log = p->log;
    const int is_no_memory = item->kind == SL_ITEM_ERROR && !item->os_errno;
    if (!is_no_memory && !sl_log_is_still_itself(log)) return STEPLOG_WAIT;
    if (item->kind == SL_ITEM_ERROR) return sl_log_failed(log, item, p->wanted->err);
    if (item->kind == SL_ITEM_DAMAGE)
        sl_log_report(log, item->offset, item->bytes, item->what);
    else
        sl_log_report(log, item->offset, stretch->offset_end - item->offset, "log ends before rows that were there");
    return STEPLOG_OK;
}

static steplog_status take_stretch(log_pass *p, const sl_log_stretch *stretch, const sl_origin *origin)
{
    sl_log *log = p->log;
    sl_log_walk walk;
    sl_log_item item;
    steplog_status status = STEPLOG_OK;
    sl_log_replay(log, stretch->offset, stretch->sequence, &stretch->base, &walk);
    while (walk.offset < stretch->offset_end && status == STEPLOG_OK) {
        sl_log_walk_next(&walk, &item);
        if (item.kind == SL_ITEM_END || item.kind == SL_ITEM_ERROR || item.kind == SL_ITEM_DAMAGE)
            status = take_trouble(p, &item, stretch);
        if (item.kind == SL_ITEM_END) break;
        if (item.kind != SL_ITEM_ROW && item.kind != SL_ITEM_POINT) continue;
        /* There were 1024 at most when they were counted; what they are now is for whoever writes there to say. */
        if (p->list.steps.count == SL_CHUNK_ROWS_MAX) status = add_piece(p, origin);
        if (status >= 0 && !take_row(p, &item)) status = no_memory(p);
    }
    sl_log_walk_free(&walk);
    return status == STEPLOG_OK ? add_piece(p, origin) : status;
}

steplog_status sl_collect_log(sl_wanted *w, const sl_incarnation *i, sl_log *log, const sl_filter *filter, uint32_t writer)
{
    log_pass p = {.wanted = w, .log = log, .filter = filter};
    steplog_status status = STEPLOG_OK;
    const sl_origin *origin = NULL;
    if (!map_metrics(&p, i->key_hash)) status = no_memory(&p);
    if (status >= 0 && w->stored.count && !(origin = sl_wanted_origin(w, i, filter, writer)))
        status = no_memory(&p);
    for (size_t n = 0; n < log->stretches.count && origin && status == STEPLOG_OK; n++) {
        const sl_log_stretch *stretch = &log->stretches.items[n];
        if (stretch->step_min > filter->step_last || stretch->step_max < filter->step_begin ||
            !sl_ranges_has_any(&filter->assigned, stretch->sequence_first, stretch->sequence_last + 1))
            continue;
        status = take_stretch(&p, stretch, origin);
    }
    sl_row_list_free(&p.list);
    sl_free(p.map);
    return status;
}
