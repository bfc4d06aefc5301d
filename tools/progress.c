/* progress.c: the line that verify, compact and merge show on a terminal while they work.
 *
 * Work in the library is stopped through its callback, never by ending the program in the middle: what a store
 * survives need not be tried out by everyone who presses Ctrl-C. */
#include "progress.h"

#include "number.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define QUIET_MS 500 /* work that is done by then shows nothing */
#define BETWEEN_MS 100

static volatile sig_atomic_t stop_signal;
static struct sigaction old_int, old_term;

static void take_signal(int number)
{
    stop_signal = number; /* SA_RESETHAND: the next one has its usual effect */
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void progress_begin(progress *p, const char *what)
{
    *p = (progress){.what = what, .is_terminal = isatty(STDERR_FILENO) == 1, .begin_ms = now_ms()};
    struct sigaction action = {.sa_handler = take_signal, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    sigemptyset(&action.sa_mask);
    stop_signal = 0;
    sigaction(SIGINT, NULL, &old_int);
    sigaction(SIGTERM, NULL, &old_term);
    /* What the caller chose to ignore (nohup, a shell's background) stays ignored. */
    if (old_int.sa_handler != SIG_IGN) sigaction(SIGINT, &action, NULL);
    if (old_term.sa_handler != SIG_IGN) sigaction(SIGTERM, &action, NULL);
}

int progress_tick(void *context, uint64_t done, uint64_t total)
{
    progress *p = context;
    if (stop_signal != 0) return 1;
    if (!p->is_terminal) return 0;
    const int64_t now = now_ms();
    if (now - p->begin_ms < QUIET_MS || now - p->shown_ms < BETWEEN_MS) return 0;
    char done_text[NUMBER_TEXT_BYTES], total_text[NUMBER_TEXT_BYTES];
    number_format_bytes(done, done_text);
    number_format_bytes(total, total_text);
    const unsigned percent = total == 0 || done >= total ? 100 : (unsigned)((double)done / (double)total * 100);
    fprintf(stderr, "\r\033[K%s: %u%% (%s of %s)", p->what, percent, done_text, total_text);
    fflush(stderr);
    p->shown_ms = now;
    p->is_shown = true;
    return 0;
}

void progress_hide(progress *p)
{
    if (!p->is_shown) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->is_shown = false;
}

bool progress_end(progress *p)
{
    progress_hide(p);
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    return stop_signal != 0;
}
