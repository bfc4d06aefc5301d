/* bench/floor.c: memcpy and XXH3 of records, into a shared file mapping. */
#include "floor.h"

#include "bench.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define RECORD_BYTES_MAX 1632u

static uint8_t source_bytes[FLOOR_SOURCE_ROWS * RECORD_BYTES_MAX];
static volatile uint64_t sink;

void floor_open(floor_map *f, size_t capacity, int is_warm)
{
    int fd = scratch_file(capacity);
    *f = (floor_map){.capacity = capacity};
    f->bytes = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (f->bytes == MAP_FAILED) die("cannot map the floor's file");
    close(fd);
    memset(source_bytes, 0x5a, sizeof source_bytes);
    for (size_t at = 0; is_warm && at < capacity; at += 4096) f->bytes[at] = 1;
}

void floor_close(floor_map *f)
{
    munmap(f->bytes, f->capacity);
    *f = (floor_map){0};
}

uint32_t record_bytes_of(uint32_t metric_count) { return 32 + 8 * metric_count; }

/* record_bytes is a constant in each caller's copy, as it can be in a program that writes its own rows. From 64
 * bytes on the C library's memcpy is called with a length that the compiler does not know: gcc would put a string
 * instruction there, which takes twice as long. */
static inline __attribute__((always_inline)) void copy_rows(uint8_t *to, uint32_t record_bytes, uint32_t row_count)
{
    uint64_t hash = 0;
    size_t copy_bytes = record_bytes;
    if (record_bytes >= 64) __asm__("" : "+r"(copy_bytes));
    for (uint32_t i = 0; i < row_count; i++) {
        const uint8_t *from = source_bytes + (size_t)(i % FLOOR_SOURCE_ROWS) * record_bytes;
        memcpy(to + (size_t)i * record_bytes, from, copy_bytes);
        hash ^= XXH3_64bits(from, record_bytes);
    }
    sink = hash;
}

void floor_rows(floor_map *f, uint32_t record_bytes, uint32_t row_count)
{
    size_t bytes = (size_t)row_count * record_bytes;
    if (f->at + bytes > f->capacity) f->at = 0;
    uint8_t *to = f->bytes + f->at;
    f->at += bytes;
    switch (record_bytes) {
    case 24: copy_rows(to, 24, row_count); break;
    case 40: copy_rows(to, 40, row_count); break;
    case 192: copy_rows(to, 192, row_count); break;
    case 432: copy_rows(to, 432, row_count); break;
    default: copy_rows(to, RECORD_BYTES_MAX, row_count); break;
    }
}

double floor_round(floor_map *f, uint32_t record_bytes, uint32_t row_count)
{
    int64_t begin = monotonic_ns();
    floor_rows(f, record_bytes, row_count);
    return (double)(monotonic_ns() - begin) / row_count;
}

void clock_read(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    sink += (uint64_t)t.tv_nsec;
}

double clock_round(uint32_t row_count)
{
    int64_t begin = monotonic_ns();
    for (uint32_t i = 0; i < row_count; i++) clock_read();
    return (double)(monotonic_ns() - begin) / row_count;
}
