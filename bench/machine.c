/* bench/machine.c: what the numbers were measured on: the head of the table and the first object of the file. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#ifndef BENCH_CFLAGS
#define BENCH_CFLAGS "unknown"
#endif

typedef struct fact {
    const char *key;
    char text[320];
} fact;

static fact facts[16];
static size_t fact_count;
static char json[4096];

static char *fact_new(const char *key)
{
    if (fact_count == sizeof facts / sizeof *facts) die("too many facts about the machine");
    facts[fact_count].key = key;
    return facts[fact_count++].text;
}
#define FACT(key, ...) snprintf(fact_new(key), sizeof facts[0].text, __VA_ARGS__)

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

/* As the library sees it; a store is made for the question. */
static void file_system_fact(const char *scratch)
{
    steplog_store_info info = {.size_bytes = sizeof info};
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_CREATE | STEPLOG_NO_THREAD};
    steplog_store *store = NULL;
    steplog_reader *reader = NULL;
    steplog_error err = {0};
    char path[512];
    scratch_directory(path, sizeof path);
    check(steplog_store_open(path, &options, &store, &err), &err, "store_open");
    check(steplog_reader_open(store, &reader, &err), &err, "reader_open");
    check(steplog_reader_store_info(reader, &info, &err), &err, "store_info");
    FACT("scratch", "%s, %s, logs %s", scratch, info.file_system, info.log_mode);
    steplog_reader_close(reader);
    check(steplog_store_close(store, &err), &err, "store_close");
    scratch_remove(path);
}

/* Some hosts have the kernel drop what was not touched for some seconds: then a page that was made ready for the log
 * is gone when it is needed, and the append waits for the disk. */
static void memory_fact(void)
{
    char state[16] = "";
    FILE *f = fopen("/sys/kernel/mm/damon/admin/kdamonds/0/state", "r");
    if (!f) return;
    if (fgets(state, sizeof state, f) && strncmp(state, "on", 2) == 0)
        FACT("memory", "the kernel looks for cold pages and pages them out (DAMON): expect slow first touches");
    fclose(f);
}

static void build_facts(void)
{
#ifdef __VERSION__
    FACT("compiler", __VERSION__ ", " BENCH_CFLAGS);
#endif
    FACT("library", "steplog %s", steplog_version());
#ifndef __OPTIMIZE__
    FACT("WARNING", "built without optimisation: these numbers say nothing");
#endif
#ifdef SL_DEBUG
    FACT("assertions", "on: these numbers are not those of a release build");
#else
    FACT("assertions", "off");
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    FACT("WARNING", "a sanitizer is on: these numbers say nothing");
#endif
}

static void json_append(const char *text)
{
    size_t at = strlen(json);
    snprintf(json + at, sizeof json - at, "%s", text);
}

static void make_json(void)
{
    json_append("{\"section\": \"head\", \"name\": \"machine\", \"value\": null, \"unit\": \"\"");
    for (size_t i = 0; i < fact_count; i++) {
        json_append(", \"");
        json_append(facts[i].key);
        json_append("\": \"");
        char *quote = facts[i].text;
        while ((quote = strpbrk(quote, "\"\\"))) *quote = '\'';
        json_append(facts[i].text);
        json_append("\"");
    }
    json_append("}");
}

void print_machine(const char *scratch, const char *shape)
{
    struct utsname u;
    char cpu[128], date[32];
    time_t now = time(NULL);
    struct tm utc;
    double load[3] = {0};
    cpu_name(cpu, sizeof cpu);
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &utc);
    if (uname(&u) != 0) memset(&u, 0, sizeof u);
    getloadavg(load, 3);
    FACT("machine", "%s, %ld cores, %s", cpu, sysconf(_SC_NPROCESSORS_ONLN), u.machine);
    FACT("kernel", "%s %s", u.sysname, u.release);
    build_facts();
    file_system_fact(scratch);
    memory_fact();
    FACT("seed", "%u", BENCH_SEED);
    FACT("sizes", "%s", shape);
    FACT("date", "%s", date);
    FACT("load", "%.2f in the last minute, %.2f in five", load[0], load[1]);
    FACT("clock", "two readings around a call cost %.1f ns, which are part of it", ticks_cost_ns());
    for (size_t i = 0; i < fact_count; i++) printf("%-11s %s\n", facts[i].key, facts[i].text);
    fflush(stdout);
    make_json();
}

const char *machine_json(void) { return json; }
