/* os/os.h: every system call of the library, behind one table of functions.
 *
 * Calls that can fail return 0 (or a count) or a negative errno; they never set errno for
 * their caller and retry EINTR themselves. Tests swap the table to fail, count or trace
 * calls. Directories are named by path; files inside a store by directory descriptor and
 * relative name, so that nothing reaches outside (O_NOFOLLOW, O_CLOEXEC everywhere). */
#ifndef SL_OS_H
#define SL_OS_H

#include <stddef.h>
#include <stdint.h>

typedef struct sl_os_stat {
    uint64_t bytes;
    uint64_t allocated_bytes;
    uint64_t device, inode;
    uint64_t link_count;
    int64_t modified_time_ns;
    int is_file, is_directory;
} sl_os_stat;

enum { SL_OS_READ = 0, SL_OS_WRITE = 1, SL_OS_CREATE = 2 /* exclusive, with WRITE */ };

/* What a file system can keep of our promises; see DESIGN in store/README.md. */
typedef struct sl_os_file_system {
    int is_mappable; /* shared mappings keep P1 to P3: a local one that never reflinks */
    int is_local;    /* locks and host identity mean something here */
    char name[24];   /* "ext4", "tmpfs", "nfs" or "0x..." */
} sl_os_file_system;

typedef enum sl_os_lock_state { SL_OS_LOCK_FREE = 0, SL_OS_LOCK_HELD = 1, SL_OS_LOCK_UNKNOWN = 2 } sl_os_lock_state;

/* Return 0 to go on. name is lent for the call; "." and ".." are not given. */
typedef int (*sl_os_name_callback)(void *context, const char *name);

typedef struct sl_os_table {
    /* files; dir is a descriptor from open_dir, or -1 for path names */
    int (*open_dir)(int dir, const char *name);                     /* descriptor; follows links only when dir < 0 */
    int (*open)(int dir, const char *name, int mode);               /* descriptor; regular files only: -EINVAL for
                                                                       others (never blocks on a FIFO), -ELOOP for links */
    int (*close)(int fd);
    int64_t (*pread)(int fd, void *buffer, size_t bytes, uint64_t offset);        /* may be short: bytes read so far; 0 at the end */
    int64_t (*pwrite)(int fd, const void *data, size_t bytes, uint64_t offset);   /* may be short: bytes written so far,
                                                                                     or the error when none was */
    uint64_t (*next_data)(int fd, uint64_t offset);                 /* up to there no bytes are kept, all are zero;
                                                                       offset itself when nothing is known. May be
                                                                       NULL. */
    int (*stat)(int fd, sl_os_stat *out);
    int (*stat_name)(int dir, const char *name, sl_os_stat *out);   /* does not follow links */
    int (*allocate)(int fd, uint64_t bytes);                        /* real blocks for [0, bytes), and that size */
    int (*truncate)(int fd, uint64_t bytes);
    int (*touch)(int fd);                                           /* sets the modification time to now */
    int (*sync_data)(int fd);                                       /* fdatasync; never retried by anyone */
    int (*sync_all)(int fd);                                        /* fsync, for directories too */
    int (*sync_file_system)(int fd);                                /* everything on the file system that fd is on */
    int (*rename)(int dir, const char *from, int to_dir, const char *to); /* never replaces: -EEXIST (renameat2
                                                                             NOREPLACE, else link + unlink) */
    int (*unlink)(int dir, const char *name);
    int (*make_dir)(int dir, const char *name);                     /* -EEXIST when there */
    int (*list)(int dir, sl_os_name_callback callback, void *context); /* callback's non-zero return, or -errno, or 0 */
    int (*file_system)(int fd, sl_os_file_system *out);
    /* mappings */
    int (*map)(int fd, uint64_t bytes, int is_writable, void **out); /* shared; a writable one is not inherited by fork
                                                                         (MADV_DONTFORK) */
    int (*unmap)(void *address, uint64_t bytes);
    int64_t (*read_map)(const void *address, void *buffer, size_t bytes); /* copies out of a mapping; may be short. What the
                                                                             disk can not give is -EIO, and no SIGBUS */
    int (*sync_map)(void *address, uint64_t bytes);                 /* msync(MS_SYNC); address page-aligned */
    int (*wipe_on_fork_page)(void **out);                           /* an anonymous page that a child sees zeroed */
    /* locks: open-file-description locks on the first byte */
    int (*lock)(int fd);                                            /* exclusive, without waiting: -EAGAIN */
    int (*unlock)(int fd);
    sl_os_lock_state (*probe)(int fd);                              /* never takes it */
    /* the machine */
    int64_t (*wall_time_ns)(void);
    int64_t (*monotonic_time_ns)(void);
    int (*random)(void *buffer, size_t bytes);
    int (*host_name)(char *buffer, size_t bytes);                   /* terminated, cut to fit */
    int (*host_id)(uint8_t out[16]);                                /* of this machine: hash of machine-id, or of the
                                                                       host name where there is none */
    int (*boot_id)(uint8_t out[16]);                                /* of this boot; zeroes when not known */
    int64_t (*process_start_time_ns)(void);                         /* wall time, 0 when not known */
    uint32_t (*process_id)(void);
    void (*sleep_ns)(int64_t ns);
    void (*lower_priority)(void);                                   /* of the calling thread; best effort */
} sl_os_table;

/* The table in use. Changed by tests only, while no store is open. */
extern const sl_os_table *sl_os;
extern const sl_os_table sl_os_posix;

#define SL_OS_PAGE_BYTES 4096u

/* 1 when what a name leads to now is another file than before; with or_changed, or one that was written to since. */
int sl_os_is_replaced(const sl_os_stat *before, const sl_os_stat *now, int or_changed);

/* Loops over short reads: the bytes that came, fewer than asked only at the end of the file, or -errno. */
int64_t sl_os_read(int fd, void *buffer, size_t bytes, uint64_t offset);
/* The same: 0 when all bytes came, -ENODATA when the file ends before, else -errno. */
int sl_os_read_full(int fd, void *buffer, size_t bytes, uint64_t offset);
/* next_data, if the table has it. */
uint64_t sl_os_next_data(int fd, uint64_t offset);
/* Loops over short writes: 0 or -errno. */
int sl_os_write_full(int fd, const void *data, size_t bytes, uint64_t offset);

#endif
