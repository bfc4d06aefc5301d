/* A snapshot of more files than are kept open, after compaction has put others in their place. */
#include "steplog.h"

#include "os/os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <errno.h>

enum { FILES = 160, ROWS = 4 }; /* more than SL_OPEN_SEGMENTS_MAX */

static sl_os_table table;

static int skip_sync(int fd) { return fd < 0 ? -EBADF : 0; }

static int refuse_map(int fd, uint64_t bytes, int is_writable, void **out)
{
    (void)fd, (void)bytes, (void)is_writable, (void)out;
    return -ENOMEM;
}

/* So many sealed files of one run, each with a few rows. */
static steplog_store *make_store(uint32_t flags, steplog_id *run)
{
    const char *path = test_path(test_temp_dir(), "store");
    table = sl_os_posix;
    table.sync_data = table.sync_all = table.sync_file_system = skip_sync; /* nothing loses power here */
    sl_os = &table;
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    for (int file = 0; file < FILES; file++) {
        steplog_writer *writer = kit_writer(store, "run", 0, 1);
        *run = kit_run_of(writer);
        for (int row = 0; row < ROWS; row++) kit_log(writer, "m", file * ROWS + row, file * ROWS + row);
        kit_writer_close(writer);
    }
    cr_assert_eq(kit_segment_count(path), FILES);
    return store;
}

static void compact(steplog_store *store)
{
    steplog_compact_result result = {.size_bytes = sizeof result};
    OK(steplog_store_compact(store, NULL, &result, &kit_error));
    cr_assert_eq(result.files_before, FILES);
    cr_assert_eq(result.files_after, 1);
}

static void check_all(steplog_reader *reader, const steplog_id *run)
{
    kit_rows rows = kit_read(reader, run, "m", NULL);
    cr_assert_eq(rows.row_count, (size_t)FILES * ROWS, "%zu rows", rows.row_count);
    for (size_t row = 0; row < rows.row_count; row++) cr_assert_eq(kit_at(&rows, row, 0), (double)row);
    kit_rows_free(&rows);
    steplog_m4 buckets[4] = {0};
    OK(steplog_reader_m4(reader, kit_series(reader, run, "m"), NULL, 4, buckets, NULL, NULL, &kit_error));
    for (int i = 0; i < 4; i++) cr_assert_eq(buckets[i].count, (uint64_t)FILES * ROWS / 4);
    steplog_run_info info = {.size_bytes = sizeof info};
    OK(steplog_reader_run_by_id(reader, run, &info, &kit_error));
    cr_assert_eq(info.row_count, (uint64_t)FILES * ROWS);
    kit_no_damage(reader);
}

static void check_open_snapshot(uint32_t flags)
{
    steplog_id run;
    steplog_store *store = make_store(flags, &run);
    steplog_reader *reader = kit_reader(store), *untouched = kit_reader(store);
    steplog_cursor *cursor;
    steplog_batch batch;
    OK(steplog_cursor_open_matching(reader, &run, "m", NULL, &cursor, &kit_error));
    OK(steplog_cursor_next(cursor, &batch, 0, &kit_error));
    size_t count = batch.row_count;
    cr_assert_lt(count, (size_t)FILES * ROWS);
    compact(store);
    kit_rows rest = kit_read_cursor(cursor);
    cr_assert_eq(rest.row_count, (size_t)FILES * ROWS - count, "%zu rows", rest.row_count);
    for (size_t row = 0; row < rest.row_count; row++) cr_assert_eq(kit_at(&rest, row, 0), (double)(count + row));
    kit_rows_free(&rest);
    steplog_cursor_close(cursor);
    check_all(reader, &run);
    check_all(untouched, &run); /* of which no run was loaded */
    steplog_reader_close(untouched);
    steplog_reader_close(reader);
    kit_store_close(store);
}

Test(compacted_away, is_still_seen_by_open_snapshots) { check_open_snapshot(0); }
Test(compacted_away, is_still_seen_by_open_snapshots_that_map) { check_open_snapshot(STEPLOG_MAP_READS); }

Test(compacted_away, where_nothing_is_mapped_is_told_until_the_next_refresh)
{
    steplog_id run;
    steplog_store *store = make_store(0, &run);
    table.map = refuse_map;
    steplog_reader *reader = kit_reader(store);
    steplog_cursor *cursor;
    steplog_batch batch;
    OK(steplog_cursor_open_matching(reader, &run, "m", NULL, &cursor, &kit_error));
    compact(store);
    steplog_status status;
    while ((status = steplog_cursor_next(cursor, &batch, 0, &kit_error)) == STEPLOG_OK) continue;
    cr_assert_eq(status, STEPLOG_IO, "%d %s", status, kit_error.text);
    cr_assert_eq(kit_error.os_errno, ESTALE);
    steplog_cursor_close(cursor);
    OK(steplog_reader_refresh(reader, &kit_error));
    check_all(reader, &run);
    steplog_reader_close(reader);
    kit_store_close(store);
}
