/* read/segment_reader.h: one segment: its directory in memory, its blocks on demand. */
#ifndef SL_READ_SEGMENT_READER_H
#define SL_READ_SEGMENT_READER_H

#include "format/blob_pages.h"
#include "format/chunk_codec.h"
#include "format/fact_codec.h"
#include "format/page_walk.h"
#include "format/stats_codec.h"
#include "index/ranges.h"
#include "os/os.h"
#include "read/damage.h"
#include "read/page_window.h"

struct sl_segment;

/* The names of a schema, not terminated. */
typedef struct sl_schema_names {
    const char **names;
    uint32_t *bytes;
    uint32_t count;
    /* Whose they are, and the others that are in memory, in the order in which they were asked for last. */
    uint32_t schema;
    struct sl_segment *segment;
    size_t memory_bytes;
    struct sl_schema_names *older, *newer;
} sl_schema_names;

/* What was found when all blocks of a writer were checked, because other files hold some of its records too. */
typedef struct sl_writer_check {
    int is_done;
    sl_ranges broken; /* numbers that the tables say are held, and that can not be read */
} sl_writer_check;

/* What the segments of one reader share, so that a store of many costs no more than one of few; all zero in the
 * beginning. A store may have more files than a process may have descriptors, so the one opened longest ago is closed when
 * there are too many, and opened again by name when it is read. Compaction may take that name away: so a file is mapped
 * before it is closed, and read out of the mapping when it can not be opened any more. Of mappings, too, a process has
 * not any number; a file beyond that is gone when its name is. */
#define SL_OPEN_SEGMENTS_MAX 128u
#define SL_KEPT_MAPS_MAX 16384u
/* Pages of facts that stay in memory: the facts of many short runs stand in one page, compressed, and those of one run in
 * several segments. */
#define SL_FACTS_HELD_MAX 16u
#define SL_FACTS_HELD_BYTES_MAX (4u << 20)
typedef struct sl_facts_page {
    struct sl_segment *of; /* NULL: none */
    sl_page_walk pages;
    sl_page_item item;
} sl_facts_page;

typedef struct sl_open_segments {
    struct sl_segment *held[SL_OPEN_SEGMENTS_MAX];
    unsigned next;
    unsigned kept_map_count;
    int is_mapping; /* the pages of chunks, columns and long tables are used where they are mapped */
    sl_page_walk pages;          /* for reading single pages: sl_segment_pages() */
    sl_facts_page facts[SL_FACTS_HELD_MAX]; /* one a segment */
    unsigned next_facts;
    sl_schema_names *newest_names, *oldest_names; /* schema_names.c */
    size_t names_bytes;
} sl_open_segments;

typedef struct sl_segment {
    unsigned reference_count;
    sl_open_segments *open_segments; /* the owner's, which outlives the segment */
    int store_dir;
    char name[80]; /* relative to the store */
    uint32_t level;
    int fd; /* -1 while it is closed */
    uint64_t file_bytes, file_key;
    sl_os_stat file; /* as it was when it was opened first */
    const uint8_t *map; /* the whole file, or NULL */
    const uint8_t *kept_map; /* likewise, of a file that was closed: sl_segment_read() */
    sl_segment_header header;
    sl_trailer trailer;
    int is_rebuilt;  /* tables were damaged: chunks are in memory */
    int is_seen;     /* by the listing that is going on */
    int has_damage;  /* some of it could not be read */
    SL_VEC(sl_writer_entry) writers;
    SL_VEC(sl_schema_entry) schemas;
    SL_VEC(sl_group_entry) groups;
    SL_VEC(sl_range_entry) ranges;
    SL_VEC(sl_record_entry) records; /* of each writer in the order of the file */
    SL_VEC(sl_chunk_entry) rebuilt_chunks;
    sl_schema_names **names; /* of each schema, once some were asked for; NULL: not in memory */
    sl_checked_blobs blobs;  /* whose pages were checked without being read out */
    sl_writer_check *checks; /* one for each writer, once one was asked for */
    sl_damage_list *damage; /* the owner's; may change */
} sl_segment;

typedef SL_VEC(sl_chunk_entry) sl_chunk_list;

/* Opens a segment and reads its directory; a damaged one is rebuilt from its pages and reported. CORRUPT only when
 * nothing can be read. dir is the store's. damage gets what was met, now and later. */
steplog_status sl_segment_open(int store_dir, const char *name, uint32_t level, sl_damage_list *damage,
                               sl_open_segments *open_segments, sl_segment **out, steplog_error *err);
/* The descriptor, opened if need be, or a negative errno: -ENOENT when the file was compacted away meanwhile. Whoever only
 * reads calls sl_segment_read(). */
int sl_segment_descriptor(sl_segment *segment);
/* 1 when it was damaged and its name leads to another file by now, or it has changed since: it was made whole. */
int sl_segment_is_replaced(const sl_segment *segment);
void sl_segment_retain(sl_segment *segment);
void sl_segment_release(sl_segment *segment); /* NULL is a no-op */
/* Once no segment is left that shares it. */
void sl_open_segments_free(sl_open_segments *shared);
/* As sl_page_read; the context is the segment. -ESTALE: it was compacted away, and nothing kept it. */
int64_t sl_segment_read(void *segment, void *buffer, size_t bytes, uint64_t offset);
/* For reading single pages of this segment: what one lends is there until the next call for any segment of the reader.
 * Whoever met a long one gives its memory back: sl_page_walk_trim(). */
sl_page_walk *sl_segment_pages(sl_segment *segment);

/* ---- schema_names.c ---- */

/* The names of a schema, lent until the next call for any segment of the reader. CORRUPT, reported, when their page can not
 * be read; NOMEM. */
steplog_status sl_segment_names(sl_segment *segment, uint32_t schema, const sl_schema_names **out, steplog_error *err);
void sl_segment_names_free(sl_segment *segment);

/* ---- segment_reader.c ---- */

/* The description of a writer: decoded from scratch, which the caller keeps. CORRUPT (reported) when
 * its page is damaged or that of another writer. */
steplog_status sl_segment_writer_description(sl_segment *segment, uint32_t writer, sl_buffer *scratch,
                                             sl_writer_description *out);

/* ---- table_reader.c ---- */

/* The page of a table that was read last: it was checked, and its entries lie in the window. */
typedef struct sl_table_view {
    sl_page_window window;
    sl_segment *segment;
    int table;
    uint64_t page, bytes; /* bytes: of the whole page */
    const uint8_t *content; /* NULL: none */
} sl_table_view;

/* Gives entry index of a table, lent until the next call with this view. count: how many will be asked for from there on.
 * CORRUPT, not reported, when its page is damaged or there is no such entry. The segment must not be rebuilt. */
steplog_status sl_table_entry(sl_segment *segment, sl_table_view *view, int table, uint64_t index, uint64_t count,
                              const uint8_t **out, steplog_error *err);
/* The same; *run_count: how many of the count entries lie one behind the other from *out on. */
steplog_status sl_table_run(sl_segment *segment, sl_table_view *view, int table, uint64_t index, uint64_t count,
                            const uint8_t **out, uint32_t *run_count, steplog_error *err);
void sl_table_view_free(sl_table_view *view);

/* Reads the chunk entries of a group. */
steplog_status sl_segment_chunks(sl_segment *segment, uint32_t group, sl_chunk_list *out, steplog_error *err);

typedef SL_VEC(sl_node_entry) sl_node_list;

/* Reads the nodes of a group of more than one. CORRUPT (reported) when their pages are damaged: the chunks may not be. */
steplog_status sl_segment_nodes(sl_segment *segment, const sl_group_entry *group, sl_node_list *out, steplog_error *err);
/* Reads the chunk entries of a node; when their pages are damaged, those chunks that are found. */
steplog_status sl_segment_node_chunks(sl_segment *segment, sl_table_view *view, const sl_group_entry *group, uint32_t node,
                                      const sl_node_entry *entry, sl_chunk_list *out, steplog_error *err);

/* The ranges of a writer: held, or held and dropped. 1, or 0 when out of memory. */
int sl_segment_ranges(const sl_segment *segment, uint32_t writer, sl_ranges *held, sl_ranges *dropped);

/* Reads the body of a fact or the head of a blob. content is lent until the next call for any segment of
 * the reader. */
steplog_status sl_segment_record(sl_segment *segment, const sl_record_entry *entry, sl_record_prefix *prefix,
                                 const uint8_t **content, steplog_error *err);

/* ---- segment_broken.c ---- */

/* The numbers of a writer that can not be read: every block of it is checked, once. Lent by the segment. */
steplog_status sl_segment_broken(sl_segment *segment, uint32_t writer, const sl_ranges **out, steplog_error *err);

/* ---- segment_blobs.c ---- */

/* Checks the pages that a blob of so many bytes has its data in; once, however many share them. CORRUPT is reported. */
steplog_status sl_segment_blob_check(sl_segment *segment, uint64_t data_offset, uint64_t bytes, steplog_error *err);
/* Gives the data in page index of a blob of which so many bytes are left from there on, lent until the next call for any
 * segment of the reader; *offset moves to the next one. CORRUPT is reported. */
steplog_status sl_segment_blob_page(sl_segment *segment, uint64_t *offset, uint32_t index, uint64_t bytes_left,
                                    const uint8_t **data, uint32_t *bytes, steplog_error *err);
/* Reads the data of a blob into buffer, which has room for it. */
steplog_status sl_segment_blob_data(sl_segment *segment, uint64_t data_offset, uint8_t *buffer, uint64_t bytes,
                                    steplog_error *err);

/* ---- chunk_reader.c ---- */

/* Windows on column pages: those of one column of one segment share one, as far as there are enough. */
#define SL_COLUMN_WINDOWS 64u

/* A chunk taken apart: its pages are used where the windows hold them. The segments that are read through it must
 * outlive it. */
typedef struct sl_chunk {
    sl_page_window page, referenced, columns[SL_COLUMN_WINDOWS];
    /* Set by a caller that will go on to the chunks behind this one, for sl_segment_chunk(): how many there are whose
     * pages follow this one directly, and all their bytes. */
    uint32_t next_count;
    size_t next_bytes;
    sl_chunk_head head;
    sl_chunk_walk directory;      /* how far it was read */
    SL_VEC(sl_column_info) infos; /* of the columns that it was read for: sl_segment_columns() */
    uint64_t page_offset;
} sl_chunk;

/* Reads a chunk page and checks it against its entry and the group that this is in (both may be NULL: offset alone).
 * Damage is reported with what is known of the chunk and answered with CORRUPT. */
steplog_status sl_segment_chunk(sl_segment *segment, uint64_t page_offset, const sl_chunk_entry *entry,
                                const sl_group_entry *group, sl_chunk *chunk, steplog_error *err);
/* Reads the directory of a chunk for its first count columns at least; for all of them: whether it keeps its rules. */
steplog_status sl_segment_columns(sl_segment *segment, sl_chunk *chunk, uint32_t count, steplog_error *err);
/* Decodes an axis part to head.row_count numbers; room for 1024. Times that are not known become TIME_NONE. */
steplog_status sl_segment_axis(sl_segment *segment, sl_chunk *chunk, int part, int64_t *out, steplog_error *err);
/* The numbers of its rows. CORRUPT where they are not those of its entry: the order of rows rests on what entries say of
 * them, and so does that none is there twice. */
steplog_status sl_segment_sequences(sl_segment *segment, sl_chunk *chunk, const sl_chunk_entry *entry, int64_t *out,
                                    steplog_error *err);
/* The stored payload of a column, readable past its end; lent until the next call with this chunk. NULL payload for a
 * column without values. */
steplog_status sl_segment_payload(sl_segment *segment, sl_chunk *chunk, uint32_t column, const uint8_t **payload,
                                  steplog_error *err);
/* Decodes a column to values by row (room for 1024) and presence. */
steplog_status sl_segment_column(sl_segment *segment, sl_chunk *chunk, uint32_t column, double *values,
                                 uint64_t present[SL_PRESENT_WORDS], steplog_error *err);
void sl_chunk_free(sl_chunk *chunk);

/* Insists on the kind of a page that was read: OK; CORRUPT; IO; NOMEM. */
steplog_status sl_segment_settle_page(sl_segment *segment, uint64_t offset, unsigned kind, const sl_page_item *item,
                                      steplog_error *err);

/* Reports damage in this segment, with what the chunk tells. */
void sl_segment_report(sl_segment *segment, uint64_t offset, uint64_t bytes, const char *what, const sl_chunk_head *head,
                       const sl_chunk_entry *entry, const char *series);

#endif
