/* bench/bench_memory.c: the memory it takes to write, compact and read stores of growing size.
 *
 * Each phase is a process of its own, watched from here: every few milliseconds its resident memory is read from
 * /proc, and what its mappings of logs hold is taken off ("beyond logs"), and what an idle child of this program holds.
 * Beyond that there is a limit that ends the program: memory that grows with the points is a bug. */
#include "bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLE_NS 100000000 /* a look at hundreds of mapped megabytes takes some milliseconds itself */
#define MEMORY_MIB_MAX 64.0

typedef struct memory {
    double anonymous_kib, beyond_logs_kib, logs_kib; /* the most seen */
} memory;

static uint64_t row_count;
static char path[512];
static memory idle;

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
    bench_store b = {.store = open_store(STEPLOG_CREATE)};
    workload w;
    int64_t step, time_ns;
    double row[WORKLOAD_METRICS_MAX];
    bench_writer_open(&b, W20, "memory");
    workload_init(&w, W20, BENCH_SEED);
    for (uint64_t i = 0; i < row_count; i++) {
        workload_next(&w, &step, &time_ns, row);
        if (steplog_writer_append(b.writer, b.schema, step, time_ns, row) != STEPLOG_OK) die("append");
    }
    bench_store_close(&b);
}

static void compact(void)
{
    steplog_error err = {0};
    steplog_store *store = open_store(0);
    check(steplog_store_compact(store, NULL, NULL, &err), &err, "store_compact");
    check(steplog_store_close(store, &err), &err, "store_close");
}

/* The scan is timed without the check, and done again with it. */
static void scan(int is_checked)
{
    steplog_error err = {0};
    steplog_reader *reader = NULL;
    steplog_cursor *cursor = NULL;
    steplog_series series[WORKLOAD_METRICS_MAX];
    steplog_batch batch;
    steplog_id run;
    size_t found = 0;
    workload w;
    int64_t step, time_ns;
    double row[WORKLOAD_METRICS_MAX];
    uint64_t rows = 0;
    steplog_store *store = open_store(STEPLOG_READ_ONLY);
    check(steplog_reader_open(store, &reader, &err), &err, "reader_open");
    check(steplog_reader_find_runs(reader, "@latest", &run, 1, &found, &err), &err, "find_runs");
    bench_find(reader, &run, W20, 0, series);
    workload_init(&w, W20, BENCH_SEED);
    check(steplog_cursor_open(reader, &series[3], 1, NULL, &cursor, &err), &err, "cursor_open");
    for (;;) {
        steplog_status status = steplog_cursor_next(cursor, &batch, 0, &err);
        check(status, &err, "cursor_next");
        if (status == STEPLOG_END) break;
        rows += batch.row_count;
        for (size_t i = 0; is_checked && i < batch.row_count; i++) {
            workload_next(&w, &step, &time_ns, row);
            if (batch.steps[i] != step || batch.times_ns[i] != time_ns || memcmp(&batch.values[0][i], &row[3], 8) != 0)
                die("step %lld differs", (long long)step);
        }
    }
    if (rows != row_count) die("%llu rows were read", (unsigned long long)rows);
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    check(steplog_store_close(store, &err), &err, "store_close");
}

static void scan_series(void) { scan(0); }
static void scan_and_check(void) { scan(1); }
static void do_nothing(void) { nanosleep(&(struct timespec){0, 20000000}, NULL); }

/* ---- watching ---- */

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
    double anonymous = status_field(pid, "RssAnon:") - idle.anonymous_kib;
    if (anonymous > m->anonymous_kib) m->anonymous_kib = anonymous;
    if (all - logs - idle.beyond_logs_kib > m->beyond_logs_kib) m->beyond_logs_kib = all - logs - idle.beyond_logs_kib;
    if (logs > m->logs_kib) m->logs_kib = logs;
}

/* Runs a phase in a child and watches it. Returns its wall time in seconds. */
static double watch(const char *name, void (*phase)(void), memory *m)
{
    struct rusage usage;
    int state = 0;
    *m = (memory){0};
    int64_t begin = monotonic_ns();
    pid_t child = child_start();
    if (child == 0) {
        phase();
        _exit(0);
    }
    struct timespec pause = {0, 1000000}; /* short phases are looked at more often */
    while (wait4(child, &state, WNOHANG, &usage) == 0) {
        sample(child, m);
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < SAMPLE_NS) pause.tv_nsec += 1000000;
    }
    child_ended(child);
    if (!WIFEXITED(state) || WEXITSTATUS(state) != 0) die("%s failed", name);
    return (double)(monotonic_ns() - begin) * 1e-9;
}

static void report_phase(const char *name, void (*phase)(void), double target_mib)
{
    memory m;
    double seconds = watch(name, phase, &m);
    report_as(&(measurement){.unit = "MiB", .value = m.beyond_logs_kib / 1024, .target = target_mib}, "%s, %.0e points",
              name, 20.0 * (double)row_count);
    report_note("anonymous %.2f MiB, mapped logs %.1f MiB, %.3f s", m.anonymous_kib / 1024, m.logs_kib / 1024, seconds);
    if (m.beyond_logs_kib / 1024 > MEMORY_MIB_MAX && sized(0, 1, 1))
        die("%s: more than %.0f MiB beyond mapped logs", name, MEMORY_MIB_MAX);
}

static void run_size(uint64_t points)
{
    char directory[480];
    row_count = points / 20;
    scratch_directory(directory, sizeof directory);
    snprintf(path, sizeof path, "%s/store", directory);
    report_phase("writer", write_rows, 4);
    report_phase("compaction", compact, 0);
    report_phase("reader, scan of a series", scan_series, 0);
    memory unused;
    watch("comparing", scan_and_check, &unused);
    scratch_remove(directory);
}

void bench_memory(void)
{
    report_section("Resident memory beyond mapped logs, W20, a process each");
    idle = (memory){0};
    memory nothing;
    watch("doing nothing", do_nothing, &nothing);
    idle = nothing;
    for (uint64_t points = 100000; points <= sized(100000, 10000000, 1000000000); points *= 10) run_size(points);
}
