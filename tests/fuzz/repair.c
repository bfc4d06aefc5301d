/* fuzz/repair.c: checks made anew over mutated bytes, section 4 of FORMAT.md backwards. */
#include "fuzz/repair.h"

#include "base/span.h"
#include "format/checksum.h"
#include "format/layout.h"
#include "format/record_codec.h"

enum { PAGE_BYTES_LEAST = SL_PAGE_HEAD_BYTES };

static uint64_t key_of(const uint8_t *id)
{
    steplog_id copy;
    memcpy(copy.bytes, id, sizeof copy.bytes);
    return sl_file_key(&copy);
}

void fuzz_repair_head(uint8_t *in, size_t check_at, size_t id_at, uint64_t file_key, uint64_t offset)
{
    uint64_t key = id_at ? key_of(in + id_at) : file_key;
    sl_store64(in + check_at, sl_check(sl_hash(in, check_at), key, id_at ? 0 : offset, 0, 0));
}

/* ---- logs ---- */

size_t fuzz_repair_record(uint8_t *in, size_t bytes, uint64_t file_key, uint64_t offset, uint64_t sequence)
{
    size_t length = bytes >= SL_RECORD_HEAD_BYTES + 8 ? (size_t)sl_load16(in) * 8 : 0;
    if (length < SL_RECORD_HEAD_BYTES + 8 || length > bytes) return 0;
    sl_store64(in + 8, sl_record_check_of(in, (uint32_t)length, sl_load64(in), file_key, offset, sequence));
    return length;
}

void fuzz_repair_records(uint8_t *in, size_t bytes, uint64_t file_key, uint64_t offset, uint64_t first_sequence)
{
    uint64_t sequence = first_sequence;
    for (size_t at = 0, length; at < bytes; at += length) {
        length = fuzz_repair_record(in + at, bytes - at, file_key, offset + at, sequence);
        if (length == 0) return;
        sequence += SL_RECORD_IS_NUMBERED(in[at + 2]);
    }
}

static void repair_slots(uint8_t *in, uint64_t file_key, uint64_t first)
{
    for (uint64_t at = first; at < first + 2 * SL_LOG_SLOT_STRIDE; at += SL_LOG_SLOT_STRIDE)
        if (!sl_is_zero(in + at, SL_LOG_SLOT_BYTES)) fuzz_repair_head(in + at, SL_LOG_SLOT_BYTES - 8, 0, file_key, at);
}

static void repair_log(uint8_t *in, size_t bytes)
{
    if (bytes < SL_LOG_HEADER_BYTES) return;
    uint64_t key = key_of(in + 16);
    fuzz_repair_head(in, SL_LOG_FIXED_BYTES - 8, 16, 0, 0);
    if (!sl_is_zero(in + SL_LOG_COPY_OFFSET, SL_LOG_FIXED_BYTES))
        fuzz_repair_head(in + SL_LOG_COPY_OFFSET, SL_LOG_FIXED_BYTES - 8, 16, 0, 0);
    repair_slots(in, key, SL_LOG_MARK_OFFSET);
    repair_slots(in, key, SL_LOG_GAP_OFFSET);
    fuzz_repair_records(in + SL_LOG_HEADER_BYTES, bytes - SL_LOG_HEADER_BYTES, key, SL_LOG_HEADER_BYTES,
                        sl_load64(in + 96));
}

/* ---- segments ---- */

static uint64_t page_bytes(const uint8_t *in)
{
    return SL_PAGE_HEAD_BYTES + (((uint64_t)sl_load32(in + 4) + 7) & ~(uint64_t)7);
}

void fuzz_repair_pages(uint8_t *in, size_t bytes, uint64_t file_key, uint64_t offset)
{
    size_t at = 0;
    while (at + PAGE_BYTES_LEAST <= bytes) {
        uint8_t *page = in + at;
        uint64_t length = page_bytes(page);
        if (page[0] != 'P' || page[1] != 'G' || length > bytes - at) {
            at += 8; /* the next place where one may begin */
            continue;
        }
        uint32_t content_bytes = sl_load32(page + 4);
        if (!(page[3] & SL_PAGE_IS_LZ4)) sl_store32(page + 8, content_bytes);
        memset(page + SL_PAGE_HEAD_BYTES + content_bytes, 0, (size_t)length - SL_PAGE_HEAD_BYTES - content_bytes);
        sl_store64(page + 16, sl_check(sl_hash(page + SL_PAGE_HEAD_BYTES, (size_t)length - SL_PAGE_HEAD_BYTES),
                                       file_key, offset + at, sl_load64(page), sl_load64(page + 8)));
        at += (size_t)length;
    }
}

/* The trailer says how long the file is, which a mutation may have changed. */
static void repair_trailer(uint8_t *in, size_t bytes)
{
    if (bytes < SL_SEGMENT_HEADER_BYTES + SL_TRAILER_BYTES || bytes % 8) return;
    uint8_t *trailer = in + bytes - SL_TRAILER_BYTES;
    if (trailer[0] == 'P' && trailer[1] == 'G' && trailer[2] == SL_PAGE_TRAILER)
        sl_store64(trailer + SL_PAGE_HEAD_BYTES, bytes);
}

static void repair_segment(uint8_t *in, size_t bytes)
{
    if (bytes < SL_SEGMENT_HEADER_BYTES) return;
    fuzz_repair_head(in, SL_SEGMENT_HEADER_BYTES - 8, 16, 0, 0);
    repair_trailer(in, bytes);
    fuzz_repair_pages(in + SL_SEGMENT_HEADER_BYTES, bytes - SL_SEGMENT_HEADER_BYTES, key_of(in + 16),
                      SL_SEGMENT_HEADER_BYTES);
}

void fuzz_repair_file(uint8_t *in, size_t bytes)
{
    if (bytes < 8) return;
    if (memcmp(in, "SLROWLOG", 8) == 0)
        repair_log(in, bytes);
    else if (memcmp(in, "SLSEGMNT", 8) == 0)
        repair_segment(in, bytes);
    else if (memcmp(in, "STEPLOG\n", 8) == 0 && bytes >= SL_STORE_FILE_BYTES)
        fuzz_repair_head(in, 56, 16, 0, 0);
}
