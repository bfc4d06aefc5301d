/* test_time_text.c: wall times to text and back, at the ends of what 64 bits of nanoseconds hold. */
#include "time_text.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

Test(time_text, what_is_written_reads_back_at_both_ends)
{
    static const int64_t times[] = {INT64_MIN + 2, INT64_MIN + 145224192, -9223372036000000001, -9223372036000000000,
                                    -1500000000,   -1000000000,           -1,                   0,
                                    1,             1700000000123456789,   INT64_MAX};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char text[TIME_TEXT_BYTES];
        int64_t again = 0;
        size_t length = time_text_format(times[i], text);
        cr_assert(time_text_parse_rfc3339(text, length, &again), "'%s' is not read", text);
        cr_assert_eq(again, times[i], "'%s' is %lld", text, (long long)again);
    }
}

Test(time_text, what_does_not_fit_is_refused)
{
    static const char *const texts[] = {"1677-09-21T00:12:43.145224191Z", "1677-09-21T00:12:42Z", "2262-04-11T23:47:16.854775808Z"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int64_t time_ns;
        cr_assert_not(time_text_parse_rfc3339(texts[i], strlen(texts[i]), &time_ns), "'%s'", texts[i]);
    }
}
