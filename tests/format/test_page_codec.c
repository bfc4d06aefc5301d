/* Tests of page_codec.c. */
#include "format/page_codec.h"

#include "format/checksum.h"
#include "support/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define KEY UINT64_C(0x0fedcba987654321)

/* Takes a page apart from memory that ends with it: 1 when it is valid. */
static int is_valid(const uint8_t *page, size_t bytes, uint64_t offset, const void *content, size_t content_bytes)
{
    sl_page_head head;
    sl_buffer scratch = {0};
    const uint8_t *raw;
    uint32_t raw_bytes;
    int result = 0;
    if (bytes < SL_PAGE_HEAD_BYTES) return 0;
    uint8_t *copy = malloc(bytes);
    memcpy(copy, page, bytes);
    if (sl_page_head_decode(copy, &head) && sl_page_bytes(&head) <= bytes && sl_page_verify(copy, &head, KEY, offset) &&
        sl_page_content(copy, &head, &scratch, &raw, &raw_bytes) == STEPLOG_OK) {
        cr_assert(raw_bytes == content_bytes && memcmp(raw, content, content_bytes) == 0);
        result = 1;
    }
    sl_buffer_free(&scratch);
    free(copy);
    return result;
}

static void seal(uint8_t *page, size_t bytes, uint64_t offset)
{
    sl_store64(page + 16, sl_check(sl_hash(page + 24, bytes - 24), KEY, offset, sl_load64(page), sl_load64(page + 8)));
}

Test(page_codec, lies_as_the_format_says)
{
    sl_buffer out = {0};
    cr_expect_eq(sl_page_encode(&out, SL_PAGE_CHUNK, 0x04030201, "steplog!!", 9, 0, KEY, 64), 40u);
    cr_assert_eq(out.bytes, 40u);
    cr_expect_eq(memcmp(out.data, "PG\4\0\11\0\0\0\11\0\0\0\1\2\3\4", 16), 0);
    cr_expect_eq(memcmp(out.data + 24, "steplog!!\0\0\0\0\0\0\0", 16), 0);
    uint64_t check = sl_load64(out.data + 16);
    seal(out.data, 40, 64);
    cr_expect_eq(sl_load64(out.data + 16), check);
    sl_buffer_free(&out);
    static const unsigned kinds[] = {
        SL_PAGE_WRITER,      SL_PAGE_SCHEMA,       SL_PAGE_COLUMN,       SL_PAGE_CHUNK,       SL_PAGE_FACTS,
        SL_PAGE_BLOB,        SL_PAGE_WRITER_TABLE, SL_PAGE_SCHEMA_TABLE, SL_PAGE_GROUP_TABLE, SL_PAGE_CHUNK_TABLE,
        SL_PAGE_RANGE_TABLE, SL_PAGE_RECORD_TABLE, SL_PAGE_NODE_TABLE,   SL_PAGE_STATS_TABLE, SL_PAGE_NODE_STATS_TABLE,
        SL_PAGE_TRAILER};
    static const unsigned numbers[] = {1, 2, 3, 4, 5, 6, 16, 17, 18, 19, 20, 21, 22, 23, 24, 31};
    for (size_t i = 0; i < 16; i++) cr_expect_eq(kinds[i], numbers[i]);
    static const unsigned most[] = {1048576, 4194304, 65536, 3145728, 2097152, 262176, 49152, 49152,
                                    49152,   49152,   49152, 49152,   49152,   49152,  49152, 232};
    for (size_t i = 0; i < 16; i++) cr_expect_eq(sl_page_content_bytes_max(kinds[i]), most[i], "kind %u", kinds[i]);
    for (unsigned kind = 0; kind < 256; kind++) cr_expect(sl_page_content_bytes_max(kind) <= 4194304, "kind %u", kind);
}

Test(page_codec, returns_content_of_every_length_compressed_or_not)
{
    static uint8_t content[20000];
    test_random random = test_random_begin("page_codec");
    for (size_t bytes = 0; bytes < sizeof content; bytes += bytes < 300 ? 1 : 977) {
        for (int is_dense = 0; is_dense < 2; is_dense++) {
            sl_buffer out = {0};
            test_random_fill(&random, content, bytes);
            if (!is_dense) memset(content, (int)bytes, bytes);
            sl_buffer_u64(&out, 7); /* pages are appended */
            uint64_t made = sl_page_encode(&out, SL_PAGE_FACTS, 0, content, bytes, 1 + (int)(bytes % 2), KEY, 4096);
            cr_assert(made == out.bytes - 8 && made % 8 == 0);
            cr_assert(is_valid(out.data + 8, made, 4096, content, bytes));
            cr_assert_not(is_valid(out.data + 8, made, 4104, content, bytes), "in another place");
            if (!is_dense && bytes > 1000) cr_assert_lt(made, bytes / 2);
            sl_buffer_free(&out);
        }
    }
}

Test(page_codec, takes_the_largest_content_of_a_kind_and_no_larger)
{
    uint8_t *content = calloc(SL_PAGE_CONTENT_BYTES_MAX, 1);
    for (unsigned kind = 1; kind < 40; kind++) {
        for (int pack = SL_PACK_NEVER; pack <= SL_PACK_SMALL; pack++) {
            sl_buffer out = {0};
            uint32_t most = sl_page_content_bytes_max(kind);
            int is_packed = pack && (kind == SL_PAGE_WRITER || kind == SL_PAGE_SCHEMA || kind == SL_PAGE_FACTS ||
                                     kind == SL_PAGE_BLOB || (kind >= 16 && kind <= 24));
            sl_page_encode(&out, kind, 0, content, most, is_packed ? pack : SL_PACK_NEVER, KEY, 64);
            cr_expect(is_valid(out.data, out.bytes, 64, content, most), "kind %u", kind);
            if (!is_packed) sl_store32(out.data + 4, most + 1);
            sl_store32(out.data + 8, most + 1);
            cr_expect_not(sl_page_head_decode(out.data, &(sl_page_head){0}), "kind %u", kind);
            sl_buffer_free(&out);
        }
    }
    free(content);
}

Test(page_codec, notices_every_flipped_bit_and_every_cut)
{
    static uint8_t content[500];
    for (int may_compress = 0; may_compress < 2; may_compress++) {
        sl_buffer out = {0};
        memset(content, 0x55, sizeof content);
        uint64_t bytes = sl_page_encode(&out, SL_PAGE_WRITER, 3, content, 499, may_compress, KEY, 64);
        for (size_t bit = 0; bit < 8 * bytes; bit++) {
            out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_assert_not(is_valid(out.data, bytes, 64, content, 499), "bit %zu", bit);
            out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t cut = 0; cut < bytes; cut++)
            cr_assert_not(is_valid(out.data, cut, 64, content, 499), "cut at %zu", cut);
        sl_buffer_free(&out);
    }
}

Test(page_codec, refuses_pages_that_break_a_rule_though_their_check_is_right)
{
    sl_buffer out = {0};
    uint64_t bytes = sl_page_encode(&out, SL_PAGE_WRITER, 0, "123456789", 9, 0, KEY, 64);
    out.data[39] = 1;
    seal(out.data, bytes, 64);
    cr_expect_not(is_valid(out.data, bytes, 64, "", 0), "padding");
    out.data[39] = 0;
    for (unsigned flags = 1; flags < 256; flags++) {
        out.data[3] = (uint8_t)flags;
        seal(out.data, bytes, 64);
        cr_expect_not(is_valid(out.data, bytes, 64, "", 0), "flags %u with equal sizes", flags);
    }
    out.data[3] = 0;
    sl_store32(out.data + 8, 10);
    seal(out.data, bytes, 64);
    cr_expect_not(is_valid(out.data, bytes, 64, "", 0), "raw bytes that differ without LZ4");
    for (unsigned kind = 0; kind < 256; kind++) {
        sl_page_head head;
        out.data[2] = (uint8_t)kind;
        out.data[3] = SL_PAGE_IS_LZ4;
        int may_be_lz4 = kind == 1 || kind == 2 || kind == 5 || kind == 6 || (kind >= 16 && kind <= 24);
        cr_expect_eq(sl_page_head_decode(out.data, &head), may_be_lz4, "kind %u", kind);
    }
    sl_buffer_free(&out);
}

Test(page_codec, survives_any_bytes_as_lz4)
{
    static uint8_t page[24 + 200];
    test_random random = test_random_begin("page_codec");
    for (int round = 0; round < 20000; round++) {
        uint32_t stored = 1 + (uint32_t)test_random_below(&random, 190);
        uint32_t raw = stored + 1 + (uint32_t)test_random_below(&random, 3000);
        uint64_t bytes = 24 + SL_PAD8(stored);
        memset(page, 0, sizeof page);
        test_random_fill(&random, page + 24, stored);
        memcpy(page, "PG\5\1", 4);
        sl_store32(page + 4, stored);
        sl_store32(page + 8, raw);
        seal(page, bytes, 64);
        sl_page_head head;
        sl_buffer scratch = {0};
        const uint8_t *content;
        uint32_t content_bytes;
        cr_assert(sl_page_head_decode(page, &head) && sl_page_verify(page, &head, KEY, 64));
        steplog_status status = sl_page_content(page, &head, &scratch, &content, &content_bytes);
        cr_assert(status == STEPLOG_OK || status == STEPLOG_CORRUPT);
        sl_buffer_free(&scratch);
    }
}
