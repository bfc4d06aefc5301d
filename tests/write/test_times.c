/* The times of points that follow one another at one step: given ones exactly, taken ones from the clock. */
#include "steplog.h"

#include "support/sim_os.h"
#include "support/store_kit.h"
#include "write/writer.h"

#include <criterion/criterion.h>
#include <errno.h>

enum { GIVEN = 1000 };

static sim *machine;
static steplog_store *store;
static steplog_writer *writer;
static steplog_id run;

static void begin(uint32_t flags)
{
    machine = sim_new(1);
    sim_use(machine);
    store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    writer = kit_writer(store, "run", 0, 0);
    run = kit_run_of(writer);
}

static void end(void)
{
    kit_writer_close(writer);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

/* The time of the metric's only point. */
static int64_t time_in(const char *metric)
{
    kit_rows rows = kit_read_store("store", &run, metric, 0);
    cr_assert_eq(rows.row_count, 1);
    int64_t time_ns = rows.times_ns[0];
    kit_rows_free(&rows);
    return time_ns;
}

static void point(const char *metric, int64_t time_ns)
{
    OK(steplog_writer_point(writer, kit_metric(writer, metric), 1, time_ns, 1));
}

static int is_of_clock(int64_t time_ns) { return time_ns != STEPLOG_TIME_NONE && time_ns > 1000000000; }

IN_BOTH_MODES(times, a_point_of_now_takes_no_given_time)
{
    for (int is_none = 0; is_none < 2; is_none++) {
        const int64_t given = is_none ? STEPLOG_TIME_NONE : GIVEN;
        begin(flags);
        const char *const names[] = {"a", "b", "c", "d", "e"};
        for (int i = 0; i < 5; i++) kit_metric(writer, names[i]);
        point("a", given);
        point("b", STEPLOG_TIME_NOW);
        point("c", given);
        point("d", STEPLOG_TIME_NOW);
        point("e", given);
        cr_expect_eq(time_in("a"), given);
        cr_expect_eq(time_in("c"), given);
        cr_expect_eq(time_in("e"), given);
        cr_expect(is_of_clock(time_in("b")));
        cr_expect_eq(time_in("b"), time_in("d"), "points at one step share the reading of the clock");
        end();
    }
}

IN_BOTH_MODES(times, a_point_of_now_takes_no_time_of_a_point_that_was_moved)
{
    begin(flags);
    kit_metric(writer, "a"), kit_metric(writer, "b");
    point("a", GIVEN);
    sim_set_faults(machine, &(sim_fault){.kinds = SIM_SYNC, .at = 1, .os_errno = EIO}, 1);
    OK(steplog_writer_sync(writer, &kit_error));
    sim_set_faults(machine, NULL, 0);
    point("b", STEPLOG_TIME_NOW);
    cr_expect_eq(time_in("a"), GIVEN);
    cr_expect(is_of_clock(time_in("b")));
    end();
}

/* -2^63 never appears as a time in a file. */
Test(times, of_a_refused_point_are_a_time_or_none)
{
    begin(STEPLOG_FORCE_PWRITE);
    steplog_metric metric = kit_metric(writer, "a");
    sim_set_faults(machine, &(sim_fault){.kinds = SIM_WRITE, .at = 1, .os_errno = ENOSPC}, 1);
    GIVES(FULL, steplog_writer_point(writer, metric, 7, STEPLOG_TIME_NOW, 1));
    sim_set_faults(machine, NULL, 0);
    const sl_log_gap *gap = &atomic_load(&writer->log)->gap;
    cr_assert_eq(gap->refused_count, 1);
    cr_expect_neq(gap->time_first_ns, INT64_MIN);
    cr_expect_neq(gap->time_last_ns, INT64_MIN);
    end();
}
