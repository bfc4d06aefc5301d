/* kill/acts.c: what children do until they are killed. */
#include "kill/kill.h"

#include "os/os.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- short ways ---- */

typedef struct pen {
    act_setting *setting;
    steplog_writer *writer;
    steplog_schema row, wide;
    steplog_metric points[POINTS_A_STEP];
} pen;

static uint64_t below(act_setting *s, uint64_t limit) { return test_random_below(&s->random, limit); }

static steplog_store *open_bounded(const char *path, uint32_t flags, uint32_t sync_ms, uint64_t backlog_bytes)
{
    steplog_store_options options = {.size_bytes = sizeof options,
                                     .flags = flags | STEPLOG_CREATE,
                                     .sync_interval_ms = sync_ms,
                                     .log_bytes = 65536,
                                     .backlog_bytes = backlog_bytes};
    steplog_store *store = NULL;
    OK(steplog_store_open(path, &options, &store, &kit_error));
    return store;
}

static steplog_store *open_store(const char *path, uint32_t flags, uint32_t sync_ms)
{
    return open_bounded(path, flags, sync_ms, 0);
}

static pen take_pen(act_setting *s, steplog_store *store)
{
    pen p = {.setting = s, .writer = kit_writer(store, "run", s->rank, 0)};
    p.row = kit_schema(p.writer, "r", ROW_COLUMNS);
    p.wide = kit_schema(p.writer, "w", WIDE_COLUMNS);
    for (unsigned i = 0; i < POINTS_A_STEP; i++) {
        char name[8];
        snprintf(name, sizeof name, "p%u", i);
        p.points[i] = kit_metric(p.writer, name);
    }
    return p;
}

/* Operation n, once. */
static steplog_status append_op(pen *p, uint64_t n)
{
    uint32_t rank = p->setting->rank;
    op_kind kind = op_kind_of(rank, n);
    double values[WIDE_COLUMNS];
    uint32_t count = kind == OP_WIDE_ROW ? WIDE_COLUMNS : ROW_COLUMNS;
    uint64_t presence = op_presence(rank, n);
    int64_t step = op_step(rank, n), time_ns = op_time(rank, n);
    if (kind == OP_POINT) {
        uint32_t column = (uint32_t)(n % POINTS_A_STEP);
        return steplog_writer_point(p->writer, p->points[column], step, time_ns, op_value(rank, n, kind, column));
    }
    for (uint32_t c = 0; c < count; c++) values[c] = op_value(rank, n, kind == OP_WIDE_ROW ? kind : OP_ROW, c);
    if (kind == OP_SPARSE_ROW)
        return steplog_writer_append_present(p->writer, p->row, step, time_ns, values, &presence);
    return steplog_writer_append(p->writer, kind == OP_ROW ? p->row : p->wide, step, time_ns, values);
}

/* The next operation; FULL leaves it to be done again. */
static steplog_status append_next(pen *p)
{
    progress *rows = &shared->rows[p->setting->rank];
    uint64_t n = atomic_load(&rows->acknowledged);
    atomic_store(&rows->begun, n + 1);
    steplog_status status = append_op(p, n);
    if (status == STEPLOG_OK) {
        atomic_store(&rows->acknowledged, n + 1);
        return status;
    }
    atomic_store(&rows->begun, n);
    return status;
}

static void append_many(pen *p, uint64_t count)
{
    for (; count > 0; count--) OK(append_next(p));
}

static void record_fact(pen *p)
{
    progress *facts = &shared->facts[p->setting->rank];
    char key[8], value[24];
    uint64_t n = atomic_load(&facts->acknowledged);
    snprintf(key, sizeof key, "tag.%u", (unsigned)p->setting->rank);
    snprintf(value, sizeof value, "%llu", (unsigned long long)n);
    atomic_store(&facts->begun, n + 1);
    OK(steplog_writer_set_fact(p->writer, key, value, &kit_error));
    atomic_store(&facts->acknowledged, n + 1);
}

static void record_blob(pen *p)
{
    progress *blobs = &shared->blobs[p->setting->rank];
    uint64_t n = atomic_load(&blobs->acknowledged);
    size_t bytes;
    uint8_t *content = blob_content(p->setting->rank, n, &bytes);
    atomic_store(&blobs->begun, n + 1);
    OK(steplog_writer_blob(p->writer, "blob", (int64_t)n, STEPLOG_TIME_NOW, "text/plain", content, bytes, &kit_error));
    atomic_store(&blobs->acknowledged, n + 1);
    free(content);
}

static void tick(steplog_store *store, uint32_t budget_ms)
{
    steplog_status status = steplog_store_tick(store, budget_ms, &kit_error);
    if (status != STEPLOG_WAIT) OK(status);
}

/* Half of the children close what they opened; the others leave it as a killed one does. */
static void end(act_setting *s, steplog_store *store, pen *p)
{
    if (below(s, 2)) return;
    if (p) kit_writer_close(p->writer);
    kit_store_close(store);
}

/* ---- the acts ---- */

static void play_append(act_setting *s)
{
    steplog_store *store = open_store(s->path, s->flags | STEPLOG_NO_THREAD, 0);
    pen p = take_pen(s, store);
    for (uint64_t left = 30 + below(s, 900); left > 0; left--) {
        append_many(&p, 1);
        if (below(s, 200) == 0) OK(steplog_writer_sync(p.writer, &kit_error));
        if (below(s, 200) == 0) tick(store, 0);
    }
    end(s, store, &p);
}

static void play_thread(act_setting *s)
{
    steplog_store *store = open_store(s->path, s->flags, 1);
    pen p = take_pen(s, store);
    append_many(&p, 100 + below(s, 1500));
    if (below(s, 4) == 0) record_fact(&p);
    end(s, store, &p);
}

/* Appends seal what waits themselves, some beside a background thread that does so too. */
static void play_ahead(act_setting *s)
{
    uint32_t alone = below(s, 4) ? STEPLOG_NO_THREAD : 0;
    steplog_store *store = open_bounded(s->path, s->flags | alone, 1, 1);
    pen p = take_pen(s, store);
    append_many(&p, 1500 + below(s, 1500));
    end(s, store, &p);
}

static void play_seal(act_setting *s)
{
    steplog_store *store = open_store(s->path, s->flags | STEPLOG_NO_THREAD, 0);
    pen p = take_pen(s, store);
    for (uint64_t turns = 3 + below(s, 6); turns > 0; turns--) {
        append_many(&p, 450);
        tick(store, 1000);
    }
    end(s, store, &p);
}

static void play_compact(act_setting *s)
{
    static const uint32_t ways[] = {0, 0, STEPLOG_COMPACT_NOW, STEPLOG_COMPACT_LIGHT};
    steplog_store *store = open_store(s->path, s->flags | STEPLOG_NO_THREAD, 0);
    for (uint64_t sessions = 1 + below(s, 3); sessions > 0; sessions--) {
        pen p = take_pen(s, store);
        append_many(&p, 20 + below(s, 100));
        kit_writer_close(p.writer);
    }
    steplog_compact_options options = {.size_bytes = sizeof options, .flags = ways[below(s, 4)]};
    OK(steplog_store_compact(store, &options, NULL, &kit_error));
    end(s, store, NULL);
}

/* Another process, which sleeps, is in the middle of recording what is counted here: two at once would count the same. */
static int is_being_recorded(progress *p) { return atomic_load(&p->begun) != atomic_load(&p->acknowledged); }

static void play_facts(act_setting *s)
{
    steplog_store *store = open_store(s->path, s->flags | STEPLOG_NO_THREAD, 0);
    pen p = take_pen(s, store);
    for (uint64_t left = 4 + below(s, 10); left > 0; left--) {
        append_many(&p, below(s, 30));
        if (below(s, 2)) record_fact(&p);
        if (below(s, 2)) record_blob(&p);
    }
    steplog_id run = kit_run_of(p.writer);
    if (below(s, 2) && !is_being_recorded(&shared->outside)) {
        char value[24];
        uint64_t n = atomic_load(&shared->outside.acknowledged);
        snprintf(value, sizeof value, "%llu", (unsigned long long)n);
        steplog_pair pair = {.key = "tag.out", .value = value};
        atomic_store(&shared->outside.begun, n + 1);
        OK(steplog_run_set_facts(store, &run, &pair, 1, &kit_error));
        atomic_store(&shared->outside.acknowledged, n + 1);
    }
    if (below(s, 4) == 0 && !is_being_recorded(&shared->rewinds)) {
        uint64_t n = atomic_load(&shared->rewinds.acknowledged);
        atomic_store(&shared->rewinds.begun, n + 1);
        OK(steplog_run_rewind(store, &run, (int64_t)below(s, 1000), NULL, &kit_error));
        atomic_store(&shared->rewinds.acknowledged, n + 1);
        if (below(s, 2)) OK(steplog_run_rewind_undo(store, &run, NULL, &kit_error));
    }
    end(s, store, &p);
}

/* A run of its own is written, removed, perhaps taken back and removed again, and freed. */
static void play_remove(act_setting *s)
{
    steplog_store *store = open_store(s->path, s->flags | STEPLOG_NO_THREAD, 0);
    uint64_t g = atomic_load(&shared->gone_count);
    if (g < GONE_RUNS) {
        char key[16];
        atomic_store(&shared->gone_count, g + 1);
        snprintf(key, sizeof key, "gone%u", (unsigned)g);
        steplog_writer *writer = kit_writer(store, key, 0, 0);
        steplog_schema schema = kit_schema(writer, "x", 1);
        uint64_t count = 1 + below(s, 60);
        for (uint64_t row = 0; row < count; row++) {
            double value = kit_value(shared->seed, g, row, 0);
            atomic_store(&shared->gone[g].rows.begun, row + 1);
            OK(steplog_writer_append(writer, schema, (int64_t)row, STEPLOG_TIME_NONE, &value));
            atomic_store(&shared->gone[g].rows.acknowledged, row + 1);
        }
        kit_writer_close(writer);
        steplog_remove_options options = {.size_bytes = sizeof options, .run = oracle_run(key)};
        steplog_remove_result result = {.size_bytes = sizeof result};
        atomic_store(&shared->gone[g].removal.begun, 1);
        OK(steplog_remove(store, &options, &result, &kit_error));
        if (below(s, 3) == 0) { /* taken back, and removed again; unless someone else freed it already */
            steplog_status status = steplog_remove_undo(store, &options.run, NULL, &kit_error);
            if (status != STEPLOG_MISSING) {
                OK(status);
                OK(steplog_remove(store, &options, &result, &kit_error));
            }
        }
        atomic_store(&shared->gone[g].removal.acknowledged, 1);
    }
    steplog_compact_options now = {.size_bytes = sizeof now, .flags = STEPLOG_COMPACT_NOW};
    OK(steplog_store_compact(store, &now, NULL, &kit_error));
    end(s, store, NULL);
}

static void play_merge(act_setting *s)
{
    steplog_store *store = open_store(s->path, s->flags | STEPLOG_NO_THREAD, 0);
    if (s->copy && access(s->copy, F_OK) == 0) {
        steplog_status status = steplog_store_merge(store, s->copy, NULL, NULL, NULL, &kit_error);
        if (status != STEPLOG_MISSING) OK(status); /* a copy of a store that was not made yet */
    }
    if (below(s, 2)) OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    end(s, store, NULL);
}

/* ---- a disk that is full, a sync that fails, locks that lie ---- */

static sl_os_table odd_os;
static int allocations_left, syncs_left;

static int allocate_a_few(int fd, uint64_t bytes)
{
    return allocations_left-- > 0 ? sl_os_posix.allocate(fd, bytes) : -ENOSPC;
}

static int fail_a_sync(void *address, uint64_t bytes)
{
    return syncs_left-- != 0 ? sl_os_posix.sync_map(address, bytes) : -EIO;
}

static int fail_a_data_sync(int fd)
{
    return syncs_left-- != 0 ? sl_os_posix.sync_data(fd) : -EIO;
}

static int always_lock(int fd)
{
    (void)sl_os_posix.lock(fd);
    return 0;
}

static void let_locks_lie(void)
{
    odd_os = sl_os_posix;
    odd_os.lock = always_lock;
    sl_os = &odd_os;
}

static void play_full(act_setting *s)
{
    odd_os = sl_os_posix;
    odd_os.allocate = allocate_a_few;
    allocations_left = 1 + (int)below(s, 2);
    sl_os = &odd_os;
    steplog_store *store = open_store(s->path, s->flags | STEPLOG_NO_THREAD, 0);
    pen p = take_pen(s, store);
    uint64_t refused = 0;
    for (uint64_t left = 1500; left > 0 && refused < 20; left--) {
        steplog_status status = append_next(&p);
        if (status != STEPLOG_FULL) OK(status);
        refused += status == STEPLOG_FULL;
    }
    allocations_left = 1000; /* space returns */
    append_many(&p, 50);
    HOLDS(kit_stats(p.writer).refused_count >= refused, "%llu refused", (unsigned long long)refused);
    end(s, store, &p);
}

static void play_frozen(act_setting *s)
{
    odd_os = sl_os_posix;
    odd_os.sync_map = fail_a_sync;
    odd_os.sync_data = fail_a_data_sync;
    syncs_left = (int)below(s, 3);
    sl_os = &odd_os;
    steplog_store *store = open_store(s->path, s->flags | STEPLOG_NO_THREAD, 0);
    pen p = take_pen(s, store);
    for (int turn = 0; turn < 4; turn++) {
        append_many(&p, 10 + below(s, 200));
        OK(steplog_writer_sync(p.writer, &kit_error)); /* the rows move to a new log, and that one is synced */
        if (below(s, 2)) record_fact(&p);
    }
    end(s, store, &p);
}

static void play_recover(act_setting *s)
{
    if (below(s, 2)) {
        recover_store(s->path);
        return;
    }
    steplog_store *store = open_store(s->path, s->flags | STEPLOG_NO_THREAD, 0);
    pen p = take_pen(s, store);
    append_many(&p, below(s, 20));
    tick(store, 1000);
    append_many(&p, below(s, 20));
    end(s, store, &p);
}

/* Always closes: for writers that lose their files meanwhile. */
static void play_to_the_end(act_setting *s)
{
    steplog_store *store = open_store(s->path, s->flags | (below(s, 2) ? STEPLOG_NO_THREAD : 0), 1);
    pen p = take_pen(s, store);
    append_many(&p, 200 + below(s, 1500));
    if (below(s, 2)) record_fact(&p);
    if (below(s, 2)) record_blob(&p);
    kit_writer_close(p.writer);
    kit_store_close(store);
}

const act act_to_the_end = {"to_the_end", play_to_the_end};

static void play_liar(act_setting *s)
{
    let_locks_lie();
    recover_store(s->path);
    if (below(s, 2)) compact_store(s->path, 0);
}

const act act_liar = {"liar", play_liar};

const act acts[] = {{"append", play_append}, {"thread", play_thread}, {"seal", play_seal}, {"ahead", play_ahead},
                    {"compact", play_compact}, {"facts", play_facts},   {"remove", play_remove},
                    {"merge", play_merge},   {"full", play_full},     {"frozen", play_frozen},
                    {"recover", play_recover}};
const size_t act_count = sizeof acts / sizeof *acts;

const act *act_named(const char *name)
{
    for (size_t i = 0; i < act_count; i++)
        if (strcmp(acts[i].name, name) == 0) return &acts[i];
    return NULL;
}

void recover_store(const char *path)
{
    steplog_store *store = open_store(path, STEPLOG_NO_THREAD, 0);
    tick(store, 1000);
    kit_store_close(store);
}

void compact_store(const char *path, uint32_t compact_flags)
{
    steplog_store *store = open_store(path, STEPLOG_NO_THREAD, 0);
    steplog_compact_options options = {.size_bytes = sizeof options, .flags = compact_flags};
    OK(steplog_store_compact(store, &options, NULL, &kit_error));
    kit_store_close(store);
}

void merge_copy(const char *path, const char *copy)
{
    steplog_store *store = open_store(path, STEPLOG_NO_THREAD, 0);
    steplog_merge_result result = {.size_bytes = sizeof result};
    OK(steplog_store_merge(store, copy, NULL, NULL, NULL, &kit_error));
    OK(steplog_store_merge(store, copy, NULL, NULL, &result, &kit_error));
    HOLDS(result.files_copied == 0, "merging again copied %llu files", (unsigned long long)result.files_copied);
    kit_store_close(store);
}

void write_until_over(act_setting *s)
{
    while (!atomic_load(&shared->is_over)) {
        steplog_store *store = open_store(s->path, s->flags, 1);
        pen p = take_pen(s, store);
        for (uint64_t left = 200 + below(s, 3000); left > 0 && !atomic_load(&shared->is_over); left--) {
            append_many(&p, 1);
            if (below(s, 500) == 0) record_fact(&p);
            if (below(s, 500) == 0) record_blob(&p);
            if (below(s, 100) == 0) usleep((useconds_t)below(s, 1000));
            if ((s->flags & STEPLOG_NO_THREAD) && below(s, 100) == 0) tick(store, 1);
        }
        kit_writer_close(p.writer);
        kit_store_close(store);
    }
}

/* ---- children ---- */

pid_t start_act(const act *what, const act_setting *setting)
{
    act_setting mine = *setting;
    pid_t child = fork();
    HOLDS(child >= 0, "cannot fork");
    if (child) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody is left behind when a check fails */
    signal(SIGABRT, SIG_DFL);
    alarm(100);
    what->play(&mine);
    _exit(0);
}

int wait_for_child(pid_t child, const char *what)
{
    int status = 0;
    HOLDS(waitpid(child, &status, 0) == child, "cannot wait");
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return 1;
    HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == 0, "'%s' ended with %#x", what, (unsigned)status);
    return 0;
}
