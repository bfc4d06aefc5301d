/* format/checksum.c: which way long data is hashed, chosen once by what the processor has; the seed of tables in
 * memory, drawn once. */
#include "format/checksum.h"

#include "format/checksum_avx2.h"
#include "os/os_machine.h"

#include <stdatomic.h>

uint64_t sl_hash_seed(void)
{
    static _Atomic uint64_t seed; /* 0: not drawn yet */
    uint64_t known = atomic_load_explicit(&seed, memory_order_relaxed), drawn;
    if (known) return known;
    /* Not through the os table: what a simulated machine draws must not depend on what ran before in this process. */
    if (sl_machine_random(&drawn, sizeof drawn) != 0)
        drawn = (uint64_t)sl_machine_monotonic_time_ns() ^ (uint64_t)(uintptr_t)&drawn;
    drawn |= 1;
    return atomic_compare_exchange_strong(&seed, &known, drawn) ? drawn : known;
}

#if SL_HAS_HASH_AVX2

typedef uint64_t (*hash_function)(const void *data, size_t bytes);

static uint64_t hash_by_choice(const void *data, size_t bytes);
static _Atomic hash_function hash_long = hash_by_choice;

static uint64_t hash_baseline(const void *data, size_t bytes) { return XXH3_64bits(data, bytes); }

static uint64_t hash_by_choice(const void *data, size_t bytes)
{
    hash_function chosen = __builtin_cpu_supports("avx2") ? sl_hash_avx2 : hash_baseline;
    atomic_store_explicit(&hash_long, chosen, memory_order_relaxed);
    return chosen(data, bytes);
}

uint64_t sl_hash_long(const void *data, size_t bytes)
{
    return atomic_load_explicit(&hash_long, memory_order_relaxed)(data, bytes);
}

#else

uint64_t sl_hash_long(const void *data, size_t bytes) { return XXH3_64bits(data, bytes); }

#endif
