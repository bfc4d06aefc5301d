/* read/holes.c: numbers that a listing did not find although it found later ones.
 *
 * A listing finds every record that was there when it began. What is written meanwhile it may find in part: a writer
 * goes on into a file that was passed over as a spare, or was not listed, and from there into one that was still to be
 * looked at. So a number is missing when an earlier listing found a later one of its incarnation already. Else the
 * files are listed once more, and of what came during that as well a view shows nothing from the first missing number
 * on.
 *
 * Only incarnations that have logs are looked at: others do not move. */
#include "read/reader.h"

#include <stdlib.h>

/* What was found of an incarnation. */
typedef struct found {
    steplog_id id;
    sl_range_pile numbers;
} found;

typedef SL_VEC(found) found_list;

static int compare_found(const void *a, const void *b) /* and holes: both begin with their id */
{
    return memcmp(((const steplog_id *)a)->bytes, ((const steplog_id *)b)->bytes, 16);
}

static int list_incarnations(const steplog_reader *r, found_list *out)
{
    for (size_t i = 0; i < r->logs.count; i++)
        if (r->logs.items[i]->is_seen && !r->logs.items[i]->is_gone &&
            !SL_VEC_PUSH(out, (found){.id = r->logs.items[i]->header.incarnation}))
            return 0;
    if (out->count == 0) return 1;
    qsort(out->items, out->count, sizeof *out->items, compare_found);
    size_t kept = 1;
    for (size_t i = 1; i < out->count; i++)
        if (!sl_id_equal(&out->items[i].id, &out->items[kept - 1].id)) out->items[kept++] = out->items[i];
    out->count = kept;
    return 1;
}

static found *find(const found_list *list, const steplog_id *id)
{
    return list->count ? bsearch(id, list->items, list->count, sizeof *list->items, compare_found) : NULL;
}

static int add_segments(const steplog_reader *r, const found_list *list)
{
    for (size_t i = 0; i < r->segments.count; i++) {
        const sl_segment *segment = r->segments.items[i];
        for (size_t w = 0; segment->is_seen && w < segment->writers.count; w++) {
            const sl_writer_entry *entry = &segment->writers.items[w];
            found *to = find(list, &entry->incarnation);
            for (uint32_t n = 0; to && n < entry->range_count; n++) {
                const sl_range_entry *range = &segment->ranges.items[entry->range_first + n];
                if (!sl_range_pile_add(&to->numbers, range->sequence_begin, range->sequence_end)) return 0;
            }
        }
    }
    return 1;
}

/* Damage within a log is no hole: nothing that belongs there is elsewhere. */
static int add_logs(const steplog_reader *r, const found_list *list)
{
    for (size_t i = 0; i < r->logs.count; i++) {
        const sl_log *log = r->logs.items[i];
        if (!log->is_seen || log->is_gone || log->held.count == 0) continue;
        if (!sl_range_pile_add(&find(list, &log->header.incarnation)->numbers, log->header.first_sequence,
                               log->held.items[log->held.count - 1].end))
            return 0;
    }
    return 1;
}

/* Where the numbers go on behind the last hole; 0: there is none. */
static uint64_t end_of_holes(const sl_ranges *numbers)
{
    uint64_t last = numbers->count ? numbers->items[numbers->count - 1].begin : 1;
    return last > 1 ? last : 0;
}

/* The first number that is missing although nothing behind `known` is. */
static uint64_t first_hole_behind(const sl_ranges *numbers, uint64_t known)
{
    size_t i = 0;
    while (numbers->items[i].begin <= known || numbers->items[i].begin == 1) i++;
    return i ? numbers->items[i - 1].end : 1;
}

static int note_holes(steplog_reader *r, const found_list *list, sl_hole_list *out, int *has_new)
{
    for (size_t i = 0; i < list->count; i++) {
        sl_range_pile *numbers = &list->items[i].numbers;
        sl_range_pile_settle(numbers);
        sl_hole hole = {.id = list->items[i].id, .end = end_of_holes(&numbers->set)};
        if (!hole.end) continue;
        const sl_hole *known = NULL;
        if (r->holes.count) known = bsearch(&hole.id, r->holes.items, r->holes.count, sizeof hole, compare_found);
        if (!known || known->end < hole.end) {
            hole.shown_end = first_hole_behind(&numbers->set, known ? known->end : 0);
            *has_new = 1;
        }
        if (!SL_VEC_PUSH(out, hole)) return 0;
    }
    return 1;
}

int sl_holes_find(steplog_reader *r, int *has_new)
{
    found_list list = {0};
    sl_hole_list holes = {0};
    *has_new = 0;
    int is_good = list_incarnations(r, &list) && add_segments(r, &list) && add_logs(r, &list) &&
                  note_holes(r, &list, &holes, has_new);
    for (size_t i = 0; i < list.count; i++) sl_range_pile_free(&list.items[i].numbers);
    SL_VEC_FREE(&list);
    if (!is_good) {
        SL_VEC_FREE(&holes);
        return 0;
    }
    SL_VEC_FREE(&r->holes);
    r->holes = holes;
    return 1;
}
