/* core/dump_chunk.c: a chunk field by field: head, axis parts, directory entries, and how each is encoded. */
#include "core/dump.h"

#include "base/error.h"
#include "format/chunk_codec.h"
#include "format/int_codec.h"
#include "format/page_walk.h"
#include "format/value_codec.h"

#include <stdio.h>

typedef struct chunk_dump {
    sl_dump *d;
    sl_page_walk *pages;
    uint64_t page_offset, offset; /* of the page, of its content */
    const uint8_t *content;
    uint32_t bytes;
    sl_chunk_head head;
} chunk_dump;

static uint64_t place_of(const chunk_dump *c, const uint8_t *at) { return c->offset + (uint64_t)(at - c->content); }

/* Gives a readable copy of the bytes of a part that another chunk holds. */
static int find_reference(chunk_dump *c, int part, sl_buffer *copy, const uint8_t **bytes, uint32_t *count)
{
    sl_page_item item = {.kind = SL_PAGE_ITEM_DAMAGE};
    sl_chunk_head other;
    if (c->head.reference[part] < c->page_offset)
        sl_page_read_kind(c->pages, c->head.reference[part], SL_PAGE_CHUNK, &item);
    if (item.kind != SL_PAGE_ITEM_PAGE || !sl_chunk_head_decode(item.content, item.content_bytes, &other) ||
        other.is_reference[part] || other.part_bytes[part] == 0)
        return 0;
    sl_buffer_put(copy, other.part[part], other.part_bytes[part]);
    sl_buffer_zeros(copy, SL_DECODE_SLACK_BYTES);
    *bytes = copy->data;
    *count = other.part_bytes[part];
    return !copy->is_out_of_memory;
}

static void dump_part(chunk_dump *c, int part)
{
    static const char *const names[SL_PART_COUNT] = {"steps", "times", "sequences"};
    static const char *const value_names[SL_PART_COUNT] = {"step", "time", "sequence"};
    sl_dump *d = c->d;
    int64_t values[SL_CHUNK_ROWS_MAX];
    char text[160];
    const char *what = "the axis part is damaged";
    const uint8_t *bytes = c->head.part[part];
    uint32_t count = c->head.part_bytes[part];
    sl_buffer copy = {0};
    if (count == 0) return;
    uint64_t at = place_of(c, bytes);
    sl_dump_begin(d, names[part], at, count);
    if (c->head.is_reference[part]) {
        sl_dump_u64(d, at, 8, "reference", c->head.reference[part]);
        if (!find_reference(c, part, &copy, &bytes, &count)) {
            sl_dump_damage(d, at, 8, "", "the reference leads to no CHUNK page with this part");
            sl_buffer_free(&copy);
            return;
        }
    }
    sl_int_describe(bytes, count, c->head.row_count, text, sizeof text);
    sl_dump_text(d, at, count, "encoding", text, strlen(text));
    if (sl_int_decode(bytes, count, c->head.row_count, values, &what) < 0)
        sl_dump_damage(d, at, count, "", what);
    else if (d->flags & STEPLOG_DUMP_VALUES)
        for (uint32_t i = 0; i < c->head.row_count && !d->must_stop; i++)
            sl_dump_i64(d, at, 0, value_names[part], values[i]);
    sl_buffer_free(&copy);
}

static void dump_payload(chunk_dump *c, uint32_t column, const sl_column_info *info, const uint8_t *payload,
                         uint64_t at)
{
    sl_dump *d = c->d;
    double values[SL_CHUNK_ROWS_MAX];
    uint64_t present[SL_PRESENT_WORDS];
    char text[160];
    const char *what = "the column is damaged";
    sl_dump_begin(d, "payload", at, info->payload_bytes);
    sl_dump_u64(d, at, 0, "column", column);
    if (info->flags & SL_COLUMN_HAS_POSITIONS) {
        sl_int_describe(payload, info->presence_bytes, info->value_count, text, sizeof text);
        sl_dump_text(d, at, info->presence_bytes, "positions", text, strlen(text));
    } else if (info->flags & SL_COLUMN_HAS_BITMAP) {
        sl_dump_text(d, at, info->presence_bytes, "presence", "bitmap", 6);
    }
    sl_value_describe(payload + info->presence_bytes, info->payload_bytes - info->presence_bytes, info->value_count,
                      text, sizeof text);
    sl_dump_text(d, at + info->presence_bytes, info->payload_bytes - info->presence_bytes, "encoding", text,
                 strlen(text));
    if (sl_column_decode(info, payload, c->head.row_count, values, present, &what) < 0) {
        sl_dump_damage(d, at, info->payload_bytes, "", what);
        return;
    }
    if (!(d->flags & STEPLOG_DUMP_VALUES)) return;
    for (uint32_t row = 0; row < c->head.row_count && !d->must_stop; row++) {
        if (!(present[row / 64] >> (row % 64) & 1)) continue;
        snprintf(text, sizeof text, "row %u", row);
        sl_dump_f64(d, at, 0, text, values[row]);
    }
}

/* The payload of a column that has a page of its own. */
static void dump_own_page(chunk_dump *c, uint32_t column, const sl_column_info *info)
{
    uint64_t at = info->page_distance < c->page_offset ? c->page_offset - info->page_distance : 0;
    sl_page_item item;
    sl_page_read_kind(c->pages, at, SL_PAGE_COLUMN, &item);
    if (item.kind == SL_PAGE_ITEM_PAGE && item.content_bytes == info->payload_bytes)
        dump_payload(c, column, info, item.content, at + SL_PAGE_HEAD_BYTES);
    else
        sl_dump_damage(c->d, c->page_offset, 0, "page distance",
                       item.kind == SL_PAGE_ITEM_DAMAGE ? item.what : "leads to no COLUMN page of this column");
}

static void dump_entry(chunk_dump *c, uint32_t column, const sl_column_info *info, const uint8_t *begin,
                       const uint8_t *end)
{
    sl_dump *d = c->d;
    uint64_t at = place_of(c, begin);
    sl_dump_begin(d, "directory entry", at, (uint64_t)(end - begin));
    sl_dump_u64(d, at, 0, "column", column);
    sl_dump_u64(d, at, 1, "flags", info->flags);
    if (info->flags == 0) return;
    sl_dump_u64(d, at + 1, 0, "payload bytes", info->payload_bytes);
    if (info->flags & SL_COLUMN_IS_OWN_PAGE) sl_dump_u64(d, at + 1, 0, "page distance", info->page_distance);
    sl_dump_u64(d, at + 1, 0, "value count", info->value_count);
    if (info->flags & (SL_COLUMN_HAS_BITMAP | SL_COLUMN_HAS_POSITIONS))
        sl_dump_u64(d, at + 1, 0, "presence bytes", info->presence_bytes);
    if (info->flags & SL_COLUMN_IS_OWN_PAGE)
        dump_own_page(c, column, info);
    else
        dump_payload(c, column, info, info->payload, place_of(c, info->payload));
}

void sl_dump_chunk(sl_dump *d, struct sl_page_walk *pages, uint64_t page_offset, const uint8_t *content, uint32_t bytes,
                   uint64_t offset)
{
    static const sl_dump_field fields[] = {{0, 4, 'u', "writer"},           {4, 4, 'u', "schema"},
                                           {8, 2, 'u', "row count"},        {10, 2, 'u', "column count"},
                                           {12, 2, 'u', "flags"},           {14, 2, 'z', ""},
                                           {16, 4, 'u', "steps bytes"},     {20, 4, 'u', "times bytes"},
                                           {24, 4, 'u', "sequences bytes"}, {28, 4, 'u', "directory bytes"}};
    chunk_dump c = {
        .d = d, .pages = pages, .page_offset = page_offset, .offset = offset, .content = content, .bytes = bytes};
    sl_column_info info;
    sl_dump_begin(d, "chunk", offset, bytes);
    if (bytes >= SL_CHUNK_HEAD_BYTES) SL_DUMP_FIELDS(d, fields, content, offset);
    if (!sl_chunk_head_decode(content, bytes, &c.head)) {
        sl_dump_damage(d, offset, bytes, "", "the chunk's head breaks a rule");
        return;
    }
    for (int part = 0; part < SL_PART_COUNT; part++) dump_part(&c, part);
    sl_chunk_walk walk = sl_chunk_directory_begin(&c.head);
    const uint8_t *begin = walk.span.at;
    for (uint32_t column = 0; !d->must_stop && sl_chunk_directory_next(&walk, &info); column++) {
        dump_entry(&c, column, &info, begin, walk.span.at);
        begin = walk.span.at;
    }
    if (walk.is_bad) sl_dump_damage(d, place_of(&c, begin), 0, "directory", "the directory breaks a rule");
}
