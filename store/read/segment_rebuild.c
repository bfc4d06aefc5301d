/* read/segment_rebuild.c: when a trailer or a table is damaged, the pages themselves say what is there.
 *
 * Writers and schemas come from their pages, groups and chunks from CHUNK pages, facts from FACTS pages, held ranges from
 * what is found. Of the tables that are whole two are taken: dropped ranges stand nowhere else, and the table of writers
 * knows whose a page was that is damaged. */
#include "read/segment_rebuild.h"

#include "base/assert.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#define ORDINAL_GAP_MAX 65536u

typedef struct found_chunk {
    uint32_t writer, schema;
    sl_chunk_entry entry;
} found_chunk;

typedef struct rebuild {
    sl_segment *segment;
    SL_VEC(found_chunk) chunks;
    SL_VEC(sl_writer_entry) table_writers; /* of the table of writers, by ordinal; attempt 0: not known */
    SL_VEC(sl_range_entry) dropped;
    sl_chunk chunk;
    int is_out_of_memory;
} rebuild;

/* Pages that are damaged leave gaps, but what a page says must not cost more memory than its file can be worth. */
static int is_ordinal_possible(const sl_segment *s, uint32_t index, size_t known)
{
    return index < s->file_bytes / SL_PAGE_HEAD_BYTES && index <= known + ORDINAL_GAP_MAX;
}

static void find_writer(rebuild *r, const sl_page_item *item)
{
    sl_segment *s = r->segment;
    sl_writer_description d;
    if (!sl_writer_description_decode(item->content, item->content_bytes, &d) ||
        !is_ordinal_possible(s, item->head.index, s->writers.count))
        return;
    while (s->writers.count <= item->head.index)
        if (!SL_VEC_PUSH(&s->writers, (sl_writer_entry){0})) {
            r->is_out_of_memory = 1;
            return;
        }
    s->writers.items[item->head.index] = (sl_writer_entry){.run = d.run,
                                                           .incarnation = d.incarnation,
                                                           .attempt = d.attempt,
                                                           .rank = d.rank,
                                                           .flags = d.flags,
                                                           .page_offset = item->offset,
                                                           .start_time_ns = d.start_time_ns};
}

static void find_schema(rebuild *r, const sl_page_item *item)
{
    sl_segment *s = r->segment;
    if (item->content_bytes < 4 || !is_ordinal_possible(s, item->head.index, s->schemas.count)) return;
    while (s->schemas.count <= item->head.index)
        if (!SL_VEC_PUSH(&s->schemas, (sl_schema_entry){0})) {
            r->is_out_of_memory = 1;
            return;
        }
    s->schemas.items[item->head.index] = (sl_schema_entry){
        .page_offset = item->offset, .name_count = sl_load32(item->content), .page_bytes = (uint32_t)item->bytes};
}

/* A chunk entry from the chunk itself. The walk's buffers are not touched: it is read again. */
static void find_chunk(rebuild *r, uint64_t offset, uint64_t bytes)
{
    int64_t steps[SL_CHUNK_ROWS_MAX], times[SL_CHUNK_ROWS_MAX], sequences[SL_CHUNK_ROWS_MAX];
    sl_segment *s = r->segment;
    if (sl_segment_chunk(s, offset, NULL, NULL, &r->chunk, NULL) < 0 ||
        sl_segment_columns(s, &r->chunk, r->chunk.head.column_count, NULL) < 0 ||
        sl_segment_axis(s, &r->chunk, SL_PART_STEPS, steps, NULL) < 0 ||
        sl_segment_axis(s, &r->chunk, SL_PART_TIMES, times, NULL) < 0 ||
        sl_segment_axis(s, &r->chunk, SL_PART_SEQUENCES, sequences, NULL) < 0)
        return;
    uint32_t count = r->chunk.head.row_count;
    found_chunk found = {.writer = r->chunk.head.writer, .schema = r->chunk.head.schema};
    found.entry = (sl_chunk_entry){.page_offset = offset,
                                   .page_bytes = (uint32_t)bytes,
                                   .row_count = (uint16_t)count,
                                   .flags = (uint16_t)r->chunk.head.flags,
                                   .sequence_first = (uint64_t)sequences[0],
                                   .sequence_last = (uint64_t)sequences[count - 1],
                                   .step_min = INT64_MAX,
                                   .step_max = INT64_MIN,
                                   .time_min_ns = STEPLOG_TIME_NONE,
                                   .time_max_ns = STEPLOG_TIME_NONE,
                                   .extent_offset = offset};
    for (uint32_t i = 0; i < count; i++) {
        if (sequences[i] < 1 || (i && sequences[i] <= sequences[i - 1])) return;
        if (steps[i] < found.entry.step_min) found.entry.step_min = steps[i];
        if (steps[i] > found.entry.step_max) found.entry.step_max = steps[i];
        if (times[i] == STEPLOG_TIME_NONE) continue;
        if (found.entry.time_min_ns == STEPLOG_TIME_NONE || times[i] < found.entry.time_min_ns)
            found.entry.time_min_ns = times[i];
        if (found.entry.time_max_ns == STEPLOG_TIME_NONE || times[i] > found.entry.time_max_ns)
            found.entry.time_max_ns = times[i];
    }
    for (size_t c = 0; c < r->chunk.infos.count; c++) {
        const sl_column_info *info = &r->chunk.infos.items[c];
        if (info->flags & SL_COLUMN_HAS_VALUES) found.entry.value_count += info->value_count;
        if ((info->flags & SL_COLUMN_IS_OWN_PAGE) && info->page_distance <= offset &&
            offset - info->page_distance < found.entry.extent_offset)
            found.entry.extent_offset = offset - info->page_distance;
    }
    if (!SL_VEC_PUSH(&r->chunks, found)) r->is_out_of_memory = 1;
}

static void find_facts(rebuild *r, const sl_page_item *item)
{
    uint32_t at = 0;
    while (item->content_bytes - at >= SL_RECORD_PREFIX_BYTES) {
        sl_record_prefix prefix;
        sl_fact fact;
        if (!sl_record_prefix_decode(item->content + at, &prefix)) return;
        at += SL_RECORD_PREFIX_BYTES;
        if (prefix.bytes > item->content_bytes - at) return;
        sl_record_entry entry = {.writer = prefix.writer,
                                 .type = prefix.type,
                                 .page_offset = item->offset,
                                 .content_offset = at,
                                 .bytes = prefix.bytes,
                                 .sequence = prefix.sequence,
                                 .sequence_count = prefix.sequence_count};
        if (prefix.type == SL_ENTRY_FACT && sl_fact_decode(item->content + at, prefix.bytes, &fact)) {
            entry.fact_kind = fact.kind;
            entry.lamport = fact.lamport;
        }
        if (!SL_VEC_PUSH(&r->segment->records, entry)) r->is_out_of_memory = 1;
        at += prefix.bytes;
    }
}

static void find_table_writers(rebuild *r, const sl_page_item *item)
{
    uint32_t entries = item->content_bytes / SL_WRITER_ENTRY_BYTES;
    uint64_t first = (uint64_t)item->head.index * sl_table_page_entries_max[SL_TABLE_WRITERS];
    if (entries * SL_WRITER_ENTRY_BYTES != item->content_bytes || first > r->table_writers.count ||
        first + entries > r->segment->file_bytes / SL_OWN_PAGE_BYTES_MIN)
        return;
    for (uint32_t i = 0; i < entries; i++) {
        sl_writer_entry entry;
        if (!sl_writer_entry_decode(item->content + i * SL_WRITER_ENTRY_BYTES, &entry)) entry = (sl_writer_entry){0};
        entry.range_count = entry.group_count = entry.record_count = 0;
        if (first + i == r->table_writers.count && !SL_VEC_PUSH(&r->table_writers, entry)) r->is_out_of_memory = 1;
    }
}

static void find_dropped(rebuild *r, const sl_page_item *item)
{
    for (uint32_t at = 0; item->content_bytes - at >= SL_RANGE_ENTRY_BYTES; at += SL_RANGE_ENTRY_BYTES) {
        sl_range_entry entry;
        if (!sl_range_entry_decode(item->content + at, &entry)) return;
        if (entry.kind == SL_RANGE_DROPPED && !SL_VEC_PUSH(&r->dropped, entry)) r->is_out_of_memory = 1;
    }
}

/* Writers whose page is damaged. */
static int take_table_writers(rebuild *r)
{
    sl_segment *s = r->segment;
    for (size_t i = 0; i < r->table_writers.count; i++) {
        if (i == s->writers.count && !SL_VEC_PUSH(&s->writers, (sl_writer_entry){0})) return 0;
        if (!s->writers.items[i].attempt) s->writers.items[i] = r->table_writers.items[i];
    }
    return 1;
}

static int compare_chunks(const void *a, const void *b)
{
    const found_chunk *x = a, *y = b;
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

static steplog_status collect(rebuild *r, int chunks_only, steplog_error *err)
{
    sl_segment *s = r->segment;
    sl_page_walk walk;
    sl_page_item item;
    sl_page_walk_init(&walk, sl_segment_read, s, s->file_key, s->file_bytes);
    for (;;) {
        sl_page_walk_next(&walk, &item);
        if (item.kind == SL_PAGE_ITEM_END || item.kind == SL_PAGE_ITEM_ERROR) break;
        if (item.kind == SL_PAGE_ITEM_DAMAGE) {
            if (!chunks_only) sl_segment_report(s, item.offset, item.bytes, item.what, NULL, NULL, NULL);
            continue;
        }
        if (item.head.kind == SL_PAGE_CHUNK)
            find_chunk(r, item.offset, item.bytes);
        else if (chunks_only)
            continue;
        else if (item.head.kind == SL_PAGE_WRITER)
            find_writer(r, &item);
        else if (item.head.kind == SL_PAGE_SCHEMA)
            find_schema(r, &item);
        else if (item.head.kind == SL_PAGE_FACTS)
            find_facts(r, &item);
        else if (item.head.kind == SL_PAGE_WRITER_TABLE)
            find_table_writers(r, &item);
        else if (item.head.kind == SL_PAGE_RANGE_TABLE)
            find_dropped(r, &item);
    }
    int is_error = item.kind == SL_PAGE_ITEM_ERROR, os_errno = item.os_errno;
    sl_page_walk_free(&walk);
    sl_chunk_free(&r->chunk);
    if (r->is_out_of_memory || (is_error && !os_errno))
        return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read a segment");
    if (is_error) return sl_fail_os(err, os_errno, -1, "cannot read segment '%s'", s->name);
    return STEPLOG_OK;
}

static sl_group_entry empty_group(uint32_t writer, uint32_t schema, size_t chunk_first)
{
    return (sl_group_entry){.writer = writer,
                            .schema = schema,
                            .chunk_first = (uint32_t)chunk_first,
                            .step_min = INT64_MAX,
                            .step_max = INT64_MIN,
                            .time_min_ns = STEPLOG_TIME_NONE,
                            .time_max_ns = STEPLOG_TIME_NONE,
                            .stats_first = SL_NO_STATS,
                            .node_stats_first = SL_NO_STATS};
}

static int add_chunk(sl_segment *s, sl_group_entry *group, const found_chunk *found)
{
    group->chunk_count++;
    group->row_count += found->entry.row_count;
    group->value_count += found->entry.value_count;
    if (found->entry.step_min < group->step_min) group->step_min = found->entry.step_min;
    if (found->entry.step_max > group->step_max) group->step_max = found->entry.step_max;
    sl_group_entry_widen_times(group, &found->entry);
    return SL_VEC_PUSH(&s->rebuilt_chunks, found->entry);
}

static int make_groups(rebuild *r)
{
    sl_segment *s = r->segment;
    for (size_t i = 0; i < r->chunks.count; i++) {
        const found_chunk *found = &r->chunks.items[i];
        if (found->writer >= s->writers.count || found->schema >= s->schemas.count ||
            !s->writers.items[found->writer].attempt)
            continue;
        sl_group_entry *group = s->groups.count ? &s->groups.items[s->groups.count - 1] : NULL;
        if (!group || group->writer != found->writer || group->schema != found->schema) {
            sl_writer_entry *writer = &s->writers.items[found->writer];
            if (writer->group_count++ == 0) writer->group_first = (uint32_t)s->groups.count;
            if (!SL_VEC_PUSH(&s->groups, empty_group(found->writer, found->schema, s->rebuilt_chunks.count))) return 0;
            group = &s->groups.items[s->groups.count - 1];
        }
        if (!add_chunk(s, group, found)) return 0;
    }
    return 1;
}

/* Puts what was found into the groups of their table, which is whole. They keep their places, those of which no chunk is
 * left as well: whoever is going through them goes on. */
static void fill_groups(rebuild *r)
{
    sl_segment *s = r->segment;
    size_t at = 0;
    for (size_t g = 0; g < s->groups.count; g++) {
        sl_group_entry *group = &s->groups.items[g];
        *group = empty_group(group->writer, group->schema, s->rebuilt_chunks.count);
        for (; at < r->chunks.count; at++) {
            const found_chunk *found = &r->chunks.items[at];
            if (found->writer > group->writer || (found->writer == group->writer && found->schema > group->schema)) break;
            if (found->writer != group->writer || found->schema != group->schema) continue; /* of no group */
            int is_added = add_chunk(s, group, found);
            SL_ASSERT(is_added);
            (void)is_added;
        }
    }
}

static int compare_dropped(const void *a, const void *b)
{
    const sl_range_entry *x = a, *y = b;
    if (x->writer != y->writer) return x->writer < y->writer ? -1 : 1;
    return x->sequence_begin < y->sequence_begin ? -1 : x->sequence_begin > y->sequence_begin;
}

/* Collects the numbers of a writer that were found: each chunk's rows, each record. */
static int collect_held(sl_segment *segment, const sl_writer_entry *writer, sl_chunk *chunk, sl_range_pile *out)
{
    int64_t sequences[SL_CHUNK_ROWS_MAX];
    for (uint32_t g = 0; g < writer->group_count; g++) {
        const sl_group_entry *group = &segment->groups.items[writer->group_first + g];
        for (uint32_t c = 0; c < group->chunk_count; c++) {
            uint64_t at = segment->rebuilt_chunks.items[group->chunk_first + c].page_offset;
            if (sl_segment_chunk(segment, at, NULL, NULL, chunk, NULL) < 0 ||
                sl_segment_axis(segment, chunk, SL_PART_SEQUENCES, sequences, NULL) < 0)
                continue;
            for (uint32_t i = 0; i < chunk->head.row_count; i++)
                if (!sl_range_pile_add(out, (uint64_t)sequences[i], (uint64_t)sequences[i] + 1)) return 0;
        }
    }
    for (uint32_t i = 0; i < writer->record_count; i++) {
        const sl_record_entry *record = &segment->records.items[writer->record_first + i];
        if (!sl_range_pile_add(out, record->sequence, record->sequence + record->sequence_count)) return 0;
    }
    return 1;
}

/* Puts the ranges of a writer behind those of the writers before it. */
static int put_ranges(sl_segment *s, uint32_t writer, uint32_t kind, sl_range_pile *ranges)
{
    sl_range_pile_settle(ranges);
    for (size_t i = 0; i < ranges->set.count; i++)
        if (!SL_VEC_PUSH(&s->ranges,
                         (sl_range_entry){writer, kind, ranges->set.items[i].begin, ranges->set.items[i].end}))
            return 0;
    s->writers.items[writer].range_count += (uint32_t)ranges->set.count;
    sl_range_pile_clear(ranges);
    return 1;
}

/* The numbers that were found, and those that were dropped. */
static int make_ranges(rebuild *r)
{
    sl_segment *s = r->segment;
    sl_range_pile ranges = {0};
    size_t at = 0; /* in dropped */
    int is_good = 1;
    if (r->dropped.count) qsort(r->dropped.items, r->dropped.count, sizeof *r->dropped.items, compare_dropped);
    for (uint32_t w = 0; w < s->writers.count && is_good; w++) {
        sl_writer_entry *writer = &s->writers.items[w];
        if (!writer->attempt) continue; /* nobody knows whose it was */
        writer->range_first = (uint32_t)s->ranges.count;
        writer->range_count = 0;
        is_good = collect_held(s, writer, &r->chunk, &ranges) && put_ranges(s, w, SL_RANGE_HELD, &ranges);
        while (at < r->dropped.count && r->dropped.items[at].writer < w) at++;
        for (; at < r->dropped.count && r->dropped.items[at].writer == w && is_good; at++)
            is_good = sl_range_pile_add(&ranges, r->dropped.items[at].sequence_begin,
                                        r->dropped.items[at].sequence_end);
        is_good = is_good && put_ranges(s, w, SL_RANGE_DROPPED, &ranges);
    }
    sl_range_pile_free(&ranges);
    sl_chunk_free(&r->chunk);
    return is_good;
}

static void place_records(sl_segment *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->records.count; i++)
        if (s->records.items[i].writer < s->writers.count && s->writers.items[s->records.items[i].writer].attempt)
            s->records.items[kept++] = s->records.items[i];
    s->records.count = kept;
    if (kept) qsort(s->records.items, kept, sizeof *s->records.items, compare_records);
    for (size_t i = 0; i < kept; i++) {
        sl_writer_entry *writer = &s->writers.items[s->records.items[i].writer];
        if (writer->record_count++ == 0) writer->record_first = (uint32_t)i;
    }
}

steplog_status sl_segment_rebuild(sl_segment *s, steplog_error *err)
{
    rebuild r = {.segment = s};
    s->is_rebuilt = 1;
    s->trailer = (sl_trailer){.file_bytes = s->file_bytes};
    steplog_status status = collect(&r, 0, err);
    if (status >= 0 && !take_table_writers(&r))
        status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read a segment");
    if (status >= 0 && s->writers.count == 0)
        status = sl_fail(err, STEPLOG_CORRUPT, 0, "'%s' has neither an index nor a page that names a writer", s->name);
    if (status >= 0) {
        if (r.chunks.count) qsort(r.chunks.items, r.chunks.count, sizeof *r.chunks.items, compare_chunks);
        place_records(s);
        if (!make_groups(&r) || !make_ranges(&r))
            status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read a segment");
    }
    for (size_t i = 0; status >= 0 && i < s->groups.count; i++) {
        s->trailer.row_count += s->groups.items[i].row_count;
        s->trailer.value_count += s->groups.items[i].value_count;
    }
    SL_VEC_FREE(&r.chunks);
    SL_VEC_FREE(&r.table_writers);
    SL_VEC_FREE(&r.dropped);
    return status;
}

steplog_status sl_segment_rebuild_chunks(sl_segment *s, steplog_error *err)
{
    rebuild r = {.segment = s};
    steplog_status status = collect(&r, 1, err);
    /* From here on nothing may fail: the groups that others count on are filled anew. */
    if (status >= 0 && !SL_VEC_RESERVE(&s->rebuilt_chunks, r.chunks.count))
        status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read a segment");
    if (status >= 0) {
        if (r.chunks.count) qsort(r.chunks.items, r.chunks.count, sizeof *r.chunks.items, compare_chunks);
        s->is_rebuilt = 1;
        fill_groups(&r);
    }
    SL_VEC_FREE(&r.chunks);
    return status;
}
