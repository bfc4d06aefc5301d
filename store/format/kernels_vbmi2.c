/* kernels_vbmi2.c: the inner loops for x86-64 processors with AVX-512 as of 2019, which shift pairs of words. */
#include "format/kernels.h"

#if SL_HAS_WIDE_KERNELS
#define SL_LANES 8
#define SL_HAS_FUNNEL
#define SL_TARGET \
    __attribute__((target("avx2,fma,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi2"))) \
    SL_NOT_INSTRUMENTED
#define SL_KERNELS sl_kernels_vbmi2
#define SL_KERNELS_NAME "avx512 vbmi2"
#include "format/kernels_table.h"
#endif
