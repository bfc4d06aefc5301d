/* cmd_export.c: every point of every attempt, in the order it was recorded, exactly.
 *
 * One cursor a run, over all series asked for, in arrival order; its batches go out row by row. What repeats on every
 * line (run, metric, labels, already escaped) is made once, so that a point costs little more than its number. */
#include "args.h"
#include "export_text.h"
#include "json.h"
#include "select.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_CSV = 256, OPT_JSONL, OPT_WIDE, OPT_SERIES };

static const args_option option_table[] = {
    {OPT_CSV, 0, "csv", NULL, "print CSV (the default)"},
    {OPT_JSONL, 0, "jsonl", NULL, "print one JSON object a line"},
    {OPT_WIDE, 0, "wide", NULL, "one line a row, a column for each metric"},
    {OPT_SERIES, 0, "series", "SERIES", "only these, such as 'loss{rank=0}'; may be repeated"},
    {'o', 'o', "output", "FILE", "write to FILE, which appears when complete"},
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "export", "[options] [RUN...]",
    "Writes every point of the runs (default: all), replaced attempts too, in the order recorded.\n"
    "\n"
    "CSV, schema 1, one line a point:\n"
    "  run_id,run,attempt,writer,seq,metric,labels,step,time_ns,value\n"
    "with --wide one line a row, metrics by name, a cell empty where the row has none:\n"
    "  run_id,run,attempt,writer,seq,labels,step,time_ns,METRIC...\n"
    "writer and seq name the record for ever. What a fork shows of its parent is exported with the parent.\n"
    "labels are 'rank=0,split=val', with a backslash before backslash, comma and equals sign. time_ns counts\n"
    "from 1970 UTC and is empty where unknown.\n"
    "Values are the shortest decimals that read back the same; -0, inf, -inf, nan; other NaN as nan:HEX.\n"
    "JSONL begins with {\"schema\":1,...}; there integers beyond 2^53 and values that are not finite are\n"
    "strings, and an unknown time is null.\n"
    "Exit code: 0; 1 when there was no point, or damage was met (and said); 2; 3 no such run; 4.",
    option_table,
    "steplog export > all.csv\n"
    "steplog export --jsonl -o base.jsonl base\n"
    "steplog export --wide --series 'loss*' 'sweep-*' > losses.csv\n"};

typedef struct export_command {
    int is_jsonl, is_wide;
    char **selectors;
    size_t selector_count;
    const char *output;
    out_file o;
    session s;
    /* --wide CSV: the metric of each column, over all runs, sorted */
    char **names;
    size_t *name_bytes;
    size_t name_count;
    uint64_t point_count;
} export_command;

/* A column of the cursor, with what a line says of it. */
typedef struct export_column {
    char *metric; /* as CSV, or as JSON */
    size_t metric_bytes;
    char *labels; /* likewise */
    size_t labels_bytes;
    size_t place; /* in names */
} export_column;

typedef struct export_run {
    steplog_id id;
    char *prefix; /* run_id and run, as CSV or JSON */
    size_t prefix_bytes;
    char (*writers)[STEPLOG_ID_TEXT_BYTES];
    size_t writer_count;
    steplog_series *series;
    size_t series_count;
    export_column *columns;
} export_run;

/* ---- which series ---- */

static int has_series(const export_run *run, steplog_series series)
{
    for (size_t i = 0; i < run->series_count; i++) {
        if (run->series[i].index == series.index) {
            return 1;
        }
    }
    return 0;
}

static steplog_status add_matching(export_command *c, export_run *run, const char *selector, steplog_error *err)
{
    size_t found = 0;
    steplog_status status = steplog_reader_find(c->s.reader, &run->id, selector, NULL, 0, &found, err);
    if (status != STEPLOG_OK || found == 0) {
        return status == STEPLOG_MISSING ? STEPLOG_OK : status;
    }
    steplog_series *some = xcalloc(found, sizeof *some);
    status = steplog_reader_find(c->s.reader, &run->id, selector, some, found, &found, err);
    if (status == STEPLOG_OK) {
        run->series = xrealloc(run->series, (run->series_count + found) * sizeof *run->series);
        const int is_first = run->series_count == 0;
        for (size_t i = 0; i < found; i++) {
            if (is_first || !has_series(run, some[i])) {
                run->series[run->series_count++] = some[i];
            }
        }
    }
    free(some);
    return status;
}

/* The series of a run that were asked for; none is no failure. */
static int find_series(export_command *c, export_run *run)
{
    steplog_error err = {0};
    steplog_status status = STEPLOG_OK;
    if (c->selector_count == 0) {
        status = add_matching(c, run, NULL, &err);
    }
    for (size_t i = 0; i < c->selector_count && status == STEPLOG_OK; i++) {
        status = add_matching(c, run, c->selectors[i], &err);
    }
    return status == STEPLOG_OK ? 0 : print_failure("finding series", status, &err);
}

/* ---- columns of --wide ---- */

static int compare_names(const char *left, size_t left_bytes, const char *right, size_t right_bytes)
{
    const int order = memcmp(left, right, left_bytes < right_bytes ? left_bytes : right_bytes);
    return order != 0 ? order : (left_bytes > right_bytes) - (left_bytes < right_bytes);
}

/* Where a name is, or belongs. */
static size_t find_name(const export_command *c, const char *name, size_t bytes, int *is_found)
{
    size_t low = 0;
    size_t high = c->name_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare_names(c->names[middle], c->name_bytes[middle], name, bytes) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *is_found = low < c->name_count && compare_names(c->names[low], c->name_bytes[low], name, bytes) == 0;
    return low;
}

static void add_name(export_command *c, const char *name, size_t bytes)
{
    int is_found;
    const size_t place = find_name(c, name, bytes, &is_found);
    if (is_found) {
        return;
    }
    c->names = xrealloc(c->names, (c->name_count + 1) * sizeof *c->names);
    c->name_bytes = xrealloc(c->name_bytes, (c->name_count + 1) * sizeof *c->name_bytes);
    memmove(c->names + place + 1, c->names + place, (c->name_count - place) * sizeof *c->names);
    memmove(c->name_bytes + place + 1, c->name_bytes + place, (c->name_count - place) * sizeof *c->name_bytes);
    c->names[place] = xmalloc(bytes + 1);
    memcpy(c->names[place], name, bytes);
    c->names[place][bytes] = 0;
    c->name_bytes[place] = bytes;
    c->name_count++;
}

static int gather_names(export_command *c, const steplog_id *runs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        export_run run = {.id = runs[i]};
        const int code = find_series(c, &run);
        for (size_t k = 0; k < run.series_count; k++) {
            steplog_series_info info = {.size_bytes = sizeof info};
            if (steplog_reader_series(c->s.reader, run.series[k], &info, NULL) == STEPLOG_OK) {
                add_name(c, info.name, info.name_bytes);
            }
        }
        free(run.series);
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

/* ---- lines ---- */

static export_style style_of(const export_command *c)
{
    if (c->is_jsonl) return EXPORT_JSONL;
    return c->o.is_terminal ? EXPORT_CSV_TERMINAL : EXPORT_CSV;
}

static void write_header(const export_command *c)
{
    FILE *file = c->o.file;
    if (c->is_jsonl) {
        fprintf(file, "{\"schema\":1,\"kind\":\"steplog %s\"}\n", c->is_wide ? "rows" : "points");
        return;
    }
    if (!c->is_wide) {
        fputs("run_id,run,attempt,writer,seq,metric,labels,step,time_ns,value\n", file);
        return;
    }
    fputs("run_id,run,attempt,writer,seq,labels,step,time_ns", file);
    for (size_t i = 0; i < c->name_count; i++) {
        fputc(',', file);
        size_t bytes;
        char *name = export_name(style_of(c), c->names[i], c->name_bytes[i], &bytes);
        fwrite(name, 1, bytes, file);
        free(name);
    }
    fputc('\n', file);
}

static void put(FILE *file, const char *text, size_t bytes)
{
    fwrite(text, 1, bytes, file);
}

static void put_double(FILE *file, double value)
{
    char text[NUMBER_TEXT_BYTES];
    put(file, text, number_format_double(value, text));
}

/* "...,attempt,writer,seq" */
static void put_record(const export_command *c, const export_run *run, const steplog_batch *b, size_t row)
{
    FILE *file = c->o.file;
    put(file, run->prefix, run->prefix_bytes);
    if (c->is_jsonl) {
        fprintf(file, "%" PRIu32 ",\"writer\":\"%s\",\"seq\":", b->attempts[row],
                run->writers[b->writers[row]]);
        json_write_uint64(file, b->sequences[row]);
    } else {
        fprintf(file, "%" PRIu32 ",%s,%" PRIu64, b->attempts[row], run->writers[b->writers[row]], b->sequences[row]);
    }
}

static void put_place(const export_command *c, const steplog_batch *b, size_t row)
{
    FILE *file = c->o.file;
    const int has_time = b->times_ns[row] != STEPLOG_TIME_NONE;
    if (c->is_jsonl) {
        fputs(",\"step\":", file);
        json_write_int64(file, b->steps[row]);
        fputs(",\"time_ns\":", file);
        if (has_time) {
            json_write_int64(file, b->times_ns[row]);
        } else {
            fputs("null", file);
        }
    } else if (has_time) {
        fprintf(file, ",%" PRId64 ",%" PRId64, b->steps[row], b->times_ns[row]);
    } else {
        fprintf(file, ",%" PRId64 ",", b->steps[row]);
    }
}

static void put_point(const export_command *c, const export_run *run, const steplog_batch *b, size_t row,
                      size_t column)
{
    FILE *file = c->o.file;
    const export_column *k = &run->columns[column];
    put_record(c, run, b, row);
    if (c->is_jsonl) {
        fputs(",\"metric\":", file);
        put(file, k->metric, k->metric_bytes);
        fputs(",\"labels\":", file);
        put(file, k->labels, k->labels_bytes);
        put_place(c, b, row);
        fputs(",\"value\":", file);
        json_write_double(file, b->values[column][row]);
        fputs("}\n", file);
        return;
    }
    fputc(',', file);
    put(file, k->metric, k->metric_bytes);
    fputc(',', file);
    put(file, k->labels, k->labels_bytes);
    put_place(c, b, row);
    fputc(',', file);
    put_double(file, b->values[column][row]);
    fputc('\n', file);
}

/* A row as one line; cells has a place for each name, and is left as it came. */
static void put_row(const export_command *c, const export_run *run, const steplog_batch *b, size_t row,
                    const size_t *present, size_t count, size_t *cells)
{
    FILE *file = c->o.file;
    const export_column *first = &run->columns[present[0]];
    put_record(c, run, b, row);
    fputs(c->is_jsonl ? ",\"labels\":" : ",", file);
    put(file, first->labels, first->labels_bytes);
    put_place(c, b, row);
    if (c->is_jsonl) {
        fputs(",\"values\":{", file);
        for (size_t i = 0; i < count; i++) {
            const export_column *k = &run->columns[present[i]];
            fputs(i > 0 ? "," : "", file);
            put(file, k->metric, k->metric_bytes);
            fputc(':', file);
            json_write_double(file, b->values[present[i]][row]);
        }
        fputs("}}\n", file);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        cells[run->columns[present[i]].place] = present[i] + 1;
    }
    for (size_t i = 0; i < c->name_count; i++) {
        fputc(',', file);
        if (cells[i] > 0) {
            put_double(file, b->values[cells[i] - 1][row]);
        }
        cells[i] = 0;
    }
    fputc('\n', file);
}

/* A fork shows its parent's points too; their writer is none of its own. They are exported with the parent. */
static int is_inherited(const export_run *run, const steplog_batch *b, size_t row)
{
    return b->writers[row] >= run->writer_count;
}

static void put_batch(export_command *c, const export_run *run, const steplog_batch *b, size_t *present, size_t *cells)
{
    for (size_t row = 0; row < b->row_count && !out_has_failed(&c->o); row++) {
        size_t count = 0;
        if (is_inherited(run, b, row)) {
            continue;
        }
        for (size_t i = 0; i < b->column_count && i < run->series_count; i++) {
            if (b->present[i][row / 64] >> (row % 64) & 1) {
                present[count++] = i;
                c->point_count++;
                if (!c->is_wide) {
                    put_point(c, run, b, row, i);
                }
            }
        }
        if (c->is_wide && count > 0) {
            put_row(c, run, b, row, present, count, cells);
        }
    }
}

/* ---- one run ---- */

static void describe_columns(export_command *c, export_run *run)
{
    run->columns = xcalloc(run->series_count, sizeof *run->columns);
    for (size_t i = 0; i < run->series_count; i++) {
        int is_found;
        steplog_series_info info = {.size_bytes = sizeof info};
        export_column *column = &run->columns[i];
        if (steplog_reader_series(c->s.reader, run->series[i], &info, NULL) != STEPLOG_OK) {
            continue;
        }
        column->metric = export_name(style_of(c), info.name, info.name_bytes, &column->metric_bytes);
        column->labels = export_labels(style_of(c), &info, &column->labels_bytes);
        if (c->is_wide) {
            column->place = find_name(c, info.name, info.name_bytes, &is_found);
        }
    }
}

static void clear_run(export_run *run)
{
    for (size_t i = 0; run->columns != NULL && i < run->series_count; i++) {
        free(run->columns[i].metric);
        free(run->columns[i].labels);
    }
    free(run->columns);
    free(run->series);
    free(run->writers);
    free(run->prefix);
}

/* The writers that the cursor's batches name: opening it may have found more of them than there were. */
static void describe_writers(export_command *c, export_run *run)
{
    run->writer_count = steplog_reader_writer_count(c->s.reader, &run->id);
    run->writers = xcalloc(run->writer_count + 1, sizeof *run->writers);
    for (size_t i = 0; i < run->writer_count; i++) {
        steplog_writer_info info = {.size_bytes = sizeof info};
        if (steplog_reader_writer(c->s.reader, &run->id, i, &info, NULL) == STEPLOG_OK) {
            steplog_id_format(&info.incarnation, run->writers[i]);
        }
    }
}

static int write_points(export_command *c, export_run *run)
{
    steplog_cursor *cursor;
    steplog_batch batch;
    steplog_error err = {0};
    const steplog_view view = {.size_bytes = sizeof view,
                               .flags = STEPLOG_VIEW_ALL_ATTEMPTS | STEPLOG_VIEW_ARRIVAL_ORDER};
    steplog_status status =
        steplog_cursor_open(c->s.reader, run->series, run->series_count, &view, &cursor, &err);
    if (status != STEPLOG_OK) {
        return print_failure("reading points", status, &err);
    }
    describe_writers(c, run);
    size_t *present = xcalloc(run->series_count, sizeof *present);
    size_t *cells = xcalloc(c->name_count + 1, sizeof *cells);
    while (!out_has_failed(&c->o) && (status = steplog_cursor_next(cursor, &batch, 0, &err)) == STEPLOG_OK) {
        put_batch(c, run, &batch, present, cells);
    }
    free(present);
    free(cells);
    steplog_cursor_close(cursor);
    return status < 0 ? print_failure("reading points", status, &err) : 0;
}

static int export_one(export_command *c, const steplog_id *id)
{
    export_run run = {.id = *id};
    steplog_error err = {0};
    steplog_run_info info = {.size_bytes = sizeof info};
    const steplog_status status = steplog_reader_run_by_id(c->s.reader, id, &info, &err);
    if (status != STEPLOG_OK) {
        return print_failure("reading a run", status, &err);
    }
    int code = find_series(c, &run);
    if (code == 0 && run.series_count > 0) {
        run.prefix = export_prefix(style_of(c), &info, &run.prefix_bytes);
        describe_columns(c, &run);
        code = write_points(c, &run);
    }
    clear_run(&run);
    return code;
}

/* ---- the command ---- */

static int is_known(const steplog_id *runs, size_t count, const steplog_id *run)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp(&runs[i], run, sizeof *run) == 0) {
            return 1;
        }
    }
    return 0;
}

/* The runs asked for, each once; all of them, oldest first, when none was named. */
static int find_runs(export_command *c, const args *a, steplog_id **runs, size_t *count)
{
    *runs = NULL;
    *count = 0;
    if (a->operand_count == 0) {
        const size_t all = steplog_reader_run_count(c->s.reader);
        *runs = xcalloc(all + 1, sizeof **runs);
        for (size_t i = 0; i < all; i++) {
            steplog_error err = {0};
            steplog_run_info info = {.size_bytes = sizeof info};
            const steplog_status status = steplog_reader_run(c->s.reader, all - 1 - i, &info, &err);
            if (status != STEPLOG_OK) {
                return print_failure("reading the runs", status, &err);
            }
            (*runs)[(*count)++] = info.id;
        }
        return 0;
    }
    for (size_t i = 0; i < a->operand_count; i++) {
        steplog_id *some;
        size_t found;
        const int code = select_runs(&c->s, a->operands[i], &some, &found);
        if (code != 0) {
            return code;
        }
        *runs = xrealloc(*runs, (*count + found) * sizeof **runs);
        for (size_t k = 0; k < found; k++) {
            if (!is_known(*runs, *count, &some[k])) {
                (*runs)[(*count)++] = some[k];
            }
        }
        free(some);
    }
    return 0;
}

static int write_all(export_command *c, const steplog_id *runs, size_t count)
{
    int code = c->is_wide && !c->is_jsonl ? gather_names(c, runs, count) : 0;
    if (code != 0) {
        return code;
    }
    code = out_open(&c->o, c->output);
    if (code != 0) {
        return code;
    }
    write_header(c);
    for (size_t i = 0; i < count && code == 0 && !out_has_failed(&c->o); i++) {
        code = export_one(c, &runs[i]);
    }
    if (code == 0 && print_damage(c->s.reader) > 0) {
        code = TOOL_NO;
    }
    if (code == 0 && c->point_count == 0) {
        print_note("no points");
        code = TOOL_NO;
    }
    return out_close(&c->o, code);
}

static int export_runs(export_command *c, const args *a)
{
    steplog_id *runs = NULL;
    size_t count = 0;
    int code = session_open_reader(&c->s);
    if (code != 0) {
        return code;
    }
    code = find_runs(c, a, &runs, &count);
    if (code == 0) {
        code = write_all(c, runs, count);
    }
    free(runs);
    for (size_t i = 0; i < c->name_count; i++) {
        free(c->names[i]);
    }
    free(c->names);
    free(c->name_bytes);
    return session_close(&c->s, code);
}

static int take_option(args *a, export_command *c, int id)
{
    switch (id) {
    case OPT_CSV:
        c->is_jsonl = 0;
        return 1;
    case OPT_JSONL:
        c->is_jsonl = 1;
        return 1;
    case OPT_WIDE:
        c->is_wide = 1;
        return 1;
    case OPT_SERIES:
        c->selectors = xrealloc(c->selectors, (c->selector_count + 1) * sizeof *c->selectors);
        c->selectors[c->selector_count++] = (char *)(uintptr_t)a->value;
        return 1;
    case 'o':
        c->output = a->value;
        return 1;
    default:
        return 0;
    }
}

int cmd_export(int argc, char **argv)
{
    args a;
    export_command c = {0};
    args_begin(&a, &usage, argc, argv);
    for (int id; (id = args_next(&a)) != ARGS_DONE;) {
        if (!take_option(&a, &c, id)) {
            free(c.selectors);
            return a.exit_code;
        }
    }
    const int code = export_runs(&c, &a);
    free(c.selectors);
    return code;
}
