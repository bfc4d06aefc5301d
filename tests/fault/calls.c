/* fault/calls.c: one call fails, or two. */
#include "fault/fault.h"

#include "support/random.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint32_t fault_mode_flags[FAULT_MODES] = {0, STEPLOG_FORCE_PWRITE};

enum { CALLS_MAX = 8192 };

/* ---- which errors are plausible where ---- */

typedef struct plausible {
    int os_errno;
    uint32_t kinds;
    int is_done; /* the call does its work all the same */
} plausible;

#define ANY_FILE (SIM_OPEN | SIM_CREATE | SIM_READ | SIM_STAT | SIM_LIST | SIM_WRITE | SIM_SPACE | SIM_TOUCH | SIM_SYNC | SIM_RENAME | SIM_UNLINK)

static const plausible plausibles[] = {
    {EIO, SIM_ALL, 0},
    {ENOSPC, SIM_CREATE | SIM_WRITE | SIM_SPACE | SIM_SYNC | SIM_RENAME, 0},
    {EDQUOT, SIM_CREATE | SIM_WRITE | SIM_SPACE | SIM_SYNC | SIM_RENAME, 0},
    {EINTR, SIM_ALL, 0},
    {EMFILE, SIM_OPEN | SIM_CREATE, 0},
    {ENOMEM, SIM_OPEN | SIM_CREATE | SIM_MAP | SIM_STAT | SIM_LIST, 0},
    {EACCES, SIM_OPEN | SIM_CREATE | SIM_STAT | SIM_RENAME | SIM_UNLINK | SIM_LOCK | SIM_TOUCH, 0},
    {EROFS, SIM_CREATE | SIM_WRITE | SIM_SPACE | SIM_TOUCH | SIM_SYNC | SIM_RENAME | SIM_UNLINK, 0},
    {ESTALE, ANY_FILE, 0},
    {ENOLCK, SIM_LOCK, 0},
    {ENAMETOOLONG, SIM_OPEN, 0},
    {SIM_SHORT, SIM_READ | SIM_WRITE, 0},
    /* Over a network the answer may be lost after the work was done. */
    {EIO, SIM_CREATE | SIM_WRITE | SIM_SPACE | SIM_RENAME | SIM_UNLINK | SIM_SYNC, 1},
    {EEXIST, SIM_RENAME, 1}, /* and was asked again */
};
enum { PLAUSIBLE_COUNT = sizeof plausibles / sizeof plausibles[0] };

/* ---- one play ---- */

static uint32_t lose_everything(void *context, uint32_t count, uint32_t newest)
{
    (void)context, (void)count, (void)newest;
    return 0;
}

typedef struct loss {
    test_random random;
    uint64_t style; /* 0: anything; 1: some of it; 2: most of it */
} loss;

static uint32_t lose_something(void *context, uint32_t count, uint32_t newest)
{
    loss *l = context;
    if (l->style && test_random_below(&l->random, 4)) return l->style == 1 ? newest : 0;
    return (uint32_t)test_random_below(&l->random, count);
}

/* After a failed sync the writer went on; then the power was cut, and what reached the disk did so page by page. It is
 * read, recovered and read again. NULL, or what does not hold. */
static const char *check_remains(script *s, const fault_play *p, const sim_crash *crash, const script_moment *moment,
                                 uint64_t seed)
{
    static char text[900];
    loss l = {test_random_from(seed), seed % 3};
    sim *machine = s->machine, *state = sim_crash_state(crash, 0, lose_something, &l);
    script next;
    s->machine = state;
    s->may_tear_logs = 1;
    if (getenv("STEPLOG_SAVE")) sim_save(state, getenv("STEPLOG_SAVE"));
    sim_use(state);
    const char *wrong = script_check(s, SCRIPT_AFTER_POWER, moment, NULL);
    for (int turn = 0; turn < 2 && !wrong; turn++) {
        script_begin(&next, state, p->seed, p->flags);
        script_recover(&next);
        if (next.errors) wrong = steplog_status_name(next.first_error);
        script_end(&next);
        if (!wrong) wrong = script_check(s, SCRIPT_AFTER_POWER, moment, NULL);
        if (!wrong) wrong = script_verify(s);
    }
    if (wrong) snprintf(text, sizeof text, "after a power cut at the end, %" PRIu64 ": %s", seed, wrong);
    sim_use(machine);
    s->machine = machine;
    s->may_tear_logs = 0;
    sim_free(state);
    return wrong ? text : NULL;
}

const char *fault_run(fault_play *p)
{
    static char text[800];
    script s;
    script_begin(&s, sim_new(p->seed), p->seed, p->flags);
    p->scene->setup(&s);
    /* Pages that were read again as they were before: gone from the memory of the process too. */
    s.may_lose = p->failed_sync == SIM_SYNC_CLEAN_OLD;
    sim_trace(s.machine);
    sim_set_failed_sync(s.machine, p->failed_sync);
    if (p->kinds) sim_note_kinds(s.machine, p->kinds, p->kinds_capacity);
    sim_set_faults(s.machine, p->faults, p->fault_count);
    p->scene->play(&s);
    /* A power cut now leaves what was reported durable, even if nothing else. */
    script_moment moment;
    script_note(&s, &moment);
    sim_crash_at(s.machine, sim_point_count(s.machine) + 1, NULL, NULL);
    sim_point(s.machine);
    sim_crash *crash = sim_take_crash(s.machine);
    script_close(&s);
    /* The next process, while calls still fail. */
    script next;
    script_begin(&next, s.machine, p->seed, p->flags);
    script_recover(&next);
    script_end(&next);
    p->calls = sim_call_count(s.machine);
    p->failed = sim_fault_count(s.machine);
    p->errors = s.errors;
    /* Where no sync works any more, or the process does not live to declare it, the caller's error has to do. */
    if (p->failed_sync == SIM_SYNC_CLEAN_OLD && p->fault_count &&
        ((p->faults[0].is_sticky && s.errors) || strcmp(p->scene->name, "killed") == 0))
        s.has_failed = 1;
    sim_set_faults(s.machine, NULL, 0);
    sim_note_kinds(s.machine, NULL, 0);
    const char *wrong = NULL;
    if (p->fault_count && !p->failed && s.errors) wrong = "a call gave an error though none failed";
    if (!wrong && !p->fault_count && s.errors) {
        snprintf(text, sizeof text, "a call gave %s though none failed", steplog_status_name(s.first_error));
        wrong = text;
    }
    if (!wrong) wrong = script_check(&s, SCRIPT_AFTER_KILL, NULL, NULL);
    if (!wrong && sim_hole_store_count(s.machine)) wrong = "a store into a page that was never allocated";
    if (!wrong) {
        script_begin(&next, s.machine, p->seed, p->flags);
        script_recover(&next);
        if (next.errors) {
            snprintf(text, sizeof text, "the store cannot be recovered: %s", steplog_status_name(next.first_error));
            wrong = text;
        }
        script_end(&next);
        if (!wrong) wrong = script_check(&s, SCRIPT_AFTER_KILL, NULL, NULL);
        if (!wrong && !s.may_lose) wrong = script_verify(&s);
    }
    sim *machine = s.machine;
    if (!wrong && crash) {
        sim *state = sim_crash_state(crash, 0, lose_everything, NULL);
        s.machine = state;
        if (p->failed_sync == SIM_SYNC_LATE) { /* what was reported durable was not, and nobody could know */
            memset(moment.durable, 0, sizeof moment.durable);
            s.may_lose = 1;
        }
        if (getenv("STEPLOG_SAVE")) sim_save(state, getenv("STEPLOG_SAVE"));
        sim_use(state);
        const char *lost = script_check(&s, SCRIPT_AFTER_POWER, &moment, NULL);
        if (lost) {
            snprintf(text, sizeof text, "after a power cut at the end: %s", lost);
            wrong = text;
        }
        sim_use(machine);
        s.machine = machine;
        sim_free(state);
        for (uint64_t n = 0; n < p->remains && !wrong; n++)
            wrong = check_remains(&s, p, crash, &moment, p->seed * 1000003 + p->faults[0].at * 1009 + n);
    }
    sim_crash_free(crash);
    script_end(&s);
    sim_use(NULL);
    sim_free(machine);
    return wrong;
}

static void tell(attack_test *t, const fault_play *p, int mode, const char *wrong)
{
    char what[1200], detail[200];
    size_t used = (size_t)snprintf(what, sizeof what, "scene %s, mode %d", p->scene->name, mode);
    size_t written = (size_t)snprintf(detail, sizeof detail, "%s/%d", p->scene->name, mode);
    for (size_t i = 0; i < p->fault_count; i++) {
        const sim_fault *f = &p->faults[i];
        used += (size_t)snprintf(what + used, sizeof what - used, ", call %" PRIu64 " gives %s%s%s", f->at,
                                 f->os_errno == SIM_SHORT ? "half" : strerror(f->os_errno), f->is_sticky ? " and all after it" : "",
                                 f->is_done ? " though done" : "");
        written += (size_t)snprintf(detail + written, sizeof detail - written, "/%" PRIu64 ",%d,%d,%d,%u", f->at, f->os_errno,
                                    f->is_sticky, f->is_done, (unsigned)f->kinds);
    }
    snprintf(what + used, sizeof what - used, ": %s", wrong);
    attack_violation(t, p->seed, detail, what);
}

/* ---- one fault ---- */

static uint64_t kinds_of_scene(fault_play *p, uint16_t kinds[CALLS_MAX], attack_test *t, int mode)
{
    p->faults = NULL;
    p->fault_count = 0;
    p->kinds = kinds;
    p->kinds_capacity = CALLS_MAX;
    const char *wrong = fault_run(p);
    p->kinds = NULL;
    if (wrong) tell(t, p, mode, wrong);
    return p->calls < CALLS_MAX ? p->calls : CALLS_MAX;
}

static int run_one_case(const attack_options *o, const char *name)
{
    char scene[64];
    int mode, used = 0;
    sim_fault faults[2] = {{.kinds = SIM_ALL}, {.kinds = SIM_ALL}};
    fault_play p = {.seed = o->seed, .faults = faults};
    attack_test t = {.part = "fault", .name = name, .runs = 1, .states = 1, .first_seed = o->seed, .last_seed = o->seed};
    if (sscanf(o->detail, "%63[^/]/%d%n", scene, &mode, &used) != 2 || !(p.scene = script_find_scene(scene)) || mode < 0 ||
        mode >= FAULT_MODES) {
        fprintf(stderr, "a case is SCENE/MODE/CALL,ERRNO,STICKY,DONE,KINDS[/CALL,...]\n");
        return 2;
    }
    p.flags = fault_mode_flags[mode];
    const char *at = o->detail + used;
    for (sim_fault *f = faults; p.fault_count < 2; f++, p.fault_count++, at += used)
        if (sscanf(at, "/%" SCNu64 ",%d,%d,%d,%" SCNu32 "%n", &f->at, &f->os_errno, &f->is_sticky, &f->is_done, &f->kinds,
                   &used) != 5)
            break;
    const char *wrong = fault_run(&p);
    if (wrong) tell(&t, &p, mode, wrong);
    return attack_report(&t, NULL);
}

int fault_calls(const attack_options *o)
{
    if (o->detail) return run_one_case(o, "calls");
    attack_test t = {.part = "fault", .name = "calls", .first_seed = o->seed, .last_seed = o->seed};
    static uint16_t kinds[CALLS_MAX];
    int is_short = o->seconds == 0 && o->runs == 0;
    uint64_t stride = !is_short ? 1 : FAULT_IS_SLOW ? 97 : 11;
    uint64_t offset = 0, fired = 0;
    for (size_t n = 0; n < script_scene_count; n++)
        for (int mode = 0; mode < FAULT_MODES; mode++) {
            fault_play p = {.scene = &script_scenes[n], .seed = o->seed, .flags = fault_mode_flags[mode]};
            uint64_t calls = kinds_of_scene(&p, kinds, &t, mode);
            for (int e = 0; e < PLAUSIBLE_COUNT; e++)
                for (int is_sticky = 0; is_sticky < 2; is_sticky++)
                    for (uint64_t at = 1 + offset++ % stride; at <= calls; at += stride) {
                        if (!(plausibles[e].kinds & kinds[at - 1])) continue;
                        /* Sticky: all later calls of this sort, from this one on. The calls before it are the same as
                         * without a fault, so that many are passed over. */
                        uint64_t number = at;
                        uint32_t mask = SIM_ALL;
                        if (is_sticky) {
                            mask = plausibles[e].kinds;
                            number = 0;
                            for (uint64_t i = 0; i < at; i++) number += (mask & kinds[i]) != 0;
                        }
                        sim_fault fault = {mask, number, plausibles[e].os_errno, is_sticky, plausibles[e].is_done};
                        p.faults = &fault;
                        p.fault_count = 1;
                        const char *wrong = fault_run(&p);
                        t.runs++;
                        t.states++;
                        fired += p.failed;
                        if (wrong) tell(&t, &p, mode, wrong);
                        attack_progress(&t);
                    }
        }
    char figures[80];
    snprintf(figures, sizeof figures, "%" PRIu64 " calls failed", fired);
    return attack_report(&t, figures);
}

/* ---- two faults ---- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int fault_pairs(const attack_options *o)
{
    if (o->detail) return run_one_case(o, "pairs");
    attack_test t = {.part = "fault", .name = "pairs", .first_seed = o->seed, .last_seed = o->seed};
    uint64_t wanted = o->runs ? o->runs : FAULT_IS_SLOW ? 300 : 4000;
    double end = attack_now() + o->seconds;
    static uint16_t kinds[CALLS_MAX];
    uint64_t both = 0, random = o->seed;
    size_t turn = 0;
    while (o->seconds > 0 ? attack_now() < end : t.runs < wanted) {
        /* A scene, its first fault somewhere, and the second one at several places after it. */
        int mode = (int)(turn % FAULT_MODES);
        fault_play p = {.scene = &script_scenes[turn++ / FAULT_MODES % script_scene_count], .seed = o->seed, .flags = fault_mode_flags[mode]};
        uint64_t calls = kinds_of_scene(&p, kinds, &t, mode);
        for (int firsts = 0; firsts < 8; firsts++) {
            sim_fault faults[2];
            const plausible *e = &plausibles[next_random(&random) % PLAUSIBLE_COUNT];
            uint64_t at = next_random(&random) % calls + 1;
            for (int i = 0; i < 50 && !(e->kinds & kinds[at - 1]); i++) at = next_random(&random) % calls + 1;
            faults[0] = (sim_fault){SIM_ALL, at, e->os_errno, 0, e->is_done};
            p.faults = faults;
            p.fault_count = 1;
            static uint16_t later[CALLS_MAX];
            p.kinds = later;
            p.kinds_capacity = CALLS_MAX;
            const char *wrong = fault_run(&p);
            if (wrong) tell(&t, &p, mode, wrong);
            p.kinds = NULL;
            uint64_t left = p.calls < CALLS_MAX ? p.calls : CALLS_MAX;
            for (int seconds = 0; seconds < 12 && left > at; seconds++) {
                const plausible *second = &plausibles[next_random(&random) % PLAUSIBLE_COUNT];
                uint64_t then = at + 1 + next_random(&random) % (left - at);
                if (seconds < 6 && then > at + 20) then = at + 1 + then % 20 % (left - at); /* often soon after it */
                for (int i = 0; i < 20 && !(second->kinds & later[then - 1]); i++) then = at + 1 + next_random(&random) % (left - at);
                faults[1] = (sim_fault){SIM_ALL, then, second->os_errno, next_random(&random) % 4 == 0, second->is_done};
                p.fault_count = 2;
                wrong = fault_run(&p);
                t.runs++;
                t.states++;
                both += p.failed >= 2;
                if (wrong) tell(&t, &p, mode, wrong);
            }
        }
        attack_progress(&t);
    }
    char figures[80];
    snprintf(figures, sizeof figures, "both failed in %" PRIu64, both);
    return attack_report(&t, figures);
}
