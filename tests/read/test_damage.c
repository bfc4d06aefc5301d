/* The list of findings: each once, and no more of it than there is room for. */
#include "read/damage.h"

#include "base/utf8.h"
#include "support/costs.h"

#include <criterion/criterion.h>
#include <string.h>

static steplog_damage finding(int64_t offset, const char *series)
{
    return (steplog_damage){.size_bytes = sizeof(steplog_damage), .file = "seg/0/f.seg", .offset = offset, .what = "what",
                            .series = series};
}

Test(damage, is_kept_once)
{
    sl_damage_list list = {0};
    for (int round = 0; round < 2; round++)
        for (int64_t i = 0; i < 100; i++) {
            steplog_damage with = finding(i, "series"), without = finding(i, NULL), other = finding(i, "other");
            sl_damage_add(&list, &with);
            sl_damage_add(&list, &without);
            sl_damage_add(&list, &other);
        }
    cr_assert_eq(list.count, 300);
    cr_assert_eq(list.items[299].offset, 99);
    cr_assert_str_eq(list.items[299].series, "other");
    cr_assert_null(list.items[298].series);
    sl_damage_clear(&list);
}

/* Names of characters of 3 bytes, so that a cut at any byte but one in three would be within one. */
Test(damage, long_names_are_cut_between_characters)
{
    static char name[3000 + 1], other[sizeof name];
    sl_damage_list list = {0};
    for (size_t shift = 0; shift < 3; shift++) {
        memset(name, 0, sizeof name);
        memset(name, 'a', shift);
        for (size_t i = shift; i + 3 <= 3000; i += 3) memcpy(name + i, "\xe2\x82\xac", 3);
        memcpy(other, name, sizeof name);
        other[2000] = 'b';
        steplog_damage first = finding((int64_t)shift, name), second = finding((int64_t)shift, other);
        for (int i = 0; i < 2; i++) sl_damage_add(&list, &first);
        sl_damage_add(&list, &second);
        const char *kept = list.items[list.count - 1].series;
        cr_assert_eq(list.count, 2 * shift + 2);
        cr_assert_leq(strlen(kept), SL_DAMAGE_NAME_BYTES_MAX);
        cr_assert_geq(strlen(kept), SL_DAMAGE_NAME_BYTES_MAX - 3);
        cr_assert(sl_utf8_check(kept, strlen(kept), NULL));
        cr_assert_eq(strncmp(kept, name, strlen(kept) - 3), 0);
        cr_assert_str_eq(kept + strlen(kept) - 3, "...");
    }
    sl_damage_clear(&list);
}

Test(damage, takes_little_memory_and_time_however_much_there_is)
{
    static char name[65536 + 1];
    sl_damage_list list = {0};
    memset(name, 'n', 65536);
    test_costs_begin();
    for (int64_t i = 0; i < 20000; i++) {
        steplog_damage with = finding(i, name);
        sl_damage_add(&list, &with);
    }
    cr_expect_leq(test_costs_peak(), 8 << 20);
    cr_expect_geq(list.count, 5000);
    sl_damage_clear(&list);
    for (int64_t i = 0; i < 4000000; i++) {
        steplog_damage without = finding(i % SL_DAMAGE_COUNT_MAX, NULL);
        sl_damage_add(&list, &without);
    }
    cr_expect_eq(list.count, SL_DAMAGE_COUNT_MAX);
    sl_damage_clear(&list);
    cr_expect_eq(test_costs_held(), 0);
    test_costs_end();
}
