/* damage/blocks.c: the map of the reference store, made from the intact files. */
#include "damage/blocks.h"

#include "format/chunk_codec.h"
#include "format/file_names.h"
#include "format/int_codec.h"
#include "format/log_header.h"
#include "format/page_walk.h"
#include "format/record_codec.h"
#include "format/segment_codec.h"
#include "format/fact_codec.h"
#include "format/checksum.h"
#include "support/store_kit.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static void set_bit(block_set *set, size_t index)
{
    set->words[index / 64] |= UINT64_C(1) << (index % 64);
}

int block_is_in(const block_set *set, size_t index)
{
    return set->words[index / 64] >> (index % 64) & 1;
}

static size_t add_block(block_map *map, size_t file, size_t begin, size_t end, const char *name)
{
    HOLDS(map->count < BLOCKS_MAX, "more than %d blocks", BLOCKS_MAX);
    map->blocks[map->count] = (block){.file = (uint16_t)file, .begin = (uint32_t)begin, .end = (uint32_t)end, .name = name};
    return map->count++;
}

/* A record of an incarnation, and the metric of one of its values or 0, needs these blocks in this file. Without a
 * metric: so do all its values. */
typedef struct need {
    const steplog_id *incarnation;
    uint64_t begin, end;
    char metric;
    block_set set;
} need;

typedef struct need_list {
    need *items;
    size_t count, capacity;
} need_list;

static void push(need_list *list, const need *n)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 256;
        list->items = realloc(list->items, list->capacity * sizeof *list->items);
        HOLDS(list->items, "out of memory");
    }
    list->items[list->count++] = *n;
}

/* What an item needs in one file is the union of what is said of it. */
static void apply(block_map *map, const need_list *list, const block_set *everything)
{
    for (size_t i = 0; i < map->image->count; i++) {
        const image_item *item = &map->image->items[i];
        block_set set = *everything;
        int is_held = 0;
        for (size_t n = 0; n < list->count && item->kind != ITEM_DETAIL; n++) {
            const need *other = &list->items[n];
            if (item->sequence < other->begin || item->sequence >= other->end ||
                memcmp(&item->incarnation, other->incarnation, 16) != 0)
                continue;
            if (other->metric && (item->kind != ITEM_POINT || item->point->metric[0] != other->metric)) continue;
            is_held = 1;
            for (size_t w = 0; w < BLOCK_WORDS; w++) set.words[w] |= other->set.words[w];
        }
        if (!is_held) continue;
        HOLDS(map->copy_count[i] < COPIES_MAX, "more copies of a record than expected");
        map->needs[i][map->copy_count[i]++] = set;
    }
}

/* ---- logs ---- */

typedef struct log_map {
    block_map *map;
    const uint8_t *data;
    size_t bytes, file;
    steplog_id incarnation;
    need_list needs;
    block_set always; /* of every record: what ends the log when it is broken */
    size_t names[256], schemas[256]; /* blocks, by index */
    block_set schema_needs[256];
    block_set base; /* of continuations */
} log_map;

static void take_record(log_map *l, size_t at, size_t length, uint64_t *sequence, int is_unsynced)
{
    uint64_t head = sl_load64(l->data + at);
    unsigned kind = (unsigned)(head >> 16) & 0xff, index = (unsigned)(head >> 32) & 0xff;
    size_t own = add_block(l->map, l->file, at, at + length, "record");
    block *b = &l->map->blocks[own];
    need n = {.incarnation = &l->incarnation, .begin = *sequence, .end = *sequence + 1};
    b->is_record = 1;
    b->is_unsynced = (uint8_t)is_unsynced;
    b->is_history = kind == SL_RECORD_FACT;
    b->is_description = kind == SL_RECORD_WRITER;
    if (is_unsynced) set_bit(&l->always, own);
    set_bit(&l->base, own);
    n.set = l->always;
    set_bit(&n.set, own);
    if (kind == SL_RECORD_NAME) l->names[index] = own;
    if (kind == SL_RECORD_SCHEMA) {
        block_set *set = &l->schema_needs[index];
        *set = (block_set){{0}};
        set_bit(set, own);
        for (size_t i = 0; i < sl_load32(l->data + at + 20) / 4; i++)
            set_bit(set, l->names[sl_load32(l->data + at + 24 + 4 * i)]);
    }
    if (kind == SL_RECORD_ROW)
        for (size_t w = 0; w < BLOCK_WORDS; w++) n.set.words[w] |= l->schema_needs[index].words[w];
    if (kind == SL_RECORD_POINT || kind == SL_RECORD_CONTINUATION) set_bit(&n.set, l->names[index]);
    if (kind == SL_RECORD_POINT) {
        l->base = (block_set){{0}};
        set_bit(&l->base, own);
    }
    if (kind == SL_RECORD_POINT || kind == SL_RECORD_CONTINUATION) set_bit(&l->base, l->names[index]);
    if (kind == SL_RECORD_CONTINUATION)
        for (size_t w = 0; w < BLOCK_WORDS; w++) n.set.words[w] |= l->base.words[w];
    if (!SL_RECORD_IS_NUMBERED(kind)) return;
    push(&l->needs, &n);
    (*sequence)++;
}

static void map_log(block_map *map, size_t file, int is_same_boot)
{
    static log_map l;
    const memory_node *node = map->image->reference->disk.files[file].node;
    sl_log_header header;
    sl_log_mark mark;
    l = (log_map){.map = map, .data = node->data, .bytes = node->bytes, .file = file};
    OK(sl_log_header_decode(node->data, "a log", &header, &kit_error));
    HOLDS(sl_log_mark_latest(node->data, sl_file_key(&header.log_id), &mark) >= 0, "a mark is damaged");
    l.incarnation = header.incarnation;
    size_t whole = add_block(map, file, 0, 0, "header and copy");
    map->blocks[whole].is_history = 1;
    map->whole_log[file] = (uint16_t)whole;
    set_bit(&l.always, whole);
    map->blocks[add_block(map, file, 0, SL_LOG_FIXED_BYTES, "log header")].is_header = 1;
    for (size_t i = 0; i < 4; i++) {
        size_t at = SL_LOG_MARK_OFFSET + i * SL_LOG_SLOT_STRIDE;
        block *slot = &map->blocks[add_block(map, file, at, at + SL_LOG_SLOT_BYTES, "slot")];
        slot->is_slot = i < 2;
        slot->is_clearable = slot->is_torn = 1;
        map->blocks[add_block(map, file, at + SL_LOG_SLOT_BYTES, at + SL_LOG_SLOT_STRIDE, "zeros")].is_clearable = 1;
    }
    map->blocks[add_block(map, file, SL_LOG_COPY_OFFSET, SL_LOG_UNUSED_OFFSET, "copy of the header")].is_header = 1;
    add_block(map, file, SL_LOG_UNUSED_OFFSET, SL_LOG_HEADER_BYTES, "zeros");
    uint64_t sequence = header.first_sequence;
    size_t at = SL_LOG_HEADER_BYTES, length;
    for (; at + 8 <= l.bytes && (length = (sl_load64(l.data + at) & 0xffff) * 8) != 0; at += length)
        take_record(&l, at, length, &sequence, at >= mark.offset && !is_same_boot);
    if (at < l.bytes) {
        block *end = &map->blocks[add_block(map, file, at, l.bytes, "end of the log")];
        end->is_unused = end->is_unsynced = 1;
    }
    apply(map, &l.needs, &l.always);
    free(l.needs.items);
}

/* ---- segments ---- */

typedef struct segment_map {
    block_map *map;
    const uint8_t *data;
    size_t bytes, file;
    sl_page_walk walk, pages;
    need_list needs;
    steplog_id incarnations[32];
    size_t schema_blocks[64];
    char schema_names[64][64]; /* first letters */
    size_t writer_count;
} segment_map;

static int64_t read_segment(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    const segment_map *s = context;
    if (offset >= s->bytes) return 0;
    if (bytes > s->bytes - offset) bytes = s->bytes - (size_t)offset;
    memcpy(buffer, s->data + offset, bytes);
    return (int64_t)bytes;
}

static size_t block_at(const segment_map *s, uint64_t offset)
{
    for (size_t i = 0; i < s->map->count; i++)
        if (s->map->blocks[i].file == s->file && s->map->blocks[i].begin == offset) return i;
    HOLDS(0, "no page at %llu", (unsigned long long)offset);
}

static void take_chunk(segment_map *s, const sl_page_item *item, size_t own)
{
    sl_chunk_head head, other;
    int64_t sequences[SL_CHUNK_ROWS_MAX];
    block_set set = {{0}};
    HOLDS(sl_chunk_head_decode(item->content, item->content_bytes, &head), "a chunk of the intact store");
    set_bit(&set, own);
    set_bit(&set, s->schema_blocks[head.schema]);
    const uint8_t *part = head.part[SL_PART_SEQUENCES];
    uint32_t part_bytes = head.part_bytes[SL_PART_SEQUENCES];
    sl_page_item referenced;
    for (int i = 0; i < SL_PART_COUNT; i++)
        if (head.is_reference[i]) set_bit(&set, block_at(s, head.reference[i]));
    if (head.is_reference[SL_PART_SEQUENCES]) {
        sl_page_read_one(&s->pages, head.reference[SL_PART_SEQUENCES], &referenced);
        HOLDS(sl_chunk_head_decode(referenced.content, referenced.content_bytes, &other), "a reference");
        part = other.part[SL_PART_SEQUENCES];
        part_bytes = other.part_bytes[SL_PART_SEQUENCES];
    }
    const char *what;
    OK(sl_int_decode(part, part_bytes, head.row_count, sequences, &what));
    sl_chunk_walk walk = sl_chunk_directory_begin(&head);
    sl_column_info info;
    for (uint32_t column = 0; sl_chunk_directory_next(&walk, &info); column++) {
        need n = {.metric = s->schema_names[head.schema][column], .set = set};
        n.incarnation = &s->incarnations[head.writer];
        if (info.flags & SL_COLUMN_IS_OWN_PAGE) set_bit(&n.set, block_at(s, item->offset - info.page_distance));
        for (uint32_t i = 0; i < head.row_count; i++) {
            n.begin = (uint64_t)sequences[i];
            n.end = n.begin + 1;
            push(&s->needs, &n);
        }
    }
}

static void take_facts(segment_map *s, const sl_page_item *item, size_t own)
{
    for (uint32_t at = 0; at < item->content_bytes;) {
        sl_record_prefix prefix;
        HOLDS(sl_record_prefix_decode(item->content + at, &prefix), "a record of the intact store");
        need n = {.incarnation = &s->incarnations[prefix.writer], .begin = prefix.sequence, .end = prefix.sequence + 1};
        set_bit(&n.set, own);
        if (prefix.type == SL_ENTRY_BLOB) set_bit(&n.set, block_at(s, prefix.data_offset));
        push(&s->needs, &n);
        at += SL_RECORD_PREFIX_BYTES + prefix.bytes;
    }
}

static void take_page(segment_map *s, const sl_page_item *item)
{
    static const char *const names[32] = {[SL_PAGE_WRITER] = "WRITER page",   [SL_PAGE_SCHEMA] = "SCHEMA page",
                                          [SL_PAGE_COLUMN] = "COLUMN page",   [SL_PAGE_CHUNK] = "CHUNK page",
                                          [SL_PAGE_FACTS] = "FACTS page",     [SL_PAGE_BLOB] = "BLOB page",
                                          [SL_PAGE_TRAILER] = "TRAILER page"};
    unsigned kind = item->head.kind;
    size_t own = add_block(s->map, s->file, item->offset, item->offset + item->bytes,
                           kind < 32 && names[kind] ? names[kind] : "table page");
    s->map->blocks[own].is_history = kind == SL_PAGE_FACTS;
    s->map->blocks[own].is_description = kind == SL_PAGE_WRITER;
    s->map->blocks[own].is_writer_page = kind == SL_PAGE_WRITER;
    s->map->blocks[own].is_writer_table = kind == SL_PAGE_WRITER_TABLE;
    if (kind == SL_PAGE_WRITER) {
        sl_writer_description d;
        HOLDS(item->head.index < 32 && sl_writer_description_decode(item->content, item->content_bytes, &d), "a writer");
        s->incarnations[item->head.index] = d.incarnation;
    } else if (kind == SL_PAGE_SCHEMA) {
        HOLDS(item->head.index < 64, "a schema");
        s->schema_blocks[item->head.index] = own;
        uint32_t count = sl_load32(item->content), at = 4;
        for (uint32_t i = 0; i < count; i++) {
            s->schema_names[item->head.index][i] = (char)item->content[at + 4];
            at += 4 + sl_load32(item->content + at);
        }
    } else if (kind == SL_PAGE_CHUNK) {
        take_chunk(s, item, own);
    } else if (kind == SL_PAGE_FACTS) {
        take_facts(s, item, own);
    }
}

static void map_segment(block_map *map, size_t file)
{
    static segment_map s;
    const memory_node *node = map->image->reference->disk.files[file].node;
    sl_segment_header header;
    sl_page_item item;
    block_set none = {{0}};
    s = (segment_map){.map = map, .data = node->data, .bytes = node->bytes, .file = file};
    OK(sl_segment_header_decode(node->data, "a segment", &header, &kit_error));
    add_block(map, file, 0, SL_SEGMENT_HEADER_BYTES, "segment header");
    uint64_t key = sl_file_key(&header.file_id);
    sl_page_walk_init(&s.walk, read_segment, &s, key, s.bytes);
    sl_page_walk_init(&s.pages, read_segment, &s, key, s.bytes);
    for (;;) {
        sl_page_walk_next(&s.walk, &item);
        if (item.kind == SL_PAGE_ITEM_END) break;
        HOLDS(item.kind == SL_PAGE_ITEM_PAGE, "a page of the intact store: %s", item.what);
        take_page(&s, &item);
    }
    apply(map, &s.needs, &none);
    sl_page_walk_free(&s.walk);
    sl_page_walk_free(&s.pages);
    free(s.needs.items);
}

/* ---- maps ---- */

void block_map_make(block_map *out, const store_image *image, int is_same_boot)
{
    const memory_disk *disk = &image->reference->disk;
    *out = (block_map){.image = image};
    out->needs = calloc(image->count, sizeof *out->needs);
    out->copy_count = calloc(image->count, 1);
    HOLDS(out->needs && out->copy_count, "out of memory");
    for (size_t i = 0; i < disk->count; i++) {
        const memory_node *node = disk->files[i].node;
        const char *name = disk->files[i].name, *slash = strrchr(name, '/');
        steplog_id id;
        if (node->is_directory) continue;
        if (strncmp(name, "log/", 4) == 0 && node->bytes >= SL_LOG_HEADER_BYTES) {
            map_log(out, i, is_same_boot);
        } else if (slash && sl_segment_name_parse(slash + 1, &id)) {
            map_segment(out, i);
        } else {
            block *b = &out->blocks[add_block(out, i, 0, node->bytes, slash ? "foreign file" : "STEPLOG")];
            b->is_unused = slash != NULL;
        }
    }
    for (size_t i = 0; i < image->count; i++)
        HOLDS(image->items[i].kind == ITEM_DETAIL || out->copy_count[i], "an item that no block holds: record %llu",
              (unsigned long long)image->items[i].sequence);
}

void block_map_free(block_map *map)
{
    free(map->needs);
    free(map->copy_count);
}

void block_map_touch_log(const block_map *map, size_t file, block_set *touched)
{
    set_bit(touched, map->whole_log[file]);
}

void block_map_touch(const block_map *map, size_t file, size_t begin, size_t end, block_set *touched)
{
    int has_slot = 0, has_record = 0, has_page = 0, has_table = 0, headers = 0;
    for (size_t i = 0; i < map->count; i++) {
        const block *b = &map->blocks[i];
        if (b->file != file) continue;
        if (b->begin < end && b->end > begin) set_bit(touched, i);
        if (!block_is_in(touched, i)) continue;
        headers += b->is_header;
        has_slot |= b->is_slot;
        has_record |= b->is_record;
        has_page |= b->is_writer_page;
        has_table |= b->is_writer_table;
    }
    if ((has_slot && has_record) || headers == 2) block_map_touch_log(map, file, touched);
    for (size_t i = 0; i < map->count && has_page && has_table; i++)
        if (map->blocks[i].file == file) set_bit(touched, i);
}

int block_map_may_cost(const block_map *map, size_t item, const block_set *touched)
{
    for (size_t copy = 0; copy < map->copy_count[item]; copy++) {
        uint64_t common = 0;
        for (size_t w = 0; w < BLOCK_WORDS; w++) common |= map->needs[item][copy].words[w] & touched->words[w];
        if (!common) return 0;
    }
    return 1;
}

int block_map_has(const block_map *map, const block_set *touched, size_t flag)
{
    for (size_t i = 0; i < map->count; i++)
        if (block_is_in(touched, i) && ((const uint8_t *)&map->blocks[i])[flag]) return 1;
    return 0;
}

int block_map_is_all(const block_map *map, const block_set *touched, size_t flag)
{
    for (size_t i = 0; i < map->count; i++)
        if (block_is_in(touched, i) && !((const uint8_t *)&map->blocks[i])[flag]) return 0;
    return 1;
}
