/* format/kernels_decode.h: the decoder's inner loops, for kernels_table.h alone. */
#ifndef SL_FORMAT_KERNELS_DECODE_H
#define SL_FORMAT_KERNELS_DECODE_H

#include "format/kernels.h"
#include "format/vector.h"

/* Rows from first to last of 16 values; those that go on in the next words find them distance bytes behind. */
INLINE void unpack_rows(const uint8_t *in, unsigned width, unsigned first, unsigned last, size_t distance, vec added,
                        uint64_t *values, vec *every)
{
    const vec mask = splat(UINT64_MAX >> (64 - width));
    vec all = *every;
    for (unsigned row = first, bit = first * width; row < last; row++, bit += width) {
        const unsigned shift = bit % 64;
        const uint8_t *low = in + bit / 64 * (size_t)128, *high = low + distance;
        const int is_in_one = SL_LANES == 2 && shift + width <= 64;
        UNROLL
        for (unsigned lane = 0; lane < 16; lane += 2 * SL_LANES) {
            vec a = load_words(low + 8 * lane), b = load_words(low + 8 * (lane + SL_LANES));
            if (is_in_one) {
                a = a >> shift & mask;
                b = b >> shift & mask;
            } else {
                a = funnel(a, load_words(high + 8 * lane), shift, mask);
                b = funnel(b, load_words(high + 8 * (lane + SL_LANES)), shift, mask);
            }
            all = or_three(all, a, b);
            store(values + 16 * row + lane, a + added);
            store(values + 16 * row + lane + SL_LANES, b + added);
        }
    }
    *every = all;
}

KERNEL uint64_t unpack(const uint8_t *in, unsigned width, uint64_t base, uint64_t *values)
{
    const vec added = splat(base);
    vec every = {0};
    /* The last words have no next ones, and what is taken of those is masked. */
    const unsigned in_last = (64 * (width - 1) + width - 1) / width;
    unpack_rows(in, width, 0, in_last, 128, added, values, &every);
    unpack_rows(in, width, in_last, 64, 0, added, values, &every);
    return or_of(every);
}

INLINE uint64_t take_bits(const uint8_t *in, size_t bit, unsigned width)
{
    uint64_t value = sl_load64(in + bit / 8) >> bit % 8;
    /* Two shifts, because shifting by 64 is undefined when the value starts on a byte. */
    if (width > 57) value |= (uint64_t)in[bit / 8 + 8] << 1 << (63 - bit % 8);
    return value & UINT64_MAX >> (64 - width);
}

#if SL_LANES > 2
/* Eight values take width bytes, so they lie the same way in each eight. Two that are neighbours are
 * in 16 bytes, in which a shuffle moves the bytes of each to a lane of its own. Returns how many were unpacked. */
INLINE size_t unpack_eights(const uint8_t *in, size_t count, unsigned width, uint64_t base, uint64_t *values,
                            vec *every)
{
    const vec mask = splat(UINT64_MAX >> (64 - width));
    vec shuffle[8 / SL_LANES], shift[8 / SL_LANES], all = {0};
    size_t i = 0;
    for (unsigned j = 0; j < 8; j++) {
        uint64_t from = j * width / 8 - (j & 6) * width / 8;
        shuffle[j / SL_LANES][j % SL_LANES] = from * 0x0101010101010101u + 0x0706050403020100u;
        shift[j / SL_LANES][j % SL_LANES] = j * width % 8;
    }
    for (; i + 8 <= count; i += 8, in += width) {
#define PAIR(n) _mm_loadu_si128((const __m128i *)(const void *)(in + (n) * width / 8))
        __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(PAIR(0)), PAIR(2), 1);
        __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(PAIR(4)), PAIR(6), 1);
#undef PAIR
#if SL_LANES == 8
        __m512i bytes = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
        vec x = ((vec)_mm512_shuffle_epi8(bytes, (__m512i)shuffle[0]) >> shift[0]) & mask;
        all |= x;
        store(values + i, x + base);
#else
        vec x = ((vec)_mm256_shuffle_epi8(low, (__m256i)shuffle[0]) >> shift[0]) & mask;
        vec y = ((vec)_mm256_shuffle_epi8(high, (__m256i)shuffle[1]) >> shift[1]) & mask;
        all |= x | y;
        store(values + i, x + base);
        store(values + i + 4, y + base);
#endif
    }
    *every = all;
    return i;
}
#endif

KERNEL uint64_t unpack_string(const uint8_t *in, size_t count, unsigned width, uint64_t base, uint64_t *values)
{
    uint64_t all = 0;
    size_t i = 0;
#if SL_LANES > 2
    vec every = {0};
    if (width <= 57) i = unpack_eights(in, count, width, base, values, &every);
    all = or_of(every);
#endif
    for (; i < count; i++) {
        uint64_t value = take_bits(in, i * width, width);
        all |= value;
        values[i] = value + base;
    }
    return all;
}

KERNEL void fill(uint64_t first, uint64_t step, size_t count, void *values)
{
    uint8_t *at = values;
    size_t i = 0;
    vec x;
    /* Stores that cross a cache line take twice as long, and there is nothing else to do here. */
    for (; i < count && (uintptr_t)(at + 8 * i) % sizeof x != 0 && i < SL_LANES; i++, first += step)
        memcpy(at + 8 * i, &first, 8);
    for (unsigned j = 0; j < SL_LANES; j++) x[j] = first + j * step;
    for (; i + SL_LANES <= count; i += SL_LANES, x += SL_LANES * step) store(at + 8 * i, x);
    for (unsigned j = 0; i < count; i++, j++) memcpy(at + 8 * i, &(uint64_t){x[j]}, 8);
}

#if SL_LANES == 8
/* The sums of a vector are those of the vector before and, for each, of the eight values up to it. These come from
 * pairs, fours and eights of neighbours; only one addition a vector waits for the vector before. */
typedef struct running_sum {
    __m512i values, pairs, fours, sums;
} running_sum;

INLINE __m512i add_up(running_sum *before, __m512i values)
{
    __m512i pairs = _mm512_add_epi64(values, _mm512_alignr_epi64(values, before->values, 7));
    __m512i fours = _mm512_add_epi64(pairs, _mm512_alignr_epi64(pairs, before->pairs, 6));
    __m512i eights = _mm512_add_epi64(fours, _mm512_alignr_epi64(fours, before->fours, 4));
    *before = (running_sum){values, pairs, fours, _mm512_add_epi64(before->sums, eights)};
    return before->sums;
}

INLINE running_sum no_sum(void)
{
    const __m512i zero = _mm512_setzero_si512();
    return (running_sum){zero, zero, zero, zero};
}

KERNEL void sum_first(uint64_t *values, size_t count, const uint64_t *heads)
{
    running_sum sum_of_first = no_sum();
    values[0] = heads[0];
    for (size_t i = 0; i < count; i += 8)
        _mm512_storeu_si512(values + i, add_up(&sum_of_first, _mm512_loadu_si512(values + i)));
}

KERNEL void sum_second(uint64_t *values, size_t count, const uint64_t *heads)
{
    running_sum sum_of_first = no_sum(), sum_of_second = no_sum();
    __m512i head = _mm512_zextsi128_si512(_mm_cvtsi64_si128((int64_t)heads[0]));
    values[0] = 0;
    values[1] = heads[1];
    for (size_t i = 0; i < count; i += 8) {
        __m512i first = add_up(&sum_of_second, _mm512_loadu_si512(values + i));
        _mm512_storeu_si512(values + i, add_up(&sum_of_first, _mm512_add_epi64(first, head)));
        head = _mm512_setzero_si512();
    }
}
#else
KERNEL void sum_first(uint64_t *values, size_t count, const uint64_t *heads)
{
    uint64_t value = values[0] = heads[0];
    for (size_t i = 1; i < count; i++) values[i] = value += values[i];
}

KERNEL void sum_second(uint64_t *values, size_t count, const uint64_t *heads)
{
    uint64_t value = values[0] = heads[0], first = heads[1];
    values[1] = value += first;
    for (size_t i = 2; i < count; i++) values[i] = value += first += values[i];
}
#endif

/* Each of the three sums waits for itself only, so this takes as long as one of them; vectors would need twice as many
 * operations as for two. */
KERNEL void sum_third(uint64_t *values, size_t count, const uint64_t *heads)
{
    uint64_t value = values[0] = heads[0], first = heads[1], second = heads[2];
    values[1] = value += first;
    first += second;
    values[2] = value += first;
    for (size_t i = 3; i < count; i++) values[i] = value += first += second += values[i];
}

KERNEL void sum(uint64_t *values, size_t count, unsigned order, const uint64_t *heads)
{
    if (order == 1) {
        sum_first(values, count, heads);
    } else if (order == 2) {
        sum_second(values, count, heads);
    } else {
        sum_third(values, count, heads);
    }
}

KERNEL int multiply(uint64_t *values, size_t count, uint64_t factor, uint64_t first, uint64_t limit)
{
    vec most = {0};
    for (size_t i = 0; i < count; i += SL_LANES) {
        vec x = load(values + i);
        most = larger_unsigned(most, x + limit);
        store(values + i, x * factor + first);
    }
    for (unsigned i = 0; i < SL_LANES; i++)
        if (most[i] > 2 * limit) return 0;
    return 1;
}

#if SL_LANES == 8
/* No integer makes this conversion, or what follows it, an invalid operation. */
INLINE double_vec decimal_of(vec x, vec half, vec inside)
{
    (void)half, (void)inside;
    return to_double(x);
}
#else
/* Kept to the range, so that no byte from disk makes an invalid operation, on which some hosts trap. */
INLINE double_vec decimal_of(vec x, vec half, vec inside) { return to_double(((x + half) & inside) - half); }
#endif

INLINE int decimals_by(const uint64_t *integers, size_t count, unsigned exponent, uint64_t half, int is_divided,
                       int is_float, double *values)
{
    const double_vec power = splat_double(sl_power_of_ten[exponent]);
    const double_vec inverse = splat_double(sl_power_inverse[exponent]);
    const vec halves = splat(half), inside = splat(2 * half - 1);
    vec all = {0};
    for (size_t i = 0; i < count; i += 2 * SL_LANES) {
        vec x = load(integers + i), y = load(integers + i + SL_LANES);
        double_vec a = decimal_of(x, halves, inside), b = decimal_of(y, halves, inside);
        all = or_three(all, x + half, y + half);
        if (is_divided) a = divide(a, power, inverse), b = divide(b, power, inverse);
        if (is_float) a = round_to_float(a), b = round_to_float(b);
        store(values + i, (vec)a);
        store(values + i + SL_LANES, (vec)b);
    }
    return (or_of(all) & ~(2 * half - 1)) == 0;
}

KERNEL int decimals(const uint64_t *integers, size_t count, unsigned exponent, int is_float, double *values)
{
    if (is_float) return decimals_by(integers, count, exponent, SL_DECIMAL_FLOAT_HALF, 1, 1, values);
    if (exponent == 0) return decimals_by(integers, count, exponent, SL_DECIMAL_HALF, 0, 0, values);
    return decimals_by(integers, count, exponent, SL_DECIMAL_HALF, 1, 0, values);
}

/* The sign and the magnitude, shifted left. */
#if SL_LANES == 2
typedef unsigned shift_count;
#else
typedef vec shift_count;
#endif

INLINE vec from_ordered(vec x, shift_count shift)
{
    x <<= shift;
#if SL_LANES == 8
    vec magnitude = (vec)_mm512_abs_epi64((__m512i)x);
#else
    vec sign = sign_of(x), magnitude = (x ^ sign) - sign;
#endif
    return magnitude | (x & SIGN_BIT);
}

KERNEL int ordered(const uint64_t *integers, size_t count, unsigned shift, double *values)
{
    /* The sign and all bits that the shift drops must be equal. */
    const uint64_t half = (uint64_t)1 << (63 - shift), dropped = shift == 0 ? 0 : ~(2 * half - 1);
    vec all = {0};
#if SL_LANES == 2
    const shift_count shifts = shift;
#else
    const shift_count shifts = splat(shift);
#endif
    for (size_t i = 0; i < count; i += 2 * SL_LANES) {
        vec x = load(integers + i), y = load(integers + i + SL_LANES);
        all = or_three(all, x + half, y + half);
        store(values + i, from_ordered(x, shifts));
        store(values + i + SL_LANES, from_ordered(y, shifts));
    }
    return (or_of(all) & dropped) == 0;
}

/* The order of the doubles: the integer of which from_ordered() makes the same bits, but for -0.0. */
INLINE vec to_order(vec bits)
{
    const vec sign = sign_of(bits), magnitude = bits & ~SIGN_BIT;
    return (magnitude ^ sign) - sign;
}

INLINE vec quotient_order(vec integer, double_vec divisor, vec half, vec inside)
{
    return to_order((vec)(decimal_of(integer, half, inside) / divisor));
}

KERNEL int fractions(const uint64_t *integers, const uint64_t *rests, size_t count, double divisor, double *values)
{
    const double_vec divisors = splat_double(divisor);
    const vec half = splat(SL_DECIMAL_HALF), inside = splat(2 * SL_DECIMAL_HALF - 1);
    vec all = {0};
#if SL_LANES == 2
    const shift_count no_shift = 0;
#else
    const shift_count no_shift = splat(0);
#endif
    for (size_t i = 0; i < count; i += SL_LANES) {
        vec x = load(integers + i);
        all |= x + half;
        store(values + i, from_ordered(quotient_order(x, divisors, half, inside) + load(rests + i), no_shift));
    }
    return (or_of(all) & ~(2 * SL_DECIMAL_HALF - 1)) == 0;
}

#endif
