/* table.c: one way to print rows in six formats.
 *
 * TSV, CSV, JSON and JSONL go straight to the file, cell by cell. The aligned form holds the first rows to learn how
 * wide the columns are, prints them, and streams the rest with those widths: a table of a hundred million rows takes
 * no more memory than one of five hundred. */
#include "table.h"
#include "json.h"
#include "time_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { HELD_ROWS_MAX = 500, HELD_BYTES_MAX = 1 << 20, LEFT_WIDTH_MIN = 10, COLUMNS_MIN = 2, NAMES_TOLD_MAX = 3 };

typedef struct column {
    char *name;
    size_t name_bytes;
    table_align align;
    size_t width; /* aligned: in terminal columns */
    size_t full_width; /* before it was made narrower */
    int has_content; /* aligned: a row held has more than "-" here */
    int is_hidden;   /* aligned: the terminal is too narrow */
} column;

/* A cell of the aligned form, its text in table.text. */
typedef struct cell {
    size_t offset, bytes;
    char color[8];
} cell;

struct table {
    out_file *o;
    table_format format;
    int has_header;
    char *json_name;
    column *columns;
    size_t column_count;
    size_t column;      /* of the next cell */
    uint64_t row_count; /* ended */
    int has_begun;      /* the header, or "{" of JSON, is printed */
    int is_embedded;
    int has_row_member; /* JSON: the row has a cell so far */
    char color[8];      /* for the next cell */
    /* aligned: rows held to measure them, then the one row being built */
    int is_streaming;
    cell *cells;
    size_t cell_count, cell_capacity;
    char *text;
    size_t text_bytes, text_capacity;
    char *json_head; /* members beside the rows, already JSON */
    size_t json_head_bytes;
};

int table_option(table_options *options, const args *a, int id)
{
    switch (id) {
    case TABLE_OPT_JSON: options->format = TABLE_JSON; return 1;
    case TABLE_OPT_JSONL: options->format = TABLE_JSONL; return 1;
    case TABLE_OPT_CSV: options->format = TABLE_CSV; return 1;
    case TABLE_OPT_TSV: options->format = TABLE_TSV; return 1;
    case TABLE_OPT_NO_HEADER: options->is_headless = 1; return 1;
    case TABLE_OPT_OUTPUT: options->output = a->value; return 1;
    default: return 0;
    }
}

table *table_new(out_file *o, table_format format, int has_header, const char *json_name)
{
    table *t = xcalloc(1, sizeof *t);
    t->o = o;
    t->format = format != TABLE_AUTO ? format : o->is_terminal ? TABLE_ALIGNED : TABLE_TSV;
    t->has_header = has_header;
    t->json_name = xstrdup(json_name);
    return t;
}

table_format table_get_format(const table *t)
{
    return t->format;
}

void table_column(table *t, const char *name, table_align align)
{
    table_column_bytes(t, name, strlen(name), align);
}

void table_column_bytes(table *t, const char *name, size_t bytes, table_align align)
{
    t->columns = xrealloc(t->columns, (t->column_count + 1) * sizeof *t->columns);
    column *c = &t->columns[t->column_count++];
    memset(c, 0, sizeof *c);
    c->align = align;
    if (t->format == TABLE_ALIGNED || t->format == TABLE_TSV || (t->format == TABLE_CSV && t->o->is_terminal)) {
        c->name = print_safe_copy(name, bytes, &c->name_bytes);
        if (c->name == NULL) c->name = xstrdup("");
    } else {
        c->name = xmalloc(bytes + 1);
        memcpy(c->name, name, bytes);
        c->name[bytes] = 0;
        c->name_bytes = bytes;
    }
    if (t->has_header) c->width = print_width(c->name, c->name_bytes);
}

void table_embed(table *t)
{
    t->is_embedded = 1;
}

void table_json_member(table *t, const char *key, const char *value)
{
    if (t->format != TABLE_JSON) return;
    char *head = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&head, &bytes);
    if (file == NULL) return;
    if (t->json_head) fwrite(t->json_head, 1, t->json_head_bytes, file);
    json_write_text(file, key);
    fputs(": ", file);
    json_write_text(file, value);
    fputs(", ", file);
    fclose(file);
    free(t->json_head);
    t->json_head = head;
    t->json_head_bytes = bytes;
}

/* ---- beginning and separators ---- */

static void begin(table *t)
{
    FILE *file = t->o->file;
    t->has_begun = 1;
    if (t->format == TABLE_JSON) {
        if (!t->is_embedded) fputs("{\"schema\": 1, ", file);
        if (t->json_head) fwrite(t->json_head, 1, t->json_head_bytes, file);
        if (!t->is_embedded) json_write_text(file, t->json_name);
        fputs(t->is_embedded ? "[" : ": [", file);
    }
    if (!t->has_header || (t->format != TABLE_TSV && t->format != TABLE_CSV)) return;
    for (size_t i = 0; i < t->column_count; i++) {
        if (i > 0) putc(t->format == TABLE_TSV ? '\t' : ',', file);
        if (t->format == TABLE_TSV) fwrite(t->columns[i].name, 1, t->columns[i].name_bytes, file);
        else print_csv(file, t->columns[i].name, t->columns[i].name_bytes);
    }
    putc('\n', file);
}

/* Prints what stands before a cell: a separator, or a JSON key. */
static void begin_cell(table *t, int is_none)
{
    FILE *file = t->o->file;
    if (t->column == 0) {
        if (!t->has_begun) begin(t);
        if (t->format == TABLE_JSON) fputs(t->row_count ? ",\n  {" : "\n  {", file);
        if (t->format == TABLE_JSONL) putc('{', file);
        t->has_row_member = 0;
    }
    const column *c = &t->columns[t->column < t->column_count ? t->column : t->column_count - 1];
    if (t->format == TABLE_JSON || t->format == TABLE_JSONL) {
        if (!is_none) {
            if (t->has_row_member) fputs(", ", file);
            json_write_string(file, c->name, c->name_bytes);
            fputs(": ", file);
            t->has_row_member = 1;
        }
    } else if (t->column > 0 && t->format != TABLE_ALIGNED) {
        putc(t->format == TABLE_TSV ? '\t' : ',', file);
    }
    t->column++;
}

/* ---- the aligned form ---- */

static void hold_cell(table *t, const char *text, size_t bytes)
{
    if (t->cell_count == t->cell_capacity) {
        t->cell_capacity = t->cell_capacity ? t->cell_capacity * 2 : 64;
        t->cells = xrealloc(t->cells, t->cell_capacity * sizeof *t->cells);
    }
    while (t->text_capacity - t->text_bytes < bytes) {
        t->text_capacity = t->text_capacity ? t->text_capacity * 2 : 4096;
        t->text = xrealloc(t->text, t->text_capacity);
    }
    cell *c = &t->cells[t->cell_count++];
    c->offset = t->text_bytes;
    c->bytes = bytes;
    memcpy(c->color, t->color, sizeof c->color);
    t->color[0] = 0;
    if (bytes > 0) memcpy(t->text + t->text_bytes, text, bytes);
    t->text_bytes += bytes;
    size_t width = print_width(text, bytes);
    column *col = &t->columns[t->column - 1 < t->column_count ? t->column - 1 : t->column_count - 1];
    if (!t->is_streaming && width > col->width) col->width = width;
    if (bytes > 1 || (bytes == 1 && *text != '-')) col->has_content = 1;
}

static size_t measure(const table *t)
{
    size_t total = 0;
    for (size_t i = 0; i < t->column_count; i++)
        if (!t->columns[i].is_hidden) total += t->columns[i].width + (total > 0 ? 2 : 0);
    return total;
}

/* Makes the widest text columns narrower until the table fits, or all are as narrow as is of use. */
static void shrink_columns(table *t)
{
    for (size_t total = measure(t); total > (size_t)t->o->columns; total--) {
        column *widest = NULL;
        for (size_t i = 0; i < t->column_count; i++) {
            column *c = &t->columns[i];
            int can_shrink = !c->is_hidden && c->align == TABLE_LEFT && c->width > LEFT_WIDTH_MIN;
            if (can_shrink && (!widest || c->width > widest->width)) widest = c;
        }
        if (widest == NULL) return;
        widest->width--;
    }
}

/* Says which columns are left out, the first few by name. */
static void tell_hidden(const table *t, size_t count)
{
    char *names = NULL;
    size_t bytes = 0, told = 0;
    FILE *file = open_memstream(&names, &bytes);
    if (file == NULL) return;
    for (size_t i = 0; i < t->column_count && told < NAMES_TOLD_MAX; i++)
        if (t->columns[i].is_hidden) fprintf(file, "%s%s", told++ ? ", " : "", t->columns[i].name);
    if (told < count) fprintf(file, " and %zu more", count - told);
    if (fclose(file) == 0) print_note("no room for %s; a pipe gets all columns", names);
    free(names);
}

/* Leaves columns out from the last, until the rest fits with its text columns as narrow as is of use. */
static size_t hide_columns(table *t, int may_have_content)
{
    size_t hidden = 0;
    for (size_t i = t->column_count; i-- > COLUMNS_MIN && measure(t) > (size_t)t->o->columns;) {
        column *c = &t->columns[i];
        if (c->is_hidden || (!may_have_content && (c->has_content || t->cell_count == 0))) continue;
        c->is_hidden = 1;
        hidden++;
    }
    return hidden;
}

/* Lines that wrap cannot be read: columns without content go first, then text is cut short, then the last columns go,
 * and the text gets what room that left. */
static void fit_columns(table *t)
{
    if (!t->o->is_terminal) return;
    size_t hidden = hide_columns(t, 0);
    for (size_t i = 0; i < t->column_count; i++) t->columns[i].full_width = t->columns[i].width;
    shrink_columns(t);
    hidden += hide_columns(t, 1);
    for (size_t i = 0; i < t->column_count; i++) t->columns[i].width = t->columns[i].full_width;
    shrink_columns(t);
    if (hidden > 0) tell_hidden(t, hidden);
}

/* How many bytes of text fit a width; *width receives the width they take. */
static size_t fit_text(const char *text, size_t bytes, size_t limit, size_t *width)
{
    size_t used = 0;
    *width = 0;
    while (used < bytes) {
        uint32_t code;
        size_t length = print_decode_utf8(text + used, bytes - used, &code);
        if (length == 0) length = 1;
        size_t more = print_width(text + used, length);
        if (*width + more > limit) break;
        *width += more;
        used += length;
    }
    return used;
}

static void print_aligned(table *t, size_t i, const char *text, size_t bytes, const char *color)
{
    FILE *file = t->o->file;
    const column *c = &t->columns[i];
    size_t width = print_width(text, bytes), shown = bytes;
    int is_last = 1, is_cut = 0;
    if (c->is_hidden) return;
    for (size_t n = i + 1; n < t->column_count && is_last; n++) is_last = t->columns[n].is_hidden;
    if (c->align == TABLE_LEFT && width > c->width && t->o->is_terminal && c->width > 0) {
        shown = fit_text(text, bytes, c->width - 1, &width);
        width++;
        is_cut = 1;
    }
    int padding = width < c->width ? (int)(c->width - width) : 0;
    if (i > 0) fputs("  ", file);
    if (c->align == TABLE_RIGHT) fprintf(file, "%*s", padding, "");
    if (*color && t->o->has_color) fprintf(file, "\033[%sm", color);
    fwrite(text, 1, shown, file);
    if (is_cut) fputs("\u2026", file);
    if (*color && t->o->has_color) fputs("\033[0m", file);
    if (c->align != TABLE_RIGHT && !is_last) fprintf(file, "%*s", padding, "");
}

/* Prints the rows held, after the header when they are the first. */
static void print_held(table *t)
{
    if (!t->is_streaming) {
        fit_columns(t);
        for (size_t i = 0; t->has_header && i < t->column_count; i++)
            print_aligned(t, i, t->columns[i].name, t->columns[i].name_bytes, "1");
        if (t->has_header) putc('\n', t->o->file);
        t->is_streaming = 1;
    }
    for (size_t i = 0; i < t->cell_count; i++) {
        const cell *c = &t->cells[i];
        print_aligned(t, i % t->column_count, t->text + c->offset, c->bytes, c->color);
        if (i % t->column_count == t->column_count - 1) putc('\n', t->o->file);
    }
    t->cell_count = 0;
    t->text_bytes = 0;
}

/* ---- cells ---- */

static int is_json(const table *t)
{
    return t->format == TABLE_JSON || t->format == TABLE_JSONL;
}

/* A cell whose text needs no escaping. */
static void put_plain(table *t, const char *text, size_t bytes)
{
    begin_cell(t, 0);
    if (t->format == TABLE_ALIGNED) hold_cell(t, text, bytes);
    else if (is_json(t)) json_write_string(t->o->file, text, bytes);
    else fwrite(text, 1, bytes, t->o->file);
}

void table_none(table *t)
{
    begin_cell(t, 1);
    if (t->format == TABLE_ALIGNED) hold_cell(t, "-", 1);
}

void table_text_bytes(table *t, const char *text, size_t bytes)
{
    FILE *file = t->o->file;
    if (t->format == TABLE_ALIGNED || (t->format == TABLE_CSV && t->o->is_terminal)) {
        size_t safe_bytes = 0;
        char *safe = print_safe_copy(text, bytes, &safe_bytes);
        begin_cell(t, 0);
        if (t->format == TABLE_ALIGNED) hold_cell(t, safe ? safe : "", safe_bytes);
        else print_csv(file, safe ? safe : "", safe_bytes);
        free(safe);
        return;
    }
    begin_cell(t, 0);
    if (is_json(t)) json_write_string(file, text, bytes);
    else if (t->format == TABLE_CSV) print_csv(file, text, bytes);
    else print_safe(file, text, bytes);
}

void table_text(table *t, const char *text)
{
    if (text) table_text_bytes(t, text, strlen(text));
    else table_none(t);
}

void table_double(table *t, double value)
{
    char text[NUMBER_TEXT_BYTES];
    if (is_json(t)) {
        begin_cell(t, 0);
        json_write_double(t->o->file, value);
        return;
    }
    size_t bytes = number_format_double(value, text);
    put_plain(t, text, bytes);
}

void table_double_brief(table *t, double value)
{
    char text[NUMBER_TEXT_BYTES];
    if (t->format != TABLE_ALIGNED) {
        table_double(t, value);
        return;
    }
    size_t bytes = number_format_brief(value, 6, text);
    put_plain(t, text, bytes);
}

void table_int(table *t, int64_t value)
{
    char text[NUMBER_TEXT_BYTES];
    if (is_json(t)) {
        begin_cell(t, 0);
        json_write_int64(t->o->file, value);
        return;
    }
    put_plain(t, text, (size_t)snprintf(text, sizeof text, "%" PRId64, value));
}

void table_uint(table *t, uint64_t value)
{
    char text[NUMBER_TEXT_BYTES];
    if (is_json(t)) {
        begin_cell(t, 0);
        json_write_uint64(t->o->file, value);
        return;
    }
    put_plain(t, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, value));
}

void table_bytes(table *t, uint64_t value)
{
    char text[NUMBER_TEXT_BYTES];
    if (t->format != TABLE_ALIGNED) {
        table_uint(t, value);
        return;
    }
    size_t bytes = number_format_bytes(value, text);
    put_plain(t, text, bytes);
}

void table_time(table *t, int64_t time_ns)
{
    char text[TIME_TEXT_BYTES];
    size_t bytes = time_text_format(time_ns, text);
    if (bytes == 0) table_none(t);
    else put_plain(t, text, bytes);
}

void table_age(table *t, int64_t time_ns, int64_t now_ns)
{
    char text[TIME_TEXT_BYTES + 8];
    int64_t span;
    if (t->format != TABLE_ALIGNED || time_ns <= STEPLOG_TIME_NONE) {
        table_time(t, time_ns);
        return;
    }
    if (__builtin_sub_overflow(now_ns, time_ns, &span)) span = 0;
    size_t bytes = time_text_format_span(span, text);
    memcpy(text + bytes, " ago", 5);
    put_plain(t, text, bytes + 4);
}

void table_color(table *t, const char *sgr)
{
    size_t length = strlen(sgr);
    if (length < sizeof t->color) memcpy(t->color, sgr, length + 1);
}

void table_end_row(table *t)
{
    while (t->column < t->column_count) table_none(t);
    t->row_count++;
    t->column = 0;
    switch (t->format) {
    case TABLE_JSON: putc('}', t->o->file); return;
    case TABLE_JSONL: fputs("}\n", t->o->file); return;
    case TABLE_ALIGNED:
        if (t->is_streaming || t->row_count >= HELD_ROWS_MAX || t->text_bytes >= HELD_BYTES_MAX) print_held(t);
        return;
    default: putc('\n', t->o->file); return;
    }
}

void table_finish(table *t)
{
    if (t->format == TABLE_ALIGNED) {
        if (t->column_count > 0 && (t->row_count > 0 || t->has_header)) print_held(t);
    } else if (!t->has_begun) {
        begin(t);
    }
    if (t->format == TABLE_JSON) {
        fputs(t->row_count ? "\n]" : "]", t->o->file);
        if (!t->is_embedded) fputs("}\n", t->o->file);
    }
    for (size_t i = 0; i < t->column_count; i++) free(t->columns[i].name);
    free(t->columns);
    free(t->cells);
    free(t->text);
    free(t->json_name);
    free(t->json_head);
    free(t);
}
