/* Facts with long texts: none is in memory that nobody asked for, and each is there when it is asked for. */
#include "steplog.h"

#include "support/count_memory.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FACTS = 40, VALUE_BYTES = STEPLOG_VALUE_BYTES_MAX, KEY_BYTES = STEPLOG_NAME_BYTES_MAX, MOST = 16 << 20 };

/* Texts that LZ4 makes 255 times shorter; they end in their number. */
static const char *long_text(char *to, char filling, size_t bytes, int number)
{
    memset(to, filling, bytes);
    snprintf(to + bytes - 8, 9, "%08d", number);
    return to;
}

static char key[KEY_BYTES + 1], value[VALUE_BYTES + 1];

static void record_facts(steplog_writer *writer, int count, size_t key_bytes, size_t value_bytes)
{
    for (int i = 0; i < count; i++)
        OK(steplog_writer_set_fact(writer, long_text(key, 'k', key_bytes, i), long_text(value, 'v', value_bytes, i),
                                   &kit_error));
}

static void must_hold(steplog_reader *reader, const steplog_id *run, int count, size_t key_bytes, size_t value_bytes)
{
    const char *found;
    for (int i = 0; i < count; i++) {
        OK(steplog_reader_fact(reader, run, long_text(key, 'k', key_bytes, i), &found));
        cr_assert_str_eq(found, long_text(value, 'v', value_bytes, i), "fact %d", i);
    }
    GIVES(MISSING, steplog_reader_fact(reader, run, long_text(key, 'k', key_bytes, count), &found));
}

static void must_be_modest(const char *what, size_t asked_for)
{
    size_t peak = test_count_peak();
    cr_expect(peak <= MOST + asked_for, "%s took %zu bytes where %zu were asked for", what, peak, asked_for);
}

static void look(const char *path, const steplog_id *run)
{
    test_count_begin();
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    cr_assert_eq(steplog_reader_run_count(reader), 1);
    must_be_modest("a listing", 0);
    size_t count, asked = 2 * FACTS * (size_t)(KEY_BYTES + VALUE_BYTES) / 8;
    steplog_id found[1];
    GIVES(MISSING, steplog_reader_find_runs(reader, "v*x", found, 1, &count, &kit_error));
    must_be_modest("looking for a name", 0);
    for (size_t i = 1; i <= FACTS / 8; i++) { /* the first is the name that the kit gives */
        steplog_event event = {.size_bytes = sizeof event};
        OK(steplog_reader_event(reader, run, i, &event, &kit_error));
        cr_assert_str_eq(event.key, long_text(key, 'k', KEY_BYTES, (int)i - 1));
        cr_assert_str_eq(event.value, long_text(value, 'v', VALUE_BYTES, (int)i - 1));
        steplog_event again = {.size_bytes = sizeof again};
        OK(steplog_reader_event(reader, run, i, &again, &kit_error));
        cr_assert(again.key == event.key && again.value == event.value, "lent until the next refresh");
    }
    must_be_modest("some events", asked);
    steplog_run_info info = {.size_bytes = sizeof info};
    OK(steplog_reader_run(reader, 0, &info, &kit_error));
    cr_assert_str_eq(info.name, long_text(value, 'v', VALUE_BYTES, 1000));
    OK(steplog_reader_find_runs(reader, value, found, 1, &count, &kit_error));
    OK(steplog_reader_refresh(reader, &kit_error));
    cr_assert_eq(steplog_reader_run_count(reader), 1);
    (void)test_count_peak();
    OK(steplog_reader_refresh(reader, &kit_error));
    must_be_modest("a refreshed reader", 0);
    must_hold(reader, run, FACTS, KEY_BYTES, VALUE_BYTES);
    steplog_reader_close(reader);
    kit_store_close(store);
    (void)test_count_peak();
    kit_verify(path);
    must_be_modest("verify", 0);
    cr_assert_eq(test_count_end(), 0);
}

IN_BOTH_MODES(facts, cost_no_memory_until_they_are_asked_for)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer);
    record_facts(writer, FACTS, KEY_BYTES, VALUE_BYTES);
    OK(steplog_writer_set_fact(writer, "name", long_text(value, 'v', VALUE_BYTES, 1000), &kit_error));
    look(path, &run); /* its log */
    kit_writer_close(writer);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    kit_store_close(store);
    look(path, &run);
}

/* As many as are kept at once, and more. */
Test(facts, of_middling_length_are_all_there)
{
    enum { COUNT = 1200, BYTES = 4000 };
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer);
    for (int i = 0; i < COUNT; i++) {
        long_text(key, 'k', 1000, i % 10);
        OK(steplog_writer_set_fact(writer, i % 2 ? key : key + 990, long_text(value, 'v', BYTES, i), &kit_error));
    }
    for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
        steplog_reader *reader = kit_reader(store);
        int in_force = 0;
        for (int i = 0; i < COUNT; i++) {
            steplog_event event = {.size_bytes = sizeof event};
            OK(steplog_reader_event(reader, &run, (size_t)i + 1, &event, &kit_error));
            long_text(key, 'k', 1000, i % 10);
            cr_assert_str_eq(event.key, i % 2 ? key : key + 990);
            cr_assert_str_eq(event.value, long_text(value, 'v', BYTES, i));
            in_force += event.is_in_force;
        }
        cr_assert_eq(in_force, 10);
        steplog_reader_close(reader);
        if (writer) kit_writer_close(writer);
        writer = NULL;
    }
    kit_store_close(store);
}

IN_BOTH_MODES(facts, are_found_where_they_went)
{
    enum { COUNT = 3, COLUMNS = 20, BYTES = 9000 };
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    steplog_id run = kit_run_of(writer);
    double values[COLUMNS] = {0};
    record_facts(writer, COUNT, 100, BYTES);
    steplog_reader *reader = kit_reader(store);
    cr_assert_eq(steplog_reader_event_count(reader, &run), COUNT + 1);
    for (int64_t step = 0; step < 6000; step++) { /* its log is sealed and used again */
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
        if (step % 300 == 0) OK(steplog_store_tick(store, 1000, &kit_error));
    }
    must_hold(reader, &run, COUNT, 100, BYTES);
    steplog_reader_close(reader);
    reader = kit_reader(store);
    cr_assert_gt(steplog_reader_event_count(reader, &run), 0);
    kit_writer_close(writer);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error)); /* the segment goes */
    must_hold(reader, &run, COUNT, 100, BYTES);
    steplog_reader_close(reader);
    kit_store_close(store);
}
