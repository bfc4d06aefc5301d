/* metrics.h: what is worth knowing about an iteration and about an epoch. */
#ifndef DIGITS_METRICS_H
#define DIGITS_METRICS_H

#include "network.h"

enum { ROW_METRICS_MAX = 96 };

/* Names and values side by side, in the order they were put. A row of one kind always
 * has the same names, so the first one can serve as the schema. */
typedef struct metric_row {
    size_t count;
    const char *names[ROW_METRICS_MAX];
    double values[ROW_METRICS_MAX];
} metric_row;

void row_clear(metric_row *row);

/* Puts a metric behind the others. name must stay; it is not copied. */
void row_put(metric_row *row, const char *name, double value);

/* Puts norms and ratios of parameters, gradients, momentum and updates: of the whole
 * network, then of each layer's weights and biases. */
void row_put_network(metric_row *row, const network *net);

/* Puts what a share of a batch did inside the network: activations of each layer, units
 * that are dead or saturated, and how sure the answers were. */
void row_put_passes(metric_row *row, const sample_pass *passes, size_t count);

/* How often a digit (first) was taken for another (second). */
typedef struct confusion {
    double counts[CLASS_COUNT][CLASS_COUNT];
} confusion;

double confusion_accuracy(const confusion *matrix);

/* Puts precision, recall and F1 of each class, and their means. */
void row_put_confusion(metric_row *row, const confusion *matrix);

/* Writes the matrix as CSV with a header. Returns its bytes, 0 when capacity is too small. */
size_t confusion_csv(const confusion *matrix, char *out, size_t capacity);

#endif
