/* support/random.c: a small seeded generator: a counter put through two multiply-xorshift rounds. Not
 * the C library's, whose sequence differs from one system to the next. */
#include "support/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

test_random test_random_from(uint64_t seed)
{
    return (test_random){.state = seed};
}

test_random test_random_begin(const char *test_name)
{
    const char *given = getenv("STEPLOG_TEST_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = (uint64_t)now.tv_sec * 1000003u ^ (uint64_t)now.tv_nsec ^ (uint64_t)getpid() << 40;
    seed &= INT64_MAX;
    if (given && *given) seed = strtoull(given, NULL, 0);
    fprintf(stderr, "%s: STEPLOG_TEST_SEED=%" PRIu64 "\n", test_name, seed);
    return test_random_from(seed);
}

uint64_t test_random_u64(test_random *random)
{
    uint64_t x = random->state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ x >> 29) * UINT64_C(0xa0761d6478bd642f);
    return x ^ x >> 32;
}

uint64_t test_random_below(test_random *random, uint64_t limit)
{
    return test_random_u64(random) % limit;
}

double test_random_unit(test_random *random)
{
    return (double)(test_random_u64(random) >> 11) * 0x1p-53;
}

double test_random_double(test_random *random)
{
    static const uint64_t strange[] = {
        0x0000000000000000, 0x8000000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000,
        0xfff8000000000001, 0x7ff0000000000001, 0x7fffffffffffffff, 0x0000000000000001, 0x800fffffffffffff,
        0x0010000000000000, 0x7fefffffffffffff, 0x3ff0000000000000, 0x4340000000000000, 0xc3e0000000000000,
    };
    uint64_t bits = test_random_u64(random);
    switch (test_random_below(random, 4)) {
    case 0: bits = strange[bits % (sizeof strange / sizeof strange[0])]; break;
    case 1: return (double)(int64_t)(bits >> (1 + bits % 62)) * (bits & 1 ? 1 : -1);
    case 2: return (double)(float)(test_random_unit(random) * 10 - 5);
    default: break;
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void test_random_fill(test_random *random, void *buffer, size_t bytes)
{
    unsigned char *at = buffer;
    for (; bytes >= 8; bytes -= 8, at += 8) {
        uint64_t word = test_random_u64(random);
        memcpy(at, &word, 8);
    }
    uint64_t word = test_random_u64(random);
    memcpy(at, &word, bytes);
}
