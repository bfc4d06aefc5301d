/* read/m4.h: buckets of steps, and what is known of the values in them. */
#ifndef SL_READ_M4_H
#define SL_READ_M4_H

#include "read/rows.h"
#include "steplog/reader.h"

/* Points come in the order of the view. */
typedef struct sl_m4 {
    steplog_m4 *buckets;
    size_t bucket_count;
    int64_t begin, last; /* of all buckets, both included: last is below INT64_MAX, so that an end can be told */
    int has_largest;     /* the step INT64_MAX counts as if it were last */
    /* the bucket that was used last: steps begin + first_distance to begin + last_distance */
    steplog_m4 *bucket;
    uint64_t first_distance, last_distance;
} sl_m4;

void sl_m4_init(sl_m4 *m4, steplog_m4 *buckets, size_t count, int64_t begin, int64_t last);

/* Makes the bucket of a step the one that is used. NULL for a step that is in none: an index that lies may lead there. */
steplog_m4 *sl_m4_select(sl_m4 *m4, int64_t step);

/* 1 when all steps from first to last, both included, are of one bucket, which is selected. */
static inline int sl_m4_is_one_bucket(sl_m4 *m4, int64_t first, int64_t last)
{
    uint64_t distance = (uint64_t)first - (uint64_t)m4->begin;
    if (first < m4->begin || distance < m4->first_distance || distance > m4->last_distance)
        if (!sl_m4_select(m4, first)) return 0;
    return last >= first && (uint64_t)last - (uint64_t)m4->begin <= m4->last_distance;
}

/* What is known of values that are all of one bucket. first_step says which. */
typedef struct sl_m4_summary {
    double first, last, smallest, largest; /* of the finite ones, NaN for none */
    int64_t first_step, last_step, smallest_step, largest_step;
    uint64_t count, nan_count, positive_inf_count, negative_inf_count;
} sl_m4_summary;
void sl_m4_add(sl_m4 *m4, const sl_m4_summary *summary);

/* Adds the values of one column, rows [row, row + count), whose steps ascend. */
void sl_m4_add_rows(sl_m4 *m4, const sl_rows *rows, uint32_t row, uint32_t count);

#endif
