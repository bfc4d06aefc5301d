/* Recovery when the logs of one dead writer cannot be sealed: the others' are, and later it is tried again. */
#include "steplog.h"

#include "format/log_header.h"
#include "os/os.h"
#include "support/sim_os.h"
#include "support/store_kit.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { WRITERS = 5, ROWS = 20, FDS = 4096 };

static sim *machine;
static sl_os_table table;
static const sl_os_table *under;
static int is_failing;
static unsigned failed_count;
static int64_t now_ns;
static char first_name[128]; /* of the log that recovery comes to first */
static size_t log_count;
static uint8_t is_of_first[FDS];

static void see_log(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    (void)context, (void)data, (void)bytes;
    const char *name = strrchr(path, '/');
    if (strlen(path) < 4 || strcmp(path + strlen(path) - 4, ".log") != 0) return;
    if (!first_name[0] || strcmp(name + 1, first_name) < 0) snprintf(first_name, sizeof first_name, "%s", name + 1);
    log_count++;
}

static void look_at_logs(void)
{
    log_count = 0;
    first_name[0] = '\0';
    sim_each_file(machine, see_log, NULL);
}

/* Only what recovery opens to seal it: readers see the log. */
static int open_seen(int dir, const char *name, int mode)
{
    int fd = under->open(dir, name, mode);
    const char *slash = strrchr(name, '/');
    if (fd >= 0 && fd < FDS)
        is_of_first[fd] = (mode & SL_OS_WRITE) && strcmp(slash ? slash + 1 : name, first_name) == 0;
    return fd;
}

static int64_t pread_or_fail(int fd, void *buffer, size_t bytes, uint64_t offset)
{
    if (!is_failing || !is_of_first[fd] || offset < SL_LOG_HEADER_BYTES) return under->pread(fd, buffer, bytes, offset);
    failed_count++;
    return -EIO;
}

static int64_t time_now(void) { return now_ns; }

static void make_killed(void)
{
    machine = sim_new(7);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    steplog_writer *writers[WRITERS];
    for (int w = 0; w < WRITERS; w++) {
        char key[16];
        snprintf(key, sizeof key, "run%d", w);
        writers[w] = kit_writer(store, key, 0, 0);
        for (int i = 0; i < ROWS; i++) kit_log(writers[w], "m", i, i);
    }
    sim_kill_begin(machine);
    for (int w = 0; w < WRITERS; w++) steplog_writer_close(writers[w], 0, &kit_error);
    steplog_store_close(store, &kit_error);
    sim_kill_end(machine);
    sim_set_process(machine, 77);
    look_at_logs();
    cr_assert_eq(log_count, WRITERS);
    under = sl_os;
    table = *under;
    table.open = open_seen;
    table.pread = pread_or_fail;
    table.monotonic_time_ns = time_now;
    sl_os = &table;
    now_ns = 1000000000;
    is_failing = 1;
}

Test(recover_others, are_sealed_when_one_cannot_be_and_it_is_tried_again)
{
    make_killed();
    steplog_store *store = kit_store("store", STEPLOG_NO_THREAD, 65536);
    GIVES(IO, steplog_store_tick(store, 1000, &kit_error));
    look_at_logs();
    cr_assert_eq(log_count, 1, "%d logs are left", (int)log_count);
    /* It is tried again, but not in every round. */
    unsigned rounds = 0, before = failed_count;
    for (; rounds < 1000; rounds++, now_ns += 20000000) steplog_store_tick(store, 1000, NULL);
    cr_assert(failed_count > before, "it was not tried again");
    cr_assert(failed_count - before <= 12 * before, "%u reads failed in 1000 rounds, %u in the first",
              failed_count - before, before);
    is_failing = 0;
    for (; rounds < 10000 && log_count; rounds++, now_ns += 20000000) {
        OK(steplog_store_tick(store, 1000, &kit_error));
        look_at_logs();
    }
    cr_assert_eq(log_count, 0, "the last log is still there");
    steplog_reader *reader = kit_reader(store);
    steplog_store_info info = {.size_bytes = sizeof info};
    OK(steplog_reader_store_info(reader, &info, &kit_error));
    cr_assert_eq(info.row_count, WRITERS * ROWS, "%d rows", (int)info.row_count);
    steplog_reader_close(reader);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

/* ---- a spare that becomes a log while recovery looks at it ---- */

static uint8_t log_head[SL_LOG_HEADER_BYTES];
static unsigned used_count;

static void keep_head(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    (void)context;
    if (strlen(path) > 4 && strcmp(path + strlen(path) - 4, ".log") == 0 && bytes >= sizeof log_head)
        memcpy(log_head, data, sizeof log_head);
}

static int open_any(int dir, const char *name, int mode)
{
    int fd = under->open(dir, name, mode);
    if (fd >= 0 && fd < FDS) is_of_first[fd] = (mode & SL_OS_WRITE) && strstr(name, ".log");
    return fd;
}

/* Its owner uses it, and is killed, just before the lock is asked for. */
static int lock_after_use(int fd)
{
    if (is_of_first[fd] && used_count++ == 0) cr_assert(sl_os_write_full(fd, log_head, sizeof log_head, 0) == 0);
    return under->lock(fd);
}

Test(recover_others, a_spare_that_was_used_before_it_is_locked_is_no_spare)
{
    static const uint8_t zeros[SL_LOG_HEADER_BYTES];
    machine = sim_new(7);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    for (int i = 0; i < ROWS; i++) kit_log(writer, "m", i, i);
    sim_kill_begin(machine);
    steplog_writer_close(writer, 0, &kit_error);
    steplog_store_close(store, &kit_error);
    sim_kill_end(machine);
    sim_set_process(machine, 77);
    sim_each_file(machine, keep_head, NULL);
    look_at_logs();
    cr_assert_eq(log_count, 1);
    char path[160];
    snprintf(path, sizeof path, "store/log/%s", first_name);
    int fd = sl_os->open(-1, path, SL_OS_WRITE);
    cr_assert(fd >= 0 && sl_os_write_full(fd, zeros, sizeof zeros, 0) == 0);
    sl_os->close(fd);
    sim_move_clock(machine, 3600 * 1000000000ll);
    under = sl_os;
    table = *under;
    table.open = open_any;
    table.lock = lock_after_use;
    sl_os = &table;
    for (int round = 0; round < 2; round++) {
        store = kit_store("store", STEPLOG_NO_THREAD, 65536);
        OK(steplog_store_tick(store, 1000, &kit_error));
        cr_assert(used_count > 0, "recovery did not ask for the lock");
        steplog_reader *reader = kit_reader(store);
        steplog_store_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_store_info(reader, &info, &kit_error));
        cr_assert_eq(info.row_count, ROWS, "round %d: %d rows", round, (int)info.row_count);
        steplog_reader_close(reader);
        kit_store_close(store);
    }
    sim_use(NULL);
    sim_free(machine);
}
