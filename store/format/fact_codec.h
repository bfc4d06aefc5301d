/* format/fact_codec.h: the bodies of facts and blobs, and the description of a writer. */
#ifndef SL_FORMAT_FACT_CODEC_H
#define SL_FORMAT_FACT_CODEC_H

#include "base/span.h"
#include "format/layout.h"
#include "format/log_header.h"

#define SL_FACT_HEAD_BYTES 48u
#define SL_BLOB_HEAD_BYTES 40u

/* A fact; kind is one of steplog_event_kind. Text is not terminated and lent by the decoder. */
typedef struct sl_fact {
    uint8_t kind;
    uint64_t lamport;
    int64_t time_ns;
    uint32_t attempt, parent_attempt;
    int64_t number;
    int has_key, has_value, has_steps, has_target;
    int64_t step_begin, step_end; /* INT64_MIN, INT64_MAX: no bound on that side */
    steplog_id target;
    uint64_t target_sequence;
    const char *key, *value;
    uint32_t key_bytes, value_bytes;
} sl_fact;

void sl_fact_encode(const sl_fact *fact, sl_buffer *out);
int sl_fact_decode(const void *data, size_t bytes, sl_fact *out); /* 1 when well formed */

typedef struct sl_blob {
    int64_t step, time_ns;
    uint64_t data_bytes, content_hash;
    const char *name, *content_type;
    uint32_t name_bytes, content_type_bytes;
} sl_blob;

/* Everything but the data, which follows directly in a log and stands in pages of its own in a segment. */
void sl_blob_encode(const sl_blob *blob, sl_buffer *out);
/* head_bytes receives where the data begins. */
int sl_blob_decode(const void *data, size_t bytes, sl_blob *out, size_t *head_bytes);

enum { SL_WRITER_IS_RESUME = 1, SL_WRITER_IS_MAPPED = 2, SL_WRITER_IS_FACTS_ONLY = 4 };

/* What is known of a writer. Pointers are lent by the decoder; labels are sorted by key. */
typedef struct sl_writer_description {
    steplog_id incarnation, run, host_id, boot_id;
    uint32_t attempt, rank, flags, process_id;
    int64_t resume_step, start_time_ns, process_start_ns;
    const char *host, *step_axis;
    uint32_t host_bytes, step_axis_bytes;
    uint32_t label_count;
    const uint8_t *labels; /* label_count times: u32 bytes, key, u32 bytes, value */
    uint32_t labels_bytes;
} sl_writer_description;

/* A gap that a full disk opened tells in the header of its log how much was refused: puts that into the fact that opened
 * it. 0: another fact, or nothing was refused. */
int sl_fact_close_gap(sl_fact *fact, const sl_log_gap *gap);

void sl_writer_description_encode(const sl_writer_description *description, sl_buffer *out);
int sl_writer_description_decode(const void *data, size_t bytes, sl_writer_description *out);

/* Next label out of description->labels; 0 at the end. Start with a span over labels. */
int sl_label_next(sl_span *span, const char **key, uint32_t *key_bytes, const char **value, uint32_t *value_bytes);

#endif
