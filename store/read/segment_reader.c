/* read/segment_reader.c: opening a segment and reading its blocks with pread.
 *
 * The directory (writers, schemas, groups, ranges, records) is read at once: it grows with the series, not with the
 * points. Chunk entries are read for the group that is asked for. When the trailer or a table is damaged everything
 * is collected from the pages themselves (segment_rebuild.c). */
#include "read/segment_reader.h"

#include "base/error.h"
#include "format/checksum.h"
#include "format/file_names.h"
#include "os/os.h"
#include "read/segment_rebuild.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Closes the descriptor; the file stays within reach. */
static void set_aside(sl_segment *s)
{
    void *map;
    if (!s->map && !s->kept_map && s->open_segments->kept_map_count < SL_KEPT_MAPS_MAX &&
        sl_os->map(s->fd, s->file_bytes, 0, &map) == 0) {
        s->kept_map = map;
        s->open_segments->kept_map_count++;
    }
    sl_os->close(s->fd);
    s->fd = -1;
}

int sl_segment_descriptor(sl_segment *s)
{
    if (s->fd >= 0) return s->fd;
    sl_segment **place = &s->open_segments->held[s->open_segments->next];
    if (*place) {
        set_aside(*place);
        *place = NULL;
    }
    int fd = sl_os->open(s->store_dir, s->name, SL_OS_READ);
    if (fd < 0) return fd;
    s->open_segments->next = (s->open_segments->next + 1) % SL_OPEN_SEGMENTS_MAX;
    *place = s;
    s->fd = fd;
    return fd;
}

static void close_descriptor(sl_segment *s)
{
    if (s->fd < 0) return;
    for (unsigned i = 0; i < SL_OPEN_SEGMENTS_MAX; i++)
        if (s->open_segments->held[i] == s) s->open_segments->held[i] = NULL;
    sl_os->close(s->fd);
    s->fd = -1;
}

static void unmap(sl_segment *s)
{
    if (s->map) sl_os->unmap((void *)(uintptr_t)s->map, s->file_bytes);
    if (!s->kept_map) return;
    sl_os->unmap((void *)(uintptr_t)s->kept_map, s->file_bytes);
    s->open_segments->kept_map_count--;
}

static int64_t read_map(const sl_segment *s, const uint8_t *map, uint8_t *buffer, size_t bytes, uint64_t offset)
{
    size_t done = 0;
    if (offset > s->file_bytes) return 0;
    if (bytes > s->file_bytes - offset) bytes = (size_t)(s->file_bytes - offset);
    while (done < bytes) {
        int64_t got = sl_os->read_map(map + offset + done, buffer + done, bytes - done);
        if (got < 0) return got;
        done += (size_t)got;
    }
    return (int64_t)done;
}

int64_t sl_segment_read(void *segment, void *buffer, size_t bytes, uint64_t offset)
{
    sl_segment *s = segment;
    int fd = sl_segment_descriptor(s);
    if (fd >= 0) return sl_os_read(fd, buffer, bytes, offset);
    const uint8_t *map = s->map ? s->map : s->kept_map;
    if (map) return read_map(s, map, buffer, bytes, offset);
    return fd == -ENOENT ? -ESTALE : fd;
}

static sl_page_walk *aim(sl_page_walk *walk, sl_segment *s)
{
    walk->read = sl_segment_read;
    walk->context = s;
    walk->file_key = s->file_key;
    walk->file_bytes = s->file_bytes;
    return walk;
}

sl_page_walk *sl_segment_pages(sl_segment *s) { return aim(&s->open_segments->pages, s); }

static steplog_status no_memory(steplog_error *err)
{
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read a segment");
}

void sl_segment_report(sl_segment *segment, uint64_t offset, uint64_t bytes, const char *what,
                       const sl_chunk_head *head, const sl_chunk_entry *entry, const char *series)
{
    segment->has_damage = 1;
    if (!segment->damage) return;
    steplog_damage finding = {.size_bytes = sizeof finding,
                              .file = segment->name,
                              .offset = (int64_t)offset,
                              .bytes = bytes,
                              .what = what,
                              .series = series};
    if (head && head->writer < segment->writers.count) {
        finding.has_run = 1;
        finding.run = segment->writers.items[head->writer].run;
    }
    if (entry) {
        finding.has_steps = 1;
        finding.step_first = entry->step_min;
        finding.step_last = entry->step_max;
    }
    sl_damage_add(segment->damage, &finding);
}

/* ---- opening ---- */

enum { READ_FAILED = -1, NO_MEMORY = -2 };

/* 1; 0 when it breaks a rule; NO_MEMORY. */
static int decode_entry(sl_segment *s, int table, const uint8_t *in)
{
    switch (table) {
    case SL_TABLE_WRITERS: {
        sl_writer_entry entry;
        return !sl_writer_entry_decode(in, &entry) ? 0 : SL_VEC_PUSH(&s->writers, entry) ? 1 : NO_MEMORY;
    }
    case SL_TABLE_SCHEMAS: {
        sl_schema_entry entry;
        return !sl_schema_entry_decode(in, &entry) ? 0 : SL_VEC_PUSH(&s->schemas, entry) ? 1 : NO_MEMORY;
    }
    case SL_TABLE_GROUPS: {
        sl_group_entry entry;
        return !sl_group_entry_decode(in, &entry) ? 0 : SL_VEC_PUSH(&s->groups, entry) ? 1 : NO_MEMORY;
    }
    case SL_TABLE_RANGES: {
        sl_range_entry entry;
        return !sl_range_entry_decode(in, &entry) ? 0 : SL_VEC_PUSH(&s->ranges, entry) ? 1 : NO_MEMORY;
    }
    default: {
        sl_record_entry entry;
        return !sl_record_entry_decode(in, &entry) ? 0 : SL_VEC_PUSH(&s->records, entry) ? 1 : NO_MEMORY;
    }
    }
}

static int failure_of(const sl_page_item *item) { return item->os_errno ? READ_FAILED : NO_MEMORY; }

/* Reads one table whole. 1; 0 when it is damaged (reported); READ_FAILED; NO_MEMORY. */
static int read_table(sl_segment *s, int table)
{
    uint64_t count = s->trailer.tables[table].entry_count;
    uint32_t entry_bytes = sl_table_entry_bytes[table];
    for (uint64_t page = 0; page * sl_table_page_most(table, count) < count; page++) {
        sl_page_item item;
        sl_page_read_kind(sl_segment_pages(s), sl_table_page_offset(&s->trailer, table, page), sl_table_page_kind[table],
                          &item);
        if (item.kind == SL_PAGE_ITEM_ERROR) return failure_of(&item);
        uint32_t entries = sl_table_page_entries(&s->trailer, table, page);
        int result = item.kind == SL_PAGE_ITEM_PAGE && item.head.index == page &&
                     sl_table_page_is_right(&s->trailer, table, page, item.head.flags, item.content_bytes);
        for (uint32_t i = 0; i < entries && result == 1; i++)
            result = decode_entry(s, table, item.content + i * entry_bytes);
        if (result == 0)
            sl_segment_report(s, item.offset, item.bytes, "segment table is damaged: the index was rebuilt", NULL, NULL,
                              NULL);
        if (result != 1) return result;
    }
    return 1;
}

static int compare_writers(const sl_writer_entry *x, const sl_writer_entry *y)
{
    int order = memcmp(x->run.bytes, y->run.bytes, sizeof x->run.bytes);
    return order ? order : memcmp(x->incarnation.bytes, y->incarnation.bytes, sizeof x->incarnation.bytes);
}

/* By writer, held before dropped, ascending; those of one kind do not touch. */
static int are_ranges_in_order(const sl_segment *s)
{
    for (size_t i = 1; i < s->ranges.count; i++) {
        const sl_range_entry *before = &s->ranges.items[i - 1], *range = &s->ranges.items[i];
        if (before->writer != range->writer ? before->writer > range->writer
            : before->kind != range->kind   ? before->kind > range->kind
                                            : before->sequence_end >= range->sequence_begin)
            return 0;
    }
    return 1;
}

/* By writer and schema; their chunks follow one another and are all that there are. */
static int are_groups_in_order(const sl_segment *s)
{
    uint64_t next = 0;
    for (size_t i = 0; i < s->groups.count; i++) {
        const sl_group_entry *group = &s->groups.items[i], *before = i ? group - 1 : NULL;
        if (before && (before->writer != group->writer ? before->writer > group->writer : before->schema >= group->schema))
            return 0;
        if (group->writer >= s->writers.count || group->schema >= s->schemas.count || group->chunk_first != next) return 0;
        next += group->chunk_count;
    }
    return next == s->trailer.tables[SL_TABLE_CHUNKS].entry_count;
}

/* By writer and number. */
static int are_records_in_order(const sl_segment *s)
{
    for (size_t i = 0; i < s->records.count; i++) {
        const sl_record_entry *record = &s->records.items[i], *before = i ? record - 1 : NULL;
        if (record->writer >= s->writers.count) return 0;
        if (before && (before->writer != record->writer ? before->writer > record->writer
                                                        : before->sequence >= record->sequence))
            return 0;
    }
    return 1;
}

/* Entries refer to each other by index: nothing may lead outside, and writers share nothing; none is there twice: equal ones
 * take next to nothing in a file. */
static int are_tables_consistent(const sl_segment *s)
{
    if (!are_ranges_in_order(s) || !are_groups_in_order(s) || !are_records_in_order(s)) return 0;
    for (size_t i = 0; i < s->writers.count; i++) {
        const sl_writer_entry *w = &s->writers.items[i];
        if (i && compare_writers(w - 1, w) >= 0) return 0;
        if ((uint64_t)w->range_first + w->range_count > s->ranges.count ||
            (uint64_t)w->group_first + w->group_count > s->groups.count ||
            (uint64_t)w->record_first + w->record_count > s->records.count)
            return 0;
        for (uint32_t g = 0; g < w->group_count; g++)
            if (s->groups.items[w->group_first + g].writer != i) return 0;
        for (uint32_t n = 0; n < w->range_count; n++)
            if (s->ranges.items[w->range_first + n].writer != i) return 0;
        for (uint32_t n = 0; n < w->record_count; n++)
            if (s->records.items[w->record_first + n].writer != i) return 0;
    }
    return !s->ranges.count || s->ranges.items[s->ranges.count - 1].writer < s->writers.count;
}

static int compare_places(const void *a, const void *b)
{
    const sl_record_entry *x = a, *y = b;
    if (x->page_offset != y->page_offset) return x->page_offset < y->page_offset ? -1 : 1;
    return x->content_offset < y->content_offset ? -1 : x->content_offset > y->content_offset;
}

/* The records of a writer as they lie in the file, so that who goes through them reads and unpacks each page once. That is
 * their order in the table, too, where one writer made them and nothing was merged. */
static void order_records(sl_segment *s)
{
    for (size_t w = 0; w < s->writers.count; w++) {
        const uint32_t count = s->writers.items[w].record_count;
        sl_record_entry *records = count ? &s->records.items[s->writers.items[w].record_first] : NULL;
        uint32_t i = 1;
        while (i < count && compare_places(&records[i - 1], &records[i]) <= 0) i++;
        if (i < count) qsort(records, count, sizeof *records, compare_places);
    }
}

static int read_trailer(sl_segment *s)
{
    sl_page_item item;
    if (s->file_bytes < SL_SEGMENT_HEADER_BYTES + SL_TRAILER_BYTES || s->file_bytes % 8) return 0;
    sl_page_read_kind(sl_segment_pages(s), s->file_bytes - SL_TRAILER_BYTES, SL_PAGE_TRAILER, &item);
    if (item.kind == SL_PAGE_ITEM_ERROR) return failure_of(&item);
    return item.kind == SL_PAGE_ITEM_PAGE && item.content_bytes == SL_TRAILER_CONTENT_BYTES &&
           sl_trailer_decode(item.content, &s->trailer) && s->trailer.file_bytes == s->file_bytes;
}

static void clear_tables(sl_segment *s)
{
    /* Nor their memory: it may be more than the file is worth. */
    SL_VEC_FREE(&s->writers);
    SL_VEC_FREE(&s->schemas);
    SL_VEC_FREE(&s->groups);
    SL_VEC_FREE(&s->ranges);
    SL_VEC_FREE(&s->records);
}

static int read_directory(sl_segment *s)
{
    static const int tables[] = {SL_TABLE_WRITERS, SL_TABLE_SCHEMAS, SL_TABLE_GROUPS, SL_TABLE_RANGES,
                                 SL_TABLE_RECORDS};
    int result = read_trailer(s);
    if (result == 0)
        sl_segment_report(s, s->file_bytes < SL_TRAILER_BYTES ? 0 : s->file_bytes - SL_TRAILER_BYTES, SL_TRAILER_BYTES,
                          "segment trailer is damaged: the index was rebuilt", NULL, NULL, NULL);
    for (size_t i = 0; i < sizeof tables / sizeof *tables && result == 1; i++) result = read_table(s, tables[i]);
    if (result == 1 && !are_tables_consistent(s)) {
        sl_segment_report(s, s->trailer.tables[0].offset, 0,
                          "segment tables contradict each other: the index was rebuilt", NULL, NULL, NULL);
        result = 0;
    }
    if (result == 1) order_records(s);
    return result;
}

/* A whole header that came from another file: its id is not the one that the file is named by and that its trailer was
 * written with. */
static void settle_id(sl_segment *s, const steplog_id *name_id)
{
    steplog_id header_id = s->header.file_id;
    if (sl_id_equal(&header_id, name_id) || read_trailer(s) != 0) return;
    s->file_key = sl_file_key(name_id);
    s->header.file_id = *name_id;
    if (read_trailer(s) == 1) {
        sl_segment_report(s, 0, SL_SEGMENT_HEADER_BYTES, "segment header is that of another file", NULL, NULL, NULL);
        return;
    }
    s->file_key = sl_file_key(&header_id);
    s->header.file_id = header_id;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

steplog_status sl_segment_open(int store_dir, const char *name, uint32_t level, sl_damage_list *damage,
                               sl_open_segments *open_segments, sl_segment **out, steplog_error *err)
{
    uint8_t head[SL_SEGMENT_HEADER_BYTES];
    *out = NULL;
    sl_segment *s = sl_alloc_zero(1, sizeof *s);
    if (!s) return no_memory(err);
    *s = (sl_segment){.reference_count = 1,
                      .open_segments = open_segments,
                      .store_dir = store_dir,
                      .level = level,
                      .fd = -1,
                      .damage = damage};
    snprintf(s->name, sizeof s->name, "%s", name);
    steplog_status status = STEPLOG_OK;
    steplog_error why = {0};
    int e;
    if ((e = sl_segment_descriptor(s)) < 0) {
        status = sl_fail_os(err, -e, -1, "cannot open segment '%s'", name);
        goto failed;
    }
    if ((e = sl_os->stat(s->fd, &s->file)) < 0 || (e = sl_os_read_full(s->fd, head, sizeof head, 0)) < 0) {
        status = e == -ENODATA ? sl_fail(err, STEPLOG_CORRUPT, 0, "'%s' is shorter than a segment's header", name)
                               : sl_fail_os(err, -e, 0, "cannot read segment '%s'", name);
        goto failed;
    }
    s->file_bytes = s->file.bytes;
    void *map;
    if (open_segments->is_mapping && sl_os->map(s->fd, s->file_bytes, 0, &map) == 0) s->map = map;
    status = sl_segment_header_decode(head, name, &s->header, &why);
    if (status == STEPLOG_CORRUPT && sl_segment_name_parse(base_name(name), &s->header.file_id)) {
        sl_segment_report(s, 0, SL_SEGMENT_HEADER_BYTES, why.text, NULL, NULL, NULL); /* the name has the id too */
        status = STEPLOG_OK;
    }
    if (status < 0) {
        if (err) *err = why;
        goto failed;
    }
    s->file_key = sl_file_key(&s->header.file_id);
    steplog_id name_id;
    if (sl_segment_name_parse(base_name(name), &name_id)) settle_id(s, &name_id);
    int result = read_directory(s);
    if (result == 0) {
        clear_tables(s);
        status = sl_segment_rebuild(s, err);
    } else if (result < 0) {
        status = result == NO_MEMORY ? no_memory(err) : sl_fail(err, STEPLOG_IO, -1, "cannot read segment '%s'", name);
    }
    if (status < 0) goto failed;
    *out = s;
    return STEPLOG_OK;
failed:
    sl_segment_release(s);
    return status;
}

static void drop_facts(sl_facts_page *page)
{
    sl_page_walk_free(&page->pages);
    *page = (sl_facts_page){0};
}

void sl_open_segments_free(sl_open_segments *shared)
{
    sl_page_walk_free(&shared->pages);
    for (unsigned i = 0; i < SL_FACTS_HELD_MAX; i++) sl_page_walk_free(&shared->facts[i].pages);
}

int sl_segment_is_replaced(const sl_segment *s)
{
    sl_os_stat now;
    return s->has_damage && sl_os->stat_name(s->store_dir, s->name, &now) == 0 && sl_os_is_replaced(&s->file, &now, 1);
}

void sl_segment_retain(sl_segment *s) { s->reference_count++; }

void sl_segment_release(sl_segment *s)
{
    if (!s || --s->reference_count > 0) return;
    close_descriptor(s);
    unmap(s);
    sl_segment_names_free(s);
    for (unsigned i = 0; i < SL_FACTS_HELD_MAX; i++)
        if (s->open_segments->facts[i].of == s) drop_facts(&s->open_segments->facts[i]);
    for (size_t i = 0; s->checks && i < s->writers.count; i++) SL_VEC_FREE(&s->checks[i].broken);
    sl_free(s->checks);
    SL_VEC_FREE(&s->writers);
    SL_VEC_FREE(&s->schemas);
    SL_VEC_FREE(&s->groups);
    SL_VEC_FREE(&s->ranges);
    SL_VEC_FREE(&s->records);
    SL_VEC_FREE(&s->rebuilt_chunks);
    sl_checked_blobs_free(&s->blobs);
    sl_free(s);
}

/* ---- the directory ---- */

steplog_status sl_segment_settle_page(sl_segment *s, uint64_t offset, unsigned kind, const sl_page_item *item,
                                      steplog_error *err)
{
    if (item->kind == SL_PAGE_ITEM_ERROR)
        return item->os_errno ? sl_fail_os(err, item->os_errno, (int64_t)offset, "cannot read '%s'", s->name)
                              : no_memory(err);
    if (item->kind == SL_PAGE_ITEM_PAGE && item->head.kind == kind) return STEPLOG_OK;
    const char *what = item->kind == SL_PAGE_ITEM_PAGE ? SL_PAGE_OF_ANOTHER_KIND : item->what;
    return sl_fail(err, STEPLOG_CORRUPT, (int64_t)offset, "'%s' at offset %llu: %s", s->name,
                   (unsigned long long)offset, what);
}

/* The page that an entry leads to may be that of another writer: nothing of that one is taken. */
static int describes(const sl_writer_description *description, const sl_writer_entry *entry)
{
    return sl_id_equal(&description->incarnation, &entry->incarnation) && sl_id_equal(&description->run, &entry->run) &&
           description->attempt == entry->attempt && description->rank == entry->rank;
}

steplog_status sl_segment_writer_description(sl_segment *s, uint32_t writer, sl_buffer *scratch,
                                             sl_writer_description *out)
{
    sl_page_item item;
    if (writer >= s->writers.count) return STEPLOG_CORRUPT;
    const sl_writer_entry *entry = &s->writers.items[writer];
    sl_page_read_expected(sl_segment_pages(s), entry->page_offset, SL_PAGE_WRITER, writer, &item);
    steplog_status status = sl_segment_settle_page(s, entry->page_offset, SL_PAGE_WRITER, &item, NULL);
    if (status >= 0 && (!sl_writer_description_decode(item.content, item.content_bytes, out) || !describes(out, entry)))
        status = STEPLOG_CORRUPT;
    if (status == STEPLOG_CORRUPT || status == STEPLOG_IO) /* what the disk can not give is as good as damaged */
        sl_segment_report(s, entry->page_offset, item.bytes, "writer page is damaged: labels are not known", NULL, NULL,
                          NULL);
    sl_buffer_clear(scratch);
    if (status >= 0) sl_buffer_put(scratch, item.content, item.content_bytes);
    sl_page_walk_trim(&s->open_segments->pages, NULL);
    if (status < 0) return status;
    if (scratch->is_out_of_memory) return STEPLOG_NOMEM;
    return sl_writer_description_decode(scratch->data, scratch->bytes, out) ? STEPLOG_OK : STEPLOG_CORRUPT;
}

int sl_segment_ranges(const sl_segment *s, uint32_t writer, sl_ranges *held, sl_ranges *dropped)
{
    const sl_writer_entry *w = &s->writers.items[writer];
    for (uint32_t i = 0; i < w->range_count; i++) {
        const sl_range_entry *range = &s->ranges.items[w->range_first + i];
        sl_ranges *set = range->kind == SL_RANGE_HELD ? held : dropped;
        if (set && !sl_ranges_add(set, range->sequence_begin, range->sequence_end)) return 0;
    }
    return 1;
}

/* The page of facts at offset, kept for those who come next. */
static sl_page_item read_facts(sl_segment *s, uint64_t offset)
{
    sl_open_segments *shared = s->open_segments;
    unsigned own = 0;
    size_t bytes = 0;
    while (own < SL_FACTS_HELD_MAX && shared->facts[own].of != s) own++;
    if (own == SL_FACTS_HELD_MAX) drop_facts(&shared->facts[own = shared->next_facts++ % SL_FACTS_HELD_MAX]);
    sl_facts_page *page = &shared->facts[own];
    if (page->of == s && page->item.kind == SL_PAGE_ITEM_PAGE && page->item.offset == offset) return page->item;
    page->of = s;
    sl_page_read_kind(aim(&page->pages, s), offset, SL_PAGE_FACTS, &page->item);
    sl_page_walk_trim(&page->pages, &page->item);
    for (unsigned i = 0; i < SL_FACTS_HELD_MAX; i++)
        bytes += shared->facts[i].pages.page.capacity + shared->facts[i].pages.scratch.capacity;
    for (unsigned i = 0; i < SL_FACTS_HELD_MAX && bytes > SL_FACTS_HELD_BYTES_MAX; i++)
        if (i != own) drop_facts(&shared->facts[i]);
    return page->item;
}

steplog_status sl_segment_record(sl_segment *s, const sl_record_entry *entry, sl_record_prefix *prefix,
                                 const uint8_t **content, steplog_error *err)
{
    const sl_page_item item = read_facts(s, entry->page_offset);
    steplog_status status = sl_segment_settle_page(s, entry->page_offset, SL_PAGE_FACTS, &item, err);
    if (status >= 0 &&
        (entry->content_offset < SL_RECORD_PREFIX_BYTES || entry->content_offset > item.content_bytes ||
         entry->bytes > item.content_bytes - entry->content_offset ||
         !sl_record_prefix_decode(item.content + entry->content_offset - SL_RECORD_PREFIX_BYTES, prefix) ||
         prefix->sequence != entry->sequence || prefix->bytes != entry->bytes))
        status = sl_fail(err, STEPLOG_CORRUPT, (int64_t)entry->page_offset,
                         "'%s': a record is not where its entry says", s->name);
    if (status == STEPLOG_CORRUPT)
        sl_segment_report(s, entry->page_offset, item.bytes, "facts page is damaged",
                          &(sl_chunk_head){.writer = entry->writer}, NULL, NULL);
    if (status >= 0) *content = item.content + entry->content_offset;
    return status;
}
