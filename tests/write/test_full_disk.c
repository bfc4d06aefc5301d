/* A disk that is full for a while: what is refused is said at once, counted by points, and recorded; what is accepted
 * is there. */
#include "steplog.h"

#include "os/os.h"
#include "support/sim_os.h"
#include "support/store_kit.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

enum { COLUMNS = 30, ROWS = 1500 };

/* With is_write_refused each write fails that once had room, as on file systems that copy what they overwrite. */
static void fill_and_go_on(uint32_t flags, int is_write_refused)
{
    const sim_fault no_room = {.kinds = SIM_WRITE | SIM_SPACE, .at = 1, .os_errno = ENOSPC, .is_sticky = 1};
    sim *machine = sim_new(11);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    size_t accepted = 0, refused = 0;
    static uint8_t is_there[ROWS];
    for (int64_t step = 0; step < ROWS; step++) {
        double values[COLUMNS];
        for (int c = 0; c < COLUMNS; c++) values[c] = (double)step;
        if (step == 200 && !is_write_refused) sim_set_budget(machine, sim_used_bytes(machine), SIM_PAGE_BYTES);
        if (step == 200 && is_write_refused)
            sim_set_faults(machine, &no_room, 1);
        if (step == 1200) {
            sim_set_budget(machine, UINT64_MAX, SIM_PAGE_BYTES);
            sim_set_faults(machine, NULL, 0);
        }
        steplog_status status = steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values);
        cr_assert(status == STEPLOG_OK || status == STEPLOG_FULL);
        is_there[step] = status == STEPLOG_OK;
        accepted += status == STEPLOG_OK;
        refused += status == STEPLOG_FULL;
    }
    cr_assert(refused > 100 && accepted > 100 && is_there[ROWS - 1], "%d refused, %d accepted", (int)refused,
              (int)accepted);
    cr_assert_eq(kit_stats(writer).refused_count, refused * COLUMNS);
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        steplog_reader *reader = kit_reader(store);
        kit_rows rows = kit_read(reader, &run, "m*", NULL);
        cr_assert_eq(rows.row_count, accepted, "%d rows of %d", (int)rows.row_count, (int)accepted);
        for (size_t row = 0; row < rows.row_count; row++) cr_assert(is_there[rows.steps[row]]);
        kit_rows_free(&rows);
        uint64_t told = 0;
        for (size_t i = 0; i < steplog_reader_event_count(reader, &run); i++) {
            steplog_event event = {.size_bytes = sizeof event};
            OK(steplog_reader_event(reader, &run, i, &event, &kit_error));
            if (event.kind == STEPLOG_EVENT_GAP) told += (uint64_t)event.number;
        }
        cr_assert(!is_closed || told == refused * COLUMNS, "%d points were refused, the gaps tell of %d",
                  (int)(refused * COLUMNS), (int)told);
        kit_no_damage(reader);
        steplog_reader_close(reader);
        if (!is_closed) kit_writer_close(writer);
    }
    cr_assert_eq(sim_hole_store_count(machine), 0, "a store into a page that was never allocated");
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

IN_BOTH_MODES(full_disk, refuses_counts_and_goes_on) { fill_and_go_on(flags, 0); }

Test(full_disk, a_write_that_finds_no_room_is_refused) { fill_and_go_on(STEPLOG_FORCE_PWRITE, 1); }

/* Where not even the names of a row can be recorded the row is refused as any other. */
IN_BOTH_MODES(full_disk, a_row_whose_names_find_no_room_is_counted)
{
    sim *machine = sim_new(12);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    static char name[STEPLOG_NAME_BYTES_MAX];
    memset(name, 'n', sizeof name - 1);
    const steplog_named row[3] = {{name, 1}, {name + 1, 2}, {name + 2, 3}};
    sim_set_budget(machine, sim_used_bytes(machine), SIM_PAGE_BYTES);
    GIVES(FULL, steplog_writer_log(writer, 7, row, 3));
    GIVES(FULL, steplog_writer_log(writer, 8, row, 3));
    cr_assert_eq(kit_stats(writer).refused_count, 6);
    sim_set_budget(machine, UINT64_MAX, SIM_PAGE_BYTES);
    OK(steplog_writer_log(writer, 9, row, 3));
    kit_writer_close(writer);
    steplog_reader *reader = kit_reader(store);
    uint64_t told = 0;
    for (size_t i = 0; i < steplog_reader_event_count(reader, &run); i++) {
        steplog_event event = {.size_bytes = sizeof event};
        OK(steplog_reader_event(reader, &run, i, &event, &kit_error));
        if (event.kind == STEPLOG_EVENT_GAP) told += (uint64_t)event.number;
    }
    cr_assert_eq(told, 6, "6 points were refused, the gaps tell of %d", (int)told);
    kit_no_damage(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}
