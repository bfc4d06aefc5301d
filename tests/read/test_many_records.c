/* Runs of many facts, writers and series: what one more costs does not grow with them. */
#include "steplog.h"

#include "base/memory.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { MANY_FACTS = 2000, FACTS = 20, WRITERS = 60 };

static size_t allocations;

static void *resize(void *old, size_t bytes)
{
    allocations++;
    return realloc(old, bytes);
}

static void count_allocations(void) { sl_memory_functions = (sl_memory){.resize = resize, .release = free}; }

/* Records facts of one key; gives the allocations that took. */
static size_t set_facts(steplog_writer *writer, int count)
{
    size_t before = allocations;
    for (int i = 0; i < count; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        OK(steplog_writer_set_fact(writer, "best", value, &kit_error));
    }
    return allocations - before;
}

IN_BOTH_MODES(many_records, one_more_fact_costs_what_the_first_did)
{
    count_allocations();
    steplog_store *store = kit_store(test_temp_dir(), STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    set_facts(writer, FACTS);
    size_t first = set_facts(writer, FACTS);
    set_facts(writer, MANY_FACTS);
    size_t last = set_facts(writer, FACTS);
    cr_assert(last <= 2 * first + MANY_FACTS, "%zu allocations, of the first %zu", last, first);
    kit_writer_close(writer);
    writer = kit_writer(store, "run", 0, 1);
    set_facts(writer, 1);
    last = set_facts(writer, FACTS);
    cr_assert(last <= 2 * first + MANY_FACTS, "%zu allocations behind a segment, of the first %zu", last, first);
    kit_writer_close(writer);
    kit_store_close(store);
}

static void check_order(steplog_store *store, const steplog_id *run, int last)
{
    char expected[16];
    const char *value;
    steplog_reader *reader = kit_reader(store);
    snprintf(expected, sizeof expected, "%d", last);
    OK(steplog_reader_fact(reader, run, "turn", &value));
    cr_assert_str_eq(value, expected);
    steplog_reader_close(reader);
}

/* In logs, in segments of their own, and in one that holds another run of many more facts. */
Test(many_records, a_fact_comes_after_all_that_others_recorded)
{
    const char *path = test_temp_dir();
    steplog_store *stores[2] = {kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536),
                                kit_store(path, STEPLOG_NO_THREAD, 65536)};
    steplog_writer *other = kit_writer(stores[0], "other", 0, 1);
    set_facts(other, 50);
    kit_writer_close(other);
    steplog_writer *writers[2] = {kit_writer(stores[0], "run", 0, 1), kit_writer(stores[1], "run", 1, 1)};
    steplog_id run = kit_run_of(writers[0]);
    for (int turn = 0; turn < 40; turn++) {
        char value[16];
        snprintf(value, sizeof value, "%d", turn);
        OK(steplog_writer_set_fact(writers[turn / 3 % 2], "turn", value, &kit_error));
        check_order(stores[0], &run, turn);
        if (turn % 5 != 4) continue;
        kit_writer_close(writers[turn / 5 % 2]);
        writers[turn / 5 % 2] = kit_writer(stores[turn / 5 % 2], "run", (uint32_t)turn, 1);
        if (turn % 10 == 9) OK(steplog_store_compact(stores[1], NULL, NULL, &kit_error));
        check_order(stores[1], &run, turn);
    }
    for (int i = 0; i < 2; i++) kit_writer_close(writers[i]);
    steplog_reader *reader = kit_reader(stores[0]);
    uint64_t before = 0;
    for (size_t i = 0; i < steplog_reader_event_count(reader, &run); i++) {
        steplog_event event = {.size_bytes = sizeof event};
        OK(steplog_reader_event(reader, &run, i, &event, &kit_error));
        if (event.kind != STEPLOG_EVENT_SET) continue;
        cr_assert_eq(event.lamport > before, 1, "number %llu after %llu", (unsigned long long)event.lamport,
                     (unsigned long long)before);
        cr_assert_lt(event.lamport, 100, "a number that only the other run's facts explain");
        before = event.lamport;
    }
    steplog_reader_close(reader);
    for (int i = 0; i < 2; i++) kit_store_close(stores[i]);
    kit_verify(path);
}

Test(many_records, writers_are_not_sorted_again_for_each)
{
    steplog_store *store = kit_store(test_temp_dir(), STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    steplog_id run = {{0}};
    for (uint32_t i = WRITERS; i-- > 0;) {
        steplog_writer *writer = kit_writer(store, "run", i / 2, 1 + i % 2);
        kit_log(writer, "loss", i, i);
        run = kit_run_of(writer);
        kit_writer_close(writer);
    }
    count_allocations();
    steplog_reader *reader = kit_reader(store);
    cr_assert_eq(steplog_reader_writer_count(reader, &run), WRITERS);
    size_t before = allocations;
    for (uint32_t i = 0; i < WRITERS; i++) {
        steplog_writer_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_writer(reader, &run, i, &info, &kit_error));
        cr_assert_eq(info.attempt, 1 + i / (WRITERS / 2));
        cr_assert_eq(info.rank, i % (WRITERS / 2));
    }
    cr_assert_eq(steplog_reader_writer_count(reader, &run), WRITERS);
    cr_assert_eq(allocations, before, "%zu allocations to describe %d writers", allocations - before, WRITERS);
    /* A pass says which writer each row is of by the same numbers. */
    const steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_ALL_ATTEMPTS};
    kit_rows rows = kit_read(reader, &run, "loss", &view);
    cr_assert_eq(rows.row_count, WRITERS);
    for (size_t row = 0; row < rows.row_count; row++) {
        steplog_writer_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_writer(reader, &run, rows.writers[row], &info, &kit_error));
        cr_assert_eq(2 * info.rank + info.attempt - 1, (uint32_t)rows.steps[row]);
    }
    kit_rows_free(&rows);
    steplog_reader_close(reader);
    kit_store_close(store);
}

/* The allocations that it takes to follow a finished run of so many writers, of a series each. */
static size_t follow_writers(uint32_t count)
{
    steplog_store *store = kit_store(test_temp_dir(), STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    steplog_id run = {{0}};
    for (uint32_t i = 0; i < count; i++) {
        steplog_writer *writer = kit_writer(store, "run", i, 1);
        kit_log(writer, "loss", i, i);
        run = kit_run_of(writer);
        kit_writer_close(writer);
    }
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    steplog_reader *reader = kit_reader(store);
    steplog_cursor *cursor;
    steplog_batch batch;
    uint64_t rows = 0;
    const steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
    OK(steplog_cursor_open_matching(reader, &run, "loss", &view, &cursor, &kit_error));
    size_t before = allocations;
    while (rows < count) { /* what comes behind them is for the clock to say */
        OK(steplog_cursor_next(cursor, &batch, 0, &kit_error));
        cr_assert_eq(batch.column_count, count);
        for (size_t row = 0; row < batch.row_count; row++, rows++) {
            const uint32_t column = (uint32_t)batch.steps[row];
            cr_assert(batch.present[column][row / 64] >> (row % 64) & 1);
            cr_assert_eq(batch.values[column][row], column);
        }
    }
    size_t took = allocations - before;
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    kit_store_close(store);
    return took;
}

Test(many_records, writers_are_followed_each_with_its_own_series)
{
    count_allocations();
    size_t few = follow_writers(WRITERS), many = follow_writers(4 * WRITERS);
    cr_assert(many <= 4 * few + WRITERS, "%zu allocations for %d writers, %zu for %d", many, 4 * WRITERS, few,
              WRITERS);
}
