/* What tombstones cover, against a list that is gone through, and in time when there are many. */
#include "read/reader.h"
#include "support/random.h"

#include <criterion/criterion.h>
#include <string.h>

static char names[4][8] = {"loss", "acc", "rate", "losses"};

static steplog_id id_of(uint64_t n)
{
    steplog_id id = {{0}};
    sl_store64(id.bytes + 8, n); /* the first half is the same */
    return id;
}

static void add(sl_run *run, const steplog_id *target, uint64_t sequence_last, char *key, int has_steps, int is_undone)
{
    sl_event event = {.fact = {.kind = STEPLOG_EVENT_TOMBSTONE,
                               .has_target = 1,
                               .target = *target,
                               .target_sequence = sequence_last,
                               .has_key = key != NULL,
                               .key_bytes = key ? (uint32_t)strlen(key) : 0,
                               .has_steps = has_steps},
                      .key = key,
                      .is_undone = is_undone};
    cr_assert(SL_VEC_PUSH(&run->events, event));
}

static void clear(sl_run *run)
{
    SL_VEC_FREE(&run->events);
    SL_VEC_FREE(&run->tombstones);
}

static int is_covered(const sl_run *run, const steplog_id *id, const char *metric, uint64_t sequence)
{
    for (size_t i = 0; i < run->events.count; i++) {
        const sl_event *event = &run->events.items[i];
        if (event->is_undone || event->fact.has_steps || !sl_id_equal(&event->fact.target, id) ||
            sequence > event->fact.target_sequence)
            continue;
        if (!event->key || (metric && strcmp(event->key, metric) == 0)) return 1;
    }
    return 0;
}

Test(tombstones, cover_what_each_of_them_covers)
{
    test_random random = test_random_begin("tombstones");
    for (int round = 0; round < 300; round++) {
        sl_run run = {0};
        uint64_t count = test_random_below(&random, 20);
        for (uint64_t n = 0; n < count; n++) {
            steplog_id target = id_of(test_random_below(&random, 3));
            uint64_t key = test_random_below(&random, 8), last = test_random_below(&random, 4) ? 1 + n : UINT64_MAX;
            add(&run, &target, last, key < 4 ? names[key] : NULL, test_random_below(&random, 4) == 0,
                test_random_below(&random, 4) == 0);
        }
        cr_assert(sl_run_make_tombstones(&run));
        for (uint64_t i = 0; i < 4; i++) {
            steplog_id id = id_of(i);
            for (uint64_t sequence = 0; sequence < 23; sequence++) {
                cr_assert_eq(sl_run_is_removed(&run, &id, sequence), is_covered(&run, &id, NULL, sequence));
                for (size_t n = 0; n < 4; n++)
                    cr_assert_eq(sl_run_is_metric_removed(&run, &id, names[n], (uint32_t)strlen(names[n]), sequence),
                                 is_covered(&run, &id, names[n], sequence));
            }
        }
        clear(&run);
    }
}

/* As many records as tombstones: 4 * 10^10 steps if each were asked. */
Test(tombstones, are_searched_however_many_they_are)
{
    enum { COUNT = 200000 };
    sl_run run = {0};
    steplog_id one = id_of(1), other = id_of(2);
    for (uint64_t n = 0; n < COUNT; n++) add(&run, &other, n + 1, n % 2 ? names[n % 4] : NULL, 0, 0);
    cr_assert(sl_run_make_tombstones(&run));
    cr_assert_eq(run.tombstones.count, (size_t)COUNT);
    for (uint64_t sequence = 1; sequence <= COUNT; sequence++) {
        cr_assert_not(sl_run_is_removed(&run, &one, sequence));
        cr_assert_eq(sl_run_is_removed(&run, &other, sequence), sequence < COUNT);
    }
    clear(&run);
}
