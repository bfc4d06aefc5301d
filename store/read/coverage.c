/* read/coverage.c: which file each record of an incarnation is read from.
 *
 * Segments are asked from the highest level downward, then logs, and each record is taken from the first that has it.
 * Where files overlap, a segment whose copy of a record is damaged leaves it to the next one; a record that no file has
 * whole stays with the first, so that whoever reads it tells of the damage. Of an open gap, which goes on counting, the
 * copy is read that has counted furthest. What one file has dropped and another holds is read from that: an old copy
 * came back, or the parts of a text that one log had not whole yet. */
#include "read/reader.h"

#include "base/error.h"

#include <stdlib.h>

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

/* ---- who gives what ----
 *
 * Each range that a file holds or has dropped is a claim. One pass through the numbers, upward, keeps those that have
 * begun in a heap and gives each stretch to the first of them: by source, what is held before what was dropped. A
 * segment that can not read what is its turn, and that others hold as well, gives it up: its claim goes on behind that,
 * and what it gave up is claimed for it again after all others that hold it. However many sources and ranges there
 * are, each is looked at when it begins and when it ends. */

typedef struct claim {
    uint64_t begin, end;
    uint64_t rank; /* the source; the last resorts behind all others, then what was dropped, then what nobody has */
} claim;

typedef SL_VEC(claim) claim_heap;

#define LAST_RESORT ((uint64_t)1 << 62)
#define DROPPED ((uint64_t)1 << 63)
#define NOBODY_HAS UINT64_MAX /* parts of a text that is nowhere whole: nothing is missing there */

typedef struct assignment {
    sl_incarnation *incarnation;
    claim_heap waiting, begun; /* by begin, by rank */
    sl_ranges shared;          /* numbers that several files hold: mostly none */
    sl_ranges *unread;         /* for each source: the shared ones it does not give; those it can not, once asked */
    uint8_t *is_asked;
} assignment;

static int is_before(const claim *x, const claim *y, int by_rank)
{
    return by_rank ? x->rank < y->rank : x->begin < y->begin;
}

static int push_claim(claim_heap *heap, claim fresh, int by_rank)
{
    if (fresh.begin >= fresh.end) return 1;
    if (!SL_VEC_PUSH(heap, fresh)) return 0;
    size_t at = heap->count - 1;
    for (size_t up; at && is_before(&fresh, &heap->items[up = (at - 1) / 2], by_rank); at = up)
        heap->items[at] = heap->items[up];
    heap->items[at] = fresh;
    return 1;
}

static claim pop_claim(claim_heap *heap, int by_rank)
{
    claim first = heap->items[0], last = heap->items[--heap->count];
    size_t at = 0;
    for (size_t down; (down = 2 * at + 1) < heap->count; at = down) {
        if (down + 1 < heap->count && is_before(&heap->items[down + 1], &heap->items[down], by_rank)) down++;
        if (!is_before(&heap->items[down], &last, by_rank)) break;
        heap->items[at] = heap->items[down];
    }
    if (heap->count) heap->items[at] = last;
    return first;
}

/* Sorted, so that they are a heap by begin. */
static int compare_claims(const void *a, const void *b)
{
    const claim *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static int collect_claims(assignment *a)
{
    sl_incarnation *i = a->incarnation;
    sl_ranges held = {0}, dropped = {0};
    sl_range_pile all_dropped = {0};
    int is_good = 1;
    for (size_t s = 0; s < i->sources.count && is_good; s++) {
        i->sources.items[s].assigned.count = held.count = dropped.count = 0;
        const sl_source *source = &i->sources.items[s];
        is_good = held_by(source, &held, &dropped);
        for (size_t n = 0; source->log && n < source->log->parts.count && is_good; n++)
            is_good = SL_VEC_PUSH(&a->waiting, (claim){source->log->parts.items[n].begin,
                                                       source->log->parts.items[n].end, NOBODY_HAS});
        for (size_t n = 0; n < held.count && is_good; n++)
            is_good = SL_VEC_PUSH(&a->waiting, (claim){held.items[n].begin, held.items[n].end, s});
        for (size_t n = 0; n < dropped.count && is_good; n++)
            is_good = SL_VEC_PUSH(&a->waiting, (claim){dropped.items[n].begin, dropped.items[n].end, DROPPED}) &&
                      sl_range_pile_add(&all_dropped, dropped.items[n].begin, dropped.items[n].end);
    }
    sl_range_pile_settle(&all_dropped);
    is_good = is_good && sl_ranges_copy(&i->dropped, &all_dropped.set);
    if (a->waiting.count) qsort(a->waiting.items, a->waiting.count, sizeof *a->waiting.items, compare_claims);
    SL_VEC_FREE(&held);
    SL_VEC_FREE(&dropped);
    sl_range_pile_free(&all_dropped);
    return is_good;
}

/* The claims are sorted. */
static int find_shared(assignment *a)
{
    uint64_t end = 0;
    for (size_t n = 0; n < a->waiting.count; n++) {
        const claim *c = &a->waiting.items[n];
        if (c->rank >= DROPPED) continue;
        if (c->begin < end && !sl_ranges_add(&a->shared, c->begin, c->end < end ? c->end : end)) return 0;
        if (c->end > end) end = c->end;
    }
    return 1;
}

/* ---- open gaps ---- */

typedef struct gap_copy {
    uint64_t sequence, number;
    size_t source;
} gap_copy;

typedef SL_VEC(gap_copy) gap_copies;

static int compare_gaps(const void *a, const void *b)
{
    const gap_copy *x = a, *y = b;
    if (x->sequence != y->sequence) return x->sequence < y->sequence ? -1 : 1;
    return x->number > y->number ? -1 : x->number < y->number;
}

/* The gaps that a segment has and that other files have, too. Damage is told by whoever reads them. */
static steplog_status collect_gaps(const assignment *a, size_t source, gap_copies *out, steplog_error *err)
{
    sl_segment *segment = a->incarnation->sources.items[source].segment;
    const sl_writer_entry *w = segment ? &segment->writers.items[a->incarnation->sources.items[source].writer] : NULL;
    for (uint32_t n = 0; w && n < w->record_count; n++) {
        const sl_record_entry *entry = &segment->records.items[w->record_first + n];
        sl_record_prefix prefix;
        const uint8_t *content;
        sl_fact fact;
        if (entry->type != SL_ENTRY_FACT || entry->fact_kind != STEPLOG_EVENT_GAP ||
            !sl_ranges_has(&a->shared, entry->sequence))
            continue;
        steplog_status status = sl_segment_record(segment, entry, &prefix, &content, err);
        if (status < 0 && status != STEPLOG_CORRUPT) return status;
        if (status < 0 || !sl_fact_decode(content, entry->bytes, &fact)) continue;
        if (!SL_VEC_PUSH(out, (gap_copy){entry->sequence, (uint64_t)fact.number, source})) return no_memory(err);
    }
    return STEPLOG_OK;
}

/* A segment does not give a gap of which another one has counted further: it was sealed, or brought, in between. */
static steplog_status leave_gaps(assignment *a, steplog_error *err)
{
    gap_copies gaps = {0};
    steplog_status status = STEPLOG_OK;
    for (size_t s = 0; a->shared.count && s < a->incarnation->sources.count && status >= 0; s++)
        status = collect_gaps(a, s, &gaps, err);
    if (status >= 0 && gaps.count) qsort(gaps.items, gaps.count, sizeof *gaps.items, compare_gaps);
    uint64_t most = 0;
    for (size_t i = 0; i < gaps.count && status >= 0; i++) {
        const gap_copy *gap = &gaps.items[i];
        if (i == 0 || gap->sequence != gap[-1].sequence) most = gap->number;
        if (gap->number < most && !sl_ranges_add(&a->unread[gap->source], gap->sequence, gap->sequence + 1))
            status = no_memory(err);
    }
    SL_VEC_FREE(&gaps);
    return status;
}

/* What a segment can not give of what others hold as well. All its blocks are read for that, once. */
static steplog_status ask_segment(assignment *a, size_t source, steplog_error *err)
{
    sl_source *asked = &a->incarnation->sources.items[source];
    const sl_ranges *broken;
    if (a->is_asked[source]) return STEPLOG_OK;
    SL_TRY(sl_segment_broken(asked->segment, asked->writer, &broken, err));
    if (!sl_ranges_add_all(&a->unread[source], broken) || !intersect(&a->unread[source], &a->shared))
        return no_memory(err);
    a->is_asked[source] = 1;
    return STEPLOG_OK;
}

static steplog_status give(assignment *a, uint64_t begin, uint64_t end, uint64_t rank, steplog_error *err)
{
    sl_incarnation *i = a->incarnation;
    int is_good = sl_ranges_add(&i->covered, begin, end) &&
                  (rank >= DROPPED || sl_ranges_add(&i->sources.items[rank & ~LAST_RESORT].assigned, begin, end));
    return is_good ? STEPLOG_OK : no_memory(err);
}

/* Gives the numbers from *at on, before end, to the first claim that has begun, as far as it can. */
static steplog_status give_next(assignment *a, uint64_t *at, uint64_t end, steplog_error *err)
{
    const claim first = a->begun.items[0];
    const size_t source = (size_t)first.rank;
    if (first.end < end) end = first.end;
    if (first.rank < LAST_RESORT && a->incarnation->sources.items[source].segment &&
        sl_ranges_has_any(&a->shared, *at, end)) {
        SL_TRY(ask_segment(a, source, err));
        const sl_ranges *unread = &a->unread[source];
        uint64_t behind = sl_ranges_first_missing(unread, *at), next = sl_ranges_first_since(unread, *at);
        if (behind > *at) {
            pop_claim(&a->begun, 1);
            if (behind > first.end) behind = first.end;
            return push_claim(&a->waiting, (claim){behind, first.end, first.rank}, 0) &&
                           push_claim(&a->begun, (claim){*at, behind, first.rank | LAST_RESORT}, 1)
                       ? STEPLOG_OK
                       : no_memory(err);
        }
        if (next < end) end = next;
    }
    SL_TRY(give(a, *at, end, first.rank, err));
    *at = end;
    return STEPLOG_OK;
}

static steplog_status give_all(assignment *a, steplog_error *err)
{
    for (uint64_t at = 0;;) {
        while (a->begun.count && a->begun.items[0].end <= at) pop_claim(&a->begun, 1);
        if (a->begun.count == 0) {
            if (a->waiting.count == 0) return STEPLOG_OK;
            if (a->waiting.items[0].begin > at) at = a->waiting.items[0].begin;
        }
        while (a->waiting.count && a->waiting.items[0].begin <= at)
            if (!push_claim(&a->begun, pop_claim(&a->waiting, 0), 1)) return no_memory(err);
        if (a->begun.count == 0 || a->begun.items[0].end <= at) continue;
        SL_TRY(give_next(a, &at, a->waiting.count ? a->waiting.items[0].begin : UINT64_MAX, err));
    }
}

steplog_status sl_incarnation_assign(sl_incarnation *i, steplog_error *err)
{
    assignment a = {.incarnation = i};
    i->covered.count = 0;
    a.unread = sl_alloc_zero(i->sources.count, sizeof *a.unread);
    a.is_asked = sl_alloc_zero(i->sources.count, sizeof *a.is_asked);
    steplog_status status = a.unread && a.is_asked && collect_claims(&a) && find_shared(&a) ? leave_gaps(&a, err)
                                                                                           : no_memory(err);
    if (status >= 0) status = give_all(&a, err);
    for (size_t s = 0; a.unread && s < i->sources.count; s++) SL_VEC_FREE(&a.unread[s]);
    sl_free(a.unread);
    sl_free(a.is_asked);
    SL_VEC_FREE(&a.shared);
    SL_VEC_FREE(&a.waiting);
    SL_VEC_FREE(&a.begun);
    return status;
}

/* ---- what can be relied on ---- */

static int add_up_to(sl_ranges *out, const sl_ranges *set, uint64_t last)
{
    int is_good = 1;
    for (size_t n = 0; n < set->count && set->items[n].begin <= last && is_good; n++)
        is_good = sl_ranges_add(out, set->items[n].begin,
                                set->items[n].end - 1 <= last ? set->items[n].end : last + 1);
    return is_good;
}

/* out gains what a segment has of the wanted numbers, readable or dropped on purpose. Its blocks are read only when it
 * has any. */
static steplog_status add_whole(const sl_source *source, const sl_ranges *wanted, uint64_t dropped_last, sl_ranges *out,
                                steplog_error *err)
{
    const sl_ranges *broken;
    sl_ranges held = {0}, dropped = {0};
    int is_good = sl_segment_ranges(source->segment, source->writer, &held, &dropped) &&
                  add_up_to(out, &dropped, dropped_last) && intersect(&held, wanted);
    steplog_status status = is_good && held.count ? sl_segment_broken(source->segment, source->writer, &broken, err)
                                                  : STEPLOG_OK;
    if (is_good && held.count && status >= 0) is_good = sl_ranges_subtract(&held, broken);
    if (status >= 0 && !(is_good && sl_ranges_add_all(out, &held))) status = no_memory(err);
    SL_VEC_FREE(&held);
    SL_VEC_FREE(&dropped);
    return status;
}

steplog_status sl_incarnation_whole(const sl_incarnation *i, const sl_ranges *wanted, uint64_t dropped_last,
                                    sl_ranges *out, steplog_error *err)
{
    for (size_t s = 0; s < i->sources.count; s++)
        if (i->sources.items[s].segment) SL_TRY(add_whole(&i->sources.items[s], wanted, dropped_last, out, err));
    return STEPLOG_OK;
}

int sl_incarnation_parts(const sl_incarnation *i, sl_ranges *out)
{
    sl_ranges parts = {0}, whole = {0}, rest = {0};
    int is_good = 1;
    for (size_t s = 0; s < i->sources.count && is_good; s++) {
        const sl_log *log = i->sources.items[s].log;
        if (!log) continue;
        is_good = sl_ranges_add_all(&parts, &log->parts) && sl_ranges_copy(&rest, &log->held) &&
                  sl_ranges_subtract(&rest, &log->parts) && sl_ranges_add_all(&whole, &rest);
    }
    is_good = is_good && sl_ranges_subtract(&parts, &whole) && sl_ranges_add_all(out, &parts);
    SL_VEC_FREE(&parts);
    SL_VEC_FREE(&whole);
    SL_VEC_FREE(&rest);
    return is_good;
}
