/* differences.c: sums of everything before, many at a time.
 *
 * A running sum makes each value wait for the one before. But four values in a row each differ from the value
 * four places before by the sum of the last four differences: sums of any four neighbours wait for nothing, and
 * four running sums side by side are one addition of vectors. */
#include "format/differences.h"

#include "format/bit_pack.h"

#include <string.h>

#define SIDE_BY_SIDE 4u

#if defined(__GNUC__)
typedef uint64_t four __attribute__((vector_size(8 * SIDE_BY_SIDE)));

/* Of four neighbours each, starting at d[-3] to d[0]. */
static inline void sum_neighbours(const uint64_t *d, four *sum)
{
    four a, b, c, e;
    memcpy(&a, d, sizeof a);
    memcpy(&b, d - 1, sizeof b);
    memcpy(&c, d - 2, sizeof c);
    memcpy(&e, d - 3, sizeof e);
    *sum = (a + b) + (c + e);
}
#endif

/* sums[i] = all differences up to i. The SIDE_BY_SIDE - 1 places before the differences must be zero. */
SL_VECTORISED
static void add_up(const uint64_t *restrict differences, size_t count, uint64_t *restrict sums)
{
    uint64_t sum = 0;
    size_t i = 0;
#if defined(__GNUC__)
    four running = {0}, first, second;
    for (; i + 2 * SIDE_BY_SIDE <= count; i += 2 * SIDE_BY_SIDE) {
        sum_neighbours(differences + i, &first);
        sum_neighbours(differences + i + SIDE_BY_SIDE, &second);
        first += running;
        running = first + second;
        memcpy(sums + i, &first, sizeof first);
        memcpy(sums + i + SIDE_BY_SIDE, &running, sizeof running);
    }
    sum = running[SIDE_BY_SIDE - 1];
#endif
    for (; i < count; i++) sums[i] = sum += differences[i];
}

void sl_differences_undo(uint64_t *differences, size_t count, unsigned order, const uint64_t *heads, uint64_t *values)
{
    _Alignas(64) uint64_t room[SL_DIFFERENCES_BEFORE + SL_PACK_LANED_COUNT];
    uint64_t *from = differences, *other = room + SL_DIFFERENCES_BEFORE;
    memset(differences - SL_DIFFERENCES_BEFORE, 0, SL_DIFFERENCES_BEFORE * sizeof *differences);
    memset(room, 0, SL_DIFFERENCES_BEFORE * sizeof *room);
    for (unsigned i = 0; i + 1 < order; i++) from[i] = 0;
    for (unsigned left = order; left-- > 0;) {
        uint64_t *to = left == 0 ? values : other;
        from[left] = heads[left];
        add_up(from, count, to);
        other = from;
        from = to;
    }
}

SL_VECTORISED
void sl_affine_fill(uint64_t *values, size_t count, uint64_t first, uint64_t step)
{
    for (size_t i = 0; i < count; i++) values[i] = first + i * step;
}
