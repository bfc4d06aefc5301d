/* write/segment_writer.h: building a segment, page by page, and publishing it.
 *
 * Rows come in by writer (sorted by run and incarnation) and group; full blocks and facts go to the file at
 * once, so memory holds one open block for each group and the tables. Used by sealing and compaction. */
#ifndef SL_WRITE_SEGMENT_WRITER_H
#define SL_WRITE_SEGMENT_WRITER_H

#include "format/chunk_codec.h"
#include "format/fact_codec.h"
#include "format/stats_codec.h"
#include "index/ranges.h"

typedef struct sl_segment_writer sl_segment_writer;

/* Begins a segment in the temporary file of seg/<level>; makes the directories. store_dir stays the caller's. */
steplog_status sl_segment_writer_open(int store_dir, uint32_t level, sl_segment_writer **out, steplog_error *err);

/* Begins the part of one writer; description is its stored bytes. Writers come in ascending (run, incarnation). */
steplog_status sl_segment_writer_begin(sl_segment_writer *writer, const uint8_t *description, size_t bytes,
                                       steplog_error *err);

/* Finds or makes the ordinal of a schema: its names in order. */
steplog_status sl_segment_writer_schema(sl_segment_writer *writer, const char *const *names, const uint32_t *name_bytes,
                                        uint32_t count, uint32_t *ordinal, steplog_error *err);

/* Adds a row to the current writer. values[i] counts where bit i of present is set (NULL: all). Rows of a
 * schema come in ascending sequence. */
steplog_status sl_segment_writer_row(sl_segment_writer *writer, uint32_t schema, int64_t step, int64_t time_ns,
                                     uint64_t sequence, const double *values, const uint64_t *present,
                                     steplog_error *err);

/* Adds whole rows of ascending sequences, from bodies of log records (open_block.h). */
steplog_status sl_segment_writer_rows(sl_segment_writer *writer, uint32_t schema, const uint8_t *const *bodies,
                                      uint32_t count, uint64_t sequence, steplog_error *err);

/* Adds a whole block that is already encoded: the axis decoded, the columns' payloads as stored. Rows that are
 * waiting in an open block of the schema are written first. payloads[i] may be NULL where infos[i].flags is 0; stats[i] are the column's statistics. */
steplog_status sl_segment_writer_block(sl_segment_writer *writer, uint32_t schema, uint32_t row_count,
                                       const int64_t *steps, const int64_t *times, const int64_t *sequences,
                                       const sl_column_info *infos, const uint8_t *const *payloads,
                                       const sl_stats_entry *stats, steplog_error *err);

/* Adds a fact: its encoded body. */
steplog_status sl_segment_writer_fact(sl_segment_writer *writer, const uint8_t *body, uint32_t bytes, uint64_t sequence,
                                      uint32_t sequence_count, steplog_error *err);

/* Adds a blob: its encoded head and its data. */
steplog_status sl_segment_writer_blob(sl_segment_writer *writer, const uint8_t *head, uint32_t head_bytes,
                                      uint64_t sequence, uint32_t sequence_count, const uint8_t *data, uint64_t bytes,
                                      steplog_error *err);

/* The same in pieces, for data that is not in memory: its pages one after another, nothing between them, each full but
 * the last, with the prefix that the first one begins with (its bytes: how many pages); *at: where the page lies. Then the
 * head, with where the first page lies: heads may share pages. */
sl_record_prefix sl_segment_writer_blob_prefix(const sl_segment_writer *writer, uint64_t bytes, uint64_t sequence,
                                               uint32_t sequence_count);
steplog_status sl_segment_writer_blob_page(sl_segment_writer *writer, uint32_t index, const sl_record_prefix *prefix,
                                           const uint8_t *data, uint32_t bytes, uint64_t *at, steplog_error *err);
steplog_status sl_segment_writer_blob_head(sl_segment_writer *writer, const uint8_t *head, uint32_t head_bytes,
                                           uint64_t sequence, uint32_t sequence_count, uint64_t data_offset,
                                           steplog_error *err);

/* Writes the open blocks of the current writer, so that they need no memory any more. */
steplog_status sl_segment_writer_flush(sl_segment_writer *writer, steplog_error *err);

/* Ends the current writer: its open blocks are written; held and dropped are its ranges. */
steplog_status sl_segment_writer_end(sl_segment_writer *writer, const sl_ranges *held, const sl_ranges *dropped,
                                     steplog_error *err);

/* Bytes written so far. */
uint64_t sl_segment_writer_bytes(const sl_segment_writer *writer);

/* Writes the tables, syncs, renames, syncs the directory. name receives "seg/<level>/<id>.seg" (80 bytes), "" when it
 * was not tried to give it. The handle is gone in any case. On failure nothing was published, unless *is_named is 1: then
 * the directory could not be synced. Both may be NULL. */
steplog_status sl_segment_writer_publish(sl_segment_writer *writer, char *name, int *is_named, steplog_error *err);

/* Gives up: removes the temporary file. NULL is a no-op. */
void sl_segment_writer_abort(sl_segment_writer *writer);

#endif
