/* kill/watched.c: at each kill point that a writer passes somebody looks. What it sees is what a process would find
 * after the writer was killed there: a prefix with everything acknowledged, and nothing that is not whole. Also between
 * the stores into a mapped log, where no system call tells of the order.
 *
 * One process, on a machine in memory. */
#include "kill/kill.h"

#include "base/kill_point.h"
#include "os/os.h"
#include "support/sim_os.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef SL_KILL_POINTS

enum { COLUMNS = 60, ROWS = 400, BLOB_BYTES = 40000 };

static struct {
    steplog_store *store; /* of whoever looks */
    steplog_id run;
    uint64_t seed, acknowledged, blobs, looks, appends_passed;
    int is_looking, has_run;
} watch;

static void check_row(const kit_rows *rows, size_t row)
{
    HOLDS(rows->steps[row] == (int64_t)row, "row %zu is at step %" PRId64, row, rows->steps[row]);
    for (size_t c = 0; c < rows->column_count; c++)
        HOLDS(!kit_has(rows, row, c) ||
                  kit_bits(kit_at(rows, row, c)) == kit_bits(kit_value(watch.seed, 0, row, c)),
              "value %zu of row %zu is another one", c, row);
}

static void check_findings(const steplog_reader *reader, const char *point)
{
    for (size_t i = 0; i < steplog_reader_damage_count(reader); i++) {
        steplog_damage damage = {.size_bytes = sizeof damage};
        OK(steplog_reader_damage(reader, i, &damage));
        HOLDS(0, "at %s a reader finds %s at %" PRId64 ": %s", point, damage.file, damage.offset, damage.what);
    }
}

static void look(const char *point)
{
    steplog_reader *reader = kit_reader(watch.store);
    if (watch.has_run) {
        kit_rows rows = kit_read(reader, &watch.run, "m*", &(steplog_view){.size_bytes = sizeof(steplog_view)});
        HOLDS(rows.row_count >= watch.acknowledged && rows.row_count <= watch.acknowledged + 1,
              "at %s a reader sees %zu rows of %" PRIu64, point, rows.row_count, watch.acknowledged);
        for (size_t row = 0; row < rows.row_count; row++) check_row(&rows, row);
        kit_rows_free(&rows);
        size_t blobs = steplog_reader_blob_count(reader, &watch.run);
        HOLDS(blobs >= watch.blobs && blobs <= watch.blobs + 1, "at %s a reader sees %zu blobs of %" PRIu64, point,
              blobs, watch.blobs);
    }
    check_findings(reader, point);
    steplog_reader_close(reader);
    watch.looks++;
}

static void pass(size_t index)
{
    const char *point = sl_kill_point_name(index);
    if (watch.is_looking) return;
    if (strncmp(point, "append.", 7) == 0 && ++watch.appends_passed % 5) return; /* passed four times a record */
    watch.is_looking = 1;
    look(point);
    watch.is_looking = 0;
}

/* Named so that they come in the order of their numbers. */
static steplog_schema make_schema(steplog_writer *writer)
{
    steplog_metric metrics[COLUMNS];
    steplog_schema schema;
    for (unsigned c = 0; c < COLUMNS; c++) {
        char name[8];
        snprintf(name, sizeof name, "m%02u", c);
        metrics[c] = kit_metric(writer, name);
    }
    OK(steplog_writer_schema(writer, metrics, COLUMNS, &schema, &kit_error));
    return schema;
}

/* Rows of many sizes, so that the records of a recycled log never lie where the old ones lay. */
static void append(steplog_writer *writer, steplog_schema schema, test_random *random)
{
    uint64_t row = watch.acknowledged, present = test_random_u64(random);
    double values[COLUMNS];
    for (size_t c = 0; c < COLUMNS; c++) values[c] = kit_value(watch.seed, 0, row, c);
    if (test_random_below(random, 4) == 0) present >>= test_random_below(random, 60);
    present &= ((uint64_t)1 << COLUMNS) - 1;
    if (present == 0 || row == 0) present = ((uint64_t)1 << COLUMNS) - 1; /* the first row names all columns */
    OK(steplog_writer_append_present(writer, schema, (int64_t)row, STEPLOG_TIME_NONE, values, &present));
    watch.acknowledged++;
}

/* Fills logs with bytes that look like anything. */
static void append_blob(steplog_writer *writer, test_random *random)
{
    static uint64_t content[BLOB_BYTES / 8];
    size_t bytes = test_random_below(random, BLOB_BYTES);
    for (size_t i = 0; i < BLOB_BYTES / 8; i++) content[i] = test_random_u64(random);
    OK(steplog_writer_blob(writer, "blob", 0, STEPLOG_TIME_NONE, "text/plain", content, bytes, &kit_error));
    watch.blobs++;
}

/* One life of a writer: full logs are sealed and become the next ones, some are synced, segments are compacted. */
static void live_watched(uint64_t seed)
{
    uint32_t flags = STEPLOG_NO_THREAD | (seed % 2 ? 0 : STEPLOG_FORCE_PWRITE);
    sim *machine = sim_new(seed);
    test_random random = test_random_from(seed);
    sim_use(machine);
    kit_store_close(kit_store("store", STEPLOG_CREATE | flags, 65536));
    steplog_store *store = kit_store("store", flags, 65536);
    memset(&watch, 0, sizeof watch);
    watch.store = kit_store("store", STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    watch.seed = seed;
    sl_kill_point_handler = pass;
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    watch.run = kit_run_of(writer);
    steplog_schema schema = make_schema(writer);
    uint64_t rows = ROWS / 2 + test_random_below(&random, ROWS / 2);
    for (append(writer, schema, &random), watch.has_run = 1; watch.acknowledged < rows;) {
        append(writer, schema, &random);
        uint64_t what = test_random_below(&random, 150);
        if (what >= 130) append_blob(writer, &random);
        if (what < 20) OK(steplog_store_tick(store, 1000, &kit_error));
        if (what == 20) OK(steplog_writer_sync(writer, &kit_error));
        if (what == 21) OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    }
    kit_writer_close(writer);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    sl_kill_point_handler = NULL;
    kit_store_close(watch.store);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

void test_watched(const orders *o, figures *out)
{
    for (uint64_t seed = o->seed; goes_on(o, out, 6); seed++) {
        say_case("watched", seed, seed % 2 ? "mapped" : "pwrite");
        live_watched(seed);
        out->runs++;
        out->checks += watch.looks;
    }
    snprintf(out->text, sizeof out->text, "readers at the kill points of a living writer");
}

#else

void test_watched(const orders *o, figures *out) { (void)o, (void)out; }

#endif
