/* What is listed while it moves: rows on their way from a log to a segment, and from there to one of a higher level,
 * are seen by whoever lists meanwhile, at whatever call that happens. */
#include "steplog.h"

#include "os/os.h"
#include "support/call_hook.h"
#include "support/sim_os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { SEALED_ROWS = 6, LIVE_ROWS = 7, OLD_ROWS = 4 };

/* ---- a reader, and others act at each of its calls ---- */

static steplog_store *store, *other, *mover; /* mover: other, where it is not read-only */
static steplog_writer *live;

static void record(const char *key, int64_t first, int64_t rows)
{
    steplog_writer *writer = kit_writer(store, key, 0, 0);
    for (int64_t step = first; step < first + rows; step++) kit_log(writer, "loss", step, (double)step);
    kit_writer_close(writer);
}

static void seal(void) { kit_writer_close(live), live = NULL; }
static void compact(void) { OK(steplog_store_compact(mover, NULL, NULL, &kit_error)); }
static void seal_and_compact(void) { seal(), compact(); }
static void compact_and_seal(void) { compact(), seal(); }
static void compact_twice(void) { compact(), seal(), compact(); }

static void make_level(const char *level)
{
    int seg = sl_os->open_dir(-1, "store/seg");
    cr_assert(seg >= 0 && sl_os->make_dir(seg, level) == 0);
    sl_os->close(seg);
}

/* Each run is there, whole, and nothing is said. */
static void look(steplog_reader *reader, const steplog_id *run, size_t rows, const char *what, uint64_t at)
{
    kit_rows seen = kit_read(reader, run, "*", NULL);
    cr_assert_eq(seen.row_count, rows, "%s at call %d: %d rows of %d", what, (int)at, (int)seen.row_count, (int)rows);
    for (size_t row = 0; row < rows; row++) cr_assert_eq(seen.steps[row], (int64_t)row);
    kit_rows_free(&seen);
}

static void move_at_each_call(uint32_t flags, int has_levels, void (*action)(void), const char *what)
{
    uint64_t most = 1;
    for (uint64_t at = 1; at <= most; at++) {
        sim *machine = sim_new(at);
        sim_use(machine);
        store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
        mover = other = kit_store("store", STEPLOG_NO_THREAD | flags, 0);
        record("old", 0, OLD_ROWS / 2);
        record("old", OLD_ROWS / 2, OLD_ROWS / 2);
        compact();
        record("run", 0, SEALED_ROWS);
        live = kit_writer(store, "run", 0, 0);
        steplog_id run = kit_run_of(live), old = {{0}};
        for (int64_t step = 0; step < LIVE_ROWS; step++) kit_log(live, "loss", SEALED_ROWS + step, 1);
        size_t found;
        steplog_reader *reader = kit_reader(store);
        OK(steplog_reader_find_runs(reader, "old", &old, 1, &found, &kit_error));
        steplog_reader_close(reader);
        if (has_levels) make_level("2"), make_level("3"), make_level("4");
        test_hook_calls(at, action);
        reader = kit_reader(store);
        look(reader, &run, SEALED_ROWS + LIVE_ROWS, what, at);
        look(reader, &old, OLD_ROWS, what, at);
        kit_no_damage(reader);
        steplog_reader_close(reader);
        if (test_unhook_calls()) most = at + 1; /* it was not the last one */
        if (live) seal();
        kit_store_close(other);
        kit_store_close(store);
        sim_free(machine);
    }
    cr_assert(most > 20, "%s: only %d calls", what, (int)most);
}

IN_BOTH_MODES(listing, misses_nothing_that_is_sealed_meanwhile)
{
    move_at_each_call(flags, 0, seal, "sealed");
}

IN_BOTH_MODES(listing, misses_nothing_that_moves_up_meanwhile)
{
    move_at_each_call(flags, 1, compact, "compacted");
    move_at_each_call(flags, 1, seal_and_compact, "sealed and compacted");
    move_at_each_call(flags, 1, compact_and_seal, "compacted and sealed");
    move_at_each_call(flags, 1, compact_twice, "compacted, sealed and compacted");
}

IN_BOTH_MODES(listing, misses_nothing_that_moves_to_a_level_made_meanwhile)
{
    move_at_each_call(flags, 0, compact, "compacted");
    move_at_each_call(flags, 0, seal_and_compact, "sealed and compacted");
    move_at_each_call(flags, 0, compact_and_seal, "compacted and sealed");
    move_at_each_call(flags, 0, compact_twice, "compacted, sealed and compacted");
}

/* ---- a writer, and a reader at each of its calls ---- */

static steplog_id watched_run;
static uint64_t written, blobs_written, looks;

/* Everything acknowledged and at most one more; nothing is said to be damaged or to end in the middle. */
static void watch(void)
{
    steplog_reader *reader = kit_reader(other);
    kit_rows rows = kit_read(reader, &watched_run, "loss", NULL);
    cr_assert(rows.row_count >= written && rows.row_count <= written + 1, "%d rows of %d", (int)rows.row_count,
              (int)written);
    for (size_t row = 0; row < rows.row_count; row++) cr_assert_eq(rows.steps[row], (int64_t)row);
    kit_rows_free(&rows);
    size_t blobs = steplog_reader_blob_count(reader, &watched_run);
    cr_assert(blobs >= blobs_written && blobs <= blobs_written + 1);
    for (size_t i = 0; i < steplog_reader_damage_count(reader); i++) {
        steplog_damage damage = {.size_bytes = sizeof damage};
        OK(steplog_reader_damage(reader, i, &damage));
        cr_assert(0, "%s at %d: %s", damage.file, (int)damage.offset, damage.what);
    }
    steplog_reader_close(reader);
    looks++;
}

/* Logs are filled, sealed, and used again. With pwrite each step of that is a call. */
Test(listing, at_each_call_of_a_writer_shows_all_that_is_there)
{
    static uint8_t blob[20000];
    sim *machine = sim_new(5);
    sim_use(machine);
    store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | STEPLOG_FORCE_PWRITE, 65536);
    other = kit_store("store", STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    mover = store;
    live = kit_writer(store, "run", 0, 0);
    watched_run = kit_run_of(live);
    kit_log(live, "loss", 0, 0.5);
    written = 1, blobs_written = looks = 0;
    for (size_t i = 0; i < sizeof blob; i++) blob[i] = (uint8_t)(i * i >> 5 | 1);
    test_hook_calls(0, watch);
    while (written < 60) {
        kit_log(live, "loss", (int64_t)written, 0.5);
        written++;
        OK(steplog_writer_blob(live, "blob", 0, STEPLOG_TIME_NONE, "x", blob, sizeof blob - 131 * written, &kit_error));
        blobs_written++;
        if (written % 3 == 0) OK(steplog_store_tick(store, 1000, &kit_error));
        if (written % 20 == 0) compact();
    }
    seal();
    test_unhook_calls();
    cr_assert(looks > 200, "only %d looks", (int)looks);
    kit_store_close(other);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

static int lock_and_tell(int fd)
{
    cr_assert(0, "a reader takes a lock");
    return sl_os_posix.lock(fd);
}

/* While it held one its writer, or who recovers, would not get it. */
Test(listing, takes_no_lock)
{
    sl_os_table table = sl_os_posix;
    const char *path = test_path(test_temp_dir(), "store");
    store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    record("run", 0, SEALED_ROWS);
    live = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(live);
    kit_log(live, "loss", SEALED_ROWS, 1);
    table.lock = lock_and_tell;
    sl_os = &table;
    steplog_reader *reader = kit_reader(store);
    look(reader, &run, SEALED_ROWS + 1, "as it is", 0);
    steplog_reader_close(reader);
    sl_os = &sl_os_posix;
    seal();
    kit_store_close(store);
}
