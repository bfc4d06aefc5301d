/* fuzz/fuzz.h: what the fuzz targets share.
 *
 * A target is one file fuzz_NAME.c with LLVMFuzzerTestOneInput(), and LLVMFuzzerCustomMutator() where inputs carry
 * checksums. It uses nothing of libFuzzer itself, so that the same file is linked with libFuzzer, with AFL++, and with
 * replay.c, whose main() runs files and mutations of its own. What must hold and does not aborts. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's names. The last one is libFuzzer's own, or that of mutate.c. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t bytes_max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t bytes_max);

/* The condition must hold for any input; the rest is printf's. */
#define FUZZ_HOLDS(condition, ...)                                                \
    do {                                                                          \
        if (!(condition)) fuzz_fail(__FILE__, __LINE__, #condition, __VA_ARGS__); \
    } while (0)
_Noreturn void fuzz_fail(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Promise P6: hostile bytes cost at most this much memory beyond what the caller asked for. */
#define FUZZ_MEMORY_BYTES_MAX (16u << 20)

/* From here to the end the library's allocations are counted. More than bytes_max at one time aborts, and so does, at
 * the end, a byte that was not given back. Not nested. */
void fuzz_memory_begin(size_t bytes_max);
void fuzz_memory_allow(size_t bytes); /* that the caller has asked for just now, beyond bytes_max */
void fuzz_memory_end(void);

/* Takes an input apart from its front; what is not there reads as zero. */
typedef struct fuzz_input {
    const uint8_t *at;
    size_t left;
} fuzz_input;
static inline fuzz_input fuzz_input_of(const uint8_t *data, size_t bytes) { return (fuzz_input){data, bytes}; }
uint64_t fuzz_take(fuzz_input *input, unsigned bytes); /* up to 8, little-endian */

/* A copy of bytes in a block of exactly bytes + slack, the slack filled with fill: so that reading further is seen. The
 * caller frees it. */
uint8_t *fuzz_copy(const uint8_t *data, size_t bytes, size_t slack, uint8_t fill);

/* What the tool's parts print on stdout and stderr goes nowhere between these; what a sanitizer says is still seen. */
void fuzz_quiet_begin(void);
void fuzz_quiet_end(void);

/* Calls a main() and gives its code, also when it calls exit(). */
int fuzz_call_tool(int (*tool)(int argc, char **argv), int argc, char **argv);

/* Reads every byte, so that a sanitizer sees where a lent pointer leads. */
void fuzz_touch(const void *data, size_t bytes);

#endif
