/* A sync that fails once, on disks that behave as ext4 and XFS (pages count as written and keep their content) or as
 * Btrfs (they hold what they held before): what the writer says is durable afterwards outlives the power. */
#include "steplog.h"

#include "os/os.h"
#include "support/sim_os.h"
#include "support/store_kit.h"
#include "write/writer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { COLUMNS = 20, ROWS = 90 };

static uint32_t lose_everything(void *context, uint32_t count, uint32_t newest)
{
    (void)context, (void)count, (void)newest;
    return 0;
}

static void append(steplog_writer *writer, steplog_schema schema, int64_t first, int64_t count)
{
    double values[COLUMNS];
    for (int64_t step = first; step < first + count; step++) {
        for (uint64_t c = 0; c < COLUMNS; c++) values[c] = kit_value(9, 0, (uint64_t)step, c);
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
    }
}

static int says_what_is_lost(steplog_reader *reader, const steplog_id *run)
{
    for (size_t i = 0; i < steplog_reader_event_count(reader, run); i++) {
        steplog_event event = {.size_bytes = sizeof event};
        OK(steplog_reader_event(reader, run, i, &event, &kit_error));
        if (event.kind == STEPLOG_EVENT_GAP) return 1;
    }
    return 0;
}

/* Rows are there bit for bit; none of the first `least` is missing, unless the writer told of it. */
static void check(const steplog_id *run, size_t least, int may_lose)
{
    steplog_store *store = kit_store("store", STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, run, "m*", NULL);
    size_t seen = 0;
    for (size_t row = 0; row < rows.row_count; row++) {
        uint64_t step = (uint64_t)rows.steps[row];
        cr_assert(step < 3 * ROWS && (row == 0 || rows.steps[row] > rows.steps[row - 1]));
        seen += step < least;
        uint64_t sum = 0, expected = 0; /* columns come by name */
        for (uint64_t c = 0; c < COLUMNS; c++) {
            sum += kit_bits(kit_at(&rows, row, c));
            expected += kit_bits(kit_value(9, 0, step, c));
        }
        cr_assert_eq(sum, expected, "row %d has other values", (int)step);
    }
    cr_assert(seen == least || (may_lose && says_what_is_lost(reader, run)), "%d of %d durable rows are there",
              (int)seen, (int)least);
    kit_rows_free(&rows);
    kit_no_damage(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
}

static void fail_a_sync(uint32_t flags, int behaviour)
{
    for (uint64_t at = 1; at <= 3; at++) {
        sim *machine = sim_new(at);
        sim_use(machine);
        steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
        sim_trace(machine);
        sim_set_failed_sync(machine, behaviour);
        steplog_writer *writer = kit_writer(store, "run", 0, 0);
        steplog_id run = kit_run_of(writer);
        steplog_schema schema = kit_schema(writer, "m", COLUMNS);
        append(writer, schema, 0, ROWS);
        OK(steplog_writer_sync(writer, &kit_error));
        append(writer, schema, ROWS, ROWS);
        sim_set_faults(machine, &(sim_fault){.kinds = SIM_SYNC, .at = at, .os_errno = EIO}, 1);
        steplog_writer_sync(writer, &kit_error);
        append(writer, schema, 2 * ROWS, ROWS);
        steplog_status status = steplog_writer_sync(writer, &kit_error);
        uint64_t durable = kit_stats(writer).durable_sequence;
        cr_assert(at > 1 || (status == STEPLOG_OK && durable > 2 * ROWS), "a writer goes on after a failed sync");
        check(&run, 3 * ROWS, behaviour == SIM_SYNC_CLEAN_OLD);
        sim_crash_at(machine, sim_point_count(machine) + 1, NULL, NULL);
        sim_point(machine);
        sim_crash *crash = sim_take_crash(machine);
        cr_assert(crash);
        sim *after = sim_crash_state(crash, 0, lose_everything, NULL);
        sim_crash_free(crash);
        sim_stop(machine);
        steplog_writer_close(writer, 0, &kit_error);
        steplog_store_close(store, &kit_error);
        sim_use(after);
        check(&run, durable < 3 * ROWS ? durable : 3 * ROWS, behaviour == SIM_SYNC_CLEAN_OLD);
        sim_use(NULL);
        sim_free(after);
        sim_free(machine);
    }
}

IN_BOTH_MODES(failed_sync, that_leaves_pages_as_they_are_loses_nothing) { fail_a_sync(flags, SIM_SYNC_CLEAN_NEW); }

IN_BOTH_MODES(failed_sync, that_takes_pages_back_is_told_of) { fail_a_sync(flags, SIM_SYNC_CLEAN_OLD); }

/* The rows are read from the old log again, and that fails once. */
Test(failed_sync, and_a_read_that_fails_meanwhile_lose_nothing)
{
    for (uint64_t at = 1; at <= 2; at++) {
        sim *machine = sim_new(at);
        sim_use(machine);
        steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | STEPLOG_FORCE_PWRITE, 0);
        steplog_writer *writer = kit_writer(store, "run", 0, 0);
        steplog_id run = kit_run_of(writer);
        steplog_schema schema = kit_schema(writer, "m", COLUMNS);
        append(writer, schema, 0, ROWS);
        sim_set_faults(machine, (sim_fault[]){{.kinds = SIM_SYNC, .at = 1, .os_errno = EIO},
                                              {.kinds = SIM_READ, .at = at, .os_errno = EIO}}, 2);
        OK(steplog_writer_sync(writer, &kit_error));
        sim_set_faults(machine, NULL, 0);
        append(writer, schema, ROWS, 1);
        check(&run, ROWS + 1, 0);
        kit_writer_close(writer);
        kit_store_close(store);
        check(&run, ROWS + 1, 0);
        sim_use(NULL);
        sim_free(machine);
    }
}

/* It never succeeds: then the rows stay where they are, and nothing is called durable that was not. */
Test(failed_sync, and_reads_that_fail_for_good_end_the_writer)
{
    sim *machine = sim_new(1);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | STEPLOG_FORCE_PWRITE, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    append(writer, schema, 0, ROWS);
    sim_set_faults(machine, (sim_fault[]){{.kinds = SIM_SYNC, .at = 1, .os_errno = EIO},
                                          {.kinds = SIM_READ, .at = 1, .os_errno = EIO, .is_sticky = 1}}, 2);
    GIVES(IO, steplog_writer_sync(writer, &kit_error));
    sim_set_faults(machine, NULL, 0);
    cr_expect_eq(kit_stats(writer).durable_sequence, 0);
    double values[COLUMNS] = {0};
    cr_expect_eq(steplog_writer_append(writer, schema, ROWS, STEPLOG_TIME_NONE, values), STEPLOG_FAILED);
    check(&run, ROWS, 0);
    steplog_writer_close(writer, 0, NULL);
    steplog_store_close(store, NULL);
    check(&run, ROWS, 0);
    sim_use(NULL);
    sim_free(machine);
}

/* The rows can not go to a new log as long as there is no room for one: that is a full disk and no failure. */
IN_BOTH_MODES(failed_sync, on_a_full_disk_is_tried_again_when_space_returns)
{
    sim *machine = sim_new(1);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    append(writer, schema, 0, ROWS);
    sim_set_budget(machine, sim_used_bytes(machine), SIM_PAGE_BYTES);
    sim_set_faults(machine, &(sim_fault){.kinds = SIM_SYNC, .at = 1, .os_errno = EIO}, 1);
    for (int i = 0; i < 3; i++) {
        GIVES(FULL, steplog_writer_sync(writer, &kit_error));
        HOLDS(kit_error.code == STEPLOG_FULL && kit_error.os_errno == ENOSPC, "the error is '%s'", kit_error.text);
        cr_expect_eq(kit_stats(writer).durable_sequence, 0);
        sim_set_faults(machine, NULL, 0);
    }
    check(&run, ROWS, 0);
    sim_set_budget(machine, UINT64_MAX, SIM_PAGE_BYTES);
    OK(steplog_writer_sync(writer, &kit_error));
    cr_expect_eq(kit_stats(writer).durable_sequence, kit_stats(writer).last_sequence);
    append(writer, schema, ROWS, ROWS);
    kit_writer_close(writer);
    kit_store_close(store);
    check(&run, 2 * ROWS, 0);
    sim_use(NULL);
    sim_free(machine);
}

/* Points are moved one by one, each with the step and the time that it shared with the one before it. */
IN_BOTH_MODES(failed_sync, moves_points_with_their_times_and_what_else_was_recorded)
{
    sim *machine = sim_new(2);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_metric a = kit_metric(writer, "a"), b = kit_metric(writer, "b");
    for (int64_t step = 0; step < 50; step++) {
        OK(steplog_writer_point(writer, a, step, 1000 + step, (double)step));
        OK(steplog_writer_point(writer, b, step, step % 2 ? 1000 + step : 7, (double)-step));
    }
    OK(steplog_writer_set_fact(writer, "note", "kept", &kit_error));
    OK(steplog_writer_blob(writer, "blob", 3, STEPLOG_TIME_NONE, NULL, "abc", 3, &kit_error));
    uint64_t rows = kit_stats(writer).row_count;
    sim_set_faults(machine, &(sim_fault){.kinds = SIM_SYNC, .at = 1, .os_errno = EIO}, 1);
    OK(steplog_writer_sync(writer, &kit_error));
    sim_set_faults(machine, NULL, 0);
    cr_assert_eq(kit_stats(writer).row_count, rows);
    OK(steplog_writer_point(writer, b, 49, STEPLOG_TIME_NOW, 5));
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        for (int metric = 0; metric < 2; metric++) {
            kit_rows read = kit_read_store("store", &run, metric ? "b" : "a", 0);
            cr_assert_eq(read.row_count, metric ? 51 : 50);
            for (size_t row = 0; row < 50; row++) {
                cr_assert_eq(read.steps[row], (int64_t)row);
                cr_assert_eq(kit_at(&read, row, 0), metric ? -(double)row : (double)row);
                cr_assert_eq(read.times_ns[row], metric && row % 2 == 0 ? 7 : 1000 + (int64_t)row);
            }
            kit_rows_free(&read);
        }
        steplog_reader *reader = kit_reader(store);
        const char *note = NULL;
        OK(steplog_reader_fact(reader, &run, "note", &note));
        cr_assert_str_eq(note, "kept");
        cr_assert_eq(steplog_reader_blob_count(reader, &run), 1);
        steplog_reader_close(reader);
        if (!is_closed) kit_writer_close(writer);
    }
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

static char log_path[256];

static void find_log(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    (void)context, (void)data, (void)bytes;
    if (strstr(path, "-1.log")) snprintf(log_path, sizeof log_path, "%s", path);
}

typedef struct scene {
    sim *machine;
    steplog_store *store;
    steplog_writer *writer;
    steplog_schema schema;
    steplog_id run;
} scene;

/* A writer has recorded rows, none of them synced. */
static scene begin_scene(uint32_t flags)
{
    scene s = {.machine = sim_new(4)};
    sim_use(s.machine);
    s.store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    s.writer = kit_writer(s.store, "run", 0, 0);
    s.run = kit_run_of(s.writer);
    s.schema = kit_schema(s.writer, "m", COLUMNS);
    append(s.writer, s.schema, 0, ROWS);
    sim_each_file(s.machine, find_log, NULL);
    return s;
}

/* Some bytes of the log are lost. */
static void spoil_rows(void)
{
    static const uint8_t zeros[400];
    int fd = sl_os->open(-1, log_path, SL_OS_WRITE);
    cr_assert(fd >= 0 && sl_os_write_full(fd, zeros, sizeof zeros, 12000) == 0);
    sl_os->close(fd);
}

/* The failed sync took some bytes and left later ones: those rows are declared lost, the others are moved. */
IN_BOTH_MODES(failed_sync, that_takes_rows_from_the_middle_loses_no_other)
{
    scene s = begin_scene(flags);
    spoil_rows();
    sim_set_faults(s.machine, &(sim_fault){.kinds = SIM_SYNC, .at = 1, .os_errno = EIO}, 1);
    OK(steplog_writer_sync(s.writer, &kit_error));
    sim_set_faults(s.machine, NULL, 0);
    append(s.writer, s.schema, ROWS, ROWS);
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        steplog_reader *reader = kit_reader(s.store);
        kit_rows rows = kit_read(reader, &s.run, "m*", NULL);
        size_t lost = 2 * ROWS - rows.row_count;
        cr_assert(lost >= 2 && lost <= 4, "%d rows are lost", (int)lost);
        uint64_t told = 0;
        for (size_t i = 0; i < steplog_reader_event_count(reader, &s.run); i++) {
            steplog_event event = {.size_bytes = sizeof event};
            OK(steplog_reader_event(reader, &s.run, i, &event, &kit_error));
            if (event.kind == STEPLOG_EVENT_GAP) told += (uint64_t)event.number;
        }
        cr_assert_eq(told, lost);
        for (size_t row = 1; row < rows.row_count; row++)
            cr_assert(rows.steps[row] == rows.steps[row - 1] + 1 ||
                      rows.steps[row] == rows.steps[row - 1] + 1 + (int64_t)lost);
        kit_rows_free(&rows);
        steplog_reader_close(reader);
        if (!is_closed) kit_writer_close(s.writer);
    }
    kit_store_close(s.store);
    sim_use(NULL);
    sim_free(s.machine);
}

/* The power went after the rows were moved and synced; of the log that failed to sync some pages had not reached the
 * disk, and later ones had. */
IN_BOTH_MODES(failed_sync, whose_log_lost_a_page_with_the_power_is_sealed_in_order)
{
    static const uint8_t zeros[400];
    sim *machine = sim_new(4);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    append(writer, schema, 0, ROWS);
    sim_each_file(machine, find_log, NULL);
    sim_set_faults(machine, &(sim_fault){.kinds = SIM_SYNC, .at = 1, .os_errno = EIO}, 1);
    OK(steplog_writer_sync(writer, &kit_error));
    sim_set_faults(machine, NULL, 0);
    append(writer, schema, ROWS, ROWS);
    OK(steplog_writer_sync(writer, &kit_error));
    sim *after = sim_after_kill(machine);
    kit_writer_close(writer);
    kit_store_close(store);
    sim_use(after);
    int fd = sl_os->open(-1, log_path, SL_OS_WRITE);
    cr_assert(fd >= 0 && sl_os_write_full(fd, zeros, sizeof zeros, 12000) == 0);
    sl_os->close(fd);
    store = kit_store("store", STEPLOG_NO_THREAD | flags, 0);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    kit_store_close(store);
    sim_remove_file(after, log_path); /* it stays because it is damaged: nobody needs it */
    kit_verify("store");
    check(&run, 2 * ROWS, 0);
    sim_use(NULL);
    sim_free(after);
    sim_free(machine);
}

static void count_segment(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    (void)data, (void)bytes;
    *(int *)context += strlen(path) > 4 && strcmp(path + strlen(path) - 4, ".seg") == 0;
}

/* The writer dies at one call of the move, with some rows lost, and the machine starts anew. 1 when it got that far. */
static int recover_after(uint32_t flags, uint64_t call)
{
    scene s = begin_scene(flags);
    spoil_rows();
    sim_set_faults(s.machine, &(sim_fault){.kinds = SIM_SYNC, .at = 1, .os_errno = EIO}, 1);
    sim_stop_at(s.machine, SIM_ALL, call);
    int is_cut = steplog_writer_sync(s.writer, NULL) < 0;
    sim_kill_begin(s.machine);
    steplog_writer_close(s.writer, 0, &kit_error);
    steplog_store_close(s.store, &kit_error);
    sim_kill_end(s.machine);
    sim_set_faults(s.machine, NULL, 0);
    sim_stop_at(s.machine, 0, 0);
    sim_set_process(s.machine, 77);
    sim_set_boot(s.machine, 2);
    size_t seen = 0;
    for (int round = 0; round < 4; round++) {
        s.store = kit_store("store", STEPLOG_NO_THREAD | flags, 0);
        steplog_reader *reader = kit_reader(s.store);
        kit_rows rows = kit_read(reader, &s.run, "m*", NULL);
        cr_assert(round == 0 || rows.row_count == seen, "call %d, round %d: %d rows, %d before", (int)call, round,
                  (int)rows.row_count, (int)seen);
        seen = rows.row_count;
        kit_rows_free(&rows);
        steplog_reader_close(reader);
        OK(steplog_store_tick(s.store, 10000, &kit_error));
        kit_store_close(s.store);
        int segments = 0;
        sim_each_file(s.machine, count_segment, &segments);
        cr_assert_leq(segments, 1, "call %d, round %d: %d segments", (int)call, round, segments);
    }
    sim_use(NULL);
    sim_free(s.machine);
    return is_cut;
}

/* The record that says what is lost closes the hole for recovery as it does for readers, before a mark covers it. */
IN_BOTH_MODES(failed_sync, that_loses_rows_and_is_cut_short_is_sealed_once)
{
    uint64_t call = 1;
    while (recover_after(flags, call)) cr_assert_lt(++call, 400);
    cr_assert_gt(call, 5);
}

/* The log that rows are moved to does not take them all, and there is no room for another: the writer has failed, so no
 * call says that the next one tries again. */
IN_BOTH_MODES(failed_sync, whose_rows_find_no_second_log_ends_the_writer)
{
    const sim_fault one_log = {.kinds = SIM_SPACE, .at = 2, .os_errno = ENOSPC, .is_sticky = 1};
    scene s = begin_scene(flags);
    spoil_rows();
    sim_set_faults(s.machine, &(sim_fault){.kinds = SIM_SYNC, .at = 1, .os_errno = EIO}, 1);
    sl_writer_sync_logs(s.writer, NULL); /* as the background does */
    sim_set_faults(s.machine, &one_log, 1);
    const double values[COLUMNS] = {0};
    GIVES(IO, steplog_writer_append(s.writer, s.schema, ROWS, STEPLOG_TIME_NONE, values));
    cr_assert_eq(kit_stats(s.writer).refused_count, 0);
    sim_set_faults(s.machine, NULL, 0);
    GIVES(FAILED, steplog_writer_append(s.writer, s.schema, ROWS, STEPLOG_TIME_NONE, values));
    GIVES(FAILED, steplog_writer_close(s.writer, 0, &kit_error));
    steplog_reader *reader = kit_reader(s.store);
    kit_rows rows = kit_read(reader, &s.run, "m*", NULL);
    cr_assert(rows.row_count >= ROWS - 4 && rows.row_count < ROWS, "%d rows are there", (int)rows.row_count);
    kit_rows_free(&rows);
    steplog_reader_close(reader);
    kit_store_close(s.store);
    sim_use(NULL);
    sim_free(s.machine);
}

typedef struct log_names {
    char paths[16][128];
    size_t count;
} log_names;

static void note_log(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    log_names *names = context;
    (void)data, (void)bytes;
    if (strlen(path) > 4 && strcmp(path + strlen(path) - 4, ".log") == 0 && names->count < 16)
        snprintf(names->paths[names->count++], sizeof names->paths[0], "%s", path);
}

/* Somebody removes all logs of a writer, those that it keeps ready too: what it has goes to a new one. */
IN_BOTH_MODES(failed_sync, of_logs_that_were_removed_with_the_spares_is_none)
{
    enum { FILLING = 2000 }; /* rows: more than a quarter of a log, and so few that they find room in the next */
    sim *machine = sim_new(4);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    append(writer, schema, 0, FILLING);
    OK(steplog_store_tick(store, 1000, &kit_error));
    log_names names = {0};
    sim_each_file(machine, note_log, &names);
    cr_assert_gt(names.count, 1, "there is no spare");
    for (size_t i = 0; i < names.count; i++) cr_assert(sim_remove_file(machine, names.paths[i]));
    append(writer, schema, FILLING, 1);
    OK(steplog_writer_sync(writer, &kit_error));
    sim *after = sim_after_kill(machine);
    kit_writer_close(writer);
    kit_store_close(store);
    sim_use(after);
    kit_rows rows = kit_read_store("store", &run, "m0", 0);
    cr_assert_eq(rows.row_count, FILLING + 1, "%d rows", (int)rows.row_count);
    kit_rows_free(&rows);
    sim_use(NULL);
    sim_free(after);
    sim_free(machine);
}
