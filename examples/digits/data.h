/* data.h: the handwritten digits, split for training and testing. */
#ifndef DIGITS_DATA_H
#define DIGITS_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    IMAGE_SIDE = 8,
    PIXEL_COUNT = IMAGE_SIDE * IMAGE_SIDE,
    CLASS_COUNT = 10,
    SAMPLES_MAX = 4096,
    TEST_PER_TEN = 2 /* samples of each ten that are kept for testing */
};

typedef struct sample {
    float pixels[PIXEL_COUNT]; /* 0 to 1 */
    int label;
} sample;

typedef struct dataset {
    size_t train_count;
    size_t test_count;
    sample train[SAMPLES_MAX];
    sample test[SAMPLES_MAX];
} dataset;

/* Reads the CSV file and splits it, always in the same way. On failure says why on stderr. */
bool dataset_load(dataset *data, const char *path);

/* Gives the order in which an epoch visits the training samples: a permutation that
 * depends on seed and epoch alone, so that a resumed job goes on as if never stopped. */
void dataset_order(const dataset *data, uint64_t seed, int64_t epoch, uint32_t *order);

/* Copies the pixels of a training sample, often moved by one pixel. key decides how. */
void sample_jitter(const sample *from, uint64_t key, float pixels[PIXEL_COUNT]);

/* Mixes numbers into 64 random-looking bits: all randomness of the job comes from here,
 * so none of it has a state that a checkpoint would have to keep. */
uint64_t mix_bits(uint64_t seed, uint64_t a, uint64_t b);

#endif
