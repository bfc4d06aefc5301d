/* import_rows.c: finds a schema for each row.
 *
 * Files have few shapes of rows (a training line, a validation line), and a schema for each keeps columns that come
 * together in one block. A file that leaves cells empty at random would have as many shapes as rows: after SHAPES_MAX
 * of them the others share one wide schema, with presence bits. */
#include "import_rows.h"

#include "print.h"

#include <stdlib.h>
#include <string.h>

enum { SHAPES_MAX = 32 };

void import_rows_init(import_rows *r, steplog_writer *writer)
{
    *r = (import_rows){.writer = writer, .shapes = xcalloc(SHAPES_MAX, sizeof *r->shapes)};
}

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

static const import_shape *find_shape(const import_rows *r, const import_row *row, uint64_t hash)
{
    for (size_t i = 0; i < r->shape_count; i++) {
        const import_shape *shape = &r->shapes[i];
        if (shape->hash == hash && shape->count == row->count &&
            memcmp(shape->columns, row->columns, row->count * sizeof *row->columns) == 0) {
            return shape;
        }
    }
    return NULL;
}

static steplog_status add_shape(import_rows *r, const import_table *t, const import_row *row, uint64_t hash,
                                steplog_error *err)
{
    import_shape *shape = &r->shapes[r->shape_count];
    const steplog_status status = make_schema(r, t, row->columns, row->count, &shape->schema, err);
    if (status == STEPLOG_OK) {
        shape->columns = xmalloc(row->count * sizeof *row->columns);
        memcpy(shape->columns, row->columns, row->count * sizeof *row->columns);
        shape->count = row->count;
        shape->hash = hash;
        r->shape_count++;
    }
    return status;
}

static int is_in_wide(const import_rows *r, const import_row *row)
{
    for (size_t i = 0; i < row->count; i++) {
        if (r->place[row->columns[i]] == 0) {
            return 0;
        }
    }
    return 1;
}

/* Makes the wide schema anew from every column that has held a number. */
static steplog_status widen(import_rows *r, const import_table *t, steplog_error *err)
{
    uint32_t *columns = xcalloc(t->column_count, sizeof *columns);
    size_t count = 0;
    for (size_t i = 0; i < t->column_count; i++) {
        if (t->columns[i].number_count > 0) {
            columns[count++] = (uint32_t)i;
        }
    }
    const steplog_status status = make_schema(r, t, columns, count, &r->wide, err);
    if (status == STEPLOG_OK) {
        for (size_t i = 0; i < count; i++) {
            r->place[columns[i]] = (uint32_t)i + 1;
        }
        r->wide_count = count;
        r->wide_values = xrealloc(r->wide_values, count * sizeof *r->wide_values);
        r->wide_present = xrealloc(r->wide_present, (count / 64 + 1) * sizeof *r->wide_present);
    }
    free(columns);
    return status;
}

static steplog_status append_wide(import_rows *r, const import_table *t, const import_row *row, steplog_error *err)
{
    if (!is_in_wide(r, row)) {
        steplog_schema own;
        steplog_status status = r->is_wide_full ? STEPLOG_LIMIT : widen(r, t, err);
        if (status == STEPLOG_LIMIT) {
            /* More columns than a row holds: a schema for just this row, as long as the writer has room for them. */
            r->is_wide_full = 1;
            err->text[0] = 0;
            status = make_schema(r, t, row->columns, row->count, &own, err);
            return status == STEPLOG_OK
                       ? steplog_writer_append(r->writer, own, row->step, row->time_ns, row->values)
                       : status;
        }
        if (status != STEPLOG_OK) {
            return status;
        }
    }
    memset(r->wide_present, 0, (r->wide_count / 64 + 1) * sizeof *r->wide_present);
    memset(r->wide_values, 0, r->wide_count * sizeof *r->wide_values);
    for (size_t i = 0; i < row->count; i++) {
        const size_t place = r->place[row->columns[i]] - 1;
        r->wide_values[place] = row->values[i];
        r->wide_present[place / 64] |= (uint64_t)1 << (place % 64);
    }
    return steplog_writer_append_present(r->writer, r->wide, row->step, row->time_ns, r->wide_values, r->wide_present);
}

static steplog_status append(import_rows *r, const import_table *t, const import_row *row, steplog_error *err)
{
    const uint64_t hash = import_hash(row->count, row->columns, row->count * sizeof *row->columns);
    const import_shape *shape = find_shape(r, row, hash);
    if (shape == NULL && r->shape_count < SHAPES_MAX) {
        const steplog_status status = add_shape(r, t, row, hash, err);
        if (status != STEPLOG_OK) {
            return status;
        }
        shape = &r->shapes[r->shape_count - 1];
    }
    return shape != NULL ? steplog_writer_append(r->writer, shape->schema, row->step, row->time_ns, row->values)
                         : append_wide(r, t, row, err);
}

steplog_status import_rows_append(import_rows *r, const import_table *t, const import_row *row, steplog_error *err)
{
    grow(r, t->column_count);
    const steplog_status status = append(r, t, row, err);
    if (status < 0 && err->text[0] == 0) {
        steplog_writer_error(r->writer, err);
    }
    return status;
}
