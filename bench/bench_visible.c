/* bench/bench_visible.c: from an append to another process that follows, and what followers cost the writer.
 *
 * The writer notes the time just before each append in memory that both share; the follower, a cursor that is asked
 * again and again without waiting, notes when it has the row. So the append's own time is part of it. The floor is a
 * word in shared memory, written and awaited in the same way: what it takes from one core to the other. */
#include "bench.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RING_ROWS 4096u
#define FOLLOWERS 16u

typedef struct meeting {
    atomic_uint ready_count;
    char gap[60];
    _Atomic int64_t word;
    char gap_after[56];
    uint64_t row_count;
    int64_t period_ns;
    int64_t times_ns[]; /* first of the appends, then of their being seen */
} meeting;

static ring source;
static latency seen, calls, alone;

static steplog_cursor *follow(const char *path, const steplog_id *run, steplog_store **store, steplog_reader **reader)
{
    steplog_error err = {0};
    steplog_cursor *cursor = NULL;
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
    *store = bench_open_to_read(path);
    check(steplog_reader_open(*store, reader, &err), &err, "reader_open");
    check(steplog_cursor_open_matching(*reader, run, "*", &view, &cursor, &err), &err, "cursor_open_matching");
    return cursor;
}

/* In order of name, as the columns are. */
static void check_row(const steplog_batch *batch, size_t i, uint64_t row)
{
    uint64_t wanted = 0, found = 0, bits;
    for (uint32_t m = 0; m < 20; m++) {
        memcpy(&bits, &ring_row(&source, row)[m], 8);
        wanted += bits;
        memcpy(&bits, &batch->values[m][i], 8);
        found += bits;
    }
    if (batch->steps[i] != (int64_t)row || batch->column_count != 20 || wanted != found)
        die("a follower saw another row %llu", (unsigned long long)row);
}

/* A follower's life: until it has seen all rows. Times are noted only by one that does not wait. */
static void follow_all(meeting *m, const char *path, const steplog_id *run, int32_t wait_ms)
{
    steplog_error err = {0};
    steplog_store *store = NULL;
    steplog_reader *reader = NULL;
    steplog_batch batch;
    steplog_cursor *cursor = follow(path, run, &store, &reader);
    uint64_t row = 0;
    atomic_fetch_add(&m->ready_count, 1);
    while (row < m->row_count) {
        steplog_status status = steplog_cursor_next(cursor, &batch, wait_ms, &err);
        int64_t now = monotonic_ns();
        check(status, &err, "cursor_next");
        if (status == STEPLOG_WAIT) continue;
        for (size_t i = 0; i < batch.row_count; i++, row++) {
            if (wait_ms == 0) m->times_ns[m->row_count + row] = now;
            check_row(&batch, i, row);
        }
    }
    steplog_cursor_close(cursor);
    steplog_reader_close(reader);
    check(steplog_store_close(store, &err), &err, "store_close");
}

static void wait_until_ready(meeting *m, uint32_t count)
{
    struct timespec pause = {0, 1000000};
    while (atomic_load(&m->ready_count) < count) nanosleep(&pause, NULL);
}

static void append_paced(bench_store *b, meeting *m, latency *l)
{
    steplog_status status = STEPLOG_OK;
    int64_t next = monotonic_ns();
    memset(l, 0, sizeof *l);
    for (uint64_t row = 0; row < m->row_count; row++) {
        const double *values = ring_row(&source, row);
        spin_until(next += m->period_ns);
        m->times_ns[row] = monotonic_ns();
        uint64_t begin = ticks();
        status |= steplog_writer_append(b->writer, b->schema, (int64_t)row, STEPLOG_TIME_NOW, values);
        uint64_t end = ticks();
        latency_add(l, end - begin);
    }
    if (status != STEPLOG_OK) die("an append answered %d", (int)status);
}

static size_t meeting_bytes(uint64_t row_count) { return sizeof(meeting) + 2 * row_count * sizeof(int64_t); }

static meeting *meeting_new(uint64_t row_count, uint32_t rows_a_second)
{
    meeting *m = shared_new(meeting_bytes(row_count));
    m->row_count = row_count;
    m->period_ns = 1000000000 / rows_a_second;
    memset(m->times_ns, 0, 2 * row_count * sizeof(int64_t)); /* no page is touched first while the clock runs */
    return m;
}

static void count_times(meeting *m, latency *l)
{
    memset(l, 0, sizeof *l);
    for (uint64_t row = 0; row < m->row_count; row++) {
        int64_t ns = m->times_ns[m->row_count + row] - m->times_ns[row];
        if (ns < 0) die("row %llu was seen before it was written", (unsigned long long)row);
        latency_add(l, (uint64_t)ns);
    }
}

/* A word in shared memory instead of a store. */
static void run_floor(meeting *m)
{
    pid_t child = child_start();
    if (child == 0) {
        atomic_fetch_add(&m->ready_count, 1);
        for (uint64_t row = 0; row < m->row_count;) {
            uint64_t there = (uint64_t)atomic_load_explicit(&m->word, memory_order_acquire);
            int64_t now = monotonic_ns();
            for (; row < there; row++) m->times_ns[m->row_count + row] = now;
        }
        _exit(0);
    }
    wait_until_ready(m, 1);
    int64_t next = monotonic_ns();
    for (uint64_t row = 0; row < m->row_count; row++) {
        spin_until(next += m->period_ns);
        m->times_ns[row] = monotonic_ns();
        atomic_store_explicit(&m->word, (int64_t)row + 1, memory_order_release);
    }
    child_wait(child, "the process that awaits a word");
}

static void run_visible(uint64_t row_count, uint32_t rows_a_second, int is_mapping)
{
    char name[64];
    bench_store b;
    meeting *m = meeting_new(row_count, rows_a_second), *floor = meeting_new(row_count, rows_a_second);
    bench_store_create(&b, W20, 0);
    pid_t child = child_start();
    if (child == 0) {
        bench_map_reads(is_mapping);
        follow_all(m, b.path, &b.run, 0);
        _exit(0);
    }
    wait_until_ready(m, 1);
    append_paced(&b, m, &calls);
    child_wait(child, "a follower");
    bench_store_close(&b);
    scratch_remove(b.path);
    run_floor(floor);
    count_times(m, &seen);
    count_times(floor, &alone);
    snprintf(name, sizeof name, "append to visible, %u a second%s", (unsigned)rows_a_second,
             is_mapping ? ", mapped" : "");
    report_latency(
        &(latency_report){.name = name, .calls = &seen, .floor = &alone, .of_a_tick = 1, .p99_max_ns = 1000});
    shared_free(m, meeting_bytes(row_count));
    shared_free(floor, meeting_bytes(row_count));
}

static void run_followers(uint64_t row_count, uint32_t follower_count, latency *l)
{
    bench_store b;
    pid_t children[FOLLOWERS];
    meeting *m = meeting_new(row_count, 50000);
    bench_store_create(&b, W20, 0);
    for (uint32_t i = 0; i < follower_count; i++) {
        children[i] = child_start();
        if (children[i] != 0) continue;
        follow_all(m, b.path, &b.run, 1000);
        _exit(0);
    }
    wait_until_ready(m, follower_count);
    append_paced(&b, m, l);
    for (uint32_t i = 0; i < follower_count; i++) child_wait(children[i], "a follower");
    bench_writer_close(&b);
    bench_check_ring(b.store, &b.run, 0, &source, row_count, 0);
    bench_store_close(&b);
    scratch_remove(b.path);
    shared_free(m, meeting_bytes(row_count));
}

void bench_visible(void)
{
    ring_make(&source, W20, RING_ROWS);
    report_latency_section("From append to another process that spins; floor: a word in shared memory");
    for (int is_mapping = 0; is_mapping < 2; is_mapping++) {
        run_visible(sized(100, 5000, 50000), 1000, is_mapping);
        run_visible(sized(200, 30000, 300000), 10000, is_mapping);
        run_visible(sized(500, 100000, 1000000), 50000, is_mapping);
    }
    report_latency_section("Appends while 16 processes follow (waiting, not spinning); floor: without followers");
    run_followers(sized(500, 100000, 1000000), 0, &alone);
    run_followers(sized(500, 100000, 1000000), FOLLOWERS, &calls);
    report_latency(
        &(latency_report){.name = "row of 20, 16 followers", .calls = &calls, .floor = &alone, .of_a_tick = tick_ns()});
    ring_free(&source);
}
