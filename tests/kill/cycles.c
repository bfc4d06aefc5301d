/* kill/cycles.c: the life of a store in which one process after the other is killed, at a kill point or at any moment.
 *
 * Each generation goes on where the last one was killed. After each kill everything is checked before anybody repairs
 * anything, then, half of the time, after a recovery by the parent, which done again changes nothing. */
#include "kill/kill.h"

#include "support/temp_dir.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { GENERATIONS = 6, LIVES = 2 /* a store that is not there, one that is */ };

/* How often each act passes each point at least where it comes there at all, and in how many of its turns it does, seen
 * without a kill. */
static uint32_t passes_of[32][LIVES][KILL_POINTS_MAX], turns_of[32][LIVES][KILL_POINTS_MAX];
/* How long an act takes at least. */
static double seconds_of[32];
static uint64_t kills_at[KILL_POINTS_MAX];

void life_begin(life *l, uint64_t seed, figures *counts)
{
    *l = (life){.random = test_random_from(seed * 1000003), .figures = counts};
    snprintf(l->path, sizeof l->path, "%s/store", work_path);
    snprintf(l->copy, sizeof l->copy, "%s/copy", work_path);
    test_remove_tree(l->path);
    test_remove_tree(l->copy);
    oracle_reset(seed);
}

void life_check(life *l, uint32_t live_ranks)
{
    if (l->is_merging) return;
    oracle_check(l->path, live_ranks);
    l->figures->checks++;
}

static void recover_twice(life *l)
{
    recover_store(l->path);
    life_check(l, 0);
    uint64_t print = tree_fingerprint(l->path);
    tree_age_logs(l->path, 0); /* or a young spare might become an old one just now */
    recover_store(l->path);
    HOLDS(tree_fingerprint(l->path) == print, "a second recovery changed the store");
}

static void after_kill(life *l)
{
    life_settle(l);
    life_check(l, 0);
    uint64_t what = test_random_below(&l->random, 24);
    if (what % 3 == 0) tree_age_logs(l->path, 3600); /* what is left of spares may go now */
    if (what < 8) recover_twice(l);
    if (what >= 20) {
        test_remove_tree(l->copy);
        tree_copy(l->path, l->copy);
        l->has_copy = 1;
    }
    if (what == 19 && l->has_copy) { /* an old copy, files under their old names */
        tree_add_missing(l->copy, l->path);
        life_check(l, 0);
    }
}

void life_end(life *l)
{
    recover_twice(l);
    compact_store(l->path, test_random_below(&l->random, 2) ? STEPLOG_COMPACT_NOW : 0);
    life_check(l, 0);
}

act_setting life_next_setting(life *l)
{
    return (act_setting){.path = l->path,
                         .copy = l->has_copy ? l->copy : NULL,
                         .rank = (uint32_t)test_random_below(&l->random, RANKS),
                         .flags = test_random_below(&l->random, 2) ? STEPLOG_FORCE_PWRITE : 0,
                         .random = test_random_from(test_random_u64(&l->random))};
}

int is_point_of_merge(size_t point) { return strncmp(points_name(point), "merge.", 6) == 0; }

void life_prepare(life *l, const act *what, int is_sure)
{
    if (strcmp(what->name, "merge") != 0 || access(l->path, F_OK) != 0) return;
    if (test_random_below(&l->random, 2) && !is_sure) return;
    test_remove_tree(l->copy);
    HOLDS(rename(l->path, l->copy) == 0, "cannot rename %s", l->path);
    l->has_copy = l->is_merging = 1;
}

void life_settle(life *l)
{
    char file[320];
    snprintf(file, sizeof file, "%s/STEPLOG", l->copy);
    if (l->is_merging && access(file, F_OK) == 0) merge_copy(l->path, l->copy);
    l->is_merging = 0;
}

/* Plays every act on a new store and on an old one, and remembers which points it passes and how long it takes. */
void learn_acts(void)
{
    static int has_learned;
    figures ignored = {0};
    life l;
    HOLDS(act_count <= 32, "%zu acts", act_count);
    if (has_learned) return;
    has_learned = 1;
    for (size_t a = 0; a < act_count; a++) {
        for (uint64_t turn = 0; turn < 12; turn++) {
            if (turn % 3 == 0) life_begin(&l, 1 + turn, &ignored);
            say_case("learning", turn, acts[a].name);
            life_prepare(&l, &acts[a], turn % 3 != 0);
            act_setting setting = life_next_setting(&l);
            if (turn % 3 == 2) tree_age_logs(l.path, 3600);
            memset(shared->passes, 0, sizeof shared->passes);
            double begin = now_s();
            wait_for_child(start_act(&acts[a], &setting), acts[a].name);
            double took = now_s() - begin;
            if (turn == 0 || took < seconds_of[a]) seconds_of[a] = took;
            for (size_t p = 0; p < points_count(); p++) {
                uint32_t passes = (uint32_t)atomic_load(&shared->passes[p]), *least = &passes_of[a][turn % 3 != 0][p];
                if (passes && (*least == 0 || passes < *least)) *least = passes;
                turns_of[a][turn % 3 != 0][p] += passes != 0;
            }
            life_settle(&l);
            life_check(&l, 0);
            if (turn % 3 == 0) {
                tree_copy(l.path, l.copy);
                l.has_copy = 1;
                static const char *const then[] = {"compact", "append", "thread"}; /* so that there is something */
                for (int i = 0; i < 3; i++) {
                    setting = life_next_setting(&l);
                    wait_for_child(start_act(act_named(then[i]), &setting), then[i]);
                }
                if (turn % 2 == 0) compact_store(l.path, 0);
            }
        }
    }
}

const act *pick_act(life *l, int is_old, size_t point, uint32_t *passes)
{
    size_t found[32], count = 0;
    uint32_t most = 0;
    for (size_t a = 0; a < act_count; a++)
        if (turns_of[a][is_old][point] > most) most = turns_of[a][is_old][point];
    for (size_t a = 0; a < act_count; a++)
        if (most && turns_of[a][is_old][point] * 2 > most) found[count++] = a;
    if (count == 0) return NULL;
    size_t a = found[test_random_below(&l->random, count)];
    *passes = passes_of[a][is_old][point];
    return &acts[a];
}

double seconds_of_act(const act *what)
{
    return what >= acts && what < acts + act_count ? seconds_of[what - acts] : 0.005;
}

/* Something that a first process leaves behind. */
static void make_store(life *l)
{
    static const char *const names[] = {"append", "thread", "compact", "facts"};
    const act *what = act_named(names[test_random_below(&l->random, 4)]);
    act_setting setting = life_next_setting(l);
    wait_for_child(start_act(what, &setting), what->name);
    life_check(l, 0);
}

static void kill_at_point(life *l, size_t point, int is_old)
{
    uint32_t passes;
    const act *what = pick_act(l, is_old, point, &passes);
    if (!what && !is_old) make_store(l);
    if (!what && is_old) { /* such as the points of making a store */
        life_end(l);
        life_begin(l, shared->seed + 1000000007, l->figures);
    }
    if (!what) what = pick_act(l, !is_old, point, &passes);
    HOLDS(what, "no act passes kill point %s", points_name(point));
    life_prepare(l, what, is_point_of_merge(point));
    act_setting setting = life_next_setting(l);
    uint64_t pass = 1 + test_random_below(&l->random, passes);
    if (test_random_below(&l->random, 2)) pass = 1 + pass % 3 % passes; /* the first ones are passed more surely */
    points_arm(point, ACTION_DIE, (int)pass);
    int was_killed = wait_for_child(start_act(what, &setting), what->name);
    points_disarm();
    if (was_killed) {
        l->figures->kills++;
        kills_at[point]++;
    } else {
        l->figures->missed++;
    }
    after_kill(l);
}

/* One life; points come in turn, or it is always the same one. */
static void live_through_points(uint64_t seed, size_t only, figures *out)
{
    life l;
    life_begin(&l, seed, out);
    for (uint64_t g = 0; g < GENERATIONS; g++) {
        size_t point = only != SIZE_MAX ? only : (seed * GENERATIONS + g) % points_count();
        say_case("points", seed, points_name(point));
        kill_at_point(&l, point, g > 0);
    }
    life_end(&l);
    out->runs++;
}

static size_t rarest_point(void)
{
    size_t rarest = 0;
    for (size_t p = 1; p < points_count(); p++)
        if (kills_at[p] < kills_at[rarest]) rarest = p;
    return rarest;
}

/* How many kills each point must have seen: some in the short form, 100 in a long one. */
static uint64_t least_wanted(uint64_t kills)
{
    uint64_t wanted = 2 + kills / (4 * points_count());
    return wanted < 100 ? wanted : 100;
}

void test_points(const orders *o, figures *out)
{
    size_t only = o->point ? points_find(o->point) : SIZE_MAX, count = points_count(), rarest;
    int is_repeating = o->runs && o->end_s == 0; /* certain seeds, not all points */
    uint64_t seed = o->seed, most = 0;
    HOLDS(!o->point || only != SIZE_MAX, "no kill point has the name %s", o->point);
    points_begin();
    learn_acts();
    memset(kills_at, 0, sizeof kills_at);
    for (; goes_on(o, out, 50); seed++) live_through_points(seed, only, out);
    /* What the turns did not reach often enough is gone for. */
    for (int tries = 0; only == SIZE_MAX && !is_repeating; tries++) {
        rarest = rarest_point();
        if (kills_at[rarest] >= least_wanted(out->kills)) break;
        HOLDS(tries < 1000 + (int)(out->runs / 4), "kill point %s is reached too rarely: %" PRIu64 " kills",
              points_name(rarest), kills_at[rarest]);
        live_through_points(seed++, rarest, out);
    }
    rarest = only != SIZE_MAX ? only : rarest_point();
    out->least = kills_at[rarest];
    for (size_t p = 0; p < count; p++)
        if (kills_at[p] > most) most = kills_at[p];
    snprintf(out->text, sizeof out->text,
             "%zu kill points, %" PRIu64 " to %" PRIu64 " kills at each (fewest: %s), %" PRIu64 " children ended first",
             count, out->least, most, points_name(rarest), out->missed);
    if (getenv("STEPLOG_KILL_TABLE"))
        for (size_t p = 0; p < count; p++) printf("# %6" PRIu64 " %s\n", kills_at[p], points_name(p));
}

/* ---- at any moment ---- */

void sleep_s(double seconds)
{
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

static void live_through_moments(uint64_t seed, figures *out)
{
    life l;
    life_begin(&l, seed, out);
    for (uint64_t g = 0; g < GENERATIONS; g++) {
        size_t a = test_random_below(&l.random, act_count);
        say_case("moments", seed, acts[a].name);
        life_prepare(&l, &acts[a], 0);
        act_setting setting = life_next_setting(&l);
        pid_t child = start_act(&acts[a], &setting);
        double unit = test_random_unit(&l.random);
        sleep_s(unit * unit * unit * seconds_of[a]);
        kill(child, SIGKILL);
        if (wait_for_child(child, acts[a].name))
            out->kills++;
        else
            out->missed++;
        after_kill(&l);
    }
    life_end(&l);
    out->runs++;
}

void test_moments(const orders *o, figures *out)
{
    learn_acts();
    for (uint64_t seed = o->seed; goes_on(o, out, 70 / SLOWER); seed++)
        live_through_moments(seed, out);
    snprintf(out->text, sizeof out->text, "killed at random moments; %" PRIu64 " children ended first", out->missed);
}
