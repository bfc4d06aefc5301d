/* support/fail_os.c: an os table that counts its calls and fails when a test says so. Everything else
 * is passed on to the real one. */
#include "support/fail_os.h"

#include "os/os.h"

#include <stdatomic.h>

static atomic_uint_fast64_t count;
static uint32_t fail_kinds;
static uint64_t fail_at;
static int fail_errno, fail_sticky;

/* 0 to go on, or what the call gives instead. */
static int due(uint32_t kind)
{
    if (!(fail_kinds & kind)) return 0;
    uint64_t number = atomic_fetch_add(&count, 1) + 1;
    return fail_at && (number == fail_at || (fail_sticky && number > fail_at)) ? -fail_errno : 0;
}

/* One wrapper: fails when it is due, else calls the real function of the same name. */
#define CALL(type, name, kind, parameters, arguments)      \
    static type name##_or_fail parameters                  \
    {                                                      \
        int failure = due(kind);                           \
        return failure ? failure : sl_os_posix.name arguments; \
    }

CALL(int, open_dir, TEST_OS_OPEN, (int dir, const char *name), (dir, name))
CALL(int, open, TEST_OS_OPEN, (int dir, const char *name, int mode), (dir, name, mode))
CALL(int, make_dir, TEST_OS_OPEN, (int dir, const char *name), (dir, name))
CALL(int64_t, pread, TEST_OS_READ, (int fd, void *buffer, size_t bytes, uint64_t offset), (fd, buffer, bytes, offset))
CALL(int, stat, TEST_OS_READ, (int fd, sl_os_stat *out), (fd, out))
CALL(int, stat_name, TEST_OS_READ, (int dir, const char *name, sl_os_stat *out), (dir, name, out))
CALL(int, list, TEST_OS_READ, (int dir, sl_os_name_callback callback, void *context), (dir, callback, context))
CALL(int, file_system, TEST_OS_READ, (int fd, sl_os_file_system *out), (fd, out))
CALL(int64_t, pwrite, TEST_OS_WRITE, (int fd, const void *data, size_t bytes, uint64_t offset),
     (fd, data, bytes, offset))
CALL(int, allocate, TEST_OS_WRITE, (int fd, uint64_t bytes), (fd, bytes))
CALL(int, truncate, TEST_OS_WRITE, (int fd, uint64_t bytes), (fd, bytes))
CALL(int, touch, TEST_OS_WRITE, (int fd), (fd))
CALL(int, sync_data, TEST_OS_SYNC, (int fd), (fd))
CALL(int, sync_all, TEST_OS_SYNC, (int fd), (fd))
CALL(int, sync_file_system, TEST_OS_SYNC, (int fd), (fd))
CALL(int, sync_map, TEST_OS_SYNC, (void *address, uint64_t bytes), (address, bytes))
CALL(int, rename, TEST_OS_NAME, (int dir, const char *from, int to_dir, const char *to), (dir, from, to_dir, to))
CALL(int, unlink, TEST_OS_NAME, (int dir, const char *name), (dir, name))
CALL(int, lock, TEST_OS_MACHINE, (int fd), (fd))
CALL(int, random, TEST_OS_MACHINE, (void *buffer, size_t bytes), (buffer, bytes))
CALL(int, host_name, TEST_OS_MACHINE, (char *buffer, size_t bytes), (buffer, bytes))
CALL(int, host_id, TEST_OS_MACHINE, (uint8_t out[16]), (out))
CALL(int, boot_id, TEST_OS_MACHINE, (uint8_t out[16]), (out))

static int map_or_fail(int fd, uint64_t bytes, int is_writable, void **out)
{
    *out = 0;
    int failure = due(TEST_OS_MAP);
    return failure ? failure : sl_os_posix.map(fd, bytes, is_writable, out);
}

static int wipe_on_fork_page_or_fail(void **out)
{
    *out = 0;
    int failure = due(TEST_OS_MAP);
    return failure ? failure : sl_os_posix.wipe_on_fork_page(out);
}

static sl_os_table table;

void test_os_fail(uint32_t kinds, uint64_t at, int os_errno, int is_sticky)
{
    fail_kinds = kinds;
    fail_at = at;
    fail_errno = os_errno;
    fail_sticky = is_sticky;
    atomic_store(&count, 0);
    table = sl_os_posix;
#define REPLACE(name) table.name = name##_or_fail
    REPLACE(open_dir), REPLACE(open), REPLACE(make_dir);
    REPLACE(pread), REPLACE(stat), REPLACE(stat_name), REPLACE(list), REPLACE(file_system);
    REPLACE(pwrite), REPLACE(allocate), REPLACE(truncate), REPLACE(touch);
    REPLACE(sync_data), REPLACE(sync_all), REPLACE(sync_file_system), REPLACE(sync_map);
    REPLACE(rename), REPLACE(unlink);
    REPLACE(map), REPLACE(wipe_on_fork_page);
    REPLACE(lock), REPLACE(random), REPLACE(host_name), REPLACE(host_id), REPLACE(boot_id);
#undef REPLACE
    sl_os = &table;
}

uint64_t test_os_count(void)
{
    return atomic_load(&count);
}

void test_os_restore(void)
{
    sl_os = &sl_os_posix;
}
