/* forks/main.c: forks, threads and signals. See tests/README.md. */
#include "forks/forks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

typedef struct test {
    const char *name;
    void (*run)(uint64_t seed, result *out);
    uint64_t runs, runs_asan; /* of the short form */
} test;

static const test tests[] = {
    {"at_every_call", test_at_every_call, 10, 3},
#ifdef SL_KILL_POINTS
    {"at_every_point", test_at_every_point, 6, 0},
#endif
    {"dead_parent", test_dead_parent, 160, 20},
    {"in_loops", test_in_loops, 12, 3},
    {"quiet_parent", test_quiet_parent, 8, 2},
    {"generations", test_generations, 12, 4},
    {"in_callbacks", test_in_callbacks, 24, 8},
    {"signals", test_signals, 4, 2},
    {"terminated", test_terminated, 40, 10},
    {"guest", test_guest, 4, 2},
    {"no_allocation", test_no_allocation, 4, 2},
};
enum { TEST_COUNT = sizeof tests / sizeof tests[0] };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

typedef struct options {
    uint64_t seed, runs, seconds;
    const char *only;
} options;

static void usage(FILE *to)
{
    fprintf(to, "usage: forks [--seed N] [--runs N] [--seconds N] [--only NAME]\n"
                "  --seed N     first seed (1)\n"
                "  --runs N     how many seeds for each test\n"
                "  --seconds N  go on with fresh seeds until the time is over\n"
                "  --only NAME  one of:");
    for (unsigned i = 0; i < TEST_COUNT; i++) fprintf(to, " %s", tests[i].name);
    fputc('\n', to);
}

static int parse_number(const char *text, uint64_t *out)
{
    char *end;
    if (!text || *text < '0' || *text > '9') return 0;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

/* 0 to go on, or the exit code plus 1. */
static int parse(int count, char **arguments, options *o)
{
    for (int i = 1; i < count; i++) {
        const char *name = arguments[i], *value = i + 1 < count ? arguments[i + 1] : NULL;
        int is_good = 1;
        if (strcmp(name, "--help") == 0) return usage(stdout), 1;
        if (strcmp(name, "--seed") == 0) is_good = parse_number(value, &o->seed);
        else if (strcmp(name, "--runs") == 0) is_good = parse_number(value, &o->runs) && o->runs > 0;
        else if (strcmp(name, "--seconds") == 0) is_good = parse_number(value, &o->seconds) && o->seconds > 0;
        else if (strcmp(name, "--only") == 0) o->only = value;
        else is_good = 0;
        if (strcmp(name, "--only") == 0) {
            is_good = 0;
            for (unsigned t = 0; value && t < TEST_COUNT; t++) is_good |= strcmp(value, tests[t].name) == 0;
        }
        if (!is_good) return usage(stderr), 3;
        i++;
    }
    return 0;
}

static void run_seed(const test *t, uint64_t seed, result *r)
{
    uint64_t before = r->violations;
    t->run(seed, r);
    r->runs++;
    if (r->violations > before)
        fprintf(stderr, "again: tests/forks/forks --only %s --seed %" PRIu64 " --runs 1\n", t->name, seed);
}

int main(int count, char **arguments)
{
    options o = {.seed = 1};
    int code = parse(count, arguments, &o);
    if (code) return code - 1;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    /* Thousands of stores that are synced: in memory, where there is such a place. */
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    static result results[TEST_COUNT];
    uint64_t violations = 0, round = 0;
    double begin = seconds(), told = begin;
    /* By turns, so that each test gets its share of a time. */
    do {
        for (unsigned i = 0; i < TEST_COUNT; i++) {
            const test *t = &tests[i];
            if (o.only && strcmp(o.only, t->name) != 0) continue;
            uint64_t runs = o.runs ? o.runs : MAY_HAVE_THREADS ? t->runs : t->runs_asan;
            if (o.seconds && !o.runs) runs = (runs + 7) / 8;
            for (uint64_t n = 0; n < runs; n++) {
                if (o.seconds && seconds() - begin > (double)o.seconds && results[i].runs) break;
                run_seed(t, o.seed + round * runs + n, &results[i]);
            }
            if (o.seconds && seconds() - told > 30) {
                told = seconds();
                fprintf(stderr, "forks: %.0f s, %s: %" PRIu64 " runs, %" PRIu64 " forks, %" PRIu64 " violations\n",
                        told - begin, t->name, results[i].runs, results[i].states, results[i].violations);
            }
        }
        round++;
    } while (o.seconds && seconds() - begin < (double)o.seconds);
    for (unsigned i = 0; i < TEST_COUNT; i++) {
        const result *r = &results[i];
        if (!r->runs) continue;
        violations += r->violations;
        printf("%sok - %s: %" PRIu64 " runs, %" PRIu64 " states, %" PRIu64 " violations; %s\n",
               r->violations ? "not " : "", tests[i].name, r->runs, r->states, r->violations, r->seen);
    }
    for (unsigned i = 0; i < TEST_COUNT; i++) {
        const result *r = &results[i];
        if (!r->runs) continue;
        printf("RESULT\tforks/%s\truns=%" PRIu64 "\tstates=%" PRIu64 "\tviolations=%" PRIu64 "\tseeds=%" PRIu64
               "-%" PRIu64 "\n",
               tests[i].name, r->runs, r->states, r->violations, o.seed, o.seed + r->runs - 1);
    }
    return violations ? 1 : 0;
}
