/* Compaction: a file that it can not read whole is never given up. */
#include "steplog.h"

#include "compact/compact_job.h"
#include "compact/compact_plan.h"
#include "core/store.h"
#include "os/os.h"
#include "read/reader.h"
#include "support/made_segment.h"
#include "support/sim_os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *first_segment(const char *path)
{
    const char *level = test_path(path, "seg/0"), *found = NULL;
    DIR *dir = opendir(level);
    cr_assert(dir);
    for (struct dirent *entry; !found && (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.') found = test_path(level, entry->d_name);
    closedir(dir);
    cr_assert(found);
    return found;
}

static void flip_byte(const char *path, off_t at)
{
    unsigned char byte;
    int fd = open(path, O_RDWR);
    cr_assert(fd >= 0 && pread(fd, &byte, 1, at) == 1);
    byte ^= 0x10;
    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void record_run(steplog_store *store, const char *key, int64_t rows)
{
    steplog_writer *writer = kit_writer(store, key, 0, 0);
    for (int64_t step = 0; step < rows; step++) kit_log(writer, "loss", step, kit_value(3, 0, (uint64_t)step, 0));
    kit_writer_close(writer);
}

static size_t point_count(steplog_store *store)
{
    steplog_reader *reader = kit_reader(store);
    steplog_store_info info = {.size_bytes = sizeof info};
    OK(steplog_reader_store_info(reader, &info, &kit_error));
    steplog_reader_close(reader);
    return (size_t)info.row_count;
}

IN_BOTH_MODES(compact_job, a_segment_with_a_damaged_index_is_left_alone)
{
    enum { RUNS = 9, ROWS = 3000 };
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    for (int n = 0; n < RUNS; n++) {
        char key[16];
        snprintf(key, sizeof key, "run%d", n);
        record_run(store, key, ROWS);
    }
    struct stat before, after;
    const char *file = first_segment(path);
    cr_assert_eq(stat(file, &before), 0);
    off_t places[2] = {before.st_size - 40, before.st_size / 2}; /* trailer, a page of values */
    for (int i = 0; i < 2; i++) flip_byte(file, places[i]);
    steplog_compact_options light = {.size_bytes = sizeof light, .flags = STEPLOG_COMPACT_LIGHT};
    OK(steplog_store_compact(store, &light, NULL, &kit_error));
    cr_assert_eq(kit_segment_count(path), 2, "%d segments", (int)kit_segment_count(path));
    for (int round = 0; round < 2; round++) {
        GIVES(CORRUPT, steplog_store_compact(store, NULL, NULL, &kit_error));
        cr_assert(stat(file, &after) == 0 && after.st_ino == before.st_ino);
        cr_assert_eq(kit_segment_count(path), 2, "%d segments", (int)kit_segment_count(path));
    }
    for (int i = 0; i < 2; i++) flip_byte(file, places[i]);
    cr_assert_eq(point_count(store), RUNS * ROWS);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    cr_assert_eq(point_count(store), RUNS * ROWS);
    cr_assert_eq(kit_segment_count(path), 1);
    kit_store_close(store);
    kit_verify(path);
}

/* A compactor that slept, or an old copy, brings back bytes that were freed: the new segment holds the records, so it
 * must not list them as dropped as well. */
Test(compact_job, bytes_that_were_freed_and_come_back_are_not_dropped_too)
{
    static const char *const levels[] = {"seg/0", "seg/9"};
    for (int n = 0; n < 2; n++) {
        const char *path = test_path(test_temp_dir(), "store"), *aside = test_path(test_temp_dir(), "aside");
        steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
        record_run(store, "run", 50);
        const char *old = first_segment(path);
        cr_assert_eq(link(old, aside), 0);
        steplog_remove_options options = {.size_bytes = sizeof options};
        steplog_remove_result removed = {.size_bytes = sizeof removed};
        steplog_reader *reader = kit_reader(store);
        steplog_run_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_run(reader, 0, &info, &kit_error));
        options.run = info.id;
        steplog_reader_close(reader);
        OK(steplog_remove(store, &options, &removed, &kit_error));
        steplog_compact_options now = {.size_bytes = sizeof now, .flags = STEPLOG_COMPACT_NOW};
        OK(steplog_store_compact(store, &now, NULL, &kit_error));
        mkdir(test_path(path, levels[n]), 0777);
        cr_assert_eq(link(aside, test_path(test_path(path, levels[n]), strrchr(old, '/') + 1)), 0);
        kit_verify(path);
        OK(steplog_store_compact(store, NULL, NULL, &kit_error));
        kit_verify(path);
        kit_rows rows = kit_read_store(path, &info.id, "*", 0);
        cr_assert_eq(rows.row_count, 0, "what was removed came back");
        OK(steplog_store_compact(store, &now, NULL, &kit_error));
        kit_verify(path);
        kit_store_close(store);
    }
}

static steplog_store *other_store;
static int is_inside;

/* As soon as a segment is published another process merges it into one of a higher level. */
static int rename_and_compact(int dir, const char *from, int to_dir, const char *to)
{
    int e = sl_os_posix.rename(dir, from, to_dir, to);
    if (e < 0 || is_inside || !strstr(to, ".seg")) return e;
    is_inside = 1;
    OK(steplog_store_compact(other_store, NULL, NULL, &kit_error));
    is_inside = 0;
    return 0;
}

Test(compact_job, a_segment_may_be_merged_elsewhere_before_its_maker_reads_it_back)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    record_run(store, "first", 10);
    sl_os_table table = sl_os_posix;
    table.rename = rename_and_compact;
    other_store = kit_store(path, STEPLOG_NO_THREAD, 0);
    sl_os = &table;
    record_run(store, "second", 10); /* closing it must not fail */
    steplog_id run;
    size_t found;
    steplog_reader *reader = kit_reader(store);
    OK(steplog_reader_find_runs(reader, "second", &run, 1, &found, &kit_error));
    steplog_reader_close(reader);
    steplog_pair pair = {.key = "tag.a", .value = "1"};
    OK(steplog_run_set_facts(store, &run, &pair, 1, &kit_error));
    sl_os = &sl_os_posix;
    cr_assert_eq(point_count(store), 20);
    cr_assert_eq(kit_segment_count(path), 1);
    cr_assert_eq(kit_log_count(path), 0);
    kit_verify(path);
    kit_store_close(other_store);
    kit_store_close(store);
}

static int removals;

/* Somebody deletes each segment as soon as it is there, the next few times. */
static int rename_and_delete(int dir, const char *from, int to_dir, const char *to)
{
    int e = sl_os_posix.rename(dir, from, to_dir, to);
    if (e == 0 && strstr(to, ".seg") && removals > 0) {
        removals--;
        cr_assert_eq(sl_os_posix.unlink(to_dir, to), 0);
    }
    return e;
}

Test(compact_job, gives_up_nothing_for_a_segment_that_was_deleted_before_it_was_read_back)
{
    const char *path = test_path(test_temp_dir(), "store");
    sl_os_table table = sl_os_posix;
    table.rename = rename_and_delete;
    sl_os = &table;
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    removals = 1;
    record_run(store, "first", 10);
    cr_assert_eq(removals, 0);
    cr_assert_eq(point_count(store), 10);
    record_run(store, "second", 10);
    removals = 1;
    OK(steplog_store_compact(store, NULL, NULL, &kit_error)); /* the inputs stay, for the next one */
    cr_assert_eq(removals, 0);
    cr_assert_eq(point_count(store), 20);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    cr_assert_eq(kit_segment_count(path), 1);
    /* Where it never ends the log stays and closing says so; the next process seals it. */
    steplog_writer *writer = kit_writer(store, "third", 0, 0);
    kit_log(writer, "loss", 1, 1);
    removals = 1000;
    GIVES(IO, steplog_writer_close(writer, 0, &kit_error));
    removals = 0;
    cr_assert_eq(kit_log_count(path), 1);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    cr_assert_eq(kit_log_count(path), 0);
    cr_assert_eq(point_count(store), 21);
    /* A merge ends only when what it copied was read back too. */
    const char *copy = test_path(test_temp_dir(), "copy");
    steplog_store *other = kit_store(copy, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    removals = 1;
    OK(steplog_store_merge(other, path, NULL, NULL, NULL, &kit_error));
    cr_assert_eq(removals, 0);
    cr_assert_eq(point_count(other), 21);
    kit_store_close(other);
    kit_store_close(store);
    sl_os = &sl_os_posix;
    kit_verify(path);
    kit_verify(copy);
}

static int make_no_level_1(int dir, const char *name)
{
    return strstr(name, "1") ? -EROFS : sl_os_posix.make_dir(dir, name);
}

Test(compact, names_the_directory_that_it_cannot_make)
{
    sl_os_table table = sl_os_posix;
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    record_run(store, "a", 10);
    record_run(store, "b", 10);
    kit_store_close(store);
    table.make_dir = make_no_level_1;
    sl_os = &table;
    store = kit_store(path, STEPLOG_NO_THREAD, 0);
    GIVES(IO, steplog_store_compact(store, NULL, NULL, &kit_error));
    cr_assert(strstr(kit_error.text, "'seg/1'"), "%s", kit_error.text);
    kit_store_close(store);
    sl_os = &sl_os_posix;
}

static int is_lying;

/* The disk keeps one bit of the next segment otherwise than it was given. */
static int64_t pwrite_wrong(int fd, const void *data, size_t bytes, uint64_t offset)
{
    static uint8_t copy[1 << 20];
    if (!is_lying || bytes < 512 || bytes > sizeof copy) return sl_os_posix.pwrite(fd, data, bytes, offset);
    is_lying = 0;
    memcpy(copy, data, bytes);
    copy[bytes / 2] ^= 16;
    return sl_os_posix.pwrite(fd, copy, bytes, offset);
}

Test(compact_job, inputs_stay_until_the_output_was_read_back)
{
    sl_os_table table = sl_os_posix;
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    record_run(store, "a", 500);
    record_run(store, "b", 500);
    kit_store_close(store);
    table.pwrite = pwrite_wrong;
    sl_os = &table;
    is_lying = 1;
    store = kit_store(path, STEPLOG_NO_THREAD, 0);
    GIVES(IO, steplog_store_compact(store, NULL, NULL, &kit_error));
    cr_assert_eq(is_lying, 0);
    cr_assert_eq(kit_segment_count(path), 3, "%d segments", (int)kit_segment_count(path));
    kit_store_close(store);
    sl_os = &sl_os_posix;
}

static void check_freed(steplog_store *store, const steplog_id *run, size_t rows)
{
    kit_rows seen = kit_read_store(steplog_store_path(store), run, "*", 0);
    cr_assert_eq(seen.row_count, rows, "%d rows, expected %d", (int)seen.row_count, (int)rows);
    kit_rows_free(&seen);
    steplog_reader *reader = kit_reader(store);
    for (size_t w = 0; w < steplog_reader_writer_count(reader, run); w++) {
        steplog_writer_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_writer(reader, run, w, &info, &kit_error));
        cr_assert_eq(info.missing_count, 0, "%d numbers seem lost", (int)info.missing_count);
    }
    steplog_reader_close(reader);
}

/* Within the grace time nothing is freed; later what was freed is known and stays known: it does not look lost. */
IN_BOTH_MODES(compact_job, frees_what_was_removed_when_it_is_time_and_says_so)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    record_run(store, "run", 500);
    record_run(store, "other", 500);
    steplog_id run;
    size_t found;
    steplog_reader *reader = kit_reader(store);
    OK(steplog_reader_find_runs(reader, "run", &run, 1, &found, &kit_error));
    steplog_reader_close(reader);
    steplog_remove_options options = {
        .size_bytes = sizeof options, .run = run, .has_begin = 1, .step_begin = 100, .has_end = 1, .step_end = 200};
    steplog_remove_result removed = {.size_bytes = sizeof removed};
    OK(steplog_remove(store, &options, &removed, &kit_error));
    steplog_compact_options now = {.size_bytes = sizeof now, .flags = STEPLOG_COMPACT_NOW};
    for (int round = 0; round < 3; round++) {
        steplog_compact_result result = {.size_bytes = sizeof result};
        OK(steplog_store_compact(store, round == 0 ? NULL : &now, &result, &kit_error));
        cr_assert_eq(result.points_dropped, round == 1 ? 100 : 0, "round %d: %d points were freed", round,
                     (int)result.points_dropped);
        check_freed(store, &run, 400);
        record_run(store, "more", 10);
    }
    kit_store_close(store);
    kit_verify(path);
}

/* A value is removed from rows that stay, and freed. An old copy of the rows comes back, and the removal is taken back:
 * of each row the copy on the highest level counts, and there the value is gone. */
IN_BOTH_MODES(compact_job, of_two_copies_of_a_row_the_higher_one_counts)
{
    enum { ROWS = 50 };
    const char *path = test_path(test_temp_dir(), "store"), *aside = test_path(test_temp_dir(), "aside");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", 2);
    const double values[2] = {1, 2};
    for (int64_t step = 0; step < ROWS; step++)
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
    kit_writer_close(writer);
    const char *old = first_segment(path);
    cr_assert_eq(link(old, aside), 0);
    steplog_remove_options options = {
        .size_bytes = sizeof options, .run = run, .selector = "m0", .has_end = 1, .step_end = 40};
    steplog_remove_result removed = {.size_bytes = sizeof removed};
    OK(steplog_remove(store, &options, &removed, &kit_error));
    steplog_compact_options now = {.size_bytes = sizeof now, .flags = STEPLOG_COMPACT_NOW};
    OK(steplog_store_compact(store, &now, NULL, &kit_error));
    cr_assert_eq(link(aside, old), 0);
    uint64_t restored = 0;
    OK(steplog_remove_undo(store, &run, &restored, &kit_error));
    kit_rows rows = kit_read_store(path, &run, "*", 0);
    cr_assert_eq(rows.row_count, ROWS);
    for (size_t row = 0; row < ROWS; row++)
        cr_assert(kit_has(&rows, row, 1) && kit_has(&rows, row, 0) == (row >= 40), "row %d", (int)row);
    kit_rows_free(&rows);
    kit_store_close(store);
}

/* One job takes 1024 files at most. */
Test(compact_job, goes_on_until_all_small_files_are_one)
{
    enum { RUNS = 1100 };
    sim *machine = sim_new(1);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    for (int i = 0; i < RUNS; i++) {
        char key[16];
        snprintf(key, sizeof key, "run-%d", i);
        steplog_writer *writer = kit_writer(store, key, 0, 1);
        kit_log(writer, "loss", 1, i);
        kit_writer_close(writer);
    }
    steplog_compact_result result = {.size_bytes = sizeof result};
    OK(steplog_store_compact(store, NULL, &result, &kit_error));
    cr_expect_eq(result.files_before, RUNS);
    cr_expect_eq(result.files_after, 1, "%d files", (int)result.files_after);
    steplog_reader *reader = kit_reader(store);
    cr_expect_eq(steplog_reader_run_count(reader), RUNS);
    kit_no_damage(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

/* What is merged at once lies together: else blocks reach over all that other files hold between their rows. */
Test(compact_job, merges_neighbours_where_it_can_not_take_all)
{
    enum { LOGS = 4 * (SL_COMPACT_INPUTS_MAX + 76), BLOB_BYTES = 60000 }; /* four are sealed at once */
    static const char zeros[BLOB_BYTES];
    sim *machine = sim_new(1);
    sim_use(machine);
    /* Without a thread appends seal, and only what follows them merges. */
    steplog_store_options options = {.size_bytes = sizeof options,
                                     .flags = STEPLOG_CREATE | STEPLOG_NO_THREAD,
                                     .log_bytes = 65536,
                                     .backlog_bytes = 1};
    steplog_store *store;
    OK(steplog_store_open("store", &options, &store, &kit_error));
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    for (int i = 0; i < LOGS; i++)
        OK(steplog_writer_blob(writer, "b", i, STEPLOG_TIME_NONE, NULL, zeros, sizeof zeros, &kit_error));
    sim_kill_begin(machine);
    steplog_writer_close(writer, 0, &kit_error);
    steplog_store_close(store, &kit_error);
    sim_kill_end(machine);
    store = kit_store("store", STEPLOG_NO_THREAD, 0);
    sl_read_context context = sl_store_read_context(store);
    sl_compact_request request = {.now_ns = sl_os->wall_time_ns()};
    steplog_compact_result result = {.size_bytes = sizeof result};
    OK(sl_compact_segments(&context, &request, &result, &kit_error));
    cr_assert_gt(result.files_before, SL_COMPACT_INPUTS_MAX, "%d files", (int)result.files_before);
    steplog_reader *reader = kit_reader(store);
    size_t merged = 0;
    for (size_t i = 0; i < reader->segments.count; i++) {
        const sl_segment *segment = reader->segments.items[i];
        if (segment->level == 0) continue;
        merged++;
        for (size_t w = 0; w < segment->writers.count; w++)
            cr_assert_eq(segment->writers.items[w].range_count, 1, "writer %d has %d ranges", (int)w,
                         (int)segment->writers.items[w].range_count);
    }
    cr_assert_eq(merged, 1);
    steplog_reader_close(reader);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

/* A run of one chunk, of which its entry may say other numbers than it has. */
static steplog_id make_segment(const char *path, uint64_t number, uint32_t rows, uint64_t distance)
{
    steplog_id run = made_id(10 * number), incarnation = made_id(10 * number + 1);
    made_segment s = made_segment_begin(path, number);
    sl_writer_entry writer = {.run = run, .incarnation = incarnation, .attempt = 1, .group_count = 1, .range_count = 1,
                              .page_offset = made_writer_page(&s, 0, &run, &incarnation, 0)};
    sl_schema_entry schema = made_schema_page(&s, 0, 1, 16, 0);
    sl_chunk_entry chunk = made_chunk_page(&s, 0, 0, rows, 1, 1 + distance, 0);
    sl_group_entry group = made_group(0, 0, 0, 1, rows, 1);
    chunk.sequence_first -= distance;
    chunk.sequence_last -= distance;
    made_writer_entry(&s, &writer);
    made_schema_entry(&s, &schema);
    made_chunk_entry(&s, &chunk);
    made_group_entry(&s, &group);
    made_range_entry(&s, &(sl_range_entry){0, SL_RANGE_HELD, 1, 1 + rows});
    made_segment_end(&s);
    return run;
}

/* A full block is copied as it is stored, of another one the rows are: in both, readers report the numbers and give no
 * row, and compaction makes nothing else of them. */
Test(compact_job, a_block_of_other_numbers_than_its_entry_says_is_no_block_of_rows)
{
    static const uint32_t counts[] = {1024, 10};
    for (int i = 0; i < 2; i++) {
        const char *path = test_temp_dir();
        made_store(path);
        steplog_id good = make_segment(path, 1, counts[i], 0), bad = make_segment(path, 2, counts[i], 5);
        steplog_store *store = kit_store(path, STEPLOG_NO_THREAD, 0);
        steplog_compact_result result = {.size_bytes = sizeof result};
        for (int round = 0; round < 3; round++) {
            steplog_reader *reader = kit_reader(store);
            kit_rows rows = kit_read(reader, &good, "*", NULL), others = kit_read(reader, &bad, "*", NULL);
            cr_assert_eq(rows.row_count, counts[i]);
            cr_assert_eq(others.row_count, 0, "round %d: %d rows of numbers that no entry has", round,
                         (int)others.row_count);
            cr_assert_gt(steplog_reader_damage_count(reader), 0, "round %d: nothing is said", round);
            kit_rows_free(&rows);
            kit_rows_free(&others);
            steplog_reader_close(reader);
            GIVES(CORRUPT, steplog_store_compact(store, NULL, &result, &kit_error));
            cr_assert_eq(result.points_lost, counts[i]);
        }
        kit_store_close(store);
    }
}

/* A run of one chunk, full and whole in itself, which the tables say is another writer's or of another schema. */
static steplog_id make_misplaced(const char *path, int is_of_other_writer, uint32_t stored, uint32_t said)
{
    steplog_id run = made_id(10), incarnations[2] = {made_id(11), made_id(12)};
    made_segment s = made_segment_begin(path, 1);
    sl_writer_entry writers[2] = {{.group_count = 1, .range_count = 1}, {.group_first = 1, .range_first = 1}};
    for (uint32_t w = 0; w < 2; w++) {
        writers[w].run = run;
        writers[w].incarnation = incarnations[w];
        writers[w].attempt = 1;
        writers[w].page_offset = made_writer_page(&s, w, &run, &incarnations[w], 0);
    }
    sl_schema_entry schemas[2] = {made_schema_page(&s, 0, stored, 16, 0), made_schema_page(&s, 1, said, 16, 1)};
    sl_chunk_entry chunk = made_chunk_page(&s, is_of_other_writer ? 1 : 0, 0, 1024, stored, 1, 0);
    sl_group_entry group = made_group(0, is_of_other_writer ? 0 : 1, 0, 1, 1024, stored);
    for (int i = 0; i < 2; i++) made_writer_entry(&s, &writers[i]);
    for (int i = 0; i < 2; i++) made_schema_entry(&s, &schemas[i]);
    made_chunk_entry(&s, &chunk);
    made_group_entry(&s, &group);
    made_range_entry(&s, &(sl_range_entry){0, SL_RANGE_HELD, 1, 1025});
    made_segment_end(&s);
    return run;
}

/* Columns are counted by the group's schema, and their payloads by the chunk's. */
Test(compact_job, a_block_of_another_group_than_its_entry_is_in_is_no_block_of_it)
{
    static const uint32_t columns[][2] = {{1, 30}, {30, 1}, {2, 2}};
    for (int i = 0; i < 6; i++) {
        const char *path = test_temp_dir();
        made_store(path);
        steplog_id run = make_misplaced(path, i >= 3, columns[i % 3][0], columns[i % 3][1]);
        GIVES(CORRUPT, steplog_store_verify(path, NULL, NULL, &kit_error));
        steplog_store *store = kit_store(path, STEPLOG_NO_THREAD, 0);
        steplog_compact_result result = {.size_bytes = sizeof result};
        for (int round = 0; round < 2; round++) {
            steplog_reader *reader = kit_reader(store);
            kit_rows rows = kit_read(reader, &run, "*", NULL);
            cr_assert_eq(rows.row_count, 0, "case %d, round %d: %d rows of another group", i, round,
                         (int)rows.row_count);
            cr_assert_gt(steplog_reader_damage_count(reader), 0, "case %d, round %d: nothing is said", i, round);
            kit_rows_free(&rows);
            steplog_reader_close(reader);
            made_store(path); /* a second segment, so that there is something to merge */
            make_segment(path, 5 + (uint64_t)round, 10, 0);
            GIVES(CORRUPT, steplog_store_compact(store, NULL, &result, &kit_error));
        }
        kit_store_close(store);
    }
}

/* ---- a listing that can not be trusted ---- */

enum { PARTS_MAX = 16, PART_ROWS = 3000 };

typedef struct part {
    char path[128];
    uint8_t *data;
    uint64_t bytes;
} part;

static part segments[PARTS_MAX], logs[PARTS_MAX];
static size_t segment_count, log_count;

static void keep(part *kept, size_t *count, const char *path, const uint8_t *data, uint64_t bytes)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(kept[i].path, path) == 0) return;
    cr_assert_lt(*count, PARTS_MAX);
    part *fresh = &kept[(*count)++];
    snprintf(fresh->path, sizeof fresh->path, "%s", path);
    fresh->data = malloc((size_t)bytes);
    fresh->bytes = bytes;
    memcpy(fresh->data, data, (size_t)bytes);
}

static void keep_segment(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    (void)context;
    if (strstr(path, ".seg")) keep(segments, &segment_count, path, data, bytes);
}

static void keep_log(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    (void)context;
    if (strstr(path, ".log")) keep(logs, &log_count, path, data, bytes);
}

static sim *listed_machine;
static sl_os_table listing_table;
static const sl_os_table *listing_under;
static int log_listings;

static void put(const part *back) { sim_put_file(listed_machine, back->path, back->data, back->bytes); }

/* The second listing finds one segment more. */
static int open_dir_and_put_fifth(int dir, const char *name)
{
    if (strcmp(name, "log") == 0 && ++log_listings == 2) put(&segments[4]);
    return listing_under->open_dir(dir, name);
}

/* What comes in the middle of a listing behind a number that is missing is in no view yet. Compaction does not take it
 * for something that others hold. */
Test(compact_job, what_a_listing_finds_behind_a_new_hole_is_kept)
{
    listed_machine = sim_new(11);
    sim_use(listed_machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    int64_t step = 0;
    while (segment_count < 5) {
        for (int i = 0; i < PART_ROWS; i++, step++) {
            kit_log(writer, "loss", step, 1);
            if (segment_count == 3 && log_count == 0 && i == PART_ROWS / 8) sim_each_file(listed_machine, keep_log, NULL);
        }
        OK(steplog_store_tick(store, 10000, &kit_error));
        sim_each_file(listed_machine, keep_segment, NULL);
    }
    kit_writer_close(writer);
    kit_store_close(store);
    sim_each_file(listed_machine, keep_segment, NULL);
    for (size_t i = 0; i < segment_count; i++) sim_remove_file(listed_machine, segments[i].path);
    /* The second is missing, and all from the middle of the fourth on, whose beginning a log holds. */
    put(&segments[0]);
    put(&segments[2]);
    for (size_t i = 0; i < log_count; i++) put(&logs[i]);
    store = kit_store("store", STEPLOG_NO_THREAD, 65536);
    listing_under = sl_os;
    listing_table = *listing_under;
    listing_table.open_dir = open_dir_and_put_fifth;
    sl_os = &listing_table;
    sl_read_context context = sl_store_read_context(store);
    sl_compact_request request = {.now_ns = sl_os->wall_time_ns()};
    steplog_compact_result result = {.size_bytes = sizeof result};
    OK(sl_compact_segments(&context, &request, &result, &kit_error));
    sl_os = listing_under;
    cr_assert(log_listings >= 2 && result.files_before == 3, "%d listings, %d files", log_listings,
              (int)result.files_before);
    for (size_t i = 0; i < segment_count; i++)
        if (i != 0 && i != 2 && i != 4) put(&segments[i]);
    kit_rows rows = kit_read_store("store", &run, "loss", 0);
    cr_assert_eq((int64_t)rows.row_count, step, "%d rows of %d", (int)rows.row_count, (int)step);
    kit_rows_free(&rows);
    kit_store_close(store);
    for (size_t i = 0; i < segment_count; i++) free(segments[i].data);
    for (size_t i = 0; i < log_count; i++) free(logs[i].data);
    sim_use(NULL);
    sim_free(listed_machine);
}
