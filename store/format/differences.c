/* differences.c: sums of everything before, many at a time.
 *
 * A running sum makes each value wait for the one before. But four values in a row each differ from the value
 * four places before by the sum of the last four differences: sums of any four neighbours wait for nothing, and
 * four running sums side by side are one addition of vectors. Likewise for eight. */
#include "format/differences.h"

#include "format/bit_pack.h"

#include <string.h>

#if SL_HAS_WIDE_LOOPS
#include <immintrin.h>
#endif

#define SIDE_BY_SIDE 4u

#if defined(__GNUC__)
typedef uint64_t lanes __attribute__((vector_size(8 * SIDE_BY_SIDE)));

/* Of four neighbours each, the last of them at d[0] to d[3]. */
static inline void sum_neighbours(const uint64_t *d, lanes *sum)
{
    lanes at_0, at_1, at_2, at_3;
    memcpy(&at_0, d, sizeof at_0);
    memcpy(&at_1, d - 1, sizeof at_1);
    memcpy(&at_2, d - 2, sizeof at_2);
    memcpy(&at_3, d - 3, sizeof at_3);
    *sum = (at_0 + at_1) + (at_2 + at_3);
}
#endif

/* sums[i] = all differences up to i. The SIDE_BY_SIDE - 1 places before the differences must be zero. */
SL_VECTORISED
static void add_up(const uint64_t *restrict differences, size_t count, uint64_t *restrict sums)
{
    uint64_t sum = 0;
    size_t i = 0;
#if defined(__GNUC__)
    lanes running = {0}, first, second;
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

#if SL_HAS_WIDE_LOOPS
/* What one running sum remembers: the last vector, its sums of two and of four neighbours, and the last sums. */
typedef struct eight_sums {
    __m512i one, two, four, all;
} eight_sums;

SL_WITH_AVX512
static inline __attribute__((always_inline)) void add_eight(eight_sums *s, __m512i *next)
{
    __m512i two = _mm512_add_epi64(*next, _mm512_alignr_epi64(*next, s->one, 7));
    __m512i four = _mm512_add_epi64(two, _mm512_alignr_epi64(two, s->two, 6));
    s->all = _mm512_add_epi64(s->all, _mm512_add_epi64(four, _mm512_alignr_epi64(four, s->four, 4)));
    s->one = *next;
    s->two = two;
    s->four = four;
    *next = s->all;
}

SL_WITH_AVX512
static inline __attribute__((always_inline)) void add_up_eight(eight_sums sums[3], unsigned order, uint64_t *values)
{
    __m512i next = _mm512_loadu_si512(values);
    add_eight(&sums[0], &next);
    if (order > 1) add_eight(&sums[1], &next);
    if (order > 2) add_eight(&sums[2], &next);
    _mm512_storeu_si512(values, next);
}

SL_WITH_AVX512
static inline __attribute__((always_inline)) void add_up_avx512(uint64_t *values, size_t count, unsigned order)
{
    const __m512i zero = _mm512_setzero_si512();
    eight_sums sums[3] = {{zero, zero, zero, zero}, {zero, zero, zero, zero}, {zero, zero, zero, zero}};
    uint64_t rest[8] = {0};
    const size_t whole = count - count % 8;
    for (size_t i = 0; i < whole; i += 8) add_up_eight(sums, order, values + i);
    if (whole == count) return;
    memcpy(rest, values + whole, count % 8 * sizeof *rest);
    add_up_eight(sums, order, rest);
    memcpy(values + whole, rest, count % 8 * sizeof *rest);
}

SL_WITH_AVX512
static void undo_avx512(uint64_t *values, size_t count, unsigned order)
{
    switch (order) {
    case 1: add_up_avx512(values, count, 1); break;
    case 2: add_up_avx512(values, count, 2); break;
    default: add_up_avx512(values, count, 3); break;
    }
}
#endif

void sl_differences_undo(uint64_t *values, size_t count, unsigned order, const uint64_t *heads)
{
    /* The beginning that, added up so often, gives the heads. */
    values[0] = heads[0];
    if (order >= 2) values[1] = heads[1] - heads[0];
    if (order >= 3) {
        values[1] -= heads[0];
        values[2] = heads[2] - heads[1] + heads[0];
    }
#if SL_HAS_WIDE_LOOPS
    if (sl_has_avx512()) {
        undo_avx512(values, count, order);
        return;
    }
#endif
    uint64_t room[2 * SIDE_BY_SIDE + SL_PACK_LANED_COUNT];
    memset(room, 0, 2 * SIDE_BY_SIDE * sizeof *room);
    for (unsigned i = 0; i < order; i++) {
        memcpy(room + 2 * SIDE_BY_SIDE, values, count * sizeof *values);
        add_up(room + 2 * SIDE_BY_SIDE, count, values);
    }
}

SL_VECTORISED
void sl_affine_fill(uint64_t *values, size_t count, uint64_t first, uint64_t step)
{
    for (size_t i = 0; i < count; i++, first += step) values[i] = first;
}
