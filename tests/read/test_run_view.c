/* Attempts: windows are those that the rules of FORMAT.md 12.4 give when they are read out one by one, and long
 * histories do not take long. The runs are made in memory. */
#include "read/reader.h"

#include "support/random.h"

#include <criterion/criterion.h>
#include <string.h>

enum { WRITERS_MAX = 12, EVENTS_MAX = 24 };

typedef struct sample {
    steplog_reader reader;
    sl_run run;
} sample;

static int is_rewind_seen(const sl_event *event, uint32_t attempt, uint64_t lamport_max)
{
    return event->fact.kind == STEPLOG_EVENT_REWIND && event->fact.attempt == attempt &&
           event->fact.lamport <= lamport_max;
}

static int is_undone(const sample *s, const sl_event *event, uint64_t lamport_max)
{
    for (size_t i = 0; i < s->run.events.count; i++) {
        const sl_event *undo = &s->run.events.items[i];
        if (undo->fact.kind == STEPLOG_EVENT_UNDO && undo->fact.lamport <= lamport_max &&
            undo->fact.target_sequence == event->sequence &&
            memcmp(undo->fact.target.bytes, s->reader.incarnations.items[event->incarnation].id.bytes, 16) == 0)
            return 1;
    }
    return 0;
}

static int is_in_force(const sample *s, uint32_t attempt, uint64_t lamport_max)
{
    int rewinds = 0;
    for (size_t i = 0; i < s->run.events.count; i++) {
        if (!is_rewind_seen(&s->run.events.items[i], attempt, lamport_max)) continue;
        if (!is_undone(s, &s->run.events.items[i], lamport_max)) return 1;
        rewinds++;
    }
    return rewinds == 0;
}

static void take_smaller(sl_window *cut, int64_t step)
{
    if (!cut->has_end || step < cut->step_end) cut->step_end = step;
    cut->has_end = 1;
}

static sl_window cut_of(const sample *s, uint32_t attempt, uint64_t key_hash, uint64_t lamport_max)
{
    sl_window cut = {0};
    int came_back = 0;
    for (size_t i = 0; i < s->run.events.count; i++)
        if (is_rewind_seen(&s->run.events.items[i], attempt, lamport_max) &&
            !is_undone(s, &s->run.events.items[i], lamport_max))
            take_smaller(&cut, s->run.events.items[i].fact.step_begin);
    for (size_t n = 0; n < s->reader.incarnations.count; n++) {
        const sl_incarnation *i = &s->reader.incarnations.items[n];
        came_back |= !(i->flags & SL_WRITER_IS_FACTS_ONLY) && i->attempt == attempt && i->key_hash == key_hash;
    }
    for (int rule = 0; rule < 2 && !(rule && cut.has_end); rule++)
        for (size_t n = 0; n < s->reader.incarnations.count; n++) {
            const sl_incarnation *i = &s->reader.incarnations.items[n];
            if ((i->flags & SL_WRITER_IS_FACTS_ONLY) || i->attempt != attempt || (came_back && i->key_hash != key_hash))
                continue;
            if (!rule && (i->flags & SL_WRITER_IS_RESUME)) take_smaller(&cut, i->description.resume_step);
            if (rule && i->row_count) take_smaller(&cut, i->step_min);
        }
    return cut;
}

static sl_window window_of(const sample *s, const sl_incarnation *i, uint32_t attempt_max, uint64_t lamport_max)
{
    sl_window window = {0};
    if (i->attempt > attempt_max || !is_in_force(s, i->attempt, lamport_max)) return window;
    for (uint32_t attempt = i->attempt + 1; attempt <= attempt_max && attempt < 16; attempt++) {
        if (!is_in_force(s, attempt, lamport_max)) continue;
        sl_window cut = cut_of(s, attempt, i->key_hash, lamport_max);
        if (cut.has_end) take_smaller(&window, cut.step_end);
    }
    window.is_visible = 1;
    return window;
}

static void make_sample(test_random *random, sample *s)
{
    *s = (sample){0};
    uint32_t writers = 1 + (uint32_t)test_random_below(random, WRITERS_MAX),
             events = (uint32_t)test_random_below(random, EVENTS_MAX);
    for (uint32_t n = 0; n < writers; n++) {
        sl_incarnation i = {.id = {{(uint8_t)(n + 1)}},
                            .attempt = 1 + (uint32_t)test_random_below(random, 7),
                            .key_hash = test_random_below(random, 3),
                            .row_count = test_random_below(random, 3),
                            .step_min = (int64_t)test_random_below(random, 100)};
        if (test_random_below(random, 3) == 0) i.flags |= SL_WRITER_IS_RESUME;
        if (test_random_below(random, 6) == 0) i.flags |= SL_WRITER_IS_FACTS_ONLY;
        i.has_description = 1;
        i.description.resume_step = (int64_t)test_random_below(random, 100);
        cr_assert(SL_VEC_PUSH(&s->reader.incarnations, i) && SL_VEC_PUSH(&s->run.incarnations, n));
    }
    for (uint32_t n = 0; n < events; n++) {
        sl_event event = {.incarnation = (uint32_t)test_random_below(random, writers), .sequence = n + 1};
        event.fact.lamport = n;
        event.fact.kind = STEPLOG_EVENT_REWIND;
        event.fact.attempt = 1 + (uint32_t)test_random_below(random, 9);
        event.fact.step_begin = (int64_t)test_random_below(random, 100);
        if (n && test_random_below(random, 3) == 0) {
            const sl_event *target = &s->run.events.items[test_random_below(random, n)];
            event.fact.kind = STEPLOG_EVENT_UNDO;
            event.fact.target = s->reader.incarnations.items[target->incarnation].id;
            event.fact.target_sequence = target->sequence;
        }
        cr_assert(SL_VEC_PUSH(&s->run.events, event));
    }
}

static void free_sample(sample *s)
{
    SL_VEC_FREE(&s->reader.incarnations);
    SL_VEC_FREE(&s->run.incarnations);
    SL_VEC_FREE(&s->run.events);
}

static void check_windows(sample *s, uint32_t attempt_max, uint64_t lamport_max)
{
    sl_window windows[WRITERS_MAX];
    cr_assert(sl_run_windows(&s->reader, &s->run, attempt_max, lamport_max, windows));
    for (size_t n = 0; n < s->run.incarnations.count; n++) {
        sl_window wanted = window_of(s, &s->reader.incarnations.items[n], attempt_max, lamport_max);
        cr_assert_eq(windows[n].is_visible, wanted.is_visible);
        cr_assert_eq(windows[n].has_end, wanted.has_end);
        cr_assert(!wanted.has_end || windows[n].step_end == wanted.step_end);
    }
}

static int exists(const sample *s, uint32_t attempt)
{
    for (size_t n = 0; n < s->reader.incarnations.count; n++)
        if (!(s->reader.incarnations.items[n].flags & SL_WRITER_IS_FACTS_ONLY) &&
            s->reader.incarnations.items[n].attempt == attempt)
            return 1;
    for (size_t i = 0; i < s->run.events.count; i++)
        if (is_rewind_seen(&s->run.events.items[i], attempt, UINT64_MAX)) return 1;
    return 0;
}

Test(run_view, gives_the_windows_of_the_rules_for_random_histories)
{
    test_random random = test_random_from(20);
    for (int round = 0; round < 5000; round++) {
        sample s;
        make_sample(&random, &s);
        check_windows(&s, UINT32_MAX, UINT64_MAX);
        check_windows(&s, (uint32_t)test_random_below(&random, 10), test_random_below(&random, EVENTS_MAX));
        uint32_t count = 0, highest = 0, largest = 0, found = 0;
        for (uint32_t attempt = 1; attempt < 16; attempt++) {
            if (!exists(&s, attempt)) continue;
            found++;
            largest = attempt;
            if (is_in_force(&s, attempt, UINT64_MAX)) highest = attempt;
        }
        cr_assert_eq(sl_run_highest_attempt(&s.reader, &s.run, &count), highest);
        cr_assert_eq(count, found);
        cr_assert_eq(sl_run_largest_attempt_number(&s.reader, &s.run), largest);
        free_sample(&s);
    }
}

Test(run_view, a_history_of_very_many_rewinds_does_not_take_long, .timeout = 10)
{
    enum { EVENTS = 80000, WRITERS = 2000 };
    static sl_window windows[WRITERS];
    sample s = {0};
    uint32_t count;
    for (uint32_t n = 0; n < WRITERS; n++) {
        sl_incarnation i = {.attempt = 1 + n, .key_hash = n % 100, .row_count = 1, .step_min = n};
        memcpy(i.id.bytes, &n, sizeof n);
        cr_assert(SL_VEC_PUSH(&s.reader.incarnations, i) && SL_VEC_PUSH(&s.run.incarnations, n));
    }
    for (uint32_t n = 0; n < EVENTS; n++) {
        sl_event event = {.incarnation = n % WRITERS, .sequence = n + 1};
        event.fact.kind = n % 2 ? STEPLOG_EVENT_UNDO : STEPLOG_EVENT_REWIND;
        event.fact.attempt = n + 2;
        event.fact.step_begin = 1000000 - n;
        event.fact.target = s.reader.incarnations.items[(n - n % 2) % WRITERS].id;
        event.fact.target_sequence = n;
        cr_assert(SL_VEC_PUSH(&s.run.events, event));
    }
    cr_assert(sl_run_windows(&s.reader, &s.run, UINT32_MAX, UINT64_MAX, windows));
    cr_assert_neq(sl_run_highest_attempt(&s.reader, &s.run, &count), 0);
    free_sample(&s);
}
