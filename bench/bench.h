/* bench/bench.h: the sections of the benchmark, and how they handle stores. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "workload.h"

#include <steplog.h>

#define BENCH_SEED 20u

/* One store in a directory of its own, with one writer that knows a workload's metrics. */
typedef struct bench_store {
    char path[512];
    steplog_store *store;
    steplog_writer *writer;
    steplog_id run;
    steplog_metric metrics[WORKLOAD_METRICS_MAX];
    steplog_schema schema;
    uint32_t metric_count;
} bench_store;

/* Every directory made here is removed when the program ends, and is under $BENCH_DIR, else build/. */
void scratch_directory(char *path, size_t bytes);
void remove_directory(const char *path);
uint64_t directory_bytes(const char *path);

void check(steplog_status status, const steplog_error *err, const char *what);
void bench_store_create(bench_store *b, workload_kind kind, uint32_t store_flags);
void bench_writer_open(bench_store *b, workload_kind kind, const char *run_key);
void bench_writer_close(bench_store *b);
void bench_store_close(bench_store *b); /* the directory stays */

void bench_append(void);    /* the hot path beside its floor */
void bench_sustained(void); /* until sealed and durable; bytes, opening, scanning */
void bench_codec(void);     /* value blocks */
/* A store of row_count rows of W20, written, compacted, opened and scanned by a process each. */
void bench_big(uint64_t row_count);

#endif
