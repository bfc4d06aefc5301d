/* read/segment_broken.c: which records of a segment can not be read.
 *
 * A reader takes a record from the first file that says it holds it. Where another file holds it too, the first one may
 * not be believed unseen: all blocks of the writer are read and decoded, and what fails is taken from the other. That
 * happens where files overlap, which is rare: while inputs of a compaction have not gone yet, and in merged copies. */
#include "base/error.h"
#include "read/segment_reader.h"

typedef struct check {
    sl_segment *segment;
    uint32_t writer;
    sl_range_pile good;
    sl_chunk chunk;
    sl_chunk_list chunks;
    steplog_error *err;
} check;

static steplog_status no_memory(steplog_error *err)
{
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to check a segment");
}

/* The numbers of a chunk are good when its axis and all its columns are. */
static steplog_status check_chunk(check *c, uint32_t group, const sl_chunk_entry *entry)
{
    int64_t axis[SL_CHUNK_ROWS_MAX];
    double values[SL_CHUNK_ROWS_MAX];
    uint64_t present[SL_PRESENT_WORDS];
    sl_segment *s = c->segment;
    const sl_schema_names *names;
    SL_TRY(sl_segment_chunk(s, entry->page_offset, entry, &s->groups.items[group], &c->chunk, c->err));
    SL_TRY(sl_segment_names(s, c->chunk.head.schema, &names, c->err));
    SL_TRY(sl_segment_columns(s, &c->chunk, c->chunk.head.column_count, c->err));
    for (uint32_t column = 0; column < c->chunk.head.column_count; column++)
        SL_TRY(sl_segment_column(s, &c->chunk, column, values, present, c->err));
    SL_TRY(sl_segment_axis(s, &c->chunk, SL_PART_STEPS, axis, c->err));
    SL_TRY(sl_segment_axis(s, &c->chunk, SL_PART_TIMES, axis, c->err));
    SL_TRY(sl_segment_sequences(s, &c->chunk, entry, axis, c->err));
    for (uint32_t begin = 0, end; begin < c->chunk.head.row_count; begin = end) {
        for (end = begin + 1; end < c->chunk.head.row_count && axis[end] == axis[end - 1] + 1; end++) continue;
        if (axis[begin] < 1 || axis[end - 1] < axis[begin]) return STEPLOG_CORRUPT;
        if (!sl_range_pile_add(&c->good, (uint64_t)axis[begin], (uint64_t)axis[end - 1] + 1))
            return no_memory(c->err);
    }
    return STEPLOG_OK;
}

static steplog_status check_record(check *c, const sl_record_entry *entry)
{
    sl_record_prefix prefix;
    const uint8_t *content;
    sl_blob blob;
    SL_TRY(sl_segment_record(c->segment, entry, &prefix, &content, c->err));
    if (entry->type == SL_ENTRY_BLOB) {
        if (!sl_blob_decode(content, entry->bytes, &blob, NULL)) return STEPLOG_CORRUPT;
        SL_TRY(sl_segment_blob_check(c->segment, prefix.data_offset, blob.data_bytes, c->err));
    }
    return sl_range_pile_add(&c->good, entry->sequence, entry->sequence + entry->sequence_count) ? STEPLOG_OK
                                                                                                 : no_memory(c->err);
}

/* What is damaged is reported by whoever reads it, and is no failure here. */
static steplog_status check_writer(check *c)
{
    sl_segment *s = c->segment;
    const sl_writer_entry w = s->writers.items[c->writer];
    for (uint32_t g = 0; g < s->writers.items[c->writer].group_count; g++) {
        const uint32_t group = s->writers.items[c->writer].group_first + g;
        SL_TRY(sl_segment_chunks(s, group, &c->chunks, c->err));
        for (size_t i = 0; i < c->chunks.count; i++) {
            steplog_status status = check_chunk(c, group, &c->chunks.items[i]);
            if (status < 0 && status != STEPLOG_CORRUPT) return status;
        }
    }
    for (uint32_t i = 0; i < w.record_count; i++) {
        steplog_status status = check_record(c, &s->records.items[w.record_first + i]);
        if (status < 0 && status != STEPLOG_CORRUPT) return status;
    }
    return STEPLOG_OK;
}

steplog_status sl_segment_broken(sl_segment *s, uint32_t writer, const sl_ranges **out, steplog_error *err)
{
    if (!s->checks && !(s->checks = sl_alloc_zero(s->writers.count, sizeof *s->checks))) return no_memory(err);
    sl_writer_check *result = &s->checks[writer];
    *out = &result->broken;
    if (result->is_done) return STEPLOG_OK;
    check c = {.segment = s, .writer = writer, .err = err};
    steplog_status status = check_writer(&c);
    result->broken.count = 0;
    sl_range_pile_settle(&c.good);
    if (status >= 0 && (!sl_segment_ranges(s, writer, &result->broken, NULL) ||
                        !sl_ranges_subtract(&result->broken, &c.good.set)))
        status = no_memory(err);
    result->is_done = status >= 0;
    sl_range_pile_free(&c.good);
    SL_VEC_FREE(&c.chunks);
    sl_chunk_free(&c.chunk);
    return status;
}
