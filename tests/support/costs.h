/* support/costs.h: what calls of the library cost: memory, counted through its allocator, and bytes read, counted through
 * its os table. */
#ifndef TESTS_SUPPORT_COSTS_H
#define TESTS_SUPPORT_COSTS_H

#include <stddef.h>
#include <stdint.h>

/* From now on. While no store is open, but for reads. */
void test_costs_begin(void);
/* The most memory that was held at once since the last call, or since the beginning. */
size_t test_costs_peak(void);
/* What is held now. */
size_t test_costs_held(void);
/* Bytes read since the last call, or since the beginning. */
uint64_t test_costs_read(void);
void test_costs_end(void);

#endif
