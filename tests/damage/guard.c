/* damage/guard.c: counting memory, watching time. */
#include "damage/guard.h"

#include "base/memory.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECONDS = 60 };

static size_t held, peak;
static const char *watched;

static void *counting_resize(void *old, size_t bytes)
{
    size_t before = old ? malloc_usable_size(old) : 0;
    void *memory = realloc(old, bytes);
    if (!memory) return NULL;
    held += malloc_usable_size(memory) - before;
    if (held > peak) peak = held;
    return memory;
}

static void counting_release(void *old)
{
    if (old) held -= malloc_usable_size(old);
    free(old);
}

/* Only what a signal handler may do. */
static void give_up(int signal_number)
{
    static const char hang[] = "not ok - hang: ";
    (void)signal_number;
    if (write(2, hang, sizeof hang - 1) < 0 || (watched && write(2, watched, strlen(watched)) < 0) ||
        write(2, "\n", 1) < 0)
        _exit(3);
    _exit(3);
}

void guard_begin(void)
{
    sl_memory_functions.resize = counting_resize;
    sl_memory_functions.release = counting_release;
    signal(SIGALRM, give_up);
}

size_t guard_peak_bytes(void) { return peak; }

size_t guard_held_bytes(void) { return held; }

void guard_reset(void) { peak = held; }

void guard_watch(const char *words)
{
    watched = words;
    alarm(words ? SECONDS : 0);
}
