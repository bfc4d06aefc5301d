/* bench/workload.h: seeded series that look like those of training jobs.
 *
 *   W20  20 metrics a step: 8 noisy losses (exact float32), 3 cosine schedules (float64), 3 accuracies of 4
 *        decimals, 3 integer counters, 2 noisy throughputs (float64), 1 constant; a step takes 1 ms, 5 % jitter.
 *   W50  50 metrics a step: 30 noisy float32, 8 counters, 4 cosine float64, 4 timings float64, 4 gauges; a step
 *        takes 1 s, 1 % jitter.
 *   W1   1 noisy float32 metric; a step takes 4 s with tens of milliseconds of jitter; times in whole
 *        microseconds (W1_US) or nanoseconds (W1_NS).
 *   W200 200 metrics a step: those of W50 four times, from the same random numbers.
 * The same kind and seed give the same rows everywhere: only integer arithmetic, + - * / and sqrt are used on the
 * way to noise. Rows come in order of their steps, 0, 1, 2... */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stdint.h>

#define WORKLOAD_METRICS_MAX 200u

typedef enum workload_kind { W20, W50, W1_US, W1_NS, W200 } workload_kind;

typedef struct workload {
    workload_kind kind;
    uint64_t state; /* of the random numbers */
    int64_t step;   /* of the next row */
    int64_t time_ns;
    double tokens;
    double gauge[4];
    double cosine[4][2]; /* of each schedule: cosine and sine of the angle now */
    double decay;        /* how far the losses still are from where they will end, 1 to 0 */
} workload;

uint32_t workload_metric_count(workload_kind kind);
const char *workload_metric_name(workload_kind kind, uint32_t metric, char buffer[64]);
const char *workload_name(workload_kind kind);

void workload_init(workload *w, workload_kind kind, uint64_t seed);
/* Makes the next row: its step, its time, and a value for each metric. */
void workload_next(workload *w, int64_t *step, int64_t *time_ns, double *values);

#endif
