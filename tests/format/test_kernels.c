/* Tests of kernels.c: every table of inner loops that this processor can run gives what the plain one gives, bit for
 * bit; and so do the codecs over them, on sound and on damaged bytes. */
#include "format/kernels.h"

#include "base/bytes.h"
#include "format/chunk_codec.h"
#include "format/int_codec.h"
#include "format/value_codec.h"
#include "support/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX SL_KERNEL_COUNT_MAX
#define ROOM (COUNT_MAX + SL_KERNEL_LANES_MAX)

static test_random source;

static void seed(void) { source = test_random_begin("kernels"); }
static uint64_t next_random(void) { return test_random_u64(&source); }
static unsigned below(unsigned end) { return (unsigned)(next_random() % end); }

/* Of any magnitude, with either sign. */
static uint64_t any_number(void)
{
    uint64_t x = next_random() >> next_random() % 64;
    return next_random() % 2 ? x : 0 - x;
}

static size_t any_count(void)
{
    static const size_t edges[] = {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 63, 64, 65, 1008, 1016, 1022, 1023, 1024};
    return next_random() % 3 ? edges[next_random() % (sizeof edges / sizeof *edges)] : 1 + next_random() % COUNT_MAX;
}

/* Of just this size, so that the sanitizer sees a step outside. */
static void *exactly(const void *data, size_t bytes)
{
    void *copy = malloc(bytes);
    cr_assert_not_null(copy);
    memcpy(copy, data, bytes);
    return copy;
}

/* Integers as codecs meet them: wide and narrow, around something, often the same, here and there far off. */
static void fill_integers(uint64_t *values, size_t count)
{
    const uint64_t middle = any_number(), mask = UINT64_MAX >> next_random() % 64;
    const unsigned kind = below(5), rare = 2 + below(60);
    for (size_t i = 0; i < count; i++) {
        values[i] = middle + (next_random() & mask) - mask / 2;
        if (kind == 1 && next_random() % rare != 0) values[i] = middle;
        if (kind == 2 && next_random() % rare == 0) values[i] = any_number();
        if (kind == 3) values[i] = middle + i * mask;
        if (kind == 4) values[i] = any_number();
    }
}

static double any_double(unsigned kind)
{
    static const uint64_t odd[] = {0,
                                   (uint64_t)1 << 63,
                                   1,
                                   0x7ff0000000000000u,
                                   0xfff0000000000000u,
                                   0x7ff0000000000001u,
                                   0xfff8000000000000u,
                                   0x7fefffffffffffffu,
                                   0x000fffffffffffffu};
    double unit = test_random_unit(&source);
    switch (kind) {
    case 0: return floor(1e4 * unit) / 1e4;
    case 1: return (double)(float)(floor(1e4 * unit) / 1e4);
    case 2: return (double)(float)unit;
    case 3: return unit - 0.5;
    case 4: return sl_double_of(next_random());
    case 6: return (floor(100 * unit) / 100 + floor(1000 * unit) / 1000) / 12;
    case 7: return sqrt((double)below(40));
    case 5: return next_random() % 8 ? floor(1000 * unit) : sl_double_of(odd[next_random() % 9]);
    default: return next_random() % 30 ? (double)(float)unit : sl_double_of(odd[next_random() % 9]);
    }
}
#define DOUBLE_KINDS 9u

static void fill_doubles(double *values, size_t count)
{
    unsigned kind = below(DOUBLE_KINDS), other = below(DOUBLE_KINDS);
    size_t cut = next_random() % 2 ? count : next_random() % (count + 1);
    for (size_t i = 0; i < count; i++) values[i] = any_double(i < cut ? kind : other);
}

/* For each table but the plain one. */
#define EACH_OTHER(k)         \
    const sl_kernels *k;      \
    for (size_t table = 1; (k = sl_kernels_at(table)) != NULL; table++)
#define SAME(a, b, bytes) cr_assert_eq(memcmp(a, b, bytes), 0, "%s differs: count %zu", k->name, count)
static const sl_kernels *const plain = &sl_kernels_plain;

static uint64_t values[ROOM], one[ROOM], two[ROOM], rests[ROOM], other_rests[ROOM];

Test(kernels, are_chosen_by_what_the_processor_has)
{
    const sl_kernels *best = NULL;
    cr_assert_eq(sl_kernels_at(0), plain);
    for (size_t i = 0; sl_kernels_at(i) != NULL; i++) best = sl_kernels_at(i);
    cr_assert_eq(sl_kernels_now(), best);
    sl_kernels_use(plain);
    cr_assert_eq(sl_kernels_now(), plain);
    sl_kernels_use(NULL);
    cr_assert_eq(sl_kernels_now(), best);
}

Test(kernels, unpack_and_pack_every_width_alike)
{
    static uint8_t first[8 * COUNT_MAX + 64], second[8 * COUNT_MAX + 64];
    size_t count = COUNT_MAX;
    seed();
    EACH_OTHER(k)
    {
        for (unsigned width = 1; width <= 64; width++) {
            const uint64_t base = any_number(), mask = UINT64_MAX >> (64 - width);
            fill_integers(values, COUNT_MAX);
            plain->pack(values, base, width, first);
            k->pack(values, base, width, second);
            SAME(first, second, 128 * width);
            uint8_t *in = exactly(first, 128 * width);
            cr_assert_eq(plain->unpack(in, width, base, one), k->unpack(in, width, base, two));
            SAME(one, two, sizeof *one * COUNT_MAX);
            for (size_t i = 0; i < COUNT_MAX; i++) cr_assert_eq(one[i], base + ((values[i] - base) & mask));
            free(in);
        }
    }
}

Test(kernels, unpack_strings_of_every_width_alike)
{
    static uint8_t bytes[8 * COUNT_MAX + 16];
    seed();
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)next_random();
    EACH_OTHER(k)
    {
        for (int round = 0; round < 64 * 40; round++) {
            unsigned width = 1 + (unsigned)round % 64;
            size_t count = any_count();
            uint64_t base = any_number();
            uint8_t *in = exactly(bytes, (count * width + 7) / 8 + 16);
            memset(two, 0x5a, sizeof two);
            cr_assert_eq(plain->unpack_string(in, count, width, base, one),
                         k->unpack_string(in, count, width, base, two));
            SAME(one, two, count * sizeof *one);
            for (size_t i = count; i < ROOM; i++) cr_assert_eq(two[i], 0x5a5a5a5a5a5a5a5au);
            free(in);
        }
    }
}

Test(kernels, fill_and_sum_and_multiply_alike)
{
    seed();
    EACH_OTHER(k)
    {
        for (int round = 0; round < 3000; round++) {
            size_t count = any_count();
            uint64_t heads[3] = {any_number(), any_number(), any_number()}, factor = 2 + (any_number() >> 2);
            plain->fill(heads[0], heads[1], count, one);
            memset(two, 0x5a, sizeof two);
            k->fill(heads[0], heads[1], count, two);
            SAME(one, two, count * sizeof *one);
            cr_assert_eq(two[count], 0x5a5a5a5a5a5a5a5au);
            for (unsigned order = 1; order <= 3 && order < count; order++) {
                fill_integers(values, count);
                memcpy(one, values, sizeof values);
                memcpy(two, values, sizeof values);
                plain->sum(one, count, order, heads);
                k->sum(two, count, order, heads);
                SAME(one, two, count * sizeof *one);
            }
            fill_integers(values, count);
            for (size_t i = count; i < ROOM; i++) values[i] = 0;
            memcpy(one, values, sizeof values);
            memcpy(two, values, sizeof values);
            uint64_t limit = (uint64_t)INT64_MAX / factor;
            cr_assert_eq(plain->multiply(one, count, factor, heads[0], limit),
                         k->multiply(two, count, factor, heads[0], limit));
            SAME(one, two, count * sizeof *one);
        }
    }
}

/* A wide table multiplies by the inverse and corrects; it has to be what division gives. */
Test(kernels, divide_by_powers_of_ten_exactly)
{
    static double quotients[ROOM];
    seed();
    for (size_t table = 0; sl_kernels_at(table) != NULL; table++) {
        const sl_kernels *k = sl_kernels_at(table);
        for (unsigned exponent = 0; exponent <= SL_DECIMAL_EXPONENT_MAX; exponent++) {
            const double power = sl_power_of_ten[exponent];
            for (int round = 0; round < 100; round++) {
                for (size_t i = 0; i < COUNT_MAX; i++) {
                    int64_t integer = (int64_t)(next_random() >> (13 + next_random() % 51));
                    /* The products of numbers half way between two doubles are where rounding goes wrong first. */
                    if (i % 2) {
                        double near = (double)integer / power;
                        integer = (int64_t)((long double)power * ((long double)near + (long double)near * 0x1p-53L));
                    }
                    if (i % 4 > 1) integer = -integer;
                    if (integer >= (int64_t)SL_DECIMAL_HALF || integer < -(int64_t)SL_DECIMAL_HALF) integer = 1;
                    values[i] = (uint64_t)integer;
                }
                cr_assert(k->decimals(values, COUNT_MAX, exponent, 0, quotients));
                for (size_t i = 0; i < COUNT_MAX; i++) {
                    double expected = (double)(int64_t)values[i] / power;
                    cr_assert_eq(sl_bits_of(quotients[i]), sl_bits_of(expected), "%s: %lld / 10^%u", k->name,
                                 (long long)values[i], exponent);
                }
            }
        }
    }
}

Test(kernels, convert_to_doubles_alike)
{
    static double first[ROOM], second[ROOM];
    seed();
    EACH_OTHER(k)
    {
        for (int round = 0; round < 5000; round++) {
            size_t count = any_count();
            unsigned exponent = below(SL_DECIMAL_EXPONENT_MAX + 1), shift = below(64);
            int is_float = (int)(next_random() % 2), is_inside;
            fill_integers(values, count);
            if (round % 2) {
                for (size_t i = 0; i < count; i++) values[i] = values[i] << shift >> shift;
            }
            for (size_t i = count; i < ROOM; i++) values[i] = 0;
            is_inside = plain->decimals(values, count, exponent, is_float, first);
            cr_assert_eq(k->decimals(values, count, exponent, is_float, second), is_inside);
            if (is_inside) SAME(first, second, count * sizeof *first);
            is_inside = plain->ordered(values, count, shift, first);
            cr_assert_eq(k->ordered(values, count, shift, second), is_inside);
            if (is_inside) SAME(first, second, count * sizeof *first);
            const double divisor = 1 + (double)(next_random() >> (13 + next_random() % 50));
            for (size_t i = 0; i < ROOM; i++) rests[i] = next_random() % 9 ? next_random() % 9 - 4 : any_number();
            is_inside = plain->fractions(values, rests, count, divisor, first);
            cr_assert_eq(k->fractions(values, rests, count, divisor, second), is_inside);
            if (is_inside) SAME(first, second, count * sizeof *first);
        }
    }
}

Test(kernels, measure_integers_alike)
{
    static uint8_t lengths[2][COUNT_MAX];
    static uint16_t positions[2][COUNT_MAX + 16];
    seed();
    EACH_OTHER(k)
    {
        for (int round = 0; round < 5000; round++) {
            size_t count = any_count(), stride = next_random() % 2 ? 4 : 1;
            int64_t min[2], max[2], bound = (int64_t)(next_random() >> (12 + next_random() % 52));
            uint64_t every[2], base = any_number(), mask = UINT64_MAX >> next_random() % 64;
            fill_integers(values, count);
            uint64_t *in = exactly(values, count * sizeof *values);
            if (next_random() % 2) base = in[next_random() % count];
            cr_assert_eq(plain->is_affine(in, count), k->is_affine(in, count));
            plain->extremes(in, count, &min[0], &max[0]);
            k->extremes(in, count, &min[1], &max[1]);
            cr_assert(min[0] == min[1] && max[0] == max[1]);
            if (count > 1) {
                plain->difference(in, count, one, &min[0], &max[0]);
                k->difference(in, count, two, &min[1], &max[1]);
                cr_assert(min[0] == min[1] && max[0] == max[1]);
                SAME(one, two, (count - 1) * sizeof *one);
                memcpy(two, in, count * sizeof *two);
                k->difference(two, count, two, NULL, NULL);
                SAME(one, two, (count - 1) * sizeof *one);
            }
            cr_assert_eq(plain->sum_distances(in, count, base, bound), k->sum_distances(in, count, base, bound));
            cr_assert_eq(plain->sum_lengths(in, count, base), k->sum_lengths(in, count, base));
            for (int is_one_sided = 0; is_one_sided < 2; is_one_sided++) {
                size_t sampled = plain->lengths(in, count, stride, base, is_one_sided, lengths[0], &every[0]);
                cr_assert_eq(k->lengths(in, count, stride, base, is_one_sided, lengths[1], &every[1]), sampled);
                cr_assert_eq(every[0], every[1]);
                SAME(lengths[0], lengths[1], sampled);
                for (unsigned length = 0; length < 64; length++) {
                    size_t longer = 0;
                    for (size_t i = 0; i < sampled; i++) longer += lengths[0][i] > length;
                    cr_assert_eq(plain->count_longer(lengths[0], sampled, length), longer);
                    cr_assert_eq(k->count_longer(lengths[1], sampled, length), longer);
                }
            }
            cr_assert_eq(plain->count_others(in, count, base, &every[0]), k->count_others(in, count, base, &every[1]));
            cr_assert_eq(every[0], every[1]);
            size_t found = plain->find_outside(in, count, base, mask, positions[0], &every[0]);
            cr_assert_eq(k->find_outside(in, count, base, mask, positions[1], &every[1]), found);
            cr_assert_eq(every[0], every[1]);
            SAME(positions[0], positions[1], found * sizeof *positions[0]);
            memcpy(one, in, count * sizeof *one);
            memcpy(two, in, count * sizeof *two);
            plain->shift_right(one, count, (unsigned)stride);
            k->shift_right(two, count, (unsigned)stride);
            SAME(one, two, count * sizeof *one);
            free(in);
        }
    }
}

static int compare_numbers(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

Test(kernels, sample_and_select_alike)
{
    static uint64_t first[4][16], second[4][16];
    int64_t items[SL_KERNEL_SELECT_MAX], sorted[SL_KERNEL_SELECT_MAX], selected[SL_KERNEL_SELECT_MAX];
    unsigned places[SL_KERNEL_SELECT_MAX];
    uint64_t *const to_first[4] = {first[0], first[1], first[2], first[3]};
    uint64_t *const to_second[4] = {second[0], second[1], second[2], second[3]};
    seed();
    for (unsigned i = 0; i < SL_KERNEL_SELECT_MAX; i++) places[i] = i;
    for (int round = 0; round < 5000; round++) {
        size_t count = 1 + below(SL_KERNEL_SELECT_MAX);
        fill_integers(values, SL_KERNEL_SELECT_MAX);
        memcpy(items, values, sizeof items);
        if (below(4) == 0) items[below((unsigned)count)] = INT64_MAX;
        if (below(4) == 0) items[below((unsigned)count)] = INT64_MIN;
        memcpy(sorted, items, sizeof items);
        qsort(sorted, count, sizeof *sorted, compare_numbers);
        plain->select(items, count, places, count, selected);
        cr_assert_eq(memcmp(selected, sorted, count * sizeof *sorted), 0);
        plain->sample(values, to_first);
        EACH_OTHER(k)
        {
            k->sample(values, to_second);
            SAME(first, second, sizeof first);
            k->select(items, count, places, count, selected);
            SAME(selected, sorted, count * sizeof *sorted);
        }
    }
}

Test(kernels, look_at_doubles_alike)
{
    static double doubles[COUNT_MAX];
    static uint8_t exceptions[2][ROOM];
    seed();
    EACH_OTHER(k)
    {
        for (int round = 0; round < 5000; round++) {
            size_t count = any_count(), numbers[4];
            unsigned exponent = below(3) ? 4 : below(SL_DECIMAL_EXPONENT_MAX + 1);
            uint64_t every[2];
            double extremes[4];
            fill_doubles(doubles, count);
            double *in = exactly(doubles, count * sizeof *doubles);
            for (int is_float = 0; is_float < 2; is_float++) {
                size_t failed = plain->to_decimals(in, count, exponent, is_float, exceptions[0], one);
                cr_assert_eq(k->to_decimals(in, count, exponent, is_float, exceptions[1], two), failed);
                SAME(exceptions[0], exceptions[1], count);
                SAME(one, two, count * sizeof *one);
            }
            const double divisor = 1 + (double)(next_random() >> (13 + next_random() % 50));
            size_t odd = plain->to_fractions(in, count, divisor, 512, exceptions[0], one, rests);
            cr_assert_eq(k->to_fractions(in, count, divisor, 512, exceptions[1], two, other_rests), odd);
            SAME(exceptions[0], exceptions[1], count);
            SAME(one, two, count * sizeof *one);
            for (size_t i = 0; i < count; i++) cr_assert(exceptions[0][i] || rests[i] == other_rests[i]);
            cr_assert_eq(plain->to_ordered(in, count, one, &every[0]), k->to_ordered(in, count, two, &every[1]));
            cr_assert_eq(every[0], every[1]);
            SAME(one, two, count * sizeof *one);
            plain->count_kinds(in, count, 0x1fffffff, &numbers[0], &numbers[1]);
            k->count_kinds(in, count, 0x1fffffff, &numbers[2], &numbers[3]);
            cr_assert(numbers[0] == numbers[2] && numbers[1] == numbers[3]);
            for (int kind = 0; kind < 4; kind++) {
                uint64_t odd_bits = kind > 1 ? 0x1fffffff : 0;
                size_t marked = plain->mark_odd(in, count, kind & 1, odd_bits, exceptions[0]);
                cr_assert_eq(k->mark_odd(in, count, kind & 1, odd_bits, exceptions[1]), marked);
                SAME(exceptions[0], exceptions[1], count);
            }
            int are_finite = plain->are_finite(in, count);
            cr_assert_eq(k->are_finite(in, count), are_finite);
            if (are_finite) {
                plain->extremes_of_doubles(in, count, &extremes[0], &extremes[1]);
                k->extremes_of_doubles(in, count, &extremes[2], &extremes[3]);
                cr_assert(extremes[0] == extremes[2] && extremes[1] == extremes[3]);
                for (size_t i = 0; i < 4; i++)
                    cr_assert_eq(plain->find(in, count, extremes[i]), k->find(in, count, extremes[i]));
            }
            free(in);
        }
    }
}

/* Encodes, decodes, damages and decodes again, all with each table: the same bytes, values, and broken rules. */
static void compare_codecs(const double *doubles, const int64_t *integers, size_t count)
{
    enum { BYTES = SL_VALUE_ENCODED_BYTES_MAX(COUNT_MAX) + SL_DECODE_SLACK_BYTES };
    static uint8_t encoded[2][BYTES], damaged[BYTES];
    static uint64_t decoded[2][COUNT_MAX];
    const int is_value = doubles != NULL;
    const char *what[2];
    size_t bytes[2];
    int status[2];
    EACH_OTHER(k)
    {
        uint64_t damage = next_random();
        for (int i = 0; i < 2; i++) {
            sl_kernels_use(i == 0 ? plain : k);
            bytes[i] = is_value ? sl_value_encode(doubles, count, encoded[i])
                                : sl_int_encode(integers, count, encoded[i]);
        }
        cr_assert_eq(bytes[0], bytes[1], "%s", k->name);
        SAME(encoded[0], encoded[1], bytes[0]);
        for (int round = 0; round < 8; round++) {
            memcpy(damaged, encoded[0], bytes[0]);
            if (round > 0) {
                size_t at = damage % (round % 2 && bytes[0] > 12 ? 12 : bytes[0]);
                damaged[at] ^= (uint8_t)(1u << (damage >> 32) % 8);
                damage = next_random();
                if (round > 4) damaged[0] = (uint8_t)(damaged[0] ^ __builtin_parity(damaged[0]) << 7);
            }
            uint8_t *in = exactly(damaged, bytes[0] + SL_DECODE_SLACK_BYTES);
            for (int i = 0; i < 2; i++) {
                sl_kernels_use(i == 0 ? plain : k);
                what[i] = NULL;
                status[i] = is_value ? sl_value_decode(in, bytes[0], count, (double *)(void *)decoded[i], &what[i])
                                     : sl_int_decode(in, bytes[0], count, (int64_t *)decoded[i], &what[i]);
            }
            free(in);
            cr_assert_eq(status[0], status[1]);
            cr_assert_eq(what[0], what[1], "%s: '%s', '%s'", k->name, what[0], what[1]);
            if (status[0] == STEPLOG_OK) SAME(decoded[0], decoded[1], count * 8);
            if (round == 0) {
                cr_assert_eq(status[0], STEPLOG_OK, "%s", what[0]);
                SAME(decoded[1], is_value ? (const void *)doubles : (const void *)integers, count * 8);
            }
        }
    }
    sl_kernels_use(NULL);
}

/* Running sums of noise: order says how many, and some terms are far off. */
static void fill_stream(uint64_t *out, size_t count)
{
    const unsigned order = below(4), width = below(65);
    const uint64_t rare = below(4) ? 3 + below(200) : 0, factor = below(3) ? 1 : any_number();
    const unsigned far = below(64);
    uint64_t state[4] = {any_number(), any_number() >> 1, any_number() >> 1, 0};
    for (size_t i = 0; i < count; i++) {
        uint64_t noise = width == 0 ? 0 : next_random() >> (64 - width);
        if (rare != 0 && next_random() % rare == 0) noise = next_random() >> far;
        if (order == 0) state[0] = noise;
        for (unsigned j = order; j-- > 0;) state[j] += j + 1 == order ? noise : state[j + 1];
        out[i] = state[0] * factor;
    }
}

Test(kernels, make_codecs_of_integers_alike)
{
    static int64_t integers[COUNT_MAX];
    seed();
    for (int round = 0; round < 4000; round++) {
        size_t count = any_count();
        fill_stream(values, count);
        memcpy(integers, values, count * sizeof *integers);
        compare_codecs(NULL, integers, count);
    }
}

Test(kernels, make_codecs_of_values_alike)
{
    static double doubles[COUNT_MAX];
    seed();
    for (int round = 0; round < 4000; round++) {
        size_t count = any_count();
        fill_doubles(doubles, count);
        if (round % 3 == 0) {
            double power = sl_power_of_ten[next_random() % (SL_DECIMAL_EXPONENT_MAX + 1)];
            unsigned shift = below(64);
            fill_stream(values, count);
            for (size_t i = 0; i < count; i++) doubles[i] = (double)((int64_t)values[i] >> shift) / power;
        }
        if (round % 3 == 1) {
            fill_stream(values, count);
            memcpy(doubles, values, count * sizeof *doubles);
        }
        compare_codecs(doubles, NULL, count);
    }
}

Test(kernels, make_statistics_alike)
{
    static double doubles[COUNT_MAX];
    sl_column_stats stats[2];
    seed();
    for (int round = 0; round < 5000; round++) {
        size_t count = any_count();
        fill_doubles(doubles, count);
        EACH_OTHER(k)
        {
            memset(stats, 0, sizeof stats);
            sl_kernels_use(plain);
            sl_column_stats_make(doubles, count, &stats[0]);
            sl_kernels_use(k);
            sl_column_stats_make(doubles, count, &stats[1]);
            SAME(&stats[0].first, &stats[1].first, 4 * sizeof(double));
            cr_assert(stats[0].smallest_at == stats[1].smallest_at && stats[0].largest_at == stats[1].largest_at);
            cr_assert_eq(stats[0].nan_count, stats[1].nan_count);
        }
        sl_kernels_use(NULL);
    }
}
