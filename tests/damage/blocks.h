/* damage/blocks.h: what each byte of the reference store belongs to, and what its damage may cost (FORMAT.md 8.8, 11).
 *
 * A block is the smallest thing with a check of its own: STEPLOG, a log's header, a slot, a record, a segment's header, a
 * page; what must be zero between them is a block that costs nothing. Each copy of a record needs some blocks; the record
 * may be lost when every copy has lost one of them. */
#ifndef TESTS_DAMAGE_BLOCKS_H
#define TESTS_DAMAGE_BLOCKS_H

#include "damage/image.h"

enum { BLOCKS_MAX = 384, BLOCK_WORDS = BLOCKS_MAX / 64, COPIES_MAX = 3 };

typedef struct block_set {
    uint64_t words[BLOCK_WORDS];
} block_set;

typedef struct block {
    uint16_t file; /* in reference->disk */
    uint8_t is_history; /* facts: views follow from them */
    uint8_t is_description; /* of a writer: labels, and the step it resumed from */
    uint8_t is_slot, is_record, is_writer_page, is_writer_table;
    uint8_t is_header;    /* of a log: the fixed part, or its copy */
    uint8_t is_torn;      /* slots: a power cut may leave one half written, which verify only notices */
    uint8_t is_clearable; /* slots, and the zeros between them: with zeros they are as they once were */
    uint8_t is_unused;  /* FORMAT.md 16: nothing is read from it; a foreign file */
    uint8_t is_unsynced; /* records that no mark covers, and the end behind them */
    uint32_t begin, end;
    const char *name;
} block;

typedef struct block_map {
    const store_image *image;
    block blocks[BLOCKS_MAX];
    size_t count;
    block_set (*needs)[COPIES_MAX]; /* of each item of the image; points, events and blobs */
    uint8_t *copy_count;
    uint16_t whole_log[MEMORY_FILES_MAX]; /* of a log: a block without bytes, lost with the header and its copy */
} block_map;

/* is_same_boot: readers know that no power cut can have come between. */
void block_map_make(block_map *out, const store_image *image, int is_same_boot);
void block_map_free(block_map *map);

/* Adds the blocks of a file that lie in [begin, end), and what can no longer be understood without them together: a log
 * without its header and the copy of it; with its mark and a record a log may end anywhere; with a writer's page and the table of writers nobody knows whose rows a
 * segment holds. */
void block_map_touch(const block_map *map, size_t file, size_t begin, size_t end, block_set *touched);
int block_is_in(const block_set *set, size_t index);
/* Adds all that a log holds. */
void block_map_touch_log(const block_map *map, size_t file, block_set *touched);
/* 1 when a loss of an item is within what these blocks may cost. */
int block_map_may_cost(const block_map *map, size_t item, const block_set *touched);
/* Whether some, or each, of these blocks has a flag; as offsetof(block, is_...). */
int block_map_has(const block_map *map, const block_set *touched, size_t flag);
int block_map_is_all(const block_map *map, const block_set *touched, size_t flag);

#endif
