/* fuzz/fuzz_ints.c: integer blocks (format/int_codec.h) and bit packing.
 *
 * Input: u16 count and mode (bits 14, 15), then an encoding (0), integers to encode (1), or a width and packed
 * values (2). As for values, what decodes must come back after being encoded again. */
#include "fuzz/fuzz.h"

#include "base/bytes.h"
#include "format/bit_pack.h"
#include "format/int_codec.h"

#include <stdlib.h>
#include <string.h>

enum { COUNT_MAX = SL_BLOCK_VALUES_MAX, UNPACK_SLACK_BYTES = 16, PACK_SLACK_BYTES = 8 };

static void go_round(const int64_t *values, size_t count)
{
    int64_t again[COUNT_MAX];
    const char *what = NULL;
    size_t room = SL_INT_ENCODED_BYTES_MAX(count);
    uint8_t *out = fuzz_copy(NULL, 0, room + SL_DECODE_SLACK_BYTES, 0x5a);
    size_t bytes = sl_int_encode(values, count, out);
    FUZZ_HOLDS(bytes > 0 && bytes <= room, "%zu integers became %zu bytes", count, bytes);
    uint8_t *in = fuzz_copy(out, bytes, SL_DECODE_SLACK_BYTES, 0xc3);
    FUZZ_HOLDS(sl_int_decode(in, bytes, count, again, &what) == STEPLOG_OK, "%zu integers, %zu bytes: %s", count, bytes,
               what);
    FUZZ_HOLDS(memcmp(values, again, count * sizeof *values) == 0, "%zu integers, %zu bytes", count, bytes);
    free(in);
    free(out);
}

static void decode(fuzz_input *input, size_t count)
{
    int64_t values[COUNT_MAX], others[COUNT_MAX];
    const char *what = NULL, *other_what = NULL;
    char text[96];
    uint8_t *in = fuzz_copy(input->at, input->left, SL_DECODE_SLACK_BYTES, 0);
    uint8_t *other = fuzz_copy(input->at, input->left, SL_DECODE_SLACK_BYTES, 0xff);
    steplog_status status = sl_int_decode(in, input->left, count, values, &what);
    FUZZ_HOLDS(status == STEPLOG_OK || (status == STEPLOG_CORRUPT && what), "status %d", (int)status);
    FUZZ_HOLDS(sl_int_decode(other, input->left, count, others, &other_what) == status && what == other_what,
               "what lies behind the encoding decides: %s, %s", what, other_what);
    sl_int_describe(in, input->left, count, text, sizeof text);
    FUZZ_HOLDS(memchr(text, 0, sizeof text), "the description has no end");
    if (status == STEPLOG_OK) {
        FUZZ_HOLDS(memcmp(values, others, count * sizeof *values) == 0, "what lies behind the encoding decides");
        go_round(values, count);
    }
    free(other);
    free(in);
}

static void unpack(fuzz_input *input, size_t count)
{
    uint64_t values[COUNT_MAX];
    unsigned width = (unsigned)fuzz_take(input, 1) % 65, widest = 0;
    size_t bytes = sl_pack_bytes(count, width);
    uint8_t *in = fuzz_copy(NULL, 0, bytes + UNPACK_SLACK_BYTES, 0);
    uint8_t *out = fuzz_copy(NULL, 0, bytes + PACK_SLACK_BYTES, 0x5a);
    if (input->left) memcpy(in, input->at, input->left < bytes ? input->left : bytes);
    memset(in + bytes, 0xff, UNPACK_SLACK_BYTES);
    int is_canonical = sl_unpack(in, count, width, values);
    for (size_t i = 0; i < count; i++) {
        unsigned length = sl_bit_length(values[i]);
        widest = length > widest ? length : widest;
    }
    FUZZ_HOLDS(widest <= width, "%u bits came out of %u", widest, width);
    FUZZ_HOLDS(sl_pack(values, count, width, out) == bytes, "width %u, count %zu", width, count);
    int is_same = memcmp(in, out, bytes) == 0;
    FUZZ_HOLDS(is_canonical == (is_same && widest == width), "width %u, widest %u, packed again %s", width, widest,
               is_same ? "the same" : "differently");
    free(out);
    free(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input input = fuzz_input_of(data, bytes);
    unsigned head = (unsigned)fuzz_take(&input, 2);
    size_t count = 1 + head % COUNT_MAX;
    int64_t values[COUNT_MAX] = {0};
    switch (head >> 14) {
    case 1:
        for (size_t i = 0; i < count; i++) values[i] = (int64_t)fuzz_take(&input, 8);
        go_round(values, count);
        break;
    case 2: unpack(&input, count); break;
    default: decode(&input, count);
    }
    return 0;
}
