/* What tombstones remove together is what each of them removes, however many there are. */
#include "read/removal.h"

#include "support/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static int is_removed(const sl_removals *removals, uint32_t output, int64_t step, uint64_t sequence)
{
    const sl_removal *removal = sl_removals_of(removals, output);
    return removal && sl_removal_covers(removal, step, sequence);
}

Test(removal, nothing_removes_nothing)
{
    sl_removals none = {0};
    cr_assert(sl_removals_make(NULL, 0, &none));
    cr_assert_not(is_removed(&none, 0, 0, 1));
    cr_assert_not(is_removed(&none, SL_ALL_OUTPUTS, 0, 1));
    sl_removals_clear(&none);
}

/* FORMAT.md 12.2: an end of INT64_MAX is none. */
Test(removal, the_ends_of_the_range_of_steps_are_steps)
{
    sl_removed items[] = {{0, 1, INT64_MIN, -5, 10}, {0, 1, 5, INT64_MAX, 20}, {0, 1, 7, 7, 99},
                          {0, 1, 9, 8, 99},          {0, 1, INT64_MAX, INT64_MAX, 30}, {3, 1, 0, INT64_MAX - 1, 30}};
    sl_removals removals = {0};
    cr_assert(sl_removals_make(items, 6, &removals));
    cr_assert(is_removed(&removals, 0, INT64_MIN, 10));
    cr_assert(is_removed(&removals, 0, -6, 10));
    cr_assert_not(is_removed(&removals, 0, -6, 11));
    cr_assert_not(is_removed(&removals, 0, -5, 1));
    cr_assert_not(is_removed(&removals, 0, 4, 1));
    cr_assert(is_removed(&removals, 0, 5, 20));
    cr_assert(is_removed(&removals, 0, INT64_MAX - 1, 20));
    cr_assert_not(is_removed(&removals, 0, INT64_MAX - 1, 21));
    cr_assert(is_removed(&removals, 0, INT64_MAX, 30));
    cr_assert_not(is_removed(&removals, 0, INT64_MAX, 31));
    cr_assert(is_removed(&removals, 3, INT64_MAX - 2, 30));
    cr_assert_not(is_removed(&removals, 3, INT64_MAX - 1, 30));
    cr_assert_not(is_removed(&removals, 0, 7, 21));
    cr_assert_not(is_removed(&removals, 1, 7, 1));
    sl_removals_clear(&removals);
}

Test(removal, any_set_removes_what_one_of_it_removes)
{
    test_random random = test_random_begin("removal");
    for (int round = 0; round < 400; round++) {
        enum { STEPS = 40, SEQUENCES = 12, OUTPUTS = 4 };
        static const uint32_t outputs[OUTPUTS] = {0, 3, 7, SL_ALL_OUTPUTS};
        sl_removed items[30], copies[30];
        size_t count = test_random_below(&random, 31);
        for (size_t i = 0; i < count; i++) {
            items[i] = (sl_removed){.output = outputs[test_random_below(&random, OUTPUTS)],
                                    .has_steps = test_random_below(&random, 12) != 0,
                                    .step_begin = (int64_t)test_random_below(&random, STEPS) - STEPS / 2,
                                    .step_end = test_random_below(&random, 9)
                                                    ? (int64_t)test_random_below(&random, STEPS) - STEPS / 2
                                                    : INT64_MAX,
                                    .sequence_last = test_random_below(&random, SEQUENCES)};
            copies[i] = items[i];
        }
        sl_removals removals = {0};
        cr_assert(sl_removals_make(copies, count, &removals));
        for (int o = 0; o < OUTPUTS; o++)
            for (int64_t step = -STEPS / 2 - 1; step <= STEPS / 2; step++)
                for (uint64_t sequence = 1; sequence <= SEQUENCES; sequence++) {
                    int expected = 0;
                    for (size_t i = 0; i < count && !expected; i++)
                        expected = items[i].output == outputs[o] && sequence <= items[i].sequence_last &&
                                   (!items[i].has_steps ||
                                    (step >= items[i].step_begin &&
                                     (step < items[i].step_end || items[i].step_end == INT64_MAX)));
                    cr_assert_eq(is_removed(&removals, outputs[o], step, sequence), expected);
                }
        sl_removals_clear(&removals);
    }
}

/* Looking at all of them for each row would take minutes. */
Test(removal, a_row_does_not_cost_a_look_at_each_tombstone)
{
    enum { COUNT = 200000, ROWS = 1000000 };
    test_random random = test_random_begin("removal");
    sl_removed *items = calloc(COUNT, sizeof *items);
    sl_removals removals = {0};
    for (int i = 0; i < COUNT; i++) {
        int64_t begin = (int64_t)test_random_below(&random, 1000000);
        int64_t end = begin + 1 + (int64_t)test_random_below(&random, i % 100 ? 10 : 1000000);
        items[i] = (sl_removed){0, i != 777, begin, end, 1 + test_random_below(&random, i == 777 ? 1000 : 1000000)};
    }
    cr_assert(sl_removals_make(items, COUNT, &removals));
    size_t removed = 0;
    for (uint64_t row = 0; row < ROWS; row++) removed += (size_t)is_removed(&removals, 0, (int64_t)row, row % 1000 + 1);
    cr_assert(removed > 0);
    sl_removals_clear(&removals);
    free(items);
}
