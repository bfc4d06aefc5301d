/* How many series a run has, told without a handle for each. */
#include "steplog.h"

#include "support/count_memory.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { RUNS = 32, COLUMNS = 4096, MOST = 16 << 20 };

Test(series, of_many_runs_are_counted_in_little_memory)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    static double values[COLUMNS];
    for (int i = 0; i < RUNS; i++) {
        char key[16];
        snprintf(key, sizeof key, "run%d", i);
        steplog_writer *writer = kit_writer(store, key, 0, 1);
        OK(steplog_writer_append(writer, kit_schema(writer, "a.metric.of.usual.length.", COLUMNS), 0, STEPLOG_TIME_NONE,
                                 values));
        kit_writer_close(writer);
    }
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    kit_store_close(store);
    test_count_begin();
    store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    cr_assert_eq(steplog_reader_run_count(reader), RUNS);
    for (size_t i = 0; i < RUNS; i++) {
        steplog_run_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_run(reader, i, &info, &kit_error));
        cr_assert_eq(info.series_count, COLUMNS);
    }
    steplog_reader_close(reader);
    kit_store_close(store);
    size_t peak = test_count_peak();
    cr_expect(peak <= MOST, "%zu bytes", peak);
    cr_assert_eq(test_count_end(), 0);
}

static void must_be_counted(steplog_store *store, const steplog_id *run, size_t expected)
{
    steplog_reader *reader = kit_reader(store);
    steplog_run_info info = {.size_bytes = sizeof info};
    OK(steplog_reader_run_by_id(reader, run, &info, &kit_error));
    cr_expect_eq(info.series_count, expected, "%d, not %d", (int)info.series_count, (int)expected);
    steplog_series series[16];
    size_t found;
    steplog_status status = steplog_reader_find(reader, run, "*", series, 16, &found, &kit_error);
    cr_expect(status == (expected ? STEPLOG_OK : STEPLOG_MISSING) && found == expected, "%d are found", (int)found);
    steplog_reader_close(reader);
}

IN_BOTH_MODES(series, are_counted_as_they_are_found)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *first = kit_writer(store, "run", 0, 1), *second = kit_writer(store, "run", 1, 1);
    steplog_id run = kit_run_of(first), fork;
    must_be_counted(store, &run, 0);
    for (int64_t step = 0; step < 3; step++) {
        kit_log(first, "loss", step, 1);
        kit_log(first, "acc", step, 1);
        kit_log(second, "loss", step, 1);
    }
    must_be_counted(store, &run, 3);
    kit_writer_close(first);
    first = kit_writer(store, "run", 0, 2); /* the same series once more */
    kit_log(first, "loss", 5, 1);
    kit_log(first, "rate", 5, 1);
    must_be_counted(store, &run, 4);
    OK(steplog_run_fork(store, &run, 2, "fork", NULL, &fork, &kit_error));
    steplog_writer *third = kit_writer(store, "fork", 0, 0);
    kit_log(third, "loss", 2, 1);
    kit_log(third, "new", 2, 1);
    kit_writer_close(first), kit_writer_close(second), kit_writer_close(third);
    must_be_counted(store, &fork, 5);
    steplog_remove_options options = {.size_bytes = sizeof options, .run = run, .selector = "acc"};
    steplog_remove_result result = {.size_bytes = sizeof result};
    OK(steplog_remove(store, &options, &result, &kit_error));
    must_be_counted(store, &run, 3);
    must_be_counted(store, &fork, 5);
    kit_store_close(store);
}

/* What is wrong with a selector is told with its place in the whole of it. */
Test(series, a_malformed_selector_is_told_with_the_byte)
{
    static const struct {
        const char *text;
        int64_t offset;
    } wrong[] = {{"a[", 1}, {"loss{rank=[}", 10}, {"loss{a=1,b=x\xff}", 12}, {"loss{a=b[z-a]}", 8}, {"loss{a}", 6}};
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    const steplog_id run = kit_run_of(writer);
    kit_log(writer, "loss", 1, 1);
    steplog_reader *reader = kit_reader(store);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        size_t found;
        GIVES(MISUSE, steplog_reader_find(reader, &run, wrong[i].text, NULL, 0, &found, &kit_error));
        cr_expect_eq(kit_error.file_offset, wrong[i].offset, "%s: %lld", wrong[i].text,
                     (long long)kit_error.file_offset);
    }
    steplog_reader_close(reader);
    kit_writer_close(writer);
    kit_store_close(store);
}
