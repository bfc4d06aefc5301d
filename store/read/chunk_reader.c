/* read/chunk_reader.c: blocks of a segment, taken apart and decoded where the windows hold their pages. */
#include "base/error.h"
#include "format/int_codec.h"
#include "read/segment_reader.h"

static steplog_status no_memory(steplog_error *err)
{
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read a segment");
}

/* Reads one page and insists on its kind. */
static steplog_status read_window(sl_segment *s, sl_page_window *window, uint64_t offset, size_t ahead, unsigned kind,
                                  sl_page_item *item, steplog_error *err)
{
    sl_page_window_read(window, s, offset, ahead, kind, item);
    return sl_segment_settle_page(s, offset, kind, item, err);
}

static steplog_status load_chunk_page(sl_segment *s, uint64_t offset, sl_page_window *window, size_t ahead,
                                      sl_chunk_head *head, uint64_t *bytes, steplog_error *err)
{
    sl_page_item item;
    steplog_status status = read_window(s, window, offset, ahead, SL_PAGE_CHUNK, &item, err);
    *bytes = item.bytes;
    if (status < 0) return status;
    if (!sl_chunk_head_decode(item.content, item.content_bytes, head))
        return sl_fail(err, STEPLOG_CORRUPT, (int64_t)offset, "'%s' at offset %llu: chunk head breaks a rule", s->name,
                       (unsigned long long)offset);
    return STEPLOG_OK;
}

steplog_status sl_segment_chunk(sl_segment *s, uint64_t page_offset, const sl_chunk_entry *entry,
                                const sl_group_entry *group, sl_chunk *chunk, steplog_error *err)
{
    uint64_t bytes = 0;
    chunk->page_offset = page_offset;
    chunk->infos.count = 0;
    steplog_status status = load_chunk_page(s, page_offset, &chunk->page,
                                            entry ? entry->page_bytes + chunk->next_bytes : 0, &chunk->head, &bytes, err);
    if (status >= 0 &&
        ((entry && (entry->row_count != chunk->head.row_count || entry->flags != chunk->head.flags)) ||
         (group && (group->writer != chunk->head.writer || group->schema != chunk->head.schema)) ||
         (s->schemas.count && chunk->head.schema < s->schemas.count &&
          s->schemas.items[chunk->head.schema].name_count != chunk->head.column_count)))
        status = sl_fail(err, STEPLOG_CORRUPT, (int64_t)page_offset,
                         "'%s' at offset %llu: chunk head does not agree with its entry, group or schema", s->name,
                         (unsigned long long)page_offset);
    chunk->directory = sl_chunk_directory_begin(&chunk->head);
    if (status == STEPLOG_CORRUPT)
        sl_segment_report(s, page_offset, bytes, "chunk page is damaged: its axis and short columns are lost", NULL,
                          entry, NULL);
    return status;
}

steplog_status sl_segment_columns(sl_segment *s, sl_chunk *chunk, uint32_t count, steplog_error *err)
{
    sl_column_info info;
    while (chunk->infos.count < count && sl_chunk_directory_next(&chunk->directory, &info))
        if (!SL_VEC_PUSH(&chunk->infos, info)) return no_memory(err);
    if (count == chunk->head.column_count && !chunk->directory.is_bad) sl_chunk_directory_next(&chunk->directory, &info);
    if (chunk->infos.count >= count && !chunk->directory.is_bad) return STEPLOG_OK;
    sl_segment_report(s, chunk->page_offset, 0, "chunk directory breaks a rule", &chunk->head, NULL, NULL);
    return sl_fail(err, STEPLOG_CORRUPT, (int64_t)chunk->page_offset, "'%s' at offset %llu: chunk directory breaks a rule",
                   s->name, (unsigned long long)chunk->page_offset);
}

steplog_status sl_segment_axis(sl_segment *s, sl_chunk *chunk, int part, int64_t *out, steplog_error *err)
{
    sl_chunk_head *head = &chunk->head;
    const uint8_t *bytes = head->part[part];
    uint32_t count = head->part_bytes[part];
    const char *what = "axis reference leads nowhere";
    steplog_status status = STEPLOG_OK;
    if (part == SL_PART_TIMES && count == 0) {
        for (uint32_t i = 0; i < head->row_count; i++) out[i] = STEPLOG_TIME_NONE;
        return STEPLOG_OK;
    }
    if (head->is_reference[part]) {
        sl_chunk_head other;
        uint64_t page_bytes;
        status = head->reference[part] < chunk->page_offset
                     ? load_chunk_page(s, head->reference[part], &chunk->referenced, 0, &other, &page_bytes, err)
                     : STEPLOG_CORRUPT;
        /* The row count is this chunk's own: equal bytes may stand for one row more in one of the two. */
        if (status >= 0 && (other.is_reference[part] || !other.part_bytes[part])) status = STEPLOG_CORRUPT;
        if (status >= 0) {
            bytes = other.part[part];
            count = other.part_bytes[part];
        }
    }
    if (status >= 0) status = sl_int_decode(bytes, count, head->row_count, out, &what);
    if (status == STEPLOG_CORRUPT) {
        sl_segment_report(s, chunk->page_offset, 0, what, head, NULL, NULL);
        sl_fail(err, STEPLOG_CORRUPT, (int64_t)chunk->page_offset, "'%s' at offset %llu: %s", s->name,
                (unsigned long long)chunk->page_offset, what);
    }
    return status;
}

steplog_status sl_segment_sequences(sl_segment *s, sl_chunk *chunk, const sl_chunk_entry *entry, int64_t *out,
                                    steplog_error *err)
{
    SL_TRY(sl_segment_axis(s, chunk, SL_PART_SEQUENCES, out, err));
    if ((uint64_t)out[0] == entry->sequence_first && (uint64_t)out[chunk->head.row_count - 1] == entry->sequence_last)
        return STEPLOG_OK;
    const char *what = "chunk holds other numbers than its entry says";
    sl_segment_report(s, entry->page_offset, entry->page_bytes, what, &chunk->head, entry, NULL);
    return sl_fail(err, STEPLOG_CORRUPT, (int64_t)entry->page_offset, "'%s' at offset %llu: %s", s->name,
                   (unsigned long long)entry->page_offset, what);
}

static void report_column(sl_segment *s, sl_chunk *chunk, uint32_t column, uint64_t offset, uint64_t bytes,
                          const char *what, steplog_error *err)
{
    const sl_schema_names *names;
    int has_name = sl_segment_names(s, chunk->head.schema, &names, NULL) >= 0 && column < names->count;
    char *text = has_name ? sl_copy_bytes(names->names[column], names->bytes[column]) : NULL;
    sl_chunk_entry entry = {0};
    int64_t steps[SL_CHUNK_ROWS_MAX];
    int has_steps = sl_segment_axis(s, chunk, SL_PART_STEPS, steps, NULL) >= 0;
    entry.step_min = INT64_MAX;
    entry.step_max = INT64_MIN;
    for (uint32_t i = 0; has_steps && i < chunk->head.row_count; i++) {
        if (steps[i] < entry.step_min) entry.step_min = steps[i];
        if (steps[i] > entry.step_max) entry.step_max = steps[i];
    }
    sl_segment_report(s, offset, bytes, what, &chunk->head, has_steps ? &entry : NULL, text);
    sl_free(text);
    sl_fail(err, STEPLOG_CORRUPT, (int64_t)offset, "'%s' at offset %llu: %s", s->name, (unsigned long long)offset,
            what);
}

steplog_status sl_segment_payload(sl_segment *s, sl_chunk *chunk, uint32_t column, const uint8_t **payload,
                                  steplog_error *err)
{
    SL_TRY(sl_segment_columns(s, chunk, column + 1, err));
    const sl_column_info *info = &chunk->infos.items[column];
    *payload = info->payload;
    if (!(info->flags & SL_COLUMN_IS_OWN_PAGE)) return STEPLOG_OK;
    uint64_t offset = info->page_distance <= chunk->page_offset ? chunk->page_offset - info->page_distance : 0;
    sl_page_item item;
    sl_page_window *window = &chunk->columns[((uintptr_t)s / sizeof *s + column) % SL_COLUMN_WINDOWS];
    /* The same column of the chunks that follow may follow as well, in pages about as long. */
    size_t page_bytes = SL_PAGE_HEAD_BYTES + info->payload_bytes, ahead = page_bytes;
    if (chunk->next_count && page_bytes < SL_WINDOW_BYTES_MAX) ahead += chunk->next_count * (page_bytes + page_bytes / 16);
    steplog_status status = read_window(s, window, offset, ahead, SL_PAGE_COLUMN, &item, err);
    if (status < 0 && status != STEPLOG_CORRUPT) return status;
    if (status < 0 || item.head.index != column || item.content_bytes != info->payload_bytes) {
        report_column(s, chunk, column, offset, item.bytes,
                      status < 0 ? item.what : "column page does not agree with its chunk", err);
        return STEPLOG_CORRUPT;
    }
    *payload = item.content;
    return STEPLOG_OK;
}

steplog_status sl_segment_column(sl_segment *s, sl_chunk *chunk, uint32_t column, double *values,
                                 uint64_t present[SL_PRESENT_WORDS], steplog_error *err)
{
    const uint8_t *payload;
    const char *what = NULL;
    SL_TRY(sl_segment_payload(s, chunk, column, &payload, err));
    const sl_column_info *info = &chunk->infos.items[column];
    steplog_status status = sl_column_decode(info, payload, chunk->head.row_count, values, present, &what);
    if (status == STEPLOG_CORRUPT) report_column(s, chunk, column, chunk->page_offset, 0, what, err);
    return status;
}

void sl_chunk_free(sl_chunk *chunk)
{
    sl_page_window_free(&chunk->page);
    sl_page_window_free(&chunk->referenced);
    for (unsigned i = 0; i < SL_COLUMN_WINDOWS; i++) sl_page_window_free(&chunk->columns[i]);
    SL_VEC_FREE(&chunk->infos);
}
