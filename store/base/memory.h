/* base/memory.h: every allocation of the library, behind functions that tests can make fail. */
#ifndef SL_BASE_MEMORY_H
#define SL_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* What all allocations go through; tests put their own here before any store is open. */
typedef struct sl_memory {
    void *(*resize)(void *old, size_t bytes); /* as realloc(); bytes > 0 */
    void (*release)(void *old);               /* as free() */
} sl_memory;
extern sl_memory sl_memory_functions;

void *sl_alloc(size_t bytes);                       /* not zeroed; NULL when out of memory; 0 bytes gives one */
void *sl_alloc_zero(size_t count, size_t bytes);    /* zeroed; checks the product */
void *sl_resize(void *old, size_t count, size_t bytes); /* count elements; old stays on failure (NULL) */
char *sl_copy_text(const char *text);               /* NULL gives NULL */
void *sl_copy_bytes(const void *data, size_t bytes); /* with a zero byte behind it */
void sl_free(void *old);                            /* NULL is a no-op */

/* Around what else allocates (a directory's stream). For sl_memory_is_own_thread() threads; others pass freely. */
void sl_memory_enter(void);
void sl_memory_leave(void);

/* The caller is a thread that the library made. Allocators exist that know nothing of forks: a child born while this
 * thread is inside one would find its locks taken for ever. So a fork waits until it is outside. */
void sl_memory_is_own_thread(void);
/* Around fork(), and whatever else no fork may meet half done; any thread. */
void sl_memory_before_fork(void);
void sl_memory_after_fork(void);
/* In a child whose parent took no lock. */
void sl_memory_forget_fork(void);

/* A growing array: struct { T *items; size_t count, capacity; }. SL_VEC_PUSH is 1 when it
 * fitted, 0 when out of memory (nothing changed). */
#define SL_VEC(T)                \
    struct {                     \
        T *items;                \
        size_t count, capacity;  \
    }
int sl_vec_reserve(void **items, size_t *capacity, size_t wanted, size_t item_bytes);
#define SL_VEC_RESERVE(vec, wanted) \
    sl_vec_reserve((void **)&(vec)->items, &(vec)->capacity, (wanted), sizeof *(vec)->items)
#define SL_VEC_PUSH(vec, ...) \
    (SL_VEC_RESERVE((vec), (vec)->count + 1) ? ((vec)->items[(vec)->count++] = (__VA_ARGS__), 1) : 0)
#define SL_VEC_FREE(vec) (sl_free((vec)->items), (vec)->items = NULL, (vec)->count = (vec)->capacity = 0)

#endif
