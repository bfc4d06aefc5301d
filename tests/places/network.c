/* places/network.c: what file systems of a network do, behind the os table: attributes that are stale, tails that are
 * zero until later, ESTALE, locks that anybody gets or nobody. */
#include "places.h"

#include "os/os.h"
#include "support/store_kit.h"
#include "tree.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOCKS_REAL, LOCKS_ALWAYS, LOCKS_NEVER, LOCKS_UNKNOWN, LOCK_WAYS };

static struct {
    test_random random;
    pthread_mutex_t lock;
    unsigned locks;
    uint64_t stale_of, zero_of, gone_of; /* one call in so many; 0 none */
} net = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t below(uint64_t limit)
{
    pthread_mutex_lock(&net.lock);
    uint64_t got = test_random_below(&net.random, limit);
    pthread_mutex_unlock(&net.lock);
    return got;
}

static int due(uint64_t one_of) { return one_of && below(one_of) == 0; }

static int net_file_system(int fd, sl_os_file_system *out)
{
    (void)fd;
    *out = (sl_os_file_system){.name = "nfs"};
    return 0;
}

/* As they were before the last write: smaller, earlier, or still there. */
static void make_stale(sl_os_stat *stat)
{
    if (!due(net.stale_of)) return;
    stat->modified_time_ns -= (int64_t)below(120) * 1000000000;
    if (below(2)) stat->link_count = 1;
    if (stat->is_file && below(3) == 0) stat->bytes = stat->bytes ? below(stat->bytes) : 0;
}

static int net_stat(int fd, sl_os_stat *out)
{
    if (due(net.gone_of)) return -ESTALE;
    int e = sl_os_posix.stat(fd, out);
    if (e == 0) make_stale(out);
    return e;
}

static int net_stat_name(int dir, const char *name, sl_os_stat *out)
{
    if (due(net.gone_of)) return -ESTALE;
    int e = sl_os_posix.stat_name(dir, name, out);
    if (e == 0) make_stale(out);
    return e;
}

/* Pages that this client has not got yet are zero, from one of them on to the end. */
static int64_t net_pread(int fd, void *buffer, size_t bytes, uint64_t offset)
{
    if (due(net.gone_of)) return -ESTALE;
    int64_t got = sl_os_posix.pread(fd, buffer, bytes, offset);
    if (got <= 0 || !due(net.zero_of)) return got;
    uint64_t from = (offset + below((uint64_t)got)) & ~(uint64_t)4095;
    if (from < offset) from = offset;
    if (from == 0) return got; /* a file that has a name there has its header */
    memset((char *)buffer + (from - offset), 0, (size_t)((uint64_t)got - (from - offset)));
    return got;
}

static int net_open(int dir, const char *name, int mode)
{
    return due(net.gone_of) ? -ESTALE : sl_os_posix.open(dir, name, mode);
}

static int net_open_dir(int dir, const char *name)
{
    return due(net.gone_of) ? -ESTALE : sl_os_posix.open_dir(dir, name);
}

static int net_list(int dir, sl_os_name_callback callback, void *context)
{
    return due(net.gone_of) ? -ESTALE : sl_os_posix.list(dir, callback, context);
}

static int net_lock(int fd)
{
    switch (net.locks) {
    case LOCKS_ALWAYS: return 0;
    case LOCKS_NEVER: return -EAGAIN;
    case LOCKS_UNKNOWN: return -ENOLCK;
    default: return sl_os_posix.lock(fd);
    }
}

static sl_os_lock_state net_probe(int fd)
{
    switch (net.locks) {
    case LOCKS_ALWAYS: return SL_OS_LOCK_FREE;
    case LOCKS_NEVER: return SL_OS_LOCK_HELD;
    case LOCKS_UNKNOWN: return SL_OS_LOCK_UNKNOWN;
    default: return sl_os_posix.probe(fd);
    }
}

static void use_network(uint64_t seed, unsigned locks, uint64_t stale_of, uint64_t zero_of, uint64_t gone_of)
{
    static sl_os_table table;
    table = sl_os_posix;
    table.file_system = net_file_system;
    table.stat = net_stat;
    table.stat_name = net_stat_name;
    table.pread = net_pread;
    table.open = net_open;
    table.open_dir = net_open_dir;
    table.list = net_list;
    table.lock = net_lock;
    table.probe = net_probe;
    net.random = test_random_from(seed);
    net.locks = locks;
    net.stale_of = stale_of;
    net.zero_of = zero_of;
    net.gone_of = gone_of;
    sl_os = &table;
}

typedef struct network {
    play *mine;
    uint64_t seed;
    unsigned locks;
    int is_stale, is_zero, is_gone, dies;
    volatile int is_done;
} network;

static void pause_now_and_then(void *context, uint64_t row)
{
    (void)context;
    if (row % 32 == 0) usleep(500);
}

/* The writer: a client sees what it wrote itself; its attributes and handles may be stale. */
static void write_there(network *n)
{
    use_network(n->seed, n->locks, n->is_stale ? 3 : 0, 0, 0);
    n->mine->between = pause_now_and_then;
    if (n->dies) {
        steplog_store *store;
        steplog_writer *writer;
        play_write(n->mine, &store, &writer);
        usleep(20000); /* others may think that it is dead before it is */
        n->is_done = 1;
        _exit(0);
    }
    play_all(n->mine);
    sl_os = &sl_os_posix;
}

/* Another client: opens the store to write, which is when logs of dead writers are taken, and reads. What it reads may
 * be late, but never false: rows in order, none invented, none twice. */
static void look_from_elsewhere(void *context)
{
    network *n = context;
    for (unsigned round = 0; round < 60; round++) {
        int is_last = n->is_done;
        use_network(n->seed * 100 + round, n->locks, n->is_stale ? 3 : 0, n->is_zero ? 4 : 0, n->is_gone ? 20 : 0);
        steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_NO_THREAD};
        steplog_store *store = NULL;
        steplog_reader *reader = NULL;
        steplog_error err = {0};
        if (CLEAR(steplog_store_open(n->mine->path, &options, &store, &err), &err) >= 0) {
            CLEAR(steplog_store_tick(store, 1000, &err), &err);
            if (n->mine->has_run && CLEAR(steplog_reader_open(store, &reader, &err), &err) >= 0) {
                steplog_cursor *cursor = NULL;
                steplog_batch batch;
                int64_t next = 0;
                steplog_status status = steplog_cursor_open_matching(reader, &n->mine->run, "*", NULL, &cursor, &err);
                while (CLEAR(status, &err) == STEPLOG_OK && cursor) {
                    if ((status = CLEAR(steplog_cursor_next(cursor, &batch, 0, &err), &err)) != STEPLOG_OK) break;
                    for (size_t i = 0; i < batch.row_count; i++) {
                        HOLDS(batch.steps[i] >= next, "step %" PRId64 " after %" PRId64, batch.steps[i], next);
                        next = batch.steps[i] + 1;
                        for (size_t c = 0; c < batch.column_count; c++)
                            if (batch.present[c][i / 64] >> (i % 64) & 1)
                                HOLDS(kit_bits(batch.values[c][i]) ==
                                          kit_bits(kit_value(n->mine->seed, 0, (uint64_t)batch.steps[i], c)),
                                      "row %" PRId64 " was never appended", batch.steps[i]);
                    }
                }
                steplog_cursor_close(cursor);
                steplog_reader_close(reader);
            }
            CLEAR(steplog_store_close(store, &err), &err);
        }
        sl_os = &sl_os_posix;
        if (is_last) break;
        usleep(1000);
    }
}

static void check_there(void *context)
{
    network *n = context;
    if (n->locks == LOCKS_NEVER) {
        HOLDS(n->mine->acknowledged_count == 0, "rows were taken in a log that could not be locked");
        return;
    }
    /* Who is told that a file is smaller than he wrote it keeps what it was made from, and says so. */
    HOLDS(n->mine->failures == 0 || n->is_stale, "the writer failed: %s", n->mine->first.text);
    HOLDS(play_check(n->mine, n->mine->path) == n->mine->rows, "rows are missing");
    kit_verify(n->mine->path);
}

void test_network(tally *t)
{
    const char *root = place_begin();
    network *n = shared_memory(sizeof *n);
    *n = (network){.mine = shared_memory(sizeof *n->mine),
                   .seed = t->seed,
                   .locks = (unsigned)(t->seed % LOCK_WAYS),
                   .is_stale = t->seed / 4 % 2 != 0,
                   .is_zero = t->seed / 8 % 2 != 0,
                   .is_gone = t->seed / 3 % 2 != 0,
                   .dies = t->seed / 5 % 2 != 0};
    play_init(n->mine, place_path(root, "store"), STEPLOG_CREATE, t->seed, 0, 4000);
    kit_store_close(kit_store(n->mine->path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    fflush(NULL);
    pid_t writer = fork();
    if (writer == 0) {
        write_there(n);
        n->is_done = 1;
        _exit(0);
    }
    in_child(t, 60, look_from_elsewhere, n, "another client, locks %u, stale %d, zero %d, gone %d", n->locks,
             n->is_stale, n->is_zero, n->is_gone);
    int status = 0;
    waitpid(writer, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) violation(t, "the writer ended with %x", (unsigned)status);
    in_child(t, 30, check_there, n, "what was written, locks %u, stale %d", n->locks, n->is_stale);
    shared_free(n->mine, sizeof *n->mine);
    shared_free(n, sizeof *n);
    place_end(root);
}
