/* cmd_ls.c: lists runs, a line each; with a RUN, its series (ls_series.c).
 *
 * Every run is looked at once: filters first, because they are cheap, then the metrics asked for by --cols or --sort,
 * which come from block statistics. What is held is one small entry for each run that passes. */
#include "ls.h"
#include "time_text.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_COLS = 256, OPT_SORT, OPT_STATUS, OPT_PROJECT, OPT_NAME, OPT_PARAM, OPT_TAG, OPT_SINCE };

static const args_option option_table[] = {
    {OPT_COLS, 0, "cols", "METRIC,...", "columns with a metric's last value; HOW:METRIC for others"},
    {OPT_SORT, 0, "sort", "KEY", "name, age, steps, points, bytes, status or HOW:METRIC"},
    {'r', 'r', "reverse", NULL, "sort the other way"},
    {'n', 'n', "limit", "N", "at most N lines"},
    {OPT_STATUS, 0, "status", "S,...", "running, finished, failed, killed, empty, unknown"},
    {OPT_PROJECT, 0, "project", "GLOB", "runs of matching projects"},
    {OPT_NAME, 0, "name", "GLOB", "runs with matching names"},
    {OPT_PARAM, 0, "param", "K[=GLOB]", "runs with this parameter; may be repeated"},
    {OPT_TAG, 0, "tag", "K[=GLOB]", "runs with this tag; may be repeated"},
    {OPT_SINCE, 0, "since", "TIME", "runs that recorded something since, such as -2d"},
    TABLE_OPTIONS,
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "ls", "[options]\n[options] RUN [SERIES...]",
    "Lists the runs of a store, newest first; or the series of a run. HOW is last, first, min, max or\n"
    "count. Of the ranks of a metric, min, max and count take all, the others the lowest. A metric named\n"
    "as a column of the line itself (step, time...) is shown as last:step.\n"
    "Sorting puts the likely best first: small values for min, large for max; --reverse turns it round.",
    option_table,
    "steplog ls\n"
    "steplog ls --status killed,failed --since -1d\n"
    "steplog ls --cols loss,max:acc --sort min:loss --param lr=0.0*\n"
    "steplog ls @latest                 # its series\n"};

/* One line to be. */
typedef struct run_line {
    steplog_run_info info; /* name and project are our own */
    double *values; /* one for each metric, then the one to sort by */
    unsigned char *has_value;
    size_t place;
} run_line;

typedef struct run_list {
    run_line *lines;
    size_t count, capacity;
} run_list;

/* ---- options ---- */

/* Splits at commas outside of braces; a backslash takes a comma's meaning away. */
static void add_metrics(ls_options *o, const char *text)
{
    while (*text != 0) {
        size_t end = 0;
        int depth = 0;
        for (; text[end] != 0 && (text[end] != ',' || depth > 0); end++) {
            if (text[end] == '{') depth++;
            if (text[end] == '}' && depth > 0) depth--;
            if (text[end] == '\\' && text[end + 1] != 0) end++;
        }
        if (end > 0) {
            o->metrics = xrealloc(o->metrics, (o->metric_count + 1) * sizeof *o->metrics);
            o->metrics[o->metric_count++] = ls_metric_parse(text, end);
        }
        text += end + (text[end] == ',');
    }
}

static void add_text(char ***list, size_t *count, const char *text)
{
    *list = xrealloc(*list, (*count + 1) * sizeof **list);
    (*list)[(*count)++] = xstrdup(text);
}

static int check_statuses(args *a)
{
    const char *at = a->value;
    for (;;) {
        size_t length = strcspn(at, ",");
        int is_known = 0;
        for (int status = STEPLOG_RUN_UNKNOWN; status <= STEPLOG_RUN_EMPTY; status++) {
            const char *name = select_status_name((steplog_run_status)status);
            is_known |= strlen(name) == length && memcmp(name, at, length) == 0;
        }
        if (!is_known) {
            args_fail(a, "option '--status' wants running, finished, failed, killed, empty or unknown, not '%.*s'",
                      (int)(length < 100 ? length : 100), at);
            return 0;
        }
        if (at[length] == 0) return 1;
        at += length + 1;
    }
}

static int parse_options(args *a, ls_options *o)
{
    for (int id; (id = args_next(a)) != ARGS_DONE;) {
        switch (id) {
        case OPT_COLS: add_metrics(o, a->value); break;
        case OPT_SORT: o->sort = a->value; break;
        case 'r': o->is_reversed = 1; break;
        case 'n':
            if (!args_count(a, &o->limit)) return a->exit_code;
            if (o->limit == 0) return args_fail(a, "option '--limit' wants at least 1");
            break;
        case OPT_STATUS:
            if (!check_statuses(a)) return a->exit_code;
            o->status = a->value;
            break;
        case OPT_PROJECT: o->project = a->value; break;
        case OPT_NAME: o->name = a->value; break;
        case OPT_PARAM: add_text(&o->params, &o->param_count, a->value); break;
        case OPT_TAG: add_text(&o->tags, &o->tag_count, a->value); break;
        case OPT_SINCE:
            if (!args_time(a, &o->since_ns)) return a->exit_code;
            o->has_since = 1;
            break;
        case ARGS_EXIT: return a->exit_code;
        default: table_option(&o->table, a, id); break;
        }
    }
    return TOOL_YES;
}

static void clear_options(ls_options *o)
{
    for (size_t i = 0; i < o->metric_count; i++) ls_metric_clear(&o->metrics[i]);
    for (size_t i = 0; i < o->param_count; i++) free(o->params[i]);
    for (size_t i = 0; i < o->tag_count; i++) free(o->tags[i]);
    free(o->metrics);
    free(o->params);
    free(o->tags);
}

/* ---- filters ---- */

static int is_listed(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == 0)) return 1;
    return 0;
}

static int matches(const char *glob, const char *text)
{
    return glob == NULL || (text && fnmatch(glob, text, 0) == 0);
}

/* Tells whether the fact KIND.K is there, and matches where K=GLOB was asked for. */
static int has_fact(session *s, const steplog_id *run, const char *kind, const char *wanted)
{
    size_t key_bytes = strcspn(wanted, "=");
    char *key = xmalloc(strlen(kind) + key_bytes + 1);
    const char *value = NULL;
    sprintf(key, "%s%.*s", kind, (int)key_bytes, wanted);
    steplog_status status = steplog_reader_fact(s->reader, run, key, &value);
    free(key);
    if (status != STEPLOG_OK || value == NULL) return 0;
    return wanted[key_bytes] == 0 || fnmatch(wanted + key_bytes + 1, value, 0) == 0;
}

static int is_wanted(session *s, const steplog_run_info *info, const ls_options *o)
{
    if (o->status && !is_listed(o->status, select_status_name(info->status))) return 0;
    if (!matches(o->project, info->project) || !matches(o->name, info->name)) return 0;
    if (o->has_since && (info->time_last_ns <= STEPLOG_TIME_NONE || info->time_last_ns < o->since_ns)) return 0;
    for (size_t i = 0; i < o->param_count; i++)
        if (!has_fact(s, &info->id, "param.", o->params[i])) return 0;
    for (size_t i = 0; i < o->tag_count; i++)
        if (!has_fact(s, &info->id, "tag.", o->tags[i])) return 0;
    return 1;
}

/* ---- metrics ---- */

/* Of several series: the smallest, the largest, the sum of counts, else the first one's. */
static int run_value(session *s, const steplog_id *run, const ls_metric *metric, double *out)
{
    size_t found = 0;
    int has_value = 0;
    if (steplog_reader_find(s->reader, run, metric->selector, NULL, 0, &found, NULL) != STEPLOG_OK) return 0;
    const size_t capacity = found;
    steplog_series *series = xcalloc(capacity, sizeof *series);
    if (steplog_reader_find(s->reader, run, metric->selector, series, capacity, &found, NULL) != STEPLOG_OK) found = 0;
    int is_joined = metric->reduction == LS_MIN || metric->reduction == LS_MAX || metric->reduction == LS_COUNT;
    for (size_t i = 0; i < found && i < capacity && (is_joined || !has_value); i++) {
        steplog_m4 m;
        double value;
        if (!ls_reduce(s, series[i], &m) || !ls_reduction_value(&m, metric->reduction, &value)) continue;
        if (!has_value) *out = value;
        else if (metric->reduction == LS_COUNT) *out += value;
        else if (metric->reduction == LS_MIN ? value < *out : value > *out) *out = value;
        has_value = 1;
    }
    free(series);
    return has_value;
}

/* ---- sorting ---- */

typedef enum sort_key {
    SORT_NONE,
    SORT_NAME,
    SORT_STATUS,
    SORT_AGE,
    SORT_STEPS,
    SORT_POINTS,
    SORT_BYTES,
    SORT_METRIC
} sort_key;

/* For qsort(), which passes no context. */
static struct {
    sort_key key;
    int sign;
    size_t value; /* of run_line.values */
} order;

static int parse_sort(const ls_options *o, ls_metric *metric, int *has_metric)
{
    static const char *const names[] = {"none", "name", "status", "age", "steps", "points", "bytes", NULL};
    *has_metric = 0;
    order.sign = o->is_reversed ? -1 : 1;
    order.key = SORT_NONE;
    if (o->sort == NULL) return TOOL_YES;
    for (int i = SORT_NAME; names[i]; i++)
        if (strcmp(o->sort, names[i]) == 0) order.key = (sort_key)i;
    if (order.key != SORT_NONE) return TOOL_YES;
    *metric = ls_metric_parse(o->sort, strlen(o->sort));
    *has_metric = 1;
    if (strcmp(metric->selector, metric->label) == 0) { /* no HOW: */
        const char *nearest = args_nearest(o->sort, names);
        print_error("cannot sort by '%.100s': expected name, age, steps, points, bytes, status or HOW:METRIC such as "
                    "min:loss%s%s%s",
                    o->sort, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
        return TOOL_USAGE;
    }
    order.key = SORT_METRIC;
    if (metric->reduction == LS_MAX || metric->reduction == LS_COUNT) order.sign = -order.sign;
    return TOOL_YES;
}

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

/* What has no value comes last, whichever way round. */
static int compare_metrics(const run_line *a, const run_line *b)
{
    int has_a = a->has_value[order.value] && !isnan(a->values[order.value]);
    int has_b = b->has_value[order.value] && !isnan(b->values[order.value]);
    if (has_a != has_b) return has_b - has_a;
    return has_a ? order.sign * COMPARE(a->values[order.value], b->values[order.value]) : 0;
}

static int compare_names(const run_line *a, const run_line *b)
{
    int has_a = a->info.name != NULL, has_b = b->info.name != NULL;
    if (has_a != has_b) return has_b - has_a;
    return has_a ? order.sign * strcmp(a->info.name, b->info.name) : 0;
}

static int64_t steps_of(const run_line *line)
{
    return line->info.has_steps ? line->info.step_last : INT64_MIN;
}

static int compare_lines(const void *left, const void *right)
{
    const run_line *a = left, *b = right;
    int result = 0;
    switch (order.key) {
    case SORT_METRIC: result = compare_metrics(a, b); break;
    case SORT_NAME: result = compare_names(a, b); break;
    case SORT_STATUS: result = order.sign * COMPARE(a->info.status, b->info.status); break;
    case SORT_AGE: result = -order.sign * COMPARE(a->info.time_last_ns, b->info.time_last_ns); break;
    case SORT_STEPS: result = -order.sign * COMPARE(steps_of(a), steps_of(b)); break;
    case SORT_POINTS: result = -order.sign * COMPARE(a->info.point_count, b->info.point_count); break;
    case SORT_BYTES: result = -order.sign * COMPARE(a->info.stored_bytes, b->info.stored_bytes); break;
    case SORT_NONE: return order.sign * COMPARE(a->place, b->place);
    }
    return result ? result : COMPARE(a->place, b->place);
}

/* ---- the table ---- */

static const char *status_color(steplog_run_status status)
{
    switch (status) {
    case STEPLOG_RUN_RUNNING: return "32";
    case STEPLOG_RUN_FAILED:
    case STEPLOG_RUN_KILLED: return "31";
    default: return "";
    }
}

/* Columns that would be empty or the same for all are left out where people read; programs always get all. */
typedef struct layout {
    int is_short, has_project, has_attempt;
} layout;

static layout choose_layout(table *t, const run_list *list)
{
    layout l = {.is_short = table_get_format(t) == TABLE_ALIGNED};
    l.has_project = l.has_attempt = !l.is_short;
    for (size_t i = 0; i < list->count; i++) {
        l.has_project |= list->lines[i].info.project != NULL;
        l.has_attempt |= list->lines[i].info.attempt_count > 1;
    }
    return l;
}

/* A metric may be named as a column of the line itself: a second one would hide it. */
static void add_metric_column(table *t, const char *label)
{
    static const char *const taken[] = {"run", "name", "project", "status", "attempt", "step", "points", "age", "time",
                                        "bytes"};
    if (!select_is_taken(label, strlen(label), taken, sizeof taken / sizeof taken[0])) {
        table_column(t, label, TABLE_RIGHT);
        return;
    }
    char name[32];
    snprintf(name, sizeof name, "last:%s", label);
    table_column(t, name, TABLE_RIGHT);
}

static void add_columns(table *t, const layout *l, const ls_options *o)
{
    table_column(t, "run", TABLE_WHOLE);
    table_column(t, "name", TABLE_LEFT);
    if (l->has_project) table_column(t, "project", TABLE_LEFT);
    table_column(t, "status", TABLE_WHOLE);
    if (l->has_attempt) table_column(t, "attempt", TABLE_RIGHT);
    table_column(t, "step", TABLE_RIGHT);
    table_column(t, "points", TABLE_RIGHT);
    for (size_t i = 0; i < o->metric_count; i++) add_metric_column(t, o->metrics[i].label);
    table_column(t, l->is_short ? "age" : "time", TABLE_RIGHT);
    table_column(t, "bytes", TABLE_RIGHT);
}

static void put_line(table *t, const layout *l, const run_line *line, const ls_options *o, int64_t now_ns)
{
    const steplog_run_info *info = &line->info;
    char id[STEPLOG_ID_TEXT_BYTES];
    steplog_id_format(&info->id, id);
    table_text_bytes(t, id, l->is_short ? 8 : 32);
    table_text(t, info->name);
    if (l->has_project) table_text(t, info->project);
    table_color(t, status_color(info->status));
    table_text(t, select_status_name(info->status));
    if (l->has_attempt) table_uint(t, info->attempt);
    if (info->has_steps) table_int(t, info->step_last);
    else table_none(t);
    table_uint(t, info->point_count);
    for (size_t i = 0; i < o->metric_count; i++) {
        if (line->has_value[i]) table_double_brief(t, line->values[i]);
        else table_none(t);
    }
    table_age(t, info->time_last_ns, now_ns);
    table_bytes(t, info->stored_bytes);
    table_end_row(t);
}

static int print_runs(const run_list *list, const ls_options *options)
{
    out_file o;
    int code = out_open(&o, options->table.output);
    if (code != TOOL_YES) return code;
    table *t = table_new(&o, options->table.format, !options->table.is_headless, "runs");
    layout l = choose_layout(t, list);
    int64_t now_ns = time_text_now();
    add_columns(t, &l, options);
    for (size_t i = 0; i < list->count && (options->limit == 0 || i < options->limit); i++)
        put_line(t, &l, &list->lines[i], options, now_ns);
    table_finish(t);
    return out_close(&o, list->count > 0 ? TOOL_YES : TOOL_NO);
}

/* ---- collecting ---- */

/* The reader's strings and the places of runs are good until it looks at points, which may take a new snapshot. */
static void add_run(run_list *list, const steplog_run_info *info)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 64;
        list->lines = xrealloc(list->lines, list->capacity * sizeof *list->lines);
    }
    run_line *line = &list->lines[list->count];
    *line = (run_line){.info = *info, .place = list->count};
    if (info->name) line->info.name = xstrdup(info->name);
    if (info->project) line->info.project = xstrdup(info->project);
    list->count++;
}

static void add_values(session *s, run_line *line, const ls_options *o, const ls_metric *sort_metric)
{
    line->values = xcalloc(o->metric_count + 1, sizeof *line->values);
    line->has_value = xcalloc(o->metric_count + 1, 1);
    for (size_t i = 0; i <= o->metric_count; i++) {
        const ls_metric *metric = i < o->metric_count ? &o->metrics[i] : sort_metric;
        if (metric) line->has_value[i] = (unsigned char)run_value(s, &line->info.id, metric, &line->values[i]);
    }
}

static int collect_runs(session *s, run_list *list, const ls_options *o, const ls_metric *sort_metric)
{
    size_t count = steplog_reader_run_count(s->reader);
    for (size_t i = 0; i < count; i++) {
        steplog_run_info info = {.size_bytes = sizeof info};
        steplog_error err = {0};
        steplog_status status = steplog_reader_run(s->reader, i, &info, &err);
        if (status != STEPLOG_OK) return print_failure(NULL, status, &err);
        if (is_wanted(s, &info, o)) add_run(list, &info);
    }
    for (size_t i = 0; i < list->count; i++) add_values(s, &list->lines[i], o, sort_metric);
    return TOOL_YES;
}

static int list_runs(session *s, const ls_options *o)
{
    run_list list = {0};
    ls_metric sort_metric;
    int has_sort_metric;
    int code = parse_sort(o, &sort_metric, &has_sort_metric);
    order.value = o->metric_count;
    if (code == TOOL_YES) code = collect_runs(s, &list, o, has_sort_metric ? &sort_metric : NULL);
    if (code == TOOL_YES) {
        if (list.count > 0) qsort(list.lines, list.count, sizeof *list.lines, compare_lines);
        code = print_runs(&list, o);
        code = session_check_damage(s, code);
        if (code == TOOL_NO && list.count == 0)
            print_error(steplog_reader_run_count(s->reader) ? "no run matches" : "the store holds no runs yet");
    }
    for (size_t i = 0; i < list.count; i++) {
        free(list.lines[i].values);
        free(list.lines[i].has_value);
        free((char *)(uintptr_t)list.lines[i].info.name);
        free((char *)(uintptr_t)list.lines[i].info.project);
    }
    free(list.lines);
    if (has_sort_metric) ls_metric_clear(&sort_metric);
    return code;
}

int cmd_ls(int argc, char **argv)
{
    args a;
    ls_options o = {0};
    session s;
    steplog_id run;
    args_begin(&a, &usage, argc, argv);
    int code = parse_options(&a, &o);
    if (a.exit_code < 0) code = session_open_reader(&s);
    if (a.exit_code < 0 && code == TOOL_YES) {
        if (a.operand_count == 0) code = list_runs(&s, &o);
        else code = select_run(&s, a.operands[0], &run);
        if (a.operand_count > 0 && code == TOOL_YES)
            code = ls_series(&s, &run, a.operands + 1, a.operand_count - 1, &o);
        code = session_close(&s, code);
    }
    clear_options(&o);
    return code;
}
