/* A reader that stays open on a copy: what is brought there again under the same name, or made whole, is seen. */
#include "steplog.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IN_PLACE, RENAMED };

typedef struct two_stores {
    const char *from, *to;
    steplog_store *store, *copy;
    steplog_writer *writer;
    steplog_id run;
} two_stores;

/* Copies a file, all of it or so many bytes, into a file of that name or over it. */
static void copy_file(const char *from, const char *to, off_t most, int how)
{
    char target[512];
    snprintf(target, sizeof target, "%s%s", to, how == RENAMED ? ".part" : "");
    int in = open(from, O_RDONLY), out = open(target, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    cr_assert(in >= 0 && out >= 0);
    static char buffer[65536];
    for (off_t left = most;;) {
        ssize_t got = read(in, buffer, left >= 0 && left < (off_t)sizeof buffer ? (size_t)left : sizeof buffer);
        cr_assert_geq(got, 0);
        if (got == 0) break;
        cr_assert_eq(write(out, buffer, (size_t)got), got);
        if (left >= 0) left -= got;
    }
    close(in);
    close(out);
    if (how == RENAMED) cr_assert_eq(rename(target, to), 0);
}

/* Copies the files of a directory of the store. */
static void copy_dir(const two_stores *s, const char *dir, off_t most, int how)
{
    char from[512], to[512];
    DIR *list = opendir(test_path(s->from, dir));
    cr_assert_not_null(list);
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        snprintf(from, sizeof from, "%s/%s/%s", s->from, dir, entry->d_name);
        snprintf(to, sizeof to, "%s/%s/%s", s->to, dir, entry->d_name);
        copy_file(from, to, most, how);
    }
    closedir(list);
}

static two_stores begin(void)
{
    const char *dir = test_temp_dir();
    two_stores s = {.from = test_path(dir, "store"), .to = test_path(dir, "copy")};
    s.store = kit_store(s.from, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    s.writer = kit_writer(s.store, "run", 0, 0);
    s.run = kit_run_of(s.writer);
    cr_assert_eq(mkdir(s.to, 0777) | mkdir(test_path(s.to, "log"), 0777) | mkdir(test_path(s.to, "seg"), 0777) |
                     mkdir(test_path(s.to, "seg/0"), 0777), 0);
    copy_file(test_path(s.from, "STEPLOG"), test_path(s.to, "STEPLOG"), -1, IN_PLACE);
    return s;
}

static void log_rows(two_stores *s, int64_t begin, int64_t end)
{
    for (int64_t step = begin; step < end; step++) kit_log(s->writer, "m", step, kit_value(1, 0, (uint64_t)step, 0));
}

static size_t count_rows(steplog_reader *reader, const steplog_id *run)
{
    kit_rows rows = kit_read(reader, run, "*", NULL);
    size_t count = rows.row_count;
    kit_rows_free(&rows);
    return count;
}

static size_t follow(steplog_cursor *cursor, int32_t wait_ms)
{
    steplog_batch batch;
    size_t count = 0;
    while (steplog_cursor_next(cursor, &batch, wait_ms, &kit_error) == STEPLOG_OK) count += batch.row_count;
    return count;
}

/* What rsync does: each time another file under the same name. */
Test(replaced, logs_that_are_copied_again_are_read_again)
{
    two_stores s = begin();
    log_rows(&s, 0, 100);
    copy_dir(&s, "log", -1, IN_PLACE);
    s.copy = kit_store(s.to, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(s.copy), *other = kit_reader(s.copy);
    const steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
    steplog_cursor *cursor;
    OK(steplog_cursor_open_matching(other, &s.run, "*", &view, &cursor, &kit_error));
    cr_expect_eq(follow(cursor, 0), 100);
    for (int64_t end = 200; end <= 400; end += 100) {
        log_rows(&s, end - 100, end);
        copy_dir(&s, "log", -1, RENAMED);
        OK(steplog_reader_refresh(reader, &kit_error));
        cr_expect_eq(count_rows(reader, &s.run), (size_t)end);
        cr_expect_eq(follow(cursor, 100), 100, "up to %ld", (long)end);
    }
    kit_no_damage(reader);
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    steplog_reader_close(other);
    kit_store_close(s.copy);
    kit_writer_close(s.writer);
    kit_store_close(s.store);
}

/* A copy that was cut short below what its mark says is durable. */
static void check_cut_log(int how)
{
    enum { ROWS = 5000 };
    two_stores s = begin();
    log_rows(&s, 0, ROWS);
    OK(steplog_writer_sync(s.writer, &kit_error));
    copy_dir(&s, "log", 65536, IN_PLACE);
    s.copy = kit_store(s.to, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(s.copy);
    cr_expect_lt(count_rows(reader, &s.run), ROWS);
    cr_expect_gt(steplog_reader_damage_count(reader), 0);
    copy_dir(&s, "log", -1, how);
    OK(steplog_reader_refresh(reader, &kit_error));
    cr_expect_eq(count_rows(reader, &s.run), ROWS);
    steplog_reader_close(reader);
    kit_store_close(s.copy);
    kit_writer_close(s.writer);
    kit_store_close(s.store);
}

Test(replaced, a_log_that_was_cut_is_whole_when_it_has_grown) { check_cut_log(IN_PLACE); }
Test(replaced, a_log_that_was_cut_is_whole_when_it_was_replaced) { check_cut_log(RENAMED); }

static void check_cut_segment(int how)
{
    enum { ROWS = 5000 };
    two_stores s = begin();
    log_rows(&s, 0, ROWS);
    kit_writer_close(s.writer);
    copy_dir(&s, "seg/0", 8192, IN_PLACE);
    s.copy = kit_store(s.to, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(s.copy);
    cr_expect_lt(count_rows(reader, &s.run), ROWS);
    cr_expect_gt(steplog_reader_damage_count(reader), 0);
    copy_dir(&s, "seg/0", -1, how);
    OK(steplog_reader_refresh(reader, &kit_error));
    cr_expect_eq(count_rows(reader, &s.run), ROWS);
    steplog_reader_close(reader);
    kit_store_close(s.copy);
    kit_store_close(s.store);
}

Test(replaced, a_segment_that_was_cut_is_whole_when_it_has_grown) { check_cut_segment(IN_PLACE); }
Test(replaced, a_segment_that_was_cut_is_whole_when_it_was_replaced) { check_cut_segment(RENAMED); }
