/* bench/bench_impact.c: what recording costs a training job: the example job with and without it.
 *
 * Four ranks learn digits and record 54 metrics in each iteration of a fraction of a millisecond; the same job with
 * --no-record computes the metrics and throws them away. Jobs with and without take turns in the order A B B A, so that
 * a machine that slows down slows both. Looked at are the iterations by themselves (the loop, beside the library's own
 * thread), those of a job that has each rank sync before a checkpoint each 500 iterations, and what a job takes from
 * the launch of its ranks to the end of the last one: with opening, and with closing, which seals and syncs. The
 * difference of each pair, its mean, and the interval that holds the true mean with 95 % confidence (Student's t).
 * All end with the same accuracy on the test digits, or something is wrong. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define PAIRS_MAX 64u

typedef struct job {
    double iteration_us, job_ms, cpu_ms, accuracy;
} job;

/* Of pairs: [0] without recording, [1] with it. */
typedef struct pairs {
    size_t count;
    double iteration_us[2][PAIRS_MAX], job_ms[2][PAIRS_MAX], cpu_ms[2][PAIRS_MAX];
} pairs;

static pairs seen;

static double children_ms(void)
{
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    return 1e3 * (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-3 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static double number_after(const char *text, const char *words)
{
    const char *at = strstr(text, words);
    if (!at) die("the job did not say '%s': %s", words, text);
    return strtod(at + strlen(words), NULL);
}

static job run_job(const char *program, uint64_t epochs, const char *checkpoint_steps, int is_recorded)
{
    char directory[480], store[512], epoch_text[24], output[4096];
    scratch_directory(directory, sizeof directory);
    snprintf(store, sizeof store, "%s/store", directory);
    snprintf(epoch_text, sizeof epoch_text, "%llu", (unsigned long long)epochs);
    const char *arguments[] = {program,
                               "--store",
                               store,
                               "--checkpoint-every",
                               checkpoint_steps,
                               "--epochs",
                               epoch_text,
                               is_recorded ? NULL : "--no-record",
                               NULL};
    double cpu_ms = children_ms();
    int code = command_run(arguments, output, sizeof output);
    cpu_ms = children_ms() - cpu_ms;
    if (code != 0) die("the job ended with code %d: %s", code, output);
    scratch_remove(directory);
    return (job){number_after(output, "an iteration every "), 1e3 * number_after(output, " rows in "), cpu_ms,
                 number_after(output, "test accuracy ")};
}

/* The 97.5 % point of Student's t, to three digits from 5 degrees of freedom on (Cornish and Fisher, 1937). */
static double student(double degrees)
{
    double z = 1.959964, z3 = z * z * z, z5 = z3 * z * z;
    return z + (z3 + z) / (4 * degrees) + (5 * z5 + 16 * z3 + 3 * z) / (96 * degrees * degrees);
}

static void report_difference(const char *name, double values[2][PAIRS_MAX], double target)
{
    double mean = 0, squares = 0, base = 0, count = (double)seen.count;
    for (size_t i = 0; i < seen.count; i++) {
        mean += (values[1][i] - values[0][i]) / count;
        base += values[0][i] / count;
    }
    for (size_t i = 0; i < seen.count; i++) {
        double d = values[1][i] - values[0][i] - mean;
        squares += d * d;
    }
    double half = seen.count > 1 ? student(count - 1) * sqrt(squares / (count - 1) / count) : 0;
    measurement m = {.unit = "%", .value = 100 * mean / base, .target = target, .n = seen.count};
    report_as(&m, "%s", name);
    report_note("95 %% confidence: %.2f to %.2f %%", 100 * (mean - half) / base, 100 * (mean + half) / base);
    m.target = 0;
    m.value = 100 * (mean - half) / base;
    report_silently(&m, "%s, lower 95 %%", name);
    m.value = 100 * (mean + half) / base;
    report_silently(&m, "%s, upper 95 %%", name);
}

static void run_pairs(const char *program, uint64_t epochs, const char *checkpoint_steps)
{
    seen.count = sized(1, 6, 40);
    for (size_t pair = 0; pair < seen.count; pair++) {
        double accuracy[2];
        for (int half = 0; half < 2; half++) {
            int is_recorded = half ^ (int)(pair % 2);
            job j = run_job(program, epochs, checkpoint_steps, is_recorded);
            seen.iteration_us[is_recorded][pair] = j.iteration_us;
            seen.job_ms[is_recorded][pair] = j.job_ms;
            seen.cpu_ms[is_recorded][pair] = j.cpu_ms;
            accuracy[is_recorded] = j.accuracy;
        }
        if (accuracy[0] != accuracy[1]) die("the job learns %f with recording, %f without", accuracy[1], accuracy[0]);
    }
}

/* The medians of both, as a line. */
static void report_medians(const char *name, const char *unit, double values[2][PAIRS_MAX])
{
    static rounds r[2];
    for (int i = 0; i < 2; i++) {
        r[i].count = 0;
        for (size_t pair = 0; pair < seen.count; pair++) rounds_add(&r[i], values[i][pair]);
    }
    measurement m = measured(unit, &r[1]);
    m.floor = rounds_spread(&r[0]).median;
    report_as(&m, "%s", name);
}

void bench_impact(void)
{
    const char *program = built_program("examples/digits");
    uint64_t epochs = sized(1, 200, 400);
    report_section("The digits example, 54 metrics an iteration on 4 ranks; floor: the same without recording");
    if (!program) {
        report_note("skipped: the examples are not built");
        return;
    }
    run_pairs(program, epochs, "1000000");
    report_medians("an iteration", "us", seen.iteration_us);
    report_difference("  slower by, mean of pairs", seen.iteration_us, 1);
    report_medians("the job, launch to end", "ms", seen.job_ms);
    report_difference("  slower by, job", seen.job_ms, 0);
    report_difference("  more processor time, job", seen.cpu_ms, 0);
    run_pairs(program, epochs, "500");
    report_medians("an iteration, synced each 500", "us", seen.iteration_us);
    report_difference("  slower by, synced each 500", seen.iteration_us, 0);
}
