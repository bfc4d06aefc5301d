/* places/full_disk.c: real file systems without space: a tmpfs, an ext4 image, a quota of a user. */
#include "places.h"

#include "disk.h"
#include "os/os.h"
#include "support/store_kit.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A place with little space. The filler takes it, and gives it back when it is removed. */
typedef struct small_place {
    play *mine;
    const char *filler;
    uint64_t fill_row, leave, refusals; /* refusals: how many until space returns */
    int dies;                           /* while the disk is full */
    int is_quota;
    int has_filler;
} small_place;

static void fill_at(void *context, uint64_t row)
{
    small_place *s = context;
    if (row != s->fill_row || s->is_quota) return;
    int64_t filled = disk_fill(s->filler, s->leave);
    HOLDS(filled >= 0, "can not fill the disk: %s", strerror((int)-filled));
    s->has_filler = 1;
}

static void give_space_back(small_place *s)
{
    HOLDS(unlink(s->filler) == 0, "can not remove %s", s->filler);
    s->has_filler = 0;
    int fd = open(s->mine->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        syncfs(fd); /* ext4 frees blocks with the next commit */
        close(fd);
    }
}

/* Every refused point is in a gap, with its step, and no other point is said to be refused. */
static void check_gaps(void *context)
{
    const small_place *s = context;
    const play *p = s->mine;
    if (!p->has_run) return;
    uint64_t refused = 0, stated = 0;
    steplog_store *store = kit_store(p->path, STEPLOG_READ_ONLY, 0);
    steplog_reader *reader = kit_reader(store);
    steplog_event event = {.size_bytes = sizeof event};
    for (uint64_t row = 0; row < p->tried; row++) refused += !p->acknowledged[row];
    size_t count = steplog_reader_event_count(reader, &p->run);
    for (size_t i = 0; i < count; i++) {
        OK(steplog_reader_event(reader, &p->run, i, &event, &kit_error));
        if (event.kind != STEPLOG_EVENT_GAP) continue;
        HOLDS(event.key && strcmp(event.key, "refused") == 0, "a gap that is not one of refused points");
        stated += (uint64_t)event.number;
        if (event.number == 0) continue;
        HOLDS(event.has_steps && event.step_begin >= 0 && (uint64_t)event.step_end <= p->tried, "a gap without steps");
        HOLDS(!p->acknowledged[event.step_begin] && !p->acknowledged[event.step_end - 1],
              "the gap [%" PRId64 ", %" PRId64 ") begins or ends at a row that was taken", event.step_begin,
              event.step_end);
    }
    HOLDS(stated == refused * PLAY_COLUMNS, "%" PRIu64 " points were refused, gaps tell of %" PRIu64,
          refused * PLAY_COLUMNS, stated);
    steplog_reader_close(reader);
    kit_store_close(store);
}

static void check_small(void *context)
{
    const small_place *s = context;
    if (s->dies && s->mine->is_open) { /* what the dead writer left is sealed first */
        check_gaps(context);
        play_check(s->mine, s->mine->path);
        steplog_store *store = kit_store(s->mine->path, STEPLOG_NO_THREAD, 0);
        OK(steplog_store_compact(store, NULL, NULL, &kit_error));
        kit_store_close(store);
    }
    play_check(s->mine, s->mine->path);
    check_gaps(context);
    if (s->mine->is_open) kit_verify(s->mine->path);
}

/* Fills the disk twice; each time some rows are refused, and when space is back the very next one is taken. */
static void play_small(void *context)
{
    small_place *s = context;
    play *p = s->mine;
    steplog_store *store;
    steplog_writer *writer;
    steplog_error err = {0};
    uint64_t end = p->rows;
    p->between = fill_at;
    p->between_context = s;
    p->rows = 0;
    play_write(p, &store, &writer);
    if (writer)
        for (unsigned round = 0; round < 2; round++) {
            uint64_t refused = p->refused_count;
            if (round) s->fill_row = p->tried + 100;
            while (p->tried < end / 2 * (round + 1) && p->refused_count - refused < s->refusals) {
                play_rows(p, writer, p->tried, p->tried + 1);
                HOLDS(p->acknowledged[p->tried - 1] || p->failures > 0, "a row is nowhere");
            }
            play_read_everything(p->path);
            if (s->dies && round && s->has_filler) _exit(0);
            if (!s->has_filler) continue;
            give_space_back(s);
            play_rows(p, writer, p->tried, p->tried + 200);
            for (uint64_t row = p->tried - 200; row < p->tried; row++)
                HOLDS(p->acknowledged[row], "row %" PRIu64 " is refused though space is back: %s", row, p->first.text);
        }
    if (writer) {
        OK(steplog_writer_sync(writer, &kit_error));
        OK(steplog_writer_close(writer, 0, &kit_error));
    }
    if (store) {
        OK(steplog_store_compact(store, NULL, NULL, &kit_error));
        CLEAR(steplog_store_close(store, &err), &err);
    }
}

static void plan(tally *t, small_place *s, const char *root)
{
    test_random random = test_random_from(t->seed);
    static const uint64_t leaves[] = {0, 4096, 20000, 70000, 140000, 300000};
    *s = (small_place){.mine = shared_memory(sizeof *s->mine),
                       .filler = place_path(root, "disk/filler"),
                       .fill_row = test_random_below(&random, 4000),
                       .leave = leaves[test_random_below(&random, 6)],
                       .refusals = 1 + test_random_below(&random, 60),
                       .dies = (int)test_random_below(&random, 2)};
    uint32_t flags = (t->seed % 2 ? STEPLOG_FORCE_PWRITE : 0u) | (t->seed / 2 % 2 ? STEPLOG_NO_THREAD : 0u);
    play_init(s->mine, place_path(root, "disk/store"), STEPLOG_CREATE | flags, t->seed, 0, 16000);
    s->mine->log_bytes = 65536u << test_random_below(&random, 4);
}

static void run_small(tally *t, small_place *s, const char *what)
{
    const char *mode = s->mine->flags & STEPLOG_FORCE_PWRITE ? "pwrite" : "mapped";
    small_place *shared = shared_memory(sizeof *shared);
    *shared = *s;
    in_child(t, 30, play_small, shared, "%s, %s", what, mode);
    if (shared->has_filler) tree_remove(s->filler);
    in_child(t, 30, check_small, shared, "what is there after %s, %s", what, mode);
    t->counts[0] += s->mine->refused_count;
    t->counts[1] += s->mine->acknowledged_count;
    snprintf(t->figures, sizeof t->figures, "%" PRIu64 " rows refused, %" PRIu64 " taken", t->counts[0], t->counts[1]);
    shared_free(shared, sizeof *shared);
}

/* ---- how often the background tries while nothing can work ---- */

static atomic_uint creations;

static int counted_open(int dir, const char *name, int mode)
{
    if (mode & SL_OS_CREATE) atomic_fetch_add(&creations, 1);
    return sl_os_posix.open(dir, name, mode);
}

static void stay_full(void *context)
{
    small_place *s = context;
    play *p = s->mine;
    steplog_store *store;
    steplog_writer *writer;
    static sl_os_table table;
    table = sl_os_posix;
    table.open = counted_open;
    sl_os = &table;
    p->rows = 0;
    p->log_bytes = 65536;
    p->sync_every = 0;
    play_write(p, &store, &writer);
    HOLDS(writer, "no writer");
    HOLDS(disk_fill(s->filler, 0) >= 0, "can not fill the disk");
    s->has_filler = 1;
    while (p->refused_count < 3 && p->tried < 10000) play_rows(p, writer, p->tried, p->tried + 1);
    HOLDS(p->refused_count == 3, "the disk is not full");
    usleep(300000);
    unsigned before = atomic_load(&creations);
    usleep(1000000);
    unsigned tries = atomic_load(&creations) - before;
    HOLDS(tries <= 12, "the background tried %u times in a second to make a file on a full disk", tries);
    give_space_back(s);
    play_rows(p, writer, p->tried, p->tried + 1);
    HOLDS(p->acknowledged[p->tried - 1], "a row is refused though space is back");
    /* And it is not for ever: the logs that wait are sealed soon. */
    for (int i = 0; i < 300 && kit_segment_count(p->path) == 0; i++) usleep(10000);
    HOLDS(kit_segment_count(p->path) > 0, "nothing is sealed 3 s after space is back");
    OK(steplog_writer_close(writer, 0, &kit_error));
    CLEAR(steplog_store_close(store, &kit_error), &kit_error);
}

void test_full_tmpfs(tally *t)
{
    if (disk_why_not()) {
        skip(t, "%s", disk_why_not());
        return;
    }
    const char *root = place_begin(), *disk = place_path(root, "disk");
    small_place s;
    plan(t, &s, root);
    mkdir(disk, 0777);
    uint64_t bytes = (1u << 20) + (t->seed * 7919 % 60) * 65536;
    HOLDS(disk_mount_tmpfs(disk, bytes) == 0, "can not mount a tmpfs");
    run_small(t, &s, "a full tmpfs");
    disk_unmount(disk);
    if (t->seed % 16 == 2 || t->seed % 16 == 5) {
        HOLDS(disk_mount_tmpfs(disk, 4u << 20) == 0, "can not mount a tmpfs");
        uint32_t flags = STEPLOG_CREATE | (t->seed % 16 == 5 ? STEPLOG_FORCE_PWRITE : 0u);
        play_init(s.mine, place_path(disk, "store"), flags, t->seed, 0, 0);
        in_child(t, 30, stay_full, &s, "a tmpfs that stays full");
        disk_unmount(disk);
    }
    shared_free(s.mine, sizeof *s.mine);
    place_end(root);
}

void test_full_ext4(tally *t)
{
    if (disk_why_not_ext4()) {
        skip(t, "%s", disk_why_not_ext4());
        return;
    }
    const char *root = place_begin();
    disk_image image = {.file = place_path(root, "image"), .mount_point = place_path(root, "disk")};
    small_place s;
    plan(t, &s, root);
    mkdir(image.mount_point, 0777);
    int e = disk_make_ext4(image.file, 10u << 20, NULL);
    if (e == 0) e = disk_attach(&image);
    if (e == 0) e = disk_mount_image(&image);
    if (e == 0) {
        run_small(t, &s, "a full ext4");
        disk_unmount_image(&image);
    } else {
        skip(t, "an ext4 image can not be mounted: %s", strerror(-e));
    }
    disk_detach(&image);
    shared_free(s.mine, sizeof *s.mine);
    place_end(root);
}

/* ---- quota ---- */

enum { NOBODY = 65534 };

static int set_quota(const char *device, uint64_t kib)
{
    struct dqblk limits = {.dqb_bhardlimit = kib, .dqb_bsoftlimit = kib, .dqb_valid = QIF_BLIMITS};
    return quotactl(QCMD(Q_SETQUOTA, USRQUOTA), device, NOBODY, (char *)&limits) == 0 ? 0 : -errno;
}

static void play_quota(void *context)
{
    small_place *s = context;
    HOLDS(setgid(NOBODY) == 0 && setuid(NOBODY) == 0, "can not become another user");
    s->mine->first = (steplog_error){0};
    play_small(s);
    HOLDS(s->mine->refused_count == 0 || s->mine->first.os_errno == EDQUOT, "a quota gives: %s", s->mine->first.text);
}

void test_quota(tally *t)
{
    if (disk_why_not_ext4() || geteuid() != 0) {
        skip(t, "%s", disk_why_not_ext4() ? disk_why_not_ext4() : "only root can set quotas");
        return;
    }
    const char *root = place_begin();
    disk_image image = {
        .file = place_path(root, "image"), .mount_point = place_path(root, "disk"), .options = "usrquota"};
    small_place *s = shared_memory(sizeof *s);
    plan(t, s, root);
    s->is_quota = 1;
    mkdir(image.mount_point, 0777);
    int e = disk_make_ext4(image.file, 24u << 20, "-O quota");
    if (e == 0) e = disk_attach(&image);
    if (e == 0 && (e = disk_mount_image(&image)) < 0)
        skip(t, "this kernel mounts no ext4 with quotas: %s", strerror(-e));
    if (e == 0 && (e = set_quota(image.device, 512 + t->seed % 8 * 64)) < 0)
        skip(t, "no quota can be set: %s", strerror(-e));
    if (e == 0) {
        chmod(image.mount_point, 0777);
        in_child(t, 30, play_quota, s, "a quota");
        t->counts[0] += s->mine->refused_count;
        snprintf(t->figures, sizeof t->figures, "%" PRIu64 " rows refused", t->counts[0]);
        in_child(t, 30, check_small, s, "what is there after a quota");
    }
    if (e == 0 || e != -EINVAL) disk_unmount(image.mount_point);
    disk_detach(&image);
    shared_free(s->mine, sizeof *s->mine);
    shared_free(s, sizeof *s);
    place_end(root);
}
