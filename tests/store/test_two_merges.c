/* Two merges of one store into another at the same time. */
#include "steplog.h"

#include "support/counts.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COLUMNS = 20, ROWS = 4000 }; /* of random bits: more than a merge copies between two calls of its callback */

static const char *from_path, *to_path;

static steplog_id make_stores(void)
{
    const char *base = test_temp_dir();
    from_path = test_path(base, "from");
    to_path = test_path(base, "to");
    steplog_store *from = kit_store(from_path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(from, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    double values[COLUMNS];
    for (int64_t row = 0; row < ROWS; row++) {
        for (uint64_t c = 0; c < COLUMNS; c++) values[c] = kit_value(1, 0, (uint64_t)row, c);
        OK(steplog_writer_append(writer, schema, row, row, values));
    }
    kit_writer_close(writer);
    kit_store_close(from);
    kit_store_close(kit_store(to_path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    return run;
}

static void expect_whole(const steplog_id *run)
{
    steplog_store *store = kit_store(to_path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, run, "*", NULL);
    kit_no_damage(reader);
    cr_assert_eq(rows.row_count, ROWS, "%d rows", (int)rows.row_count);
    kit_rows_free(&rows);
    steplog_reader_close(reader);
    kit_store_close(store);
}

static steplog_status merge_again(steplog_progress progress, void *context, steplog_merge_result *result)
{
    steplog_store *store = kit_store(to_path, STEPLOG_NO_THREAD, 0);
    steplog_status status = steplog_store_merge(store, from_path, progress, context, result, &kit_error);
    kit_store_close(store);
    return status;
}

static int end_process(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    test_leave_counts();
    _exit(done < total ? 7 : 8);
}

/* The first has copied all and named nothing: another one begins and is killed. */
static int let_another_be_killed(void *context, uint64_t done, uint64_t total)
{
    int *turns = context, status = 0;
    if (done < total) return 0;
    ++*turns;
    pid_t child = fork();
    if (child == 0) {
        merge_again(end_process, NULL, NULL);
        _exit(9);
    }
    cr_assert(child > 0 && waitpid(child, &status, 0) == child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7, "the second ended with %#x", (unsigned)status);
    return 0;
}

Test(two_merges, one_that_is_killed_takes_nothing_from_the_other)
{
    steplog_id run = make_stores();
    int turns = 0;
    steplog_merge_result result = {.size_bytes = sizeof result};
    OK(merge_again(let_another_be_killed, &turns, &result));
    cr_assert_eq(turns, 1);
    cr_assert_eq(result.files_copied, 1);
    expect_whole(&run);
}

static int let_another_come_first(void *context, uint64_t done, uint64_t total)
{
    steplog_merge_result *result = context;
    if (done == total) OK(merge_again(NULL, NULL, result));
    return 0;
}

Test(two_merges, both_succeed_and_there_is_one_file)
{
    steplog_id run = make_stores();
    steplog_merge_result first = {.size_bytes = sizeof first}, second = first;
    OK(merge_again(let_another_come_first, &second, &first));
    cr_assert_eq(second.files_copied, 1);
    cr_assert_eq(kit_segment_count(to_path), 1);
    expect_whole(&run);
    kit_verify(to_path);
}
