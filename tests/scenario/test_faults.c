/* Full disks, failed syncs and writes, a power cut that took a log, as a job sees them. Every call and allocation that
 * can fail is tests/fault's. */
#include "steplog.h"

#include "os/os.h"
#include "support/counts.h"
#include "support/fail_os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COLUMNS = 2 };

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

/* ---- a write that fails although it did its work ---- */

static int writes_left; /* until one fails; 0: none does */
static int has_unreadable_files;

static int64_t pwrite_that_fails(int fd, const void *data, size_t bytes, uint64_t offset)
{
    int64_t put = sl_os_posix.pwrite(fd, data, bytes, offset);
    return writes_left && --writes_left == 0 ? -EIO : put;
}

static int64_t pread_that_may_fail(int fd, void *buffer, size_t bytes, uint64_t offset)
{
    return has_unreadable_files ? -EIO : sl_os_posix.pread(fd, buffer, bytes, offset);
}

static size_t row_count_of(const char *path, const steplog_id *run)
{
    kit_rows rows = kit_read_store(path, run, "*", STEPLOG_VIEW_ALL_ATTEMPTS | STEPLOG_VIEW_ARRIVAL_ORDER);
    for (size_t i = 0; i < rows.row_count; i++) cr_assert_eq(rows.steps[i], (int64_t)i);
    size_t count = rows.row_count;
    kit_rows_free(&rows);
    return count;
}

/* What a reader saw stays, and the number of a record is used once. */
static void check_failed_write(int is_unreadable)
{
    static sl_os_table table;
    const char *path = test_path(test_temp_dir(), "store");
    const double value = 1;
    table = sl_os_posix;
    table.pwrite = pwrite_that_fails;
    table.pread = pread_that_may_fail;
    sl_os = &table;
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | STEPLOG_FORCE_PWRITE, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", 1);
    OK(steplog_writer_append(writer, schema, 0, STEPLOG_TIME_NONE, &value));
    writes_left = 1;
    has_unreadable_files = is_unreadable;
    steplog_status status = steplog_writer_append(writer, schema, 1, STEPLOG_TIME_NONE, &value);
    has_unreadable_files = 0;
    cr_assert_eq(status, is_unreadable ? STEPLOG_IO : STEPLOG_OK, "%s", steplog_status_name(status));
    cr_assert_eq(row_count_of(path, &run), 2, "this row was written");
    status = steplog_writer_append(writer, schema, 2, STEPLOG_TIME_NONE, &value);
    cr_assert_eq(status, is_unreadable ? STEPLOG_FAILED : STEPLOG_OK, "%s", steplog_status_name(status));
    size_t rows = is_unreadable ? 2 : 3;
    cr_assert_eq(row_count_of(path, &run), rows);
    status = steplog_writer_close(writer, 0, &kit_error);
    cr_assert_eq(status, is_unreadable ? STEPLOG_FAILED : STEPLOG_OK, "%s", steplog_status_name(status));
    kit_store_close(store);
    sl_os = &sl_os_posix;
    store = kit_store(path, STEPLOG_NO_THREAD, 0);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    kit_store_close(store);
    cr_assert_eq(row_count_of(path, &run), rows);
    kit_verify(path);
}

Test(failed_write, is_no_failure_when_the_row_is_there) { check_failed_write(0); }

Test(failed_write, ends_the_writer_when_nobody_can_tell_whether_the_row_is_there) { check_failed_write(1); }

/* ---- a power cut ---- */

static int other_boot(uint8_t out[16])
{
    int e = sl_os_posix.boot_id(out);
    out[0] ^= 0x55;
    return e;
}

/* Nothing was synced: the name of the first log need not be on the disk, while those of later ones may. */
IN_BOTH_MODES(power_cut, of_a_writer_that_lost_its_first_log_nothing_is_shown_and_nothing_sealed)
{
    static sl_os_table table;
    const char *directory = test_temp_dir();
    const char *path = test_path(directory, "store"), *copy = test_path(directory, "copy");
    const double value = 1;
    char command[1000];
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", 1);
    for (int64_t row = 0; row < 10000; row++) OK(steplog_writer_append(writer, schema, row, STEPLOG_TIME_NONE, &value));
    cr_assert_gt(kit_log_count(path), 2);
    cr_assert_eq(kit_stats(writer).durable_sequence, 0);
    snprintf(command, sizeof command, "cp -r '%s' '%s' && rm '%s'/log/*-1.log", path, copy, copy);
    cr_assert_eq(system(command), 0);
    table = sl_os_posix;
    table.boot_id = other_boot;
    sl_os = &table;
    cr_assert_eq(row_count_of(copy, &run), 0);
    steplog_store *found = kit_store(copy, STEPLOG_NO_THREAD, 0);
    OK(steplog_store_compact(found, NULL, NULL, &kit_error));
    kit_store_close(found);
    cr_assert_eq(row_count_of(copy, &run), 0);
    cr_assert_eq(kit_segment_count(copy), 0);
    cr_assert_gt(kit_log_count(copy), 1, "what could be salvaged is thrown away");
    sl_os = &sl_os_posix;
    kit_writer_close(writer);
    kit_store_close(store);
}

/* Rows 100 to 109 while calls fail, and then 110 to 119. */
static int append_as_child(steplog_writer *writer, steplog_schema schema, uint32_t kinds, int os_errno)
{
    double values[COLUMNS] = {1, 2};
    steplog_status expected = os_errno == ENOSPC ? STEPLOG_FULL : STEPLOG_IO;
    test_os_fail(kinds, 1, os_errno, 1);
    for (int64_t row = 100; row < 110; row++)
        if (steplog_writer_append(writer, schema, row, row, values) != expected) return 1;
    if (kit_stats(writer).refused_count != (os_errno == ENOSPC ? 10 * COLUMNS : 0)) return 2;
    test_os_restore();
    for (int64_t row = 110; row < 120; row++)
        if (steplog_writer_append(writer, schema, row, row, values) != STEPLOG_OK) return 3;
    if (kit_stats(writer).row_count != 10) return 4;
    return steplog_writer_close(writer, 0, NULL) == STEPLOG_OK ? 0 : 5;
}

static void check_child(uint32_t flags, uint32_t kinds, int os_errno)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    double values[COLUMNS] = {1, 2};
    for (int64_t row = 0; row < 5; row++) OK(steplog_writer_append(writer, schema, row, row, values));
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        int answer = append_as_child(writer, schema, kinds, os_errno);
        test_leave_counts();
        _exit(answer);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(status, 0, "the child ended with status %x", (unsigned)status);
    for (int64_t row = 5; row < 8; row++) OK(steplog_writer_append(writer, schema, row, row, values));
    kit_rows rows = kit_read_store(path, &run, "*", 0);
    cr_expect_eq(rows.row_count, 18);
    kit_rows_free(&rows);
    int64_t refused = 0;
    steplog_reader *reader = kit_reader(store);
    for (size_t i = 0; i < steplog_reader_event_count(reader, &run); i++) {
        steplog_event event = {.size_bytes = sizeof event};
        OK(steplog_reader_event(reader, &run, i, &event, &kit_error));
        if (event.kind == STEPLOG_EVENT_GAP) refused += event.number;
    }
    steplog_reader_close(reader);
    cr_expect_eq(refused, os_errno == ENOSPC ? 10 * COLUMNS : 0);
    kit_writer_close(writer);
    kit_store_close(store);
}

IN_BOTH_MODES(forked_child, on_a_full_disk_refuses_and_goes_on_when_space_returns)
{
    check_child(flags, TEST_OS_OPEN | TEST_OS_WRITE, ENOSPC);
}

IN_BOTH_MODES(forked_child, that_gets_no_name_of_its_own_tries_again) { check_child(flags, TEST_OS_MACHINE, EIO); }
