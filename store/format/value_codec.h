/* format/value_codec.h: up to 1024 doubles to bytes and back, bit for bit. */
#ifndef SL_FORMAT_VALUE_CODEC_H
#define SL_FORMAT_VALUE_CODEC_H

#include "steplog/status.h"

#include <stddef.h>
#include <stdint.h>

#define SL_BLOCK_VALUES_MAX 1024u
/* No encoding of count values is longer. */
#define SL_VALUE_ENCODED_BYTES_MAX(count) (8u * (count) + 16u)
/* Decoders read whole vectors: what they are given must be readable this far past its end. */
#define SL_DECODE_SLACK_BYTES 64u

/* Encodes count values (1 to 1024) in the smallest of the codecs of FORMAT.md.
 *
 * out  at least SL_VALUE_ENCODED_BYTES_MAX(count) + SL_DECODE_SLACK_BYTES bytes.
 *
 * Returns the bytes used; bytes after them are not meaningful. Deterministic. Cost: a few ns a value. */
size_t sl_value_encode(const double *values, size_t count, uint8_t *out);

/* Decodes exactly count values from exactly bytes bytes. Any input is safe.
 *
 * in      readable for bytes + SL_DECODE_SLACK_BYTES.
 * values  room for 1024, whatever count is: whole vectors are written. Fastest at addresses of whole cache lines.
 * what    on CORRUPT receives a static text: which rule is broken.
 *
 * Returns OK or CORRUPT. */
steplog_status sl_value_decode(const uint8_t *in, size_t bytes, size_t count, double *values, const char **what);

/* Names the codec of an encoding for dump, static: "decimal e=4 delta=1 width=9 exceptions=3" is
 * written to text (cut to fit). */
void sl_value_describe(const uint8_t *in, size_t bytes, size_t count, char *text, size_t text_bytes);

#endif
