/* core/verify_segment.c: checking one segment: every page in order, then the tables against what the pages say.
 *
 * A segment never changes and an open file stays readable when it is removed, so what is found counts at once. */
#include "core/verify_segment.h"

#include "base/error.h"
#include "base/utf8.h"
#include "format/checksum.h"
#include "format/chunk_codec.h"
#include "format/fact_codec.h"
#include "format/file_names.h"

#include <errno.h>
#include <stdlib.h>

#define NUMBERS_LIMIT 65536u

static int64_t read_file(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    return sl_os_read(((sl_segment_check *)context)->fd, buffer, bytes, offset);
}

size_t sl_segment_check_region(const sl_segment_check *c, uint64_t offset)
{
    size_t low = 0, high = c->regions.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->regions.items[middle].offset + c->regions.items[middle].bytes <= offset) low = middle + 1;
        else high = middle;
    }
    return low;
}

void sl_segment_check_report(sl_segment_check *c, const sl_segment_place *place)
{
    steplog_damage finding = {.size_bytes = sizeof finding,
                              .file = c->name,
                              .offset = (int64_t)place->offset,
                              .bytes = place->bytes,
                              .what = place->what,
                              .series = place->series,
                              .has_steps = place->has_steps,
                              .step_first = place->step_first,
                              .step_last = place->step_last};
    if (place->writer < c->writers.count && c->writers.items[place->writer].attempt) {
        finding.has_run = 1;
        finding.run = c->writers.items[place->writer].run;
    }
    size_t at = sl_segment_check_region(c, place->offset);
    if (at < c->regions.count && c->regions.items[at].offset == place->offset) {
        c->regions.items[at].is_told = 1;
        finding.bytes = c->regions.items[at].bytes;
    }
    sl_verify_report(c->verify, &finding);
}

void sl_segment_check_damage(sl_segment_check *c, uint64_t offset, uint64_t bytes, const char *what)
{
    sl_segment_check_report(c,
                            &(sl_segment_place){.offset = offset, .bytes = bytes, .what = what, .writer = UINT32_MAX});
}

/* ---- numbers ---- */

static int compare_numbers(const void *a, const void *b)
{
    const sl_found_numbers *x = a, *y = b;
    if (x->writer != y->writer) return x->writer < y->writer ? -1 : 1;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

void sl_segment_check_merge(sl_segment_check *c)
{
    sl_found_number_list *list = &c->numbers;
    size_t kept = 0;
    if (list->count) qsort(list->items, list->count, sizeof *list->items, compare_numbers);
    for (size_t i = 0; i < list->count; i++) {
        sl_found_numbers *last = kept ? &list->items[kept - 1] : NULL, *next = &list->items[i];
        if (!last || last->writer != next->writer || last->end < next->begin) {
            list->items[kept++] = *next;
            continue;
        }
        if (last->end > next->begin)
            sl_segment_check_report(c, &(sl_segment_place){.offset = SL_SEGMENT_HEADER_BYTES,
                                                           .writer = next->writer,
                                                           .what = "two records of one writer have the same sequence"});
        if (next->end > last->end) last->end = next->end;
    }
    list->count = kept;
    c->numbers_limit = 2 * kept > NUMBERS_LIMIT ? 2 * kept : NUMBERS_LIMIT;
}

static int add_chunk_numbers(sl_segment_check *c, const sl_chunk_check *chunk)
{
    sl_found_numbers run = {chunk->found.writer, (uint64_t)chunk->sequences[0], (uint64_t)chunk->sequences[0] + 1};
    for (uint32_t i = 1; i <= chunk->found.entry.row_count; i++) {
        int is_end = i == chunk->found.entry.row_count;
        if (!is_end && (uint64_t)chunk->sequences[i] == run.end) {
            run.end++;
            continue;
        }
        if (!SL_VEC_PUSH(&c->numbers, run)) return 0;
        if (!is_end)
            run = (sl_found_numbers){run.writer, (uint64_t)chunk->sequences[i], (uint64_t)chunk->sequences[i] + 1};
    }
    if (c->numbers.count > c->numbers_limit) sl_segment_check_merge(c);
    return 1;
}

/* ---- pages ---- */

/* Handlers answer 1 good or reported, 0 out of memory. */

static int take_writer(sl_segment_check *c, const sl_page_item *item)
{
    sl_writer_description d;
    if (!sl_writer_description_decode(item->content, item->content_bytes, &d)) {
        sl_segment_check_damage(c, item->offset, item->bytes, "the writer's description breaks a rule");
        return 1;
    }
    if (item->head.index < c->writers.count ? c->writers.items[item->head.index].attempt != 0
                                            : item->head.index > (uint64_t)c->writer_pages + SL_ORDINAL_GAP_MAX) {
        sl_segment_check_damage(c, item->offset, item->bytes,
                                "two pages have the same writer ordinal, or it is impossible");
        return 1;
    }
    while (c->writers.count <= item->head.index)
        if (!SL_VEC_PUSH(&c->writers, (sl_writer_entry){0})) return 0;
    c->writer_pages++;
    c->writers.items[item->head.index] = (sl_writer_entry){.run = d.run,
                                                           .incarnation = d.incarnation,
                                                           .attempt = d.attempt,
                                                           .rank = d.rank,
                                                           .flags = d.flags,
                                                           .page_offset = item->offset,
                                                           .start_time_ns = d.start_time_ns};
    return 1;
}

static int take_schema(sl_segment_check *c, const sl_page_item *item)
{
    uint32_t count;
    int is_good = sl_schema_content_check(item->content, item->content_bytes, &count);
    if (is_good < 0) return 0;
    if (!is_good) {
        sl_segment_check_damage(c, item->offset, item->bytes, "the schema breaks a rule");
        return 1;
    }
    if (item->head.index < c->schemas.count ? c->schemas.items[item->head.index].name_count != 0
                                            : item->head.index > (uint64_t)c->schema_pages + SL_ORDINAL_GAP_MAX) {
        sl_segment_check_damage(c, item->offset, item->bytes,
                                "two pages have the same schema ordinal, or it is impossible");
        return 1;
    }
    while (c->schemas.count <= item->head.index)
        if (!SL_VEC_PUSH(&c->schemas, (sl_schema_entry){0})) return 0;
    c->schema_pages++;
    c->schemas.items[item->head.index] = (sl_schema_entry){item->offset, count, (uint32_t)item->bytes};
    return 1;
}

/* Reads the names of a schema, unless they are those that were read last. 0 when they are not known. */
static int load_names(sl_segment_check *c, uint32_t schema)
{
    sl_found_names *names = &c->names;
    if (names->places.count && names->schema == schema) return 1;
    names->places.count = 0;
    sl_buffer_free(&names->content);
    sl_page_item item;
    sl_page_read_one(&c->pages, c->schemas.items[schema].page_offset, &item);
    sl_page_walk_trim(&c->pages, &item);
    if (item.kind == SL_PAGE_ITEM_PAGE) sl_buffer_put(&names->content, item.content, item.content_bytes);
    sl_page_walk_trim(&c->pages, NULL);
    if (item.kind != SL_PAGE_ITEM_PAGE || names->content.is_out_of_memory) return 0;
    uint32_t count = c->schemas.items[schema].name_count;
    if (!SL_VEC_RESERVE(&names->places, count)) return 0;
    sl_span span = sl_span_of(names->content.data, names->content.bytes);
    sl_span_u32(&span);
    for (uint32_t i = 0; i < count; i++) {
        names->places.items[i] = (uint32_t)(names->content.bytes - span.left);
        sl_span_take(&span, sl_span_u32(&span));
    }
    names->places.count = count;
    names->schema = schema;
    return 1;
}

/* The name of a column, terminated; the caller frees it. NULL when it is not known. */
static char *column_name(sl_segment_check *c, uint32_t schema, int64_t column)
{
    if (column < 0 || schema >= c->schemas.count || (uint64_t)column >= c->schemas.items[schema].name_count ||
        !load_names(c, schema))
        return NULL;
    const uint32_t place = c->names.places.items[column];
    sl_span span = sl_span_of(c->names.content.data + place, c->names.content.bytes - place);
    uint32_t bytes = sl_span_u32(&span);
    const uint8_t *name = sl_span_take(&span, bytes);
    return name ? sl_copy_bytes(name, bytes) : NULL;
}

static void report_chunk(void *context, sl_chunk_check *chunk, int64_t column, uint64_t offset, uint64_t bytes,
                         const char *what)
{
    sl_segment_check *c = context;
    char *series = column_name(c, chunk->found.schema, column);
    sl_segment_check_report(c, &(sl_segment_place){.offset = offset,
                                                   .bytes = bytes,
                                                   .what = what,
                                                   .writer = chunk->found.writer,
                                                   .series = series,
                                                   .has_steps = chunk->has_steps,
                                                   .step_first = chunk->found.entry.step_min,
                                                   .step_last = chunk->found.entry.step_max});
    sl_free(series);
}

/* ---- stripes ---- */

/* A chunk that names COLUMN pages is one of the first of its stripe, and of the same writer and schema as the first. */
static void check_stripe_chunk(sl_segment_check *c, sl_chunk_check *chunk)
{
    const sl_found_chunk *found = &chunk->found;
    if (c->stripe_chunks == 0) {
        c->stripe_writer = found->writer;
        c->stripe_schema = found->schema;
    }
    if (found->entry.extent_offset == found->entry.page_offset || c->is_stripe_damaged) return;
    if (c->stripe_chunks >= SL_STRIPE_CHUNKS_MAX)
        report_chunk(c, chunk, -1, chunk->offset, chunk->bytes, "a stripe has more than 16 chunks");
    if (found->writer != c->stripe_writer || found->schema != c->stripe_schema)
        report_chunk(c, chunk, -1, chunk->offset, chunk->bytes, "a stripe has chunks of two writers or schemas");
}

/* The COLUMN pages of a stripe stand column by column, each in the order of the chunks, and all are named. */
static void end_stripe(sl_segment_check *c)
{
    for (size_t i = 0; i < c->columns.count && !c->is_stripe_damaged; i++) {
        const sl_found_column *column = &c->columns.items[i], *before = i ? column - 1 : NULL;
        const char *what = NULL;
        if (!column->named_by)
            what = "no chunk of the stripe names this COLUMN page";
        else if (before && (before->index > column->index ||
                            (before->index == column->index && before->named_by >= column->named_by)))
            what = "the COLUMN pages of a stripe are not column by column, each in the order of the chunks";
        if (what) sl_segment_check_damage(c, column->offset, column->bytes, what);
        if (what && column->named_by) break; /* one is enough: those behind it are out of order with it */
    }
    c->columns.count = 0;
    c->stripe_chunks = 0;
}

/* Called for each whole page: ends the stripe before it, begins the next. */
static void advance_stripe(sl_segment_check *c, unsigned kind)
{
    int is_in_stripe = kind == SL_PAGE_CHUNK || (kind == SL_PAGE_COLUMN && c->stripe_chunks == 0);
    if (!is_in_stripe) {
        end_stripe(c);
        c->is_stripe_damaged = c->is_after_damage;
    }
    c->is_after_damage = 0;
}

/* 1, or -1 with os_errno. */
static int take_chunk(sl_segment_check *c, const sl_page_item *item, int *os_errno)
{
    sl_chunk_check chunk = {.pages = &c->pages,
                            .offset = item->offset,
                            .bytes = item->bytes,
                            .content = item->content,
                            .content_bytes = item->content_bytes,
                            .columns = c->columns.items,
                            .column_count = c->columns.count,
                            .number = c->stripe_chunks,
                            .is_beside_damage = c->is_stripe_damaged,
                            .report = report_chunk,
                            .context = c};
    *os_errno = 0;
    int result = sl_verify_chunk(&chunk, os_errno);
    c->verify->result.block_count += chunk.block_count;
    if (result <= 0) {
        c->is_stripe_damaged = 1;
        return result < 0 ? -1 : 1;
    }
    const sl_found_chunk *found = &chunk.found;
    check_stripe_chunk(c, &chunk);
    if (item->head.index != found->schema)
        report_chunk(c, &chunk, -1, item->offset, item->bytes, "the index of the page is not the chunk's schema");
    if (found->writer >= c->writers.count || !c->writers.items[found->writer].attempt ||
        found->schema >= c->schemas.count || !c->schemas.items[found->schema].name_count) {
        if (c->regions.count == 0)
            report_chunk(c, &chunk, -1, item->offset, item->bytes,
                         "the chunk names a writer or schema that does not stand before it");
    } else if (c->schemas.items[found->schema].name_count != chunk.name_count) {
        report_chunk(c, &chunk, -1, item->offset, item->bytes,
                     "the chunk has not as many columns as its schema has names");
    }
    c->verify->result.row_count += found->entry.row_count;
    c->verify->result.point_count += found->entry.value_count;
    return SL_VEC_PUSH(&c->chunks, *found) && add_chunk_numbers(c, &chunk) ? 1 : -1;
}

static int take_table(sl_segment_check *c, int table, const sl_page_item *item)
{
    uint32_t entry_bytes = sl_table_entry_bytes[table];
    c->is_data_over = 1;
    for (int later = table + 1; later < SL_TABLE_COUNT; later++)
        if (c->table_pages[later])
            sl_segment_check_damage(c, item->offset, item->bytes, "the tables are not in their order");
    uint64_t before = c->table_entries[table];
    const uint64_t most = sl_table_page_entries_max[table], stride = SL_PAGE_HEAD_BYTES + most * entry_bytes;
    const int is_packed = (item->head.flags & SL_PAGE_IS_LZ4) != 0;
    if (item->head.index != c->table_pages[table] || before != (uint64_t)item->head.index * most ||
        (before && (item->offset != c->table_offset[table] + item->head.index * stride || is_packed)))
        c->has_table_gap[table] = 1;
    if (c->regions.count == 0 && c->has_table_gap[table])
        sl_segment_check_damage(c, item->offset, item->bytes,
                                "the pages of a table do not follow one another, each full");
    if (item->content_bytes == 0 || item->content_bytes % entry_bytes)
        sl_segment_check_damage(c, item->offset, item->bytes, "the page of a table does not hold whole entries");
    if (c->table_pages[table]++ == 0) {
        c->table_offset[table] = item->offset;
        c->is_table_packed[table] = is_packed;
    }
    c->table_entries[table] += item->content_bytes / entry_bytes;
    if (table == SL_TABLE_STATS || table == SL_TABLE_NODE_STATS) return 1;
    sl_buffer_put(&c->tables[table], item->content, item->content_bytes / entry_bytes * entry_bytes);
    return !c->tables[table].is_out_of_memory;
}

static void take_trailer(sl_segment_check *c, const sl_page_item *item)
{
    c->is_data_over = 1;
    if (item->offset + SL_TRAILER_BYTES != c->file_bytes || item->content_bytes != SL_TRAILER_CONTENT_BYTES ||
        item->head.index != 0) {
        sl_segment_check_damage(c, item->offset, item->bytes, "a trailer is not the last 256 bytes of its segment");
        return;
    }
    c->has_trailer = 1;
    c->trailer_offset = item->offset;
    memcpy(c->trailer, item->content, SL_TRAILER_CONTENT_BYTES);
}

static int take_page(sl_segment_check *c, const sl_page_item *item, int *os_errno)
{
    unsigned kind = item->head.kind;
    int result = 1;
    *os_errno = 0;
    if (c->is_data_over && kind >= SL_PAGE_WRITER && kind <= SL_PAGE_BLOB)
        sl_segment_check_damage(c, item->offset, item->bytes, "a page stands behind the tables");
    advance_stripe(c, kind);
    if (kind == SL_PAGE_COLUMN)
        return SL_VEC_PUSH(&c->columns, (sl_found_column){item->offset, item->bytes, item->head.index, 0}) ? 1 : -1;
    if (kind == SL_PAGE_CHUNK) {
        result = take_chunk(c, item, os_errno);
        c->stripe_chunks++;
        return result;
    }
    if (kind == SL_PAGE_WRITER)
        result = take_writer(c, item);
    else if (kind == SL_PAGE_SCHEMA)
        result = take_schema(c, item);
    else if (kind == SL_PAGE_FACTS)
        return sl_verify_facts(c, item, os_errno);
    else if (kind == SL_PAGE_TRAILER)
        take_trailer(c, item);
    else if (kind >= SL_PAGE_WRITER_TABLE && kind <= SL_PAGE_NODE_STATS_TABLE)
        result = take_table(c, (int)(kind - SL_PAGE_WRITER_TABLE), item);
    return result ? 1 : -1;
}

static steplog_status walk_pages(sl_segment_check *c, steplog_error *err)
{
    int os_errno;
    for (;;) {
        sl_page_item item;
        sl_page_walk_next(&c->walk, &item);
        if (item.kind == SL_PAGE_ITEM_END) end_stripe(c);
        if (item.kind == SL_PAGE_ITEM_END || c->verify->must_stop) return STEPLOG_OK;
        int result = 1;
        if (item.kind == SL_PAGE_ITEM_ERROR) {
            result = -1;
            os_errno = item.os_errno;
        } else if (item.kind == SL_PAGE_ITEM_DAMAGE) {
            /* Not named yet: the CHUNK page behind it, or the tables, may know what was there. */
            os_errno = 0;
            c->is_stripe_damaged = c->is_after_damage = 1;
            sl_found_region region = {.offset = item.offset, .bytes = item.bytes, .what = item.what};
            if (!SL_VEC_PUSH(&c->regions, region)) result = -1;
        } else {
            result = take_page(c, &item, &os_errno);
        }
        if (item.kind == SL_PAGE_ITEM_PAGE && (item.head.kind == SL_PAGE_SCHEMA || item.head.kind == SL_PAGE_FACTS))
            sl_page_walk_trim(&c->walk, NULL);
        if (result < 0 && os_errno) return sl_verify_refused(c->verify, c->name, os_errno, item.offset, err);
        if (result < 0) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to verify segment '%s'", c->name);
        sl_verify_advance(c->verify, item.bytes);
    }
}

/* ---- the file ---- */

/* Gives the key of the file, from its header or else from its name. 0 when the file is not to be read. */
static int check_header(sl_segment_check *c, const uint8_t *head)
{
    sl_segment_header header;
    steplog_error why;
    steplog_id name_id = {{0}};
    const char *slash = strrchr(c->name, '/');
    int has_name = slash && sl_segment_name_parse(slash + 1, &name_id);
    steplog_status status = sl_segment_header_decode(head, c->name, &header, &why);
    if (status == STEPLOG_NEWER) {
        sl_verify_report_place(c->verify, c->name, -1, 0, 1, "%s", why.text);
        return 0;
    }
    if (status < 0) {
        sl_segment_check_damage(c, 0, SL_SEGMENT_HEADER_BYTES, why.text);
        c->file_key = sl_file_key(&name_id);
        return has_name;
    }
    if (has_name && !sl_id_equal(&name_id, &header.file_id))
        sl_segment_check_damage(c, 16, 16, "the segment's header has another file id than its name");
    c->file_key = sl_file_key(&header.file_id);
    return 1;
}

static steplog_status check_file(sl_segment_check *c, steplog_error *err)
{
    uint8_t head[SL_SEGMENT_HEADER_BYTES];
    sl_os_stat stat;
    int e = sl_os->stat(c->fd, &stat);
    if (e < 0) return sl_fail_os(err, -e, -1, "cannot verify segment '%s'", c->name);
    c->file_bytes = stat.bytes;
    c->verify->result.file_count++;
    c->verify->result.byte_count += stat.bytes;
    e = sl_os_read_full(c->fd, head, sizeof head, 0);
    if (e == -ENODATA) {
        sl_segment_check_damage(c, 0, stat.bytes, "the file is shorter than a segment's header");
        return STEPLOG_OK;
    }
    if (e < 0) return sl_verify_refused(c->verify, c->name, -e, 0, err);
    if (!check_header(c, head)) return STEPLOG_OK;
    sl_page_walk_init(&c->walk, read_file, c, c->file_key, c->file_bytes);
    sl_page_walk_init(&c->pages, read_file, c, c->file_key, c->file_bytes);
    steplog_status status = walk_pages(c, err);
    if (status < 0 || c->verify->must_stop) return status;
    if (sl_verify_tables(c, &e) > 0) return STEPLOG_OK;
    if (e) return sl_verify_refused(c->verify, c->name, e, 0, err);
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to verify segment '%s'", c->name);
}

steplog_status sl_verify_segment(sl_verify *v, const char *name, steplog_error *err)
{
    sl_segment_check c = {.verify = v, .name = name, .numbers_limit = NUMBERS_LIMIT};
    steplog_status status;
    c.fd = sl_os->open(v->store_dir, name, SL_OS_READ);
    if (c.fd == -ENOENT) {
        v->must_list_again = 1;
        return STEPLOG_OK;
    }
    if (c.fd == -EINVAL || c.fd == -ELOOP) {
        sl_verify_report_place(v, name, -1, 0, 1, "not a regular file: readers ignore it");
        return STEPLOG_OK;
    }
    if (c.fd < 0) return sl_verify_refused(v, name, -c.fd, 0, err);
    status = check_file(&c, err);
    sl_os->close(c.fd);
    sl_page_walk_free(&c.walk);
    sl_page_walk_free(&c.pages);
    SL_VEC_FREE(&c.writers);
    SL_VEC_FREE(&c.schemas);
    SL_VEC_FREE(&c.chunks);
    SL_VEC_FREE(&c.records);
    SL_VEC_FREE(&c.nodes);
    SL_VEC_FREE(&c.columns);
    SL_VEC_FREE(&c.regions);
    SL_VEC_FREE(&c.numbers);
    sl_checked_blobs_free(&c.blobs);
    SL_VEC_FREE(&c.names.places);
    sl_buffer_free(&c.names.content);
    for (int i = 0; i < SL_TABLE_COUNT; i++) sl_buffer_free(&c.tables[i]);
    return status;
}
