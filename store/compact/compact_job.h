/* compact/compact_job.h: rewriting segments into fewer and larger ones. */
#ifndef SL_COMPACT_COMPACT_JOB_H
#define SL_COMPACT_COMPACT_JOB_H

#include "read/reader.h"
#include "steplog/maintain.h"

typedef struct sl_compact_request {
    uint32_t flags; /* STEPLOG_COMPACT_* */
    steplog_progress progress;
    void *progress_context;
    int64_t now_ns;
    int *has_more; /* NULL, or receives 1 when more segments could be merged than one job takes */
} sl_compact_request;

/* Merges segments as compact_plan.c picks them, through a reader of its own. Fills the files and bytes of out that
 * concern segments. END when progress stopped it; CORRUPT when a damaged input had to be kept. */
steplog_status sl_compact_segments(const sl_read_context *context, const sl_compact_request *request,
                                   steplog_compact_result *out, steplog_error *err);

#endif
