/* launcher.h: starts the ranks, watches them, and stops all when one is lost. */
#ifndef DIGITS_LAUNCHER_H
#define DIGITS_LAUNCHER_H

#include "trainer.h"

typedef struct launch_result {
    uint32_t started_count;
    uint32_t lost_count;  /* ranks that ended in any way but exit code 0 by themselves */
    uint32_t lost_first;  /* the rank that was lost first */
    int lost_status;      /* how, as waitpid() tells */
    bool is_lost[RANKS_MAX];
    double seconds;
} launch_result;

/* Runs a job to its end. False, with a line on stderr, when the ranks cannot be started;
 * none is left running then. */
bool launch(const job_plan *job, launch_result *out);

#endif
