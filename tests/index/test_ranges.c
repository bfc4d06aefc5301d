/* Tests of ranges.c against a map of bits. */
#include "index/ranges.h"

#include "support/random.h"

#include <criterion/criterion.h>
#include <string.h>

#define SIZE 200u

static void check_shape(const sl_ranges *set)
{
    for (size_t i = 0; i < set->count; i++) {
        cr_assert_lt(set->items[i].begin, set->items[i].end);
        if (i) cr_assert_lt(set->items[i - 1].end, set->items[i].begin, "ranges touch");
    }
}

static void check(const sl_ranges *set, const uint8_t *bits, test_random *random)
{
    uint64_t count = 0;
    check_shape(set);
    for (uint64_t i = 0; i < SIZE; i++) {
        count += bits[i];
        cr_assert_eq(sl_ranges_has(set, i), bits[i]);
        uint64_t missing = i;
        while (missing < SIZE && bits[missing]) missing++;
        cr_assert_eq(sl_ranges_first_missing(set, i), missing);
        uint64_t present = i;
        while (present < SIZE && !bits[present]) present++;
        cr_assert_eq(sl_ranges_first_since(set, i), present < SIZE ? present : UINT64_MAX);
    }
    cr_assert_eq(sl_ranges_count(set), count);
    for (int i = 0; i < 30; i++) {
        uint64_t begin = test_random_below(random, SIZE), end = test_random_below(random, SIZE);
        int all = 1, any = 0;
        for (uint64_t j = begin; j < end; j++) {
            all &= bits[j];
            any |= bits[j];
        }
        cr_assert_eq(sl_ranges_has_all(set, begin, end), all);
        cr_assert_eq(sl_ranges_has_any(set, begin, end), any);
    }
}

static void random_set(test_random *random, sl_ranges *set, uint8_t *bits, uint64_t length_max)
{
    uint64_t adds = test_random_below(random, 12);
    memset(bits, 0, SIZE + 1);
    set->count = 0;
    for (uint64_t i = 0; i < adds; i++) {
        uint64_t begin = test_random_below(random, SIZE), end = begin + test_random_below(random, length_max);
        if (end > SIZE) end = SIZE;
        cr_assert(sl_ranges_add(set, begin, end));
        memset(bits + begin, 1, end - begin);
        check(set, bits, random);
    }
}

Test(ranges, are_the_sets_that_a_map_of_bits_says)
{
    test_random random = test_random_begin("ranges");
    sl_ranges a = {0}, b = {0}, c = {0};
    uint8_t in_a[SIZE + 1], in_b[SIZE + 1], in_c[SIZE + 1];
    for (int round = 0; round < 1000; round++) {
        uint64_t length_max = 2 + test_random_below(&random, 60);
        random_set(&random, &a, in_a, length_max);
        random_set(&random, &b, in_b, length_max);
        cr_assert(sl_ranges_copy(&c, &a));
        check(&c, in_a, &random);
        cr_assert(sl_ranges_subtract(&c, &b));
        for (size_t i = 0; i < SIZE; i++) in_c[i] = in_a[i] && !in_b[i];
        check(&c, in_c, &random);
        cr_assert(sl_ranges_add_all(&c, &b));
        for (size_t i = 0; i < SIZE; i++) in_c[i] = in_a[i] || in_b[i];
        check(&c, in_c, &random);
    }
    SL_VEC_FREE(&a);
    SL_VEC_FREE(&b);
    SL_VEC_FREE(&c);
}

Test(ranges, that_come_in_any_order_make_the_same_set)
{
    test_random random = test_random_begin("ranges");
    for (int round = 0; round < 300; round++) {
        sl_range_pile pile = {0};
        uint8_t bits[SIZE + 1] = {0};
        uint64_t adds = test_random_below(&random, 400), length_max = 2 + test_random_below(&random, 20);
        for (uint64_t i = 0; i < adds; i++) {
            uint64_t begin = test_random_below(&random, SIZE), end = begin + test_random_below(&random, length_max);
            if (end > SIZE) end = SIZE;
            cr_assert(sl_range_pile_add(&pile, begin, end));
            if (end > begin) memset(bits + begin, 1, end - begin);
            cr_assert_leq(pile.set.count, SIZE + 64);
            if (test_random_below(&random, 50) == 0) sl_range_pile_settle(&pile);
        }
        sl_range_pile_settle(&pile);
        check(&pile.set, bits, &random);
        sl_range_pile_free(&pile);
    }
}

/* A million of each, which one by one would move 16 TB. */
Test(ranges, of_two_large_sets_are_gone_through_once)
{
    enum { COUNT = 1 << 20 };
    sl_ranges odd = {0}, even = {0}, all = {0};
    sl_range_pile pile = {0};
    for (uint64_t i = 0; i < COUNT; i++) {
        cr_assert(sl_ranges_add(&odd, 4 * i + 3, 4 * i + 4));
        cr_assert(sl_ranges_add(&even, 4 * i + 1, 4 * i + 2));
        cr_assert(sl_range_pile_add(&pile, 4 * (COUNT - i) - 2, 4 * (COUNT - i) - 1));
    }
    cr_assert(sl_ranges_copy(&all, &odd));
    cr_assert(sl_ranges_add_all(&all, &even));
    cr_expect_eq(all.count, 2u * COUNT);
    sl_range_pile_settle(&pile);
    cr_expect_eq(pile.set.count, COUNT);
    cr_assert(sl_ranges_add_all(&all, &pile.set));
    cr_expect_eq(all.count, COUNT, "each three are one now");
    cr_assert(sl_ranges_subtract(&all, &odd) && sl_ranges_subtract(&all, &pile.set));
    cr_expect_eq(all.count, COUNT);
    cr_expect_eq(memcmp(all.items, even.items, COUNT * sizeof *all.items), 0);
    /* Few against many look at few: a linear look at each would be 10^11 steps. */
    for (uint64_t i = 0; i < 100000; i++) {
        sl_range wanted = {4 * (i * 7919 % COUNT) + 1, 4 * (i * 7919 % COUNT) + 3};
        sl_ranges few = {&wanted, 1, 1}, left = {0};
        cr_assert(sl_ranges_copy(&left, &few) && sl_ranges_subtract(&left, &even));
        cr_assert(left.count == 1 && left.items[0].begin == wanted.begin + 1 && left.items[0].end == wanted.end);
        SL_VEC_FREE(&left);
    }
    SL_VEC_FREE(&odd);
    SL_VEC_FREE(&even);
    SL_VEC_FREE(&all);
    sl_range_pile_free(&pile);
}

Test(ranges, hold_the_extreme_numbers)
{
    sl_ranges set = {0};
    cr_expect(sl_ranges_add(&set, 5, 5) && set.count == 0);
    cr_expect(sl_ranges_add(&set, 7, 5) && set.count == 0);
    cr_expect(sl_ranges_add(&set, 0, 1));
    cr_expect(sl_ranges_add(&set, UINT64_MAX - 1, UINT64_MAX));
    cr_expect(sl_ranges_has(&set, 0) && sl_ranges_has(&set, UINT64_MAX - 1) && !sl_ranges_has(&set, UINT64_MAX));
    cr_expect_eq(sl_ranges_first_missing(&set, UINT64_MAX - 1), UINT64_MAX);
    cr_expect(sl_ranges_add(&set, 1, UINT64_MAX - 1));
    cr_expect_eq(set.count, 1u);
    cr_expect_eq(sl_ranges_count(&set), UINT64_MAX);
    cr_expect(sl_ranges_has_all(&set, 0, UINT64_MAX));
    SL_VEC_FREE(&set);
}
