/* read/rows.h: decoded rows: up to 1024, of the wanted columns only. */
#ifndef SL_READ_ROWS_H
#define SL_READ_ROWS_H

#include "format/chunk_codec.h"

typedef struct sl_rows {
    struct sl_rows *next; /* in a list of unused ones */
    uint32_t row_count, column_count, column_capacity;
    int is_increasing; /* each step is larger than the one before */
    int64_t steps[SL_CHUNK_ROWS_MAX], times[SL_CHUNK_ROWS_MAX], sequences[SL_CHUNK_ROWS_MAX];
    uint64_t *present; /* present[column * SL_PRESENT_WORDS] */
    double *values;    /* values[column * SL_CHUNK_ROWS_MAX]; anything where nothing is present */
} sl_rows;

sl_rows *sl_rows_new(uint32_t column_count); /* no rows; NULL when out of memory */
void sl_rows_reset(sl_rows *rows, uint32_t column_count); /* as new; column_count is at most the capacity */
void sl_rows_free(sl_rows *rows);

int sl_rows_has_any(const sl_rows *rows, uint32_t row);
/* 1 when each row is known to have a value. */
int sl_rows_are_full(const sl_rows *rows);
void sl_rows_move(sl_rows *rows, uint32_t from, uint32_t to);
/* Finds out whether steps increase; by_step: sorts rows that are not in the order of steps. 1, or 0 when out of memory. */
int sl_rows_settle(sl_rows *rows, int by_step);

#endif
