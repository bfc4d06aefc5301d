/* core/dump_log.c: a row log field by field: header, slots, each record with what it carries. */
#include "core/dump.h"

#include "base/error.h"
#include "format/checksum.h"
#include "format/log_header.h"
#include "format/log_walk.h"

#include <stdio.h>

typedef struct log_dump {
    sl_dump *d;
    sl_log_header header;
    uint64_t file_key;
    sl_log_mark mark;
    sl_log_walk walk;
    sl_log_dictionary dictionary;
} log_dump;

static int64_t read_file(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    return sl_os_read(((log_dump *)context)->d->fd, buffer, bytes, offset);
}

static uint64_t next_data(void *context, uint64_t offset)
{
    return sl_os_next_data(((log_dump *)context)->d->fd, offset);
}

/* ---- header ---- */

static void dump_fixed(sl_dump *d, const uint8_t *in, uint64_t at)
{
    static const sl_dump_field fields[] = {{0, 8, 's', "magic"},           {8, 4, 'u', "version"},
                                           {12, 4, 'u', "features"},       {16, 16, 'd', "log id"},
                                           {32, 16, 'd', "incarnation"},   {48, 16, 'd', "run"},
                                           {64, 16, 'd', "host id"},       {80, 16, 'd', "boot id"},
                                           {96, 8, 'u', "first sequence"}, {104, 8, 'u', "capacity"},
                                           {112, 4, 'u', "ordinal"},       {116, 4, 'u', "mode"},
                                           {120, 4, 'u', "attempt"},       {124, 4, 'u', "rank"},
                                           {128, 4, 'u', "process id"},    {132, 4, 'z', ""},
                                           {136, 8, 't', "process start"}, {144, 8, 't', "created"},
                                           {152, 8, 'u', "inode"},         {160, 344, 'z', ""},
                                           {504, 8, 'x', "check"}};
    SL_DUMP_FIELDS(d, fields, in + at, at);
}

/* The fields of the copy are worth showing only where they differ. */
static void dump_copy(sl_dump *d, const uint8_t *in, int is_valid)
{
    sl_dump_begin(d, "copy of the log header", SL_LOG_COPY_OFFSET, SL_LOG_FIXED_BYTES);
    if (sl_is_zero(in + SL_LOG_COPY_OFFSET, SL_LOG_FIXED_BYTES)) {
        sl_dump_text(d, SL_LOG_COPY_OFFSET, 0, "state", "empty", 5);
        return;
    }
    if (sl_log_header_twin(in, 0) == SL_LOG_TWIN_SAME) {
        sl_dump_text(d, SL_LOG_COPY_OFFSET, 0, "state", "the same", 8);
        return;
    }
    dump_fixed(d, in, SL_LOG_COPY_OFFSET);
    if (!is_valid)
        sl_dump_damage(d, SL_LOG_COPY_OFFSET, SL_LOG_FIXED_BYTES, "", "the copy is not what the log's header is");
}

static void dump_slot(sl_dump *d, const char *name, const sl_dump_field *fields, size_t count, const uint8_t *in,
                      uint64_t at, int state)
{
    sl_dump_begin(d, name, at, SL_LOG_SLOT_BYTES);
    if (state == 0) {
        sl_dump_text(d, at, 0, "state", "empty", 5);
    } else {
        sl_dump_fields(d, fields, count, in + at, at);
        if (state < 0) sl_dump_damage(d, at, SL_LOG_SLOT_BYTES, "check", "the slot fails its check");
    }
    if (!sl_is_zero(in + at + SL_LOG_SLOT_BYTES, SL_LOG_SLOT_STRIDE - SL_LOG_SLOT_BYTES))
        sl_dump_damage(d, at + SL_LOG_SLOT_BYTES, SL_LOG_SLOT_STRIDE - SL_LOG_SLOT_BYTES, "zero",
                       "must be zero and is not");
}

static void dump_slots(log_dump *l, const uint8_t *in, uint32_t header_at)
{
    static const sl_dump_field mark_fields[] = {{0, 8, 'u', "counter"},
                                                {8, 8, 'u', "offset"},
                                                {16, 8, 'u', "sequence"},
                                                {24, 32, 'z', ""},
                                                {56, 8, 'x', "check"}};
    static const sl_dump_field gap_fields[] = {
        {0, 8, 'u', "counter"},     {8, 8, 'u', "refused"},    {16, 8, 'i', "step first"}, {24, 8, 'i', "step last"},
        {32, 8, 't', "time first"}, {40, 8, 't', "time last"}, {48, 8, 'z', ""},           {56, 8, 'x', "check"}};
    static const char *const names[] = {"mark slot 0", "mark slot 1", "gap slot 0", "gap slot 1"};
    for (uint64_t i = 0; i < 4; i++) {
        uint64_t at = SL_LOG_MARK_OFFSET + i * SL_LOG_SLOT_STRIDE;
        sl_log_mark mark;
        sl_log_gap gap;
        if (i < 2)
            dump_slot(l->d, names[i], mark_fields, 5, in, at, sl_log_mark_decode(in + at, l->file_key, at, &mark));
        else
            dump_slot(l->d, names[i], gap_fields, 8, in, at, sl_log_gap_decode(in + at, l->file_key, at, &gap));
    }
    dump_copy(l->d, in, header_at == SL_LOG_COPY_OFFSET);
    if (!sl_is_zero(in + SL_LOG_UNUSED_OFFSET, SL_LOG_HEADER_BYTES - SL_LOG_UNUSED_OFFSET))
        sl_dump_damage(l->d, SL_LOG_UNUSED_OFFSET, SL_LOG_HEADER_BYTES - SL_LOG_UNUSED_OFFSET, "zero",
                       "must be zero and is not");
}

/* ---- records ---- */

static const char *kind_name(uint8_t kind)
{
    static const char *const numbered[] = {"", "ROW", "POINT", "CONTINUATION", "FACT", "BLOB"};
    static const char *const others[] = {"WRITER", "NAME", "SCHEMA"};
    if (kind >= SL_RECORD_WRITER && kind <= SL_RECORD_SCHEMA) return others[kind - SL_RECORD_WRITER];
    return kind < sizeof numbered / sizeof *numbered ? numbered[kind] : "unknown";
}

/* The head and body of the record at offset, as they stand. */
static void dump_record(log_dump *l, const sl_log_item *item, uint64_t offset)
{
    static const sl_dump_field fields[] = {
        {0, 2, 'u', "length"}, {2, 1, 'u', "kind"}, {3, 1, 'u', "flags"}, {4, 4, 'u', "index"}, {8, 8, 'x', "check"}};
    uint8_t in[SL_RECORD_HEAD_BYTES + SL_PART_HEAD_BYTES];
    if (!sl_dump_read(l->d, in, sizeof in, offset)) return;
    uint64_t bytes = 8ull * sl_load16(in);
    sl_dump_begin(l->d, "log record", offset, bytes);
    SL_DUMP_FIELDS(l->d, fields, in, offset);
    sl_dump_text(l->d, offset + 2, 0, "kind name", kind_name(in[2]), strlen(kind_name(in[2])));
    if (SL_RECORD_IS_NUMBERED(in[2])) sl_dump_u64(l->d, offset + 8, 0, "sequence", item->sequence);
    if (in[2] < SL_RECORD_FACT) return;
    sl_dump_u64(l->d, offset + 16, 4, "bytes", sl_load32(in + 16));
    sl_dump_u64(l->d, offset + 20, 4, "total bytes", sl_load32(in + 20));
}

static void dump_value(log_dump *l, uint32_t metric, uint64_t offset, double value)
{
    char numbered[32];
    const sl_dictionary_name *name = sl_dictionary_name_of(&l->dictionary, metric);
    snprintf(numbered, sizeof numbered, "metric %u", (unsigned)metric);
    sl_dump_f64(l->d, offset, 8, name ? name->text : numbered, value);
}

static void dump_row(log_dump *l, const sl_log_item *item)
{
    const sl_dictionary_schema *schema = sl_dictionary_schema_of(&l->dictionary, item->index);
    uint64_t body = item->offset + SL_RECORD_HEAD_BYTES, at = body + 16;
    uint32_t next = 0;
    sl_dump_begin(l->d, "row", body, item->bytes - SL_RECORD_HEAD_BYTES);
    sl_dump_i64(l->d, body, 8, "step", item->step);
    sl_dump_time(l->d, body + 8, "time", item->time_ns);
    if (item->presence && schema) {
        for (uint32_t i = 0; i < SL_PRESENCE_BYTES(schema->count); i += 8)
            sl_dump_hex64(l->d, at + i, "presence", sl_load64(item->presence + i));
        at += SL_PRESENCE_BYTES(schema->count);
    }
    sl_dump_u64(l->d, at, 0, "value count", item->value_count);
    if (!(l->d->flags & STEPLOG_DUMP_VALUES) || !schema) return;
    for (uint32_t i = 0; i < schema->count && next < item->value_count; i++) {
        if (item->presence && !(sl_load64(item->presence + i / 64 * 8) >> (i % 64) & 1)) continue;
        dump_value(l, schema->metrics[i], at + 8ull * next, sl_double_of(sl_load64(item->values + 8 * (size_t)next)));
        next++;
    }
}

static void dump_point(log_dump *l, const sl_log_item *item)
{
    uint64_t body = item->offset + SL_RECORD_HEAD_BYTES;
    int is_point = item->record_kind == SL_RECORD_POINT, has_time = item->bytes == SL_RECORD_HEAD_BYTES + 16;
    sl_dump_begin(l->d, is_point ? "point" : "continuation", body, item->bytes - SL_RECORD_HEAD_BYTES);
    sl_dump_i64(l->d, body, is_point ? 8 : 0, "step", item->step);
    if (is_point || has_time) sl_dump_time(l->d, is_point ? body + 8 : body, "time", item->time_ns);
    if (l->d->flags & STEPLOG_DUMP_VALUES)
        dump_value(l, item->index, body + (is_point ? 16 : has_time ? 8 : 0), item->value);
}

static void dump_dictionary_text(log_dump *l, const sl_log_item *item, uint64_t data)
{
    if (!item->content) return;
    if (item->record_kind == SL_RECORD_WRITER) {
        sl_dump_writer_description(l->d, item->content, item->content_bytes, data);
    } else if (item->record_kind == SL_RECORD_NAME) {
        sl_dump_text(l->d, data, item->content_bytes, "name", (const char *)item->content, item->content_bytes);
    } else if (item->record_kind == SL_RECORD_SCHEMA) {
        for (uint32_t i = 0; i + 4 <= item->content_bytes; i += 4)
            sl_dump_u64(l->d, data + i, 4, "metric", sl_load32(item->content + i));
    }
}

static void dump_item(log_dump *l, const sl_log_item *item, uint64_t offset)
{
    uint64_t data = item->offset + SL_RECORD_HEAD_BYTES + SL_PART_HEAD_BYTES;
    if (item->kind == SL_ITEM_DAMAGE) {
        sl_dump_begin(l->d, "log record", item->offset, item->bytes);
        sl_dump_damage(l->d, item->offset, item->bytes, "", item->what);
        return;
    }
    dump_record(l, item, offset);
    switch (item->kind) {
    case SL_ITEM_ROW: dump_row(l, item); break;
    case SL_ITEM_POINT: dump_point(l, item); break;
    case SL_ITEM_OTHER: dump_dictionary_text(l, item, data); break;
    case SL_ITEM_TEXT:
        if (item->record_kind == SL_RECORD_FACT)
            sl_dump_fact(l->d, item->content, item->content_bytes, data);
        else
            sl_dump_blob_head(l->d, item->content, item->content_bytes, data);
        break;
    default: break;
    }
}

static steplog_status dump_records(log_dump *l, steplog_error *err)
{
    sl_log_item item;
    l->dictionary.header = &l->header;
    sl_log_walk_init(&l->walk, read_file, l, l->file_key, l->header.capacity_bytes, l->header.first_sequence,
                     l->mark.offset, &l->dictionary);
    l->walk.has_heads_only = 1;
    l->walk.next_data = next_data;
    l->walk.is_same_boot = 1; /* whatever follows damage is worth showing */
    for (;;) {
        uint64_t offset = l->walk.offset;
        sl_log_walk_next(&l->walk, &item);
        if (item.kind == SL_ITEM_END || l->d->must_stop) break;
        if (item.kind == SL_ITEM_ERROR && !item.os_errno)
            return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read '%s'", l->d->file);
        if (item.kind == SL_ITEM_ERROR)
            return sl_fail_os(err, item.os_errno, (int64_t)offset, "cannot read '%s'", l->d->file);
        dump_item(l, &item, offset);
    }
    uint64_t end = l->walk.offset < l->header.capacity_bytes ? l->walk.offset : l->header.capacity_bytes;
    sl_dump_begin(l->d, "end of records", end, 0);
    sl_dump_u64(l->d, end, 0, "next sequence", l->walk.next_sequence);
    if (l->walk.is_torn && !l->d->must_stop) {
        sl_dump_text(l->d, end, 0, "note", "the log ends in a record that was not completed", 47);
        if (l->walk.offset < l->header.capacity_bytes)
            sl_dump_u64(l->d, end, 0, "salvageable records", sl_log_walk_salvageable(&l->walk));
    }
    return STEPLOG_OK;
}

steplog_status sl_dump_log(sl_dump *d, steplog_error *err)
{
    uint8_t head[SL_LOG_HEADER_BYTES];
    log_dump l = {.d = d};
    steplog_error why;
    if (d->file_bytes < SL_LOG_HEADER_BYTES) {
        sl_dump_begin(d, "log header", 0, d->file_bytes);
        sl_dump_text(d, 0, 0, "note", "shorter than a log's header: in the making, or cut", 50);
        return STEPLOG_OK;
    }
    if (!sl_dump_read(d, head, sizeof head, 0)) return STEPLOG_OK;
    uint32_t header_at;
    steplog_status status = sl_log_header_read(head, d->file, &l.header, &header_at, &why);
    if (status == STEPLOG_MISSING) {
        sl_dump_begin(d, "spare log", 0, d->file_bytes);
        sl_dump_id(d, 16, "log id", head + 16);
        return STEPLOG_OK;
    }
    sl_dump_begin(d, "log header", 0, SL_LOG_HEADER_BYTES);
    dump_fixed(d, head, 0);
    l.file_key = sl_file_key(&l.header.log_id);
    if (status < 0) sl_dump_damage(d, 0, SL_LOG_FIXED_BYTES, "", why.text);
    if (header_at) sl_dump_damage(d, 0, SL_LOG_FIXED_BYTES, "", "the header is damaged or not complete: its copy counts");
    dump_slots(&l, head, header_at);
    if (status < 0) return STEPLOG_OK; /* without a good header no record can be checked */
    sl_log_mark_latest(head, l.file_key, &l.mark);
    status = dump_records(&l, err);
    sl_log_walk_free(&l.walk);
    sl_dictionary_free(&l.dictionary);
    return status;
}
