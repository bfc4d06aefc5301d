/* Many processes write into one store at once, others follow, one compacts, two writers are killed and resumed:
 * every row is read exactly once, bit for bit, by the followers and afterwards.
 *
 *   many_writers [ROWS_OF_EACH_WRITER]        default 20000, or $STEPLOG_STRESS_ROWS
 *
 * The rows of writer w are its numbers 0, 1, 2 ... as steps; their values follow from the seed. A writer that was
 * killed is followed by a new process, which reads how far the last one came and goes on there: the rows that were
 * recorded are counted, not those that were acknowledged. Since one process has no threads beside it here, thread
 * sanitizer runs this too. */
#include "steplog.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WRITERS = 8, FOLLOWERS = 3, COLUMNS = 4, SEED = 20 };

static uint64_t row_count = 20000;
static const char *path;

/* What the processes share. */
static struct shared {
    atomic_uint_fast64_t acknowledged[WRITERS];
    atomic_int is_over;
} * shared;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void sleep_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* Rows that writer w has in the store. */
static uint64_t recorded_rows(steplog_store *store, const steplog_id *run, uint32_t w)
{
    char selector[64];
    snprintf(selector, sizeof selector, "m0{rank=%" PRIu32 "}", w);
    steplog_reader *reader = kit_reader(store);
    steplog_view last = {.size_bytes = sizeof last, .last_count = 1};
    kit_rows rows = kit_read(reader, run, selector, &last);
    uint64_t count = rows.row_count ? (uint64_t)rows.steps[0] + 1 : 0;
    kit_rows_free(&rows);
    steplog_reader_close(reader);
    return count;
}

static void write_rows(uint32_t w, int is_resumed)
{
    steplog_store *store = kit_store(path, 0, 1 << 20);
    steplog_writer *writer = kit_writer(store, "run", w, 1);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    uint64_t row = is_resumed ? recorded_rows(store, &run, w) : 0;
    uint64_t acknowledged = atomic_load(&shared->acknowledged[w]);
    HOLDS(row >= acknowledged && row <= acknowledged + 1,
          "writer %" PRIu32 " acknowledged %" PRIu64 ", recorded %" PRIu64, w, acknowledged, row);
    for (; row < row_count; row++) {
        double values[COLUMNS];
        for (unsigned column = 0; column < COLUMNS; column++) values[column] = kit_value(SEED, w, row, column);
        OK(steplog_writer_append(writer, schema, (int64_t)row, STEPLOG_TIME_NOW, values));
        atomic_store(&shared->acknowledged[w], row + 1);
    }
    kit_writer_close(writer);
    kit_store_close(store);
}

/* Checks a row of any column layout against what its writer must have written; gives the writer. */
static uint32_t check_row(const steplog_batch *batch, size_t row, const uint32_t *ranks, const unsigned *metrics)
{
    uint32_t w = UINT32_MAX;
    unsigned seen = 0;
    for (size_t column = 0; column < batch->column_count; column++) {
        if (!(batch->present[column][row / 64] >> (row % 64) & 1)) continue;
        HOLDS(w == UINT32_MAX || w == ranks[column], "a row of two writers");
        w = ranks[column];
        uint64_t expected = kit_bits(kit_value(SEED, w, (uint64_t)batch->steps[row], metrics[column]));
        HOLDS(kit_bits(batch->values[column][row]) == expected,
              "writer %" PRIu32 " row %" PRId64 " metric %u: %016" PRIx64 ", expected %016" PRIx64, w,
              batch->steps[row], metrics[column], kit_bits(batch->values[column][row]), expected);
        seen++;
    }
    HOLDS(seen == COLUMNS, "%u values in a row", seen);
    return w;
}

/* Passes over arrival order and marks every row; a row seen twice is an error. Gives how many rows came. */
static uint64_t read_all(steplog_reader *reader, steplog_cursor *cursor, uint8_t *seen, int is_following)
{
    uint32_t ranks[WRITERS * COLUMNS];
    unsigned metrics[WRITERS * COLUMNS];
    size_t known = 0;
    uint64_t total = 0;
    double begin = now_s(), last_news = begin;
    while (!is_following || total < row_count * WRITERS) {
        steplog_batch batch;
        steplog_status status = steplog_cursor_next(cursor, &batch, 200, &kit_error);
        if (status == STEPLOG_END) break;
        if (status == STEPLOG_WAIT) {
            HOLDS(now_s() - last_news < 60, "nothing new for a minute after %" PRIu64 " rows", total);
            continue;
        }
        OK(status);
        last_news = now_s();
        HOLDS(batch.column_count <= WRITERS * COLUMNS, "%zu columns", batch.column_count);
        for (; known < batch.column_count; known++) {
            steplog_series series;
            steplog_series_info info = {.size_bytes = sizeof info};
            OK(steplog_cursor_series(cursor, known, &series));
            OK(steplog_reader_series(reader, series, &info, &kit_error));
            ranks[known] = info.rank;
            metrics[known] = (unsigned)atoi(info.name + 1);
        }
        for (size_t row = 0; row < batch.row_count; row++) {
            uint32_t w = check_row(&batch, row, ranks, metrics);
            uint64_t at = (uint64_t)w * row_count + (uint64_t)batch.steps[row];
            HOLDS((uint64_t)batch.steps[row] < row_count && !(seen[at / 8] >> (at % 8) & 1),
                  "writer %" PRIu32 " row %" PRId64 " came twice", w, batch.steps[row]);
            seen[at / 8] |= (uint8_t)(1u << (at % 8));
        }
        total += batch.row_count;
    }
    return total;
}

static void read_store(int is_following, int by_step)
{
    uint8_t *seen = calloc(row_count * WRITERS / 8 + 1, 1);
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY, 0);
    steplog_id run;
    size_t found = 0;
    steplog_reader *reader = NULL;
    for (int tries = 0;; tries++) {
        reader = kit_reader(store);
        if (steplog_reader_find_runs(reader, "@latest", &run, 1, &found, NULL) == STEPLOG_OK) break;
        steplog_reader_close(reader);
        HOLDS(tries < 1000, "no run appears");
        sleep_ms(10);
    }
    steplog_view view = {.size_bytes = sizeof view,
                         .flags = is_following ? STEPLOG_VIEW_FOLLOW
                                  : by_step    ? 0
                                               : STEPLOG_VIEW_ARRIVAL_ORDER};
    uint64_t total = 0;
    if (by_step) { /* a pass for each rank, since rows of the union are of many writers */
        for (uint32_t w = 0; w < WRITERS; w++) {
            char selector[64];
            snprintf(selector, sizeof selector, "*{rank=%" PRIu32 "}", w);
            steplog_cursor *cursor = NULL;
            OK(steplog_cursor_open_matching(reader, &run, selector, &view, &cursor, &kit_error));
            total += read_all(reader, cursor, seen, 0);
            steplog_cursor_close(cursor);
        }
    } else {
        steplog_cursor *cursor = NULL;
        OK(steplog_cursor_open_matching(reader, &run, "*", &view, &cursor, &kit_error));
        total = read_all(reader, cursor, seen, is_following);
        if (is_following) { /* and nothing comes after the end */
            steplog_batch batch;
            GIVES(WAIT, steplog_cursor_next(cursor, &batch, 300, &kit_error));
        }
        steplog_cursor_close(cursor);
    }
    HOLDS(total == row_count * WRITERS, "%" PRIu64 " rows of %" PRIu64, total, row_count * WRITERS);
    kit_no_damage(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
    free(seen);
}

static void compact_repeatedly(void)
{
    steplog_store *store = kit_store(path, 0, 0);
    while (!atomic_load(&shared->is_over)) {
        OK(steplog_store_compact(store, NULL, NULL, &kit_error));
        sleep_ms(50);
    }
    kit_store_close(store);
}

enum { WRITE, RESUME, FOLLOW, COMPACT };

static pid_t start(int what, uint32_t w)
{
    pid_t child = fork();
    HOLDS(child >= 0, "cannot fork");
    if (child) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody is left behind when a check fails */
    if (what == WRITE || what == RESUME)
        write_rows(w, what == RESUME);
    else if (what == FOLLOW)
        read_store(1, 0);
    else
        compact_repeatedly();
    _exit(0);
}

static void wait_for(pid_t child, const char *what)
{
    int status = 0;
    HOLDS(waitpid(child, &status, 0) == child, "cannot wait");
    HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s ended with %x", what, (unsigned)status);
}

int main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : getenv("STEPLOG_STRESS_ROWS");
    if (wanted && strtoull(wanted, NULL, 10) > 0) row_count = strtoull(wanted, NULL, 10);
    setvbuf(stdout, NULL, _IOLBF, 0);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    HOLDS(shared != MAP_FAILED, "no shared memory");
    path = test_path(test_temp_dir(), "store");
    kit_store_close(kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    double begin = now_s();

    pid_t writers[WRITERS], followers[FOLLOWERS];
    for (uint32_t w = 0; w < WRITERS; w++) writers[w] = start(WRITE, w);
    for (uint32_t f = 0; f < FOLLOWERS; f++) followers[f] = start(FOLLOW, 0);
    pid_t compactor = start(COMPACT, 0);
    for (uint32_t victim = 2; victim <= 5; victim += 3) {
        while (atomic_load(&shared->acknowledged[victim]) < row_count * victim / 8) sleep_ms(1);
        kill(writers[victim], SIGKILL);
        int status = 0;
        HOLDS(waitpid(writers[victim], &status, 0) == writers[victim], "cannot wait");
        printf("killed writer %" PRIu32 " after %" PRIu64 " rows\n", victim,
               (uint64_t)atomic_load(&shared->acknowledged[victim]));
        writers[victim] = start(RESUME, victim);
    }
    for (uint32_t w = 0; w < WRITERS; w++) wait_for(writers[w], "a writer");
    double written = now_s();
    for (uint32_t f = 0; f < FOLLOWERS; f++) wait_for(followers[f], "a follower");
    double followed = now_s();
    atomic_store(&shared->is_over, 1);
    wait_for(compactor, "compaction");
    read_store(0, 0);
    read_store(0, 1);
    steplog_store *store = kit_store(path, 0, 0);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    kit_store_close(store);
    read_store(0, 0);
    read_store(0, 1);
    kit_verify(path);
    printf("%d writers of %" PRIu64
           " rows: written in %.1f s, followed in %.1f s, read in %.1f s; %zu segments, %zu logs\n",
           WRITERS, row_count, written - begin, followed - begin, now_s() - followed, kit_segment_count(path),
           kit_log_count(path));
    HOLDS(kit_log_count(path) == 0, "logs are left");
    return 0;
}
