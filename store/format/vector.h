/* format/vector.h: vectors of SL_LANES numbers of 64 bits, for kernels_table.h alone.
 *
 * Compilers' own vector types wherever they make good code of them, instructions by name where they do not. Each
 * operation gives the same in every lane for any number of lanes. */
#ifndef SL_FORMAT_VECTOR_H
#define SL_FORMAT_VECTOR_H

#ifndef SL_LANES
#define SL_LANES 2
#define SL_TARGET
#endif

#include "base/bytes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline)) SL_TARGET
#define KERNEL static SL_TARGET
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define SIGN_BIT ((uint64_t)1 << 63)
#define INFINITE_BITS ((uint64_t)0x7ff << 52) /* all exponent bits of a double */
/* 1.5 * 2^52: added to a double below 2^51 it leaves the rounded integer in the low bits. */
#define ROUNDER 6755399441055744.0

typedef uint64_t vec __attribute__((vector_size(8 * SL_LANES)));
typedef int64_t signed_vec __attribute__((vector_size(8 * SL_LANES)));
typedef double double_vec __attribute__((vector_size(8 * SL_LANES)));

/* ---- in and out ---- */

INLINE vec load(const void *at)
{
    vec x;
    memcpy(&x, at, sizeof x);
    return x;
}

INLINE void store(void *at, vec x) { memcpy(at, &x, sizeof x); }

/* The first count lanes from memory, filler in the others. */
INLINE vec load_part(const void *at, size_t count, uint64_t filler)
{
    uint64_t lanes[SL_LANES];
    for (unsigned i = 0; i < SL_LANES; i++) lanes[i] = filler;
    memcpy(lanes, at, count * sizeof *lanes);
    return load(lanes);
}

/* Lanes from i on of an array of count. */
INLINE vec load_some(const void *array, size_t i, size_t count, uint64_t filler)
{
    const uint8_t *at = (const uint8_t *)array + 8 * i;
    return count - i >= SL_LANES ? load(at) : load_part(at, count - i, filler);
}

/* Little-endian words. */
INLINE vec load_words(const uint8_t *at)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return load(at);
#else
    uint64_t words[SL_LANES];
    for (unsigned i = 0; i < SL_LANES; i++) words[i] = sl_load64(at + 8 * i);
    return load(words);
#endif
}

INLINE void store_words(uint8_t *at, vec x)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    store(at, x);
#else
    for (unsigned i = 0; i < SL_LANES; i++) sl_store64(at + 8 * i, x[i]);
#endif
}

INLINE vec splat(uint64_t x)
{
    const vec zero = {0};
    return zero + x;
}

INLINE double_vec splat_double(double x)
{
#if SL_LANES == 8
    return (double_vec)_mm512_set1_pd(x);
#elif SL_LANES == 4
    return (double_vec)_mm256_set1_pd(x);
#else
    return (double_vec){x, x};
#endif
}

/* ---- lane by lane ---- */

INLINE vec choose(vec mask, vec a, vec b) { return (a & mask) | (b & ~mask); }

INLINE signed_vec smaller(signed_vec a, signed_vec b)
{
#if SL_LANES == 8
    return (signed_vec)_mm512_min_epi64((__m512i)a, (__m512i)b);
#else
    return (signed_vec)choose((vec)(a < b), (vec)a, (vec)b);
#endif
}

INLINE signed_vec larger(signed_vec a, signed_vec b)
{
#if SL_LANES == 8
    return (signed_vec)_mm512_max_epi64((__m512i)a, (__m512i)b);
#else
    return (signed_vec)choose((vec)(a > b), (vec)a, (vec)b);
#endif
}

INLINE vec larger_unsigned(vec a, vec b)
{
#if SL_LANES == 8
    return (vec)_mm512_max_epu64((__m512i)a, (__m512i)b);
#else
    return choose((vec)(a > b), a, b);
#endif
}

/* One more where x is above y. */
INLINE signed_vec count_above(signed_vec counted, signed_vec x, signed_vec y)
{
#if SL_LANES == 8
    __mmask8 is_above = _mm512_cmpgt_epi64_mask((__m512i)x, (__m512i)y);
    return (signed_vec)_mm512_mask_sub_epi64((__m512i)counted, is_above, (__m512i)counted, _mm512_set1_epi64(-1));
#else
    return counted - (x > y);
#endif
}

/* All ones where x is negative. */
INLINE vec sign_of(vec x)
{
#if SL_LANES == 8
    return (vec)_mm512_srai_epi64((__m512i)x, 63);
#else
    const signed_vec zero = {0};
    return (vec)((signed_vec)x < zero);
#endif
}

/* The bits from shift (0 to 63) on of low and, above them, high, as far as mask goes. */
INLINE vec funnel(vec low, vec high, unsigned shift, vec mask)
{
#if SL_LANES == 8 && defined(SL_HAS_FUNNEL)
    return (vec)_mm512_shrdv_epi64((__m512i)low, (__m512i)high, (__m512i)splat(shift)) & mask;
#elif SL_LANES == 8
    /* Counts in vectors shift in one operation, counts in a register in two. */
    __m512i right = _mm512_srlv_epi64((__m512i)low, (__m512i)splat(shift));
    __m512i left = _mm512_sllv_epi64((__m512i)high, (__m512i)splat(64 - shift));
    return (vec)_mm512_ternarylogic_epi64(right, left, (__m512i)mask, 0xa8); /* (a | b) & c */
#elif SL_LANES == 4
    return (low >> shift | (vec)_mm256_sllv_epi64((__m256i)high, (__m256i)splat(64 - shift))) & mask;
#else
    return (low >> shift | high << 1 << (63 - shift)) & mask;
#endif
}

INLINE vec or_three(vec a, vec b, vec c)
{
#if SL_LANES == 8
    return (vec)_mm512_ternarylogic_epi64((__m512i)a, (__m512i)b, (__m512i)c, 0xfe);
#else
    return a | b | c;
#endif
}

/* Bit i is set when lane i is not 0. */
INLINE unsigned lanes_not_zero(vec x)
{
#if SL_LANES == 8
    return _mm512_test_epi64_mask((__m512i)x, (__m512i)x);
#elif SL_LANES == 4
    const vec zero = {0};
    return 15u & ~(unsigned)_mm256_movemask_pd((__m256d)(x == zero));
#else
    return (unsigned)(x[0] != 0) | (unsigned)(x[1] != 0) << 1;
#endif
}

INLINE unsigned lanes_equal(double_vec a, double_vec b)
{
#if SL_LANES == 8
    return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_EQ_OQ);
#elif SL_LANES == 4
    return (unsigned)_mm256_movemask_pd((__m256d)(a == b));
#else
    return (unsigned)(a[0] == b[0]) | (unsigned)(a[1] == b[1]) << 1;
#endif
}

/* Integers of [-2^51, 2^51) to doubles. */
INLINE double_vec to_double(vec x)
{
#if SL_LANES == 8
    return (double_vec)_mm512_cvtepi64_pd((__m512i)x);
#else
    return (double_vec)(x + sl_bits_of(ROUNDER)) - splat_double(ROUNDER);
#endif
}

INLINE double_vec round_to_float(double_vec x)
{
#if SL_LANES == 8
    return (double_vec)_mm512_cvtps_pd(_mm512_cvtpd_ps((__m512d)x));
#elif SL_LANES == 4
    return (double_vec)_mm256_cvtps_pd(_mm256_cvtpd_ps((__m256d)x));
#elif defined(__x86_64__)
    return (double_vec)_mm_cvtps_pd(_mm_cvtpd_ps((__m128d)x));
#else
    /* Not lane by lane: gcc 12 loses the two conversions of lanes that are put together again. */
    typedef float float_vec __attribute__((vector_size(4 * SL_LANES)));
    return __builtin_convertvector(__builtin_convertvector(x, float_vec), double_vec);
#endif
}

/* x / power, rounded once, for integers x in [-2^51, 2^51) and powers of ten up to 10^22; inverse: 1 / power, rounded.
 *
 * Division takes several times as long as the three operations here, which give the same (after Markstein, 1990, and
 * Brisebarre, Muller and Raina, 2004, who treat divisors known in advance). Let u be the last place of the quotient.
 * 1. The product is off by at most 1.5 u, so the rest has few enough digits (5^22 has 52 bits) to come out exactly.
 * 2. Then quotient + rest * inverse is off by at most 1.5 u * 2^-53 before it is rounded.
 * 3. No x / 10^e is half way between two doubles, and x - 10^e * half way is a multiple of 2^e * u / 2: what is near
 *    half way is still u / 2 / 5^e away. Up to e = 22 that is more than 2. allows, so both are rounded the same way. */
INLINE double_vec divide(double_vec x, double_vec power, double_vec inverse)
{
#if SL_LANES == 8
    __m512d quotient = _mm512_mul_pd((__m512d)x, (__m512d)inverse);
    __m512d rest = _mm512_fnmadd_pd(quotient, (__m512d)power, (__m512d)x);
    return (double_vec)_mm512_fmadd_pd(rest, (__m512d)inverse, quotient);
#elif SL_LANES == 4
    __m256d quotient = _mm256_mul_pd((__m256d)x, (__m256d)inverse);
    __m256d rest = _mm256_fnmadd_pd(quotient, (__m256d)power, (__m256d)x);
    return (double_vec)_mm256_fmadd_pd(rest, (__m256d)inverse, quotient);
#else
    (void)inverse;
    return x / power;
#endif
}

INLINE double_vec smaller_double(double_vec a, double_vec b)
{
#if SL_LANES == 8
    return (double_vec)_mm512_min_pd((__m512d)a, (__m512d)b);
#elif SL_LANES == 4
    return (double_vec)_mm256_min_pd((__m256d)a, (__m256d)b);
#else
    return (double_vec){a[0] < b[0] ? a[0] : b[0], a[1] < b[1] ? a[1] : b[1]};
#endif
}

INLINE double_vec larger_double(double_vec a, double_vec b)
{
#if SL_LANES == 8
    return (double_vec)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif SL_LANES == 4
    return (double_vec)_mm256_max_pd((__m256d)a, (__m256d)b);
#else
    return (double_vec){a[0] > b[0] ? a[0] : b[0], a[1] > b[1] ? a[1] : b[1]};
#endif
}

/* ---- across lanes, for the ends of loops ---- */

INLINE uint64_t or_of(vec x)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < SL_LANES; i++) all |= x[i];
    return all;
}

INLINE uint64_t sum_of(vec x)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < SL_LANES; i++) all += x[i];
    return all;
}

#endif
