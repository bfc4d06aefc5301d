/* bench/bench_m4.c: exact M4 of long series, 1000 pixels, beside reading every point.
 *
 * A series of which each value is a function of its step, so that what each pixel must show is known without the
 * store: noise on a falling level, with rare spikes, NaN and Inf of both signs. All counts, first, last, smallest and
 * largest values of all pixels are compared with a pass of that function, and with brute force over a cursor, whose
 * time stands beside. */
#include "bench.h"

#include "plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIXELS 1000u
#define ROWS_A_CALL 1024u
#define TIME_BEGIN_NS 1767225600000000000ll
#define SIZES_MAX 4u

static steplog_m4 shown[PIXELS], wanted[PIXELS];

static double value_at(uint64_t i)
{
    if (i % 100003 == 77) return NAN;
    if (i % 250007 == 99) return i % 2 ? INFINITY : -INFINITY;
    if (i % 1000003 == 5) return 1e6 + (double)i;
    uint64_t x = i * 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    double level = 8192.0 + 32768.0 / (1.0 + 1e-6 * (double)i);
    return (floor(level) + (double)(x >> 52)) * 0x1p-12;
}

static void write_series(bench_store *b, uint64_t count)
{
    static int64_t steps[ROWS_A_CALL], times[ROWS_A_CALL];
    static double values[ROWS_A_CALL];
    for (uint64_t at = 0; at < count;) {
        size_t rows = count - at < ROWS_A_CALL ? (size_t)(count - at) : ROWS_A_CALL;
        for (size_t i = 0; i < rows; i++, at++) {
            steps[i] = (int64_t)at;
            times[i] = TIME_BEGIN_NS + (int64_t)at * 1000000;
            values[i] = value_at(at);
        }
        if (steplog_writer_append_rows(b->writer, b->schema, rows, steps, times, values) != STEPLOG_OK) die("append");
    }
}

static void wanted_begin(void)
{
    memset(wanted, 0, sizeof wanted);
    for (uint32_t i = 0; i < PIXELS; i++) wanted[i].value[2] = wanted[i].value[3] = NAN;
}

static void wanted_add(steplog_m4 *pixel, int64_t step, double value)
{
    if (pixel->count++ == 0) {
        pixel->step[0] = step;
        pixel->value[0] = value;
    }
    pixel->step[1] = step;
    pixel->value[1] = value;
    if (isnan(value))
        pixel->nan_count++;
    else if (isinf(value))
        pixel->inf_count++, pixel->negative_inf_count += value < 0;
    else {
        if (!(value >= pixel->value[2])) pixel->value[2] = value, pixel->step[2] = step;
        if (!(value <= pixel->value[3])) pixel->value[3] = value, pixel->step[3] = step;
    }
}

static steplog_m4 *pixel_of(int64_t step, int64_t begin, int64_t end)
{
    return &wanted[(uint64_t)(step - begin) * PIXELS / (uint64_t)(end - begin)];
}

static void wanted_from_function(int64_t begin, int64_t end)
{
    wanted_begin();
    for (int64_t step = begin; step < end; step++)
        wanted_add(pixel_of(step, begin, end), step, value_at((uint64_t)step));
}

/* What a reader without M4 does. Seconds. */
static double wanted_from_cursor(steplog_reader *reader, steplog_series series, int64_t end)
{
    steplog_error err = {0};
    steplog_cursor *cursor = NULL;
    steplog_batch batch;
    wanted_begin();
    int64_t start = monotonic_ns();
    check(steplog_cursor_open(reader, &series, 1, NULL, &cursor, &err), &err, "cursor_open");
    for (;;) {
        steplog_status status = steplog_cursor_next(cursor, &batch, 0, &err);
        check(status, &err, "cursor_next");
        if (status == STEPLOG_END) break;
        for (size_t i = 0; i < batch.row_count; i++)
            wanted_add(pixel_of(batch.steps[i], 0, end), batch.steps[i], batch.values[0][i]);
    }
    steplog_cursor_close(cursor);
    return (double)(monotonic_ns() - start) * 1e-9;
}

/* Of equal values any step will do, as long as it is one of theirs. */
static int is_extreme(const steplog_m4 *s, const steplog_m4 *w, int which)
{
    if (isnan(w->value[which])) return isnan(s->value[which]);
    return s->value[which] == w->value[which] && s->step[which] >= w->step[0] && s->step[which] <= w->step[1] &&
           value_at((uint64_t)s->step[which]) == w->value[which];
}

static void compare_pixels(const char *with)
{
    for (uint32_t i = 0; i < PIXELS; i++) {
        const steplog_m4 *s = &shown[i], *w = &wanted[i];
        if (s->count != w->count || s->nan_count != w->nan_count || s->inf_count != w->inf_count ||
            s->negative_inf_count != w->negative_inf_count)
            die("M4: pixel %u counts differently than %s", (unsigned)i, with);
        if (s->count == 0) continue;
        if (s->step[0] != w->step[0] || s->step[1] != w->step[1] || memcmp(s->value, w->value, 2 * sizeof(double)) != 0)
            die("M4: pixel %u begins or ends otherwise than %s", (unsigned)i, with);
        if (!is_extreme(s, w, 2) || !is_extreme(s, w, 3))
            die("M4: pixel %u has other extremes than %s", (unsigned)i, with);
    }
}

/* The median of repeated calls, in ms; the first call's time apart. */
static measurement time_m4(steplog_reader *reader, steplog_series series, const steplog_view *view, double *first_ms)
{
    static rounds r;
    steplog_error err = {0};
    r.count = 0;
    for (uint64_t i = 0; i <= sized(1, 20, 20); i++) {
        int64_t begin = monotonic_ns();
        check(steplog_reader_m4(reader, series, view, PIXELS, shown, NULL, NULL, &err), &err, "m4");
        double ms = (double)(monotonic_ns() - begin) * 1e-6;
        if (i == 0)
            *first_ms = ms;
        else
            rounds_add(&r, ms);
    }
    return measured("ms", &r);
}

static void run_size(uint64_t count, double *m4_ms, double *brute_ms)
{
    bench_store b;
    steplog_error err = {0};
    steplog_reader *reader = NULL;
    steplog_series series[WORKLOAD_METRICS_MAX];
    double first_ms = 0;
    bench_store_create(&b, W1_NS, 0);
    write_series(&b, count);
    bench_writer_close(&b);
    check(steplog_store_compact(b.store, NULL, NULL, &err), &err, "store_compact");
    bench_store_close(&b);
    steplog_store *store = bench_open_to_read(b.path);
    check(steplog_reader_open(store, &reader, &err), &err, "reader_open");
    bench_find(reader, &b.run, W1_NS, 0, series);

    measurement whole = time_m4(reader, series[0], NULL, &first_ms);
    whole.target = 5;
    wanted_from_function(0, (int64_t)count);
    compare_pixels("the generator");
    double brute = wanted_from_cursor(reader, series[0], (int64_t)count);
    compare_pixels("brute force");
    *m4_ms = whole.value;
    *brute_ms = brute * 1e3;
    report_as(&whole, "1000 pixels of %.0e points", (double)count);
    report_as(&(measurement){.unit = "ms", .value = first_ms}, "  a reader's first call, %.0e points", (double)count);
    report_as(&(measurement){.unit = "ms", .value = *brute_ms}, "  brute force over a cursor, %.0e points",
              (double)count);

    steplog_view view = {.size_bytes = sizeof view, .has_begin = 1, .has_end = 1};
    view.step_begin = (int64_t)(count / 3 + 17);
    view.step_end = view.step_begin + (int64_t)(count / 10);
    measurement part = time_m4(reader, series[0], &view, &first_ms);
    wanted_from_function(view.step_begin, view.step_end);
    compare_pixels("the generator");
    report_as(&part, "  a tenth of the steps, %.0e points", (double)count);
    steplog_reader_close(reader);
    check(steplog_store_close(store, &err), &err, "store_close");

    bench_map_reads(1);
    store = bench_open_to_read(b.path);
    bench_map_reads(0);
    check(steplog_reader_open(store, &reader, &err), &err, "reader_open");
    bench_find(reader, &b.run, W1_NS, 0, series);
    whole = time_m4(reader, series[0], NULL, &first_ms);
    whole.target = 5;
    wanted_from_function(0, (int64_t)count);
    compare_pixels("the generator");
    report_as(&whole, "1000 pixels of %.0e points, files mapped", (double)count);
    steplog_reader_close(reader);
    check(steplog_store_close(store, &err), &err, "store_close");
    scratch_remove(b.path);
}

void bench_m4(void)
{
    double points[SIZES_MAX], m4_ms[SIZES_MAX], brute_ms[SIZES_MAX];
    size_t sizes = 0;
    report_section("Exact M4, 1000 pixels, warm; every pixel compared with the generator and with brute force");
    for (uint64_t count = sized(20000, 1000000, 1000000); count <= sized(20000, 100000000, 1000000000); count *= 10) {
        points[sizes] = (double)count;
        run_size(count, &m4_ms[sizes], &brute_ms[sizes]);
        sizes++;
    }
    plot *p = plot_new("A plot of 1000 pixels", "points in the series", "ms", PLOT_LOG_X | PLOT_LOG_Y);
    plot_line(p, "M4", points, m4_ms, sizes);
    plot_line(p, "reading all points", points, brute_ms, sizes);
    plot_write(p, result_path("bench-m4.svg"));
}
