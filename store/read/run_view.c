/* read/run_view.c: attempts: which points of which writer the default view shows.
 *
 * The cut of an attempt for a series (its rank and labels) is the step from which on it replaces the attempts before
 * it: the smallest of its rewinds and of the resume steps of its writers of that series; when that series did not come
 * back, the smallest resume step of any of its writers; when nothing was said, the first step that it logged. A point
 * is shown when its step is below the cuts of all later attempts that are in force. */
#include "read/reader.h"

static const sl_incarnation *incarnation_of(const steplog_reader *r, const sl_run *run, size_t n)
{
    return &r->incarnations.items[run->incarnations.items[n]];
}

static int is_logging(const sl_incarnation *i) { return !(i->flags & SL_WRITER_IS_FACTS_ONLY); }

static int is_rewind(const sl_event *event, uint32_t attempt, uint64_t lamport_max)
{
    return event->fact.kind == STEPLOG_EVENT_REWIND && event->fact.attempt == attempt && event->fact.lamport <= lamport_max;
}

/* An undo that a fork does not see leaves the rewind in force for it. */
static int is_undone_by(const steplog_reader *r, const sl_run *run, const sl_event *event, uint64_t lamport_max)
{
    for (size_t i = 0; i < run->events.count; i++) {
        const sl_event *undo = &run->events.items[i];
        if (undo->fact.kind == STEPLOG_EVENT_UNDO && undo->fact.lamport <= lamport_max && undo->fact.target_sequence == event->sequence &&
            sl_id_equal(&undo->fact.target, &r->incarnations.items[event->incarnation].id))
            return 1;
    }
    return 0;
}

/* An attempt is in force unless every rewind that opened it was undone. */
static int is_in_force(const steplog_reader *r, const sl_run *run, uint32_t attempt, uint64_t lamport_max)
{
    int has_rewind = 0;
    for (size_t i = 0; i < run->events.count; i++) {
        if (!is_rewind(&run->events.items[i], attempt, lamport_max)) continue;
        has_rewind = 1;
        if (!is_undone_by(r, run, &run->events.items[i], lamport_max)) return 1;
    }
    return !has_rewind;
}

static void lower(int64_t *cut, int *has_cut, int64_t step)
{
    if (!*has_cut || step < *cut) *cut = step;
    *has_cut = 1;
}

/* The cut of an attempt for one key. 0 when it cuts nothing. */
static int cut_of(const steplog_reader *r, const sl_run *run, uint32_t attempt, uint64_t key_hash, uint64_t lamport_max, int64_t *cut)
{
    int has_cut = 0, came_back = 0;
    for (size_t i = 0; i < run->events.count; i++)
        if (is_rewind(&run->events.items[i], attempt, lamport_max) && !is_undone_by(r, run, &run->events.items[i], lamport_max))
            lower(cut, &has_cut, run->events.items[i].fact.step_begin);
    for (size_t n = 0; n < run->incarnations.count; n++) {
        const sl_incarnation *i = incarnation_of(r, run, n);
        if (!is_logging(i) || i->attempt != attempt || i->key_hash != key_hash) continue;
        came_back = 1;
        if (i->flags & SL_WRITER_IS_RESUME) lower(cut, &has_cut, i->description.resume_step);
    }
    if (!came_back)
        for (size_t n = 0; n < run->incarnations.count; n++) {
            const sl_incarnation *i = incarnation_of(r, run, n);
            if (is_logging(i) && i->attempt == attempt && (i->flags & SL_WRITER_IS_RESUME)) lower(cut, &has_cut, i->description.resume_step);
        }
    if (has_cut) return 1;
    for (size_t n = 0; n < run->incarnations.count; n++) {
        const sl_incarnation *i = incarnation_of(r, run, n);
        if (is_logging(i) && i->attempt == attempt && i->row_count && (!came_back || i->key_hash == key_hash)) lower(cut, &has_cut, i->step_min);
    }
    return has_cut;
}

/* Walks the attempt numbers of a run upward, each once: the next above previous, 0 when there is none. */
static uint32_t next_attempt(const steplog_reader *r, const sl_run *run, uint32_t previous, uint64_t lamport_max)
{
    uint32_t next = 0;
    for (size_t n = 0; n < run->incarnations.count; n++) {
        const sl_incarnation *i = incarnation_of(r, run, n);
        if (is_logging(i) && i->attempt > previous && (!next || i->attempt < next)) next = i->attempt;
    }
    for (size_t i = 0; i < run->events.count; i++) {
        const sl_fact *fact = &run->events.items[i].fact;
        if (fact->kind == STEPLOG_EVENT_REWIND && fact->lamport <= lamport_max && fact->attempt > previous && (!next || fact->attempt < next))
            next = fact->attempt;
    }
    return next;
}

uint32_t sl_run_highest_attempt(steplog_reader *r, const sl_run *run, uint32_t *count)
{
    uint32_t highest = 0;
    *count = 0;
    for (uint32_t attempt = 0; (attempt = next_attempt(r, run, attempt, UINT64_MAX)) != 0;) {
        ++*count;
        if (is_in_force(r, run, attempt, UINT64_MAX)) highest = attempt;
    }
    return highest;
}

uint32_t sl_run_largest_attempt_number(steplog_reader *r, const sl_run *run)
{
    uint32_t largest = 0;
    for (uint32_t attempt = 0; (attempt = next_attempt(r, run, attempt, UINT64_MAX)) != 0;) largest = attempt;
    return largest;
}

void sl_run_windows(steplog_reader *r, const sl_run *run, uint32_t attempt_max, uint64_t lamport_max, sl_window *windows)
{
    for (size_t n = 0; n < run->incarnations.count; n++) {
        const sl_incarnation *i = incarnation_of(r, run, n);
        windows[n] = (sl_window){.is_visible = i->attempt <= attempt_max && is_in_force(r, run, i->attempt, lamport_max)};
        uint32_t attempt = i->attempt;
        while (windows[n].is_visible && (attempt = next_attempt(r, run, attempt, lamport_max)) != 0 && attempt <= attempt_max) {
            int64_t cut = 0;
            if (!is_in_force(r, run, attempt, lamport_max) || !cut_of(r, run, attempt, i->key_hash, lamport_max, &cut)) continue;
            if (!windows[n].has_end || cut < windows[n].step_end) windows[n].step_end = cut;
            windows[n].has_end = 1;
        }
    }
}
