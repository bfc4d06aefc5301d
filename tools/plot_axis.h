/* plot_axis.h: one axis of a plot: where a value lies on it, and the round values worth a label. */
#ifndef PLOT_AXIS_H
#define PLOT_AXIS_H

#include <stdbool.h>
#include <stddef.h>

#define PLOT_TICKS_MAX 64
#define PLOT_LABEL_BYTES 32

typedef struct plot_axis {
    double low, high; /* finite, low < high; above 0 when is_log */
    bool is_log;
    bool is_whole; /* values are integers: no tick between them */
    double factor; /* a power of two that keeps differences of huge and of tiny values exact */
} plot_axis;

typedef struct plot_tick {
    double value;
    double position; /* 0 at low, 1 at high */
    char label[PLOT_LABEL_BYTES];
} plot_tick;

/* Sets an axis from the smallest and largest value to be shown. Equal values get room on both sides. */
void plot_axis_init(plot_axis *axis, double low, double high, bool is_log, bool is_whole);

/* Where a value lies: 0 at low, 1 at high; outside for values outside. */
double plot_axis_position(const plot_axis *axis, double value);

/* The nearest of count dots, 0 to count - 1; values outside go to the ends. */
size_t plot_axis_dot(const plot_axis *axis, double value, size_t count);

/* Chooses round values, about wanted (2 to PLOT_TICKS_MAX) of them, ascending.
 *
 * out  has room for PLOT_TICKS_MAX.
 *
 * Returns how many there are; 0 only when the range is too narrow for round values. */
size_t plot_axis_ticks(const plot_axis *axis, size_t wanted, plot_tick *out);

/* Writes a value as short as people read it: "0.0312", "3e-4", "1.8e308", "nan", "-inf". */
void plot_axis_value_text(double value, char out[PLOT_LABEL_BYTES]);

#endif
