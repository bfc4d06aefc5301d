/* Groups of more than 64 blocks are read node by node: every view gives what short groups would, and damage to their
 * tables costs nothing. */
#include "steplog.h"

#include "support/random.h"
#include "support/reseal.h"
#include "support/sim_os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 70000, SPARSE = 7 }; /* 69 blocks, two nodes; every seventh row has the second metric */

static const char *names[] = {"loss", "val"};

static double value_at(int64_t step, int column) { return kit_value(5, 1, (uint64_t)step, (uint64_t)column); }

/* Rows [from, to) of a rank, val only in some. */
static void append(steplog_writer *writer, int64_t from, int64_t to)
{
    steplog_metric metrics[2] = {kit_metric(writer, names[0]), kit_metric(writer, names[1])};
    steplog_schema schema;
    OK(steplog_writer_schema(writer, metrics, 2, &schema, &kit_error));
    for (int64_t step = from; step < to; step++) {
        double values[2] = {value_at(step, 0), value_at(step, 1)};
        uint64_t present = step % SPARSE == 0 ? 3 : 1;
        OK(steplog_writer_append_present(writer, schema, step, step * 1000, values, &present));
    }
}

static void check_row(const kit_rows *rows, size_t row, int64_t step)
{
    cr_assert_eq(rows->steps[row], step, "row %zu", row);
    cr_assert_eq(rows->times_ns[row], step * 1000);
    cr_assert_eq(rows->sequences[row] - rows->sequences[0], row);
    cr_assert(kit_has(rows, row, 0));
    cr_assert_eq(kit_bits(kit_at(rows, row, 0)), kit_bits(value_at(step, 0)));
    cr_assert_eq(kit_has(rows, row, 1), step % SPARSE == 0);
    if (kit_has(rows, row, 1)) cr_assert_eq(kit_bits(kit_at(rows, row, 1)), kit_bits(value_at(step, 1)));
}

static void check_view(steplog_reader *reader, const steplog_id *run, const steplog_view *view, int64_t from, int64_t to)
{
    kit_rows rows = kit_read(reader, run, "*", view);
    cr_assert_eq(rows.row_count, (size_t)(to - from), "%zu rows, expected [%ld, %ld)", rows.row_count, (long)from,
                 (long)to);
    for (size_t row = 0; row < rows.row_count; row++) check_row(&rows, row, from + (int64_t)row);
    kit_rows_free(&rows);
}

/* The run of one writer, sealed. */
static steplog_store *make_store(const char *path, uint32_t flags, steplog_id *run)
{
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    *run = kit_run_of(writer);
    append(writer, 0, ROWS);
    kit_writer_close(writer);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    return store;
}

Test(nodes, give_every_row_once_in_every_view)
{
    steplog_id run;
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = make_store(path, 0, &run);
    steplog_reader *reader = kit_reader(store);
    steplog_view view = {.size_bytes = sizeof view};
    check_view(reader, &run, NULL, 0, ROWS);
    view.flags = STEPLOG_VIEW_ARRIVAL_ORDER;
    check_view(reader, &run, &view, 0, ROWS);
    view.flags = STEPLOG_VIEW_ALL_ATTEMPTS;
    check_view(reader, &run, &view, 0, ROWS);
    static const int64_t ranges[][2] = {{0, 1}, {65535, 65537}, {65536, ROWS}, {1023, 1025}, {69999, 70000}, {100, 66000}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        view = (steplog_view){.size_bytes = sizeof view,
                              .has_begin = 1,
                              .step_begin = ranges[i][0],
                              .has_end = 1,
                              .step_end = ranges[i][1]};
        check_view(reader, &run, &view, ranges[i][0], ranges[i][1]);
    }
    static const uint64_t lasts[] = {1, 1023, 1024, 1025, 4465, 66000, ROWS, ROWS + 1};
    for (size_t i = 0; i < sizeof lasts / sizeof *lasts; i++) {
        int64_t count = lasts[i] < ROWS ? (int64_t)lasts[i] : ROWS;
        view = (steplog_view){.size_bytes = sizeof view, .last_count = lasts[i]};
        check_view(reader, &run, &view, ROWS - count, ROWS);
    }
    kit_no_damage(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
    kit_verify(path);
}

/* A job that goes on: nodes, and behind them blocks and rows of a log. */
IN_BOTH_MODES(nodes, and_rows_that_came_later_give_the_last_rows)
{
    enum { LATER = 3000, ALL = ROWS + LATER };
    steplog_id run;
    steplog_store *store = make_store(test_path(test_temp_dir(), "store"), flags, &run);
    steplog_writer *writer = kit_writer_resumed(store, "run", 0, 2, ROWS);
    append(writer, ROWS, ALL);
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        static const uint64_t lasts[] = {1, 2999, 3000, 3001, 4000, 10000, 69000, ALL, ALL + 1};
        steplog_reader *reader = kit_reader(store);
        for (size_t l = 0; l < sizeof lasts / sizeof *lasts; l++) {
            for (unsigned order = 0; order < 2; order++) {
                int64_t count = lasts[l] < ALL ? (int64_t)lasts[l] : ALL;
                steplog_view view = {.size_bytes = sizeof view,
                                     .last_count = lasts[l],
                                     .flags = order ? STEPLOG_VIEW_ARRIVAL_ORDER : 0};
                kit_rows rows = kit_read(reader, &run, "loss", &view);
                cr_assert_eq(rows.row_count, (size_t)count);
                for (size_t row = 0; row < rows.row_count; row++)
                    cr_assert_eq(rows.steps[row], ALL - count + (int64_t)row, "row %zu of the last %ld", row, (long)count);
                kit_rows_free(&rows);
            }
        }
        steplog_reader_close(reader);
        if (!is_closed) kit_writer_close(writer);
    }
    kit_store_close(store);
}

/* Two attempts, the second from the middle of a node on, and two ranks whose steps lie side by side. */
Test(nodes, of_several_writers_are_merged_step_by_step)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE, 0);
    steplog_writer *writers[3];
    steplog_id run;
    for (uint32_t rank = 0; rank < 2; rank++) {
        writers[rank] = kit_writer(store, "run", rank, 1);
        run = kit_run_of(writers[rank]);
        append(writers[rank], 0, ROWS);
        kit_writer_close(writers[rank]);
    }
    writers[2] = kit_writer_resumed(store, "run", 0, 2, 50000);
    append(writers[2], 50000, 120000);
    kit_writer_close(writers[2]);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, &run, "loss", NULL);
    cr_assert_eq(rows.row_count, 120000);
    cr_assert_eq(rows.column_count, 2);
    for (size_t row = 0; row < rows.row_count; row++) {
        cr_assert_eq(rows.steps[row], (int64_t)row);
        cr_assert(kit_has(&rows, row, 0));
        cr_assert_eq(kit_bits(kit_at(&rows, row, 0)), kit_bits(value_at((int64_t)row, 0)));
        cr_assert_eq(kit_has(&rows, row, 1), row < 50000);
        cr_assert_eq(rows.attempts[row], row < 50000 ? 1u : 2u);
    }
    kit_rows_free(&rows);
    kit_no_damage(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
}

Test(nodes, are_followed_from_the_first_row_on)
{
    steplog_id run;
    steplog_store *store = make_store(test_path(test_temp_dir(), "store"), 0, &run);
    steplog_reader *reader = kit_reader(store);
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
    steplog_cursor *cursor;
    OK(steplog_cursor_open_matching(reader, &run, "loss", &view, &cursor, &kit_error));
    steplog_batch batch;
    for (int64_t next = 0; next < ROWS;) {
        OK(steplog_cursor_next(cursor, &batch, 1000, &kit_error));
        for (size_t row = 0; row < batch.row_count; row++) cr_assert_eq(batch.steps[row], next++);
    }
    GIVES(WAIT, steplog_cursor_next(cursor, &batch, 0, &kit_error));
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    kit_store_close(store);
}

/* ---- damage ---- */

/* More blocks than one page of the tables of blocks and of statistics can hold. */
Test(nodes, in_tables_of_several_pages)
{
    enum { BLOCKS = 900, PIXELS = 30 };
    const int64_t count = BLOCKS * 1024;
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", 1);
    for (int64_t step = 0; step < count; step++) {
        double value = (double)(step % 1000);
        OK(steplog_writer_append(writer, schema, step, step, &value));
    }
    kit_writer_close(writer);
    for (int is_compacted = 0; is_compacted < 2; is_compacted++) {
        steplog_m4 m[PIXELS];
        if (is_compacted) OK(steplog_store_compact(store, NULL, NULL, &kit_error));
        kit_verify(path);
        steplog_reader *reader = kit_reader(store);
        steplog_series series = kit_series(reader, &run, "m0");
        OK(steplog_reader_m4(reader, series, NULL, PIXELS, m, NULL, NULL, &kit_error));
        for (int64_t i = 0; i < PIXELS; i++) {
            cr_assert_eq(m[i].count, count / PIXELS);
            cr_assert(m[i].step[0] == i * count / PIXELS && m[i].value[0] == (double)(m[i].step[0] % 1000));
            cr_assert(m[i].value[2] == 0 && m[i].value[3] == 999);
        }
        steplog_cursor *cursor;
        steplog_batch batch;
        int64_t next = 0;
        OK(steplog_cursor_open(reader, &series, 1, NULL, &cursor, &kit_error));
        while (steplog_cursor_next(cursor, &batch, 0, &kit_error) == STEPLOG_OK)
            for (uint32_t i = 0; i < batch.row_count; i++, next++)
                cr_assert(batch.steps[i] == next && batch.values[0][i] == (double)(next % 1000));
        cr_assert_eq(next, count);
        steplog_cursor_close(cursor);
        kit_no_damage(reader);
        steplog_reader_close(reader);
    }
    kit_store_close(store);
}

static char segment_path[256];
static uint8_t *segment;
static uint64_t segment_bytes;

static void take_segment(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    (void)context;
    if (!strstr(path, ".seg")) return;
    snprintf(segment_path, sizeof segment_path, "%s", path);
    segment = malloc(bytes);
    memcpy(segment, data, bytes);
    segment_bytes = bytes;
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t x = 0;
    for (int i = 7; i >= 0; i--) x = x << 8 | p[i];
    return x;
}

/* Where table number n (FORMAT.md 8.7) begins, and what its entries are. */
static uint64_t table_offset(int n, uint64_t *count)
{
    const uint8_t *trailer = segment + segment_bytes - 232;
    *count = load64(trailer + 16 + 16 * n);
    return load64(trailer + 8 + 16 * n);
}

/* A page of each of the tables that long groups have is damaged in turn: all rows are there, M4 is what it was, and the
 * damage is told. */
Test(nodes, damaged_tables_cost_nothing_but_time)
{
    enum { CHUNKS = 3, NODES = 6, STATS = 7, NODE_STATS = 8, PIXELS = 3 };
    static const int tables[] = {CHUNKS, NODES, STATS, NODE_STATS};
    sim *machine = sim_new(1);
    sim_use(machine);
    steplog_id run;
    steplog_store *store = make_store("store", STEPLOG_NO_THREAD, &run);
    sim_each_file(machine, take_segment, NULL);
    steplog_m4 intact[PIXELS], found[PIXELS];
    steplog_reader *reader = kit_reader(store);
    OK(steplog_reader_m4(reader, kit_series(reader, &run, "loss"), NULL, PIXELS, intact, NULL, NULL, &kit_error));
    steplog_reader_close(reader);
    uint8_t *changed = malloc(segment_bytes);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        uint64_t count, offset = table_offset(tables[i], &count);
        cr_assert(count > 0, "table %d has no entries", tables[i]);
        memcpy(changed, segment, segment_bytes);
        changed[offset + 24 + 40] ^= 1;
        sim_put_file(machine, segment_path, changed, segment_bytes);
        for (int order = 0; order < 2; order++) { /* M4 before rows, rows before M4 */
            reader = kit_reader(store);
            if (order) check_view(reader, &run, NULL, 0, ROWS);
            OK(steplog_reader_m4(reader, kit_series(reader, &run, "loss"), NULL, PIXELS, found, NULL, NULL, &kit_error));
            cr_assert_eq(memcmp(found, intact, sizeof found), 0, "M4 differs with table %d damaged", tables[i]);
            if (!order) check_view(reader, &run, NULL, 0, ROWS);
            cr_assert(steplog_reader_damage_count(reader) > 0, "nothing is said of table %d", tables[i]);
            steplog_reader_close(reader);
        }
    }
    free(changed);
    free(segment);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

/* Statistics that contradict themselves behind right checks lead nowhere. */
Test(nodes, entries_that_lie_are_survived)
{
    sim *machine = sim_new(1);
    sim_use(machine);
    steplog_id run;
    steplog_store *store = make_store("store", STEPLOG_NO_THREAD, &run);
    sim_each_file(machine, take_segment, NULL);
    uint8_t *changed = malloc(segment_bytes);
    test_random random = test_random_begin("nodes, entries");
    for (int round = 0; round < 60; round++) {
        uint64_t count, offset = table_offset(2 + (int)test_random_below(&random, 7), &count);
        if (count == 0) continue;
        memcpy(changed, segment, segment_bytes);
        for (int n = 0; n < 3; n++)
            changed[offset + 24 + test_random_below(&random, 200)] ^= (uint8_t)(1 + test_random_below(&random, 255));
        reseal_file(changed, segment_bytes, segment, segment_bytes);
        sim_put_file(machine, segment_path, changed, segment_bytes);
        steplog_m4 m[50];
        steplog_series series[4];
        size_t found = 0;
        steplog_reader *reader;
        if (steplog_reader_open(store, &reader, NULL) < 0) continue;
        kit_rows rows = {0};
        if (steplog_reader_find(reader, &run, "loss", series, 4, &found, NULL) == STEPLOG_OK) {
            (void)steplog_reader_m4(reader, series[0], NULL, 50, m, NULL, NULL, NULL);
            steplog_cursor *cursor;
            steplog_batch batch;
            if (steplog_cursor_open(reader, series, 1, NULL, &cursor, NULL) == STEPLOG_OK) {
                while (steplog_cursor_next(cursor, &batch, 0, NULL) == STEPLOG_OK) rows.row_count += batch.row_count;
                steplog_cursor_close(cursor);
            }
        }
        cr_assert(rows.row_count <= ROWS, "%zu rows out of %d", rows.row_count, ROWS);
        steplog_reader_close(reader);
    }
    free(changed);
    free(segment);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}
