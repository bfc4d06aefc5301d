/* plot_legend.c: the lines below a plot: each curve with its last, smallest and largest value, and how many of its
 * values have no place on the axes. Columns are aligned where a line holds them and wrapped where it does not. */
#include "plot_chart.h"

#include "print.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ITEM_BYTES 96
#define ITEM_COUNT 10

/* What is said of one curve. The first three items are columns; the others are there only where they are needed. */
typedef struct entry {
    char items[ITEM_COUNT][ITEM_BYTES];
    size_t item_count;
} entry;

static void add_item(entry *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_item(entry *to, const char *format, ...)
{
    if (to->item_count == ITEM_COUNT) return;
    va_list list;
    va_start(list, format);
    vsnprintf(to->items[to->item_count++], ITEM_BYTES, format, list);
    va_end(list);
}

static void add_extreme(entry *to, const plot_chart *chart, const char *name, double value, double x)
{
    char value_text[PLOT_LABEL_BYTES], x_text[PLOT_LABEL_BYTES];
    if (isnan(value)) {
        add_item(to, "%s -", name);
        return;
    }
    plot_axis_value_text(value, value_text);
    if (chart->is_legend_brief) {
        add_item(to, "%s %s", name, value_text);
        return;
    }
    if (chart->is_whole_x && fabs(x) < 9e15) snprintf(x_text, sizeof x_text, "%.0f", x);
    else plot_axis_value_text(x, x_text);
    add_item(to, "%s %s at %s", name, value_text, x_text);
}

static void add_count(entry *to, uint64_t count, const char *what)
{
    if (count > 0) add_item(to, "%" PRIu64 " %s", count, what);
}

static entry entry_for(const plot_chart *chart, const plot_curve *curve)
{
    entry made = {.item_count = 0};
    char text[PLOT_LABEL_BYTES];
    plot_axis_value_text(curve->total.last, text);
    add_item(&made, "last %s", curve->total.count > 0 ? text : "-");
    add_extreme(&made, chart, "min", curve->total.low, curve->low_x);
    add_extreme(&made, chart, "max", curve->total.high, curve->high_x);
    if (chart->is_smoothed) { /* before the values are in, room for a number is kept */
        const bool is_known = curve->smooth != NULL && curve->smoother.rest < 1;
        plot_axis_value_text(is_known ? curve->smoother.mean / (1 - curve->smoother.rest) : 0.12345, text);
        add_item(&made, "smoothed %s", curve->smooth != NULL && !is_known ? "-" : text);
    }
    add_count(&made, curve->total.nan_count, "NaN");
    add_count(&made, curve->total.high_inf_count, "+Inf");
    add_count(&made, curve->total.low_inf_count, "-Inf");
    if (chart->is_log_y) add_count(&made, curve->total.negative_count, "not above 0");
    add_count(&made, curve->outside_count, "left of the axis");
    return made;
}

static size_t key_width(const plot_chart *chart)
{
    return (chart->style.is_letters ? 2u : 0u) + (chart->style.is_colour ? 3u : 0u);
}

static size_t label_width(const plot_chart *chart)
{
    size_t widest = 0;
    for (size_t i = 0; i < chart->curve_count; i++) {
        const size_t width = print_width(chart->curves[i].label, strlen(chart->curves[i].label));
        if (width > widest) widest = width;
    }
    const size_t room = chart->width > key_width(chart) + 4 ? chart->width - key_width(chart) : 4;
    return widest < room ? widest : room;
}

/* The widths of the first three items over all curves. */
static void column_widths(const plot_chart *chart, size_t widths[ITEM_COUNT])
{
    memset(widths, 0, ITEM_COUNT * sizeof *widths);
    for (size_t i = 0; i < chart->curve_count; i++) {
        const entry one = entry_for(chart, &chart->curves[i]);
        for (size_t k = 0; k < 3; k++)
            if (strlen(one.items[k]) > widths[k]) widths[k] = strlen(one.items[k]);
    }
}

/* Prints a label in exactly width columns, cut where it is longer. */
static void print_label(const plot_chart *chart, const char *label, size_t width, FILE *out)
{
    const size_t bytes = strlen(label);
    const char *cut = chart->style.is_ascii ? "~" : "…";
    const bool is_long = print_width(label, bytes) > width;
    const size_t room = is_long ? width - 1 : width;
    size_t used = 0, taken = 0;
    while (used < bytes) {
        uint32_t character;
        size_t step = print_decode_utf8(label + used, bytes - used, &character);
        if (step == 0) step = 1;
        const size_t columns = print_width(label + used, step);
        if (taken + columns > room) break;
        taken += columns;
        used += step;
    }
    fprintf(out, "%.*s%s%*s", (int)used, label, is_long ? cut : "", (int)(room - taken), "");
}

static void print_key(const plot_chart *chart, size_t index, FILE *out)
{
    const plot_ink ink = {(uint8_t)index, false};
    plot_ink_begin(ink, chart->style, out);
    if (chart->style.is_letters) fprintf(out, "%c ", plot_ink_letter(ink));
    if (chart->style.is_colour) fputs(chart->style.is_ascii ? "-- " : "━━ ", out);
    plot_ink_end(chart->style, out);
}

/* Prints, or with out NULL only counts, the lines of one curve. */
static size_t print_entry(const plot_chart *chart, size_t index, size_t label_columns, const size_t *widths, FILE *out)
{
    const entry one = entry_for(chart, &chart->curves[index]);
    size_t lines = 1, used = key_width(chart) + label_columns, blanks = 2;
    if (out != NULL) {
        print_key(chart, index, out);
        print_label(chart, chart->curves[index].label, label_columns, out);
    }
    for (size_t i = 0; i < one.item_count; i++) {
        const size_t bytes = strlen(one.items[i]);
        if (used + blanks + bytes > chart->width) {
            if (out != NULL) fputc('\n', out);
            used = 0;
            blanks = 2 + bytes <= chart->width ? 2 : 0;
            lines++;
        }
        if (out != NULL) fprintf(out, "%*s%s", (int)blanks, "", one.items[i]);
        used += blanks + bytes;
        blanks = 2 + (lines == 1 && widths[i] > bytes ? widths[i] - bytes : 0);
    }
    if (out != NULL) fputc('\n', out);
    return lines;
}

static size_t print_marks(const plot_chart *chart, FILE *out)
{
    if (chart->mark_count == 0) return 0;
    size_t lines = 1, used = 1;
    if (out != NULL) fputs(chart->style.is_ascii ? ":" : "┊", out);
    for (size_t i = 0; i < chart->mark_count; i++) {
        char text[ITEM_BYTES];
        const size_t bytes = (size_t)snprintf(text, sizeof text, "attempt %" PRIu32 " from %s %.0f%s",
                                              chart->marks[i].attempt, chart->x_name, chart->marks[i].x,
                                              i + 1 < chart->mark_count ? "," : "");
        if (used + 1 + bytes > chart->width && used > 1) {
            if (out != NULL) fputs("\n ", out);
            used = 1;
            lines++;
        }
        if (out != NULL) fprintf(out, " %s", text);
        used += 1 + bytes;
    }
    if (out != NULL) fputc('\n', out);
    return lines;
}

static size_t print_all(const plot_chart *chart, FILE *out)
{
    size_t widths[ITEM_COUNT], lines = 0;
    column_widths(chart, widths);
    const size_t label_columns = label_width(chart);
    for (size_t i = 0; i < chart->curve_count; i++) lines += print_entry(chart, i, label_columns, widths, out);
    return lines + print_marks(chart, out);
}

void plot_legend_print(const plot_chart *chart, FILE *out)
{
    print_all(chart, out);
}

size_t plot_legend_fit(plot_chart *chart)
{
    chart->is_legend_brief = false;
    const size_t lines = print_all(chart, NULL);
    if (lines <= chart->height / 3) return lines;
    chart->is_legend_brief = true;
    const size_t brief_lines = print_all(chart, NULL);
    if (brief_lines == lines) chart->is_legend_brief = false;
    return brief_lines;
}
