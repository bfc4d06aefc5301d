/* Merging a store of which something can not be read: what can be brought is, and what was left out is said. */
#include "steplog.h"

#include "format/checksum.h"
#include "format/segment_codec.h"
#include "os/os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { RUNS = 3, ROWS = 40 };

static steplog_id record(const char *path, const char *key)
{
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, key, 0, 0);
    steplog_id run = kit_run_of(writer);
    for (int64_t step = 0; step < ROWS; step++) kit_log(writer, "loss", step, kit_value(7, 0, (uint64_t)step, 0));
    kit_writer_close(writer);
    kit_store_close(store);
    return run;
}

static size_t rows_of(const char *path, const steplog_id *run)
{
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, run, "loss", NULL); /* damage is no failure here */
    size_t count = rows.row_count;
    kit_rows_free(&rows);
    steplog_reader_close(reader);
    kit_store_close(store);
    return count;
}

/* The segment of level 0 that a reader lists at this place, by name. */
static const char *segment_at(const char *path, int place)
{
    const char *folder = test_path(path, "seg/0");
    struct dirent **names;
    int count = scandir(folder, &names, NULL, alphasort), at = 0;
    const char *found = NULL;
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.' && at++ == place) found = test_path(folder, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    cr_assert(found);
    return found;
}

static void change(const char *path, long at, const void *bytes, size_t count)
{
    FILE *f = fopen(path, "r+b");
    cr_assert(f && fseek(f, at, at < 0 ? SEEK_END : SEEK_SET) == 0 && fwrite(bytes, 1, count, f) == count &&
              fclose(f) == 0);
}

static const char *make_source(steplog_id *runs)
{
    const char *path = test_path(test_temp_dir(), "from");
    for (int i = 0; i < RUNS; i++) {
        char key[16];
        snprintf(key, sizeof key, "run%d", i);
        runs[i] = record(path, key);
    }
    return path;
}

static size_t whole_runs(const char *path, const steplog_id *runs)
{
    size_t count = 0;
    for (int i = 0; i < RUNS; i++) count += rows_of(path, &runs[i]) == ROWS;
    return count;
}

/* Copied as it is, it gives here what it gives there, and does not keep the others from coming. */
Test(merge_damaged, segments_come_as_they_are_and_others_behind_them)
{
    static const long places[] = {80, -100, -300};
    for (int i = 0; i < 3 * RUNS; i++) {
        steplog_id runs[RUNS], other;
        const char *from = make_source(runs), *to = test_path(test_temp_dir(), "to");
        other = record(to, "other");
        change(segment_at(from, i / 3), places[i % 3], "damaged", 7);
        size_t readable = whole_runs(from, runs);
        for (int turn = 0; turn < 3; turn++) {
            steplog_store *store = kit_store(to, STEPLOG_NO_THREAD, 0);
            steplog_merge_result result = {.size_bytes = sizeof result};
            OK(steplog_store_merge(store, from, NULL, NULL, &result, &kit_error));
            cr_assert_eq(result.files_copied, turn ? 0 : RUNS, "case %d, turn %d: %d files copied", i, turn,
                         (int)result.files_copied);
            kit_store_close(store);
            cr_assert_eq(whole_runs(to, runs), readable, "case %d, turn %d: %d runs", i, turn,
                         (int)whole_runs(to, runs));
        }
        cr_assert_eq(rows_of(to, &other), ROWS);
    }
}

/* One that can not be read at all, or is of a later version, is named when everything else has come. */
Test(merge_damaged, files_that_are_left_out_are_named)
{
    static const uint8_t zeros[4096];
    for (int i = 0; i < 2 * RUNS; i++) {
        steplog_id runs[RUNS];
        const char *from = make_source(runs), *to = test_path(test_temp_dir(), "to"), *file = segment_at(from, i / 2);
        if (i % 2) { /* of a later version */
            uint8_t head[64];
            FILE *f = fopen(file, "rb");
            cr_assert(f && fread(head, 1, sizeof head, f) == sizeof head && fclose(f) == 0);
            steplog_id id;
            memcpy(id.bytes, head + 16, 16);
            head[8] = 2;
            sl_store64(head + 56, sl_check(sl_hash(head, 56), sl_file_key(&id), 0, 0, 0));
            change(file, 0, head, sizeof head);
        } else {
            FILE *f = fopen(file, "r+b");
            cr_assert(f && fseek(f, 0, SEEK_END) == 0);
            size_t bytes = (size_t)ftell(f);
            cr_assert(bytes <= sizeof zeros && fclose(f) == 0);
            change(file, 0, zeros, bytes);
        }
        for (int turn = 0; turn < 2; turn++) {
            steplog_store *store = kit_store(to, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
            steplog_merge_result result = {.size_bytes = sizeof result};
            if (i % 2) GIVES(NEWER, steplog_store_merge(store, from, NULL, NULL, &result, &kit_error));
            else GIVES(CORRUPT, steplog_store_merge(store, from, NULL, NULL, &result, &kit_error));
            cr_assert(strstr(kit_error.text, strrchr(file, '/') + 1), "case %d: '%s'", i, kit_error.text);
            cr_assert_eq(result.files_copied, turn ? 0 : RUNS - 1, "case %d: %d files copied", i,
                         (int)result.files_copied);
            kit_store_close(store);
            cr_assert_eq(whole_runs(to, runs), RUNS - 1);
        }
    }
}

/* A file of the target that can not be read at all has the name that a copy would get: the copy goes above it. */
Test(merge_damaged, what_the_target_can_not_read_at_all_comes_again)
{
    for (int i = 0; i < RUNS; i++) {
        steplog_id runs[RUNS];
        const char *from = make_source(runs), *to = test_path(test_temp_dir(), "to");
        steplog_merge_result result = {.size_bytes = sizeof result};
        steplog_store *store = kit_store(to, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
        OK(steplog_store_merge(store, from, NULL, NULL, &result, &kit_error));
        kit_store_close(store);
        FILE *f = fopen(segment_at(to, i), "wb");
        cr_assert(f && fputs("damaged", f) >= 0 && fclose(f) == 0);
        cr_assert_eq(whole_runs(to, runs), RUNS - 1);
        for (int turn = 0; turn < 3; turn++) {
            store = kit_store(to, STEPLOG_NO_THREAD, 0);
            OK(steplog_store_merge(store, from, NULL, NULL, &result, &kit_error));
            cr_assert_eq(result.files_copied, turn ? 0 : 1, "case %d, turn %d: %d files copied", i, turn,
                         (int)result.files_copied);
            kit_store_close(store);
            cr_assert_eq(whole_runs(to, runs), RUNS, "case %d, turn %d: %d runs", i, turn, (int)whole_runs(to, runs));
        }
    }
}

/* ---- a page that the disk does not give ---- */

static sl_os_table table;
static ino_t bad_file;
static uint64_t bad_offset;

static int64_t pread_but_one_page(int fd, void *buffer, size_t bytes, uint64_t offset)
{
    struct stat stat;
    if (fstat(fd, &stat) == 0 && stat.st_ino == bad_file && offset <= bad_offset && bad_offset < offset + bytes) return -EIO;
    return sl_os_posix.pread(fd, buffer, bytes, offset);
}

/* Where the first page of facts of a segment lies. */
static void find_facts(const char *path)
{
    uint8_t head[SL_PAGE_HEAD_BYTES];
    struct stat stat_of;
    FILE *f = fopen(path, "rb");
    cr_assert(f && stat(path, &stat_of) == 0);
    bad_file = stat_of.st_ino;
    bad_offset = SL_SEGMENT_HEADER_BYTES;
    for (;;) {
        cr_assert(fseek(f, (long)bad_offset, SEEK_SET) == 0 && fread(head, 1, sizeof head, f) == sizeof head);
        if (head[2] == SL_PAGE_FACTS) break;
        bad_offset += SL_PAGE_HEAD_BYTES + (sl_load32(head + 4) + 7) / 8 * 8;
    }
    fclose(f);
}

/* The run can not be loaded, so nobody knows how much of its logs is durable: that is said, and the other run comes. */
Test(merge_damaged, logs_of_which_too_little_is_known_are_not_left_out_in_silence)
{
    const char *from = test_path(test_temp_dir(), "from"), *to = test_path(test_temp_dir(), "to");
    steplog_store *source = kit_store(from, STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536),
                  *target = kit_store(to, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer_options options = {.size_bytes = sizeof options, .run_name = "name"};
    steplog_writer *writer;
    OK(steplog_writer_open(source, &options, &writer, &kit_error));
    steplog_id run = kit_run_of(writer);
    for (int64_t step = 0; kit_segment_count(from) == 0; step++) {
        kit_log(writer, "loss", step, 1);
        if (step % 1000 == 999) OK(steplog_store_tick(source, 1000, &kit_error));
    }
    steplog_merge_result result = {.size_bytes = sizeof result};
    OK(steplog_store_merge(target, from, NULL, NULL, &result, &kit_error));
    size_t rows = rows_of(to, &run);
    kit_log(writer, "loss", 1000000, 1);
    steplog_writer *other = kit_writer(source, "other", 0, 0);
    steplog_id other_run = kit_run_of(other);
    kit_log(other, "loss", 1, 1);
    find_facts(segment_at(from, 0));
    table = sl_os_posix;
    table.pread = pread_but_one_page;
    sl_os = &table;
    GIVES(IO, steplog_store_merge(target, from, NULL, NULL, &result, &kit_error));
    sl_os = &sl_os_posix;
    cr_assert_eq(rows_of(to, &run), rows);
    cr_assert_eq(rows_of(to, &other_run), 1, "the other run did not come");
    OK(steplog_store_merge(target, from, NULL, NULL, &result, &kit_error));
    cr_assert_eq(rows_of(to, &run), rows + 1);
    kit_writer_close(other);
    kit_writer_close(writer);
    kit_store_close(source);
    kit_store_close(target);
}
