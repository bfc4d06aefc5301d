/* bench/floor.h: what no kill-safe, checksummed log can avoid: memcpy of a record's bytes into a shared file mapping
 * and XXH3-64 of the same bytes, inlined, at the same optimisation as the library. */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <stddef.h>
#include <stdint.h>

#define FLOOR_SOURCE_ROWS 64u /* what a training loop has just computed is in the nearest cache */

typedef struct floor_map {
    uint8_t *bytes;
    size_t capacity, at;
} floor_map;

/* is_warm: the pages are touched and mapped; else they are allocated on the disk and not touched yet. */
void floor_open(floor_map *f, size_t capacity, int is_warm);
void floor_close(floor_map *f);

/* The bytes of a row's record with so many metrics: 32 and 8 for each. */
uint32_t record_bytes_of(uint32_t metric_count);

/* Copies and hashes row_count records. record_bytes: 24, 40, 192, 432 or 1632. */
void floor_rows(floor_map *f, uint32_t record_bytes, uint32_t row_count);

/* Nanoseconds for each of row_count copies, and for a look at the clock. */
double floor_round(floor_map *f, uint32_t record_bytes, uint32_t row_count);
double clock_round(uint32_t row_count);
/* One look at the clock as the library looks, for loops that are timed from outside. */
void clock_read(void);

#endif
