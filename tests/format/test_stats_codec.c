/* Tests of stats_codec.c: nodes and statistics as made, and as bytes. */
#include "format/stats_codec.h"

#include "support/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define ROWS SL_CHUNK_ROWS_MAX
#define ONLY_NAN UINT64_C(0x7ff8000000000000)

static double values[ROWS];
static uint64_t present[SL_PRESENT_WORDS];
static int64_t steps[ROWS];

/* ---- bytes ---- */

#define CODEC(name)                                          \
    static int name##_again(const uint8_t *in, uint8_t *out) \
    {                                                        \
        sl_##name entry;                                     \
        if (!sl_##name##_decode(in, &entry)) return 0;       \
        sl_##name##_encode(&entry, out);                     \
        return 1;                                            \
    }
CODEC(node_entry)
CODEC(stats_entry)
CODEC(node_stats_entry)

static int64_t least_of(const int64_t *of, uint32_t count)
{
    int64_t least = of[0];
    for (uint32_t i = 1; i < count; i++) least = of[i] < least ? of[i] : least;
    return least;
}

static const struct {
    const char *name;
    int (*again)(const uint8_t *in, uint8_t *out);
    size_t bytes;
    uint8_t good[3][80]; /* what is not said is 0 */
} codecs[] = {
    {"node", node_entry_again, 48, {{[8] = 1, [16] = 1, [24] = 1}, {[0] = 1, [8] = 9, [16] = 4, [24] = 4, [40] = 1}}},
    {"statistics", stats_entry_again, 56, {{[0] = 7, [48] = 9, [50] = 2}, {[48] = 0}, {[48] = 0xff, [49] = 0xff}}},
    {"node statistics",
     node_stats_entry_again,
     80,
     {{[0] = 7, [64] = 9, [68] = 2}, {[64] = 0}, {[64] = 0xff, [65] = 0xff, [66] = 0xff, [67] = 0xff}}}};

Test(stats_codec, entries_say_all_that_their_bytes_say)
{
    test_random random = test_random_begin("stats_codec");
    for (size_t c = 0; c < sizeof codecs / sizeof *codecs; c++) {
        uint8_t bytes[80], again[80];
        for (int form = 0; form < (c ? 3 : 2); form++) {
            memcpy(bytes, codecs[c].good[form], 80);
            cr_assert(codecs[c].again(bytes, again), "%s %d", codecs[c].name, form);
            cr_assert_eq(memcmp(bytes, again, codecs[c].bytes), 0);
            for (size_t bit = 0; bit < 8 * codecs[c].bytes; bit++) {
                bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
                if (codecs[c].again(bytes, again))
                    cr_assert_eq(memcmp(bytes, again, codecs[c].bytes), 0, "%s bit %zu", codecs[c].name, bit);
                bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            }
        }
        for (int round = 0; round < 20000; round++) {
            test_random_fill(&random, bytes, codecs[c].bytes);
            for (size_t i = 0; i < codecs[c].bytes; i++)
                if (round % 8) bytes[i] = test_random_below(&random, 4) ? codecs[c].good[0][i] : bytes[i];
            if (codecs[c].again(bytes, again))
                cr_assert_eq(memcmp(bytes, again, codecs[c].bytes), 0, "%s", codecs[c].name);
        }
    }
}

Test(stats_codec, entries_that_break_a_rule_are_refused)
{
    static const struct {
        size_t codec;
        int form;
        size_t at;
        uint8_t byte;
    } changes[] = {{0, 0, 0, 2},    {0, 0, 4, 1},    {0, 0, 7, 1},    {0, 0, 8, 0},    {0, 0, 10, 1},   {0, 0, 16, 0},
                   {0, 0, 17, 1},   {0, 0, 32, 1},   {0, 1, 47, 0x80}, {1, 0, 50, 10}, {1, 0, 52, 8},   {1, 0, 54, 8},
                   {1, 0, 49, 4},   {1, 1, 0, 1},    {1, 1, 47, 1},   {1, 1, 50, 1},   {1, 2, 0, 1},    {1, 2, 47, 1},
                   {1, 2, 55, 1},   {2, 0, 68, 10},  {2, 0, 72, 8},   {2, 0, 76, 8},   {2, 0, 66, 1},   {2, 1, 0, 1},
                   {2, 1, 63, 1},   {2, 1, 68, 1},   {2, 2, 0, 1},    {2, 2, 63, 1},   {2, 2, 79, 1}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        uint8_t bytes[80], again[80];
        memcpy(bytes, codecs[changes[i].codec].good[changes[i].form], 80);
        bytes[changes[i].at] = changes[i].byte;
        cr_expect_not(codecs[changes[i].codec].again(bytes, again), "%s byte %zu", codecs[changes[i].codec].name,
                      changes[i].at);
    }
}

Test(stats_codec, fields_lie_as_the_format_says)
{
    uint8_t out[80];
    sl_node_entry_encode(&(sl_node_entry){1, 2, 3, 4, 5, 6}, out);
    cr_expect(sl_load32(out) == 1 && sl_load32(out + 4) == 0);
    for (size_t i = 0; i < 5; i++) cr_expect_eq(sl_load64(out + 8 + 8 * i), 2 + i);
    sl_stats_entry_encode(&(sl_stats_entry){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, out);
    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(sl_load64(out + 8 * i), sl_bits_of((double)(1 + i)));
        cr_expect_eq(sl_load32(out + 32 + 4 * i), 5 + i);
        cr_expect_eq(sl_load16(out + 48 + 2 * i), 9 + i);
    }
    sl_node_stats_entry_encode(&(sl_node_stats_entry){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, out);
    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(sl_load64(out + 8 * i), sl_bits_of((double)(1 + i)));
        cr_expect_eq(sl_load64(out + 32 + 8 * i), 5 + i);
        cr_expect_eq(sl_load32(out + 64 + 4 * i), 9 + i);
    }
}

/* ---- what they say ---- */

/* One row after the other: what statistics are. */
typedef struct plain {
    uint32_t count, nan_count, positive, negative;
    uint32_t first, last, smallest, largest; /* rows; ROWS: none */
} plain;

static plain plain_of(uint32_t row_count, int is_sparse)
{
    plain p = {.first = ROWS, .last = ROWS, .smallest = ROWS, .largest = ROWS};
    for (uint32_t row = 0; row < row_count; row++) {
        if (is_sparse && !(present[row / 64] >> row % 64 & 1)) continue;
        if (p.count++ == 0) p.first = row;
        p.last = row;
        if (isnan(values[row])) p.nan_count++;
        else if (isinf(values[row])) *(values[row] > 0 ? &p.positive : &p.negative) += 1;
        else {
            if (p.smallest == ROWS || values[row] < values[p.smallest]) p.smallest = row;
            if (p.largest == ROWS || values[row] > values[p.largest]) p.largest = row;
        }
    }
    return p;
}

static int64_t least_step(uint32_t row_count)
{
    int64_t least = steps[0];
    for (uint32_t i = 1; i < row_count; i++)
        if (steps[i] < least) least = steps[i];
    return least;
}

static uint64_t distance_of(uint32_t row, uint32_t row_count)
{
    return row == ROWS ? 0 : (uint64_t)steps[row] - (uint64_t)least_step(row_count);
}

static uint64_t bits_at(uint32_t row) { return row == ROWS ? ONLY_NAN : sl_bits_of(values[row]); }

static void expect_stats(const sl_stats_entry *made, uint32_t row_count, int is_sparse)
{
    static const uint8_t zeros[SL_STATS_ENTRY_BYTES];
    uint8_t bytes[SL_STATS_ENTRY_BYTES];
    plain p = plain_of(row_count, is_sparse);
    sl_stats_entry_encode(made, bytes);
    sl_stats_entry again;
    cr_assert(sl_stats_entry_decode(bytes, &again), "what is made is taken");
    if (p.count == 0) {
        cr_assert_eq(memcmp(bytes, zeros, sizeof bytes), 0);
        return;
    }
    uint32_t rows[4] = {p.first, p.last, p.smallest, p.largest};
    for (int i = 0; i < 4; i++)
        if (distance_of(rows[i], row_count) > UINT32_MAX) {
            cr_assert_eq(made->value_count, SL_STATS_NONE);
            return;
        }
    cr_assert_eq(made->value_count, p.count);
    cr_assert(made->nan_count == p.nan_count && made->positive_inf_count == p.positive &&
              made->negative_inf_count == p.negative);
    cr_assert_eq(sl_bits_of(made->first), bits_at(p.first));
    cr_assert_eq(sl_bits_of(made->last), bits_at(p.last));
    cr_assert_eq(sl_bits_of(made->smallest), bits_at(p.smallest));
    cr_assert_eq(sl_bits_of(made->largest), bits_at(p.largest));
    cr_assert_eq(made->first_distance, distance_of(p.first, row_count));
    cr_assert_eq(made->last_distance, distance_of(p.last, row_count));
    cr_assert_eq(made->smallest_distance, distance_of(p.smallest, row_count));
    cr_assert_eq(made->largest_distance, distance_of(p.largest, row_count));
}

/* Values of a kind: any doubles; few ones, so that many are equal; zeros of both signs; NaN; Inf. */
static double value_of(test_random *random, int kind)
{
    switch (kind) {
    case 0: return test_random_double(random);
    case 1: return (double)(int)test_random_below(random, 5) - 2;
    case 2: return test_random_below(random, 2) ? -0.0 : 0.0;
    case 3: return test_random_below(random, 9) ? NAN : 1.5;
    default: return test_random_below(random, 9) ? (test_random_below(random, 2) ? INFINITY : -INFINITY) : -3;
    }
}

/* Steps: a line; equal ones; any order; with a jump whose distance 32 bits do not hold, up or down. */
static void fill_steps(test_random *random, uint32_t row_count, int kind)
{
    int64_t base = (int64_t)test_random_u64(random) >> (kind == 4 ? 0 : 1 + test_random_below(random, 60));
    for (uint32_t i = 0; i < row_count; i++) {
        switch (kind) {
        case 0: steps[i] = base / 2 + (int64_t)i * 10; break;
        case 1: steps[i] = base; break;
        case 2: steps[i] = base / 2 + (int64_t)test_random_below(random, 2000); break;
        case 3: steps[i] = base / 2 + (i > row_count / 2 ? (INT64_C(1) << 32) - 2 + (int64_t)(i % 4) : 0); break;
        default: steps[i] = (int64_t)test_random_u64(random); break;
        }
    }
}

Test(stats_codec, statistics_are_those_that_a_plain_loop_finds)
{
    test_random random = test_random_begin("stats_codec");
    for (int round = 0; round < 6000; round++) {
        uint32_t row_count = 1 + (uint32_t)test_random_below(&random, round % 3 ? 40 : ROWS);
        int is_sparse = round % 2, kind = (int)test_random_below(&random, 5);
        uint64_t one_in = 1 + test_random_below(&random, 30);
        memset(present, 0, sizeof present);
        for (uint32_t row = 0; row < row_count; row++) {
            values[row] = value_of(&random, kind);
            if (test_random_below(&random, one_in) == 0) present[row / 64] |= UINT64_C(1) << row % 64;
        }
        fill_steps(&random, row_count, (int)test_random_below(&random, 5));
        sl_stats_entry made;
        sl_stats_make(values, is_sparse ? present : NULL, row_count, steps, least_of(steps, row_count), &made);
        expect_stats(&made, row_count, is_sparse);
    }
}

/* Only what is named has to be near: far rows that are none of first, last, smallest and largest do no harm. */
Test(stats_codec, distances_reach_up_to_32_bits)
{
    sl_stats_entry made;
    for (uint32_t i = 0; i < 5; i++) values[i] = i % 2 ? 2 : 1, steps[i] = i;
    steps[4] = UINT32_MAX;
    sl_stats_make(values, NULL, 5, steps, least_of(steps, 5), &made);
    cr_expect(made.value_count == 5 && made.last_distance == UINT32_MAX);
    steps[4]++;
    sl_stats_make(values, NULL, 5, steps, least_of(steps, 5), &made);
    cr_expect_eq(made.value_count, SL_STATS_NONE);
    steps[4] = 4, steps[2] = INT64_C(1) << 40;
    sl_stats_make(values, NULL, 5, steps, least_of(steps, 5), &made);
    cr_expect_eq(made.value_count, 5);
    steps[2] = INT64_MIN; /* but the smallest step is what distances are from */
    sl_stats_make(values, NULL, 5, steps, least_of(steps, 5), &made);
    cr_expect_eq(made.value_count, SL_STATS_NONE);
    steps[2] = INT64_MAX, steps[0] = INT64_MIN, values[2] = 3; /* farther than 63 bits */
    sl_stats_make(values, NULL, 5, steps, least_of(steps, 5), &made);
    cr_expect_eq(made.value_count, SL_STATS_NONE);
}

Test(stats_codec, without_finite_values_the_extremes_are_the_nan_of_the_format)
{
    sl_stats_entry made;
    values[0] = sl_double_of(UINT64_C(0xfff8000000000123));
    steps[0] = 7;
    sl_stats_make(values, NULL, 1, steps, steps[0], &made);
    cr_expect_eq(sl_bits_of(made.first), UINT64_C(0xfff8000000000123));
    cr_expect_eq(sl_bits_of(made.smallest), ONLY_NAN);
    cr_expect_eq(sl_bits_of(made.largest), ONLY_NAN);
    cr_expect(made.nan_count == 1 && made.smallest_distance == 0);
}

/* ---- nodes ---- */

Test(stats_codec, groups_of_one_node_have_no_entries)
{
    static const uint32_t counts[][2] = {{1, 0}, {64, 0}, {65, 2}, {128, 2}, {129, 3}, {UINT32_MAX, 1u << 26}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) cr_expect_eq(sl_node_count(counts[i][0]), counts[i][1]);
}

enum { CHUNKS = 64, CHUNK_ROWS = 8 };

/* A node of chunks whose rows are [c * CHUNK_ROWS, ...) of values, steps and present; all sparse. */
static sl_node_stats_entry node_of(const sl_chunk_entry *chunks, uint32_t count)
{
    sl_node_stats_entry node;
    sl_node_stats_begin(&node);
    for (uint32_t c = 0; c < count; c++) {
        uint64_t bits[SL_PRESENT_WORDS] = {present[c * CHUNK_ROWS / 64] >> c * CHUNK_ROWS % 64 & 0xff};
        sl_stats_entry stats;
        sl_stats_make(values + c * CHUNK_ROWS, bits, CHUNK_ROWS, steps + c * CHUNK_ROWS,
                      least_of(steps + c * CHUNK_ROWS, CHUNK_ROWS), &stats);
        sl_node_stats_add(&node, &chunks[c], &stats);
    }
    return node;
}

static void describe(sl_chunk_entry *chunks, uint32_t count)
{
    for (uint32_t c = 0; c < count; c++) {
        const int64_t *s = steps + c * CHUNK_ROWS;
        chunks[c] = (sl_chunk_entry){.row_count = CHUNK_ROWS, .flags = SL_CHUNK_STEPS_SORTED, .step_min = s[0],
                                     .step_max = s[0], .sequence_first = 1 + c * CHUNK_ROWS,
                                     .sequence_last = (c + 1) * CHUNK_ROWS};
        for (uint32_t i = 1; i < CHUNK_ROWS; i++) {
            if (s[i] < s[i - 1]) chunks[c].flags = 0;
            if (s[i] < chunks[c].step_min) chunks[c].step_min = s[i];
            if (s[i] > chunks[c].step_max) chunks[c].step_max = s[i];
        }
    }
}

Test(stats_codec, statistics_of_nodes_are_those_that_a_plain_loop_finds)
{
    test_random random = test_random_begin("stats_codec");
    sl_chunk_entry chunks[CHUNKS];
    for (int round = 0; round < 3000; round++) {
        uint32_t count = 1 + (uint32_t)test_random_below(&random, CHUNKS), rows = count * CHUNK_ROWS;
        uint64_t one_in = 1 + test_random_below(&random, round % 2 ? 3 : 60);
        int kind = (int)test_random_below(&random, 5);
        int64_t step = (int64_t)test_random_u64(&random) / 4;
        memset(present, 0, sizeof present);
        for (uint32_t row = 0; row < rows; row++) {
            values[row] = value_of(&random, kind);
            steps[row] = step += 1 + (int64_t)test_random_below(&random, 1 << 20);
            if (test_random_below(&random, one_in) == 0) present[row / 64] |= UINT64_C(1) << row % 64;
        }
        describe(chunks, count);
        sl_node_stats_entry node = node_of(chunks, count);
        plain p = plain_of(rows, 1);
        cr_assert(node.value_count == p.count && node.nan_count == p.nan_count &&
                  node.positive_inf_count == p.positive && node.negative_inf_count == p.negative);
        if (p.count == 0) continue;
        cr_assert(sl_bits_of(node.first) == bits_at(p.first) && sl_bits_of(node.last) == bits_at(p.last));
        cr_assert(sl_bits_of(node.smallest) == bits_at(p.smallest) && sl_bits_of(node.largest) == bits_at(p.largest));
        cr_assert(node.first_step == steps[p.first] && node.last_step == steps[p.last]);
        cr_assert_eq(node.smallest_step, p.smallest == ROWS ? 0 : steps[p.smallest]);
        cr_assert_eq(node.largest_step, p.largest == ROWS ? 0 : steps[p.largest]);
    }
}

Test(stats_codec, one_chunk_that_is_not_known_makes_the_node_not_known)
{
    sl_chunk_entry chunks[3];
    for (uint32_t i = 0; i < 24; i++) values[i] = i, steps[i] = i;
    for (uint32_t far = 0; far < 3; far++) {
        memset(present, 0xff, sizeof present);
        for (uint32_t i = 0; i < 24; i++) steps[i] = i + (i / 8 == far && i % 8 == 7 ? INT64_C(1) << 33 : 0);
        describe(chunks, 3);
        sl_node_stats_entry node = node_of(chunks, 3), none = sl_node_stats_none();
        uint8_t made[SL_NODE_STATS_ENTRY_BYTES], expected[SL_NODE_STATS_ENTRY_BYTES];
        sl_node_stats_entry_encode(&node, made);
        sl_node_stats_entry_encode(&none, expected);
        cr_expect_eq(memcmp(made, expected, sizeof made), 0, "chunk %u", (unsigned)far);
    }
}

Test(stats_codec, nodes_sum_up_their_chunks_and_say_whether_they_ascend)
{
    sl_chunk_entry chunks[4];
    sl_node_entry node;
    for (uint32_t i = 0; i < 32; i++) steps[i] = 100 + i / 2; /* not strictly within chunks */
    describe(chunks, 4);
    sl_node_make(chunks, 4, &node);
    cr_expect(node.flags == SL_NODE_IS_ASCENDING && node.row_count == 32 && node.sequence_first == 1 &&
              node.sequence_last == 32 && node.step_min == 100 && node.step_max == 115);
    for (uint32_t i = 16; i < 24; i++) steps[i] -= 1; /* begins with the step that the chunk before ends with */
    describe(chunks, 4);
    sl_node_make(chunks, 4, &node);
    cr_expect_eq(node.flags, 0u);
    for (uint32_t i = 16; i < 24; i++) steps[i] += 1;
    steps[17] = 114; /* in one chunk only: ascends neither within it nor to the next */
    describe(chunks, 4);
    sl_node_make(chunks, 4, &node);
    cr_expect_eq(node.flags, 0u);
    steps[17] = 108, steps[16] = 109; /* within a chunk alone */
    describe(chunks, 4);
    sl_node_make(chunks, 4, &node);
    cr_expect(node.flags == 0 && node.step_min == 100 && node.step_max == 115);
    sl_node_make(chunks, 1, &node);
    cr_expect(node.flags == SL_NODE_IS_ASCENDING && node.row_count == 8);
}
