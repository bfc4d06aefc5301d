/* base/assert.c: where a broken SL_ASSERT ends, in debug and test builds only. Release builds have
 * nothing here: the library neither prints nor ends its host. */
#include "base/assert.h"

#ifdef SL_DEBUG
#include <stdio.h>
#include <stdlib.h>

_Noreturn void sl_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion does not hold: %s\n", file, line, condition);
    abort();
}
#else
/* ISO C wants something in every file. */
typedef int sl_assert_is_compiled_out;
#endif
