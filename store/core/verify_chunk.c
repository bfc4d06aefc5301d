/* core/verify_chunk.c: decoding everything in one chunk and comparing what it says of itself with what is there. */
#include "core/verify.h"

#include "base/error.h"
#include "format/checksum.h"
#include "format/chunk_codec.h"
#include "format/int_codec.h"
#include "format/page_walk.h"
#include "format/stats_codec.h"

static void report(sl_chunk_check *c, int64_t column, uint64_t offset, uint64_t bytes, const char *what)
{
    c->report(c->context, c, column, bytes ? offset : c->offset, bytes ? bytes : c->bytes, what);
}

/* Gives the bytes of an axis part; those of a reference are copied to referenced. 1, 0 reported, -1 error. */
static int find_part(sl_chunk_check *c, const sl_chunk_head *head, int part, sl_buffer *referenced,
                     const uint8_t **bytes, uint32_t *count, int *os_errno)
{
    *bytes = head->part[part];
    *count = head->part_bytes[part];
    if (!head->is_reference[part]) return 1;
    sl_page_item item = {.kind = SL_PAGE_ITEM_DAMAGE};
    sl_chunk_head other;
    if (head->reference[part] < c->offset) sl_page_read_kind(c->pages, head->reference[part], SL_PAGE_CHUNK, &item);
    if (item.kind == SL_PAGE_ITEM_ERROR) {
        *os_errno = item.os_errno;
        return -1;
    }
    if (item.kind != SL_PAGE_ITEM_PAGE || !sl_chunk_head_decode(item.content, item.content_bytes, &other) ||
        other.is_reference[part] || other.part_bytes[part] == 0) {
        report(c, -1, 0, 0, "the chunk refers to a part of the axis that is damaged or not there");
        return 0;
    }
    sl_buffer_clear(referenced);
    sl_buffer_put(referenced, other.part[part], other.part_bytes[part]);
    sl_buffer_zeros(referenced, SL_DECODE_SLACK_BYTES);
    *os_errno = 0;
    if (referenced->is_out_of_memory) return -1;
    *bytes = referenced->data;
    *count = other.part_bytes[part];
    return 1;
}

static int decode_part(sl_chunk_check *c, const sl_chunk_head *head, int part, sl_buffer *referenced, int64_t *out,
                       int *os_errno)
{
    const uint8_t *bytes;
    const char *what = "axis is damaged";
    uint32_t count;
    if (part == SL_PART_TIMES && head->part_bytes[part] == 0) {
        for (uint32_t i = 0; i < head->row_count; i++) out[i] = STEPLOG_TIME_NONE;
        return 1;
    }
    int found = find_part(c, head, part, referenced, &bytes, &count, os_errno);
    if (found != 1) return found;
    if (sl_int_decode(bytes, count, head->row_count, out, &what) >= 0) return 1;
    report(c, -1, 0, 0, what);
    return 0;
}

static void describe_rows(sl_chunk_check *c, const sl_chunk_head *head, const int64_t *times)
{
    sl_chunk_entry *entry = &c->found.entry;
    const int64_t *steps = c->steps;
    int is_sorted = 1;
    entry->step_min = INT64_MAX;
    entry->step_max = INT64_MIN;
    for (uint32_t i = 0; i < head->row_count; i++) {
        if (steps[i] < entry->step_min) entry->step_min = steps[i];
        if (steps[i] > entry->step_max) entry->step_max = steps[i];
        if (i && steps[i] < steps[i - 1]) is_sorted = 0;
        if (times[i] == INT64_MIN) report(c, -1, 0, 0, "a row has a time that is never a time");
        if (times[i] == STEPLOG_TIME_NONE) continue;
        if (entry->time_min_ns == STEPLOG_TIME_NONE || times[i] < entry->time_min_ns) entry->time_min_ns = times[i];
        if (entry->time_max_ns == STEPLOG_TIME_NONE || times[i] > entry->time_max_ns) entry->time_max_ns = times[i];
    }
    c->has_steps = 1;
    if (((head->flags & SL_CHUNK_STEPS_SORTED) != 0) != is_sorted)
        report(c, -1, 0, 0, "the chunk does not say rightly whether its steps are sorted");
}

/* 1 good, 0 reported, -1 error. */
static int check_axis(sl_chunk_check *c, const sl_chunk_head *head, int *os_errno)
{
    int64_t times[SL_CHUNK_ROWS_MAX];
    sl_buffer referenced = {0};
    int result = decode_part(c, head, SL_PART_STEPS, &referenced, c->steps, os_errno);
    if (result == 1) result = decode_part(c, head, SL_PART_TIMES, &referenced, times, os_errno);
    if (result == 1) describe_rows(c, head, times);
    if (result == 1) result = decode_part(c, head, SL_PART_SEQUENCES, &referenced, c->sequences, os_errno);
    sl_buffer_free(&referenced);
    if (result != 1) return result;
    for (uint32_t i = 0; i < head->row_count; i++)
        if (c->sequences[i] < 1 || (i && c->sequences[i] <= c->sequences[i - 1])) {
            report(c, -1, 0, 0, "the chunk's sequences do not ascend from 1");
            return 0;
        }
    c->found.entry.sequence_first = (uint64_t)c->sequences[0];
    c->found.entry.sequence_last = (uint64_t)c->sequences[head->row_count - 1];
    return 1;
}

/* Finds the payload of a column, copied where it has a page of its own. 1, 0 reported, -1 error. */
static int find_payload(sl_chunk_check *c, uint32_t column, const sl_column_info *info, sl_buffer *own,
                        const uint8_t **payload, int *os_errno)
{
    *payload = info->payload;
    if (!(info->flags & SL_COLUMN_IS_OWN_PAGE)) return 1;
    uint64_t offset = info->page_distance < c->offset ? c->offset - info->page_distance : 0;
    sl_page_item item;
    sl_page_read_kind(c->pages, offset, SL_PAGE_COLUMN, &item);
    if (item.kind == SL_PAGE_ITEM_ERROR) {
        *os_errno = item.os_errno;
        return -1;
    }
    if (item.kind != SL_PAGE_ITEM_PAGE || item.head.index != column ||
        item.content_bytes != info->payload_bytes) {
        int is_page = item.kind == SL_PAGE_ITEM_PAGE;
        report(c, column, is_page ? c->offset : offset, is_page || !item.bytes ? c->bytes : item.bytes,
               is_page ? "the page of the column does not agree with its chunk" : item.what);
        return 0;
    }
    sl_buffer_clear(own);
    sl_buffer_put(own, item.content, item.content_bytes);
    sl_buffer_zeros(own, SL_DECODE_SLACK_BYTES);
    *os_errno = 0;
    if (own->is_out_of_memory) return -1;
    *payload = own->data;
    return 1;
}

uint64_t sl_verify_stats_hash(uint32_t column, const uint8_t *entry)
{
    return XXH3_64bits_withSeed(entry, SL_STATS_ENTRY_BYTES, column);
}

static void sum_stats(sl_chunk_check *c, uint32_t column, const sl_stats_entry *stats)
{
    uint8_t entry[SL_STATS_ENTRY_BYTES];
    sl_stats_entry_encode(stats, entry);
    c->found.stats_sum += sl_verify_stats_hash(column, entry);
}

/* 1 good, 0 reported, -1 error. */
static int check_column(sl_chunk_check *c, const sl_chunk_head *head, uint32_t column, const sl_column_info *info,
                        sl_buffer *own, int *os_errno)
{
    double values[SL_CHUNK_ROWS_MAX];
    uint64_t present[SL_PRESENT_WORDS];
    const uint8_t *payload;
    const char *what = "column is damaged";
    sl_stats_entry stats = {0};
    if (!(info->flags & SL_COLUMN_HAS_VALUES)) {
        sum_stats(c, column, &stats);
        return 1;
    }
    c->found.entry.value_count += info->value_count;
    c->block_count++;
    int found = find_payload(c, column, info, own, &payload, os_errno);
    if (found != 1) return found;
    int is_own = (info->flags & SL_COLUMN_IS_OWN_PAGE) != 0;
    uint64_t offset = is_own ? c->offset - info->page_distance : c->offset;
    uint64_t bytes = is_own ? SL_PAGE_HEAD_BYTES + SL_PAD8(info->payload_bytes) : c->bytes;
    if (sl_column_decode(info, payload, head->row_count, values, present, &what) < 0) {
        report(c, column, offset, bytes, what);
        return 0;
    }
    if (c->has_steps) {
        sl_stats_make(values, present, head->row_count, c->steps, c->found.entry.step_min, &stats);
        sum_stats(c, column, &stats);
    }
    return 1;
}

/* Takes a COLUMN page of the stripe for this chunk. 0: it is not there, or not this chunk's. */
static int take_column_page(sl_chunk_check *c, uint32_t column, uint64_t offset)
{
    size_t low = 0, high = c->column_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->columns[middle].offset < offset) low = middle + 1;
        else high = middle;
    }
    if (low == c->column_count || c->columns[low].offset != offset || c->columns[low].index != column ||
        c->columns[low].named_by)
        return 0;
    c->columns[low].named_by = c->number + 1;
    return 1;
}

static int check_columns(sl_chunk_check *c, const sl_chunk_head *head, int *os_errno)
{
    sl_chunk_walk walk = sl_chunk_directory_begin(head);
    sl_column_info info;
    sl_buffer own = {0};
    int result = 1, is_whole = 1, are_pages_right = 1;
    for (uint32_t column = 0; result >= 0 && sl_chunk_directory_next(&walk, &info); column++) {
        if (info.flags & SL_COLUMN_IS_OWN_PAGE) {
            uint64_t at = info.page_distance < c->offset ? c->offset - info.page_distance : 0;
            if (at < c->found.entry.extent_offset) c->found.entry.extent_offset = at;
            if (!take_column_page(c, column, at)) are_pages_right = 0;
        }
        result = check_column(c, head, column, &info, &own, os_errno);
        if (result == 0) is_whole = 0;
    }
    sl_buffer_free(&own);
    if (result < 0) return result;
    if (!is_whole || walk.is_bad || !c->has_steps) c->found.stats_sum = 0;
    if (walk.is_bad)
        report(c, -1, 0, 0, "the chunk's directory breaks a rule");
    else if (!are_pages_right && !c->is_beside_damage)
        report(c, -1, 0, 0, "COLUMN pages that the chunk names are not those of its stripe");
    return 0;
}

int sl_verify_chunk(sl_chunk_check *c, int *os_errno)
{
    sl_chunk_head head;
    c->found = (sl_found_chunk){0};
    c->block_count = 0;
    c->has_steps = 0;
    if (!sl_chunk_head_decode(c->content, c->content_bytes, &head)) {
        report(c, -1, 0, 0, "the chunk's head breaks a rule");
        return 0;
    }
    c->found = (sl_found_chunk){.writer = head.writer,
                                .schema = head.schema,
                                .entry = {.page_offset = c->offset,
                                          .page_bytes = (uint32_t)c->bytes,
                                          .row_count = (uint16_t)head.row_count,
                                          .flags = (uint16_t)head.flags,
                                          .time_min_ns = STEPLOG_TIME_NONE,
                                          .time_max_ns = STEPLOG_TIME_NONE,
                                          .extent_offset = c->offset}};
    c->name_count = head.column_count;
    int result = check_axis(c, &head, os_errno);
    if (result < 0) return -1;
    return check_columns(c, &head, os_errno) < 0 ? -1 : result;
}
