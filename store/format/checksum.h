/* format/checksum.h: XXH3-64 bound to a file, a place and a head.
 *
 * XXH3 covers the bytes; a few multiplications bind the result to the identity of the file, the
 * offset and the head, so that a block which is whole but in the wrong place does not pass. */
#ifndef SL_FORMAT_CHECKSUM_H
#define SL_FORMAT_CHECKSUM_H

#include "base/bytes.h"
#include "steplog/types.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SL_CHECK_PRIME_1 0x9E3779B97F4A7C15u
#define SL_CHECK_PRIME_2 0xC2B2AE3D27D4EB4Fu
#define SL_CHECK_PRIME_3 0x165667919E3779F9u
#define SL_CHECK_PRIME_3_INVERSE 0x8DA8EE41D6DF849u /* modulo 2^64; a test multiplies the two */

#define SL_HASH_SHORT_BYTES_MAX 240u /* up to here XXH3 multiplies number by number, whatever the processor has */

/* XXH3-64 of longer data, by the processor's wide vectors where it has them. */
uint64_t sl_hash_long(const void *data, size_t bytes);

static inline uint64_t sl_hash(const void *data, size_t bytes)
{
    return bytes <= SL_HASH_SHORT_BYTES_MAX ? XXH3_64bits(data, bytes) : sl_hash_long(data, bytes);
}

/* For tables in memory: the seed is another one in each process, so that no one who makes a file can choose what shares
 * a place in a table. Nothing on disk and no order of results may come from it. */
uint64_t sl_hash_seed(void);

static inline uint64_t sl_hash_text(const void *data, size_t bytes)
{
    return XXH3_64bits_withSeed(data, bytes, sl_hash_seed());
}

static inline uint64_t sl_hash_id(const steplog_id *id) { return sl_hash_text(id->bytes, sizeof id->bytes); }

/* A bijection of 64 bits in which every input bit reaches most output bits. */
static inline uint64_t sl_scramble(uint64_t x)
{
    x ^= x >> 37;
    x *= SL_CHECK_PRIME_3;
    return x ^ (x >> 32);
}

static inline uint64_t sl_unscramble(uint64_t x)
{
    x ^= x >> 32;
    x *= SL_CHECK_PRIME_3_INVERSE;
    return x ^ (x >> 37);
}

/* The part of every check that comes from the file: made once for each open file. */
static inline uint64_t sl_file_key(const steplog_id *file_id) { return XXH3_64bits(file_id->bytes, 16); }

static inline uint64_t sl_check(uint64_t hash, uint64_t file_key, uint64_t offset, uint64_t head_low,
                                uint64_t head_high)
{
    uint64_t x = sl_scramble((hash ^ file_key) + offset * SL_CHECK_PRIME_1);
    x = sl_scramble(x ^ head_low * SL_CHECK_PRIME_2);
    return x + head_high * SL_CHECK_PRIME_1;
}

/* The check of a log record also carries its sequence number, so that a reader who lost count
 * finds it again: sl_record_sequence() is the inverse. */
static inline uint64_t sl_record_check(uint64_t hash, uint64_t file_key, uint64_t offset, uint64_t head,
                                       uint64_t sequence)
{
    return sl_scramble(sl_check(hash, file_key, offset, head, 0) + sequence);
}

static inline uint64_t sl_record_sequence(uint64_t check, uint64_t hash, uint64_t file_key, uint64_t offset,
                                          uint64_t head)
{
    return sl_unscramble(check) - sl_check(hash, file_key, offset, head, 0);
}

#endif
