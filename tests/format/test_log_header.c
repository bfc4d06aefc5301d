/* Tests of log_header.c: the fixed part, mark slots and gap slots. */
#include "format/log_header.h"

#include "base/bytes.h"
#include "base/span.h"
#include "format/checksum.h"
#include "support/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static sl_log_header random_header(test_random *random)
{
    sl_log_header header = {.version = SL_FORMAT_VERSION};
    test_random_fill(random, header.log_id.bytes, 16);
    test_random_fill(random, header.incarnation.bytes, 16);
    test_random_fill(random, header.run.bytes, 16);
    test_random_fill(random, header.host_id.bytes, 16);
    test_random_fill(random, header.boot_id.bytes, 16);
    header.first_sequence = 1 + test_random_below(random, INT64_MAX);
    header.capacity_bytes = 65536 + test_random_below(random, (UINT64_C(1) << 32) - 65535);
    header.ordinal = 1 + (uint32_t)test_random_below(random, UINT32_MAX);
    header.mode = 1 + (uint32_t)test_random_below(random, 2);
    header.attempt = 1 + (uint32_t)test_random_below(random, UINT32_MAX);
    header.rank = (uint32_t)test_random_u64(random);
    header.process_id = (uint32_t)test_random_u64(random);
    header.process_start_ns = (int64_t)test_random_u64(random);
    header.created_time_ns = (int64_t)test_random_u64(random);
    header.inode = test_random_u64(random);
    return header;
}

static void seal(uint8_t *bytes)
{
    steplog_id log_id;
    memcpy(log_id.bytes, bytes + 16, 16);
    sl_store64(bytes + 504, sl_check(sl_hash(bytes, 504), sl_file_key(&log_id), 0, 0, 0));
}

static steplog_status decode(const uint8_t *bytes, sl_log_header *out)
{
    steplog_error err = {0};
    steplog_status status = sl_log_header_decode(bytes, "a.log", out, &err);
    if (status == STEPLOG_CORRUPT || status == STEPLOG_NEWER) cr_assert_eq(err.code, status);
    return status;
}

static steplog_status code_and_decode(const sl_log_header *header)
{
    uint8_t bytes[SL_LOG_FIXED_BYTES];
    sl_log_header out;
    sl_log_header_encode(header, bytes);
    return decode(bytes, &out);
}

Test(log_header, lies_as_the_format_says)
{
    test_random random = test_random_begin("log_header");
    uint8_t bytes[SL_LOG_FIXED_BYTES];
    sl_log_header header = random_header(&random);
    sl_log_header_encode(&header, bytes);
    cr_expect_eq(SL_LOG_FIXED_BYTES, 512u);
    cr_expect_eq(memcmp(bytes, "SLROWLOG\1\0\0\0\0\0\0\0", 16), 0);
    cr_expect_eq(memcmp(bytes + 16, &header.log_id, 16), 0);
    cr_expect_eq(memcmp(bytes + 32, &header.incarnation, 16), 0);
    cr_expect_eq(memcmp(bytes + 48, &header.run, 16), 0);
    cr_expect_eq(memcmp(bytes + 64, &header.host_id, 16), 0);
    cr_expect_eq(memcmp(bytes + 80, &header.boot_id, 16), 0);
    cr_expect_eq(sl_load64(bytes + 96), header.first_sequence);
    cr_expect_eq(sl_load64(bytes + 104), header.capacity_bytes);
    cr_expect_eq(sl_load32(bytes + 112), header.ordinal);
    cr_expect_eq(sl_load32(bytes + 116), header.mode);
    cr_expect_eq(sl_load32(bytes + 120), header.attempt);
    cr_expect_eq(sl_load32(bytes + 124), header.rank);
    cr_expect_eq(sl_load32(bytes + 128), header.process_id);
    cr_expect_eq(sl_load32(bytes + 132), 0u);
    cr_expect_eq((int64_t)sl_load64(bytes + 136), header.process_start_ns);
    cr_expect_eq((int64_t)sl_load64(bytes + 144), header.created_time_ns);
    cr_expect_eq(sl_load64(bytes + 152), header.inode);
    cr_expect(sl_is_zero(bytes + 160, 344));
    uint64_t check = sl_load64(bytes + 504);
    seal(bytes);
    cr_expect_eq(sl_load64(bytes + 504), check);
}

Test(log_header, returns_what_was_written)
{
    test_random random = test_random_begin("log_header");
    for (int round = 0; round < 2000; round++) {
        uint8_t bytes[SL_LOG_FIXED_BYTES], again[SL_LOG_FIXED_BYTES];
        sl_log_header header = random_header(&random), out = {0};
        sl_log_header_encode(&header, bytes);
        cr_assert_eq(decode(bytes, &out), STEPLOG_OK);
        cr_assert_eq(out.first_sequence, header.first_sequence);
        cr_assert_eq(out.capacity_bytes, header.capacity_bytes);
        sl_log_header_encode(&out, again);
        cr_assert_eq(memcmp(bytes, again, sizeof bytes), 0);
    }
}

Test(log_header, notices_every_flipped_bit)
{
    test_random random = test_random_begin("log_header");
    uint8_t bytes[SL_LOG_FIXED_BYTES];
    sl_log_header header = random_header(&random), out;
    sl_log_header_encode(&header, bytes);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_eq(decode(bytes, &out), STEPLOG_CORRUPT, "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

Test(log_header, without_a_log_id_is_a_spare_whatever_else_it_holds)
{
    test_random random = test_random_begin("log_header");
    uint8_t bytes[SL_LOG_FIXED_BYTES] = {0};
    sl_log_header out;
    cr_expect_eq(decode(bytes, &out), STEPLOG_MISSING);
    test_random_fill(&random, bytes, sizeof bytes);
    memset(bytes + 16, 0, 16);
    cr_expect_eq(decode(bytes, &out), STEPLOG_MISSING);
    bytes[31] = 1;
    cr_expect_eq(decode(bytes, &out), STEPLOG_CORRUPT);
}

Test(log_header, is_newer_only_when_its_check_is_right)
{
    test_random random = test_random_begin("log_header");
    uint8_t bytes[SL_LOG_FIXED_BYTES];
    sl_log_header header = random_header(&random), out;
    header.version = 2;
    sl_log_header_encode(&header, bytes);
    cr_expect_eq(decode(bytes, &out), STEPLOG_NEWER);
    bytes[200] ^= 1;
    cr_expect_eq(decode(bytes, &out), STEPLOG_CORRUPT);
    seal(bytes);
    cr_expect_eq(decode(bytes, &out), STEPLOG_NEWER);
    header.version = 1;
    for (int bit = 0; bit < 32; bit++) {
        header.features = 1u << bit;
        cr_expect_eq(code_and_decode(&header), bit < 16 ? STEPLOG_NEWER : STEPLOG_OK, "feature %d", bit);
    }
}

Test(log_header, keeps_the_bounds_of_the_table)
{
    test_random random = test_random_begin("log_header");
    sl_log_header header = random_header(&random);
#define WITH(field, value, status)                                                      \
    do {                                                                                \
        sl_log_header changed = header;                                                 \
        changed.field = (value);                                                        \
        cr_expect_eq(code_and_decode(&changed), STEPLOG_##status, #field " = " #value); \
    } while (0)
    WITH(version, 0, CORRUPT);
    WITH(first_sequence, 0, CORRUPT);
    WITH(first_sequence, 1, OK);
    WITH(first_sequence, INT64_MAX, OK);
    WITH(first_sequence, (uint64_t)INT64_MAX + 1, CORRUPT);
    WITH(capacity_bytes, 65535, CORRUPT);
    WITH(capacity_bytes, 65536, OK);
    WITH(capacity_bytes, UINT64_C(1) << 32, OK);
    WITH(capacity_bytes, (UINT64_C(1) << 32) + 1, CORRUPT);
    WITH(capacity_bytes, UINT64_MAX, CORRUPT);
    WITH(ordinal, 0, CORRUPT);
    WITH(ordinal, UINT32_MAX, OK);
    WITH(mode, 0, CORRUPT);
    WITH(mode, 3, CORRUPT);
    WITH(attempt, 0, CORRUPT);
    WITH(rank, UINT32_MAX, OK);
#undef WITH
}

Test(log_header, refuses_reserved_bytes_that_are_not_zero)
{
    test_random random = test_random_begin("log_header");
    uint8_t bytes[SL_LOG_FIXED_BYTES];
    sl_log_header header = random_header(&random), out;
    sl_log_header_encode(&header, bytes);
    for (size_t at = 132; at < 504; at = at == 135 ? 160 : at + 1) {
        bytes[at] = 0x80;
        seal(bytes);
        cr_expect_eq(decode(bytes, &out), STEPLOG_CORRUPT, "byte %zu", at);
        bytes[at] = 0;
    }
}

/* ---- slots ---- */

/* ---- the copy ---- */

static void make_page(test_random *random, uint8_t page[SL_LOG_HEADER_BYTES], sl_log_header *header)
{
    *header = random_header(random);
    memset(page, 0, SL_LOG_HEADER_BYTES);
    sl_log_header_encode(header, page);
    sl_log_header_encode(header, page + SL_LOG_COPY_OFFSET);
}

/* Reads a page: which of the two counts, or the failure. */
static int64_t read_page(const uint8_t *page, const sl_log_header *expected)
{
    sl_log_header out = {0};
    uint32_t at = 1;
    steplog_status status = sl_log_header_read(page, "a.log", &out, &at, NULL);
    if (status != STEPLOG_OK) return status;
    cr_expect(sl_id_equal(&out.log_id, &expected->log_id));
    cr_expect_eq(out.first_sequence, expected->first_sequence);
    cr_expect_eq(out.capacity_bytes, expected->capacity_bytes);
    cr_expect_eq(out.inode, expected->inode);
    return at;
}

Test(log_header, counts_by_its_copy_when_any_bit_of_it_is_flipped)
{
    test_random random = test_random_begin("log_header");
    uint8_t page[SL_LOG_HEADER_BYTES];
    sl_log_header header;
    make_page(&random, page, &header);
    cr_expect_eq(SL_LOG_COPY_OFFSET, 2560u);
    cr_expect_eq(read_page(page, &header), 0);
    cr_expect_eq(sl_log_header_twin(page, 0), SL_LOG_TWIN_SAME);
    for (size_t bit = 0; bit < SL_LOG_FIXED_BYTES * 8; bit++) {
        uint8_t flip = (uint8_t)(1u << bit % 8), *first = page + bit / 8, *copy = first + SL_LOG_COPY_OFFSET;
        *first ^= flip;
        sl_log_twin expected = *first ? SL_LOG_TWIN_OTHER : SL_LOG_TWIN_PARTIAL;
        cr_expect_eq(read_page(page, &header), SL_LOG_COPY_OFFSET, "bit %zu", bit);
        cr_expect_eq(sl_log_header_twin(page, SL_LOG_COPY_OFFSET), expected, "bit %zu", bit);
        *first ^= flip;
        *copy ^= flip;
        cr_expect_eq(read_page(page, &header), 0, "bit %zu", bit);
        cr_expect_eq(sl_log_header_twin(page, 0), expected, "bit %zu", bit);
        *first ^= flip;
        cr_expect_eq(read_page(page, &header), STEPLOG_CORRUPT, "both, bit %zu", bit);
        *first ^= flip;
        *copy ^= flip;
    }
}

Test(log_header, counts_by_its_copy_at_each_byte_of_being_written_and_of_being_cleared)
{
    test_random random = test_random_begin("log_header");
    uint8_t page[SL_LOG_HEADER_BYTES], whole[SL_LOG_FIXED_BYTES];
    sl_log_header header;
    make_page(&random, page, &header);
    memcpy(whole, page, sizeof whole);
    for (size_t cut = 0; cut <= SL_LOG_FIXED_BYTES; cut++)
        for (int is_end = 0; is_end < 2; is_end++) { /* the beginning is there, or the end */
            memset(page, 0, SL_LOG_FIXED_BYTES);
            memcpy(page + (is_end ? cut : 0), whole + (is_end ? cut : 0), is_end ? SL_LOG_FIXED_BYTES - cut : cut);
            int64_t at = read_page(page, &header);
            if (memcmp(page, whole, sizeof whole) == 0)
                cr_expect_eq(at, 0);
            else
                cr_expect_eq(at, SL_LOG_COPY_OFFSET, "cut at %zu", cut);
            if (at > 0) cr_expect_eq(sl_log_header_twin(page, (uint32_t)at), SL_LOG_TWIN_PARTIAL, "cut at %zu", cut);
        }
    memset(page, 0, SL_LOG_FIXED_BYTES);
    for (size_t at = SL_LOG_COPY_OFFSET; at < SL_LOG_UNUSED_OFFSET; at++) {
        uint8_t kept = page[at];
        page[at] = (uint8_t)~kept;
        cr_expect_eq(read_page(page, &header), STEPLOG_MISSING, "a spare");
        page[at] = kept;
    }
}

Test(log_header, a_newer_one_counts_wherever_it_stands)
{
    test_random random = test_random_begin("log_header");
    uint8_t page[SL_LOG_HEADER_BYTES];
    sl_log_header header;
    make_page(&random, page, &header);
    page[8] = 2;
    seal(page);
    cr_expect_eq(read_page(page, &header), STEPLOG_NEWER);
    memcpy(page + SL_LOG_COPY_OFFSET, page, SL_LOG_FIXED_BYTES);
    page[100] ^= 1;
    cr_expect_eq(read_page(page, &header), STEPLOG_NEWER);
}

/* ---- slots ---- */

Test(log_header, slots_are_where_the_format_says)
{
    cr_expect_eq(SL_LOG_MARK_OFFSET, 512u);
    cr_expect_eq(SL_LOG_MARK_OFFSET + SL_LOG_SLOT_STRIDE, 1024u);
    cr_expect_eq(SL_LOG_GAP_OFFSET, 1536u);
    cr_expect_eq(SL_LOG_GAP_OFFSET + SL_LOG_SLOT_STRIDE, 2048u);
    cr_expect_eq(SL_LOG_SLOT_BYTES, 64u);
}

Test(log_header, marks_return_and_every_flipped_bit_is_noticed)
{
    test_random random = test_random_begin("log_header");
    for (int round = 0; round < 50; round++) {
        uint8_t slot[SL_LOG_SLOT_BYTES];
        uint64_t key = test_random_u64(&random);
        sl_log_mark mark = {1 + test_random_below(&random, 100), test_random_u64(&random), test_random_u64(&random)},
                    out;
        sl_log_mark_encode(&mark, key, 1024, slot);
        cr_assert_eq(sl_load64(slot + 8), mark.offset);
        cr_assert_eq(sl_load64(slot + 56), sl_check(sl_hash(slot, 56), key, 1024, 0, 0));
        cr_assert_eq(sl_log_mark_decode(slot, key, 1024, &out), 1);
        cr_assert(out.counter == mark.counter && out.offset == mark.offset && out.sequence == mark.sequence);
        cr_assert_eq(sl_log_mark_decode(slot, key, 512, &out), -1, "a slot in the place of the other");
        for (size_t bit = 0; bit < 8 * sizeof slot; bit++) {
            slot[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_assert_eq(sl_log_mark_decode(slot, key, 1024, &out), -1, "bit %zu", bit);
            slot[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

Test(log_header, gaps_return_and_every_flipped_bit_is_noticed)
{
    test_random random = test_random_begin("log_header");
    for (int round = 0; round < 50; round++) {
        uint8_t slot[SL_LOG_SLOT_BYTES], again[SL_LOG_SLOT_BYTES];
        uint64_t key = test_random_u64(&random);
        sl_log_gap gap, out;
        test_random_fill(&random, &gap, sizeof gap);
        sl_log_gap_encode(&gap, key, 1536, slot);
        cr_assert_eq((int64_t)sl_load64(slot + 24), gap.step_last);
        cr_assert_eq((int64_t)sl_load64(slot + 40), gap.time_last_ns);
        cr_assert_eq(sl_log_gap_decode(slot, key, 1536, &out), 1);
        sl_log_gap_encode(&out, key, 1536, again);
        cr_assert_eq(memcmp(slot, again, sizeof slot), 0);
        for (size_t bit = 0; bit < 8 * sizeof slot; bit++) {
            slot[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_assert_eq(sl_log_gap_decode(slot, key, 1536, &out), -1, "bit %zu", bit);
            slot[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

Test(log_header, slots_with_reserved_bytes_that_are_not_zero_are_damaged)
{
    uint8_t slot[SL_LOG_SLOT_BYTES] = {0};
    sl_log_mark mark;
    sl_log_gap gap;
    cr_expect_eq(sl_log_mark_decode(slot, 1, 512, &mark), 0);
    cr_expect_eq(sl_log_gap_decode(slot, 1, 1536, &gap), 0);
    for (size_t at = 24; at < 56; at++) {
        sl_log_mark_encode(&(sl_log_mark){1, 2, 3}, 1, 512, slot);
        slot[at] = 1;
        sl_store64(slot + 56, sl_check(sl_hash(slot, 56), 1, 512, 0, 0));
        cr_expect_eq(sl_log_mark_decode(slot, 1, 512, &mark), -1, "byte %zu", at);
    }
    for (size_t at = 48; at < 56; at++) {
        sl_log_gap_encode(&(sl_log_gap){1, 2, 3, 4, 5, 6}, 1, 1536, slot);
        slot[at] = 1;
        sl_store64(slot + 56, sl_check(sl_hash(slot, 56), 1, 1536, 0, 0));
        cr_expect_eq(sl_log_gap_decode(slot, 1, 1536, &gap), -1, "byte %zu", at);
    }
}

static void put_mark(uint8_t *header, int slot, uint64_t counter, uint64_t offset)
{
    uint64_t at = SL_LOG_MARK_OFFSET + (uint64_t)slot * SL_LOG_SLOT_STRIDE;
    sl_log_mark_encode(&(sl_log_mark){counter, offset, counter}, 9, at, header + at);
}

Test(log_header, the_mark_is_the_valid_slot_with_the_larger_counter)
{
    uint8_t header[SL_LOG_HEADER_BYTES] = {0};
    sl_log_mark mark;
    cr_expect_eq(sl_log_mark_latest(header, 9, &mark), 0);
    cr_expect_eq(mark.sequence, 0u);
    put_mark(header, 0, 1, 5000);
    cr_expect_eq(sl_log_mark_latest(header, 9, &mark), 1);
    cr_expect_eq(mark.offset, 5000u);
    put_mark(header, 1, 2, 6000);
    cr_expect_eq(sl_log_mark_latest(header, 9, &mark), 1);
    cr_expect_eq(mark.offset, 6000u);
    put_mark(header, 0, 3, 7000);
    cr_expect_eq(sl_log_mark_latest(header, 9, &mark), 1);
    cr_expect_eq(mark.offset, 7000u);
    header[SL_LOG_MARK_OFFSET + 9] ^= 4;
    cr_expect_eq(sl_log_mark_latest(header, 9, &mark), -1);
    cr_expect_eq(mark.offset, 6000u, "the other slot counts");
    header[SL_LOG_MARK_OFFSET + SL_LOG_SLOT_STRIDE] ^= 4;
    cr_expect_eq(sl_log_mark_latest(header, 9, &mark), -1);
    cr_expect_eq(mark.offset, 0u, "or none");
    memset(header, 0, sizeof header);
    put_mark(header, 1, 1, 8000);
    header[SL_LOG_MARK_OFFSET] = 1;
    cr_expect_eq(sl_log_mark_latest(header, 9, &mark), -1);
    cr_expect_eq(mark.offset, 8000u);
}

Test(log_header, the_gap_is_the_valid_slot_with_the_larger_counter)
{
    uint8_t header[SL_LOG_HEADER_BYTES] = {0};
    sl_log_gap gap;
    cr_expect_eq(sl_log_gap_latest(header, 9, &gap), 0);
    sl_log_gap_encode(&(sl_log_gap){4, 44, 0, 0, 0, 0}, 9, 1536, header + 1536);
    sl_log_gap_encode(&(sl_log_gap){5, 55, 0, 0, 0, 0}, 9, 2048, header + 2048);
    cr_expect_eq(sl_log_gap_latest(header, 9, &gap), 1);
    cr_expect_eq(gap.refused_count, 55u);
    header[2048 + 60] ^= 1;
    cr_expect_eq(sl_log_gap_latest(header, 9, &gap), -1);
    cr_expect_eq(gap.refused_count, 44u);
}
