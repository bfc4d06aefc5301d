/* format/blob_pages.c: see the header. */
#include "format/blob_pages.h"

#include "format/checksum.h"
#include "format/segment_codec.h"

#define PAGES_MAX ((STEPLOG_BLOB_BYTES_MAX + SL_BLOB_PAGE_RAW_BYTES - 1) / SL_BLOB_PAGE_RAW_BYTES)

/* Page number index of page_count, which the first one tells. NULL when it is as it must be, else what is wrong. */
static const char *check_page(const sl_page_item *page, uint32_t index, uint32_t *page_count)
{
    if (page->kind != SL_PAGE_ITEM_PAGE) return page->what ? page->what : "no page can be here";
    uint32_t skip = index == 0 ? SL_RECORD_PREFIX_BYTES : 0;
    if (page->head.index != index || page->content_bytes < skip)
        return "the page is not the piece of the blob that belongs here";
    if (index == 0) {
        sl_record_prefix prefix;
        if (!sl_record_prefix_decode(page->content, &prefix) || prefix.type != SL_ENTRY_BLOB || prefix.data_offset != 0 ||
            prefix.bytes < 1 || prefix.bytes > PAGES_MAX)
            return "the prefix of the blob's data breaks a rule";
        *page_count = prefix.bytes;
    }
    uint32_t bytes = page->content_bytes - skip;
    int is_last = index + 1 == *page_count;
    if (is_last ? bytes > SL_BLOB_PAGE_RAW_BYTES || (bytes == 0 && index > 0) : bytes != SL_BLOB_PAGE_RAW_BYTES)
        return "the page is not the piece of the blob that belongs here";
    return NULL;
}

int sl_blob_pages_check(sl_page_walk *walk, uint64_t offset, sl_blob_pages *out, int *os_errno)
{
    XXH3_state_t state;
    uint32_t page_count = 1;
    *out = (sl_blob_pages){.offset = offset};
    XXH3_64bits_reset(&state);
    for (uint32_t index = 0; index < page_count; index++) {
        sl_page_item page;
        sl_page_read_kind(walk, offset + out->bytes, SL_PAGE_BLOB, &page);
        if (page.kind == SL_PAGE_ITEM_ERROR) {
            *os_errno = page.os_errno;
            return -1;
        }
        out->broken = check_page(&page, index, &page_count);
        if (out->broken) {
            out->broken_offset = offset + out->bytes;
            out->broken_bytes = page.bytes;
            return 1;
        }
        uint32_t skip = index == 0 ? SL_RECORD_PREFIX_BYTES : 0;
        XXH3_64bits_update(&state, page.content + skip, page.content_bytes - skip);
        out->data_bytes += page.content_bytes - skip;
        out->bytes += page.bytes;
    }
    out->content_hash = XXH3_64bits_digest(&state);
    return 1;
}

int sl_checked_blobs_find(sl_checked_blobs *blobs, sl_page_walk *walk, uint64_t offset, const sl_blob_pages **out, int *os_errno)
{
    const uint64_t hash = sl_scramble(offset);
    size_t probe = 0;
    uint32_t index;
    while (sl_hash_map_find(&blobs->by_offset, hash, &probe, &index)) {
        *out = &blobs->items.items[index];
        if ((*out)->offset == offset) return 1;
    }
    sl_blob_pages pages;
    *os_errno = 0;
    if (sl_blob_pages_check(walk, offset, &pages, os_errno) < 0 || !SL_VEC_RESERVE(&blobs->items, blobs->items.count + 1) ||
        !sl_hash_map_add(&blobs->by_offset, hash, (uint32_t)blobs->items.count))
        return -1;
    blobs->items.items[blobs->items.count++] = pages;
    *out = &blobs->items.items[blobs->items.count - 1];
    return 1;
}

void sl_checked_blobs_free(sl_checked_blobs *blobs)
{
    SL_VEC_FREE(&blobs->items);
    sl_hash_map_free(&blobs->by_offset);
}
