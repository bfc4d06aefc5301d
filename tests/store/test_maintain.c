/* Facts, blobs, histories, removing, compaction and merging. */
#include "steplog.h"

#include "support/fail_os.h"
#include "support/sim_os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t points_of(steplog_store *store, const steplog_id *run, const char *selector)
{
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, run, selector, NULL);
    size_t points = 0;
    for (size_t i = 0; i < rows.row_count * rows.column_count; i++) points += rows.is_present[i];
    kit_rows_free(&rows);
    kit_no_damage(reader);
    steplog_reader_close(reader);
    return points;
}

static steplog_id record(steplog_store *store, const char *key, size_t rows)
{
    steplog_writer *writer = kit_writer(store, key, 0, 0);
    steplog_id run = kit_run_of(writer);
    for (size_t row = 0; row < rows; row++) {
        kit_log(writer, "loss", (int64_t)row, (double)row);
        kit_log(writer, "acc", (int64_t)row, (double)row);
    }
    kit_writer_close(writer);
    return run;
}

IN_BOTH_MODES(facts, the_latest_value_wins_and_older_ones_are_kept)
{
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | flags, 0);
    steplog_pair labels[] = {{"split", "val"}, {"device", "gpu"}};
    steplog_writer_options options = {.size_bytes = sizeof options,
                                      .run_key = "run",
                                      .run_name = "first",
                                      .project = "p",
                                      .rank = 3,
                                      .labels = labels,
                                      .label_count = 2,
                                      .step_axis = "epoch"};
    steplog_writer *writer = NULL;
    OK(steplog_writer_open(store, &options, &writer, &kit_error));
    steplog_id run = kit_run_of(writer);
    OK(steplog_writer_set_fact(writer, "param.lr", "0.1", &kit_error));
    OK(steplog_writer_set_fact(writer, "param.lr", "0.2", &kit_error));
    OK(steplog_writer_set_fact(writer, "tag.x", "y", &kit_error));
    OK(steplog_writer_set_fact(writer, "tag.x", NULL, &kit_error));
    kit_log(writer, "loss", 1, 2);
    uint8_t image[100000];
    for (size_t i = 0; i < sizeof image; i++) image[i] = (uint8_t)(i * i >> 3);
    OK(steplog_writer_blob(writer, "image", 7, 8, "image/png", image, sizeof image, &kit_error));
    OK(steplog_writer_blob(writer, "empty", 7, 8, "text/plain", "", 0, &kit_error));
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        steplog_reader *reader = kit_reader(store);
        const char *value = NULL;
        OK(steplog_reader_fact(reader, &run, "param.lr", &value));
        cr_assert_str_eq(value, is_closed ? "0.3" : "0.2");
        GIVES(MISSING, steplog_reader_fact(reader, &run, "tag.x", &value));
        GIVES(MISSING, steplog_reader_fact(reader, &run, "nothing", &value));
        size_t sets = 0, in_force = 0;
        for (size_t i = 0; i < steplog_reader_event_count(reader, &run); i++) {
            steplog_event event = {.size_bytes = sizeof event};
            OK(steplog_reader_event(reader, &run, i, &event, &kit_error));
            if (event.kind != STEPLOG_EVENT_SET || strcmp(event.key, "param.lr") != 0) continue;
            sets++;
            in_force += event.is_in_force != 0;
        }
        cr_assert_eq(sets, is_closed ? 3 : 2);
        cr_assert_eq(in_force, 1);
        steplog_writer_info info = {.size_bytes = sizeof info};
        cr_assert_eq(steplog_reader_writer_count(reader, &run), 1);
        OK(steplog_reader_writer(reader, &run, 0, &info, &kit_error));
        cr_assert(info.rank == 3 && info.label_count == 2 && info.is_mapped == !flags);
        cr_assert_str_eq(info.labels[0].key, "device");
        cr_assert_str_eq(info.step_axis, "epoch");
        cr_assert_eq(info.liveness, is_closed ? STEPLOG_LIVENESS_ENDED : STEPLOG_LIVENESS_ALIVE);
        steplog_series series = kit_series(reader, &run, "loss{rank=3,split=v*,device=gpu}");
        steplog_series_info described = {.size_bytes = sizeof described};
        OK(steplog_reader_series(reader, series, &described, &kit_error));
        cr_assert(described.label_count == 2 && described.rank == 3);
        size_t found;
        GIVES(MISSING, steplog_reader_find(reader, &run, "loss{split=train}", NULL, 0, &found, &kit_error));
        GIVES(MISUSE, steplog_reader_find(reader, &run, "loss{split", NULL, 0, &found, &kit_error));
        cr_assert_eq(steplog_reader_blob_count(reader, &run), 2);
        steplog_blob_info blob = {.size_bytes = sizeof blob};
        OK(steplog_reader_blob(reader, &run, 1, &blob, &kit_error));
        cr_assert_str_eq(blob.name, "image");
        cr_assert_str_eq(blob.content_type, "image/png");
        cr_assert(blob.bytes == sizeof image && blob.step == 7 && blob.time_ns == 8);
        static uint8_t buffer[sizeof image];
        GIVES(MISUSE, steplog_reader_blob_read(reader, &run, 1, buffer, sizeof image - 1, &kit_error));
        OK(steplog_reader_blob_read(reader, &run, 1, buffer, sizeof buffer, &kit_error));
        cr_assert_arr_eq(buffer, image, sizeof image);
        OK(steplog_reader_blob_read(reader, &run, 0, buffer, 0, &kit_error));
        steplog_run_info about = {.size_bytes = sizeof about};
        OK(steplog_reader_run(reader, 0, &about, &kit_error));
        cr_assert_str_eq(about.project, "p");
        cr_assert_str_eq(about.name, is_closed ? "second" : "first");
        steplog_store_info store_info = {.size_bytes = sizeof store_info};
        OK(steplog_reader_store_info(reader, &store_info, &kit_error));
        cr_assert_eq(store_info.run_count, 1);
        steplog_reader_close(reader);
        if (is_closed) break;
        steplog_pair facts[] = {{"param.lr", "0.3"}, {"name", "second"}};
        OK(steplog_run_set_facts(store, &run, facts, 2, &kit_error));
        GIVES(MISSING, steplog_run_set_facts(store, &(steplog_id){{9}}, facts, 2, &kit_error));
        kit_writer_close(writer);
    }
    kit_store_close(store);
}

IN_BOTH_MODES(remove, points_leave_at_once_and_come_back_until_compacted)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 65536);
    steplog_id run = record(store, "run", 3000), kept = record(store, "kept", 100);
    steplog_remove_options options = {.size_bytes = sizeof options,
                                      .run = run,
                                      .selector = "loss",
                                      .has_begin = 1,
                                      .step_begin = 1000,
                                      .has_end = 1,
                                      .step_end = 2000,
                                      .is_dry_run = 1};
    steplog_remove_result result = {.size_bytes = sizeof result};
    OK(steplog_remove(store, &options, &result, &kit_error));
    cr_assert(result.point_count == 1000 && result.series_count == 1, "%d points, %d series", (int)result.point_count,
              (int)result.series_count);
    cr_assert_eq(points_of(store, &run, "loss"), 3000);
    options.is_dry_run = 0;
    OK(steplog_remove(store, &options, &result, &kit_error));
    cr_assert_eq(result.point_count, 1000);
    cr_assert_eq(points_of(store, &run, "loss"), 2000);
    cr_assert_eq(points_of(store, &run, "acc"), 3000);
    uint64_t restored = 0;
    OK(steplog_remove_undo(store, &run, &restored, &kit_error));
    cr_assert(restored > 0);
    cr_assert_eq(points_of(store, &run, "loss"), 3000);
    GIVES(MISSING, steplog_remove_undo(store, &run, &restored, &kit_error));
    OK(steplog_remove(store, &options, &result, &kit_error));
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    OK(steplog_remove_undo(store, &run, &restored, &kit_error));
    cr_assert_eq(points_of(store, &run, "loss"), 3000, "compaction within the grace time frees nothing");
    options = (steplog_remove_options){.size_bytes = sizeof options, .run = run};
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    kit_log(writer, "loss", 1, 1);
    GIVES(BUSY, steplog_remove(store, &options, &result, &kit_error));
    kit_writer_close(writer);
    OK(steplog_remove(store, &options, &result, &kit_error));
    cr_assert_eq(points_of(store, &run, "*"), 0);
    cr_assert_eq(points_of(store, &kept, "*"), 200);
    steplog_compact_options now = {.size_bytes = sizeof now, .flags = STEPLOG_COMPACT_NOW};
    steplog_compact_result freed = {.size_bytes = sizeof freed};
    OK(steplog_store_compact(store, &now, &freed, &kit_error));
    cr_assert(freed.points_dropped >= 6000, "%d points were dropped", (int)freed.points_dropped);
    cr_assert_eq(points_of(store, &run, "*"), 0);
    cr_assert_eq(points_of(store, &kept, "*"), 200);
    GIVES(MISSING, steplog_remove(store, &options, &result, &kit_error));
    kit_store_close(store);
    kit_verify(path);
}

/* The parent's points show in a fork: a removal from the fork is none of them, and makes no file to say so. */
IN_BOTH_MODES(remove, from_a_fork_leaves_what_is_the_parents)
{
    sim *machine = sim_new(5);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_id parent = record(store, "run", 100), fork;
    OK(steplog_run_fork(store, &parent, 50, "fork", NULL, &fork, &kit_error));
    cr_assert_eq(points_of(store, &fork, "*"), 100);
    steplog_remove_options options = {
        .size_bytes = sizeof options, .run = fork, .selector = "*", .has_begin = 1, .step_begin = 10};
    steplog_remove_result result = {.size_bytes = sizeof result};
    uint64_t used = sim_used_bytes(machine);
    GIVES(MISSING, steplog_remove(store, &options, &result, &kit_error));
    options.selector = "loss";
    options.has_begin = 0;
    GIVES(MISSING, steplog_remove(store, &options, &result, &kit_error));
    cr_assert_eq(sim_used_bytes(machine), used);
    steplog_writer *writer = kit_writer(store, "fork", 0, 0);
    kit_log(writer, "loss", 50, 1);
    kit_log(writer, "loss", 51, 1);
    kit_log(writer, "new", 51, 1);
    kit_writer_close(writer);
    options.selector = "*";
    options.has_begin = options.has_end = 1;
    options.step_end = 51;
    OK(steplog_remove(store, &options, &result, &kit_error));
    cr_assert(result.point_count == 1 && result.series_count == 1, "%d points, %d series", (int)result.point_count,
              (int)result.series_count);
    cr_assert_eq(points_of(store, &fork, "*"), 102);
    cr_assert_eq(points_of(store, &parent, "*"), 200);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

/* What a run was before it was removed, or in an attempt that was taken back, is not told of it. */
IN_BOTH_MODES(remove, a_run_that_goes_on_is_described_without_what_was_removed)
{
    sim *machine = sim_new(6);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_id run = record(store, "run", 100);
    steplog_remove_options options = {.size_bytes = sizeof options, .run = run};
    steplog_remove_result result = {.size_bytes = sizeof result};
    OK(steplog_remove(store, &options, &result, &kit_error));
    cr_assert(result.point_count == 200 && result.series_count == 2);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    for (int64_t step = 0; step < 10; step++) kit_log(writer, "loss", step, 1);
    kit_writer_close(writer);
    uint32_t attempt = 0;
    OK(steplog_run_rewind(store, &run, 5, &attempt, &kit_error));
    writer = kit_writer(store, "run", 0, attempt);
    for (int64_t step = 5; step < 30; step++) kit_log(writer, "loss", step, 2);
    kit_writer_close(writer);
    for (int is_undone = 0; is_undone < 2; is_undone++) {
        steplog_reader *reader = kit_reader(store);
        steplog_run_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_run_by_id(reader, &run, &info, &kit_error));
        cr_assert(info.writer_count == 2 && info.row_count == 35 && info.point_count == 35, "%d writers, %d rows",
                  (int)info.writer_count, (int)info.row_count);
        cr_assert(info.step_first == 0 && info.step_last == (is_undone ? 9 : 29), "steps %d to %d", (int)info.step_first,
                  (int)info.step_last);
        steplog_reader_close(reader);
        if (!is_undone) OK(steplog_run_rewind_undo(store, &run, &attempt, &kit_error));
    }
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

/* Each is recorded by a writer of its own: neither clock nor ids say which is the later. */
IN_BOTH_MODES(facts, the_one_set_last_is_the_latest)
{
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | flags, 65536);
    steplog_id run = record(store, "run", 3);
    for (int n = 0; n < 20; n++) {
        char text[16];
        const char *value;
        snprintf(text, sizeof text, "%d", n);
        OK(steplog_run_set_facts(store, &run, &(steplog_pair){"tag.n", text}, 1, &kit_error));
        steplog_reader *reader = kit_reader(store);
        OK(steplog_reader_fact(reader, &run, "tag.n", &value));
        cr_assert_str_eq(value, text);
        steplog_reader_close(reader);
    }
    kit_store_close(store);
}

IN_BOTH_MODES(remove, what_was_freed_is_known_after_more_compactions)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 65536);
    steplog_id run = record(store, "run", 3000);
    steplog_remove_options options = {
        .size_bytes = sizeof options, .run = run, .has_begin = 1, .step_begin = 1000, .has_end = 1, .step_end = 2000};
    steplog_remove_result result = {.size_bytes = sizeof result};
    OK(steplog_remove(store, &options, &result, &kit_error));
    steplog_compact_options now = {.size_bytes = sizeof now, .flags = STEPLOG_COMPACT_NOW};
    for (int round = 0; round < 3; round++) {
        uint64_t restored = 0;
        OK(steplog_store_compact(store, &now, NULL, &kit_error));
        cr_assert_eq(points_of(store, &run, "*"), 4000);
        GIVES(MISSING, steplog_remove_undo(store, &run, &restored, &kit_error));
        record(store, "other", 100);
    }
    kit_store_close(store);
    kit_verify(path);
}

/* A series is removed, later the whole run, and a compaction rewrites what recorded the first removal, but not the
 * rows. The second is taken back: the first stays. */
IN_BOTH_MODES(remove, is_kept_when_a_later_removal_of_all_is_taken_back)
{
    enum { HOUR = 3600 };
    sim *machine = sim_new(3);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_id run = record(store, "run", 50), other = record(store, "other", 50);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error)); /* the rows lie on a level of their own from here on */
    steplog_remove_options options = {.size_bytes = sizeof options, .run = run, .selector = "loss"};
    steplog_remove_result result = {.size_bytes = sizeof result};
    OK(steplog_remove(store, &options, &result, &kit_error));
    sim_move_clock(machine, (int64_t)26 * HOUR * 1000000000); /* too late to take that one back */
    options.selector = NULL;
    OK(steplog_remove(store, &options, &result, &kit_error));
    for (int n = 0; n < 10; n++)
        OK(steplog_run_set_facts(store, &other, &(steplog_pair){"tag.n", "x"}, 1, &kit_error));
    steplog_compact_options light = {.size_bytes = sizeof light, .flags = STEPLOG_COMPACT_LIGHT | STEPLOG_COMPACT_NOW};
    steplog_compact_result merged = {.size_bytes = sizeof merged};
    OK(steplog_store_compact(store, &light, &merged, &kit_error));
    cr_assert(merged.points_dropped == 0, "the rows were to stay");
    cr_assert_eq(points_of(store, &run, "*"), 0);
    uint64_t restored = 0;
    OK(steplog_remove_undo(store, &run, &restored, &kit_error));
    cr_assert_eq(points_of(store, &run, "acc"), 50);
    cr_assert_eq(points_of(store, &run, "loss"), 0, "what was removed came back");
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

IN_BOTH_MODES(merge, twice_changes_nothing_and_what_was_removed_stays_removed)
{
    const char *old = test_path(test_temp_dir(), "old"), *path = test_path(test_temp_dir(), "store");
    steplog_store *source = kit_store(old, STEPLOG_CREATE | flags, 65536),
                  *store = kit_store(path, STEPLOG_CREATE | flags, 65536);
    steplog_id run = record(source, "run", 3000), mine = record(store, "mine", 50);
    steplog_writer *live = kit_writer(source, "live", 0, 0);
    steplog_id live_run = kit_run_of(live);
    kit_log(live, "loss", 1, 1);
    steplog_merge_result result = {.size_bytes = sizeof result};
    OK(steplog_store_merge(store, old, NULL, NULL, &result, &kit_error));
    cr_assert(result.files_copied > 0);
    for (int round = 0; round < 2; round++) {
        cr_assert_eq(points_of(store, &run, "*"), 6000);
        cr_assert_eq(points_of(store, &mine, "*"), 100);
        cr_assert_eq(points_of(store, &live_run, "*"), 1);
        OK(steplog_store_merge(store, old, NULL, NULL, &result, &kit_error));
        cr_assert_eq(result.files_copied, 0, "a second merge copied %d files", (int)result.files_copied);
    }
    kit_log(live, "loss", 2, 1);
    OK(steplog_store_merge(store, old, NULL, NULL, &result, &kit_error));
    cr_assert_eq(points_of(store, &live_run, "*"), 2);
    steplog_remove_options options = {.size_bytes = sizeof options, .run = run, .selector = "loss"};
    steplog_remove_result removed = {.size_bytes = sizeof removed};
    OK(steplog_remove(store, &options, &removed, &kit_error));
    steplog_compact_options now = {.size_bytes = sizeof now, .flags = STEPLOG_COMPACT_NOW};
    OK(steplog_store_compact(store, &now, NULL, &kit_error));
    cr_assert_eq(points_of(store, &run, "*"), 3000);
    OK(steplog_store_merge(store, old, NULL, NULL, &result, &kit_error));
    cr_assert_eq(points_of(store, &run, "loss"), 0, "the dead came back");
    cr_assert_eq(points_of(store, &run, "*"), 3000);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    cr_assert_eq(points_of(store, &run, "loss"), 0);
    cr_assert_eq(points_of(store, &run, "*"), 3000);
    kit_writer_close(live);
    kit_store_close(source);
    kit_store_close(store);
    kit_verify(path);
}

/* The only segment of a store on a level. */
static const char *segment_on(const char *path, const char *level)
{
    const char *folder = test_path(test_path(path, "seg"), level), *found = NULL;
    DIR *dir = opendir(folder);
    cr_assert(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        cr_assert(!found, "two segments on level %s", level);
        found = test_path(folder, entry->d_name);
    }
    closedir(dir);
    cr_assert(found, "no segment on level %s", level);
    return found;
}

static void flip_byte(const char *path, long at)
{
    FILE *f = fopen(path, "r+b");
    cr_assert(f && fseek(f, at, SEEK_SET) == 0);
    int c = fgetc(f);
    cr_assert(c != EOF && fseek(f, at, SEEK_SET) == 0 && fputc(c ^ 16, f) != EOF && fclose(f) == 0);
}

static long size_of(const char *path)
{
    struct stat stat_of;
    cr_assert_eq(stat(path, &stat_of), 0);
    return (long)stat_of.st_size;
}

/* Merging a whole copy into a store whose own is damaged, wherever: then it is whole again, and nothing is there twice. */
Test(merge, brings_again_what_is_damaged)
{
    const char *old = test_path(test_temp_dir(), "old"), *path = test_path(test_temp_dir(), "store");
    steplog_store *source = kit_store(old, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0),
                  *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_id run = record(source, "run", 40);
    steplog_merge_result result = {.size_bytes = sizeof result};
    OK(steplog_store_merge(store, old, NULL, NULL, &result, &kit_error));
    const char *levels[] = {"0", "1", "2", "3"};
    long bytes = size_of(segment_on(path, "0"));
    long places[] = {80, bytes / 2, bytes - 100}; /* a page, another one, the trailer */
    for (int i = 0; i < 3; i++) {
        const char *damaged = segment_on(path, levels[i]);
        flip_byte(damaged, places[i]);
        OK(steplog_store_merge(store, old, NULL, NULL, &result, &kit_error));
        cr_assert_eq(result.files_copied, 1, "place %ld", places[i]);
        cr_assert_neq(access(damaged, F_OK), 0, "the damaged copy is still there");
        cr_assert_eq(points_of(store, &run, "*"), 80);
        segment_on(path, levels[i + 1]);
        kit_verify(path);
        OK(steplog_store_merge(store, old, NULL, NULL, &result, &kit_error));
        cr_assert_eq(result.files_copied, 0);
    }
    /* Damaged in both: there is nothing to bring, again and again. */
    flip_byte(segment_on(path, "3"), bytes / 2);
    flip_byte(segment_on(old, "0"), bytes / 2);
    for (int i = 0; i < 2; i++) {
        OK(steplog_store_merge(store, old, NULL, NULL, &result, &kit_error));
        cr_assert_eq(result.files_copied, 0);
    }
    kit_store_close(source);
    kit_store_close(store);
}

/* Whichever name can not be changed: nothing is lost by trying, and the next merge makes it whole. */
Test(merge, brings_again_what_is_damaged_although_calls_fail)
{
    for (uint64_t at = 1; at <= 6; at++) {
        const char *old = test_path(test_temp_dir(), "old"), *path = test_path(test_temp_dir(), "store");
        steplog_store *source = kit_store(old, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0),
                      *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
        steplog_id run = record(source, "run", 40);
        steplog_merge_result result = {.size_bytes = sizeof result};
        OK(steplog_store_merge(store, old, NULL, NULL, &result, &kit_error));
        flip_byte(segment_on(path, "0"), 80);
        test_os_fail(TEST_OS_NAME, at, EACCES, 0);
        steplog_status status = steplog_store_merge(store, old, NULL, NULL, &result, NULL);
        cr_assert_geq(test_os_count(), 2);
        test_os_restore();
        cr_assert(at > 2 || status < 0, "call %d failed", (int)at); /* the renaming, the removal of the damaged */
        OK(steplog_store_merge(store, old, NULL, NULL, &result, &kit_error));
        cr_assert_eq(points_of(store, &run, "*"), 80);
        kit_store_close(source);
        kit_store_close(store);
    }
}

/* What a compaction put into a file of another name is looked at block by block. */
Test(merge, brings_again_what_is_damaged_in_a_compacted_file)
{
    const char *old = test_path(test_temp_dir(), "old"), *path = test_path(test_temp_dir(), "store");
    steplog_store *source = kit_store(old, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0),
                  *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_id run = record(source, "run", 40);
    steplog_merge_result result = {.size_bytes = sizeof result};
    OK(steplog_store_merge(store, old, NULL, NULL, &result, &kit_error));
    record(store, "mine", 40);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    OK(steplog_store_merge(store, old, NULL, NULL, &result, &kit_error));
    cr_assert_eq(result.files_copied, 0);
    const char *damaged = segment_on(path, "1");
    long bytes = size_of(damaged);
    for (long at = 64; at < bytes; at += 97) {
        flip_byte(damaged, at);
        OK(steplog_store_merge(store, old, NULL, NULL, &result, &kit_error));
        steplog_reader *reader = kit_reader(store);
        kit_rows rows = kit_read(reader, &run, "*", NULL);
        size_t points = 0;
        for (size_t i = 0; i < rows.row_count * rows.column_count; i++) points += rows.is_present[i];
        cr_assert_eq(points, 80, "a flipped byte at %ld of %ld", at, bytes);
        kit_rows_free(&rows);
        steplog_reader_close(reader);
        OK(steplog_store_merge(store, old, NULL, NULL, &result, &kit_error));
        cr_assert_eq(result.files_copied, 0, "a flipped byte at %ld of %ld", at, bytes);
        flip_byte(damaged, at);
        if (kit_segment_count(path) == 2) cr_assert_eq(unlink(segment_on(path, "0")), 0);
    }
    kit_store_close(source);
    kit_store_close(store);
}

/* The copies share a record, so that only a part of the second one counts: fewer than one row by proportion. */
IN_BOTH_MODES(merge, a_later_copy_brings_the_row_that_an_earlier_one_lacks)
{
    const char *directory = test_temp_dir();
    const char *path = test_path(directory, "store"), *early = test_path(directory, "early");
    char command[1000];
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    OK(steplog_writer_blob(writer, "text", 0, STEPLOG_TIME_NONE, "text/plain", "text", 4, &kit_error));
    snprintf(command, sizeof command, "cp -r '%s' '%s'", path, early);
    cr_assert_eq(system(command), 0);
    kit_log(writer, "loss", 1, 1);
    steplog_store *copy = kit_store(early, STEPLOG_NO_THREAD, 0);
    OK(steplog_store_compact(copy, NULL, NULL, &kit_error));
    OK(steplog_store_merge(copy, path, NULL, NULL, NULL, &kit_error));
    cr_assert_eq(points_of(copy, &run, "*"), 1);
    kit_store_close(copy);
    kit_writer_close(writer);
    kit_store_close(store);
}

IN_BOTH_MODES(follow, every_row_comes_once_while_logs_are_sealed_and_compacted)
{
    enum { ROWS = 20000 };
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", 3);
    steplog_reader *reader = kit_reader(store);
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
    steplog_cursor *cursor = NULL;
    OK(steplog_cursor_open_matching(reader, &run, "*", &view, &cursor, &kit_error));
    uint64_t seen = 0;
    for (uint64_t row = 0; row < ROWS; row++) {
        double values[3] = {kit_value(50, 0, row, 0), kit_value(50, 0, row, 1), kit_value(50, 0, row, 3)};
        OK(steplog_writer_append(writer, schema, (int64_t)(row ^ 5), STEPLOG_TIME_NOW, values));
        if (row % 37 && row != ROWS - 1) continue;
        if (row % 4096 == 37) OK(steplog_store_compact(store, NULL, NULL, &kit_error));
        steplog_batch batch;
        /* A log that has just been begun may be noticed a little later. */
        while (seen <= row && steplog_cursor_next(cursor, &batch, row == ROWS - 1 ? 5000 : 0, &kit_error) == STEPLOG_OK)
            for (size_t i = 0; i < batch.row_count; i++, seen++) {
                cr_assert_eq(batch.steps[i], (int64_t)(seen ^ 5));
                cr_assert_eq(kit_bits(batch.values[2][i]), kit_bits(kit_value(50, 0, seen, 3)));
            }
        cr_assert(seen <= row + 1 && (row < ROWS - 1 || seen == ROWS), "%d rows came of %d", (int)seen, (int)row + 1);
        if (row % 1000 == 0) OK(steplog_reader_refresh(reader, &kit_error));
    }
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    kit_writer_close(writer);
    kit_store_close(store);
}

IN_BOTH_MODES(follow, what_was_removed_is_not_shown_from_a_log_either)
{
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD | flags,
                                     0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", 2);
    double values[2] = {1, 2};
    for (int64_t step = 0; step < 30; step++)
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
    steplog_remove_options remove = {
        .size_bytes = sizeof remove, .run = run, .selector = "*", .has_end = 1, .step_end = 10};
    steplog_remove_result removed = {.size_bytes = sizeof removed};
    OK(steplog_remove(store, &remove, &removed, &kit_error));
    remove = (steplog_remove_options){
        .size_bytes = sizeof remove, .run = run, .selector = "m0", .has_begin = 1, .step_begin = 20};
    OK(steplog_remove(store, &remove, &removed, &kit_error));
    OK(steplog_writer_append(writer, schema, 5, STEPLOG_TIME_NONE, values)); /* later rows are not covered */
    steplog_reader *reader = kit_reader(store);
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
    steplog_cursor *cursor = NULL;
    OK(steplog_cursor_open_matching(reader, &run, "m*", &view, &cursor, &kit_error));
    size_t rows = 0, points = 0;
    steplog_batch batch;
    while (rows < 21) {
        OK(steplog_cursor_next(cursor, &batch, 2000, &kit_error));
        for (size_t i = 0; i < batch.row_count; i++, rows++) {
            cr_assert_eq(batch.steps[i], rows < 20 ? (int64_t)rows + 10 : 5);
            for (size_t column = 0; column < batch.column_count; column++)
                points += batch.present[column][i / 64] >> (i % 64) & 1;
        }
    }
    cr_assert_eq(points, 32, "%d points", (int)points);
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    kit_writer_close(writer);
    kit_store_close(store);
}

static int count_item(void *context, const steplog_dump_item *item)
{
    (void)item;
    return ++*(int *)context > 100000;
}

Test(dump, names_fields_of_every_file)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE, 0);
    record(store, "run", 100);
    kit_store_close(store);
    int count = 0;
    OK(steplog_dump(path, NULL, 0, count_item, &count, &kit_error));
    cr_assert(count > 20);
}

Test(maintain, forks_of_forks_show_all_that_is_above_them_or_are_refused)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "run0", 0, 0);
    steplog_id run = kit_run_of(writer), fork;
    kit_log(writer, "loss", 0, 0);
    kit_writer_close(writer);
    for (int depth = 1; depth <= STEPLOG_FORK_DEPTH_MAX; depth++) {
        char key[16];
        snprintf(key, sizeof key, "run%d", depth);
        OK(steplog_run_fork(store, &run, depth, key, NULL, &fork, &kit_error));
        writer = kit_writer(store, key, 0, 0);
        run = kit_run_of(writer);
        kit_log(writer, "loss", depth, depth);
        kit_writer_close(writer);
    }
    GIVES(LIMIT, steplog_run_fork(store, &run, STEPLOG_FORK_DEPTH_MAX + 1, "deeper", NULL, &fork, &kit_error));
    kit_rows rows = kit_read_store(path, &run, "loss", 0);
    cr_assert_eq(rows.row_count, STEPLOG_FORK_DEPTH_MAX + 1, "%d rows", (int)rows.row_count);
    kit_rows_free(&rows);
    kit_store_close(store);
}

/* What a process left that was killed while it wrote a segment. Another one may be at work under such a name. */
Test(maintain, compaction_removes_half_written_segments_after_a_day)
{
    static const char *const names[] = {"store/seg/0/0123456789abcdef0123456789abcdef.tmp",
                                        "store/seg/7/00000000000000000000000000000001.tmp", "store/seg/0/mine.tmp"};
    const int64_t hour_ns = 3600ll * 1000000000;
    sim *machine = sim_new(1);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_id run = record(store, "run", 5);
    for (int i = 0; i < 3; i++) sim_put_file(machine, names[i], "half", 4);
    sim_move_clock(machine, 23 * hour_ns);
    steplog_compact_options light = {.size_bytes = sizeof light, .flags = STEPLOG_COMPACT_LIGHT};
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    uint64_t bytes;
    for (int i = 0; i < 3; i++) cr_assert(sim_file(machine, names[i], &bytes), "'%s' was too young", names[i]);
    sim_move_clock(machine, 2 * hour_ns);
    OK(steplog_store_compact(store, &light, NULL, &kit_error));
    for (int i = 0; i < 3; i++) cr_assert(sim_file(machine, names[i], &bytes), "'%s' is not for this one", names[i]);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    for (int i = 0; i < 2; i++) cr_assert(!sim_file(machine, names[i], &bytes), "'%s' is still there", names[i]);
    cr_assert(sim_file(machine, names[2], &bytes), "'%s' is no name of ours", names[2]);
    cr_assert_eq(points_of(store, &run, "*"), 10);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}
