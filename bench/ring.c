/* bench/ring.c: rows of a workload, used again and again. */
#include "ring.h"

#include "bench.h"

#include <stdlib.h>

void ring_make(ring *r, workload_kind kind, uint32_t row_count)
{
    workload w;
    int64_t step;
    *r = (ring){.kind = kind, .row_count = row_count, .metric_count = workload_metric_count(kind)};
    r->values = malloc((size_t)row_count * r->metric_count * sizeof *r->values);
    r->times_ns = malloc(row_count * sizeof *r->times_ns);
    if (!r->values || !r->times_ns || row_count < 2) die("no memory");
    workload_init(&w, kind, BENCH_SEED);
    for (uint32_t i = 0; i < row_count; i++)
        workload_next(&w, &step, &r->times_ns[i], r->values + (size_t)i * r->metric_count);
    r->turn_ns = r->times_ns[row_count - 1] - r->times_ns[0] + (r->times_ns[1] - r->times_ns[0]);
}

void ring_free(ring *r)
{
    free(r->values);
    free(r->times_ns);
    *r = (ring){0};
}
