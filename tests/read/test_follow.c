/* What following a run costs, and that it comes back in time, on stores where a listing takes long. */
#include "steplog.h"

#include "os/os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>

enum { MS = 1000000 };

/* A clock that moves by a microsecond when it is read, and when somebody lists, reads or sleeps: no other load changes
 * the outcome. */
static int64_t clock_ns, list_cost_ns, read_cost_ns;
static uint64_t lists, read_bytes;

static int64_t slow_clock(void) { return clock_ns += 1000; }

static void slow_sleep(int64_t ns) { clock_ns += ns; }

static int slow_list(int dir, sl_os_name_callback callback, void *context)
{
    lists++;
    clock_ns += list_cost_ns;
    cr_assert(clock_ns < (int64_t)60000 * MS, "a follower that was to wait a moment is still listing");
    return sl_os_posix.list(dir, callback, context);
}

static int64_t counting_pread(int fd, void *buffer, size_t bytes, uint64_t offset)
{
    read_bytes += bytes;
    clock_ns += read_cost_ns;
    return sl_os_posix.pread(fd, buffer, bytes, offset);
}

static sl_os_table table;

static void slow_os(int64_t list_ns, int64_t read_ns)
{
    clock_ns = 1;
    list_cost_ns = list_ns;
    read_cost_ns = read_ns;
    table = sl_os_posix;
    table.monotonic_time_ns = slow_clock;
    table.sleep_ns = slow_sleep;
    table.list = slow_list;
    table.pread = counting_pread;
    sl_os = &table;
}

/* A live writer of some rows, and a follower that has read them. */
typedef struct scene {
    steplog_store *store;
    steplog_writer *writer;
    steplog_schema schema;
    steplog_reader *reader;
    steplog_cursor *cursor;
    int64_t step;
} scene;

static void append(scene *s, int rows)
{
    for (int i = 0; i < rows; i++) {
        double value = (double)s->step;
        OK(steplog_writer_append(s->writer, s->schema, s->step++, STEPLOG_TIME_NONE, &value));
    }
}

static void read_rows(scene *s, size_t rows)
{
    steplog_batch batch;
    while (rows) {
        OK(steplog_cursor_next(s->cursor, &batch, 1000, &kit_error));
        cr_assert_leq(batch.row_count, rows);
        rows -= batch.row_count;
    }
}

static scene make_scene(uint32_t flags)
{
    scene s = {.store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0)};
    s.writer = kit_writer(s.store, "run", 0, 0);
    s.schema = kit_schema(s.writer, "m", 1);
    append(&s, 100);
    s.reader = kit_reader(s.store);
    steplog_id run = kit_run_of(s.writer);
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
    OK(steplog_cursor_open_matching(s.reader, &run, "*", &view, &s.cursor, &kit_error));
    read_rows(&s, 100);
    return s;
}

static void end_scene(scene *s)
{
    steplog_cursor_close(s->cursor);
    steplog_reader_close(s->reader);
    kit_writer_close(s->writer);
    kit_store_close(s->store);
    sl_os = &sl_os_posix;
}

IN_BOTH_MODES(follow, waits_no_longer_than_asked_when_listing_takes_long)
{
    slow_os((int64_t)30 * MS, (int64_t)25 * MS);
    scene s = make_scene(flags);
    for (int32_t wait_ms = 0; wait_ms <= 300; wait_ms += 100) {
        int64_t start = clock_ns;
        steplog_batch batch;
        GIVES(WAIT, steplog_cursor_next(s.cursor, &batch, wait_ms, &kit_error));
        int64_t took_ms = (clock_ns - start) / MS;
        /* One listing may begin just before the end of the wait; it lists a few directories and reads a few times. */
        cr_assert(took_ms >= wait_ms && took_ms <= wait_ms + 500, "asked to wait %d ms, took %d ms", wait_ms,
                  (int)took_ms);
    }
    append(&s, 10);
    read_rows(&s, 10);
    end_scene(&s);
}

/* A schema names metrics; those that no row has given a value yet are no series. */
IN_BOTH_MODES(follow, gives_rows_that_lack_a_metric_which_never_had_a_value)
{
    scene s = make_scene(flags);
    steplog_schema wide = kit_schema(s.writer, "m", 3);
    const double values[3] = {1, 2, 3};
    const uint64_t first = 1, first_and_third = 5;
    OK(steplog_writer_append_present(s.writer, wide, 200, STEPLOG_TIME_NONE, values, &first));
    read_rows(&s, 1);
    OK(steplog_writer_append_present(s.writer, wide, 201, STEPLOG_TIME_NONE, values, &first_and_third));
    append(&s, 3);
    read_rows(&s, 4);
    end_scene(&s);
}

IN_BOTH_MODES(follow, lists_a_large_store_for_a_small_part_of_the_time)
{
    slow_os((int64_t)10 * MS, 0);
    scene s = make_scene(flags);
    int64_t start = clock_ns;
    lists = 0;
    for (int i = 0; i < 100; i++) {
        steplog_batch batch;
        GIVES(WAIT, steplog_cursor_next(s.cursor, &batch, 100, &kit_error));
    }
    double share = (double)lists * 10 * MS / (double)(clock_ns - start);
    cr_assert(share < 0.15, "%.0f%% of the time goes into listing", 100 * share);
    end_scene(&s);
}

IN_BOTH_MODES(follow, asking_whether_something_came_reads_little)
{
    slow_os(0, 0);
    scene s = make_scene(flags);
    append(&s, 5000); /* enough that walking them again would show */
    read_rows(&s, 5000);
    steplog_batch batch;
    GIVES(WAIT, steplog_cursor_next(s.cursor, &batch, 1000, &kit_error));
    read_bytes = 0;
    int64_t start = clock_ns;
    GIVES(WAIT, steplog_cursor_next(s.cursor, &batch, 1000, &kit_error));
    double looks = (double)(clock_ns - start) / 200000.0;
    cr_assert((double)read_bytes / looks < 12000, "%.0f bytes are read a look", (double)read_bytes / looks);
    append(&s, 10);
    read_rows(&s, 10);
    end_scene(&s);
}

IN_BOTH_MODES(follow, gives_all_that_the_snapshot_holds_without_waiting)
{
    slow_os(0, 0);
    scene s = make_scene(flags);
    append(&s, 30000); /* in several logs: nothing seals them */
    cr_assert_gt(kit_log_count(steplog_store_path(s.store)), 1);
    steplog_cursor *late = NULL;
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
    steplog_id run = kit_run_of(s.writer);
    OK(steplog_reader_refresh(s.reader, &kit_error));
    OK(steplog_cursor_open_matching(s.reader, &run, "*", &view, &late, &kit_error));
    size_t rows = 0;
    steplog_batch batch;
    while (steplog_cursor_next(late, &batch, 0, &kit_error) == STEPLOG_OK) rows += batch.row_count;
    cr_assert_eq(rows, 30100, "%zu rows", rows);
    steplog_cursor_close(late);
    end_scene(&s);
}

/* The log that failed to sync holds nothing, and begins with the same number as the one that follows it. */
static int syncs_left;

static int sync_that_fails(void *base, uint64_t bytes)
{
    return syncs_left && --syncs_left == 0 ? -EIO : sl_os_posix.sync_map(base, bytes);
}

static int data_sync_that_fails(int fd) { return syncs_left && --syncs_left == 0 ? -EIO : sl_os_posix.sync_data(fd); }

IN_BOTH_MODES(follow, gives_rows_of_a_writer_whose_first_sync_failed)
{
    slow_os(0, 0);
    table.sync_map = sync_that_fails;
    table.sync_data = data_sync_that_fails;
    scene s = {.store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0)};
    s.writer = kit_writer(s.store, "run", 0, 0);
    syncs_left = 1;
    OK(steplog_writer_sync(s.writer, &kit_error)); /* moved to a new log */
    cr_assert_eq(kit_log_count(steplog_store_path(s.store)), 2);
    s.schema = kit_schema(s.writer, "m", 1);
    append(&s, 10);
    s.reader = kit_reader(s.store);
    steplog_id run = kit_run_of(s.writer);
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
    OK(steplog_cursor_open_matching(s.reader, &run, "*", &view, &s.cursor, &kit_error));
    read_rows(&s, 10);
    end_scene(&s);
}

/* Counts the values that a follower gives until nothing comes. */
static uint64_t count_values(steplog_cursor *cursor)
{
    steplog_batch batch;
    uint64_t count = 0;
    while (steplog_cursor_next(cursor, &batch, 100, &kit_error) == STEPLOG_OK)
        for (size_t column = 0; column < batch.column_count; column++)
            for (size_t row = 0; row < batch.row_count; row++) count += batch.present[column][row / 64] >> (row % 64) & 1;
    return count;
}

/* Its reader is used for something else as well: the follower meets the new series in segments, in a snapshot that it did
 * not take. */
IN_BOTH_MODES(follow, gives_series_that_a_refresh_of_its_reader_found)
{
    enum { ROWS = 20000 };
    const steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD | flags,
                                     65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    const steplog_id run = kit_run_of(writer);
    steplog_reader *reader = kit_reader(store);
    steplog_cursor *cursor;
    kit_log(writer, "old", 0, 0);
    OK(steplog_reader_refresh(reader, &kit_error));
    OK(steplog_cursor_open_matching(reader, &run, "*", &view, &cursor, &kit_error));
    cr_expect_eq(count_values(cursor), 1);
    for (int row = 0; row < ROWS; row++) {
        kit_log(writer, "new", row, row);
        if (row % 500 == 0) OK(steplog_store_tick(store, 1000, &kit_error));
    }
    OK(steplog_reader_refresh(reader, &kit_error));
    cr_expect_eq(count_values(cursor), ROWS);
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    kit_writer_close(writer);
    kit_store_close(store);
}

/* A range that ends at the smallest step there is holds nothing, wherever rows are. */
IN_BOTH_MODES(follow, gives_nothing_of_an_empty_range)
{
    const steplog_view view = {
        .size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW, .has_end = 1, .step_end = INT64_MIN};
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0), *live = kit_writer(store, "run", 1, 0);
    const steplog_id run = kit_run_of(writer);
    kit_log(writer, "m", INT64_MIN, 1);
    kit_log(writer, "m", 1, 2);
    kit_log(live, "m", 1, 2);
    kit_writer_close(writer);
    steplog_reader *reader = kit_reader(store);
    steplog_cursor *cursor;
    OK(steplog_cursor_open_matching(reader, &run, "*", &view, &cursor, &kit_error));
    cr_expect_eq(count_values(cursor), 0);
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    kit_writer_close(live);
    kit_store_close(store);
}

/* Each value would be looked for among all tombstones: a quarter of an hour and more. */
IN_BOTH_MODES(follow, many_removals_take_no_longer_than_they_are)
{
    enum { METRICS = 4000, REMOVALS = 12, ROWS = 10 };
    static double values[METRICS];
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    const steplog_id run = kit_run_of(writer);
    const steplog_schema schema = kit_schema(writer, "m", METRICS);
    for (int64_t n = 0; n < REMOVALS; n++) {
        steplog_remove_options options = {.size_bytes = sizeof options, .run = run, .selector = "m*"};
        steplog_remove_result result = {.size_bytes = sizeof result};
        for (int64_t row = 0; row < ROWS; row++)
            OK(steplog_writer_append(writer, schema, n * ROWS + row, STEPLOG_TIME_NONE, values));
        options.has_begin = options.has_end = n % 2 == 0;
        options.step_begin = n * ROWS + 1;
        options.step_end = n * ROWS + 4;
        if (n % 2) options.selector = "m1*";
        OK(steplog_remove(store, &options, &result, &kit_error));
    }
    steplog_reader *reader = kit_reader(store);
    const steplog_view follow = {.size_bytes = sizeof follow, .flags = STEPLOG_VIEW_FOLLOW};
    const steplog_view all = {.size_bytes = sizeof all, .flags = STEPLOG_VIEW_ALL_ATTEMPTS | STEPLOG_VIEW_ARRIVAL_ORDER};
    kit_rows followed = kit_read(reader, &run, "*", &follow), wanted = kit_read(reader, &run, "*", &all);
    cr_assert_eq(followed.row_count, wanted.row_count);
    cr_assert_eq(followed.column_count, wanted.column_count);
    for (size_t row = 0; row < wanted.row_count; row++) {
        cr_assert_eq(followed.steps[row], wanted.steps[row]);
        for (size_t column = 0; column < wanted.column_count; column++)
            cr_assert_eq(kit_has(&followed, row, column), kit_has(&wanted, row, column));
    }
    kit_rows_free(&followed);
    kit_rows_free(&wanted);
    steplog_reader_close(reader);
    kit_writer_close(writer);
    kit_store_close(store);
}
