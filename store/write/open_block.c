/* write/open_block.c: from rows to columns. Memory grows with the rows that come, so that a thousand short
 * series cost what they hold. */
#include "write/open_block.h"

/* Columns begin this many values apart from a power of two, else one row's values would all compete for the same few
 * lines of the nearest cache. */
#define STRIDE_PAD 8u

void sl_open_block_init(sl_open_block *block, uint32_t schema, uint32_t column_count)
{
    *block = (sl_open_block){
        .schema = schema, .column_count = column_count, .rows_max = sl_block_rows_max(column_count)};
}

static int grow(sl_open_block *block)
{
    uint32_t capacity = block->row_capacity ? block->row_capacity * 4 : 16;
    if (capacity > block->rows_max) capacity = block->rows_max;
    size_t columns = block->column_count;
    int64_t *axis[3] = {block->steps, block->times, block->sequences};
    for (int i = 0; i < 3; i++) {
        int64_t *bigger = sl_resize(axis[i], capacity, sizeof *bigger);
        if (!bigger) return 0;
        *(i == 0 ? &block->steps : i == 1 ? &block->times : &block->sequences) = bigger;
    }
    if (!block->present && !(block->present = sl_alloc_zero(columns * SL_PRESENT_WORDS, sizeof *block->present)))
        return 0;
    size_t stride = capacity + STRIDE_PAD;
    double *values = sl_alloc(columns * stride * sizeof *values);
    if (!values) return 0;
    for (size_t c = 0; c < columns && block->row_count; c++)
        memcpy(values + c * stride, block->values + c * block->column_stride, block->row_count * sizeof *values);
    sl_free(block->values);
    block->values = values;
    block->row_capacity = capacity;
    block->column_stride = stride;
    return 1;
}

int sl_open_block_add(sl_open_block *block, int64_t step, int64_t time_ns, uint64_t sequence, const double *values,
                      const uint64_t *present)
{
    if (block->row_count == block->row_capacity && !grow(block)) return 0;
    uint32_t row = block->row_count++;
    block->steps[row] = step;
    block->times[row] = time_ns;
    block->sequences[row] = (int64_t)sequence;
    uint64_t bit = (uint64_t)1 << (row % 64);
    double *to = block->values + row;
    if (!present) {
        for (uint32_t c = 0; c < block->column_count; c++) to[c * block->column_stride] = values[c];
        block->whole_rows[row / 64] |= bit;
        return 1;
    }
    uint64_t *bits = block->present + row / 64;
    for (uint32_t c = 0; c < block->column_count; c++) {
        int is_present = present[c / 64] >> (c % 64) & 1;
        *to = is_present ? values[c] : 0.0;
        if (is_present) *bits |= bit;
        to += block->column_stride;
        bits += SL_PRESENT_WORDS;
    }
    return 1;
}

#define ROWS_TOGETHER 8u /* of doubles: a line of the cache */

/* A line of each column at a time: value by value each store would go to another line, and each line be fetched once
 * for each of its values. */
static void put_rows_together(double *to, size_t stride, uint32_t column_count, const uint8_t *const *bodies)
{
    for (uint32_t c = 0; c < column_count; c++, to += stride) {
        uint64_t line[ROWS_TOGETHER];
        for (uint32_t r = 0; r < ROWS_TOGETHER; r++) line[r] = sl_load64(bodies[r] + 16 + 8 * (size_t)c);
        memcpy(to, line, sizeof line);
    }
}

uint32_t sl_open_block_add_rows(sl_open_block *block, const uint8_t *const *bodies, uint32_t count, uint64_t sequence)
{
    uint32_t first = block->row_count, i = 0;
    if (count > block->rows_max - first) count = block->rows_max - first;
    while (first + count > block->row_capacity)
        if (!grow(block)) return 0;
    for (; i + ROWS_TOGETHER <= count; i += ROWS_TOGETHER)
        put_rows_together(block->values + first + i, block->column_stride, block->column_count, bodies + i);
    for (; i < count; i++) {
        double *to = block->values + first + i;
        for (size_t c = 0; c < block->column_count; c++, to += block->column_stride)
            *to = sl_double_of(sl_load64(bodies[i] + 16 + 8 * c));
    }
    for (i = 0; i < count; i++) {
        uint32_t row = first + i;
        block->steps[row] = (int64_t)sl_load64(bodies[i]);
        block->times[row] = (int64_t)sl_load64(bodies[i] + 8);
        block->sequences[row] = (int64_t)(sequence + i);
        block->whole_rows[row / 64] |= (uint64_t)1 << (row % 64);
    }
    block->row_count += count;
    return count;
}

void sl_open_block_finish(sl_open_block *block)
{
    for (uint32_t c = 0; c < block->column_count; c++)
        for (uint32_t i = 0; i < SL_PRESENT_WORDS; i++)
            block->present[c * SL_PRESENT_WORDS + i] |= block->whole_rows[i];
}

void sl_open_block_clear(sl_open_block *block)
{
    memset(block->whole_rows, 0, sizeof block->whole_rows);
    if (block->present)
        memset(block->present, 0, (size_t)block->column_count * SL_PRESENT_WORDS * sizeof *block->present);
    block->row_count = 0;
}

void sl_open_block_free(sl_open_block *block)
{
    sl_free(block->steps);
    sl_free(block->times);
    sl_free(block->sequences);
    sl_free(block->values);
    sl_free(block->present);
    *block = (sl_open_block){0};
}
