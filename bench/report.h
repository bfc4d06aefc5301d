/* bench/report.h: where the numbers go: a table on stdout and a file of JSON. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "timing.h"

/* One line of the table and one object of the JSON file. Strings are copied. */
typedef struct measurement {
    const char *name;
    const char *unit;
    double value;
    double p10, p90; /* both 0: measured once */
    double floor;    /* 0: none is known */
    double target;   /* 0: none; where unit is a rate, the least wanted, else the most */
    uint64_t n;      /* rounds or calls; 0 is one */
} measurement;

/* A distribution of single calls beside that of its floor: a line each on the terminal, a measurement for each
 * quantile in the file. */
typedef struct latency_report {
    const char *name;
    const latency *calls;
    const latency *floor;            /* NULL none */
    double of_a_tick;                /* ns */
    double p99_max_ns, p9999_max_ns; /* targets; 0 none */
} latency_report;

/* What the next lines belong to: its short name, and the title over its table. */
void report_begin(const char *section);
void report_section(const char *title);
void report(const measurement *m);
/* The same with a name made as by printf. */
void report_as(const measurement *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Only for the file: where a section prints a table of its own. */
void report_silently(const measurement *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The median and the spread of rounds. */
measurement measured(const char *unit, rounds *r);
/* A title for distributions, whose lines have other columns. */
void report_latency_section(const char *title);
void report_latency(const latency_report *l);
/* A line of words under a table. */
void report_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints machine, compiler, date, load, and a warning when what is timed is not what people use. `scratch` is where
 * stores will be, `shape` one line about the sizes. */
void print_machine(const char *scratch, const char *shape);
/* The same as an object of JSON. */
const char *machine_json(void);

/* Writes what was reported so far. 0, or -1 with errno. */
int write_json(const char *path);

/* Ends the program with one line on stderr: a benchmark of something that does not work says nothing. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
