/* bench/peers/peers_steps.c: steps handed over one by one, so that they survive kill -9.
 *
 * Each peer runs in a process of its own, in turn, several rounds. Paced: 64 steps, then a pause of a millisecond in
 * which background work may go on, as between the steps of a job; the median of the chunks. Flat out: chunk after
 * chunk; their median, and their mean with every stall for background work and growth. Then the process kills itself,
 * without closing anything, and another process must read back every step it handed over. */
#include "peers.h"

#include "bench.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP_STEPS 4096u
#define CHUNKS 300u
#define CHUNK_STEPS 64u
#define FLAT_CHUNKS 1000u
#define FLAT_STEPS (FLAT_CHUNKS * CHUNK_STEPS)
#define STEPS (WARM_UP_STEPS + CHUNKS * CHUNK_STEPS + FLAT_STEPS)

typedef struct steps_context {
    const peer *p;
    const char *directory;
    const peer_data *data;
    struct steps_times {
        double paced_ns[CHUNKS]; /* of a step */
        double flat_ns[FLAT_CHUNKS];
        double flat_mean_ns;
    } * times;
} steps_context;

/* Hands over a chunk; ns of a step. The rows are copied before the clock starts: a loop has what it logs in its cache,
 * while the array they come from would be read from memory. */
static double hand_over(const steps_context *c, void *handle, size_t *row)
{
    static double values[CHUNK_STEPS * WORKLOAD_METRICS_MAX];
    int64_t steps[CHUNK_STEPS], times_ns[CHUNK_STEPS];
    uint32_t count = c->data->metric_count;
    memcpy(steps, c->data->steps + *row, sizeof steps);
    memcpy(times_ns, c->data->times_ns + *row, sizeof times_ns);
    memcpy(values, peer_row(c->data, *row), CHUNK_STEPS * count * sizeof *values);
    int64_t begin = monotonic_ns();
    for (uint32_t i = 0; i < CHUNK_STEPS; i++) c->p->step(handle, steps[i], times_ns[i], values + i * count);
    *row += CHUNK_STEPS;
    return (double)(monotonic_ns() - begin) / CHUNK_STEPS;
}

static void run_steps(void *context)
{
    const steps_context *c = context;
    const struct timespec pause = {0, 1000000};
    void *handle = c->p->open(c->directory, c->data);
    size_t row = 0;
    double sum = 0;
    for (uint32_t i = 0; i < WARM_UP_STEPS / CHUNK_STEPS; i++) hand_over(c, handle, &row);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        nanosleep(&pause, NULL);
        c->times->paced_ns[i] = hand_over(c, handle, &row);
    }
    for (uint32_t i = 0; i < FLAT_CHUNKS; i++) sum += c->times->flat_ns[i] = hand_over(c, handle, &row);
    c->times->flat_mean_ns = sum / FLAT_CHUNKS;
    kill(getpid(), SIGKILL);
}

static void run_workload(const char *parent, workload_kind kind, uint32_t round_count)
{
    static rounds paced[PEERS_MAX], flat[PEERS_MAX], mean[PEERS_MAX];
    const peer_data *data = peers_make_data(kind, STEPS);
    struct steps_times *times = peers_shared_memory(sizeof *times);
    char directory[1024];
    for (size_t i = 0; i < peers_linked_count; i++) paced[i].count = flat[i].count = mean[i].count = 0;
    for (uint32_t round = 0; round < round_count; round++)
        for (size_t i = 0; i < peers_linked_count; i++) {
            const peer *p = peers_linked[i];
            if (!p->open) continue;
            peers_fresh_directory(directory, parent, p);
            peers_run_child(run_steps, &(steps_context){p, directory, data, times}, 1);
            peers_check(p, directory, data, STEPS);
            remove_directory(directory);
            for (uint32_t chunk = 0; chunk < CHUNKS; chunk++) rounds_add(&paced[i], times->paced_ns[chunk]);
            for (uint32_t chunk = 0; chunk < FLAT_CHUNKS; chunk += 4) rounds_add(&flat[i], times->flat_ns[chunk]);
            rounds_add(&mean[i], times->flat_mean_ns);
        }
    for (size_t i = 0; i < peers_linked_count; i++) {
        if (!peers_linked[i]->open) continue;
        peers_json(peers_linked[i], "step, paced", kind, "ns", rounds_spread(&paced[i]),
                   (size_t)round_count * CHUNKS * CHUNK_STEPS);
        peers_json(peers_linked[i], "step, flat out, mean", kind, "ns", rounds_spread(&mean[i]),
                   (size_t)round_count * FLAT_STEPS);
        peers_json(peers_linked[i], "step, flat out", kind, "ns", rounds_spread(&flat[i]),
                   (size_t)round_count * FLAT_STEPS);
    }
    peers_free_data(data);
}

void peers_steps(const char *parent, const effort *e)
{
    run_workload(parent, W20, e->step_rounds);
    run_workload(parent, W1_US, (e->step_rounds + 2) / 3);
}
