/* bench/rival_codecs.h: other codecs for columns of doubles, to compare with.
 *
 * Gorilla and Chimp are written here from their papers, for comparison only: what they gain with cleverer code is
 * not counted against us, nor for us. All give back what they were given, bit for bit. */
#ifndef BENCH_RIVAL_CODECS_H
#define BENCH_RIVAL_CODECS_H

#include <stddef.h>
#include <stdint.h>

#define RIVAL_VALUES_MAX 65536u
#define RIVAL_BYTES_MAX(count) (16u * (count) + 1024u)

typedef struct rival {
    const char *name;
    size_t block_values; /* what it is given at a time */
    /* out has room for RIVAL_BYTES_MAX(count). Returns the bytes used. */
    size_t (*encode)(const double *values, size_t count, uint8_t *out);
    /* 0, or -1 when the bytes are no encoding. */
    int (*decode)(const uint8_t *in, size_t bytes, double *values, size_t count);
} rival;

/* XOR with the value before, window of meaningful bits kept while it fits (Pelkonen et al., "Gorilla: a fast,
 * scalable, in-memory time series database", VLDB 2015, section 4.1.2). */
size_t gorilla_encode(const double *values, size_t count, uint8_t *out);
int gorilla_decode(const uint8_t *in, size_t bytes, double *values, size_t count);

/* Leading zeros in three bits, trailing zeros only where there are more than six (Liakos et al., "Chimp: efficient
 * lossless floating point compression for time series databases", VLDB 2022, section 4). */
size_t chimp_encode(const double *values, size_t count, uint8_t *out);
int chimp_decode(const uint8_t *in, size_t bytes, double *values, size_t count);

/* The same with the best of the 128 values before (section 5). */
size_t chimp128_encode(const double *values, size_t count, uint8_t *out);
int chimp128_decode(const uint8_t *in, size_t bytes, double *values, size_t count);

#endif
