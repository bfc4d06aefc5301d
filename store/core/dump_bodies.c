/* core/dump_bodies.c: facts, blob heads, writer descriptions and schemas, as logs and segments share them. */
#include "core/dump.h"

#include "format/fact_codec.h"
#include "steplog/reader.h"

static const char *fact_kind(uint8_t kind)
{
    static const char *const names[] = {"", "SET", "END", "REWIND", "UNDO", "FORK", "TOMBSTONE", "GAP"};
    return kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

void sl_dump_fact(sl_dump *d, const uint8_t *body, size_t bytes, uint64_t offset)
{
    static const sl_dump_field fields[] = {
        {0, 1, 'u', "kind"},       {1, 1, 'u', "flags"},        {2, 2, 'z', ""},        {4, 4, 'u', "attempt"},
        {8, 8, 'u', "lamport"},    {16, 8, 't', "time"},        {24, 8, 'i', "number"}, {32, 4, 'u', "parent attempt"},
        {36, 4, 'u', "key bytes"}, {40, 4, 'u', "value bytes"}, {44, 4, 'z', ""}};
    sl_fact fact;
    sl_dump_begin(d, "fact", offset, bytes);
    if (bytes >= SL_FACT_HEAD_BYTES) SL_DUMP_FIELDS(d, fields, body, offset);
    if (!sl_fact_decode(body, bytes, &fact)) {
        sl_dump_damage(d, offset, bytes, "", "the fact breaks a rule");
        return;
    }
    sl_dump_text(d, offset, 0, "kind name", fact_kind(fact.kind), strlen(fact_kind(fact.kind)));
    uint64_t at = offset + SL_FACT_HEAD_BYTES;
    if (fact.has_steps) {
        sl_dump_i64(d, at, 8, "step begin", fact.step_begin);
        sl_dump_i64(d, at + 8, 8, "step end", fact.step_end);
        at += 16;
    }
    if (fact.has_target) {
        sl_dump_id(d, at, "target", fact.target.bytes);
        sl_dump_u64(d, at + 16, 8, "target sequence", fact.target_sequence);
        at += 24;
    }
    if (fact.has_key) sl_dump_text(d, at, fact.key_bytes, "key", fact.key, fact.key_bytes);
    if (fact.has_value) sl_dump_text(d, at + fact.key_bytes, fact.value_bytes, "value", fact.value, fact.value_bytes);
}

void sl_dump_blob_head(sl_dump *d, const uint8_t *body, size_t bytes, uint64_t offset)
{
    static const sl_dump_field fields[] = {{0, 8, 'i', "step"},        {8, 8, 't', "time"},
                                           {16, 4, 'u', "name bytes"}, {20, 4, 'u', "content type bytes"},
                                           {24, 8, 'u', "data bytes"}, {32, 8, 'x', "content hash"}};
    sl_blob blob;
    size_t head_bytes;
    sl_dump_begin(d, "blob head", offset, bytes);
    if (bytes >= SL_BLOB_HEAD_BYTES) SL_DUMP_FIELDS(d, fields, body, offset);
    if (!sl_blob_decode(body, bytes, &blob, &head_bytes)) {
        sl_dump_damage(d, offset, bytes, "", "the blob head breaks a rule");
        return;
    }
    sl_dump_text(d, offset + SL_BLOB_HEAD_BYTES, blob.name_bytes, "name", blob.name, blob.name_bytes);
    sl_dump_text(d, offset + SL_BLOB_HEAD_BYTES + blob.name_bytes, blob.content_type_bytes, "content type",
                 blob.content_type, blob.content_type_bytes);
}

static void dump_labels(sl_dump *d, const sl_writer_description *w, const uint8_t *body, uint64_t offset)
{
    sl_span span = sl_span_of(w->labels, w->labels_bytes);
    const char *key, *value;
    uint32_t key_bytes, value_bytes;
    while (sl_label_next(&span, &key, &key_bytes, &value, &value_bytes)) {
        sl_dump_text(d, offset + (uint64_t)((const uint8_t *)key - body), key_bytes, "key", key, key_bytes);
        sl_dump_text(d, offset + (uint64_t)((const uint8_t *)value - body), value_bytes, "value", value, value_bytes);
    }
}

void sl_dump_writer_description(sl_dump *d, const uint8_t *body, size_t bytes, uint64_t offset)
{
    static const sl_dump_field fields[] = {
        {0, 16, 'd', "incarnation"}, {16, 16, 'd', "run"},  {32, 16, 'd', "host id"},      {48, 16, 'd', "boot id"},
        {64, 4, 'u', "attempt"},     {68, 4, 'u', "rank"},  {72, 4, 'u', "flags"},         {76, 4, 'u', "process id"},
        {80, 8, 'i', "resume step"}, {88, 8, 't', "start"}, {96, 8, 't', "process start"}, {104, 4, 'u', "host bytes"}};
    sl_writer_description w;
    sl_dump_begin(d, "writer description", offset, bytes);
    if (bytes >= 108) SL_DUMP_FIELDS(d, fields, body, offset);
    if (!sl_writer_description_decode(body, bytes, &w)) {
        sl_dump_damage(d, offset, bytes, "", "the writer description breaks a rule");
        return;
    }
    sl_dump_text(d, offset + 108, w.host_bytes, "host", w.host, w.host_bytes);
    uint64_t at = offset + 108 + w.host_bytes;
    sl_dump_u64(d, at, 4, "step axis bytes", w.step_axis_bytes);
    sl_dump_text(d, at + 4, w.step_axis_bytes, "step axis", w.step_axis, w.step_axis_bytes);
    sl_dump_u64(d, at + 4 + w.step_axis_bytes, 4, "label count", w.label_count);
    dump_labels(d, &w, body, offset);
}

void sl_dump_schema(sl_dump *d, const uint8_t *body, size_t bytes, uint64_t offset)
{
    sl_span span = sl_span_of(body, bytes);
    sl_dump_begin(d, "schema", offset, bytes);
    uint32_t count = sl_span_u32(&span);
    sl_dump_u64(d, offset, 4, "count", count);
    for (uint32_t i = 0; i < count && !span.is_bad && !d->must_stop; i++) {
        uint32_t name_bytes = sl_span_u32(&span);
        uint64_t at = offset + (bytes - span.left);
        const uint8_t *name = sl_span_take(&span, name_bytes);
        if (name) sl_dump_text(d, at, name_bytes, "name", (const char *)name, name_bytes);
    }
    if (span.is_bad || span.left) sl_dump_damage(d, offset, bytes, "", "the schema breaks a rule");
}
