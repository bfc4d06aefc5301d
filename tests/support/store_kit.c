/* support/store_kit.c: short ways to write a store and to read all of it back. */
#include "support/store_kit.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Thread_local steplog_error kit_error;

_Noreturn void kit_fail(const char *file, int line, const char *call, steplog_status status)
{
    fprintf(stderr, "%s:%d: %s gave %s: %s (errno %d, offset %" PRId64 ")\n", file, line, call,
            steplog_status_name(status), kit_error.text, kit_error.os_errno, kit_error.file_offset);
    abort();
}

_Noreturn void kit_does_not_hold(const char *file, int line, const char *condition, const char *format, ...)
{
    fprintf(stderr, "%s:%d: not so: %s: ", file, line, condition);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

uint64_t kit_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

double kit_value(uint64_t seed, uint64_t writer, uint64_t row, uint64_t column)
{
    uint64_t x = mix(mix(mix(seed + 0x9E3779B97F4A7C15u) + writer * 0x9E3779B97F4A7C15u + column) + row);
    double value;
    switch (column % 4) {
    case 0: return (double)(float)((double)(x >> 11) * 0x1p-53); /* a noisy loss */
    case 1: return (double)(int64_t)(row * 3 + writer);          /* a counter */
    case 2: return (double)(x % 10000) / 10000;                  /* an accuracy */
    default:                                                     /* anything */
        memcpy(&value, &x, sizeof value);
        return value;
    }
}

steplog_store *kit_store(const char *path, uint32_t flags, uint64_t log_bytes)
{
    steplog_store_options options = {.size_bytes = sizeof options, .flags = flags, .log_bytes = log_bytes};
    steplog_store *store = NULL;
    OK(steplog_store_open(path, &options, &store, &kit_error));
    return store;
}

void kit_store_close(steplog_store *store)
{
    OK(steplog_store_close(store, &kit_error));
}

static steplog_writer *writer_open(steplog_store *store, const steplog_writer_options *options)
{
    steplog_writer *writer = NULL;
    OK(steplog_writer_open(store, options, &writer, &kit_error));
    return writer;
}

steplog_writer *kit_writer(steplog_store *store, const char *run_key, uint32_t rank, uint32_t attempt)
{
    steplog_writer_options options = {
        .size_bytes = sizeof options, .run_key = run_key, .run_name = run_key, .rank = rank, .attempt = attempt};
    return writer_open(store, &options);
}

steplog_writer *kit_writer_resumed(steplog_store *store, const char *run_key, uint32_t rank, uint32_t attempt,
                                   int64_t resume_step)
{
    steplog_writer_options options = {.size_bytes = sizeof options, .run_key = run_key, .rank = rank,
                                      .attempt = attempt, .is_resume = 1, .resume_step = resume_step};
    return writer_open(store, &options);
}

void kit_writer_close(steplog_writer *writer)
{
    OK(steplog_writer_close(writer, 0, &kit_error));
}

steplog_writer_stats kit_stats(const steplog_writer *writer)
{
    steplog_writer_stats stats = {.size_bytes = sizeof stats};
    steplog_writer_get_stats(writer, &stats);
    return stats;
}

steplog_id kit_run_of(const steplog_writer *writer)
{
    return kit_stats(writer).run;
}

steplog_metric kit_metric(steplog_writer *writer, const char *name)
{
    steplog_metric metric;
    OK(steplog_writer_metric(writer, name, strlen(name), &metric, &kit_error));
    return metric;
}

steplog_schema kit_schema(steplog_writer *writer, const char *prefix, size_t column_count)
{
    steplog_metric *metrics = malloc(column_count * sizeof *metrics);
    HOLDS(metrics, "out of memory");
    for (size_t column = 0; column < column_count; column++) {
        char name[256];
        snprintf(name, sizeof name, "%s%zu", prefix, column);
        metrics[column] = kit_metric(writer, name);
    }
    steplog_schema schema;
    OK(steplog_writer_schema(writer, metrics, column_count, &schema, &kit_error));
    free(metrics);
    return schema;
}

void kit_log(steplog_writer *writer, const char *metric, int64_t step, double value)
{
    OK(steplog_writer_point(writer, kit_metric(writer, metric), step, STEPLOG_TIME_NONE, value));
}

steplog_reader *kit_reader(steplog_store *store)
{
    steplog_reader *reader = NULL;
    OK(steplog_reader_open(store, &reader, &kit_error));
    return reader;
}

steplog_series kit_series(steplog_reader *reader, const steplog_id *run, const char *selector)
{
    steplog_series series[1];
    size_t found = 0;
    OK(steplog_reader_find(reader, run, selector, series, 1, &found, &kit_error));
    HOLDS(found == 1, "%zu series match %s", found, selector);
    return series[0];
}

static void *grown(void *old, size_t count, size_t bytes)
{
    void *memory = realloc(old, count ? count * bytes : bytes);
    HOLDS(memory, "out of memory");
    return memory;
}

static void add_batch(kit_rows *rows, const steplog_batch *batch)
{
    if (rows->row_count == 0) rows->column_count = batch->column_count;
    HOLDS(batch->row_count > 0, "an empty batch");
    HOLDS(rows->column_count == batch->column_count, "%zu columns, then %zu", rows->column_count, batch->column_count);
    size_t wanted = rows->row_count + batch->row_count;
    if (wanted > rows->capacity) {
        size_t capacity = rows->capacity * 2 > wanted ? rows->capacity * 2 : wanted;
        rows->steps = grown(rows->steps, capacity, sizeof *rows->steps);
        rows->times_ns = grown(rows->times_ns, capacity, sizeof *rows->times_ns);
        rows->attempts = grown(rows->attempts, capacity, sizeof *rows->attempts);
        rows->writers = grown(rows->writers, capacity, sizeof *rows->writers);
        rows->sequences = grown(rows->sequences, capacity, sizeof *rows->sequences);
        rows->values = grown(rows->values, capacity * rows->column_count, sizeof *rows->values);
        rows->is_present = grown(rows->is_present, capacity * rows->column_count, sizeof *rows->is_present);
        rows->capacity = capacity;
    }
    for (size_t i = 0; i < batch->row_count; i++) {
        size_t row = rows->row_count + i;
        rows->steps[row] = batch->steps[i];
        rows->times_ns[row] = batch->times_ns[i];
        rows->attempts[row] = batch->attempts[i];
        rows->writers[row] = batch->writers[i];
        rows->sequences[row] = batch->sequences[i];
        for (size_t column = 0; column < batch->column_count; column++) {
            size_t at = row * rows->column_count + column;
            rows->is_present[at] = batch->present[column][i / 64] >> (i % 64) & 1;
            rows->values[at] = batch->values[column][i];
            HOLDS(rows->is_present[at] || kit_bits(rows->values[at]) == 0, "a missing value is not 0");
        }
    }
    rows->row_count = wanted;
}

kit_rows kit_read_cursor(steplog_cursor *cursor)
{
    kit_rows rows = {0};
    for (;;) {
        steplog_batch batch;
        steplog_status status = steplog_cursor_next(cursor, &batch, 0, &kit_error);
        if (status == STEPLOG_END || status == STEPLOG_WAIT) return rows;
        OK(status);
        add_batch(&rows, &batch);
    }
}

kit_rows kit_read(steplog_reader *reader, const steplog_id *run, const char *selector, const steplog_view *view)
{
    steplog_cursor *cursor = NULL;
    steplog_status status = steplog_cursor_open_matching(reader, run, selector, view, &cursor, &kit_error);
    if (status == STEPLOG_MISSING) return (kit_rows){0};
    OK(status);
    kit_rows rows = kit_read_cursor(cursor);
    steplog_cursor_close(cursor);
    return rows;
}

void kit_rows_free(kit_rows *rows)
{
    free(rows->steps);
    free(rows->times_ns);
    free(rows->attempts);
    free(rows->writers);
    free(rows->sequences);
    free(rows->values);
    free(rows->is_present);
    *rows = (kit_rows){0};
}

double kit_at(const kit_rows *rows, size_t row, size_t column)
{
    HOLDS(row < rows->row_count && column < rows->column_count, "row %zu of %zu, column %zu of %zu", row,
          rows->row_count, column, rows->column_count);
    return rows->values[row * rows->column_count + column];
}

int kit_has(const kit_rows *rows, size_t row, size_t column)
{
    HOLDS(row < rows->row_count && column < rows->column_count, "row %zu of %zu, column %zu of %zu", row,
          rows->row_count, column, rows->column_count);
    return rows->is_present[row * rows->column_count + column];
}

static int print_finding(void *context, const steplog_damage *finding)
{
    (void)context;
    if (!finding->is_notice)
        fprintf(stderr, "damage: %s at %" PRId64 ": %s\n", finding->file ? finding->file : "?", finding->offset,
                finding->what);
    return 0;
}

void kit_no_damage(const steplog_reader *reader)
{
    size_t count = steplog_reader_damage_count(reader), damaged = 0;
    for (size_t i = 0; i < count; i++) {
        steplog_damage damage = {.size_bytes = sizeof damage};
        OK(steplog_reader_damage(reader, i, &damage));
        print_finding(NULL, &damage);
        damaged += !damage.is_notice;
    }
    HOLDS(damaged == 0, "the reader came upon damage");
}

kit_rows kit_read_store(const char *path, const steplog_id *run, const char *selector, uint32_t view_flags)
{
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY, 0);
    steplog_reader *reader = kit_reader(store);
    steplog_view view = {.size_bytes = sizeof view, .flags = view_flags};
    kit_rows rows = kit_read(reader, run, selector, &view);
    kit_no_damage(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
    return rows;
}

void kit_verify(const char *path)
{
    steplog_verify_options options = {.size_bytes = sizeof options, .callback = print_finding};
    steplog_verify_result result = {.size_bytes = sizeof result};
    OK(steplog_store_verify(path, &options, &result, &kit_error));
    HOLDS(result.damage_count == 0, "%" PRIu64 " damaged", result.damage_count);
}

/* A log without an id, or still without a size, is a spare: it holds nothing. */
static int is_spare(const char *path)
{
    uint8_t head[32] = {0}, none[16] = {0};
    FILE *file = fopen(path, "rb");
    if (!file) return 1; /* gone meanwhile */
    size_t got = fread(head, 1, sizeof head, file);
    fclose(file);
    return got < sizeof head || memcmp(head + 16, none, 16) == 0;
}

static size_t count_files(const char *path, const char *suffix)
{
    DIR *directory = opendir(path);
    if (!directory) return 0;
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.') continue;
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        size_t length = strlen(entry->d_name);
        if (length > 4 && strcmp(entry->d_name + length - 4, suffix) == 0) count += suffix[1] == 's' || !is_spare(name);
        else if (entry->d_type == DT_DIR) count += count_files(name, suffix);
    }
    closedir(directory);
    return count;
}

size_t kit_log_count(const char *path)
{
    char name[4096];
    snprintf(name, sizeof name, "%s/log", path);
    return count_files(name, ".log");
}

size_t kit_segment_count(const char *path)
{
    char name[4096];
    snprintf(name, sizeof name, "%s/seg", path);
    return count_files(name, ".seg");
}
