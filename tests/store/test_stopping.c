/* Long work that is told to stop at each place where it asks: it says END, and changes nothing. */
#include "steplog.h"

#include "support/sim_os.h"
#include "support/store_kit.h"

#include <criterion/criterion.h>
#include <string.h>

enum { ROWS = 1500, COLUMNS = 3, BLOB_BYTES = 600000 };

typedef struct asked {
    uint64_t count, stops_at; /* 0: never */
} asked;

static int is_now(asked *a) { return ++a->count == a->stops_at; }

static int on_progress(void *context, uint64_t done, uint64_t total)
{
    (void)done, (void)total;
    return is_now(context);
}

static int on_item(void *context, const steplog_dump_item *item)
{
    (void)item;
    return is_now(context);
}

static int on_finding(void *context, const steplog_damage *finding)
{
    (void)finding;
    return is_now(context);
}

/* Does not shrink: so the blob has three pages. */
static uint8_t byte_of_blob(size_t at) { return (uint8_t)kit_bits(kit_value(5, 0, at, 3)); }

static void record(steplog_store *store, const char *key)
{
    steplog_writer *writer = kit_writer(store, key, 0, 0);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    for (int64_t step = 0; step < ROWS; step++) {
        double values[COLUMNS];
        for (uint64_t c = 0; c < COLUMNS; c++) values[c] = kit_value(3, 0, (uint64_t)step, c);
        uint64_t present = step % 7 ? 7 : 5;
        OK(steplog_writer_append_present(writer, schema, step, STEPLOG_TIME_NONE, values, &present));
    }
    kit_log(writer, "loss", 1, 0.5);
    OK(steplog_writer_point(writer, kit_metric(writer, "acc"), 1, STEPLOG_TIME_NONE, 0.25));
    static uint8_t data[BLOB_BYTES];
    for (size_t i = 0; i < sizeof data; i++) data[i] = byte_of_blob(i);
    OK(steplog_writer_blob(writer, "large", 1, STEPLOG_TIME_NONE, NULL, data, sizeof data, &kit_error));
    OK(steplog_writer_blob(writer, "empty", 1, STEPLOG_TIME_NONE, NULL, NULL, 0, &kit_error));
    kit_writer_close(writer);
}

static void check(steplog_store *store, size_t runs)
{
    static uint8_t data[BLOB_BYTES];
    steplog_reader *reader = kit_reader(store);
    cr_assert_eq(steplog_reader_run_count(reader), runs);
    for (size_t n = 0; n < runs; n++) {
        steplog_run_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_run(reader, n, &info, &kit_error));
        cr_assert_eq(info.point_count, COLUMNS * ROWS - (ROWS + 6) / 7 + 2);
        cr_assert_eq(steplog_reader_blob_count(reader, &info.id), 2);
        for (size_t i = 0; i < 2; i++) {
            steplog_blob_info blob = {.size_bytes = sizeof blob};
            OK(steplog_reader_blob(reader, &info.id, i, &blob, &kit_error));
            cr_assert_eq(blob.bytes, strcmp(blob.name, "large") ? 0 : BLOB_BYTES);
            memset(data, 0, sizeof data);
            OK(steplog_reader_blob_read(reader, &info.id, i, data, sizeof data, &kit_error));
            for (size_t at = 0; at < blob.bytes; at++) cr_assert_eq(data[at], byte_of_blob(at));
        }
    }
    kit_no_damage(reader);
    steplog_reader_close(reader);
}

static void check_verified(void)
{
    steplog_verify_result result = {.size_bytes = sizeof result};
    OK(steplog_store_verify("store", NULL, &result, &kit_error));
}

/* Three sealed runs. */
static steplog_store *make_store(sim **machine)
{
    static const char *const keys[] = {"one", "two", "three"};
    *machine = sim_new(17);
    sim_use(*machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    for (int i = 0; i < 3; i++) record(store, keys[i]);
    return store;
}

static void end(sim *machine, steplog_store *store)
{
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

Test(stopping, a_compaction_anywhere_changes_nothing)
{
    sim *machine;
    steplog_store *store = make_store(&machine);
    steplog_status status = STEPLOG_END;
    uint64_t stops = 0;
    while (status == STEPLOG_END) {
        asked a = {.stops_at = ++stops};
        steplog_compact_options options = {
            .size_bytes = sizeof options, .progress = on_progress, .progress_context = &a};
        status = steplog_store_compact(store, &options, NULL, &kit_error);
        cr_assert(status == STEPLOG_OK || (status == STEPLOG_END && a.count == a.stops_at), "%s", kit_error.text);
        check(store, 3);
    }
    cr_assert_gt(stops, 6, "it asked only %d times", (int)stops);
    check_verified();
    end(machine, store);
}

Test(stopping, a_merge_anywhere_leaves_whole_files)
{
    sim *machine;
    steplog_store *from = make_store(&machine);
    kit_store_close(from);
    steplog_store *to = kit_store("other", STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_status status = STEPLOG_END;
    uint64_t stops = 0;
    while (status == STEPLOG_END) {
        asked a = {.stops_at = ++stops};
        status = steplog_store_merge(to, "store", on_progress, &a, NULL, &kit_error);
        cr_assert(status == STEPLOG_OK || status == STEPLOG_END, "%s", kit_error.text);
        steplog_reader *reader = kit_reader(to);
        size_t runs = steplog_reader_run_count(reader);
        steplog_reader_close(reader);
        check(to, runs);
    }
    cr_assert_gt(stops, 1);
    check(to, 3);
    end(machine, to);
}

Test(stopping, verify_anywhere)
{
    sim *machine;
    steplog_store *store = make_store(&machine);
    sim_put_file(machine, "store/seg/0/foreign", (const uint8_t *)"x", 1);
    sim_put_file(machine, "store/log/foreign", (const uint8_t *)"x", 1);
    for (int by_finding = 0; by_finding < 2; by_finding++) {
        steplog_status status = STEPLOG_END;
        uint64_t stops = 0;
        while (status == STEPLOG_END) {
            asked a = {.stops_at = ++stops};
            steplog_verify_options options = {.size_bytes = sizeof options,
                                              .progress = by_finding ? NULL : on_progress,
                                              .progress_context = &a,
                                              .callback = by_finding ? on_finding : NULL,
                                              .context = &a};
            status = steplog_store_verify("store", &options, NULL, &kit_error);
            cr_assert(status == STEPLOG_OK || (status == STEPLOG_END && a.count == a.stops_at), "%s", kit_error.text);
        }
        cr_assert_gt(stops, 2);
    }
    end(machine, store);
}

/* At every item, or at some 1500 of them. */
Test(stopping, dump_anywhere, .timeout = 60)
{
    sim *machine;
    steplog_store *store = make_store(&machine);
    steplog_writer *living = kit_writer(store, "living", 0, 0);
    steplog_schema schema = kit_schema(living, "m", COLUMNS);
    double values[COLUMNS] = {1, 2, 3};
    for (int64_t step = 0; step < 3; step++) OK(steplog_writer_append(living, schema, step, 0, values));
    OK(steplog_writer_point(living, kit_metric(living, "acc"), 1, 5, 0.25));
    OK(steplog_writer_point(living, kit_metric(living, "acc"), 1, 6, 0.5));
    for (uint32_t flags = 0; flags < 2; flags++) {
        asked all = {0};
        OK(steplog_dump("store", NULL, flags ? STEPLOG_DUMP_VALUES : 0, on_item, &all, &kit_error));
        uint64_t stride = flags ? all.count / 150 + 1 : 1 + all.count / 1500;
        for (uint64_t at = 1; at <= all.count; at += stride) {
            asked a = {.stops_at = at};
            GIVES(END, steplog_dump("store", NULL, flags ? STEPLOG_DUMP_VALUES : 0, on_item, &a, &kit_error));
            cr_assert_eq(a.count, at);
        }
    }
    kit_writer_close(living);
    end(machine, store);
}
