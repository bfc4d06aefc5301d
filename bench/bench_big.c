/* bench/bench_big.c: a store of a hundred million points, and the memory it takes to write, compact and read it.
 *
 * Each phase is a process of its own, watched from here: every few milliseconds its resident memory is read from
 * /proc and what its mappings of logs hold is taken off ("beyond logs"). The kernel's own high-water mark of the
 * whole process stands beside it. */
#include "bench.h"
#include "timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLE_NS 100000000 /* a look at hundreds of mapped megabytes takes some milliseconds itself */
#define MEMORY_KIB_MAX (64.0 * 1024)

static uint64_t row_count;
static char path[512];

static steplog_store *open_store(uint32_t flags)
{
    steplog_error err = {0};
    steplog_store *store;
    steplog_store_options options = {.size_bytes = sizeof options, .flags = flags};
    check(steplog_store_open(path, &options, &store, &err), &err, "store_open");
    return store;
}

static void write_rows(void)
{
    steplog_error err = {0};
    bench_store b = {.store = open_store(STEPLOG_CREATE)};
    workload w;
    int64_t step, time_ns;
    double row[WORKLOAD_METRICS_MAX];
    bench_writer_open(&b, W20, "big");
    workload_init(&w, W20, BENCH_SEED);
    for (uint64_t i = 0; i < row_count; i++) {
        workload_next(&w, &step, &time_ns, row);
        if (steplog_writer_append(b.writer, b.schema, step, time_ns, row) != STEPLOG_OK) die("append");
    }
    bench_writer_close(&b);
    check(steplog_store_close(b.store, &err), &err, "store_close");
}

static void compact(void)
{
    steplog_error err = {0};
    steplog_store *store = open_store(0);
    check(steplog_store_compact(store, NULL, NULL, &err), &err, "store_compact");
    check(steplog_store_close(store, &err), &err, "store_close");
}

static steplog_reader *open_reader(steplog_store *store, steplog_series *series)
{
    steplog_error err = {0};
    steplog_reader *reader;
    steplog_id run;
    size_t found;
    char name[64];
    check(steplog_reader_open(store, &reader, &err), &err, "reader_open");
    check(steplog_reader_find_runs(reader, "@latest", &run, 1, &found, &err), &err, "find_runs");
    check(steplog_reader_find(reader, &run, workload_metric_name(W20, 3, name), series, 1, &found, &err), &err, "find");
    return reader;
}

static void open_only(void)
{
    steplog_error err = {0};
    steplog_series series;
    steplog_store *store = open_store(STEPLOG_READ_ONLY);
    steplog_reader *reader = open_reader(store, &series);
    steplog_reader_close(reader);
    check(steplog_store_close(store, &err), &err, "store_close");
}

static void scan(int is_checked)
{
    steplog_error err = {0};
    steplog_series series;
    steplog_store *store = open_store(STEPLOG_READ_ONLY);
    steplog_reader *reader = open_reader(store, &series);
    steplog_cursor *cursor;
    steplog_batch batch;
    workload w;
    int64_t step, time_ns;
    double row[WORKLOAD_METRICS_MAX], sum = 0;
    uint64_t rows = 0;
    workload_init(&w, W20, BENCH_SEED);
    check(steplog_cursor_open(reader, &series, 1, NULL, &cursor, &err), &err, "cursor_open");
    for (;;) {
        steplog_status status = steplog_cursor_next(cursor, &batch, 0, &err);
        check(status, &err, "cursor_next");
        if (status == STEPLOG_END) break;
        rows += batch.row_count;
        for (size_t i = 0; i < batch.row_count; i++) {
            sum += batch.values[0][i];
            if (!is_checked) continue;
            workload_next(&w, &step, &time_ns, row);
            if (batch.steps[i] != step || batch.times_ns[i] != time_ns || memcmp(&batch.values[0][i], &row[3], 8) != 0)
                die("step %lld differs", (long long)step);
        }
    }
    if (rows != row_count || !(sum > 0)) die("%llu rows were read", (unsigned long long)rows);
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    check(steplog_store_close(store, &err), &err, "store_close");
}

static void scan_series(void) { scan(0); }
static void scan_and_check(void) { scan(1); }

/* ---- watching ---- */

typedef struct memory {
    double anonymous_kib, beyond_logs_kib, logs_kib; /* the most seen */
} memory;

static double status_field(pid_t pid, const char *field)
{
    char file[64], line[256];
    double kib = 0;
    snprintf(file, sizeof file, "/proc/%d/status", (int)pid);
    FILE *f = fopen(file, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0) kib = strtod(line + strlen(field) + 1, NULL);
    if (f) fclose(f);
    return kib;
}

/* What is resident of the mapped logs, and of all else. */
static void sample(pid_t pid, memory *m)
{
    char file[64], line[1024];
    double all = 0, logs = 0;
    int is_log = 0;
    snprintf(file, sizeof file, "/proc/%d/smaps", (int)pid);
    FILE *f = fopen(file, "r");
    while (f && fgets(line, sizeof line, f)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) is_log = strstr(line, "/log/") != NULL;
        if (strncmp(line, "Rss:", 4) != 0) continue;
        double kib = strtod(line + 4, NULL);
        all += kib;
        if (is_log) logs += kib;
    }
    if (f) fclose(f);
    double anonymous = status_field(pid, "RssAnon:");
    if (anonymous > m->anonymous_kib) m->anonymous_kib = anonymous;
    if (all - logs > m->beyond_logs_kib) m->beyond_logs_kib = all - logs;
    if (logs > m->logs_kib) m->logs_kib = logs;
}

/* Runs a phase in a child. Returns its wall time in seconds. */
static double run_phase(const char *name, void (*phase)(void), double points, int has_limit)
{
    memory m = {0};
    struct rusage usage;
    int state;
    fflush(stdout);
    int64_t begin = monotonic_ns();
    pid_t child = fork();
    if (child < 0) die("cannot fork");
    if (child == 0) {
        phase();
        _exit(0);
    }
    struct timespec pause = {0, 1000000}; /* short phases are looked at more often */
    while (wait4(child, &state, WNOHANG, &usage) == 0) {
        sample(child, &m);
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < SAMPLE_NS) pause.tv_nsec += 1000000;
    }
    double seconds = (double)(monotonic_ns() - begin) * 1e-9;
    if (!WIFEXITED(state) || WEXITSTATUS(state) != 0) die("%s failed", name);
    double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                 1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    printf("%-20s %8.3f s %8.3f s cpu %9.2f Mpoint/s %8.2f MiB beyond logs %8.2f anonymous %8.2f logs %8.2f peak\n",
           name, seconds, cpu, points / seconds * 1e-6, m.beyond_logs_kib / 1024, m.anonymous_kib / 1024,
           m.logs_kib / 1024, (double)usage.ru_maxrss / 1024);
    if (has_limit && m.beyond_logs_kib > MEMORY_KIB_MAX) die("%s: more than 64 MiB beyond mapped logs", name);
    return seconds;
}

void bench_big(uint64_t rows)
{
    double points = 20.0 * (double)rows;
    char directory[480];
    scratch_directory(directory, sizeof directory);
    snprintf(path, sizeof path, "%s/store", directory);
    row_count = rows;
    printf("\nW20, %llu rows, %.0f points, seed %u\n", (unsigned long long)rows, points, BENCH_SEED);
    run_phase("write", write_rows, points, 1);
    printf("%-20s %8.3f bytes/point\n", "  stored", (double)directory_bytes(path) / points);
    run_phase("compact", compact, points, 0);
    printf("%-20s %8.3f bytes/point\n", "  stored", (double)directory_bytes(path) / points);
    run_phase("open", open_only, 0, 1);
    run_phase("open, scan a series", scan_series, (double)rows, 1);
    run_phase("  again, compared", scan_and_check, (double)rows, 1);
    remove_directory(directory);
}
