/* read/page_window.h: a stretch of a segment in memory, so that pages that lie one behind the other cost one read and
 * are used where they were read to. */
#ifndef SL_READ_PAGE_WINDOW_H
#define SL_READ_PAGE_WINDOW_H

#include "format/page_walk.h"

struct sl_segment;

/* Bytes [begin, begin + bytes) of a segment, which must outlive the window or be followed by clear(). */
typedef struct sl_page_window {
    struct sl_segment *segment; /* NULL: holds nothing */
    uint64_t begin;
    size_t bytes, capacity;
    uint8_t *data;
    sl_buffer unpacked; /* the content of a page that is compressed */
} sl_page_window;

/* What is read at once when nothing is known of the pages to come. */
#define SL_WINDOW_BYTES_UNKNOWN 4096u
/* More than this is never read ahead; a single page may be longer. */
#define SL_WINDOW_BYTES_MAX 65536u

/* Reads and checks the page at offset: item is PAGE, DAMAGE or ERROR, as from sl_page_read_one(). item->content lies in
 * the window until it is moved, or in the mapping of the segment.
 *
 * ahead  how many bytes from offset on will be wanted soon, this page included; 0 when not known.
 * kind   a page of another one is damage, and is neither checked nor unpacked: many may lead to it. */
void sl_page_window_read(sl_page_window *window, struct sl_segment *segment, uint64_t offset, size_t ahead, unsigned kind,
                         sl_page_item *item);

/* Forgets what it holds; keeps its memory. */
static inline void sl_page_window_clear(sl_page_window *window) { window->segment = NULL; }
void sl_page_window_free(sl_page_window *window);

#endif
