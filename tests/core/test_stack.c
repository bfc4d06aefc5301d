/* How much stack sealing and compacting take: the store's own thread has it wherever threads begin with little, and the
 * host's threads need no more than store.h says. */
#include "steplog.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define COLUMNS 4
#define STACK_BYTES ((size_t)4 << 20)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SAID_BYTES ((size_t)1 << 20) /* sanitizers take room around all that is on the stack */
#else
#define SAID_BYTES ((size_t)256 << 10)
#endif

/* Of each view of values, one in another. */
static void append(steplog_writer *writer, size_t rows)
{
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    for (size_t row = 0; row < rows; row++) {
        const uint64_t random = row * 0x9e3779b97f4a7c15u >> 20;
        const double values[COLUMNS] = {(double)(random % 50) * 0.7318273645,
                                        (double)(random % 40) / 13 + (double)(random / 40 % 3) * 1e-15,
                                        (double)(random % 30000) / 7, (double)random};
        OK(steplog_writer_append(writer, schema, (int64_t)row, STEPLOG_TIME_NONE, values));
    }
}

Test(stack, of_the_own_thread_suffices_where_threads_begin_with_little, .timeout = 60)
{
    const char *path = test_temp_dir();
    pthread_attr_t little;
    pthread_attr_init(&little);
    pthread_attr_setstacksize(&little, (size_t)128 << 10); /* as of musl */
    cr_assert_eq(pthread_setattr_default_np(&little), 0);
    steplog_store *store = kit_store(path, STEPLOG_CREATE, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    append(writer, 20000);
    const time_t begin = time(NULL);
    while (kit_segment_count(path) == 0 && time(NULL) - begin < 50)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    cr_assert_gt(kit_segment_count(path), 0);
    kit_writer_close(writer);
    kit_store_close(store);
    pthread_attr_destroy(&little);
}

/* ---- what calls take ---- */

static uint8_t *stack;
static const char *path;
static steplog_store *store;
static steplog_writer *writer;

static void *write_and_seal(void *context)
{
    (void)context;
    for (int i = 0; i < 2; i++) {
        store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
        writer = kit_writer(store, "run", 0, 1);
        append(writer, 3000);
        kit_writer_close(writer);
        kit_store_close(store);
    }
    return NULL;
}

static void *compact(void *context)
{
    steplog_compact_options options = {.size_bytes = sizeof options, .flags = STEPLOG_COMPACT_NOW};
    steplog_compact_result result = {.size_bytes = sizeof result};
    (void)context;
    store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    OK(steplog_store_compact(store, &options, &result, &kit_error));
    kit_store_close(store);
    kit_verify(path);
    return NULL;
}

/* Stacks grow downward: what is no longer as it was painted was used. */
static size_t stack_bytes_of(void *(*work)(void *context))
{
    pthread_attr_t attributes;
    pthread_t thread;
    size_t untouched = 0;
    memset(stack, 0xa5, STACK_BYTES);
    pthread_attr_init(&attributes);
    cr_assert_eq(pthread_attr_setstack(&attributes, stack, STACK_BYTES), 0);
    cr_assert_eq(pthread_create(&thread, &attributes, work, NULL), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    while (untouched < STACK_BYTES && stack[untouched] == 0xa5) untouched++;
    return STACK_BYTES - untouched;
}

Test(stack, of_a_host_thread_is_taken_as_much_as_store_h_says, .timeout = 60)
{
    stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(stack, MAP_FAILED);
    path = test_temp_dir();
    const size_t seal = stack_bytes_of(write_and_seal), compaction = stack_bytes_of(compact);
    printf("stack: sealing %zu bytes, compaction %zu\n", seal, compaction);
    cr_assert_leq(seal, SAID_BYTES);
    cr_assert_leq(compaction, SAID_BYTES);
    munmap(stack, STACK_BYTES);
}
