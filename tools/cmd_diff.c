/* cmd_diff.c: `steplog diff`: finds the first step and series where two runs differ.
 *
 * The series of both runs are sorted and paired by name, rank and labels; each pair is walked with two cursors side by
 * side up to its first difference. So memory is two blocks, and equal runs are read once. Values are compared as bits:
 * -0 is not 0, and a NaN equals only the same NaN. Times are not compared unless asked for: two runs of one program
 * never share them. */
#include "args.h"
#include "json.h"
#include "print.h"
#include "select.h"
#include "time_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_STORE2 = 256, OPT_STEP, OPT_TOLERANCE, OPT_TIMES, OPT_ALL, OPT_JSON };

static const args_option options[] = {
    {OPT_STORE2, 0, "store2", "DIR", "the store of the second run, where it is another"},
    {OPT_STEP, 's', "step", "A:B", "only steps A up to but not B"},
    {OPT_TOLERANCE, 0, "tolerance", "T", "values that differ by at most T are equal; any NaN equals any other"},
    {OPT_TIMES, 0, "times", NULL, "compare wall times too"},
    {OPT_ALL, 0, "all", NULL, "print the first difference of every series"},
    {OPT_JSON, 0, "json", NULL, "print the first difference of every series as JSON"},
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "diff",
    "[options] RUN RUN [SERIES...]",
    "Finds the first step and series where two runs differ, bit for bit: in a value, a point that\n"
    "one of them does not have, or a series that one of them does not have. Exit code 0: they are\n"
    "equal; 1: they differ.",
    options,
    "steplog diff before after\n"
    "steplog diff before after 'loss{rank=*}' --tolerance 1e-6\n"
    "steplog -C store-a diff --store2 store-b @latest @latest --all\n"};

typedef struct side {
    session *session;
    steplog_id run;
    steplog_series *series;
    steplog_series_info *infos; /* sorted; beside series */
    size_t count;
} side;

typedef enum difference_kind {
    NO_DIFFERENCE,
    VALUE_DIFFERS,
    TIME_DIFFERS,
    POINT_MISSING,
    SERIES_MISSING
} difference_kind;

static const char *const kind_names[] = {"none", "value", "time", "point missing", "series missing"};

/* The first difference of one series. */
typedef struct difference {
    difference_kind kind;
    const steplog_series_info *series;
    bool has_step;
    int64_t step;
    bool has[2]; /* whether the first and the second run has the point, or the series */
    double values[2];
    int64_t times_ns[2];
} difference;

typedef struct comparison {
    side sides[2];
    steplog_view view;
    bool has_tolerance, is_with_times;
    double tolerance;
    difference *differences;
    size_t difference_count;
    uint64_t series_count, point_count;
} comparison;

/* ---- pairing the series ---- */

static int compare_text(const char *left, size_t left_bytes, const char *right, size_t right_bytes)
{
    const size_t common = left_bytes < right_bytes ? left_bytes : right_bytes;
    const int order = common > 0 ? memcmp(left, right, common) : 0;
    return order != 0 ? order : (left_bytes > right_bytes) - (left_bytes < right_bytes);
}

static int compare_infos(const steplog_series_info *left, const steplog_series_info *right)
{
    int order = compare_text(left->name, left->name_bytes, right->name, right->name_bytes);
    if (order == 0) order = (left->rank > right->rank) - (left->rank < right->rank);
    for (size_t i = 0; order == 0 && i < left->label_count && i < right->label_count; i++) {
        order = strcmp(left->labels[i].key, right->labels[i].key);
        if (order == 0) order = strcmp(left->labels[i].value, right->labels[i].value);
    }
    if (order == 0) order = (left->label_count > right->label_count) - (left->label_count < right->label_count);
    return order;
}

/* A series with its description, so that one sort moves both. */
typedef struct named_series {
    steplog_series_info info;
    steplog_series series;
} named_series;

static int compare_named(const void *left, const void *right)
{
    return compare_infos(&((const named_series *)left)->info, &((const named_series *)right)->info);
}

static int find_matching(side *from, const char *selector, named_series **list, size_t *count)
{
    steplog_error err = {0};
    steplog_reader *reader = from->session->reader;
    size_t found = 0;
    steplog_status status = steplog_reader_find(reader, &from->run, selector, NULL, 0, &found, &err);
    if (status == STEPLOG_MISSING) return TOOL_YES;
    if (status != STEPLOG_OK) return print_failure(selector, status, &err);
    const size_t capacity = found;
    steplog_series *handles = xcalloc(capacity, sizeof *handles);
    status = steplog_reader_find(reader, &from->run, selector, handles, capacity, &found, &err);
    *list = xrealloc(*list, (*count + capacity) * sizeof **list);
    for (size_t i = 0; status == STEPLOG_OK && i < capacity && i < found; i++) {
        named_series *one = &(*list)[*count];
        *one = (named_series){.info = {.size_bytes = sizeof one->info}, .series = handles[i]};
        status = steplog_reader_series(reader, handles[i], &one->info, &err);
        if (status == STEPLOG_OK) ++*count;
    }
    free(handles);
    return status == STEPLOG_OK ? TOOL_YES : print_failure(selector, status, &err);
}

/* Finds the series of a side, sorted, each once. */
static int find_series(side *from, char *const *selectors, size_t selector_count)
{
    named_series *list = NULL;
    size_t count = 0;
    int code = selector_count == 0 ? find_matching(from, NULL, &list, &count) : TOOL_YES;
    for (size_t i = 0; i < selector_count && code == TOOL_YES; i++)
        code = find_matching(from, selectors[i], &list, &count);
    if (count > 1) qsort(list, count, sizeof *list, compare_named);
    from->series = xcalloc(count + 1, sizeof *from->series);
    from->infos = xcalloc(count + 1, sizeof *from->infos);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && list[i].series.index == list[i - 1].series.index) continue;
        from->series[from->count] = list[i].series;
        from->infos[from->count++] = list[i].info;
    }
    free(list);
    return code;
}

/* ---- walking two series ---- */

typedef struct walk {
    steplog_cursor *cursor;
    steplog_batch batch;
    size_t row;
    bool is_ended;
} walk;

static steplog_status walk_open(walk *w, const side *from, size_t index, const steplog_view *view, steplog_error *err)
{
    *w = (walk){.cursor = NULL};
    return steplog_cursor_open(from->session->reader, &from->series[index], 1, view, &w->cursor, err);
}

/* Brings the walk to a row that is there, or to its end. */
static steplog_status walk_settle(walk *w, steplog_error *err)
{
    for (;;) {
        for (; w->row < w->batch.row_count; w->row++)
            if (w->batch.present[0][w->row / 64] >> w->row % 64 & 1) return STEPLOG_OK;
        if (w->is_ended) return STEPLOG_OK;
        const steplog_status status = steplog_cursor_next(w->cursor, &w->batch, 0, err);
        w->row = 0;
        if (status == STEPLOG_END) {
            w->is_ended = true;
            w->batch.row_count = 0;
        } else if (status != STEPLOG_OK) {
            return status;
        }
    }
}

static bool walk_has_row(const walk *w)
{
    return w->row < w->batch.row_count;
}

static bool is_equal_value(const comparison *c, double left, double right)
{
    if (number_bits(left) == number_bits(right)) return true;
    if (!c->has_tolerance) return false;
    if (isnan(left) || isnan(right)) return isnan(left) && isnan(right);
    if (isinf(left) || isinf(right)) return false; /* not the same infinity: the bits differ */
    return fabs(left - right) <= c->tolerance;
}

static void take_point(difference *to, size_t which, const walk *w)
{
    to->has[which] = true;
    to->step = w->batch.steps[w->row];
    to->values[which] = w->batch.values[0][w->row];
    to->times_ns[which] = w->batch.times_ns[w->row];
}

/* Compares the rows that two walks stand on; at least one has a row. */
static difference_kind compare_rows(const comparison *c, const walk *left, const walk *right, difference *to)
{
    const bool has_left = walk_has_row(left), has_right = walk_has_row(right);
    const int64_t left_step = has_left ? left->batch.steps[left->row] : INT64_MAX;
    const int64_t right_step = has_right ? right->batch.steps[right->row] : INT64_MAX;
    to->has_step = true;
    if (has_left && (!has_right || left_step <= right_step)) take_point(to, 0, left);
    if (has_right && (!has_left || right_step <= left_step)) take_point(to, 1, right);
    if (!to->has[0] || !to->has[1]) return POINT_MISSING;
    if (!is_equal_value(c, to->values[0], to->values[1])) return VALUE_DIFFERS;
    if (c->is_with_times && to->times_ns[0] != to->times_ns[1]) return TIME_DIFFERS;
    return NO_DIFFERENCE;
}

static steplog_status compare_walks(comparison *c, walk *left, walk *right, difference *to, steplog_error *err)
{
    for (;;) {
        steplog_status status = walk_settle(left, err);
        if (status == STEPLOG_OK) status = walk_settle(right, err);
        if (status != STEPLOG_OK || (!walk_has_row(left) && !walk_has_row(right))) return status;
        difference here = {.series = to->series};
        here.kind = compare_rows(c, left, right, &here);
        if (here.kind != NO_DIFFERENCE) {
            *to = here;
            return STEPLOG_OK;
        }
        c->point_count++;
        left->row++;
        right->row++;
    }
}

static void keep_difference(comparison *c, const difference *one)
{
    if (one->kind == NO_DIFFERENCE) return;
    if ((c->difference_count & (c->difference_count + 1)) == 0) /* at each power of two less one: double the room */
        c->differences = xrealloc(c->differences, (2 * c->difference_count + 2) * sizeof *c->differences);
    c->differences[c->difference_count++] = *one;
}

static int compare_pair(comparison *c, size_t left_index, size_t right_index)
{
    walk left = {.cursor = NULL}, right = {.cursor = NULL};
    difference found = {.series = &c->sides[0].infos[left_index]};
    steplog_error err = {0};
    steplog_status status = walk_open(&left, &c->sides[0], left_index, &c->view, &err);
    if (status == STEPLOG_OK) status = walk_open(&right, &c->sides[1], right_index, &c->view, &err);
    if (status == STEPLOG_OK) status = compare_walks(c, &left, &right, &found, &err);
    steplog_cursor_close(left.cursor);
    steplog_cursor_close(right.cursor);
    c->series_count++;
    if (status != STEPLOG_OK) return print_failure(found.series->name, status, &err);
    keep_difference(c, &found);
    return TOOL_YES;
}

/* A series that only one side has differs at its first point; without points in view the name alone says it. */
static int note_lone_series(comparison *c, size_t which, size_t index)
{
    const side *from = &c->sides[which];
    difference found = {.kind = SERIES_MISSING, .series = &from->infos[index]};
    walk w;
    steplog_error err = {0};
    steplog_status status = walk_open(&w, from, index, &c->view, &err);
    if (status == STEPLOG_OK) status = walk_settle(&w, &err);
    if (status == STEPLOG_OK && walk_has_row(&w)) {
        found.has_step = true;
        take_point(&found, which, &w);
    }
    found.has[which] = true;
    steplog_cursor_close(w.cursor);
    c->series_count++;
    if (status != STEPLOG_OK) return print_failure(found.series->name, status, &err);
    keep_difference(c, &found);
    return TOOL_YES;
}

static int compare_differences(const void *left, const void *right)
{
    const difference *a = left, *b = right;
    if (a->has_step != b->has_step) return a->has_step ? -1 : 1;
    if (a->has_step && a->step != b->step) return a->step < b->step ? -1 : 1;
    return compare_infos(a->series, b->series);
}

static int compare_all(comparison *c)
{
    size_t left = 0, right = 0;
    int code = TOOL_YES;
    while (code == TOOL_YES && (left < c->sides[0].count || right < c->sides[1].count)) {
        int order = left == c->sides[0].count ? 1 : right == c->sides[1].count ? -1 : 0;
        if (order == 0) order = compare_infos(&c->sides[0].infos[left], &c->sides[1].infos[right]);
        if (order == 0) code = compare_pair(c, left++, right++);
        else if (order < 0) code = note_lone_series(c, 0, left++);
        else code = note_lone_series(c, 1, right++);
    }
    if (c->difference_count > 1)
        qsort(c->differences, c->difference_count, sizeof *c->differences, compare_differences);
    return code;
}

/* ---- saying it ---- */

static void print_value(FILE *file, const difference *one, size_t which)
{
    char text[NUMBER_TEXT_BYTES], time_text[TIME_TEXT_BYTES];
    if (!one->has[which]) {
        fputs("nothing", file);
        return;
    }
    number_format_double(one->values[which], text);
    fputs(text, file);
    if (one->kind != TIME_DIFFERS) return;
    time_text_format(one->times_ns[which], time_text);
    fprintf(file, " at %s", time_text[0] != 0 ? time_text : "no time");
}

static void print_series(FILE *file, const steplog_series_info *series)
{
    char *labels = print_labels(series, 0);
    print_safe(file, series->name, series->name_bytes);
    if (labels != NULL) print_safe(file, labels, strlen(labels));
    free(labels);
}

static void print_difference(FILE *file, const difference *one)
{
    if (one->has_step) fprintf(file, "step %" PRId64 "  ", one->step);
    print_series(file, one->series);
    if (one->kind == SERIES_MISSING) {
        fprintf(file, ": only in the %s run\n", one->has[0] ? "first" : "second");
        return;
    }
    fputs(": ", file);
    print_value(file, one, 0);
    fputs(" against ", file);
    print_value(file, one, 1);
    fputc('\n', file);
}

static void print_text(const comparison *c, bool is_all, FILE *file)
{
    size_t lone[2] = {0, 0};
    for (size_t i = 0; i < c->difference_count; i++) {
        const difference *one = &c->differences[i];
        if (one->kind == SERIES_MISSING) lone[one->has[0] ? 0 : 1]++;
        if (is_all || i == 0) print_difference(file, one);
    }
    if (c->difference_count == 0) {
        fprintf(file, "equal: %" PRIu64 " series, %" PRIu64 " points\n", c->series_count, c->point_count);
        return;
    }
    fprintf(file, "%zu of %" PRIu64 " series differ", c->difference_count, c->series_count);
    if (lone[0] + lone[1] > 0)
        fprintf(file, ", of these %zu only in the first run, %zu only in the second", lone[0], lone[1]);
    fputc('\n', file);
}

static void print_json_side(FILE *file, const difference *one, size_t which, bool is_with_times)
{
    static const char *const names[] = {"first", "second"};
    fprintf(file, ", \"%s\": ", names[which]);
    if (one->has[which] && one->has_step) json_write_double(file, one->values[which]);
    else fputs("null", file);
    if (!is_with_times || !one->has[which] || !one->has_step || one->times_ns[which] == STEPLOG_TIME_NONE) return;
    fprintf(file, ", \"%s_time_ns\": ", names[which]);
    json_write_int64(file, one->times_ns[which]);
}

static void print_json(const comparison *c, FILE *file)
{
    fprintf(file, "{\"schema\": 1, \"equal\": %s", c->difference_count == 0 ? "true" : "false");
    for (size_t i = 0; i < 2; i++) {
        char id[STEPLOG_ID_TEXT_BYTES];
        steplog_id_format(&c->sides[i].run, id);
        fprintf(file, ", \"%s_run\": \"%s\"", i == 0 ? "first" : "second", id);
    }
    fprintf(file, ", \"series\": %" PRIu64 ", \"equal_points\": ", c->series_count);
    json_write_uint64(file, c->point_count);
    fputs(", \"differences\": [", file);
    for (size_t i = 0; i < c->difference_count; i++) {
        const difference *one = &c->differences[i];
        fprintf(file, "%s\n  {\"metric\": ", i > 0 ? "," : "");
        json_write_string(file, one->series->name, one->series->name_bytes);
        fprintf(file, ", \"rank\": %" PRIu32 ", \"labels\": {", one->series->rank);
        for (size_t k = 0; k < one->series->label_count; k++) {
            if (k > 0) fputs(", ", file);
            json_write_text(file, one->series->labels[k].key);
            fputs(": ", file);
            json_write_text(file, one->series->labels[k].value);
        }
        fprintf(file, "}, \"kind\": \"%s\", \"step\": ", kind_names[one->kind]);
        if (one->has_step) json_write_int64(file, one->step);
        else fputs("null", file);
        for (size_t which = 0; which < 2; which++) print_json_side(file, one, which, c->is_with_times);
        fputc('}', file);
    }
    fputs("\n]}\n", file);
}

/* ---- the verb ---- */

typedef struct diff_options {
    const char *store2;
    bool is_all, is_json;
} diff_options;

static int diff_runs(comparison *c, const diff_options *from, const args *a, out_file *o)
{
    for (size_t i = 0; i < 2; i++) {
        const int code = select_run(c->sides[i].session, a->operands[i], &c->sides[i].run);
        if (code != TOOL_YES) return code;
    }
    for (size_t i = 0; i < 2; i++) {
        const int code = find_series(&c->sides[i], a->operands + 2, a->operand_count - 2);
        if (code != TOOL_YES) return code;
    }
    if (a->operand_count > 2 && c->sides[0].count == 0 && c->sides[1].count == 0) {
        print_error("neither run has a series that matches");
        return TOOL_NOT_FOUND;
    }
    const int code = compare_all(c);
    if (code != TOOL_YES) return code;
    if (from->is_json) print_json(c, o->file);
    else print_text(c, from->is_all, o->file);
    return c->difference_count == 0 ? TOOL_YES : TOOL_NO;
}

static int diff_stores(comparison *c, const diff_options *from, const args *a, out_file *o)
{
    session sessions[2] = {{0}, {0}};
    int code = session_open_reader(&sessions[0]);
    if (code != TOOL_YES) return code;
    if (from->store2 != NULL) code = session_open_reader_at(&sessions[1], from->store2);
    if (code != TOOL_YES) return session_close(&sessions[0], code);
    c->sides[0].session = &sessions[0];
    c->sides[1].session = from->store2 != NULL ? &sessions[1] : &sessions[0];
    code = diff_runs(c, from, a, o);
    size_t damage = print_damage(sessions[0].reader);
    if (from->store2 != NULL) damage += print_damage(sessions[1].reader);
    if (damage > 0 && code == TOOL_YES) {
        print_error("what could be read is equal, but not everything could be read");
        code = TOOL_IO;
    }
    for (size_t i = 0; i < 2; i++) {
        free(c->sides[i].series);
        free(c->sides[i].infos);
    }
    free(c->differences);
    if (from->store2 != NULL) code = session_close(&sessions[1], code);
    return session_close(&sessions[0], code);
}

static int read_options(args *a, comparison *c, diff_options *to)
{
    number_steps steps = {0};
    for (int id; (id = args_next(a)) != ARGS_DONE;) {
        int is_good = 1;
        switch (id) {
        case OPT_STORE2: to->store2 = a->value; break;
        case OPT_STEP: is_good = args_steps(a, &steps); break;
        case OPT_TOLERANCE:
            c->has_tolerance = true;
            is_good = args_double(a, &c->tolerance);
            if (is_good && !(c->tolerance >= 0)) {
                args_fail(a, "--tolerance must not be below 0, as '%s' is", a->value);
                is_good = 0;
            }
            break;
        case OPT_TIMES: c->is_with_times = true; break;
        case OPT_ALL: to->is_all = true; break;
        case OPT_JSON: to->is_json = true; break;
        default: return ARGS_EXIT;
        }
        if (!is_good) return ARGS_EXIT;
    }
    c->view = (steplog_view){.size_bytes = sizeof c->view, .has_begin = steps.has_begin, .has_end = steps.has_end,
                             .step_begin = steps.begin, .step_end = steps.end};
    return ARGS_DONE;
}

int cmd_diff(int argc, char **argv)
{
    args a;
    out_file o;
    comparison c = {.has_tolerance = false};
    diff_options to = {0};
    args_begin(&a, &usage, argc, argv);
    if (read_options(&a, &c, &to) != ARGS_DONE) return a.exit_code;
    if (a.operand_count < 2) return args_fail(&a, "which two RUNs?");
    const int code = out_open(&o, NULL);
    if (code != TOOL_YES) return code;
    return out_close(&o, diff_stores(&c, &to, &a, &o));
}
