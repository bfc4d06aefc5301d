/* value_dictionary.c: a small hash table of bits, then sorted: neighbours are alike, so that the values take few bits
 * and their indexes, when a curve moves slowly, as well. */
#include "format/value_dictionary.h"

#include "base/assert.h"
#include "base/bytes.h"

#include <string.h>

#define SAMPLE_COUNT 64u
#define SAMPLE_STRIDE 27u /* so that the first of a sample are spread as all of it is */
#define SLOT_COUNT (4 * SL_DICTIONARY_VALUES_MAX)
#define NO_INDEX UINT16_MAX

/* Bits by hash; an index leads to items. */
typedef struct table {
    unsigned slot_bits;
    uint16_t slots[SLOT_COUNT];
    uint64_t items[SL_DICTIONARY_VALUES_MAX];
    size_t count, most;
} table;

static void table_begin(table *t, unsigned slot_bits, size_t most)
{
    t->slot_bits = slot_bits;
    t->most = most;
    t->count = 0;
    memset(t->slots, 0xff, sizeof *t->slots << slot_bits);
}

/* The index of bits, put in when they are new; NO_INDEX when there is no room for them. */
static uint16_t index_of(table *t, uint64_t bits)
{
    const size_t mask = ((size_t)1 << t->slot_bits) - 1;
    size_t slot = (size_t)((bits * 0x9e3779b97f4a7c15u) >> (64 - t->slot_bits));
    for (; t->slots[slot] != NO_INDEX; slot = (slot + 1) & mask)
        if (t->items[t->slots[slot]] == bits) return t->slots[slot];
    if (t->count == t->most) return NO_INDEX;
    t->items[t->count] = bits;
    return t->slots[slot] = (uint16_t)t->count++;
}

size_t sl_count_same(const double *values, size_t count, size_t patience, size_t *sampled)
{
    table t;
    size_t wanted = count < SAMPLE_COUNT ? count : SAMPLE_COUNT, i = 0;
    table_begin(&t, 8, SAMPLE_COUNT);
    for (; i < wanted && (i < patience || t.count < i); i++) {
        size_t place = wanted == SAMPLE_COUNT ? i * SAMPLE_STRIDE % SAMPLE_COUNT : i;
        index_of(&t, sl_bits_of(values[place * count / wanted]));
    }
    *sampled = i;
    return i - t.count;
}

static int64_t order_of(uint64_t bits)
{
    uint64_t magnitude = bits & INT64_MAX;
    return (int64_t)(bits >> 63 ? ~magnitude : magnitude);
}

/* Sorts by insertion, into places found by halving: of at most 512. places[i]: where item i is now. */
static void sort_items(table *t, uint16_t *places)
{
    uint64_t sorted[SL_DICTIONARY_VALUES_MAX];
    uint16_t from[SL_DICTIONARY_VALUES_MAX];
    for (size_t i = 0; i < t->count; i++) {
        const int64_t order = order_of(t->items[i]);
        size_t low = 0, high = i;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (order_of(sorted[middle]) < order) low = middle + 1;
            else high = middle;
        }
        memmove(sorted + low + 1, sorted + low, (i - low) * sizeof *sorted);
        memmove(from + low + 1, from + low, (i - low) * sizeof *from);
        sorted[low] = t->items[i];
        from[low] = (uint16_t)i;
    }
    memcpy(t->items, sorted, t->count * sizeof *sorted);
    for (size_t i = 0; i < t->count; i++) places[from[i]] = (uint16_t)i;
}

size_t sl_make_dictionary(const double *values, size_t count, size_t most, double *dictionary, uint64_t *indexes)
{
    table t;
    uint16_t places[SL_DICTIONARY_VALUES_MAX];
    SL_ASSERT(most <= SL_DICTIONARY_VALUES_MAX);
    table_begin(&t, 11, most);
    for (size_t i = 0; i < count; i++) {
        uint16_t index = index_of(&t, sl_bits_of(values[i]));
        if (index == NO_INDEX) return 0;
        indexes[i] = index;
    }
    sort_items(&t, places);
    for (size_t i = 0; i < count; i++) indexes[i] = places[indexes[i]];
    for (size_t i = 0; i < t.count; i++) dictionary[i] = sl_double_of(t.items[i]);
    return t.count;
}
