/* table.h: rows of cells, printed in whatever format was asked for.
 *
 *     out_file o; (out_open(&o, path) before)
 *     table *t = table_new(&o, format, has_header);
 *     table_column(t, "run", TABLE_LEFT);
 *     table_column(t, "steps", TABLE_RIGHT);
 *     for (...) { table_text(t, name); table_uint(t, steps); table_end_row(t); }
 *     table_finish(t);
 *
 * On a terminal columns are aligned: widths come from the first rows (all of a short table), later rows stream, and
 * columns for which there is no room are left out and named on stderr. In a pipe TSV, exact. JSON is {"schema": 1, NAME: [{column: cell}...]}; JSONL an object a line. Missing cells are ""
 * (TSV, CSV), "-" (table), absent (JSON). Memory is bounded. */
#ifndef STEPLOG_TABLE_H
#define STEPLOG_TABLE_H

#include "args.h"
#include "print.h"

typedef enum table_format {
    TABLE_AUTO, /* aligned on a terminal, TSV elsewhere */
    TABLE_ALIGNED,
    TABLE_TSV,
    TABLE_CSV,
    TABLE_JSON,
    TABLE_JSONL
} table_format;

typedef enum table_align {
    TABLE_LEFT, /* cut short where a terminal is too narrow */
    TABLE_RIGHT,
    TABLE_WHOLE /* left, never cut: times, ids */
} table_align;

typedef struct table table;

/* json_name  key of the rows in JSON output: "runs", "points". */
table *table_new(out_file *o, table_format format, int has_header, const char *json_name);

/* Adds a column, before the first row. name is copied; duplicates get no help. */
void table_column(table *t, const char *name, table_align align);
void table_column_bytes(table *t, const char *name, size_t bytes, table_align align);

/* Makes JSON output only the list, for a place within other JSON. */
void table_embed(table *t);

/* Adds a member beside the rows in JSON output, before the first row. */
void table_json_member(table *t, const char *key, const char *value);

/* The next cell of the row. */
void table_none(table *t);
void table_text(table *t, const char *text); /* NULL is none */
void table_text_bytes(table *t, const char *text, size_t bytes);
void table_double(table *t, double value);   /* exact everywhere */
void table_double_brief(table *t, double value); /* 6 digits on a terminal, else exact */
void table_int(table *t, int64_t value);
void table_uint(table *t, uint64_t value);
void table_bytes(table *t, uint64_t value);  /* "1.2M" on a terminal, else the number */
void table_time(table *t, int64_t time_ns);  /* RFC 3339; none for STEPLOG_TIME_NONE */
void table_age(table *t, int64_t time_ns, int64_t now_ns); /* "3m ago" on a terminal, else RFC 3339 */
void table_color(table *t, const char *sgr); /* of the next cell: "31"; only where there is colour */

void table_end_row(table *t);

/* Prints what is still held (and an empty JSON list), frees the table. */
void table_finish(table *t);

/* The table_format that is in force. */
table_format table_get_format(const table *t);

/* The five options that choose a format, for an options table, and what to do with them. */
enum { TABLE_OPT_JSON = 9001, TABLE_OPT_JSONL, TABLE_OPT_CSV, TABLE_OPT_TSV, TABLE_OPT_NO_HEADER, TABLE_OPT_OUTPUT };
#define TABLE_OPTIONS                                                                         \
    {TABLE_OPT_JSON, 0, "json", NULL, "print one JSON object"},                               \
    {TABLE_OPT_JSONL, 0, "jsonl", NULL, "print one JSON object a line"},                      \
    {TABLE_OPT_CSV, 0, "csv", NULL, "print CSV"},                                             \
    {TABLE_OPT_TSV, 0, "tsv", NULL, "print TSV, also on a terminal"},                         \
    {TABLE_OPT_NO_HEADER, 0, "no-header", NULL, "leave the header line out"},                 \
    {TABLE_OPT_OUTPUT, 'o', "output", "FILE", "write to FILE, which appears when complete"}

typedef struct table_options {
    table_format format;
    int is_headless;
    const char *output; /* -o FILE, or NULL */
} table_options;

/* Takes one of those options; answers 1 if id was one. */
int table_option(table_options *options, const args *a, int id);

#endif
