/* base/float_mode.h: the floating point mode of the thread, which is the host program's: it may round upward, take
 * subnormal numbers for zero (as tensor libraries make it do for speed), or trap on what is invalid.
 *
 * What is stored must not depend on it. So arithmetic stands between a begin and an end: in functions that are
 * SL_BEHIND_MODE, because a compiler takes the mode for given and may move arithmetic past the switch, but not a call
 * that writes to memory. Both cost next to nothing in the mode that threads start with. Flags of exceptions may be left
 * raised, as by any function that computes: clearing them costs up to 40 ns. */
#ifndef SL_BASE_FLOAT_MODE_H
#define SL_BASE_FLOAT_MODE_H

#define SL_BEHIND_MODE __attribute__((noinline))

#if defined(__x86_64__)
#include <xmmintrin.h>

typedef unsigned sl_float_mode;
#define SL_MXCSR_DEFAULT 0x1f80u /* to nearest, all exceptions masked, no flag raised */
#define SL_MXCSR_FLAGS 0x3fu

static inline sl_float_mode sl_float_mode_begin(void)
{
    const unsigned host = _mm_getcsr();
    if (__builtin_expect((host & ~SL_MXCSR_FLAGS) != SL_MXCSR_DEFAULT, 0)) _mm_setcsr(SL_MXCSR_DEFAULT);
    return host;
}

static inline void sl_float_mode_end(sl_float_mode host)
{
    if (__builtin_expect((host & ~SL_MXCSR_FLAGS) != SL_MXCSR_DEFAULT, 0)) _mm_setcsr(host);
}

#elif defined(__aarch64__)
#include <stdint.h>

typedef uint64_t sl_float_mode; /* FPCR, which is 0 when nothing was chosen; flags are in another register */

static inline sl_float_mode sl_float_mode_begin(void)
{
    uint64_t host;
    __asm__ volatile("mrs %0, fpcr" : "=r"(host) : : "memory");
    if (__builtin_expect(host != 0, 0)) __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0) : "memory");
    return host;
}

static inline void sl_float_mode_end(sl_float_mode host)
{
    if (__builtin_expect(host != 0, 0)) __asm__ volatile("msr fpcr, %0" : : "r"(host) : "memory");
}

#else
#include <fenv.h>

typedef fenv_t sl_float_mode;

static inline sl_float_mode sl_float_mode_begin(void)
{
    fenv_t host;
    fegetenv(&host);
    fesetenv(FE_DFL_ENV);
    return host;
}

static inline void sl_float_mode_end(sl_float_mode host) { fesetenv(&host); }
#endif

#endif
