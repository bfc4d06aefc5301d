/* read/run_view.c: attempts: which points of which writer the default view shows.
 *
 * The cut of an attempt for a series (its rank and labels) is the step from which on it replaces the attempts before
 * it: the smallest of its rewinds and of the resume steps of its writers of that series; when that series did not come
 * back, the smallest resume step of any of its writers; when nothing was said, the first step that it logged. A point
 * is shown when its step is below the cuts of all later attempts that are in force. What
 * rewinds and resume steps say in a fork cuts its parent likewise; the first step that it logged does not.
 *
 * Histories may be long (or made to be): everything is sorted once. The cuts that an attempt makes where a series did
 * not come back are kept in a tree of minima; the others hang on the series, each with the smallest cut from it on. */
#include "read/reader.h"

#include <stdlib.h>

typedef struct cut {
    int is_set; /* 0: it hides nothing */
    int64_t step;
} cut;

/* What is known of one attempt number. */
typedef struct attempt {
    uint32_t number;
    int has_rewind, has_rewind_in_force;
    cut rewind, resume, first; /* smallest step of its rewinds in force, of all its writers */
} attempt;

/* A rank with its labels in an attempt that logged it. */
typedef struct comeback {
    uint64_t key_hash;
    size_t attempt; /* index */
    cut resume, first;
    cut least; /* of this attempt and all later ones */
} comeback;

/* What an UNDO takes back. */
typedef struct undone_place {
    steplog_id incarnation;
    uint64_t sequence;
} undone_place;

typedef struct history {
    const steplog_reader *reader;
    const sl_run *run;
    uint32_t attempt_max;
    uint64_t lamport_max;
    int without_first; /* cuts are only what was said */
    SL_VEC(undone_place) undone; /* sorted */
    SL_VEC(attempt) attempts;    /* by number */
    SL_VEC(comeback) comebacks;  /* by key, then attempt */
    cut *tree; /* of the attempts' cuts for keys that did not come back: leaves from attempts.count on */
} history;

static const sl_incarnation *incarnation_of(const history *h, size_t n)
{
    return &h->reader->incarnations.items[h->run->incarnations.items[n]];
}

static int is_logging(const sl_incarnation *i) { return !(i->flags & SL_WRITER_IS_FACTS_ONLY); }

static int is_rewind(const history *h, const sl_event *event)
{
    return event->fact.kind == STEPLOG_EVENT_REWIND && event->fact.lamport <= h->lamport_max;
}

static void lower(cut *c, int64_t step)
{
    if (!c->is_set || step < c->step) c->step = step;
    c->is_set = 1;
}

static void lower_to(cut *c, const cut *other)
{
    if (other->is_set) lower(c, other->step);
}

/* ---- what was undone ---- */

static int compare_undone(const void *a, const void *b)
{
    const undone_place *x = a, *y = b;
    int order = memcmp(x->incarnation.bytes, y->incarnation.bytes, 16);
    if (order) return order;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

/* An undo that a fork does not see leaves the rewind in force for it. */
static int collect_undone(history *h)
{
    for (size_t i = 0; i < h->run->events.count; i++) {
        const sl_fact *fact = &h->run->events.items[i].fact;
        if (fact->kind != STEPLOG_EVENT_UNDO || fact->lamport > h->lamport_max) continue;
        if (!SL_VEC_PUSH(&h->undone, (undone_place){fact->target, fact->target_sequence})) return 0;
    }
    if (h->undone.count) qsort(h->undone.items, h->undone.count, sizeof *h->undone.items, compare_undone);
    return 1;
}

static int is_undone(const history *h, const sl_event *event)
{
    undone_place place = {h->reader->incarnations.items[event->incarnation].id, event->sequence};
    return h->undone.count && bsearch(&place, h->undone.items, h->undone.count, sizeof place, compare_undone) != NULL;
}

/* ---- attempts ---- */

static int compare_attempts(const void *a, const void *b)
{
    const attempt *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* The index of the first attempt of at least this number. */
static size_t attempt_from(const history *h, uint64_t number)
{
    size_t low = 0, high = h->attempts.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (h->attempts.items[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The numbers that exist, each once. */
static int collect_attempts(history *h)
{
    for (size_t n = 0; n < h->run->incarnations.count; n++)
        if (is_logging(incarnation_of(h, n)) &&
            !SL_VEC_PUSH(&h->attempts, (attempt){.number = incarnation_of(h, n)->attempt}))
            return 0;
    for (size_t i = 0; i < h->run->events.count; i++) {
        const sl_event *event = &h->run->events.items[i];
        if (is_rewind(h, event) && !SL_VEC_PUSH(&h->attempts, (attempt){.number = event->fact.attempt})) return 0;
    }
    if (h->attempts.count) qsort(h->attempts.items, h->attempts.count, sizeof *h->attempts.items, compare_attempts);
    size_t kept = 0;
    for (size_t i = 0; i < h->attempts.count; i++)
        if (!kept || h->attempts.items[kept - 1].number != h->attempts.items[i].number)
            h->attempts.items[kept++] = h->attempts.items[i];
    h->attempts.count = kept;
    return 1;
}

static void add_rewinds(history *h)
{
    for (size_t i = 0; i < h->run->events.count; i++) {
        const sl_event *event = &h->run->events.items[i];
        if (!is_rewind(h, event)) continue;
        attempt *a = &h->attempts.items[attempt_from(h, event->fact.attempt)];
        a->has_rewind = 1;
        if (is_undone(h, event)) continue;
        a->has_rewind_in_force = 1;
        lower(&a->rewind, event->fact.step_begin);
    }
}

/* An attempt is in force unless every rewind that opened it was undone. */
static int is_in_force(const attempt *a) { return !a->has_rewind || a->has_rewind_in_force; }

/* ---- what the attempts logged ---- */

static int compare_comebacks(const void *a, const void *b)
{
    const comeback *x = a, *y = b;
    if (x->key_hash != y->key_hash) return x->key_hash < y->key_hash ? -1 : 1;
    return x->attempt < y->attempt ? -1 : x->attempt > y->attempt;
}

static int add_writers(history *h)
{
    for (size_t n = 0; n < h->run->incarnations.count; n++) {
        const sl_incarnation *i = incarnation_of(h, n);
        if (!is_logging(i)) continue;
        comeback back = {.key_hash = i->key_hash, .attempt = attempt_from(h, i->attempt)};
        /* Without its description nobody knows where it resumed: then the first step that it logged says. */
        if ((i->flags & SL_WRITER_IS_RESUME) && i->has_description) lower(&back.resume, i->description.resume_step);
        if (i->row_count) lower(&back.first, i->step_min);
        lower_to(&h->attempts.items[back.attempt].resume, &back.resume);
        lower_to(&h->attempts.items[back.attempt].first, &back.first);
        if (!SL_VEC_PUSH(&h->comebacks, back)) return 0;
    }
    if (h->comebacks.count)
        qsort(h->comebacks.items, h->comebacks.count, sizeof *h->comebacks.items, compare_comebacks);
    size_t kept = 0;
    for (size_t i = 0; i < h->comebacks.count; i++) {
        comeback *last = kept ? &h->comebacks.items[kept - 1] : NULL, *back = &h->comebacks.items[i];
        if (!last || compare_comebacks(last, back) != 0) {
            h->comebacks.items[kept++] = *back;
            continue;
        }
        lower_to(&last->resume, &back->resume);
        lower_to(&last->first, &back->first);
    }
    h->comebacks.count = kept;
    return 1;
}

/* ---- cuts ---- */

/* The cut of an attempt for one key, from what counts as resumed and as logged for it. */
static cut cut_of(const history *h, const attempt *a, const cut *resume, const cut *first)
{
    cut c = {0};
    if (a->number > h->attempt_max || !is_in_force(a)) return c;
    c = a->rewind;
    lower_to(&c, resume);
    if (!c.is_set && !h->without_first) c = *first;
    return c;
}

static int make_tree(history *h)
{
    size_t count = h->attempts.count;
    h->tree = sl_alloc_zero(2 * count + 1, sizeof *h->tree);
    if (!h->tree) return 0;
    for (size_t i = 0; i < count; i++) {
        const attempt *a = &h->attempts.items[i];
        h->tree[count + i] = cut_of(h, a, &a->resume, &a->first);
    }
    for (size_t i = count; i-- > 1;) {
        h->tree[i] = h->tree[2 * i];
        lower_to(&h->tree[i], &h->tree[2 * i + 1]);
    }
    return 1;
}

/* Lowers a cut to those of the attempts [begin, end) for a key that did not come back in any of them. */
static void lower_to_range(const history *h, cut *c, size_t begin, size_t end)
{
    begin += h->attempts.count;
    end += h->attempts.count;
    for (; begin < end; begin /= 2, end /= 2) {
        if (begin % 2) lower_to(c, &h->tree[begin++]);
        if (end % 2) lower_to(c, &h->tree[--end]);
    }
}

static void settle_comebacks(history *h)
{
    for (size_t i = h->comebacks.count; i-- > 0;) {
        comeback *back = &h->comebacks.items[i];
        const comeback *next = i + 1 < h->comebacks.count && back[1].key_hash == back->key_hash ? back + 1 : NULL;
        back->least = cut_of(h, &h->attempts.items[back->attempt], &back->resume, &back->first);
        lower_to_range(h, &back->least, back->attempt + 1, next ? next->attempt : h->attempts.count);
        if (next) lower_to(&back->least, &next->least);
    }
}

/* The smallest cut for a key of the attempts from an index on. */
static cut least_cut(const history *h, uint64_t key_hash, size_t begin)
{
    comeback wanted = {.key_hash = key_hash, .attempt = begin};
    cut c = {0};
    size_t low = 0, high = h->comebacks.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_comebacks(&h->comebacks.items[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    const comeback *next = low < h->comebacks.count && h->comebacks.items[low].key_hash == key_hash
                               ? &h->comebacks.items[low]
                               : NULL;
    lower_to_range(h, &c, begin, next ? next->attempt : h->attempts.count);
    if (next) lower_to(&c, &next->least);
    return c;
}

/* ---- the whole ---- */

static void free_history(history *h)
{
    SL_VEC_FREE(&h->undone);
    SL_VEC_FREE(&h->attempts);
    SL_VEC_FREE(&h->comebacks);
    sl_free(h->tree);
}

static int load_attempts(history *h)
{
    if (!collect_undone(h) || !collect_attempts(h)) return 0;
    add_rewinds(h);
    return 1;
}

uint32_t sl_run_highest_attempt(steplog_reader *r, const sl_run *run, uint32_t *count)
{
    history h = {.reader = r, .run = run, .attempt_max = UINT32_MAX, .lamport_max = UINT64_MAX};
    uint32_t highest = 0;
    *count = 0;
    if (!load_attempts(&h)) *count = UINT32_MAX;
    for (size_t i = 0; i < h.attempts.count && *count != UINT32_MAX; i++) {
        const attempt *a = &h.attempts.items[i];
        if (!a->number) continue;
        ++*count;
        if (is_in_force(a)) highest = a->number;
    }
    free_history(&h);
    return highest;
}

uint32_t sl_run_largest_attempt_number(steplog_reader *r, const sl_run *run)
{
    history h = {.reader = r, .run = run, .lamport_max = UINT64_MAX};
    uint32_t largest = 0;
    for (size_t n = 0; n < run->incarnations.count; n++)
        if (is_logging(incarnation_of(&h, n)) && incarnation_of(&h, n)->attempt > largest)
            largest = incarnation_of(&h, n)->attempt;
    for (size_t i = 0; i < run->events.count; i++)
        if (is_rewind(&h, &run->events.items[i]) && run->events.items[i].fact.attempt > largest)
            largest = run->events.items[i].fact.attempt;
    return largest;
}

int sl_run_windows(steplog_reader *r, const sl_run *run, uint32_t attempt_max, uint64_t lamport_max, sl_window *windows)
{
    history h = {.reader = r, .run = run, .attempt_max = attempt_max, .lamport_max = lamport_max};
    int is_good = load_attempts(&h) && add_writers(&h) && make_tree(&h);
    if (is_good) settle_comebacks(&h);
    for (size_t n = 0; n < run->incarnations.count; n++) {
        const sl_incarnation *i = incarnation_of(&h, n);
        windows[n] = (sl_window){0};
        if (!is_good || i->attempt > attempt_max) continue;
        size_t own = attempt_from(&h, i->attempt);
        int exists = own < h.attempts.count && h.attempts.items[own].number == i->attempt;
        if (exists && !is_in_force(&h.attempts.items[own])) continue;
        cut c = least_cut(&h, i->key_hash, own + (size_t)exists);
        windows[n] = (sl_window){.is_visible = 1, .has_end = c.is_set, .step_end = c.step};
    }
    free_history(&h);
    return is_good;
}

int sl_run_lower_to_cuts(steplog_reader *r, const sl_run *run, uint32_t attempt_max, uint64_t lamport_max,
                         const uint64_t *key_hashes, size_t count, int64_t *bounds)
{
    history h = {
        .reader = r, .run = run, .attempt_max = attempt_max, .lamport_max = lamport_max, .without_first = 1};
    int is_good = load_attempts(&h) && add_writers(&h) && make_tree(&h);
    if (is_good) settle_comebacks(&h);
    for (size_t n = 0; n < count && is_good; n++) {
        cut c = least_cut(&h, key_hashes[n], 0);
        if (c.is_set && c.step < bounds[n]) bounds[n] = c.step;
    }
    free_history(&h);
    return is_good;
}

/* ---- the writers ---- */

static _Thread_local const steplog_reader *sorting_reader;

static int compare_writers(const void *a, const void *b)
{
    const sl_incarnation *x = &sorting_reader->incarnations.items[*(const uint32_t *)a];
    const sl_incarnation *y = &sorting_reader->incarnations.items[*(const uint32_t *)b];
    if (x->attempt != y->attempt) return x->attempt < y->attempt ? -1 : 1;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    if (x->start_time_ns != y->start_time_ns) return x->start_time_ns < y->start_time_ns ? -1 : 1;
    return memcmp(x->id.bytes, y->id.bytes, 16);
}

int sl_run_order_writers(steplog_reader *r, sl_run *run)
{
    run->writers.count = 0;
    if (!SL_VEC_RESERVE(&run->writers, run->incarnations.count)) return 0;
    for (size_t n = 0; n < run->incarnations.count; n++) {
        const uint32_t index = run->incarnations.items[n];
        r->incarnations.items[index].number = UINT32_MAX;
        if (!(r->incarnations.items[index].flags & SL_WRITER_IS_FACTS_ONLY))
            run->writers.items[run->writers.count++] = index;
    }
    sorting_reader = r;
    if (run->writers.count)
        qsort(run->writers.items, run->writers.count, sizeof *run->writers.items, compare_writers);
    for (uint32_t n = 0; n < run->writers.count; n++) r->incarnations.items[run->writers.items[n]].number = n;
    return 1;
}
