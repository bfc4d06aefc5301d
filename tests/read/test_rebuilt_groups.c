/* A damaged table of chunks beside a damaged chunk: the groups of the others are all there, whoever looks. */
#include "steplog.h"

#include "support/sim_os.h"
#include "support/store_kit.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMAS = 5, ROWS = 20, CHUNK_TABLE = 3, CHUNK_ENTRY = 80, PAGE_HEAD = 24 };

static char segment_path[256];
static uint8_t *segment;
static uint64_t segment_bytes;

static void take_segment(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    (void)context;
    if (!strstr(path, ".seg")) return;
    cr_assert_null(segment);
    snprintf(segment_path, sizeof segment_path, "%s", path);
    segment = malloc(bytes);
    memcpy(segment, data, segment_bytes = bytes);
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
    return x;
}

/* Each metric, but for the one whose chunk is damaged, has all its rows. */
static void check(const steplog_id *run, int damaged, const char *when)
{
    steplog_store *store = kit_store("store", STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, run, "*", NULL);
    size_t counts[SCHEMAS] = {0};
    cr_assert_eq(rows.row_count, (SCHEMAS - 1) * ROWS, "%s, chunk %d: %zu rows", when, damaged, rows.row_count);
    for (size_t r = 0; r < rows.row_count; r++) counts[rows.steps[r] / ROWS]++;
    for (int s = 0; s < SCHEMAS; s++) cr_assert_eq(counts[s], s == damaged ? 0u : ROWS, "%s, schema %d", when, s);
    kit_rows_free(&rows);
    steplog_reader_close(reader);
    kit_store_close(store);
}

Test(rebuilt_groups, are_those_of_the_table)
{
    sim *machine = sim_new(1);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    for (int s = 0; s < SCHEMAS; s++) {
        char name[2] = {(char)('a' + s), 0};
        for (int row = 0; row < ROWS; row++)
            OK(steplog_writer_point(writer, kit_metric(writer, name), s * ROWS + row, row, row));
    }
    kit_writer_close(writer);
    kit_store_close(store);
    sim_each_file(machine, take_segment, NULL);
    const uint64_t table = load64(segment + segment_bytes - 232 + 8 + 16 * CHUNK_TABLE);
    for (int damaged = 0; damaged < SCHEMAS; damaged++) {
        uint8_t *changed = malloc(segment_bytes);
        memcpy(changed, segment, segment_bytes);
        changed[load64(segment + table + PAGE_HEAD + damaged * CHUNK_ENTRY) + PAGE_HEAD] ^= 1;
        changed[table + PAGE_HEAD] ^= 1;
        sim_put_file(machine, segment_path, changed, segment_bytes);
        check(&run, damaged, "as it is");
        store = kit_store("store", STEPLOG_NO_THREAD, 0);
        steplog_compact_result result = {.size_bytes = sizeof result};
        steplog_compact_options options = {.size_bytes = sizeof options, .flags = STEPLOG_COMPACT_NOW};
        OK(steplog_store_compact(store, &options, &result, &kit_error));
        kit_store_close(store);
        check(&run, damaged, "compacted");
        sim_use(NULL);
        sim_free(machine);
        machine = sim_new(1); /* as it was: a machine of its own for each */
        sim_use(machine);
        kit_store_close(kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
        free(changed);
    }
    free(segment);
    sim_use(NULL);
    sim_free(machine);
}
