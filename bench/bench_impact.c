/* bench/bench_impact.c: what recording costs a training job: the example job with and without it.
 *
 * Four ranks learn digits and record 54 metrics in each iteration of a fraction of a millisecond; the same job with
 * --no-record computes the metrics and throws them away. Jobs with and without take turns in the order A B B A, so that
 * a machine that slows down slows both. The time of a job is from the launch of its ranks to the end of the last one,
 * with the opening of the store and the closing, which seals and syncs. The difference of each pair, its mean, and the
 * interval that holds the true mean with 95 % confidence (Student's t). Both end with the same accuracy on the test
 * digits, or something is wrong. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define PAIRS_MAX 64u

typedef struct job {
    double iteration_us, cpu_seconds, accuracy;
} job;

static double children_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static double number_after(const char *text, const char *words)
{
    const char *at = strstr(text, words);
    if (!at) die("the job did not say '%s': %s", words, text);
    return strtod(at + strlen(words), NULL);
}

static job run_job(const char *program, uint64_t epochs, int is_recorded)
{
    char directory[480], store[512], epoch_text[24], output[4096];
    scratch_directory(directory, sizeof directory);
    snprintf(store, sizeof store, "%s/store", directory);
    snprintf(epoch_text, sizeof epoch_text, "%llu", (unsigned long long)epochs);
    const char *arguments[] = {program, "--store", store, "--epochs", epoch_text, is_recorded ? NULL : "--no-record",
                               NULL};
    double cpu = children_seconds();
    int code = command_run(arguments, output, sizeof output);
    cpu = children_seconds() - cpu;
    if (code != 0) die("the job ended with code %d: %s", code, output);
    scratch_remove(directory);
    return (job){number_after(output, "an iteration every "), cpu, number_after(output, "test accuracy ")};
}

/* The 97.5 % point of Student's t, to three digits from 5 degrees of freedom on (Cornish and Fisher, 1937). */
static double student(double degrees)
{
    double z = 1.959964, z3 = z * z * z, z5 = z3 * z * z;
    return z + (z3 + z) / (4 * degrees) + (5 * z5 + 16 * z3 + 3 * z) / (96 * degrees * degrees);
}

static void report_difference(const char *name, const double *plain, const double *recorded, size_t count,
                              double target)
{
    double mean = 0, squares = 0, base = 0;
    for (size_t i = 0; i < count; i++) {
        mean += (recorded[i] - plain[i]) / (double)count;
        base += plain[i] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        double d = recorded[i] - plain[i] - mean;
        squares += d * d;
    }
    double half = count > 1 ? student((double)count - 1) * sqrt(squares / (double)(count - 1) / (double)count) : 0;
    measurement m = {.unit = "%", .value = 100 * mean / base, .target = target, .n = count};
    report_as(&m, "%s", name);
    report_note("95 %% confidence: %.2f to %.2f %%", 100 * (mean - half) / base, 100 * (mean + half) / base);
    report_silently(&(measurement){.unit = "%", .value = 100 * (mean - half) / base, .n = count}, "%s, lower 95 %%",
                    name);
    report_silently(&(measurement){.unit = "%", .value = 100 * (mean + half) / base, .n = count}, "%s, upper 95 %%",
                    name);
}

void bench_impact(void)
{
    static double wall[2][PAIRS_MAX], cpu[2][PAIRS_MAX];
    static rounds times[2];
    const char *program = built_program("examples/digits");
    uint64_t epochs = sized(1, 100, 400), pairs = sized(1, 10, 40);
    report_section("The digits example, 54 metrics an iteration on 4 ranks, with and without recording");
    if (!program) {
        report_note("skipped: the examples are not built");
        return;
    }
    times[0].count = times[1].count = 0;
    for (uint64_t pair = 0; pair < pairs; pair++) {
        double accuracy[2];
        for (int half = 0; half < 2; half++) {
            int is_recorded = half ^ (int)(pair % 2);
            job j = run_job(program, epochs, is_recorded);
            wall[is_recorded][pair] = j.iteration_us;
            cpu[is_recorded][pair] = j.cpu_seconds;
            accuracy[is_recorded] = j.accuracy;
            rounds_add(&times[is_recorded], j.iteration_us);
        }
        if (accuracy[0] != accuracy[1]) die("the job learns %f with recording, %f without", accuracy[1], accuracy[0]);
    }
    measurement without = measured("us", &times[0]), with = measured("us", &times[1]);
    report_as(&without, "an iteration, not recorded");
    with.floor = without.value;
    report_as(&with, "an iteration, recorded");
    report_difference("slower by, mean of pairs", wall[0], wall[1], pairs, 1);
    report_difference("more processor time, mean of pairs", cpu[0], cpu[1], pairs, 0);
}
