/* format/log_walk.h: walking the records of a row log in order, whoever reads the bytes.
 *
 * One walk serves the sealer, readers, followers, verify and dump. It holds a window of the log, checks
 * each record, puts the parts of long ones together, resolves continuations and fills a dictionary. At
 * the end of what is committed it can be asked again later. */
#ifndef SL_FORMAT_LOG_WALK_H
#define SL_FORMAT_LOG_WALK_H

#include "format/log_dictionary.h"
#include "format/record_codec.h"

/* Reads up to bytes at offset of the log: how many there are, or a negative errno. */
typedef int64_t (*sl_log_read)(void *context, void *buffer, size_t bytes, uint64_t offset);

/* What is between offset and the result is zero and need not be read. offset itself when nothing is known. */
typedef uint64_t (*sl_log_next_data)(void *context, uint64_t offset);

/* Where a record is broken and how it begins: the same again means that nobody wrote it meanwhile. */
typedef struct sl_broken_record {
    uint64_t offset;
    uint64_t words[2];
} sl_broken_record;

/* Gets the data of a blob part after part; at: where in the data these bytes begin. 0 begins one, perhaps anew. */
typedef void (*sl_log_blob_part)(void *context, const uint8_t *data, size_t bytes, uint64_t at);

typedef struct sl_point_base {
    int is_valid;
    int64_t step, time_ns;
} sl_point_base;

typedef enum sl_log_item_kind {
    SL_ITEM_END = 0,    /* nothing more is committed (yet) */
    SL_ITEM_ROW = 1,
    SL_ITEM_POINT = 2,  /* POINT or CONTINUATION, resolved */
    SL_ITEM_TEXT = 3,   /* FACT or BLOB, whole */
    SL_ITEM_OTHER = 4,  /* WRITER, NAME, SCHEMA: already in the dictionary; also a part of a text */
    SL_ITEM_DAMAGE = 5, /* bytes were passed over; numbers [sequence, sequence + sequence_count) are missing */
    SL_ITEM_ERROR = 6   /* read failed: os_errno, or 0 for no memory */
} sl_log_item_kind;

typedef struct sl_log_item {
    sl_log_item_kind kind;
    uint64_t offset;   /* of the (first) record */
    uint64_t bytes;    /* of the record, of all parts, or passed over */
    uint64_t sequence; /* of the (first) record */
    uint32_t sequence_count;
    uint8_t record_kind;
    int64_t step, time_ns; /* rows and points */
    uint32_t index;        /* schema of a row, metric of a point */
    double value;          /* of a point */
    const uint8_t *presence, *values; /* of a row; lent until the next call */
    uint32_t value_count;
    const uint8_t *content; /* of a text; lent until the next call */
    uint32_t content_bytes;
    uint64_t data_bytes; /* of a blob whose data is left out of content */
    const char *what; /* of damage */
    int os_errno;
} sl_log_item;

typedef struct sl_log_walk {
    sl_log_read read;
    void *context;
    uint64_t file_key, capacity_bytes, mark_offset;
    uint64_t offset, next_sequence;
    sl_point_base base;
    sl_log_dictionary *dictionary; /* looked up, and filled unless is_replay */
    int is_replay;    /* this stretch was walked before: the dictionary is complete */
    sl_log_next_data next_data; /* or NULL */
    int is_ended;     /* nobody appends any more: where nothing valid was found behind a broken record is none */
    int is_same_boot; /* no power cut can have happened since: a hole above the mark is damage too */
    const uint8_t *live; /* the log where it is mapped and written to; only asked whether anything came */
    int is_torn;      /* END was because of a broken record at or above the mark */
    const uint8_t *memory; /* set after init when the whole log stands there and no one changes it: no window then */
    int has_heads_only; /* set after init: of blobs the heads are the content; the data goes to take_data, or nowhere */
    sl_log_blob_part take_data; /* or NULL */
    void *data_context;
    uint64_t resync_bytes_left, salvage_bytes_left; /* bound what hostile bytes may cost */
    sl_broken_record barren;  /* nothing was found behind it, and nothing came since */
    sl_broken_record counted; /* behind it salvageable_count were found, the same */
    uint64_t salvageable_count;
    uint8_t *window;
    uint64_t window_offset;
    size_t window_bytes;
    int is_window_short; /* the file ended within what was asked for */
    size_t read_bytes; /* how much the next read asks for */
    sl_buffer text;
    uint64_t text_offset, text_sequence;
    uint32_t text_index, text_total, text_parts;
    uint32_t text_bytes; /* that came so far; text may hold fewer */
    uint8_t text_kind;
} sl_log_walk;

/* Starts a walk at the first record. dictionary is the caller's, empty. */
void sl_log_walk_init(sl_log_walk *walk, sl_log_read read, void *context, uint64_t file_key, uint64_t capacity_bytes,
                      uint64_t first_sequence, uint64_t mark_offset, sl_log_dictionary *dictionary);

/* Gives the next item. After END it may be called again: new records may have come; after ERROR too: nothing is left out,
 * the parts of a text may come once more. */
void sl_log_walk_next(sl_log_walk *walk, sl_log_item *item);
/* Takes back the item that it gave last, a record, for the next call. base: the walk's before it. */
void sl_log_walk_return(sl_log_walk *walk, const sl_log_item *item, const sl_point_base *base);

#define SL_LOG_ROWS_MAX 32u

/* Rows that follow each other, of one schema, with all its values. */
typedef struct sl_log_rows {
    uint32_t index; /* of the schema */
    uint32_t count;
    uint64_t sequence; /* of the first; the others have the next ones */
    const uint8_t *bodies[SL_LOG_ROWS_MAX]; /* step, time, values: in the log */
} sl_log_rows;

/* Gives as many such rows as come next, each one checked, and how many they are. 0: something else is next, which
 * sl_log_walk_next() tells; always where the log is not in memory. */
uint32_t sl_log_walk_rows(sl_log_walk *walk, sl_log_rows *rows);

/* Looks for valid records behind a torn end, for people: how many numbered ones there are; one more where that
 * can not be read. The search costs what is read, so callers ask once for an end that stays. */
uint64_t sl_log_walk_salvageable(sl_log_walk *walk);

/* Gives memory back; the walk may go on. */
void sl_log_walk_rest(sl_log_walk *walk);
void sl_log_walk_free(sl_log_walk *walk);

#endif
