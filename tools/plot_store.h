/* plot_store.h: the curves of `steplog plot RUN SERIES...`: series of a store. */
#ifndef PLOT_STORE_H
#define PLOT_STORE_H

#include "plot_chart.h"
#include "number.h"
#include "select.h"

typedef struct plot_store_options {
    number_steps steps;
    double smooth_weight; /* below 0: no smoothing */
    bool is_log_x, is_log_y;
    bool has_marks;   /* find where attempts begin */
    size_t curves_max;
} plot_store_options;

typedef struct plot_store {
    session *session;
    plot_store_options options;
    plot_curve *curves; /* totals filled */
    steplog_series *series;   /* beside each curve */
    steplog_id *series_runs;  /* likewise: the run it was asked of, a fork's too where its parent has the points */
    size_t curve_count;
    steplog_id *runs;
    size_t run_count;
    char *title; /* what all curves have in common; NULL nothing */
    char *x_name;
    plot_mark *marks;
    size_t mark_count;
} plot_store;

/* Finds the series and their totals.
 *
 * s             open; borrowed until plot_store_clear().
 * run_selector  as for every verb, or several divided by commas.
 * selectors     none: the series that have "loss" in their name, else all.
 *
 * Returns 0, or an exit code after saying why. */
int plot_store_find(plot_store *store, session *s, const plot_store_options *options, const char *run_selector,
                    char *const *selectors, size_t selector_count);

/* Fills the buckets of every curve. Returns 0, or an exit code after saying why. */
int plot_store_fill(plot_store *store, const plot_axis *x_axis, size_t bucket_count);

void plot_store_clear(plot_store *store);

#endif
