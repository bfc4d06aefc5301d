/* kill/crowd.c: everybody at once: writers, compactors, recoverers, followers, exporters, and one that kills them. */
#include "kill/kill.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

typedef enum role { WRITER, COMPACTOR, RECOVERER, FOLLOWER, EXPORTER } role;

static const char *const role_names[] = {"writer", "compactor", "recoverer", "follower", "exporter"};

/* Who is there; the rank of a writer is its place. */
static const role roles[] = {WRITER, WRITER, WRITER, COMPACTOR, COMPACTOR, RECOVERER, FOLLOWER, FOLLOWER, EXPORTER};
enum { PEOPLE = sizeof roles / sizeof *roles };

static void work(role what, uint32_t place, life *l, act_setting *setting)
{
    uint32_t flags = place % 2 ? STEPLOG_COMPACT_NOW : 0;
    if (what == WRITER) write_until_over(setting);
    if (what == FOLLOWER) oracle_follow(l->path);
    while (what != WRITER && what != FOLLOWER && !atomic_load(&shared->is_over)) {
        if (what == COMPACTOR) compact_store(l->path, flags);
        if (what == RECOVERER) recover_store(l->path);
        if (what == EXPORTER) oracle_check(l->path, ALL_RANKS);
        atomic_fetch_add(&shared->rounds[what], 1);
        sleep_s(0.002 * test_random_unit(&setting->random));
    }
}

static pid_t start(uint32_t place, life *l)
{
    act_setting setting = life_next_setting(l);
    setting.rank = place;
    if (test_random_below(&l->random, 2)) setting.flags |= STEPLOG_NO_THREAD;
    pid_t child = fork();
    HOLDS(child >= 0, "cannot fork");
    if (child) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGABRT, SIG_DFL);
    alarm(200);
    work(roles[place], place, l, &setting);
    _exit(0);
}

static void gather(uint64_t seed, uint64_t kills, figures *out)
{
    life l;
    pid_t people[PEOPLE];
    life_begin(&l, seed, out);
    say_case("crowd", seed, "");
    recover_store(l.path);
    for (uint32_t i = 0; i < PEOPLE; i++) people[i] = start(i, &l);
    for (; kills > 0; kills--) {
        sleep_s(0.05 * test_random_unit(&l.random));
        uint32_t victim = (uint32_t)test_random_below(&l.random, PEOPLE);
        if (test_random_below(&l.random, 4) == 0) { /* one that sleeps a while and wakes late */
            kill(people[victim], SIGSTOP);
            sleep_s(0.02 * test_random_unit(&l.random));
            kill(people[victim], SIGCONT);
            continue;
        }
        kill(people[victim], SIGKILL);
        out->kills += (uint64_t)wait_for_child(people[victim], role_names[roles[victim]]);
        if (roles[victim] == WRITER) life_check(&l, ALL_RANKS & ~(1u << victim));
        people[victim] = start(victim, &l);
    }
    atomic_store(&shared->is_over, 1);
    for (uint32_t i = 0; i < PEOPLE; i++) wait_for_child(people[i], role_names[roles[i]]);
    life_check(&l, 0);
    life_end(&l);
    out->runs++;
}

void test_crowd(const orders *o, figures *out)
{
    for (int i = 0; i < 8; i++) atomic_store(&shared->rounds[i], 0);
    atomic_store(&shared->followed, 0);
    for (uint64_t seed = o->seed; goes_on(o, out, SLOWER == 1 ? 2 : 1); seed++)
        gather(seed, 20 / SLOWER, out);
    snprintf(out->text, sizeof out->text,
             "%" PRIu64 " compactions, %" PRIu64 " recoveries and %" PRIu64 " exports beside 3 writers, %" PRIu64
             " rows followed", atomic_load(&shared->rounds[COMPACTOR]), atomic_load(&shared->rounds[RECOVERER]),
             atomic_load(&shared->rounds[EXPORTER]), atomic_load(&shared->followed));
}
