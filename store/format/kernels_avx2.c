/* kernels_avx2.c: the inner loops for x86-64 processors of about 2013 and later. */
#include "format/kernels.h"

#if SL_HAS_WIDE_KERNELS
#define SL_LANES 4
#define SL_TARGET \
    __attribute__((target("avx2,fma,bmi,bmi2,lzcnt,popcnt"))) SL_NOT_INSTRUMENTED
#define SL_KERNELS sl_kernels_avx2
#define SL_KERNELS_NAME "avx2"
#include "format/kernels_table.h"
#endif
