/* read/page_window.c: a stretch of a segment in memory.
 *
 * Every page is checked each time it is asked for, where it lies. A read that fails, or ends early, leaves the window
 * empty. */
#include "read/page_window.h"

#include "format/value_codec.h"
#include "read/segment_reader.h"

void sl_page_window_free(sl_page_window *w)
{
    sl_free(w->data);
    sl_buffer_free(&w->unpacked);
    *w = (sl_page_window){0};
}

static void damage(sl_page_item *item, uint64_t bytes, const char *what)
{
    item->kind = SL_PAGE_ITEM_DAMAGE;
    item->bytes = bytes;
    item->what = what;
}

/* Fills the window with [offset, offset + wanted), or as far as the file goes. What lies behind the first needed bytes may
 * be unreadable: then only those are read. 0 on failure, told in item. */
static int load(sl_page_window *w, sl_segment *s, uint64_t offset, uint64_t needed, uint64_t wanted, sl_page_item *item)
{
    w->segment = NULL;
    if (wanted < needed) wanted = needed;
    if (wanted > s->file_bytes - offset) wanted = s->file_bytes - offset;
    item->kind = SL_PAGE_ITEM_ERROR;
    if (!sl_vec_reserve((void **)&w->data, &w->capacity, (size_t)wanted + SL_DECODE_SLACK_BYTES, 1)) return 0;
    int64_t got = sl_segment_read(s, w->data, (size_t)wanted, offset);
    if (got < 0 && wanted > needed) got = sl_segment_read(s, w->data, (size_t)needed, offset);
    if (got < 0) {
        item->os_errno = (int)-got;
        return 0;
    }
    item->kind = SL_PAGE_ITEM_PAGE;
    w->segment = s;
    w->begin = offset;
    w->bytes = (size_t)got;
    if ((uint64_t)got >= needed) return 1;
    damage(item, s->file_bytes - offset, "the file ends within a page");
    return 0;
}

static int holds(const sl_page_window *w, const sl_segment *s, uint64_t offset, uint64_t bytes)
{
    return w->segment == s && offset >= w->begin && offset - w->begin <= w->bytes &&
           bytes <= w->bytes - (offset - w->begin);
}

static int is_head_right(const sl_segment *s, const uint8_t *page, uint64_t offset, unsigned kind, sl_page_item *item)
{
    if (!sl_page_head_decode(page, &item->head) || sl_page_bytes(&item->head) > s->file_bytes - offset) {
        damage(item, SL_PAGE_HEAD_BYTES, "page head is impossible");
        return 0;
    }
    item->bytes = sl_page_bytes(&item->head);
    if (item->head.kind == kind) return 1;
    damage(item, item->bytes, SL_PAGE_OF_ANOTHER_KIND);
    return 0;
}

/* Finds a page where the segment is mapped. NULL when it may not be used there: what is decoded is read past its end. */
static const uint8_t *find_mapped(const sl_segment *s, uint64_t offset, unsigned kind, sl_page_item *item)
{
    const uint8_t *page = s->map + offset;
    if (!is_head_right(s, page, offset, kind, item)) return NULL;
    return item->bytes + SL_DECODE_SLACK_BYTES <= s->file_bytes - offset ? page : NULL;
}

static const uint8_t *find_read(sl_page_window *w, sl_segment *s, uint64_t offset, size_t ahead, unsigned kind,
                                sl_page_item *item)
{
    if (!holds(w, s, offset, SL_PAGE_HEAD_BYTES) && !load(w, s, offset, SL_PAGE_HEAD_BYTES, ahead, item)) return NULL;
    if (!is_head_right(s, w->data + (offset - w->begin), offset, kind, item)) return NULL;
    /* Where the page is longer than what is held, its head is read again, with it. */
    if (!holds(w, s, offset, item->bytes) &&
        (!load(w, s, offset, item->bytes, ahead, item) ||
         !is_head_right(s, w->data + (offset - w->begin), offset, kind, item)))
        return NULL;
    if (holds(w, s, offset, item->bytes)) return w->data + (offset - w->begin);
    damage(item, SL_PAGE_HEAD_BYTES, "page head is impossible");
    return NULL;
}

void sl_page_window_read(sl_page_window *w, sl_segment *s, uint64_t offset, size_t ahead, unsigned kind,
                         sl_page_item *item)
{
    *item = (sl_page_item){.kind = SL_PAGE_ITEM_PAGE, .offset = offset};
    if (offset % 8 || offset < SL_SEGMENT_HEADER_BYTES || offset > s->file_bytes ||
        s->file_bytes - offset < SL_PAGE_HEAD_BYTES) {
        damage(item, 0, "no page can be here");
        return;
    }
    if (ahead == 0) ahead = SL_WINDOW_BYTES_UNKNOWN;
    if (ahead > SL_WINDOW_BYTES_MAX) ahead = SL_WINDOW_BYTES_MAX;
    const uint8_t *page = s->map ? find_mapped(s, offset, kind, item) : NULL;
    if (!page && item->kind == SL_PAGE_ITEM_PAGE) page = find_read(w, s, offset, ahead, kind, item);
    if (!page) return;
    if (!sl_page_verify(page, &item->head, s->file_key, offset)) {
        damage(item, item->bytes, "page checksum differs");
        return;
    }
    steplog_status status = sl_page_content(page, &item->head, &w->unpacked, &item->content, &item->content_bytes);
    if (status == STEPLOG_NOMEM) item->kind = SL_PAGE_ITEM_ERROR;
    else if (status < 0) damage(item, item->bytes, "page does not decompress to its length");
}
