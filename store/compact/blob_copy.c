/* compact/blob_copy.c: see the header. */
#include "compact/blob_copy.h"

#include "base/error.h"
#include "format/checksum.h"

static steplog_status no_memory(steplog_error *err)
{
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to copy a blob");
}

/* They were checked before, so that nothing is written of what is damaged. */
static steplog_status copy_pages(sl_segment_writer *writer, sl_segment *segment, const sl_record_entry *entry,
                                 uint64_t offset, uint64_t bytes, uint64_t *to, steplog_error *err)
{
    sl_record_prefix prefix = sl_segment_writer_blob_prefix(writer, bytes, entry->sequence, entry->sequence_count);
    for (uint32_t i = 0; i < prefix.bytes; i++) {
        const uint8_t *data;
        uint32_t part;
        uint64_t at;
        SL_TRY(sl_segment_blob_page(segment, &offset, i, bytes, &data, &part, err));
        SL_TRY(sl_segment_writer_blob_page(writer, i, &prefix, data, part, &at, err));
        bytes -= part;
        if (i == 0) *to = at;
    }
    return STEPLOG_OK;
}

static steplog_status place_pages(sl_blob_copies *copies, sl_segment_writer *writer, sl_segment *segment,
                                  const sl_record_entry *entry, uint64_t from, uint64_t bytes, uint64_t *to, steplog_error *err)
{
    const uint64_t hash = sl_scramble(from ^ segment->file_key);
    size_t probe = 0;
    uint32_t index;
    SL_TRY(sl_segment_blob_check(segment, from, bytes, err));
    while (sl_hash_map_find(&copies->by_place, hash, &probe, &index)) {
        const sl_copied_blob *copied = &copies->items.items[index];
        *to = copied->to;
        if (copied->segment == segment && copied->from == from) return STEPLOG_OK;
    }
    steplog_status status = copy_pages(writer, segment, entry, from, bytes, to, err);
    sl_page_walk_trim(&segment->open_segments->pages, NULL);
    if (status < 0) return status;
    if (!SL_VEC_RESERVE(&copies->items, copies->items.count + 1) ||
        !sl_hash_map_add(&copies->by_place, hash, (uint32_t)copies->items.count))
        return no_memory(err);
    copies->items.items[copies->items.count++] = (sl_copied_blob){segment, from, *to};
    return STEPLOG_OK;
}

steplog_status sl_blob_copy(sl_blob_copies *copies, sl_segment_writer *writer, sl_segment *segment, const sl_record_entry *entry,
                            const sl_record_prefix *prefix, const uint8_t *head, steplog_error *err)
{
    sl_blob blob;
    uint64_t to = 0;
    if (!sl_blob_decode(head, entry->bytes, &blob, NULL)) return STEPLOG_CORRUPT;
    uint8_t *copy = sl_copy_bytes(head, entry->bytes);
    if (!copy) return no_memory(err);
    steplog_status status = place_pages(copies, writer, segment, entry, prefix->data_offset, blob.data_bytes, &to, err);
    if (status >= 0)
        status = sl_segment_writer_blob_head(writer, copy, entry->bytes, entry->sequence, entry->sequence_count, to, err);
    sl_free(copy);
    return status;
}

void sl_blob_copies_clear(sl_blob_copies *copies)
{
    copies->items.count = 0;
    sl_hash_map_clear(&copies->by_place);
}

void sl_blob_copies_free(sl_blob_copies *copies)
{
    SL_VEC_FREE(&copies->items);
    sl_hash_map_free(&copies->by_place);
}
