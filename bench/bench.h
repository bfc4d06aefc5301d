/* bench/bench.h: the sections of the benchmark, their sizes, and how they handle stores. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "report.h"
#include "ring.h"
#include "scratch.h"
#include "workload.h"

#include <steplog.h>

#define BENCH_SEED 20u

/* Which of three sizes the program was asked for: a smoke test of correctness, about five minutes, or hours. */
uint64_t sized(uint64_t smoke, uint64_t quick, uint64_t full);
/* A program of the build, such as "steplog" or "examples/digits": beside this one. NULL when it is not there. */
const char *built_program(const char *name);
/* A file of the results, beside the JSON: "bench-append.svg". Lent until the next call. */
const char *result_path(const char *name);

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

void check(steplog_status status, const steplog_error *err, const char *what);
void bench_store_create(bench_store *b, workload_kind kind, uint32_t store_flags);
void bench_store_create_with(bench_store *b, workload_kind kind, const steplog_store_options *options);
void bench_writer_open(bench_store *b, workload_kind kind, const char *run_key);
/* Another process's way into a store that is there: opens store and writer. */
void bench_store_join(bench_store *b, workload_kind kind, const steplog_store_options *options, uint32_t rank);
void bench_tick(bench_store *b); /* what is due now; for stores without a thread */
void bench_writer_close(bench_store *b);
void bench_store_close(bench_store *b); /* the directory stays */

steplog_store *bench_open_to_read(const char *path);
/* Whether stores opened to read from now on map their files (STEPLOG_MAP_READS). */
void bench_map_reads(int is_mapping);
/* The handles of all series of a workload, of one rank. */
void bench_find(steplog_reader *reader, const steplog_id *run, workload_kind kind, uint32_t rank,
                steplog_series *series);
/* Reads a run back: it must hold the rows [0, row_count) of the ring, in order. Times are compared unless they were
 * taken by the library. */
void bench_check_ring(steplog_store *store, const steplog_id *run, uint32_t rank, const ring *r, uint64_t row_count,
                      int is_time_given);

void bench_floors(void);    /* what the machine takes for the pieces */
void bench_append(void);    /* the hot path beside its floor */
void bench_calls(void);     /* single calls: distributions */
void bench_paced(void);     /* rows at the pace of training loops, beside the sync */
void bench_processes(void); /* several writer processes; syncing while appending */
void bench_visible(void);   /* from the commit to another process; what followers cost the writer */
void bench_sustained(void); /* until sealed, compacted and durable */
void bench_stores(void);    /* bytes, opening, scanning */
void bench_codec(void);     /* value blocks */
void bench_rivals(void);    /* other codecs on the same columns */
void bench_m4(void);        /* plots */
void bench_open(void);      /* many runs, many points */
void bench_growth(void);    /* does the last append cost what the first did */
void bench_memory(void);    /* of writer and reader */
void bench_logs(void);      /* real logs through the importers */
void bench_impact(void);    /* a training job with and without recording */

/* Draws peers.json, if that stands beside the results: bench-peers.svg. */
void plot_peers(void);

#endif
