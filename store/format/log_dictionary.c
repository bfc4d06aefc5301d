/* format/log_dictionary.c: filled by the log walk as it meets WRITER, NAME and SCHEMA records. */
#include "format/log_dictionary.h"

#include "base/utf8.h"
#include "format/checksum.h"

/* An index is its own hash, spread out. */
static uint64_t hash_of(uint32_t index)
{
    uint64_t x = ((uint64_t)index + 1) * 0x9E3779B97F4A7C15u;
    return x ^ x >> 32;
}

uint32_t sl_dictionary_place_of(const sl_log_dictionary *dictionary, uint32_t metric)
{
    uint32_t place;
    for (size_t probe = 0; sl_hash_map_find(&dictionary->name_places, hash_of(metric), &probe, &place);)
        if (dictionary->names.items[place].metric == metric) return place;
    return SL_NO_PLACE;
}

/* Where a name stands, whichever metric has it. */
static uint32_t find_text(const sl_log_dictionary *dictionary, uint64_t hash, const uint8_t *content, uint32_t bytes)
{
    uint32_t place;
    for (size_t probe = 0; sl_hash_map_find(&dictionary->by_text, hash, &probe, &place);) {
        const sl_dictionary_name *name = &dictionary->names.items[place];
        if (name->bytes == bytes && memcmp(name->text, content, bytes) == 0) return place;
    }
    return SL_NO_PLACE;
}

uint32_t sl_dictionary_place_of_text(const sl_log_dictionary *dictionary, const char *text, uint32_t bytes)
{
    return find_text(dictionary, sl_hash_text(text, bytes), (const uint8_t *)text, bytes);
}

/* Puts a name behind the others. 1, or 0 when out of memory: then nothing changed. */
static int push_name(sl_log_dictionary *dictionary, uint64_t hash, uint32_t index, const uint8_t *content, uint32_t bytes)
{
    sl_dictionary_name name = {.text = sl_copy_bytes(content, bytes), .bytes = bytes, .metric = index};
    if (name.text && SL_VEC_PUSH(&dictionary->names, name)) {
        if (sl_hash_map_add(&dictionary->by_text, hash, (uint32_t)dictionary->names.count - 1)) return 1;
        dictionary->names.count--;
    }
    sl_free(name.text);
    return 0;
}

static steplog_status add_name(sl_log_dictionary *dictionary, uint32_t index, const uint8_t *content, uint32_t bytes)
{
    if (index >= STEPLOG_WRITER_METRICS_MAX || bytes == 0 || bytes > STEPLOG_NAME_BYTES_MAX) return STEPLOG_CORRUPT;
    if (!sl_utf8_check((const char *)content, bytes, NULL)) return STEPLOG_CORRUPT;
    /* Indices are given out one by one, so none is far ahead. */
    if (index > dictionary->metric_limit + 65536) return STEPLOG_CORRUPT;
    const sl_dictionary_name *known = sl_dictionary_name_of(dictionary, index);
    if (known) return known->bytes == bytes && memcmp(known->text, content, bytes) == 0 ? STEPLOG_OK : STEPLOG_CORRUPT;
    uint64_t hash = sl_hash_text(content, bytes);
    uint32_t place = find_text(dictionary, hash, content, bytes);
    /* What two metrics of one name hold could not be told apart. */
    if (place != SL_NO_PLACE && dictionary->names.items[place].metric != index) return STEPLOG_CORRUPT;
    if (place == SL_NO_PLACE) {
        if (!push_name(dictionary, hash, index, content, bytes)) return STEPLOG_NOMEM;
        place = (uint32_t)dictionary->names.count - 1;
    }
    if (!sl_hash_map_add(&dictionary->name_places, hash_of(index), place)) return STEPLOG_NOMEM;
    if (index >= dictionary->metric_limit) dictionary->metric_limit = index + 1;
    return STEPLOG_OK;
}

/* 1 when a place stands twice in a list; 0 when not; -1: no memory. */
static int has_place_twice(const sl_log_dictionary *dictionary, const uint32_t *places, uint32_t count)
{
    int is_twice = 0;
    if (count == 1) return 0;
    uint64_t *seen = sl_alloc_zero(dictionary->names.count / 64 + 1, sizeof *seen);
    if (!seen) return -1;
    for (uint32_t i = 0; i < count && !is_twice; i++) {
        uint64_t bit = (uint64_t)1 << places[i] % 64;
        is_twice = (seen[places[i] / 64] & bit) != 0;
        seen[places[i] / 64] |= bit;
    }
    sl_free(seen);
    return is_twice;
}

static int is_same_list(const sl_dictionary_schema *schema, const uint8_t *content, uint32_t count)
{
    if (schema->count != count) return 0;
    for (uint32_t i = 0; i < count; i++)
        if (schema->metrics[i] != sl_load32(content + 4 * i)) return 0;
    return 1;
}

static steplog_status add_schema(sl_log_dictionary *dictionary, uint32_t index, const uint8_t *content, uint32_t bytes)
{
    uint32_t count = bytes / 4;
    if (index >= STEPLOG_WRITER_SCHEMAS_MAX || bytes % 4 || count == 0 || count > STEPLOG_ROW_METRICS_MAX)
        return STEPLOG_CORRUPT;
    const sl_dictionary_schema *known = sl_dictionary_schema_of(dictionary, index);
    if (known) return is_same_list(known, content, count) ? STEPLOG_OK : STEPLOG_CORRUPT;
    uint32_t *metrics = sl_alloc(2 * count * sizeof *metrics), *places = metrics + count;
    if (!metrics) return STEPLOG_NOMEM;
    steplog_status status = STEPLOG_OK;
    for (uint32_t i = 0; i < count && status == STEPLOG_OK; i++) {
        metrics[i] = sl_load32(content + 4 * i);
        places[i] = sl_dictionary_place_of(dictionary, metrics[i]);
        if (places[i] == SL_NO_PLACE) status = STEPLOG_CORRUPT;
    }
    if (status == STEPLOG_OK) {
        int twice = has_place_twice(dictionary, places, count);
        if (twice) status = twice < 0 ? STEPLOG_NOMEM : STEPLOG_CORRUPT;
    }
    if (status == STEPLOG_OK &&
        (!SL_VEC_PUSH(&dictionary->schemas, (sl_dictionary_schema){metrics, places, count, index}) ||
         !sl_hash_map_add(&dictionary->schema_places, hash_of(index), (uint32_t)dictionary->schemas.count - 1))) {
        if (dictionary->schemas.count && dictionary->schemas.items[dictionary->schemas.count - 1].metrics == metrics)
            dictionary->schemas.count--;
        status = STEPLOG_NOMEM;
    }
    if (status != STEPLOG_OK) sl_free(metrics);
    return status;
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
    const sl_log_header *header = dictionary->header;
    if (header && (!sl_id_equal(&writer.incarnation, &header->incarnation) || !sl_id_equal(&writer.run, &header->run)))
        return STEPLOG_CORRUPT;
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
    uint32_t place = sl_dictionary_place_of(dictionary, metric);
    return place == SL_NO_PLACE ? NULL : &dictionary->names.items[place];
}

const sl_dictionary_schema *sl_dictionary_schema_of(const sl_log_dictionary *dictionary, uint32_t schema)
{
    uint32_t place;
    for (size_t probe = 0; sl_hash_map_find(&dictionary->schema_places, hash_of(schema), &probe, &place);)
        if (dictionary->schemas.items[place].schema == schema) return &dictionary->schemas.items[place];
    return NULL;
}

void sl_dictionary_free(sl_log_dictionary *dictionary)
{
    for (size_t i = 0; i < dictionary->names.count; i++) sl_free(dictionary->names.items[i].text);
    for (size_t i = 0; i < dictionary->schemas.count; i++) sl_free(dictionary->schemas.items[i].metrics); /* places too */
    SL_VEC_FREE(&dictionary->names);
    SL_VEC_FREE(&dictionary->schemas);
    sl_hash_map_free(&dictionary->name_places);
    sl_hash_map_free(&dictionary->schema_places);
    sl_hash_map_free(&dictionary->by_text);
    sl_buffer_free(&dictionary->writer_bytes);
    *dictionary = (sl_log_dictionary){0};
}
