/* support/host_modes.c: by fenv.h, and what that does not have by the processor's own register. */
#include "support/host_modes.h"

#include <fenv.h>
#include <string.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#define HAS_ZEROS 1
#define FLUSH_TO_ZERO 0x8000u
#define SUBNORMALS_ARE_ZEROS 0x0040u
static void take_subnormals_for_zeros(void) { _mm_setcsr(_mm_getcsr() | FLUSH_TO_ZERO | SUBNORMALS_ARE_ZEROS); }
static int are_subnormals_zeros(void)
{
    const unsigned both = FLUSH_TO_ZERO | SUBNORMALS_ARE_ZEROS;
    return (_mm_getcsr() & both) == both;
}
#else
#define HAS_ZEROS 0
static void take_subnormals_for_zeros(void) {}
static int are_subnormals_zeros(void) { return 0; }
#endif

/* Not what is inexact: hardly a program could run. */
#define TRAPPED (FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW | FE_UNDERFLOW)

const char *const host_modes[] = {
    "upward", "downward", "toward zero", "traps",
#if HAS_ZEROS
    "zeros", "all",
#endif
    NULL,
};

static int rounding_of(const char *name)
{
    return strcmp(name, "upward") == 0 || strcmp(name, "all") == 0 ? FE_UPWARD
           : strcmp(name, "downward") == 0                         ? FE_DOWNWARD
           : strcmp(name, "toward zero") == 0                      ? FE_TOWARDZERO
                                                                   : FE_TONEAREST;
}

static int has_traps(const char *name) { return strcmp(name, "traps") == 0 || strcmp(name, "all") == 0; }
static int has_zeros(const char *name) { return strcmp(name, "zeros") == 0 || strcmp(name, "all") == 0; }

void host_mode_begin(const char *name)
{
    fesetround(rounding_of(name));
    if (has_zeros(name)) take_subnormals_for_zeros();
    if (!has_traps(name)) return;
    feclearexcept(FE_ALL_EXCEPT);
    feenableexcept(TRAPPED);
}

void host_mode_end(void) { fesetenv(FE_DFL_ENV); }

int host_mode_is(const char *name)
{
    return fegetround() == rounding_of(name) && are_subnormals_zeros() == has_zeros(name) &&
           (fegetexcept() & FE_ALL_EXCEPT) == (has_traps(name) ? TRAPPED : 0);
}
