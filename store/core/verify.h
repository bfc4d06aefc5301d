/* core/verify.h: what the parts of verify share: the store's directory, the caller's wishes, the counts. */
#ifndef SL_CORE_VERIFY_H
#define SL_CORE_VERIFY_H

#include "format/segment_codec.h"
#include "os/os.h"
#include "read/damage.h"
#include "steplog/maintain.h"

typedef struct sl_verify {
    int store_dir;
    steplog_id host_id, boot_id;
    int is_local; /* locks and host ids mean something on this file system */
    steplog_verify_options options;
    steplog_verify_result result;
    uint64_t done_bytes, total_bytes, told_bytes;
    int must_stop;      /* a callback asked for it */
    int must_list_again; /* a file went away: what it held is in another one now */
} sl_verify;

/* Counts a finding and gives it to the caller. */
void sl_verify_report(sl_verify *v, const steplog_damage *finding);
/* A finding of which only the place is known. offset -1: the whole file. */
void sl_verify_report_place(sl_verify *v, const char *file, int64_t offset, uint64_t bytes, int is_notice,
                            const char *format, ...) __attribute__((format(printf, 6, 7)));
/* Tells the caller how far the work is. */
void sl_verify_advance(sl_verify *v, uint64_t bytes);
/* A read that was refused: bad sectors are damage and the work goes on (OK); anything else is passed on. */
steplog_status sl_verify_refused(sl_verify *v, const char *file, int os_errno, uint64_t offset, steplog_error *err);

/* verify_log.c, verify_segment.c: name is relative to the store. A file that is gone sets must_list_again. */
steplog_status sl_verify_log(sl_verify *v, const char *name, steplog_error *err);
steplog_status sl_verify_segment(sl_verify *v, const char *name, steplog_error *err);

/* ---- verify_chunk.c ---- */

/* What was found in the pages of a segment, to be compared with its tables. */
typedef struct sl_found_chunk {
    uint32_t writer, schema;
    sl_chunk_entry entry;
    uint64_t stats_sum; /* of sl_verify_stats_hash() of each column; 0: a column could not be decoded */
} sl_found_chunk;

typedef struct sl_found_numbers {
    uint32_t writer;
    uint64_t begin, end;
} sl_found_numbers;

typedef SL_VEC(sl_found_numbers) sl_found_number_list;

typedef struct sl_found_column {
    uint64_t offset, bytes;
    uint32_t index;
    uint32_t named_by; /* 1 + which chunk of the stripe names it; 0: none so far */
} sl_found_column;

struct sl_page_walk;
typedef struct sl_chunk_check {
    struct sl_page_walk *pages; /* for pages that the chunk refers to; its buffers are used */
    uint64_t offset, bytes;     /* of the chunk page */
    const uint8_t *content;
    uint32_t content_bytes;
    sl_found_column *columns; /* COLUMN pages of its stripe, ascending; named_by is set */
    size_t column_count;
    uint32_t number;         /* which chunk of the stripe it is */
    int is_beside_damage;    /* pages of the stripe are damaged: that columns are not there was told, or will be */
    uint32_t name_count;           /* receives: columns, as many as the schema has names */
    uint64_t block_count;          /* receives: columns that have values */
    sl_found_chunk found;           /* receives what its entry has to say */
    int64_t steps[SL_CHUNK_ROWS_MAX], sequences[SL_CHUNK_ROWS_MAX];
    /* Called for each broken rule; column -1: the chunk as a whole. offset 0, bytes 0: the chunk page. */
    void (*report)(void *context, struct sl_chunk_check *check, int64_t column, uint64_t offset, uint64_t bytes,
                   const char *what);
    void *context;
    int has_steps; /* found.entry.step_min and step_max are known */
} sl_chunk_check;

/* Decodes everything in a chunk. 1 when its axis is good, so that found is whole; 0 when it was reported as damaged;
 * -1 when reading failed: os_errno, or 0 for no memory. */
int sl_verify_chunk(sl_chunk_check *check, int *os_errno);

/* The statistics of a column of a chunk as one number, so that those of all columns can be kept as their sum. */
uint64_t sl_verify_stats_hash(uint32_t column, const uint8_t *entry);

#endif
