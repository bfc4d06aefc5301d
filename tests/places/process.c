/* places/process.c: processes in odd states: descriptors closed or exhausted, limits, another user, a store that goes
 * away under its writer, a clock that jumps. */
#include "places.h"

#include "os/os.h"
#include "support/store_kit.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_play(void *context)
{
    const play *p = context;
    play_check(p, p->path);
    kit_verify(p->path);
}

/* ---- standard descriptors ---- */

typedef struct closed_case {
    play *mine;
    unsigned mask;
} closed_case;

static void print_to_closed(void *context, uint64_t row)
{
    const closed_case *c = context;
    if (row % 97) return;
    for (int fd = 0; fd < 3; fd++) {
        if (!(c->mask >> fd & 1)) continue;
        struct stat taken; /* /dev/null, while a file is opened */
        if (write(fd, "what a program prints\n", 22) < 0) HOLDS(errno == EBADF, "write gives %d", errno);
        else HOLDS(fstat(fd, &taken) < 0 || S_ISCHR(taken.st_mode), "descriptor %d is a file of the store's", fd);
    }
}

static void play_closed(void *context)
{
    closed_case *c = context;
    int words = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    for (int fd = 0; fd < 3; fd++)
        if (c->mask >> fd & 1) close(fd);
    c->mine->between = print_to_closed;
    c->mine->between_context = c;
    play_all(c->mine);
    play_read_everything(c->mine->path);
    print_to_closed(c, 0);
    dup2(words, STDERR_FILENO);
    HOLDS(c->mine->failures == 0, "%s", c->mine->first.text);
}

void test_closed(tally *t)
{
    const char *root = place_begin();
    for (uint32_t flags = 0; flags < 2; flags++) {
        closed_case c = {.mine = shared_memory(sizeof *c.mine), .mask = (unsigned)(t->seed % 7) + 1};
        play_init(c.mine, place_path(root, flags ? "pwrite" : "mapped"),
                  STEPLOG_CREATE | (flags ? STEPLOG_FORCE_PWRITE : 0u), t->seed, 0, 3000);
        in_child(t, 20, play_closed, &c, "descriptors closed: mask %u", c.mask);
        in_child(t, 20, check_play, c.mine, "what was written with descriptors closed: mask %u", c.mask);
        shared_free(c.mine, sizeof *c.mine);
    }
    place_end(root);
}

/* ---- limits ---- */

typedef struct limit_case {
    play *mine;
    int resource;
    rlim_t limit, before;
    uint64_t until; /* the row before which the limit is lifted */
    int is_late;    /* it comes when the writer is open */
} limit_case;

enum { LIMIT_LIFTED, LIMIT_TO_THE_END, LIMIT_LATE, LIMIT_WAYS };

static void set_limit(int resource, rlim_t limit)
{
    struct rlimit both;
    HOLDS(getrlimit(resource, &both) == 0, "no limit is known");
    both.rlim_cur = limit < both.rlim_max ? limit : both.rlim_max;
    HOLDS(setrlimit(resource, &both) == 0, "can not set a limit");
}

static void lift_limit(void *context, uint64_t row)
{
    const limit_case *c = context;
    if (row == 0 && c->is_late) set_limit(c->resource, c->limit);
    if (row == c->until) set_limit(c->resource, c->before);
}

/* Works under the limit, and goes on in the same process when it is lifted: by then everything works again. */
static void play_limited(void *context)
{
    limit_case *c = context;
    struct rlimit both;
    steplog_store *store;
    steplog_writer *writer;
    steplog_error err = {0};
    HOLDS(getrlimit(c->resource, &both) == 0, "no limit is known");
    c->before = both.rlim_cur;
    c->mine->between = lift_limit;
    c->mine->between_context = c;
    if (!c->is_late) set_limit(c->resource, c->limit);
    play_write(c->mine, &store, &writer);
    set_limit(c->resource, c->before);
    if (writer) {
        play *p = c->mine;
        for (uint64_t row = c->until; row < p->rows; row++)
            HOLDS(p->acknowledged[row], "row %" PRIu64 " is refused when nothing limits it: %s", row, p->first.text);
        OK(steplog_writer_sync(writer, &kit_error));
        OK(steplog_writer_close(writer, 0, &kit_error));
    }
    if (store) {
        OK(steplog_store_compact(store, NULL, NULL, &kit_error));
        CLEAR(steplog_store_close(store, &err), &err); /* tells the last failure of the background work */
    }
}

static void close_limited(void *context)
{
    limit_case *c = context;
    struct rlimit both;
    getrlimit(c->resource, &both);
    c->before = both.rlim_cur;
    set_limit(c->resource, c->limit);
    play_all(c->mine);
    play_read_everything(c->mine->path);
    set_limit(c->resource, c->before);
    play_check(c->mine, c->mine->path);
}

static void try_limit(tally *t, const char *root, int resource, rlim_t limit, uint32_t flags, const char *what)
{
    static const char *const ways[] = {"lifted", "to the end", "late"};
    for (int way = 0; way < LIMIT_WAYS; way++) {
        limit_case c = {.mine = shared_memory(sizeof *c.mine),
                        .resource = resource,
                        .limit = limit,
                        .until = 2500,
                        .is_late = way == LIMIT_LATE};
        char name[32];
        snprintf(name, sizeof name, "store-%d", way);
        const char *path = place_path(root, name);
        play_init(c.mine, path, STEPLOG_CREATE | flags, t->seed, 0, 4000);
        in_child(t, 30, way == LIMIT_TO_THE_END ? close_limited : play_limited, &c, "%s %llu, %s, %s", what,
                 (unsigned long long)limit, flags & STEPLOG_FORCE_PWRITE ? "pwrite" : "mapped", ways[way]);
        if (c.mine->has_run)
            in_child(t, 30, check_play, c.mine, "what is there after %s %llu", what, (unsigned long long)limit);
        shared_free(c.mine, sizeof *c.mine);
        tree_remove(path);
    }
}

void test_descriptors(tally *t)
{
    const char *root = place_begin();
    uint32_t flags = (t->seed % 2 ? STEPLOG_FORCE_PWRITE : 0u) | (t->seed / 2 % 2 ? STEPLOG_NO_THREAD : 0u);
    /* Seeds 1 to 40 are all numbers from 3 to 42; the next go round again in other modes. Below a few nothing opens. */
    rlim_t limit = 3 + (t->seed - 1) * (PLACES_HAS_SANITIZER ? 3 : 1) % 40;
    if ((t->seed - 1) / 40 % 2) flags ^= STEPLOG_FORCE_PWRITE;
    try_limit(t, root, RLIMIT_NOFILE, limit, flags, "descriptors up to");
    place_end(root);
}

static rlim_t address_space_now(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%lu", &pages) != 1) pages = 0;
    if (file) fclose(file);
    return pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

void test_limits(tally *t)
{
    static const rlim_t sizes[] = {0, 1, 63, 64, 4096, 65535, 65536, 66000, 131072, 200000, 262144, 1 << 20};
    const char *root = place_begin();
    uint32_t flags = (t->seed % 2 ? STEPLOG_FORCE_PWRITE : 0u) | (t->seed / 2 % 2 ? STEPLOG_NO_THREAD : 0u);
    size_t n = (t->seed - 1) % (sizeof sizes / sizeof *sizes);
    try_limit(t, root, RLIMIT_FSIZE, sizes[n], flags, "files of bytes up to");
    try_limit(t, root, RLIMIT_FSIZE, sizes[n], flags ^ STEPLOG_FORCE_PWRITE, "files of bytes up to");
    /* The sanitizer reserves more address space than any such limit. */
    if (!PLACES_HAS_SANITIZER) {
        rlim_t now = address_space_now();
        for (unsigned i = 0; i < 6; i++) {
            rlim_t more = ((t->seed * 6 + i) % 72) * 65536;
            try_limit(t, root, RLIMIT_AS, now + more, flags, "bytes of memory up to");
        }
    }
    place_end(root);
}

/* ---- users ---- */

typedef struct user_case {
    play *mine, *theirs;
    mode_t mode; /* of what is below the store */
    uint64_t before;
} user_case;

static void become_nobody(void)
{
    if (geteuid() == 0) HOLDS(setgid(65534) == 0 && setuid(65534) == 0, "can not become another user");
}

static void play_as_nobody(void *context)
{
    user_case *c = context;
    become_nobody();
    play_all(c->theirs);
    play_read_everything(c->theirs->path);
    HOLDS(c->theirs->acknowledged_count == 0, "another user's store was written to");
    HOLDS(c->theirs->failures > 0 && (c->theirs->first.os_errno == EACCES || c->theirs->first.os_errno == EPERM),
          "another user's store gives: %s", c->theirs->first.text);
    if (c->mode & 0444) play_check(c->mine, c->mine->path); /* what may be read is read */
}

static void change_modes(const char *path, mode_t mode)
{
    char command[9000];
    snprintf(command, sizeof command, "chmod -R u=rwX,go=%s '%s'", mode & 0444 ? "rX" : "", path);
    HOLDS(system(command) == 0, "can not change modes");
}

static void play_fresh(void *context) { play_all(context); }

void test_users(tally *t)
{
    if (geteuid() != 0) {
        skip(t, "only root can become another user");
        return;
    }
    const char *root = place_begin();
    chmod(root, 0755);
    for (int readable = 0; readable < 2; readable++) {
        user_case c = {.mine = shared_memory(sizeof *c.mine),
                       .theirs = shared_memory(sizeof *c.theirs),
                       .mode = readable ? 0444 : 0};
        const char *path = place_path(root, readable ? "readable" : "closed");
        play_init(c.mine, path, STEPLOG_CREATE, t->seed, 0, 2000);
        play_init(c.theirs, path, readable ? 0 : STEPLOG_CREATE, t->seed, 1, 500);
        in_child(t, 20, play_fresh, c.mine, "making a store");
        change_modes(path, c.mode);
        c.before = tree_print(path, NULL);
        in_child(t, 20, play_as_nobody, &c, "another user's store that is %s", readable ? "readable" : "closed");
        if (tree_print(path, NULL) != c.before) violation(t, "another user changed a store");
        /* One directory of it closed at a time, or one file. */
        static const char *const parts[] = {"log", "seg", "seg/0", "STEPLOG"};
        for (size_t i = 0; readable && i < sizeof parts / sizeof *parts; i++) {
            const char *part = place_path(path, parts[i]);
            user_case closed = c;
            struct stat info;
            if (stat(part, &info) != 0) continue;
            chmod(part, 0);
            closed.mode = 0;
            in_child(t, 20, play_as_nobody, &closed, "another user's store with %s closed", parts[i]);
            chmod(part, info.st_mode & 07777);
        }
        in_child(t, 20, check_play, c.mine, "what is there after another user came");
        shared_free(c.mine, sizeof *c.mine);
        shared_free(c.theirs, sizeof *c.theirs);
    }
    place_end(root);
}

/* ---- a store that goes away ---- */

enum { GONE_ALL, GONE_LOGS, GONE_SEGMENTS, GONE_MOVED, GONE_REPLACED, GONE_COUNT };

typedef struct gone_case {
    play *mine;
    const char *path, *moved;
    unsigned how;
    uint64_t at;
} gone_case;

static void *remove_tree_quickly(void *context)
{
    char command[9000];
    snprintf(command, sizeof command, "rm -rf '%s'", (const char *)context);
    if (system(command) != 0) return NULL; /* files come while it works */
    return NULL;
}

static void take_away(void *context, uint64_t row)
{
    const gone_case *c = context;
    if (row != c->at) return;
    switch (c->how) {
    case GONE_ALL: remove_tree_quickly((void *)(uintptr_t)c->path); break;
    case GONE_LOGS: remove_tree_quickly((void *)(uintptr_t)place_path(c->path, "log")); break;
    case GONE_SEGMENTS: remove_tree_quickly((void *)(uintptr_t)place_path(c->path, "seg")); break;
    default:
        tree_move(c->path, c->moved);
        if (c->how == GONE_REPLACED) kit_store_close(kit_store(c->path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    }
}

static void play_gone(void *context)
{
    gone_case *c = context;
    c->mine->between = take_away;
    c->mine->between_context = c;
    play_all(c->mine);
    play_read_everything(c->path);
    /* Who holds the store open goes on in it, wherever it is by now. */
    if (c->how == GONE_MOVED || c->how == GONE_REPLACED) {
        HOLDS(c->mine->failures == 0, "a store that was moved: %s", c->mine->first.text);
        HOLDS(play_check(c->mine, c->moved) == c->mine->rows, "rows are missing in a store that was moved");
        kit_verify(c->moved);
    }
    if (c->how == GONE_REPLACED) kit_verify(c->path);
}

void test_removed(tally *t)
{
    const char *root = place_begin();
    test_random random = test_random_from(t->seed);
    for (unsigned how = 0; how < GONE_COUNT; how++) {
        gone_case c = {.mine = shared_memory(sizeof *c.mine), .how = how, .at = test_random_below(&random, 6000)};
        char name[32];
        snprintf(name, sizeof name, "store-%u", how);
        c.path = place_path(root, name);
        snprintf(name, sizeof name, "moved-%u", how);
        c.moved = place_path(root, name);
        uint32_t flags = (t->seed % 2 ? STEPLOG_FORCE_PWRITE : 0u) | (t->seed / 2 % 2 ? STEPLOG_NO_THREAD : 0u);
        play_init(c.mine, c.path, STEPLOG_CREATE | flags, t->seed, 0, 8000);
        in_child(t, 30, play_gone, &c, "a store that goes away, way %u at row %" PRIu64, how, c.at);
        shared_free(c.mine, sizeof *c.mine);
    }
    place_end(root);
}

/* ---- a clock that jumps ---- */

static test_random clock_random;
static pthread_mutex_t clock_lock = PTHREAD_MUTEX_INITIALIZER;

static int64_t jumping_time(void)
{
    static const int64_t odd[] = {INT64_MIN + 2, INT64_MAX, -1, 0, 1, INT64_MIN + 1, INT64_MIN};
    const int64_t year = 365ll * 86400 * 1000000000;
    pthread_mutex_lock(&clock_lock);
    uint64_t way = test_random_below(&clock_random, 8), index = test_random_below(&clock_random, 7);
    int64_t shift = (int64_t)test_random_below(&clock_random, 200) - 100;
    pthread_mutex_unlock(&clock_lock);
    /* No clock gives the last two, but a reader must not take them for what the format means by them. */
    return way == 0 ? odd[index % 5] : sl_os_posix.wall_time_ns() + shift * year;
}

static sl_os_table clock_table;

static void play_clock(void *context)
{
    play *p = context;
    clock_table = sl_os_posix;
    clock_table.wall_time_ns = jumping_time;
    clock_random = test_random_from(p->seed);
    sl_os = &clock_table;
    play_all(p);
    HOLDS(p->failures == 0, "%s", p->first.text);
    play_read_everything(p->path);
    play_check(p, p->path);
    sl_os = &sl_os_posix;
}

void test_clock(tally *t)
{
    const char *root = place_begin();
    for (uint32_t flags = 0; flags < 4; flags++) {
        play *p = shared_memory(sizeof *p);
        char name[32];
        snprintf(name, sizeof name, "store-%u", (unsigned)flags);
        play_init(p, place_path(root, name),
                  STEPLOG_CREATE | (flags & 1 ? STEPLOG_FORCE_PWRITE : 0u) | (flags & 2 ? STEPLOG_NO_THREAD : 0u),
                  t->seed, 0, 4000);
        in_child(t, 30, play_clock, p, "a clock that jumps");
        in_child(t, 30, check_play, p, "what was written while the clock jumped");
        shared_free(p, sizeof *p);
    }
    place_end(root);
}
