/* support/fail_memory.c: allocations that fail when a test says so. */
#include "support/fail_memory.h"

#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>

static atomic_uint_fast64_t count;
static uint64_t fail_at;
static int fail_sticky;

static void *resize_or_fail(void *old, size_t bytes)
{
    uint64_t number = atomic_fetch_add(&count, 1) + 1;
    if (fail_at && (number == fail_at || (fail_sticky && number > fail_at))) return NULL;
    return realloc(old, bytes);
}

void test_memory_fail(uint64_t at, int is_sticky)
{
    fail_at = at;
    fail_sticky = is_sticky;
    atomic_store(&count, 0);
    sl_memory_functions.resize = resize_or_fail;
}

uint64_t test_memory_count(void)
{
    return atomic_load(&count);
}

void test_memory_restore(void)
{
    sl_memory_functions.resize = realloc;
}
