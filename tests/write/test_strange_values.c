/* What is strange comes back bit for bit also where it is the exception: among values that are coded as decimals, and
 * steps that are multiples of something. */
#include "steplog.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <string.h>

enum { ROWS = 3000, COLUMNS = 3 };

static const uint64_t strange[] = {0x8000000000000000u, 0x7ff0000000000001u, 0xfff8dead0000beefu, 0x7ff8000000000000u,
                                   0xffffffffffffffffu, 0x7ff0000000000000u, 0xfff0000000000000u, 1};
enum { STRANGE = sizeof strange / sizeof *strange };

/* Every 50th value, and now and then two in a row, is strange. */
static uint64_t bits_of(size_t row, size_t column)
{
    size_t n = row + 17 * column;
    if (n % 50 == 0 || n % 150 == 1) return strange[n / 50 % STRANGE];
    if (column == 0) return kit_bits((double)(row % 977) / 100);
    if (column == 1) return kit_bits((double)(float)(0.5 + (double)row / 1000));
    return kit_bits((double)(row / 7));
}

static int64_t step_of(size_t row)
{
    static const int64_t far[] = {INT64_MIN, 0, (int64_t)1 << 62, -((int64_t)1 << 62)};
    return row < 1500 ? far[row % 4] : (int64_t)row * 100;
}

IN_BOTH_MODES(strange_values, among_ordinary_ones_come_back_bit_for_bit)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    for (size_t row = 0; row < ROWS; row++) {
        uint64_t bits[COLUMNS];
        double values[COLUMNS];
        for (size_t c = 0; c < COLUMNS; c++) bits[c] = bits_of(row, c);
        memcpy(values, bits, sizeof values);
        OK(steplog_writer_append(writer, schema, step_of(row), STEPLOG_TIME_NONE, values));
    }
    for (int round = 0; round < 3; round++) { /* from logs, from a segment, from one that was merged */
        kit_rows rows = kit_read_store(path, &run, "*", STEPLOG_VIEW_ARRIVAL_ORDER);
        cr_assert_eq(rows.row_count, ROWS);
        for (size_t row = 0; row < ROWS; row++) {
            cr_assert_eq(rows.steps[row], step_of(row), "round %d: row %d is at another step", round, (int)row);
            for (size_t c = 0; c < COLUMNS; c++)
                cr_assert_eq(kit_bits(kit_at(&rows, row, c)), bits_of(row, c), "round %d: value %d of row %d", round,
                             (int)c, (int)row);
        }
        kit_rows_free(&rows);
        if (round == 0) kit_writer_close(writer);
        if (round != 1) continue;
        writer = kit_writer(store, "run", 0, 0);
        kit_writer_close(writer);
        OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    }
    kit_store_close(store);
    kit_verify(path);
}
