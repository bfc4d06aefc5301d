/* model/play_writer.c: operations of a writer. */
#include "model/player.h"

#include "support/store_kit.h"

#include <stdlib.h>
#include <string.h>

static int64_t time_of(uint32_t x)
{
    return x % 3 == 0 ? STEPLOG_TIME_NOW : x % 3 == 1 ? STEPLOG_TIME_NONE : GIVEN_TIME_NS_MAX - x;
}

static model_writer *writer_at(player *p, uint32_t slot, int *w)
{
    *w = p->slots[slot % SLOTS];
    return *w < 0 ? NULL : &p->o.writers[*w];
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

static uint64_t last_sequence(const player *p, const model_writer *w)
{
    return is_dead(p) ? UINT64_MAX : kit_stats(w->handle).last_sequence;
}

void do_open(player *p, const op *x)
{
    oracle *o = &p->o;
    if (p->slots[x->a % SLOTS] >= 0 || o->writer_count == WRITERS_MAX) return;
    int session = (int)(x->a / SLOTS % SESSIONS), run = (int)(x->b % o->run_count);
    steplog_store *store = store_of(p, (uint32_t)session);
    if (!store) return;
    char key[8] = {'r', (char)('0' + run)};
    static const steplog_pair label = {"split", "val"};
    model_writer w = {
        .session = session, .run = run, .rank = x->d >> 8 & 1, .label = (x->d >> 9) % 4 == 0, .state = STATE_IS};
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
        o->runs[run].ghost_writers += is_dead(p);
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

static void add_row(player *p, int w, int state, uint8_t mask, int64_t step, int64_t time_ns, uint32_t v,
                    uint64_t sequence)
{
    record *r = oracle_add(&p->o, REC_ROW, state, p->o.writers[w].run, w);
    r->mask = mask;
    r->step = step;
    r->time_ns = time_ns;
    r->v = v;
    r->sequence = sequence;
}

static void do_rows(player *p, model_writer *w, int index, const op *x, uint8_t mask, steplog_schema schema,
                    steplog_status *status)
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

void do_append(player *p, const op *x)
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
    if (x->kind == OP_point ? !need_metric(p, w, metric, &status)
                            : x->kind != OP_named && !need_schema(p, w, schema_mask, &schema, &status)) {
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
        status = x->kind == OP_present
                     ? steplog_writer_append_present(w->handle, schema, step, time_ns, values, &present)
                     : steplog_writer_append(w->handle, schema, step, time_ns, values);
    }
    add_row(p, index, state_of(p, status), mask, step, time_ns, x->d, last_sequence(p, w));
    end_call(p, x->a, status);
}

void do_text(player *p, const op *x)
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

void do_sync(player *p, const op *x)
{
    int index;
    model_writer *w = writer_at(p, x->a, &index);
    if (!w) return;
    steplog_status status = steplog_writer_sync(w->handle, NULL);
    if (state_of(p, status) == STATE_IS && !is_dead(p) &&
        kit_stats(w->handle).durable_sequence != kit_stats(w->handle).last_sequence)
        p->wrong = "a sync says OK, and not everything is durable";
    end_call(p, x->a, status);
}
