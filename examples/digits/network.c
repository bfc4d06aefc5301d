/* network.c: a small network of three layers: forward, backward, and a step downhill.
 *
 * Each rank holds the whole network and runs its share of the batch through it; between
 * backward and step the ranks add up their gradients (ranks.c). All sums are taken in a
 * fixed order, so that a seed gives the same parameters bit for bit. */
#include "network.h"

#include <math.h>
#include <string.h>

static const float loss_probability_min = 1e-12f;

enum {
    LAYER1_END = (PIXEL_COUNT + 1) * HIDDEN1_COUNT,
    LAYER2_END = LAYER1_END + (HIDDEN1_COUNT + 1) * HIDDEN2_COUNT
};

const layer_shape layer_shapes[LAYER_COUNT] = {
    {PIXEL_COUNT, HIDDEN1_COUNT, 0, PIXEL_COUNT * HIDDEN1_COUNT},
    {HIDDEN1_COUNT, HIDDEN2_COUNT, LAYER1_END, LAYER1_END + HIDDEN1_COUNT * HIDDEN2_COUNT},
    {HIDDEN2_COUNT, CLASS_COUNT, LAYER2_END, LAYER2_END + HIDDEN2_COUNT * CLASS_COUNT},
};

void network_init(network *net, uint64_t seed)
{
    memset(net, 0, sizeof *net);
    for (size_t l = 0; l < LAYER_COUNT; l++) {
        const layer_shape *shape = &layer_shapes[l];
        const double reach = sqrt(6.0 / (double)(shape->input_count + shape->output_count));
        for (size_t i = 0; i < shape->input_count * shape->output_count; i++) {
            const double unit = (double)(mix_bits(seed, l + 1, i + 1) >> 11) * 0x1p-53;
            net->parameters[shape->weight_offset + i] = (float)((2.0 * unit - 1.0) * reach);
        }
    }
}

static void layer_forward(const network *net, const layer_shape *shape, const float *in, float *restrict out)
{
    const float *weights = net->parameters + shape->weight_offset;
    memcpy(out, net->parameters + shape->bias_offset, shape->output_count * sizeof *out);
    for (size_t i = 0; i < shape->input_count; i++) {
        const float value = in[i];
        if (value == 0.0f) continue; /* half of the pixels and of the rectified units */
        for (size_t j = 0; j < shape->output_count; j++) out[j] += value * weights[i * shape->output_count + j];
    }
}

static void activate(float *units, size_t count, size_t layer)
{
    for (size_t j = 0; j < count; j++) {
        if (layer == 0) units[j] = units[j] > 0.0f ? units[j] : 0.0f;
        if (layer == 1) units[j] = tanhf(units[j]);
    }
}

static void softmax(const float *scores, float *probabilities)
{
    float largest = scores[0];
    float sum = 0.0f;
    for (int k = 1; k < CLASS_COUNT; k++) largest = scores[k] > largest ? scores[k] : largest;
    for (int k = 0; k < CLASS_COUNT; k++) sum += probabilities[k] = expf(scores[k] - largest);
    for (int k = 0; k < CLASS_COUNT; k++) probabilities[k] /= sum;
}

void network_forward(const network *net, sample_pass *pass)
{
    for (size_t l = 0; l < LAYER_COUNT; l++) {
        layer_forward(net, &layer_shapes[l], pass->units[l], pass->units[l + 1]);
        activate(pass->units[l + 1], layer_shapes[l].output_count, l);
    }
    softmax(pass->units[LAYER_COUNT], pass->probabilities);
}

/* Turns the slope at a layer's outputs into the slope before its activation. */
static void activation_backward(const float *units, size_t count, size_t layer, float *slope)
{
    for (size_t j = 0; j < count; j++) {
        if (layer == 0 && units[j] <= 0.0f) slope[j] = 0.0f;
        if (layer == 1) slope[j] *= 1.0f - units[j] * units[j];
    }
}

/* Adds a layer's gradient; gives the slope at its inputs. */
static void layer_backward(network *net, const layer_shape *shape, const float *in, const float *slope, float *in_slope)
{
    const float *weights = net->parameters + shape->weight_offset;
    float *weight_gradient = net->gradient + shape->weight_offset;
    float *bias_gradient = net->gradient + shape->bias_offset;
    const size_t width = shape->output_count;

    for (size_t j = 0; j < width; j++) bias_gradient[j] += slope[j];
    for (size_t i = 0; i < shape->input_count; i++) {
        float sum = 0.0f;
        for (size_t j = 0; j < width; j++) sum += weights[i * width + j] * slope[j];
        in_slope[i] = sum;
        if (in[i] == 0.0f) continue;
        for (size_t j = 0; j < width; j++) weight_gradient[i * width + j] += in[i] * slope[j];
    }
}

void network_backward(network *net, const sample_pass *pass, int label)
{
    float slope[UNITS_MAX];
    float in_slope[UNITS_MAX];

    for (int k = 0; k < CLASS_COUNT; k++) slope[k] = pass->probabilities[k] - (k == label ? 1.0f : 0.0f);
    for (size_t l = LAYER_COUNT; l-- > 0;) {
        activation_backward(pass->units[l + 1], layer_shapes[l].output_count, l, slope);
        layer_backward(net, &layer_shapes[l], pass->units[l], slope, in_slope);
        memcpy(slope, in_slope, sizeof slope);
    }
}

void network_step(network *net, double learning_rate, double momentum, double weight_decay)
{
    const float rate = (float)learning_rate;
    const float keep = (float)momentum;
    const float decay = (float)weight_decay;

    for (size_t i = 0; i < PARAMETER_COUNT; i++) {
        const float gradient = net->gradient[i] + decay * net->parameters[i];
        net->momentum[i] = keep * net->momentum[i] + gradient;
        net->update[i] = -rate * (gradient + keep * net->momentum[i]);
        net->parameters[i] += net->update[i];
    }
}

double pass_loss(const sample_pass *pass, int label)
{
    return -log((double)fmaxf(pass->probabilities[label], loss_probability_min));
}

int pass_answer(const sample_pass *pass)
{
    int best = 0;
    for (int k = 1; k < CLASS_COUNT; k++)
        if (pass->probabilities[k] > pass->probabilities[best]) best = k;
    return best;
}
