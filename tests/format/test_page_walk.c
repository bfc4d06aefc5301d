/* Tests of page_walk.c: files of pages in memory, whole and damaged. */
#include "format/page_walk.h"

#include "support/random.h"

#include <criterion/criterion.h>

#define KEY UINT64_C(77)
#define PAGES 40u

static sl_buffer file;
static uint64_t offsets[PAGES + 1];
static int read_fails;

static void make_file(test_random *random)
{
    static uint8_t content[9000];
    sl_buffer_clear(&file);
    sl_buffer_zeros(&file, SL_SEGMENT_HEADER_BYTES);
    for (uint32_t i = 0; i < PAGES; i++) {
        size_t bytes = test_random_below(random, i % 7 ? 300 : sizeof content);
        test_random_fill(random, content, bytes);
        if (i % 3 == 0) memset(content, (int)i, bytes);
        offsets[i] = file.bytes;
        sl_page_encode(&file, i % 2 ? SL_PAGE_BLOB : SL_PAGE_CHUNK, i, content, bytes, i % 2, KEY, file.bytes);
    }
    offsets[PAGES] = file.bytes;
}

static int64_t read_file(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    (void)context;
    if (read_fails) return -5;
    if (offset > INT64_MAX) return -22;
    if (offset >= file.bytes) return 0;
    if (bytes > file.bytes - offset) bytes = (size_t)(file.bytes - offset);
    memcpy(buffer, file.data + offset, bytes);
    return (int64_t)bytes;
}

/* Walks all: how many pages there are, in rising order, without a hole. */
static size_t walk_all(uint64_t *damaged_first, uint64_t *damaged_end, size_t *damages)
{
    sl_page_walk walk;
    sl_page_item item;
    size_t pages = 0;
    uint64_t next = SL_SEGMENT_HEADER_BYTES;
    *damages = 0;
    sl_page_walk_init(&walk, read_file, NULL, KEY, file.bytes);
    for (sl_page_walk_next(&walk, &item); item.kind != SL_PAGE_ITEM_END; sl_page_walk_next(&walk, &item)) {
        cr_assert_eq(item.offset, next);
        cr_assert_gt(item.bytes, 0u);
        next += item.bytes;
        cr_assert_neq(item.kind, SL_PAGE_ITEM_ERROR);
        if (item.kind == SL_PAGE_ITEM_PAGE) {
            cr_assert_eq(item.offset, offsets[item.head.index]);
            pages++;
        } else if ((*damages)++ == 0) {
            *damaged_first = item.offset;
            *damaged_end = next;
        }
    }
    cr_assert_eq(next, file.bytes);
    sl_page_walk_free(&walk);
    return pages;
}

Test(page_walk, gives_all_pages_in_order)
{
    test_random random = test_random_begin("page_walk");
    uint64_t first, end;
    size_t damages;
    for (int round = 0; round < 50; round++) {
        make_file(&random);
        cr_assert_eq(walk_all(&first, &end, &damages), PAGES);
        cr_assert_eq(damages, 0u);
    }
    sl_buffer_free(&file);
}

Test(page_walk, passes_over_damage_and_finds_the_next_page)
{
    test_random random = test_random_begin("page_walk");
    uint64_t first = 0, end = 0;
    size_t damages;
    make_file(&random);
    for (int round = 0; round < 2000; round++) {
        uint64_t bit = 8 * 64 + test_random_below(&random, 8 * (file.bytes - 64));
        uint32_t page = 0;
        while (offsets[page + 1] <= bit / 8) page++;
        file.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_eq(walk_all(&first, &end, &damages), PAGES - 1);
        cr_assert(damages == 1 && first == offsets[page] && end == offsets[page + 1], "page %u", (unsigned)page);
        file.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    sl_buffer_free(&file);
}

Test(page_walk, passes_over_holes_of_any_length)
{
    test_random random = test_random_begin("page_walk");
    for (int round = 0; round < 200; round++) {
        uint64_t first, end;
        size_t damages, lost = 0;
        make_file(&random);
        uint64_t from = 64 + test_random_below(&random, file.bytes - 64);
        uint64_t until = from + 1 + test_random_below(&random, file.bytes - from);
        for (uint64_t i = from; i < until; i++) file.data[i] = (uint8_t)(file.data[i] ^ (1 + i % 255));
        for (uint32_t i = 0; i < PAGES; i++) lost += offsets[i] < until && offsets[i + 1] > from;
        cr_assert_eq(walk_all(&first, &end, &damages), PAGES - lost);
        cr_assert_eq(damages, lost > 0);
    }
    sl_buffer_free(&file);
}

Test(page_walk, a_cut_file_loses_its_last_page)
{
    test_random random = test_random_begin("page_walk");
    make_file(&random);
    uint64_t first, end, whole = file.bytes;
    size_t damages;
    for (uint64_t cut = offsets[PAGES - 3]; cut < whole; cut++) {
        file.bytes = cut;
        size_t kept = cut >= offsets[PAGES - 1] ? PAGES - 1 : cut >= offsets[PAGES - 2] ? PAGES - 2 : PAGES - 3;
        cr_assert_eq(walk_all(&first, &end, &damages), kept);
        cr_assert_eq(damages, cut > offsets[kept]);
    }
    sl_buffer_free(&file);
}

Test(page_walk, unpacks_no_page_of_another_kind)
{
    static const uint8_t zeros[200000];
    sl_page_walk walk;
    sl_page_item item;
    sl_buffer_zeros(&file, SL_SEGMENT_HEADER_BYTES);
    uint64_t at = file.bytes;
    sl_page_encode(&file, SL_PAGE_BLOB, 7, zeros, sizeof zeros, SL_PACK_FAST, KEY, at);
    sl_page_walk_init(&walk, read_file, NULL, KEY, file.bytes);
    sl_page_read_kind(&walk, at, SL_PAGE_COLUMN, &item);
    cr_expect(item.kind == SL_PAGE_ITEM_DAMAGE && item.head.kind == SL_PAGE_BLOB && item.bytes == file.bytes - at);
    cr_expect_str_eq(item.what, SL_PAGE_OF_ANOTHER_KIND);
    cr_expect_eq(walk.scratch.capacity, 0);
    sl_page_read_expected(&walk, at, SL_PAGE_BLOB, 6, &item);
    cr_expect_eq(item.kind, SL_PAGE_ITEM_DAMAGE);
    cr_expect_eq(walk.scratch.capacity, 0);
    sl_page_read_kind(&walk, at, SL_PAGE_BLOB, &item);
    cr_expect(item.kind == SL_PAGE_ITEM_PAGE && item.content_bytes == sizeof zeros && item.head.index == 7);
    sl_page_walk_free(&walk);
    sl_buffer_free(&file);
}

Test(page_walk, reads_no_page_where_none_can_be)
{
    test_random random = test_random_begin("page_walk");
    sl_page_walk walk;
    sl_page_item item;
    make_file(&random);
    sl_page_walk_init(&walk, read_file, NULL, KEY, file.bytes);
    static const uint64_t places[] = {0, 8, 56, 65, 68, UINT64_MAX - 7, UINT64_MAX};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        sl_page_read_one(&walk, places[i], &item);
        cr_expect_eq(item.kind, SL_PAGE_ITEM_DAMAGE, "at %llu", (unsigned long long)places[i]);
    }
    sl_page_read_one(&walk, file.bytes - 16, &item);
    cr_expect_eq(item.kind, SL_PAGE_ITEM_DAMAGE);
    sl_page_read_one(&walk, offsets[5], &item);
    cr_expect(item.kind == SL_PAGE_ITEM_PAGE && item.head.index == 5);
    read_fails = 1;
    sl_page_read_one(&walk, offsets[5], &item);
    cr_expect(item.kind == SL_PAGE_ITEM_ERROR && item.os_errno == 5);
    sl_page_walk_free(&walk);
    sl_buffer_free(&file);
}
