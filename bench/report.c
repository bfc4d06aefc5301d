/* bench/report.c: the table on stdout and build/bench.json. */
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPORTS_MAX 1024u

typedef struct kept {
    char section[24], name[88], unit[16];
    measurement m;
} kept;

static kept reports[REPORTS_MAX];
static size_t report_count;
static char section_now[24];

void report_begin(const char *section) { snprintf(section_now, sizeof section_now, "%s", section); }

void report_section(const char *title)
{
    printf("\n%s\n%-42s %12s %-10s %19s %10s %6s  %s\n", title, "", "median", "unit", "p10 - p90", "floor", "ratio",
           "target");
    fflush(stdout);
}

/* Units of which more is better. */
static int is_rate(const char *unit) { return strstr(unit, "/s") != NULL; }

static void keep(const measurement *m, const char *name)
{
    if (report_count == REPORTS_MAX) die("more than %u measurements", REPORTS_MAX);
    kept *k = &reports[report_count++];
    k->m = *m;
    snprintf(k->section, sizeof k->section, "%s", section_now);
    snprintf(k->name, sizeof k->name, "%s", name + strspn(name, " ")); /* indented on the terminal */
    snprintf(k->unit, sizeof k->unit, "%s", m->unit);
}

/* A smoke test's numbers are no numbers. */
static int is_judged(const measurement *m) { return m->target > 0 && sized(0, 1, 1); }

static void judge(char text[40], const measurement *m)
{
    int is_met = is_rate(m->unit) ? m->value >= m->target : m->value <= m->target;
    snprintf(text, 40, "%s %.4g%s", is_rate(m->unit) ? ">=" : "<=", m->target, is_met ? "" : "  MISSED");
}

void report_as(const measurement *m, const char *format, ...)
{
    char name[88], range[32] = "", floor_text[16] = "", ratio[16] = "", target[40] = "";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    if (m->p90 > 0) snprintf(range, sizeof range, "%.4g - %.4g", m->p10, m->p90);
    if (m->floor > 0) snprintf(floor_text, sizeof floor_text, "%.2f", m->floor);
    if (m->floor > 0) snprintf(ratio, sizeof ratio, "%.2f", m->value / m->floor);
    if (is_judged(m)) judge(target, m);
    printf("%-42s %12.2f %-10s %19s %10s %6s  %s\n", name, m->value, m->unit, range, floor_text, ratio, target);
    fflush(stdout);
    keep(m, name);
}

void report_silently(const measurement *m, const char *format, ...)
{
    char name[88];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    keep(m, name);
}

void report(const measurement *m) { report_as(m, "%s", m->name); }

measurement measured(const char *unit, rounds *r)
{
    spread s = rounds_spread(r);
    return (measurement){.unit = unit, .value = s.median, .p10 = s.p10, .p90 = s.p90, .n = s.count};
}

/* ---- distributions ---- */

static const struct {
    double share;
    const char *name;
} quantiles[] = {{0.5, "p50"}, {0.99, "p99"}, {0.999, "p99.9"}, {0.9999, "p99.99"}, {1.0, "max"}};
enum { QUANTILES = sizeof quantiles / sizeof *quantiles };

void report_latency_section(const char *title)
{
    printf("\n%s\n%-42s %10s", title, "ns", "calls");
    for (size_t i = 0; i < QUANTILES; i++) printf(" %10s", quantiles[i].name);
    printf("\n");
    fflush(stdout);
}

static void print_distribution(const char *name, const latency *l, double of_a_tick)
{
    printf("%-42s %10llu", name, (unsigned long long)l->count);
    for (size_t i = 0; i < QUANTILES; i++) printf(" %10.4g", latency_quantile(l, quantiles[i].share, of_a_tick));
    printf("\n");
}

void report_latency(const latency_report *l)
{
    char name[88];
    print_distribution(l->name, l->calls, l->of_a_tick);
    if (l->floor) print_distribution("  floor", l->floor, l->of_a_tick);
    for (size_t i = 0; i < QUANTILES; i++) {
        double share = quantiles[i].share;
        measurement m = {.unit = "ns",
                         .value = latency_quantile(l->calls, share, l->of_a_tick),
                         .floor = l->floor ? latency_quantile(l->floor, share, l->of_a_tick) : 0,
                         .target = share == 0.99     ? l->p99_max_ns
                                   : share == 0.9999 ? l->p9999_max_ns
                                                     : 0,
                         .n = l->calls->count};
        snprintf(name, sizeof name, "%s, %s", l->name, quantiles[i].name);
        keep(&m, name);
        if (is_judged(&m)) {
            char target[40];
            judge(target, &m);
            printf("  %s %s\n", quantiles[i].name, target);
        }
    }
    fflush(stdout);
}

void report_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("  ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    fflush(stdout);
}

/* ---- the file ---- */

int write_json(const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f) return -1;
    fprintf(f, "[\n  %s", machine_json());
    for (size_t i = 0; i < report_count; i++) {
        const kept *k = &reports[i];
        const measurement *m = &k->m;
        fprintf(f, ",\n  {\"section\": \"%s\", \"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"", k->section,
                k->name, m->value, k->unit);
        if (m->floor > 0)
            fprintf(f, ", \"floor\": %.6g, \"ratio\": %.4g", m->floor, m->value / m->floor);
        else
            fputs(", \"floor\": null, \"ratio\": null", f);
        if (m->p90 > 0) fprintf(f, ", \"p10\": %.6g, \"p90\": %.6g", m->p10, m->p90);
        if (m->target > 0) fprintf(f, ", \"target\": %.6g", m->target);
        fprintf(f, ", \"n\": %llu}", (unsigned long long)(m->n ? m->n : 1));
    }
    fputs("\n]\n", f);
    return fclose(f);
}

void die(const char *format, ...)
{
    va_list arguments;
    scratch_await_end();
    va_start(arguments, format);
    fflush(stdout);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}
