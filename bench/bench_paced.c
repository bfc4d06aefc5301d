/* bench/bench_paced.c: rows of 20 metrics at the pace of training loops, beside the sync of each second.
 *
 * The loop waits for its next row by looking at the clock, as a loop that computes does not sleep. Half a period after
 * each append the floor (clock read, memcpy, XXH3) is timed in the same way, so that its distribution shows what the
 * machine itself does to a piece of work so short at such a time: caches and branch predictors forget, interrupts and
 * other processes come in between. */
#include "bench.h"

#include "floor.h"
#include "plot.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define FLOOR_MAP_BYTES (16u << 20)
#define RING_ROWS 4096u

static latency calls, floors;

static void run_pace(uint32_t rows_a_second, uint64_t row_count, double p9999_max_ns, plot *p)
{
    bench_store b;
    floor_map floor;
    ring source;
    char name[64];
    uint32_t record_bytes = record_bytes_of(20);
    int64_t half_ns = 500000000 / rows_a_second;
    struct rusage before, after;
    steplog_status status = STEPLOG_OK;
    memset(&calls, 0, sizeof calls);
    memset(&floors, 0, sizeof floors);
    ring_make(&source, W20, RING_ROWS);
    bench_store_create(&b, W20, 0);
    floor_open(&floor, FLOOR_MAP_BYTES, 1);
    getrusage(RUSAGE_SELF, &before);
    int64_t next = monotonic_ns();
    for (uint64_t row = 0; row < row_count; row++) {
        const double *values = ring_row(&source, row);
        spin_until(next += half_ns);
        uint64_t begin = ticks();
        status |= steplog_writer_append(b.writer, b.schema, (int64_t)row, STEPLOG_TIME_NOW, values);
        uint64_t end = ticks();
        latency_add(&calls, end - begin);
        spin_until(next += half_ns);
        begin = ticks();
        clock_read();
        floor_rows(&floor, record_bytes, 1);
        end = ticks();
        latency_add(&floors, end - begin);
    }
    getrusage(RUSAGE_SELF, &after);
    if (status != STEPLOG_OK) die("an append answered %d", (int)status);
    bench_writer_close(&b);
    bench_check_ring(b.store, &b.run, 0, &source, row_count, 0);
    bench_store_close(&b);
    scratch_remove(b.path);
    floor_close(&floor);
    ring_free(&source);
    snprintf(name, sizeof name, "row of 20, %u a second", (unsigned)rows_a_second);
    report_latency(&(latency_report){.name = name,
                                     .calls = &calls,
                                     .floor = &floors,
                                     .of_a_tick = tick_ns(),
                                     .p99_max_ns = 1000,
                                     .p9999_max_ns = p9999_max_ns});
    report_note("page faults meanwhile, of appends, floor and background: %ld, of them %ld that waited for the disk",
                after.ru_minflt - before.ru_minflt + after.ru_majflt - before.ru_majflt,
                after.ru_majflt - before.ru_majflt);
    plot_latency(p, name, &calls, tick_ns());
    snprintf(name, sizeof name, "  floor, %u a second", (unsigned)rows_a_second);
    plot_latency(p, name, &floors, tick_ns());
}

void bench_paced(void)
{
    plot *p = plot_new("Rows at a pace, beside the sync of each second", "of so many calls the slowest", "ns",
                       PLOT_LOG_X | PLOT_LOG_Y);
    report_latency_section(
        "Rows at a pace, time taken, beside the sync of each second; floor: clock read, memcpy, XXH3");
    run_pace(1000, sized(50, 15000, 200000), 100000, p);
    run_pace(50000, sized(2000, 500000, 5000000), 20000, p);
    plot_write(p, result_path("bench-paced.svg"));
}
