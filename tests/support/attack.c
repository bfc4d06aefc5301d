/* support/attack.c: options and reports of the programs that attack the store. */
#include "support/attack.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { VIOLATIONS_SHOWN = 10 };

static const char *program;

static void usage(FILE *out, const char *what, const char *const *names, int name_count)
{
    fprintf(out,
            "%s: %s\n"
            "  --seed N     the first seed (default 1)\n"
            "  --runs N     how many runs of each test (default: a short form)\n"
            "  --seconds N  goes on with fresh seeds for so long\n"
            "  --only NAME  one test of:",
            program, what);
    for (int i = 0; i < name_count; i++) fprintf(out, " %s", names[i]);
    fprintf(out, "\n  --case TEXT  repeats one case, as a violation names it (with --only)\n");
}

attack_options attack_parse(int argc, char **argv, const char *what, const char *const *names, int name_count)
{
    attack_options o = {.seed = 1};
    program = argv[0];
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        char *end = NULL;
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout, what, names, name_count);
            exit(0);
        }
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        int is_good = 0;
        if (value && strcmp(argv[i], "--seed") == 0) o.seed = strtoull(value, &end, 10), is_good = end && !*end;
        if (value && strcmp(argv[i], "--runs") == 0) o.runs = strtoull(value, &end, 10), is_good = end && !*end;
        if (value && strcmp(argv[i], "--seconds") == 0) o.seconds = strtod(value, &end), is_good = end && !*end;
        if (value && strcmp(argv[i], "--case") == 0) o.detail = value, is_good = 1;
        if (value && strcmp(argv[i], "--only") == 0) {
            o.only = value;
            for (int n = 0; n < name_count; n++) is_good |= strcmp(names[n], value) == 0;
        }
        if (!is_good) {
            fprintf(stderr, "%s: cannot use '%s'\n", program, argv[i]);
            usage(stderr, what, names, name_count);
            exit(2);
        }
        i++;
    }
    return o;
}

int attack_wants(const attack_options *o, const char *name) { return !o->only || strcmp(o->only, name) == 0; }

double attack_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void attack_violation(attack_test *test, uint64_t seed, const char *detail, const char *what)
{
    if (++test->violations > VIOLATIONS_SHOWN) return;
    printf("# %s/%s seed %" PRIu64 ": %s\n#   again: %s --only %s --seed %" PRIu64 " --case '%s'\n", test->part, test->name,
           seed, what, program, test->name, seed, detail);
}

int attack_report(const attack_test *t, const char *figures)
{
    int is_ok = t->violations == 0 && t->runs > 0;
    printf("%sok - %s %s: %" PRIu64 " runs, %" PRIu64 " states, %" PRIu64 " violations, seeds %" PRIu64 "-%" PRIu64 "%s%s\n",
           is_ok ? "" : "not ", t->part, t->name, t->runs, t->states, t->violations, t->first_seed, t->last_seed,
           figures ? "; " : "", figures ? figures : "");
    printf("RESULT\t%s/%s\truns=%" PRIu64 "\tstates=%" PRIu64 "\tviolations=%" PRIu64 "\tseeds=%" PRIu64 "-%" PRIu64 "\n",
           t->part, t->name, t->runs, t->states, t->violations, t->first_seed, t->last_seed);
    return !is_ok;
}

void attack_progress(const attack_test *t)
{
    static double last;
    double now = attack_now(), interval = isatty(2) ? 0.5 : 30;
    if (last == 0) last = now;
    if (now - last < interval) return;
    last = now;
    fprintf(stderr, "%s%s/%s: %" PRIu64 " runs, %" PRIu64 " states, %" PRIu64 " violations%s", isatty(2) ? "\r" : "",
            t->part, t->name, t->runs, t->states, t->violations, isatty(2) ? " " : "\n");
}
