/* Tests of the value codec: bit for bit round trips on the shapes of training curves, their sizes, and
 * what every damage does. */
#include "format/value_codec.h"

#include "support/random.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX SL_BLOCK_VALUES_MAX

static test_random source;

static void seed(void) { source = test_random_begin("value_codec"); }
static uint64_t next_random(void) { return test_random_u64(&source); }

static double uniform(void) { return test_random_unit(&source); }

static double normal(void)
{
    return sqrt(-2 * log(uniform() + DBL_MIN)) * cos(6.283185307179586 * uniform());
}

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double as_float(double value) { return (double)(float)value; }
static double loss(size_t i) { return as_float(2.0 * exp(-(double)i / 3e4) + 0.8 + 0.05 * normal()); }
static double accuracy(size_t i) { return floor(1e4 * (0.9 - 0.5 / (1 + (double)i / 100) + 0.01 * normal())) / 1e4; }
static double accuracy_float(size_t i) { return as_float(accuracy(i)); }
static double cosine(size_t i) { return 3e-5 + 1.35e-4 * (1 + cos(3.141592653589793 * (double)i / 1e6)); }
static double counter(size_t i) { return (double)i * 4096; }
static double counter_uneven(size_t i) { return floor((double)i * 4096 + 50 * normal()); }
static double constant(size_t i) { return (void)i, 0.1; }
static double constant_odd(size_t i) { return (void)i, 3.141592653589793; }
static double throughput(size_t i) { return (void)i, 1.2e5 * (1 + 0.03 * normal()); }
static double milliseconds(size_t i) { return (void)i, floor(250e3 * (1 + 0.05 * normal())) / 1e3; }
static double bits(size_t i) { return (void)i, from_bits(next_random()); }
static double loss_gone(size_t i) { return i > 600 ? NAN : loss(i); }
static double some_nan(void) { return from_bits(0x7ff8000000000000u | next_random() % 3); }
static double loss_with_nans(size_t i) { return next_random() % 64 == 0 ? some_nan() : loss(i); }
static double loss_with_spikes(size_t i) { return loss(i) * (next_random() % 100 == 0 ? 1e6 : 1); } /* not floats */
static double mostly_zero(size_t i) { return (void)i, next_random() % 40 == 0 ? uniform() : 0.0; }
static double signed_zeros(size_t i) { return (void)i, next_random() % 2 ? 0.0 : -0.0; }
static double denormals(size_t i) { return (void)i, from_bits(next_random() >> 44) * (next_random() % 2 ? 1 : -1); }
static double brain_float(size_t i) { return (void)i, ldexp(floor(128 + 128 * uniform()), -8); }
static double epochs(size_t i) { return floor((double)i / 300); }
static double large_integers(size_t i) { return 1.7e18 + (double)i * 1e9; }
static double tiny_decimals(size_t i) { return (double)i / 1e22; }
static double two_kinds(size_t i) { return i % 2 ? 1e300 * normal() : 1e-300 * normal(); }
static double infinities(size_t i) { return i % 3 == 0 ? INFINITY : i % 3 == 1 ? -INFINITY : (double)i; }
static double not_numbers(size_t i) { return (void)i, from_bits(0xfff0000000000001u + next_random() % 1000); }
static double printed(size_t i) { return (void)i, floor(32753 + 300 * normal()) / 1e4; }
static double mean_of_decimals(size_t i)
{
    double sum = 0;
    (void)i;
    for (int n = 0; n < 5; n++) sum += floor(1e4 * (0.3 + 0.1 * uniform())) / 1e4;
    return sum / 5;
}
static double share(size_t i) { return (void)i, floor(400 + 200 * uniform()) / 1319; }
static double shares(size_t i) { return (void)i, floor(300 * uniform()) / (next_random() % 2 ? 110 : 120); }
static double share_or_less(size_t i) { return next_random() % 50 ? share(i) : next_random() % 2 ? -0.0 : NAN; }
static double readings(size_t i) { return (void)i, sqrt(2 + (double)(next_random() % 20)); }
static double negative_readings(size_t i) { return readings(i) * (next_random() % 2 ? -1 : 1); }
static double odd_readings(size_t i) { return i % 9 ? readings(i) : i % 2 ? some_nan() : -INFINITY; }
static double extremes(size_t i) { return (void)i, next_random() % 2 ? DBL_MAX : -DBL_MAX; }

typedef double (*shape)(size_t i);
static const shape shapes[] = {
    loss,       accuracy,       accuracy_float,   cosine,      counter,      counter_uneven, constant,
    constant_odd, throughput,   milliseconds,     bits,        loss_gone,    loss_with_nans, loss_with_spikes,
    mostly_zero, signed_zeros,  denormals,        brain_float, epochs,       large_integers, tiny_decimals,
    two_kinds,  infinities,     not_numbers,      printed,     extremes,     mean_of_decimals, share,
    shares,     share_or_less,  readings,         negative_readings, odd_readings,
};
#define SHAPE_COUNT (sizeof shapes / sizeof *shapes)

static double values[COUNT_MAX], decoded[COUNT_MAX];
static uint8_t encoded[SL_VALUE_ENCODED_BYTES_MAX(COUNT_MAX) + SL_DECODE_SLACK_BYTES];

static void fill(shape make, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) values[i] = make(first + i);
}

/* Copies an encoding to memory of exactly its size and slack, so that the sanitizer sees a step outside. */
static uint8_t *exact_copy(const uint8_t *in, size_t bytes)
{
    uint8_t *copy = malloc(bytes + SL_DECODE_SLACK_BYTES);
    cr_assert_not_null(copy);
    if (bytes > 0) memcpy(copy, in, bytes);
    memset(copy + bytes, 0x5a, SL_DECODE_SLACK_BYTES);
    return copy;
}

static size_t round_trip(size_t count)
{
    const char *what = NULL;
    size_t bytes = sl_value_encode(values, count, encoded);
    cr_assert_leq(bytes, SL_VALUE_ENCODED_BYTES_MAX(count));
    cr_assert_leq(bytes, 1 + 8 * count);
    uint8_t *copy = exact_copy(encoded, bytes);
    memset(decoded, 0xa5, sizeof decoded);
    cr_assert_eq(sl_value_decode(copy, bytes, count, decoded, &what), STEPLOG_OK, "%s", what);
    cr_assert_eq(memcmp(values, decoded, count * sizeof *values), 0, "count %zu", count);
    free(copy);
    return bytes;
}

Test(value_codec, returns_every_bit_of_every_shape_and_count)
{
    seed();
    for (size_t s = 0; s < SHAPE_COUNT; s++) {
        for (size_t count = 1; count <= COUNT_MAX; count += count < 40 || count > 1015 ? 1 : 37) {
            fill(shapes[s], next_random() % 2000, count);
            round_trip(count);
        }
    }
}

Test(value_codec, returns_every_bit_of_spliced_shapes)
{
    seed();
    for (int round = 0; round < 2000; round++) {
        size_t count = 1 + next_random() % COUNT_MAX, cut = next_random() % (count + 1);
        fill(shapes[next_random() % SHAPE_COUNT], 0, count);
        shape other = shapes[next_random() % SHAPE_COUNT];
        for (size_t i = cut; i < count; i++) values[i] = other(i);
        round_trip(count);
    }
}

Test(value_codec, returns_nan_payloads_signed_zeros_and_denormals)
{
    static const uint64_t odd[] = {0,
                                   0x8000000000000000u,
                                   1,
                                   0x8000000000000001u,
                                   0x7ff0000000000000u,
                                   0xfff0000000000000u,
                                   0x7ff0000000000001u,
                                   0x7ff8000000000000u,
                                   0xfff8000000000000u,
                                   0xffffffffffffffffu,
                                   0x7fffffffffffffffu,
                                   0x000fffffffffffffu,
                                   0x0010000000000000u,
                                   0x7fefffffffffffffu,
                                   0x3ff0000000000000u};
    seed();
    for (size_t count = 1; count <= COUNT_MAX; count = count * 2 + 1) {
        for (int round = 0; round < 50; round++) {
            size_t kinds = 1 + next_random() % (sizeof odd / sizeof *odd), first = next_random();
            for (size_t i = 0; i < count; i++) {
                values[i] = from_bits(odd[(first + next_random() % kinds) % (sizeof odd / sizeof *odd)]);
            }
            round_trip(count);
        }
    }
}

Test(value_codec, is_deterministic)
{
    static uint8_t again[sizeof encoded];
    seed();
    for (size_t s = 0; s < SHAPE_COUNT; s++) {
        fill(shapes[s], 0, COUNT_MAX);
        memset(encoded, 0x11, sizeof encoded);
        memset(again, 0xee, sizeof again);
        size_t bytes = sl_value_encode(values, COUNT_MAX, encoded);
        cr_assert_eq(sl_value_encode(values, COUNT_MAX, again), bytes);
        cr_assert_eq(memcmp(encoded, again, bytes), 0);
    }
}

/* Average bytes a value over 16 blocks. */
static double size_of(shape make, size_t count)
{
    size_t bytes = 0;
    for (size_t block = 0; block < 16; block++) {
        fill(make, block * count, count);
        bytes += round_trip(count);
    }
    return (double)bytes / 16 / (double)count;
}

Test(value_codec, is_small_on_training_curves)
{
    static const struct {
        const char *name;
        shape make;
        double bytes_max;
    } cases[] = {{"loss", loss, 2.75},
                 {"loss with spikes", loss_with_spikes, 2.75},
                 {"accuracy", accuracy, 1.2},
                 {"accuracy as float", accuracy_float, 1.2},
                 {"cosine", cosine, 0.55},
                 {"counter", counter, 0.02},
                 {"uneven counter", counter_uneven, 1.15},
                 {"constant", constant, 0.01},
                 {"throughput", throughput, 6.4},
                 {"milliseconds", milliseconds, 2.05},
                 {"brain float", brain_float, 1.15},
                 {"epochs", epochs, 0.03},
                 {"printed loss", printed, 1.35},
                 {"mean of decimals", mean_of_decimals, 2.1},
                 {"share of a count", share, 1.15},
                 {"shares of counts", shares, 2.0},
                 {"few readings", readings, 0.80}};
    seed();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double bytes = size_of(cases[i].make, COUNT_MAX);
        printf("%-20s %.3f bytes a value\n", cases[i].name, bytes);
        cr_expect_leq(bytes, cases[i].bytes_max, "%s: %.3f", cases[i].name, bytes);
    }
}

Test(value_codec, is_within_four_percent_of_the_entropy_of_noisy_floats)
{
    seed();
    double total = 0, entropy = 0;
    for (int step = 0; step < 32; step++) {
        /* Floats in [2, 4) lie 2^-22 apart: noise of sigma has log2(sigma * 2^22 * sqrt(2 pi e)) bits. */
        double sigma = 0.01 * exp2(step / 16.0);
        for (size_t i = 0; i < COUNT_MAX; i++) values[i] = as_float(3 + sigma * normal());
        total += 8.0 * (double)round_trip(COUNT_MAX) / COUNT_MAX;
        entropy += log2(sigma * 0x1p22) + 2.0471;
    }
    printf("%.3f bits, entropy %.3f: %.2f %% more\n", total / 32, entropy / 32, 100 * (total / entropy - 1));
    cr_assert_leq(total, 1.04 * entropy);
}

Test(value_codec, is_small_for_short_series)
{
    seed();
    for (size_t count = 1; count <= COUNT_MAX; count++) {
        fill(constant_odd, 0, count);
        cr_assert_leq(round_trip(count), 10);
        fill(counter, 0, count);
        cr_assert_leq(round_trip(count), 10);
    }
    cr_expect_leq(size_of(loss, 74), 3.0);
    cr_expect_leq(size_of(accuracy, 74), 1.8);
    cr_expect_leq(size_of(loss, 8), 5.0);
    cr_expect_leq(size_of(accuracy, 8), 3.0);
}

/* Decodes a damaged copy: it must be refused or give other values. */
static void expect_noticed(const uint8_t *damaged, size_t bytes, size_t count, const char *how, size_t where)
{
    const char *what = NULL;
    uint8_t *copy = exact_copy(damaged, bytes);
    steplog_status status = sl_value_decode(copy, bytes, count, decoded, &what);
    if (status == STEPLOG_OK) {
        cr_assert_neq(memcmp(values, decoded, count * sizeof *values), 0, "%s %zu goes unnoticed", how, where);
    } else {
        cr_assert_eq(status, STEPLOG_CORRUPT);
        cr_assert_not_null(what);
    }
    free(copy);
}

static void flip_and_cut(size_t count)
{
    static uint8_t damaged[sizeof encoded];
    size_t bytes = sl_value_encode(values, count, encoded);
    memcpy(damaged, encoded, bytes);
    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        damaged[bit / 8] ^= (uint8_t)(1u << bit % 8);
        expect_noticed(damaged, bytes, count, "bit", bit);
        damaged[bit / 8] = encoded[bit / 8];
    }
    for (size_t cut = 0; cut < bytes; cut++) {
        const char *what = NULL;
        uint8_t *copy = exact_copy(encoded, cut);
        cr_assert_eq(sl_value_decode(copy, cut, count, decoded, &what), STEPLOG_CORRUPT, "cut at %zu", cut);
        cr_assert_not_null(what);
        free(copy);
    }
    damaged[bytes] = 0;
    cr_assert_eq(sl_value_decode(damaged, bytes + 1, count, decoded, NULL), STEPLOG_CORRUPT);
}

Test(value_codec, notices_every_flipped_bit_and_every_cut)
{
    static const size_t counts[] = {1, 2, 3, 5, 17, 74, 200};
    seed();
    for (size_t s = 0; s < SHAPE_COUNT; s++) {
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            fill(shapes[s], next_random() % 2000, counts[c]);
            flip_and_cut(counts[c]);
        }
    }
}

Test(value_codec, notices_every_flipped_bit_of_full_blocks)
{
    static const shape full[] = {accuracy, cosine, epochs, counter_uneven, mostly_zero, share, odd_readings};
    seed();
    for (size_t s = 0; s < sizeof full / sizeof *full; s++) {
        fill(full[s], 0, COUNT_MAX);
        flip_and_cut(COUNT_MAX);
    }
}

Test(value_codec, survives_any_bytes)
{
    static uint8_t noise[256];
    seed();
    for (int round = 0; round < 100000; round++) {
        size_t bytes = next_random() % sizeof noise, count = 1 + next_random() % COUNT_MAX;
        for (size_t i = 0; i < bytes; i++) noise[i] = (uint8_t)next_random();
        /* Mostly headers that get past the first checks. */
        if (bytes > 3 && round % 4 != 0) {
            noise[0] = (uint8_t)(2 + next_random() % 5 + (next_random() % 16 << 3));
            noise[1] %= 23;
            noise[2] %= 65;
            if (bytes > 8 && (noise[0] & 7) > 4) { /* a part that is one, too */
                noise[2] = (uint8_t)(next_random() % (bytes - 3));
                noise[3] = (uint8_t)(1 + next_random() % 6);
                noise[3] |= (uint8_t)(__builtin_parity(noise[3]) << 7);
            }
            noise[0] |= (uint8_t)(__builtin_parity(noise[0]) << 7);
        }
        uint8_t *copy = exact_copy(noise, bytes);
        const char *what = NULL;
        char text[64];
        steplog_status status = sl_value_decode(copy, bytes, count, decoded, &what);
        cr_assert(status == STEPLOG_OK || (status == STEPLOG_CORRUPT && what != NULL));
        sl_value_describe(copy, bytes, count, text, sizeof text);
        free(copy);
    }
}

/* Each breaks one rule of a part that is within another; the first is whole. */
Test(value_codec, refuses_parts_that_break_a_rule)
{
    static const struct {
        size_t bytes;
        uint8_t in[40];
        const char *what;
    } cases[] = {
        /* 1/3, 2/3, 1: three numerators from 1, no rests. */
        {9, {0x8d, 3, 3, 0x81, 0, 0, 0, 2, 2}, NULL},
        {9, {0x8d, 0, 3, 0x81, 0, 0, 0, 2, 2}, "the divisor is not 1 to 2^51"},
        {9, {0x8d, 3, 7, 0x81, 0, 0, 0, 2, 2}, "the bytes end inside a part"},
        {9, {0x8d, 3, 3, 0x82, 0, 0, 0, 2, 2}, "the common factor is out of range"},
        {8, {0x8d, 3, 2, 0x81, 0, 0, 2, 2}, "the bytes end inside a number"},
        {15, {0x05, 3, 3, 0x81, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 15}, "a numerator is out of range"},
        /* Indexes 0, 1, 0 of a dictionary of constants. */
        {10, {0x06, 2, 4, 0x82, 1, 0, 2, 1, 0, 2}, NULL},
        {9, {0x06, 2, 4, 0x82, 1, 0, 2, 1, 0}, "the length differs from what the header says"},
        {10, {0x06, 3, 4, 0x82, 1, 0, 2, 1, 0, 2}, "a value is not in the dictionary, or its last one is not used"},
        {10, {0x06, 2, 4, 0x82, 1, 0, 2, 1, 2, 2}, "a value is not in the dictionary, or its last one is not used"},
        {9, {0x06, 2, 3, 0x81, 0, 0, 1, 0, 2}, "the length is not that of a constant"},
        {10, {0x06, 1, 4, 0x82, 1, 0, 2, 1, 0, 2},
         "the dictionary has too few or too many values, or there are exceptions"},
        {10, {0x06, 4, 4, 0x82, 1, 0, 2, 1, 0, 2},
         "the dictionary has too few or too many values, or there are exceptions"},
        {10, {0xc6, 2, 4, 0x82, 1, 0, 2, 1, 0, 2},
         "the dictionary has too few or too many values, or there are exceptions"},
        {10, {0x06, 2, 4, 0x06, 1, 0, 2, 1, 0, 2}, "a dictionary has a dictionary"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *what = NULL;
        uint8_t *copy = exact_copy(cases[i].in, cases[i].bytes);
        steplog_status status = sl_value_decode(copy, cases[i].bytes, 3, decoded, &what);
        cr_expect_eq(status, cases[i].what ? STEPLOG_CORRUPT : STEPLOG_OK, "%zu: %s", i, what);
        if (cases[i].what) cr_expect_str_eq(what ? what : "nothing", cases[i].what, "%zu: %s", i, what);
        for (int n = 0; i == 0 && n < 3; n++) cr_expect_eq(decoded[n], (n + 1) / 3.0);
        free(copy);
    }
}

Test(value_codec, refuses_impossible_counts)
{
    uint8_t in[9 + SL_DECODE_SLACK_BYTES] = {0x81}; /* a constant 0.0 */
    cr_assert_eq(sl_value_decode(in, 9, 0, decoded, NULL), STEPLOG_CORRUPT);
    cr_assert_eq(sl_value_decode(in, 9, COUNT_MAX + 1, decoded, NULL), STEPLOG_CORRUPT);
    cr_assert_eq(sl_value_decode(in, 9, COUNT_MAX, decoded, NULL), STEPLOG_OK);
}

Test(value_codec, describes_its_codecs)
{
    char text[96];
    seed();
    fill(printed, 0, COUNT_MAX);
    sl_value_describe(encoded, sl_value_encode(values, COUNT_MAX, encoded), COUNT_MAX, text, sizeof text);
    cr_expect_eq(strncmp(text, "decimal e=4 delta=0 width=", 26), 0, "%s", text);
    fill(loss_gone, 0, COUNT_MAX);
    sl_value_describe(encoded, sl_value_encode(values, COUNT_MAX, encoded), COUNT_MAX, text, sizeof text);
    cr_expect_eq(strncmp(text, "ordered shift=29 delta=0 width=", 31), 0, "%s", text);
    cr_expect_not_null(strstr(text, "exceptions=423"), "%s", text);
    fill(share, 0, COUNT_MAX);
    sl_value_describe(encoded, sl_value_encode(values, COUNT_MAX, encoded), COUNT_MAX, text, sizeof text);
    cr_expect_eq(strncmp(text, "fraction divisor=1319 delta=0 width=8 patches=0 exceptions=0 rests=", 67), 0, "%s", text);
    fill(readings, 0, COUNT_MAX);
    sl_value_describe(encoded, sl_value_encode(values, COUNT_MAX, encoded), COUNT_MAX, text, sizeof text);
    cr_expect_eq(strncmp(text, "dictionary values=20 delta=0 width=5 patches=0 exceptions=0 bytes=", 66), 0, "%s", text);
    sl_value_describe(encoded, 0, COUNT_MAX, text, sizeof text);
    cr_expect_str_eq(text, "unknown");
    sl_value_describe(encoded, 3, COUNT_MAX, text, 12);
    cr_expect_lt(strlen(text), 12);
}
