/* Tests of the numeric codecs at their limits: values at the ends of the range, in clusters that mislead a sample. What
 * the encoders make the decoders take, and all inner loops make the same. */
#include "base/bytes.h"
#include "format/int_codec.h"
#include "format/kernels.h"
#include "format/value_codec.h"

#include "support/random.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT_MAX SL_BLOCK_VALUES_MAX
#define SIGN_BIT ((uint64_t)1 << 63)
#define MIDDLE_SAMPLES 31u /* as many as int_stream.c takes to find the middle */

static test_random source;

static void seed(void) { source = test_random_begin("codec_limits"); }
static uint64_t next_random(void) { return test_random_u64(&source); }
static uint64_t below(uint64_t end) { return next_random() % end; }

static uint64_t integers[COUNT_MAX];
static double values[COUNT_MAX];
static uint8_t encoded[SL_VALUE_ENCODED_BYTES_MAX(COUNT_MAX) + SL_DECODE_SLACK_BYTES];

static void restore_kernels(void) { sl_kernels_use(NULL); }
TestSuite(codec_limits, .fini = restore_kernels);

/* By all kernels, which make the same bytes; doubles of the values, or integers. */
static void round_trip(size_t count, int are_values)
{
    static uint8_t first[sizeof encoded];
    static uint64_t decoded[COUNT_MAX];
    const void *from = are_values ? (const void *)values : (const void *)integers;
    size_t first_bytes = 0;
    for (size_t i = 0; sl_kernels_at(i) != NULL; i++) {
        const char *what = NULL, *name = sl_kernels_at(i)->name;
        sl_kernels_use(sl_kernels_at(i));
        size_t bytes = are_values ? sl_value_encode(values, count, encoded)
                                  : sl_int_encode((const int64_t *)integers, count, encoded);
        cr_assert_leq(bytes, 1 + 8 * count);
        if (i == 0) memcpy(first, encoded, first_bytes = bytes);
        cr_assert(bytes == first_bytes && memcmp(first, encoded, bytes) == 0, "%s: %zu bytes, not %zu", name, bytes,
                  first_bytes);
        memset(encoded + bytes, 0x5a, SL_DECODE_SLACK_BYTES);
        memset(decoded, 0xa5, sizeof decoded);
        steplog_status status = are_values ? sl_value_decode(encoded, bytes, count, (double *)decoded, &what)
                                           : sl_int_decode(encoded, bytes, count, (int64_t *)decoded, &what);
        cr_assert_eq(status, STEPLOG_OK, "%s: %zu of %s: %s", name, count, are_values ? "values" : "integers", what);
        cr_assert_eq(memcmp(from, decoded, count * 8), 0, "%s: %zu of %s", name, count,
                     are_values ? "values" : "integers");
    }
    sl_kernels_use(NULL);
}

/* The double that is so far from 0 in the order of doubles. */
static double from_order(uint64_t order)
{
    return sl_double_of(order >> 63 != 0 ? SIGN_BIT | (0 - order) : order);
}

/* Nearly all lie further from the end of the range, where those are that a sample takes, than the extremes do: the
 * distances wrap. */
static void fill_beyond(uint64_t top, uint64_t bottom, unsigned bits)
{
    const uint64_t origin = top - ((uint64_t)1 << 51);
    for (size_t i = 0; i < COUNT_MAX; i++) integers[i] = origin - ((uint64_t)1 << 52) - (next_random() >> (64 - bits));
    for (size_t k = 0; k < MIDDLE_SAMPLES; k++)
        integers[k * COUNT_MAX / MIDDLE_SAMPLES] = top - below(0x10000) - (below(2) ? (uint64_t)1 << 51 : 0);
    integers[1] = bottom;
    integers[2] = top;
}

Test(codec_limits, never_patch_all_of_1024_integers)
{
    seed();
    for (int round = 0; round < 200; round++) {
        fill_beyond(INT64_MAX, (uint64_t)INT64_MIN, 52 + (unsigned)below(6));
        round_trip(COUNT_MAX, 0);
    }
}

Test(codec_limits, never_patch_all_of_1024_values)
{
    const uint64_t largest = 0x7fefffffffffffffu; /* DBL_MAX */
    seed();
    for (int round = 0; round < 200; round++) {
        fill_beyond(largest, 0 - largest, 56 + (unsigned)below(2));
        for (size_t i = 0; i < COUNT_MAX; i++) values[i] = from_order(integers[i]);
        round_trip(COUNT_MAX, 1);
    }
}

/* ---- any ---- */

static size_t any_count(void)
{
    static const uint16_t edges[] = {1, 2, 3, 4, 7, 8, 15, 16, 17, 63, 64, 65, 130, 131, 511, 512, 1022, 1023};
    switch (below(4)) {
    case 0: return 1 + below(COUNT_MAX);
    case 1: return edges[below(sizeof edges / sizeof *edges)];
    default: return COUNT_MAX;
    }
}

/* Values lie within 2^bits behind or before an origin. */
typedef struct cluster {
    uint64_t origin;
    unsigned bits;
    int is_before;
} cluster;

static cluster any_cluster(void)
{
    static const uint64_t origins[] = {0, INT64_MAX, (uint64_t)INT64_MIN, (uint64_t)1 << 62, (uint64_t)3 << 62,
                                       0x7fefffffffffffffu, 0x8010000000000001u};
    cluster c = {origins[below(sizeof origins / sizeof *origins)], (unsigned)below(65), (int)below(2)};
    if (below(4) == 0) c.origin = next_random() >> below(64);
    if (below(2)) c.origin += below(2) ? (uint64_t)1 << below(64) : 0 - ((uint64_t)1 << below(64));
    return c;
}

static uint64_t member_of(const cluster *c)
{
    uint64_t distance = c->bits == 0 ? 0 : next_random() >> (64 - c->bits);
    return c->is_before ? c->origin - distance : c->origin + distance;
}

/* Most of one cluster, what a sample takes of another or two, some extremes; all of it as differences of some order. */
static void fill_any(size_t count)
{
    const cluster most = any_cluster(), some = any_cluster(), sampled[2] = {any_cluster(), any_cluster()};
    const uint64_t one_in = (uint64_t)1 << below(12);
    for (size_t i = 0; i < count; i++) integers[i] = member_of(below(one_in) == 0 ? &some : &most);
    if (below(2)) {
        const unsigned alternating = (unsigned)below(2);
        const size_t places = below(2) || count < MIDDLE_SAMPLES ? count / 4 : MIDDLE_SAMPLES;
        for (size_t k = 0; k < places; k++) integers[k * count / places] = member_of(&sampled[below(2) & alternating]);
    }
    if (below(2)) {
        integers[below(count)] = (uint64_t)INT64_MIN + below(3);
        integers[below(count)] = (uint64_t)INT64_MAX - below(3);
    }
    for (uint64_t order = below(2) ? 0 : below(4); order > 0; order--)
        for (size_t i = 1; i < count; i++) integers[i] += integers[i - 1];
}

Test(codec_limits, return_any_integers)
{
    seed();
    for (int round = 0; round < 4000; round++) {
        const size_t count = any_count();
        fill_any(count);
        if (below(8) == 0) { /* multiples */
            const uint64_t factor = 2 + (next_random() >> (32 + below(31)));
            for (size_t i = 0; i < count; i++) integers[i] = (uint64_t)((int64_t)integers[i] / (int64_t)factor) * factor;
        }
        round_trip(count, 0);
    }
}

/* Of any integer a double that one view or another is good for. */
static double view_of(uint64_t integer, int view, unsigned parameter)
{
    const double power = sl_power_of_ten[parameter % (SL_DECIMAL_EXPONENT_MAX + 1)];
    switch (view) {
    case 0: return from_order(integer);
    case 1: return sl_double_of(integer);
    case 2: return from_order(integer & ~(uint64_t)0 << parameter);
    case 3: return (double)((int64_t)integer >> 12) / power;
    case 4: return (double)(float)((double)((int64_t)integer >> 41) / power);
    default: return sl_double_of(sl_bits_of((double)((int64_t)integer >> 28) / (1 + parameter)) + integer % 3);
    }
}

Test(codec_limits, return_any_values)
{
    seed();
    for (int round = 0; round < 4000; round++) {
        const size_t count = any_count();
        const int view = (int)below(6), other = below(8) == 0 ? (int)below(6) : view;
        const unsigned parameter = (unsigned)below(64);
        const uint64_t different = 1 + below(count); /* some are a dictionary */
        const int is_dictionary = below(4) == 0;
        fill_any(count);
        for (size_t i = 0; i < count; i++) {
            uint64_t integer = integers[is_dictionary ? below(different) : i];
            values[i] = view_of(integer, below(16) == 0 ? other : view, parameter);
        }
        round_trip(count, 1);
    }
}
