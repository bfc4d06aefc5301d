/* compact/removed.h: what a compaction may free now of what tombstones cover. */
#ifndef SL_COMPACT_REMOVED_H
#define SL_COMPACT_REMOVED_H

#include "read/reader.h"

/* What was removed can be had back for so long, and no compaction frees it, unless STEPLOG_COMPACT_NOW says so. */
#define SL_GRACE_NS (24ll * 3600 * 1000000000)

/* Which tombstones are due. */
typedef struct sl_due {
    int64_t now_ns;
    int is_all; /* whatever their age */
} sl_due;

/* 1 when any that is due is aimed at the incarnation: else nothing of it needs to be looked at. */
int sl_due_has_any(const sl_due *due, const sl_run *run, const steplog_id *incarnation);

/* 1 when all of a row goes. */
int sl_due_has_row(const sl_due *due, const sl_run *run, const steplog_id *incarnation, int64_t step,
                   uint64_t sequence);
/* 1 when its value of a metric goes. */
int sl_due_has_value(const sl_due *due, const sl_run *run, const steplog_id *incarnation, int64_t step,
                     uint64_t sequence, const char *name, uint32_t bytes);
/* 1 for tombstones, and what takes them back: they never go. */
int sl_is_kept_for_ever(const sl_record_entry *entry);
/* 1 when a text goes. */
int sl_due_has_record(const sl_due *due, const sl_run *run, const steplog_id *incarnation,
                      const sl_record_entry *entry);

/* 1 when a segment may hold something that goes. */
int sl_due_has_segment(const sl_due *due, steplog_reader *reader, const sl_segment *segment);

#endif
