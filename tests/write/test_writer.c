/* Writers: what is accepted, what is refused, and that what was accepted comes back bit for bit. */
#include "steplog.h"

#include "support/fail_os.h"
#include "support/random.h"
#include "support/sim_os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *new_path(void) { return test_path(test_temp_dir(), "store"); }

IN_BOTH_MODES(writer, every_row_comes_back_bit_for_bit)
{
    enum { ROWS = 20000, COLUMNS = 5 };
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    cr_assert_eq(kit_stats(writer).is_mapped, !flags);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    for (int64_t row = 0; row < ROWS; row++) {
        double values[COLUMNS];
        for (unsigned column = 0; column < COLUMNS; column++) values[column] = kit_value(1, 0, (uint64_t)row, column);
        OK(steplog_writer_append(writer, schema, row, 1000 + row * 7, values));
    }
    steplog_writer_stats stats = kit_stats(writer);
    cr_assert_eq(stats.row_count, ROWS);
    cr_assert_eq(stats.refused_count, 0);
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        kit_rows rows = kit_read_store(path, &run, "*", 0);
        cr_assert_eq(rows.row_count, ROWS, "%zu rows", rows.row_count);
        cr_assert_eq(rows.column_count, COLUMNS);
        for (size_t row = 0; row < ROWS; row++) {
            cr_assert_eq(rows.steps[row], (int64_t)row);
            cr_assert_eq(rows.times_ns[row], 1000 + (int64_t)row * 7);
            for (unsigned column = 0; column < COLUMNS; column++) {
                cr_assert(kit_has(&rows, row, column));
                cr_assert_eq(kit_bits(kit_at(&rows, row, column)), kit_bits(kit_value(1, 0, row, column)));
            }
        }
        kit_rows_free(&rows);
        if (!is_closed) kit_writer_close(writer);
    }
    kit_store_close(store);
    cr_assert(kit_segment_count(path) > 0);
    cr_assert_eq(kit_log_count(path), 0, "%zu logs are left", kit_log_count(path));
    kit_verify(path);
}

IN_BOTH_MODES(writer, the_strangest_doubles_steps_and_times_are_kept)
{
    static const uint64_t bits[] = {0,
                                    0x8000000000000000u,
                                    1,
                                    0x7ff0000000000000u,
                                    0xfff0000000000000u,
                                    0x7ff0000000000001u,
                                    0x7ff8000000000000u,
                                    0xfff8dead0000beefu,
                                    0x7fefffffffffffffu,
                                    0x000fffffffffffffu,
                                    0xffffffffffffffffu};
    static const int64_t steps[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    static const int64_t times[] = {STEPLOG_TIME_NONE, INT64_MIN + 2, -1, 0, 1, INT64_MAX};
    enum {
        BITS = sizeof bits / sizeof *bits,
        STEPS = sizeof steps / sizeof *steps,
        TIMES = sizeof times / sizeof *times
    };
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", BITS);
    double values[BITS];
    memcpy(values, bits, sizeof values);
    for (size_t s = 0; s < STEPS; s++)
        for (size_t t = 0; t < TIMES; t++) OK(steplog_writer_append(writer, schema, steps[s], times[t], values));
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        kit_rows rows = kit_read_store(path, &run, "*", 0);
        cr_assert_eq(rows.row_count, STEPS * TIMES);
        for (size_t row = 0; row < rows.row_count; row++) {
            cr_assert_eq(rows.steps[row], steps[row / TIMES]);
            cr_assert_eq(rows.times_ns[row], times[row % TIMES]);
            uint64_t seen[BITS] = {0};
            for (size_t column = 0; column < BITS; column++) {
                /* Columns come by name: m10 stands after m1. */
                size_t metric = column == 2 ? 10 : column > 2 ? column - 1 : column;
                seen[metric] = kit_bits(kit_at(&rows, row, column));
            }
            cr_assert_arr_eq(seen, bits, sizeof bits);
        }
        kit_rows_free(&rows);
        if (!is_closed) kit_writer_close(writer);
    }
    kit_store_close(store);
}

IN_BOTH_MODES(writer, missing_metrics_stay_missing)
{
    enum { ROWS = 3000, COLUMNS = 70 };
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    /* Two digits, so that the order by name is the order given. */
    steplog_metric metrics[COLUMNS];
    for (int i = 0; i < COLUMNS; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%02d", i);
        metrics[i] = kit_metric(writer, name);
    }
    steplog_schema schema;
    OK(steplog_writer_schema(writer, metrics, COLUMNS, &schema, &kit_error));
    test_random random = test_random_begin("missing_metrics");
    uint64_t(*present)[2] = calloc(ROWS, sizeof *present);
    for (size_t row = 0; row < ROWS; row++) {
        double values[COLUMNS];
        for (unsigned column = 0; column < COLUMNS; column++) values[column] = kit_value(2, 0, row, column);
        present[row][0] = row % 3 == 0   ? test_random_u64(&random) | 1
                          : row % 3 == 1 ? (uint64_t)1 << row % 64
                                         : ~(uint64_t)0;
        present[row][1] = row % 3 == 0 ? test_random_below(&random, 64) : row % 3 == 1 ? 0 : 63;
        OK(steplog_writer_append_present(writer, schema, (int64_t)row, STEPLOG_TIME_NONE, values, present[row]));
    }
    double none[COLUMNS] = {0};
    uint64_t no_bits[2] = {0, 0};
    GIVES(MISUSE, steplog_writer_append_present(writer, schema, 1, STEPLOG_TIME_NONE, none, no_bits));
    steplog_error error;
    steplog_writer_error(writer, &error);
    cr_assert_eq(error.code, STEPLOG_MISUSE);
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        kit_rows rows = kit_read_store(path, &run, "*", 0);
        cr_assert_eq(rows.row_count, ROWS);
        for (size_t row = 0; row < ROWS; row++)
            for (unsigned column = 0; column < COLUMNS; column++) {
                int is_present = present[row][column / 64] >> (column % 64) & 1;
                cr_assert_eq(kit_has(&rows, row, column), is_present, "row %zu column %u", row, column);
                if (is_present)
                    cr_assert_eq(kit_bits(kit_at(&rows, row, column)), kit_bits(kit_value(2, 0, row, column)));
            }
        kit_rows_free(&rows);
        if (!is_closed) kit_writer_close(writer);
    }
    free(present);
    kit_store_close(store);
}

IN_BOTH_MODES(writer, many_rows_in_one_call_are_as_many_calls)
{
    enum { ROWS = 5000 };
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", 2);
    static int64_t steps[ROWS], times[ROWS];
    static double values[ROWS * 2];
    for (size_t row = 0; row < ROWS; row++) {
        steps[row] = (int64_t)row;
        times[row] = (int64_t)row * 3;
        for (unsigned column = 0; column < 2; column++) values[row * 2 + column] = kit_value(3, 0, row, column);
    }
    OK(steplog_writer_append_rows(writer, schema, 0, steps, times, values));
    OK(steplog_writer_append_rows(writer, schema, 2000, steps, times, values));
    OK(steplog_writer_append_rows(writer, schema, ROWS - 2000, steps + 2000, NULL, values + 4000));
    cr_assert_eq(kit_stats(writer).row_count, ROWS);
    kit_rows rows = kit_read_store(path, &run, "*", 0);
    cr_assert_eq(rows.row_count, ROWS);
    for (size_t row = 0; row < ROWS; row++) {
        if (row < 2000)
            cr_assert_eq(rows.times_ns[row], times[row]);
        else
            cr_assert_eq(rows.times_ns[row], rows.times_ns[2000]);
        for (unsigned column = 0; column < 2; column++)
            cr_assert_eq(kit_bits(kit_at(&rows, row, column)), kit_bits(values[row * 2 + column]));
    }
    cr_assert(rows.times_ns[2000] > 1600000000000000000);
    kit_rows_free(&rows);
    kit_writer_close(writer);
    kit_store_close(store);
}

IN_BOTH_MODES(writer, single_points_of_more_than_1024_metrics)
{
    enum { METRICS = 1500, STEPS = 20 };
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_metric *metrics = calloc(METRICS, sizeof *metrics);
    for (int i = 0; i < METRICS; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%04d", i);
        metrics[i] = kit_metric(writer, name);
    }
    for (int64_t step = 0; step < STEPS; step++)
        for (unsigned i = 0; i < METRICS; i++)
            OK(steplog_writer_point(writer, metrics[i], step, 5000 + step, kit_value(4, 0, (uint64_t)step, i)));
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        kit_rows rows = kit_read_store(path, &run, "*", 0);
        cr_assert_eq(rows.row_count, STEPS, "%zu rows", rows.row_count);
        cr_assert_eq(rows.column_count, METRICS);
        for (size_t step = 0; step < STEPS; step++) {
            cr_assert_eq(rows.times_ns[step], 5000 + (int64_t)step);
            for (unsigned i = 0; i < METRICS; i++) {
                cr_assert(kit_has(&rows, step, i));
                cr_assert_eq(kit_bits(kit_at(&rows, step, i)), kit_bits(kit_value(4, 0, step, i)));
            }
        }
        kit_rows_free(&rows);
        if (!is_closed) kit_writer_close(writer);
    }
    free(metrics);
    kit_store_close(store);
}

IN_BOTH_MODES(writer, points_keep_a_given_time_and_share_a_taken_one)
{
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_metric a = kit_metric(writer, "a"), b = kit_metric(writer, "b"), c = kit_metric(writer, "c");
    OK(steplog_writer_point(writer, a, 1, STEPLOG_TIME_NOW, 1));
    OK(steplog_writer_point(writer, b, 1, STEPLOG_TIME_NOW, 2));
    OK(steplog_writer_point(writer, c, 1, 77, 3));
    OK(steplog_writer_point(writer, a, 2, STEPLOG_TIME_NONE, 4));
    OK(steplog_writer_point(writer, b, 2, STEPLOG_TIME_NONE, 5));
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        kit_rows rows[3];
        const char *names[] = {"a", "b", "c"};
        for (int i = 0; i < 3; i++) rows[i] = kit_read_store(path, &run, names[i], 0);
        cr_assert(rows[0].row_count == 2 && rows[1].row_count == 2 && rows[2].row_count == 1);
        cr_assert_eq(rows[0].times_ns[0], rows[1].times_ns[0]);
        cr_assert(rows[0].times_ns[0] > 1600000000000000000);
        cr_assert_eq(rows[2].times_ns[0], 77);
        cr_assert_eq(rows[0].times_ns[1], STEPLOG_TIME_NONE);
        cr_assert_eq(rows[1].times_ns[1], STEPLOG_TIME_NONE);
        for (int i = 0; i < 3; i++) kit_rows_free(&rows[i]);
        if (!is_closed) kit_writer_close(writer);
    }
    kit_store_close(store);
}

IN_BOTH_MODES(writer, values_by_name_make_a_schema_once)
{
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    for (int64_t step = 0; step < 100; step++) {
        steplog_named both[] = {{"loss", 1.0 / (double)(step + 1)}, {"accuracy", (double)step}};
        OK(steplog_writer_log(writer, step, both, step % 10 == 0 ? 2 : 1));
    }
    steplog_named twice[] = {{"loss", 1}, {"loss", 2}};
    GIVES(MISUSE, steplog_writer_log(writer, 100, twice, 2));
    steplog_named bad[] = {{"lo\xffss", 1}};
    GIVES(MISUSE, steplog_writer_log(writer, 100, bad, 1));
    GIVES(MISUSE, steplog_writer_log(writer, 100, twice, 0));
    kit_rows rows = kit_read_store(path, &run, "*", 0);
    cr_assert_eq(rows.row_count, 100);
    for (size_t row = 0; row < 100; row++) {
        cr_assert_eq(kit_at(&rows, row, 1), 1.0 / (double)(row + 1));
        cr_assert_eq(kit_has(&rows, row, 0), row % 10 == 0);
    }
    kit_rows_free(&rows);
    kit_writer_close(writer);
    kit_store_close(store);
}

/* Whole words of presence bits, and logs that grow to a size that is not twice the one before. */
IN_BOTH_MODES(writer, rows_of_64_and_128_metrics_have_whole_words_of_presence_bits)
{
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 1536 * 1024);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    for (size_t columns = 64; columns <= 128; columns += 64) {
        steplog_schema schema = kit_schema(writer, columns == 64 ? "a" : "b", columns);
        double values[128];
        for (size_t c = 0; c < columns; c++) values[c] = (double)c + 0.5;
        for (int64_t step = 0; step < 4000; step++) {
            uint64_t present[2] = {~(uint64_t)0, ~(uint64_t)0};
            present[columns / 64 - 1] &= ~((uint64_t)1 << 63);
            present[0] &= ~((uint64_t)1 << (step % 60));
            OK(steplog_writer_append_present(writer, schema, step, STEPLOG_TIME_NONE, values, present));
        }
    }
    kit_writer_close(writer);
    for (size_t columns = 64; columns <= 128; columns += 64) {
        char last[16], other[16];
        snprintf(last, sizeof last, "%c%zu", columns == 64 ? 'a' : 'b', columns - 1);
        snprintf(other, sizeof other, "%c%zu", columns == 64 ? 'a' : 'b', columns - 2);
        kit_rows rows = kit_read_store(path, &run, other, 0);
        cr_assert_eq(rows.row_count, 4000);
        for (size_t row = 0; row < 4000; row++) cr_assert_eq(kit_at(&rows, row, 0), (double)columns - 1.5);
        kit_rows_free(&rows);
        rows = kit_read_store(path, &run, last, 0);
        cr_assert_eq(rows.row_count, 0);
        kit_rows_free(&rows);
    }
    kit_store_close(store);
}

/* The limits of types.h: what passes one is refused, and what was there goes on. */
Test(writer, has_as_many_schemas_as_the_limit_says_and_names_that_fit_a_schema, .timeout = 60)
{
    enum { METRICS = 17, LONG_NAMES = 63, LAST_BYTES = STEPLOG_SCHEMA_NAMES_BYTES_MAX - LONG_NAMES * (65536 + 4) - 4 };
    sim *machine = sim_new(3);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_metric metrics[METRICS], named[LONG_NAMES + 1];
    steplog_schema schema, first = {0};
    for (int i = 0; i < METRICS; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%d", i);
        metrics[i] = kit_metric(writer, name);
    }
    for (uint32_t n = 1; n <= STEPLOG_WRITER_SCHEMAS_MAX + 1; n++) {
        steplog_metric list[METRICS];
        size_t count = 0;
        for (int i = 0; i < METRICS; i++)
            if (n >> i & 1) list[count++] = metrics[i];
        if (n <= STEPLOG_WRITER_SCHEMAS_MAX)
            OK(steplog_writer_schema(writer, list, count, &schema, &kit_error));
        else
            GIVES(LIMIT, steplog_writer_schema(writer, list, count, &schema, &kit_error));
        if (n == 1) first = schema;
    }
    double value = 1;
    OK(steplog_writer_append(writer, first, 1, STEPLOG_TIME_NONE, &value));
    kit_writer_close(writer);
    writer = kit_writer(store, "run", 0, 0);
    static char name[STEPLOG_NAME_BYTES_MAX];
    memset(name, 'n', sizeof name);
    for (int i = 0; i < LONG_NAMES; i++) {
        name[0] = (char)('0' + i);
        OK(steplog_writer_metric(writer, name, sizeof name, &named[i], &kit_error));
    }
    OK(steplog_writer_metric(writer, name + 1, LAST_BYTES + 1, &named[LONG_NAMES], &kit_error));
    GIVES(LIMIT, steplog_writer_schema(writer, named, LONG_NAMES + 1, &schema, &kit_error));
    OK(steplog_writer_metric(writer, name + 1, LAST_BYTES, &named[LONG_NAMES], &kit_error));
    OK(steplog_writer_schema(writer, named, LONG_NAMES + 1, &schema, &kit_error));
    const double values[LONG_NAMES + 1] = {[LONG_NAMES] = 7};
    OK(steplog_writer_append(writer, schema, 2, STEPLOG_TIME_NONE, values));
    kit_writer_close(writer);
    kit_rows rows = kit_read_store("store", &run, "m0", 0);
    cr_assert_eq(rows.row_count, 1);
    kit_rows_free(&rows);
    rows = kit_read_store("store", &run, "n*", 0);
    cr_assert(rows.row_count == 1 && kit_at(&rows, 0, 0) == 7);
    kit_rows_free(&rows);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

/* Sealing them takes seconds: not the square of their number. */
Test(writer, points_of_100000_metrics_are_sealed, .timeout = 60)
{
    enum { METRICS = 100000 };
    sim *machine = sim_new(3);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    for (int i = 0; i < METRICS; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%d", i);
        steplog_metric metric = kit_metric(writer, name);
        for (int step = 0; step < 1 + i % 2; step++) OK(steplog_writer_point(writer, metric, step, STEPLOG_TIME_NONE, i));
    }
    kit_writer_close(writer);
    for (int i = METRICS - 2; i < METRICS; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%d", i);
        kit_rows rows = kit_read_store("store", &run, name, 0);
        cr_assert(rows.row_count == 1 + (size_t)i % 2 && kit_at(&rows, 0, 0) == i, "%s", name);
        kit_rows_free(&rows);
    }
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

IN_BOTH_MODES(writer, names_of_64_kib_and_zero_bytes_are_names)
{
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 65536 * 4);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    char *name = malloc(STEPLOG_NAME_BYTES_MAX + 1);
    memset(name, 'n', STEPLOG_NAME_BYTES_MAX + 1);
    steplog_metric longest, other, zero, again;
    OK(steplog_writer_metric(writer, name, STEPLOG_NAME_BYTES_MAX, &longest, &kit_error));
    GIVES(LIMIT, steplog_writer_metric(writer, name, STEPLOG_NAME_BYTES_MAX + 1, &other, &kit_error));
    name[STEPLOG_NAME_BYTES_MAX - 1] = 'o';
    OK(steplog_writer_metric(writer, name, STEPLOG_NAME_BYTES_MAX, &other, &kit_error));
    OK(steplog_writer_metric(writer, "a\0b", 3, &zero, &kit_error));
    OK(steplog_writer_metric(writer, "a\0b", 3, &again, &kit_error));
    cr_assert_eq(zero.index, again.index);
    cr_assert_neq(longest.index, other.index);
    GIVES(MISUSE, steplog_writer_metric(writer, "", 0, &again, &kit_error));
    GIVES(MISUSE, steplog_writer_metric(writer, "abc\xc0\x80", 5, &again, &kit_error));
    cr_assert_eq(kit_error.file_offset, 3);
    OK(steplog_writer_point(writer, longest, 1, 2, 3));
    OK(steplog_writer_point(writer, other, 1, 2, 4));
    OK(steplog_writer_point(writer, zero, 1, 2, 5));
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        steplog_reader *reader = kit_reader(store);
        steplog_series series[4];
        size_t found = 0;
        OK(steplog_reader_find(reader, &run, NULL, series, 4, &found, &kit_error));
        cr_assert_eq(found, 3);
        int zeros = 0, longs = 0;
        for (size_t i = 0; i < found; i++) {
            steplog_series_info info = {.size_bytes = sizeof info};
            OK(steplog_reader_series(reader, series[i], &info, &kit_error));
            if (info.name_bytes == 3)
                zeros += memcmp(info.name, "a\0b", 4) == 0;
            else
                longs += info.name_bytes == STEPLOG_NAME_BYTES_MAX && info.name[STEPLOG_NAME_BYTES_MAX] == 0;
        }
        cr_assert_eq(zeros, 1);
        cr_assert_eq(longs, 2);
        steplog_reader_close(reader);
        if (!is_closed) kit_writer_close(writer);
    }
    free(name);
    kit_store_close(store);
}

IN_BOTH_MODES(writer, a_schema_of_4096_metrics_in_a_small_log)
{
    enum { ROWS = 40 };
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", STEPLOG_ROW_METRICS_MAX);
    static double values[STEPLOG_ROW_METRICS_MAX];
    for (uint64_t row = 0; row < ROWS; row++) {
        for (unsigned column = 0; column < STEPLOG_ROW_METRICS_MAX; column++)
            values[column] = kit_value(5, 0, row, column);
        OK(steplog_writer_append(writer, schema, (int64_t)row, STEPLOG_TIME_NOW, values));
    }
    steplog_metric *metrics = calloc(STEPLOG_ROW_METRICS_MAX + 1, sizeof *metrics);
    for (uint32_t i = 0; i <= STEPLOG_ROW_METRICS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%u", i);
        metrics[i] = kit_metric(writer, name);
    }
    steplog_schema same;
    OK(steplog_writer_schema(writer, metrics, STEPLOG_ROW_METRICS_MAX, &same, &kit_error));
    cr_assert_eq(same.index, schema.index);
    GIVES(LIMIT, steplog_writer_schema(writer, metrics, STEPLOG_ROW_METRICS_MAX + 1, &same, &kit_error));
    free(metrics);
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        steplog_reader *reader = kit_reader(store);
        for (unsigned column = 0; column < STEPLOG_ROW_METRICS_MAX; column += 101) {
            char name[16];
            snprintf(name, sizeof name, "m%u", column);
            kit_rows rows = kit_read(reader, &run, name, NULL);
            cr_assert_eq(rows.row_count, ROWS);
            for (size_t row = 0; row < ROWS; row++)
                cr_assert_eq(kit_bits(kit_at(&rows, row, 0)), kit_bits(kit_value(5, 0, row, column)));
            kit_rows_free(&rows);
        }
        steplog_reader_close(reader);
        if (!is_closed) kit_writer_close(writer);
    }
    kit_store_close(store);
}

Test(writer, refuses_what_breaks_a_rule)
{
    steplog_store *store = kit_store(new_path(), STEPLOG_CREATE, 0);
    steplog_writer *writer = NULL;
    steplog_id id = {{1}};
    steplog_writer_options options = {.size_bytes = 0};
    GIVES(MISUSE, steplog_writer_open(store, &options, &writer, &kit_error));
    options = (steplog_writer_options){.size_bytes = sizeof options, .run_key = "k", .run_id = &id};
    GIVES(MISUSE, steplog_writer_open(store, &options, &writer, &kit_error));
    options = (steplog_writer_options){.size_bytes = sizeof options, .run_name = "ab\xff"};
    GIVES(MISUSE, steplog_writer_open(store, &options, &writer, &kit_error));
    cr_assert_eq(kit_error.file_offset, 2);
    steplog_pair labels[STEPLOG_LABELS_MAX + 1];
    for (size_t i = 0; i <= STEPLOG_LABELS_MAX; i++) labels[i] = (steplog_pair){"k", "v"};
    options = (steplog_writer_options){
        .size_bytes = sizeof options, .labels = labels, .label_count = STEPLOG_LABELS_MAX + 1};
    GIVES(LIMIT, steplog_writer_open(store, &options, &writer, &kit_error));
    cr_assert_null(writer);
    steplog_reader *reader = kit_reader(store);
    cr_assert_eq(steplog_reader_run_count(reader), 0);
    steplog_reader_close(reader);

    writer = kit_writer(store, "run", 0, 0);
    steplog_metric a = kit_metric(writer, "a"), foreign = {99};
    steplog_metric twice[] = {a, a}, bad[] = {foreign};
    steplog_schema schema;
    GIVES(MISUSE, steplog_writer_schema(writer, twice, 2, &schema, &kit_error));
    GIVES(MISUSE, steplog_writer_schema(writer, bad, 1, &schema, &kit_error));
    GIVES(MISUSE, steplog_writer_schema(writer, bad, 0, &schema, &kit_error));
    double value = 1;
    GIVES(MISUSE, steplog_writer_append(writer, (steplog_schema){7}, 1, 1, &value));
    GIVES(MISUSE, steplog_writer_point(writer, foreign, 1, 1, 1));
    GIVES(MISUSE, steplog_writer_set_fact(writer, "", "x", &kit_error));
    GIVES(MISUSE, steplog_writer_set_fact(writer, "k", "\xff", &kit_error));
    OK(steplog_writer_point(writer, a, 1, 1, 1));
    cr_assert_eq(kit_stats(writer).row_count, 1);
    kit_writer_close(writer);
    kit_store_close(store);
}

IN_BOTH_MODES(writer, a_sync_moves_the_durable_mark_to_the_last_record)
{
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_schema schema = kit_schema(writer, "m", 2);
    double values[2] = {1, 2};
    for (int64_t step = 0; step < 5000; step++) {
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NOW, values));
        if (step % 777 != 0) continue;
        OK(steplog_writer_sync(writer, &kit_error));
        steplog_writer_stats stats = kit_stats(writer);
        cr_assert_eq(stats.durable_sequence, stats.last_sequence);
    }
    for (int i = 0; i < 100; i++) {
        steplog_status status = steplog_store_tick(store, 100, &kit_error);
        if (status == STEPLOG_OK) break;
        cr_assert_eq(status, STEPLOG_WAIT);
    }
    kit_writer_close(writer);
    kit_store_close(store);
}

static int remove_file(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info, (void)at;
    return kind == FTW_F && strstr(path, ".log") ? unlink(path) : 0;
}

static int replace_file(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    char copy[4096], command[8300];
    (void)info, (void)at;
    if (kind != FTW_F || !strstr(path, ".log") || strstr(path, ".log.")) return 0;
    snprintf(copy, sizeof copy, "%s.copy", path);
    snprintf(command, sizeof command, "cp '%s' '%s'", path, copy);
    return system(command) || rename(copy, path);
}

/* A log that was removed, or replaced by a copy of itself, under its writer: at its next sync the writer goes on in a new
 * one with everything that it has, and readers see it; the copy stays as it is. */
IN_BOTH_MODES(writer, moves_on_when_its_log_loses_its_name)
{
    for (int is_replaced = 0; is_replaced < 2; is_replaced++) {
        const char *path = new_path();
        steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
        steplog_writer *writer = kit_writer(store, "run", 0, 0);
        steplog_id run = kit_run_of(writer);
        steplog_schema schema = kit_schema(writer, "m", 2);
        double values[2] = {1, 2};
        for (int64_t step = 0; step < 10; step++) {
            OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
            if (step == 5) OK(steplog_writer_sync(writer, &kit_error));
        }
        cr_assert_eq(nftw(path, is_replaced ? replace_file : remove_file, 8, FTW_PHYS), 0);
        OK(steplog_writer_append(writer, schema, 10, STEPLOG_TIME_NONE, values));
        OK(steplog_writer_sync(writer, &kit_error));
        OK(steplog_writer_append(writer, schema, 11, STEPLOG_TIME_NONE, values));
        for (int is_closed = 0; is_closed < 2; is_closed++) {
            kit_rows rows = kit_read_store(path, &run, "*", 0);
            cr_assert_eq(rows.row_count, 12, "%zu rows", rows.row_count);
            for (size_t row = 0; row < rows.row_count; row++) cr_assert_eq(rows.steps[row], (int64_t)row);
            kit_rows_free(&rows);
            if (!is_closed) kit_writer_close(writer);
        }
        kit_store_close(store);
        kit_verify(path);
    }
}

static int remove_any(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    return remove(path);
}

/* With its directories: no call says that something is missing which nobody asked for. */
IN_BOTH_MODES(writer, whose_store_was_removed_is_told_that_the_system_refused)
{
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0), *other = NULL;
    cr_assert_eq(nftw(path, remove_any, 8, FTW_PHYS | FTW_DEPTH), 0);
    steplog_status status = STEPLOG_OK;
    for (int64_t step = 0; step < 10000 && status == STEPLOG_OK; step++)
        status = steplog_writer_log(writer, step, (steplog_named[]){{"a", 1}, {"b", 2}}, 2);
    cr_assert_eq(status, STEPLOG_IO, "%s", steplog_status_name(status));
    steplog_error why;
    steplog_writer_error(writer, &why);
    cr_assert(why.code == STEPLOG_IO && why.os_errno == ENOENT, "%s: %s", steplog_status_name(why.code), why.text);
    GIVES(IO, steplog_writer_sync(writer, &kit_error));
    GIVES(IO, steplog_writer_set_fact(writer, "note", "text", &kit_error));
    GIVES(IO, steplog_writer_open(store, NULL, &other, &kit_error));
    cr_assert_eq(kit_error.os_errno, ENOENT);
    GIVES(IO, steplog_writer_close(writer, 0, &kit_error));
    kit_store_close(store);
}

/* Looking for the name fails: then it is found out at the next sync. */
IN_BOTH_MODES(writer, moves_on_when_a_look_at_its_log_fails)
{
    for (uint64_t at = 1; at <= 4; at++) {
        const char *path = new_path();
        steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
        steplog_writer *writer = kit_writer(store, "run", 0, 0);
        steplog_id run = kit_run_of(writer);
        steplog_schema schema = kit_schema(writer, "m", 2);
        double values[2] = {1, 2};
        for (int64_t step = 0; step < 10; step++) OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
        cr_assert_eq(nftw(path, replace_file, 8, FTW_PHYS), 0);
        test_os_fail(TEST_OS_READ, at, EIO, 0);
        steplog_writer_sync(writer, NULL);
        cr_assert_geq(test_os_count(), 1);
        test_os_restore();
        OK(steplog_writer_append(writer, schema, 10, STEPLOG_TIME_NONE, values));
        OK(steplog_writer_sync(writer, &kit_error));
        kit_rows rows = kit_read_store(path, &run, "*", 0);
        cr_assert_eq(rows.row_count, 11, "call %d failed: %zu rows", (int)at, rows.row_count);
        kit_rows_free(&rows);
        kit_writer_close(writer);
        kit_store_close(store);
    }
}

static size_t rows_to_be_read(const char *path, const steplog_id *run)
{
    kit_rows rows = kit_read_store(path, run, "*", 0);
    size_t count = rows.row_count;
    kit_rows_free(&rows);
    return count;
}

/* The same found by the background, which is no failure of the store: appends go on in a new log, and the logs that
 * wait to be sealed lose nothing either. */
IN_BOTH_MODES(writer, moves_on_when_the_background_finds_a_log_without_its_name)
{
    for (int is_replaced = 0; is_replaced < 2; is_replaced++) {
        const char *path = new_path();
        steplog_store_options options = {
            .size_bytes = sizeof options, .flags = STEPLOG_CREATE | flags, .sync_interval_ms = 1, .log_bytes = 65536};
        steplog_store *store = NULL;
        OK(steplog_store_open(path, &options, &store, &kit_error));
        steplog_writer *writer = kit_writer(store, "run", 0, 0);
        steplog_id run = kit_run_of(writer);
        steplog_schema schema = kit_schema(writer, "m", 2);
        double values[2] = {1, 2};
        int64_t step = 0;
        for (int turn = 0; turn < 20; turn++) {
            for (int n = 0; n < 200; n++, step++) OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
            nftw(path, is_replaced ? replace_file : remove_file, 8, FTW_PHYS); /* some go away by themselves */
            usleep(3000);
        }
        for (int turn = 0; turn < 2000 && rows_to_be_read(path, &run) < (size_t)step; turn++) {
            OK(steplog_writer_append(writer, schema, step++, STEPLOG_TIME_NONE, values));
            usleep(3000);
        }
        cr_assert_eq(rows_to_be_read(path, &run), (size_t)step);
        kit_writer_close(writer);
        kit_store_close(store);
        kit_rows rows = kit_read_store(path, &run, "*", 0);
        cr_assert_eq(rows.row_count, (size_t)step, "%zu rows", rows.row_count);
        for (size_t row = 0; row < rows.row_count; row++) cr_assert_eq(rows.steps[row], (int64_t)row);
        kit_rows_free(&rows);
        kit_verify(path);
    }
}

IN_BOTH_MODES(writer, works_without_a_thread)
{
    enum { ROWS = 30000 };
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", 3);
    for (uint64_t row = 0; row < ROWS; row++) {
        double values[3];
        for (unsigned column = 0; column < 3; column++) values[column] = kit_value(6, 0, row, column);
        OK(steplog_writer_append(writer, schema, (int64_t)row, STEPLOG_TIME_NOW, values));
        if (row % 1000 == 0) cr_assert(steplog_store_tick(store, row % 3000 == 0 ? 5 : 0, &kit_error) >= 0);
    }
    kit_rows rows = kit_read_store(path, &run, "*", 0);
    cr_assert_eq(rows.row_count, ROWS);
    for (size_t row = 0; row < ROWS; row++)
        for (unsigned column = 0; column < 3; column++)
            cr_assert_eq(kit_bits(kit_at(&rows, row, column)), kit_bits(kit_value(6, 0, row, column)));
    kit_rows_free(&rows);
    kit_writer_close(writer);
    kit_store_close(store);
    cr_assert_eq(kit_log_count(path), 0);
}

static size_t spares_seen;

static void look_at_spare(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    static const uint8_t zeros[4096];
    (void)context;
    if (!strstr(path, ".log") || bytes < sizeof zeros || memcmp(data + 16, zeros, 16) != 0) return;
    spares_seen++;
    cr_assert_eq(memcmp(data, zeros, sizeof zeros), 0, "the header of spare '%s' is not empty", path);
}

/* What the power leaves of the header that comes next is that header or nothing: no slot of the log that was. */
IN_BOTH_MODES(writer, a_log_that_is_kept_for_reuse_has_an_empty_header)
{
    enum { COLUMNS = 20 };
    sim *machine = sim_new(8);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    double values[COLUMNS] = {1};
    for (int64_t row = 0; row < 2000; row++) {
        OK(steplog_writer_append(writer, schema, row, row, values));
        if (row % 50 == 0) OK(steplog_writer_sync(writer, &kit_error));
        if (row % 50 == 7) while (steplog_store_tick(store, 1000, &kit_error) == STEPLOG_WAIT) continue;
        sim_each_file(machine, look_at_spare, NULL);
    }
    cr_assert(spares_seen > 100, "%zu spares were seen", spares_seen);
    kit_writer_close(writer);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}
