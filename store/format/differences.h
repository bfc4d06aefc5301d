/* format/differences.h: values from their differences of order 1 to 3, wrapping. */
#ifndef SL_FORMAT_DIFFERENCES_H
#define SL_FORMAT_DIFFERENCES_H

#include <stddef.h>
#include <stdint.h>

/* Makes values, up to 1024, of their differences of an order of 1 to 3, below count. The first value, its first
 * difference and its second are heads[0 .. order); the places before index order are not read. */
void sl_differences_undo(uint64_t *values, size_t count, unsigned order, const uint64_t *heads);

/* values[i] = first + i * step */
void sl_affine_fill(uint64_t *values, size_t count, uint64_t first, uint64_t step);

#endif
