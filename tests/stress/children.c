/* A forked child of a process with one thread uses what it inherited from several threads at once: writers that start
 * over, new ones, readers, and its own background; then its own child does the same. For thread sanitizer. */
#include "steplog.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WRITERS = 3, BEFORE = 100, ROWS = 1500, COLUMNS = 6, SEED = 62, ROUNDS = 6 };

static steplog_store *store;
static steplog_writer *writers[WRITERS];
static steplog_schema schemas[WRITERS];
static pthread_barrier_t together;

static void append(uint32_t w, uint64_t row)
{
    double values[COLUMNS];
    for (unsigned column = 0; column < COLUMNS; column++) values[column] = kit_value(SEED, w, row, column);
    OK(steplog_writer_append(writers[w], schemas[w], (int64_t)row, STEPLOG_TIME_NOW, values));
}

static void *go_on(void *context)
{
    uint32_t w = *(uint32_t *)context;
    pthread_barrier_wait(&together); /* each finds a store that nobody has taken over yet */
    for (uint64_t row = 0; row < ROWS; row++) append(w, BEFORE + row);
    OK(steplog_writer_sync(writers[w], &kit_error));
    kit_writer_close(writers[w]);
    return NULL;
}

static void *open_new(void *context)
{
    pthread_barrier_wait(&together);
    steplog_writer *writer = kit_writer(store, "new", 0, 1);
    for (int64_t step = 0; step < 200; step++) kit_log(writer, "loss", step, 1);
    kit_writer_close(writer);
    return context;
}

static void be_child(void)
{
    pthread_t threads[WRITERS + 1];
    uint32_t numbers[WRITERS];
    HOLDS(pthread_barrier_init(&together, NULL, WRITERS + 1) == 0, "no barrier");
    for (uint32_t w = 0; w < WRITERS; w++) {
        numbers[w] = w;
        HOLDS(pthread_create(&threads[w], NULL, go_on, &numbers[w]) == 0, "no thread");
    }
    HOLDS(pthread_create(&threads[WRITERS], NULL, open_new, NULL) == 0, "no thread");
    for (uint32_t w = 0; w <= WRITERS; w++) pthread_join(threads[w], NULL);
    kit_store_close(store);
}

static void check(uint32_t flags)
{
    const char *path = test_path(test_temp_dir(), "store");
    /* Without a thread of its own, so that thread sanitizer allows its child to have some. */
    store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    for (uint32_t w = 0; w < WRITERS; w++) {
        writers[w] = kit_writer(store, "run", w, 1);
        schemas[w] = kit_schema(writers[w], "m", COLUMNS);
        for (uint64_t row = 0; row < BEFORE; row++) append(w, row);
    }
    steplog_id run = kit_run_of(writers[0]);
    pid_t child = fork();
    if (child == 0) {
        be_child();
        _exit(0);
    }
    int status;
    HOLDS(waitpid(child, &status, 0) == child && status == 0, "the child ended with %x", (unsigned)status);
    for (uint32_t w = 0; w < WRITERS; w++) kit_writer_close(writers[w]);
    kit_store_close(store);
    for (uint32_t w = 0; w < WRITERS; w++) {
        const char *selectors[WRITERS] = {"m*{rank=0}", "m*{rank=1}", "m*{rank=2}"};
        kit_rows rows = kit_read_store(path, &run, selectors[w], 0);
        HOLDS(rows.row_count == BEFORE + ROWS, "%zu rows of %u", rows.row_count, (unsigned)w);
        for (size_t row = 0; row < rows.row_count; row++)
            for (unsigned column = 0; column < COLUMNS; column++)
                HOLDS(rows.steps[row] == (int64_t)row &&
                          kit_bits(kit_at(&rows, row, column)) == kit_bits(kit_value(SEED, w, row, column)),
                      "row %zu of %u differs", row, (unsigned)w);
        kit_rows_free(&rows);
    }
    kit_verify(path);
}

int main(void)
{
    for (unsigned round = 0; round < ROUNDS; round++) check(round % 2 ? (uint32_t)STEPLOG_FORCE_PWRITE : 0);
    return 0;
}
