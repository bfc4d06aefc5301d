/* support/count_memory.h: how much memory the library has at once. */
#ifndef TESTS_SUPPORT_COUNT_MEMORY_H
#define TESTS_SUPPORT_COUNT_MEMORY_H

#include <stddef.h>

/* Counts from now on, from nothing. While no store is open. */
void test_count_begin(void);
/* The most there was since the last call. */
size_t test_count_peak(void);
/* Back to the real functions; gives what is still there. While no store is open. */
size_t test_count_end(void);

#endif
