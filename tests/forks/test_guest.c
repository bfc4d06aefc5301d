/* forks/test_guest.c: what the library must leave as it found it, and what an append must do without. */
#include "forks/forks.h"

#include "base/memory.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct plan {
    char path[512];
    uint32_t flags;
    uint64_t seed;
} plan;

/* ---- the host's state ---- */

typedef struct state {
    char directory[600], locale[200], zone[64];
    mode_t mask;
    struct sigaction actions[65];
    sigset_t blocked;
    int priority;
    unsigned descriptors, threads;
    struct rlimit limits[RLIM_NLIMITS];
} state;

static unsigned count_entries(const char *path)
{
    DIR *directory = opendir(path);
    unsigned count = 0;
    while (directory && readdir(directory)) count++;
    if (directory) closedir(directory);
    return count;
}

static void take_state(state *out)
{
    memset(out, 0, sizeof *out);
    HOLDS(getcwd(out->directory, sizeof out->directory), "no directory");
    snprintf(out->locale, sizeof out->locale, "%s", setlocale(LC_ALL, NULL));
    snprintf(out->zone, sizeof out->zone, "%s", getenv("TZ") ? getenv("TZ") : "");
    out->mask = umask(0);
    umask(out->mask);
    for (int n = 1; n < 65; n++) sigaction(n, NULL, &out->actions[n]);
    pthread_sigmask(SIG_SETMASK, NULL, &out->blocked);
    out->priority = getpriority(PRIO_PROCESS, 0);
    out->descriptors = count_entries("/proc/self/fd");
    out->threads = count_entries("/proc/self/task");
    for (int n = 0; n < (int)RLIM_NLIMITS; n++) getrlimit((__rlimit_resource_t)n, &out->limits[n]);
}

static void compare_states(const state *a, const state *b)
{
    HOLDS(strcmp(a->directory, b->directory) == 0, "the directory is %s", b->directory);
    HOLDS(strcmp(a->locale, b->locale) == 0, "the locale is %s", b->locale);
    HOLDS(strcmp(a->zone, b->zone) == 0, "TZ is %s", b->zone);
    HOLDS(a->mask == b->mask, "the mask for new files is %o", (unsigned)b->mask);
    for (int n = 1; n < 65; n++) {
        HOLDS(a->actions[n].sa_handler == b->actions[n].sa_handler, "signal %d has another handler", n);
        HOLDS(a->actions[n].sa_flags == b->actions[n].sa_flags, "the handler of signal %d has other flags", n);
        HOLDS(sigismember(&a->blocked, n) == sigismember(&b->blocked, n), "signal %d is blocked or no longer", n);
    }
    HOLDS(a->priority == b->priority, "the priority is %d", b->priority);
    HOLDS(a->descriptors == b->descriptors, "%u descriptors were open, %u are", a->descriptors, b->descriptors);
    HOLDS(a->threads == b->threads, "%u threads ran, %u do", a->threads, b->threads);
    HOLDS(memcmp(a->limits, b->limits, sizeof a->limits) == 0, "a limit was changed");
}

static void do_everything(const char *path, uint32_t flags)
{
    subject_open(path, flags);
    self.writer = subject_writer(0, &self.schema);
    char blob[3000] = "b";
    steplog_id run = kit_run_of(self.writer);
    steplog_pair fact = {"tag.outside", "yes"};
    for (unsigned row = 0; row < 1500; row++) append_own(self.writer, self.schema, 0);
    OK(steplog_writer_set_fact(self.writer, "tag.w", "x", &kit_error));
    OK(steplog_writer_blob(self.writer, "note", 1, STEPLOG_TIME_NOW, "text/plain", blob, sizeof blob, &kit_error));
    OK(steplog_writer_sync(self.writer, &kit_error));
    OK(steplog_run_set_facts(self.store, &run, &fact, 1, &kit_error));
    while (steplog_store_tick(self.store, 1000, &kit_error) == STEPLOG_WAIT) continue;
    /* Mistakes say nothing on their own either. */
    steplog_store *none;
    steplog_metric metric;
    GIVES(MISSING, steplog_store_open("/nowhere/at/all", NULL, &none, &kit_error));
    GIVES(MISUSE, steplog_writer_metric(self.writer, "\xff", 1, &metric, &kit_error));
    GIVES(BUSY, steplog_store_close(self.store, &kit_error));
    kit_writer_close(self.writer);
    OK(steplog_store_compact(self.store, NULL, NULL, &kit_error));
    steplog_reader *reader = kit_reader(self.store);
    kit_rows rows = kit_read(reader, &run, "m*", NULL);
    kit_rows_free(&rows);
    steplog_reader_close(reader);
    kit_store_close(self.store);
    kit_verify(path);
}

static int be_guest(void *context)
{
    const plan *p = context;
    static state before, after;
    int said[2] = {memfd_create("out", 0), memfd_create("err", 0)}, real_error = dup(2);
    HOLDS(said[0] >= 0 && said[1] >= 0 && chdir("/tmp") == 0, "cannot begin");
    umask(027);
    setlocale(LC_NUMERIC, "C");
    dup2(said[0], 1);
    dup2(said[1], 2);
    take_state(&before);
    do_everything(p->path, p->flags);
    /* A thread that was joined may stand in the listing a moment longer. */
    for (int i = 0; i < 100 && (take_state(&after), after.threads != before.threads); i++) usleep(1000);
    fflush(NULL);
    dup2(real_error, 2);
    compare_states(&before, &after);
    for (unsigned i = 0; i < 2; i++) {
        struct stat info;
        HOLDS(fstat(said[i], &info) == 0 && info.st_size == 0, "it printed %lld bytes to descriptor %u",
              (long long)info.st_size, i + 1);
    }
    return 0;
}

static void run_plan(uint64_t seed, int (*body)(void *), const char *name, result *out)
{
    plan p = {.seed = seed, .flags = seed % 2 ? 0 : (uint32_t)STEPLOG_FORCE_PWRITE};
    if (seed / 2 % 2) p.flags |= STEPLOG_NO_THREAD;
    char what[100];
    snprintf(what, sizeof what, "%s: seed %llu", name, (unsigned long long)seed);
    shared_reset();
    make_store(p.path, p.flags);
    verdict v = run_subject(body, &p, what);
    if (v.status != 0) {
        complain(what, "the subject ended with status %x", (unsigned)v.status);
        v.violations++;
    }
    out->violations += v.violations + judge(p.path, 0, what);
    test_remove_tree(p.path);
}

void test_guest(uint64_t seed, result *out)
{
    run_plan(seed, be_guest, "guest", out);
    out->states++;
    snprintf(out->seen, sizeof out->seen, "handlers, masks, directory, locale, limits, descriptors, threads as before; "
                                          "nothing printed");
}

/* ---- appends without allocation ---- */

static _Thread_local unsigned appending, asked, called;

static void *count_resize(void *old, size_t bytes)
{
    asked += appending;
    return realloc(old, bytes);
}

#ifndef __SANITIZE_ADDRESS__
/* Whatever asks, the C library too. */
void *__libc_malloc(size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *malloc(size_t bytes)
{
    asked += appending;
    return __libc_malloc(bytes);
}
void *realloc(void *old, size_t bytes)
{
    asked += appending;
    return __libc_realloc(old, bytes);
}
void *calloc(size_t count, size_t bytes)
{
    asked += appending;
    return __libc_calloc(count, bytes);
}
#endif

static int64_t count_pwrite(int fd, const void *data, size_t bytes, uint64_t offset)
{
    called += appending;
    return sl_os_posix.pwrite(fd, data, bytes, offset);
}

static int count_open(int dir, const char *name, int mode)
{
    called += 1000 * appending;
    return sl_os_posix.open(dir, name, mode);
}

typedef struct append_kinds {
    steplog_metric metric;
    steplog_named named[3];
} append_kinds;

static void append_any(const append_kinds *k, unsigned n)
{
    double values[COLUMNS] = {1, 2, 3};
    uint64_t present = 1 + n % 1000;
    double three[3 * COLUMNS] = {0};
    int64_t steps[3] = {(int64_t)n, (int64_t)n, (int64_t)n};
    steplog_status status;
    appending = 1;
    switch (n % 5) {
    case 0: status = steplog_writer_append(self.writer, self.schema, (int64_t)n, STEPLOG_TIME_NOW, values); break;
    case 1: status = steplog_writer_point(self.writer, k->metric, (int64_t)n, STEPLOG_TIME_NOW, 1); break;
    case 2: status = steplog_writer_append_present(self.writer, self.schema, 1, 2, values, &present); break;
    case 3: status = steplog_writer_append_rows(self.writer, self.schema, 3, steps, NULL, three); break;
    default: status = steplog_writer_log(self.writer, (int64_t)n, k->named, 3); break;
    }
    appending = 0;
    OK(status);
}

static void let_background_work(const plan *p)
{
    if (p->flags & STEPLOG_NO_THREAD)
        while (steplog_store_tick(self.store, 1000, &kit_error) == STEPLOG_WAIT) continue;
    else
        usleep(1000);
}

/* Through many logs, none of which an append had to make: the background is given its time. */
static int append_frugally(void *context)
{
    const plan *p = context;
    append_kinds k = {.named = {{"a", 1}, {"b", 2}, {"c", 3}}};
    sl_os_table table = sl_os_posix;
    table.pwrite = count_pwrite;
    table.open = count_open;
    sl_os = &table;
    sl_memory_functions.resize = count_resize;
    subject_open(p->path, p->flags);
    /* Under a run of its own, which the judge does not look at. */
    self.writer = kit_writer(self.store, "frugal", 0, 1);
    self.schema = kit_schema(self.writer, "m", COLUMNS);
    k.metric = kit_metric(self.writer, "point");
    unsigned n = 0;
    for (; n < 15000; n++) { /* warm: the first logs are small ones that grow */
        append_any(&k, n);
        if (n % 100 == 0) let_background_work(p);
    }
    uint64_t slow_before = kit_stats(self.writer).slow_append_count;
    asked = called = 0;
    unsigned appends = 0;
    for (; n < 60000; n++, appends++) {
        append_any(&k, n);
        if (n % 100 == 0) let_background_work(p);
    }
    uint64_t slow = kit_stats(self.writer).slow_append_count - slow_before;
    /* On a loaded machine the background may not get its time; an append that had to make a log may allocate it. In
     * the thread of the appends its work is always done in time. */
    HOLDS(slow == 0 || !(p->flags & STEPLOG_NO_THREAD), "%llu appends had to make a log", (unsigned long long)slow);
    HOLDS(asked <= 8 * slow, "%u allocations in %u appends, %llu of them slow", asked, appends,
          (unsigned long long)slow);
    unsigned expected = p->flags & STEPLOG_FORCE_PWRITE ? appends * 3 : 0;
    HOLDS(called % 1000 <= expected + 1000 && called / 1000 <= slow + expected, "%u calls of the system", called);
    atomic_store(&all->ready, (int)asked);
    atomic_store(&all->signals, slow);
    kit_writer_close(self.writer);
    kit_store_close(self.store);
    sl_os = &sl_os_posix;
    return 0;
}

void test_no_allocation(uint64_t seed, result *out)
{
    run_plan(seed, append_frugally, "no_allocation", out);
    out->states += 45000;
    snprintf(out->seen, sizeof out->seen, "%d allocations in 45000 appends of all five kinds (%llu had to make a log)",
             atomic_load(&all->ready), (unsigned long long)atomic_load(&all->signals));
}
