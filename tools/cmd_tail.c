/* cmd_tail.c: prints the last rows of a run, and with -f every row as it is recorded.
 *
 * Without -f rows are those of the default view, all ranks of a step together. A following cursor gives each writer's
 * rows as they come, so lines of -f are rows of one writer; it lasts through the writer's death and goes on with the
 * next one. Names and values make up each line, because series may appear at any time: there is no fixed header. */
#include "args.h"
#include "json.h"
#include "select.h"
#include "tail_backlog.h"
#include "time_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OPT_JSONL = 256, OPT_EXIT };
enum { WAIT_MS = 1000, RUN_WAIT_MS = 200 };
#define BACKLOG_MAX 1000000u

static const args_option option_table[] = {
    {'f', 'f', "follow", NULL, "go on with every row as it is recorded"},
    {'n', 'n', "lines", "N", "the last N rows first (10)"},
    {'t', 't', "time", NULL, "show the wall time"},
    {OPT_JSONL, 0, "jsonl", NULL, "print one JSON object a line"},
    {OPT_EXIT, 0, "exit-when-done", NULL, "with -f: end when no writer of the run lives any more"},
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "tail", "[options] [RUN] [SERIES...]",
    "Prints the last rows of a run (default @latest), a line each: step=120 loss=0.25 lr=0.001. With -f\n"
    "it follows the run through the end of its writers and their restart, until interrupted; and waits\n"
    "for the first run when the store holds none. A metric named as what the line has of its own (step;\n"
    "time and attempt with --jsonl, time with -t) has its labels: step{rank=0}.",
    option_table,
    "steplog tail\n"
    "steplog tail -f @latest loss 'grad*'\n"
    "steplog tail -f --jsonl base | while read -r row; do ...; done\n"
    "steplog tail -f --exit-when-done base && echo finished\n"};

typedef struct tail_options {
    int is_following, has_time, is_jsonl, is_ending;
    uint64_t line_count;
    char *const *selectors;
    size_t selector_count;
} tail_options;

typedef struct tail_column {
    char *name; /* not terminated: a metric's name may hold zero bytes */
    size_t name_bytes;
    int is_wanted;
} tail_column;

typedef struct tail {
    const tail_options *options;
    session s;
    steplog_id run;
    out_file o;
    tail_column *columns;
    size_t column_count;
    uint32_t attempt; /* of the last row printed */
    uint64_t row_count;
} tail;

/* ---- columns ---- */

static int is_wanted(const tail *t, const steplog_series_info *info)
{
    if (t->options->selector_count < 2) return 1; /* the cursor was opened with it */
    for (size_t i = 0; i < t->options->selector_count; i++)
        if (select_matches(info, t->options->selectors[i])) return 1;
    return 0;
}

/* Whether a line has a name for something of its own: a second one would hide it. */
static int is_taken(const tail *t, const char *name, size_t bytes)
{
    static const char *const taken[] = {"step", "time", "attempt"};
    return select_is_taken(name, bytes, taken, t->options->is_jsonl ? 3 : t->options->has_time ? 2 : 1);
}

/* Names columns that appeared. Whether a name is unique may change with the next one, so the labels always show, but
 * for a rank of 0 that is not needed. */
static void add_columns(tail *t, const steplog_cursor *cursor, size_t count)
{
    if (count <= t->column_count) return;
    t->columns = xrealloc(t->columns, count * sizeof *t->columns);
    while (t->column_count < count) {
        tail_column *column = &t->columns[t->column_count];
        steplog_series_info info = {.size_bytes = sizeof info, .name = "?", .name_bytes = 1};
        steplog_series series;
        if (steplog_cursor_series(cursor, t->column_count, &series) == STEPLOG_OK)
            steplog_reader_series(t->s.reader, series, &info, NULL);
        char *labels = print_labels(&info, info.label_count == 0 && is_taken(t, info.name, info.name_bytes));
        size_t label_bytes = labels ? strlen(labels) : 0;
        column->name_bytes = info.name_bytes + label_bytes;
        column->name = xmalloc(column->name_bytes);
        memcpy(column->name, info.name, info.name_bytes); /* it may hold zero bytes */
        if (labels) memcpy(column->name + info.name_bytes, labels, label_bytes);
        column->is_wanted = is_wanted(t, &info);
        free(labels);
        t->column_count++;
    }
}

static void clear_columns(tail *t)
{
    for (size_t i = 0; i < t->column_count; i++) free(t->columns[i].name);
    free(t->columns);
}

/* ---- lines ---- */

static int is_shown(const tail *t, const steplog_batch *batch, size_t column, size_t row)
{
    return t->columns[column].is_wanted && (batch->present[column][row / 64] >> row % 64 & 1);
}

static int has_shown(const tail *t, const steplog_batch *batch, size_t row)
{
    for (size_t i = 0; i < batch->column_count; i++)
        if (is_shown(t, batch, i, row)) return 1;
    return 0;
}

static void print_json_line(const tail *t, FILE *file, const steplog_batch *batch, size_t row)
{
    char time_text[TIME_TEXT_BYTES];
    fputs("{\"step\": ", file);
    json_write_int64(file, batch->steps[row]);
    if (time_text_format(batch->times_ns[row], time_text) > 0) fprintf(file, ", \"time\": \"%s\"", time_text);
    fprintf(file, ", \"attempt\": %" PRIu32, batch->attempts[row]);
    for (size_t i = 0; i < batch->column_count; i++) {
        if (!is_shown(t, batch, i, row)) continue;
        fputs(", ", file);
        json_write_string(file, t->columns[i].name, t->columns[i].name_bytes);
        fputs(": ", file);
        json_write_double(file, batch->values[i][row]);
    }
    fputs("}\n", file);
}

static void print_text_line(const tail *t, FILE *file, const steplog_batch *batch, size_t row)
{
    char time_text[TIME_TEXT_BYTES], number[NUMBER_TEXT_BYTES];
    fprintf(file, "step=%" PRId64, batch->steps[row]);
    if (t->options->has_time && time_text_format(batch->times_ns[row], time_text) > 0)
        fprintf(file, " time=%s", time_text);
    for (size_t i = 0; i < batch->column_count; i++) {
        if (!is_shown(t, batch, i, row)) continue;
        number_format_double(batch->values[i][row], number);
        putc(' ', file);
        print_safe(file, t->columns[i].name, t->columns[i].name_bytes);
        fprintf(file, "=%s", number);
    }
    putc('\n', file);
}

static void print_line(const tail *t, FILE *file, const steplog_batch *batch, size_t row)
{
    if (t->options->is_jsonl) print_json_line(t, file, batch, row);
    else print_text_line(t, file, batch, row);
}

/* Says so when the run goes on with another attempt, which may log steps again. */
static void note_attempt(tail *t, const steplog_batch *batch, size_t row)
{
    uint32_t attempt = batch->attempts[row];
    if (t->attempt != 0 && attempt > t->attempt)
        print_note("attempt %" PRIu32 " goes on at step %" PRId64, attempt, batch->steps[row]);
    if (attempt > t->attempt) t->attempt = attempt;
}

static void print_batch(tail *t, const steplog_batch *batch)
{
    for (size_t row = 0; row < batch->row_count && !out_has_failed(&t->o); row++) {
        if (!has_shown(t, batch, row)) continue;
        if (t->options->is_following) note_attempt(t, batch, row);
        print_line(t, t->o.file, batch, row);
        t->row_count++;
    }
    fflush(t->o.file);
}

/* ---- without -f ---- */

static int print_last(tail *t)
{
    const steplog_view view = {.size_bytes = sizeof view, .last_count = t->options->line_count};
    steplog_error err = {0};
    steplog_series *series;
    steplog_cursor *cursor;
    steplog_batch batch;
    size_t count;
    int code = select_series(&t->s, &t->run, t->options->selectors, t->options->selector_count, &series, &count);
    if (code != TOOL_YES || t->options->line_count == 0) {
        free(series);
        return code;
    }
    steplog_status status = steplog_cursor_open(t->s.reader, series, count, &view, &cursor, &err);
    free(series);
    if (status != STEPLOG_OK) return print_failure(NULL, status, &err);
    while ((status = steplog_cursor_next(cursor, &batch, 0, &err)) == STEPLOG_OK && !out_has_failed(&t->o)) {
        add_columns(t, cursor, batch.column_count);
        for (size_t i = 0; i < t->column_count; i++) t->columns[i].is_wanted = 1;
        print_batch(t, &batch);
    }
    steplog_cursor_close(cursor);
    if (status < 0) return print_failure(NULL, status, &err);
    code = session_check_damage(&t->s, TOOL_YES);
    return code == TOOL_YES && t->row_count == 0 ? TOOL_NO : code;
}

/* ---- with -f ---- */

/* Keeps of a batch what may be among the last lines: from its end, so that few lines are made to be dropped. */
static void hold_batch(tail *t, backlog *b, const steplog_batch *batch, uint64_t arrival)
{
    for (size_t row = batch->row_count; row-- > 0;) {
        if (batch->attempts[row] > t->attempt) t->attempt = batch->attempts[row];
        if (!backlog_wants(b, batch->times_ns[row], arrival + row) || !has_shown(t, batch, row)) continue;
        char *text = NULL;
        size_t bytes = 0;
        FILE *file = open_memstream(&text, &bytes);
        if (file == NULL) continue;
        print_line(t, file, batch, row);
        if (fclose(file) == 0) backlog_add(b, batch->times_ns[row], arrival + row, text);
        else free(text);
    }
}

/* Passes over what was recorded before, prints the last lines of it. */
static steplog_status print_backlog(tail *t, steplog_cursor *cursor, steplog_error *err)
{
    backlog b = {.limit = (size_t)t->options->line_count};
    steplog_batch batch;
    steplog_status status;
    uint64_t arrival = 0;
    while ((status = steplog_cursor_next(cursor, &batch, 0, err)) == STEPLOG_OK) {
        add_columns(t, cursor, batch.column_count);
        hold_batch(t, &b, &batch, arrival);
        arrival += batch.row_count;
    }
    backlog_sort(&b);
    for (size_t i = 0; i < b.count; i++) fputs(b.lines[i].text, t->o.file);
    fflush(t->o.file);
    backlog_clear(&b);
    return status;
}

/* Tells whether nothing lives that could still record. */
static int is_done(tail *t)
{
    steplog_run_info info = {.size_bytes = sizeof info};
    if (steplog_reader_refresh(t->s.reader, NULL) != STEPLOG_OK) return 0;
    if (steplog_reader_run_by_id(t->s.reader, &t->run, &info, NULL) != STEPLOG_OK) return 0;
    return info.status == STEPLOG_RUN_FINISHED || info.status == STEPLOG_RUN_FAILED ||
           info.status == STEPLOG_RUN_KILLED;
}

static int follow_run(tail *t)
{
    const steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
    const char *selector = t->options->selector_count == 1 ? t->options->selectors[0] : NULL;
    steplog_error err = {0};
    steplog_cursor *cursor;
    steplog_batch batch;
    int was_done = 0;
    steplog_status status = steplog_cursor_open_matching(t->s.reader, &t->run, selector, &view, &cursor, &err);
    if (status != STEPLOG_OK) return print_failure(NULL, status, &err);
    status = print_backlog(t, cursor, &err);
    while (status >= 0 && !out_has_failed(&t->o)) {
        status = steplog_cursor_next(cursor, &batch, was_done ? 0 : WAIT_MS, &err);
        if (status == STEPLOG_OK) {
            add_columns(t, cursor, batch.column_count);
            print_batch(t, &batch);
        } else if (status >= 0 && t->options->is_ending) {
            if (was_done) break; /* what came before the end has been read by now */
            was_done = is_done(t);
        }
    }
    steplog_cursor_close(cursor);
    return status < 0 ? print_failure(NULL, status, &err) : session_check_damage(&t->s, TOOL_YES);
}

/* ---- the run ---- */

/* With -f the newest run may be still to come. */
static int find_run(tail *t, const char *selector)
{
    int is_told = 0;
    while (t->options->is_following && strcmp(selector, "@latest") == 0 && steplog_reader_run_count(t->s.reader) == 0) {
        const struct timespec pause = {.tv_nsec = RUN_WAIT_MS * 1000000L};
        steplog_error err = {0};
        if (!is_told) print_note("waiting for a run in '%s'", steplog_store_path(t->s.store));
        is_told = 1;
        nanosleep(&pause, NULL);
        steplog_status status = steplog_reader_refresh(t->s.reader, &err);
        if (status != STEPLOG_OK) return print_failure(NULL, status, &err);
    }
    return select_run(&t->s, selector, &t->run);
}

static int run_tail(tail *t, const char *selector)
{
    int code = session_open_reader(&t->s);
    if (code != TOOL_YES) return code;
    code = find_run(t, selector);
    if (code == TOOL_YES) code = out_open(&t->o, NULL);
    if (code == TOOL_YES) {
        code = t->options->is_following ? follow_run(t) : print_last(t);
        code = out_close(&t->o, code);
    }
    clear_columns(t);
    return session_close(&t->s, code);
}

int cmd_tail(int argc, char **argv)
{
    args a;
    tail_options o = {.line_count = 10};
    args_begin(&a, &usage, argc, argv);
    for (int id; (id = args_next(&a)) != ARGS_DONE;) {
        switch (id) {
        case 'f': o.is_following = 1; break;
        case 'n':
            if (!args_count(&a, &o.line_count)) return a.exit_code;
            if (o.line_count > BACKLOG_MAX) return args_fail(&a, "at most %u lines; use query for more", BACKLOG_MAX);
            break;
        case 't': o.has_time = 1; break;
        case OPT_JSONL: o.is_jsonl = 1; break;
        case OPT_EXIT: o.is_ending = 1; break;
        default: return a.exit_code;
        }
    }
    if (o.is_ending && !o.is_following) return args_fail(&a, "--exit-when-done goes with --follow");
    o.selectors = a.operands + (a.operand_count > 0);
    o.selector_count = a.operand_count > 0 ? a.operand_count - 1 : 0;
    tail t = {.options = &o};
    return run_tail(&t, a.operand_count > 0 ? a.operands[0] : "@latest");
}
