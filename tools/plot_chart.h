/* plot_chart.h: a whole plot as text: title, axes, curves, marks, legend. */
#ifndef PLOT_CHART_H
#define PLOT_CHART_H

#include "plot_canvas.h"
#include "plot_curve.h"

/* A step worth a vertical line. */
typedef struct plot_mark {
    double x;
    uint32_t attempt;
} plot_mark;

typedef struct plot_chart {
    /* what the caller sets before plot_chart_layout() */
    const char *title;  /* NULL none; printed as it is */
    const char *x_name; /* "step" */
    size_t width;       /* characters of a line */
    size_t height;      /* lines of everything; a long legend goes beyond it */
    plot_style style;
    bool is_log_x, is_log_y, is_whole_x;
    bool is_smoothed;
    bool is_raw_hidden; /* smoothed curves alone */
    plot_curve *curves; /* totals filled; borrowed */
    size_t curve_count;
    const plot_mark *marks; /* borrowed */
    size_t mark_count;

    /* what plot_chart_layout() sets */
    plot_axis x_axis;
    size_t bucket_count; /* each curve is to be reserved with, and filled over x_axis */
    plot_axis y_axis;
    bool is_legend_brief; /* without the steps of min and max: for small terminals */
    size_t gutter;       /* characters left of the raster, the axis line among them */
    size_t columns, rows; /* of the raster */
    size_t strip_count;
} plot_chart;

/* Divides the space, from the totals of the curves. low_x and high_x: the range of the x axis. */
void plot_chart_layout(plot_chart *chart, double low_x, double high_x);

/* Prints it. */
void plot_chart_print(plot_chart *chart, FILE *out);

/* In plot_legend.c: what stands below: each curve with its last, smallest and largest value, and what is not drawn. */
void plot_legend_print(const plot_chart *chart, FILE *out);
/* How many lines that takes; makes it brief when it would take more than a third of the height. */
size_t plot_legend_fit(plot_chart *chart);

#endif
