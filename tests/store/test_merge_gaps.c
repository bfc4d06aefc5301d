/* Merging a store whose writer has no room and goes on refusing: of an open gap's copies the one counts that has
 * counted furthest (FORMAT.md 10). */
#include "steplog.h"

#include "os/os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static sl_os_table table;
static steplog_writer *writer;
static steplog_metric metric;

static int allocate_nothing(int fd, uint64_t bytes)
{
    (void)fd, (void)bytes;
    return -ENOSPC;
}

static void refuse(int count)
{
    table = sl_os_posix;
    table.allocate = allocate_nothing;
    sl_os = &table;
    for (int i = 0; i < count; i++) GIVES(FULL, steplog_writer_point(writer, metric, i, i, 1));
    sl_os = &sl_os_posix;
}

static void fill(void)
{
    table = sl_os_posix;
    table.allocate = allocate_nothing;
    sl_os = &table;
    while (steplog_writer_point(writer, metric, 1, 1, 1) == STEPLOG_OK) continue; /* the last of them is refused */
    sl_os = &sl_os_posix;
}

static void expect_refused(const char *path, const steplog_id *run, int64_t count, const char *when)
{
    int64_t told = 0;
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    for (size_t i = 0; i < steplog_reader_event_count(reader, run); i++) {
        steplog_event event = {.size_bytes = sizeof event};
        OK(steplog_reader_event(reader, run, i, &event, &kit_error));
        if (event.kind == STEPLOG_EVENT_GAP) told += event.number;
    }
    cr_assert_eq(told, count, "%s: %d points were refused, the gap tells of %d", when, (int)count, (int)told);
    steplog_reader_close(reader);
    kit_store_close(store);
    kit_verify(path);
}

static void bring(const char *to, const char *from)
{
    steplog_store *store = kit_store(to, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_merge_result result = {.size_bytes = sizeof result};
    OK(steplog_store_merge(store, from, NULL, NULL, &result, &kit_error));
    kit_store_close(store);
}

/* Which copy comes first is a matter of random ids: so, several times. */
IN_BOTH_MODES(merge_gaps, count_as_far_as_any_copy_does)
{
    char command[8192];
    for (int round = 0; round < 6; round++) {
        const char *base = test_temp_dir(), *from = test_path(base, "from"), *to = test_path(base, "to");
        steplog_store *source = kit_store(from, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
        writer = kit_writer(source, "run", 0, 0);
        steplog_id run = kit_run_of(writer);
        metric = kit_metric(writer, "loss");
        fill();
        refuse(9);
        bring(to, from);
        expect_refused(to, &run, 10, "at first");
        snprintf(command, sizeof command, "cp -r '%s/seg' '%s'", to, from);
        cr_assert_eq(system(command), 0); /* now the source has what was sealed of it, too */
        refuse(90);
        expect_refused(from, &run, 100, "in the log");
        kit_log(writer, "loss", 2, 2);
        kit_writer_close(writer);
        bring(to, from);
        expect_refused(to, &run, 100, "in the end");
        steplog_store *store = kit_store(to, STEPLOG_NO_THREAD, 0);
        OK(steplog_store_compact(store, NULL, NULL, &kit_error));
        kit_store_close(store);
        expect_refused(to, &run, 100, "compacted");
        kit_store_close(source);
        expect_refused(from, &run, 100, "in the source");
    }
}

static void begin(const char *path, uint32_t flags, steplog_store **store)
{
    *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    writer = kit_writer(*store, "run", 0, 0);
    metric = kit_metric(writer, "loss");
    fill();
    refuse(9);
}

/* Nothing came behind the gap: what was refused since is all that there is to bring. */
IN_BOTH_MODES(merge_gaps, bring_what_was_refused_since)
{
    const char *base = test_temp_dir(), *from = test_path(base, "from"), *to = test_path(base, "to");
    const char *third = test_path(base, "third");
    steplog_store *source;
    begin(from, flags, &source);
    steplog_id run = kit_run_of(writer);
    bring(to, from);
    bring(third, to);
    expect_refused(third, &run, 10, "at first");
    refuse(90);
    bring(to, from);
    expect_refused(to, &run, 100, "brought again");
    bring(third, to);
    expect_refused(third, &run, 100, "brought again as a segment");
    size_t count = kit_segment_count(to);
    bring(to, from);
    bring(to, third);
    cr_assert_eq(kit_segment_count(to), count, "what was there came again");
    kit_writer_close(writer);
    kit_store_close(source);
}

/* The source has what was sealed of it when its writer is killed: the log that goes has counted more. */
IN_BOTH_MODES(merge_gaps, outlive_the_log_that_counted)
{
    char command[8192];
    const char *base = test_temp_dir(), *from = test_path(base, "from"), *to = test_path(base, "to");
    steplog_id run;
    int ends[2], status;
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        steplog_store *source;
        begin(from, flags, &source);
        run = kit_run_of(writer);
        bring(to, from);
        refuse(90);
        _exit(write(ends[1], &run, sizeof run) != sizeof run);
    }
    cr_assert(waitpid(child, &status, 0) == child && status == 0);
    cr_assert_eq(read(ends[0], &run, sizeof run), (ssize_t)sizeof run);
    snprintf(command, sizeof command, "cp -r '%s/seg' '%s'", to, from);
    cr_assert_eq(system(command), 0);
    expect_refused(from, &run, 100, "in the log");
    steplog_store *store = kit_store(from, STEPLOG_NO_THREAD, 0);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    kit_store_close(store);
    cr_assert_eq(kit_log_count(from), 0u);
    expect_refused(from, &run, 100, "sealed");
}
