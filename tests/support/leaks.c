/* support/leaks.c: where leak sanitizer looks.
 *
 * Criterion runs each test in a worker of its own, which boxfort starts anew with BXFI_MAP in its environment. The
 * process that starts them runs none of our code, and Criterion now and then forgets a few bytes there. So leaks are
 * looked for in every other process: workers, and programs without Criterion. */
#include <stdlib.h>

/* The sanitizer's library has to see it. */
__attribute__((visibility("default"))) int __lsan_is_turned_off(void);

static int is_criterion_runner;

/* Criterion's own main is what calls this; in a worker the variable is there from the start. */
__attribute__((constructor)) static void look(void)
{
    is_criterion_runner = getenv("BXFI_MAP") == NULL;
}

int __lsan_is_turned_off(void)
{
    return is_criterion_runner;
}
