/* fuzz/store_look.h: reads all that a store shows, in every way there is, and sums it up. */
#ifndef TESTS_FUZZ_STORE_LOOK_H
#define TESTS_FUZZ_STORE_LOOK_H

#include "steplog.h"

/* What was seen. The hash does not depend on the order of runs. */
typedef struct fuzz_sight {
    uint64_t hash;         /* of every point of the default view and of all attempts */
    uint64_t row_count;    /* as the runs say */
    uint64_t damage_count; /* notices apart */
    int is_partial;        /* there was more than was looked at */
    int is_open;           /* a reader could be opened */
} fuzz_sight;

/* Runs, writers, facts, blobs, series; cursors of every view, M4, a follower. What the answers must agree on is
 * checked. For a store that is open. */
fuzz_sight fuzz_store_look(steplog_store *store);

#endif
