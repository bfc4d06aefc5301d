/* kill/main.c: kill -9 and interleavings with real processes.
 *
 * See tests/README.md. STEPLOG_KILL_TABLE=1 prints how often each kill point was reached. */
#include "kill/kill.h"

#include "support/temp_dir.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

typedef struct part {
    const char *name;
    void (*run)(const orders *orders, figures *out);
    int needs_points;
    double share; /* of the time of a long form */
} part;

static const part tests[] = {{"points", test_points, 1, 0.5},   {"moments", test_moments, 0, 0.2},
                             {"late", test_late, 1, 0.12},       {"stopped", test_stopped, 0, 0.06},
                             {"thought_dead", test_thought_dead, 0, 0.02}, {"crowd", test_crowd, 0, 0.1},
                             {"watched", test_watched, 1, 0.05}};
enum { TESTS = sizeof tests / sizeof *tests };

shared_state *shared;
const char *work_path;

static struct {
    const char *test, *more;
    uint64_t seed;
    pid_t parent;
} now_doing;

static const char *program;

double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void say_case(const char *test, uint64_t seed, const char *more)
{
    now_doing.test = test;
    now_doing.seed = seed;
    now_doing.more = more;
}

static void say_result(const char *name, const figures *f, int violations, uint64_t first, uint64_t last)
{
    printf("RESULT\tkill/%s\truns=%" PRIu64 "\tstates=%" PRIu64 "\tviolations=%d\tseeds=%" PRIu64 "-%" PRIu64
           "\tkills=%" PRIu64, name, f->runs, f->checks, violations, first, last, f->kills);
    if (f->least) printf("\tleast=%" PRIu64, f->least);
    printf("\n");
}

int goes_on(const orders *o, const figures *so_far, uint64_t short_runs)
{
    static double last_said;
    if (o->end_s == 0) return so_far->runs < (o->runs ? o->runs : short_runs);
    if (now_s() - last_said >= (isatty(2) ? 2 : 30)) {
        last_said = now_s();
        fprintf(stderr, "%s: %" PRIu64 " cycles, %" PRIu64 " kills, %.0f s left\n", now_doing.test, so_far->runs,
                so_far->kills, o->end_s - last_said);
    }
    return now_s() < o->end_s;
}

/* What does not hold aborts; here that becomes a line that says how to see it again. */
static void on_abort(int number)
{
    (void)number;
    if (getpid() != now_doing.parent) return;
    const char *test = now_doing.test ? now_doing.test : "?";
    int is_learning = strcmp(test, "learning") == 0;
    printf("not ok - %s: seed %" PRIu64 " (%s), the store is kept in %s; again: %s --only %s --seed %" PRIu64
           " --runs 1\n", test, now_doing.seed, now_doing.more ? now_doing.more : "", work_path, program,
           is_learning ? "moments" : test, now_doing.seed);
    say_result(test, &(figures){.runs = 1}, 1, now_doing.seed, now_doing.seed);
    fflush(stdout);
    _exit(1);
}

static void usage(FILE *to)
{
    fprintf(to, "usage: %s [--seed N] [--runs N] [--seconds N] [--only TEST] [--point NAME] [--help]\n"
                "tests:", program);
    for (int i = 0; i < TESTS; i++) fprintf(to, " %s", tests[i].name);
    fprintf(to, "\n--seed N      the first seed (1)\n"
                "--runs N      so many cycles of each test, a seed for each\n"
                "--seconds N   fresh seeds until the time is over; the long form\n"
                "--only TEST   one of the tests\n"
                "--point NAME  all kills of test points at this kill point\n");
}

static int parse(int argc, char **argv, orders *o, const char **only, double *seconds)
{
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        char *end = NULL;
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            exit(0);
        }
        if (!value) return 0;
        if (strcmp(argv[i], "--only") == 0) {
            int is_known = 0;
            for (int t = 0; t < TESTS; t++) is_known = is_known || strcmp(tests[t].name, value) == 0;
            if (!is_known) return 0;
            *only = value;
            continue;
        }
        if (strcmp(argv[i], "--point") == 0) {
            o->point = value;
            continue;
        }
        uint64_t number = strtoull(value, &end, 10);
        if (*end || end == value) return 0;
        if (strcmp(argv[i], "--seed") == 0) o->seed = number;
        else if (strcmp(argv[i], "--runs") == 0) o->runs = number;
        else if (strcmp(argv[i], "--seconds") == 0) *seconds = (double)number;
        else return 0;
    }
    return 1;
}

int main(int argc, char **argv)
{
    orders o = {.seed = 1};
    const char *only = NULL;
    double seconds = 0, shares = 0;
    program = argv[0];
    if (!parse(argc, argv, &o, &only, &seconds)) {
        usage(stderr);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    prctl(PR_SET_TIMERSLACK, 1000ul);
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0); /* nothing here is about the disk */
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    HOLDS(shared != MAP_FAILED, "no shared memory");
    work_path = test_temp_dir();
    now_doing.parent = getpid();
    signal(SIGABRT, on_abort);
    for (int t = 0; t < TESTS; t++)
        if ((!tests[t].needs_points || points_count()) && (!only || strcmp(only, tests[t].name) == 0))
            shares += tests[t].share;
    figures all[TESTS] = {0};
    int has_run[TESTS] = {0}, count = 0;
    for (int t = 0; t < TESTS; t++) {
        if (only && strcmp(only, tests[t].name) != 0) continue;
        if (tests[t].needs_points && !points_count()) continue; /* a build without kill points */
        orders mine = o;
        if (seconds > 0) mine.end_s = now_s() + seconds * tests[t].share / shares;
        say_case(tests[t].name, o.seed, "");
        double begin = now_s();
        tests[t].run(&mine, &all[t]);
        has_run[t] = 1;
        count++;
        printf("ok - %s: %" PRIu64 " cycles, %" PRIu64 " kills, %" PRIu64 " whole checks, %.1f s; %s\n", tests[t].name,
               all[t].runs, all[t].kills, all[t].checks, now_s() - begin, all[t].text);
    }
    for (int t = 0; t < TESTS; t++)
        if (has_run[t]) say_result(tests[t].name, &all[t], 0, o.seed, o.seed + all[t].runs - 1);
    if (count == 0) fprintf(stderr, "this build has no kill points: nothing was tested\n");
    return count == 0;
}
