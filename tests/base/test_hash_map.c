/* Tests of hash_map.c. */
#include "base/hash_map.h"

#include "support/fail_memory.h"
#include "support/random.h"

#include <criterion/criterion.h>

Test(hash_map, finds_each_index_once_among_those_of_its_hash)
{
    static uint64_t hashes[5000];
    test_random random = test_random_begin("hash_map");
    sl_hash_map map = {0};
    for (int round = 0; round < 10; round++) {
        size_t count = 1 + test_random_below(&random, 5000);
        for (uint32_t i = 0; i < count; i++) {
            hashes[i] = round % 2 ? test_random_u64(&random) << 40 : test_random_below(&random, 1 + count / 2);
            cr_assert(sl_hash_map_add(&map, hashes[i], i));
        }
        cr_assert_eq(map.count, count);
        cr_assert_leq(map.count * 4, map.capacity * 3);
        for (uint32_t i = 0; i < count; i++) {
            size_t probe = 0, found = 0;
            uint32_t index;
            while (sl_hash_map_find(&map, hashes[i], &probe, &index)) {
                cr_assert_eq(hashes[index], hashes[i]);
                found += index == i;
            }
            cr_assert_eq(found, 1u);
        }
        sl_hash_map_clear(&map);
    }
    sl_hash_map_free(&map);
}

Test(hash_map, an_empty_one_finds_nothing)
{
    sl_hash_map map = {0};
    size_t probe = 0;
    uint32_t index;
    cr_expect_not(sl_hash_map_find(&map, 0, &probe, &index));
    cr_assert(sl_hash_map_add(&map, 0, 7));
    cr_expect(sl_hash_map_find(&map, 0, &probe, &index) && index == 7);
    cr_expect_not(sl_hash_map_find(&map, 0, &probe, &index));
    probe = 0;
    cr_expect_not(sl_hash_map_find(&map, 16, &probe, &index), "the same place, another hash");
    sl_hash_map_clear(&map);
    probe = 0;
    cr_expect_not(sl_hash_map_find(&map, 0, &probe, &index));
    sl_hash_map_free(&map);
}

Test(hash_map, keeps_what_it_has_when_memory_runs_out)
{
    sl_hash_map map = {0};
    for (uint32_t i = 0; i < 12; i++) cr_assert(sl_hash_map_add(&map, i, i));
    test_memory_fail(1, 1);
    int is_added = sl_hash_map_add(&map, 12, 12);
    test_memory_restore();
    cr_expect_not(is_added);
    for (uint32_t i = 0; i < 12; i++) {
        size_t probe = 0;
        uint32_t index;
        cr_expect(sl_hash_map_find(&map, i, &probe, &index) && index == i);
    }
    cr_expect(sl_hash_map_add(&map, 12, 12));
    sl_hash_map_free(&map);
}
