/* support/made_segment.h: segments put together page by page, right or wrong, as our writer never would. */
#ifndef TESTS_SUPPORT_MADE_SEGMENT_H
#define TESTS_SUPPORT_MADE_SEGMENT_H

#include "base/span.h"
#include "format/fact_codec.h"
#include "format/segment_codec.h"

typedef struct made_segment {
    const char *store;
    steplog_id id;
    sl_buffer file;                   /* so far */
    sl_buffer tables[SL_TABLE_COUNT]; /* entries, encoded */
    sl_buffer facts;                  /* content of the FACTS page to come */
    uint64_t file_bytes;              /* not 0: the file is cut, or made longer by a hole, in the end */
    int packs_tables;                 /* the last page of each is compressed, of long ones too */
} made_segment;

steplog_id made_id(uint64_t number);
/* An empty store. */
void made_store(const char *path);
made_segment made_segment_begin(const char *store, uint64_t number);
/* Appends a page; returns where. */
uint64_t made_page(made_segment *segment, unsigned kind, uint32_t index, const void *content, size_t bytes);
/* A writer of attempt 1; with label_bytes in its labels. */
uint64_t made_writer_page(made_segment *segment, uint32_t index, const steplog_id *run, const steplog_id *incarnation,
                          size_t label_bytes);
/* Names that end in salt and their number. */
sl_schema_entry made_schema_page(made_segment *segment, uint32_t index, uint32_t names, uint32_t name_bytes, uint32_t salt);
/* Rows of step 0 without a time and value 1 in each column; with is_bad, columns that can not be decoded. */
sl_chunk_entry made_chunk_page(made_segment *segment, uint32_t writer, uint32_t schema, uint32_t rows, uint32_t columns,
                               uint64_t sequence, int is_bad);
/* A whole store with one chunk of one row, whose columns are all said to have their page where a SCHEMA page is that
 * unpacks to 4 MiB. */
void made_far_columns(const char *path, const steplog_id *run, uint32_t columns);
/* Data of one value in BLOB pages. */
uint64_t made_blob_pages(made_segment *segment, uint64_t bytes, uint8_t value, uint64_t *content_hash);

/* A fact or the head of a blob: goes into the FACTS page to come, and into the table. */
void made_record(made_segment *segment, uint32_t writer, uint64_t sequence, int type, const sl_buffer *body,
                 uint64_t data_offset);
/* Writes that page. */
void made_facts_page(made_segment *segment);

void made_writer_entry(made_segment *segment, const sl_writer_entry *entry);
void made_schema_entry(made_segment *segment, const sl_schema_entry *entry);
void made_group_entry(made_segment *segment, const sl_group_entry *entry);
void made_chunk_entry(made_segment *segment, const sl_chunk_entry *entry);
void made_range_entry(made_segment *segment, const sl_range_entry *entry);
void made_record_entry(made_segment *segment, const sl_record_entry *entry);
/* A group of chunks of so many rows and columns. */
sl_group_entry made_group(uint32_t writer, uint32_t schema, uint32_t chunk_first, uint32_t chunks, uint64_t rows, uint64_t columns);

/* Tables and trailer; puts the file into the store. */
void made_segment_end(made_segment *segment);

#endif
