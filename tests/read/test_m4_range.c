/* The range that M4 divides where the view leaves a side open: that of the series' own points, wherever they lie. */
#include "steplog.h"

#include "os/os.h"
#include "support/random.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>

static steplog_store *store;
static steplog_id run;

static void check_range(const char *selector, const steplog_view *view)
{
    enum { BUCKETS = 7 };
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, &run, selector, view);
    steplog_m4 out[BUCKETS];
    int64_t begin, end;
    uint64_t counts[BUCKETS] = {0};
    steplog_status status = steplog_reader_m4(reader, kit_series(reader, &run, selector), view, BUCKETS, out, &begin, &end,
                                              &kit_error);
    if (rows.row_count == 0) {
        cr_assert_eq(status, STEPLOG_MISSING);
    } else {
        cr_assert_eq(status, STEPLOG_OK);
        int64_t last = rows.steps[rows.row_count - 1], first = rows.steps[0];
        if (last == INT64_MAX && first == INT64_MAX) first--;
        cr_assert_eq(begin, view && view->has_begin ? view->step_begin : first, "%s: from %lld, not %lld", selector,
                     (long long)begin, (long long)rows.steps[0]);
        cr_assert_eq(end, view && view->has_end ? view->step_end : last == INT64_MAX ? last : last + 1,
                     "%s: to %lld, not %lld", selector, (long long)end, (long long)last + 1);
        for (size_t row = 0; row < rows.row_count; row++) {
            uint64_t width = (uint64_t)end - (uint64_t)begin, at = (uint64_t)rows.steps[row] - (uint64_t)begin;
            if (at >= width) at = width - 1; /* the step INT64_MAX, which is below no end */
            counts[(size_t)((unsigned __int128)at * BUCKETS / width)]++;
        }
        for (size_t i = 0; i < BUCKETS; i++) cr_assert_eq(out[i].count, counts[i], "%s: bucket %zu", selector, i);
    }
    kit_rows_free(&rows);
    steplog_reader_close(reader);
}

static void check_views(const char *selector, int64_t middle)
{
    const steplog_view views[] = {{.size_bytes = sizeof views[0]},
                                  {.size_bytes = sizeof views[0], .has_begin = 1, .step_begin = middle},
                                  {.size_bytes = sizeof views[0], .has_end = 1, .step_end = middle}};
    check_range(selector, NULL);
    for (size_t i = 0; i < 3; i++) check_range(selector, &views[i]);
}

/* "x" is in each row, the others in few: far apart, or only in the middle. What was removed is in no range. */
static void check_all(uint32_t flags, int64_t rows, int is_sorted)
{
    test_random random = test_random_begin("m4_range");
    store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    run = kit_run_of(writer);
    static const char *const names[] = {"x", "middle", "rare", "ends", "removed"};
    steplog_metric metrics[5];
    steplog_schema schema;
    for (int i = 0; i < 5; i++) metrics[i] = kit_metric(writer, names[i]);
    OK(steplog_writer_schema(writer, metrics, 5, &schema, &kit_error));
    for (int64_t row = 0; row < rows; row++) {
        double values[5];
        uint64_t present = 1 | (uint64_t)(row >= rows / 5 * 2 && row < rows / 5 * 2 + 10) << 1 |
                           (uint64_t)(test_random_below(&random, 3000) == 0 || row == rows / 2) << 2 |
                           (uint64_t)(row == 5 || row == rows - 5) << 3 | 1 << 4;
        for (int i = 0, n = 0; i < 5; i++)
            if (present >> i & 1) values[n++] = (double)row;
        int64_t step = is_sorted ? row : row + (int64_t)test_random_below(&random, 100);
        OK(steplog_writer_append_present(writer, schema, step, STEPLOG_TIME_NONE, values, &present));
    }
    steplog_remove_options options = {
        .size_bytes = sizeof options, .run = run, .selector = "removed", .has_begin = 1, .step_begin = rows - 1500};
    steplog_remove_result result = {.size_bytes = sizeof result};
    OK(steplog_remove(store, &options, &result, &kit_error));
    options = (steplog_remove_options){
        .size_bytes = sizeof options, .run = run, .selector = "removed", .has_end = 1, .step_end = 1100};
    OK(steplog_remove(store, &options, &result, &kit_error));
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        for (int i = 0; i < 5; i++) check_views(names[i], rows / 5 * 2 + 3);
        if (!is_closed) kit_writer_close(writer);
    }
    kit_store_close(store);
}

IN_BOTH_MODES(m4_range, is_that_of_the_points_of_the_series) { check_all(flags, 6000, 1); }
Test(m4_range, is_that_of_the_points_of_an_unsorted_series) { check_all(0, 6000, 0); }
Test(m4_range, is_that_of_the_points_of_a_series_with_nodes) { check_all(0, 150000, 1); }

Test(m4_range, ends_with_the_last_step_there_is)
{
    static const int64_t firsts[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX - 6, INT64_MAX - 7, INT64_MAX - 3000, 0, INT64_MIN};
    for (size_t n = 0; n < sizeof firsts / sizeof *firsts; n++) {
        store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
        steplog_writer *writer = kit_writer(store, "run", 0, 1);
        run = kit_run_of(writer);
        for (int64_t i = 0; i < 2000 && firsts[n] <= INT64_MAX - 2000; i++)
            kit_log(writer, "x", firsts[n] + i, 1);
        kit_log(writer, "x", firsts[n], 2);
        kit_log(writer, "x", INT64_MAX - 1, 3);
        kit_log(writer, "x", INT64_MAX, 4);
        for (int is_closed = 0; is_closed < 2; is_closed++) {
            check_range("x", NULL);
            if (!is_closed) kit_writer_close(writer);
        }
        kit_store_close(store);
    }
}

static uint64_t read_bytes;
static sl_os_table table;

static int64_t counting_pread(int fd, void *buffer, size_t bytes, uint64_t offset)
{
    read_bytes += bytes;
    return sl_os_posix.pread(fd, buffer, bytes, offset);
}

/* It is found in the statistics: no more is read than when it is given. */
Test(m4_range, costs_next_to_nothing)
{
    enum { ROWS = 300000, MORE = 64 << 10 };
    store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", 2);
    for (int64_t row = 0; row < ROWS; row++) {
        double values[2] = {kit_value(1, 0, (uint64_t)row, 0), 1};
        uint64_t present = row > ROWS / 2 && row < ROWS / 2 + 9 ? 3 : 1;
        OK(steplog_writer_append_present(writer, schema, row, STEPLOG_TIME_NONE, values, &present));
    }
    kit_writer_close(writer);
    table = sl_os_posix;
    table.pread = counting_pread;
    sl_os = &table;
    const steplog_view whole = {.size_bytes = sizeof whole, .has_begin = 1, .has_end = 1, .step_end = ROWS};
    static const char *const names[] = {"m0", "m1"};
    for (int i = 0; i < 2; i++) {
        uint64_t bytes[2];
        for (int is_open = 0; is_open < 2; is_open++) {
            steplog_m4 out[10];
            steplog_reader *reader = kit_reader(store);
            steplog_series series = kit_series(reader, &run, names[i]);
            read_bytes = 0;
            OK(steplog_reader_m4(reader, series, is_open ? NULL : &whole, 10, out, NULL, NULL, &kit_error));
            bytes[is_open] = read_bytes;
            steplog_reader_close(reader);
        }
        cr_assert(bytes[1] < bytes[0] + MORE, "%s: %llu bytes, %llu with the range given", names[i],
                  (unsigned long long)bytes[1], (unsigned long long)bytes[0]);
    }
    sl_os = &sl_os_posix;
    kit_store_close(store);
}
