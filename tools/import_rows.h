/* import_rows.h: rows of an import table into a writer. */
#ifndef STEPLOG_IMPORT_ROWS_H
#define STEPLOG_IMPORT_ROWS_H

#include "import_table.h"

#include <steplog.h>

/* The columns of a row, in order. */
typedef struct import_shape {
    uint32_t *columns;
    size_t count;
    uint64_t hash;
    size_t held_count; /* rows held back that have it */
    int is_own;        /* has a schema of its own; the rows of others are in wide */
    int is_made;       /* schema is there */
    steplog_schema schema;
} import_shape;

typedef struct import_held {
    int64_t step, time_ns;
    size_t shape; /* in shapes */
    size_t value; /* the first one, in held_values */
} import_held;

/* What a writer knows of the table's columns, and the rows that wait until their schemas are chosen. */
typedef struct import_rows {
    steplog_writer *writer;
    uint64_t row_count, point_count; /* appended */
    steplog_metric *metrics;         /* by column */
    uint8_t *is_named;
    size_t metric_count;
    import_shape *shapes; /* of their own; while rows are held back theirs too */
    size_t shape_count, shape_capacity;
    size_t own_count;
    /* the schema for rows of rare shapes */
    steplog_schema wide;
    uint32_t *place; /* by column: its place in wide plus 1, 0: not in it */
    size_t wide_count;
    int is_wide_full; /* it could not be made wide enough */
    double *wide_values;
    uint64_t *wide_present;
    /* rows held back */
    int has_begun; /* rows were appended: only those are held back that no schema fits, and all after them */
    import_held *held;
    size_t held_count, held_capacity;
    double *held_values;
    size_t held_value_count, held_value_capacity;
    size_t held_bytes;
} import_rows;

void import_rows_init(import_rows *r, steplog_writer *writer);

/* Forgets rows that are held back. */
void import_rows_clear(import_rows *r);

/* Appends a row, or holds it back until enough are there to choose schemas for them. Rows are appended in the order in
 * which they come. Returns what the library answered; *err says more when that is a failure: row_count rows are
 * recorded then, and those held back are forgotten. */
steplog_status import_rows_append(import_rows *r, const import_table *t, const import_row *row, steplog_error *err);

/* Appends the rows held back. The table is the one they came with. Returns as import_rows_append() does. */
steplog_status import_rows_flush(import_rows *r, const import_table *t, steplog_error *err);

#endif
