/* fuzz/fuzz_log_line.c: lines of a program's output (tools/log_line.h).
 *
 * Input: u8 whether the step's name is given, then lines. */
#include "fuzz/fuzz.h"

#include "log_line.h"

#include <stdlib.h>
#include <string.h>

static void take_line(log_line *line, const uint8_t *data, size_t bytes)
{
    char *text = (char *)fuzz_copy(data, bytes, 0, 0);
    log_line_kind kind = log_line_parse(line, text, bytes);
    if (kind == LOG_LINE_BAD)
        FUZZ_HOLDS(line->error.what && line->error.offset <= bytes, "at %zu of %zu", line->error.offset, bytes);
    if (kind == LOG_LINE_ROW) FUZZ_HOLDS(line->count > 0, "a row without values");
    for (size_t i = 0; kind == LOG_LINE_ROW && i < line->count; i++)
        fuzz_touch(line->names + line->values[i].name_offset, line->values[i].name_bytes);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    log_line line;
    fuzz_input input = fuzz_input_of(data, bytes);
    log_line_init(&line, fuzz_take(&input, 1) & 1 ? "batch" : NULL);
    while (input.left > 0) {
        const uint8_t *end = memchr(input.at, '\n', input.left);
        size_t length = end ? (size_t)(end - input.at) : input.left;
        take_line(&line, input.at, length);
        length += end != NULL;
        input.at += length;
        input.left -= length;
    }
    log_line_clear(&line);
    return 0;
}
