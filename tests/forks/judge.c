/* forks/judge.c: how a case ended: its processes, and its store. */
#include "forks/forks.h"

#include "support/store_kit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT_S = 60 };
static pid_t group;

void complain(const char *what, const char *format, ...)
{
    static unsigned count;
    if (count++ == 100) fprintf(stderr, "violation: there are more\n");
    if (count > 100) return;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "violation: %s: ", what);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static child *child_of(pid_t pid)
{
    unsigned count = atomic_load(&all->child_count);
    for (unsigned i = 0; i < count && i < CHILDREN_MAX; i++)
        if (atomic_load(&all->children[i].pid) == pid) return &all->children[i];
    return NULL;
}

/* How a child of its way has to end. */
static int is_expected(const child *c, int status)
{
    if (atomic_load(&c->state) == CHILD_LINGERS) return 1; /* ended by us */
    if (atomic_load(&c->state) != CHILD_DONE) return 0;
    if (c->way == WAY_LINGER) return 1; /* told that it is over, and ended by us as well */
    if (c->way == WAY_KILL) return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (c->way == WAY_ABORT) return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    return status == 0;
}

static uint64_t look_at(pid_t pid, int status, const char *what)
{
    const child *c = child_of(pid);
    if (!c) {
        if (status == 0) return 0;
        complain(what, "a process that nobody knows ended with status %x", (unsigned)status);
        return 1;
    }
    if (is_expected(c, status)) return 0;
    complain(what, "the child forked %s that was to end by '%s' ended with status %x in state %d", c->place,
             way_name((ending)c->way), (unsigned)status, atomic_load(&c->state));
    return 1;
}

/* Children that still have something to do. */
static int is_anyone_busy(void)
{
    unsigned count = atomic_load(&all->child_count);
    for (unsigned i = 0; i < count && i < CHILDREN_MAX; i++) {
        int pid = atomic_load(&all->children[i].pid), state = atomic_load(&all->children[i].state);
        if (pid && state != CHILD_LINGERS && !all->children[i].is_reaped && kill(pid, 0) == 0) return 1;
    }
    return 0;
}

static uint64_t reap(int flags, const char *what)
{
    uint64_t violations = 0;
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, flags);
        if (pid <= 0) return violations;
        violations += look_at(pid, status, what);
    }
}

verdict run_subject(int (*body)(void *context), void *context, const char *what)
{
    verdict v = {0};
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setpgid(0, 0);
        setrlimit(RLIMIT_CORE, &none);
        exit(body(context));
    }
    setpgid(pid, pid);
    group = pid;
    double end = seconds() + LIMIT_S;
    int is_running = 1;
    while (is_running || is_anyone_busy()) {
        if (is_running && waitpid(pid, &v.status, WNOHANG) == pid) is_running = 0;
        if (!is_running) v.violations += reap(WNOHANG, what);
        if (seconds() > end) {
            complain(what, "%s hangs", is_running ? "the subject" : "a child");
            kill(-group, SIGKILL);
            if (is_running) waitpid(pid, &v.status, 0);
            v.violations++;
            break;
        }
        usleep(200);
    }
    return v;
}

uint64_t reap_children(const char *what)
{
    uint64_t violations = 0;
    atomic_store(&all->is_over, 1);
    if (group) kill(-group, SIGKILL);
    violations += reap(0, what);
    group = 0;
    unsigned count = atomic_load(&all->child_count);
    for (unsigned i = 0; i < count && i < CHILDREN_MAX; i++) {
        const child *c = &all->children[i];
        if (!c->text[0]) continue;
        complain(what, "forked %s, to end by '%s': %s", c->place, way_name((ending)c->way), c->text);
        violations++;
    }
    return violations;
}

/* ---- the store ---- */

/* Nobody who is alive may hold the lock of a log. */
static void check_locks(const char *path)
{
    char name[900];
    snprintf(name, sizeof name, "%s/log", path);
    DIR *directory = opendir(name);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (!strstr(entry->d_name, ".log")) continue;
        snprintf(name, sizeof name, "%s/log/%s", path, entry->d_name);
        int fd = open(name, O_RDWR | O_CLOEXEC);
        if (fd < 0) continue;
        HOLDS(sl_os_posix.probe(fd) == SL_OS_LOCK_FREE, "the lock of %s outlives its process", entry->d_name);
        close(fd);
    }
    if (directory) closedir(directory);
}

static void check_status(const char *path, const steplog_id *run)
{
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY, 0);
    steplog_reader *reader = kit_reader(store);
    steplog_run_info info = {.size_bytes = sizeof info};
    if (steplog_reader_run_by_id(reader, run, &info, &kit_error) == STEPLOG_OK)
        HOLDS(info.status != STEPLOG_RUN_RUNNING, "the run of a dead process is running");
    steplog_reader_close(reader);
    kit_store_close(store);
}

typedef struct source_rows {
    uint64_t acknowledged, count;
    int may_be_cut; /* killed between a row and its acknowledgement */
    uint8_t *seen;
    uint64_t capacity;
} source_rows;

static void see_row(source_rows *s, uint64_t source, uint64_t row)
{
    HOLDS(row <= s->acknowledged, "row %" PRIu64 " of source %" PRIu64 " was never appended: %" PRIu64
          " are acknowledged", row, source, s->acknowledged);
    if (!s->seen) {
        s->capacity = s->acknowledged + 1;
        s->seen = calloc(s->capacity, 1);
    }
    HOLDS(s->seen && !s->seen[row], "row %" PRIu64 " of source %" PRIu64 " is there twice", row, source);
    s->seen[row] = 1;
    s->count++;
}

static void check_rows(const char *path, const steplog_id *run, unsigned how)
{
    static source_rows sources[CHILD_SOURCE + CHILDREN_MAX];
    for (unsigned w = 0; w < WRITERS_MAX; w++)
        sources[w] = (source_rows){.acknowledged = atomic_load(&all->rows[w]), .may_be_cut = how & JUDGE_IS_KILLED};
    for (unsigned i = 0; i < CHILDREN_MAX; i++)
        sources[CHILD_SOURCE + i] = (source_rows){.acknowledged = atomic_load(&all->children[i].rows)};
    kit_rows rows = kit_read_store(path, run, "m*", 0);
    for (size_t i = 0; i < rows.row_count; i++) {
        uint64_t source = (uint64_t)rows.steps[i] >> 32, row = (uint64_t)rows.steps[i] & UINT32_MAX;
        HOLDS(source < sizeof sources / sizeof *sources, "a row that nobody appended");
        see_row(&sources[source], source, row);
        unsigned found = 0; /* columns come by name, then rank, and a row is of one rank */
        for (size_t column = 0; column < rows.column_count; column++) {
            if (!kit_has(&rows, i, column)) continue;
            HOLDS(kit_bits(kit_at(&rows, i, column)) == kit_bits(kit_value(VALUE_SEED, source, row, found)),
                  "value %u of row %" PRIu64 " of source %" PRIu64 " differs", found, row, source);
            found++;
        }
        HOLDS(found == COLUMNS, "row %" PRIu64 " of source %" PRIu64 " has %u values", row, source, found);
    }
    for (unsigned n = 0; n < sizeof sources / sizeof *sources; n++) {
        source_rows *s = &sources[n];
        HOLDS(s->count == s->acknowledged || (s->may_be_cut && s->count == s->acknowledged + 1),
              "source %u acknowledged %" PRIu64 " rows, %" PRIu64 " are there", n, s->acknowledged, s->count);
        free(s->seen);
    }
    kit_rows_free(&rows);
}

static void judge_store(const char *path, unsigned how)
{
    const steplog_writer_options options = {.size_bytes = sizeof options, .run_key = "run"};
    steplog_store *store = kit_store(path, STEPLOG_NO_THREAD, 65536);
    steplog_writer *writer = NULL;
    OK(steplog_writer_open(store, &options, &writer, &kit_error)); /* tells the run's id */
    steplog_id run = kit_run_of(writer);
    kit_writer_close(writer);
    kit_store_close(store);
    check_locks(path);
    check_status(path, &run);
    check_rows(path, &run, how);
    store = kit_store(path, STEPLOG_NO_THREAD, 65536);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    kit_store_close(store);
    HOLDS(kit_log_count(path) == 0, "%zu logs can not be sealed", kit_log_count(path));
    check_rows(path, &run, how);
    if (!(how & JUDGE_NO_VERIFY)) kit_verify(path);
}

uint64_t judge(const char *path, unsigned how, const char *what)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        judge_store(path, how);
        exit(0);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    uint64_t violations = 0;
    if (status != 0) {
        complain(what, "the judge of %s ended with status %x", path, (unsigned)status);
        violations = 1;
    }
    return violations + reap_children(what);
}
