/* The way of a row and of a point into a log that has room. */
#include "steplog.h"

#include "support/fail_memory.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>

IN_BOTH_MODES(writer, appending_allocates_nothing)
{
    test_memory_fail(0, 0);
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_schema schema = kit_schema(writer, "m", 3);
    steplog_metric metric = kit_metric(writer, "point");
    const double values[3] = {1, 2, 3};
    const uint64_t present = 5;
    uint64_t before = test_memory_count();
    for (int64_t step = 0; step < 300; step++) {
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NOW, values));
        OK(steplog_writer_append_present(writer, schema, step, STEPLOG_TIME_NOW, values, &present));
        OK(steplog_writer_point(writer, metric, step, STEPLOG_TIME_NOW, 0.5));
    }
    cr_assert_eq(test_memory_count(), before, "%d allocations", (int)(test_memory_count() - before));
    kit_writer_close(writer);
    kit_store_close(store);
    test_memory_restore();
}
