/* bench/timing.h: clocks, spreads, and where the numbers go.
 *
 * A measurement is many short rounds. What is said about it is the median of the rounds and their tenth and
 * ninetieth percentile: a mean would tell how often the machine did something else. */
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

#include <stddef.h>
#include <stdint.h>

#define ROUNDS_MAX 4096u

typedef struct rounds {
    size_t count;
    double ns[ROUNDS_MAX]; /* of one operation, one for each round */
} rounds;

typedef struct spread {
    double median, p10, p90;
} spread;

/* One line of the table and one object of the JSON file. */
typedef struct measurement {
    const char *name;
    const char *unit;
    double value;
    double p10, p90; /* both 0: measured once */
    double floor;    /* 0: none is known */
    double target;   /* 0: none; where unit is a rate, the least wanted, else the most */
} measurement;

int64_t monotonic_ns(void);
int64_t cpu_ns(void); /* of all threads of the process */

void rounds_add(rounds *r, double ns);
spread rounds_spread(rounds *r); /* sorts */

/* Prints machine, compiler, date, and a warning when what is timed is not what people use. */
void print_machine(void);

/* Prints one line, and a table head before the first line of a section. */
void report_section(const char *title);
void report(const measurement *m);

/* Writes what was reported so far. 0, or -1 with errno. */
int write_json(const char *path);

/* Ends the program with one line on stderr: a benchmark of something that does not work says nothing. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
