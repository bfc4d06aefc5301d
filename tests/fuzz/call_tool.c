/* fuzz/call_tool.c: a main() that is called, and comes back also when it calls exit(). */
#include "fuzz/fuzz.h"

#include <setjmp.h>

/* Linked with --wrap=exit: exit() within fuzz_call_tool() comes back from there. */
_Noreturn void __real_exit(int code);
_Noreturn void __wrap_exit(int code);

static jmp_buf tool_return;
static int is_in_tool, tool_code;

void __wrap_exit(int code)
{
    if (!is_in_tool) __real_exit(code);
    tool_code = code;
    longjmp(tool_return, 1);
}

int fuzz_call_tool(int (*tool)(int argc, char **argv), int argc, char **argv)
{
    is_in_tool = 1;
    if (setjmp(tool_return) == 0) tool_code = tool(argc, argv);
    is_in_tool = 0;
    return tool_code;
}
