/* read/rows.h: decoded rows: up to 1024, of the wanted columns only. */
#ifndef SL_READ_ROWS_H
#define SL_READ_ROWS_H

#include "format/chunk_codec.h"

/* Rows that blocks are decoded into are a table with room for 1024 of them. Those that wait beside others are packed: they
 * have room for themselves only, and where most cells of the table would be empty they are a list of values instead. */
typedef struct sl_rows {
    struct sl_rows *next; /* in a list of unused ones */
    uint32_t row_count, column_count, column_capacity;
    uint32_t stride, words; /* of a column, in values and in present */
    int is_packed;
    int is_increasing; /* each step is larger than the one before */
    int64_t *steps, *times, *sequences;
    const uint32_t *outputs; /* by column: which column of the cursor it is; lent, or behind the values */
    uint64_t *present; /* present[column * words] */
    double *values;    /* values[column * stride]; anything where nothing is present */
    /* A list: row r has the values [list_begin[r], list_begin[r + 1]), of the columns in list_columns. NULL: a table. */
    uint32_t *list_begin, *list_columns;
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

/* A packed copy of rows, of which there is at least one; settled. A single column always is a table. Outputs of a list
 * stay lent. NULL when out of memory. */
sl_rows *sl_rows_pack(const sl_rows *rows, int by_step);
/* 1 when a packed copy of a table that was decoded into takes about half as much, or less. */
int sl_rows_are_sparse(const sl_rows *rows);

/* Walks the values of a row: *at begins with 0. 1 and the next one while there are more. */
static inline int sl_rows_next(const sl_rows *rows, uint32_t row, uint32_t *at, uint32_t *column, double *value)
{
    if (rows->list_begin) {
        uint32_t index = rows->list_begin[row] + *at;
        if (index == rows->list_begin[row + 1]) return 0;
        *column = rows->list_columns[index];
        *value = rows->values[index];
        (*at)++;
        return 1;
    }
    while (*at < rows->column_count) {
        uint32_t c = (*at)++;
        if (!(rows->present[(size_t)c * rows->words + row / 64] >> (row % 64) & 1)) continue;
        *column = c;
        *value = rows->values[(size_t)c * rows->stride + row];
        return 1;
    }
    return 0;
}

/* ---- a list in the making ---- */

/* Rows of a log as they come, value by value. */
typedef struct sl_row_list {
    SL_VEC(int64_t) steps, times, sequences;
    SL_VEC(uint32_t) begin, columns;
    SL_VEC(double) values;
} sl_row_list;

void sl_row_list_clear(sl_row_list *list);
void sl_row_list_free(sl_row_list *list);
/* Both 1, or 0 when out of memory. A row is its values, then this. One without values is none. */
int sl_row_list_put(sl_row_list *list, uint32_t column, double value);
int sl_row_list_end_row(sl_row_list *list, int64_t step, int64_t time_ns, uint64_t sequence);
/* Packs them; outputs are those of column_count columns. *out is NULL when there is no row. 1, or 0 when out of memory. */
int sl_row_list_pack(sl_row_list *list, uint32_t column_count, const uint32_t *outputs, int by_step, sl_rows **out);

#endif
