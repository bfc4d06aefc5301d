/* format/page_codec.c: pages, the checksummed unit of a segment. */
#include "format/page_codec.h"

#include "format/checksum.h"
#include "format/segment_codec.h"
#include "format/value_codec.h"

#include <lz4.h>
#include <lz4hc.h>

static_assert(SL_PAGE_CONTENT_BYTES_MAX <= LZ4_MAX_INPUT_SIZE, "LZ4 takes a whole page");

static uint64_t check_of(const uint8_t *page, uint64_t stored_bytes, uint64_t file_key, uint64_t offset)
{
    return sl_check(sl_hash(page + SL_PAGE_HEAD_BYTES, stored_bytes), file_key, offset, sl_load64(page),
                    sl_load64(page + 8));
}

/* The compressed bytes, or 0 when there are not fewer. */
static size_t compress(const void *content, size_t bytes, uint8_t *out, size_t room, int pack)
{
    void *state = pack == SL_PACK_SMALL ? sl_alloc((size_t)LZ4_sizeofStateHC()) : NULL;
    char *to = (char *)out;
    int packed = state ? LZ4_compress_HC_extStateHC(state, content, to, (int)bytes, (int)room, LZ4HC_CLEVEL_DEFAULT)
                       : LZ4_compress_default(content, to, (int)bytes, (int)room);
    sl_free(state);
    return packed > 0 && (size_t)packed < bytes ? (size_t)packed : 0;
}

uint64_t sl_page_encode(sl_buffer *out, unsigned kind, uint32_t index, const void *content, size_t bytes, int pack,
                        uint64_t file_key, uint64_t offset)
{
    size_t start = out->bytes;
    const int may_compress = pack != SL_PACK_NEVER && bytes >= 64;
    size_t bound = may_compress ? (size_t)LZ4_compressBound((int)bytes) : bytes;
    uint8_t *page = sl_buffer_grow(out, SL_PAGE_HEAD_BYTES + bound + 8);
    if (!page) return 0;
    size_t stored = bytes;
    unsigned flags = 0;
    uint8_t *body = page + SL_PAGE_HEAD_BYTES;
    size_t packed = may_compress ? compress(content, bytes, body, bound, pack) : 0;
    if (packed) {
        stored = packed;
        flags = SL_PAGE_IS_LZ4;
    }
    if (!flags && bytes) memcpy(body, content, bytes);
    uint64_t padded = SL_PAD8(stored);
    memset(body + stored, 0, (size_t)(padded - stored));
    page[0] = 'P';
    page[1] = 'G';
    page[2] = (uint8_t)kind;
    page[3] = (uint8_t)flags;
    sl_store32(page + 4, (uint32_t)stored);
    sl_store32(page + 8, (uint32_t)bytes);
    sl_store32(page + 12, index);
    sl_store64(page + 16, check_of(page, padded, file_key, offset));
    out->bytes = start + SL_PAGE_HEAD_BYTES + (size_t)padded;
    return SL_PAGE_HEAD_BYTES + padded;
}

uint32_t sl_page_content_bytes_max(unsigned kind)
{
    switch (kind) {
    case SL_PAGE_WRITER: return SL_WRITER_CONTENT_BYTES_MAX;
    case SL_PAGE_COLUMN: return SL_COLUMN_PAYLOAD_BYTES_MAX;
    case SL_PAGE_CHUNK: return SL_CHUNK_CONTENT_BYTES_MAX;
    case SL_PAGE_FACTS: return SL_FACTS_PAGE_RAW_BYTES_MAX;
    case SL_PAGE_BLOB: return SL_BLOB_PAGE_RAW_BYTES + SL_RECORD_PREFIX_BYTES;
    case SL_PAGE_TRAILER: return SL_TRAILER_CONTENT_BYTES;
    default: return kind >= SL_PAGE_WRITER_TABLE && kind <= SL_PAGE_NODE_STATS_TABLE
                        ? SL_TABLE_CONTENT_BYTES_MAX
                        : SL_PAGE_CONTENT_BYTES_MAX;
    }
}

int sl_page_head_decode(const uint8_t in[SL_PAGE_HEAD_BYTES], sl_page_head *out)
{
    *out = (sl_page_head){.kind = in[2],
                          .flags = in[3],
                          .content_bytes = sl_load32(in + 4),
                          .raw_bytes = sl_load32(in + 8),
                          .index = sl_load32(in + 12),
                          .check = sl_load64(in + 16)};
    int may_be_lz4 = out->kind == SL_PAGE_WRITER || out->kind == SL_PAGE_SCHEMA || out->kind == SL_PAGE_FACTS ||
                     out->kind == SL_PAGE_BLOB ||
                     (out->kind >= SL_PAGE_WRITER_TABLE && out->kind <= SL_PAGE_NODE_STATS_TABLE);
    if (in[0] != 'P' || in[1] != 'G' || out->flags > (may_be_lz4 ? SL_PAGE_IS_LZ4 : 0)) return 0;
    const uint32_t most = sl_page_content_bytes_max(out->kind);
    if (out->content_bytes > most || out->raw_bytes > most) return 0;
    return out->flags ? out->content_bytes < out->raw_bytes : out->content_bytes == out->raw_bytes;
}

int sl_page_verify(const uint8_t *page, const sl_page_head *head, uint64_t file_key, uint64_t offset)
{
    uint64_t padded = SL_PAD8(head->content_bytes);
    return check_of(page, padded, file_key, offset) == head->check &&
           sl_is_zero(page + SL_PAGE_HEAD_BYTES + head->content_bytes, (size_t)(padded - head->content_bytes));
}

steplog_status sl_page_content(const uint8_t *page, const sl_page_head *head, sl_buffer *scratch,
                               const uint8_t **content, uint32_t *bytes)
{
    *bytes = head->raw_bytes;
    if (!(head->flags & SL_PAGE_IS_LZ4)) {
        *content = page + SL_PAGE_HEAD_BYTES;
        return STEPLOG_OK;
    }
    sl_buffer_clear(scratch);
    uint8_t *raw = sl_buffer_grow(scratch, head->raw_bytes + SL_DECODE_SLACK_BYTES);
    if (!raw) return STEPLOG_NOMEM;
    int got = LZ4_decompress_safe((const char *)page + SL_PAGE_HEAD_BYTES, (char *)raw, (int)head->content_bytes,
                                  (int)head->raw_bytes);
    *content = raw;
    return got >= 0 && (uint32_t)got == head->raw_bytes ? STEPLOG_OK : STEPLOG_CORRUPT;
}
