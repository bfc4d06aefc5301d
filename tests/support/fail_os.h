/* support/fail_os.h: an os table that counts its calls and fails when a test says so. */
#ifndef TESTS_SUPPORT_FAIL_OS_H
#define TESTS_SUPPORT_FAIL_OS_H

#include <stdint.h>

/* Which calls count, and so may fail. close, unmap and unlock never do: they give back. */
enum {
    TEST_OS_OPEN = 1,    /* open_dir, open, make_dir */
    TEST_OS_READ = 2,    /* pread, stat, stat_name, list, file_system */
    TEST_OS_WRITE = 4,   /* pwrite, allocate, truncate, touch */
    TEST_OS_SYNC = 8,    /* sync_data, sync_all, sync_file_system, sync_map */
    TEST_OS_NAME = 16,   /* rename, unlink */
    TEST_OS_MAP = 32,    /* map, wipe_on_fork_page */
    TEST_OS_MACHINE = 64, /* lock, random, host_name, host_id, boot_id */
    TEST_OS_ALL = 127
};

/* From now on, of the calls of these kinds, number at (1 is the next one) gives -os_errno without
 * being made, and with is_sticky all after it. 0 lets all pass but counts. While no store is open. */
void test_os_fail(uint32_t kinds, uint64_t at, int os_errno, int is_sticky);

/* Calls of these kinds since test_os_fail(). */
uint64_t test_os_count(void);

/* Back to sl_os_posix. */
void test_os_restore(void);

#endif
