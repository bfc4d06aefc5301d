/* forks/forks.h: what the tests of forks, signals and good manners share.
 *
 * The program itself never opens a store. A case is one or more subjects: processes that do, and fork. What they and
 * their children say is in memory that all of them share, and a judge, a process of its own, reads the store when the
 * subject has ended. Every process that a case leaves behind comes back to the program, which looks at how it ended. */
#ifndef TESTS_FORKS_FORKS_H
#define TESTS_FORKS_FORKS_H

#include "steplog.h"

#include "os/os.h"
#include "support/random.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

/* An allocator whose locks a fork does not know can not be forked beside other threads. */
#ifdef __SANITIZE_ADDRESS__
enum { MAY_HAVE_THREADS = 0 };
#else
enum { MAY_HAVE_THREADS = 1 };
#endif

enum { COLUMNS = 10 /* so that by name is by number */, VALUE_SEED = 90, CHILDREN_MAX = 400, WRITERS_MAX = 8, CHILD_SOURCE = 1000, POINTS_MAX = 256 };

/* How a child ends. */
typedef enum ending {
    WAY_EXIT_NOW,     /* _exit() */
    WAY_EXIT,         /* exit(), as at the end of main() */
    WAY_QUICK_EXIT,   /* quick_exit() */
    WAY_THREAD_EXIT,  /* the end of its only thread */
    WAY_EXEC,         /* another program */
    WAY_KILL,         /* SIGKILL */
    WAY_ABORT,        /* SIGABRT */
    WAY_CLOSE,        /* closes what it inherited */
    WAY_APPEND,       /* appends with the inherited writer and closes nothing */
    WAY_APPEND_CLOSE, /* appends, syncs, records a fact, closes writer and store */
    WAY_NEW_WRITER,   /* opens a writer of its own, and forks a grandchild that appends with both */
    WAY_READ,         /* reads and compacts the store */
    WAY_LINGER,       /* lives until the judge is done */
    WAY_COUNT
} ending;
const char *way_name(ending way);

enum { CHILD_NONE, CHILD_BEGUN, CHILD_LINGERS, CHILD_DONE };

typedef struct child {
    atomic_int pid, state;
    int way;
    atomic_uint_fast64_t rows; /* acknowledged */
    int is_reaped;             /* by the subject, which looked at its status itself */
    char place[48];            /* where it was forked */
    char text[200];            /* what it found wrong; "" nothing */
} child;

/* Shared by all processes of a case. */
typedef struct shared {
    atomic_uint child_count, fork_count, call_count;
    atomic_uint_fast64_t rows[WRITERS_MAX]; /* acknowledged, of the subject's writers */
    atomic_int is_over, ready;
    atomic_uint_fast64_t signals, interrupted;
    uint8_t reached[64][2]; /* os calls: forked before, after */
    uint8_t point_reached[POINTS_MAX];
    atomic_uint_fast64_t passes[POINTS_MAX]; /* of each kill point */
    child children[CHILDREN_MAX];
} shared;

/* The process that has the store open. Its children inherit this. */
typedef struct subject {
    char path[512];
    uint32_t flags;
    steplog_store *store;
    steplog_writer *writer; /* for a child to go on with */
    steplog_schema schema;
    steplog_id incarnations[WRITERS_MAX]; /* of this process */
    uint32_t incarnation_count;
} subject;
extern subject self;
extern shared *all;

/* ---- subject.c ---- */

/* Makes the shared memory, once; empties it. */
void shared_reset(void);
/* A store with a log that a dead process left, in a directory of its own. */
void make_store(char path[512], uint32_t flags);
void subject_open(const char *path, uint32_t flags);
/* Opens writer number w of run "run", rank w. */
steplog_writer *subject_writer(uint32_t w, steplog_schema *schema);
/* Appends row of source, so that the judge will know it. */
void append_row_of(steplog_writer *writer, steplog_schema schema, uint64_t source, uint64_t row);
/* The same, acknowledged: a row of writer w of this process. */
void append_own(steplog_writer *writer, steplog_schema schema, uint32_t w);

/* Forks a child that ends in its own way, here and now. Returns in the parent only: the pid. exempt: a descriptor that
 * the call under way has just made, and that the library does not know yet, or -1. */
pid_t fork_child(ending way, const char *place, int exempt_fd);
/* Any of the first limit ways. */
ending random_way(uint64_t number, int limit);
/* Whether self has a descriptor or mapping of the store that can be written through; a child: of its parent. */
int find_inherited(char *text, size_t text_bytes, int is_any_writable);
/* In a new process: it begins without the hooks of its parent. */
extern void (*on_child)(void);

/* ---- judge.c ---- */

/* Runs body in a new process group and waits until it and all its children have ended, except those that linger. */
typedef struct verdict {
    uint64_t violations;
    int status; /* of the subject */
} verdict;
verdict run_subject(int (*body)(void *context), void *context, const char *what);
/* Everything is there once, nothing else; no log is held by anyone; then lets go those that linger. is_killed: the
 * subject did not end by itself, so each writer may have one more row than it acknowledged. */
enum { JUDGE_IS_KILLED = 1, JUDGE_NO_VERIFY = 2 };
uint64_t judge(const char *path, unsigned how, const char *what);
/* Ends those that linger, or hang, and looks at how every child ended. */
uint64_t reap_children(const char *what);
void complain(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- fork_os.c ---- */

/* AND_DIE: the process is killed as soon as the child runs; AT_OPEN_AND_DIE: only files opened for writing are counted,
 * and the process is killed some calls later, when it has locked what it opened. */
typedef enum fork_mode { FORK_IN_PLACE, FORK_BY_OTHER_THREAD, FORK_AND_DIE, FORK_AT_OPEN_AND_DIE } fork_mode;
/* From now on, until hook_off(), each call number n with n % stride == offset is forked at, before and after it. */
void hook_on(fork_mode mode, uint64_t stride, uint64_t offset, uint64_t seed);
/* The same, but kill points are forked at (attack builds): twice each, at passes that the seed chooses. */
void hook_points_on(fork_mode mode, uint64_t seed);
size_t hook_point_count(void);
const char *hook_point_name(size_t index);
void hook_off(void);
uint64_t hook_calls(void);
unsigned hook_function_count(void);

/* ---- interrupted.c ---- */

/* From now on, in this process, every n-th system call that may say EINTR does; 0: none. */
void interrupt_every(unsigned n);

/* ---- the tests; each counts into its result ---- */

typedef struct result {
    uint64_t runs, states, violations;
    char seen[300]; /* what was seen, for the line that people read */
} result;
void test_at_every_call(uint64_t seed, result *out);
void test_at_every_point(uint64_t seed, result *out);
void test_dead_parent(uint64_t seed, result *out);
void test_in_loops(uint64_t seed, result *out);
void test_quiet_parent(uint64_t seed, result *out);
void test_generations(uint64_t seed, result *out);
void test_in_callbacks(uint64_t seed, result *out);
void test_signals(uint64_t seed, result *out);
void test_terminated(uint64_t seed, result *out);
void test_guest(uint64_t seed, result *out);
void test_no_allocation(uint64_t seed, result *out);

#endif
