/* format/fraction.h: of what fractions do values look to be whole numbers? */
#ifndef SL_FORMAT_FRACTION_H
#define SL_FORMAT_FRACTION_H

#include <stddef.h>

/* Divisors are whole numbers from 1 to 2^51, so that they are exact as doubles. */
#define SL_DIVISOR_MAX 2251799813685248.0
/* How many steps between neighbouring doubles a value may be away from its fraction. */
#define SL_FRACTION_REST_MAX 512

/* Finds a divisor of which most values are multiples m / divisor, up to the rounding of a few additions: sums and means
 * of what was printed, shares of what was counted. Looks at up to 32 values. Returns 1, or 0 when they look like none.
 * Cost: some 50 ns for values that are none, 2 us for others. */
int sl_find_divisor(const double *values, size_t count, double *divisor);

#endif
