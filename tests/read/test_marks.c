/* Marks of logs that say more than can be. */
#include "steplog.h"

#include "format/checksum.h"
#include "format/log_header.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 20 };

/* A process writes a run and is killed. */
static void write_run(const char *path, const char *key)
{
    pid_t child = fork();
    if (child == 0) {
        steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | STEPLOG_NO_ADOPT, 65536);
        steplog_writer *writer = kit_writer(store, key, 0, 1);
        for (int step = 0; step < ROWS; step++) kit_log(writer, "x", step, step);
        OK(steplog_writer_sync(writer, &kit_error));
        _exit(0);
    }
    int how;
    cr_assert(child > 0 && waitpid(child, &how, 0) == child && how == 0);
}

/* Gives each log a later mark of this sequence, with a check that is right. */
static void put_marks(const char *path, uint64_t sequence)
{
    glob_t logs;
    cr_assert_eq(glob(test_path(path, "log/*"), 0, NULL, &logs), 0);
    for (size_t i = 0; i < logs.gl_pathc; i++) {
        uint8_t head[SL_LOG_HEADER_BYTES], slot[SL_LOG_SLOT_BYTES];
        sl_log_header header;
        uint32_t at;
        sl_log_mark mark = {0};
        int fd = open(logs.gl_pathv[i], O_RDWR);
        cr_assert(fd >= 0 && pread(fd, head, sizeof head, 0) == sizeof head);
        if (sl_log_header_read(head, "log", &header, &at, NULL) == STEPLOG_OK) {
            uint64_t key = sl_file_key(&header.log_id);
            sl_log_mark_latest(head, key, &mark);
            mark.counter++;
            mark.sequence = sequence;
            uint64_t to = SL_LOG_MARK_OFFSET + mark.counter % 2 * SL_LOG_SLOT_STRIDE;
            sl_log_mark_encode(&mark, key, to, slot);
            cr_assert_eq(pwrite(fd, slot, sizeof slot, (off_t)to), (ssize_t)sizeof slot);
        }
        close(fd);
    }
    globfree(&logs);
}

/* Of a run whose mark is impossible all is read, and other runs, verify and compaction are not held up. */
Test(marks, of_any_sequence_hold_nothing_up)
{
    static const uint64_t sequences[] = {UINT64_MAX, UINT64_MAX - 1, INT64_MAX, 1000};
    for (size_t n = 0; n < sizeof sequences / sizeof *sequences; n++) {
        const char *path = test_path(test_temp_dir(), "store");
        write_run(path, "hostile");
        put_marks(path, sequences[n]);
        write_run(path, "other");
        steplog_store *store = kit_store(path, STEPLOG_NO_THREAD | STEPLOG_NO_ADOPT, 65536);
        steplog_reader *reader = kit_reader(store);
        cr_assert_eq(steplog_reader_run_count(reader), (size_t)2);
        for (size_t i = 0; i < 2; i++) {
            steplog_run_info info = {.size_bytes = sizeof info};
            OK(steplog_reader_run(reader, i, &info, &kit_error));
            kit_rows rows = kit_read(reader, &info.id, "x", NULL);
            cr_assert_eq(rows.row_count, (size_t)ROWS);
            kit_rows_free(&rows);
        }
        steplog_reader_close(reader);
        steplog_verify_result result = {.size_bytes = sizeof result};
        steplog_status status = steplog_store_verify(path, NULL, &result, &kit_error);
        cr_assert(status >= 0 || status == STEPLOG_CORRUPT, "verify: %d %s", status, kit_error.text);
        cr_assert(result.damage_count >= 1, "a mark of sequence %llu", (unsigned long long)sequences[n]);
        OK(steplog_store_compact(store, NULL, NULL, &kit_error));
        kit_store_close(store);
    }
}

/* As much as there is is not too much. */
Test(marks, of_all_records_are_sound)
{
    const char *path = test_path(test_temp_dir(), "store");
    write_run(path, "run");
    kit_verify(path);
}
