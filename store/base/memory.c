/* base/memory.c: every allocation of the library goes through two function pointers, so that a test
 * can make any one of them fail. Products of counts are checked here, so callers pass counts that
 * came from disk without arithmetic of their own. */
#include "base/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

sl_memory sl_memory_functions = {.resize = realloc, .release = free};

static pthread_mutex_t fork_lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local int is_own_thread;

void sl_memory_is_own_thread(void) { is_own_thread = 1; }

void sl_memory_enter(void)
{
    if (is_own_thread) pthread_mutex_lock(&fork_lock);
}

void sl_memory_leave(void)
{
    if (is_own_thread) pthread_mutex_unlock(&fork_lock);
}

void sl_memory_before_fork(void) { pthread_mutex_lock(&fork_lock); }

void sl_memory_after_fork(void) { pthread_mutex_unlock(&fork_lock); }

void sl_memory_forget_fork(void) { pthread_mutex_init(&fork_lock, NULL); }

static void *resize(void *old, size_t bytes)
{
    sl_memory_enter();
    void *memory = sl_memory_functions.resize(old, bytes);
    sl_memory_leave();
    return memory;
}

void *sl_alloc(size_t bytes)
{
    return resize(NULL, bytes ? bytes : 1);
}

/* count times bytes, or 0 and *product untouched when that does not fit. */
static int multiply(size_t count, size_t bytes, size_t *product)
{
    return !__builtin_mul_overflow(count, bytes, product) && *product <= PTRDIFF_MAX;
}

void *sl_alloc_zero(size_t count, size_t bytes)
{
    size_t all;
    if (!multiply(count, bytes, &all)) return NULL;
    void *memory = sl_alloc(all);
    if (memory) memset(memory, 0, all);
    return memory;
}

void *sl_resize(void *old, size_t count, size_t bytes)
{
    size_t all;
    if (!multiply(count, bytes, &all)) return NULL;
    return resize(old, all ? all : 1);
}

char *sl_copy_text(const char *text)
{
    return text ? sl_copy_bytes(text, strlen(text)) : NULL;
}

void *sl_copy_bytes(const void *data, size_t bytes)
{
    if (bytes >= PTRDIFF_MAX) return NULL;
    char *copy = sl_alloc(bytes + 1);
    if (!copy) return NULL;
    if (bytes) memcpy(copy, data, bytes);
    copy[bytes] = '\0';
    return copy;
}

void sl_free(void *old)
{
    if (!old) return;
    sl_memory_enter();
    sl_memory_functions.release(old);
    sl_memory_leave();
}

int sl_vec_reserve(void **items, size_t *capacity, size_t wanted, size_t item_bytes)
{
    if (wanted <= *capacity) return 1;
    /* Half as much again: amortised, and the freed pieces can be used for later growth. */
    size_t grown = *capacity + *capacity / 2;
    if (grown < wanted) grown = wanted;
    if (grown < 8) grown = 8;
    /* The caller's pointer is a T *, not a void *: it is moved as bytes to keep to the aliasing rules. */
    void *old;
    memcpy(&old, items, sizeof old);
    void *fresh = sl_resize(old, grown, item_bytes);
    if (!fresh) return 0;
    memcpy(items, &fresh, sizeof fresh);
    *capacity = grown;
    return 1;
}
