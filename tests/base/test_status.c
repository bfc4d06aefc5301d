/* The base: names of statuses, ids as text, the version; and that assertions abort in this build. */
#include "base/assert.h"
#include "steplog/status.h"
#include "steplog/types.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

Test(status, has_a_name_and_a_sentence_for_each_number)
{
    cr_assert_str_eq(steplog_status_name(STEPLOG_OK), "OK");
    cr_assert_str_eq(steplog_status_name(STEPLOG_END), "END");
    cr_assert_str_eq(steplog_status_name(STEPLOG_CORRUPT), "CORRUPT");
    cr_assert_str_eq(steplog_status_text(STEPLOG_OK), "done");
    cr_assert_str_eq(steplog_status_text(STEPLOG_WAIT), "nothing new yet");
    cr_assert_str_eq(steplog_status_name(12345), "UNKNOWN");
    cr_assert_str_eq(steplog_status_text(-12345), "unknown status");
}

Test(status, numbers_never_change)
{
    static const int32_t numbers[] = {STEPLOG_OK,      STEPLOG_END,   STEPLOG_WAIT, STEPLOG_IO,     STEPLOG_CORRUPT,
                                      STEPLOG_NEWER,   STEPLOG_FULL,  STEPLOG_BUSY, STEPLOG_MISUSE, STEPLOG_FAILED,
                                      STEPLOG_MISSING, STEPLOG_NOMEM, STEPLOG_LIMIT};
    for (int i = 0; i < 13; i++) cr_assert_eq(numbers[i], i < 3 ? i : 2 - i);
}

Test(id, comes_back_from_its_text)
{
    steplog_id id, back;
    for (int i = 0; i < 16; i++) id.bytes[i] = (uint8_t)(i * 17 + 1);
    char text[STEPLOG_ID_TEXT_BYTES];
    steplog_id_format(&id, text);
    cr_assert_str_eq(text, "0112233445566778899aabbccddeef00");
    cr_assert_eq(steplog_id_parse(text, &back), STEPLOG_OK);
    cr_assert_arr_eq(back.bytes, id.bytes, 16);
    cr_assert_eq(steplog_id_parse("0112233445566778899AABBCCDDEEF00", &back), STEPLOG_OK);
    cr_assert_arr_eq(back.bytes, id.bytes, 16);
}

Test(id, of_any_other_text_is_misuse_and_changes_nothing)
{
    static const char *const texts[] = {"",
                                        "01",
                                        "0112233445566778899aabbccddeef0",
                                        "0112233445566778899aabbccddeef000",
                                        "0112233445566778899aabbccddeefg0",
                                        " 112233445566778899aabbccddeef00",
                                        "0x12233445566778899aabbccddeef00",
                                        "0112233445566778899aabbccddeef0 "};
    steplog_id id;
    memset(&id, 0xaa, sizeof id);
    const steplog_id before = id;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cr_assert_eq(steplog_id_parse(texts[i], &id), STEPLOG_MISUSE, "text %zu", i);
        cr_assert_arr_eq(id.bytes, before.bytes, 16);
    }
    cr_assert_eq(steplog_id_parse(NULL, &id), STEPLOG_MISUSE);
    cr_assert_eq(steplog_id_parse(texts[0], NULL), STEPLOG_MISUSE);
}

Test(version, is_that_of_the_header)
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", STEPLOG_VERSION_MAJOR, STEPLOG_VERSION_MINOR, STEPLOG_VERSION_PATCH);
    cr_assert_str_eq(steplog_version(), text);
    cr_assert_str_eq(STEPLOG_VERSION, text);
}

Test(assertion, that_does_not_hold_aborts, .signal = SIGABRT) { SL_ASSERT(steplog_version() == NULL); }
