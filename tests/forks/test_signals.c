/* forks/test_signals.c: signals ten thousand times a second while everything is done, and the end by SIGTERM. */
#include "forks/forks.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct plan {
    char path[512];
    uint32_t flags;
    uint64_t seed;
    int sa_flags;
} plan;

/* ---- a storm ---- */

enum { STORM_ROWS = MAY_HAVE_THREADS ? 20000 : 2000 };

static void count_signal(int number)
{
    (void)number;
    atomic_fetch_add_explicit(&all->signals, 1, memory_order_relaxed);
}

static pthread_t targets[4];
static atomic_uint target_count;
static atomic_int storm_is_over;

/* A timer of the process reaches any thread; this one reaches each. */
static void *send_signals(void *context)
{
    const struct timespec pause = {.tv_nsec = 100000};
    sigset_t set;
    sigfillset(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    while (!atomic_load(&storm_is_over)) {
        for (unsigned i = 0; i < atomic_load(&target_count); i++) pthread_kill(targets[i], SIGUSR1);
        nanosleep(&pause, NULL);
    }
    return context;
}

static void write_all(uint32_t w, unsigned rows)
{
    steplog_schema schema;
    steplog_writer *writer = kit_writer(self.store, "run", w, 1);
    schema = kit_schema(writer, "m", COLUMNS);
    char blob[3000];
    steplog_id run = kit_run_of(writer);
    steplog_pair fact = {"tag.outside", "yes"};
    memset(blob, 'b', sizeof blob);
    for (unsigned row = 0; row < rows; row++) {
        append_own(writer, schema, w);
        if (row % 300 == 299) OK(steplog_writer_sync(writer, &kit_error));
        if (row % 1000 != 500) continue;
        OK(steplog_writer_set_fact(writer, "tag.w", "x", &kit_error));
        OK(steplog_writer_blob(writer, "note", 1, STEPLOG_TIME_NOW, "text/plain", blob, sizeof blob, &kit_error));
        OK(steplog_run_set_facts(self.store, &run, &fact, 1, &kit_error));
        OK(steplog_store_compact(self.store, NULL, NULL, &kit_error));
        steplog_reader *reader = kit_reader(self.store);
        kit_rows found = kit_read(reader, &run, "m0", NULL);
        HOLDS(found.row_count > 0, "no rows");
        kit_rows_free(&found);
        steplog_reader_close(reader);
    }
    kit_writer_close(writer);
}

static void *write_beside(void *context)
{
    write_all(1, STORM_ROWS);
    return context;
}

/* No signal of the host is for a thread of the library's. The thread that sends them takes none either. */
static void check_masks(void)
{
    DIR *tasks = opendir("/proc/self/task");
    unsigned blocked = 0;
    for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
        char name[300], line[200];
        unsigned long long mask = 0;
        if (entry->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "/proc/self/task/%.100s/status", entry->d_name);
        FILE *status = fopen(name, "r");
        while (status && fgets(line, sizeof line, status)) sscanf(line, "SigBlk: %llx", &mask);
        if (status) fclose(status);
        blocked += (mask & 1ull << (SIGALRM - 1)) != 0 && (mask & 1ull << (SIGTERM - 1)) != 0;
    }
    if (tasks) closedir(tasks);
    HOLDS(blocked >= 2, "the background thread takes signals");
}

static int weather_storm(void *context)
{
    const plan *p = context;
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = p->sa_flags}, found;
    struct itimerval fast = {{0, 100}, {0, 100}}, none = {{0, 0}, {0, 0}};
    sigset_t before, after;
    pthread_t sender, beside;
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    subject_open(p->path, p->flags | (MAY_HAVE_THREADS ? 0 : STEPLOG_NO_THREAD));
    targets[0] = pthread_self();
    atomic_store(&target_count, 1);
    setitimer(ITIMER_REAL, &fast, NULL);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    HOLDS(pthread_create(&sender, NULL, send_signals, NULL) == 0, "no thread");
    if (MAY_HAVE_THREADS) {
        HOLDS(pthread_create(&beside, NULL, write_beside, NULL) == 0, "no thread");
        targets[1] = beside;
        atomic_store(&target_count, 2);
        check_masks();
    }
    interrupt_every(5);
    write_all(0, STORM_ROWS);
    if (MAY_HAVE_THREADS) {
        /* A thread that has ended but was not joined can still be named. */
        void *given;
        while (pthread_tryjoin_np(beside, &given) == EBUSY && atomic_load(&target_count) == 2) {
            if (atomic_load(&all->rows[1]) == STORM_ROWS) atomic_store(&target_count, 1);
            usleep(1000);
        }
        if (atomic_load(&target_count) == 1) pthread_join(beside, NULL);
    }
    atomic_store(&storm_is_over, 1);
    pthread_join(sender, NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    setitimer(ITIMER_REAL, &none, NULL);
    kit_store_close(self.store);
    interrupt_every(0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int n = 1; n < 32; n++) HOLDS(sigismember(&before, n) == sigismember(&after, n), "the mask of signal %d", n);
    sigaction(SIGALRM, NULL, &found);
    HOLDS(found.sa_handler == count_signal && (found.sa_flags & SA_RESTART) == (p->sa_flags & SA_RESTART),
          "the handler was changed");
    double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9;
    atomic_store(&all->ready, (int)((double)atomic_load(&all->signals) / seconds));
    return 0;
}

static uint64_t judge_plan(const plan *p, int (*body)(void *), unsigned how, const char *what, verdict *v)
{
    *v = run_subject(body, (void *)(uintptr_t)p, what);
    uint64_t violations = v->violations + judge(p->path, how, what);
    test_remove_tree(p->path);
    return violations;
}

void test_signals(uint64_t seed, result *out)
{
    plan p = {.seed = seed, .flags = seed % 2 ? 0 : (uint32_t)STEPLOG_FORCE_PWRITE,
              .sa_flags = seed / 2 % 2 ? SA_RESTART : 0};
    verdict v;
    shared_reset();
    make_store(p.path, p.flags);
    out->violations += judge_plan(&p, weather_storm, 0, "signals", &v);
    if (v.status != 0) {
        complain("signals", "seed %llu: the subject ended with status %x", (unsigned long long)seed, (unsigned)v.status);
        out->violations++;
    }
    out->states += atomic_load(&all->signals);
    snprintf(out->seen, sizeof out->seen,
             "%d signals a second in the last run, with and without SA_RESTART, %llu system calls interrupted",
             atomic_load(&all->ready), (unsigned long long)atomic_load(&all->interrupted));
}

/* ---- SIGTERM, then SIGKILL ---- */

static volatile sig_atomic_t must_stop;

static void stop(int number)
{
    (void)number;
    must_stop = 1;
}

static int be_terminated(void *context)
{
    const plan *p = context;
    struct sigaction action = {.sa_handler = stop, .sa_flags = p->sa_flags};
    if (p->seed % 3) sigaction(SIGTERM, &action, NULL); /* else it just ends */
    subject_open(p->path, p->flags | (p->seed / 3 % 2 ? STEPLOG_NO_THREAD : 0));
    self.writer = subject_writer(0, &self.schema);
    pid_t parent = getpid(), killer = fork();
    if (killer == 0) {
        /* The grace that a scheduler gives; often it is too short. */
        test_random random = test_random_from(p->seed);
        usleep((useconds_t)test_random_below(&random, 30000));
        if (getppid() == parent) kill(parent, SIGTERM);
        usleep((useconds_t)test_random_below(&random, 4000));
        if (p->seed % 5 && getppid() == parent) kill(parent, SIGKILL);
        _exit(0);
    }
    while (!must_stop) append_own(self.writer, self.schema, 0);
    kit_writer_close(self.writer);
    kit_store_close(self.store);
    atomic_store(&all->ready, 1);
    waitpid(killer, NULL, 0);
    return 0;
}

void test_terminated(uint64_t seed, result *out)
{
    static uint64_t closed, killed;
    plan p = {.seed = seed, .flags = seed % 2 ? 0 : (uint32_t)STEPLOG_FORCE_PWRITE,
              .sa_flags = seed / 2 % 2 ? SA_RESTART : 0};
    verdict v;
    shared_reset();
    make_store(p.path, p.flags);
    out->violations += judge_plan(&p, be_terminated, JUDGE_IS_KILLED, "terminated", &v);
    int by = WIFSIGNALED(v.status) ? WTERMSIG(v.status) : 0;
    if (v.status != 0 && by != SIGKILL && !(by == SIGTERM && seed % 3 == 0)) {
        complain("terminated", "seed %llu: the subject ended with status %x", (unsigned long long)seed,
                 (unsigned)v.status);
        out->violations++;
    }
    closed += atomic_load(&all->ready) != 0;
    killed += atomic_load(&all->ready) == 0;
    out->states += atomic_load(&all->rows[0]);
    snprintf(out->seen, sizeof out->seen, "%llu closed in time, %llu did not", (unsigned long long)closed,
             (unsigned long long)killed);
}
