/* How large logs are asked for: never larger than a log's header may say, however much has to be moved or restated. */
#include "steplog.h"

#include "os/os.h"
#include "support/sim_os.h"
#include "support/store_kit.h"
#include "write/writer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static const sl_os_table *under;
static sl_os_table hooked;
static uint64_t asked_bytes;

static int note_and_refuse(int fd, uint64_t bytes)
{
    (void)fd;
    asked_bytes = bytes;
    return -ENOSPC;
}

/* What is asked for when a log failed to sync that holds so much. */
static uint64_t asked_to_move(steplog_writer *writer, uint64_t bytes)
{
    sl_row_log *log = atomic_load(&writer->log);
    uint64_t tail = atomic_load(&log->tail);
    atomic_store(&log->tail, log->mark.offset + bytes);
    sl_row_log_freeze(log);
    GIVES(FULL, sl_writer_make_room(writer, 64, 0, 0, STEPLOG_TIME_NONE));
    atomic_store(&log->tail, tail);
    return asked_bytes;
}

IN_BOTH_MODES(log_bytes, for_a_move_are_no_more_than_a_log_may_have)
{
    sim *machine = sim_new(1);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    kit_log(writer, "loss", 1, 2);
    under = sl_os;
    hooked = *under;
    hooked.allocate = note_and_refuse;
    sl_os = &hooked;
    const uint64_t sizes[] = {1000000, 100000000, 1ull << 30, 3ull << 30, (4ull << 30) - 4096};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint64_t asked = asked_to_move(writer, sizes[i]);
        cr_expect_leq(asked, 4ull << 30, "%llu bytes for %llu", (unsigned long long)asked,
                      (unsigned long long)sizes[i]);
        cr_expect_leq(asked, 2 * sizes[i] + 200000, "%llu bytes for %llu", (unsigned long long)asked,
                      (unsigned long long)sizes[i]);
        /* A continuation of 24 bytes becomes a point of 40. */
        cr_expect(asked >= sizes[i] / 24 * 40 || asked == 4ull << 30);
    }
    sl_os = under;
    kit_log(writer, "loss", 2, 3);
    kit_writer_close(writer);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

/* Each log begins with all names: there has to be room for something else in it. */
IN_BOTH_MODES(log_bytes, that_names_would_fill_are_refused)
{
    sim *machine = sim_new(1);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_metric metrics[3] = {kit_metric(writer, "a"), kit_metric(writer, "b")};
    uint64_t real = writer->table.names_bytes;
    writer->table.names_bytes = STEPLOG_WRITER_NAMES_BYTES_MAX - 64 - 3; /* as if they were so many */
    GIVES(LIMIT, steplog_writer_metric(writer, "four", 4, &metrics[2], &kit_error));
    steplog_schema schema;
    GIVES(LIMIT, steplog_writer_schema(writer, metrics, 2, &schema, &kit_error));
    cr_assert_eq(writer->table.metrics.count, 2);
    cr_assert_eq(writer->table.schemas.count, 0);
    OK(steplog_writer_metric(writer, "b", 1, &metrics[1], &kit_error));
    OK(steplog_writer_metric(writer, "now", 3, &metrics[2], &kit_error));
    writer->table.names_bytes = real + 64 + 3;
    kit_log(writer, "loss", 1, 2);
    kit_writer_close(writer);
    kit_store_close(store);
    kit_verify("store");
    sim_use(NULL);
    sim_free(machine);
}
