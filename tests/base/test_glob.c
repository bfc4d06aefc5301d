/* The base: patterns for names. */
#include "base/glob.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int matches(const char *pattern, const char *text)
{
    return sl_glob_match(pattern, strlen(pattern), text, strlen(text));
}

static size_t bad_offset_of(const char *pattern)
{
    size_t offset = 12345;
    return sl_glob_check(pattern, strlen(pattern), &offset) ? SIZE_MAX : offset;
}

Test(glob, without_special_characters_matches_only_the_same_text)
{
    cr_assert(matches("loss", "loss"));
    cr_assert_not(matches("loss", "los"));
    cr_assert_not(matches("loss", "losss"));
    cr_assert_not(matches("loss", ""));
    cr_assert(matches("", ""));
    cr_assert_not(matches("", "x"));
}

Test(glob, star_matches_any_text_slashes_and_nothing_too)
{
    cr_assert(matches("*", ""));
    cr_assert(matches("*", "train/loss"));
    cr_assert(matches("train/*", "train/"));
    cr_assert(matches("*loss", "loss"));
    cr_assert(matches("*a*b*", "xxaxxbxx"));
    cr_assert_not(matches("*a*b", "xxbxxa"));
    cr_assert(matches("**", "x"));
    cr_assert(matches("a*a", "aa"));
    cr_assert_not(matches("a*a", "a"));
    cr_assert(matches("*.ab", ".a.ab"));
}

Test(glob, question_mark_matches_one_character_not_one_byte)
{
    cr_assert(matches("?", "\xc3\xa9"));
    cr_assert(matches("a?c", "a\xe2\x82\xac""c"));
    cr_assert_not(matches("?", ""));
    cr_assert_not(matches("??", "\xc3\xa9"));
    cr_assert(matches("*?", "\xf0\x9f\x98\x80"));
}

Test(glob, class_matches_one_character_of_it)
{
    cr_assert(matches("rank[0-3]", "rank2"));
    cr_assert_not(matches("rank[0-3]", "rank4"));
    cr_assert(matches("[!0-3]", "4"));
    cr_assert_not(matches("[!0-3]", "0"));
    cr_assert_not(matches("[!0-3]", ""));
    cr_assert(matches("[abc]", "b"));
    cr_assert(matches("[\xce\xb1-\xcf\x89]", "\xce\xbb"));
    cr_assert_not(matches("[\xce\xb1-\xcf\x89]", "l"));
}

Test(glob, class_takes_brackets_and_dashes_at_its_ends_and_escapes)
{
    cr_assert(matches("[]a]", "]"));
    cr_assert(matches("[!]a]", "b"));
    cr_assert_not(matches("[!]a]", "]"));
    cr_assert(matches("[a-]", "-"));
    cr_assert(matches("[-a]", "-"));
    cr_assert(matches("[a\\]b]", "]"));
    cr_assert(matches("[\\!a]", "!"));
    cr_assert(matches("[a\\-c]", "-"));
    cr_assert_not(matches("[a\\-c]", "b"));
    cr_assert(matches("[*?]", "*"));
}

Test(glob, backslash_makes_the_next_character_ordinary)
{
    cr_assert(matches("\\*", "*"));
    cr_assert_not(matches("\\*", "x"));
    cr_assert(matches("a\\?", "a?"));
    cr_assert(matches("\\[a]", "[a]"));
    cr_assert(matches("\\\\", "\\"));
    cr_assert(matches("\\a", "a"));
}

Test(glob, check_tells_where_a_pattern_is_malformed)
{
    cr_assert_eq(bad_offset_of(""), SIZE_MAX);
    cr_assert_eq(bad_offset_of("a[b-c]*?\\]"), SIZE_MAX);
    cr_assert_eq(bad_offset_of("ab[c"), 2);
    cr_assert_eq(bad_offset_of("["), 0);
    cr_assert_eq(bad_offset_of("[]"), 0);
    cr_assert_eq(bad_offset_of("[!]"), 0);
    cr_assert_eq(bad_offset_of("x[z-a]"), 1);
    cr_assert_eq(bad_offset_of("abc\\"), 3);
    cr_assert_eq(bad_offset_of("a\xff"), 1);
    cr_assert_eq(bad_offset_of("[a\\"), 0);
}

Test(glob, malformed_pattern_matches_nothing)
{
    cr_assert_not(matches("[", "["));
    cr_assert_not(matches("*[", "anything"));
    cr_assert_not(matches("a\\", "a\\"));
}

Test(glob, bytes_that_are_not_utf8_count_as_characters)
{
    cr_assert(matches("?", "\xff"));
    cr_assert(matches("a*", "a\xff\xfe"));
    cr_assert(matches("[!a]", "\xff"));
    cr_assert_not(matches("[a-z]", "\xff"));
}

Test(glob, hostile_pattern_takes_no_more_than_the_product_of_the_lengths)
{
    enum { STARS = 200, TEXT_BYTES = 60000 };
    char pattern[2 * STARS + 1];
    for (int i = 0; i < STARS; i++) memcpy(pattern + 2 * i, "a*", 2);
    pattern[2 * STARS] = 'b';
    char *text = malloc(TEXT_BYTES);
    cr_assert_not_null(text);
    memset(text, 'a', TEXT_BYTES);
    clock_t begin = clock();
    cr_assert_not(sl_glob_match(pattern, sizeof pattern, text, TEXT_BYTES));
    cr_assert_lt((double)(clock() - begin) / CLOCKS_PER_SEC, 2.0);
    free(text);
}
