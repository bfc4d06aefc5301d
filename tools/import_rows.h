/* import_rows.h: rows of an import table into a writer. */
#ifndef STEPLOG_IMPORT_ROWS_H
#define STEPLOG_IMPORT_ROWS_H

#include "import_table.h"

#include <steplog.h>

typedef struct import_shape {
    uint32_t *columns;
    size_t count;
    uint64_t hash;
    steplog_schema schema;
} import_shape;

/* What a writer knows of the table's columns. */
typedef struct import_rows {
    steplog_writer *writer;
    steplog_metric *metrics; /* by column */
    uint8_t *is_named;
    size_t metric_count;
    import_shape *shapes;
    size_t shape_count;
    /* the schema of all columns, for rows of no known shape */
    steplog_schema wide;
    uint32_t *place; /* by column: its place in wide plus 1, 0: not in it */
    size_t wide_count;
    int is_wide_full; /* there are more columns than a schema may have */
    double *wide_values;
    uint64_t *wide_present;
} import_rows;

void import_rows_init(import_rows *r, steplog_writer *writer);
void import_rows_clear(import_rows *r);

/* Appends a row. Returns what the library answered; *err says more when that is a failure. */
steplog_status import_rows_append(import_rows *r, const import_table *t, const import_row *row, steplog_error *err);

#endif
