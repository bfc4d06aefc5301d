/* network.h: a small network of three layers, 64 - 48 - 32 - 10. */
#ifndef DIGITS_NETWORK_H
#define DIGITS_NETWORK_H

#include "data.h"

enum {
    LAYER_COUNT = 3,
    HIDDEN1_COUNT = 48,
    HIDDEN2_COUNT = 32,
    UNITS_MAX = PIXEL_COUNT, /* of any layer, the input too */
    PARAMETER_COUNT = (PIXEL_COUNT + 1) * HIDDEN1_COUNT + (HIDDEN1_COUNT + 1) * HIDDEN2_COUNT +
                      (HIDDEN2_COUNT + 1) * CLASS_COUNT
};

/* Where a layer lies in the parameter arrays: weights [input][output], then biases. */
typedef struct layer_shape {
    size_t input_count;
    size_t output_count;
    size_t weight_offset;
    size_t bias_offset;
} layer_shape;

extern const layer_shape layer_shapes[LAYER_COUNT];

/* One array each for all layers: what is reduced, saved or measured is one span. */
typedef struct network {
    float parameters[PARAMETER_COUNT];
    float momentum[PARAMETER_COUNT];
    float gradient[PARAMETER_COUNT];
    float update[PARAMETER_COUNT]; /* what the last step added to the parameters */
} network;

/* What one sample leaves behind on its way through: the input of each layer and, last,
 * the scores; then the probabilities. */
typedef struct sample_pass {
    float units[LAYER_COUNT + 1][UNITS_MAX];
    float probabilities[CLASS_COUNT];
} sample_pass;

/* Sets the parameters from a seed, everything else to zero. */
void network_init(network *net, uint64_t seed);

/* Runs the sample in pass->units[0] forward. The first layer is rectified, the second a
 * hyperbolic tangent, the third linear with softmax. */
void network_forward(const network *net, sample_pass *pass);

/* Adds the gradient of one sample's cross entropy to net->gradient. */
void network_backward(network *net, const sample_pass *pass, int label);

/* Makes one step of gradient descent with Nesterov momentum and weight decay. */
void network_step(network *net, double learning_rate, double momentum, double weight_decay);

double pass_loss(const sample_pass *pass, int label);
int pass_answer(const sample_pass *pass);

#endif
