/* index/ranges.c: which records a file holds. Nearly always one range, so arrays and bisection do. */
#include "index/ranges.h"

#include <string.h>

/* The first range whose end is above number. */
static size_t find(const sl_ranges *set, uint64_t number)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->items[middle].end > number)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
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
        while (j < other->count && other->items[j].end <= begin) j++;
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
    for (size_t i = 0; i < other->count; i++)
        if (!sl_ranges_add(set, other->items[i].begin, other->items[i].end)) return 0;
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
