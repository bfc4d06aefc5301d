/* Merging a store whose writers have several logs each, none of them sealed. */
#include "steplog.h"

#include "os/os.h"
#include "support/random.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <string.h>

enum { WRITERS = 5, AT_START = 3000, COLUMNS_MAX = 40, BYTES = 600000 };

/* Rows of different lengths: the second log of each begins with another number. */
static void append_all(steplog_writer **writers, const unsigned *columns, const int64_t *rows)
{
    for (uint32_t w = 0; w < WRITERS; w++) {
        steplog_schema schema = kit_schema(writers[w], "m", (int)columns[w]);
        double values[COLUMNS_MAX];
        for (int64_t row = 0; row < rows[w]; row++) {
            for (unsigned c = 0; c < columns[w]; c++) values[c] = kit_value(3, w, (uint64_t)row, c);
            OK(steplog_writer_append(writers[w], schema, row, row, values));
        }
    }
}

static void expect_whole(const char *path, const steplog_id *run, const int64_t *rows)
{
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    steplog_series series[WRITERS * COLUMNS_MAX];
    size_t count = 0;
    OK(steplog_reader_find(reader, run, "m0", series, WRITERS * COLUMNS_MAX, &count, &kit_error));
    cr_assert_eq(count, WRITERS);
    for (size_t s = 0; s < count; s++) {
        steplog_series_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_series(reader, series[s], &info, &kit_error));
        steplog_cursor *cursor;
        steplog_batch batch;
        int64_t row = 0;
        OK(steplog_cursor_open(reader, &series[s], 1, NULL, &cursor, &kit_error));
        while (steplog_cursor_next(cursor, &batch, 0, &kit_error) == STEPLOG_OK) {
            for (uint32_t i = 0; i < batch.row_count; i++, row++) {
                cr_assert_eq(batch.steps[i], row, "rank %u", info.rank);
                cr_assert_eq(kit_bits(batch.values[0][i]), kit_bits(kit_value(3, info.rank, (uint64_t)row, 0)));
            }
        }
        cr_assert_eq(row, rows[info.rank], "rank %u has %d rows, expected %d", info.rank, (int)row, (int)rows[info.rank]);
        steplog_cursor_close(cursor);
    }
    kit_no_damage(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
    kit_verify(path);
}

Test(merge_logs, of_many_writers_are_each_sealed_in_their_order)
{
    test_random random = test_random_begin("merge_logs");
    for (int round = 0; round < 8; round++) {
        const char *base = test_temp_dir(), *from_path = test_path(base, "from"), *to_path = test_path(base, "to");
        steplog_store *from = kit_store(from_path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
        steplog_writer *writers[WRITERS];
        unsigned columns[WRITERS];
        int64_t rows[WRITERS];
        for (uint32_t w = 0; w < WRITERS; w++) {
            columns[w] = 1 + (unsigned)test_random_below(&random, COLUMNS_MAX);
            rows[w] = BYTES / (int64_t)(32 + 8 * columns[w]);
            writers[w] = kit_writer(from, "run", w, 1);
        }
        steplog_id run = kit_run_of(writers[0]);
        append_all(writers, columns, rows);
        cr_assert_geq(kit_log_count(from_path), 2 * WRITERS, "%zu logs", kit_log_count(from_path));
        steplog_store *to = kit_store(to_path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
        steplog_merge_result result = {.size_bytes = sizeof result};
        OK(steplog_store_merge(to, from_path, NULL, NULL, &result, &kit_error));
        cr_assert_geq(result.files_copied, 2 * WRITERS);
        OK(steplog_store_merge(to, from_path, NULL, NULL, &result, &kit_error));
        cr_assert_eq(result.files_copied, 0, "merging again copied %d files", (int)result.files_copied);
        kit_store_close(to);
        expect_whole(to_path, &run, rows);
        for (uint32_t w = 0; w < WRITERS; w++) kit_writer_close(writers[w]);
        kit_store_close(from);
    }
}

typedef struct other_writer {
    steplog_store *store;
    steplog_writer *writer;
    steplog_schema schema;
    int64_t row;
} other_writer;

static void append_rows(other_writer *w, int64_t end)
{
    double values[COLUMNS_MAX];
    for (; w->row < end; w->row++) {
        for (unsigned c = 0; c < COLUMNS_MAX; c++) values[c] = kit_value(3, 0, (uint64_t)w->row, c);
        OK(steplog_writer_append(w->writer, w->schema, w->row, w->row, values));
    }
}

/* While a segment is copied the writer uses the log again that was there when merging began. */
static int go_on(void *context, uint64_t done, uint64_t total)
{
    other_writer *w = context;
    cr_assert_leq(done, total);
    if (w->row > AT_START) return 0;
    for (int i = 0; i < 10; i++) {
        append_rows(w, w->row + 65536 / (8 * COLUMNS_MAX));
        OK(steplog_store_tick(w->store, 1000, &kit_error));
    }
    return 0;
}

Test(merge_logs, that_are_used_again_meanwhile_are_brought_as_segments)
{
    const char *base = test_temp_dir(), *from_path = test_path(base, "from"), *to_path = test_path(base, "to");
    steplog_store *from = kit_store(from_path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    other_writer w = {.store = from, .writer = kit_writer(from, "run", 0, 1)};
    steplog_id run = kit_run_of(w.writer);
    w.schema = kit_schema(w.writer, "m", COLUMNS_MAX);
    for (int64_t end = 100; end <= AT_START; end += 100) { /* the first logs are not used again, these are */
        append_rows(&w, end);
        OK(steplog_store_tick(from, 1000, &kit_error));
    }
    cr_assert(kit_segment_count(from_path) >= 1 && kit_log_count(from_path) == 1);
    steplog_store *to = kit_store(to_path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_merge_result result = {.size_bytes = sizeof result};
    OK(steplog_store_merge(to, from_path, go_on, &w, &result, &kit_error));
    cr_assert_gt(w.row, AT_START, "nothing was copied");
    kit_rows rows = kit_read_store(to_path, &run, "m*", 0);
    cr_assert_geq(rows.row_count, AT_START, "%d rows of the %d that were there", (int)rows.row_count, AT_START);
    for (size_t row = 0; row < rows.row_count; row++) cr_assert_eq(rows.steps[row], (int64_t)row);
    kit_rows_free(&rows);
    kit_writer_close(w.writer);
    kit_store_close(from);
    OK(steplog_store_merge(to, from_path, NULL, NULL, &result, &kit_error));
    OK(steplog_store_merge(to, from_path, NULL, NULL, &result, &kit_error));
    cr_assert_eq(result.files_copied, 0, "merging again copied %d files", (int)result.files_copied);
    kit_store_close(to);
    rows = kit_read_store(to_path, &run, "m*", 0);
    cr_assert_eq((int64_t)rows.row_count, w.row, "%d rows of %d", (int)rows.row_count, (int)w.row);
    kit_rows_free(&rows);
    kit_verify(to_path);
}

/* ---- a text that is being recorded ---- */

enum { BLOB_BYTES = 1 << 20 };

static const char *text_from, *text_to;
static sl_os_table table;
static int writes_to_wait, compacts_between;

static void bring_all(void)
{
    steplog_store *to = kit_store(text_to, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_merge_result result = {.size_bytes = sizeof result};
    OK(steplog_store_merge(to, text_from, NULL, NULL, &result, &kit_error));
    if (compacts_between) OK(steplog_store_compact(to, NULL, NULL, &kit_error));
    kit_store_close(to);
}

/* Merges after some of the text's parts have been written. */
static int64_t pwrite_and_merge(int fd, const void *data, size_t bytes, uint64_t offset)
{
    int64_t result = sl_os_posix.pwrite(fd, data, bytes, offset);
    if (writes_to_wait && --writes_to_wait == 0) bring_all();
    return result;
}

static void expect_blob(const steplog_id *run, const char *data, int round)
{
    static char found[BLOB_BYTES];
    steplog_store *store = kit_store(text_to, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    cr_assert_eq(steplog_reader_blob_count(reader, run), 1, "round %d: the blob is not there", round);
    OK(steplog_reader_blob_read(reader, run, 0, found, sizeof found, &kit_error));
    cr_assert_eq(memcmp(found, data, sizeof found), 0);
    kit_no_damage(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
    kit_verify(text_to);
}

/* What lists the parts as dropped may be on a higher level than what has the whole, or come first by its id. */
Test(merge_logs, in_the_middle_of_a_text_does_not_lose_it_later)
{
    static char data[BLOB_BYTES];
    memset(data, 7, sizeof data);
    for (int round = 0; round < 24; round++) {
        const char *base = test_temp_dir();
        text_from = test_path(base, "from");
        text_to = test_path(base, "to");
        compacts_between = round % 2;
        steplog_store *other = kit_store(text_to, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
        steplog_writer *writer = kit_writer(other, "other", 0, 0);
        kit_log(writer, "x", 1, 1);
        kit_writer_close(writer);
        kit_store_close(other);
        steplog_store *from = kit_store(text_from, STEPLOG_CREATE | STEPLOG_NO_THREAD | STEPLOG_FORCE_PWRITE, 0);
        writer = kit_writer(from, "run", 0, 0);
        steplog_id run = kit_run_of(writer);
        kit_log(writer, "x", 1, 1);
        table = sl_os_posix;
        table.pwrite = pwrite_and_merge;
        sl_os = &table;
        writes_to_wait = 8 + round / 2;
        OK(steplog_writer_blob(writer, "image", 1, STEPLOG_TIME_NONE, "image/png", data, sizeof data, &kit_error));
        sl_os = &sl_os_posix;
        cr_assert_eq(writes_to_wait, 0);
        kit_log(writer, "x", 2, 2);
        kit_writer_close(writer);
        kit_store_close(from);
        bring_all();
        expect_blob(&run, data, round);
        bring_all();
        steplog_store *to = kit_store(text_to, STEPLOG_NO_THREAD, 0);
        OK(steplog_store_compact(to, NULL, NULL, &kit_error));
        kit_store_close(to);
        expect_blob(&run, data, round);
    }
}
