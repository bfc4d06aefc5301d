/* crash/main.c: the power is cut at every moment of every scene, and the disk keeps what it likes of what was not synced.
 *
 * Each state is read; then recovered by the next process and read again; then recovered once more. What each writer
 * recorded must be a prefix of what it appended, at least up to the durable mark that it had reported, nothing
 * invented, nothing twice, and a recovery must change nothing of that. Short scenes are enumerated, others sampled. */
#include "support/attack.h"
#include "support/script.h"
#include "support/store_kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHOICES_MAX = 65536, MODES = 2 };

#ifdef __SANITIZE_ADDRESS__
enum { POINTS_OF_A_SCENE = 4, STATES_OF_A_POINT = 8, ENUMERATED_OF_A_POINT = 10, ENUMERATED_STRIDE = 40 };
#else
enum { POINTS_OF_A_SCENE = 60, STATES_OF_A_POINT = 12, ENUMERATED_OF_A_POINT = 40, ENUMERATED_STRIDE = 3 };
#endif

/* ---- who decides ---- */

typedef struct chooser {
    uint64_t random;
    int style; /* 0: anything; 1: mostly lost; 2: mostly kept; 3: all lost; 4: all kept */
    /* an enumeration: the digits of a number whose bases show while it is used */
    size_t used, count;
    uint32_t digits[CHOICES_MAX], bases[CHOICES_MAX];
} chooser;

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t choose_randomly(void *context, uint32_t count, uint32_t newest)
{
    chooser *c = context;
    uint64_t r = next_random(&c->random);
    int is_free = c->style == 0 || (c->style < 3 && r % 8 == 0);
    if (!is_free) return c->style == 1 || c->style == 3 ? 0 : newest;
    return (uint32_t)((r >> 8) % count);
}

static uint32_t choose_in_turn(void *context, uint32_t count, uint32_t newest)
{
    (void)newest;
    chooser *c = context;
    if (c->used == CHOICES_MAX) return 0;
    if (c->used == c->count) {
        c->digits[c->count] = 0;
        c->bases[c->count++] = count;
    }
    return c->digits[c->used++];
}

/* The next number; 0 when there is none. */
static int advance(chooser *c)
{
    c->count = c->used;
    while (c->count && c->digits[c->count - 1] + 1 >= c->bases[c->count - 1]) c->count--;
    if (!c->count) return 0;
    c->digits[c->count - 1]++;
    c->used = 0;
    return 1;
}

/* ---- one state ---- */

static void clone_for_recovery(const script *s, sim *machine, script *out)
{
    script_begin(out, machine, s->seed, s->flags);
}

/* NULL, or what does not hold. */
static const char *check_state(const script *s, sim *state, const script_moment *moment, int is_thorough)
{
    static char text[700];
    uint64_t first, second, third;
    sim_use(state);
    uint64_t before = sim_hash(state);
    const char *wrong = script_check(s, SCRIPT_AFTER_POWER, moment, &first);
    if (!wrong && sim_hash(state) != before) wrong = "reading changed the disk";
    if (!wrong && is_thorough) wrong = script_verify(s);
    script recovery;
    clone_for_recovery(s, state, &recovery);
    if (!wrong) {
        script_recover(&recovery);
        if (recovery.errors) wrong = steplog_status_name(recovery.first_error);
        if (!wrong) wrong = script_check(s, SCRIPT_AFTER_POWER, moment, &second);
        if (!wrong && second != first) wrong = "the recovery changed what can be read";
        if (wrong) {
            snprintf(text, sizeof text, "after the recovery: %s", wrong);
            wrong = text;
        }
    }
    if (!wrong && is_thorough) {
        script_recover(&recovery);
        wrong = script_check(s, SCRIPT_AFTER_POWER, moment, &third);
        if (!wrong && third != first) wrong = "the second recovery changed what can be read";
        if (!wrong) wrong = script_verify(s);
    }
    script_end(&recovery);
    return wrong;
}

/* ---- playing to a point ---- */

typedef struct stage {
    script s;
    script_moment moment;
    sim *machine;
} stage;

static void pass(void *context) { sim_point(((stage *)context)->s.machine); }
static void note_moment(void *context) { script_note(&((stage *)context)->s, &((stage *)context)->moment); }

/* Plays a scene; with a point, keeps what may be on the disk then. Gives how many points there were. */
static uint64_t play_scene(stage *st, const script_scene *scene, uint64_t seed, uint32_t flags, uint64_t point)
{
    sim *machine = sim_new(seed);
    script_begin(&st->s, machine, seed, flags);
    st->s.is_alone = 1;
    scene->setup(&st->s);
    machine = st->s.machine; /* a setup may have killed the first one */
    sim_trace(machine);
    sim_crash_at(machine, point, note_moment, st);
    st->s.point = pass;
    st->s.point_context = st;
    scene->play(&st->s);
    uint64_t points = sim_point_count(machine);
    st->s.point = NULL;
    script_moment moment = st->moment;
    script_close(&st->s);
    if (sim_point_count(machine) > points) points = sim_point_count(machine); /* closing is a part of it */
    if (point && moment.item_counts[0]) st->moment = moment;
    st->machine = machine;
    return points;
}

static void leave_stage(stage *st)
{
    sim_use(NULL);
    sim_free(st->machine);
    script_end(&st->s);
}

/* ---- the tests ---- */

static const char *save_states; /* with --case and $STEPLOG_SAVE: where the state is put, to be looked at */

static const uint32_t mode_flags[MODES] = {0, STEPLOG_FORCE_PWRITE};

static void tell(attack_test *t, uint64_t seed, const script_scene *scene, int mode, uint64_t point, const char *how,
                 uint64_t random, const char *wrong)
{
    char detail[128];
    snprintf(detail, sizeof detail, "%s/%d/%" PRIu64 "/%s/%" PRIu64, scene->name, mode, point, how, random);
    char what[800];
    snprintf(what, sizeof what, "scene %s, mode %d, power cut at point %" PRIu64 " (%s): %s", scene->name, mode, point, how,
             wrong);
    attack_violation(t, seed, detail, what);
}

static void sample_state(attack_test *t, const stage *st, const sim_crash *crash, const script_scene *scene, int mode,
                         uint64_t point, uint64_t seed, uint64_t random)
{
    static chooser c;
    c.random = random;
    c.style = (int)(random % 5);
    sim *state = sim_crash_state(crash, 1, choose_randomly, &c);
    if (save_states) sim_save(state, save_states);
    const char *wrong = check_state(&st->s, state, &st->moment, random % 7 == 0);
    t->states++;
    if (wrong) tell(t, seed, scene, mode, point, "sampled", random, wrong);
    sim_free(state);
}

static void enumerate_states(attack_test *t, const stage *st, const sim_crash *crash, const script_scene *scene, int mode,
                             uint64_t point, uint64_t seed, uint64_t limit, uint64_t only, uint64_t *cut_short)
{
    static chooser c;
    c.used = c.count = 0;
    uint64_t number = 0;
    do {
        sim *state = sim_crash_state(crash, 0, choose_in_turn, &c);
        if (only == UINT64_MAX || number == only) {
            const char *wrong = check_state(&st->s, state, &st->moment, 0);
            t->states++;
            if (wrong) tell(t, seed, scene, mode, point, "enumerated", number, wrong);
        }
        sim_free(state);
        number++;
        c.count = c.used;
        if (number == limit) {
            *cut_short += advance(&c) != 0;
            return;
        }
    } while (advance(&c));
}

static int run_sampled(const attack_options *o)
{
    attack_test t = {.part = "crash", .name = "sampled", .first_seed = o->seed};
    double end = attack_now() + o->seconds;
    uint64_t runs = o->runs ? o->runs : 1;
    for (uint64_t seed = o->seed; o->seconds > 0 ? attack_now() < end : seed < o->seed + runs; seed++) {
        t.last_seed = seed;
        for (size_t n = 0; n < script_all_scene_count; n++)
            for (int mode = 0; mode < MODES; mode++) {
                const script_scene *scene = &script_scenes[n];
                stage st = {0};
                uint64_t random = seed * 1000003 + n * 17 + (uint64_t)mode;
                for (uint64_t i = 0; i < POINTS_OF_A_SCENE; i++) {
                    uint64_t play_seed = seed + i * 1000; /* which may change the scene */
                    uint64_t points = play_scene(&st, scene, play_seed, mode_flags[mode], 0);
                    leave_stage(&st);
                    uint64_t point = next_random(&random) % points + 1;
                    st = (stage){0};
                    play_scene(&st, scene, play_seed, mode_flags[mode], point);
                    sim_crash *crash = sim_take_crash(st.machine);
                    t.runs++;
                    for (int k = 0; crash && k < STATES_OF_A_POINT; k++)
                        sample_state(&t, &st, crash, scene, mode, point, play_seed, next_random(&random));
                    sim_crash_free(crash);
                    leave_stage(&st);
                }
                attack_progress(&t);
            }
    }
    return attack_report(&t, NULL);
}

/* The scenes whose power cuts can all be tried: up to twelve operations are not durable at any of their points. */
static const char *const short_scenes[] = {"rows", "append_little", "append", "close", "two_writers", "rewind", "remove", "open", "compact"};
enum { OPERATIONS_MAX = 12 };

static int run_enumerated(const attack_options *o)
{
    attack_test t = {.part = "crash", .name = "enumerated", .first_seed = o->seed, .last_seed = o->seed};
    uint64_t cut_short = 0, whole = 0, limit = o->seconds > 0 || o->runs ? 200000 : ENUMERATED_OF_A_POINT;
    uint64_t stride = o->seconds > 0 || o->runs ? 1 : ENUMERATED_STRIDE;
    for (size_t n = 0; n < sizeof short_scenes / sizeof short_scenes[0]; n++)
        for (int mode = 0; mode < MODES; mode++) {
            const script_scene *scene = script_find_scene(short_scenes[n]);
            stage st = {0};
            uint64_t points = play_scene(&st, scene, o->seed, mode_flags[mode], 0);
            leave_stage(&st);
            for (uint64_t point = 1 + n % stride; point <= points; point += stride) {
                st = (stage){0};
                play_scene(&st, scene, o->seed, mode_flags[mode], point);
                sim_crash *crash = sim_take_crash(st.machine);
                if (crash && sim_crash_operations(crash) <= OPERATIONS_MAX) {
                    uint64_t before = cut_short;
                    t.runs++;
                    enumerate_states(&t, &st, crash, scene, mode, point, o->seed, limit, UINT64_MAX, &cut_short);
                    whole += cut_short == before;
                }
                sim_crash_free(crash);
                leave_stage(&st);
                attack_progress(&t);
            }
        }
    char figures[100];
    snprintf(figures, sizeof figures, "%" PRIu64 " points whole, %" PRIu64 " cut short", whole, cut_short);
    return attack_report(&t, figures);
}

static int run_case(const attack_options *o)
{
    char name[64], how[32];
    int mode;
    uint64_t point, random, cut_short = 0;
    if (sscanf(o->detail, "%63[^/]/%d/%" SCNu64 "/%31[^/]/%" SCNu64, name, &mode, &point, how, &random) != 5 ||
        !script_find_scene(name) || mode < 0 || mode >= MODES) {
        fprintf(stderr, "a case is SCENE/MODE/POINT/sampled|enumerated/NUMBER\n");
        return 2;
    }
    attack_test t = {.part = "crash", .name = how, .first_seed = o->seed, .last_seed = o->seed, .runs = 1};
    stage st = {0};
    save_states = getenv("STEPLOG_SAVE");
    play_scene(&st, script_find_scene(name), o->seed, mode_flags[mode], point);
    sim_crash *crash = sim_take_crash(st.machine);
    if (crash && strcmp(how, "sampled") == 0)
        sample_state(&t, &st, crash, script_find_scene(name), mode, point, o->seed, random);
    else if (crash)
        enumerate_states(&t, &st, crash, script_find_scene(name), mode, point, o->seed, UINT64_MAX, random, &cut_short);
    sim_crash_free(crash);
    leave_stage(&st);
    return attack_report(&t, NULL);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"sampled", "enumerated"};
    attack_options o = attack_parse(argc, argv, "power cuts at every moment of every scene", names, 2);
    int failed = 0;
    if (o.detail) return run_case(&o);
    if (attack_wants(&o, "enumerated")) failed |= run_enumerated(&o);
    if (attack_wants(&o, "sampled")) failed |= run_sampled(&o);
    return failed;
}
