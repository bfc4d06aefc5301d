/* support/host_modes.h: floating point modes that a host program may have chosen for its threads. */
#ifndef TESTS_SUPPORT_HOST_MODES_H
#define TESTS_SUPPORT_HOST_MODES_H

/* Names, NULL behind the last: rounding upward, downward, toward zero; subnormals as zeros; traps. Only what this
 * machine has. */
extern const char *const host_modes[];

/* Sets it for this thread, until host_mode_end() sets what a thread starts with. */
void host_mode_begin(const char *name);
void host_mode_end(void);
/* Whether the thread is in it. */
int host_mode_is(const char *name);

#endif
