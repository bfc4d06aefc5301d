/* forks/interrupted.c: system calls that say EINTR far more often than a kernel does: these functions stand before those
 * of the C library. Not under address sanitizer, which has put its own there. */
#include "forks/forks.h"

#ifndef __SANITIZE_ADDRESS__
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_uint every, calls;

void interrupt_every(unsigned n) { atomic_store(&every, n); }

static int is_interrupted(void)
{
    unsigned n = atomic_load_explicit(&every, memory_order_relaxed);
    if (!n || atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) % n) return 0;
    atomic_fetch_add_explicit(&all->interrupted, 1, memory_order_relaxed);
    errno = EINTR;
    return 1;
}

#define BEFORE(type, name, number, parameters, ...)                                    \
    type name parameters                                                               \
    {                                                                                  \
        return is_interrupted() ? -1 : (type)syscall(number, __VA_ARGS__);             \
    }
BEFORE(ssize_t, pread, SYS_pread64, (int fd, void *buffer, size_t bytes, off_t at), fd, buffer, bytes, at)
BEFORE(ssize_t, pwrite, SYS_pwrite64, (int fd, const void *data, size_t bytes, off_t at), fd, data, bytes, at)
BEFORE(int, fdatasync, SYS_fdatasync, (int fd), fd)
BEFORE(int, fsync, SYS_fsync, (int fd), fd)
BEFORE(int, msync, SYS_msync, (void *address, size_t bytes, int flags), address, bytes, flags)
BEFORE(int, fallocate, SYS_fallocate, (int fd, int mode, off_t at, off_t bytes), fd, mode, at, bytes)
BEFORE(int, ftruncate, SYS_ftruncate, (int fd, off_t bytes), fd, bytes)

int openat(int dir, const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
    va_end(arguments);
    return is_interrupted() ? -1 : (int)syscall(SYS_openat, dir, name, flags, mode);
}

/* Of locks only: what else the C library asks this way does not wait. */
int fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    int is_lock = command == F_OFD_SETLK || command == F_OFD_GETLK;
    return is_lock && is_interrupted() ? -1 : (int)syscall(SYS_fcntl, fd, command, argument);
}
#else
void interrupt_every(unsigned n) { (void)n; }
#endif
