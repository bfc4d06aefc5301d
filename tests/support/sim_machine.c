/* support/sim_machine.c: what the machine in memory is made of, and what tests do to it from outside. */
#include "support/sim_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void sim_broken(const char *what)
{
    fprintf(stderr, "sim: %s\n", what);
    abort();
}

void *sim_resize(void *old, size_t bytes)
{
    void *fresh = realloc(old, bytes);
    if (!fresh) sim_broken("no memory for the test itself");
    return fresh;
}

/* ---- nodes ---- */

sim_node *sim_node_new(sim *m, int is_directory)
{
    sim_node *node = calloc(1, sizeof *node);
    if (!node) sim_broken("no memory for the test itself");
    node->machine = m;
    node->number = ++m->next_number;
    node->is_directory = is_directory;
    node->modified_ns = m->wall_ns;
    return node;
}

sim_node *sim_hold(sim_node *node)
{
    node->references++;
    return node;
}

static void free_changes(sim_node *node)
{
    for (size_t i = 0; i < node->changes.count; i++) {
        free(node->changes.items[i].name);
        sim_let_go(node->changes.items[i].node);
    }
    SIM_CLEAR(&node->changes);
}

void sim_clear_entries(sim_node *directory)
{
    for (size_t i = 0; i < directory->entries.count; i++) {
        free(directory->entries.items[i].name);
        sim_let_go(directory->entries.items[i].node);
    }
    SIM_CLEAR(&directory->entries);
}

void sim_forget_trace(sim_node *node)
{
    for (size_t i = 0; i < node->versions.count; i++)
        if (--node->versions.items[i]->references == 0) free(node->versions.items[i]);
    SIM_CLEAR(&node->versions);
    SIM_CLEAR(&node->sizes);
    free(node->durable);
    free(node->seen);
    node->durable = node->seen = NULL;
    for (size_t i = 0; i < node->durable_entries.count; i++) {
        free(node->durable_entries.items[i].name);
        sim_let_go(node->durable_entries.items[i].node);
    }
    SIM_CLEAR(&node->durable_entries);
    free_changes(node);
}

void sim_let_go(sim_node *node)
{
    if (--node->references > 0) return;
    sim *m = node->machine;
    if (m->unit == 1) m->used -= node->paid < m->used ? node->paid : m->used;
    else
        for (uint64_t i = 0; i < node->capacity / SIM_PAGE_BYTES; i++)
            if (node->is_allocated[i] && m->used >= SIM_PAGE_BYTES) m->used -= SIM_PAGE_BYTES;
    sim_forget_trace(node);
    sim_clear_entries(node);
    free(node->data);
    free(node->is_allocated);
    free(node);
}

void sim_grow(sim_node *node, uint64_t capacity)
{
    capacity = (capacity + SIM_PAGE_BYTES - 1) / SIM_PAGE_BYTES * SIM_PAGE_BYTES;
    if (capacity <= node->capacity) return;
    if (capacity < 2 * node->capacity) capacity = 2 * node->capacity; /* files grow by pieces */
    uint8_t *data = aligned_alloc(SIM_PAGE_BYTES, (size_t)capacity);
    uint8_t *is_allocated = calloc((size_t)(capacity / SIM_PAGE_BYTES), 1);
    if (!data || !is_allocated) sim_broken("no memory for the test itself");
    if (node->maps) sim_broken("a mapped file grows");
    if (node->bytes) memcpy(data, node->data, (size_t)node->bytes);
    memset(data + node->bytes, 0, (size_t)(capacity - node->bytes));
    if (node->capacity) memcpy(is_allocated, node->is_allocated, (size_t)(node->capacity / SIM_PAGE_BYTES));
    free(node->data);
    free(node->is_allocated);
    node->data = data;
    node->is_allocated = is_allocated;
    uint8_t **images[2] = {&node->durable, &node->seen};
    for (int i = 0; i < 2; i++) {
        if (!*images[i]) continue;
        *images[i] = sim_resize(*images[i], (size_t)capacity);
        memset(*images[i] + node->capacity, 0, (size_t)(capacity - node->capacity));
    }
    node->capacity = capacity;
}

sim_entry *sim_find_entry(const sim_node *directory, const char *name)
{
    for (size_t i = 0; i < directory->entries.count; i++)
        if (strcmp(directory->entries.items[i].name, name) == 0) return &directory->entries.items[i];
    return NULL;
}

static void note_change(sim *m, sim_node *directory, const char *name, sim_node *node, int is_removal)
{
    if (!m->is_traced) return;
    SIM_PUSH(&directory->changes, (sim_change){is_removal, strdup(name), sim_hold(node)});
}

void sim_add_entry(sim *m, sim_node *directory, const char *name, sim_node *node)
{
    SIM_PUSH(&directory->entries, (sim_entry){strdup(name), sim_hold(node)});
    node->links++;
    note_change(m, directory, name, node, 0);
}

void sim_remove_entry(sim *m, sim_node *directory, sim_entry *entry)
{
    note_change(m, directory, entry->name, entry->node, 1);
    sim_entry gone = *entry;
    *entry = directory->entries.items[--directory->entries.count];
    free(gone.name);
    gone.node->links--;
    sim_let_go(gone.node);
}

/* ---- the machine ---- */

uint64_t sim_next_random(sim *m)
{
    uint64_t z = m->random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

sim *sim_new(uint64_t seed)
{
    sim *m = calloc(1, sizeof *m);
    if (!m) sim_broken("no memory for the test itself");
    pthread_mutex_init(&m->lock, NULL);
    m->random_state = seed;
    m->wall_ns = 1800000000000000000;
    m->monotonic_ns = 1000000000;
    m->process = 100;
    m->boot = m->host = 1;
    m->is_mappable = m->is_local = 1;
    m->budget = UINT64_MAX;
    m->unit = SIM_PAGE_BYTES;
    m->root = sim_hold(sim_node_new(m, 1));
    return m;
}

void sim_free(sim *m)
{
    if (!m) return;
    sim_leave(m);
    for (size_t i = 0; i < m->fds.count; i++)
        if (m->fds.items[i].node) sim_let_go(m->fds.items[i].node);
    SIM_CLEAR(&m->fds);
    for (size_t i = 0; i < m->maps.count; i++) {
        if (m->maps.items[i].node)
            sim_let_go(m->maps.items[i].node);
        else
            free(m->maps.items[i].address);
    }
    SIM_CLEAR(&m->maps);
    sim_crash_free(m->crash);
    sim_let_go(m->root);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static sim_node *copy_node(sim *m, const sim_node *from)
{
    sim_node *node = sim_node_new(m, from->is_directory);
    node->number = from->number;
    node->modified_ns = from->modified_ns;
    node->paid = from->paid;
    if (from->capacity) {
        sim_grow(node, from->bytes ? from->bytes : 1);
        memcpy(node->data, from->data, (size_t)from->bytes);
        node->bytes = from->bytes;
        memcpy(node->is_allocated, from->is_allocated, (size_t)(node->capacity / SIM_PAGE_BYTES));
    }
    for (size_t i = 0; i < from->entries.count; i++)
        sim_add_entry(m, node, from->entries.items[i].name, copy_node(m, from->entries.items[i].node));
    return node;
}

sim *sim_after_kill(const sim *machine)
{
    sim *m = sim_new(machine->random_state ^ 0x5bd1e995);
    m->wall_ns = machine->wall_ns;
    m->monotonic_ns = machine->monotonic_ns;
    m->process = machine->process + 1;
    m->boot = machine->boot;
    m->host = machine->host;
    m->is_mappable = machine->is_mappable;
    m->is_local = machine->is_local;
    m->locks = machine->locks;
    m->next_number = machine->next_number;
    sim_let_go(m->root);
    m->root = sim_hold(copy_node(m, machine->root));
    m->next_number = machine->next_number;
    m->budget = machine->budget;
    m->unit = machine->unit;
    m->used = machine->used;
    return m;
}

/* ---- faults, space, time, identity ---- */

void sim_set_faults(sim *m, const sim_fault *faults, size_t count)
{
    m->fault_total = count < 2 ? count : 2;
    for (size_t i = 0; i < m->fault_total; i++) m->faults[i] = faults[i];
    m->fault_counts[0] = m->fault_counts[1] = 0;
    m->calls = m->failed = 0;
    m->failed_kind = 0;
}

uint64_t sim_call_count(const sim *m) { return m->calls; }
uint64_t sim_fault_count(const sim *m) { return m->failed; }
uint32_t sim_fault_kind(const sim *m) { return m->failed_kind; }

void sim_note_kinds(sim *m, uint16_t *kinds, size_t capacity)
{
    m->kinds = kinds;
    m->kinds_capacity = capacity;
}

void sim_stop(sim *m) { m->is_stopped = 1; }

void sim_set_budget(sim *m, uint64_t bytes, uint64_t unit)
{
    m->budget = bytes;
    m->unit = unit;
}

uint64_t sim_used_bytes(const sim *m) { return m->used; }
uint64_t sim_hole_store_count(const sim *m) { return m->hole_stores; }
void sim_move_clock(sim *m, int64_t ns) { m->wall_ns += ns; }
void sim_set_process(sim *m, uint32_t process) { m->process = process; }
void sim_set_boot(sim *m, uint64_t boot) { m->boot = boot; }
void sim_set_host(sim *m, uint64_t host) { m->host = host; }

void sim_set_file_system(sim *m, int is_mappable, int is_local)
{
    m->is_mappable = is_mappable;
    m->is_local = is_local;
}

void sim_set_locks(sim *m, int behaviour) { m->locks = behaviour; }

void sim_stop_at(sim *m, uint32_t kinds, uint64_t call)
{
    m->stop_kinds = kinds;
    m->stop_at = call;
}

int sim_is_stopped(const sim *m) { return m->is_stopped; }

void sim_kill_begin(sim *m)
{
    if (m->is_stopped) return;
    m->is_stopped = 1;
    for (size_t i = 0; i < m->maps.count; i++) {
        sim_map *map = &m->maps.items[i];
        if (!map->node) continue;
        sim_saved saved = {sim_hold(map->node), malloc((size_t)map->node->capacity)};
        memcpy(saved.data, map->node->data, (size_t)map->node->capacity);
        SIM_PUSH(&m->saved, saved);
    }
}

void sim_kill_end(sim *m)
{
    for (size_t i = 0; i < m->saved.count; i++) {
        memcpy(m->saved.items[i].node->data, m->saved.items[i].data, (size_t)m->saved.items[i].node->capacity);
        free(m->saved.items[i].data);
        sim_let_go(m->saved.items[i].node);
    }
    SIM_CLEAR(&m->saved);
    m->is_stopped = 0;
    m->stop_at = 0;
    m->process++;
}

/* ---- files, from outside ---- */

/* Goes down; with is_making directories that are missing are made. The last part stays in leaf. */
static sim_node *walk(sim *m, const char *path, char leaf[256], int is_making)
{
    sim_node *at = m->root;
    while (*path == '/') path++;
    for (const char *slash; (slash = strchr(path, '/')) != NULL; path = slash + 1) {
        char part[256];
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        sim_entry *entry = sim_find_entry(at, part);
        if (!entry && !is_making) return NULL;
        if (!entry) {
            sim_node *node = sim_node_new(m, 1);
            sim_add_entry(m, at, part, node);
            at = node;
        } else {
            at = entry->node;
        }
    }
    snprintf(leaf, 256, "%s", path);
    return at;
}

const uint8_t *sim_file(const sim *m, const char *path, uint64_t *bytes)
{
    char leaf[256];
    const sim_node *directory = walk((sim *)(uintptr_t)m, path, leaf, 0);
    const sim_entry *entry = directory ? sim_find_entry(directory, leaf) : NULL;
    *bytes = 0;
    if (!entry || entry->node->is_directory) return NULL;
    *bytes = entry->node->bytes;
    return entry->node->data ? entry->node->data : (const uint8_t *)"";
}

void sim_put_file(sim *m, const char *path, const void *data, uint64_t bytes)
{
    char leaf[256];
    sim_remove_file(m, path);
    sim_node *directory = walk(m, path, leaf, 1), *node = sim_node_new(m, 0);
    sim_grow(node, bytes ? bytes : 1);
    if (bytes) memcpy(node->data, data, (size_t)bytes);
    node->bytes = bytes;
    memset(node->is_allocated, 1, (size_t)(node->capacity / SIM_PAGE_BYTES));
    sim_add_entry(m, directory, leaf, node);
}

int sim_remove_file(sim *m, const char *path)
{
    char leaf[256];
    sim_node *directory = walk(m, path, leaf, 0);
    sim_entry *entry = directory ? sim_find_entry(directory, leaf) : NULL;
    if (!entry) return 0;
    sim_remove_entry(m, directory, entry);
    return 1;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const sim_entry *)a)->name, ((const sim_entry *)b)->name);
}

typedef void each_file(void *context, const char *path, const uint8_t *data, uint64_t bytes);

static void visit(const sim_node *directory, const char *prefix, each_file *callback, void *context, int with_directories)
{
    size_t count = directory->entries.count;
    if (count == 0) return;
    sim_entry *sorted = malloc(count * sizeof *sorted);
    memcpy(sorted, directory->entries.items, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_entries);
    for (size_t i = 0; i < count; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "/" : "", sorted[i].name);
        const sim_node *node = sorted[i].node;
        if (!node->is_directory) callback(context, path, node->data ? node->data : (const uint8_t *)"", node->bytes);
        else if (with_directories) callback(context, path, NULL, 0);
        if (node->is_directory) visit(node, path, callback, context, with_directories);
    }
    free(sorted);
}

void sim_each_file(const sim *m, each_file *callback, void *context) { visit(m->root, "", callback, context, 0); }

static void hash_file(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    uint64_t *hash = context;
    for (const char *c = path; *c; c++) *hash = (*hash ^ (uint8_t)*c) * 0x100000001b3u;
    for (uint64_t i = 0; i < bytes; i++) *hash = (*hash ^ data[i]) * 0x100000001b3u;
    *hash = (*hash ^ bytes) * 0x100000001b3u;
}

uint64_t sim_hash(const sim *m)
{
    uint64_t hash = 0xcbf29ce484222325u;
    visit(m->root, "", hash_file, &hash, 1);
    return hash;
}

static void save_file(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    char real[2048];
    snprintf(real, sizeof real, "%s/%s", (const char *)context, path);
    if (!data) {
        mkdir(real, 0777);
        return;
    }
    FILE *out = fopen(real, "wb");
    if (!out) return;
    fwrite(data, 1, (size_t)bytes, out);
    fclose(out);
}

void sim_save(const sim *m, const char *real_directory)
{
    mkdir(real_directory, 0777);
    visit(m->root, "", save_file, (void *)(uintptr_t)real_directory, 1);
}
