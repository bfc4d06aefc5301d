/* ls.h: what the two halves of `steplog ls` share: reductions of a series, and what to sort by. */
#ifndef STEPLOG_LS_H
#define STEPLOG_LS_H

#include "select.h"
#include "table.h"

typedef enum ls_reduction { LS_LAST, LS_FIRST, LS_MIN, LS_MAX, LS_COUNT, LS_REDUCTION_COUNT } ls_reduction;

/* "min:loss": a reduction of the series that a selector means. */
typedef struct ls_metric {
    char *label; /* as it was written */
    char *selector;
    ls_reduction reduction;
} ls_metric;

typedef struct ls_options {
    const char *status, *project, *name; /* comma list, globs */
    char **params, **tags;               /* KEY or KEY=GLOB */
    size_t param_count, tag_count;
    int has_since;
    int64_t since_ns;
    ls_metric *metrics; /* --cols */
    size_t metric_count;
    const char *sort;
    int is_reversed;
    uint64_t limit; /* 0: none */
    table_options table;
} ls_options;

/* Reads one "METRIC" or "HOW:METRIC". */
ls_metric ls_metric_parse(const char *text, size_t bytes);
void ls_metric_clear(ls_metric *metric);

/* Reduces a series to what is known about all of it. Returns 1, or 0 when it has no points. */
int ls_reduce(session *s, steplog_series series, steplog_m4 *out);

/* Gives one number of it; 0 when it has none (no finite smallest). */
int ls_reduction_value(const steplog_m4 *m, ls_reduction reduction, double *out);

/* Lists the series of a run: argument for selectors as in select_series(). Returns an exit code. */
int ls_series(session *s, const steplog_id *run, char *const *selectors, size_t selector_count,
              const ls_options *options);

#endif
