/* bench/bench_logs.c: WR, real logs: bytes a point of a store after import and compact.
 *
 * The project's own small copies (tests/data), or every file under $DATA. Files go through the tool's importers, those
 * of a directory into one store, and in the end all into one. What was imported is verified, and the points in the
 * store are those that the importers counted. Short series pay for names, facts and heads here as anywhere. */
#include "bench.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES_MAX 4000u
#define ARGUMENTS_MAX (FILES_MAX + 8)

static char *files[FILES_MAX];
static size_t file_count;
static const char *directory_now;
static char output[1 << 20];

static int has_ending(const char *path, const char *ending)
{
    size_t bytes = strlen(path), ending_bytes = strlen(ending);
    return bytes >= ending_bytes && strcmp(path + bytes - ending_bytes, ending) == 0;
}

static int is_log_file(const char *path)
{
    static const char *const endings[] = {
        ".csv", ".tsv", ".jsonl", ".log", ".txt", "/result.json", "/trainer_state.json"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (has_ending(path, endings[i])) return 1;
    return 0;
}

static int add_file(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
    (void)stat;
    (void)where;
    /* The images of the example job are in a CSV, too. */
    if (kind != FTW_F || !is_log_file(path) || strstr(path, "digits") || file_count == FILES_MAX) return 0;
    files[file_count] = strdup(path);
    if (!files[file_count++]) die("no memory");
    return 0;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Sums a number of each object that the importer printed. */
static uint64_t sum_of(const char *text, const char *field)
{
    uint64_t sum = 0;
    for (const char *at = text; (at = strstr(at, field)); at += strlen(field))
        sum += strtoull(at + strlen(field), NULL, 10);
    return sum;
}

static void run_import(const char *tool, const char *store, size_t first, size_t count)
{
    static const char *arguments[ARGUMENTS_MAX];
    size_t n = 0;
    arguments[n++] = tool;
    arguments[n++] = "-C";
    arguments[n++] = store;
    arguments[n++] = "import";
    arguments[n++] = "-q";
    arguments[n++] = "--json";
    for (size_t i = 0; i < count; i++) arguments[n++] = files[first + i];
    arguments[n] = NULL;
    command_run(arguments, output, sizeof output); /* 1: some file is no log, which is said in the output */
}

static uint64_t points_of(const char *path)
{
    steplog_error err = {0};
    check(steplog_store_verify(path, NULL, NULL, &err), &err, "store_verify");
    steplog_store_info info = {.size_bytes = sizeof info};
    steplog_reader *reader = NULL;
    steplog_store *store = bench_open_to_read(path);
    check(steplog_reader_open(store, &reader, &err), &err, "reader_open");
    check(steplog_reader_store_info(reader, &info, &err), &err, "store_info");
    steplog_reader_close(reader);
    check(steplog_store_close(store, &err), &err, "store_close");
    return info.point_count;
}

static void run_files(const char *tool, const char *what, size_t first, size_t count)
{
    char directory[480], store[512];
    steplog_error err = {0};
    steplog_store *opened = NULL;
    scratch_directory(directory, sizeof directory);
    snprintf(store, sizeof store, "%s/store", directory);
    int64_t begin = monotonic_ns();
    run_import(tool, store, first, count);
    double seconds = (double)(monotonic_ns() - begin) * 1e-9;
    if (steplog_store_open(store, NULL, &opened, &err) == STEPLOG_MISSING) {
        scratch_remove(directory); /* nothing there was a log */
        return;
    }
    check(opened ? STEPLOG_OK : err.code, &err, "store_open");
    check(steplog_store_compact(opened, NULL, NULL, &err), &err, "store_compact");
    check(steplog_store_close(opened, &err), &err, "store_close");
    uint64_t points = points_of(store), counted = sum_of(output, "\"new_points\":");
    if (points != counted)
        die("%s: %llu points imported, %llu in the store", what, (unsigned long long)counted,
            (unsigned long long)points);
    if (points > 0)
        report_as(
            &(measurement){.unit = "bytes/pt", .value = (double)directory_bytes(store) / (double)points, .n = points},
            "%s", what);
    report_note("%zu files, %llu points, imported in %.3f s", count, (unsigned long long)points, seconds);
    scratch_remove(directory);
}

/* The bytes of the part of a path that names the directory below the data: "huggingface". */
static size_t group_bytes(const char *path)
{
    size_t skip = strlen(directory_now) + 1;
    return skip + strcspn(path + skip, "/");
}

void bench_logs(void)
{
    const char *tool = built_program("steplog");
    directory_now = getenv("DATA");
    if (!directory_now || !*directory_now) directory_now = "tests/data";
    report_section("WR: real logs through the importers, after compact");
    if (!tool) {
        report_note("skipped: the tool is not built");
        return;
    }
    file_count = 0;
    if (nftw(directory_now, add_file, 16, FTW_PHYS) != 0 || file_count == 0) {
        report_note("skipped: no logs in '%s'", directory_now);
        return;
    }
    qsort(files, file_count, sizeof *files, by_name);
    for (size_t first = 0, next; first < file_count; first = next) {
        char name[64];
        size_t bytes = group_bytes(files[first]);
        for (next = first + 1; next < file_count && group_bytes(files[next]) == bytes; next++)
            if (strncmp(files[first], files[next], bytes) != 0) break;
        snprintf(name, sizeof name, "%.*s", (int)(bytes - strlen(directory_now) - 1),
                 files[first] + strlen(directory_now) + 1);
        run_files(tool, name, first, next - first);
    }
    run_files(tool, "all in one store", 0, file_count);
    for (size_t i = 0; i < file_count; i++) free(files[i]);
}
