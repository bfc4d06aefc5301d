/* forks/test_points.c: forks at the kill points: between two stores of an append as well as between a file and its
 * directory, in all that a process may do to a store. Attack builds only: others have no kill points. */
#include "forks/forks.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef SL_KILL_POINTS

typedef struct setting {
    char path[512], other[512]; /* the store, not made yet; one to merge, or one whose log is to be recovered */
    uint32_t flags;
    fork_mode mode;
    uint64_t seed;
} setting;

/* ---- trouble ---- */

static sl_os_table troubled;
static const sl_os_table *untroubled;
static int is_full, syncs_until_failure;

static int allocate_nothing(int fd, uint64_t bytes) { return is_full ? -ENOSPC : untroubled->allocate(fd, bytes); }

static int sync_map_badly(void *address, uint64_t bytes)
{
    return syncs_until_failure-- != 0 ? untroubled->sync_map(address, bytes) : -EIO;
}

static int sync_data_badly(int fd) { return syncs_until_failure-- != 0 ? untroubled->sync_data(fd) : -EIO; }

static void (*leave_hook)(void);

static void leave_trouble(void) /* in a child */
{
    is_full = 0;
    syncs_until_failure = -1;
    if (leave_hook) leave_hook();
}

/* Rows that a full disk refuses; afterwards there is room again. */
static void meet_full_disk(steplog_writer *writer, steplog_schema schema)
{
    double values[COLUMNS];
    uint64_t refused = 0;
    is_full = 1;
    while (refused < 5) {
        uint64_t row = atomic_load(&all->rows[0]);
        for (unsigned c = 0; c < COLUMNS; c++) values[c] = kit_value(VALUE_SEED, 0, row, c);
        steplog_status status = steplog_writer_append(writer, schema, (int64_t)row, STEPLOG_TIME_NOW, values);
        if (status == STEPLOG_FULL) {
            refused++;
            continue;
        }
        OK(status);
        atomic_store(&all->rows[0], row + 1);
    }
    is_full = 0;
}

/* ---- the subject ---- */

static void append_many(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) append_own(self.writer, self.schema, 0);
}

static void record_texts(const setting *s)
{
    static char text[150000]; /* in several parts */
    steplog_id run = kit_run_of(self.writer);
    steplog_pair fact = {"tag.outside", "yes"};
    memset(text, 'a' + (int)(s->seed % 20), sizeof text - 1);
    OK(steplog_writer_set_fact(self.writer, "note", text, &kit_error));
    OK(steplog_writer_blob(self.writer, "note", 1, STEPLOG_TIME_NOW, "text/plain", text, sizeof text, &kit_error));
    OK(steplog_run_set_facts(self.store, &run, &fact, 1, &kit_error));
}

static void remove_a_run(void)
{
    steplog_writer *writer = kit_writer(self.store, "gone", 0, 0);
    steplog_schema schema = kit_schema(writer, "x", 1);
    steplog_remove_options options = {.size_bytes = sizeof options, .run = kit_run_of(writer)};
    steplog_remove_result removed = {.size_bytes = sizeof removed};
    for (int64_t row = 0; row < 20; row++) {
        double value = (double)row;
        OK(steplog_writer_append(writer, schema, row, STEPLOG_TIME_NONE, &value));
    }
    kit_writer_close(writer);
    OK(steplog_remove(self.store, &options, &removed, &kit_error));
    OK(steplog_remove_undo(self.store, &options.run, NULL, &kit_error));
    OK(steplog_remove(self.store, &options, &removed, &kit_error));
}

static int be_subject(void *context)
{
    const setting *s = context;
    const uint32_t flags = s->flags | STEPLOG_NO_THREAD;
    const steplog_compact_options now = {.size_bytes = sizeof now, .flags = STEPLOG_COMPACT_NOW};
    hook_points_on(s->mode, s->seed);
    untroubled = sl_os;
    troubled = *sl_os;
    troubled.allocate = allocate_nothing;
    troubled.sync_map = sync_map_badly;
    troubled.sync_data = sync_data_badly;
    syncs_until_failure = -1;
    sl_os = &troubled;
    leave_hook = on_child;
    on_child = leave_trouble;

    subject_open(s->path, flags | STEPLOG_CREATE);
    self.writer = subject_writer(0, &self.schema);
    append_many(700);
    record_texts(s);
    OK(steplog_writer_sync(self.writer, &kit_error));
    remove_a_run();
    OK(steplog_store_merge(self.store, s->other, NULL, NULL, NULL, &kit_error));
    while (steplog_store_tick(self.store, 1000, &kit_error) == STEPLOG_WAIT) continue;

    append_many(50);
    syncs_until_failure = 0;
    OK(steplog_writer_sync(self.writer, &kit_error)); /* its rows move to a new log */
    append_many(100);
    meet_full_disk(self.writer, self.schema);
    append_many(700);
    OK(steplog_writer_sync(self.writer, &kit_error));
    OK(steplog_store_compact(self.store, &now, NULL, &kit_error));

    steplog_writer *last = self.writer;
    self.writer = NULL;
    kit_writer_close(last);
    steplog_store *store = self.store;
    self.store = NULL;
    kit_store_close(store);

    /* Another process's log, which is to be recovered. */
    subject_open(s->other, flags);
    OK(steplog_store_compact(self.store, &now, NULL, &kit_error));
    store = self.store;
    self.store = NULL;
    kit_store_close(store);
    hook_off();
    return 0;
}

void test_at_every_point(uint64_t seed, result *out)
{
    char what[120];
    setting s = {.seed = seed,
                 .flags = seed % 2 ? 0 : (uint32_t)STEPLOG_FORCE_PWRITE,
                 .mode = seed / 2 % 2 ? FORK_BY_OTHER_THREAD : FORK_IN_PLACE};
    snprintf(what, sizeof what, "at_every_point: seed %llu", (unsigned long long)seed);
    shared_reset();
    HOLDS(hook_point_count() <= POINTS_MAX, "%zu kill points", hook_point_count());
    make_store(s.other, s.flags);
    snprintf(s.path, sizeof s.path, "%.500s-new", s.other);
    verdict v = run_subject(be_subject, &s, what);
    if (v.status != 0) {
        complain(what, "the subject ended with status %x", (unsigned)v.status);
        v.violations++;
    }
    out->violations += v.violations + judge(s.path, 0, what);
    test_remove_tree(s.path);
    test_remove_tree(s.other);
    out->states += atomic_load(&all->fork_count);
    size_t reached = 0;
    for (size_t i = 0; i < hook_point_count(); i++) reached += all->point_reached[i];
    snprintf(out->seen, sizeof out->seen, "forked at %zu of %zu kill points", reached, hook_point_count());
    if (!getenv("STEPLOG_FORK_TABLE")) return;
    for (size_t i = 0; i < hook_point_count(); i++)
        if (!all->point_reached[i]) fprintf(stderr, "# %s: never forked at %s\n", what, hook_point_name(i));
}

#else
typedef int no_points; /* a file is not to be empty */
#endif
