/* bench/peers/peer_steplog.c: steplog itself, through its public API with default options. */
#include "peer.h"

#include "bench.h"
#include "timing.h"

#include <stdlib.h>

#define ROWS_AT_ONCE 1024u

typedef struct session {
    steplog_store *store;
    steplog_writer *writer;
    steplog_schema schema;
} session;

typedef struct reading {
    steplog_store *store;
    steplog_reader *reader;
    steplog_id run;
    const peer_data *data;
} reading;

static const char *version(void) { return steplog_version(); }

static session *begin(const char *directory, const peer_data *data)
{
    static session s;
    steplog_error err = {0};
    steplog_metric metrics[WORKLOAD_METRICS_MAX];
    const steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_CREATE};
    const steplog_writer_options writer = {.size_bytes = sizeof writer, .run_key = "peers"};
    check(steplog_store_open(directory, &options, &s.store, &err), &err, "store_open");
    check(steplog_writer_open(s.store, &writer, &s.writer, &err), &err, "writer_open");
    for (uint32_t i = 0; i < data->metric_count; i++)
        check(steplog_writer_metric(s.writer, data->names[i], strlen(data->names[i]), &metrics[i], &err), &err,
              "writer_metric");
    check(steplog_writer_schema(s.writer, metrics, data->metric_count, &s.schema, &err), &err, "writer_schema");
    return &s;
}

static void *open_steps(const char *directory, const peer_data *data) { return begin(directory, data); }

static void step(void *handle, int64_t step, int64_t time_ns, const double *values)
{
    session *s = handle;
    if (steplog_writer_append(s->writer, s->schema, step, time_ns, values) != STEPLOG_OK) die("steplog: append");
}

static void load(const char *directory, const peer_data *data)
{
    steplog_error err = {0};
    session *s = begin(directory, data);
    for (size_t row = 0; row < data->row_count; row += ROWS_AT_ONCE) {
        size_t count = data->row_count - row < ROWS_AT_ONCE ? data->row_count - row : ROWS_AT_ONCE;
        check(steplog_writer_append_rows(s->writer, s->schema, count, data->steps + row, data->times_ns + row,
                                         peer_row(data, row)),
              NULL, "append_rows");
    }
    check(steplog_writer_close(s->writer, 0, &err), &err, "writer_close");
    check(steplog_store_close(s->store, &err), &err, "store_close");
}

static void compact(const char *directory)
{
    steplog_error err = {0};
    steplog_store *store;
    check(steplog_store_open(directory, NULL, &store, &err), &err, "store_open");
    check(steplog_store_compact(store, NULL, NULL, &err), &err, "store_compact");
    check(steplog_store_close(store, &err), &err, "store_close");
}

static void *open_reader(const char *directory, const peer_data *data)
{
    static reading r;
    steplog_error err = {0};
    size_t found;
    const steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_READ_ONLY};
    r.data = data;
    check(steplog_store_open(directory, &options, &r.store, &err), &err, "store_open");
    check(steplog_reader_open(r.store, &r.reader, &err), &err, "reader_open");
    check(steplog_reader_find_runs(r.reader, "@latest", &r.run, 1, &found, &err), &err, "reader_find_runs");
    return &r;
}

static void scan(void *reader, uint32_t metric, peer_sink *out)
{
    reading *r = reader;
    steplog_error err = {0};
    steplog_series series;
    steplog_cursor *cursor;
    steplog_batch batch;
    size_t found;
    check(steplog_reader_find(r->reader, &r->run, r->data->names[metric], &series, 1, &found, &err), &err,
          "reader_find");
    check(steplog_cursor_open(r->reader, &series, 1, NULL, &cursor, &err), &err, "cursor_open");
    for (;;) {
        steplog_status status = steplog_cursor_next(cursor, &batch, 0, &err);
        check(status, &err, "cursor_next");
        if (status == STEPLOG_END) break;
        peer_sink_rows(out, batch.steps, batch.times_ns, batch.values[0], batch.row_count);
    }
    steplog_cursor_close(cursor);
}

const peer peer_steplog = {.name = "steplog",
                           .key = "steplog",
                           .durability = "kill: all steps; power: all but the last second, a prefix",
                           .version = version,
                           .open = open_steps,
                           .step = step,
                           .load = load,
                           .compact = compact,
                           .open_reader = open_reader,
                           .scan = scan};
