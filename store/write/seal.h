/* write/seal.h: the logs of one incarnation become one segment of level 0. */
#ifndef SL_WRITE_SEAL_H
#define SL_WRITE_SEAL_H

#include "format/log_header.h"
#include "format/log_walk.h"
#include "index/ranges.h"

typedef struct sl_seal_source {
    sl_log_read read;
    void *context;
    sl_log_header header;
    uint64_t mark_offset;
    sl_log_gap gap;   /* counter 0: none */
    int is_same_boot; /* see log_walk.h */
} sl_seal_source;

typedef struct sl_seal_result {
    int is_published; /* 0: the logs hold no numbered record, so there is no segment */
    uint64_t sequence_end; /* one above the last number seen */
    uint64_t salvageable_count; /* valid records behind a torn end: these logs must stay */
    char name[80]; /* of the segment */
} sl_seal_result;

/* Seals logs of one incarnation, in order of their ordinals. The segment is published, synced, and read back
 * before this returns OK, so that the logs may go. */
steplog_status sl_seal_logs(int store_dir, const sl_seal_source *sources, size_t count, sl_seal_result *out,
                            steplog_error *err);

/* Reads a published file back: OK when every page passes its check. */
steplog_status sl_segment_read_back(int store_dir, const char *name, steplog_error *err);

#endif
