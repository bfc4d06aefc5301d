/* places/play.c: a program that uses a store and goes on after each failure, and what must be there afterwards. */
#include "places.h"

#include "support/store_kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

steplog_status must_be_clear(steplog_status status, const steplog_error *err, const char *call)
{
    if (status >= 0) return status;
    HOLDS(status >= STEPLOG_LIMIT, "%s gave the unknown status %d", call, (int)status);
    HOLDS(err->code == status, "%s gave %s but its error says %s", call, steplog_status_name(status),
          steplog_status_name(err->code));
    HOLDS(err->text[0], "%s gave %s without a word", call, steplog_status_name(status));
    HOLDS(strlen(err->text) < sizeof err->text, "%s: the text does not end", call);
    for (const char *c = err->text; *c; c++)
        HOLDS((unsigned char)*c >= 0x20 && *c != 0x7f, "%s: a control character in '%s'", call, err->text);
    if (status == STEPLOG_IO || status == STEPLOG_FULL)
        HOLDS(strchr(err->text, '\'') || strstr(err->text, "cannot map a page") || strstr(err->text, "random bytes") ||
                  strstr(err->text, "to seal it"),
              "%s: '%s' does not say on what", call, err->text);
    return status;
}

/* A failure of a call that the play goes on after. 1 when it was none. */
static int passed(play *p, steplog_status status, const steplog_error *err, const char *call)
{
    if (must_be_clear(status, err, call) >= 0) return 1;
    if (p->failures++ == 0) p->first = *err;
    return 0;
}
#define PASSED(p, call, err) passed(p, call, err, #call)

void play_init(play *p, const char *path, uint32_t flags, uint64_t seed, uint32_t writer, uint64_t rows)
{
    HOLDS(rows <= PLAY_ROWS_MAX && strlen(path) < sizeof p->path, "a play that is too large");
    memset(p, 0, sizeof *p);
    strcpy(p->path, path);
    p->flags = flags;
    p->seed = seed;
    p->writer = writer;
    p->rows = rows;
    p->log_bytes = 65536;
    p->sync_every = 500;
}

static uint64_t durable_rows(const steplog_writer *writer)
{
    steplog_writer_stats stats = kit_stats(writer);
    uint64_t before = stats.last_sequence - stats.row_count; /* facts come first, and once */
    return stats.durable_sequence > before ? stats.durable_sequence - before : 0;
}

static steplog_status append(play *p, steplog_writer *writer, steplog_schema schema, uint64_t row)
{
    double values[PLAY_COLUMNS];
    for (unsigned column = 0; column < PLAY_COLUMNS; column++)
        values[column] = kit_value(p->seed, p->writer, row, column);
    return steplog_writer_append(writer, schema, (int64_t)row, STEPLOG_TIME_NOW, values);
}

/* Names the metrics and the schema. 0 when that failed. */
static int schema_of(play *p, steplog_writer *writer, steplog_schema *schema)
{
    steplog_metric metrics[PLAY_COLUMNS];
    steplog_error err = {0};
    for (unsigned column = 0; column < PLAY_COLUMNS; column++) {
        char name[8];
        snprintf(name, sizeof name, "m%u", column);
        if (!PASSED(p, steplog_writer_metric(writer, name, 2, &metrics[column], &err), &err)) return 0;
    }
    return PASSED(p, steplog_writer_schema(writer, metrics, PLAY_COLUMNS, schema, &err), &err);
}

void play_rows(play *p, steplog_writer *writer, uint64_t first, uint64_t end)
{
    steplog_schema schema;
    steplog_error err = {0};
    int has_schema = 0;
    for (uint64_t row = first; row < end; row++) {
        if (p->between) p->between(p->between_context, row);
        if (!has_schema && !(has_schema = schema_of(p, writer, &schema))) continue;
        p->tried = row + 1;
        steplog_status status = append(p, writer, schema, row);
        if (status < 0) steplog_writer_error(writer, &err);
        if (status == STEPLOG_FULL) p->refused_count++;
        if (PASSED(p, status, &err)) {
            p->acknowledged[row] = 1;
            p->acknowledged_count++;
        }
        if (p->sync_every && row % p->sync_every == p->sync_every - 1) {
            PASSED(p, steplog_writer_sync(writer, &err), &err);
            if (p->acknowledged_count == row + 1 && durable_rows(writer) > p->durable_rows)
                p->durable_rows = durable_rows(writer);
        }
    }
}

void play_write(play *p, steplog_store **store, steplog_writer **writer)
{
    steplog_store_options options = {.size_bytes = sizeof options, .flags = p->flags, .log_bytes = p->log_bytes};
    steplog_writer_options opening = {
        .size_bytes = sizeof opening, .run_key = "run", .run_name = "name", .rank = p->writer, .attempt = 1};
    steplog_error err = {0};
    *store = NULL;
    *writer = NULL;
    if (!PASSED(p, steplog_store_open(p->path, &options, store, &err), &err)) return;
    p->is_open = 1;
    if (!PASSED(p, steplog_writer_open(*store, &opening, writer, &err), &err)) return;
    p->run = kit_run_of(*writer);
    p->has_run = 1;
    play_rows(p, *writer, 0, p->rows);
}

static unsigned read_all(steplog_store *store)
{
    unsigned failed = 0;
    steplog_reader *reader = NULL;
    steplog_error err = {0};
    if (CLEAR(steplog_reader_open(store, &reader, &err), &err) < 0) return 1;
    for (size_t n = 0; n < steplog_reader_run_count(reader); n++) {
        steplog_run_info info = {.size_bytes = sizeof info};
        if (CLEAR(steplog_reader_run(reader, n, &info, &err), &err) < 0) {
            failed++;
            continue;
        }
        steplog_cursor *cursor = NULL;
        steplog_batch batch;
        steplog_status status = CLEAR(steplog_cursor_open_matching(reader, &info.id, "*", NULL, &cursor, &err), &err);
        while (status == STEPLOG_OK) status = CLEAR(steplog_cursor_next(cursor, &batch, 0, &err), &err);
        failed += status < 0 && status != STEPLOG_MISSING;
        steplog_cursor_close(cursor);
    }
    failed += CLEAR(steplog_reader_refresh(reader, &err), &err) < 0;
    steplog_reader_close(reader);
    return failed;
}

static int no_item(void *context, const steplog_dump_item *item)
{
    (void)item;
    ++*(uint64_t *)context;
    return 0;
}

static int no_finding(void *context, const steplog_damage *finding)
{
    HOLDS(finding->what && finding->what[0], "a finding without a word");
    ++*(uint64_t *)context;
    return 0;
}

unsigned play_read_everything(const char *path)
{
    unsigned failed = 0;
    uint64_t items = 0;
    steplog_error err = {0};
    steplog_store *store = NULL;
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_READ_ONLY};
    steplog_verify_options verify = {.size_bytes = sizeof verify, .callback = no_finding, .context = &items};
    if (CLEAR(steplog_store_open(path, &options, &store, &err), &err) >= 0) {
        failed += read_all(store);
        OK(steplog_store_close(store, &kit_error));
    } else {
        failed++;
    }
    failed += CLEAR(steplog_store_verify(path, &verify, NULL, &err), &err) < 0;
    failed += CLEAR(steplog_dump(path, NULL, STEPLOG_DUMP_VALUES, no_item, &items, &err), &err) < 0;
    return failed;
}

void play_all(play *p)
{
    steplog_store *store;
    steplog_writer *writer;
    steplog_error err = {0};
    play_write(p, &store, &writer);
    if (writer) {
        PASSED(p, steplog_writer_set_fact(writer, "note", "text", &err), &err);
        PASSED(p, steplog_writer_blob(writer, "blob", 1, 1, "text/plain", "content", 7, &err), &err);
        p->failures += read_all(store);
        p->is_closed = PASSED(p, steplog_writer_close(writer, 0, &err), &err);
    }
    if (!store) return;
    PASSED(p, steplog_store_tick(store, 100, &err), &err);
    p->failures += read_all(store);
    PASSED(p, steplog_store_compact(store, NULL, NULL, &err), &err);
    p->failures += read_all(store);
    PASSED(p, steplog_store_close(store, &err), &err);
}

static void check_row(const play *p, const kit_rows *rows, size_t at)
{
    HOLDS(rows->steps[at] >= 0 && (uint64_t)rows->steps[at] < PLAY_ROWS_MAX, "step %" PRId64 " was never appended",
          rows->steps[at]);
    HOLDS(at == 0 || rows->steps[at] > rows->steps[at - 1], "step %" PRId64 " is there twice", rows->steps[at]);
    HOLDS((uint64_t)rows->steps[at] < p->tried || p->tried == 0, "row %" PRId64 " was never tried", rows->steps[at]);
    for (unsigned column = 0; column < PLAY_COLUMNS; column++)
        HOLDS(kit_has(rows, at, column) &&
                  kit_bits(kit_at(rows, at, column)) ==
                      kit_bits(kit_value(p->seed, p->writer, (uint64_t)rows->steps[at], column)),
              "row %" PRId64 " is not as it was appended", rows->steps[at]);
}

static kit_rows rows_of(const play *p, const char *path)
{
    char selector[32];
    snprintf(selector, sizeof selector, "m*{rank=%u}", (unsigned)p->writer);
    /* Objects in odd places are reported as damage; that rows are missing is seen here. */
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY, 0);
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, &p->run, selector, NULL);
    steplog_reader_close(reader);
    kit_store_close(store);
    return rows;
}

uint64_t play_check(const play *p, const char *path)
{
    if (!p->has_run) return 0;
    kit_rows rows = rows_of(p, path);
    size_t at = 0;
    for (uint64_t row = 0; row < PLAY_ROWS_MAX; row++) {
        int is_there = at < rows.row_count && rows.steps[at] == (int64_t)row;
        HOLDS(is_there || !p->acknowledged[row], "row %" PRIu64 " was acknowledged and is lost", row);
        if (is_there) check_row(p, &rows, at++);
    }
    HOLDS(at == rows.row_count, "%zu rows were never appended", rows.row_count - at);
    kit_rows_free(&rows);
    return at;
}

uint64_t play_check_prefix(const play *p, const char *path, uint64_t least, uint64_t most)
{
    if (!p->has_run) return 0;
    kit_rows rows = rows_of(p, path);
    for (size_t at = 0; at < rows.row_count; at++) {
        HOLDS(rows.steps[at] == (int64_t)at, "row %zu is missing before row %" PRId64, at, rows.steps[at]);
        check_row(p, &rows, at);
    }
    HOLDS(rows.row_count >= least, "%zu rows of %" PRIu64 " that were reported durable", rows.row_count, least);
    HOLDS(rows.row_count <= most, "%zu rows, appended were %" PRIu64, rows.row_count, most);
    uint64_t count = rows.row_count;
    kit_rows_free(&rows);
    return count;
}
