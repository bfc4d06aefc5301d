/* format/record_codec.h: one record of a row log.
 *
 * A record is a multiple of 8 bytes, at most SL_RECORD_BYTES_MAX:
 *   0  u16  length in units of 8 bytes; 0: nothing is committed here
 *   2  u8   kind
 *   3  u8   flags
 *   4  u32  index: of the schema, the metric or the name
 *   8  u64  check, which also tells the sequence number
 *   16 ..   body
 * The first 8 bytes are the commit word: they are stored last, with release order. */
#ifndef SL_FORMAT_RECORD_CODEC_H
#define SL_FORMAT_RECORD_CODEC_H

#include "format/checksum.h"
#include "format/layout.h"

typedef struct sl_record {
    uint32_t bytes; /* with the head; 0: the end of what is committed */
    uint8_t kind, flags;
    uint32_t index;
    uint64_t sequence; /* its number, or for records without one that of the next that has */
    const uint8_t *body;
    uint32_t body_bytes;
} sl_record;

static inline uint64_t sl_record_head(uint32_t bytes, unsigned kind, unsigned flags, uint32_t index)
{
    return (uint64_t)(bytes / 8) | (uint64_t)kind << 16 | (uint64_t)flags << 24 | (uint64_t)index << 32;
}

/* The check of a record whose body is in place at p + 16. */
static inline uint64_t sl_record_check_of(const uint8_t *p, uint32_t bytes, uint64_t head, uint64_t file_key,
                                          uint64_t offset, uint64_t sequence)
{
    return sl_record_check(sl_hash(p + SL_RECORD_HEAD_BYTES, bytes - SL_RECORD_HEAD_BYTES), file_key, offset, head,
                           sequence);
}

typedef enum sl_record_state {
    SL_RECORD_GOOD = 0,
    SL_RECORD_NONE = 1,   /* the commit word is zero */
    SL_RECORD_SHORT = 2,  /* its length is possible, but it is longer than what was given */
    SL_RECORD_BROKEN = 3, /* impossible head, or the check differs */
    SL_RECORD_ELSEWHEN = 4 /* the check is good for another sequence number than expected */
} sl_record_state;

/* Decodes the record at p, of which available bytes are there and which lies at offset of its file.
 * expected_sequence: what its number has to be. On ELSEWHEN out is filled, with the number that the
 * check gives: believable only when it is a little above what was expected. */
sl_record_state sl_record_decode(const uint8_t *p, size_t available, uint64_t file_key, uint64_t offset,
                                 uint64_t expected_sequence, sl_record *out);

/* ---- bodies ---- */

/* A row, as found in a record of kind ROW. */
typedef struct sl_row_body {
    int64_t step, time_ns;
    const uint8_t *presence; /* NULL: all present; else words of 64 bits */
    const uint8_t *values;   /* little-endian doubles, only those present */
    uint32_t value_count;
} sl_row_body;

/* Returns 1 when the body is well formed for a schema of metric_count metrics. */
int sl_row_body_decode(const sl_record *record, uint32_t metric_count, sl_row_body *out);

#define SL_ROW_BYTES(value_count) (SL_RECORD_HEAD_BYTES + 16u + 8u * (uint32_t)(value_count))
#define SL_PRESENCE_BYTES(metric_count) (8u * (((uint32_t)(metric_count) + 63u) / 64u))

/* One part of a text record (FACT, BLOB, WRITER, NAME, SCHEMA): a body of
 *   0 u32 bytes of this part   4 u32 bytes of all parts together   8 .. the part, zero padded to 8. */
typedef struct sl_part {
    const uint8_t *data;
    uint32_t bytes, total_bytes;
} sl_part;
int sl_part_decode(const sl_record *record, sl_part *out);

#endif
