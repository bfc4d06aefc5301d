/* bench/scratch.c: directories and processes that do not outlive the program. */
#include "scratch.h"

#include "report.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SCRATCH_MAX 64u
#define CHILDREN_MAX 64u

static char scratch[SCRATCH_MAX][512]; /* "" is a free place */
static pid_t children[CHILDREN_MAX];   /* 0 is a free place */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t owner;
static atomic_int is_ending;
static uint64_t byte_sum, file_sum;

static int remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
    (void)stat;
    (void)kind;
    (void)where;
    remove(path);
    return 0;
}

static int add_bytes(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
    (void)path;
    (void)where;
    if (kind == FTW_F) byte_sum += (uint64_t)stat->st_size, file_sum++;
    return 0;
}

static void sum_directory(const char *path)
{
    byte_sum = file_sum = 0;
    if (nftw(path, add_bytes, 16, FTW_PHYS) != 0) die("cannot list '%s'", path);
}

uint64_t directory_bytes(const char *path)
{
    sum_directory(path);
    return byte_sum;
}

uint64_t directory_files(const char *path)
{
    sum_directory(path);
    return file_sum;
}

static void remove_all(void)
{
    if (getpid() != owner) return; /* a child that ended: the directories are its parent's */
    for (size_t i = 0; i < SCRATCH_MAX; i++) {
        /* Background threads of open stores may still put files there. */
        for (int tries = 0; scratch[i][0] && tries < 50 && access(scratch[i], F_OK) == 0; tries++) {
            struct timespec pause = {0, tries ? 10000000 : 0};
            nanosleep(&pause, NULL);
            nftw(scratch[i], remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        }
    }
}

static void ending_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

static void *wait_for_signals(void *unused)
{
    sigset_t set;
    int signal_number = 0;
    (void)unused;
    ending_signals(&set);
    sigwait(&set, &signal_number);
    atomic_store(&is_ending, 1);
    pthread_mutex_lock(&list_lock);
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (children[i] > 0) kill(children[i], SIGKILL);
    remove_all();
    _exit(128 + signal_number);
}

void scratch_begin(void)
{
    sigset_t set;
    pthread_t thread;
    ending_signals(&set);
    owner = getpid();
    atexit(remove_all);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (pthread_create(&thread, NULL, wait_for_signals, NULL) != 0) die("cannot start a thread");
    pthread_detach(thread);
}

void scratch_await_end(void)
{
    while (atomic_load(&is_ending)) pause();
}

const char *scratch_parent(void)
{
    const char *parent = getenv("BENCH_DIR");
    return parent && *parent ? parent : "build";
}

void scratch_directory(char *path, size_t bytes)
{
    size_t place = 0;
    snprintf(path, bytes, "%s/bench-XXXXXX", scratch_parent());
    pthread_mutex_lock(&list_lock);
    while (place < SCRATCH_MAX && scratch[place][0]) place++;
    if (place < SCRATCH_MAX && mkdtemp(path)) snprintf(scratch[place], sizeof scratch[0], "%s", path);
    pthread_mutex_unlock(&list_lock);
    if (place == SCRATCH_MAX || !scratch[place][0]) die("cannot make directory '%s'", path);
}

void scratch_remove(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    pthread_mutex_lock(&list_lock);
    for (size_t i = 0; i < SCRATCH_MAX; i++)
        if (strcmp(scratch[i], path) == 0) scratch[i][0] = 0;
    pthread_mutex_unlock(&list_lock);
}

int scratch_file(size_t bytes)
{
    char path[600];
    snprintf(path, sizeof path, "%s/bench-file-XXXXXX", scratch_parent());
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0 || (bytes > 0 && posix_fallocate(fd, 0, (off_t)bytes) != 0)) die("cannot make '%s'", path);
    unlink(path);
    return fd;
}

/* ---- children ---- */

pid_t child_start(void)
{
    sigset_t set;
    size_t place = 0;
    pid_t parent = getpid();
    fflush(NULL);
    pthread_mutex_lock(&list_lock);
    while (place < CHILDREN_MAX && children[place] != 0) place++;
    pid_t child = place < CHILDREN_MAX ? fork() : -1;
    if (child > 0) children[place] = child;
    pthread_mutex_unlock(&list_lock);
    if (child < 0) die("cannot fork");
    if (child > 0) return child;
    memset(children, 0, sizeof children); /* they are its siblings */
    ending_signals(&set);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    return 0;
}

void child_ended(pid_t child)
{
    pthread_mutex_lock(&list_lock);
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (children[i] == child) children[i] = 0;
    pthread_mutex_unlock(&list_lock);
}

void child_wait(pid_t child, const char *what)
{
    int state = 0;
    if (waitpid(child, &state, 0) != child) die("%s: no child to wait for", what);
    child_ended(child);
    if (!WIFEXITED(state) || WEXITSTATUS(state) != 0) die("%s failed", what);
}

/* What fits is kept, the rest read and dropped. */
static void read_all(int fd, char *out, size_t bytes)
{
    char rest[4096];
    size_t at = 0;
    for (;;) {
        int is_room = at + 1 < bytes;
        ssize_t count = read(fd, is_room ? out + at : rest, is_room ? bytes - at - 1 : sizeof rest);
        if (count <= 0) break;
        if (is_room) at += (size_t)count;
    }
    if (bytes > 0) out[at] = 0;
}

int command_run(const char *const *arguments, char *out, size_t out_bytes)
{
    int ends[2], state = 0;
    if (pipe2(ends, O_CLOEXEC) != 0) die("cannot make a pipe");
    pid_t child = child_start();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execv(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    close(ends[1]);
    read_all(ends[0], out, out ? out_bytes : 0);
    close(ends[0]);
    if (waitpid(child, &state, 0) != child) die("no child to wait for");
    child_ended(child);
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

void *shared_new(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) die("no memory");
    return memory;
}

void shared_free(void *memory, size_t bytes) { munmap(memory, bytes); }

uint64_t process_io(const char *field)
{
    char line[128];
    uint64_t value = 0;
    FILE *f = fopen("/proc/self/io", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0) value = strtoull(line + strlen(field), NULL, 10);
    if (f) fclose(f);
    return value;
}
