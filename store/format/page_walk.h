/* format/page_walk.h: walking the pages of a segment in order, whoever reads the bytes.
 *
 * Serves verify, dump, the check after publishing, and rebuilding an index whose tables are damaged. */
#ifndef SL_FORMAT_PAGE_WALK_H
#define SL_FORMAT_PAGE_WALK_H

#include "format/page_codec.h"

#define SL_PAGE_OF_ANOTHER_KIND "page is of another kind than expected"

/* As sl_log_read: how many bytes there are at offset, or a negative errno. */
typedef int64_t (*sl_page_read)(void *context, void *buffer, size_t bytes, uint64_t offset);

typedef enum sl_page_item_kind {
    SL_PAGE_ITEM_END = 0,
    SL_PAGE_ITEM_PAGE = 1,
    SL_PAGE_ITEM_DAMAGE = 2, /* [offset, offset + bytes) fails its check or is no page */
    SL_PAGE_ITEM_ERROR = 3   /* os_errno, or 0 for no memory */
} sl_page_item_kind;

typedef struct sl_page_item {
    sl_page_item_kind kind;
    uint64_t offset, bytes;
    sl_page_head head;
    const uint8_t *content; /* raw; readable SL_DECODE_SLACK_BYTES past its end; lent until the next call */
    uint32_t content_bytes;
    const char *what;
    int os_errno;
} sl_page_item;

typedef struct sl_page_walk {
    sl_page_read read;
    void *context;
    uint64_t file_key, file_bytes, offset;
    sl_buffer page, scratch;
    uint64_t search_bytes_left; /* bounds what hostile bytes may cost */
} sl_page_walk;

void sl_page_walk_init(sl_page_walk *walk, sl_page_read read, void *context, uint64_t file_key, uint64_t file_bytes);
void sl_page_walk_next(sl_page_walk *walk, sl_page_item *item);
void sl_page_walk_free(sl_page_walk *walk);
/* Gives back buffers that one long page has made larger than SL_PAGE_WALK_KEPT_BYTES, but not what lent (NULL: none) has
 * its content in. */
#define SL_PAGE_WALK_KEPT_BYTES 131072u
void sl_page_walk_trim(sl_page_walk *walk, const sl_page_item *lent);

/* Reads and checks the one page at offset: the same item, PAGE, DAMAGE or ERROR. */
void sl_page_read_one(sl_page_walk *walk, uint64_t offset, sl_page_item *item);
/* The same; one of another kind is damage, and is neither read whole nor unpacked: many may lead to it. */
void sl_page_read_kind(sl_page_walk *walk, uint64_t offset, unsigned kind, sl_page_item *item);
/* And one of another index, too. */
void sl_page_read_expected(sl_page_walk *walk, uint64_t offset, unsigned kind, uint32_t index, sl_page_item *item);

#endif
