/* The widest pages there may be cost a reader, and whoever verifies, no more than P6 allows. */
#include "steplog.h"

#include "support/count_memory.h"
#include "support/random.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_BYTES = 1019, /* 4096 of them, each with its length, are what a schema may take */
    ROWS = 200,
    LABELS = 7,
    LABEL_BYTES = 65536,
    FACTS = 3,
    /* What a reader of this run is asked for: its facts, and its series with their labels. */
    ASKED_FOR = STEPLOG_ROW_METRICS_MAX * NAME_BYTES + LABELS * LABEL_BYTES + FACTS * STEPLOG_VALUE_BYTES_MAX,
    MOST = 16 << 20
};

/* Text that LZ4 can not make shorter. */
static char *noise(test_random *random, size_t bytes)
{
    char *text = malloc(bytes + 1);
    cr_assert(text != NULL);
    for (size_t i = 0; i < bytes; i++) text[i] = (char)(' ' + 1 + test_random_below(random, 94));
    text[bytes] = 0;
    return text;
}

static void write_wide(const char *path, test_random *random, steplog_id *run)
{
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    char *text = noise(random, LABEL_BYTES);
    steplog_pair labels[LABELS];
    char keys[LABELS][16];
    for (int i = 0; i < LABELS; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        labels[i] = (steplog_pair){keys[i], text};
    }
    steplog_writer_options options = {.size_bytes = sizeof options, .run_key = "wide", .labels = labels, .label_count = LABELS};
    steplog_writer *writer;
    OK(steplog_writer_open(store, &options, &writer, &kit_error));
    *run = kit_run_of(writer);
    static steplog_metric metrics[STEPLOG_ROW_METRICS_MAX];
    static double values[STEPLOG_ROW_METRICS_MAX];
    for (size_t i = 0; i < STEPLOG_ROW_METRICS_MAX; i++) {
        char *name = noise(random, NAME_BYTES);
        OK(steplog_writer_metric(writer, name, NAME_BYTES, &metrics[i], &kit_error));
        free(name);
    }
    steplog_schema schema;
    OK(steplog_writer_schema(writer, metrics, STEPLOG_ROW_METRICS_MAX, &schema, &kit_error));
    for (int row = 0; row < ROWS; row++) {
        for (size_t i = 0; i < STEPLOG_ROW_METRICS_MAX; i++) values[i] = kit_value(7, 0, (uint64_t)row, i);
        OK(steplog_writer_append(writer, schema, row, STEPLOG_TIME_NONE, values));
    }
    for (int i = 0; i < FACTS; i++) {
        char *value = noise(random, STEPLOG_VALUE_BYTES_MAX);
        OK(steplog_writer_set_fact(writer, "fact", value, &kit_error));
        free(value);
    }
    kit_writer_close(writer);
    kit_store_close(store);
    free(text);
}

static void must_be_modest(const char *what, size_t asked_for)
{
    size_t peak = test_count_peak();
    cr_expect(peak <= MOST + asked_for, "%s took %zu bytes where %zu were asked for", what, peak, asked_for);
}

static void look(const char *path, const steplog_id *run)
{
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    must_be_modest("an open reader", 0);
    size_t count;
    steplog_series *series = calloc(STEPLOG_ROW_METRICS_MAX, sizeof *series);
    OK(steplog_reader_find(reader, run, "*", series, STEPLOG_ROW_METRICS_MAX, &count, &kit_error));
    cr_assert_eq(count, STEPLOG_ROW_METRICS_MAX);
    must_be_modest("the series", ASKED_FOR);
    steplog_cursor *cursor;
    OK(steplog_cursor_open(reader, series, 1, NULL, &cursor, &kit_error));
    kit_rows rows = kit_read_cursor(cursor);
    cr_assert_eq(rows.row_count, ROWS);
    kit_rows_free(&rows);
    must_be_modest("a cursor of one series", ASKED_FOR);
    steplog_cursor_close(cursor);
    free(series);
    steplog_reader_close(reader);
    kit_store_close(store);
    (void)test_count_peak();
    kit_verify(path);
    must_be_modest("verify", 0);
}

Test(wide, pages_cost_a_reader_little_memory)
{
    test_random random = test_random_begin("wide");
    const char *path = test_path(test_temp_dir(), "store");
    steplog_id run;
    write_wide(path, &random, &run);
    test_count_begin();
    look(path, &run);
    steplog_store *store = kit_store(path, STEPLOG_NO_THREAD, 0);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    kit_store_close(store);
    must_be_modest("compaction", 0);
    look(path, &run);
    cr_assert_eq(test_count_end(), 0);
}
