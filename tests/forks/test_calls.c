/* forks/test_calls.c: forks at each os call, with everything that a process may be doing in it. */
#include "forks/forks.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct plan {
    char path[512];
    uint32_t flags;
    fork_mode mode;
    uint64_t stride, offset, seed;
    int has_threads;
} plan;

static void record_more(uint32_t w, steplog_writer *writer)
{
    char blob[3000];
    steplog_id run = kit_run_of(writer);
    steplog_pair fact = {"tag.outside", "yes"};
    memset(blob, 'b', sizeof blob);
    OK(steplog_writer_set_fact(writer, "tag.w", w ? "1" : "0", &kit_error));
    OK(steplog_writer_blob(writer, "note", 1, STEPLOG_TIME_NOW, "text/plain", blob, sizeof blob, &kit_error));
    OK(steplog_run_set_facts(self.store, &run, &fact, 1, &kit_error)); /* a writer of facts only */
}

static void read_some(void)
{
    steplog_reader *reader = kit_reader(self.store);
    steplog_id run;
    size_t found;
    OK(steplog_reader_find_runs(reader, "@latest", &run, 1, &found, &kit_error));
    kit_rows rows = kit_read(reader, &run, "m0", NULL);
    kit_rows_free(&rows);
    steplog_reader_close(reader);
}

static void *write_beside(void *context)
{
    steplog_schema schema;
    steplog_writer *writer = context;
    schema = kit_schema(writer, "m", COLUMNS);
    for (unsigned row = 0; row < 1500; row++) {
        append_own(writer, schema, 1);
        if (row % 500 == 499) OK(steplog_writer_sync(writer, &kit_error));
    }
    record_more(1, writer);
    kit_writer_close(writer);
    return NULL;
}

static int be_subject(void *context)
{
    const plan *p = context;
    pthread_t beside;
    steplog_schema schema;
    hook_on(p->mode, p->stride, p->offset, p->seed);
    subject_open(p->path, p->flags);
    self.writer = subject_writer(0, &self.schema);
    if (p->has_threads) {
        steplog_writer *writer = subject_writer(1, &schema);
        HOLDS(pthread_create(&beside, NULL, write_beside, writer) == 0, "no thread");
    }
    for (unsigned row = 0; row < 1500; row++) {
        append_own(self.writer, self.schema, 0);
        if (row == 300) record_more(0, self.writer);
        if (row % 400 == 399) OK(steplog_writer_sync(self.writer, &kit_error));
        if (row % 500 == 499 && (p->flags & STEPLOG_NO_THREAD))
            while (steplog_store_tick(self.store, 1000, &kit_error) == STEPLOG_WAIT) continue;
    }
    read_some();
    steplog_writer *third = subject_writer(2, &schema);
    for (unsigned row = 0; row < 50; row++) append_own(third, schema, 2);
    kit_writer_close(third);
    OK(steplog_store_compact(self.store, NULL, NULL, &kit_error));
    if (p->has_threads) pthread_join(beside, NULL);
    steplog_writer *last = self.writer;
    self.writer = NULL;
    kit_writer_close(last);
    steplog_store *store = self.store;
    self.store = NULL;
    kit_store_close(store);
    hook_off();
    return 0;
}

static const char *describe(const plan *p, const char *test)
{
    static char text[200];
    snprintf(text, sizeof text, "%s: seed %llu, %s, %s, forked %s at visit %llu", test, (unsigned long long)p->seed,
             p->flags & STEPLOG_FORCE_PWRITE ? "pwrite" : "mapped", p->has_threads ? "threads" : "one thread",
             p->mode == FORK_BY_OTHER_THREAD ? "by another thread" : p->mode == FORK_AT_OPEN_AND_DIE ? "in an open"
                                                                                                     : "in place",
             (unsigned long long)p->offset);
    if (p->stride == UINT64_MAX) return text;
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, " and each %llu more", (unsigned long long)p->stride);
    return text;
}

static void plan_flags(plan *p)
{
    p->flags = (p->seed % 2 ? 0 : (uint32_t)STEPLOG_FORCE_PWRITE);
    p->has_threads = MAY_HAVE_THREADS && p->seed / 2 % 2;
    p->mode = p->has_threads && p->seed / 4 % 2 == 0 ? FORK_BY_OTHER_THREAD : FORK_IN_PLACE;
    if (!p->has_threads) p->flags |= STEPLOG_NO_THREAD;
}

/* Seeds one after the other go through the offsets, so that with time each call is forked at in each mode. */
void test_at_every_call(uint64_t seed, result *out)
{
    plan p = {.stride = 24 + seed % 3, .seed = seed};
    test_random random = test_random_from(seed);
    p.offset = (seed / 4 + test_random_below(&random, p.stride)) % p.stride;
    plan_flags(&p);
    shared_reset();
    make_store(p.path, p.flags);
    const char *what = describe(&p, "at_every_call");
    verdict v = run_subject(be_subject, &p, what);
    if (v.status != 0) {
        complain(what, "the subject ended with status %x", (unsigned)v.status);
        v.violations++;
    }
    out->violations += v.violations + judge(p.path, 0, what);
    test_remove_tree(p.path);
    out->states += atomic_load(&all->fork_count);
    unsigned before = 0, after = 0;
    for (unsigned i = 0; i < hook_function_count(); i++) before += all->reached[i][0], after += all->reached[i][1];
    snprintf(out->seen, sizeof out->seen, "forked before %u and after %u of %u functions, %u calls in the last run", before,
             after, hook_function_count(), atomic_load(&all->call_count));
}

/* The subject dies the moment that its child has been forked; no lock may live on with the child. */
void test_dead_parent(uint64_t seed, result *out)
{
    static uint64_t visits[4];
    plan p = {.mode = FORK_AND_DIE, .seed = seed, .stride = UINT64_MAX};
    uint64_t *known = &visits[seed % 4];
    p.flags = seed % 2 ? 0 : (uint32_t)STEPLOG_FORCE_PWRITE;
    p.has_threads = MAY_HAVE_THREADS && seed / 2 % 2;
    if (!p.has_threads) p.flags |= STEPLOG_NO_THREAD;
    if (!*known) { /* how many there are */
        shared_reset();
        make_store(p.path, p.flags);
        p.offset = UINT64_MAX - 1;
        out->violations += run_subject(be_subject, &p, "dead_parent: counting").violations;
        *known = 2ull * atomic_load(&all->call_count);
        out->violations += judge(p.path, 0, "dead_parent: counting");
        test_remove_tree(p.path);
        if (!*known) return;
    }
    /* In steps that spread few seeds over all of it, and many seeds over each. */
    p.offset = seed / 4 * 1009 % *known;
    if (seed / 4 % 4 == 0) {
        p.mode = FORK_AT_OPEN_AND_DIE;
        p.offset = seed / 16 % 30;
    }
    shared_reset();
    make_store(p.path, p.flags);
    const char *what = describe(&p, "dead_parent");
    verdict v = run_subject(be_subject, &p, what);
    out->violations += v.violations + judge(p.path, JUDGE_IS_KILLED, what);
    if (v.status != 0 && !(WIFSIGNALED(v.status) && WTERMSIG(v.status) == SIGKILL)) {
        complain(what, "the subject ended with status %x", (unsigned)v.status);
        out->violations++;
    }
    test_remove_tree(p.path);
    out->states += atomic_load(&all->fork_count);
    snprintf(out->seen, sizeof out->seen, "of %llu, %llu, %llu and %llu places to fork and die at",
             (unsigned long long)visits[0], (unsigned long long)visits[1], (unsigned long long)visits[2],
             (unsigned long long)visits[3]);
}
