/* support/call_hook.h: someone acts between two calls of the os table: any interleaving of two parties whose steps are
 * calls, in one thread. */
#ifndef TESTS_SUPPORT_CALL_HOOK_H
#define TESTS_SUPPORT_CALL_HOOK_H

#include <stdint.h>

/* From now on, before call number at (1 is the next one; 0: before each) of those that touch files, action is called;
 * calls that it makes itself do not count, nor does opening a file to write to. The table in use is passed on to. While
 * no store is being used otherwise. */
void test_hook_calls(uint64_t at, void (*action)(void));

/* The table that was in use before. 0 when call number at never came. */
int test_unhook_calls(void);

#endif
