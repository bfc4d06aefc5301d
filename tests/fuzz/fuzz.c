/* fuzz/fuzz.c: what must hold, counted memory, inputs taken apart. */
#include "fuzz/fuzz.h"

#include "base/memory.h"

#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_fail(const char *file, int line, const char *condition, const char *format, ...)
{
    va_list list;
    fuzz_quiet_end();
    va_start(list, format);
    fprintf(stderr, "%s:%d: does not hold: %s: ", file, line, condition);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    abort();
}

/* ---- memory ---- */

static pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER;
static size_t memory_used, memory_max;

static void *resize_counted(void *old, size_t bytes)
{
    pthread_mutex_lock(&memory_lock);
    size_t before = old ? malloc_usable_size(old) : 0;
    /* A block that moves is there twice for a moment; that moment is not counted, it is gone before we return. */
    FUZZ_HOLDS(bytes <= memory_max && memory_used - before <= memory_max - bytes,
               "%zu bytes in use and %zu more wanted where %zu are allowed", memory_used - before, bytes, memory_max);
    void *fresh = realloc(old, bytes);
    if (fresh) memory_used = memory_used - before + malloc_usable_size(fresh);
    pthread_mutex_unlock(&memory_lock);
    return fresh;
}

static void release_counted(void *old)
{
    pthread_mutex_lock(&memory_lock);
    memory_used -= malloc_usable_size(old);
    pthread_mutex_unlock(&memory_lock);
    free(old);
}

void fuzz_memory_begin(size_t bytes_max)
{
    memory_used = 0;
    memory_max = bytes_max;
    sl_memory_functions.resize = resize_counted;
    sl_memory_functions.release = release_counted;
}

void fuzz_memory_allow(size_t bytes)
{
    pthread_mutex_lock(&memory_lock);
    memory_max += bytes;
    pthread_mutex_unlock(&memory_lock);
}

void fuzz_memory_end(void)
{
    sl_memory_functions.resize = realloc;
    sl_memory_functions.release = free;
    FUZZ_HOLDS(memory_used == 0, "%zu bytes were not given back", memory_used);
}

/* ---- words ---- */

static FILE *real_stdout, *real_stderr;

void fuzz_quiet_begin(void)
{
    static FILE *sink;
    if (!sink) sink = fopen("/dev/null", "w");
    if (!sink) abort();
    real_stdout = stdout;
    real_stderr = stderr;
    stdout = stderr = sink;
}

void fuzz_quiet_end(void)
{
    if (real_stdout) stdout = real_stdout;
    if (real_stderr) stderr = real_stderr;
}

/* ---- inputs ---- */

uint64_t fuzz_take(fuzz_input *input, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes && input->left > 0; i++, input->at++, input->left--)
        value |= (uint64_t)*input->at << (8 * i);
    return value;
}

uint8_t *fuzz_copy(const uint8_t *data, size_t bytes, size_t slack, uint8_t fill)
{
    uint8_t *copy = malloc(bytes + slack + (bytes + slack == 0));
    if (!copy) abort();
    if (bytes) memcpy(copy, data, bytes);
    memset(copy + bytes, fill, slack);
    return copy;
}

void fuzz_touch(const void *data, size_t bytes)
{
    const volatile uint8_t *at = data;
    for (size_t i = 0; i < bytes; i++) (void)at[i];
}
