/* fuzz/fuzz_pages.c: pages one after another (format/page_walk.h).
 *
 * Input: a segment's bytes from offset 64 on; the file key is KEY. The walk must cover every byte once, in order, and
 * read no more than a few times what there is; a page put together again must decode to the same content. */
#include "fuzz/fuzz.h"

#include "format/page_walk.h"
#include "fuzz/repair.h"

#include <stdlib.h>

enum { KEY = 12345 };

typedef struct page_file {
    const uint8_t *data;
    size_t bytes;
    uint64_t read_bytes;
} page_file;

static int64_t read_pages(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    page_file *file = context;
    FUZZ_HOLDS(offset >= SL_SEGMENT_HEADER_BYTES, "the header is none of a page walk's business");
    uint64_t at = offset - SL_SEGMENT_HEADER_BYTES;
    if (at >= file->bytes) return 0;
    if (bytes > file->bytes - at) bytes = file->bytes - (size_t)at;
    memcpy(buffer, file->data + at, bytes);
    file->read_bytes += bytes;
    return (int64_t)bytes;
}

static void take_page(const sl_page_item *item)
{
    sl_buffer again = {0}, scratch = {0};
    sl_page_head head;
    const uint8_t *content;
    uint32_t bytes;
    int may_compress = item->head.flags & SL_PAGE_IS_LZ4;
    FUZZ_HOLDS(item->content_bytes == item->head.raw_bytes && item->content_bytes <= SL_PAGE_CONTENT_BYTES_MAX,
               "%u bytes", item->content_bytes);
    uint64_t page_bytes = sl_page_encode(&again, item->head.kind, item->head.index, item->content, item->content_bytes,
                                         may_compress, KEY, item->offset);
    FUZZ_HOLDS(page_bytes == again.bytes && sl_page_head_decode(again.data, &head) &&
                   sl_page_bytes(&head) == page_bytes,
               "%llu bytes", (unsigned long long)page_bytes);
    FUZZ_HOLDS(sl_page_verify(again.data, &head, KEY, item->offset), "its check");
    FUZZ_HOLDS(sl_page_content(again.data, &head, &scratch, &content, &bytes) == STEPLOG_OK &&
                   bytes == item->content_bytes && memcmp(content, item->content, bytes) == 0,
               "%u bytes", item->content_bytes);
    sl_buffer_free(&scratch);
    sl_buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    page_file file = {.data = data, .bytes = bytes};
    uint64_t file_bytes = SL_SEGMENT_HEADER_BYTES + bytes, at = SL_SEGMENT_HEADER_BYTES;
    sl_page_walk walk;
    sl_page_item item;
    /* A page as stored and its content are what a walk holds; checking them here takes as much. */
    fuzz_memory_begin(FUZZ_MEMORY_BYTES_MAX + 2 * SL_PAGE_CONTENT_BYTES_MAX);
    sl_page_walk_init(&walk, read_pages, &file, KEY, file_bytes);
    for (;;) {
        sl_page_walk_next(&walk, &item);
        FUZZ_HOLDS(item.kind != SL_PAGE_ITEM_ERROR, "errno %d", item.os_errno);
        if (item.kind == SL_PAGE_ITEM_END) break;
        FUZZ_HOLDS(item.offset == at && item.bytes > 0, "%llu bytes at %llu instead of %llu",
                   (unsigned long long)item.bytes, (unsigned long long)item.offset, (unsigned long long)at);
        at += item.bytes;
        if (item.kind == SL_PAGE_ITEM_PAGE)
            take_page(&item);
        else
            FUZZ_HOLDS(item.what, "no word about damage");
    }
    FUZZ_HOLDS(at == file_bytes || bytes == 0, "%llu of %llu bytes", (unsigned long long)at,
               (unsigned long long)file_bytes);
    FUZZ_HOLDS(file.read_bytes <= 24 * file_bytes + 4 * SL_PAGE_CONTENT_BYTES_MAX, "%llu bytes read of %llu",
               (unsigned long long)file.read_bytes, (unsigned long long)file_bytes);
    sl_page_walk_free(&walk);
    fuzz_memory_end();
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t bytes_max, unsigned seed)
{
    bytes = LLVMFuzzerMutate(data, bytes, bytes_max);
    if (seed % 4 != 0) fuzz_repair_pages(data, bytes, KEY, SL_SEGMENT_HEADER_BYTES);
    return bytes;
}
