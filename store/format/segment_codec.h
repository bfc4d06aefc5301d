/* format/segment_codec.h: the header, the tables and the trailer of a segment. */
#ifndef SL_FORMAT_SEGMENT_CODEC_H
#define SL_FORMAT_SEGMENT_CODEC_H

#include "format/layout.h"

typedef struct sl_segment_header {
    uint32_t version, features;
    steplog_id file_id;
    int64_t created_time_ns;
} sl_segment_header;
void sl_segment_header_encode(const sl_segment_header *header, uint8_t out[SL_SEGMENT_HEADER_BYTES]);
steplog_status sl_segment_header_decode(const uint8_t *in, const char *name, sl_segment_header *out, steplog_error *err);

/* One writer in this segment; the table is sorted by (run, incarnation). */
typedef struct sl_writer_entry {
    steplog_id run, incarnation;
    uint32_t attempt, rank;
    uint32_t flags; /* as in its description */
    uint64_t page_offset;
    uint32_t range_first, range_count, group_first, group_count, record_first, record_count;
    int64_t start_time_ns;
} sl_writer_entry;

typedef struct sl_schema_entry {
    uint64_t page_offset;
    uint32_t name_count, page_bytes;
} sl_schema_entry;

/* The rows of one writer and one schema; sorted by (writer, schema). */
typedef struct sl_group_entry {
    uint32_t writer, schema;
    uint32_t chunk_first, chunk_count;
    uint64_t row_count, value_count;
    int64_t step_min, step_max;
    int64_t time_min_ns, time_max_ns; /* both STEPLOG_TIME_NONE when no row has one */
    /* Where its entries begin in the tables of nodes, of statistics and of statistics of nodes; the latter two column by
     * column. SL_NO_STATS in both: it has no statistics. */
    uint32_t node_first, stats_first, node_stats_first;
} sl_group_entry;

/* Sorted by (group, first sequence). */
typedef struct sl_chunk_entry {
    uint64_t page_offset; /* of the chunk page */
    uint32_t page_bytes;  /* of the chunk page */
    uint16_t row_count, flags;
    uint64_t sequence_first, sequence_last;
    int64_t step_min, step_max;
    int64_t time_min_ns, time_max_ns; /* both STEPLOG_TIME_NONE when no row has one */
    uint32_t value_count;
    uint64_t extent_offset; /* of its first column page, or its own */
} sl_chunk_entry;

/* Takes the times of a chunk into those of its group. */
static inline void sl_group_entry_widen_times(sl_group_entry *group, const sl_chunk_entry *chunk)
{
    if (chunk->time_min_ns == STEPLOG_TIME_NONE) return;
    if (group->time_min_ns == STEPLOG_TIME_NONE || chunk->time_min_ns < group->time_min_ns) group->time_min_ns = chunk->time_min_ns;
    if (group->time_max_ns == STEPLOG_TIME_NONE || chunk->time_max_ns > group->time_max_ns) group->time_max_ns = chunk->time_max_ns;
}

typedef struct sl_range_entry {
    uint32_t writer, kind;
    uint64_t sequence_begin, sequence_end; /* half-open */
} sl_range_entry;

enum { SL_ENTRY_FACT = 1, SL_ENTRY_BLOB = 2 };
/* A fact or a blob; sorted by (writer, sequence). */
typedef struct sl_record_entry {
    uint32_t writer;
    uint8_t type, fact_kind;
    uint64_t page_offset;
    uint32_t content_offset, bytes; /* in the raw content of that page */
    uint64_t sequence, lamport;
    uint32_t sequence_count; /* numbers it took in its log */
} sl_record_entry;

void sl_writer_entry_encode(const sl_writer_entry *entry, uint8_t *out);
int sl_writer_entry_decode(const uint8_t *in, sl_writer_entry *out);
void sl_schema_entry_encode(const sl_schema_entry *entry, uint8_t *out);
int sl_schema_entry_decode(const uint8_t *in, sl_schema_entry *out);
void sl_group_entry_encode(const sl_group_entry *entry, uint8_t *out);
int sl_group_entry_decode(const uint8_t *in, sl_group_entry *out);
void sl_chunk_entry_encode(const sl_chunk_entry *entry, uint8_t *out);
int sl_chunk_entry_decode(const uint8_t *in, sl_chunk_entry *out);
void sl_range_entry_encode(const sl_range_entry *entry, uint8_t *out);
int sl_range_entry_decode(const uint8_t *in, sl_range_entry *out);
void sl_record_entry_encode(const sl_record_entry *entry, uint8_t *out);
int sl_record_entry_decode(const uint8_t *in, sl_record_entry *out);

/* Checks the content of a SCHEMA page: count names, each once. 1, 0 when it breaks a rule, -1 when out of memory. */
int sl_schema_content_check(const uint8_t *content, uint32_t bytes, uint32_t *count);

/* Before each record in a FACTS page, and before the data in the first BLOB page of a blob. */
#define SL_RECORD_PREFIX_BYTES 32u
typedef struct sl_record_prefix {
    uint32_t writer, bytes; /* of the body that follows */
    uint64_t sequence;
    uint32_t sequence_count;
    uint8_t type;
    uint64_t data_offset; /* a blob's first BLOB page, else 0 */
} sl_record_prefix;
void sl_record_prefix_encode(const sl_record_prefix *prefix, uint8_t out[SL_RECORD_PREFIX_BYTES]);
int sl_record_prefix_decode(const uint8_t *in, sl_record_prefix *out);

enum { SL_TABLE_WRITERS, SL_TABLE_SCHEMAS, SL_TABLE_GROUPS, SL_TABLE_CHUNKS, SL_TABLE_RANGES, SL_TABLE_RECORDS,
       SL_TABLE_NODES, SL_TABLE_STATS, SL_TABLE_NODE_STATS, SL_TABLE_COUNT };

/* The last 256 bytes of a segment are a page of kind TRAILER. */
typedef struct sl_trailer {
    uint64_t file_bytes;
    struct { uint64_t offset; uint64_t entry_count; } tables[SL_TABLE_COUNT];
    uint64_t row_count, value_count, lamport_max;
    int64_t step_min, step_max, time_min_ns, time_max_ns;
} sl_trailer;
void sl_trailer_encode(const sl_trailer *trailer, uint8_t out[SL_TRAILER_CONTENT_BYTES]);
int sl_trailer_decode(const uint8_t *in, sl_trailer *out);

extern const uint32_t sl_table_entry_bytes[SL_TABLE_COUNT];
extern const uint32_t sl_table_page_entries_max[SL_TABLE_COUNT]; /* what a whole page of a table of several holds */
extern const uint8_t sl_table_page_kind[SL_TABLE_COUNT];

/* A table is one page, which may be compressed, when its entries have at most SL_TABLE_CONTENT_BYTES_MAX bytes. Otherwise it
 * is whole pages of sl_table_page_entries_max[] entries and a last one with the rest, one behind the other, not
 * compressed; so the page of an entry is arithmetic. most: how many entries its pages but the last one have. */
uint32_t sl_table_page_most(int table, uint64_t entry_count);
uint64_t sl_table_page_offset(const sl_trailer *trailer, int table, uint64_t page_index);
uint32_t sl_table_page_entries(const sl_trailer *trailer, int table, uint64_t page_index);
/* Whether a page is so long and, beside others of its table, not compressed. */
int sl_table_page_is_right(const sl_trailer *trailer, int table, uint64_t page_index, unsigned flags,
                           uint32_t content_bytes);

#endif
