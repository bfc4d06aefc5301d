/* plot_curve.c: reduces the values of a curve to one bucket for each dot of the x axis.
 *
 * A bucket keeps first, last, smallest and largest value (M4), so that what is drawn from it is, dot for dot, what
 * drawing every value would give: no spike is lost. Values that are not finite are counted beside. Buckets come from
 * the library (block statistics, no decoding) or are filled here value by value, where there is a log x axis,
 * smoothing or standard input. */
#include "plot_curve.h"

#include "print.h"

#include <math.h>
#include <stdlib.h>

static const plot_bucket empty_bucket = {.first = NAN, .last = NAN, .low = NAN, .high = NAN, .low_positive = NAN};

void plot_curve_init(plot_curve *curve, char *take_label)
{
    *curve = (plot_curve){.label = take_label, .total = empty_bucket, .low_x = NAN, .high_x = NAN};
    curve->first_x = curve->last_x = NAN;
}

void plot_curve_clear(plot_curve *curve)
{
    free(curve->label);
    free(curve->raw);
    free(curve->smooth);
    *curve = (plot_curve){0};
}

static plot_bucket *new_buckets(size_t count)
{
    plot_bucket *buckets = xcalloc(count, sizeof *buckets);
    for (size_t i = 0; i < count; i++) buckets[i] = empty_bucket;
    return buckets;
}

void plot_curve_reserve(plot_curve *curve, size_t bucket_count)
{
    curve->bucket_count = bucket_count;
    curve->raw = new_buckets(bucket_count);
}

void plot_curve_reserve_smooth(plot_curve *curve, plot_smoother smoother)
{
    curve->smooth = new_buckets(curve->bucket_count);
    curve->smoother = smoother;
}

static void add_to(plot_bucket *bucket, double value)
{
    if (bucket->count++ == 0) bucket->first = value;
    bucket->last = value;
    if (isnan(value)) {
        bucket->nan_count++;
    } else if (isinf(value)) {
        if (value > 0) bucket->high_inf_count++;
        else bucket->low_inf_count++;
    } else {
        bucket->low = fmin(bucket->low, value); /* fmin and fmax leave a NaN for the number */
        bucket->high = fmax(bucket->high, value);
        if (value > 0) bucket->low_positive = fmin(bucket->low_positive, value);
        else bucket->negative_count++;
    }
}

void plot_curve_count(plot_curve *curve, double x, double value)
{
    plot_bucket *total = &curve->total;
    const double first = total->first, last = total->last;
    const bool is_begun = total->count > 0;
    if (isfinite(value)) {
        if (!(value >= total->low)) curve->low_x = x;
        if (!(value <= total->high)) curve->high_x = x;
    }
    add_to(total, value);
    if (is_begun && x >= curve->first_x) total->first = first;
    else curve->first_x = x;
    if (is_begun && x < curve->last_x) total->last = last;
    else curve->last_x = x;
}

void plot_curve_add(plot_curve *curve, const plot_axis *axis, double x, double value)
{
    add_to(&curve->raw[plot_axis_dot(axis, x, curve->bucket_count)], value);
}

void plot_curve_add_smooth(plot_curve *curve, const plot_axis *axis, double x, double smooth_value)
{
    add_to(&curve->smooth[plot_axis_dot(axis, x, curve->bucket_count)], smooth_value);
}

double plot_smoother_next(plot_smoother *smoother, double value)
{
    if (!isfinite(value)) return value;
    smoother->mean = smoother->mean * smoother->weight + (1 - smoother->weight) * value;
    smoother->rest *= smoother->weight;
    return smoother->mean / (1 - smoother->rest);
}

plot_bucket plot_bucket_from_m4(const steplog_m4 *from)
{
    if (from->count == 0) return empty_bucket;
    plot_bucket bucket = {
        .count = from->count,
        .nan_count = from->nan_count,
        .high_inf_count = from->inf_count - from->negative_inf_count,
        .low_inf_count = from->negative_inf_count,
        .first = from->value[0],
        .last = from->value[1],
        .low = from->value[2],
        .high = from->value[3],
        .low_positive = NAN,
    };
    if (bucket.low > 0) bucket.low_positive = bucket.low;
    return bucket;
}
