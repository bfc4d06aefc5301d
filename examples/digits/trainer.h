/* trainer.h: the training loop of one rank. */
#ifndef DIGITS_TRAINER_H
#define DIGITS_TRAINER_H

#include "ranks.h"
#include "settings.h"

/* Made by the launcher before fork; the ranks only read it, except for *shared. */
typedef struct job_plan {
    settings asked;
    const dataset *data;
    const network *start; /* parameters and momentum to begin with */
    shared_state *shared;
    const char *run_key;
    const char *job_path;
    uint32_t attempt;
    int64_t step_begin;
} job_plan;

/* Steps of the whole job: what its learning rate schedule spans. */
int64_t job_step_count(const job_plan *job);

/* Trains as one rank until the last step. report_fd: a byte is written to it when this
 * is the rank to be killed and the step to be killed at is logged. Returns the exit code. */
int rank_train(const job_plan *job, uint32_t rank, int report_fd);

#endif
