/* read/removal.h: which points of a writer tombstones take away, in a form that is asked row by row. */
#ifndef SL_READ_REMOVAL_H
#define SL_READ_REMOVAL_H

#include "base/memory.h"

#define SL_ALL_OUTPUTS UINT32_MAX

/* The steps of a tombstone: half-open, and an end of INT64_MAX is none (FORMAT.md 12.2). */
static inline int sl_removal_has_step(int64_t step_begin, int64_t step_end, int64_t step)
{
    return step >= step_begin && (step < step_end || step_end == INT64_MAX);
}

/* One tombstone of a writer: of whole rows, or of the metric that is one column of the pass. */
typedef struct sl_removed {
    uint32_t output; /* or SL_ALL_OUTPUTS */
    int has_steps;   /* 0: all steps */
    int64_t step_begin, step_end; /* as sl_removal_has_step() says */
    uint64_t sequence_last;
} sl_removed;

typedef struct sl_removal_span {
    int64_t step_begin, step_last; /* both included */
    uint64_t sequence_last;
} sl_removal_span;

/* All that is removed of one column, or of whole rows. */
typedef struct sl_removal {
    uint32_t output;
    uint64_t sequence_last; /* whatever the step */
    SL_VEC(sl_removal_span) spans; /* what goes beyond that: ascending, disjoint */
} sl_removal;

typedef SL_VEC(sl_removal) sl_removals; /* by output, whole rows last */

/* Fills out with what the items remove together; they are sorted. 1, or 0 when out of memory. */
int sl_removals_make(sl_removed *items, size_t count, sl_removals *out);
void sl_removals_clear(sl_removals *removals);

/* NULL: nothing of it is removed. */
const sl_removal *sl_removals_of(const sl_removals *removals, uint32_t output);
int sl_removal_covers(const sl_removal *removal, int64_t step, uint64_t sequence);

#endif
