/* bench/bit_stream.h: bits to bytes and back, the first bit in the highest place. For the codecs compared with. */
#ifndef BENCH_BIT_STREAM_H
#define BENCH_BIT_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct bit_writer {
    uint8_t *out;
    uint64_t word; /* its highest `used` bits are waiting */
    uint32_t used; /* below 64 */
} bit_writer;

typedef struct bit_reader {
    const uint8_t *in, *end;
    uint64_t word;
    uint32_t left; /* bits of word that were not taken yet */
    int is_past_end;
} bit_reader;

static inline void put_word(bit_writer *w)
{
    uint64_t big_endian = __builtin_bswap64(w->word);
    memcpy(w->out, &big_endian, 8);
    w->out += 8;
}

/* The lowest count bits (1 to 64) of value. */
static inline void bits_put(bit_writer *w, uint64_t value, uint32_t count)
{
    if (count < 64) value &= (1ull << count) - 1;
    uint32_t room = 64 - w->used;
    if (count < room) {
        w->word |= value << (room - count);
        w->used += count;
        return;
    }
    w->word |= value >> (count - room);
    put_word(w);
    w->used = count - room;
    w->word = w->used ? value << (64 - w->used) : 0;
}

/* Returns where the bytes end. */
static inline uint8_t *bits_finish(bit_writer *w)
{
    uint32_t bytes = (w->used + 7) / 8;
    put_word(w);
    return w->out - 8 + bytes;
}

static inline void take_word(bit_reader *r)
{
    uint8_t bytes[8] = {0};
    size_t there = (size_t)(r->end - r->in) < 8 ? (size_t)(r->end - r->in) : 8;
    uint64_t big_endian;
    if (there == 0) r->is_past_end = 1;
    memcpy(bytes, r->in, there);
    memcpy(&big_endian, bytes, 8);
    r->in += there;
    r->word = __builtin_bswap64(big_endian);
    r->left = 64;
}

/* count: 1 to 64. Zeros past the end. */
static inline uint64_t bits_take(bit_reader *r, uint32_t count)
{
    if (r->left == 0) take_word(r);
    if (count <= r->left) {
        uint64_t value = r->word >> (64 - count);
        r->word = count < 64 ? r->word << count : 0;
        r->left -= count;
        return value;
    }
    uint32_t first = r->left, rest = count - first;
    uint64_t value = r->word >> (64 - first);
    take_word(r);
    value = (value << rest) | (r->word >> (64 - rest));
    r->word <<= rest;
    r->left = 64 - rest;
    return value;
}

static inline bit_reader bits_from(const uint8_t *in, size_t bytes)
{
    return (bit_reader){.in = in, .end = in + bytes};
}

static inline uint64_t bits_of_double(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    return bits;
}

static inline double double_of_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

#endif
