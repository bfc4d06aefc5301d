/* Verify and dump, of segments that say more than they are: what they cost is in proportion to the file. */
#include "steplog.h"

#include "support/costs.h"
#include "support/made_segment.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16 << 20 };

typedef struct told {
    size_t impossible, columns, unknown_pages, of_runs;
    char last[20000]; /* series */
} told;

static int take(void *context, const steplog_damage *finding)
{
    told *t = context;
    if (strstr(finding->what, "or it is impossible")) t->impossible++;
    if (strstr(finding->what, "page head is impossible")) finding->has_run ? t->of_runs++ : t->unknown_pages++;
    if (finding->series && strcmp(finding->series, t->last) != 0) {
        t->columns++;
        cr_assert_lt(strlen(finding->series), sizeof t->last);
        memcpy(t->last, finding->series, strlen(finding->series) + 1);
    }
    return 0;
}

static told verify(const char *path)
{
    static told t;
    steplog_verify_options options = {.size_bytes = sizeof options, .callback = take, .context = &t};
    steplog_verify_result result = {.size_bytes = sizeof result};
    memset(&t, 0, sizeof t);
    cr_assert_eq(steplog_store_verify(path, &options, &result, &kit_error), STEPLOG_CORRUPT, "%s", kit_error.text);
    return t;
}

/* Ordinals that leave out what was never there; the file is as long as if it could have been. */
Test(verify_costs, ordinals_that_leave_out_many_are_impossible)
{
    enum { PAGES = 3, APART = 60000 };
    const char *path = test_temp_dir();
    made_store(path);
    made_segment s = made_segment_begin(path, 0);
    for (uint32_t i = 0; i < PAGES; i++) {
        steplog_id run = made_id(2 * i), incarnation = made_id(2 * i + 1);
        made_writer_page(&s, (i + 1) * APART, &run, &incarnation, 0);
        (void)made_schema_page(&s, (i + 1) * APART, 1, 16, i);
    }
    uint64_t noise[20000] = {0};
    while (s.file.bytes < (uint64_t)PAGES * APART * 30) {
        for (size_t i = 0; i < sizeof noise / sizeof *noise; i++) noise[i] = (s.file.bytes + i) * 0x9e3779b97f4a7c15;
        made_page(&s, SL_PAGE_BLOB, 0, noise, sizeof noise);
    }
    made_segment_end(&s);
    test_costs_begin();
    cr_expect_eq(verify(path).impossible, 2 * (PAGES - 1));
    cr_expect_leq(test_costs_peak(), MOST);
    cr_expect_eq(test_costs_held(), 0);
    test_costs_end();
}

Test(verify_costs, names_of_damaged_columns_are_read_once)
{
    enum { CHUNKS = 2, COLUMNS = 500, NAME_BYTES = 4000 };
    const char *path = test_temp_dir();
    steplog_id run = made_id(0), incarnation = made_id(1);
    made_store(path);
    made_segment s = made_segment_begin(path, 0);
    sl_writer_entry entry = {.run = run, .incarnation = incarnation, .attempt = 1,
                             .page_offset = made_writer_page(&s, 0, &run, &incarnation, 0)};
    sl_schema_entry schema = made_schema_page(&s, 0, COLUMNS, NAME_BYTES, 0);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        sl_chunk_entry chunk = made_chunk_page(&s, 0, 0, 2, COLUMNS, 1 + 2 * i, 1);
        made_chunk_entry(&s, &chunk);
    }
    sl_group_entry group = made_group(0, 0, 0, CHUNKS, 2 * CHUNKS, COLUMNS);
    entry.group_count = entry.range_count = 1;
    made_writer_entry(&s, &entry);
    made_schema_entry(&s, &schema);
    made_group_entry(&s, &group);
    made_range_entry(&s, &(sl_range_entry){0, SL_RANGE_HELD, 1, 1 + 2 * CHUNKS});
    made_segment_end(&s);
    test_costs_begin();
    told t = verify(path);
    cr_expect_eq(t.columns, CHUNKS * COLUMNS);
    cr_expect_eq(strlen(t.last), NAME_BYTES);
    cr_expect_str_eq(t.last + NAME_BYTES - 6, "n0.499");
    cr_expect_leq(test_costs_read(), 1 << 20);
    cr_expect_leq(test_costs_peak(), MOST);
    cr_expect_eq(test_costs_held(), 0);
    test_costs_end();
}

static int count_damaged(void *context, const steplog_dump_item *item)
{
    *(size_t *)context += item->is_damaged != 0;
    return 0;
}

/* 4 KiB are read for each column, to see what is there. */
Test(verify_costs, columns_that_lead_to_a_page_of_names_do_not_unpack_it)
{
    enum { COLUMNS = 4096, READ_MOST = 32 << 20 };
    const char *path = test_temp_dir();
    steplog_id run = made_id(0), file_id = made_id(1000000);
    char id[STEPLOG_ID_TEXT_BYTES], name[80];
    size_t damaged = 0;
    made_far_columns(path, &run, COLUMNS);
    steplog_id_format(&file_id, id);
    snprintf(name, sizeof name, "seg/0/%s.seg", id);
    test_costs_begin();
    cr_expect_eq(verify(path).columns, COLUMNS);
    cr_expect_leq(test_costs_read(), READ_MOST);
    OK(steplog_dump(path, name, 0, count_damaged, &damaged, &kit_error));
    cr_expect_geq(damaged, COLUMNS);
    cr_expect_leq(test_costs_read(), READ_MOST);
    cr_expect_leq(test_costs_peak(), MOST);
    cr_expect_eq(test_costs_held(), 0);
    test_costs_end();
}

/* ---- damaged regions ---- */

/* A segment of pages of no known kind with rubbish behind each of them, and of so many chunks: each says that its COLUMN
 * pages begin at extent_offset; the first one is there. */
static told verify_rubbish(uint32_t regions, uint32_t chunks, uint64_t extent_offset)
{
    static const uint8_t rubbish[8] = {1};
    const char *path = test_temp_dir();
    steplog_id run = made_id(0), incarnation = made_id(1);
    made_store(path);
    made_segment s = made_segment_begin(path, 0);
    sl_writer_entry entry = {.run = run, .incarnation = incarnation, .attempt = 1, .group_count = 1, .range_count = 1,
                             .page_offset = made_writer_page(&s, 0, &run, &incarnation, 0)};
    sl_schema_entry schema = made_schema_page(&s, 0, 1, 16, 0);
    sl_chunk_entry chunk = made_chunk_page(&s, 0, 0, 1, 1, 1, 0);
    sl_group_entry group = made_group(0, 0, 0, chunks, 1, 1);
    made_chunk_entry(&s, &chunk);
    for (uint32_t i = 0; i < regions; i++) {
        made_page(&s, 200, 0, NULL, 0);
        sl_buffer_put(&s.file, rubbish, sizeof rubbish);
    }
    chunk.page_offset = s.file.bytes;
    chunk.extent_offset = extent_offset ? extent_offset : chunk.page_offset;
    for (uint32_t i = 1; i < chunks; i++) made_chunk_entry(&s, &chunk);
    made_writer_entry(&s, &entry);
    made_schema_entry(&s, &schema);
    made_group_entry(&s, &group);
    made_range_entry(&s, &(sl_range_entry){0, SL_RANGE_HELD, 1, 2});
    made_segment_end(&s);
    return verify(path);
}

/* Each with each other these are 15 000 000 000. */
Test(verify_costs, many_regions_and_many_chunks_are_not_looked_at_each_with_each_other)
{
    enum { REGIONS = 150000, CHUNKS = 100000 };
    told t = verify_rubbish(REGIONS, CHUNKS, 0);
    cr_expect_eq(t.unknown_pages, REGIONS);
    cr_expect_eq(t.of_runs, 0);
}

Test(verify_costs, a_chunk_that_may_be_everywhere_is_told_of_some_regions)
{
    enum { REGIONS = 2000, CHUNKS = 500 };
    told t = verify_rubbish(REGIONS, CHUNKS, SL_SEGMENT_HEADER_BYTES);
    cr_expect_geq(t.of_runs, CHUNKS);
    cr_expect_leq(t.of_runs, 64 * CHUNKS);
    cr_expect_geq(t.of_runs + t.unknown_pages, REGIONS);
}
