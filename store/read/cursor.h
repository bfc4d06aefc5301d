/* read/cursor.h: a pass over points, in batches. */
#ifndef SL_READ_CURSOR_H
#define SL_READ_CURSOR_H

#include "read/merge.h"

/* The arrays of a batch. Columns may grow (following). */
typedef struct sl_batch_arrays {
    uint32_t rows_max, row_count;
    uint32_t used_rows; /* rows from here on are zero in all columns */
    size_t column_count, column_capacity;
    int64_t *steps, *times;
    uint32_t *attempts, *writers;
    uint64_t *sequences;
    /* what is given away: the arrays above, or the rows of a decoded block */
    const int64_t *given_steps, *given_times;
    const uint64_t *given_sequences;
    /* attempts and writers hold these in all rows, or, with is_filled 0, something else */
    int is_filled;
    uint32_t filled_attempt, filled_writer;
    double *values;     /* values[column * rows_max] */
    uint64_t *present;  /* present[column * words] */
    uint32_t words;
    const double **value_pointers;
    const uint64_t **present_pointers;
    double *zeros;          /* lent for columns that a batch does not have */
    uint64_t *no_presence;
} sl_batch_arrays;

steplog_status sl_batch_init(sl_batch_arrays *batch, size_t column_count, steplog_error *err);
steplog_status sl_batch_grow(sl_batch_arrays *batch, size_t column_count, steplog_error *err); /* when it is empty */
void sl_batch_start(sl_batch_arrays *batch);
void sl_batch_free(sl_batch_arrays *batch);
void sl_batch_give(const sl_batch_arrays *batch, steplog_batch *out);
/* Puts one value at a row that exists. */
static inline void sl_batch_put(sl_batch_arrays *batch, uint32_t row, size_t column, double value)
{
    if (row >= batch->used_rows) batch->used_rows = row + 1;
    batch->values[column * batch->rows_max + row] = value;
    batch->present[column * batch->words + row / 64] |= (uint64_t)1 << (row % 64);
}
static inline int sl_batch_has(const sl_batch_arrays *batch, uint32_t row, size_t column)
{
    return (int)(batch->present[column * batch->words + row / 64] >> (row % 64) & 1);
}

typedef struct sl_follow sl_follow; /* follow.c */

struct steplog_cursor {
    steplog_reader *reader;
    steplog_id run;
    SL_VEC(steplog_series) series;
    steplog_view view;
    sl_piece_set set;
    sl_merge merge;
    sl_batch_arrays batch;
    uint64_t snapshots_taken; /* because a log went away under it */
    uint64_t skip; /* rows to pass over first: a view of the last n */
    /* the step that is being joined */
    int has_step;
    int64_t step;
    uint64_t *seen_at;     /* by column: when it was counted */
    uint64_t *seen_count;  /* of the rows of the step, in earlier batches too, how many it has passed */
    uint64_t stamp;        /* of the step */
    uint64_t step_given;   /* rows of this step in earlier batches */
    uint32_t step_row;     /* where its rows begin in this batch */
    uint32_t carried;      /* so many rows from step_row on were not given: the next batch begins with them */
    steplog_status failed; /* 0, or what it answers from now on, with this error */
    steplog_error failure;
    sl_follow *follow;
};

steplog_status sl_follow_open(steplog_cursor *cursor, const char *selector, steplog_error *err);
steplog_status sl_follow_next(steplog_cursor *cursor, int32_t wait_ms, steplog_error *err);
void sl_follow_close(steplog_cursor *cursor);

#endif
