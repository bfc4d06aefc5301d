/* A follower whose memory or disk fails for once: it says so, and goes on with every row. */
#include "steplog.h"

#include "base/memory.h"
#include "os/os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

enum { SEALED = 3000, LIVE = 2000 };

/* Which of the next calls fails, and how many behind it; 0: none. */
static long allocation_left, read_left, more_left;
static int has_failed;
static int64_t clock_ns;
static sl_os_table table;

static int fails(long *left)
{
    if (!*left) return 0;
    if (*left > 1) return --*left, 0;
    if (--more_left <= 0) *left = 0;
    return has_failed = 1;
}

static void *resize(void *old, size_t bytes) { return fails(&allocation_left) ? NULL : realloc(old, bytes); }

static int64_t read_at(int fd, void *buffer, size_t bytes, uint64_t offset)
{
    return fails(&read_left) ? -EIO : sl_os_posix.pread(fd, buffer, bytes, offset);
}

static int64_t read_clock(void) { return clock_ns += 1000; }
static void sleep_a_while(int64_t ns) { clock_ns += 25 * ns; }
static int skip_sync(int fd) { return fd < 0 ? -EBADF : 0; }

static void prepare(void)
{
    allocation_left = read_left = 0;
    clock_ns = 1;
    table = sl_os_posix;
    table.pread = read_at;
    table.monotonic_time_ns = read_clock;
    table.sleep_ns = sleep_a_while;
    table.sync_data = table.sync_all = table.sync_file_system = skip_sync;
    sl_os = &table;
    sl_memory_functions.resize = resize;
}

/* Follows to the end of what there is; steps are all different. Returns how many errors were told. */
static int follow(steplog_cursor *cursor, uint8_t *seen, int64_t step_end)
{
    steplog_batch batch;
    int errors = 0;
    for (;;) {
        steplog_status status = steplog_cursor_next(cursor, &batch, 30, &kit_error);
        if (status == STEPLOG_WAIT) return errors;
        if (status < 0) {
            cr_assert_leq(++errors, 3, "%s", kit_error.text);
            continue;
        }
        for (size_t row = 0; row < batch.row_count; row++) {
            cr_assert(batch.steps[row] >= 0 && batch.steps[row] < step_end);
            cr_assert_not(seen[batch.steps[row]], "step %ld came twice", (long)batch.steps[row]);
            for (size_t column = 0; column < batch.column_count; column++)
                if (batch.present[column][row / 64] >> (row % 64) & 1) {
                    cr_assert_eq(batch.values[column][row], (double)batch.steps[row]);
                    seen[batch.steps[row]] = 1;
                }
        }
    }
}

/* One failure after the other, of a follower of sealed rows and of live ones. */
static void check_each_failure(uint32_t flags, long *left, long length)
{
    prepare();
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *first = kit_writer(store, "run", 0, 0), *second = kit_writer(store, "run", 1, 0);
    for (int64_t step = 0; step < SEALED; step++) kit_log(first, "m", step, (double)step);
    kit_writer_close(first);
    for (int64_t step = SEALED; step < SEALED + LIVE; step++) kit_log(second, "m", step, (double)step);
    const steplog_id run = kit_run_of(second);
    has_failed = 1;
    for (long at = 1; has_failed; at++) {
        uint8_t seen[SEALED + LIVE] = {0};
        size_t count = 0;
        steplog_reader *reader = kit_reader(store);
        steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
        steplog_cursor *cursor;
        OK(steplog_cursor_open_matching(reader, &run, "m", &view, &cursor, &kit_error));
        has_failed = 0;
        *left = at;
        more_left = length;
        follow(cursor, seen, SEALED + LIVE);
        *left = 0;
        for (size_t step = 0; step < SEALED + LIVE; step++) count += seen[step];
        cr_expect(count == SEALED + LIVE, "failure %ld: %zu rows of %d came", at, count, SEALED + LIVE);
        steplog_cursor_close(cursor);
        steplog_reader_close(reader);
    }
    kit_writer_close(second);
    kit_store_close(store);
}

IN_BOTH_MODES(follow_trouble, memory_for_once_costs_no_row) { check_each_failure(flags, &allocation_left, 1); }
IN_BOTH_MODES(follow_trouble, memory_twice_costs_no_row) { check_each_failure(flags, &allocation_left, 2); }
IN_BOTH_MODES(follow_trouble, a_read_for_once_costs_no_row) { check_each_failure(flags, &read_left, 1); }

/* Memory fails while a metric that is new becomes a column. */
IN_BOTH_MODES(follow_trouble, memory_for_once_costs_no_row_of_a_new_metric)
{
    enum { ROWS = 100 };
    prepare();
    has_failed = 1;
    for (long at = 1; has_failed; at++) {
        uint8_t seen[1 + ROWS] = {0};
        size_t count = 0;
        steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD | flags,
                                         65536);
        steplog_writer *writer = kit_writer(store, "run", 0, 0);
        const steplog_id run = kit_run_of(writer);
        kit_log(writer, "m", 0, 0);
        steplog_reader *reader = kit_reader(store);
        steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
        steplog_cursor *cursor;
        OK(steplog_cursor_open_matching(reader, &run, "*", &view, &cursor, &kit_error));
        follow(cursor, seen, 1);
        for (int64_t step = 1; step <= ROWS; step++) kit_log(writer, "n", step, (double)step);
        has_failed = 0;
        allocation_left = at;
        more_left = 1;
        follow(cursor, seen, 1 + ROWS);
        allocation_left = 0;
        for (size_t step = 0; step <= ROWS; step++) count += seen[step];
        cr_expect(count == 1 + ROWS, "failure %ld: %zu rows of %d came", at, count, 1 + ROWS);
        steplog_cursor_close(cursor);
        steplog_reader_close(reader);
        kit_writer_close(writer);
        kit_store_close(store);
    }
}
