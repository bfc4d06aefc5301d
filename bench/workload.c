/* bench/workload.c: the generators of W20, W50 and W1.
 *
 * What a point costs when compressed is decided by its noise, so each kind of series has the noise of its like in
 * real logs: a float32 loss with 2 % has about 19 random bits, a float64 throughput with 3 % about 49, an accuracy
 * of 4 decimals about 8, a wall time with 5 % of a millisecond 17. With one bit for each row of rounding in the
 * schedules that is close to 1.9 bytes a point for W20: no lossless store can be smaller. */
#include "workload.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

#define TIME_BEGIN_NS 1767225600000000000ll /* 2026-01-01 */
#define SCHEDULE_STEPS 100000.0             /* half a period of the first cosine */

static uint64_t next_random(workload *w)
{
    uint64_t x = w->state += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* Near enough to a normal distribution with mean 0 and deviation 1: a sum of four uniform ones. */
static double noise(workload *w)
{
    uint64_t a = next_random(w), b = next_random(w);
    double sum = (double)(a >> 32) + (double)(a & 0xffffffffu) + (double)(b >> 32) + (double)(b & 0xffffffffu);
    return (sum * 0x1p-32 - 2.0) * 1.7320508075688772;
}

/* The same with all 53 bits filled. */
static double fine_noise(workload *w) { return noise(w) + (double)(next_random(w) >> 11) * 0x1p-84; }

static double loss(workload *w, uint32_t which)
{
    double level = 1.5 + 0.1 * which + 7.0 * w->decay;
    return (double)(float)(level * (1.0 + 0.02 * noise(w)));
}

/* Turns the pair by a small angle: a cosine without calling the C library's, which differs between systems. */
static double schedule(workload *w, uint32_t which, double peak)
{
    double angle = 3.141592653589793 / (SCHEDULE_STEPS * (which + 1)), *c = w->cosine[which];
    double cosine = c[0] - angle * c[1];
    double sine = c[1] + angle * cosine;
    c[0] = cosine;
    c[1] = sine;
    return peak * 0.5 * (1.0 + cosine);
}

static double accuracy(workload *w, uint32_t which)
{
    double x = (0.9 - 0.02 * which) * (1.0 - 0.8 * w->decay) + 0.01 * noise(w);
    double units = floor(x * 10000.0 + 0.5);
    return (units < 0 ? 0 : units > 10000 ? 10000 : units) / 10000.0;
}

static double counter(workload *w, uint32_t which)
{
    switch (which % 4) {
    case 0: return (double)(w->step + 1) * 524288.0;                              /* tokens */
    case 1: return (double)(w->step / 1000);                                      /* epoch */
    case 2: return (double)(next_random(w) % 16 == 0) + (double)(w->step % 1000); /* batch, sometimes one off */
    default: return w->tokens += (double)(2048 + next_random(w) % 64);            /* samples of uneven length */
    }
}

static void w20_row(workload *w, double *out)
{
    for (uint32_t i = 0; i < 8; i++) *out++ = loss(w, i);
    for (uint32_t i = 0; i < 3; i++) *out++ = schedule(w, i, 6e-4 * (i + 1));
    for (uint32_t i = 0; i < 3; i++) *out++ = accuracy(w, i);
    for (uint32_t i = 0; i < 3; i++) *out++ = counter(w, i);
    for (uint32_t i = 0; i < 2; i++) *out++ = 12500.0 * (i + 1) * (1.0 + 0.03 * fine_noise(w));
    *out = 0.1;
}

static void w50_row(workload *w, double *out)
{
    for (uint32_t i = 0; i < 30; i++) *out++ = loss(w, i);
    for (uint32_t i = 0; i < 8; i++) *out++ = counter(w, i % 4 == 3 && i > 3 ? 0 : i);
    for (uint32_t i = 0; i < 4; i++) *out++ = schedule(w, i, 3e-4 * (i + 1));
    for (uint32_t i = 0; i < 4; i++) *out++ = 0.25 * (i + 1) * (1.0 + 0.01 * fine_noise(w));
    for (uint32_t i = 0; i < 4; i++) {
        if (next_random(w) % 8 == 0) w->gauge[i] += (double)(next_random(w) % 3) - 1.0; /* degrees, per cents */
        *out++ = w->gauge[i];
    }
}

uint32_t workload_metric_count(workload_kind kind)
{
    static const uint32_t counts[] = {[W20] = 20, [W50] = 50, [W1_US] = 1, [W1_NS] = 1, [W200] = 200};
    return counts[kind];
}

const char *workload_name(workload_kind kind)
{
    static const char *const names[] = {"W20", "W50", "W1 us", "W1 ns", "W200"};
    return names[kind];
}

const char *workload_metric_name(workload_kind kind, uint32_t metric, char buffer[64])
{
    static const struct {
        uint32_t count;
        const char *name;
    } w20[] = {{8, "train/loss"},
               {3, "schedule/lr"},
               {3, "eval/accuracy"},
               {3, "progress/count"},
               {2, "perf/tokens_per_second"},
               {1, "optim/weight_decay"}},
      w50[] = {{30, "train/norm"}, {8, "progress/count"}, {4, "schedule/lr"}, {4, "perf/seconds"}, {4, "system/gauge"}},
      w1[] = {{1, "train/loss"}};
    uint32_t i = 0, group = 0;
    if (kind == W200) {
        group = metric / 50;
        metric %= 50;
        kind = W50;
    }
    for (; metric >= (kind == W20 ? w20 : kind == W50 ? w50 : w1)[i].count; i++)
        metric -= (kind == W20 ? w20 : kind == W50 ? w50 : w1)[i].count;
    const char *name = (kind == W20 ? w20 : kind == W50 ? w50 : w1)[i].name;
    if (group > 0)
        snprintf(buffer, 64, "group%u/%s.%u", (unsigned)group, name, (unsigned)metric);
    else
        snprintf(buffer, 64, "%s.%u", name, (unsigned)metric);
    return buffer;
}

void workload_init(workload *w, workload_kind kind, uint64_t seed)
{
    *w = (workload){.kind = kind, .state = seed, .time_ns = TIME_BEGIN_NS, .decay = 1.0};
    for (int i = 0; i < 4; i++) {
        w->cosine[i][0] = 1.0;
        w->gauge[i] = 60.0 + 5.0 * i;
    }
}

void workload_next(workload *w, int64_t *step, int64_t *time_ns, double *values)
{
    *step = w->step;
    w->decay *= 0.9999;
    if (w->kind == W20) {
        w->time_ns += (int64_t)(1e6 + 5e4 * noise(w));
        w20_row(w, values);
    } else if (w->kind == W50) {
        w->time_ns += (int64_t)(1e9 + 1e7 * noise(w));
        w50_row(w, values);
    } else if (w->kind == W200) {
        w->time_ns += (int64_t)(1e9 + 1e7 * noise(w));
        for (uint32_t i = 0; i < 4; i++) w50_row(w, values + (size_t)50 * i);
    } else {
        w->time_ns += (int64_t)(4e9 + 2e7 * noise(w));
        values[0] = loss(w, 0);
    }
    *time_ns = w->kind == W1_US ? w->time_ns / 1000 * 1000 : w->time_ns;
    w->step++;
}
