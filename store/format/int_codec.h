/* format/int_codec.h: up to 1024 signed 64-bit integers to bytes and back: steps, times, sequences. */
#ifndef SL_FORMAT_INT_CODEC_H
#define SL_FORMAT_INT_CODEC_H

#include "format/value_codec.h"

#define SL_INT_ENCODED_BYTES_MAX(count) (8u * (count) + 16u)

/* As sl_value_encode(), for integers: affine (header only), and common factor, delta order 0 to 3,
 * frame of reference and patched bit packing; raw. All arithmetic wraps. */
size_t sl_int_encode(const int64_t *values, size_t count, uint8_t *out);

/* The same with the caller's memory, which is large: any, and what was in it is lost. */
struct sl_stream_work;
size_t sl_int_encode_with(const int64_t *values, size_t count, struct sl_stream_work *work, uint8_t *out);

/* As sl_value_decode(). */
steplog_status sl_int_decode(const uint8_t *in, size_t bytes, size_t count, int64_t *values, const char **what);

void sl_int_describe(const uint8_t *in, size_t bytes, size_t count, char *text, size_t text_bytes);

#endif
