/* damage/guard.c: counting memory, watching time. */
#include "damage/guard.h"

#include "base/memory.h"

#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

enum { SECONDS = 60 };

static size_t held, peak;
static size_t fails_in; /* so many allocations from now */
static int has_failed;
static const char *watched;

static int is_refused(void)
{
    if (fails_in == 0 || --fails_in) return 0;
    return has_failed = 1;
}

static void took(size_t bytes)
{
    held += bytes;
    if (held > peak) peak = held;
}

#ifdef __SANITIZE_ADDRESS__
static void *counting_resize(void *old, size_t bytes)
{
    size_t before = old ? malloc_usable_size(old) : 0;
    void *memory = is_refused() ? NULL : realloc(old, bytes);
    if (!memory) return NULL;
    held -= before;
    took(malloc_usable_size(memory));
    return memory;
}

static void counting_release(void *old)
{
    if (old) held -= malloc_usable_size(old);
    free(old);
}
#else
/* Millions of cases ask for the same few sizes: blocks that are given back are kept, by size. */
typedef struct piece {
    union {
        struct piece *next; /* while it is kept */
        size_t class_index; /* while it is in use */
    } u;
    size_t bytes; /* behind this head */
} piece;

enum { CLASSES = 4 * 64, SMALLEST = 32 };
static piece *kept[CLASSES];

/* Four sizes in each doubling. bytes: more than SMALLEST / 2. */
static size_t class_of(size_t bytes, size_t *rounded)
{
    unsigned doubling = 63u - (unsigned)__builtin_clzll(bytes - 1);
    size_t quarter = (size_t)1 << (doubling - 2);
    size_t quarters = (bytes - 1) / quarter + 1; /* 5 to 8 */
    *rounded = quarters * quarter;
    return 4 * doubling + quarters - 5;
}

static void *counting_resize(void *old, size_t bytes)
{
    piece *before = old ? (piece *)old - 1 : NULL;
    size_t rounded;
    if (is_refused()) return NULL;
    if (before && bytes <= before->bytes) return old;
    if (bytes > SIZE_MAX / 4) return NULL;
    size_t index = class_of(bytes < SMALLEST ? SMALLEST : bytes, &rounded);
    piece *p = kept[index];
    if (p) kept[index] = p->u.next;
    else if ((p = malloc(sizeof *p + rounded)) == NULL) return NULL;
    *p = (piece){.u.class_index = index, .bytes = rounded};
    took(rounded);
    if (before) {
        memcpy(p + 1, old, before->bytes);
        sl_memory_functions.release(old);
    }
    return p + 1;
}

static void counting_release(void *old)
{
    if (!old) return;
    piece *p = (piece *)old - 1;
    size_t index = p->u.class_index;
    held -= p->bytes;
    p->u.next = kept[index];
    kept[index] = p;
}
#endif

/* Only what a signal handler may do. */
static void say(const char *what)
{
    const char *parts[] = {"not ok - ", what, ": ", watched ? watched : "between two cases", "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (write(2, parts[i], strlen(parts[i])) < 0) return;
}

static void give_up(int signal_number)
{
    (void)signal_number;
    say("hang");
    _exit(3);
}

/* Which case it was, before the process ends as it would have. */
static void crash(void) { say("crash"); }

#ifdef __SANITIZE_ADDRESS__
static void watch_crashes(void) { __sanitizer_set_death_callback(crash); }
#else
static void die(int signal_number)
{
    crash();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void watch_crashes(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) signal(signals[i], die);
}
#endif

void guard_begin(void)
{
    sl_memory_functions.resize = counting_resize;
    sl_memory_functions.release = counting_release;
    signal(SIGALRM, give_up);
    watch_crashes();
}

size_t guard_peak_bytes(void) { return peak; }

size_t guard_held_bytes(void) { return held; }

void guard_reset(void) { peak = held; }

void guard_fail(size_t number)
{
    fails_in = number;
    has_failed = 0;
}

int guard_has_failed(void) { return has_failed; }

void guard_watch(const char *words)
{
    watched = words;
    alarm(words ? SECONDS : 0);
}
