/* Several stores in one process, opened and closed again and again, with every role as a thread on each: writers,
 * readers, a follower, compaction, ticks, facts from outside. Every row is there once. For thread sanitizer. */
#include "steplog.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { STORES = 2, ROUNDS = 3, WRITERS = 3, ROWS = 1200, COLUMNS = 6, SEED = 61 };

typedef struct shop {
    const char *path;
    uint32_t flags;
    steplog_store *store;
    steplog_id run;
    unsigned round;
    atomic_int writing;
} shop;

typedef struct role {
    shop *shop;
    uint32_t w;
} role;

static int64_t step_of(const shop *s, uint64_t row) { return (int64_t)(s->round * (uint64_t)ROWS + row); }

static void *write_rows(void *context)
{
    role *r = context;
    shop *s = r->shop;
    steplog_writer *writer = kit_writer(s->store, "run", r->w, 1);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    steplog_metric point = kit_metric(writer, "point");
    char blob[2000] = {0};
    for (uint64_t row = 0; row < ROWS; row++) {
        double values[COLUMNS];
        int64_t step = step_of(s, row);
        for (unsigned column = 0; column < COLUMNS; column++)
            values[column] = kit_value(SEED, r->w, (uint64_t)step, column);
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NOW, values));
        if (row % 3 == 0) OK(steplog_writer_point(writer, point, step, STEPLOG_TIME_NOW, 1));
        if (row % 400 == 399) OK(steplog_writer_sync(writer, &kit_error));
        if (row % 500 == 77) OK(steplog_writer_set_fact(writer, "tag.row", "text", &kit_error));
        if (row % 600 == 88)
            OK(steplog_writer_blob(writer, "note", step, STEPLOG_TIME_NOW, NULL, blob, sizeof blob, &kit_error));
        HOLDS(kit_stats(writer).row_count > row, "rows are missing");
    }
    kit_writer_close(writer);
    atomic_fetch_sub(&s->writing, 1);
    return NULL;
}

static void *keep_house(void *context)
{
    role *r = context;
    shop *s = r->shop;
    steplog_pair fact = {"tag.outside", "yes"};
    while (atomic_load(&s->writing)) {
        if (r->w == 0) OK(steplog_store_compact(s->store, NULL, NULL, &kit_error));
        /* Beside appends only where there is a background thread. */
        while (r->w == 1 && steplog_store_tick(s->store, 50, &kit_error) == STEPLOG_WAIT) continue;
        if (r->w == 2) OK(steplog_run_set_facts(s->store, &s->run, &fact, 1, &kit_error));
    }
    return NULL;
}

static void *read_rows(void *context)
{
    role *r = context;
    shop *s = r->shop;
    while (atomic_load(&s->writing)) {
        steplog_reader *reader = kit_reader(s->store);
        kit_rows rows = kit_read(reader, &s->run, "m0{rank=1}", NULL);
        for (size_t i = 0; i < rows.row_count; i++)
            HOLDS(rows.steps[i] == (int64_t)i, "row %zu of rank 1 has step %d", i, (int)rows.steps[i]);
        kit_rows_free(&rows);
        kit_no_damage(reader);
        steplog_reader_close(reader);
    }
    return NULL;
}

static void *follow(void *context)
{
    role *r = context;
    shop *s = r->shop;
    steplog_reader *reader = kit_reader(s->store);
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
    steplog_cursor *cursor = NULL;
    uint64_t wanted = (uint64_t)(s->round + 1) * WRITERS * ROWS, total = 0;
    OK(steplog_cursor_open_matching(reader, &s->run, "m0", &view, &cursor, &kit_error));
    while (total < wanted) {
        steplog_batch batch;
        OK(steplog_cursor_next(cursor, &batch, 60000, &kit_error));
        for (size_t row = 0; row < batch.row_count; row++)
            for (size_t column = 0; column < batch.column_count; column++)
                total += batch.present[column][row / 64] >> (row % 64) & 1;
    }
    HOLDS(total == wanted, "%d rows were followed, %d appended", (int)total, (int)wanted);
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    return NULL;
}

static void *run_shop(void *context)
{
    shop *s = context;
    for (s->round = 0; s->round < ROUNDS; s->round++) {
        pthread_t threads[WRITERS + 5];
        role roles[WRITERS + 5];
        unsigned count = 0;
        s->store = kit_store(s->path, STEPLOG_CREATE | s->flags, 65536);
        steplog_writer *first = kit_writer(s->store, "run", 99, 1);
        s->run = kit_run_of(first);
        kit_writer_close(first);
        atomic_store(&s->writing, WRITERS);
        for (uint32_t w = 0; w < WRITERS; w++, count++) {
            roles[count] = (role){s, w};
            HOLDS(pthread_create(&threads[count], NULL, write_rows, &roles[count]) == 0, "no thread");
        }
        for (uint32_t w = 0; w < 3; w++, count++) {
            roles[count] = (role){s, w};
            HOLDS(pthread_create(&threads[count], NULL, keep_house, &roles[count]) == 0, "no thread");
        }
        roles[count] = (role){s, 0};
        HOLDS(pthread_create(&threads[count], NULL, read_rows, &roles[count]) == 0, "no thread");
        count++;
        roles[count] = (role){s, 0};
        HOLDS(pthread_create(&threads[count], NULL, follow, &roles[count]) == 0, "no thread");
        count++;
        /* Another opening of the same store, in the middle of it. */
        steplog_store *again = kit_store(s->path, s->flags, 65536);
        kit_log(first = kit_writer(again, "other", 0, 1), "loss", 1, 1);
        kit_writer_close(first);
        kit_store_close(again);
        for (unsigned i = 0; i < count; i++) pthread_join(threads[i], NULL);
        kit_store_close(s->store);
    }
    return NULL;
}

int main(void)
{
    static shop shops[STORES];
    pthread_t threads[STORES];
    for (unsigned i = 0; i < STORES; i++) {
        shops[i].path = test_path(test_temp_dir(), "store");
        shops[i].flags = i % 2 ? (uint32_t)STEPLOG_FORCE_PWRITE : 0;
        HOLDS(pthread_create(&threads[i], NULL, run_shop, &shops[i]) == 0, "no thread");
    }
    for (unsigned i = 0; i < STORES; i++) pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < STORES; i++) kit_verify(shops[i].path);
    return 0;
}
