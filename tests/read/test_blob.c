/* Blobs of a run that is being written. */
#include "steplog.h"

#include "support/count_memory.h"
#include "support/reseal.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOB_BYTES = 1000, COLUMNS = 20, LARGE_BYTES = 24 << 20, MOST = 16 << 20 };

static void record_blob(steplog_writer *writer, int64_t step, char filling)
{
    char content[BLOB_BYTES];
    memset(content, filling, sizeof content);
    OK(steplog_writer_blob(writer, "image", step, STEPLOG_TIME_NONE, "text/plain", content, sizeof content, &kit_error));
}

IN_BOTH_MODES(blob, an_index_means_the_same_blob_after_its_log_was_recycled)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    steplog_id run = kit_run_of(writer);
    double values[COLUMNS] = {0};
    for (int64_t step = 0; step < 2000; step++) { /* into a log that is large enough to be used again */
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
        if (step == 1200) record_blob(writer, 5, 'a');
        if (step % 300 == 0) OK(steplog_store_tick(store, 1000, &kit_error));
    }
    record_blob(writer, 7, 'c');
    steplog_reader *reader = kit_reader(store);
    cr_assert_eq(steplog_reader_blob_count(reader, &run), 2);
    record_blob(writer, 1, 'b'); /* comes before the others where they are listed anew */
    for (int64_t step = 0; step < 6000; step++) {
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
        if (step % 300 == 0) OK(steplog_store_tick(store, 1000, &kit_error));
    }
    for (size_t i = 0; i < 2; i++) {
        char content[BLOB_BYTES], expected[BLOB_BYTES];
        steplog_blob_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_blob(reader, &run, i, &info, &kit_error));
        cr_assert_eq(info.step, i ? 7 : 5);
        memset(expected, i ? 'c' : 'a', sizeof expected);
        OK(steplog_reader_blob_read(reader, &run, i, content, sizeof content, &kit_error));
        cr_assert_arr_eq(content, expected, BLOB_BYTES, "blob %zu holds '%c'", i, content[0]);
    }
    steplog_reader_close(reader);
    kit_writer_close(writer);
    kit_store_close(store);
}

IN_BOTH_MODES(blob, in_a_log_costs_no_memory_until_it_is_asked_for)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 64 << 20);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer);
    uint8_t *content = malloc(LARGE_BYTES), *found = malloc(LARGE_BYTES);
    cr_assert(content && found);
    for (size_t i = 0; i < LARGE_BYTES; i++) content[i] = (uint8_t)(i * i >> 7);
    OK(steplog_writer_blob(writer, "image", 1, STEPLOG_TIME_NONE, "text/plain", content, LARGE_BYTES, &kit_error));
    kit_log(writer, "loss", 1, 1);
    test_count_begin();
    steplog_store *other = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(other);
    cr_assert_eq(steplog_reader_blob_count(reader, &run), 1);
    OK(steplog_reader_blob_read(reader, &run, 0, found, LARGE_BYTES, &kit_error));
    cr_assert_eq(memcmp(found, content, LARGE_BYTES), 0);
    kit_rows rows = kit_read(reader, &run, "*", NULL);
    cr_assert_eq(rows.row_count, 1);
    kit_rows_free(&rows);
    steplog_reader_close(reader);
    kit_store_close(other);
    cr_expect_leq(test_count_peak(), (size_t)MOST, "a reader");
    kit_verify(path);
    cr_expect_leq(test_count_peak(), (size_t)MOST, "verify");
    cr_assert_eq(test_count_end(), 0);
    kit_writer_close(writer);
    kit_store_close(store);
    free(content);
    free(found);
}

static steplog_damage seen;
static char seen_what[200];

static int take_finding(void *context, const steplog_damage *damage)
{
    (void)context;
    seen = *damage;
    snprintf(seen_what, sizeof seen_what, "%s", damage->what);
    return 0;
}

/* Bytes of a blob's second part, with the checks of the log made right. */
Test(blob, in_a_log_is_checked_against_its_hash)
{
    enum { BYTES = 100000 };
    const char *path = test_path(test_temp_dir(), "store");
    static uint8_t log[1 << 20], content[BYTES];
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, sizeof log);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer);
    memset(content, 'b', BYTES);
    OK(steplog_writer_blob(writer, "other", 0, STEPLOG_TIME_NONE, "text/plain", "", 0, &kit_error));
    OK(steplog_writer_blob(writer, "image", 1, STEPLOG_TIME_NONE, "text/plain", content, BYTES, &kit_error));
    kit_verify(path);
    glob_t logs;
    cr_assert_eq(glob(test_path(path, "log/*"), 0, NULL, &logs), 0);
    for (size_t i = 0, changed = 0; i < logs.gl_pathc; i++) {
        FILE *file = fopen(logs.gl_pathv[i], "r+");
        cr_assert(file != NULL);
        size_t bytes = fread(log, 1, sizeof log, file), at = sizeof log;
        while (at && log[at - 1] != 'b') at--;
        if (at) {
            log[at - 1] = 'c';
            reseal_file(log, bytes, NULL, 0);
            rewind(file);
            cr_assert_eq(fwrite(log, 1, bytes, file), bytes);
            cr_assert_eq(changed++, 0);
        }
        fclose(file);
    }
    globfree(&logs);
    steplog_verify_options options = {.size_bytes = sizeof options, .callback = take_finding};
    steplog_verify_result result = {.size_bytes = sizeof result};
    (void)steplog_store_verify(path, &options, &result, &kit_error);
    cr_assert_eq(result.damage_count, 1);
    cr_assert_str_eq(seen_what, "content hash of a blob differs");
    cr_assert(seen.has_steps && seen.step_first == 1);
    steplog_reader *reader = kit_reader(store);
    cr_assert_eq(steplog_reader_blob_count(reader, &run), 2);
    GIVES(CORRUPT, steplog_reader_blob_read(reader, &run, 0, content, BYTES, &kit_error));
    OK(steplog_reader_blob_read(reader, &run, 1, content, BYTES, &kit_error));
    steplog_reader_close(reader);
    kit_writer_close(writer);
    kit_store_close(store);
}
