/* Tests of checksum.h: the samples of FORMAT.md section 4, and what the checks are bound to. */
#include "format/checksum.h"

#include "support/random.h"

#include <criterion/criterion.h>

static const steplog_id id = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

Test(checksum, gives_the_samples_of_the_format)
{
    uint64_t key = sl_file_key(&id);
    uint8_t body[16] = {0x0a};
    cr_expect_eq(sl_hash("", 0), UINT64_C(0x2d06800538d394c2));
    cr_expect_eq(sl_scramble(UINT64_C(0x0123456789abcdef)), UINT64_C(0x653196ee4f4a174a));
    cr_expect_eq(key, UINT64_C(0x8355e3a6f61770db));
    cr_expect_eq(sl_check(sl_hash("steplog!", 8), key, 64, 1, 2), UINT64_C(0xa0f0297326e22fcb));
    cr_expect_eq(sl_record_check(sl_hash(body, 16), key, 4096, 0x00010004, 7), UINT64_C(0xdcd3f928f8cf676a));
}

Test(checksum, has_the_primes_of_the_format)
{
    cr_expect_eq(SL_CHECK_PRIME_1, UINT64_C(0x9E3779B97F4A7C15));
    cr_expect_eq(SL_CHECK_PRIME_2, UINT64_C(0xC2B2AE3D27D4EB4F));
    cr_expect_eq(SL_CHECK_PRIME_3, UINT64_C(0x165667919E3779F9));
    cr_expect_eq(SL_CHECK_PRIME_3_INVERSE, UINT64_C(0x08DA8EE41D6DF849));
    cr_expect_eq(SL_CHECK_PRIME_3 * SL_CHECK_PRIME_3_INVERSE, UINT64_C(1));
}

Test(checksum, unscrambles_what_it_scrambled)
{
    static const uint64_t extremes[] = {0, 1, UINT64_MAX, UINT64_C(1) << 63, UINT64_C(1) << 37, UINT64_C(1) << 32};
    test_random random = test_random_begin("checksum");
    for (size_t i = 0; i < sizeof extremes / sizeof *extremes; i++) {
        cr_assert_eq(sl_unscramble(sl_scramble(extremes[i])), extremes[i]);
        cr_assert_eq(sl_scramble(sl_unscramble(extremes[i])), extremes[i]);
    }
    for (int i = 0; i < 100000; i++) {
        uint64_t x = test_random_u64(&random);
        cr_assert_eq(sl_unscramble(sl_scramble(x)), x);
    }
}

Test(checksum, differs_for_every_bit_of_what_it_is_bound_to)
{
    test_random random = test_random_begin("checksum");
    for (int round = 0; round < 200; round++) {
        uint64_t in[5];
        test_random_fill(&random, in, sizeof in);
        uint64_t whole = sl_check(in[0], in[1], in[2], in[3], in[4]);
        uint64_t record = sl_record_check(in[0], in[1], in[2], in[3], in[4]);
        for (size_t bit = 0; bit < 320; bit++) {
            in[bit / 64] ^= UINT64_C(1) << bit % 64;
            cr_assert_neq(sl_check(in[0], in[1], in[2], in[3], in[4]), whole, "bit %zu", bit);
            cr_assert_neq(sl_record_check(in[0], in[1], in[2], in[3], in[4]), record, "bit %zu", bit);
            in[bit / 64] ^= UINT64_C(1) << bit % 64;
        }
    }
}

Test(checksum, of_a_record_tells_its_number)
{
    test_random random = test_random_begin("checksum");
    for (int round = 0; round < 100000; round++) {
        uint64_t in[5];
        test_random_fill(&random, in, sizeof in);
        if (round % 3 == 0) in[4] %= 100;
        uint64_t check = sl_record_check(in[0], in[1], in[2], in[3], in[4]);
        cr_assert_eq(sl_record_sequence(check, in[0], in[1], in[2], in[3]), in[4]);
    }
}

/* A record that is not whole must not look like one a little further on: the number it tells is far away. */
Test(checksum, of_a_damaged_record_tells_no_number_near_by)
{
    test_random random = test_random_begin("checksum");
    uint8_t body[64];
    uint64_t key = sl_file_key(&id);
    for (int round = 0; round < 100; round++) {
        test_random_fill(&random, body, sizeof body);
        uint64_t number = 1 + test_random_below(&random, 1000000);
        uint64_t check = sl_record_check(sl_hash(body, sizeof body), key, 4096, 0x0001000a, number);
        for (size_t bit = 0; bit < 8 * sizeof body; bit++) {
            body[bit / 8] ^= (uint8_t)(1u << bit % 8);
            uint64_t told = sl_record_sequence(check, sl_hash(body, sizeof body), key, 4096, 0x0001000a);
            cr_assert(told < number - (number < 1000 ? number : 1000) || told > number + 1000000);
            body[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        cr_assert_gt(sl_record_sequence(check, sl_hash(body, sizeof body), key, 4104, 0x0001000a) - number, 1000000u);
        cr_assert_gt(sl_record_sequence(check, sl_hash(body, sizeof body), key + 1, 4096, 0x0001000a) - number,
                     1000000u);
    }
}

Test(checksum, of_long_data_is_the_same_whatever_the_processor_has)
{
    static uint8_t bytes[5000];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 131 + i / 7);
    for (size_t size = 0; size < 4000; size += size < 600 ? 1 : 37)
        for (size_t from = 0; from < 64; from += 13)
            cr_assert_eq(sl_hash(bytes + from, size), XXH3_64bits(bytes + from, size), "%zu bytes", size);
}

/* Two texts that XXH3 of a known seed can not tell apart: where 32 of 64 bits cancel the secret the other 32 only count
 * in a sum. Whoever makes a file can make as many as he likes. */
Test(checksum, of_texts_in_tables_can_not_be_made_to_collide)
{
    enum { LANE = 3, WORDS = 64 };
    uint64_t words[2][WORDS] = {{0}};
    uint64_t secret[2] = {sl_load64(XXH3_kSecret + 8 * LANE), sl_load64(XXH3_kSecret + 8 * (LANE + 1))};
    for (uint64_t i = 0; i < 2; i++) {
        words[i][LANE] = (secret[0] & UINT32_MAX) | (7 + i) << 32;
        words[i][8 + LANE] = (secret[1] & UINT32_MAX) | (9 - i) << 32;
    }
    cr_assert_eq(XXH3_64bits(words[0], sizeof words[0]), XXH3_64bits(words[1], sizeof words[1]));
    cr_expect_neq(sl_hash_text(words[0], sizeof words[0]), sl_hash_text(words[1], sizeof words[1]));
    cr_expect_eq(sl_hash_seed(), sl_hash_seed());
    cr_expect_neq(sl_hash_seed(), 0u);
}
