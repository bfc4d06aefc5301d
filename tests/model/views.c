/* model/views.c: the views of a run, computed from the oracle's list and compared with what cursors give. */
#include "model/model.h"

#include "support/store_kit.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMNS = GROUPS * METRICS };

typedef struct columns {
    seen_point *points[COLUMNS];
    size_t counts[COLUMNS];
    int is_unclear;
} columns;

typedef struct expected_row {
    int64_t step;
    size_t records[COLUMNS]; /* + 1; 0: not present */
} expected_row;

static columns all_columns(const oracle *o, int run, int all_attempts)
{
    columns c = {.is_unclear = 0};
    for (uint32_t i = 0; i < COLUMNS; i++)
        c.points[i] = oracle_series(o, run, i / METRICS, i % METRICS, all_attempts, &c.counts[i], &c.is_unclear);
    return c;
}

static void free_columns(columns *c)
{
    for (int i = 0; i < COLUMNS; i++) free(c->points[i]);
}

/* Each step as often as the series that has most points at it. */
static expected_row *join(const columns *c, const steplog_view *view, size_t *count)
{
    size_t at[COLUMNS] = {0}, total = 0, capacity = 0;
    expected_row *rows = NULL;
    for (;;) {
        int has_any = 0;
        int64_t step = 0;
        for (int i = 0; i < COLUMNS; i++)
            if (at[i] < c->counts[i] && (!has_any || c->points[i][at[i]].step < step))
                step = c->points[i][at[i]].step, has_any = 1;
        if (!has_any) break;
        if (total == capacity) {
            capacity = capacity ? capacity * 2 : 128;
            rows = realloc(rows, capacity * sizeof *rows);
            if (!rows) abort();
        }
        rows[total] = (expected_row){.step = step};
        for (int i = 0; i < COLUMNS; i++)
            if (at[i] < c->counts[i] && c->points[i][at[i]].step == step)
                rows[total].records[i] = c->points[i][at[i]++].record + 1;
        if ((!view->has_begin || step >= view->step_begin) && (!view->has_end || step < view->step_end)) total++;
    }
    if (view->last_count && view->last_count < total) {
        memmove(rows, rows + (total - view->last_count), view->last_count * sizeof *rows);
        total = view->last_count;
    }
    *count = total;
    return rows;
}

static const char *compare_joined(const oracle *o, steplog_reader *reader, int run, const columns *c,
                                  const steplog_view *view)
{
    size_t count, expected_count;
    const char *wrong = NULL;
    expected_row *expected = join(c, view, &expected_count);
    read_row *rows = read_view(reader, &o->runs[run].id, view, &count, &wrong);
    for (size_t n = 0; n < count && n < expected_count && !wrong; n++) {
        if (rows[n].step != expected[n].step)
            wrong = say_wrong("run %d, row %zu: step %lld, not %lld", run, n, (long long)rows[n].step,
                              (long long)expected[n].step);
        for (unsigned i = 0; i < COLUMNS && !wrong; i++) {
            size_t at = expected[n].records[i];
            if ((rows[n].present >> i & 1) != (at != 0))
                wrong = say_wrong("run %d, row %zu, step %lld: %s of rank %u, label %u is %s", run, n,
                                  (long long)rows[n].step, (const char *[]){"a", "b", "c", "d"}[i % METRICS],
                                  i / METRICS % 2, i / METRICS / 2, at ? "missing" : "too much");
            else if (at && rows[n].bits[i] != kit_bits(value_of(o->records[at - 1].v, i % METRICS)))
                wrong = say_wrong("run %d, row %zu, step %lld: another value", run, n, (long long)rows[n].step);
        }
    }
    if (!wrong && count != expected_count) wrong = say_wrong("run %d: %zu rows, not %zu", run, count, expected_count);
    free(rows);
    free(expected);
    if (!wrong) return NULL;
    char copy[600];
    snprintf(copy, sizeof copy, "%s", wrong);
    return say_wrong("%s view%s%s: %.400s", view->flags & STEPLOG_VIEW_ALL_ATTEMPTS ? "all-attempts" : "default",
                     view->has_begin || view->has_end ? ", of a range" : "", view->last_count ? ", last rows" : "",
                     copy);
}

/* The rows of the run's own writers, each in its order. */
static const char *compare_arrival(const oracle *o, steplog_reader *reader, int run, const columns *c, uint32_t flags)
{
    steplog_view view = {.size_bytes = sizeof view, .flags = flags};
    uint8_t *masks = calloc(o->count + 1, 1);
    for (unsigned i = 0; i < COLUMNS; i++)
        for (size_t n = 0; n < c->counts[i]; n++)
            if (!c->points[i][n].depth) masks[c->points[i][n].record] |= (uint8_t)(1 << i % METRICS);
    size_t count, writer_count = steplog_reader_writer_count(reader, &o->runs[run].id), used = 0, own = 0;
    const char *wrong = NULL;
    read_row *rows = read_view(reader, &o->runs[run].id, &view, &count, &wrong);
    for (size_t n = 0; n < writer_count && !wrong; n++) {
        steplog_writer_info info = {.size_bytes = sizeof info};
        steplog_reader_writer(reader, &o->runs[run].id, n, &info, NULL);
        size_t at = 0;
        for (size_t i = 0; i < o->count && !wrong; i++) {
            const record *r = &o->records[i];
            if (r->run != run || !masks[i] ||
                memcmp(&o->writers[r->writer].id, &info.incarnation, sizeof info.incarnation))
                continue;
            while (at < count && rows[at].writer != n) at++;
            if (at == count || !row_is(o, &rows[at], r, masks[i]))
                wrong = say_wrong("run %d, %s: row %zu of writer %d, step %lld, is not in its place", run,
                                  flags & STEPLOG_VIEW_FOLLOW ? "following" : "arrival order", i, r->writer,
                                  (long long)r->step);
            at++;
            used++;
        }
    }
    for (size_t n = 0; n < count; n++) own += rows[n].writer != UINT32_MAX;
    if (!wrong && own != used)
        wrong = say_wrong("run %d, %s: %zu rows, not %zu", run,
                          flags & STEPLOG_VIEW_FOLLOW ? "following" : "arrival order", own, used);
    free(rows);
    free(masks);
    return wrong;
}

const char *check_views(oracle *o, steplog_reader *reader, int run, uint64_t random)
{
    if (is_unclear(o, run)) return NULL;
    const char *wrong = NULL;
    for (int all_attempts = 0; all_attempts < 2 && !wrong; all_attempts++) {
        uint32_t flags = all_attempts ? STEPLOG_VIEW_ALL_ATTEMPTS : 0;
        columns c = all_columns(o, run, all_attempts);
        if (c.is_unclear) {
            free_columns(&c);
            continue;
        }
        steplog_view view = {.size_bytes = sizeof view, .flags = flags};
        wrong = compare_joined(o, reader, run, &c, &view);
        view.has_begin = random & 1;
        view.has_end = random >> 1 & 1;
        view.step_begin = (int64_t)(random >> 2 & 63) - 10;
        view.step_end = view.step_begin + (int64_t)(random >> 8 & 31);
        view.last_count = random >> 13 & 1 ? (random >> 14 & 15) : 0;
        if (!wrong) wrong = compare_joined(o, reader, run, &c, &view);
        if (!wrong) wrong = compare_arrival(o, reader, run, &c, flags | STEPLOG_VIEW_ARRIVAL_ORDER);
        if (!wrong && all_attempts && (random >> 18 & 3) == 0)
            wrong = compare_arrival(o, reader, run, &c, STEPLOG_VIEW_FOLLOW);
        free_columns(&c);
    }
    return wrong;
}
