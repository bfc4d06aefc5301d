/* Logs that end in a broken record, and readers that look at them again and again. */
#include "steplog.h"

#include "format/log_header.h"
#include "format/record_codec.h"
#include "os/os.h"
#include "support/random.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <unistd.h>

static uint64_t read_bytes;
static sl_os_table table;

static int64_t counting_pread(int fd, void *buffer, size_t bytes, uint64_t offset)
{
    int64_t got = sl_os_posix.pread(fd, buffer, bytes, offset);
    if (got > 0) read_bytes += (uint64_t)got;
    return got;
}

/* A log of a GiB that takes two blocks of the disk. */
Test(torn, holes_are_not_read)
{
    enum { CAPACITY = 1 << 30, MOST = 8 << 20 };
    test_random random = test_random_begin("torn");
    const char *path = test_path(test_temp_dir(), "store");
    kit_store_close(kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    sl_log_header header = {
        .version = 1, .first_sequence = 1, .capacity_bytes = CAPACITY, .ordinal = 1, .mode = 2, .attempt = 1};
    test_random_fill(&random, header.log_id.bytes, 16);
    test_random_fill(&random, header.incarnation.bytes, 16);
    test_random_fill(&random, header.run.bytes, 16);
    static uint8_t log[8192];
    sl_log_header_encode(&header, log);
    memcpy(log + SL_LOG_COPY_OFFSET, log, SL_LOG_FIXED_BYTES);
    sl_store64(log + SL_LOG_HEADER_BYTES, sl_record_head(32, SL_RECORD_POINT, 0, 0));
    log[SL_LOG_HEADER_BYTES + 9] = 77;
    char hex[STEPLOG_ID_TEXT_BYTES], name[80];
    steplog_id_format(&header.incarnation, hex);
    snprintf(name, sizeof name, "log/%s-1.log", hex);
    int fd = open(test_path(path, name), O_RDWR | O_CREAT, 0666);
    cr_assert(fd >= 0 && pwrite(fd, log, sizeof log, 0) == sizeof log && ftruncate(fd, CAPACITY) == 0);
    if (sl_os_posix.next_data(fd, sizeof log) < CAPACITY) {
        close(fd);
        cr_skip("the file system does not tell of holes");
    }
    close(fd);
    table = sl_os_posix;
    table.pread = counting_pread;
    sl_os = &table;
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    for (int i = 0; i < 5; i++) OK(steplog_reader_refresh(reader, &kit_error));
    cr_assert_eq(steplog_reader_damage_count(reader), 1);
    steplog_reader_close(reader);
    kit_store_close(store);
    cr_expect(read_bytes <= MOST, "a reader: %llu bytes", (unsigned long long)read_bytes);
    read_bytes = 0;
    (void)steplog_store_verify(path, NULL, NULL, &kit_error);
    cr_expect(read_bytes <= MOST, "verify: %llu bytes", (unsigned long long)read_bytes);
    sl_os = &sl_os_posix;
}

/* The last record of a living writer is damaged on its way: what the writer appends then is found behind it. */
IN_BOTH_MODES(torn, what_a_living_writer_appends_behind_is_found)
{
    enum { ROWS = 10 };
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 1);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", 1);
    double values[1] = {0x1.badbadbadbad0p3};
    for (int64_t step = 0; step < ROWS; step++)
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
    glob_t logs;
    cr_assert_eq(glob(test_path(path, "log/*"), 0, NULL, &logs), 0);
    int changed = 0;
    for (size_t i = 0; i < logs.gl_pathc; i++) {
        static uint8_t log[1 << 16];
        int fd = open(logs.gl_pathv[i], O_RDWR);
        cr_assert(fd >= 0);
        ssize_t at = pread(fd, log, sizeof log, 0);
        for (at -= 8; at >= 0 && sl_load64(log + at) != sl_bits_of(values[0]); at -= 8) {}
        if (at >= 0) {
            log[at] ^= 1;
            cr_assert_eq(pwrite(fd, log + at, 1, at), 1);
            changed++;
        }
        close(fd);
    }
    globfree(&logs);
    cr_assert_eq(changed, 1);
    steplog_reader *reader = kit_reader(store);
    for (int64_t step = ROWS; step < ROWS + 3; step++) {
        OK(steplog_reader_refresh(reader, &kit_error));
        kit_rows rows = kit_read(reader, &run, "*", NULL);
        cr_assert_eq(rows.row_count, (size_t)(step - 1));
        kit_rows_free(&rows);
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
    }
    steplog_reader_close(reader);
    kit_writer_close(writer);
    kit_store_close(store);
}
