/* support/random.h: random input that can be had again: the seed is printed, and $STEPLOG_TEST_SEED sets it. */
#ifndef TESTS_SUPPORT_RANDOM_H
#define TESTS_SUPPORT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct test_random {
    uint64_t state;
} test_random;

/* Starts a generator from $STEPLOG_TEST_SEED, or else from a new seed, and prints which to stderr. */
test_random test_random_begin(const char *test_name);

/* Starts a generator from a given seed, without a word. */
test_random test_random_from(uint64_t seed);

uint64_t test_random_u64(test_random *random);
/* In [0, limit); limit > 0. */
uint64_t test_random_below(test_random *random, uint64_t limit);
/* In [0, 1). */
double test_random_unit(test_random *random);
/* Any bit pattern, the strange ones often: NaN payloads, infinities, -0.0, subnormals, integers. */
double test_random_double(test_random *random);
void test_random_fill(test_random *random, void *buffer, size_t bytes);

#endif
