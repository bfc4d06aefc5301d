/* fuzz/fuzz_bodies.c: facts, blob heads, writer descriptions (format/fact_codec.h) and what a log's dictionary takes.
 *
 * Input: u8 which, then the body. What is well formed has one encoding: encoded again it must be the same bytes. */
#include "fuzz/fuzz.h"

#include "base/utf8.h"
#include "format/log_dictionary.h"

#include <stdlib.h>

enum { IS_FACT, IS_BLOB, IS_WRITER, IS_DICTIONARY, KIND_COUNT };

static void must_be_text(const char *text, size_t bytes)
{
    FUZZ_HOLDS(sl_utf8_check(text, bytes, NULL), "a text of %zu bytes", bytes);
}

static void must_be_same(const sl_buffer *again, const uint8_t *data, size_t bytes)
{
    FUZZ_HOLDS(again->bytes == bytes && memcmp(again->data, data, bytes) == 0, "%zu bytes became %zu others", bytes,
               again->bytes);
}

static void take_fact(const uint8_t *data, size_t bytes)
{
    sl_fact fact;
    sl_buffer again = {0};
    if (!sl_fact_decode(data, bytes, &fact)) return;
    if (fact.has_key) must_be_text(fact.key, fact.key_bytes);
    if (fact.has_value) must_be_text(fact.value, fact.value_bytes);
    sl_fact_encode(&fact, &again);
    must_be_same(&again, data, bytes);
    sl_buffer_free(&again);
}

static void take_blob(const uint8_t *data, size_t bytes)
{
    sl_blob blob;
    size_t head_bytes;
    sl_buffer again = {0};
    if (!sl_blob_decode(data, bytes, &blob, &head_bytes)) return;
    FUZZ_HOLDS(head_bytes <= bytes && blob.data_bytes <= STEPLOG_BLOB_BYTES_MAX, "head of %zu bytes", head_bytes);
    must_be_text(blob.name, blob.name_bytes);
    must_be_text(blob.content_type, blob.content_type_bytes);
    sl_blob_encode(&blob, &again);
    must_be_same(&again, data, head_bytes);
    sl_buffer_free(&again);
}

static void take_writer(const uint8_t *data, size_t bytes)
{
    sl_writer_description writer;
    sl_buffer again = {0};
    const char *key, *value;
    uint32_t key_bytes, value_bytes, labels = 0;
    if (!sl_writer_description_decode(data, bytes, &writer)) return;
    must_be_text(writer.host, writer.host_bytes);
    must_be_text(writer.step_axis, writer.step_axis_bytes);
    sl_span span = sl_span_of(writer.labels, writer.labels_bytes);
    for (; sl_label_next(&span, &key, &key_bytes, &value, &value_bytes); labels++) {
        must_be_text(key, key_bytes);
        must_be_text(value, value_bytes);
    }
    FUZZ_HOLDS(labels == writer.label_count && span.left == 0 && !span.is_bad, "%u labels of %u", labels,
               writer.label_count);
    sl_writer_description_encode(&writer, &again);
    must_be_same(&again, data, bytes);
    sl_buffer_free(&again);
}

/* Pieces of u8 kind, u16 index, u16 bytes, content. */
static void take_dictionary(const uint8_t *data, size_t bytes)
{
    static const unsigned kinds[] = {SL_RECORD_WRITER, SL_RECORD_NAME, SL_RECORD_SCHEMA};
    fuzz_input input = fuzz_input_of(data, bytes);
    sl_log_dictionary dictionary = {0};
    while (input.left > 0) {
        unsigned kind = kinds[fuzz_take(&input, 1) % 3];
        uint32_t index = (uint32_t)fuzz_take(&input, 2), content_bytes = (uint32_t)fuzz_take(&input, 2);
        if (content_bytes > input.left) content_bytes = (uint32_t)input.left;
        uint8_t *content = fuzz_copy(input.at, content_bytes, 0, 0);
        steplog_status status = sl_dictionary_add(&dictionary, kind, index, content, content_bytes);
        FUZZ_HOLDS(status == STEPLOG_OK || status == STEPLOG_CORRUPT, "status %d", (int)status);
        if (status == STEPLOG_OK) { /* the same again is allowed, and said */
            status = sl_dictionary_add(&dictionary, kind, index, content, content_bytes);
            FUZZ_HOLDS(status == STEPLOG_OK, "restated: status %d", (int)status);
        }
        free(content);
        input.at += content_bytes;
        input.left -= content_bytes;
    }
    for (uint32_t i = 0; i < dictionary.schemas.count; i++) {
        const sl_dictionary_schema *schema = sl_dictionary_schema_of(&dictionary, i);
        for (uint32_t j = 0; schema && j < schema->count; j++) {
            const sl_dictionary_name *name = sl_dictionary_name_of(&dictionary, schema->metrics[j]);
            FUZZ_HOLDS(name, "schema %u names metric %u", i, schema->metrics[j]);
            must_be_text(name->text, name->bytes);
        }
    }
    sl_dictionary_free(&dictionary);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input input = fuzz_input_of(data, bytes);
    unsigned which = (unsigned)fuzz_take(&input, 1) % KIND_COUNT;
    uint8_t *copy = fuzz_copy(input.at, input.left, 0, 0);
    fuzz_memory_begin(FUZZ_MEMORY_BYTES_MAX);
    switch (which) {
    case IS_FACT: take_fact(copy, input.left); break;
    case IS_BLOB: take_blob(copy, input.left); break;
    case IS_WRITER: take_writer(copy, input.left); break;
    default: take_dictionary(copy, input.left);
    }
    fuzz_memory_end();
    free(copy);
    return 0;
}
