/* os/private_fd.c: the list of descriptors that a forked child closes.
 *
 * 1. From open() on until close() is over the descriptor is in the list, or its thread has the lock, for which a fork
 *    waits: so no child has one that it does not know.
 * 2. Only a fork by the thread that has the lock itself (in a signal handler) does not wait. It is seen afterwards: the
 *    descriptor that such a child may share is closed before anyone locks it, and the file opened anew. */
#include "os/private_fd.h"

#include "base/memory.h"
#include "os/os.h"

#include <errno.h>
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock;
static SL_VEC(int *) known;
static unsigned fork_count;

static void init_lock(void)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE); /* 2. */
    pthread_mutex_init(&lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

static void take_lock(void)
{
    pthread_once(&once, init_lock);
    pthread_mutex_lock(&lock);
}

int sl_private_open(int *fd, int dir, const char *name, int mode)
{
    unsigned forks;
    *fd = -1;
    take_lock();
    if (!SL_VEC_RESERVE(&known, known.count + 1)) {
        pthread_mutex_unlock(&lock);
        return -ENOMEM;
    }
    int opened;
    do {
        forks = fork_count;
        opened = sl_os->open(dir, name, mode);
        if (opened >= 0 && forks != fork_count) {
            sl_os->close(opened);
            mode &= ~SL_OS_CREATE;
        }
    } while (opened >= 0 && forks != fork_count);
    if (opened >= 0) {
        *fd = opened;
        known.items[known.count++] = fd;
    }
    pthread_mutex_unlock(&lock);
    return opened < 0 ? opened : 0;
}

void sl_private_close(int *fd)
{
    if (*fd < 0) return;
    take_lock();
    sl_os->close(*fd);
    *fd = -1;
    for (size_t i = known.count; i-- > 0;) {
        if (known.items[i] != fd) continue;
        known.items[i] = known.items[--known.count];
        break;
    }
    if (known.count == 0) SL_VEC_FREE(&known);
    pthread_mutex_unlock(&lock);
}

int sl_private_map(int fd, uint64_t bytes, int is_writable, void **out)
{
    take_lock();
    int e = sl_os->map(fd, bytes, is_writable, out);
    pthread_mutex_unlock(&lock);
    return e;
}

void sl_private_before_fork(void)
{
    take_lock();
    fork_count++;
}

void sl_private_after_fork(void) { pthread_mutex_unlock(&lock); }

void sl_private_leave_parent(void)
{
    for (size_t i = 0; i < known.count; i++) {
        sl_os->close(*known.items[i]);
        *known.items[i] = -1;
    }
    known.count = 0;
    pthread_mutex_unlock(&lock); /* refused: its owner is a thread of the parent; so it is made anew */
    init_lock();
}
