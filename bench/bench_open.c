/* bench/bench_open.c: opening stores of many runs and many points, and the first series out of them.
 *
 * Every run has 20 metrics and was closed; the store was compacted, so that no log is left. *open* is
 * steplog_store_open() and steplog_reader_open(); *first series* is finding a run by its name, or knowing its id, finding
 * a metric in it, and the first batch of its points. The floor of opening is open, fstat, pread of 4 KiB and close of each file of the
 * store. All values of the series that is looked at are compared. */
#include "bench.h"

#include "plot.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RING_ROWS 4096u
#define REPEATS 15u

static ring source;
static steplog_id *runs; /* of the store looked at */
static int floor_failed;

static void write_runs(bench_store *b, uint32_t run_count, uint64_t rows_a_run)
{
    steplog_error err = {0};
    steplog_store_options options = {
        .size_bytes = sizeof options, .flags = STEPLOG_CREATE | STEPLOG_NO_THREAD, .log_bytes = 1 << 20};
    scratch_directory(b->path, sizeof b->path);
    check(steplog_store_open(b->path, &options, &b->store, &err), &err, "store_open");
    for (uint32_t run = 0; run < run_count; run++) {
        char key[32];
        steplog_status status = STEPLOG_OK;
        snprintf(key, sizeof key, "run-%05u", (unsigned)run);
        bench_writer_open(b, W20, key);
        for (uint64_t row = 0; row < rows_a_run; row++) {
            status |= steplog_writer_append(b->writer, b->schema, (int64_t)row, ring_time(&source, row),
                                            ring_row(&source, row));
            if (row % 4096 == 4095) bench_tick(b);
        }
        if (status != STEPLOG_OK) die("an append answered %d", (int)status);
        bench_writer_close(b);
        runs[run] = b->run;
    }
}

/* Compacts until that changes nothing more, so that what is opened is the same however much one call does. Returns the
 * files that the first call left. */
static uint64_t compact_all(bench_store *b, uint32_t *calls)
{
    steplog_error err = {0};
    steplog_compact_result result = {.size_bytes = sizeof result};
    uint64_t files_after_first = 0;
    for (*calls = 0; *calls == 0 || result.files_after < result.files_before; ++*calls) {
        check(steplog_store_compact(b->store, NULL, &result, &err), &err, "store_compact");
        if (*calls == 0) files_after_first = result.files_after;
    }
    bench_store_close(b);
    return files_after_first;
}

static int look_at_file(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
    uint8_t page[4096];
    struct stat s;
    (void)stat;
    (void)where;
    if (kind != FTW_F) return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &s) != 0 || pread(fd, page, sizeof page, s.st_size > 4096 ? s.st_size - 4096 : 0) <= 0)
        floor_failed = 1;
    if (fd >= 0) close(fd);
    return 0;
}

static void compare_batch(const steplog_batch *batch, uint64_t row, uint32_t metric)
{
    for (size_t i = 0; i < batch->row_count; i++, row++)
        if (batch->steps[i] != (int64_t)row || memcmp(&batch->values[0][i], &ring_row(&source, row)[metric], 8) != 0)
            die("step %llu of the first series differs", (unsigned long long)row);
}

/* Opens the store, looks at one series of one run; the rest of it is compared off the clock. */
static void open_once(const char *path, uint32_t run_count, uint64_t rows_a_run, uint32_t which, int is_by_name,
                      rounds *open_us, rounds *series_us)
{
    steplog_error err = {0};
    steplog_reader *reader = NULL;
    steplog_cursor *cursor = NULL;
    steplog_series series;
    steplog_batch batch;
    size_t found = 0;
    char key[32], name[64];
    uint32_t metric = which % 20, place = which * 7919u % run_count;
    steplog_id run = runs[place];
    snprintf(key, sizeof key, "run-%05u", (unsigned)place);
    workload_metric_name(W20, metric, name);
    int64_t begin = monotonic_ns();
    steplog_store *store = bench_open_to_read(path);
    check(steplog_reader_open(store, &reader, &err), &err, "reader_open");
    int64_t opened = monotonic_ns();
    if (is_by_name) check(steplog_reader_find_runs(reader, key, &run, 1, &found, &err), &err, "find_runs");
    check(steplog_reader_find(reader, &run, name, &series, 1, &found, &err), &err, "reader_find");
    check(steplog_cursor_open(reader, &series, 1, NULL, &cursor, &err), &err, "cursor_open");
    steplog_status status = steplog_cursor_next(cursor, &batch, 0, &err);
    int64_t seen = monotonic_ns();
    uint64_t rows = 0;
    for (; status == STEPLOG_OK; status = steplog_cursor_next(cursor, &batch, 0, &err)) {
        compare_batch(&batch, rows, metric);
        rows += batch.row_count;
    }
    check(status, &err, "cursor_next");
    if (memcmp(&run, &runs[place], sizeof run) != 0) die("'%s' is another run", key);
    if (rows != rows_a_run || steplog_reader_run_count(reader) != run_count) die("runs or rows are missing");
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    check(steplog_store_close(store, &err), &err, "store_close");
    rounds_add(open_us, (double)(opened - begin) * 1e-3);
    rounds_add(series_us, (double)(seen - opened) * 1e-3);
}

static void run_store(uint32_t run_count, double points, plot *p)
{
    static rounds open_us, by_name_us, by_id_us, floor_us;
    bench_store b = {0};
    char name[64];
    uint64_t rows_a_run = (uint64_t)(points / 20 / run_count);
    runs = calloc(run_count, sizeof *runs);
    if (!runs) die("no memory");
    int64_t begin = monotonic_ns();
    uint32_t compactions = 0;
    write_runs(&b, run_count, rows_a_run);
    uint64_t files_after_first = compact_all(&b, &compactions);
    double seconds = (double)(monotonic_ns() - begin) * 1e-9;
    open_us.count = by_name_us.count = by_id_us.count = floor_us.count = 0;
    for (uint32_t i = 0; i < REPEATS; i++) {
        open_once(b.path, run_count, rows_a_run, i, 1, &open_us, &by_name_us);
        open_once(b.path, run_count, rows_a_run, i, 0, &open_us, &by_id_us);
        begin = monotonic_ns();
        nftw(b.path, look_at_file, 16, FTW_PHYS);
        rounds_add(&floor_us, (double)(monotonic_ns() - begin) * 1e-3);
    }
    if (floor_failed) die("a file of the store cannot be read");
    snprintf(name, sizeof name, "%u runs, %.0e points", (unsigned)run_count, points);
    measurement m = measured("us", &open_us);
    m.floor = rounds_spread(&floor_us).median;
    m.target = 10000;
    report_as(&m, "open, %s", name);
    plot_mark(p, name, points, m.value);
    m = measured("us", &by_id_us);
    m.target = 1000;
    report_as(&m, "  first series by id, %s", name);
    m = measured("us", &by_name_us);
    m.target = 1000;
    report_as(&m, "  by name, %s", name);
    report_as(&(measurement){.unit = "files", .value = (double)files_after_first, .target = 64},
              "  segments, one compact, %s", name);
    report_note("made and compacted in %.1f s; %u calls of compact until nothing changed", seconds,
                (unsigned)compactions);
    scratch_remove(b.path);
    free(runs);
}

void bench_open(void)
{
    plot *p = plot_new("Opening a store", "points in the store", "us", PLOT_LOG_X);
    report_section("Opening after compact; floor: open, fstat, pread 4 KiB, close of each of its files");
    ring_make(&source, W20, RING_ROWS);
    if (!sized(0, 1, 1)) {
        run_store(10, 20000, p);
    } else {
        run_store(100, 1e6, p);
        run_store(100, 1e7, p);
        run_store(1000, 1e6, p);
        run_store(1000, 1e7, p);
    }
    if (sized(0, 0, 1)) {
        run_store(100, 1e8, p);
        run_store(1000, 1e9, p);
        run_store(10000, 1e9, p);
    }
    ring_free(&source);
    plot_write(p, result_path("bench-open.svg"));
}
