/* bench/ring.h: rows of a workload made before the clock starts, used again and again.
 *
 * Steps and times go on through the turns, values repeat: neither the generator's time nor its memory traffic counts
 * much then, and a reader can tell what each row must be. */
#ifndef BENCH_RING_H
#define BENCH_RING_H

#include "workload.h"

#include <stddef.h>

typedef struct ring {
    workload_kind kind;
    uint32_t row_count, metric_count;
    double *values;
    int64_t *times_ns;
    int64_t turn_ns; /* how much later the next turn is */
} ring;

void ring_make(ring *r, workload_kind kind, uint32_t row_count);
void ring_free(ring *r);

static inline const double *ring_row(const ring *r, uint64_t row)
{
    return r->values + (size_t)(row % r->row_count) * r->metric_count;
}

static inline int64_t ring_time(const ring *r, uint64_t row)
{
    return r->times_ns[row % r->row_count] + (int64_t)(row / r->row_count) * r->turn_ns;
}

#endif
