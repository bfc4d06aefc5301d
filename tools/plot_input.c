/* plot_input.c: reads `y` or `x y` lines until they end, in bounded memory, for `... | steplog plot -`.
 *
 * How wide the x axis will be is known only at the end, so points are kept. When there are too many, neighbours are
 * joined to what can be seen of them in a plot: first and last, smallest and largest, and one of each kind that is not
 * finite. Totals and smoothing are worked out before that, from every point. */
#include "plot_input.h"

#include "number.h"
#include "print.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX 65536
#define PICKS_MAX 65536u /* of all curves together; 19 MiB */
#define FIELDS_MAX (PLOT_INPUT_CURVES_MAX + 1)

typedef struct point {
    uint64_t index; /* order of arrival */
    double x, value, smooth_value;
} point;

/* What must be kept of neighbouring points. */
typedef enum pick_kind {
    PICK_FIRST,
    PICK_LAST,
    PICK_LOW,
    PICK_HIGH,
    PICK_SMOOTH_LOW,
    PICK_SMOOTH_HIGH,
    PICK_NAN,
    PICK_HIGH_INF,
    PICK_LOW_INF,
    PICK_COUNT
} pick_kind;

typedef struct pick {
    point points[PICK_COUNT];
    bool has[PICK_COUNT];
} pick;

struct plot_points {
    pick *picks;
    size_t count, capacity;
    uint64_t point_count;
    uint64_t points_each; /* so many neighbours share a pick: a power of two */
    plot_smoother smoother;
};

typedef struct field {
    const char *text;
    size_t bytes;
} field;

/* How the lines are made up, learned from the first one. */
typedef struct line_form {
    size_t field_count; /* 0: not known yet */
    size_t column[FIELDS_MAX]; /* which fields are read, x first when there are several */
    size_t column_count;
    field names[FIELDS_MAX];
    char *header; /* where names are */
} line_form;

/* ---- thinning ---- */

static bool is_of_kind(pick_kind kind, const point *one)
{
    switch (kind) {
    case PICK_LOW:
    case PICK_HIGH: return isfinite(one->value);
    case PICK_SMOOTH_LOW:
    case PICK_SMOOTH_HIGH: return isfinite(one->smooth_value);
    case PICK_NAN: return isnan(one->value);
    case PICK_HIGH_INF: return isinf(one->value) && one->value > 0;
    case PICK_LOW_INF: return isinf(one->value) && one->value < 0;
    default: return true;
    }
}

static bool is_better(pick_kind kind, const point *one, const point *held)
{
    switch (kind) {
    case PICK_LOW: return one->value < held->value;
    case PICK_HIGH: return one->value > held->value;
    case PICK_SMOOTH_LOW: return one->smooth_value < held->smooth_value;
    case PICK_SMOOTH_HIGH: return one->smooth_value > held->smooth_value;
    case PICK_LAST: return one->index > held->index;
    default: return one->index < held->index;
    }
}

static void offer(pick *to, pick_kind kind, const point *one)
{
    if (!is_of_kind(kind, one) || (to->has[kind] && !is_better(kind, one, &to->points[kind]))) return;
    to->points[kind] = *one;
    to->has[kind] = true;
}

/* Joins each two neighbours. All picks stand for as many points, early and late ones alike. */
static void thin_out(plot_points *series)
{
    for (size_t i = 0; i < series->count; i += 2) {
        pick joined = series->picks[i];
        for (pick_kind kind = 0; kind < PICK_COUNT && i + 1 < series->count; kind++)
            if (series->picks[i + 1].has[kind]) offer(&joined, kind, &series->picks[i + 1].points[kind]);
        series->picks[i / 2] = joined;
    }
    series->count = (series->count + 1) / 2;
    series->points_each *= 2;
}

static void keep_point(plot_points *series, const point *one, size_t curve_count)
{
    if (one->index % series->points_each == 0) {
        if (series->count >= PICKS_MAX / curve_count / 2 * 2) thin_out(series);
        if (series->count == series->capacity) {
            series->capacity = series->capacity == 0 ? 64 : series->capacity * 2;
            series->picks = xrealloc(series->picks, series->capacity * sizeof *series->picks);
        }
        series->picks[series->count++] = (pick){.has = {false}};
    }
    for (pick_kind kind = 0; kind < PICK_COUNT; kind++) offer(&series->picks[series->count - 1], kind, one);
}

/* Gives the points of a pick in the order of their arrival, each once. */
static size_t points_of(const pick *from, point out[PICK_COUNT])
{
    size_t count = 0;
    for (pick_kind kind = 0; kind < PICK_COUNT; kind++) {
        if (!from->has[kind]) continue;
        const point one = from->points[kind];
        size_t at = 0;
        while (at < count && out[at].index < one.index) at++;
        if (at < count && out[at].index == one.index) continue;
        memmove(&out[at + 1], &out[at], (count - at) * sizeof *out);
        out[at] = one;
        count++;
    }
    return count;
}

/* ---- lines ---- */

/* Reads a line into buffer, terminated, without its end. -1 at the end of the input, 0 when it was too long. */
static int read_line(FILE *in, char *buffer, size_t *bytes)
{
    size_t count = 0;
    bool is_long = false;
    int c;
    while ((c = getc_unlocked(in)) != EOF && c != '\n') {
        if (count + 1 < LINE_BYTES_MAX) buffer[count++] = (char)c;
        else is_long = true;
    }
    if (c == EOF && count == 0) return -1;
    if (count > 0 && buffer[count - 1] == '\r') count--;
    buffer[count] = 0;
    *bytes = count;
    return !is_long;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static field trimmed(const char *text, size_t bytes)
{
    while (bytes > 0 && is_blank(text[0])) {
        text++;
        bytes--;
    }
    while (bytes > 0 && is_blank(text[bytes - 1])) bytes--;
    return (field){text, bytes};
}

/* Tabs divide where there are any, else commas, else blanks. Returns FIELDS_MAX + 1 when there are too many. */
static size_t split(const char *line, size_t bytes, field fields[FIELDS_MAX])
{
    const char divider = memchr(line, '\t', bytes) != NULL ? '\t' : memchr(line, ',', bytes) != NULL ? ',' : ' ';
    size_t count = 0, at = 0;
    while (at <= bytes) {
        if (divider == ' ')
            while (at < bytes && line[at] == ' ') at++;
        if (divider == ' ' && at == bytes) break;
        const size_t begin = at;
        while (at < bytes && line[at] != divider) at++;
        if (count == FIELDS_MAX) return FIELDS_MAX + 1;
        fields[count++] = trimmed(line + begin, at - begin);
        at++;
    }
    return count;
}

static bool is_missing(field one)
{
    return one.bytes == 0 || (one.bytes == 1 && one.text[0] == '-');
}

static bool is_word(field one)
{
    double value;
    return !is_missing(one) && !number_parse_double(one.text, one.bytes, &value);
}

static char *name_copy(field one)
{
    char *copy = print_safe_copy(one.text, one.bytes, NULL);
    return copy != NULL ? copy : xstrdup("");
}

static bool is_time_column(field name)
{
    return name.bytes == 4 && memcmp(name.text, "time", 4) == 0;
}

/* Takes a first line of words as the names of the columns. A column of times, as `steplog query` prints, is left
 * out. */
static bool take_header(line_form *form, const char *line, size_t bytes)
{
    field fields[FIELDS_MAX];
    char *copy = xmalloc(bytes + 1);
    memcpy(copy, line, bytes + 1);
    const size_t count = split(copy, bytes, fields);
    size_t words = 0;
    for (size_t i = 0; i < count && count <= FIELDS_MAX; i++) words += is_word(fields[i]);
    if (words == 0 || words != count) {
        free(copy);
        return false;
    }
    form->header = copy;
    form->field_count = count;
    for (size_t i = 0; i < count; i++) {
        form->names[i] = fields[i];
        if (!is_time_column(fields[i])) form->column[form->column_count++] = i;
    }
    return form->column_count > 0;
}

static void begin_curves(plot_input *input, const line_form *form, const plot_input_options *options)
{
    const bool has_x = form->column_count > 1;
    input->curve_count = form->column_count - has_x;
    input->curves = xcalloc(input->curve_count, sizeof *input->curves);
    input->points = xcalloc(input->curve_count, sizeof *input->points);
    for (size_t i = 0; i < input->curve_count; i++) {
        char text[32];
        snprintf(text, sizeof text, input->curve_count > 1 ? "y%zu" : "y", i + 1);
        plot_curve_init(&input->curves[i], form->header != NULL ? name_copy(form->names[form->column[i + has_x]])
                                                                : xstrdup(text));
        input->points[i].points_each = 1;
        input->points[i].smoother = (plot_smoother){.weight = fmax(options->smooth_weight, 0), .rest = 1};
    }
    if (form->header != NULL && has_x) input->x_name = name_copy(form->names[form->column[0]]);
}

static void add_point(plot_input *input, const plot_input_options *options, size_t index, double x, double value)
{
    plot_curve *curve = &input->curves[index];
    plot_points *series = &input->points[index];
    if ((options->has_begin && x < options->begin) || (options->has_end && x >= options->end)) return;
    if (options->is_log_x && !(x > 0)) {
        curve->outside_count++;
        return;
    }
    if (x != floor(x)) input->is_whole_x = false;
    plot_curve_count(curve, x, value);
    const double smooth_value = options->smooth_weight < 0 ? value : plot_smoother_next(&series->smoother, value);
    const point one = {series->point_count++, x, value, smooth_value};
    keep_point(series, &one, input->curve_count);
}

/* Reads the numbers of a line; false when it is a bad one. */
static bool take_numbers(plot_input *input, const plot_input_options *options, line_form *form, const char *line,
                         size_t bytes)
{
    field fields[FIELDS_MAX];
    double numbers[FIELDS_MAX];
    bool has_number[FIELDS_MAX] = {0};
    const size_t count = split(line, bytes, fields);
    if (count == 0 || count > FIELDS_MAX || (form->field_count != 0 && count != form->field_count)) return false;
    const size_t columns = form->field_count != 0 ? form->column_count : count;
    for (size_t i = 0; i < columns; i++) {
        const field one = fields[form->field_count != 0 ? form->column[i] : i];
        has_number[i] = number_parse_double(one.text, one.bytes, &numbers[i]);
        if (!has_number[i] && !is_missing(one)) return false;
    }
    const bool has_x = columns > 1;
    if (has_x && !(has_number[0] && isfinite(numbers[0]))) return false;
    if (form->field_count == 0) {
        form->field_count = form->column_count = count;
        for (size_t i = 0; i < count; i++) form->column[i] = i;
    }
    if (input->curves == NULL) begin_curves(input, form, options);
    const double x = has_x ? numbers[0] : (double)input->line_count;
    for (size_t i = has_x; i < columns; i++)
        if (has_number[i]) add_point(input, options, i - has_x, x, numbers[i]);
    input->line_count++;
    return true;
}

void plot_input_read(plot_input *input, const plot_input_options *options, FILE *in)
{
    *input = (plot_input){.is_whole_x = true};
    line_form form = {0};
    char *line = xmalloc(LINE_BYTES_MAX);
    uint64_t number = 0;
    size_t bytes = 0;
    for (int state; (state = read_line(in, line, &bytes)) >= 0;) {
        number++;
        const field text = trimmed(line, bytes);
        if (state > 0 && (text.bytes == 0 || text.text[0] == '#')) continue;
        if (state > 0 && take_numbers(input, options, &form, line, bytes)) continue;
        if (state > 0 && form.field_count == 0 && take_header(&form, line, bytes)) continue;
        if (input->bad_count++ == 0) input->first_bad_line = number;
    }
    free(line);
    free(form.header);
}

static void fill_curve(plot_curve *curve, const pick *from, const plot_axis *x_axis)
{
    point points[PICK_COUNT];
    const size_t count = points_of(from, points);
    for (size_t i = 0; i < count; i++) {
        plot_curve_add(curve, x_axis, points[i].x, points[i].value);
        if (curve->smooth != NULL) plot_curve_add_smooth(curve, x_axis, points[i].x, points[i].smooth_value);
    }
}

void plot_input_fill(plot_input *input, const plot_axis *x_axis, size_t bucket_count, double smooth_weight)
{
    for (size_t i = 0; i < input->curve_count; i++) {
        const plot_points *series = &input->points[i];
        plot_curve_reserve(&input->curves[i], bucket_count);
        if (smooth_weight >= 0) plot_curve_reserve_smooth(&input->curves[i], series->smoother);
        for (size_t k = 0; k < series->count; k++) fill_curve(&input->curves[i], &series->picks[k], x_axis);
    }
}

void plot_input_clear(plot_input *input)
{
    for (size_t i = 0; i < input->curve_count; i++) {
        plot_curve_clear(&input->curves[i]);
        free(input->points[i].picks);
    }
    free(input->curves);
    free(input->points);
    free(input->x_name);
    *input = (plot_input){0};
}
