/* plot_canvas.c: the raster under every plot.
 *
 * plot_chart.c turns values into dots; this file turns dots into characters. A cell remembers its dots, the curve
 * that drew in it last, and a letter laid over it. A strong curve clears a cell of faint ones.
 *
 * Braille has 8 dots in a cell, which makes it the finest raster a terminal has; U+2800 plus one bit for each dot.
 * ASCII has three heights (. - ') for one curve, and the curve's letter for several. */
#include "plot_canvas.h"

#include <stdlib.h>

typedef struct cell {
    uint8_t dots; /* braille bits, or 1 top, 2 middle, 4 bottom */
    uint8_t curve;
    bool is_faint;
    bool is_shared; /* more than one curve drew here */
    bool is_rule;
    char letter; /* 0: none */
} cell;

struct plot_canvas {
    size_t columns, rows;
    size_t cell_width, cell_height; /* in dots */
    plot_style style;
    cell cells[];
};

static size_t bring_into(size_t value, size_t low, size_t high)
{
    return value < low ? low : value > high ? high : value;
}

plot_canvas *plot_canvas_new(size_t columns, size_t rows, plot_style style)
{
    columns = bring_into(columns, 1, PLOT_COLUMNS_MAX);
    rows = bring_into(rows, 1, PLOT_ROWS_MAX);
    plot_canvas *canvas = calloc(1, sizeof *canvas + columns * rows * sizeof(cell));
    if (canvas == NULL) return NULL;
    canvas->columns = columns;
    canvas->rows = rows;
    canvas->cell_width = style.is_ascii ? 1 : 2;
    canvas->cell_height = style.is_ascii ? 3 : 4;
    canvas->style = style;
    return canvas;
}

void plot_canvas_free(plot_canvas *canvas)
{
    free(canvas);
}

size_t plot_canvas_width(const plot_canvas *canvas)
{
    return canvas->columns * canvas->cell_width;
}

size_t plot_canvas_height(const plot_canvas *canvas)
{
    return canvas->rows * canvas->cell_height;
}

size_t plot_canvas_cell_width(const plot_canvas *canvas)
{
    return canvas->cell_width;
}

static cell *cell_at(plot_canvas *canvas, size_t x, size_t y)
{
    if (x >= plot_canvas_width(canvas) || y >= plot_canvas_height(canvas)) return NULL;
    const size_t row = canvas->rows - 1 - y / canvas->cell_height;
    return &canvas->cells[row * canvas->columns + x / canvas->cell_width];
}

static uint8_t dot_bit(const plot_canvas *canvas, size_t x, size_t y)
{
    static const uint8_t braille[4][2] = {{0x40, 0x80}, {0x04, 0x20}, {0x02, 0x10}, {0x01, 0x08}}; /* bottom up */
    static const uint8_t ascii[3] = {4, 2, 1};
    const size_t height = y % canvas->cell_height;
    return canvas->style.is_ascii ? ascii[height] : braille[height][x % 2];
}

void plot_canvas_dot(plot_canvas *canvas, size_t x, size_t y, plot_ink ink)
{
    cell *target = cell_at(canvas, x, y);
    if (target == NULL) return;
    const bool is_taken = target->dots != 0;
    const bool is_stronger = !is_taken || target->is_faint || !ink.is_faint;
    /* In letters a faint dot beside a strong one would be read as part of the strong curve. */
    if (is_taken && ink.is_faint && !target->is_faint && !canvas->style.is_colour) return;
    if (is_taken && target->is_faint && !ink.is_faint) { /* a clean line over the cloud it came from */
        target->dots = 0;
        target->is_shared = false;
    } else if (is_taken && target->curve != ink.curve) {
        target->is_shared = true;
    }
    target->dots |= dot_bit(canvas, x, y);
    if (!is_stronger) return;
    target->curve = ink.curve;
    target->is_faint = ink.is_faint;
}

void plot_canvas_line(plot_canvas *canvas, size_t x0, size_t y0, size_t x1, size_t y1, plot_ink ink)
{
    /* Bresenham: the error term says how far the dots have strayed from the line. */
    const long dx = labs((long)x1 - (long)x0), dy = -labs((long)y1 - (long)y0);
    const long step_x = x0 < x1 ? 1 : -1, step_y = y0 < y1 ? 1 : -1;
    long x = (long)x0, y = (long)y0, error = dx + dy;
    for (;;) {
        plot_canvas_dot(canvas, (size_t)x, (size_t)y, ink);
        if (x == (long)x1 && y == (long)y1) return;
        const long twice = 2 * error;
        if (twice >= dy) {
            error += dy;
            x += step_x;
        }
        if (twice <= dx) {
            error += dx;
            y += step_y;
        }
    }
}

bool plot_canvas_letter(plot_canvas *canvas, size_t x, size_t y, plot_ink ink)
{
    cell *target = cell_at(canvas, x, y);
    if (target == NULL || target->is_shared || target->letter != 0) return false;
    if (target->dots != 0 && target->curve != ink.curve) return false;
    target->letter = plot_ink_letter(ink);
    target->curve = ink.curve;
    target->is_faint = ink.is_faint;
    return true;
}

void plot_canvas_rule(plot_canvas *canvas, size_t x)
{
    for (size_t row = 0; row < canvas->rows; row++) {
        cell *target = cell_at(canvas, x, row * canvas->cell_height);
        if (target != NULL) target->is_rule = true;
    }
}

char plot_ink_letter(plot_ink ink)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return letters[ink.curve % (sizeof letters - 1)];
}

void plot_ink_begin(plot_ink ink, plot_style style, FILE *out)
{
    /* The six that are readable on black and on white, then their bright forms. */
    static const int codes[] = {36, 33, 35, 32, 31, 34, 96, 93, 95, 92, 91, 94};
    if (style.is_colour)
        fprintf(out, "\033[%s%dm", ink.is_faint ? "2;" : "", codes[ink.curve % (sizeof codes / sizeof codes[0])]);
}

void plot_ink_end(plot_style style, FILE *out)
{
    if (style.is_colour) fputs("\033[0m", out);
}

static bool is_inked(const cell *one)
{
    return one->dots != 0 || one->letter != 0;
}

static bool is_blank(const cell *one)
{
    return !is_inked(one) && !one->is_rule;
}

static bool has_same_ink(const cell *left, const cell *right)
{
    return is_inked(left) && is_inked(right) && left->curve == right->curve && left->is_faint == right->is_faint;
}

static void print_cell(const plot_canvas *canvas, const cell *one, FILE *out)
{
    static const char heights[8] = {' ', '\'', '-', '|', '.', '|', '|', '|'};
    if (one->letter != 0) {
        fputc(one->letter, out);
    } else if (one->dots == 0) {
        if (one->is_rule) fputs(canvas->style.is_ascii ? ":" : "┊", out);
        else fputc(' ', out);
    } else if (!canvas->style.is_ascii) {
        const char braille[4] = {(char)0xE2, (char)(0xA0 | one->dots >> 6), (char)(0x80 | (one->dots & 63)), 0};
        fputs(braille, out);
    } else if (canvas->style.is_letters) {
        fputc(plot_ink_letter((plot_ink){one->curve, one->is_faint}), out);
    } else {
        fputc(heights[one->dots & 7], out);
    }
}

void plot_canvas_print_row(const plot_canvas *canvas, size_t row, FILE *out)
{
    if (row >= canvas->rows) return;
    const cell *cells = &canvas->cells[row * canvas->columns];
    size_t used = canvas->columns;
    while (used > 0 && is_blank(&cells[used - 1])) used--;
    for (size_t i = 0; i < used; i++) {
        const cell *one = &cells[i];
        if (!is_inked(one)) {
            print_cell(canvas, one, out);
            continue;
        }
        const plot_ink ink = {one->curve, one->is_faint};
        const bool follows = i > 0 && has_same_ink(&cells[i - 1], one);
        const bool leads = i + 1 < used && has_same_ink(&cells[i + 1], one);
        if (!follows) plot_ink_begin(ink, canvas->style, out); /* one escape a stretch, not one a cell */
        print_cell(canvas, one, out);
        if (!leads) plot_ink_end(canvas->style, out);
    }
}
