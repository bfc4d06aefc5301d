/* bench/timing.c: clocks, spreads, the table on stdout and build/bench.json. */
#include "timing.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define REPORTS_MAX 128u

static measurement reports[REPORTS_MAX];
static size_t report_count;

static int64_t read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t monotonic_ns(void) { return read_clock(CLOCK_MONOTONIC); }
int64_t cpu_ns(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

void rounds_add(rounds *r, double ns)
{
    if (r->count < ROUNDS_MAX) r->ns[r->count++] = ns;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

spread rounds_spread(rounds *r)
{
    if (r->count == 0) return (spread){0, 0, 0};
    qsort(r->ns, r->count, sizeof *r->ns, compare);
    return (spread){r->ns[r->count / 2], r->ns[r->count / 10], r->ns[r->count - 1 - r->count / 10]};
}

/* The processor's name where the system tells it. */
static void cpu_name(char *out, size_t bytes)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(out, bytes, "unknown processor");
    if (!f) return;
    while (fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        snprintf(out, bytes, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    fclose(f);
}

void print_machine(void)
{
    struct utsname u;
    char cpu[128], date[32];
    time_t now = time(NULL);
    struct tm utc;
    cpu_name(cpu, sizeof cpu);
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%Y-%m-%d", &utc);
    if (uname(&u) != 0) snprintf(u.machine, sizeof u.machine, "unknown");
    printf("machine   %s, %ld cores, %s\n", cpu, sysconf(_SC_NPROCESSORS_ONLN), u.machine);
    printf("date      %s\n", date);
#ifdef __VERSION__
    printf("compiler  " __VERSION__ "\n");
#endif
#ifndef __OPTIMIZE__
    printf("WARNING   built without optimisation: these numbers say nothing\n");
#endif
#ifdef SL_DEBUG
    printf("WARNING   assertions are on: these numbers are not those of a release build\n");
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    printf("WARNING   a sanitizer is on: these numbers say nothing\n");
#endif
}

void report_section(const char *title)
{
    printf("\n%s\n%-38s %12s %-10s %19s %10s %6s  %s\n", title, "", "median", "unit", "p10 - p90", "floor", "ratio",
           "target");
    fflush(stdout);
}

static int is_rate(const char *unit) { return strstr(unit, "/s") != NULL; }

void report(const measurement *m)
{
    char range[32] = "", floor_text[16] = "", ratio[16] = "", target[32] = "";
    if (m->p90 > 0) snprintf(range, sizeof range, "%.4g - %.4g", m->p10, m->p90);
    if (m->floor > 0) snprintf(floor_text, sizeof floor_text, "%.2f", m->floor);
    if (m->floor > 0) snprintf(ratio, sizeof ratio, "%.2f", m->value / m->floor);
    if (m->target > 0) snprintf(target, sizeof target, "%s %.4g", is_rate(m->unit) ? ">=" : "<=", m->target);
    printf("%-38s %12.2f %-10s %19s %10s %6s  %s\n", m->name, m->value, m->unit, range, floor_text, ratio, target);
    fflush(stdout);
    if (report_count < REPORTS_MAX) reports[report_count++] = *m;
}

int write_json(const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f) return -1;
    fputs("[\n", f);
    for (size_t i = 0; i < report_count; i++) {
        const measurement *m = &reports[i];
        fprintf(f, "  {\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"", m->name, m->value, m->unit);
        if (m->floor > 0)
            fprintf(f, ", \"floor\": %.6g, \"ratio\": %.4g", m->floor, m->value / m->floor);
        else
            fputs(", \"floor\": null, \"ratio\": null", f);
        if (m->p90 > 0) fprintf(f, ", \"p10\": %.6g, \"p90\": %.6g", m->p10, m->p90);
        if (m->target > 0) fprintf(f, ", \"target\": %.6g", m->target);
        fprintf(f, "}%s\n", i + 1 < report_count ? "," : "");
    }
    fputs("]\n", f);
    return fclose(f);
}

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}
