/* forks/fork_os.c: an os table that forks before and after the calls that a test names, from the thread that makes the
 * call or from another one while that thread stands in it. */
#include "forks/forks.h"

#include "base/kill_point.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static atomic_int is_on;
static fork_mode mode;
static uint64_t stride, offset, seed;
static atomic_uint_fast64_t calls, visits;
static int is_at_points; /* kill points are visited, not calls */
static atomic_int calls_to_live; /* once a child has been forked; 0: nothing has begun */
static _Thread_local int is_forking;

/* ---- the functions ---- */

#define FUNCTIONS(X)                                                                                              \
    X(int, open_dir, (int dir, const char *name), (dir, name))                                                    \
    X(int, close, (int fd), (fd))                                                                                 \
    X(int64_t, pread, (int fd, void *buffer, size_t bytes, uint64_t at), (fd, buffer, bytes, at))                 \
    X(int64_t, pwrite, (int fd, const void *data, size_t bytes, uint64_t at), (fd, data, bytes, at))              \
    X(int, stat, (int fd, sl_os_stat *out), (fd, out))                                                            \
    X(int, stat_name, (int dir, const char *name, sl_os_stat *out), (dir, name, out))                             \
    X(int, allocate, (int fd, uint64_t bytes), (fd, bytes))                                                       \
    X(int, truncate, (int fd, uint64_t bytes), (fd, bytes))                                                       \
    X(int, touch, (int fd), (fd))                                                                                 \
    X(int, sync_data, (int fd), (fd))                                                                             \
    X(int, sync_all, (int fd), (fd))                                                                              \
    X(int, sync_file_system, (int fd), (fd))                                                                      \
    X(int, rename, (int dir, const char *from, int to_dir, const char *to), (dir, from, to_dir, to))              \
    X(int, unlink, (int dir, const char *name), (dir, name))                                                      \
    X(int, make_dir, (int dir, const char *name), (dir, name))                                                    \
    X(int, list, (int dir, sl_os_name_callback callback, void *context), (dir, callback, context))                \
    X(int, file_system, (int fd, sl_os_file_system *out), (fd, out))                                              \
    X(int, unmap, (void *address, uint64_t bytes), (address, bytes))                                              \
    X(int, sync_map, (void *address, uint64_t bytes), (address, bytes))                                           \
    X(int, wipe_on_fork_page, (void **out), (out))                                                                \
    X(int, lock, (int fd), (fd))                                                                                  \
    X(int, unlock, (int fd), (fd))                                                                                \
    X(sl_os_lock_state, probe, (int fd), (fd))                                                                    \
    X(int64_t, wall_time_ns, (void), ())                                                                          \
    X(int64_t, monotonic_time_ns, (void), ())                                                                     \
    X(int, random, (void *buffer, size_t bytes), (buffer, bytes))                                                 \
    X(int, host_name, (char *buffer, size_t bytes), (buffer, bytes))                                              \
    X(int, host_id, (uint8_t out[16]), (out))                                                                     \
    X(int, boot_id, (uint8_t out[16]), (out))                                                                     \
    X(int64_t, process_start_time_ns, (void), ())                                                                 \
    X(uint32_t, process_id, (void), ())

enum {
    FUNCTION_open,
    FUNCTION_open_to_write,
    FUNCTION_map,
#define NUMBER(type, name, parameters, arguments) FUNCTION_##name,
    FUNCTIONS(NUMBER)
#undef NUMBER
        FUNCTION_COUNT
};

/* ---- the other thread ---- */

static pthread_t helper;
static int has_helper;
static pthread_mutex_t order_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t order_changed = PTHREAD_COND_INITIALIZER;
static int is_ordered, must_end;
static ending ordered_way;
static char ordered_place[48];

static void *run_helper(void *context)
{
    is_forking = 1;
    pthread_mutex_lock(&order_lock);
    for (;;) {
        while (!is_ordered && !must_end) pthread_cond_wait(&order_changed, &order_lock);
        if (must_end) break;
        ending way = ordered_way;
        char place[48];
        memcpy(place, ordered_place, sizeof place);
        pthread_mutex_unlock(&order_lock);
        fork_child(way, place, -1);
        pthread_mutex_lock(&order_lock);
        is_ordered = 0;
        pthread_cond_broadcast(&order_changed);
    }
    pthread_mutex_unlock(&order_lock);
    return context;
}

/* Waits for the fork only so long: the call may be one that a fork waits for. */
static void fork_by_other_thread(ending way, const char *place)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&order_lock);
    if (!is_ordered) {
        ordered_way = way;
        snprintf(ordered_place, sizeof ordered_place, "%s", place);
        is_ordered = 1;
        pthread_cond_broadcast(&order_changed);
        while (is_ordered && pthread_cond_timedwait(&order_changed, &order_lock, &until) == 0) continue;
    }
    pthread_mutex_unlock(&order_lock);
}

/* ---- when ---- */

static void fork_as_told(ending way, const char *place, int exempt_fd)
{
    if (mode == FORK_BY_OTHER_THREAD) {
        fork_by_other_thread(way, place);
    } else {
        is_forking = 1;
        fork_child(way, place, exempt_fd);
        is_forking = 0;
    }
}

static void fork_lingering(const char *place, int exempt_fd)
{
    unsigned index = atomic_load(&all->child_count);
    is_forking = 1;
    fork_child(WAY_LINGER, place, exempt_fd);
    /* Until it runs it has what its parent has. */
    for (int i = 0; i < 50000 && atomic_load(&all->children[index].state) != CHILD_LINGERS; i++) usleep(100);
    is_forking = 0;
}

static void visit_or(int is_always, int function, const char *name, int is_after, int exempt_fd)
{
    if (is_forking || is_at_points || !atomic_load(&is_on)) return;
    if (!is_after) atomic_fetch_add(&calls, 1);
    if (atomic_load(&calls_to_live) && atomic_fetch_sub(&calls_to_live, 1) == 1) kill(getpid(), SIGKILL);
    if (mode == FORK_AT_OPEN_AND_DIE && function != FUNCTION_open_to_write) return;
    uint64_t number = atomic_fetch_add(&visits, 1);
    if (number % stride != offset && !is_always) return;
    char place[48];
    snprintf(place, sizeof place, "%s %s, number %llu", is_after ? "after" : "before", name,
             (unsigned long long)number);
    all->reached[function][is_after] = 1;
    ending way = random_way(seed * 1000003 + number, WAY_COUNT);
    if (mode == FORK_AND_DIE) {
        fork_lingering(place, exempt_fd);
        kill(getpid(), SIGKILL);
    } else if (mode == FORK_AT_OPEN_AND_DIE) {
        fork_lingering(place, exempt_fd);
        atomic_store(&calls_to_live, 12);
    } else {
        fork_as_told(way, place, exempt_fd);
    }
}

/* ---- the table ---- */

static void visit(int function, const char *name, int is_after, int exempt_fd)
{
    visit_or(0, function, name, is_after, exempt_fd);
}

#define WRAP(type, name, parameters, arguments)   \
    static type name##_hooked parameters          \
    {                                             \
        visit(FUNCTION_##name, #name, 0, -1);     \
        type given = sl_os_posix.name arguments;  \
        visit(FUNCTION_##name, #name, 1, -1);     \
        return given;                             \
    }
FUNCTIONS(WRAP)
#undef WRAP

/* What it made, its caller does not know yet: a child of this very thread, in the middle of it, has that. It is only
 * to hold no lock. */
static int open_hooked(int dir, const char *name, int open_mode)
{
    int function = open_mode & SL_OS_WRITE ? FUNCTION_open_to_write : FUNCTION_open;
    visit(function, "open", 0, -1);
    int fd = sl_os_posix.open(dir, name, open_mode);
    visit(function, "open", 1, mode == FORK_BY_OTHER_THREAD ? -1 : fd);
    return fd;
}

/* The real one, with a fork by another thread where that would leave the child with a mapping. */
static int map_hooked(int fd, uint64_t bytes, int is_writable, void **out)
{
    visit(FUNCTION_map, "map", 0, -1);
    int e;
    if (mode == FORK_BY_OTHER_THREAD) {
        void *at = mmap(NULL, bytes, is_writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
        e = at == MAP_FAILED ? -errno : 0;
        visit_or(1, FUNCTION_map, "map, in the middle", 1, -1);
        if (e == 0) madvise(at, bytes, MADV_DONTFORK);
        *out = e == 0 ? at : NULL;
    } else {
        e = sl_os_posix.map(fd, bytes, is_writable, out);
    }
    visit(FUNCTION_map, "map", 1, -1);
    return e;
}

static sl_os_table table;

/* ---- kill points ---- */

#ifdef SL_KILL_POINTS

/* Of the passes of each point two are forked at: one of the first four, and one of the first thousand. */
static void pass_point(size_t index)
{
    if (is_forking || !atomic_load(&is_on)) return;
    test_random random = test_random_from(seed * 1000003 + index);
    test_random_u64(&random);
    uint64_t early = test_random_below(&random, 4), late = test_random_below(&random, 1000);
    uint64_t pass = atomic_fetch_add(&all->passes[index], 1);
    atomic_fetch_add(&calls, 1);
    if (pass != early && pass != late) return;
    char place[48];
    snprintf(place, sizeof place, "at %s, pass %llu", sl_kill_point_name(index), (unsigned long long)pass);
    all->point_reached[index] = 1;
    fork_as_told(random_way(seed * 1000003 + index * 1009 + pass, WAY_COUNT), place, -1);
}

size_t hook_point_count(void) { return sl_kill_point_count(); }
const char *hook_point_name(size_t index) { return sl_kill_point_name(index); }
static void set_point_handler(void (*handler)(size_t index)) { sl_kill_point_handler = handler; }

#else

static void (*const pass_point)(size_t index);
size_t hook_point_count(void) { return 0; }
const char *hook_point_name(size_t index) { return index ? "" : ""; }
static void set_point_handler(void (*handler)(size_t index)) { (void)handler; }

#endif

static void leave_hook(void) { atomic_store(&is_on, 0); }

void hook_points_on(fork_mode new_mode, uint64_t new_seed)
{
    is_at_points = 1;
    hook_on(new_mode, 1, 0, new_seed);
    set_point_handler(pass_point);
}

void hook_on(fork_mode new_mode, uint64_t new_stride, uint64_t new_offset, uint64_t new_seed)
{
    mode = new_mode;
    stride = new_stride;
    offset = new_offset;
    seed = new_seed;
    table = sl_os_posix;
    table.open = open_hooked;
    table.map = map_hooked;
#define REPLACE(type, name, parameters, arguments) table.name = name##_hooked;
    FUNCTIONS(REPLACE)
#undef REPLACE
    sl_os = &table;
    on_child = leave_hook;
    is_ordered = must_end = 0;
    has_helper = mode == FORK_BY_OTHER_THREAD && pthread_create(&helper, NULL, run_helper, NULL) == 0;
    atomic_store(&is_on, 1);
}

void hook_off(void)
{
    atomic_store(&is_on, 0);
    atomic_store(&all->call_count, (unsigned)atomic_load(&calls));
    if (!has_helper) return;
    pthread_mutex_lock(&order_lock);
    while (is_ordered) pthread_cond_wait(&order_changed, &order_lock);
    must_end = 1;
    pthread_cond_broadcast(&order_changed);
    pthread_mutex_unlock(&order_lock);
    pthread_join(helper, NULL);
}

uint64_t hook_calls(void) { return atomic_load(&visits); }

unsigned hook_function_count(void) { return FUNCTION_COUNT; }
