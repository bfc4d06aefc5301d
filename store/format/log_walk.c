/* format/log_walk.c: records in, rows, points and texts out.
 *
 * Invariants:
 *  1. offset is 8-aligned and next_sequence is the number of the next numbered record there.
 *  2. The window holds the bytes [window_offset, window_offset + window_bytes) as they were read; at the
 *     end of what is committed it is dropped, because those bytes may change.
 *  3. An item's pointers are good until the next call. */
#include "format/log_walk.h"

#include "format/fact_codec.h"

#define WINDOW_BYTES (256u * 1024)
/* Of a text that is no blob: a fact with steps, a target, a key and a value. */
#define TEXT_BYTES_MAX (SL_FACT_HEAD_BYTES + 40u + STEPLOG_NAME_BYTES_MAX + STEPLOG_VALUE_BYTES_MAX)
#define FIRST_WINDOW_BYTES 4096u /* enough to see that nothing came: who follows a log asks often */

void sl_log_walk_init(sl_log_walk *walk, sl_log_read read, void *context, uint64_t file_key, uint64_t capacity_bytes,
                      uint64_t first_sequence, uint64_t mark_offset, sl_log_dictionary *dictionary)
{
    *walk = (sl_log_walk){.read = read,
                          .context = context,
                          .file_key = file_key,
                          .capacity_bytes = capacity_bytes,
                          .mark_offset = mark_offset,
                          .offset = SL_LOG_HEADER_BYTES,
                          .next_sequence = first_sequence,
                          .dictionary = dictionary,
                          .read_bytes = FIRST_WINDOW_BYTES,
                          .resync_bytes_left = 16 * capacity_bytes,
                          .salvage_bytes_left = 16 * capacity_bytes};
}

void sl_log_walk_rest(sl_log_walk *walk)
{
    sl_free(walk->window);
    walk->window = NULL;
    walk->window_bytes = 0;
    if (walk->text_parts == 0) sl_buffer_free(&walk->text);
}

void sl_log_walk_free(sl_log_walk *walk)
{
    walk->text_parts = 0;
    sl_log_walk_rest(walk);
}

/* Makes the bytes at offset available: up to wanted, fewer at the end of the file. NULL: error. */
static const uint8_t *look(sl_log_walk *walk, uint64_t offset, size_t wanted, size_t *available, int *os_errno)
{
    if (walk->memory) {
        *available = (size_t)(walk->capacity_bytes - offset);
        return walk->memory + offset;
    }
    uint64_t end = walk->window_offset + walk->window_bytes;
    int is_at_end = walk->window && (end >= walk->capacity_bytes || walk->is_window_short);
    if (!walk->window || offset < walk->window_offset || offset >= end || (offset + wanted > end && !is_at_end)) {
        if (!walk->window && !(walk->window = sl_alloc(WINDOW_BYTES))) {
            *os_errno = 0;
            return NULL;
        }
        uint64_t left = offset < walk->capacity_bytes ? walk->capacity_bytes - offset : 0;
        size_t most = walk->read_bytes > wanted ? walk->read_bytes : wanted;
        size_t bytes = left < most ? (size_t)left : most;
        walk->read_bytes = walk->read_bytes * 4 < WINDOW_BYTES ? walk->read_bytes * 4 : WINDOW_BYTES;
        int64_t got = bytes ? walk->read(walk->context, walk->window, bytes, offset) : 0;
        if (got < 0) {
            *os_errno = (int)-got;
            walk->window_bytes = 0;
            return NULL;
        }
        walk->window_offset = offset;
        walk->window_bytes = (size_t)got;
        walk->is_window_short = (size_t)got < bytes;
    }
    *available = walk->window_bytes - (size_t)(offset - walk->window_offset);
    return walk->window + (offset - walk->window_offset);
}

/* Decodes the record at offset, reading the window again once when it holds stale or too few bytes. */
static sl_record_state decode_at(sl_log_walk *walk, uint64_t offset, sl_record *record, int *os_errno)
{
    size_t available;
    const uint8_t *p = look(walk, offset, 8, &available, os_errno);
    if (!p) return SL_RECORD_SHORT;
    sl_record_state state = sl_record_decode(p, available, walk->file_key, offset, walk->next_sequence, record);
    if (state == SL_RECORD_GOOD) return state;
    if (state == SL_RECORD_NONE && offset != walk->window_offset) {
        /* A window that was read before the record came. Who follows a log asks often: a little is read first. */
        walk->window_bytes = 0;
        walk->read_bytes = FIRST_WINDOW_BYTES;
        p = look(walk, offset, 8, &available, os_errno);
        if (!p) return SL_RECORD_SHORT;
        state = sl_record_decode(p, available, walk->file_key, offset, walk->next_sequence, record);
        if (state == SL_RECORD_GOOD) return state;
    }
    if (state != SL_RECORD_NONE) {
        /* Bytes read before their commit word was: they may be whole by now. Or the window was too small. */
        walk->window_bytes = 0;
        walk->read_bytes = WINDOW_BYTES; /* as large as any record */
        p = look(walk, offset, 8, &available, os_errno);
        if (!p) return SL_RECORD_SHORT;
        state = sl_record_decode(p, available, walk->file_key, offset, walk->next_sequence, record);
    }
    *os_errno = -1; /* no error */
    if (state == SL_RECORD_SHORT) state = available < 8 ? SL_RECORD_NONE : SL_RECORD_BROKEN;
    return state;
}

/* How many of these bytes are zero, in whole words. */
static size_t zero_bytes(const uint8_t *p, size_t bytes)
{
    size_t at = 0;
    while (at + 8 <= bytes && sl_load64(p + at) == 0) at += 8;
    return at;
}

/* Finds the next believable record after a broken one: its check gives a number a little above what was
 * expected. Returns 1 and its offset and number; 0 when there is none; -1 when that can not be read. */
static int find_footing(sl_log_walk *walk, uint64_t from, uint64_t *offset, sl_record *record)
{
    uint64_t at = from;
    while (at + SL_RECORD_HEAD_BYTES + 8 <= walk->capacity_bytes) {
        size_t available;
        int os_errno;
        const uint8_t *p = look(walk, at, SL_RECORD_BYTES_MAX, &available, &os_errno);
        if (!p) return -1;
        if (available < SL_RECORD_HEAD_BYTES + 8) return 0;
        size_t zeros = zero_bytes(p, available);
        if (zeros) {
            int is_all = zeros + 8 > available;
            at += zeros;
            uint64_t data = is_all && walk->next_data ? walk->next_data(walk->context, at) : at;
            if (data > walk->capacity_bytes) data = walk->capacity_bytes;
            if (data / 8 * 8 > at) at = data / 8 * 8;
            continue;
        }
        uint64_t length = (sl_load64(p) & 0xffff) * 8;
        if (length <= available && length <= walk->resync_bytes_left) walk->resync_bytes_left -= length;
        else if (length > walk->resync_bytes_left) return 0;
        sl_record_state state = sl_record_decode(p, available, walk->file_key, at, walk->next_sequence, record);
        uint64_t most = walk->next_sequence + (at - walk->offset) / (SL_RECORD_HEAD_BYTES + 8) + 1;
        if (state == SL_RECORD_GOOD ||
            (state == SL_RECORD_ELSEWHEN && record->sequence > walk->next_sequence && record->sequence <= most)) {
            *offset = at;
            return 1;
        }
        at += 8;
    }
    return 0;
}

/* The first words of a broken record. 0 when they can not be read. */
static int read_words(sl_log_walk *walk, uint64_t offset, sl_broken_record *out)
{
    size_t available;
    int os_errno;
    const uint8_t *p = look(walk, offset, 16, &available, &os_errno);
    if (!p || available < 16) return 0;
    *out = (sl_broken_record){offset, {sl_load64(p), sl_load64(p + 8)}};
    return 1;
}

static int is_same_record(const sl_broken_record *a, const sl_broken_record *b)
{
    return a->offset == b->offset && a->words[0] == b->words[0] && a->words[1] == b->words[1];
}

static void give_damage(sl_log_walk *walk, sl_log_item *item, uint64_t offset, uint64_t bytes, uint64_t numbers,
                        const char *what)
{
    *item = (sl_log_item){.kind = SL_ITEM_DAMAGE,
                          .offset = offset,
                          .bytes = bytes,
                          .sequence = walk->next_sequence,
                          .sequence_count = (uint32_t)numbers,
                          .what = what};
    walk->next_sequence += numbers;
    walk->base.is_valid = 0;
    walk->text_parts = 0;
}

typedef enum broken_record { RECORD_IS_END, RECORD_IS_DAMAGE, RECORD_IS_WHOLE_NOW } broken_record;

/* A broken record. Below the mark it is damage, and so it is above when no power cut can be the reason and
 * valid records follow. Otherwise the log ends here. What follows was written after it: once that has been seen it is
 * whole, if it was read while it was being written. */
static broken_record pass_over_damage(sl_log_walk *walk, sl_log_item *item, sl_record *record)
{
    sl_record later;
    int os_errno;
    uint64_t found = 0, begin = walk->offset;
    int is_below_mark = begin < walk->mark_offset;
    if (!is_below_mark && !walk->is_same_boot) return RECORD_IS_END;
    sl_broken_record broken;
    int is_final = walk->is_ended && read_words(walk, begin, &broken);
    if (!is_below_mark && is_final && is_same_record(&broken, &walk->barren)) return RECORD_IS_END;
    const int has_footing = find_footing(walk, begin + 8, &found, &later);
    if (has_footing > 0) {
        walk->window_bytes = 0;
        if (decode_at(walk, begin, record, &os_errno) == SL_RECORD_GOOD) return RECORD_IS_WHOLE_NOW;
        walk->offset = found;
        give_damage(walk, item, begin, found - begin, later.sequence - walk->next_sequence,
                    "log record fails its check");
        return RECORD_IS_DAMAGE;
    }
    if (!is_below_mark) {
        if (is_final && has_footing == 0) walk->barren = broken;
        return RECORD_IS_END;
    }
    give_damage(walk, item, begin, walk->mark_offset - begin, 0, "log record fails its check and no valid one follows");
    walk->offset = walk->capacity_bytes;
    walk->is_torn = 1;
    return RECORD_IS_DAMAGE;
}

static int take_row(sl_log_walk *walk, const sl_record *record, sl_log_item *item)
{
    const sl_dictionary_schema *schema = sl_dictionary_schema_of(walk->dictionary, record->index);
    sl_row_body row;
    if (!schema || !sl_row_body_decode(record, schema->count, &row)) return 0;
    walk->base.is_valid = 0;
    item->kind = SL_ITEM_ROW;
    item->index = record->index;
    item->step = row.step;
    item->time_ns = row.time_ns;
    item->presence = row.presence;
    item->values = row.values;
    item->value_count = row.value_count;
    return 1;
}

static int take_point(sl_log_walk *walk, const sl_record *record, sl_log_item *item)
{
    const uint8_t *body = record->body;
    if (!sl_dictionary_name_of(walk->dictionary, record->index)) return 0;
    item->kind = SL_ITEM_POINT;
    item->index = record->index;
    item->value_count = 1;
    if (record->kind == SL_RECORD_POINT) {
        if (record->flags || record->body_bytes != 24) return 0;
        walk->base = (sl_point_base){1, (int64_t)sl_load64(body), (int64_t)sl_load64(body + 8)};
        item->step = walk->base.step;
        item->time_ns = walk->base.time_ns;
        item->value = sl_double_of(sl_load64(body + 16));
        return 1;
    }
    int has_time = record->flags == SL_CONTINUATION_HAS_TIME;
    if ((record->flags & ~SL_CONTINUATION_HAS_TIME) || record->body_bytes != (has_time ? 16u : 8u)) return 0;
    if (!walk->base.is_valid) return 0;
    item->step = walk->base.step;
    item->time_ns = has_time ? (int64_t)sl_load64(body) : walk->base.time_ns;
    item->value = sl_double_of(sl_load64(body + (has_time ? 8 : 0)));
    return 1;
}

/* How much of a text is kept. Of one that is too long to be valid enough to see that. */
static uint64_t kept_bytes(const sl_log_walk *walk)
{
    const sl_buffer *text = &walk->text;
    if (walk->text_kind != SL_RECORD_BLOB) return TEXT_BYTES_MAX + 1;
    if (!walk->has_heads_only) return UINT64_MAX;
    if (text->bytes < SL_BLOB_HEAD_BYTES) return SL_BLOB_HEAD_BYTES;
    uint64_t bytes = (uint64_t)sl_load32(text->data + 16) + sl_load32(text->data + 20);
    return SL_BLOB_HEAD_BYTES + (bytes < 2 * STEPLOG_NAME_BYTES_MAX ? bytes : 2 * STEPLOG_NAME_BYTES_MAX);
}

static void put_part(sl_log_walk *walk, const uint8_t *data, uint32_t bytes)
{
    for (uint64_t room; bytes && !walk->text.is_out_of_memory && walk->text.bytes < (room = kept_bytes(walk));) {
        room -= walk->text.bytes;
        uint32_t now = bytes < room ? bytes : (uint32_t)room;
        sl_buffer_put(&walk->text, data, now);
        walk->text_bytes += now;
        data += now;
        bytes -= now;
    }
    if (bytes && walk->text_kind == SL_RECORD_BLOB && walk->take_data)
        walk->take_data(walk->data_context, data, bytes, walk->text_bytes - walk->text.bytes);
    walk->text_bytes += bytes;
}

/* Goes back to the first part of the text that is being taken. */
static void restart_text(sl_log_walk *walk)
{
    walk->offset = walk->text_offset;
    walk->next_sequence = walk->text_sequence;
    walk->text_parts = 0;
}

/* Takes one part of a text; when it is the last one the item is the whole text. */
static int take_part(sl_log_walk *walk, const sl_record *record, sl_log_item *item)
{
    sl_part part;
    int is_numbered = SL_RECORD_IS_NUMBERED(record->kind);
    if (!sl_part_decode(record, &part) || part.total_bytes > STEPLOG_BLOB_BYTES_MAX + (1u << 20)) return 0;
    if (is_numbered) walk->base.is_valid = 0;
    if (!(record->flags & SL_PART_IS_FIRST) && walk->text_parts == 0) return 0;
    if (record->flags & SL_PART_IS_FIRST) {
        walk->text_parts = walk->text_bytes = 0;
        sl_buffer_clear(&walk->text);
        walk->text_offset = item->offset;
        walk->text_sequence = record->sequence;
        walk->text_kind = record->kind;
        walk->text_index = record->index;
        walk->text_total = part.total_bytes;
    } else if (walk->text_kind != record->kind || walk->text_index != record->index ||
               walk->text_total != part.total_bytes) {
        return 0;
    }
    put_part(walk, part.data, part.bytes);
    if (walk->text.is_out_of_memory) {
        item->kind = SL_ITEM_ERROR;
        restart_text(walk);
        return 1;
    }
    walk->text_parts++;
    item->kind = SL_ITEM_OTHER;
    if (record->flags & SL_PART_HAS_MORE) return walk->text_bytes < walk->text_total;
    if (walk->text_bytes != walk->text_total) return 0;
    item->offset = walk->text_offset;
    item->content = walk->text.data;
    item->content_bytes = (uint32_t)walk->text.bytes;
    item->data_bytes = walk->text_total - walk->text.bytes;
    item->sequence = walk->text_sequence;
    item->sequence_count = is_numbered ? walk->text_parts : 0;
    walk->text_parts = 0;
    if (is_numbered) {
        item->kind = SL_ITEM_TEXT;
        return 1;
    }
    if (walk->is_replay) return 1;
    steplog_status status =
        sl_dictionary_add(walk->dictionary, record->kind, record->index, walk->text.data, item->content_bytes);
    if (status == STEPLOG_NOMEM) {
        item->kind = SL_ITEM_ERROR;
        restart_text(walk);
    }
    return status != STEPLOG_CORRUPT;
}

/* 1 when nothing was read yet and there is nothing to read: a word, where a window would be read in vain. */
static int is_nothing_there(sl_log_walk *walk)
{
    if (!walk->live || walk->window_bytes || walk->offset < walk->mark_offset || walk->offset + 8 > walk->capacity_bytes)
        return 0;
    if (__atomic_load_n((const uint64_t *)(const void *)(walk->live + walk->offset), __ATOMIC_ACQUIRE) != 0) return 0;
    walk->is_torn = 0;
    return 1;
}

void sl_log_walk_next(sl_log_walk *walk, sl_log_item *item)
{
    sl_record record;
    int os_errno = -1;
    *item = (sl_log_item){.kind = SL_ITEM_END, .offset = walk->offset, .sequence = walk->next_sequence};
    if (walk->offset >= walk->capacity_bytes || is_nothing_there(walk)) return;
    sl_record_state state = decode_at(walk, walk->offset, &record, &os_errno);
    if (state == SL_RECORD_SHORT) {
        item->kind = SL_ITEM_ERROR;
        item->os_errno = os_errno;
        return;
    }
    if (state != SL_RECORD_GOOD) {
        broken_record what = RECORD_IS_END;
        if (walk->offset < walk->mark_offset || state != SL_RECORD_NONE) what = pass_over_damage(walk, item, &record);
        if (what == RECORD_IS_DAMAGE) return;
        if (what == RECORD_IS_END) {
            walk->is_torn = state != SL_RECORD_NONE;
            walk->window_bytes = 0;
            walk->read_bytes = FIRST_WINDOW_BYTES;
            return;
        }
    }
    walk->is_torn = 0;
    item->bytes = record.bytes;
    item->record_kind = record.kind;
    item->sequence_count = 1;
    int is_text = record.kind >= SL_RECORD_FACT;
    if (walk->text_parts && (!is_text || walk->text_kind != record.kind)) walk->text_parts = 0;
    int is_good = record.kind == SL_RECORD_ROW ? take_row(walk, &record, item)
                  : is_text                    ? take_part(walk, &record, item)
                                               : take_point(walk, &record, item);
    uint64_t numbers = SL_RECORD_IS_NUMBERED(record.kind) ? 1 : 0;
    if (item->kind == SL_ITEM_ERROR) return;
    uint64_t offset = walk->offset;
    walk->offset += record.bytes;
    if (!is_good) {
        give_damage(walk, item, offset, record.bytes, numbers, "log record passes its check but breaks a rule");
        return;
    }
    walk->next_sequence += numbers;
    if (item->kind == SL_ITEM_TEXT) item->bytes = walk->offset - item->offset;
}

void sl_log_walk_return(sl_log_walk *walk, const sl_log_item *item, const sl_point_base *base)
{
    walk->base = *base;
    walk->offset = item->offset;
    walk->next_sequence = item->sequence;
    if (item->kind == SL_ITEM_OTHER) restart_text(walk);
}

uint32_t sl_log_walk_rows(sl_log_walk *walk, sl_log_rows *rows)
{
    const uint8_t *memory = walk->memory;
    uint64_t offset = walk->offset, sequence = walk->next_sequence;
    rows->count = 0;
    if (!memory || offset + SL_RECORD_HEAD_BYTES > walk->capacity_bytes) return 0;
    uint64_t head = sl_load64(memory + offset);
    uint32_t bytes = (uint32_t)(head & 0xffff) * 8;
    rows->index = (uint32_t)(head >> 32);
    if (head != sl_record_head(bytes, SL_RECORD_ROW, 0, rows->index)) return 0;
    const sl_dictionary_schema *schema = sl_dictionary_schema_of(walk->dictionary, rows->index);
    if (!schema || bytes != SL_ROW_BYTES(schema->count)) return 0;
    rows->sequence = sequence;
    while (rows->count < SL_LOG_ROWS_MAX && offset + bytes <= walk->capacity_bytes) {
        const uint8_t *p = memory + offset;
        if (sl_load64(p) != head) break;
        uint64_t hash = sl_hash(p + SL_RECORD_HEAD_BYTES, bytes - SL_RECORD_HEAD_BYTES);
        if (sl_record_sequence(sl_load64(p + 8), hash, walk->file_key, offset, head) != sequence) break;
        rows->bodies[rows->count++] = p + SL_RECORD_HEAD_BYTES;
        offset += bytes;
        sequence++;
    }
    if (rows->count == 0) return 0;
    walk->offset = offset;
    walk->next_sequence = sequence;
    walk->base.is_valid = 0;
    walk->text_parts = 0;
    walk->is_torn = 0;
    return rows->count;
}

uint64_t sl_log_walk_salvageable(sl_log_walk *walk)
{
    uint64_t count = 0;
    int has_footing;
    sl_record record;
    sl_broken_record broken;
    /* What a restart of the machine left is no longer written either, or counts as that. */
    int is_final = (walk->is_ended || !walk->is_same_boot) && read_words(walk, walk->offset, &broken);
    if (is_final && is_same_record(&broken, &walk->counted)) return walk->salvageable_count;
    sl_log_walk scout = *walk; /* shares the window; its place is its own */
    uint64_t at = 0;
    scout.resync_bytes_left = walk->salvage_bytes_left;
    while ((has_footing = find_footing(&scout, scout.offset + 8, &at, &record)) > 0) {
        if (SL_RECORD_IS_NUMBERED(record.kind)) count++;
        scout.offset = at + record.bytes - 8;
        scout.next_sequence = record.sequence + (SL_RECORD_IS_NUMBERED(record.kind) ? 1 : 0);
    }
    walk->window = scout.window;
    walk->window_bytes = 0;
    walk->salvage_bytes_left = scout.resync_bytes_left;
    if (has_footing < 0) return count + 1; /* there may be some */
    if (is_final) {
        walk->counted = broken;
        walk->salvageable_count = count;
    }
    return count;
}
