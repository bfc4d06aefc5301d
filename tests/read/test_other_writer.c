/* Logs that say, under a good check, that another than their own writer wrote them. */
#include "steplog.h"

#include "format/layout.h"
#include "support/reseal.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 5 };

/* The writer is killed, and its log says of a byte of its incarnation, or of its run, something else. */
static const char *make(int is_run)
{
    const char *path = test_path(test_temp_dir(), "store");
    kit_store_close(kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    pid_t child = fork();
    if (child == 0) {
        steplog_store *store = kit_store(path, STEPLOG_NO_THREAD, 0);
        steplog_writer *writer = kit_writer(store, "run", 0, 0);
        for (int64_t step = 0; step < ROWS; step++) kit_log(writer, "x", step, (double)step);
        _exit(0);
    }
    int status;
    cr_assert(waitpid(child, &status, 0) == child && status == 0);
    glob_t logs;
    cr_assert_eq(glob(test_path(path, "log/*.log"), 0, NULL, &logs), 0);
    int fd = open(logs.gl_pathv[0], O_RDWR);
    off_t bytes = lseek(fd, 0, SEEK_END);
    uint8_t *data = malloc((size_t)bytes);
    cr_assert(fd >= 0 && data && pread(fd, data, (size_t)bytes, 0) == bytes);
    data[SL_LOG_HEADER_BYTES + SL_RECORD_HEAD_BYTES + SL_PART_HEAD_BYTES + (is_run ? 16 : 0)] ^= 1;
    reseal_file(data, (size_t)bytes, NULL, 0);
    cr_assert_eq(pwrite(fd, data, (size_t)bytes, 0), bytes);
    close(fd);
    free(data);
    globfree(&logs);
    return path;
}

static steplog_id run_of(const char *path)
{
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    steplog_run_info info = {.size_bytes = sizeof info};
    cr_assert_eq(steplog_reader_run_count(reader), 1u);
    OK(steplog_reader_run(reader, 0, &info, &kit_error));
    steplog_reader_close(reader);
    kit_store_close(store);
    return info.id;
}

static void expect_rows(const char *path, const steplog_id *run)
{
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, run, "x", NULL);
    cr_assert_eq(rows.row_count, ROWS);
    cr_assert_geq(steplog_reader_damage_count(reader), 1u);
    kit_rows_free(&rows);
    steplog_reader_close(reader);
    kit_store_close(store);
    GIVES(CORRUPT, steplog_store_verify(path, NULL, NULL, &kit_error));
}

/* That record alone is damage. Nobody seals the rows under the other name, and the log stays. */
static void check(int is_run)
{
    const char *path = make(is_run), *to_path = test_path(test_temp_dir(), "to");
    const steplog_id run = run_of(path);
    expect_rows(path, &run);
    steplog_store *store = kit_store(path, STEPLOG_NO_THREAD, 0);
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    kit_store_close(store);
    cr_assert_eq(kit_log_count(path), 1u);
    cr_assert_eq(kit_segment_count(path), 0u);
    expect_rows(path, &run);
    store = kit_store(to_path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    OK(steplog_store_merge(store, path, NULL, NULL, &(steplog_merge_result){.size_bytes = sizeof(steplog_merge_result)},
                           &kit_error));
    kit_store_close(store);
    cr_assert_eq(kit_segment_count(to_path), 0u);
}

Test(other_writer, of_a_log_is_not_believed) { check(0); }

Test(other_writer, of_another_run_is_not_believed) { check(1); }
