/* bench/bench_append.c: what one append costs beside what it cannot do without.
 *
 * The floor of a row is memcpy of its bytes into a warm shared file mapping and XXH3-64 of the same bytes (floor.h),
 * and one clock read where the library takes the time. Rounds of appends and rounds of the floor alternate, so that
 * whatever else the machine does meets both. Sealing and making logs ready happen between rounds
 * (steplog_store_tick), so the logs are in the state that a long run leaves them in: recycled, their pages mapped.
 * What a new writer pays, whose log nobody has written to, is told apart: there the floor's pages are untouched, too.
 * What was appended is read back afterwards and compared, every value. */
#include "bench.h"

#include "floor.h"

#include <string.h>

#define ROWS_A_ROUND 256u
#define WARM_UP_BYTES (24u << 20)
#define FLOOR_MAP_BYTES (16u << 20)
#define FIRST_LOG_BYTES (6u << 20) /* less than a log has, so that its end is not met */

typedef struct append_case {
    const char *name;
    workload_kind kind;
    int is_point, is_time_taken, is_same_step;
    uint32_t record_bytes;
    double target; /* 0: 1.5 x the copy and hash, and one clock read */
} append_case;

static rounds store_rounds, floor_rounds_ns, clock_rounds;
static ring source;

static double append_round(bench_store *b, const append_case *c, uint64_t *row)
{
    steplog_status status = STEPLOG_OK;
    uint64_t at = *row;
    int64_t begin = monotonic_ns();
    for (uint32_t i = 0; i < ROWS_A_ROUND; i++, at++) {
        const double *values = ring_row(&source, at);
        int64_t time_ns = c->is_time_taken ? STEPLOG_TIME_NOW : ring_time(&source, at);
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

/* Points of one step: all in the order they came. */
static void check_same_step(bench_store *b, uint64_t row_count)
{
    steplog_error err = {0};
    steplog_reader *reader;
    steplog_cursor *cursor;
    steplog_batch batch;
    steplog_series series[WORKLOAD_METRICS_MAX];
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_ARRIVAL_ORDER};
    uint64_t row = 0;
    check(steplog_reader_open(b->store, &reader, &err), &err, "reader_open");
    bench_find(reader, &b->run, W1_NS, 0, series);
    check(steplog_cursor_open(reader, series, 1, &view, &cursor, &err), &err, "cursor_open");
    for (;;) {
        steplog_status status = steplog_cursor_next(cursor, &batch, 0, &err);
        check(status, &err, "cursor_next");
        if (status == STEPLOG_END) break;
        for (size_t i = 0; i < batch.row_count; i++, row++)
            if (batch.steps[i] != 7 || memcmp(&batch.values[0][i], ring_row(&source, row), 8) != 0)
                die("point %llu of the step differs", (unsigned long long)row);
    }
    if (row != row_count) die("%llu points of the step were read", (unsigned long long)row);
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
}

static void finish(bench_store *b, const append_case *c, uint64_t row_count)
{
    bench_writer_close(b);
    if (c->is_same_step)
        check_same_step(b, row_count);
    else
        bench_check_ring(b->store, &b->run, 0, &source, row_count, !c->is_time_taken);
    bench_store_close(b);
    scratch_remove(b->path);
}

static void report_case(const append_case *c, const char *suffix)
{
    measurement m = measured("ns", &store_rounds);
    double copy_ns = rounds_spread(&floor_rounds_ns).median;
    double clock_ns = c->is_time_taken && !c->is_same_step ? rounds_spread(&clock_rounds).median : 0;
    m.floor = copy_ns + clock_ns;
    m.target = *suffix ? 0 : c->target > 0 ? c->target : 1.5 * copy_ns + clock_ns;
    report_as(&m, "%s%s", c->name, suffix);
}

static void run_steady(const append_case *c)
{
    bench_store b;
    floor_map floor;
    uint64_t row = 0, warm_up_bytes = sized(1 << 20, WARM_UP_BYTES, WARM_UP_BYTES);
    bench_store_create(&b, c->kind, STEPLOG_NO_THREAD);
    floor_open(&floor, FLOOR_MAP_BYTES, 1);
    while (row * c->record_bytes < warm_up_bytes) {
        append_round(&b, c, &row);
        bench_tick(&b);
    }
    store_rounds.count = floor_rounds_ns.count = clock_rounds.count = 0;
    for (uint64_t i = 0; i < sized(20, 800, ROUNDS_MAX); i++) {
        bench_tick(&b);
        rounds_add(&store_rounds, append_round(&b, c, &row));
        rounds_add(&floor_rounds_ns, floor_round(&floor, c->record_bytes, ROWS_A_ROUND));
        rounds_add(&clock_rounds, clock_round(ROWS_A_ROUND));
    }
    finish(&b, c, row);
    floor_close(&floor);
    report_case(c, "");
}

/* New writers and their first log, as opening left it. */
static void run_first_touch(const append_case *c)
{
    store_rounds.count = floor_rounds_ns.count = clock_rounds.count = 0;
    for (uint64_t repeat = 0; repeat < sized(1, 4, 16); repeat++) {
        bench_store b;
        floor_map floor;
        uint64_t row = 0;
        bench_store_create(&b, c->kind, STEPLOG_NO_THREAD);
        floor_open(&floor, FLOOR_MAP_BYTES, 0);
        while ((row + ROWS_A_ROUND) * c->record_bytes < FIRST_LOG_BYTES) {
            rounds_add(&store_rounds, append_round(&b, c, &row));
            rounds_add(&floor_rounds_ns, floor_round(&floor, c->record_bytes, ROWS_A_ROUND));
            rounds_add(&clock_rounds, clock_round(ROWS_A_ROUND));
        }
        finish(&b, c, row);
        floor_close(&floor);
    }
    report_case(c, ", first touch");
}

static void with_source(const append_case *c, void (*run)(const append_case *))
{
    ring_make(&source, c->kind, FLOOR_SOURCE_ROWS);
    run(c);
    ring_free(&source);
}

void bench_append(void)
{
    static const append_case cases[] = {
        {"row of 1, time given", W1_NS, 0, 0, 0, 40, 0},        {"row of 1, time taken", W1_NS, 0, 1, 0, 40, 0},
        {"row of 20, time given", W20, 0, 0, 0, 192, 0},        {"row of 20, time taken", W20, 0, 1, 0, 192, 0},
        {"row of 50, time given", W50, 0, 0, 0, 432, 0},        {"row of 50, time taken", W50, 0, 1, 0, 432, 0},
        {"row of 200, time given", W200, 0, 0, 0, 1632, 0},     {"row of 200, time taken", W200, 0, 1, 0, 1632, 0},
        {"one point, time given", W1_NS, 1, 0, 0, 40, 15},      {"one point, time taken", W1_NS, 1, 1, 0, 40, 40},
        {"one more point of the step", W1_NS, 1, 1, 1, 24, 15},
    };
    size_t count = sizeof cases / sizeof *cases;
    report_section("One append; floor: memcpy into a warm mapping + XXH3 of the same bytes (+ clock read)");
    for (size_t i = 0; i < count; i++) with_source(&cases[i], run_steady);
    report_section("The first log of a new writer; floor: the same into allocated, untouched pages");
    for (size_t i = 0; i < count; i++)
        if (!cases[i].is_point && !cases[i].is_time_taken) with_source(&cases[i], run_first_touch);
}
