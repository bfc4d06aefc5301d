/* model/check.c: reads what a store holds and settles with it what may or may not be there; then compares. */
#include "model/model.h"

#include "support/store_kit.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *say_wrong(const char *format, ...)
{
    static char text[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return text;
}

/* ---- writers ---- */

static int is_whole_removed(const oracle *o, int run)
{
    for (size_t i = 0; i < o->count; i++)
        if (o->records[i].kind == REC_REMOVAL && o->records[i].run == run && o->records[i].is_whole &&
            !o->records[i].has_steps)
            return 1;
    return 0;
}

static const char *adopt_ghost(oracle *o, int run, const steplog_writer_info *info)
{
    if (!(o->runs[run].ghost_writers + o->runs[run].fact_writers) || o->writer_count == WRITERS_MAX)
        return say_wrong("run %d: a writer that nobody opened, attempt %u, liveness %d, last sequence %llu", run,
                         info->attempt, (int)info->liveness, (unsigned long long)info->last_sequence);
    if (o->runs[run].ghost_writers)
        o->runs[run].ghost_writers--;
    else
        o->runs[run].fact_writers--;
    o->writers[o->writer_count++] = (model_writer){.session = -1,
                                                   .run = run,
                                                   .id = info->incarnation,
                                                   .attempt = info->attempt,
                                                   .rank = info->rank,
                                                   .label = info->label_count > 0,
                                                   .is_resume = info->is_resume,
                                                   .resume_step = info->resume_step,
                                                   .state = STATE_IS};
    return NULL;
}

static int find_writer(const oracle *o, const steplog_id *id)
{
    for (size_t w = 0; w < o->writer_count; w++)
        if (memcmp(&o->writers[w].id, id, sizeof *id) == 0) return (int)w;
    return -1;
}

static const char *check_writers(oracle *o, steplog_reader *reader, int run)
{
    uint8_t is_found[WRITERS_MAX] = {0};
    size_t count = steplog_reader_writer_count(reader, &o->runs[run].id);
    int is_removed = is_whole_removed(o, run);
    for (size_t i = 0; i < count; i++) {
        steplog_writer_info info = {.size_bytes = sizeof info};
        steplog_error why;
        if (steplog_reader_writer(reader, &o->runs[run].id, i, &info, &why) < 0)
            return say_wrong("run %d, writer %zu: %s", run, i, why.text);
        int w = find_writer(o, &info.incarnation);
        if (w < 0) {
            const char *wrong = adopt_ghost(o, run, &info);
            if (wrong) return wrong;
            w = (int)o->writer_count - 1;
        }
        model_writer *x = &o->writers[w];
        if (is_found[w]++) return say_wrong("writer %d is there twice", w);
        x->state = STATE_IS;
        /* A power cut may take the description and all behind it; an old copy may bring it back. */
        x->description_is_lost = !x->handle && x->durable == 0 && o->had_power_cut && (x->label || x->is_resume) &&
                                 !info.label_count && !info.is_resume;
        if (x->run != run || x->attempt != info.attempt || x->rank != info.rank)
            return say_wrong("writer %d is described wrongly", w);
        if (!x->description_is_lost &&
            (x->is_resume != info.is_resume || (x->is_resume && x->resume_step != info.resume_step) ||
             x->label != (info.label_count > 0)))
            return say_wrong("writer %d is described wrongly", w);
        int expected = x->handle ? STEPLOG_LIVENESS_ALIVE : x->end_is_sure ? STEPLOG_LIVENESS_ENDED : -1;
        /* A killed one is dead, or has ended when it was killed in its close: no lock outlives it (P1). */
        if (expected < 0 && (info.liveness == STEPLOG_LIVENESS_ALIVE || info.liveness == STEPLOG_LIVENESS_UNKNOWN))
            return say_wrong("writer %d is gone and has liveness %d", w, (int)info.liveness);
        if (expected >= 0 && !is_removed && (int)info.liveness != expected)
            return say_wrong("writer %d has liveness %d, not %d", w, (int)info.liveness, expected);
        if (info.missing_count && !is_removed)
            return say_wrong("writer %d misses %llu records", w, (unsigned long long)info.missing_count);
    }
    for (size_t w = 0; w < o->writer_count; w++) {
        model_writer *x = &o->writers[w];
        if (x->run != run || is_found[w]) continue;
        /* One that recorded nothing is nothing once it is dead. */
        if (x->handle || x->end_is_sure)
            return say_wrong("writer %zu of run %d is lost: %s", w, run, x->handle ? "it lives" : "it has ended");
        x->state = STATE_NOT; /* for now: an empty log may be found again that was not there for a while */
        for (size_t i = 0; i < o->count; i++) {
            if (o->records[i].writer != (int)w) continue;
            if (o->records[i].state == STATE_IS)
                return say_wrong("writer %zu of run %d is lost, with what it recorded", w, run);
            o->records[i].state = STATE_NOT;
        }
    }
    return NULL;
}

/* ---- rows and blobs ---- */

read_row *read_view(steplog_reader *reader, const steplog_id *run, const steplog_view *view, size_t *count,
                    const char **wrong)
{
    steplog_cursor *cursor = NULL;
    steplog_error why = {0};
    steplog_batch batch;
    read_row *rows = NULL;
    size_t capacity = 0, known = 0;
    uint8_t columns[GROUPS * METRICS + 1];
    *count = 0;
    steplog_status status = steplog_cursor_open_matching(reader, run, NULL, view, &cursor, &why);
    if (status == STEPLOG_MISSING) return NULL;
    if (status < 0) {
        *wrong = say_wrong("a cursor cannot be opened: %s", why.text);
        return NULL;
    }
    while (!*wrong && (status = steplog_cursor_next(cursor, &batch, 0, &why)) == STEPLOG_OK) {
        if (batch.column_count > GROUPS * METRICS) *wrong = say_wrong("%zu columns", batch.column_count);
        for (; !*wrong && known < batch.column_count; known++) {
            steplog_series series;
            steplog_series_info info = {.size_bytes = sizeof info};
            if (steplog_cursor_series(cursor, known, &series) < 0 ||
                steplog_reader_series(reader, series, &info, NULL) < 0)
                *wrong = "a series cannot be described";
            else
                columns[known] = (uint8_t)((info.rank + 2 * (info.label_count > 0)) * METRICS +
                                           (uint32_t)(info.name[0] - 'a'));
        }
        for (size_t i = 0; !*wrong && i < batch.row_count; i++) {
            if (*count == capacity) {
                capacity = capacity ? capacity * 2 : 128;
                rows = realloc(rows, capacity * sizeof *rows);
                if (!rows) abort();
            }
            read_row *row = &rows[(*count)++];
            *row = (read_row){
                batch.writers[i], batch.attempts[i], batch.steps[i], batch.times_ns[i], batch.sequences[i], 0, {0}};
            for (size_t c = 0; c < batch.column_count; c++)
                if (batch.present[c][i / 64] >> (i % 64) & 1) {
                    row->present |= (uint16_t)(1u << columns[c]);
                    row->bits[columns[c]] = kit_bits(batch.values[c][i]);
                }
            if (!row->present) *wrong = "a row without a value";
        }
    }
    if (!*wrong && status < 0) *wrong = say_wrong("a cursor cannot go on: %s", why.text);
    steplog_cursor_close(cursor);
    return rows;
}

/* No given time is one: the machine's clock begins years after them. */
static int is_clock_time(int64_t time_ns) { return time_ns > GIVEN_TIME_NS_MAX; }

int row_is(const oracle *o, const read_row *row, const record *r, uint8_t mask)
{
    const model_writer *w = &o->writers[r->writer];
    if (row->step != r->step || row->present != (uint16_t)(mask << (group_of(w) * METRICS)) ||
        row->attempt != w->attempt)
        return 0;
    if (r->time_ns == STEPLOG_TIME_NOW ? !is_clock_time(row->time_ns) : r->time_ns != row->time_ns) return 0;
    for (unsigned m = 0; m < METRICS; m++)
        if (mask >> m & 1 && row->bits[group_of(w) * METRICS + m] != kit_bits(value_of(r->v, m))) return 0;
    return 1;
}

static const char *settle_rows(oracle *o, steplog_reader *reader, int run)
{
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_ALL_ATTEMPTS | STEPLOG_VIEW_ARRIVAL_ORDER};
    size_t count;
    const char *wrong = NULL;
    read_row *rows = read_view(reader, &o->runs[run].id, &view, &count, &wrong);
    size_t writer_count = steplog_reader_writer_count(reader, &o->runs[run].id);
    for (size_t n = 0; n < writer_count && !wrong; n++) {
        steplog_writer_info info = {.size_bytes = sizeof info};
        steplog_reader_writer(reader, &o->runs[run].id, n, &info, NULL);
        int w = find_writer(o, &info.incarnation);
        size_t at = 0;
        uint64_t sequence = 0;
        for (size_t i = 0; i < o->count && !wrong; i++) {
            record *r = &o->records[i];
            if (r->writer != w || r->kind != REC_ROW || r->state == STATE_NOT || !r->seen) continue;
            while (at < count && rows[at].writer != n) at++;
            if (at < count && row_is(o, &rows[at], r, r->seen)) {
                if (rows[at].sequence <= sequence)
                    wrong = say_wrong("writer %d: sequence %llu is out of order", w,
                                      (unsigned long long)rows[at].sequence);
                sequence = rows[at].sequence;
                r->state = STATE_IS;
                at++;
            } else if (r->state == STATE_MAYBE)
                r->state = STATE_NOT;
            else
                wrong = say_wrong("writer %d of run %d: row %zu at step %lld was acknowledged and is lost", w, run, i,
                                  (long long)r->step);
        }
        while (at < count && rows[at].writer != n) at++;
        if (!wrong && at < count)
            wrong = say_wrong("writer %d of run %d: a row at step %lld, sequence %llu, should not be there", w, run,
                              (long long)rows[at].step, (unsigned long long)rows[at].sequence);
    }
    free(rows);
    return wrong;
}

void fill_blob(uint8_t *data, uint32_t bytes, uint32_t v)
{
    for (uint32_t i = 0; i < bytes; i++) data[i] = (uint8_t)(v + i * (1 + v % 5));
}

static const char *settle_blobs(oracle *o, steplog_reader *reader, int run)
{
    size_t count = steplog_reader_blob_count(reader, &o->runs[run].id);
    for (size_t i = 0; i < o->count; i++) o->records[i].is_found = 0;
    for (size_t n = 0; n < count; n++) {
        steplog_blob_info info = {.size_bytes = sizeof info};
        steplog_error why;
        if (steplog_reader_blob(reader, &o->runs[run].id, n, &info, &why) < 0)
            return say_wrong("run %d, blob %zu: %s", run, n, why.text);
        unsigned v;
        record *found = NULL;
        if (sscanf(info.name, "blob %u", &v) == 1)
            for (size_t i = 0; i < o->count && !found; i++) {
                record *r = &o->records[i];
                if (r->kind == REC_BLOB && r->run == run && r->v == v && !r->is_found && r->state != STATE_NOT &&
                    r->seen)
                    found = r;
            }
        if (!found) return say_wrong("run %d: a blob '%s' should not be there", run, info.name);
        found->is_found = 1;
        found->state = STATE_IS;
        if (info.step != found->step || info.bytes != found->bytes || info.attempt != o->writers[found->writer].attempt)
            return say_wrong("blob '%s' is described wrongly", info.name);
        uint8_t *data = malloc(2 * (size_t)info.bytes + 1);
        fill_blob(data + info.bytes, found->bytes, found->v);
        steplog_status status = steplog_reader_blob_read(reader, &o->runs[run].id, n, data, info.bytes, &why);
        int is_same = status >= 0 && memcmp(data, data + info.bytes, info.bytes) == 0;
        free(data);
        if (!is_same) return say_wrong("blob '%s': %s", info.name, status < 0 ? why.text : "other bytes");
    }
    for (size_t i = 0; i < o->count; i++) {
        record *r = &o->records[i];
        if (r->kind != REC_BLOB || r->run != run || r->is_found || r->state == STATE_NOT || !r->seen) continue;
        if (r->state == STATE_IS) return say_wrong("run %d: blob %u was acknowledged and is lost", run, (unsigned)r->v);
        r->state = STATE_NOT;
    }
    return NULL;
}

/* Of what a power cut may take a writer loses the end, nothing in the middle. */
static const char *check_prefix(oracle *o, int run)
{
    for (size_t w = 0; w < o->writer_count; w++) {
        size_t lost = SIZE_MAX;
        for (size_t i = 0; i < o->count && o->writers[w].run == run; i++) {
            record *r = &o->records[i];
            if (r->writer != (int)w || !r->is_cut || r->state == STATE_MAYBE) continue;
            if (r->state == STATE_NOT && lost == SIZE_MAX) lost = i;
            if (r->state == STATE_IS && lost != SIZE_MAX)
                return say_wrong("writer %zu: record %zu is there, an earlier one, %zu, is not", w, i, lost);
        }
        for (size_t i = 0; i < o->count && o->writers[w].run == run; i++)
            if (o->records[i].writer == (int)w && o->records[i].state != STATE_MAYBE) o->records[i].is_cut = 0;
    }
    return NULL;
}

static const char *check_damage(const oracle *o, const steplog_reader *reader)
{
    for (size_t i = 0; i < steplog_reader_damage_count(reader); i++) {
        steplog_damage d = {.size_bytes = sizeof d};
        if (steplog_reader_damage(reader, i, &d) < 0 || d.is_notice) continue;
        /* A new log's header, torn within a sector: nothing in it was durable. */
        if (o->had_power_cut && d.file && strncmp(d.file, "log/", 4) == 0 && d.offset < 512) continue;
        return say_wrong("damage in %s at %lld: %s", d.file, (long long)d.offset, d.what);
    }
    return NULL;
}

const char *check_all(oracle *o, steplog_reader *reader, uint64_t random)
{
    const char *wrong = NULL;
    oracle_refresh(o);
    for (int run = 0; run < (int)o->run_count && !wrong; run++) {
        if (o->runs[run].exists <= 0) continue;
        wrong = check_writers(o, reader, run);
        if (!wrong) wrong = check_history(o, reader, run);
        if (!wrong) wrong = settle_rows(o, reader, run);
        if (!wrong) wrong = settle_blobs(o, reader, run);
        if (!wrong) wrong = check_prefix(o, run);
        if (!wrong) wrong = check_facts(o, reader, run);
        o->runs[run].gone_ghosts += o->runs[run].ghost_writers;
        o->runs[run].ghost_writers = 0;
    }
    oracle_note_gone(o);
    for (int run = 0; run < (int)o->run_count && !wrong; run++)
        if (o->runs[run].exists > 0) wrong = check_views(o, reader, run, random + (uint64_t)run * 7);
    return wrong ? wrong : check_damage(o, reader);
}
