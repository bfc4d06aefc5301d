/* bench/bench_sustained.c: rows at full rate until all are sealed, compressed and durable; what the store then
 * weighs, how fast it opens and how fast one series is read out of it.
 *
 * Rows come from a ring that is made before the clock starts (steps and times go on through it), so that neither
 * the generator's time nor its memory traffic counts much. Sizes are measured on rows that never repeat. */
#include "bench.h"
#include "timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING_ROWS 8192u
#define SUSTAINED_POINTS 30000000u
#define REPEATS 3u

static char names[32][64];
static size_t name_count;

static const char *name_of(const char *what, workload_kind kind)
{
    if (name_count == 32) name_count = 0;
    snprintf(names[name_count], sizeof names[0], "%s, %s", what, workload_name(kind));
    return names[name_count++];
}

static void run_sustained(workload_kind kind, double target)
{
    uint32_t count = workload_metric_count(kind);
    uint64_t row_count = SUSTAINED_POINTS / count;
    double *ring = malloc((size_t)RING_ROWS * count * sizeof *ring);
    static rounds wall, cpu, append;
    static int64_t times[RING_ROWS];
    workload w;
    int64_t step;
    if (!ring) die("no memory");
    workload_init(&w, kind, BENCH_SEED);
    for (uint32_t i = 0; i < RING_ROWS; i++) workload_next(&w, &step, &times[i], ring + (size_t)i * count);
    int64_t ring_ns = times[RING_ROWS - 1] - times[0] + (times[1] - times[0]);
    wall.count = cpu.count = append.count = 0;
    for (uint32_t repeat = 0; repeat < REPEATS; repeat++) {
        bench_store b;
        steplog_status status = STEPLOG_OK;
        bench_store_create(&b, kind, 0);
        int64_t begin = monotonic_ns(), cpu_begin = cpu_ns();
        for (uint64_t row = 0; row < row_count; row++) {
            uint32_t at = (uint32_t)(row % RING_ROWS);
            status |= steplog_writer_append(b.writer, b.schema, (int64_t)row,
                                            times[at] + (int64_t)(row / RING_ROWS) * ring_ns,
                                            ring + (size_t)at * count);
        }
        int64_t appended = monotonic_ns();
        bench_writer_close(&b);
        int64_t end = monotonic_ns(), cpu_end = cpu_ns();
        if (status != STEPLOG_OK) die("an append answered %d", (int)status);
        bench_store_close(&b);
        remove_directory(b.path);
        double points = (double)(row_count * count);
        rounds_add(&wall, points * 1e3 / (double)(end - begin));
        rounds_add(&append, points * 1e3 / (double)(appended - begin));
        rounds_add(&cpu, (double)(cpu_end - cpu_begin) / points);
    }
    free(ring);
    spread rate = rounds_spread(&wall), handed = rounds_spread(&append), work = rounds_spread(&cpu);
    report(&(measurement){.name = name_of("appended", kind),
                          .unit = "Mpoint/s",
                          .value = handed.median,
                          .p10 = handed.p10,
                          .p90 = handed.p90});
    report(&(measurement){.name = name_of("sealed and durable", kind),
                          .unit = "Mpoint/s",
                          .value = rate.median,
                          .p10 = rate.p10,
                          .p90 = rate.p90,
                          .target = target});
    report(&(measurement){.name = name_of("processor time", kind),
                          .unit = "ns/point",
                          .value = work.median,
                          .p10 = work.p10,
                          .p90 = work.p90,
                          .target = 10});
}

/* Opens the store anew and reads one series, checking every value against the generator. */
static void read_series(const bench_store *b, workload_kind kind, uint64_t row_count, int is_checked, rounds *open_us,
                        rounds *rate)
{
    steplog_error err = {0};
    steplog_store *store;
    steplog_reader *reader;
    steplog_cursor *cursor;
    steplog_series series;
    steplog_batch batch;
    size_t found;
    char name[64];
    double row[WORKLOAD_METRICS_MAX], sum = 0;
    int64_t step, time_ns;
    uint64_t rows = 0;
    workload w;
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_READ_ONLY};
    int64_t begin = monotonic_ns();
    check(steplog_store_open(b->path, &options, &store, &err), &err, "store_open");
    check(steplog_reader_open(store, &reader, &err), &err, "reader_open");
    int64_t opened = monotonic_ns();
    check(steplog_reader_find(reader, &b->run, workload_metric_name(kind, 0, name), &series, 1, &found, &err), &err,
          "reader_find");
    int64_t scan = monotonic_ns();
    check(steplog_cursor_open(reader, &series, 1, NULL, &cursor, &err), &err, "cursor_open");
    workload_init(&w, kind, BENCH_SEED);
    for (;;) {
        steplog_status status = steplog_cursor_next(cursor, &batch, 0, &err);
        check(status, &err, "cursor_next");
        if (status == STEPLOG_END) break;
        rows += batch.row_count;
        sum += batch.values[0][batch.row_count - 1];
        for (size_t i = 0; is_checked && i < batch.row_count; i++) {
            workload_next(&w, &step, &time_ns, row);
            if (batch.steps[i] != step || batch.times_ns[i] != time_ns || memcmp(&batch.values[0][i], &row[0], 8) != 0)
                die("%s: step %lld differs", workload_name(kind), (long long)step);
        }
    }
    int64_t end = monotonic_ns();
    if (rows != row_count || !(sum > 0))
        die("%s: %llu rows of %llu", workload_name(kind), (unsigned long long)rows, (unsigned long long)row_count);
    if (!is_checked) {
        rounds_add(open_us, (double)(opened - begin) / 1e3);
        rounds_add(rate, (double)rows * 1e3 / (double)(end - scan));
    }
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    check(steplog_store_close(store, &err), &err, "store_close");
}

static void run_stored(workload_kind kind, uint64_t row_count, double target)
{
    bench_store b;
    workload w;
    steplog_error err = {0};
    int64_t step, time_ns;
    double row[WORKLOAD_METRICS_MAX];
    static rounds open_us, rate;
    bench_store_create(&b, kind, 0);
    workload_init(&w, kind, BENCH_SEED);
    for (uint64_t i = 0; i < row_count; i++) {
        workload_next(&w, &step, &time_ns, row);
        if (steplog_writer_append(b.writer, b.schema, step, time_ns, row) != STEPLOG_OK) die("append");
    }
    bench_writer_close(&b);
    int64_t begin = monotonic_ns();
    check(steplog_store_compact(b.store, NULL, NULL, &err), &err, "store_compact");
    int64_t end = monotonic_ns();
    bench_store_close(&b);
    double points = (double)(row_count * b.metric_count);
    open_us.count = rate.count = 0;
    read_series(&b, kind, row_count, 1, &open_us, &rate);
    for (int i = 0; i < 15; i++) read_series(&b, kind, row_count, 0, &open_us, &rate);
    spread o = rounds_spread(&open_us), s = rounds_spread(&rate);
    report(&(measurement){.name = name_of("size after compact", kind),
                          .unit = "bytes/pt",
                          .value = (double)directory_bytes(b.path) / points,
                          .target = target});
    report(&(measurement){
        .name = name_of("compact", kind), .unit = "Mpoint/s", .value = points * 1e3 / (double)(end - begin)});
    report(&(measurement){.name = name_of("open", kind), .unit = "us", .value = o.median, .p10 = o.p10, .p90 = o.p90});
    report(&(measurement){.name = name_of("scan one series", kind),
                          .unit = "Mpoint/s",
                          .value = s.median,
                          .p10 = s.p10,
                          .p90 = s.p90,
                          .target = 600});
    remove_directory(b.path);
}

void bench_sustained(void)
{
    report_section("Rows at full rate until closed (sealed, compressed, durable)");
    run_sustained(W20, 50);
    run_sustained(W50, 50);
    report_section("Stores after compact: size, opening, one series");
    run_stored(W20, 300000, 2.3);
    run_stored(W50, 120000, 2.3);
    run_stored(W1_US, 1000000, 5.1);
    run_stored(W1_NS, 1000000, 6.3);
}
