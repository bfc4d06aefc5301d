/* plot_input.h: the curves of `steplog plot -`: lines of numbers from standard input. */
#ifndef PLOT_INPUT_H
#define PLOT_INPUT_H

#include "plot_curve.h"

#include <stdio.h>

#define PLOT_INPUT_CURVES_MAX 26

typedef struct plot_input_options {
    double smooth_weight; /* below 0: no smoothing */
    bool is_log_x;
    bool has_begin, has_end; /* of x, half-open */
    double begin, end;
} plot_input_options;

typedef struct plot_points plot_points;

typedef struct plot_input {
    plot_curve *curves; /* totals filled */
    plot_points *points; /* beside each curve */
    size_t curve_count;
    char *x_name;             /* from a header line, or NULL; harmless to print */
    bool is_whole_x;          /* every x is an integer */
    uint64_t line_count;      /* lines with numbers */
    uint64_t bad_count;       /* lines that are something else */
    uint64_t first_bad_line;  /* counted from 1 */
} plot_input;

/* Reads to the end. A line is "y", "x y" or "x y y ..." as the first one was, divided by tabs, commas or blanks.
 * Comments (#) and empty lines are passed over, other lines counted as bad; a first line of words names the columns.
 * Memory is bounded: where there are very many points, neighbours are thinned out to their extremes. */
void plot_input_read(plot_input *input, const plot_input_options *options, FILE *in);

/* Fills the buckets of every curve. */
void plot_input_fill(plot_input *input, const plot_axis *x_axis, size_t bucket_count, double smooth_weight);

void plot_input_clear(plot_input *input);

#endif
