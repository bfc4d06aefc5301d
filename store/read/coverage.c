/* read/coverage.c: which file each record of an incarnation is read from.
 *
 * Segments are asked from the highest level downward, then logs, and each record is taken from the first that has it.
 * Where files overlap, a segment whose copy of a record is damaged leaves it to the next one; a record that no file has
 * whole stays with the first, so that whoever reads it tells of the damage. */
#include "read/reader.h"

#include "base/error.h"

static steplog_status no_memory(steplog_error *err)
{
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read a run");
}

static int held_by(const sl_source *source, sl_ranges *held, sl_ranges *dropped)
{
    if (source->segment) return sl_segment_ranges(source->segment, source->writer, held, dropped);
    /* A log that failed to sync may end within a text that the next one has whole. */
    return sl_ranges_copy(held, &source->log->held) && sl_ranges_subtract(held, &source->log->parts);
}

/* set loses what other does not have. */
static int intersect(sl_ranges *set, const sl_ranges *other)
{
    sl_ranges outside = {0};
    int is_good = sl_ranges_copy(&outside, set) && sl_ranges_subtract(&outside, other) &&
                  sl_ranges_subtract(set, &outside);
    SL_VEC_FREE(&outside);
    return is_good;
}

/* The numbers that several files hold: mostly none. */
static int find_shared(const sl_incarnation *i, sl_ranges *shared)
{
    sl_ranges all = {0}, held = {0}, fresh = {0};
    int is_good = 1;
    for (size_t s = 0; s < i->sources.count && is_good; s++) {
        held.count = 0;
        is_good = held_by(&i->sources.items[s], &held, NULL) && sl_ranges_copy(&fresh, &held) &&
                  sl_ranges_subtract(&fresh, &all) && sl_ranges_add_all(&all, &fresh);
        if (is_good && sl_ranges_count(&fresh) < sl_ranges_count(&held))
            is_good = sl_ranges_subtract(&held, &fresh) && sl_ranges_add_all(shared, &held);
    }
    SL_VEC_FREE(&all);
    SL_VEC_FREE(&held);
    SL_VEC_FREE(&fresh);
    return is_good;
}

/* Takes away from what a segment would be asked for what it can not give and another file may. */
static steplog_status leave_broken(sl_source *source, const sl_ranges *shared, steplog_error *err)
{
    const sl_ranges *broken;
    sl_ranges left = {0};
    int is_good = sl_ranges_copy(&left, &source->assigned) && intersect(&left, shared);
    steplog_status status = is_good ? STEPLOG_OK : no_memory(err);
    if (is_good && left.count) {
        status = sl_segment_broken(source->segment, source->writer, &broken, err);
        if (status >= 0 && (!intersect(&left, broken) || !sl_ranges_subtract(&source->assigned, &left)))
            status = no_memory(err);
    }
    SL_VEC_FREE(&left);
    return status;
}

/* A record that each file left to the others: the first one tells of the damage. */
static int assign_rest(sl_incarnation *i, sl_ranges *rest)
{
    sl_ranges held = {0};
    int is_good = sl_ranges_subtract(rest, &i->covered);
    for (size_t s = 0; s < i->sources.count && is_good && rest->count; s++) {
        sl_source *source = &i->sources.items[s];
        held.count = 0;
        is_good = held_by(source, &held, NULL) && intersect(&held, rest) &&
                  sl_ranges_add_all(&source->assigned, &held) && sl_ranges_add_all(&i->covered, &held) &&
                  sl_ranges_subtract(rest, &held);
    }
    SL_VEC_FREE(&held);
    return is_good;
}

steplog_status sl_incarnation_assign(sl_incarnation *i, steplog_error *err)
{
    sl_ranges shared = {0}, dropped = {0};
    steplog_status status = find_shared(i, &shared) ? STEPLOG_OK : no_memory(err);
    for (size_t s = 0; s < i->sources.count && status >= 0; s++) {
        sl_source *source = &i->sources.items[s];
        source->assigned.count = dropped.count = 0;
        if (!held_by(source, &source->assigned, &dropped) || !sl_ranges_subtract(&source->assigned, &i->covered))
            status = no_memory(err);
        if (status >= 0 && source->segment && shared.count) status = leave_broken(source, &shared, err);
        if (status >= 0 && (!sl_ranges_add_all(&i->covered, &source->assigned) ||
                            !sl_ranges_add_all(&i->covered, &dropped) || !sl_ranges_add_all(&i->dropped, &dropped)))
            status = no_memory(err);
    }
    if (status >= 0 && shared.count && !assign_rest(i, &shared)) status = no_memory(err);
    for (size_t s = 0; s < i->sources.count && status >= 0; s++) /* nothing is missing there */
        if (i->sources.items[s].log && !sl_ranges_add_all(&i->covered, &i->sources.items[s].log->parts))
            status = no_memory(err);
    SL_VEC_FREE(&shared);
    SL_VEC_FREE(&dropped);
    return status;
}

/* ---- what can be relied on ---- */

/* out gains what a segment has of the wanted numbers, readable or dropped on purpose. Its blocks are read only when it
 * has any. */
static steplog_status add_whole(const sl_source *source, const sl_ranges *wanted, sl_ranges *out, steplog_error *err)
{
    const sl_ranges *broken;
    sl_ranges held = {0}, dropped = {0};
    int is_good = sl_segment_ranges(source->segment, source->writer, &held, &dropped) &&
                  sl_ranges_add_all(out, &dropped) && intersect(&held, wanted);
    steplog_status status = is_good && held.count ? sl_segment_broken(source->segment, source->writer, &broken, err)
                                                  : STEPLOG_OK;
    if (is_good && held.count && status >= 0) is_good = sl_ranges_subtract(&held, broken);
    if (status >= 0 && !(is_good && sl_ranges_add_all(out, &held))) status = no_memory(err);
    SL_VEC_FREE(&held);
    SL_VEC_FREE(&dropped);
    return status;
}

steplog_status sl_incarnation_whole(const sl_incarnation *i, const sl_ranges *wanted, sl_ranges *out,
                                    steplog_error *err)
{
    for (size_t s = 0; s < i->sources.count; s++)
        if (i->sources.items[s].segment) SL_TRY(add_whole(&i->sources.items[s], wanted, out, err));
    return STEPLOG_OK;
}
