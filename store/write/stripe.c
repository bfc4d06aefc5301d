/* write/stripe.c: blocks that wait to be written together. */
#include "write/stripe.h"

void sl_stripe_init(sl_stripe *s, uint32_t schema, uint32_t column_count)
{
    *s = (sl_stripe){.schema = schema, .column_count = column_count};
}

static void free_chunk(sl_stripe_chunk *chunk)
{
    sl_free(chunk->axis);
    sl_free(chunk->infos);
    sl_free(chunk->stats);
}

sl_stripe_chunk *sl_stripe_add(sl_stripe *s, uint32_t row_count, const int64_t *steps, const int64_t *times,
                               const int64_t *sequences)
{
    sl_stripe_chunk chunk = {.row_count = row_count,
                             .axis = sl_alloc(3 * (size_t)row_count * sizeof *chunk.axis),
                             .infos = sl_alloc_zero(s->column_count, sizeof *chunk.infos),
                             .stats = sl_alloc_zero(s->column_count, sizeof *chunk.stats)};
    if (!chunk.axis || !chunk.infos || !chunk.stats) {
        free_chunk(&chunk);
        return NULL;
    }
    memcpy(chunk.axis, steps, row_count * sizeof *steps);
    memcpy(chunk.axis + row_count, times, row_count * sizeof *times);
    memcpy(chunk.axis + 2 * (size_t)row_count, sequences, row_count * sizeof *sequences);
    s->chunks[s->chunk_count] = chunk;
    return &s->chunks[s->chunk_count++];
}

int sl_stripe_put(sl_stripe *s, sl_stripe_chunk *chunk, uint32_t column, const sl_column_info *info,
                  const uint8_t *payload)
{
    chunk->infos[column] = *info;
    chunk->infos[column].page_distance = s->payloads.bytes;
    sl_buffer_put(&s->payloads, payload, info->payload_bytes);
    return !s->payloads.is_out_of_memory;
}

void sl_stripe_drop(sl_stripe *s) { free_chunk(&s->chunks[--s->chunk_count]); }

void sl_stripe_clear(sl_stripe *s)
{
    while (s->chunk_count) sl_stripe_drop(s);
    sl_buffer_clear(&s->payloads);
}

void sl_stripe_free(sl_stripe *s)
{
    sl_stripe_clear(s);
    sl_buffer_free(&s->payloads);
}
