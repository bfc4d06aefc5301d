/* query_aggregate.c: the arithmetic of query --every. */
#include "query_aggregate.h"

#include <math.h>
#include <string.h>

const char *const aggregate_names[AGGREGATE_KIND_COUNT + 1] = {"mean", "min", "max", "last", "count", NULL};

void aggregate_clear(aggregate *a)
{
    memset(a, 0, sizeof *a);
}

void aggregate_add(aggregate *a, double value)
{
    a->count++;
    a->last = value;
    if (isnan(value)) {
        a->nan_count++;
        a->sum += value;
        return;
    }
    int is_first = a->count - a->nan_count == 1;
    if (is_first || value < a->min) a->min = value;
    if (is_first || value > a->max) a->max = value;
    /* Neumaier's sum: what rounding loses is kept beside it. With infinities there is nothing to keep. */
    double sum = a->sum + value;
    if (isfinite(sum)) a->carry += fabs(a->sum) >= fabs(value) ? (a->sum - sum) + value : (value - sum) + a->sum;
    a->sum = sum;
    a->scaled_sum += value * 0x1p-64;
}

/* Where the sum of finite values is too large for a double the mean comes from the scaled one, which is less exact:
 * nothing is lost of values so large. */
static double mean_of(const aggregate *a)
{
    const double count = (double)a->count;
    if (isfinite(a->sum)) return (a->sum + a->carry) / count;
    const int is_finite = a->nan_count == 0 && isfinite(a->min) && isfinite(a->max);
    return is_finite ? a->scaled_sum / count * 0x1p64 : a->sum / count;
}

double aggregate_value(const aggregate *a, aggregate_kind kind)
{
    int is_empty = a->count == a->nan_count;
    switch (kind) {
    case AGGREGATE_MIN: return is_empty ? a->last : a->min;
    case AGGREGATE_MAX: return is_empty ? a->last : a->max;
    case AGGREGATE_LAST: return a->last;
    case AGGREGATE_COUNT: return (double)a->count;
    default: return mean_of(a);
    }
}

int64_t aggregate_bucket(int64_t step, int64_t width)
{
    int64_t quotient = step / width - (step % width < 0), start;
    return __builtin_mul_overflow(quotient, width, &start) ? INT64_MIN : start;
}
