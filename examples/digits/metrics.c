/* metrics.c: what is worth knowing about an iteration and about an epoch.
 *
 * Computed by every rank from its own copy of the network and its own share of the
 * batch; train.c then hands the row to the recorder. Nothing here knows the store. */
#include "metrics.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static const float saturated_activation = 0.95f;

enum { LAYER_METRIC_COUNT = 9, CLASS_METRIC_COUNT = 3, UNIT_METRIC_COUNT = 2 };

#define LAYER_NAMES(layer)                                                                                   \
    {                                                                                                        \
        layer "/weight_norm", layer "/weight_grad_norm", layer "/weight_momentum_norm", layer "/weight_update_ratio", \
            layer "/weight_grad_max", layer "/bias_norm", layer "/bias_grad_norm", layer "/bias_momentum_norm",       \
            layer "/bias_update_ratio"                                                                       \
    }
#define UNIT_NAMES(layer)                              \
    {                                                  \
        layer "/activation_mean", layer "/activation_std" \
    }
#define CLASS_NAMES(digit)                                                             \
    {                                                                                  \
        "digit" digit "/precision", "digit" digit "/recall", "digit" digit "/f1" \
    }

static const char *const layer_names[LAYER_COUNT][LAYER_METRIC_COUNT] = {
    LAYER_NAMES("layer1"), LAYER_NAMES("layer2"), LAYER_NAMES("layer3")};
static const char *const unit_names[LAYER_COUNT][UNIT_METRIC_COUNT] = {UNIT_NAMES("layer1"), UNIT_NAMES("layer2"),
                                                                       UNIT_NAMES("layer3")};
static const char *const class_names[CLASS_COUNT][CLASS_METRIC_COUNT] = {
    CLASS_NAMES("0"), CLASS_NAMES("1"), CLASS_NAMES("2"), CLASS_NAMES("3"), CLASS_NAMES("4"),
    CLASS_NAMES("5"), CLASS_NAMES("6"), CLASS_NAMES("7"), CLASS_NAMES("8"), CLASS_NAMES("9")};

void row_clear(metric_row *row)
{
    row->count = 0;
}

void row_put(metric_row *row, const char *name, double value)
{
    if (row->count == ROW_METRICS_MAX) return; /* the recorder would notice: a row of another length */
    row->names[row->count] = name;
    row->values[row->count++] = value;
}

/* ---- the network ---- */

static double norm(const float *values, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

static double largest(const float *values, size_t count)
{
    float most = 0.0f;
    for (size_t i = 0; i < count; i++) most = fmaxf(most, fabsf(values[i]));
    return (double)most;
}

static double ratio(double part, double whole)
{
    return whole > 0.0 ? part / whole : 0.0;
}

static void put_layer(metric_row *row, const network *net, size_t layer)
{
    const char *const *names = layer_names[layer];
    const layer_shape *shape = &layer_shapes[layer];
    const size_t weight = shape->weight_offset;
    const size_t weight_count = shape->input_count * shape->output_count;
    const size_t bias = shape->bias_offset;
    const size_t bias_count = shape->output_count;
    const double weight_norm = norm(net->parameters + weight, weight_count);
    const double bias_norm = norm(net->parameters + bias, bias_count);

    row_put(row, names[0], weight_norm);
    row_put(row, names[1], norm(net->gradient + weight, weight_count));
    row_put(row, names[2], norm(net->momentum + weight, weight_count));
    row_put(row, names[3], ratio(norm(net->update + weight, weight_count), weight_norm));
    row_put(row, names[4], largest(net->gradient + weight, weight_count));
    row_put(row, names[5], bias_norm);
    row_put(row, names[6], norm(net->gradient + bias, bias_count));
    row_put(row, names[7], norm(net->momentum + bias, bias_count));
    row_put(row, names[8], ratio(norm(net->update + bias, bias_count), bias_norm));
}

void row_put_network(metric_row *row, const network *net)
{
    const double weight_norm = norm(net->parameters, PARAMETER_COUNT);
    row_put(row, "weight_norm", weight_norm);
    row_put(row, "grad_norm", norm(net->gradient, PARAMETER_COUNT));
    row_put(row, "momentum_norm", norm(net->momentum, PARAMETER_COUNT));
    row_put(row, "update_ratio", ratio(norm(net->update, PARAMETER_COUNT), weight_norm));
    for (size_t l = 0; l < LAYER_COUNT; l++) put_layer(row, net, l);
}

/* ---- a share of a batch ---- */

static void put_activations(metric_row *row, const sample_pass *passes, size_t count, size_t layer)
{
    const size_t width = layer_shapes[layer].output_count;
    double sum = 0.0;
    double square_sum = 0.0;
    for (size_t s = 0; s < count; s++) {
        for (size_t j = 0; j < width; j++) {
            const double value = (double)passes[s].units[layer + 1][j];
            sum += value;
            square_sum += value * value;
        }
    }
    const double mean = sum / (double)(count * width);
    row_put(row, unit_names[layer][0], mean);
    row_put(row, unit_names[layer][1], sqrt(fmax(0.0, square_sum / (double)(count * width) - mean * mean)));
}

/* The share of rectified units that no sample of the batch woke. */
static double dead_fraction(const sample_pass *passes, size_t count)
{
    size_t dead_count = 0;
    for (size_t j = 0; j < HIDDEN1_COUNT; j++) {
        bool is_dead = true;
        for (size_t s = 0; s < count; s++) is_dead = is_dead && passes[s].units[1][j] <= 0.0f;
        dead_count += is_dead ? 1 : 0;
    }
    return (double)dead_count / HIDDEN1_COUNT;
}

static double saturated_fraction(const sample_pass *passes, size_t count)
{
    size_t saturated_count = 0;
    for (size_t s = 0; s < count; s++)
        for (size_t j = 0; j < HIDDEN2_COUNT; j++)
            saturated_count += fabsf(passes[s].units[2][j]) > saturated_activation ? 1 : 0;
    return (double)saturated_count / (double)(count * HIDDEN2_COUNT);
}

static double entropy(const float *probabilities)
{
    double sum = 0.0;
    for (int k = 0; k < CLASS_COUNT; k++)
        if (probabilities[k] > 0.0f) sum -= (double)probabilities[k] * log((double)probabilities[k]);
    return sum;
}

void row_put_passes(metric_row *row, const sample_pass *passes, size_t count)
{
    double confidence_sum = 0.0;
    double entropy_sum = 0.0;
    for (size_t l = 0; l < LAYER_COUNT; l++) put_activations(row, passes, count, l);
    for (size_t s = 0; s < count; s++) {
        confidence_sum += (double)passes[s].probabilities[pass_answer(&passes[s])];
        entropy_sum += entropy(passes[s].probabilities);
    }
    row_put(row, "layer1/dead_fraction", dead_fraction(passes, count));
    row_put(row, "layer2/saturated_fraction", saturated_fraction(passes, count));
    row_put(row, "confidence", confidence_sum / (double)count);
    row_put(row, "entropy", entropy_sum / (double)count);
}

/* ---- the test digits ---- */

double confusion_accuracy(const confusion *matrix)
{
    double right = 0.0;
    double all = 0.0;
    for (int k = 0; k < CLASS_COUNT; k++) {
        right += matrix->counts[k][k];
        for (int other = 0; other < CLASS_COUNT; other++) all += matrix->counts[k][other];
    }
    return ratio(right, all);
}

void row_put_confusion(metric_row *row, const confusion *matrix)
{
    double sums[CLASS_METRIC_COUNT] = {0};
    for (int k = 0; k < CLASS_COUNT; k++) {
        double is_count = 0.0;
        double said_count = 0.0;
        for (int other = 0; other < CLASS_COUNT; other++) {
            is_count += matrix->counts[k][other];
            said_count += matrix->counts[other][k];
        }
        const double right = matrix->counts[k][k];
        const double scores[CLASS_METRIC_COUNT] = {ratio(right, said_count), ratio(right, is_count),
                                                   ratio(2.0 * right, said_count + is_count)};
        for (int m = 0; m < CLASS_METRIC_COUNT; m++) {
            row_put(row, class_names[k][m], scores[m]);
            sums[m] += scores[m];
        }
    }
    row_put(row, "precision", sums[0] / CLASS_COUNT);
    row_put(row, "recall", sums[1] / CLASS_COUNT);
    row_put(row, "f1", sums[2] / CLASS_COUNT);
}

/* Adds text behind *used; false when it does not fit. */
static bool text_put(char *out, size_t capacity, size_t *used, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static bool text_put(char *out, size_t capacity, size_t *used, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int bytes = vsnprintf(out + *used, capacity - *used, format, arguments);
    va_end(arguments);
    if (bytes < 0 || (size_t)bytes >= capacity - *used) return false;
    *used += (size_t)bytes;
    return true;
}

size_t confusion_csv(const confusion *matrix, char *out, size_t capacity)
{
    size_t used = 0;
    bool is_fitting = text_put(out, capacity, &used, "digit");
    for (int k = 0; k < CLASS_COUNT; k++) is_fitting = is_fitting && text_put(out, capacity, &used, ",said_%d", k);
    for (int k = 0; k < CLASS_COUNT; k++) {
        is_fitting = is_fitting && text_put(out, capacity, &used, "\n%d", k);
        for (int other = 0; other < CLASS_COUNT; other++)
            is_fitting = is_fitting && text_put(out, capacity, &used, ",%.0f", matrix->counts[k][other]);
    }
    is_fitting = is_fitting && text_put(out, capacity, &used, "\n");
    return is_fitting ? used : 0;
}
