/* os/os.c: what every table has in common: whole reads and writes made of partial ones. */
#include "os/os.h"

#include <errno.h>

int64_t sl_os_read(int fd, void *buffer, size_t bytes, uint64_t offset)
{
    size_t done = 0;
    while (done < bytes) {
        int64_t got = sl_os->pread(fd, (char *)buffer + done, bytes - done, offset + done);
        if (got < 0) return got;
        if (got == 0) break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

int sl_os_is_replaced(const sl_os_stat *before, const sl_os_stat *now, int or_changed)
{
    if (now->inode != before->inode) return 1;
    return or_changed && (now->bytes != before->bytes || now->modified_time_ns != before->modified_time_ns);
}

int sl_os_read_full(int fd, void *buffer, size_t bytes, uint64_t offset)
{
    int64_t got = sl_os_read(fd, buffer, bytes, offset);
    if (got < 0) return (int)got;
    return (size_t)got == bytes ? 0 : -ENODATA;
}

uint64_t sl_os_next_data(int fd, uint64_t offset)
{
    uint64_t data = sl_os->next_data ? sl_os->next_data(fd, offset) : offset;
    return data > offset ? data : offset;
}

int sl_os_write_full(int fd, const void *data, size_t bytes, uint64_t offset)
{
    for (size_t done = 0; done < bytes;) {
        int64_t put = sl_os->pwrite(fd, (const char *)data + done, bytes - done, offset + done);
        if (put < 0) return (int)put;
        /* A table that writes nothing and gives no reason must not hang us. */
        if (put == 0) return -ENOSPC;
        done += (size_t)put;
    }
    return 0;
}
