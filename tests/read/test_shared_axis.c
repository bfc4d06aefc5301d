/* Chunks that share parts of their axes. */
#include "steplog.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>

/* Uneven steps, then even ones: the bytes of a packed axis end with zeros, however many rows follow. */
static int64_t step_of(uint64_t row)
{
    int64_t step = 0;
    for (uint64_t i = 1; i <= row; i++) step += i < 80 ? 4 + 4 * (int64_t)(i * i % 7) : 4;
    return step;
}

Test(shared_axis, equal_bytes_stand_for_chunks_of_different_row_counts)
{
    for (uint64_t count = 80; count < 100; count++) {
        const char *path = test_path(test_temp_dir(), "store");
        steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
        steplog_writer *writer = kit_writer(store, "run", 0, 1);
        steplog_metric metrics[2] = {kit_metric(writer, "a"), kit_metric(writer, "b")};
        steplog_id run = kit_run_of(writer);
        for (uint64_t m = 0; m < 2; m++)
            for (uint64_t row = 0; row < count + m; row++)
                OK(steplog_writer_point(writer, metrics[m], step_of(row), STEPLOG_TIME_NONE, (double)row));
        kit_writer_close(writer);
        kit_store_close(store);
        kit_verify(path);
        kit_rows a = kit_read_store(path, &run, "a", 0), b = kit_read_store(path, &run, "b", 0);
        cr_assert_eq(a.row_count, count);
        cr_assert_eq(b.row_count, count + 1);
        for (uint64_t row = 0; row < count + 1; row++) {
            cr_assert(row == count || a.steps[row] == step_of(row));
            cr_assert_eq(b.steps[row], step_of(row));
        }
        kit_rows_free(&a);
        kit_rows_free(&b);
    }
}
