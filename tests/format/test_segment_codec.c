/* Tests of segment_codec.c: header, table entries, prefixes and trailer. */
#include "format/segment_codec.h"

#include "base/bytes.h"
#include "format/checksum.h"
#include "support/random.h"

#include <criterion/criterion.h>

static steplog_status decode_header(const uint8_t *in)
{
    sl_segment_header out;
    return sl_segment_header_decode(in, "a.seg", &out, NULL);
}

static void seal(uint8_t *bytes)
{
    steplog_id file_id;
    memcpy(file_id.bytes, bytes + 16, 16);
    sl_store64(bytes + 56, sl_check(sl_hash(bytes, 56), sl_file_key(&file_id), 0, 0, 0));
}

Test(segment_codec, headers_return_and_every_flipped_bit_is_noticed)
{
    test_random random = test_random_begin("segment_codec");
    for (int round = 0; round < 50; round++) {
        uint8_t bytes[SL_SEGMENT_HEADER_BYTES];
        sl_segment_header header = {.version = 1, .created_time_ns = (int64_t)test_random_u64(&random)}, out;
        test_random_fill(&random, header.file_id.bytes, 16);
        sl_segment_header_encode(&header, bytes);
        cr_assert_eq(memcmp(bytes, "SLSEGMNT\1\0\0\0\0\0\0\0", 16), 0);
        cr_assert_eq(sl_segment_header_decode(bytes, "a.seg", &out, NULL), STEPLOG_OK);
        cr_assert(out.created_time_ns == header.created_time_ns && memcmp(&out.file_id, &header.file_id, 16) == 0);
        for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_assert_eq(decode_header(bytes), STEPLOG_CORRUPT, "bit %zu", bit);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

Test(segment_codec, headers_are_newer_or_break_a_rule)
{
    uint8_t bytes[SL_SEGMENT_HEADER_BYTES];
    sl_segment_header header = {.version = 2};
    sl_segment_header_encode(&header, bytes);
    cr_expect_eq(decode_header(bytes), STEPLOG_NEWER);
    header = (sl_segment_header){.version = 1, .features = 1u << 15};
    sl_segment_header_encode(&header, bytes);
    cr_expect_eq(decode_header(bytes), STEPLOG_NEWER);
    header.features = 1u << 16;
    sl_segment_header_encode(&header, bytes);
    cr_expect_eq(decode_header(bytes), STEPLOG_OK);
    for (size_t at = 40; at < 56; at++) {
        bytes[at] = 1;
        seal(bytes);
        cr_expect_eq(decode_header(bytes), STEPLOG_CORRUPT, "byte %zu", at);
        bytes[at] = 0;
    }
    header.version = 0;
    sl_segment_header_encode(&header, bytes);
    cr_expect_eq(decode_header(bytes), STEPLOG_CORRUPT);
}

Test(segment_codec, tables_are_as_the_format_says)
{
    static const uint32_t bytes[SL_TABLE_COUNT] = {96, 16, 80, 80, 24, 48, 48, 56, 80};
    static const uint32_t entries[SL_TABLE_COUNT] = {512, 512, 512, 64, 512, 512, 512, 64, 512};
    static const uint8_t kinds[SL_TABLE_COUNT] = {16, 17, 18, 19, 20, 21, 22, 23, 24};
    for (int i = 0; i < SL_TABLE_COUNT; i++) {
        cr_expect_eq(sl_table_entry_bytes[i], bytes[i]);
        cr_expect_eq(sl_table_page_kind[i], kinds[i]);
        cr_expect_eq(sl_table_page_entries_max[i], entries[i]);
    }
}

/* Any bytes that an entry is decoded from must come back when it is encoded; so no field is left out. */
#define CODEC(name)                                          \
    static int name##_again(const uint8_t *in, uint8_t *out) \
    {                                                        \
        sl_##name entry;                                     \
        if (!sl_##name##_decode(in, &entry)) return 0;       \
        sl_##name##_encode(&entry, out);                     \
        return 1;                                            \
    }
CODEC(writer_entry)
CODEC(schema_entry)
CODEC(group_entry)
CODEC(chunk_entry)
CODEC(range_entry)
CODEC(record_entry)
CODEC(record_prefix)

static const struct {
    const char *name;
    int (*again)(const uint8_t *in, uint8_t *out);
    size_t bytes;
    uint8_t good[96]; /* what is not said is 0 */
} codecs[] = {
    {"writer", writer_entry_again, 96, {[32] = 1}},
    {"schema", schema_entry_again, 16, {[8] = 1}},
    {"group", group_entry_again, 80, {[12] = 1}},
    {"chunk", chunk_entry_again, 80, {[0] = 64, [12] = 1, [16] = 1, [24] = 1}},
    {"range", range_entry_again, 24, {[4] = 1, [8] = 1, [16] = 2}},
    {"record", record_entry_again, 48, {[4] = 1, [5] = 1, [24] = 1, [40] = 1}},
    {"prefix", record_prefix_again, 32, {[8] = 1, [16] = 1, [20] = 2}},
};

/* What belongs to the other type of record is zero. */
Test(segment_codec, facts_have_no_data_and_blobs_no_kind)
{
    sl_record_entry entry;
    sl_record_prefix prefix;
    uint8_t blob[SL_RECORD_ENTRY_BYTES] = {[4] = SL_ENTRY_BLOB, [24] = 1, [40] = 1};
    uint8_t fact[SL_RECORD_PREFIX_BYTES] = {[8] = 1, [16] = 1, [20] = SL_ENTRY_FACT};
    cr_expect(sl_record_entry_decode(blob, &entry) && sl_record_prefix_decode(fact, &prefix));
    blob[5] = 1;
    cr_expect_not(sl_record_entry_decode(blob, &entry));
    blob[5] = 0, blob[39] = 1;
    cr_expect_not(sl_record_entry_decode(blob, &entry));
    fact[24] = 64;
    cr_expect_not(sl_record_prefix_decode(fact, &prefix));
}

Test(segment_codec, entries_say_all_that_their_bytes_say)
{
    test_random random = test_random_begin("segment_codec");
    for (size_t c = 0; c < sizeof codecs / sizeof *codecs; c++) {
        uint8_t bytes[96], again[96];
        memcpy(bytes, codecs[c].good, 96);
        cr_assert(codecs[c].again(bytes, again), "%s", codecs[c].name);
        for (size_t bit = 0; bit < 8 * codecs[c].bytes; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            if (codecs[c].again(bytes, again))
                cr_assert_eq(memcmp(bytes, again, codecs[c].bytes), 0, "%s bit %zu", codecs[c].name, bit);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (int round = 0; round < 20000; round++) {
            test_random_fill(&random, bytes, codecs[c].bytes);
            for (size_t i = 0; i < codecs[c].bytes; i++)
                if (round % 8) bytes[i] = test_random_below(&random, 4) ? codecs[c].good[i] : bytes[i];
            if (codecs[c].again(bytes, again))
                cr_assert_eq(memcmp(bytes, again, codecs[c].bytes), 0, "%s", codecs[c].name);
        }
    }
}

Test(segment_codec, entries_that_break_a_rule_are_refused)
{
    static const struct {
        size_t codec, at;
        uint8_t byte;
    } changes[] = {{0, 32, 0}, {0, 44, 1}, {0, 47, 1},  {0, 88, 1}, {0, 95, 1}, {1, 8, 0},  {1, 10, 1},
                   {2, 12, 0}, {2, 39, 1}, {2, 76, 1},  {2, 79, 1}, {3, 12, 0},  {3, 13, 5}, {3, 16, 0}, {3, 17, 1}, {3, 39, 1},
                   {3, 68, 1}, {3, 71, 1}, {3, 72, 65}, {4, 4, 0},  {4, 4, 3},  {4, 8, 0},  {4, 16, 1},
                   {5, 4, 0},  {5, 4, 3},  {5, 6, 1},   {5, 24, 0}, {5, 40, 0}, {5, 44, 1}, {5, 47, 1},
                   {6, 8, 0},  {6, 16, 0}, {6, 20, 0},  {6, 20, 3}, {6, 21, 1}, {6, 23, 1}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        uint8_t bytes[96], again[96];
        memcpy(bytes, codecs[changes[i].codec].good, 96);
        bytes[changes[i].at] = changes[i].byte;
        cr_expect_not(codecs[changes[i].codec].again(bytes, again), "%s byte %zu", codecs[changes[i].codec].name,
                      changes[i].at);
    }
}

Test(segment_codec, a_group_has_both_kinds_of_statistics_or_none)
{
    sl_group_entry group;
    uint8_t bytes[SL_GROUP_ENTRY_BYTES] = {[12] = 1};
    cr_expect(sl_group_entry_decode(bytes, &group) && group.stats_first == 0 && group.node_stats_first == 0);
    sl_store32(bytes + 68, SL_NO_STATS);
    cr_expect_not(sl_group_entry_decode(bytes, &group));
    sl_store32(bytes + 72, SL_NO_STATS);
    cr_expect(sl_group_entry_decode(bytes, &group));
    sl_store32(bytes + 68, SL_NO_STATS - 1);
    cr_expect_not(sl_group_entry_decode(bytes, &group));
}

/* ---- trailer ---- */

static int is_trailer(uint64_t file_bytes, int table, uint64_t offset, uint64_t count)
{
    uint8_t bytes[SL_TRAILER_CONTENT_BYTES];
    sl_trailer trailer = {.file_bytes = file_bytes}, out;
    for (int i = 0; i < SL_TABLE_COUNT; i++) trailer.tables[i].offset = 64;
    trailer.tables[table].offset = offset;
    trailer.tables[table].entry_count = count;
    sl_trailer_encode(&trailer, bytes);
    return sl_trailer_decode(bytes, &out);
}

Test(segment_codec, trailers_return)
{
    test_random random = test_random_begin("segment_codec");
    for (int round = 0; round < 1000; round++) {
        uint8_t bytes[SL_TRAILER_CONTENT_BYTES], again[SL_TRAILER_CONTENT_BYTES];
        sl_trailer trailer, out;
        test_random_fill(&random, &trailer, sizeof trailer);
        trailer.file_bytes = (UINT64_C(1) << 40) + test_random_below(&random, UINT64_C(1) << 50);
        for (int i = 0; i < SL_TABLE_COUNT; i++) {
            trailer.tables[i].offset = 64 + test_random_below(&random, UINT64_C(1) << 38);
            trailer.tables[i].entry_count = test_random_below(&random, UINT64_C(1) << 32);
        }
        sl_trailer_encode(&trailer, bytes);
        cr_assert(sl_trailer_decode(bytes, &out));
        cr_assert_eq(out.time_max_ns, trailer.time_max_ns);
        sl_trailer_encode(&out, again);
        cr_assert_eq(memcmp(bytes, again, sizeof bytes), 0);
        bytes[208 + test_random_below(&random, 24)] = 1;
        cr_assert_not(sl_trailer_decode(bytes, &out), "reserved");
    }
}

Test(segment_codec, the_fields_of_a_trailer_lie_as_the_format_says)
{
    uint8_t bytes[SL_TRAILER_CONTENT_BYTES];
    sl_trailer trailer = {.file_bytes = 1, .row_count = 2, .value_count = 3, .lamport_max = 4, .step_min = 5,
                          .step_max = 6, .time_min_ns = 7, .time_max_ns = 8};
    for (uint64_t i = 0; i < SL_TABLE_COUNT; i++) {
        trailer.tables[i].offset = 100 + i;
        trailer.tables[i].entry_count = 200 + i;
    }
    sl_trailer_encode(&trailer, bytes);
    cr_expect_eq(sl_load64(bytes), 1u);
    for (uint64_t i = 0; i < 9; i++)
        cr_expect(sl_load64(bytes + 8 + 16 * i) == 100 + i && sl_load64(bytes + 16 + 16 * i) == 200 + i);
    for (uint64_t i = 0; i < 7; i++) cr_expect_eq(sl_load64(bytes + 152 + 8 * i), 2 + i);
}

Test(segment_codec, tables_lie_before_the_trailer)
{
    for (int i = 0; i < SL_TABLE_COUNT; i++) {
        const uint64_t most = sl_table_page_entries_max[i], pages = 49152 / sl_table_entry_bytes[i] / most + 1;
        const uint64_t count = pages * most + 5, bytes = (pages + 1) * 24 + count * sl_table_entry_bytes[i];
        const uint64_t at = 64 + count * 32, file_bytes = at + bytes + 256;
        cr_expect(is_trailer(file_bytes, i, at, count));
        cr_expect_not(is_trailer(file_bytes, i, at + 8, count), "over the trailer");
        cr_expect_not(is_trailer(file_bytes, i, at, count + 1));
        cr_expect(is_trailer(1000 + 24 + 256, i, 1000, 5), "one page, which may be compressed");
        cr_expect_not(is_trailer(1000 + 16 + 256, i, 1000, 5));
        cr_expect(is_trailer(file_bytes, i, file_bytes - 256, 0), "an empty table where its page would be");
        cr_expect_not(is_trailer(file_bytes, i, file_bytes - 248, 0));
        cr_expect_not(is_trailer(file_bytes, i, UINT64_MAX, 1));
        cr_expect_not(is_trailer(UINT64_MAX, i, 64, UINT64_C(1) << 32));
        cr_expect(is_trailer(UINT64_MAX, i, 64, UINT32_MAX));
        cr_expect_not(is_trailer(255, i, 0, 0), "no room for a trailer");
    }
}

Test(segment_codec, a_file_has_room_for_the_pages_of_its_entries)
{
    static const int tables[] = {SL_TABLE_WRITERS, SL_TABLE_SCHEMAS, SL_TABLE_CHUNKS};
    for (int i = 0; i < 3; i++) {
        cr_expect(is_trailer(32 * 40, tables[i], 64, 40));
        cr_expect_not(is_trailer(32 * 40, tables[i], 64, 41));
        cr_expect_not(is_trailer(32 * 41 - 8, tables[i], 64, 41));
    }
    cr_expect(is_trailer(32 * 40, SL_TABLE_RECORDS, 64, 1000), "facts of one page, compressed");
}

Test(segment_codec, the_page_of_an_entry_is_arithmetic)
{
    sl_trailer trailer = {0};
    for (int i = 0; i < SL_TABLE_COUNT; i++) {
        trailer.tables[i].offset = 4096;
        const uint64_t most = sl_table_page_entries_max[i], bytes = sl_table_entry_bytes[i], alone = 49152 / bytes;
        const uint64_t count = trailer.tables[i].entry_count = alone / most * most + 2 * most + 1, last = count / most;
        cr_expect_eq(sl_table_page_most(i, count), most);
        cr_expect_eq(sl_table_page_offset(&trailer, i, 2), 4096 + 2 * (24 + most * bytes));
        cr_expect_eq(sl_table_page_entries(&trailer, i, 1), most);
        cr_expect_eq(sl_table_page_entries(&trailer, i, last), 1u);
        cr_expect_eq(sl_table_page_entries(&trailer, i, last + 1), 0u);
        /* What one page can hold, one page holds. */
        cr_expect_eq(sl_table_page_most(i, alone), alone);
        cr_expect_eq(sl_table_page_most(i, alone + 1), most);
        cr_expect_eq(sl_table_page_most(i, 0), 1u);
        trailer.tables[i].entry_count = alone;
        cr_expect_eq(sl_table_page_offset(&trailer, i, 0), 4096u);
        cr_expect_eq(sl_table_page_entries(&trailer, i, 0), alone);
        cr_expect_eq(sl_table_page_entries(&trailer, i, 1), 0u);
    }
}
