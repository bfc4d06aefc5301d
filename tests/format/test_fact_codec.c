/* Tests of fact_codec.c: facts, blob heads and writer descriptions. */
#include "format/fact_codec.h"

#include "support/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static char text_of_a[STEPLOG_VALUE_BYTES_MAX];

/* ---- the three bodies, seen alike: decode, then encode again ---- */

typedef int (*again)(const uint8_t *data, size_t bytes, sl_buffer *out);

static int fact_again(const uint8_t *data, size_t bytes, sl_buffer *out)
{
    sl_fact fact;
    if (!sl_fact_decode(data, bytes, &fact)) return 0;
    sl_fact_encode(&fact, out);
    return 1;
}

static int blob_again(const uint8_t *data, size_t bytes, sl_buffer *out)
{
    sl_blob blob;
    size_t head_bytes;
    if (!sl_blob_decode(data, bytes, &blob, &head_bytes)) return 0;
    sl_blob_encode(&blob, out);
    return head_bytes == bytes; /* the caller compares that */
}

static int writer_again(const uint8_t *data, size_t bytes, sl_buffer *out)
{
    sl_writer_description description;
    if (!sl_writer_description_decode(data, bytes, &description)) return 0;
    sl_writer_description_encode(&description, out);
    return 1;
}

/* Decodes from memory that ends with the body: 0 refused, 1 taken. What is taken must say all that the bytes say. */
static int is_taken(again body, const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    cr_assert_not_null(copy);
    if (bytes) memcpy(copy, data, bytes);
    sl_buffer out = {0};
    int is_good = body(copy, bytes, &out);
    if (is_good) cr_assert(out.bytes == bytes && memcmp(out.data, copy, bytes) == 0, "something was not taken over");
    sl_buffer_free(&out);
    free(copy);
    return is_good;
}

/* Every bit changes what is said or is refused, and every cut and every byte more is refused. */
static void flip_and_cut(again body, sl_buffer *data)
{
    cr_assert(is_taken(body, data->data, data->bytes));
    for (size_t bit = 0; bit < 8 * data->bytes; bit++) {
        data->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        is_taken(body, data->data, data->bytes);
        data->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < data->bytes; cut++) cr_assert_not(is_taken(body, data->data, cut), "cut at %zu", cut);
    sl_buffer_u8(data, 0);
    cr_assert_not(is_taken(body, data->data, data->bytes), "a byte more");
}

/* ---- facts ---- */

static sl_fact random_fact(test_random *random, uint32_t text_bytes_max)
{
    unsigned flags = (unsigned)test_random_below(random, 16);
    sl_fact fact = {.kind = (uint8_t)(1 + test_random_below(random, 255)),
                    .lamport = test_random_u64(random),
                    .time_ns = (int64_t)test_random_u64(random),
                    .attempt = (uint32_t)test_random_u64(random),
                    .parent_attempt = (uint32_t)test_random_u64(random),
                    .number = (int64_t)test_random_u64(random),
                    .has_key = flags & 1,
                    .has_value = flags >> 1 & 1,
                    .has_steps = flags >> 2 & 1,
                    .has_target = flags >> 3 & 1,
                    .step_begin = (int64_t)test_random_u64(random),
                    .step_end = (int64_t)test_random_u64(random),
                    .target_sequence = test_random_u64(random),
                    .key = text_of_a,
                    .value = text_of_a};
    if (fact.kind == 1) fact.has_key = 1;
    test_random_fill(random, fact.target.bytes, 16);
    fact.key_bytes = (uint32_t)test_random_below(random, (text_bytes_max > 65536 ? 65536 : text_bytes_max) + 1);
    fact.value_bytes = (uint32_t)test_random_below(random, text_bytes_max + 1);
    return fact;
}

Test(fact_codec, facts_lie_as_the_format_says)
{
    sl_buffer out = {0};
    sl_fact fact = {.kind = 7,
                    .lamport = 2,
                    .time_ns = 3,
                    .attempt = 1,
                    .parent_attempt = 5,
                    .number = 4,
                    .has_key = 1,
                    .has_value = 1,
                    .has_steps = 1,
                    .has_target = 1,
                    .step_begin = INT64_MIN,
                    .step_end = INT64_MAX,
                    .target_sequence = 9,
                    .key = "key",
                    .value = "value",
                    .key_bytes = 3,
                    .value_bytes = 5};
    fact.target.bytes[0] = 0xab;
    sl_fact_encode(&fact, &out);
    cr_assert_eq(out.bytes, 48u + 16 + 24 + 8);
    static const uint8_t head[48] = {7, 15, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
                                     4, 0,  0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0};
    cr_expect_eq(memcmp(out.data, head, 48), 0);
    cr_expect_eq(sl_load64(out.data + 48), UINT64_C(1) << 63);
    cr_expect_eq(sl_load64(out.data + 56), (uint64_t)INT64_MAX);
    cr_expect_eq(out.data[64], 0xab);
    cr_expect_eq(sl_load64(out.data + 80), 9u);
    cr_expect_eq(memcmp(out.data + 88, "keyvalue", 8), 0);
    sl_buffer_free(&out);
}

Test(fact_codec, texts_are_no_longer_than_their_limits)
{
    char *text = malloc(STEPLOG_VALUE_BYTES_MAX + 1);
    cr_assert_not_null(text);
    memset(text, 'a', STEPLOG_VALUE_BYTES_MAX + 1);
    for (uint32_t more = 0; more < 2; more++) {
        sl_buffer key = {0}, value = {0}, name = {0}, type = {0};
        uint32_t name_bytes = STEPLOG_NAME_BYTES_MAX + more, value_bytes = STEPLOG_VALUE_BYTES_MAX + more;
        sl_fact_encode(&(sl_fact){.kind = 1, .has_key = 1, .key = text, .key_bytes = name_bytes}, &key);
        sl_fact_encode(&(sl_fact){.kind = 7, .has_value = 1, .value = text, .value_bytes = value_bytes}, &value);
        sl_blob_encode(&(sl_blob){.name = text, .name_bytes = name_bytes}, &name);
        sl_blob_encode(
            &(sl_blob){.name = text, .name_bytes = 1, .content_type = text, .content_type_bytes = name_bytes}, &type);
        cr_expect_eq(is_taken(fact_again, key.data, key.bytes), !more);
        cr_expect_eq(is_taken(fact_again, value.data, value.bytes), !more);
        cr_expect_eq(is_taken(blob_again, name.data, name.bytes), !more);
        cr_expect_eq(is_taken(blob_again, type.data, type.bytes), !more);
        sl_buffer_free(&key), sl_buffer_free(&value), sl_buffer_free(&name), sl_buffer_free(&type);
    }
    free(text);
}

Test(fact_codec, facts_return)
{
    test_random random = test_random_begin("fact_codec");
    memset(text_of_a, 'a', sizeof text_of_a);
    for (int round = 0; round < 3000; round++) {
        sl_buffer out = {0};
        sl_fact fact = random_fact(&random, round % 100 ? 40 : 70000), back;
        sl_fact_encode(&fact, &out);
        cr_assert(is_taken(fact_again, out.data, out.bytes));
        cr_assert(sl_fact_decode(out.data, out.bytes, &back));
        cr_assert(back.kind == fact.kind && back.lamport == fact.lamport && back.time_ns == fact.time_ns);
        cr_assert(back.number == fact.number && back.attempt == fact.attempt &&
                  back.parent_attempt == fact.parent_attempt);
        cr_assert(back.has_key == fact.has_key && back.has_value == fact.has_value);
        cr_assert(back.has_key ? back.key_bytes == fact.key_bytes : back.key == NULL && back.key_bytes == 0);
        cr_assert(back.has_value ? back.value_bytes == fact.value_bytes : back.value == NULL);
        cr_assert_eq(back.step_begin, fact.has_steps ? fact.step_begin : INT64_MIN);
        cr_assert_eq(back.step_end, fact.has_steps ? fact.step_end : INT64_MAX);
        sl_buffer_free(&out);
    }
}

Test(fact_codec, facts_take_the_longest_key_and_value)
{
    sl_buffer out = {0};
    memset(text_of_a, 'a', sizeof text_of_a);
    sl_fact fact = {.kind = 1,
                    .has_key = 1,
                    .has_value = 1,
                    .key = text_of_a,
                    .value = text_of_a,
                    .key_bytes = STEPLOG_NAME_BYTES_MAX,
                    .value_bytes = STEPLOG_VALUE_BYTES_MAX};
    sl_fact_encode(&fact, &out);
    cr_expect(is_taken(fact_again, out.data, out.bytes));
    sl_buffer_free(&out);
}

Test(fact_codec, notices_every_bit_and_every_cut_of_a_fact)
{
    test_random random = test_random_begin("fact_codec");
    memset(text_of_a, 'a', sizeof text_of_a);
    for (int round = 0; round < 100; round++) {
        sl_buffer out = {0};
        sl_fact fact = random_fact(&random, 20);
        sl_fact_encode(&fact, &out);
        flip_and_cut(fact_again, &out);
        sl_buffer_free(&out);
    }
}

Test(fact_codec, refuses_facts_that_break_a_rule)
{
    static const struct {
        size_t at;
        uint8_t byte;
        const char *what;
    } changes[] = {
        {0, 0, "kind 0"},
        {1, 0x10, "an unknown flag"},
        {1, 0x80, "an unknown flag"},
        {2, 1, "reserved"},
        {3, 1, "reserved"},
        {44, 1, "reserved"},
        {47, 1, "reserved"},
        {36, 2, "a key that is longer"},
        {36, 0, "a key that is shorter"},
        {40, 9, "a longer value"},
        {1, 2, "key bytes without a key"},
        {1, 1, "value bytes without a value"},
        {48, 0xff, "not UTF-8"},
        {49, 0xc3, "not UTF-8"},
        {39, 0xff, "a length near 2^32"},
        {43, 0xff, "a length near 2^32"},
        {1, 7, "steps that are not there"},
        {1, 11, "a target that is not there"},
    };
    sl_buffer out = {0};
    sl_fact fact = {
        .kind = 2, .has_key = 1, .has_value = 1, .key = "k", .value = "v", .key_bytes = 1, .value_bytes = 1};
    sl_fact_encode(&fact, &out);
    cr_assert(is_taken(fact_again, out.data, out.bytes));
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        uint8_t before = out.data[changes[i].at];
        out.data[changes[i].at] = changes[i].byte;
        cr_expect_not(is_taken(fact_again, out.data, out.bytes), "%s", changes[i].what);
        out.data[changes[i].at] = before;
    }
    sl_buffer_clear(&out);
    fact.kind = 1; /* SET */
    fact.has_key = 0;
    sl_fact_encode(&fact, &out);
    cr_expect_not(is_taken(fact_again, out.data, out.bytes), "SET without a key");
    sl_buffer_free(&out);
}

/* ---- blobs ---- */

Test(fact_codec, blob_heads_return_and_say_where_the_data_begins)
{
    test_random random = test_random_begin("fact_codec");
    memset(text_of_a, 'a', sizeof text_of_a);
    for (int round = 0; round < 300; round++) {
        sl_buffer out = {0};
        size_t head_bytes;
        sl_blob back,
            blob = {.step = (int64_t)test_random_u64(&random),
                    .time_ns = (int64_t)test_random_u64(&random),
                    .data_bytes = test_random_below(&random, STEPLOG_BLOB_BYTES_MAX + 1),
                    .content_hash = test_random_u64(&random),
                    .name = text_of_a,
                    .content_type = "image/png",
                    .name_bytes = 1 + (uint32_t)test_random_below(&random, round ? 40 : STEPLOG_NAME_BYTES_MAX),
                    .content_type_bytes = (uint32_t)test_random_below(&random, 10)};
        sl_blob_encode(&blob, &out);
        cr_assert_eq(out.bytes, 40 + blob.name_bytes + blob.content_type_bytes);
        cr_assert_eq(sl_load64(out.data + 24), blob.data_bytes);
        if (round < 50 && out.bytes < 200) flip_and_cut(blob_again, &out); /* leaves a byte more: data */
        cr_assert(sl_blob_decode(out.data, out.bytes, &back, &head_bytes));
        cr_assert(back.step == blob.step && back.time_ns == blob.time_ns && back.content_hash == blob.content_hash);
        cr_assert(back.name_bytes == blob.name_bytes && back.data_bytes == blob.data_bytes);
        cr_assert_eq(head_bytes, 40 + blob.name_bytes + blob.content_type_bytes);
        sl_buffer_free(&out);
    }
}

Test(fact_codec, refuses_blob_heads_that_break_a_rule)
{
    sl_buffer out = {0};
    sl_blob blob = {.data_bytes = STEPLOG_BLOB_BYTES_MAX,
                    .name = "n",
                    .content_type = "t",
                    .name_bytes = 1,
                    .content_type_bytes = 1};
    sl_blob_encode(&blob, &out);
    cr_expect(is_taken(blob_again, out.data, out.bytes));
    sl_store64(out.data + 24, STEPLOG_BLOB_BYTES_MAX + 1);
    cr_expect_not(is_taken(blob_again, out.data, out.bytes), "too much data");
    sl_store64(out.data + 24, 0);
    cr_expect(is_taken(blob_again, out.data, out.bytes), "a blob without data is one");
    out.data[40] = 0x80;
    cr_expect_not(is_taken(blob_again, out.data, out.bytes), "a name that is not UTF-8");
    out.data[40] = 'n';
    sl_store32(out.data + 16, UINT32_MAX);
    cr_expect_not(is_taken(blob_again, out.data, out.bytes), "a name beyond the end");
    sl_store32(out.data + 16, 0);
    sl_store32(out.data + 20, 2);
    cr_expect_not(is_taken(blob_again, out.data, out.bytes), "no name");
    sl_buffer_free(&out);
}

/* ---- writers ---- */

static void put_label(sl_buffer *out, const char *key, const char *value)
{
    sl_buffer_u32(out, (uint32_t)strlen(key));
    sl_buffer_put(out, key, strlen(key));
    sl_buffer_u32(out, (uint32_t)strlen(value));
    sl_buffer_put(out, value, strlen(value));
}

/* A writer on host "h" that counts steps, with these labels. */
static sl_buffer writer_body(const sl_buffer *labels, uint32_t label_count)
{
    sl_buffer out = {0};
    sl_writer_description description = {.attempt = 1,
                                         .rank = 2,
                                         .flags = 7,
                                         .process_id = 3,
                                         .resume_step = INT64_MIN,
                                         .start_time_ns = 5,
                                         .process_start_ns = 6,
                                         .host = "h",
                                         .step_axis = "step",
                                         .host_bytes = 1,
                                         .step_axis_bytes = 4,
                                         .label_count = label_count,
                                         .labels = labels->data,
                                         .labels_bytes = (uint32_t)labels->bytes};
    memset(&description.incarnation, 0x11, 64);
    sl_writer_description_encode(&description, &out);
    return out;
}

Test(fact_codec, writers_return_with_their_labels)
{
    const char *key, *value;
    uint32_t key_bytes, value_bytes;
    sl_buffer labels = {0};
    put_label(&labels, "a", "");
    put_label(&labels, "ab", "two");
    put_label(&labels, "b", "three");
    sl_buffer out = writer_body(&labels, 3);
    sl_writer_description back;
    cr_assert(is_taken(writer_again, out.data, out.bytes));
    cr_assert(sl_writer_description_decode(out.data, out.bytes, &back));
    cr_expect(back.attempt == 1 && back.rank == 2 && back.flags == 7 && back.process_id == 3);
    cr_expect(back.resume_step == INT64_MIN && back.start_time_ns == 5 && back.process_start_ns == 6);
    cr_expect(back.host_bytes == 1 && back.step_axis_bytes == 4 && memcmp(back.step_axis, "step", 4) == 0);
    cr_expect_eq(sl_load32(out.data + 104), 1u);
    sl_span span = sl_span_of(back.labels, back.labels_bytes);
    static const char *const keys[] = {"a", "ab", "b"}, *const values[] = {"", "two", "three"};
    for (int i = 0; i < 3; i++) {
        cr_assert(sl_label_next(&span, &key, &key_bytes, &value, &value_bytes));
        cr_expect(key_bytes == strlen(keys[i]) && memcmp(key, keys[i], key_bytes) == 0);
        cr_expect(value_bytes == strlen(values[i]) && memcmp(value, values[i], value_bytes) == 0);
    }
    cr_expect_not(sl_label_next(&span, &key, &key_bytes, &value, &value_bytes));
    flip_and_cut(writer_again, &out);
    sl_buffer_free(&out);
    sl_buffer_free(&labels);
}

Test(fact_codec, writers_have_up_to_64_labels)
{
    sl_buffer labels = {0};
    for (int i = 0; i < 64; i++) put_label(&labels, (const char[]){(char)('0' + i), 0}, "v");
    sl_buffer out = writer_body(&labels, 64);
    cr_expect(is_taken(writer_again, out.data, out.bytes));
    sl_buffer_free(&out);
    put_label(&labels, "~", "v");
    out = writer_body(&labels, 65);
    cr_expect_not(is_taken(writer_again, out.data, out.bytes));
    sl_buffer_free(&out);
    out = writer_body(&labels, UINT32_MAX);
    cr_expect_not(is_taken(writer_again, out.data, out.bytes));
    sl_buffer_free(&out);
    out = writer_body(&labels, 64);
    cr_expect_not(is_taken(writer_again, out.data, out.bytes), "a label behind the last one");
    sl_buffer_free(&out);
    sl_buffer_free(&labels);
}

Test(fact_codec, refuses_labels_that_are_not_sorted_or_twice)
{
    static const char *const pairs[][2] = {{"b", "a"}, {"a", "a"}, {"ab", "a"}, {"a", ""}, {"\xc3\xa9", "z"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        sl_buffer labels = {0};
        put_label(&labels, pairs[i][0], "1");
        put_label(&labels, pairs[i][1], "2");
        sl_buffer out = writer_body(&labels, 2);
        cr_expect_not(is_taken(writer_again, out.data, out.bytes), "pair %zu", i);
        sl_buffer_free(&out);
        sl_buffer_free(&labels);
    }
}

Test(fact_codec, refuses_writers_that_break_a_rule)
{
    sl_buffer labels = {0};
    put_label(&labels, "key", "value");
    sl_buffer out = writer_body(&labels, 1);
    cr_assert(is_taken(writer_again, out.data, out.bytes));
    sl_store32(out.data + 64, 0);
    cr_expect_not(is_taken(writer_again, out.data, out.bytes), "attempt 0");
    sl_store32(out.data + 64, 1);
    out.data[108] = 0xfe;
    cr_expect_not(is_taken(writer_again, out.data, out.bytes), "a host that is not UTF-8");
    out.data[108] = 'h';
    out.data[out.bytes - 1] = 0xfe;
    cr_expect_not(is_taken(writer_again, out.data, out.bytes), "a label that is not UTF-8");
    sl_buffer_free(&out);
    sl_buffer_free(&labels);
}

Test(fact_codec, survives_any_bytes)
{
    test_random random = test_random_begin("fact_codec");
    uint8_t noise[200];
    for (int round = 0; round < 20000; round++) {
        size_t bytes = test_random_below(&random, sizeof noise);
        test_random_fill(&random, noise, bytes);
        for (size_t i = 0; i < bytes; i++) noise[i] &= round % 3 ? 0x1f : 0xff;
        is_taken(fact_again, noise, bytes);
        is_taken(writer_again, noise, bytes);
        sl_blob blob;
        size_t head_bytes;
        sl_blob_decode(noise, bytes, &blob, &head_bytes);
        cr_assert_leq(head_bytes, bytes);
    }
}
