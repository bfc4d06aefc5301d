/* forks/subject.c: the process that has a store open, and what its forked children do. */
#include "forks/forks.h"

#include "support/counts.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

subject self;
shared *all;
void (*on_child)(void);

static const char *const way_names[WAY_COUNT] = {"_exit", "exit",   "quick_exit",       "pthread_exit",
                                                 "exec",  "kill",   "abort",            "close",
                                                 "append", "append and close", "new writer", "read", "linger"};

const char *way_name(ending way) { return way_names[way]; }

void shared_reset(void)
{
    if (!all) {
        all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (all == MAP_FAILED) abort();
    }
    /* These add up over the cases. */
    uint8_t reached[sizeof all->reached], point_reached[sizeof all->point_reached];
    memcpy(reached, all->reached, sizeof reached);
    memcpy(point_reached, all->point_reached, sizeof point_reached);
    memset(all, 0, sizeof *all);
    memcpy(all->reached, reached, sizeof reached);
    memcpy(all->point_reached, point_reached, sizeof point_reached);
}

/* Two logs of a process that ended without a word, for recovery to find. */
static void leave_logs(const char *path, uint32_t flags)
{
    steplog_store *store = kit_store(path, flags | STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    steplog_writer *writer = kit_writer(store, "left", 0, 1);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    for (uint64_t row = 0; row < 700; row++) append_row_of(writer, schema, 0, row);
    _exit(0);
}

void make_store(char path[512], uint32_t flags)
{
    static unsigned number;
    static const char *directory;
    char name[32];
    if (!directory) directory = test_temp_dir();
    snprintf(name, sizeof name, "s%u", number++);
    snprintf(path, 512, "%s/%s", directory, name);
    pid_t pid = fork();
    if (pid == 0) leave_logs(path, flags);
    waitpid(pid, NULL, 0);
}

void subject_open(const char *path, uint32_t flags)
{
    snprintf(self.path, sizeof self.path, "%s", path);
    self.flags = flags;
    self.store = kit_store(path, flags, 65536);
}

steplog_writer *subject_writer(uint32_t w, steplog_schema *schema)
{
    steplog_writer *writer = kit_writer(self.store, "run", w, 1);
    HOLDS(self.incarnation_count < WRITERS_MAX, "too many writers");
    self.incarnations[self.incarnation_count++] = kit_stats(writer).incarnation;
    *schema = kit_schema(writer, "m", COLUMNS);
    return writer;
}

static int64_t step_of(uint64_t source, uint64_t row) { return (int64_t)(source << 32 | row); }

void append_row_of(steplog_writer *writer, steplog_schema schema, uint64_t source, uint64_t row)
{
    double values[COLUMNS];
    for (unsigned c = 0; c < COLUMNS; c++) values[c] = kit_value(VALUE_SEED, source, row, c);
    OK(steplog_writer_append(writer, schema, step_of(source, row), row % 64 ? (int64_t)row : STEPLOG_TIME_NOW, values));
}

void append_own(steplog_writer *writer, steplog_schema schema, uint32_t w)
{
    uint64_t row = atomic_load(&all->rows[w]);
    append_row_of(writer, schema, w, row);
    atomic_store(&all->rows[w], row + 1);
}

/* ---- what a child has of its parent ---- */

static int is_of_incarnation(const char *path, const steplog_id *incarnations, uint32_t count)
{
    char hex[STEPLOG_ID_TEXT_BYTES];
    for (uint32_t i = 0; i < count; i++) {
        steplog_id_format(&incarnations[i], hex);
        if (strstr(path, hex)) return 1;
    }
    return 0;
}

/* What the open that the child was forked in had made: it stays, without a lock. */
static int exempt_fd = -1;

static int find_descriptor(char *text, size_t text_bytes, int is_any_writable)
{
    DIR *directory = opendir("/proc/self/fd");
    if (!directory) return 0;
    int found = 0;
    for (struct dirent *entry; !found && (entry = readdir(directory));) {
        char path[600];
        int fd = atoi(entry->d_name);
        ssize_t bytes = entry->d_name[0] == '.' ? -1 : readlinkat(dirfd(directory), entry->d_name, path, sizeof path - 1);
        if (bytes < 0 || fd == exempt_fd) continue;
        path[bytes] = '\0';
        if (strncmp(path, self.path, strlen(self.path)) != 0 || (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY) continue;
        if (!is_any_writable && !is_of_incarnation(path, self.incarnations, self.incarnation_count)) continue;
        snprintf(text, text_bytes, "the child has descriptor %d of %.150s", fd, path + strlen(self.path));
        found = 1;
    }
    closedir(directory);
    return found;
}

static int find_mapping(char *text, size_t text_bytes, int is_any)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[1024];
    int found = 0;
    while (maps && !found && fgets(line, sizeof line, maps)) {
        const char *at = strstr(line, self.path);
        if (!at || (!is_any && !is_of_incarnation(at, self.incarnations, self.incarnation_count))) continue;
        snprintf(text, text_bytes, "the child has a mapping of %.150s", at + strlen(self.path));
        found = 1;
    }
    if (maps) fclose(maps);
    return found;
}

int find_inherited(char *text, size_t text_bytes, int is_any_writable)
{
    return find_descriptor(text, text_bytes, is_any_writable) ||
           find_mapping(text, text_bytes, is_any_writable);
}

/* ---- children ---- */

ending random_way(uint64_t number, int limit)
{
    test_random random = test_random_from(number * 7919 + 17);
    test_random_u64(&random);
    return (ending)test_random_below(&random, (uint64_t)limit);
}

static child *new_child(ending way, const char *place)
{
    unsigned index = atomic_fetch_add(&all->child_count, 1);
    if (index >= CHILDREN_MAX) return NULL;
    child *c = &all->children[index];
    c->way = way;
    snprintf(c->place, sizeof c->place, "%s", place);
    return c;
}

static void begin_child(child *c)
{
    if (on_child) on_child();
    atomic_store(&c->pid, getpid());
    atomic_store(&c->state, CHILD_BEGUN);
}

static void append_as_child(child *c, steplog_writer *writer, steplog_schema schema, uint64_t count)
{
    uint64_t source = CHILD_SOURCE + (uint64_t)(c - all->children);
    for (uint64_t i = 0; i < count; i++) {
        append_row_of(writer, schema, source, atomic_load(&c->rows));
        atomic_fetch_add(&c->rows, 1);
    }
    if (!c->text[0]) find_inherited(c->text, sizeof c->text, 0);
}

/* Two writers of a child: a new one and the inherited one. Its own child goes on with both of them. */
static void use_new_writer(child *c)
{
    steplog_schema schema;
    steplog_writer *writer = kit_writer(self.store, "run", 7, 1);
    schema = kit_schema(writer, "m", COLUMNS);
    append_as_child(c, writer, schema, 10);
    child *grandchild = new_child(WAY_EXIT_NOW, "a grandchild");
    pid_t pid = grandchild ? fork() : -1;
    if (pid == 0) {
        begin_child(grandchild);
        append_as_child(grandchild, writer, schema, 10);
        append_as_child(grandchild, self.writer, self.schema, 10);
        kit_writer_close(writer);
        kit_writer_close(self.writer);
        test_leave_counts();
        atomic_store(&grandchild->state, CHILD_DONE);
        _exit(0);
    }
    append_as_child(c, writer, schema, 10);
    kit_writer_close(writer);
    int status = 0;
    if (pid > 0 && waitpid(pid, &status, 0) == pid) {
        grandchild->is_reaped = 1;
        if (status != 0) snprintf(grandchild->text, sizeof grandchild->text, "it ended with status %x", (unsigned)status);
    }
}

static void read_as_child(void)
{
    steplog_reader *reader = kit_reader(self.store);
    steplog_id run;
    size_t found;
    steplog_status status = steplog_reader_find_runs(reader, "@latest", &run, 1, &found, &kit_error);
    if (status != STEPLOG_MISSING || atomic_load(&all->rows[0]) > 0) {
        OK(status);
        kit_rows rows = kit_read(reader, &run, "m0", NULL);
        kit_rows_free(&rows);
    }
    kit_no_damage(reader);
    steplog_reader_close(reader);
    OK(steplog_store_compact(self.store, NULL, NULL, &kit_error));
}

static _Noreturn void live_as_child(child *c, int fd)
{
    begin_child(c);
    exempt_fd = fd;
    find_inherited(c->text, sizeof c->text, 1);
    ending way = (ending)c->way;
    if (!self.writer && (way == WAY_CLOSE || way == WAY_APPEND || way == WAY_APPEND_CLOSE || way == WAY_NEW_WRITER))
        way = WAY_EXIT_NOW; /* forked while there is no writer */
    if (!self.store && way == WAY_READ) way = WAY_EXIT_NOW;
    switch (way) {
    case WAY_CLOSE: kit_writer_close(self.writer); break;
    case WAY_APPEND: append_as_child(c, self.writer, self.schema, 40); break;
    case WAY_APPEND_CLOSE:
        append_as_child(c, self.writer, self.schema, 40);
        OK(steplog_writer_sync(self.writer, &kit_error));
        OK(steplog_writer_set_fact(self.writer, "tag.child", "yes", &kit_error));
        append_as_child(c, self.writer, self.schema, 800);
        kit_writer_close(self.writer);
        break;
    case WAY_NEW_WRITER: use_new_writer(c); break;
    case WAY_READ: read_as_child(); break;
    case WAY_LINGER:
        atomic_store(&c->state, CHILD_LINGERS);
        for (int i = 0; i < 6000 && !atomic_load(&all->is_over); i++) usleep(10000);
        break;
    default: break;
    }
    if (way != WAY_EXIT && way != WAY_LINGER) test_leave_counts(); /* who lingers is killed now */
    atomic_store(&c->state, CHILD_DONE);
    switch (way) {
    case WAY_EXIT: exit(0);
    case WAY_QUICK_EXIT: quick_exit(0);
    case WAY_THREAD_EXIT: pthread_exit(NULL);
    case WAY_EXEC: execl("/bin/true", "true", (char *)NULL); break;
    case WAY_KILL: kill(getpid(), SIGKILL); break;
    case WAY_ABORT: abort();
    default: break;
    }
    _exit(0);
}

pid_t fork_child(ending way, const char *place, int fd)
{
    child *c = new_child(way, place);
    if (!c) return -1;
    atomic_fetch_add(&all->fork_count, 1);
    pid_t pid = fork();
    if (pid == 0) live_as_child(c, fd);
    if (pid > 0) atomic_store(&c->pid, pid); /* it may not have run yet when its parent ends */
    return pid;
}
