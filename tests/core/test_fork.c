/* A fork while the store's thread is at work. */
#include "steplog.h"

#include "base/memory.h"
#include "support/counts.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
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
