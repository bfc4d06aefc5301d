/* kernels.c: which of the tables of inner loops this processor runs. */
#include "format/kernels.h"

#include <stdatomic.h>

const double sl_power_of_ten[SL_DECIMAL_EXPONENT_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                             1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                             1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
const double sl_power_inverse[SL_DECIMAL_EXPONENT_MAX + 1] = {
    1 / 1e0,  1 / 1e1,  1 / 1e2,  1 / 1e3,  1 / 1e4,  1 / 1e5,  1 / 1e6,  1 / 1e7,
    1 / 1e8,  1 / 1e9,  1 / 1e10, 1 / 1e11, 1 / 1e12, 1 / 1e13, 1 / 1e14, 1 / 1e15,
    1 / 1e16, 1 / 1e17, 1 / 1e18, 1 / 1e19, 1 / 1e20, 1 / 1e21, 1 / 1e22};

/* Threads that come here first at the same time find the same answer. */
static const sl_kernels *_Atomic chosen;

#if SL_HAS_WIDE_KERNELS
/* The builtin also asks whether the operating system keeps the wide registers. */
static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}

static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#endif

const sl_kernels *sl_kernels_at(size_t index)
{
    size_t next = 0;
    if (index == next++) return &sl_kernels_plain;
#if SL_HAS_WIDE_KERNELS
    if (has_avx2() && index == next++) return &sl_kernels_avx2;
    if (has_avx512() && index == next++) return &sl_kernels_avx512;
    if (has_avx512() && __builtin_cpu_supports("avx512vbmi2") && index == next++) return &sl_kernels_vbmi2;
#endif
    return NULL;
}

const sl_kernels *sl_kernels_now(void)
{
    const sl_kernels *now = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (now != NULL) return now;
    for (size_t i = 0; sl_kernels_at(i) != NULL; i++) now = sl_kernels_at(i);
    atomic_store_explicit(&chosen, now, memory_order_relaxed);
    return now;
}

void sl_kernels_use(const sl_kernels *kernels) { atomic_store_explicit(&chosen, kernels, memory_order_relaxed); }
