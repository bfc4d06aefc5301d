/* fuzz/replay.c: runs a fuzz target without libFuzzer: the files it is given, then mutations of them.
 *
 *     replay [--runs N] [--seed N] [--seconds N] [--write FILE] FILE|DIRECTORY...
 *
 * Each run takes one of the inputs, mutates it as the target's own mutator says, and is known by its seed alone:
 * --runs 1 --seed S repeats it, --write FILE keeps its input instead of running it. AFL++ gives one file. */
#include "fuzz/fuzz.h"
#include "fuzz/mutate.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_BYTES_MAX = 1 << 20, GROWN_BYTES = 4096, SECONDS_MAX = 20 };

/* A target that has no mutator of its own has none to link. */
#pragma weak LLVMFuzzerCustomMutator

typedef struct replay_input {
    uint8_t *data;
    size_t bytes;
    char *path;
} replay_input;

static replay_input *inputs;
static size_t input_count, input_capacity;
/* What runs now, for the words at its end. */
static const char *current_path;
static uint64_t current_seed;

static void say_current(int number)
{
    char text[256];
    int length = current_path ? snprintf(text, sizeof text, "while running '%s'\n", current_path)
                              : snprintf(text, sizeof text, "repeat with --runs 1 --seed %" PRIu64 "\n", current_seed);
    if (number == SIGALRM) (void)!write(2, "an input took too long\n", 23);
    if (length > 0) (void)!write(2, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
    signal(SIGABRT, SIG_DFL);
    abort();
}

static void fail(const char *what, const char *on)
{
    fprintf(stderr, "%s '%s'\n", what, on);
    exit(2);
}

static void add_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    if (!file || !data) fail("cannot read", path);
    size_t bytes = fread(data, 1, INPUT_BYTES_MAX, file);
    fclose(file);
    if (input_count == input_capacity) {
        input_capacity = input_capacity ? input_capacity * 2 : 64;
        inputs = realloc(inputs, input_capacity * sizeof *inputs);
        if (!inputs) abort();
    }
    inputs[input_count++] = (replay_input){.data = realloc(data, bytes + 1), .bytes = bytes, .path = strdup(path)};
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const replay_input *)a)->path, ((const replay_input *)b)->path);
}

static void add(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) fail("cannot find", path);
    if (!S_ISDIR(status.st_mode)) {
        add_file(path);
        return;
    }
    size_t first = input_count;
    DIR *directory = opendir(path);
    if (!directory) fail("cannot list", path);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char full[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(full, sizeof full, "%s/%s", path, entry->d_name);
        add(full);
    }
    closedir(directory);
    /* Seeds name inputs by their place, so that must not depend on the file system. */
    if (input_count > first) qsort(inputs + first, input_count - first, sizeof *inputs, by_path);
}

static void run(const uint8_t *data, size_t bytes)
{
    /* A block of its own size: reading behind the input is seen. */
    uint8_t *copy = fuzz_copy(data, bytes, 0, 0);
    alarm(SECONDS_MAX);
    LLVMFuzzerTestOneInput(copy, bytes);
    alarm(0);
    free(copy);
}

static void run_mutated(uint64_t seed, const char *write_to)
{
    test_random random = test_random_from(seed);
    const replay_input *input = &inputs[test_random_below(&random, input_count)];
    size_t bytes = input->bytes, bytes_max = bytes + GROWN_BYTES;
    uint8_t *data = fuzz_copy(input->data, bytes, GROWN_BYTES, 0);
    current_path = NULL;
    current_seed = seed;
    fuzz_mutate_seed(test_random_u64(&random));
    for (uint64_t left = 1 + test_random_below(&random, 3); left > 0; left--) {
        unsigned own = (unsigned)test_random_u64(&random);
        bytes = LLVMFuzzerCustomMutator ? LLVMFuzzerCustomMutator(data, bytes, bytes_max, own)
                                        : LLVMFuzzerMutate(data, bytes, bytes_max);
    }
    if (write_to) {
        FILE *file = fopen(write_to, "wb");
        if (!file || fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0) fail("cannot write", write_to);
    } else {
        run(data, bytes);
    }
    free(data);
}

static void usage(void)
{
    fputs("usage: replay [--runs N] [--seed N] [--seconds N] [--write FILE] FILE|DIRECTORY...\n", stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    uint64_t runs = 0, seed = 1, seconds = 0;
    const char *write_to = NULL;
    for (int i = 1; i < argc; i++) {
        char *end = "";
        if (strncmp(argv[i], "--", 2) != 0) {
            add(argv[i]);
            continue;
        }
        if (i + 1 == argc) usage();
        const char *name = argv[i++];
        if (strcmp(name, "--runs") == 0)
            runs = strtoull(argv[i], &end, 10);
        else if (strcmp(name, "--seed") == 0)
            seed = strtoull(argv[i], &end, 10);
        else if (strcmp(name, "--seconds") == 0)
            seconds = strtoull(argv[i], &end, 10);
        else if (strcmp(name, "--write") == 0)
            write_to = argv[i];
        else
            usage();
        if (*end) usage();
    }
    if (input_count == 0) usage();
    signal(SIGABRT, say_current);
    signal(SIGALRM, say_current);
    if (write_to) {
        run_mutated(seed, write_to);
        return 0;
    }
    for (size_t i = 0; i < input_count; i++) {
        current_path = inputs[i].path;
        run(inputs[i].data, inputs[i].bytes);
    }
    time_t begin = time(NULL);
    uint64_t first = seed, last = seed + runs;
    while (seed < last || (seconds && time(NULL) - begin < (time_t)seconds)) run_mutated(seed++, NULL);
    printf("%zu inputs, %" PRIu64 " mutations of them, seeds %" PRIu64 "-%" PRIu64 "\n", input_count, seed - first,
           first, seed > first ? seed - 1 : first);
    for (size_t i = 0; i < input_count; i++) {
        free(inputs[i].data);
        free(inputs[i].path);
    }
    free(inputs);
    return 0;
}
