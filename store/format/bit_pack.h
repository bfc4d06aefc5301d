/* format/bit_pack.h: unsigned integers of 0 to 64 bits each, packed without gaps.
 *
 * Two layouts, told apart by the count alone: exactly 1024 values lie in 16 interleaved lanes, so
 * that a row of 16 values is unpacked with the same shift in each lane; any other count is one
 * continuous bit string, so that a short series costs no padding. */
#ifndef SL_FORMAT_BIT_PACK_H
#define SL_FORMAT_BIT_PACK_H

#include <stddef.h>
#include <stdint.h>

/* Put before a function of plain loops: compiled for wider vectors too, where the compiler and the loader can
 * choose among versions at run time (a sanitized one cannot). Results do not depend on the version, because no
 * version contracts floating point (-ffp-contract=off). -DSL_NO_CLONES leaves them out. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__OPTIMIZE__) && defined(__GNUC__) && \
    !defined(__clang__) && __GNUC__ >= 12 && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(SL_NO_CLONES)
#define SL_VECTORISED \
    __attribute__((optimize("O3"), target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SL_VECTORISED
#endif

/* A few loops are written for 512-bit vectors by hand: put SL_WITH_AVX512 before them and call them only where
 * sl_has_avx512() says so. -DSL_NO_CLONES leaves them out too. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(SL_NO_CLONES)
#define SL_HAS_WIDE_LOOPS 1
/* Not instrumented: the address sanitizer of gcc 12 puts 64-byte variables at addresses that their moves do not bear
 * (detect_stack_use_after_return). */
#define SL_WITH_AVX512 \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"), no_sanitize("address")))
static inline int sl_has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}
#else
#define SL_HAS_WIDE_LOOPS 0
#endif

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

/* Unpacks count values. in must be readable for 16 bytes past sl_pack_bytes(). Returns 1 when the
 * packing is canonical: padding bits are zero, and some value needs all width bits. */
int sl_unpack(const uint8_t *in, size_t count, unsigned width, uint64_t *values);

/* The same, and adds base, wrapping, to each value. */
int sl_unpack_from(const uint8_t *in, size_t count, unsigned width, uint64_t base, uint64_t *values);

#endif
