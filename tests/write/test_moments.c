/* What the background meets when it comes in the middle of an append. It is called from inside the system calls of the
 * append, as its own thread would come: nothing here depends on chance. */
#include "steplog.h"

#include "base/memory.h"
#include "os/os.h"
#include "support/sim_os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"
#include "write/writer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 20 };

static const sl_os_table *under; /* what sl_os was before */
static sl_os_table hooked;
static sim *machine, *after; /* a power cut */
static steplog_store *store;
static steplog_writer *writer;

static uint32_t lose_everything(void *context, uint32_t count, uint32_t newest)
{
    (void)context, (void)count, (void)newest;
    return 0;
}

static void begin_machine(void)
{
    machine = sim_new(1);
    sim_use(machine);
    sim_trace(machine);
    under = sl_os;
    hooked = *under;
}

static sim_crash *crash_here(void)
{
    sim_crash_at(machine, sim_point_count(machine) + 1, NULL, NULL);
    sim_point(machine);
    sim_crash *crash = sim_take_crash(machine);
    cr_assert(crash != NULL);
    return crash;
}

/* Goes on with the machine as a power cut leaves it that takes all that was not synced. */
static void cut_power(sim_crash *crash)
{
    after = sim_crash_state(crash, 0, lose_everything, NULL);
    sim_crash_free(crash);
    sl_os = under;
    sim_stop(machine);
    steplog_writer_close(writer, 0, NULL);
    steplog_store_close(store, NULL);
    writer = NULL;
    sim_use(after);
}

static void end_machine(void)
{
    sim_use(NULL);
    sim_free(after);
    sim_free(machine);
}

static steplog_status append(steplog_schema schema, int64_t step)
{
    double values[COLUMNS];
    for (int i = 0; i < COLUMNS; i++) values[i] = (double)(step + i);
    return steplog_writer_append(writer, schema, step, 1000 + step, values);
}

static size_t rows_after(const steplog_id *run, const char *selector)
{
    steplog_store *again = kit_store("store", STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(again);
    kit_rows rows = kit_read(reader, run, selector, NULL);
    size_t count = rows.row_count;
    kit_rows_free(&rows);
    steplog_reader_close(reader);
    kit_store_close(again);
    return count;
}

/* The number of the run's gap of this key; -1: there is none. */
static int64_t gap_of(const steplog_id *run, const char *key)
{
    steplog_store *again = kit_store("store", STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(again);
    int64_t number = -1;
    for (size_t i = 0; i < steplog_reader_event_count(reader, run); i++) {
        steplog_event event = {.size_bytes = sizeof event};
        OK(steplog_reader_event(reader, run, i, &event, &kit_error));
        if (event.kind == STEPLOG_EVENT_GAP && event.key && strcmp(event.key, key) == 0 && event.number > number)
            number = event.number;
    }
    steplog_reader_close(reader);
    kit_store_close(again);
    return number;
}

/* ---- one log takes the place of another ---- */

static int is_armed, has_fired;
static sim_crash *crash_in_between;
static uint64_t durable_told;

/* The first record of a fresh log: the old one is not handed over yet. */
static int64_t sync_while_rotating(int fd, const void *data, size_t bytes, uint64_t at)
{
    if (is_armed && !has_fired && at == SL_LOG_HEADER_BYTES && atomic_load(&writer->log)->fd == fd && bytes > 40) {
        has_fired = 1;
        OK(sl_writer_sync_logs(writer, &kit_error));
        durable_told = kit_stats(writer).durable_sequence;
        crash_in_between = crash_here();
    }
    return under->pwrite(fd, data, bytes, at);
}

Test(moments, a_sync_while_logs_are_changed_tells_nothing_that_is_not_durable)
{
    begin_machine();
    hooked.pwrite = sync_while_rotating;
    sl_os = &hooked;
    store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | STEPLOG_FORCE_PWRITE, 65536);
    writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    for (int64_t step = 0; step < 100; step++) OK(append(schema, step));
    OK(steplog_writer_sync(writer, &kit_error));
    uint64_t others = kit_stats(writer).last_sequence - 100; /* facts */
    is_armed = 1;
    int64_t step = 100;
    while (!has_fired) OK(append(schema, step++));
    cr_assert(step > 300, "the log was full after %d rows", (int)step);
    cut_power(crash_in_between);
    size_t rows = rows_after(&run, "m0");
    cr_assert(durable_told <= rows + others, "%d records were told to be durable, %zu rows are", (int)durable_told, rows);
    cr_assert(rows >= 100);
    end_machine();
}

static int stage, first_fd;

/* The sync of the background fails while the fresh log is filled, and then the next fresh log can not be filled. */
static int64_t fail_while_rotating(int fd, const void *data, size_t bytes, uint64_t at)
{
    sl_row_log *active = writer ? atomic_load(&writer->log) : NULL;
    if (stage == 1 && active && active->fd == fd && at == SL_LOG_HEADER_BYTES) {
        int64_t written = under->pwrite(fd, data, bytes, at);
        sim_fault fault = {.kinds = SIM_SYNC, .at = 1, .os_errno = EIO};
        stage = 2;
        first_fd = fd;
        sim_set_faults(machine, &fault, 1);
        sl_writer_sync_logs(writer, NULL);
        sim_set_faults(machine, NULL, 0);
        return written;
    }
    if (stage == 2 && active && active->fd == fd && fd != first_fd && at > SL_LOG_HEADER_BYTES + 1200) {
        stage = 3;
        return -ENOSPC;
    }
    return under->pwrite(fd, data, bytes, at);
}

Test(moments, a_sync_that_fails_while_logs_are_changed_leaves_each_log_once)
{
    begin_machine();
    hooked.pwrite = fail_while_rotating;
    sl_os = &hooked;
    store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | STEPLOG_FORCE_PWRITE, 65536);
    writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    stage = 1;
    size_t kept = 0;
    for (int64_t step = 0; step < 2000; step++) {
        steplog_status status = append(schema, step);
        cr_assert(status == STEPLOG_OK || status == STEPLOG_FULL);
        kept += status == STEPLOG_OK;
    }
    cr_assert(stage >= 2);
    size_t count = 0;
    for (sl_row_log *log = atomic_load(&writer->sealing); log; log = log->next, count++) {
        cr_assert(count < 100 && log != log->next && log != atomic_load(&writer->log), "a log is in the list twice");
        for (sl_row_log *other = log->next; other; other = other->next) cr_assert(other != log);
    }
    kit_writer_close(writer);
    kit_store_close(store);
    cr_assert_eq(rows_after(&run, "m0"), kept);
    end_machine();
}

/* ---- a full disk ---- */

static _Atomic int is_full_for_segments, is_full_for_logs;
static _Atomic int64_t slept_ns;
static int full_allocate(int fd, uint64_t bytes) { return is_full_for_logs ? -ENOSPC : under->allocate(fd, bytes); }
static int64_t full_pwrite(int fd, const void *data, size_t bytes, uint64_t at)
{
    return is_full_for_segments ? -ENOSPC : under->pwrite(fd, data, bytes, at);
}
static void count_sleep(int64_t ns)
{
    slept_ns += ns;
    under->sleep_ns(ns);
}

Test(moments, refused_appends_do_not_wait_for_a_sealer_that_has_no_room)
{
    under = sl_os;
    hooked = *under;
    hooked.allocate = full_allocate;
    hooked.pwrite = full_pwrite;
    hooked.sleep_ns = count_sleep;
    sl_os = &hooked;
    steplog_store_options options = {
        .size_bytes = sizeof options, .flags = STEPLOG_CREATE, .log_bytes = 1 << 20, .backlog_bytes = 2 << 20};
    OK(steplog_store_open(test_path(test_temp_dir(), "store"), &options, &store, &kit_error));
    writer = kit_writer(store, "run", 0, 0);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    int64_t step = 0;
    is_full_for_segments = 1; /* so that the full logs wait, however fast the sealer is */
    for (; step < 30000; step++) OK(append(schema, step));
    is_full_for_logs = 1;
    while (append(schema, step) == STEPLOG_OK) step++;
    cr_assert(atomic_load(&writer->waiting_bytes) >= options.backlog_bytes, "%d bytes wait",
              (int)atomic_load(&writer->waiting_bytes));
    slept_ns = 0;
    for (int i = 0; i < 40; i++) cr_assert_eq(append(schema, step), STEPLOG_FULL);
    cr_assert(slept_ns <= 150000000, "40 refused appends slept for %d ms", (int)(slept_ns / 1000000));
    is_full_for_segments = is_full_for_logs = 0;
    kit_writer_close(writer);
    kit_store_close(store);
    sl_os = under;
}

/* What was refused is known after a power cut, once sync() said so. */
IN_BOTH_MODES(moments, what_a_full_disk_refused_is_durable_with_the_rest)
{
    begin_machine();
    store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    OK(append(schema, 0));
    OK(steplog_writer_sync(writer, &kit_error));
    sim_set_budget(machine, sim_used_bytes(machine), 4096);
    int64_t refused = 0;
    for (int64_t step = 1; step < 1500; step++) refused += append(schema, step) == STEPLOG_FULL;
    OK(steplog_writer_sync(writer, &kit_error)); /* and no more of it below */
    for (int64_t step = 1500; step < 3000; step++) refused += append(schema, step) == STEPLOG_FULL;
    cr_assert(refused > 1000);
    OK(steplog_writer_sync(writer, &kit_error));
    cut_power(crash_here());
    cr_assert_eq(gap_of(&run, "refused"), refused * COLUMNS);
    end_machine();
}

/* A log that is full, and whose sync fails when there is room again: its gap moves with what it counted. */
IN_BOTH_MODES(moments, what_a_full_disk_refused_moves_with_a_log_that_failed)
{
    begin_machine();
    store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    sim_set_budget(machine, sim_used_bytes(machine), 4096);
    int64_t refused = 0, step = 0;
    for (; step < 3000; step++) refused += append(schema, step) == STEPLOG_FULL;
    sim_fault fault = {.kinds = SIM_SYNC, .at = 1, .os_errno = EIO};
    sim_set_failed_sync(machine, SIM_SYNC_CLEAN_NEW);
    sim_set_faults(machine, &fault, 1);
    GIVES(IO, sl_writer_sync_logs(writer, &kit_error));
    sim_set_faults(machine, NULL, 0);
    sim_set_budget(machine, UINT64_MAX, 4096);
    for (; step < 3010; step++) OK(append(schema, step));
    OK(steplog_writer_sync(writer, &kit_error));
    cr_assert_eq(gap_of(&run, "refused"), refused * COLUMNS);
    cut_power(crash_here());
    cr_assert_eq(gap_of(&run, "refused"), refused * COLUMNS);
    end_machine();
}

static int move_count;

/* While rows are moved out of a log that failed to sync the new log fails to sync too, and the disk is full. */
static int64_t fail_and_fill_while_moving(int fd, const void *data, size_t bytes, uint64_t at)
{
    int64_t written = under->pwrite(fd, data, bytes, at);
    if (!writer || !writer->moving_lost || fd != atomic_load(&writer->log)->fd || ++move_count != 10) return written;
    sim_fault fault = {.kinds = SIM_SYNC, .at = 1, .os_errno = EIO};
    sim_set_faults(machine, &fault, 1);
    GIVES(IO, sl_writer_sync_logs(writer, &kit_error));
    sim_set_faults(machine, NULL, 0);
    sim_set_budget(machine, sim_used_bytes(machine), 4096);
    return written;
}

/* What is moved then has its number, and stays where it was: the gap of what is refused takes none. */
static void refuse_while_moving(int is_rows)
{
    enum { ROWS = 20 };
    begin_machine();
    hooked.pwrite = fail_and_fill_while_moving;
    sl_os = &hooked;
    store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | STEPLOG_FORCE_PWRITE, 65536);
    writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    steplog_metric metric = kit_metric(writer, "m0");
    for (int64_t step = 0; step < ROWS; step++)
        OK(is_rows ? append(schema, step) : steplog_writer_point(writer, metric, step, 1000 + step, 1));
    sim_fault fault = {.kinds = SIM_SYNC, .at = 1, .os_errno = EIO};
    sim_set_failed_sync(machine, SIM_SYNC_CLEAN_NEW);
    sim_set_faults(machine, &fault, 1);
    GIVES(IO, sl_writer_sync_logs(writer, &kit_error));
    sim_set_faults(machine, NULL, 0);
    GIVES(IO, append(schema, ROWS));
    cr_assert_geq(move_count, 10);
    cr_assert_eq(kit_stats(writer).refused_count, 0, "%d points were refused", (int)kit_stats(writer).refused_count);
    GIVES(FAILED, append(schema, ROWS));
    cr_assert_eq(rows_after(&run, "m0"), ROWS);
    sim_set_budget(machine, UINT64_MAX, 4096);
    GIVES(FAILED, steplog_writer_close(writer, 0, &kit_error));
    kit_store_close(store);
    cr_assert_eq(rows_after(&run, "m0"), ROWS);
    kit_verify("store");
    end_machine();
}

Test(moments, a_refusal_while_rows_are_moved_takes_no_number) { refuse_while_moving(1); }

Test(moments, a_refusal_while_points_are_moved_takes_no_number) { refuse_while_moving(0); }

static int gap_stage;

/* The gap record is being made: there is room again, and the log that it was to go to fails to sync. */
static void *fail_while_gap_begins(void *old, size_t bytes)
{
    sl_row_log *log = writer ? atomic_load(&writer->log) : NULL;
    if (gap_stage == 1 && log && atomic_load(&log->limit) == log->capacity_bytes - SL_LOG_RESERVE_BYTES / 2) {
        gap_stage = 2;
        sim_set_budget(machine, UINT64_MAX, 4096);
        sim_fault fault = {.kinds = SIM_SYNC, .at = 1, .os_errno = EIO};
        sim_set_faults(machine, &fault, 1);
        GIVES(IO, sl_writer_sync_logs(writer, &kit_error));
        sim_set_faults(machine, NULL, 0);
    }
    return realloc(old, bytes);
}

/* It goes to another log, and the first one is sealed and gone. */
static int64_t seal_while_gap_begins(int fd, const void *data, size_t bytes, uint64_t at)
{
    if (gap_stage == 2 && atomic_load(&writer->sealing) && !writer->moving_lost) {
        gap_stage = 3;
        OK(sl_writer_seal(writer, 0, &kit_error));
    }
    return under->pwrite(fd, data, bytes, at);
}

/* Under ASan: nothing is stored into the log that was freed. */
Test(moments, a_gap_that_begins_in_another_log_leaves_the_first_alone)
{
    begin_machine();
    hooked.pwrite = seal_while_gap_begins;
    sl_os = &hooked;
    store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | STEPLOG_FORCE_PWRITE, 65536);
    writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    sim_set_failed_sync(machine, SIM_SYNC_CLEAN_NEW);
    sim_set_budget(machine, sim_used_bytes(machine), 4096);
    sl_memory_functions.resize = fail_while_gap_begins;
    gap_stage = 1;
    size_t kept = 0, refused = 0;
    for (int64_t step = 0; step < 3000; step++) {
        steplog_status status = append(schema, step);
        cr_assert(status == STEPLOG_OK || status == STEPLOG_FULL);
        kept += status == STEPLOG_OK;
        refused += status == STEPLOG_FULL;
    }
    cr_assert_eq(gap_stage, 3);
    cr_assert_eq(refused, 1);
    sl_memory_functions.resize = realloc;
    kit_writer_close(writer);
    kit_store_close(store);
    cr_assert_eq(rows_after(&run, "m0"), kept);
    cr_assert_eq(gap_of(&run, "refused"), COLUMNS);
    end_machine();
}

/* ---- in the middle of a record ---- */

static int part_count;

static int64_t sync_between_parts(int fd, const void *data, size_t bytes, uint64_t at)
{
    if (bytes > 60000 && ++part_count == 3) OK(sl_writer_sync_logs(writer, &kit_error));
    return under->pwrite(fd, data, bytes, at);
}

static size_t blob_count(const steplog_id *run)
{
    steplog_store *again = kit_store("store", STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(again);
    size_t count = steplog_reader_blob_count(reader, run);
    steplog_reader_close(reader);
    kit_store_close(again);
    return count;
}

Test(moments, a_blob_that_was_synced_in_parts_is_moved_whole)
{
    begin_machine();
    hooked.pwrite = sync_between_parts;
    sl_os = &hooked;
    store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | STEPLOG_FORCE_PWRITE, 1 << 20);
    writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    for (int i = 0; i < 5; i++) kit_log(writer, "m", i, i);
    static char data[300000];
    memset(data, 7, sizeof data);
    OK(steplog_writer_blob(writer, "image", 1, 1, NULL, data, sizeof data, &kit_error));
    for (int i = 5; i < 9; i++) kit_log(writer, "m", i, i);
    cr_assert(part_count >= 4);
    sl_os = under;
    sim_fault fault = {.kinds = SIM_SYNC, .at = 1, .os_errno = EIO};
    sim_set_failed_sync(machine, SIM_SYNC_CLEAN_NEW);
    sim_set_faults(machine, &fault, 1);
    OK(steplog_writer_sync(writer, &kit_error));
    sim_set_faults(machine, NULL, 0);
    cr_assert_eq(kit_stats(writer).durable_sequence, kit_stats(writer).last_sequence);
    cr_assert_eq(gap_of(&run, "lost"), -1);
    cut_power(crash_here());
    cr_assert_eq(rows_after(&run, "m"), 9);
    cr_assert_eq(blob_count(&run), 1);
    end_machine();
}

/* An append stores its tail before its number: a sync in between marks the one without the other. */
IN_BOTH_MODES(moments, a_sync_between_the_tail_and_its_number_is_made_good_by_the_next)
{
    begin_machine();
    store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    writer = kit_writer(store, "run", 0, 0);
    for (int i = 0; i < 5; i++) kit_log(writer, "m", i, i);
    sl_row_log *log = atomic_load(&writer->log);
    uint64_t last = atomic_load(&log->tail_sequence);
    atomic_store(&log->tail_sequence, last - 1);
    OK(sl_writer_sync_logs(writer, &kit_error));
    atomic_store(&log->tail_sequence, last);
    OK(steplog_writer_sync(writer, &kit_error));
    cr_assert_eq(kit_stats(writer).durable_sequence, kit_stats(writer).last_sequence);
    kit_writer_close(writer);
    kit_store_close(store);
    end_machine();
}
