/* fuzz/fuzz_values.c: value blocks (format/value_codec.h).
 *
 * Input: u16 count and mode, then an encoding, or with its bit 15 doubles to encode. What decodes must decode to the
 * same bits whatever lies behind it, and after being encoded again. */
#include "fuzz/fuzz.h"

#include "base/bytes.h"
#include "format/value_codec.h"

#include <stdlib.h>
#include <string.h>

enum { IS_DOUBLES = 0x8000 };

/* Encodes, decodes, compares bits. */
static void go_round(const double *values, size_t count)
{
    double again[SL_BLOCK_VALUES_MAX];
    const char *what = NULL;
    size_t room = SL_VALUE_ENCODED_BYTES_MAX(count);
    uint8_t *out = fuzz_copy(NULL, 0, room + SL_DECODE_SLACK_BYTES, 0x5a);
    size_t bytes = sl_value_encode(values, count, out);
    FUZZ_HOLDS(bytes > 0 && bytes <= room, "%zu values became %zu bytes", count, bytes);
    uint8_t *in = fuzz_copy(out, bytes, SL_DECODE_SLACK_BYTES, 0xc3);
    FUZZ_HOLDS(sl_value_decode(in, bytes, count, again, &what) == STEPLOG_OK, "%zu values, %zu bytes: %s", count, bytes,
               what);
    FUZZ_HOLDS(memcmp(values, again, count * sizeof *values) == 0, "%zu values, %zu bytes", count, bytes);
    free(in);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input input = fuzz_input_of(data, bytes);
    unsigned head = (unsigned)fuzz_take(&input, 2);
    size_t count = 1 + head % SL_BLOCK_VALUES_MAX;
    double values[SL_BLOCK_VALUES_MAX] = {0}, others[SL_BLOCK_VALUES_MAX];
    if (head & IS_DOUBLES) {
        for (size_t i = 0; i < count; i++) values[i] = sl_double_of(fuzz_take(&input, 8));
        go_round(values, count);
        return 0;
    }
    const char *what = NULL, *other_what = NULL;
    char text[96];
    uint8_t *in = fuzz_copy(input.at, input.left, SL_DECODE_SLACK_BYTES, 0);
    uint8_t *other = fuzz_copy(input.at, input.left, SL_DECODE_SLACK_BYTES, 0xff);
    steplog_status status = sl_value_decode(in, input.left, count, values, &what);
    FUZZ_HOLDS(status == STEPLOG_OK || (status == STEPLOG_CORRUPT && what), "status %d", (int)status);
    FUZZ_HOLDS(sl_value_decode(other, input.left, count, others, &other_what) == status && what == other_what,
               "what lies behind the encoding decides: %s, %s", what, other_what);
    sl_value_describe(in, input.left, count, text, sizeof text);
    FUZZ_HOLDS(memchr(text, 0, sizeof text), "the description has no end");
    if (status == STEPLOG_OK) {
        FUZZ_HOLDS(memcmp(values, others, count * sizeof *values) == 0, "what lies behind the encoding decides");
        go_round(values, count);
    }
    free(other);
    free(in);
    return 0;
}
