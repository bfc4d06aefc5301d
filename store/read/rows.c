/* read/rows.c: decoded rows. */
#include "read/rows.h"

#include "format/kernels.h"

#include <stdlib.h>

sl_rows *sl_rows_new(uint32_t column_count)
{
    sl_rows *rows = sl_alloc(sizeof *rows);
    if (!rows) return NULL;
    rows->column_capacity = column_count;
    rows->present = sl_alloc((size_t)column_count * SL_PRESENT_WORDS * sizeof *rows->present);
    rows->values = sl_alloc((size_t)column_count * SL_CHUNK_ROWS_MAX * sizeof *rows->values);
    if (rows->present && rows->values) {
        sl_rows_reset(rows, column_count);
        return rows;
    }
    sl_rows_free(rows);
    return NULL;
}

void sl_rows_reset(sl_rows *rows, uint32_t column_count)
{
    rows->next = NULL;
    rows->row_count = 0;
    rows->column_count = column_count;
    memset(rows->present, 0, (size_t)column_count * SL_PRESENT_WORDS * sizeof *rows->present);
}

void sl_rows_free(sl_rows *rows)
{
    if (!rows) return;
    sl_free(rows->present);
    sl_free(rows->values);
    sl_free(rows);
}

int sl_rows_has_any(const sl_rows *rows, uint32_t row)
{
    for (uint32_t c = 0; c < rows->column_count; c++)
        if (rows->present[(size_t)c * SL_PRESENT_WORDS + row / 64] >> (row % 64) & 1) return 1;
    return 0;
}

/* One full column is enough. */
int sl_rows_are_full(const sl_rows *rows)
{
    if (rows->column_count == 0) return 0;
    for (uint32_t w = 0; w < rows->row_count / 64; w++)
        if (rows->present[w] != UINT64_MAX) return 0;
    uint32_t rest = rows->row_count % 64;
    return !rest || rows->present[rows->row_count / 64] == ((uint64_t)1 << rest) - 1;
}

void sl_rows_move(sl_rows *rows, uint32_t from, uint32_t to)
{
    rows->steps[to] = rows->steps[from];
    rows->times[to] = rows->times[from];
    rows->sequences[to] = rows->sequences[from];
    for (uint32_t c = 0; c < rows->column_count; c++) {
        uint64_t *present = rows->present + (size_t)c * SL_PRESENT_WORDS;
        uint64_t bit = present[from / 64] >> (from % 64) & 1;
        present[to / 64] = (present[to / 64] & ~((uint64_t)1 << (to % 64))) | bit << (to % 64);
        rows->values[(size_t)c * SL_CHUNK_ROWS_MAX + to] = rows->values[(size_t)c * SL_CHUNK_ROWS_MAX + from];
    }
}

/* Sorts rows by step where they are not: stable, so the number decides among equals. */
static _Thread_local const sl_rows *sorting_rows;

static int compare_rows(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (sorting_rows->steps[x] != sorting_rows->steps[y])
        return sorting_rows->steps[x] < sorting_rows->steps[y] ? -1 : 1;
    return x < y ? -1 : x > y;
}

static int sort(sl_rows *rows)
{
    uint32_t order[SL_CHUNK_ROWS_MAX];
    sl_rows *sorted = sl_rows_new(rows->column_count);
    if (!sorted) return 0;
    for (uint32_t i = 0; i < rows->row_count; i++) order[i] = i;
    sorting_rows = rows;
    qsort(order, rows->row_count, sizeof *order, compare_rows);
    for (uint32_t i = 0; i < rows->row_count; i++) {
        uint32_t from = order[i];
        sorted->steps[i] = rows->steps[from];
        sorted->times[i] = rows->times[from];
        sorted->sequences[i] = rows->sequences[from];
        for (uint32_t c = 0; c < rows->column_count; c++) {
            uint64_t bit = rows->present[(size_t)c * SL_PRESENT_WORDS + from / 64] >> (from % 64) & 1;
            sorted->present[(size_t)c * SL_PRESENT_WORDS + i / 64] |= bit << (i % 64);
            sorted->values[(size_t)c * SL_CHUNK_ROWS_MAX + i] = rows->values[(size_t)c * SL_CHUNK_ROWS_MAX + from];
        }
    }
    sorted->row_count = rows->row_count;
    sl_rows swap = *rows;
    memcpy(rows, sorted, sizeof *rows);
    memcpy(sorted, &swap, sizeof swap);
    sl_rows_free(sorted);
    return 1;
}

/* Whether each step is larger than the one before. */
static int are_increasing(const int64_t *steps, uint32_t count)
{
    const sl_kernels *kernels = sl_kernels_now();
    const uint64_t *values = (const uint64_t *)steps; /* the same bytes without a sign */
    uint64_t differences[SL_CHUNK_ROWS_MAX + SL_KERNEL_LANES_MAX];
    int64_t least, most;
    if (count < 2) return 1;
    kernels->extremes(values, count, &least, &most);
    if ((uint64_t)most - (uint64_t)least <= INT64_MAX) { /* else a difference may not fit its sign */
        kernels->difference(values, count, differences, &least, &most);
        return least > 0;
    }
    for (uint32_t i = 1; i < count; i++)
        if (steps[i] <= steps[i - 1]) return 0;
    return 1;
}

static int do_fall(const int64_t *steps, uint32_t count)
{
    uint32_t i = 1;
    while (i < count && steps[i] >= steps[i - 1]) i++;
    return i < count;
}

int sl_rows_settle(sl_rows *rows, int by_step)
{
    rows->is_increasing = are_increasing(rows->steps, rows->row_count);
    if (rows->is_increasing || !by_step || !do_fall(rows->steps, rows->row_count)) return 1;
    if (!sort(rows)) return 0;
    rows->is_increasing = are_increasing(rows->steps, rows->row_count); /* of the rows as they are now */
    return 1;
}
