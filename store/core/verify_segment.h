/* core/verify_segment.h: what the pages of a segment were found to say, before its tables are held against it. */
#ifndef SL_CORE_VERIFY_SEGMENT_H
#define SL_CORE_VERIFY_SEGMENT_H

#include "core/verify.h"
#include "format/blob_pages.h"
#include "format/page_walk.h"
#include "format/stats_codec.h"

typedef struct sl_found_region {
    uint64_t offset, bytes;
    const char *what;
    int is_told; /* a finding that says more was given already */
    int is_open;          /* it was not when the tables were asked */
    uint32_t told_writer; /* whose records it was told of last */
} sl_found_region;

/* The names of a schema, for findings about its columns: there may be many. */
typedef struct sl_found_names {
    uint32_t schema;
    sl_buffer content;         /* of its page */
    SL_VEC(uint32_t) places;   /* of each name's length in it; none: nothing was read */
} sl_found_names;

typedef struct sl_segment_check {
    sl_verify *verify;
    const char *name;
    int fd;
    uint64_t file_bytes, file_key;
    sl_page_walk walk, pages; /* in order; single pages beside it */
    int is_data_over;         /* the first table page has been met */
    SL_VEC(sl_writer_entry) writers; /* attempt 0: its page was not met */
    SL_VEC(sl_schema_entry) schemas; /* name_count 0: likewise */
    sl_found_names names;
    uint32_t writer_pages, schema_pages; /* how many were met */
    SL_VEC(sl_found_chunk) chunks;
    SL_VEC(sl_record_entry) records;
    SL_VEC(sl_node_entry) nodes;     /* made again from chunks, once these are sorted */
    SL_VEC(sl_found_column) columns; /* of the stripe that is being walked over */
    uint32_t stripe_chunks;          /* its CHUNK pages so far */
    uint32_t stripe_writer, stripe_schema;
    int is_stripe_damaged, is_after_damage; /* damage lies within it, or may; directly before the next page */
    SL_VEC(sl_found_region) regions; /* damage */
    sl_found_number_list numbers;
    size_t numbers_limit;            /* merge when there are more */
    sl_buffer tables[SL_TABLE_COUNT]; /* but for those of statistics, which are read again where they lie */
    uint64_t table_entries[SL_TABLE_COUNT];
    uint64_t table_offset[SL_TABLE_COUNT], table_pages[SL_TABLE_COUNT];
    int has_table_gap[SL_TABLE_COUNT]; /* a page of it was not met where it should be */
    int is_table_packed[SL_TABLE_COUNT]; /* its first page is compressed */
    int has_trailer;
    uint64_t trailer_offset;
    uint8_t trailer[SL_TRAILER_CONTENT_BYTES];
    sl_checked_blobs blobs;
    uint64_t lamport_max;
} sl_segment_check;

typedef struct sl_segment_place {
    uint64_t offset, bytes;
    const char *what;
    uint32_t writer;    /* UINT32_MAX: not known */
    const char *series; /* or NULL */
    int has_steps;
    int64_t step_first, step_last;
} sl_segment_place;
void sl_segment_check_report(sl_segment_check *c, const sl_segment_place *place);
/* Only the place is known. */
void sl_segment_check_damage(sl_segment_check *c, uint64_t offset, uint64_t bytes, const char *what);

/* The first region that ends behind offset, or how many there are: they stand in the order of the file. */
size_t sl_segment_check_region(const sl_segment_check *c, uint64_t offset);

/* Sorts the numbers and joins those that touch; numbers that two records have are reported. */
void sl_segment_check_merge(sl_segment_check *c);

/* verify_tables.c: compares the tables and the trailer with what was found, then tells of damaged regions, with what the
 * tables know of them. 1, or -1 when reading failed: os_errno, or 0 for no memory. */
int sl_verify_tables(sl_segment_check *c, int *os_errno);
/* Where an entry of a table lies; where that is compressed, the content of its page. */
uint64_t sl_verify_entry_offset(const sl_segment_check *c, int table, uint64_t entry);
/* How many entries the pages of a table but the last one have. */
uint32_t sl_verify_page_most(const sl_segment_check *c, int table);

typedef SL_VEC(sl_group_entry) sl_found_group_list;

/* verify_stats.c: makes the nodes, and says where the entries of groups begin in the tables of nodes and statistics;
 * groups have statistics where the stored ones have them. 1, or 0 when out of memory. */
int sl_verify_make_nodes(sl_segment_check *c, sl_found_group_list *groups, uint64_t *stats_count,
                         uint64_t *node_stats_count);
/* Compares the tables of statistics, which have as many entries as they should. As sl_verify_tables(): 1, or -1. */
int sl_verify_stats(sl_segment_check *c, const sl_found_group_list *groups, int *os_errno);

/* verify_facts.c: checks the entries of a FACTS page and the data of the blobs they name. As sl_verify_chunk(): 1, or -1. */
int sl_verify_facts(sl_segment_check *c, const sl_page_item *item, int *os_errno);

#endif
