/* bench/timing.h: clocks, spreads of rounds, distributions of single calls.
 *
 * A measurement is many short rounds. What is said about it is the median of the rounds and their tenth and
 * ninetieth percentile: a mean would tell how often the machine did something else. Where the slowest calls matter,
 * each call is timed by itself and all of them are counted in a `latency`. */
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define ROUNDS_MAX 4096u

typedef struct rounds {
    size_t count;
    double ns[ROUNDS_MAX]; /* of one operation, one for each round */
} rounds;

typedef struct spread {
    double median, p10, p90;
    size_t count;
} spread;

int64_t monotonic_ns(void);
int64_t cpu_ns(void); /* of all threads of the process */
/* Does nothing but look at the clock. */
void spin_until(int64_t time_ns);

void rounds_add(rounds *r, double ns);
spread rounds_spread(rounds *r); /* sorts */

/* ---- single calls ---- */

/* The processor's own counter where there is one: a third of the cost of asking the system for the time. What came
 * before has been done when it is read. */
static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
    _mm_lfence();
    return __rdtsc();
#else
    return (uint64_t)monotonic_ns();
#endif
}

/* How long a tick is, from 50 ms beside the clock, made once. */
double tick_ns(void);
/* What two readings with nothing between them differ by: it is part of each call's time. */
double ticks_cost_ns(void);

#define LATENCY_BUCKETS (64u * 60u)

/* Counts of ticks, 64 steps to each power of two: within 1.6 %. The longest is exact. */
typedef struct latency {
    uint64_t count, max;
    uint32_t buckets[LATENCY_BUCKETS];
} latency;

static inline void latency_add(latency *l, uint64_t tick_count)
{
    uint32_t bits = tick_count ? 64u - (uint32_t)__builtin_clzll(tick_count) : 0;
    uint32_t shift = bits > 7 ? bits - 7 : 0;
    l->buckets[shift * 64 + (uint32_t)(tick_count >> shift)]++;
    l->count++;
    if (tick_count > l->max) l->max = tick_count;
}

/* The time that a share of the calls, 0 to 1, did not pass; 1 is the longest. In ns; `of_a_tick` is tick_ns(), or 1
 * for a latency that was filled with nanoseconds. */
double latency_quantile(const latency *l, double share, double of_a_tick);

#endif
