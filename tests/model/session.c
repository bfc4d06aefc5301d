/* model/session.c: sessions, their ends by closing, kill and power cut, and readings. What an end leaves uncertain in
 * the oracle is settled by the next reading. */
#include "model/player.h"

#include "support/store_kit.h"

#include <stdlib.h>

enum { LOG_BYTES = 65536 };

/* ---- sessions ---- */

/* Whether the stream gave a reason for that failure: a fault may be anything, a full disk is only FULL (P3). */
static int may_fail_so(const player *p, steplog_status status)
{
    return p->has_fault || (p->is_full && status == STEPLOG_FULL);
}

steplog_store *store_of(player *p, uint32_t session)
{
    if (p->stores[session]) return p->stores[session];
    steplog_store_options options = {.size_bytes = sizeof options,
                                     .flags = STEPLOG_CREATE | STEPLOG_NO_THREAD | p->flags,
                                     .sync_interval_ms = p->sync_interval_ms,
                                     .log_bytes = LOG_BYTES};
    steplog_error why = {0};
    steplog_status status = steplog_store_open("store", &options, &p->stores[session], &why);
    if (status < 0 && !may_fail_so(p, status) && !is_dead(p))
        p->wrong = say_wrong("the store cannot be opened: %s", why.text);
    return status < 0 ? NULL : p->stores[session];
}

int is_dead(const player *p) { return sim_is_stopped(p->machine); }

void note_durable(player *p)
{
    if (is_dead(p)) return;
    for (int s = 0; s < SLOTS; s++) {
        if (p->slots[s] < 0) continue;
        model_writer *w = &p->o.writers[p->slots[s]];
        steplog_writer_stats stats = {.size_bytes = sizeof stats};
        steplog_writer_get_stats(w->handle, &stats);
        if (stats.durable_sequence > w->durable) w->durable = stats.durable_sequence;
    }
}

void close_slot(player *p, int slot, int exit_code)
{
    if (p->slots[slot] < 0) return;
    model_writer *w = &p->o.writers[p->slots[slot]];
    p->slots[slot] = -1;
    steplog_writer *handle = w->handle;
    w->handle = NULL;
    w->is_closed = 1;
    steplog_status status = steplog_writer_close(handle, exit_code, NULL);
    if (status >= 0 && !is_dead(p)) {
        w->durable = UINT64_MAX;
        w->end_is_sure = 1;
    } else if (!may_fail_so(p, status) && !is_dead(p) && !(status == STEPLOG_FAILED && w->had_failure))
        p->wrong = say_wrong("a writer's close gives %s", steplog_status_name(status));
}

void close_session(player *p, int session)
{
    for (int s = 0; s < SLOTS; s++)
        if (p->slots[s] >= 0 && p->o.writers[p->slots[s]].session == session) close_slot(p, s, 0);
    if (session == 0) {
        steplog_reader_close(p->reader);
        p->reader = NULL;
    }
    steplog_store_close(p->stores[session], NULL);
    p->stores[session] = NULL;
}

/* What the operation at hand did may be there or not. */
static void unsettle_operation(player *p)
{
    for (size_t i = p->mark; i < p->o.count; i++) {
        if (p->o.records[i].state == STATE_IS) p->o.records[i].state = STATE_MAYBE;
        p->o.records[i].is_durable = 0;
        if (p->o.records[i].writer < 0) p->o.runs[p->o.records[i].run].fact_writers++;
    }
    for (size_t w = p->writer_mark; w < p->o.writer_count; w++) p->o.writers[w].state = STATE_MAYBE;
    for (size_t w = 0; w < p->writer_mark; w++) {
        p->o.writers[w].durable = p->durable[w];
        p->o.writers[w].end_is_sure = p->end_is_sure[w];
    }
    p->may_be_unsettled = 1;
}

static void leave_process(player *p)
{
    for (int s = 0; s < SESSIONS; s++) close_session(p, s);
    p->has_kill = p->has_fault = 0;
}

void do_kill(player *p)
{
    if (is_dead(p)) unsettle_operation(p);
    sim_kill_begin(p->machine);
    leave_process(p);
    sim_kill_end(p->machine);
    sim_set_faults(p->machine, NULL, 0);
    p->result.kills++;
}

typedef struct cutter {
    test_random random;
    int style; /* 0: anything; 1: mostly lost; 2: mostly kept; 3: all lost; 4: all kept */
} cutter;

static uint32_t choose(void *context, uint32_t count, uint32_t newest)
{
    cutter *c = context;
    int is_free = c->style == 0 || (c->style < 3 && test_random_below(&c->random, 8) == 0);
    if (!is_free) return c->style == 1 || c->style == 3 ? 0 : newest;
    return (uint32_t)test_random_below(&c->random, count);
}

static void do_power(player *p, sim_crash *crash)
{
    oracle *o = &p->o;
    cutter c = {test_random_from(test_random_u64(&p->random)), (int)test_random_below(&p->random, 5)};
    sim *state = sim_crash_state(crash, 1, choose, &c);
    sim_crash_free(crash);
    sim_stop(p->machine);
    unsettle_operation(p);
    leave_process(p);
    sim_free(p->machine);
    p->machine = state;
    sim_use(state);
    p->is_full = p->has_cut = p->is_traced = p->has_trace = 0;
    p->clock_ns += 60000000000;
    for (size_t i = 0; i < o->count; i++) {
        record *r = &o->records[i];
        if (r->state == STATE_NOT || (r->writer < 0 ? r->is_durable : r->sequence <= o->writers[r->writer].durable))
            continue;
        if (r->state == STATE_IS) r->is_cut = r->writer >= 0 && r->sequence != UINT64_MAX;
        r->state = STATE_MAYBE;
    }
    for (size_t w = 0; w < o->writer_count; w++)
        if (o->writers[w].durable == 0 && o->writers[w].state == STATE_IS) o->writers[w].state = STATE_MAYBE;
    for (size_t run = 0; run < o->run_count; run++) {
        o->runs[run].ghost_writers += o->runs[run].gone_ghosts;
        o->runs[run].gone_ghosts = 0;
    }
    o->had_power_cut = 1;
    o->last_cut = o->count;
    p->result.power_cuts++;
}

/* After an operation: what was waiting for it may have happened. */
void settle_ends(player *p)
{
    sim_crash *crash = p->has_cut ? sim_take_crash(p->machine) : NULL;
    if (crash)
        do_power(p, crash);
    else if (is_dead(p))
        do_kill(p);
    if (p->has_fault) {
        p->result.faults += sim_fault_count(p->machine);
        sim_set_faults(p->machine, NULL, 0);
    }
}

void cut_now(player *p)
{
    p->mark = p->o.count;
    p->writer_mark = p->o.writer_count;
    sim_crash_at(p->machine, sim_point_count(p->machine) + 1, NULL, NULL);
    sim_point(p->machine);
    sim_crash *crash = sim_take_crash(p->machine);
    if (crash) do_power(p, crash);
}

void note_before(player *p)
{
    p->mark = p->o.count;
    p->writer_mark = p->o.writer_count;
    for (size_t w = 0; w < p->o.writer_count; w++) {
        p->durable[w] = p->o.writers[w].durable;
        p->end_is_sure[w] = p->o.writers[w].end_is_sure;
    }
}

/* What waits for a later moment comes now: reading is not disturbed. */
static void hurry(player *p)
{
    if (p->has_cut) cut_now(p);
    if (p->has_kill) {
        note_before(p);
        do_kill(p);
    }
}

/* ---- reading ---- */

void read_all(player *p, int is_lasting)
{
    steplog_store *store = NULL;
    steplog_reader *reader = NULL;
    steplog_error why = {0};
    hurry(p);
    sim_set_faults(p->machine, NULL, 0);
    p->has_fault = 0;
    p->may_be_unsettled = 0;
    p->result.reads++;
    if (is_lasting) {
        if (!store_of(p, 0)) return;
        steplog_status status = p->reader ? steplog_reader_refresh(p->reader, &why)
                                          : steplog_reader_open(p->stores[0], &p->reader, &why);
        p->wrong = status < 0 ? say_wrong("a lasting reader: %s", why.text)
                              : check_all(&p->o, p->reader, test_random_u64(&p->random));
        return;
    }
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_READ_ONLY | STEPLOG_NO_THREAD};
    steplog_status status = steplog_store_open("store", &options, &store, &why);
    if (status == STEPLOG_MISSING) { /* a power cut before anything was durable */
        for (size_t i = 0; i < p->o.count && !p->wrong; i++) {
            if (p->o.records[i].state == STATE_IS) p->wrong = "there is no store any more";
            p->o.records[i].state = STATE_NOT;
        }
        for (size_t w = 0; w < p->o.writer_count; w++) p->o.writers[w].state = STATE_NOT;
        oracle_note_gone(&p->o);
        return;
    }
    if (status >= 0) status = steplog_reader_open(store, &reader, &why);
    p->wrong = status < 0 ? say_wrong("the store cannot be read: %s", why.text)
                          : check_all(&p->o, reader, test_random_u64(&p->random));
    steplog_reader_close(reader);
    steplog_store_close(store, NULL);
}

void settle(player *p)
{
    if (p->may_be_unsettled && !p->wrong) read_all(p, 0);
}

/* A call that failed for no reason that the stream gave it is wrong. */
int state_of(player *p, steplog_status status)
{
    if (status >= 0) return STATE_IS;
    if (is_dead(p)) return STATE_MAYBE;
    if (status == STEPLOG_FULL) p->result.refused++;
    if (status == STEPLOG_FULL && p->is_full && !p->has_fault) return STATE_NOT;
    if (!may_fail_so(p, status) && status != STEPLOG_FAILED)
        p->wrong = say_wrong("a call gives %s", steplog_status_name(status));
    p->may_be_unsettled = 1;
    return STATE_MAYBE;
}

int64_t step_of(uint32_t x)
{
    if (x % 200 == 199) return INT64_MAX;
    if (x % 200 == 198) return INT64_MIN;
    if (x % 200 == 197) return (int64_t)1 << 40;
    return (int64_t)(x % 50) - 5;
}
