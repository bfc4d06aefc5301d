/* bench/plot.c: charts as SVG. Ranges follow from the data: whole decades on logarithmic axes, round numbers else. */
#include "plot.h"

#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDTH = 860,
    HEIGHT = 520,
    LEFT = 80,
    RIGHT = 210, /* with room for the names of lines */
    TOP = 50,
    BOTTOM = 60,
    LINES_MAX = 24,
    POINTS_MAX = 256
};

typedef struct line {
    char name[64];
    int is_mark;
    size_t count;
    double x[POINTS_MAX], y[POINTS_MAX];
} line;

typedef struct axis {
    int is_log;
    double from, to, tick; /* of the logarithm where is_log */
} axis;

struct plot {
    char title[160], x_label[96], y_label[96];
    axis x, y;
    size_t line_count;
    line lines[LINES_MAX];
};

static const char *const colours[] = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e",
                                      "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22"};
enum { COLOURS = sizeof colours / sizeof *colours };

plot *plot_new(const char *title, const char *x_label, const char *y_label, int flags)
{
    plot *p = calloc(1, sizeof *p);
    if (!p) die("no memory");
    snprintf(p->title, sizeof p->title, "%s", title);
    snprintf(p->x_label, sizeof p->x_label, "%s", x_label);
    snprintf(p->y_label, sizeof p->y_label, "%s", y_label);
    p->x.is_log = (flags & PLOT_LOG_X) != 0;
    p->y.is_log = (flags & PLOT_LOG_Y) != 0;
    return p;
}

void plot_line(plot *p, const char *name, const double *x, const double *y, size_t count)
{
    if (p->line_count == LINES_MAX) return;
    line *l = &p->lines[p->line_count++];
    snprintf(l->name, sizeof l->name, "%s", name);
    for (size_t i = 0; i < count && l->count < POINTS_MAX; i++) {
        if ((p->x.is_log && !(x[i] > 0)) || (p->y.is_log && !(y[i] > 0))) continue;
        l->x[l->count] = p->x.is_log ? log10(x[i]) : x[i];
        l->y[l->count++] = p->y.is_log ? log10(y[i]) : y[i];
    }
}

void plot_mark(plot *p, const char *name, double x, double y)
{
    size_t before = p->line_count;
    plot_line(p, name, &x, &y, 1);
    if (p->line_count > before) p->lines[before].is_mark = 1;
}

void plot_latency(plot *p, const char *name, const latency *l, double of_a_tick)
{
    double x[POINTS_MAX], y[POINTS_MAX];
    size_t count = 0;
    for (double one_in = 1.25; one_in <= (double)l->count && count < POINTS_MAX; one_in *= 1.25) {
        x[count] = one_in;
        y[count++] = latency_quantile(l, 1 - 1 / one_in, of_a_tick);
    }
    plot_line(p, name, x, y, count);
}

/* The least of 1, 2, 5, 10, 20... that gives at most eight ticks. */
static double round_tick(double width)
{
    double tick = pow(10, floor(log10(width / 8)));
    while (width / tick > 8) tick *= width / tick > 40 ? 10 : width / tick > 16 ? 5 : 2;
    return tick;
}

static void set_range(axis *a, double low, double high)
{
    if (!(high > low)) high = low + 1;
    a->tick = a->is_log ? 1 : round_tick(high - low);
    if (!a->is_log && low > 0 && low < 0.5 * high) low = 0;
    a->from = floor(low / a->tick) * a->tick;
    a->to = ceil(high / a->tick) * a->tick;
}

static void set_ranges(plot *p)
{
    double x_low = INFINITY, x_high = -INFINITY, y_low = INFINITY, y_high = -INFINITY;
    for (size_t i = 0; i < p->line_count; i++)
        for (size_t j = 0; j < p->lines[i].count; j++) {
            x_low = fmin(x_low, p->lines[i].x[j]);
            x_high = fmax(x_high, p->lines[i].x[j]);
            y_low = fmin(y_low, p->lines[i].y[j]);
            y_high = fmax(y_high, p->lines[i].y[j]);
        }
    if (!(x_low <= x_high)) x_low = x_high = y_low = y_high = 0;
    set_range(&p->x, x_low, x_high);
    set_range(&p->y, y_low, y_high);
}

static double to_x(const plot *p, double x)
{
    return LEFT + (x - p->x.from) / (p->x.to - p->x.from) * (WIDTH - LEFT - RIGHT);
}
static double to_y(const plot *p, double y)
{
    return HEIGHT - BOTTOM - (y - p->y.from) / (p->y.to - p->y.from) * (HEIGHT - TOP - BOTTOM);
}

static void put_text(FILE *f, double x, double y, const char *attributes, const char *text)
{
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
    for (; *text; text++) {
        if (*text == '<')
            fputs("&lt;", f);
        else if (*text == '&')
            fputs("&amp;", f);
        else
            fputc(*text, f);
    }
    fputs("</text>\n", f);
}

static void put_tick_text(FILE *f, double x, double y, const char *attributes, const axis *a, double at)
{
    char text[32];
    snprintf(text, sizeof text, "%.6g", a->is_log ? pow(10, at) : fabs(at) < a->tick * 1e-6 ? 0 : at);
    put_text(f, x, y, attributes, text);
}

static void put_axes(const plot *p, FILE *f)
{
    for (double at = p->x.from; at <= p->x.to + p->x.tick * 0.01; at += p->x.tick) {
        double x = to_x(p, at);
        fprintf(f, "<path d=\"M%.1f %d V%d\" stroke=\"#ddd\"/>\n", x, TOP, HEIGHT - BOTTOM);
        put_tick_text(f, x, HEIGHT - BOTTOM + 18, "text-anchor=\"middle\"", &p->x, at);
    }
    for (double at = p->y.from; at <= p->y.to + p->y.tick * 0.01; at += p->y.tick) {
        double y = to_y(p, at);
        fprintf(f, "<path d=\"M%d %.1f H%d\" stroke=\"#ddd\"/>\n", LEFT, y, WIDTH - RIGHT);
        put_tick_text(f, LEFT - 8, y + 4, "text-anchor=\"end\"", &p->y, at);
    }
    fprintf(f, "<path d=\"M%d %d V%d H%d\" stroke=\"#333\" fill=\"none\"/>\n", LEFT, TOP, HEIGHT - BOTTOM,
            WIDTH - RIGHT);
    put_text(f, LEFT, TOP - 22, "font-size=\"16\"", p->title);
    put_text(f, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 16, "text-anchor=\"middle\"", p->x_label);
    char turned[96];
    double middle = (TOP + HEIGHT - BOTTOM) / 2.0;
    snprintf(turned, sizeof turned, "text-anchor=\"middle\" transform=\"rotate(-90 18 %.1f)\"", middle);
    put_text(f, 18, middle, turned, p->y_label);
}

static void put_lines(const plot *p, FILE *f)
{
    double legend = TOP + 10;
    for (size_t i = 0; i < p->line_count; i++) {
        const line *l = &p->lines[i];
        const char *colour = colours[i % COLOURS];
        char attributes[64];
        snprintf(attributes, sizeof attributes, "fill=\"%s\"", colour);
        for (size_t j = 0; j < l->count; j++) /* dots, so that the points of a line can be told */
            fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%s\" fill=\"%s\"/>\n", to_x(p, l->x[j]), to_y(p, l->y[j]),
                    l->is_mark      ? "5"
                    : l->count > 20 ? "0"
                                    : "3",
                    colour);
        if (l->is_mark && l->count == 1) {
            put_text(f, to_x(p, l->x[0]) + 8, to_y(p, l->y[0]) + 4, attributes, l->name);
            continue;
        }
        fputs("<polyline points=\"", f);
        for (size_t j = 0; j < l->count; j++) fprintf(f, "%.1f,%.1f ", to_x(p, l->x[j]), to_y(p, l->y[j]));
        fprintf(f, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n", colour);
        put_text(f, WIDTH - RIGHT + 12, legend, attributes, l->name);
        legend += 18;
    }
}

void plot_write(plot *p, const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f) die("cannot write '%s'", path);
    set_ranges(p);
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
            "font-size=\"12\">\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    put_axes(p, f);
    put_lines(p, f);
    fputs("</svg>\n", f);
    if (fclose(f) != 0) die("cannot write '%s'", path);
    free(p);
}
