/* format/log_dictionary.h: what the indices in a log's records mean: names, schemas, the writer. */
#ifndef SL_FORMAT_LOG_DICTIONARY_H
#define SL_FORMAT_LOG_DICTIONARY_H

#include "base/hash_map.h"
#include "format/fact_codec.h"
#include "format/log_header.h"

typedef struct sl_dictionary_name {
    char *text; /* with a zero byte behind it */
    uint32_t bytes;
    uint32_t metric;
} sl_dictionary_name;

typedef struct sl_dictionary_schema {
    uint32_t *metrics;
    uint32_t *places; /* of the same metrics in names */
    uint32_t count;
    uint32_t schema;
} sl_dictionary_schema;

#define SL_NO_PLACE UINT32_MAX

/* Names and schemas stand in the order in which they were met, and are found by their index: so an index that is far
 * ahead of the others takes no more memory than any. */
typedef struct sl_log_dictionary {
    const sl_log_header *header; /* of the log, lent: no writer but its own is taken. NULL: any */
    SL_VEC(sl_dictionary_name) names;
    SL_VEC(sl_dictionary_schema) schemas;
    sl_hash_map name_places, schema_places; /* by index */
    sl_hash_map by_text;
    uint32_t metric_limit; /* above the largest metric named */
    sl_buffer writer_bytes; /* the description, as stored */
    sl_writer_description writer; /* lent from writer_bytes; zero until has_writer */
    int has_writer;
} sl_log_dictionary;

/* Takes in the content of a WRITER, NAME or SCHEMA record. OK; CORRUPT when it breaks a rule or differs
 * from what was said before; NOMEM. */
steplog_status sl_dictionary_add(sl_log_dictionary *dictionary, unsigned kind, uint32_t index, const uint8_t *content,
                                 uint32_t bytes);

/* Where the name of a metric stands in names, or SL_NO_PLACE. Places stay. */
uint32_t sl_dictionary_place_of(const sl_log_dictionary *dictionary, uint32_t metric);
/* Where a name stands by its text. */
uint32_t sl_dictionary_place_of_text(const sl_log_dictionary *dictionary, const char *text, uint32_t bytes);

/* NULL when index means nothing yet. */
const sl_dictionary_name *sl_dictionary_name_of(const sl_log_dictionary *dictionary, uint32_t metric);
const sl_dictionary_schema *sl_dictionary_schema_of(const sl_log_dictionary *dictionary, uint32_t schema);

void sl_dictionary_free(sl_log_dictionary *dictionary);

#endif
