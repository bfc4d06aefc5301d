/* Verify, of what segments hold beside pages and plain tables: stripes, nodes and statistics. What is told of is looked
 * for by its words; stores are changed with their checksums made right again, as only a writer with a bug would. */
#include "steplog.h"

#include "base/bytes.h"
#include "format/chunk_codec.h"
#include "format/page_codec.h"
#include "format/stats_codec.h"
#include "support/random.h"
#include "support/reseal.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- stores of one segment ---- */

typedef struct segment {
    const char *store;
    char path[512];
    uint8_t *bytes, *intact;
    size_t size;
} segment;

static void find_file(segment *s)
{
    const char *folder = test_path(s->store, "seg/0");
    DIR *dir = opendir(folder);
    cr_assert(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.') snprintf(s->path, sizeof s->path, "%s/%s", folder, entry->d_name);
    closedir(dir);
    FILE *file = fopen(s->path, "rb");
    cr_assert(file && fseek(file, 0, SEEK_END) == 0);
    s->size = (size_t)ftell(file);
    rewind(file);
    s->bytes = malloc(s->size);
    s->intact = malloc(s->size);
    cr_assert_eq(fread(s->intact, 1, s->size, file), s->size);
    memcpy(s->bytes, s->intact, s->size);
    fclose(file);
}

/* The value of a row in a column: any finite bits, which take a page of their own; few numbers; a constant. */
static double value_of(test_random *random, size_t column, int64_t row)
{
    double noise = sl_double_of(test_random_u64(random) & ~(UINT64_C(1) << 62));
    if (column == 0) return noise;
    return column == 1 ? (row % 5000 == 3 ? NAN : (double)(row / 64)) : 0.5;
}

static segment make(size_t columns, int is_noise, int64_t row_count)
{
    segment s = {.store = test_temp_dir()};
    test_random random = test_random_from(5);
    steplog_store *store = kit_store(s.store, STEPLOG_CREATE | STEPLOG_NO_THREAD, 64 << 20);
    steplog_writer *writer = kit_writer(store, "verified", 0, 0);
    steplog_schema schema = kit_schema(writer, "m", columns);
    for (int64_t row = 0; row < row_count; row++) {
        double values[3];
        for (size_t c = 0; c < columns; c++) values[c] = value_of(&random, is_noise ? 0 : c + 1, row);
        OK(steplog_writer_append(writer, schema, 10 * row, STEPLOG_TIME_NONE, values));
    }
    kit_writer_close(writer);
    kit_store_close(store);
    find_file(&s);
    return s;
}

static void put(const segment *s)
{
    FILE *file = fopen(s->path, "wb");
    cr_assert(file && fwrite(s->bytes, 1, s->size, file) == s->size && fclose(file) == 0);
}

static void end(segment *s)
{
    free(s->bytes);
    free(s->intact);
}

/* The offset of page number n of a kind; 0: there are not so many. */
static size_t page_of(const segment *s, uint8_t kind, size_t n)
{
    for (size_t at = 64; at < s->size; at += 24 + SL_PAD8((size_t)sl_load32(s->intact + at + 4)))
        if (s->intact[at + 2] == kind && n-- == 0) return at;
    return 0;
}

static size_t bytes_of(const segment *s, size_t page) { return 24 + SL_PAD8((size_t)sl_load32(s->intact + page + 4)); }

/* ---- what verify says ---- */

typedef struct seen {
    uint64_t count, with_run, with_steps;
    int64_t step_first, step_last; /* of all that name steps */
    char text[4000];
} seen;

static int see(void *context, const steplog_damage *finding)
{
    seen *s = context;
    size_t used = strlen(s->text);
    if (finding->is_notice) return 0;
    s->count++;
    s->with_run += finding->has_run != 0;
    if (finding->has_steps) {
        if (!s->with_steps || finding->step_first < s->step_first) s->step_first = finding->step_first;
        if (!s->with_steps || finding->step_last > s->step_last) s->step_last = finding->step_last;
        s->with_steps++;
    }
    snprintf(s->text + used, sizeof s->text - used, "%lld: %s (%s)\n", (long long)finding->offset, finding->what,
             finding->series ? finding->series : "-");
    return 0;
}

static steplog_status verify(const segment *s, seen *out)
{
    memset(out, 0, sizeof *out);
    steplog_verify_options options = {.size_bytes = sizeof options, .callback = see, .context = out};
    steplog_verify_result result = {.size_bytes = sizeof result};
    return steplog_store_verify(s->store, &options, &result, NULL);
}

/* The changed segment, its checks made right, must be called damaged in these words. */
static void is_told(segment *s, const char *words, const char *of)
{
    seen found;
    reseal_file(s->bytes, s->size, s->intact, s->size);
    put(s);
    steplog_status status = verify(s, &found);
    cr_expect(status == STEPLOG_CORRUPT && strstr(found.text, words), "%s: expected '%s'\n%s", of, words, found.text);
    memcpy(s->bytes, s->intact, s->size);
}

static uint64_t rows_of(const segment *s)
{
    steplog_store *store = kit_store(s->store, STEPLOG_READ_ONLY, 0);
    steplog_reader *reader = kit_reader(store);
    steplog_run_info run = {.size_bytes = sizeof run};
    OK(steplog_reader_run(reader, 0, &run, &kit_error));
    kit_rows rows = kit_read(reader, &run.id, "*", NULL);
    uint64_t count = rows.row_count;
    kit_rows_free(&rows);
    steplog_reader_close(reader);
    kit_store_close(store);
    return count;
}

/* ---- nodes and statistics ---- */

enum { LONG_ROWS = 66 * 1024 };

Test(verify_segment, finds_nodes_and_statistics_sound, .timeout = 60)
{
    seen found;
    segment s = make(2, 0, LONG_ROWS);
    cr_expect_eq(verify(&s, &found), STEPLOG_OK, "%s", found.text);
    cr_assert(page_of(&s, SL_PAGE_NODE_TABLE, 0) && page_of(&s, SL_PAGE_STATS_TABLE, 0) &&
              page_of(&s, SL_PAGE_NODE_STATS_TABLE, 0));
    end(&s);
}

#if defined(__SANITIZE_ADDRESS__)
#define STRIDE 29
#else
#define STRIDE 5
#endif

/* Each byte, as it is: told of, and nothing but time is lost. */
Test(verify_segment, tells_of_each_damaged_page_of_nodes_and_statistics_which_costs_nothing, .timeout = 300)
{
    static const uint8_t kinds[] = {SL_PAGE_NODE_TABLE, SL_PAGE_STATS_TABLE, SL_PAGE_NODE_STATS_TABLE};
    segment s = make(1, 0, LONG_ROWS);
    test_random random = test_random_begin("verify_segment");
    size_t flipped = 0;
    for (size_t k = 0; k < 3; k++)
        for (size_t n = 0, page; (page = page_of(&s, kinds[k], n)) != 0; n++) {
            size_t from = page + (size_t)test_random_below(&random, STRIDE);
            for (size_t at = from; at < page + bytes_of(&s, page); at += STRIDE) {
                seen found;
                char place[24];
                s.bytes[at] ^= (uint8_t)(1u << test_random_below(&random, 8));
                put(&s);
                snprintf(place, sizeof place, "%zu: ", page);
                cr_expect_eq(verify(&s, &found), STEPLOG_CORRUPT, "byte %zu", at);
                cr_expect(found.count == 1 && strncmp(found.text, place, strlen(place)) == 0, "byte %zu:\n%s", at,
                          found.text);
                if (flipped++ % 16 == 0) cr_expect_eq(rows_of(&s), LONG_ROWS, "byte %zu", at);
                s.bytes[at] = s.intact[at];
            }
        }
    end(&s);
}

Test(verify_segment, tells_of_each_field_that_lies, .timeout = 120)
{
    static const struct {
        uint8_t kind, entry_bytes;
        const char *words;
    } tables[] = {{SL_PAGE_NODE_TABLE, 48, "of the table of nodes does not say"},
                  {SL_PAGE_STATS_TABLE, 56, "the statistics of a chunk"},
                  {SL_PAGE_NODE_STATS_TABLE, 80, "of the table of statistics of nodes is not what"}};
    segment s = make(2, 0, LONG_ROWS);
    for (size_t t = 0; t < 3; t++)
        for (size_t n = 0, page; (page = page_of(&s, tables[t].kind, n)) != 0; n++)
            for (uint8_t at = 0; at < tables[t].entry_bytes; at++) {
                size_t entries = sl_load32(s.intact + page + 4) / tables[t].entry_bytes;
                char of[64];
                size_t entry = at % 2 ? entries - 1 : 0;
                s.bytes[page + 24 + entry * tables[t].entry_bytes + at] ^= 1;
                snprintf(of, sizeof of, "kind %u entry %zu byte %u", tables[t].kind, entry, at);
                is_told(&s, tables[t].words, of);
            }
    size_t group = page_of(&s, SL_PAGE_GROUP_TABLE, 0) + 24;
    for (size_t at = 64; at < 68; at++) {
        s.bytes[group + at] ^= 1;
        is_told(&s, "entry 0 of the table of groups does not say", "node first");
    }
    for (size_t at = 68; at < 76; at += 4) {
        s.bytes[group + at] ^= 1;
        is_told(&s, "entry 0 of the table of groups does not say", "stats first");
    }
    end(&s);
}

/* A group that says it has no statistics, and tables that have some. */
Test(verify_segment, tells_of_statistics_that_no_group_has)
{
    segment s = make(1, 0, LONG_ROWS);
    size_t group = page_of(&s, SL_PAGE_GROUP_TABLE, 0) + 24;
    memset(s.bytes + group + 68, 0xff, 8);
    is_told(&s, "the table of statistics has 66 entries, expected 0", "statistics");
    memset(s.bytes + group + 68, 0xff, 8);
    is_told(&s, "the table of statistics of nodes has 2 entries, expected 0", "statistics of nodes");
    end(&s);
}

/* ---- stripes ---- */

enum { STRIPED_ROWS = 20 * 1024 };

/* Where the page distance of column 0 stands in a CHUNK page: behind flags and payload bytes. */
static size_t distance_at(const segment *s, size_t page, uint64_t *distance)
{
    sl_chunk_head head;
    const uint8_t *content = s->intact + page + 24;
    cr_assert(sl_chunk_head_decode(content, sl_load32(s->intact + page + 4), &head));
    sl_span span = sl_span_of(head.directory + 1, head.directory_bytes - 1);
    sl_span_varint(&span);
    size_t at = (size_t)(span.at - s->intact);
    *distance = sl_span_varint(&span);
    return at;
}

static size_t put_distance(segment *s, size_t at, uint64_t distance)
{
    sl_buffer out = {0};
    sl_buffer_varint(&out, distance);
    size_t bytes = out.bytes;
    memcpy(s->bytes + at, out.data, bytes);
    sl_buffer_free(&out);
    return bytes;
}

/* A byte in a COLUMN page costs one chunk, though the pages of 16 stand between its first and its CHUNK page. */
Test(verify_segment, names_the_steps_of_one_chunk_for_a_page_in_a_stripe)
{
    seen found;
    segment s = make(2, 1, STRIPED_ROWS);
    for (int64_t n = 0; n < 3; n++) {
        size_t page = page_of(&s, SL_PAGE_COLUMN, (size_t)n);
        s.bytes[page + 100] ^= 1;
        put(&s);
        cr_expect_eq(verify(&s, &found), STEPLOG_CORRUPT);
        cr_expect(found.count == 1 && found.with_run == 1 && found.with_steps == 1 && strstr(found.text, "(m0)") &&
                      found.step_first == 10240 * n && found.step_last == 10240 * n + 10230,
                  "chunk %d, steps %lld to %lld\n%s", (int)n, (long long)found.step_first, (long long)found.step_last,
                  found.text);
        s.bytes[page + 100] ^= 1;
    }
    end(&s);
}

/* With its CHUNK page too nobody says whose a COLUMN page is, but those of the other chunks are known. */
Test(verify_segment, names_the_steps_of_a_chunk_whose_own_page_is_damaged_too)
{
    seen found;
    segment s = make(2, 1, STRIPED_ROWS);
    s.bytes[page_of(&s, SL_PAGE_COLUMN, 2) + 100] ^= 1;
    s.bytes[page_of(&s, SL_PAGE_CHUNK, 2) + 40] ^= 1;
    put(&s);
    cr_expect_eq(verify(&s, &found), STEPLOG_CORRUPT);
    cr_expect(found.count == 2 && found.with_run == 2 && found.with_steps == 2 && found.step_first == 20480 &&
                  found.step_last == 20480 + 10230,
              "steps %lld to %lld\n%s", (long long)found.step_first, (long long)found.step_last, found.text);
    end(&s);
}

Test(verify_segment, tells_of_column_pages_that_are_not_column_by_column)
{
    uint64_t distances[2];
    segment s = make(1, 1, STRIPED_ROWS);
    size_t pages[2] = {page_of(&s, SL_PAGE_CHUNK, 1), page_of(&s, SL_PAGE_CHUNK, 2)}, at[2];
    for (int i = 0; i < 2; i++) at[i] = distance_at(&s, pages[i], &distances[i]);
    size_t columns[2] = {pages[0] - distances[0], pages[1] - distances[1]};
    cr_assert(columns[0] == page_of(&s, SL_PAGE_COLUMN, 1) && columns[1] == page_of(&s, SL_PAGE_COLUMN, 2));
    cr_assert_eq(bytes_of(&s, columns[0]), bytes_of(&s, columns[1]), "neither is encoded");
    for (int i = 0; i < 2; i++) cr_assert_eq(put_distance(&s, at[i], pages[i] - columns[1 - i]), 3u);
    is_told(&s, "are not column by column", "swapped");
    put_distance(&s, at[0], pages[0] - columns[1]);
    is_told(&s, "no chunk of the stripe names this COLUMN page", "one left out");
    put_distance(&s, at[0], pages[0] - columns[1]);
    is_told(&s, "COLUMN pages that the chunk names are not those of its stripe", "one named twice");
    end(&s);
}

/* A chunk may not take its column from another stripe, though it would decode. */
Test(verify_segment, tells_of_a_chunk_that_names_pages_of_another_stripe)
{
    uint64_t distance;
    segment s = make(1, 1, STRIPED_ROWS);
    size_t page = page_of(&s, SL_PAGE_CHUNK, 17), at = distance_at(&s, page, &distance);
    cr_assert_gt(page_of(&s, SL_PAGE_COLUMN, 16), page_of(&s, SL_PAGE_CHUNK, 15), "there are two stripes");
    size_t before = put_distance(&s, at, distance), after = put_distance(&s, at, page - page_of(&s, SL_PAGE_COLUMN, 1));
    cr_assert_eq(before, after);
    is_told(&s, "COLUMN pages that the chunk names are not those of its stripe", "another stripe");
    end(&s);
}

/* A page between the COLUMN pages and the CHUNK pages: here of a kind that nobody knows, which is passed over elsewhere. */
Test(verify_segment, tells_of_a_page_within_a_stripe)
{
    segment s = make(1, 1, STRIPED_ROWS);
    s.bytes[page_of(&s, SL_PAGE_CHUNK, 0) + 2] = 7;
    is_told(&s, "no chunk of the stripe names this COLUMN page", "an unknown page instead of a chunk");
    end(&s);
}
