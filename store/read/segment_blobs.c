/* read/segment_blobs.c: the data of blobs, page by page. */
#include "base/error.h"
#include "read/segment_reader.h"

steplog_status sl_segment_blob_check(sl_segment *s, uint64_t data_offset, uint64_t bytes, steplog_error *err)
{
    const sl_blob_pages *pages;
    int os_errno = 0;
    int result = sl_checked_blobs_find(&s->blobs, sl_segment_pages(s), data_offset, &pages, &os_errno);
    sl_page_walk_trim(&s->open_segments->pages, NULL);
    if (result < 0)
        return os_errno ? sl_fail_os(err, os_errno, (int64_t)data_offset, "cannot read '%s'", s->name)
                        : sl_fail(err, STEPLOG_NOMEM, -1, "no memory to check a blob");
    if (!pages->broken && pages->data_bytes == bytes) return STEPLOG_OK;
    uint64_t offset = pages->broken ? pages->broken_offset : data_offset;
    sl_segment_report(s, offset, pages->broken ? pages->broken_bytes : pages->bytes, "blob page is damaged", NULL, NULL, NULL);
    return sl_fail(err, STEPLOG_CORRUPT, (int64_t)offset, "'%s' at offset %llu: %s", s->name, (unsigned long long)offset,
                   pages->broken ? pages->broken : "blob pages do not agree with the blob's size");
}

steplog_status sl_segment_blob_page(sl_segment *s, uint64_t *offset, uint32_t index, uint64_t bytes_left, const uint8_t **data,
                                    uint32_t *bytes, steplog_error *err)
{
    sl_page_item item;
    sl_page_read_kind(sl_segment_pages(s), *offset, SL_PAGE_BLOB, &item);
    steplog_status status = sl_segment_settle_page(s, *offset, SL_PAGE_BLOB, &item, err);
    uint32_t skip = index == 0 ? SL_RECORD_PREFIX_BYTES : 0;
    if (status >= 0 && (item.head.index != index || item.content_bytes < skip || item.content_bytes - skip > bytes_left ||
                        (item.content_bytes == skip && bytes_left > 0)))
        status = sl_fail(err, STEPLOG_CORRUPT, (int64_t)*offset, "'%s': blob pages do not agree with the blob's size",
                         s->name);
    if (status == STEPLOG_CORRUPT)
        sl_segment_report(s, *offset, item.bytes, "blob page is damaged", NULL, NULL, NULL);
    if (status < 0) return status;
    *data = item.content + skip;
    *bytes = item.content_bytes - skip;
    *offset += item.bytes;
    return STEPLOG_OK;
}

steplog_status sl_segment_blob_data(sl_segment *s, uint64_t data_offset, uint8_t *buffer, uint64_t bytes,
                                    steplog_error *err)
{
    uint64_t done = 0, offset = data_offset;
    steplog_status status = STEPLOG_OK;
    for (uint32_t index = 0; status >= 0 && (done < bytes || index == 0); index++) {
        const uint8_t *data;
        uint32_t part;
        status = sl_segment_blob_page(s, &offset, index, bytes - done, &data, &part, err);
        if (status < 0) break;
        memcpy(buffer + done, data, part);
        done += part;
    }
    sl_page_walk_trim(&s->open_segments->pages, NULL);
    return status;
}
