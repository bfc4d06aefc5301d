/* Tests of coverage.c: which file each record is read from, against a map of numbers; and many files at once. */
#include "read/reader.h"

#include "support/random.h"
#include "support/store_kit.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 60, SOURCES_MAX = 7, MANY = 1 << 20 };

/* What a source says of each number, and what is expected. */
typedef struct told {
    int is_log;
    uint8_t held[SIZE + 1], dropped[SIZE + 1], broken[SIZE + 1], given[SIZE + 1];
} told;

static void random_bits(test_random *random, uint8_t *bits)
{
    memset(bits, 0, SIZE + 1);
    for (uint64_t n = test_random_below(random, 5); n > 0; n--) {
        uint64_t begin = 1 + test_random_below(random, SIZE), end = begin + test_random_below(random, SIZE / 2);
        for (uint64_t x = begin; x < end && x <= SIZE; x++) bits[x] = 1;
    }
}

static void put_ranges(sl_segment *segment, uint32_t writer, uint32_t kind, const uint8_t *bits)
{
    for (uint64_t x = 1, end; x <= SIZE; x = end) {
        for (end = x; end <= SIZE && bits[end]; end++) continue;
        if (end > x) cr_assert(SL_VEC_PUSH(&segment->ranges, (sl_range_entry){writer, kind, x, end}));
        if (end > x) segment->writers.items[writer].range_count++;
        else end++;
    }
}

static void set_of(const uint8_t *bits, sl_ranges *out)
{
    for (uint64_t x = 1; x <= SIZE; x++)
        if (bits[x]) cr_assert(sl_ranges_add(out, x, x + 1));
}

static void check_set(const sl_ranges *set, const uint8_t *bits, const char *what, size_t source)
{
    for (uint64_t x = 1; x <= SIZE; x++)
        cr_assert_eq(sl_ranges_has(set, x), bits[x], "%s of source %d: number %d", what, (int)source, (int)x);
    for (size_t i = 1; i < set->count; i++) cr_assert_lt(set->items[i - 1].end, set->items[i].begin, "%s touch", what);
}

/* What the rules say, number by number: the first source that can read it, of what several hold; else the first that
 * holds it. Only what none holds is dropped. */
static void expect(told *sources, size_t count, uint8_t *covered, uint8_t *dropped)
{
    for (uint64_t x = 1; x <= SIZE; x++) {
        size_t holders = 0, s;
        for (s = 0; s < count; s++) holders += sources[s].held[x];
        for (s = 0; s < count; s++) {
            dropped[x] |= sources[s].dropped[x];
            if (covered[x]) continue;
            int is_left = holders > 1 && !sources[s].is_log && sources[s].broken[x];
            sources[s].given[x] = sources[s].held[x] && !is_left;
            covered[x] = sources[s].given[x];
        }
        for (s = 0; s < count && !covered[x]; s++) covered[x] = sources[s].given[x] = sources[s].held[x];
        covered[x] |= dropped[x];
    }
}

/* Each source is a writer of one segment in memory, whose blocks were checked already, or a log. */
Test(coverage, each_number_is_read_from_the_first_source_that_can_give_it)
{
    test_random random = test_random_begin("coverage");
    for (int round = 0; round < 20000; round++) {
        told sources[SOURCES_MAX] = {{0}};
        uint8_t covered[SIZE + 1] = {0}, dropped[SIZE + 1] = {0};
        sl_writer_check checks[SOURCES_MAX] = {{0}};
        static sl_log logs[SOURCES_MAX];
        sl_segment segment = {.checks = checks};
        sl_incarnation i = {.attempt = 1};
        size_t count = test_random_below(&random, SOURCES_MAX + 1);
        for (uint32_t s = 0; s < count; s++) {
            told *t = &sources[s];
            t->is_log = test_random_below(&random, 4) == 0;
            random_bits(&random, t->held);
            if (test_random_below(&random, 2) && !t->is_log) random_bits(&random, t->dropped);
            if (test_random_below(&random, 2)) random_bits(&random, t->broken);
            for (int x = 0; x <= SIZE; x++) {
                t->dropped[x] &= !t->held[x];
                t->broken[x] &= t->held[x];
            }
            cr_assert(SL_VEC_PUSH(&segment.writers, (sl_writer_entry){.range_first = (uint32_t)segment.ranges.count}));
            checks[s].is_done = 1;
            logs[s].held = (sl_ranges){0};
            if (t->is_log) {
                set_of(t->held, &logs[s].held);
            } else {
                put_ranges(&segment, s, SL_RANGE_HELD, t->held);
                put_ranges(&segment, s, SL_RANGE_DROPPED, t->dropped);
                set_of(t->broken, &checks[s].broken);
            }
            cr_assert(SL_VEC_PUSH(&i.sources, (sl_source){.segment = t->is_log ? NULL : &segment, .writer = s,
                                                          .log = t->is_log ? &logs[s] : NULL}));
        }
        expect(sources, count, covered, dropped);
        OK(sl_incarnation_assign(&i, &kit_error));
        for (size_t s = 0; s < count; s++)
            check_set(&i.sources.items[s].assigned, sources[s].given, "what is given", s);
        check_set(&i.covered, covered, "what is covered", count);
        check_set(&i.dropped, dropped, "what was dropped", count);
        for (size_t s = 0; s < count; s++) {
            SL_VEC_FREE(&i.sources.items[s].assigned);
            SL_VEC_FREE(&checks[s].broken);
            SL_VEC_FREE(&logs[s].held);
        }
        SL_VEC_FREE(&i.sources);
        SL_VEC_FREE(&i.covered);
        SL_VEC_FREE(&i.dropped);
        SL_VEC_FREE(&segment.writers);
        SL_VEC_FREE(&segment.ranges);
    }
}

/* A million sources, the first of which hold the last numbers: one by one they would move 8 TB. Each number is held
 * twice, each other one is broken where it is read first. */
Test(coverage, of_a_million_sources_is_found_in_one_pass)
{
    sl_segment segment = {.checks = calloc(MANY, sizeof *segment.checks)};
    sl_incarnation i = {.attempt = 1};
    cr_assert(segment.checks);
    for (uint32_t s = 0; s < MANY; s++) {
        uint64_t at = 4 * (uint64_t)(MANY - s / 2);
        cr_assert(SL_VEC_PUSH(&segment.writers, (sl_writer_entry){.range_first = s, .range_count = 1}) &&
                  SL_VEC_PUSH(&segment.ranges, (sl_range_entry){s, SL_RANGE_HELD, at, at + 1}) &&
                  SL_VEC_PUSH(&i.sources, (sl_source){.segment = &segment, .writer = s}));
        segment.checks[s].is_done = 1;
        if (s % 4 == 0) cr_assert(sl_ranges_add(&segment.checks[s].broken, at, at + 1));
    }
    OK(sl_incarnation_assign(&i, &kit_error));
    cr_expect_eq(i.covered.count, (size_t)MANY / 2);
    for (uint32_t s = 0; s < MANY; s++) {
        cr_assert_eq(i.sources.items[s].assigned.count, s % 4 == 1 || s % 4 == 2 ? 1u : 0u);
        SL_VEC_FREE(&i.sources.items[s].assigned);
        SL_VEC_FREE(&segment.checks[s].broken);
    }
    free(segment.checks);
    SL_VEC_FREE(&segment.writers);
    SL_VEC_FREE(&segment.ranges);
    SL_VEC_FREE(&i.sources);
    SL_VEC_FREE(&i.covered);
    SL_VEC_FREE(&i.dropped);
}
