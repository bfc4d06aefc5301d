/* write/stripe.h: blocks of one schema that wait to be written together, column by column, so that a pass over one column
 * reads long stretches of the file. */
#ifndef SL_WRITE_STRIPE_H
#define SL_WRITE_STRIPE_H

#include "format/stats_codec.h"

typedef struct sl_stripe_chunk {
    uint32_t row_count;
    int64_t *axis;         /* steps, then times, then sequences: row_count of each */
    sl_column_info *infos; /* one for each column; page_distance: where its payload is in payloads */
    sl_stats_entry *stats; /* one for each column; NULL once they were taken */
} sl_stripe_chunk;

typedef struct sl_stripe {
    uint32_t schema, column_count;
    size_t chunk_count;
    sl_stripe_chunk chunks[SL_STRIPE_CHUNKS_MAX];
    sl_buffer payloads;
} sl_stripe;

void sl_stripe_init(sl_stripe *stripe, uint32_t schema, uint32_t column_count);

/* Adds a chunk with an empty place for each column, to be filled by sl_stripe_put(); the stripe must not be full. NULL when
 * out of memory: nothing was added. */
sl_stripe_chunk *sl_stripe_add(sl_stripe *stripe, uint32_t row_count, const int64_t *steps, const int64_t *times,
                               const int64_t *sequences);
/* Sets a column of a chunk. 1, or 0 when out of memory. */
int sl_stripe_put(sl_stripe *stripe, sl_stripe_chunk *chunk, uint32_t column, const sl_column_info *info,
                  const uint8_t *payload);
/* Takes the last chunk away again. */
void sl_stripe_drop(sl_stripe *stripe);
void sl_stripe_clear(sl_stripe *stripe); /* no chunks; memory of payloads stays */
void sl_stripe_free(sl_stripe *stripe);

#endif
