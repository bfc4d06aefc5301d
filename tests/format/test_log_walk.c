/* Tests of log_walk.c: logs built in memory, record by record, then damaged.
 *
 * log_of() begins one; put_*() append. walk_all() walks it and keeps what was given. */
#include "format/log_walk.h"

#include "support/fail_memory.h"
#include "support/random.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define KEY UINT64_C(0x1234567890abcdef)
#define CAPACITY_MAX (2u << 20)
#define ITEMS_MAX 40000u

static struct {
    uint8_t bytes[CAPACITY_MAX];
    uint64_t capacity, file_bytes, end;
    uint64_t first_sequence, sequence; /* of the next numbered record */
    uint64_t mark;
    int is_same_boot, read_fails;
    uint64_t late; /* so many reads do not see yet what is written at this place: 8 bytes */
    int late_reads;
    uint64_t read_bytes;
} built;

static struct {
    sl_log_item items[ITEMS_MAX]; /* the last one is END or ERROR */
    uint32_t content_hash[ITEMS_MAX];
    size_t count;
    int is_torn;
    uint64_t next_sequence, salvageable;
    sl_log_dictionary dictionary;
} got;

static void log_of(uint64_t capacity, uint64_t first_sequence)
{
    memset(&built, 0, sizeof built);
    built.capacity = built.file_bytes = capacity;
    built.end = SL_LOG_HEADER_BYTES;
    built.mark = SL_LOG_HEADER_BYTES;
    built.first_sequence = built.sequence = first_sequence;
}

static uint64_t put(unsigned kind, unsigned flags, uint32_t index, const void *body, size_t body_bytes)
{
    uint32_t bytes = SL_RECORD_HEAD_BYTES + (uint32_t)body_bytes;
    uint8_t *at = built.bytes + built.end;
    cr_assert(body_bytes % 8 == 0 && built.end + bytes <= built.capacity);
    memcpy(at + 16, body, body_bytes);
    uint64_t head = sl_record_head(bytes, kind, flags, index), offset = built.end;
    sl_store64(at, head);
    sl_store64(at + 8, sl_record_check_of(at, bytes, head, KEY, offset, built.sequence));
    built.sequence += SL_RECORD_IS_NUMBERED(kind);
    built.end += bytes;
    return offset;
}

static uint64_t put_part(unsigned kind, unsigned flags, uint32_t index, const void *data, uint32_t bytes,
                         uint32_t total)
{
    static uint8_t body[SL_RECORD_BYTES_MAX];
    memset(body, 0, sizeof body);
    sl_store32(body, bytes);
    sl_store32(body + 4, total);
    memcpy(body + 8, data, bytes);
    return put(kind, flags, index, body, 8 + (bytes + 7) / 8 * 8);
}

/* All parts of a text, each of at most part_bytes (a multiple of 8). */
static uint64_t put_text(unsigned kind, uint32_t index, const void *data, uint32_t bytes, uint32_t part_bytes)
{
    uint64_t offset = built.end;
    for (uint32_t from = 0; from == 0 || from < bytes; from += part_bytes) {
        uint32_t size = bytes - from < part_bytes ? bytes - from : part_bytes;
        unsigned flags = (from ? 0u : SL_PART_IS_FIRST) | (from + size < bytes ? SL_PART_HAS_MORE : 0u);
        put_part(kind, flags, index, (const uint8_t *)data + from, size, bytes);
    }
    return offset;
}

static uint64_t put_name(uint32_t metric, const char *name)
{
    return put_text(SL_RECORD_NAME, metric, name, (uint32_t)strlen(name), SL_PART_BYTES_MAX);
}

static uint64_t put_schema(uint32_t schema, const uint32_t *metrics, uint32_t count)
{
    static uint8_t content[4 * STEPLOG_ROW_METRICS_MAX + 8];
    for (uint32_t i = 0; i < count; i++) sl_store32(content + 4 * i, metrics[i]);
    return put_text(SL_RECORD_SCHEMA, schema, content, 4 * count, SL_PART_BYTES_MAX);
}

static uint64_t put_row(uint32_t schema, int64_t step, int64_t time_ns, const double *values, uint32_t count)
{
    static uint8_t body[SL_RECORD_BYTES_MAX];
    sl_store64(body, (uint64_t)step);
    sl_store64(body + 8, (uint64_t)time_ns);
    for (uint32_t i = 0; i < count; i++) sl_store64(body + 16 + 8 * i, sl_bits_of(values[i]));
    return put(SL_RECORD_ROW, 0, schema, body, 16 + 8 * count);
}

static uint64_t put_point(uint32_t metric, int64_t step, int64_t time_ns, double value)
{
    uint8_t body[24];
    sl_store64(body, (uint64_t)step);
    sl_store64(body + 8, (uint64_t)time_ns);
    sl_store64(body + 16, sl_bits_of(value));
    return put(SL_RECORD_POINT, 0, metric, body, 24);
}

static uint64_t put_more(uint32_t metric, double value)
{
    uint8_t body[8];
    sl_store64(body, sl_bits_of(value));
    return put(SL_RECORD_CONTINUATION, 0, metric, body, 8);
}

static uint64_t put_more_at(uint32_t metric, int64_t time_ns, double value)
{
    uint8_t body[16];
    sl_store64(body, (uint64_t)time_ns);
    sl_store64(body + 8, sl_bits_of(value));
    return put(SL_RECORD_CONTINUATION, SL_CONTINUATION_HAS_TIME, metric, body, 16);
}

/* A log with metrics 0 to 2, "loss", "rate", "norm", and schema 0 of the first two. */
static void usual_log(void)
{
    log_of(65536, 1);
    put_name(0, "loss");
    put_name(1, "rate");
    put_name(2, "norm");
    put_schema(0, (const uint32_t[]){0, 1}, 2);
}

static int64_t read_built(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    (void)context;
    if (built.read_fails) return -5;
    if (offset >= built.file_bytes) return 0;
    if (bytes > built.file_bytes - offset) bytes = (size_t)(built.file_bytes - offset);
    memcpy(buffer, built.bytes + offset, bytes);
    built.read_bytes += bytes;
    if (built.late_reads && built.late >= offset && built.late + 8 <= offset + bytes) {
        built.late_reads--;
        memset((uint8_t *)buffer + (built.late - offset), 0, 8);
    }
    return (int64_t)bytes;
}

static void begin(sl_log_walk *walk)
{
    sl_dictionary_free(&got.dictionary);
    sl_log_walk_init(walk, read_built, NULL, KEY, built.capacity, built.first_sequence, built.mark, &got.dictionary);
    walk->is_same_boot = built.is_same_boot;
    got.count = 0;
}

/* Goes on to the next END or ERROR; items of kind OTHER are left out. */
static void go_on(sl_log_walk *walk)
{
    sl_log_item item;
    do {
        sl_log_walk_next(walk, &item);
        cr_assert_eq(walk->offset % 8, 0);
        if (item.kind == SL_ITEM_OTHER) continue;
        cr_assert_lt(got.count, ITEMS_MAX);
        if (item.kind == SL_ITEM_TEXT)
            got.content_hash[got.count] = (uint32_t)sl_hash(item.content, item.content_bytes);
        if (item.kind == SL_ITEM_ROW) item.value = sl_double_of(sl_load64(item.values));
        got.items[got.count++] = item;
    } while (item.kind != SL_ITEM_END && item.kind != SL_ITEM_ERROR);
    got.is_torn = walk->is_torn;
    got.next_sequence = walk->next_sequence;
}

static size_t rows_together; /* by the last walk in memory */

/* A log that stands in memory gives the same items, whole rows of one schema several at a time. */
static void walk_in_memory(void)
{
    sl_log_walk walk;
    sl_log_dictionary dictionary = {0};
    sl_log_item item = {.kind = SL_ITEM_OTHER};
    sl_log_rows rows;
    size_t i = 0;
    sl_log_walk_init(&walk, NULL, NULL, KEY, built.capacity, built.first_sequence, built.mark, &dictionary);
    walk.is_same_boot = built.is_same_boot;
    walk.memory = built.bytes;
    rows_together = 0;
    while (item.kind != SL_ITEM_END && item.kind != SL_ITEM_ERROR) {
        uint32_t count = sl_log_walk_rows(&walk, &rows);
        cr_assert_eq(count, rows.count);
        for (uint32_t r = 0; r < count; r++, i++) {
            const sl_log_item *other = &got.items[i];
            cr_assert_eq(other->kind, SL_ITEM_ROW);
            cr_assert_null(other->presence);
            cr_assert_eq(other->index, rows.index);
            cr_assert_eq(other->sequence, rows.sequence + r);
            cr_assert_eq(other->step, (int64_t)sl_load64(rows.bodies[r]));
            cr_assert_eq(other->time_ns, (int64_t)sl_load64(rows.bodies[r] + 8));
            cr_assert_eq(other->offset, (uint64_t)(rows.bodies[r] - built.bytes) - SL_RECORD_HEAD_BYTES);
        }
        rows_together += count;
        if (count) continue;
        sl_log_walk_next(&walk, &item);
        if (item.kind == SL_ITEM_OTHER) continue;
        cr_assert_eq(got.items[i].kind, item.kind);
        cr_assert_eq(got.items[i].offset, item.offset);
        cr_assert_eq(got.items[i].sequence, item.sequence);
        cr_assert_eq(got.items[i].sequence_count, item.sequence_count);
        i++;
    }
    cr_assert_eq(i, got.count);
    cr_assert_eq(walk.is_torn, got.is_torn);
    cr_assert_eq(walk.next_sequence, got.next_sequence);
    cr_assert_eq(sl_log_walk_salvageable(&walk), got.salvageable);
    sl_log_walk_free(&walk);
    sl_dictionary_free(&dictionary);
}

static void walk_all(void)
{
    sl_log_walk walk;
    begin(&walk);
    go_on(&walk);
    got.salvageable = sl_log_walk_salvageable(&walk);
    sl_log_walk_free(&walk);
    if (!built.read_fails && !built.late_reads && built.file_bytes == built.capacity &&
        got.items[got.count - 1].kind == SL_ITEM_END)
        walk_in_memory();
}

static size_t count_of(sl_log_item_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < got.count; i++) count += got.items[i].kind == kind;
    return count;
}

/* Numbers given and numbers missing are, in order, first_sequence up to next_sequence. Parts of incomplete texts have
 * numbers that no item gives: then at most. */
static void check_numbers(int is_exact)
{
    uint64_t next = built.first_sequence;
    for (size_t i = 0; i < got.count; i++) {
        if (is_exact)
            cr_assert_eq(got.items[i].sequence, next);
        else
            cr_assert_geq(got.items[i].sequence, next);
        if (got.items[i].kind != SL_ITEM_END) next = got.items[i].sequence + got.items[i].sequence_count;
    }
    cr_assert_leq(next, got.next_sequence);
}

#define EXPECT_END(torn)                                          \
    do {                                                          \
        cr_assert_eq(got.items[got.count - 1].kind, SL_ITEM_END); \
        cr_assert_eq(got.is_torn, (torn));                        \
    } while (0)

/* ---- what is whole ---- */

Test(log_walk, gives_nothing_of_an_empty_log)
{
    log_of(65536, 17);
    walk_all();
    cr_expect_eq(got.count, 1u);
    EXPECT_END(0);
    cr_expect_eq(got.next_sequence, 17u);
    cr_expect_eq(got.salvageable, 0u);
}

Test(log_walk, gives_rows_and_points_in_order)
{
    usual_log();
    uint64_t row = put_row(0, -5, STEPLOG_TIME_NONE, (const double[]){1.5, 2.5}, 2);
    uint64_t point = put_point(2, INT64_MAX, INT64_MIN + 2, -0.0);
    walk_all();
    cr_assert_eq(got.count, 3u);
    EXPECT_END(0);
    const sl_log_item *item = &got.items[0];
    cr_expect(item->kind == SL_ITEM_ROW && item->offset == row && item->bytes == 48 && item->sequence == 1);
    cr_expect(item->step == -5 && item->time_ns == STEPLOG_TIME_NONE && item->value_count == 2 &&
              item->presence == NULL);
    cr_expect_eq(item->value, 1.5);
    item = &got.items[1];
    cr_expect(item->kind == SL_ITEM_POINT && item->offset == point && item->bytes == 40 && item->sequence == 2);
    cr_expect(item->step == INT64_MAX && item->time_ns == INT64_MIN + 2 && item->index == 2 && item->value_count == 1);
    cr_expect_eq(sl_bits_of(item->value), UINT64_C(1) << 63);
    cr_expect_str_eq(sl_dictionary_name_of(&got.dictionary, 2)->text, "norm");
    cr_expect_eq(sl_dictionary_schema_of(&got.dictionary, 0)->count, 2u);
}

Test(log_walk, gives_presence_of_a_sparse_row)
{
    usual_log();
    uint8_t body[32] = {[16] = 2};
    put(SL_RECORD_ROW, SL_ROW_HAS_PRESENCE, 0, body, 32);
    walk_all();
    cr_expect(got.items[0].kind == SL_ITEM_ROW && got.items[0].value_count == 1 && got.items[0].presence != NULL);
}

Test(log_walk, resolves_continuations_with_and_without_a_time)
{
    usual_log();
    put_point(0, 10, 100, 1);
    put_more(1, 2);
    put_more_at(2, 200, 3);
    put_name(3, "later"); /* has no number: what follows keeps its base */
    put_more(3, 4);
    walk_all();
    cr_assert_eq(count_of(SL_ITEM_POINT), 4u);
    cr_assert_eq(got.count, 5u);
    static const int64_t times[] = {100, 100, 200, 100};
    for (uint32_t i = 0; i < 4; i++) {
        cr_expect_eq(got.items[i].index, i);
        cr_expect_eq(got.items[i].step, 10);
        cr_expect_eq(got.items[i].time_ns, times[i], "point %u", (unsigned)i);
        cr_expect_eq(got.items[i].value, i + 1.0);
    }
}

Test(log_walk, a_continuation_without_its_base_is_damage)
{
    usual_log();
    put_more(0, 1); /* no base at all */
    put_point(0, 10, 100, 1);
    put_row(0, 11, 0, (const double[]){1, 2}, 2);
    put_more(1, 2); /* a row is between */
    put_point(0, 12, 100, 1);
    put_text(SL_RECORD_FACT, 0, "f", 1, 8);
    put_more(1, 2); /* a fact is between */
    put_point(0, 13, 100, 1);
    put_name(1, "another"); /* differs: damage, though it has no number */
    put_more(1, 2);
    put_point(0, 14, 100, 1);
    walk_all();
    cr_expect_eq(count_of(SL_ITEM_POINT), 4u);
    cr_expect_eq(count_of(SL_ITEM_DAMAGE), 5u);
    check_numbers(1);
    EXPECT_END(0);
}

Test(log_walk, what_is_not_named_is_damage_and_its_number_is_missing)
{
    usual_log();
    put_row(1, 1, 0, (const double[]){1}, 1);       /* no such schema */
    put_point(3, 1, 0, 1);                          /* no such metric */
    put_row(0, 1, 0, (const double[]){1, 2, 3}, 3); /* too long */
    put(SL_RECORD_POINT, 1, 0, (const uint8_t[24]){0}, 24);
    put(SL_RECORD_POINT, 0, 0, (const uint8_t[32]){0}, 32);
    put(SL_RECORD_ROW, 0x10, 0, (const uint8_t[32]){0}, 32); /* a value type that this version has not got */
    put_point(0, 1, 0, 1);
    put(SL_RECORD_CONTINUATION, 2, 0, (const uint8_t[8]){0}, 8);
    put_point(0, 1, 0, 1);
    put(SL_RECORD_CONTINUATION, 1, 0, (const uint8_t[8]){0}, 8);
    walk_all();
    cr_expect_eq(count_of(SL_ITEM_DAMAGE), 8u);
    cr_expect_eq(count_of(SL_ITEM_POINT), 2u);
    cr_expect_eq(got.next_sequence, 11u);
    check_numbers(1);
    EXPECT_END(0);
}

Test(log_walk, goes_on_where_it_ended_when_more_was_written)
{
    usual_log();
    sl_log_walk walk;
    begin(&walk);
    for (int64_t i = 1; i <= 300; i++) {
        put_point(0, i, 0, (double)i);
        if (i % 3) put_more(1, 0);
        got.count = 0;
        go_on(&walk);
        cr_assert_eq(got.count, i % 3 ? 3u : 2u);
        cr_assert_eq(got.items[0].step, i);
        if (i % 50 == 0) sl_log_walk_rest(&walk);
    }
    sl_log_walk_free(&walk);
}

Test(log_walk, fills_a_log_to_its_last_byte)
{
    usual_log();
    while (built.capacity - built.end >= 80) put_point(0, 1, 1, 1);
    uint32_t left = (uint32_t)(built.capacity - built.end);
    put_text(SL_RECORD_FACT, 0, built.bytes + 60000, left - 24, SL_PART_BYTES_MAX);
    cr_assert_eq(built.end, built.capacity);
    walk_all();
    cr_expect_eq(count_of(SL_ITEM_TEXT), 1u);
    cr_expect_eq(count_of(SL_ITEM_DAMAGE), 0u);
    EXPECT_END(0);
    cr_expect_eq(got.next_sequence, built.sequence);
}

/* ---- texts ---- */

Test(log_walk, puts_long_texts_together)
{
    test_random random = test_random_begin("log_walk");
    static uint8_t text[300000];
    test_random_fill(&random, text, sizeof text);
    for (int round = 0; round < 100; round++) {
        uint32_t bytes = (uint32_t)(test_random_u64(&random) % sizeof text >> test_random_below(&random, 18));
        uint32_t part = round % 4 ? SL_PART_BYTES_MAX : 8 + 8 * (uint32_t)test_random_below(&random, 8187);
        if (bytes / part > 200) bytes = 200 * part;
        uint32_t parts = bytes ? (bytes + part - 1) / part : 1;
        log_of(CAPACITY_MAX, 5);
        uint64_t offset = put_text(round % 2 ? SL_RECORD_FACT : SL_RECORD_BLOB, 0, text, bytes, part);
        uint64_t length = built.end - offset;
        put_text(SL_RECORD_FACT, 0, "next", 4, 8);
        walk_all();
        cr_assert_eq(got.count, 3u, "%u bytes in parts of %u", (unsigned)bytes, (unsigned)part);
        cr_assert(got.items[0].kind == SL_ITEM_TEXT && got.items[0].content_bytes == bytes);
        cr_assert_eq(got.content_hash[0], (uint32_t)sl_hash(text, bytes));
        cr_assert(got.items[0].offset == offset && got.items[0].bytes == length);
        cr_assert(got.items[0].sequence == 5 && got.items[0].sequence_count == parts);
        cr_assert_eq(got.items[1].sequence, 5 + parts);
        EXPECT_END(0);
    }
}

static struct {
    uint8_t bytes[300000];
    size_t count;
} apart;

static void take_apart(void *context, const uint8_t *data, size_t bytes, uint64_t at)
{
    cr_assert_eq(context, &apart);
    if (at == 0) apart.count = 0;
    cr_assert(at == apart.count && bytes && at + bytes <= sizeof apart.bytes);
    memcpy(apart.bytes + at, data, bytes);
    apart.count += bytes;
}

Test(log_walk, gives_the_data_of_blobs_apart)
{
    test_random random = test_random_begin("log_walk, apart");
    static uint8_t data[150000];
    static char name[STEPLOG_NAME_BYTES_MAX];
    test_random_fill(&random, data, sizeof data);
    memset(name, 'n', sizeof name);
    for (int round = 0; round < 200; round++) {
        uint32_t bytes = (uint32_t)(test_random_u64(&random) % sizeof data >> test_random_below(&random, 18));
        uint32_t part = round % 4 ? SL_PART_BYTES_MAX : 8 + 8 * (uint32_t)test_random_below(&random, 8187);
        sl_blob blob = {.data_bytes = bytes,
                        .name = name,
                        .content_type = name,
                        .name_bytes = 1 + (uint32_t)test_random_below(&random, sizeof name >> round % 17),
                        .content_type_bytes = (uint32_t)test_random_below(&random, 1000)};
        sl_buffer body = {0};
        sl_blob_encode(&blob, &body);
        size_t head_bytes = body.bytes;
        sl_buffer_put(&body, data, bytes);
        if (body.bytes / part > 200) part = 8 * ((uint32_t)body.bytes / 1600 + 1);
        log_of(CAPACITY_MAX, 5);
        uint64_t offset = put_text(SL_RECORD_BLOB, 0, body.data, (uint32_t)body.bytes, part);
        put_text(SL_RECORD_FACT, 0, "next", 4, 8);
        sl_log_walk walk;
        begin(&walk);
        walk.has_heads_only = 1;
        walk.take_data = round % 3 ? take_apart : NULL;
        walk.data_context = &apart;
        apart.count = 0;
        go_on(&walk);
        cr_assert_eq(got.count, 3u);
        cr_assert(got.items[0].kind == SL_ITEM_TEXT && got.items[0].offset == offset && got.items[0].sequence == 5);
        cr_assert_eq(got.items[0].content_bytes, head_bytes);
        cr_assert_eq(got.content_hash[0], (uint32_t)sl_hash(body.data, head_bytes));
        cr_assert_eq(got.items[0].data_bytes, bytes);
        cr_assert_eq(apart.count, round % 3 ? bytes : 0u);
        cr_assert_eq(memcmp(apart.bytes, data, apart.count), 0);
        cr_assert_eq(got.items[1].content_bytes, 4u);
        cr_assert_leq(walk.text.capacity, 2 * head_bytes + 64);
        EXPECT_END(0);
        sl_log_walk_rest(&walk);
        cr_assert_eq(walk.text.capacity, 0u);
        sl_log_walk_free(&walk);
        sl_buffer_free(&body);
    }
}

/* Nobody takes such texts for valid; of each, enough is given to see that. */
Test(log_walk, keeps_little_of_texts_that_are_too_long)
{
    enum { MOST = 88 + STEPLOG_NAME_BYTES_MAX + STEPLOG_VALUE_BYTES_MAX + 1, PARTS = 24 };
    static uint8_t part[SL_PART_BYTES_MAX];
    static const unsigned kinds[] = {SL_RECORD_FACT, SL_RECORD_WRITER, SL_RECORD_NAME, SL_RECORD_SCHEMA};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        sl_log_walk walk;
        log_of(CAPACITY_MAX, 1);
        for (int n = 0; n < PARTS; n++)
            put_part(kinds[i], (n ? 0 : SL_PART_IS_FIRST) | (n + 1 < PARTS ? SL_PART_HAS_MORE : 0), 0, part,
                     sizeof part, PARTS * (uint32_t)sizeof part);
        begin(&walk);
        go_on(&walk);
        cr_expect_leq(walk.text.bytes, (size_t)MOST, "kind %u", kinds[i]);
        cr_expect_eq(count_of(kinds[i] == SL_RECORD_FACT ? SL_ITEM_TEXT : SL_ITEM_DAMAGE), 1u, "kind %u", kinds[i]);
        if (kinds[i] == SL_RECORD_FACT) cr_expect_eq(got.items[0].content_bytes, (uint32_t)MOST);
        sl_log_walk_free(&walk);
    }
}

Test(log_walk, drops_incomplete_texts_without_calling_them_damage)
{
    uint8_t text[64] = {0};
    usual_log();
    put_part(SL_RECORD_FACT, SL_PART_IS_FIRST | SL_PART_HAS_MORE, 0, text, 16, 64);
    put_point(0, 1, 1, 1); /* another kind */
    put_part(SL_RECORD_FACT, SL_PART_IS_FIRST | SL_PART_HAS_MORE, 0, text, 16, 64);
    put_text(SL_RECORD_BLOB, 0, text, 40, 16); /* another kind of text */
    put_part(SL_RECORD_FACT, SL_PART_IS_FIRST | SL_PART_HAS_MORE, 0, text, 16, 64);
    put_text(SL_RECORD_FACT, 0, text, 40, 16);                                      /* a first part again */
    put_part(SL_RECORD_FACT, SL_PART_IS_FIRST | SL_PART_HAS_MORE, 0, text, 16, 64); /* the end of the log */
    walk_all();
    cr_expect_eq(count_of(SL_ITEM_DAMAGE), 0u);
    cr_expect_eq(count_of(SL_ITEM_TEXT), 2u);
    cr_expect_eq(got.items[1].sequence, 4u);
    cr_expect_eq(got.items[1].sequence_count, 3u);
    cr_expect_eq(got.items[2].sequence, 8u);
    check_numbers(0);
    cr_expect_eq(got.next_sequence, built.sequence);
    EXPECT_END(0);
}

Test(log_walk, parts_that_do_not_fit_are_damage)
{
    uint8_t text[64] = {0};
    static const struct {
        unsigned kind, flags;
        uint32_t index, bytes, total;
    } seconds[] = {
        {SL_RECORD_FACT, 0, 1, 16, 32},                                         /* another index */
        {SL_RECORD_FACT, 0, 0, 16, 40},                                         /* another total */
        {SL_RECORD_FACT, 0, 0, 8, 32},                                          /* last, but too short */
        {SL_RECORD_FACT, 0, 0, 24, 32},                                         /* last, but too long */
        {SL_RECORD_FACT, SL_PART_HAS_MORE, 0, 16, 32},                          /* complete, but says there is more */
        {SL_RECORD_BLOB, 0, 0, 16, 32},                                         /* nothing of this kind is under way */
        {SL_RECORD_FACT, SL_PART_IS_FIRST | 4, 0, 16, 16},                      /* unknown flag */
        {SL_RECORD_FACT, SL_PART_IS_FIRST, 0, 16, (1u << 26) + (1u << 20) + 1}, /* above the limit */
        {SL_RECORD_FACT, SL_PART_IS_FIRST | SL_PART_HAS_MORE, 0, 16, (1u << 26) + (1u << 20) + 1},
        {SL_RECORD_FACT, SL_PART_IS_FIRST | SL_PART_HAS_MORE, 0, 16, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        usual_log();
        put_part(SL_RECORD_FACT, SL_PART_IS_FIRST | SL_PART_HAS_MORE, 0, text, 16, 32);
        put_part(seconds[i].kind, seconds[i].flags, seconds[i].index, text, seconds[i].bytes, seconds[i].total);
        put_part(SL_RECORD_FACT, 0, 0, text, 16, 32); /* after damage nothing is under way */
        put_text(SL_RECORD_FACT, 0, text, 3, 8);
        walk_all();
        cr_expect_eq(count_of(SL_ITEM_DAMAGE), 2u, "case %zu", i);
        cr_expect_eq(count_of(SL_ITEM_TEXT), 1u, "case %zu", i);
        cr_expect_eq(got.items[0].sequence, 2u);
        cr_expect_eq(got.items[2].sequence, 4u);
        cr_expect_eq(got.next_sequence, 5u);
        EXPECT_END(0);
    }
}

/* ---- the dictionary ---- */

Test(log_walk, takes_what_is_restated_alike_and_calls_other_words_damage)
{
    usual_log();
    put_name(0, "loss");
    put_schema(0, (const uint32_t[]){0, 1}, 2);
    walk_all();
    cr_expect_eq(count_of(SL_ITEM_DAMAGE), 0u);
    uint64_t name = put_name(0, "lost");
    uint64_t schema = put_schema(0, (const uint32_t[]){1, 0}, 2);
    put_schema(0, (const uint32_t[]){0}, 1);
    walk_all();
    cr_assert_eq(count_of(SL_ITEM_DAMAGE), 3u);
    cr_expect_eq(got.items[0].offset, name);
    cr_expect_eq(got.items[1].offset, schema);
    for (size_t i = 0; i < 3; i++) cr_expect_eq(got.items[i].sequence_count, 0u, "no number is missing");
    cr_expect_str_eq(sl_dictionary_name_of(&got.dictionary, 0)->text, "loss", "the first counts");
    cr_expect_eq(sl_dictionary_schema_of(&got.dictionary, 0)->metrics[0], 0u);
}

Test(log_walk, names_may_be_65536_bytes_long_and_schemas_4096_metrics)
{
    static char name[65538];
    static uint32_t metrics[4097];
    memset(name, 'n', sizeof name - 1);
    log_of(CAPACITY_MAX, 1);
    put_name(4096, name); /* 65537 bytes */
    for (uint32_t i = 0; i <= 4096; i++) {
        char text[16];
        snprintf(text, sizeof text, "%u", (unsigned)i);
        put_name(metrics[i] = i, text);
    }
    name[65536] = 0;
    put_name(4097, name);
    put_schema(0, metrics, 4097);
    put_schema(1, metrics, 4096);
    static double values[4096];
    put_row(1, 1, 1, values, 4096);
    put_row(0, 1, 1, values, 4096);
    walk_all();
    cr_expect_eq(count_of(SL_ITEM_DAMAGE), 3u);
    cr_expect_eq(count_of(SL_ITEM_ROW), 1u);
    cr_expect_eq(sl_dictionary_name_of(&got.dictionary, 4097)->bytes, 65536u);
    cr_expect_str_eq(sl_dictionary_name_of(&got.dictionary, 4096)->text, "4096");
    EXPECT_END(0);
}

Test(log_walk, a_replay_leaves_the_dictionary_alone)
{
    usual_log();
    put_point(0, 1, 1, 1);
    walk_all();
    sl_log_walk walk;
    sl_log_item item;
    sl_log_walk_init(&walk, read_built, NULL, KEY, built.capacity, 1, built.mark, &got.dictionary);
    walk.is_replay = 1;
    do sl_log_walk_next(&walk, &item);
    while (item.kind == SL_ITEM_OTHER);
    cr_expect_eq(item.kind, SL_ITEM_POINT);
    cr_expect_eq(got.dictionary.names.count, 3u);
    sl_log_walk_free(&walk);
}

/* ---- damage ---- */

Test(log_walk, drops_a_torn_last_record)
{
    for (size_t at = 0; at < 48; at++) {
        usual_log();
        put_point(0, 1, 1, 1);
        uint64_t last = put_row(0, 2, 2, (const double[]){1, 2}, 2);
        built.bytes[last + at] ^= 0x10;
        walk_all();
        cr_expect_eq(got.count, 2u);
        EXPECT_END(1);
        cr_expect_eq(got.items[1].offset, last);
        cr_expect_eq(got.next_sequence, 2u);
        cr_expect_eq(got.salvageable, 0u);
    }
}

/* What can not be read may be records: whoever would remove the log must not take them for nothing. */
Test(log_walk, what_cannot_be_read_behind_a_torn_end_counts_as_salvageable)
{
    sl_log_walk walk;
    usual_log();
    uint64_t broken = put_point(0, 2, 1, 1);
    put_point(0, 3, 1, 1);
    built.bytes[broken + 20] ^= 1;
    begin(&walk);
    go_on(&walk);
    sl_log_walk_rest(&walk);
    built.read_fails = 1;
    cr_assert_gt(sl_log_walk_salvageable(&walk), 0u);
    built.read_fails = 0;
    cr_assert_eq(sl_log_walk_salvageable(&walk), 1u);
    sl_log_walk_free(&walk);
}

Test(log_walk, above_the_mark_ends_at_damage_and_counts_what_is_salvageable)
{
    usual_log();
    put_point(0, 1, 1, 1);
    uint64_t broken = put_point(0, 2, 1, 1);
    put_point(0, 3, 1, 1);
    put_name(3, "more");
    put_point(3, 4, 1, 1);
    built.bytes[broken + 20] ^= 1;
    walk_all();
    cr_expect_eq(got.count, 2u);
    EXPECT_END(1);
    cr_expect_eq(got.salvageable, 2u, "the record without a number does not count");
    built.mark = broken; /* what begins at the mark is above it */
    walk_all();
    cr_expect_eq(got.count, 2u);
    EXPECT_END(1);
}

static test_random hole_random;

/* Now and then it does not know, or not exactly. */
static uint64_t next_built_data(void *context, uint64_t offset)
{
    uint64_t data = offset;
    (void)context;
    while (data < built.capacity && built.bytes[data] == 0) data++;
    if (test_random_below(&hole_random, 4) == 0) return offset;
    if (data == built.capacity) return test_random_below(&hole_random, 2) ? data : UINT64_MAX;
    uint64_t less = test_random_below(&hole_random, 5000);
    return data - offset > less ? data - less : data;
}

Test(log_walk, passes_over_holes_as_if_they_were_read)
{
    hole_random = test_random_begin("log_walk, holes");
    for (int round = 0; round < 60; round++) {
        sl_log_walk walk;
        usual_log();
        built.capacity = built.file_bytes = CAPACITY_MAX;
        for (int n = 0; n < 3; n++) {
            put_point(0, 1, 1, 1);
            uint64_t broken = put_point(0, 2, 1, 1);
            built.bytes[broken + 20] ^= 1;
            uint64_t hole = test_random_u64(&hole_random) % 600000 >> test_random_below(&hole_random, 20);
            built.end += hole / 8 * 8;
            if (round % 3 && n == 2) break;
            put_point(0, 3, 1, 1);
        }
        if (round % 2) built.mark = built.end;
        built.is_same_boot = !(round % 4);
        walk_all();
        static sl_log_item read_items[16];
        size_t count = got.count;
        uint64_t salvageable = got.salvageable;
        cr_assert_lt(count, 16u);
        memcpy(read_items, got.items, count * sizeof *read_items);
        begin(&walk);
        walk.next_data = next_built_data;
        go_on(&walk);
        cr_assert_eq(got.count, count, "round %d: %d of %d", round, (int)got.count, (int)count);
        for (size_t i = 0; i < count; i++)
            cr_assert(got.items[i].kind == read_items[i].kind && got.items[i].offset == read_items[i].offset &&
                      got.items[i].bytes == read_items[i].bytes && got.items[i].sequence == read_items[i].sequence);
        cr_assert_eq(sl_log_walk_salvageable(&walk), salvageable);
        sl_log_walk_free(&walk);
    }
}

/* Behind a broken record lie words that might begin records, up to the end of a large log. */
static void log_of_rubbish(void)
{
    usual_log();
    built.capacity = built.file_bytes = CAPACITY_MAX;
    built.is_same_boot = 1;
    put_point(0, 1, 1, 1);
    uint64_t broken = put_point(0, 2, 1, 1);
    built.bytes[broken + 20] ^= 1;
    for (uint64_t at = built.end + 4096; at < CAPACITY_MAX; at += 8)
        sl_store64(built.bytes + at, sl_record_head(64, SL_RECORD_ROW, 0, 0));
}

Test(log_walk, searches_once_behind_an_end_that_stays)
{
    for (int is_same_boot = 0; is_same_boot < 2; is_same_boot++) {
        sl_log_walk walk;
        log_of_rubbish();
        built.is_same_boot = is_same_boot;
        begin(&walk);
        walk.is_ended = 1;
        for (int round = 0; round < 10; round++) {
            built.read_bytes = 0;
            go_on(&walk);
            cr_assert_eq(sl_log_walk_salvageable(&walk), 0u);
            EXPECT_END(1);
            if (round) cr_assert_leq(built.read_bytes, 300000u, "%d bytes", (int)built.read_bytes);
        }
        size_t seen = got.count;
        built.bytes[built.end - SL_RECORD_HEAD_BYTES - 24 + 20] ^= 1; /* whole after all */
        go_on(&walk);
        cr_assert_eq(got.count, seen + 2);
        cr_assert_eq(got.items[seen].kind, SL_ITEM_POINT);
        EXPECT_END(0);
        sl_log_walk_free(&walk);
    }
}

Test(log_walk, searches_again_while_somebody_appends)
{
    sl_log_walk walk;
    log_of_rubbish();
    begin(&walk);
    go_on(&walk);
    EXPECT_END(1);
    cr_assert_eq(sl_log_walk_salvageable(&walk), 0u);
    size_t seen = got.count;
    put_point(0, 3, 1, 1);
    go_on(&walk);
    cr_assert_eq(got.count, seen + 3);
    cr_assert_eq(got.items[seen].kind, SL_ITEM_DAMAGE);
    cr_assert_eq(got.items[seen + 1].kind, SL_ITEM_POINT);
    cr_assert_eq(got.items[seen + 1].sequence, 3u);
    sl_log_walk_free(&walk);
}

Test(log_walk, below_the_mark_passes_over_damage_and_says_which_numbers_are_missing)
{
    usual_log();
    put_point(0, 1, 1, 1);
    uint64_t broken = put_point(0, 2, 1, 1);
    put_point(0, 3, 1, 1);
    uint64_t next = put_point(0, 4, 1, 1);
    put_more(0, 5);
    built.mark = built.end;
    memset(built.bytes + broken, 0, 80); /* two records: their commit words are zero */
    walk_all();
    cr_assert_eq(got.count, 5u);
    cr_expect(got.items[1].kind == SL_ITEM_DAMAGE && got.items[1].offset == broken &&
              got.items[1].bytes == next - broken);
    cr_expect(got.items[1].sequence == 2 && got.items[1].sequence_count == 2);
    cr_expect(got.items[2].kind == SL_ITEM_POINT && got.items[2].sequence == 4 && got.items[2].step == 4);
    cr_expect_eq(got.items[3].sequence, 5u);
    check_numbers(1);
    EXPECT_END(0);
}

Test(log_walk, above_the_mark_passes_over_damage_when_no_power_cut_can_be_the_reason)
{
    usual_log();
    put_point(0, 1, 1, 1);
    uint64_t broken = put_point(0, 2, 1, 1);
    put_point(0, 3, 1, 1);
    built.is_same_boot = 1;
    built.bytes[broken + 30] ^= 1;
    walk_all();
    cr_assert_eq(got.count, 4u);
    cr_expect(got.items[1].kind == SL_ITEM_DAMAGE && got.items[1].sequence == 2 && got.items[1].sequence_count == 1);
    cr_expect_eq(got.items[2].step, 3);
    EXPECT_END(0);
    memset(built.bytes + broken, 0, 8); /* a zero commit word above the mark is the end, also then */
    walk_all();
    cr_expect_eq(got.count, 2u);
    EXPECT_END(0);
}

/* The second half of a record is read before its writer gets there, and what comes later is read when it is there. */
Test(log_walk, a_record_that_is_being_written_is_not_damage)
{
    for (int reads = 1; reads <= 2; reads++) {
        usual_log();
        put_point(0, 1, 1, 1);
        uint64_t late = put_point(0, 2, 1, 1);
        put_point(0, 3, 1, 1);
        built.is_same_boot = 1;
        built.late = late + 24;
        built.late_reads = reads;
        walk_all();
        cr_assert_eq(got.count, 4u);
        cr_expect_eq(built.late_reads, 0);
        cr_expect_eq(count_of(SL_ITEM_DAMAGE), 0u);
        cr_expect_eq(got.items[1].step, 2);
        check_numbers(1);
        EXPECT_END(0);
    }
}

Test(log_walk, a_continuation_behind_damage_has_no_base)
{
    usual_log();
    put_point(0, 1, 1, 1);
    uint64_t broken = put_more(1, 2);
    put_more(2, 3);
    put_point(0, 2, 1, 1);
    built.mark = built.end;
    built.bytes[broken + 16] ^= 1;
    walk_all();
    cr_expect_eq(count_of(SL_ITEM_POINT), 2u);
    cr_expect_eq(count_of(SL_ITEM_DAMAGE), 2u);
    check_numbers(1);
}

Test(log_walk, without_a_record_behind_damage_all_up_to_the_mark_is_damage)
{
    usual_log();
    put_point(0, 1, 1, 1);
    uint64_t broken = put_point(0, 2, 1, 1);
    built.mark = built.end + 4000;
    built.bytes[broken + 30] ^= 1;
    walk_all();
    cr_assert_eq(got.count, 3u);
    cr_expect(got.items[1].kind == SL_ITEM_DAMAGE && got.items[1].offset == broken);
    cr_expect_eq(got.items[1].offset + got.items[1].bytes, built.mark);
    EXPECT_END(1);
}

Test(log_walk, a_number_too_far_ahead_is_not_believed)
{
    for (uint64_t skipped = 0; skipped < 6; skipped++) {
        usual_log();
        uint64_t broken = put_point(0, 1, 1, 1);
        built.sequence = 1 + skipped; /* 40 bytes hold one record: at most 1 + 40 / 24 + 1 can be next */
        put_point(0, 2, 1, 1);
        built.mark = built.end;
        built.bytes[broken + 30] ^= 1;
        walk_all();
        cr_expect_eq(count_of(SL_ITEM_POINT), skipped <= 2 ? 1u : 0u, "%u skipped", (unsigned)skipped);
        cr_expect_eq(got.next_sequence, skipped <= 2 ? 2 + skipped : 1, "%u skipped", (unsigned)skipped);
    }
}

Test(log_walk, remains_of_an_earlier_use_are_not_taken)
{
    usual_log();
    for (int64_t i = 1; i <= 100; i++) put_point(0, i, 1, 1);
    uint64_t again = built.end - 40;
    built.sequence = 5000; /* a record that lies right, but with a number of another time */
    built.end = again;
    put_point(0, 100, 1, 1);
    built.is_same_boot = 1;
    walk_all();
    cr_expect_eq(count_of(SL_ITEM_POINT), 99u);
    EXPECT_END(1);
}

Test(log_walk, a_copy_that_was_cut_ends_where_it_was_cut)
{
    usual_log();
    uint64_t ends[101];
    for (int64_t i = 0; i < 100; i++) ends[i] = put_point(0, i, 1, 1);
    ends[100] = built.end;
    for (uint64_t cut = ends[90]; cut <= ends[100]; cut++) {
        uint64_t whole = (cut - ends[0]) / 40, left = (cut - ends[0]) % 40;
        built.file_bytes = cut;
        built.mark = SL_LOG_HEADER_BYTES;
        walk_all();
        cr_assert_eq(count_of(SL_ITEM_POINT), whole);
        cr_assert_eq(count_of(SL_ITEM_DAMAGE), 0u);
        EXPECT_END(left >= 8);
        built.mark = ends[100];
        walk_all();
        cr_assert_eq(count_of(SL_ITEM_POINT), whole);
        cr_assert_eq(count_of(SL_ITEM_DAMAGE), whole < 100 ? 1u : 0u);
    }
}

Test(log_walk, every_flipped_bit_costs_at_most_the_records_it_is_in)
{
    test_random random = test_random_begin("log_walk");
    usual_log();
    uint64_t first = built.end;
    for (int64_t i = 0; i < 60; i++) {
        if (i % 3 == 0)
            put_row(0, i, i, (const double[]){1, 2}, 2);
        else
            put_point((uint32_t)i % 2, i, i, 3);
    }
    built.mark = built.end;
    for (int round = 0; round < 1500; round++) {
        uint64_t bit = 8 * first + test_random_below(&random, 8 * (built.end - first));
        built.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        walk_all();
        cr_assert_eq(count_of(SL_ITEM_DAMAGE), 1u, "bit %llu", (unsigned long long)bit);
        cr_assert_eq(count_of(SL_ITEM_POINT) + count_of(SL_ITEM_ROW), 59u, "bit %llu", (unsigned long long)bit);
        /* The last one has no successor that tells its number. */
        cr_assert_geq(got.next_sequence, 60u);
        check_numbers(1);
        built.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

Test(log_walk, survives_hostile_lengths_and_any_bytes)
{
    test_random random = test_random_begin("log_walk");
    for (int round = 0; round < 300; round++) {
        usual_log();
        for (int i = 0; i < 50; i++) put_point(0, i, 1, 1);
        uint64_t end = built.end;
        uint64_t count = 1 + test_random_below(&random, 40);
        for (uint64_t i = 0; i < count; i++) {
            uint64_t at = SL_LOG_HEADER_BYTES +
                          8 * test_random_below(&random, (built.capacity - SL_LOG_HEADER_BYTES) / 8);
            if (round % 2) at = SL_LOG_HEADER_BYTES + 8 * test_random_below(&random, (end - SL_LOG_HEADER_BYTES) / 8);
            test_random_fill(&random, built.bytes + at, 8);
            if (round % 3) built.bytes[at + 2] = (uint8_t)(1 + test_random_below(&random, 5));
            if (round % 5 == 0) sl_store16(built.bytes + at, 8191);
        }
        built.mark = SL_LOG_HEADER_BYTES +
                     8 * test_random_below(&random, (built.capacity - SL_LOG_HEADER_BYTES) / 8 + 1);
        built.is_same_boot = round % 2;
        if (round % 7 == 0) built.file_bytes = SL_LOG_HEADER_BYTES + test_random_below(&random, built.capacity);
        if (built.file_bytes > built.capacity) built.file_bytes = built.capacity;
        walk_all();
        cr_assert_eq(got.items[got.count - 1].kind, SL_ITEM_END);
        check_numbers(0);
    }
}

Test(log_walk, wholly_valid_heads_all_over_cost_bounded_time)
{
    log_of(65536, 1);
    for (uint64_t at = SL_LOG_HEADER_BYTES; at < built.capacity; at += 8)
        sl_store64(built.bytes + at, sl_record_head(32768, SL_RECORD_BLOB, 0, 0));
    built.mark = built.capacity;
    walk_all();
    cr_expect_eq(count_of(SL_ITEM_DAMAGE), 1u);
    EXPECT_END(1);
}

Test(log_walk, gives_the_errors_of_reading_and_of_memory)
{
    sl_log_walk walk;
    sl_log_item item;
    usual_log();
    put_point(0, 1, 1, 1);
    built.read_fails = 1;
    begin(&walk);
    sl_log_walk_next(&walk, &item);
    cr_expect(item.kind == SL_ITEM_ERROR && item.os_errno == 5);
    built.read_fails = 0;
    go_on(&walk);
    cr_expect_eq(count_of(SL_ITEM_POINT), 1u, "and can be asked again");
    sl_log_walk_free(&walk);
    begin(&walk);
    test_memory_fail(1, 1);
    sl_log_walk_next(&walk, &item);
    test_memory_restore();
    cr_expect(item.kind == SL_ITEM_ERROR && item.os_errno == 0);
    go_on(&walk);
    cr_expect_eq(count_of(SL_ITEM_POINT), 1u);
    sl_log_walk_free(&walk);
    sl_dictionary_free(&got.dictionary);
}

Test(log_walk, gives_rows_in_memory_many_at_a_time)
{
    double values[2] = {1.5, 2.5};
    usual_log();
    put_schema(1, (const uint32_t[]){2}, 1);
    for (int64_t row = 0; row < 100; row++) put_row(0, row, -row, values, 2);
    for (int64_t row = 0; row < 40; row++) put_row(1, row, 0, values, 1);
    put_point(0, 7, 0, 1);
    for (int64_t row = 0; row < 5; row++) put_row(0, row, 0, values, 2);
    walk_all();
    cr_assert_eq(count_of(SL_ITEM_ROW), 145);
    cr_assert_eq(rows_together, 145);
    built.bytes[SL_LOG_HEADER_BYTES + 1500] ^= 1; /* in one of the first rows */
    built.mark = built.end;
    walk_all();
    cr_assert_eq(count_of(SL_ITEM_DAMAGE), 1);
    cr_assert_eq(rows_together, 144);
}
