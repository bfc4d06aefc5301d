/* bench/bench_calls.c: single appends, each timed by itself: what the slowest of them take.
 *
 * Every call of a row and every copy of the floor is timed with two readings of the processor's counter, which are
 * part of both. They take turns, with sealing and the making of logs between rounds of 256, off the clock. */
#include "bench.h"

#include "floor.h"
#include "plot.h"

#include <stdio.h>
#include <string.h>

#define CALLS_A_ROUND 256u
#define FLOOR_MAP_BYTES (16u << 20)

typedef struct call_case {
    workload_kind kind;
    int is_time_taken;
} call_case;

static latency calls, floors;
static ring source;

static void time_calls(bench_store *b, const call_case *c, uint64_t *row, floor_map *floor)
{
    uint32_t record_bytes = record_bytes_of(b->metric_count);
    steplog_status status = STEPLOG_OK;
    for (uint32_t i = 0; i < CALLS_A_ROUND; i++, ++*row) {
        const double *values = ring_row(&source, *row);
        int64_t time_ns = c->is_time_taken ? STEPLOG_TIME_NOW : ring_time(&source, *row);
        uint64_t begin = ticks();
        status |= steplog_writer_append(b->writer, b->schema, (int64_t)*row, time_ns, values);
        uint64_t end = ticks();
        latency_add(&calls, end - begin);
    }
    for (uint32_t i = 0; i < CALLS_A_ROUND; i++) {
        uint64_t begin = ticks();
        if (c->is_time_taken) clock_read();
        floor_rows(floor, record_bytes, 1);
        uint64_t end = ticks();
        latency_add(&floors, end - begin);
    }
    if (status != STEPLOG_OK) die("an append answered %d", (int)status);
}

static void run_case(const call_case *c, plot *p)
{
    bench_store b;
    floor_map floor;
    char name[64];
    uint64_t row = 0, rounds_wanted = sized(8, c->kind == W200 ? 200 : 800, c->kind == W200 ? 2000 : 8000);
    ring_make(&source, c->kind, FLOOR_SOURCE_ROWS);
    bench_store_create(&b, c->kind, STEPLOG_NO_THREAD);
    floor_open(&floor, FLOOR_MAP_BYTES, 1);
    while (row * record_bytes_of(b.metric_count) < sized(1 << 20, 24 << 20, 24 << 20)) {
        time_calls(&b, c, &row, &floor);
        bench_tick(&b);
    }
    memset(&calls, 0, sizeof calls);
    memset(&floors, 0, sizeof floors);
    for (uint64_t i = 0; i < rounds_wanted; i++) {
        bench_tick(&b);
        time_calls(&b, c, &row, &floor);
    }
    bench_writer_close(&b);
    bench_check_ring(b.store, &b.run, 0, &source, row, !c->is_time_taken);
    bench_store_close(&b);
    scratch_remove(b.path);
    floor_close(&floor);
    snprintf(name, sizeof name, "row of %u, time %s", (unsigned)source.metric_count,
             c->is_time_taken ? "taken" : "given");
    report_latency(&(latency_report){.name = name, .calls = &calls, .floor = &floors, .of_a_tick = tick_ns()});
    plot_latency(p, name, &calls, tick_ns());
    if (source.metric_count == 20 && c->is_time_taken) plot_latency(p, "  its floor", &floors, tick_ns());
    ring_free(&source);
}

void bench_calls(void)
{
    static const call_case cases[] = {{W1_NS, 0}, {W1_NS, 1}, {W20, 0},  {W20, 1},
                                      {W50, 0},   {W50, 1},   {W200, 0}, {W200, 1}};
    plot *p = plot_new("One append: the slowest of so many calls", "of so many calls the slowest", "ns",
                       PLOT_LOG_X | PLOT_LOG_Y);
    report_latency_section("Single appends; floor: memcpy + XXH3 (+ clock read), timed the same way");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(&cases[i], p);
    report_note("a call's time holds two readings of the counter, %.1f ns together", ticks_cost_ns());
    plot_write(p, result_path("bench-append.svg"));
}
