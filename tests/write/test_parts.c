/* Texts that were not completed: nobody has their numbers, and nothing is said to be missing. */
#include "steplog.h"

#include "support/sim_os.h"
#include "support/store_kit.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void check(const steplog_id *run, size_t points, size_t blobs)
{
    steplog_store *store = kit_store("store", STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, run, "m", NULL);
    cr_assert_eq(rows.row_count, points);
    cr_assert_eq(steplog_reader_blob_count(reader, run), blobs);
    steplog_run_info info = {.size_bytes = sizeof info};
    OK(steplog_reader_run_by_id(reader, run, &info, &kit_error));
    cr_assert_eq(info.row_count, points, "%d rows are told of", (int)info.row_count);
    cr_assert_eq(info.point_count, points);
    kit_rows_free(&rows);
    kit_no_damage(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
    kit_verify("store");
}

/* A log in which nothing stands but parts is sealed: by its writer, or by whoever finds it. */
static void seal_parts(int is_killed)
{
    enum { SMALL = 3 << 20, LARGE = 20 << 20 };
    uint8_t *data = malloc(LARGE);
    uint64_t state = 7;
    for (size_t i = 0; i < LARGE; i++) data[i] = (uint8_t)((state = state * 6364136223846793005u + 1) >> 56);
    sim *machine = sim_new(1);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | STEPLOG_FORCE_PWRITE, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    for (int64_t step = 0; step < 10; step++) kit_log(writer, "m", step, 1);
    sim_set_faults(machine, &(sim_fault){.kinds = SIM_WRITE, .at = 30, .os_errno = ENOSPC}, 1);
    GIVES(FULL, steplog_writer_blob(writer, "b", 1, STEPLOG_TIME_NONE, NULL, data, SMALL, &kit_error));
    sim_set_faults(machine, NULL, 0);
    OK(steplog_store_tick(store, 1000, &kit_error));
    sim *after = is_killed ? sim_after_kill(machine) : NULL;
    OK(steplog_writer_blob(writer, "b", 1, STEPLOG_TIME_NONE, NULL, data, LARGE, &kit_error)); /* in another log */
    OK(steplog_store_tick(store, 1000, &kit_error));
    check(&run, 10, 1);
    for (int64_t step = 10; step < 20; step++) kit_log(writer, "m", step, 1);
    kit_writer_close(writer);
    kit_store_close(store);
    check(&run, 20, 1);
    if (is_killed) {
        sim_use(after);
        check(&run, 10, 0);
        store = kit_store("store", STEPLOG_NO_THREAD, 0);
        OK(steplog_store_compact(store, NULL, NULL, &kit_error));
        kit_store_close(store);
        check(&run, 10, 0);
    }
    sim_use(NULL);
    sim_free(after);
    sim_free(machine);
    free(data);
}

Test(parts, alone_in_a_log_are_dropped_when_it_is_sealed) { seal_parts(0); }

Test(parts, alone_in_a_log_are_dropped_when_it_is_recovered) { seal_parts(1); }

/* Beside rows in the same log they do not make these fewer. */
Test(parts, of_a_fact_are_not_taken_for_rows)
{
    enum { BYTES = 500000 };
    char *value = malloc(BYTES + 1);
    memset(value, 'v', BYTES);
    value[BYTES] = 0;
    sim *machine = sim_new(1);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | STEPLOG_FORCE_PWRITE, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    for (int64_t step = 0; step < 10; step++) kit_log(writer, "m", step, 1);
    sim_set_faults(machine, &(sim_fault){.kinds = SIM_WRITE, .at = 4, .os_errno = ENOSPC}, 1);
    GIVES(FULL, steplog_writer_set_fact(writer, "note", value, &kit_error));
    sim_set_faults(machine, NULL, 0);
    check(&run, 10, 0);
    kit_writer_close(writer);
    kit_store_close(store);
    check(&run, 10, 0);
    sim_use(NULL);
    sim_free(machine);
    free(value);
}
