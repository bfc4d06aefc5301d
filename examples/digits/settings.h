/* settings.h: what the job was asked to do, from its command line. */
#ifndef DIGITS_SETTINGS_H
#define DIGITS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BATCH_SIZE = 32, /* of all ranks together */
    CHECKPOINT_STEPS = 500,
    RUN_KEY_BYTES_MAX = 64
};

static const double learning_rate_peak = 0.05;
static const double learning_rate_floor = 0.0005;
static const double momentum_factor = 0.9;
static const double weight_decay_factor = 1e-4;

typedef struct settings {
    const char *store_path;
    const char *job_path; /* directory of the checkpoint; NULL: the store's path with ".job" */
    const char *data_path;
    const char *run_key; /* NULL: a random one */
    const char *run_name;
    uint32_t rank_count;
    uint32_t epoch_count;
    uint32_t checkpoint_steps;
    uint64_t seed;
    bool has_kill; /* the launcher kills kill_rank once that has logged kill_step */
    uint32_t kill_rank;
    int64_t kill_step;
    bool is_resume;
    bool is_unrecorded; /* metrics are computed and thrown away, to see what recording costs */
    bool is_help;
} settings;

/* Reads the command line. False, with a line on stderr, when it makes no sense. */
bool settings_parse(settings *out, int argc, char **argv);

/* Prints the options. */
void settings_help(void);

#endif
