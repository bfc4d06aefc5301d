/* bench/bench_growth.c: does the last append cost what the first did, after ten million or a billion points; what a
 * long run leaves behind in files and bytes.
 *
 * As in `append`, rounds of 256 rows are timed, and sealing happens between them, off the clock; now and then the floor
 * (memcpy + XXH3) is timed so that a machine that changed is not taken for a store that did. The first logs are fresh
 * pages: one per cent of the points, at least 24 MiB of logs, goes before. Files are counted while the run lives. */
#include "bench.h"

#include "floor.h"
#include "plot.h"

#include <stdio.h>

#define RING_ROWS 4096u
#define ROWS_A_ROUND 256u
#define FLOOR_MAP_BYTES (16u << 20)
#define ROWS_A_MERGE (256u * ROWS_A_ROUND) /* as often all that the background thread would do is done, merging too */
#define PARTS 100u

static void append_round(bench_store *b, const ring *r, uint64_t *row, rounds *into)
{
    steplog_status status = STEPLOG_OK;
    int64_t begin = monotonic_ns();
    for (uint32_t i = 0; i < ROWS_A_ROUND; i++, ++*row)
        status |= steplog_writer_append(b->writer, b->schema, (int64_t)*row, ring_time(r, *row), ring_row(r, *row));
    int64_t end = monotonic_ns();
    if (status != STEPLOG_OK) die("an append answered %d", (int)status);
    rounds_add(into, (double)(end - begin) / ROWS_A_ROUND);
    if (*row % ROWS_A_MERGE == 0) {
        steplog_error err = {0};
        check(steplog_store_tick(b->store, 60000, &err), &err, "store_tick");
    }
    bench_tick(b);
}

static void finish(bench_store *b, const ring *r, uint64_t row_count, uint64_t most_files, uint64_t dirtied)
{
    double points = 20.0 * (double)row_count;
    bench_writer_close(b);
    bench_check_ring(b->store, &b->run, 0, r, row_count, 1);
    bench_store_close(b);
    report_as(&(measurement){.unit = "files", .value = (double)most_files}, "most files while it ran");
    report_as(&(measurement){.unit = "bytes/pt",
                             .value = (double)(process_io("write_bytes:") - dirtied) / points,
                             .floor = (double)directory_bytes(b->path) / points},
              "handed to the disk");
    report_note("its floor is what the store has in the end, uncompacted");
    scratch_remove(b->path);
}

void bench_growth(void)
{
    static rounds parts[PARTS], warm_up, floor_first, floor_last;
    double x[PARTS], y[PARTS];
    bench_store b;
    ring r;
    floor_map floor;
    uint64_t row = 0, most_files = 0, dirtied = process_io("write_bytes:");
    uint64_t rounds_a_part = sized(1, 10000000, 1000000000) / 20 / PARTS / ROWS_A_ROUND;
    if (rounds_a_part == 0) rounds_a_part = 1;
    report_section("Growth: append cost along a run, W20, time given; floor of the last: the first");
    ring_make(&r, W20, RING_ROWS);
    bench_store_create(&b, W20, STEPLOG_NO_THREAD);
    floor_open(&floor, FLOOR_MAP_BYTES, 1);
    while (row * record_bytes_of(20) < sized(1 << 20, 24 << 20, 24 << 20)) append_round(&b, &r, &row, &warm_up);
    for (uint32_t part = 0; part < PARTS; part++) {
        for (uint64_t i = 0; i < rounds_a_part; i++) {
            append_round(&b, &r, &row, &parts[part]);
            if (part == 0) rounds_add(&floor_first, floor_round(&floor, record_bytes_of(20), ROWS_A_ROUND));
            if (part == PARTS - 1) rounds_add(&floor_last, floor_round(&floor, record_bytes_of(20), ROWS_A_ROUND));
        }
        uint64_t files = directory_files(b.path);
        if (files > most_files) most_files = files;
        x[part] = (double)row * 20;
        y[part] = rounds_spread(&parts[part]).median;
    }
    measurement first = measured("ns", &parts[0]), last = measured("ns", &parts[PARTS - 1]);
    report_as(&first, "first 1 %% of %.2g points", (double)row * 20);
    last.floor = first.value;
    report_as(&last, "last 1 %%");
    measurement beside = measured("ns", &floor_last);
    beside.floor = rounds_spread(&floor_first).median;
    report_as(&beside, "memcpy + XXH3 then, beside the first");
    report_as(
        &(measurement){.unit = "x", .value = last.value / first.value / (beside.value / beside.floor), .target = 1.1},
        "last over first, each over its memcpy + XXH3");
    floor_close(&floor);
    finish(&b, &r, row, most_files, dirtied);
    ring_free(&r);
    plot *p = plot_new("Append cost along a run", "points in the run", "ns for a row of 20", 0);
    plot_line(p, "row of 20, time given", x, y, PARTS);
    plot_write(p, result_path("bench-growth.svg"));
}
