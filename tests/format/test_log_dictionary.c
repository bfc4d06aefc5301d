/* Tests of log_dictionary.c: what is taken in, what is refused, and that refusal leaves no trace. */
#include "format/log_dictionary.h"

#include "support/fail_memory.h"
#include "support/random.h"

#include <criterion/criterion.h>
#include <stdio.h>

static steplog_status add_name(sl_log_dictionary *dictionary, uint32_t index, const char *name)
{
    return sl_dictionary_add(dictionary, SL_RECORD_NAME, index, (const uint8_t *)name, (uint32_t)strlen(name));
}

/* A name that no other index has. */
static steplog_status add_any_name(sl_log_dictionary *dictionary, uint32_t index)
{
    char name[16];
    snprintf(name, sizeof name, "m%u", (unsigned)index);
    return add_name(dictionary, index, name);
}

static steplog_status add_schema(sl_log_dictionary *dictionary, uint32_t index, const uint32_t *metrics, uint32_t count)
{
    static uint8_t content[4 * STEPLOG_ROW_METRICS_MAX + 4];
    for (uint32_t i = 0; i < count; i++) sl_store32(content + 4 * i, metrics[i]);
    return sl_dictionary_add(dictionary, SL_RECORD_SCHEMA, index, content, 4 * count);
}

Test(log_dictionary, knows_what_it_was_told)
{
    sl_log_dictionary dictionary = {0};
    cr_expect_null(sl_dictionary_name_of(&dictionary, 0));
    cr_expect_null(sl_dictionary_schema_of(&dictionary, 0));
    cr_expect_eq(add_name(&dictionary, 2, "two"), STEPLOG_OK);
    cr_expect_eq(add_name(&dictionary, 0, "zero"), STEPLOG_OK);
    cr_expect_str_eq(sl_dictionary_name_of(&dictionary, 2)->text, "two");
    cr_expect_eq(sl_dictionary_name_of(&dictionary, 0)->bytes, 4u);
    cr_expect_null(sl_dictionary_name_of(&dictionary, 1));
    cr_expect_null(sl_dictionary_name_of(&dictionary, UINT32_MAX));
    cr_expect_eq(add_schema(&dictionary, 65535, (const uint32_t[]){2, 0}, 2), STEPLOG_OK);
    cr_expect_eq(sl_dictionary_schema_of(&dictionary, 65535)->metrics[0], 2u);
    cr_expect_null(sl_dictionary_schema_of(&dictionary, 0));
    sl_dictionary_free(&dictionary);
    cr_expect_null(sl_dictionary_name_of(&dictionary, 2));
}

Test(log_dictionary, takes_the_same_words_again_and_refuses_others)
{
    sl_log_dictionary dictionary = {0};
    add_name(&dictionary, 0, "a");
    add_name(&dictionary, 1, "b");
    add_schema(&dictionary, 0, (const uint32_t[]){0, 1}, 2);
    cr_expect_eq(add_name(&dictionary, 0, "a"), STEPLOG_OK);
    cr_expect_eq(add_name(&dictionary, 0, "b"), STEPLOG_CORRUPT);
    cr_expect_eq(add_name(&dictionary, 0, "aa"), STEPLOG_CORRUPT);
    cr_expect_eq(add_schema(&dictionary, 0, (const uint32_t[]){0, 1}, 2), STEPLOG_OK);
    cr_expect_eq(add_schema(&dictionary, 0, (const uint32_t[]){1, 0}, 2), STEPLOG_CORRUPT);
    cr_expect_eq(add_schema(&dictionary, 0, (const uint32_t[]){0}, 1), STEPLOG_CORRUPT);
    cr_expect_str_eq(sl_dictionary_name_of(&dictionary, 0)->text, "a");
    sl_dictionary_free(&dictionary);
}

Test(log_dictionary, takes_no_name_for_two_metrics)
{
    sl_log_dictionary dictionary = {0};
    cr_expect_eq(add_name(&dictionary, 0, "a"), STEPLOG_OK);
    cr_expect_eq(add_name(&dictionary, 1, "a"), STEPLOG_CORRUPT);
    cr_expect_null(sl_dictionary_name_of(&dictionary, 1));
    cr_expect_eq(add_name(&dictionary, 1, "b"), STEPLOG_OK);
    sl_dictionary_free(&dictionary);
}

Test(log_dictionary, refuses_names_that_break_a_rule)
{
    static uint8_t name[65537];
    sl_log_dictionary dictionary = {0};
    memset(name, 'n', sizeof name);
    cr_expect_eq(sl_dictionary_add(&dictionary, SL_RECORD_NAME, 0, name, 0), STEPLOG_CORRUPT);
    cr_expect_eq(sl_dictionary_add(&dictionary, SL_RECORD_NAME, 0, name, 65537), STEPLOG_CORRUPT);
    cr_expect_eq(sl_dictionary_add(&dictionary, SL_RECORD_NAME, 0, name, 65536), STEPLOG_OK);
    cr_expect_eq(add_name(&dictionary, 1, "\xff"), STEPLOG_CORRUPT);
    cr_expect_eq(add_name(&dictionary, 1, "\xc0\x80"), STEPLOG_CORRUPT);
    cr_expect_eq(dictionary.names.count, 1u);
    sl_dictionary_free(&dictionary);
}

Test(log_dictionary, an_index_far_ahead_costs_no_more_than_any)
{
    sl_log_dictionary dictionary = {0};
    for (uint32_t i = 1; i <= 16; i++) cr_assert_eq(add_any_name(&dictionary, 65536 * i - 1), STEPLOG_OK);
    cr_expect_eq(add_schema(&dictionary, 65535, (const uint32_t[]){1048575, 65535}, 2), STEPLOG_OK);
    cr_expect_leq(dictionary.names.capacity + dictionary.schemas.capacity, 64u);
    cr_expect_leq(dictionary.name_places.capacity, 64u);
    cr_expect_eq(sl_dictionary_place_of(&dictionary, 1048575), 15u);
    cr_expect_eq(sl_dictionary_schema_of(&dictionary, 65535)->places[1], 0u);
    cr_expect_eq(sl_dictionary_place_of(&dictionary, 0), SL_NO_PLACE);
    sl_dictionary_free(&dictionary);
}

Test(log_dictionary, takes_no_index_far_ahead_of_the_others)
{
    sl_log_dictionary dictionary = {0};
    cr_expect_eq(add_any_name(&dictionary, 65537), STEPLOG_CORRUPT);
    cr_expect_eq(dictionary.names.count, 0u, "a refused index asks for no memory");
    cr_expect_eq(add_any_name(&dictionary, 65536), STEPLOG_OK);
    cr_expect_eq(add_any_name(&dictionary, 65537 + 65536), STEPLOG_OK);
    uint32_t last = 65537 + 65536;
    while (last + 65537 < STEPLOG_WRITER_METRICS_MAX)
        cr_assert_eq(add_any_name(&dictionary, last += 65537), STEPLOG_OK);
    cr_expect_eq(add_any_name(&dictionary, 1048575), STEPLOG_OK);
    cr_expect_eq(add_any_name(&dictionary, 1048576), STEPLOG_CORRUPT);
    sl_dictionary_free(&dictionary);
}

Test(log_dictionary, refuses_schemas_that_break_a_rule)
{
    static uint32_t metrics[4097];
    char name[16];
    sl_log_dictionary dictionary = {0};
    for (uint32_t i = 0; i < 4097; i++) {
        snprintf(name, sizeof name, "%u", (unsigned)i);
        cr_assert_eq(add_name(&dictionary, metrics[i] = i, name), STEPLOG_OK);
    }
    cr_expect_eq(add_schema(&dictionary, 0, metrics, 0), STEPLOG_CORRUPT);
    cr_expect_eq(add_schema(&dictionary, 0, metrics, 4097), STEPLOG_CORRUPT);
    cr_expect_eq(add_schema(&dictionary, 65536, metrics, 1), STEPLOG_CORRUPT);
    cr_expect_eq(add_schema(&dictionary, 0, (const uint32_t[]){0, 4097}, 2), STEPLOG_CORRUPT,
                 "a metric without a name");
    cr_expect_eq(sl_dictionary_add(&dictionary, SL_RECORD_SCHEMA, 0, (const uint8_t[8]){0}, 7), STEPLOG_CORRUPT);
    cr_expect_null(sl_dictionary_schema_of(&dictionary, 0));
    cr_expect_eq(add_schema(&dictionary, 0, metrics, 4096), STEPLOG_OK);
    sl_dictionary_free(&dictionary);
}

Test(log_dictionary, refuses_schemas_with_a_metric_twice)
{
    sl_log_dictionary dictionary = {0};
    for (uint32_t i = 0; i < 3; i++) add_any_name(&dictionary, i);
    cr_expect_eq(add_schema(&dictionary, 0, (const uint32_t[]){1, 1}, 2), STEPLOG_CORRUPT);
    cr_expect_eq(add_schema(&dictionary, 0, (const uint32_t[]){2, 0, 1, 2}, 4), STEPLOG_CORRUPT);
    cr_expect_null(sl_dictionary_schema_of(&dictionary, 0));
    cr_expect_eq(add_schema(&dictionary, 0, (const uint32_t[]){2, 0, 1}, 3), STEPLOG_OK);
    sl_dictionary_free(&dictionary);
}

static sl_buffer writer_body(uint32_t attempt)
{
    sl_buffer out = {0};
    sl_writer_description description = {.attempt = attempt, .rank = 3};
    sl_writer_description_encode(&description, &out);
    return out;
}

Test(log_dictionary, keeps_the_first_writer_and_none_that_is_malformed)
{
    sl_log_dictionary dictionary = {0};
    sl_buffer bad = writer_body(0), good = writer_body(1), other = writer_body(2);
    cr_expect_eq(sl_dictionary_add(&dictionary, SL_RECORD_WRITER, 0, bad.data, (uint32_t)bad.bytes), STEPLOG_CORRUPT);
    cr_expect_not(dictionary.has_writer);
    cr_expect_eq(dictionary.writer.rank, 0u, "it is zero until there is one");
    cr_expect_eq(sl_dictionary_add(&dictionary, SL_RECORD_WRITER, 0, good.data, (uint32_t)good.bytes), STEPLOG_OK);
    cr_expect(dictionary.has_writer && dictionary.writer.attempt == 1);
    cr_expect_eq(sl_dictionary_add(&dictionary, SL_RECORD_WRITER, 0, good.data, (uint32_t)good.bytes), STEPLOG_OK);
    cr_expect_eq(sl_dictionary_add(&dictionary, SL_RECORD_WRITER, 0, other.data, (uint32_t)other.bytes),
                 STEPLOG_CORRUPT);
    cr_expect_eq(dictionary.writer.attempt, 1u);
    sl_buffer_free(&bad);
    sl_buffer_free(&good);
    sl_buffer_free(&other);
    sl_dictionary_free(&dictionary);
}

Test(log_dictionary, survives_every_failing_allocation)
{
    sl_buffer writer = writer_body(1);
    for (uint64_t at = 1;; at++) {
        sl_log_dictionary dictionary = {0};
        test_memory_fail(at, 0);
        int failed = add_name(&dictionary, 0, "a") == STEPLOG_NOMEM;
        failed |= add_name(&dictionary, 40, "b") == STEPLOG_NOMEM;
        failed |= add_schema(&dictionary, 20, (const uint32_t[]){0}, 1) == STEPLOG_NOMEM;
        failed |= sl_dictionary_add(&dictionary, SL_RECORD_WRITER, 0, writer.data, (uint32_t)writer.bytes) ==
                  STEPLOG_NOMEM;
        uint64_t count = test_memory_count();
        test_memory_restore();
        sl_dictionary_free(&dictionary);
        cr_assert_eq(failed, at <= count, "allocation %llu", (unsigned long long)at);
        if (!failed) break;
    }
    sl_buffer_free(&writer);
}
