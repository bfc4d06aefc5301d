/* plot_canvas.h: a raster of dots that prints as text: braille cells of 2 x 4 dots, or ASCII cells of 1 x 3. */
#ifndef PLOT_CANVAS_H
#define PLOT_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PLOT_COLUMNS_MAX 1000
#define PLOT_ROWS_MAX 500

/* What draws: a curve by its number, counted from 0, strong or faint. */
typedef struct plot_ink {
    uint8_t curve;
    bool is_faint;
} plot_ink;

/* How cells become text. */
typedef struct plot_style {
    bool is_ascii;   /* only ASCII characters */
    bool is_colour;  /* ANSI colours tell curves apart */
    bool is_letters; /* letters tell curves apart */
} plot_style;

typedef struct plot_canvas plot_canvas;

/* Makes an empty raster of character cells; both counts are brought into 1 to their maximum. NULL: no memory. */
plot_canvas *plot_canvas_new(size_t columns, size_t rows, plot_style style);
void plot_canvas_free(plot_canvas *canvas);

/* How many dots the raster is wide and high. */
size_t plot_canvas_width(const plot_canvas *canvas);
size_t plot_canvas_height(const plot_canvas *canvas);
/* Dots across one cell: 2 or 1. */
size_t plot_canvas_cell_width(const plot_canvas *canvas);

/* Draws a dot, or a line with both its ends. x counts from the left, y from the bottom; what is outside is dropped. */
void plot_canvas_dot(plot_canvas *canvas, size_t x, size_t y, plot_ink ink);
void plot_canvas_line(plot_canvas *canvas, size_t x0, size_t y0, size_t x1, size_t y1, plot_ink ink);

/* Puts the letter of a curve over the cell that holds a dot, when no other curve draws there. Returns whether it
 * did. */
bool plot_canvas_letter(plot_canvas *canvas, size_t x, size_t y, plot_ink ink);

/* Draws a thin vertical line behind everything else, at the cell of x. */
void plot_canvas_rule(plot_canvas *canvas, size_t x);

/* Prints row 0 (top) to rows - 1 of cells, without trailing blanks and without a line end. */
void plot_canvas_print_row(const plot_canvas *canvas, size_t row, FILE *out);

/* The letter that stands for a curve: a to z, A to Z, then again. */
char plot_ink_letter(plot_ink ink);
/* Begins and ends the colour of a curve; print nothing without is_colour. */
void plot_ink_begin(plot_ink ink, plot_style style, FILE *out);
void plot_ink_end(plot_style style, FILE *out);

#endif
