/* support/script.c: playing scenes, and remembering what they must leave. */
#include "support/script.h"

#include "support/sim_internal.h"
#include "support/store_kit.h"

#include <stdio.h>
#include <string.h>

void script_begin(script *s, sim *machine, uint64_t seed, uint32_t flags)
{
    *s = (script){.machine = machine, .seed = seed, .flags = flags, .path = "store", .sync_interval_ms = UINT32_MAX};
    sim_use(machine);
}

void script_end(script *s)
{
    for (size_t w = 0; w < s->writer_count; w++) free(s->writers[w].items);
    s->writer_count = 0;
}

/* Between its end and script_kill_traced() a process does nothing. */
static int is_dead(const script *s) { return s->machine && sim_is_stopped(s->machine); }

static void note_durable(script *s)
{
    if (is_dead(s)) return;
    for (size_t w = 0; w < s->writer_count; w++) {
        script_writer *sw = &s->writers[w];
        if (!sw->writer) continue;
        steplog_writer_stats stats = {.size_bytes = sizeof stats};
        steplog_writer_get_stats(sw->writer, &stats);
        if (stats.durable_sequence > sw->durable) sw->durable = stats.durable_sequence;
        sw->refused = stats.refused_count;
    }
}

int script_tried(script *s, steplog_status status)
{
    note_durable(s);
    if (status >= 0 || is_dead(s)) return status >= 0;
    s->errors++;
    s->has_failed |= status == STEPLOG_FAILED;
    if (s->errors == 1) s->first_error = status;
    return 0;
}

int script_open(script *s, uint32_t more_flags)
{
    steplog_store_options options = {.size_bytes = sizeof options,
                                     .flags = STEPLOG_CREATE | STEPLOG_NO_THREAD | s->flags | more_flags,
                                     .sync_interval_ms = s->sync_interval_ms,
                                     .log_bytes = SCRIPT_LOG_BYTES,
                                     .backlog_bytes = s->backlog_bytes};
    if (s->store || is_dead(s)) return s->store != NULL;
    return script_tried(s, steplog_store_open(s->path, &options, &s->store, NULL));
}

static void make_schema(script *s, size_t w)
{
    script_writer *sw = &s->writers[w];
    steplog_metric metrics[SCRIPT_COLUMNS];
    for (unsigned c = 0; c < SCRIPT_COLUMNS; c++) {
        char name[32];
        int bytes = snprintf(name, sizeof name, "w%zu.%u", w, c);
        if (!script_tried(s, steplog_writer_metric(sw->writer, name, (size_t)bytes, &metrics[c], NULL))) return;
    }
    sw->has_schema = script_tried(s, steplog_writer_schema(sw->writer, metrics, SCRIPT_COLUMNS, &sw->schema, NULL));
}

int script_writer_open(script *s, const char *run_key, uint32_t attempt, int64_t resume_step, size_t *w)
{
    *w = s->writer_count;
    if (!s->store || s->writer_count == SCRIPT_WRITERS_MAX || is_dead(s)) return 0;
    script_writer *sw = &s->writers[s->writer_count++];
    *sw = (script_writer){0};
    steplog_writer_options options = {.size_bytes = sizeof options,
                                      .run_key = run_key,
                                      .rank = (uint32_t)*w,
                                      .attempt = attempt,
                                      .is_resume = resume_step > 0,
                                      .resume_step = resume_step};
    if (!script_tried(s, steplog_writer_open(s->store, &options, &sw->writer, NULL))) {
        sw->writer = NULL;
        return 0;
    }
    sw->run = kit_run_of(sw->writer);
    make_schema(s, *w);
    return 1;
}

static script_item *begin_item(script_writer *sw, script_kind kind)
{
    if (sw->item_count == sw->item_capacity) {
        sw->item_capacity = sw->item_capacity ? sw->item_capacity * 2 : 64;
        sw->items = sim_resize(sw->items, sw->item_capacity * sizeof *sw->items);
    }
    sw->items[sw->item_count] = (script_item){.kind = (uint8_t)kind, .number = sw->counts[kind]++};
    return &sw->items[sw->item_count++];
}

static void end_item(script *s, size_t w, script_item *item, steplog_status status)
{
    script_writer *sw = &s->writers[w];
    if (is_dead(s)) return; /* it never saw what the call gave */
    item->state = status >= 0 ? SCRIPT_ACKNOWLEDGED : status == STEPLOG_FULL ? SCRIPT_REFUSED : SCRIPT_FAILED;
    if (status >= 0) item->sequence = kit_stats(sw->writer).last_sequence;
    script_tried(s, status);
    if (s->point) s->point(s->point_context);
}

void script_rows(script *s, size_t w, uint32_t count)
{
    if (w >= s->writer_count || !s->writers[w].writer) return;
    script_writer *sw = &s->writers[w];
    if (!sw->has_schema) make_schema(s, w); /* it failed before: a job would try again */
    for (uint32_t i = 0; sw->has_schema && i < count && !is_dead(s); i++) {
        script_item *item = begin_item(sw, SCRIPT_ROW);
        double values[SCRIPT_COLUMNS];
        for (unsigned c = 0; c < SCRIPT_COLUMNS; c++) values[c] = kit_value(s->seed, w, item->number, c);
        end_item(s, w, item,
                 steplog_writer_append(sw->writer, sw->schema, item->number, STEPLOG_TIME_NOW, values));
    }
}

void script_fact(script *s, size_t w)
{
    if (w >= s->writer_count || !s->writers[w].writer || is_dead(s)) return;
    script_item *item = begin_item(&s->writers[w], SCRIPT_FACT);
    char key[48], value[48];
    snprintf(key, sizeof key, "w%zu.f%u", w, (unsigned)item->number);
    snprintf(value, sizeof value, "value %u", (unsigned)item->number);
    end_item(s, w, item, steplog_writer_set_fact(s->writers[w].writer, key, value, NULL));
}

void script_fill_blob(uint8_t *data, size_t bytes, size_t w, uint32_t number)
{
    for (size_t i = 0; i < bytes; i++) data[i] = (uint8_t)((i * 2654435761u + number * 97 + w) >> (number % 2 ? 16 : 3));
}

void script_blob(script *s, size_t w, size_t bytes)
{
    if (w >= s->writer_count || !s->writers[w].writer || is_dead(s)) return;
    script_item *item = begin_item(&s->writers[w], SCRIPT_BLOB);
    char name[48];
    snprintf(name, sizeof name, "w%zu.b%u", w, (unsigned)item->number);
    uint8_t *data = sim_resize(NULL, bytes + 1);
    script_fill_blob(data, bytes, w, item->number);
    end_item(s, w, item,
             steplog_writer_blob(s->writers[w].writer, name, item->number, STEPLOG_TIME_NOW, "image/png", data, bytes, NULL));
    free(data);
}

void script_sync(script *s, size_t w)
{
    if (w >= s->writer_count || !s->writers[w].writer || is_dead(s)) return;
    script_tried(s, steplog_writer_sync(s->writers[w].writer, NULL));
}

void script_tick(script *s)
{
    if (s->store && !is_dead(s)) script_tried(s, steplog_store_tick(s->store, 1000, NULL));
}

void script_compact(script *s)
{
    if (s->store && !is_dead(s)) script_tried(s, steplog_store_compact(s->store, NULL, NULL, NULL));
}

void script_read(script *s, size_t w)
{
    steplog_reader *reader = NULL;
    if (!s->store || is_dead(s) || w >= s->writer_count || !script_tried(s, steplog_reader_open(s->store, &reader, NULL))) return;
    steplog_cursor *cursor = NULL;
    steplog_status status = steplog_cursor_open_matching(reader, &s->writers[w].run, "*", NULL, &cursor, NULL);
    steplog_batch batch;
    while (status == STEPLOG_OK) status = steplog_cursor_next(cursor, &batch, 0, NULL);
    script_tried(s, status == STEPLOG_MISSING ? STEPLOG_OK : status);
    steplog_cursor_close(cursor);
    script_tried(s, steplog_reader_refresh(reader, NULL));
    steplog_reader_close(reader);
}

void script_remove(script *s, size_t w, int64_t begin, int64_t end)
{
    if (!s->store || w >= s->writer_count) return;
    script_writer *sw = &s->writers[w];
    char selector[32];
    snprintf(selector, sizeof selector, "w%zu.*", w);
    steplog_remove_options options = {.size_bytes = sizeof options,
                                      .run = sw->run,
                                      .selector = selector,
                                      .has_begin = 1,
                                      .has_end = 1,
                                      .step_begin = begin,
                                      .step_end = end};
    steplog_remove_result result = {.size_bytes = sizeof result};
    for (int is_over = 0; is_over < 2; is_over++) {
        int is_done = is_over && script_tried(s, steplog_remove(s->store, &options, &result, NULL));
        for (size_t i = 0; i < sw->item_count; i++)
            if (sw->items[i].kind == SCRIPT_ROW && sw->items[i].number >= begin && sw->items[i].number < end)
                sw->items[i].is_removed = is_done ? 2 : 1;
    }
}

void script_writer_close(script *s, size_t w)
{
    if (w >= s->writer_count || !s->writers[w].writer) return;
    note_durable(s);
    steplog_writer *writer = s->writers[w].writer;
    s->writers[w].writer = NULL;
    if (script_tried(s, steplog_writer_close(writer, 0, NULL)) && !is_dead(s)) s->writers[w].durable = UINT64_MAX;
}

void script_close(script *s)
{
    for (size_t w = 0; w < s->writer_count; w++) script_writer_close(s, w);
    if (!s->store) return;
    steplog_store *store = s->store;
    s->store = NULL;
    script_tried(s, steplog_store_close(store, NULL));
}

void script_note(const script *s, script_moment *out)
{
    *out = (script_moment){0};
    for (size_t w = 0; w < s->writer_count; w++) {
        out->item_counts[w] = s->writers[w].item_count;
        out->durable[w] = s->writers[w].durable;
        out->is_elsewhere[w] = s->writers[w].is_elsewhere;
    }
}

void script_kill_traced(script *s)
{
    uint64_t errors = s->errors;
    uint64_t durable[SCRIPT_WRITERS_MAX];
    for (size_t w = 0; w < s->writer_count; w++) durable[w] = s->writers[w].durable;
    sim_kill_begin(s->machine);
    script_close(s);
    sim_kill_end(s->machine);
    for (size_t w = 0; w < s->writer_count; w++) s->writers[w].durable = durable[w];
    s->errors = errors;
}

void script_kill(script *s)
{
    sim *killed = s->machine;
    s->machine = sim_after_kill(killed);
    sim_stop(killed);
    uint64_t errors = s->errors;
    script_close(s); /* frees memory; the machine does nothing any more */
    s->errors = errors;
    sim_free(killed);
    sim_use(s->machine);
}

void script_recover(script *s)
{
    if (!script_open(s, 0)) return;
    script_tick(s);
    script_compact(s);
    script_close(s);
}
