/* The base: allocation. */
#include "base/memory.h"

#include "support/fail_memory.h"

#include <criterion/criterion.h>
#include <stdint.h>

Test(memory, products_that_do_not_fit_give_null)
{
    cr_assert_null(sl_alloc_zero(SIZE_MAX / 2, 3));
    cr_assert_null(sl_resize(NULL, SIZE_MAX, 2));
    cr_assert_null(sl_resize(NULL, SIZE_MAX / 2 + 1, 1));
}

Test(memory, nothing_can_be_asked_for)
{
    void *none = sl_alloc(0);
    cr_assert_not_null(none);
    none = sl_resize(none, 0, 8);
    cr_assert_not_null(none);
    sl_free(none);
    sl_free(NULL);
}

Test(memory, zeroed_memory_is_zero)
{
    unsigned char *bytes = sl_alloc_zero(100, 7);
    cr_assert_not_null(bytes);
    for (int i = 0; i < 700; i++) cr_assert_eq(bytes[i], 0);
    sl_free(bytes);
}

Test(memory, copies_end_in_a_zero_byte)
{
    char *copy = sl_copy_bytes("a\0b", 3);
    cr_assert_arr_eq(copy, "a\0b\0", 4);
    sl_free(copy);
    copy = sl_copy_bytes(NULL, 0);
    cr_assert_str_eq(copy, "");
    sl_free(copy);
    copy = sl_copy_text("loss");
    cr_assert_str_eq(copy, "loss");
    sl_free(copy);
    cr_assert_null(sl_copy_text(NULL));
}

typedef SL_VEC(int64_t) numbers;

Test(vec, keeps_what_was_pushed)
{
    numbers vec = {0};
    for (int64_t i = 0; i < 10000; i++) cr_assert(SL_VEC_PUSH(&vec, i * i));
    cr_assert_eq(vec.count, 10000);
    for (int64_t i = 0; i < 10000; i++) cr_assert_eq(vec.items[i], i * i);
    SL_VEC_FREE(&vec);
    cr_assert_null(vec.items);
    cr_assert_eq(vec.capacity, 0);
}

Test(vec, is_unchanged_when_memory_ends)
{
    numbers vec = {0};
    for (int64_t i = 0; i < 8; i++) cr_assert(SL_VEC_PUSH(&vec, i));
    while (vec.count < vec.capacity) cr_assert(SL_VEC_PUSH(&vec, 7));
    size_t count = vec.count;
    test_memory_fail(1, 1);
    cr_assert_not(SL_VEC_PUSH(&vec, 99));
    cr_assert_eq(test_memory_count(), 1);
    test_memory_restore();
    cr_assert_eq(vec.count, count);
    cr_assert_eq(vec.items[7], 7);
    cr_assert(SL_VEC_PUSH(&vec, 99));
    cr_assert_eq(vec.items[count], 99);
    SL_VEC_FREE(&vec);
}

Test(vec, refuses_a_size_beyond_the_address_space)
{
    numbers vec = {0};
    cr_assert_not(SL_VEC_RESERVE(&vec, SIZE_MAX / 4));
    cr_assert_eq(vec.capacity, 0);
    SL_VEC_FREE(&vec);
}
