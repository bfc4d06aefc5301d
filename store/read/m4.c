/* read/m4.c: buckets of steps. Where all rows have a value, those of one bucket are looked at together. */
#include "read/m4.h"

#include "base/float_mode.h"

#include <math.h>

void sl_m4_init(sl_m4 *m4, steplog_m4 *buckets, size_t count, int64_t begin, int64_t last)
{
    *m4 = (sl_m4){.buckets = buckets, .bucket_count = count, .begin = begin, .last = last, .first_distance = 1};
    m4->has_largest = last == INT64_MAX;
    if (m4->last == INT64_MAX) m4->last--;
    if (m4->begin > m4->last) m4->begin = m4->last;
    for (size_t i = 0; i < count; i++) buckets[i] = (steplog_m4){.value = {0, 0, NAN, NAN}};
}

/* Step begin + at is in bucket at * bucket_count / width, rounded down: so bucket b begins at b * width / bucket_count,
 * rounded up. */
static unsigned __int128 begin_of(const sl_m4 *m4, size_t bucket)
{
    unsigned __int128 width = (unsigned __int128)((uint64_t)m4->last - (uint64_t)m4->begin) + 1;
    return (bucket * width + m4->bucket_count - 1) / m4->bucket_count;
}

steplog_m4 *sl_m4_select(sl_m4 *m4, int64_t step)
{
    if (step == INT64_MAX && m4->has_largest) step = m4->last;
    if (step < m4->begin || step > m4->last) return NULL;
    uint64_t at = (uint64_t)step - (uint64_t)m4->begin;
    if (!m4->bucket || at < m4->first_distance || at > m4->last_distance) {
        unsigned __int128 width = (unsigned __int128)((uint64_t)m4->last - (uint64_t)m4->begin) + 1;
        size_t bucket = (size_t)((unsigned __int128)at * m4->bucket_count / width);
        m4->bucket = &m4->buckets[bucket];
        m4->first_distance = (uint64_t)begin_of(m4, bucket);
        m4->last_distance = (uint64_t)(begin_of(m4, bucket + 1) - 1);
    }
    return m4->bucket;
}

static void add_extreme(steplog_m4 *m, int which, int64_t step, double value)
{
    int is_better = which == 2 ? value < m->value[2] : value > m->value[3];
    if (!isnan(m->value[which]) && !is_better) return;
    m->value[which] = value;
    m->step[which] = step;
}

SL_BEHIND_MODE static void add(sl_m4 *m4, const sl_m4_summary *s)
{
    steplog_m4 *m = s->count ? sl_m4_select(m4, s->first_step) : NULL;
    if (!m) return;
    if (m->count == 0) {
        m->step[0] = s->first_step;
        m->value[0] = s->first;
    }
    m->step[1] = s->last_step;
    m->value[1] = s->last;
    m->count += s->count;
    m->nan_count += s->nan_count;
    m->inf_count += s->positive_inf_count + s->negative_inf_count;
    m->negative_inf_count += s->negative_inf_count;
    if (isnan(s->smallest)) return;
    add_extreme(m, 2, s->smallest_step, s->smallest);
    add_extreme(m, 3, s->largest_step, s->largest);
}

void sl_m4_add(sl_m4 *m4, const sl_m4_summary *summary)
{
    const sl_float_mode host = sl_float_mode_begin();
    add(m4, summary);
    sl_float_mode_end(host);
}

/* Adds values that are one behind the other and of one bucket. */
static void add_stretch(sl_m4 *m4, const int64_t *steps, const double *values, uint32_t count)
{
    sl_column_stats stats;
    sl_column_stats_make(values, count, &stats);
    add(m4, &(sl_m4_summary){.first = stats.first,
                             .last = stats.last,
                             .smallest = stats.smallest,
                             .largest = stats.largest,
                             .first_step = steps[0],
                             .last_step = steps[count - 1],
                             .smallest_step = steps[stats.smallest_at],
                             .largest_step = steps[stats.largest_at],
                             .count = count,
                             .nan_count = stats.nan_count,
                             .positive_inf_count = stats.positive_inf_count,
                             .negative_inf_count = stats.negative_inf_count});
}

/* How many of the steps, which ascend, are of the selected bucket; there is one at least. */
static uint32_t count_within(const sl_m4 *m4, const int64_t *steps, uint32_t count)
{
    uint32_t low = 1, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if ((uint64_t)steps[middle] - (uint64_t)m4->begin <= m4->last_distance)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

SL_BEHIND_MODE static void add_rows(sl_m4 *m4, const sl_rows *rows, uint32_t row, uint32_t count)
{
    const int is_full = sl_rows_are_full(rows);
    for (uint32_t end = row + count; row < end;) {
        if (!is_full && !(rows->present[row / 64] >> (row % 64) & 1)) {
            row++;
            continue;
        }
        uint32_t here = is_full && sl_m4_select(m4, rows->steps[row]) ? count_within(m4, rows->steps + row, end - row) : 1;
        add_stretch(m4, rows->steps + row, rows->values + row, here);
        row += here;
    }
}

void sl_m4_add_rows(sl_m4 *m4, const sl_rows *rows, uint32_t row, uint32_t count)
{
    const sl_float_mode host = sl_float_mode_begin();
    add_rows(m4, rows, row, count);
    sl_float_mode_end(host);
}
