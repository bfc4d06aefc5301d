/* fault/fault.h: the parts of the fault shim. */
#ifndef TESTS_FAULT_FAULT_H
#define TESTS_FAULT_FAULT_H

#include "support/attack.h"
#include "support/script.h"
#include "support/sim_os.h"

enum { FAULT_MODES = 2 };
extern const uint32_t fault_mode_flags[FAULT_MODES]; /* mapped, pwrite */

/* Less of everything where a sanitizer makes it slow. */
#ifdef __SANITIZE_ADDRESS__
enum { FAULT_IS_SLOW = 1 };
#else
enum { FAULT_IS_SLOW = 0 };
#endif

/* Plays a scene to its end and lets a later process recover it, with faults from the beginning of the play on.
 * calls, kinds: what was called, may be NULL. NULL, or what does not hold; lent. */
typedef struct fault_play {
    const script_scene *scene;
    uint64_t seed;
    uint32_t flags;
    const sim_fault *faults;
    size_t fault_count;
    uint16_t *kinds; /* receives the kind of each call */
    size_t kinds_capacity;
    int failed_sync;  /* what a failed sync does to its pages */
    uint64_t remains; /* how many states that a power cut at the end may leave are looked at, besides the worst */
    /* given back */
    uint64_t calls, failed;
    uint64_t errors;
} fault_play;
const char *fault_run(fault_play *play);

int fault_calls(const attack_options *options);
int fault_pairs(const attack_options *options);
int fault_memory(const attack_options *options);
int fault_budget(const attack_options *options);
int fault_syncs(const attack_options *options);
void fault_print_sites(void);

#endif
