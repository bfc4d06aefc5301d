/* value_encode.c: doubles to integers that are small or regular, and those to bytes.
 *
 * Two views of the same bits, each an integer stream (int_stream.c), and two more for what both make too much of:
 *
 *   decimal   what was printed or counted: m / 10^e with a small m. As the quotient of two exact doubles is
 *             rounded once, it is what a parser makes of the decimal text. The same rounded to float
 *             afterwards is its own codec: accuracies that went through a float32 tensor.
 *   ordered   what was computed: the double's bits as a sign and magnitude, an integer in the order of the
 *             values. Its common trailing zeros are shifted out, so float32 and bfloat16 take no more
 *             than their own bits.
 *   fraction  what was added up or divided: near m / d, and how many doubles away from it. Sums and means of decimals,
 *             shares of a count (fraction.c finds d).
 *   dictionary  what comes again and again (value_dictionary.c): the different values, and which each one is.
 *
 * Values that a view cannot express, or that would spoil its widths (NaN, infinities, -0.0, a few zeros), are taken
 * out of the stream and kept as runs of raw bits. The encoder checks each value by the formula of
 * the decoder before it counts on it, and compares exact sizes. */
#include "format/value_codec.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/float_mode.h"
#include "format/bit_pack.h"
#include "format/fraction.h"
#include "format/int_codec.h"
#include "format/int_stream.h"
#include "format/kernels.h"
#include "format/value_dictionary.h"
#include "format/value_parts.h"

#include <math.h>

#define COUNT_MAX SL_BLOCK_VALUES_MAX
#define EXPONENT_MAX SL_DECIMAL_EXPONENT_MAX
#define EXPONENT_BITS ((uint64_t)0x7ff << 52)
#define BELOW_FLOAT (((uint64_t)1 << 29) - 1) /* the bits of a double that a float32 does not have */
/* 1.5 * 2^52: added to a double below 2^51 it leaves the rounded integer in the low bits. */
#define ROUNDER 6755399441055744.0

_Static_assert(SL_STREAM_COUNT_MAX == SL_BLOCK_VALUES_MAX, "a block is one stream");

/* ---- the two views ---- */

/* Returns 1 when value is an integer over power, the integer in range. kernels.h has the same for whole blocks. */
static int is_decimal(double value, double power, int is_float)
{
    const uint64_t half = is_float ? SL_DECIMAL_FLOAT_HALF : SL_DECIMAL_HALF;
    const double scaled = value * power, rounded = scaled + ROUNDER, integer = rounded - ROUNDER;
    /* A quotient that was rounded to the value, and twice as much as that can be off: most are further, and spare the
     * division. */
    if (fabs(scaled - integer) > fabs(scaled) * (is_float ? 0x1p-22 : 0x1p-50)) return 0;
    double back = integer / power;
    if (is_float) back = (double)(float)back;
    return sl_bits_of(rounded) - sl_bits_of(ROUNDER) + half < 2 * half && sl_bits_of(back) == sl_bits_of(value);
}

/* ---- encoding ---- */

/* A way to encode a block: the integers of the values that are in the stream, the rest as exceptions. */
typedef struct candidate {
    unsigned codec, parameter;
    uint64_t divisor; /* of the fraction view */
    size_t kept, exception_bytes, run_count;
    uint8_t is_exception[COUNT_MAX + SL_KERNEL_LANES_MAX];
    _Alignas(64) uint64_t integers[COUNT_MAX];
    sl_stream_score score;
    sl_stream_plan plan;
    size_t bytes; /* SIZE_MAX: not possible, or hopeless */
    const uint8_t *inner; /* the encoding within this one, of rests or of a dictionary */
    size_t inner_count, inner_bytes;
} candidate;

#define INNER_ROOM(count) (SL_VALUE_ENCODED_BYTES_MAX(count) + SL_DECODE_SLACK_BYTES)

/* Finds the smallest power of ten, from *exponent up, that makes value a decimal. */
static int find_exponent(double value, int is_float, unsigned *exponent)
{
    const double limit = is_float ? 4194304.0 : 2251799813685248.0;
    for (unsigned e = *exponent; e <= EXPONENT_MAX; e++) {
        double scaled = value * sl_power_of_ten[e];
        if (!(scaled < limit && scaled > -limit)) return 0;
        if (!is_decimal(value, sl_power_of_ten[e], is_float)) continue;
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

/* The first exception from i on, or count. */
static size_t next_exception(const candidate *c, size_t i, size_t count)
{
    const uint8_t *at = i < count ? memchr(c->is_exception + i, 1, count - i) : NULL;
    return at == NULL ? count : (size_t)(at - c->is_exception);
}

/* Behind the run of exceptions of the same bits that begins at first. */
static size_t run_end(const candidate *c, const double *values, size_t first, size_t count)
{
    const uint64_t bits = sl_bits_of(values[first]);
    size_t i = first + 1;
    while (i < count && c->is_exception[i] && sl_bits_of(values[i]) == bits) i++;
    return i;
}

/* Removes the exceptions from the integers, and from the rests unless they are NULL, and sizes their runs. */
static void take_out_exceptions(candidate *c, const double *values, size_t count, uint64_t *rests)
{
    size_t end = 0;
    uint64_t bits = 0;
    c->kept = c->run_count = c->exception_bytes = 0;
    for (size_t i; end < count; end = i) {
        const size_t first = next_exception(c, end, count), kept = first - end;
        memmove(c->integers + c->kept, c->integers + end, kept * sizeof *c->integers);
        if (rests) memmove(rests + c->kept, rests + end, kept * sizeof *rests);
        c->kept += kept;
        if (first == count) break;
        int is_same = c->run_count > 0 && sl_bits_of(values[first]) == bits;
        bits = sl_bits_of(values[first]);
        i = run_end(c, values, first, count);
        c->exception_bytes +=
            sl_stream_number_bytes(kept) + sl_stream_number_bytes((i - first - 1) * 2 + 1) + (is_same ? 0 : 8);
        c->run_count++;
    }
    if (c->run_count > 0) c->exception_bytes += sl_stream_number_bytes(c->run_count);
}

static uint8_t *write_exceptions(const candidate *c, const double *values, size_t count, uint8_t *out)
{
    size_t end = 0, runs = 0;
    uint64_t bits = 0;
    out = sl_stream_put_number(out, c->run_count);
    for (size_t i; (i = next_exception(c, end, count)) < count;) {
        size_t first = i;
        int is_same = runs++ > 0 && sl_bits_of(values[first]) == bits;
        bits = sl_bits_of(values[first]);
        i = run_end(c, values, first, count);
        out = sl_stream_put_number(out, first - end);
        out = sl_stream_put_number(out, (i - first - 1) * 2 + (size_t)is_same);
        if (!is_same) {
            sl_store64(out, bits);
            out += 8;
        }
        end = i;
    }
    return out;
}

static void plan_candidate(candidate *c, sl_stream_work *work)
{
    sl_stream_make_plan(&c->plan, c->integers, c->kept, &c->score, work);
    c->bytes = 2 + c->exception_bytes + c->plan.bytes;
    if (c->codec == SL_VALUE_FRACTION) c->bytes += sl_stream_number_bytes(c->divisor) - 1;
    if (c->codec == SL_VALUE_DICTIONARY) c->bytes += sl_stream_number_bytes(c->inner_count) - 1;
    if (c->inner) c->bytes += sl_stream_number_bytes(c->inner_bytes) + c->inner_bytes;
}

/* Fills the integers of the decimal view; possible when most values have one. */
static int view_as_decimal(candidate *c, const double *values, size_t count, int is_float)
{
    c->codec = is_float ? SL_VALUE_DECIMAL_FLOAT : SL_VALUE_DECIMAL;
    c->inner = NULL;
    c->bytes = SIZE_MAX;
    c->exception_bytes = c->run_count = 0;
    if (!sample_exponent(values, count, is_float, &c->parameter)) return 0;
    size_t failed =
        sl_kernels_now()->to_decimals(values, count, c->parameter, is_float, c->is_exception, c->integers);
    c->kept = count;
    if (failed > 0) take_out_exceptions(c, values, count, NULL);
    return c->kept > 0 && c->exception_bytes < 4 * count;
}

/* Marks what does not go into the ordered view. Returns how many. */
static size_t mark_unordered(candidate *c, const double *values, size_t count)
{
    size_t zeros, floats;
    sl_kernels_now()->count_kinds(values, count, BELOW_FLOAT, &zeros, &floats);
    /* Among small numbers a zero is as far away as their exponent: a few are better taken out. So are a few
     * doubles among floats, which would take the others their zeros. */
    const uint64_t taken_out = floats * 16 >= count * 15 ? BELOW_FLOAT : 0;
    return sl_kernels_now()->mark_odd(values, count, zeros * 8 < count, taken_out, c->is_exception);
}

/* Fills the integers of the ordered view; possible unless no number is left. */
static int view_as_ordered(candidate *c, const double *values, size_t count)
{
    uint64_t all = 0;
    size_t float_count = 0;
    c->codec = SL_VALUE_ORDERED;
    c->inner = NULL;
    c->bytes = SIZE_MAX;
    c->exception_bytes = c->run_count = 0;
    c->kept = count;
    int is_plain = sl_kernels_now()->to_ordered(values, count, c->integers, &all);
    for (size_t i = 0; i < 16; i++) float_count += (sl_bits_of(values[i * count / 16]) & BELOW_FLOAT) == 0;
    if (!is_plain || ((all & BELOW_FLOAT) != 0 && float_count >= 12)) {
        if (mark_unordered(c, values, count) > 0) take_out_exceptions(c, values, count, NULL);
        if (c->kept == 0) return 0;
        all = 0;
        for (size_t i = 0; i < c->kept; i++) all |= c->integers[i];
    }
    c->parameter = all == 0 ? 0 : (unsigned)__builtin_ctzll(all);
    sl_kernels_now()->shift_right(c->integers, c->kept, c->parameter);
    return 1;
}

static size_t estimate_bits(const candidate *c)
{
    return sl_stream_estimate_bits(&c->score) + 8 * c->exception_bytes;
}

/* Plans the view that a sample finds smaller, or both when it cannot tell. Integers are the same numbers in both:
 * one plan is enough. The work is that of the view that is returned. */
static candidate *choose(candidate *decimal, candidate *ordered, const double *values, size_t count,
                               sl_stream_work *work)
{
    int is_decimal = view_as_decimal(decimal, values, count, 0) || view_as_decimal(decimal, values, count, 1);
    if (is_decimal) sl_stream_make_score(&decimal->score, decimal->integers, decimal->kept);
    /* What grows evenly is estimated at least as small as any ordered view: exceptions cost more than they save. */
    int is_even =
        is_decimal && decimal->run_count == 0 && sl_kernels_now()->is_affine(decimal->integers, count);
    if (is_even || !view_as_ordered(ordered, values, count)) {
        if (is_decimal) plan_candidate(decimal, work);
        return decimal;
    }
    sl_stream_make_score(&ordered->score, ordered->integers, ordered->kept);
    if (!is_decimal) {
        plan_candidate(ordered, work);
        return ordered;
    }
    const size_t decimal_bits = estimate_bits(decimal), ordered_bits = estimate_bits(ordered);
    const int is_ordered_likely = ordered_bits < decimal_bits;
    candidate *likely = is_ordered_likely ? ordered : decimal, *other = is_ordered_likely ? decimal : ordered;
    /* The likely one last: then the work is its own. */
    if (is_ordered_likely && decimal_bits <= ordered_bits + ordered_bits / 8) plan_candidate(other, work);
    plan_candidate(likely, work);
    candidate *best = ordered->bytes < decimal->bytes ? ordered : decimal;
    if (best == other) plan_candidate(other, work);
    return best;
}

/* Reduces the fractions: what all numerators and the divisor are multiples of tells nothing. */
static void reduce(uint64_t *integers, size_t count, uint64_t *divisor)
{
    int64_t common = (int64_t)*divisor;
    for (size_t i = 0; i < count && common > 1; i++) {
        for (int64_t rest = (int64_t)integers[i] % common, before; rest != 0; rest = before % common) {
            before = common;
            common = rest < 0 ? -rest : rest;
        }
    }
    if (common < 2) return;
    *divisor /= (uint64_t)common;
    for (size_t i = 0; i < count; i++) integers[i] = (uint64_t)((int64_t)integers[i] / common);
}

/* Fills the integers of the fraction view, with the rests encoded into inner; possible when most values are near a
 * fraction of the same divisor. Then the work has no plan any more. */
static int view_as_fraction(candidate *c, const double *values, size_t count, sl_stream_work *work, uint8_t *inner)
{
    double divisor;
    uint64_t rests[COUNT_MAX];
    if (!sl_find_divisor(values, count, &divisor)) return 0;
    size_t failed = sl_kernels_now()->to_fractions(values, count, divisor, SL_FRACTION_REST_MAX, c->is_exception,
                                                   c->integers, rests);
    c->codec = SL_VALUE_FRACTION;
    c->divisor = (uint64_t)divisor;
    c->exception_bytes = c->run_count = 0;
    c->kept = count;
    if (failed > 0) take_out_exceptions(c, values, count, rests);
    if (c->kept == 0 || c->exception_bytes >= 4 * count) return 0;
    reduce(c->integers, c->kept, &c->divisor);
    c->inner = inner;
    c->inner_count = c->kept;
    c->inner_bytes = sl_int_encode_with((const int64_t *)rests, c->kept, work, inner);
    return 1;
}

static size_t encode(const double *values, size_t count, int is_inner, sl_stream_work *work, uint8_t *out);

/* Fills the integers with indexes of different values, with those encoded into inner, if they are few. Then the work has
 * no plan any more. */
static int view_as_dictionary(candidate *c, const double *values, size_t count, sl_stream_work *work, uint8_t *inner)
{
    double dictionary[SL_DICTIONARY_VALUES_MAX];
    c->codec = SL_VALUE_DICTIONARY;
    c->exception_bytes = c->run_count = 0;
    c->kept = count;
    c->inner_count = sl_make_dictionary(values, count, count / 2, dictionary, c->integers);
    if (c->inner_count < 2) return 0;
    c->inner = inner;
    c->inner_bytes = encode(dictionary, c->inner_count, 1, work, inner);
    return 1;
}

/* Floats are no fractions, and what the decimal view has for nearly all values is all there is to say. */
static int may_be_fraction(const candidate *best, size_t count)
{
    return best->codec == SL_VALUE_ORDERED ? best->parameter < 29 && best->bytes > 2 * count
                                           : best->exception_bytes * 8 > count;
}

/* Whether a dictionary is likely to be smaller: by how many values of a sample were there before. Of s values out of d
 * some s * s / 2 d are (the birthday problem); there is nothing to gain where the values already take few bits. */
static int may_be_dictionary(const candidate *best, const double *values, size_t count)
{
    const size_t bits = best->bytes * 8;
    size_t sampled;
    if (count < 8 || bits < 4 * count) return 0;
    const size_t same = sl_count_same(values, count, bits > 24 * count ? 64 : 24, &sampled);
    if (same * 32 < sampled) return 0;
    const size_t different = sampled - same, likely = sampled * sampled / (2 * same);
    const size_t size = different * 2 < sampled ? different + different / 4 : likely;
    const size_t needed = size * bits / count + count * sl_bit_length(size);
    return needed < bits - bits / 16;
}

/* The smaller of two, of which best was planned once, and the other has its integers. The work is that of the result. */
static candidate *smaller_of(candidate *best, candidate *other, sl_stream_work *work)
{
    sl_stream_make_score(&other->score, other->integers, other->kept);
    plan_candidate(other, work);
    if (other->bytes < best->bytes) return other;
    plan_candidate(best, work);
    return best;
}

static int all_same(const double *values, size_t count)
{
    return memcmp(values, values + 1, (count - 1) * sizeof *values) == 0;
}

static size_t encode_raw(const double *values, size_t count, uint8_t *out)
{
    out[0] = sl_tag_make(SL_VALUE_RAW, 0, 0, 0);
    for (size_t i = 0; i < count; i++) sl_store64(out + 1 + 8 * i, sl_bits_of(values[i]));
    return 1 + 8 * count;
}

static size_t encode_constant(const double *values, uint8_t *out)
{
    out[0] = sl_tag_make(SL_VALUE_CONSTANT, 0, 0, 0);
    sl_store64(out + 1, sl_bits_of(values[0]));
    return 9;
}

static uint8_t *write_parameters(const candidate *c, uint8_t *out)
{
    if (c->codec == SL_VALUE_FRACTION) return sl_stream_put_number(out, c->divisor);
    if (c->codec == SL_VALUE_DICTIONARY) return sl_stream_put_number(out, c->inner_count);
    *out++ = (uint8_t)c->parameter;
    return out;
}

static uint8_t *write_inner(const candidate *c, uint8_t *out)
{
    out = sl_stream_put_number(out, c->inner_bytes);
    memcpy(out, c->inner, c->inner_bytes);
    return out + c->inner_bytes;
}

/* is_inner: a dictionary, which has none in it. */
SL_BEHIND_MODE static size_t encode(const double *values, size_t count, int is_inner, sl_stream_work *work,
                                    uint8_t *out)
{
    SL_ASSERT(count >= 1 && count <= COUNT_MAX);
    candidate views[2];
    uint8_t rests[INNER_ROOM(COUNT_MAX)], dictionary[INNER_ROOM(SL_DICTIONARY_VALUES_MAX)];
    const int is_constant = all_same(values, count);
    /* No encoding of equal values says how many there are. */
    if (is_constant) count = 1;
    candidate *best = choose(&views[0], &views[1], values, count, work);
#define OTHER (best == views ? views + 1 : views)
    if (is_constant && best->bytes >= 9) return encode_constant(values, out);
    if (may_be_fraction(best, count) && view_as_fraction(OTHER, values, count, work, rests))
        best = smaller_of(best, OTHER, work);
    if (!is_inner && may_be_dictionary(best, values, count) &&
        view_as_dictionary(OTHER, values, count, work, dictionary))
        best = smaller_of(best, OTHER, work);
#undef OTHER
    if (best->bytes >= 1 + 8 * count) return encode_raw(values, count, out);
    uint8_t *at = out;
    *at++ = sl_tag_make(best->codec, best->plan.order, best->plan.patch_count > 0, best->run_count > 0);
    at = write_parameters(best, at);
    if (best->run_count > 0) at = write_exceptions(best, values, count, at);
    if (best->inner) at = write_inner(best, at);
    at = sl_stream_write(&best->plan, best->integers, work, at);
    SL_ASSERT((size_t)(at - out) == best->bytes);
    return (size_t)(at - out);
}

/* Whether an encoding stands for these values: for SL_ASSERT alone. */
__attribute__((unused)) static int stands_for(const uint8_t *in, size_t bytes, const double *values, size_t count)
{
    _Alignas(64) double decoded[COUNT_MAX];
    return sl_value_decode(in, bytes, count, decoded, NULL) == STEPLOG_OK &&
           memcmp(values, decoded, count * sizeof *values) == 0;
}

size_t sl_value_encode(const double *values, size_t count, uint8_t *out)
{
    sl_stream_work work; /* one for what is encoded within another, too: it is large */
    const sl_float_mode host = sl_float_mode_begin();
    const size_t bytes = encode(values, count, 0, &work, out);
    sl_float_mode_end(host);
    SL_ASSERT(stands_for(out, bytes, values, count));
    return bytes;
}
