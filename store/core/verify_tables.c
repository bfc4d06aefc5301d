/* core/verify_tables.c: the tables of a segment say what its pages say, so they are made again from what was found and
 * compared, entry by entry and byte by byte. Where pages are damaged the tables serve to tell which runs, series and steps
 * that costs, and only what whole pages say is held against whole tables: the rest would repeat it. */
#include "core/verify_segment.h"

#include "base/bytes.h"
#include "format/chunk_codec.h"
#include "format/page_walk.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const table_names[SL_TABLE_COUNT] = {"writers", "schemas", "groups", "chunks", "ranges", "records",
                                                        "nodes", "statistics", "statistics of nodes"};

/* ---- making the tables again ---- */

static int compare_chunks(const void *a, const void *b)
{
    const sl_found_chunk *x = a, *y = b;
    if (x->writer != y->writer) return x->writer < y->writer ? -1 : 1;
    if (x->schema != y->schema) return x->schema < y->schema ? -1 : 1;
    if (x->entry.sequence_first != y->entry.sequence_first)
        return x->entry.sequence_first < y->entry.sequence_first ? -1 : 1;
    return 0;
}

static int compare_records(const void *a, const void *b)
{
    const sl_record_entry *x = a, *y = b;
    if (x->writer != y->writer) return x->writer < y->writer ? -1 : 1;
    if (x->sequence != y->sequence) return x->sequence < y->sequence ? -1 : 1;
    return 0;
}

static void encode(int table, const void *entry, uint8_t *out)
{
    switch (table) {
    case SL_TABLE_WRITERS: sl_writer_entry_encode(entry, out); break;
    case SL_TABLE_SCHEMAS: sl_schema_entry_encode(entry, out); break;
    case SL_TABLE_GROUPS: sl_group_entry_encode(entry, out); break;
    case SL_TABLE_CHUNKS: sl_chunk_entry_encode(entry, out); break;
    case SL_TABLE_RANGES: sl_range_entry_encode(entry, out); break;
    case SL_TABLE_RECORDS: sl_record_entry_encode(entry, out); break;
    default: sl_node_entry_encode(entry, out); break;
    }
}

uint32_t sl_verify_page_most(const sl_segment_check *c, int table)
{
    return c->table_pages[table] > 1 ? sl_table_page_entries_max[table]
                                     : sl_table_page_most(table, c->table_entries[table]);
}

uint64_t sl_verify_entry_offset(const sl_segment_check *c, int table, uint64_t entry)
{
    const uint64_t bytes = sl_table_entry_bytes[table], most = sl_verify_page_most(c, table);
    const uint64_t page = c->table_offset[table] + entry / most * (SL_PAGE_HEAD_BYTES + most * bytes);
    return page + SL_PAGE_HEAD_BYTES + (c->is_table_packed[table] ? 0 : entry % most * bytes);
}

static uint64_t stored_count(const sl_segment_check *c, int table)
{
    return c->table_entries[table];
}

static void compare_entry(sl_segment_check *c, int table, uint64_t index, const void *entry, uint32_t writer)
{
    uint8_t expected[SL_WRITER_ENTRY_BYTES];
    uint32_t bytes = sl_table_entry_bytes[table];
    char what[160];
    if (index >= stored_count(c, table)) return; /* the count is told once */
    encode(table, entry, expected);
    const uint8_t *stored = c->tables[table].data + index * bytes;
    if (memcmp(stored, expected, bytes) == 0) return;
    uint32_t at = 0;
    while (stored[at] == expected[at]) at++;
    snprintf(what, sizeof what, "entry %llu of the table of %s does not say what the pages say, from its byte %u on",
             (unsigned long long)index, table_names[table], at);
    sl_segment_check_report(
        c,
        &(sl_segment_place){
            .offset = sl_verify_entry_offset(c, table, index), .bytes = bytes, .what = what, .writer = writer});
}

static void compare_count(sl_segment_check *c, int table, uint64_t expected)
{
    char what[160];
    if (stored_count(c, table) == expected) return;
    snprintf(what, sizeof what, "the table of %s has %llu entries, expected %llu", table_names[table],
             (unsigned long long)stored_count(c, table), (unsigned long long)expected);
    sl_segment_check_damage(c, c->table_offset[table], 0, what);
}

/* ---- groups and chunks ---- */

static int make_groups(sl_segment_check *c, sl_found_group_list *groups)
{
    for (size_t i = 0; i < c->chunks.count; i++) {
        const sl_found_chunk *chunk = &c->chunks.items[i];
        sl_group_entry *group = groups->count ? &groups->items[groups->count - 1] : NULL;
        if (!group || group->writer != chunk->writer || group->schema != chunk->schema) {
            sl_group_entry fresh = {.writer = chunk->writer,
                                    .schema = chunk->schema,
                                    .chunk_first = (uint32_t)i,
                                    .step_min = INT64_MAX,
                                    .step_max = INT64_MIN,
                                    .time_min_ns = STEPLOG_TIME_NONE,
                                    .time_max_ns = STEPLOG_TIME_NONE};
            if (!SL_VEC_PUSH(groups, fresh)) return 0;
            group = &groups->items[groups->count - 1];
            if (chunk->writer < c->writers.count && c->writers.items[chunk->writer].group_count++ == 0)
                c->writers.items[chunk->writer].group_first = (uint32_t)groups->count - 1;
        }
        group->chunk_count++;
        group->row_count += chunk->entry.row_count;
        group->value_count += chunk->entry.value_count;
        if (chunk->entry.step_min < group->step_min) group->step_min = chunk->entry.step_min;
        if (chunk->entry.step_max > group->step_max) group->step_max = chunk->entry.step_max;
        sl_group_entry_widen_times(group, &chunk->entry);
    }
    return 1;
}

/* ---- ranges ---- */

static void report_range(sl_segment_check *c, uint64_t index, const sl_range_entry *range, const char *what)
{
    sl_segment_check_report(c, &(sl_segment_place){.offset = sl_verify_entry_offset(c, SL_TABLE_RANGES, index),
                                                   .bytes = SL_RANGE_ENTRY_BYTES,
                                                   .what = what,
                                                   .writer = range->writer});
}

/* By writer, held before dropped, ascending; those of one kind do not touch. */
static int follows(const sl_range_entry *before, const sl_range_entry *range)
{
    if (before->writer != range->writer) return before->writer < range->writer;
    if (before->kind != range->kind) return before->kind < range->kind;
    return before->sequence_end < range->sequence_begin;
}

/* Whether records were found within a range: bisects the numbers, which are sorted. */
static int is_any_held(const sl_segment_check *c, const sl_range_entry *range)
{
    size_t low = 0, high = c->numbers.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const sl_found_numbers *held = &c->numbers.items[middle];
        if (held->writer > range->writer || (held->writer == range->writer && held->end > range->sequence_begin))
            high = middle;
        else
            low = middle + 1;
    }
    return low < c->numbers.count && c->numbers.items[low].writer == range->writer &&
           c->numbers.items[low].begin < range->sequence_end;
}

/* Held ranges are what was found. Dropped ones stand nowhere but in the table: they must not cover what is held. */
static void compare_ranges(sl_segment_check *c)
{
    uint64_t count = stored_count(c, SL_TABLE_RANGES), held_count = 0;
    sl_range_entry before = {0};
    for (uint64_t i = 0; i < count; i++) {
        sl_range_entry range;
        int is_good = sl_range_entry_decode(c->tables[SL_TABLE_RANGES].data + i * SL_RANGE_ENTRY_BYTES, &range);
        if (!is_good || (i && !follows(&before, &range)) || range.writer >= c->writers.count) {
            report_range(c, i, &range, "an entry of the table of ranges breaks a rule or is out of order");
            return;
        }
        sl_writer_entry *writer = &c->writers.items[range.writer];
        if (writer->range_count++ == 0) writer->range_first = (uint32_t)i;
        before = range;
        if (range.kind == SL_RANGE_DROPPED) {
            if (range.sequence_end > INT64_MAX || is_any_held(c, &range))
                report_range(c, i, &range, "a dropped range is impossible, or covers a record that is here");
            continue;
        }
        const sl_found_numbers *found = held_count < c->numbers.count ? &c->numbers.items[held_count++] : NULL;
        if (found && found->writer == range.writer && found->begin == range.sequence_begin &&
            found->end == range.sequence_end)
            continue;
        report_range(c, i, &range, "a held range is not that of the rows and records found");
        return;
    }
    if (held_count < c->numbers.count)
        sl_segment_check_damage(c, c->table_offset[SL_TABLE_RANGES], 0,
                                "the held ranges do not cover the rows and records found");
}

/* ---- writers and trailer ---- */

static void compare_writers(sl_segment_check *c)
{
    for (uint32_t i = 0; i < c->writers.count; i++) {
        sl_writer_entry *found = &c->writers.items[i], stored;
        if (i && found->attempt) {
            const sl_writer_entry *before = &c->writers.items[i - 1];
            int order = memcmp(before->run.bytes, found->run.bytes, 16);
            if (order > 0 || (order == 0 && memcmp(before->incarnation.bytes, found->incarnation.bytes, 16) >= 0))
                sl_segment_check_report(
                    c, &(sl_segment_place){.offset = found->page_offset,
                                           .what = "writers are not in the order of run and incarnation",
                                           .writer = i});
        }
        if (i >= stored_count(c, SL_TABLE_WRITERS)) break;
        sl_writer_entry_decode(c->tables[SL_TABLE_WRITERS].data + i * SL_WRITER_ENTRY_BYTES, &stored);
        /* Where there are none, the first means nothing. */
        if (found->range_count == 0) found->range_first = stored.range_first;
        if (found->group_count == 0) found->group_first = stored.group_first;
        if (found->record_count == 0) found->record_first = stored.record_first;
        compare_entry(c, SL_TABLE_WRITERS, i, found, i);
    }
}

static void sum_up(const sl_segment_check *c, sl_trailer *t)
{
    *t = (sl_trailer){.file_bytes = c->file_bytes,
                      .step_min = INT64_MAX,
                      .step_max = INT64_MIN,
                      .time_min_ns = STEPLOG_TIME_NONE,
                      .time_max_ns = STEPLOG_TIME_NONE,
                      .lamport_max = c->lamport_max};
    for (size_t i = 0; i < c->chunks.count; i++) {
        const sl_chunk_entry *entry = &c->chunks.items[i].entry;
        t->row_count += entry->row_count;
        t->value_count += entry->value_count;
        if (entry->step_min < t->step_min) t->step_min = entry->step_min;
        if (entry->step_max > t->step_max) t->step_max = entry->step_max;
        if (entry->time_min_ns == STEPLOG_TIME_NONE) continue;
        if (t->time_min_ns == STEPLOG_TIME_NONE || entry->time_min_ns < t->time_min_ns)
            t->time_min_ns = entry->time_min_ns;
        if (t->time_max_ns == STEPLOG_TIME_NONE || entry->time_max_ns > t->time_max_ns)
            t->time_max_ns = entry->time_max_ns;
    }
    uint64_t next = c->trailer_offset;
    for (int table = SL_TABLE_COUNT - 1; table >= 0; table--) { /* an empty one has the place of the next */
        if (c->table_pages[table]) next = c->table_offset[table];
        t->tables[table].offset = next;
        t->tables[table].entry_count = stored_count(c, table);
    }
}

static void compare_trailer(sl_segment_check *c)
{
    uint8_t expected[SL_TRAILER_CONTENT_BYTES];
    sl_trailer t, stored = {0};
    char what[120];
    if (!c->has_trailer) {
        sl_segment_check_damage(c, c->file_bytes < SL_TRAILER_BYTES ? 0 : c->file_bytes - SL_TRAILER_BYTES,
                                SL_TRAILER_BYTES, "the segment does not end with its trailer");
        return;
    }
    sum_up(c, &t);
    if (!sl_trailer_decode(c->trailer, &stored)) {
        sl_segment_check_damage(c, c->trailer_offset, SL_TRAILER_BYTES, "the trailer breaks a rule");
        return;
    }
    if (t.row_count == 0) {
        t.step_min = stored.step_min;
        t.step_max = stored.step_max;
    }
    sl_trailer_encode(&t, expected);
    for (uint32_t at = 0; at < SL_TRAILER_CONTENT_BYTES; at += 8) {
        if (memcmp(expected + at, c->trailer + at, 8) == 0) continue;
        snprintf(what, sizeof what, "the trailer does not say what tables and pages say, from its byte %u on", at);
        sl_segment_check_damage(c, c->trailer_offset, SL_TRAILER_BYTES, what);
        return;
    }
}

/* ---- damaged regions ---- */

static void tell(sl_segment_check *c, sl_found_region *region, uint32_t writer, const sl_chunk_entry *chunk)
{
    sl_segment_place place = {.offset = region->offset, .bytes = region->bytes, .what = region->what, .writer = writer};
    if (chunk) {
        place.has_steps = 1;
        place.step_first = chunk->step_min;
        place.step_last = chunk->step_max;
    }
    /* The writer's own page may be what is damaged: the table names its run too. */
    sl_writer_entry stored;
    if (writer < stored_count(c, SL_TABLE_WRITERS) && writer >= c->writers.count) {
        while (c->writers.count <= writer)
            if (!SL_VEC_PUSH(&c->writers, (sl_writer_entry){0})) break;
    }
    if (writer < stored_count(c, SL_TABLE_WRITERS) && writer < c->writers.count && !c->writers.items[writer].attempt &&
        sl_writer_entry_decode(c->tables[SL_TABLE_WRITERS].data + writer * SL_WRITER_ENTRY_BYTES, &stored))
        c->writers.items[writer] = stored;
    sl_segment_check_report(c, &place);
}

/* The writer of a chunk, by the table of groups, which stand in the order of their chunks. */
static uint32_t writer_of_chunk(const sl_segment_check *c, uint64_t chunk)
{
    uint64_t low = 0, high = stored_count(c, SL_TABLE_GROUPS);
    sl_group_entry group;
    while (low < high) { /* the last one that begins at or before it */
        uint64_t middle = low + (high - low) / 2;
        sl_group_entry_decode(c->tables[SL_TABLE_GROUPS].data + middle * SL_GROUP_ENTRY_BYTES, &group);
        if (group.chunk_first <= chunk) low = middle + 1;
        else high = middle;
    }
    return low && sl_group_entry_decode(c->tables[SL_TABLE_GROUPS].data + (low - 1) * SL_GROUP_ENTRY_BYTES, &group) &&
                   chunk - group.chunk_first < group.chunk_count
               ? group.writer
               : UINT32_MAX;
}

/* What the entry of a writer or a chunk knows of the regions within [begin, end). A wrong one may name all of the file,
 * so after some it is not told of more. */
#define REGIONS_OF_AN_ENTRY_MAX 64u
static void tell_regions(sl_segment_check *c, uint64_t begin, uint64_t end, uint32_t writer,
                         const sl_chunk_entry *chunk)
{
    size_t first = sl_segment_check_region(c, begin);
    for (size_t i = first; i < c->regions.count && i - first < REGIONS_OF_AN_ENTRY_MAX; i++) {
        sl_found_region *region = &c->regions.items[i];
        if (region->offset >= end) break;
        if (region->is_open) tell(c, region, writer, chunk);
    }
}

/* From where on damage may cost a chunk. One whose CHUNK page is whole told of its columns itself; the COLUMN pages of
 * one whose CHUNK page is not lie anywhere between its first one and that. */
static uint64_t reach_of_chunk(const sl_segment_check *c, const sl_chunk_entry *chunk)
{
    size_t low = 0, high = c->chunks.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->chunks.items[middle].entry.page_offset < chunk->page_offset) low = middle + 1;
        else high = middle;
    }
    return low < c->chunks.count && c->chunks.items[low].entry.page_offset == chunk->page_offset ? chunk->page_offset
                                                                                                 : chunk->extent_offset;
}

/* Goes over the entries of each table once: there may be as many as regions. */
static void name_regions(sl_segment_check *c)
{
    sl_writer_entry writer;
    sl_chunk_entry chunk;
    sl_record_entry record;
    for (size_t i = 0; i < c->regions.count; i++) {
        c->regions.items[i].is_open = !c->regions.items[i].is_told;
        c->regions.items[i].told_writer = UINT32_MAX;
    }
    for (uint64_t i = 0; i < stored_count(c, SL_TABLE_WRITERS); i++)
        if (sl_writer_entry_decode(c->tables[SL_TABLE_WRITERS].data + i * SL_WRITER_ENTRY_BYTES, &writer))
            tell_regions(c, writer.page_offset, writer.page_offset + SL_PAGE_HEAD_BYTES, (uint32_t)i, NULL);
    for (uint64_t i = 0; i < stored_count(c, SL_TABLE_CHUNKS); i++)
        if (sl_chunk_entry_decode(c->tables[SL_TABLE_CHUNKS].data + i * SL_CHUNK_ENTRY_BYTES, &chunk))
            tell_regions(c, reach_of_chunk(c, &chunk), chunk.page_offset + chunk.page_bytes, writer_of_chunk(c, i),
                         &chunk);
    for (uint64_t i = 0; i < stored_count(c, SL_TABLE_RECORDS); i++) {
        if (!sl_record_entry_decode(c->tables[SL_TABLE_RECORDS].data + i * SL_RECORD_ENTRY_BYTES, &record)) continue;
        size_t at = sl_segment_check_region(c, record.page_offset);
        sl_found_region *region = at < c->regions.count ? &c->regions.items[at] : NULL;
        if (!region || !region->is_open || region->offset >= record.page_offset + SL_PAGE_HEAD_BYTES ||
            region->told_writer == record.writer)
            continue;
        region->told_writer = record.writer;
        tell(c, region, record.writer, NULL);
    }
    for (size_t i = 0; i < c->regions.count; i++)
        if (!c->regions.items[i].is_told) tell(c, &c->regions.items[i], UINT32_MAX, NULL);
}

/* ---- beside damaged pages ---- */

/* 1 when no page of a table is missing, for all that the trailer says. */
static int is_table_whole(const sl_segment_check *c, int table)
{
    sl_trailer t;
    return c->has_trailer && sl_trailer_decode(c->trailer, &t) && !c->has_table_gap[table] &&
           t.tables[table].entry_count == stored_count(c, table) &&
           (c->table_pages[table] == 0 || t.tables[table].offset == c->table_offset[table]);
}

typedef struct entry_place {
    uint64_t page_offset;
    uint32_t content_offset; /* of a record */
    uint64_t index;          /* in its table */
} entry_place;

static int compare_places(const void *a, const void *b)
{
    const entry_place *x = a, *y = b;
    if (x->page_offset != y->page_offset) return x->page_offset < y->page_offset ? -1 : 1;
    return x->content_offset < y->content_offset ? -1 : x->content_offset > y->content_offset;
}

/* Where the entries of the table of chunks, or of records, say that these are; sorted. NULL: no memory. */
static entry_place *places_in_table(const sl_segment_check *c, int table, size_t *count)
{
    *count = stored_count(c, table);
    entry_place *places = sl_alloc_zero(*count + 1, sizeof *places);
    for (size_t i = 0; places && i < *count; i++) {
        const uint8_t *stored = c->tables[table].data + i * sl_table_entry_bytes[table];
        sl_chunk_entry chunk = {0};
        sl_record_entry record = {0};
        if (table == SL_TABLE_CHUNKS) {
            sl_chunk_entry_decode(stored, &chunk);
            places[i] = (entry_place){chunk.page_offset, 0, i};
        } else {
            sl_record_entry_decode(stored, &record);
            places[i] = (entry_place){record.page_offset, record.content_offset, i};
        }
    }
    if (places && *count) qsort(places, *count, sizeof *places, compare_places);
    return places;
}

/* Compares what was found at a place with the entry that names it. */
static void compare_place(sl_segment_check *c, int table, const entry_place *places, size_t count,
                          const entry_place *at, const void *entry, uint32_t writer)
{
    char what[80];
    const entry_place *named = count ? bsearch(at, places, count, sizeof *places, compare_places) : NULL;
    if (named) {
        compare_entry(c, table, named->index, entry, writer);
        return;
    }
    snprintf(what, sizeof what, "the table of %s does not name what is here", table_names[table]);
    sl_segment_check_report(c, &(sl_segment_place){.offset = at->page_offset, .what = what, .writer = writer});
}

/* 1 when a stored range holds these numbers: bisects the table, which is in order. */
static int is_in_held(const sl_segment_check *c, const sl_found_numbers *found)
{
    uint64_t low = 0, high = stored_count(c, SL_TABLE_RANGES);
    sl_range_entry range = {0}, first = {.writer = found->writer, .kind = SL_RANGE_HELD};
    while (low < high) { /* the last one that begins at or before them */
        uint64_t middle = low + (high - low) / 2;
        sl_range_entry_decode(c->tables[SL_TABLE_RANGES].data + middle * SL_RANGE_ENTRY_BYTES, &range);
        int is_before = range.writer != first.writer ? range.writer < first.writer
                        : range.kind != first.kind   ? range.kind < first.kind
                                                     : range.sequence_begin <= found->begin;
        if (is_before) low = middle + 1;
        else high = middle;
    }
    if (low == 0) return 0;
    sl_range_entry_decode(c->tables[SL_TABLE_RANGES].data + (low - 1) * SL_RANGE_ENTRY_BYTES, &range);
    return range.writer == first.writer && range.kind == SL_RANGE_HELD && range.sequence_begin <= found->begin &&
           range.sequence_end >= found->end;
}

/* Numbers that were found are held, and not dropped. Others may be those of damaged pages. */
static void compare_found_numbers(sl_segment_check *c)
{
    sl_range_entry before = {0}, range;
    for (uint64_t i = 0; i < stored_count(c, SL_TABLE_RANGES); i++, before = range) {
        int is_good = sl_range_entry_decode(c->tables[SL_TABLE_RANGES].data + i * SL_RANGE_ENTRY_BYTES, &range);
        if (!is_good || (i && !follows(&before, &range))) {
            report_range(c, i, &range, "an entry of the table of ranges breaks a rule or is out of order");
            return;
        }
        if (range.kind == SL_RANGE_DROPPED && (range.sequence_end > INT64_MAX || is_any_held(c, &range)))
            report_range(c, i, &range, "a dropped range is impossible, or covers a record that is here");
    }
    for (size_t i = 0; i < c->numbers.count; i++) {
        if (is_in_held(c, &c->numbers.items[i])) continue;
        sl_segment_check_report(c, &(sl_segment_place){.offset = c->table_offset[SL_TABLE_RANGES],
                                                       .what = "the held ranges do not cover the rows and records found",
                                                       .writer = c->numbers.items[i].writer});
        return;
    }
}

static int compare_whole(sl_segment_check *c)
{
    int is_whole[SL_TABLE_COUNT];
    for (int table = 0; table < SL_TABLE_COUNT; table++) is_whole[table] = is_table_whole(c, table);
    for (uint32_t i = 0; i < c->writers.count && is_whole[SL_TABLE_WRITERS]; i++) {
        sl_writer_entry found = c->writers.items[i], stored;
        if (!found.attempt || i >= stored_count(c, SL_TABLE_WRITERS)) continue;
        sl_writer_entry_decode(c->tables[SL_TABLE_WRITERS].data + i * SL_WRITER_ENTRY_BYTES, &stored);
        /* How much there is of it can not be known. */
        found.range_first = stored.range_first, found.range_count = stored.range_count;
        found.group_first = stored.group_first, found.group_count = stored.group_count;
        found.record_first = stored.record_first, found.record_count = stored.record_count;
        compare_entry(c, SL_TABLE_WRITERS, i, &found, i);
    }
    for (size_t i = 0; i < c->schemas.count && is_whole[SL_TABLE_SCHEMAS]; i++)
        if (c->schemas.items[i].name_count) compare_entry(c, SL_TABLE_SCHEMAS, i, &c->schemas.items[i], UINT32_MAX);
    if (is_whole[SL_TABLE_RANGES]) compare_found_numbers(c);
    size_t chunk_count, record_count;
    entry_place *chunks = places_in_table(c, SL_TABLE_CHUNKS, &chunk_count),
                *records = places_in_table(c, SL_TABLE_RECORDS, &record_count);
    int is_good = chunks && records;
    for (size_t i = 0; i < c->chunks.count && is_good && is_whole[SL_TABLE_CHUNKS]; i++) {
        const sl_found_chunk *found = &c->chunks.items[i];
        compare_place(c, SL_TABLE_CHUNKS, chunks, chunk_count, &(entry_place){found->entry.page_offset, 0, 0},
                      &found->entry, found->writer);
    }
    for (size_t i = 0; i < c->records.count && is_good && is_whole[SL_TABLE_RECORDS]; i++) {
        const sl_record_entry *found = &c->records.items[i];
        compare_place(c, SL_TABLE_RECORDS, records, record_count,
                      &(entry_place){found->page_offset, found->content_offset, 0}, found, found->writer);
    }
    sl_free(chunks);
    sl_free(records);
    return is_good;
}

/* Nodes follow from chunks, and statistics from values: for the latter the tables must be as long as they should be. */
static int compare_stats(sl_segment_check *c, const sl_found_group_list *groups, const uint64_t *counts, int *os_errno)
{
    for (size_t i = 0; i < groups->count; i++)
        if (groups->items[i].schema >= c->schemas.count) return 1;
    for (int table = 0; table < SL_TABLE_COUNT; table++)
        if (c->has_table_gap[table] || (table != SL_TABLE_RANGES && stored_count(c, table) != counts[table])) return 1;
    return sl_verify_stats(c, groups, os_errno);
}

static int compare_all(sl_segment_check *c, sl_found_group_list *groups, int *os_errno)
{
    uint64_t counts[SL_TABLE_COUNT] = {c->writers.count, c->schemas.count, 0, c->chunks.count, 0, c->records.count};
    if (c->chunks.count) qsort(c->chunks.items, c->chunks.count, sizeof *c->chunks.items, compare_chunks);
    if (c->records.count) qsort(c->records.items, c->records.count, sizeof *c->records.items, compare_records);
    if (!make_groups(c, groups) ||
        !sl_verify_make_nodes(c, groups, &counts[SL_TABLE_STATS], &counts[SL_TABLE_NODE_STATS]))
        return -1;
    counts[SL_TABLE_GROUPS] = groups->count;
    counts[SL_TABLE_NODES] = c->nodes.count;
    for (size_t i = 0; i < c->records.count; i++)
        if (c->records.items[i].writer < c->writers.count &&
            c->writers.items[c->records.items[i].writer].record_count++ == 0)
            c->writers.items[c->records.items[i].writer].record_first = (uint32_t)i;
    for (int table = 0; table < SL_TABLE_COUNT; table++)
        if (table != SL_TABLE_RANGES) compare_count(c, table, counts[table]);
    compare_ranges(c);
    compare_writers(c);
    for (size_t i = 0; i < c->schemas.count; i++)
        compare_entry(c, SL_TABLE_SCHEMAS, i, &c->schemas.items[i], UINT32_MAX);
    for (size_t i = 0; i < groups->count; i++)
        compare_entry(c, SL_TABLE_GROUPS, i, &groups->items[i], groups->items[i].writer);
    for (size_t i = 0; i < c->chunks.count; i++)
        compare_entry(c, SL_TABLE_CHUNKS, i, &c->chunks.items[i].entry, c->chunks.items[i].writer);
    for (size_t i = 0; i < c->records.count; i++)
        compare_entry(c, SL_TABLE_RECORDS, i, &c->records.items[i], c->records.items[i].writer);
    for (size_t i = 0; i < c->nodes.count; i++) compare_entry(c, SL_TABLE_NODES, i, &c->nodes.items[i], UINT32_MAX);
    compare_trailer(c);
    return compare_stats(c, groups, counts, os_errno);
}

/* Whoever looks for an entry takes the number of pages from that of the entries. */
static void check_page_counts(sl_segment_check *c)
{
    for (int table = 0; table < SL_TABLE_COUNT; table++)
        if (c->table_pages[table] > 1 && sl_table_page_most(table, stored_count(c, table)) >= stored_count(c, table))
            sl_segment_check_damage(c, c->table_offset[table], 0, "a table that one page can hold has several");
}

int sl_verify_tables(sl_segment_check *c, int *os_errno)
{
    *os_errno = 0;
    sl_segment_check_merge(c);
    if (c->regions.count) {
        name_regions(c);
        return compare_whole(c) ? 1 : -1;
    }
    check_page_counts(c);
    sl_found_group_list groups = {0};
    int result = compare_all(c, &groups, os_errno);
    SL_VEC_FREE(&groups);
    return result;
}
