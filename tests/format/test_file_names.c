/* Tests of file_names.c: only the exact spelling counts. */
#include "format/file_names.h"

#include "support/random.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define HEX "000102030405060708090a0b0c0d0e0f"
static const steplog_id id = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

Test(file_names, are_spelled_as_the_format_says)
{
    char name[SL_FILE_NAME_BYTES];
    sl_log_name(&id, 1, name);
    cr_expect_str_eq(name, HEX "-1.log");
    sl_log_name(&id, UINT32_MAX, name);
    cr_expect_str_eq(name, HEX "-4294967295.log");
    sl_segment_name(&id, name);
    cr_expect_str_eq(name, HEX ".seg");
    sl_temporary_name(&id, name);
    cr_expect_str_eq(name, HEX ".tmp");
    cr_expect_str_eq(SL_LOG_DIR, "log");
    cr_expect_str_eq(SL_SEGMENT_DIR, "seg");
}

Test(file_names, return_what_they_were_made_of)
{
    test_random random = test_random_begin("file_names");
    for (int round = 0; round < 5000; round++) {
        char name[SL_FILE_NAME_BYTES];
        steplog_id made, parsed;
        uint32_t ordinal = 1 + (uint32_t)(test_random_below(&random, UINT32_MAX) >> test_random_below(&random, 32)),
                 found = 0;
        test_random_fill(&random, made.bytes, 16);
        sl_log_name(&made, ordinal, name);
        cr_assert(sl_log_name_parse(name, &parsed, &found), "%s", name);
        cr_assert(memcmp(&made, &parsed, 16) == 0 && found == ordinal);
        cr_assert_not(sl_segment_name_parse(name, &parsed));
        sl_segment_name(&made, name);
        cr_assert(sl_segment_name_parse(name, &parsed) && memcmp(&made, &parsed, 16) == 0);
        cr_assert_not(sl_temporary_name_parse(name, &parsed));
        cr_assert_not(sl_log_name_parse(name, &parsed, &found));
        sl_temporary_name(&made, name);
        cr_assert(sl_temporary_name_parse(name, &parsed) && memcmp(&made, &parsed, 16) == 0);
        cr_assert_not(sl_segment_name_parse(name, &parsed));
    }
}

Test(file_names, of_logs_have_no_second_spelling)
{
    static const char *const bad[] = {
        "",
        "-",
        ".log",
        "-1.log",
        HEX,
        HEX "-",
        HEX "-.log",
        HEX "-0.log",
        HEX "-01.log",
        HEX "-+1.log",
        HEX "- 1.log",
        HEX "--1.log",
        HEX "-1 .log",
        HEX "-0x1.log",
        HEX "-4294967296.log",
        HEX "-99999999999.log",
        HEX "-18446744073709551617.log",
        HEX "-1.LOG",
        HEX "-1.log2",
        HEX "-1.log ",
        HEX "-1.lo",
        HEX "-1log",
        HEX "_1.log",
        " " HEX "-1.log",
        "0" HEX "-1.log",
        "00102030405060708090a0b0c0d0e0f-1.log",
        "000102030405060708090A0b0c0d0e0f-1.log",
        "000102030405060708090g0b0c0d0e0f-1.log",
        HEX "-1e3.log",
        HEX "-1.seg",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        steplog_id parsed;
        uint32_t ordinal;
        cr_expect_not(sl_log_name_parse(bad[i], &parsed, &ordinal), "'%s'", bad[i]);
    }
}

Test(file_names, of_segments_have_no_second_spelling)
{
    static const char *const bad[] = {
        "",
        ".seg",
        HEX,
        HEX ".",
        HEX ".se",
        HEX ".seg ",
        HEX ".seg.tmp",
        HEX ".SEG",
        HEX "seg",
        HEX "-1.seg",
        " " HEX ".seg",
        "000102030405060708090A0b0c0d0e0f.seg",
        "0x0102030405060708090a0b0c0d0e0f.seg",
        "00-102030405060708090a0b0c0d0e0f.seg",
        "00102030405060708090a0b0c0d0e0f.seg",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        steplog_id parsed;
        cr_expect_not(sl_segment_name_parse(bad[i], &parsed), "'%s'", bad[i]);
        cr_expect_not(sl_temporary_name_parse(bad[i], &parsed), "'%s'", bad[i]);
    }
}

Test(file_names, of_levels_are_decimals_without_leading_zeros)
{
    static const char *const bad[] = {"",    "00",         "01",          "+1",          "-1", " 1", "1 ",
                                      "0x1", "4294967296", "10000000000", "99999999999", "1a", "."};
    char text[16];
    uint32_t level;
    test_random random = test_random_begin("file_names");
    for (int round = 0; round < 3000; round++) {
        uint32_t wanted = round ? (uint32_t)(test_random_u64(&random) >> (32 + test_random_below(&random, 32)))
                                : UINT32_MAX;
        snprintf(text, sizeof text, "%u", (unsigned)wanted);
        cr_assert(sl_level_parse(text, &level) && level == wanted, "%s", text);
    }
    cr_expect(sl_level_parse("0", &level) && level == 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) cr_expect_not(sl_level_parse(bad[i], &level), "'%s'", bad[i]);
}
