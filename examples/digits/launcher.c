/* launcher.c: starts the ranks, watches them, and stops all when one is lost.
 *
 * Each rank holds the write end of a pipe of its own. The launcher sleeps in poll():
 * a pipe that closes tells that its rank has ended, whatever the way; a byte asks for
 * the SIGKILL of --kill-at. The signal comes from outside while the rank works on, so it
 * strikes at no chosen place: between two instructions of an append just as well. */
#include "launcher.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct rank_process {
    pid_t pid; /* 0: not started, or ended */
    int pipe_fd;
} rank_process;

typedef struct launcher {
    const job_plan *job;
    launch_result *result;
    rank_process ranks[RANKS_MAX];
    bool is_stopping;
} launcher;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* In the child. A rank does not outlive its launcher. */
static _Noreturn void rank_run(const launcher *self, uint32_t rank, int report_fd, pid_t launcher_pid)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != launcher_pid) _exit(4);
    exit(rank_train(self->job, rank, report_fd));
}

static bool rank_start(launcher *self, uint32_t rank)
{
    int ends[2];
    const pid_t launcher_pid = getpid();
    if (pipe(ends) != 0) return false;
    const pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        for (uint32_t earlier = 0; earlier < rank; earlier++) close(self->ranks[earlier].pipe_fd);
        rank_run(self, rank, ends[1], launcher_pid);
    }
    close(ends[1]); /* before the next fork: only this rank may hold it */
    if (pid < 0) {
        close(ends[0]);
        return false;
    }
    self->ranks[rank] = (rank_process){pid, ends[0]};
    self->result->started_count++;
    return true;
}

static void stop_all(launcher *self)
{
    self->is_stopping = true;
    for (uint32_t rank = 0; rank < RANKS_MAX; rank++)
        if (self->ranks[rank].pid != 0) kill(self->ranks[rank].pid, SIGKILL);
}

/* A rank's pipe has closed: it ends or has ended. The first that is lost stops all. */
static void rank_ended(launcher *self, uint32_t rank)
{
    int status = 0;
    while (waitpid(self->ranks[rank].pid, &status, 0) < 0 && errno == EINTR) {}
    close(self->ranks[rank].pipe_fd);
    self->ranks[rank].pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    self->result->is_lost[rank] = true;
    if (self->result->lost_count++ == 0) {
        self->result->lost_first = rank;
        self->result->lost_status = status;
    }
    if (!self->is_stopping) stop_all(self);
}

static void rank_heard(launcher *self, uint32_t rank)
{
    char byte;
    const ssize_t bytes = read(self->ranks[rank].pipe_fd, &byte, 1);
    if (bytes > 0)
        kill(self->ranks[rank].pid, SIGKILL);
    else if (bytes == 0)
        rank_ended(self, rank);
}

/* Waits for whatever the ranks do next. False when all have ended. */
static bool watch(launcher *self)
{
    struct pollfd polls[RANKS_MAX];
    uint32_t ranks[RANKS_MAX];
    nfds_t count = 0;
    for (uint32_t rank = 0; rank < RANKS_MAX; rank++) {
        if (self->ranks[rank].pid == 0) continue;
        ranks[count] = rank;
        polls[count++] = (struct pollfd){.fd = self->ranks[rank].pipe_fd, .events = POLLIN};
    }
    if (count == 0) return false;
    if (poll(polls, count, -1) < 0) return true; /* a signal */
    for (nfds_t i = 0; i < count; i++)
        if (polls[i].revents != 0) rank_heard(self, ranks[i]);
    return true;
}

bool launch(const job_plan *job, launch_result *out)
{
    launcher self = {.job = job, .result = out};
    const double begin_s = now_s();
    bool is_started = true;

    memset(out, 0, sizeof *out);
    fflush(NULL); /* or each rank would print what is waiting once more */
    for (uint32_t rank = 0; rank < job->asked.rank_count && is_started; rank++) is_started = rank_start(&self, rank);
    if (!is_started) {
        fprintf(stderr, "digits: the ranks cannot be started: %s\n", strerror(errno));
        stop_all(&self);
    }
    while (watch(&self)) {}
    out->seconds = now_s() - begin_s;
    return is_started;
}
