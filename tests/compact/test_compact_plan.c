/* Tests of compact_plan.c: which segments are picked. */
#include "compact/compact_plan.h"

#include "support/random.h"

#include <criterion/criterion.h>

static size_t picked(const sl_compact_file *files, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) total += files[i].is_picked != 0;
    return total;
}

Test(compact_plan, light_waits_for_eight_small_files_of_a_level)
{
    sl_compact_file files[20] = {0};
    for (size_t i = 0; i < 20; i++)
        files[i] = (sl_compact_file){.level = (uint32_t)(i % 2), .bytes = 1000, .is_picked = 1};
    cr_expect_eq(sl_compact_pick(files, 14, 1), 0u);
    cr_expect_eq(picked(files, 14), 0u);
    cr_expect_eq(sl_compact_pick(files, 15, 1), 8u);
    for (size_t i = 0; i < 15; i++) cr_expect_eq(files[i].is_picked != 0, i % 2 == 0);
    files[0].bytes = SL_COMPACT_LARGE_BYTES; /* large ones neither count nor go along */
    cr_expect_eq(sl_compact_pick(files, 15, 1), 0u);
    cr_expect_eq(sl_compact_pick(files, 17, 1), 8u);
    cr_expect_eq(files[0].is_picked, 0);
}

Test(compact_plan, full_takes_all_that_is_small_and_what_holds_removed_records)
{
    sl_compact_file files[4] = {{.level = 9, .bytes = 1},
                                {.level = 0, .bytes = SL_COMPACT_LARGE_BYTES - 1},
                                {.level = 1, .bytes = SL_COMPACT_LARGE_BYTES},
                                {.bytes = SL_COMPACT_LARGE_BYTES, .has_removed = 1}};
    cr_expect_eq(sl_compact_pick(files, 4, 0), 3u);
    cr_expect(files[0].is_picked && files[1].is_picked && !files[2].is_picked && files[3].is_picked);
    cr_expect_eq(sl_compact_pick(files, 3, 0), 2u);
}

Test(compact_plan, one_file_alone_is_rewritten_only_to_free_what_was_removed)
{
    sl_compact_file file = {.bytes = 1};
    cr_expect_eq(sl_compact_pick(&file, 1, 0), 0u);
    cr_expect_eq(file.is_picked, 0);
    file.has_removed = 1;
    cr_expect_eq(sl_compact_pick(&file, 1, 0), 1u);
    cr_expect(file.is_picked);
    cr_expect_eq(sl_compact_pick(&file, 0, 0), 0u);
    cr_expect_eq(sl_compact_pick(NULL, 0, 1), 0u);
}

Test(compact_plan, marks_as_many_as_it_says_and_never_too_many)
{
    static sl_compact_file files[3000];
    test_random random = test_random_begin("compact_plan");
    for (int round = 0; round < 200; round++) {
        size_t count = round % 20 ? test_random_below(&random, 60) : test_random_below(&random, 3000);
        for (size_t i = 0; i < count; i++)
            files[i] = (sl_compact_file){.level = (uint32_t)test_random_below(&random, 4),
                                         .bytes = test_random_below(&random, 2 * SL_COMPACT_LARGE_BYTES),
                                         .has_removed = test_random_below(&random, 10) == 0,
                                         .is_picked = 1};
        for (int is_light = 0; is_light < 2; is_light++) {
            size_t told = sl_compact_pick(files, count, is_light);
            cr_assert_eq(told, picked(files, count));
            cr_assert_leq(told, SL_COMPACT_INPUTS_MAX);
            for (size_t i = 0; i < count; i++)
                if (files[i].is_picked)
                    cr_assert(files[i].bytes < SL_COMPACT_LARGE_BYTES || (!is_light && files[i].has_removed));
            if (is_light) cr_assert(told == 0 || told >= SL_COMPACT_FAN_OUT);
        }
    }
}
