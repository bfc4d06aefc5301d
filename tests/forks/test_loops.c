/* forks/test_loops.c: forks at no particular moment: in the middle of append loops, of many threads, of callbacks, of
 * children of children. */
#include "forks/forks.h"

#include "support/counts.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

typedef struct plan {
    char path[512];
    uint32_t flags;
    uint64_t seed;
} plan;

static uint64_t judge_plan(const plan *p, int (*body)(void *), unsigned how, const char *name)
{
    char what[160];
    snprintf(what, sizeof what, "%s: seed %llu, %s", name, (unsigned long long)p->seed,
             p->flags & STEPLOG_FORCE_PWRITE ? "pwrite" : "mapped");
    verdict v = run_subject(body, (void *)(uintptr_t)p, what);
    if (v.status != 0) {
        complain(what, "the subject ended with status %x", (unsigned)v.status);
        v.violations++;
    }
    uint64_t violations = v.violations + judge(p->path, how, what);
    test_remove_tree(p->path);
    return violations;
}

static plan new_plan(uint64_t seed)
{
    plan p = {.seed = seed, .flags = seed % 2 ? 0 : (uint32_t)STEPLOG_FORCE_PWRITE};
    shared_reset();
    make_store(p.path, p.flags);
    return p;
}

/* ---- many threads ---- */

enum { THREADS = 3, ROWS = 2000 };

static void *write_rows(void *context)
{
    uint32_t w = *(uint32_t *)context;
    steplog_schema schema;
    steplog_writer *writer = kit_writer(self.store, "run", w, 1);
    schema = kit_schema(writer, "m", COLUMNS);
    for (unsigned row = 0; row < ROWS; row++) {
        append_own(writer, schema, w);
        if (row % 700 == 699) OK(steplog_writer_sync(writer, &kit_error));
    }
    kit_writer_close(writer);
    return NULL;
}

static int fork_beside_threads(void *context)
{
    const plan *p = context;
    pthread_t threads[THREADS];
    uint32_t numbers[THREADS];
    test_random random = test_random_from(p->seed);
    subject_open(p->path, p->flags);
    self.writer = subject_writer(0, &self.schema);
    for (uint32_t i = 0; i < THREADS; i++) {
        numbers[i] = i + 1;
        HOLDS(pthread_create(&threads[i], NULL, write_rows, &numbers[i]) == 0, "no thread");
    }
    for (unsigned i = 0; i < 60; i++) {
        for (uint64_t n = test_random_below(&random, 60); n > 0; n--) append_own(self.writer, self.schema, 0);
        fork_child((ending)test_random_below(&random, WAY_COUNT), "beside threads", -1);
        usleep((useconds_t)test_random_below(&random, 300));
    }
    for (uint32_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    kit_writer_close(self.writer);
    kit_store_close(self.store);
    return 0;
}

static int fork_in_a_loop(void *context)
{
    const plan *p = context;
    subject_open(p->path, p->flags | STEPLOG_NO_THREAD);
    self.writer = subject_writer(0, &self.schema);
    for (unsigned row = 0; row < 1500; row++) {
        append_own(self.writer, self.schema, 0);
        if (row % 40 == 7) fork_child(random_way(p->seed + row, WAY_COUNT), "in a loop of appends", -1);
        if (row % 300 == 299) OK(steplog_writer_sync(self.writer, &kit_error));
    }
    kit_writer_close(self.writer);
    kit_store_close(self.store);
    return 0;
}

void test_in_loops(uint64_t seed, result *out)
{
    plan p = new_plan(seed);
    int is_threaded = MAY_HAVE_THREADS && seed % 4 < 3;
    out->violations += judge_plan(&p, is_threaded ? fork_beside_threads : fork_in_a_loop, 0, "in_loops");
    out->states += atomic_load(&all->fork_count);
    snprintf(out->seen, sizeof out->seen, "forked in a loop of appends, %s", MAY_HAVE_THREADS
             ? "beside 3 writing threads and the background" : "without other threads");
}

/* ---- a parent that keeps still ---- */

typedef struct seen_file {
    char name[300];
    uint64_t hash, bytes;
    struct timespec changed;
} seen_file;

typedef struct seen_files {
    seen_file items[300];
    unsigned count;
} seen_files;

static void see_files(const char *path, seen_files *out)
{
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char name[300];
        struct stat info;
        if (entry->d_name[0] == '.' || out->count == 300) continue;
        snprintf(name, sizeof name, "%s/%.200s", path, entry->d_name);
        if (stat(name, &info) < 0) continue;
        if (S_ISDIR(info.st_mode)) {
            see_files(name, out);
            continue;
        }
        seen_file *file = &out->items[out->count++];
        memcpy(file->name, name, sizeof name);
        file->bytes = (uint64_t)info.st_size;
        file->changed = info.st_mtim;
        void *bytes = malloc(file->bytes + 1);
        FILE *in = fopen(name, "rb");
        HOLDS(bytes && in && fread(bytes, 1, file->bytes, in) == file->bytes, "cannot read %s", name);
        file->hash = XXH3_64bits(bytes, file->bytes);
        fclose(in);
        free(bytes);
    }
    if (directory) closedir(directory);
}

static void check_unchanged(const char *path, const seen_files *before)
{
    static seen_files after;
    after.count = 0;
    see_files(path, &after);
    for (unsigned i = 0; i < before->count; i++) {
        const seen_file *old = &before->items[i], *new = NULL;
        for (unsigned n = 0; n < after.count && !new; n++)
            if (strcmp(old->name, after.items[n].name) == 0) new = &after.items[n];
        HOLDS(new, "%s is gone", old->name);
        HOLDS(new->hash == old->hash && new->bytes == old->bytes, "%s was changed", old->name);
        HOLDS(new->changed.tv_sec == old->changed.tv_sec && new->changed.tv_nsec == old->changed.tv_nsec,
              "%s was touched", old->name);
    }
}

static void reap_here(pid_t pid, unsigned index)
{
    child *c = &all->children[index];
    int status;
    HOLDS(waitpid(pid, &status, 0) == pid, "no child");
    c->is_reaped = 1;
    int wanted = c->way == WAY_KILL ? 9 : c->way == WAY_ABORT ? 6 : 0;
    HOLDS((status & 0x7f) == wanted && (wanted || status == 0) && atomic_load(&c->state) == CHILD_DONE,
          "the child that was to end by '%s' ended with status %x", way_name((ending)c->way), (unsigned)status);
}

static int keep_still(void *context)
{
    const plan *p = context;
    static seen_files before;
    test_random random = test_random_from(p->seed);
    subject_open(p->path, p->flags | STEPLOG_NO_THREAD);
    self.writer = subject_writer(0, &self.schema);
    for (unsigned row = 0; row < 1600; row++) {
        append_own(self.writer, self.schema, 0);
        if (row % 500 == 499) OK(steplog_writer_sync(self.writer, &kit_error));
        if (row == 900) OK(steplog_writer_set_fact(self.writer, "tag.x", "y", &kit_error));
        if (row % 70 != 5) continue;
        before.count = 0;
        see_files(p->path, &before);
        unsigned index = atomic_load(&all->child_count);
        ending way = (ending)test_random_below(&random, WAY_READ); /* nobody compacts or recovers */
        pid_t pid = fork_child(way, "while nobody writes", -1);
        reap_here(pid, index);
        check_unchanged(p->path, &before);
    }
    kit_writer_close(self.writer);
    kit_store_close(self.store);
    return 0;
}

void test_quiet_parent(uint64_t seed, result *out)
{
    plan p = new_plan(seed);
    out->violations += judge_plan(&p, keep_still, 0, "quiet_parent");
    out->states += atomic_load(&all->fork_count);
    snprintf(out->seen, sizeof out->seen, "no byte, no time, no name of a file of the parent's was changed");
}

/* ---- children of children ---- */

/* What a program gets that does not fork by fork(). */
static pid_t fork_without_handlers(void)
{
#if __GLIBC_PREREQ(2, 34)
    return _Fork();
#else
    return fork();
#endif
}

static void *append_first(void *context)
{
    steplog_writer **writer = context;
    steplog_schema schema = kit_schema(*writer, "m", COLUMNS);
    append_own(*writer, schema, 6); /* one of the two: the other has its row from below */
    return NULL;
}

/* Each generation appends with the writers of all before it, each of which starts over, and with one of its own. */
static int descend(void *context)
{
    enum { DEPTH = 6 };
    const plan *p = context;
    steplog_writer *writers[DEPTH], *twins[2];
    steplog_schema schemas[DEPTH];
    /* Without the handlers of the C library's fork() its allocator is no use to a child beside whose parent threads ran. */
    int is_bare = p->seed % 4 == 2;
    subject_open(p->path, p->flags | (MAY_HAVE_THREADS && !is_bare ? 0 : STEPLOG_NO_THREAD));
    for (unsigned depth = 0; depth < DEPTH; depth++) {
        writers[depth] = kit_writer(self.store, "run", 0, 1);
        schemas[depth] = kit_schema(writers[depth], "m", COLUMNS);
        if (depth == 0) twins[0] = kit_writer(self.store, "run", 1, 1), twins[1] = kit_writer(self.store, "run", 2, 1);
        /* The newest first; not the older ones each time, so that some have not been used since before their parent. */
        for (unsigned i = depth + 1, end = depth % 2 ? depth : 0; i-- > end;)
            for (unsigned row = 0; row < 300; row++) append_own(writers[i], schemas[i], 0);
        if (depth + 1 == DEPTH) break;
        fflush(NULL);
        atomic_fetch_add(&all->fork_count, 1);
        pid_t pid = depth == 0 && is_bare ? fork_without_handlers() : fork();
        if (pid != 0) { /* the parents go on a little, then wait */
            int status;
            for (unsigned row = 0; row < 50; row++) append_own(writers[depth], schemas[depth], depth + 1);
            HOLDS(waitpid(pid, &status, 0) == pid && status == 0, "generation %u ended with status %x", depth + 1,
                  (unsigned)status);
            break;
        }
        /* Two threads take the store over at once. */
        pthread_t thread;
        if (MAY_HAVE_THREADS && depth == 0 && p->seed % 2) {
            HOLDS(pthread_create(&thread, NULL, append_first, &twins[0]) == 0, "no thread");
            steplog_schema schema = kit_schema(twins[1], "m", COLUMNS);
            append_own(twins[1], schema, 7);
            pthread_join(thread, NULL);
        }
    }
    /* Whoever has not appended with one since the fork frees its memory only. */
    if (p->seed % 3 == 0) return 0;
    kit_writer_close(twins[0]);
    kit_writer_close(twins[1]);
    return 0;
}

void test_generations(uint64_t seed, result *out)
{
    plan p = new_plan(seed);
    out->violations += judge_plan(&p, descend, 0, "generations");
    out->states += atomic_load(&all->fork_count);
    snprintf(out->seen, sizeof out->seen, "6 generations, each with its own writers and those of all before");
}

/* ---- callbacks ---- */

static int callback_calls, callback_fork_at, is_callback_child, callback_appends;
static pid_t callback_owner;
static seen_files callback_before;

static int fork_in_callback(void)
{
    if (callback_calls++ != callback_fork_at || getpid() != callback_owner) return 0;
    see_files(self.path, (callback_before.count = 0, &callback_before));
    atomic_fetch_add(&all->fork_count, 1);
    pid_t pid = fork();
    if (pid == 0) {
        is_callback_child = 1;
        if (callback_appends) for (unsigned row = 0; row < 20; row++) append_own(self.writer, self.schema, 1);
        return 0; /* on with what the parent is doing */
    }
    int status;
    HOLDS(waitpid(pid, &status, 0) == pid && status == 0, "the child that went back from a callback ended with %x",
          (unsigned)status);
    check_unchanged(self.path, &callback_before);
    return 0;
}

static int on_progress(void *context, uint64_t done, uint64_t total)
{
    (void)context, (void)done, (void)total;
    return fork_in_callback();
}

static int on_finding(void *context, const steplog_damage *finding)
{
    (void)context, (void)finding;
    return 0;
}

static int on_dump(void *context, const steplog_dump_item *item)
{
    (void)context, (void)item;
    return fork_in_callback();
}

static void leave_if_child(steplog_status status, steplog_status wanted, const char *call)
{
    if (!is_callback_child) {
        OK(status);
        return;
    }
    HOLDS(status == wanted, "%s gave %s in a child, expected %s", call, steplog_status_name(status),
          steplog_status_name(wanted));
    if (callback_appends) kit_writer_close(self.writer);
    test_leave_counts();
    _exit(0);
}

static int call_back(void *context)
{
    const plan *p = context;
    callback_owner = getpid();
    callback_fork_at = (int)(p->seed / 2 % 12);
    callback_appends = p->seed % 3 == 0;
    subject_open(p->path, p->flags | STEPLOG_NO_THREAD);
    char other[512];
    snprintf(other, sizeof other, "%.490s.merged", p->path);
    for (unsigned n = 0; n < 6; n++) {
        steplog_writer *writer = kit_writer(self.store, "run", 0, 1);
        steplog_schema schema = kit_schema(writer, "m", COLUMNS);
        for (unsigned row = 0; row < 200; row++) append_own(writer, schema, 0);
        kit_writer_close(writer);
    }
    self.writer = subject_writer(0, &self.schema);
    append_own(self.writer, self.schema, 0);
    steplog_verify_options verify = {.size_bytes = sizeof verify, .callback = on_finding, .progress = on_progress};
    leave_if_child(steplog_store_verify(p->path, &verify, NULL, &kit_error), STEPLOG_OK, "verify");
    callback_calls = 0;
    leave_if_child(steplog_dump(p->path, NULL, 0, on_dump, NULL, &kit_error), STEPLOG_OK, "dump");
    callback_calls = 0;
    steplog_store *merged = kit_store(other, p->flags | STEPLOG_NO_THREAD | STEPLOG_CREATE, 65536);
    steplog_store *mine = self.store;
    snprintf(self.path, sizeof self.path, "%s", other); /* what is looked at for changes */
    self.store = merged;
    leave_if_child(steplog_store_merge(merged, p->path, on_progress, NULL, NULL, &kit_error), STEPLOG_END, "merge");
    self.store = mine;
    snprintf(self.path, sizeof self.path, "%s", p->path);
    kit_store_close(merged);
    kit_verify(other);
    test_remove_tree(other);
    callback_calls = 0;
    steplog_compact_options compact = {.size_bytes = sizeof compact, .progress = on_progress};
    leave_if_child(steplog_store_compact(self.store, &compact, NULL, &kit_error), STEPLOG_END, "compact");
    kit_writer_close(self.writer);
    kit_store_close(self.store);
    return 0;
}

void test_in_callbacks(uint64_t seed, result *out)
{
    plan p = new_plan(seed);
    out->violations += judge_plan(&p, call_back, 0, "in_callbacks");
    out->states += atomic_load(&all->fork_count);
    snprintf(out->seen, sizeof out->seen, "forked in callbacks of verify, dump, merge and compact; the child returned");
}
