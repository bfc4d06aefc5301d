/* index/ranges.h: sets of sequence numbers, as sorted half-open ranges that do not touch. */
#ifndef SL_INDEX_RANGES_H
#define SL_INDEX_RANGES_H

#include "base/memory.h"

typedef struct sl_range {
    uint64_t begin, end;
} sl_range;

typedef SL_VEC(sl_range) sl_ranges;

/* All return 1, or 0 when out of memory (the set may then hold less). Adding one range costs as much as there are
 * behind it; what takes two sets costs as much as both. */
int sl_ranges_add(sl_ranges *set, uint64_t begin, uint64_t end);
int sl_ranges_copy(sl_ranges *to, const sl_ranges *from);
int sl_ranges_subtract(sl_ranges *set, const sl_ranges *other);
int sl_ranges_add_all(sl_ranges *set, const sl_ranges *other);

int sl_ranges_has(const sl_ranges *set, uint64_t number);
/* 1 when every number of [begin, end) is in the set. */
int sl_ranges_has_all(const sl_ranges *set, uint64_t begin, uint64_t end);
/* 1 when some number of [begin, end) is in the set. */
int sl_ranges_has_any(const sl_ranges *set, uint64_t begin, uint64_t end);
uint64_t sl_ranges_count(const sl_ranges *set);
/* The smallest number >= from that is not in the set. */
uint64_t sl_ranges_first_missing(const sl_ranges *set, uint64_t from);
/* The smallest number >= from that is in the set; UINT64_MAX when there is none. */
uint64_t sl_ranges_first_since(const sl_ranges *set, uint64_t from);

/* Ranges that come in any order, and more than once. They take twice the memory of the set they make at most. */
typedef struct sl_range_pile {
    sl_ranges set;        /* one after sl_range_pile_settle(), until more is added */
    size_t settled_count; /* how many it had then */
} sl_range_pile;

int sl_range_pile_add(sl_range_pile *pile, uint64_t begin, uint64_t end); /* 1, or 0 when out of memory */
void sl_range_pile_settle(sl_range_pile *pile);
void sl_range_pile_clear(sl_range_pile *pile); /* empties it, keeps memory */
void sl_range_pile_free(sl_range_pile *pile);

#endif
