/* Calls of the operating system and allocations that fail at call 1, 2, 3, ...: what was acknowledged is there
 * afterwards, nothing is invented; full disks and failed syncs. */
#include "steplog.h"

#include "support/fail_memory.h"
#include "support/fail_os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { COLUMNS = 2, ROWS = 2600 };

typedef struct outcome {
    int is_whole; /* no call failed */
    int has_run;
    steplog_id run;
    uint8_t acknowledged[ROWS];
} outcome;

/* Opens, appends through several logs, syncs, closes, reads and compacts; goes on after failures as a job would. */
static void play(const char *path, uint32_t flags, outcome *out)
{
    *out = (outcome){.is_whole = 1};
#define TRIED(call) ((call) >= 0 ? 1 : (out->is_whole = 0))
    steplog_store_options options = {
        .size_bytes = sizeof options, .flags = STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, .log_bytes = 65536};
    steplog_store *store = NULL;
    if (!TRIED(steplog_store_open(path, &options, &store, NULL))) return;
    steplog_writer_options opening = {.size_bytes = sizeof opening, .run_key = "run", .run_name = "name"};
    steplog_writer *writer = NULL;
    steplog_reader *reader = NULL;
    if (TRIED(steplog_writer_open(store, &opening, &writer, NULL))) {
        out->run = kit_run_of(writer);
        steplog_metric metrics[COLUMNS];
        steplog_schema schema;
        if (TRIED(steplog_writer_metric(writer, "m0", 2, &metrics[0], NULL)) &&
            TRIED(steplog_writer_metric(writer, "m1", 2, &metrics[1], NULL)) &&
            TRIED(steplog_writer_schema(writer, metrics, COLUMNS, &schema, NULL)))
            for (uint64_t row = 0; row < ROWS; row++) {
                double values[COLUMNS] = {kit_value(40, 0, row, 0), kit_value(40, 0, row, 1)};
                out->acknowledged[row] = (uint8_t)TRIED(
                    steplog_writer_append(writer, schema, (int64_t)row, STEPLOG_TIME_NOW, values));
                out->has_run |= out->acknowledged[row];
                if (row % 1000 == 500) TRIED(steplog_writer_sync(writer, NULL));
                if (row % 1000 == 900) TRIED(steplog_store_tick(store, 100, NULL));
            }
        TRIED(steplog_writer_set_fact(writer, "note", "text", NULL));
        TRIED(steplog_writer_close(writer, 0, NULL));
    }
    if (TRIED(steplog_reader_open(store, &reader, NULL))) {
        steplog_cursor *cursor = NULL;
        steplog_status status = steplog_cursor_open_matching(reader, &out->run, "*", NULL, &cursor, NULL);
        steplog_batch batch;
        while (status == STEPLOG_OK) status = steplog_cursor_next(cursor, &batch, 0, NULL);
        TRIED(status);
        steplog_cursor_close(cursor);
        steplog_reader_close(reader);
    }
    TRIED(steplog_store_compact(store, NULL, NULL, NULL));
    TRIED(steplog_store_close(store, NULL));
#undef TRIED
}

/* Everything acknowledged is there, and what is there was appended. */
static void check_outcome(const char *path, const outcome *o, uint64_t at)
{
    if (!o->has_run) return;
    kit_rows rows = kit_read_store(path, &o->run, "*", 0);
    size_t row = 0;
    for (uint64_t step = 0; step < ROWS; step++) {
        int is_there = row < rows.row_count && rows.steps[row] == (int64_t)step;
        cr_assert(is_there || !o->acknowledged[step], "failure %d: row %d is lost", (int)at, (int)step);
        if (!is_there) continue;
        for (unsigned column = 0; column < COLUMNS; column++)
            cr_assert_eq(kit_bits(kit_at(&rows, row, column)), kit_bits(kit_value(40, 0, step, column)));
        row++;
    }
    cr_assert_eq(row, rows.row_count, "failure %d: %zu rows were never appended", (int)at, rows.row_count - row);
    kit_rows_free(&rows);
}

static void fail_each_call(uint32_t flags, uint32_t kinds, int os_errno, int is_sticky, uint64_t stride)
{
    static outcome o;
    for (uint64_t at = 1; at < 100000; at += stride) {
        const char *path = test_path(test_temp_dir(), "store");
        test_os_fail(kinds, at, os_errno, is_sticky);
        play(path, flags, &o);
        uint64_t calls = test_os_count();
        test_os_restore();
        check_outcome(path, &o, at);
        test_remove_tree(path);
        if (calls < at) {
            cr_assert(o.is_whole, "call %d was never made, but something failed", (int)at);
            return;
        }
    }
    cr_assert_fail("the scenario never finishes");
}

IN_BOTH_MODES(fault, any_call_may_fail_once) { fail_each_call(flags, TEST_OS_ALL, EIO, 0, 3); }
IN_BOTH_MODES(fault, the_disk_may_be_full_once)
{
    fail_each_call(flags, TEST_OS_OPEN | TEST_OS_WRITE | TEST_OS_SYNC | TEST_OS_NAME, ENOSPC, 0, 1);
}
IN_BOTH_MODES(fault, the_disk_may_be_full_for_ever)
{
    fail_each_call(flags, TEST_OS_OPEN | TEST_OS_WRITE | TEST_OS_SYNC | TEST_OS_NAME, ENOSPC, 1, 3);
}
IN_BOTH_MODES(fault, a_sync_may_fail_once) { fail_each_call(flags, TEST_OS_SYNC, EIO, 0, 1); }

static void fail_each_allocation(uint32_t flags, int is_sticky)
{
    static outcome o;
    for (uint64_t at = 1; at < 100000; at += at < 200 ? 1 : 7) {
        const char *path = test_path(test_temp_dir(), "store");
        test_memory_fail(at, is_sticky);
        play(path, flags, &o);
        uint64_t count = test_memory_count();
        test_memory_restore();
        check_outcome(path, &o, at);
        test_remove_tree(path);
        if (count < at) {
            cr_assert(o.is_whole, "allocation %d was never asked for, but something failed", (int)at);
            return;
        }
    }
    cr_assert_fail("the scenario never finishes");
}

IN_BOTH_MODES(fault, any_allocation_may_fail_once) { fail_each_allocation(flags, 0); }
IN_BOTH_MODES(fault, memory_may_run_out) { fail_each_allocation(flags, 1); }

IN_BOTH_MODES(full_disk, appends_say_so_at_once_and_go_on_when_space_returns)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    test_os_fail(TEST_OS_OPEN | TEST_OS_WRITE | TEST_OS_SYNC | TEST_OS_NAME, 1, ENOSPC, 1);
    uint64_t row = 0, refused = 0;
    for (; refused < 100; row++) {
        double values[COLUMNS] = {kit_value(41, 0, row, 0), kit_value(41, 0, row, 1)};
        steplog_status status = steplog_writer_append(writer, schema, (int64_t)row, STEPLOG_TIME_NOW, values);
        if (status == STEPLOG_OK) {
            cr_assert_eq(refused, 0);
        } else {
            cr_assert_eq(status, STEPLOG_FULL, "%s", steplog_status_name(status));
            refused++;
        }
        cr_assert(row < 100000);
    }
    steplog_error why;
    steplog_writer_error(writer, &why);
    cr_assert_eq(why.code, STEPLOG_FULL);
    cr_assert_eq(kit_stats(writer).refused_count, 100 * COLUMNS, "%d refused", (int)kit_stats(writer).refused_count);
    uint64_t before = row - refused;
    cr_assert(flags || before > 100, "only %d rows fitted", (int)before);
    test_os_restore();
    for (uint64_t end = row + 50; row < end; row++) {
        double values[COLUMNS] = {kit_value(41, 0, row, 0), kit_value(41, 0, row, 1)};
        OK(steplog_writer_append(writer, schema, (int64_t)row, STEPLOG_TIME_NOW, values));
    }
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        kit_rows rows = kit_read_store(path, &run, "*", 0);
        cr_assert_eq(rows.row_count, before + 50);
        for (size_t i = 0; i < rows.row_count; i++) {
            uint64_t step = i < before ? i : i + 100;
            cr_assert_eq(rows.steps[i], (int64_t)step);
            cr_assert_eq(kit_bits(kit_at(&rows, i, 0)), kit_bits(kit_value(41, 0, step, 0)));
        }
        kit_rows_free(&rows);
        steplog_reader *reader = kit_reader(store);
        int64_t told = 0;
        for (size_t i = 0; i < steplog_reader_event_count(reader, &run); i++) {
            steplog_event event = {.size_bytes = sizeof event};
            OK(steplog_reader_event(reader, &run, i, &event, &kit_error));
            if (event.kind != STEPLOG_EVENT_GAP) continue;
            told += event.number;
            cr_assert(event.has_steps && event.step_begin == (int64_t)before &&
                      event.step_end == (int64_t)before + 100);
        }
        cr_assert_eq(told, 100 * COLUMNS, "the gap tells of %d points", (int)told);
        steplog_reader_close(reader);
        if (!is_closed) kit_writer_close(writer);
    }
    kit_store_close(store);
    kit_verify(path);
}

IN_BOTH_MODES(failed_sync, loses_no_row)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536 * 4);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    for (uint64_t row = 0; row < 1000; row++) {
        double values[COLUMNS] = {kit_value(42, 0, row, 0), kit_value(42, 0, row, 1)};
        OK(steplog_writer_append(writer, schema, (int64_t)row, STEPLOG_TIME_NOW, values));
        if (row == 300) OK(steplog_writer_sync(writer, &kit_error));
        if (row != 600) continue;
        test_os_fail(TEST_OS_SYNC, 1, EIO, 0);
        steplog_status status = steplog_writer_sync(writer, &kit_error);
        cr_assert(status == STEPLOG_OK || status == STEPLOG_IO, "%s", steplog_status_name(status));
        cr_assert(status == STEPLOG_IO || kit_stats(writer).durable_sequence == kit_stats(writer).last_sequence);
        test_os_restore();
    }
    kit_writer_close(writer);
    kit_store_close(store);
    kit_rows rows = kit_read_store(path, &run, "*", 0);
    cr_assert_eq(rows.row_count, 1000);
    for (size_t row = 0; row < 1000; row++)
        cr_assert_eq(kit_bits(kit_at(&rows, row, 0)), kit_bits(kit_value(42, 0, row, 0)));
    kit_rows_free(&rows);
    kit_verify(path);
}
