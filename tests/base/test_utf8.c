/* The base: strict UTF-8. */
#include "base/utf8.h"

#include "support/random.h"

#include <criterion/criterion.h>
#include <string.h>

static size_t bad_offset_of(const char *text, size_t bytes)
{
    size_t offset = 12345;
    return sl_utf8_check(text, bytes, &offset) ? SIZE_MAX : offset;
}

Test(utf8, takes_empty_text)
{
    cr_assert(sl_utf8_check("", 0, NULL));
    cr_assert(sl_utf8_check(NULL, 0, NULL));
}

Test(utf8, takes_the_first_and_last_character_of_each_length)
{
    static const char *const texts[] = {
        "\x01",         "\x7f",         "\xc2\x80",     "\xdf\xbf",         "\xe0\xa0\x80",
        "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
    static const uint32_t characters[] = {1, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint32_t character = 0;
        cr_assert_eq(sl_utf8_decode(texts[i], strlen(texts[i]), &character), strlen(texts[i]), "text %zu", i);
        cr_assert_eq(character, characters[i]);
        cr_assert(sl_utf8_check(texts[i], strlen(texts[i]), NULL));
    }
}

Test(utf8, takes_a_zero_byte_as_a_character) { cr_assert(sl_utf8_check("a\0b", 3, NULL)); }

Test(utf8, refuses_overlong_forms_surrogates_and_what_is_beyond_unicode)
{
    static const char *const texts[] = {"\xc0\x80",
                                        "\xc1\xbf",
                                        "\xe0\x80\x80",
                                        "\xe0\x9f\xbf",
                                        "\xf0\x80\x80\x80",
                                        "\xf0\x8f\xbf\xbf",
                                        "\xed\xa0\x80",
                                        "\xed\xbf\xbf",
                                        "\xf4\x90\x80\x80",
                                        "\xf5\x80\x80\x80",
                                        "\xff",
                                        "\xfe",
                                        "\x80",
                                        "\xbf"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cr_assert_eq(bad_offset_of(texts[i], strlen(texts[i])), 0, "text %zu", i);
    }
}

Test(utf8, refuses_every_truncation_of_a_character)
{
    static const char *const texts[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < 3; i++) {
        for (size_t bytes = 1; bytes < strlen(texts[i]); bytes++) cr_assert_eq(bad_offset_of(texts[i], bytes), 0);
    }
}

Test(utf8, tells_where_the_bad_character_begins)
{
    cr_assert_eq(bad_offset_of("loss\xffz", 6), 4);
    cr_assert_eq(bad_offset_of("0123456789abcdef\xc3", 17), 16);
    cr_assert_eq(bad_offset_of("\xc3\xa9\xc3\xa9\xe2\x82", 6), 4);
    cr_assert_eq(bad_offset_of("0123456\x80", 8), 7);
}

/* An independent reading of the rules, a table of byte ranges, on random bytes. */
static size_t length_by_table(const unsigned char *at, size_t left)
{
    static const unsigned char rows[][8] = {{0xc2, 0xdf, 0x80, 0xbf, 2, 0, 0, 0}, {0xe0, 0xe0, 0xa0, 0xbf, 3, 0, 0, 0},
                                            {0xe1, 0xec, 0x80, 0xbf, 3, 0, 0, 0}, {0xed, 0xed, 0x80, 0x9f, 3, 0, 0, 0},
                                            {0xee, 0xef, 0x80, 0xbf, 3, 0, 0, 0}, {0xf0, 0xf0, 0x90, 0xbf, 4, 0, 0, 0},
                                            {0xf1, 0xf3, 0x80, 0xbf, 4, 0, 0, 0}, {0xf4, 0xf4, 0x80, 0x8f, 4, 0, 0, 0}};
    if (at[0] < 0x80) return 1;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        if (at[0] < rows[r][0] || at[0] > rows[r][1]) continue;
        size_t length = rows[r][4];
        if (length > left || at[1] < rows[r][2] || at[1] > rows[r][3]) return 0;
        for (size_t i = 2; i < length; i++) {
            if (at[i] < 0x80 || at[i] > 0xbf) return 0;
        }
        return length;
    }
    return 0;
}

Test(utf8, agrees_with_a_table_of_byte_ranges_on_random_bytes)
{
    test_random random = test_random_begin("utf8");
    for (int round = 0; round < 200000; round++) {
        unsigned char bytes[4];
        test_random_fill(&random, bytes, 4);
        if (round & 1) bytes[0] |= 0xc0, bytes[1] = (bytes[1] & 0x3f) | 0x80, bytes[2] = (bytes[2] & 0x3f) | 0x80;
        uint32_t character;
        size_t left = 1 + test_random_below(&random, 4);
        cr_assert_eq(sl_utf8_decode((const char *)bytes, left, &character), length_by_table(bytes, left));
    }
}
