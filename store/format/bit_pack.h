/* format/bit_pack.h: unsigned integers of 0 to 64 bits each, packed without gaps.
 *
 * Two layouts, told apart by the count alone: exactly 1024 values lie in 16 interleaved lanes, so
 * that a row of 16 values is unpacked with the same shift in each lane; any other count is one
 * continuous bit string, so that a short series costs no padding. */
#ifndef SL_FORMAT_BIT_PACK_H
#define SL_FORMAT_BIT_PACK_H

#include <stddef.h>
#include <stdint.h>

#define SL_PACK_LANES 16u
#define SL_PACK_LANE_ROWS 64u
#define SL_PACK_LANED_COUNT (SL_PACK_LANES * SL_PACK_LANE_ROWS)

/* How many bits value needs: 0 for 0, 64 for the top bit. */
static inline unsigned sl_bit_length(uint64_t value)
{
    return value == 0 ? 0u : 64u - (unsigned)__builtin_clzll(value);
}

/* The bytes that count values of width bits take. */
static inline size_t sl_pack_bytes(size_t count, unsigned width)
{
    return (count * width + 7) / 8;
}

/* Packs count values, each below 2^width. out must have 8 bytes more than sl_pack_bytes(). Returns
 * sl_pack_bytes(). */
size_t sl_pack(const uint64_t *values, size_t count, unsigned width, uint8_t *out);

/* The same with the lowest width bits of the distances of the values from base. */
size_t sl_pack_from(const uint64_t *values, size_t count, unsigned width, uint64_t base, uint8_t *out);

/* Unpacks count values. in must be readable for 16 bytes past sl_pack_bytes(). Returns 1 when the
 * packing is canonical: padding bits are zero, and some value needs all width bits. */
int sl_unpack(const uint8_t *in, size_t count, unsigned width, uint64_t *values);

/* The same with base added to each value. */
int sl_unpack_from(const uint8_t *in, size_t count, unsigned width, uint64_t base, uint64_t *values);

#endif
