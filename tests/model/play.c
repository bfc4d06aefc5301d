/* model/play.c: plays a stream on the machine in memory and on the oracle. */
#include "model/model.h"

#include "support/random.h"
#include "support/store_kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LOG_BYTES = 65536, CALLS_OF_A_KILL = 60, POINTS_OF_A_CUT = 60 };
#define HOUR_NS 3600000000000ll

typedef struct saved_file {
    char *path;
    uint8_t *data;
    uint64_t bytes;
} saved_file;

typedef struct player {
    oracle o;
    sim *machine;
    uint32_t flags;
    uint32_t sync_interval_ms;
    steplog_store *stores[SESSIONS];
    int slots[SLOTS]; /* a writer, or -1 */
    steplog_reader *reader; /* of session 0 */
    int64_t clock_ns;
    int is_traced, has_trace, is_full, has_fault, has_kill, has_cut;
    int may_be_unsettled;
    test_random random;
    /* before the operation */
    size_t mark, writer_mark;
    uint64_t durable[WRITERS_MAX];
    uint8_t end_is_sure[WRITERS_MAX];
    /* an old copy */
    saved_file *copy;
    size_t copy_count;
    uint8_t *copy_states;
    size_t copy_records;
    uint8_t copy_writers[WRITERS_MAX];
    size_t copy_writer_count;
    const char *wrong;
    play_result result;
} player;

/* ---- sessions ---- */

static steplog_store *store_of(player *p, uint32_t session)
{
    if (p->stores[session]) return p->stores[session];
    steplog_store_options options = {.size_bytes = sizeof options,
                                     .flags = STEPLOG_CREATE | STEPLOG_NO_THREAD | p->flags,
                                     .sync_interval_ms = p->sync_interval_ms,
                                     .log_bytes = LOG_BYTES};
    steplog_error why = {0};
    steplog_status status = steplog_store_open("store", &options, &p->stores[session], &why);
    if (status < 0 && !p->has_fault && !p->has_kill && !p->is_full) p->wrong = say_wrong("the store cannot be opened: %s", why.text);
    return status < 0 ? NULL : p->stores[session];
}

static int is_dead(const player *p) { return sim_is_stopped(p->machine); }

static void note_durable(player *p)
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

static void close_slot(player *p, int slot, int exit_code)
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
    } else if (!p->has_fault && !is_dead(p) && !p->is_full && !(status == STEPLOG_FAILED && w->had_failure))
        p->wrong = say_wrong("a writer's close gives %s", steplog_status_name(status));
}

static void close_session(player *p, int session)
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

static void do_kill(player *p)
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
        if (r->state == STATE_NOT || (r->writer < 0 ? r->is_durable : r->sequence <= o->writers[r->writer].durable)) continue;
        r->is_cut = r->writer >= 0 && r->sequence != UINT64_MAX;
        r->state = STATE_MAYBE;
    }
    for (size_t w = 0; w < o->writer_count; w++)
        if (o->writers[w].durable == 0 && o->writers[w].state == STATE_IS) o->writers[w].state = STATE_MAYBE;
    o->had_power_cut = 1;
    o->last_cut = o->count;
    p->result.power_cuts++;
}

/* After an operation: what was waiting for it may have happened. */
static void settle_ends(player *p)
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

static void cut_now(player *p)
{
    p->mark = p->o.count;
    p->writer_mark = p->o.writer_count;
    sim_crash_at(p->machine, sim_point_count(p->machine) + 1, NULL, NULL);
    sim_point(p->machine);
    sim_crash *crash = sim_take_crash(p->machine);
    if (crash) do_power(p, crash);
}

static void note_before(player *p)
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

static void read_all(player *p, int is_lasting)
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
        steplog_status status = p->reader ? steplog_reader_refresh(p->reader, &why) : steplog_reader_open(p->stores[0], &p->reader, &why);
        p->wrong = status < 0 ? say_wrong("a lasting reader: %s", why.text) : check_all(&p->o, p->reader, test_random_u64(&p->random));
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
    p->wrong = status < 0 ? say_wrong("the store cannot be read: %s", why.text) : check_all(&p->o, reader, test_random_u64(&p->random));
    steplog_reader_close(reader);
    steplog_store_close(store, NULL);
}

static void settle(player *p)
{
    if (p->may_be_unsettled && !p->wrong) read_all(p, 0);
}

/* ---- operations of a writer ---- */

static int64_t step_of(uint32_t x)
{
    if (x % 200 == 199) return INT64_MAX;
    if (x % 200 == 198) return INT64_MIN;
    if (x % 200 == 197) return (int64_t)1 << 40;
    return (int64_t)(x % 50) - 5;
}

static int64_t time_of(uint32_t x) { return x % 3 == 0 ? STEPLOG_TIME_NOW : x % 3 == 1 ? STEPLOG_TIME_NONE : 1600000000000000000ll + x; }

static model_writer *writer_at(player *p, uint32_t slot, int *w)
{
    *w = p->slots[slot % SLOTS];
    return *w < 0 ? NULL : &p->o.writers[*w];
}

/* A call that failed for no reason that the stream gave it is wrong. */
static int state_of(player *p, steplog_status status)
{
    if (status >= 0) return STATE_IS;
    if (is_dead(p)) return STATE_MAYBE;
    if (status == STEPLOG_FULL) p->result.refused++;
    if (status == STEPLOG_FULL && p->is_full && !p->has_fault) return STATE_NOT;
    if (!p->has_fault && !p->is_full && status != STEPLOG_FAILED) p->wrong = say_wrong("a call gives %s", steplog_status_name(status));
    p->may_be_unsettled = 1;
    return STATE_MAYBE;
}

static void end_call(player *p, uint32_t slot, steplog_status status)
{
    if (status >= 0 || is_dead(p)) return;
    model_writer *w = &p->o.writers[p->slots[slot % SLOTS]];
    if (status == STEPLOG_FAILED && !w->had_failure && !p->has_fault) p->wrong = "a writer has failed for no reason";
    w->had_failure = 1;
    if (status == STEPLOG_FAILED) {
        int had_fault = p->has_fault;
        p->has_fault = 1; /* it may fail */
        close_slot(p, (int)(slot % SLOTS), 1);
        p->has_fault = had_fault;
    }
}

static uint64_t last_sequence(const player *p, const model_writer *w) { return is_dead(p) ? UINT64_MAX : kit_stats(w->handle).last_sequence; }

static void do_open(player *p, const op *x)
{
    oracle *o = &p->o;
    if (p->slots[x->a % SLOTS] >= 0 || o->writer_count == WRITERS_MAX) return;
    int session = (int)(x->a / SLOTS % SESSIONS), run = (int)(x->b % o->run_count);
    steplog_store *store = store_of(p, (uint32_t)session);
    if (!store) return;
    char key[8] = {'r', (char)('0' + run)};
    static const steplog_pair label = {"split", "val"};
    model_writer w = {.session = session, .run = run, .rank = x->d >> 8 & 1, .label = (x->d >> 9) % 4 == 0, .state = STATE_IS};
    steplog_writer_options options = {.size_bytes = sizeof options, .rank = w.rank};
    if (run < KEYED_RUNS)
        options.run_key = key;
    else
        options.run_id = &o->runs[run].id;
    if (w.label) options.labels = &label, options.label_count = 1;
    if (x->c % 6 == 0) {
        settle(p);
        if (p->wrong || p->stores[session] != store) return;
        options.attempt = highest_attempt(o, run) + 1;
        options.is_resume = w.is_resume = x->d >> 1 & 1;
        options.resume_step = w.resume_step = w.is_resume ? step_of(x->d >> 12) : 0;
    }
    steplog_status status = steplog_writer_open(store, &options, &w.handle, NULL);
    if (status < 0) {
        state_of(p, status);
        o->ghost_writers += is_dead(p);
        return;
    }
    w.attempt = kit_stats(w.handle).attempt;
    w.id = kit_stats(w.handle).incarnation;
    o->runs[run].id = kit_run_of(w.handle);
    o->runs[run].exists |= run < KEYED_RUNS && o->runs[run].exists >= 0;
    p->slots[x->a % SLOTS] = (int)o->writer_count;
    o->writers[o->writer_count++] = w;
}

static int need_metric(player *p, model_writer *w, unsigned m, steplog_status *status)
{
    char name[2] = {(char)('a' + m)};
    if (!w->has_metric[m]) {
        *status = steplog_writer_metric(w->handle, name, 1, &w->metrics[m], NULL);
        if (*status < 0) state_of(p, *status);
        w->has_metric[m] = *status >= 0;
    }
    return w->has_metric[m];
}

static int need_schema(player *p, model_writer *w, uint8_t mask, steplog_schema *out, steplog_status *status)
{
    steplog_metric list[METRICS];
    size_t count = 0;
    for (unsigned m = 0; m < METRICS; m++) {
        if (!(mask >> m & 1)) continue;
        if (!need_metric(p, w, m, status)) return 0;
        list[count++] = w->metrics[m];
    }
    *status = steplog_writer_schema(w->handle, list, count, out, NULL);
    if (*status < 0) state_of(p, *status);
    return *status >= 0;
}

static void add_row(player *p, int w, int state, uint8_t mask, int64_t step, int64_t time_ns, uint32_t v, uint64_t sequence)
{
    record *r = oracle_add(&p->o, REC_ROW, state, p->o.writers[w].run, w);
    r->mask = mask;
    r->step = step;
    r->time_ns = time_ns;
    r->v = v;
    r->sequence = sequence;
}

static void do_rows(player *p, model_writer *w, int index, const op *x, uint8_t mask, steplog_schema schema, steplog_status *status)
{
    enum { ROWS_MAX = 400 };
    static int64_t steps[ROWS_MAX];
    static double values[ROWS_MAX * METRICS];
    size_t count = x->c % 12 == 0 ? x->d % ROWS_MAX + 1 : x->d % 12 + 1, at = 0;
    int64_t begin = step_of(x->b % 150), stride = (int64_t)(x->d >> 10 & 3) - 1;
    for (size_t i = 0; i < count; i++) {
        steps[i] = begin + stride * (int64_t)i;
        for (unsigned m = 0; m < METRICS; m++)
            if (mask >> m & 1) values[at++] = value_of(x->d + (uint32_t)i, m);
    }
    uint64_t before = kit_stats(w->handle).row_count;
    *status = steplog_writer_append_rows(w->handle, schema, count, steps, NULL, values);
    uint64_t done = *status >= 0 ? count : kit_stats(w->handle).row_count - before, last = last_sequence(p, w);
    int state = state_of(p, *status);
    for (size_t i = 0; i < count; i++)
        add_row(p, index, i < done ? STATE_IS : state, mask, steps[i], STEPLOG_TIME_NOW, x->d + (uint32_t)i,
                is_dead(p) ? UINT64_MAX : last - (done - i - 1));
}

static void do_append(player *p, const op *x)
{
    int index;
    model_writer *w = writer_at(p, x->a, &index);
    if (!w) return;
    uint8_t mask = (uint8_t)(x->c % 15 + 1), schema_mask = mask;
    int64_t step = step_of(x->b), time_ns = time_of(x->d >> 7);
    steplog_status status = STEPLOG_OK;
    steplog_schema schema;
    double values[METRICS] = {0};
    unsigned metric = x->c % METRICS;
    if (x->kind == OP_present) schema_mask |= (uint8_t)(x->d % 16);
    if (x->kind == OP_point ? !need_metric(p, w, metric, &status) : x->kind != OP_named && !need_schema(p, w, schema_mask, &schema, &status)) {
        end_call(p, x->a, status);
        return;
    }
    if (x->kind == OP_rows) {
        do_rows(p, w, index, x, mask, schema, &status);
        end_call(p, x->a, status);
        return;
    }
    if (x->kind == OP_point) {
        mask = (uint8_t)(1 << metric);
        status = steplog_writer_point(w->handle, w->metrics[metric], step, time_ns, value_of(x->d, metric));
    } else if (x->kind == OP_named) {
        static const char *const names[METRICS] = {"a", "b", "c", "d"};
        steplog_named named[METRICS];
        size_t count = 0;
        for (unsigned m = 0; m < METRICS; m++)
            if (mask >> m & 1) named[count++] = (steplog_named){names[m], value_of(x->d, m)};
        time_ns = STEPLOG_TIME_NOW;
        status = steplog_writer_log(w->handle, step, named, count);
    } else {
        uint64_t present = 0;
        size_t count = 0;
        for (unsigned m = 0; m < METRICS; m++) {
            if (!(schema_mask >> m & 1)) continue;
            if (mask >> m & 1) present |= (uint64_t)1 << count;
            values[count++] = value_of(x->d, m);
        }
        status = x->kind == OP_present ? steplog_writer_append_present(w->handle, schema, step, time_ns, values, &present)
                                       : steplog_writer_append(w->handle, schema, step, time_ns, values);
    }
    add_row(p, index, state_of(p, status), mask, step, time_ns, x->d, last_sequence(p, w));
    end_call(p, x->a, status);
}

static void do_text(player *p, const op *x)
{
    int index;
    if (!p->wrong) settle(p);
    model_writer *w = writer_at(p, x->a, &index);
    if (!w || p->wrong) return;
    note_before(p);
    steplog_status status;
    record r = {.v = x->d, .time_ns = STEPLOG_TIME_NOW};
    if (x->kind == OP_blob) {
        static uint8_t data[40000];
        char name[32];
        r.bytes = x->c % 8 == 0 ? x->d % 40000 : x->d % 200;
        r.step = step_of(x->b);
        snprintf(name, sizeof name, "blob %u", (unsigned)x->d);
        fill_blob(data, r.bytes, x->d);
        status = steplog_writer_blob(w->handle, name, r.step, STEPLOG_TIME_NOW, "image/png", data, r.bytes, NULL);
    } else {
        char key[3] = {'k', (char)('0' + x->b % FACT_KEYS)}, value[32];
        snprintf(value, sizeof value, "value %u", (unsigned)x->d);
        r.key = x->b % FACT_KEYS;
        r.bytes = x->kind == OP_fact;
        status = steplog_writer_set_fact(w->handle, key, r.bytes ? value : NULL, NULL);
    }
    record *added = oracle_add(&p->o, x->kind == OP_blob ? REC_BLOB : REC_SET, state_of(p, status), w->run, index);
    added->v = r.v;
    added->bytes = r.bytes;
    added->step = r.step;
    added->key = r.key;
    added->sequence = last_sequence(p, w);
    end_call(p, x->a, status);
}

/* ---- operations on a run ---- */

/* What a run is not sure of any more is not looked at, nor are its forks. */
static void give_up_run(player *p, int run)
{
    p->o.runs[run].exists = -1;
    for (size_t i = 0; i < p->o.count; i++)
        if (p->o.records[i].kind == REC_FORK && (int)p->o.records[i].target == run && p->o.runs[p->o.records[i].run].exists > 0)
            give_up_run(p, p->o.records[i].run);
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
    if (status == STEPLOG_MISSING || status == STEPLOG_MISUSE) return;
    if (state_of(p, status) != STATE_IS) return;
    int child = (int)o->run_count++;
    o->runs[child] = (model_run){.exists = 1, .id = id};
    record *r = oracle_add(o, REC_FORK, STATE_IS, child, -1);
    r->target = (size_t)run;
    r->attempt = attempt;
    r->step_end = step;
    for (size_t w = 0; w < o->writer_count; w++) /* one that died and recorded nothing may be there or not */
        r->bytes |= o->writers[w].run == run && !o->writers[w].handle && !o->writers[w].end_is_sure && o->writers[w].attempt >= attempt;
}

static void do_rewind(player *p, steplog_store *store, int run, const op *x)
{
    uint32_t attempt = 0;
    steplog_status status = steplog_run_rewind(store, &p->o.runs[run].id, step_of(x->c), &attempt, NULL);
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
        if (o->records[i].kind == REC_REWIND && o->records[i].run == run && o->records[i].state == STATE_IS && o->records[i].seen &&
            rewind_in_force(o, i, SIZE_MAX))
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
    steplog_remove_options options = {.size_bytes = sizeof options, .run = p->o.runs[run].id, .selector = selectors[how]};
    if (how != 0 && how != 4) options.has_begin = options.has_end = 1, options.step_begin = begin, options.step_end = end;
    steplog_remove_result result = {.size_bytes = sizeof result};
    steplog_status status = steplog_remove(store, &options, &result, NULL);
    if (status == STEPLOG_MISSING || status == STEPLOG_BUSY) return;
    if (status == STEPLOG_MISUSE && begin >= end) return;
    record *r = oracle_add(&p->o, REC_REMOVAL, state_of(p, status), run, -1);
    r->mask = masks[how];
    r->is_whole = !selectors[how];
    r->has_steps = (uint8_t)options.has_begin;
    r->step = begin;
    r->step_end = end;
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
    if (!count && status >= 0) p->wrong = say_wrong("run %d: %llu removals were undone, none was in force", run, (unsigned long long)restored);
}

static void do_run_fact(player *p, steplog_store *store, int run, const op *x)
{
    char key[3] = {'k', (char)('0' + x->c % FACT_KEYS)}, value[32];
    snprintf(value, sizeof value, "value %u", (unsigned)x->d);
    steplog_pair pair = {key, value};
    steplog_status status = steplog_run_set_facts(store, &p->o.runs[run].id, &pair, 1, NULL);
    if (status == STEPLOG_MISSING) return;
    record *r = oracle_add(&p->o, REC_SET, state_of(p, status), run, -1);
    r->key = x->c % FACT_KEYS;
    r->v = x->d;
    r->bytes = 1;
}

static void do_on_run(player *p, const op *x)
{
    int run = (int)(x->b % p->o.run_count);
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
    p->o.ghost_writers += is_dead(p); /* what it made before it could say that it holds only facts */
}

/* ---- operations on the store and the machine ---- */

static void do_compact(player *p, const op *x)
{
    steplog_store *store = store_of(p, x->a % SESSIONS);
    if (!store) return;
    steplog_compact_options options = {.size_bytes = sizeof options};
    if (x->b % 8 == 0) options.flags = STEPLOG_COMPACT_NOW;
    if (x->b % 8 == 1) options.flags = STEPLOG_COMPACT_LIGHT;
    state_of(p, steplog_store_compact(store, &options, NULL, NULL));
    for (size_t i = 0; i < p->o.count; i++)
        if (p->o.records[i].kind == REC_REMOVAL &&
            (options.flags == STEPLOG_COMPACT_NOW || p->clock_ns - p->o.records[i].time_ns > 23 * HOUR_NS))
            p->o.records[i].may_be_freed = 1;
}

static void free_copy(player *p)
{
    for (size_t i = 0; i < p->copy_count; i++) {
        free(p->copy[i].path);
        free(p->copy[i].data);
    }
    free(p->copy);
    free(p->copy_states);
    p->copy = NULL;
    p->copy_states = NULL;
    p->copy_count = 0;
}

static void take_file(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    player *p = context;
    while (*path == '/') path++;
    if (strncmp(path, "store/", 6) != 0) return;
    p->copy = realloc(p->copy, (p->copy_count + 1) * sizeof *p->copy);
    size_t length = strlen(path);
    saved_file *f = &p->copy[p->copy_count++];
    *f = (saved_file){malloc(length + 1), malloc(bytes + 1), bytes};
    snprintf(f->path, length + 1, "copy/%s", path + 6);
    if (bytes) memcpy(f->data, data, bytes);
}

static void do_copy(player *p)
{
    settle(p);
    if (p->wrong) return;
    free_copy(p);
    sim_each_file(p->machine, take_file, p);
    p->copy_records = p->o.count;
    p->copy_states = malloc(p->o.count + 1);
    for (size_t i = 0; i < p->o.count; i++) p->copy_states[i] = p->o.records[i].state;
    p->copy_writer_count = p->o.writer_count;
    for (size_t w = 0; w < p->o.writer_count; w++) p->copy_writers[w] = p->o.writers[w].state;
}

static void do_merge(player *p, const op *x)
{
    if (!p->copy_count || p->is_full) return;
    settle(p);
    if (p->wrong) return;
    oracle *o = &p->o;
    steplog_store *store = store_of(p, x->a % SESSIONS);
    if (!store) return;
    for (size_t i = 0; i < p->copy_count; i++) sim_put_file(p->machine, p->copy[i].path, p->copy[i].data, p->copy[i].bytes);
    steplog_error why = {0};
    steplog_status status = steplog_store_merge(store, "copy", NULL, NULL, NULL, &why);
    for (size_t i = 0; i < p->copy_count; i++) sim_remove_file(p->machine, p->copy[i].path);
    if (status == STEPLOG_MISSING) return; /* the copy is of before the store was made */
    int state = state_of(p, status);
    if (p->wrong) p->wrong = say_wrong("merging: %s", why.text);
    for (size_t w = 0; w < p->copy_writer_count; w++)
        if (p->copy_writers[w] == STATE_IS && o->writers[w].state == STATE_NOT) o->writers[w].state = (uint8_t)state;
    for (size_t i = 0; i < p->copy_records; i++) {
        record *r = &o->records[i];
        if (p->copy_states[i] != STATE_IS || r->state != STATE_NOT) continue;
        r->state = (uint8_t)state;
        r->back_at = o->count;
        r->is_durable = state == STATE_IS && !p->has_cut; /* merging syncs */
        if (r->is_durable) r->sequence = 0;
        if (r->kind == REC_SET) o->runs[r->run].order_is_lost = 1;
        p->may_be_unsettled = 1;
    }
}

static void do_fault(player *p, const op *x)
{
    static const uint32_t kinds[] = {SIM_ALL, SIM_WRITE, SIM_SPACE, SIM_SYNC, SIM_CREATE, SIM_RENAME, SIM_MAP, SIM_LIST | SIM_READ | SIM_OPEN};
    static const int errors[] = {EIO, ENOSPC, EIO, EDQUOT, ENOMEM, EMFILE};
    sim_fault fault = {kinds[x->a % 8], x->b % 8 + 1, errors[x->c % 6], x->d % 4 == 0, (x->d >> 2) % 4 == 0};
    settle(p);
    if (p->wrong) return;
    sim_set_faults(p->machine, &fault, 1);
    p->has_fault = 1;
}

static void do_tick(player *p, const op *x)
{
    steplog_store *store = store_of(p, x->a % SESSIONS);
    if (store) state_of(p, steplog_store_tick(store, x->b % 3 ? 1000 : 0, NULL));
    for (size_t i = 0; i < p->o.count; i++)
        if (p->o.records[i].kind == REC_REMOVAL && p->clock_ns - p->o.records[i].time_ns > 23 * HOUR_NS) p->o.records[i].may_be_freed = 1;
}

static void do_sync(player *p, const op *x)
{
    int index;
    model_writer *w = writer_at(p, x->a, &index);
    if (!w) return;
    steplog_status status = steplog_writer_sync(w->handle, NULL);
    if (state_of(p, status) == STATE_IS && !is_dead(p) && kit_stats(w->handle).durable_sequence != kit_stats(w->handle).last_sequence)
        p->wrong = "a sync says OK, and not everything is durable";
    end_call(p, x->a, status);
}

static void do_kill_or_cut(player *p, const op *x)
{
    if (x->kind == OP_kill && x->a % 3 == 0) {
        note_before(p);
        do_kill(p);
    } else if (x->kind == OP_kill) {
        sim_stop_at(p->machine, x->b % CALLS_OF_A_KILL + 1);
        p->has_kill = 1;
    } else if (p->is_traced && x->a % 3 == 0) {
        note_before(p);
        cut_now(p);
    } else if (p->is_traced) {
        sim_crash_at(p->machine, sim_point_count(p->machine) + 1 + x->b % POINTS_OF_A_CUT, NULL, NULL);
        p->has_cut = 1;
    }
}

static void play_op(player *p, const op *x)
{
    static const int64_t jumps[] = {1000000000, HOUR_NS, -HOUR_NS, 25 * HOUR_NS};
    int had_fault = p->has_fault;
    note_before(p);
    switch (x->kind) {
    case OP_open: do_open(p, x); break;
    case OP_row: case OP_present: case OP_rows: case OP_point: case OP_named: do_append(p, x); break;
    case OP_fact: case OP_unfact: case OP_blob: do_text(p, x); break;
    case OP_sync: do_sync(p, x); break;
    case OP_tick: do_tick(p, x); break;
    case OP_close: close_slot(p, (int)(x->a % SLOTS), (int)(x->b % 3)); break;
    case OP_compact: do_compact(p, x); break;
    case OP_reopen: close_session(p, (int)(x->a % SESSIONS)); break;
    case OP_kill: case OP_power: do_kill_or_cut(p, x); break;
    case OP_fork: case OP_rewind: case OP_rewind_undo: case OP_remove: case OP_remove_undo: case OP_run_fact: do_on_run(p, x); break;
    case OP_clock: sim_move_clock(p->machine, jumps[x->a % 4]); p->clock_ns += jumps[x->a % 4]; break;
    case OP_fault: do_fault(p, x); return;
    case OP_full: sim_set_budget(p->machine, sim_used_bytes(p->machine) + x->b * 50, x->c % 2 ? SIM_PAGE_BYTES : 1); p->is_full = 1; break;
    case OP_space: sim_set_budget(p->machine, UINT64_MAX, 1); p->is_full = 0; break;
    case OP_copy: do_copy(p); break;
    case OP_merge: do_merge(p, x); break;
    case OP_read: case OP_follow: if (had_fault) sim_set_faults(p->machine, NULL, 0); read_all(p, x->kind == OP_follow); break;
    default: break;
    }
    settle_ends(p);
    p->has_fault = 0;
    note_durable(p);
}

static void finish(player *p)
{
    sim_set_budget(p->machine, UINT64_MAX, 1);
    sim_set_faults(p->machine, NULL, 0);
    p->is_full = p->has_fault = 0;
    read_all(p, 0);
    if (p->wrong) return;
    for (int s = 0; s < SESSIONS; s++) close_session(p, s);
    if (p->wrong || !store_of(p, 0)) return;
    steplog_error why = {0};
    if (steplog_store_compact(p->stores[0], NULL, NULL, &why) < 0) p->wrong = say_wrong("the last compaction: %s", why.text);
    close_session(p, 0);
    if (!p->wrong) read_all(p, 0);
    steplog_verify_options options = {.size_bytes = sizeof options};
    steplog_verify_result result = {.size_bytes = sizeof result};
    if (!p->wrong && !p->o.had_power_cut && steplog_store_verify("store", &options, &result, &why) < 0)
        p->wrong = say_wrong("verify: %s", why.text);
}

/* Remembering what was not synced costs much: it begins some operations before a power cut. What was there before is
 * then on the disk. */
static void trace_before_cut(player *p, const op_list *ops, size_t at)
{
    static const size_t windows[8] = {4, 4, 4, 8, 8, 8, 16, 60};
    for (size_t i = at; i < ops->count && i <= at + windows[ops->seed % 8] && !p->is_traced; i++)
        p->is_traced = ops->items[i].kind == OP_power;
    if (p->is_traced && !p->has_trace) sim_trace(p->machine);
    p->has_trace = p->is_traced;
}

play_result play(const op_list *ops, int is_told)
{
    player *p = calloc(1, sizeof *p);
    p->machine = sim_new(ops->seed);
    p->random = test_random_from(ops->seed ^ 0x5bd1e995);
    p->flags = ops->seed % 3 == 0 ? STEPLOG_FORCE_PWRITE : 0;
    p->sync_interval_ms = ops->seed % 2 ? UINT32_MAX : 0;
    p->o.run_count = KEYED_RUNS;
    for (int s = 0; s < SLOTS; s++) p->slots[s] = -1;
    sim_use(p->machine);
    size_t at = 0;
    for (; at < ops->count && !p->wrong; at++) {
        trace_before_cut(p, ops, at);
        if (is_told) {
            op_list one = {ops->seed, &ops->items[at], 1};
            fprintf(stderr, "%zu (%zu records): ", at, p->o.count);
            ops_print(&one, stderr);
        }
        play_op(p, &ops->items[at]);
    }
    if (p->wrong)
        at--;
    else
        finish(p);
    play_result result = p->result;
    result.wrong = p->wrong;
    result.at = at;
    sim_stop(p->machine);
    for (int s = 0; s < SESSIONS; s++) close_session(p, s);
    sim_use(NULL);
    sim_free(p->machine);
    free_copy(p);
    for (size_t i = 0; i < p->o.count; i++) free(p->o.records[i].parts);
    free(p->o.records);
    free(p);
    return result;
}
