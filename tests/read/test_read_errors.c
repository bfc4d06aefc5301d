/* Reads and allocations that fail under a pass: rows are all there, or the caller is told. */
#include "steplog.h"

#include "os/os.h"
#include "support/fail_memory.h"
#include "support/fail_os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SEALED = 3000, LOGGED = 2500, ALL = SEALED + LOGGED };

static steplog_store *store;
static steplog_writer *open_writer;
static steplog_id run;

/* One rank is sealed, the other one is being written. */
static void begin(void)
{
    store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *first = kit_writer(store, "run", 0, 1);
    run = kit_run_of(first);
    open_writer = kit_writer(store, "run", 1, 1);
    for (int step = 0; step < SEALED; step++) kit_log(first, "x", step, step);
    for (int step = 0; step < LOGGED; step++) kit_log(open_writer, "x", step, step);
    kit_writer_close(first);
}

static void end(void)
{
    kit_writer_close(open_writer);
    kit_store_close(store);
}

static uint64_t count_points(const steplog_batch *batch)
{
    uint64_t count = 0;
    for (size_t column = 0; column < batch->column_count; column++)
        for (size_t row = 0; row < batch->row_count; row++)
            count += batch->present[column][row / 64] >> (row % 64) & 1;
    return count;
}

/* What a call gives while one allocation or read after the other fails: OK with every point, or an error that is told
 * from then on. arm(0) lets all pass. */
static void fail_one_by_one(void (*arm)(uint64_t at), uint64_t (*count)(void), const steplog_view *view, uint64_t wanted)
{
    for (uint64_t at = 1;; at++) {
        steplog_reader *reader = kit_reader(store);
        steplog_cursor *cursor = NULL;
        steplog_batch batch;
        steplog_run_info info = {.size_bytes = sizeof info};
        uint64_t points = 0;
        OK(steplog_reader_run_by_id(reader, &run, &info, &kit_error));
        arm(at);
        steplog_status status = steplog_cursor_open_matching(reader, &run, "x", view, &cursor, NULL);
        while (status >= 0 && (status = steplog_cursor_next(cursor, &batch, 0, NULL)) == STEPLOG_OK)
            points += count_points(&batch);
        int is_done = count() < at;
        arm(0);
        if (status == STEPLOG_END) {
            cr_assert_eq(points, wanted, "call %llu failed: %llu of %llu points, and no word", (unsigned long long)at,
                         (unsigned long long)points, (unsigned long long)wanted);
        } else {
            cr_assert(status == STEPLOG_NOMEM || status == STEPLOG_IO, "%d", status);
            steplog_error error = {0};
            for (int i = 0; i < 2 && cursor; i++) {
                cr_assert_eq(steplog_cursor_next(cursor, &batch, 0, &error), status, "rows are missing before those");
                cr_assert_eq(error.code, status);
                cr_assert_eq(batch.row_count, (size_t)0);
            }
        }
        steplog_cursor_close(cursor);
        steplog_reader_close(reader);
        if (is_done) return;
    }
}

static void arm_memory(uint64_t at) { test_memory_fail(at, 0); }
static void arm_reads(uint64_t at) { test_os_fail(TEST_OS_READ, at, EIO, 0); }

/* 1000 steps, at 500 of which both ranks have a point. */
static const steplog_view last = {.size_bytes = sizeof last, .last_count = 1000};

Test(read_errors, no_memory_is_told_and_stays_told)
{
    begin();
    fail_one_by_one(arm_memory, test_memory_count, NULL, ALL);
    fail_one_by_one(arm_memory, test_memory_count, &last, 1500);
    test_memory_restore();
    end();
}

Test(read_errors, a_read_that_failed_is_told_and_stays_told)
{
    begin();
    fail_one_by_one(arm_reads, test_os_count, NULL, ALL);
    fail_one_by_one(arm_reads, test_os_count, &last, 1500);
    test_os_restore();
    end();
}

Test(read_errors, m4_and_removal_tell_too)
{
    begin();
    for (int which = 0; which < 2; which++) {
        void (*arm)(uint64_t) = which ? arm_reads : arm_memory;
        for (uint64_t at = 1, is_done = 0; !is_done; at++) {
            steplog_reader *reader = kit_reader(store);
            steplog_series series = kit_series(reader, &run, "x{rank=1}");
            steplog_m4 out;
            arm(at);
            steplog_status status = steplog_reader_m4(reader, series, NULL, 1, &out, NULL, NULL, NULL);
            is_done = (which ? test_os_count() : test_memory_count()) < at;
            arm(0);
            if (status == STEPLOG_OK) cr_assert_eq(out.count, (uint64_t)LOGGED);
            cr_assert(status == STEPLOG_OK || status == (which ? STEPLOG_IO : STEPLOG_NOMEM), "%d", status);
            steplog_reader_close(reader);
        }
        for (uint64_t at = 1, is_done = 0; !is_done; at++) {
            steplog_remove_options options = {
                .size_bytes = sizeof options, .run = run, .selector = "x{rank=1}", .is_dry_run = 1};
            steplog_remove_result result = {.size_bytes = sizeof result};
            arm(at);
            steplog_status status = steplog_remove(store, &options, &result, NULL);
            is_done = (which ? test_os_count() : test_memory_count()) < at;
            arm(0);
            if (status == STEPLOG_OK) cr_assert_eq(result.point_count, (uint64_t)LOGGED);
        }
        test_memory_restore();
        test_os_restore();
    }
    end();
}

/* Its writer was killed; then somebody cuts the log short while a reader has it open. */
static void cut(int is_synced)
{
    const char *path = test_path(test_temp_dir(), "store");
    pid_t child = fork();
    if (child == 0) {
        steplog_store *its = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | STEPLOG_FORCE_PWRITE, 1 << 20);
        steplog_writer *writer = kit_writer(its, "run", 0, 1);
        for (int step = 0; step < LOGGED; step++) kit_log(writer, "x", step, step);
        if (is_synced) OK(steplog_writer_sync(writer, &kit_error));
        _exit(0);
    }
    int how;
    cr_assert(child > 0 && waitpid(child, &how, 0) == child && how == 0);
    store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    steplog_id ids[1];
    size_t found;
    OK(steplog_reader_find_runs(reader, "@latest", ids, 1, &found, &kit_error));
    kit_rows whole = kit_read(reader, ids, "x", NULL);
    cr_assert_eq(whole.row_count, (size_t)LOGGED);
    kit_no_damage(reader);
    glob_t logs;
    cr_assert_eq(glob(test_path(path, "log/*"), 0, NULL, &logs), 0);
    for (size_t i = 0; i < logs.gl_pathc; i++) cr_assert_eq(truncate(logs.gl_pathv[i], 40000), 0);
    globfree(&logs);
    steplog_cursor *cursor = NULL;
    steplog_batch batch;
    uint64_t points = 0;
    steplog_status status = steplog_cursor_open_matching(reader, ids, "x", NULL, &cursor, NULL);
    while (status >= 0 && (status = steplog_cursor_next(cursor, &batch, 0, NULL)) == STEPLOG_OK)
        points += count_points(&batch);
    cr_assert(points > 0 && points < LOGGED);
    size_t told = 0;
    for (size_t i = 0; i < steplog_reader_damage_count(reader); i++) {
        steplog_damage damage = {.size_bytes = sizeof damage};
        OK(steplog_reader_damage(reader, i, &damage));
        told += !damage.is_notice && damage.has_run;
    }
    cr_assert(told > 0, "%llu of %d points, and no word", (unsigned long long)points, LOGGED);
    kit_rows_free(&whole);
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    kit_store_close(store);
}

Test(read_errors, a_log_cut_short_is_damage) { cut(0); }
Test(read_errors, a_synced_log_cut_short_is_damage) { cut(1); }

/* What could not be taken in for want of memory is taken in by the next refresh, wherever that was: long texts, metrics and
 * their values. */
Test(read_errors, a_refresh_makes_up_for_one_that_found_no_memory)
{
    static char text[200000], name[STEPLOG_NAME_BYTES_MAX];
    memset(text, 'x', sizeof text - 1);
    memset(name, 'n', sizeof name);
    store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD, 64 << 20);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    run = kit_run_of(writer);
    int64_t step = 0;
    for (uint64_t at = 1, is_over = 0; !is_over; at++) {
        steplog_reader *reader = kit_reader(store);
        const size_t events = steplog_reader_event_count(reader, &run);
        snprintf(text, 20, "%llu", (unsigned long long)at);
        memcpy(name, text, strlen(text));
        text[strlen(text)] = name[strlen(text)] = ' ';
        steplog_metric metric;
        kit_log(writer, "m", step++, 1);
        OK(steplog_writer_set_fact(writer, "key", text, &kit_error));
        OK(steplog_writer_metric(writer, name, sizeof name, &metric, &kit_error));
        OK(steplog_writer_point(writer, metric, step++, 0, 2));
        kit_log(writer, "m", step++, 3);
        test_memory_fail(at, 0);
        (void)steplog_reader_refresh(reader, NULL);
        is_over = test_memory_count() < at;
        test_memory_restore();
        OK(steplog_reader_refresh(reader, &kit_error));
        kit_rows rows = kit_read(reader, &run, "*", NULL);
        const char *value;
        cr_expect_eq(rows.row_count, (size_t)step, "allocation %llu", (unsigned long long)at);
        kit_rows_free(&rows);
        cr_expect_eq(steplog_reader_fact(reader, &run, "key", &value), STEPLOG_OK);
        cr_expect(value && strcmp(value, text) == 0, "allocation %llu", (unsigned long long)at);
        cr_expect_eq(steplog_reader_event_count(reader, &run), events + 1);
        kit_no_damage(reader);
        steplog_reader_close(reader);
    }
    kit_writer_close(writer);
    kit_store_close(store);
}

/* A run that could not be loaded is not missing, nor are its writers, its history and its name. */
Test(read_errors, what_found_no_memory_is_not_missing)
{
    begin();
    OK(steplog_writer_set_fact(open_writer, "name", "its name", &kit_error));
    for (int call = 0; call < 4; call++)
        for (uint64_t at = 1, is_over = 0; !is_over; at++) {
            steplog_reader *reader = kit_reader(store);
            steplog_writer_info writer = {.size_bytes = sizeof writer};
            steplog_event event = {.size_bytes = sizeof event};
            const char *value;
            size_t found;
            test_memory_fail(at, 0);
            steplog_status status = call == 0   ? steplog_reader_fact(reader, &run, "name", &value)
                                    : call == 1 ? steplog_reader_event(reader, &run, 0, &event, NULL)
                                    : call == 2 ? steplog_reader_writer(reader, &run, 0, &writer, NULL)
                                                : steplog_reader_find_runs(reader, "its name", NULL, 0, &found, NULL);
            is_over = test_memory_count() < at;
            test_memory_restore();
            cr_expect(status == STEPLOG_OK || status == STEPLOG_NOMEM, "call %d, allocation %llu: %s", call,
                      (unsigned long long)at, steplog_status_name(status));
            cr_expect(!is_over || status == STEPLOG_OK);
            steplog_reader_close(reader);
        }
    end();
}

/* What a store is told to hold is all of it, or an error. */
Test(read_errors, figures_of_a_store_that_found_no_memory_are_not_told)
{
    begin();
    for (uint64_t at = 1, is_over = 0; !is_over; at++) {
        steplog_reader *reader = kit_reader(store);
        steplog_store_info info = {.size_bytes = sizeof info};
        test_memory_fail(at, 0);
        steplog_status status = steplog_reader_store_info(reader, &info, NULL);
        is_over = test_memory_count() < at;
        test_memory_restore();
        cr_expect(status == STEPLOG_NOMEM || (status == STEPLOG_OK && info.run_count == 1 && info.point_count == ALL),
                  "allocation %llu: %s, %d runs, %d points", (unsigned long long)at, steplog_status_name(status),
                  (int)info.run_count, (int)info.point_count);
        cr_expect(!is_over || status == STEPLOG_OK);
        steplog_reader_close(reader);
    }
    end();
}

/* The content of a blob in a log that could not be read just now is not damaged. */
Test(read_errors, a_blob_that_can_not_be_read_is_told_as_that)
{
    static char content[100000], read[sizeof content];
    begin();
    for (size_t i = 0; i < sizeof content; i++) content[i] = (char)(i * 7);
    OK(steplog_writer_blob(open_writer, "image", 1, STEPLOG_TIME_NONE, "text/plain", content, sizeof content, &kit_error));
    for (int which = 0; which < 2; which++)
        for (uint64_t at = 1, is_over = 0; !is_over; at++) {
            steplog_reader *reader = kit_reader(store);
            cr_assert_eq(steplog_reader_blob_count(reader, &run), (size_t)1);
            (which ? arm_reads : arm_memory)(at);
            steplog_status status = steplog_reader_blob_read(reader, &run, 0, read, sizeof read, NULL);
            is_over = (which ? test_os_count() : test_memory_count()) < at;
            test_memory_restore();
            test_os_restore();
            cr_expect_eq(status, is_over ? STEPLOG_OK : which ? STEPLOG_IO : STEPLOG_NOMEM, "%s %llu: %s",
                         which ? "read" : "allocation", (unsigned long long)at, steplog_status_name(status));
            steplog_reader_close(reader);
        }
    cr_assert_arr_eq(read, content, sizeof content);
    end();
}

/* One read that fails is told, or what it costs is: labels do not go without a word. */
Test(read_errors, labels_that_can_not_be_read_are_told)
{
    const steplog_pair label = {"node", "seven"};
    const steplog_writer_options options = {
        .size_bytes = sizeof options, .run_key = "run", .attempt = 1, .labels = &label, .label_count = 1};
    steplog_writer *writer;
    store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    OK(steplog_writer_open(store, &options, &writer, &kit_error));
    run = kit_run_of(writer);
    for (int step = 0; step < 10; step++) kit_log(writer, "x", step, step);
    kit_writer_close(writer);
    for (uint64_t at = 1, is_over = 0; !is_over; at++) {
        steplog_reader *reader = NULL;
        steplog_writer_info info = {.size_bytes = sizeof info};
        arm_reads(at);
        steplog_status status = steplog_reader_open(store, &reader, NULL);
        if (status >= 0) status = steplog_reader_writer(reader, &run, 0, &info, NULL);
        is_over = test_os_count() < at;
        test_os_restore();
        if (status == STEPLOG_OK)
            cr_expect(info.label_count == 1 || steplog_reader_damage_count(reader) > 0, "read %llu", (unsigned long long)at);
        else
            cr_expect_eq(status, STEPLOG_IO, "read %llu: %s", (unsigned long long)at, steplog_status_name(status));
        steplog_reader_close(reader);
    }
    kit_store_close(store);
}

/* A table that found no memory is not damaged: no index is rebuilt for it, and compaction leaves nothing out. */
Test(read_errors, no_memory_for_tables_is_no_damage)
{
    begin();
    for (int call = 0; call < 2; call++)
        for (uint64_t at = 1, is_over = 0; !is_over; at++) {
            steplog_reader *reader = NULL;
            test_memory_fail(at, 0);
            steplog_status status = call ? steplog_store_compact(store, NULL, NULL, NULL)
                                         : steplog_reader_open(store, &reader, NULL);
            is_over = test_memory_count() < at;
            test_memory_restore();
            cr_expect(status == STEPLOG_OK || status == STEPLOG_NOMEM, "call %d, allocation %llu: %s", call,
                      (unsigned long long)at, steplog_status_name(status));
            steplog_reader_close(reader);
        }
    end();
}
