/* Ends of processes: what was acknowledged is there, nothing else is; forked children leave their parent's files alone. */
#include "steplog.h"

#include "support/counts.h"
#include "support/random.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COLUMNS = 3 };

static atomic_uint_fast64_t *shared_count(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(page != MAP_FAILED);
    return page;
}

static void append_one(steplog_writer *writer, steplog_schema schema, uint64_t w, uint64_t row)
{
    double values[COLUMNS];
    for (unsigned column = 0; column < COLUMNS; column++) values[column] = kit_value(30, w, row, column);
    OK(steplog_writer_append(writer, schema, (int64_t)row, STEPLOG_TIME_NOW, values));
}

enum { CHILD_SECONDS = 120 }; /* a child that hangs must not outlive its test: it would keep the whole program waiting */

static void wait_for(pid_t child)
{
    int status = 0;
    pid_t ended = 0;
    for (int i = 0; i < CHILD_SECONDS * 1000 && ended == 0; i++) {
        ended = waitpid(child, &status, WNOHANG);
        if (ended == 0) usleep(1000);
    }
    if (ended == 0) kill(child, SIGKILL);
    cr_assert_eq(ended, child, "the child is not at its end after %d s", CHILD_SECONDS);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %x", (unsigned)status);
}

/* Rows 0 to count - 1 of a rank, bit for bit, and at most one more that was on its way. */
static uint64_t check_rows(const char *path, const steplog_id *run, const char *selector, uint64_t w, uint64_t count)
{
    kit_rows rows = kit_read_store(path, run, selector, 0);
    cr_assert(rows.row_count == count || rows.row_count == count + 1, "%zu rows, acknowledged were %d", rows.row_count,
              (int)count);
    for (size_t row = 0; row < rows.row_count; row++) {
        cr_assert_eq(rows.steps[row], (int64_t)row);
        for (unsigned column = 0; column < COLUMNS; column++)
            cr_assert_eq(kit_bits(kit_at(&rows, row, column)), kit_bits(kit_value(30, w, row, column)));
    }
    uint64_t found = rows.row_count;
    kit_rows_free(&rows);
    return found;
}

static steplog_run_status status_of(const char *path, const steplog_id *run)
{
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY, 0);
    steplog_reader *reader = kit_reader(store);
    steplog_run_info info = {.size_bytes = sizeof info};
    OK(steplog_reader_run_by_id(reader, run, &info, &kit_error));
    steplog_reader_close(reader);
    kit_store_close(store);
    return info.status;
}

static void append_until_killed(const char *path, uint32_t flags, uint32_t rank, atomic_uint_fast64_t *acknowledged)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    steplog_store *store = kit_store(path, flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", rank, 1);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    for (uint64_t row = 0;; row++) {
        append_one(writer, schema, rank, row);
        atomic_store(acknowledged, row + 1);
    }
}

static steplog_id id_of_run(const char *path)
{
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY, 0);
    steplog_reader *reader = kit_reader(store);
    steplog_id run;
    size_t found;
    OK(steplog_reader_find_runs(reader, "@latest", &run, 1, &found, &kit_error));
    steplog_reader_close(reader);
    kit_store_close(store);
    return run;
}

IN_BOTH_MODES(kill, every_acknowledged_row_is_there_after_a_kill_at_any_moment)
{
    test_random random = test_random_begin("kill");
    for (uint32_t round = 0; round < 12; round++) {
        const char *path = test_path(test_temp_dir(), "store");
        kit_store_close(kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
        atomic_uint_fast64_t *acknowledged = shared_count();
        pid_t child = fork();
        if (child == 0) append_until_killed(path, flags, 0, acknowledged);
        uint64_t wanted = 1 + test_random_below(&random, 20000);
        while (atomic_load(acknowledged) < wanted && waitpid(child, NULL, WNOHANG) == 0) usleep(50);
        cr_assert(atomic_load(acknowledged) >= wanted, "the child ended by itself");
        steplog_id run = id_of_run(path);
        cr_assert_eq(status_of(path, &run), STEPLOG_RUN_RUNNING);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        cr_assert_eq(status_of(path, &run), STEPLOG_RUN_KILLED);
        uint64_t count = check_rows(path, &run, "*", 0, atomic_load(acknowledged));
        /* Whoever comes next seals what is left: a writer by itself, or compaction. */
        steplog_store *store = kit_store(path, STEPLOG_NO_THREAD, 0);
        if (round % 2) {
            OK(steplog_store_compact(store, NULL, NULL, &kit_error));
        } else {
            steplog_writer *writer = kit_writer(store, "another", 0, 1);
            kit_log(writer, "loss", 1, 1);
            for (int i = 0; i < 100 && steplog_store_tick(store, 100, &kit_error) == STEPLOG_WAIT; i++) continue;
            kit_writer_close(writer);
        }
        kit_store_close(store);
        cr_assert_eq(kit_log_count(path), 0, "%zu logs are left", kit_log_count(path));
        cr_assert_eq(check_rows(path, &run, "*", 0, count), count);
        cr_assert_eq(status_of(path, &run), STEPLOG_RUN_KILLED);
        kit_verify(path);
        munmap(acknowledged, 4096);
    }
}

/* The attempt that a rewind begins has no writer yet: what the run is, its last ones say. */
IN_BOTH_MODES(kill, a_killed_run_that_was_rewound_is_killed_still)
{
    const char *path = test_path(test_temp_dir(), "store");
    kit_store_close(kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    atomic_uint_fast64_t *acknowledged = shared_count();
    pid_t child = fork();
    if (child == 0) append_until_killed(path, flags, 0, acknowledged);
    while (atomic_load(acknowledged) < 10 && waitpid(child, NULL, WNOHANG) == 0) usleep(50);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    steplog_id run = id_of_run(path);
    steplog_store *store = kit_store(path, STEPLOG_NO_THREAD, 0);
    OK(steplog_run_rewind(store, &run, 5, NULL, &kit_error));
    cr_assert_eq(status_of(path, &run), STEPLOG_RUN_KILLED);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    kit_log(writer, "loss", 5, 1);
    cr_assert_eq(status_of(path, &run), STEPLOG_RUN_RUNNING);
    kit_writer_close(writer);
    cr_assert_eq(status_of(path, &run), STEPLOG_RUN_FINISHED);
    kit_store_close(store);
    munmap(acknowledged, 4096);
}

IN_BOTH_MODES(kill, a_closed_run_is_finished_and_a_failed_one_failed)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    kit_log(writer, "loss", 1, 1);
    cr_assert_eq(status_of(path, &run), STEPLOG_RUN_RUNNING);
    kit_writer_close(writer);
    cr_assert_eq(status_of(path, &run), STEPLOG_RUN_FINISHED);
    writer = kit_writer(store, "run", 0, 2);
    kit_log(writer, "loss", 2, 1);
    OK(steplog_writer_close(writer, 3, &kit_error));
    cr_assert_eq(status_of(path, &run), STEPLOG_RUN_FAILED);
    kit_store_close(store);
}

static void check_fork(uint32_t flags, int child_appends, int child_closes)
{
    enum { BEFORE = 3000, AFTER = 6000 };
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    for (uint64_t row = 0; row < BEFORE; row++) append_one(writer, schema, 0, row);
    pid_t child = fork();
    if (child == 0) {
        for (uint64_t row = 0; child_appends && row < 5000; row++) append_one(writer, schema, 0, BEFORE + AFTER + row);
        if (!child_appends) OK(steplog_writer_sync(writer, &kit_error)); /* there is nothing of its own */
        if (child_closes) {
            OK(steplog_writer_close(writer, 0, &kit_error));
            OK(steplog_store_close(store, &kit_error));
        }
        test_leave_counts();
        _exit(0);
    }
    for (uint64_t row = BEFORE; row < BEFORE + AFTER; row++) append_one(writer, schema, 0, row);
    wait_for(child);
    cr_assert_eq(status_of(path, &run), STEPLOG_RUN_RUNNING);
    kit_writer_close(writer);
    kit_store_close(store);
    store = kit_store(path, STEPLOG_NO_THREAD, 0);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    kit_store_close(store);
    check_rows(path, &run, "*", 0, BEFORE + AFTER + (child_appends ? 5000 : 0));
    store = kit_store(path, STEPLOG_READ_ONLY, 0);
    steplog_reader *reader = kit_reader(store);
    cr_assert_eq(steplog_reader_writer_count(reader, &run), child_appends ? 2 : 1);
    steplog_reader_close(reader);
    kit_store_close(store);
    kit_verify(path);
}

IN_BOTH_MODES(fork, a_child_that_appends_and_closes_has_a_log_of_its_own) { check_fork(flags, 1, 1); }
IN_BOTH_MODES(fork, a_child_that_appends_and_exits_has_a_log_of_its_own) { check_fork(flags, 1, 0); }
IN_BOTH_MODES(fork, a_child_that_only_closes_changes_nothing) { check_fork(flags, 0, 1); }
IN_BOTH_MODES(fork, a_child_that_only_exits_changes_nothing) { check_fork(flags, 0, 0); }

IN_BOTH_MODES(fork, a_child_does_not_keep_its_dead_parents_run_alive)
{
    const char *path = test_path(test_temp_dir(), "store");
    kit_store_close(kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    atomic_uint_fast64_t *ready = shared_count();
    pid_t parent = fork();
    if (parent == 0) {
        steplog_store *store = kit_store(path, flags, 0);
        steplog_writer *writer = kit_writer(store, "run", 0, 1);
        kit_log(writer, "loss", 1, 1);
        pid_t grandchild = fork();
        if (grandchild == 0) {
            atomic_store(ready, 1); /* from here on: before it runs it has what its parent has */
            for (int i = 0; i < 100 && atomic_load(ready) < (uint64_t)-1; i++) usleep(100000);
            _exit(0);
        }
        for (;;) pause();
    }
    while (atomic_load(ready) == 0) usleep(100);
    steplog_id run = id_of_run(path);
    cr_assert_eq(status_of(path, &run), STEPLOG_RUN_RUNNING);
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    cr_assert_eq(status_of(path, &run), STEPLOG_RUN_KILLED);
    atomic_store(ready, (uint64_t)-1);
}
