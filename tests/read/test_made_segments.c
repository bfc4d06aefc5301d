/* What segments say that no writer of ours made: readers take it for what it is, and it costs them no more than it may. */
#include "steplog.h"

#include "format/stats_codec.h"
#include "read/segment_reader.h"
#include "support/costs.h"
#include "support/made_segment.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <string.h>

enum { MOST = 16 << 20 };

static sl_writer_entry writer_entry(const steplog_id *run, const steplog_id *incarnation, uint64_t page_offset)
{
    return (sl_writer_entry){.run = *run, .incarnation = *incarnation, .attempt = 1, .page_offset = page_offset};
}

/* ---- writers ---- */

static steplog_reader *open_reader(const char *path, steplog_store **store)
{
    *store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    return kit_reader(*store);
}

Test(made_segments, writers_that_share_one_page_cost_no_more_than_one)
{
    enum { WRITERS = 100 };
    const char *path = test_temp_dir();
    steplog_id run = made_id(0), other = made_id(1);
    made_store(path);
    made_segment s = made_segment_begin(path, 0);
    uint64_t page = made_writer_page(&s, 0, &run, &other, 15 << 16);
    for (uint64_t i = 0; i < WRITERS; i++) {
        steplog_id incarnation = made_id(2 + i);
        sl_writer_entry entry = writer_entry(&run, &incarnation, page);
        entry.range_first = (uint32_t)i;
        entry.range_count = 1;
        made_writer_entry(&s, &entry);
        made_range_entry(&s, &(sl_range_entry){(uint32_t)i, SL_RANGE_HELD, 1, 2});
    }
    made_segment_end(&s);
    test_costs_begin();
    steplog_store *store;
    steplog_reader *reader = open_reader(path, &store);
    (void)steplog_reader_run_count(reader);
    cr_expect_gt(steplog_reader_damage_count(reader), 0);
    steplog_reader_close(reader);
    kit_store_close(store);
    cr_expect_leq(test_costs_peak(), MOST);
    cr_expect_eq(test_costs_held(), 0);
    test_costs_end();
}

/* Two runs of one writer each; in the table each has the page of the other, whose ordinal may be that of the entry. */
static void swap_pages(int is_ordinal_right)
{
    const char *path = test_temp_dir();
    steplog_id ids[4];
    uint64_t pages[2];
    made_store(path);
    made_segment s = made_segment_begin(path, 0);
    for (uint32_t i = 0; i < 4; i++) ids[i] = made_id(i);
    for (uint32_t i = 0; i < 2; i++) pages[i] = made_writer_page(&s, is_ordinal_right ? 1 - i : i, &ids[i], &ids[2 + i], 10);
    sl_schema_entry schema = made_schema_page(&s, 0, 1, 16, 0);
    for (uint32_t i = 0; i < 2; i++) {
        sl_chunk_entry chunk = made_chunk_page(&s, i, 0, 1, 1, 1, 0);
        sl_writer_entry entry = writer_entry(&ids[i], &ids[2 + i], pages[1 - i]);
        sl_group_entry group = made_group(i, 0, i, 1, 1, 1);
        entry.range_first = entry.group_first = i;
        entry.range_count = entry.group_count = 1;
        made_writer_entry(&s, &entry);
        made_chunk_entry(&s, &chunk);
        made_group_entry(&s, &group);
        made_range_entry(&s, &(sl_range_entry){i, SL_RANGE_HELD, 1, 2});
    }
    made_schema_entry(&s, &schema);
    made_segment_end(&s);
    steplog_store *store;
    steplog_reader *reader = open_reader(path, &store);
    cr_assert_eq(steplog_reader_run_count(reader), 2);
    for (uint32_t i = 0; i < 2; i++) {
        steplog_writer_info info = {.size_bytes = sizeof info};
        steplog_series_info series = {.size_bytes = sizeof series};
        OK(steplog_reader_writer(reader, &ids[i], 0, &info, &kit_error));
        cr_expect_eq(info.label_count, 0);
        OK(steplog_reader_series(reader, kit_series(reader, &ids[i], "*"), &series, &kit_error));
        cr_expect_eq(series.label_count, 0);
    }
    cr_expect_eq(steplog_reader_damage_count(reader), 2);
    steplog_reader_close(reader);
    kit_store_close(store);
}

Test(made_segments, the_page_of_another_ordinal_gives_no_labels) { swap_pages(0); }
Test(made_segments, the_page_of_another_writer_gives_no_labels) { swap_pages(1); }

/* ---- schemas ---- */

/* Reads all series of a run that ends so, one after another if need be: what is asked for is one of them. */
static void find_one(const char *path, const steplog_id *run, const char *selector, size_t series_count)
{
    steplog_store *store;
    test_costs_begin();
    steplog_reader *reader = open_reader(path, &store);
    for (int i = 0; i < 2; i++) {
        steplog_series series;
        size_t count;
        OK(steplog_reader_find(reader, run, selector, &series, 1, &count, &kit_error));
        cr_expect_eq(count, series_count);
        kit_rows rows = kit_read(reader, run, selector, NULL);
        kit_rows_free(&rows);
    }
    cr_expect_leq(test_costs_peak(), MOST);
    steplog_reader_close(reader);
    kit_store_close(store);
    cr_expect_eq(test_costs_held(), 0);
    test_costs_end();
}

Test(made_segments, schemas_that_share_one_page_cost_no_more_than_one)
{
    enum { SCHEMAS = 60, COLUMNS = 4096 };
    const char *path = test_temp_dir();
    steplog_id run = made_id(0), incarnation = made_id(1);
    made_store(path);
    made_segment s = made_segment_begin(path, 0);
    sl_writer_entry entry = writer_entry(&run, &incarnation, made_writer_page(&s, 0, &run, &incarnation, 0));
    sl_schema_entry schema = made_schema_page(&s, 0, COLUMNS, 1000, 0);
    sl_chunk_entry chunk = made_chunk_page(&s, 0, 0, 1, COLUMNS, 1, 0);
    made_chunk_entry(&s, &chunk);
    for (uint32_t i = 0; i < SCHEMAS; i++) {
        sl_group_entry group = made_group(0, i, 0, 1, 1, COLUMNS);
        made_schema_entry(&s, &schema);
        made_group_entry(&s, &group);
    }
    entry.group_count = SCHEMAS;
    entry.range_count = 1;
    made_writer_entry(&s, &entry);
    made_range_entry(&s, &(sl_range_entry){0, SL_RANGE_HELD, 1, 2});
    made_segment_end(&s);
    find_one(path, &run, "*n0.77", 1);
}

Test(made_segments, long_names_in_many_segments_cost_no_more_than_in_one)
{
    enum { SEGMENTS = 8, COLUMNS = 4096 };
    const char *path = test_temp_dir();
    steplog_id run = made_id(0);
    made_store(path);
    for (uint32_t i = 0; i < SEGMENTS; i++) {
        made_segment s = made_segment_begin(path, i);
        steplog_id incarnation = made_id(1 + i);
        sl_writer_entry entry = writer_entry(&run, &incarnation, made_writer_page(&s, 0, &run, &incarnation, 0));
        sl_schema_entry schema = made_schema_page(&s, 0, COLUMNS, 1000, i);
        sl_chunk_entry chunk = made_chunk_page(&s, 0, 0, 1, COLUMNS, 1, 0);
        sl_group_entry group = made_group(0, 0, 0, 1, 1, COLUMNS);
        entry.group_count = entry.range_count = 1;
        made_schema_entry(&s, &schema);
        made_chunk_entry(&s, &chunk);
        made_group_entry(&s, &group);
        made_writer_entry(&s, &entry);
        made_range_entry(&s, &(sl_range_entry){0, SL_RANGE_HELD, 1, 2});
        made_segment_end(&s);
    }
    find_one(path, &run, "*.77", SEGMENTS);
}

/* ---- columns ---- */

static void read_far_columns(uint32_t flags)
{
    const char *path = test_temp_dir();
    steplog_id run = made_id(0);
    made_far_columns(path, &run, SL_COLUMN_WINDOWS);
    test_costs_begin();
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD | flags, 0);
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, &run, "*", NULL);
    kit_rows_free(&rows);
    cr_expect_gt(steplog_reader_damage_count(reader), 0);
    cr_expect_leq(test_costs_peak(), MOST);
    cr_expect_leq(test_costs_read(), 1 << 20);
    steplog_reader_close(reader);
    kit_store_close(store);
    cr_expect_eq(test_costs_held(), 0);
    test_costs_end();
}

Test(made_segments, columns_that_lead_to_a_page_of_names_do_not_unpack_it) { read_far_columns(0); }
Test(made_segments, mapped_columns_that_lead_to_a_page_of_names_do_not_unpack_it) { read_far_columns(STEPLOG_MAP_READS); }

/* ---- facts ---- */

enum { FACTS = 2000 };

/* So that a table that is shorter than it should be does not seem to end behind the file. */
static void put_noise_behind(made_segment *s)
{
    sl_buffer *table = &s->tables[SL_TABLE_NODE_STATS];
    for (uint64_t i = 0; i < 600 * SL_NODE_STATS_ENTRY_BYTES / 8; i++) sl_buffer_u64(table, (i + 1) * 0x9e3779b97f4a7c15);
}

/* The facts of a writer stand by turns in two pages. */
static const char *make_facts(int packs_tables)
{
    const char *path = test_temp_dir();
    steplog_id run = made_id(0), incarnation = made_id(1);
    made_store(path);
    made_segment s = made_segment_begin(path, 0);
    if ((s.packs_tables = packs_tables)) put_noise_behind(&s);
    sl_writer_entry entry = writer_entry(&run, &incarnation, made_writer_page(&s, 0, &run, &incarnation, 0));
    for (uint32_t half = 0; half < 2; half++) {
        for (uint32_t i = half; i < FACTS; i += 2) {
            sl_buffer body = {0};
            sl_fact fact = {.kind = STEPLOG_EVENT_SET, .attempt = 1, .time_ns = STEPLOG_TIME_NONE, .lamport = 1 + i,
                            .has_key = 1, .key = "key", .key_bytes = 3, .has_value = 1, .value = "value", .value_bytes = 5};
            sl_fact_encode(&fact, &body);
            made_record(&s, 0, 1 + i, SL_ENTRY_FACT, &body, 0);
            sl_buffer_free(&body);
        }
        made_facts_page(&s);
    }
    /* In the table they are in their order. */
    sl_buffer *table = &s.tables[SL_TABLE_RECORDS], ordered = {0};
    for (uint32_t i = 0; i < FACTS; i++)
        sl_buffer_put(&ordered, table->data + (i % 2 * (FACTS / 2) + i / 2) * SL_RECORD_ENTRY_BYTES, SL_RECORD_ENTRY_BYTES);
    sl_buffer_free(table);
    *table = ordered;
    entry.record_count = FACTS;
    entry.range_count = 1;
    made_writer_entry(&s, &entry);
    made_range_entry(&s, &(sl_range_entry){0, SL_RANGE_HELD, 1, 1 + FACTS});
    made_segment_end(&s);
    return path;
}

Test(made_segments, records_are_read_page_by_page)
{
    const char *path = make_facts(0);
    steplog_id run = made_id(0);
    kit_verify(path);
    test_costs_begin();
    steplog_store *store;
    steplog_reader *reader = open_reader(path, &store);
    cr_expect_eq(steplog_reader_event_count(reader, &run), FACTS);
    cr_expect_leq(test_costs_read(), 1 << 20);
    for (uint32_t i = 0; i < FACTS; i++) {
        steplog_event event = {.size_bytes = sizeof event};
        OK(steplog_reader_event(reader, &run, i, &event, &kit_error));
        cr_expect_eq(event.sequence, 1 + i);
    }
    kit_no_damage(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
    cr_expect_eq(test_costs_held(), 0);
    test_costs_end();
}

/* ---- statistics ---- */

/* A table of statistics of several pages whose last one has a single entry; bytes like those of entries lie behind it. */
static void read_past_statistics(uint32_t flags)
{
    enum { CHUNKS = 130, ENTRIES = 64 * 14 + 1, BEHIND = 400, PIXELS = 300 };
    const char *path = test_temp_dir();
    steplog_id run = made_id(0), incarnation = made_id(1);
    made_store(path);
    made_segment s = made_segment_begin(path, 0);
    sl_writer_entry entry = writer_entry(&run, &incarnation, made_writer_page(&s, 0, &run, &incarnation, 0));
    sl_schema_entry schema = made_schema_page(&s, 0, 1, 16, 0);
    sl_chunk_entry chunks[CHUNKS];
    for (uint32_t i = 0; i < CHUNKS; i++) {
        chunks[i] = made_chunk_page(&s, 0, 0, 2, 1, 1 + 2 * i, 0);
        chunks[i].step_min = chunks[i].step_max = 10 * i;
        made_chunk_entry(&s, &chunks[i]);
    }
    sl_group_entry group = made_group(0, 0, 0, CHUNKS, 2 * CHUNKS, 1);
    group.step_max = 10 * CHUNKS;
    group.node_stats_first = 0;
    group.stats_first = ENTRIES - SL_NODE_CHUNKS; /* the last one of the first node is the last one that there is */
    for (uint32_t i = 0; i < CHUNKS; i += SL_NODE_CHUNKS) {
        sl_node_entry node;
        sl_node_make(chunks + i, CHUNKS - i < SL_NODE_CHUNKS ? CHUNKS - i : SL_NODE_CHUNKS, &node);
        sl_node_entry_encode(&node, sl_buffer_grow(&s.tables[SL_TABLE_NODES], SL_NODE_ENTRY_BYTES));
    }
    for (uint32_t i = 0; i < ENTRIES; i++) {
        sl_stats_entry right = {.first = 1, .last = 1, .smallest = 1, .largest = 1, .value_count = 2};
        sl_stats_entry_encode(&right, sl_buffer_grow(&s.tables[SL_TABLE_STATS], SL_STATS_ENTRY_BYTES));
    }
    uint8_t *behind = sl_buffer_grow(&s.tables[SL_TABLE_NODE_STATS], BEHIND * SL_NODE_STATS_ENTRY_BYTES);
    memset(behind, 0, BEHIND * SL_NODE_STATS_ENTRY_BYTES);
    for (uint32_t at = SL_STATS_ENTRY_BYTES - SL_PAGE_HEAD_BYTES; at < 8192; at += SL_STATS_ENTRY_BYTES) {
        sl_stats_entry wrong = {.first = 7, .last = 7, .smallest = 7, .largest = 7, .value_count = 9};
        sl_stats_entry_encode(&wrong, behind + at);
    }
    entry.group_count = entry.range_count = 1;
    made_writer_entry(&s, &entry);
    made_schema_entry(&s, &schema);
    made_group_entry(&s, &group);
    made_range_entry(&s, &(sl_range_entry){0, SL_RANGE_HELD, 1, 1 + 2 * CHUNKS});
    made_segment_end(&s);
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD | flags, 0);
    steplog_reader *reader = kit_reader(store);
    steplog_m4 pixels[PIXELS];
    uint64_t count = 0;
    int64_t begin, end;
    OK(steplog_reader_m4(reader, kit_series(reader, &run, "*"), NULL, PIXELS, pixels, &begin, &end, &kit_error));
    for (uint32_t i = 0; i < PIXELS; i++) {
        count += pixels[i].count;
        if (pixels[i].count) cr_expect_eq(pixels[i].value[3], 1);
    }
    cr_expect_eq(count, 2 * CHUNKS);
    cr_expect_gt(steplog_reader_damage_count(reader), 0);
    steplog_reader_close(reader);
    kit_store_close(store);
}

Test(made_segments, statistics_end_with_their_table) { read_past_statistics(0); }
Test(made_segments, statistics_end_with_their_table_where_it_is_mapped) { read_past_statistics(STEPLOG_MAP_READS); }

/* ---- packed tables ---- */

/* Files of some 1300 bytes, one table of each of which unpacks to entries that are all the same. */
static void read_equal_entries(int table)
{
    enum { FILES = 100, MEMORY_MOST = 2 << 20 };
    const char *path = test_temp_dir();
    const uint32_t count = SL_TABLE_CONTENT_BYTES_MAX / sl_table_entry_bytes[table];
    steplog_id run = made_id(0);
    made_store(path);
    for (uint32_t i = 0; i < FILES; i++) {
        steplog_id incarnation = made_id(1 + i);
        made_segment s = made_segment_begin(path, i);
        s.packs_tables = 1;
        sl_writer_entry entry = writer_entry(&run, &incarnation, made_writer_page(&s, 0, &run, &incarnation, 0));
        sl_schema_entry schema = made_schema_page(&s, 0, 1, 16, 0);
        sl_chunk_entry chunk = made_chunk_page(&s, 0, 0, 1, 1, 1, 0);
        sl_group_entry group = made_group(0, 0, 0, 1, 1, 1);
        sl_record_entry record = {.type = SL_ENTRY_FACT, .fact_kind = 1, .page_offset = 64, .content_offset = 32, .bytes = 1,
                                  .sequence = 1, .sequence_count = 1};
        entry.range_count = 1;
        entry.group_count = table == SL_TABLE_GROUPS ? count : 1;
        for (uint32_t n = 1; table == SL_TABLE_WRITERS && n < count; n++) made_writer_entry(&s, &entry);
        for (uint32_t n = 0; n < (table == SL_TABLE_SCHEMAS ? count : 1); n++) made_schema_entry(&s, &schema);
        for (uint32_t n = 0; n < entry.group_count; n++) made_group_entry(&s, &group);
        for (uint32_t n = 0; n < (table == SL_TABLE_GROUPS ? count : 1); n++)
            made_chunk_entry(&s, &chunk);
        if (table == SL_TABLE_RECORDS) entry.record_count = count;
        for (uint32_t n = 0; n < entry.record_count; n++) made_record_entry(&s, &record);
        made_writer_entry(&s, &entry);
        made_range_entry(&s, &(sl_range_entry){0, SL_RANGE_HELD, 1, 2});
        made_segment_end(&s);
    }
    test_costs_begin();
    steplog_store *store;
    steplog_reader *reader = open_reader(path, &store);
    cr_expect_eq(steplog_reader_run_count(reader), 1);
    cr_expect_gt(steplog_reader_damage_count(reader), 0);
    cr_expect_leq(test_costs_held(), MEMORY_MOST);
    steplog_reader_close(reader);
    kit_store_close(store);
    cr_expect_eq(test_costs_held(), 0);
    test_costs_end();
}

Test(made_segments, equal_writers_are_not_kept) { read_equal_entries(SL_TABLE_WRITERS); }
Test(made_segments, equal_schemas_are_not_kept) { read_equal_entries(SL_TABLE_SCHEMAS); }
Test(made_segments, equal_groups_are_not_kept) { read_equal_entries(SL_TABLE_GROUPS); }
Test(made_segments, equal_records_are_not_kept) { read_equal_entries(SL_TABLE_RECORDS); }

/* A table of several pages has none that is compressed: the last one is nevertheless. */

Test(made_segments, a_packed_page_of_a_long_table_of_records_is_damage)
{
    const char *path = make_facts(1);
    steplog_id run = made_id(0);
    steplog_store *store;
    steplog_reader *reader = open_reader(path, &store);
    cr_expect_eq(steplog_reader_event_count(reader, &run), FACTS, "they stand in their own pages");
    cr_expect_gt(steplog_reader_damage_count(reader), 0);
    steplog_reader_close(reader);
    kit_store_close(store);
}

static size_t read_long_chunk_table(int packs_tables)
{
    enum { CHUNKS = 650 };
    const char *path = test_temp_dir();
    steplog_id run = made_id(0), incarnation = made_id(1);
    made_store(path);
    made_segment s = made_segment_begin(path, 0);
    if ((s.packs_tables = packs_tables)) put_noise_behind(&s);
    sl_writer_entry entry = writer_entry(&run, &incarnation, made_writer_page(&s, 0, &run, &incarnation, 0));
    sl_schema_entry schema = made_schema_page(&s, 0, 1, 16, 0);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        sl_chunk_entry chunk = made_chunk_page(&s, 0, 0, 1, 1, 1 + i, 0);
        made_chunk_entry(&s, &chunk);
    }
    sl_group_entry group = made_group(0, 0, 0, CHUNKS, CHUNKS, 1);
    entry.group_count = entry.range_count = 1;
    made_writer_entry(&s, &entry);
    made_schema_entry(&s, &schema);
    made_group_entry(&s, &group);
    made_range_entry(&s, &(sl_range_entry){0, SL_RANGE_HELD, 1, 1 + CHUNKS});
    made_segment_end(&s);
    steplog_store *store;
    steplog_reader *reader = open_reader(path, &store);
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_ARRIVAL_ORDER};
    kit_rows rows = kit_read(reader, &run, "*", &view);
    cr_expect_eq(rows.row_count, CHUNKS);
    kit_rows_free(&rows);
    size_t damage = steplog_reader_damage_count(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
    return damage;
}

Test(made_segments, a_packed_page_of_a_long_table_of_chunks_is_damage)
{
    cr_expect_eq(read_long_chunk_table(0), 1, "it has no nodes");
    cr_expect_eq(read_long_chunk_table(1), 2);
}
