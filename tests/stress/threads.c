/* Threads with a writer each, one that follows them, one that asks for compaction, and the background thread that
 * seals small logs: every row is read once. For thread sanitizer. */
#include "steplog.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { WRITERS = 3, ROWS = 8000, COLUMNS = 3, SEED = 60 };

static steplog_store *store;
static atomic_int writing = WRITERS;

static void *write_rows(void *context)
{
    uint32_t w = *(uint32_t *)context;
    steplog_writer *writer = kit_writer(store, "run", w, 1);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    for (uint64_t row = 0; row < ROWS; row++) {
        double values[COLUMNS];
        for (unsigned column = 0; column < COLUMNS; column++) values[column] = kit_value(SEED, w, row, column);
        OK(steplog_writer_append(writer, schema, (int64_t)row, STEPLOG_TIME_NOW, values));
        if (row % 2000 == 999) OK(steplog_writer_sync(writer, &kit_error));
        if (row % 3000 == 999) OK(steplog_writer_set_fact(writer, "tag.row", "text", &kit_error));
    }
    kit_writer_close(writer);
    atomic_fetch_sub(&writing, 1);
    return NULL;
}

static void *compact(void *context)
{
    while (atomic_load(&writing)) OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    return context;
}

static void *follow(void *context)
{
    static uint8_t seen[WRITERS][ROWS];
    steplog_reader *reader = kit_reader(store);
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
    steplog_cursor *cursor = NULL;
    OK(steplog_cursor_open_matching(reader, context, "m0", &view, &cursor, &kit_error));
    for (size_t total = 0; total < WRITERS * ROWS;) {
        steplog_batch batch;
        steplog_status status = steplog_cursor_next(cursor, &batch, 60000, &kit_error);
        HOLDS(status == STEPLOG_OK, "%s after %zu rows", steplog_status_name(status), total);
        for (size_t row = 0; row < batch.row_count; row++)
            for (size_t column = 0; column < batch.column_count; column++) {
                if (!(batch.present[column][row / 64] >> (row % 64) & 1)) continue;
                steplog_series series;
                steplog_series_info info = {.size_bytes = sizeof info};
                OK(steplog_cursor_series(cursor, column, &series));
                OK(steplog_reader_series(reader, series, &info, &kit_error));
                uint64_t step = (uint64_t)batch.steps[row];
                HOLDS(step < ROWS && !seen[info.rank][step]++, "row %d of %u came twice", (int)step,
                      (unsigned)info.rank);
                HOLDS(kit_bits(batch.values[column][row]) == kit_bits(kit_value(SEED, info.rank, step, 0)),
                      "row %d differs", (int)step);
                total++;
            }
    }
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    return NULL;
}

static void check(uint32_t flags)
{
    const char *path = test_path(test_temp_dir(), "store");
    pthread_t writers[WRITERS], follower, compactor;
    uint32_t numbers[WRITERS];
    /* So little may wait that appends seal too. */
    steplog_store_options options = {.size_bytes = sizeof options,
                                     .flags = STEPLOG_CREATE | flags,
                                     .log_bytes = 65536,
                                     .backlog_bytes = 1};
    OK(steplog_store_open(path, &options, &store, &kit_error));
    steplog_writer *first = kit_writer(store, "run", 99, 1);
    steplog_id run = kit_run_of(first);
    kit_writer_close(first);
    atomic_store(&writing, WRITERS);
    for (uint32_t w = 0; w < WRITERS; w++) {
        numbers[w] = w;
        HOLDS(pthread_create(&writers[w], NULL, write_rows, &numbers[w]) == 0, "no thread");
    }
    HOLDS(pthread_create(&follower, NULL, follow, &run) == 0, "no thread");
    HOLDS(pthread_create(&compactor, NULL, compact, NULL) == 0, "no thread");
    for (uint32_t w = 0; w < WRITERS; w++) pthread_join(writers[w], NULL);
    pthread_join(follower, NULL);
    pthread_join(compactor, NULL);
    kit_store_close(store);
    kit_verify(path);
}

int main(void)
{
    check(0);
    return 0;
}
