/* support/reseal.c: FORMAT.md section 4, for files whose bytes were changed. */
#include "support/reseal.h"

#include "format/checksum.h"
#include "format/layout.h"

#include <string.h>

typedef struct file {
    uint8_t *data;
    size_t bytes;
    const uint8_t *intact;
    size_t intact_bytes;
    uint64_t key;
} file;

static uint64_t key_of(const uint8_t *id)
{
    steplog_id copy;
    memcpy(copy.bytes, id, 16);
    return sl_file_key(&copy);
}

static void seal_header(file *f, size_t covered)
{
    if (f->bytes < covered + 8) return;
    sl_store64(f->data + covered, sl_check(sl_hash(f->data, covered), f->key, 0, 0, 0));
}

/* ---- logs ---- */

static void seal_slot(file *f, size_t at)
{
    if (f->bytes < at + SL_LOG_SLOT_BYTES || sl_is_zero(f->data + at, SL_LOG_SLOT_BYTES - 8)) return;
    sl_store64(f->data + at + 56, sl_check(sl_hash(f->data + at, 56), f->key, at, 0, 0));
}

/* The length of the record that the bytes at a place begin, or 0. */
static size_t record_bytes(const uint8_t *data, size_t bytes, size_t at)
{
    if (at + SL_RECORD_HEAD_BYTES + 8 > bytes) return 0;
    size_t length = (sl_load64(data + at) & 0xffff) * 8;
    return length >= SL_RECORD_HEAD_BYTES + 8 && length <= bytes - at ? length : 0;
}

/* Records as they lie now; where none can begin, on at the next place where one began before. Numbers are given out as
 * the kinds say now. */
static void seal_records(file *f)
{
    uint64_t sequence = sl_load64(f->data + 96);
    size_t at = SL_LOG_HEADER_BYTES, intact_at = SL_LOG_HEADER_BYTES;
    while (at + SL_RECORD_HEAD_BYTES + 8 <= f->bytes) {
        size_t length = record_bytes(f->data, f->bytes, at);
        if (length) {
            uint64_t head = sl_load64(f->data + at);
            unsigned kind = (unsigned)(head >> 16) & 0xff;
            uint64_t hash = sl_hash(f->data + at + SL_RECORD_HEAD_BYTES, length - SL_RECORD_HEAD_BYTES);
            sl_store64(f->data + at + 8, sl_record_check(hash, f->key, at, head, sequence));
            sequence += SL_RECORD_IS_NUMBERED(kind);
        }
        size_t before = at, intact_length;
        while (intact_at <= before && (intact_length = record_bytes(f->intact, f->intact_bytes, intact_at)) != 0)
            intact_at += intact_length;
        at = length ? at + length : intact_at;
        if (at <= before) return;
        /* A length that leads into the middle of another record ends there; that one is whole. */
        if (length && intact_at > before && at > intact_at) at = intact_at;
    }
}

/* The copy of the header gets a check of its own: an attacker may make the two differ. */
static void seal_copy(file *f)
{
    uint8_t *copy = f->data + SL_LOG_COPY_OFFSET;
    if (f->bytes < SL_LOG_COPY_OFFSET + SL_LOG_FIXED_BYTES || sl_is_zero(copy, SL_LOG_FIXED_BYTES - 8)) return;
    uint64_t hash = sl_hash(copy, SL_LOG_FIXED_BYTES - 8);
    sl_store64(copy + SL_LOG_FIXED_BYTES - 8, sl_check(hash, key_of(copy + 16), 0, 0, 0));
}

static void seal_log(file *f)
{
    if (f->bytes < SL_LOG_FIXED_BYTES) return;
    f->key = key_of(f->data + 16);
    seal_header(f, SL_LOG_FIXED_BYTES - 8);
    seal_copy(f);
    for (size_t i = 0; i < 2; i++) {
        seal_slot(f, SL_LOG_MARK_OFFSET + i * SL_LOG_SLOT_STRIDE);
        seal_slot(f, SL_LOG_GAP_OFFSET + i * SL_LOG_SLOT_STRIDE);
    }
    seal_records(f);
}

/* ---- segments ---- */

static size_t page_bytes(const uint8_t *data, size_t bytes, size_t at)
{
    if (at + SL_PAGE_HEAD_BYTES > bytes || data[at] != 'P' || data[at + 1] != 'G') return 0;
    uint64_t length = SL_PAGE_HEAD_BYTES + (((uint64_t)sl_load32(data + at + 4) + 7) & ~UINT64_C(7));
    return length <= bytes - at ? (size_t)length : 0;
}

static void seal_pages(file *f)
{
    size_t at = SL_SEGMENT_HEADER_BYTES, intact_at = SL_SEGMENT_HEADER_BYTES;
    while (at + SL_PAGE_HEAD_BYTES <= f->bytes) {
        size_t length = page_bytes(f->data, f->bytes, at), before = at, intact_length;
        if (length) {
            uint64_t hash = sl_hash(f->data + at + SL_PAGE_HEAD_BYTES, length - SL_PAGE_HEAD_BYTES);
            sl_store64(f->data + at + 16,
                       sl_check(hash, f->key, at, sl_load64(f->data + at), sl_load64(f->data + at + 8)));
        }
        while (intact_at <= before && (intact_length = page_bytes(f->intact, f->intact_bytes, intact_at)) != 0)
            intact_at += intact_length;
        at = length ? at + length : intact_at;
        if (at <= before) return;
        if (length && intact_at > before && at > intact_at) at = intact_at;
    }
}

static void seal_segment(file *f)
{
    if (f->bytes < SL_SEGMENT_HEADER_BYTES) return;
    f->key = key_of(f->data + 16);
    seal_header(f, SL_SEGMENT_HEADER_BYTES - 8);
    seal_pages(f);
}

static int begins(const uint8_t *data, size_t bytes, const char *magic)
{
    return bytes >= 8 && memcmp(data, magic, 8) == 0;
}

void reseal_file(uint8_t *data, size_t bytes, const uint8_t *intact, size_t intact_bytes)
{
    file f = {data, bytes, intact ? intact : data, intact ? intact_bytes : bytes, 0};
    const uint8_t *first = begins(data, bytes, "SLROWLOG") || begins(data, bytes, "SLSEGMNT") ? data : f.intact;
    size_t first_bytes = first == data ? bytes : f.intact_bytes;
    if (begins(first, first_bytes, "SLROWLOG")) {
        seal_log(&f);
    } else if (begins(first, first_bytes, "SLSEGMNT")) {
        seal_segment(&f);
    } else if (begins(first, first_bytes, "STEPLOG\n") && bytes >= SL_STORE_FILE_BYTES) {
        f.key = key_of(data + 16);
        seal_header(&f, SL_STORE_FILE_BYTES - 8);
    }
}
