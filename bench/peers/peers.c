/* bench/peers/peers.c: steplog and the C stores on the same rows, in one run.
 *
 *   bench-peers steps OUT.json      steps handed over one by one, each process killed, everything read back
 *   bench-peers load OUT.json       bulk load, size after compaction, scan of one series by another process
 *   bench-peers tracker OUT.json ROWS REPEATS    steplog measured as trackers.py measures the trackers
 *   bench-peers columns OUT ROWS    the rows of W20 as raw columns for columns.py: steps, times, values by metric
 *   bench-peers machine OUT         what print_machine() says, and the seed
 *
 * OUT.json gets an object a measurement. FULL=1 in the environment does more rounds and more rows. */
#include "peers.h"

#include "bench.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

const peer *peers_linked[PEERS_MAX];
size_t peers_linked_count;

static FILE *json;
static int json_count;

static void find_peers(void)
{
    const peer *const all[] = {&peer_steplog,        &peer_sqlite,  &peer_sqlite_points,  &peer_lmdb,
                               &peer_lmdb_series,    &peer_leveldb, &peer_leveldb_points, &peer_rocksdb,
                               &peer_rocksdb_points, &peer_binary,  &peer_jsonl};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]) peers_linked[peers_linked_count++] = all[i];
}

void peer_path(char out[1024], const char *directory, const char *name)
{
    if (snprintf(out, 1024, "%s/%s", directory, name) >= 1024) die("a path is too long");
}

static void sync_file(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0 || close(fd) != 0) die("cannot sync '%s': %s", name, strerror(errno));
}

void peer_sync_directory(const char *directory)
{
    DIR *entries = opendir(directory);
    struct dirent *entry;
    if (!entries) die("cannot list '%s'", directory);
    while ((entry = readdir(entries)))
        if (strcmp(entry->d_name, "..") != 0) sync_file(dirfd(entries), entry->d_name);
    closedir(entries);
}

const peer_data *peers_make_data(workload_kind kind, size_t row_count)
{
    static char names[WORKLOAD_METRICS_MAX][64];
    static peer_data data;
    workload w;
    uint32_t count = workload_metric_count(kind);
    int64_t *steps = malloc(row_count * sizeof *steps), *times = malloc(row_count * sizeof *times);
    double *values = malloc(row_count * count * sizeof *values);
    if (!steps || !times || !values) die("no memory");
    workload_init(&w, kind, BENCH_SEED);
    for (size_t i = 0; i < row_count; i++) workload_next(&w, &steps[i], &times[i], values + i * count);
    for (uint32_t i = 0; i < count; i++) workload_metric_name(kind, i, names[i]);
    data = (peer_data){kind, count, row_count, steps, times, values, (const char(*)[64])names};
    return &data;
}

void peers_free_data(const peer_data *data)
{
    free((void *)(uintptr_t)data->steps);
    free((void *)(uintptr_t)data->times_ns);
    free((void *)(uintptr_t)data->values);
}

void peers_fresh_directory(char *out, const char *parent, const peer *p)
{
    peer_path(out, parent, p->key);
    remove_directory(out);
    if (mkdir(out, 0755) != 0) die("cannot make '%s'", out);
}

void *peers_shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) die("no memory");
    return memory;
}

void peers_run_child(void (*run)(void *context), void *context, int is_killed)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) die("fork failed");
    if (child == 0) {
        run(context);
        _exit(0);
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) die("waitpid failed");
    if (is_killed ? !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
                  : !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        die("a child did not end as it should (status %d)", status);
}

typedef struct check_context {
    const peer *p;
    const char *directory;
    const peer_data *data;
} check_context;

static void check_in_child(void *context)
{
    const check_context *c = context;
    void *reader = c->p->open_reader(c->directory, c->data);
    for (uint32_t m = 0; m < c->data->metric_count; m++) {
        peer_sink sink = {.expected = c->data, .metric = m};
        c->p->scan(reader, m, &sink);
        if (sink.count != c->data->row_count || sink.different_count)
            die("%s: metric %u: %llu rows read of %zu, %llu of them differ", c->p->name, (unsigned)m,
                (unsigned long long)sink.count, c->data->row_count, (unsigned long long)sink.different_count);
    }
}

void peers_check(const peer *p, const char *directory, const peer_data *data, size_t row_count)
{
    peer_data first = *data;
    first.row_count = row_count;
    peers_run_child(check_in_child, &(check_context){p, directory, &first}, 0);
}

void peers_json_open(const char *path)
{
    json = fopen(path, "w");
    if (!json) die("cannot make '%s'", path);
    fputs("[\n", json);
}

void peers_json(const peer *p, const char *measure, workload_kind kind, const char *unit, spread value, size_t count)
{
    fprintf(stderr, "  %-6s %-26s %-18s %12.4g %s\n", workload_name(kind), p->name, measure, value.median, unit);
    fprintf(json,
            "%s  {\"name\": \"%s\", \"group\": \"%s\", \"workload\": \"%s\", \"measure\": \"%s\", \"value\": %.6g, "
            "\"unit\": \"%s\", \"p10\": %.6g, \"p90\": %.6g, \"durability\": \"%s\", \"version\": \"%s\", \"n\": %zu}",
            json_count++ ? ",\n" : "", p->name,
            p == &peer_steplog ? "steplog"
            : p->is_floor      ? "floor"
                               : "c-store",
            workload_name(kind), measure, value.median, unit, value.p10, value.p90, p->durability, p->version(), count);
}

void peers_json_close(void)
{
    fputs("\n]\n", json);
    if (fclose(json) != 0) die("cannot write the JSON file");
}

/* steps, times, then each metric's values, all 8 bytes wide. */
static void write_columns(const char *path, size_t row_count)
{
    const peer_data *data = peers_make_data(W20, row_count);
    FILE *f = fopen(path, "w");
    if (!f) die("cannot make '%s'", path);
    fwrite(data->steps, sizeof *data->steps, row_count, f);
    fwrite(data->times_ns, sizeof *data->times_ns, row_count, f);
    for (uint32_t m = 0; m < data->metric_count; m++)
        for (size_t i = 0; i < row_count; i++) fwrite(&peer_row(data, i)[m], sizeof(double), 1, f);
    if (fclose(f) != 0) die("cannot write '%s'", path);
    peers_free_data(data);
}

static _Noreturn void usage(void)
{
    fputs("usage: bench-peers steps|load OUT.json | tracker OUT.json ROWS REPEATS | columns OUT ROWS | machine OUT\n",
          stderr);
    exit(2);
}

static unsigned long number(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*end || value == 0) usage();
    return value;
}

int main(int argc, char **argv)
{
    const effort quick = {3, 3, 200000}, full = {9, 5, 1000000};
    const char *environment = getenv("FULL");
    const effort *e = environment && *environment && strcmp(environment, "0") != 0 ? &full : &quick;
    char parent[512];
    if (argc < 3) usage();
    find_peers();
    if (strcmp(argv[1], "columns") == 0 && argc == 4) {
        write_columns(argv[2], number(argv[3]));
        return 0;
    }
    if (strcmp(argv[1], "machine") == 0 && argc == 3) {
        if (!freopen(argv[2], "w", stdout)) die("cannot make '%s'", argv[2]);
        print_machine();
        printf("seed      %u\n", BENCH_SEED);
        return 0;
    }
    scratch_directory(parent, sizeof parent);
    peers_json_open(argv[2]);
    if (strcmp(argv[1], "steps") == 0 && argc == 3)
        peers_steps(parent, e);
    else if (strcmp(argv[1], "load") == 0 && argc == 3)
        peers_load(parent, e);
    else if (strcmp(argv[1], "tracker") == 0 && argc == 5)
        peers_tracker(parent, number(argv[3]), (uint32_t)number(argv[4]));
    else
        usage();
    peers_json_close();
    return 0;
}
