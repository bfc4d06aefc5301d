/* places/crash.c: ext4 that ends under its writers: shut down as by a power cut, mounted again, checked; and ext4 on a
 * device that can not keep what it is given. */
#include "places.h"

#include "disk.h"
#include "os/os.h"
#include "support/store_kit.h"
#include "tree.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The machine has not really restarted: who looks afterwards is told that it has. */
static int other_boot(uint8_t out[16])
{
    int e = sl_os_posix.boot_id(out);
    out[0] ^= 0x55;
    return e;
}

static void boot_anew(void)
{
    static sl_os_table table;
    table = sl_os_posix;
    table.boot_id = other_boot;
    sl_os = &table;
}

/* The same for a process that the machine will not let come to its end: whatever fails is no matter. */
static void recover_until_the_end(const char *path)
{
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_NO_THREAD};
    steplog_store *store;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    boot_anew();
    if (steplog_store_open(path, &options, &store, NULL) < 0) _exit(0);
    while (steplog_store_tick(store, 1000, NULL) == STEPLOG_WAIT) continue;
    steplog_store_compact(store, NULL, NULL, NULL);
    for (;;) pause();
}

static void recover(const char *path)
{
    steplog_store *store = kit_store(path, STEPLOG_NO_THREAD, 65536);
    while (steplog_store_tick(store, 1000, &kit_error) == STEPLOG_WAIT) continue;
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    kit_store_close(store);
}

/* ---- crashes ---- */

enum { WRITERS_MAX = 3 };

typedef struct crash_case {
    const char *path;
    unsigned writer_count;
    uint64_t seed;
    int is_over; /* the machine stops now: what is reported from here on nobody hears */
    play *writers[WRITERS_MAX];
    uint64_t found[WRITERS_MAX];
} crash_case;

/* Appends until the file system or the process ends. Whatever fails after the end is no matter; what was reported
 * durable before it is. */
static void write_until_the_end(const crash_case *c, play *p)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    test_random random = test_random_from(p->seed * 16 + p->writer);
    steplog_store_options options = {.size_bytes = sizeof options,
                                     .flags = p->flags,
                                     .log_bytes = 65536,
                                     .sync_interval_ms = (uint32_t)(1 + test_random_below(&random, 12))};
    steplog_writer_options opening = {.size_bytes = sizeof opening, .run_key = "run", .rank = p->writer, .attempt = 1};
    steplog_store *store;
    steplog_writer *writer;
    steplog_metric metrics[PLAY_COLUMNS];
    steplog_schema schema;
    if (steplog_store_open(p->path, &options, &store, NULL) < 0) _exit(0);
    if (steplog_writer_open(store, &opening, &writer, NULL) < 0) _exit(0);
    for (unsigned column = 0; column < PLAY_COLUMNS; column++) {
        char name[8];
        snprintf(name, sizeof name, "m%u", column);
        if (steplog_writer_metric(writer, name, 2, &metrics[column], NULL) < 0) _exit(0);
    }
    if (steplog_writer_schema(writer, metrics, PLAY_COLUMNS, &schema, NULL) < 0) _exit(0);
    p->run = kit_run_of(writer);
    uint64_t before = kit_stats(writer).last_sequence, batch = 1 + test_random_below(&random, 200);
    __atomic_store_n(&p->has_run, 1, __ATOMIC_RELEASE);
    for (uint64_t row = 0; row < PLAY_ROWS_MAX; row++) {
        double values[PLAY_COLUMNS];
        for (unsigned column = 0; column < PLAY_COLUMNS; column++)
            values[column] = kit_value(p->seed, p->writer, row, column);
        __atomic_store_n(&p->tried, row + 1, __ATOMIC_RELEASE);
        if (steplog_writer_append(writer, schema, (int64_t)row, STEPLOG_TIME_NOW, values) < 0) break;
        if (row % batch) continue;
        uint64_t durable = kit_stats(writer).durable_sequence;
        if (test_random_below(&random, 12) == 0 && steplog_writer_sync(writer, NULL) == STEPLOG_OK)
            durable = kit_stats(writer).durable_sequence;
        if (__atomic_load_n(&c->is_over, __ATOMIC_SEQ_CST)) break;
        if (durable > before) __atomic_store_n(&p->durable_rows, durable - before, __ATOMIC_RELEASE);
        if (p->writer == 0 && test_random_below(&random, 60) == 0) steplog_store_compact(store, NULL, NULL, NULL);
        if (test_random_below(&random, 3) == 0) usleep((useconds_t)test_random_below(&random, 1500));
    }
    for (;;) pause();
}

static uint64_t durable_of(const crash_case *c)
{
    uint64_t sum = 0;
    for (unsigned w = 0; w < c->writer_count; w++) sum += c->writers[w]->durable_rows;
    return sum;
}

static void check_after_crash(void *context)
{
    crash_case *c = context;
    boot_anew();
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_READ_ONLY};
    steplog_store *store = NULL;
    steplog_status status = CLEAR(steplog_store_open(c->path, &options, &store, &kit_error), &kit_error);
    if (status == STEPLOG_MISSING) {
        HOLDS(durable_of(c) == 0, "the store is gone");
        return;
    }
    OK(status);
    kit_store_close(store);
    for (unsigned w = 0; w < c->writer_count; w++)
        c->found[w] = play_check_prefix(c->writers[w], c->path, c->writers[w]->durable_rows, c->writers[w]->tried);
    kit_verify(c->path);
}

/* What was found does not change by recovering, nor by recovering again. */
static void check_recovery(void *context)
{
    const crash_case *c = context;
    boot_anew();
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned w = 0; w < c->writer_count; w++)
            play_check_prefix(c->writers[w], c->path, c->found[w], c->found[w]);
        kit_verify(c->path);
        if (round < 2) recover(c->path);
    }
    HOLDS(kit_log_count(c->path) == 0, "%zu logs are left", kit_log_count(c->path));
}

static struct {
    const char *root;
    disk_image image;
    int is_mounted;
} crashing;

static int prepare_crashes(tally *t)
{
    if (crashing.root) return crashing.is_mounted;
    if (disk_why_not_ext4()) {
        skip(t, "%s", disk_why_not_ext4());
        return 0;
    }
    crashing.root = place_begin();
    crashing.image = (disk_image){
        .file = place_path(crashing.root, "image"), .mount_point = place_path(crashing.root, "disk"), .loop = -1};
    mkdir(crashing.image.mount_point, 0777);
    int e = disk_make_ext4(crashing.image.file, 64u << 20, NULL);
    if (e == 0) e = disk_attach(&crashing.image);
    if (e == 0) e = disk_mount_image(&crashing.image);
    crashing.is_mounted = e == 0;
    if (e < 0) skip(t, "an ext4 image can not be mounted: %s", strerror(-e));
    return e == 0;
}

void end_crashes(void)
{
    if (crashing.is_mounted) disk_unmount_image(&crashing.image);
    if (crashing.root) disk_detach(&crashing.image);
    if (crashing.root) place_end(crashing.root);
    crashing.root = NULL;
    crashing.is_mounted = 0;
}

/* The file system ends, all processes on it end, it is mounted again. 0 when it can not be. */
static int crash_now(tally *t, uint32_t how, const pid_t *children, unsigned count)
{
    int e = disk_shutdown(crashing.image.mount_point, how);
    for (unsigned i = 0; i < count; i++) kill(children[i], SIGKILL);
    for (unsigned i = 0; i < count; i++) waitpid(children[i], NULL, 0);
    if (e < 0) {
        skip(t, "the file system can not be shut down: %s", strerror(-e));
        return 0;
    }
    e = disk_unmount_image(&crashing.image);
    if (e == 0) e = disk_mount_image(&crashing.image);
    if (e < 0) {
        violation(t, "the file system can not be mounted again: %s", strerror(-e));
        crashing.is_mounted = 0;
        end_crashes();
    }
    return e == 0;
}

static void wait_until_begun(const crash_case *c)
{
    for (int i = 0; i < 400; i++) {
        unsigned begun = 0;
        for (unsigned w = 0; w < c->writer_count; w++)
            begun += __atomic_load_n(&c->writers[w]->has_run, __ATOMIC_ACQUIRE) != 0;
        if (begun == c->writer_count) return;
        usleep(500);
    }
}

void test_crash(tally *t)
{
    if (!prepare_crashes(t)) return;
    test_random random = test_random_from(t->seed);
    crash_case *c = shared_memory(sizeof *c);
    pid_t children[WRITERS_MAX];
    char name[64];
    snprintf(name, sizeof name, "disk/store-%" PRIu64, t->seed);
    *c = (crash_case){.path = place_path(crashing.root, name),
                      .seed = t->seed,
                      .writer_count = 1 + (unsigned)test_random_below(&random, WRITERS_MAX)};
    kit_store_close(kit_store(c->path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    fflush(NULL);
    for (unsigned w = 0; w < c->writer_count; w++) {
        c->writers[w] = shared_memory(sizeof *c->writers[w]);
        play_init(c->writers[w], c->path, test_random_below(&random, 2) ? STEPLOG_FORCE_PWRITE : 0, t->seed, w, 0);
        if ((children[w] = fork()) == 0) write_until_the_end(c, c->writers[w]);
    }
    uint32_t how = test_random_below(&random, 10) == 0  ? DISK_SHUTDOWN_WITH_SYNC
                   : test_random_below(&random, 4) == 0 ? DISK_SHUTDOWN_FLUSH_LOG
                                                        : DISK_SHUTDOWN_AT_ONCE;
    /* Some ends come while stores and logs are being made. */
    if (test_random_below(&random, 6)) wait_until_begun(c);
    usleep((useconds_t)test_random_below(&random, 60000));
    __atomic_store_n(&c->is_over, 1, __ATOMIC_SEQ_CST);
    int is_good = crash_now(t, how, children, c->writer_count);
    t->counts[0]++;
    t->counts[1] += durable_of(c);
    for (unsigned w = 0; w < c->writer_count; w++) t->counts[2] += c->writers[w]->tried;
    is_good = is_good &&
              in_child(t, 30, check_after_crash, c, "after a crash, way %u, %u writers", how, c->writer_count);
    if (!is_good && getenv("PLACES_KEEP")) tree_copy(c->path, getenv("PLACES_KEEP")); /* to look at */
    /* The machine may end again while it recovers. */
    if (is_good && test_random_below(&random, 3) == 0 && access(place_path(c->path, "STEPLOG"), F_OK) == 0) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) recover_until_the_end(c->path);
        usleep((useconds_t)test_random_below(&random, 6000));
        is_good = crash_now(t, DISK_SHUTDOWN_AT_ONCE, &child, 1);
        t->counts[0]++;
    }
    if (is_good && access(place_path(c->path, "STEPLOG"), F_OK) == 0)
        in_child(t, 30, check_recovery, c, "recovering after a crash, way %u, %u writers", how, c->writer_count);
    for (unsigned w = 0; w < c->writer_count; w++) {
        t->counts[3] += c->found[w];
        shared_free(c->writers[w], sizeof *c->writers[w]);
    }
    if (crashing.is_mounted) tree_remove(c->path);
    snprintf(t->figures, sizeof t->figures,
             "%" PRIu64 " shutdowns, %" PRIu64 " rows appended, %" PRIu64 " reported durable, %" PRIu64 " found",
             t->counts[0], t->counts[2], t->counts[1], t->counts[3]);
    shared_free(c, sizeof *c);
}

/* ---- failed syncs ---- */

typedef struct failing {
    play *mine;
    const char *filler;
    int closes, has_failed, is_failed_for_ever, has_filler;
    uint64_t mark_at_failure;
} failing;

/* Synced rows; then the device has no room for what is written, and a sync fails; then it has room again. */
static void write_on_failing_disk(void *context)
{
    failing *f = context;
    play *p = f->mine;
    steplog_store *store;
    steplog_writer *writer;
    steplog_error err = {0};
    uint64_t end = p->rows, third = end / 3;
    p->rows = 0;
    play_write(p, &store, &writer);
    HOLDS(writer, "no writer: %s", p->first.text);
    play_rows(p, writer, 0, third);
    OK(steplog_writer_sync(writer, &kit_error));
    p->durable_rows = third;
    HOLDS(disk_fill(f->filler, 0) >= 0, "can not fill the device");
    f->has_filler = 1;
    p->sync_every = 0;
    play_rows(p, writer, third, 2 * third);
    uint64_t base = kit_stats(writer).last_sequence - kit_stats(writer).row_count;
    uint64_t mark = kit_stats(writer).durable_sequence;
    for (unsigned i = 0; i < 3; i++) {
        steplog_status status = CLEAR(steplog_writer_sync(writer, &err), &err);
        steplog_writer_stats stats = kit_stats(writer);
        HOLDS(stats.durable_sequence >= mark, "the mark went back");
        if (status < 0) f->has_failed = 1;
        /* A sync that failed can only be made good by what stands in another file; the same sync never can. */
        if (status == STEPLOG_OK && f->has_failed && stats.row_count + base == stats.last_sequence && i == 0)
            HOLDS(stats.durable_sequence == stats.last_sequence, "OK, but the mark is not at the end");
        if (status == STEPLOG_OK) p->durable_rows = stats.durable_sequence - base;
        if (status == STEPLOG_FAILED) f->is_failed_for_ever = 1;
        mark = stats.durable_sequence;
    }
    f->mark_at_failure = mark;
    HOLDS(unlink(f->filler) == 0, "can not give room back");
    f->has_filler = 0;
    play_rows(p, writer, 2 * third, end);
    steplog_status status = CLEAR(steplog_writer_sync(writer, &err), &err);
    steplog_writer_stats stats = kit_stats(writer);
    if (status == STEPLOG_OK) p->durable_rows = stats.durable_sequence - base;
    if (!f->closes) _exit(0);
    CLEAR(steplog_writer_close(writer, 0, &err), &err);
    CLEAR(steplog_store_close(store, &err), &err);
}

/* A prefix that has at least what was reported durable; a hole only where a gap is declared, or damage is told. */
static void check_failing(void *context)
{
    failing *f = context;
    play *p = f->mine;
    boot_anew();
    for (unsigned round = 0; round < 3; round++) {
        steplog_store *store = kit_store(p->path, STEPLOG_READ_ONLY, 0);
        steplog_reader *reader = kit_reader(store);
        steplog_run_info info = {.size_bytes = sizeof info};
        kit_rows rows = kit_read(reader, &p->run, "m*", NULL);
        OK(steplog_reader_run_by_id(reader, &p->run, &info, &kit_error));
        uint64_t row = 0;
        while (row < rows.row_count && rows.steps[row] == (int64_t)row) row++;
        HOLDS(row >= p->durable_rows, "%" PRIu64 " rows of %" PRIu64 " that were reported durable", row,
              p->durable_rows);
        HOLDS(row == rows.row_count || info.gap_count > 0, "a hole at row %" PRIu64 ", and no word of it", row);
        for (size_t at = 0; at < rows.row_count; at++) {
            HOLDS(at == 0 || rows.steps[at] > rows.steps[at - 1], "a row is there twice");
            for (unsigned c = 0; c < PLAY_COLUMNS; c++)
                HOLDS(kit_bits(kit_at(&rows, at, c)) ==
                          kit_bits(kit_value(p->seed, p->writer, (uint64_t)rows.steps[at], c)),
                      "row %zu was never appended", at);
        }
        kit_rows_free(&rows);
        steplog_reader_close(reader);
        kit_store_close(store);
        if (round < 2) recover(p->path);
    }
}

void test_failed_sync(tally *t)
{
    if (disk_why_not_ext4()) {
        skip(t, "%s", disk_why_not_ext4());
        return;
    }
    const char *root = place_begin(), *device = place_path(root, "device");
    test_random random = test_random_from(t->seed);
    disk_image image = {.file = place_path(device, "image"),
                        .mount_point = place_path(root, "disk"),
                        .options = "errors=continue",
                        .loop = -1};
    failing *f = shared_memory(sizeof *f);
    *f = (failing){.mine = shared_memory(sizeof *f->mine),
                   .filler = place_path(device, "filler"),
                   .closes = (int)test_random_below(&random, 2)};
    mkdir(device, 0777);
    mkdir(image.mount_point, 0777);
    HOLDS(disk_mount_tmpfs(device, 40u << 20) == 0, "can not mount a tmpfs");
    /* Sparse: all that is not metadata has no room of its own yet. */
    int e = disk_make_ext4(image.file, 64u << 20, "-N 512");
    if (e == 0) e = disk_attach(&image);
    if (e == 0) e = disk_mount_image(&image);
    if (e == 0) {
        uint32_t flags = (t->seed % 2 ? STEPLOG_FORCE_PWRITE : 0u) | (t->seed / 2 % 2 ? STEPLOG_NO_THREAD : 0u);
        play_init(f->mine, place_path(image.mount_point, "store"), STEPLOG_CREATE | flags, t->seed, 0,
                  300 + test_random_below(&random, 9000));
        f->mine->log_bytes = 65536u << test_random_below(&random, 5);
        in_child(t, 30, write_on_failing_disk, f, "a device that fails, %s",
                 flags & STEPLOG_FORCE_PWRITE ? "pwrite" : "mapped");
        if (f->has_filler) tree_remove(f->filler);
        t->counts[0] += f->has_failed != 0;
        t->counts[1] += f->is_failed_for_ever != 0;
        snprintf(t->figures, sizeof t->figures, "a sync failed in %" PRIu64 ", the writer gave up in %" PRIu64,
                 t->counts[0], t->counts[1]);
        if (test_random_below(&random, 3)) disk_shutdown(image.mount_point, DISK_SHUTDOWN_AT_ONCE);
        e = disk_unmount_image(&image);
        if (e == 0) e = disk_mount_image(&image);
        if (e < 0) violation(t, "the file system can not be mounted again: %s", strerror(-e));
        else if (f->mine->has_run) in_child(t, 30, check_failing, f, "what is there after a device that failed");
        if (e == 0) disk_unmount_image(&image);
    } else {
        skip(t, "an ext4 image can not be mounted: %s", strerror(-e));
    }
    disk_detach(&image);
    disk_unmount(device);
    shared_free(f->mine, sizeof *f->mine);
    shared_free(f, sizeof *f);
    place_end(root);
}
