/* bench/plot.h: charts of lines and marks, written as SVG by the program itself. */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include "timing.h"

#include <stddef.h>

typedef struct plot plot;

enum { PLOT_LOG_X = 1, PLOT_LOG_Y = 2 };

/* Texts are copied. Coordinates on logarithmic axes must be above 0; points that are not are left out. */
plot *plot_new(const char *title, const char *x_label, const char *y_label, int flags);
/* A line through points in the order given; each line has a colour of its own. */
void plot_line(plot *p, const char *name, const double *x, const double *y, size_t count);
/* A dot with its name beside it. */
void plot_mark(plot *p, const char *name, double x, double y);
/* The distribution of calls: one in x took y ns or longer. For plots with both axes logarithmic. */
void plot_latency(plot *p, const char *name, const latency *l, double of_a_tick);
/* Writes the file and frees the plot. Ends the program when the file cannot be written. */
void plot_write(plot *p, const char *path);

#endif
