/* read/table_reader.c: entries of the tables that grow with the points (chunks, nodes, statistics), read as they are
 * asked for.
 *
 * A damaged page of chunks makes the reader find the chunks by their own pages (segment_rebuild.c); one of nodes or statistics
 * costs nothing but time. */
#include "base/error.h"
#include "read/segment_rebuild.h"
#include "read/segment_reader.h"

void sl_table_view_free(sl_table_view *view)
{
    sl_page_window_free(&view->window);
    *view = (sl_table_view){0};
}

steplog_status sl_table_entry(sl_segment *s, sl_table_view *view, int table, uint64_t index, uint64_t count,
                              const uint8_t **out, steplog_error *err)
{
    const uint32_t entry_bytes = sl_table_entry_bytes[table];
    const uint32_t most = sl_table_page_most(table, s->trailer.tables[table].entry_count);
    const uint64_t page = index / most, offset = sl_table_page_offset(&s->trailer, table, page);
    /* Whichever page is held: the last one of several is not full. */
    if (index + (count ? count - 1 : 0) >= s->trailer.tables[table].entry_count) {
        view->content = NULL;
        view->bytes = 0;
        return sl_fail(err, STEPLOG_CORRUPT, (int64_t)offset, "'%s': an entry lies behind its table", s->name);
    }
    if (view->segment != s || view->table != table || view->page != page || !view->content) {
        sl_page_item item;
        view->content = NULL;
        size_t ahead = (size_t)((index % most + count + most - 1) / most * (SL_PAGE_HEAD_BYTES + most * entry_bytes));
        sl_page_window_read(&view->window, s, offset, ahead, sl_table_page_kind[table], &item);
        steplog_status status = sl_segment_settle_page(s, offset, sl_table_page_kind[table], &item, err);
        if (status >= 0 && !sl_table_page_is_right(&s->trailer, table, page, item.head.flags, item.content_bytes))
            status = sl_fail(err, STEPLOG_CORRUPT, (int64_t)offset,
                             "'%s': a page of a table has not its length, or is compressed beside others", s->name);
        view->bytes = item.bytes;
        if (status < 0) return status;
        *view = (sl_table_view){view->window, s, table, page, item.bytes, item.content};
    }
    *out = view->content + index % most * entry_bytes;
    return STEPLOG_OK;
}

steplog_status sl_table_run(sl_segment *s, sl_table_view *view, int table, uint64_t index, uint64_t count,
                            const uint8_t **out, uint32_t *run_count, steplog_error *err)
{
    const uint64_t all = s->trailer.tables[table].entry_count;
    const uint32_t most = sl_table_page_most(table, all);
    uint64_t here = most - index % most;
    if (here > all - index && index < all) here = all - index;
    *run_count = (uint32_t)(here < count ? here : count);
    return sl_table_entry(s, view, table, index, count, out, err);
}

/* ---- chunks ---- */

static steplog_status report_table(sl_segment *s, const sl_table_view *view, int table, uint64_t index, const char *what)
{
    uint64_t page = index / sl_table_page_most(table, s->trailer.tables[table].entry_count);
    sl_segment_report(s, sl_table_page_offset(&s->trailer, table, page), view->bytes, what, NULL, NULL, NULL);
    return STEPLOG_CORRUPT;
}

/* Reads chunk entries [first, first + count) of the table. */
static steplog_status read_chunks(sl_segment *s, sl_table_view *view, uint64_t first, uint32_t count, sl_chunk_list *out,
                                  steplog_error *err)
{
    if (!SL_VEC_RESERVE(out, out->count + count)) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read a segment");
    for (uint32_t i = 0, run; i < count; i += run) {
        const uint8_t *in;
        steplog_status status = sl_table_run(s, view, SL_TABLE_CHUNKS, first + i, count - i, &in, &run, err);
        if (status == STEPLOG_CORRUPT)
            return report_table(s, view, SL_TABLE_CHUNKS, first + i, "chunk table is damaged: the index was rebuilt");
        if (status < 0) return status;
        for (uint32_t n = 0; n < run; n++) {
            if (sl_chunk_entry_decode(in + n * SL_CHUNK_ENTRY_BYTES, &out->items[out->count]))
                out->count++;
            else
                report_table(s, view, SL_TABLE_CHUNKS, first + i + n, "chunk entry breaks a rule");
        }
    }
    return STEPLOG_OK;
}

/* Where the rebuilt group of a writer and schema stands, or would: they are sorted by both. */
static size_t find_rebuilt(const sl_segment *s, uint32_t writer, uint32_t schema)
{
    size_t low = 0, high = s->groups.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const sl_group_entry *group = &s->groups.items[middle];
        if (group->writer != writer ? group->writer < writer : group->schema < schema)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What was rebuilt of a group, with first sequences in [from, to]. */
static steplog_status take_rebuilt(sl_segment *s, uint32_t writer, uint32_t schema, uint64_t from, uint64_t to,
                                   sl_chunk_list *out, steplog_error *err)
{
    out->count = 0;
    for (size_t g = find_rebuilt(s, writer, schema); g < s->groups.count; g++) {
        const sl_group_entry *group = &s->groups.items[g];
        if (group->writer != writer || group->schema != schema) break;
        for (uint32_t c = 0; c < group->chunk_count; c++) {
            const sl_chunk_entry *chunk = &s->rebuilt_chunks.items[group->chunk_first + c];
            if (chunk->sequence_first >= from && chunk->sequence_first <= to && !SL_VEC_PUSH(out, *chunk))
                return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read a segment");
        }
    }
    return STEPLOG_OK;
}

steplog_status sl_segment_chunks(sl_segment *s, uint32_t index, sl_chunk_list *out, steplog_error *err)
{
    const sl_group_entry group = s->groups.items[index];
    sl_table_view view = {0};
    steplog_status status = STEPLOG_OK;
    out->count = 0;
    if (!s->is_rebuilt) status = read_chunks(s, &view, group.chunk_first, group.chunk_count, out, err);
    sl_table_view_free(&view);
    if (status == STEPLOG_CORRUPT) status = sl_segment_rebuild_chunks(s, err);
    if (status >= 0 && s->is_rebuilt)
        status = take_rebuilt(s, group.writer, group.schema, 0, UINT64_MAX, out, err);
    return status;
}

steplog_status sl_segment_node_chunks(sl_segment *s, sl_table_view *view, const sl_group_entry *group, uint32_t node,
                                      const sl_node_entry *entry, sl_chunk_list *out, steplog_error *err)
{
    uint32_t before = node * SL_NODE_CHUNKS, left = group->chunk_count - before;
    steplog_status status = STEPLOG_OK;
    out->count = 0;
    if (!s->is_rebuilt)
        status = read_chunks(s, view, (uint64_t)group->chunk_first + before, left < SL_NODE_CHUNKS ? left : SL_NODE_CHUNKS,
                             out, err);
    if (status == STEPLOG_CORRUPT) status = sl_segment_rebuild_chunks(s, err);
    if (status >= 0 && s->is_rebuilt)
        status = take_rebuilt(s, group->writer, group->schema, entry->sequence_first, entry->sequence_last, out, err);
    return status;
}

/* ---- nodes ---- */

steplog_status sl_segment_nodes(sl_segment *s, const sl_group_entry *group, sl_node_list *out, steplog_error *err)
{
    uint32_t count = sl_node_count(group->chunk_count);
    sl_table_view view = {0};
    steplog_status status = STEPLOG_OK;
    out->count = 0;
    if (!SL_VEC_RESERVE(out, count)) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read a segment");
    for (uint32_t n = 0, run; n < count && status >= 0; n += run) {
        const uint8_t *in;
        uint64_t index = (uint64_t)group->node_first + n;
        status = sl_table_run(s, &view, SL_TABLE_NODES, index, count - n, &in, &run, err);
        for (uint32_t i = 0; i < run && status >= 0; i++)
            if (!sl_node_entry_decode(in + i * SL_NODE_ENTRY_BYTES, &out->items[out->count++])) status = STEPLOG_CORRUPT;
        if (status == STEPLOG_CORRUPT)
            report_table(s, &view, SL_TABLE_NODES, index, "node table is damaged: the table of chunks was read instead");
    }
    sl_table_view_free(&view);
    return status;
}
