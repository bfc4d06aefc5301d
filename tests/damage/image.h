/* damage/image.h: everything that a store shows, read by each way there is, as a set of items that can be compared. */
#ifndef TESTS_DAMAGE_IMAGE_H
#define TESTS_DAMAGE_IMAGE_H

#include "damage/reference.h"

typedef enum image_kind {
    ITEM_POINT,  /* a point in a view of a run */
    ITEM_EVENT,  /* a record of the history */
    ITEM_BLOB,   /* a blob with its content */
    ITEM_DETAIL, /* what follows from others: which events are in force, labels, hosts, names of runs */
} image_kind;

typedef struct image_item {
    uint64_t hash; /* of all that is shown of it */
    image_kind kind;
    uint8_t view;          /* of points */
    steplog_id run;        /* that was asked */
    steplog_id incarnation; /* that recorded it; zero for details */
    uint64_t sequence;
    const reference_point *point; /* of points: the one that was appended; NULL: never was */
} image_item;

/* What the whole store shows; is_seen: in the last reading. */
typedef struct store_image {
    const reference *reference;
    image_item *items;
    uint64_t *hashes; /* of the items */
    uint8_t *is_seen;
    size_t next;      /* where the next one read is looked for first: most come in the same order */
    size_t count, capacity;
    uint32_t *table; /* by hash: index + 1 */
    uint32_t *by_point; /* of reference->points, by hash: index + 1 */
    size_t table_size;
    uint64_t m4_digest;
} store_image;

enum { IMAGE_EXTRA_MAX = 4096 };

typedef struct image_reading {
    steplog_status status; /* the first call that failed, except for contents of blobs */
    char failed[600];      /* which, and its words */
    uint64_t damage_count, notice_count; /* of the reader */
    char first_damage[200];
    size_t lost_count;     /* items of the image that were not seen */
    size_t extra_count;    /* items that are not in the image; the first are kept */
    image_item extra[IMAGE_EXTRA_MAX];
    int is_m4_equal;
} image_reading;

/* Reads the intact store: what it shows is the image. Aborts when a view is not what was recorded. */
void image_make(store_image *out, const reference *r);
void image_free(store_image *image);

/* Reads the store that the os table has and compares. is_quick: without the views of single series (each point is still
 * read twice, in the order of arrival and in the union of the default view) and without plots. */
void image_read(store_image *image, int is_quick, image_reading *out);

/* 1 when a reading that is_quick is to show an item. */
int image_is_quick(const image_item *item);

#endif
