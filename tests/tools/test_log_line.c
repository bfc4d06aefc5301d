/* test_log_line.c: what is taken out of one line of a program's output. */
#include "log_line.h"

#include <criterion/criterion.h>
#include <steplog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INNER_COUNT = 20000 };

Test(log_line, a_long_outer_name_is_not_copied_for_each_inner_one)
{
    const size_t key_bytes = STEPLOG_NAME_BYTES_MAX;
    char *text = malloc(key_bytes + 64 + INNER_COUNT * 16);
    cr_assert_not_null(text);
    size_t bytes = (size_t)sprintf(text, "{\"step\":7,\"loss\":0.5,\"");
    memset(text + bytes, 'k', key_bytes);
    bytes += key_bytes;
    bytes += (size_t)sprintf(text + bytes, "\":{");
    for (int i = 0; i < INNER_COUNT; i++) {
        bytes += (size_t)sprintf(text + bytes, "%s\"a%d\":1", i > 0 ? "," : "", i);
    }
    bytes += (size_t)sprintf(text + bytes, "}}");

    log_line line;
    log_line_init(&line, NULL);
    cr_assert_eq(log_line_parse(&line, text, bytes), LOG_LINE_ROW);
    cr_assert_lt(line.names_capacity, 1u << 20, "names of %zu bytes are held", line.names_capacity);
    cr_assert_eq(line.count, 1, "what can be recorded is");
    cr_assert(line.has_step && line.step == 7);
    cr_assert_eq(line.left_out_count, INNER_COUNT, "each of the others is counted");
    log_line_clear(&line);
    free(text);
}
