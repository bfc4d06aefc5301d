/* Readers that map files see what readers that read them see. */
#include "steplog.h"

#include "os/os.h"
#include "support/counts.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COLUMNS = 3 };

static void append(steplog_writer *writer, steplog_schema schema, int64_t from, int64_t to)
{
    for (int64_t row = from; row < to; row++) {
        double values[COLUMNS];
        for (unsigned i = 0; i < COLUMNS; i++) values[i] = kit_value(9, 0, (uint64_t)row, i);
        OK(steplog_writer_append(writer, schema, row, row * 10, values));
    }
}

/* The whole run through a mapping, the rows [0, count) of it. */
static void check_run(const char *path, const steplog_id *run, int64_t count)
{
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_MAP_READS, 0);
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, run, "*", NULL);
    cr_assert_eq(rows.row_count, (size_t)count, "%zu rows", rows.row_count);
    cr_assert_eq(rows.column_count, COLUMNS);
    for (size_t row = 0; row < rows.row_count; row++) {
        cr_assert_eq(rows.steps[row], (int64_t)row);
        cr_assert_eq(rows.times_ns[row], (int64_t)row * 10);
        for (unsigned i = 0; i < COLUMNS; i++) {
            cr_assert(kit_has(&rows, row, i));
            cr_assert_eq(kit_bits(kit_at(&rows, row, i)), kit_bits(kit_value(9, 0, row, i)));
        }
    }
    kit_rows_free(&rows);
    steplog_m4 mapped[10], read[10];
    steplog_store *plain = kit_store(path, STEPLOG_READ_ONLY, 0);
    steplog_reader *other = kit_reader(plain);
    memset(mapped, 0, sizeof mapped);
    memset(read, 0, sizeof read);
    OK(steplog_reader_m4(reader, kit_series(reader, run, "m1"), NULL, 10, mapped, NULL, NULL, &kit_error));
    OK(steplog_reader_m4(other, kit_series(other, run, "m1"), NULL, 10, read, NULL, NULL, &kit_error));
    cr_assert_eq(memcmp(mapped, read, sizeof read), 0);
    kit_no_damage(reader);
    steplog_reader_close(other);
    steplog_reader_close(reader);
    kit_store_close(plain);
    kit_store_close(store);
}

IN_BOTH_MODES(maps, show_live_logs_sealed_segments_and_compacted_ones)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 262144);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    append(writer, schema, 0, 100);
    check_run(path, &run, 100);
    append(writer, schema, 100, 30000); /* logs are recycled meanwhile */
    check_run(path, &run, 30000);
    kit_writer_close(writer);
    check_run(path, &run, 30000);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    check_run(path, &run, 30000);
    kit_store_close(store);
}

/* A follower that maps, beside a writer whose logs are sealed and used again under it. */
IN_BOTH_MODES(maps, are_followed_row_by_row)
{
    enum { ROWS = 40000, STRIDE = 37 };
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    steplog_store *other = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_MAP_READS, 0);
    steplog_reader *reader = kit_reader(other);
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
    steplog_cursor *cursor;
    steplog_batch batch;
    OK(steplog_cursor_open_matching(reader, &run, "m2", &view, &cursor, &kit_error));
    int64_t seen = 0;
    for (int64_t written = 0; seen < ROWS;) {
        int64_t next = written + STRIDE < ROWS ? written + STRIDE : ROWS;
        append(writer, schema, written, next);
        written = next;
        steplog_status status;
        /* While the writer goes on nothing is waited for; at the end everything has to come. */
        while ((status = steplog_cursor_next(cursor, &batch, written < ROWS ? 0 : 5000, &kit_error)) == STEPLOG_OK) {
            for (size_t row = 0; row < batch.row_count; row++, seen++) {
                cr_assert_eq(batch.steps[row], seen, "step %ld, expected %ld", (long)batch.steps[row], (long)seen);
                cr_assert_eq(kit_bits(batch.values[0][row]), kit_bits(kit_value(9, 0, (uint64_t)seen, 2)));
            }
            if (written < ROWS || seen == ROWS) break;
        }
        cr_assert(status >= 0, "%s", kit_error.text);
        cr_assert(written < ROWS || status == STEPLOG_OK, "%ld rows of %d came", (long)seen, ROWS);
    }
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    kit_store_close(other);
    kit_writer_close(writer);
    kit_store_close(store);
}

static int refuse_map(int fd, uint64_t bytes, int is_writable, void **out)
{
    (void)fd, (void)bytes, (void)is_writable, (void)out;
    return -ENODEV;
}

Test(maps, that_the_system_refuses_are_reads)
{
    enum { ROWS = 5000 };
    const char *path = test_path(test_temp_dir(), "store");
    kit_store_close(kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    pid_t child = fork();
    if (child == 0) { /* leaves a log */
        steplog_writer *writer = kit_writer(kit_store(path, STEPLOG_NO_THREAD, 0), "run", 0, 1);
        append(writer, kit_schema(writer, "m", COLUMNS), 0, ROWS);
        test_leave_counts();
        _exit(0);
    }
    int status = 0;
    cr_assert(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    static sl_os_table refusing;
    const sl_os_table *real = sl_os;
    refusing = *real;
    refusing.map = refuse_map;
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY, 0);
    steplog_reader *reader = kit_reader(store);
    steplog_id run;
    size_t found;
    OK(steplog_reader_find_runs(reader, "run", &run, 1, &found, &kit_error));
    steplog_reader_close(reader);
    kit_store_close(store);
    for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
        sl_os = &refusing;
        check_run(path, &run, ROWS);
        sl_os = real;
        if (is_sealed) break;
        store = kit_store(path, STEPLOG_NO_THREAD, 0);
        OK(steplog_store_compact(store, NULL, NULL, &kit_error));
        kit_store_close(store);
    }
}
