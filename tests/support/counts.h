/* support/counts.h: what gcov counted in a process that ends by _exit() or kills itself. */
#ifndef TESTS_SUPPORT_COUNTS_H
#define TESTS_SUPPORT_COUNTS_H

/* Leaves the counts of make coverage, which a process leaves by itself only when it ends by exit(). In every other build it does
 * nothing. Nobody may kill the process meanwhile: what it adds its counts to would be torn. */
void test_leave_counts(void);

#endif
