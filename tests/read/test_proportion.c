/* What a file says takes a reader no longer than its size explains (P6). The files here are such that what goes through
 * pairs of what they name would take a quarter of an hour and more, so nothing is timed. */
#include "steplog.h"

#include "format/fact_codec.h"
#include "os/os.h"
#include "read/segment_reader.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"
#include "write/segment_writer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* ---- making files that no writer makes ---- */

typedef struct made {
    const char *path;
    int dir;
    sl_segment_writer *segment;
} made;

static made begin_store(void)
{
    made m = {.path = test_path(test_temp_dir(), "store")};
    kit_store_close(kit_store(m.path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    m.dir = sl_os->open_dir(-1, m.path);
    cr_assert_geq(m.dir, 0);
    return m;
}

static void begin_segment(made *m) { OK(sl_segment_writer_open(m->dir, 0, &m->segment, &kit_error)); }

static void begin_writer(made *m, steplog_id run, steplog_id incarnation)
{
    sl_writer_description d = {
        .run = run, .incarnation = incarnation, .attempt = 1, .step_axis = "step", .step_axis_bytes = 4};
    sl_buffer description = {0};
    sl_writer_description_encode(&d, &description);
    OK(sl_segment_writer_begin(m->segment, description.data, description.bytes, &kit_error));
    sl_buffer_free(&description);
}

static void end_writer(made *m, const sl_ranges *held, const sl_ranges *dropped)
{
    static const sl_ranges none;
    OK(sl_segment_writer_end(m->segment, held ? held : &none, dropped ? dropped : &none, &kit_error));
}

static const char *end_segment(made *m)
{
    static char name[80];
    OK(sl_segment_writer_publish(m->segment, name, NULL, &kit_error));
    return test_path(m->path, name);
}

static void end_store(made *m) { sl_os->close(m->dir); }

static steplog_id id_of(uint64_t high, uint64_t low)
{
    steplog_id id;
    for (int i = 0; i < 8; i++) {
        id.bytes[i] = (uint8_t)(high >> (56 - 8 * i));
        id.bytes[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
    return id;
}

/* Opens a reader and asks for its runs. */
static steplog_reader *read_store(const made *m, steplog_store **store, size_t *run_count)
{
    *store = kit_store(m->path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(*store);
    *run_count = steplog_reader_run_count(reader);
    return reader;
}

/* ---- ranges ---- */

enum { RANGES = 1 << 20 };

/* A million ranges of each kind, which one by one would move 16 TB: held and dropped by turns. */
Test(proportion, ranges_of_a_writer_held_and_dropped_by_turns)
{
    made m = begin_store();
    sl_ranges held = {0}, dropped = {0};
    for (uint64_t i = 0; i < RANGES; i++) {
        cr_assert(sl_ranges_add(&held, 4 * i + 1, 4 * i + 2));
        cr_assert(sl_ranges_add(&dropped, 4 * i + 3, 4 * i + 4));
    }
    begin_segment(&m);
    begin_writer(&m, id_of(1, 1), id_of(2, 2));
    end_writer(&m, &held, &dropped);
    end_segment(&m);
    size_t run_count;
    steplog_store *store;
    steplog_reader *reader = read_store(&m, &store, &run_count);
    cr_expect_eq(run_count, 1u);
    kit_no_damage(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
    end_store(&m);
    SL_VEC_FREE(&held);
    SL_VEC_FREE(&dropped);
}

/* What FORMAT.md 8.6 says of their order is what makes them cheap to take: another order is damage. */
Test(proportion, ranges_in_descending_order_are_damage)
{
    made m = begin_store();
    sl_ranges held = {0};
    for (uint64_t i = RANGES; i > 0; i--) cr_assert(SL_VEC_PUSH(&held, (sl_range){2 * i, 2 * i + 1}));
    begin_segment(&m);
    begin_writer(&m, id_of(1, 1), id_of(2, 2));
    end_writer(&m, &held, NULL);
    end_segment(&m);
    size_t run_count;
    steplog_store *store;
    steplog_reader *reader = read_store(&m, &store, &run_count);
    cr_expect(steplog_reader_damage_count(reader) > 0);
    steplog_reader_close(reader);
    kit_store_close(store);
    end_store(&m);
    SL_VEC_FREE(&held);
}

/* Two writers of one identity are one source of records too many: they stand in order, each once. */
Test(proportion, writers_that_are_there_twice_are_damage)
{
    made m = begin_store();
    begin_segment(&m);
    for (uint64_t i = 0; i < 2; i++) {
        sl_ranges held = {0};
        cr_assert(sl_ranges_add(&held, 1 + 2 * i, 2 + 2 * i));
        begin_writer(&m, id_of(1, 1), id_of(2, 2));
        end_writer(&m, &held, NULL);
        SL_VEC_FREE(&held);
    }
    end_segment(&m);
    size_t run_count;
    steplog_store *store;
    steplog_reader *reader = read_store(&m, &store, &run_count);
    cr_expect(steplog_reader_damage_count(reader) > 0);
    steplog_reader_close(reader);
    kit_store_close(store);
    end_store(&m);
}

/* ---- ids ---- */

/* Each beginning of an id would make a place in a table of its own, if an id were its own hash. */
static void check_ids(int are_runs)
{
    enum { WRITERS = 150000 };
    made m = begin_store();
    sl_ranges held = {0};
    cr_assert(sl_ranges_add(&held, 1, 2));
    begin_segment(&m);
    for (uint64_t i = 0; i < WRITERS; i++) {
        begin_writer(&m, are_runs ? id_of(1, i) : id_of(1, 1), id_of(2, i));
        end_writer(&m, i < 2 ? &held : NULL, NULL);
    }
    end_segment(&m);
    steplog_store *store = kit_store(m.path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    kit_no_damage(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
    end_store(&m);
    SL_VEC_FREE(&held);
}

Test(proportion, writers_whose_ids_begin_with_the_same_bytes) { check_ids(0); }
Test(proportion, runs_whose_ids_begin_with_the_same_bytes) { check_ids(1); }

/* ---- rebuilt ---- */

/* The index is damaged, so it is made again from the pages. */
static void spoil_trailer(const char *path)
{
    FILE *file = fopen(path, "r+b");
    cr_assert(file && fseek(file, -100, SEEK_END) == 0);
    int byte = fgetc(file);
    cr_assert(fseek(file, -100, SEEK_END) == 0 && fputc(byte ^ 1, file) != EOF && fclose(file) == 0);
}

/* 150,000 writers; the last has dropped a million ranges. */
Test(proportion, writers_beside_dropped_ranges_in_a_rebuilt_segment)
{
    enum { WRITERS = 150000 };
    made m = begin_store();
    sl_ranges held = {0}, dropped = {0};
    cr_assert(sl_ranges_add(&held, 1, 2));
    for (uint64_t i = 1; i <= RANGES; i++) cr_assert(sl_ranges_add(&dropped, 2 * i, 2 * i + 1));
    begin_segment(&m);
    for (uint64_t i = 1; i <= WRITERS; i++) {
        begin_writer(&m, id_of(1, 1), id_of(i, i));
        end_writer(&m, &held, i == WRITERS ? &dropped : NULL);
    }
    spoil_trailer(end_segment(&m));
    size_t run_count;
    steplog_store *store;
    steplog_reader *reader = read_store(&m, &store, &run_count);
    cr_expect(steplog_reader_damage_count(reader) > 0);
    steplog_reader_close(reader);
    kit_store_close(store);
    end_store(&m);
    SL_VEC_FREE(&held);
    SL_VEC_FREE(&dropped);
}

/* A million groups of one chunk, each asked for: as segment_rebuild.c leaves them. */
Test(proportion, groups_of_a_rebuilt_segment)
{
    sl_segment segment = {.is_rebuilt = 1};
    sl_chunk_list chunks = {0};
    for (uint32_t i = 0; i < RANGES; i++) {
        cr_assert(SL_VEC_PUSH(&segment.groups, (sl_group_entry){.writer = i / 1000, .schema = 2 * (i % 1000),
                                                                .chunk_first = i, .chunk_count = 1}));
        cr_assert(SL_VEC_PUSH(&segment.rebuilt_chunks, (sl_chunk_entry){.page_offset = i, .sequence_first = 1}));
    }
    for (uint32_t i = 0; i < RANGES; i++) {
        OK(sl_segment_chunks(&segment, i, &chunks, &kit_error));
        cr_assert(chunks.count == 1 && chunks.items[0].page_offset == i);
    }
    SL_VEC_FREE(&segment.groups);
    SL_VEC_FREE(&segment.rebuilt_chunks);
    SL_VEC_FREE(&chunks);
}

/* ---- verify ---- */

/* Each of many gaps may explain what is missing of any of many writers: here the first record of each. */
Test(proportion, gaps_beside_writers_that_are_verified)
{
    enum { WRITERS = 60000, GAPS = 150000 };
    made m = begin_store();
    sl_ranges held = {0}, one = {0};
    cr_assert(sl_ranges_add(&held, 1, GAPS + 1) && sl_ranges_add(&one, 2, 3));
    begin_segment(&m);
    for (uint64_t i = 0; i < WRITERS; i++) {
        begin_writer(&m, id_of(1, 1), id_of(2, i));
        for (uint32_t n = 0; n < GAPS && i == 0; n++) {
            sl_buffer body = {0};
            sl_fact fact = {.kind = STEPLOG_EVENT_GAP, .attempt = 1, .time_ns = STEPLOG_TIME_NONE, .lamport = n,
                            .has_target = 1, .target = id_of(2, 1 + n % (WRITERS - 1)), .target_sequence = 1,
                            .number = 1};
            sl_fact_encode(&fact, &body);
            OK(sl_segment_writer_fact(m.segment, body.data, (uint32_t)body.bytes, 1 + n, 1, &kit_error));
            sl_buffer_free(&body);
        }
        end_writer(&m, i ? NULL : &held, i ? &one : NULL);
    }
    end_segment(&m);
    steplog_verify_result result = {.size_bytes = sizeof result};
    OK(steplog_store_verify(m.path, NULL, &result, &kit_error));
    cr_expect_eq(result.notice_count, 0u);
    end_store(&m);
    SL_VEC_FREE(&held);
    SL_VEC_FREE(&one);
}
