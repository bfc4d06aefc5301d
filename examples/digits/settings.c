/* settings.c: what the job was asked to do, from its command line.
 *
 * Read once by train.c; a resumed job then takes ranks, epochs and seed from its
 * checkpoint, because only with the same ones does it go on as if never stopped. */
#include "settings.h"

#include "ranks.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EPOCHS_MAX = 100000, EPOCHS_DEFAULT = 200 };

static const struct option option_list[] = {
    {"store", required_argument, NULL, 's'},      {"job", required_argument, NULL, 'j'},
    {"data", required_argument, NULL, 'd'},       {"run-key", required_argument, NULL, 'k'},
    {"name", required_argument, NULL, 'n'},       {"ranks", required_argument, NULL, 'r'},
    {"epochs", required_argument, NULL, 'e'},     {"seed", required_argument, NULL, 'S'},
    {"kill-rank", required_argument, NULL, 'R'},  {"kill-at", required_argument, NULL, 'A'},
    {"checkpoint-every", required_argument, NULL, 'c'}, {"resume", no_argument, NULL, 'x'},
    {"no-record", no_argument, NULL, 'N'},        {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

void settings_help(void)
{
    fputs("digits: trains a small network on handwritten digits and records every iteration with steplog\n"
          "\n"
          "  --store DIR           the store to record into; made when missing\n"
          "  --ranks N             processes that share each batch: 1, 2, 4, 8 or 16 (4)\n"
          "  --epochs N            passes over the training digits (200)\n"
          "  --seed S              of everything random (1)\n"
          "  --name NAME           the run's name (digits)\n"
          "  --run-key KEY         the run's key (a random one)\n"
          "  --data FILE           the digits (examples/data/digits.csv)\n"
          "  --job DIR             for the checkpoint and the ranks' counts (the store's path with .job)\n"
          "  --checkpoint-every N  steps between checkpoints (500)\n"
          "  --kill-rank R --kill-at STEP\n"
          "                        kill rank R with SIGKILL once it has logged STEP\n"
          "  --resume              go on from the checkpoint; ranks, epochs and seed are those it was made with\n"
          "  --no-record           compute the metrics and throw them away: to see what recording costs\n"
          "\n"
          "exit codes: 0 trained, 1 a rank was lost (--resume goes on), 2 usage, 4 could not\n",
          stdout);
}

static bool parse_number(const char *option, const char *text, uint64_t smallest, uint64_t largest, uint64_t *out)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < smallest || value > largest) {
        fprintf(stderr, "digits: --%s '%s': expected a number of %llu to %llu\n", option, text,
                (unsigned long long)smallest, (unsigned long long)largest);
        return false;
    }
    *out = value;
    return true;
}

/* Takes one option; the flags say which of the two halves of a kill were given. */
static bool take_option(settings *out, const char *name, int letter, const char *text, int *kill_halves)
{
    uint64_t number = 0;
    switch (letter) {
    case 's': out->store_path = text; return true;
    case 'j': out->job_path = text; return true;
    case 'd': out->data_path = text; return true;
    case 'k': out->run_key = text; return true;
    case 'n': out->run_name = text; return true;
    case 'x': out->is_resume = true; return true;
    case 'N': out->is_unrecorded = true; return true;
    case 'h': out->is_help = true; return true;
    case 'r':
        if (!parse_number(name, text, 1, RANKS_MAX, &number)) return false;
        out->rank_count = (uint32_t)number;
        return true;
    case 'e':
        if (!parse_number(name, text, 1, EPOCHS_MAX, &number)) return false;
        out->epoch_count = (uint32_t)number;
        return true;
    case 'c':
        if (!parse_number(name, text, 1, UINT32_MAX, &number)) return false;
        out->checkpoint_steps = (uint32_t)number;
        return true;
    case 'S': return parse_number(name, text, 0, UINT64_MAX, &out->seed);
    case 'R':
        if (!parse_number(name, text, 0, RANKS_MAX - 1, &number)) return false;
        out->kill_rank = (uint32_t)number;
        *kill_halves |= 1;
        return true;
    case 'A':
        if (!parse_number(name, text, 0, INT64_MAX, &number)) return false;
        out->kill_step = (int64_t)number;
        *kill_halves |= 2;
        return true;
    default: return false;
    }
}

static bool settings_check(const settings *asked, int kill_halves)
{
    const char *wrong = NULL;
    if (asked->store_path == NULL) wrong = "--store DIR is missing";
    if (BATCH_SIZE % asked->rank_count != 0) wrong = "--ranks must divide a batch of 32";
    if (kill_halves == 1 || kill_halves == 2) wrong = "--kill-rank and --kill-at go together";
    if (kill_halves == 3 && asked->kill_rank >= asked->rank_count) wrong = "--kill-rank: there is no such rank";
    if (asked->is_unrecorded && asked->is_resume) wrong = "--no-record and --resume do not go together";
    if (asked->run_key != NULL && strlen(asked->run_key) >= RUN_KEY_BYTES_MAX) wrong = "--run-key is too long";
    if (asked->run_key != NULL && asked->run_key[0] == '\0') wrong = "--run-key is empty";
    if (wrong != NULL) fprintf(stderr, "digits: %s; --help lists the options\n", wrong);
    return wrong == NULL;
}

bool settings_parse(settings *out, int argc, char **argv)
{
    *out = (settings){
        .data_path = "examples/data/digits.csv",
        .run_name = "digits",
        .rank_count = 4,
        .epoch_count = EPOCHS_DEFAULT,
        .checkpoint_steps = CHECKPOINT_STEPS,
        .seed = 1,
    };
    int kill_halves = 0;
    int which = 0;
    for (int letter; (letter = getopt_long(argc, argv, "", option_list, &which)) != -1;)
        if (!take_option(out, option_list[which].name, letter, optarg, &kill_halves)) return false;
    if (out->is_help) return true;
    if (optind < argc) {
        fprintf(stderr, "digits: '%s': expected only options; --help lists them\n", argv[optind]);
        return false;
    }
    out->has_kill = kill_halves == 3;
    return settings_check(out, kill_halves);
}
