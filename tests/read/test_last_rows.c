/* Views of the last rows, while the writer goes on. */
#include "steplog.h"

#include "support/call_hook.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>

static steplog_store *store;
static steplog_writer *writer;
static steplog_metric metric;
static int64_t next_step;

static void append(int count)
{
    for (int i = 0; i < count; i++, next_step++)
        OK(steplog_writer_point(writer, metric, next_step, STEPLOG_TIME_NONE, (double)next_step));
}

/* As much as fills and seals the log that is being read, and uses it again. */
static void go_on(void)
{
    for (int i = 0; i < 4; i++) {
        append(4000);
        (void)steplog_store_tick(store, 1000, NULL);
    }
}

/* Between any two calls that opening the cursor makes the log is sealed and used again. */
Test(last_rows, are_so_many_when_the_log_goes_under_the_reader)
{
    enum { LAST = 100 };
    const steplog_view view = {.size_bytes = sizeof view, .last_count = LAST};
    for (uint64_t at = 1, has_come = 1; has_come; at++) {
        steplog_store_options options = {
            .size_bytes = sizeof options, .flags = STEPLOG_CREATE | STEPLOG_NO_THREAD, .log_bytes = 65536};
        OK(steplog_store_open(test_path(test_temp_dir(), "store"), &options, &store, &kit_error));
        writer = kit_writer(store, "run", 0, 1);
        metric = kit_metric(writer, "x");
        next_step = 0;
        append(1500);
        steplog_id run = kit_run_of(writer);
        steplog_reader *reader = kit_reader(store);
        steplog_series series = kit_series(reader, &run, "x");
        steplog_cursor *cursor = NULL;
        test_hook_calls(at, go_on);
        OK(steplog_cursor_open(reader, &series, 1, &view, &cursor, &kit_error));
        has_come = (uint64_t)test_unhook_calls();
        kit_rows rows = kit_read_cursor(cursor);
        cr_assert_eq(rows.row_count, (size_t)LAST, "before call %llu: %zu rows", (unsigned long long)at, rows.row_count);
        for (size_t row = 1; row < rows.row_count; row++) cr_assert_eq(rows.steps[row], rows.steps[row - 1] + 1);
        cr_assert(rows.steps[LAST - 1] >= 1499 && rows.steps[LAST - 1] < next_step);
        kit_rows_free(&rows);
        steplog_cursor_close(cursor);
        steplog_reader_close(reader);
        kit_writer_close(writer);
        kit_store_close(store);
    }
}
