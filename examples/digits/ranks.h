/* ranks.h: what the rank processes of one job share: a barrier, a sum, and counters. */
#ifndef DIGITS_RANKS_H
#define DIGITS_RANKS_H

#include "network.h"

#include <stdatomic.h>

enum {
    RANKS_MAX = 16,
    BARRIER_TIMEOUT_S = 30,
    REDUCE_MAX = PARAMETER_COUNT + 16 /* numbers that one sum may have */
};

/* What a rank has been told by the store: an append counts here once it returned OK. */
typedef struct rank_progress {
    _Alignas(64) _Atomic uint64_t row_count;
    _Atomic int64_t step_first;
    _Atomic int64_t step_last;
    _Atomic uint64_t refused_count;
} rank_progress;

/* Lies in memory that fork shares. A rank may vanish at any instruction, so there is no
 * lock in it that could stay held. */
typedef struct shared_state {
    _Alignas(64) _Atomic uint32_t arrived_count;
    _Alignas(64) _Atomic uint32_t generation; /* barriers passed; what the ranks wait on */
    uint32_t rank_count;
    rank_progress progress[RANKS_MAX];
    double test_accuracy;  /* of the last epoch; written by rank 0 */
    double loop_seconds;   /* from the first iteration to the last, with the tests and checkpoints between; by rank 0 */
    char run_text[64];     /* the run's id; written by rank 0 */
    float slots[2][RANKS_MAX][REDUCE_MAX];
} shared_state;

/* Maps the shared memory. NULL, with a line on stderr, when there is none. */
shared_state *shared_state_new(uint32_t rank_count);
void shared_state_free(shared_state *shared);

/* Waits for all ranks. False when one did not come within BARRIER_TIMEOUT_S. */
bool ranks_wait(shared_state *shared);

/* A rank's own place in the sums. */
typedef struct rank_reducer {
    shared_state *shared;
    uint32_t rank;
    uint32_t turn;
} rank_reducer;

/* Replaces values by their sums over all ranks, the same bits in each rank. All ranks
 * must come with the same count. False as for ranks_wait(). */
bool ranks_sum(rank_reducer *reducer, float *values, size_t count);

#endif
