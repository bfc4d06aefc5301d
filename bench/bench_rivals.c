/* bench/bench_rivals.c: our value blocks beside other codecs, on each kind of column of W20 and W50.
 *
 * Bits a value, and values a second in and out, of 65,536 values of each column. Ours, Gorilla and Chimp get blocks of
 * 1024 values, as they are stored; LZ4 and zstd get them, too, and once all values at a time, which is to their
 * advantage. Everything is decoded and compared. No checksums but in the second line of ours, as blocks are stored. */
#include "bench.h"

#include "format/value_codec.h"
#include "plot.h"
#include "rival_codecs.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <lz4.h>
#ifdef BENCH_ZSTD
#include <zstd.h>
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES RIVAL_VALUES_MAX
#define BLOCK 1024u
#define RIVALS_MAX 16u

#define CHECKED "steplog, checksums on"
#define DECODE_LEAST 1500.0 /* Mvalue/s: the design's target for all columns with checksums on */

static double column[VALUES], back[VALUES + BLOCK];
static uint8_t encoded[VALUES / BLOCK * RIVAL_BYTES_MAX(BLOCK) + RIVAL_BYTES_MAX(VALUES)];

static size_t ours_encode(const double *values, size_t count, uint8_t *out)
{
    return sl_value_encode(values, count, out);
}
static int ours_decode(const uint8_t *in, size_t bytes, double *values, size_t count)
{
    const char *why = "";
    return sl_value_decode(in, bytes, count, values, &why) < 0 ? -1 : 0;
}

/* As a page of a segment has it: behind the block its XXH3, which is compared before the block is decoded. */
static size_t checked_encode(const double *values, size_t count, uint8_t *out)
{
    size_t bytes = sl_value_encode(values, count, out);
    uint64_t hash = XXH3_64bits(out, bytes);
    memcpy(out + bytes, &hash, sizeof hash);
    return bytes + sizeof hash;
}
static int checked_decode(const uint8_t *in, size_t bytes, double *values, size_t count)
{
    uint64_t hash;
    if (bytes < sizeof hash) return -1;
    bytes -= sizeof hash;
    memcpy(&hash, in + bytes, sizeof hash);
    return hash == XXH3_64bits(in, bytes) ? ours_decode(in, bytes, values, count) : -1;
}

static size_t lz4_encode(const double *values, size_t count, uint8_t *out)
{
    return (size_t)LZ4_compress_default((const char *)values, (char *)out, (int)(count * 8),
                                        (int)RIVAL_BYTES_MAX(count));
}
static int lz4_decode(const uint8_t *in, size_t bytes, double *values, size_t count)
{
    int done = LZ4_decompress_safe((const char *)in, (char *)values, (int)bytes, (int)(count * 8));
    return done == (int)(count * 8) ? 0 : -1;
}

#ifdef BENCH_ZSTD
static uint8_t shuffled[VALUES * 8];

/* Byte 0 of all values, byte 1 of all values... */
static void shuffle(const double *values, size_t count)
{
    const uint8_t *bytes = (const uint8_t *)values;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < 8; k++) shuffled[k * count + i] = bytes[8 * i + k];
}
static void shuffle_back(double *values, size_t count)
{
    uint8_t *bytes = (uint8_t *)values;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < 8; k++) bytes[8 * i + k] = shuffled[k * count + i];
}

static ZSTD_CCtx *zstd_in;
static ZSTD_DCtx *zstd_out;

static size_t zstd_encode(const double *values, size_t count, uint8_t *out)
{
    return ZSTD_compressCCtx(zstd_in, out, RIVAL_BYTES_MAX(count), values, count * 8, 3);
}
static int zstd_decode(const uint8_t *in, size_t bytes, double *values, size_t count)
{
    return ZSTD_decompressDCtx(zstd_out, values, count * 8, in, bytes) == count * 8 ? 0 : -1;
}
static size_t shuffled_encode(const double *values, size_t count, uint8_t *out)
{
    shuffle(values, count);
    return ZSTD_compressCCtx(zstd_in, out, RIVAL_BYTES_MAX(count), shuffled, count * 8, 3);
}
static int shuffled_decode(const uint8_t *in, size_t bytes, double *values, size_t count)
{
    if (ZSTD_decompressDCtx(zstd_out, shuffled, count * 8, in, bytes) != count * 8) return -1;
    shuffle_back(values, count);
    return 0;
}
#endif

static const rival rivals[] = {
    {"steplog", BLOCK, ours_encode, ours_decode},
    {CHECKED, BLOCK, checked_encode, checked_decode},
    {"Gorilla", BLOCK, gorilla_encode, gorilla_decode},
    {"Chimp", BLOCK, chimp_encode, chimp_decode},
    {"Chimp128", BLOCK, chimp128_encode, chimp128_decode},
    {"LZ4", BLOCK, lz4_encode, lz4_decode},
    {"LZ4, 512 KiB", VALUES, lz4_encode, lz4_decode},
#ifdef BENCH_ZSTD
    {"zstd -3", BLOCK, zstd_encode, zstd_decode},
    {"zstd -3, 512 KiB", VALUES, zstd_encode, zstd_decode},
    {"shuffle + zstd -3", BLOCK, shuffled_encode, shuffled_decode},
    {"shuffle + zstd -3, 512 KiB", VALUES, shuffled_encode, shuffled_decode},
#endif
};
enum { RIVALS = sizeof rivals / sizeof *rivals };

typedef struct cost {
    double bits, encode_ns, decode_ns; /* of a value */
} cost;

static void fill(workload_kind kind, uint32_t metric)
{
    workload w;
    double row[WORKLOAD_METRICS_MAX];
    int64_t step, time_ns;
    workload_init(&w, kind, BENCH_SEED);
    for (uint32_t i = 0; i < VALUES; i++) {
        workload_next(&w, &step, &time_ns, row);
        column[i] = row[metric];
    }
}

/* The least of some rounds, as all of them do the same work. */
static cost run_rival(const rival *r)
{
    static size_t at[VALUES / BLOCK + 1];
    size_t blocks = VALUES / r->block_values;
    cost least = {0};
    for (uint64_t round = 0; round < sized(1, 7, 25); round++) {
        int64_t begin = monotonic_ns();
        for (size_t b = 0; b < blocks; b++)
            at[b + 1] = at[b] + r->encode(column + b * r->block_values, r->block_values, encoded + at[b]);
        int64_t middle = monotonic_ns();
        int failed = 0;
        for (size_t b = 0; b < blocks; b++)
            failed |= r->decode(encoded + at[b], at[b + 1] - at[b], back + b * r->block_values, r->block_values);
        int64_t end = monotonic_ns();
        if (failed || memcmp(back, column, sizeof column) != 0) die("%s: a column does not come back", r->name);
        cost c = {8.0 * (double)at[blocks] / VALUES, (double)(middle - begin) / VALUES,
                  (double)(end - middle) / VALUES};
        if (round == 0 || c.encode_ns < least.encode_ns) least.encode_ns = c.encode_ns;
        if (round == 0 || c.decode_ns < least.decode_ns) least.decode_ns = c.decode_ns;
        least.bits = c.bits;
        memset(back, 0, sizeof back);
    }
    return least;
}

static void report_cost(const char *what, const rival *r, const cost *c)
{
    printf("  %-28s %10.3f %12.1f %12.1f\n", r->name, c->bits, 1e3 / c->encode_ns, 1e3 / c->decode_ns);
    report_silently(&(measurement){.unit = "bits/value", .value = c->bits}, "%s, %s, size", what, r->name);
    report_silently(&(measurement){.unit = "Mvalue/s", .value = 1e3 / c->encode_ns}, "%s, %s, encode", what, r->name);
    int has_target = strcmp(r->name, CHECKED) == 0 && strstr(what, "all columns");
    report_silently(
        &(measurement){.unit = "Mvalue/s", .value = 1e3 / c->decode_ns, .target = has_target ? DECODE_LEAST : 0},
        "%s, %s, decode", what, r->name);
    if (has_target) report_note("decoded with checksums on: wanted >= %.0f Mvalue/s", DECODE_LEAST);
}

static void report_head(const char *what)
{
    printf("%-30s %10s %12s %12s\n", what, "bits/value", "Mvalue/s in", "Mvalue/s out");
}

static void run_column(const char *what, workload_kind kind, uint32_t metric)
{
    fill(kind, metric);
    report_head(what);
    for (size_t i = 0; i < RIVALS; i++) {
        cost c = run_rival(&rivals[i]);
        report_cost(what, &rivals[i], &c);
    }
}

/* All columns of a workload together: what a store is made of. */
static void run_workload(workload_kind kind, const char *file)
{
    cost sums[RIVALS] = {{0}};
    char what[64];
    double count = workload_metric_count(kind);
    for (uint32_t metric = 0; metric < workload_metric_count(kind); metric++) {
        fill(kind, metric);
        for (size_t i = 0; i < RIVALS; i++) {
            cost c = run_rival(&rivals[i]);
            sums[i].bits += c.bits / count;
            sums[i].encode_ns += c.encode_ns / count;
            sums[i].decode_ns += c.decode_ns / count;
        }
    }
    snprintf(what, sizeof what, "all columns of %s", workload_name(kind));
    report_head(what);
    plot *p = plot_new("Codecs on all columns of W20, bit for bit", "bits a value (raw: 64)", "million values a second",
                       PLOT_LOG_Y);
    for (size_t i = 0; i < RIVALS; i++) {
        char name[64];
        report_cost(what, &rivals[i], &sums[i]);
        snprintf(name, sizeof name, "%s, out", rivals[i].name);
        plot_mark(p, name, sums[i].bits, 1e3 / sums[i].decode_ns);
        snprintf(name, sizeof name, "%s, in", rivals[i].name);
        plot_mark(p, name, sums[i].bits, 1e3 / sums[i].encode_ns);
    }
    plot_write(p, result_path(file));
}

void bench_rivals(void)
{
    printf("\nCodecs on the same columns, 65,536 values of each, decoded and compared; one core\n");
#ifdef BENCH_ZSTD
    zstd_in = ZSTD_createCCtx();
    zstd_out = ZSTD_createDCtx();
    if (!zstd_in || !zstd_out) die("no memory");
#else
    report_note("zstd is left out: its header was not there when this was built");
#endif
    run_column("noisy float32", W20, 0);
    run_column("cosine", W20, 8);
    run_column("4 decimals", W20, 11);
    run_column("counter", W20, 14);
    run_column("counter, uneven", W20, 16);
    run_column("noisy float64", W20, 17);
    run_column("constant", W20, 19);
    run_column("timing float64", W50, 42);
    run_column("gauge", W50, 46);
    run_workload(W20, "bench-codecs.svg");
#ifdef BENCH_ZSTD
    ZSTD_freeCCtx(zstd_in);
    ZSTD_freeDCtx(zstd_out);
#endif
}
