/* cmd_query.c: prints the points of one run, a row for each step, a column for each series.
 *
 * The library's cursor joins the series by step; here rows pass by one batch at a time: as they are, reduced to one
 * for each stretch of steps (query_aggregate.c), or down to the one at a wall time. Only the current batch is held. */
#include "query_aggregate.h"
#include "select.h"
#include "table.h"
#include "time_text.h"

#include <stdlib.h>
#include <string.h>

enum { OPT_LAST = 256, OPT_AROUND, OPT_WINDOW, OPT_AT_TIME, OPT_ATTEMPTS, OPT_EVERY, OPT_AGG, OPT_TIME };

static const args_option option_table[] = {
    {'s', 's', "step", "A:B", "steps A up to, not including, B; A:, :B, or A alone"},
    {'n', 'n', "limit", "N", "at most N rows, from the first on"},
    {OPT_LAST, 0, "last", "N", "only the last N rows"},
    {OPT_AROUND, 0, "around", "STEP", "rows near a step"},
    {OPT_WINDOW, 0, "window", "W", "how near: W steps to each side (10)"},
    {OPT_AT_TIME, 0, "at-time", "TIME", "the row at, or the last before, a wall time"},
    {OPT_ATTEMPTS, 0, "attempts", NULL, "all attempts, replaced ones too, with their numbers"},
    {OPT_EVERY, 0, "every", "N", "one row for every N steps"},
    {OPT_AGG, 0, "agg", "HOW", "mean (default), min, max, last or count; a,b,... for several"},
    {OPT_TIME, 't', "time", NULL, "show the wall time"},
    TABLE_OPTIONS,
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "query", "[options] RUN [SERIES...]",
    "Prints the points of a run: a row for each step, a column for each series, gaps marked ('-' in a\n"
    "table, an empty cell in TSV and CSV, no key in JSON). Without SERIES: all of them. A metric named as a\n"
    "column of the row itself (step; time, attempt where shown) has its labels: step{rank=0}.\n"
    "A TIME is 2026-01-31T12:00:00Z, @1700000000 or -10m. Means of points with a NaN are NaN; min and\n"
    "max pass over NaN. Exit code 1 when no row matched, or when something could not be read.",
    option_table,
    "steplog query @latest loss                 # every point of the loss\n"
    "steplog query base 'val/*' lr --step 1000: # several, joined by step\n"
    "steplog query base 'loss{rank=0}' --every 100 --agg min,max\n"
    "steplog query base loss --around 5120 --window 5 --time\n"};

typedef struct query_options {
    steplog_view view;
    uint64_t limit; /* 0: none */
    int has_around, has_window, has_at_time, has_steps, has_agg;
    int64_t around, at_time_ns;
    uint64_t window;
    int64_t every; /* 0: no reduction */
    aggregate_kind kinds[AGGREGATE_KIND_COUNT];
    size_t kind_count;
    int has_time;
    table_options table;
} query_options;

typedef struct query {
    const query_options *options;
    table *t;
    size_t column_count;
    uint64_t row_count; /* printed */
    /* --every */
    aggregate *columns;
    int has_bucket;
    int64_t bucket, bucket_time_ns;
    /* --at-time: the best row so far */
    int has_best;
    int64_t best_step, best_time_ns;
    uint32_t best_attempt;
    double *best_values;
    unsigned char *best_present;
} query;

/* ---- options ---- */

static int parse_kinds(args *a, query_options *o)
{
    const char *at = a->value;
    char *whole = xstrdup(a->value);
    o->kind_count = 0;
    o->has_agg = 1;
    for (;;) {
        size_t length = strcspn(at, ","), kind = 0;
        char word[16] = "";
        if (length < sizeof word) memcpy(word, at, length);
        while (aggregate_names[kind] && strcmp(aggregate_names[kind], word) != 0) kind++;
        if (aggregate_names[kind] == NULL || o->kind_count == AGGREGATE_KIND_COUNT) {
            args_fail(a, "option '--agg' wants mean, min, max, last or count, or several with commas, not '%.100s'",
                      whole);
            free(whole);
            return 0;
        }
        o->kinds[o->kind_count++] = (aggregate_kind)kind;
        if (at[length] == 0) break;
        at += length + 1;
    }
    free(whole);
    return 1;
}

/* Turns --step and --around into the view's range. */
static void set_range(query_options *o, const number_steps *steps)
{
    steplog_view *view = &o->view;
    if (o->has_steps) {
        view->has_begin = steps->has_begin;
        view->has_end = steps->has_end;
        view->step_begin = steps->begin;
        view->step_end = steps->end;
    } else if (o->has_around) {
        int64_t window = o->window > INT64_MAX - 1 ? INT64_MAX - 1 : (int64_t)o->window;
        view->has_begin = !__builtin_sub_overflow(o->around, window, &view->step_begin);
        view->has_end = !__builtin_add_overflow(o->around, window + 1, &view->step_end);
    }
}

static int check_options(args *a, query_options *o)
{
    if (o->has_steps && o->has_around) return args_fail(a, "--step and --around exclude each other");
    if (o->has_window && !o->has_around) return args_fail(a, "--window goes with --around");
    if (o->has_agg && o->every == 0) return args_fail(a, "--agg goes with --every");
    if (o->every && o->has_at_time) return args_fail(a, "--every and --at-time exclude each other");
    if (o->every && o->view.flags) return args_fail(a, "--every and --attempts exclude each other");
    if (a->operand_count == 0) return args_fail(a, "which RUN? @latest is the newest");
    return TOOL_YES;
}

static int parse_options(args *a, query_options *o)
{
    number_steps steps = {0};
    uint64_t count;
    for (int id; (id = args_next(a)) != ARGS_DONE;) {
        switch (id) {
        case 's':
            if (!args_steps(a, &steps)) return a->exit_code;
            o->has_steps = 1;
            break;
        case 'n':
            if (!args_count(a, &o->limit)) return a->exit_code;
            if (o->limit == 0) return args_fail(a, "option '--limit' wants at least 1");
            break;
        case OPT_LAST:
            if (!args_count(a, &o->view.last_count)) return a->exit_code;
            if (o->view.last_count == 0) return args_fail(a, "option '--last' wants at least 1");
            break;
        case OPT_AROUND:
            if (!args_int64(a, &o->around)) return a->exit_code;
            o->has_around = 1;
            break;
        case OPT_WINDOW:
            if (!args_count(a, &o->window)) return a->exit_code;
            o->has_window = 1;
            break;
        case OPT_AT_TIME:
            if (!args_time(a, &o->at_time_ns)) return a->exit_code;
            o->has_at_time = 1;
            break;
        case OPT_ATTEMPTS: o->view.flags |= STEPLOG_VIEW_ALL_ATTEMPTS; break;
        case OPT_EVERY:
            if (!args_count(a, &count)) return a->exit_code;
            if (count == 0 || count > INT64_MAX) return args_fail(a, "option '--every' wants 1 or more steps");
            o->every = (int64_t)count;
            break;
        case OPT_AGG:
            if (!parse_kinds(a, o)) return a->exit_code;
            break;
        case OPT_TIME: o->has_time = 1; break;
        case ARGS_EXIT: return a->exit_code;
        default: table_option(&o->table, a, id); break;
        }
    }
    set_range(o, &steps);
    return check_options(a, o);
}

/* ---- rows ---- */

static int is_present(const steplog_batch *batch, size_t column, size_t row)
{
    return batch->present[column][row / 64] >> row % 64 & 1;
}

static void put_lead(query *q, int64_t step, int64_t time_ns, uint32_t attempt)
{
    table_int(q->t, step);
    if (q->options->has_time) table_time(q->t, time_ns);
    if (q->options->view.flags & STEPLOG_VIEW_ALL_ATTEMPTS) table_uint(q->t, attempt);
}

static void put_row(query *q, const steplog_batch *batch, size_t row)
{
    put_lead(q, batch->steps[row], batch->times_ns[row], batch->attempts[row]);
    for (size_t i = 0; i < q->column_count; i++) {
        if (is_present(batch, i, row)) table_double(q->t, batch->values[i][row]);
        else table_none(q->t);
    }
    table_end_row(q->t);
    q->row_count++;
}

static void put_bucket(query *q)
{
    if (!q->has_bucket) return;
    put_lead(q, q->bucket, q->bucket_time_ns, 0);
    for (size_t i = 0; i < q->column_count; i++) {
        for (size_t k = 0; k < q->options->kind_count; k++) {
            aggregate_kind kind = q->options->kinds[k];
            if (kind == AGGREGATE_COUNT) table_uint(q->t, q->columns[i].count);
            else if (q->columns[i].count == 0) table_none(q->t);
            else table_double(q->t, aggregate_value(&q->columns[i], kind));
        }
        aggregate_clear(&q->columns[i]);
    }
    table_end_row(q->t);
    q->row_count++;
    q->has_bucket = 0;
}

static void reduce_row(query *q, const steplog_batch *batch, size_t row)
{
    int64_t bucket = aggregate_bucket(batch->steps[row], q->options->every);
    if (q->has_bucket && bucket != q->bucket) {
        put_bucket(q);
        if (q->options->limit && q->row_count == q->options->limit) return;
    }
    q->has_bucket = 1;
    q->bucket = bucket;
    q->bucket_time_ns = batch->times_ns[row];
    for (size_t i = 0; i < q->column_count; i++)
        if (is_present(batch, i, row)) aggregate_add(&q->columns[i], batch->values[i][row]);
}

/* Keeps the row with the greatest time at or before the one asked for; of equal times the last. */
static void weigh_row(query *q, const steplog_batch *batch, size_t row)
{
    int64_t time_ns = batch->times_ns[row];
    if (time_ns <= STEPLOG_TIME_NONE || time_ns > q->options->at_time_ns) return;
    if (q->has_best && time_ns < q->best_time_ns) return;
    q->has_best = 1;
    q->best_step = batch->steps[row];
    q->best_time_ns = time_ns;
    q->best_attempt = batch->attempts[row];
    for (size_t i = 0; i < q->column_count; i++) {
        q->best_present[i] = (unsigned char)is_present(batch, i, row);
        q->best_values[i] = batch->values[i][row];
    }
}

static void put_best(query *q)
{
    if (!q->has_best) return;
    put_lead(q, q->best_step, q->best_time_ns, q->best_attempt);
    for (size_t i = 0; i < q->column_count; i++) {
        if (q->best_present[i]) table_double(q->t, q->best_values[i]);
        else table_none(q->t);
    }
    table_end_row(q->t);
    q->row_count++;
}

static int is_full(const query *q)
{
    return q->options->limit && q->row_count >= q->options->limit;
}

static void take_batch(query *q, const steplog_batch *batch)
{
    for (size_t row = 0; row < batch->row_count && !is_full(q); row++) {
        if (q->options->has_at_time) weigh_row(q, batch, row);
        else if (q->options->every) reduce_row(q, batch, row);
        else put_row(q, batch, row);
    }
}

static int read_rows(query *q, session *s, const out_file *o, const steplog_series *series)
{
    steplog_error err = {0};
    steplog_cursor *cursor;
    steplog_batch batch;
    steplog_status status = steplog_cursor_open(s->reader, series, q->column_count, &q->options->view, &cursor, &err);
    if (status != STEPLOG_OK) return print_failure(NULL, status, &err);
    while (!is_full(q) && !out_has_failed(o)) {
        status = steplog_cursor_next(cursor, &batch, 0, &err);
        if (status != STEPLOG_OK) break;
        take_batch(q, &batch);
    }
    steplog_cursor_close(cursor);
    if (!is_full(q)) put_bucket(q);
    put_best(q);
    return status < 0 ? print_failure(NULL, status, &err) : TOOL_YES;
}

/* ---- the table ---- */

static void add_columns(query *q, const select_name *names)
{
    const query_options *o = q->options;
    table_column(q->t, "step", TABLE_RIGHT);
    if (o->has_time) table_column(q->t, "time", TABLE_WHOLE);
    if (o->view.flags & STEPLOG_VIEW_ALL_ATTEMPTS) table_column(q->t, "attempt", TABLE_RIGHT);
    for (size_t i = 0; i < q->column_count; i++) {
        if (o->every == 0 || o->kind_count == 1) {
            table_column_bytes(q->t, names[i].text, names[i].bytes, TABLE_RIGHT);
            continue;
        }
        for (size_t k = 0; k < o->kind_count; k++) {
            const char *how = aggregate_names[o->kinds[k]];
            char *name = xmalloc(names[i].bytes + strlen(how) + 2);
            memcpy(name, names[i].text, names[i].bytes);
            sprintf(name + names[i].bytes, ":%s", how);
            table_column_bytes(q->t, name, names[i].bytes + 1 + strlen(how), TABLE_RIGHT);
            free(name);
        }
    }
}

static int print_query(session *s, const steplog_id *run, const query_options *options, const steplog_series *series,
                       size_t count)
{
    query q = {.options = options, .column_count = count};
    out_file o;
    char id[STEPLOG_ID_TEXT_BYTES];
    int code = out_open(&o, options->table.output);
    if (code != TOOL_YES) return code;
    const char *taken[3] = {"step"};
    size_t taken_count = 1;
    if (options->has_time) taken[taken_count++] = "time";
    if (options->view.flags & STEPLOG_VIEW_ALL_ATTEMPTS) taken[taken_count++] = "attempt";
    select_name *names = select_series_names(s, series, count, taken, taken_count);
    q.t = table_new(&o, options->table.format, !options->table.is_headless, "points");
    steplog_id_format(run, id);
    table_json_member(q.t, "run", id);
    add_columns(&q, names);
    q.columns = xcalloc(count, sizeof *q.columns);
    q.best_values = xcalloc(count, sizeof *q.best_values);
    q.best_present = xcalloc(count, 1);
    code = read_rows(&q, s, &o, series);
    table_finish(q.t);
    free(q.columns);
    free(q.best_values);
    free(q.best_present);
    select_free_names(names, count);
    if (code == TOOL_YES) code = session_check_damage(s, code);
    if (code == TOOL_YES && q.row_count == 0) {
        print_error("no rows match");
        code = TOOL_NO;
    }
    return out_close(&o, code);
}

int cmd_query(int argc, char **argv)
{
    args a;
    query_options o = {.view = {.size_bytes = sizeof o.view}, .window = 10, .kinds = {AGGREGATE_MEAN}, .kind_count = 1};
    session s;
    steplog_id run;
    steplog_series *series;
    size_t count;
    args_begin(&a, &usage, argc, argv);
    int code = parse_options(&a, &o);
    if (a.exit_code >= 0) return code;
    code = session_open_reader(&s);
    if (code != TOOL_YES) return code;
    code = select_run(&s, a.operands[0], &run);
    if (code == TOOL_YES) code = select_series(&s, &run, a.operands + 1, a.operand_count - 1, &series, &count);
    if (code == TOOL_YES) {
        code = print_query(&s, &run, &o, series, count);
        free(series);
    }
    return session_close(&s, code);
}
