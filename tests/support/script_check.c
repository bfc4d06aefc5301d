/* support/script_check.c: reading a store as it was left, and comparing it with what a script remembers. */
#include "support/script.h"

#include "support/sim_internal.h"
#include "support/store_kit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char violation[512];

static const char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(violation, sizeof violation, format, arguments);
    va_end(arguments);
    return violation;
}

static int is_being_removed(const script_writer *sw, int64_t step)
{
    for (size_t i = 0; i < sw->item_count; i++)
        if (sw->items[i].kind == SCRIPT_ROW && sw->items[i].number == step) return sw->items[i].is_removed;
    return 0;
}

/* Marks in present[n] the rows of a writer that are there. */
static const char *read_rows(const script *s, steplog_reader *reader, size_t w, uint8_t *present)
{
    const script_writer *sw = &s->writers[w];
    char selector[32];
    snprintf(selector, sizeof selector, "w%zu.*", w);
    steplog_view view = {.size_bytes = sizeof view,
                         .flags = STEPLOG_VIEW_ALL_ATTEMPTS | STEPLOG_VIEW_ARRIVAL_ORDER};
    steplog_cursor *cursor = NULL;
    steplog_error why;
    steplog_status status = steplog_cursor_open_matching(reader, &sw->run, selector, &view, &cursor, &why);
    if (status == STEPLOG_MISSING) return NULL;
    if (status < 0) return say("rows of writer %zu cannot be read: %s", w, why.text);
    const char *wrong = NULL;
    unsigned places[SCRIPT_COLUMNS + 1] = {0};
    steplog_batch batch;
    size_t known = 0;
    while (!wrong && (status = steplog_cursor_next(cursor, &batch, 0, &why)) == STEPLOG_OK) {
        if (batch.column_count > SCRIPT_COLUMNS) wrong = say("%zu columns of writer %zu", batch.column_count, w);
        for (; !wrong && known < batch.column_count; known++) {
            steplog_series series;
            steplog_series_info info = {.size_bytes = sizeof info};
            if (steplog_cursor_series(cursor, known, &series) < 0 ||
                steplog_reader_series(reader, series, &info, NULL) < 0)
                wrong = say("a series of writer %zu cannot be described", w);
            else
                places[known] = (unsigned)(info.name[strlen(info.name) - 1] - '0');
        }
        for (size_t row = 0; !wrong && row < batch.row_count; row++) {
            int64_t step = batch.steps[row];
            if (step < 0 || step >= sw->counts[SCRIPT_ROW])
                wrong = say("writer %zu: row %lld was never appended", w, (long long)step);
            else if (present[step]++)
                wrong = say("writer %zu: row %lld is there twice", w, (long long)step);
            else if (batch.column_count != SCRIPT_COLUMNS && !is_being_removed(sw, step))
                wrong = say("writer %zu: row %lld has %zu columns", w, (long long)step, batch.column_count);
            for (size_t c = 0; !wrong && c < batch.column_count; c++) {
                uint64_t expected = kit_bits(kit_value(s->seed, w, (uint64_t)step, places[c]));
                if (!(batch.present[c][row / 64] >> (row % 64) & 1)) {
                    /* A removal is a tombstone for each series. */
                    if (!is_being_removed(sw, step)) wrong = say("writer %zu: row %lld lacks column %zu", w, (long long)step, c);
                } else if (kit_bits(batch.values[c][row]) != expected)
                    wrong = say("writer %zu: row %lld column %zu has other bits", w, (long long)step, c);
            }
        }
    }
    if (!wrong && status != STEPLOG_END) wrong = say("rows of writer %zu cannot be read on: %s", w, why.text);
    steplog_cursor_close(cursor);
    return wrong;
}

static const char *read_facts(steplog_reader *reader, const script_writer *sw, size_t w, uint8_t *present)
{
    for (uint32_t n = 0; n < sw->counts[SCRIPT_FACT]; n++) {
        char key[48], expected[48];
        const char *value = NULL;
        snprintf(key, sizeof key, "w%zu.f%u", w, (unsigned)n);
        snprintf(expected, sizeof expected, "value %u", (unsigned)n);
        if (steplog_reader_fact(reader, &sw->run, key, &value) < 0 || !value) continue;
        if (strcmp(value, expected)) return say("fact %s is '%s'", key, value);
        present[n] = 1;
    }
    return NULL;
}

static const char *read_blobs(const script *s, steplog_reader *reader, size_t w, uint8_t *present)
{
    const script_writer *sw = &s->writers[w];
    size_t count = steplog_reader_blob_count(reader, &sw->run);
    for (size_t i = 0; i < count; i++) {
        steplog_blob_info info = {.size_bytes = sizeof info};
        unsigned writer, number;
        steplog_error why;
        if (steplog_reader_blob(reader, &sw->run, i, &info, &why) < 0) return say("blob %zu: %s", i, why.text);
        if (sscanf(info.name, "w%u.b%u", &writer, &number) != 2 || writer >= s->writer_count) return say("blob '%s' was never recorded", info.name);
        if (writer != w) continue;
        if (number >= sw->counts[SCRIPT_BLOB]) return say("blob '%s' was never recorded", info.name);
        if (present[number]++) return say("blob '%s' is there twice", info.name);
        uint8_t *data = sim_resize(NULL, info.bytes + 1), *expected = sim_resize(NULL, info.bytes + 1);
        const char *wrong = NULL;
        script_fill_blob(expected, info.bytes, w, number);
        if (steplog_reader_blob_read(reader, &sw->run, i, data, info.bytes, &why) < 0)
            wrong = say("blob '%s' cannot be read: %s", info.name, why.text);
        else if (memcmp(data, expected, info.bytes))
            wrong = say("blob '%s' has other bytes", info.name);
        free(data);
        free(expected);
        if (wrong) return wrong;
    }
    return NULL;
}

/* Whether anything is reported: by the writer when it failed for good, or damage, or a gap. */
static int is_anything_told(const script *s, steplog_reader *reader, const steplog_id *run)
{
    if (s->has_failed) return 1;
    for (size_t i = 0; i < steplog_reader_damage_count(reader); i++) {
        steplog_damage damage = {.size_bytes = sizeof damage};
        if (steplog_reader_damage(reader, i, &damage) >= 0 && !damage.is_notice) return 1;
    }
    for (size_t i = 0; i < steplog_reader_event_count(reader, run); i++) {
        steplog_event event = {.size_bytes = sizeof event};
        if (steplog_reader_event(reader, run, i, &event, NULL) >= 0 && event.kind == STEPLOG_EVENT_GAP) return 1;
    }
    return 0;
}

static const char *check_items(const script *s, steplog_reader *reader, size_t w, int after, const script_moment *m,
                               uint8_t *const present[3])
{
    const script_writer *sw = &s->writers[w];
    static const char *const kinds[3] = {"row", "fact", "blob"};
    size_t count = m ? m->item_counts[w] : sw->item_count, missing = 0;
    uint64_t durable = m ? m->durable[w] : sw->durable;
    int may_lose = s->may_lose && is_anything_told(s, reader, &sw->run);
    int has_missing = 0, is_elsewhere = m ? m->is_elsewhere[w] : sw->is_elsewhere;
    for (size_t i = 0; i < sw->item_count; i++) {
        const script_item *item = &sw->items[i];
        int is_there = present[item->kind][item->number];
        const char *kind = kinds[item->kind];
        if (i >= count && is_there)
            return say("writer %zu: %s %u is there before it was appended", w, kind, (unsigned)item->number);
        if (i >= count) continue;
        if (item->state == SCRIPT_REFUSED && is_there)
            return say("writer %zu: %s %u was refused and is there", w, kind, (unsigned)item->number);
        if (item->is_removed == 2 && is_there && after == SCRIPT_AFTER_KILL)
            return say("writer %zu: %s %u was removed and is there", w, kind, (unsigned)item->number);
        if (is_elsewhere || item->is_removed || item->state != SCRIPT_ACKNOWLEDGED) continue;
        if (!is_there && after == SCRIPT_AFTER_KILL && !may_lose)
            return say("writer %zu: %s %u was acknowledged and is lost", w, kind, (unsigned)item->number);
        if (!is_there && item->sequence <= durable && !may_lose)
            return say("writer %zu: %s %u (sequence %llu) was durable (up to %llu) and is lost", w, kind,
                       (unsigned)item->number, (unsigned long long)item->sequence, (unsigned long long)durable);
        if (!is_there && !has_missing) has_missing = 1, missing = i;
        if (is_there && has_missing && !may_lose)
            return say("writer %zu: %s %u is there, an earlier %s %u is not", w, kind, (unsigned)item->number,
                       kinds[sw->items[missing].kind], (unsigned)sw->items[missing].number);
    }
    return NULL;
}

static uint64_t mix(uint64_t hash, uint64_t value) { return (hash ^ value) * 0x9e3779b97f4a7c15u ^ (hash >> 29); }

static const char *check_writer(const script *s, steplog_reader *reader, size_t w, int after, const script_moment *m,
                                uint64_t *signature)
{
    const script_writer *sw = &s->writers[w];
    uint8_t *present[3];
    const char *wrong = NULL;
    for (int k = 0; k < 3; k++) present[k] = calloc(sw->counts[k] + 1, 1);
    wrong = read_rows(s, reader, w, present[SCRIPT_ROW]);
    if (!wrong) wrong = read_facts(reader, sw, w, present[SCRIPT_FACT]);
    if (!wrong) wrong = read_blobs(s, reader, w, present[SCRIPT_BLOB]);
    if (!wrong) wrong = check_items(s, reader, w, after, m, present);
    for (int k = 0; k < 3; k++) {
        for (uint32_t n = 0; n < sw->counts[k]; n++) *signature = mix(*signature, present[k][n] + 2u * n);
        free(present[k]);
    }
    return wrong;
}

static int is_torn_log(const script *s, const char *file)
{
    return s->may_tear_logs && file && strncmp(file, "log/", 4) == 0;
}

const char *script_check(const script *s, int after, const script_moment *m, uint64_t *signature)
{
    uint64_t hash = 1;
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_READ_ONLY | STEPLOG_NO_THREAD};
    steplog_store *store = NULL;
    steplog_reader *reader = NULL;
    steplog_error why;
    const char *wrong = NULL;
    steplog_status status = steplog_store_open(s->path, &options, &store, &why);
    if (status < 0) { /* nothing was acknowledged before the store was made */
        for (size_t w = 0; w < s->writer_count; w++)
            for (int k = 0; k < 3; k++)
                for (uint32_t n = 0; n < s->writers[w].counts[k]; n++) hash = mix(hash, 2u * n);
        if (signature) *signature = hash;
        for (size_t w = 0; w < s->writer_count; w++)
            for (size_t i = 0; i < (m ? m->item_counts[w] : s->writers[w].item_count); i++)
                if (s->writers[w].items[i].state == SCRIPT_ACKNOWLEDGED &&
                    (after == SCRIPT_AFTER_KILL || s->writers[w].items[i].sequence <= (m ? m->durable[w] : s->writers[w].durable)))
                    return say("the store cannot be opened: %s", why.text);
        return NULL;
    }
    if (steplog_reader_open(store, &reader, &why) < 0) wrong = say("the store cannot be read: %s", why.text);
    if (!wrong && !s->may_hold_more_runs && steplog_reader_run_count(reader) > 1)
        wrong = say("%zu runs", steplog_reader_run_count(reader));
    for (size_t w = 0; !wrong && w < s->writer_count; w++) wrong = check_writer(s, reader, w, after, m, &hash);
    for (size_t i = 0; !wrong && reader && i < steplog_reader_damage_count(reader); i++) {
        steplog_damage damage = {.size_bytes = sizeof damage};
        if (steplog_reader_damage(reader, i, &damage) < 0 || damage.is_notice || s->may_lose) continue;
        if (is_torn_log(s, damage.file)) continue;
        wrong = say("damage in %s at %lld: %s", damage.file, (long long)damage.offset, damage.what);
    }
    steplog_reader_close(reader);
    if (steplog_store_close(store, &why) < 0 && !wrong) wrong = say("the reader's store cannot be closed: %s", why.text);
    if (signature) *signature = hash;
    return wrong;
}

typedef struct findings {
    const script *script;
    int has_found;
} findings;

static int take_finding(void *context, const steplog_damage *finding)
{
    findings *f = context;
    if (finding->is_notice || f->has_found || is_torn_log(f->script, finding->file)) return 0;
    f->has_found = 1;
    say("verify: %s at %lld: %s", finding->file ? finding->file : "?", (long long)finding->offset, finding->what);
    return 0;
}

const char *script_verify(const script *s)
{
    findings found = {.script = s};
    steplog_verify_options options = {.size_bytes = sizeof options, .callback = take_finding, .context = &found};
    steplog_verify_result result = {.size_bytes = sizeof result};
    steplog_error why;
    steplog_status status = steplog_store_verify(s->path, &options, &result, &why);
    if (status == STEPLOG_MISSING) return NULL; /* it was not made yet: whether it should be is not for verify to say */
    if (status < 0 && status != STEPLOG_CORRUPT) return say("verify: %s", why.text);
    return found.has_found ? violation : NULL;
}
