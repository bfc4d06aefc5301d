/* Verify: a sound store is found sound, and each byte of a small store that holds every kind of file, flipped in turn,
 * is reported, unless FORMAT.md's list says that nothing is read from it. */
#include "steplog.h"

#include "os/os.h"
#include "support/random.h"
#include "support/reseal.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a store with every kind of file ---- */

static steplog_store *open_store(const char *path, uint32_t flags)
{
    steplog_error err;
    steplog_store *store = NULL;
    steplog_store_options options = {
        .size_bytes = sizeof options, .flags = flags, .sync_interval_ms = UINT32_MAX, .log_bytes = 65536};
    cr_assert_eq(steplog_store_open(path, &options, &store, &err), STEPLOG_OK, "%s", err.text);
    return store;
}

static steplog_writer *open_writer(steplog_store *store, const char *key)
{
    steplog_error err;
    steplog_writer *writer = NULL;
    steplog_pair labels[] = {{"host", "a"}, {"stage", "train"}};
    steplog_writer_options options = {
        .size_bytes = sizeof options, .run_key = key, .run_name = "small", .labels = labels, .label_count = 2};
    cr_assert_eq(steplog_writer_open(store, &options, &writer, &err), STEPLOG_OK, "%s", err.text);
    return writer;
}

static steplog_schema make_schema(steplog_writer *writer, const char *const *names, size_t count)
{
    steplog_metric metrics[8];
    steplog_schema schema;
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(steplog_writer_metric(writer, names[i], strlen(names[i]), &metrics[i], NULL), STEPLOG_OK);
    cr_assert_eq(steplog_writer_schema(writer, metrics, count, &schema, NULL), STEPLOG_OK);
    return schema;
}

static void log_rows(steplog_writer *writer, int64_t first, int64_t end)
{
    static const char *const names[] = {"loss", "lr", "sometimes"};
    steplog_schema schema = make_schema(writer, names, 3);
    test_random noise = test_random_from(7);
    for (int64_t step = first; step < end; step++) {
        double values[3] = {step % 97 ? test_random_unit(&noise) : NAN, 0.001 * (double)(step / 100), (double)step};
        uint64_t present = step % 7 ? 3 : 7;
        cr_assert_eq(
            steplog_writer_append_present(writer, schema, step, 1700000000000000000 + step * 1000000, values, &present),
            STEPLOG_OK);
    }
}

static void log_other_things(steplog_writer *writer)
{
    steplog_metric metric;
    uint8_t picture[300];
    for (size_t i = 0; i < sizeof picture; i++) picture[i] = (uint8_t)(i * i);
    cr_assert_eq(steplog_writer_metric(writer, "acc", 3, &metric, NULL), STEPLOG_OK);
    for (int64_t step = 0; step < 5; step++)
        for (int i = 0; i < 2; i++)
            cr_assert_eq(steplog_writer_point(writer, metric, step, STEPLOG_TIME_NONE, 0.25 * i), STEPLOG_OK);
    cr_assert_eq(steplog_writer_set_fact(writer, "param.batch", "64", NULL), STEPLOG_OK);
    cr_assert_eq(steplog_writer_set_fact(writer, "note", "first", NULL), STEPLOG_OK);
    cr_assert_eq(
        steplog_writer_blob(writer, "confusion", 3, STEPLOG_TIME_NONE, "text/csv", picture, sizeof picture, NULL),
        STEPLOG_OK);
}

static void copy_file(const char *from, const char *to)
{
    char buffer[65536];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    cr_assert(in >= 0 && out >= 0);
    for (ssize_t got; (got = read(in, buffer, sizeof buffer)) > 0;) cr_assert_eq(write(out, buffer, (size_t)got), got);
    close(in);
    close(out);
}

/* A writer that does not end: the child leaves without closing. */
static void leave_a_log(const char *path, uint32_t flags, int is_synced)
{
    pid_t child = fork();
    if (child == 0) {
        steplog_store *store = open_store(path, flags | STEPLOG_NO_THREAD | STEPLOG_NO_ADOPT);
        steplog_writer *writer = open_writer(store, "killed");
        log_rows(writer, 0, 20);
        log_other_things(writer);
        if (is_synced) steplog_writer_sync(writer, NULL);
        log_rows(writer, 20, 30);
        _exit(0);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void make_spare(const char *path)
{
    static const uint8_t remains[4096] = "SLROWLOG";
    char name[64];
    snprintf(name, sizeof name, "log/%032d-9.log", 7);
    int fd = open(test_path(path, name), O_WRONLY | O_CREAT, 0666);
    cr_assert_eq(write(fd, remains, sizeof remains), (ssize_t)sizeof remains);
    close(fd);
}

static const char *make_store(int row_count)
{
    const char *path = test_temp_dir();
    steplog_store *store = open_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | STEPLOG_NO_ADOPT);
    steplog_writer *writer = open_writer(store, "sealed");
    log_other_things(writer);
    log_rows(writer, 0, row_count);
    cr_assert_eq(steplog_writer_close(writer, 0, NULL), STEPLOG_OK);
    cr_assert_eq(steplog_store_close(store, NULL), STEPLOG_OK);
    leave_a_log(path, STEPLOG_FORCE_PWRITE, 1);
    make_spare(path);
    return path;
}

/* ---- verifying ---- */

typedef struct seen {
    uint64_t damage_count, notice_count;
    char text[4000];
    int has_run, has_steps, has_series;
} seen;

static int see(void *context, const steplog_damage *finding)
{
    seen *s = context;
    size_t used = strlen(s->text);
    if (finding->is_notice)
        s->notice_count++;
    else
        s->damage_count++;
    if (!finding->is_notice) {
        s->has_run |= finding->has_run;
        s->has_steps |= finding->has_steps;
        s->has_series |= finding->series != NULL;
    }
    snprintf(s->text + used, sizeof s->text - used, "%s %s at %lld: %s (%s)\n",
             finding->is_notice ? "notice" : "damage", finding->file ? finding->file : "store",
             (long long)finding->offset, finding->what, finding->series ? finding->series : "-");
    return 0;
}

static steplog_status verify(const char *path, seen *out)
{
    memset(out, 0, sizeof *out);
    steplog_verify_options options = {.size_bytes = sizeof options, .callback = see, .context = out};
    steplog_verify_result result = {.size_bytes = sizeof result};
    steplog_status status = steplog_store_verify(path, &options, &result, NULL);
    cr_assert_eq(result.damage_count, out->damage_count);
    cr_assert_eq(result.notice_count, out->notice_count);
    return status;
}

/* Scans everything a reader can see: it must not crash, whatever it finds. */
static void read_everything(const char *path)
{
    steplog_store *store;
    steplog_reader *reader;
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_READ_ONLY};
    if (steplog_store_open(path, &options, &store, NULL) < 0) return;
    if (steplog_reader_open(store, &reader, NULL) >= 0) {
        for (size_t n = 0; n < steplog_reader_run_count(reader); n++) {
            steplog_run_info run = {.size_bytes = sizeof run};
            steplog_cursor *cursor;
            steplog_batch batch;
            uint8_t blob[4096];
            if (steplog_reader_run(reader, n, &run, NULL) < 0) continue;
            for (size_t i = 0; i < run.blob_count; i++)
                steplog_reader_blob_read(reader, &run.id, i, blob, sizeof blob, NULL);
            if (steplog_cursor_open_matching(reader, &run.id, "*", NULL, &cursor, NULL) < 0) continue;
            while (steplog_cursor_next(cursor, &batch, 0, NULL) == STEPLOG_OK) {
            }
            steplog_cursor_close(cursor);
        }
        steplog_reader_close(reader);
    }
    steplog_store_close(store, NULL);
}

/* ---- a list of files ---- */

typedef struct file {
    const char *path; /* absolute */
    char kind[16];    /* as in FORMAT.md's list of unused bytes */
    uint8_t *bytes;
    size_t size, end; /* end: of the last committed record of a log */
} file;

typedef struct file_list {
    file items[64];
    size_t count;
} file_list;

static size_t end_of_records(const uint8_t *bytes, size_t size)
{
    size_t at = 4096;
    while (at + 8 <= size && (bytes[at] || bytes[at + 1])) at += 8 * (size_t)(bytes[at] | bytes[at + 1] << 8);
    return at;
}

static void add_file(file_list *list, const char *path)
{
    file *f = &list->items[list->count++];
    struct stat st;
    cr_assert_leq(list->count, 64);
    cr_assert_eq(stat(path, &st), 0);
    *f = (file){.path = path, .size = (size_t)st.st_size, .bytes = malloc((size_t)st.st_size + 1)};
    int fd = open(path, O_RDONLY);
    cr_assert_eq(read(fd, f->bytes, f->size), (ssize_t)f->size);
    close(fd);
    static const uint8_t no_id[16];
    const char *dot = strrchr(path, '.');
    int is_log = dot && strcmp(dot, ".log") == 0;
    snprintf(f->kind, sizeof f->kind, "%s",
             !is_log                                 ? "other"
             : memcmp(f->bytes + 16, no_id, 16) == 0 ? "spare-log"
                                                     : "log");
    if (strcmp(f->kind, "log") == 0) f->end = end_of_records(f->bytes, f->size);
}

static void add_files(file_list *list, const char *path)
{
    DIR *dir = opendir(path);
    cr_assert(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct stat st;
        if (entry->d_name[0] == '.') continue;
        const char *below = test_path(path, entry->d_name);
        cr_assert_eq(stat(below, &st), 0);
        if (S_ISDIR(st.st_mode))
            add_files(list, below);
        else
            add_file(list, below);
    }
    closedir(dir);
}

static void free_files(file_list *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->items[i].bytes);
}

/* ---- FORMAT.md's list ---- */

typedef struct unused {
    char kind[16], begin[16], end[16];
} unused;

typedef struct unused_list {
    unused items[32];
    size_t count;
} unused_list;

static void read_unused(unused_list *list)
{
    char line[400];
    int is_inside = 0;
    list->count = 0;
    FILE *format = fopen("FORMAT.md", "r");
    cr_assert(format, "tests run in the directory of FORMAT.md");
    while (fgets(line, sizeof line, format)) {
        if (strncmp(line, "<!-- end unused bytes", 21) == 0) is_inside = 0;
        unused *u = &list->items[list->count];
        if (is_inside && sscanf(line, "%15s %15s %15s", u->kind, u->begin, u->end) == 3) list->count++;
        if (strncmp(line, "<!-- unused bytes", 17) == 0) is_inside = 1;
    }
    fclose(format);
    cr_assert_gt(list->count, 0);
}

static size_t place(const char *text, const file *f)
{
    if (strcmp(text, "END") == 0) return f->end;
    if (strcmp(text, "SIZE") == 0) return f->size;
    return (size_t)strtoull(text, NULL, 10);
}

static int is_unused(const unused_list *list, const file *f, size_t at)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].kind, f->kind) == 0 && at >= place(list->items[i].begin, f) &&
            at < place(list->items[i].end, f))
            return 1;
    return 0;
}

static void put_byte(const char *path, size_t at, uint8_t byte)
{
    int fd = open(path, O_WRONLY);
    cr_assert_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

/* ---- claims ---- */

Test(verify, finds_a_sound_store_sound)
{
    seen s;
    const char *path = make_store(1500);
    steplog_status status = verify(path, &s);
    cr_assert_eq(status, STEPLOG_OK, "%d\n%s", status, s.text);
    cr_assert_eq(s.damage_count, 0, "%s", s.text);
    cr_assert_eq(s.notice_count, 1, "the spare: %s", s.text);
}

Test(verify, counts_what_it_has_checked)
{
    const char *path = make_store(1500);
    steplog_verify_result result = {.size_bytes = sizeof result};
    cr_assert_eq(steplog_store_verify(path, NULL, &result, NULL), STEPLOG_OK);
    cr_assert_eq(result.file_count, 4);
    cr_assert_eq(result.row_count, 1500 + 10 + 30 + 10);
    cr_assert_eq(result.point_count, (1500 * 2 + 215) + 10 + (30 * 2 + 5) + 10);
    cr_assert_gt(result.block_count, 0);
}

Test(verify, answers_missing_for_what_is_no_store)
{
    steplog_error err;
    cr_assert_eq(steplog_store_verify(test_temp_dir(), NULL, NULL, &err), STEPLOG_MISSING);
    cr_assert_eq(steplog_store_verify(test_path(test_temp_dir(), "nothing"), NULL, NULL, &err), STEPLOG_MISSING);
    cr_assert_eq(steplog_store_verify("", NULL, NULL, &err), STEPLOG_MISUSE);
}

Test(verify, gives_a_notice_for_files_that_are_no_part_of_a_store)
{
    seen s;
    const char *path = make_store(10);
    copy_file(test_path(path, "STEPLOG"), test_path(path, "README"));
    copy_file(test_path(path, "STEPLOG"), test_path(path, "log/foreign.log"));
    copy_file(test_path(path, "STEPLOG"), test_path(path, "seg/0/00000000000000000000000000000001.tmp"));
    cr_assert_eq(mkdir(test_path(path, "seg/00"), 0777), 0);
    cr_assert_eq(verify(path, &s), STEPLOG_OK);
    cr_assert_eq(s.notice_count, 1 + 4, "%s", s.text);
}

static int stop_at_once(void *context, const steplog_damage *finding)
{
    (void)context;
    (void)finding;
    return 1;
}

/* What a power cut may leave of a log that was being kept for reuse: its new name and its old header. */
Test(verify, gives_a_notice_for_a_log_whose_name_has_another_ordinal)
{
    const char *path = test_path(test_temp_dir(), "store");
    pid_t child = fork();
    if (child == 0) {
        steplog_store *store = open_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD);
        log_rows(open_writer(store, "run"), 0, 10);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    const char *logs = test_path(path, "log");
    DIR *directory = opendir(logs);
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL && entry->d_name[0] == '.') continue;
    cr_assert_not_null(entry);
    const char *old = test_path(logs, entry->d_name);
    char name[80];
    snprintf(name, sizeof name, "%.32s-9.log", entry->d_name);
    cr_assert_eq(rename(old, test_path(logs, name)), 0);
    closedir(directory);
    steplog_verify_result result = {.size_bytes = sizeof result};
    cr_assert_eq(steplog_store_verify(path, NULL, &result, NULL), STEPLOG_OK);
    cr_assert_eq(result.notice_count, 1);
    cr_assert_eq(result.row_count, 10);
}

static void change_log(const char *path, size_t at, uint8_t with, size_t bytes)
{
    file_list files = {0};
    add_files(&files, test_path(path, "log"));
    for (size_t i = 0; i < files.count; i++)
        if (strcmp(files.items[i].kind, "log") == 0)
            for (size_t n = at; n < at + bytes; n++)
                put_byte(files.items[i].path, n, with ? files.items[i].bytes[n] ^ with : 0);
    free_files(&files);
}

Test(verify, counts_the_rows_of_a_log_by_the_copy_of_its_header)
{
    seen s;
    steplog_verify_result result = {.size_bytes = sizeof result};
    const char *path = make_store(10);
    change_log(path, 100, 0x55, 1);
    cr_assert_eq(verify(path, &s), STEPLOG_CORRUPT, "%s", s.text);
    cr_assert(s.damage_count == 1 && s.has_run && strstr(s.text, "header is damaged"), "%s", s.text);
    steplog_store_verify(path, NULL, &result, NULL);
    cr_assert_eq(result.row_count, 10 + 10 + 30 + 10);
    path = make_store(10);
    change_log(path, 3000, 0x55, 1);
    cr_assert_eq(verify(path, &s), STEPLOG_CORRUPT, "%s", s.text);
    cr_assert(s.damage_count == 1 && s.has_run && strstr(s.text, "copy of the log's header is damaged"), "%s", s.text);
    path = make_store(10);
    change_log(path, 0, 0, 512);
    cr_assert_eq(verify(path, &s), STEPLOG_OK, "%s", s.text);
    cr_assert(s.notice_count == 2 && strstr(s.text, "its copy counts"), "%s", s.text);
    steplog_store_verify(path, NULL, &result, NULL);
    cr_assert_eq(result.row_count, 10 + 10 + 30 + 10);
    path = make_store(10);
    change_log(path, 2600, 0x55, 1);
    change_log(path, 100, 0x55, 1);
    cr_assert_eq(verify(path, &s), STEPLOG_CORRUPT, "%s", s.text);
    steplog_store_verify(path, NULL, &result, NULL);
    cr_assert_eq(result.row_count, 10 + 10, "without the header and the copy nothing of the log can be checked");
}

Test(verify, stops_when_it_is_told_to)
{
    steplog_verify_options options = {.size_bytes = sizeof options, .callback = stop_at_once};
    cr_assert_eq(steplog_store_verify(make_store(10), &options, NULL, NULL), STEPLOG_END);
}

Test(verify, misses_a_segment_that_was_taken_away)
{
    seen s;
    file_list files = {0};
    const char *path = test_temp_dir();
    steplog_store *store = open_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD);
    steplog_writer *writer = open_writer(store, "long");
    for (int64_t step = 0; step < 6000; step += 100) {
        log_rows(writer, step, step + 100);
        steplog_store_tick(store, 1000, NULL);
    }
    log_rows(writer, 6000, 6010);
    add_files(&files, test_path(path, "seg"));
    cr_assert_gt(files.count, 0);
    cr_assert_eq(unlink(files.items[0].path), 0);
    cr_assert_eq(verify(path, &s), STEPLOG_CORRUPT, "%s", s.text);
    cr_assert(s.has_run && strstr(s.text, "missing"), "%s", s.text);
    free_files(&files);
    steplog_writer_close(writer, 0, NULL);
    steplog_store_close(store, NULL);
}

/* Under a sanitizer each byte takes long: every few, another few each time. */
#if defined(__SANITIZE_ADDRESS__)
#define STRIDE 6
#else
#define STRIDE 1
#endif

Test(verify, reports_each_flipped_byte_of_a_small_store, .timeout = 300)
{
    file_list files = {0};
    unused_list unused_bytes;
    seen s;
    test_random random = test_random_begin("verify, each flipped byte");
    const char *path = make_store(1100);
    read_unused(&unused_bytes);
    add_files(&files, path);
    size_t flipped = 0, silent = 0, checked = 0;
    for (size_t i = 0; i < files.count; i++) {
        const file *f = &files.items[i];
        for (size_t at = test_random_below(&random, STRIDE); at < f->size; at += STRIDE) {
            if (is_unused(&unused_bytes, f, at)) continue;
            uint8_t bit = (uint8_t)(1u << test_random_below(&random, 8));
            put_byte(f->path, at, f->bytes[at] ^ bit);
            steplog_status status = verify(path, &s);
            int is_tail = strcmp(f->kind, "log") == 0 && strstr(s.text, "not completed");
            int is_torn_tail_only = status == STEPLOG_OK && is_tail;
            /* One slot of two: told as a notice, because it is also what a power cut leaves. */
            if (strcmp(f->kind, "log") == 0 && strstr(s.text, "slot fails its check")) is_torn_tail_only = 1;
            if (status == STEPLOG_NEWER) is_torn_tail_only = 1; /* a store of a later version, told as an error */
            /* One slot may have been in writing when the machine stopped: a notice (FORMAT.md 6.2). */
            int is_slot = strcmp(f->kind, "log") == 0 && strstr(s.text, "slot fails its check");
            /* The same of a log's header or its copy, when what was changed is a zero now (6.1). */
            int is_partial = strcmp(f->kind, "log") == 0 && strstr(s.text, "is not complete") &&
                             (uint8_t)(f->bytes[at] ^ bit) == 0;
            if (status != STEPLOG_CORRUPT && !is_torn_tail_only && !is_slot && !is_partial) {
                if (silent++ < 20)
                    fprintf(stderr, "%s byte %zu, bit %02x: status %d\n%s", f->path, at, bit, status, s.text);
            }
            /* What is whole agrees. */
            cr_assert(!strstr(s.text, " the pages say") && !strstr(s.text, "does not name what is here") &&
                          !strstr(s.text, "do not cover"),
                      "%s", s.text);
            if (flipped++ % 7 == 0) read_everything(path);
            put_byte(f->path, at, f->bytes[at]);
            checked++;
        }
    }
    cr_assert_eq(silent, 0, "%zu of %zu flipped bytes were not reported", silent, checked);
    cr_assert_eq(verify(path, &s), STEPLOG_OK, "%s", s.text);
    fprintf(stderr, "%zu bytes flipped\n", flipped);
    free_files(&files);
}

Test(verify, names_run_series_and_steps_of_a_damaged_column)
{
    seen s;
    file_list files = {0};
    const char *path = make_store(1100);
    add_files(&files, test_path(path, "seg"));
    const file *f = &files.items[0];
    size_t at = 64;
    while (memcmp(f->bytes + at, "PG", 2) != 0 || f->bytes[at + 2] != 3) at += 8; /* a COLUMN page */
    put_byte(f->path, at + 100, f->bytes[at + 100] ^ 1);
    cr_assert_eq(verify(path, &s), STEPLOG_CORRUPT);
    cr_assert(s.has_run && s.has_steps && s.has_series, "%s", s.text);
    cr_assert(strstr(s.text, "(loss)"), "%s", s.text);
    free_files(&files);
}

/* Two damages in one segment: a page that fails its check, and a table with a right check that says something else. */
Test(verify, holds_whole_tables_against_whole_pages_beside_a_damaged_one)
{
    static const struct {
        uint8_t kind, at; /* of the table; the byte of its first entry that lies */
        const char *what;
    } tables[] = {{16, 36, "of the table of writers does not say"},
                  {17, 8, "of the table of schemas does not say"},
                  {19, 40, "of the table of chunks does not say"},
                  {19, 0, "the table of chunks does not name what is here"},
                  {21, 24, "of the table of records does not say"},
                  {20, 9, "the held ranges do not cover"}};
    seen s;
    file_list files = {0};
    const char *path = make_store(1100);
    add_files(&files, test_path(path, "seg"));
    const file *f = &files.items[0];
    size_t column = 64;
    while (memcmp(f->bytes + column, "PG", 2) != 0 || f->bytes[column + 2] != 3) column += 8; /* a COLUMN page */
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        size_t at = column;
        while (memcmp(f->bytes + at, "PG", 2) != 0 || f->bytes[at + 2] != tables[i].kind) at += 8;
        uint8_t *bytes = malloc(f->size);
        memcpy(bytes, f->bytes, f->size);
        bytes[at + 24 + tables[i].at] ^= 1;
        reseal_file(bytes, f->size, f->bytes, f->size);
        for (int is_beside = 0; is_beside < 2; is_beside++) {
            bytes[column + 100] ^= (uint8_t)is_beside;
            FILE *out = fopen(f->path, "wb");
            cr_assert(out && fwrite(bytes, 1, f->size, out) == f->size && fclose(out) == 0);
            cr_assert_eq(verify(path, &s), STEPLOG_CORRUPT);
            cr_assert((strstr(s.text, "(loss)") != NULL) == is_beside, "%s", s.text);
            cr_assert(!is_beside || strstr(s.text, tables[i].what), "expected: %s\n%s", tables[i].what, s.text);
        }
        free(bytes);
    }
    free_files(&files);
}

Test(verify, does_not_call_a_live_store_damaged, .timeout = 60)
{
    const char *path = test_temp_dir();
    int go[2];
    steplog_store_close(open_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD), NULL);
    cr_assert_eq(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        close(go[0]);
        steplog_store *store = open_store(path, 0);
        steplog_writer *writer = open_writer(store, "live");
        for (int64_t step = 0; step < 60000; step += 100) {
            log_rows(writer, step, step + 100);
            if (step % 1000 == 0) steplog_writer_sync(writer, NULL);
            if (step % 10000 == 0) steplog_store_compact(store, NULL, NULL, NULL);
        }
        steplog_writer_close(writer, 0, NULL);
        steplog_store_close(store, NULL);
        _exit(0);
    }
    close(go[1]);
    fcntl(go[0], F_SETFL, O_NONBLOCK);
    char byte;
    seen s = {0};
    steplog_status answer = STEPLOG_OK;
    int round = 0, status = 0;
    for (; answer == STEPLOG_OK && read(go[0], &byte, 1) != 0; round++)
        answer = verify(path, &s); /* 0: the writer has left */
    if (answer != STEPLOG_OK) kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(answer, STEPLOG_OK, "%d, round %d\n%s", answer, round, s.text);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- many names ---- */

enum { NAMES = 400000 };

static const sl_os_table *real_os;
static int must_invent; /* so many names, in the next directory that is listed */

static int list_more(int dir, sl_os_name_callback callback, void *context)
{
    char name[32];
    int end = must_invent ? NAMES : 0, result = real_os->list(dir, callback, context);
    must_invent = 0;
    for (int i = 0; i < end && result == 0; i++) {
        snprintf(name, sizeof name, "a-strange-name-%d", i);
        result = callback(context, name);
    }
    return result;
}

/* Names that each were compared with all before them would be compared 80 billion times. These came and went: no more
 * is said of them. */
Test(verify, of_a_directory_with_many_names_takes_as_long_as_they_are_many)
{
    static sl_os_table listing_more;
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store_close(open_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD), NULL);
    listing_more = *(real_os = sl_os);
    listing_more.list = list_more;
    must_invent = 1;
    sl_os = &listing_more;
    steplog_verify_result result = {.size_bytes = sizeof result};
    steplog_status status = steplog_store_verify(path, NULL, &result, NULL);
    sl_os = real_os;
    cr_expect_not(must_invent);
    cr_expect_eq(status, STEPLOG_OK);
    cr_expect_eq(result.damage_count, 0u);
    cr_expect_eq(result.notice_count, 0u);
}
