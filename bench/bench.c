/* bench/bench.c: the benchmark: its sections, its command line. README.md beside this file tells what each number
 * means. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef enum bench_size { SIZE_SMOKE, SIZE_QUICK, SIZE_FULL } bench_size;

typedef struct section {
    const char *name;
    void (*run)(void);
    const char *what;
} section;

static const section sections[] = {
    {"floors", bench_floors, "what this machine takes to copy, hash, touch, write, sync, read the clock"},
    {"append", bench_append, "the cost of an append, beside memcpy and XXH3 of its bytes"},
    {"calls", bench_calls, "single appends: p50 to p99.99 and the slowest"},
    {"paced", bench_paced, "1,000 and 50,000 rows a second beside the sync of each second"},
    {"processes", bench_processes, "1, 2, 4 writer processes; appending while syncing"},
    {"visible", bench_visible, "from append to another process; 16 followers' effect on the writer"},
    {"sustained", bench_sustained, "until sealed, compacted and durable: wall and processor time, bytes"},
    {"stores", bench_stores, "finished stores: bytes a point, opening, scanning one series and all"},
    {"codec", bench_codec, "value blocks: size, encoding, decoding"},
    {"rivals", bench_rivals, "LZ4, zstd, shuffle + zstd, Gorilla, Chimp on the same columns"},
    {"m4", bench_m4, "plots of 1000 pixels, 1e6 points and more, beside brute force"},
    {"open", bench_open, "many runs, many points: opening, first series, files"},
    {"growth", bench_growth, "append cost of the last points of a run beside the first; files, bytes to the disk"},
    {"memory", bench_memory, "of writer, compaction and reader, as stores grow"},
    {"logs", bench_logs, "real logs through the importers: bytes a point; $DATA is a directory of more"},
    {"impact", bench_impact, "the digits example with and without recording"},
};
enum { SECTIONS = sizeof sections / sizeof *sections };

static const struct {
    const char *option, *shape;
} sizes[] = {
    {"--smoke", "smoke test: tiny, checked, not worth reading as numbers"}, {"--quick", "quick"}, {"--full", "full"}};

static bench_size size = SIZE_QUICK;
static char program_directory[400] = ".";
static char result_directory[400] = "build";

uint64_t sized(uint64_t smoke, uint64_t quick, uint64_t full)
{
    return size == SIZE_SMOKE ? smoke : size == SIZE_QUICK ? quick : full;
}

const char *built_program(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", program_directory, name);
    return access(path, X_OK) == 0 ? path : NULL;
}

const char *result_path(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", result_directory, name);
    return path;
}

static void help(FILE *out)
{
    fputs("usage: bench [--quick | --full | --smoke] [--json FILE] [SECTION...]\n\n", out);
    for (size_t i = 0; i < SECTIONS; i++) fprintf(out, "  %-10s %s\n", sections[i].name, sections[i].what);
    fputs(
        "\nNo section is all of them. --quick (the default) takes about four minutes, --full about an hour and 10 GB\n"
        "in build/ or $BENCH_DIR, --smoke seconds: it only proves that everything works. Results are a table,\n"
        "build/bench.json (or FILE) and build/bench-*.svg (beside FILE).\n",
        out);
}

_Noreturn static void usage(const char *what, const char *which)
{
    fprintf(stderr, "bench: %s '%s'\n", what, which);
    help(stderr);
    exit(2);
}

/* The directory part of a path; "." when there is none. */
static void directory_of(const char *path, char *out, size_t bytes)
{
    const char *slash = strrchr(path, '/');
    if (slash)
        snprintf(out, bytes, "%.*s", (int)(slash - path), path);
    else
        snprintf(out, bytes, ".");
}

static const section *find_section(const char *name)
{
    for (size_t i = 0; i < SECTIONS; i++)
        if (strcmp(sections[i].name, name) == 0) return &sections[i];
    return NULL;
}

static int find_size(const char *option)
{
    for (int i = 0; i <= SIZE_FULL; i++)
        if (strcmp(sizes[i].option, option) == 0) return i;
    return -1;
}

static void run_section(const section *s)
{
    report_begin(s->name);
    s->run();
}

int main(int argc, char **argv)
{
    const section *wanted[SECTIONS];
    size_t wanted_count = 0;
    const char *json = "build/bench.json";
    for (int i = 1; i < argc; i++) {
        const section *found = find_section(argv[i]);
        if (strcmp(argv[i], "--help") == 0) return help(stdout), 0;
        if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
            json = argv[++i];
        else if (find_size(argv[i]) >= 0)
            size = (bench_size)find_size(argv[i]);
        else if (!found)
            usage("there is no section or option", argv[i]);
        else if (wanted_count == SECTIONS)
            usage("too many sections:", argv[i]);
        else
            wanted[wanted_count++] = found;
    }
    scratch_begin();
    directory_of(argv[0], program_directory, sizeof program_directory);
    directory_of(json, result_directory, sizeof result_directory);
    mkdir(result_directory, 0777);
    print_machine(scratch_parent(), sizes[size].shape);
    for (size_t i = 0; i < wanted_count; i++) run_section(wanted[i]);
    for (size_t i = 0; wanted_count == 0 && i < SECTIONS; i++) run_section(&sections[i]);
    plot_peers();
    if (write_json(json) != 0) die("cannot write '%s'", json);
    return 0;
}
