/* What is told of a run as a whole. */
#include "steplog.h"

#include "os/os.h"
#include "support/fail_os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <errno.h>

static steplog_run_info info_of(steplog_store *store, const steplog_id *run)
{
    steplog_run_info info = {.size_bytes = sizeof info};
    steplog_reader *reader = kit_reader(store);
    OK(steplog_reader_run_by_id(reader, run, &info, &kit_error));
    steplog_reader_close(reader);
    return info;
}

static void log_one(steplog_store *store, const char *key, uint32_t attempt, int64_t step, steplog_id *run)
{
    steplog_writer *writer = kit_writer(store, key, 0, attempt);
    *run = kit_run_of(writer);
    kit_log(writer, "x", step, 1);
    kit_writer_close(writer);
}

/* Steps below zero, and first of all a writer of an attempt that does not count. */
Test(run_info, the_last_step_is_of_what_is_seen)
{
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_id run;
    uint32_t attempt;
    log_one(store, "run", 1, -300, &run);
    OK(steplog_run_rewind(store, &run, -350, &attempt, &kit_error));
    log_one(store, "run", attempt, -30, &run);
    cr_assert_eq(info_of(store, &run).step_last, -30, "all of the first attempt is cut off");
    OK(steplog_run_rewind_undo(store, &run, NULL, &kit_error));
    cr_assert_eq(info_of(store, &run).step_last, -300);
    cr_assert_eq(info_of(store, &run).step_first, -300);
    OK(steplog_run_rewind(store, &run, -310, &attempt, &kit_error));
    log_one(store, "run", attempt, -50, &run);
    cr_assert_eq(info_of(store, &run).step_last, -50);
    OK(steplog_run_rewind(store, &run, INT64_MIN, &attempt, &kit_error));
    steplog_run_info info = info_of(store, &run);
    cr_assert(info.has_steps);
    cr_assert_eq(info.step_last, info.step_first, "nothing is seen");
    kit_store_close(store);
}

static int64_t now_ns;
static int64_t given_time(void) { return now_ns += 1000; }

/* No row has a time: that of the latest record is told. */
Test(run_info, the_last_time_is_the_latest)
{
    sl_os_table table = sl_os_posix;
    table.wall_time_ns = given_time;
    now_ns = 1000000000;
    sl_os = &table;
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_id run;
    uint32_t attempt;
    log_one(store, "run", 1, 3, &run);
    int64_t before = now_ns;
    OK(steplog_run_rewind(store, &run, 2, &attempt, &kit_error));
    int64_t after = now_ns, last = info_of(store, &run).time_last_ns;
    cr_assert(last > before && last <= after, "%lld, of a rewind at %lld to %lld", (long long)last, (long long)before,
              (long long)after);
    steplog_writer *writer = kit_writer(store, "run", 0, attempt);
    OK(steplog_writer_point(writer, kit_metric(writer, "x"), 1, 77, 1));
    kit_writer_close(writer);
    cr_assert_eq(info_of(store, &run).time_last_ns, 77);
    kit_store_close(store);
    sl_os = &sl_os_posix;
}

static uint64_t count_refused(steplog_store *store, const steplog_id *run)
{
    steplog_reader *reader = kit_reader(store);
    steplog_writer_info info = {.size_bytes = sizeof info};
    OK(steplog_reader_writer(reader, run, 0, &info, &kit_error));
    steplog_reader_close(reader);
    return info.refused_count;
}

/* A disk that is full again and again: each time is a gap of its own, whether its log is sealed or not. */
IN_BOTH_MODES(run_info, points_refused_are_those_of_all_gaps)
{
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    const steplog_id run = kit_run_of(writer);
    const steplog_metric metric = kit_metric(writer, "m");
    uint64_t refused = 0;
    for (uint64_t gap = 100; gap <= 120; gap += 10) {
        test_os_fail(TEST_OS_OPEN | TEST_OS_WRITE | TEST_OS_NAME, 1, ENOSPC, 1);
        for (uint64_t full = 0; full < gap;) {
            steplog_status status = steplog_writer_point(writer, metric, 1, 0, 1);
            cr_assert(status == STEPLOG_OK || status == STEPLOG_FULL);
            full += status == STEPLOG_FULL;
        }
        test_os_restore();
        refused += gap;
        OK(steplog_writer_point(writer, metric, 1, 0, 1));
        cr_expect_eq(count_refused(store, &run), refused);
    }
    cr_expect_eq(kit_stats(writer).refused_count, refused);
    kit_writer_close(writer);
    cr_expect_eq(count_refused(store, &run), refused, "sealed");
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    cr_expect_eq(count_refused(store, &run), refused, "compacted");
    kit_store_close(store);
}
