/* damage/attacks.h: what is done to the store. */
#ifndef TESTS_DAMAGE_ATTACKS_H
#define TESTS_DAMAGE_ATTACKS_H

#include "damage/judge.h"

typedef struct attack_options {
    uint64_t seed;   /* which of the others a sample takes */
    int is_long;     /* everything, not a sample */
    uint64_t part, part_count; /* of the cases, only number part, part + part_count, ... */
    const char *only_case; /* NULL: all */
} attack_options;

typedef struct attack_test {
    const char *name, *what;
    void (*run)(judge *j, const attack_options *options);
} attack_test;

/* In starve.c. */
void attack_starved(judge *j, const attack_options *options);

extern const attack_test attack_tests[];
extern const size_t attack_test_count;

#endif
