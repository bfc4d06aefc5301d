/* A fork while the store's thread, or another one, is at work. */
#include "steplog.h"

#include "base/memory.h"
#include "os/os.h"
#include "support/counts.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_t test_thread;
static atomic_int inside, times_inside;

static void begin_slow(void)
{
    if (pthread_equal(pthread_self(), test_thread)) return;
    atomic_fetch_add(&times_inside, 1);
    atomic_fetch_add(&inside, 1);
    usleep(1000);
}

static void end_slow(void)
{
    if (!pthread_equal(pthread_self(), test_thread)) atomic_fetch_sub(&inside, 1);
}

static void *resize_slowly(void *old, size_t bytes)
{
    begin_slow();
    void *memory = realloc(old, bytes);
    end_slow();
    return memory;
}

static void release_slowly(void *old)
{
    begin_slow();
    free(old);
    end_slow();
}

/* An allocator that knows nothing of forks would leave its locks taken in the child for ever. */
Test(fork, no_child_is_born_while_the_stores_thread_is_inside_the_allocator)
{
    enum { FORKS = 20, ROWS = 2000 };
    test_thread = pthread_self();
    sl_memory_functions = (sl_memory){.resize = resize_slowly, .release = release_slowly};
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_schema schema = kit_schema(writer, "m", 4);
    int64_t step = 0;
    for (int i = 0; i < FORKS; i++) {
        double values[4] = {i, 1, 2, 3};
        for (int row = 0; row < ROWS; row++) OK(steplog_writer_append(writer, schema, step++, STEPLOG_TIME_NONE, values));
        for (int wait = 0; wait < 1000 && atomic_load(&inside) == 0; wait++) usleep(100);
        pid_t child = fork();
        cr_assert(child >= 0);
        if (child == 0) {
            test_leave_counts();
            _exit(atomic_load(&inside));
        }
        int status;
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child %d: %d inside the allocator", i,
                  WEXITSTATUS(status));
    }
    cr_assert(atomic_load(&times_inside) > FORKS, "the store's thread allocated only %d times", atomic_load(&times_inside));
    kit_writer_close(writer);
    kit_store_close(store);
    sl_memory_functions = (sl_memory){.resize = realloc, .release = free};
}

/* ---- in a signal handler ---- */

static _Thread_local int must_raise;
static int forks_in_handler;

/* In place of the C library's, which it calls: a signal comes while the library wakes its thread. */
int pthread_cond_signal(pthread_cond_t *condition)
{
    static int (*next)(pthread_cond_t *);
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "pthread_cond_signal");
    if (must_raise) raise(SIGUSR1);
    return next(condition);
}

static void fork_in_handler(int number)
{
    (void)number;
    pid_t child = fork();
    if (child == 0) _exit(0);
    int status;
    if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status)) forks_in_handler++;
}

/* Appends until full logs have woken the store's thread. */
Test(fork, in_a_handler_finds_no_lock_taken_by_the_thread_that_it_interrupts, .timeout = 60)
{
    enum { ROWS = 4000 };
    signal(SIGUSR1, fork_in_handler);
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_schema schema = kit_schema(writer, "m", 8);
    must_raise = 1;
    for (int64_t step = 0; step < ROWS; step++) {
        double values[8] = {1, 2, 3, 4, 5, 6, 7, (double)step};
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
    }
    kit_writer_close(writer);
    kit_store_close(store);
    must_raise = 0;
    cr_assert(forks_in_handler >= 2, "%d forks", forks_in_handler);
}

/* ---- without fork handlers ---- */

#if __GLIBC_PREREQ(2, 34)

static _Thread_local int must_stop_here; /* at the next call that lists or syncs */
static atomic_int has_stopped, may_go_on;

static void stop_here(void)
{
    if (!must_stop_here) return;
    atomic_store(&has_stopped, 1);
    while (!atomic_load(&may_go_on)) usleep(1000);
}

static int list_slowly(int dir, sl_os_name_callback callback, void *context)
{
    stop_here();
    return sl_os_posix.list(dir, callback, context);
}

static int sync_slowly(int fd)
{
    stop_here();
    return sl_os_posix.sync_data(fd);
}

typedef struct scene {
    const char *path;
    steplog_store *store;
    steplog_writer *writer, *other; /* other: a thread closes it */
    steplog_reader *reader;
    steplog_id run;
} scene;

static void set_fact(scene *s)
{
    steplog_pair fact = {"tag.a", "b"};
    OK(steplog_run_set_facts(s->store, &s->run, &fact, 1, &kit_error));
}

static void compact(scene *s) { OK(steplog_store_compact(s->store, NULL, NULL, &kit_error)); }
static void close_other(scene *s) { kit_writer_close(s->other); }
static void close_writer(scene *s) { kit_writer_close(s->writer); }
static void open_writer(scene *s) { kit_writer_close(kit_writer(s->store, "run", 1, 0)); }
static void append(scene *s) { kit_log(s->writer, "m", 2, 2); }
static void rewind_run(scene *s) { OK(steplog_run_rewind(s->store, &s->run, 100, NULL, &kit_error)); }
static void tick(scene *s) { OK(steplog_store_tick(s->store, 1000, &kit_error)); }
static void open_reader(scene *s) { steplog_reader_close(kit_reader(s->store)); }
static void close_reader(scene *s) { steplog_reader_close(s->reader); }
static void open_store(scene *s) { kit_store_close(kit_store(s->path, STEPLOG_NO_THREAD, 65536)); }

static void close_all(scene *s)
{
    steplog_reader_close(s->reader);
    kit_writer_close(s->writer);
    kit_writer_close(s->other);
    kit_store_close(s->store);
}

typedef void (*act)(scene *);

static scene here;

static void *hold(void *context)
{
    must_stop_here = 1;
    (*(act *)context)(&here);
    return NULL;
}

/* What a thread of the parent holds, which the child does not have. */
static void expect_no_wait_for(act holding)
{
    static const act acts[] = {set_fact,   compact,     close_writer, open_writer, append,   rewind_run,
                               tick,       open_reader, close_reader, open_store,  close_all};
    sl_os_table table = sl_os_posix;
    table.list = list_slowly;
    table.sync_data = sync_slowly;
    sl_os = &table;
    here.path = test_path(test_temp_dir(), "store");
    here.store = kit_store(here.path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    here.writer = kit_writer(here.store, "run", 0, 0);
    here.other = kit_writer(here.store, "run", 0, 0);
    here.run = kit_run_of(here.writer);
    kit_log(here.writer, "m", 1, 1);
    kit_log(here.other, "m", 1, 1);
    here.reader = kit_reader(here.store);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, hold, &holding), 0);
    while (!atomic_load(&has_stopped)) usleep(1000);
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        pid_t child = _Fork();
        cr_assert(child >= 0);
        if (child == 0) {
            alarm(20); /* whoever waits for a lock waits for ever */
            acts[i](&here);
            test_leave_counts();
            _exit(0);
        }
        int status;
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "act %d ended with %#x", (int)i, (unsigned)status);
    }
    atomic_store(&may_go_on, 1);
    pthread_join(thread, NULL);
    if (holding == close_other) here.other = NULL;
    close_all(&here);
    sl_os = &sl_os_posix;
}

Test(fork, without_handlers_waits_for_no_thread_that_records_a_fact) { expect_no_wait_for(set_fact); }
Test(fork, without_handlers_waits_for_no_thread_that_closes_a_writer) { expect_no_wait_for(close_other); }
Test(fork, without_handlers_waits_for_no_thread_that_compacts) { expect_no_wait_for(compact); }

#endif

/* The parent's log stays as it is; what the child recorded is another writer's, which ends with the child's close. */
Test(fork, a_child_closes_what_it_recorded_itself)
{
    steplog_store *store = kit_store(test_path(test_temp_dir(), "store"), STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    for (int appends = 0; appends < 2; appends++) {
        steplog_writer *writer = kit_writer(store, appends ? "both" : "parent", 0, 1);
        steplog_schema schema = kit_schema(writer, "m", 1);
        double value = 1;
        OK(steplog_writer_append(writer, schema, 1, STEPLOG_TIME_NONE, &value));
        pid_t child = fork();
        cr_assert(child >= 0);
        if (child == 0) {
            int is_good = !appends || steplog_writer_append(writer, schema, 2, STEPLOG_TIME_NONE, &value) == STEPLOG_OK;
            is_good = steplog_writer_close(writer, 5, NULL) == STEPLOG_OK && is_good;
            test_leave_counts();
            _exit(!is_good);
        }
        int status;
        cr_assert(waitpid(child, &status, 0) == child && status == 0);
        steplog_writer_stats stats = {.size_bytes = sizeof stats};
        steplog_writer_get_stats(writer, &stats);
        steplog_reader *reader;
        OK(steplog_reader_open(store, &reader, NULL));
        size_t count = steplog_reader_writer_count(reader, &stats.run);
        cr_assert_eq(count, appends ? 2 : 1);
        for (size_t i = 0; i < count; i++) {
            steplog_writer_info info = {.size_bytes = sizeof info};
            OK(steplog_reader_writer(reader, &stats.run, i, &info, NULL));
            int is_parents = memcmp(&info.incarnation, &stats.incarnation, sizeof info.incarnation) == 0;
            cr_assert_eq(info.liveness, is_parents ? STEPLOG_LIVENESS_ALIVE : STEPLOG_LIVENESS_ENDED);
            if (!is_parents) cr_assert_eq(info.exit_code, 5);
        }
        steplog_reader_close(reader);
        OK(steplog_writer_close(writer, 0, NULL));
    }
    OK(steplog_store_close(store, NULL));
}
