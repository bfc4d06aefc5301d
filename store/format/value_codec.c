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
#include "format/kernels.h"

#include <math.h>
#include <stdio.h>

#define COUNT_MAX SL_BLOCK_VALUES_MAX
#define EXPONENT_MAX SL_DECIMAL_EXPONENT_MAX
#define EXPONENT_BITS ((uint64_t)0x7ff << 52)
#define BELOW_FLOAT (((uint64_t)1 << 29) - 1) /* the bits of a double that a float32 does not have */
/* 1.5 * 2^52: added to a double below 2^51 it leaves the rounded integer in the low bits. */
#define ROUNDER 6755399441055744.0

_Static_assert(SL_STREAM_COUNT_MAX == SL_BLOCK_VALUES_MAX, "a block is one stream");

enum { CODEC_RAW, CODEC_CONSTANT, CODEC_DECIMAL, CODEC_DECIMAL_FLOAT, CODEC_ORDERED };

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
    size_t kept, exception_bytes, run_count;
    uint8_t is_exception[COUNT_MAX + SL_KERNEL_LANES_MAX];
    _Alignas(64) uint64_t integers[COUNT_MAX];
    sl_stream_score score;
    sl_stream_plan plan;
    size_t bytes; /* SIZE_MAX: not possible, or hopeless */
} candidate;

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

/* Removes the exceptions from the integers, and sizes their runs. */
static void take_out_exceptions(candidate *c, const double *values, size_t count)
{
    size_t end = 0;
    uint64_t bits = 0;
    c->kept = c->run_count = c->exception_bytes = 0;
    for (size_t i; (i = next_exception(c, end, count)) < count;) {
        size_t first = i;
        int is_same = c->run_count > 0 && sl_bits_of(values[first]) == bits;
        bits = sl_bits_of(values[first]);
        i = run_end(c, values, first, count);
        memmove(c->integers + c->kept, c->integers + end, (first - end) * sizeof *c->integers);
        c->kept += first - end;
        c->exception_bytes += sl_stream_number_bytes(first - end) + sl_stream_number_bytes((i - first - 1) * 2 + 1) +
                              (is_same ? 0 : 8);
        c->run_count++;
        end = i;
    }
    memmove(c->integers + c->kept, c->integers + end, (count - end) * sizeof *c->integers);
    c->kept += count - end;
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
}

/* Fills the integers of the decimal view; possible when most values have one. */
static int view_as_decimal(candidate *c, const double *values, size_t count, int is_float)
{
    c->codec = is_float ? CODEC_DECIMAL_FLOAT : CODEC_DECIMAL;
    c->bytes = SIZE_MAX;
    if (!sample_exponent(values, count, is_float, &c->parameter)) return 0;
    size_t failed =
        sl_kernels_now()->to_decimals(values, count, c->parameter, is_float, c->is_exception, c->integers);
    c->exception_bytes = c->run_count = 0;
    c->kept = count;
    if (failed > 0) take_out_exceptions(c, values, count);
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
    c->codec = CODEC_ORDERED;
    c->bytes = SIZE_MAX;
    c->exception_bytes = c->run_count = 0;
    c->kept = count;
    int is_plain = sl_kernels_now()->to_ordered(values, count, c->integers, &all);
    for (size_t i = 0; i < 16; i++) float_count += (sl_bits_of(values[i * count / 16]) & BELOW_FLOAT) == 0;
    if (!is_plain || ((all & BELOW_FLOAT) != 0 && float_count >= 12)) {
        if (mark_unordered(c, values, count) > 0) take_out_exceptions(c, values, count);
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
static const candidate *choose(candidate *decimal, candidate *ordered, const double *values, size_t count,
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
    const candidate *best = ordered->bytes < decimal->bytes ? ordered : decimal;
    if (best == other) plan_candidate(other, work);
    return best;
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
    sl_stream_work work;
    const int is_constant = all_same(values, count);
    /* No encoding of equal values says how many there are. */
    if (is_constant) count = 1;
    const candidate *best = choose(&decimal, &ordered, values, count, &work);
    if (is_constant && best->bytes >= 9) return encode_constant(values, out);
    if (best->bytes >= 1 + 8 * count) return encode_raw(values, count, out);
    uint8_t *at = out;
    *at++ = sl_tag_make(best->codec, best->plan.order, best->plan.patch_count > 0, best->run_count > 0);
    *at++ = (uint8_t)best->parameter;
    if (best->run_count > 0) at = write_exceptions(best, values, count, at);
    at = sl_stream_write(&best->plan, best->integers, &work, at);
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

static int are_zeros(const uint64_t *integers, size_t count)
{
    size_t i = 0;
    while (i < count && integers[i] == 0) i++;
    return i == count;
}

static const char *convert_decimal(const uint64_t *integers, size_t count, unsigned exponent, int is_float,
                                   double *values)
{
    if (!sl_kernels_now()->decimals(integers, count, exponent, is_float, values)) {
        return "a decimal integer is out of range";
    }
    return exponent != 0 && are_zeros(integers, count) ? "zeros have an exponent" : NULL;
}

static const char *convert_ordered(const uint64_t *integers, size_t count, unsigned shift, double *values)
{
    if (shift != 0 && are_zeros(integers, count)) return "zeros have a shift";
    return sl_kernels_now()->ordered(integers, count, shift, values) ? NULL : "an ordered integer is out of range";
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
    const size_t kept = count - list.value_count;
    int is_constant;
    if (!sl_stream_read(input, kept, sl_tag_order(tag), (tag & SL_TAG_PATCHES) != 0, integers, &is_constant)) {
        return input->what;
    }
    const size_t converted = is_constant ? 1 : kept;
    const char *what = codec == CODEC_ORDERED
                           ? convert_ordered(integers, converted, parameter, values)
                           : convert_decimal(integers, converted, parameter, codec == CODEC_DECIMAL_FLOAT, values);
    if (what == NULL && is_constant) sl_kernels_now()->fill(sl_bits_of(values[0]), 0, kept, values);
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
        for (size_t i = 0; i < count; i++) values[i] = sl_double_of(sl_load64(in + 1 + 8 * i));
        return NULL;
    case CODEC_CONSTANT:
        if (bytes != 9) return "the length is not that of a constant";
        sl_kernels_now()->fill(sl_load64(in + 1), 0, count, values);
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
