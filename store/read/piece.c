/* read/piece.c: from a block to the rows of it that count.
 *
 * A row counts when its file is the one its record is read from, its step is inside the view and below the cut of its
 * attempt, and no tombstone covers it. */
#include "read/piece.h"

#include "base/error.h"

static steplog_status no_memory(steplog_error *err)
{
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read points");
}

void sl_piece_release_rows(sl_piece_set *set, sl_piece *piece)
{
    sl_rows *rows = piece->rows;
    piece->rows = NULL;
    if (!rows) return;
    if (rows->is_packed) {
        sl_rows_free(set->spent);
        set->spent = rows;
        return;
    }
    rows->next = set->unused;
    set->unused = rows;
}

/* Rows without any values: used ones where there are some that are wide enough. */
static sl_rows *take_rows(sl_piece_set *set, const sl_columns *columns)
{
    sl_rows *rows = set->unused;
    if (rows) set->unused = rows->next;
    if (rows && rows->column_capacity < columns->count) {
        sl_rows_free(rows);
        rows = NULL;
    }
    if (rows)
        sl_rows_reset(rows, columns->count);
    else
        rows = sl_rows_new(columns->count);
    if (rows) rows->outputs = columns->output;
    return rows;
}

void sl_pieces_free(sl_piece_set *set)
{
    for (size_t i = 0; i < set->pieces.count; i++) {
        sl_rows_free(set->pieces.items[i].rows);
    }
    for (size_t i = 0; i < set->origins.count; i++) {
        sl_segment_release(set->origins.items[i]->segment);
        sl_free(set->origins.items[i]);
    }
    for (sl_rows *rows = set->unused, *next; rows; rows = next) {
        next = rows->next;
        sl_rows_free(rows);
    }
    set->unused = NULL;
    sl_rows_free(set->spent);
    set->spent = NULL;
    for (size_t i = 0; i < set->columns.count; i++) sl_free(set->columns.items[i]);
    for (size_t i = 0; i < set->filters.count; i++) {
        sl_filter *filter = set->filters.items[i];
        SL_VEC_FREE(&filter->assigned);
        sl_free(filter);
    }
    for (size_t i = 0; i < set->removals.count; i++) {
        sl_removals_clear(set->removals.items[i]);
        sl_free(set->removals.items[i]);
    }
    SL_VEC_FREE(&set->removals);
    SL_VEC_FREE(&set->pieces);
    SL_VEC_FREE(&set->nodes);
    SL_VEC_FREE(&set->origins);
    SL_VEC_FREE(&set->columns);
    SL_VEC_FREE(&set->filters);
    SL_VEC_FREE(&set->chunks);
    sl_chunk_free(&set->chunk);
    sl_table_view_free(&set->chunk_table);
}

/* ---- filtering ---- */

int sl_filter_keeps(const sl_filter *filter, int64_t step, uint64_t sequence, int check_assigned)
{
    if (step < filter->step_begin || step > filter->step_last) return 0;
    if (check_assigned && !sl_ranges_has(&filter->assigned, sequence)) return 0;
    const sl_removal *removal = filter->removals ? sl_removals_of(filter->removals, SL_ALL_OUTPUTS) : NULL;
    return !removal || !sl_removal_covers(removal, step, sequence);
}

/* Clears the presence of values that a tombstone of one metric covers. */
static void remove_values(const sl_filter *filter, sl_rows *rows)
{
    for (uint32_t c = 0; c < rows->column_count; c++) {
        const sl_removal *removal = sl_removals_of(filter->removals, rows->outputs[c]);
        for (uint32_t row = 0; removal && row < rows->row_count; row++)
            if (sl_removal_covers(removal, rows->steps[row], (uint64_t)rows->sequences[row]))
                rows->present[(size_t)c * SL_PRESENT_WORDS + row / 64] &= ~((uint64_t)1 << (row % 64));
    }
}

static void filter_rows(const sl_piece *piece, sl_rows *rows)
{
    const sl_filter *filter = piece->origin->filter;
    if (piece->is_whole && sl_rows_are_full(rows)) return;
    uint32_t kept = 0;
    for (uint32_t row = 0; row < rows->row_count; row++) {
        if (!sl_filter_keeps(filter, rows->steps[row], (uint64_t)rows->sequences[row], !piece->is_whole) ||
            !sl_rows_has_any(rows, row))
            continue;
        if (kept < row) sl_rows_move(rows, row, kept);
        kept++;
    }
    rows->row_count = kept;
}

/* How much of what lies behind a chunk will be read soon: the pages of the pieces that come next, where they follow. */
static void look_ahead(sl_piece_set *set, const sl_piece *piece, const sl_piece *following, size_t count)
{
    uint64_t offset = piece->entry.page_offset + piece->entry.page_bytes;
    set->chunk.next_count = 0;
    set->chunk.next_bytes = 0;
    for (size_t i = 0; i < count && following[i].origin == piece->origin; i++) {
        if (following[i].entry.page_offset != offset || set->chunk.next_bytes > SL_WINDOW_BYTES_MAX) break;
        set->chunk.next_count++;
        set->chunk.next_bytes += following[i].entry.page_bytes;
        offset += following[i].entry.page_bytes;
    }
}

steplog_status sl_piece_decode(sl_piece_set *set, sl_piece *piece, const sl_piece *following, size_t count,
                               steplog_error *err)
{
    const sl_origin *origin = piece->origin;
    piece->row = 0;
    if (piece->rows) return STEPLOG_OK;
    sl_rows *rows = take_rows(set, origin->columns);
    if (!rows) return no_memory(err);
    piece->rows = rows;
    sl_segment *segment = origin->segment;
    look_ahead(set, piece, following, count);
    steplog_status status = sl_segment_chunk(segment, piece->entry.page_offset, &piece->entry, &origin->group, &set->chunk,
                                             err);
    if (status >= 0) status = sl_segment_axis(segment, &set->chunk, SL_PART_STEPS, rows->steps, err);
    if (status >= 0) status = sl_segment_axis(segment, &set->chunk, SL_PART_TIMES, rows->times, err);
    if (status >= 0) status = sl_segment_sequences(segment, &set->chunk, &piece->entry, rows->sequences, err);
    if (status == STEPLOG_CORRUPT) return STEPLOG_OK; /* reported; no rows */
    if (status < 0) return status;
    rows->row_count = set->chunk.head.row_count;
    for (uint32_t c = 0; c < origin->columns->count; c++) {
        uint64_t *present = rows->present + (size_t)c * SL_PRESENT_WORDS;
        if (origin->columns->stored[c] >= set->chunk.head.column_count) continue;
        status = sl_segment_column(segment, &set->chunk, origin->columns->stored[c],
                                   rows->values + (size_t)c * SL_CHUNK_ROWS_MAX, present, err);
        if (status == STEPLOG_CORRUPT)
            memset(present, 0, SL_PRESENT_WORDS * sizeof *present);
        else if (status < 0)
            return status;
    }
    if (origin->filter->removals) remove_values(origin->filter, rows);
    filter_rows(piece, rows);
    return sl_rows_settle(rows, !set->is_arrival_order) ? STEPLOG_OK : no_memory(err);
}

steplog_status sl_piece_pack(sl_piece_set *set, sl_piece *piece, steplog_error *err)
{
    if (piece->rows->is_packed || piece->rows->row_count == 0 || !sl_rows_are_sparse(piece->rows)) return STEPLOG_OK;
    sl_rows *packed = sl_rows_pack(piece->rows, 0); /* they are in order */
    if (!packed) return no_memory(err);
    sl_piece_release_rows(set, piece);
    piece->rows = packed;
    return STEPLOG_OK;
}
