/* kernels_avx512.c: the inner loops for x86-64 processors with AVX-512 as of 2017. */
#include "format/kernels.h"

#if SL_HAS_WIDE_KERNELS
#define SL_LANES 8
#define SL_TARGET \
    __attribute__((target("avx2,fma,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"))) \
    SL_NOT_INSTRUMENTED
#define SL_KERNELS sl_kernels_avx512
#define SL_KERNELS_NAME "avx512"
#include "format/kernels_table.h"
#endif
