/* fuzz/mutate.h: LLVMFuzzerMutate() of fuzz.h, for programs without libFuzzer. */
#ifndef TESTS_FUZZ_MUTATE_H
#define TESTS_FUZZ_MUTATE_H

#include "support/random.h"

/* All mutations from here on follow from the seed. */
void fuzz_mutate_seed(uint64_t seed);

#endif
