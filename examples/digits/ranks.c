/* ranks.c: what the rank processes of one job share: a barrier, a sum, and counters.
 *
 * The sum (an all-reduce): each rank copies its numbers to its slot, waits for the
 * others, and adds up all slots in order of rank. Two sets of slots take turns: a rank
 * that fills set A again has passed a barrier that all ranks came to after they read A,
 * so one barrier a sum is enough.
 *
 * The barrier is two counters and a futex. A rank that is killed holds nothing; those
 * that wait for it are stopped by the launcher, and give up by themselves after a while
 * should the launcher be gone too. */
#include "ranks.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "shared counters must need no lock");
_Static_assert(sizeof(_Atomic uint32_t) == 4, "a futex is four bytes");

shared_state *shared_state_new(uint32_t rank_count)
{
    shared_state *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        fprintf(stderr, "digits: no shared memory for the ranks: %s\n", strerror(errno));
        return NULL;
    }
    shared->rank_count = rank_count;
    return shared;
}

void shared_state_free(shared_state *shared)
{
    if (shared != NULL) munmap(shared, sizeof *shared);
}

/* Sleeps while the generation is the given one. False when the deadline has passed. */
static bool generation_wait(shared_state *shared, uint32_t generation, const struct timespec *deadline)
{
    const long answer = syscall(SYS_futex, &shared->generation, FUTEX_WAIT_BITSET, generation, deadline, NULL,
                                FUTEX_BITSET_MATCH_ANY);
    return answer == 0 || errno != ETIMEDOUT;
}

bool ranks_wait(shared_state *shared)
{
    const uint32_t generation = atomic_load(&shared->generation);
    if (atomic_fetch_add(&shared->arrived_count, 1) + 1 == shared->rank_count) {
        atomic_store(&shared->arrived_count, 0);
        atomic_fetch_add(&shared->generation, 1);
        syscall(SYS_futex, &shared->generation, FUTEX_WAKE, RANKS_MAX, NULL, NULL, 0);
        return true;
    }

    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += BARRIER_TIMEOUT_S;
    while (atomic_load(&shared->generation) == generation)
        if (!generation_wait(shared, generation, &deadline)) return false;
    return true;
}

bool ranks_sum(rank_reducer *reducer, float *values, size_t count)
{
    shared_state *shared = reducer->shared;
    float(*slots)[REDUCE_MAX] = shared->slots[reducer->turn++ % 2];

    memcpy(slots[reducer->rank], values, count * sizeof *values);
    if (!ranks_wait(shared)) return false;
    memcpy(values, slots[0], count * sizeof *values);
    for (uint32_t rank = 1; rank < shared->rank_count; rank++)
        for (size_t i = 0; i < count; i++) values[i] += slots[rank][i];
    return true;
}
