/* places/main.c: odd places, real disks, real crashes: a store anywhere, and nothing is lost there.
 *
 * Each test is run with seeds, one after the other; a run works in a fresh directory and in child processes, so that a
 * signal, a hang or a broken promise is a violation that is counted and said, and not the end of the program. What is
 * mounted is mounted in a mount namespace of this program alone, with loop devices that detach themselves: nothing of
 * it outlives the program, however that ends. */
#include "places.h"

#include "disk.h"
#include "support/temp_dir.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct entry {
    const char *name, *claim;
    place_test run;
    uint64_t runs, sanitizer_runs; /* of the short form */
} entry;

static const entry entries[] = {
    {"objects", "FIFOs, devices, sockets, links in place of any name: a clear word, no step outside",
     test_objects, 2, 1},
    {"foreign", "files that are not the store's change and hide nothing", test_foreign, 1, 1},
    {"paths", "relative, very long and odd paths", test_paths, 2, 1},
    {"closed", "descriptors 0 to 2 closed: no log becomes standard output", test_closed, 7, 7},
    {"descriptors", "no descriptors left, at every small number", test_descriptors, 40, 20},
    {"limits", "limits of file size and memory: no signal, nothing lost", test_limits, 12, 6},
    {"users", "another user's store", test_users, 1, 1},
    {"removed", "a store removed, moved or replaced under its writer", test_removed, 12, 4},
    {"clock", "a wall clock that jumps", test_clock, 10, 3},
    {"readonly", "a read-only mount is read and stays as it is", test_readonly, 2, 1},
    {"network", "a file system that answers late, stale or falsely about locks", test_network, 30, 8},
    {"full-tmpfs", "a full tmpfs: an error at once, the gap is right, the next append works", test_full_tmpfs, 16, 5},
    {"full-ext4", "a full ext4: the same", test_full_ext4, 10, 3},
    {"quota", "a quota of a user on ext4: the same", test_quota, 4, 2},
    {"failed-sync", "writeback that fails: the mark is frozen, rows move or are declared lost", test_failed_sync, 8, 3},
    {"crash", "file systems shut down under writers: a prefix, at least the mark, no damage", test_crash, 20, 5},
};
enum { ENTRY_COUNT = sizeof entries / sizeof entries[0] };

static tally tallies[ENTRY_COUNT];
static const char *program;
static volatile sig_atomic_t stopped_by;

static void stop(int signal_number) { stopped_by = signal_number; }

void violation(tally *t, const char *format, ...)
{
    va_list list;
    t->violations++;
    printf("# violation in %s, seed %" PRIu64 ": ", t->name, t->seed);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    printf("\n# repeat: %s --only %s --seed %" PRIu64 " --runs 1\n", program, t->name, t->seed);
    fflush(stdout);
}

void skip(tally *t, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(t->skipped, sizeof t->skipped, format, list);
    va_end(list);
}

/* ---- directories ---- */

static int is_own_file_system;

const char *place_begin(void)
{
    const char *path = test_temp_dir();
    is_own_file_system = disk_mount_tmpfs(path, 512u << 20) == 0;
    if (chmod(path, 0755) != 0) abort();
    return path;
}

void place_end(const char *path)
{
    if (is_own_file_system) disk_unmount(path);
    test_remove_tree(path);
}

const char *place_path(const char *directory, const char *name)
{
    return test_path(directory, name);
}

/* ---- children ---- */

void *shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) abort();
    return memory;
}

void shared_free(void *memory, size_t bytes) { munmap(memory, bytes); }

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Waits for a child until the time is over. 0 and its status, or -1 when it had to be killed. */
static int wait_for(pid_t child, unsigned seconds, int *status)
{
    double end = now_seconds() + seconds;
    for (unsigned pause = 50; waitpid(child, status, WNOHANG) == 0; pause = pause < 2000 ? pause * 2 : pause) {
        if (stopped_by || now_seconds() > end) {
            kill(child, SIGKILL);
            waitpid(child, status, 0);
            return -1;
        }
        usleep(pause);
    }
    return 0;
}

static void print_words(int fd)
{
    char text[4000];
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) printf("#   %s\n", line);
}

int in_child(tally *t, unsigned seconds, void (*body)(void *), void *context, const char *format, ...)
{
    char what[300];
    va_list list;
    int status = 0, words = memfd_create("words", 0), is_good = 0;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    t->states++;
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(words, STDERR_FILENO);
        body(context);
        exit(0);
    }
    if (wait_for(child, PLACES_HAS_SANITIZER ? 4 * seconds : seconds, &status) < 0)
        violation(t, "%s: not done after %u s", what, seconds);
    else if (WIFSIGNALED(status))
        violation(t, "%s: ended by signal %d (%s)", what, WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        violation(t, "%s: ended with exit code %d", what, WEXITSTATUS(status));
    else
        is_good = 1;
    if (!is_good) print_words(words);
    fflush(stdout);
    close(words);
    return is_good;
}

/* ---- the command line ---- */

typedef struct settings {
    uint64_t seed, runs, seconds;
    const char *only;
} settings;

static void print_usage(FILE *file)
{
    fprintf(file, "usage: %s [--seed N] [--runs N] [--seconds N] [--only NAME]\n"
                  "  --seed N     first seed (1)\n"
                  "  --runs N     runs of each test, each with the next seed\n"
                  "  --seconds N  go on with fresh seeds until the time is over\n"
                  "  --only NAME  one of:\n",
            program);
    for (size_t i = 0; i < ENTRY_COUNT; i++) fprintf(file, "    %-12s %s\n", entries[i].name, entries[i].claim);
}

static int take_number(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0';
}

static int parse(int argc, char **argv, settings *s)
{
    for (int i = 1; i < argc; i += 2) {
        uint64_t *number = strcmp(argv[i], "--seed") == 0      ? &s->seed
                           : strcmp(argv[i], "--runs") == 0    ? &s->runs
                           : strcmp(argv[i], "--seconds") == 0 ? &s->seconds
                                                               : NULL;
        if (strcmp(argv[i], "--help") == 0) {
            print_usage(stdout);
            exit(0);
        }
        if (i + 1 == argc) return 0;
        if (number && !take_number(argv[i + 1], number)) return 0;
        if (!number && strcmp(argv[i], "--only") != 0) return 0;
        if (!number) s->only = argv[i + 1];
    }
    for (size_t i = 0; s->only && i <= ENTRY_COUNT; i++) {
        if (i == ENTRY_COUNT) return 0;
        if (strcmp(entries[i].name, s->only) == 0) break;
    }
    return 1;
}

static int is_wanted(const settings *s, size_t i)
{
    return !stopped_by && (!s->only || strcmp(s->only, entries[i].name) == 0) && !tallies[i].skipped[0];
}

static void run_once(size_t i, uint64_t seed)
{
    tallies[i].seed = seed;
    entries[i].run(&tallies[i]);
    if (!tallies[i].skipped[0]) tallies[i].runs++;
}

static void run_for_a_time(const settings *s)
{
    double begin = now_seconds(), said = begin;
    for (uint64_t seed = s->seed; !stopped_by && now_seconds() - begin < (double)s->seconds; seed++)
        for (size_t i = 0; i < ENTRY_COUNT && now_seconds() - begin < (double)s->seconds; i++) {
            if (!is_wanted(s, i)) continue;
            run_once(i, seed);
            if (now_seconds() - said < 30) continue;
            said = now_seconds();
            fprintf(stderr, "%.0f s, seed %" PRIu64 "\n", said - begin, seed);
        }
}

static void run_a_count(const settings *s)
{
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        uint64_t usual = PLACES_HAS_SANITIZER ? entries[i].sanitizer_runs : entries[i].runs;
        double begin = now_seconds();
        for (uint64_t n = 0; n < (s->runs ? s->runs : usual) && is_wanted(s, i); n++) {
            run_once(i, s->seed + n);
            if (s->runs > 500 && n % 500 == 499)
                fprintf(stderr, "%s: %" PRIu64 " runs, %.0f s\n", entries[i].name, n + 1, now_seconds() - begin);
        }
        if (getenv("PLACES_TIMES")) fprintf(stderr, "%s: %.1f s\n", entries[i].name, now_seconds() - begin);
    }
}

int main(int argc, char **argv)
{
    settings s = {.seed = 1};
    uint64_t violations = 0;
    program = argv[0];
    if (!parse(argc, argv, &s)) {
        print_usage(stderr);
        return 2;
    }
    unsetenv("STEPLOG_RUN_KEY");
    for (size_t i = 0; i < ENTRY_COUNT; i++) tallies[i].name = entries[i].name;
    disk_begin();
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    if (s.seconds)
        run_for_a_time(&s);
    else
        run_a_count(&s);
    end_crashes();
    if (stopped_by) return 128 + stopped_by;
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        const tally *t = &tallies[i];
        if (s.only && strcmp(s.only, t->name) != 0) continue;
        violations += t->violations;
        if (t->skipped[0])
            printf("ok - %s: %s # SKIP %s\n", t->name, entries[i].claim, t->skipped);
        else
            printf("%s - %s: %s; %" PRIu64 " runs, %" PRIu64 " cases%s%s\n", t->violations ? "not ok" : "ok", t->name,
                   entries[i].claim, t->runs, t->states, t->figures[0] ? ", " : "", t->figures);
    }
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        const tally *t = &tallies[i];
        if (s.only && strcmp(s.only, t->name) != 0) continue;
        printf("RESULT\tplaces/%s\truns=%" PRIu64 "\tstates=%" PRIu64 "\tviolations=%" PRIu64 "\tseeds=%" PRIu64
               "-%" PRIu64 "\n",
               t->name, t->runs, t->states, t->violations, s.seed, t->seed > s.seed ? t->seed : s.seed);
    }
    return violations ? 1 : 0;
}
