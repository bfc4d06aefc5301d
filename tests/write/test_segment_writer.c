/* Segments as they are written: stripes, nodes, statistics, and where groups say that theirs are. What a segment says
 * is looked at page by page, and verify must find it sound. */
#include "write/segment_writer.h"

#include "format/page_codec.h"
#include "os/os.h"
#include "support/random.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- making ---- */

typedef struct made {
    const char *store;
    int dir;
    sl_segment_writer *writer;
    uint8_t writer_count;
    uint64_t sequence; /* of the current writer */
    test_random random;
    char path[256];
    uint8_t *bytes;
    size_t size;
} made;

static void begin(made *m)
{
    *m = (made){.store = test_path(test_temp_dir(), "store"), .random = test_random_from(3)};
    kit_store_close(kit_store(m->store, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    m->dir = sl_os->open_dir(-1, m->store);
    cr_assert_geq(m->dir, 0);
    OK(sl_segment_writer_open(m->dir, 0, &m->writer, &kit_error));
}

static void begin_writer(made *m)
{
    sl_writer_description d = {.run = {{1}}, .incarnation = {{++m->writer_count}}, .attempt = 1, .step_axis = "step",
                               .step_axis_bytes = 4};
    sl_buffer description = {0};
    sl_writer_description_encode(&d, &description);
    OK(sl_segment_writer_begin(m->writer, description.data, description.bytes, &kit_error));
    sl_buffer_free(&description);
    m->sequence = 0;
}

static void end_writer(made *m)
{
    sl_ranges held = {0}, dropped = {0};
    cr_assert(m->sequence == 0 || sl_ranges_add(&held, 1, m->sequence + 1));
    OK(sl_segment_writer_end(m->writer, &held, &dropped, &kit_error));
    SL_VEC_FREE(&held);
}

/* A schema of so many columns: those from noisy on are noise. */
static uint32_t schema_of(made *m, uint32_t columns, uint32_t noisy)
{
    char texts[8][8];
    const char *names[8];
    uint32_t bytes[8], ordinal;
    for (uint32_t i = 0; i < columns; i++) {
        bytes[i] = (uint32_t)snprintf(texts[i], sizeof texts[i], "%c%u", i < noisy ? 'c' : 'n', i);
        names[i] = texts[i];
    }
    OK(sl_segment_writer_schema(m->writer, names, bytes, columns, &ordinal, &kit_error));
    return ordinal;
}

/* Rows from step on, in a chunk of their own when that is asked for. */
static void put_rows(made *m, uint32_t schema, uint32_t columns, uint32_t noisy, int64_t step, int count, int is_apart)
{
    for (int i = 0; i < count; i++) {
        double values[8];
        for (uint32_t c = 0; c < columns; c++)
            values[c] = c < noisy ? 0.5 : sl_double_of(test_random_u64(&m->random) & ~(UINT64_C(1) << 62));
        OK(sl_segment_writer_row(m->writer, schema, step + i, STEPLOG_TIME_NONE, ++m->sequence, values, NULL,
                                 &kit_error));
    }
    if (is_apart) OK(sl_segment_writer_flush(m->writer, &kit_error));
}

static void end(made *m)
{
    char name[80];
    OK(sl_segment_writer_publish(m->writer, name, NULL, &kit_error));
    sl_os->close(m->dir);
    FILE *file = fopen(test_path(m->store, name), "rb");
    cr_assert(file && fseek(file, 0, SEEK_END) == 0);
    m->size = (size_t)ftell(file);
    rewind(file);
    m->bytes = malloc(m->size);
    cr_assert_eq(fread(m->bytes, 1, m->size, file), m->size);
    fclose(file);
    kit_verify(m->store);
}

/* ---- looking ---- */

/* The kinds of pages in their order, as letters: C column with its number, K chunk, and so on. */
static const char *letters_of(const made *m)
{
    static char out[4096];
    size_t count = 0;
    for (size_t at = 64; at < m->size; at += 24 + SL_PAD8((size_t)sl_load32(m->bytes + at + 4))) {
        unsigned kind = m->bytes[at + 2];
        cr_assert_lt(count + 4, sizeof out);
        if (kind == SL_PAGE_COLUMN) out[count++] = (char)('0' + sl_load32(m->bytes + at + 12));
        else if (kind == SL_PAGE_CHUNK) out[count++] = 'K';
        else if (kind == SL_PAGE_WRITER) out[count++] = 'W';
        else if (kind == SL_PAGE_SCHEMA) out[count++] = 's';
    }
    out[count] = 0;
    return out;
}

static sl_trailer trailer_of(const made *m)
{
    sl_trailer trailer;
    cr_assert(sl_trailer_decode(m->bytes + m->size - SL_TRAILER_CONTENT_BYTES, &trailer));
    return trailer;
}

static const uint8_t *entry_of(const made *m, int table, uint64_t entry)
{
    sl_trailer trailer = trailer_of(m);
    uint32_t most = sl_table_page_most(table, trailer.tables[table].entry_count);
    return m->bytes + sl_table_page_offset(&trailer, table, entry / most) + SL_PAGE_HEAD_BYTES +
           entry % most * sl_table_entry_bytes[table];
}

static uint64_t count_of(const made *m, int table)
{
    sl_trailer trailer = trailer_of(m);
    return trailer.tables[table].entry_count;
}

static sl_group_entry group_of(const made *m, uint64_t index)
{
    sl_group_entry group;
    cr_assert(sl_group_entry_decode(entry_of(m, SL_TABLE_GROUPS, index), &group));
    return group;
}

/* ---- stripes ---- */

Test(segment_writer, columns_stand_together_before_the_chunks_of_a_stripe)
{
    made m;
    begin(&m);
    begin_writer(&m);
    uint32_t schema = schema_of(&m, 3, 1);
    for (int i = 0; i < 5; i++) put_rows(&m, schema, 3, 1, 1000 * i, 200, 1);
    end_writer(&m);
    end(&m);
    cr_expect_str_eq(letters_of(&m), "Ws1111122222KKKKK");
    free(m.bytes);
}

/* 16 chunks, or the one that passes 256 KiB: here the ninth of four columns of some 8 KB. */
Test(segment_writer, a_stripe_ends_with_16_chunks_or_256_KiB)
{
    made m;
    begin(&m);
    begin_writer(&m);
    uint32_t few = schema_of(&m, 2, 1), many = schema_of(&m, 4, 0);
    put_rows(&m, few, 2, 1, 0, 17 * 1024, 1);
    end_writer(&m);
    begin_writer(&m);
    put_rows(&m, many, 4, 0, 0, 10 * 1024, 1);
    end_writer(&m);
    end(&m);
    cr_expect_str_eq(letters_of(&m), "Wss1111111111111111KKKKKKKKKKKKKKKK1K"
                                     "W000000000111111111222222222333333333KKKKKKKKK0123K");
    free(m.bytes);
}

Test(segment_writer, stripes_of_two_schemas_fill_side_by_side)
{
    made m;
    begin(&m);
    begin_writer(&m);
    uint32_t a = schema_of(&m, 1, 0), b = schema_of(&m, 2, 1);
    for (int i = 0; i < 3; i++) {
        put_rows(&m, a, 1, 0, 1000 * i, 200, 1);
        put_rows(&m, b, 2, 1, 1000 * i, 200, 1);
    }
    end_writer(&m);
    end(&m);
    cr_expect_str_eq(letters_of(&m), "Wss000KKK111KKK");
    free(m.bytes);
}

/* All stripes of a writer together hold no more than 512 KiB: the one that passes it is written. */
Test(segment_writer, waiting_stripes_are_bounded_together)
{
    made m;
    uint32_t schemas[8];
    begin(&m);
    begin_writer(&m);
    for (uint32_t i = 0; i < 8; i++) schemas[i] = schema_of(&m, i + 1, 0);
    uint64_t most = 0;
    for (int round = 0; round < 20; round++)
        for (uint32_t i = 0; i < 8; i++) {
            put_rows(&m, schemas[i], i + 1, 0, 100000 * round, 200, 1);
            uint64_t bytes = sl_segment_writer_bytes(m.writer);
            cr_assert_geq(bytes, most, "what was written or waits does not shrink");
            most = bytes;
        }
    end_writer(&m);
    end(&m);
    size_t longest = 0, run = 0;
    for (const char *at = letters_of(&m); *at; at++) {
        run = *at >= '0' && *at <= '9' ? run + 1 : 0;
        if (run > longest) longest = run;
    }
    cr_expect(longest >= 16 && longest <= 8 * 16, "%zu", longest);
    free(m.bytes);
}

/* ---- statistics and nodes ---- */

Test(segment_writer, groups_have_statistics_from_4_chunks_of_256_rows_on)
{
    static const struct {
        int chunks, rows, has_stats;
    } groups[] = {{3, 1024, 0}, {4, 255, 0}, {4, 256, 1}, {6, 300, 1}};
    made m;
    begin(&m);
    for (size_t g = 0; g < 4; g++) {
        begin_writer(&m);
        uint32_t schema = schema_of(&m, 2, 1);
        for (int i = 0; i < groups[g].chunks; i++) put_rows(&m, schema, 2, 1, 2000 * i, groups[g].rows, 1);
        end_writer(&m);
    }
    end(&m);
    uint32_t next = 0;
    for (size_t g = 0; g < 4; g++) {
        sl_group_entry group = group_of(&m, g);
        cr_expect_eq(group.stats_first, groups[g].has_stats ? next : SL_NO_STATS, "group %zu", g);
        cr_expect_eq(group.node_stats_first, groups[g].has_stats ? 0 : SL_NO_STATS);
        cr_expect_eq(group.node_first, 0u);
        if (groups[g].has_stats) next += 2 * group.chunk_count;
    }
    cr_expect(count_of(&m, SL_TABLE_STATS) == next && next == 2 * 4 + 2 * 6);
    free(m.bytes);
}

/* Entries go column by column, within a column chunk by chunk, whatever stripes and pages they lie in. */
Test(segment_writer, statistics_stand_where_the_format_says)
{
    enum { CHUNKS = 70, ROWS = 512 };
    made m;
    begin(&m);
    begin_writer(&m);
    uint32_t schema = schema_of(&m, 2, 0);
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        for (int i = 0; i < ROWS; i++) {
            double values[2] = {chunk, -chunk};
            uint64_t present = 1 | (i % 2 ? 2 : 0);
            OK(sl_segment_writer_row(m.writer, schema, chunk * 1000 + i, STEPLOG_TIME_NONE, ++m.sequence, values,
                                     &present, &kit_error));
        }
        OK(sl_segment_writer_flush(m.writer, &kit_error));
    }
    end_writer(&m);
    end(&m);
    sl_group_entry group = group_of(&m, 0);
    cr_assert(group.chunk_count == CHUNKS && count_of(&m, SL_TABLE_STATS) == 2 * CHUNKS);
    for (uint32_t column = 0; column < 2; column++)
        for (uint32_t chunk = 0; chunk < CHUNKS; chunk++) {
            sl_stats_entry stats;
            const double value = column ? -(int)chunk : (int)chunk;
            const uint8_t *entry = entry_of(&m, SL_TABLE_STATS, group.stats_first + column * CHUNKS + chunk);
            cr_assert(sl_stats_entry_decode(entry, &stats));
            cr_assert(sl_bits_of(stats.first) == sl_bits_of(value) && stats.value_count == ROWS >> column);
            cr_assert(stats.first_distance == column && stats.last_distance == 511 && stats.largest_distance == column);
        }
    cr_assert_eq(count_of(&m, SL_TABLE_NODE_STATS), 2u * 2u);
    for (uint32_t column = 0; column < 2; column++)
        for (uint32_t node = 0; node < 2; node++) {
            sl_node_stats_entry stats;
            const uint8_t *entry = entry_of(&m, SL_TABLE_NODE_STATS, group.node_stats_first + 2 * column + node);
            cr_assert(sl_node_stats_entry_decode(entry, &stats));
            cr_assert_eq(stats.value_count, (uint32_t)(node ? 6 : 64) * (ROWS >> column));
            cr_assert_eq(stats.last_step, node ? 69511 : 63511);
            cr_assert_eq(stats.largest_step, (column ? node * 64 : node ? 69 : 63) * 1000 + column);
        }
    free(m.bytes);
}

Test(segment_writer, groups_have_nodes_from_65_chunks_on)
{
    static const int chunks[] = {64, 65, 1, 130};
    static const uint32_t nodes[] = {0, 2, 0, 3};
    made m;
    begin(&m);
    for (size_t g = 0; g < 4; g++) {
        begin_writer(&m);
        uint32_t schema = schema_of(&m, 1, 1);
        for (int i = 0; i < chunks[g]; i++) put_rows(&m, schema, 1, 1, 10 * i, 1, 1);
        end_writer(&m);
    }
    end(&m);
    uint32_t next = 0;
    for (size_t g = 0; g < 4; g++) {
        cr_expect_eq(group_of(&m, g).node_first, next, "group %zu", g);
        next += nodes[g];
    }
    cr_expect(count_of(&m, SL_TABLE_NODES) == 5 && count_of(&m, SL_TABLE_NODE_STATS) == 0);
    sl_node_entry node;
    cr_assert(sl_node_entry_decode(entry_of(&m, SL_TABLE_NODES, 4), &node));
    cr_expect(node.flags == SL_NODE_IS_ASCENDING && node.row_count == 2 && node.sequence_first == 129 &&
              node.sequence_last == 130 && node.step_min == 1280 && node.step_max == 1290);
    free(m.bytes);
}

Test(segment_writer, nodes_whose_steps_go_back_have_no_statistics)
{
    made m;
    begin(&m);
    begin_writer(&m);
    uint32_t schema = schema_of(&m, 1, 1);
    for (int i = 0; i < 130; i++) put_rows(&m, schema, 1, 1, i == 70 ? 0 : 1000 * i, 256, 1);
    end_writer(&m);
    end(&m);
    for (uint32_t n = 0; n < 3; n++) {
        sl_node_entry node;
        sl_node_stats_entry stats;
        cr_assert(sl_node_entry_decode(entry_of(&m, SL_TABLE_NODES, n), &node));
        cr_assert(sl_node_stats_entry_decode(entry_of(&m, SL_TABLE_NODE_STATS, n), &stats));
        cr_expect_eq(node.flags, n == 1 ? 0u : 1u);
        cr_expect_eq(stats.value_count == SL_NODE_STATS_NONE, n == 1);
    }
    free(m.bytes);
}

/* Blocks that are already encoded take part in stripes as rows do. */
Test(segment_writer, encoded_blocks_stand_in_stripes_too)
{
    made m;
    begin(&m);
    begin_writer(&m);
    uint32_t schema = schema_of(&m, 1, 0);
    for (int chunk = 0; chunk < 4; chunk++) {
        int64_t axis[3][256];
        double values[256];
        sl_buffer payload = {0};
        sl_column_info info;
        sl_stats_entry stats;
        for (int i = 0; i < 256; i++) {
            values[i] = sl_double_of(test_random_u64(&m.random) & ~(UINT64_C(1) << 62));
            axis[0][i] = 300 * chunk + i;
            axis[1][i] = STEPLOG_TIME_NONE;
            axis[2][i] = (int64_t)++m.sequence;
        }
        sl_column_encode(values, NULL, 256, &payload, &info);
        sl_stats_make(values, NULL, 256, axis[0], axis[0][0], &stats);
        const uint8_t *data = payload.data;
        OK(sl_segment_writer_block(m.writer, schema, 256, axis[0], axis[1], axis[2], &info, &data, &stats, &kit_error));
        sl_buffer_free(&payload);
    }
    put_rows(&m, schema, 1, 0, 5000, 200, 0);
    end_writer(&m);
    end(&m);
    cr_expect_str_eq(letters_of(&m), "Ws00000KKKKK");
    cr_expect_eq(group_of(&m, 0).stats_first, SL_NO_STATS, "1224 rows in 5 chunks");
    free(m.bytes);
}
