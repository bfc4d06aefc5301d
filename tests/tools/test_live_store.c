/* test_live_store.c: the tool while writers go on: opening a cursor then may take another snapshot, in which writers
 * have other places and strings of before are gone. */
#include "import_target.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <sys/stat.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOG_BYTES = 64 << 10, HELD_ROWS = 200, LATER_ROWS = 40000, OTHER_ROWS = 3000 };

typedef struct live {
    char *path;
    steplog_store *store;
    steplog_writer *writer;
    steplog_schema schema;
} live;

static void append(live *l, int64_t begin, int64_t end)
{
    for (int64_t step = begin; step < end; step++) {
        const double value = (double)step;
        OK(steplog_writer_append(l->writer, l->schema, step, STEPLOG_TIME_NONE, &value));
        if (step % 1000 == 0) OK(steplog_store_tick(l->store, 1000, &kit_error));
    }
}

/* A run "key" with a live writer, whose rows are in its log. */
static live begin_live(void)
{
    live l = {.path = strdup(test_path(test_temp_dir(), "store"))};
    setenv("STEPLOG_DIR", l.path, 1);
    l.store = kit_store(l.path, STEPLOG_CREATE | STEPLOG_NO_THREAD, LOG_BYTES);
    const steplog_writer_options options = {.size_bytes = sizeof options, .run_key = "key", .attempt = 2,
                                            .run_name = "a name of a run", .project = "a project of a run"};
    OK(steplog_writer_open(l.store, &options, &l.writer, &kit_error));
    l.schema = kit_schema(l.writer, "m", 1);
    append(&l, 0, HELD_ROWS);
    return l;
}

/* The writer's log is used anew, and another writer comes that stands before it. */
static void go_on(live *l)
{
    append(l, HELD_ROWS, LATER_ROWS);
    steplog_writer *first = kit_writer(l->store, "key", 0, 1);
    kit_log(first, "other", 1, 1);
    kit_writer_close(first);
}

static void end_live(live *l)
{
    kit_writer_close(l->writer);
    kit_store_close(l->store);
    free(l->path);
}

static int run_verb(int (*verb)(int argc, char **argv), const char *const *words)
{
    char *argv[16], *copies[16];
    int argc = 0;
    for (; words[argc]; argc++) argv[argc] = copies[argc] = strdup(words[argc]);
    argv[argc] = NULL;
    const int code = verb(argc, argv); /* puts them in another order */
    for (int i = 0; i < argc; i++) free(copies[i]);
    return code;
}

/* ---- ls ---- */

static live *on_match; /* goes on when a name is first compared */

int fnmatch(const char *glob, const char *text, int flags);
int fnmatch(const char *glob, const char *text, int flags)
{
    live *l = on_match;
    int (*real)(const char *, const char *, int);
    void *symbol = dlsym(RTLD_NEXT, "fnmatch");
    memcpy(&real, &symbol, sizeof real);
    on_match = NULL;
    if (l) go_on(l);
    return real(glob, text, flags);
}

Test(live_store, ls_keeps_the_names_of_runs)
{
    live l = begin_live();
    char *output = strdup(test_path(test_temp_dir(), "output"));
    char line[512] = "";
    on_match = &l;
    cr_assert_eq(run_verb(cmd_ls, (const char *const[]){"ls", "--name", "*", "--cols", "count:m0", "--tsv",
                                                        "--no-header", "-o", output, NULL}), 0);
    FILE *file = fopen(output, "r");
    cr_assert_not_null(file);
    cr_assert_not_null(fgets(line, sizeof line, file));
    fclose(file);
    cr_assert(strstr(line, "\ta name of a run\ta project of a run\t"), "found '%s'", line);
    cr_assert(strstr(line, "\t40000\t"), "the points of the later snapshot are counted, found '%s'", line);
    free(output);
    end_live(&l);
}

/* ---- export ---- */

static void *export_both(void *output)
{
    static int code;
    char *path;
    memcpy(&path, &output, sizeof path);
    code = run_verb(cmd_export, (const char *const[]){"export", "other run", "a name of a run", "-o", path, NULL});
    return &code;
}

Test(live_store, export_gives_every_point_with_its_writer)
{
    live l = begin_live();
    char *fifo = strdup(test_path(test_temp_dir(), "fifo"));
    char id[STEPLOG_ID_TEXT_BYTES], line[512];
    const steplog_id incarnation = kit_stats(l.writer).incarnation;
    size_t count = 0, own_count = 0;
    void *code;
    pthread_t thread;
    steplog_id_format(&incarnation, id);

    /* More than a pipe holds, so that the run after it waits. */
    const steplog_writer_options options = {.size_bytes = sizeof options, .run_name = "other run"};
    steplog_writer *other;
    OK(steplog_writer_open(l.store, &options, &other, &kit_error));
    for (int i = 0; i < OTHER_ROWS; i++) kit_log(other, "x", i, i);
    kit_writer_close(other);

    cr_assert_eq(mkfifo(fifo, 0600), 0);
    cr_assert_eq(pthread_create(&thread, NULL, export_both, fifo), 0);
    FILE *file = fopen(fifo, "r"); /* once the export has its snapshot */
    cr_assert_not_null(file);
    go_on(&l);
    while (fgets(line, sizeof line, file)) {
        count += strstr(line, ",m0,") != NULL;
        own_count += strstr(line, ",m0,") != NULL && strstr(line, id) != NULL;
    }
    fclose(file);
    cr_assert_eq(pthread_join(thread, &code), 0);
    cr_assert_eq(*(int *)code, 0);
    cr_assert_geq(count, HELD_ROWS, "found %zu rows", count);
    cr_assert_eq(own_count, count, "%zu of %zu rows name their writer", own_count, count);
    free(fifo);
    end_live(&l);
}

/* ---- import ---- */

Test(live_store, import_finds_the_rows_of_its_source)
{
    live l = begin_live();
    char *path = strdup(test_path(test_temp_dir(), "a.csv"));
    session s;
    import_runs runs = {0};
    const import_options table_options = {0};
    const import_target_options options = {.run_key = "key"};
    import_file file = {.json = json_new(0)};
    import_target target;
    FILE *text = fopen(path, "w");
    cr_assert_not_null(text);
    fputs("step,loss\n1,10\n2,20\n", text);
    fclose(text);
    cr_assert_eq(run_verb(cmd_import, (const char *const[]){"import", "-q", "--run-key", "key", path, NULL}), 0);

    cr_assert_eq(session_open_writer(&s, STEPLOG_NO_THREAD), 0);
    OK(steplog_reader_open(s.store, &s.reader, &kit_error));
    const steplog_id run = kit_run_of(l.writer);
    runs.runs = calloc(1, sizeof *runs.runs); /* the run is a job's: no import made it */
    runs.runs[0].key = strdup("key");
    runs.runs[0].id = run;
    runs.count = 1;
    cr_assert_eq(import_input_open(&file.input, path), 0);
    import_file_detect(&file);
    import_table_init(&file.table, &table_options, IMPORT_STEP_FIXED);
    cr_assert_eq(import_file_parse(&file, 1), 0);
    import_target_init(&target, &options, &s, &runs, &file);
    go_on(&l);
    cr_assert_eq(import_target_next(&target), 0);
    cr_assert(target.is_comparing, "the source is known");
    import_table_start(&file.table, target.step_rank, import_target_row, &target);
    cr_assert_eq(import_file_parse(&file, 0), 0, "the rows are those that are recorded");
    cr_assert_eq(target.known_rows, 2, "found %llu rows", (unsigned long long)target.known_rows);
    cr_assert_eq(import_target_finish(&target, 1), 0);
    import_target_clear(&target);
    import_runs_clear(&runs);
    import_file_close(&file);
    cr_assert_eq(session_close(&s, 0), 0);
    free(path);
    end_live(&l);
}
