/* write/row_log.h: one row log on the writing side: its file, its mapping, its durable mark.
 *
 * States: SPARE (id zero in the header, no records), ACTIVE (one thread appends), FULL (handed to the
 * sealer), FROZEN (a sync failed, or somebody removed or replaced the file: its mark never moves again). */
#ifndef SL_WRITE_ROW_LOG_H
#define SL_WRITE_ROW_LOG_H

#include "format/file_names.h"
#include "format/log_header.h"
#include "format/record_codec.h"

#include <stdatomic.h>

typedef struct sl_row_log {
    struct sl_row_log *next; /* in the list of logs to seal, newest first */
    int fd;
    char name[SL_FILE_NAME_BYTES];
    sl_log_header header;
    uint64_t file_key;
    uint64_t capacity_bytes;
    uint64_t inode;
    uint8_t *base;    /* the mapping; NULL in pwrite mode */
    uint8_t *scratch; /* pwrite mode: where a record is put together */
    _Atomic uint64_t limit;          /* appends stop here; 0 sends the next append the slow way */
    _Atomic uint64_t tail;           /* end of what is committed */
    _Atomic uint64_t tail_sequence;  /* last number before tail; stored after it */
    sl_log_mark mark;                /* under the writer's sync lock */
    int is_directory_synced;
    int is_nameless; /* frozen, because its name was taken away; under the writer's sync lock */
    _Atomic int is_frozen;
    _Atomic int is_moved; /* frozen, and what was not durable stands in a later log */
    sl_log_gap gap; /* the writer's thread only */
    _Atomic uint64_t gap_counter; /* of gap, once it stands in the header */
    uint64_t gap_synced;          /* the same, as it is on the disk; under the writer's sync lock */
} sl_row_log;

/* Makes a spare: a new file of capacity_bytes, really allocated, locked. */
steplog_status sl_row_log_create(int log_dir, const steplog_id *incarnation, uint32_t ordinal, uint64_t capacity_bytes,
                                 int is_mapped, sl_row_log **out, steplog_error *err);

/* Makes a sealed log a spare again under a new ordinal. On failure it is still what it was, but spent. */
steplog_status sl_row_log_recycle(sl_row_log *log, int log_dir, const steplog_id *incarnation, uint32_t ordinal,
                                  steplog_error *err);

/* Puts the pages of a mapped spare into memory, so that the first append finds them. */
void sl_row_log_touch_pages(sl_row_log *log);

/* Makes a spare active: writes its header with a fresh id. header->log_id is ignored. */
steplog_status sl_row_log_activate(sl_row_log *log, const sl_log_header *header, steplog_error *err);

/* Whether the name is another file's by now, or nobody's. Where that cannot be seen it is not. */
int sl_row_log_has_lost_its_name(const sl_row_log *log, int log_dir);

/* Nothing is appended to it, and its durable mark stays where it is. */
void sl_row_log_freeze(sl_row_log *log);

/* Makes [mark, tail] and the gap slots durable and writes the mark. *sequence receives the new durable number. On failure the log
 * is frozen, its limit zero. WAIT: it is frozen because its name is gone or another file's; nothing in it is durable
 * any more, and all of it has to be moved or sealed. One caller at a time. */
steplog_status sl_row_log_sync(sl_row_log *log, int log_dir, uint64_t *sequence, steplog_error *err);

/* Counts a refused row in the header's gap slots. */
void sl_row_log_count_refused(sl_row_log *log, uint64_t points, int64_t step, int64_t time_ns);

/* Reads the log's bytes: a sl_log_read for its own sealer. */
int64_t sl_row_log_read(void *log, void *buffer, size_t bytes, uint64_t offset);

/* Removes the file, unless another one has its name; closes and frees. NULL is a no-op. */
steplog_status sl_row_log_remove(sl_row_log *log, int log_dir, steplog_error *err);

/* The same for a log whose records are not to count: not even when the power is cut and the file comes back. An error
 * means that they may. */
steplog_status sl_row_log_revoke(sl_row_log *log, int log_dir, steplog_error *err);

/* Only closes and frees; the file stays. NULL is a no-op. */
void sl_row_log_close(sl_row_log *log);

#endif
