/* Verify: a sound store is found sound, and each byte of a small store that holds every kind of file, flipped in turn,
 * is reported, unless FORMAT.md's list says that nothing is read from it. */
#include "steplog.h"

#include "support/random.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
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
    steplog_store_options options = {.size_bytes = sizeof options, .flags = flags, .sync_interval_ms = UINT32_MAX, .log_bytes = 65536};
    cr_assert_eq(steplog_store_open(path, &options, &store, &err), STEPLOG_OK, "%s", err.text);
    return store;
}

static steplog_writer *open_writer(steplog_store *store, const char *key)
{
    steplog_error err;
    steplog_writer *writer = NULL;
    steplog_pair labels[] = {{"host", "a"}, {"stage", "train"}};
    steplog_writer_options options = {.size_bytes = sizeof options, .run_key = key, .run_name = "small", .labels = labels, .label_count = 2};
    cr_assert_eq(steplog_writer_open(store, &options, &writer, &err), STEPLOG_OK, "%s", err.text);
    return writer;
}

static steplog_schema make_schema(steplog_writer *writer, const char *const *names, size_t count)
{
    steplog_metric metrics[8];
    steplog_schema schema;
    for (size_t i = 0; i < count; i++) cr_assert_eq(steplog_writer_metric(writer, names[i], strlen(names[i]), &metrics[i], NULL), STEPLOG_OK);
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
        cr_assert_eq(steplog_writer_append_present(writer, schema, step, 1700000000000000000 + step * 1000000, values, &present), STEPLOG_OK);
    }
}

static void log_other_things(steplog_writer *writer)
{
    steplog_metric metric;
    uint8_t picture[300];
    for (size_t i = 0; i < sizeof picture; i++) picture[i] = (uint8_t)(i * i);
    cr_assert_eq(steplog_writer_metric(writer, "acc", 3, &metric, NULL), STEPLOG_OK);
    for (int64_t step = 0; step < 5; step++)
        for (int i = 0; i < 2; i++) cr_assert_eq(steplog_writer_point(writer, metric, step, STEPLOG_TIME_NONE, 0.25 * i), STEPLOG_OK);
    cr_assert_eq(steplog_writer_set_fact(writer, "param.batch", "64", NULL), STEPLOG_OK);
    cr_assert_eq(steplog_writer_set_fact(writer, "note", "first", NULL), STEPLOG_OK);
    cr_assert_eq(steplog_writer_blob(writer, "confusion", 3, STEPLOG_TIME_NONE, "text/csv", picture, sizeof picture, NULL), STEPLOG_OK);
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
    if (finding->is_notice) s->notice_count++;
    else s->damage_count++;
    if (!finding->is_notice) {
        s->has_run |= finding->has_run;
        s->has_steps |= finding->has_steps;
        s->has_series |= finding->series != NULL;
    }
    snprintf(s->text + used, sizeof s->text - used, "%s %s at %lld: %s (%s)\n", finding->is_notice ? "notice" : "damage",
             finding->file ? finding->file : "store", (long long)finding->offset, finding->what, finding->series ? finding->series : "-");
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
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_READ_ONLY};
    if (steplog_store_open(path, &options, &store, NULL) < 0) return;
    steplog_reader *reader;
    if (steplog_reader_open(store, &reader, NULL) >= 0) {
        for (size_t n = 0; n < steplog_reader_run_count(reader); n++) {
            steplog_run_info run = {.size_bytes = sizeof run};
            steplog_series *series = NULL;
            size_t count = 0;
            if (steplog_reader_run(reader, n, &run, NULL) < 0 || steplog_reader_find(reader, &run.id, "*", &series, &count, NULL) < 0) continue;
            for (size_t i = 0; i < count; i++) {
                steplog_cursor *cursor;
                steplog_block block;
                steplog_cursor_options all = {.size_bytes = sizeof all};
                if (steplog_cursor_open(reader, &series[i], 1, &all, &cursor, NULL) < 0) continue;
                while (steplog_cursor_next(cursor, &block, NULL) == STEPLOG_OK) {}
                steplog_cursor_close(cursor);
            }
            steplog_series_free(series);
        }
        steplog_reader_close(reader);
    }
    steplog_store_close(store, NULL);
}
