/* base/span.h: reading fields out of bytes that may lie, and building bytes up.
 *
 * A span never reads past its end: the first field that does not fit marks it bad, and every
 * later one reads as zero, so that a decoder checks once at its end. */
#ifndef SL_BASE_SPAN_H
#define SL_BASE_SPAN_H

#include "base/bytes.h"
#include "base/memory.h"

typedef struct sl_span {
    const uint8_t *at;
    size_t left;
    int is_bad;
} sl_span;

static inline sl_span sl_span_of(const void *data, size_t bytes)
{
    return (sl_span){.at = data, .left = bytes, .is_bad = 0};
}

static inline const uint8_t *sl_span_take(sl_span *span, size_t bytes)
{
    if (span->is_bad || bytes > span->left) {
        span->is_bad = 1;
        return NULL;
    }
    const uint8_t *at = span->at;
    span->at += bytes;
    span->left -= bytes;
    return at;
}

static inline uint8_t sl_span_u8(sl_span *span) { const uint8_t *p = sl_span_take(span, 1); return p ? *p : 0; }
static inline uint16_t sl_span_u16(sl_span *span) { const uint8_t *p = sl_span_take(span, 2); return p ? sl_load16(p) : 0; }
static inline uint32_t sl_span_u32(sl_span *span) { const uint8_t *p = sl_span_take(span, 4); return p ? sl_load32(p) : 0; }
static inline uint64_t sl_span_u64(sl_span *span) { const uint8_t *p = sl_span_take(span, 8); return p ? sl_load64(p) : 0; }
static inline int64_t sl_span_i64(sl_span *span) { return (int64_t)sl_span_u64(span); }

/* LEB128, at most 10 bytes, shortest form only. */
static inline uint64_t sl_span_varint(sl_span *span)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = sl_span_u8(span);
        if (shift == 63 && byte > 1) span->is_bad = 1;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            if (byte == 0 && shift > 0) span->is_bad = 1;
            return span->is_bad ? 0 : value;
        }
    }
    span->is_bad = 1;
    return 0;
}

/* Growing bytes. Out of memory is remembered, so that a builder checks once at its end. */
typedef struct sl_buffer {
    uint8_t *data;
    size_t bytes, capacity;
    int is_out_of_memory;
} sl_buffer;

static inline uint8_t *sl_buffer_grow(sl_buffer *buffer, size_t bytes)
{
    if (buffer->is_out_of_memory ||
        !sl_vec_reserve((void **)&buffer->data, &buffer->capacity, buffer->bytes + bytes, 1)) {
        buffer->is_out_of_memory = 1;
        return NULL;
    }
    uint8_t *at = buffer->data + buffer->bytes;
    buffer->bytes += bytes;
    return at;
}

static inline void sl_buffer_put(sl_buffer *buffer, const void *data, size_t bytes)
{
    if (bytes == 0) return;
    uint8_t *at = sl_buffer_grow(buffer, bytes);
    if (at) memcpy(at, data, bytes);
}

static inline void sl_buffer_zeros(sl_buffer *buffer, size_t bytes)
{
    if (bytes == 0) return;
    uint8_t *at = sl_buffer_grow(buffer, bytes);
    if (at) memset(at, 0, bytes);
}

static inline void sl_buffer_u8(sl_buffer *buffer, uint8_t x) { sl_buffer_put(buffer, &x, 1); }
static inline void sl_buffer_u16(sl_buffer *buffer, uint16_t x) { uint8_t b[2]; sl_store16(b, x); sl_buffer_put(buffer, b, 2); }
static inline void sl_buffer_u32(sl_buffer *buffer, uint32_t x) { uint8_t b[4]; sl_store32(b, x); sl_buffer_put(buffer, b, 4); }
static inline void sl_buffer_u64(sl_buffer *buffer, uint64_t x) { uint8_t b[8]; sl_store64(b, x); sl_buffer_put(buffer, b, 8); }
static inline void sl_buffer_i64(sl_buffer *buffer, int64_t x) { sl_buffer_u64(buffer, (uint64_t)x); }

static inline void sl_buffer_varint(sl_buffer *buffer, uint64_t x)
{
    while (x >= 0x80) {
        sl_buffer_u8(buffer, (uint8_t)(x | 0x80));
        x >>= 7;
    }
    sl_buffer_u8(buffer, (uint8_t)x);
}

static inline void sl_buffer_clear(sl_buffer *buffer)
{
    buffer->bytes = 0;
    buffer->is_out_of_memory = 0;
}

static inline void sl_buffer_free(sl_buffer *buffer)
{
    sl_free(buffer->data);
    *buffer = (sl_buffer){0};
}

static inline int sl_id_equal(const void *a, const void *b) { return memcmp(a, b, 16) == 0; }
static inline int sl_id_is_zero(const void *id) { return (sl_load64(id) | sl_load64((const uint8_t *)id + 8)) == 0; }

#endif
