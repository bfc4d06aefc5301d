/* A store is merged from while its rows are on their way from logs to segments and up the levels: what a merge that
 * succeeds has not brought is missing for good. */
#include "steplog.h"

#include "os/os.h"
#include "support/call_hook.h"
#include "support/sim_os.h"
#include "support/store_kit.h"

#include <criterion/criterion.h>

enum { SEALED_ROWS = 6, LIVE_ROWS = 7, ROWS = SEALED_ROWS + LIVE_ROWS };

static steplog_store *source, *other;
static steplog_writer *live;

static void seal(void)
{
    if (live) kit_writer_close(live);
    live = NULL;
}
static void compact(void) { OK(steplog_store_compact(other, NULL, NULL, &kit_error)); }
static void seal_and_compact(void) { seal(), compact(); }

static void record(steplog_store *store, const char *key, int64_t rows)
{
    steplog_writer *writer = kit_writer(store, key, 0, 0);
    for (int64_t step = 0; step < rows; step++) kit_log(writer, "loss", step, (double)step);
    kit_writer_close(writer);
}

static void make_level(const char *level)
{
    int seg = sl_os->open_dir(-1, "source/seg");
    cr_assert(seg >= 0 && sl_os->make_dir(seg, level) == 0);
    sl_os->close(seg);
}

static void merge_at_each_call(uint32_t flags, int has_levels, void (*action)(void), const char *what)
{
    uint64_t most = 1, merged = 0;
    for (uint64_t at = 1; at <= most; at++) {
        sim *machine = sim_new(at);
        sim_use(machine);
        source = kit_store("source", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
        other = kit_store("source", STEPLOG_NO_THREAD | flags, 0);
        steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
        record(source, "run", SEALED_ROWS);
        record(source, "old", 2);
        live = kit_writer(source, "run", 0, 0);
        steplog_id run = kit_run_of(live);
        for (int64_t step = SEALED_ROWS; step < ROWS; step++) kit_log(live, "loss", step, 1);
        if (has_levels) make_level("1"), make_level("2");
        test_hook_calls(at, action);
        steplog_merge_result result = {.size_bytes = sizeof result};
        steplog_status status = steplog_store_merge(store, "source", NULL, NULL, &result, &kit_error);
        if (test_unhook_calls()) most = at + 1;
        if (status == STEPLOG_OK) {
            merged++;
            steplog_reader *reader = kit_reader(store);
            kit_rows rows = kit_read(reader, &run, "*", NULL);
            cr_assert_eq(rows.row_count, ROWS, "%s at call %d: %d rows of %d came", what, (int)at, (int)rows.row_count,
                         ROWS);
            kit_rows_free(&rows);
            kit_no_damage(reader);
            steplog_reader_close(reader);
        }
        seal();
        kit_store_close(store);
        kit_store_close(other);
        kit_store_close(source);
        sim_use(NULL);
        sim_free(machine);
    }
    cr_assert(most > 50 && merged > most / 2, "%s: %d calls, %d merges", what, (int)most, (int)merged);
}

Test(moving, what_is_merged_lies_above_all_that_it_was_made_of)
{
    sim *machine = sim_new(1);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    record(store, "first", 5);
    for (uint32_t levels = 2; levels < 6; levels++) {
        record(store, "more", 5);
        OK(steplog_store_compact(store, NULL, NULL, &kit_error));
        steplog_reader *reader = kit_reader(store);
        steplog_store_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_store_info(reader, &info, &kit_error));
        cr_assert_eq(info.level_count, levels, "%u levels, expected %u", info.level_count, levels);
        steplog_reader_close(reader);
    }
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

IN_BOTH_MODES(moving, a_merge_brings_what_is_sealed_meanwhile) { merge_at_each_call(flags, 0, seal, "sealed"); }

IN_BOTH_MODES(moving, a_merge_brings_what_moves_up_meanwhile)
{
    merge_at_each_call(flags, 0, compact, "compacted");
    merge_at_each_call(flags, 1, compact, "compacted");
    merge_at_each_call(flags, 1, seal_and_compact, "sealed and compacted");
}
