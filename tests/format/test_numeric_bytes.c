/* Tests of the numeric codecs as one: streams of every width, order and count decode as a plain reading of FORMAT.md
 * does, and the encoder's choices, so its bytes, are those it has always made. */
#include "format/bit_pack.h"
#include "format/checksum.h"
#include "format/int_codec.h"
#include "format/int_stream.h"
#include "format/value_codec.h"

#include "base/bytes.h"
#include "support/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX SL_BLOCK_VALUES_MAX
#define ROOM (4 * SL_VALUE_ENCODED_BYTES_MAX(COUNT_MAX) + SL_DECODE_SLACK_BYTES)

static test_random source;

static uint64_t below(uint64_t limit) { return test_random_below(&source, limit); }
static uint64_t bits_of_width(unsigned width) { return width == 0 ? 0 : test_random_u64(&source) >> (64 - width); }
static uint64_t bits_of_any_width(void) { return bits_of_width((unsigned)below(65)); }

/* ---- decoding ---- */

/* A stream, and the integers it says. */
static struct {
    size_t count;
    unsigned order, width;
    int has_patches;
    uint64_t integers[COUNT_MAX];
    size_t bytes;
    uint8_t encoded[ROOM];
} stream;

/* Bit by bit, where FORMAT.md puts them. Returns the bytes. */
static size_t put_bits(uint8_t *out, const uint64_t *numbers, size_t count, unsigned width)
{
    memset(out, 0, (count * width + 7) / 8);
    for (size_t i = 0; i < count; i++) {
        for (unsigned b = 0; b < width; b++) {
            size_t in_lane = i / 16 * width + b;
            size_t place = count == COUNT_MAX ? (in_lane / 64 * 16 + i % 16) * 64 + in_lane % 64 : i * width + b;
            out[place / 8] |= (uint8_t)((numbers[i] >> b & 1) << place % 8);
        }
    }
    return (count * width + 7) / 8;
}

/* Values from differences, one after the other. */
static void undo_slowly(uint64_t *integers, size_t count, unsigned order, const uint64_t *heads)
{
    uint64_t last[SL_STREAM_ORDER_MAX + 1] = {0};
    for (size_t i = 0; i < count; i++) {
        uint64_t sum = integers[i];
        for (unsigned level = order; level-- > 0;) {
            sum = i == level ? heads[level] : i < level ? 0 : last[level] + sum;
            last[level] = sum;
        }
        integers[i] = sum;
    }
}

/* Makes a random stream, of integers in [-2^(bits - 1), 2^(bits - 1)) when it has no differences and no patches. */
static void make_stream(size_t count, unsigned order, unsigned width, int has_patches, unsigned bits)
{
    static uint64_t offsets[COUNT_MAX], gaps[COUNT_MAX], highs[COUNT_MAX];
    uint64_t heads[SL_STREAM_ORDER_MAX], base;
    uint8_t *out = stream.encoded;
    const size_t skipped = count == COUNT_MAX ? 0 : order, packed = count - skipped;
    has_patches = has_patches && width < 64 && count - order >= 1;
    stream.count = count;
    stream.order = order;
    stream.width = width;
    stream.has_patches = has_patches;
    for (size_t i = 0; i < packed; i++) offsets[i] = i + skipped < order ? 0 : bits_of_width(width);
    if (width > 0) offsets[packed - 1] |= (uint64_t)1 << (width - 1);
    for (unsigned i = 0; i < SL_STREAM_ORDER_MAX; i++) heads[i] = bits == 64 ? bits_of_any_width() : below(50) - 25;
    base = bits == 64 ? bits_of_any_width() : 0 - ((uint64_t)1 << width >> 1);
    *out++ = (uint8_t)width;
    for (unsigned i = 0; i < order; i++) out = sl_stream_put_number(out, sl_zigzag(heads[i]));
    out = sl_stream_put_number(out, sl_zigzag(base));
    for (size_t i = 0; i < count; i++) stream.integers[i] = i < order ? 0 : base + offsets[i - skipped];
    size_t entries = 0;
    unsigned high_max = bits == 64 && width < 64 ? 64 - width : 1, high_width = 1 + (unsigned)below(high_max);
    if (has_patches) {
        const unsigned gap_width = (unsigned)below(8);
        uint64_t next = order, gaps_or = 0, highs_or = 0;
        while (entries < COUNT_MAX - 1) {
            uint64_t gap = bits_of_width(gap_width), high = 1 + bits_of_width(high_width - 1);
            /* Skips whose gap is all ones are in it too, but never the last. */
            int is_skip = gap_width > 0 && gap == ((uint64_t)1 << gap_width) - 1 && next + gap + 1 < count - 1;
            if (next + gap >= count) break;
            next += gap;
            gaps[entries] = gap;
            highs[entries++] = is_skip ? 0 : high;
            if (!is_skip) stream.integers[next] += sl_unzigzag(high) << width;
            next++;
        }
        while (entries > 0 && highs[entries - 1] == 0) entries--;
        if (entries == 0) gaps[0] = 0, highs[0] = 1, entries = 1, stream.integers[order] += sl_unzigzag(1) << width;
        for (size_t i = 0; i < entries; i++) gaps_or |= gaps[i], highs_or |= highs[i];
        /* A skip is told by the full width of gaps. */
        if (gap_width > 0 && sl_bit_length(gaps_or) < gap_width) {
            make_stream(count, order, width, 0, bits);
            return;
        }
        out = sl_stream_put_number(out, entries);
        *out++ = (uint8_t)gap_width;
        *out++ = (uint8_t)sl_bit_length(highs_or);
        high_width = sl_bit_length(highs_or);
        out += put_bits(out, offsets, packed, width);
        out += put_bits(out, gaps, entries, gap_width);
        out += put_bits(out, highs, entries, high_width);
    } else {
        out += put_bits(out, offsets, packed, width);
    }
    undo_slowly(stream.integers, count, order, heads);
    stream.bytes = (size_t)(out - stream.encoded);
}

static uint8_t *with_slack(const uint8_t *head, size_t head_bytes)
{
    uint8_t *all = malloc(head_bytes + stream.bytes + SL_DECODE_SLACK_BYTES);
    cr_assert_not_null(all);
    memcpy(all, head, head_bytes);
    memcpy(all + head_bytes, stream.encoded, stream.bytes);
    memset(all + head_bytes + stream.bytes, 0xa5, SL_DECODE_SLACK_BYTES);
    return all;
}

static void check_as_integers(void)
{
    static int64_t decoded[COUNT_MAX];
    const char *what = "";
    uint8_t tag = sl_tag_make(1, stream.order, stream.has_patches, 0);
    uint8_t *all = with_slack(&tag, 1);
    cr_assert_eq(sl_int_decode(all, 1 + stream.bytes, stream.count, decoded, &what), STEPLOG_OK,
                 "count %zu order %u width %u patches %d: %s", stream.count, stream.order, stream.width,
                 stream.has_patches, what);
    cr_assert_eq(memcmp(decoded, stream.integers, stream.count * sizeof *decoded), 0,
                 "count %zu order %u width %u patches %d", stream.count, stream.order, stream.width,
                 stream.has_patches);
    free(all);
}

/* As ordered bits (codec 4), without a shift, where every integer is allowed, or as decimals (2 and 3), which must be
 * refused when one is out of range; with a run of exceptions or none. */
static void check_as_values(unsigned codec, unsigned parameter, int has_exceptions)
{
    static double decoded[COUNT_MAX], expected[COUNT_MAX];
    const size_t run = has_exceptions && stream.count < COUNT_MAX ? 1 + below(COUNT_MAX - stream.count) : 0;
    const size_t gap = below(stream.count + 1), count = stream.count + run;
    const uint64_t half = (uint64_t)1 << (codec == 2 ? 51 : 22);
    const char *what = "";
    uint64_t all_or = 0;
    uint8_t head[32], *out = head;
    int is_in_range = 1;
    has_exceptions = run > 0;
    *out++ = sl_tag_make(codec, stream.order, stream.has_patches, has_exceptions);
    *out++ = (uint8_t)parameter;
    if (has_exceptions) {
        out = sl_stream_put_number(out, 1);
        out = sl_stream_put_number(out, gap);
        out = sl_stream_put_number(out, (run - 1) * 2);
        sl_store64(out, 0x7ff8000000000001u);
        out += 8;
    }
    for (size_t i = 0, from = 0; i < count; i++) {
        if (has_exceptions && i >= gap && i < gap + run) {
            expected[i] = sl_double_of(0x7ff8000000000001u);
            continue;
        }
        uint64_t integer = stream.integers[from++];
        all_or |= integer;
        if (codec == 4) {
            uint64_t magnitude = integer >> 63 ? 0 - integer : integer;
            expected[i] = sl_double_of(magnitude | (integer >> 63 << 63));
        } else {
            is_in_range &= integer + half < 2 * half;
            volatile double quotient = (double)(int64_t)integer / pow(10, parameter);
            expected[i] = codec == 3 ? (double)(float)quotient : quotient;
        }
    }
    if (codec != 4 && all_or == 0 && parameter != 0) is_in_range = 0;
    uint8_t *all = with_slack(head, (size_t)(out - head));
    steplog_status status = sl_value_decode(all, (size_t)(out - head) + stream.bytes, count, decoded, &what);
    cr_assert_eq(status, is_in_range ? STEPLOG_OK : STEPLOG_CORRUPT,
                 "codec %u parameter %u count %zu order %u width %u: %s", codec, parameter, stream.count, stream.order,
                 stream.width, what);
    cr_assert(!is_in_range || memcmp(decoded, expected, count * sizeof *decoded) == 0,
              "codec %u parameter %u count %zu order %u width %u patches %d", codec, parameter, stream.count,
              stream.order, stream.width, stream.has_patches);
    free(all);
}

static size_t any_count(unsigned order)
{
    return below(2) ? COUNT_MAX : order + 1 + below(below(3) ? 24 : COUNT_MAX - order);
}

Test(numeric_bytes, streams_of_every_width_and_order_say_what_the_format_says)
{
    source = test_random_begin("numeric_bytes streams");
    for (unsigned width = 0; width <= 64; width++) {
        for (unsigned order = 0; order <= SL_STREAM_ORDER_MAX; order++) {
            for (int round = 0; round < 12; round++) {
                make_stream(any_count(order), order, width, round % 2, 64);
                check_as_integers();
                check_as_values(4, 0, round % 3 == 0);
                check_as_values(2, 0, 0); /* mostly out of range */
            }
        }
    }
}

Test(numeric_bytes, decimals_are_the_quotients_of_their_integers)
{
    source = test_random_begin("numeric_bytes decimals");
    for (unsigned exponent = 0; exponent <= 22; exponent++) {
        for (unsigned width = 1; width <= 52; width++) {
            for (int round = 0; round < 3; round++) {
                make_stream(any_count(0), 0, width, 0, 52);
                check_as_values(2, exponent, round == 0);
                if (width <= 23) check_as_values(3, exponent, round == 0);
            }
        }
        make_stream(COUNT_MAX, 1, 4, 1, 52);
        check_as_values(2, exponent, 0);
    }
}

/* ---- encoding ---- */

/* About normal, from sums alone: the same on every machine. */
static double normal(void)
{
    double sum = -6;
    for (int i = 0; i < 12; i++) sum += test_random_unit(&source);
    return sum;
}

#define SHAPES 21u
/* Of all encodings below, recorded from the encoder of format 1; no change of the encoder may change them. */
#define VALUES_HASH UINT64_C(0x6b5c6b586347e57a)
#define INTEGERS_HASH UINT64_C(0x9d5aab20ec858168)

static double shape_value(unsigned shape, size_t i, double *state)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, -0.0, 0.0, 5e-324, 1.0};
    switch (shape) {
    case 0: return (double)(float)(0.8 + 2 / (1 + (double)i / 3e3) + 0.05 * normal());
    case 1: return floor(1e4 * (0.9 + 0.01 * normal())) / 1e4;
    case 2: return (double)(float)(floor(1e4 * (0.9 + 0.01 * normal())) / 1e4);
    case 3: return 3e-4 * (1 - (double)i / 1e6 * ((double)i / 1e6)); /* a schedule */
    case 4: return (double)i * 4096;
    case 5: return floor((double)i * 4096 + 50 * normal());
    case 6: return 0.1;
    case 7: return 3.141592653589793;
    case 8: return 1.2e5 * (1 + 0.03 * normal());
    case 9: return test_random_double(&source);
    case 10: return below(40) == 0 ? test_random_unit(&source) : 0.0;
    case 11: return below(2) ? 0.0 : -0.0;
    case 12: return (double)i * (double)i * (double)i / 100;
    case 13: return floor((double)i / 300);
    case 14: return below(64) == 0 ? odd[below(7)] : (double)(float)normal();
    case 15: return *state += normal();
    case 16: return (double)(float)(*state += floor(300 * normal()) / 1e3);
    case 17: return (floor(100 * normal()) / 100 + floor(100 * normal()) / 100) / 10; /* a mean */
    case 18: return floor(200 * test_random_unit(&source)) / 1319;                    /* a share */
    case 19: return sqrt((double)(1 + below(30)));                                    /* of few values */
    default: return below(200) == 0 ? 1e6 * normal() : 1.5;
    }
}

static uint64_t hash_of(const uint8_t *bytes, size_t count, uint64_t before)
{
    uint64_t both[2] = {before, sl_hash(bytes, count)};
    return sl_hash(both, sizeof both);
}

Test(numeric_bytes, values_have_the_bytes_they_have_always_had)
{
    static double values[COUNT_MAX];
    static uint8_t encoded[SL_VALUE_ENCODED_BYTES_MAX(COUNT_MAX) + SL_DECODE_SLACK_BYTES];
    uint64_t hash = 0;
    source = test_random_from(20240229);
    for (int round = 0; round < 600; round++) {
        unsigned first = (unsigned)round % SHAPES, second = below(4) ? first : (unsigned)below(SHAPES);
        size_t count = any_count(0), begin = below(5000), cut = below(count + 1);
        double state = normal();
        for (size_t i = 0; i < count; i++) values[i] = shape_value(i < cut ? first : second, begin + i, &state);
        hash = hash_of(encoded, sl_value_encode(values, count, encoded), hash);
    }
    cr_assert_eq(hash, VALUES_HASH, "now %llx", (unsigned long long)hash);
}

Test(numeric_bytes, integers_have_the_bytes_they_have_always_had)
{
    static int64_t values[COUNT_MAX];
    static uint8_t encoded[SL_INT_ENCODED_BYTES_MAX(COUNT_MAX) + SL_DECODE_SLACK_BYTES];
    uint64_t hash = 0;
    source = test_random_from(20240301);
    for (int round = 0; round < 600; round++) {
        const unsigned order = (unsigned)round % 4, width = (unsigned)below(below(2) ? 24 : 65);
        const uint64_t factor = below(3) ? 1 : 1 + bits_of_any_width(), odd_one = below(2) ? 2 + below(100) : 0;
        uint64_t sums[4];
        size_t count = any_count(0);
        for (unsigned i = 0; i < 4; i++) sums[i] = bits_of_any_width();
        for (size_t i = 0; i < count; i++) {
            uint64_t number = bits_of_width(width);
            if (odd_one && below(odd_one) == 0) number = bits_of_any_width();
            sums[order] = number;
            for (unsigned level = order; level-- > 0;) sums[level] += sums[level + 1];
            values[i] = (int64_t)(sums[0] * factor);
        }
        hash = hash_of(encoded, sl_int_encode(values, count, encoded), hash);
    }
    cr_assert_eq(hash, INTEGERS_HASH, "now %llx", (unsigned long long)hash);
}
