/* read/removal.c: any number of tombstones, as a few steps of a search for each row.
 *
 * A tombstone takes a writer's records up to some number, at all steps or at a range of them. Of those for all steps only
 * the one that goes furthest matters. The ranges are cut where any of them begins or ends; each part gets the largest
 * number of those that cover it: painted from the largest on, what is painted already is jumped over. */
#include "read/removal.h"

#include <stdlib.h>
#include <string.h>

static int compare_items(const void *a, const void *b)
{
    const sl_removed *x = a, *y = b;
    if (x->output != y->output) return x->output < y->output ? -1 : 1;
    if (x->sequence_last != y->sequence_last) return x->sequence_last > y->sequence_last ? -1 : 1;
    return 0;
}

static int compare_steps(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static size_t find_step(const int64_t *steps, size_t count, int64_t step)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (steps[middle] < step)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first part from at on that is not painted. */
static size_t find_free(size_t *next, size_t at)
{
    while (next[at] != at) {
        next[at] = next[next[at]];
        at = next[at];
    }
    return at;
}

static int is_span(const sl_removal *removal, const sl_removed *item)
{
    return item->has_steps && sl_removal_has_step(item->step_begin, item->step_end, item->step_begin) && item->sequence_last > removal->sequence_last;
}

/* Items are of one output, from the largest number down. */
static int make_spans(sl_removal *removal, const sl_removed *items, size_t count)
{
    int64_t *steps = sl_alloc(2 * count * sizeof *steps);
    size_t *next = sl_alloc((2 * count + 1) * sizeof *next), step_count = 0, unique = 0;
    uint64_t *painted = sl_alloc_zero(2 * count + 1, sizeof *painted);
    int is_good = steps && next && painted;
    for (size_t i = 0; i < count && is_good; i++) {
        if (!is_span(removal, &items[i])) continue;
        steps[step_count++] = items[i].step_begin;
        if (items[i].step_end < INT64_MAX) steps[step_count++] = items[i].step_end;
    }
    if (step_count) qsort(steps, step_count, sizeof *steps, compare_steps);
    for (size_t i = 0; i < step_count; i++)
        if (i == 0 || steps[i] != steps[unique - 1]) steps[unique++] = steps[i];
    for (size_t i = 0; i <= unique && is_good; i++) next[i] = i;
    for (size_t i = 0; i < count && unique; i++) {
        if (!is_span(removal, &items[i])) continue;
        size_t end = items[i].step_end < INT64_MAX ? find_step(steps, unique, items[i].step_end) : unique;
        for (size_t at = find_free(next, find_step(steps, unique, items[i].step_begin)); at < end;
             at = find_free(next, at)) {
            painted[at] = items[i].sequence_last;
            next[at] = at + 1;
        }
    }
    for (size_t at = 0; at < unique && is_good; at++) {
        const int64_t step_last = at + 1 < unique ? steps[at + 1] - 1 : INT64_MAX;
        sl_removal_span *last = removal->spans.count ? &removal->spans.items[removal->spans.count - 1] : NULL;
        if (!painted[at]) continue;
        if (last && last->step_last == steps[at] - 1 && last->sequence_last == painted[at])
            last->step_last = step_last;
        else
            is_good = SL_VEC_PUSH(&removal->spans, (sl_removal_span){steps[at], step_last, painted[at]});
    }
    sl_free(steps);
    sl_free(next);
    sl_free(painted);
    return is_good;
}

int sl_removals_make(sl_removed *items, size_t count, sl_removals *out)
{
    if (count) qsort(items, count, sizeof *items, compare_items);
    for (size_t begin = 0, end; begin < count; begin = end) {
        sl_removal removal = {.output = items[begin].output};
        for (end = begin; end < count && items[end].output == removal.output; end++)
            if (!items[end].has_steps && items[end].sequence_last > removal.sequence_last)
                removal.sequence_last = items[end].sequence_last;
        if (!SL_VEC_PUSH(out, removal) || !make_spans(&out->items[out->count - 1], items + begin, end - begin)) return 0;
    }
    return 1;
}

void sl_removals_clear(sl_removals *removals)
{
    for (size_t i = 0; i < removals->count; i++) SL_VEC_FREE(&removals->items[i].spans);
    SL_VEC_FREE(removals);
}

const sl_removal *sl_removals_of(const sl_removals *removals, uint32_t output)
{
    size_t low = 0, high = removals->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (removals->items[middle].output == output) return &removals->items[middle];
        if (removals->items[middle].output < output)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

int sl_removal_covers(const sl_removal *removal, int64_t step, uint64_t sequence)
{
    if (sequence <= removal->sequence_last) return 1;
    size_t low = 0, high = removal->spans.count; /* the first that does not end before the step */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (removal->spans.items[middle].step_last < step)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == removal->spans.count) return 0;
    const sl_removal_span *span = &removal->spans.items[low];
    return span->step_begin <= step && sequence <= span->sequence_last;
}
