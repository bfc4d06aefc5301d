/* compact/compact_plan.h: which segments are worth merging. Pure: sizes and levels in, a choice out. */
#ifndef SL_COMPACT_COMPACT_PLAN_H
#define SL_COMPACT_COMPACT_PLAN_H

#include <stddef.h>
#include <stdint.h>

#define SL_COMPACT_FAN_OUT 8u
#define SL_COMPACT_LARGE_BYTES (64ull << 20)  /* a full compaction leaves larger ones alone, unless they hold what was removed */
#define SL_COMPACT_OUTPUT_BYTES (256ull << 20) /* an output is closed when it passes this, at the end of a writer */
#define SL_COMPACT_INPUTS_MAX 1024u /* files merged at once: each needs a descriptor and its directory in memory */

typedef struct sl_compact_file {
    uint32_t level;
    uint64_t bytes;
    int has_removed; /* records that may be freed now */
    int is_picked;   /* the answer */
} sl_compact_file;

/* Marks the files to merge together; returns how many. Light: one level that has FAN_OUT files. Otherwise everything
 * small, and whatever holds removed records. One file alone is picked only when it holds such. */
size_t sl_compact_pick(sl_compact_file *files, size_t count, int is_light);

#endif
