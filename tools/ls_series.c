/* ls_series.c: the series of one run, a line each, from block statistics: no points are read for it. */
#include "ls.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const reduction_names[] = {"last", "first", "min", "max", "count"};

ls_metric ls_metric_parse(const char *text, size_t bytes)
{
    ls_metric metric = {.reduction = LS_LAST};
    const char *selector = text;
    for (size_t i = 0; i < LS_REDUCTION_COUNT; i++) {
        size_t length = strlen(reduction_names[i]);
        if (bytes <= length + 1 || memcmp(text, reduction_names[i], length) != 0 || text[length] != ':') continue;
        metric.reduction = (ls_reduction)i;
        selector = text + length + 1;
    }
    metric.label = xmalloc(bytes + 1);
    memcpy(metric.label, text, bytes);
    metric.label[bytes] = 0;
    metric.selector = xstrdup(metric.label + (selector - text));
    return metric;
}

void ls_metric_clear(ls_metric *metric)
{
    free(metric->label);
    free(metric->selector);
}

int ls_reduce(session *s, steplog_series series, steplog_m4 *out)
{
    memset(out, 0, sizeof *out);
    return steplog_reader_m4(s->reader, series, NULL, 1, out, NULL, NULL, NULL) == STEPLOG_OK && out->count > 0;
}

int ls_reduction_value(const steplog_m4 *m, ls_reduction reduction, double *out)
{
    uint64_t finite = m->count - m->nan_count - m->inf_count;
    switch (reduction) {
    case LS_FIRST: *out = m->value[0]; return 1;
    case LS_MIN: *out = m->value[2]; return finite > 0;
    case LS_MAX: *out = m->value[3]; return finite > 0;
    case LS_COUNT: *out = (double)m->count; return 1;
    default: *out = m->value[1]; return 1;
    }
}

/* One line to be. */
typedef struct series_line {
    steplog_series_info info;
    steplog_m4 m;
    int has_points;
    int has_key; /* to sort by */
    double key;
    size_t place;
} series_line;

static int compare_by_key(const void *left, const void *right)
{
    const series_line *a = left, *b = right;
    if (a->has_key != b->has_key) return b->has_key - a->has_key;
    if (a->has_key && a->key != b->key) return a->key < b->key ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

/* Sorting by name is the order of the library. Counts come largest first, values smallest first. */
static int sort_lines(series_line *lines, size_t count, const ls_options *options)
{
    size_t reduction = 0;
    const char *sort = options->sort ? options->sort : "name";
    double sign = options->is_reversed ? -1 : 1;
    int is_by_name = strcmp(sort, "name") == 0;
    if (strcmp(sort, "points") == 0) sort = "count";
    while (reduction < LS_REDUCTION_COUNT && strcmp(sort, reduction_names[reduction]) != 0) reduction++;
    if (!is_by_name && reduction == LS_REDUCTION_COUNT) {
        print_error("series sort by name, points, first, last, min or max, not by '%s'", sort);
        return TOOL_USAGE;
    }
    if (reduction == LS_COUNT || reduction == LS_MAX) sign = -sign;
    for (size_t i = 0; i < count; i++) {
        series_line *line = &lines[i];
        line->place = i;
        line->key = (double)i;
        line->has_key = is_by_name;
        if (!is_by_name && line->has_points)
            line->has_key = ls_reduction_value(&line->m, (ls_reduction)reduction, &line->key);
        if (isnan(line->key)) line->has_key = 0;
        line->key *= sign;
    }
    qsort(lines, count, sizeof *lines, compare_by_key);
    return TOOL_YES;
}

static void put_value(table *t, const series_line *line, ls_reduction reduction)
{
    double value;
    if (line->has_points && ls_reduction_value(&line->m, reduction, &value)) table_double_brief(t, value);
    else table_none(t);
}

/* Finite values are plain; what is not stands out. */
static void put_strange(table *t, const series_line *line)
{
    table_color(t, line->m.nan_count ? "31" : "");
    table_uint(t, line->m.nan_count);
    table_color(t, line->m.inf_count ? "31" : "");
    table_uint(t, line->m.inf_count);
}

static void put_line(table *t, const series_line *line)
{
    char *labels = print_labels(&line->info, 0);
    table_text_bytes(t, line->info.name, line->info.name_bytes);
    table_uint(t, line->info.rank);
    if (labels && *labels && line->info.label_count > 0) table_text(t, labels);
    else table_none(t);
    free(labels);
    table_uint(t, line->m.count);
    if (line->has_points) {
        table_int(t, line->m.step[0]);
        table_int(t, line->m.step[1]);
    } else {
        table_none(t);
        table_none(t);
    }
    put_value(t, line, LS_LAST);
    put_value(t, line, LS_MIN);
    put_value(t, line, LS_MAX);
    put_strange(t, line);
    table_end_row(t);
}

static int print_lines(const steplog_id *run, const series_line *lines, size_t count, const ls_options *options)
{
    static const char *const names[] = {"series", "rank", "labels", "points", "first_step", "last_step",
                                        "last",   "min",  "max",    "nan",    "inf"};
    out_file o;
    char id[STEPLOG_ID_TEXT_BYTES];
    int code = out_open(&o, options->table.output);
    if (code != TOOL_YES) return code;
    table *t = table_new(&o, options->table.format, !options->table.is_headless, "series");
    steplog_id_format(run, id);
    table_json_member(t, "run", id);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        table_column(t, names[i], i == 0 || i == 2 ? TABLE_LEFT : TABLE_RIGHT);
    for (size_t i = 0; i < count && (options->limit == 0 || i < options->limit); i++) put_line(t, &lines[i]);
    table_finish(t);
    return out_close(&o, TOOL_YES);
}

int ls_series(session *s, const steplog_id *run, char *const *selectors, size_t selector_count,
              const ls_options *options)
{
    steplog_series *series;
    size_t count;
    int code = select_series(s, run, selectors, selector_count, &series, &count);
    if (code != TOOL_YES) return code;
    series_line *lines = xcalloc(count, sizeof *lines);
    for (size_t i = 0; i < count; i++) {
        lines[i].info.size_bytes = sizeof lines[i].info;
        steplog_reader_series(s->reader, series[i], &lines[i].info, NULL);
        lines[i].has_points = ls_reduce(s, series[i], &lines[i].m);
    }
    code = sort_lines(lines, count, options);
    if (code == TOOL_YES) code = print_lines(run, lines, count, options);
    free(lines);
    free(series);
    return session_check_damage(s, code);
}
