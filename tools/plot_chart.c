/* plot_chart.c: puts a plot together, from the totals and buckets of its curves to lines of text.
 *
 *     title                                  where there is one
 *      +Inf |        ^                       strips: only where some value has no place on the axis
 *       1.0 +  **                            the raster, with round values left of it
 *           |    *******
 *      <=0, -Inf, NaN |                      more strips
 *           +---+---------+--
 *               0        500     step
 *     loss  last 0.31  min 0.3 at 990 ...    the legend (plot_legend.c)
 *
 * First plot_chart_layout() finds how many dots there are, then the caller fills the buckets, then
 * plot_chart_print() draws. Every bucket is drawn as the whole span between its smallest and largest value. */
#include "plot_chart.h"

#include "number.h"
#include "print.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum strip_kind { STRIP_HIGH_INF, STRIP_NEGATIVE, STRIP_LOW_INF, STRIP_NAN, STRIP_COUNT } strip_kind;

typedef struct strip {
    const char *name;
    const char *mark, *ascii_mark;
} strip;

static const strip strips[STRIP_COUNT] = {
    {"+Inf", "▲", "^"},
    {"<=0", "▽", "_"},
    {"-Inf", "▼", "v"},
    {"NaN", "×", "x"},
};

/* ---- the space ---- */

static uint64_t strip_value_count(const plot_chart *chart, const plot_bucket *bucket, strip_kind kind)
{
    switch (kind) {
    case STRIP_HIGH_INF: return bucket->high_inf_count;
    case STRIP_LOW_INF: return bucket->low_inf_count;
    case STRIP_NAN: return bucket->nan_count;
    case STRIP_NEGATIVE: return chart->is_log_y && bucket->count > 0 && bucket->low <= 0;
    case STRIP_COUNT: break;
    }
    return 0;
}

static bool has_strip(const plot_chart *chart, strip_kind kind)
{
    for (size_t i = 0; i < chart->curve_count; i++)
        if (strip_value_count(chart, &chart->curves[i].total, kind) > 0) return true;
    return false;
}

static void widen_range(const plot_chart *chart, const plot_bucket *bucket, double *low, double *high)
{
    const double smallest = chart->is_log_y ? bucket->low_positive : bucket->low;
    if (bucket->count == 0 || isnan(smallest)) return;
    *low = fmin(*low, smallest);
    *high = fmax(*high, bucket->high);
}

/* Sets the y axis; false when no value has a place on it. */
static bool set_y_axis(plot_chart *chart, bool from_smooth)
{
    double low = NAN, high = NAN;
    for (size_t i = 0; i < chart->curve_count; i++) {
        const plot_curve *curve = &chart->curves[i];
        if (!from_smooth || curve->smooth == NULL) {
            widen_range(chart, &curve->total, &low, &high);
            continue;
        }
        for (size_t k = 0; k < curve->bucket_count; k++) widen_range(chart, &curve->smooth[k], &low, &high);
    }
    const bool has_values = !isnan(low);
    plot_axis_init(&chart->y_axis, has_values ? low : 1, has_values ? high : 2, chart->is_log_y, false);
    return has_values;
}

/* The labels left of the raster: round values, or the two ends when the range has none. */
static size_t y_ticks(const plot_chart *chart, plot_tick out[PLOT_TICKS_MAX])
{
    size_t wanted = chart->rows / 2 + 1;
    if (wanted > 10) wanted = 10;
    const size_t count = plot_axis_ticks(&chart->y_axis, wanted, out);
    if (count >= 2) return count;
    for (size_t i = 0; i < 2; i++) {
        char text[NUMBER_TEXT_BYTES];
        out[i].value = i == 0 ? chart->y_axis.low : chart->y_axis.high;
        out[i].position = (double)i;
        number_format_double(out[i].value, text);
        snprintf(out[i].label, sizeof out[i].label, "%.*s", PLOT_LABEL_BYTES - 1, text);
    }
    return 2;
}

static size_t gutter_for(const plot_chart *chart, bool has_values)
{
    plot_tick ticks[PLOT_TICKS_MAX];
    const size_t count = has_values ? y_ticks(chart, ticks) : 0;
    size_t widest = chart->strip_count > 0 ? 4 : 1;
    for (size_t i = 0; i < count; i++)
        if (strlen(ticks[i].label) > widest) widest = strlen(ticks[i].label);
    if (widest + 2 > chart->width / 2) widest = chart->width / 2 > 3 ? chart->width / 2 - 2 : 1;
    return widest + 2;
}

void plot_chart_layout(plot_chart *chart, double low_x, double high_x)
{
    if (chart->width < 10) chart->width = 10;
    if (chart->width > PLOT_COLUMNS_MAX) chart->width = PLOT_COLUMNS_MAX;
    if (chart->height > PLOT_ROWS_MAX) chart->height = PLOT_ROWS_MAX;
    for (strip_kind kind = 0; kind < STRIP_COUNT; kind++) chart->strip_count += has_strip(chart, kind);
    const size_t around = (chart->title != NULL) + 2 + chart->strip_count + plot_legend_fit(chart);
    chart->rows = chart->height > around + 4 ? chart->height - around : 4;
    chart->gutter = gutter_for(chart, set_y_axis(chart, false));
    chart->columns = chart->width - chart->gutter;
    chart->bucket_count = chart->columns * (chart->style.is_ascii ? 1 : 2);
    plot_axis_init(&chart->x_axis, low_x, high_x, chart->is_log_x, chart->is_whole_x);
}

/* ---- the raster ---- */

static bool has_place(const plot_chart *chart, double value)
{
    return isfinite(value) && (!chart->is_log_y || value > 0);
}

/* Buckets and dots are as many, except that smoothed curves may need wider labels than their raw values did. */
static size_t dot_of_bucket(const plot_canvas *canvas, const plot_curve *curve, size_t bucket)
{
    return bucket * plot_canvas_width(canvas) / curve->bucket_count;
}

static size_t dot_of_value(const plot_chart *chart, const plot_canvas *canvas, double value)
{
    return plot_axis_dot(&chart->y_axis, value, plot_canvas_height(canvas));
}

static void draw_bucket(const plot_chart *chart, plot_canvas *canvas, const plot_bucket *bucket, size_t x, plot_ink ink)
{
    if (!has_place(chart, bucket->high)) return;
    /* On a log axis 0 is infinitely far down: the span goes to the edge. */
    const size_t low = has_place(chart, bucket->low) ? dot_of_value(chart, canvas, bucket->low) : 0;
    plot_canvas_line(canvas, x, low, x, dot_of_value(chart, canvas, bucket->high), ink);
}

/* A single dot is hard to see: makes it a small cross. */
static void draw_lone_dot(const plot_chart *chart, plot_canvas *canvas, double value, size_t x, plot_ink ink)
{
    const size_t y = dot_of_value(chart, canvas, value);
    plot_canvas_dot(canvas, x + 1, y, ink);
    plot_canvas_dot(canvas, x, y + 1, ink);
    if (x > 0) plot_canvas_dot(canvas, x - 1, y, ink);
    if (y > 0) plot_canvas_dot(canvas, x, y - 1, ink);
}

static void draw_curve(const plot_chart *chart, plot_canvas *canvas, const plot_curve *curve,
                       const plot_bucket *buckets, plot_ink ink)
{
    const plot_bucket *before = NULL;
    size_t x_before = 0, drawn_count = 0;
    for (size_t i = 0; i < curve->bucket_count; i++) {
        const plot_bucket *bucket = &buckets[i];
        if (bucket->count == 0) continue;
        const size_t x = dot_of_bucket(canvas, curve, i);
        if (before != NULL && has_place(chart, before->last) && has_place(chart, bucket->first))
            plot_canvas_line(canvas, x_before, dot_of_value(chart, canvas, before->last), x,
                             dot_of_value(chart, canvas, bucket->first), ink);
        draw_bucket(chart, canvas, bucket, x, ink);
        if (has_place(chart, bucket->high)) drawn_count++;
        before = bucket;
        x_before = x;
    }
    if (drawn_count != 1) return;
    for (size_t i = 0; i < curve->bucket_count; i++)
        if (buckets[i].count > 0 && has_place(chart, buckets[i].high))
            draw_lone_dot(chart, canvas, buckets[i].high, dot_of_bucket(canvas, curve, i), ink);
}

/* A letter may stand only where it hides no spike: the bucket must lie within its cell. */
static bool try_letter(const plot_chart *chart, plot_canvas *canvas, const plot_bucket *bucket, size_t x,
                       plot_ink ink)
{
    if (bucket->count == 0 || !has_place(chart, bucket->low)) return false;
    const size_t low = dot_of_value(chart, canvas, bucket->low), high = dot_of_value(chart, canvas, bucket->high);
    const size_t cell_height = chart->style.is_ascii ? 3 : 4;
    if (low / cell_height != high / cell_height) return false;
    return plot_canvas_letter(canvas, x, low, ink);
}

/* Names a curve on itself, in three places that differ from those of other curves. */
static void draw_letters(const plot_chart *chart, plot_canvas *canvas, const plot_curve *curve,
                         const plot_bucket *buckets, plot_ink ink)
{
    const size_t count = curve->bucket_count, places = chart->columns < 30 ? 1 : 3;
    for (size_t place = 0; place < places; place++) {
        const double share = ((double)ink.curve + 0.5) / (double)chart->curve_count;
        const size_t wanted = (size_t)(((double)place + share) / (double)places * (double)count);
        for (size_t away = 0; away < count / places; away++) {
            const size_t right = wanted + away, left = wanted - away;
            if (right < count &&
                try_letter(chart, canvas, &buckets[right], dot_of_bucket(canvas, curve, right), ink)) break;
            if (left < count &&
                try_letter(chart, canvas, &buckets[left], dot_of_bucket(canvas, curve, left), ink)) break;
        }
    }
}

static void draw_all(const plot_chart *chart, plot_canvas *canvas)
{
    const size_t width = plot_canvas_width(canvas);
    for (size_t i = 0; i < chart->mark_count; i++)
        plot_canvas_rule(canvas, plot_axis_dot(&chart->x_axis, chart->marks[i].x, width));
    for (size_t i = 0; i < chart->curve_count; i++)
        if (chart->curves[i].smooth != NULL && !chart->is_raw_hidden)
            draw_curve(chart, canvas, &chart->curves[i], chart->curves[i].raw, (plot_ink){(uint8_t)i, true});
    for (size_t i = 0; i < chart->curve_count; i++) {
        const plot_curve *curve = &chart->curves[i];
        draw_curve(chart, canvas, curve, curve->smooth != NULL ? curve->smooth : curve->raw,
                   (plot_ink){(uint8_t)i, false});
    }
    for (size_t i = 0; i < chart->curve_count && chart->style.is_letters && !chart->style.is_ascii; i++) {
        const plot_curve *curve = &chart->curves[i];
        draw_letters(chart, canvas, curve, curve->smooth != NULL ? curve->smooth : curve->raw,
                     (plot_ink){(uint8_t)i, false});
    }
}

/* ---- text ---- */

static void print_gutter(const plot_chart *chart, const char *label, const char *axis, const char *ascii_axis,
                         FILE *out)
{
    const size_t room = chart->gutter - 2, bytes = strlen(label) < room ? strlen(label) : room;
    fprintf(out, "%*s%.*s %s", (int)(room - bytes), "", (int)bytes, label, chart->style.is_ascii ? ascii_axis : axis);
}

static void print_strip(const plot_chart *chart, const plot_canvas *canvas, strip_kind kind, FILE *out)
{
    if (!has_strip(chart, kind)) return;
    uint8_t cells[PLOT_COLUMNS_MAX] = {0}; /* curve + 1 */
    size_t used = 0;
    for (size_t i = chart->curve_count; i-- > 0;)
        for (size_t k = 0; k < chart->curves[i].bucket_count; k++) {
            if (strip_value_count(chart, &chart->curves[i].raw[k], kind) == 0) continue;
            const size_t cell = dot_of_bucket(canvas, &chart->curves[i], k) / plot_canvas_cell_width(canvas);
            cells[cell] = (uint8_t)(i + 1);
            if (cell >= used) used = cell + 1;
        }
    print_gutter(chart, strips[kind].name, "│", "|", out);
    for (size_t cell = 0; cell < used; cell++) {
        if (cells[cell] == 0) {
            fputc(' ', out);
            continue;
        }
        plot_ink_begin((plot_ink){(uint8_t)(cells[cell] - 1), false}, chart->style, out);
        fputs(chart->style.is_ascii ? strips[kind].ascii_mark : strips[kind].mark, out);
        plot_ink_end(chart->style, out);
    }
    fputc('\n', out);
}

static void print_raster(const plot_chart *chart, const plot_canvas *canvas, bool has_values, FILE *out)
{
    plot_tick ticks[PLOT_TICKS_MAX];
    const size_t count = has_values ? y_ticks(chart, ticks) : 0;
    for (size_t row = 0; row < chart->rows; row++) {
        const char *label = NULL;
        for (size_t i = 0; i < count; i++) {
            const size_t dot = plot_axis_dot(&chart->y_axis, ticks[i].value, plot_canvas_height(canvas));
            if (chart->rows - 1 - dot / (plot_canvas_height(canvas) / chart->rows) == row) label = ticks[i].label;
        }
        print_gutter(chart, label != NULL ? label : "", label != NULL ? "┤" : "│", label != NULL ? "+" : "|", out);
        plot_canvas_print_row(canvas, row, out);
        fputc('\n', out);
    }
}

/* The axis line with its ticks, then their labels where they do not touch. */
static void print_x_axis(const plot_chart *chart, const plot_canvas *canvas, FILE *out)
{
    plot_tick ticks[PLOT_TICKS_MAX];
    const size_t count = plot_axis_ticks(&chart->x_axis, chart->columns / 9 + 1, ticks);
    bool has_tick[PLOT_COLUMNS_MAX] = {0};
    char line[PLOT_COLUMNS_MAX + 1];
    memset(line, ' ', chart->width);
    size_t end = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t cell = plot_axis_dot(&chart->x_axis, ticks[i].value, plot_canvas_width(canvas)) /
                            plot_canvas_cell_width(canvas);
        const size_t bytes = strlen(ticks[i].label), center = chart->gutter + cell;
        size_t start = center > bytes / 2 ? center - bytes / 2 : 0;
        if (bytes > chart->width) continue;
        if (start + bytes > chart->width) start = chart->width - bytes;
        if (end > 0 && start < end + 2) continue;
        memcpy(line + start, ticks[i].label, bytes);
        end = start + bytes;
        has_tick[cell] = true;
    }
    const size_t name_bytes = strlen(chart->x_name);
    if (name_bytes > 0 && end + 2 + name_bytes <= chart->width) {
        memcpy(line + chart->width - name_bytes, chart->x_name, name_bytes);
        end = chart->width;
    }
    print_gutter(chart, "", "└", "+", out);
    for (size_t cell = 0; cell < chart->columns; cell++)
        fputs(has_tick[cell] ? (chart->style.is_ascii ? "+" : "┬") : chart->style.is_ascii ? "-" : "─", out);
    fprintf(out, "\n%.*s\n", (int)end, line);
}

void plot_chart_print(plot_chart *chart, FILE *out)
{
    const bool has_values = set_y_axis(chart, chart->is_raw_hidden);
    const size_t gutter = gutter_for(chart, has_values);
    if (gutter > chart->gutter) {
        chart->columns -= gutter - chart->gutter; /* at most half of the width, so columns remain */
        chart->gutter = gutter;
    }
    plot_canvas *canvas = plot_canvas_new(chart->columns, chart->rows, chart->style);
    if (canvas == NULL) return;
    draw_all(chart, canvas);
    if (chart->title != NULL) fprintf(out, "%s\n", chart->title);
    print_strip(chart, canvas, STRIP_HIGH_INF, out);
    print_raster(chart, canvas, has_values, out);
    for (strip_kind kind = STRIP_NEGATIVE; kind < STRIP_COUNT; kind++) print_strip(chart, canvas, kind, out);
    print_x_axis(chart, canvas, out);
    plot_legend_print(chart, out);
    plot_canvas_free(canvas);
}
