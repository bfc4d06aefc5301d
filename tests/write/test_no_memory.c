/* A name or a list of names for which there is no memory: nothing happened. */
#include "steplog.h"

#include "support/fail_memory.h"
#include "support/sim_os.h"
#include "support/store_kit.h"

#include <criterion/criterion.h>

enum { ROWS = 10 };

static void holds(const steplog_id *run, const char *metric, double first)
{
    kit_rows rows = kit_read_store("store", run, metric, 0);
    cr_assert_eq(rows.row_count, ROWS, "%s has %d points", metric, (int)rows.row_count);
    for (size_t row = 0; row < rows.row_count; row++)
        cr_assert_eq(kit_at(&rows, row, 0), first + (double)row, "%s has another's points", metric);
    kit_rows_free(&rows);
}

/* The allocation number at fails in the first call, for each number that it has. */
static void fail_each_allocation(uint32_t flags, int (*record)(steplog_writer *writer, uint64_t at),
                                 const char *const *metrics, size_t count)
{
    int is_through = 0;
    for (uint64_t at = 1; !is_through; at++) {
        test_memory_fail(0, 0);
        sim *machine = sim_new(at);
        sim_use(machine);
        steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
        steplog_writer *writer = kit_writer(store, "run", 0, 0);
        steplog_id run = kit_run_of(writer);
        is_through = record(writer, at);
        cr_assert(is_through || at < 50);
        cr_assert(!is_through || at > 1, "nothing was allocated");
        OK(steplog_writer_sync(writer, &kit_error));
        for (size_t i = 0; i < count; i++) holds(&run, metrics[i], 100 * (double)i);
        kit_writer_close(writer);
        kit_store_close(store);
        for (size_t i = 0; i < count; i++) holds(&run, metrics[i], 100 * (double)i);
        kit_verify("store");
        sim_use(NULL);
        sim_free(machine);
    }
    test_memory_restore();
}

static int name_metrics(steplog_writer *writer, uint64_t at)
{
    steplog_metric loss, accuracy;
    test_memory_fail(at, 0);
    steplog_status status = steplog_writer_metric(writer, "loss", 4, &loss, NULL);
    test_memory_fail(0, 0);
    cr_assert(status == STEPLOG_OK || status == STEPLOG_NOMEM);
    OK(steplog_writer_metric(writer, "accuracy", 8, &accuracy, &kit_error));
    OK(steplog_writer_metric(writer, "loss", 4, &loss, &kit_error));
    for (int64_t step = 0; step < ROWS; step++) {
        OK(steplog_writer_point(writer, loss, step, STEPLOG_TIME_NONE, (double)step));
        OK(steplog_writer_point(writer, accuracy, step, STEPLOG_TIME_NONE, 100 + (double)step));
    }
    return status == STEPLOG_OK;
}

IN_BOTH_MODES(no_memory, for_a_metric_leaves_its_number_to_the_next)
{
    static const char *const metrics[] = {"loss", "accuracy"};
    fail_each_allocation(flags, name_metrics, metrics, 2);
}

static int name_schemas(steplog_writer *writer, uint64_t at)
{
    steplog_metric a = kit_metric(writer, "a"), b = kit_metric(writer, "b"), c = kit_metric(writer, "c");
    const steplog_metric first[2] = {a, b}, second[2] = {c, a};
    steplog_schema lost, other;
    test_memory_fail(at, 0);
    steplog_status status = steplog_writer_schema(writer, first, 2, &lost, NULL);
    test_memory_fail(0, 0);
    cr_assert(status == STEPLOG_OK || status == STEPLOG_NOMEM);
    OK(steplog_writer_schema(writer, second, 2, &other, &kit_error));
    for (int64_t step = 0; step < ROWS; step++) {
        const double values[2] = {100 + (double)step, (double)step};
        OK(steplog_writer_append(writer, other, step, STEPLOG_TIME_NONE, values));
    }
    OK(steplog_writer_schema(writer, first, 2, &lost, &kit_error));
    cr_assert_neq(lost.index, other.index);
    return status == STEPLOG_OK;
}

IN_BOTH_MODES(no_memory, for_a_schema_leaves_its_number_to_the_next)
{
    static const char *const metrics[] = {"a", "c"};
    fail_each_allocation(flags, name_schemas, metrics, 2);
}

static int log_names(steplog_writer *writer, uint64_t at)
{
    test_memory_fail(at, 0);
    steplog_status status = steplog_writer_log(writer, 0, (steplog_named[]){{"a", 0}, {"b", 100}}, 2);
    test_memory_fail(0, 0);
    cr_assert(status == STEPLOG_OK || status == STEPLOG_NOMEM);
    for (int64_t step = status == STEPLOG_OK; step < ROWS; step++)
        OK(steplog_writer_log(writer, step, (steplog_named[]){{"a", (double)step}, {"b", 100 + (double)step}}, 2));
    return status == STEPLOG_OK;
}

IN_BOTH_MODES(no_memory, for_a_row_by_name_leaves_nothing_behind)
{
    static const char *const metrics[] = {"a", "b"};
    fail_each_allocation(flags, log_names, metrics, 2);
}
