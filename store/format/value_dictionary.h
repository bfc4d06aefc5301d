/* format/value_dictionary.h: the different values of a block, and which each value is. */
#ifndef SL_FORMAT_VALUE_DICTIONARY_H
#define SL_FORMAT_VALUE_DICTIONARY_H

#include <stddef.h>
#include <stdint.h>

#define SL_DICTIONARY_VALUES_MAX 512u

/* How many of 64 values, evenly spaced (of all when there are fewer), are the same as another one: whether a dictionary
 * is worth making. Gives up when there is none among the first patience. Values are told apart by their bits.
 * *sampled: how many were looked at. Cost: 2 ns each. */
size_t sl_count_same(const double *values, size_t count, size_t patience, size_t *sampled);

/* Finds the different ones of up to 1024 values, in ascending order of sign and magnitude, and for each value its index
 * among them. Returns how many, or 0 when there are more than most (at most SL_DICTIONARY_VALUES_MAX). Cost: 10 us. */
size_t sl_make_dictionary(const double *values, size_t count, size_t most, double *dictionary, uint64_t *indexes);

#endif
