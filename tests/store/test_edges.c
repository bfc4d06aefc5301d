/* Arguments at the edge of what the headers allow: NULL that means "default", nothing at all, empty ranges. */
#include "steplog.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int count_item(void *context, const steplog_dump_item *item)
{
    (void)item;
    ++*(uint64_t *)context;
    return 0;
}

Test(edges, a_writer_without_options_is_a_run_of_its_own)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_CREATE, .sync_interval_ms = 5};
    steplog_store *store;
    steplog_writer *first, *second;
    OK(steplog_store_open(path, &options, &store, &kit_error));
    unsetenv("STEPLOG_RUN_KEY");
    OK(steplog_writer_open(store, NULL, &first, NULL));
    setenv("STEPLOG_RUN_KEY", "", 1);
    OK(steplog_writer_open(store, NULL, &second, NULL));
    steplog_id a = kit_run_of(first), b = kit_run_of(second);
    cr_assert(memcmp(&a, &b, sizeof a) != 0);
    OK(steplog_writer_blob(first, "nothing", 1, 2, NULL, NULL, 0, NULL));
    kit_writer_close(first);
    kit_writer_close(second);
    kit_store_close(store);
    store = kit_store(path, STEPLOG_READ_ONLY, 0);
    OK(steplog_store_tick(store, 0, NULL));
    steplog_reader *reader = kit_reader(store);
    steplog_blob_info blob = {.size_bytes = sizeof blob};
    OK(steplog_reader_blob(reader, &a, 0, &blob, NULL));
    cr_assert_eq(blob.bytes, 0);
    cr_assert_str_eq(blob.content_type, "application/octet-stream");
    steplog_reader_close(reader);
    kit_store_close(store);
    kit_verify(path);
}

Test(edges, plots_of_nothing_and_of_nothing_but_nan)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    for (int i = 0; i < 600; i++) kit_log(writer, "nan", i, NAN);
    steplog_id run = kit_run_of(writer);
    kit_writer_close(writer);
    steplog_reader *reader = kit_reader(store);
    steplog_series series = kit_series(reader, &run, "nan");
    steplog_m4 buckets[3];
    memset(buckets, 0, sizeof buckets);
    OK(steplog_reader_m4(reader, series, NULL, 3, buckets, NULL, NULL, NULL));
    cr_assert_eq(buckets[0].count + buckets[1].count + buckets[2].count, 600);
    steplog_view empty[] = {{.size_bytes = sizeof *empty, .has_end = 1, .step_end = INT64_MIN},
                            {.size_bytes = sizeof *empty, .has_begin = 1, .has_end = 1, .step_begin = 5, .step_end = 5}};
    for (int i = 0; i < 2; i++) {
        steplog_cursor *cursor;
        steplog_batch batch;
        steplog_reader_m4(reader, series, &empty[i], 3, buckets, NULL, NULL, NULL);
        OK(steplog_cursor_open(reader, &series, 1, &empty[i], &cursor, NULL));
        GIVES(END, steplog_cursor_next(cursor, &batch, 0, NULL));
        steplog_cursor_close(cursor);
    }
    steplog_reader_close(reader);
    kit_store_close(store);
}

Test(edges, a_follower_of_one_series_within_a_range)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    for (int i = 0; i < 10; i++) kit_log(writer, "loss", i, i), kit_log(writer, "other", i, i);
    steplog_reader *reader = kit_reader(store);
    steplog_series series = kit_series(reader, &run, "loss");
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW, .has_begin = 1, .has_end = 1,
                         .step_begin = 3, .step_end = 12};
    steplog_cursor *cursor;
    steplog_batch batch;
    size_t seen = 0;
    OK(steplog_cursor_open(reader, &series, 1, &view, &cursor, NULL));
    while (steplog_cursor_next(cursor, &batch, 0, NULL) == STEPLOG_OK)
        for (size_t row = 0; row < batch.row_count; row++) seen += batch.present[0][0] >> row & 1;
    cr_assert_eq(seen, 7);
    for (int i = 10; i < 20; i++) kit_log(writer, "loss", i, i), kit_log(writer, "third", i, i);
    while (steplog_cursor_next(cursor, &batch, 50, NULL) == STEPLOG_OK)
        for (size_t row = 0; row < batch.row_count; row++) seen += batch.present[0][0] >> row & 1;
    cr_assert_eq(seen, 9);
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    kit_writer_close(writer);
    kit_store_close(store);
}

Test(edges, a_removed_run_is_found_by_nobody)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "gone", 0, 0), *other = kit_writer(store, "kept", 0, 0);
    steplog_id run = kit_run_of(writer), ids[2];
    char text[STEPLOG_ID_TEXT_BYTES];
    size_t found;
    kit_log(writer, "m", 1, 1);
    kit_log(other, "m", 1, 1);
    kit_writer_close(writer);
    kit_writer_close(other);
    steplog_remove_options removal = {.size_bytes = sizeof removal, .run = run};
    steplog_remove_result removed = {.size_bytes = sizeof removed};
    OK(steplog_remove(store, &removal, &removed, NULL));
    steplog_reader *reader = kit_reader(store);
    steplog_run_info info = {.size_bytes = sizeof info};
    steplog_id_format(&run, text);
    GIVES(MISSING, steplog_reader_run_by_id(reader, &run, &info, NULL));
    GIVES(MISSING, steplog_reader_find_runs(reader, text, ids, 2, &found, NULL));
    GIVES(MISSING, steplog_reader_find_runs(reader, "gone", ids, 2, &found, NULL));
    OK(steplog_reader_find_runs(reader, "*", ids, 2, &found, NULL));
    cr_assert_eq(found, 1);
    OK(steplog_reader_find_runs(reader, "@latest", ids, 2, &found, NULL));
    cr_assert_eq(found, 1);
    steplog_reader_close(reader);
    kit_store_close(store);
}

Test(edges, one_file_is_dumped_by_any_path_to_it)
{
    const char *path = test_path(test_temp_dir(), "store");
    kit_store_close(kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    uint64_t counts[3] = {0};
    OK(steplog_dump(path, "STEPLOG", 0, count_item, &counts[0], NULL));
    OK(steplog_dump(test_path(path, "STEPLOG"), NULL, 0, count_item, &counts[1], NULL));
    cr_assert_eq(chdir(path), 0);
    OK(steplog_dump("STEPLOG", NULL, 0, count_item, &counts[2], NULL));
    cr_assert(counts[0] > 3 && counts[0] == counts[1] && counts[0] == counts[2]);
    cr_assert(steplog_dump("/nothing", NULL, 0, count_item, counts, NULL) < 0);
    GIVES(MISUSE, steplog_dump("", NULL, 0, count_item, counts, NULL));
    GIVES(MISUSE, steplog_dump(path, NULL, 1u << 31, count_item, counts, NULL));
}
