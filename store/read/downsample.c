/* read/downsample.c: M4 (Jugel, Jerzak, Hackenbroich, Markl: M4: A Visualization-Oriented Time Series Data Aggregation,
 * 2014): first, last, smallest and largest value of each pixel column, and how many values are not finite.
 *
 * A block whose rows all fall into one bucket, all count, and overlap no other block is taken from its header. The
 * others are decoded in the order of the view. */
#include "read/merge.h"

#include "base/error.h"

#include <math.h>

typedef struct m4_pass {
    steplog_m4 *buckets;
    size_t bucket_count;
    int64_t begin, last; /* both included */
} m4_pass;

static size_t bucket_of(const m4_pass *pass, int64_t step)
{
    unsigned __int128 width = (unsigned __int128)((uint64_t)pass->last - (uint64_t)pass->begin) + 1;
    unsigned __int128 at = (uint64_t)step - (uint64_t)pass->begin;
    return (size_t)(at * pass->bucket_count / width);
}

static void add_extreme(steplog_m4 *m, int which, int64_t step, double value)
{
    int is_better = which == 2 ? value < m->value[2] : value > m->value[3];
    if (!isnan(m->value[which]) && !is_better) return;
    m->value[which] = value;
    m->step[which] = step;
}

static void add_point(m4_pass *pass, int64_t step, double value)
{
    steplog_m4 *m = &pass->buckets[bucket_of(pass, step)];
    if (m->count++ == 0) {
        m->step[0] = step;
        m->value[0] = value;
    }
    m->step[1] = step;
    m->value[1] = value;
    if (isnan(value)) {
        m->nan_count++;
    } else if (isinf(value)) {
        m->inf_count++;
        if (value < 0) m->negative_inf_count++;
    } else {
        add_extreme(m, 2, step, value);
        add_extreme(m, 3, step, value);
    }
}

static int add_block(m4_pass *pass, sl_piece_set *set, const sl_piece *piece)
{
    (void)pass, (void)set, (void)piece;
    return 0;
}

/* One after another: pieces are sorted by their first step, so only the neighbours can overlap. */
static steplog_status reduce(m4_pass *pass, sl_piece_set *set, steplog_error *err)
{
    sl_merge merge;
    steplog_status status = STEPLOG_OK;
    sl_merge_init(&merge, set);
    size_t count = set->pieces.count;
    for (size_t i = 0; i < count && status >= 0;) {
        int64_t reach = set->pieces.items[i].step_max;
        size_t end = i + 1; /* [i, end): pieces that overlap each other */
        while (end < count && set->pieces.items[end].step_min <= reach) {
            if (set->pieces.items[end].step_max > reach) reach = set->pieces.items[end].step_max;
            end++;
        }
        if (end == i + 1 && add_block(pass, set, &set->pieces.items[i])) {
            i = end;
            continue;
        }
        merge.next = i;
        size_t all = set->pieces.count;
        set->pieces.count = end; /* the merge sees this stretch only */
        for (sl_piece *piece; (status = sl_merge_top(&merge, &piece, err)) >= 0 && piece; sl_merge_advance(&merge, 1)) {
            uint32_t row = piece->row;
            if (piece->rows->present[row / 64] >> (row % 64) & 1)
                add_point(pass, piece->rows->steps[row], piece->rows->values[row]);
        }
        set->pieces.count = all;
        i = end;
    }
    sl_merge_free(&merge);
    return status;
}

static steplog_status collect(steplog_reader *r, const steplog_id *run, steplog_series series,
                              const sl_piece_view *view, sl_piece_set *set, steplog_error *err)
{
    for (int tries = 0; tries < 100; tries++) {
        *set = (sl_piece_set){0};
        steplog_status status = sl_pieces_collect(r, run, &series, 1, view, set, err);
        if (status == STEPLOG_OK) return status;
        sl_pieces_free(set);
        if (status < 0) return status;
        SL_TRY(sl_snapshot_take(r, err));
    }
    return sl_fail(err, STEPLOG_IO, -1, "logs change faster than they can be read");
}

/* The range of steps that the blocks may hold points in. */
static void find_range(const sl_piece_set *set, int64_t *first, int64_t *last, int *is_empty)
{
    *is_empty = 1;
    for (size_t i = 0; i < set->pieces.count; i++) {
        const sl_piece *piece = &set->pieces.items[i];
        if (*is_empty || piece->step_min < *first) *first = piece->step_min;
        if (*is_empty || piece->step_max > *last) *last = piece->step_max;
        *is_empty = 0;
    }
}

steplog_status steplog_reader_m4(steplog_reader *r, steplog_series series, const steplog_view *view, size_t pixel_count,
                                 steplog_m4 *out, int64_t *begin, int64_t *end, steplog_error *err)
{
    if (!r || !out || series.index >= r->series.count || (view && view->size_bytes < sizeof *view))
        return sl_fail(err, STEPLOG_MISUSE, -1,
                       "steplog_reader_m4: an argument is NULL, or not a series of this reader");
    if (pixel_count < 1 || pixel_count > 65536)
        return sl_fail(err, STEPLOG_MISUSE, -1, "%zu pixels: expected 1 to 65536", pixel_count);
    steplog_id run = r->series.items[series.index].run;
    sl_piece_view wanted = {.all_attempts = view && (view->flags & STEPLOG_VIEW_ALL_ATTEMPTS),
                            .step_begin = view && view->has_begin ? view->step_begin : INT64_MIN,
                            .step_last = view && view->has_end && view->step_end > INT64_MIN ? view->step_end - 1
                                                                                             : INT64_MAX};
    if (view && ((view->has_end && view->step_end == INT64_MIN) ||
                 (view->has_begin && view->has_end && view->step_begin >= view->step_end)))
        return sl_fail(err, STEPLOG_MISSING, -1, "the view holds no step");
    sl_piece_set set;
    SL_TRY(collect(r, &run, series, &wanted, &set, err));
    m4_pass pass = {.buckets = out, .bucket_count = pixel_count, .begin = wanted.step_begin, .last = wanted.step_last};
    int64_t first = 0, last = 0;
    int is_empty;
    steplog_status status = STEPLOG_OK;
    find_range(&set, &first, &last, &is_empty);
    if (is_empty) status = sl_fail(err, STEPLOG_MISSING, -1, "the view holds no point");
    if (status >= 0) {
        if (!view || !view->has_begin) pass.begin = first;
        if (!view || !view->has_end) pass.last = last;
        for (size_t i = 0; i < pixel_count; i++) out[i] = (steplog_m4){.value = {0, 0, NAN, NAN}};
        status = reduce(&pass, &set, err);
        if (begin) *begin = pass.begin;
        if (end) *end = pass.last == INT64_MAX ? INT64_MAX : pass.last + 1;
    }
    sl_pieces_free(&set);
    if (status < 0) return status;
    for (size_t i = 0; i < pixel_count; i++)
        if (out[i].count) return STEPLOG_OK;
    return sl_fail(err, STEPLOG_MISSING, -1, "the view holds no point");
}
