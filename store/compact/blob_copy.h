/* compact/blob_copy.h: blobs of segments into an output, a page at a time; those that share pages share them there too. */
#ifndef SL_COMPACT_BLOB_COPY_H
#define SL_COMPACT_BLOB_COPY_H

#include "read/segment_reader.h"
#include "write/segment_writer.h"

typedef struct sl_copied_blob {
    const sl_segment *segment;
    uint64_t from, to; /* where its first page is in the segment, and in the output */
} sl_copied_blob;

/* What is in the output so far. All zero: nothing. */
typedef struct sl_blob_copies {
    SL_VEC(sl_copied_blob) items;
    sl_hash_map by_place;
} sl_blob_copies;

/* Copies a blob whose head, entry->bytes long, was found with this prefix. CORRUPT, reported, when its pages are damaged. */
steplog_status sl_blob_copy(sl_blob_copies *copies, sl_segment_writer *writer, sl_segment *segment, const sl_record_entry *entry,
                            const sl_record_prefix *prefix, const uint8_t *head, steplog_error *err);
/* For the next output. */
void sl_blob_copies_clear(sl_blob_copies *copies);
void sl_blob_copies_free(sl_blob_copies *copies);

#endif
