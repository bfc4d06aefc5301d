/* Tests of base/float_mode.h where it is used: whatever floating point mode the host has chosen, the same values make
 * the same bytes, and the same bytes the same values; and nothing traps. */
#include "base/bytes.h"
#include "base/float_mode.h"
#include "format/kernels.h"
#include "format/stats_codec.h"
#include "format/value_codec.h"

#include "support/host_modes.h"
#include "support/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define COUNT SL_BLOCK_VALUES_MAX

static test_random source;

static uint64_t below(uint64_t end) { return test_random_u64(&source) % end; }

static double decimal(void) { return (double)below(30000) / 1e3; }
static double decimal_float(void) { return (double)(float)((double)below(30000) / 1e4); }
static double third(void) { return (double)below(30000) / 3; }
static double share(void) { return (double)below(500) / 1319; }
static double large(void) { return (double)below(5000) * 0x1p-4 + 0x1p40; }
static double computed(void) { return sqrt(2 + test_random_unit(&source)); }
static double reading(void) { return sqrt(2 + (double)below(20)); }
static double subnormal(void) { return sl_double_of(below((uint64_t)1 << 52) | below(2) << 63); }
static double few_subnormals(void) { return below(8) ? decimal() : subnormal(); }
static double tiny_decimal(void) { return (double)below(30000) / 1e22 * 0x1p-1000; }
static double with_nan(void) { return below(10) ? third() : sl_double_of(0x7ff8000000000000u + below(2)); }
static double with_signaling_nan(void) { return below(10) ? decimal() : sl_double_of(0x7ff0000000000001u + below(2)); }
static double with_infinity(void) { return below(10) ? decimal() : below(2) ? INFINITY : -INFINITY; }
static double any(void) { return test_random_double(&source); }

static double (*const shapes[])(void) = {
    decimal,   decimal_float,  third,        share,    large,              computed,      reading,
    subnormal, few_subnormals, tiny_decimal, with_nan, with_signaling_nan, with_infinity, any,
};
#define SHAPE_COUNT (sizeof shapes / sizeof *shapes)

/* All that is made of a block. */
typedef struct made {
    size_t bytes;
    uint8_t encoded[SL_VALUE_ENCODED_BYTES_MAX(COUNT) + SL_DECODE_SLACK_BYTES];
    uint8_t stats[SL_STATS_ENTRY_BYTES], node_stats[SL_NODE_STATS_ENTRY_BYTES];
    uint64_t decoded[COUNT];
    steplog_status status;
} made;

static double values[COUNT];
static int64_t steps[COUNT];

static void make(size_t count, made *out)
{
    sl_stats_entry stats[2];
    sl_node_stats_entry node;
    const sl_chunk_entry chunk = {.row_count = (uint16_t)count};
    memset(out, 0, sizeof *out);
    out->bytes = sl_value_encode(values, count, out->encoded);
    memset(out->encoded + out->bytes, 0, sizeof out->encoded - out->bytes);
    out->status = sl_value_decode(out->encoded, out->bytes, count, (double *)out->decoded, NULL);
    sl_stats_make(values, NULL, (uint32_t)(count / 2), steps, 0, &stats[0]);
    sl_stats_make(values + count / 2, NULL, (uint32_t)(count - count / 2), steps, 0, &stats[1]);
    sl_stats_entry_encode(&stats[0], out->stats);
    sl_node_stats_begin(&node);
    sl_node_stats_add(&node, &chunk, &stats[0]);
    sl_node_stats_add(&node, &chunk, &stats[1]);
    sl_node_stats_entry_encode(&node, out->node_stats);
}

static void compare(const char *mode, size_t shape, size_t count)
{
    static made expected, under;
    for (size_t i = 0; i < count; i++) values[i] = shapes[shape](), steps[i] = (int64_t)i;
    make(count, &expected);
    host_mode_begin(mode);
    make(count, &under);
    const int is_kept = host_mode_is(mode);
    host_mode_end();
    cr_assert(is_kept, "%s: the mode is another one", mode);
    cr_assert_eq(expected.status, STEPLOG_OK);
    cr_assert_eq(memcmp(values, expected.decoded, count * 8), 0);
    cr_assert(under.bytes == expected.bytes && memcmp(under.encoded, expected.encoded, under.bytes) == 0,
              "%s, shape %zu: other bytes", mode, shape);
    cr_assert_eq(memcmp(values, under.decoded, count * 8), 0, "%s, shape %zu: other values", mode, shape);
    cr_assert_eq(memcmp(under.stats, expected.stats, sizeof under.stats), 0, "%s, shape %zu: stats", mode, shape);
    cr_assert_eq(memcmp(under.node_stats, expected.node_stats, sizeof under.node_stats), 0, "%s, shape %zu: node", mode,
                 shape);
}

Test(float_mode, of_the_host_changes_nothing_that_is_stored)
{
    source = test_random_begin("float_mode");
    for (size_t m = 0; host_modes[m] != NULL; m++)
        for (size_t k = 0; sl_kernels_at(k) != NULL; k++) {
            sl_kernels_use(sl_kernels_at(k));
            for (size_t s = 0; s < SHAPE_COUNT; s++)
                for (size_t count = 2; count <= COUNT; count = count * 3 + 4 > COUNT && count < COUNT ? COUNT : count * 3 + 4)
                    compare(host_modes[m], s, count);
        }
    sl_kernels_use(NULL);
}
