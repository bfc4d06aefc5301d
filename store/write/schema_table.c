/* write/schema_table.c: names to metrics, lists of metrics to schemas, each by a hash. */
#include "write/schema_table.h"

#include "format/checksum.h"

static uint64_t hash_list(const uint32_t *metrics, uint32_t count) { return sl_hash(metrics, count * sizeof *metrics); }

int sl_schema_table_find_metric(const sl_schema_table *table, const char *name, uint32_t bytes, uint32_t *index)
{
    size_t probe = 0;
    uint64_t hash = sl_hash(name, bytes);
    while (sl_hash_map_find(&table->by_name, hash, &probe, index)) {
        const sl_metric_entry *metric = &table->metrics.items[*index];
        if (metric->bytes == bytes && memcmp(metric->name, name, bytes) == 0) return 1;
    }
    return 0;
}

char *sl_schema_table_prepare_metric(sl_schema_table *table, const char *name, uint32_t bytes)
{
    if (!SL_VEC_RESERVE(&table->metrics, table->metrics.count + 1)) return NULL;
    if (!sl_hash_map_reserve(&table->by_name)) return NULL;
    return sl_copy_bytes(name, bytes);
}

uint32_t sl_schema_table_add_metric(sl_schema_table *table, char *take_name, uint32_t bytes)
{
    uint32_t index = (uint32_t)table->metrics.count++;
    sl_hash_map_add(&table->by_name, sl_hash(take_name, bytes), index);
    table->metrics.items[index] = (sl_metric_entry){take_name, bytes};
    table->names_bytes += sl_schema_table_metric_bytes(bytes);
    return index;
}

int sl_schema_table_find_schema(const sl_schema_table *table, const uint32_t *metrics, uint32_t count, uint32_t *index)
{
    size_t probe = 0;
    uint64_t hash = hash_list(metrics, count);
    while (sl_hash_map_find(&table->by_list, hash, &probe, index)) {
        const sl_schema_list *schema = &table->schemas.items[*index];
        if (schema->count == count && memcmp(schema->metrics, metrics, count * sizeof *metrics) == 0) return 1;
    }
    return 0;
}

uint32_t *sl_schema_table_prepare_schema(sl_schema_table *table, const uint32_t *metrics, uint32_t count)
{
    if (!SL_VEC_RESERVE(&table->schemas, table->schemas.count + 1)) return NULL;
    if (!sl_hash_map_reserve(&table->by_list)) return NULL;
    return sl_copy_bytes(metrics, count * sizeof *metrics);
}

uint32_t sl_schema_table_add_schema(sl_schema_table *table, uint32_t *take_metrics, uint32_t count)
{
    uint32_t index = (uint32_t)table->schemas.count++;
    sl_hash_map_add(&table->by_list, hash_list(take_metrics, count), index);
    table->schemas.items[index] = (sl_schema_list){take_metrics, count};
    table->names_bytes += sl_schema_table_list_bytes(count);
    return index;
}

int sl_schema_table_is_list_good(sl_schema_table *table, const uint32_t *metrics, uint32_t count)
{
    size_t words = table->metrics.count / 64 + 1;
    if (words > table->seen_words) {
        uint64_t *bigger = sl_resize(table->seen, words, sizeof *bigger);
        if (!bigger) return -1;
        memset(bigger + table->seen_words, 0, (words - table->seen_words) * sizeof *bigger);
        table->seen = bigger;
        table->seen_words = words;
    }
    int is_good = 1;
    uint32_t i = 0;
    for (; i < count && is_good; i++) {
        uint64_t bit = (uint64_t)1 << (metrics[i] % 64);
        if (metrics[i] >= table->metrics.count || (table->seen[metrics[i] / 64] & bit)) {
            is_good = 0;
            break;
        }
        table->seen[metrics[i] / 64] |= bit;
    }
    while (i-- > 0) table->seen[metrics[i] / 64] &= ~((uint64_t)1 << (metrics[i] % 64));
    return is_good;
}

void sl_schema_table_free(sl_schema_table *table)
{
    for (size_t i = 0; i < table->metrics.count; i++) sl_free(table->metrics.items[i].name);
    for (size_t i = 0; i < table->schemas.count; i++) sl_free(table->schemas.items[i].metrics);
    SL_VEC_FREE(&table->metrics);
    SL_VEC_FREE(&table->schemas);
    sl_hash_map_free(&table->by_name);
    sl_hash_map_free(&table->by_list);
    sl_free(table->seen);
    *table = (sl_schema_table){0};
}
