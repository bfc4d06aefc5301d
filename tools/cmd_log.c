/* cmd_log.c: records the metrics in a program's output while it passes through: train | steplog log
 *
 * Each complete line that holds values is appended as one row, and is recorded from then on, whatever becomes of this
 * process; then its bytes go on to stdout as they came. When recording fails, or never begins, the bytes still pass:
 * the program before the pipe must not die of it. */
#include "args.h"
#include "log_line.h"
#include "select.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OPT_RUN_KEY = 256, OPT_NAME, OPT_PROJECT, OPT_RANK, OPT_LABEL, OPT_PARAM, OPT_TAG, OPT_STEP_KEY, OPT_RESUME,
    OPT_ATTEMPT
};
enum { READ_BYTES = 1 << 16, LINE_BYTES_MAX = 16 << 20, PAIRS_MAX = 4096 };

static const args_option option_table[] = {
    {'q', 'q', "quiet", NULL, "do not pass the input through"},
    {OPT_RUN_KEY, 0, "run-key", "KEY", "same key, same run; else $STEPLOG_RUN_KEY, else a new run"},
    {OPT_NAME, 0, "name", "NAME", "name of the run"},
    {OPT_PROJECT, 0, "project", "NAME", "project of the run"},
    {OPT_RANK, 0, "rank", "N", "rank of the program in its job (0)"},
    {OPT_LABEL, 0, "label", "K=V", "label of every series; may be repeated"},
    {OPT_PARAM, 0, "param", "K=V", "parameter of the run; may be repeated"},
    {OPT_TAG, 0, "tag", "K=V", "tag of the run; may be repeated"},
    {OPT_STEP_KEY, 0, "step-key", "KEY", "which value is the step"},
    {OPT_RESUME, 0, "resume", "STEP", "the program goes on from a checkpoint: first step it logs again"},
    {OPT_ATTEMPT, 0, "attempt", "N", "number of this restart, the same for all ranks"},
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "log", "[options] < LINES",
    "Records metrics from standard input, and passes it through. A line is a JSON object (nested names are\n"
    "joined by '.') or any text with key=value or key: value in it; lines without numbers are words and\n"
    "only pass. The step is the first of step, _step, global_step, training_iteration, iteration, iter,\n"
    "epoch that has a whole value; without one it is the previous plus 1, from 0 or --resume on. A wall time\n"
    "may come as time, timestamp, _timestamp or wall_time, or at the line's beginning. The store is created\n"
    "if need be. A restart replaces what was logged from --resume STEP on where it has an --attempt above it.\n"
    "A line that has passed through is recorded, even if this process is killed then.",
    option_table,
    "python train.py | steplog log --name base --param lr=3e-4\n"
    "./train | steplog -C /data/runs log -q --run-key $JOB_ID --rank $RANK &\n"
    "printf 'step=1 loss=0.5\\n{\"step\": 2, \"loss\": 0.25}\\n' | steplog log\n"};

typedef struct pair_list {
    steplog_pair *pairs;
    size_t count;
} pair_list;

typedef struct log_options {
    int is_quiet;
    const char *step_key;
    pair_list labels, facts; /* facts with their prefix */
    steplog_writer_options writer;
} log_options;

typedef struct recorder {
    const log_options *options;
    session s;
    steplog_writer *writer;
    log_line line;
    char *held; /* the line that is not complete yet */
    size_t held_bytes, held_capacity;
    int is_skipping; /* the rest of a line that is too long */
    int can_pass;    /* stdout takes bytes */
    int has_failed;  /* the writer takes no more */
    /* one row, by metric */
    steplog_metric *metrics;
    double *values;
    size_t row_capacity;
    uint64_t *seen; /* by metric index: the row it was last in, and its place there */
    size_t seen_count;
    int64_t next_step;
    uint64_t line_number, row_count, refused_count, bad_count;
} recorder;

static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
    stop_signal = number;
}

/* ---- options ---- */

static int add_pair(args *a, pair_list *list, const char *prefix)
{
    const char *equals = strchr(a->value, '=');
    if (equals == NULL || equals == a->value)
        return args_fail(a, "option '--%s' wants K=V, not '%.100s'", a->option->name, a->value);
    if (list->count == PAIRS_MAX) return args_fail(a, "too many options '--%s'", a->option->name);
    char *key = xmalloc(strlen(prefix) + strlen(a->value) + 1);
    sprintf(key, "%s%s", prefix, a->value);
    key[strlen(prefix) + (size_t)(equals - a->value)] = 0;
    list->pairs = xrealloc(list->pairs, (list->count + 1) * sizeof *list->pairs);
    list->pairs[list->count++] = (steplog_pair){key, equals + 1};
    return TOOL_YES;
}

static int take_u32(args *a, uint32_t *out)
{
    uint64_t value;
    if (!args_count(a, &value)) return 0;
    if (value > UINT32_MAX) {
        args_fail(a, "option '--%s' is too large: %s", a->option->name, a->value);
        return 0;
    }
    *out = (uint32_t)value;
    return 1;
}

static int parse_options(args *a, log_options *o)
{
    for (int id; (id = args_next(a)) != ARGS_DONE;) {
        switch (id) {
        case 'q': o->is_quiet = 1; break;
        case OPT_RUN_KEY: o->writer.run_key = a->value; break;
        case OPT_NAME: o->writer.run_name = a->value; break;
        case OPT_PROJECT: o->writer.project = a->value; break;
        case OPT_STEP_KEY: o->step_key = a->value; break;
        case OPT_RANK:
            if (!take_u32(a, &o->writer.rank)) return a->exit_code;
            break;
        case OPT_ATTEMPT:
            if (!take_u32(a, &o->writer.attempt)) return a->exit_code;
            break;
        case OPT_RESUME:
            if (!args_int64(a, &o->writer.resume_step)) return a->exit_code;
            o->writer.is_resume = 1;
            break;
        case OPT_LABEL:
            if (add_pair(a, &o->labels, "") != TOOL_YES) return a->exit_code;
            break;
        case OPT_PARAM:
            if (add_pair(a, &o->facts, "param.") != TOOL_YES) return a->exit_code;
            break;
        case OPT_TAG:
            if (add_pair(a, &o->facts, "tag.") != TOOL_YES) return a->exit_code;
            break;
        default: return a->exit_code;
        }
    }
    if (a->operand_count > 0)
        return args_fail(a, "log reads standard input; did you mean `steplog import %.100s`?", a->operands[0]);
    o->writer.labels = o->labels.pairs;
    o->writer.label_count = o->labels.count;
    return TOOL_YES;
}

static void clear_pairs(pair_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        char *key;
        memcpy(&key, &list->pairs[i].key, sizeof key); /* ours, though lent as const */
        free(key);
    }
    free(list->pairs);
}

/* ---- recording ---- */

/* Says so the first time; the rest is in the summary. */
static void note_refusal(recorder *r, steplog_status status)
{
    steplog_error err = {0};
    if (r->refused_count++ > 0) return;
    steplog_writer_error(r->writer, &err);
    print_failure("a row is not recorded", status, &err);
}

/* Finds the handles of the line's names, returns how many. Of a name that comes twice the last value counts, as in
 * JSON. */
static size_t gather_row(recorder *r)
{
    size_t count = 0;
    if (r->line.count > r->row_capacity) {
        r->row_capacity = r->line.count * 2;
        r->metrics = xrealloc(r->metrics, r->row_capacity * sizeof *r->metrics);
        r->values = xrealloc(r->values, r->row_capacity * sizeof *r->values);
    }
    for (size_t i = 0; i < r->line.count; i++) {
        const log_value *v = &r->line.values[i];
        steplog_error err = {0};
        steplog_metric metric;
        steplog_status status =
            steplog_writer_metric(r->writer, r->line.names + v->name_offset, v->name_bytes, &metric, &err);
        if (status != STEPLOG_OK) {
            if (r->bad_count++ == 0) print_error("line %" PRIu64 ": %s", r->line_number, err.text);
            continue;
        }
        if (metric.index >= r->seen_count) {
            size_t wanted = (size_t)metric.index * 2 + 64;
            r->seen = xrealloc(r->seen, wanted * sizeof *r->seen);
            memset(r->seen + r->seen_count, 0, (wanted - r->seen_count) * sizeof *r->seen);
            r->seen_count = wanted;
        }
        size_t place = r->seen[metric.index];
        if (place < count && r->metrics[place].index == metric.index) {
            r->values[place] = v->value;
            continue;
        }
        r->seen[metric.index] = count;
        r->metrics[count] = metric;
        r->values[count++] = v->value;
    }
    return count;
}

static steplog_status append_points(recorder *r, size_t count, int64_t step, int64_t time_ns)
{
    for (size_t i = 0; i < count; i++) {
        steplog_status status = steplog_writer_point(r->writer, r->metrics[i], step, time_ns, r->values[i]);
        if (status != STEPLOG_OK) return status;
    }
    return STEPLOG_OK;
}

static void record_row(recorder *r)
{
    int64_t step = r->line.has_step ? r->line.step : r->next_step;
    int64_t time_ns = r->line.time_ns == STEPLOG_TIME_NONE ? STEPLOG_TIME_NOW : r->line.time_ns;
    steplog_schema schema;
    steplog_error err = {0};
    size_t count = gather_row(r);
    if (count == 0) return;
    steplog_status status = steplog_writer_schema(r->writer, r->metrics, count, &schema, &err);
    if (status == STEPLOG_OK) status = steplog_writer_append(r->writer, schema, step, time_ns, r->values);
    else if (status == STEPLOG_LIMIT) status = append_points(r, count, step, time_ns); /* too wide, too many kinds */
    r->next_step = step < INT64_MAX ? step + 1 : step;
    if (status == STEPLOG_OK) r->row_count++;
    else note_refusal(r, status);
    if (status == STEPLOG_FAILED) r->has_failed = 1;
}

static void take_line(recorder *r, char *text, size_t bytes)
{
    if (bytes == 0 || r->has_failed) return;
    const log_line_kind kind = log_line_parse(&r->line, text, bytes);
    if (r->line.left_out_count > 0 && r->bad_count == 0)
        print_error("line %" PRIu64 ": %s", r->line_number, r->line.left_out);
    r->bad_count += r->line.left_out_count;
    switch (kind) {
    case LOG_LINE_ROW: record_row(r); break;
    case LOG_LINE_TEXT: break;
    case LOG_LINE_BAD:
        if (r->bad_count++ == 0)
            print_error("line %" PRIu64 ": not JSON at byte %zu: %s", r->line_number, r->line.error.offset,
                        r->line.error.what);
        break;
    }
}

/* ---- lines ---- */

static void hold(recorder *r, const char *bytes, size_t count)
{
    if (r->is_skipping || count == 0) return;
    if (r->held_bytes + count > LINE_BYTES_MAX) {
        if (r->bad_count++ == 0) print_error("line %" PRIu64 ": longer than %d bytes", r->line_number, LINE_BYTES_MAX);
        r->is_skipping = 1;
        r->held_bytes = 0;
        return;
    }
    while (r->held_capacity - r->held_bytes < count) {
        r->held_capacity = r->held_capacity ? r->held_capacity * 2 : READ_BYTES;
        r->held = xrealloc(r->held, r->held_capacity);
    }
    memcpy(r->held + r->held_bytes, bytes, count);
    r->held_bytes += count;
}

static void end_line(recorder *r)
{
    if (!r->is_skipping) take_line(r, r->held, r->held_bytes);
    r->is_skipping = 0;
    r->held_bytes = 0;
}

/* A carriage return ends a line too: progress bars write their next state over the last. */
static void take_bytes(recorder *r, char *bytes, size_t count)
{
    size_t start = 0;
    if (r->has_failed) return;
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != '\n' && bytes[i] != '\r') continue;
        hold(r, bytes + start, i - start);
        end_line(r);
        start = i + 1;
        r->line_number += bytes[i] == '\n';
    }
    hold(r, bytes + start, count - start);
}

/* Waits for a descriptor that somebody made non-blocking. */
static void wait_for(int fd, short events)
{
    struct pollfd wanted = {.fd = fd, .events = events};
    poll(&wanted, 1, -1);
}

static int is_not_ready(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

static void pass_bytes(recorder *r, const char *bytes, size_t count)
{
    while (r->can_pass && count > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && is_not_ready()) {
            wait_for(STDOUT_FILENO, POLLOUT);
            continue;
        }
        if (written < 0) {
            if (errno != EPIPE) print_error("cannot write to standard output: %s; recording goes on", strerror(errno));
            r->can_pass = 0;
            return;
        }
        bytes += written;
        count -= (size_t)written;
    }
}

/* After a signal what is already in the pipe is still taken, without waiting for more. */
static int is_stopped(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return stop_signal != 0 && (poll(&input, 1, 0) <= 0 || !(input.revents & POLLIN));
}

static int read_input(recorder *r)
{
    char *buffer = xmalloc(READ_BYTES);
    int code = TOOL_YES;
    while (!is_stopped()) {
        ssize_t count = read(STDIN_FILENO, buffer, READ_BYTES);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && is_not_ready()) {
            wait_for(STDIN_FILENO, POLLIN);
            continue;
        }
        if (count < 0) {
            print_error("cannot read standard input: %s", strerror(errno));
            code = TOOL_IO;
        }
        if (count <= 0) break;
        take_bytes(r, buffer, (size_t)count);
        pass_bytes(r, buffer, (size_t)count); /* afterwards: a line that came out is recorded */
    }
    end_line(r); /* the last line may lack its end */
    free(buffer);
    return code;
}

/* ---- the run ---- */

/* The reader of stdout may go away, recording goes on; an interrupt ends it cleanly, unless whoever started the tool
 * wants that one ignored (nohup, a shell's background jobs). */
static void set_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal}, before;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int open_writer(recorder *r)
{
    steplog_error err = {0};
    steplog_status status = steplog_writer_open(r->s.store, &r->options->writer, &r->writer, &err);
    const pair_list *facts = &r->options->facts;
    for (size_t i = 0; i < facts->count && status == STEPLOG_OK; i++)
        status = steplog_writer_set_fact(r->writer, facts->pairs[i].key, facts->pairs[i].value, &err);
    return status == STEPLOG_OK ? TOOL_YES : print_failure(NULL, status, &err);
}

static void print_summary(const recorder *r, const steplog_writer_stats *stats)
{
    char id[STEPLOG_ID_TEXT_BYTES];
    steplog_id_format(&stats->run, id);
    print_note("run %.8s: %" PRIu64 " rows recorded", id, r->row_count);
    if (r->bad_count > 0) print_error("%" PRIu64 " lines or names were not understood", r->bad_count);
    if (r->refused_count > 0) print_error("%" PRIu64 " rows could not be recorded", r->refused_count);
}

static int close_writer(recorder *r, int code)
{
    steplog_writer_stats stats = {.size_bytes = sizeof stats};
    steplog_error err = {0};
    steplog_writer_get_stats(r->writer, &stats);
    int exit_code = stop_signal ? 128 + (int)stop_signal : 0;
    steplog_status status = steplog_writer_close(r->writer, exit_code, &err);
    if (status != STEPLOG_OK) return print_failure("closing the run", status, &err);
    print_summary(r, &stats);
    if (code == TOOL_YES && r->refused_count > 0) return TOOL_IO;
    return code == TOOL_YES && r->row_count == 0 ? TOOL_NO : code;
}

static int record(const log_options *options)
{
    recorder r = {.options = options, .can_pass = !options->is_quiet, .line_number = 1,
                  .next_step = options->writer.is_resume ? options->writer.resume_step : 0};
    int code = session_open_writer(&r.s, STEPLOG_CREATE);
    if (code == TOOL_YES) code = open_writer(&r);
    r.has_failed = code != TOOL_YES;
    if (r.has_failed) print_error("nothing is recorded%s", options->is_quiet ? "" : "; the input passes through");
    set_signals();
    log_line_init(&r.line, options->step_key);
    const int read_code = read_input(&r);
    log_line_clear(&r.line);
    if (code == TOOL_YES) code = read_code;
    if (r.writer) code = close_writer(&r, code);
    free(r.held);
    free(r.metrics);
    free(r.values);
    free(r.seen);
    return session_close(&r.s, code);
}

int cmd_log(int argc, char **argv)
{
    args a;
    log_options o = {.writer = {.size_bytes = sizeof o.writer}};
    args_begin(&a, &usage, argc, argv);
    int code = parse_options(&a, &o);
    if (a.exit_code < 0) code = record(&o);
    clear_pairs(&o.labels);
    clear_pairs(&o.facts);
    return code;
}
