/* core/dump_segment.c: a segment field by field: header, each page with what it carries, tables entry by entry, trailer. */
#include "core/dump.h"

#include "base/error.h"
#include "format/checksum.h"
#include "format/fact_codec.h"
#include "format/file_names.h"
#include "format/page_walk.h"
#include "format/segment_codec.h"

#include <stdio.h>

typedef struct segment_dump {
    sl_dump *d;
    sl_page_walk walk, pages;
} segment_dump;

static int64_t read_file(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    return sl_os_read(((segment_dump *)context)->d->fd, buffer, bytes, offset);
}

/* ---- tables ---- */

static const sl_dump_field writer_fields[] = {
    {0, 16, 'd', "run"},          {16, 16, 'd', "incarnation"}, {32, 4, 'u', "attempt"},
    {36, 4, 'u', "rank"},         {40, 4, 'u', "flags"},        {44, 4, 'z', ""},
    {48, 8, 'u', "page offset"},  {56, 4, 'u', "range first"},  {60, 4, 'u', "range count"},
    {64, 4, 'u', "group first"},  {68, 4, 'u', "group count"},  {72, 4, 'u', "record first"},
    {76, 4, 'u', "record count"}, {80, 8, 't', "start"},        {88, 8, 'z', ""}};
static const sl_dump_field schema_fields[] = {
    {0, 8, 'u', "page offset"}, {8, 4, 'u', "name count"}, {12, 4, 'u', "page bytes"}};
static const sl_dump_field group_fields[] = {
    {0, 4, 'u', "writer"},     {4, 4, 'u', "schema"},       {8, 4, 'u', "chunk first"}, {12, 4, 'u', "chunk count"},
    {16, 8, 'u', "row count"}, {24, 8, 'u', "value count"}, {32, 8, 'i', "step min"},   {40, 8, 'i', "step max"},
    {48, 8, 't', "time min"},  {56, 8, 't', "time max"},    {64, 4, 'u', "node first"}, {68, 4, 'u', "stats first"},
    {72, 4, 'u', "node stats first"}, {76, 4, 'z', ""}};
static const sl_dump_field chunk_fields[] = {
    {0, 8, 'u', "page offset"},   {8, 4, 'u', "page bytes"},      {12, 2, 'u', "row count"},
    {14, 2, 'u', "flags"},        {16, 8, 'u', "sequence first"}, {24, 8, 'u', "sequence last"},
    {32, 8, 'i', "step min"},     {40, 8, 'i', "step max"},       {48, 8, 't', "time min"},
    {56, 8, 't', "time max"},     {64, 4, 'u', "value count"},    {68, 4, 'z', ""},
    {72, 8, 'u', "extent offset"}};
static const sl_dump_field range_fields[] = {
    {0, 4, 'u', "writer"}, {4, 4, 'u', "kind"}, {8, 8, 'u', "sequence begin"}, {16, 8, 'u', "sequence end"}};
static const sl_dump_field record_fields[] = {{0, 4, 'u', "writer"},
                                              {4, 1, 'u', "type"},
                                              {5, 1, 'u', "fact kind"},
                                              {6, 2, 'z', ""},
                                              {8, 8, 'u', "page offset"},
                                              {16, 4, 'u', "content offset"},
                                              {20, 4, 'u', "bytes"},
                                              {24, 8, 'u', "sequence"},
                                              {32, 8, 'u', "lamport"},
                                              {40, 4, 'u', "sequence count"},
                                              {44, 4, 'z', ""}};
static const sl_dump_field node_fields[] = {
    {0, 4, 'u', "flags"},           {4, 4, 'z', ""},          {8, 8, 'u', "row count"}, {16, 8, 'u', "sequence first"},
    {24, 8, 'u', "sequence last"}, {32, 8, 'i', "step min"}, {40, 8, 'i', "step max"}};
static const sl_dump_field stats_fields[] = {
    {0, 8, 'f', "first"},
    {8, 8, 'f', "last"},
    {16, 8, 'f', "smallest"},
    {24, 8, 'f', "largest"},
    {32, 4, 'u', "first distance"},
    {36, 4, 'u', "last distance"},
    {40, 4, 'u', "smallest distance"},
    {44, 4, 'u', "largest distance"},
    {48, 2, 'u', "value count"},
    {50, 2, 'u', "nan count"},
    {52, 2, 'u', "positive inf count"},
    {54, 2, 'u', "negative inf count"}};
static const sl_dump_field node_stats_fields[] = {
    {0, 8, 'f', "first"},
    {8, 8, 'f', "last"},
    {16, 8, 'f', "smallest"},
    {24, 8, 'f', "largest"},
    {32, 8, 'i', "first step"},
    {40, 8, 'i', "last step"},
    {48, 8, 'i', "smallest step"},
    {56, 8, 'i', "largest step"},
    {64, 4, 'u', "value count"},
    {68, 4, 'u', "nan count"},
    {72, 4, 'u', "positive inf count"},
    {76, 4, 'u', "negative inf count"}};

#define COUNTED(fields) fields, sizeof(fields) / sizeof *(fields)
static const struct {
    const char *name;
    const sl_dump_field *fields;
    size_t count;
} tables[SL_TABLE_COUNT] = {{"writer entry", COUNTED(writer_fields)}, {"schema entry", COUNTED(schema_fields)},
                            {"group entry", COUNTED(group_fields)},   {"chunk entry", COUNTED(chunk_fields)},
                            {"range entry", COUNTED(range_fields)},   {"record entry", COUNTED(record_fields)},
                            {"node entry", COUNTED(node_fields)},     {"statistics entry", COUNTED(stats_fields)},
                            {"node statistics entry", COUNTED(node_stats_fields)}};

static void dump_table(sl_dump *d, int table, const sl_page_item *item, uint64_t offset)
{
    uint32_t entry_bytes = sl_table_entry_bytes[table], at = 0;
    for (; at + entry_bytes <= item->content_bytes && !d->must_stop; at += entry_bytes) {
        sl_dump_begin(d, tables[table].name, offset + at, entry_bytes);
        sl_dump_fields(d, tables[table].fields, tables[table].count, item->content + at, offset + at);
    }
    if (at != item->content_bytes)
        sl_dump_damage(d, offset + at, item->content_bytes - at, "", "the page does not hold whole entries");
}

static void dump_trailer(sl_dump *d, const sl_page_item *item, uint64_t offset)
{
    static const sl_dump_field fields[] = {
        {0, 8, 'u', "file bytes"},
        {8, 8, 'u', "writers offset"},
        {16, 8, 'u', "writers entry count"},
        {24, 8, 'u', "schemas offset"},
        {32, 8, 'u', "schemas entry count"},
        {40, 8, 'u', "groups offset"},
        {48, 8, 'u', "groups entry count"},
        {56, 8, 'u', "chunks offset"},
        {64, 8, 'u', "chunks entry count"},
        {72, 8, 'u', "ranges offset"},
        {80, 8, 'u', "ranges entry count"},
        {88, 8, 'u', "records offset"},
        {96, 8, 'u', "records entry count"},
        {104, 8, 'u', "nodes offset"},
        {112, 8, 'u', "nodes entry count"},
        {120, 8, 'u', "statistics offset"},
        {128, 8, 'u', "statistics entry count"},
        {136, 8, 'u', "node statistics offset"},
        {144, 8, 'u', "node statistics entry count"},
        {152, 8, 'u', "row count"},
        {160, 8, 'u', "value count"},
        {168, 8, 'u', "lamport max"},
        {176, 8, 'i', "step min"},
        {184, 8, 'i', "step max"},
        {192, 8, 't', "time min"},
        {200, 8, 't', "time max"},
        {208, 24, 'z', ""}};
    sl_trailer trailer;
    sl_dump_begin(d, "trailer", offset, item->content_bytes);
    if (item->content_bytes != SL_TRAILER_CONTENT_BYTES) {
        sl_dump_damage(d, offset, item->content_bytes, "", "a trailer has 232 bytes");
        return;
    }
    SL_DUMP_FIELDS(d, fields, item->content, offset);
    if (!sl_trailer_decode(item->content, &trailer) || trailer.file_bytes != d->file_bytes)
        sl_dump_damage(d, offset, item->content_bytes, "",
                       "the trailer breaks a rule, or is of a file of another size");
}

/* ---- pages ---- */

static const sl_dump_field prefix_fields[] = {
    {0, 4, 'u', "writer"}, {4, 4, 'u', "bytes"}, {8, 8, 'u', "sequence"},    {16, 4, 'u', "sequence count"},
    {20, 1, 'u', "type"},  {21, 3, 'z', ""},     {24, 8, 'u', "data offset"}};

static void dump_facts(sl_dump *d, const sl_page_item *item, uint64_t offset)
{
    uint32_t at = 0;
    while (at < item->content_bytes && !d->must_stop) {
        sl_record_prefix prefix;
        uint32_t left = item->content_bytes - at;
        sl_dump_begin(d, "record prefix", offset + at, SL_RECORD_PREFIX_BYTES);
        if (left >= SL_RECORD_PREFIX_BYTES) SL_DUMP_FIELDS(d, prefix_fields, item->content + at, offset + at);
        if (left < SL_RECORD_PREFIX_BYTES || !sl_record_prefix_decode(item->content + at, &prefix) ||
            prefix.bytes > left - SL_RECORD_PREFIX_BYTES) {
            sl_dump_damage(d, offset + at, left, "", "the record prefix breaks a rule: what follows is not known");
            return;
        }
        at += SL_RECORD_PREFIX_BYTES;
        if (prefix.type == SL_ENTRY_FACT)
            sl_dump_fact(d, item->content + at, prefix.bytes, offset + at);
        else
            sl_dump_blob_head(d, item->content + at, prefix.bytes, offset + at);
        at += prefix.bytes;
    }
}

static void dump_blob_page(sl_dump *d, const sl_page_item *item, uint64_t offset)
{
    uint32_t skip = 0;
    if (item->head.index == 0 && item->content_bytes >= SL_RECORD_PREFIX_BYTES) {
        skip = SL_RECORD_PREFIX_BYTES;
        sl_dump_begin(d, "record prefix", offset, skip);
        SL_DUMP_FIELDS(d, prefix_fields, item->content, offset);
    }
    sl_dump_begin(d, "blob data", offset + skip, item->content_bytes - skip);
    sl_dump_u64(d, offset + skip, item->content_bytes - skip, "bytes", item->content_bytes - skip);
}

static const char *page_name(uint8_t kind)
{
    switch (kind) {
    case SL_PAGE_WRITER: return "WRITER";
    case SL_PAGE_SCHEMA: return "SCHEMA";
    case SL_PAGE_COLUMN: return "COLUMN";
    case SL_PAGE_CHUNK: return "CHUNK";
    case SL_PAGE_FACTS: return "FACTS";
    case SL_PAGE_BLOB: return "BLOB";
    case SL_PAGE_WRITER_TABLE: return "WRITER_TABLE";
    case SL_PAGE_SCHEMA_TABLE: return "SCHEMA_TABLE";
    case SL_PAGE_GROUP_TABLE: return "GROUP_TABLE";
    case SL_PAGE_CHUNK_TABLE: return "CHUNK_TABLE";
    case SL_PAGE_RANGE_TABLE: return "RANGE_TABLE";
    case SL_PAGE_RECORD_TABLE: return "RECORD_TABLE";
    case SL_PAGE_NODE_TABLE: return "NODE_TABLE";
    case SL_PAGE_STATS_TABLE: return "STATS_TABLE";
    case SL_PAGE_NODE_STATS_TABLE: return "NODE_STATS_TABLE";
    case SL_PAGE_TRAILER: return "TRAILER";
    default: return "unknown";
    }
}

static void dump_page_head(sl_dump *d, const sl_page_item *item)
{
    static const sl_dump_field fields[] = {
        {0, 2, 's', "magic"},     {2, 1, 'u', "kind"},   {3, 1, 'u', "flags"}, {4, 4, 'u', "content bytes"},
        {8, 4, 'u', "raw bytes"}, {12, 4, 'u', "index"}, {16, 8, 'x', "check"}};
    uint8_t head[SL_PAGE_HEAD_BYTES];
    sl_dump_begin(d, "page", item->offset, item->bytes);
    if (!sl_dump_read(d, head, sizeof head, item->offset)) return;
    SL_DUMP_FIELDS(d, fields, head, item->offset);
    sl_dump_text(d, item->offset + 2, 0, "kind name", page_name(head[2]), strlen(page_name(head[2])));
}

/* What is inside. Offsets in a compressed page are those in its raw content, counted from where the content begins. */
static void dump_page(segment_dump *s, const sl_page_item *item)
{
    sl_dump *d = s->d;
    uint64_t offset = item->offset + SL_PAGE_HEAD_BYTES;
    unsigned kind = item->head.kind;
    dump_page_head(d, item);
    if (kind == SL_PAGE_WRITER)
        sl_dump_writer_description(d, item->content, item->content_bytes, offset);
    else if (kind == SL_PAGE_SCHEMA)
        sl_dump_schema(d, item->content, item->content_bytes, offset);
    else if (kind == SL_PAGE_CHUNK)
        sl_dump_chunk(d, &s->pages, item->offset, item->content, item->content_bytes, offset);
    else if (kind == SL_PAGE_FACTS)
        dump_facts(d, item, offset);
    else if (kind == SL_PAGE_BLOB)
        dump_blob_page(d, item, offset);
    else if (kind == SL_PAGE_TRAILER)
        dump_trailer(d, item, offset);
    else if (kind >= SL_PAGE_WRITER_TABLE && kind <= SL_PAGE_NODE_STATS_TABLE)
        dump_table(d, (int)(kind - SL_PAGE_WRITER_TABLE), item, offset);
}

static void dump_damaged(sl_dump *d, const sl_page_item *item)
{
    dump_page_head(d, item);
    sl_dump_damage(d, item->offset, item->bytes, "", item->what);
}

static int dump_header(sl_dump *d, uint64_t *file_key)
{
    static const sl_dump_field fields[] = {{0, 8, 's', "magic"},     {8, 4, 'u', "version"},  {12, 4, 'u', "features"},
                                           {16, 16, 'd', "file id"}, {32, 8, 't', "created"}, {40, 16, 'z', ""},
                                           {56, 8, 'x', "check"}};
    uint8_t head[SL_SEGMENT_HEADER_BYTES];
    sl_segment_header header;
    steplog_error why;
    steplog_id id;
    const char *slash = strrchr(d->file, '/'), *leaf = slash ? slash + 1 : d->file;
    sl_dump_begin(d, "segment header", 0, SL_SEGMENT_HEADER_BYTES);
    if (!sl_dump_read(d, head, sizeof head, 0)) return 0;
    SL_DUMP_FIELDS(d, fields, head, 0);
    if (sl_segment_header_decode(head, d->file, &header, &why) < 0) {
        sl_dump_damage(d, 0, SL_SEGMENT_HEADER_BYTES, "", why.text);
        if (!sl_segment_name_parse(leaf, &id)) return 0; /* the name knows the file id too */
        *file_key = sl_file_key(&id);
        return 1;
    }
    *file_key = sl_file_key(&header.file_id);
    return 1;
}

steplog_status sl_dump_segment(sl_dump *d, steplog_error *err)
{
    segment_dump s = {.d = d};
    uint64_t file_key;
    steplog_status status = STEPLOG_OK;
    if (!dump_header(d, &file_key)) return STEPLOG_OK;
    sl_page_walk_init(&s.walk, read_file, &s, file_key, d->file_bytes);
    sl_page_walk_init(&s.pages, read_file, &s, file_key, d->file_bytes);
    while (!d->must_stop) {
        sl_page_item item;
        sl_page_walk_next(&s.walk, &item);
        if (item.kind == SL_PAGE_ITEM_END) break;
        if (item.kind == SL_PAGE_ITEM_PAGE)
            dump_page(&s, &item);
        else if (item.kind == SL_PAGE_ITEM_DAMAGE)
            dump_damaged(d, &item);
        else if (item.os_errno)
            status = sl_fail_os(err, item.os_errno, (int64_t)item.offset, "cannot read '%s'", d->file);
        else
            status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read '%s'", d->file);
        if (status < 0) break;
    }
    sl_page_walk_free(&s.walk);
    sl_page_walk_free(&s.pages);
    return status;
}
