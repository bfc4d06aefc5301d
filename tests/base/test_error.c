/* The base: errors and their words. */
#include "base/error.h"

#include "base/utf8.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

Test(error, says_what_it_was_given)
{
    steplog_error err;
    steplog_status status = sl_fail(&err, STEPLOG_CORRUPT, 40960, "block checksum differs in '%s'", "seg-1");
    cr_assert_eq(status, STEPLOG_CORRUPT);
    cr_assert_eq(err.code, STEPLOG_CORRUPT);
    cr_assert_eq(err.os_errno, 0);
    cr_assert_eq(err.file_offset, 40960);
    cr_assert_str_eq(err.text, "block checksum differs in 'seg-1'");
}

Test(error, null_is_allowed)
{
    cr_assert_eq(sl_fail(NULL, STEPLOG_MISUSE, -1, "x"), STEPLOG_MISUSE);
    cr_assert_eq(sl_fail_os(NULL, ENOSPC, -1, "x"), STEPLOG_FULL);
    sl_error_clear(NULL);
}

Test(error, of_the_system_ends_in_its_words_and_carries_errno)
{
    steplog_error err;
    cr_assert_eq(sl_fail_os(&err, EACCES, 7, "cannot open '%s'", "a.log"), STEPLOG_IO);
    cr_assert_eq(err.os_errno, EACCES);
    cr_assert_eq(err.file_offset, 7);
    char expected[200];
    snprintf(expected, sizeof expected, "cannot open 'a.log': %s", strerror(EACCES));
    cr_assert_str_eq(err.text, expected);
}

Test(error, of_the_system_maps_to_what_a_caller_does_differently)
{
    static const int full[] = {ENOSPC, EDQUOT, EFBIG};
    for (int i = 0; i < 3; i++) cr_assert_eq(sl_fail_os(NULL, full[i], -1, "x"), STEPLOG_FULL);
    cr_assert_eq(sl_fail_os(NULL, ENOMEM, -1, "x"), STEPLOG_NOMEM);
    cr_assert_eq(sl_fail_os(NULL, ENOENT, -1, "x"), STEPLOG_MISSING);
    cr_assert_eq(sl_fail_os(NULL, ENOTDIR, -1, "x"), STEPLOG_MISSING);
    cr_assert_eq(sl_fail_os(NULL, EIO, -1, "x"), STEPLOG_IO);
}

Test(error, text_that_is_too_long_is_cut_at_a_character)
{
    char name[2001];
    for (size_t i = 0; i < 2000; i += 2) memcpy(name + i, "\xc3\xa9", 2);
    name[2000] = '\0';
    for (int front = 0; front < 4; front++) {
        steplog_error err;
        sl_fail(&err, STEPLOG_MISSING, -1, "%s%s", &"abc"[front < 3 ? front : 3], name);
        cr_assert_geq(strlen(err.text), sizeof err.text - 3);
        cr_assert(sl_utf8_check(err.text, strlen(err.text), NULL));
        cr_assert_null(strchr(err.text, '?'));
        sl_fail_os(&err, EIO, -1, "%s%s", &"abc"[front < 3 ? front : 3], name);
        cr_assert_str_eq(err.text + strlen(err.text) - strlen(strerror(EIO)), strerror(EIO));
        cr_assert_null(strchr(err.text, '?'));
    }
}

/* Wherever the end falls in a character of two, three or four bytes, or in bytes that are none. */
Test(error, text_that_is_too_long_loses_a_torn_character_and_nothing_else)
{
    static const char *const characters[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    char text[2100];
    steplog_error err;
    for (size_t c = 0; c < 4; c++)
        for (size_t front = 0; front < 4; front++) {
            size_t bytes = strlen(characters[c]), used = front;
            memset(text, 'x', front);
            for (; used < 2000; used += bytes) memcpy(text + used, characters[c], bytes);
            text[used] = '\0';
            sl_fail(&err, STEPLOG_MISSING, -1, "%s", text);
            size_t whole = (sizeof err.text - 1 - front) / bytes * bytes + front;
            cr_assert_eq(strlen(err.text), whole);
            cr_assert_eq(memcmp(err.text, text, whole), 0);
        }
    memset(text, 0x80, 2000);
    text[2000] = '\0';
    sl_fail(&err, STEPLOG_MISSING, -1, "%s", text);
    cr_assert_eq(strspn(err.text, "?"), sizeof err.text - 1);
}

Test(error, text_that_cannot_be_formatted_is_empty)
{
    const wchar_t none[] = {0x7fffffff, 0};
    steplog_error err;
    sl_fail(&err, STEPLOG_IO, -1, "%ls", none);
    cr_assert_str_eq(err.text, "");
    sl_fail_os(&err, EIO, -1, "%ls", none);
    cr_assert_str_eq(err.text + 2, strerror(EIO));
}

Test(error, bytes_that_a_terminal_would_obey_are_replaced)
{
    steplog_error err;
    sl_fail(&err, STEPLOG_MISSING, -1, "no run '%s'", "\x1b[2J\n\r\t\x7f\xc2\x9b" "31m\xff\xe2\x80\xa8ok");
    cr_assert_str_eq(err.text, "no run '?[2J?????31m??ok'");
}

Test(error, its_own_text_may_be_an_argument)
{
    steplog_error err;
    sl_fail(&err, STEPLOG_IO, -1, "inner");
    sl_fail(&err, STEPLOG_IO, -1, "outer: %s", err.text);
    cr_assert_str_eq(err.text, "outer: inner");
}

Test(error, cleared_is_no_error)
{
    steplog_error err;
    sl_fail_os(&err, EIO, 5, "x");
    sl_error_clear(&err);
    cr_assert_eq(err.code, STEPLOG_OK);
    cr_assert_eq(err.os_errno, 0);
    cr_assert_eq(err.file_offset, -1);
    cr_assert_str_eq(err.text, "");
}
