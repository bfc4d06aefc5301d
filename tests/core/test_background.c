/* The background thread: long work of its own does not keep writers waiting, and they do not keep it from its end. */
#include "steplog.h"

#include "os/os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
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

Test(background, a_fast_writer_does_not_keep_compaction_from_its_end, .timeout = 120)
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
    while (!has_segment(merged) && time(NULL) - begin < 30) {
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
