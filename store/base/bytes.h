/* base/bytes.h: little-endian numbers at any address. */
#ifndef SL_BASE_BYTES_H
#define SL_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SL_LE(bits, x) (x)
#else
#define SL_LE(bits, x) __builtin_bswap##bits(x)
#endif

static inline uint16_t sl_load16(const void *p) { uint16_t x; memcpy(&x, p, 2); return SL_LE(16, x); }
static inline uint32_t sl_load32(const void *p) { uint32_t x; memcpy(&x, p, 4); return SL_LE(32, x); }
static inline uint64_t sl_load64(const void *p) { uint64_t x; memcpy(&x, p, 8); return SL_LE(64, x); }
static inline void sl_store16(void *p, uint16_t x) { x = SL_LE(16, x); memcpy(p, &x, 2); }
static inline void sl_store32(void *p, uint32_t x) { x = SL_LE(32, x); memcpy(p, &x, 4); }
static inline void sl_store64(void *p, uint64_t x) { x = SL_LE(64, x); memcpy(p, &x, 8); }
static inline uint64_t sl_bits_of(double x) { uint64_t b; memcpy(&b, &x, 8); return b; }
static inline double sl_double_of(uint64_t b) { double x; memcpy(&x, &b, 8); return x; }

static inline int sl_is_zero(const void *data, size_t bytes)
{
    const uint8_t *p = (const uint8_t *)data;
    uint8_t any = 0;
    for (size_t i = 0; i < bytes; i++) any |= p[i];
    return any == 0;
}

#endif
