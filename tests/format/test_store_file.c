/* Tests of store_file.c. */
#include "format/store_file.h"

#include "base/bytes.h"
#include "format/checksum.h"
#include "support/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static sl_store_file random_file(test_random *random)
{
    sl_store_file file = {.version = SL_FORMAT_VERSION};
    test_random_fill(random, file.store_id.bytes, 16);
    file.created_time_ns = (int64_t)test_random_u64(random);
    return file;
}

/* Makes the check right again after a change. */
static void seal(uint8_t *bytes)
{
    steplog_id store_id;
    memcpy(store_id.bytes, bytes + 16, 16);
    sl_store64(bytes + 56, sl_check(sl_hash(bytes, 56), sl_file_key(&store_id), 0, 0, 0));
}

static steplog_status decode(const uint8_t *bytes, size_t count, sl_store_file *out)
{
    uint8_t *copy = malloc(count ? count : 1);
    cr_assert_not_null(copy);
    memcpy(copy, bytes, count);
    steplog_error err = {0};
    steplog_status status = sl_store_file_decode(copy, count, out, &err);
    cr_assert_eq(err.code, status < 0 ? status : STEPLOG_OK);
    free(copy);
    return status;
}

Test(store_file, lies_as_the_format_says)
{
    uint8_t bytes[SL_STORE_FILE_BYTES];
    sl_store_file file = {.version = 1, .features = 0x00020000, .created_time_ns = 0x0102030405060708};
    cr_expect_eq(SL_STORE_FILE_BYTES, 64u);
    for (int i = 0; i < 16; i++) file.store_id.bytes[i] = (uint8_t)i;
    sl_store_file_encode(&file, bytes);
    cr_expect_eq(memcmp(bytes, "STEPLOG\n\1\0\0\0\0\0\2\0", 16), 0);
    cr_expect_eq(memcmp(bytes + 16, file.store_id.bytes, 16), 0);
    cr_expect_eq(memcmp(bytes + 32, "\10\7\6\5\4\3\2\1", 8), 0);
    cr_expect(sl_is_zero(bytes + 40, 16));
    uint64_t check = sl_load64(bytes + 56);
    seal(bytes);
    cr_expect_eq(sl_load64(bytes + 56), check);
}

Test(store_file, returns_what_was_written)
{
    test_random random = test_random_begin("store_file");
    for (int round = 0; round < 2000; round++) {
        uint8_t bytes[SL_STORE_FILE_BYTES];
        sl_store_file file = random_file(&random), out;
        sl_store_file_encode(&file, bytes);
        cr_assert_eq(decode(bytes, sizeof bytes, &out), STEPLOG_OK);
        cr_assert_eq(out.version, file.version);
        cr_assert_eq(memcmp(&out.store_id, &file.store_id, 16), 0);
        cr_assert_eq(out.created_time_ns, file.created_time_ns);
    }
}

Test(store_file, is_refused_with_any_bit_flipped_cut_or_longer)
{
    test_random random = test_random_begin("store_file");
    uint8_t bytes[SL_STORE_FILE_BYTES + 1] = {0};
    sl_store_file file = random_file(&random), out;
    sl_store_file_encode(&file, bytes);
    for (size_t bit = 0; bit < 8 * SL_STORE_FILE_BYTES; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_eq(decode(bytes, SL_STORE_FILE_BYTES, &out), STEPLOG_CORRUPT, "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < SL_STORE_FILE_BYTES; cut++)
        cr_assert_eq(decode(bytes, cut, &out), STEPLOG_CORRUPT, "cut at %zu", cut);
    cr_assert_eq(decode(bytes, sizeof bytes, &out), STEPLOG_CORRUPT);
}

Test(store_file, is_newer_only_when_its_check_is_right)
{
    test_random random = test_random_begin("store_file");
    uint8_t bytes[SL_STORE_FILE_BYTES];
    sl_store_file file = random_file(&random), out;
    file.version = 2;
    sl_store_file_encode(&file, bytes);
    cr_expect_eq(decode(bytes, sizeof bytes, &out), STEPLOG_NEWER);
    bytes[50] = 7; /* a later version may use what is zero in this one */
    seal(bytes);
    cr_expect_eq(decode(bytes, sizeof bytes, &out), STEPLOG_NEWER);
    bytes[50] = 8;
    cr_expect_eq(decode(bytes, sizeof bytes, &out), STEPLOG_CORRUPT);
    file.version = 1;
    for (int bit = 0; bit < 32; bit++) {
        file.features = 1u << bit;
        sl_store_file_encode(&file, bytes);
        cr_expect_eq(decode(bytes, sizeof bytes, &out), bit < 16 ? STEPLOG_NEWER : STEPLOG_OK, "feature %d", bit);
    }
}

Test(store_file, breaks_a_rule_with_version_0_or_reserved_bytes)
{
    test_random random = test_random_begin("store_file");
    uint8_t bytes[SL_STORE_FILE_BYTES];
    sl_store_file file = random_file(&random), out;
    sl_store_file_encode(&file, bytes);
    for (size_t at = 40; at < 56; at++) {
        bytes[at] = 1;
        seal(bytes);
        cr_expect_eq(decode(bytes, sizeof bytes, &out), STEPLOG_CORRUPT, "byte %zu", at);
        bytes[at] = 0;
    }
    file.version = 0;
    sl_store_file_encode(&file, bytes);
    cr_expect_eq(decode(bytes, sizeof bytes, &out), STEPLOG_CORRUPT);
}
