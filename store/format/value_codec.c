/* value_codec.c: doubles to integers that are small or regular, and back, bit for bit.
 *
 * Two views of the same bits, each an integer stream (int_stream.c):
 *
 *   decimal   what was printed or counted: m / 10^e with a small m. As the quotient of two exact doubles is
 *             rounded once, it is what a parser makes of the decimal text. The same rounded to float
 *             afterwards is its own codec: accuracies that went through a float32 tensor.
 *   ordered   what was computed: the double's bits as a sign and magnitude, an integer in the order of the
 *             values. Its common trailing zeros are shifted out, so float32 and bfloat16 take no more
 *             than their own bits.
 *
 * Values that a view cannot express, or that would spoil its widths (NaN, infinities, -0.0, a few zeros), are taken
 * out of the stream and kept as runs of raw bits. The encoder checks each value by the formula of
 * the decoder before it counts on it, and compares exact sizes. */
#include "format/value_codec.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "format/bit_pack.h"
#include "format/int_stream.h"

#include <stdio.h>
#if SL_HAS_WIDE_LOOPS
#include <immintrin.h>
#endif

#define COUNT_MAX SL_BLOCK_VALUES_MAX
#define EXPONENT_MAX 22u
#define SIGN_BIT ((uint64_t)1 << 63)
#define EXPONENT_BITS ((uint64_t)0x7ff << 52)
#define BELOW_FLOAT (((uint64_t)1 << 29) - 1) /* the bits of a double that a float32 does not have */
/* Decimal integers stay below these: different ones then always give different values. */
#define DECIMAL_BITS 51u
#define DECIMAL_FLOAT_BITS 22u
/* 1.5 * 2^52: added to a double below 2^51 it leaves the rounded integer in the low bits. */
#define ROUNDER 6755399441055744.0

_Static_assert(SL_STREAM_COUNT_MAX == SL_BLOCK_VALUES_MAX, "a block is one stream");

enum { CODEC_RAW, CODEC_CONSTANT, CODEC_DECIMAL, CODEC_DECIMAL_FLOAT, CODEC_ORDERED };

static const double power_of_ten[EXPONENT_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* ---- the two views ---- */

static double from_decimal(uint64_t integer, double power, int is_float)
{
    /* Converts an integer below 2^51 in a way that vectorises without AVX-512. */
    double value = (sl_double_of(integer + sl_bits_of(ROUNDER)) - ROUNDER) / power;
    return is_float ? (double)(float)value : value;
}

/* Returns 1 when *integer stands for exactly value. */
static int to_decimal(double value, double power, int is_float, uint64_t *integer)
{
    const uint64_t half = (uint64_t)1 << (is_float ? DECIMAL_FLOAT_BITS : DECIMAL_BITS);
    uint64_t m = sl_bits_of(value * power + ROUNDER) - sl_bits_of(ROUNDER);
    *integer = m;
    return (m + half < 2 * half) & (sl_bits_of(from_decimal(m, power, is_float)) == sl_bits_of(value));
}

static uint64_t to_ordered(uint64_t bits)
{
    uint64_t sign = 0 - (bits >> 63);
    return ((bits & ~SIGN_BIT) ^ sign) - sign;
}

static uint64_t from_ordered(uint64_t integer)
{
    uint64_t sign = 0 - (integer >> 63);
    return ((integer ^ sign) - sign) | (sign & SIGN_BIT);
}

static uint64_t shift_right_signed(uint64_t value, unsigned shift)
{
    return (value ^ (0 - (value >> 63))) >> shift ^ (0 - (value >> 63));
}

/* ---- encoding ---- */

/* A way to encode a block: the integers of the values that are in the stream, the rest as exceptions. */
typedef struct candidate {
    unsigned codec, parameter;
    size_t kept, exception_bytes, run_count;
    uint8_t is_exception[COUNT_MAX];
    uint64_t integers[COUNT_MAX];
    sl_stream_plan plan;
    size_t bytes; /* SIZE_MAX: not possible, or hopeless */
} candidate;

/* Finds the smallest power of ten, from *exponent up, that makes value a decimal. */
static int find_exponent(double value, int is_float, unsigned *exponent)
{
    const double limit = is_float ? 4194304.0 : 2251799813685248.0;
    uint64_t integer;
    for (unsigned e = *exponent; e <= EXPONENT_MAX; e++) {
        double scaled = value * power_of_ten[e];
        if (!(scaled < limit && scaled > -limit)) return 0;
        if (!to_decimal(value, power_of_ten[e], is_float, &integer)) continue;
        *exponent = e;
        return 1;
    }
    return 0;
}

/* Guesses the exponent from up to 16 values. Returns 1 when most of them are decimals. */
static int sample_exponent(const double *values, size_t count, int is_float, unsigned *exponent)
{
    size_t wanted = count < 16 ? count : 16, misses = 0, looked_at = 0;
    *exponent = 0;
    for (size_t i = 0; i < wanted; i++) {
        double value = values[i * count / wanted];
        if ((sl_bits_of(value) & EXPONENT_BITS) == EXPONENT_BITS) continue;
        looked_at++;
        misses += (size_t)!find_exponent(value, is_float, exponent);
        /* Random floats fail at once; one odd value among decimals must not decide. */
        if (misses > 1 + looked_at / 4) return 0;
    }
    return looked_at > misses;
}

/* Removes the exceptions from the integers, and sizes their runs. */
static void take_out_exceptions(candidate *c, const double *values, size_t count)
{
    size_t end = 0;
    uint64_t bits = 0;
    c->kept = c->run_count = c->exception_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (!c->is_exception[i]) {
            c->integers[c->kept++] = c->integers[i];
            continue;
        }
        size_t first = i;
        int is_same = c->run_count > 0 && sl_bits_of(values[i]) == bits;
        bits = sl_bits_of(values[i]);
        while (i + 1 < count && c->is_exception[i + 1] && sl_bits_of(values[i + 1]) == bits) i++;
        c->exception_bytes += sl_stream_number_bytes(first - end) + sl_stream_number_bytes((i - first) * 2 + 1) +
                              (is_same ? 0 : 8);
        c->run_count++;
        end = i + 1;
    }
    if (c->run_count > 0) c->exception_bytes += sl_stream_number_bytes(c->run_count);
}

static uint8_t *write_exceptions(const candidate *c, const double *values, size_t count, uint8_t *out)
{
    size_t end = 0, runs = 0;
    uint64_t bits = 0;
    out = sl_stream_put_number(out, c->run_count);
    for (size_t i = 0; i < count; i++) {
        if (!c->is_exception[i]) continue;
        size_t first = i;
        int is_same = runs++ > 0 && sl_bits_of(values[i]) == bits;
        bits = sl_bits_of(values[i]);
        while (i + 1 < count && c->is_exception[i + 1] && sl_bits_of(values[i + 1]) == bits) i++;
        out = sl_stream_put_number(out, first - end);
        out = sl_stream_put_number(out, (i - first) * 2 + (size_t)is_same);
        if (!is_same) {
            sl_store64(out, bits);
            out += 8;
        }
        end = i + 1;
    }
    return out;
}

static void plan_candidate(candidate *c)
{
    sl_stream_make_plan(&c->plan, c->integers, c->kept);
    c->bytes = 2 + c->exception_bytes + c->plan.bytes;
}

/* Both return how many values have no decimal; two functions, so that the loops are free of choices. */
SL_VECTORISED
static size_t decimals_of_doubles(const double *values, size_t count, double power, uint8_t *is_exception,
                                  uint64_t *integers)
{
    uint64_t failed = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t is_odd = (uint64_t)!to_decimal(values[i], power, 0, &integers[i]);
        is_exception[i] = (uint8_t)is_odd;
        failed += is_odd;
    }
    return failed;
}

SL_VECTORISED
static size_t decimals_of_floats(const double *values, size_t count, double power, uint8_t *is_exception,
                                 uint64_t *integers)
{
    uint64_t failed = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t is_odd = (uint64_t)!to_decimal(values[i], power, 1, &integers[i]);
        is_exception[i] = (uint8_t)is_odd;
        failed += is_odd;
    }
    return failed;
}

/* Fills the integers of the decimal view; possible when most values have one. */
static int view_as_decimal(candidate *c, const double *values, size_t count, int is_float)
{
    c->codec = is_float ? CODEC_DECIMAL_FLOAT : CODEC_DECIMAL;
    c->bytes = SIZE_MAX;
    if (!sample_exponent(values, count, is_float, &c->parameter)) return 0;
    const double power = power_of_ten[c->parameter];
    size_t failed = is_float ? decimals_of_floats(values, count, power, c->is_exception, c->integers)
                             : decimals_of_doubles(values, count, power, c->is_exception, c->integers);
    c->exception_bytes = c->run_count = 0;
    c->kept = count;
    if (failed > 0) take_out_exceptions(c, values, count);
    return c->kept > 0 && c->exception_bytes < 4 * count;
}

/* Fills integers with the ordered view of values. Returns 1 when none is a zero, an infinity or a NaN; *all
 * receives the integers, or-ed. */
SL_VECTORISED
static int order_all(const double *values, size_t count, uint64_t *integers, uint64_t *all)
{
    uint64_t special = 0, seen = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = sl_bits_of(values[i]), magnitude = bits << 1;
        special |= ((magnitude >> 53) + 1) >> 11;                   /* all exponent bits are set */
        special |= ((magnitude | (0 - magnitude)) >> 63) ^ 1;       /* nothing but a sign */
        integers[i] = to_ordered(bits);
        seen |= integers[i];
    }
    *all = seen;
    return special == 0;
}

/* Marks what does not go into the ordered view. Returns how many. */
static size_t mark_unordered(candidate *c, const double *values, size_t count)
{
    size_t zeros = 0, floats = 0, marked = 0;
    for (size_t i = 0; i < count; i++) {
        zeros += sl_bits_of(values[i]) == 0;
        floats += (sl_bits_of(values[i]) & BELOW_FLOAT) == 0;
    }
    /* Among small numbers a zero is as far away as their exponent: a few are better taken out. So are a few
     * doubles among floats, which would take the others their zeros. */
    const int is_zero_taken_out = zeros * 8 < count;
    const uint64_t taken_out = floats * 16 >= count * 15 ? BELOW_FLOAT : 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = sl_bits_of(values[i]);
        c->is_exception[i] = (uint8_t)(((bits & EXPONENT_BITS) == EXPONENT_BITS) | (bits == SIGN_BIT) |
                                       ((bits == 0) & is_zero_taken_out) | ((bits & taken_out) != 0));
        marked += c->is_exception[i];
    }
    return marked;
}

SL_VECTORISED
static void shift_all(uint64_t *integers, size_t count, unsigned shift)
{
    for (size_t i = 0; i < count; i++) integers[i] = shift_right_signed(integers[i], shift);
}

/* Fills the integers of the ordered view; possible unless no number is left. */
static int view_as_ordered(candidate *c, const double *values, size_t count)
{
    uint64_t all = 0;
    size_t float_count = 0;
    c->codec = CODEC_ORDERED;
    c->bytes = SIZE_MAX;
    c->exception_bytes = c->run_count = 0;
    c->kept = count;
    int is_plain = order_all(values, count, c->integers, &all);
    for (size_t i = 0; i < 16; i++) float_count += (sl_bits_of(values[i * count / 16]) & BELOW_FLOAT) == 0;
    if (!is_plain || ((all & BELOW_FLOAT) != 0 && float_count >= 12)) {
        if (mark_unordered(c, values, count) > 0) take_out_exceptions(c, values, count);
        if (c->kept == 0) return 0;
        all = 0;
        for (size_t i = 0; i < c->kept; i++) all |= c->integers[i];
    }
    c->parameter = all == 0 ? 0 : (unsigned)__builtin_ctzll(all);
    shift_all(c->integers, c->kept, c->parameter);
    return 1;
}

static size_t estimate_bits(const candidate *c)
{
    return sl_stream_estimate_bits(c->integers, c->kept) + 8 * c->exception_bytes;
}

/* Plans the view that a sample finds smaller, or both when it cannot tell. Integers are the same numbers in both:
 * one plan is enough. */
static const candidate *choose(candidate *decimal, candidate *ordered, const double *values, size_t count)
{
    int is_decimal = view_as_decimal(decimal, values, count, 0) || view_as_decimal(decimal, values, count, 1);
    if (!view_as_ordered(ordered, values, count)) {
        if (is_decimal) plan_candidate(decimal);
        return decimal;
    }
    if (!is_decimal) {
        plan_candidate(ordered);
        return ordered;
    }
    size_t decimal_bits = estimate_bits(decimal), ordered_bits = estimate_bits(ordered);
    if (decimal_bits <= ordered_bits + ordered_bits / 8) plan_candidate(decimal);
    if (ordered_bits < decimal_bits) plan_candidate(ordered);
    return ordered->bytes < decimal->bytes ? ordered : decimal;
}

static int all_same(const double *values, size_t count)
{
    return memcmp(values, values + 1, (count - 1) * sizeof *values) == 0;
}

static size_t encode_raw(const double *values, size_t count, uint8_t *out)
{
    out[0] = sl_tag_make(CODEC_RAW, 0, 0, 0);
    for (size_t i = 0; i < count; i++) sl_store64(out + 1 + 8 * i, sl_bits_of(values[i]));
    return 1 + 8 * count;
}

static size_t encode_constant(const double *values, uint8_t *out)
{
    out[0] = sl_tag_make(CODEC_CONSTANT, 0, 0, 0);
    sl_store64(out + 1, sl_bits_of(values[0]));
    return 9;
}

size_t sl_value_encode(const double *values, size_t count, uint8_t *out)
{
    SL_ASSERT(count >= 1 && count <= COUNT_MAX);
    candidate decimal, ordered;
    const candidate *best = choose(&decimal, &ordered, values, count);
    const int is_constant = all_same(values, count);
    if (is_constant && best->bytes >= 9) return encode_constant(values, out);
    if (best->bytes >= 1 + 8 * count) return encode_raw(values, count, out);
    uint8_t *at = out;
    *at++ = sl_tag_make(best->codec, best->plan.order, best->plan.patch_count > 0, best->run_count > 0);
    *at++ = (uint8_t)best->parameter;
    if (best->run_count > 0) at = write_exceptions(best, values, count, at);
    at = sl_stream_write(&best->plan, best->integers, at);
    SL_ASSERT((size_t)(at - out) == best->bytes);
    return (size_t)(at - out);
}

/* ---- decoding ---- */

typedef struct exception_list {
    size_t run_count, value_count;
    uint16_t gap[COUNT_MAX], length[COUNT_MAX];
    uint64_t bits[COUNT_MAX];
} exception_list;

static void read_exceptions(sl_stream_input *input, size_t count, exception_list *list)
{
    uint64_t runs = sl_stream_take_number(input), bits = 0;
    size_t position = 0;
    list->run_count = list->value_count = 0;
    if (input->what == NULL && (runs == 0 || runs >= count)) {
        input->what = "there are no exceptions, or no values besides";
    }
    for (uint64_t run = 0; input->what == NULL && run < runs; run++) {
        uint64_t gap = sl_stream_take_number(input), code = sl_stream_take_number(input);
        if (input->what != NULL) return;
        int is_same = (int)(code & 1);
        if (gap >= count || code / 2 >= count || position + gap + code / 2 >= count) {
            input->what = "an exception lies behind the last value";
            return;
        }
        if (!is_same && input->end - input->at < 8) {
            input->what = "the bytes end inside an exception";
            return;
        }
        if (is_same ? run == 0 || gap == 0 : run > 0 && sl_load64(input->at) == bits) {
            input->what = "an exception is not in its shortest form";
            return;
        }
        if (!is_same) {
            bits = sl_load64(input->at);
            input->at += 8;
        }
        list->gap[run] = (uint16_t)gap;
        list->length[run] = (uint16_t)(code / 2 + 1);
        list->bits[run] = bits;
        list->value_count += list->length[run];
        position += gap + list->length[run];
        list->run_count++;
    }
    if (input->what == NULL && list->value_count >= count) input->what = "there are no values besides exceptions";
}

/* Moves the kept values apart, from the last, and puts the exceptions between them. */
static void insert_exceptions(const exception_list *list, size_t count, double *values)
{
    size_t to = count, from = count - list->value_count, behind = from;
    for (size_t run = 0; run < list->run_count; run++) behind -= list->gap[run];
    for (size_t run = list->run_count; run-- > 0;) {
        memmove(values + to - behind, values + from - behind, behind * sizeof *values);
        to -= behind;
        from -= behind;
        for (size_t i = 0; i < list->length[run]; i++) values[--to] = sl_double_of(list->bits[run]);
        behind = list->gap[run];
    }
    SL_ASSERT(to == from);
}

SL_VECTORISED
static void fill(double *values, size_t count, double value)
{
    for (size_t i = 0; i < count; i++) values[i] = value;
}

#if SL_HAS_WIDE_LOOPS
/* Truth tables of the instruction that combines three. */
#define A_OR_B_AND_C 0xf8
#define A_OR_B_AND_NOT_C 0xf4

/* Divides by multiplying with the rounded inverse and correcting once by the exact remainder (P. Markstein, 1990).
 * The product q is within 1.5 units in the last place of the quotient; the remainder m - q * power is exact, as
 * power has at most 52 bits before its zeros; and the corrected quotient before its one rounding is off
 * by less than 2^-52.4 units. A quotient of an integer below 2^51 and 10^22 or less cannot lie so near to the middle of
 * two doubles without lying on it, nor lie on it: from the middle it is 2^-52.1 units or more (1 / (2 * 5^22)).
 * So the rounding is that of the division. */
SL_WITH_AVX512
static uint64_t divide_avx512(const uint64_t *integers, size_t count, double divisor, uint64_t limit, double *values)
{
    const __m512d power = _mm512_set1_pd(divisor), inverse = _mm512_set1_pd(1 / divisor);
    const __m512i half = _mm512_set1_epi64((long long)limit), inside = _mm512_set1_epi64((long long)(2 * limit - 1));
    __m512i outside = _mm512_setzero_si512();
    uint64_t rest[8] = {0};
    double rest_values[8];
    for (size_t i = 0; i < count; i += 8) {
        const int is_whole = count - i >= 8;
        if (!is_whole) memcpy(rest, integers + i, count % 8 * sizeof *rest);
        __m512i integer = _mm512_loadu_si512(is_whole ? integers + i : rest);
        __m512d m = _mm512_cvtepi64_pd(integer), q = _mm512_mul_pd(m, inverse);
        outside = _mm512_ternarylogic_epi64(outside, _mm512_add_epi64(integer, half), inside, A_OR_B_AND_NOT_C);
        q = _mm512_fmadd_pd(_mm512_fnmadd_pd(q, power, m), inverse, q);
        _mm512_storeu_pd(is_whole ? values + i : rest_values, q);
        if (!is_whole) memcpy(values + i, rest_values, count % 8 * sizeof *values);
    }
    return (uint64_t)_mm512_reduce_or_epi64(outside);
}

SL_WITH_AVX512
static uint64_t from_ordered_avx512(const uint64_t *integers, size_t count, unsigned shift, uint64_t limit,
                                    uint64_t dropped_bits, double *values)
{
    const __m512i sign = _mm512_set1_epi64((long long)SIGN_BIT), left = _mm512_set1_epi64((long long)shift);
    const __m512i half = _mm512_set1_epi64((long long)limit), dropped = _mm512_set1_epi64((long long)dropped_bits);
    __m512i outside = _mm512_setzero_si512();
    uint64_t rest[8] = {0};
    for (size_t i = 0; i < count; i += 8) {
        const int is_whole = count - i >= 8;
        if (!is_whole) memcpy(rest, integers + i, count % 8 * sizeof *rest);
        __m512i integer = _mm512_loadu_si512(is_whole ? integers + i : rest);
        outside = _mm512_ternarylogic_epi64(outside, _mm512_add_epi64(integer, half), dropped, A_OR_B_AND_C);
        integer = _mm512_sllv_epi64(integer, left);
        integer = _mm512_ternarylogic_epi64(_mm512_abs_epi64(integer), integer, sign, A_OR_B_AND_C);
        if (is_whole) {
            _mm512_storeu_si512(values + i, integer);
        } else {
            _mm512_storeu_si512(rest, integer);
            memcpy(values + i, rest, count % 8 * sizeof *values);
        }
    }
    return (uint64_t)_mm512_reduce_or_epi64(outside);
}

SL_WITH_AVX512
static void round_to_floats_avx512(double *values, size_t count)
{
    for (size_t i = 0; i + 8 <= count; i += 8)
        _mm512_storeu_pd(values + i, _mm512_cvtps_pd(_mm512_cvtpd_ps(_mm512_loadu_pd(values + i))));
    for (size_t i = count - count % 8; i < count; i++) values[i] = (double)(float)values[i];
}
#endif

SL_VECTORISED
static void convert_raw(const uint8_t *in, size_t count, double *values)
{
    for (size_t i = 0; i < count; i++) values[i] = sl_double_of(sl_load64(in + 8 * i));
}

static int are_all_zero(const uint64_t *integers, size_t count)
{
    size_t i = 0;
    while (i < count && integers[i] == 0) i++;
    return i == count;
}

/* Both return something other than 0 when an integer is out of range: not in [-limit, limit). */
SL_VECTORISED
static uint64_t divide(const uint64_t *integers, size_t count, double power, uint64_t limit, double *values)
{
    uint64_t outside = 0;
    for (size_t i = 0; i < count; i++) outside |= (integers[i] + limit) & ~(2 * limit - 1);
    if (power == 1) {
        for (size_t i = 0; i < count; i++) values[i] = from_decimal(integers[i], 1, 0);
    } else {
        for (size_t i = 0; i < count; i++) values[i] = from_decimal(integers[i], power, 0);
    }
    return outside;
}

SL_VECTORISED
static uint64_t from_ordered_all(const uint64_t *integers, size_t count, unsigned shift, uint64_t limit,
                                 uint64_t dropped, double *values)
{
    uint64_t outside = 0;
    for (size_t i = 0; i < count; i++) {
        outside |= (integers[i] + limit) & dropped;
        values[i] = sl_double_of(from_ordered(integers[i] << shift));
    }
    return outside;
}

SL_VECTORISED
static void round_to_floats(double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) values[i] = (double)(float)values[i];
}

static const char *convert_decimal(const uint64_t *integers, size_t count, unsigned exponent, int is_float,
                                   double *values)
{
    const double power = power_of_ten[exponent];
    const uint64_t limit = (uint64_t)1 << (is_float ? DECIMAL_FLOAT_BITS : DECIMAL_BITS);
    uint64_t outside;
#if SL_HAS_WIDE_LOOPS
    if (sl_has_avx512()) {
        outside = divide_avx512(integers, count, power, limit, values);
        if (is_float) round_to_floats_avx512(values, count);
    } else
#endif
    {
        outside = divide(integers, count, power, limit, values);
        if (is_float) round_to_floats(values, count);
    }
    if (outside != 0) return "a decimal integer is out of range";
    return exponent != 0 && are_all_zero(integers, count) ? "zeros have an exponent" : NULL;
}

static const char *convert_ordered(const uint64_t *integers, size_t count, unsigned shift, double *values)
{
    /* The sign and all bits that the shift drops must be equal. */
    const uint64_t limit = (uint64_t)1 << (63 - shift);
    const uint64_t dropped = shift == 0 ? 0 : ~(2 * limit - 1);
    uint64_t outside;
#if SL_HAS_WIDE_LOOPS
    if (sl_has_avx512()) outside = from_ordered_avx512(integers, count, shift, limit, dropped, values);
    else
#endif
        outside = from_ordered_all(integers, count, shift, limit, dropped, values);
    if (shift != 0 && are_all_zero(integers, count)) return "zeros have a shift";
    return outside != 0 ? "an ordered integer is out of range" : NULL;
}

static const char *decode_stream(sl_stream_input *input, unsigned tag, size_t count, double *values)
{
    _Alignas(64) uint64_t integers[COUNT_MAX];
    exception_list list;
    const unsigned codec = tag & SL_TAG_CODEC;
    unsigned parameter = sl_stream_take_byte(input, codec == CODEC_ORDERED ? 63 : EXPONENT_MAX,
                                             "the exponent or shift is out of range");
    list.run_count = list.value_count = 0;
    if (tag & SL_TAG_EXCEPTIONS) read_exceptions(input, count, &list);
    if (input->what != NULL) return input->what;
    size_t kept = count - list.value_count;
    int read = sl_stream_read(input, kept, sl_tag_order(tag), (tag & SL_TAG_PATCHES) != 0, integers);
    if (!read) return input->what;
    size_t different = read == SL_STREAM_IS_CONSTANT ? 1 : kept;
    const char *what = codec == CODEC_ORDERED
                           ? convert_ordered(integers, different, parameter, values)
                           : convert_decimal(integers, different, parameter, codec == CODEC_DECIMAL_FLOAT, values);
    if (different < kept) fill(values, kept, values[0]);
    if (what == NULL && list.run_count > 0) insert_exceptions(&list, count, values);
    return what;
}

static const char *decode(const uint8_t *in, size_t bytes, size_t count, double *values)
{
    sl_stream_input input = {in + 1, in + bytes, NULL};
    if (count == 0 || count > COUNT_MAX) return "the count is not 1 to 1024";
    if (bytes == 0) return "there are no bytes";
    if (!sl_tag_is_even(in[0])) return "the tag has an odd number of ones";
    switch (in[0] & 0x7f) {
    case CODEC_RAW:
        if (bytes != 1 + 8 * count) return "the length is not that of raw values";
        convert_raw(in + 1, count, values);
        return NULL;
    case CODEC_CONSTANT:
        if (bytes != 9) return "the length is not that of a constant";
        fill(values, count, sl_double_of(sl_load64(in + 1)));
        return NULL;
    default:
        break;
    }
    unsigned codec = in[0] & SL_TAG_CODEC;
    if (codec < CODEC_DECIMAL || codec > CODEC_ORDERED) return "the codec is unknown";
    return decode_stream(&input, in[0], count, values);
}

steplog_status sl_value_decode(const uint8_t *in, size_t bytes, size_t count, double *values, const char **what)
{
    const char *broken = decode(in, bytes, count, values);
    if (broken == NULL) return STEPLOG_OK;
    if (what != NULL) *what = broken;
    return STEPLOG_CORRUPT;
}

void sl_value_describe(const uint8_t *in, size_t bytes, size_t count, char *text, size_t text_bytes)
{
    static const char *const names[] = {"raw", "constant", "decimal e=", "decimal-float e=", "ordered shift="};
    sl_stream_input input = {in + 1, in + bytes, NULL};
    sl_stream_plan plan;
    exception_list list = {.run_count = 0, .value_count = 0};
    unsigned codec = bytes == 0 ? SL_TAG_CODEC : in[0] & SL_TAG_CODEC;
    if (count == 0 || count > COUNT_MAX || codec > CODEC_ORDERED) {
        snprintf(text, text_bytes, "unknown");
        return;
    }
    if (codec < CODEC_DECIMAL) {
        snprintf(text, text_bytes, "%s", names[codec]);
        return;
    }
    unsigned parameter = sl_stream_take_byte(&input, 63, "the exponent or shift is out of range");
    if (in[0] & SL_TAG_EXCEPTIONS) read_exceptions(&input, count, &list);
    if (input.what != NULL || !sl_stream_read_header(&input, count - list.value_count,
                                                     sl_tag_order(in[0]),
                                                     (in[0] & SL_TAG_PATCHES) != 0, &plan)) {
        snprintf(text, text_bytes, "%s%u damaged: %s", names[codec], parameter, input.what);
        return;
    }
    snprintf(text, text_bytes, "%s%u delta=%u width=%u patches=%u exceptions=%zu", names[codec], parameter, plan.order,
             plan.width, plan.patch_count, list.value_count);
}
