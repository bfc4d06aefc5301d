/* os/os_posix.c: the real operating system behind the table of os.h. Linux first; what only some
 * kernels or file systems have is asked for and replaced when refused.
 *
 * 1. Nothing here waits for another process: FIFOs and devices are refused before they are opened,
 *    locks are tried and never waited for.
 * 2. A name that comes with a directory descriptor cannot leave that directory: no "..", no absolute
 *    name, no symbolic link on the way.
 * 3. No state but one constant table, so any thread may be inside. */
#include "os/os.h"

#include "base/memory.h"
#include "os/os_machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

/* What a system call gave, as the table promises it. */
static int result_of(int given)
{
    return given < 0 ? -errno : given;
}

static int close_quietly(int fd)
{
    /* After EINTR Linux has closed the descriptor: closing again could hit another thread's file. */
    int given = close(fd);
    return given < 0 && errno != EINTR ? -errno : 0;
}

/* ---- descriptors 0 to 2: where programs print. In one that has closed them a file of ours would get what it prints,
 * if only for a moment: so they are taken while a file is opened. ---- */

typedef struct taken_fds {
    int fds[STDERR_FILENO + 1];
    int count;
} taken_fds;

static void take_standard(taken_fds *taken)
{
    taken->count = 0;
    int is_closed = 0;
    for (int fd = 0; fd <= STDERR_FILENO; fd++) is_closed |= fcntl(fd, F_GETFD) < 0;
    while (is_closed && taken->count <= STDERR_FILENO) {
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd > STDERR_FILENO) close_quietly(fd);
        if (fd < 0 || fd > STDERR_FILENO) return;
        taken->fds[taken->count++] = fd;
    }
}

static void give_standard_back(const taken_fds *taken)
{
    for (int i = 0; i < taken->count; i++) close_quietly(taken->fds[i]);
}

/* Where there is no /dev/null. */
static int above_standard(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO) return fd;
    int moved = result_of(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    close_quietly(fd);
    return moved == -EINVAL ? -EMFILE : moved; /* the limit of descriptors is as low as that */
}

static int open_retrying(int dir, const char *name, int flags)
{
    int fd;
    taken_fds taken;
    take_standard(&taken);
    do fd = openat(dir, name, flags | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    fd = above_standard(result_of(fd));
    give_standard_back(&taken);
    return fd;
}

/* ---- names that stay inside their directory ---- */

/* Where the last part of a name is to be looked up. */
typedef struct place {
    int dir;          /* for the ...at() calls */
    int owned;        /* -1, or a descriptor to close */
    const char *leaf; /* without a slash when a directory was given */
} place;

static int is_plain_part(const char *part, size_t bytes)
{
    return bytes > 0 && bytes <= NAME_MAX && !(bytes == 2 && part[0] == '.' && part[1] == '.');
}

static void leave(place *at)
{
    if (at->owned >= 0) close_quietly(at->owned);
    at->owned = -1;
}

/* Goes down to the directory that holds the last part, one part at a time, following no link. */
static int find_place(int dir, const char *name, place *at)
{
    *at = (place){.dir = dir < 0 ? AT_FDCWD : dir, .owned = -1, .leaf = name};
    if (dir < 0) return *name ? 0 : -ENOENT;
    for (const char *slash; (slash = strchr(at->leaf, '/')) != NULL; at->leaf = slash + 1) {
        char part[NAME_MAX + 1];
        size_t bytes = (size_t)(slash - at->leaf);
        int next = -EINVAL;
        if (is_plain_part(at->leaf, bytes)) {
            memcpy(part, at->leaf, bytes);
            part[bytes] = '\0';
            next = open_retrying(at->dir, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        }
        leave(at);
        if (next < 0) return next;
        at->dir = at->owned = next;
    }
    if (is_plain_part(at->leaf, strlen(at->leaf))) return 0;
    leave(at);
    return *at->leaf && strlen(at->leaf) > NAME_MAX ? -ENAMETOOLONG : -EINVAL;
}

/* ---- opening ---- */

static int posix_open_dir(int dir, const char *name)
{
    if (dir < 0) return open_retrying(AT_FDCWD, name, O_RDONLY | O_DIRECTORY);
    place at;
    int status = find_place(dir, name, &at);
    if (status < 0) return status;
    int fd = open_retrying(at.dir, at.leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    leave(&at);
    return fd;
}

/* 0 for a regular file. Asked before opening, because opening a FIFO or a device has effects. */
static int check_regular(const struct stat *info)
{
    if (S_ISREG(info->st_mode)) return 0;
    return S_ISLNK(info->st_mode) ? -ELOOP : -EINVAL;
}

static int open_existing(int dir, const char *leaf, int flags)
{
    struct stat info;
    if (fstatat(dir, leaf, &info, AT_SYMLINK_NOFOLLOW) < 0) return -errno;
    int status = check_regular(&info);
    if (status < 0) return status;
    /* The name may have changed hands since: not waiting, not following, and asked again. */
    int fd = open_retrying(dir, leaf, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return fd;
    status = fstat(fd, &info) < 0 ? -errno : check_regular(&info);
    if (status < 0) {
        close_quietly(fd);
        return status;
    }
    return fd;
}

static int posix_open(int dir, const char *name, int mode)
{
    place at;
    int status = find_place(dir, name, &at);
    if (status < 0) return status;
    int fd;
    if (mode & SL_OS_CREATE) fd = open_retrying(at.dir, at.leaf, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
    else fd = open_existing(at.dir, at.leaf, mode & SL_OS_WRITE ? O_RDWR : O_RDONLY);
    leave(&at);
    return fd;
}

/* ---- reading and writing ---- */

static size_t one_call_bytes(size_t bytes)
{
    const size_t largest = (size_t)1 << 30;
    return bytes < largest ? bytes : largest;
}

static int64_t posix_pread(int fd, void *buffer, size_t bytes, uint64_t offset)
{
    if (bytes > INT64_MAX || offset > INT64_MAX - bytes) return -EINVAL;
    size_t done = 0;
    while (done < bytes) {
        ssize_t got = pread(fd, (char *)buffer + done, one_call_bytes(bytes - done), (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        if (got == 0) break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

static uint64_t posix_next_data(int fd, uint64_t offset)
{
    if (offset > INT64_MAX) return offset;
    off_t data = lseek(fd, (off_t)offset, SEEK_DATA);
    return data >= 0 ? (uint64_t)data : errno == ENXIO ? UINT64_MAX : offset;
}

/* How large this process may make files. What would go beyond is refused here: the system would send a signal that
 * ends the process. */
static uint64_t file_bytes_max(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

static int64_t posix_pwrite(int fd, const void *data, size_t bytes, uint64_t offset)
{
    if (bytes > INT64_MAX || offset > INT64_MAX - bytes) return -EINVAL;
    uint64_t bytes_max = file_bytes_max();
    if (bytes > 0 && offset >= bytes_max) return -EFBIG;
    if (bytes > bytes_max - offset) bytes = (size_t)(bytes_max - offset);
    size_t done = 0;
    while (done < bytes) {
        ssize_t put = pwrite(fd, (const char *)data + done, one_call_bytes(bytes - done), (off_t)(offset + done));
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && done == 0) return -errno;
        if (put <= 0) break;
        done += (size_t)put;
    }
    return (int64_t)done;
}

static void fill_stat(const struct stat *info, sl_os_stat *out)
{
    *out = (sl_os_stat){
        .bytes = (uint64_t)info->st_size,
        .allocated_bytes = (uint64_t)info->st_blocks * 512,
        .device = info->st_dev,
        .inode = info->st_ino,
        .link_count = info->st_nlink,
        .modified_time_ns = (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec,
        .is_file = S_ISREG(info->st_mode),
        .is_directory = S_ISDIR(info->st_mode),
    };
}

static int posix_stat(int fd, sl_os_stat *out)
{
    struct stat info;
    if (fstat(fd, &info) < 0) return -errno;
    fill_stat(&info, out);
    return 0;
}

static int posix_stat_name(int dir, const char *name, sl_os_stat *out)
{
    place at;
    int status = find_place(dir, name, &at);
    if (status < 0) return status;
    struct stat info;
    status = result_of(fstatat(at.dir, at.leaf, &info, AT_SYMLINK_NOFOLLOW));
    leave(&at);
    if (status == 0) fill_stat(&info, out);
    return status;
}

/* ---- space ---- */

/* Puts real blocks under [0, bytes) by writing: what is there is written again, the rest as zeroes.
 * Only the owner of a file allocates in it, so nobody writes between the read and the write. */
static int allocate_by_writing(int fd, uint64_t bytes)
{
    unsigned char chunk[16384];
    for (uint64_t at = 0; at < bytes;) {
        size_t wanted = bytes - at < sizeof chunk ? (size_t)(bytes - at) : sizeof chunk;
        int64_t got = posix_pread(fd, chunk, wanted, at);
        if (got < 0) return (int)got;
        memset(chunk + got, 0, wanted - (size_t)got);
        int64_t put = posix_pwrite(fd, chunk, wanted, at);
        if (put < 0) return (int)put;
        at += (uint64_t)put;
    }
    return 0;
}

/* Never makes a file smaller: others may have it mapped. In pieces that get smaller with each EINTR:
 * some file systems start all over when a signal comes, and under the timer of a profiler a large
 * piece might never end. */
static int posix_allocate(int fd, uint64_t bytes)
{
    if (bytes > INT64_MAX || bytes > file_bytes_max()) return -EFBIG;
    uint64_t piece_bytes = (uint64_t)16 << 20;
    for (uint64_t at = 0; at < bytes;) {
        uint64_t piece = bytes - at < piece_bytes ? bytes - at : piece_bytes;
        if (fallocate(fd, 0, (off_t)at, (off_t)piece) == 0) {
            at += piece;
            continue;
        }
        if (errno == EOPNOTSUPP || errno == ENOSYS) return allocate_by_writing(fd, bytes);
        if (errno != EINTR) return -errno;
        if (piece_bytes > 65536) piece_bytes /= 2;
    }
    return 0;
}

static int posix_truncate(int fd, uint64_t bytes)
{
    if (bytes > INT64_MAX || bytes > file_bytes_max()) return -EFBIG;
    int given;
    do given = ftruncate(fd, (off_t)bytes);
    while (given < 0 && errno == EINTR);
    return result_of(given);
}

static int posix_touch(int fd)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
    return result_of(futimens(fd, times));
}

/* EINTR is not an answer about the data, so it alone may be asked again; any other failure is final. */
static int posix_sync_data(int fd)
{
    int given;
    do given = fdatasync(fd);
    while (given < 0 && errno == EINTR);
    return result_of(given);
}

static int posix_sync_file_system(int fd)
{
    int given;
    do given = syncfs(fd);
    while (given < 0 && errno == EINTR);
    return result_of(given);
}

static int is_directory(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Some file systems (vboxsf, CIFS of older kernels) can not sync one directory: then all that is on them is synced. */
static int posix_sync_all(int fd)
{
    int given;
    do given = fsync(fd);
    while (given < 0 && errno == EINTR);
    int status = result_of(given);
    return status == -EINVAL && is_directory(fd) ? posix_sync_file_system(fd) : status;
}

/* ---- names ---- */

/* Where renameat2() cannot refuse to replace: a second name is made, which never replaces, then the
 * first is taken away. A crash between leaves both, and the same records twice are one. */
static int rename_by_link(const place *from, const place *to)
{
    if (linkat(from->dir, from->leaf, to->dir, to->leaf, 0) < 0) return -errno;
    return result_of(unlinkat(from->dir, from->leaf, 0));
}

static int rename_at(const place *from, const place *to)
{
    if (renameat2(from->dir, from->leaf, to->dir, to->leaf, RENAME_NOREPLACE) == 0) return 0;
    if (errno == ENOSYS || errno == EINVAL || errno == EOPNOTSUPP) return rename_by_link(from, to);
    return -errno;
}

static int posix_rename(int dir, const char *from, int to_dir, const char *to)
{
    place source, target;
    int status = find_place(dir, from, &source);
    if (status < 0) return status;
    status = find_place(to_dir, to, &target);
    if (status == 0) {
        status = rename_at(&source, &target);
        leave(&target);
    }
    leave(&source);
    return status;
}

static int posix_unlink(int dir, const char *name)
{
    place at;
    int status = find_place(dir, name, &at);
    if (status < 0) return status;
    status = result_of(unlinkat(at.dir, at.leaf, 0));
    leave(&at);
    return status;
}

static int posix_make_dir(int dir, const char *name)
{
    place at;
    int status = find_place(dir, name, &at);
    if (status < 0) return status;
    status = result_of(mkdirat(at.dir, at.leaf, 0777));
    leave(&at);
    return status;
}

static int is_self_or_parent(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static int list_stream(DIR *stream, sl_os_name_callback callback, void *context)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry) return -errno;
        if (is_self_or_parent(entry->d_name)) continue;
        int stop = callback(context, entry->d_name);
        if (stop) return stop;
    }
}

static int posix_list(int dir, sl_os_name_callback callback, void *context)
{
    /* Opened anew: a duplicate would share its place in the listing with the caller's descriptor. */
    int fd = open_retrying(dir, ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0) return fd;
    sl_memory_enter();
    DIR *stream = fdopendir(fd);
    sl_memory_leave();
    if (!stream) {
        int status = -errno;
        close_quietly(fd);
        return status;
    }
    int status = list_stream(stream, callback, context);
    sl_memory_enter();
    closedir(stream);
    sl_memory_leave();
    return status;
}

/* ---- file systems ---- */

typedef struct known_file_system {
    uint32_t magic;
    int is_mappable, is_local;
    const char *name;
} known_file_system;

/* A list of those that are known to keep the promises, by type and not by trial: a trial that works
 * says nothing about what happens on a full disk. ext2, ext3 and ext4 share one number. */
static const known_file_system known_file_systems[] = {
    {0x0000ef53, 1, 1, "ext4"},    {0x01021994, 1, 1, "tmpfs"}, {0x58465342, 0, 1, "xfs"},
    {0x9123683e, 0, 1, "btrfs"},   {0x794c7630, 0, 1, "overlay"}, {0x00006969, 0, 0, "nfs"},
    {0x65735546, 0, 0, "fuse"},    {0x0bd00bd0, 0, 0, "lustre"}, {0x2fc12fc1, 0, 0, "zfs"},
    {0xf2f52010, 0, 0, "f2fs"},    {0xca451a4e, 0, 0, "bcachefs"}, {0x01021997, 0, 0, "9p"},
    {0xff534d42, 0, 0, "cifs"},    {0xfe534d42, 0, 0, "smb2"},  {0x00c36400, 0, 0, "ceph"},
    {0x47504653, 0, 0, "gpfs"},    {0x00004d44, 0, 0, "vfat"},  {0x73717368, 0, 0, "squashfs"},
};

static int posix_file_system(int fd, sl_os_file_system *out)
{
    struct statfs info;
    int given;
    do given = fstatfs(fd, &info);
    while (given < 0 && errno == EINTR);
    if (given < 0) return -errno;
    uint32_t magic = (uint32_t)info.f_type;
    *out = (sl_os_file_system){0};
    snprintf(out->name, sizeof out->name, "0x%x", (unsigned)magic);
    for (size_t i = 0; i < sizeof known_file_systems / sizeof known_file_systems[0]; i++) {
        const known_file_system *known = &known_file_systems[i];
        if (known->magic != magic) continue;
        out->is_mappable = known->is_mappable;
        out->is_local = known->is_local;
        snprintf(out->name, sizeof out->name, "%s", known->name);
    }
    return 0;
}

/* ---- mappings ---- */

static int posix_map(int fd, uint64_t bytes, int is_writable, void **out)
{
    *out = NULL;
    if (bytes == 0 || bytes > PTRDIFF_MAX) return -EINVAL;
    int protection = is_writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *address = mmap(NULL, (size_t)bytes, protection, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED) return -errno;
    if (is_writable && madvise(address, (size_t)bytes, MADV_DONTFORK) < 0) {
        int status = -errno;
        munmap(address, (size_t)bytes);
        return status;
    }
    *out = address;
    return 0;
}

static int posix_unmap(void *address, uint64_t bytes)
{
    if (bytes > PTRDIFF_MAX) return -EINVAL;
    return result_of(munmap(address, (size_t)bytes));
}

/* The kernel copies: where it meets a page that can not be read it says so, and ends nobody. */
static int64_t posix_read_map(const void *address, void *buffer, size_t bytes)
{
    struct iovec to = {buffer, bytes}, from = {(void *)(uintptr_t)address, bytes};
    ssize_t got = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
    if (got < 0) return errno == EFAULT ? -EIO : -errno;
    return got || !bytes ? got : -EIO;
}

static int posix_sync_map(void *address, uint64_t bytes)
{
    if (bytes > PTRDIFF_MAX) return -EINVAL;
    /* Callers align to SL_OS_PAGE_BYTES; some machines have larger pages. */
    size_t before = (size_t)((uintptr_t)address % (uintptr_t)sysconf(_SC_PAGESIZE));
    int given;
    do given = msync((char *)address - before, (size_t)bytes + before, MS_SYNC);
    while (given < 0 && errno == EINTR);
    return result_of(given);
}

static int posix_wipe_on_fork_page(void **out)
{
    *out = NULL;
    void *address = mmap(NULL, SL_OS_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) return -errno;
    if (madvise(address, SL_OS_PAGE_BYTES, MADV_WIPEONFORK) < 0) {
        int status = -errno;
        munmap(address, SL_OS_PAGE_BYTES);
        return status;
    }
    *out = address;
    return 0;
}

/* ---- locks ---- */

/* Open-file-description locks: those of POSIX vanish when any descriptor of the file in the process is
 * closed, and a reader in the writer's own process does just that. */
static struct flock first_byte(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
}

static int posix_lock(int fd)
{
    struct flock range = first_byte(F_WRLCK);
    int given;
    do given = fcntl(fd, F_OFD_SETLK, &range);
    while (given < 0 && errno == EINTR);
    if (given < 0 && errno == EACCES) return -EAGAIN;
    return result_of(given);
}

static int posix_unlock(int fd)
{
    struct flock range = first_byte(F_UNLCK);
    int given;
    do given = fcntl(fd, F_OFD_SETLK, &range);
    while (given < 0 && errno == EINTR);
    return result_of(given);
}

static sl_os_lock_state posix_probe(int fd)
{
    struct flock range = first_byte(F_WRLCK);
    int given;
    do given = fcntl(fd, F_OFD_GETLK, &range);
    while (given < 0 && errno == EINTR);
    if (given < 0) return SL_OS_LOCK_UNKNOWN;
    return range.l_type == F_UNLCK ? SL_OS_LOCK_FREE : SL_OS_LOCK_HELD;
}

/* ---- the table ---- */

const sl_os_table sl_os_posix = {
    .open_dir = posix_open_dir,
    .open = posix_open,
    .close = close_quietly,
    .pread = posix_pread,
    .next_data = posix_next_data,
    .pwrite = posix_pwrite,
    .stat = posix_stat,
    .stat_name = posix_stat_name,
    .allocate = posix_allocate,
    .truncate = posix_truncate,
    .touch = posix_touch,
    .sync_data = posix_sync_data,
    .sync_all = posix_sync_all,
    .sync_file_system = posix_sync_file_system,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .make_dir = posix_make_dir,
    .list = posix_list,
    .file_system = posix_file_system,
    .map = posix_map,
    .unmap = posix_unmap,
    .read_map = posix_read_map,
    .sync_map = posix_sync_map,
    .wipe_on_fork_page = posix_wipe_on_fork_page,
    .lock = posix_lock,
    .unlock = posix_unlock,
    .probe = posix_probe,
    .wall_time_ns = sl_machine_wall_time_ns,
    .monotonic_time_ns = sl_machine_monotonic_time_ns,
    .random = sl_machine_random,
    .host_name = sl_machine_host_name,
    .host_id = sl_machine_host_id,
    .boot_id = sl_machine_boot_id,
    .process_start_time_ns = sl_machine_process_start_time_ns,
    .process_id = sl_machine_process_id,
    .sleep_ns = sl_machine_sleep_ns,
    .lower_priority = sl_machine_lower_priority,
};

const sl_os_table *sl_os = &sl_os_posix;
