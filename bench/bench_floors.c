/* bench/bench_floors.c: what this machine takes for the pieces that everything else is made of. */
#include "bench.h"

#include "floor.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAP_BYTES (16u << 20)
#define UNIT_BYTES (1u << 20)
#define PAGE_BYTES 4096u

static rounds r;
static uint8_t unit[UNIT_BYTES];

static void report_rounds(const char *name, const char *of)
{
    measurement m = measured(of, &r);
    report_as(&m, "%s", name);
    r.count = 0;
}

static void run_records(uint32_t record_bytes)
{
    floor_map f;
    char name[64];
    floor_open(&f, MAP_BYTES, 1);
    for (uint64_t i = 0; i < sized(10, 800, 800); i++) rounds_add(&r, floor_round(&f, record_bytes, 256));
    floor_close(&f);
    snprintf(name, sizeof name, "memcpy + XXH3 of %u bytes, warm mapping", (unsigned)record_bytes);
    report_rounds(name, "ns");
}

/* Each page of a new file is touched once. */
static void run_first_touch(void)
{
    floor_map f;
    floor_open(&f, MAP_BYTES, 0);
    for (uint32_t at = 0; at < MAP_BYTES; at += 64 * PAGE_BYTES) {
        int64_t begin = monotonic_ns();
        for (uint32_t i = 0; i < 64; i++) f.bytes[at + i * PAGE_BYTES] = 1;
        rounds_add(&r, (double)(monotonic_ns() - begin) * 1e-3 / 64);
    }
    floor_close(&f);
    report_rounds("first touch of an allocated page, mapped", "us");
}

static void run_writes(void)
{
    int fd = scratch_file(0);
    for (uint64_t i = 0; i < sized(10, 400, 400); i++) {
        int64_t begin = monotonic_ns();
        for (uint32_t k = 0; k < 64; k++)
            if (write(fd, unit, 192) != 192) die("cannot write");
        rounds_add(&r, (double)(monotonic_ns() - begin) / 64);
    }
    report_rounds("write of 192 bytes", "ns");
    for (uint64_t i = 0; i < sized(4, 64, 64); i++) {
        int64_t begin = monotonic_ns();
        if (pwrite(fd, unit, UNIT_BYTES, (off_t)(i * UNIT_BYTES)) != UNIT_BYTES) die("cannot write");
        rounds_add(&r, UNIT_BYTES * 1e-6 / ((double)(monotonic_ns() - begin) * 1e-9));
    }
    report_rounds("write by 1 MiB, page cache", "MB/s");
    for (uint64_t i = 0; i < sized(4, 64, 64); i++) {
        int64_t begin = monotonic_ns();
        if (pread(fd, unit, UNIT_BYTES, (off_t)(i * UNIT_BYTES)) != UNIT_BYTES) die("cannot read");
        rounds_add(&r, UNIT_BYTES * 1e-6 / ((double)(monotonic_ns() - begin) * 1e-9));
    }
    report_rounds("pread by 1 MiB, page cache", "MB/s");
    if (fdatasync(fd) != 0) die("cannot sync");
    for (uint64_t i = 0; i < sized(4, 200, 200); i++) {
        if (pwrite(fd, unit, PAGE_BYTES, (off_t)(i % 64 * PAGE_BYTES)) != PAGE_BYTES) die("cannot write");
        int64_t begin = monotonic_ns();
        if (fdatasync(fd) != 0) die("cannot sync");
        rounds_add(&r, (double)(monotonic_ns() - begin) * 1e-3);
    }
    report_rounds("fdatasync of 4 KiB, prewritten", "us");
    close(fd);
}

void bench_floors(void)
{
    report_section("Floors: the pieces, on this machine");
    for (uint64_t i = 0; i < sized(10, 400, 400); i++) rounds_add(&r, clock_round(256));
    report_rounds("clock read", "ns");
    run_records(24);
    run_records(192);
    run_records(432);
    run_first_touch();
    run_writes();
}
