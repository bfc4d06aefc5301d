/* write/seal.h: the logs of one incarnation become one segment of level 0. */
#ifndef SL_WRITE_SEAL_H
#define SL_WRITE_SEAL_H

#include "format/log_header.h"
#include "format/log_walk.h"
#include "index/ranges.h"
#include "write/write_context.h"

typedef struct sl_seal_source {
    sl_log_read read;
    void *context;
    const uint8_t *memory; /* see log_walk.h; NULL where the log is read */
    sl_log_header header;
    uint64_t mark_offset;
    sl_log_gap gap;   /* counter 0: none */
    int is_same_boot; /* see log_walk.h */
    int is_moved;     /* what it does not have whole stands in a later log */
} sl_seal_source;

typedef struct sl_seal_result {
    int is_published; /* 0: the logs hold no numbered record, so there is no segment */
    uint64_t sequence_end; /* one above the last number seen */
    uint64_t salvageable_count; /* valid records that were left out: behind a torn end, or behind a hole that no durable
                                   number covers. The logs must stay */
    uint64_t damaged_count;     /* places where a log could not be read, records without a description, texts that break a
                                   rule: they must stay too */
    char name[80]; /* of the segment */
} sl_seal_result;

#define SL_SEAL_ALL_DURABLE UINT64_MAX

/* Seals logs of one incarnation, in ascending order of their first numbers. Behind the first missing number above
 * uncut_sequence nothing is sealed (FORMAT.md 11): what is known to be durable, and what a reader of these logs shows.
 * The segment is published, synced, and read back before this returns OK, so that the logs may go. */
steplog_status sl_seal_logs(const sl_write_context *context, const sl_seal_source *sources, size_t count,
                            uint64_t uncut_sequence, sl_seal_result *out, steplog_error *err);

/* Reads a published file back: OK when every page passes its check. MISSING when it is gone: a compaction elsewhere may
 * have published all of it again, or somebody deleted it. */
steplog_status sl_segment_read_back(int store_dir, const char *name, steplog_error *err);

/* How often something is published when it is gone before it was read back. */
#define SL_PUBLISH_TURNS 3

#endif
