/* fuzz/store_look.c: reads all that a store shows, through the public calls alone. */
#include "fuzz/store_look.h"

#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { RUNS_MAX = 8, SERIES_MAX = 16, ITEMS_MAX = 64, PIXELS = 7, FOLLOW_BATCHES_MAX = 2000, SERIES_BYTES = 256 << 10 };

typedef struct look {
    steplog_reader *reader;
    fuzz_sight sight;
} look;

static uint64_t mixed(uint64_t hash, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ at[i]) * 0x100000001B3u;
    return hash ^ hash >> 31;
}

static uint64_t mixed_text(uint64_t hash, const char *text)
{
    return text ? mixed(hash, text, strlen(text) + 1) : hash + 1;
}

static uint64_t count_damage(const steplog_reader *reader)
{
    uint64_t count = 0;
    for (size_t i = 0; i < steplog_reader_damage_count(reader); i++) {
        steplog_damage damage = {.size_bytes = sizeof damage};
        FUZZ_HOLDS(steplog_reader_damage(reader, i, &damage) == STEPLOG_OK && damage.what, "damage %zu", i);
        count += !damage.is_notice;
    }
    return count;
}

static void must_be_answer(steplog_status status)
{
    FUZZ_HOLDS(status >= 0 || status == STEPLOG_CORRUPT || status == STEPLOG_MISSING || status == STEPLOG_IO ||
                   status == STEPLOG_NEWER || status == STEPLOG_LIMIT,
               "%s", steplog_status_name(status));
}

/* ---- points ---- */

/* What a pass is told about its columns. */
typedef struct columns {
    uint64_t names[SERIES_MAX]; /* hashes of name, rank and labels: a series without points leaves no trace */
    uint64_t *counts;           /* of points, or NULL */
} columns;

/* A whole pass. */
static uint64_t read_cursor(steplog_cursor *cursor, int is_ordered, const columns *c)
{
    steplog_batch batch;
    steplog_status status;
    uint64_t hash = 0;
    int64_t last = INT64_MIN;
    while ((status = steplog_cursor_next(cursor, &batch, 0, NULL)) == STEPLOG_OK) {
        FUZZ_HOLDS(batch.row_count > 0, "an empty batch");
        for (size_t row = 0; row < batch.row_count; row++) {
            size_t present = 0;
            FUZZ_HOLDS(!is_ordered || batch.steps[row] >= last, "steps go back");
            last = batch.steps[row];
            hash = mixed(hash, &batch.steps[row], 8);
            hash = mixed(hash, &batch.times_ns[row], 8);
            hash = mixed(hash, &batch.sequences[row], 8);
            hash = mixed(hash, &batch.attempts[row], 4);
            for (size_t column = 0; column < batch.column_count; column++) {
                if (!(batch.present[column][row / 64] >> (row % 64) & 1)) continue;
                hash = mixed(hash + c->names[column], &batch.values[column][row], 8);
                present++;
                if (c->counts) c->counts[column]++;
            }
            FUZZ_HOLDS(present > 0, "a row without values");
        }
    }
    must_be_answer(status);
    return hash;
}

static uint64_t read_view(look *l, const steplog_series *series, size_t count, uint32_t flags, uint64_t last_count,
                          const columns *c)
{
    steplog_cursor *cursor = NULL;
    steplog_view view = {.size_bytes = sizeof view, .flags = flags, .last_count = last_count};
    steplog_status status = steplog_cursor_open(l->reader, series, count, &view, &cursor, NULL);
    must_be_answer(status);
    if (status != STEPLOG_OK) return (uint64_t)status;
    uint64_t hash = read_cursor(cursor, !(flags & STEPLOG_VIEW_ARRIVAL_ORDER), c);
    steplog_cursor_close(cursor);
    return hash;
}

static void read_m4(look *l, steplog_series series, uint64_t point_count)
{
    steplog_m4 buckets[PIXELS];
    int64_t begin, end;
    uint64_t counted = 0;
    steplog_status status = steplog_reader_m4(l->reader, series, NULL, PIXELS, buckets, &begin, &end, NULL);
    must_be_answer(status);
    for (size_t i = 0; i < PIXELS && status == STEPLOG_OK; i++) counted += buckets[i].count;
    /* Damage is met by one and not by the other: M4 need not decode all. */
    if (count_damage(l->reader) == 0)
        FUZZ_HOLDS(counted == point_count, "M4 counts %llu points, the cursor %llu", (unsigned long long)counted,
                   (unsigned long long)point_count);
}

static void follow(look *l, const steplog_id *run)
{
    steplog_cursor *cursor = NULL;
    steplog_batch batch;
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
    steplog_status status = steplog_cursor_open_matching(l->reader, run, NULL, &view, &cursor, NULL);
    must_be_answer(status);
    for (int i = 0; i < FOLLOW_BATCHES_MAX && status == STEPLOG_OK; i++)
        status = steplog_cursor_next(cursor, &batch, 0, NULL);
    must_be_answer(status);
    FUZZ_HOLDS(status != STEPLOG_END, "a follower came to the end");
    steplog_cursor_close(cursor);
}

static uint64_t read_series(look *l, const steplog_id *run)
{
    steplog_series series[SERIES_MAX];
    uint64_t counts[SERIES_MAX] = {0}, hash = 0;
    columns all = {.counts = NULL}, counted;
    size_t found = 0;
    steplog_status status = steplog_reader_find(l->reader, run, NULL, series, SERIES_MAX, &found, NULL);
    must_be_answer(status);
    if (status != STEPLOG_OK) return (uint64_t)status;
    size_t count = found < SERIES_MAX ? found : SERIES_MAX;
    if (found > count) l->sight.is_partial = 1;
    for (size_t i = 0; i < count; i++) {
        steplog_series_info info = {.size_bytes = sizeof info};
        FUZZ_HOLDS(steplog_reader_series(l->reader, series[i], &info, NULL) == STEPLOG_OK, "series %zu", i);
        all.names[i] = mixed(mixed(1, info.name, info.name_bytes), &info.rank, 4);
        for (size_t n = 0; n < info.label_count; n++)
            all.names[i] = mixed_text(mixed_text(all.names[i], info.labels[n].key), info.labels[n].value);
    }
    counted = all;
    counted.counts = counts;
    hash = hash * 31 + read_view(l, series, count, 0, 0, &counted);
    hash = hash * 31 + read_view(l, series, count, STEPLOG_VIEW_ALL_ATTEMPTS, 0, &all);
    (void)read_view(l, series, count, STEPLOG_VIEW_ALL_ATTEMPTS | STEPLOG_VIEW_ARRIVAL_ORDER, 0, &all);
    (void)read_view(l, series, count, 0, 3, &all);
    for (size_t i = 0; i < count && i < 3; i++) read_m4(l, series[i], counts[i]);
    return hash;
}

/* ---- the rest of a run ---- */

static void read_writers(look *l, const steplog_id *run)
{
    size_t count = steplog_reader_writer_count(l->reader, run);
    for (size_t i = 0; i < count && i < ITEMS_MAX; i++) {
        steplog_writer_info info = {.size_bytes = sizeof info};
        must_be_answer(steplog_reader_writer(l->reader, run, i, &info, NULL));
    }
}

static void read_events(look *l, const steplog_id *run)
{
    const char *value;
    size_t count = steplog_reader_event_count(l->reader, run);
    for (size_t i = 0; i < count && i < ITEMS_MAX; i++) {
        steplog_event event = {.size_bytes = sizeof event};
        FUZZ_HOLDS(steplog_reader_event(l->reader, run, i, &event, NULL) == STEPLOG_OK, "event %zu", i);
        if (event.kind == STEPLOG_EVENT_SET) must_be_answer(steplog_reader_fact(l->reader, run, event.key, &value));
    }
}

static void read_blobs(look *l, const steplog_id *run)
{
    size_t count = steplog_reader_blob_count(l->reader, run);
    for (size_t i = 0; i < count && i < ITEMS_MAX; i++) {
        steplog_blob_info info = {.size_bytes = sizeof info};
        FUZZ_HOLDS(steplog_reader_blob(l->reader, run, i, &info, NULL) == STEPLOG_OK, "blob %zu", i);
        if (info.bytes > (1u << 20))
            continue; /* a few bytes may claim 64 MiB: whoever reads it must have room for it */
        uint8_t *buffer = malloc((size_t)info.bytes + 1);
        if (!buffer) abort();
        must_be_answer(steplog_reader_blob_read(l->reader, run, i, buffer, (size_t)info.bytes, NULL));
        free(buffer);
    }
}

static void read_run(look *l, size_t index)
{
    steplog_run_info info = {.size_bytes = sizeof info};
    steplog_status status = steplog_reader_run(l->reader, index, &info, NULL);
    must_be_answer(status);
    if (status != STEPLOG_OK) return;
    steplog_id run = info.id;
    l->sight.row_count += info.row_count;
    read_writers(l, &run);
    read_events(l, &run);
    read_blobs(l, &run);
    l->sight.hash += mixed(read_series(l, &run), &run, sizeof run);
    follow(l, &run);
}

fuzz_sight fuzz_store_look(steplog_store *store)
{
    look l = {0};
    steplog_id ids[RUNS_MAX];
    size_t found = 0;
    steplog_store_info info = {.size_bytes = sizeof info};
    steplog_status status = steplog_reader_open(store, &l.reader, NULL);
    must_be_answer(status);
    if (status != STEPLOG_OK) return l.sight;
    /* Batches are what the caller asks for: a column of a cursor holds up to 1024 values. */
    fuzz_memory_allow(SERIES_MAX * SERIES_BYTES);
    l.sight.is_open = 1;
    must_be_answer(steplog_reader_store_info(l.reader, &info, NULL));
    must_be_answer(steplog_reader_find_runs(l.reader, "*", ids, RUNS_MAX, &found, NULL));
    size_t run_count = steplog_reader_run_count(l.reader);
    if (run_count > RUNS_MAX) l.sight.is_partial = 1;
    for (size_t i = 0; i < run_count && i < RUNS_MAX; i++) read_run(&l, i);
    must_be_answer(steplog_reader_refresh(l.reader, NULL));
    l.sight.damage_count = count_damage(l.reader);
    steplog_reader_close(l.reader);
    return l.sight;
}
