/* places/disk.h: file systems of this program's own: small tmpfs, ext4 images on loop devices.
 *
 * All are mounted in a private mount namespace, so nobody else sees them and they go with the last process that is in
 * it; loop devices detach with the last use. Every call gives 0, or -errno. */
#ifndef TESTS_PLACES_DISK_H
#define TESTS_PLACES_DISK_H

#include <stdint.h>

/* Once, before anything else. Afterwards disk_why_not() says why nothing can be mounted, or NULL. */
void disk_begin(void);
const char *disk_why_not(void);
/* The same for ext4 images. */
const char *disk_why_not_ext4(void);

int disk_mount_tmpfs(const char *path, uint64_t bytes);
/* Shows a directory, read-only, at another place or at its own. */
int disk_bind_read_only(const char *from, const char *to);
int disk_make_read_only(const char *path);
int disk_unmount(const char *path);

/* An image in a file, made anew. */
typedef struct disk_image {
    const char *file, *mount_point;
    const char *options; /* for mount(2), NULL none */
    int loop;            /* descriptor of the loop device; -1: none */
    char device[32];
} disk_image;

/* Makes a file of so many bytes with an ext4 in it: a small journal, nothing initialised later. extra: options for
 * mkfs.ext4, or NULL. */
int disk_make_ext4(const char *file, uint64_t bytes, const char *extra);
/* Attaches it to a loop device. */
int disk_attach(disk_image *image);
int disk_mount_image(disk_image *image);
/* Waits for the last user to go, for a short time. */
int disk_unmount_image(disk_image *image);
void disk_detach(disk_image *image);

enum { DISK_SHUTDOWN_WITH_SYNC = 0, DISK_SHUTDOWN_FLUSH_LOG = 1, DISK_SHUTDOWN_AT_ONCE = 2 };
/* Ends the file system as if the machine had stopped: what is not on the device by now will never be. */
int disk_shutdown(const char *mount_point, uint32_t how);

/* Writes a file until nothing is left to write to, but for leave bytes. Gives its size or -errno. */
int64_t disk_fill(const char *file, uint64_t leave);

#endif
