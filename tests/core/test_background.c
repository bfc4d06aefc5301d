/* The background thread: long work of its own does not keep writers waiting, and they do not keep it from its end. */
#include "steplog.h"

#include "os/os.h"
#include "support/sim_os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A file has this name only when its compaction came to its end. */
static int has_segment(const char *level)
{
    int found = 0;
    DIR *dir = opendir(level);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) found |= strstr(entry->d_name, ".seg") != NULL;
    if (dir) closedir(dir);
    return found;
}

Test(background, a_fast_writer_does_not_keep_compaction_from_its_end, .timeout = 240)
{
    enum { COLUMNS = 64 };
    const char *path = test_path(test_temp_dir(), "store"), *merged = test_path(path, "seg/1");
    steplog_store *store = kit_store(path, STEPLOG_CREATE, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    double values[COLUMNS];
    time_t begin = time(NULL);
    struct timespec pause = {.tv_nsec = 2000000};
    int64_t step = 0;
    while (!has_segment(merged) && time(NULL) - begin < 120) /* 7 s alone, under ASan */ {
        for (int i = 0; i < 100; i++, step++) {
            for (int c = 0; c < COLUMNS; c++) values[c] = (double)(step * c);
            OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
        }
        nanosleep(&pause, NULL);
    }
    cr_assert(has_segment(merged), "nothing was merged in %d s", (int)(time(NULL) - begin));
    kit_writer_close(writer);
    kit_rows rows = kit_read_store(path, &run, "m63", 0);
    cr_assert_eq(rows.row_count, (size_t)step);
    kit_rows_free(&rows);
    kit_store_close(store);
    kit_verify(path);
}

static atomic_int is_full;
static atomic_uint tries;

static int allocate_or_full(int fd, uint64_t bytes)
{
    return atomic_load(&is_full) ? -ENOSPC : sl_os_posix.allocate(fd, bytes);
}

static int64_t write_or_full(int fd, const void *data, size_t bytes, uint64_t offset)
{
    return atomic_load(&is_full) ? -ENOSPC : sl_os_posix.pwrite(fd, data, bytes, offset);
}

static int open_counted(int dir, const char *name, int mode)
{
    if (mode & SL_OS_CREATE) atomic_fetch_add(&tries, 1);
    return sl_os_posix.open(dir, name, mode);
}

Test(background, on_a_full_disk_tries_less_and_less_often_and_goes_on_when_there_is_space, .timeout = 60)
{
    const char *path = test_path(test_temp_dir(), "store"), *sealed = test_path(path, "seg/0");
    sl_os_table table = sl_os_posix;
    table.allocate = allocate_or_full;
    table.pwrite = write_or_full;
    table.open = open_counted;
    sl_os = &table;
    steplog_store *store = kit_store(path, STEPLOG_CREATE, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_schema schema = kit_schema(writer, "m", 1);
    double value = 1;
    steplog_status status = STEPLOG_OK;
    atomic_store(&is_full, 1);
    for (int64_t step = 0; step < 100000 && status == STEPLOG_OK; step++)
        status = steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, &value);
    cr_assert_eq(status, STEPLOG_FULL);
    usleep(500000);
    unsigned before = atomic_load(&tries);
    usleep(1000000);
    cr_assert_leq(atomic_load(&tries) - before, 12, "%u tries in a second", atomic_load(&tries) - before);
    atomic_store(&is_full, 0);
    OK(steplog_writer_append(writer, schema, 100000, STEPLOG_TIME_NONE, &value));
    for (int i = 0; i < 500 && !has_segment(sealed); i++) usleep(10000);
    cr_assert(has_segment(sealed), "nothing is sealed though there is space");
    kit_writer_close(writer);
    steplog_store_close(store, NULL); /* tells what failed meanwhile */
    sl_os = &sl_os_posix;
}

/* ---- appends that run ahead of the sealer ---- */

enum { AHEAD_COLUMNS = 64, AHEAD_LOG_BYTES = 262144, AHEAD_BACKLOG_BYTES = 4 * AHEAD_LOG_BYTES };

static steplog_store *open_bounded(const char *path, uint32_t flags, uint64_t backlog_bytes)
{
    steplog_store_options options = {.size_bytes = sizeof options,
                                     .flags = STEPLOG_CREATE | flags,
                                     .log_bytes = AHEAD_LOG_BYTES,
                                     .backlog_bytes = backlog_bytes};
    steplog_store *store;
    OK(steplog_store_open(path, &options, &store, &kit_error));
    return store;
}

static uint64_t count_files(const char *directory)
{
    uint64_t count = 0;
    DIR *dir = opendir(directory);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) count += entry->d_name[0] != '.';
    if (dir) closedir(dir);
    return count;
}

/* Appends rows and gives the most logs that there were. */
static uint64_t run_ahead(steplog_writer *writer, steplog_schema schema, const char *logs, int64_t row_count)
{
    double values[AHEAD_COLUMNS];
    uint64_t most = 0;
    for (int64_t step = 0; step < row_count; step++) {
        for (int c = 0; c < AHEAD_COLUMNS; c++) values[c] = (double)(step * c);
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
        uint64_t count = step % 50 ? 0 : count_files(logs);
        if (count > most) most = count;
    }
    return most;
}

static void close_and_count(steplog_store *store, steplog_writer *writer, const char *path, int64_t row_count)
{
    steplog_id run = kit_run_of(writer);
    kit_writer_close(writer);
    kit_rows rows = kit_read_store(path, &run, "m63", 0);
    cr_assert_eq(rows.row_count, (size_t)row_count);
    for (size_t i = 0; i < rows.row_count; i++)
        cr_assert(rows.steps[i] == (int64_t)i && rows.values[i] == 63.0 * (double)i);
    kit_rows_free(&rows);
    kit_store_close(store);
    kit_verify(path);
}

Test(background, without_one_appends_seal_what_is_more_than_may_wait, .timeout = 60)
{
    const char *path = test_path(test_temp_dir(), "store"), *logs = test_path(path, "log");
    steplog_store *store = open_bounded(path, STEPLOG_NO_THREAD, AHEAD_BACKLOG_BYTES);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    uint64_t most = run_ahead(writer, kit_schema(writer, "m", AHEAD_COLUMNS), logs, 10000);
    /* Four that wait, the active one, and one that was sealed and is the next. */
    cr_assert_leq(most, 6, "%llu logs", (unsigned long long)most);
    cr_assert_geq(kit_stats(writer).slow_append_count, 12);
    cr_assert(has_segment(test_path(path, "seg/0")));
    close_and_count(store, writer, path, 10000);
}

Test(background, without_a_bound_nothing_is_sealed_by_appends, .timeout = 60)
{
    const char *path = test_path(test_temp_dir(), "store"), *logs = test_path(path, "log");
    steplog_store *store = open_bounded(path, STEPLOG_NO_THREAD, UINT64_MAX);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    uint64_t most = run_ahead(writer, kit_schema(writer, "m", AHEAD_COLUMNS), logs, 10000);
    cr_assert_geq(most, 20, "%llu logs", (unsigned long long)most);
    cr_assert(!has_segment(test_path(path, "seg/0")));
    close_and_count(store, writer, path, 10000);
}

Test(background, with_one_appends_and_it_keep_the_bound_together, .timeout = 60)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = open_bounded(path, 0, AHEAD_BACKLOG_BYTES);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    run_ahead(writer, kit_schema(writer, "m", AHEAD_COLUMNS), test_path(path, "log"), 20000);
    close_and_count(store, writer, path, 20000);
}

static atomic_int is_hanging, has_hung;

static int sync_or_hang(int fd)
{
    while (atomic_load(&is_hanging)) {
        atomic_store(&has_hung, 1);
        usleep(1000);
    }
    return sl_os_posix.sync_data(fd);
}

Test(background, that_hangs_in_a_sync_does_not_stop_appends, .timeout = 60)
{
    const char *path = test_path(test_temp_dir(), "store");
    sl_os_table table = sl_os_posix;
    table.sync_data = sync_or_hang;
    sl_os = &table;
    steplog_store *store = open_bounded(path, 0, AHEAD_BACKLOG_BYTES);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_schema schema = kit_schema(writer, "m", AHEAD_COLUMNS);
    atomic_store(&is_hanging, 1);
    run_ahead(writer, schema, test_path(path, "log"), 600); /* a full log, which the background begins to seal */
    while (!atomic_load(&has_hung)) usleep(1000);
    for (int64_t step = 600; step < 20000; step++) { /* much more than may wait */
        double values[AHEAD_COLUMNS];
        for (int c = 0; c < AHEAD_COLUMNS; c++) values[c] = (double)(step * c);
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
    }
    cr_assert(atomic_load(&has_hung) && !has_segment(test_path(path, "seg/0")));
    cr_assert_geq(kit_stats(writer).slow_append_count, 8);
    atomic_store(&is_hanging, 0);
    close_and_count(store, writer, path, 20000);
    sl_os = &sl_os_posix;
}

/* Segments and logs can not be made (too many open files), but what logs hold can be synced: it is, when it is due. */
IN_BOTH_MODES(background, that_cannot_seal_syncs_nevertheless)
{
    enum { COLUMNS = 30 };
    sim *machine = sim_new(5);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    const double values[COLUMNS] = {0};
    int64_t step = 0;
    while (step < 2000) OK(steplog_writer_append(writer, schema, step++, STEPLOG_TIME_NONE, values)); /* some logs */
    for (int second = 0; second < 3; second++) {
        OK(steplog_writer_append(writer, schema, step++, STEPLOG_TIME_NONE, values));
        sl_os->sleep_ns(2000000000);
        sim_set_faults(machine, &(sim_fault){.kinds = SIM_CREATE, .at = 1, .os_errno = EMFILE, .is_sticky = 1}, 1);
        GIVES(IO, steplog_store_tick(store, 0, &kit_error));
        cr_assert_eq(kit_error.os_errno, EMFILE);
        sim_set_faults(machine, NULL, 0);
        steplog_writer_stats stats = kit_stats(writer);
        cr_assert_eq(stats.durable_sequence, stats.last_sequence, "%d of %d rows are durable after %d s",
                     (int)stats.durable_sequence, (int)stats.last_sequence, 2 * (second + 1));
    }
    kit_writer_close(writer);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

/* ---- files that this process may not remove: another user's in a directory with the sticky bit ---- */

static const sl_os_table *sim_table;
static int64_t later_ns;
static unsigned refused_count;

static int unlink_or_refuse(int dir, const char *name)
{
    if (strncmp(name, "seg/0/", 6) != 0) return sim_table->unlink(dir, name);
    refused_count++;
    return -EPERM;
}

static int64_t later(void) { return sim_table->monotonic_time_ns() + later_ns; }

static void count_segment(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    (void)data, (void)bytes;
    *(unsigned *)context += strstr(path, ".seg") != NULL;
}

Test(background, inputs_that_stay_are_not_compacted_again_and_again)
{
    enum { WRITERS = 10, ROWS = 50, ROUNDS = 500 };
    sim *machine = sim_new(7);
    sim_use(machine);
    sim_table = sl_os;
    sl_os_table table = *sl_os;
    table.unlink = unlink_or_refuse;
    table.monotonic_time_ns = later;
    sl_os = &table;
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    steplog_id runs[WRITERS];
    for (int w = 0; w < WRITERS; w++) {
        char key[16];
        snprintf(key, sizeof key, "run%d", w);
        steplog_writer *writer = kit_writer(store, key, 0, 0);
        runs[w] = kit_run_of(writer);
        for (int64_t step = 0; step < ROWS; step++) kit_log(writer, "m", step, (double)step);
        kit_writer_close(writer);
    }
    unsigned count = 0;
    for (int round = 0; round < ROUNDS; round++, later_ns += 2000000000) steplog_store_tick(store, 1000, NULL);
    sim_each_file(machine, count_segment, &count);
    cr_assert(refused_count > WRITERS, "%u files were not removed", refused_count);
    cr_assert(count <= 2 * WRITERS + 1, "%d segments became %u", WRITERS, count);
    steplog_store_close(store, NULL);
    for (int w = 0; w < WRITERS; w++) {
        kit_rows rows = kit_read_store("store", &runs[w], "m", 0);
        cr_assert_eq(rows.row_count, ROWS);
        kit_rows_free(&rows);
    }
    sim_use(NULL);
    sim_free(machine);
}
