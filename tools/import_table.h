/* import_table.h: what every parser of import feeds: named cells become records, records become rows.
 *
 *     import_table_begin(t, line);
 *     import_table_cell(t, import_table_column(t, "loss", 4), "0.25", 4);
 *     code = import_table_end(t);
 *
 * The table finds the record's step and wall time, tells numbers from text, keeps the first text of each column and
 * whether it varied, and hands every record with a number to the row callback. It holds one record at a time. */
#ifndef STEPLOG_IMPORT_TABLE_H
#define STEPLOG_IMPORT_TABLE_H

#include "import_cell.h"

#include <stddef.h>
#include <stdint.h>

#define IMPORT_COLUMNS_MAX 65536u
#define IMPORT_TEXT_BYTES_MAX 4096u /* of a text that may become a param */
#define IMPORT_HELD_BYTES_MAX (32u << 20) /* of names and first texts together */
#define IMPORT_NO_COLUMN UINT32_MAX

/* How a format finds the step. */
typedef enum import_step_rule {
    IMPORT_STEP_FIXED,  /* one column for the whole file: the best of the list below */
    IMPORT_STEP_BY_LINE /* in each record the best of the list: kinds of lines name it differently */
} import_step_rule;

typedef struct import_column {
    char *name; /* terminated; may hold zero bytes */
    size_t name_bytes;
    uint64_t name_hash;
    int step_rank; /* place in the list of step names, -1: none */
    int time_rank; /* place in the list of time names, -1: none */
    uint64_t number_count, text_count, list_count;
    uint64_t step_count, unwhole_count; /* of cells of a step name */
    uint64_t first_text_line;
    char *text; /* the first one, when at most IMPORT_TEXT_BYTES_MAX of UTF-8 */
    size_t text_bytes;
    int is_varied; /* another text came */
    /* in this record */
    uint64_t record; /* the record this cell belongs to, plus 1 */
    import_kind kind;
    double value;
    int has_step, has_time;
    int64_t step, time_ns;
} import_column;

/* A record that is to be recorded. Arrays are lent for the call. */
typedef struct import_row {
    int64_t step;
    int64_t time_ns;
    size_t count;             /* at least 1 */
    const uint32_t *columns;  /* indices into table->columns */
    const double *values;
} import_row;

typedef struct import_table import_table;

/* Takes a row: 0 to go on, anything else ends the import of this file and is passed up. */
typedef int (*import_row_callback)(void *context, const import_table *table, const import_row *row);

typedef struct import_options {
    const char *step_column; /* --step-col: a name, "#" for the record number; NULL: find one */
    const char *time_column; /* --time-col; NULL: find one */
} import_options;

struct import_table {
    import_options options;
    import_step_rule step_rule;
    import_column *columns;
    size_t column_count;
    /* how steps are found, from the head of the file */
    int is_head;          /* only looking: no row is handed on */
    int best_rank;        /* best step name with whole numbers, -1: the record number */
    uint64_t head_hash;   /* of the first record and its names */
    /* counts */
    uint64_t record_count, row_count, point_count; /* in the head row_count is that of records with a number */
    uint64_t empty_records;   /* without a number */
    uint64_t stepless_count;  /* took the step of the record before */
    uint64_t timed_count;     /* rows with a wall time */
    uint64_t repeated_cells;  /* a column twice in a record */
    uint64_t refused_names;   /* not UTF-8, or too many columns */
    uint64_t shared_steps;    /* rows at the step of the row before */
    /* inside */
    import_row_callback callback;
    void *context;
    size_t held_bytes; /* of names and texts */
    uint32_t *index; /* hash table of columns, open addressing */
    size_t index_size;
    uint32_t *touched;
    size_t touched_count, touched_capacity;
    uint64_t line;
    int64_t stamp_ns; /* of the line, or STEPLOG_TIME_NONE */
    int64_t last_step;
    uint32_t step_index; /* the column of the steps, with IMPORT_STEP_FIXED */
    uint32_t *row_columns;
    double *row_values;
    size_t row_capacity;
};

/* Begins to look at the head of a file. */
void import_table_init(import_table *t, const import_options *options, import_step_rule rule);

/* Begins to read the whole: steps come from the step name of that rank, -1: they are record numbers. All but the head's
 * hash is forgotten; rows now go to callback. */
void import_table_start(import_table *t, int step_rank, import_row_callback callback, void *context);
void import_table_clear(import_table *t);

/* Gives the column of a name, a new one if need be; IMPORT_NO_COLUMN for a name that cannot be (not UTF-8, empty,
 * too long, or one of too many): cells of it are dropped and counted. */
uint32_t import_table_column(import_table *t, const char *name, size_t bytes);

void import_table_begin(import_table *t, uint64_t line);
/* The wall time of the line itself; one in a column goes before it. */
void import_table_stamp(import_table *t, int64_t time_ns);
void import_table_cell(import_table *t, uint32_t column, const char *text, size_t bytes);
void import_table_number(import_table *t, uint32_t column, double value, const char *text, size_t bytes);
void import_table_text(import_table *t, uint32_t column, const char *text, size_t bytes);
void import_table_list(import_table *t, uint32_t column);
/* Ends the record; 0, or what the callback answered. is_forced counts it as a record even when it is empty. */
int import_table_end(import_table *t, int is_forced);

/* Forgets the record instead. Returns 0. */
int import_table_drop(import_table *t);

/* After the head: the place of the best step name found, -1 when there is none. */
int import_table_best_rank(const import_table *t);

/* The name steps come from, NULL for the record number. */
const char *import_table_step_name(const import_table *t);
/* Whether steps count epochs. */
int import_table_is_epochs(const import_table *t);

/* The place of a name in the list of step names, -1 when it is none. */
int import_table_step_rank(const char *name, size_t bytes);

/* How a note in the store names a rank: a name of the list, "#" for -1, "=" for --step-col; and back: 0 for "=". */
const char *import_table_rank_text(int rank);
int import_table_rank_parse(const char *text, size_t bytes, int *rank);

uint64_t import_hash(uint64_t seed, const void *data, size_t bytes);

/* The number that stands for a row when rows are compared: its step, time, and the names and bits of its values in
 * any order. */
typedef struct import_row_hash {
    uint64_t sum;
} import_row_hash;
void import_row_hash_begin(import_row_hash *h, int64_t step, int64_t time_ns);
void import_row_hash_add(import_row_hash *h, uint64_t name_hash, double value);

#endif
