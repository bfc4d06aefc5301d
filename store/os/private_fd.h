/* os/private_fd.h: descriptors that a forked child must not have.
 *
 * A log's lock says that its writer lives, and belongs to what open() gave, which a child shares: while the child has
 * the descriptor the lock outlives the parent. So every descriptor that is ever locked or written through is opened
 * and closed here, and a child closes them all as the first thing it does. */
#ifndef SL_OS_PRIVATE_FD_H
#define SL_OS_PRIVATE_FD_H

#include <stdint.h>

/* As sl_os->open(); *fd is the descriptor, or -1 on failure: then -errno is returned, -ENOMEM too. fd stays where it
 * is until it is closed: in a forked child it becomes -1. */
int sl_private_open(int *fd, int dir, const char *name, int mode);

/* Closes it and makes it -1; -1 is a no-op. */
void sl_private_close(int *fd);

/* As sl_os->map(), of which a fork does not see the half: a mapping is kept from children only once it is there. */
int sl_private_map(int fd, uint64_t bytes, int is_writable, void **out);

/* Around fork(), by pthread_atfork(). A fork waits for an open, a close or a map that is going on. */
void sl_private_before_fork(void);
void sl_private_after_fork(void);
void sl_private_leave_parent(void); /* in the child; async-signal-safe as far as sl_os->close is */

#endif
