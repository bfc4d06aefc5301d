/* support/sim_os.h: a machine in memory behind the os table: files, directories, descriptors, locks, mappings, clock
 * and identity, all deterministic. Calls fail when a test says so, space runs out, processes are killed, and the power
 * is cut: what a disk may hold then is built from what was not synced.
 *
 * One machine is in use at a time; a test of one thread may switch between several. Descriptors begin at
 * SIM_FIRST_FD, so that one taken for another machine's or the real one's fails. Paths begin at the root, with or
 * without a slash; there are no links. */
#ifndef TESTS_SUPPORT_SIM_OS_H
#define TESTS_SUPPORT_SIM_OS_H

#include <stddef.h>
#include <stdint.h>

enum { SIM_FIRST_FD = 1000, SIM_PAGE_BYTES = 4096 };

typedef struct sim sim;

sim *sim_new(uint64_t seed);
void sim_free(sim *machine); /* NULL is fine; the machine in use is left first */

/* Puts this machine behind the os table; NULL: the real one. While no store is open but those of that machine. */
void sim_use(sim *machine);

/* A copy as after the end of every process: the files as they are, no descriptors, locks or mappings, same boot. */
sim *sim_after_kill(const sim *machine);

/* ---- faults ---- */

enum {
    SIM_OPEN = 1,     /* open_dir, open */
    SIM_CREATE = 2,   /* open that creates, make_dir */
    SIM_READ = 4,     /* pread */
    SIM_STAT = 8,     /* stat, stat_name, file_system */
    SIM_LIST = 16,
    SIM_WRITE = 32,   /* pwrite */
    SIM_SPACE = 64,   /* allocate, truncate */
    SIM_TOUCH = 128,
    SIM_SYNC = 256,   /* sync_data, sync_all, sync_file_system, sync_map */
    SIM_RENAME = 512,
    SIM_UNLINK = 1024,
    SIM_MAP = 2048,   /* map, wipe_on_fork_page */
    SIM_LOCK = 4096,
    SIM_MACHINE = 8192, /* random, host_name, host_id, boot_id */
    SIM_ALL = 16383
};

enum { SIM_SHORT = -1 }; /* instead of an errno: a read or write that does half; other calls: EIO */

typedef struct sim_fault {
    uint32_t kinds;  /* which calls count */
    uint64_t at;     /* of them, 1 is the next one; 0: none fails */
    int os_errno;
    int is_sticky;   /* and all calls of these kinds after it */
    int is_done;     /* the call does its work and fails nevertheless (not: reads, opens) */
} sim_fault;

/* Two at most; each counts from now on. NULL, 0: none. */
void sim_set_faults(sim *machine, const sim_fault *faults, size_t count);

/* Calls since sim_set_faults(), of any kind; how many of them failed on demand; the kind of the last that did. */
uint64_t sim_call_count(const sim *machine);
uint64_t sim_fault_count(const sim *machine);
uint32_t sim_fault_kind(const sim *machine);

/* The kind of each call is noted from now on: kinds[n] is that of call n+1. For sweeps. */
void sim_note_kinds(sim *machine, uint16_t *kinds, size_t capacity);

/* Every call of the library gives EIO from now on and changes nothing: what is left of a killed process can be freed
 * with the library's own calls. */
void sim_stop(sim *machine);

/* The process is killed, on the machine as it is: between these two the library may free what it has; calls fail and
 * stores into mappings are taken back. */
void sim_kill_begin(sim *machine);
void sim_kill_end(sim *machine);
/* As sim_kill_begin(), at the call number that of these kinds, 1 is the next. */
void sim_stop_at(sim *machine, uint32_t kinds, uint64_t call);
int sim_is_stopped(const sim *machine);

/* Where in the code the table was called from; by return address. */
size_t sim_sites(const void **out, size_t capacity);

/* ---- space ---- */

/* Bytes of files that may be allocated, of which so many are in use; writes beyond are cut short, then ENOSPC. In
 * units of unit bytes (1 or SIM_PAGE_BYTES). UINT64_MAX: no limit. */
void sim_set_budget(sim *machine, uint64_t bytes, uint64_t unit);
uint64_t sim_used_bytes(const sim *machine);

/* Stores into mapped pages that were never allocated: on a full disk each is a SIGBUS. */
uint64_t sim_hole_store_count(const sim *machine);

/* ---- time, identity ---- */

void sim_move_clock(sim *machine, int64_t ns);        /* the wall clock, forward or back */
void sim_set_process(sim *machine, uint32_t process); /* who calls from now on */
void sim_set_boot(sim *machine, uint64_t boot); /* 0: the machine does not know */
void sim_set_host(sim *machine, uint64_t host);
void sim_set_file_system(sim *machine, int is_mappable, int is_local);
enum { SIM_LOCKS_WORK = 0, SIM_LOCKS_ALWAYS = 1, SIM_LOCKS_NEVER = 2, SIM_LOCKS_UNKNOWN = 3 };
void sim_set_locks(sim *machine, int behaviour);

/* ---- files, from outside ---- */

/* The content of a file, lent until it changes; NULL when there is none. */
const uint8_t *sim_file(const sim *machine, const char *path, uint64_t *bytes);
/* Makes or replaces a file, with its directories. For what tests do behind the library's back. */
void sim_put_file(sim *machine, const char *path, const void *data, uint64_t bytes);
int sim_remove_file(sim *machine, const char *path); /* 0 when there was none */
/* Calls back for every file, in the order of their paths. */
void sim_each_file(const sim *machine, void (*callback)(void *context, const char *path, const uint8_t *data,
                                                         uint64_t bytes), void *context);
/* A hash of all paths and contents. */
uint64_t sim_hash(const sim *machine);
/* Copies a directory of the real machine, for looking at it with the tool. */
void sim_save(const sim *machine, const char *real_directory);

/* ---- power cuts ---- */

/* From now on what is not synced is remembered, page by page and name by name; what is there now is on the disk. */
void sim_trace(sim *machine);

/* A moment at which the power may be cut, beside those before and after each call. */
void sim_point(sim *machine);
/* Points passed since sim_trace(). */
uint64_t sim_point_count(const sim *machine);

typedef struct sim_crash sim_crash;

/* At that point (1 is the first) what may be on the disk is kept, for sim_take_crash(), and callback is called: to
 * note what had been acknowledged by then. Before sim_trace() or after it. */
void sim_crash_at(sim *machine, uint64_t point, void (*callback)(void *context), void *context);
sim_crash *sim_take_crash(sim *machine); /* NULL: the point was not reached */
void sim_crash_free(sim_crash *crash);

/* A number below count, from whoever decides: a seed, or an enumeration of all choices. newest is the choice that keeps
 * what the machine had, 0 the one that loses all that can be lost. */
typedef uint32_t (*sim_chooser)(void *context, uint32_t count, uint32_t newest);

/* A machine that finds on its disk what the choices left: of every file any page old, new, torn or one in between
 * (is_mixed: or its sectors each from any of these, too many to enumerate), of every directory any part of its
 * changes. It is another boot. */
sim *sim_crash_state(const sim_crash *crash, int is_mixed, sim_chooser choose, void *context);

/* Operations that are not durable at the crash: names that changed and pages that are dirty. */
size_t sim_crash_operations(const sim_crash *crash);

/* ---- syncs that fail ---- */

enum {
    SIM_SYNC_PLAIN = 0,       /* a failed sync leaves the pages dirty */
    SIM_SYNC_CLEAN_NEW = 1,   /* ext4, XFS: pages are clean, keep their content, and are never written again */
    SIM_SYNC_CLEAN_OLD = 2,   /* Btrfs: pages are clean and read from the disk again */
    SIM_SYNC_LATE = 3,        /* journalled data: the sync that lost pages succeeds, the next one tells */
};
/* What a sync that fails by sim_set_faults() does to its pages. Needs sim_trace(). */
void sim_set_failed_sync(sim *machine, int behaviour);

#endif
