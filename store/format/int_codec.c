/* int_codec.c: steps, times and sequences to bytes and back.
 *
 * An integer stream (int_stream.c) of the integers themselves, or, when all differ from the first by multiples of a
 * common factor (times in whole microseconds, a step every 50), of those multiples. What grows evenly is
 * affine: a stream of first differences and no packed bits, a few bytes for any count. */
#include "format/int_codec.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "format/int_stream.h"
#include "format/kernels.h"

#include <stdio.h>
#include <string.h>

#define COUNT_MAX SL_BLOCK_VALUES_MAX

enum { CODEC_RAW, CODEC_PLAIN, CODEC_FACTOR };

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* What divides by a number without a division: it is 2^twos times an odd number, which has an inverse modulo 2^64.
 * A multiple of the number becomes the small quotient, anything else a large number. */
typedef struct divisor {
    unsigned twos;
    uint64_t inverse, quotient_max;
} divisor;

static divisor divisor_of(uint64_t number)
{
    divisor d = {.twos = (unsigned)__builtin_ctzll(number), .quotient_max = UINT64_MAX / number};
    uint64_t odd = number >> d.twos;
    d.inverse = odd; /* right in the lowest 3 bits; each step doubles them (Newton) */
    for (int i = 0; i < 5; i++) d.inverse *= 2 - odd * d.inverse;
    return d;
}

static int divides(const divisor *d, uint64_t number)
{
    uint64_t x = number * d->inverse;
    if (d->twos > 0) x = x >> d->twos | x << (64 - d->twos);
    return x <= d->quotient_max;
}

/* The largest number that divides all distances from the first value; 0 when they are all zero; 1
 * when a distance does not fit 63 bits, because multiples could not be told apart. */
static uint64_t common_factor(const uint64_t *values, size_t count)
{
    uint64_t factor = 0;
    divisor d = {0};
    for (size_t i = 1; i < count && factor != 1; i++) {
        uint64_t distance = values[i] - values[0];
        uint64_t magnitude = distance >> 63 ? 0 - distance : distance;
        if (magnitude >> 63 != 0) return 1;
        if (factor != 0 && divides(&d, magnitude)) continue;
        factor = common_divisor(magnitude, factor);
        if (factor != 0) d = divisor_of(factor);
    }
    return factor;
}

/* The distances from the first value, which are multiples of factor, divided by it. */
static void divide_distances(const uint64_t *values, size_t count, uint64_t factor, uint64_t *multiples)
{
    const divisor d = divisor_of(factor);
    for (size_t i = 0; i < count; i++) {
        uint64_t x = (values[i] - values[0]) * d.inverse, sign = 0 - (x >> 63);
        multiples[i] = (x ^ sign) >> d.twos ^ sign;
    }
}

static void make_plan(sl_stream_plan *plan, const uint64_t *values, size_t count, sl_stream_work *work)
{
    sl_stream_score score;
    sl_stream_make_score(&score, values, count);
    sl_stream_make_plan(plan, values, count, &score, work);
}

static size_t encode(const int64_t *values, size_t count, sl_stream_work *work, uint8_t *out)
{
    SL_ASSERT(count >= 1 && count <= COUNT_MAX);
    _Alignas(64) uint64_t multiples[COUNT_MAX];
    const uint64_t *integers = (const uint64_t *)values, *source = integers; /* the same bytes without a sign */
    sl_stream_plan plan;
    uint8_t *at = out;
    unsigned codec = CODEC_PLAIN;
    uint64_t factor = sl_kernels_now()->is_affine(integers, count) ? 1 : common_factor(integers, count);
    size_t bytes = SIZE_MAX;
    /* A factor pays for its few header bytes except in the shortest series. */
    if (factor < 2 || count <= 64) {
        make_plan(&plan, integers, count, work);
        bytes = 1 + plan.bytes;
    }
    if (factor > 1) {
        divide_distances(integers, count, factor, multiples);
        make_plan(&plan, multiples, count, work);
        size_t factored_bytes = 1 + sl_stream_number_bytes(factor) +
                                sl_stream_number_bytes(sl_zigzag(integers[0])) + plan.bytes;
        if (factored_bytes < bytes) {
            bytes = factored_bytes;
            source = multiples;
            codec = CODEC_FACTOR;
        } else {
            make_plan(&plan, integers, count, work);
        }
    }
    if (bytes >= 1 + 8 * count) {
        *at++ = sl_tag_make(CODEC_RAW, 0, 0, 0);
        for (size_t i = 0; i < count; i++, at += 8) sl_store64(at, integers[i]);
        return 1 + 8 * count;
    }
    *at++ = sl_tag_make(codec, plan.order, plan.patch_count > 0, 0);
    if (codec == CODEC_FACTOR) {
        at = sl_stream_put_number(at, factor);
        at = sl_stream_put_number(at, sl_zigzag(integers[0]));
    }
    at = sl_stream_write(&plan, source, work, at);
    SL_ASSERT((size_t)(at - out) == bytes);
    return (size_t)(at - out);
}

static const char *multiply(uint64_t *integers, size_t count, uint64_t factor, uint64_t first)
{
    int is_inside = integers[0] == 0;
    is_inside &= sl_kernels_now()->multiply(integers, count, factor, first, (uint64_t)INT64_MAX / factor);
    return is_inside ? NULL : "a multiple is out of range, or the first is not zero";
}

static const char *decode(const uint8_t *in, size_t bytes, size_t count, uint64_t *integers)
{
    sl_stream_input input = {in + 1, in + bytes, NULL};
    uint64_t factor = 1, first = 0;
    if (count == 0 || count > COUNT_MAX) return "the count is not 1 to 1024";
    if (bytes == 0) return "there are no bytes";
    if (!sl_tag_is_even(in[0])) return "the tag has an odd number of ones";
    if ((in[0] & 0x7f) == CODEC_RAW) {
        if (bytes != 1 + 8 * count) return "the length is not that of raw integers";
        for (size_t i = 0; i < count; i++) integers[i] = sl_load64(in + 1 + 8 * i);
        return NULL;
    }
    unsigned codec = in[0] & SL_TAG_CODEC;
    if (codec != CODEC_PLAIN && codec != CODEC_FACTOR) return "the codec is unknown";
    if ((in[0] & SL_TAG_EXCEPTIONS) != 0) return "integers have no exceptions";
    if (codec == CODEC_FACTOR) {
        factor = sl_stream_take_number(&input);
        first = sl_unzigzag(sl_stream_take_number(&input));
        if (input.what == NULL && (factor < 2 || factor > INT64_MAX)) return "the common factor is out of range";
    }
    if (input.what != NULL) return input.what;
    int is_constant;
    if (!sl_stream_read(&input, count, sl_tag_order(in[0]), (in[0] & SL_TAG_PATCHES) != 0, integers, &is_constant)) {
        return input.what;
    }
    if (is_constant) sl_kernels_now()->fill(integers[0], 0, count, integers);
    return codec == CODEC_FACTOR ? multiply(integers, count, factor, first) : NULL;
}

steplog_status sl_int_decode(const uint8_t *in, size_t bytes, size_t count, int64_t *values, const char **what)
{
    /* A signed type may be read and written as its unsigned one. */
    const char *broken = decode(in, bytes, count, (uint64_t *)values);
    if (broken == NULL) return STEPLOG_OK;
    if (what != NULL) *what = broken;
    return STEPLOG_CORRUPT;
}

/* Whether an encoding stands for these values: for SL_ASSERT alone. */
__attribute__((unused)) static int stands_for(const uint8_t *in, size_t bytes, const int64_t *values, size_t count)
{
    _Alignas(64) uint64_t decoded[COUNT_MAX];
    return decode(in, bytes, count, decoded) == NULL && memcmp(values, decoded, count * sizeof *values) == 0;
}

size_t sl_int_encode_with(const int64_t *values, size_t count, sl_stream_work *work, uint8_t *out)
{
    const size_t bytes = encode(values, count, work, out);
    SL_ASSERT(stands_for(out, bytes, values, count));
    return bytes;
}

size_t sl_int_encode(const int64_t *values, size_t count, uint8_t *out)
{
    sl_stream_work work;
    return sl_int_encode_with(values, count, &work, out);
}

void sl_int_describe(const uint8_t *in, size_t bytes, size_t count, char *text, size_t text_bytes)
{
    sl_stream_input input = {in + 1, in + bytes, NULL};
    sl_stream_plan plan;
    uint64_t factor = 1;
    unsigned codec = bytes == 0 ? SL_TAG_CODEC : in[0] & SL_TAG_CODEC;
    if (count == 0 || count > COUNT_MAX || codec > CODEC_FACTOR) {
        snprintf(text, text_bytes, "unknown");
        return;
    }
    if (codec == CODEC_RAW) {
        snprintf(text, text_bytes, "raw");
        return;
    }
    if (codec == CODEC_FACTOR) {
        factor = sl_stream_take_number(&input);
        (void)sl_stream_take_number(&input);
    }
    if (input.what != NULL || !sl_stream_read_header(&input, count, sl_tag_order(in[0]),
                                                     (in[0] & SL_TAG_PATCHES) != 0, &plan)) {
        snprintf(text, text_bytes, "integer damaged: %s", input.what);
        return;
    }
    snprintf(text, text_bytes, "integer factor=%llu delta=%u width=%u patches=%u", (unsigned long long)factor,
             plan.order, plan.width, plan.patch_count);
}
