/* format/chunk_codec.h: up to 1024 rows of one writer and one schema: their axis and their columns.
 *
 * The content of a CHUNK page: a head, the three parts of the axis (steps, times, sequences), a
 * directory of the columns, and the payloads of those columns that are too short for a page of
 * their own. The others stand in COLUMN pages before it. */
#ifndef SL_FORMAT_CHUNK_CODEC_H
#define SL_FORMAT_CHUNK_CODEC_H

#include "base/span.h"
#include "format/layout.h"

#define SL_PRESENT_WORDS (SL_CHUNK_ROWS_MAX / 64)

/* Of the values of one column in one chunk, NaN and Inf apart. */
typedef struct sl_column_stats {
    double first, last;              /* any value */
    double smallest, largest;        /* finite ones; NaN when there is none */
    uint16_t smallest_at, largest_at; /* which value, counted from 0, the first of equals */
    uint16_t nan_count, positive_inf_count, negative_inf_count;
} sl_column_stats;
/* In the mode of base/float_mode.h. */
void sl_column_stats_make(const double *values, size_t count, sl_column_stats *out);

typedef struct sl_column_info {
    uint8_t flags;
    uint32_t payload_bytes;
    uint32_t value_count;
    uint32_t presence_bytes; /* at the front of the payload */
    uint64_t page_distance;  /* own page: from its offset to that of the chunk page */
    const uint8_t *payload;  /* inline: lent */
} sl_column_info;

/* Encodes one column: values[row] where bit row of present is set (NULL: all). payload receives presence
 * and values; info everything but page_distance and payload. */
void sl_column_encode(const double *values, const uint64_t *present, uint32_t row_count, sl_buffer *payload,
                      sl_column_info *info);

/* Decodes a payload (readable SL_DECODE_SLACK_BYTES past its end) to values by row, 0 where not present,
 * and presence bits. values has room for 1024. */
steplog_status sl_column_decode(const sl_column_info *info, const uint8_t *payload, uint32_t row_count, double *values,
                                uint64_t present[SL_PRESENT_WORDS], const char **what);

enum { SL_PART_STEPS = 0, SL_PART_TIMES = 1, SL_PART_SEQUENCES = 2, SL_PART_COUNT = 3 };

typedef struct sl_chunk_head {
    uint32_t writer, schema;
    uint32_t row_count, column_count, flags;
    uint32_t part_bytes[SL_PART_COUNT];        /* 0: times that are all unknown */
    int is_reference[SL_PART_COUNT];           /* the part is that of the chunk page at reference[] */
    uint64_t reference[SL_PART_COUNT];
    const uint8_t *part[SL_PART_COUNT];        /* lent */
    const uint8_t *directory;                  /* lent */
    uint32_t directory_bytes;
    const uint8_t *inline_payloads;            /* lent */
    uint32_t inline_bytes;
} sl_chunk_head;

/* Takes a chunk page's content apart. 1 when its head is well formed. */
int sl_chunk_head_decode(const uint8_t *content, uint32_t bytes, sl_chunk_head *out);

/* Walks the directory; start with sl_chunk_directory_begin(). 0 at the end or when it is malformed
 * (then walk.is_bad). */
typedef struct sl_chunk_walk {
    sl_span span;
    const sl_chunk_head *head;
    uint32_t column, inline_offset;
    int is_bad;
} sl_chunk_walk;
sl_chunk_walk sl_chunk_directory_begin(const sl_chunk_head *head);
int sl_chunk_directory_next(sl_chunk_walk *walk, sl_column_info *out);

/* Appends one directory entry. */
void sl_chunk_directory_put(sl_buffer *directory, const sl_column_info *info);

/* Puts a chunk page's content together. */
void sl_chunk_encode(const sl_chunk_head *head, sl_buffer *out);

#endif
