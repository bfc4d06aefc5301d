/* data.c: the handwritten digits, split for training and testing.
 *
 * First stop of the job: the launcher loads the data once, the ranks inherit it by fork
 * and only read it. Nothing here keeps a random state; see mix_bits(). */
#include "data.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES_MAX = 1024, PIXEL_MAX = 16 };

static const uint64_t split_seed = 20; /* the split is part of the task, not of a run */

uint64_t mix_bits(uint64_t seed, uint64_t a, uint64_t b)
{
    uint64_t x = seed ^ (a * 0x9E3779B97F4A7C15u) ^ (b * 0xD1B54A32D192ED03u);
    for (int round = 0; round < 3; round++) {
        x ^= x >> 32;
        x *= 0xE9846AF9B1A615Du;
    }
    return x ^ (x >> 29);
}

static void shuffle(uint32_t *order, size_t count, uint64_t seed, uint64_t stream)
{
    for (size_t i = 0; i < count; i++) order[i] = (uint32_t)i;
    for (size_t i = count; i > 1; i--) {
        const size_t other = (size_t)(mix_bits(seed, stream, i) % i);
        const uint32_t kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

/* Reads one number of a line and the comma or line end behind it. */
static bool read_cell(char **text, long limit, bool is_last, long *out)
{
    char *end;
    errno = 0;
    const long value = strtol(*text, &end, 10);
    if (end == *text || errno != 0 || value < 0 || value > limit) return false;
    const bool is_ended = is_last ? (*end == '\n' || *end == '\r' || *end == '\0') : *end == ',';
    *text = end + 1;
    *out = value;
    return is_ended;
}

static bool read_sample(char *line, sample *out)
{
    long value;
    for (int i = 0; i < PIXEL_COUNT; i++) {
        if (!read_cell(&line, PIXEL_MAX, false, &value)) return false;
        out->pixels[i] = (float)value / PIXEL_MAX;
    }
    if (!read_cell(&line, CLASS_COUNT - 1, true, &value)) return false;
    out->label = (int)value;
    return true;
}

static size_t read_samples(FILE *file, const char *path, sample *samples)
{
    char line[LINE_BYTES_MAX];
    size_t count = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (count == SAMPLES_MAX || !read_sample(line, &samples[count])) {
            fprintf(stderr, "digits: '%s' line %zu: expected 64 pixels of 0 to 16 and a class of 0 to 9\n", path,
                    count + 1);
            return 0;
        }
        count++;
    }
    if (count < 10) fprintf(stderr, "digits: '%s' holds %zu digits, expected more\n", path, count);
    return count < 10 ? 0 : count;
}

bool dataset_load(dataset *data, const char *path)
{
    FILE *file = fopen(path, "r");
    sample *all = calloc(SAMPLES_MAX, sizeof *all);
    uint32_t *order = calloc(SAMPLES_MAX, sizeof *order);
    size_t count = 0;

    if (file == NULL) {
        fprintf(stderr, "digits: '%s': %s (--data FILE says where it is)\n", path, strerror(errno));
    } else if (all != NULL && order != NULL) {
        count = read_samples(file, path, all);
        shuffle(order, count, split_seed, 0);
    }
    data->train_count = 0;
    data->test_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i % 10 < TEST_PER_TEN)
            data->test[data->test_count++] = all[order[i]];
        else
            data->train[data->train_count++] = all[order[i]];
    }
    free(order);
    free(all);
    if (file != NULL) fclose(file);
    return count > 0;
}

void dataset_order(const dataset *data, uint64_t seed, int64_t epoch, uint32_t *order)
{
    shuffle(order, data->train_count, seed, (uint64_t)epoch + 1);
}

void sample_jitter(const sample *from, uint64_t key, float pixels[PIXEL_COUNT])
{
    const uint64_t bits = mix_bits(key, 7, 11);
    const int right = (int)(bits % 3) - 1;
    const int down = (int)((bits >> 8) % 3) - 1;
    const bool is_moved = (bits >> 16) % 2 == 1;

    if (!is_moved) {
        memcpy(pixels, from->pixels, sizeof from->pixels);
        return;
    }
    for (int y = 0; y < IMAGE_SIDE; y++) {
        for (int x = 0; x < IMAGE_SIDE; x++) {
            const int from_x = x - right;
            const int from_y = y - down;
            const bool is_inside = from_x >= 0 && from_x < IMAGE_SIDE && from_y >= 0 && from_y < IMAGE_SIDE;
            pixels[y * IMAGE_SIDE + x] = is_inside ? from->pixels[from_y * IMAGE_SIDE + from_x] : 0.0f;
        }
    }
}
