/* format/blob_pages.h: the BLOB pages that hold the data of a blob, directly one behind the other.
 *
 * How many there are their first page says, so what they hold does not depend on the head that led to them: many heads may
 * share them, and they need to be looked at once. */
#ifndef SL_FORMAT_BLOB_PAGES_H
#define SL_FORMAT_BLOB_PAGES_H

#include "base/hash_map.h"
#include "format/page_walk.h"

typedef struct sl_blob_pages {
    uint64_t offset;             /* of the first one */
    uint64_t bytes;              /* of them all; without broken: they are whole */
    uint64_t data_bytes, content_hash;
    const char *broken;          /* what is wrong with one of them, or NULL */
    uint64_t broken_offset, broken_bytes;
} sl_blob_pages;

/* Reads and checks those that begin at offset. 1, or -1 when reading failed: os_errno, or 0 for no memory. */
int sl_blob_pages_check(sl_page_walk *walk, uint64_t offset, sl_blob_pages *out, int *os_errno);

/* What was checked, by the offset of the first page. All zero: nothing. */
typedef struct sl_checked_blobs {
    SL_VEC(sl_blob_pages) items;
    sl_hash_map by_offset;
} sl_checked_blobs;

/* As sl_blob_pages_check(), but each only once; *out is lent until the next call. */
int sl_checked_blobs_find(sl_checked_blobs *blobs, sl_page_walk *walk, uint64_t offset, const sl_blob_pages **out, int *os_errno);
void sl_checked_blobs_free(sl_checked_blobs *blobs);

#endif
