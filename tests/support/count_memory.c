/* support/count_memory.c: behind count_memory.h. */
#include "support/count_memory.h"

#include "base/memory.h"
#include "support/store_kit.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t used, peak;

static void *resize_counted(void *old, size_t bytes)
{
    pthread_mutex_lock(&lock);
    if (old) used -= malloc_usable_size(old);
    void *fresh = realloc(old, bytes);
    HOLDS(fresh != NULL, "%zu bytes", bytes);
    used += malloc_usable_size(fresh);
    if (used > peak) peak = used;
    pthread_mutex_unlock(&lock);
    return fresh;
}

static void release_counted(void *old)
{
    pthread_mutex_lock(&lock);
    used -= malloc_usable_size(old);
    pthread_mutex_unlock(&lock);
    free(old);
}

void test_count_begin(void)
{
    used = peak = 0;
    sl_memory_functions = (sl_memory){.resize = resize_counted, .release = release_counted};
}

size_t test_count_peak(void)
{
    pthread_mutex_lock(&lock);
    size_t most = peak;
    peak = used;
    pthread_mutex_unlock(&lock);
    return most;
}

size_t test_count_end(void)
{
    sl_memory_functions = (sl_memory){.resize = realloc, .release = free};
    return used;
}
