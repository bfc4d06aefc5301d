/* format/kernels_encode.h: the encoder's inner loops, for kernels_table.h alone. */
#ifndef SL_FORMAT_KERNELS_ENCODE_H
#define SL_FORMAT_KERNELS_ENCODE_H

#include "format/kernels.h"
#include "format/kernels_decode.h"
#include "format/vector.h"

KERNEL void pack(const uint64_t *values, uint64_t base, unsigned width, uint8_t *out)
{
    const uint64_t mask = UINT64_MAX >> (64 - width);
    vec words[16 / SL_LANES] = {{0}};
    unsigned filled = 0;
    for (unsigned row = 0; row < 64; row++, values += 16) {
        const unsigned shift = filled;
        vec low[16 / SL_LANES];
        UNROLL
        for (unsigned j = 0; j < 16 / SL_LANES; j++) {
            low[j] = (load(values + j * SL_LANES) - base) & mask;
            words[j] |= low[j] << shift;
        }
        filled += width;
        if (filled < 64) continue;
        filled -= 64;
        /* What did not fit starts the next word; nothing when the value ended with the word. */
        const unsigned taken = width - filled;
        UNROLL
        for (unsigned j = 0; j < 16 / SL_LANES; j++) {
            store_words(out + 8 * SL_LANES * j, words[j]);
            words[j] = low[j] >> 1 >> (taken - 1);
        }
        out += 128;
    }
}

INLINE void extremes_of(signed_vec least, signed_vec most, int64_t *min, int64_t *max)
{
    *min = least[0];
    *max = most[0];
    for (unsigned i = 1; i < SL_LANES; i++) {
        *min = least[i] < *min ? least[i] : *min;
        *max = most[i] > *max ? most[i] : *max;
    }
}

KERNEL void difference(const uint64_t *values, size_t count, uint64_t *out, int64_t *min, int64_t *max)
{
    const uint64_t first = values[1] - values[0];
    signed_vec least = (signed_vec)splat(first), most = least;
    size_t i = 0;
    if (min == NULL) {
        for (; i + SL_LANES < count; i += SL_LANES) store(out + i, load(values + i + 1) - load(values + i));
        for (; i + 1 < count; i++) out[i] = values[i + 1] - values[i];
        return;
    }
    /* Two of each, because each waits for itself. */
    signed_vec other_least = least, other_most = least;
    for (; i + 2 * SL_LANES < count; i += 2 * SL_LANES) {
        vec x = load(values + i + 1) - load(values + i);
        vec y = load(values + i + SL_LANES + 1) - load(values + i + SL_LANES);
        least = smaller(least, (signed_vec)x);
        most = larger(most, (signed_vec)x);
        other_least = smaller(other_least, (signed_vec)y);
        other_most = larger(other_most, (signed_vec)y);
        store(out + i, x);
        store(out + i + SL_LANES, y);
    }
    least = smaller(least, other_least);
    most = larger(most, other_most);
    for (; i + SL_LANES < count; i += SL_LANES) {
        vec x = load(values + i + 1) - load(values + i);
        least = smaller(least, (signed_vec)x);
        most = larger(most, (signed_vec)x);
        store(out + i, x);
    }
    if (i + 1 < count) {
        const size_t left = count - 1 - i;
        vec x = load_part(values + i + 1, left, 0) - load_part(values + i, left, 0);
        for (size_t j = 0; j < SL_LANES; j++) x[j] = j < left ? x[j] : first;
        least = smaller(least, (signed_vec)x);
        most = larger(most, (signed_vec)x);
        memcpy(out + i, &x, left * sizeof *out);
    }
    extremes_of(least, most, min, max);
}

KERNEL int is_affine(const uint64_t *values, size_t count)
{
    if (count < 3) return 1;
    const uint64_t step = values[1] - values[0];
    size_t i = 0;
    for (; i + SL_LANES < count; i += SL_LANES)
        if (lanes_not_zero(load(values + i + 1) - load(values + i) - step)) return 0;
    for (; i + 1 < count; i++)
        if (values[i + 1] - values[i] != step) return 0;
    return 1;
}

KERNEL void extremes(const uint64_t *values, size_t count, int64_t *min, int64_t *max)
{
    signed_vec least = (signed_vec)splat(values[0]), most = least, other_least = least, other_most = least;
    size_t i = 0;
    for (; i + 2 * SL_LANES <= count; i += 2 * SL_LANES) {
        signed_vec x = (signed_vec)load(values + i), y = (signed_vec)load(values + i + SL_LANES);
        least = smaller(least, x);
        most = larger(most, x);
        other_least = smaller(other_least, y);
        other_most = larger(other_most, y);
    }
    least = smaller(least, other_least);
    most = larger(most, other_most);
    for (; i < count; i += SL_LANES) {
        signed_vec x = (signed_vec)load_some(values, i, count, values[0]);
        least = smaller(least, x);
        most = larger(most, x);
    }
    extremes_of(least, most, min, max);
}

#if SL_LANES == 2
KERNEL void select_places(const int64_t *items, size_t count, const unsigned *places, size_t place_count, int64_t *out)
{
    int64_t sorted[SL_KERNEL_SELECT_MAX];
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        for (; at > 0 && sorted[at - 1] > items[i]; at--) sorted[at] = sorted[at - 1];
        sorted[at] = items[i];
    }
    for (size_t i = 0; i < place_count; i++) out[i] = sorted[places[i]];
}
#else
/* By counting for each how many are smaller: no branch that a processor would have to guess. What sorting would put at
 * a place is the largest of those with at most so many smaller ones. */
INLINE void select_of(const int64_t *items, size_t count, unsigned vectors, const unsigned *places, size_t place_count,
                      int64_t *out)
{
    signed_vec x[SL_KERNEL_SELECT_MAX / SL_LANES], counted[SL_KERNEL_SELECT_MAX / SL_LANES];
    int64_t padded[SL_KERNEL_SELECT_MAX];
    for (size_t i = 0; i < vectors * SL_LANES; i++) padded[i] = i < count ? items[i] : INT64_MAX;
    UNROLL
    for (unsigned j = 0; j < vectors; j++) {
        x[j] = (signed_vec)load(padded + j * SL_LANES);
        counted[j] = (signed_vec)splat(0);
    }
    for (size_t i = 0; i < count; i++) {
        const signed_vec item = (signed_vec)splat((uint64_t)items[i]);
        UNROLL
        for (unsigned j = 0; j < vectors; j++) counted[j] = count_above(counted[j], x[j], item);
    }
    for (size_t i = 0; i < place_count; i++) {
        const signed_vec place = (signed_vec)splat(places[i]), least = (signed_vec)splat((uint64_t)INT64_MIN);
        signed_vec best = least;
        UNROLL
        for (unsigned j = 0; j < vectors; j++)
            best = larger(best, (signed_vec)choose((vec)(counted[j] > place), (vec)least, (vec)x[j]));
        out[i] = best[0];
        for (unsigned lane = 1; lane < SL_LANES; lane++) out[i] = best[lane] > out[i] ? best[lane] : out[i];
    }
}

KERNEL void select_places(const int64_t *items, size_t count, const unsigned *places, size_t place_count, int64_t *out)
{
    if (count <= SL_KERNEL_SELECT_MAX / 2) {
        select_of(items, count, SL_KERNEL_SELECT_MAX / 2 / SL_LANES, places, place_count, out);
    } else {
        select_of(items, count, SL_KERNEL_SELECT_MAX / SL_LANES, places, place_count, out);
    }
}
#endif

KERNEL int64_t sum_distances(const uint64_t *values, size_t count, uint64_t middle, int64_t bound)
{
    size_t i = 0;
    uint64_t sum_of_all = 0;
#if SL_LANES > 2 /* comparing two numbers of 64 bits at a time takes longer than one by one */
    const signed_vec most = (signed_vec)splat((uint64_t)bound), least = (signed_vec)splat(0 - (uint64_t)bound);
    signed_vec all = {0};
    for (; i + SL_LANES <= count; i += SL_LANES) {
        signed_vec distance = (signed_vec)(load(values + i) - middle);
        all += smaller(larger(distance, least), most);
    }
    sum_of_all = sum_of((vec)all);
#endif
    for (; i < count; i++) {
        int64_t distance = (int64_t)(values[i] - middle);
        distance = distance < -bound ? -bound : distance;
        sum_of_all += (uint64_t)(distance > bound ? bound : distance);
    }
    return (int64_t)sum_of_all;
}

INLINE uint64_t fold_distance(uint64_t distance, uint64_t fold)
{
    return distance ^ ((0 - (distance >> 63)) & fold);
}

INLINE uint64_t length_of(uint64_t x) { return x == 0 ? 0 : 64 - (uint64_t)__builtin_clzll(x); }

#if SL_LANES == 8
/* The first of each four of 32 values. */
INLINE __m512i load_fourths(const uint64_t *values)
{
    const __m512i index = _mm512_setr_epi64(0, 4, 8, 12, 0, 4, 8, 12);
    __m512i a = _mm512_permutex2var_epi64(_mm512_loadu_si512(values), index, _mm512_loadu_si512(values + 8));
    __m512i b = _mm512_permutex2var_epi64(_mm512_loadu_si512(values + 16), index, _mm512_loadu_si512(values + 24));
    return _mm512_mask_blend_epi64(0xf0, a, b);
}
#endif

KERNEL size_t lengths_from(const uint64_t *values, size_t count, size_t stride, uint64_t origin, int is_one_sided,
                           uint8_t *lengths, uint64_t *seen)
{
    const uint64_t fold = is_one_sided ? 0 : UINT64_MAX;
    uint64_t every = 0;
    size_t i = 0, done = 0;
#if SL_LANES == 8
    if (stride == 1 || stride == 4) {
        const vec folds = splat(fold), tops = splat(SIGN_BIT);
        vec all = {0};
        for (; i + 8 * stride <= count; i += 8 * stride, done += 8) {
            vec x = (vec)(stride == 4 ? load_fourths(values + i) : _mm512_loadu_si512(values + i)) - origin;
            vec zeros = (vec)_mm512_lzcnt_epi64((__m512i)(x ^ (sign_of(x) & folds)));
            all |= (vec)_mm512_srlv_epi64((__m512i)tops, (__m512i)zeros);
            _mm_storel_epi64((__m128i *)(void *)(lengths + done), _mm512_cvtepi64_epi8((__m512i)(64 - zeros)));
        }
        every = or_of(all);
    }
#endif
    for (; i < count; i += stride) {
        uint64_t length = length_of(fold_distance(values[i] - origin, fold));
        every |= length == 0 ? 0 : (uint64_t)1 << (length - 1);
        lengths[done++] = (uint8_t)length;
    }
    for (size_t end = (done + 63) / 64 * 64, j = done; j < end; j++) lengths[j] = 0;
    *seen = every;
    return done;
}

/* Eight lengths, none above 64, in each number; the top bit of a byte is left when it is long enough. */
KERNEL size_t count_longer(const uint8_t *lengths, size_t count, unsigned length)
{
    const uint64_t ones = 0x0101010101010101u, pairs = 0x00ff00ff00ff00ffu;
    const vec tops = splat(ones << 7), least = splat(ones * (length + 1));
    vec all = {0};
    size_t sum_of_counts = 0;
    for (size_t i = 0; i < count; i += 8 * SL_LANES) all += (((load(lengths + i) | tops) - least) >> 7) & ones;
    vec halves = (all & pairs) + (all >> 8 & pairs);
    for (unsigned i = 0; i < SL_LANES; i++) sum_of_counts += halves[i] * 0x0001000100010001u >> 48;
    return sum_of_counts;
}

KERNEL size_t sum_lengths(const uint64_t *values, size_t count, uint64_t middle)
{
    size_t i = 0, bits = 0;
#if SL_LANES == 8
    vec all = {0};
    for (; i + 8 <= count; i += 8) {
        vec x = load(values + i) - middle;
        all += 64 - (vec)_mm512_lzcnt_epi64((__m512i)(x ^ sign_of(x)));
    }
    bits = sum_of(all);
#endif
    for (; i < count; i++) bits += length_of(fold_distance(values[i] - middle, UINT64_MAX));
    return bits;
}

KERNEL void sample(const uint64_t *values, uint64_t *const out[4])
{
    UNROLL
    for (unsigned i = 0; i < 16; i += SL_LANES) {
        vec a = load(values + i), b = load(values + i + 1), c = load(values + i + 2), d = load(values + i + 3);
        vec first = d - c, second = first - (c - b);
        store(out[0] + i, d);
        store(out[1] + i, first);
        store(out[2] + i, second);
        store(out[3] + i, second - ((c - b) - (b - a)));
    }
}

KERNEL size_t count_others(const uint64_t *values, size_t count, uint64_t value, uint64_t *every)
{
    vec all = {0};
    size_t others = 0;
    for (size_t i = 0; i < count; i += SL_LANES) {
        vec distance = load_some(values, i, count, value) - value;
        others += (size_t)__builtin_popcount(lanes_not_zero(distance));
        all |= distance << 1 ^ sign_of(distance);
    }
    *every = or_of(all);
    return others;
}

/* Lists which bits are set, eight at a time whether there are as many or not: how many are in a word is nothing that a
 * processor can guess. Returns how many. */
INLINE size_t list_bits(uint64_t bits, size_t first, uint16_t *positions)
{
    const size_t found = (size_t)__builtin_popcountll(bits);
    for (size_t done = 0; done < found; done += 8) {
        UNROLL
        for (size_t i = 0; i < 8; i++, bits &= bits - 1) {
            /* Behind the last one any number will do. */
            positions[done + i] = (uint16_t)(first + (unsigned)__builtin_ctzll(bits | SIGN_BIT));
        }
    }
    return found;
}

KERNEL size_t find_outside(const uint64_t *values, size_t count, uint64_t base, uint64_t mask, uint16_t *positions,
                           uint64_t *every)
{
    vec all = {0};
    size_t found = 0;
    for (size_t i = 0; i < count; i += 64) {
        uint64_t outside = 0;
        if (i + 64 <= count) {
            UNROLL
            for (size_t j = 0; j < 64; j += SL_LANES) {
                vec offset = load(values + i + j) - base;
                all |= offset;
                outside |= (uint64_t)lanes_not_zero(offset & ~mask) << j;
            }
        } else {
            for (size_t j = i; j < count; j += SL_LANES) {
                vec offset = load_some(values, j, count, base) - base;
                all |= offset;
                outside |= (uint64_t)lanes_not_zero(offset & ~mask) << (j - i);
            }
        }
        found += list_bits(outside, i, positions + found);
    }
    *every = or_of(all);
    return found;
}

/* One byte, 0 or 1, for each of the lowest bits; at has room for 8. */
INLINE void store_flags(uint8_t *at, unsigned bits)
{
    uint64_t flags = (bits & 127) * 0x0002040810204081u & 0x0101010101010101u;
    sl_store64(at, flags | (uint64_t)(bits >> 7) << 56);
}

INLINE size_t to_decimals_by(const double *values, size_t count, unsigned exponent, uint64_t half, int is_float,
                             uint8_t *is_exception, uint64_t *integers)
{
    const double_vec power = splat_double(sl_power_of_ten[exponent]), rounder = splat_double(ROUNDER);
    const double_vec inverse = splat_double(sl_power_inverse[exponent]);
    const vec halves = splat(half), inside = splat(2 * half - 1);
    size_t failed = 0;
    memset(is_exception, 0, count);
    for (size_t i = 0; i < count; i += SL_LANES) {
        vec bits = load_some(values, i, count, 0);
        vec integer = (vec)((double_vec)bits * power + rounder) - sl_bits_of(ROUNDER);
        double_vec back = divide(decimal_of(integer, halves, inside), power, inverse);
        if (is_float) back = round_to_float(back);
        unsigned odd = lanes_not_zero(((integer + half) & ~(2 * half - 1)) | ((vec)back ^ bits));
        store(integers + i, integer);
        if (odd == 0) continue;
        store_flags(is_exception + i, odd);
        failed += (size_t)__builtin_popcount(odd);
    }
    return failed;
}

KERNEL size_t to_decimals(const double *values, size_t count, unsigned exponent, int is_float, uint8_t *is_exception,
                          uint64_t *integers)
{
    return is_float ? to_decimals_by(values, count, exponent, SL_DECIMAL_FLOAT_HALF, 1, is_exception, integers)
                    : to_decimals_by(values, count, exponent, SL_DECIMAL_HALF, 0, is_exception, integers);
}

KERNEL size_t to_fractions(const double *values, size_t count, double divisor, uint64_t rest_max, uint8_t *is_exception,
                           uint64_t *integers, uint64_t *rests)
{
    const double_vec divisors = splat_double(divisor), rounder = splat_double(ROUNDER);
    const vec half = splat(SL_DECIMAL_HALF), inside = splat(2 * SL_DECIMAL_HALF - 1), minus_zero = splat(SIGN_BIT);
    const vec most = splat(rest_max), infinite = splat(INFINITE_BITS);
    size_t failed = 0;
    memset(is_exception, 0, count);
    for (size_t i = 0; i < count; i += SL_LANES) {
        vec bits = load_some(values, i, count, 0);
        vec integer = (vec)((double_vec)bits * divisors + rounder) - sl_bits_of(ROUNDER);
        vec rest = to_order(bits) - quotient_order(integer, divisors, half, inside);
        vec odd = (vec)(bits == minus_zero) | (vec)((bits & infinite) == infinite) |
                  (vec)(rest + (most - 1) > 2 * (most - 1));
        unsigned flags = lanes_not_zero(((integer + half) & ~(2 * SL_DECIMAL_HALF - 1)) | odd);
        store(integers + i, integer);
        store(rests + i, rest);
        if (flags == 0) continue;
        store_flags(is_exception + i, flags);
        failed += (size_t)__builtin_popcount(flags);
    }
    return failed;
}

KERNEL int to_ordered(const double *values, size_t count, uint64_t *integers, uint64_t *every)
{
    const uint64_t one = sl_bits_of(1.0);
    vec special = {0}, all = {0};
    for (size_t i = 0; i < count; i += SL_LANES) {
        const vec bits = load_some(values, i, count, one), sign = sign_of(bits), magnitude = bits & ~SIGN_BIT;
        const vec integer = (magnitude ^ sign) - sign;
        /* 0, and what has all exponent bits set, is at the top after a step down. */
#if SL_LANES == 8
        special = (vec)_mm512_max_epu64((__m512i)special, (__m512i)(magnitude - 1));
#else
        special |= (magnitude + (SIGN_BIT - INFINITE_BITS)) | (magnitude - 1);
#endif
        /* What fills the last vector is no value. */
        if (count - i >= SL_LANES) {
            all |= integer;
            store(integers + i, integer);
            continue;
        }
        for (size_t j = 0; j < count - i; j++) all[0] |= integers[i + j] = integer[j];
    }
    *every = or_of(all);
#if SL_LANES == 8
    return _mm512_cmpge_epu64_mask((__m512i)special, (__m512i)splat(INFINITE_BITS - 1)) == 0;
#else
    return or_of(special) >> 63 == 0;
#endif
}

KERNEL void count_kinds(const double *values, size_t count, uint64_t below_float, size_t *zeros, size_t *floats)
{
    size_t not_zero = 0, not_float = 0;
    for (size_t i = 0; i < count; i += SL_LANES) {
        vec bits = load_some(values, i, count, 0);
        not_zero += (size_t)__builtin_popcount(lanes_not_zero(bits));
        not_float += (size_t)__builtin_popcount(lanes_not_zero(bits & below_float));
    }
    *zeros = count - not_zero;
    *floats = count - not_float;
}

KERNEL size_t mark_odd(const double *values, size_t count, int are_zeros_odd, uint64_t odd_bits, uint8_t *is_exception)
{
    const vec infinite = splat(INFINITE_BITS), zero = {0}, minus_zero = splat(SIGN_BIT);
    const vec zeros = splat(are_zeros_odd ? UINT64_MAX : 0);
    size_t marked = 0;
    for (size_t i = 0; i < count; i += SL_LANES) {
        vec bits = load_some(values, i, count, sl_bits_of(1.0));
        vec odd = (vec)((bits & infinite) == infinite) | (vec)(bits == minus_zero) | ((vec)(bits == zero) & zeros);
        unsigned flags = lanes_not_zero(odd | (bits & odd_bits));
        store_flags(is_exception + i, flags);
        marked += (size_t)__builtin_popcount(flags);
    }
    return marked;
}

KERNEL void shift_right(uint64_t *integers, size_t count, unsigned shift)
{
    for (size_t i = 0; i < count; i += SL_LANES) {
        vec x = load(integers + i);
#if SL_LANES == 8
        store(integers + i, (vec)((signed_vec)x >> shift));
#else
        vec sign = sign_of(x);
        store(integers + i, (x ^ sign) >> shift ^ sign);
#endif
    }
}

/* By their bits: a host that traps on invalid operations must not notice that we looked at its NaN. */
KERNEL int are_finite(const double *values, size_t count)
{
    vec carries = {0};
    for (size_t i = 0; i < count; i += SL_LANES)
        carries |= (load_some(values, i, count, 0) & INFINITE_BITS) + (SIGN_BIT - INFINITE_BITS);
    return or_of(carries) >> 63 == 0;
}

KERNEL void extremes_of_doubles(const double *values, size_t count, double *least, double *most)
{
    const uint64_t filler = sl_bits_of(values[0]);
    /* Four of each, because each waits for itself. */
    double_vec low[4], high[4];
    size_t i = 0;
    for (unsigned j = 0; j < 4; j++) low[j] = high[j] = splat_double(values[0]);
    for (; i + 4 * SL_LANES <= count; i += 4 * SL_LANES) {
        UNROLL
        for (unsigned j = 0; j < 4; j++) {
            double_vec x = (double_vec)load(values + i + j * SL_LANES);
            low[j] = smaller_double(x, low[j]);
            high[j] = larger_double(x, high[j]);
        }
    }
    for (; i < count; i += SL_LANES) {
        double_vec x = (double_vec)load_some(values, i, count, filler);
        low[0] = smaller_double(x, low[0]);
        high[0] = larger_double(x, high[0]);
    }
    *least = *most = values[0];
    for (unsigned j = 0; j < 4; j++) {
        for (unsigned lane = 0; lane < SL_LANES; lane++) {
            *least = low[j][lane] < *least ? low[j][lane] : *least;
            *most = high[j][lane] > *most ? high[j][lane] : *most;
        }
    }
}

KERNEL size_t find(const double *values, size_t count, double value)
{
    const double_vec wanted = splat_double(value);
    size_t i = 0;
    for (; i + SL_LANES <= count; i += SL_LANES) {
        unsigned equal = lanes_equal((double_vec)load(values + i), wanted);
        if (equal != 0) return i + (unsigned)__builtin_ctz(equal);
    }
    while (values[i] != value) i++;
    return i;
}

#endif
