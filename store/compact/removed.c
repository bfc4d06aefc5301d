/* compact/removed.c: tombstones whose grace time is over, and what they cover. */
#include "compact/removed.h"

#include "base/age.h"
#include "read/piece.h"

static int is_due(const sl_due *due, const sl_tombstone *t)
{
    return due->is_all || sl_age_ns(due->now_ns, t->time_ns) >= SL_GRACE_NS;
}

int sl_due_has_row(const sl_due *due, const sl_run *run, const steplog_id *incarnation, int64_t step, uint64_t sequence)
{
    for (size_t i = 0; i < run->tombstones.count; i++) {
        const sl_tombstone *t = &run->tombstones.items[i];
        if (t->metric || sequence > t->sequence_last || !is_due(due, t) || !sl_id_equal(&t->incarnation, incarnation))
            continue;
        if (!t->has_steps || sl_removal_has_step(t->step_begin, t->step_end, step)) return 1;
    }
    return 0;
}

int sl_due_has_value(const sl_due *due, const sl_run *run, const steplog_id *incarnation, int64_t step,
                     uint64_t sequence, const char *name, uint32_t bytes)
{
    for (size_t i = 0; i < run->tombstones.count; i++) {
        const sl_tombstone *t = &run->tombstones.items[i];
        if (!t->metric || sequence > t->sequence_last || !is_due(due, t) || !sl_id_equal(&t->incarnation, incarnation))
            continue;
        if (t->has_steps && !sl_removal_has_step(t->step_begin, t->step_end, step)) continue;
        if (t->metric_bytes == bytes && memcmp(t->metric, name, bytes) == 0) return 1;
    }
    return 0;
}

int sl_due_has_any(const sl_due *due, const sl_run *run, const steplog_id *incarnation)
{
    for (size_t i = 0; i < run->tombstones.count; i++)
        if (is_due(due, &run->tombstones.items[i]) && sl_id_equal(&run->tombstones.items[i].incarnation, incarnation))
            return 1;
    return 0;
}

int sl_is_kept_for_ever(const sl_record_entry *entry)
{
    return entry->type == SL_ENTRY_FACT &&
           (entry->fact_kind == STEPLOG_EVENT_TOMBSTONE || entry->fact_kind == STEPLOG_EVENT_UNDO);
}

int sl_due_has_record(const sl_due *due, const sl_run *run, const steplog_id *incarnation, const sl_record_entry *entry)
{
    if (sl_is_kept_for_ever(entry)) return 0;
    for (size_t i = 0; i < run->tombstones.count; i++) {
        const sl_tombstone *t = &run->tombstones.items[i];
        if (t->is_whole && entry->sequence <= t->sequence_last && is_due(due, t) &&
            sl_id_equal(&t->incarnation, incarnation))
            return 1;
    }
    return 0;
}

int sl_due_has_segment(const sl_due *due, steplog_reader *reader, const sl_segment *segment)
{
    for (uint32_t w = 0; w < segment->writers.count; w++) {
        const sl_writer_entry *entry = &segment->writers.items[w];
        sl_run *run = sl_reader_run(reader, &entry->run);
        if (!run || run->tombstones.count == 0 || !sl_due_has_any(due, run, &entry->incarnation)) continue;
        for (uint32_t n = 0; n < entry->range_count; n++) {
            const sl_range_entry *range = &segment->ranges.items[entry->range_first + n];
            if (range->kind != SL_RANGE_HELD) continue;
            for (size_t t = 0; t < run->tombstones.count; t++) {
                const sl_tombstone *tombstone = &run->tombstones.items[t];
                if (!is_due(due, tombstone) || !sl_id_equal(&tombstone->incarnation, &entry->incarnation) ||
                    range->sequence_begin > tombstone->sequence_last)
                    continue;
                if (tombstone->is_whole) return 1;
                /* By metric or by steps: freed already unless a group may still hold such values. */
                for (uint32_t g = 0; g < entry->group_count; g++) {
                    const sl_group_entry *group = &segment->groups.items[entry->group_first + g];
                    if (tombstone->has_steps &&
                        (group->step_max < tombstone->step_begin ||
                         (group->step_min >= tombstone->step_end && tombstone->step_end < INT64_MAX)))
                        continue;
                    return 1;
                }
            }
        }
    }
    return 0;
}
