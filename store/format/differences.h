/* format/differences.h: values from their differences of order 1 to 3, wrapping. */
#ifndef SL_FORMAT_DIFFERENCES_H
#define SL_FORMAT_DIFFERENCES_H

#include <stddef.h>
#include <stdint.h>

/* So many places before the differences must be there to be written. */
#define SL_DIFFERENCES_BEFORE 8u

/* Fills values from differences of an order of 1 to 3, below count: the first value, its first difference and its
 * second are heads[0 .. order); the differences from index order on are what is read. Overwrites them, and
 * SL_DIFFERENCES_BEFORE places before them. values must be elsewhere. */
void sl_differences_undo(uint64_t *differences, size_t count, unsigned order, const uint64_t *heads, uint64_t *values);

/* values[i] = first + i * step */
void sl_affine_fill(uint64_t *values, size_t count, uint64_t first, uint64_t step);

#endif
