/* import_csv.c: comma, tab or semicolon separated files.
 *
 * Fields may be quoted, with doubled quotes and line ends inside. Lines that begin with '#' are comments; one that
 * holds a JSON object ("#{"env_id": ...}", which Monitor files begin with) gives params. The first line is the
 * header, unless all of it is numbers. Rows that are shorter than the header lack cells; what is longer is cut; both
 * are counted. */
#include "import_format.h"

#include "number.h"
#include "print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lines are joined while a quoted field is open, up to this. */
#define RECORD_BYTES_MAX (1u << 20)
#define OPEN_LINES_MAX 64 /* of a record that is still being written */

typedef struct field {
    size_t begin, bytes;
} field;

typedef struct csv {
    import_file *file;
    char *record; /* the text of the record, quotes taken away field by field */
    size_t record_bytes, record_capacity;
    field *fields;
    size_t field_count, field_capacity;
    uint32_t *columns; /* of the table, for each place of the header */
    size_t column_count;
    uint64_t line; /* where the record began */
    int is_quoted, was_quote, is_start; /* following quotes */
    int is_line_bound;                  /* a quote never closed: records are lines */
    int is_done;                        /* what follows is not to be read */
} csv;

static void append_record(csv *c, const char *text, size_t bytes)
{
    if (c->record_capacity < c->record_bytes + bytes + 1) {
        c->record_capacity = (c->record_bytes + bytes + 1) * 2;
        c->record = xrealloc(c->record, c->record_capacity);
    }
    memcpy(c->record + c->record_bytes, text, bytes);
    c->record_bytes += bytes;
    c->record[c->record_bytes] = 0;
}

/* Goes on over text; c->is_quoted then says whether a quoted field is open at its end. */
static void follow_quotes(csv *c, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (c->is_quoted) {
            c->is_quoted = text[i] != '"';
            c->was_quote = text[i] == '"';
            continue;
        }
        if (text[i] == '"' && (c->is_start || c->was_quote)) {
            c->is_quoted = 1;
        } else {
            c->is_start = text[i] == c->file->delimiter || (c->is_start && text[i] == ' ');
        }
        c->was_quote = 0;
    }
}

/* The record's quote is open where the lines end. Where only the head ends, or the last line has no end, the rest is
 * still to be read or written: there is no record yet. Else it is a stray quote, and the first line stands alone; what
 * follows it may still be the rest of a field, so the head has nothing of it. So it is behind many lines: no program
 * is in the middle of such a field, and they would all be left. Returns 1, or 0: no record. */
static int end_open_record(csv *c, int is_head)
{
    c->is_done = is_head;
    if (import_input_is_cut(&c->file->input)) {
        return 0;
    }
    import_tally_add(&c->file->unparsable, c->line);
    c->file->unparsable_reason = "a quote that is not closed";
    if (c->file->input.is_unterminated && c->file->input.line - c->line <= OPEN_LINES_MAX) {
        c->file->unparsable_reason = "a quote that is not closed before the file ends: the rest is left for later";
        c->is_done = 1;
        return 0;
    }
    return 1;
}

/* Joins lines to the record until its quote closes. One that never does is a stray: then the first line stands alone,
 * and no later line is joined either, since looking ahead for each would take for ever. Returns 1, 0 at the end, -1. */
static int join_lines(csv *c)
{
    const char *text;
    size_t bytes;
    const size_t first_bytes = c->record_bytes;
    const import_mark mark = import_input_mark(&c->file->input);
    const int is_head = c->file->table.is_head;
    while (c->is_quoted) {
        const int got = import_input_line(&c->file->input, &text, &bytes);
        if (got < 0) {
            return got;
        }
        if (got == 0) {
            if (!end_open_record(c, is_head)) {
                return 0;
            }
        } else if (c->record_bytes + bytes > RECORD_BYTES_MAX) {
            c->file->unparsable_reason = "a quote that is not closed";
            import_tally_add(&c->file->unparsable, c->line);
        } else {
            append_record(c, "\n", 1);
            append_record(c, text, bytes);
            c->was_quote = 0;
            follow_quotes(c, text, bytes);
            continue;
        }
        c->is_line_bound = 1;
        c->record_bytes = first_bytes;
        c->record[first_bytes] = 0;
        import_input_return(&c->file->input, mark);
        return 1;
    }
    return 1;
}

/* Reads one record, which may span lines. Returns 1, 0 at the end, -1. */
static int read_record(csv *c)
{
    const char *text;
    size_t bytes;
    const int got = c->is_done ? 0 : import_input_line(&c->file->input, &text, &bytes);
    if (got <= 0) {
        return got;
    }
    c->line = c->file->input.line;
    c->record_bytes = 0;
    append_record(c, text, bytes);
    if (c->is_line_bound || memchr(text, '"', bytes) == NULL) {
        return 1;
    }
    c->is_quoted = 0;
    c->was_quote = 0;
    c->is_start = 1;
    follow_quotes(c, text, bytes);
    return c->is_quoted ? join_lines(c) : 1;
}

static void add_field(csv *c, size_t begin, size_t bytes)
{
    if (c->field_count == c->field_capacity) {
        c->field_capacity = c->field_capacity == 0 ? 64 : c->field_capacity * 2;
        c->fields = xrealloc(c->fields, c->field_capacity * sizeof *c->fields);
    }
    c->fields[c->field_count++] = (field){begin, bytes};
}

/* Takes the quotes off a field that begins at a quote, in place. Returns where the field ends. */
static size_t unquote(csv *c, size_t at)
{
    size_t from = at + 1;
    size_t to = at;
    int is_quoted = 1;
    while (from < c->record_bytes) {
        const char byte = c->record[from];
        if (is_quoted && byte == '"') {
            if (from + 1 < c->record_bytes && c->record[from + 1] == '"') {
                from++;
            } else {
                is_quoted = 0;
                from++;
                continue;
            }
        } else if (!is_quoted && byte == c->file->delimiter) {
            break;
        }
        c->record[to++] = byte;
        from++;
    }
    add_field(c, at, to - at);
    return from;
}

static void split_fields(csv *c)
{
    const char delimiter = c->file->delimiter;
    size_t at = 0;
    c->field_count = 0;
    for (;;) {
        size_t start = at;
        while (start < c->record_bytes && c->record[start] == ' ' && delimiter != ' ') {
            start++;
        }
        if (start < c->record_bytes && c->record[start] == '"') {
            at = unquote(c, start);
        } else {
            const char *stop = memchr(c->record + at, delimiter, c->record_bytes - at);
            const size_t end = stop == NULL ? c->record_bytes : (size_t)(stop - c->record);
            add_field(c, at, end - at);
            at = end;
        }
        if (at >= c->record_bytes) {
            return;
        }
        at++; /* the delimiter */
    }
}

static int is_blank_record(const csv *c)
{
    const char *text = c->record;
    size_t bytes = c->record_bytes;
    import_cell_trim(&text, &bytes);
    return bytes == 0;
}

/* Takes the params out of a comment such as `#{"t_start": 1.5, "env_id": "x"}`. */
static void read_comment(csv *c)
{
    import_tally_add(&c->file->comments, c->line);
    const char *brace = memchr(c->record, '{', c->record_bytes);
    const json_value *root =
        brace == NULL ? NULL
                      : json_parse(c->file->json, brace, c->record_bytes - (size_t)(brace - c->record), NULL);
    if (root == NULL || root->kind != JSON_OBJECT) {
        return;
    }
    for (const json_value *member = root->first; member != NULL; member = member->next) {
        if (member->kind == JSON_STRING || member->kind == JSON_NUMBER) {
            import_file_param(c->file, member->key, member->text);
        } else if (member->kind == JSON_BOOL) {
            import_file_param(c->file, member->key, member->is_true ? "true" : "false");
        }
    }
}

/* The next record that is neither blank nor a comment. */
static int next_record(csv *c)
{
    for (;;) {
        const int got = read_record(c);
        if (got <= 0) {
            return got;
        }
        if (c->record[0] == '#') {
            read_comment(c);
        } else if (!is_blank_record(c)) {
            split_fields(c);
            return 1;
        }
    }
}

static const char *field_text(const csv *c, size_t place, size_t *bytes)
{
    const char *text = c->record + c->fields[place].begin;
    *bytes = c->fields[place].bytes;
    import_cell_trim(&text, bytes);
    return text;
}

/* A first line of nothing but numbers is data. */
static int is_data(const csv *c)
{
    for (size_t i = 0; i < c->field_count; i++) {
        size_t bytes;
        double ignored;
        const char *text = field_text(c, i, &bytes);
        if (!number_parse_double(text, bytes, &ignored)) {
            return 0;
        }
    }
    return 1;
}

/* Names a place of the header that has no name, or one that came before. */
static uint32_t name_column(csv *c, const char *text, size_t bytes, size_t place)
{
    char name[64];
    if (bytes == 0) {
        const int length = snprintf(name, sizeof name, "column_%zu", place + 1);
        return import_table_column(&c->file->table, name, (size_t)length);
    }
    uint32_t column = import_table_column(&c->file->table, text, bytes);
    for (size_t i = 0; column != IMPORT_NO_COLUMN && i < place; i++) {
        if (c->columns[i] == column) {
            char *longer = xmalloc(bytes + 32);
            const int length = snprintf(longer, bytes + 32, "%.*s#%zu", (int)bytes, text, place + 1);
            column = import_table_column(&c->file->table, longer, (size_t)length);
            free(longer);
            break;
        }
    }
    return column;
}

/* Makes the columns. A name that is not UTF-8 is a reason to refuse the file: its cells would be lost. */
static int read_header(csv *c)
{
    if (c->field_count > STEPLOG_ROW_METRICS_MAX) {
        print_error("'%s' line %llu: %zu columns; a row holds at most %u", c->file->input.path,
                    (unsigned long long)c->line, c->field_count, STEPLOG_ROW_METRICS_MAX);
        return TOOL_IO;
    }
    c->file->is_headless = is_data(c);
    c->columns = xcalloc(c->field_count, sizeof *c->columns);
    c->column_count = c->field_count;
    for (size_t i = 0; i < c->field_count; i++) {
        size_t bytes = 0;
        const char *text = c->file->is_headless ? "" : field_text(c, i, &bytes);
        size_t bad;
        c->columns[i] = name_column(c, text, bytes, i);
        if (c->columns[i] == IMPORT_NO_COLUMN) {
            const int is_utf8 = import_cell_is_utf8(text, bytes, &bad);
            print_error("'%s' line %llu: the name of column %zu is %s, at byte %zu of it", c->file->input.path,
                        (unsigned long long)c->line, i + 1, is_utf8 ? "too long" : "not UTF-8",
                        is_utf8 ? (size_t)STEPLOG_NAME_BYTES_MAX : bad);
            return TOOL_IO;
        }
    }
    return 0;
}

static int read_row(csv *c)
{
    import_table *t = &c->file->table;
    import_table_begin(t, c->line);
    for (size_t i = 0; i < c->field_count && i < c->column_count; i++) {
        import_table_cell(t, c->columns[i], c->record + c->fields[i].begin, c->fields[i].bytes);
    }
    if (c->field_count != c->column_count) {
        import_tally_add(&c->file->ragged, c->line);
    }
    return import_table_end(t, 1);
}

static int read_rows(csv *c)
{
    int got = next_record(c);
    if (got <= 0) {
        return got < 0 ? import_read_failure(c->file) : 0;
    }
    int code = read_header(c);
    if (code == 0 && c->file->is_headless) {
        code = read_row(c);
    }
    while (code == 0 && (got = next_record(c)) == 1) {
        code = read_row(c);
    }
    return code == 0 && got < 0 ? import_read_failure(c->file) : code;
}

int import_csv(import_file *file)
{
    csv c = {.file = file};
    const int code = read_rows(&c);
    free(c.record);
    free(c.fields);
    free(c.columns);
    return code;
}
