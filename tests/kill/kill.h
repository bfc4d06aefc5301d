/* kill/kill.h: processes that are killed, stopped and raced against each other, and the parent that knows better.
 *
 * The parent shares one anonymous mapping with its children. What a child has begun and what was acknowledged to it
 * is counted there, so it outlives the child. What an operation records follows from (seed, rank, number). */
#ifndef TESTS_KILL_KILL_H
#define TESTS_KILL_KILL_H

#include "support/random.h"
#include "support/store_kit.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

enum { RANKS = 3, ROW_COLUMNS = 6, WIDE_COLUMNS = 40, POINTS_A_STEP = 4, GONE_RUNS = 12, KILL_POINTS_MAX = 256 };

/* Numbers of something a child does: those below acknowledged returned OK, those from begun on were never asked for.
 * In between lies what was under way when the process ended: there or not. */
typedef struct progress {
    _Atomic uint64_t acknowledged, begun;
} progress;

/* What a process is to do at a kill point. */
enum { ACTION_NONE, ACTION_DIE, ACTION_WAIT };

typedef struct shared_state {
    uint64_t seed;
    progress rows[RANKS], facts[RANKS], blobs[RANKS];
    progress outside; /* facts from outside the job */
    progress rewinds;
    struct {
        progress rows, removal;
        uint64_t is_hidden; /* the parent saw it gone: it never comes back */
    } gone[GONE_RUNS];
    _Atomic uint64_t gone_count;

    _Atomic uint64_t armed_point; /* counted from 1; 0: none */
    _Atomic int action;
    _Atomic int countdown; /* of passes */
    _Atomic int is_there, may_go;
    _Atomic uint64_t passes[KILL_POINTS_MAX];

    _Atomic int is_over;                /* to those that go round until told */
    _Atomic uint64_t rounds[8];         /* that each of them did */
    _Atomic uint64_t followed;          /* rows that followers have seen */
} shared_state;

extern shared_state *shared;

/* ---- oracle.c ---- */

/* Forgets all progress: for a new store. */
void oracle_reset(uint64_t seed);

steplog_id oracle_run(const char *key);

enum { ALL_RANKS = (1 << RANKS) - 1 };

/* Everything that the store holds is what it must hold. Of ranks whose bit is not in live_ranks nobody writes: what was
 * under way there is decided from now on (what is not there has to be done again). Aborts otherwise. Without live ranks
 * every byte is verified too. */
void oracle_check(const char *path, uint32_t live_ranks);

/* Follows the run until is_over and everything acknowledged was seen: each row once, bit for bit. */
void oracle_follow(const char *path);

/* What operation number n of a rank is. */
typedef enum op_kind { OP_ROW, OP_SPARSE_ROW, OP_WIDE_ROW, OP_POINT } op_kind;
op_kind op_kind_of(uint32_t rank, uint64_t n);
int64_t op_step(uint32_t rank, uint64_t n);
int64_t op_time(uint32_t rank, uint64_t n);
/* Bit c: column c of a sparse row is present. */
uint64_t op_presence(uint32_t rank, uint64_t n);
double op_value(uint32_t rank, uint64_t n, op_kind kind, uint32_t column);
/* The content of blob n, in a buffer of its own. */
uint8_t *blob_content(uint32_t rank, uint64_t n, size_t *bytes);

/* ---- acts.c: what a child does; it ends by itself, or is killed ---- */

typedef struct act_setting {
    const char *path, *copy; /* copy: an old copy of the store, or NULL */
    uint32_t rank;
    uint32_t flags;          /* of the store */
    test_random random;
} act_setting;

typedef struct act {
    const char *name;
    void (*play)(act_setting *setting);
} act;

extern const act acts[];
extern const size_t act_count;
const act *act_named(const char *name);
/* Writes and closes, whatever became of its files. */
extern const act act_to_the_end;
/* Recovers while its locks succeed whatever others hold: it takes living writers for dead. */
extern const act act_liar;

/* Opens and ticks: what is dead is sealed. */
void recover_store(const char *path);

/* Compacts once; what a compaction may say while others work beside it is fine. */
void compact_store(const char *path, uint32_t compact_flags);

/* Puts what the copy holds into the store, and once more, which changes nothing. */
void merge_copy(const char *path, const char *copy);

/* Appends to a rank until is_over, opening and closing; for the crowd. */
void write_until_over(act_setting *setting);

/* ---- points.c ---- */

size_t points_count(void);
const char *points_name(size_t point);
size_t points_find(const char *name); /* SIZE_MAX: there is none */
/* Sets the handler: points are counted, and what is armed happens. */
void points_begin(void);
void points_arm(size_t point, int action, int passes);
void points_disarm(void);

/* ---- tree.c ---- */

void tree_copy(const char *from, const char *to);
/* A number that changes when a name, a size or a byte of a file in it changes. */
uint64_t tree_fingerprint(const char *path);
/* Makes the files of path/log as old as if nobody had written to them for so long. */
void tree_age_logs(const char *path, int seconds);
/* Copies the files of from/seg and from/log that to does not have into it, under the same names. */
void tree_add_missing(const char *from, const char *to);

/* ---- children ---- */

/* Forks; the child plays and exits with 0. */
pid_t start_act(const act *what, const act_setting *setting);
/* 1 when it was killed by SIGKILL, 0 when it ended well; anything else aborts. */
int wait_for_child(pid_t child, const char *what);

/* ---- tests: each makes runs cycles from its first seed on, and tells what it saw ---- */

typedef struct figures {
    uint64_t runs, kills, checks, missed;
    uint64_t least; /* kills at the kill point that had the fewest */
    char text[400];
} figures;

/* The life of one store. */
typedef struct life {
    test_random random;
    char path[300], copy[300];
    int has_copy;    /* of how the store was once */
    int is_merging;  /* what was there is in copy, and only some of it in path */
    figures *figures;
} life;

typedef struct orders {
    uint64_t seed, runs;       /* runs 0: the short form */
    double end_s;              /* of the time for this test; 0: none */
    const char *point;   /* only this one */
} orders;

/* Sanitizers make everything many times slower: less of it then. */
#ifdef __SANITIZE_ADDRESS__
enum { SLOWER = 4 };
#else
enum { SLOWER = 1 };
#endif

double now_s(void);
/* Whether another cycle is due; says now and then how far a long form is. */
int goes_on(const orders *o, const figures *so_far, uint64_t short_runs);
/* What is being done, for the line that a violation prints. */
void say_case(const char *test, uint64_t seed, const char *more);

/* cycles.c */
void life_begin(life *l, uint64_t seed, figures *figures_of);
void life_check(life *l, uint32_t live_ranks);
/* Compacts, checks, recovers twice. */
void life_end(life *l);
act_setting life_next_setting(life *l);
/* Before an act: a merge may have to bring everything back. is_sure: it has. */
void life_prepare(life *l, const act *what, int is_sure);
/* After it: what a merge did not bring is brought. */
void life_settle(life *l);
/* Learns which act passes which kill point, and how long it takes. */
void learn_acts(void);
/* An act that passes the point in the life of a store that is there (or is not); NULL: none does. */
const act *pick_act(life *l, int is_old, size_t point, uint32_t *passes);
double seconds_of_act(const act *what);
int is_point_of_merge(size_t point);

void test_points(const orders *orders, figures *out);
void test_moments(const orders *orders, figures *out);
void test_late(const orders *orders, figures *out);
void test_stopped(const orders *orders, figures *out);
void test_thought_dead(const orders *orders, figures *out);
void test_crowd(const orders *orders, figures *out);
void test_watched(const orders *orders, figures *out);

void sleep_s(double seconds);

extern const char *work_path;

#endif
