/* support/sim_os.c: the calls of the os table on the machine in memory. */
#include "support/sim_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static sim *current;

enum { SITES_MAX = 1024 };
static const void *sites[SITES_MAX];
static size_t site_count;
static pthread_mutex_t site_lock = PTHREAD_MUTEX_INITIALIZER;

static void note_site(const void *address)
{
    pthread_mutex_lock(&site_lock);
    size_t i = 0;
    while (i < site_count && sites[i] != address) i++;
    if (i == site_count && site_count < SITES_MAX) sites[site_count++] = address;
    pthread_mutex_unlock(&site_lock);
}

size_t sim_sites(const void **out, size_t capacity)
{
    size_t count = site_count < capacity ? site_count : capacity;
    memcpy(out, sites, count * sizeof *out);
    return site_count;
}

/* ---- before and after each call ---- */

/* What the call has to give instead of doing its work: 0, or -errno, or SIM_SHORT. */
static int begin(uint32_t kind, const void *site, int *is_done)
{
    sim *m = current;
    pthread_mutex_lock(&m->lock);
    note_site(site);
    sim_pass_point(m);
    m->monotonic_ns += 1000;
    m->wall_ns += 1000;
    *is_done = 0;
    if (!m->is_stopped && m->stop_at && (m->stop_kinds & kind) && --m->stop_at == 0) sim_kill_begin(m);
    if (m->is_stopped) return -EIO;
    if (m->calls < m->kinds_capacity) m->kinds[m->calls] = (uint16_t)kind;
    m->calls++;
    for (size_t i = 0; i < m->fault_total; i++) {
        const sim_fault *f = &m->faults[i];
        if (!(f->kinds & kind)) continue;
        uint64_t number = ++m->fault_counts[i];
        if (!f->at || (number != f->at && !(f->is_sticky && number > f->at))) continue;
        m->failed++;
        m->failed_kind = kind;
        *is_done = f->is_done;
        if (f->os_errno == SIM_SHORT) return kind == SIM_READ || kind == SIM_WRITE ? SIM_SHORT : -EIO;
        return -f->os_errno;
    }
    return 0;
}

static int64_t end(int64_t result)
{
    sim_pass_point(current);
    pthread_mutex_unlock(&current->lock);
    return result;
}

#define SITE __builtin_return_address(0)
/* Begins a call that can not do its work and fail as well. */
#define BEGIN(kind)                                  \
    int is_done;                                     \
    int failure = begin(kind, SITE, &is_done);       \
    if (failure) return (int)end(failure)

/* ---- names ---- */

/* The directory of the last part of a name, and that part. */
static int find_place(int dir, const char *name, sim_node **directory, const char **leaf)
{
    sim *m = current;
    sim_node *at = m->root;
    if (dir >= 0) {
        size_t n = (size_t)(dir - SIM_FIRST_FD);
        if (dir < SIM_FIRST_FD || n >= m->fds.count || !m->fds.items[n].node) sim_broken("a directory descriptor that is not open");
        at = m->fds.items[n].node;
        if (!at->is_directory) return -ENOTDIR;
    } else {
        while (*name == '/') name++;
    }
    for (const char *slash; (slash = strchr(name, '/')) != NULL; name = slash + 1) {
        char part[256];
        size_t bytes = (size_t)(slash - name);
        if (bytes == 0 || bytes >= sizeof part) return -EINVAL;
        memcpy(part, name, bytes);
        part[bytes] = 0;
        sim_entry *entry = sim_find_entry(at, part);
        if (!entry) return -ENOENT;
        if (!entry->node->is_directory) return -ENOTDIR;
        at = entry->node;
    }
    if (!*name || strcmp(name, "..") == 0) return dir < 0 && !*name ? 0 : -EINVAL;
    if (strlen(name) > 255) return -ENAMETOOLONG;
    *directory = at;
    *leaf = name;
    return 0;
}

static int find_node(int dir, const char *name, sim_node **out)
{
    sim_node *directory = NULL;
    const char *leaf = NULL;
    int status = find_place(dir, name, &directory, &leaf);
    if (status < 0) return status;
    if (!directory || strcmp(leaf, ".") == 0) {
        *out = directory ? directory : current->root;
        return 0;
    }
    sim_entry *entry = sim_find_entry(directory, leaf);
    if (!entry) return -ENOENT;
    *out = entry->node;
    return 0;
}

/* ---- descriptors ---- */

static int open_node(sim_node *node, int is_writable)
{
    sim *m = current;
    size_t n = 0;
    while (n < m->fds.count && m->fds.items[n].node) n++;
    sim_fd fd = {.node = sim_hold(node), .is_writable = is_writable, .process = m->process};
    if (n == m->fds.count)
        SIM_PUSH(&m->fds, fd);
    else
        m->fds.items[n] = fd;
    node->opens++;
    return (int)n + SIM_FIRST_FD;
}

static sim_fd *fd_of(int fd)
{
    size_t n = (size_t)(fd - SIM_FIRST_FD);
    if (fd < SIM_FIRST_FD || n >= current->fds.count || !current->fds.items[n].node) sim_broken("a descriptor that is not open");
    return &current->fds.items[n];
}

static int do_open_dir(int dir, const char *name)
{
    BEGIN(SIM_OPEN);
    sim_node *node;
    char without[512];
    size_t bytes = strlen(name);
    if (dir < 0 && bytes > 3 && bytes < sizeof without && strcmp(name + bytes - 3, "/..") == 0) { /* its parent */
        memcpy(without, name, bytes - 3);
        without[bytes - 3] = 0;
        char *slash = strrchr(without, '/');
        if (slash) *slash = 0;
        else without[0] = 0;
        name = without;
    }
    int status = find_node(dir, name, &node);
    if (status == 0 && !node->is_directory) status = -ENOTDIR;
    return (int)end(status < 0 ? status : open_node(node, 0));
}

static int do_open(int dir, const char *name, int mode)
{
    int is_done, failure = begin(mode & SL_OS_CREATE ? SIM_CREATE : SIM_OPEN, SITE, &is_done);
    if (failure && !(is_done && (mode & SL_OS_CREATE))) return (int)end(failure);
    sim_node *directory = NULL, *node;
    const char *leaf = NULL;
    int status = find_place(dir, name, &directory, &leaf);
    if (status < 0) return (int)end(failure ? failure : status);
    if (!directory) return (int)end(-EISDIR);
    sim_entry *entry = sim_find_entry(directory, leaf);
    if (mode & SL_OS_CREATE) {
        if (entry) return (int)end(failure ? failure : -EEXIST);
        node = sim_node_new(current, 0);
        sim_add_entry(current, directory, leaf, node);
        return (int)end(failure ? failure : open_node(node, 1));
    }
    if (!entry) return (int)end(-ENOENT);
    if (entry->node->is_directory) return (int)end(-EINVAL);
    return (int)end(open_node(entry->node, mode & SL_OS_WRITE));
}

static int do_close(int fd)
{
    pthread_mutex_lock(&current->lock);
    note_site(SITE);
    sim_fd *open = fd_of(fd);
    sim_node *node = open->node;
    if (node->lock_fd == (uint64_t)fd) node->lock_fd = 0;
    open->node = NULL;
    node->opens--;
    sim_let_go(node);
    return (int)end(0);
}

/* ---- reading and writing ---- */

static int64_t do_pread(int fd, void *buffer, size_t bytes, uint64_t offset)
{
    int is_done, failure = begin(SIM_READ, SITE, &is_done);
    if (failure < 0 && failure != SIM_SHORT) return end(failure);
    const sim_node *node = fd_of(fd)->node;
    if (node->is_directory) return end(-EISDIR);
    uint64_t left = offset < node->bytes ? node->bytes - offset : 0;
    if (bytes > left) bytes = (size_t)left;
    if (failure == SIM_SHORT && bytes > 1) bytes /= 2;
    if (bytes) memcpy(buffer, node->data + offset, bytes);
    return end((int64_t)bytes);
}

/* Takes room for [from, from + bytes) of a file; gives how many bytes of it there is room for. By the byte a file
 * pays for what lies beyond its furthest byte so far, else for each page that it has not got yet. */
static uint64_t take_space(sim_node *node, uint64_t from, uint64_t bytes)
{
    sim *m = current;
    uint64_t left = m->budget == UINT64_MAX ? UINT64_MAX : m->budget > m->used ? m->budget - m->used : 0;
    if (m->unit == 1) {
        uint64_t paid = node->paid > from ? node->paid : from;
        uint64_t cost = from + bytes > paid ? from + bytes - paid : 0, taken = cost < left ? cost : left;
        m->used += taken;
        bytes -= cost - taken;
        if (from + bytes > node->paid) node->paid = from + bytes;
    }
    for (uint64_t page = from / SIM_PAGE_BYTES; page * SIM_PAGE_BYTES < from + bytes; page++) {
        if (node->is_allocated[page]) continue;
        if (m->unit != 1) {
            if (left < SIM_PAGE_BYTES && left != UINT64_MAX) return page * SIM_PAGE_BYTES > from ? page * SIM_PAGE_BYTES - from : 0;
            if (left != UINT64_MAX) left -= SIM_PAGE_BYTES;
            m->used += SIM_PAGE_BYTES;
        }
        node->is_allocated[page] = 1;
    }
    return bytes;
}

static int64_t do_pwrite(int fd, const void *data, size_t bytes, uint64_t offset)
{
    int is_done, failure = begin(SIM_WRITE, SITE, &is_done);
    if (failure < 0 && failure != SIM_SHORT && !is_done) return end(failure);
    sim_fd *open = fd_of(fd);
    sim_node *node = open->node;
    if (!open->is_writable) return end(-EBADF);
    if (failure == SIM_SHORT) bytes = bytes > 1 ? bytes / 2 : bytes;
    if (node->maps && offset + bytes > node->bytes) sim_broken("a mapped file grows");
    sim_grow(node, offset + bytes);
    uint64_t possible = take_space(node, offset, bytes);
    if (!possible && bytes) return end(failure < 0 && failure != SIM_SHORT ? failure : -ENOSPC);
    memcpy(node->data + offset, data, (size_t)possible);
    if (offset + possible > node->bytes) node->bytes = offset + possible;
    node->modified_ns = current->wall_ns;
    node->is_changed = 1;
    return end(failure < 0 && failure != SIM_SHORT ? failure : (int64_t)possible);
}

/* ---- stat ---- */

static void fill_stat(const sim_node *node, sl_os_stat *out)
{
    uint64_t pages = 0;
    for (uint64_t i = 0; i < node->capacity / SIM_PAGE_BYTES; i++) pages += node->is_allocated[i] != 0;
    *out = (sl_os_stat){.bytes = node->bytes,
                        .allocated_bytes = pages * SIM_PAGE_BYTES,
                        .device = 1,
                        .inode = node->number,
                        .link_count = node->links,
                        .modified_time_ns = node->modified_ns,
                        .is_file = !node->is_directory,
                        .is_directory = node->is_directory};
}

static int do_stat(int fd, sl_os_stat *out)
{
    BEGIN(SIM_STAT);
    fill_stat(fd_of(fd)->node, out);
    return (int)end(0);
}

static int do_stat_name(int dir, const char *name, sl_os_stat *out)
{
    BEGIN(SIM_STAT);
    sim_node *node;
    int status = find_node(dir, name, &node);
    if (status == 0) fill_stat(node, out);
    return (int)end(status);
}

static int do_file_system(int fd, sl_os_file_system *out)
{
    BEGIN(SIM_STAT);
    (void)fd_of(fd);
    *out = (sl_os_file_system){.is_mappable = current->is_mappable, .is_local = current->is_local};
    snprintf(out->name, sizeof out->name, "%s", current->is_local ? "ext4" : "nfs");
    return (int)end(0);
}

/* ---- space ---- */

static int do_allocate(int fd, uint64_t bytes)
{
    int is_done, failure = begin(SIM_SPACE, SITE, &is_done);
    if (failure && !is_done) return (int)end(failure);
    sim_node *node = fd_of(fd)->node;
    if (bytes > ((uint64_t)1 << 40)) return (int)end(-EFBIG);
    if (node->maps && bytes > node->bytes) sim_broken("a mapped file grows");
    sim_grow(node, bytes);
    if (take_space(node, 0, bytes) < bytes) return (int)end(failure ? failure : -ENOSPC);
    if (bytes > node->bytes) node->bytes = bytes;
    node->is_changed = 1;
    return (int)end(failure);
}

static int do_truncate(int fd, uint64_t bytes)
{
    int is_done, failure = begin(SIM_SPACE, SITE, &is_done);
    if (failure && !is_done) return (int)end(failure);
    sim_node *node = fd_of(fd)->node;
    if (node->maps) sim_broken("a mapped file is truncated");
    if (bytes > ((uint64_t)1 << 40)) return (int)end(-EFBIG);
    sim_grow(node, bytes);
    if (bytes < node->bytes) memset(node->data + bytes, 0, (size_t)(node->bytes - bytes));
    node->bytes = bytes;
    node->modified_ns = current->wall_ns;
    node->is_changed = 1;
    return (int)end(failure);
}

static int do_touch(int fd)
{
    BEGIN(SIM_TOUCH);
    fd_of(fd)->node->modified_ns = current->wall_ns;
    return (int)end(0);
}

/* ---- syncing ---- */

static int sync_node(sim_node *node, uint64_t from, uint64_t bytes, int failure)
{
    sim *m = current;
    if (node->has_late_error) {
        node->has_late_error = 0;
        return -EIO;
    }
    if (failure) {
        sim_fail_sync(m, node, from, bytes);
        if (m->failed_sync != SIM_SYNC_LATE || node->is_directory) return failure;
        node->has_late_error = 1;
        return 0;
    }
    if (m->is_traced) sim_make_durable_part(node, from, bytes);
    return 0;
}

static int do_sync(int fd)
{
    int is_done, failure = begin(SIM_SYNC, SITE, &is_done);
    return (int)end(current->is_stopped ? -EIO : sync_node(fd_of(fd)->node, 0, UINT64_MAX, failure));
}

static int do_sync_data(int fd)
{
    int is_done, failure = begin(SIM_SYNC, SITE, &is_done);
    return (int)end(current->is_stopped ? -EIO : sync_node(fd_of(fd)->node, 0, UINT64_MAX, failure));
}

static void sync_below(sim_node *node)
{
    sync_node(node, 0, UINT64_MAX, 0);
    for (size_t i = 0; i < node->entries.count; i++) sync_below(node->entries.items[i].node);
}

static int do_sync_file_system(int fd)
{
    int is_done, failure = begin(SIM_SYNC, SITE, &is_done);
    if (current->is_stopped) return (int)end(-EIO);
    if (failure) return (int)end(sync_node(fd_of(fd)->node, 0, UINT64_MAX, failure));
    sync_below(current->root);
    return (int)end(0);
}

static sim_map *map_of(const void *address)
{
    for (size_t i = 0; i < current->maps.count; i++) {
        sim_map *map = &current->maps.items[i];
        if ((const uint8_t *)address >= map->address && (const uint8_t *)address < map->address + map->bytes) return map;
    }
    sim_broken("an address that is not mapped");
}

static int64_t do_read_map(const void *address, void *buffer, size_t bytes)
{
    memcpy(buffer, address, bytes);
    return (int64_t)bytes;
}

static int do_sync_map(void *address, uint64_t bytes)
{
    int is_done, failure = begin(SIM_SYNC, SITE, &is_done);
    if (current->is_stopped) return (int)end(-EIO);
    sim_map *map = map_of(address);
    uint64_t from = (uint64_t)((uint8_t *)address - map->address);
    if (from % SIM_PAGE_BYTES) return (int)end(-EINVAL);
    return (int)end(sync_node(map->node, from, bytes, failure));
}

/* ---- names ---- */

static int do_rename(int dir, const char *from, int to_dir, const char *to)
{
    int is_done, failure = begin(SIM_RENAME, SITE, &is_done);
    if (failure && !is_done) return (int)end(failure);
    sim_node *source, *target;
    const char *from_leaf, *to_leaf;
    int status = find_place(dir, from, &source, &from_leaf);
    if (status == 0) status = find_place(to_dir, to, &target, &to_leaf);
    if (status < 0) return (int)end(status);
    sim_entry *entry = sim_find_entry(source, from_leaf);
    if (!entry) return (int)end(-ENOENT);
    if (sim_find_entry(target, to_leaf)) return (int)end(-EEXIST);
    sim_node *node = sim_hold(entry->node);
    sim_remove_entry(current, source, entry);
    sim_add_entry(current, target, to_leaf, node);
    sim_let_go(node);
    return (int)end(failure);
}

static int do_unlink(int dir, const char *name)
{
    int is_done, failure = begin(SIM_UNLINK, SITE, &is_done);
    if (failure && !is_done) return (int)end(failure);
    sim_node *directory;
    const char *leaf;
    int status = find_place(dir, name, &directory, &leaf);
    if (status < 0) return (int)end(status);
    sim_entry *entry = sim_find_entry(directory, leaf);
    if (!entry) return (int)end(failure ? failure : -ENOENT);
    if (entry->node->is_directory) return (int)end(-EISDIR);
    sim_remove_entry(current, directory, entry);
    return (int)end(failure);
}

static int do_make_dir(int dir, const char *name)
{
    int is_done, failure = begin(SIM_CREATE, SITE, &is_done);
    if (failure && !is_done) return (int)end(failure);
    sim_node *directory = NULL;
    const char *leaf = NULL;
    int status = find_place(dir, name, &directory, &leaf);
    if (status < 0) return (int)end(status);
    if (!directory || sim_find_entry(directory, leaf)) return (int)end(failure ? failure : -EEXIST);
    sim_node *node = sim_node_new(current, 1);
    sim_add_entry(current, directory, leaf, node);
    return (int)end(failure);
}

static int do_list(int dir, sl_os_name_callback callback, void *context)
{
    BEGIN(SIM_LIST);
    const sim_node *node = fd_of(dir)->node;
    if (!node->is_directory) return (int)end(-ENOTDIR);
    /* The callback may call the table, so it is called without the lock on a copy. */
    size_t count = node->entries.count;
    char **names = calloc(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++) names[i] = strdup(node->entries.items[i].name);
    end(0);
    int stop = 0;
    for (size_t i = 0; i < count; i++) {
        if (!stop) stop = callback(context, names[i]);
        free(names[i]);
    }
    free(names);
    return stop;
}

/* ---- mappings ---- */

static int do_map(int fd, uint64_t bytes, int is_writable, void **out)
{
    *out = NULL;
    BEGIN(SIM_MAP);
    sim_fd *open = fd_of(fd);
    if (is_writable && !open->is_writable) return (int)end(-EACCES);
    if (bytes == 0) return (int)end(-EINVAL);
    if (bytes > open->node->bytes) sim_broken("a mapping beyond the end of its file");
    sim_map map = {.node = sim_hold(open->node), .address = open->node->data, .bytes = bytes};
    map.node->maps++;
    SIM_PUSH(&current->maps, map);
    *out = map.address;
    return (int)end(0);
}

static int do_wipe_on_fork_page(void **out)
{
    *out = NULL;
    BEGIN(SIM_MAP);
    sim_map map = {.address = aligned_alloc(SIM_PAGE_BYTES, SIM_PAGE_BYTES), .bytes = SIM_PAGE_BYTES};
    memset(map.address, 0, SIM_PAGE_BYTES);
    SIM_PUSH(&current->maps, map);
    *out = map.address;
    return (int)end(0);
}

static int do_unmap(void *address, uint64_t bytes)
{
    pthread_mutex_lock(&current->lock);
    note_site(SITE);
    sim_map *map = map_of(address);
    /* Several mappings of one file have one address here: any of the same length will do. */
    while (map->address != address || map->bytes != bytes)
        if (++map == current->maps.items + current->maps.count) sim_broken("a part of a mapping is unmapped");
    sim_pass_point(current); /* the last look at what was stored */
    if (map->node) {
        map->node->maps--;
        sim_let_go(map->node);
    } else {
        free(map->address);
    }
    *map = current->maps.items[--current->maps.count];
    return (int)end(0);
}

/* ---- locks ---- */

static int do_lock(int fd)
{
    BEGIN(SIM_LOCK);
    sim_node *node = fd_of(fd)->node;
    if (current->locks == SIM_LOCKS_NEVER) return (int)end(-EAGAIN);
    if (current->locks == SIM_LOCKS_UNKNOWN) return (int)end(-ENOLCK);
    if (current->locks == SIM_LOCKS_WORK && node->lock_fd && node->lock_fd != (uint64_t)fd) return (int)end(-EAGAIN);
    node->lock_fd = (uint64_t)fd;
    return (int)end(0);
}

static int do_unlock(int fd)
{
    pthread_mutex_lock(&current->lock);
    note_site(SITE);
    sim_node *node = fd_of(fd)->node;
    if (node->lock_fd == (uint64_t)fd) node->lock_fd = 0;
    return (int)end(0);
}

static sl_os_lock_state do_probe(int fd)
{
    pthread_mutex_lock(&current->lock);
    note_site(SITE);
    const sim_node *node = fd_of(fd)->node;
    int is_held = node->lock_fd && node->lock_fd != (uint64_t)fd;
    if (current->locks == SIM_LOCKS_ALWAYS) is_held = 0;
    if (current->locks == SIM_LOCKS_NEVER) is_held = 1;
    int is_known = current->locks != SIM_LOCKS_UNKNOWN;
    end(0);
    return !is_known ? SL_OS_LOCK_UNKNOWN : is_held ? SL_OS_LOCK_HELD : SL_OS_LOCK_FREE;
}

/* ---- the machine ---- */

static int64_t do_wall_time(void)
{
    pthread_mutex_lock(&current->lock);
    int64_t now = current->wall_ns += 1000;
    pthread_mutex_unlock(&current->lock);
    return now;
}

static int64_t do_monotonic_time(void)
{
    pthread_mutex_lock(&current->lock);
    int64_t now = current->monotonic_ns += 1000;
    pthread_mutex_unlock(&current->lock);
    return now;
}

static int do_random(void *buffer, size_t bytes)
{
    BEGIN(SIM_MACHINE);
    for (size_t i = 0; i < bytes; i++) ((uint8_t *)buffer)[i] = (uint8_t)(sim_next_random(current) >> 24);
    return (int)end(0);
}

static int do_host_name(char *buffer, size_t bytes)
{
    BEGIN(SIM_MACHINE);
    snprintf(buffer, bytes, "host%u", (unsigned)current->host);
    return (int)end(0);
}

static int do_host_id(uint8_t out[16])
{
    BEGIN(SIM_MACHINE);
    memset(out, 0x40, 16);
    memcpy(out, &current->host, sizeof current->host);
    return (int)end(0);
}

static int do_boot_id(uint8_t out[16])
{
    BEGIN(SIM_MACHINE);
    memset(out, current->boot ? 0x50 : 0, 16);
    memcpy(out, &current->boot, sizeof current->boot);
    return (int)end(0);
}

static int64_t do_process_start_time(void) { return 1700000000000000000 + (int64_t)current->process * 1000000000; }

static uint32_t do_process_id(void) { return current->process; }

static void do_sleep(int64_t ns)
{
    pthread_mutex_lock(&current->lock);
    current->wall_ns += ns;
    current->monotonic_ns += ns;
    pthread_mutex_unlock(&current->lock);
}

static void do_lower_priority(void) {}

static const sl_os_table table = {
    .open_dir = do_open_dir,
    .open = do_open,
    .close = do_close,
    .pread = do_pread,
    .pwrite = do_pwrite,
    .stat = do_stat,
    .stat_name = do_stat_name,
    .allocate = do_allocate,
    .truncate = do_truncate,
    .touch = do_touch,
    .sync_data = do_sync_data,
    .sync_all = do_sync,
    .sync_file_system = do_sync_file_system,
    .rename = do_rename,
    .unlink = do_unlink,
    .make_dir = do_make_dir,
    .list = do_list,
    .file_system = do_file_system,
    .map = do_map,
    .unmap = do_unmap,
    .read_map = do_read_map,
    .sync_map = do_sync_map,
    .wipe_on_fork_page = do_wipe_on_fork_page,
    .lock = do_lock,
    .unlock = do_unlock,
    .probe = do_probe,
    .wall_time_ns = do_wall_time,
    .monotonic_time_ns = do_monotonic_time,
    .random = do_random,
    .host_name = do_host_name,
    .host_id = do_host_id,
    .boot_id = do_boot_id,
    .process_start_time_ns = do_process_start_time,
    .process_id = do_process_id,
    .sleep_ns = do_sleep,
    .lower_priority = do_lower_priority,
};

void sim_use(sim *machine)
{
    current = machine;
    sl_os = machine ? &table : &sl_os_posix;
}

void sim_leave(const sim *machine)
{
    if (current == machine) sim_use(NULL);
}
