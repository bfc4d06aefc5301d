/* bench/peers/peer.h: one store as the programs here drive it: what it is called, what it promises, and calls to hand
 * over steps, load many, compact and read a series back. A peer whose library was not there when this was built is
 * left out: its symbol is weak. */
#ifndef BENCH_PEERS_PEER_H
#define BENCH_PEERS_PEER_H

#include "workload.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The rows that every peer gets, made before any clock starts. */
typedef struct peer_data {
    workload_kind kind;
    uint32_t metric_count;
    size_t row_count;
    const int64_t *steps, *times_ns;
    const double *values; /* row by row */
    const char (*names)[64];
} peer_data;

/* Where a scan puts what it reads. The timed passes add everything up, so that nothing can be skipped; a checked pass
 * compares each row with the one that was handed over. */
typedef struct peer_sink {
    uint64_t count, step_sum, time_sum, value_sum; /* values by their bits */
    const peer_data *expected;                     /* NULL: sums only */
    uint32_t metric;
    uint64_t different_count;
} peer_sink;

/* Null pointers are calls that a peer does not have. Whatever goes wrong in a call ends the program. */
typedef struct peer {
    const char *name;
    const char *key;        /* for the command line and for directories */
    const char *durability; /* of a step whose hand-over has returned */
    int is_floor;           /* a plain file */
    const char *(*version)(void);
    /* Steps one by one. There is no close: the process that hands them over is killed. */
    void *(*open)(const char *directory, const peer_data *data);
    void (*step)(void *handle, int64_t step, int64_t time_ns, const double *values);
    /* All rows at the best batching; on the disk when it returns. */
    void (*load)(const char *directory, const peer_data *data);
    void (*compact)(const char *directory);
    void *(*open_reader)(const char *directory, const peer_data *data);
    void (*scan)(void *reader, uint32_t metric, peer_sink *out);
} peer;

#define WEAK __attribute__((weak))
extern const peer peer_steplog, peer_binary, peer_jsonl;
extern const peer peer_sqlite WEAK, peer_sqlite_points WEAK, peer_lmdb WEAK, peer_lmdb_series WEAK;
extern const peer peer_leveldb WEAK, peer_leveldb_points WEAK, peer_rocksdb WEAK, peer_rocksdb_points WEAK;

static inline uint64_t peer_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline const double *peer_row(const peer_data *data, size_t row)
{
    return data->values + row * data->metric_count;
}

static inline void peer_sink_row(peer_sink *s, int64_t step, int64_t time_ns, double value)
{
    const peer_data *d = s->expected;
    if (d && (s->count >= d->row_count || step != d->steps[s->count] || time_ns != d->times_ns[s->count] ||
              peer_bits(value) != peer_bits(peer_row(d, s->count)[s->metric])))
        s->different_count++;
    s->step_sum += (uint64_t)step;
    s->time_sum += (uint64_t)time_ns;
    s->value_sum += peer_bits(value);
    s->count++;
}

static inline void peer_sink_rows(peer_sink *s, const int64_t *steps, const int64_t *times_ns, const double *values,
                                  size_t count)
{
    if (s->expected) {
        for (size_t i = 0; i < count; i++) peer_sink_row(s, steps[i], times_ns[i], values[i]);
        return;
    }
    uint64_t step_sum = 0, time_sum = 0, value_sum = 0;
    for (size_t i = 0; i < count; i++) {
        step_sum += (uint64_t)steps[i];
        time_sum += (uint64_t)times_ns[i];
        value_sum += peer_bits(values[i]);
    }
    s->step_sum += step_sum;
    s->time_sum += time_sum;
    s->value_sum += value_sum;
    s->count += count;
}

/* Keys that sort as bytes. */
static inline void peer_put_big_endian(uint8_t out[8], uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(out, &value, sizeof value);
}
static inline uint64_t peer_get_big_endian(const void *in)
{
    uint64_t value;
    memcpy(&value, in, sizeof value);
    return __builtin_bswap64(value);
}

/* A step as a record of a key-value store: its key is the step, its value the time and the values. */
#define PEER_RECORD_VALUES_MAX (1 + WORKLOAD_METRICS_MAX)
static inline size_t peer_record(double out[PEER_RECORD_VALUES_MAX], int64_t time_ns, const double *values,
                                 uint32_t count)
{
    memcpy(out, &time_ns, sizeof time_ns);
    memcpy(out + 1, values, count * sizeof *values);
    return (1 + count) * sizeof *out;
}

/* A point as a record: its key is metric and step, its value the time and the value. */
#define PEER_POINT_KEY_BYTES 10
static inline void peer_point_key(uint8_t out[PEER_POINT_KEY_BYTES], uint32_t metric, int64_t step)
{
    out[0] = (uint8_t)(metric >> 8);
    out[1] = (uint8_t)metric;
    peer_put_big_endian(out + 2, (uint64_t)step);
}

void peer_path(char out[1024], const char *directory, const char *name);
void peer_sync_directory(const char *directory); /* every file in it */

#endif
