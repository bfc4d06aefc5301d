/* read/schema_names.c: the names of schemas, for as long as there is room for them.
 *
 * A page of names unpacks to 4 MiB, and a store may have any number of them: those that were asked for longest ago go, and
 * are read again. */
#include "base/error.h"
#include "read/segment_reader.h"

#define NAMES_BYTES_MAX (2u << 20) /* of all segments of a reader; the last one may take more alone */

static void take_out(sl_open_segments *shared, sl_schema_names *names)
{
    *(names->newer ? &names->newer->older : &shared->newest_names) = names->older;
    *(names->older ? &names->older->newer : &shared->oldest_names) = names->newer;
}

static void drop(sl_open_segments *shared, sl_schema_names *names)
{
    take_out(shared, names);
    shared->names_bytes -= names->memory_bytes;
    names->segment->names[names->schema] = NULL;
    sl_free(names);
}

static void make_room(sl_open_segments *shared, size_t wanted)
{
    while (shared->oldest_names && shared->names_bytes + wanted > NAMES_BYTES_MAX) drop(shared, shared->oldest_names);
}

static void put_first(sl_open_segments *shared, sl_schema_names *names)
{
    names->newer = NULL;
    names->older = shared->newest_names;
    *(names->older ? &names->older->newer : &shared->oldest_names) = names;
    shared->newest_names = names;
}

/* All of it in one piece of memory: the pointers, the lengths, the content of the page. */
static sl_schema_names *copy_names(const uint8_t *content, uint32_t bytes, uint32_t count)
{
    size_t memory_bytes = sizeof(sl_schema_names) + count * (sizeof(char *) + sizeof(uint32_t)) + bytes;
    sl_schema_names *names = sl_alloc(memory_bytes);
    if (!names) return NULL;
    *names = (sl_schema_names){.names = (const char **)(names + 1), .count = count, .memory_bytes = memory_bytes};
    names->bytes = (uint32_t *)(names->names + count);
    uint8_t *copy = (uint8_t *)(names->bytes + count);
    memcpy(copy, content, bytes);
    sl_span span = sl_span_of(copy, bytes);
    sl_span_u32(&span);
    for (uint32_t i = 0; i < count; i++) {
        names->bytes[i] = sl_span_u32(&span);
        names->names[i] = (const char *)sl_span_take(&span, names->bytes[i]);
    }
    return names;
}

static steplog_status no_memory(steplog_error *err)
{
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory for the names of a schema");
}

/* A page that the disk can not give is as good as a damaged one. */
static steplog_status load(sl_segment *s, uint32_t schema, steplog_error *err)
{
    const sl_schema_entry *entry = &s->schemas.items[schema];
    sl_open_segments *shared = s->open_segments;
    uint32_t count = 0;
    sl_page_item item;
    make_room(shared, 0);
    sl_page_walk *pages = sl_segment_pages(s);
    sl_page_read_expected(pages, entry->page_offset, SL_PAGE_SCHEMA, schema, &item);
    steplog_status status = sl_segment_settle_page(s, entry->page_offset, SL_PAGE_SCHEMA, &item, err);
    int is_good = status >= 0 ? sl_schema_content_check(item.content, item.content_bytes, &count) : 0;
    if (is_good < 0 || status == STEPLOG_NOMEM) return no_memory(err);
    if (!is_good || count != entry->name_count) {
        const char *what = "schema page is damaged: its series have no names";
        sl_segment_report(s, entry->page_offset, item.bytes, what, NULL, NULL, NULL);
        return sl_fail(err, STEPLOG_CORRUPT, (int64_t)entry->page_offset, "'%s': %s", s->name, what);
    }
    sl_page_walk_trim(pages, &item);
    make_room(shared, item.content_bytes);
    sl_schema_names *names = copy_names(item.content, item.content_bytes, count);
    if (!names) return no_memory(err);
    names->segment = s;
    names->schema = schema;
    s->names[schema] = names;
    shared->names_bytes += names->memory_bytes;
    put_first(shared, names);
    return STEPLOG_OK;
}

steplog_status sl_segment_names(sl_segment *s, uint32_t schema, const sl_schema_names **out, steplog_error *err)
{
    sl_open_segments *shared = s->open_segments;
    *out = NULL;
    if (schema >= s->schemas.count) return sl_fail(err, STEPLOG_CORRUPT, -1, "'%s' has no such schema", s->name);
    if (!s->names && !(s->names = sl_alloc_zero(s->schemas.count, sizeof *s->names))) return no_memory(err);
    sl_schema_names *names = s->names[schema];
    if (!names) {
        steplog_status status = load(s, schema, err);
        sl_page_walk_trim(&shared->pages, NULL);
        if (status < 0) return status;
    } else if (names != shared->newest_names) {
        take_out(shared, names);
        put_first(shared, names);
    }
    *out = s->names[schema];
    return STEPLOG_OK;
}

void sl_segment_names_free(sl_segment *s)
{
    for (size_t i = 0; s->names && i < s->schemas.count; i++)
        if (s->names[i]) drop(s->open_segments, s->names[i]);
    sl_free(s->names);
    s->names = NULL;
}
