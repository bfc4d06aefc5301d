/* Removals of ranges of steps. */
#include "steplog.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>

/* The last step there is goes with a removal that has no end, whatever looks: readers of logs and of segments, followers,
 * and compaction. */
IN_BOTH_MODES(removed_steps, without_an_end_take_the_last_step_too)
{
    enum { POINTS = 4, LEFT = 1 };
    static const int64_t steps[POINTS] = {1, 5, INT64_MAX - 1, INT64_MAX};
    for (int is_selected = 0; is_selected < 2; is_selected++) {
        const char *path = test_path(test_temp_dir(), "store");
        steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
        steplog_writer *writer = kit_writer(store, "run", 0, 0);
        steplog_id run = kit_run_of(writer);
        for (int i = 0; i < POINTS; i++) kit_log(writer, "x", steps[i], i);
        steplog_remove_options options = {.size_bytes = sizeof options, .run = run, .has_begin = 1, .step_begin = 5};
        steplog_remove_result result = {.size_bytes = sizeof result};
        if (is_selected) options.selector = "x", options.has_end = 1, options.step_end = INT64_MAX;
        OK(steplog_remove(store, &options, &result, &kit_error));
        cr_assert_eq(result.point_count, (uint64_t)(POINTS - LEFT));
        const steplog_view follow = {.size_bytes = sizeof follow, .flags = STEPLOG_VIEW_FOLLOW};
        for (int stage = 0; stage < 3; stage++) {
            steplog_reader *reader = kit_reader(store);
            kit_rows rows = kit_read(reader, &run, "x", NULL), followed = kit_read(reader, &run, "x", &follow);
            cr_assert_eq(rows.row_count, (size_t)LEFT, "stage %d: %zu rows", stage, rows.row_count);
            cr_assert_eq(followed.row_count, (size_t)LEFT, "stage %d: %zu followed", stage, followed.row_count);
            kit_rows_free(&rows);
            kit_rows_free(&followed);
            steplog_reader_close(reader);
            if (stage == 0) kit_writer_close(writer);
            steplog_compact_options now = {.size_bytes = sizeof now, .flags = STEPLOG_COMPACT_NOW};
            steplog_compact_result compacted = {.size_bytes = sizeof compacted};
            if (stage == 1) OK(steplog_store_compact(store, &now, &compacted, &kit_error));
        }
        /* Compaction has freed what was removed: without its rows the run ends at step 1. */
        steplog_reader *reader = kit_reader(store);
        steplog_run_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_run_by_id(reader, &run, &info, &kit_error));
        cr_assert_eq(info.point_count, (uint64_t)LEFT);
        steplog_reader_close(reader);
        kit_store_close(store);
    }
}
