/* bench/bench_processes.c: several writer processes on one store at full rate, and what syncing costs beside appending.
 *
 * Children open the store, each a writer of its own rank, warm up, and wait for one another; the clock runs from the
 * moment they are let go to the last one's last append, and to the last one's close. The floor is the same number of
 * processes that copy and hash the same bytes. */
#include "bench.h"

#include "floor.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 4u
#define FLOOR_MAP_BYTES (16u << 20)
#define RING_ROWS 4096u

typedef struct start_line {
    atomic_uint ready_count, is_open;
    int64_t appended_ns[PROCESSES_MAX], closed_ns[PROCESSES_MAX], floor_ns[PROCESSES_MAX];
} start_line;

static ring source;

/* A child says that it is ready for its which-th race, and waits until all are. */
static void wait_at_line(start_line *line, uint32_t which)
{
    struct timespec pause = {0, 50000};
    atomic_fetch_add(&line->ready_count, 1);
    while (atomic_load(&line->is_open) < which) nanosleep(&pause, NULL);
}

static void write_rows(start_line *line, uint32_t rank, const char *path, uint64_t row_count)
{
    bench_store b = {0};
    floor_map floor;
    steplog_status status = STEPLOG_OK;
    steplog_store_options options = {.size_bytes = sizeof options};
    snprintf(b.path, sizeof b.path, "%s", path);
    bench_store_join(&b, W20, &options, rank);
    floor_open(&floor, FLOOR_MAP_BYTES, 1);
    wait_at_line(line, 1);
    for (uint64_t row = 0; row < row_count; row++)
        status |= steplog_writer_append(b.writer, b.schema, (int64_t)row, ring_time(&source, row),
                                        ring_row(&source, row));
    line->appended_ns[rank] = monotonic_ns();
    if (status != STEPLOG_OK) die("an append answered %d", (int)status);
    bench_store_close(&b);
    line->closed_ns[rank] = monotonic_ns();
    wait_at_line(line, 2);
    for (uint64_t row = 0; row < row_count; row += 64) floor_rows(&floor, record_bytes_of(20), 64);
    line->floor_ns[rank] = monotonic_ns();
}

static int64_t latest(const int64_t *times, uint32_t count)
{
    int64_t most = times[0];
    for (uint32_t i = 1; i < count; i++)
        if (times[i] > most) most = times[i];
    return most;
}

/* Lets the children go when all are there. Returns when that was. */
static int64_t let_go(start_line *line, uint32_t process_count, uint32_t which)
{
    struct timespec pause = {0, 50000};
    while (atomic_load(&line->ready_count) < which * process_count) nanosleep(&pause, NULL);
    int64_t begin = monotonic_ns();
    atomic_store(&line->is_open, which);
    return begin;
}

static void run_processes(uint32_t process_count, uint64_t row_count)
{
    bench_store b;
    pid_t children[PROCESSES_MAX];
    start_line *line = shared_new(sizeof *line);
    steplog_id run;
    bench_store_create(&b, W20, STEPLOG_NO_THREAD);
    run = b.run;
    bench_store_close(&b);
    for (uint32_t i = 0; i < process_count; i++) {
        children[i] = child_start();
        if (children[i] != 0) continue;
        write_rows(line, i, b.path, row_count);
        _exit(0);
    }
    int64_t begin = let_go(line, process_count, 1), floor_begin = let_go(line, process_count, 2);
    for (uint32_t i = 0; i < process_count; i++) child_wait(children[i], "a writer process");
    steplog_store *store = bench_open_to_read(b.path);
    steplog_error err = {0};
    for (uint32_t i = 0; i < process_count; i++) bench_check_ring(store, &run, i, &source, row_count, 1);
    check(steplog_store_close(store, &err), &err, "store_close");
    scratch_remove(b.path);
    double points = 20.0 * (double)row_count * process_count;
    measurement m = {.unit = "Mpoint/s",
                     .value = points * 1e3 / (double)(latest(line->appended_ns, process_count) - begin),
                     .floor = points * 1e3 / (double)(latest(line->floor_ns, process_count) - floor_begin)};
    report_as(&m, "appended, %u process%s", (unsigned)process_count, process_count > 1 ? "es" : "");
    m.value = points * 1e3 / (double)(latest(line->closed_ns, process_count) - begin);
    report_as(&m, "closed, %u process%s", (unsigned)process_count, process_count > 1 ? "es" : "");
    shared_free(line, sizeof *line);
}

/* Appends for some seconds at half the rate that the machine can seal, so that it is the sync that is seen and not
 * the work behind it: bursts of rows, then a wait. */
static void run_syncing(const char *name, uint32_t sync_interval_ms, double seconds, double *unsynced_ns)
{
    bench_store b;
    static rounds cost;
    uint64_t row = 0, dirtied = process_io("write_bytes:");
    steplog_status status = STEPLOG_OK;
    bench_store_create_with(
        &b, W20,
        &(steplog_store_options){.size_bytes = sizeof(steplog_store_options), .sync_interval_ms = sync_interval_ms});
    cost.count = 0;
    int64_t end = monotonic_ns() + (int64_t)(seconds * 1e9);
    for (int64_t next = monotonic_ns(); next < end; next += 250000) {
        spin_until(next);
        int64_t begin = monotonic_ns();
        for (uint32_t i = 0; i < 256; i++, row++)
            status |= steplog_writer_append(b.writer, b.schema, (int64_t)row, ring_time(&source, row),
                                            ring_row(&source, row));
        rounds_add(&cost, (double)(monotonic_ns() - begin) / 256);
    }
    if (status != STEPLOG_OK) die("an append answered %d", (int)status);
    bench_writer_close(&b);
    bench_check_ring(b.store, &b.run, 0, &source, row, 1);
    bench_store_close(&b);
    scratch_remove(b.path);
    dirtied = process_io("write_bytes:") - dirtied;
    double mean = 0;
    for (size_t i = 0; i < cost.count; i++) mean += cost.ns[i] / (double)cost.count;
    measurement m = measured("ns/row", &cost);
    if (*unsynced_ns > 0)
        m.floor = *unsynced_ns;
    else
        *unsynced_ns = m.value;
    report_as(&m, "%s", name);
    report_note("mean %.1f ns a row; %.1f bytes a point handed to the disk", mean,
                (double)dirtied / (20.0 * (double)row));
}

void bench_processes(void)
{
    double unsynced_ns = 0, seconds = (double)sized(50, 3000, 20000) * 1e-3;
    ring_make(&source, W20, RING_ROWS);
    report_section("Writer processes on one store at full rate, W20; floor: as many processes that memcpy + XXH3");
    for (uint32_t count = 1; count <= PROCESSES_MAX; count *= 2) run_processes(count, sized(2000, 500000, 5000000));
    report_section("Appending a million rows of 20 a second while syncing; floor: without");
    run_syncing("no sync", UINT32_MAX, seconds, &unsynced_ns);
    run_syncing("sync each second", 1000, seconds, &unsynced_ns);
    run_syncing("sync each 100 ms", 100, seconds, &unsynced_ns);
    ring_free(&source);
}
