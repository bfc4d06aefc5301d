/* Dump: every structure of every file is shown under its name in FORMAT.md, damaged ones too. */
#include "steplog.h"

#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static steplog_store *open_store(const char *path, uint32_t flags)
{
    steplog_store *store = NULL;
    steplog_store_options options = {
        .size_bytes = sizeof options, .flags = flags | STEPLOG_NO_THREAD | STEPLOG_NO_ADOPT, .log_bytes = 65536};
    cr_assert_eq(steplog_store_open(path, &options, &store, NULL), STEPLOG_OK);
    return store;
}

static steplog_writer *write_some(steplog_store *store, const char *key)
{
    steplog_writer *writer = NULL;
    steplog_writer_options options = {.size_bytes = sizeof options, .run_key = key, .run_name = "one"};
    cr_assert_eq(steplog_writer_open(store, &options, &writer, NULL), STEPLOG_OK);
    for (int64_t step = 0; step < 1200; step++) {
        steplog_named named[] = {{"loss", 1.0 / (double)(step + 3)}, {"lr", 0.001}};
        cr_assert_eq(steplog_writer_log(writer, step, named, 2), STEPLOG_OK);
    }
    cr_assert_eq(steplog_writer_blob(writer, "table", 3, STEPLOG_TIME_NONE, "text/csv", "a,b\n", 4, NULL), STEPLOG_OK);
    return writer;
}

/* A sealed segment, and a log of a writer that was killed. */
static const char *make_store(void)
{
    const char *path = test_temp_dir();
    steplog_store *store = open_store(path, STEPLOG_CREATE);
    cr_assert_eq(steplog_writer_close(write_some(store, "sealed"), 0, NULL), STEPLOG_OK);
    cr_assert_eq(steplog_store_close(store, NULL), STEPLOG_OK);
    pid_t child = fork();
    if (child == 0) {
        write_some(open_store(path, 0), "killed");
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return path;
}

typedef struct seen {
    uint64_t item_count, damaged_count, values;
    char structures[64][32];
    size_t structure_count;
    char segment[120], log[120];
    int stops_at;
} seen;

static int take(void *context, const steplog_dump_item *item)
{
    seen *s = context;
    cr_assert(item->file && item->structure && item->structure[0] && item->field && item->value && item->offset >= 0);
    cr_assert(!item->is_number || strspn(item->value, "0123456789+-.e") == strlen(item->value), "%s = %s", item->field,
              item->value);
    s->item_count++;
    s->damaged_count += item->is_damaged != 0;
    if (strncmp(item->field, "row ", 4) == 0 && strcmp(item->field, "row count") != 0) s->values++;
    size_t i = 0;
    while (i < s->structure_count && strcmp(s->structures[i], item->structure) != 0) i++;
    if (i == s->structure_count && i < 64) snprintf(s->structures[s->structure_count++], 32, "%s", item->structure);
    if (strncmp(item->file, "seg/", 4) == 0) snprintf(s->segment, sizeof s->segment, "%s", item->file);
    if (strncmp(item->file, "log/", 4) == 0) snprintf(s->log, sizeof s->log, "%s", item->file);
    return s->stops_at && s->item_count == (uint64_t)s->stops_at;
}

static int has(const seen *s, const char *structure)
{
    for (size_t i = 0; i < s->structure_count; i++)
        if (strcmp(s->structures[i], structure) == 0) return 1;
    return 0;
}

static seen dump(const char *path, const char *file, uint32_t flags, steplog_status expected)
{
    seen s = {0};
    steplog_error err;
    steplog_status status = steplog_dump(path, file, flags, take, &s, &err);
    cr_assert_eq(status, expected, "%d: %s", status, err.text);
    return s;
}

Test(dump, shows_every_structure_of_a_sound_store)
{
    static const char *const expected[] = {"STEPLOG",
                                           "log header",
                                           "mark slot 0",
                                           "mark slot 1",
                                           "gap slot 0",
                                           "gap slot 1",
                                           "log record",
                                           "row",
                                           "fact",
                                           "blob head",
                                           "writer description",
                                           "end of records",
                                           "segment header",
                                           "page",
                                           "schema",
                                           "chunk",
                                           "steps",
                                           "times",
                                           "sequences",
                                           "directory entry",
                                           "payload",
                                           "record prefix",
                                           "blob data",
                                           "writer entry",
                                           "schema entry",
                                           "group entry",
                                           "chunk entry",
                                           "range entry",
                                           "record entry",
                                           "trailer"};
    seen s = dump(make_store(), NULL, 0, STEPLOG_OK);
    cr_assert_eq(s.damaged_count, 0);
    cr_assert_eq(s.values, 0);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        cr_assert(has(&s, expected[i]), "'%s' is not shown", expected[i]);
}

Test(dump, shows_values_when_asked)
{
    seen s = dump(make_store(), NULL, STEPLOG_DUMP_VALUES, STEPLOG_OK);
    cr_assert_geq(s.values, 2400);
}

Test(dump, is_limited_to_one_file_of_a_store_or_takes_one_by_its_path)
{
    const char *path = make_store();
    seen all = dump(path, NULL, 0, STEPLOG_OK);
    seen one = dump(path, all.segment, 0, STEPLOG_OK), same = dump(test_path(path, all.segment), NULL, 0, STEPLOG_OK);
    cr_assert(has(&one, "trailer") && !has(&one, "log header") && !has(&one, "STEPLOG"));
    cr_assert_eq(one.item_count, same.item_count);
    dump(path, "log/none.log", 0, STEPLOG_MISSING);
    dump(test_path(path, "nothing"), NULL, 0, STEPLOG_MISSING);
}

Test(dump, takes_a_file_from_the_directory_that_the_process_is_in)
{
    const char *path = make_store();
    seen all = dump(path, NULL, 0, STEPLOG_OK);
    seen one = dump(path, all.segment, 0, STEPLOG_OK);
    char folder[400];
    snprintf(folder, sizeof folder, "%s/%.100s", path, all.segment);
    *strrchr(folder, '/') = '\0';
    cr_assert_eq(chdir(folder), 0);
    cr_assert_eq(dump(strrchr(all.segment, '/') + 1, NULL, 0, STEPLOG_OK).item_count, one.item_count);
    steplog_error err;
    cr_assert_lt(steplog_dump(strrchr(all.segment, '/') + 1, "log", 0, take, &one, &err), 0, "a file holds no file");
}

/* By their names, where their first bytes say nothing, and by their bytes, where their names say nothing. */
Test(dump, knows_files_by_their_first_bytes_or_by_their_names)
{
    static const char *const names[] = {"x.log", "x.seg", "x.tmp", "STEPLOG", "x.txt", "x"};
    static const char *const structures[] = {"log header", "segment header", "segment header", "STEPLOG", "foreign file",
                                             "foreign file"};
    const char *path = make_store(), *other = test_temp_dir();
    seen all = dump(path, NULL, 0, STEPLOG_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *file = test_path(other, names[i]);
        FILE *out = fopen(file, "w");
        for (int n = 0; n < 9000; n++) fputc('?', out);
        fclose(out);
        seen s = dump(file, NULL, 0, STEPLOG_OK);
        cr_assert(has(&s, structures[i]), "%s is not taken for a %s", names[i], structures[i]);
        unlink(file);
    }
    const char *const files[] = {all.log, all.segment, "STEPLOG"};
    static const char *const said[] = {"log header", "segment header", "STEPLOG"};
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(link(test_path(path, files[i]), test_path(other, "anything")), 0);
        seen s = dump(test_path(other, "anything"), NULL, 0, STEPLOG_OK);
        cr_assert(has(&s, said[i]), "%s", files[i]);
        unlink(test_path(other, "anything"));
    }
}

Test(dump, passes_over_what_is_no_file_unless_it_is_asked_for)
{
    const char *path = make_store();
    seen before = dump(path, NULL, 0, STEPLOG_OK);
    cr_assert_eq(mkfifo(test_path(path, "log/fifo.log"), 0600), 0);
    cr_assert_eq(symlink("/etc/passwd", test_path(path, "log/link.log")), 0);
    cr_assert_eq(dump(path, NULL, 0, STEPLOG_OK).item_count, before.item_count);
    dump(path, "log/fifo.log", 0, STEPLOG_IO);
    dump(path, "log/link.log", 0, STEPLOG_IO);
}

Test(dump, stops_when_it_is_told_to)
{
    seen s = {.stops_at = 10};
    cr_assert_eq(steplog_dump(make_store(), NULL, 0, take, &s, NULL), STEPLOG_END);
    cr_assert_eq(s.item_count, 10);
}

static void flip(const char *path, off_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    cr_assert_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

Test(dump, shows_damage_and_goes_on_behind_it, .timeout = 60)
{
    const char *path = make_store();
    seen sound = dump(path, NULL, 0, STEPLOG_OK);
    const char *segment = test_path(path, sound.segment), *log = test_path(path, sound.log);
    struct stat st;
    cr_assert_eq(stat(segment, &st), 0);
    for (off_t at = 0; at < st.st_size - 256; at += 97) {
        flip(segment, at);
        seen s = dump(path, sound.segment, STEPLOG_DUMP_VALUES, STEPLOG_OK);
        cr_assert_gt(s.damaged_count, 0, "offset %lld", (long long)at);
        cr_assert(has(&s, "trailer"), "offset %lld", (long long)at);
        flip(segment, at);
        flip(log, 4096 + at);
        s = dump(path, sound.log, STEPLOG_DUMP_VALUES, STEPLOG_OK);
        cr_assert_gt(s.damaged_count, 0, "offset %lld", 4096 + (long long)at);
        cr_assert(has(&s, "end of records"));
        flip(log, 4096 + at);
    }
}
