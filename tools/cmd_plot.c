/* cmd_plot.c: `steplog plot`: curves in the terminal.
 *
 * plot_store.c or plot_input.c find the curves, plot_chart.c lays the plot out, the source fills the buckets over the
 * x axis, plot_chart.c draws. What is said in words goes to stderr. */
#include "args.h"
#include "plot_chart.h"
#include "plot_input.h"
#include "plot_store.h"
#include "print.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    OPT_ASCII = 256, OPT_BRAILLE, OPT_LOG_X, OPT_LOG_Y, OPT_SMOOTH, OPT_STEP, OPT_WIDTH, OPT_HEIGHT, OPT_TITLE,
    OPT_ATTEMPTS, OPT_CURVES
};

static const args_option options[] = {
    {OPT_STEP, 's', "step", "A:B", "only steps A up to but not B (with -, only x from A up to but not B)"},
    {OPT_SMOOTH, 0, "smooth", "W", "moving average of weight W, 0 to below 1, as TensorBoard does"},
    {OPT_LOG_X, 0, "log-x", NULL, "logarithmic step axis"},
    {OPT_LOG_Y, 0, "log-y", NULL, "logarithmic value axis"},
    {OPT_ATTEMPTS, 0, "attempts", NULL, "mark the steps at which attempts begin"},
    {OPT_WIDTH, 0, "width", "N", "characters of a line (default: the terminal's, else 80)"},
    {OPT_HEIGHT, 0, "height", "N", "lines, legend included (default: the terminal's, else 20)"},
    {OPT_TITLE, 0, "title", "TEXT", "instead of the run's name"},
    {OPT_CURVES, 0, "curves", "N", "draw at most N curves (default 26)"},
    {OPT_ASCII, 0, "ascii", NULL, "draw with ASCII characters (default where the locale is not UTF-8)"},
    {OPT_BRAILLE, 0, "braille", NULL, "draw with braille dots whatever the locale says"},
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "plot",
    "[options] RUN[,RUN...] [SERIES...]\n[options] -",
    "Draws curves. RUN may be a glob or several runs divided by commas; without SERIES the series\n"
    "that have \"loss\" in their name are drawn. Every spike is drawn at any width; NaN, +Inf, -Inf\n"
    "and, under --log-y, values not above 0 are marked on lines of their own and counted in the\n"
    "legend. With - the curves come from standard input, as lines of \"y\", \"x y\" or \"x y y ...\".",
    options,
    "steplog plot @latest loss\n"
    "steplog plot 'lr-*' 'val/loss' --log-y --step 1000:\n"
    "steplog plot baseline,wide 'loss{rank=*}' --smooth 0.9\n"
    "seq 100 | awk '{print sin($1/10)}' | steplog plot -\n"};

typedef struct plot_options {
    plot_store_options store;
    uint64_t width, height;
    const char *title;
    bool is_ascii, is_braille;
} plot_options;

/* Whether the locale's characters are UTF-8, from the variables: the first that is set decides, as in POSIX. */
static bool is_utf8_locale(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (value == NULL || value[0] == 0) continue;
        return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
    }
    return false;
}

static int read_size(args *a, uint64_t low, uint64_t high, uint64_t *out)
{
    if (!args_count(a, out)) return 0;
    if (*out >= low && *out <= high) return 1;
    args_fail(a, "--%s must be %" PRIu64 " to %" PRIu64 ", not '%s'", a->option->name, low, high, a->value);
    return 0;
}

static int read_weight(args *a, double *out)
{
    if (!args_double(a, out)) return 0;
    if (*out >= 0 && *out < 1) return 1;
    args_fail(a, "--smooth must be 0 to below 1, not '%s'", a->value);
    return 0;
}

/* Returns ARGS_DONE, or ARGS_EXIT with a->exit_code set. */
static int read_options(args *a, plot_options *to)
{
    uint64_t count = to->store.curves_max;
    for (int id; (id = args_next(a)) != ARGS_DONE;) {
        int is_good = 1;
        switch (id) {
        case OPT_ASCII: to->is_ascii = true; break;
        case OPT_BRAILLE: to->is_braille = true; break;
        case OPT_LOG_X: to->store.is_log_x = true; break;
        case OPT_LOG_Y: to->store.is_log_y = true; break;
        case OPT_ATTEMPTS: to->store.has_marks = true; break;
        case OPT_TITLE: to->title = a->value; break;
        case OPT_SMOOTH: is_good = read_weight(a, &to->store.smooth_weight); break;
        case OPT_STEP: is_good = args_steps(a, &to->store.steps); break;
        case OPT_WIDTH: is_good = read_size(a, 10, PLOT_COLUMNS_MAX, &to->width); break;
        case OPT_HEIGHT: is_good = read_size(a, 1, PLOT_ROWS_MAX, &to->height); break;
        case OPT_CURVES: is_good = read_size(a, 1, 255, &count); break;
        default: return ARGS_EXIT;
        }
        if (!is_good) return ARGS_EXIT;
    }
    to->store.curves_max = (size_t)count;
    return ARGS_DONE;
}

/* ---- drawing ---- */

static plot_chart chart_for(const plot_options *from, const out_file *o, plot_curve *curves, size_t curve_count)
{
    plot_chart chart = {
        .x_name = "step",
        .width = from->width != 0 ? from->width : (size_t)o->columns,
        .height = from->height != 0 ? from->height : o->is_terminal && o->lines > 1 ? (size_t)o->lines - 1 : 20,
        .is_log_x = from->store.is_log_x,
        .is_log_y = from->store.is_log_y,
        .is_whole_x = true,
        .curves = curves,
        .curve_count = curve_count,
    };
    chart.style.is_ascii = from->is_ascii || (!from->is_braille && !is_utf8_locale());
    chart.style.is_colour = o->has_color;
    chart.style.is_letters = curve_count > (o->has_color ? 6 : 1);
    chart.is_smoothed = from->store.smooth_weight >= 0;
    chart.is_raw_hidden = from->store.smooth_weight >= 0 && !o->has_color;
    return chart;
}

/* The range of x over all curves; false when there is no point. */
static bool range_of(const plot_chart *chart, double *low, double *high)
{
    *low = *high = NAN;
    for (size_t i = 0; i < chart->curve_count; i++) {
        *low = fmin(*low, chart->curves[i].first_x);
        *high = fmax(*high, chart->curves[i].last_x);
    }
    return !isnan(*low);
}

static char *safe_title(const char *title)
{
    return title != NULL && title[0] != 0 ? print_safe_copy(title, strlen(title), NULL) : NULL;
}

static void keep_marks_in_range(plot_store *store, double low, double high)
{
    size_t kept = 0;
    for (size_t i = 0; i < store->mark_count; i++)
        if (store->marks[i].x >= low && store->marks[i].x <= high) store->marks[kept++] = store->marks[i];
    store->mark_count = kept;
}

static int draw_store(plot_store *store, const plot_options *from, const out_file *o)
{
    plot_chart chart = chart_for(from, o, store->curves, store->curve_count);
    char *title = from->title != NULL ? safe_title(from->title) : NULL;
    double low, high;
    int code = TOOL_NO;
    if (store->x_name != NULL) chart.x_name = store->x_name;
    chart.title = from->title != NULL ? title : store->title;
    if (range_of(&chart, &low, &high)) {
        keep_marks_in_range(store, low, high);
        chart.marks = store->marks;
        chart.mark_count = store->mark_count;
        plot_chart_layout(&chart, low, high);
        code = plot_store_fill(store, &chart.x_axis, chart.bucket_count);
        if (code == TOOL_YES) plot_chart_print(&chart, o->file);
    } else {
        print_error("no points to draw in this range of steps");
    }
    free(title);
    return code;
}

static int plot_runs(const plot_options *from, args *a, const out_file *o)
{
    session s = {0};
    plot_store store;
    int code = session_open_reader(&s);
    if (code != TOOL_YES) return code;
    code = plot_store_find(&store, &s, &from->store, a->operands[0], a->operands + 1, a->operand_count - 1);
    if (code == TOOL_YES) code = draw_store(&store, from, o);
    plot_store_clear(&store);
    return session_close(&s, session_check_damage(&s, code));
}

static int plot_standard_input(const plot_options *from, const out_file *o)
{
    const number_steps *steps = &from->store.steps;
    const plot_input_options input_options = {
        .smooth_weight = from->store.smooth_weight, .is_log_x = from->store.is_log_x,
        .has_begin = steps->has_begin, .has_end = steps->has_end,
        .begin = (double)steps->begin, .end = (double)steps->end};
    plot_input input;
    double low, high;
    int code = TOOL_NO;
    plot_input_read(&input, &input_options, stdin);
    if (ferror(stdin)) print_error("standard input could not be read to its end");
    if (input.bad_count > 0)
        print_note("%" PRIu64 " of %" PRIu64 " lines are not \"y\" or \"x y\" as the others are, the first at line %"
                   PRIu64, input.bad_count, input.bad_count + input.line_count, input.first_bad_line);
    plot_chart chart = chart_for(from, o, input.curves, input.curve_count);
    char *title = safe_title(from->title);
    chart.title = title;
    chart.is_whole_x = input.is_whole_x;
    chart.x_name = input.x_name != NULL ? input.x_name : "";
    if (range_of(&chart, &low, &high)) {
        plot_chart_layout(&chart, low, high);
        plot_input_fill(&input, &chart.x_axis, chart.bucket_count, input_options.smooth_weight);
        plot_chart_print(&chart, o->file);
        code = TOOL_YES;
    } else {
        print_error("no points to draw on standard input");
    }
    if (ferror(stdin)) code = TOOL_IO;
    free(title);
    plot_input_clear(&input);
    return code;
}

int cmd_plot(int argc, char **argv)
{
    args a;
    out_file o;
    plot_options to = {.store = {.smooth_weight = -1, .curves_max = 26}};
    args_begin(&a, &usage, argc, argv);
    if (read_options(&a, &to) != ARGS_DONE) return a.exit_code;
    if (a.operand_count == 0) return args_fail(&a, "which RUN? (or - for standard input)");
    const bool is_input = strcmp(a.operands[0], "-") == 0;
    if (is_input && a.operand_count > 1) return args_fail(&a, "'%s' after -", a.operands[1]);
    if (to.is_ascii && to.is_braille) return args_fail(&a, "--ascii and --braille exclude each other");
    int code = out_open(&o, NULL);
    if (code != TOOL_YES) return code;
    code = is_input ? plot_standard_input(&to, &o) : plot_runs(&to, &a, &o);
    return out_close(&o, code);
}
