/* places/places.h: what the tests of this program share: running a body in a child process, counting, using a store
 * as a program would and knowing afterwards what it must hold. */
#ifndef TESTS_PLACES_PLACES_H
#define TESTS_PLACES_PLACES_H

#include "steplog.h"
#include "support/random.h"

#include <stdint.h>

#ifdef __SANITIZE_ADDRESS__
enum { PLACES_HAS_SANITIZER = 1 };
#else
enum { PLACES_HAS_SANITIZER = 0 };
#endif

/* ---- tests and their counts ---- */

typedef struct tally {
    const char *name;
    uint64_t seed; /* of the run that is going on */
    uint64_t runs, states, violations;
    char skipped[200]; /* why the machine does not let it run; "" when it does */
    char figures[200]; /* what was seen, for the line that is printed */
    uint64_t counts[4];
} tally;

/* One run of a test: all that it does comes from t->seed. */
typedef void (*place_test)(tally *t);

void test_objects(tally *t);
void test_foreign(tally *t);
void test_paths(tally *t);
void test_closed(tally *t);
void test_descriptors(tally *t);
void test_limits(tally *t);
void test_users(tally *t);
void test_removed(tally *t);
void test_clock(tally *t);
void test_readonly(tally *t);
void test_network(tally *t);
void test_full_tmpfs(tally *t);
void test_full_ext4(tally *t);
void test_quota(tally *t);
void test_failed_sync(tally *t);
void test_crash(tally *t);
void end_crashes(void); /* gives back what the runs of test_crash share */

/* Counts a violation and says it, with the command that repeats it. */
void violation(tally *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void skip(tally *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A fresh directory for one run, on a tmpfs of this program's own where it may mount one. Give it back. */
const char *place_begin(void);
void place_end(const char *path);
/* directory/name; lives until place_end(). */
const char *place_path(const char *directory, const char *name);

/* Runs body in a child, which must come to its end in time and by no signal: else that is a violation, with what the
 * child said. 1 when all was well. */
int in_child(tally *t, unsigned seconds, void (*body)(void *), void *context, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Memory that children share with the program. */
void *shared_memory(size_t bytes);
void shared_free(void *memory, size_t bytes);

/* ---- using a store ---- */

enum { PLAY_COLUMNS = 3, PLAY_ROWS_MAX = 20000 };

/* What a program that goes on after every failure did to a store, and what it was told. In shared memory, or in the
 * process that plays. */
typedef struct play {
    char path[8192];
    uint32_t flags;       /* of the store */
    uint64_t seed;        /* of the values */
    uint32_t writer;      /* rank, and part of the values */
    uint64_t rows;        /* to append */
    uint64_t log_bytes;
    uint64_t sync_every;  /* rows; 0 never */
    void (*between)(void *context, uint64_t row); /* before each row; NULL none */
    void *between_context;

    steplog_id run;
    int has_run, is_open, is_closed;
    unsigned failures;           /* calls that failed, with a clear word */
    steplog_error first;         /* the first of them */
    uint64_t tried, acknowledged_count, refused_count;
    uint64_t durable_rows;       /* the largest number of rows reported durable */
    uint8_t acknowledged[PLAY_ROWS_MAX];
} play;

void play_init(play *p, const char *path, uint32_t flags, uint64_t seed, uint32_t writer, uint64_t rows);
/* Opens, appends, syncs, reads back, closes, compacts and verifies. Aborts where a failure is not clear. */
void play_all(play *p);
/* Only opens and writes. The close is the caller's with keep_open: then *store and *writer are given. */
void play_write(play *p, steplog_store **store, steplog_writer **writer);
/* Appends row numbers [first, end) of p with an open writer. */
void play_rows(play *p, steplog_writer *writer, uint64_t first, uint64_t end);
/* The store at path, read by the real system, holds each row that was acknowledged, bit for bit, and none that was not
 * tried, in order and once. Aborts otherwise. Gives the number of rows found. */
uint64_t play_check(const play *p, const char *path);
/* The same, but rows need only be a prefix that has at least so many. */
uint64_t play_check_prefix(const play *p, const char *path, uint64_t least, uint64_t most);
/* Everything that only reads, on any path: aborts where a failure is not clear. Gives how many calls failed. */
unsigned play_read_everything(const char *path);

/* A failure must say in words what failed on what. Aborts otherwise. Passes a status that is no failure. */
steplog_status must_be_clear(steplog_status status, const steplog_error *err, const char *call);
#define CLEAR(call, err) must_be_clear((call), (err), #call)

#endif
