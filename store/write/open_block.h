/* write/open_block.h: rows of one schema on their way to becoming a block: column by column, in memory. */
#ifndef SL_WRITE_OPEN_BLOCK_H
#define SL_WRITE_OPEN_BLOCK_H

#include "format/chunk_codec.h"

/* Wide schemas have shorter blocks, so that an open block is at most 2 MiB or 64 rows. */
#define SL_OPEN_BLOCK_CELLS_MAX 262144u
#define SL_OPEN_BLOCK_ROWS_MIN 64u

typedef struct sl_open_block {
    uint32_t schema, column_count;
    uint32_t row_count, row_capacity, rows_max;
    int64_t *steps, *times, *sequences;
    size_t column_stride;
    double *values;    /* values[column * column_stride + row] */
    uint64_t *present; /* present[column * SL_PRESENT_WORDS + row / 64]; whole rows only after sl_open_block_finish() */
    uint64_t whole_rows[SL_PRESENT_WORDS]; /* rows that have all their values */
} sl_open_block;

static inline uint32_t sl_block_rows_max(uint32_t column_count)
{
    uint32_t rows = SL_OPEN_BLOCK_CELLS_MAX / column_count;
    if (rows > SL_CHUNK_ROWS_MAX) return SL_CHUNK_ROWS_MAX;
    return rows < SL_OPEN_BLOCK_ROWS_MIN ? SL_OPEN_BLOCK_ROWS_MIN : rows;
}

void sl_open_block_init(sl_open_block *block, uint32_t schema, uint32_t column_count);
/* Adds a row; the block must not be full. 1, or 0 when out of memory. */
int sl_open_block_add(sl_open_block *block, int64_t step, int64_t time_ns, uint64_t sequence, const double *values,
                      const uint64_t *present);
/* Adds whole rows with ascending sequences, from bodies of log records: step, time, values. Gives how many there was
 * room for; 0 when out of memory. */
uint32_t sl_open_block_add_rows(sl_open_block *block, const uint8_t *const *bodies, uint32_t count, uint64_t sequence);
/* Makes present say the same of whole rows as of all others. */
void sl_open_block_finish(sl_open_block *block);
static inline int sl_open_block_is_full(const sl_open_block *block) { return block->row_count == block->rows_max; }
void sl_open_block_clear(sl_open_block *block); /* no rows; memory stays */
void sl_open_block_free(sl_open_block *block);

#endif
