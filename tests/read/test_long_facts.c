/* A long fact is loaded when it is asked for: also when its log was sealed, and the segment merged, meanwhile. */
#include "steplog.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_BYTES = 300000, FACTS = 6, COLUMNS = 20, ROWS = 20000 };

static void fill(char *text, int fact)
{
    for (int i = 0; i < VALUE_BYTES; i++) text[i] = (char)('a' + (i * 7 + fact) % 26);
    text[VALUE_BYTES] = 0;
}

static void check_fact(steplog_reader *reader, const steplog_id *run, int fact)
{
    char key[16];
    char *expected = malloc(VALUE_BYTES + 1);
    const char *value;
    snprintf(key, sizeof key, "fact%d", fact);
    fill(expected, fact);
    OK(steplog_reader_fact(reader, run, key, &value));
    cr_assert_str_eq(value, expected);
    free(expected);
}

IN_BOTH_MODES(long_facts, are_found_where_they_have_gone)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer);
    char *value = malloc(VALUE_BYTES + 1);
    for (int fact = 0; fact < FACTS; fact++) {
        char key[16];
        snprintf(key, sizeof key, "fact%d", fact);
        fill(value, fact);
        OK(steplog_writer_set_fact(writer, key, value, &kit_error));
    }
    free(value);
    steplog_reader *reader = kit_reader(store);
    cr_assert(steplog_reader_event_count(reader, &run) >= FACTS);
    check_fact(reader, &run, 0);
    /* The log is sealed, and used again for what comes. */
    double values[COLUMNS] = {0};
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    for (int64_t step = 0; step < ROWS; step++) {
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
        if (step % 500 == 0) OK(steplog_store_tick(store, 1000, &kit_error));
    }
    check_fact(reader, &run, 1);
    kit_writer_close(writer);
    steplog_reader_close(reader);
    reader = kit_reader(store);
    cr_assert(steplog_reader_event_count(reader, &run) >= FACTS);
    check_fact(reader, &run, 2);
    writer = kit_writer(store, "run", 1, 1);
    kit_log(writer, "loss", 1, 1);
    kit_writer_close(writer);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    for (int fact = 3; fact < FACTS; fact++) check_fact(reader, &run, fact); /* the segment is another one */
    steplog_reader_close(reader);
    kit_store_close(store);
}
