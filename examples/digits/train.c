/* train.c: the example job: trains a network on handwritten digits, and records it all.
 *
 *     build/digits --store runs                              four ranks, a row each iteration
 *     build/digits --store runs --kill-rank 2 --kill-at 4321 one of them is killed on the way
 *     build/digits --store runs --resume                     and the job goes on from its checkpoint
 *
 * This file is the launcher's side: it makes the store, on a resume rewinds the run to
 * the checkpoint's step, starts the ranks (launcher.c), and writes down how many rows
 * each of them was told are kept, for whoever wants to compare. The ranks' side is
 * trainer.c; the calls to steplog are here (open_attempt) and in recorder.c. */
#include "checkpoint.h"
#include "launcher.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_TRAINED = 0, EXIT_LOST = 1, EXIT_USAGE = 2, EXIT_COULD_NOT = 4, PATH_BYTES_MAX = 4096 };

/* What a job begins with; the same for a fresh and a resumed one. */
typedef struct beginning {
    job_plan job;
    dataset data;
    network net;
    checkpoint from;
    char run_key[RUN_KEY_BYTES_MAX];
    char job_path[PATH_BYTES_MAX];
} beginning;

static bool job_path_make(beginning *self)
{
    const settings *asked = &self->job.asked;
    const char *base = asked->job_path != NULL ? asked->job_path : asked->store_path;
    size_t bytes = strlen(base);
    while (asked->job_path == NULL && bytes > 1 && base[bytes - 1] == '/') bytes--; /* "runs/" means "runs.job" */
    const int written = snprintf(self->job_path, sizeof self->job_path, "%.*s%s", (int)bytes, base,
                                 asked->job_path != NULL ? "" : ".job");
    if (written < 0 || (size_t)written >= sizeof self->job_path) {
        fputs("digits: the path of the job's directory is too long\n", stderr);
        return false;
    }
    if (mkdir(self->job_path, 0777) == 0 || errno == EEXIST) return true;
    fprintf(stderr, "digits: '%s': %s\n", self->job_path, strerror(errno));
    return false;
}

static bool job_file_remove(const beginning *self, const char *name)
{
    char path[PATH_BYTES_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", self->job_path, name);
    if (unlink(path) == 0 || errno == ENOENT) return true;
    fprintf(stderr, "digits: '%s': %s\n", path, strerror(errno));
    return false;
}

static bool begin_fresh(beginning *self)
{
    const settings *asked = &self->job.asked;
    uint64_t bits[2];

    /* Else a later resume would go on with another run. */
    if (!job_file_remove(self, "checkpoint") || !job_file_remove(self, "acknowledged.tsv")) return false;
    if (asked->run_key != NULL) {
        snprintf(self->run_key, sizeof self->run_key, "%s", asked->run_key);
    } else if (getrandom(bits, sizeof bits, 0) == (ssize_t)sizeof bits) {
        snprintf(self->run_key, sizeof self->run_key, "digits-%016" PRIx64 "%016" PRIx64, bits[0], bits[1]);
    } else {
        fprintf(stderr, "digits: no random run key: %s\n", strerror(errno));
        return false;
    }
    network_init(&self->net, asked->seed);
    self->job.step_begin = 0;
    return true;
}

static bool begin_resumed(beginning *self)
{
    settings *asked = &self->job.asked;
    if (!checkpoint_load(&self->from, self->job_path)) return false;
    if (asked->run_key != NULL && strcmp(asked->run_key, self->from.run_key) != 0) {
        fprintf(stderr, "digits: the checkpoint belongs to run key '%s'\n", self->from.run_key);
        return false;
    }
    asked->rank_count = self->from.rank_count;
    asked->epoch_count = self->from.epoch_count;
    asked->checkpoint_steps = self->from.checkpoint_steps;
    asked->seed = self->from.seed;
    if (asked->has_kill && asked->kill_rank >= asked->rank_count) {
        fputs("digits: --kill-rank: the resumed job has no such rank\n", stderr);
        return false;
    }
    memcpy(self->run_key, self->from.run_key, sizeof self->run_key);
    memcpy(self->net.parameters, self->from.parameters, sizeof self->net.parameters);
    memcpy(self->net.momentum, self->from.momentum, sizeof self->net.momentum);
    self->job.step_begin = self->from.step;
    return true;
}

/* Makes the store, or opens the next attempt of the run in it. The store is closed again
 * before the ranks are forked: each of them opens it for itself. */
static bool open_attempt(beginning *self)
{
    const settings *asked = &self->job.asked;
    const steplog_store_options options = {.size_bytes = sizeof options,
                                           .flags = STEPLOG_NO_THREAD | (asked->is_resume ? 0u : STEPLOG_CREATE)};
    steplog_store *store = NULL;
    steplog_error error = {0};
    steplog_status status = steplog_store_open(asked->store_path, &options, &store, &error);

    self->job.attempt = 1;
    if (status == STEPLOG_OK && asked->is_resume)
        status = steplog_run_rewind(store, &self->from.run, self->from.step, &self->job.attempt, &error);
    if (status != STEPLOG_OK) fprintf(stderr, "digits: '%s': %s\n", asked->store_path, error.text);
    steplog_store_close(store, NULL);
    return status == STEPLOG_OK;
}

static bool begin(beginning *self)
{
    if (!dataset_load(&self->data, self->job.asked.data_path)) return false;
    if (!job_path_make(self)) return false;
    if (self->job.asked.is_resume ? !begin_resumed(self) : !begin_fresh(self)) return false;
    self->job.data = &self->data;
    self->job.start = &self->net;
    self->job.run_key = self->run_key;
    self->job.job_path = self->job_path;
    if (self->job.step_begin >= job_step_count(&self->job)) {
        fputs("digits: too little data or too few epochs for a single step\n", stderr);
        return false;
    }
    if (!self->job.asked.is_unrecorded && !open_attempt(self)) return false;
    self->job.shared = shared_state_new(self->job.asked.rank_count);
    return self->job.shared != NULL;
}

/* Writes what each rank was told is kept: a row each in "acknowledged.tsv". A rank that was
 * killed may have one row more in the store: kept, but the append had not yet returned. */
static bool write_acknowledged(const beginning *self, const launch_result *result)
{
    char path[PATH_BYTES_MAX + 32];
    snprintf(path, sizeof path, "%s/acknowledged.tsv", self->job_path);
    FILE *file = fopen(path, "a");
    if (file == NULL) {
        fprintf(stderr, "digits: '%s': %s\n", path, strerror(errno));
        return false;
    }
    if (ftell(file) == 0) fputs("attempt\trank\tstep_first\tstep_last\trows\trefused\tended\n", file);
    for (uint32_t rank = 0; rank < self->job.asked.rank_count; rank++) {
        rank_progress *progress = &self->job.shared->progress[rank];
        fprintf(file, "%" PRIu32 "\t%" PRIu32 "\t%" PRId64 "\t%" PRId64 "\t%" PRIu64 "\t%" PRIu64 "\t%s\n",
                self->job.attempt, rank, atomic_load(&progress->step_first), atomic_load(&progress->step_last),
                atomic_load(&progress->row_count), atomic_load(&progress->refused_count),
                result->is_lost[rank] ? "lost" : "finished");
    }
    return fclose(file) == 0;
}

static void print_end(const beginning *self, const launch_result *result)
{
    uint64_t row_count = 0;
    const double step_count = (double)(job_step_count(&self->job) - self->job.step_begin);
    for (uint32_t rank = 0; rank < self->job.asked.rank_count; rank++)
        row_count += atomic_load(&self->job.shared->progress[rank].row_count);
    if (result->lost_count > 0) {
        const rank_progress *progress = &self->job.shared->progress[result->lost_first];
        printf("digits: rank %" PRIu32 " %s %d at step %" PRId64 "; the others were stopped; --resume goes on\n",
               result->lost_first, WIFSIGNALED(result->lost_status) ? "was killed by signal" : "ended with code",
               WIFSIGNALED(result->lost_status) ? WTERMSIG(result->lost_status) : WEXITSTATUS(result->lost_status),
               atomic_load(&progress->step_last));
    } else {
        printf("digits: trained; test accuracy %.4f; an iteration every %.1f us\n", self->job.shared->test_accuracy,
               self->job.shared->loop_seconds * 1e6 / step_count);
    }
    printf("digits: %" PRIu64 " rows in %.3f s\n", row_count, result->seconds);
}

static int run(beginning *self)
{
    launch_result result;
    if (!begin(self)) return EXIT_COULD_NOT;
    printf("digits: %" PRIu32 " rank%s, steps %" PRId64 " to %" PRId64 ", attempt %" PRIu32 "\n",
           self->job.asked.rank_count, self->job.asked.rank_count == 1 ? "" : "s", self->job.step_begin,
           job_step_count(&self->job) - 1, self->job.attempt);
    const bool is_launched = launch(&self->job, &result);
    const bool is_written = write_acknowledged(self, &result);
    if (!is_launched) return EXIT_COULD_NOT;
    print_end(self, &result);
    if (self->job.shared->run_text[0] != '\0') printf("digits: run %s\n", self->job.shared->run_text);
    if (result.lost_count > 0) return EXIT_LOST;
    return is_written ? EXIT_TRAINED : EXIT_COULD_NOT;
}

int main(int argc, char **argv)
{
    beginning *self = calloc(1, sizeof *self);
    int exit_code = EXIT_COULD_NOT;
    if (self == NULL) return exit_code;
    if (!settings_parse(&self->job.asked, argc, argv)) {
        exit_code = EXIT_USAGE;
    } else if (self->job.asked.is_help) {
        settings_help();
        exit_code = EXIT_TRAINED;
    } else {
        exit_code = run(self);
    }
    shared_state_free(self->job.shared);
    free(self);
    return exit_code;
}
