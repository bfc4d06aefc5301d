/* plot_store.c: from runs and series of a store to curves.
 *
 * Ranges and totals come from block statistics: one bucket for the whole view (steplog_reader_m4). So do the buckets,
 * where they are of equal step width. A log x axis, smoothing, few steps, and zeros under a log y axis need the points
 * themselves, which a cursor streams. */
#include "plot_store.h"

#include "print.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- runs ---- */

static bool is_same_run(const steplog_id *left, const steplog_id *right)
{
    return memcmp(left, right, sizeof *left) == 0;
}

static int add_runs(plot_store *store, const char *selector, bool *is_missing)
{
    steplog_error err = {0};
    steplog_reader *reader = store->session->reader;
    size_t found = 0;
    *is_missing = false;
    steplog_status status = steplog_reader_find_runs(reader, selector, NULL, 0, &found, &err);
    if (status == STEPLOG_MISSING) *is_missing = true;
    if (status != STEPLOG_OK) return *is_missing ? TOOL_NOT_FOUND : print_failure(NULL, status, &err);
    steplog_id *ids = xcalloc(found, sizeof *ids);
    const size_t capacity = found;
    status = steplog_reader_find_runs(reader, selector, ids, capacity, &found, &err);
    for (size_t i = 0; status == STEPLOG_OK && i < capacity && i < found; i++) {
        bool is_known = false;
        for (size_t k = 0; k < store->run_count && !is_known; k++)
            is_known = is_same_run(&store->runs[k], &ids[i]);
        if (is_known) continue;
        store->runs = xrealloc(store->runs, (store->run_count + 1) * sizeof *store->runs);
        store->runs[store->run_count++] = ids[i];
    }
    free(ids);
    return status == STEPLOG_OK ? TOOL_YES : print_failure(NULL, status, &err);
}

/* A name may hold a comma, so the whole is tried before its parts. */
static int find_runs(plot_store *store, const char *selector)
{
    bool is_missing;
    int code = add_runs(store, selector, &is_missing);
    if (code == TOOL_YES || !is_missing) return code;
    char *copy = xstrdup(selector), *rest = copy;
    const char *part = copy;
    while (strchr(selector, ',') != NULL && (part = strsep(&rest, ",")) != NULL) {
        code = add_runs(store, part, &is_missing);
        if (code != TOOL_YES) break;
    }
    if (code != TOOL_YES && is_missing) print_error("no run matches '%s'", part);
    free(copy);
    return code;
}

/* ---- series ---- */

static bool has_series(const plot_store *store, const steplog_id *run, steplog_series series)
{
    for (size_t i = 0; i < store->curve_count; i++)
        if (store->series[i].index == series.index && is_same_run(&store->series_runs[i], run)) return true;
    return false;
}

/* Adds the series of a run that a selector matches; *left_out counts what is beyond the limit. */
static int add_series(plot_store *store, const steplog_id *run, const char *selector, size_t *matched, size_t *left_out)
{
    steplog_error err = {0};
    steplog_reader *reader = store->session->reader;
    size_t found = 0;
    steplog_status status = steplog_reader_find(reader, run, selector, NULL, 0, &found, &err);
    if (status == STEPLOG_MISSING) return TOOL_YES;
    if (status != STEPLOG_OK) return print_failure(selector, status, &err);
    steplog_series *handles = xcalloc(found, sizeof *handles);
    const size_t capacity = found;
    status = steplog_reader_find(reader, run, selector, handles, capacity, &found, &err);
    for (size_t i = 0; status == STEPLOG_OK && i < capacity && i < found; i++) {
        ++*matched;
        if (has_series(store, run, handles[i])) continue;
        if (store->curve_count == store->options.curves_max) {
            ++*left_out;
            continue;
        }
        store->series[store->curve_count] = handles[i];
        store->series_runs[store->curve_count] = *run;
        plot_curve_init(&store->curves[store->curve_count++], NULL);
    }
    free(handles);
    return status == STEPLOG_OK ? TOOL_YES : print_failure(selector, status, &err);
}

static int add_selected(plot_store *store, const char *selector, size_t *left_out)
{
    size_t matched = 0;
    for (size_t i = 0; i < store->run_count; i++) {
        const int code = add_series(store, &store->runs[i], selector, &matched, left_out);
        if (code != TOOL_YES) return code;
    }
    return matched > 0 ? TOOL_YES : TOOL_NOT_FOUND;
}

static int find_series(plot_store *store, char *const *selectors, size_t selector_count)
{
    size_t left_out = 0;
    int code = TOOL_YES;
    store->curves = xcalloc(store->options.curves_max, sizeof *store->curves);
    store->series = xcalloc(store->options.curves_max, sizeof *store->series);
    store->series_runs = xcalloc(store->options.curves_max, sizeof *store->series_runs);
    if (selector_count == 0) {
        code = add_selected(store, "*loss*", &left_out);
        if (code == TOOL_NOT_FOUND) code = add_selected(store, "*", &left_out);
        if (code == TOOL_NOT_FOUND) print_error("the run has no series");
    }
    for (size_t i = 0; i < selector_count && code == TOOL_YES; i++) {
        code = add_selected(store, selectors[i], &left_out);
        if (code == TOOL_NOT_FOUND) print_error("no series matches '%s'", selectors[i]);
    }
    if (left_out > 0)
        print_note("showing the first %zu curves, %zu more match (--curves N shows more)", store->curve_count,
                   left_out);
    return code;
}

/* ---- labels ---- */

static steplog_series_info info_of(const plot_store *store, size_t index)
{
    steplog_series_info info = {.size_bytes = sizeof info};
    steplog_error err;
    if (steplog_reader_series(store->session->reader, store->series[index], &info, &err) != STEPLOG_OK)
        info = (steplog_series_info){.name = "?", .name_bytes = 1};
    return info;
}

static char *series_text(const plot_store *store, size_t index, bool is_full)
{
    const steplog_series_info info = info_of(store, index);
    char *name = print_safe_copy(info.name, info.name_bytes, NULL), *raw = print_labels(&info, is_full), *text;
    char *labels = raw != NULL ? print_safe_copy(raw, strlen(raw), NULL) : NULL;
    if (asprintf(&text, "%s%s", name != NULL ? name : "?", labels != NULL ? labels : "") < 0) text = NULL;
    free(name);
    free(raw);
    free(labels);
    return text != NULL ? text : xstrdup("?");
}

static char *run_text(const plot_store *store, const steplog_id *run)
{
    char *label = select_run_label(store->session, run);
    char *text = label != NULL ? print_safe_copy(label, strlen(label), NULL) : NULL;
    free(label);
    return text != NULL ? text : xstrdup("?");
}

/* Curves say in what they differ; the title says what they share. */
static void set_labels(plot_store *store)
{
    bool has_ranks = false, has_runs = false, has_names = false;
    const steplog_series_info first = info_of(store, 0);
    for (size_t i = 0; i < store->curve_count; i++) {
        const steplog_series_info info = info_of(store, i);
        if (info.rank != 0) has_ranks = true;
        if (!is_same_run(&store->series_runs[i], &store->series_runs[0])) has_runs = true;
        if (info.rank != first.rank || info.label_count > 0 || info.name_bytes != first.name_bytes ||
            memcmp(info.name, first.name, info.name_bytes) != 0) has_names = true;
    }
    if (!has_runs) store->title = run_text(store, &store->series_runs[0]);
    else if (!has_names) store->title = series_text(store, 0, has_ranks);
    for (size_t i = 0; i < store->curve_count; i++) {
        char *name = series_text(store, i, has_ranks), *label = NULL;
        if (has_runs) {
            char *of_run = run_text(store, &store->series_runs[i]);
            if (has_names && asprintf(&label, "%s %s", of_run, name) < 0) label = NULL;
            if (!has_names) label = xstrdup(of_run);
            free(of_run);
        }
        if (label == NULL) label = name;
        else free(name);
        store->curves[i].label = label;
    }
}

/* ---- totals ---- */

static steplog_view view_of(const plot_store *store)
{
    const number_steps *steps = &store->options.steps;
    steplog_view view = {.size_bytes = sizeof view, .has_begin = steps->has_begin, .has_end = steps->has_end,
                         .step_begin = steps->begin, .step_end = steps->end};
    if (store->options.is_log_x && (!view.has_begin || view.step_begin < 1)) {
        view.has_begin = 1;
        view.step_begin = 1;
    }
    return view;
}

/* Calls back for each point of a series in a view. */
static int stream(const plot_store *store, size_t index, void (*take)(void *context, double step, double value),
                  void *context)
{
    const steplog_view view = view_of(store);
    steplog_cursor *cursor = NULL;
    steplog_error err = {0};
    steplog_batch batch;
    steplog_status status = steplog_cursor_open(store->session->reader, &store->series[index], 1, &view, &cursor, &err);
    while (status == STEPLOG_OK && (status = steplog_cursor_next(cursor, &batch, 0, &err)) == STEPLOG_OK) {
        for (size_t row = 0; row < batch.row_count; row++)
            if (batch.present[0][row / 64] >> row % 64 & 1)
                take(context, (double)batch.steps[row], batch.values[0][row]);
    }
    steplog_cursor_close(cursor);
    return status == STEPLOG_END || status == STEPLOG_MISSING ? TOOL_YES : print_failure(NULL, status, &err);
}

static void take_count(void *context, double step, double value)
{
    plot_curve_count(context, step, value);
}

/* Points at step 0 and below have no place on a log axis. */
static void count_outside(plot_store *store, size_t index)
{
    const number_steps *steps = &store->options.steps;
    steplog_view view = view_of(store);
    steplog_m4 all;
    steplog_error err;
    view.has_begin = steps->has_begin;
    view.step_begin = steps->begin;
    view.has_end = 1;
    view.step_end = steps->has_end && steps->end < 1 ? steps->end : 1;
    if (steps->has_begin && steps->begin >= view.step_end) return;
    if (steplog_reader_m4(store->session->reader, store->series[index], &view, 1, &all, NULL, NULL, &err) == STEPLOG_OK)
        store->curves[index].outside_count = all.count;
}

static int set_total(plot_store *store, size_t index)
{
    plot_curve *curve = &store->curves[index];
    const steplog_view view = view_of(store);
    steplog_m4 all = {.count = 0};
    steplog_error err = {0};
    if (store->options.is_log_x) count_outside(store, index);
    if (view.has_begin && view.has_end && view.step_begin >= view.step_end) return TOOL_YES;
    const steplog_status status =
        steplog_reader_m4(store->session->reader, store->series[index], &view, 1, &all, NULL, NULL, &err);
    if (status == STEPLOG_MISSING) return TOOL_YES;
    if (status != STEPLOG_OK) return print_failure(curve->label, status, &err);
    if (all.count == 0) return TOOL_YES;
    if (store->options.is_log_y && all.value[2] <= 0) return stream(store, index, take_count, curve);
    curve->total = plot_bucket_from_m4(&all);
    curve->first_x = (double)all.step[0];
    curve->last_x = (double)all.step[1];
    curve->low_x = (double)all.step[2];
    curve->high_x = (double)all.step[3];
    return TOOL_YES;
}

/* ---- attempts ---- */

static void add_mark(plot_store *store, uint32_t attempt, int64_t step)
{
    for (size_t i = 0; i < store->mark_count; i++) {
        plot_mark *mark = &store->marks[i];
        if (mark->attempt != attempt) continue;
        if ((double)step < mark->x) mark->x = (double)step;
        return;
    }
    store->marks = xrealloc(store->marks, (store->mark_count + 1) * sizeof *store->marks);
    store->marks[store->mark_count++] = (plot_mark){(double)step, attempt};
}

static int compare_marks(const void *left, const void *right)
{
    const plot_mark *a = left, *b = right;
    return a->attempt < b->attempt ? -1 : a->attempt > b->attempt;
}

/* Ranks of one restart may resume at different steps: the smallest counts. */
static void find_marks(plot_store *store, const steplog_id *run)
{
    steplog_reader *reader = store->session->reader;
    steplog_error err;
    const size_t writers = steplog_reader_writer_count(reader, run), events = steplog_reader_event_count(reader, run);
    for (size_t i = 0; i < writers; i++) {
        steplog_writer_info info = {.size_bytes = sizeof info};
        if (steplog_reader_writer(reader, run, i, &info, &err) == STEPLOG_OK && info.is_resume)
            add_mark(store, info.attempt, info.resume_step);
    }
    for (size_t i = 0; i < events; i++) {
        steplog_event event = {.size_bytes = sizeof event};
        if (steplog_reader_event(reader, run, i, &event, &err) == STEPLOG_OK &&
            event.kind == STEPLOG_EVENT_REWIND && event.is_in_force)
            add_mark(store, event.attempt, event.step_begin);
    }
    if (store->mark_count > 1) qsort(store->marks, store->mark_count, sizeof *store->marks, compare_marks);
}

static char *step_axis_name(const plot_store *store)
{
    steplog_writer_info info = {.size_bytes = sizeof info};
    steplog_error err;
    const steplog_id *run = &store->series_runs[0];
    if (steplog_reader_writer_count(store->session->reader, run) > 0 &&
        steplog_reader_writer(store->session->reader, run, 0, &info, &err) == STEPLOG_OK && info.step_axis != NULL)
        return print_safe_copy(info.step_axis, strlen(info.step_axis), NULL);
    return NULL;
}

int plot_store_find(plot_store *store, session *s, const plot_store_options *options, const char *run_selector,
                    char *const *selectors, size_t selector_count)
{
    *store = (plot_store){.session = s, .options = *options};
    int code = find_runs(store, run_selector);
    if (code == TOOL_YES) code = find_series(store, selectors, selector_count);
    if (code != TOOL_YES) return code;
    set_labels(store);
    for (size_t i = 0; i < store->curve_count && code == TOOL_YES; i++) code = set_total(store, i);
    if (options->has_marks && store->run_count == 1) find_marks(store, &store->runs[0]);
    else if (options->has_marks)
        print_note("--attempts marks the attempts of one run; there are %zu", store->run_count);
    store->x_name = step_axis_name(store);
    return code;
}

/* ---- buckets ---- */

typedef struct fill {
    plot_curve *curve;
    const plot_axis *axis;
} fill;

static void take_value(void *context, double step, double value)
{
    const fill *to = context;
    plot_curve_add(to->curve, to->axis, step, value);
    if (to->curve->smooth != NULL)
        plot_curve_add_smooth(to->curve, to->axis, step, plot_smoother_next(&to->curve->smoother, value));
}

/* The library's buckets divide [begin, end) evenly; the axis puts its last step on the last dot. With fewer steps than
 * dots these are not the same. Beyond 2^53 doubles no longer hold the bounds. */
static bool can_reduce(const plot_store *store, const plot_axis *axis, size_t bucket_count)
{
    return store->options.smooth_weight < 0 && !store->options.is_log_x && fabs(axis->low) < 0x1p53 &&
           fabs(axis->high) < 0x1p53 && axis->high - axis->low + 1 >= (double)bucket_count;
}

static int fill_reduced(plot_store *store, size_t index, const plot_axis *axis, size_t bucket_count)
{
    plot_curve *curve = &store->curves[index];
    steplog_view view = view_of(store);
    view.has_begin = view.has_end = 1;
    view.step_begin = (int64_t)axis->low;
    view.step_end = (int64_t)axis->high + 1;
    steplog_m4 *buckets = xcalloc(bucket_count, sizeof *buckets);
    steplog_error err = {0};
    const steplog_status status = steplog_reader_m4(store->session->reader, store->series[index], &view, bucket_count,
                                                    buckets, NULL, NULL, &err);
    for (size_t i = 0; status == STEPLOG_OK && i < bucket_count; i++)
        curve->raw[i] = plot_bucket_from_m4(&buckets[i]);
    free(buckets);
    return status == STEPLOG_OK || status == STEPLOG_MISSING ? TOOL_YES : print_failure(curve->label, status, &err);
}

int plot_store_fill(plot_store *store, const plot_axis *x_axis, size_t bucket_count)
{
    const double weight = store->options.smooth_weight;
    int code = TOOL_YES;
    for (size_t i = 0; i < store->curve_count && code == TOOL_YES; i++) {
        plot_curve *curve = &store->curves[i];
        const bool has_zeros = store->options.is_log_y && curve->total.low <= 0;
        plot_curve_reserve(curve, bucket_count);
        if (weight >= 0) plot_curve_reserve_smooth(curve, (plot_smoother){.weight = weight, .rest = 1});
        if (curve->total.count == 0) continue;
        if (can_reduce(store, x_axis, bucket_count) && !has_zeros) {
            code = fill_reduced(store, i, x_axis, bucket_count);
        } else {
            fill to = {curve, x_axis};
            code = stream(store, i, take_value, &to);
        }
    }
    return code;
}

void plot_store_clear(plot_store *store)
{
    for (size_t i = 0; i < store->curve_count; i++) plot_curve_clear(&store->curves[i]);
    free(store->curves);
    free(store->series);
    free(store->series_runs);
    free(store->runs);
    free(store->title);
    free(store->x_name);
    free(store->marks);
    *store = (plot_store){0};
}
