/* core/verify_segment.h: what the pages of a segment were found to say, before its tables are held against it. */
#ifndef SL_CORE_VERIFY_SEGMENT_H
#define SL_CORE_VERIFY_SEGMENT_H

#include "core/verify.h"
#include "format/page_walk.h"

typedef struct sl_found_region {
    uint64_t offset, bytes;
    const char *what;
    int is_told; /* a finding that says more was given already */
} sl_found_region;

typedef struct sl_segment_check {
    sl_verify *verify;
    const char *name;
    int fd;
    uint64_t file_bytes, file_key;
    sl_page_walk walk, pages; /* in order; single pages beside it */
    int is_data_over;         /* the first table page has been met */
    SL_VEC(sl_writer_entry) writers; /* attempt 0: its page was not met */
    SL_VEC(sl_schema_entry) schemas; /* name_count 0: likewise */
    SL_VEC(sl_found_chunk) chunks;
    SL_VEC(sl_record_entry) records;
    SL_VEC(sl_found_column) columns; /* since the last page that is no COLUMN page */
    SL_VEC(sl_found_region) regions; /* damage */
    sl_found_number_list numbers;
    size_t numbers_limit;            /* merge when there are more */
    sl_buffer tables[SL_TABLE_COUNT];
    uint64_t table_offset[SL_TABLE_COUNT], table_pages[SL_TABLE_COUNT];
    int has_table_gap[SL_TABLE_COUNT]; /* a page of it was not met where it should be */
    int has_trailer;
    uint64_t trailer_offset;
    uint8_t trailer[SL_TRAILER_CONTENT_BYTES];
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

/* Sorts the numbers and joins those that touch; numbers that two records have are reported. */
void sl_segment_check_merge(sl_segment_check *c);

/* verify_tables.c: compares the tables and the trailer with what was found, then tells of damaged regions, with what the
 * tables know of them. 1, or 0 when out of memory. */
int sl_verify_tables(sl_segment_check *c);

/* verify_facts.c: checks the entries of a FACTS page and the data of the blobs they name. As sl_verify_chunk(): 1, or -1. */
int sl_verify_facts(sl_segment_check *c, const sl_page_item *item, int *os_errno);

#endif
