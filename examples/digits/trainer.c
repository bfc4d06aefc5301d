/* trainer.c: the training loop of one rank.
 *
 * An iteration: run this rank's share of the batch through the network, add up the
 * gradients of all ranks, step, append one row. All ranks hold the same parameters bit
 * for bit; the losses differ, as each sees other digits. Runs in a forked process that
 * the launcher watches, and that may be killed at any instruction. */
#include "trainer.h"

#include "checkpoint.h"
#include "recorder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const int64_t warmup_steps = 200;
static const double pi = 3.14159265358979323846;

enum { REDUCE_LOSS = PARAMETER_COUNT, REDUCE_CORRECT, REDUCE_COUNT };
enum { TEST_LOSS = CLASS_COUNT * CLASS_COUNT, TEST_REDUCE_COUNT };

_Static_assert((int)REDUCE_COUNT <= (int)REDUCE_MAX && (int)TEST_REDUCE_COUNT <= (int)REDUCE_MAX,
               "a sum must fit into a slot");

typedef struct timings {
    int64_t begin_ns; /* of this iteration */
    int64_t computed_ns;
    int64_t reduced_ns;
    int64_t previous_begin_ns;
    int64_t append_ns; /* what the previous row cost to record */
} timings;

typedef struct trainer {
    const job_plan *job;
    uint32_t rank;
    recorder rec;
    rank_reducer reducer;
    network net;
    metric_row row;
    timings times;
    double loss;     /* of this rank's share */
    double accuracy; /* likewise */
    double loss_all;
    double accuracy_all;
    sample_pass passes[BATCH_SIZE];
    int labels[BATCH_SIZE];
    float sums[REDUCE_MAX];
    int64_t order_epoch; /* of what is in order; -1: none */
    uint32_t order[SAMPLES_MAX];
} trainer;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t epoch_steps(const job_plan *job)
{
    return (int64_t)(job->data->train_count / BATCH_SIZE);
}

int64_t job_step_count(const job_plan *job)
{
    return epoch_steps(job) * job->asked.epoch_count;
}

static size_t share_count(const trainer *self)
{
    return BATCH_SIZE / self->job->asked.rank_count;
}

/* A line up, then half a cosine down. */
static double learning_rate(const job_plan *job, int64_t step)
{
    if (step < warmup_steps) return learning_rate_peak * (double)(step + 1) / (double)warmup_steps;
    const double way = (double)(step - warmup_steps) / fmax(1.0, (double)(job_step_count(job) - warmup_steps));
    return learning_rate_floor + (learning_rate_peak - learning_rate_floor) * 0.5 * (1.0 + cos(pi * way));
}

/* ---- one iteration ---- */

static void batch_load(trainer *self, int64_t step)
{
    const job_plan *job = self->job;
    const int64_t epoch = step / epoch_steps(job);
    const size_t first = (size_t)(step % epoch_steps(job)) * BATCH_SIZE + self->rank * share_count(self);

    if (self->order_epoch != epoch) dataset_order(job->data, job->asked.seed, epoch, self->order);
    self->order_epoch = epoch;
    for (size_t i = 0; i < share_count(self); i++) {
        const uint32_t index = self->order[first + i];
        sample_jitter(&job->data->train[index], mix_bits(job->asked.seed, (uint64_t)epoch, index),
                      self->passes[i].units[0]);
        self->labels[i] = job->data->train[index].label;
    }
}

static void batch_compute(trainer *self)
{
    const size_t count = share_count(self);
    double loss_sum = 0.0;
    double correct = 0.0;

    memset(self->net.gradient, 0, sizeof self->net.gradient);
    for (size_t i = 0; i < count; i++) {
        network_forward(&self->net, &self->passes[i]);
        network_backward(&self->net, &self->passes[i], self->labels[i]);
        loss_sum += pass_loss(&self->passes[i], self->labels[i]);
        correct += pass_answer(&self->passes[i]) == self->labels[i] ? 1.0 : 0.0;
    }
    self->loss = loss_sum / (double)count;
    self->accuracy = correct / (double)count;
    self->sums[REDUCE_LOSS] = (float)loss_sum;
    self->sums[REDUCE_CORRECT] = (float)correct;
}

/* Turns this rank's gradient into the mean gradient of the whole batch. */
static bool batch_reduce(trainer *self)
{
    memcpy(self->sums, self->net.gradient, sizeof self->net.gradient);
    if (!ranks_sum(&self->reducer, self->sums, REDUCE_COUNT)) return false;
    for (size_t i = 0; i < PARAMETER_COUNT; i++) self->net.gradient[i] = self->sums[i] / BATCH_SIZE;
    self->loss_all = (double)self->sums[REDUCE_LOSS] / BATCH_SIZE;
    self->accuracy_all = (double)self->sums[REDUCE_CORRECT] / BATCH_SIZE;
    return true;
}

static void put_timings(trainer *self)
{
    const timings *times = &self->times;
    const double iteration_ns = (double)(times->begin_ns - times->previous_begin_ns);
    row_put(&self->row, "iteration_us", iteration_ns / 1e3);
    row_put(&self->row, "compute_us", (double)(times->computed_ns - times->begin_ns) / 1e3);
    row_put(&self->row, "reduce_us", (double)(times->reduced_ns - times->computed_ns) / 1e3);
    row_put(&self->row, "append_ns", (double)times->append_ns);
    row_put(&self->row, "samples_per_s", iteration_ns > 0.0 ? BATCH_SIZE * 1e9 / iteration_ns : 0.0);
}

static void put_iteration(trainer *self, int64_t step, double rate, double local_grad_norm)
{
    const double steps_done = (double)(step + 1);
    row_clear(&self->row);
    row_put(&self->row, "loss", self->loss);
    row_put(&self->row, "accuracy", self->accuracy);
    row_put(&self->row, "loss_all_ranks", self->loss_all);
    row_put(&self->row, "accuracy_all_ranks", self->accuracy_all);
    row_put(&self->row, "learning_rate", rate);
    row_put(&self->row, "epoch", steps_done / (double)epoch_steps(self->job));
    row_put(&self->row, "samples_seen", steps_done * BATCH_SIZE);
    row_put(&self->row, "local_grad_norm", local_grad_norm);
    row_put_network(&self->row, &self->net);
    row_put_passes(&self->row, self->passes, share_count(self));
    put_timings(self);
}

static double local_gradient_norm(const trainer *self)
{
    double sum = 0.0;
    for (size_t i = 0; i < PARAMETER_COUNT; i++) sum += (double)self->net.gradient[i] * (double)self->net.gradient[i];
    return sqrt(sum) / (double)share_count(self);
}

/* Counts the row for the launcher, after the store has said that it is kept. */
static void count_row(trainer *self, int64_t step, bool is_recorded)
{
    rank_progress *progress = &self->job->shared->progress[self->rank];
    if (!is_recorded) {
        atomic_fetch_add(&progress->refused_count, 1);
        return;
    }
    if (atomic_load(&progress->row_count) == 0) atomic_store(&progress->step_first, step);
    atomic_store(&progress->step_last, step);
    atomic_fetch_add(&progress->row_count, 1);
}

static void record_iteration(trainer *self, int64_t step)
{
    const int64_t begin_ns = now_ns();
    const bool is_recorded = recorder_append(&self->rec, &self->rec.iteration, step, &self->row);
    self->times.append_ns = now_ns() - begin_ns;
    count_row(self, step, is_recorded);
}

static bool iterate(trainer *self, int64_t step)
{
    const double rate = learning_rate(self->job, step);

    self->times.previous_begin_ns = self->times.begin_ns;
    self->times.begin_ns = now_ns();
    batch_load(self, step);
    batch_compute(self);
    const double local_grad_norm = local_gradient_norm(self);
    self->times.computed_ns = now_ns();
    if (!batch_reduce(self)) return false;
    self->times.reduced_ns = now_ns();
    network_step(&self->net, rate, momentum_factor, weight_decay_factor);
    put_iteration(self, step, rate, local_grad_norm);
    record_iteration(self, step);
    return true;
}

/* ---- the end of an epoch ---- */

static void record_epoch(trainer *self, int64_t step, const confusion *matrix, double test_loss)
{
    row_clear(&self->row);
    row_put(&self->row, "test_accuracy", confusion_accuracy(matrix));
    row_put(&self->row, "test_loss", test_loss);
    row_put_confusion(&self->row, matrix);
    recorder_append(&self->rec, &self->rec.epoch, step, &self->row);
    recorder_confusion(&self->rec, step, matrix);
    self->job->shared->test_accuracy = confusion_accuracy(matrix);
}

/* Each rank tests its share of the digits; rank 0 records what all of them found. */
static bool test_epoch(trainer *self, int64_t step)
{
    const dataset *data = self->job->data;
    sample_pass *pass = &self->passes[0];
    double loss_sum = 0.0;

    memset(self->sums, 0, TEST_REDUCE_COUNT * sizeof *self->sums);
    for (size_t i = self->rank; i < data->test_count; i += self->job->asked.rank_count) {
        memcpy(pass->units[0], data->test[i].pixels, sizeof data->test[i].pixels);
        network_forward(&self->net, pass);
        self->sums[data->test[i].label * CLASS_COUNT + pass_answer(pass)] += 1.0f;
        loss_sum += pass_loss(pass, data->test[i].label);
    }
    self->sums[TEST_LOSS] = (float)loss_sum;
    if (!ranks_sum(&self->reducer, self->sums, TEST_REDUCE_COUNT)) return false;
    if (self->rank != 0) return true;

    confusion matrix;
    for (int k = 0; k < CLASS_COUNT; k++)
        for (int other = 0; other < CLASS_COUNT; other++)
            matrix.counts[k][other] = (double)self->sums[k * CLASS_COUNT + other];
    record_epoch(self, step, &matrix, (double)self->sums[TEST_LOSS] / (double)data->test_count);
    return true;
}

/* ---- the whole way ---- */

/* Saves what the next step needs, once every rank's rows before it are on the disk. */
static bool save(trainer *self, int64_t step)
{
    const job_plan *job = self->job;
    recorder_sync(&self->rec);
    if (!ranks_wait(job->shared)) return false;
    if (self->rank != 0) return true;

    checkpoint *saved = calloc(1, sizeof *saved);
    if (saved == NULL) return true; /* the previous checkpoint stays */
    saved->step = step;
    saved->seed = job->asked.seed;
    saved->rank_count = job->asked.rank_count;
    saved->epoch_count = job->asked.epoch_count;
    saved->checkpoint_steps = job->asked.checkpoint_steps;
    saved->run = recorder_run(&self->rec);
    memcpy(saved->run_key, job->run_key, strlen(job->run_key) + 1);
    memcpy(saved->parameters, self->net.parameters, sizeof saved->parameters);
    memcpy(saved->momentum, self->net.momentum, sizeof saved->momentum);
    checkpoint_save(saved, job->job_path);
    free(saved);
    return true;
}

static void report(const trainer *self, int64_t step, int report_fd)
{
    const settings *asked = &self->job->asked;
    if (!asked->has_kill || asked->kill_rank != self->rank || asked->kill_step != step) return;
    if (write(report_fd, "k", 1) != 1) fputs("digits: the launcher does not listen\n", stderr);
}

static bool train_all(trainer *self, int report_fd)
{
    const job_plan *job = self->job;
    const int64_t loop_begin_ns = now_ns();
    self->times.begin_ns = loop_begin_ns;
    for (int64_t step = job->step_begin; step < job_step_count(job); step++) {
        const bool is_new = step > job->step_begin || !job->asked.is_resume;
        if (is_new && step % job->asked.checkpoint_steps == 0 && !save(self, step)) return false;
        if (!iterate(self, step)) return false;
        report(self, step, report_fd);
        if ((step + 1) % epoch_steps(job) == 0 && !test_epoch(self, step)) return false;
    }
    if (self->rank == 0) job->shared->loop_seconds = (double)(now_ns() - loop_begin_ns) * 1e-9;
    return true;
}

static trainer *trainer_new(const job_plan *job, uint32_t rank)
{
    trainer *self = calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    self->job = job;
    self->rank = rank;
    self->reducer = (rank_reducer){.shared = job->shared, .rank = rank};
    self->net = *job->start;
    self->order_epoch = -1;
    return self;
}

int rank_train(const job_plan *job, uint32_t rank, int report_fd)
{
    const recorder_place place = {job->run_key, rank, job->attempt, job->asked.is_resume, job->step_begin};
    trainer *self = trainer_new(job, rank);
    if (self == NULL || !recorder_open(&self->rec, &job->asked, &place)) {
        free(self);
        return 4;
    }
    if (rank == 0 && !job->asked.is_unrecorded) {
        const steplog_id run = recorder_run(&self->rec);
        steplog_id_format(&run, job->shared->run_text);
        if (!job->asked.is_resume) recorder_params(&self->rec, &job->asked);
    }
    const bool is_trained = train_all(self, report_fd);
    if (!is_trained) fprintf(stderr, "digits: rank %u: another rank is lost\n", rank);
    const bool is_closed = recorder_close(&self->rec, is_trained ? 0 : 1);
    free(self);
    return is_trained && is_closed ? 0 : 4;
}
