/* M4 against brute force over all points. */
#include "steplog.h"

#include "support/random.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_bucket(const steplog_m4 *m, const kit_rows *rows, int64_t begin, int64_t end, size_t bucket,
                         size_t count)
{
    steplog_m4 expected = {.value = {0, 0, NAN, NAN}};
    for (size_t row = 0; row < rows->row_count; row++) {
        int64_t step = rows->steps[row];
        if (step < begin || step >= end) continue;
        unsigned __int128 offset = (unsigned __int128)((uint64_t)step - (uint64_t)begin) * count;
        if (offset / ((uint64_t)end - (uint64_t)begin) != bucket) continue;
        double value = kit_at(rows, row, 0);
        if (expected.count++ == 0) expected.step[0] = step, expected.value[0] = value;
        expected.step[1] = step, expected.value[1] = value;
        expected.nan_count += isnan(value) != 0;
        expected.inf_count += isinf(value) != 0;
        expected.negative_inf_count += isinf(value) && value < 0;
        if (!isfinite(value)) continue;
        if (!(expected.value[2] <= value)) expected.value[2] = value, expected.step[2] = step;
        if (!(expected.value[3] >= value)) expected.value[3] = value, expected.step[3] = step;
    }
    cr_assert_eq(m->count, expected.count, "bucket %zu: %d points, expected %d", bucket, (int)m->count,
                 (int)expected.count);
    if (m->count == 0) return;
    cr_assert_eq(m->nan_count, expected.nan_count);
    cr_assert_eq(m->inf_count, expected.inf_count);
    cr_assert_eq(m->negative_inf_count, expected.negative_inf_count);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(kit_bits(m->value[i]), kit_bits(expected.value[i]), "bucket %zu value %d", bucket, i);
        cr_assert_eq(m->step[i], expected.step[i]);
    }
    for (int i = 2; i < 4; i++) {
        if (isnan(expected.value[i])) {
            cr_assert(isnan(m->value[i]));
            continue;
        }
        cr_assert(m->value[i] == expected.value[i], "bucket %zu value %d: %g, expected %g", bucket, i, m->value[i],
                  expected.value[i]);
        cr_assert_eq(m->step[i], expected.step[i], "bucket %zu step %d: %ld, expected %ld", bucket, i, (long)m->step[i],
                     (long)expected.step[i]);
    }
}

static void check_metric(steplog_store *store, const steplog_id *run, const char *metric, const steplog_view *view,
                         size_t pixels)
{
    steplog_reader *reader = kit_reader(store);
    steplog_series series = kit_series(reader, run, metric);
    steplog_m4 *m = calloc(pixels, sizeof *m);
    int64_t begin = 0, end = 0;
    OK(steplog_reader_m4(reader, series, view, pixels, m, &begin, &end, &kit_error));
    kit_rows rows = kit_read(reader, run, metric, view);
    if (view && view->has_begin)
        cr_assert_eq(begin, view->step_begin);
    else
        cr_assert_eq(begin, rows.steps[0]);
    if (view && view->has_end)
        cr_assert_eq(end, view->step_end);
    else
        cr_assert_eq(end, rows.steps[rows.row_count - 1] + 1);
    for (size_t i = 0; i < pixels; i++) check_bucket(&m[i], &rows, begin, end, i, pixels);
    kit_rows_free(&rows);
    free(m);
    steplog_reader_close(reader);
}

static void check_m4(steplog_store *store, const steplog_id *run, const steplog_view *view, size_t pixels)
{
    check_metric(store, run, "loss", view, pixels);
}

static void check_many(steplog_store *store, const steplog_id *run)
{
    static const size_t pixels[] = {1, 2, 3, 7, 40};
    for (size_t p = 0; p < sizeof pixels / sizeof *pixels; p++) {
        check_m4(store, run, NULL, pixels[p]);
        steplog_view view = {
            .size_bytes = sizeof view, .has_begin = 1, .step_begin = 1500, .has_end = 1, .step_end = 4099};
        check_m4(store, run, &view, pixels[p]);
        view = (steplog_view){
            .size_bytes = sizeof view, .has_begin = 1, .step_begin = -1000000, .has_end = 1, .step_end = 1000000};
        check_m4(store, run, &view, pixels[p]);
        view = (steplog_view){
            .size_bytes = sizeof view, .flags = STEPLOG_VIEW_ALL_ATTEMPTS, .has_begin = 1, .step_begin = 17};
        check_m4(store, run, &view, pixels[p]);
    }
}

static void check_generated(uint32_t flags, int64_t row_count, int is_sorted, int has_specials)
{
    test_random random = test_random_begin("m4");
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, row_count > 10000 ? 0 : 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer);
    steplog_metric loss = kit_metric(writer, "loss");
    for (int64_t i = 0; i < row_count; i++) {
        int64_t step = is_sorted ? i : (int64_t)test_random_below(&random, (uint64_t)row_count);
        double value = has_specials ? test_random_double(&random) : test_random_unit(&random);
        if (test_random_below(&random, 1000) == 0) value *= 1e6;
        OK(steplog_writer_point(writer, loss, step, STEPLOG_TIME_NONE, value));
    }
    check_many(store, &run);
    kit_writer_close(writer);
    check_many(store, &run);
    writer = kit_writer_resumed(store, "run", 0, 2, row_count * 5 / 7);
    loss = kit_metric(writer, "loss");
    for (int64_t step = row_count * 5 / 7; step < row_count * 8 / 7; step++)
        OK(steplog_writer_point(writer, loss, step, STEPLOG_TIME_NONE, test_random_unit(&random)));
    kit_writer_close(writer);
    check_many(store, &run);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    check_many(store, &run);
    kit_store_close(store);
}

IN_BOTH_MODES(m4, agrees_with_all_points_of_a_sorted_series) { check_generated(flags, 7000, 1, 0); }
IN_BOTH_MODES(m4, agrees_with_all_points_of_an_unsorted_series) { check_generated(flags, 7000, 0, 0); }
IN_BOTH_MODES(m4, agrees_with_all_points_where_anything_is_a_value) { check_generated(flags, 7000, 1, 1); }

/* More than 64 blocks: nodes, some of which lie across buckets and some of which end at the cut of an attempt. */
Test(m4, agrees_with_all_points_of_a_long_series) { check_generated(0, 180000, 1, 0); }
Test(m4, agrees_with_all_points_of_a_long_series_where_anything_is_a_value) { check_generated(0, 180000, 1, 1); }
Test(m4, agrees_with_all_points_of_a_long_unsorted_series) { check_generated(0, 90000, 0, 1); }

enum { SHAPES = 6, SHAPE_COLUMNS_MAX = 3 };

/* Rows of one schema of 1 to 3 metrics called <shape>.<column>; in some values are missing. */
static void append_shape(steplog_writer *writer, test_random *random, unsigned shape, unsigned columns, int64_t row_count)
{
    steplog_metric metrics[SHAPE_COLUMNS_MAX];
    steplog_schema schema;
    for (unsigned c = 0; c < columns; c++) {
        char name[16];
        snprintf(name, sizeof name, "%u.%u", shape, c);
        metrics[c] = kit_metric(writer, name);
    }
    OK(steplog_writer_schema(writer, metrics, columns, &schema, &kit_error));
    for (int64_t step = 0; step < row_count; step++) {
        double values[SHAPE_COLUMNS_MAX];
        uint64_t present = step % 5 == 2 && step + 1 < row_count ? 1 : 7;
        for (unsigned c = 0; c < columns; c++) values[c] = shape * 1000 + c * 100 + test_random_unit(random);
        OK(steplog_writer_append_present(writer, schema, step, STEPLOG_TIME_NONE, values, &present));
    }
}

/* One segment, in whose tables stand groups with statistics and nodes, with statistics alone, and with neither, in any
 * order. */
Test(m4, agrees_where_groups_of_all_lengths_share_a_segment)
{
    static const unsigned blocks[] = {1, 3, 4, 12, 64, 65, 70, 129};
    test_random random = test_random_begin("m4, groups");
    for (unsigned round = 0; round < 6; round++) {
        unsigned columns[SHAPES];
        const char *path = test_path(test_temp_dir(), "store");
        steplog_store *store = kit_store(path, STEPLOG_CREATE, 0);
        steplog_writer *writer = kit_writer(store, "run", 0, 1);
        steplog_id run = kit_run_of(writer);
        for (unsigned shape = 0; shape < SHAPES; shape++) {
            unsigned most = shape < 2 ? 5 : 8; /* the first two without nodes, so that others follow */
            columns[shape] = 1 + (unsigned)test_random_below(&random, SHAPE_COLUMNS_MAX);
            append_shape(writer, &random, shape, columns[shape], blocks[test_random_below(&random, most)] * 1024);
        }
        kit_writer_close(writer);
        OK(steplog_store_compact(store, NULL, NULL, &kit_error));
        kit_verify(path);
        for (unsigned shape = 0; shape < SHAPES; shape++)
            for (unsigned c = 0; c < columns[shape]; c++) {
                char name[16];
                snprintf(name, sizeof name, "%u.%u", shape, c);
                check_metric(store, &run, name, NULL, 1);
                check_metric(store, &run, name, NULL, 7);
            }
        kit_store_close(store);
    }
}

/* Blocks whose headers know no extreme, or do not count for whole blocks: rows that lack the metric, a column beside it
 * that has it, steps that go back, rows that a log holds still. */
IN_BOTH_MODES(m4, agrees_where_values_are_missing_or_no_numbers)
{
    for (int kind = 0; kind < 5; kind++) {
        const int64_t count = kind == 4 ? 900 : 4000; /* 900: one block that overlaps no other */
        steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | flags, 0);
        steplog_writer *writer = kit_writer(store, "run", 0, 1);
        steplog_id run = kit_run_of(writer);
        steplog_metric list[2] = {kit_metric(writer, "loss"), kit_metric(writer, "other")};
        steplog_schema schema;
        OK(steplog_writer_schema(writer, list, 2, &schema, &kit_error));
        for (int64_t row = 0; row < count; row++) {
            double values[2] = {kind == 0 ? NAN : kind == 1 ? (row % 2 ? INFINITY : -INFINITY) : (double)(row % 77), 1};
            uint64_t present = kind == 2 && row % 3 == 1 ? 2 : 3;
            int64_t step = kind >= 3 ? row * 7919 % count : row;
            OK(steplog_writer_append_present(writer, schema, step, STEPLOG_TIME_NONE, values, &present));
        }
        for (int is_closed = 0; is_closed < 2; is_closed++) {
            static const size_t pixels[] = {1, 3, 1000};
            for (size_t p = 0; p < sizeof pixels / sizeof *pixels; p++) check_m4(store, &run, NULL, pixels[p]);
            if (!is_closed) kit_writer_close(writer);
        }
        kit_store_close(store);
    }
}

Test(m4, shows_a_single_spike_of_a_long_series_at_any_width)
{
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer);
    steplog_metric loss = kit_metric(writer, "loss");
    for (int64_t step = 0; step < 100000; step++)
        OK(steplog_writer_point(writer, loss, step, STEPLOG_TIME_NONE, step == 77777 ? 1e9 : step == 33333 ? NAN : 1));
    kit_writer_close(writer);
    steplog_reader *reader = kit_reader(store);
    steplog_series series = kit_series(reader, &run, "loss");
    for (size_t pixels = 1; pixels <= 65536; pixels *= 4) {
        steplog_m4 *m = calloc(pixels, sizeof *m);
        OK(steplog_reader_m4(reader, series, NULL, pixels, m, NULL, NULL, &kit_error));
        uint64_t points = 0, nans = 0, spikes = 0;
        for (size_t i = 0; i < pixels; i++) {
            points += m[i].count;
            nans += m[i].nan_count;
            spikes += m[i].count && m[i].value[3] == 1e9 && m[i].step[3] == 77777;
        }
        cr_assert_eq(points, 100000);
        cr_assert_eq(nans, 1);
        cr_assert_eq(spikes, 1);
        free(m);
    }
    steplog_m4 one;
    GIVES(MISUSE, steplog_reader_m4(reader, series, NULL, 0, &one, NULL, NULL, &kit_error));
    GIVES(MISUSE, steplog_reader_m4(reader, series, NULL, 65537, &one, NULL, NULL, &kit_error));
    steplog_view beyond = {.size_bytes = sizeof beyond, .has_begin = 1, .step_begin = 200000};
    GIVES(MISSING, steplog_reader_m4(reader, series, &beyond, 1, &one, NULL, NULL, &kit_error));
    steplog_reader_close(reader);
    kit_store_close(store);
}

Test(m4, divides_the_whole_range_of_steps)
{
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer);
    static const int64_t steps[] = {INT64_MIN, -1, 0, INT64_MAX - 1};
    for (int i = 0; i < 4; i++) kit_log(writer, "loss", steps[i], i);
    check_m4(store, &run, NULL, 2);
    check_m4(store, &run, NULL, 1000);
    kit_writer_close(writer);
    check_m4(store, &run, NULL, 3);
    kit_store_close(store);
}
