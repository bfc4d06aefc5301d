/* format/layout.h: the numbers of FORMAT.md, in its order and under its names. */
#ifndef SL_FORMAT_LAYOUT_H
#define SL_FORMAT_LAYOUT_H

#include "steplog/types.h"

#include <assert.h>

#define SL_FORMAT_VERSION 1u
/* Feature flags that this library understands. The low 16 must be understood to read a file,
 * the high 16 may be ignored. */
#define SL_FEATURES_KNOWN 0u
#define SL_FEATURES_REQUIRED_MASK 0x0000ffffu

/* store file */
#define SL_STORE_FILE_NAME "STEPLOG"
#define SL_STORE_FILE_BYTES 64u

/* log header; records begin at SL_LOG_HEADER_BYTES */
#define SL_LOG_HEADER_BYTES 4096u
#define SL_LOG_FIXED_BYTES 512u
#define SL_LOG_MARK_OFFSET 512u /* two slots, SL_LOG_SLOT_STRIDE apart */
#define SL_LOG_GAP_OFFSET 1536u /* two slots */
#define SL_LOG_SLOT_STRIDE 512u
#define SL_LOG_SLOT_BYTES 64u
#define SL_LOG_COPY_OFFSET 2560u   /* the fixed part once more */
#define SL_LOG_UNUSED_OFFSET 3072u /* zeros up to SL_LOG_HEADER_BYTES */
#define SL_LOG_BYTES_MIN 65536u
#define SL_LOG_BYTES_MAX (1u << 30)          /* that a user may ask for */
#define SL_LOG_CAPACITY_MAX ((uint64_t)1 << 32) /* of a log that restates many names, or holds what was moved */
#define SL_LOG_RESERVE_BYTES 512u /* at the end of a log, for a gap record and an end record */

/* log records */
#define SL_RECORD_HEAD_BYTES 16u
#define SL_RECORD_BYTES_MAX 65528u
enum {
    SL_RECORD_ROW = 1,
    SL_RECORD_POINT = 2,
    SL_RECORD_CONTINUATION = 3,
    SL_RECORD_FACT = 4,
    SL_RECORD_BLOB = 5,
    SL_RECORD_WRITER = 16, /* from here on without a sequence number */
    SL_RECORD_NAME = 17,
    SL_RECORD_SCHEMA = 18
};
#define SL_RECORD_IS_NUMBERED(kind) ((kind) < SL_RECORD_WRITER)
enum {
    SL_ROW_HAS_PRESENCE = 1,
    SL_CONTINUATION_HAS_TIME = 1,
    SL_PART_HAS_MORE = 1, /* the next record continues this one */
    SL_PART_IS_FIRST = 2  /* of its text */
};
#define SL_PART_HEAD_BYTES 8u
#define SL_PART_BYTES_MAX (SL_RECORD_BYTES_MAX - SL_RECORD_HEAD_BYTES - SL_PART_HEAD_BYTES)

/* segments */
#define SL_SEGMENT_HEADER_BYTES 64u
#define SL_PAGE_HEAD_BYTES 24u
#define SL_TRAILER_CONTENT_BYTES 232u
/* A page with content. */
#define SL_OWN_PAGE_BYTES_MIN (SL_PAGE_HEAD_BYTES + 8u)
#define SL_TRAILER_BYTES (SL_PAGE_HEAD_BYTES + SL_TRAILER_CONTENT_BYTES)
#define SL_PAGE_CONTENT_BYTES_MAX (4u << 20) /* of any kind; by kind: sl_page_content_bytes_max() */
#define SL_COLUMN_PAYLOAD_BYTES_MAX 65536u
enum {
    SL_PAGE_WRITER = 1,
    SL_PAGE_SCHEMA = 2,
    SL_PAGE_COLUMN = 3,
    SL_PAGE_CHUNK = 4,
    SL_PAGE_FACTS = 5,
    SL_PAGE_BLOB = 6,
    SL_PAGE_WRITER_TABLE = 16,
    SL_PAGE_SCHEMA_TABLE = 17,
    SL_PAGE_GROUP_TABLE = 18,
    SL_PAGE_CHUNK_TABLE = 19,
    SL_PAGE_RANGE_TABLE = 20,
    SL_PAGE_RECORD_TABLE = 21,
    SL_PAGE_NODE_TABLE = 22,
    SL_PAGE_STATS_TABLE = 23,
    SL_PAGE_NODE_STATS_TABLE = 24,
    SL_PAGE_TRAILER = 31
};
enum { SL_PAGE_IS_LZ4 = 1 };

#define SL_CHUNK_ROWS_MAX 1024u
#define SL_CHUNK_HEAD_BYTES 32u
#define SL_CHUNK_PART_IS_REFERENCE 0x80000000u
#define SL_CHUNK_OWN_PAGE_BYTES_MIN 1024u /* a column at least this long has a page of its own */
enum { SL_CHUNK_STEPS_SORTED = 1, SL_CHUNK_HAS_TIMES = 2 };
enum {
    SL_COLUMN_HAS_VALUES = 1,
    SL_COLUMN_IS_OWN_PAGE = 2,
    SL_COLUMN_HAS_BITMAP = 4,
    SL_COLUMN_HAS_POSITIONS = 8
};

#define SL_STRIPE_CHUNKS_MAX 16u /* chunks whose columns stand together */
#define SL_NODE_CHUNKS 64u       /* chunks of a group that make a node */
#define SL_NO_STATS UINT32_MAX
/* A group with fewer chunks, or with fewer values in a column of a chunk on average, carries no statistics. */
#define SL_STATS_CHUNKS_MIN 4u
#define SL_STATS_VALUES_MIN 256u

/* How far the ordinal of a WRITER or SCHEMA page may be above the number of those before it: what is between costs memory. */
#define SL_ORDINAL_GAP_MAX 65536u
#define SL_TABLE_CONTENT_BYTES_MAX 49152u /* of a page of a table */
#define SL_WRITER_ENTRY_BYTES 96u
#define SL_SCHEMA_ENTRY_BYTES 16u
#define SL_GROUP_ENTRY_BYTES 80u
#define SL_CHUNK_ENTRY_BYTES 80u
#define SL_RANGE_ENTRY_BYTES 24u
#define SL_RECORD_ENTRY_BYTES 48u
#define SL_NODE_ENTRY_BYTES 48u
#define SL_STATS_ENTRY_BYTES 56u
#define SL_NODE_STATS_ENTRY_BYTES 80u
enum { SL_RANGE_HELD = 1, SL_RANGE_DROPPED = 2 };

#define SL_FACTS_PAGE_RAW_BYTES 65536u        /* a facts page is closed when it passes this */
#define SL_FACTS_PAGE_RAW_BYTES_MAX (2u << 20)
#define SL_BLOB_PAGE_RAW_BYTES 262144u
#define SL_WRITER_CONTENT_BYTES_MAX (1u << 20)
#define SL_SCHEMA_CONTENT_BYTES_MAX (4u << 20)
#define SL_CHUNK_CONTENT_BYTES_MAX (3u << 20)

static_assert(SL_TRAILER_BYTES == 256, "the trailer is found by its size");
static_assert(SL_LOG_COPY_OFFSET == SL_LOG_GAP_OFFSET + 2 * SL_LOG_SLOT_STRIDE, "slots follow each other");
static_assert(SL_LOG_UNUSED_OFFSET == SL_LOG_COPY_OFFSET + SL_LOG_FIXED_BYTES, "the copy is whole");
static_assert(SL_RECORD_BYTES_MAX % 8 == 0 && SL_RECORD_BYTES_MAX / 8 < 65536, "the length fits its field");

#endif
