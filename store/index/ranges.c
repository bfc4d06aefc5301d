/* index/ranges.c: which records a file holds. Nearly always one range, so arrays and bisection do.
 *
 * A file may say that there are a million: what takes two sets goes through both once, and ranges that come in no order
 * are collected and sorted, not put in one by one. */
#include "index/ranges.h"

#include <stdlib.h>
#include <string.h>

#define PILE_MIN 64

/* The first range of [low, high) whose end is above number. */
static size_t find_within(const sl_ranges *set, size_t low, size_t high, uint64_t number)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->items[middle].end > number)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static size_t find(const sl_ranges *set, uint64_t number) { return find_within(set, 0, set->count, number); }

/* The same from a place on that is not behind it, nor mostly far before it. */
static size_t find_from(const sl_ranges *set, size_t from, uint64_t number)
{
    size_t stride = 1, low = from;
    while (low < set->count && set->items[low].end <= number) {
        from = low + 1;
        low += stride;
        stride *= 2;
    }
    return find_within(set, from, low < set->count ? low : set->count, number);
}

int sl_ranges_add(sl_ranges *set, uint64_t begin, uint64_t end)
{
    if (begin >= end) return 1;
    size_t at = begin ? find(set, begin - 1) : 0; /* a range that ends at begin touches it */
    size_t last = at;
    while (last < set->count && set->items[last].begin <= end) {
        if (set->items[last].begin < begin) begin = set->items[last].begin;
        if (set->items[last].end > end) end = set->items[last].end;
        last++;
    }
    if (last == at) {
        if (!SL_VEC_RESERVE(set, set->count + 1)) return 0;
        memmove(set->items + at + 1, set->items + at, (set->count - at) * sizeof *set->items);
        set->count++;
    } else if (last > at + 1) {
        memmove(set->items + at + 1, set->items + last, (set->count - last) * sizeof *set->items);
        set->count -= last - at - 1;
    }
    set->items[at] = (sl_range){begin, end};
    return 1;
}

int sl_ranges_copy(sl_ranges *to, const sl_ranges *from)
{
    if (!SL_VEC_RESERVE(to, from->count)) return 0;
    if (from->count) memcpy(to->items, from->items, from->count * sizeof *from->items);
    to->count = from->count;
    return 1;
}

int sl_ranges_subtract(sl_ranges *set, const sl_ranges *other)
{
    if (set->count == 0 || other->count == 0) return 1;
    sl_ranges result = {0};
    size_t j = 0;
    for (size_t i = 0; i < set->count; i++) {
        uint64_t begin = set->items[i].begin, end = set->items[i].end;
        j = find_from(other, j, begin);
        for (size_t k = j; k < other->count && other->items[k].begin < end; k++) {
            if (other->items[k].begin > begin && !SL_VEC_PUSH(&result, (sl_range){begin, other->items[k].begin}))
                goto failed;
            begin = other->items[k].end;
            if (begin >= end) break;
        }
        if (begin < end && !SL_VEC_PUSH(&result, (sl_range){begin, end})) goto failed;
    }
    SL_VEC_FREE(set);
    *set = result;
    return 1;
failed:
    SL_VEC_FREE(&result);
    return 0;
}

int sl_ranges_add_all(sl_ranges *set, const sl_ranges *other)
{
    if (other->count == 0) return 1;
    if (!SL_VEC_RESERVE(set, set->count + other->count)) return 0;
    uint64_t first = other->items[0].begin;
    size_t at = first ? find(set, first - 1) : 0;
    /* From there on what the set has makes room for the other, and the two are merged where they meet. */
    sl_range *left = set->items + at + other->count, *left_end = set->items + set->count + other->count;
    const sl_range *added = other->items, *added_end = other->items + other->count;
    memmove(left, set->items + at, (set->count - at) * sizeof *left);
    sl_range *out = set->items + at;
    *out = left < left_end && left->begin < added->begin ? *left++ : *added++;
    for (;;) {
        int is_left = left < left_end && (added == added_end || left->begin < added->begin);
        if (!is_left && added == added_end) break;
        const sl_range next = is_left ? *left : *added;
        if (next.begin > out->end && added == added_end) break; /* the rest is as it was */
        if (is_left) left++;
        else added++;
        if (next.begin > out->end)
            *++out = next;
        else if (next.end > out->end)
            out->end = next.end;
    }
    memmove(++out, left, (size_t)(left_end - left) * sizeof *left);
    set->count = (size_t)(out - set->items) + (size_t)(left_end - left);
    return 1;
}

int sl_ranges_has(const sl_ranges *set, uint64_t number)
{
    size_t at = find(set, number);
    return at < set->count && set->items[at].begin <= number;
}

int sl_ranges_has_all(const sl_ranges *set, uint64_t begin, uint64_t end)
{
    if (begin >= end) return 1;
    size_t at = find(set, begin);
    return at < set->count && set->items[at].begin <= begin && set->items[at].end >= end;
}

int sl_ranges_has_any(const sl_ranges *set, uint64_t begin, uint64_t end)
{
    size_t at = find(set, begin);
    return begin < end && at < set->count && set->items[at].begin < end;
}

uint64_t sl_ranges_count(const sl_ranges *set)
{
    uint64_t count = 0;
    for (size_t i = 0; i < set->count; i++) count += set->items[i].end - set->items[i].begin;
    return count;
}

uint64_t sl_ranges_first_missing(const sl_ranges *set, uint64_t from)
{
    size_t at = find(set, from);
    return at < set->count && set->items[at].begin <= from ? set->items[at].end : from;
}

uint64_t sl_ranges_first_since(const sl_ranges *set, uint64_t from)
{
    size_t at = find(set, from);
    if (at == set->count) return UINT64_MAX;
    return set->items[at].begin > from ? set->items[at].begin : from;
}

/* ---- in any order ---- */

static int compare(const void *a, const void *b)
{
    const sl_range *x = a, *y = b;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

void sl_range_pile_settle(sl_range_pile *pile)
{
    sl_ranges *set = &pile->set;
    size_t kept = 0, sorted = 1;
    while (sorted < set->count && set->items[sorted - 1].begin <= set->items[sorted].begin) sorted++;
    if (sorted < set->count) qsort(set->items, set->count, sizeof *set->items, compare);
    for (size_t i = 0; i < set->count; i++) {
        if (kept == 0 || set->items[i].begin > set->items[kept - 1].end)
            set->items[kept++] = set->items[i];
        else if (set->items[i].end > set->items[kept - 1].end)
            set->items[kept - 1].end = set->items[i].end;
    }
    set->count = pile->settled_count = kept;
}

int sl_range_pile_add(sl_range_pile *pile, uint64_t begin, uint64_t end)
{
    sl_ranges *set = &pile->set;
    if (begin >= end) return 1;
    if (set->count && set->items[set->count - 1].end == begin) {
        set->items[set->count - 1].end = end;
        return 1;
    }
    if (set->count >= PILE_MIN && set->count / 2 >= pile->settled_count) sl_range_pile_settle(pile);
    return SL_VEC_PUSH(set, (sl_range){begin, end});
}

void sl_range_pile_clear(sl_range_pile *pile) { pile->set.count = pile->settled_count = 0; }

void sl_range_pile_free(sl_range_pile *pile)
{
    SL_VEC_FREE(&pile->set);
    pile->settled_count = 0;
}
