/* Views: attempts, rewinds, forks, step ranges, the last rows, unions, the order as recorded. */
#include "steplog.h"

#include "support/random.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *new_path(void) { return test_path(test_temp_dir(), "store"); }

/* The steps and values of one column as text: "1=10 2=20". */
static const char *line_of(steplog_store *store, const steplog_id *run, const char *selector, const steplog_view *view)
{
    static char text[8192];
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, run, selector, view);
    size_t length = 0;
    text[0] = 0;
    for (size_t row = 0; row < rows.row_count; row++) {
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%lld=", row ? " " : "",
                                   (long long)rows.steps[row]);
        for (size_t column = 0; column < rows.column_count; column++) {
            const char *comma = column ? "," : "";
            if (kit_has(&rows, row, column))
                length += (size_t)snprintf(text + length, sizeof text - length, "%s%g", comma,
                                           kit_at(&rows, row, column));
            else
                length += (size_t)snprintf(text + length, sizeof text - length, "%s-", comma);
        }
    }
    kit_rows_free(&rows);
    steplog_reader_close(reader);
    return text;
}

static void log_steps(steplog_writer *writer, const char *metric, int64_t begin, int64_t end, double factor)
{
    for (int64_t step = begin; step < end; step++) kit_log(writer, metric, step, (double)step * factor);
}

static const steplog_view all_attempts = {.size_bytes = sizeof all_attempts, .flags = STEPLOG_VIEW_ALL_ATTEMPTS};
static const steplog_view arrival = {.size_bytes = sizeof arrival, .flags = STEPLOG_VIEW_ARRIVAL_ORDER};

IN_BOTH_MODES(view, a_resumed_job_is_one_line_and_the_replaced_steps_are_kept)
{
    steplog_store *store = kit_store(new_path(), STEPLOG_CREATE | flags, 0);
    steplog_writer *first = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(first);
    log_steps(first, "loss", 1, 6, 10);
    kit_writer_close(first);
    steplog_writer *second = kit_writer_resumed(store, "run", 0, 2, 4);
    cr_assert_eq(kit_stats(second).attempt, 2);
    log_steps(second, "loss", 4, 7, 100);
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        cr_assert_str_eq(line_of(store, &run, "loss", NULL), "1=10 2=20 3=30 4=400 5=500 6=600");
        cr_assert_str_eq(line_of(store, &run, "loss", &all_attempts), "1=10 2=20 3=30 4=40 4=400 5=50 5=500 6=600");
        cr_assert_str_eq(line_of(store, &run, "loss", &arrival), "1=10 2=20 3=30 4=400 5=500 6=600");
        if (!is_closed) kit_writer_close(second);
    }
    kit_store_close(store);
}

IN_BOTH_MODES(view, ranks_that_did_not_come_back_are_cut_at_the_smallest_resume_step)
{
    steplog_store *store = kit_store(new_path(), STEPLOG_CREATE | flags, 0);
    steplog_writer *writers[2];
    for (uint32_t rank = 0; rank < 2; rank++) {
        writers[rank] = kit_writer(store, "run", rank, 1);
        log_steps(writers[rank], "loss", 1, 6, 10 + rank);
    }
    steplog_id run = kit_run_of(writers[0]);
    for (uint32_t rank = 0; rank < 2; rank++) kit_writer_close(writers[rank]);
    steplog_writer *second = kit_writer_resumed(store, "run", 0, 2, 3);
    log_steps(second, "loss", 3, 5, 100);
    cr_assert_str_eq(line_of(store, &run, "loss{rank=0}", NULL), "1=10 2=20 3=300 4=400");
    cr_assert_str_eq(line_of(store, &run, "loss{rank=1}", NULL), "1=11 2=22");
    kit_writer_close(second);
    kit_store_close(store);
}

IN_BOTH_MODES(view, a_rewind_hides_and_its_undo_shows_again)
{
    steplog_store *store = kit_store(new_path(), STEPLOG_CREATE | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    log_steps(writer, "loss", 1, 6, 10);
    kit_writer_close(writer);
    uint32_t attempt = 0;
    OK(steplog_run_rewind(store, &run, 3, &attempt, &kit_error));
    cr_assert_eq(attempt, 2);
    cr_assert_str_eq(line_of(store, &run, "loss", NULL), "1=10 2=20");
    cr_assert_str_eq(line_of(store, &run, "loss", &all_attempts), "1=10 2=20 3=30 4=40 5=50");
    steplog_writer *again = kit_writer(store, "run", 0, attempt);
    log_steps(again, "loss", 3, 5, 100);
    kit_writer_close(again);
    cr_assert_str_eq(line_of(store, &run, "loss", NULL), "1=10 2=20 3=300 4=400");
    OK(steplog_run_rewind_undo(store, &run, &attempt, &kit_error));
    cr_assert_eq(attempt, 2);
    cr_assert_str_eq(line_of(store, &run, "loss", NULL), "1=10 2=20 3=30 4=40 5=50");
    cr_assert_str_eq(line_of(store, &run, "loss", &all_attempts), "1=10 2=20 3=30 3=300 4=40 4=400 5=50");
    GIVES(MISSING, steplog_run_rewind_undo(store, &run, &attempt, &kit_error));
    OK(steplog_run_rewind(store, &run, 5, &attempt, &kit_error));
    cr_assert_eq(attempt, 3, "an attempt taken back is never given again, but %u was", attempt);
    cr_assert_str_eq(line_of(store, &run, "loss", NULL), "1=10 2=20 3=30 4=40");
    steplog_id unknown = {{9}};
    GIVES(MISSING, steplog_run_rewind(store, &unknown, 5, NULL, &kit_error));
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    cr_assert_str_eq(line_of(store, &run, "loss", NULL), "1=10 2=20 3=30 4=40");
    kit_store_close(store);
}

/* The second writer's log names "b" and has no value of it; what is removed is its values of "b": none. */
IN_BOTH_MODES(view, a_removed_series_that_a_log_only_names_takes_nothing_else_with_it)
{
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *first = kit_writer(store, "run", 0, 0), *second = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(first);
    kit_log(first, "b", 1, 10);
    kit_log(first, "b", 9, 90); /* stays, so that "b" is still a column */
    const steplog_metric metrics[2] = {kit_metric(second, "a"), kit_metric(second, "b")};
    steplog_schema schema;
    OK(steplog_writer_schema(second, metrics, 2, &schema, &kit_error));
    const double values[2] = {20, 30};
    const uint64_t only_a = 1;
    OK(steplog_writer_append_present(second, schema, 2, STEPLOG_TIME_NONE, values, &only_a));
    steplog_remove_options options = {.size_bytes = sizeof options, .run = run, .selector = "b", .has_end = 1, .step_end = 5};
    steplog_remove_result result = {.size_bytes = sizeof result};
    OK(steplog_remove(store, &options, &result, &kit_error));
    kit_rows rows = kit_read_store(steplog_store_path(store), &run, "*", 0);
    cr_assert_eq(rows.row_count, 2);
    cr_assert_eq(rows.steps[0], 2);
    cr_assert(kit_has(&rows, 0, 0));
    cr_assert_eq(kit_at(&rows, 0, 0), 20);
    kit_rows_free(&rows);
    kit_writer_close(second);
    kit_writer_close(first);
    kit_store_close(store);
}

IN_BOTH_MODES(view, at_equal_steps_a_parents_points_come_before_those_of_its_forks)
{
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    for (unsigned n = 0; n < 8; n++) { /* incarnations are random: one order of them is not enough */
        char key[16], child_key[16], last_key[16];
        snprintf(key, sizeof key, "run %u", n);
        snprintf(child_key, sizeof child_key, "child %u", n);
        snprintf(last_key, sizeof last_key, "last %u", n);
        steplog_id child, last;
        steplog_writer *writer = kit_writer(store, key, 0, 2);
        kit_log(writer, "loss", 1, 10);
        steplog_id run = kit_run_of(writer);
        OK(steplog_run_fork(store, &run, 5, child_key, NULL, &child, &kit_error));
        steplog_writer *child_writer = kit_writer(store, child_key, 0, 0);
        kit_log(child_writer, "loss", 1, 20);
        OK(steplog_run_fork(store, &child, 5, last_key, NULL, &last, &kit_error));
        steplog_writer *last_writer = kit_writer(store, last_key, 0, 0);
        kit_log(last_writer, "loss", 1, 30);
        cr_assert_str_eq(line_of(store, &last, "loss", NULL), "1=10 1=20 1=30");
        kit_writer_close(last_writer);
        kit_writer_close(child_writer);
        kit_writer_close(writer);
        cr_assert_str_eq(line_of(store, &last, "loss", NULL), "1=10 1=20 1=30");
    }
    kit_store_close(store);
}

IN_BOTH_MODES(view, a_fork_keeps_what_its_parent_was)
{
    steplog_store *store = kit_store(new_path(), STEPLOG_CREATE | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer), fork, grandchild;
    log_steps(writer, "loss", 1, 6, 10);
    kit_writer_close(writer);
    OK(steplog_run_fork(store, &run, 4, "forked", "name of the fork", &fork, &kit_error));
    GIVES(MISUSE, steplog_run_fork(store, &run, 4, "forked", NULL, &grandchild, &kit_error));
    GIVES(MISSING, steplog_run_fork(store, &(steplog_id){{9}}, 4, NULL, NULL, &grandchild, &kit_error));
    cr_assert_str_eq(line_of(store, &fork, "loss", NULL), "1=10 2=20 3=30");
    writer = kit_writer(store, "forked", 0, 0);
    steplog_id same = kit_run_of(writer);
    cr_assert_arr_eq(same.bytes, fork.bytes, 16);
    log_steps(writer, "loss", 4, 6, 100);
    kit_writer_close(writer);
    cr_assert_str_eq(line_of(store, &fork, "loss", NULL), "1=10 2=20 3=30 4=400 5=500");
    OK(steplog_run_rewind(store, &run, 2, NULL, &kit_error));
    cr_assert_str_eq(line_of(store, &run, "loss", NULL), "1=10");
    cr_assert_str_eq(line_of(store, &fork, "loss", NULL), "1=10 2=20 3=30 4=400 5=500");
    OK(steplog_run_fork(store, &fork, 5, NULL, NULL, &grandchild, &kit_error));
    cr_assert_str_eq(line_of(store, &grandchild, "loss", NULL), "1=10 2=20 3=30 4=400");
    OK(steplog_run_rewind(store, &fork, 2, NULL, &kit_error));
    cr_assert_str_eq(line_of(store, &grandchild, "loss", NULL), "1=10 2=20 3=30 4=400");
    OK(steplog_run_rewind_undo(store, &fork, NULL, &kit_error));
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    cr_assert_str_eq(line_of(store, &grandchild, "loss", NULL), "1=10 2=20 3=30 4=400");
    steplog_reader *reader = kit_reader(store);
    steplog_run_info info = {.size_bytes = sizeof info};
    OK(steplog_reader_run_by_id(reader, &fork, &info, &kit_error));
    cr_assert(info.has_parent && info.parent_step == 4 && info.parent_attempt == 1);
    cr_assert_arr_eq(info.parent.bytes, run.bytes, 16);
    cr_assert_str_eq(info.name, "forked", "the latest name counts, not %s", info.name);
    steplog_reader_close(reader);
    kit_store_close(store);
}

IN_BOTH_MODES(view, repeated_and_unsorted_steps_all_appear_in_order)
{
    steplog_store *store = kit_store(new_path(), STEPLOG_CREATE | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    static const int64_t steps[] = {3, 1, 3, 2, 3, -5};
    for (size_t i = 0; i < 6; i++) kit_log(writer, "loss", steps[i], (double)i);
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        cr_assert_str_eq(line_of(store, &run, "loss", NULL), "-5=5 1=1 2=3 3=0 3=2 3=4");
        cr_assert_str_eq(line_of(store, &run, "loss", &arrival), "3=0 1=1 3=2 2=3 3=4 -5=5");
        if (!is_closed) kit_writer_close(writer);
    }
    kit_store_close(store);
}

IN_BOTH_MODES(view, a_union_joins_ranks_and_metrics_by_step)
{
    steplog_store *store = kit_store(new_path(), STEPLOG_CREATE | flags, 0);
    steplog_writer *zero = kit_writer(store, "run", 0, 1), *one = kit_writer(store, "run", 1, 1);
    steplog_id run = kit_run_of(zero);
    log_steps(zero, "loss", 0, 5, 1);
    kit_log(zero, "val", 2, 7);
    kit_log(zero, "val", 2, 8);
    kit_log(one, "loss", 1, 11), kit_log(one, "loss", 4, 14), kit_log(one, "loss", 9, 19);
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        cr_assert_str_eq(line_of(store, &run, "*", NULL), "0=0,-,- 1=1,11,- 2=2,-,7 2=-,-,8 3=3,-,- 4=4,14,- 9=-,19,-");
        if (!is_closed) kit_writer_close(zero), kit_writer_close(one);
    }
    kit_store_close(store);
}

IN_BOTH_MODES(view, a_union_joins_what_one_writer_logged_at_steps_out_of_order)
{
    steplog_store *store = kit_store(new_path(), STEPLOG_CREATE | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    log_steps(writer, "a", 0, 4, 1);
    log_steps(writer, "b", 1, 5, 10);
    cr_assert_str_eq(line_of(store, &run, "*", NULL), "0=0,- 1=1,10 2=2,20 3=3,30 4=-,40");
    kit_writer_close(writer);
    cr_assert_str_eq(line_of(store, &run, "*", NULL), "0=0,- 1=1,10 2=2,20 3=3,30 4=-,40");
    kit_store_close(store);
}

IN_BOTH_MODES(view, step_ranges_and_the_last_rows)
{
    steplog_store *store = kit_store(new_path(), STEPLOG_CREATE | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    log_steps(writer, "loss", 0, 10000, 1);
    steplog_view view = {.size_bytes = sizeof view};
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        view = (steplog_view){
            .size_bytes = sizeof view, .has_begin = 1, .has_end = 1, .step_begin = 1022, .step_end = 1026};
        cr_assert_str_eq(line_of(store, &run, "loss", &view), "1022=1022 1023=1023 1024=1024 1025=1025");
        view.step_end = 1022;
        cr_assert_str_eq(line_of(store, &run, "loss", &view), "");
        view = (steplog_view){.size_bytes = sizeof view, .has_begin = 1, .step_begin = 9998};
        cr_assert_str_eq(line_of(store, &run, "loss", &view), "9998=9998 9999=9999");
        view = (steplog_view){.size_bytes = sizeof view, .has_end = 1, .step_end = 2};
        cr_assert_str_eq(line_of(store, &run, "loss", &view), "0=0 1=1");
        view = (steplog_view){.size_bytes = sizeof view, .last_count = 3};
        cr_assert_str_eq(line_of(store, &run, "loss", &view), "9997=9997 9998=9998 9999=9999");
        view = (steplog_view){.size_bytes = sizeof view, .last_count = 2, .has_end = 1, .step_end = 5000};
        cr_assert_str_eq(line_of(store, &run, "loss", &view), "4998=4998 4999=4999");
        view = (steplog_view){.size_bytes = sizeof view, .last_count = 5, .has_begin = 1, .step_begin = 9999};
        cr_assert_str_eq(line_of(store, &run, "loss", &view), "9999=9999");
        for (uint64_t last = 1; last <= 9000; last += 1777) {
            view = (steplog_view){.size_bytes = sizeof view, .last_count = last};
            steplog_reader *reader = kit_reader(store);
            kit_rows rows = kit_read(reader, &run, "loss", &view);
            cr_assert_eq(rows.row_count, last);
            cr_assert_eq(rows.steps[0], 10000 - (int64_t)last);
            kit_rows_free(&rows);
            steplog_reader_close(reader);
        }
        if (!is_closed) kit_writer_close(writer);
    }
    steplog_reader *reader = kit_reader(store);
    steplog_series loss = kit_series(reader, &run, "loss");
    steplog_cursor *cursor;
    view = (steplog_view){.size_bytes = 0};
    GIVES(MISUSE, steplog_cursor_open(reader, &loss, 1, &view, &cursor, &kit_error));
    GIVES(MISUSE, steplog_cursor_open(reader, &loss, 0, NULL, &cursor, &kit_error));
    steplog_series twice[] = {loss, loss}, foreign = {77};
    GIVES(MISUSE, steplog_cursor_open(reader, twice, 2, NULL, &cursor, &kit_error));
    GIVES(MISUSE, steplog_cursor_open(reader, &foreign, 1, NULL, &cursor, &kit_error));
    view = (steplog_view){.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW, .last_count = 3};
    GIVES(MISUSE, steplog_cursor_open(reader, &loss, 1, &view, &cursor, &kit_error));
    OK(steplog_cursor_open(reader, &loss, 1, NULL, &cursor, &kit_error));
    steplog_series column;
    OK(steplog_cursor_series(cursor, 0, &column));
    cr_assert_eq(column.index, loss.index);
    GIVES(MISUSE, steplog_cursor_series(cursor, 1, &column));
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    kit_store_close(store);
}

/* The last rows as they came, of steps that fall: what came last may stand before a block that came earlier. */
IN_BOTH_MODES(view, the_last_rows_in_the_order_of_arrival)
{
    enum { BLOCK = 1024, BLOCKS = 5, TAIL = 101 };
    steplog_store *store = kit_store(new_path(), STEPLOG_CREATE | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    static int64_t steps[BLOCK * BLOCKS + TAIL];
    static const int64_t begins[BLOCKS + 1] = {20000, 0, 50000, 30000, 9500, 9000};
    size_t count = 0;
    for (size_t block = 0; block <= BLOCKS; block++)
        for (int64_t i = 0; i < (block < BLOCKS ? BLOCK : TAIL); i++) steps[count++] = begins[block] + i;
    for (size_t i = 0; i < count; i++) kit_log(writer, "loss", steps[i], (double)i);
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        static const uint64_t lasts[] = {1, 100, 101, 102, 1000, 1024, 1125, 1126, 2000, 3000, 4000, 5000, 5221, 9000};
        for (size_t l = 0; l < sizeof lasts / sizeof *lasts; l++) {
            size_t wanted = lasts[l] < count ? (size_t)lasts[l] : count;
            steplog_view view = {
                .size_bytes = sizeof view, .flags = STEPLOG_VIEW_ARRIVAL_ORDER, .last_count = lasts[l]};
            steplog_reader *reader = kit_reader(store);
            kit_rows rows = kit_read(reader, &run, "loss", &view);
            cr_assert_eq(rows.row_count, wanted, "%zu rows of the last %zu", rows.row_count, wanted);
            for (size_t row = 0; row < wanted; row++) {
                cr_assert_eq(rows.steps[row], steps[count - wanted + row], "row %zu of the last %zu: step %ld", row, wanted,
                             (long)rows.steps[row]);
                cr_assert_eq(kit_at(&rows, row, 0), (double)(count - wanted + row));
            }
            kit_rows_free(&rows);
            steplog_reader_close(reader);
        }
        if (!is_closed) kit_writer_close(writer);
    }
    kit_store_close(store);
}

/* In every order and range the last n rows are the end of all of them. */
static void check_last_rows(steplog_reader *reader, const steplog_id *run, int64_t steps, test_random *random)
{
    static const uint32_t flags[] = {0, STEPLOG_VIEW_ARRIVAL_ORDER, STEPLOG_VIEW_ALL_ATTEMPTS,
                                     STEPLOG_VIEW_ARRIVAL_ORDER | STEPLOG_VIEW_ALL_ATTEMPTS};
    for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
        for (int range = 0; range < 3; range++) {
            steplog_view view = {.size_bytes = sizeof view, .flags = flags[f], .has_begin = range > 0, .has_end = range > 1};
            view.step_begin = (int64_t)test_random_below(random, (uint64_t)steps);
            view.step_end = view.step_begin + 1 + (int64_t)test_random_below(random, (uint64_t)steps);
            kit_rows all = kit_read(reader, run, "*", &view);
            for (int i = 0; i < 6; i++) {
                view.last_count = 1 + test_random_below(random, i % 2 ? 30 : all.row_count + 10);
                size_t count = view.last_count < all.row_count ? (size_t)view.last_count : all.row_count;
                kit_rows last = kit_read(reader, run, "*", &view);
                cr_assert_eq(last.row_count, count, "%zu rows of the last %zu, flags %u", last.row_count, count, flags[f]);
                for (size_t row = 0; row < count; row++) {
                    size_t from = all.row_count - count + row;
                    cr_assert_eq(last.steps[row], all.steps[from], "row %zu of the last %zu, flags %u", row, count, flags[f]);
                    cr_assert_eq(last.sequences[row], all.sequences[from]);
                    for (size_t c = 0; c < all.column_count; c++) {
                        cr_assert_eq(kit_has(&last, row, c), kit_has(&all, from, c));
                        if (kit_has(&last, row, c))
                            cr_assert_eq(kit_bits(kit_at(&last, row, c)), kit_bits(kit_at(&all, from, c)));
                    }
                }
                kit_rows_free(&last);
            }
            kit_rows_free(&all);
        }
    }
}

/* Random writers, schemas, steps and missing values, against a model that is a plain list. */
IN_BOTH_MODES(view, a_random_union_agrees_with_a_plain_list)
{
    enum { ROWS = 12000, WRITERS = 3, METRICS = 4, COLUMNS = WRITERS * METRICS, STEPS = 2500 };
    test_random random = test_random_begin("a_random_union");
    steplog_store *store = kit_store(new_path(), STEPLOG_CREATE | flags, 65536);
    steplog_writer *writers[WRITERS];
    steplog_metric metrics[WRITERS][METRICS];
    for (uint32_t w = 0; w < WRITERS; w++) {
        writers[w] = kit_writer(store, "run", w, 1);
        for (int m = 0; m < METRICS; m++) {
            char name[16];
            snprintf(name, sizeof name, "m%d", m);
            metrics[w][m] = kit_metric(writers[w], name);
        }
    }
    steplog_id run = kit_run_of(writers[0]);
    /* points[column][step]: how many were logged, and the values in order. */
    typedef struct {
        uint32_t count;
        double values[64];
    } cell;
    cell(*model)[STEPS] = calloc(COLUMNS, sizeof *model);
    for (int row = 0; row < ROWS; row++) {
        uint32_t w = (uint32_t)test_random_below(&random, WRITERS);
        int64_t step = test_random_below(&random, 4) ? row / 5 : (int64_t)test_random_below(&random, STEPS);
        if (step >= STEPS) step = STEPS - 1;
        double values[METRICS];
        uint64_t present = test_random_below(&random, 15) + 1;
        for (int m = 0; m < METRICS; m++) values[m] = test_random_double(&random);
        uint64_t way = test_random_below(&random, 3);
        if (way == 0) {
            int m = (int)test_random_below(&random, METRICS);
            present = (uint64_t)1 << m;
            OK(steplog_writer_point(writers[w], metrics[w][m], step, STEPLOG_TIME_NONE, values[m]));
        } else {
            steplog_schema schema;
            if (way == 1) present = 15;
            OK(steplog_writer_schema(writers[w], metrics[w], METRICS, &schema, &kit_error));
            OK(steplog_writer_append_present(writers[w], schema, step, STEPLOG_TIME_NONE, values, &present));
        }
        for (int m = 0; m < METRICS; m++) {
            if (!(present >> m & 1)) continue;
            cell *at = &model[m * WRITERS + (int)w][step];
            if (at->count < 64) at->values[at->count++] = values[m];
        }
    }
    for (int round = 0; round < 3; round++) {
        steplog_reader *reader = kit_reader(store);
        kit_rows rows = kit_read(reader, &run, "*", NULL);
        cr_assert_eq(rows.column_count, COLUMNS);
        size_t row = 0;
        for (int64_t step = 0; step < STEPS; step++) {
            uint32_t most = 0;
            for (int c = 0; c < COLUMNS; c++) most = model[c][step].count > most ? model[c][step].count : most;
            for (uint32_t n = 0; n < most; n++, row++) {
                cr_assert(row < rows.row_count);
                cr_assert_eq(rows.steps[row], step, "round %d row %zu", round, row);
                for (size_t c = 0; c < COLUMNS; c++) {
                    cr_assert_eq(kit_has(&rows, row, c), n < model[c][step].count, "round %d step %d column %zu", round,
                                 (int)step, c);
                    if (n < model[c][step].count)
                        cr_assert_eq(kit_bits(kit_at(&rows, row, c)), kit_bits(model[c][step].values[n]));
                }
            }
        }
        cr_assert_eq(row, rows.row_count);
        kit_rows_free(&rows);
        check_last_rows(reader, &run, STEPS, &random);
        steplog_reader_close(reader);
        if (round == 0)
            for (int w = 0; w < WRITERS; w++) kit_writer_close(writers[w]);
        if (round == 1) OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    }
    free(model);
    kit_store_close(store);
}

static void log_line(steplog_store *store, const char *key, uint32_t rank, uint32_t attempt, int64_t from, int64_t to,
                     double base)
{
    steplog_writer *writer = kit_writer(store, key, rank, attempt);
    for (int64_t step = from; step < to; step++) kit_log(writer, "loss", step, base + (double)step);
    kit_writer_close(writer);
}

/* What a fork says of a step holds for what it has from its parents too. */
IN_BOTH_MODES(views, of_a_fork_that_is_rewound_below_its_step_are_one_line)
{
    steplog_store *store = kit_store(new_path(), STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    const steplog_view all = {.size_bytes = sizeof all, .flags = STEPLOG_VIEW_ALL_ATTEMPTS};
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer), fork, second;
    kit_writer_close(writer);
    for (uint32_t rank = 0; rank < 2; rank++) log_line(store, "run", rank, 1, 0, 6, 10 * rank);
    OK(steplog_run_fork(store, &run, 5, "fork", NULL, &fork, &kit_error));
    log_line(store, "fork", 0, 0, 5, 8, 100);
    cr_assert_str_eq(line_of(store, &fork, "loss{rank=0}", NULL), "0=0 1=1 2=2 3=3 4=4 5=105 6=106 7=107");
    cr_assert_str_eq(line_of(store, &fork, "loss{rank=1}", NULL), "0=10 1=11 2=12 3=13 4=14");
    uint32_t attempt;
    OK(steplog_run_rewind(store, &fork, 3, &attempt, &kit_error));
    log_line(store, "fork", 0, attempt, 3, 5, 1000);
    cr_assert_str_eq(line_of(store, &fork, "loss{rank=0}", NULL), "0=0 1=1 2=2 3=1003 4=1004");
    cr_assert_str_eq(line_of(store, &fork, "loss{rank=1}", NULL), "0=10 1=11 2=12");
    cr_assert_str_eq(line_of(store, &fork, "loss{rank=0}", &all),
                     "0=0 1=1 2=2 3=3 3=1003 4=4 4=1004 5=105 6=106 7=107");
    /* A fork of the fork sees that rewind, whatever becomes of it later, and has its own. */
    OK(steplog_run_fork(store, &fork, 4, "second", NULL, &second, &kit_error));
    OK(steplog_run_rewind_undo(store, &fork, &attempt, &kit_error));
    cr_assert_str_eq(line_of(store, &fork, "loss{rank=0}", NULL), "0=0 1=1 2=2 3=3 4=4 5=105 6=106 7=107");
    cr_assert_str_eq(line_of(store, &second, "loss{rank=0}", NULL), "0=0 1=1 2=2 3=1003");
    cr_assert_str_eq(line_of(store, &second, "loss{rank=1}", NULL), "0=10 1=11 2=12");
    OK(steplog_run_rewind(store, &second, 1, &attempt, &kit_error));
    log_line(store, "second", 0, attempt, 1, 3, 2000);
    cr_assert_str_eq(line_of(store, &second, "loss{rank=0}", NULL), "0=0 1=2001 2=2002");
    cr_assert_str_eq(line_of(store, &run, "loss{rank=0}", NULL), "0=0 1=1 2=2 3=3 4=4 5=5");
    kit_store_close(store);
}
