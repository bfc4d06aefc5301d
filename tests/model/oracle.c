/* model/oracle.c: what a list of records means, by FORMAT.md 12. Written from the text, not from the store. */
#include "model/model.h"

#include "support/store_kit.h"

#include <stdlib.h>
#include <string.h>

record *oracle_add(oracle *o, record_kind kind, int state, int run, int writer)
{
    if (o->count == o->capacity) {
        o->capacity = o->capacity ? o->capacity * 2 : 256;
        o->records = realloc(o->records, o->capacity * sizeof *o->records);
        if (!o->records) abort();
    }
    record *r = &o->records[o->count++];
    *r = (record){.kind = (uint8_t)kind,
                  .state = (uint8_t)state,
                  .run = run,
                  .writer = writer,
                  .time_ns = STEPLOG_TIME_NOW,
                  .is_durable = state == STATE_IS};
    return r;
}

uint32_t group_of(const model_writer *w) { return w->rank + (w->description_is_lost ? 0 : 2 * w->label); }

double value_of(uint32_t v, unsigned metric) { return kit_value(7, 1, v, metric); }

int removal_in_force(const oracle *o, size_t index)
{
    const record *r = &o->records[index];
    return r->state == STATE_IS && (r->is_partial || !(r->target && o->records[r->target - 1].state == STATE_IS));
}

void oracle_note_gone(oracle *o)
{
    for (size_t i = 0; i < o->count; i++)
        if (o->records[i].state == STATE_NOT && !o->records[i].gone_at) o->records[i].gone_at = o->count;
}

/* A removal covers a writer's records up to the last number that it knows of: not what was lost then and came back. */
static int is_known_to(const record *r, size_t removal)
{
    return !r->back_at || removal < r->gone_at || removal >= r->back_at;
}

static int is_of(const oracle *o, const record *r, const steplog_id *incarnation)
{
    const steplog_id *id = r->writer >= 0 ? &o->writers[r->writer].id : r->is_known ? &r->id : NULL;
    return id && memcmp(id, incarnation, sizeof *id) == 0;
}

/* What a tombstone (mask 0: of whole records) leaves of a record. */
static uint8_t left_by(const record *r, const record *removal, uint8_t mask)
{
    if (!mask && !removal->has_steps)
        return r->kind == REC_UNDO || r->kind == REC_REMOVAL || r->kind == REC_UNREMOVE ? r->seen : 0;
    if (r->kind != REC_ROW || (removal->has_steps && !is_in_removal(removal, r->step)))
        return r->seen;
    return mask ? r->seen & (uint8_t)~mask : 0;
}

void oracle_refresh(oracle *o)
{
    for (size_t i = 0; i < o->count; i++) o->records[i].seen = o->records[i].kind == REC_ROW ? o->records[i].mask : 1;
    for (size_t at = 0; at < o->count; at++) {
        const record *t = &o->records[at];
        if (t->kind != REC_REMOVAL || !removal_in_force(o, at)) continue;
        for (size_t i = 0; i < at; i++) {
            record *r = &o->records[i];
            if (r->run != t->run || !is_known_to(r, at)) continue;
            if (!t->is_partial) r->seen = left_by(r, t, t->is_whole ? 0 : t->mask);
            for (size_t n = 0; t->is_partial && n < t->part_count; n++)
                if (!t->parts[n].is_undone && is_of(o, r, &t->parts[n].target))
                    r->seen = left_by(r, t, t->parts[n].mask);
        }
    }
}

/* before: only records before that one count. */
int rewind_in_force(const oracle *o, size_t index, size_t before)
{
    for (size_t i = index + 1; i < o->count && i < before; i++)
        if (o->records[i].kind == REC_UNDO && o->records[i].state == STATE_IS && o->records[i].target == index)
            return 0;
    return 1;
}

const record *fork_of(const oracle *o, int run)
{
    for (size_t i = 0; i < o->count; i++)
        if (o->records[i].kind == REC_FORK && o->records[i].run == run && o->records[i].state == STATE_IS)
            return o->records[i].seen ? &o->records[i] : NULL;
    return NULL;
}

/* A fork sees its parent's facts up to a Lamport number. When a power cut takes the last of these their numbers are
 * given out again, and what the parent does then may count for the fork (FORMAT.md 12.4 goes by numbers alone). */
static int fork_is_unclear(const oracle *o, const record *fork)
{
    size_t at = (size_t)(fork - o->records);
    if (at >= o->last_cut) return 0;
    for (size_t i = at + 1; i < o->count; i++)
        if (o->records[i].run == (int)fork->target &&
            (o->records[i].kind == REC_REWIND || o->records[i].kind == REC_UNDO))
            return 1;
    return 0;
}

int is_unclear(const oracle *o, int run)
{
    for (size_t i = 0; i < o->count; i++)
        if (o->records[i].run == run && o->records[i].state == STATE_MAYBE) return 1;
    const record *fork = fork_of(o, run);
    return fork ? fork_is_unclear(o, fork) || is_unclear(o, (int)fork->target) : 0;
}

static int is_rewind_to(const oracle *o, size_t i, int run, uint32_t attempt, size_t before)
{
    const record *r = &o->records[i];
    return r->kind == REC_REWIND && r->run == run && r->state == STATE_IS && r->attempt == attempt && i < before &&
           r->seen;
}

static int attempt_in_force(const oracle *o, int run, uint32_t attempt, size_t before)
{
    int exists = 0, opened = 0, in_force = 0;
    for (size_t w = 0; w < o->writer_count; w++)
        exists |= o->writers[w].run == run && o->writers[w].attempt == attempt && o->writers[w].state == STATE_IS;
    for (size_t i = 0; i < o->count; i++)
        if (is_rewind_to(o, i, run, attempt, before)) {
            opened = 1;
            in_force |= rewind_in_force(o, i, before);
        }
    return opened ? in_force : exists;
}

static uint32_t attempt_limit(const oracle *o, int run)
{
    uint32_t limit = 0;
    for (size_t w = 0; w < o->writer_count; w++)
        if (o->writers[w].run == run && o->writers[w].attempt > limit) limit = o->writers[w].attempt;
    for (size_t i = 0; i < o->count; i++)
        if (o->records[i].kind == REC_REWIND && o->records[i].run == run && o->records[i].attempt > limit)
            limit = o->records[i].attempt;
    return limit;
}

uint32_t highest_attempt(const oracle *o, int run)
{
    for (uint32_t a = attempt_limit(o, run); a > 0; a--)
        if (attempt_in_force(o, run, a, SIZE_MAX)) return a;
    return 0;
}

static void lower(int64_t *cut, int *has_cut, int64_t step)
{
    if (!*has_cut || step < *cut) *cut = step;
    *has_cut = 1;
}

static int may_be_freed(const oracle *o, int run)
{
    for (size_t i = 0; i < o->count; i++)
        if (o->records[i].kind == REC_REMOVAL && o->records[i].run == run && o->records[i].may_be_freed) return 1;
    return 0;
}

/* A removed row counts as logged until a compaction leaves it out (FORMAT.md 12.4); whether one has is not known. */
static int cut_is_unclear;

static int has_group_in(const oracle *o, int run, uint32_t attempt, uint32_t group)
{
    int has_group = 0;
    for (size_t w = 0; w < o->writer_count; w++) {
        const model_writer *x = &o->writers[w];
        has_group |= x->run == run && x->attempt == attempt && x->state == STATE_IS && group_of(x) == group;
    }
    return has_group;
}

/* What rewinds and resume steps say. 0: nothing. */
static int said_cut_of(const oracle *o, int run, uint32_t attempt, uint32_t group, size_t before, int64_t *cut)
{
    int has_cut = 0, has_group = has_group_in(o, run, attempt, group);
    for (size_t i = 0; i < o->count; i++)
        if (is_rewind_to(o, i, run, attempt, before) && rewind_in_force(o, i, before))
            lower(cut, &has_cut, o->records[i].step);
    for (size_t w = 0; w < o->writer_count; w++) {
        const model_writer *x = &o->writers[w];
        if (x->run == run && x->attempt == attempt && x->state == STATE_IS && x->is_resume && !x->description_is_lost &&
            (!has_group || group_of(x) == group))
            lower(cut, &has_cut, x->resume_step);
    }
    return has_cut;
}

/* 0: it cuts nothing. */
static int cut_of(const oracle *o, int run, uint32_t attempt, uint32_t group, size_t before, int64_t *cut)
{
    if (said_cut_of(o, run, attempt, group, before, cut)) return 1;
    int64_t kept_cut = 0;
    int has_cut = 0, has_kept = 0, has_group = has_group_in(o, run, attempt, group);
    for (size_t i = 0; i < o->count; i++) {
        const record *r = &o->records[i];
        if (r->kind != REC_ROW || r->run != run || r->state != STATE_IS) continue;
        const model_writer *x = &o->writers[r->writer];
        if (x->attempt != attempt || (has_group && group_of(x) != group)) continue;
        lower(cut, &has_cut, r->step);
        if (r->seen || !may_be_freed(o, run)) lower(&kept_cut, &has_kept, r->step);
    }
    if (has_cut && (!has_kept || kept_cut != *cut)) cut_is_unclear = 1;
    return has_cut;
}

typedef struct collector {
    const oracle *o;
    uint32_t group;
    unsigned metric;
    int all_attempts;
    seen_point *points;
    size_t count, capacity;
} collector;

static void collect(collector *c, int run, uint32_t attempt_max, size_t before, int is_bounded, int64_t bound,
                    int depth)
{
    const oracle *o = c->o;
    enum { ATTEMPTS_MAX = 512 };
    int64_t cuts[ATTEMPTS_MAX];
    uint8_t in_force[ATTEMPTS_MAX], has_cut[ATTEMPTS_MAX];
    uint32_t limit = attempt_limit(o, run);
    if (limit > attempt_max) limit = attempt_max;
    if (limit >= ATTEMPTS_MAX) abort();
    for (uint32_t a = 0; a <= limit; a++) {
        in_force[a] = (uint8_t)attempt_in_force(o, run, a, before);
        has_cut[a] = in_force[a] && cut_of(o, run, a, c->group, before, &cuts[a]);
    }
    for (size_t i = 0; i < o->count; i++) {
        const record *r = &o->records[i];
        if (r->kind != REC_ROW || r->run != run || r->state != STATE_IS || group_of(&o->writers[r->writer]) != c->group)
            continue;
        uint32_t attempt = o->writers[r->writer].attempt;
        if (attempt > limit || (is_bounded && r->step >= bound) || !(r->seen >> c->metric & 1)) continue;
        int is_shown = c->all_attempts || in_force[attempt];
        for (uint32_t a = attempt + 1; a <= limit && is_shown && !c->all_attempts; a++)
            if (has_cut[a] && r->step >= cuts[a]) is_shown = 0;
        if (!is_shown) continue;
        if (c->count == c->capacity) {
            c->capacity = c->capacity ? c->capacity * 2 : 64;
            c->points = realloc(c->points, c->capacity * sizeof *c->points);
            if (!c->points) abort();
        }
        c->points[c->count++] = (seen_point){r->step, i, depth};
    }
    const record *fork = fork_of(o, run);
    if (!fork) return;
    int64_t parent_bound = is_bounded && bound < fork->step_end ? bound : fork->step_end;
    for (uint32_t a = 0; a <= limit && !c->all_attempts; a++) {
        int64_t said;
        if (in_force[a] && said_cut_of(o, run, a, c->group, before, &said) && said < parent_bound) parent_bound = said;
    }
    collect(c, (int)fork->target, fork->attempt, (size_t)(fork - o->records), 1, parent_bound, depth + 1);
}

static const oracle *sorting;

static int compare_points(const void *a, const void *b)
{
    const seen_point *x = a, *y = b;
    const record *p = &sorting->records[x->record], *q = &sorting->records[y->record];
    const model_writer *v = &sorting->writers[p->writer], *w = &sorting->writers[q->writer];
    if (x->step != y->step) return x->step < y->step ? -1 : 1;
    if (x->depth != y->depth) return x->depth > y->depth ? -1 : 1; /* a parent's first */
    if (v->attempt != w->attempt) return v->attempt < w->attempt ? -1 : 1;
    int order = memcmp(&v->id, &w->id, sizeof v->id);
    if (order) return order;
    return x->record < y->record ? -1 : 1;
}

seen_point *oracle_series(const oracle *o, int run, uint32_t group, unsigned metric, int all_attempts, size_t *count,
                          int *is_unclear)
{
    collector c = {.o = o, .group = group, .metric = metric, .all_attempts = all_attempts};
    cut_is_unclear = 0;
    collect(&c, run, UINT32_MAX, SIZE_MAX, 0, 0, 0);
    *is_unclear |= cut_is_unclear;
    sorting = o;
    if (c.count) qsort(c.points, c.count, sizeof *c.points, compare_points);
    *count = c.count;
    return c.points;
}
