/* write/segment_index.h: what the tables and the trailer of a segment in the making will say. */
#ifndef SL_WRITE_SEGMENT_INDEX_H
#define SL_WRITE_SEGMENT_INDEX_H

#include "format/stats_codec.h"

typedef struct sl_index_chunk {
    uint32_t writer, schema;
    sl_chunk_entry entry;
    sl_stats_entry *stats; /* one for each column; NULL: its group has none */
} sl_index_chunk;

typedef struct sl_segment_index {
    SL_VEC(sl_writer_entry) writers;
    SL_VEC(sl_schema_entry) schemas;
    SL_VEC(sl_index_chunk) chunks;
    SL_VEC(sl_range_entry) ranges;
    SL_VEC(sl_record_entry) records;
    SL_VEC(sl_group_entry) groups;
    SL_VEC(sl_node_entry) nodes;
    sl_trailer trailer;
} sl_segment_index;

/* Writes a page at *offset and moves that behind it. */
typedef struct sl_page_sink {
    steplog_status (*put)(void *context, unsigned kind, uint32_t index, const void *content, size_t bytes,
                          int may_compress, steplog_error *err);
    void *context;
    const uint64_t *offset;
} sl_page_sink;

void sl_segment_index_init(sl_segment_index *index);
void sl_segment_index_free(sl_segment_index *index);

/* Adds a chunk of the last writer; takes stats. 1, or 0 when out of memory: stats are freed then, too. */
int sl_segment_index_add_chunk(sl_segment_index *index, uint32_t schema, const sl_chunk_entry *entry,
                               sl_stats_entry *take_stats);

/* Lets go of the statistics of the last writer's groups that are too short to have any. chunk_first: its first. 1, or 0 when
 * out of memory. */
int sl_segment_index_end_writer(sl_segment_index *index, size_t chunk_first);

/* Writes the tables, in their order, and the trailer. Nothing may be added afterwards. */
steplog_status sl_segment_index_write(sl_segment_index *index, const sl_page_sink *sink, steplog_error *err);

#endif
