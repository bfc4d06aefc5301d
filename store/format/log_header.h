/* format/log_header.h: the first 4096 bytes of a row log: who writes it, its durable mark, its gap. */
#ifndef SL_FORMAT_LOG_HEADER_H
#define SL_FORMAT_LOG_HEADER_H

#include "format/layout.h"

enum { SL_LOG_MODE_MAPPED = 1, SL_LOG_MODE_PWRITE = 2 };

typedef struct sl_log_header {
    uint32_t version, features;
    steplog_id log_id; /* zero: a spare, without records */
    steplog_id incarnation;
    steplog_id run;
    steplog_id host_id, boot_id;
    uint64_t first_sequence; /* of its first numbered record */
    uint64_t capacity_bytes; /* of the file */
    uint32_t ordinal, mode;
    uint32_t attempt, rank;
    uint32_t process_id;
    int64_t process_start_ns, created_time_ns;
    uint64_t inode; /* of the file when it was made; 0: not known */
} sl_log_header;

/* Writes the SL_LOG_FIXED_BYTES of the fixed part. */
void sl_log_header_encode(const sl_log_header *header, uint8_t out[SL_LOG_FIXED_BYTES]);

/* Returns OK; MISSING for a spare (log_id zero); NEWER; CORRUPT. name is for the error. */
steplog_status sl_log_header_decode(const uint8_t *in, const char *name, sl_log_header *out, steplog_error *err);

/* Takes the fixed part out of the SL_LOG_HEADER_BYTES of page; where it has no valid one, its copy. *at receives
 * which one counts: 0 or SL_LOG_COPY_OFFSET. Returns as sl_log_header_decode() does of that one; when neither is valid,
 * of the first. */
steplog_status sl_log_header_read(const uint8_t *page, const char *name, sl_log_header *out, uint32_t *at,
                                  steplog_error *err);

/* 1 when it was made on that machine, which has not restarted since. An id of zero, not known, says nothing. The file has
 * to be on a local file system: the caller knows. */
int sl_log_header_is_same_boot(const sl_log_header *header, const steplog_id *host_id, const steplog_id *boot_id);

/* How the other of the two agrees with the one at `at`, which counts. */
typedef enum sl_log_twin {
    SL_LOG_TWIN_SAME,
    SL_LOG_TWIN_PARTIAL, /* where they differ the other one is zero: it was being written or cleared */
    SL_LOG_TWIN_OTHER
} sl_log_twin;
#define SL_LOG_WORDS_HEADER_DAMAGED "the log's header is damaged: its copy is used, nothing is lost"
#define SL_LOG_WORDS_COPY_DAMAGED "the copy of the log's header is damaged: nothing is lost"
sl_log_twin sl_log_header_twin(const uint8_t *page, uint32_t at);

/* A mark: everything up to sequence, that is the bytes before offset, survives a power cut. Two
 * slots are written in turn; the valid one with the larger counter counts. */
typedef struct sl_log_mark {
    uint64_t counter, offset, sequence;
} sl_log_mark;
void sl_log_mark_encode(const sl_log_mark *mark, uint64_t file_key, uint64_t at, uint8_t out[SL_LOG_SLOT_BYTES]);
/* 1 when the slot holds a mark, 0 when it is all zero (never written), -1 when it is damaged. */
int sl_log_mark_decode(const uint8_t *in, uint64_t file_key, uint64_t at, sl_log_mark *out);

/* What was refused while this log was full: details of the gap record in its reserve. */
typedef struct sl_log_gap {
    uint64_t counter, refused_count;
    int64_t step_first, step_last, time_first_ns, time_last_ns;
} sl_log_gap;
/* Takes a refusal into a gap. */
void sl_log_gap_count(sl_log_gap *gap, uint64_t points, int64_t step, int64_t time_ns);
void sl_log_gap_encode(const sl_log_gap *gap, uint64_t file_key, uint64_t at, uint8_t out[SL_LOG_SLOT_BYTES]);
int sl_log_gap_decode(const uint8_t *in, uint64_t file_key, uint64_t at, sl_log_gap *out);

/* Reads the newer of two slots out of a header; as the single decoders, but -1 only when a slot is
 * damaged (out then still holds the other one, or zeros). */
int sl_log_mark_latest(const uint8_t *header, uint64_t file_key, sl_log_mark *out);
int sl_log_gap_latest(const uint8_t *header, uint64_t file_key, sl_log_gap *out);

#endif
