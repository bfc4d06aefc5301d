/* Tests of bit_pack.c: both layouts, every width, against a packing written bit by bit. */
#include "format/bit_pack.h"

#include "support/random.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static test_random source;

static void seed(void) { source = test_random_begin("bit_pack"); }
static uint64_t next_random(void) { return test_random_u64(&source); }

/* Where FORMAT.md puts bit b of value i. */
static size_t place_of(size_t count, unsigned width, size_t i, unsigned b)
{
    if (count != 1024) return i * width + b;
    size_t bit = i / 16 * width + b;
    return (bit / 64 * 16 + i % 16) * 64 + bit % 64;
}

static void check(size_t count, unsigned width)
{
    static uint64_t values[1024], decoded[1024];
    static uint8_t packed[8 * 1024 + 64], expected[8 * 1024 + 64];
    memset(packed, 0xa5, sizeof packed);
    memset(expected, 0, sizeof expected);
    for (size_t i = 0; i < count; i++) values[i] = width == 0 ? 0 : next_random() >> (64 - width);
    if (width > 0) values[count / 2] |= (uint64_t)1 << (width - 1);
    for (size_t i = 0; i < count; i++) {
        for (unsigned b = 0; b < width; b++) {
            size_t place = place_of(count, width, i, b);
            expected[place / 8] |= (uint8_t)((values[i] >> b & 1) << place % 8);
        }
    }
    size_t bytes = sl_pack(values, count, width, packed);
    cr_assert_eq(bytes, (count * width + 7) / 8);
    cr_assert_eq(memcmp(packed, expected, bytes), 0, "count %zu width %u", count, width);
    cr_assert(sl_unpack(packed, count, width, decoded));
    cr_assert_eq(memcmp(values, decoded, count * sizeof *values), 0, "count %zu width %u", count, width);
}

Test(bit_pack, places_every_bit_where_the_format_says)
{
    static const size_t counts[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 63, 64, 65, 74, 512, 1000, 1022, 1023, 1024};
    seed();
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        for (unsigned width = 0; width <= 64; width++) check(counts[c], width);
    }
}

Test(bit_pack, takes_no_padding_for_short_counts)
{
    cr_assert_eq(sl_pack_bytes(74, 13), (74 * 13 + 7) / 8);
    cr_assert_eq(sl_pack_bytes(1, 1), 1);
    cr_assert_eq(sl_pack_bytes(0, 64), 0);
    cr_assert_eq(sl_pack_bytes(1024, 64), 8192);
}

Test(bit_pack, refuses_padding_bits_that_are_set)
{
    uint8_t packed[32] = {0};
    uint64_t values[3] = {1, 2, 3}, decoded[3];
    cr_assert_eq(sl_pack(values, 3, 2, packed), 1);
    cr_assert(sl_unpack(packed, 3, 2, decoded));
    packed[0] |= 0x40;
    cr_assert_not(sl_unpack(packed, 3, 2, decoded));
}

Test(bit_pack, refuses_a_width_that_no_value_needs)
{
    uint8_t packed[32] = {0};
    uint64_t values[3] = {1, 2, 3}, decoded[3];
    sl_pack(values, 3, 3, packed);
    cr_assert_not(sl_unpack(packed, 3, 3, decoded));
}
