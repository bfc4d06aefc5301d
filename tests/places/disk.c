/* places/disk.c: mounting, loop devices, shutting down. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_SYSTEM_SHUTDOWN _IOR('X', 125, uint32_t) /* FS_IOC_SHUTDOWN, which older headers lack */

static char why_not[200] = "nothing was tried";
static char why_not_ext4[200];

void disk_begin(void)
{
    why_not[0] = why_not_ext4[0] = '\0';
    if (unshare(CLONE_NEWNS) != 0)
        snprintf(why_not, sizeof why_not, "a mount namespace of its own is refused: %s", strerror(errno));
    else if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        snprintf(why_not, sizeof why_not, "mounts can not be made private: %s", strerror(errno));
}

const char *disk_why_not(void) { return why_not[0] ? why_not : NULL; }

const char *disk_why_not_ext4(void)
{
    if (why_not[0]) return why_not;
    if (why_not_ext4[0]) return why_not_ext4;
    if (access("/dev/loop-control", R_OK | W_OK) != 0)
        snprintf(why_not_ext4, sizeof why_not_ext4, "there are no loop devices: %s", strerror(errno));
    else if (system("command -v mkfs.ext4 > /dev/null 2>&1 || test -x /sbin/mkfs.ext4") != 0)
        snprintf(why_not_ext4, sizeof why_not_ext4, "there is no mkfs.ext4");
    return why_not_ext4[0] ? why_not_ext4 : NULL;
}

int disk_mount_tmpfs(const char *path, uint64_t bytes)
{
    char options[64];
    if (why_not[0]) return -EPERM;
    snprintf(options, sizeof options, "size=%llu,mode=755", (unsigned long long)bytes);
    return mount("tmpfs", path, "tmpfs", MS_NOSUID, options) == 0 ? 0 : -errno;
}

int disk_bind_read_only(const char *from, const char *to)
{
    if (why_not[0]) return -EPERM;
    if (mount(from, to, NULL, MS_BIND, NULL) != 0) return -errno;
    return mount(NULL, to, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == 0 ? 0 : -errno;
}

int disk_make_read_only(const char *path) { return disk_bind_read_only(path, path); }

int disk_unmount(const char *path)
{
    for (int i = 0;; i++) {
        if (umount2(path, UMOUNT_NOFOLLOW) == 0) return 0;
        if (errno != EBUSY || i == 200) break;
        usleep(5000);
    }
    int e = errno;
    umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
    return -e;
}

/* ---- images ---- */

static int run_quietly(const char *command)
{
    int status = system(command);
    return status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int disk_make_ext4(const char *file, uint64_t bytes, const char *extra)
{
    char command[1024];
    int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return -errno;
    int e = ftruncate(fd, (off_t)bytes) == 0 ? 0 : -errno;
    close(fd);
    if (e < 0) return e;
    snprintf(command, sizeof command,
             "PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q -F -m 0 -b 4096 -J size=4 "
             "-E lazy_itable_init=0,lazy_journal_init=0,nodiscard %s '%s' > /dev/null 2>&1",
             extra ? extra : "", file);
    return run_quietly(command);
}

int disk_attach(disk_image *image)
{
    int file = open(image->file, O_RDWR | O_CLOEXEC), control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int e = file < 0 || control < 0 ? -errno : -EBUSY;
    image->loop = -1;
    /* Between asking for a free one and taking it another process may: then it is another one's turn. */
    for (int i = 0; i < 50 && e == -EBUSY; i++) {
        struct loop_config config = {.fd = (uint32_t)file, .info.lo_flags = LO_FLAGS_AUTOCLEAR};
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0) {
            e = -errno;
            break;
        }
        snprintf(image->device, sizeof image->device, "/dev/loop%d", number);
        if ((image->loop = open(image->device, O_RDWR | O_CLOEXEC)) < 0) {
            e = -errno;
            break;
        }
        e = ioctl(image->loop, LOOP_CONFIGURE, &config) == 0 ? 0 : -errno;
        if (e < 0) {
            close(image->loop);
            image->loop = -1;
        }
    }
    if (file >= 0) close(file);
    if (control >= 0) close(control);
    return e;
}

int disk_mount_image(disk_image *image)
{
    return mount(image->device, image->mount_point, "ext4", MS_NOSUID, image->options) == 0 ? 0 : -errno;
}

int disk_unmount_image(disk_image *image) { return disk_unmount(image->mount_point); }

void disk_detach(disk_image *image)
{
    if (image->loop >= 0) close(image->loop);
    image->loop = -1;
}

int disk_shutdown(const char *mount_point, uint32_t how)
{
    int fd = open(mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int e = ioctl(fd, FILE_SYSTEM_SHUTDOWN, &how) == 0 ? 0 : -errno;
    close(fd);
    return e;
}

int64_t disk_fill(const char *file, uint64_t leave)
{
    static const char zeros[65536];
    struct statvfs info;
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return -errno;
    if (fstatvfs(fd, &info) != 0) return -errno;
    uint64_t space = (uint64_t)info.f_bavail * info.f_frsize, done = 0;
    uint64_t wanted = space > leave ? space - leave : 0;
    while (leave == 0 || done < wanted) {
        size_t piece = leave && wanted - done < sizeof zeros ? (size_t)(wanted - done) : sizeof zeros;
        ssize_t put = write(fd, zeros, piece);
        if (put <= 0) break;
        done += (uint64_t)put;
    }
    /* With delayed allocation the last blocks are found missing only here. */
    fsync(fd);
    close(fd);
    return (int64_t)done;
}
