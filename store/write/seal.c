/* write/seal.c: rows out of logs into the blocks of a segment. */
#include "write/seal.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/kill_point.h"
#include "format/checksum.h"
#include "format/page_walk.h"
#include "format/segment_codec.h"
#include "os/os.h"
#include "steplog/reader.h"
#include "write/segment_writer.h"

#include <errno.h>

typedef struct sealing {
    sl_segment_writer *writer;
    const sl_seal_source *source;
    sl_seal_result *result;
    sl_log_dictionary dictionary;
    SL_VEC(uint32_t) schema_ordinals;       /* of the log's schemas; UINT32_MAX: not asked yet */
    SL_VEC(uint32_t) point_ordinals;        /* of the schemas of one metric */
    sl_ranges held, parts;                  /* parts: of texts, completed or not */
    uint64_t uncut_sequence, next_number; /* next_number: one above the largest seen */
    int has_left_text;                      /* the item is not in the segment */
    int is_cut;                             /* a hole that no durable number covers: the prefix ends there */
    double *values;
    sl_buffer scratch;
} sealing;

/* The ordinal in the segment of a list of the log's metrics. */
static steplog_status ordinal_of(sealing *s, const uint32_t *metrics, uint32_t count, uint32_t *ordinal,
                                 steplog_error *err)
{
    const char **names = sl_alloc(count * sizeof *names);
    uint32_t *bytes = sl_alloc(count * sizeof *bytes);
    steplog_status status = STEPLOG_NOMEM;
    if (names && bytes) {
        for (uint32_t i = 0; i < count; i++) {
            const sl_dictionary_name *name = sl_dictionary_name_of(&s->dictionary, metrics[i]);
            names[i] = name->text;
            bytes[i] = name->bytes;
        }
        status = sl_segment_writer_schema(s->writer, names, bytes, count, ordinal, err);
    } else {
        sl_fail(err, STEPLOG_NOMEM, -1, "no memory to seal a log");
    }
    sl_free(names);
    sl_free(bytes);
    return status;
}

/* Looks an ordinal up in a list that grows as indices appear. */
static uint32_t *slot_of(sealing *s, int is_point, uint32_t index)
{
    uint32_t none = UINT32_MAX;
    if (is_point) {
        while (s->point_ordinals.count <= index)
            if (!SL_VEC_PUSH(&s->point_ordinals, none)) return NULL;
        return &s->point_ordinals.items[index];
    }
    while (s->schema_ordinals.count <= index)
        if (!SL_VEC_PUSH(&s->schema_ordinals, none)) return NULL;
    return &s->schema_ordinals.items[index];
}

static steplog_status seal_row(sealing *s, const sl_log_item *item, steplog_error *err)
{
    int is_point = item->kind == SL_ITEM_POINT;
    uint32_t *slot = slot_of(s, is_point, item->index);
    if (!slot) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to seal a log");
    const sl_dictionary_schema *schema = is_point ? NULL : sl_dictionary_schema_of(&s->dictionary, item->index);
    uint32_t count = is_point ? 1 : schema->count;
    if (*slot == UINT32_MAX) SL_TRY(ordinal_of(s, is_point ? &item->index : schema->metrics, count, slot, err));
    if (is_point)
        return sl_segment_writer_row(s->writer, *slot, item->step, item->time_ns, item->sequence, &item->value, NULL,
                                     err);
    uint64_t present[STEPLOG_ROW_METRICS_MAX / 64];
    const uint8_t *at = item->values;
    if (!item->presence) {
        for (uint32_t i = 0; i < count; i++, at += 8) s->values[i] = sl_double_of(sl_load64(at));
        return sl_segment_writer_row(s->writer, *slot, item->step, item->time_ns, item->sequence, s->values, NULL, err);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (i % 64 == 0) present[i / 64] = sl_load64(item->presence + i / 8);
        s->values[i] = 0;
        if (!(present[i / 64] >> (i % 64) & 1)) continue;
        s->values[i] = sl_double_of(sl_load64(at));
        at += 8;
    }
    return sl_segment_writer_row(s->writer, *slot, item->step, item->time_ns, item->sequence, s->values, present, err);
}

static steplog_status seal_rows(sealing *s, const sl_log_rows *rows, steplog_error *err)
{
    uint32_t *slot = slot_of(s, 0, rows->index);
    if (!slot) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to seal a log");
    if (*slot == UINT32_MAX) {
        const sl_dictionary_schema *schema = sl_dictionary_schema_of(&s->dictionary, rows->index);
        SL_TRY(ordinal_of(s, schema->metrics, schema->count, slot, err));
    }
    SL_TRY(sl_segment_writer_rows(s->writer, *slot, rows->bodies, rows->count, rows->sequence, err));
    s->next_number = rows->sequence + rows->count;
    return sl_ranges_add(&s->held, rows->sequence, s->next_number)
               ? STEPLOG_OK
               : sl_fail(err, STEPLOG_NOMEM, -1, "no memory to seal a log");
}

/* Checked and whole, but of a later version, or of nobody's making: readers of the log call it damage. */
static steplog_status leave_text(sealing *s)
{
    s->result->damaged_count++;
    s->has_left_text = 1;
    return STEPLOG_OK;
}

static steplog_status seal_fact(sealing *s, const sl_log_item *item, steplog_error *err)
{
    sl_fact fact;
    if (!sl_fact_decode(item->content, item->content_bytes, &fact)) return leave_text(s);
    if (!sl_fact_close_gap(&fact, &s->source->gap))
        return sl_segment_writer_fact(s->writer, item->content, item->content_bytes, item->sequence,
                                      item->sequence_count, err);
    sl_buffer_clear(&s->scratch);
    sl_fact_encode(&fact, &s->scratch);
    if (s->scratch.is_out_of_memory) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to seal a log");
    return sl_segment_writer_fact(s->writer, s->scratch.data, (uint32_t)s->scratch.bytes, item->sequence,
                                  item->sequence_count, err);
}

static steplog_status seal_text(sealing *s, const sl_log_item *item, steplog_error *err)
{
    if (item->record_kind == SL_RECORD_FACT) return seal_fact(s, item, err);
    sl_blob blob;
    size_t head_bytes;
    if (!sl_blob_decode(item->content, item->content_bytes, &blob, &head_bytes) ||
        blob.data_bytes != item->content_bytes - head_bytes)
        return leave_text(s);
    return sl_segment_writer_blob(s->writer, item->content, (uint32_t)head_bytes, item->sequence, item->sequence_count,
                                  item->content + head_bytes, blob.data_bytes, err);
}

static steplog_status seal_item(sealing *s, const sl_log_item *item, steplog_error *err)
{
    if (item->kind == SL_ITEM_ROW || item->kind == SL_ITEM_POINT) return seal_row(s, item, err);
    return item->kind == SL_ITEM_TEXT ? seal_text(s, item, err) : STEPLOG_OK;
}

static steplog_status seal_source(sealing *s, const sl_seal_source *source, sl_seal_result *out, int *has_begun,
                                  steplog_error *err)
{
    sl_log_walk walk;
    sl_log_item item;
    sl_log_rows rows;
    steplog_status status = STEPLOG_OK;
    s->source = source;
    s->dictionary.header = &source->header;
    s->schema_ordinals.count = s->point_ordinals.count = 0;
    sl_log_walk_init(&walk, source->read, source->context, sl_file_key(&source->header.log_id),
                     source->header.capacity_bytes, source->header.first_sequence, source->mark_offset, &s->dictionary);
    walk.is_same_boot = source->is_same_boot;
    walk.memory = source->memory;
    for (;;) {
        /* Nearly all that a log holds. With the number that is expected they are no hole and not there already. */
        if (*has_begun && !s->is_cut && walk.next_sequence == s->next_number && sl_log_walk_rows(&walk, &rows)) {
            SL_TRY_DONE(seal_rows(s, &rows, err));
            continue;
        }
        sl_log_walk_next(&walk, &item);
        if (item.kind == SL_ITEM_END) break;
        if (item.kind == SL_ITEM_ERROR) {
            status = item.os_errno
                         ? sl_fail_os(err, item.os_errno, (int64_t)item.offset, "cannot read a log to seal it")
                         : sl_fail(err, STEPLOG_NOMEM, -1, "no memory to seal a log");
            goto done;
        }
        if (!*has_begun && s->dictionary.has_writer) {
            SL_TRY_DONE(sl_segment_writer_begin(s->writer, s->dictionary.writer_bytes.data,
                                                s->dictionary.writer_bytes.bytes, err));
            *has_begun = 1;
        }
        if (item.kind == SL_ITEM_DAMAGE) out->damaged_count++;
        if (item.kind != SL_ITEM_DAMAGE && !SL_RECORD_IS_NUMBERED(item.record_kind)) continue;
        if (item.sequence > s->next_number && s->next_number > s->uncut_sequence) s->is_cut = 1;
        if (s->is_cut) {
            out->salvageable_count++;
            continue;
        }
        if (item.sequence + item.sequence_count > s->next_number) s->next_number = item.sequence + item.sequence_count;
        if (!*has_begun) out->damaged_count++; /* the description is what was damaged */
        if (item.kind == SL_ITEM_DAMAGE || !*has_begun) continue;
        if (sl_ranges_has(&s->held, item.sequence)) continue; /* moved on from a log that failed to sync */
        s->has_left_text = 0;
        SL_TRY_DONE(seal_item(s, &item, err));
        if (item.kind == SL_ITEM_OTHER && source->is_moved) continue;
        sl_ranges *set = item.kind == SL_ITEM_OTHER || s->has_left_text ? &s->parts : &s->held;
        if (!sl_ranges_add(set, item.sequence, item.sequence + item.sequence_count)) {
            status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory to seal a log");
            goto done;
        }
    }
    if (s->next_number > source->header.first_sequence && s->next_number > out->sequence_end)
        out->sequence_end = s->next_number;
    if (walk.is_torn) out->salvageable_count += sl_log_walk_salvageable(&walk);
done:
    sl_log_walk_free(&walk);
    sl_dictionary_free(&s->dictionary);
    return status;
}

/* A segment that is gone before it was read back was compacted by somebody, or deleted: only what can be read elsewhere
 * makes the logs dispensable. MISSING: it can not. */
static steplog_status look_elsewhere(const sl_write_context *context, const sealing *s, const sl_log_header *log,
                                     steplog_error *err)
{
    int yes = 0;
    steplog_error why;
    if (!context->is_sealed) return STEPLOG_MISSING; /* the caller cannot wait for an answer */
    steplog_status status = context->is_sealed(context->store, log, &s->held, &yes, &why);
    if (status >= 0) return yes ? STEPLOG_OK : STEPLOG_MISSING; /* err says what is gone */
    if (err) *err = why;
    return status;
}

static void note_named(sl_named_segment *named, const char *name, int is_named)
{
    if (!named || !*name) return;
    named->has_others |= named->is_named;
    named->is_named = is_named;
    memcpy(named->name, name, sizeof named->name);
}

static steplog_status seal_once(const sl_write_context *context, const sl_seal_source *sources, size_t count,
                                uint64_t uncut_sequence, sl_seal_result *out, steplog_error *err)
{
    sealing s = {.result = out,
                 .uncut_sequence = uncut_sequence,
                 .next_number = count ? sources[0].header.first_sequence : 1};
    /* The logs before the first one may be what the power cut took: that is a hole as any other. */
    if (uncut_sequence < s.next_number) s.next_number = uncut_sequence + 1;
    steplog_status status = STEPLOG_OK;
    int has_begun = 0, is_named;
    *out = (sl_seal_result){.sequence_end = 1};
    if (!(s.values = sl_alloc(STEPLOG_ROW_METRICS_MAX * sizeof *s.values)))
        return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to seal a log");
    SL_TRY_DONE(sl_segment_writer_open(context->store_dir, 0, &s.writer, err));
    for (size_t i = 0; i < count; i++) {
        SL_ASSERT(i == 0 || sources[i].header.first_sequence >= sources[i - 1].header.first_sequence);
        SL_KILL_POINT("seal.next_log");
        SL_TRY_DONE(seal_source(&s, &sources[i], out, &has_begun, err));
    }
    if (!has_begun || s.held.count + s.parts.count == 0) goto done;
    /* What a text that was not completed took is nothing that was lost. */
    if (!sl_ranges_subtract(&s.parts, &s.held)) {
        status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory to seal a log");
        goto done;
    }
    SL_TRY_DONE(sl_segment_writer_end(s.writer, &s.held, &s.parts, err));
    SL_KILL_POINT("seal.ended");
    status = sl_segment_writer_publish(s.writer, out->name, &is_named, err);
    s.writer = NULL;
    note_named(context->named, out->name, is_named);
    SL_KILL_POINT("seal.published");
    if (status >= 0) status = sl_segment_read_back(context->store_dir, out->name, err);
    if (status == STEPLOG_MISSING) status = look_elsewhere(context, &s, &sources[0].header, err);
    SL_KILL_POINT("seal.read_back");
    out->is_published = status >= 0;
done:
    sl_segment_writer_abort(s.writer);
    SL_VEC_FREE(&s.schema_ordinals);
    SL_VEC_FREE(&s.point_ordinals);
    SL_VEC_FREE(&s.held);
    SL_VEC_FREE(&s.parts);
    sl_buffer_free(&s.scratch);
    sl_free(s.values);
    return status;
}

steplog_status sl_seal_logs(const sl_write_context *context, const sl_seal_source *sources, size_t count,
                            uint64_t uncut_sequence, sl_seal_result *out, steplog_error *err)
{
    steplog_status status = STEPLOG_MISSING;
    for (int turn = 0; turn < SL_PUBLISH_TURNS && status == STEPLOG_MISSING; turn++)
        status = seal_once(context, sources, count, uncut_sequence, out, err);
    if (status != STEPLOG_MISSING) return status;
    if (err) err->code = STEPLOG_IO; /* whoever removes them does not stop */
    return STEPLOG_IO;
}

static int64_t read_file(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    return sl_os_read(*(int *)context, buffer, bytes, offset);
}

steplog_status sl_segment_read_back(int store_dir, const char *name, steplog_error *err)
{
    uint8_t head[SL_SEGMENT_HEADER_BYTES];
    sl_segment_header header;
    sl_os_stat stat;
    sl_page_item item;
    int fd = sl_os->open(store_dir, name, SL_OS_READ);
    if (fd == -ENOENT) return sl_fail(err, STEPLOG_MISSING, -1, "'%s' was removed before it could be read back", name);
    if (fd < 0) return sl_fail_os(err, -fd, -1, "cannot open '%s' to read it back", name);
    steplog_status status = STEPLOG_OK;
    sl_page_walk walk = {0};
    int e = sl_os_read_full(fd, head, sizeof head, 0);
    if (e == 0) e = sl_os->stat(fd, &stat);
    if (e < 0) {
        status = sl_fail_os(err, -e, -1, "cannot read '%s' back", name);
        goto done;
    }
    SL_TRY_DONE(sl_segment_header_decode(head, name, &header, err));
    sl_page_walk_init(&walk, read_file, &fd, sl_file_key(&header.file_id), stat.bytes);
    int has_trailer = 0;
    do {
        sl_page_walk_next(&walk, &item);
        has_trailer = has_trailer || (item.kind == SL_PAGE_ITEM_PAGE && item.head.kind == SL_PAGE_TRAILER);
    } while (item.kind == SL_PAGE_ITEM_PAGE);
    if (item.kind == SL_PAGE_ITEM_DAMAGE)
        status = sl_fail(err, STEPLOG_IO, (int64_t)item.offset, "'%s' does not read back as written at offset %llu: %s",
                         name, (unsigned long long)item.offset, item.what);
    else if (item.kind == SL_PAGE_ITEM_ERROR)
        status = item.os_errno ? sl_fail_os(err, item.os_errno, (int64_t)item.offset, "cannot read '%s' back", name)
                               : sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read '%s' back", name);
    else if (!has_trailer)
        status = sl_fail(err, STEPLOG_IO, -1, "'%s' does not read back as written: no trailer", name);
done:
    sl_page_walk_free(&walk);
    sl_os->close(fd);
    return status;
}
