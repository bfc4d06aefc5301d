/* Tests of chunk_codec.c: columns, their statistics, and the content of a chunk page. */
#include "format/chunk_codec.h"

#include "format/value_codec.h"
#include "support/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define ROWS SL_CHUNK_ROWS_MAX

static double values[ROWS], decoded[ROWS];
static uint64_t present[SL_PRESENT_WORDS], found[SL_PRESENT_WORDS];

static steplog_status decode(const sl_column_info *info, const uint8_t *payload, uint32_t row_count)
{
    const char *what = NULL;
    uint8_t *copy = calloc(info->payload_bytes + SL_DECODE_SLACK_BYTES, 1);
    if (info->payload_bytes) memcpy(copy, payload, info->payload_bytes);
    steplog_status status = sl_column_decode(info, copy, row_count, decoded, found, &what);
    if (status != STEPLOG_OK) cr_assert_not_null(what);
    free(copy);
    return status;
}

/* Encodes what values and present say, and must get it back. */
static void round_trip(uint32_t row_count, int is_sparse, sl_buffer *payload, sl_column_info *info)
{
    uint32_t count = 0;
    sl_column_encode(values, is_sparse ? present : NULL, row_count, payload, info);
    cr_assert_eq(decode(info, payload->data, row_count), STEPLOG_OK);
    for (uint32_t row = 0; row < ROWS; row++) {
        int is_present = row < row_count && (!is_sparse || (present[row / 64] >> row % 64 & 1));
        cr_assert_eq(found[row / 64] >> row % 64 & 1, (uint64_t)is_present);
        if (row < row_count) cr_assert_eq(sl_bits_of(decoded[row]), is_present ? sl_bits_of(values[row]) : 0);
        count += (uint32_t)is_present;
    }
    cr_assert_eq(info->value_count, count);
    cr_assert_eq(info->payload_bytes, payload->bytes);
    cr_assert_eq(info->flags == 0, count == 0);
    cr_assert_eq((info->flags & (SL_COLUMN_HAS_BITMAP | SL_COLUMN_HAS_POSITIONS)) != 0, count > 0 && count < row_count);
}

static void random_column(test_random *random, uint32_t row_count)
{
    uint64_t one_in = 1 + test_random_below(random, 30);
    memset(present, 0, sizeof present);
    for (uint32_t row = 0; row < row_count; row++) {
        values[row] = test_random_double(random);
        if (test_random_below(random, one_in) == 0) present[row / 64] |= UINT64_C(1) << row % 64;
    }
}

Test(chunk_codec, columns_return_full_and_sparse)
{
    test_random random = test_random_begin("chunk_codec");
    sl_buffer payload = {0};
    sl_column_info info;
    for (int round = 0; round < 2000; round++) {
        uint32_t row_count = round % 5 ? 1 + (uint32_t)test_random_below(&random, ROWS) : ROWS - (uint32_t)(round % 3);
        random_column(&random, row_count);
        round_trip(row_count, round % 2, &payload, &info);
    }
    sl_buffer_free(&payload);
}

Test(chunk_codec, presence_takes_the_shorter_of_its_two_forms)
{
    sl_buffer payload = {0};
    sl_column_info info;
    memset(present, 0, sizeof present);
    for (uint32_t row = 0; row < ROWS; row += 10) present[row / 64] |= UINT64_C(1) << row % 64;
    round_trip(ROWS, 1, &payload, &info);
    cr_expect(info.flags & SL_COLUMN_HAS_POSITIONS);
    cr_expect_lt(info.presence_bytes, 20u);
    test_random random = test_random_begin("chunk_codec");
    random_column(&random, ROWS);
    test_random_fill(&random, present, sizeof present);
    round_trip(ROWS, 1, &payload, &info);
    cr_expect(info.flags & SL_COLUMN_HAS_BITMAP);
    cr_expect_eq(info.presence_bytes, ROWS / 8);
    sl_buffer_free(&payload);
}

Test(chunk_codec, refuses_presence_that_does_not_agree)
{
    sl_buffer payload = {0};
    sl_column_info info, changed;
    for (uint32_t row = 0; row < 13; row++) values[row] = row;
    memset(present, 0, sizeof present);
    present[0] = 0x0a5b;
    round_trip(13, 1, &payload, &info);
    cr_assert(info.flags & SL_COLUMN_HAS_BITMAP);
    for (size_t bit = 0; bit < 16; bit++) {
        payload.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_expect_eq(decode(&info, payload.data, 13), STEPLOG_CORRUPT, "bit %zu", bit);
        payload.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    changed = info;
    changed.presence_bytes = 3;
    cr_expect_eq(decode(&changed, payload.data, 13), STEPLOG_CORRUPT);
    changed = info;
    changed.value_count--;
    cr_expect_eq(decode(&changed, payload.data, 13), STEPLOG_CORRUPT);
    for (uint32_t cut = info.presence_bytes; cut < info.payload_bytes; cut++) {
        changed = info;
        changed.payload_bytes = cut;
        cr_expect_eq(decode(&changed, payload.data, 13), STEPLOG_CORRUPT, "cut at %u", (unsigned)cut);
    }
    memset(present, 0, sizeof present);
    for (uint32_t row = 0; row < 1000; row += 10) present[row / 64] |= UINT64_C(1) << row % 64;
    round_trip(1000, 1, &payload, &info);
    cr_assert(info.flags & SL_COLUMN_HAS_POSITIONS);
    cr_expect_eq(decode(&info, payload.data, 990), STEPLOG_CORRUPT, "a row beyond the last");
    sl_buffer_free(&payload);
}

/* ---- statistics ---- */

Test(chunk_codec, statistics_are_those_that_a_plain_loop_finds)
{
    test_random random = test_random_begin("chunk_codec");
    for (int round = 0; round < 3000; round++) {
        size_t count = 1 + test_random_below(&random, round % 2 ? 40 : ROWS), smallest = ROWS, largest = ROWS;
        unsigned nan_count = 0, positive = 0, negative = 0;
        sl_column_stats stats;
        for (size_t i = 0; i < count; i++) {
            values[i] = round % 3 ? test_random_double(&random) : (double)(int)test_random_below(&random, 5) - 2;
            if (round % 3 == 2 && !isfinite(values[i])) values[i] = -0.0;
            if (isnan(values[i]))
                nan_count++;
            else if (isinf(values[i]))
                *(values[i] > 0 ? &positive : &negative) += 1;
            else {
                if (smallest == ROWS || values[i] < values[smallest]) smallest = i;
                if (largest == ROWS || values[i] > values[largest]) largest = i;
            }
        }
        sl_column_stats_make(values, count, &stats);
        cr_assert_eq(sl_bits_of(stats.first), sl_bits_of(values[0]));
        cr_assert_eq(sl_bits_of(stats.last), sl_bits_of(values[count - 1]));
        cr_assert(stats.nan_count == nan_count && stats.positive_inf_count == positive &&
                  stats.negative_inf_count == negative);
        if (smallest == ROWS) {
            cr_assert(isnan(stats.smallest) && isnan(stats.largest) && stats.smallest_at == 0 && stats.largest_at == 0);
            continue;
        }
        cr_assert(stats.smallest_at == smallest && sl_bits_of(stats.smallest) == sl_bits_of(values[smallest]));
        cr_assert(stats.largest_at == largest && sl_bits_of(stats.largest) == sl_bits_of(values[largest]));
    }
}

Test(chunk_codec, statistics_of_all_equal_and_of_nothing_finite)
{
    sl_column_stats stats;
    for (size_t i = 0; i < ROWS; i++) values[i] = i == 3 ? -0.0 : 0.0;
    sl_column_stats_make(values, ROWS, &stats);
    cr_expect(stats.smallest_at == 0 && stats.largest_at == 0 && !signbit(stats.smallest));
    for (size_t i = 0; i < ROWS; i++) values[i] = NAN;
    sl_column_stats_make(values, ROWS, &stats);
    cr_expect(stats.nan_count == ROWS && isnan(stats.smallest) && isnan(stats.largest));
    for (size_t i = 0; i < ROWS; i++) values[i] = i % 2 ? INFINITY : -INFINITY;
    sl_column_stats_make(values, ROWS, &stats);
    cr_expect(stats.positive_inf_count == ROWS / 2 && stats.negative_inf_count == ROWS / 2 && isnan(stats.smallest));
}

/* ---- chunks ---- */

/* A chunk of 300 rows: a full column in a page of its own, a sparse inline one, an empty one. */
static sl_buffer make_chunk(int is_reference)
{
    sl_buffer payloads[2] = {{0}, {0}}, directory = {0}, out = {0};
    sl_column_info info;
    for (uint32_t row = 0; row < 300; row++) values[row] = row / 3.0;
    sl_column_encode(values, NULL, 300, &payloads[0], &info);
    info.flags |= SL_COLUMN_IS_OWN_PAGE;
    info.page_distance = 4096;
    sl_chunk_directory_put(&directory, &info);
    memset(present, 0, sizeof present);
    present[1] = 0xf0;
    sl_column_encode(values, present, 300, &payloads[1], &info);
    sl_chunk_directory_put(&directory, &info);
    info.flags = 0;
    sl_chunk_directory_put(&directory, &info);
    sl_chunk_head head = {.writer = 1,
                          .schema = 2,
                          .row_count = 300,
                          .column_count = 3,
                          .flags = SL_CHUNK_STEPS_SORTED | SL_CHUNK_HAS_TIMES,
                          .directory = directory.data,
                          .directory_bytes = (uint32_t)directory.bytes,
                          .inline_payloads = payloads[1].data,
                          .inline_bytes = (uint32_t)payloads[1].bytes};
    for (int i = 0; i < SL_PART_COUNT; i++) {
        head.part[i] = (const uint8_t *)"steps, times and sequences";
        head.part_bytes[i] = 5 + (uint32_t)i;
        head.is_reference[i] = is_reference;
        head.reference[i] = 64 + 8 * (uint64_t)i;
    }
    sl_chunk_encode(&head, &out);
    sl_buffer_free(&directory);
    sl_buffer_free(&payloads[0]);
    sl_buffer_free(&payloads[1]);
    return out;
}

/* Takes a chunk apart from memory that ends with it, and makes it again: the same bytes. */
static int is_chunk(const uint8_t *bytes, size_t count)
{
    uint8_t *copy = malloc(count ? count : 1);
    if (count) memcpy(copy, bytes, count);
    sl_chunk_head head;
    sl_column_info info;
    sl_buffer directory = {0}, again = {0};
    int is_good = sl_chunk_head_decode(copy, (uint32_t)count, &head);
    if (is_good) {
        uint32_t columns = 0;
        sl_chunk_walk walk = sl_chunk_directory_begin(&head);
        while (sl_chunk_directory_next(&walk, &info)) {
            columns++;
            sl_chunk_directory_put(&directory, &info);
            if (info.payload) cr_assert(info.payload >= copy && info.payload + info.payload_bytes <= copy + count);
        }
        is_good = !walk.is_bad;
        if (is_good) {
            sl_chunk_encode(&head, &again);
            cr_assert_eq(columns, head.column_count);
            cr_assert(directory.bytes == head.directory_bytes &&
                      memcmp(directory.data, head.directory, directory.bytes) == 0);
            cr_assert(again.bytes == count && memcmp(again.data, copy, count) == 0);
        }
    }
    sl_buffer_free(&directory);
    sl_buffer_free(&again);
    free(copy);
    return is_good;
}

Test(chunk_codec, chunks_return_and_refuse_cuts)
{
    for (int is_reference = 0; is_reference < 2; is_reference++) {
        sl_buffer out = make_chunk(is_reference);
        cr_assert(is_chunk(out.data, out.bytes));
        cr_expect_eq(sl_load32(out.data + 16), is_reference ? 0x80000008u : 5u);
        cr_expect_eq(sl_load16(out.data + 8), 300u);
        for (size_t cut = 0; cut < out.bytes; cut++) cr_assert_not(is_chunk(out.data, cut), "cut at %zu", cut);
        for (size_t bit = 0; bit < 8 * out.bytes; bit++) { /* what is still taken says all that the bytes say */
            out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            is_chunk(out.data, out.bytes);
            out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        sl_buffer_u8(&out, 0);
        cr_assert_not(is_chunk(out.data, out.bytes), "a byte behind the last payload");
        sl_buffer_free(&out);
    }
}

/* The directory of make_chunk(): flags, payload bytes in two, page distance in two; then flags, payload bytes. */
Test(chunk_codec, refuses_directory_entries_that_break_a_rule)
{
    sl_buffer out = make_chunk(0);
    size_t at = 32 + 5 + 6 + 7;
    cr_assert_eq(out.data[at], SL_COLUMN_HAS_VALUES | SL_COLUMN_IS_OWN_PAGE);
    static const uint8_t flags[] = {2, 3 | 16, 3 | 32, 3 | 64, 3 | 128, 3 | 12, 4, 8, 16};
    for (size_t i = 0; i < sizeof flags; i++) {
        out.data[at] = flags[i];
        cr_expect_not(is_chunk(out.data, out.bytes), "flags %u", (unsigned)flags[i]);
    }
    sl_buffer_free(&out);
}

Test(chunk_codec, a_payload_has_at_most_65536_bytes)
{
    sl_column_info info = {.flags = SL_COLUMN_HAS_VALUES | SL_COLUMN_IS_OWN_PAGE, .value_count = 1024,
                           .page_distance = 1 << 20};
    cr_expect_eq(SL_COLUMN_PAYLOAD_BYTES_MAX, 65536u);
    for (uint32_t over = 0; over < 2; over++) {
        sl_buffer directory = {0};
        sl_column_info out;
        info.payload_bytes = SL_COLUMN_PAYLOAD_BYTES_MAX + over;
        sl_chunk_directory_put(&directory, &info);
        sl_chunk_head head = {.row_count = 1024, .column_count = 1, .directory = directory.data,
                              .directory_bytes = (uint32_t)directory.bytes};
        sl_chunk_walk walk = sl_chunk_directory_begin(&head);
        int is_there = sl_chunk_directory_next(&walk, &out);
        cr_expect_eq(is_there && !walk.is_bad, !over);
        sl_buffer_free(&directory);
    }
    /* The longest that an encoder makes: as many values as can be, none of which shrink, and presence. */
    cr_expect_leq(SL_VALUE_ENCODED_BYTES_MAX(SL_CHUNK_ROWS_MAX) + SL_CHUNK_ROWS_MAX / 8, SL_COLUMN_PAYLOAD_BYTES_MAX);
}

Test(chunk_codec, refuses_heads_that_break_a_rule)
{
    static const struct {
        size_t at;
        uint16_t word;
    } changes[] = {{8, 0},  {8, 1025}, {10, 0}, {10, 4097}, {10, 2},      {10, 4},      {12, 4},      {12, 1},
                   {14, 1}, {16, 0},   {20, 0}, {24, 0},    {18, 0x8000}, {18, 0x7fff}, {28, 0xffff}, {30, 0xffff}};
    sl_buffer out = make_chunk(0);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        uint16_t before = sl_load16(out.data + changes[i].at);
        sl_store16(out.data + changes[i].at, changes[i].word);
        cr_expect_not(is_chunk(out.data, out.bytes), "change %zu", i);
        sl_store16(out.data + changes[i].at, before);
    }
    sl_buffer_free(&out);
}
