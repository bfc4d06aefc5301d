/* bench/store.c: scratch stores for the sections, and reading them back. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

void check(steplog_status status, const steplog_error *err, const char *what)
{
    if (status < 0) die("%s: %s: %s", what, steplog_status_name(status), err ? err->text : "");
}

static void open_store(bench_store *b, const steplog_store_options *options, uint32_t more_flags)
{
    steplog_error err = {0};
    steplog_store_options all = *options;
    all.flags |= more_flags;
    check(steplog_store_open(b->path, &all, &b->store, &err), &err, "store_open");
}

static void open_writer(bench_store *b, workload_kind kind, const char *run_key, uint32_t rank)
{
    steplog_error err = {0};
    steplog_writer_options options = {
        .size_bytes = sizeof options, .run_key = run_key, .run_name = run_key, .rank = rank};
    steplog_writer_stats stats = {.size_bytes = sizeof stats};
    char name[64];
    check(steplog_writer_open(b->store, &options, &b->writer, &err), &err, "writer_open");
    steplog_writer_get_stats(b->writer, &stats);
    b->run = stats.run;
    b->metric_count = workload_metric_count(kind);
    for (uint32_t i = 0; i < b->metric_count; i++) {
        workload_metric_name(kind, i, name);
        check(steplog_writer_metric(b->writer, name, strlen(name), &b->metrics[i], &err), &err, "writer_metric");
    }
    check(steplog_writer_schema(b->writer, b->metrics, b->metric_count, &b->schema, &err), &err, "writer_schema");
}

void bench_store_create_with(bench_store *b, workload_kind kind, const steplog_store_options *options)
{
    *b = (bench_store){0};
    scratch_directory(b->path, sizeof b->path);
    open_store(b, options, STEPLOG_CREATE);
    open_writer(b, kind, "bench", 0);
}

void bench_store_create(bench_store *b, workload_kind kind, uint32_t store_flags)
{
    bench_store_create_with(
        b, kind, &(steplog_store_options){.size_bytes = sizeof(steplog_store_options), .flags = store_flags});
}

void bench_writer_open(bench_store *b, workload_kind kind, const char *run_key) { open_writer(b, kind, run_key, 0); }

void bench_store_join(bench_store *b, workload_kind kind, const steplog_store_options *options, uint32_t rank)
{
    open_store(b, options, 0);
    open_writer(b, kind, "bench", rank);
}

void bench_tick(bench_store *b)
{
    steplog_error err = {0};
    check(steplog_store_tick(b->store, 0, &err), &err, "store_tick");
}

void bench_writer_close(bench_store *b)
{
    steplog_error err = {0};
    check(steplog_writer_close(b->writer, 0, &err), &err, "writer_close");
    b->writer = NULL;
}

void bench_store_close(bench_store *b)
{
    steplog_error err = {0};
    if (b->writer) bench_writer_close(b);
    check(steplog_store_close(b->store, &err), &err, "store_close");
    b->store = NULL;
}

/* ---- reading ---- */

static uint32_t read_flags;

void bench_map_reads(int is_mapping) { read_flags = is_mapping ? STEPLOG_MAP_READS : 0; }

steplog_store *bench_open_to_read(const char *path)
{
    steplog_error err = {0};
    steplog_store *store = NULL;
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_READ_ONLY | read_flags};
    check(steplog_store_open(path, &options, &store, &err), &err, "store_open");
    return store;
}

void bench_find(steplog_reader *reader, const steplog_id *run, workload_kind kind, uint32_t rank,
                steplog_series *series)
{
    steplog_error err = {0};
    char name[64], selector[96];
    size_t found = 0;
    for (uint32_t i = 0; i < workload_metric_count(kind); i++) {
        snprintf(selector, sizeof selector, "%s{rank=%u}", workload_metric_name(kind, i, name), (unsigned)rank);
        check(steplog_reader_find(reader, run, selector, &series[i], 1, &found, &err), &err, "reader_find");
        if (found != 1) die("'%s' is %zu series", selector, found);
    }
}

static void check_batch(const steplog_batch *batch, const ring *r, uint64_t row, int is_time_given)
{
    for (size_t i = 0; i < batch->row_count; i++, row++) {
        if (batch->steps[i] != (int64_t)row || (is_time_given && batch->times_ns[i] != ring_time(r, row)))
            die("row %llu has step %lld, or another time", (unsigned long long)row, (long long)batch->steps[i]);
        for (size_t m = 0; m < batch->column_count; m++)
            if (memcmp(&batch->values[m][i], &ring_row(r, row)[m], 8) != 0)
                die("row %llu, metric %zu differs", (unsigned long long)row, m);
    }
}

void bench_check_ring(steplog_store *store, const steplog_id *run, uint32_t rank, const ring *r, uint64_t row_count,
                      int is_time_given)
{
    steplog_error err = {0};
    steplog_reader *reader = NULL;
    steplog_cursor *cursor = NULL;
    steplog_batch batch;
    steplog_series series[WORKLOAD_METRICS_MAX];
    uint64_t rows = 0;
    check(steplog_reader_open(store, &reader, &err), &err, "reader_open");
    bench_find(reader, run, r->kind, rank, series);
    check(steplog_cursor_open(reader, series, r->metric_count, NULL, &cursor, &err), &err, "cursor_open");
    for (;;) {
        steplog_status status = steplog_cursor_next(cursor, &batch, 0, &err);
        check(status, &err, "cursor_next");
        if (status == STEPLOG_END) break;
        check_batch(&batch, r, rows, is_time_given);
        rows += batch.row_count;
    }
    if (rows != row_count) die("%llu rows of %llu were read", (unsigned long long)rows, (unsigned long long)row_count);
    if (steplog_reader_damage_count(reader) != 0) die("the store is damaged");
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
}
