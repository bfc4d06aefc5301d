/* format/page_codec.h: the pages that a segment is made of.
 *
 *   0  u8[2] "PG"   2 u8 kind   3 u8 flags
 *   4  u32 content bytes, as stored
 *   8  u32 raw bytes, before LZ4
 *   12 u32 index (what it means depends on the kind)
 *   16 u64 check over the stored content with its padding
 *   24 ..  content, zero padded to a multiple of 8 */
#ifndef SL_FORMAT_PAGE_CODEC_H
#define SL_FORMAT_PAGE_CODEC_H

#include "base/span.h"
#include "format/layout.h"

typedef struct sl_page_head {
    uint8_t kind, flags;
    uint32_t content_bytes, raw_bytes, index;
    uint64_t check;
} sl_page_head;

#define SL_PAD8(bytes) (((uint64_t)(bytes) + 7) & ~(uint64_t)7)
static inline uint64_t sl_page_bytes(const sl_page_head *head) { return SL_PAGE_HEAD_BYTES + SL_PAD8(head->content_bytes); }

/* Whether a page may be compressed, and what that may cost: some ns a byte with SL_PACK_SMALL. */
enum { SL_PACK_NEVER, SL_PACK_FAST, SL_PACK_SMALL };

/* Appends a whole page to out for a page at offset of its file; compresses when it may and it helps.
 * Out of memory is remembered in out. Returns the bytes of the page. */
uint64_t sl_page_encode(sl_buffer *out, unsigned kind, uint32_t index, const void *content, size_t bytes, int pack,
                        uint64_t file_key, uint64_t offset);

/* The longest content, stored or raw, of a page of this kind: what a hostile page may cost is bounded by it. */
uint32_t sl_page_content_bytes_max(unsigned kind);

/* Reads a head: 1 when its fields are possible (magic, sizes), so that it makes sense to read on. */
int sl_page_head_decode(const uint8_t in[SL_PAGE_HEAD_BYTES], sl_page_head *out);

/* 1 when page (a whole one: head, content, padding) passes its check and its padding is zero. */
int sl_page_verify(const uint8_t *page, const sl_page_head *head, uint64_t file_key, uint64_t offset);

/* Gives the raw content of a verified page: *content points into page, or into scratch when it had to
 * be decompressed. CORRUPT or NOMEM otherwise. */
steplog_status sl_page_content(const uint8_t *page, const sl_page_head *head, sl_buffer *scratch,
                               const uint8_t **content, uint32_t *bytes);

#endif
