/* Files on the highest levels that a name can have: what is made of files has to lie above them, and there is nothing. */
#include "steplog.h"

#include "os/os.h"
#include "support/sim_os.h"
#include "support/store_kit.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 40, RUNS = 10, SEGMENT_BYTES_MOST = 1 << 16 };

static sim *machine;
static char segment[128]; /* the last one of level 0 of a store that was looked for */
static size_t segment_bytes;
static uint8_t content[SEGMENT_BYTES_MOST];
static const char *store_looked_at;

static void begin(void)
{
    machine = sim_new(5);
    sim_use(machine);
}

static void end(void)
{
    sim_use(NULL);
    sim_free(machine);
}

static steplog_id record(steplog_store *store, int number)
{
    char key[16];
    snprintf(key, sizeof key, "run%d", number);
    steplog_writer *writer = kit_writer(store, key, 0, 0);
    steplog_id run = kit_run_of(writer);
    for (int64_t step = 0; step < ROWS; step++) kit_log(writer, "loss", step, (double)step);
    kit_writer_close(writer);
    return run;
}

static void see_file(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    char folder[64];
    snprintf(folder, sizeof folder, "%s/seg/0/", store_looked_at);
    const char *found = strstr(path, folder);
    (void)context;
    if (!found) return;
    cr_assert_leq(bytes, sizeof content);
    snprintf(segment, sizeof segment, "%s", path);
    memcpy(content, data, segment_bytes = (size_t)bytes);
}

/* Puts a copy of the only segment of level 0 of a store onto a level. */
static void put_copy(const char *from, const char *to, const char *level, int is_damaged)
{
    char path[128];
    segment[0] = 0;
    store_looked_at = from;
    sim_each_file(machine, see_file, NULL);
    cr_assert(segment[0]);
    if (is_damaged) content[segment_bytes / 2] ^= 16;
    snprintf(path, sizeof path, "%s/seg/%s%s", to, level, strrchr(segment, '/'));
    sim_put_file(machine, path, content, segment_bytes);
}

static void count_file(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    (void)data, (void)bytes;
    *(int *)context += strstr(path, store_looked_at) != NULL;
}

static int count_files(const char *part_of_path)
{
    int count = 0;
    store_looked_at = part_of_path;
    sim_each_file(machine, count_file, &count);
    return count;
}

static void check_run(const char *path, const steplog_id *run)
{
    kit_rows rows = kit_read_store(path, run, "loss", 0);
    cr_assert_eq(rows.row_count, ROWS, "%d rows", (int)rows.row_count);
    kit_rows_free(&rows);
}

Test(highest_level, is_not_compacted)
{
    begin();
    steplog_id runs[RUNS + 2];
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    for (int i = 0; i < RUNS; i++) {
        runs[i] = record(store, i);
        put_copy("store", "store", "4294967295", 0);
        cr_assert(sim_remove_file(machine, segment));
    }
    steplog_compact_options options = {.size_bytes = sizeof options, .flags = STEPLOG_COMPACT_LIGHT};
    for (int round = 0; round < 2; round++, options.flags = 0) {
        OK(steplog_store_compact(store, &options, NULL, &kit_error));
        cr_assert_eq(count_files("seg/4294967295/"), RUNS, "round %d: %d files", round, count_files("seg/4294967295/"));
        cr_assert_eq(count_files("/seg/"), RUNS);
    }
    /* Nor does it keep the others from it. */
    for (int i = RUNS; i < RUNS + 2; i++) runs[i] = record(store, i);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    cr_assert_eq(count_files("seg/1/"), 1);
    cr_assert_eq(count_files("/seg/"), RUNS + 1);
    kit_store_close(store);
    for (int i = 0; i < RUNS + 2; i++) check_run("store", &runs[i]);
    kit_verify("store");
    end();
}

/* A copy that is whole goes to a level that is free, and then those are gone. */
Test(highest_level, of_a_damaged_file_is_made_whole_by_merging)
{
    begin();
    steplog_store *from = kit_store("from", STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    steplog_id run = record(from, 0);
    put_copy("from", "store", "4294967295", 1);
    put_copy("from", "store", "4294967294", 1);
    steplog_merge_result result = {.size_bytes = sizeof result};
    OK(steplog_store_merge(store, "from", NULL, NULL, &result, &kit_error));
    cr_assert_eq(result.files_copied, 1);
    cr_assert_eq(count_files("store/seg/"), 1, "%d files", count_files("store/seg/"));
    OK(steplog_store_merge(store, "from", NULL, NULL, &result, &kit_error));
    cr_assert_eq(result.files_copied, 0);
    kit_store_close(store);
    kit_store_close(from);
    check_run("store", &run);
    kit_verify("store");
    end();
}
