/* support/call_hook.c: someone acts between two calls of the os table. */
#include "support/call_hook.h"

#include "os/os.h"

#include <stddef.h>

static const sl_os_table *under;
static sl_os_table table;
static uint64_t calls, act_at;
static void (*act)(void);
static int is_acting;

static void pass(void)
{
    if (is_acting) return;
    calls++;
    if (act_at && calls != act_at) return;
    is_acting = 1;
    act();
    is_acting = 0;
}

#define CALL(type, name, parameters, arguments) \
    static type name##_after_act parameters     \
    {                                           \
        pass();                                 \
        return under->name arguments;           \
    }

CALL(int, open_dir, (int dir, const char *name), (dir, name))
CALL(int64_t, pread, (int fd, void *buffer, size_t bytes, uint64_t offset), (fd, buffer, bytes, offset))
CALL(int64_t, pwrite, (int fd, const void *data, size_t bytes, uint64_t offset), (fd, data, bytes, offset))
CALL(int, stat, (int fd, sl_os_stat *out), (fd, out))
CALL(int, allocate, (int fd, uint64_t bytes), (fd, bytes))
CALL(int, sync_data, (int fd), (fd))
CALL(int, sync_all, (int fd), (fd))
CALL(int, rename, (int dir, const char *from, int to_dir, const char *to), (dir, from, to_dir, to))
CALL(int, unlink, (int dir, const char *name), (dir, name))
CALL(int, make_dir, (int dir, const char *name), (dir, name))
CALL(int, list, (int dir, sl_os_name_callback callback, void *context), (dir, callback, context))

/* What is opened for writing is opened under a lock, which the action of the same thread would meet. */
static int open_after_act(int dir, const char *name, int mode)
{
    if (mode == SL_OS_READ) pass();
    return under->open(dir, name, mode);
}

void test_hook_calls(uint64_t at, void (*action)(void))
{
    under = sl_os;
    table = *under;
    calls = 0;
    act_at = at;
    act = action;
#define REPLACE(name) table.name = name##_after_act
    REPLACE(open_dir), REPLACE(open), REPLACE(pread), REPLACE(pwrite), REPLACE(stat), REPLACE(allocate);
    REPLACE(sync_data), REPLACE(sync_all), REPLACE(rename), REPLACE(unlink), REPLACE(make_dir), REPLACE(list);
#undef REPLACE
    sl_os = &table;
}

int test_unhook_calls(void)
{
    sl_os = under;
    return calls >= act_at;
}
