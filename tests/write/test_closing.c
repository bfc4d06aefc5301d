/* A close that can not seal: what its logs say is durable outlives the power. */
#include "steplog.h"

#include "support/sim_os.h"
#include "support/store_kit.h"

#include <criterion/criterion.h>
#include <errno.h>

enum { COLUMNS = 20, ROWS = 1000 }; /* one full log, and another one */

static uint32_t lose_everything(void *context, uint32_t count, uint32_t newest)
{
    (void)context, (void)count, (void)newest;
    return 0;
}

/* But for what the failed sync gave up. */
static uint32_t lose_nothing(void *context, uint32_t count, uint32_t newest)
{
    (void)context, (void)count;
    return newest;
}

/* The rows are a prefix: at least the first `least` ones. */
static void check(const steplog_id *run, size_t least)
{
    kit_rows rows = kit_read_store("store", run, "m*", 0);
    cr_assert(rows.row_count >= least, "%d rows of %d durable ones", (int)rows.row_count, (int)least);
    for (size_t row = 0; row < rows.row_count; row++)
        cr_assert_eq(rows.steps[row], (int64_t)row, "row %d is of step %d: a hole", (int)row, (int)rows.steps[row]);
    kit_rows_free(&rows);
}

/* The disk has no room for a segment, and the sync of the full log fails: in the close or before. */
static void close_on_a_bad_disk(uint32_t flags, int is_synced_before)
{
    sim *machine = sim_new(1);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    sim_trace(machine);
    sim_set_failed_sync(machine, SIM_SYNC_CLEAN_NEW);
    double values[COLUMNS] = {0};
    for (int64_t step = 0; step < ROWS; step++)
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
    cr_assert_eq(kit_stats(writer).slow_append_count, 1, "it is one log after another");
    sim_set_budget(machine, sim_used_bytes(machine), SIM_PAGE_BYTES);
    /* The first sync is that of the log's directory; sealing syncs two others, of the levels, before it. */
    sim_set_faults(machine, &(sim_fault){.kinds = SIM_SYNC, .at = is_synced_before ? 2 : 4, .os_errno = EIO}, 1);
    if (is_synced_before) GIVES(FULL, steplog_writer_sync(writer, &kit_error));
    cr_assert_eq(kit_stats(writer).durable_sequence, 0);
    GIVES(FULL, steplog_writer_close(writer, 0, &kit_error));
    cr_assert_eq(sim_fault_count(machine), 1);
    sim_crash_at(machine, sim_point_count(machine) + 1, NULL, NULL);
    sim_point(machine);
    sim_crash *crash = sim_take_crash(machine);
    cr_assert(crash);
    check(&run, ROWS);
    sim_stop(machine);
    steplog_store_close(store, NULL);
    for (int is_lost = 0; is_lost < 2; is_lost++) {
        sim *after = sim_crash_state(crash, 0, is_lost ? lose_everything : lose_nothing, NULL);
        sim_use(after);
        check(&run, 0);
        kit_verify("store");
        sim_use(NULL);
        sim_free(after);
    }
    sim_crash_free(crash);
    sim_free(machine);
}

IN_BOTH_MODES(closing, without_room_after_a_failed_sync_marks_no_later_log) { close_on_a_bad_disk(flags, 1); }

IN_BOTH_MODES(closing, without_room_with_a_failed_sync_marks_no_later_log) { close_on_a_bad_disk(flags, 0); }

/* Else the logs stay, and are durable. */
IN_BOTH_MODES(closing, without_room_leaves_durable_logs)
{
    sim *machine = sim_new(1);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    sim_trace(machine);
    double values[COLUMNS] = {0};
    for (int64_t step = 0; step < ROWS; step++)
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
    sim_set_budget(machine, sim_used_bytes(machine), SIM_PAGE_BYTES);
    GIVES(FULL, steplog_writer_close(writer, 0, &kit_error));
    sim_crash_at(machine, sim_point_count(machine) + 1, NULL, NULL);
    sim_point(machine);
    sim_crash *crash = sim_take_crash(machine);
    cr_assert(crash);
    sim *after = sim_crash_state(crash, 0, lose_everything, NULL);
    sim_crash_free(crash);
    sim_stop(machine);
    steplog_store_close(store, NULL);
    sim_use(after);
    check(&run, ROWS);
    sim_use(NULL);
    sim_free(after);
    sim_free(machine);
}
