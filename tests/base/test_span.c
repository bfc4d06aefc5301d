/* Tests of span.h: fields out of bytes that may lie, and bytes built up. */
#include "base/span.h"

#include "support/fail_memory.h"
#include "support/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(span, returns_what_a_buffer_was_given)
{
    test_random random = test_random_begin("span");
    for (int round = 0; round < 500; round++) {
        sl_buffer out = {0};
        test_random again = random;
        int count = (int)test_random_below(&again, 50);
        for (int i = 0; i < count; i++) {
            uint64_t x = test_random_u64(&again) >> test_random_below(&again, 64);
            sl_buffer_u8(&out, (uint8_t)x);
            sl_buffer_u16(&out, (uint16_t)x);
            sl_buffer_u32(&out, (uint32_t)x);
            sl_buffer_i64(&out, (int64_t)x);
            sl_buffer_varint(&out, x);
            sl_buffer_zeros(&out, x % 5);
        }
        sl_span span = sl_span_of(out.data, out.bytes);
        test_random_below(&random, 50);
        for (int i = 0; i < count; i++) {
            uint64_t x = test_random_u64(&random) >> test_random_below(&random, 64);
            cr_assert_eq(sl_span_u8(&span), (uint8_t)x);
            cr_assert_eq(sl_span_u16(&span), (uint16_t)x);
            cr_assert_eq(sl_span_u32(&span), (uint32_t)x);
            cr_assert_eq(sl_span_i64(&span), (int64_t)x);
            cr_assert_eq(sl_span_varint(&span), x);
            for (uint64_t j = 0; j < x % 5; j++) cr_assert_eq(sl_span_u8(&span), 0);
        }
        cr_assert(span.left == 0 && !span.is_bad);
        sl_buffer_free(&out);
    }
}

Test(span, reads_zero_from_the_first_field_that_does_not_fit_on)
{
    uint8_t *bytes = malloc(7);
    memset(bytes, 0xff, 7);
    sl_span span = sl_span_of(bytes, 7);
    cr_expect_eq(sl_span_u32(&span), UINT32_MAX);
    cr_expect_eq(sl_span_u32(&span), 0u);
    cr_expect(span.is_bad);
    cr_expect_eq(sl_span_u8(&span), 0, "though three bytes are left");
    cr_expect_null(sl_span_take(&span, 0));
    span = sl_span_of(bytes, 7);
    cr_expect_null(sl_span_take(&span, SIZE_MAX));
    cr_expect(span.is_bad);
    free(bytes);
}

static int is_varint(const char *bytes, size_t count, uint64_t *value)
{
    uint8_t *copy = malloc(count ? count : 1);
    memcpy(copy, bytes, count);
    sl_span span = sl_span_of(copy, count);
    *value = sl_span_varint(&span);
    free(copy);
    return !span.is_bad && span.left == 0;
}

Test(span, varints_have_one_form_only)
{
    uint64_t value;
    cr_expect(is_varint("\0", 1, &value) && value == 0);
    cr_expect(is_varint("\x7f", 1, &value) && value == 127);
    cr_expect(is_varint("\x80\1", 2, &value) && value == 128);
    cr_expect(is_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 10, &value) && value == UINT64_MAX);
    cr_expect_not(is_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\2", 10, &value), "65 bits");
    cr_expect_not(is_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\0", 11, &value), "11 bytes");
    cr_expect_not(is_varint("\x80\0", 2, &value), "longer than needed");
    cr_expect_not(is_varint("\xff\x80\0", 3, &value), "longer than needed");
    cr_expect_not(is_varint("\x80", 1, &value), "cut");
    cr_expect_not(is_varint("", 0, &value), "nothing");
}

Test(span, a_buffer_remembers_that_memory_ran_out)
{
    sl_buffer out = {0};
    sl_buffer_u32(&out, 1);
    test_memory_fail(1, 0);
    sl_buffer_zeros(&out, 1000);
    test_memory_restore();
    cr_expect(out.is_out_of_memory && out.bytes == 4);
    sl_buffer_u8(&out, 1);
    cr_expect_eq(out.bytes, 4u);
    sl_buffer_clear(&out);
    sl_buffer_u8(&out, 1);
    cr_expect(!out.is_out_of_memory && out.bytes == 1);
    sl_buffer_free(&out);
}
