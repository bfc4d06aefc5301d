/* plot_curve.h: one curve of a plot: what is known of all its values, and its values reduced to buckets of x. */
#ifndef PLOT_CURVE_H
#define PLOT_CURVE_H

#include "plot_axis.h"

#include <steplog.h>

/* The values between two neighbouring dots of the x axis. */
typedef struct plot_bucket {
    uint64_t count;
    uint64_t nan_count;
    uint64_t high_inf_count; /* +Inf */
    uint64_t low_inf_count;  /* -Inf */
    uint64_t negative_count; /* finite, 0 or below: a log axis has no place for them; 0 when not known */
    double first, last;      /* any value */
    double low, high;        /* of the finite values; NaN when there is none */
    double low_positive;     /* smallest finite value above 0; NaN when there is none */
} plot_bucket;

/* An exponential moving average, corrected for its start at 0 as TensorBoard does it. Values that are not finite
 * pass through and leave it alone. */
typedef struct plot_smoother {
    double weight; /* 0 to below 1 */
    double mean;
    double rest; /* weight to the power of how many values there were */
} plot_smoother;

typedef struct plot_curve {
    char *label;       /* harmless to print; owned */
    plot_bucket total; /* everything in view, first and last by x */
    double low_x, high_x; /* where total.low and total.high are */
    double first_x, last_x;
    uint64_t outside_count; /* at x of 0 or below on a log axis: not in total */
    plot_bucket *raw;       /* owned */
    plot_bucket *smooth;    /* owned; NULL without smoothing */
    size_t bucket_count;
    plot_smoother smoother;
} plot_curve;

/* Starts a curve; take_label is owned from now on. */
void plot_curve_init(plot_curve *curve, char *take_label);
void plot_curve_clear(plot_curve *curve);

/* Gives a curve its buckets, empty. */
void plot_curve_reserve(plot_curve *curve, size_t bucket_count);

/* Gives it buckets for smoothed values too, and how far the smoothing of them has come (weight 0 to below 1, rest 1
 * at the beginning). */
void plot_curve_reserve_smooth(plot_curve *curve, plot_smoother smoother);

/* Counts a value into the total, not into a bucket. */
void plot_curve_count(plot_curve *curve, double x, double value);

/* Puts a value, or a smoothed one, into the bucket of x; not into the total. */
void plot_curve_add(plot_curve *curve, const plot_axis *axis, double x, double value);
void plot_curve_add_smooth(plot_curve *curve, const plot_axis *axis, double x, double smooth_value);

double plot_smoother_next(plot_smoother *smoother, double value);

/* Takes what the library reduced. */
plot_bucket plot_bucket_from_m4(const steplog_m4 *from);

#endif
