/* bench/bench_codec.c: value blocks by themselves: 1024 doubles to bytes and back.
 *
 * The only file here that looks below include/: no call of the public interface encodes without writing. */
#include "bench.h"
#include "timing.h"

#include "format/value_codec.h"

#include <stdio.h>
#include <string.h>

#define BLOCKS 16u
#define ROUNDS 60u

static double values[BLOCKS][SL_BLOCK_VALUES_MAX];
static double back[SL_BLOCK_VALUES_MAX];
static uint8_t encoded[BLOCKS][SL_VALUE_ENCODED_BYTES_MAX(SL_BLOCK_VALUES_MAX) + SL_DECODE_SLACK_BYTES];
static size_t encoded_bytes[BLOCKS];
static rounds encode_rounds, decode_rounds;

static void fill(uint32_t metric)
{
    workload w;
    double row[WORKLOAD_METRICS_MAX];
    int64_t step, time_ns;
    workload_init(&w, W20, BENCH_SEED);
    for (uint32_t b = 0; b < BLOCKS; b++)
        for (uint32_t i = 0; i < SL_BLOCK_VALUES_MAX; i++) {
            workload_next(&w, &step, &time_ns, row);
            values[b][i] = row[metric];
        }
}

/* What W20 has not: means of ten readings of two decimals, shares of 1319, one of 40 doubles. */
static void fill_special(unsigned kind)
{
    uint64_t state = BENCH_SEED;
    for (uint32_t b = 0; b < BLOCKS; b++)
        for (uint32_t i = 0; i < SL_BLOCK_VALUES_MAX; i++) {
            double sum = 0;
            for (int n = 0; n < 10; n++) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                sum += (double)(2000 + (state >> 33) % 1000) / 100;
            }
            values[b][i] = kind == 0 ? sum / 10 : kind == 1 ? (double)(400 + (state >> 33) % 200) / 1319
                                                            : 1 / (3.7 + (double)((state >> 33) % 40));
        }
}

static void run_values(const char *what)
{
    char name[64];
    size_t bytes = 0;
    const char *why = "";
    encode_rounds.count = decode_rounds.count = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        int64_t begin = monotonic_ns();
        for (uint32_t b = 0; b < BLOCKS; b++)
            encoded_bytes[b] = sl_value_encode(values[b], SL_BLOCK_VALUES_MAX, encoded[b]);
        int64_t middle = monotonic_ns();
        for (uint32_t b = 0; b < BLOCKS; b++)
            if (sl_value_decode(encoded[b], encoded_bytes[b], SL_BLOCK_VALUES_MAX, back, &why) < 0)
                die("%s: %s", what, why);
        int64_t end = monotonic_ns();
        rounds_add(&encode_rounds, (double)(middle - begin) / (BLOCKS * SL_BLOCK_VALUES_MAX));
        rounds_add(&decode_rounds, (double)(end - middle) / (BLOCKS * SL_BLOCK_VALUES_MAX));
    }
    for (uint32_t b = 0; b < BLOCKS; b++) {
        bytes += encoded_bytes[b];
        if (sl_value_decode(encoded[b], encoded_bytes[b], SL_BLOCK_VALUES_MAX, back, &why) < 0 ||
            memcmp(back, values[b], sizeof back) != 0)
            die("%s: block %u does not come back", what, (unsigned)b);
    }
    spread e = rounds_spread(&encode_rounds), d = rounds_spread(&decode_rounds);
    static char names[32][64];
    static size_t name_count;
    if (name_count + 3 > 32) return;
    snprintf(names[name_count], sizeof name, "encode, %s", what);
    report(
        &(measurement){.name = names[name_count++], .unit = "ns/value", .value = e.median, .p10 = e.p10, .p90 = e.p90});
    snprintf(names[name_count], sizeof name, "decode, %s", what);
    report(&(measurement){.name = names[name_count++],
                          .unit = "ns/value",
                          .value = d.median,
                          .p10 = d.p10,
                          .p90 = d.p90,
                          .target = 0.67});
    snprintf(names[name_count], sizeof name, "size, %s", what);
    report(&(measurement){
        .name = names[name_count++], .unit = "bytes", .value = (double)bytes / (BLOCKS * SL_BLOCK_VALUES_MAX)});
}

static void run_column(const char *what, uint32_t metric)
{
    fill(metric);
    run_values(what);
}

static void run_special(const char *what, unsigned kind)
{
    fill_special(kind);
    run_values(what);
}

void bench_codec(void)
{
    report_section("Value blocks of 1024 (columns of W20, and others), without checksums");
    run_column("noisy float32", 0);
    run_column("cosine", 8);
    run_column("4 decimals", 11);
    run_column("counter", 14);
    run_column("noisy float64", 17);
    run_column("constant", 19);
    run_special("means of decimals", 0);
    run_special("shares of a count", 1);
    run_special("few values", 2);
}
