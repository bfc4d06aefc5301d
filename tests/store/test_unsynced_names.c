/* A process is killed at any call while it publishes a segment. The next one finds the segment under its name, which
 * may not outlive a power cut yet: what it removes because its records are in that segment must wait for that. */
#include "steplog.h"

#include "support/sim_os.h"
#include "support/store_kit.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { ROWS = 20, CALLS_MOST = 2000 };

static uint32_t lose_everything(void *context, uint32_t count, uint32_t newest)
{
    (void)context, (void)count, (void)newest;
    return 0;
}

static steplog_writer *record(steplog_store *store, int number)
{
    char key[16];
    snprintf(key, sizeof key, "run%d", number);
    steplog_writer *writer = kit_writer(store, key, 0, 0);
    for (int64_t step = 0; step < ROWS; step++) kit_log(writer, "loss", step, kit_value(5, (uint64_t)number, (uint64_t)step, 0));
    return writer;
}

/* The power is cut, and all that was not synced is lost: these runs are whole. */
static void check_after_power_cut(sim *machine, const steplog_id *runs, int count, uint64_t call)
{
    sim_crash_at(machine, sim_point_count(machine) + 1, NULL, NULL);
    sim_point(machine);
    sim_crash *crash = sim_take_crash(machine);
    cr_assert(crash);
    sim *after = sim_crash_state(crash, 0, lose_everything, NULL);
    sim_crash_free(crash);
    sim_use(after);
    for (int run = 0; run < count; run++) {
        kit_rows rows = kit_read_store("store", &runs[run], "loss", 0);
        cr_assert_eq(rows.row_count, ROWS, "killed at call %d: run %d has %d rows of %d", (int)call, run,
                     (int)rows.row_count, ROWS);
        for (size_t row = 0; row < rows.row_count; row++)
            cr_assert_eq(kit_bits(kit_at(&rows, row, 0)), kit_bits(kit_value(5, (uint64_t)run, row, 0)));
        kit_rows_free(&rows);
    }
    sim_use(machine);
    sim_free(after);
}

IN_BOTH_MODES(unsynced_names, of_a_segment_are_synced_before_recovery_removes_its_logs)
{
    int has_ended = 0;
    for (uint64_t call = 1; call < CALLS_MOST && !has_ended; call++) {
        sim *machine = sim_new(call);
        sim_use(machine);
        sim_trace(machine);
        steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
        steplog_writer *writer = record(store, 0);
        steplog_id run = kit_run_of(writer);
        OK(steplog_writer_sync(writer, &kit_error));
        sim_stop_at(machine, SIM_ALL, call);
        has_ended = steplog_writer_close(writer, 0, &kit_error) == STEPLOG_OK;
        sim_kill_begin(machine);
        steplog_store_close(store, &kit_error);
        sim_kill_end(machine);
        store = kit_store("store", STEPLOG_NO_THREAD | flags, 65536);
        OK(steplog_store_tick(store, 1000, &kit_error));
        writer = record(store, 1);
        OK(steplog_writer_sync(writer, &kit_error)); /* and the names of the logs with it */
        check_after_power_cut(machine, &run, 1, call);
        kit_writer_close(writer);
        kit_store_close(store);
        sim_use(NULL);
        sim_free(machine);
    }
    cr_assert(has_ended);
}

/* Of level 2, while those that are removed are of level 0. */
Test(unsynced_names, of_a_segment_are_synced_before_compaction_removes_what_it_holds)
{
    enum { RUNS = 10 };
    int has_ended = 0;
    for (uint64_t call = 1; call < CALLS_MOST && !has_ended; call++) {
        sim *machine = sim_new(call);
        steplog_id runs[RUNS];
        sim_use(machine);
        sim_trace(machine);
        steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
        for (int n = 0; n < RUNS; n++) {
            steplog_writer *writer = record(store, n);
            runs[n] = kit_run_of(writer);
            kit_writer_close(writer);
            if (n == 1) OK(steplog_store_compact(store, NULL, NULL, &kit_error));
        }
        sim_stop_at(machine, SIM_ALL, call);
        has_ended = steplog_store_compact(store, NULL, NULL, &kit_error) == STEPLOG_OK;
        sim_kill_begin(machine);
        steplog_store_close(store, &kit_error);
        sim_kill_end(machine);
        store = kit_store("store", STEPLOG_NO_THREAD, 65536);
        steplog_compact_options light = {.size_bytes = sizeof light, .flags = STEPLOG_COMPACT_LIGHT};
        OK(steplog_store_compact(store, &light, NULL, &kit_error));
        kit_writer_close(record(store, RUNS)); /* a segment of level 0, and the names there with it */
        check_after_power_cut(machine, runs, RUNS, call);
        kit_store_close(store);
        sim_use(NULL);
        sim_free(machine);
    }
    cr_assert(has_ended);
}
