/* cmd_info.c: describes a run, or the store, in full: for people as text, for programs as one JSON object.
 *
 * Both forms come from one walk: a report prints either "name  value" lines and aligned tables, or the members and
 * lists of a JSON object. */
#include "json.h"
#include "select.h"
#include "table.h"
#include "time_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_HISTORY = 256, OPT_JSON };

static const args_option option_table[] = {
    {OPT_HISTORY, 0, "history", NULL, "every record: older values of facts, ends, undone rewinds, all blobs"},
    {OPT_JSON, 0, "json", NULL, "print one JSON object"},
    {TABLE_OPT_OUTPUT, 'o', "output", "FILE", "write to FILE, which appears when complete"},
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "info", "[options] [RUN]",
    "Describes a run in full: facts, parameters, tags, attempts, writers, rewinds, gaps, blobs, parent.\n"
    "Without a RUN: the store.",
    option_table,
    "steplog info\n"
    "steplog info @latest\n"
    "steplog info base --history --json\n"};

/* ---- the report ---- */

typedef struct report {
    out_file o;
    int is_json;
    int has_member; /* JSON: a comma is due */
} report;

static void begin_member(report *r, const char *name)
{
    FILE *file = r->o.file;
    if (r->is_json) {
        fputs(r->has_member ? ",\n  " : "\n  ", file);
        json_write_text(file, name);
        fputs(": ", file);
        r->has_member = 1;
        return;
    }
    fprintf(file, "%-14s  ", name);
}

static void put_text(report *r, const char *name, const char *value)
{
    if (value == NULL) return;
    begin_member(r, name);
    if (r->is_json) json_write_text(r->o.file, value);
    else print_safe(r->o.file, value, strlen(value));
    if (!r->is_json) putc('\n', r->o.file);
}

static void put_int(report *r, const char *name, int64_t value)
{
    begin_member(r, name);
    if (r->is_json) json_write_int64(r->o.file, value);
    else fprintf(r->o.file, "%" PRId64 "\n", value);
}

static void put_uint(report *r, const char *name, uint64_t value)
{
    begin_member(r, name);
    if (r->is_json) json_write_uint64(r->o.file, value);
    else fprintf(r->o.file, "%" PRIu64 "\n", value);
}

static void put_bytes(report *r, const char *name, uint64_t value)
{
    char text[NUMBER_TEXT_BYTES];
    if (r->is_json) {
        put_uint(r, name, value);
        return;
    }
    number_format_bytes(value, text);
    begin_member(r, name);
    fprintf(r->o.file, value < 1000 ? "%" PRIu64 "\n" : "%" PRIu64 " (%s)\n", value, text);
}

static void put_time(report *r, const char *name, int64_t time_ns)
{
    char text[TIME_TEXT_BYTES], age[TIME_TEXT_BYTES];
    if (time_text_format(time_ns, text) == 0) return;
    begin_member(r, name);
    if (r->is_json) {
        json_write_text(r->o.file, text);
        return;
    }
    int64_t span;
    if (__builtin_sub_overflow(time_text_now(), time_ns, &span)) span = 0;
    time_text_format_span(span, age);
    fprintf(r->o.file, "%s (%s ago)\n", text, age);
}

static void put_id(report *r, const char *name, const steplog_id *id)
{
    char text[STEPLOG_ID_TEXT_BYTES];
    steplog_id_format(id, text);
    put_text(r, name, text);
}

/* Begins a list of records: a table under a title, or an array. */
static table *begin_list(report *r, const char *name)
{
    if (r->is_json) begin_member(r, name);
    else fprintf(r->o.file, "\n%s\n", name);
    table *t = table_new(&r->o, r->is_json ? TABLE_JSON : TABLE_ALIGNED, 1, name);
    table_embed(t);
    return t;
}

/* aligns  a letter for each column: r right, l left, w left and never cut. */
static void add_columns(table *t, const char *const *names, const char *aligns)
{
    for (size_t i = 0; names[i]; i++)
        table_column(t, names[i], aligns[i] == 'r' ? TABLE_RIGHT : aligns[i] == 'w' ? TABLE_WHOLE : TABLE_LEFT);
}

static void table_id(table *t, const steplog_id *id, int is_short)
{
    char text[STEPLOG_ID_TEXT_BYTES];
    steplog_id_format(id, text);
    table_text_bytes(t, text, is_short ? 8 : 32);
}

/* People get whole seconds: there is much else in a line. */
static void put_cell_time(table *t, int64_t time_ns, int is_short)
{
    int has_fraction = is_short && time_ns > STEPLOG_TIME_NONE + 1000000000;
    table_time(t, has_fraction ? time_ns - time_ns % 1000000000 : time_ns);
}

/* ---- a run ---- */

static void put_run(report *r, const steplog_run_info *info)
{
    put_id(r, "run", &info->id);
    put_text(r, "name", info->name);
    put_text(r, "project", info->project);
    put_text(r, "status", select_status_name(info->status));
    put_uint(r, "attempt", info->attempt);
    put_uint(r, "attempts", info->attempt_count);
    if (info->has_steps) {
        put_int(r, "first_step", info->step_first);
        put_int(r, "last_step", info->step_last);
    }
    put_time(r, "first_time", info->time_first_ns);
    put_time(r, "last_time", info->time_last_ns);
    put_uint(r, "rows", info->row_count);
    put_uint(r, "points", info->point_count);
    put_uint(r, "series", info->series_count);
    put_bytes(r, "bytes", info->stored_bytes);
    if (!info->has_parent) return;
    put_id(r, "parent", &info->parent);
    put_uint(r, "parent_attempt", info->parent_attempt);
    put_int(r, "parent_step", info->parent_step);
}

/* Lists the facts in force whose keys begin with a prefix, without it. */
static void put_facts(report *r, session *s, const steplog_id *run, const char *title, const char *prefix)
{
    size_t count = steplog_reader_event_count(s->reader, run), shown = 0;
    FILE *file = r->o.file;
    for (size_t i = 0; i < count; i++) {
        steplog_event e = {.size_bytes = sizeof e};
        if (steplog_reader_event(s->reader, run, i, &e, NULL) != STEPLOG_OK) continue;
        if (e.kind != STEPLOG_EVENT_SET || !e.is_in_force || e.value == NULL) continue;
        if (strncmp(e.key, prefix, strlen(prefix)) != 0) continue;
        const char *key = e.key + strlen(prefix);
        if (r->is_json) {
            if (shown++ == 0) begin_member(r, title);
            fputs(shown == 1 ? "{" : ", ", file);
            json_write_text(file, key);
            fputs(": ", file);
            json_write_text(file, e.value);
            continue;
        }
        if (shown++ == 0) fprintf(file, "\n%s\n", title);
        fputs("  ", file);
        print_safe(file, key, strlen(key));
        fputs(" = ", file);
        print_safe(file, e.value, strlen(e.value));
        putc('\n', file);
    }
    if (r->is_json && shown > 0) putc('}', file);
}

static void put_note(report *r, session *s, const steplog_id *run)
{
    const char *note;
    if (steplog_reader_fact(s->reader, run, "note", &note) == STEPLOG_OK) put_text(r, "note", note);
}

static const char *liveness_name(steplog_liveness liveness)
{
    switch (liveness) {
    case STEPLOG_LIVENESS_ALIVE: return "alive";
    case STEPLOG_LIVENESS_DEAD: return "dead";
    case STEPLOG_LIVENESS_ENDED: return "ended";
    case STEPLOG_LIVENESS_UNKNOWN: break;
    }
    return "unknown";
}

/* Joins labels as k=v,k=v. To free(). */
static char *join_labels(const steplog_pair *labels, size_t count)
{
    const steplog_series_info info = {.rank = 0, .labels = labels, .label_count = count};
    char *text = print_labels(&info, 0);
    return text ? text : xstrdup("");
}

/* People see the columns that say something about a healthy run; what is wrong with others put_trouble() says. */
static void put_writer(table *t, const steplog_writer_info *w, int is_short)
{
    table_id(t, &w->incarnation, is_short);
    table_uint(t, w->attempt);
    table_uint(t, w->rank);
    table_text(t, liveness_name(w->liveness));
    if (w->liveness == STEPLOG_LIVENESS_ENDED) table_int(t, w->exit_code);
    else table_none(t);
    if (w->is_resume) table_int(t, w->resume_step);
    else table_none(t);
    table_text(t, w->host);
    table_uint(t, w->pid);
    put_cell_time(t, w->start_time_ns, is_short);
    table_text(t, w->is_mapped ? "mapped" : "pwrite");
    table_uint(t, w->last_sequence);
    table_uint(t, w->durable_sequence);
    char *labels = join_labels(w->labels, w->label_count);
    table_text(t, *labels ? labels : NULL);
    free(labels);
    if (!is_short) {
        table_uint(t, w->first_sequence);
        table_uint(t, w->missing_count);
        table_uint(t, w->salvageable_count);
        table_uint(t, w->refused_count);
        table_bytes(t, w->unsealed_bytes);
        table_text(t, w->step_axis);
    }
    table_end_row(t);
}

static void put_trouble(report *r, const steplog_writer_info *w)
{
    char id[STEPLOG_ID_TEXT_BYTES];
    steplog_id_format(&w->incarnation, id);
    if (w->missing_count)
        fprintf(r->o.file, "writer %.8s: %" PRIu64 " records are in no file\n", id, w->missing_count);
    if (w->salvageable_count)
        fprintf(r->o.file, "writer %.8s: %" PRIu64 " rows lie behind a hole in its log and are not shown\n", id,
                w->salvageable_count);
    if (w->refused_count)
        fprintf(r->o.file, "writer %.8s: %" PRIu64 " points were refused, the disk was full\n", id, w->refused_count);
}

static void put_writers(report *r, session *s, const steplog_id *run)
{
    static const char *const names[] = {"writer", "attempt", "rank", "state", "exit",    "resumed_at", "host",
                                        "pid",    "started", "mode", "last",  "durable", "labels",     NULL};
    static const char *const more_names[] = {"first",   "missing",  "salvageable", "refused",
                                             "unsealed", "axis", NULL};
    size_t count = steplog_reader_writer_count(s->reader, run);
    if (count == 0) return;
    table *t = begin_list(r, "writers");
    add_columns(t, names, "wrrwrrlrwwrrl");
    if (r->is_json) add_columns(t, more_names, "rrrrrw");
    for (size_t i = 0; i < count && !out_has_failed(&r->o); i++) {
        steplog_writer_info w = {.size_bytes = sizeof w};
        if (steplog_reader_writer(s->reader, run, i, &w, NULL) == STEPLOG_OK) put_writer(t, &w, !r->is_json);
    }
    table_finish(t);
    for (size_t i = 0; i < count && !r->is_json; i++) {
        steplog_writer_info w = {.size_bytes = sizeof w};
        if (steplog_reader_writer(s->reader, run, i, &w, NULL) == STEPLOG_OK) put_trouble(r, &w);
    }
}

static const char *event_name(steplog_event_kind kind)
{
    switch (kind) {
    case STEPLOG_EVENT_SET: return "set";
    case STEPLOG_EVENT_END: return "end";
    case STEPLOG_EVENT_REWIND: return "rewind";
    case STEPLOG_EVENT_UNDO: return "undo";
    case STEPLOG_EVENT_FORK: return "fork";
    case STEPLOG_EVENT_TOMBSTONE: return "removal";
    case STEPLOG_EVENT_GAP: return "gap";
    }
    return "unknown";
}

static void put_event(table *t, const steplog_event *e, int is_short)
{
    table_text(t, event_name(e->kind));
    table_text(t, e->is_in_force ? "yes" : "no");
    put_cell_time(t, e->time_ns, is_short);
    table_id(t, &e->incarnation, is_short);
    if (e->attempt) table_uint(t, e->attempt);
    else table_none(t);
    if (e->has_steps) {
        table_int(t, e->step_begin);
        table_int(t, e->step_end);
    } else {
        table_none(t);
        table_none(t);
    }
    if (e->kind == STEPLOG_EVENT_END || e->kind == STEPLOG_EVENT_GAP) table_int(t, e->number);
    else table_none(t);
    table_text(t, e->key && *e->key ? e->key : NULL);
    table_text(t, e->value);
    if (!is_short) {
        table_uint(t, e->sequence);
        table_uint(t, e->lamport);
    }
    table_end_row(t);
}

/* Facts and ends are shown above as what they amount to; the rest are events that a person wants to see. */
static void put_events(report *r, session *s, const steplog_id *run, int has_history)
{
    static const char *const names[] = {"event",    "in_force", "time", "writer", "attempt", "step_begin",
                                        "step_end", "number",   "key",  "value",  NULL};
    static const char *const more_names[] = {"sequence", "lamport", NULL};
    size_t count = steplog_reader_event_count(s->reader, run);
    table *t = NULL;
    for (size_t i = 0; i < count && !out_has_failed(&r->o); i++) {
        steplog_event e = {.size_bytes = sizeof e};
        if (steplog_reader_event(s->reader, run, i, &e, NULL) != STEPLOG_OK) continue;
        if (!has_history && (e.kind == STEPLOG_EVENT_SET || e.kind == STEPLOG_EVENT_END)) continue;
        if (t == NULL) {
            t = begin_list(r, has_history ? "history" : "events");
            add_columns(t, names, "wwwwrrrrww");
            if (r->is_json) add_columns(t, more_names, "rr");
        }
        put_event(t, &e, !r->is_json);
    }
    if (t) table_finish(t);
}

/* A person is shown the first of thousands of images; a program, or who asks for the history, all. */
static void put_blobs(report *r, session *s, const steplog_id *run, int has_history)
{
    enum { BLOB_LINES_MAX = 20 };
    static const char *const names[] = {"blob", "step", "time", "type", "bytes", "hash", "attempt", "rank", NULL};
    size_t count = steplog_reader_blob_count(s->reader, run);
    if (count == 0) return;
    table *t = begin_list(r, "blobs");
    add_columns(t, names, "wrwwrwrr");
    size_t shown = !r->is_json && !has_history && count > BLOB_LINES_MAX ? BLOB_LINES_MAX : count;
    for (size_t i = 0; i < shown && !out_has_failed(&r->o); i++) {
        steplog_blob_info b = {.size_bytes = sizeof b};
        char hash[20];
        if (steplog_reader_blob(s->reader, run, i, &b, NULL) != STEPLOG_OK) continue;
        snprintf(hash, sizeof hash, "%016" PRIx64, b.content_hash);
        table_text(t, b.name);
        table_int(t, b.step);
        table_time(t, b.time_ns);
        table_text(t, b.content_type);
        table_bytes(t, b.bytes);
        table_text(t, hash);
        table_uint(t, b.attempt);
        table_uint(t, b.rank);
        table_end_row(t);
    }
    table_finish(t);
    if (shown < count) fprintf(r->o.file, "... and %zu more; --history lists all\n", count - shown);
}

static int describe_run(report *r, session *s, const steplog_id *run, int has_history)
{
    steplog_run_info info = {.size_bytes = sizeof info};
    steplog_error err = {0};
    steplog_status status = steplog_reader_run_by_id(s->reader, run, &info, &err);
    if (status != STEPLOG_OK) return print_failure(NULL, status, &err);
    put_run(r, &info);
    put_note(r, s, run);
    put_facts(r, s, run, "params", "param.");
    put_facts(r, s, run, "tags", "tag.");
    put_writers(r, s, run);
    put_events(r, s, run, has_history);
    put_blobs(r, s, run, has_history);
    return TOOL_YES;
}

/* ---- the store ---- */

static int describe_store(report *r, session *s)
{
    steplog_store_info info = {.size_bytes = sizeof info};
    steplog_error err = {0};
    steplog_status status = steplog_reader_store_info(s->reader, &info, &err);
    if (status != STEPLOG_OK) return print_failure(NULL, status, &err);
    put_text(r, "store", steplog_store_path(s->store));
    put_id(r, "id", &info.id);
    put_uint(r, "format", info.format_version);
    put_time(r, "created", info.created_time_ns);
    put_uint(r, "runs", info.run_count);
    put_uint(r, "writers", info.writer_count);
    put_uint(r, "rows", info.row_count);
    put_uint(r, "points", info.point_count);
    put_uint(r, "logs", info.log_count);
    put_bytes(r, "log_bytes", info.log_bytes);
    put_uint(r, "segments", info.segment_count);
    put_bytes(r, "segment_bytes", info.segment_bytes);
    put_uint(r, "levels", info.level_count);
    put_text(r, "log_mode", info.log_mode);
    put_text(r, "file_system", info.file_system);
    return TOOL_YES;
}

static int describe(session *s, const char *selector, int is_json, int has_history, const char *output)
{
    report r = {.is_json = is_json, .has_member = 1};
    steplog_id run;
    int code = selector ? select_run(s, selector, &run) : TOOL_YES;
    if (code == TOOL_YES) code = out_open(&r.o, output);
    if (code != TOOL_YES) return code;
    if (is_json) fputs("{\n  \"schema\": 1", r.o.file);
    code = selector ? describe_run(&r, s, &run, has_history) : describe_store(&r, s);
    if (is_json) fputs("\n}\n", r.o.file);
    return out_close(&r.o, session_check_damage(s, code));
}

int cmd_info(int argc, char **argv)
{
    args a;
    session s;
    int has_history = 0, is_json = 0;
    const char *output = NULL;
    args_begin(&a, &usage, argc, argv);
    for (int id; (id = args_next(&a)) != ARGS_DONE;) {
        switch (id) {
        case OPT_HISTORY: has_history = 1; break;
        case OPT_JSON: is_json = 1; break;
        case TABLE_OPT_OUTPUT: output = a.value; break;
        default: return a.exit_code;
        }
    }
    if (a.operand_count > 1) return args_fail(&a, "one RUN at a time");
    int code = session_open_reader(&s);
    if (code != TOOL_YES) return code;
    return session_close(&s, describe(&s, a.operand_count ? a.operands[0] : NULL, is_json, has_history, output));
}
