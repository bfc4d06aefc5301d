/* A writer that is far ahead of the sealer: it gives it time, and is never stuck with it. */
#include "steplog.h"

#include "os/os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"
#include "write/writer.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

static sl_os_table table;
static const char *log_dir;
static _Thread_local int is_writer;
static _Atomic unsigned naps;
static _Atomic size_t most_logs;

static size_t count_logs(void)
{
    size_t count = 0;
    DIR *dir = opendir(log_dir);
    for (struct dirent *entry; dir && (entry = readdir(dir));) count += entry->d_name[0] != '.';
    if (dir) closedir(dir);
    return count;
}

static void nap(int64_t ns)
{
    if (is_writer) {
        size_t logs = count_logs();
        if (logs > most_logs) most_logs = logs;
        naps++;
    }
    sl_os_posix.sleep_ns(ns);
}

static int64_t stopped_clock(void) { return 1000000000; }

static int refuse_rename(int dir, const char *from, int to_dir, const char *to)
{
    return strstr(to, ".seg") ? -ENOSPC : sl_os_posix.rename(dir, from, to_dir, to);
}

static void append_rows(steplog_writer *writer, steplog_schema schema, int64_t from, int64_t to)
{
    double values[20];
    is_writer = 1;
    for (int64_t row = from; row < to; row++) {
        for (unsigned i = 0; i < 20; i++) values[i] = kit_value(3, 0, (uint64_t)row, i);
        OK(steplog_writer_append(writer, schema, row, row, values));
    }
    is_writer = 0;
}

/* 64 MB of rows through logs of 64 KiB, some thousand of them; the clock that would end the waiting stands still. */
Test(waiting, bounds_the_logs_of_a_writer_that_is_faster_than_the_sealer)
{
    enum { ROWS = 20000 };
    const char *path = test_path(test_temp_dir(), "store");
    table = sl_os_posix;
    table.sleep_ns = nap;
    table.monotonic_time_ns = stopped_clock;
    sl_os = &table;
    steplog_store *store = kit_store(path, STEPLOG_CREATE, 65536);
    log_dir = test_path(path, "log");
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", 20);
    append_rows(writer, schema, 0, ROWS);
    kit_writer_close(writer);
    kit_store_close(store);
    sl_os = &sl_os_posix;
    /* Waiting, active, spare, and one that is being made or removed. */
    cr_assert(naps == 0 || most_logs <= SL_WAITING_MAX + 1 + SL_SPARES_MAX + 1, "%zu logs", (size_t)most_logs);
    kit_rows rows = kit_read_store(path, &run, "m0", 0);
    cr_assert_eq(rows.row_count, ROWS);
    kit_rows_free(&rows);
    kit_verify(path);
}

/* No segment can be published: every append is recorded all the same, after a while. */
Test(waiting, ends_when_the_sealer_can_not_go_on)
{
    enum { ROWS = 6000 }; /* some sixteen logs */
    const char *path = test_path(test_temp_dir(), "store");
    table = sl_os_posix;
    table.sleep_ns = nap;
    table.rename = refuse_rename;
    sl_os = &table;
    steplog_store *store = kit_store(path, STEPLOG_CREATE, 65536);
    log_dir = test_path(path, "log");
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", 20);
    append_rows(writer, schema, 0, ROWS);
    cr_assert(naps > 0, "the writer never waited");
    cr_assert(count_logs() > SL_WAITING_MAX + 1, "%zu logs", count_logs());
    table.rename = sl_os_posix.rename;
    kit_writer_close(writer);
    kit_store_close(store);
    sl_os = &sl_os_posix;
    kit_rows rows = kit_read_store(path, &run, "m0", 0);
    cr_assert_eq(rows.row_count, ROWS);
    kit_rows_free(&rows);
    kit_verify(path);
}
