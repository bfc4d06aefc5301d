/* The os table where the kernel or the file system lacks a call: the C library's entry points are
 * replaced in this program, and refuse while a test says so. */
#include "os/os.h"
#include "steplog.h"

#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* lacking: 0, or the errno that a missing call gives. */
static int lacking, lacking_dir_sync, interruptions, write_errno_after = -1;

int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
    if (!lacking && interruptions == 0) return (int)syscall(SYS_fallocate, fd, mode, offset, bytes);
    errno = lacking ? lacking : EINTR;
    if (!lacking) interruptions--;
    return -1;
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned int flags)
{
    if (!lacking) return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
    errno = lacking;
    return -1;
}

int fsync(int fd)
{
    struct stat info;
    if (!lacking_dir_sync || fstat(fd, &info) < 0 || !S_ISDIR(info.st_mode)) return (int)syscall(SYS_fsync, fd);
    errno = lacking_dir_sync;
    return -1;
}

static unsigned whole_syncs;

int syncfs(int fd)
{
    whole_syncs++;
    return (int)syscall(SYS_syncfs, fd);
}

/* Gives half of what is asked, then after some calls nothing: a disk that fills up. */
ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    if (write_errno_after == 0) {
        errno = ENOSPC;
        return -1;
    }
    if (write_errno_after > 0) write_errno_after--, bytes = (bytes + 1) / 2;
    return syscall(SYS_pwrite64, fd, data, bytes, offset);
}

static int new_file(int *dir)
{
    *dir = sl_os->open_dir(-1, test_temp_dir());
    cr_assert_geq(*dir, 0);
    int fd = sl_os->open(*dir, "a", SL_OS_WRITE | SL_OS_CREATE);
    cr_assert_geq(fd, 0);
    return fd;
}

Test(os_fallback, allocates_by_writing_and_keeps_what_was_there)
{
    int dir, fd = new_file(&dir);
    cr_assert_eq(sl_os_write_full(fd, "kept", 4, 50000), 0);
    for (int i = 0; i < 2; i++) {
        lacking = i ? ENOSYS : EOPNOTSUPP;
        cr_assert_eq(sl_os->allocate(fd, 100001), 0);
    }
    lacking = 0;
    cr_assert_eq(sl_os->sync_all(fd), 0);
    sl_os_stat info;
    cr_assert_eq(sl_os->stat(fd, &info), 0);
    cr_assert_eq(info.bytes, 100001);
    cr_assert_geq(info.allocated_bytes, 100001);
    char bytes[6];
    cr_assert_eq(sl_os_read_full(fd, bytes, 6, 49999), 0);
    cr_assert_arr_eq(bytes, "\0kept\0", 6);
    sl_os->close(fd);
    sl_os->close(dir);
}

Test(os_fallback, allocating_by_writing_says_when_the_disk_is_full)
{
    int dir, fd = new_file(&dir);
    lacking = EOPNOTSUPP;
    write_errno_after = 3;
    cr_assert_eq(sl_os->allocate(fd, 1 << 20), -ENOSPC);
    sl_os->close(fd);
    sl_os->close(dir);
}

Test(os_fallback, allocating_by_writing_needs_to_read_what_is_there)
{
    const char *path = test_temp_dir();
    int fd = open(test_path(path, "a"), O_WRONLY | O_CREAT, 0600);
    cr_assert_geq(fd, 0);
    lacking = EOPNOTSUPP;
    cr_assert_eq(sl_os->allocate(fd, 4096), -EBADF);
    close(fd);
}

/* The pieces get smaller, down to 64 KiB, and each is asked for again. */
Test(os_fallback, allocating_goes_on_after_each_signal)
{
    int dir, fd = new_file(&dir);
    interruptions = 30;
    cr_assert_eq(sl_os->allocate(fd, 300000), 0);
    cr_assert_eq(interruptions, 0);
    sl_os_stat info;
    cr_assert_eq(sl_os->stat(fd, &info), 0);
    cr_assert_eq(info.bytes, 300000);
    sl_os->close(fd);
    sl_os->close(dir);
}

Test(os_fallback, renames_by_linking_and_never_replaces)
{
    int dir, fd = new_file(&dir);
    sl_os->close(fd);
    fd = sl_os->open(dir, "b", SL_OS_WRITE | SL_OS_CREATE);
    cr_assert_eq(sl_os_write_full(fd, "b", 1, 0), 0);
    sl_os->close(fd);
    static const int missing[] = {EINVAL, ENOSYS, EOPNOTSUPP};
    for (int i = 0; i < 3; i++) {
        lacking = missing[i];
        cr_assert_eq(sl_os->rename(dir, "a", dir, "b"), -EEXIST);
        cr_assert_eq(sl_os->rename(dir, "b", dir, "c"), 0);
        cr_assert_eq(sl_os->rename(dir, "c", dir, "b"), 0);
    }
    cr_assert_eq(sl_os->rename(dir, "b", dir, "c"), 0);
    lacking = 0;
    sl_os_stat info;
    cr_assert_eq(sl_os->stat_name(dir, "b", &info), -ENOENT);
    cr_assert_eq(sl_os->stat_name(dir, "c", &info), 0);
    cr_assert_eq(info.bytes, 1);
    cr_assert_eq(info.link_count, 1);
    sl_os->close(dir);
}

Test(os_fallback, write_that_ends_early_gives_what_was_written_and_then_the_reason)
{
    int dir, fd = new_file(&dir);
    write_errno_after = 1;
    cr_assert_eq(sl_os->pwrite(fd, "12345678", 8, 0), 4);
    cr_assert_eq(sl_os->pwrite(fd, "12345678", 8, 0), -ENOSPC);
    write_errno_after = 2;
    cr_assert_eq(sl_os_write_full(fd, "12345678", 8, 0), -ENOSPC);
    write_errno_after = 4;
    cr_assert_eq(sl_os_write_full(fd, "12345678", 8, 0), 0);
    sl_os->close(fd);
    sl_os->close(dir);
}

Test(os_fallback, directories_that_can_not_be_synced_are_with_all_else)
{
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_CREATE | STEPLOG_NO_THREAD};
    steplog_writer_options writer_options = {.size_bytes = sizeof writer_options};
    steplog_named named = {"m", 1};
    steplog_error err = {0};
    steplog_store *store;
    steplog_writer *writer;
    lacking_dir_sync = EINVAL;
    cr_assert_eq(steplog_store_open(test_path(test_temp_dir(), "store"), &options, &store, &err), STEPLOG_OK, "%s",
                 err.text);
    cr_assert_gt(whole_syncs, 0);
    cr_assert_eq(steplog_writer_open(store, &writer_options, &writer, &err), STEPLOG_OK, "%s", err.text);
    cr_assert_eq(steplog_writer_log(writer, 1, &named, 1), STEPLOG_OK);
    unsigned before = whole_syncs;
    cr_assert_eq(steplog_writer_sync(writer, &err), STEPLOG_OK, "%s", err.text);
    cr_assert_gt(whole_syncs, before);
    cr_assert_eq(steplog_writer_close(writer, 0, &err), STEPLOG_OK, "%s", err.text);
    cr_assert_eq(steplog_store_close(store, &err), STEPLOG_OK, "%s", err.text);
    lacking_dir_sync = EIO;
    int dir = sl_os->open_dir(-1, test_temp_dir());
    cr_assert_eq(sl_os->sync_all(dir), -EIO);
    sl_os->close(dir);
    lacking_dir_sync = 0;
}
