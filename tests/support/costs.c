/* support/costs.c: each piece of memory has its size in front of it. */
#include "support/costs.h"

#include "base/memory.h"
#include "os/os.h"

#include <pthread.h>
#include <stdlib.h>

enum { HEAD_BYTES = 16 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t held, peak;
static uint64_t read_bytes;
static sl_memory memory_before;
static const sl_os_table *os_before;
static sl_os_table counting;

static void *resize(void *old, size_t bytes)
{
    uint8_t *begin = old ? (uint8_t *)old - HEAD_BYTES : NULL;
    size_t before = begin ? *(size_t *)(void *)begin : 0;
    begin = realloc(begin, bytes + HEAD_BYTES);
    if (!begin) abort();
    *(size_t *)(void *)begin = bytes;
    pthread_mutex_lock(&lock);
    held += bytes - before;
    if (held > peak) peak = held;
    pthread_mutex_unlock(&lock);
    return begin + HEAD_BYTES;
}

static void release(void *old)
{
    uint8_t *begin = (uint8_t *)old - HEAD_BYTES;
    pthread_mutex_lock(&lock);
    held -= *(size_t *)(void *)begin;
    pthread_mutex_unlock(&lock);
    free(begin);
}

static int64_t read_counted(int fd, void *buffer, size_t bytes, uint64_t offset)
{
    int64_t got = os_before->pread(fd, buffer, bytes, offset);
    if (got > 0) __atomic_fetch_add(&read_bytes, (uint64_t)got, __ATOMIC_RELAXED);
    return got;
}

void test_costs_begin(void)
{
    held = peak = 0;
    read_bytes = 0;
    memory_before = sl_memory_functions;
    sl_memory_functions = (sl_memory){.resize = resize, .release = release};
    os_before = sl_os;
    counting = *sl_os;
    counting.pread = read_counted;
    sl_os = &counting;
}

size_t test_costs_peak(void)
{
    size_t result = peak;
    peak = held;
    return result;
}

size_t test_costs_held(void) { return held; }

uint64_t test_costs_read(void)
{
    uint64_t result = read_bytes;
    read_bytes = 0;
    return result;
}

void test_costs_end(void)
{
    sl_memory_functions = memory_before;
    sl_os = os_before;
}
