/* bench/timing.c: clocks, spreads and distributions. */
#include "timing.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

static int64_t read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t monotonic_ns(void) { return read_clock(CLOCK_MONOTONIC); }
int64_t cpu_ns(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

void spin_until(int64_t time_ns)
{
    while (monotonic_ns() < time_ns) {
    }
}

void rounds_add(rounds *r, double ns)
{
    if (r->count < ROUNDS_MAX) r->ns[r->count++] = ns;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

spread rounds_spread(rounds *r)
{
    if (r->count == 0) return (spread){0};
    qsort(r->ns, r->count, sizeof *r->ns, compare);
    return (spread){r->ns[r->count / 2], r->ns[r->count / 10], r->ns[r->count - 1 - r->count / 10], r->count};
}

double tick_ns(void)
{
    static double known;
    if (known > 0) return known;
    int64_t begin = monotonic_ns();
    uint64_t from = ticks();
    spin_until(begin + 50000000);
    uint64_t to = ticks();
    known = (double)(monotonic_ns() - begin) / (double)(to - from);
    return known;
}

double ticks_cost_ns(void)
{
    static rounds cost;
    cost.count = 0;
    for (uint32_t i = 0; i < 1001; i++) {
        uint64_t from = ticks();
        uint64_t to = ticks();
        rounds_add(&cost, (double)(to - from));
    }
    return rounds_spread(&cost).median * tick_ns();
}

double latency_quantile(const latency *l, double share, double of_a_tick)
{
    uint64_t wanted = (uint64_t)ceil(share * (double)l->count), seen = 0;
    if (wanted >= l->count) return (double)l->max * of_a_tick;
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
        seen += l->buckets[i];
        if (seen < wanted || seen == 0) continue;
        uint32_t shift = i < 128 ? 0 : i / 64 - 1;
        double ticks_from = (double)((uint64_t)(i - shift * 64) << shift);
        return (ticks_from + 0.5 * (double)(1ull << shift)) * of_a_tick;
    }
    return (double)l->max * of_a_tick;
}
