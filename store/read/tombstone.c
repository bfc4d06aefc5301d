/* read/tombstone.c: the tombstones of a run that are in force.
 *
 * There may be as many as there are records, so they are sorted: by incarnation; those without steps first; those of no
 * metric, then by metric; and the furthest first. What covers a record, or a series, is then one search. */
#include "read/reader.h"

#include <stdlib.h>

static int compare_tombstones(const void *a, const void *b)
{
    const sl_tombstone *x = a, *y = b;
    int order = memcmp(x->incarnation.bytes, y->incarnation.bytes, 16);
    if (order) return order;
    if (x->has_steps != y->has_steps) return x->has_steps ? 1 : -1;
    if (!x->metric != !y->metric) return x->metric ? 1 : -1;
    if (x->metric_bytes != y->metric_bytes) return x->metric_bytes < y->metric_bytes ? -1 : 1;
    order = x->metric ? memcmp(x->metric, y->metric, x->metric_bytes) : 0;
    if (order) return order;
    return x->sequence_last > y->sequence_last ? -1 : x->sequence_last < y->sequence_last;
}

int sl_run_make_tombstones(sl_run *run)
{
    for (size_t i = 0; i < run->events.count; i++) {
        const sl_event *event = &run->events.items[i];
        if (event->fact.kind != STEPLOG_EVENT_TOMBSTONE || event->is_undone || !event->fact.has_target) continue;
        sl_tombstone tombstone = {.incarnation = event->fact.target,
                                  .sequence_last = event->fact.target_sequence,
                                  .metric = event->fact.has_key ? event->key : NULL,
                                  .metric_bytes = event->fact.key_bytes,
                                  .has_steps = event->fact.has_steps,
                                  .step_begin = event->fact.step_begin,
                                  .step_end = event->fact.step_end,
                                  .time_ns = event->fact.time_ns,
                                  .is_whole = !event->fact.has_key && !event->fact.has_steps};
        if (!SL_VEC_PUSH(&run->tombstones, tombstone)) return 0;
    }
    if (run->tombstones.count)
        qsort(run->tombstones.items, run->tombstones.count, sizeof *run->tombstones.items, compare_tombstones);
    return 1;
}

size_t sl_run_first_tombstone(const sl_run *run, const steplog_id *incarnation)
{
    size_t low = 0, high = run->tombstones.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(run->tombstones.items[middle].incarnation.bytes, incarnation->bytes, 16) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* 1 when one without steps covers a record, or with metric that metric of it. */
static int is_covered(const sl_run *run, const steplog_id *incarnation, const char *metric, uint32_t bytes,
                      uint64_t sequence)
{
    sl_tombstone wanted = {
        .incarnation = *incarnation, .metric = metric, .metric_bytes = bytes, .sequence_last = UINT64_MAX};
    size_t low = 0, high = run->tombstones.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_tombstones(&run->tombstones.items[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == run->tombstones.count) return 0;
    wanted.sequence_last = run->tombstones.items[low].sequence_last;
    return sequence <= wanted.sequence_last && compare_tombstones(&run->tombstones.items[low], &wanted) == 0;
}

int sl_run_is_removed(const sl_run *run, const steplog_id *incarnation, uint64_t sequence)
{
    return is_covered(run, incarnation, NULL, 0, sequence);
}

int sl_run_is_metric_removed(const sl_run *run, const steplog_id *incarnation, const char *metric, uint32_t bytes,
                             uint64_t sequence)
{
    return is_covered(run, incarnation, NULL, 0, sequence) || is_covered(run, incarnation, metric, bytes, sequence);
}

uint64_t sl_run_removed_last(const sl_run *run, const steplog_id *incarnation)
{
    uint64_t last = 0;
    for (size_t i = sl_run_first_tombstone(run, incarnation); i < run->tombstones.count; i++) {
        const sl_tombstone *tombstone = &run->tombstones.items[i];
        if (!sl_id_equal(&tombstone->incarnation, incarnation)) break;
        if (tombstone->sequence_last > last) last = tombstone->sequence_last;
    }
    return last;
}
