/* bench/bench_stores.c: what a finished store weighs, how fast it opens, how fast one series and all of them are read.
 *
 * The rows never repeat: sizes are honest. Every pass over the points is checked: the first against the generator,
 * value by value, the timed ones by the sum of what they saw. The floor of a scan is `pread` of as many bytes as the
 * pass itself reads (from /proc/self/io) out of the page cache by 1 MiB, and memcpy of the decoded values. */
#include "bench.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNIT_BYTES (1u << 20)
#define FILES_MAX 64u

typedef struct pass {
    uint64_t row_count, value_count, read_bytes;
    int64_t open_ns, scan_ns;
    uint64_t sum; /* of the bits of all values */
} pass;

static char files[FILES_MAX][512];
static size_t file_count;

static int add_file(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
    (void)stat;
    (void)where;
    if (kind == FTW_F && strstr(path, ".seg") && file_count < FILES_MAX)
        snprintf(files[file_count++], sizeof files[0], "%s", path);
    return 0;
}

/* Reads bytes of the store's segments, from the beginning again where they are fewer, and copies value_count doubles.
 * Seconds. */
static double scan_floor(const bench_store *b, uint64_t bytes, uint64_t value_count)
{
    static uint8_t unit[UNIT_BYTES], copy[UNIT_BYTES];
    uint64_t done = 0;
    file_count = 0;
    if (nftw(b->path, add_file, 16, FTW_PHYS) != 0 || file_count == 0) die("cannot list '%s'", b->path);
    int64_t begin = monotonic_ns();
    for (size_t i = 0; done < bytes; i = (i + 1) % file_count) {
        int fd = open(files[i], O_RDONLY | O_CLOEXEC);
        off_t at = 0;
        if (fd < 0) die("cannot open '%s'", files[i]);
        while (done < bytes) {
            ssize_t count = pread(fd, unit, bytes - done < UNIT_BYTES ? bytes - done : UNIT_BYTES, at);
            if (count <= 0) break;
            done += (uint64_t)count;
            at += count;
        }
        if (at == 0) die("'%s' is empty", files[i]);
        close(fd);
    }
    for (uint64_t at = 0; at < value_count * 8; at += UNIT_BYTES) {
        memcpy(copy, unit, value_count * 8 - at < UNIT_BYTES ? value_count * 8 - at : UNIT_BYTES);
        __asm__ volatile("" : : "r"(copy) : "memory");
    }
    return (double)(monotonic_ns() - begin) * 1e-9;
}

static void check_rows(const steplog_batch *batch, workload *w)
{
    double row[WORKLOAD_METRICS_MAX];
    int64_t step, time_ns;
    for (size_t i = 0; i < batch->row_count; i++) {
        workload_next(w, &step, &time_ns, row);
        if (batch->steps[i] != step || batch->times_ns[i] != time_ns) die("step %lld differs", (long long)step);
        for (size_t m = 0; m < batch->column_count; m++)
            if (memcmp(&batch->values[m][i], &row[m], 8) != 0) die("step %lld, metric %zu differs", (long long)step, m);
    }
}

/* Four sums side by side: what the next one waits for must not be what is timed. */
static uint64_t sum_of(const double *values, size_t count)
{
    uint64_t sums[4] = {0}, bits;
    for (size_t i = 0; i < count; i++) {
        memcpy(&bits, &values[i], 8);
        sums[i % 4] += bits;
    }
    return sums[0] + sums[1] + sums[2] + sums[3];
}

/* Opens the store anew and passes over the first column_count series. */
static pass read_store(const bench_store *b, workload_kind kind, uint32_t column_count, int is_checked)
{
    steplog_error err = {0};
    steplog_reader *reader = NULL;
    steplog_cursor *cursor = NULL;
    steplog_series series[WORKLOAD_METRICS_MAX];
    steplog_batch batch;
    workload w;
    pass p = {0};
    int64_t begin = monotonic_ns();
    steplog_store *store = bench_open_to_read(b->path);
    check(steplog_reader_open(store, &reader, &err), &err, "reader_open");
    p.open_ns = monotonic_ns() - begin;
    bench_find(reader, &b->run, kind, 0, series);
    workload_init(&w, kind, BENCH_SEED);
    uint64_t read_before = process_io("rchar:");
    begin = monotonic_ns();
    check(steplog_cursor_open(reader, series, column_count, NULL, &cursor, &err), &err, "cursor_open");
    for (;;) {
        steplog_status status = steplog_cursor_next(cursor, &batch, 0, &err);
        check(status, &err, "cursor_next");
        if (status == STEPLOG_END) break;
        if (is_checked) check_rows(&batch, &w);
        p.row_count += batch.row_count;
        for (uint32_t m = 0; m < column_count; m++) p.sum += sum_of(batch.values[m], batch.row_count);
    }
    p.scan_ns = monotonic_ns() - begin;
    p.value_count = p.row_count * column_count;
    p.read_bytes = process_io("rchar:") - read_before;
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    check(steplog_store_close(store, &err), &err, "store_close");
    return p;
}

static void time_scans(const bench_store *b, workload_kind kind, uint32_t column_count, uint64_t row_count,
                       const char *what, double target, rounds *open_us)
{
    static rounds rate, floor;
    pass first = read_store(b, kind, column_count, 1);
    rate.count = floor.count = 0;
    if (first.row_count != row_count) die("%llu rows were read", (unsigned long long)first.row_count);
    for (uint64_t i = 0; i < sized(1, column_count > 1 ? 7 : 15, 25); i++) {
        pass p = read_store(b, kind, column_count, 0);
        if (p.row_count != row_count || p.sum != first.sum) die("another pass saw other points");
        /* Where files are mapped no call reads: then all of the store's bytes, or the column's share of them. */
        uint64_t bytes = p.read_bytes > p.row_count / 8 ? p.read_bytes
                                                        : directory_bytes(b->path) * column_count / b->metric_count;
        rounds_add(open_us, (double)p.open_ns * 1e-3);
        rounds_add(&rate, (double)p.value_count * 1e3 / (double)p.scan_ns);
        rounds_add(&floor, (double)p.value_count * 1e-6 / scan_floor(b, bytes, p.value_count));
    }
    measurement m = measured("Mpoint/s", &rate);
    m.floor = rounds_spread(&floor).median;
    m.target = target;
    report_as(&m, "%s, %s", what, workload_name(kind));
}

static void run_stored(workload_kind kind, uint64_t row_count, double bytes_max)
{
    bench_store b;
    workload w;
    steplog_error err = {0};
    double row[WORKLOAD_METRICS_MAX];
    int64_t step, time_ns;
    static rounds open_us;
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
    report_as(
        &(measurement){.unit = "bytes/pt", .value = (double)directory_bytes(b.path) / points, .target = bytes_max},
        "size after compact, %s", workload_name(kind));
    report_as(&(measurement){.unit = "Mpoint/s", .value = points * 1e3 / (double)(end - begin)}, "compact, %s",
              workload_name(kind));
    open_us.count = 0;
    static rounds open_mapped_us;
    time_scans(&b, kind, 1, row_count, "scan one series", 600, &open_us);
    open_mapped_us.count = 0;
    bench_map_reads(1);
    time_scans(&b, kind, 1, row_count, "scan one series, files mapped", 600, &open_mapped_us);
    bench_map_reads(0);
    if (b.metric_count > 1) time_scans(&b, kind, b.metric_count, row_count, "scan all series", 0, &open_us);
    measurement m = measured("us", &open_us);
    report_as(&m, "open, %s", workload_name(kind));
    scratch_remove(b.path);
}

void bench_stores(void)
{
    report_section("Stores after compact; floor of a scan: pread of the same bytes by 1 MiB + memcpy of the values");
    run_stored(W20, sized(3000, 300000, 3000000), 2.3);
    run_stored(W50, sized(1200, 120000, 1200000), 2.3);
    run_stored(W1_US, sized(30000, 1000000, 10000000), 5.1);
    run_stored(W1_NS, sized(30000, 1000000, 10000000), 6.3);
}
