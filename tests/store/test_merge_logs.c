/* Merging a store whose writers have several logs each, none of them sealed. */
#include "steplog.h"

#include "support/random.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>

enum { WRITERS = 5, COLUMNS_MAX = 40, BYTES = 600000 };

/* Rows of different lengths: the second log of each begins with another number. */
static void append_all(steplog_writer **writers, const unsigned *columns, const int64_t *rows)
{
    for (uint32_t w = 0; w < WRITERS; w++) {
        steplog_schema schema = kit_schema(writers[w], "m", (int)columns[w]);
        double values[COLUMNS_MAX];
        for (int64_t row = 0; row < rows[w]; row++) {
            for (unsigned c = 0; c < columns[w]; c++) values[c] = kit_value(3, w, (uint64_t)row, c);
            OK(steplog_writer_append(writers[w], schema, row, row, values));
        }
    }
}

static void expect_whole(const char *path, const steplog_id *run, const int64_t *rows)
{
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    steplog_series series[WRITERS * COLUMNS_MAX];
    size_t count = 0;
    OK(steplog_reader_find(reader, run, "m0", series, WRITERS * COLUMNS_MAX, &count, &kit_error));
    cr_assert_eq(count, WRITERS);
    for (size_t s = 0; s < count; s++) {
        steplog_series_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_series(reader, series[s], &info, &kit_error));
        steplog_cursor *cursor;
        steplog_batch batch;
        int64_t row = 0;
        OK(steplog_cursor_open(reader, &series[s], 1, NULL, &cursor, &kit_error));
        while (steplog_cursor_next(cursor, &batch, 0, &kit_error) == STEPLOG_OK) {
            for (uint32_t i = 0; i < batch.row_count; i++, row++) {
                cr_assert_eq(batch.steps[i], row, "rank %u", info.rank);
                cr_assert_eq(kit_bits(batch.values[0][i]), kit_bits(kit_value(3, info.rank, (uint64_t)row, 0)));
            }
        }
        cr_assert_eq(row, rows[info.rank], "rank %u has %d rows, expected %d", info.rank, (int)row, (int)rows[info.rank]);
        steplog_cursor_close(cursor);
    }
    kit_no_damage(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
    kit_verify(path);
}

Test(merge_logs, of_many_writers_are_each_sealed_in_their_order)
{
    test_random random = test_random_begin("merge_logs");
    for (int round = 0; round < 8; round++) {
        const char *base = test_temp_dir(), *from_path = test_path(base, "from"), *to_path = test_path(base, "to");
        steplog_store *from = kit_store(from_path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
        steplog_writer *writers[WRITERS];
        unsigned columns[WRITERS];
        int64_t rows[WRITERS];
        for (uint32_t w = 0; w < WRITERS; w++) {
            columns[w] = 1 + (unsigned)test_random_below(&random, COLUMNS_MAX);
            rows[w] = BYTES / (int64_t)(32 + 8 * columns[w]);
            writers[w] = kit_writer(from, "run", w, 1);
        }
        steplog_id run = kit_run_of(writers[0]);
        append_all(writers, columns, rows);
        cr_assert_geq(kit_log_count(from_path), 2 * WRITERS, "%zu logs", kit_log_count(from_path));
        steplog_store *to = kit_store(to_path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
        steplog_merge_result result = {.size_bytes = sizeof result};
        OK(steplog_store_merge(to, from_path, NULL, NULL, &result, &kit_error));
        cr_assert_geq(result.files_copied, 2 * WRITERS);
        OK(steplog_store_merge(to, from_path, NULL, NULL, &result, &kit_error));
        cr_assert_eq(result.files_copied, 0, "merging again copied %d files", (int)result.files_copied);
        kit_store_close(to);
        expect_whole(to_path, &run, rows);
        for (uint32_t w = 0; w < WRITERS; w++) kit_writer_close(writers[w]);
        kit_store_close(from);
    }
}
