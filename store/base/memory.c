/* base/memory.c: every allocation of the library goes through two function pointers, so that a test
 * can make any one of them fail. Products of counts are checked here, so callers pass counts that
 * came from disk without arithmetic of their own. */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

sl_memory sl_memory_functions = {.resize = realloc, .release = free};

void *sl_alloc(size_t bytes)
{
    return sl_memory_functions.resize(NULL, bytes ? bytes : 1);
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
    return sl_memory_functions.resize(old, all ? all : 1);
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
    if (old) sl_memory_functions.release(old);
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
