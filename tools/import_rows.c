/* import_rows.c: finds a schema for each row.
 *
 * Files have few shapes of rows (a training line, a validation line), and a schema for each keeps columns that come
 * together in one block. But a file that leaves cells empty at random, or whose columns appear one after another, has
 * as many shapes as rows, and a schema for one row costs more than the row. So the first rows are held back until
 * there are enough to tell: shapes that many rows have get schemas of their own, all others share one wide schema with
 * presence bits. A later row that no schema fits is held back in the same way with those after it, so that schemas are
 * made at most once in ROWS_HELD_MAX rows (or BYTES_HELD_MAX), however many columns are new. */
#include "import_rows.h"

#include "print.h"

#include <stdlib.h>
#include <string.h>

enum {
    SHAPES_MAX = 32, /* with schemas of their own */
    SHAPE_ROWS_MIN = 16,
    ROWS_HELD_MAX = 4096,
    BYTES_HELD_MAX = 8 << 20
};

void import_rows_init(import_rows *r, steplog_writer *writer) { *r = (import_rows){.writer = writer}; }

void import_rows_clear(import_rows *r)
{
    for (size_t i = 0; i < r->shape_count; i++) {
        free(r->shapes[i].columns);
    }
    free(r->shapes);
    free(r->metrics);
    free(r->is_named);
    free(r->place);
    free(r->wide_values);
    free(r->wide_present);
    free(r->held);
    free(r->held_values);
    *r = (import_rows){0};
}

/* Makes room for every column of the table. */
static void grow(import_rows *r, size_t count)
{
    if (count <= r->metric_count) {
        return;
    }
    const size_t capacity = count * 2;
    const size_t more = capacity - r->metric_count;
    r->metrics = xrealloc(r->metrics, capacity * sizeof *r->metrics);
    r->is_named = xrealloc(r->is_named, capacity * sizeof *r->is_named);
    r->place = xrealloc(r->place, capacity * sizeof *r->place);
    memset(r->is_named + r->metric_count, 0, more * sizeof *r->is_named);
    memset(r->place + r->metric_count, 0, more * sizeof *r->place);
    r->metric_count = capacity;
}

static steplog_status make_schema(import_rows *r, const import_table *t, const uint32_t *columns, size_t count,
                                  steplog_schema *out, steplog_error *err)
{
    steplog_metric *metrics = xcalloc(count, sizeof *metrics);
    steplog_status status = STEPLOG_OK;
    for (size_t i = 0; i < count && status == STEPLOG_OK; i++) {
        const import_column *column = &t->columns[columns[i]];
        if (!r->is_named[columns[i]]) {
            status = steplog_writer_metric(r->writer, column->name, column->name_bytes, &r->metrics[columns[i]], err);
            r->is_named[columns[i]] = status == STEPLOG_OK;
        }
        metrics[i] = r->metrics[columns[i]];
    }
    if (status == STEPLOG_OK) {
        status = steplog_writer_schema(r->writer, metrics, count, out, err);
    }
    free(metrics);
    return status;
}

static size_t find_shape(const import_rows *r, const import_row *row, uint64_t hash)
{
    for (size_t i = 0; i < r->shape_count; i++) {
        const import_shape *shape = &r->shapes[i];
        if (shape->hash == hash && shape->count == row->count &&
            memcmp(shape->columns, row->columns, row->count * sizeof *row->columns) == 0) {
            return i;
        }
    }
    return r->shape_count;
}

static size_t add_shape(import_rows *r, const import_row *row, uint64_t hash)
{
    if (r->shape_count == r->shape_capacity) {
        r->shape_capacity = r->shape_capacity == 0 ? SHAPES_MAX : r->shape_capacity * 2;
        r->shapes = xrealloc(r->shapes, r->shape_capacity * sizeof *r->shapes);
    }
    const size_t bytes = row->count * sizeof *row->columns;
    r->shapes[r->shape_count] = (import_shape){.columns = xmalloc(bytes), .count = row->count, .hash = hash};
    memcpy(r->shapes[r->shape_count].columns, row->columns, bytes);
    r->held_bytes += bytes + sizeof *r->shapes;
    return r->shape_count++;
}

/* ---- the wide schema ---- */

static int is_in_wide(const import_rows *r, const import_row *row)
{
    for (size_t i = 0; i < row->count; i++) {
        if (r->place[row->columns[i]] == 0) {
            return 0;
        }
    }
    return 1;
}

/* Marks every column that has held a number. Returns how many. */
static size_t mark_seen(const import_table *t, uint8_t *is_wanted)
{
    size_t count = 0;
    for (size_t i = 0; i < t->column_count; i++) {
        is_wanted[i] = t->columns[i].number_count > 0;
        count += is_wanted[i];
    }
    return count;
}

/* Marks the columns of the rows held back, from `first` on, that have no schema of their own: of as many as fit. */
static void mark_held(const import_rows *r, size_t first, uint8_t *is_wanted)
{
    size_t count = 0;
    for (size_t i = first; i < r->held_count; i++) {
        const import_shape *shape = &r->shapes[r->held[i].shape];
        size_t more = 0;
        for (size_t k = 0; k < shape->count && !shape->is_own; k++) {
            more += !is_wanted[shape->columns[k]];
        }
        if (i > first && count + more > STEPLOG_ROW_METRICS_MAX) {
            break;
        }
        for (size_t k = 0; k < shape->count && !shape->is_own; k++) {
            is_wanted[shape->columns[k]] = 1;
        }
        count += more;
    }
}

/* Makes the wide schema for the rows held back from `first` on; when there was one, for every column there is, for
 * more of them will come. */
static steplog_status widen(import_rows *r, const import_table *t, size_t first, steplog_error *err)
{
    uint8_t *is_wanted = xcalloc(t->column_count, sizeof *is_wanted);
    uint32_t *columns = xcalloc(t->column_count, sizeof *columns);
    size_t count = r->wide_count > 0 ? mark_seen(t, is_wanted) : 0;
    if (count == 0 || count > STEPLOG_ROW_METRICS_MAX) {
        memset(is_wanted, 0, t->column_count * sizeof *is_wanted);
        mark_held(r, first, is_wanted);
    }
    count = 0;
    for (size_t i = 0; i < t->column_count; i++) {
        if (is_wanted[i]) {
            columns[count++] = (uint32_t)i;
        }
    }
    const steplog_status status = make_schema(r, t, columns, count, &r->wide, err);
    if (status == STEPLOG_OK) {
        memset(r->place, 0, r->metric_count * sizeof *r->place);
        for (size_t i = 0; i < count; i++) {
            r->place[columns[i]] = (uint32_t)i + 1;
        }
        r->wide_count = count;
        r->wide_values = xrealloc(r->wide_values, count * sizeof *r->wide_values);
        r->wide_present = xrealloc(r->wide_present, (count / 64 + 1) * sizeof *r->wide_present);
    }
    free(columns);
    free(is_wanted);
    return status;
}

static steplog_status append_wide(import_rows *r, const import_row *row)
{
    memset(r->wide_present, 0, (r->wide_count / 64 + 1) * sizeof *r->wide_present);
    memset(r->wide_values, 0, r->wide_count * sizeof *r->wide_values);
    for (size_t i = 0; i < row->count; i++) {
        const size_t place = r->place[row->columns[i]] - 1;
        r->wide_values[place] = row->values[i];
        r->wide_present[place / 64] |= (uint64_t)1 << (place % 64);
    }
    return steplog_writer_append_present(r->writer, r->wide, row->step, row->time_ns, r->wide_values, r->wide_present);
}

/* ---- rows held back ---- */

static void hold(import_rows *r, const import_row *row, uint64_t hash)
{
    size_t shape = find_shape(r, row, hash);
    if (shape == r->shape_count) {
        shape = add_shape(r, row, hash);
    }
    r->shapes[shape].held_count++;
    if (r->held_count == r->held_capacity) {
        r->held_capacity = r->held_capacity == 0 ? 64 : r->held_capacity * 2;
        r->held = xrealloc(r->held, r->held_capacity * sizeof *r->held);
    }
    if (r->held_value_capacity - r->held_value_count < row->count) {
        r->held_value_capacity = (r->held_value_count + row->count) * 2;
        r->held_values = xrealloc(r->held_values, r->held_value_capacity * sizeof *r->held_values);
    }
    r->held[r->held_count++] = (import_held){row->step, row->time_ns, shape, r->held_value_count};
    memcpy(r->held_values + r->held_value_count, row->values, row->count * sizeof *row->values);
    r->held_value_count += row->count;
    r->held_bytes += row->count * sizeof *row->values + sizeof *r->held;
}

/* Gives the shapes that most of the rows held back have schemas of their own. */
static void choose_shapes(import_rows *r)
{
    const size_t least = r->held_count < SHAPE_ROWS_MIN ? r->held_count : SHAPE_ROWS_MIN;
    while (r->own_count < SHAPES_MAX) {
        import_shape *best = NULL;
        for (size_t i = 0; i < r->shape_count; i++) {
            import_shape *shape = &r->shapes[i];
            if (!shape->is_own && shape->held_count >= least &&
                (best == NULL || shape->held_count > best->held_count)) {
                best = shape;
            }
        }
        if (best == NULL) {
            return;
        }
        best->is_own = 1;
        r->own_count++;
    }
}

static steplog_status append_own(import_rows *r, const import_table *t, import_shape *shape, const import_row *row,
                                 steplog_error *err)
{
    if (!shape->is_made) {
        const steplog_status status = make_schema(r, t, shape->columns, shape->count, &shape->schema, err);
        if (status != STEPLOG_OK) {
            return status;
        }
        shape->is_made = 1;
    }
    return steplog_writer_append(r->writer, shape->schema, row->step, row->time_ns, row->values);
}

/* Counts a row that was appended. Returns the status. */
static steplog_status note_appended(import_rows *r, const import_row *row, steplog_status status)
{
    if (status == STEPLOG_OK) {
        r->row_count++;
        r->point_count += row->count;
    }
    return status;
}

static steplog_status append_held(import_rows *r, const import_table *t, size_t index, steplog_error *err)
{
    const import_held *held = &r->held[index];
    import_shape *shape = &r->shapes[held->shape];
    const import_row row = {.step = held->step,
                            .time_ns = held->time_ns,
                            .count = shape->count,
                            .columns = shape->columns,
                            .values = r->held_values + held->value};
    if (!shape->is_own && !is_in_wide(r, &row)) {
        const steplog_status status = r->is_wide_full ? STEPLOG_LIMIT : widen(r, t, index, err);
        if (status == STEPLOG_LIMIT) {
            /* More than a schema holds: one for just this shape, as long as the writer has room for them. */
            r->is_wide_full = 1;
            err->text[0] = 0;
        } else if (status != STEPLOG_OK) {
            return status;
        }
    }
    const steplog_status status = shape->is_own || !is_in_wide(r, &row) ? append_own(r, t, shape, &row, err)
                                                                        : append_wide(r, &row);
    return note_appended(r, &row, status);
}

/* Forgets the rows held back, and the shapes that have no schema of their own. */
static void drop_held(import_rows *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->shape_count; i++) {
        r->shapes[i].held_count = 0;
        if (r->shapes[i].is_own) {
            r->shapes[kept++] = r->shapes[i];
        } else {
            free(r->shapes[i].columns);
        }
    }
    r->shape_count = kept;
    r->held_count = 0;
    r->held_value_count = 0;
    r->held_bytes = 0;
}

/* Sees to it that *err has words. */
static steplog_status finish(const import_rows *r, steplog_status status, steplog_error *err)
{
    if (status < 0 && err->text[0] == 0) {
        steplog_writer_error(r->writer, err);
    }
    return status;
}

steplog_status import_rows_flush(import_rows *r, const import_table *t, steplog_error *err)
{
    steplog_status status = STEPLOG_OK;
    choose_shapes(r);
    for (size_t i = 0; i < r->held_count && status == STEPLOG_OK; i++) {
        status = append_held(r, t, i, err);
    }
    drop_held(r);
    r->has_begun = 1;
    return finish(r, status, err);
}

steplog_status import_rows_append(import_rows *r, const import_table *t, const import_row *row, steplog_error *err)
{
    const uint64_t hash = import_hash(row->count, row->columns, row->count * sizeof *row->columns);
    grow(r, t->column_count);
    if (r->has_begun && r->held_count == 0) {
        const size_t index = find_shape(r, row, hash);
        if (index < r->shape_count || is_in_wide(r, row)) {
            const steplog_status status = index < r->shape_count ? append_own(r, t, &r->shapes[index], row, err)
                                                                 : append_wide(r, row);
            return finish(r, note_appended(r, row, status), err);
        }
    }
    hold(r, row, hash);
    return r->held_count < ROWS_HELD_MAX && r->held_bytes < BYTES_HELD_MAX ? STEPLOG_OK : import_rows_flush(r, t, err);
}
