/* Arguments that break a rule of the headers: each call says so, by its status and in words, and nothing changes. */
#include "steplog.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* The call must give this status, and words for it. */
#define REFUSES(status, call)                                      \
    do {                                                           \
        GIVES(status, call);                                       \
        HOLDS(kit_error.code == STEPLOG_##status, "code %d", (int)kit_error.code); \
        HOLDS(kit_error.text[0], "no words");                      \
    } while (0)

/* A hot call on scene s must give MISUSE, and steplog_writer_error() these words for it. */
#define REFUSES_HOT(words, call)                                                             \
    do {                                                                                     \
        GIVES(MISUSE, call);                                                                 \
        steplog_writer_error(s.writer, &kit_error);                                          \
        HOLDS(kit_error.code == STEPLOG_MISUSE, "code %d", (int)kit_error.code);             \
        HOLDS(strstr(kit_error.text, words), "the words are '%s'", kit_error.text);          \
    } while (0)

static const steplog_id nobody = {{7}};

typedef struct scene {
    const char *path;
    steplog_store *store;
    steplog_writer *writer;
    steplog_reader *reader;
    steplog_id run;
    steplog_series series;
} scene;

static scene begin(void)
{
    scene s = {.path = test_path(test_temp_dir(), "store")};
    s.store = kit_store(s.path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    s.writer = kit_writer(s.store, "run", 0, 0);
    s.run = kit_run_of(s.writer);
    kit_log(s.writer, "loss", 1, 0.5);
    kit_log(s.writer, "loss", 2, 0.25);
    OK(steplog_writer_blob(s.writer, "b", 1, 2, "t", "abc", 3, &kit_error));
    OK(steplog_writer_set_fact(s.writer, "note", "n", &kit_error));
    s.reader = kit_reader(s.store);
    s.series = kit_series(s.reader, &s.run, "loss");
    return s;
}

/* What was recorded is there, and nothing else. */
static void end(scene *s)
{
    steplog_reader_close(s->reader);
    kit_writer_close(s->writer);
    s->reader = kit_reader(s->store);
    kit_rows rows = kit_read(s->reader, &s->run, "*", NULL);
    cr_assert_eq(rows.row_count, 2);
    cr_assert_eq(rows.column_count, 1);
    kit_rows_free(&rows);
    cr_assert_eq(steplog_reader_run_count(s->reader), 1);
    cr_assert_eq(steplog_reader_writer_count(s->reader, &s->run), 1);
    cr_assert_eq(steplog_reader_blob_count(s->reader, &s->run), 1);
    cr_assert_eq(steplog_reader_event_count(s->reader, &s->run), 3, "the name, the note, the end");
    steplog_reader_close(s->reader);
    kit_store_close(s->store);
    kit_verify(s->path);
}

/* Of at most STEPLOG_VALUE_BYTES_MAX + 1 bytes. */
static const char *long_text(size_t bytes)
{
    static char text[STEPLOG_VALUE_BYTES_MAX + 2];
    memset(text, 'x', bytes);
    text[bytes] = 0;
    return text;
}

Test(misuse, of_readers)
{
    scene s = begin();
    steplog_reader *reader;
    REFUSES(MISUSE, steplog_reader_open(NULL, &reader, &kit_error));
    REFUSES(MISUSE, steplog_reader_open(s.store, NULL, &kit_error));
    REFUSES(MISUSE, steplog_reader_refresh(NULL, &kit_error));
    steplog_reader_close(NULL);
    cr_assert_eq(steplog_reader_run_count(NULL), 0);
    steplog_run_info run = {.size_bytes = sizeof run};
    REFUSES(MISUSE, steplog_reader_run(NULL, 0, &run, &kit_error));
    REFUSES(MISUSE, steplog_reader_run(s.reader, 0, NULL, &kit_error));
    REFUSES(MISSING, steplog_reader_run(s.reader, 1, &run, &kit_error));
    REFUSES(MISUSE, steplog_reader_run_by_id(NULL, &s.run, &run, &kit_error));
    REFUSES(MISUSE, steplog_reader_run_by_id(s.reader, NULL, &run, &kit_error));
    REFUSES(MISUSE, steplog_reader_run_by_id(s.reader, &s.run, NULL, &kit_error));
    REFUSES(MISSING, steplog_reader_run_by_id(s.reader, &nobody, &run, &kit_error));
    run.size_bytes = 1;
    REFUSES(MISUSE, steplog_reader_run(s.reader, 0, &run, &kit_error));
    REFUSES(MISUSE, steplog_reader_run_by_id(s.reader, &s.run, &run, &kit_error));

    cr_assert_eq(steplog_reader_writer_count(NULL, &s.run), 0);
    cr_assert_eq(steplog_reader_writer_count(s.reader, NULL), 0);
    cr_assert_eq(steplog_reader_writer_count(s.reader, &nobody), 0);
    steplog_writer_info writer = {.size_bytes = sizeof writer};
    REFUSES(MISUSE, steplog_reader_writer(NULL, &s.run, 0, &writer, &kit_error));
    REFUSES(MISUSE, steplog_reader_writer(s.reader, NULL, 0, &writer, &kit_error));
    REFUSES(MISUSE, steplog_reader_writer(s.reader, &s.run, 0, NULL, &kit_error));
    REFUSES(MISSING, steplog_reader_writer(s.reader, &nobody, 0, &writer, &kit_error));
    REFUSES(MISSING, steplog_reader_writer(s.reader, &s.run, 1, &writer, &kit_error));
    writer.size_bytes = 1;
    REFUSES(MISUSE, steplog_reader_writer(s.reader, &s.run, 0, &writer, &kit_error));

    const char *value;
    GIVES(MISSING, steplog_reader_fact(s.reader, &nobody, "note", &value));
    GIVES(MISSING, steplog_reader_fact(s.reader, &s.run, "nothing", &value));
    GIVES(MISUSE, steplog_reader_fact(s.reader, &s.run, NULL, &value));
    GIVES(MISUSE, steplog_reader_fact(s.reader, &s.run, "note", NULL));
    cr_assert_eq(steplog_reader_event_count(s.reader, &nobody), 0);
    steplog_event event = {.size_bytes = sizeof event};
    REFUSES(MISUSE, steplog_reader_event(s.reader, &s.run, 0, NULL, &kit_error));
    REFUSES(MISSING, steplog_reader_event(s.reader, &nobody, 0, &event, &kit_error));
    REFUSES(MISSING, steplog_reader_event(s.reader, &s.run, 99, &event, &kit_error));
    event.size_bytes = 1;
    REFUSES(MISUSE, steplog_reader_event(s.reader, &s.run, 0, &event, &kit_error));

    char content[8];
    cr_assert_eq(steplog_reader_blob_count(s.reader, &nobody), 0);
    steplog_blob_info blob = {.size_bytes = sizeof blob};
    REFUSES(MISUSE, steplog_reader_blob(s.reader, &s.run, 0, NULL, &kit_error));
    REFUSES(MISSING, steplog_reader_blob(s.reader, &nobody, 0, &blob, &kit_error));
    REFUSES(MISSING, steplog_reader_blob(s.reader, &s.run, 1, &blob, &kit_error));
    REFUSES(MISSING, steplog_reader_blob_read(s.reader, &nobody, 0, content, sizeof content, &kit_error));
    REFUSES(MISSING, steplog_reader_blob_read(s.reader, &s.run, 1, content, sizeof content, &kit_error));
    REFUSES(MISUSE, steplog_reader_blob_read(s.reader, &s.run, 0, NULL, sizeof content, &kit_error));
    REFUSES(MISUSE, steplog_reader_blob_read(s.reader, &s.run, 0, content, 2, &kit_error));
    blob.size_bytes = 1;
    REFUSES(MISUSE, steplog_reader_blob(s.reader, &s.run, 0, &blob, &kit_error));

    steplog_damage damage = {.size_bytes = sizeof damage};
    cr_assert_eq(steplog_reader_damage_count(NULL), 0);
    GIVES(MISUSE, steplog_reader_damage(NULL, 0, &damage));
    GIVES(MISUSE, steplog_reader_damage(s.reader, 0, NULL));
    GIVES(MISSING, steplog_reader_damage(s.reader, 0, &damage));
    damage.size_bytes = 1;
    GIVES(MISUSE, steplog_reader_damage(s.reader, 0, &damage));
    steplog_store_info info = {.size_bytes = 1};
    REFUSES(MISUSE, steplog_reader_store_info(s.reader, &info, &kit_error));
    REFUSES(MISUSE, steplog_reader_store_info(s.reader, NULL, &kit_error));
    REFUSES(MISUSE, steplog_reader_store_info(NULL, &info, &kit_error));
    end(&s);
}

Test(misuse, of_selectors_of_runs)
{
    scene s = begin();
    steplog_id ids[4];
    char text[STEPLOG_ID_TEXT_BYTES];
    size_t found = 0;
    REFUSES(MISUSE, steplog_reader_find_runs(NULL, "*", ids, 4, &found, &kit_error));
    REFUSES(MISUSE, steplog_reader_find_runs(s.reader, NULL, ids, 4, &found, &kit_error));
    REFUSES(MISUSE, steplog_reader_find_runs(s.reader, "*", ids, 4, NULL, &kit_error));
    REFUSES(MISUSE, steplog_reader_find_runs(s.reader, "*", NULL, 4, &found, &kit_error));
    REFUSES(MISUSE, steplog_reader_find_runs(s.reader, "[", ids, 4, &found, &kit_error));
    REFUSES(MISSING, steplog_reader_find_runs(s.reader, "none*", ids, 4, &found, &kit_error));
    OK(steplog_reader_find_runs(s.reader, "*", NULL, 0, &found, &kit_error));
    cr_assert_eq(found, 1);
    steplog_id_format(&s.run, text);
    for (char *c = text; *c; c++) *c = (char)(*c >= 'a' && *c <= 'f' ? *c - 'a' + 'A' : *c);
    OK(steplog_reader_find_runs(s.reader, text, ids, 4, &found, &kit_error));
    cr_assert_eq(found, 1, "the whole id, in capitals");
    text[8] = 0;
    OK(steplog_reader_find_runs(s.reader, text, ids, 4, &found, &kit_error));
    cr_assert_eq(found, 1, "its beginning");
    text[7] = text[7] == '0' ? '1' : '0';
    REFUSES(MISSING, steplog_reader_find_runs(s.reader, text, ids, 4, &found, &kit_error));
    end(&s);
}

Test(misuse, of_selectors_of_runs_with_several)
{
    scene s = begin();
    steplog_id ids[64];
    size_t found = 0;
    for (int i = 0; i < 40; i++) {
        char key[16];
        snprintf(key, sizeof key, "key %d", i);
        steplog_writer_options options = {.size_bytes = sizeof options, .run_key = key, .run_name = i % 2 ? "odd" : "even"};
        steplog_writer *writer;
        OK(steplog_writer_open(s.store, &options, &writer, &kit_error));
        kit_writer_close(writer);
    }
    OK(steplog_reader_refresh(s.reader, &kit_error));
    OK(steplog_reader_find_runs(s.reader, "*", ids, 8, &found, &kit_error));
    cr_assert_eq(found, 41, "also those that did not fit");
    OK(steplog_reader_find_runs(s.reader, "odd", ids, 64, &found, &kit_error));
    cr_assert_eq(found, 20);
    OK(steplog_reader_find_runs(s.reader, "[eo]*", ids, 64, &found, &kit_error));
    cr_assert_eq(found, 40);
    steplog_reader_close(s.reader);
    kit_writer_close(s.writer);
    kit_store_close(s.store);
}

Test(misuse, of_cursors)
{
    scene s = begin();
    steplog_cursor *cursor;
    steplog_series list[2] = {s.series, s.series};
    size_t found;
    REFUSES(MISUSE, steplog_reader_find(NULL, &s.run, NULL, list, 2, &found, &kit_error));
    REFUSES(MISUSE, steplog_reader_find(s.reader, NULL, NULL, list, 2, &found, &kit_error));
    REFUSES(MISUSE, steplog_reader_find(s.reader, &s.run, NULL, NULL, 2, &found, &kit_error));
    REFUSES(MISUSE, steplog_reader_find(s.reader, &s.run, NULL, list, 2, NULL, &kit_error));
    REFUSES(MISSING, steplog_reader_find(s.reader, &nobody, NULL, list, 2, &found, &kit_error));
    static const char *const bad[] = {"[", "loss{", "loss{a}", "loss{=v}", "loss{a=v", "loss{a=v,", "loss{a=v}x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSES(MISUSE, steplog_reader_find(s.reader, &s.run, bad[i], list, 2, &found, &kit_error));
    steplog_series_info info = {.size_bytes = sizeof info};
    REFUSES(MISUSE, steplog_reader_series(NULL, s.series, &info, &kit_error));
    REFUSES(MISUSE, steplog_reader_series(s.reader, s.series, NULL, &kit_error));
    steplog_series unknown = {s.series.index + 1000};
    REFUSES(MISUSE, steplog_reader_series(s.reader, unknown, &info, &kit_error));
    info.size_bytes = 1;
    REFUSES(MISUSE, steplog_reader_series(s.reader, s.series, &info, &kit_error));
    REFUSES(MISUSE, steplog_cursor_open(NULL, list, 1, NULL, &cursor, &kit_error));
    REFUSES(MISUSE, steplog_cursor_open(s.reader, NULL, 1, NULL, &cursor, &kit_error));
    REFUSES(MISUSE, steplog_cursor_open(s.reader, list, 0, NULL, &cursor, &kit_error));
    REFUSES(MISUSE, steplog_cursor_open(s.reader, list, 1, NULL, NULL, &kit_error));
    REFUSES(MISUSE, steplog_cursor_open(s.reader, list, 2, NULL, &cursor, &kit_error));
    REFUSES(MISUSE, steplog_cursor_open_matching(NULL, &s.run, "*", NULL, &cursor, &kit_error));
    REFUSES(MISUSE, steplog_cursor_open_matching(s.reader, NULL, "*", NULL, &cursor, &kit_error));
    REFUSES(MISUSE, steplog_cursor_open_matching(s.reader, &s.run, "*", NULL, NULL, &kit_error));
    REFUSES(MISUSE, steplog_cursor_open_matching(s.reader, &s.run, "[", NULL, &cursor, &kit_error));
    steplog_view view = {.size_bytes = 1};
    REFUSES(MISUSE, steplog_cursor_open(s.reader, list, 1, &view, &cursor, &kit_error));
    view = (steplog_view){.size_bytes = sizeof view, .flags = 1u << 31};
    REFUSES(MISUSE, steplog_cursor_open(s.reader, list, 1, &view, &cursor, &kit_error));
    view = (steplog_view){.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW, .last_count = 3};
    REFUSES(MISUSE, steplog_cursor_open(s.reader, list, 1, &view, &cursor, &kit_error));
    OK(steplog_cursor_open(s.reader, list, 1, NULL, &cursor, &kit_error));
    steplog_batch batch;
    REFUSES(MISUSE, steplog_cursor_next(NULL, &batch, 0, &kit_error));
    REFUSES(MISUSE, steplog_cursor_next(cursor, NULL, 0, &kit_error));
    GIVES(MISUSE, steplog_cursor_series(NULL, 0, &list[0]));
    GIVES(MISUSE, steplog_cursor_series(cursor, 0, NULL));
    GIVES(MISUSE, steplog_cursor_series(cursor, 1, &list[0]));
    steplog_cursor_close(cursor);
    steplog_cursor_close(NULL);
    steplog_m4 buckets[2];
    int64_t first, last;
    REFUSES(MISUSE, steplog_reader_m4(NULL, s.series, NULL, 2, buckets, &first, &last, &kit_error));
    REFUSES(MISUSE, steplog_reader_m4(s.reader, s.series, NULL, 0, buckets, &first, &last, &kit_error));
    REFUSES(MISUSE, steplog_reader_m4(s.reader, s.series, NULL, 2, NULL, &first, &last, &kit_error));
    REFUSES(MISUSE, steplog_reader_m4(s.reader, unknown, NULL, 2, buckets, &first, &last, &kit_error));
    view = (steplog_view){.size_bytes = 1};
    REFUSES(MISUSE, steplog_reader_m4(s.reader, s.series, &view, 2, buckets, &first, &last, &kit_error));
    end(&s);
}

Test(misuse, of_series_of_two_runs)
{
    scene s = begin();
    steplog_id fork;
    steplog_cursor *cursor;
    steplog_series list[2] = {s.series};
    OK(steplog_run_fork(s.store, &s.run, 2, "fork", NULL, &fork, &kit_error));
    steplog_reader *reader = kit_reader(s.store);
    list[0] = kit_series(reader, &s.run, "loss");
    list[1] = kit_series(reader, &fork, "loss");
    REFUSES(MISUSE, steplog_cursor_open(reader, list, 2, NULL, &cursor, &kit_error));
    cr_assert_null(cursor);
    steplog_reader_close(reader);
    steplog_remove_options removal = {.size_bytes = sizeof removal, .run = fork};
    steplog_remove_result removed = {.size_bytes = sizeof removed};
    OK(steplog_remove(s.store, &removal, &removed, &kit_error));
    cr_assert(removed.point_count == 0 && removed.series_count == 0, "the points are the parent's");
    end(&s);
}

Test(misuse, of_writers)
{
    scene s = begin();
    steplog_writer *writer;
    const char *bad = "\xff", *much = long_text(STEPLOG_NAME_BYTES_MAX + 1);
    steplog_pair pair = {"k", "v"}, pairs[2] = {{"k", "v"}, {"k", "w"}};
    REFUSES(MISUSE, steplog_writer_open(NULL, NULL, &writer, &kit_error));
    REFUSES(MISUSE, steplog_writer_open(s.store, NULL, NULL, &kit_error));
#define OPTIONS(status, ...)                                                                         \
    do {                                                                                             \
        steplog_writer_options options = {.size_bytes = sizeof options, __VA_ARGS__};                \
        REFUSES(status, steplog_writer_open(s.store, &options, &writer, &kit_error));                \
        cr_assert_null(writer);                                                                      \
    } while (0)
    steplog_writer_options small = {.size_bytes = 1};
    REFUSES(MISUSE, steplog_writer_open(s.store, &small, &writer, &kit_error));
    OPTIONS(MISUSE, .run_key = "run", .run_id = &s.run);
    OPTIONS(MISUSE, .run_key = bad);
    OPTIONS(LIMIT, .run_key = much);
    OPTIONS(MISUSE, .run_name = bad);
    OPTIONS(MISUSE, .project = bad);
    OPTIONS(LIMIT, .project = much);
    OPTIONS(MISUSE, .step_axis = "");
    OPTIONS(MISUSE, .step_axis = bad);
    OPTIONS(MISUSE, .label_count = 1);
    OPTIONS(LIMIT, .labels = &pair, .label_count = STEPLOG_LABELS_MAX + 1);
    const char *keys[] = {"1", "2", "3", "4", "5", "6", "7", "8"};
    steplog_pair wide[8];
    for (size_t i = 0; i < 8; i++) wide[i] = (steplog_pair){keys[i], long_text(STEPLOG_NAME_BYTES_MAX)};
    OPTIONS(LIMIT, .labels = wide, .label_count = 8);
    HOLDS(strstr(kit_error.text, "labels have 524296 bytes together: expected at most 524288"), "the words are '%s'",
          kit_error.text);
    much = long_text(STEPLOG_NAME_BYTES_MAX + 1); /* there is one such text */
    OPTIONS(MISUSE, .labels = pairs, .label_count = 2);
    pair = (steplog_pair){NULL, "v"};
    OPTIONS(MISUSE, .labels = &pair, .label_count = 1);
    HOLDS(strstr(kit_error.text, "label 0: key or value is NULL"), "the words are '%s'", kit_error.text);
    pair = (steplog_pair){"k", NULL};
    OPTIONS(MISUSE, .labels = &pair, .label_count = 1);
    HOLDS(strstr(kit_error.text, "label 0: key or value is NULL"), "the words are '%s'", kit_error.text);
    pair = (steplog_pair){"", "v"};
    OPTIONS(MISUSE, .labels = &pair, .label_count = 1);
    pair = (steplog_pair){"k", bad};
    OPTIONS(MISUSE, .labels = &pair, .label_count = 1);
    pair = (steplog_pair){"rank", "1"};
    OPTIONS(MISUSE, .labels = &pair, .label_count = 1);

    steplog_metric metric = {0};
    steplog_schema schema;
    REFUSES(MISUSE, steplog_writer_metric(NULL, "m", 1, &metric, &kit_error));
    REFUSES(MISUSE, steplog_writer_metric(s.writer, NULL, 1, &metric, &kit_error));
    REFUSES(MISUSE, steplog_writer_metric(s.writer, "m", 1, NULL, &kit_error));
    REFUSES(MISUSE, steplog_writer_metric(s.writer, "m", 0, &metric, &kit_error));
    REFUSES(MISUSE, steplog_writer_metric(s.writer, bad, 1, &metric, &kit_error));
    REFUSES(LIMIT, steplog_writer_metric(s.writer, much, STEPLOG_NAME_BYTES_MAX + 1, &metric, &kit_error));
    metric = kit_metric(s.writer, "loss");
    steplog_metric twice[2] = {metric, metric}, unknown = {metric.index + 1000};
    REFUSES(MISUSE, steplog_writer_schema(NULL, &metric, 1, &schema, &kit_error));
    REFUSES(MISUSE, steplog_writer_schema(s.writer, NULL, 1, &schema, &kit_error));
    REFUSES(MISUSE, steplog_writer_schema(s.writer, &metric, 1, NULL, &kit_error));
    REFUSES(MISUSE, steplog_writer_schema(s.writer, &metric, 0, &schema, &kit_error));
    REFUSES(MISUSE, steplog_writer_schema(s.writer, twice, 2, &schema, &kit_error));
    REFUSES(MISUSE, steplog_writer_schema(s.writer, &unknown, 1, &schema, &kit_error));
    REFUSES(LIMIT, steplog_writer_schema(s.writer, &metric, STEPLOG_ROW_METRICS_MAX + 1, &schema, &kit_error));
    double value = 1;
    int64_t step = 3;
    OK(steplog_writer_schema(s.writer, &metric, 1, &schema, &kit_error));
    steplog_schema unknown_schema = {schema.index + 1000};
    GIVES(MISUSE, steplog_writer_append(NULL, schema, 3, 0, &value));
    GIVES(MISUSE, steplog_writer_append(s.writer, unknown_schema, 3, 0, &value));
    GIVES(MISUSE, steplog_writer_append(s.writer, schema, 3, 0, NULL));
    GIVES(MISUSE, steplog_writer_append_present(NULL, schema, 3, 0, &value, NULL));
    GIVES(MISUSE, steplog_writer_append_present(s.writer, schema, 3, 0, &value, (const uint64_t[]){2}));
    GIVES(MISUSE, steplog_writer_append_present(s.writer, unknown_schema, 3, 0, &value, (const uint64_t[]){1}));
    GIVES(MISUSE, steplog_writer_append_present(s.writer, schema, 3, 0, NULL, (const uint64_t[]){1}));
    GIVES(MISUSE, steplog_writer_append_present(NULL, schema, 3, 0, &value, (const uint64_t[]){1}));
    GIVES(MISUSE, steplog_writer_append_rows(NULL, schema, 1, &step, NULL, &value));
    GIVES(MISUSE, steplog_writer_append_rows(s.writer, schema, 1, NULL, NULL, &value));
    GIVES(MISUSE, steplog_writer_append_rows(s.writer, unknown_schema, 1, &step, NULL, &value));
    GIVES(MISUSE, steplog_writer_point(NULL, metric, 3, 0, 1));
    GIVES(MISUSE, steplog_writer_point(s.writer, unknown, 3, 0, 1));
    steplog_named named[2] = {{"loss", 1}, {"loss", 2}};
    GIVES(MISUSE, steplog_writer_log(NULL, 3, named, 1));
    REFUSES_HOT("named is NULL", steplog_writer_log(s.writer, 3, NULL, 1));
    REFUSES_HOT("0 names", steplog_writer_log(s.writer, 3, NULL, 0));
    REFUSES_HOT("0 names", steplog_writer_log(s.writer, 3, named, 0));
    REFUSES_HOT("4097 names", steplog_writer_log(s.writer, 3, named, STEPLOG_ROW_METRICS_MAX + 1));
    REFUSES_HOT("twice", steplog_writer_log(s.writer, 3, named, 2));
    named[1].name = NULL;
    REFUSES_HOT("name 1 of 2 is NULL", steplog_writer_log(s.writer, 3, named, 2));
    REFUSES_HOT("name 0 of 1 is NULL", steplog_writer_log(s.writer, 3, named + 1, 1));
    named[0].name = "";
    REFUSES_HOT("empty", steplog_writer_log(s.writer, 3, named, 1));
    named[0].name = bad;
    REFUSES_HOT("UTF-8", steplog_writer_log(s.writer, 3, named, 1));

    REFUSES(MISUSE, steplog_writer_set_fact(NULL, "k", "v", &kit_error));
    REFUSES(MISUSE, steplog_writer_set_fact(s.writer, NULL, "v", &kit_error));
    REFUSES(MISUSE, steplog_writer_set_fact(s.writer, "", "v", &kit_error));
    REFUSES(MISUSE, steplog_writer_set_fact(s.writer, bad, "v", &kit_error));
    REFUSES(MISUSE, steplog_writer_set_fact(s.writer, "k", bad, &kit_error));
    REFUSES(LIMIT, steplog_writer_set_fact(s.writer, much, "v", &kit_error)); /* the last use of much */
    REFUSES(LIMIT, steplog_writer_set_fact(s.writer, "k", long_text(STEPLOG_VALUE_BYTES_MAX + 1), &kit_error));
    REFUSES(MISUSE, steplog_writer_blob(NULL, "b", 1, 2, "t", "abc", 3, &kit_error));
    REFUSES(MISUSE, steplog_writer_blob(s.writer, NULL, 1, 2, "t", "abc", 3, &kit_error));
    REFUSES(MISUSE, steplog_writer_blob(s.writer, "", 1, 2, "t", "abc", 3, &kit_error));
    REFUSES(MISUSE, steplog_writer_blob(s.writer, bad, 1, 2, "t", "abc", 3, &kit_error));
    REFUSES(MISUSE, steplog_writer_blob(s.writer, "b", 1, 2, bad, "abc", 3, &kit_error));
    REFUSES(MISUSE, steplog_writer_blob(s.writer, "b", 1, 2, "t", NULL, 3, &kit_error));
    REFUSES(LIMIT, steplog_writer_blob(s.writer, "b", 1, 2, "t", "abc", (size_t)STEPLOG_BLOB_BYTES_MAX + 1, &kit_error));
    REFUSES(MISUSE, steplog_writer_sync(NULL, &kit_error));
    steplog_writer_error(NULL, &kit_error);
    steplog_writer_error(s.writer, NULL);
    steplog_writer_stats stats = {.size_bytes = 1};
    steplog_writer_get_stats(NULL, &stats);
    steplog_writer_get_stats(s.writer, NULL);
    steplog_writer_get_stats(s.writer, &stats);
    cr_assert_eq(stats.row_count, 0, "a struct of another size is left alone");
    OK(steplog_writer_close(NULL, 0, &kit_error));
    end(&s);
}

static int stop(void *context, uint64_t done, uint64_t total)
{
    (void)context, (void)done, (void)total;
    return 1;
}

Test(misuse, of_maintenance)
{
    scene s = begin();
    const char *bad = "\xff";
    steplog_id id;
    uint32_t attempt;
    uint64_t restored;
    steplog_pair pair = {"k", "v"};
    REFUSES(MISUSE, steplog_run_set_facts(NULL, &s.run, &pair, 1, &kit_error));
    REFUSES(MISUSE, steplog_run_set_facts(s.store, NULL, &pair, 1, &kit_error));
    REFUSES(MISUSE, steplog_run_set_facts(s.store, &s.run, NULL, 1, &kit_error));
    REFUSES(MISSING, steplog_run_set_facts(s.store, &nobody, &pair, 1, &kit_error));
    OK(steplog_run_set_facts(s.store, &s.run, NULL, 0, &kit_error));
    steplog_pair last_is_bad[2] = {{"k", "v"}, {NULL, "v"}};
    REFUSES(MISUSE, steplog_run_set_facts(s.store, &s.run, last_is_bad, 2, &kit_error));
    HOLDS(strstr(kit_error.text, "key of fact 1 is NULL"), "the words are '%s'", kit_error.text);
    pair = (steplog_pair){"k", bad};
    REFUSES(MISUSE, steplog_run_set_facts(s.store, &s.run, &pair, 1, &kit_error));
    pair.value = long_text(STEPLOG_VALUE_BYTES_MAX + 1);
    REFUSES(LIMIT, steplog_run_set_facts(s.store, &s.run, &pair, 1, &kit_error));
    REFUSES(MISUSE, steplog_run_rewind(NULL, &s.run, 1, &attempt, &kit_error));
    REFUSES(MISUSE, steplog_run_rewind(s.store, NULL, 1, &attempt, &kit_error));
    REFUSES(MISSING, steplog_run_rewind(s.store, &nobody, 1, &attempt, &kit_error));
    REFUSES(MISUSE, steplog_run_rewind_undo(NULL, &s.run, &attempt, &kit_error));
    REFUSES(MISUSE, steplog_run_rewind_undo(s.store, NULL, &attempt, &kit_error));
    REFUSES(MISSING, steplog_run_rewind_undo(s.store, &s.run, &attempt, &kit_error));
    REFUSES(MISUSE, steplog_run_fork(NULL, &s.run, 1, "f", NULL, &id, &kit_error));
    REFUSES(MISUSE, steplog_run_fork(s.store, NULL, 1, "f", NULL, &id, &kit_error));
    REFUSES(MISUSE, steplog_run_fork(s.store, &s.run, 1, "f", NULL, NULL, &kit_error));
    REFUSES(MISUSE, steplog_run_fork(s.store, &s.run, 1, bad, NULL, &id, &kit_error));
    REFUSES(MISUSE, steplog_run_fork(s.store, &s.run, 1, "f", bad, &id, &kit_error));
    REFUSES(MISSING, steplog_run_fork(s.store, &nobody, 1, "f", NULL, &id, &kit_error));
    steplog_remove_options removal = {.size_bytes = sizeof removal, .run = s.run, .selector = "nothing"};
    steplog_remove_result removed = {.size_bytes = sizeof removed};
    REFUSES(MISUSE, steplog_remove(NULL, &removal, &removed, &kit_error));
    REFUSES(MISUSE, steplog_remove(s.store, NULL, &removed, &kit_error));
    REFUSES(MISSING, steplog_remove(s.store, &removal, &removed, &kit_error));
    removal.selector = "[";
    REFUSES(MISUSE, steplog_remove(s.store, &removal, &removed, &kit_error));
    removal.selector = NULL;
    removal.run = nobody;
    REFUSES(MISSING, steplog_remove(s.store, &removal, &removed, &kit_error));
    removal.run = s.run;
    REFUSES(BUSY, steplog_remove(s.store, &removal, &removed, &kit_error));
    removed.size_bytes = 1;
    REFUSES(MISUSE, steplog_remove(s.store, &removal, &removed, &kit_error));
    REFUSES(MISUSE, steplog_remove(s.store, &removal, NULL, &kit_error));
    removed.size_bytes = sizeof removed;
    removal.size_bytes = 1;
    REFUSES(MISUSE, steplog_remove(s.store, &removal, &removed, &kit_error));
    REFUSES(MISUSE, steplog_remove_undo(NULL, &s.run, &restored, &kit_error));
    REFUSES(MISUSE, steplog_remove_undo(s.store, NULL, &restored, &kit_error));
    REFUSES(MISSING, steplog_remove_undo(s.store, &s.run, &restored, &kit_error));
    steplog_compact_options compact = {.size_bytes = 1};
    steplog_compact_result compacted = {.size_bytes = 1};
    REFUSES(MISUSE, steplog_store_compact(NULL, NULL, NULL, &kit_error));
    REFUSES(MISUSE, steplog_store_compact(s.store, &compact, NULL, &kit_error));
    REFUSES(MISUSE, steplog_store_compact(s.store, NULL, &compacted, &kit_error));
    steplog_merge_result merged = {.size_bytes = 1};
    REFUSES(MISUSE, steplog_store_merge(NULL, s.path, NULL, NULL, NULL, &kit_error));
    REFUSES(MISUSE, steplog_store_merge(s.store, NULL, NULL, NULL, NULL, &kit_error));
    REFUSES(MISUSE, steplog_store_merge(s.store, s.path, NULL, NULL, &merged, &kit_error));
    REFUSES(MISSING, steplog_store_merge(s.store, "/nonexistent/store", NULL, NULL, NULL, &kit_error));
    steplog_verify_options verify = {.size_bytes = 1};
    steplog_verify_result verified = {.size_bytes = 1};
    REFUSES(MISUSE, steplog_store_verify(NULL, NULL, NULL, &kit_error));
    REFUSES(MISUSE, steplog_store_verify(s.path, &verify, NULL, &kit_error));
    REFUSES(MISUSE, steplog_store_verify(s.path, NULL, &verified, &kit_error));
    verify = (steplog_verify_options){.size_bytes = sizeof verify, .progress = stop};
    GIVES(END, steplog_store_verify(s.path, &verify, NULL, &kit_error));
    REFUSES(MISUSE, steplog_dump(NULL, NULL, 0, NULL, NULL, &kit_error));
    REFUSES(MISUSE, steplog_dump(s.path, NULL, 0, NULL, NULL, &kit_error));
    end(&s);
}

Test(misuse, of_stores)
{
    scene s = begin();
    steplog_store *store;
    steplog_store_options options = {.size_bytes = 1};
    REFUSES(MISUSE, steplog_store_open(NULL, NULL, &store, &kit_error));
    REFUSES(MISUSE, steplog_store_open(s.path, NULL, NULL, &kit_error));
    REFUSES(MISUSE, steplog_store_open(s.path, &options, &store, &kit_error));
    options = (steplog_store_options){.size_bytes = sizeof options, .flags = 1u << 31};
    REFUSES(MISUSE, steplog_store_open(s.path, &options, &store, &kit_error));
    options = (steplog_store_options){.size_bytes = sizeof options, .log_bytes = 1};
    REFUSES(MISUSE, steplog_store_open(s.path, &options, &store, &kit_error));
    REFUSES(MISUSE, steplog_store_tick(NULL, 0, &kit_error));
    OK(steplog_store_close(NULL, &kit_error));
    REFUSES(BUSY, steplog_store_close(s.store, &kit_error));
    options = (steplog_store_options){.size_bytes = sizeof options, .flags = STEPLOG_READ_ONLY};
    OK(steplog_store_open(s.path, &options, &store, &kit_error));
    steplog_writer *writer;
    uint32_t attempt;
    REFUSES(MISUSE, steplog_writer_open(store, NULL, &writer, &kit_error));
    REFUSES(MISUSE, steplog_run_rewind(store, &s.run, 1, &attempt, &kit_error));
    REFUSES(MISUSE, steplog_store_compact(store, NULL, NULL, &kit_error));
    REFUSES(MISUSE, steplog_store_merge(store, s.path, NULL, NULL, NULL, &kit_error));
    steplog_remove_options removal = {.size_bytes = sizeof removal, .run = s.run, .selector = "loss"};
    steplog_remove_result removed = {.size_bytes = sizeof removed};
    REFUSES(MISUSE, steplog_remove(store, &removal, &removed, &kit_error));
    removal.is_dry_run = 1;
    OK(steplog_remove(store, &removal, &removed, &kit_error));
    cr_assert_eq(removed.point_count, 2, "counting is no change");
    OK(steplog_store_close(store, &kit_error));
    end(&s);
}

Test(misuse, of_ids_and_statuses)
{
    steplog_id id;
    GIVES(MISUSE, steplog_id_parse("0123", &id));
    GIVES(MISUSE, steplog_id_parse("0123456789abcdef0123456789abcdeg", &id));
    GIVES(MISUSE, steplog_id_parse("0123456789abcdef0123456789abcdef0", &id));
    for (int status = -12; status < 5; status++) {
        cr_assert(strlen(steplog_status_name((steplog_status)status)) > 0);
        cr_assert(strlen(steplog_status_text((steplog_status)status)) > 0);
    }
}
