/* bench/bench_append.c: what one append costs beside what it cannot do without.
 *
 * The floor of a row is memcpy of its bytes into a warm shared file mapping and XXH3-64 of the same bytes, inlined
 * at the same optimisation, and one clock read where the library takes the time. Rounds of appends and rounds of
 * the floor alternate, so that whatever else the machine does meets both. Sealing and making logs ready happen
 * between rounds (steplog_store_tick), so the logs are in the state that a long run leaves them in: recycled,
 * their pages mapped. What was appended is read back afterwards and compared, every value. */
#include "bench.h"
#include "timing.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ROWS_A_ROUND 256u
#define ROUNDS 800u
#define SOURCE_ROWS 64u /* what a training loop has just computed is in the nearest cache */
#define WARM_UP_BYTES (24u << 20)
#define FLOOR_MAP_BYTES (16u << 20)

typedef struct append_case {
    const char *name;
    workload_kind kind;
    int is_point, is_time_taken, is_same_step;
    uint32_t record_bytes;
    double target;
} append_case;

static double source[SOURCE_ROWS * WORKLOAD_METRICS_MAX];
static uint8_t source_bytes[SOURCE_ROWS * 512];
static rounds store_rounds, floor_rounds, clock_rounds;
static volatile uint64_t sink;

static uint8_t *map_floor(const char *directory)
{
    char path[600];
    snprintf(path, sizeof path, "%s-floor", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || posix_fallocate(fd, 0, FLOOR_MAP_BYTES) != 0) die("cannot make '%s'", path);
    uint8_t *p = mmap(NULL, FLOOR_MAP_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) die("cannot map '%s'", path);
    unlink(path);
    close(fd);
    for (uint32_t at = 0; at < FLOOR_MAP_BYTES; at += 4096) p[at] = 1;
    return p;
}

/* record_bytes is a constant in each caller's copy, as it can be in a program that writes its own rows. From 64
 * bytes on the C library's memcpy is called with a length that the compiler does not know: gcc would put a string
 * instruction there, which takes twice as long. */
static inline __attribute__((always_inline)) uint64_t floor_rows(uint8_t *to, uint32_t record_bytes)
{
    uint64_t hash = 0;
    size_t copy_bytes = record_bytes;
    if (record_bytes >= 64) __asm__("" : "+r"(copy_bytes));
    for (uint32_t i = 0; i < ROWS_A_ROUND; i++) {
        const uint8_t *from = source_bytes + (size_t)(i % SOURCE_ROWS) * record_bytes;
        memcpy(to + (size_t)i * record_bytes, from, copy_bytes);
        hash ^= XXH3_64bits(from, record_bytes);
    }
    return hash;
}

static double floor_round(uint8_t *map, size_t *at, uint32_t record_bytes)
{
    size_t bytes = (size_t)ROWS_A_ROUND * record_bytes;
    if (*at + bytes > FLOOR_MAP_BYTES) *at = 0;
    uint8_t *to = map + *at;
    *at += bytes;
    int64_t begin = monotonic_ns();
    switch (record_bytes) {
    case 24: sink = floor_rows(to, 24); break;
    case 40: sink = floor_rows(to, 40); break;
    case 192: sink = floor_rows(to, 192); break;
    default: sink = floor_rows(to, 432); break;
    }
    return (double)(monotonic_ns() - begin) / ROWS_A_ROUND;
}

static double clock_round(void)
{
    struct timespec t;
    int64_t begin = monotonic_ns();
    for (uint32_t i = 0; i < ROWS_A_ROUND; i++) {
        clock_gettime(CLOCK_REALTIME, &t);
        sink += (uint64_t)t.tv_nsec;
    }
    return (double)(monotonic_ns() - begin) / ROWS_A_ROUND;
}

static int64_t step_of(const append_case *c, uint64_t row) { return c->is_same_step ? 7 : (int64_t)row; }

static double append_round(bench_store *b, const append_case *c, uint64_t *row)
{
    steplog_status status = STEPLOG_OK;
    uint64_t at = *row;
    int64_t begin = monotonic_ns();
    for (uint32_t i = 0; i < ROWS_A_ROUND; i++, at++) {
        const double *values = source + (size_t)(at % SOURCE_ROWS) * b->metric_count;
        int64_t time_ns = c->is_time_taken ? STEPLOG_TIME_NOW : 1000 * (int64_t)at;
        if (c->is_same_step)
            status |= steplog_writer_point(b->writer, b->metrics[0], 7, c->is_time_taken ? time_ns : 1000, *values);
        else if (c->is_point)
            status |= steplog_writer_point(b->writer, b->metrics[0], (int64_t)at, time_ns, *values);
        else
            status |= steplog_writer_append(b->writer, b->schema, (int64_t)at, time_ns, values);
    }
    int64_t end = monotonic_ns();
    if (status != STEPLOG_OK) die("%s: an append answered %d", c->name, (int)status);
    *row = at;
    return (double)(end - begin) / ROWS_A_ROUND;
}

static void tick(bench_store *b)
{
    steplog_error err = {0};
    check(steplog_store_tick(b->store, 0, &err), &err, "store_tick");
}

static void read_back(bench_store *b, const append_case *c, uint64_t row_count)
{
    steplog_error err = {0};
    steplog_reader *reader;
    steplog_cursor *cursor;
    steplog_batch batch;
    steplog_series series[WORKLOAD_METRICS_MAX];
    char name[64];
    uint64_t row = 0;
    size_t found;
    check(steplog_reader_open(b->store, &reader, &err), &err, "reader_open");
    for (uint32_t i = 0; i < b->metric_count; i++) {
        workload_metric_name(c->kind, i, name);
        check(steplog_reader_find(reader, &b->run, name, &series[i], 1, &found, &err), &err, "reader_find");
    }
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_ARRIVAL_ORDER};
    check(steplog_cursor_open(reader, series, b->metric_count, &view, &cursor, &err), &err, "cursor_open");
    for (;;) {
        steplog_status status = steplog_cursor_next(cursor, &batch, 0, &err);
        check(status, &err, "cursor_next");
        if (status == STEPLOG_END) break;
        for (size_t i = 0; i < batch.row_count; i++, row++) {
            if (batch.steps[i] != step_of(c, row) ||
                (!c->is_time_taken && batch.times_ns[i] != (c->is_same_step ? 1000 : 1000 * (int64_t)row)))
                die("%s: row %llu has step %lld", c->name, (unsigned long long)row, (long long)batch.steps[i]);
            for (size_t m = 0; m < batch.column_count; m++)
                if (memcmp(&batch.values[m][i], &source[(row % SOURCE_ROWS) * b->metric_count + m], 8) != 0)
                    die("%s: row %llu, metric %zu differs", c->name, (unsigned long long)row, m);
        }
    }
    if (row != row_count)
        die("%s: %llu rows of %llu were read", c->name, (unsigned long long)row, (unsigned long long)row_count);
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
}

static void run_case(const append_case *c)
{
    bench_store b;
    workload w;
    uint64_t row = 0;
    size_t floor_at = 0;
    int64_t step, time_ns;
    bench_store_create(&b, c->kind, STEPLOG_NO_THREAD);
    workload_init(&w, c->kind, BENCH_SEED);
    for (uint32_t i = 0; i < SOURCE_ROWS; i++) workload_next(&w, &step, &time_ns, source + (size_t)i * b.metric_count);
    memset(source_bytes, 0x5a, sizeof source_bytes);
    uint8_t *map = map_floor(b.path);
    while (row * c->record_bytes < WARM_UP_BYTES) {
        append_round(&b, c, &row);
        tick(&b);
    }
    store_rounds.count = floor_rounds.count = clock_rounds.count = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        tick(&b);
        rounds_add(&store_rounds, append_round(&b, c, &row));
        rounds_add(&floor_rounds, floor_round(map, &floor_at, c->record_bytes));
        rounds_add(&clock_rounds, clock_round());
    }
    bench_writer_close(&b);
    read_back(&b, c, row);
    bench_store_close(&b);
    munmap(map, FLOOR_MAP_BYTES);
    remove_directory(b.path);
    spread s = rounds_spread(&store_rounds);
    double floor_ns = rounds_spread(&floor_rounds).median;
    if (c->is_time_taken && !c->is_same_step) floor_ns += rounds_spread(&clock_rounds).median;
    report(&(measurement){.name = c->name,
                          .unit = "ns",
                          .value = s.median,
                          .p10 = s.p10,
                          .p90 = s.p90,
                          .floor = floor_ns,
                          .target = c->target > 0 ? c->target : 3 * floor_ns});
}

void bench_append(void)
{
    static const append_case cases[] = {
        {"row of 1, time given", W1_NS, 0, 0, 0, 40, 0},        {"row of 1, time taken", W1_NS, 0, 1, 0, 40, 0},
        {"row of 20, time given", W20, 0, 0, 0, 192, 0},        {"row of 20, time taken", W20, 0, 1, 0, 192, 0},
        {"row of 50, time given", W50, 0, 0, 0, 432, 0},        {"row of 50, time taken", W50, 0, 1, 0, 432, 0},
        {"one point, time given", W1_NS, 1, 0, 0, 40, 15},      {"one point, time taken", W1_NS, 1, 1, 0, 40, 40},
        {"one more point of the step", W1_NS, 1, 1, 1, 24, 15},
    };
    report_section("One append; floor: memcpy into a warm mapping + XXH3 of the same bytes (+ clock read)");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(&cases[i]);
}
