/* bench/bench_store.c: scratch stores for the sections. */
#include "bench.h"

#include "timing.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRATCH_MAX 64u

static char scratch[SCRATCH_MAX][512];
static size_t scratch_count;
static pid_t scratch_owner;
static uint64_t byte_sum;

static int remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
    (void)stat;
    (void)kind;
    (void)where;
    return remove(path);
}

static int add_bytes(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
    (void)path;
    (void)where;
    if (kind == FTW_F) byte_sum += (uint64_t)stat->st_size;
    return 0;
}

uint64_t directory_bytes(const char *path)
{
    byte_sum = 0;
    if (nftw(path, add_bytes, 16, FTW_PHYS) != 0) die("cannot list '%s'", path);
    return byte_sum;
}

void remove_directory(const char *path) { nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

static void remove_all(void)
{
    if (getpid() != scratch_owner) return; /* a child that ended: the directories are its parent's */
    for (size_t i = 0; i < scratch_count; i++) remove_directory(scratch[i]);
}

void scratch_directory(char *path, size_t bytes)
{
    const char *parent = getenv("BENCH_DIR");
    snprintf(path, bytes, "%s/bench-XXXXXX", parent && *parent ? parent : "build");
    if (scratch_count == SCRATCH_MAX || !mkdtemp(path)) die("cannot make directory '%s'", path);
    if (scratch_count == 0) {
        scratch_owner = getpid();
        atexit(remove_all);
    }
    snprintf(scratch[scratch_count++], sizeof scratch[0], "%s", path);
}

void check(steplog_status status, const steplog_error *err, const char *what)
{
    if (status < 0) die("%s: %s: %s", what, steplog_status_name(status), err ? err->text : "");
}

void bench_store_create(bench_store *b, workload_kind kind, uint32_t store_flags)
{
    steplog_error err = {0};
    *b = (bench_store){0};
    scratch_directory(b->path, sizeof b->path);
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_CREATE | store_flags};
    check(steplog_store_open(b->path, &options, &b->store, &err), &err, "store_open");
    bench_writer_open(b, kind, "bench");
}

void bench_writer_open(bench_store *b, workload_kind kind, const char *run_key)
{
    steplog_error err = {0};
    steplog_writer_options options = {
        .size_bytes = sizeof options, .run_key = run_key, .run_name = workload_name(kind)};
    steplog_writer_stats stats = {.size_bytes = sizeof stats};
    char name[64];
    check(steplog_writer_open(b->store, &options, &b->writer, &err), &err, "writer_open");
    steplog_writer_get_stats(b->writer, &stats);
    b->run = stats.run;
    b->metric_count = workload_metric_count(kind);
    for (uint32_t i = 0; i < b->metric_count; i++) {
        workload_metric_name(kind, i, name);
        check(steplog_writer_metric(b->writer, name, strlen(name), &b->metrics[i], &err), &err, "writer_metric");
    }
    check(steplog_writer_schema(b->writer, b->metrics, b->metric_count, &b->schema, &err), &err, "writer_schema");
}

void bench_writer_close(bench_store *b)
{
    steplog_error err = {0};
    check(steplog_writer_close(b->writer, 0, &err), &err, "writer_close");
    b->writer = NULL;
}

void bench_store_close(bench_store *b)
{
    steplog_error err = {0};
    if (b->writer) bench_writer_close(b);
    check(steplog_store_close(b->store, &err), &err, "store_close");
    b->store = NULL;
}
