/* Steps that hold more rows than a batch: each point of each series is given once, in its order. */
#include "steplog.h"

#include "support/random.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERIES_MAX = 6, RANKS = 2, POINTS_MAX = 4000, STEPS = 3, BATCH_ROWS = 1024 };

/* What was appended: of each series at each step, in order. Values are numbers that are never used again. */
typedef struct recorded {
    size_t count[SERIES_MAX][STEPS];
    double values[SERIES_MAX][STEPS][POINTS_MAX];
} recorded;

static recorded *all;

static double next_value(size_t series, int64_t step)
{
    static double value;
    size_t *count = &all->count[series][step];
    cr_assert_lt(*count, (size_t)POINTS_MAX);
    all->values[series][step][(*count)++] = ++value;
    return value;
}

/* Series are by name, then rank. */
static size_t series_of(size_t name, uint32_t rank) { return name * RANKS + rank; }

static void compare(steplog_store *store, const steplog_id *run)
{
    recorded *seen = calloc(1, sizeof *seen);
    size_t rows_at[STEPS] = {0};
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, run, "*", NULL);
    cr_assert_eq(rows.column_count, (size_t)SERIES_MAX);
    for (size_t row = 0; row < rows.row_count; row++) {
        int64_t step = rows.steps[row];
        int has_any = 0;
        cr_assert(row == 0 || rows.steps[row - 1] <= step);
        rows_at[step]++;
        for (size_t s = 0; s < SERIES_MAX; s++) {
            if (!kit_has(&rows, row, s)) continue;
            size_t at = seen->count[s][step]++;
            has_any = 1;
            cr_assert_lt(at, all->count[s][step], "a point of series %zu at step %lld too much", s, (long long)step);
            cr_assert_eq(kit_at(&rows, row, s), all->values[s][step][at], "point %zu of series %zu at step %lld", at, s,
                         (long long)step);
        }
        cr_assert(has_any);
    }
    for (int step = 0; step < STEPS; step++) {
        size_t most = 0, sum = 0;
        for (size_t s = 0; s < SERIES_MAX; s++) {
            cr_assert_eq(seen->count[s][step], all->count[s][step], "%zu points of series %zu at step %d, of %zu",
                         seen->count[s][step], s, step, all->count[s][step]);
            if (all->count[s][step] > most) most = all->count[s][step];
            sum += all->count[s][step];
        }
        if (most <= BATCH_ROWS)
            cr_assert_eq(rows_at[step], most, "the n-th of one series stands beside the n-th of another");
        else
            cr_assert(rows_at[step] >= most && rows_at[step] <= sum);
    }
    kit_rows_free(&rows);
    kit_no_damage(reader);
    steplog_reader_close(reader);
    free(seen);
}

/* Series log stretches of one step, some alone, some in rows together: in a log, sealed, and both. */
Test(long_step, each_point_is_given_once_and_in_order)
{
    static const char *const names[] = {"a", "b", "c"};
    test_random random = test_random_begin("long_step");
    all = calloc(1, sizeof *all);
    for (int round = 0; round < 6; round++) {
        memset(all, 0, sizeof *all);
        steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
        steplog_writer *writers[RANKS];
        steplog_metric metrics[RANKS][3];
        steplog_schema pair[RANKS];
        for (uint32_t rank = 0; rank < RANKS; rank++) {
            writers[rank] = kit_writer(store, "run", rank, 1);
            for (int n = 0; n < 3; n++) {
                metrics[rank][n] = kit_metric(writers[rank], names[n]);
                OK(steplog_writer_point(writers[rank], metrics[rank][n], 0, STEPLOG_TIME_NONE,
                                        next_value(series_of((size_t)n, rank), 0)));
            }
            OK(steplog_writer_schema(writers[rank], metrics[rank], 2, &pair[rank], &kit_error));
        }
        steplog_id run = kit_run_of(writers[0]);
        for (int stretch = 0; stretch < 24; stretch++) {
            uint32_t rank = (uint32_t)test_random_below(&random, RANKS);
            size_t name = test_random_below(&random, 4), count = 1 + test_random_below(&random, round % 2 ? 1400 : 300);
            int64_t step = (int64_t)test_random_below(&random, STEPS);
            for (size_t i = 0; i < count && all->count[series_of(name % 3, rank)][step] < POINTS_MAX - 1; i++) {
                if (name < 3) {
                    OK(steplog_writer_point(writers[rank], metrics[rank][name], step, STEPLOG_TIME_NONE,
                                            next_value(series_of(name, rank), step)));
                    continue;
                }
                if (all->count[series_of(1, rank)][step] == POINTS_MAX) break;
                double values[2] = {next_value(series_of(0, rank), step), next_value(series_of(1, rank), step)};
                OK(steplog_writer_append(writers[rank], pair[rank], step, STEPLOG_TIME_NONE, values));
            }
        }
        compare(store, &run);
        kit_writer_close(writers[0]);
        compare(store, &run);
        kit_writer_close(writers[1]);
        compare(store, &run);
        kit_store_close(store);
    }
    free(all);
}

/* So many columns that a batch holds 64 rows. */
Test(long_step, of_very_many_columns_too)
{
    enum { NAMES = 8192, POINTS = 200 };
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer);
    steplog_metric first, last;
    for (int n = 0; n < NAMES; n++) {
        char name[16];
        snprintf(name, sizeof name, "m%05d", n);
        last = kit_metric(writer, name);
        if (n == 0) first = last;
        OK(steplog_writer_point(writer, last, 1, STEPLOG_TIME_NONE, n));
    }
    for (int i = 0; i < POINTS; i++) OK(steplog_writer_point(writer, first, 2, STEPLOG_TIME_NONE, 1 + i));
    for (int i = 0; i < POINTS; i++) OK(steplog_writer_point(writer, last, 2, STEPLOG_TIME_NONE, 1 + i));
    steplog_reader *reader = kit_reader(store);
    steplog_cursor *cursor = NULL;
    OK(steplog_cursor_open_matching(reader, &run, "*", NULL, &cursor, &kit_error));
    steplog_batch batch;
    double next[2] = {1, 1};
    while (steplog_cursor_next(cursor, &batch, 0, &kit_error) == STEPLOG_OK) {
        cr_assert_leq(batch.row_count, (size_t)64);
        for (size_t row = 0; row < batch.row_count; row++)
            for (size_t which = 0; batch.steps[row] == 2 && which < 2; which++) {
                size_t column = which * (NAMES - 1);
                if (batch.present[column][row / 64] >> (row % 64) & 1)
                    cr_assert_eq(batch.values[column][row], next[which]++);
            }
    }
    steplog_cursor_close(cursor);
    cr_assert_eq(next[0], POINTS + 1);
    cr_assert_eq(next[1], POINTS + 1, "%.0f of %d points", next[1] - 1, POINTS);
    steplog_reader_close(reader);
    kit_writer_close(writer);
    kit_store_close(store);
}
