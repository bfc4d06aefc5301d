/* support/attack.h: what the programs that attack the store have in common: options, and how they say what they saw. */
#ifndef TESTS_SUPPORT_ATTACK_H
#define TESTS_SUPPORT_ATTACK_H

#include <stdint.h>

typedef struct attack_options {
    uint64_t seed;    /* --seed N: the first; default 1 */
    uint64_t runs;    /* --runs N: how many; 0: the short form's number */
    double seconds;   /* --seconds N: goes on with fresh seeds until then; 0: the short form */
    const char *only; /* --only NAME; NULL: all */
    const char *detail; /* --case TEXT: repeats one case, as a violation printed it; NULL */
} attack_options;

/* Reads the arguments; on --help or a wrong one says how and ends the process. */
attack_options attack_parse(int argc, char **argv, const char *what, const char *const *names, int name_count);

/* One test of a program. */
typedef struct attack_test {
    const char *part, *name;
    uint64_t runs, states, violations;
    uint64_t first_seed, last_seed;
} attack_test;

int attack_wants(const attack_options *options, const char *name);
double attack_now(void); /* seconds of a clock that only goes forward */

/* Says a violation at once, on stdout as TAP's comment; counts it. detail: what --case takes. Many of one test are cut
 * short. */
void attack_violation(attack_test *test, uint64_t seed, const char *detail, const char *what);
/* "ok - NAME: figures" and the RESULT line. Gives 1 when there were violations. figures may be NULL. */
int attack_report(const attack_test *test, const char *figures);
/* On a terminal or each 30 s: how far it is. */
void attack_progress(const attack_test *test);

#endif
