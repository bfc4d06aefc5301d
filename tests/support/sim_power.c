/* support/sim_power.c: what a disk holds when the power is cut.
 *
 * The model is weaker than any real file system (after Pillai et al., "All File Systems Are Not Created Equal", 2014):
 * what was not synced may be there or not, in any order. Of a file: each page as it was when last synced, as it was at
 * any point since, zero if it is beyond what was synced, or torn between two of these, at bytes or at sectors; the
 * length any that it had since. Of a directory: any part of its changes since it was synced; a rename is two changes. */
#include "support/sim_internal.h"

#include <string.h>

/* ---- what is dirty ---- */

static void each_node(sim_node *directory, void (*callback)(sim *m, sim_node *node), sim *m)
{
    callback(m, directory);
    for (size_t i = 0; i < directory->entries.count; i++) {
        sim_node *node = directory->entries.items[i].node;
        if (node->is_directory) each_node(node, callback, m);
        else callback(m, node);
    }
}

/* Notes what changed in a file since it was looked at. */
static void look_at(sim *m, sim_node *node)
{
    if (!node->seen) {
        node->seen = calloc((size_t)(node->capacity ? node->capacity : 1), 1);
        node->durable = calloc((size_t)(node->capacity ? node->capacity : 1), 1);
        if (!node->seen || !node->durable) sim_broken("no memory for the test itself");
    }
    if (node->seen_bytes != node->bytes) {
        SIM_PUSH(&node->sizes, node->bytes);
        node->seen_bytes = node->bytes;
    }
    for (uint64_t page = 0; page < node->capacity / SIM_PAGE_BYTES; page++) {
        uint8_t *now = node->data + page * SIM_PAGE_BYTES, *before = node->seen + page * SIM_PAGE_BYTES;
        if (memcmp(now, before, SIM_PAGE_BYTES) == 0) continue;
        if (!node->is_allocated[page]) m->hole_stores++;
        sim_version *version = malloc(sizeof *version);
        if (!version) sim_broken("no memory for the test itself");
        version->references = 1;
        version->page = (uint32_t)page;
        memcpy(version->bytes, now, SIM_PAGE_BYTES);
        memcpy(before, now, SIM_PAGE_BYTES);
        SIM_PUSH(&node->versions, version);
    }
    node->is_changed = 0;
}

static void look_if_due(sim *m, sim_node *node)
{
    if (!node->is_directory && (node->maps || node->is_changed)) look_at(m, node);
}

/* Files that lost their names are still written by who has them open. */
static void look_at_all(sim *m)
{
    for (size_t i = 0; i < m->fds.count; i++)
        if (m->fds.items[i].node) look_if_due(m, m->fds.items[i].node);
    for (size_t i = 0; i < m->maps.count; i++)
        if (m->maps.items[i].node) look_if_due(m, m->maps.items[i].node);
}

static void count_hole_stores(sim *m, sim_node *node)
{
    for (uint64_t page = 0; page < node->capacity / SIM_PAGE_BYTES; page++) {
        if (node->is_allocated[page]) continue;
        static const uint8_t zeroes[SIM_PAGE_BYTES];
        if (memcmp(node->data + page * SIM_PAGE_BYTES, zeroes, SIM_PAGE_BYTES) == 0) continue;
        m->hole_stores++;
        node->is_allocated[page] = 1;
    }
}

static sim_crash *take_crash(sim *m);

void sim_pass_point(sim *m)
{
    if (m->is_stopped || (!m->is_traced && m->budget == UINT64_MAX)) return;
    if (m->budget != UINT64_MAX)
        for (size_t i = 0; i < m->maps.count; i++)
            if (m->maps.items[i].node) count_hole_stores(m, m->maps.items[i].node);
    if (!m->is_traced) return;
    look_at_all(m);
    if (++m->points != m->crash_at) return;
    sim_crash_free(m->crash);
    m->crash = take_crash(m);
    if (m->on_crash) m->on_crash(m->on_crash_context);
}

void sim_point(sim *m)
{
    pthread_mutex_lock(&m->lock);
    sim_pass_point(m);
    pthread_mutex_unlock(&m->lock);
}

uint64_t sim_point_count(const sim *m) { return m->points; }

/* ---- syncing ---- */

static void drop_versions(sim_node *node, uint64_t from, uint64_t end)
{
    size_t kept = 0;
    for (size_t i = 0; i < node->versions.count; i++) {
        sim_version *v = node->versions.items[i];
        uint64_t at = (uint64_t)v->page * SIM_PAGE_BYTES;
        if (at >= from && at < end) {
            if (--v->references == 0) free(v);
        } else {
            node->versions.items[kept++] = v;
        }
    }
    node->versions.count = kept;
}

/* Pages that a failed sync left clean with new content are not written by the next one: only those with versions are. */
void sim_make_durable_part(sim_node *node, uint64_t from, uint64_t bytes)
{
    if (node->is_directory) {
        for (size_t i = 0; i < node->durable_entries.count; i++) {
            free(node->durable_entries.items[i].name);
            sim_let_go(node->durable_entries.items[i].node);
        }
        node->durable_entries.count = 0;
        for (size_t i = 0; i < node->entries.count; i++)
            SIM_PUSH(&node->durable_entries,
                     (sim_entry){strdup(node->entries.items[i].name), sim_hold(node->entries.items[i].node)});
        for (size_t i = 0; i < node->changes.count; i++) {
            free(node->changes.items[i].name);
            sim_let_go(node->changes.items[i].node);
        }
        node->changes.count = 0;
        return;
    }
    if (!node->seen) return;
    uint64_t end = bytes > node->capacity - from ? node->capacity : from + bytes;
    for (size_t i = 0; i < node->versions.count; i++) {
        const sim_version *v = node->versions.items[i];
        uint64_t at = (uint64_t)v->page * SIM_PAGE_BYTES;
        if (at >= from && at < end) memcpy(node->durable + at, v->bytes, SIM_PAGE_BYTES); /* the last one stays */
    }
    drop_versions(node, from, end);
    node->durable_bytes = node->bytes; /* needed to find the data again, so it is synced with any of it */
    node->sizes.count = 0;
}

void sim_fail_sync(sim *m, sim_node *node, uint64_t from, uint64_t bytes)
{
    if (!m->is_traced || node->is_directory || !node->seen || m->failed_sync == SIM_SYNC_PLAIN) return;
    uint64_t end = bytes > node->capacity - from ? node->capacity : from + bytes;
    if (m->failed_sync == SIM_SYNC_CLEAN_OLD)
        for (size_t i = 0; i < node->versions.count; i++) {
            uint64_t at = (uint64_t)node->versions.items[i]->page * SIM_PAGE_BYTES;
            if (at < from || at >= end) continue;
            memcpy(node->data + at, node->durable + at, SIM_PAGE_BYTES);
            memcpy(node->seen + at, node->durable + at, SIM_PAGE_BYTES);
        }
    drop_versions(node, from, end);
}

static void settle(sim *m, sim_node *node)
{
    if (!node->is_directory) {
        look_at(m, node);
        if (node->capacity) memcpy(node->durable, node->data, (size_t)node->capacity);
        node->durable_bytes = node->bytes;
        drop_versions(node, 0, UINT64_MAX);
        node->sizes.count = 0;
    } else {
        sim_make_durable_part(node, 0, UINT64_MAX);
    }
}

void sim_trace(sim *m)
{
    m->is_traced = 1;
    m->points = 0;
    each_node(m->root, settle, m);
    for (size_t i = 0; i < m->fds.count; i++)
        if (m->fds.items[i].node && !m->fds.items[i].node->is_directory) settle(m, m->fds.items[i].node);
}

void sim_set_failed_sync(sim *m, int behaviour) { m->failed_sync = behaviour; }

void sim_crash_at(sim *m, uint64_t point, void (*callback)(void *context), void *context)
{
    m->crash_at = point;
    m->on_crash = callback;
    m->on_crash_context = context;
}

/* ---- a crash ---- */

typedef struct kept_file {
    uint64_t number;
    uint8_t *durable;
    uint64_t durable_bytes, bytes_max;
    SIM_VEC(sim_version *) versions; /* by page, in the order of time */
    SIM_VEC(uint64_t) sizes;
} kept_file;

typedef struct kept_name {
    int is_removal;
    char *name;
    size_t node; /* its place in the list */
} kept_name;

typedef struct kept_node {
    const sim_node *origin; /* only while it is taken */
    int is_directory;
    kept_file file;
    SIM_VEC(kept_name) durable;
    SIM_VEC(kept_name) changes;
} kept_node;

struct sim_crash {
    SIM_VEC(kept_node) nodes; /* 0 is the root */
    sim settings;             /* identity and time only */
};

static size_t keep_node(sim_crash *c, sim_node *node)
{
    for (size_t i = 0; i < c->nodes.count; i++)
        if (c->nodes.items[i].origin == node) return i;
    size_t place = c->nodes.count;
    SIM_PUSH(&c->nodes, (kept_node){.origin = node, .is_directory = node->is_directory});
    if (!node->is_directory) {
        kept_file file = {.number = node->number, .durable_bytes = node->durable_bytes, .bytes_max = node->durable_bytes};
        for (size_t i = 0; i < node->sizes.count; i++) {
            SIM_PUSH(&file.sizes, node->sizes.items[i]);
            if (node->sizes.items[i] > file.bytes_max) file.bytes_max = node->sizes.items[i];
        }
        if (file.durable_bytes) {
            file.durable = malloc((size_t)file.durable_bytes);
            memcpy(file.durable, node->durable, (size_t)file.durable_bytes);
        }
        /* A stable order by page: a counting pass for each page would do, but there are few. */
        for (uint64_t page = 0; node->versions.count && page < node->capacity / SIM_PAGE_BYTES; page++)
            for (size_t i = 0; i < node->versions.count; i++)
                if (node->versions.items[i]->page == page) {
                    node->versions.items[i]->references++;
                    SIM_PUSH(&file.versions, node->versions.items[i]);
                }
        c->nodes.items[place].file = file;
        return place;
    }
    for (size_t i = 0; i < node->durable_entries.count; i++) {
        size_t child = keep_node(c, node->durable_entries.items[i].node);
        kept_name name = {.name = strdup(node->durable_entries.items[i].name), .node = child};
        SIM_PUSH(&c->nodes.items[place].durable, name);
    }
    for (size_t i = 0; i < node->changes.count; i++) {
        size_t child = keep_node(c, node->changes.items[i].node);
        kept_name name = {node->changes.items[i].is_removal, strdup(node->changes.items[i].name), child};
        SIM_PUSH(&c->nodes.items[place].changes, name);
    }
    return place;
}

static sim_crash *take_crash(sim *m)
{
    sim_crash *c = calloc(1, sizeof *c);
    if (!c) sim_broken("no memory for the test itself");
    c->settings = (sim){.random_state = m->random_state,
                        .wall_ns = m->wall_ns,
                        .process = m->process,
                        .boot = m->boot,
                        .host = m->host,
                        .is_mappable = m->is_mappable,
                        .is_local = m->is_local,
                        .locks = m->locks,
                        .next_number = m->next_number};
    keep_node(c, m->root);
    return c;
}

sim_crash *sim_take_crash(sim *m)
{
    sim_crash *c = m->crash;
    m->crash = NULL;
    return c;
}

void sim_crash_free(sim_crash *c)
{
    if (!c) return;
    for (size_t i = 0; i < c->nodes.count; i++) {
        kept_node *node = &c->nodes.items[i];
        free(node->file.durable);
        for (size_t v = 0; v < node->file.versions.count; v++)
            if (--node->file.versions.items[v]->references == 0) free(node->file.versions.items[v]);
        SIM_CLEAR(&node->file.versions);
        SIM_CLEAR(&node->file.sizes);
        for (size_t n = 0; n < node->durable.count; n++) free(node->durable.items[n].name);
        for (size_t n = 0; n < node->changes.count; n++) free(node->changes.items[n].name);
        SIM_CLEAR(&node->durable);
        SIM_CLEAR(&node->changes);
    }
    SIM_CLEAR(&c->nodes);
    free(c);
}

size_t sim_crash_operations(const sim_crash *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->nodes.count; i++) {
        const kept_node *node = &c->nodes.items[i];
        count += node->changes.count;
        for (size_t v = 0; v < node->file.versions.count; v++)
            count += v == 0 || node->file.versions.items[v]->page != node->file.versions.items[v - 1]->page;
    }
    return count;
}

/* ---- what is on the disk ---- */

/* Where two contents of a page can be told apart at a cut: begin, middle and end of what differs, and a sector. */
static size_t cuts_between(const uint8_t *old, const uint8_t *new, uint32_t cuts[6])
{
    uint32_t first = 0, last = SIM_PAGE_BYTES;
    while (first < SIM_PAGE_BYTES && old[first] == new[first]) first++;
    if (first == SIM_PAGE_BYTES) return 0;
    while (old[last - 1] == new[last - 1]) last--;
    size_t count = 0;
    uint32_t sector = (first / 512 + 1) * 512;
    uint32_t candidates[6] = {first + 1, first + 8, (first + last) / 2, last - 1, sector, (last - 1) / 512 * 512};
    for (size_t i = 0; i < 6; i++) {
        size_t known = 0;
        if (candidates[i] <= first || candidates[i] >= last) continue;
        while (known < count && cuts[known] != candidates[i]) known++;
        if (known == count) cuts[count++] = candidates[i];
    }
    return count;
}

typedef struct choices {
    sim_chooser choose;
    void *context;
    int is_mixed;
} choices;

static uint32_t choose(const choices *by, size_t count, size_t newest)
{
    return by->choose(by->context, (uint32_t)count, (uint32_t)newest);
}

/* page holds what is durable of it; versions [from, end) came since. */
static void choose_page(const kept_file *file, size_t from, size_t end, uint8_t *page, const choices *by)
{
    size_t count = end - from;
    const uint8_t *after, *before;
    uint8_t old[SIM_PAGE_BYTES];
    memcpy(old, page, SIM_PAGE_BYTES);
    /* 0: old. 1 to count: a version. Then once for each version: torn between the one before and it. Then mixed. */
    uint32_t chosen = choose(by, 2 * count + 1 + (by->is_mixed ? 1 : 0), count);
    if (chosen == 0) return;
    if (chosen <= count) {
        memcpy(page, file->versions.items[from + chosen - 1]->bytes, SIM_PAGE_BYTES);
        return;
    }
    if (chosen == 2 * count + 1) {
        for (size_t at = 0; at < SIM_PAGE_BYTES; at += 512) {
            uint32_t sector = choose(by, count + 1, count);
            if (sector) memcpy(page + at, file->versions.items[from + sector - 1]->bytes + at, 512);
        }
        return;
    }
    size_t v = chosen - count - 1;
    before = v ? file->versions.items[from + v - 1]->bytes : old;
    after = file->versions.items[from + v]->bytes;
    uint32_t cuts[6];
    size_t cut_count = cuts_between(before, after, cuts);
    memcpy(page, after, SIM_PAGE_BYTES);
    if (cut_count == 0) return;
    uint32_t how = choose(by, 2 * cut_count, 0), cut = cuts[how / 2];
    if (how % 2)
        memcpy(page, before, cut);
    else
        memcpy(page + cut, before + cut, SIM_PAGE_BYTES - cut);
}

static void choose_file(sim_node *node, const kept_file *file, const choices *by)
{
    uint64_t bytes = file->durable_bytes;
    if (file->sizes.count) {
        uint32_t chosen = choose(by, file->sizes.count + 1, file->sizes.count);
        if (chosen) bytes = file->sizes.items[chosen - 1];
    }
    sim_grow(node, file->bytes_max ? file->bytes_max : 1);
    if (file->durable_bytes) memcpy(node->data, file->durable, (size_t)file->durable_bytes);
    for (size_t from = 0; from < file->versions.count;) {
        size_t end = from;
        uint32_t page = file->versions.items[from]->page;
        while (end < file->versions.count && file->versions.items[end]->page == page) end++;
        uint64_t at = (uint64_t)page * SIM_PAGE_BYTES;
        if (at < node->capacity)
            choose_page(file, from, end, node->data + at, by);
        from = end;
    }
    node->bytes = bytes < file->bytes_max ? bytes : file->bytes_max;
    if (node->bytes < node->capacity) memset(node->data + node->bytes, 0, (size_t)(node->capacity - node->bytes));
    memset(node->is_allocated, 1, (size_t)(node->capacity / SIM_PAGE_BYTES));
}

/* A node is on the disk once, whatever names it has there: built when its first name is. */
static sim_node *build(sim *m, const sim_crash *c, size_t place, sim_node **built, const choices *by)
{
    if (built[place]) return built[place];
    const kept_node *kept = &c->nodes.items[place];
    sim_node *node = sim_node_new(m, kept->is_directory);
    built[place] = sim_hold(node);
    if (!kept->is_directory) {
        node->number = kept->file.number;
        choose_file(node, &kept->file, by);
        return node;
    }
    for (size_t i = 0; i < kept->durable.count; i++)
        sim_add_entry(m, node, kept->durable.items[i].name, build(m, c, kept->durable.items[i].node, built, by));
    for (size_t i = 0; i < kept->changes.count; i++) {
        const kept_name *change = &kept->changes.items[i];
        if (!choose(by, 2, 1)) continue;
        sim_entry *entry = sim_find_entry(node, change->name);
        if (change->is_removal && entry) sim_remove_entry(m, node, entry);
        if (change->is_removal || entry) continue;
        sim_add_entry(m, node, change->name, build(m, c, change->node, built, by));
    }
    return node;
}

sim *sim_crash_state(const sim_crash *c, int is_mixed, sim_chooser chooser, void *context)
{
    choices by = {chooser, context, is_mixed};
    sim *m = sim_new((c->settings.random_state + c->settings.boot) * 0x9e3779b97f4a7c15u); /* never twice the same */
    m->wall_ns = c->settings.wall_ns + 60000000000;
    m->process = c->settings.process + 1000;
    m->boot = c->settings.boot + 1;
    m->host = c->settings.host;
    m->is_mappable = c->settings.is_mappable;
    m->is_local = c->settings.is_local;
    m->locks = c->settings.locks;
    m->next_number = c->settings.next_number + 100000;
    sim_node **built = calloc(c->nodes.count, sizeof(sim_node *));
    sim_let_go(m->root);
    /* A node whose last name is taken away while others are chosen must not be freed: all are held until the end. */
    m->root = sim_hold(build(m, c, 0, built, &by));
    for (size_t i = 0; i < c->nodes.count; i++)
        if (built[i]) sim_let_go(built[i]);
    free(built);
    return m;
}
