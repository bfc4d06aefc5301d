/* damage/memory_os.c: files in memory behind the os table. */
#include "damage/memory_os.h"

#include "os/os.h"
#include "support/random.h"
#include "support/store_kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DESCRIPTORS_MAX = 256 };

typedef struct descriptor {
    memory_node *node;
    char name[MEMORY_NAME_BYTES];
    int has_lock;
} descriptor;

static memory_disk *disk;
static descriptor descriptors[DESCRIPTORS_MAX];
static test_random randomness;
static int64_t now_ns;
static uint8_t boot;
static uint64_t room = UINT64_MAX, write_count, call_count, bytes_read, next_inode;
static uint64_t fails_in; /* so many reads from now */
static int has_failed;
static uint8_t page[SL_OS_PAGE_BYTES];

/* ---- disks ---- */

static void release(memory_node *node)
{
    if (--node->reference_count > 0) return;
    free(node->data);
    free(node);
}

/* Gives room for bytes; what is new is zero. Mapped data does not move: logs get their size once. */
static void grow(memory_node *node, size_t bytes)
{
    if (bytes > node->capacity) {
        size_t capacity = (bytes + SL_OS_PAGE_BYTES - 1) / SL_OS_PAGE_BYTES * SL_OS_PAGE_BYTES;
        uint8_t *data = aligned_alloc(SL_OS_PAGE_BYTES, capacity);
        HOLDS(data, "out of memory");
        if (node->bytes) memcpy(data, node->data, node->bytes);
        free(node->data);
        node->data = data;
        node->capacity = capacity;
    }
    if (bytes > node->bytes) memset(node->data + node->bytes, 0, bytes - node->bytes);
    node->bytes = bytes;
}

memory_file *memory_disk_find(memory_disk *d, const char *name)
{
    for (size_t i = 0; i < d->count; i++)
        if (strcmp(d->files[i].name, name) == 0) return &d->files[i];
    return NULL;
}

static memory_node *add(memory_disk *d, const char *name, int is_directory)
{
    HOLDS(d->count < MEMORY_FILES_MAX && strlen(name) < MEMORY_NAME_BYTES, "no room for %s", name);
    memory_file *file = &d->files[d->count++];
    snprintf(file->name, sizeof file->name, "%s", name);
    file->node = calloc(1, sizeof *file->node);
    HOLDS(file->node, "out of memory");
    file->node->reference_count = 1;
    file->node->is_directory = is_directory;
    file->node->inode = ++next_inode;
    return file->node;
}

void memory_disk_remove(memory_disk *d, const char *name)
{
    memory_file *file = memory_disk_find(d, name);
    if (!file) return;
    release(file->node);
    *file = d->files[--d->count];
}

void memory_disk_put(memory_disk *d, const char *name, const void *data, size_t bytes)
{
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        char directory[MEMORY_NAME_BYTES];
        snprintf(directory, sizeof directory, "%.*s", (int)(slash - name), name);
        if (!memory_disk_find(d, directory)) add(d, directory, 1);
    }
    memory_file *file = memory_disk_find(d, name);
    memory_node *node = file ? file->node : add(d, name, 0);
    grow(node, bytes);
    if (bytes) memcpy(node->data, data, bytes);
}

void memory_disk_free(memory_disk *d)
{
    while (d->count) release(d->files[--d->count].node);
}

void memory_disk_copy(memory_disk *to, const memory_disk *from)
{
    if (to == from) return;
    memory_disk_free(to);
    for (size_t i = 0; i < from->count; i++) {
        const memory_node *node = from->files[i].node;
        memory_node *copy = add(to, from->files[i].name, node->is_directory);
        copy->inode = node->inode;
        grow(copy, node->bytes);
        if (node->bytes) memcpy(copy->data, node->data, node->bytes);
    }
}

/* ---- calls ---- */

static void path_of(int dir, const char *name, char out[2 * MEMORY_NAME_BYTES])
{
    const char *base = dir >= 0 ? descriptors[dir].name : "";
    if (dir < 0) {
        HOLDS(strncmp(name, MEMORY_STORE, strlen(MEMORY_STORE)) == 0, "a step outside of the store: %s", name);
        name += strlen(MEMORY_STORE);
        while (*name == '/') name++;
    }
    HOLDS(!strstr(name, "..") && name[0] != '/', "a step outside of the store: %s", name);
    snprintf(out, 2 * MEMORY_NAME_BYTES, "%s%s%s", base, *base && *name ? "/" : "", name);
}

static memory_node *node_at(int dir, const char *name, char path[2 * MEMORY_NAME_BYTES])
{
    call_count++;
    path_of(dir, name, path);
    memory_file *file = memory_disk_find(disk, path);
    return file ? file->node : NULL;
}

static int describe(memory_node *node, const char *path)
{
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
        descriptor *d = &descriptors[fd];
        if (d->node) continue;
        *d = (descriptor){.node = node};
        snprintf(d->name, sizeof d->name, "%s", path);
        node->reference_count++;
        return fd;
    }
    return -EMFILE;
}

static int memory_open_dir(int dir, const char *name)
{
    char path[2 * MEMORY_NAME_BYTES];
    /* Who makes a store syncs the directory above it too; here the root is its own parent. */
    if (dir < 0 && strcmp(name, MEMORY_STORE "/..") == 0) name = MEMORY_STORE;
    memory_node *node = node_at(dir, name, path);
    if (!node) return -ENOENT;
    return node->is_directory ? describe(node, path) : -ENOTDIR;
}

static int memory_open(int dir, const char *name, int mode)
{
    char path[2 * MEMORY_NAME_BYTES];
    memory_node *node = node_at(dir, name, path);
    if (node && (mode & SL_OS_CREATE)) return -EEXIST;
    if (!node && !(mode & SL_OS_CREATE)) return -ENOENT;
    if (node && node->is_directory) return -EINVAL;
    if (!node) {
        write_count++;
        node = add(disk, path, 0);
    }
    return describe(node, path);
}

static int memory_close(int fd)
{
    descriptor *d = &descriptors[fd];
    call_count++;
    HOLDS(fd >= 0 && fd < DESCRIPTORS_MAX && d->node, "descriptor %d is not open", fd);
    if (d->has_lock) d->node->lock_count = 0;
    release(d->node);
    d->node = NULL;
    return 0;
}

static int64_t memory_pread(int fd, void *buffer, size_t bytes, uint64_t offset)
{
    const memory_node *node = descriptors[fd].node;
    call_count++;
    if (fails_in && --fails_in == 0) {
        has_failed = 1;
        return -EIO;
    }
    if (offset >= node->bytes) return 0;
    if (bytes > node->bytes - offset) bytes = node->bytes - offset;
    memcpy(buffer, node->data + offset, bytes);
    bytes_read += bytes;
    return (int64_t)bytes;
}

static int64_t memory_pwrite(int fd, const void *data, size_t bytes, uint64_t offset)
{
    memory_node *node = descriptors[fd].node;
    write_count++;
    if (offset + bytes > node->bytes) grow(node, offset + bytes);
    memcpy(node->data + offset, data, bytes);
    return (int64_t)bytes;
}

static void fill_stat(const memory_node *node, sl_os_stat *out)
{
    *out = (sl_os_stat){.bytes = node->bytes,
                        .allocated_bytes = node->bytes,
                        .device = 1,
                        .inode = node->inode,
                        .link_count = 1,
                        .modified_time_ns = now_ns,
                        .is_file = !node->is_directory,
                        .is_directory = node->is_directory};
}

static int memory_stat(int fd, sl_os_stat *out)
{
    call_count++;
    fill_stat(descriptors[fd].node, out);
    const memory_file *file = memory_disk_find(disk, descriptors[fd].name);
    out->link_count = file && file->node == descriptors[fd].node;
    return 0;
}

static int memory_stat_name(int dir, const char *name, sl_os_stat *out)
{
    char path[2 * MEMORY_NAME_BYTES];
    memory_node *node = node_at(dir, name, path);
    if (!node) return -ENOENT;
    fill_stat(node, out);
    return 0;
}

static int memory_allocate(int fd, uint64_t bytes)
{
    write_count++;
    if (bytes > room) return -ENOSPC;
    if (bytes > descriptors[fd].node->bytes) grow(descriptors[fd].node, bytes);
    return 0;
}

static int memory_truncate(int fd, uint64_t bytes)
{
    write_count++;
    grow(descriptors[fd].node, bytes);
    return 0;
}

static int nothing(int fd)
{
    (void)fd;
    call_count++;
    return 0;
}

static int memory_touch(int fd)
{
    write_count++;
    return nothing(fd);
}

static int memory_rename(int dir, const char *from, int to_dir, const char *to)
{
    char from_path[2 * MEMORY_NAME_BYTES], to_path[2 * MEMORY_NAME_BYTES];
    write_count++;
    if (!node_at(dir, from, from_path)) return -ENOENT;
    if (node_at(to_dir, to, to_path)) return -EEXIST;
    snprintf(memory_disk_find(disk, from_path)->name, MEMORY_NAME_BYTES, "%.*s", MEMORY_NAME_BYTES - 1, to_path);
    return 0;
}

static int memory_unlink(int dir, const char *name)
{
    char path[2 * MEMORY_NAME_BYTES];
    if (!node_at(dir, name, path)) return -ENOENT;
    write_count++;
    memory_disk_remove(disk, path);
    return 0;
}

static int memory_make_dir(int dir, const char *name)
{
    char path[2 * MEMORY_NAME_BYTES];
    if (node_at(dir, name, path)) return -EEXIST;
    write_count++;
    add(disk, path, 1);
    return 0;
}

static int memory_list(int dir, sl_os_name_callback callback, void *context)
{
    char prefix[MEMORY_NAME_BYTES + 2];
    call_count++;
    snprintf(prefix, sizeof prefix, "%s%s", descriptors[dir].name, descriptors[dir].name[0] ? "/" : "");
    size_t length = strlen(prefix);
    for (size_t i = 0; i < disk->count; i++) {
        const char *name = disk->files[i].name;
        if (strncmp(name, prefix, length) != 0 || !name[length] || strchr(name + length, '/')) continue;
        int result = callback(context, name + length);
        if (result) return result;
    }
    return 0;
}

static int memory_file_system(int fd, sl_os_file_system *out)
{
    (void)fd;
    call_count++;
    *out = (sl_os_file_system){.is_mappable = 1, .is_local = 1, .name = "memory"};
    return 0;
}

static int memory_map(int fd, uint64_t bytes, int is_writable, void **out)
{
    memory_node *node = descriptors[fd].node;
    call_count++;
    write_count += is_writable != 0;
    HOLDS(bytes <= node->bytes, "a mapping behind the end of %s", descriptors[fd].name);
    *out = node->data;
    return 0;
}

static int memory_unmap(void *address, uint64_t bytes)
{
    (void)address, (void)bytes;
    return 0;
}

static int64_t memory_read_map(const void *address, void *buffer, size_t bytes)
{
    memcpy(buffer, address, bytes);
    return (int64_t)bytes;
}

static int memory_sync_map(void *address, uint64_t bytes)
{
    (void)address, (void)bytes;
    write_count++;
    return 0;
}

static int memory_wipe_on_fork_page(void **out)
{
    *out = page;
    return 0;
}

static int memory_lock(int fd)
{
    descriptor *d = &descriptors[fd];
    call_count++;
    if (d->has_lock) return 0;
    if (d->node->lock_count) return -EAGAIN;
    d->node->lock_count = d->has_lock = 1;
    return 0;
}

static int memory_unlock(int fd)
{
    if (descriptors[fd].has_lock) descriptors[fd].node->lock_count = descriptors[fd].has_lock = 0;
    return 0;
}

static sl_os_lock_state memory_probe(int fd)
{
    call_count++;
    return descriptors[fd].node->lock_count ? SL_OS_LOCK_HELD : SL_OS_LOCK_FREE;
}

static int64_t memory_time_ns(void)
{
    return now_ns += 1000;
}

static int memory_random(void *buffer, size_t bytes)
{
    test_random_fill(&randomness, buffer, bytes);
    return 0;
}

static int memory_host_name(char *buffer, size_t bytes)
{
    snprintf(buffer, bytes, "node");
    return 0;
}

static int memory_host_id(uint8_t out[16])
{
    memset(out, 0x11, 16);
    return 0;
}

static int memory_boot_id(uint8_t out[16])
{
    memset(out, boot, 16);
    return 0;
}

static int64_t memory_process_start_time_ns(void)
{
    return INT64_C(1700000000000000000);
}

static uint32_t memory_process_id(void)
{
    return 4711;
}

static void memory_sleep_ns(int64_t ns)
{
    now_ns += ns;
}

static void memory_lower_priority(void)
{
}

static const sl_os_table table = {
    .open_dir = memory_open_dir,
    .open = memory_open,
    .close = memory_close,
    .pread = memory_pread,
    .pwrite = memory_pwrite,
    .stat = memory_stat,
    .stat_name = memory_stat_name,
    .allocate = memory_allocate,
    .truncate = memory_truncate,
    .touch = memory_touch,
    .sync_data = nothing,
    .sync_all = nothing,
    .sync_file_system = nothing,
    .rename = memory_rename,
    .unlink = memory_unlink,
    .make_dir = memory_make_dir,
    .list = memory_list,
    .file_system = memory_file_system,
    .map = memory_map,
    .unmap = memory_unmap,
    .read_map = memory_read_map,
    .sync_map = memory_sync_map,
    .wipe_on_fork_page = memory_wipe_on_fork_page,
    .lock = memory_lock,
    .unlock = memory_unlock,
    .probe = memory_probe,
    .wall_time_ns = memory_time_ns,
    .monotonic_time_ns = memory_time_ns,
    .random = memory_random,
    .host_name = memory_host_name,
    .host_id = memory_host_id,
    .boot_id = memory_boot_id,
    .process_start_time_ns = memory_process_start_time_ns,
    .process_id = memory_process_id,
    .sleep_ns = memory_sleep_ns,
    .lower_priority = memory_lower_priority,
};

void memory_os_use(memory_disk *d, uint64_t seed)
{
    disk = d;
    randomness = test_random_from(seed);
    now_ns = INT64_C(1700000000000000000) + (int64_t)(seed % 1000) * 1000000000;
    room = UINT64_MAX;
    write_count = call_count = bytes_read = 0;
    if (d->count == 0) next_inode = 0;
    if (!memory_disk_find(d, "")) add(d, "", 1);
    sl_os = &table;
}

void memory_os_set_boot(uint8_t b)
{
    boot = b;
}

int64_t memory_os_now_ns(void)
{
    return now_ns;
}

void memory_os_set_room(uint64_t bytes)
{
    room = bytes;
}

void memory_os_fail(uint64_t number)
{
    fails_in = number;
    has_failed = 0;
}

int memory_os_has_failed(void)
{
    return has_failed;
}

uint64_t memory_os_write_count(void)
{
    return write_count;
}

uint64_t memory_os_call_count(void)
{
    return call_count;
}

uint64_t memory_os_bytes_read(void)
{
    return bytes_read;
}

size_t memory_os_open_count(void)
{
    size_t count = 0;
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) count += descriptors[fd].node != NULL;
    return count;
}
