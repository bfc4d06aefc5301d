/* fuzz/mutate.c: mutations for replay.c, where there is no libFuzzer to make them. */
#include "fuzz/mutate.h"

#include "fuzz/fuzz.h"

#include <string.h>

static test_random mutations;

void fuzz_mutate_seed(uint64_t seed) { mutations = test_random_from(seed); }

static size_t below(size_t limit) { return (size_t)test_random_below(&mutations, limit); }

/* A number that codecs find hard: around a power of two, or any. */
static uint64_t hard_number(void)
{
    uint64_t power = (uint64_t)1 << below(64);
    switch (below(4)) {
    case 0: return power - 1;
    case 1: return 0 - power;
    case 2: return power + below(3);
    default: return test_random_u64(&mutations);
    }
}

static size_t mutate_once(uint8_t *data, size_t bytes, size_t bytes_max)
{
    if (bytes == 0) {
        if (bytes_max == 0) return 0;
        data[0] = (uint8_t)below(256);
        return 1;
    }
    size_t at = below(bytes), length = 1 + below(bytes - at < 32 ? bytes - at : 32), width = (size_t)1 << below(4);
    uint64_t number = hard_number();
    switch (below(8)) {
    case 0: data[at] ^= (uint8_t)(1u << below(8)); break;
    case 1: data[at] = (uint8_t)below(256); break;
    case 2: data[at] = (uint8_t)(data[at] + 35 - below(71)); break;
    case 3:
        if (width <= bytes - at) memcpy(data + at, &number, width);
        break;
    case 4: /* takes out */ memmove(data + at, data + at + length, bytes - at - length); return bytes - length;
    case 5: /* puts in what stands elsewhere */
        if (bytes + length > bytes_max) break;
        memmove(data + at + length, data + at, bytes - at);
        memmove(data + at, data + below(bytes - length + 1), length);
        return bytes + length;
    case 6: memmove(data + at, data + below(bytes - length + 1), length); break;
    default: memset(data + at, below(2) ? 0 : (int)below(256), length); break;
    }
    return bytes;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t bytes_max)
{
    for (size_t left = 1 + below(4); left > 0; left--) bytes = mutate_once(data, bytes, bytes_max);
    return bytes;
}
