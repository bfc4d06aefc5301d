/* A call that would pass a limit says so and changes nothing. */
#include "steplog.h"

#include "support/sim_os.h"
#include "support/store_kit.h"
#include "write/writer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sim *machine;
static steplog_store *store;

static void begin(void)
{
    machine = sim_new(1);
    sim_use(machine);
    store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
}

static void end(void)
{
    kit_store_close(store);
    kit_verify("store");
    sim_use(NULL);
    sim_free(machine);
}

Test(limits, a_run_at_its_last_attempt_is_not_rewound)
{
    begin();
    for (uint32_t left = 2; left-- > 0;) {
        char key[16];
        snprintf(key, sizeof key, "%u", left);
        steplog_writer *writer = kit_writer(store, key, 0, UINT32_MAX - left);
        steplog_id run = kit_run_of(writer);
        for (int64_t step = 0; step < 10; step++) kit_log(writer, "m", step, 1);
        kit_writer_close(writer);
        uint32_t attempt = 7;
        if (left) OK(steplog_run_rewind(store, &run, 5, &attempt, &kit_error));
        else GIVES(LIMIT, steplog_run_rewind(store, &run, 5, &attempt, &kit_error));
        cr_expect_eq(attempt, left ? UINT32_MAX : 7);
        kit_rows rows = kit_read_store("store", &run, "m", 0);
        cr_expect_eq(rows.row_count, left ? 5 : 10);
        kit_rows_free(&rows);
    }
    end();
}

/* Names that are too long, or too many, are not recorded one by one before that is found. */
Test(limits, of_a_row_by_name_record_no_name)
{
    enum { BYTES = 1100 };
    begin();
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    kit_log(writer, "m", 1, 1);
    steplog_named *named = calloc(STEPLOG_ROW_METRICS_MAX, sizeof *named);
    char *text = malloc(STEPLOG_ROW_METRICS_MAX * (BYTES + 1)), *much = malloc(STEPLOG_NAME_BYTES_MAX + 2);
    memset(much, 'm', STEPLOG_NAME_BYTES_MAX + 1);
    much[STEPLOG_NAME_BYTES_MAX + 1] = 0;
    for (uint32_t i = 0; i < STEPLOG_ROW_METRICS_MAX; i++) {
        char *name = text + i * (BYTES + 1);
        memset(name, 'x', BYTES);
        name[snprintf(name, BYTES, "%u", i)] = 'x';
        name[BYTES] = 0;
        named[i].name = name;
    }
    cr_expect_eq(steplog_writer_log(writer, 1, named, STEPLOG_ROW_METRICS_MAX), STEPLOG_LIMIT);
    cr_expect_eq(writer->table.metrics.count, 1);
    named[1].name = much;
    cr_expect_eq(steplog_writer_log(writer, 1, named, 2), STEPLOG_LIMIT);
    cr_expect_eq(writer->table.metrics.count, 1);
    named[1].name = "";
    cr_expect_eq(steplog_writer_log(writer, 1, named, 2), STEPLOG_MISUSE);
    cr_expect_eq(writer->table.metrics.count, 1);
    uint64_t bytes = writer->table.names_bytes;
    writer->table.names_bytes = STEPLOG_WRITER_NAMES_BYTES_MAX - 300; /* as if there were so many */
    named[0].name = "short", named[1].name = "brief";
    cr_expect_eq(steplog_writer_log(writer, 1, named, 2), STEPLOG_OK);
    named[1].name = "other";
    cr_expect_eq(steplog_writer_log(writer, 1, named, 2), STEPLOG_LIMIT);
    cr_expect_eq(writer->table.metrics.count, 3);
    writer->table.names_bytes = bytes + 300;
    free(text);
    free(much);
    free(named);
    kit_writer_close(writer);
    end();
}
