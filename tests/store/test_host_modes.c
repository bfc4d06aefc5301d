/* Whatever floating point mode the host's threads are in, what they write, merge and read is the same, and nothing
 * traps. */
#include "steplog.h"

#include "base/bytes.h"
#include "support/host_modes.h"
#include "support/random.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define PARTS 6
#define ROWS_OF_PART 400
#define ROWS (PARTS * ROWS_OF_PART)
#define COLUMNS 5
#define PIXELS 7

static double values[ROWS][COLUMNS];

static void fill(test_random *random)
{
    for (size_t row = 0; row < ROWS; row++) {
        values[row][0] = (double)row / 10;
        values[row][1] = (double)test_random_below(random, 30000) / 7;
        values[row][2] = row % 9 ? (double)row / 3 : sl_double_of(row % 2 ? 0x7ff0000000000001u : 0x7ff8000000000000u);
        values[row][3] = sl_double_of(test_random_below(random, (uint64_t)1 << 52) | row << 63); /* subnormal */
        values[row][4] = test_random_double(random);
    }
}

static steplog_store *open_store(const char *path) { return kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0); }

static steplog_id write_store(const char *path)
{
    steplog_id run;
    for (int64_t part = 0; part < PARTS; part++) {
        steplog_store *store = open_store(path);
        steplog_writer *writer = kit_writer(store, "run", 0, 1);
        run = kit_run_of(writer);
        steplog_schema schema = kit_schema(writer, "m", COLUMNS);
        for (int64_t step = part * ROWS_OF_PART; step < (part + 1) * ROWS_OF_PART; step++)
            OK(steplog_writer_append(writer, schema, step, step * 1000, values[step]));
        kit_writer_close(writer);
        kit_store_close(store);
    }
    return run;
}

static void merge(const char *path)
{
    steplog_compact_options options = {.size_bytes = sizeof options, .flags = STEPLOG_COMPACT_NOW};
    steplog_compact_result result = {.size_bytes = sizeof result};
    steplog_store *store = open_store(path);
    OK(steplog_store_compact(store, &options, &result, &kit_error));
    kit_store_close(store);
}

typedef struct looks {
    steplog_m4 buckets[COLUMNS][PIXELS];
} looks;

static void read_store(const char *path, const steplog_id *run, kit_rows *rows, looks *seen)
{
    static const char *const names[COLUMNS] = {"m0", "m1", "m2", "m3", "m4"};
    steplog_store *store = open_store(path);
    steplog_reader *reader = kit_reader(store);
    *rows = kit_read(reader, run, "*", NULL);
    for (size_t c = 0; c < COLUMNS; c++) {
        int64_t begin, end;
        steplog_series series = kit_series(reader, run, names[c]);
        OK(steplog_reader_m4(reader, series, NULL, PIXELS, seen->buckets[c], &begin, &end, &kit_error));
    }
    steplog_reader_close(reader);
    kit_store_close(store);
}

static size_t count_wrong(const kit_rows *rows)
{
    size_t wrong = 0;
    for (size_t row = 0; row < rows->row_count; row++)
        for (size_t c = 0; c < COLUMNS; c++)
            wrong += sl_bits_of(kit_at(rows, row, c)) != sl_bits_of(values[rows->steps[row]][c]);
    return wrong;
}

static void check(const char *path, const steplog_id *run, const char *mode, const char *when, looks *expected)
{
    static looks seen;
    kit_rows rows;
    host_mode_begin(mode);
    read_store(path, run, &rows, &seen);
    host_mode_end();
    cr_assert_eq(rows.row_count, ROWS);
    cr_assert_eq(count_wrong(&rows), 0, "%s, %s: %zu values are others", mode, when, count_wrong(&rows));
    kit_rows_free(&rows);
    if (expected->buckets[0][0].count == 0) *expected = seen;
    for (size_t c = 0; c < COLUMNS; c++)
        cr_assert_eq(memcmp(seen.buckets[c], expected->buckets[c], sizeof seen.buckets[c]), 0, "%s, %s: column %zu",
                     mode, when, c);
}

Test(host_modes, change_nothing_in_a_store)
{
    test_random random = test_random_begin("host_modes");
    static looks expected;
    fill(&random);
    for (size_t m = 0; host_modes[m] != NULL; m++) {
        const char *path = test_temp_dir(), *mode = host_modes[m];
        host_mode_begin(mode);
        steplog_id run = write_store(path);
        host_mode_end();
        cr_assert_eq(kit_segment_count(path), PARTS);
        check(path, &run, "none", "written", &expected);
        check(path, &run, mode, "written", &expected);
        kit_verify(path);
        host_mode_begin(mode);
        merge(path);
        const int is_kept = host_mode_is(mode);
        kit_verify(path);
        host_mode_end();
        cr_assert(is_kept, "%s: the mode is another one", mode);
        cr_assert_eq(kit_segment_count(path), 1);
        check(path, &run, "none", "merged", &expected);
        check(path, &run, mode, "merged", &expected);
        kit_verify(path);
    }
}
