/* bench/bench_sustained.c: rows at full rate until all are sealed, compressed, compacted and durable.
 *
 * Three clocks: when the last append returned, when the writer was closed (everything is encoded, written, synced and
 * read back), when the store was compacted after that. Processor time is that of all threads. The floor of the wall
 * time is the kernel's: the bytes that the store has in the end, written in units of 1 MiB and synced. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RING_ROWS 8192u
#define UNIT_BYTES (1u << 20)

typedef struct outcome {
    rounds appended, sealed, compacted, sealed_cpu, compacted_cpu, dirtied, stored, floor;
} outcome;

static outcome seen;

/* Writes as many bytes as the store has, and syncs. Seconds. */
static double write_floor(uint64_t bytes)
{
    static uint8_t unit[UNIT_BYTES];
    int fd = scratch_file(0);
    memset(unit, 0x5a, sizeof unit);
    int64_t begin = monotonic_ns();
    for (uint64_t at = 0; at < bytes; at += UNIT_BYTES)
        if (write(fd, unit, UNIT_BYTES) != UNIT_BYTES) die("cannot write the floor's file");
    if (fdatasync(fd) != 0) die("cannot sync the floor's file");
    int64_t end = monotonic_ns();
    close(fd);
    return (double)(end - begin) * 1e-9;
}

static void run_once(const ring *r, uint64_t row_count)
{
    bench_store b;
    steplog_error err = {0};
    steplog_status status = STEPLOG_OK;
    double points = (double)row_count * r->metric_count;
    bench_store_create(&b, r->kind, 0);
    uint64_t dirtied = process_io("write_bytes:");
    int64_t begin = monotonic_ns(), cpu_begin = cpu_ns();
    for (uint64_t row = 0; row < row_count; row++)
        status |= steplog_writer_append(b.writer, b.schema, (int64_t)row, ring_time(r, row), ring_row(r, row));
    int64_t appended = monotonic_ns();
    bench_writer_close(&b);
    int64_t sealed = monotonic_ns(), sealed_cpu = cpu_ns();
    check(steplog_store_compact(b.store, NULL, NULL, &err), &err, "store_compact");
    int64_t compacted = monotonic_ns(), compacted_cpu = cpu_ns();
    dirtied = process_io("write_bytes:") - dirtied;
    if (status != STEPLOG_OK) die("an append answered %d", (int)status);
    bench_check_ring(b.store, &b.run, 0, r, row_count, 1);
    bench_store_close(&b);
    uint64_t stored = directory_bytes(b.path);
    scratch_remove(b.path);
    rounds_add(&seen.appended, points * 1e3 / (double)(appended - begin));
    rounds_add(&seen.sealed, points * 1e3 / (double)(sealed - begin));
    rounds_add(&seen.compacted, points * 1e3 / (double)(compacted - begin));
    rounds_add(&seen.sealed_cpu, (double)(sealed_cpu - cpu_begin) / points);
    rounds_add(&seen.compacted_cpu, (double)(compacted_cpu - cpu_begin) / points);
    rounds_add(&seen.dirtied, (double)dirtied / points);
    rounds_add(&seen.stored, (double)stored / points);
    rounds_add(&seen.floor, points * 1e-6 / write_floor(stored));
}

static void report_rounds(const char *what, workload_kind kind, const char *unit, rounds *r, double floor,
                          double target)
{
    measurement m = measured(unit, r);
    m.floor = floor;
    m.target = target;
    report_as(&m, "%s, %s", what, workload_name(kind));
}

static void run_sustained(workload_kind kind, uint64_t point_count, double bytes_max)
{
    ring r;
    uint64_t row_count = point_count / workload_metric_count(kind);
    int has_target = kind == W20 || kind == W50;
    memset(&seen, 0, sizeof seen);
    ring_make(&r, kind, RING_ROWS);
    for (uint64_t repeat = 0; repeat < sized(1, 3, 5); repeat++) run_once(&r, row_count);
    double floor = rounds_spread(&seen.floor).median;
    report_rounds("appended", kind, "Mpoint/s", &seen.appended, 0, 0);
    report_rounds("sealed and durable", kind, "Mpoint/s", &seen.sealed, floor, has_target ? 50 : 0);
    report_rounds("and compacted", kind, "Mpoint/s", &seen.compacted, floor, 0);
    report_rounds("processor time, sealed", kind, "ns/point", &seen.sealed_cpu, 0, has_target ? 10 : 0);
    report_rounds("processor time, compacted", kind, "ns/point", &seen.compacted_cpu, 0, 0);
    report_rounds("handed to the disk", kind, "bytes/pt", &seen.dirtied, rounds_spread(&seen.stored).median, 0);
    report_rounds("stored in the end", kind, "bytes/pt", &seen.stored, 0, bytes_max);
    ring_free(&r);
}

void bench_sustained(void)
{
    uint64_t points = sized(100000, 30000000, 300000000);
    report_section(
        "Rows at full rate until sealed, compressed, durable; floor: the final bytes, written by 1 MiB, synced");
    run_sustained(W20, points, 2.3);
    run_sustained(W50, points, 2.3);
    run_sustained(W1_NS, points / 10, 6.3);
    report_note(
        "handed to the disk: write_bytes of the process, logs and their recycling with it; floor: the final bytes");
}
