/* read/cursor.c: batches out of a merge.
 *
 * Where the blocks of a view do not overlap, a decoded block is lent as it is. Otherwise rows are joined by step: the
 * n-th point of one series at a step stands beside the n-th of another. */
#include "read/cursor.h"

#include "base/error.h"

#define BATCH_CELLS 524288u /* 4 MiB of values */

/* ---- the arrays ---- */

static steplog_status no_memory(steplog_error *err)
{
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a cursor");
}

static int allocate_columns(sl_batch_arrays *b, size_t count)
{
    double *values = sl_resize(b->values, count * b->rows_max, sizeof *values);
    if (values) b->values = values;
    uint64_t *present = sl_resize(b->present, count * b->words, sizeof *present);
    if (present) b->present = present;
    const double **value_pointers = sl_resize((void *)(uintptr_t)b->value_pointers, count, sizeof *value_pointers);
    if (value_pointers) b->value_pointers = value_pointers;
    const uint64_t **present_pointers = sl_resize((void *)(uintptr_t)b->present_pointers, count,
                                                  sizeof *present_pointers);
    if (present_pointers) b->present_pointers = present_pointers;
    if (!values || !present || !value_pointers || !present_pointers) return 0;
    b->column_capacity = count;
    b->used_rows = b->rows_max; /* it holds anything */
    return 1;
}

steplog_status sl_batch_init(sl_batch_arrays *b, size_t column_count, steplog_error *err)
{
    uint32_t rows = column_count ? (uint32_t)(BATCH_CELLS / column_count) : SL_CHUNK_ROWS_MAX;
    rows = rows > SL_CHUNK_ROWS_MAX ? SL_CHUNK_ROWS_MAX : rows < 64 ? 64 : rows & ~63u;
    *b = (sl_batch_arrays){.rows_max = rows, .words = rows / 64, .column_count = column_count};
    b->steps = sl_alloc(rows * sizeof *b->steps);
    b->times = sl_alloc(rows * sizeof *b->times);
    b->attempts = sl_alloc(rows * sizeof *b->attempts);
    b->writers = sl_alloc(rows * sizeof *b->writers);
    b->sequences = sl_alloc(rows * sizeof *b->sequences);
    b->zeros = sl_alloc_zero(rows, sizeof *b->zeros);
    b->no_presence = sl_alloc_zero(b->words, sizeof *b->no_presence);
    int is_good = b->steps && b->times && b->attempts && b->writers && b->sequences && b->zeros && b->no_presence;
    if (is_good && allocate_columns(b, column_count ? column_count : 8)) {
        sl_batch_start(b);
        return STEPLOG_OK;
    }
    sl_batch_free(b);
    return no_memory(err);
}

steplog_status sl_batch_grow(sl_batch_arrays *b, size_t column_count, steplog_error *err)
{
    if (column_count > b->column_capacity && !allocate_columns(b, column_count * 2)) return no_memory(err);
    b->column_count = column_count;
    b->used_rows = b->rows_max; /* the new columns hold anything */
    sl_batch_start(b);
    return STEPLOG_OK;
}

void sl_batch_start(sl_batch_arrays *b)
{
    b->row_count = 0;
    b->given_steps = b->steps;
    b->given_times = b->times;
    b->given_sequences = b->sequences;
    b->is_filled = 0;
    for (size_t c = 0; c < b->column_count; c++) {
        if (b->used_rows) {
            memset(b->present + c * b->words, 0, (b->used_rows + 63) / 64 * sizeof *b->present);
            memset(b->values + c * b->rows_max, 0, b->used_rows * sizeof *b->values);
        }
        b->value_pointers[c] = b->values + c * b->rows_max;
        b->present_pointers[c] = b->present + c * b->words;
    }
    b->used_rows = 0;
}

void sl_batch_free(sl_batch_arrays *b)
{
    sl_free(b->steps);
    sl_free(b->times);
    sl_free(b->attempts);
    sl_free(b->writers);
    sl_free(b->sequences);
    sl_free(b->zeros);
    sl_free(b->no_presence);
    sl_free(b->values);
    sl_free(b->present);
    sl_free((void *)(uintptr_t)b->value_pointers);
    sl_free((void *)(uintptr_t)b->present_pointers);
    *b = (sl_batch_arrays){0};
}

void sl_batch_give(const sl_batch_arrays *b, steplog_batch *out)
{
    *out = (steplog_batch){.row_count = b->row_count,
                           .column_count = b->column_count,
                           .steps = b->given_steps,
                           .times_ns = b->given_times,
                           .attempts = b->attempts,
                           .writers = b->writers,
                           .sequences = b->given_sequences,
                           .values = b->value_pointers,
                           .present = b->present_pointers};
}

/* ---- opening ---- */

static steplog_status check_view(const steplog_view *view, steplog_error *err)
{
    if (!view) return STEPLOG_OK;
    if (view->size_bytes < sizeof *view) return sl_fail(err, STEPLOG_MISUSE, -1, "view: size_bytes is not set");
    if (view->flags & ~(uint32_t)(STEPLOG_VIEW_ALL_ATTEMPTS | STEPLOG_VIEW_ARRIVAL_ORDER | STEPLOG_VIEW_FOLLOW))
        return sl_fail(err, STEPLOG_MISUSE, -1, "view: unknown flags %#x", (unsigned)view->flags);
    if ((view->flags & STEPLOG_VIEW_FOLLOW) && view->last_count)
        return sl_fail(err, STEPLOG_MISUSE, -1, "view: last_count does not go with FOLLOW");
    return STEPLOG_OK;
}

static int is_empty_view(const steplog_view *view)
{
    return (view->has_end && view->step_end == INT64_MIN) ||
           (view->has_begin && view->has_end && view->step_begin >= view->step_end);
}

#define SNAPSHOTS_MAX 100

static steplog_status logs_too_fast(steplog_error *err)
{
    return sl_fail(err, STEPLOG_IO, -1, "logs change faster than they can be read");
}

/* Collects the pieces, taking the snapshot again when a log went away under it. */
static steplog_status collect(steplog_cursor *c, const sl_piece_view *view, steplog_error *err)
{
    for (int tries = 0; tries < SNAPSHOTS_MAX; tries++) {
        sl_pieces_free(&c->set);
        c->set = (sl_piece_set){.is_arrival_order = (c->view.flags & STEPLOG_VIEW_ARRIVAL_ORDER) != 0};
        steplog_status status = sl_pieces_collect(c->reader, &c->run, c->series.items, c->series.count, view, &c->set,
                                                  err);
        if (status != STEPLOG_WAIT) return status;
        SL_TRY(sl_snapshot_take(c->reader, err));
        c->snapshots_taken++;
    }
    return logs_too_fast(err);
}

static void restart(steplog_cursor *c)
{
    sl_merge_free(&c->merge);
    sl_merge_init(&c->merge, &c->set);
    c->has_step = 0;
    c->carried = 0;
    sl_batch_start(&c->batch);
}

static steplog_status next_batch(steplog_cursor *c, steplog_error *err);

/* Counts the rows that a pass from a step on gives. */
static steplog_status count_rows(steplog_cursor *c, const sl_piece_view *view, uint64_t *count, steplog_error *err)
{
    *count = 0;
    SL_TRY(collect(c, view, err));
    restart(c);
    steplog_status status;
    while ((status = next_batch(c, err)) == STEPLOG_OK) *count += c->batch.row_count;
    return status < 0 ? status : STEPLOG_OK;
}

/* A view of the last n rows: looks back further until there are enough, then passes over what is too much. Rows in the
 * order of arrival may have any steps: all of them are looked at. WAIT when what was counted is another snapshot than
 * what was collected: there may be other rows in it. */
static steplog_status try_last(steplog_cursor *c, sl_piece_view view, steplog_error *err)
{
    uint64_t wanted = c->view.last_count, slack = 1, count = 0;
    const int is_arrival = (c->view.flags & STEPLOG_VIEW_ARRIVAL_ORDER) != 0;
    sl_piece_view back = view;
    SL_TRY(collect(c, &view, err));
    restart(c); /* sorts */
    for (int is_all = 0;; slack *= 8) {
        uint64_t rows = 0;
        size_t at = is_arrival ? 0 : c->set.pieces.count, node = is_arrival ? 0 : c->set.nodes.count;
        back.step_begin = view.step_begin;
        while ((at > 0 || node > 0) && rows < wanted * slack) {
            const sl_piece *piece = at ? &c->set.pieces.items[at - 1] : NULL;
            if (node && (!piece || c->set.nodes.items[node - 1].step_min > piece->step_min)) {
                rows += c->set.nodes.items[--node].entry.row_count;
                back.step_begin = c->set.nodes.items[node].step_min;
                continue;
            }
            at--;
            rows += piece->rows ? piece->rows->row_count : piece->entry.row_count;
            back.step_begin = piece->step_min;
        }
        is_all = at == 0 && node == 0;
        if (is_all) back.step_begin = view.step_begin;
        SL_TRY(count_rows(c, &back, &count, err));
        if (count >= wanted || is_all) break;
        SL_TRY(collect(c, &view, err));
        restart(c);
    }
    const uint64_t counted_in = c->snapshots_taken;
    SL_TRY(collect(c, &back, err));
    restart(c);
    c->skip = count > wanted ? count - wanted : 0;
    return c->snapshots_taken == counted_in ? STEPLOG_OK : STEPLOG_WAIT;
}

static steplog_status open_last(steplog_cursor *c, const sl_piece_view *view, steplog_error *err)
{
    for (int tries = 0; tries < SNAPSHOTS_MAX; tries++) {
        steplog_status status = try_last(c, *view, err);
        if (status != STEPLOG_WAIT) return status;
        c->skip = 0;
    }
    return logs_too_fast(err);
}

static steplog_status open_cursor(steplog_reader *r, const steplog_id *run, const steplog_series *series, size_t count,
                                  const char *selector, const steplog_view *view, steplog_cursor **out,
                                  steplog_error *err)
{
    steplog_cursor *c = sl_alloc_zero(1, sizeof *c);
    if (!c) return no_memory(err);
    c->reader = r;
    c->run = *run;
    if (view) c->view = *view;
    steplog_status status = STEPLOG_OK;
    if (!SL_VEC_RESERVE(&c->series, count)) status = no_memory(err);
    for (size_t i = 0; i < count && status >= 0; i++) c->series.items[c->series.count++] = series[i];
    if (status >= 0) status = sl_batch_init(&c->batch, count, err);
    if (status >= 0 && (c->view.flags & STEPLOG_VIEW_FOLLOW)) {
        status = sl_follow_open(c, selector, err);
    } else if (status >= 0) {
        c->seen_at = sl_alloc_zero(count, sizeof *c->seen_at);
        c->seen_count = sl_alloc_zero(count, sizeof *c->seen_count);
        sl_piece_view wanted = {.all_attempts = (c->view.flags & STEPLOG_VIEW_ALL_ATTEMPTS) != 0,
                                .step_begin = c->view.has_begin ? c->view.step_begin : INT64_MIN,
                                .step_last = c->view.has_end && c->view.step_end > INT64_MIN ? c->view.step_end - 1
                                                                                             : INT64_MAX};
        if (!c->seen_at || !c->seen_count)
            status = no_memory(err);
        else if (is_empty_view(&c->view))
            sl_merge_init(&c->merge, &c->set);
        else if (c->view.last_count)
            status = open_last(c, &wanted, err);
        else if ((status = collect(c, &wanted, err)) >= 0)
            restart(c);
    }
    if (status < 0) {
        steplog_cursor_close(c);
        return status;
    }
    *out = c;
    return STEPLOG_OK;
}

static steplog_status check_each_once(const steplog_reader *r, const steplog_series *series, size_t count,
                                      steplog_error *err)
{
    uint64_t *seen = sl_alloc_zero(r->series.count / 64 + 1, sizeof *seen);
    int is_twice = 0;
    if (!seen) return no_memory(err);
    for (size_t i = 0; i < count && !is_twice; i++) {
        uint64_t bit = (uint64_t)1 << series[i].index % 64;
        is_twice = (seen[series[i].index / 64] & bit) != 0;
        seen[series[i].index / 64] |= bit;
    }
    sl_free(seen);
    return is_twice ? sl_fail(err, STEPLOG_MISUSE, -1, "a series is there twice") : STEPLOG_OK;
}

steplog_status steplog_cursor_open(steplog_reader *r, const steplog_series *series, size_t count,
                                   const steplog_view *view, steplog_cursor **out, steplog_error *err)
{
    if (out) *out = NULL;
    if (!r || !series || !count || !out)
        return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_cursor_open: an argument is NULL or no series is given");
    SL_TRY(check_view(view, err));
    for (size_t i = 0; i < count; i++) {
        if (series[i].index >= r->series.count)
            return sl_fail(err, STEPLOG_MISUSE, -1, "series %zu is not of this reader", i);
        if (!sl_id_equal(&r->series.items[series[i].index].run, &r->series.items[series[0].index].run))
            return sl_fail(err, STEPLOG_MISUSE, -1, "series of more than one run in a cursor");
    }
    SL_TRY(check_each_once(r, series, count, err));
    return open_cursor(r, &r->series.items[series[0].index].run, series, count, NULL, view, out, err);
}

steplog_status steplog_cursor_open_matching(steplog_reader *r, const steplog_id *run, const char *selector,
                                            const steplog_view *view, steplog_cursor **out, steplog_error *err)
{
    sl_selector parsed;
    steplog_series *list = NULL;
    size_t count = 0;
    if (out) *out = NULL;
    if (!r || !run || !out)
        return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_cursor_open_matching: an argument is NULL");
    SL_TRY(check_view(view, err));
    SL_TRY(sl_selector_parse(selector, &parsed, err));
    int is_follow = view && (view->flags & STEPLOG_VIEW_FOLLOW);
    steplog_status status = sl_reader_find(r, run, &parsed, &list, &count, err);
    sl_selector_free(&parsed);
    if (is_follow && status == STEPLOG_MISSING) status = STEPLOG_OK;
    if (status >= 0 && count == 0 && !is_follow)
        status = sl_fail(err, STEPLOG_MISSING, -1, "no series matches '%s'", selector ? selector : "*");
    if (status >= 0) status = open_cursor(r, run, list, count, selector ? selector : "*", view, out, err);
    sl_free(list);
    return status;
}

void steplog_cursor_close(steplog_cursor *c)
{
    if (!c) return;
    sl_follow_close(c);
    sl_merge_free(&c->merge);
    sl_pieces_free(&c->set);
    sl_batch_free(&c->batch);
    sl_free(c->seen_at);
    sl_free(c->seen_count);
    SL_VEC_FREE(&c->series);
    sl_free(c);
}

steplog_status steplog_cursor_series(const steplog_cursor *c, size_t column, steplog_series *out)
{
    if (!c || !out || column >= c->series.count) return STEPLOG_MISUSE;
    *out = c->series.items[column];
    return STEPLOG_OK;
}

/* ---- batches ---- */

static void describe_row(sl_batch_arrays *b, uint32_t to, const sl_piece *piece, uint32_t from)
{
    b->steps[to] = piece->rows->steps[from];
    b->times[to] = piece->rows->times[from];
    b->sequences[to] = (uint64_t)piece->rows->sequences[from];
    b->attempts[to] = piece->origin->attempt;
    b->writers[to] = piece->origin->writer;
}

/* Rows of logs and removed values hold anything where nothing is present. */
static void zero_missing(double *values, const uint64_t *present, uint32_t count)
{
    for (uint32_t begin = 0; begin < count; begin += 64) {
        uint64_t missing = ~present[begin / 64];
        if (count - begin < 64) missing &= ((uint64_t)1 << (count - begin)) - 1;
        for (; missing; missing &= missing - 1) values[begin + (uint32_t)__builtin_ctzll(missing)] = 0;
    }
}

/* All rows of a lent block are of one writer: the arrays that say so seldom change. */
static void fill_writer(sl_batch_arrays *b, uint32_t attempt, uint32_t writer)
{
    if (b->is_filled && b->filled_attempt == attempt && b->filled_writer == writer) return;
    for (uint32_t i = 0; i < b->rows_max; i++) {
        b->attempts[i] = attempt;
        b->writers[i] = writer;
    }
    b->is_filled = 1;
    b->filled_attempt = attempt;
    b->filled_writer = writer;
}

/* Lends rows of one piece, a table, where they are: they stay there until the next piece is decoded. Presence bits are moved to
 * begin at bit 0. */
static void lend(steplog_cursor *c, const sl_piece *piece, uint32_t count)
{
    sl_batch_arrays *b = &c->batch;
    sl_rows *rows = piece->rows;
    uint32_t from = piece->row, shift = from % 64, words = (count + 63) / 64;
    if (rows->column_count < b->column_count)
        for (size_t col = 0; col < b->column_count; col++) {
            b->value_pointers[col] = b->zeros;
            b->present_pointers[col] = b->no_presence;
        }
    for (uint32_t n = 0; n < rows->column_count; n++) {
        uint32_t col = rows->outputs[n];
        const uint64_t *source = rows->present + (size_t)n * rows->words + from / 64;
        uint64_t *to = b->present + col * b->words;
        double *values = rows->values + (size_t)n * rows->stride + from;
        for (uint32_t w = 0; w < words; w++) {
            to[w] = source[w] >> shift;
            if (shift && from / 64 + w + 1 < rows->words) to[w] |= source[w + 1] << (64 - shift);
        }
        if (count % 64) to[words - 1] &= ((uint64_t)1 << (count % 64)) - 1;
        zero_missing(values, to, count);
        b->value_pointers[col] = values;
        b->present_pointers[col] = to;
    }
    b->given_steps = rows->steps + from;
    b->given_times = rows->times + from;
    b->given_sequences = (const uint64_t *)rows->sequences + from; /* numbers are never negative */
    fill_writer(b, piece->origin->attempt, piece->origin->writer);
    if (count > b->used_rows) b->used_rows = count; /* of presence */
    b->row_count = count;
}

static void begin_step(steplog_cursor *c, int64_t step)
{
    if (c->has_step && c->step == step) return;
    c->has_step = 1;
    c->step = step;
    c->stamp++;
    c->step_given = 0;
    c->step_row = c->batch.row_count;
}

/* The row of the batch that the next point of a column at the current step belongs to. */
static uint64_t place_of(const steplog_cursor *c, uint32_t column)
{
    uint64_t count = c->seen_at[column] == c->stamp ? c->seen_count[column] : 0;
    return c->step_row + (count > c->step_given ? count - c->step_given : 0);
}

/* Joins one row to the batch. 0 when it does not fit any more. */
static int join(steplog_cursor *c, const sl_piece *piece)
{
    sl_batch_arrays *b = &c->batch;
    const sl_rows *rows = piece->rows;
    uint32_t from = piece->row, n;
    uint64_t furthest = 0;
    double value;
    begin_step(c, rows->steps[from]);
    for (uint32_t at = 0; sl_rows_next(rows, from, &at, &n, &value);) {
        uint64_t place = place_of(c, rows->outputs[n]);
        if (place > furthest) furthest = place;
    }
    if (furthest >= b->rows_max) return 0;
    for (uint32_t at = 0; sl_rows_next(rows, from, &at, &n, &value);) {
        uint32_t column = rows->outputs[n];
        uint32_t place = (uint32_t)place_of(c, column);
        while (b->row_count <= place) describe_row(b, b->row_count++, piece, from);
        sl_batch_put(b, place, column, value);
        /* A column that had fewer points than rows were given goes on with the rows of this batch. */
        if (c->seen_at[column] != c->stamp || c->seen_count[column] < c->step_given)
            c->seen_count[column] = c->step_given;
        c->seen_at[column] = c->stamp;
        c->seen_count[column]++;
    }
    return 1;
}

/* As recorded: each row by itself. */
static int append_row(steplog_cursor *c, const sl_piece *piece)
{
    sl_batch_arrays *b = &c->batch;
    if (b->row_count == b->rows_max) return 0;
    uint32_t row = b->row_count++, from = piece->row, n;
    double value;
    describe_row(b, row, piece, from);
    for (uint32_t at = 0; sl_rows_next(piece->rows, from, &at, &n, &value);)
        sl_batch_put(b, row, piece->rows->outputs[n], value);
    return 1;
}

/* Takes the first rows out of a batch. */
static void drop_rows(sl_batch_arrays *b, uint32_t count)
{
    uint32_t left = b->row_count - count;
    memmove(b->steps, b->steps + count, left * sizeof *b->steps);
    memmove(b->times, b->times + count, left * sizeof *b->times);
    memmove(b->attempts, b->attempts + count, left * sizeof *b->attempts);
    memmove(b->writers, b->writers + count, left * sizeof *b->writers);
    memmove(b->sequences, b->sequences + count, left * sizeof *b->sequences);
    for (size_t c = 0; c < b->column_count; c++) {
        uint64_t *present = b->present + c * b->words;
        memmove(b->values + c * b->rows_max, b->values + c * b->rows_max + count, left * sizeof *b->values);
        for (uint32_t row = 0; row < b->row_count; row++) {
            uint32_t from = row + count;
            uint64_t bit = row < left ? present[from / 64] >> (from % 64) & 1 : 0;
            present[row / 64] = (present[row / 64] & ~((uint64_t)1 << (row % 64))) | bit << (row % 64);
        }
    }
    b->row_count = left;
}

/* Begins a batch with the rows of the step that the last one had no room for. */
static void begin_with_carried(steplog_cursor *c)
{
    sl_batch_arrays *b = &c->batch;
    b->row_count = c->step_row + c->carried;
    drop_rows(b, c->step_row);
    for (size_t col = 0; col < b->column_count; col++)
        memset(b->values + col * b->rows_max + c->carried, 0, (b->rows_max - c->carried) * sizeof *b->values);
    c->step_row = c->carried = 0;
}

/* Fills the next batch: OK with rows, or END. */
static steplog_status next_batch(steplog_cursor *c, steplog_error *err)
{
    sl_piece *piece;
    int is_arrival = c->set.is_arrival_order, is_clear = 0;
    c->batch.row_count = 0;
    if (c->carried) {
        begin_with_carried(c);
        is_clear = 1;
    } else if (c->has_step) { /* rows of the step that was being joined went out in the last batch */
        uint64_t most = 0;
        for (size_t col = 0; col < c->batch.column_count; col++)
            if (c->seen_at[col] == c->stamp && c->seen_count[col] > most) most = c->seen_count[col];
        c->step_given = most;
        c->step_row = 0;
    }
    for (;;) {
        SL_TRY(sl_merge_top(&c->merge, &piece, err));
        if (!piece) break;
        const sl_rows *rows = piece->rows;
        uint32_t length = c->batch.row_count == 0 && !rows->list_begin && (is_arrival || rows->is_increasing)
                              ? sl_merge_run_length(&c->merge)
                              : 0;
        if (length > c->batch.rows_max) length = c->batch.rows_max;
        if (length && !(c->has_step && !is_arrival && c->step == rows->steps[piece->row])) {
            if (c->skip) { /* these are passed over, or end where the first row that is wanted begins */
                if (length > c->skip) length = (uint32_t)c->skip;
                c->skip -= length;
                if (!is_arrival) c->has_step = 0;
                sl_merge_advance(&c->merge, length);
                continue;
            }
            lend(c, piece, length);
            if (!is_arrival) c->has_step = 0;
            sl_merge_advance(&c->merge, length);
            return STEPLOG_OK;
        }
        if (!is_clear) sl_batch_start(&c->batch); /* only rows that are joined need columns of zeros to begin with */
        is_clear = 1;
        if (!(is_arrival ? append_row(c, piece) : join(c, piece))) {
            /* Only a step with more rows than a batch is split: a later piece may still fill cells of its rows. */
            if (!is_arrival && c->step_row > 0 && c->step_row < c->batch.row_count) {
                c->carried = c->batch.row_count - c->step_row;
                c->batch.row_count = c->step_row;
            }
            break;
        }
        sl_merge_advance(&c->merge, 1);
    }
    return c->batch.row_count ? STEPLOG_OK : STEPLOG_END;
}

steplog_status steplog_cursor_next(steplog_cursor *c, steplog_batch *out, int32_t wait_ms, steplog_error *err)
{
    if (!c || !out) return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_cursor_next: an argument is NULL");
    *out = (steplog_batch){0};
    steplog_status status;
    if (c->follow) {
        status = sl_follow_next(c, wait_ms, err);
        if (status == STEPLOG_OK) sl_batch_give(&c->batch, out);
        return status;
    }
    do {
        /* Rows that were taken when it failed are gone: what comes behind them must not look like all there is. */
        if (c->failed == STEPLOG_OK) {
            status = next_batch(c, &c->failure);
            if (status < 0) c->failed = status;
        }
        if (c->failed < 0) {
            if (err) *err = c->failure;
            return c->failed;
        }
        if (status != STEPLOG_OK) return status;
        uint32_t skip = c->skip < c->batch.row_count ? (uint32_t)c->skip : c->batch.row_count;
        if (skip) drop_rows(&c->batch, skip);
        c->skip -= skip;
    } while (c->batch.row_count == 0);
    sl_batch_give(&c->batch, out);
    return STEPLOG_OK;
}
