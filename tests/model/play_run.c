/* model/play_run.c: operations on a run, without a writer. */
#include "model/player.h"

#include <stdlib.h>

/* What a run is not sure of any more is not looked at, nor are its forks. */
static void give_up_run(player *p, int run)
{
    p->o.runs[run].exists = -1;
    for (size_t i = 0; i < p->o.count; i++)
        if (p->o.records[i].kind == REC_FORK && (int)p->o.records[i].target == run &&
            p->o.runs[p->o.records[i].run].exists > 0)
            give_up_run(p, p->o.records[i].run);
}

/* A run of which something is seen is there, and so is what matches it: MISSING is wrong then. selected: NULL, or the
 * removal that is to match. Everything was settled before. */
static void check_missing(player *p, int run, const record *selected)
{
    const oracle *o = &p->o;
    for (size_t i = 0; i < o->count && !p->has_fault && !is_dead(p); i++) {
        const record *r = &o->records[i];
        if (r->run != run || r->state != STATE_IS || !r->seen || r->kind == REC_UNDO || r->kind == REC_REMOVAL ||
            r->kind == REC_UNREMOVE)
            continue;
        int is_any = !selected || (selected->is_whole && !selected->has_steps);
        if (!is_any && (r->kind != REC_ROW || (!selected->is_whole && !(r->seen & selected->mask)) ||
                        (selected->has_steps && !is_in_removal(selected, r->step))))
            continue;
        p->wrong = say_wrong("run %d: a call gives MISSING, and record %zu of kind %d is there", run, i, r->kind);
        return;
    }
}

static int has_live_writer(const oracle *o, int run)
{
    for (size_t w = 0; w < o->writer_count; w++)
        if (o->writers[w].run == run && o->writers[w].handle) return 1;
    return 0;
}

static void do_fork(player *p, steplog_store *store, int run, const op *x)
{
    oracle *o = &p->o;
    if (o->run_count == RUNS_MAX) return;
    char key[16];
    snprintf(key, sizeof key, "fork %u", (unsigned)x->d);
    steplog_id id;
    int64_t step = step_of(x->c);
    uint32_t attempt = highest_attempt(o, run);
    steplog_status status = steplog_run_fork(store, &o->runs[run].id, step, key, NULL, &id, NULL);
    if (status == STEPLOG_MISSING) check_missing(p, run, NULL);
    if (status == STEPLOG_MISSING) return;
    if (state_of(p, status) != STATE_IS) return;
    int child = (int)o->run_count++;
    o->runs[child] = (model_run){.exists = 1, .id = id};
    record *r = oracle_add(o, REC_FORK, STATE_IS, child, -1);
    r->target = (size_t)run;
    r->attempt = attempt;
    r->step_end = step;
    for (size_t w = 0; w < o->writer_count; w++) /* one that died and recorded nothing may be there or not */
        r->bytes |= o->writers[w].run == run && !o->writers[w].handle && !o->writers[w].end_is_sure &&
                    o->writers[w].attempt >= attempt;
}

static void do_rewind(player *p, steplog_store *store, int run, const op *x)
{
    uint32_t attempt = 0;
    steplog_status status = steplog_run_rewind(store, &p->o.runs[run].id, step_of(x->c), &attempt, NULL);
    if (status == STEPLOG_MISSING) check_missing(p, run, NULL);
    if (status == STEPLOG_MISSING) return;
    record *r = oracle_add(&p->o, REC_REWIND, state_of(p, status), run, -1);
    r->step = step_of(x->c);
    r->attempt = status >= 0 ? attempt : 0;
}

static void do_rewind_undo(player *p, steplog_store *store, int run)
{
    oracle *o = &p->o;
    size_t target = SIZE_MAX;
    oracle_refresh(o);
    for (size_t i = 0; i < o->count; i++)
        if (o->records[i].kind == REC_REWIND && o->records[i].run == run && o->records[i].state == STATE_IS &&
            o->records[i].seen && rewind_in_force(o, i, SIZE_MAX))
            target = i;
    uint32_t attempt = 0;
    steplog_status status = steplog_run_rewind_undo(store, &o->runs[run].id, &attempt, NULL);
    if (status == STEPLOG_MISSING && target == SIZE_MAX) return;
    if (status == STEPLOG_MISSING)
        p->wrong = say_wrong("run %d: the rewind to attempt %u cannot be undone", run, o->records[target].attempt);
    else if (target == SIZE_MAX && status >= 0)
        p->wrong = say_wrong("run %d: a rewind to attempt %u was undone that was not in force", run, attempt);
    else if (target != SIZE_MAX && status >= 0 && attempt != o->records[target].attempt)
        p->wrong = say_wrong("run %d: attempt %u was undone, not %u", run, attempt, o->records[target].attempt);
    if (target == SIZE_MAX || p->wrong) return;
    record *r = oracle_add(o, REC_UNDO, state_of(p, status), run, -1);
    r->target = target;
}

static void do_remove(player *p, steplog_store *store, int run, const op *x)
{
    static const char *const selectors[] = {NULL, NULL, "a", "c", "b", "*"};
    static const uint8_t masks[] = {0, 0, 1, 4, 2, 15};
    uint32_t how = x->a / 16 % 6;
    int64_t begin = step_of(x->c), end = begin > INT64_MAX - 40 ? INT64_MAX : begin + (int64_t)(x->d % 30);
    steplog_remove_options options = {
        .size_bytes = sizeof options, .run = p->o.runs[run].id, .selector = selectors[how]};
    if (how != 0 && how != 4)
        options.has_begin = options.has_end = 1, options.step_begin = begin, options.step_end = end;
    steplog_remove_result result = {.size_bytes = sizeof result};
    steplog_status status = steplog_remove(store, &options, &result, NULL);
    record removal = {.mask = masks[how],
                      .is_whole = !selectors[how],
                      .has_steps = (uint8_t)options.has_begin,
                      .step = begin,
                      .step_end = end};
    if (status == STEPLOG_MISUSE && begin >= end) return;
    if (status == STEPLOG_BUSY && (how != 0 || !has_live_writer(&p->o, run)))
        p->wrong = say_wrong("run %d: a removal gives BUSY", run);
    if (status == STEPLOG_MISSING) check_missing(p, run, &removal);
    if (status == STEPLOG_MISSING || status == STEPLOG_BUSY) return;
    record *r = oracle_add(&p->o, REC_REMOVAL, state_of(p, status), run, -1);
    r->mask = removal.mask;
    r->is_whole = removal.is_whole;
    r->has_steps = removal.has_steps;
    r->step = removal.step;
    r->step_end = removal.step_end;
    r->time_ns = p->clock_ns;
}

static void do_remove_undo(player *p, steplog_store *store, int run)
{
    oracle *o = &p->o;
    uint64_t restored = 0;
    size_t place = o->count, count = 0;
    int is_sure = 1;
    for (size_t i = 0; i < o->count; i++) {
        record *r = &o->records[i];
        if (r->kind != REC_REMOVAL || r->run != run || !removal_in_force(o, i)) continue;
        int64_t age = p->clock_ns - r->time_ns;
        if (age > 24 * HOUR_NS + HOUR_NS / 2) continue;
        is_sure &= !r->may_be_freed && age < 24 * HOUR_NS - HOUR_NS / 2;
        r->target = place + 1;
        count++;
    }
    record *r = oracle_add(o, REC_UNREMOVE, STATE_NOT, run, -1);
    steplog_status status = steplog_remove_undo(store, &o->runs[run].id, &restored, NULL);
    if (count && !is_sure) {
        give_up_run(p, run);
        return;
    }
    if (status == STEPLOG_MISSING) return; /* nothing was covered: the next reading tells */
    r->state = (uint8_t)state_of(p, status);
    r->is_durable = r->state == STATE_IS;
    if (!count && status >= 0)
        p->wrong = say_wrong("run %d: %llu removals were undone, none was in force", run, (unsigned long long)restored);
}

static void do_run_fact(player *p, steplog_store *store, int run, const op *x)
{
    char key[3] = {'k', (char)('0' + x->c % FACT_KEYS)}, value[32];
    snprintf(value, sizeof value, "value %u", (unsigned)x->d);
    steplog_pair pair = {key, value};
    steplog_status status = steplog_run_set_facts(store, &p->o.runs[run].id, &pair, 1, NULL);
    if (status == STEPLOG_MISSING) check_missing(p, run, NULL);
    if (status == STEPLOG_MISSING) return;
    record *r = oracle_add(&p->o, REC_SET, state_of(p, status), run, -1);
    r->key = x->c % FACT_KEYS;
    r->v = x->d;
    r->bytes = 1;
}

void do_on_run(player *p, const op *x)
{
    int run = (int)(x->b % p->o.run_count);
    if (x->kind == OP_remove) p->may_be_unsettled = 1; /* what is removed is to be known by its identity, see is_of() */
    settle(p);
    if (p->wrong || p->o.runs[run].exists <= 0) return;
    steplog_store *store = store_of(p, x->a % SESSIONS);
    if (!store) return;
    note_before(p);
    oracle_refresh(&p->o);
    if (x->kind == OP_fork) do_fork(p, store, run, x);
    if (x->kind == OP_rewind) do_rewind(p, store, run, x);
    if (x->kind == OP_rewind_undo) do_rewind_undo(p, store, run);
    if (x->kind == OP_remove) do_remove(p, store, run, x);
    if (x->kind == OP_remove_undo) do_remove_undo(p, store, run);
    if (x->kind == OP_run_fact) do_run_fact(p, store, run, x);
    p->o.runs[run].fact_writers += is_dead(p) || p->may_be_unsettled;
}
