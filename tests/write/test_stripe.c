/* Tests of stripe.c: chunks that wait to be written together. */
#include "write/stripe.h"

#include <criterion/criterion.h>
#include <string.h>

static const int64_t steps[] = {1, 2, 3}, times[] = {4, 5, 6}, sequences[] = {7, 8, 9};

Test(stripe, keeps_copies_of_what_it_is_given)
{
    sl_stripe s;
    uint8_t payload[] = "first, second";
    sl_stripe_init(&s, 5, 2);
    sl_stripe_chunk *chunk = sl_stripe_add(&s, 3, steps, times, sequences);
    sl_column_info info = {.flags = SL_COLUMN_HAS_VALUES, .value_count = 3, .payload_bytes = 5};
    cr_assert(chunk && sl_stripe_put(&s, chunk, 0, &info, payload));
    info.payload_bytes = 6;
    cr_assert(sl_stripe_put(&s, chunk, 1, &info, payload + 7));
    memset(payload, 0, sizeof payload);
    cr_expect(s.chunk_count == 1 && s.schema == 5 && chunk->row_count == 3);
    cr_expect(memcmp(chunk->axis, steps, sizeof steps) == 0 && memcmp(chunk->axis + 3, times, sizeof times) == 0 &&
              memcmp(chunk->axis + 6, sequences, sizeof sequences) == 0);
    cr_expect(memcmp(s.payloads.data + chunk->infos[0].page_distance, "first", 5) == 0 &&
              memcmp(s.payloads.data + chunk->infos[1].page_distance, "second", 6) == 0);
    cr_expect_eq(chunk->stats[1].value_count, 0u);
    sl_stripe_free(&s);
}

Test(stripe, gives_up_its_last_chunk_or_all)
{
    sl_stripe s;
    sl_stripe_init(&s, 0, 1);
    for (size_t i = 0; i < SL_STRIPE_CHUNKS_MAX; i++) {
        cr_assert(sl_stripe_add(&s, 3, steps, times, sequences));
        cr_assert_eq(s.chunk_count, i + 1);
    }
    sl_stripe_drop(&s);
    cr_expect_eq(s.chunk_count, SL_STRIPE_CHUNKS_MAX - 1);
    sl_stripe_clear(&s);
    cr_expect(s.chunk_count == 0 && s.payloads.bytes == 0);
    cr_assert(sl_stripe_add(&s, 1, steps, times, sequences));
    sl_stripe_free(&s);
}

/* Statistics may be taken out before a chunk goes. */
Test(stripe, lets_its_statistics_be_taken)
{
    sl_stripe s;
    sl_stripe_init(&s, 0, 3);
    sl_stripe_chunk *chunk = sl_stripe_add(&s, 3, steps, times, sequences);
    sl_stats_entry *taken = chunk->stats;
    chunk->stats = NULL;
    sl_stripe_free(&s);
    taken[2].value_count = 1;
    sl_free(taken);
}
