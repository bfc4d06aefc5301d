/* format/log_dictionary.c: filled by the log walk as it meets WRITER, NAME and SCHEMA records. */
#include "format/log_dictionary.h"

#include "base/utf8.h"

static steplog_status add_name(sl_log_dictionary *dictionary, uint32_t index, const uint8_t *content, uint32_t bytes)
{
    if (index >= STEPLOG_WRITER_METRICS_MAX || bytes == 0 || bytes > STEPLOG_NAME_BYTES_MAX) return STEPLOG_CORRUPT;
    if (!sl_utf8_check((const char *)content, bytes, NULL)) return STEPLOG_CORRUPT;
    /* Indices are given out one by one, so one that is far ahead would only be a way to ask for memory. */
    if (index > dictionary->names.count + 65536) return STEPLOG_CORRUPT;
    while (dictionary->names.count <= index)
        if (!SL_VEC_PUSH(&dictionary->names, (sl_dictionary_name){0})) return STEPLOG_NOMEM;
    sl_dictionary_name *name = &dictionary->names.items[index];
    if (name->text)
        return name->bytes == bytes && memcmp(name->text, content, bytes) == 0 ? STEPLOG_OK : STEPLOG_CORRUPT;
    name->text = sl_copy_bytes(content, bytes);
    name->bytes = bytes;
    return name->text ? STEPLOG_OK : STEPLOG_NOMEM;
}

/* 1 when a metric, each of which has a name, stands twice in a list; 0 when not; -1: no memory. */
static int has_metric_twice(const sl_log_dictionary *dictionary, const uint32_t *metrics, uint32_t count)
{
    int is_twice = 0;
    if (count == 1) return 0;
    uint64_t *seen = sl_alloc_zero(dictionary->names.count / 64 + 1, sizeof *seen);
    if (!seen) return -1;
    for (uint32_t i = 0; i < count && !is_twice; i++) {
        uint64_t bit = (uint64_t)1 << metrics[i] % 64;
        is_twice = (seen[metrics[i] / 64] & bit) != 0;
        seen[metrics[i] / 64] |= bit;
    }
    sl_free(seen);
    return is_twice;
}

static steplog_status add_schema(sl_log_dictionary *dictionary, uint32_t index, const uint8_t *content, uint32_t bytes)
{
    uint32_t count = bytes / 4;
    if (index >= STEPLOG_WRITER_SCHEMAS_MAX || bytes % 4 || count == 0 || count > STEPLOG_ROW_METRICS_MAX)
        return STEPLOG_CORRUPT;
    for (uint32_t i = 0; i < count; i++)
        if (!sl_dictionary_name_of(dictionary, sl_load32(content + 4 * i))) return STEPLOG_CORRUPT;
    while (dictionary->schemas.count <= index)
        if (!SL_VEC_PUSH(&dictionary->schemas, (sl_dictionary_schema){0})) return STEPLOG_NOMEM;
    sl_dictionary_schema *schema = &dictionary->schemas.items[index];
    if (schema->metrics) {
        if (schema->count != count) return STEPLOG_CORRUPT;
        for (uint32_t i = 0; i < count; i++)
            if (schema->metrics[i] != sl_load32(content + 4 * i)) return STEPLOG_CORRUPT;
        return STEPLOG_OK;
    }
    uint32_t *metrics = sl_alloc(count * sizeof *metrics);
    if (!metrics) return STEPLOG_NOMEM;
    for (uint32_t i = 0; i < count; i++) metrics[i] = sl_load32(content + 4 * i);
    int twice = has_metric_twice(dictionary, metrics, count);
    if (twice) {
        sl_free(metrics);
        return twice < 0 ? STEPLOG_NOMEM : STEPLOG_CORRUPT;
    }
    *schema = (sl_dictionary_schema){metrics, count};
    return STEPLOG_OK;
}

static steplog_status add_writer(sl_log_dictionary *dictionary, const uint8_t *content, uint32_t bytes)
{
    if (dictionary->has_writer)
        return dictionary->writer_bytes.bytes == bytes && memcmp(dictionary->writer_bytes.data, content, bytes) == 0
                   ? STEPLOG_OK
                   : STEPLOG_CORRUPT;
    sl_buffer_clear(&dictionary->writer_bytes);
    sl_buffer_put(&dictionary->writer_bytes, content, bytes);
    if (dictionary->writer_bytes.is_out_of_memory) return STEPLOG_NOMEM;
    sl_writer_description writer; /* a malformed one leaves nothing behind */
    if (!sl_writer_description_decode(dictionary->writer_bytes.data, bytes, &writer)) return STEPLOG_CORRUPT;
    dictionary->writer = writer;
    dictionary->has_writer = 1;
    return STEPLOG_OK;
}

steplog_status sl_dictionary_add(sl_log_dictionary *dictionary, unsigned kind, uint32_t index, const uint8_t *content,
                                 uint32_t bytes)
{
    if (kind == SL_RECORD_NAME) return add_name(dictionary, index, content, bytes);
    if (kind == SL_RECORD_SCHEMA) return add_schema(dictionary, index, content, bytes);
    return add_writer(dictionary, content, bytes);
}

const sl_dictionary_name *sl_dictionary_name_of(const sl_log_dictionary *dictionary, uint32_t metric)
{
    if (metric >= dictionary->names.count || !dictionary->names.items[metric].text) return NULL;
    return &dictionary->names.items[metric];
}

const sl_dictionary_schema *sl_dictionary_schema_of(const sl_log_dictionary *dictionary, uint32_t schema)
{
    if (schema >= dictionary->schemas.count || !dictionary->schemas.items[schema].metrics) return NULL;
    return &dictionary->schemas.items[schema];
}

void sl_dictionary_free(sl_log_dictionary *dictionary)
{
    for (size_t i = 0; i < dictionary->names.count; i++) sl_free(dictionary->names.items[i].text);
    for (size_t i = 0; i < dictionary->schemas.count; i++) sl_free(dictionary->schemas.items[i].metrics);
    SL_VEC_FREE(&dictionary->names);
    SL_VEC_FREE(&dictionary->schemas);
    sl_buffer_free(&dictionary->writer_bytes);
    *dictionary = (sl_log_dictionary){0};
}
