/* A segment's trailer that passes its check and speaks of another file: the index is made again from the pages. */
#include "steplog.h"

#include "support/reseal.h"
#include "support/sim_os.h"
#include "support/store_kit.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 300, TRAILER_CONTENT_BYTES = 232 };

static char segment_path[256];

static void find_segment(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    (void)context, (void)data, (void)bytes;
    if (strstr(path, ".seg")) snprintf(segment_path, sizeof segment_path, "%s", path);
}

/* Changes one byte of the trailer's content; all checks are right afterwards. */
static void change_trailer(sim *machine, size_t at, uint8_t change)
{
    uint64_t bytes;
    sim_each_file(machine, find_segment, NULL);
    const uint8_t *intact = sim_file(machine, segment_path, &bytes);
    uint8_t *changed = malloc(bytes), *before = malloc(bytes);
    memcpy(changed, intact, bytes);
    memcpy(before, intact, bytes);
    changed[bytes - TRAILER_CONTENT_BYTES + at] ^= change;
    reseal_file(changed, bytes, before, bytes);
    sim_put_file(machine, segment_path, changed, bytes);
    free(changed);
    free(before);
}

/* The size of the file, and where each table begins and how much it holds. */
Test(trailer, that_speaks_of_another_file_is_damage_and_hides_nothing)
{
    for (size_t at = 0; at < 8 + 6 * 16; at++) {
        sim *machine = sim_new(1);
        sim_use(machine);
        steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
        steplog_writer *writer = kit_writer(store, "run", 0, 0);
        steplog_id run = kit_run_of(writer);
        for (int64_t step = 0; step < ROWS; step++) kit_log(writer, "loss", step, (double)step);
        kit_writer_close(writer);
        change_trailer(machine, at, 8);
        steplog_reader *reader = kit_reader(store);
        kit_rows rows = kit_read(reader, &run, "*", NULL);
        cr_assert_eq(rows.row_count, ROWS, "byte %d: %d rows", (int)at, (int)rows.row_count);
        kit_rows_free(&rows);
        cr_assert(steplog_reader_damage_count(reader) > 0, "nothing is said of byte %d of the trailer", (int)at);
        steplog_reader_close(reader);
        kit_store_close(store);
        sim_use(NULL);
        sim_free(machine);
    }
}
