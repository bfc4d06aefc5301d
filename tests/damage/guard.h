/* damage/guard.h: how much memory the library takes, and a clock that ends a case that does not end. */
#ifndef TESTS_DAMAGE_GUARD_H
#define TESTS_DAMAGE_GUARD_H

#include <stddef.h>

/* Counts what the library allocates from now on. Before any store is open. */
void guard_begin(void);
/* The most that was held at once since guard_reset(), and what is held now. */
size_t guard_peak_bytes(void);
size_t guard_held_bytes(void);
void guard_reset(void);
/* The allocation with this number from now on fails; 0: none. */
void guard_fail(size_t number);
int guard_has_failed(void);

/* The process ends, with these words on stderr, when this is not called again within 60 seconds. NULL: it may rest. */
void guard_watch(const char *words);

#endif
