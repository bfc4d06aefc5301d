/* bench/gorilla.c: Gorilla's compression of values, for comparison. Each block begins with its first value whole.
 *
 *   0                                 the same as the value before
 *   1 0 bits                          the XOR has its bits inside the window of the one before
 *   1 1 leading:5 length:6 bits       a window of its own; a length of 64 is written as 0 */
#include "rival_codecs.h"

#include "bit_stream.h"

size_t gorilla_encode(const double *values, size_t count, uint8_t *out)
{
    bit_writer w = {.out = out};
    uint64_t before = bits_of_double(values[0]);
    uint32_t leading = 64, trailing = 64; /* no window yet */
    bits_put(&w, before, 64);
    for (size_t i = 1; i < count; i++) {
        uint64_t now = bits_of_double(values[i]), difference = now ^ before;
        before = now;
        if (difference == 0) {
            bits_put(&w, 0, 1);
            continue;
        }
        uint32_t zeros = (uint32_t)__builtin_clzll(difference), tail = (uint32_t)__builtin_ctzll(difference);
        if (zeros > 31) zeros = 31;
        if (zeros >= leading && tail >= trailing) {
            bits_put(&w, 2, 2);
        } else {
            leading = zeros;
            trailing = tail;
            bits_put(&w, 3, 2);
            bits_put(&w, leading, 5);
            bits_put(&w, 64 - leading - trailing, 6);
        }
        bits_put(&w, difference >> trailing, 64 - leading - trailing);
    }
    return (size_t)(bits_finish(&w) - out);
}

int gorilla_decode(const uint8_t *in, size_t bytes, double *values, size_t count)
{
    bit_reader r = bits_from(in, bytes);
    uint64_t now = bits_take(&r, 64);
    uint32_t length = 0, trailing = 0;
    values[0] = double_of_bits(now);
    for (size_t i = 1; i < count; i++) {
        if (bits_take(&r, 1)) {
            if (bits_take(&r, 1)) {
                uint32_t leading = (uint32_t)bits_take(&r, 5);
                length = (uint32_t)bits_take(&r, 6);
                if (length == 0) length = 64;
                if (leading + length > 64) return -1;
                trailing = 64 - leading - length;
            }
            if (length == 0) return -1;
            now ^= bits_take(&r, length) << trailing;
        }
        values[i] = double_of_bits(now);
    }
    return r.is_past_end ? -1 : 0;
}
