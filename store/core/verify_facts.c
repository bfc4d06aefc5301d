/* core/verify_facts.c: checking FACTS pages entry by entry, and the data of the blobs that they name. */
#include "core/verify_segment.h"

#include "format/checksum.h"
#include "format/fact_codec.h"

static void report(sl_segment_check *c, const sl_page_item *item, uint32_t writer, const char *what)
{
    sl_segment_check_report(
        c, &(sl_segment_place){.offset = item->offset, .bytes = item->bytes, .what = what, .writer = writer});
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
    const sl_blob_pages *pages;
    if (sl_checked_blobs_find(&c->blobs, &c->pages, prefix->data_offset, &pages, os_errno) < 0) return -1;
    if (pages->broken)
        report_blob(c, prefix, blob, pages->broken_offset, pages->broken_bytes, pages->broken);
    else if (pages->data_bytes != blob->data_bytes)
        report_blob(c, prefix, blob, pages->offset, pages->bytes, "the pages of a blob hold another number of bytes than its head says");
    else if (pages->content_hash != blob->content_hash)
        report_blob(c, prefix, blob, pages->offset, pages->bytes, "content hash of a blob differs");
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
