/* core/verify_facts.c: checking FACTS pages entry by entry, and the data of the blobs that they name. */
#include "core/verify_segment.h"

#include "format/checksum.h"
#include "format/fact_codec.h"

static void report(sl_segment_check *c, const sl_page_item *item, uint32_t writer, const char *what)
{
    sl_segment_check_report(
        c, &(sl_segment_place){.offset = item->offset, .bytes = item->bytes, .what = what, .writer = writer});
}

/* The page of a blob at offset: NULL when it is as it must be, else what is wrong. */
static const char *check_blob_page(sl_page_item *page, uint32_t index, uint64_t bytes_left, uint32_t page_count)
{
    sl_record_prefix prefix;
    if (page->kind != SL_PAGE_ITEM_PAGE) return page->what ? page->what : "no page can be here";
    uint32_t skip = index == 0 ? SL_RECORD_PREFIX_BYTES : 0;
    uint64_t expected = bytes_left < SL_BLOB_PAGE_RAW_BYTES ? bytes_left : SL_BLOB_PAGE_RAW_BYTES;
    if (page->head.kind != SL_PAGE_BLOB || page->head.index != index || page->content_bytes != skip + expected)
        return "the page is not the piece of the blob that belongs here";
    if (index == 0 && (!sl_record_prefix_decode(page->content, &prefix) || prefix.type != SL_ENTRY_BLOB ||
                       prefix.data_offset != 0 || prefix.bytes != page_count))
        return "the prefix of the blob's data breaks a rule";
    return NULL;
}

static void report_blob(sl_segment_check *c, const sl_record_prefix *prefix, const sl_blob *blob, uint64_t offset,
                        uint64_t bytes, const char *what)
{
    char *name = sl_copy_bytes(blob->name, blob->name_bytes);
    sl_segment_check_report(c, &(sl_segment_place){.offset = offset,
                                                   .bytes = bytes,
                                                   .what = what,
                                                   .writer = prefix->writer,
                                                   .series = name,
                                                   .has_steps = 1,
                                                   .step_first = blob->step,
                                                   .step_last = blob->step});
    sl_free(name);
}

/* 1 good or reported; -1 when reading failed. */
static int check_blob_data(sl_segment_check *c, const sl_record_prefix *prefix, const sl_blob *blob, int *os_errno)
{
    XXH3_state_t state;
    uint64_t left = blob->data_bytes, offset = prefix->data_offset;
    uint32_t page_count = left ? (uint32_t)((left + SL_BLOB_PAGE_RAW_BYTES - 1) / SL_BLOB_PAGE_RAW_BYTES) : 1;
    XXH3_64bits_reset(&state);
    for (uint32_t index = 0; index < page_count; index++) {
        sl_page_item page;
        sl_page_read_one(&c->pages, offset, &page);
        if (page.kind == SL_PAGE_ITEM_ERROR) {
            *os_errno = page.os_errno;
            return -1;
        }
        const char *what = check_blob_page(&page, index, left, page_count);
        if (what) {
            report_blob(c, prefix, blob, offset, page.bytes, what);
            return 1;
        }
        uint32_t skip = index == 0 ? SL_RECORD_PREFIX_BYTES : 0;
        XXH3_64bits_update(&state, page.content + skip, page.content_bytes - skip);
        left -= page.content_bytes - skip;
        offset += page.bytes;
    }
    if (XXH3_64bits_digest(&state) != blob->content_hash)
        report_blob(c, prefix, blob, prefix->data_offset, offset - prefix->data_offset,
                    "content hash of a blob differs");
    return 1;
}

static int check_entry(sl_segment_check *c, const sl_page_item *item, const sl_record_prefix *prefix, uint32_t at,
                       int *os_errno)
{
    const uint8_t *body = item->content + at;
    sl_record_entry entry = {.writer = prefix->writer,
                             .type = prefix->type,
                             .page_offset = item->offset,
                             .content_offset = at,
                             .bytes = prefix->bytes,
                             .sequence = prefix->sequence,
                             .sequence_count = prefix->sequence_count};
    sl_fact fact;
    sl_blob blob;
    size_t head_bytes = 0;
    if (prefix->type == SL_ENTRY_FACT) {
        if (!sl_fact_decode(body, prefix->bytes, &fact) || prefix->data_offset) {
            report(c, item, prefix->writer, "a fact breaks a rule");
        } else {
            entry.fact_kind = fact.kind;
            entry.lamport = fact.lamport;
            if (fact.lamport > c->lamport_max) c->lamport_max = fact.lamport;
        }
    } else if (!sl_blob_decode(body, prefix->bytes, &blob, &head_bytes) || head_bytes != prefix->bytes) {
        report(c, item, prefix->writer, "the head of a blob breaks a rule");
    } else if (check_blob_data(c, prefix, &blob, os_errno) < 0) {
        return -1;
    }
    sl_found_numbers numbers = {prefix->writer, prefix->sequence, prefix->sequence + prefix->sequence_count};
    if (numbers.end <= numbers.begin || numbers.end > INT64_MAX) {
        report(c, item, prefix->writer, "the sequence of a record is impossible");
        return 1;
    }
    if (!SL_VEC_PUSH(&c->records, entry) || !SL_VEC_PUSH(&c->numbers, numbers)) return -1;
    if (c->numbers.count > c->numbers_limit) sl_segment_check_merge(c);
    return 1;
}

int sl_verify_facts(sl_segment_check *c, const sl_page_item *item, int *os_errno)
{
    uint32_t at = 0;
    *os_errno = 0;
    if (item->head.index != 0)
        report(c, item, UINT32_MAX, "a FACTS page breaks a rule: its index");
    while (at < item->content_bytes) {
        sl_record_prefix prefix;
        if (item->content_bytes - at < SL_RECORD_PREFIX_BYTES ||
            !sl_record_prefix_decode(item->content + at, &prefix) ||
            prefix.bytes > item->content_bytes - at - SL_RECORD_PREFIX_BYTES) {
            report(c, item, UINT32_MAX, "the prefix of a record breaks a rule: the records behind it are lost");
            return 1;
        }
        if (c->regions.count == 0 && (prefix.writer >= c->writers.count || !c->writers.items[prefix.writer].attempt))
            report(c, item, prefix.writer, "a record names a writer that does not stand before it");
        at += SL_RECORD_PREFIX_BYTES;
        if (check_entry(c, item, &prefix, at, os_errno) < 0) return -1;
        at += prefix.bytes;
    }
    return 1;
}
