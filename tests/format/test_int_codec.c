/* Tests of int_codec.c: round trips of steps, times and sequences, their sizes, and what every damage does. */
#include "format/int_codec.h"

#include "support/random.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX SL_BLOCK_VALUES_MAX
#define EPOCH_NS INT64_C(1700000000000000000)

static test_random source;

static void seed(void) { source = test_random_begin("int_codec"); }
static uint64_t next_random(void) { return test_random_u64(&source); }

static double uniform(void) { return (double)(next_random() >> 11) * 0x1p-53; }

static double normal(void)
{
    return sqrt(-2 * log(uniform() + DBL_MIN)) * cos(6.283185307179586 * uniform());
}

static int64_t after(int64_t x, int64_t difference) { return (int64_t)((uint64_t)x + (uint64_t)difference); }

/* Each makes the next integer from the one before. */
static int64_t steps(int64_t x) { return after(x, 1); }
static int64_t steps_of_50(int64_t x) { return after(x, 50); }
static int64_t tokens(int64_t x) { return after(x, 524288); }
static int64_t steps_uneven(int64_t x) { return after(x, 1 + (int64_t)(next_random() % 3)); }
static int64_t steps_with_jumps(int64_t x) { return after(x, (next_random() % 100 == 0 ? 1000 : 1)); }
static int64_t steps_rewound(int64_t x) { return after(x, next_random() % 300 == 0 ? -250 : 1); }
static int64_t same(int64_t x) { return x; }
static int64_t millisecond_ns(int64_t x) { return after(x, (int64_t)(1e6 * (1 + 0.05 * normal()))); }
static int64_t second_ns(int64_t x) { return after(x, (int64_t)(1e9 * (1 + 0.01 * normal()))); }
static int64_t four_seconds_us(int64_t x) { return after(x, 1000 * (int64_t)(4e6 + 2e4 * normal())); }
static int64_t four_seconds_ns(int64_t x) { return after(x, (int64_t)(4e9 + 2e7 * normal())); }
static int64_t four_seconds_ms(int64_t x) { return after(x, 1000000 * (int64_t)(4e3 + 20 * normal())); }
static int64_t noise(int64_t x) { return (void)x, (int64_t)next_random(); }
static int64_t extremes(int64_t x) { return (void)x, next_random() % 2 ? INT64_MAX : INT64_MIN; }
static int64_t wide_multiples(int64_t x) { return (void)x, (int64_t)(next_random() % 64 * 0x0400000000000000u); }
static int64_t wrapping(int64_t x) { return (int64_t)((uint64_t)x + 0x4000000000000001u); }

typedef int64_t (*shape)(int64_t before);
static const shape shapes[] = {
    steps,           steps_of_50,    tokens,    steps_uneven,    steps_with_jumps, steps_rewound,
    same,            millisecond_ns, second_ns, four_seconds_us, four_seconds_ns,  four_seconds_ms,
    noise,           extremes,       wide_multiples, wrapping,
};
#define SHAPE_COUNT (sizeof shapes / sizeof *shapes)

static int64_t values[COUNT_MAX], decoded[COUNT_MAX];
static uint8_t encoded[SL_INT_ENCODED_BYTES_MAX(COUNT_MAX) + SL_DECODE_SLACK_BYTES];

static void fill(shape make, int64_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) values[i] = first = make(first);
}

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
    size_t bytes = sl_int_encode(values, count, encoded);
    cr_assert_leq(bytes, SL_INT_ENCODED_BYTES_MAX(count));
    uint8_t *copy = exact_copy(encoded, bytes);
    memset(decoded, 0xa5, sizeof decoded);
    cr_assert_eq(sl_int_decode(copy, bytes, count, decoded, &what), STEPLOG_OK, "%s", what);
    cr_assert_eq(memcmp(values, decoded, count * sizeof *values), 0, "count %zu", count);
    free(copy);
    return bytes;
}

Test(int_codec, returns_every_shape_and_count)
{
    seed();
    for (size_t s = 0; s < SHAPE_COUNT; s++) {
        for (size_t count = 1; count <= COUNT_MAX; count += count < 40 || count > 1015 ? 1 : 37) {
            fill(shapes[s], next_random() % 2 ? EPOCH_NS : 0, count);
            round_trip(count);
        }
    }
}

Test(int_codec, returns_spliced_shapes)
{
    seed();
    for (int round = 0; round < 2000; round++) {
        size_t count = 1 + next_random() % COUNT_MAX, cut = next_random() % (count + 1);
        fill(shapes[next_random() % SHAPE_COUNT], 0, count);
        shape other = shapes[next_random() % SHAPE_COUNT];
        for (size_t i = cut; i < count; i++) values[i] = other(i == 0 ? 0 : values[i - 1]);
        round_trip(count);
    }
}

Test(int_codec, takes_a_few_bytes_for_what_grows_evenly)
{
    for (size_t count = 1; count <= COUNT_MAX; count++) {
        fill(steps, 0, count);
        cr_assert_leq(round_trip(count), 5);
        fill(steps_of_50, -1000000, count);
        cr_assert_leq(round_trip(count), 9);
        fill(tokens, INT64_MIN, count);
        cr_assert_leq(round_trip(count), 17);
        fill(same, EPOCH_NS, count);
        cr_assert_leq(round_trip(count), 12);
    }
}

Test(int_codec, is_small_on_steps_and_times)
{
    static const struct {
        const char *name;
        shape make;
        double bytes_max;
    } cases[] = {{"uneven steps", steps_uneven, 0.30},       {"steps with jumps", steps_with_jumps, 0.06},
                 {"rewound steps", steps_rewound, 0.05},     {"1 ms in ns", millisecond_ns, 2.33},
                 {"1 s in ns", second_ns, 3.3},              {"4 s in us", four_seconds_us, 2.17},
                 {"4 s in ns", four_seconds_ns, 3.42},       {"4 s in ms", four_seconds_ms, 0.95}};
    seed();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t total = 0;
        for (int block = 0; block < 16; block++) {
            fill(cases[i].make, EPOCH_NS, COUNT_MAX);
            total += round_trip(COUNT_MAX);
        }
        double bytes = (double)total / 16 / COUNT_MAX;
        printf("%-20s %.3f bytes an integer\n", cases[i].name, bytes);
        cr_expect_leq(bytes, cases[i].bytes_max, "%s: %.3f", cases[i].name, bytes);
    }
}

static void flip_and_cut(size_t count)
{
    size_t bytes = sl_int_encode(values, count, encoded);
    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        uint8_t *copy = exact_copy(encoded, bytes);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        steplog_status status = sl_int_decode(copy, bytes, count, decoded, NULL);
        cr_assert(status == STEPLOG_CORRUPT ||
                      (status == STEPLOG_OK && memcmp(values, decoded, count * sizeof *values) != 0),
                  "bit %zu goes unnoticed", bit);
        free(copy);
    }
    for (size_t cut = 0; cut < bytes; cut++) {
        uint8_t *copy = exact_copy(encoded, cut);
        cr_assert_eq(sl_int_decode(copy, cut, count, decoded, NULL), STEPLOG_CORRUPT, "cut at %zu", cut);
        free(copy);
    }
    encoded[bytes] = 0;
    cr_assert_eq(sl_int_decode(encoded, bytes + 1, count, decoded, NULL), STEPLOG_CORRUPT);
}

Test(int_codec, notices_every_flipped_bit_and_every_cut)
{
    static const size_t counts[] = {1, 2, 3, 5, 17, 74, 200};
    seed();
    for (size_t s = 0; s < SHAPE_COUNT; s++) {
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            fill(shapes[s], EPOCH_NS, counts[c]);
            flip_and_cut(counts[c]);
        }
    }
    fill(four_seconds_ms, EPOCH_NS, COUNT_MAX);
    flip_and_cut(COUNT_MAX);
    fill(steps_with_jumps, EPOCH_NS, COUNT_MAX);
    flip_and_cut(COUNT_MAX);
}

Test(int_codec, survives_any_bytes)
{
    static uint8_t bytes_of_noise[256];
    seed();
    for (int round = 0; round < 100000; round++) {
        size_t bytes = next_random() % sizeof bytes_of_noise, count = 1 + next_random() % COUNT_MAX;
        for (size_t i = 0; i < bytes; i++) bytes_of_noise[i] = (uint8_t)next_random();
        if (bytes > 3 && round % 4 != 0) {
            bytes_of_noise[0] = (uint8_t)(1 + next_random() % 2 + (next_random() % 8 << 3));
            bytes_of_noise[1] %= 65;
        }
        uint8_t *copy = exact_copy(bytes_of_noise, bytes);
        const char *what = NULL;
        char text[64];
        steplog_status status = sl_int_decode(copy, bytes, count, decoded, &what);
        cr_assert(status == STEPLOG_OK || (status == STEPLOG_CORRUPT && what != NULL));
        sl_int_describe(copy, bytes, count, text, sizeof text);
        free(copy);
    }
}

Test(int_codec, describes_its_codecs)
{
    char text[96];
    seed();
    fill(steps, 0, COUNT_MAX);
    sl_int_describe(encoded, sl_int_encode(values, COUNT_MAX, encoded), COUNT_MAX, text, sizeof text);
    cr_expect_str_eq(text, "integer factor=1 delta=1 width=0 patches=0");
    fill(four_seconds_us, EPOCH_NS, COUNT_MAX);
    sl_int_describe(encoded, sl_int_encode(values, COUNT_MAX, encoded), COUNT_MAX, text, sizeof text);
    cr_expect_eq(strncmp(text, "integer factor=1000 delta=1 width=", 34), 0, "%s", text);
    sl_int_describe(encoded, 0, COUNT_MAX, text, sizeof text);
    cr_expect_str_eq(text, "unknown");
}
