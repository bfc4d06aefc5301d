/* checkpoint.h: all that a job needs to go on where it was. */
#ifndef DIGITS_CHECKPOINT_H
#define DIGITS_CHECKPOINT_H

#include "network.h"
#include "settings.h"

#include <steplog.h>

typedef struct checkpoint {
    int64_t step; /* the next to take */
    uint64_t seed;
    uint32_t rank_count;
    uint32_t epoch_count;
    uint32_t checkpoint_steps;
    steplog_id run;
    char run_key[RUN_KEY_BYTES_MAX];
    float parameters[PARAMETER_COUNT];
    float momentum[PARAMETER_COUNT];
} checkpoint;

/* Replaces the checkpoint in a directory: either the old or the new one is there, whole,
 * whatever happens meanwhile. False, with a line on stderr, when that cannot be done. */
bool checkpoint_save(const checkpoint *saved, const char *directory);

/* Reads it back. False, with a line on stderr, when there is none or it is damaged. */
bool checkpoint_load(checkpoint *out, const char *directory);

#endif
