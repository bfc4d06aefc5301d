/* kill/scenes.c: processes that sleep in the middle of something, and wake late or never, while others go on; a living
 * writer that is taken for dead. */
#include "kill/kill.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

static void play(life *l, const act *what, uint32_t rank)
{
    act_setting setting = life_next_setting(l);
    setting.rank = rank;
    wait_for_child(start_act(what, &setting), what->name);
}

/* Something for recoverers and compactors to work on. */
static void make_history(life *l)
{
    static const char *const names[] = {"append", "thread", "seal", "ahead", "compact", "facts", "remove", "frozen"};
    for (uint64_t left = 2 + test_random_below(&l->random, 3); left > 0; left--)
        play(l, act_named(names[test_random_below(&l->random, 8)]), (uint32_t)test_random_below(&l->random, RANKS));
    life_check(l, 0);
    tree_copy(l->path, l->copy);
    l->has_copy = 1;
}

/* What others do while rank 0's process sleeps; an old copy is merged in. */
static void work_meanwhile(life *l, uint32_t live_ranks)
{
    static const char *const names[] = {"append", "seal", "compact", "recover", "recover", "facts", "remove", "thread"};
    if (test_random_below(&l->random, 3) == 0) tree_age_logs(l->path, 3600);
    for (uint64_t left = 1 + test_random_below(&l->random, 3); left > 0; left--) {
        /* Facts of a store that is only half merged would be numbered anew. */
        uint64_t what = test_random_below(&l->random, l->is_merging ? 4 : 10);
        if (what < 8)
            play(l, act_named(names[what]), 1 + (uint32_t)test_random_below(&l->random, RANKS - 1));
        else if (what == 8 && !l->is_merging)
            play(l, act_named("merge"), 1);
        else
            compact_store(l->path, test_random_below(&l->random, 2) ? STEPLOG_COMPACT_NOW : 0);
        life_check(l, live_ranks);
    }
}

/* Waits until the child sleeps at the armed point; 0 when it ended instead. */
static int wait_until_there(pid_t child, const char *what)
{
    for (;;) {
        int status;
        if (atomic_load(&shared->is_there)) return 1;
        if (waitpid(child, &status, WNOHANG) == child) {
            HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == 0, "'%s' ended with %#x", what, (unsigned)status);
            return 0;
        }
        sleep_s(0.00005);
    }
}

static void sleep_at_point(uint64_t seed, size_t point, figures *out)
{
    life l;
    uint32_t passes;
    life_begin(&l, seed, out);
    say_case("late", seed, points_name(point));
    int is_old = test_random_below(&l.random, 8) != 0;
    const act *what = pick_act(&l, is_old, point, &passes);
    if (!what) what = pick_act(&l, is_old = !is_old, point, &passes);
    HOLDS(what, "no act passes %s", points_name(point));
    if (is_old) make_history(&l);
    life_prepare(&l, what, is_point_of_merge(point));
    act_setting setting = life_next_setting(&l);
    setting.rank = 0;
    points_arm(point, ACTION_WAIT, 1 + (int)test_random_below(&l.random, passes));
    pid_t child = start_act(what, &setting);
    if (wait_until_there(child, what->name)) {
        life_check(&l, ALL_RANKS);
        work_meanwhile(&l, ALL_RANKS);
        if (test_random_below(&l.random, 3) == 0) kill(child, SIGKILL);
        atomic_store(&shared->may_go, 1);
        out->kills += (uint64_t)wait_for_child(child, what->name);
    } else {
        out->missed++;
    }
    points_disarm();
    life_settle(&l);
    life_check(&l, 0);
    life_end(&l);
    out->runs++;
}

void test_late(const orders *o, figures *out)
{
    points_begin();
    learn_acts();
    size_t only = o->point ? points_find(o->point) : SIZE_MAX;
    for (uint64_t seed = o->seed; goes_on(o, out, points_count()); seed++)
        sleep_at_point(seed, only != SIZE_MAX ? only : seed % points_count(), out);
    snprintf(out->text, sizeof out->text,
             "a process sleeps at a kill point while others recover, compact, merge and write; %" PRIu64
             " ended before they came there", out->missed);
}

/* ---- stopped at any moment ---- */

/* Two at once are stopped in the middle, one of them often a second compactor; they wake in any order. */
static void stop_two(uint64_t seed, figures *out)
{
    static const char *const names[] = {"compact", "compact", "recover", "seal", "thread", "facts", "remove"};
    life l;
    pid_t children[2];
    const act *whats[2];
    int is_killed[2];
    life_begin(&l, seed, out);
    say_case("stopped", seed, "");
    make_history(&l);
    for (uint32_t i = 0; i < 2; i++) {
        whats[i] = act_named(names[test_random_below(&l.random, 7)]);
        act_setting setting = life_next_setting(&l);
        setting.rank = i;
        children[i] = start_act(whats[i], &setting);
    }
    double unit = test_random_unit(&l.random);
    sleep_s(unit * unit * seconds_of_act(whats[0]));
    for (int i = 0; i < 2; i++) kill(children[i], SIGSTOP);
    life_check(&l, ALL_RANKS);
    tree_age_logs(l.path, 3600);
    for (uint64_t left = 1 + test_random_below(&l.random, 3); left > 0; left--) {
        static const char *const others[] = {"compact", "recover", "append", "seal"};
        play(&l, act_named(others[test_random_below(&l.random, 4)]), 2);
        life_check(&l, ALL_RANKS);
    }
    for (int i = 0; i < 2; i++) {
        is_killed[i] = test_random_below(&l.random, 4) == 0;
        kill(children[i], is_killed[i] ? SIGKILL : SIGCONT);
        if (test_random_below(&l.random, 2)) sleep_s(0.001);
    }
    for (int i = 0; i < 2; i++) out->kills += (uint64_t)wait_for_child(children[i], whats[i]->name);
    life_check(&l, 0);
    life_end(&l);
    out->runs++;
}

void test_stopped(const orders *o, figures *out)
{
    learn_acts();
    for (uint64_t seed = o->seed; goes_on(o, out, 30 / SLOWER); seed++) stop_two(seed, out);
    snprintf(out->text, sizeof out->text, "two processes stopped at any moment while others go on, woken late");
}

/* ---- taken for dead ---- */

static void take_for_dead(uint64_t seed, figures *out)
{
    life l;
    life_begin(&l, seed, out);
    say_case("thought_dead", seed, "");
    make_history(&l);
    act_setting setting = life_next_setting(&l);
    setting.rank = 0;
    int has_lied = 0;
    pid_t child = start_act(&act_to_the_end, &setting);
    for (uint64_t stops = 1 + test_random_below(&l.random, 3); stops > 0; stops--) {
        sleep_s(test_random_unit(&l.random) * 0.003);
        kill(child, SIGSTOP);
        if (test_random_below(&l.random, 2)) tree_age_logs(l.path, 3600);
        play(&l, &act_liar, 1);
        /* What is appended to a log without a name is seen again when it is sealed. */
        if (!has_lied) life_check(&l, ALL_RANKS);
        has_lied = 1;
        kill(child, SIGCONT);
    }
    wait_for_child(child, "a writer taken for dead");
    life_check(&l, 0);
    life_end(&l);
    out->runs++;
}

void test_thought_dead(const orders *o, figures *out)
{
    learn_acts();
    for (uint64_t seed = o->seed; goes_on(o, out, 30 / SLOWER); seed++) take_for_dead(seed, out);
    snprintf(out->text, sizeof out->text, "a living writer's logs are sealed and removed under it; it closes well");
}
