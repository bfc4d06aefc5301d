/* support/fail_memory.h: allocations that fail when a test says so. */
#ifndef TESTS_SUPPORT_FAIL_MEMORY_H
#define TESTS_SUPPORT_FAIL_MEMORY_H

#include <stdint.h>

/* From now on the library's allocation number at (1 is the next one) fails, and with is_sticky all
 * after it. 0 lets all pass but counts. For tests with one thread, while no store is open. */
void test_memory_fail(uint64_t at, int is_sticky);

/* Allocations asked for since test_memory_fail(). */
uint64_t test_memory_count(void);

/* Back to the real functions. */
void test_memory_restore(void);

#endif
