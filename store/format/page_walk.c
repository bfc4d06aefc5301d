/* format/page_walk.c: pages one after another; after damage, the next place where a page passes its check. */
#include "format/page_walk.h"

#include "format/value_codec.h"

#define FIRST_READ_BYTES 4096u

void sl_page_walk_init(sl_page_walk *walk, sl_page_read read, void *context, uint64_t file_key, uint64_t file_bytes)
{
    *walk = (sl_page_walk){.read = read,
                           .context = context,
                           .file_key = file_key,
                           .file_bytes = file_bytes,
                           .offset = SL_SEGMENT_HEADER_BYTES,
                           .search_bytes_left = 4 * file_bytes + SL_PAGE_CONTENT_BYTES_MAX};
}

void sl_page_walk_free(sl_page_walk *walk)
{
    sl_buffer_free(&walk->page);
    sl_buffer_free(&walk->scratch);
}

void sl_page_walk_trim(sl_page_walk *walk, const sl_page_item *lent)
{
    int is_unpacked = lent && lent->content == walk->scratch.data;
    if (walk->page.capacity > SL_PAGE_WALK_KEPT_BYTES && (!lent || is_unpacked)) sl_buffer_free(&walk->page);
    if (walk->scratch.capacity > SL_PAGE_WALK_KEPT_BYTES && !is_unpacked) sl_buffer_free(&walk->scratch);
}

static void damage(sl_page_item *item, uint64_t bytes, const char *what)
{
    item->kind = SL_PAGE_ITEM_DAMAGE;
    item->bytes = bytes;
    item->what = what;
}

/* Reads bytes [held, bytes) of the page at offset behind those that walk->page has; at least as many as to make
 * bytes_min. Returns how many it has then, or 0. */
static size_t read_bytes(sl_page_walk *walk, size_t held, size_t bytes_min, size_t bytes, uint64_t offset,
                         sl_page_item *item)
{
    if (bytes <= held) return held;
    walk->page.bytes = held;
    walk->page.is_out_of_memory = 0;
    uint8_t *at = sl_buffer_grow(&walk->page, bytes - held + SL_DECODE_SLACK_BYTES);
    int64_t got = at ? walk->read(walk->context, at, bytes - held, offset + held) : 0;
    if (at && got >= (int64_t)(bytes_min - held)) return held + (size_t)got;
    if (at && got >= 0) {
        damage(item, walk->file_bytes - offset, "the file ends within a page");
        return 0;
    }
    item->kind = SL_PAGE_ITEM_ERROR;
    item->os_errno = at ? (int)-got : 0;
    return 0;
}

enum { ANY_PAGE, OF_KIND, OF_KIND_AND_INDEX };

/* Only a page that is as expected is read further than its head. */
static void read_one(sl_page_walk *walk, uint64_t offset, int expected, unsigned kind, uint32_t index, sl_page_item *item)
{
    *item = (sl_page_item){.kind = SL_PAGE_ITEM_PAGE, .offset = offset};
    if (offset % 8 || offset < SL_SEGMENT_HEADER_BYTES || offset > walk->file_bytes ||
        walk->file_bytes - offset < SL_PAGE_HEAD_BYTES) {
        damage(item, 0, "no page can be here");
        return;
    }
    /* Most pages are short: one read gets them whole. What follows a page may be unreadable; then less is read. */
    size_t held = walk->file_bytes - offset < FIRST_READ_BYTES ? (size_t)(walk->file_bytes - offset) : FIRST_READ_BYTES;
    if (!(held = read_bytes(walk, 0, SL_PAGE_HEAD_BYTES, held, offset, item))) return;
    if (!sl_page_head_decode(walk->page.data, &item->head) || sl_page_bytes(&item->head) > walk->file_bytes - offset) {
        damage(item, SL_PAGE_HEAD_BYTES, "page head is impossible");
        return;
    }
    item->bytes = sl_page_bytes(&item->head);
    if (expected != ANY_PAGE && item->head.kind != kind) {
        damage(item, item->bytes, SL_PAGE_OF_ANOTHER_KIND);
        return;
    }
    if (expected == OF_KIND_AND_INDEX && item->head.index != index) {
        damage(item, item->bytes, "page is not the one that is expected here");
        return;
    }
    if (!read_bytes(walk, held, (size_t)item->bytes, (size_t)item->bytes, offset, item)) return;
    if (!sl_page_verify(walk->page.data, &item->head, walk->file_key, offset)) {
        damage(item, item->bytes, "page checksum differs");
        return;
    }
    steplog_status status = sl_page_content(walk->page.data, &item->head, &walk->scratch, &item->content,
                                            &item->content_bytes);
    if (status == STEPLOG_CORRUPT) damage(item, item->bytes, "page does not decompress");
    if (status == STEPLOG_NOMEM) item->kind = SL_PAGE_ITEM_ERROR;
}

void sl_page_read_one(sl_page_walk *walk, uint64_t offset, sl_page_item *item)
{
    read_one(walk, offset, ANY_PAGE, 0, 0, item);
}

void sl_page_read_kind(sl_page_walk *walk, uint64_t offset, unsigned kind, sl_page_item *item)
{
    read_one(walk, offset, OF_KIND, kind, 0, item);
}

void sl_page_read_expected(sl_page_walk *walk, uint64_t offset, unsigned kind, uint32_t index, sl_page_item *item)
{
    read_one(walk, offset, OF_KIND_AND_INDEX, kind, index, item);
}

/* The next place from offset on where a page passes its check; file_bytes when there is none. */
static uint64_t find_page(sl_page_walk *walk, uint64_t offset)
{
    uint8_t window[4096 + SL_PAGE_HEAD_BYTES];
    while (offset + SL_PAGE_HEAD_BYTES <= walk->file_bytes) {
        int64_t got = walk->read(walk->context, window, sizeof window, offset);
        if (got < (int64_t)SL_PAGE_HEAD_BYTES) break;
        for (int64_t at = 0; at + (int64_t)SL_PAGE_HEAD_BYTES <= got && at < 4096; at += 8) {
            sl_page_head head;
            sl_page_item item;
            if (!sl_page_head_decode(window + at, &head)) continue;
            if (sl_page_bytes(&head) > walk->search_bytes_left) return walk->file_bytes;
            walk->search_bytes_left -= sl_page_bytes(&head);
            sl_page_read_one(walk, offset + (uint64_t)at, &item);
            if (item.kind == SL_PAGE_ITEM_PAGE) return offset + (uint64_t)at;
        }
        offset += 4096;
    }
    return walk->file_bytes;
}

void sl_page_walk_next(sl_page_walk *walk, sl_page_item *item)
{
    *item = (sl_page_item){.kind = SL_PAGE_ITEM_END, .offset = walk->offset};
    if (walk->offset >= walk->file_bytes) return;
    sl_page_read_one(walk, walk->offset, item);
    if (item->kind == SL_PAGE_ITEM_DAMAGE) {
        const char *what = item->what;
        uint64_t found = find_page(walk, walk->offset + 8);
        *item = (sl_page_item){
            .kind = SL_PAGE_ITEM_DAMAGE, .offset = walk->offset, .bytes = found - walk->offset, .what = what};
    }
    walk->offset = item->kind == SL_PAGE_ITEM_ERROR ? walk->file_bytes : item->offset + item->bytes;
}
