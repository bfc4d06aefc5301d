/* A pass over points takes memory for the points, whatever the shape of what holds them. */
#include "steplog.h"

#include "support/count_memory.h"
#include "support/random.h"
#include "support/reseal.h"
#include "support/sim_os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIB = 1 << 20, BATCH = 5 * MIB /* the arrays of a batch, and what a cursor takes besides */ };

static const char *new_path(void) { return test_path(test_temp_dir(), "store"); }

/* What a pass over all series of a run takes beyond its reader and its list of series. Points are counted and added up. */
typedef struct outcome {
    size_t bytes;
    uint64_t row_count, point_count;
    double sum;
} outcome;

static outcome pass_over(steplog_store *store, const steplog_id *run, uint32_t view_flags)
{
    outcome o = {0};
    size_t count;
    steplog_series one;
    steplog_cursor *cursor;
    steplog_batch batch;
    steplog_status status;
    steplog_view view = {.size_bytes = sizeof view, .flags = view_flags};
    steplog_reader *reader = kit_reader(store);
    steplog_reader_find(reader, run, "*", &one, 1, &count, &kit_error);
    (void)test_count_peak();
    size_t before = test_count_peak(); /* what there is now */
    OK(steplog_cursor_open_matching(reader, run, "*", &view, &cursor, &kit_error));
    while ((status = steplog_cursor_next(cursor, &batch, 0, &kit_error)) == STEPLOG_OK) {
        o.row_count += batch.row_count;
        for (size_t c = 0; c < batch.column_count; c++)
            for (size_t r = 0; r < batch.row_count; r++)
                if (batch.present[c][r / 64] >> (r % 64) & 1) {
                    o.point_count++;
                    o.sum += batch.values[c][r] * (double)(batch.steps[r] + 1);
                }
    }
    cr_assert_eq(status, STEPLOG_END);
    o.bytes = test_count_peak() - before;
    steplog_cursor_close(cursor);
    kit_no_damage(reader);
    steplog_reader_close(reader);
    return o;
}

static void must_take(const char *what, outcome o, size_t most)
{
    cr_expect(o.bytes <= most, "%s: a pass took %zu bytes, expected %zu at most", what, o.bytes, most);
}

/* ---- logs ---- */

enum { METRICS = 2000, POINTS = 20 };

/* As many metrics, logged one by one, as many times. */
static steplog_id log_points(steplog_writer *writer, int metrics, int points, int is_by_metric)
{
    steplog_metric *handles = calloc((size_t)metrics, sizeof *handles);
    char name[32];
    for (int m = 0; m < metrics; m++) {
        int bytes = snprintf(name, sizeof name, "m%d", m);
        OK(steplog_writer_metric(writer, name, (size_t)bytes, &handles[m], &kit_error));
    }
    for (int i = 0; i < metrics * points; i++) {
        int m = is_by_metric ? i / points : i % metrics, step = is_by_metric ? i % points : i / metrics;
        OK(steplog_writer_point(writer, handles[m], step, STEPLOG_TIME_NONE, m));
    }
    free(handles);
    return kit_run_of(writer);
}

static void read_points_of_a_log(int is_by_metric)
{
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = log_points(writer, METRICS, POINTS, is_by_metric);
    const double sum = (double)METRICS * (METRICS - 1) / 2 * POINTS * (POINTS + 1) / 2;
    test_count_begin();
    steplog_store *reading = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    for (int is_arrival = 0; is_arrival < 2; is_arrival++) {
        outcome o = pass_over(reading, &run, is_arrival ? STEPLOG_VIEW_ARRIVAL_ORDER : 0);
        cr_expect_eq(o.row_count, is_arrival ? METRICS * POINTS : POINTS);
        cr_expect_eq(o.point_count, METRICS * POINTS);
        cr_expect_eq(o.sum, sum);
        must_take(is_arrival ? "as recorded" : "by step", o, BATCH + 4 * MIB); /* the log holds 1 MiB */
    }
    kit_store_close(reading);
    cr_assert_eq(test_count_end(), 0);
    kit_writer_close(writer);
    kit_store_close(store);
}

Test(pass_memory, metrics_logged_one_by_one_cost_what_their_points_do) { read_points_of_a_log(0); }
Test(pass_memory, metrics_logged_one_after_the_other_cost_what_their_points_do) { read_points_of_a_log(1); }

/* ---- segments ---- */

/* Each metric that is logged by itself has a group of its own, and all of them overlap. */
Test(pass_memory, many_groups_cost_what_their_points_do)
{
    enum { GROUPS = 5000, TIMES = 2 };
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = log_points(writer, GROUPS, TIMES, 0);
    kit_writer_close(writer);
    kit_store_close(store);
    test_count_begin();
    store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    for (int is_arrival = 0; is_arrival < 2; is_arrival++) {
        outcome o = pass_over(store, &run, is_arrival ? STEPLOG_VIEW_ARRIVAL_ORDER : 0);
        cr_expect_eq(o.row_count, is_arrival ? GROUPS * TIMES : TIMES);
        cr_expect_eq(o.sum, (double)GROUPS * (GROUPS - 1) / 2 * 3);
        must_take(is_arrival ? "as recorded" : "by step", o, BATCH + 8 * MIB); /* the store has 1.4 MiB */
    }
    kit_store_close(store);
    cr_assert_eq(test_count_end(), 0);
}

/* All rows have one step, as those of a job that never says which: no block of a writer has to wait for the next. */
Test(pass_memory, rows_of_one_step_cost_one_block)
{
    enum { ROWS = 200000, COLUMNS = 64 }; /* four nodes */
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_schema schema = kit_schema(writer, "c", COLUMNS);
    steplog_id run = kit_run_of(writer);
    double values[COLUMNS];
    for (int row = 0; row < ROWS; row++) {
        for (int c = 0; c < COLUMNS; c++) values[c] = row;
        OK(steplog_writer_append(writer, schema, 0, STEPLOG_TIME_NONE, values));
    }
    kit_writer_close(writer);
    kit_store_close(store);
    test_count_begin();
    store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    outcome o = pass_over(store, &run, 0);
    cr_expect_eq(o.row_count, ROWS);
    cr_expect_eq(o.sum, (double)ROWS * (ROWS - 1) / 2 * COLUMNS);
    must_take("one step", o, BATCH + 12 * MIB);
    kit_store_close(store);
    cr_assert_eq(test_count_end(), 0);
}

static uint8_t *segment;
static size_t segment_bytes;
static char segment_path[128];

static void take_segment(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    (void)context;
    if (!strstr(path, ".seg")) return;
    cr_assert(segment == NULL);
    snprintf(segment_path, sizeof segment_path, "%s", path);
    segment = malloc(bytes);
    memcpy(segment, data, segment_bytes = bytes);
}

/* Entries of a group that all name its first block, with its numbers (is_renumbered 0) or each with its own: the block is
 * there once, at most. */
static void read_repeated_block(int rows, int is_renumbered)
{
    enum { CHUNK_TABLE = 3, ENTRY = 80, PAGE_HEAD = 24 };
    sim *machine = sim_new(1);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_schema schema = kit_schema(writer, "c", 2);
    steplog_id run = kit_run_of(writer);
    for (int row = 0; row < rows; row++)
        OK(steplog_writer_append(writer, schema, 0, STEPLOG_TIME_NONE, (double[]){row, -row}));
    kit_writer_close(writer); /* not compacted: then the tables would be packed */
    sim_each_file(machine, take_segment, NULL);
    uint8_t *changed = malloc(segment_bytes);
    memcpy(changed, segment, segment_bytes);
    const uint8_t *trailer = segment + segment_bytes - 232;
    uint64_t offset, count;
    memcpy(&offset, trailer + 8 + 16 * CHUNK_TABLE, 8);
    memcpy(&count, trailer + 16 + 16 * CHUNK_TABLE, 8);
    cr_assert_eq(count, (uint64_t)(rows + 1023) / 1024);
    cr_assert(count * ENTRY <= 49152, "the table has one page");
    for (uint64_t i = 0, at = offset + PAGE_HEAD; i < count; i++, at += ENTRY)
        memcpy(changed + at, segment + offset + PAGE_HEAD, is_renumbered ? 16 : ENTRY);
    reseal_file(changed, segment_bytes, segment, segment_bytes);
    sim_put_file(machine, segment_path, changed, segment_bytes);
    steplog_reader *reader = kit_reader(store);
    kit_rows found = kit_read(reader, &run, "*", NULL);
    cr_expect_eq(found.row_count, 1024, "%zu rows", found.row_count);
    cr_expect(steplog_reader_damage_count(reader) > 0);
    kit_rows_free(&found);
    steplog_reader_close(reader);
    kit_store_close(store);
    free(changed);
    free(segment);
    segment = NULL;
    sim_use(NULL);
    sim_free(machine);
}

Test(pass_memory, a_block_that_many_entries_name_is_there_once)
{
    for (int is_renumbered = 0; is_renumbered < 2; is_renumbered++) {
        read_repeated_block(20 * 1024, is_renumbered);
        read_repeated_block(150 * 1024, is_renumbered);
    }
}

/* ---- tombstones ---- */

/* Tombstones that name a long metric, of a writer with many files. */
Test(pass_memory, tombstones_are_not_copied_for_each_file)
{
    enum { NAME = 60000, REMOVALS = 60, LOGS = 7, ROWS = 4000 };
    const char *path = new_path();
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 160 << 10);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    char *name = malloc(NAME);
    memset(name, 'n', NAME);
    steplog_metric metric;
    OK(steplog_writer_metric(writer, name, NAME, &metric, &kit_error));
    free(name);
    for (int64_t step = 0; step < LOGS * ROWS; step++) {
        OK(steplog_writer_point(writer, metric, step, step, 1));
        if (step % ROWS == 0) (void)steplog_store_tick(store, 1000, &kit_error); /* seals */
    }
    kit_writer_close(writer);
    cr_assert(kit_segment_count(path) >= LOGS / 2, "%zu segments", kit_segment_count(path));
    for (int64_t r = 0; r < REMOVALS; r++) {
        steplog_remove_options options = {.size_bytes = sizeof options, .run = run, .selector = "n*", .has_begin = 1,
                                          .step_begin = 100 * r, .has_end = 1, .step_end = 100 * r + 10};
        steplog_remove_result result = {.size_bytes = sizeof result};
        OK(steplog_remove(store, &options, &result, &kit_error));
    }
    kit_store_close(store);
    test_count_begin();
    store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    outcome o = pass_over(store, &run, 0);
    cr_expect_eq(o.row_count, LOGS * ROWS - 10 * REMOVALS);
    must_take("tombstones", o, BATCH + 2 * MIB);
    kit_store_close(store);
    cr_assert_eq(test_count_end(), 0);
}

/* ---- whatever the shape, the points are the same ---- */

typedef struct line {
    size_t count, capacity;
    struct {
        int64_t step;
        uint64_t sequence, bits;
    } *items;
} line;

static void add_to_line(line *l, int64_t step, uint64_t sequence, double value)
{
    if (l->count == l->capacity) l->items = realloc(l->items, (l->capacity = 2 * l->capacity + 64) * sizeof *l->items);
    l->items[l->count].step = step;
    l->items[l->count].sequence = sequence;
    l->items[l->count++].bits = kit_bits(value);
}

/* A union must hold, column by column, what the series hold by themselves: which is read from tables of one column. */
static void compare_union(steplog_store *store, const steplog_id *run, const steplog_view *view, const char *what)
{
    steplog_reader *reader = kit_reader(store);
    steplog_series series[256];
    size_t count;
    OK(steplog_reader_find(reader, run, "*", series, 256, &count, &kit_error));
    const int is_arrival = (view->flags & STEPLOG_VIEW_ARRIVAL_ORDER) != 0;
    kit_rows all = kit_read(reader, run, "*", view);
    cr_assert(all.row_count == 0 || all.column_count == count); /* without rows no batch told of its columns */
    for (size_t c = 0; c < count; c++) {
        line found = {0}, expected = {0};
        steplog_cursor *cursor;
        OK(steplog_cursor_open(reader, &series[c], 1, view, &cursor, &kit_error));
        kit_rows one = kit_read_cursor(cursor);
        steplog_cursor_close(cursor);
        for (size_t r = 0; r < one.row_count; r++)
            add_to_line(&expected, one.steps[r], is_arrival ? one.sequences[r] : 0, kit_at(&one, r, 0));
        for (size_t r = 0; r < all.row_count; r++)
            if (kit_has(&all, r, c)) add_to_line(&found, all.steps[r], is_arrival ? all.sequences[r] : 0, kit_at(&all, r, c));
        cr_assert_eq(found.count, expected.count, "%s, column %zu: %zu points, expected %zu", what, c, found.count,
                     expected.count);
        cr_assert(found.count == 0 || memcmp(found.items, expected.items, found.count * sizeof *found.items) == 0,
                  "%s, column %zu: other points", what, c);
        free(found.items);
        free(expected.items);
        kit_rows_free(&one);
    }
    for (size_t r = 1; r < all.row_count; r++)
        cr_assert(is_arrival ? all.writers[r] > all.writers[r - 1] || all.sequences[r] > all.sequences[r - 1]
                             : all.steps[r] >= all.steps[r - 1],
                  "%s: row %zu is out of order", what, r);
    kit_rows_free(&all);
    steplog_reader_close(reader);
}

/* Rows of some schemas, with and without all values, and single points; steps that go on, stay, and jump back. */
static void log_anything(steplog_writer *writer, test_random *random, int rows)
{
    enum { SCHEMAS = 4, SINGLES = 60 };
    static const size_t widths[SCHEMAS] = {1, 3, 40, 100};
    steplog_schema schemas[SCHEMAS];
    steplog_metric singles[SINGLES];
    char name[16];
    double values[100];
    for (int s = 0; s < SCHEMAS; s++) {
        snprintf(name, sizeof name, "s%d.", s);
        schemas[s] = kit_schema(writer, name, widths[s]);
    }
    for (int i = 0; i < SINGLES; i++) {
        snprintf(name, sizeof name, "p%d", i);
        singles[i] = kit_metric(writer, name);
    }
    int64_t step = (int64_t)test_random_below(random, 100);
    for (int r = 0; r < rows; r++) {
        uint64_t what = test_random_below(random, 40);
        if (test_random_below(random, 3)) step += (int64_t)test_random_below(random, 3);
        if (test_random_below(random, 400) == 0) step -= (int64_t)test_random_below(random, 300);
        for (int v = 0; v < 100; v++) values[v] = r + v / 128.0;
        if (what < 20) {
            OK(steplog_writer_append(writer, schemas[what % 2], step, STEPLOG_TIME_NONE, values));
        } else if (what < 22) {
            uint64_t present[2] = {test_random_u64(random), test_random_u64(random) & (((uint64_t)1 << 36) - 1)};
            if (what == 20) present[0] &= ((uint64_t)1 << 40) - 1;
            present[0] |= 1;
            OK(steplog_writer_append_present(writer, schemas[what - 18], step, STEPLOG_TIME_NONE, values, present));
        } else {
            OK(steplog_writer_point(writer, singles[test_random_below(random, what < 36 ? SINGLES : 4)], step, r, values[0]));
        }
    }
}

Test(pass_memory, a_union_holds_what_its_series_hold_whatever_form_its_rows_wait_in)
{
    test_random random = test_random_begin("forms");
    steplog_store *store = kit_store(new_path(), STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writers[2] = {kit_writer(store, "run", 0, 0), kit_writer(store, "run", 0, 0)};
    steplog_id run = kit_run_of(writers[0]);
    const char *when[] = {"in logs", "in a log and a segment", "in segments", "compacted"};
    for (int w = 0; w < 2; w++) log_anything(writers[w], &random, 3500);
    for (int stage = 0; stage < 4; stage++) {
        if (stage == 1 || stage == 2) kit_writer_close(writers[stage - 1]);
        if (stage == 3) {
            for (int r = 0; r < 20; r++) {
                steplog_remove_options options = {.size_bytes = sizeof options, .run = run, .has_begin = 1, .has_end = 1};
                options.selector = (const char *[]){"p1", "s2.*", "p*", "*"}[r % 4];
                options.step_begin = (int64_t)test_random_below(&random, 4000);
                options.step_end = options.step_begin + 1 + (int64_t)test_random_below(&random, 100);
                steplog_remove_result result = {.size_bytes = sizeof result};
                steplog_status status = steplog_remove(store, &options, &result, &kit_error);
                cr_assert(status == STEPLOG_OK || status == STEPLOG_MISSING);
            }
            OK(steplog_store_compact(store, NULL, NULL, &kit_error));
        }
        steplog_view view = {.size_bytes = sizeof view};
        compare_union(store, &run, &view, when[stage]);
        view.has_begin = view.has_end = 1;
        view.step_begin = 700;
        view.step_end = 1900;
        compare_union(store, &run, &view, when[stage]);
        view.flags = STEPLOG_VIEW_ARRIVAL_ORDER;
        compare_union(store, &run, &view, when[stage]);
    }
    kit_store_close(store);
}
