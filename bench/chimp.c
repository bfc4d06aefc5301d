/* bench/chimp.c: Chimp and Chimp128, for comparison. Each block begins with its first value whole.
 *
 *   0 0 [which]                              the same as the value before (which: of the 128 before)
 *   0 1 [which] leading:3 length:6 bits      the XOR has more than 6 trailing zeros (13 with `which`)
 *   1 0 bits                                 as many leading zeros as the one before: all bits behind them
 *   1 1 leading:3 bits                       another number of leading zeros
 * Leading zeros are rounded down to one of eight numbers. */
#include "rival_codecs.h"

#include "bit_stream.h"

enum { NO_LEADING = 65, CHIMP_TRAILING = 6, PREVIOUS_BITS = 7, PREVIOUS = 1 << PREVIOUS_BITS };
enum { CHIMP128_TRAILING = CHIMP_TRAILING + PREVIOUS_BITS, KEYS = 1 << (CHIMP128_TRAILING + 1) };

static const uint8_t leading_of_code[8] = {0, 8, 12, 16, 18, 20, 22, 24};

static uint32_t code_of_leading(uint32_t leading)
{
    uint32_t code = leading >= 16 ? 3 + (leading - 16) / 2 : leading >= 12 ? 2 : leading >= 8 ? 1 : 0;
    return code > 7 ? 7 : code;
}

/* The two forms without a tail of zeros. */
static void put_long(bit_writer *w, uint64_t difference, uint32_t *leading_before)
{
    uint32_t code = code_of_leading((uint32_t)__builtin_clzll(difference)), leading = leading_of_code[code];
    if (leading == *leading_before) {
        bits_put(w, 2, 2);
    } else {
        bits_put(w, 3, 2);
        bits_put(w, code, 3);
        *leading_before = leading;
    }
    bits_put(w, difference, 64 - leading);
}

/* The form with a tail of zeros, after its two bits and `which`. */
static void put_short(bit_writer *w, uint64_t difference)
{
    uint32_t code = code_of_leading((uint32_t)__builtin_clzll(difference));
    uint32_t trailing = (uint32_t)__builtin_ctzll(difference), length = 64 - leading_of_code[code] - trailing;
    bits_put(w, code, 3);
    bits_put(w, length, 6);
    bits_put(w, difference >> trailing, length);
}

static int take_short(bit_reader *r, uint64_t *difference)
{
    uint32_t leading = leading_of_code[bits_take(r, 3)], length = (uint32_t)bits_take(r, 6);
    if (length == 0 || leading + length > 64) return -1;
    *difference = bits_take(r, length) << (64 - leading - length);
    return 0;
}

size_t chimp_encode(const double *values, size_t count, uint8_t *out)
{
    bit_writer w = {.out = out};
    uint64_t before = bits_of_double(values[0]);
    uint32_t leading_before = NO_LEADING;
    bits_put(&w, before, 64);
    for (size_t i = 1; i < count; i++) {
        uint64_t now = bits_of_double(values[i]), difference = now ^ before;
        before = now;
        if (difference == 0) {
            bits_put(&w, 0, 2);
            leading_before = NO_LEADING;
        } else if (__builtin_ctzll(difference) > CHIMP_TRAILING) {
            bits_put(&w, 1, 2);
            put_short(&w, difference);
            leading_before = NO_LEADING;
        } else {
            put_long(&w, difference, &leading_before);
        }
    }
    return (size_t)(bits_finish(&w) - out);
}

int chimp_decode(const uint8_t *in, size_t bytes, double *values, size_t count)
{
    bit_reader r = bits_from(in, bytes);
    uint64_t now = bits_take(&r, 64), difference = 0;
    uint32_t leading = 0;
    values[0] = double_of_bits(now);
    for (size_t i = 1; i < count; i++) {
        switch (bits_take(&r, 2)) {
        case 0: difference = 0; break;
        case 1:
            if (take_short(&r, &difference) != 0) return -1;
            break;
        case 3: leading = leading_of_code[bits_take(&r, 3)]; /* fall through */
        default: difference = bits_take(&r, 64 - leading); break;
        }
        now ^= difference;
        values[i] = double_of_bits(now);
    }
    return r.is_past_end ? -1 : 0;
}

size_t chimp128_encode(const double *values, size_t count, uint8_t *out)
{
    static uint32_t last_with[KEYS]; /* one more than the last place of a value with these low bits; 0 none */
    bit_writer w = {.out = out};
    uint32_t leading_before = NO_LEADING;
    memset(last_with, 0, sizeof last_with);
    bits_put(&w, bits_of_double(values[0]), 64);
    last_with[bits_of_double(values[0]) % KEYS] = 1;
    for (size_t i = 1; i < count; i++) {
        uint64_t now = bits_of_double(values[i]), difference = now ^ bits_of_double(values[i - 1]);
        size_t like = last_with[now % KEYS], which = i - 1;
        int is_short = 0;
        if (like > 0 && i - (like - 1) <= PREVIOUS) {
            which = like - 1;
            difference = now ^ bits_of_double(values[which]);
            is_short = difference != 0;
        } else if (difference == 0) {
            which = i - 1;
        }
        last_with[now % KEYS] = (uint32_t)i + 1;
        if (difference == 0 || is_short) {
            bits_put(&w, is_short, 2);
            bits_put(&w, which % PREVIOUS, PREVIOUS_BITS);
            if (is_short) put_short(&w, difference);
            leading_before = NO_LEADING;
        } else {
            put_long(&w, difference, &leading_before);
        }
    }
    return (size_t)(bits_finish(&w) - out);
}

int chimp128_decode(const uint8_t *in, size_t bytes, double *values, size_t count)
{
    bit_reader r = bits_from(in, bytes);
    uint64_t difference = 0;
    uint32_t leading = 0;
    values[0] = double_of_bits(bits_take(&r, 64));
    for (size_t i = 1; i < count; i++) {
        size_t flag = bits_take(&r, 2), which = i - 1;
        if (flag < 2) {
            size_t place = bits_take(&r, PREVIOUS_BITS);
            which = i - 1 - ((i - 1 - place) % PREVIOUS); /* the last place before i that ends in these bits */
            if (which >= i) return -1;
            difference = 0;
            if (flag == 1 && take_short(&r, &difference) != 0) return -1;
        } else {
            if (flag == 3) leading = leading_of_code[bits_take(&r, 3)];
            difference = bits_take(&r, 64 - leading);
        }
        values[i] = double_of_bits(difference ^ bits_of_double(values[which]));
    }
    return r.is_past_end ? -1 : 0;
}
