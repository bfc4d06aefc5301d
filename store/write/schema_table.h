/* write/schema_table.h: the metrics and schemas of one writer: what it restates in every log. */
#ifndef SL_WRITE_SCHEMA_TABLE_H
#define SL_WRITE_SCHEMA_TABLE_H

#include "base/hash_map.h"
#include "base/span.h"
#include "steplog/types.h"

typedef struct sl_metric_entry {
    char *name;
    uint32_t bytes;
} sl_metric_entry;

typedef struct sl_schema_list {
    uint32_t *metrics;
    uint32_t count;
} sl_schema_list;

typedef struct sl_schema_table {
    SL_VEC(sl_metric_entry) metrics;
    SL_VEC(sl_schema_list) schemas;
    sl_hash_map by_name, by_list;
    uint64_t names_bytes; /* of all names and lists: at least what restating costs, but for what is cut into parts */
    uint64_t *seen;       /* scratch for finding doubles: one bit for each metric */
    size_t seen_words;
} sl_schema_table;

/* What one more adds to names_bytes. */
static inline uint64_t sl_schema_table_metric_bytes(uint32_t bytes) { return (uint64_t)bytes + 64; }
static inline uint64_t sl_schema_table_list_bytes(uint32_t count) { return 4 * (uint64_t)count + 64; }

/* 1 and *index when known. */
int sl_schema_table_find_metric(const sl_schema_table *table, const char *name, uint32_t bytes, uint32_t *index);
/* A metric that is not known yet is added in two steps, and its record is written in between: the first takes all
 * memory that the second needs. NULL when out of memory; else a copy of the name, for add_metric(), or to be freed. */
char *sl_schema_table_prepare_metric(sl_schema_table *table, const char *name, uint32_t bytes);
uint32_t sl_schema_table_add_metric(sl_schema_table *table, char *take_name, uint32_t bytes); /* gives its index */

int sl_schema_table_find_schema(const sl_schema_table *table, const uint32_t *metrics, uint32_t count, uint32_t *index);
/* As for a metric. */
uint32_t *sl_schema_table_prepare_schema(sl_schema_table *table, const uint32_t *metrics, uint32_t count);
uint32_t sl_schema_table_add_schema(sl_schema_table *table, uint32_t *take_metrics, uint32_t count);
/* 1 when no metric is in the list twice and all exist; 0 otherwise; -1 when out of memory. */
int sl_schema_table_is_list_good(sl_schema_table *table, const uint32_t *metrics, uint32_t count);

void sl_schema_table_free(sl_schema_table *table);

#endif
