/* damage/main.c: a small store is damaged in every way, and what is read of it afterwards is compared with what was
 * recorded. tests/README.md says what it proves.
 *
 *   damage [--long] [--part N/M] [--seed N] [--runs N] [--seconds N] [--only NAME] [--case WORDS] [--save DIR] [--help]
 *
 * Without --long each test takes a sample that the seed decides, the same one each time. */
#include "damage/attacks.h"
#include "damage/guard.h"
#include "support/store_kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct arguments {
    attack_options attack;
    uint64_t runs, seconds;
    const char *only, *save;
} arguments;

static const char usage[] =
    "usage: damage [--long] [--part N/M] [--seed N] [--runs N] [--seconds N] [--only NAME] [--case WORDS] [--save DIR]\n"
    "\n"
    "  --long          every case, not a sample\n"
    "  --part N/M      of the cases of --long only number N, N+M ...\n"
    "  --seed N        which sample, from 1 (default 1)\n"
    "  --runs N        samples of so many seeds\n"
    "  --seconds N     samples of further seeds until the time is over\n"
    "  --only NAME     one test: bits, bytes, lengths, blocks, files, or one of these with -resealed\n"
    "  --case WORDS    one case, by the words that a violation is told with\n"
    "  --save DIR      writes the reference store to a directory and ends\n";

static int number_of(const char *text, uint64_t *out)
{
    char *end;
    if (!text || *text < '0' || *text > '9') return 0;
    *out = strtoull(text, &end, 10);
    return *end == 0;
}

static int parse(int count, char **words, arguments *out)
{
    *out = (arguments){.attack = {.seed = 1, .part_count = 1}, .runs = 1};
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? words[i + 1] : NULL;
        char *slash;
        if (strcmp(words[i], "--long") == 0) {
            out->attack.is_long = 1;
            continue;
        }
        if (strcmp(words[i], "--seed") == 0 && number_of(value, &out->attack.seed)) i++;
        else if (strcmp(words[i], "--runs") == 0 && number_of(value, &out->runs)) i++;
        else if (strcmp(words[i], "--seconds") == 0 && number_of(value, &out->seconds)) i++;
        else if (strcmp(words[i], "--only") == 0 && value) out->only = words[++i];
        else if (strcmp(words[i], "--case") == 0 && value) out->attack.only_case = words[++i];
        else if (strcmp(words[i], "--save") == 0 && value) out->save = words[++i];
        else if (strcmp(words[i], "--part") == 0 && value && (slash = strchr(words[i + 1], '/')) != NULL) {
            *slash = 0;
            if (!number_of(value, &out->attack.part) || !number_of(slash + 1, &out->attack.part_count) ||
                out->attack.part >= out->attack.part_count)
                return 0;
            i++;
        } else
            return 0;
    }
    if (!out->only) return 1;
    for (size_t i = 0; i < attack_test_count; i++)
        if (strcmp(attack_tests[i].name, out->only) == 0) return 1;
    return 0;
}

static int save(const reference *r, const char *directory)
{
    for (size_t i = 0; i < r->disk.count; i++) {
        char path[4096], command[4200];
        snprintf(path, sizeof path, "%s/%s", directory, r->disk.files[i].name);
        if (r->disk.files[i].node->is_directory) {
            snprintf(command, sizeof command, "mkdir -p '%s'", path);
            if (system(command) != 0) return 1;
            continue;
        }
        FILE *file = fopen(path, "wb");
        if (!file) return 1;
        size_t written = fwrite(r->disk.files[i].node->data, 1, r->disk.files[i].node->bytes, file);
        if (fclose(file) != 0 || written != r->disk.files[i].node->bytes) return 1;
    }
    return 0;
}

int main(int count, char **words)
{
    static reference r, again;
    static store_image image;
    static judge j;
    arguments given;
    for (int i = 1; i < count; i++)
        if (strcmp(words[i], "--help") == 0) return fputs(usage, stdout) < 0;
    if (!parse(count, words, &given)) {
        fputs(usage, stderr);
        return 2;
    }
    guard_begin();
    reference_make(&r);
    reference_make(&again);
    HOLDS(r.bytes == again.bytes && r.disk.count == again.disk.count, "the reference store is another each time");
    for (size_t i = 0; i < r.disk.count; i++)
        HOLDS(strcmp(r.disk.files[i].name, again.disk.files[i].name) == 0 &&
                  (r.disk.files[i].node->is_directory || memcmp(r.disk.files[i].node->data, again.disk.files[i].node->data, r.disk.files[i].node->bytes) == 0),
              "'%s' is another each time", r.disk.files[i].name);
    reference_free(&again);
    if (given.save) return save(&r, given.save);
    memory_os_use(&r.disk, 1);
    reference_check(&r);
    image_make(&image, &r);
    judge_make(&j, &r, &image);
    printf("# the reference store: %zu bytes, %zu of them zeros in headers; %zu blocks, %zu points, %zu items\n", r.bytes,
           r.zero_bytes, j.maps[1].count, r.point_count, image.count);
    time_t end = time(NULL) + (time_t)given.seconds;
    uint64_t violations = 0;
    for (size_t i = 0; i < attack_test_count; i++) {
        const attack_test *test = &attack_tests[i];
        if (given.only && strcmp(test->name, given.only) != 0) continue;
        uint64_t runs = 0;
        clock_t begin = clock();
        j.case_count = j.read_count = j.told_count = j.harmless_count = j.lossy_count = j.recovery_count = j.violation_count = 0;
        attack_options options = given.attack;
        for (; runs < given.runs || time(NULL) < end; runs++, options.seed++) test->run(&j, &options);
        printf("%s - %s: %s: %" PRIu64 " cases, %" PRIu64 " read, %" PRIu64 " told, %" PRIu64 " harmless, %" PRIu64 " compacted, %" PRIu64
               " violations; %.1f s, at most %zu KiB of memory, %" PRIu64 " KiB read\n",
               j.violation_count ? "not ok" : "ok", test->name, test->what, j.case_count, j.read_count, j.told_count, j.harmless_count,
               j.recovery_count, j.violation_count, (double)(clock() - begin) / CLOCKS_PER_SEC, j.most_memory / 1024,
               j.most_bytes_read / 1024);
        printf("RESULT\tdamage/%s\truns=%" PRIu64 "\tstates=%" PRIu64 "\tviolations=%" PRIu64 "\tseeds=%" PRIu64
               "-%" PRIu64 "\n", test->name, runs, j.case_count, j.violation_count, given.attack.seed,
               options.seed - 1);
        fflush(stdout);
        violations += j.violation_count;
    }
    judge_free(&j);
    image_free(&image);
    reference_free(&r);
    return violations != 0;
}
