/* query_aggregate.h: rows in step order to one row for each stretch of N steps. */
#ifndef STEPLOG_QUERY_AGGREGATE_H
#define STEPLOG_QUERY_AGGREGATE_H

#include <stddef.h>
#include <stdint.h>

typedef enum aggregate_kind {
    AGGREGATE_MEAN, /* of all points; one NaN makes it NaN */
    AGGREGATE_MIN,  /* of the points that are numbers; NaN when none is */
    AGGREGATE_MAX,
    AGGREGATE_LAST,
    AGGREGATE_COUNT, /* of points, NaN included */
    AGGREGATE_KIND_COUNT
} aggregate_kind;

extern const char *const aggregate_names[AGGREGATE_KIND_COUNT + 1]; /* NULL-ended */

/* What one column holds within a bucket. */
typedef struct aggregate {
    uint64_t count, nan_count;
    double sum, carry; /* compensated */
    double scaled_sum; /* of the values times 2^-64: cannot overflow */
    double min, max, last;
} aggregate;

void aggregate_clear(aggregate *a);
void aggregate_add(aggregate *a, double value);

/* The result; a->count must not be 0. */
double aggregate_value(const aggregate *a, aggregate_kind kind);

/* First step of the bucket that holds a step: the multiple of width at or below it. */
int64_t aggregate_bucket(int64_t step, int64_t width);

#endif
