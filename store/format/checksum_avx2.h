/* format/checksum_avx2.h: XXH3-64 by 256-bit vectors. The same bits as by any other way: they are wider steps through
 * the same sums. */
#ifndef SL_FORMAT_CHECKSUM_AVX2_H
#define SL_FORMAT_CHECKSUM_AVX2_H

#include <stddef.h>
#include <stdint.h>

#if defined __x86_64__ && (defined __GNUC__ || defined __clang__)
#define SL_HAS_HASH_AVX2 1
/* For processors that have AVX2 only. */
uint64_t sl_hash_avx2(const void *data, size_t bytes);
#else
#define SL_HAS_HASH_AVX2 0
#endif

#endif
