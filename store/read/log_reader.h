/* read/log_reader.h: one row log: what it holds, read again and again as it grows. */
#ifndef SL_READ_LOG_READER_H
#define SL_READ_LOG_READER_H

#include "format/fact_codec.h"
#include "format/log_header.h"
#include "format/log_walk.h"
#include "index/ranges.h"
#include "os/os.h"
#include "read/damage.h"

/* Up to 1024 rows and points in a stretch of a log, of any schema. */
typedef struct sl_log_stretch {
    uint64_t offset, sequence; /* where a walk over it starts */
    sl_point_base base;
    uint64_t offset_end;
    uint32_t row_count;
    uint64_t sequence_first, sequence_last;
    int64_t step_min, step_max;
} sl_log_stretch;

typedef struct sl_log_text {
    uint64_t offset, sequence_at_offset; /* where a walk over it starts */
    uint64_t sequence;
    uint32_t sequence_count;
    uint8_t record_kind;
    sl_fact fact;     /* its texts lent from content; value is NULL when it is not kept */
    uint8_t *content; /* of a fact the texts, of a blob the head */
    uint32_t bytes;
} sl_log_text;

typedef struct sl_metric_use {
    uint64_t count; /* points of this metric */
} sl_metric_use;

typedef struct sl_log {
    unsigned reference_count;
    char name[80]; /* relative to the store */
    int fd;
    sl_os_stat file; /* as it was when it was opened */
    const uint8_t *map; /* the whole log, or NULL: it is read */
    sl_log_header header;
    uint32_t header_at; /* where that one stands: the copy counts when the first is damaged */
    uint64_t file_key;
    sl_log_mark mark;
    sl_log_gap gap;
    sl_os_lock_state lock;
    int is_seen;
    int is_same_boot; /* this machine has not restarted since the log was made */
    int is_gone;      /* recycled or removed under us: list again */
    int is_torn;
    int has_damage; /* some of it could not be read */
    uint64_t salvageable_count;
    sl_log_walk walk;
    sl_log_dictionary dictionary;
    SL_VEC(sl_log_stretch) stretches;
    SL_VEC(sl_log_text) texts;
    uint64_t lamport_max; /* of the facts */
    size_t kept_bytes; /* of the values of facts */
    SL_VEC(sl_metric_use) uses; /* by the place of the name in the dictionary */
    sl_ranges held;
    sl_ranges parts; /* of held: what a text took that is not complete here; another log may have it whole */
    uint64_t row_count, point_count;
    int64_t step_min, step_max, time_min_ns, time_max_ns;
    sl_damage_list *damage;
} sl_log;

/* Opens a log and reads its header. MISSING for a spare, a file that is gone. */
steplog_status sl_log_open(int store_dir, const char *name, const steplog_id *host_id, const steplog_id *boot_id, int is_local,
                           int is_mapping, sl_damage_list *damage, sl_log **out, steplog_error *err);
void sl_log_retain(sl_log *log);
void sl_log_release(sl_log *log);

/* Walks what was committed since the last call. */
steplog_status sl_log_advance(sl_log *log, steplog_error *err);

/* 1 when the file still is the log that was opened. Sets is_gone otherwise. */
int sl_log_is_still_itself(sl_log *log);

/* 1 when its name leads to another file by now, or it was damaged and has changed since: a copy was brought up to date, or
 * made whole. */
int sl_log_is_replaced(const sl_log *log, int store_dir);

/* Starts a second walk at a stretch, over the same dictionary. Free it with sl_log_walk_free(). */
void sl_log_replay(sl_log *log, uint64_t offset, uint64_t sequence, const sl_point_base *base, sl_log_walk *walk);

/* What a walk that gave SL_ITEM_ERROR is told as. */
steplog_status sl_log_failed(const sl_log *log, const sl_log_item *item, steplog_error *err);

/* Tells of damage that a second walk came upon; what the first one told of is not told twice. */
void sl_log_report(sl_log *log, uint64_t offset, uint64_t bytes, const char *what);

/* Reads a fact again, whole, into out. CORRUPT or MISSING (the log is gone) otherwise. */
steplog_status sl_log_fact(sl_log *log, const sl_log_text *text, sl_buffer *out, steplog_error *err);

/* Reads the data of a blob text into buffer. CORRUPT or MISSING (the log is gone) otherwise. */
steplog_status sl_log_blob_data(sl_log *log, const sl_log_text *text, uint8_t *buffer, uint64_t bytes, steplog_error *err);

#endif
