/* Tests of record_codec.c: one record at a time, and the bodies of rows and parts. */
#include "format/record_codec.h"

#include "support/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define KEY UINT64_C(0x8355e3a6f61770db)

static uint8_t record_bytes[SL_RECORD_BYTES_MAX];

/* Makes a record whose body is in place. */
static uint8_t *make(uint32_t bytes, unsigned kind, unsigned flags, uint32_t index, uint64_t offset, uint64_t sequence)
{
    uint64_t head = sl_record_head(bytes, kind, flags, index);
    sl_store64(record_bytes, head);
    sl_store64(record_bytes + 8, sl_record_check_of(record_bytes, bytes, head, KEY, offset, sequence));
    return record_bytes;
}

/* Decodes from memory that ends with what is available, for the address sanitizer. */
static sl_record_state decode(const uint8_t *bytes, size_t available, uint64_t offset, uint64_t expected,
                              sl_record *out)
{
    uint8_t *copy = malloc(available ? available : 1);
    cr_assert_not_null(copy);
    memcpy(copy, bytes, available);
    sl_record_state state = sl_record_decode(copy, available, KEY, offset, expected, out);
    free(copy);
    return state;
}

Test(record_codec, has_the_numbers_of_the_format)
{
    cr_expect_eq(SL_RECORD_HEAD_BYTES, 16u);
    cr_expect_eq(SL_RECORD_BYTES_MAX, 65528u);
    cr_expect_eq(SL_PART_BYTES_MAX, 65504u);
    cr_expect_eq(SL_LOG_HEADER_BYTES, 4096u);
    cr_expect_eq(sl_record_head(65528, 18, 3, 0xfedcba98), UINT64_C(0xfedcba9803121fff));
    static const unsigned kinds[] = {SL_RECORD_ROW,  SL_RECORD_POINT,  SL_RECORD_CONTINUATION, SL_RECORD_FACT,
                                     SL_RECORD_BLOB, SL_RECORD_WRITER, SL_RECORD_NAME,         SL_RECORD_SCHEMA};
    static const unsigned numbers[] = {1, 2, 3, 4, 5, 16, 17, 18};
    for (size_t i = 0; i < 8; i++) {
        cr_expect_eq(kinds[i], numbers[i]);
        cr_expect_eq(SL_RECORD_IS_NUMBERED(kinds[i]), i < 5);
    }
    cr_expect_eq(sl_record_check_of((const uint8_t[32]){[16] = 0x0a}, 32, 0x00010004, KEY, 4096, 7),
                 UINT64_C(0xdcd3f928f8cf676a));
}

Test(record_codec, returns_records_of_every_kind_and_length)
{
    test_random random = test_random_begin("record_codec");
    for (int round = 0; round < 5000; round++) {
        sl_record out;
        uint32_t units = round % 50 ? 3 + (uint32_t)test_random_below(&random, 60)
                                    : 3 + (uint32_t)test_random_below(&random, 8189);
        unsigned kind = (unsigned)test_random_below(&random, 8);
        kind = kind < 5 ? 1 + kind : 11 + kind;
        unsigned flags = (unsigned)test_random_below(&random, 256);
        uint32_t index = (uint32_t)test_random_u64(&random);
        uint64_t offset = 8 * test_random_below(&random, 1u << 29), sequence = test_random_u64(&random);
        test_random_fill(&random, record_bytes + 16, 8 * units - 16);
        make(8 * units, kind, flags, index, offset, sequence);
        cr_assert_eq(decode(record_bytes, 8 * units, offset, sequence, &out), SL_RECORD_GOOD);
        cr_assert_eq(out.bytes, 8 * units);
        cr_assert_eq(out.body_bytes, 8 * units - 16);
        cr_assert_eq(out.kind, kind);
        cr_assert_eq(out.flags, flags);
        cr_assert_eq(out.index, index);
        cr_assert_eq(out.sequence, sequence);
        cr_assert_eq(decode(record_bytes, 8 * units, offset, sequence + 1, &out), SL_RECORD_ELSEWHEN);
        cr_assert_eq(out.sequence, sequence);
        cr_assert_eq(decode(record_bytes, 8 * units, offset + 8, sequence, &out), SL_RECORD_ELSEWHEN);
    }
}

Test(record_codec, takes_the_longest_and_the_shortest_record)
{
    sl_record out;
    memset(record_bytes, 0x77, sizeof record_bytes);
    make(SL_RECORD_BYTES_MAX, SL_RECORD_BLOB, 0, 0, 4096, 1);
    cr_expect_eq(decode(record_bytes, SL_RECORD_BYTES_MAX, 4096, 1, &out), SL_RECORD_GOOD);
    make(24, SL_RECORD_CONTINUATION, 0, 0, 4096, 1);
    cr_expect_eq(decode(record_bytes, 24, 4096, 1, &out), SL_RECORD_GOOD);
    make(16, SL_RECORD_CONTINUATION, 0, 0, 4096, 1);
    cr_expect_eq(decode(record_bytes, 24, 4096, 1, &out), SL_RECORD_BROKEN);
    sl_store16(record_bytes, 8191 + 1);
    cr_expect_eq(decode(record_bytes, SL_RECORD_BYTES_MAX, 4096, 1, &out), SL_RECORD_BROKEN);
    sl_store16(record_bytes, 0);
    cr_expect_eq(decode(record_bytes, SL_RECORD_BYTES_MAX, 4096, 1, &out), SL_RECORD_BROKEN,
                 "a length of 0 with a kind");
}

Test(record_codec, takes_no_kind_that_the_table_does_not_have)
{
    sl_record out;
    memset(record_bytes, 0, sizeof record_bytes);
    for (unsigned kind = 0; kind < 256; kind++) {
        make(40, kind, 0, 0, 4096, 1);
        int is_known = (kind >= 1 && kind <= 5) || (kind >= 16 && kind <= 18);
        cr_expect_eq(decode(record_bytes, 40, 4096, 1, &out), is_known ? SL_RECORD_GOOD : SL_RECORD_BROKEN, "kind %u",
                     kind);
    }
}

Test(record_codec, ends_where_the_commit_word_is_zero)
{
    sl_record out;
    memset(record_bytes, 0xff, sizeof record_bytes);
    memset(record_bytes, 0, 8);
    cr_expect_eq(decode(record_bytes, 4096, 4096, 1, &out), SL_RECORD_NONE);
    cr_expect_eq(decode(record_bytes, 8, 4096, 1, &out), SL_RECORD_NONE);
    for (size_t available = 0; available < 8; available++)
        cr_expect_eq(decode(record_bytes, available, 4096, 1, &out), SL_RECORD_SHORT);
}

Test(record_codec, notices_every_flipped_bit_and_every_cut)
{
    test_random random = test_random_begin("record_codec");
    for (int round = 0; round < 20; round++) {
        sl_record out;
        uint32_t bytes = 24 + 8 * (uint32_t)test_random_below(&random, 12);
        uint64_t sequence = 1 + test_random_below(&random, 1000);
        test_random_fill(&random, record_bytes, sizeof record_bytes / 64);
        make(bytes, 1 + (unsigned)test_random_below(&random, 5), 0, 3, 8192, sequence);
        for (size_t bit = 0; bit < 8 * bytes; bit++) {
            record_bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_assert_neq(decode(record_bytes, bytes, 8192, sequence, &out), SL_RECORD_GOOD, "bit %zu", bit);
            record_bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t cut = 0; cut < bytes; cut++)
            cr_assert_eq(decode(record_bytes, cut, 8192, sequence, &out), SL_RECORD_SHORT, "cut at %zu", cut);
    }
}

/* ---- rows ---- */

/* A row body in memory of its own: of row metrics, value_count values, presence words as given. */
static sl_record row_record(uint8_t **body, const uint64_t *presence, uint32_t metric_count, uint32_t value_count)
{
    uint32_t words = presence ? (metric_count + 63) / 64 : 0, bytes = 16 + 8 * words + 8 * value_count;
    uint8_t *at = *body = malloc(bytes);
    cr_assert_not_null(at);
    sl_store64(at, (uint64_t)INT64_MIN);
    sl_store64(at + 8, (uint64_t)INT64_MAX);
    for (uint32_t i = 0; i < words; i++) sl_store64(at + 16 + 8 * i, presence[i]);
    for (uint32_t i = 0; i < value_count; i++) sl_store64(at + 16 + 8 * words + 8 * i, i);
    return (sl_record){.kind = SL_RECORD_ROW, .flags = presence != NULL, .body = at, .body_bytes = bytes};
}

static int is_row(const uint64_t *presence, uint32_t metric_count, uint32_t value_count, unsigned flags)
{
    uint8_t *body;
    sl_row_body row;
    sl_record record = row_record(&body, presence, metric_count, value_count);
    record.flags |= (uint8_t)flags;
    int is_good = sl_row_body_decode(&record, metric_count, &row);
    if (is_good) {
        cr_assert_eq(row.step, INT64_MIN);
        cr_assert_eq(row.time_ns, INT64_MAX);
        cr_assert_eq(row.value_count, value_count);
        cr_assert_eq(row.presence, presence ? body + 16 : NULL);
        cr_assert_eq(sl_load64(row.values + 8 * (value_count - 1)), value_count - 1);
    }
    free(body);
    return is_good;
}

Test(record_codec, takes_rows_of_1_to_4096_metrics)
{
    uint64_t presence[64];
    memset(presence, 0xff, sizeof presence);
    for (uint32_t count = 1; count <= 4096; count += count < 200 || count > 4000 ? 1 : 61) {
        cr_assert(is_row(NULL, count, count, 0));
        cr_assert_not(is_row(NULL, count, count + 1, 0));
        if (count > 1) cr_assert_not(is_row(NULL, count, count - 1, 0));
        memset(presence, 0xff, sizeof presence);
        if (count % 64) presence[count / 64] = (UINT64_C(1) << count % 64) - 1;
        cr_assert(is_row(presence, count, count, 0), "count %u", (unsigned)count);
        cr_assert_not(is_row(presence, count, count + 1, 0));
        if (count % 64 == 0) continue;
        presence[count / 64] |= UINT64_C(1) << (count % 64 + (64 - count % 64) / 2);
        cr_assert_not(is_row(presence, count, count + 1, 0), "a bit behind the last metric");
        cr_assert_not(is_row(presence, count, count, 0));
    }
}

Test(record_codec, takes_rows_with_as_many_values_as_are_present)
{
    test_random random = test_random_begin("record_codec");
    for (int round = 0; round < 3000; round++) {
        uint32_t metric_count = 1 + (uint32_t)test_random_below(&random, 300), present_count = 0;
        uint64_t presence[5] = {0};
        for (uint32_t i = 0; i < metric_count; i++) {
            if (test_random_below(&random, 3)) continue;
            presence[i / 64] |= UINT64_C(1) << i % 64;
            present_count++;
        }
        if (present_count) cr_assert(is_row(presence, metric_count, present_count, 0));
        cr_assert_not(is_row(presence, metric_count, present_count + 1, 0));
        if (present_count > 1) cr_assert_not(is_row(presence, metric_count, present_count - 1, 0));
    }
    cr_assert_not(is_row((const uint64_t[1]){0}, 10, 0, 0), "a row without a value");
}

Test(record_codec, refuses_unknown_flags_of_rows_and_parts)
{
    for (unsigned bit = 1; bit < 8; bit++) cr_expect_not(is_row(NULL, 3, 3, 1u << bit), "bit %u", bit);
    uint8_t body[16] = {8, 0, 0, 0, 8};
    for (unsigned flags = 0; flags < 256; flags++) {
        sl_part part;
        sl_record record = {.kind = SL_RECORD_FACT, .flags = (uint8_t)flags, .body = body, .body_bytes = 16};
        cr_expect_eq(sl_part_decode(&record, &part), flags < 4, "flags %u", flags);
    }
}

Test(record_codec, refuses_rows_that_are_cut)
{
    uint8_t *body;
    sl_row_body row;
    sl_record record = row_record(&body, (const uint64_t[2]){UINT64_MAX, 1}, 65, 65);
    cr_assert(sl_row_body_decode(&record, 65, &row));
    for (uint32_t bytes = 0; bytes < record.body_bytes; bytes += 8) {
        uint8_t *cut = malloc(bytes ? bytes : 1);
        memcpy(cut, body, bytes);
        cr_assert_not(sl_row_body_decode(&(sl_record){.flags = 1, .body = cut, .body_bytes = bytes}, 65, &row));
        free(cut);
    }
    free(body);
}

/* ---- parts ---- */

static int is_part(uint32_t body_bytes, uint32_t bytes, uint32_t total, unsigned flags, uint8_t padding)
{
    uint8_t *body = malloc(body_bytes);
    sl_part part = {0};
    cr_assert_not_null(body);
    memset(body, 0x41, body_bytes);
    if (body_bytes >= 8) {
        sl_store32(body, bytes);
        sl_store32(body + 4, total);
        for (uint64_t i = 8 + (uint64_t)bytes; i < body_bytes; i++) body[i] = padding;
    }
    sl_record record = {.kind = SL_RECORD_NAME, .flags = (uint8_t)flags, .body = body, .body_bytes = body_bytes};
    int is_good = sl_part_decode(&record, &part);
    if (is_good) {
        cr_assert_eq(part.bytes, bytes);
        cr_assert_eq(part.total_bytes, total);
        cr_assert_eq(part.data, body + 8);
    }
    free(body);
    return is_good;
}

Test(record_codec, takes_parts_of_every_length)
{
    for (uint32_t bytes = 0; bytes <= SL_PART_BYTES_MAX;
         bytes += bytes < 100 || bytes > SL_PART_BYTES_MAX - 50 ? 1 : 509) {
        uint32_t body_bytes = 8 + (bytes + 7) / 8 * 8;
        cr_assert(is_part(body_bytes, bytes, bytes, SL_PART_IS_FIRST, 0));
        cr_assert(is_part(body_bytes, bytes, UINT32_MAX, 0, 0));
        cr_assert_eq(is_part(body_bytes, bytes, UINT32_MAX, SL_PART_HAS_MORE, 0), bytes > 0 && bytes % 8 == 0);
        cr_assert_eq(is_part(body_bytes, bytes, bytes, 0, 1), bytes % 8 == 0, "padding that is not zero");
        cr_assert_not(is_part(body_bytes + 8, bytes, bytes, 0, 0), "eight or more bytes of padding");
        if (bytes) cr_assert_not(is_part(body_bytes, bytes, bytes - 1, 0, 0), "more than the whole");
    }
}

Test(record_codec, refuses_parts_that_claim_too_much)
{
    static const uint32_t claims[] = {9, 16, 65504, 65505, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff};
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++)
        cr_expect_not(is_part(16, claims[i], UINT32_MAX, 0, 0), "%u bytes", (unsigned)claims[i]);
}
