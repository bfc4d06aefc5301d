/* support/sim_internal.h: what the machine in memory consists of. */
#ifndef TESTS_SUPPORT_SIM_INTERNAL_H
#define TESTS_SUPPORT_SIM_INTERNAL_H

#include "os/os.h"
#include "support/sim_os.h"

#include <pthread.h>
#include <stdlib.h>

/* A growing array; memory of tests does not run out. */
#define SIM_VEC(T)              \
    struct {                    \
        T *items;               \
        size_t count, capacity; \
    }
#define SIM_PUSH(vec, ...)                                                                          \
    do {                                                                                            \
        if ((vec)->count == (vec)->capacity) {                                                      \
            (vec)->capacity = (vec)->capacity ? (vec)->capacity * 2 : 8;                            \
            (vec)->items = sim_resize((vec)->items, (vec)->capacity * sizeof *(vec)->items);        \
        }                                                                                           \
        (vec)->items[(vec)->count++] = (__VA_ARGS__);                                               \
    } while (0)
#define SIM_CLEAR(vec) (free((vec)->items), (vec)->items = NULL, (vec)->count = (vec)->capacity = 0)

void *sim_resize(void *old, size_t bytes);
_Noreturn void sim_broken(const char *what);

/* What a page held at some time since it was last synced. */
typedef struct sim_version {
    uint32_t references;
    uint32_t page;
    uint8_t bytes[SIM_PAGE_BYTES];
} sim_version;

typedef struct sim_node sim_node;

typedef struct sim_entry {
    char *name;
    sim_node *node;
} sim_entry;

typedef struct sim_change { /* of a directory, not synced yet */
    int is_removal;
    char *name;
    sim_node *node;
} sim_change;

struct sim_node {
    sim *machine;
    uint64_t number;
    int is_directory;
    uint32_t links, opens, maps;
    uint32_t references; /* entries, changes, descriptors, maps: when none is left it is freed */
    uint64_t lock_fd;    /* 0: free */
    int64_t modified_ns;
    /* a file */
    uint8_t *data; /* page-aligned; zero from bytes to capacity */
    uint64_t bytes, capacity;
    uint8_t *is_allocated; /* a byte for each page of capacity */
    uint64_t paid;         /* with a budget by the byte: what it has paid for */
    /* a file that is traced */
    uint8_t *durable, *seen; /* on the disk; as it was looked at last; capacity bytes each, or NULL for none */
    uint64_t durable_bytes, seen_bytes;
    SIM_VEC(sim_version *) versions;
    SIM_VEC(uint64_t) sizes; /* since durable */
    int has_late_error, is_changed;
    /* a directory */
    SIM_VEC(sim_entry) entries;
    SIM_VEC(sim_entry) durable_entries;
    SIM_VEC(sim_change) changes;
};

typedef struct sim_fd {
    sim_node *node; /* NULL: free */
    int is_writable;
    uint32_t process;
} sim_fd;

typedef struct sim_map {
    sim_node *node; /* NULL: the page that a child sees wiped */
    uint8_t *address;
    uint64_t bytes;
} sim_map;

typedef struct sim_saved { /* of a mapped file when its process was killed */
    sim_node *node;
    uint8_t *data;
} sim_saved;

struct sim {
    pthread_mutex_t lock;
    uint64_t random_state, next_number;
    int64_t wall_ns, monotonic_ns;
    uint32_t process;
    uint64_t boot, host;
    int is_mappable, is_local, locks, is_stopped;
    sim_node *root;
    SIM_VEC(sim_fd) fds;
    SIM_VEC(sim_map) maps;
    SIM_VEC(sim_saved) saved;
    /* faults */
    sim_fault faults[2];
    uint64_t fault_counts[2];
    size_t fault_total;
    uint64_t calls, failed, stop_at;
    uint32_t stop_kinds;
    uint32_t failed_kind;
    uint16_t *kinds;
    size_t kinds_capacity;
    /* space */
    uint64_t budget, unit, used, hole_stores;
    /* power */
    int is_traced, failed_sync;
    uint64_t points, crash_at;
    void (*on_crash)(void *context);
    void *on_crash_context;
    sim_crash *crash;
};

sim_node *sim_node_new(sim *m, int is_directory);
sim_node *sim_hold(sim_node *node);
void sim_let_go(sim_node *node);
void sim_grow(sim_node *node, uint64_t capacity);
sim_entry *sim_find_entry(const sim_node *directory, const char *name);
void sim_add_entry(sim *m, sim_node *directory, const char *name, sim_node *node);
void sim_remove_entry(sim *m, sim_node *directory, sim_entry *entry);
void sim_clear_entries(sim_node *directory);
uint64_t sim_next_random(sim *m);

void sim_leave(const sim *machine); /* the real one is used again if this is in use */

/* sim_power.c: before and after every call. */
void sim_pass_point(sim *m);
void sim_make_durable_part(sim_node *node, uint64_t from, uint64_t bytes);
void sim_fail_sync(sim *m, sim_node *node, uint64_t from, uint64_t bytes); /* what a failed sync leaves */
void sim_forget_trace(sim_node *node);

#endif
