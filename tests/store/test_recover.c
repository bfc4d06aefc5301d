/* What is done with the logs of the dead, and with disks that do not keep what they were given. */
#include "steplog.h"

#include "base/span.h"
#include "format/layout.h"
#include "os/os.h"
#include "support/reseal.h"
#include "support/sim_os.h"
#include "support/store_kit.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 40, ROWS = 1000 };

static sim *machine;

/* A writer of three logs and more, none of them sealed or synced, is killed. */
static steplog_id make_killed_in(uint32_t flags, uint64_t boot)
{
    machine = sim_new(7);
    sim_use(machine);
    sim_set_boot(machine, boot);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    double values[COLUMNS];
    for (int64_t step = 0; step < ROWS; step++) {
        for (int c = 0; c < COLUMNS; c++) values[c] = (double)(step + c);
        OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
    }
    sim_kill_begin(machine);
    steplog_writer_close(writer, 0, &kit_error);
    steplog_store_close(store, &kit_error);
    sim_kill_end(machine);
    sim_set_process(machine, 77);
    return run;
}

static steplog_id make_killed(uint32_t flags) { return make_killed_in(flags, 1); }

static char log_path[2][256];

static void find_log(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    (void)context, (void)data, (void)bytes;
    for (int n = 0; n < 2; n++) {
        const char *end = n ? "-2.log" : "-1.log";
        if (strlen(path) > 6 && strcmp(path + strlen(path) - 6, end) == 0)
            snprintf(log_path[n], sizeof log_path[n], "%s", path);
    }
}

/* Overwrites bytes of the first log, of the file that is there. */
static void spoil(uint64_t at, const void *data, size_t bytes)
{
    sim_each_file(machine, find_log, NULL);
    cr_assert(log_path[0][0] && log_path[1][0]);
    int fd = sl_os->open(-1, log_path[0], SL_OS_WRITE);
    cr_assert(fd >= 0 && sl_os_write_full(fd, data, bytes, at) == 0);
    sl_os->close(fd);
}

static int is_there(const char *path)
{
    uint64_t bytes;
    return sim_file(machine, path, &bytes) != NULL;
}

static void count_segment(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    (void)data, (void)bytes;
    *(int *)context += strlen(path) > 4 && strcmp(path + strlen(path) - 4, ".seg") == 0;
}

static int segment_count(void)
{
    int count = 0;
    sim_each_file(machine, count_segment, &count);
    return count;
}

static kit_rows read_all(const steplog_id *run, size_t *damaged)
{
    steplog_store *store = kit_store("store", STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, run, "*", NULL);
    *damaged = 0;
    for (size_t i = 0; i < steplog_reader_damage_count(reader); i++) {
        steplog_damage damage = {.size_bytes = sizeof damage};
        OK(steplog_reader_damage(reader, i, &damage));
        *damaged += !damage.is_notice;
    }
    steplog_reader_close(reader);
    kit_store_close(store);
    return rows;
}

static void recover(uint32_t flags)
{
    steplog_store *store = kit_store("store", STEPLOG_NO_THREAD | flags, 0);
    OK(steplog_store_tick(store, 10000, &kit_error));
    kit_store_close(store);
}

static void recover_with(uint32_t flags, uint32_t compact_flags)
{
    steplog_compact_options options = {.size_bytes = sizeof options, .flags = compact_flags};
    if (!compact_flags) {
        recover(flags);
        return;
    }
    steplog_store *store = kit_store("store", STEPLOG_NO_THREAD | flags, 0);
    OK(steplog_store_compact(store, &options, NULL, &kit_error));
    kit_store_close(store);
}

static void end(void)
{
    sim_use(NULL);
    sim_free(machine);
}

/* Half of the first log did not reach the disk, and no mark says that it was to be there: what was written after it did
 * not follow it. */
static steplog_id make_hole(uint32_t flags)
{
    static const uint8_t zeros[40000];
    steplog_id run = make_killed(flags);
    spoil(60000, zeros, sizeof zeros);
    sim_set_boot(machine, 2);
    return run;
}

/* The same of one page, in which a record ends: what was written after it is in the log. */
static steplog_id make_page_hole(uint32_t flags, uint64_t boot)
{
    static const uint8_t zeros[SIM_PAGE_BYTES];
    steplog_id run = make_killed_in(flags, boot);
    spoil(40960, zeros, sizeof zeros);
    return run;
}

static void end_at_hole(uint32_t flags, steplog_id run, uint32_t compact_flags)
{
    size_t damaged, seen = 0;
    for (int round = 0; round < 3; round++) {
        kit_rows rows = read_all(&run, &damaged);
        cr_assert_eq(damaged, 0);
        cr_assert(rows.row_count > 50 && rows.row_count < 200, "%d rows", (int)rows.row_count);
        for (size_t row = 0; row < rows.row_count; row++) cr_assert_eq(rows.steps[row], (int64_t)row);
        cr_assert(round == 0 || rows.row_count == seen, "%d rows before the recovery, %d after it", (int)seen,
                  (int)rows.row_count);
        seen = rows.row_count;
        kit_rows_free(&rows);
        recover_with(flags, compact_flags);
        cr_assert_eq(segment_count(), 1, "round %d: %d segments", round, segment_count());
    }
    cr_assert(is_there(log_path[1]), "a log with rows that were hidden is gone");
    end();
}

IN_BOTH_MODES(recover, a_hole_that_no_mark_covers_ends_what_is_there) { end_at_hole(flags, make_hole(flags), 0); }

/* A machine that can not tell one start from another. */
IN_BOTH_MODES(recover, a_hole_ends_it_where_no_start_is_known) { end_at_hole(flags, make_page_hole(flags, 0), 0); }

/* Of a lost host nobody knows whether it restarted. */
IN_BOTH_MODES(recover, a_hole_ends_what_is_adopted)
{
    steplog_id run = make_page_hole(flags, 1);
    sim_set_host(machine, 2);
    end_at_hole(flags, run, STEPLOG_COMPACT_ADOPT);
}

/* What is behind the hole is not brought, and is no reason to bring again what is before it. */
IN_BOTH_MODES(recover, logs_with_a_hole_are_merged_once)
{
    steplog_id run = make_hole(flags);
    steplog_store *other = kit_store("other", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    for (int round = 0; round < 3; round++) {
        steplog_merge_result result = {.size_bytes = sizeof result};
        OK(steplog_store_merge(other, "store", NULL, NULL, &result, &kit_error));
        cr_assert_eq(result.files_copied > 0, round == 0, "round %d: %d files copied, %d known", round,
                     (int)result.files_copied, (int)result.files_known);
        cr_assert_eq(segment_count(), 1, "round %d: %d segments", round, segment_count());
    }
    kit_store_close(other);
    kit_rows there = kit_read_store("store", &run, "m*", 0), here = kit_read_store("other", &run, "m*", 0);
    cr_assert(here.row_count > 50 && here.row_count == there.row_count, "%d rows of %d", (int)here.row_count,
              (int)there.row_count);
    kit_rows_free(&there);
    kit_rows_free(&here);
    end();
}

/* Of a log in which a record is damaged the others are sealed, and it stays. */
IN_BOTH_MODES(recover, a_log_of_which_not_all_can_be_read_stays)
{
    steplog_id run = make_killed(flags);
    spoil(60002, "damage", 6);
    size_t damaged;
    for (int round = 0; round < 3; round++) {
        kit_rows rows = read_all(&run, &damaged);
        cr_assert_eq(rows.row_count, ROWS - 1);
        kit_rows_free(&rows);
        cr_assert(damaged > 0, "round %d: nothing is said of the damaged record", round);
        recover(flags);
        cr_assert(is_there(log_path[0]), "the damaged log is gone");
    }
    end();
}

/* The first log as it is. The caller frees it. */
static uint8_t *copy_log(uint64_t *bytes)
{
    sim_each_file(machine, find_log, NULL);
    const uint8_t *file = sim_file(machine, log_path[0], bytes);
    uint8_t *copy = file ? malloc(*bytes) : NULL;
    cr_assert(copy);
    return memcpy(copy, file, *bytes);
}

static void put_log(const uint8_t *copy, uint64_t bytes)
{
    int fd = sl_os->open(-1, log_path[0], SL_OS_WRITE);
    cr_assert(fd >= 0 && sl_os_write_full(fd, copy, bytes, 0) == 0);
    sl_os->close(fd);
}

/* The content of the first record of a kind is changed so that it breaks a rule, and all checks are right again. */
static void break_text(unsigned kind, size_t at_content)
{
    uint64_t bytes;
    uint8_t *copy = copy_log(&bytes);
    size_t at = SL_LOG_HEADER_BYTES;
    while (copy[at + 2] != kind) {
        cr_assert(sl_load16(copy + at) > 0 && at < bytes, "there is no record of kind %u", kind);
        at += 8 * (size_t)sl_load16(copy + at);
    }
    memset(copy + at + SL_RECORD_HEAD_BYTES + SL_PART_HEAD_BYTES + at_content, 0, 2);
    reseal_file(copy, bytes, NULL, 0);
    put_log(copy, bytes);
    free(copy);
}

/* A writer of ten rows and of two texts is killed. */
static steplog_id make_texts(void)
{
    machine = sim_new(7);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    for (int64_t step = 0; step < 10; step++) kit_log(writer, "m", step, 1);
    OK(steplog_writer_set_fact(writer, "param.lr", "0.1", &kit_error));
    OK(steplog_writer_blob(writer, "b", 1, STEPLOG_TIME_NONE, "text/plain", "data", 4, &kit_error));
    sim_kill_begin(machine);
    steplog_writer_close(writer, 0, &kit_error);
    steplog_store_close(store, &kit_error);
    sim_kill_end(machine);
    return run;
}

/* What readers call damage is not all in a segment: the log stays, and it is said again. */
static void keep_broken_text(unsigned kind, size_t at_content)
{
    steplog_id run = make_texts();
    break_text(kind, at_content);
    size_t damaged;
    for (int round = 0; round < 3; round++) {
        kit_rows rows = read_all(&run, &damaged);
        cr_assert_eq(rows.row_count, 10);
        kit_rows_free(&rows);
        cr_assert_gt(damaged, 0, "round %d: nothing is said of the text", round);
        recover(0);
        cr_assert(is_there(log_path[0]), "round %d: the log is gone", round);
        cr_assert_eq(segment_count(), 1, "round %d: %d segments", round, segment_count());
    }
    end();
}

/* What an earlier version could not decode its segment lists as dropped: to a version that can, that is no reason to
 * remove the log. */
static void keep_text_of_later_version(unsigned kind, size_t at_content)
{
    steplog_id run = make_texts();
    uint64_t bytes;
    uint8_t *copy = copy_log(&bytes);
    break_text(kind, at_content);
    recover(0);
    cr_assert(is_there(log_path[0]) && segment_count() == 1);
    put_log(copy, bytes);
    free(copy);
    size_t seen = 0;
    for (int round = 0; round < 3; round++) {
        steplog_store *store = kit_store("store", STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
        steplog_reader *reader = kit_reader(store);
        cr_assert_eq(steplog_reader_blob_count(reader, &run), 1, "round %d", round);
        size_t facts = steplog_reader_event_count(reader, &run);
        cr_assert(facts > 0 && (round == 0 || facts == seen), "round %d: %d facts, %d before", round, (int)facts,
                  (int)seen);
        seen = facts;
        steplog_reader_close(reader);
        kit_store_close(store);
        recover(0);
        cr_assert(!is_there(log_path[0]), "round %d: the log is still there", round);
    }
    end();
}

Test(recover, a_fact_of_a_later_version_is_sealed_by_it) { keep_text_of_later_version(SL_RECORD_FACT, 0); }
Test(recover, a_blob_of_a_later_version_is_sealed_by_it) { keep_text_of_later_version(SL_RECORD_BLOB, 16); }

/* The same when that version merged the log into another store: a later merge brings the text. */
static void merge_text_of_later_version(unsigned kind, size_t at_content, int is_sealed)
{
    steplog_id run = make_texts();
    sim_set_process(machine, 77);
    uint64_t bytes;
    uint8_t *copy = copy_log(&bytes);
    break_text(kind, at_content);
    size_t seen = 0;
    steplog_merge_result result = {.size_bytes = sizeof result};
    for (int turn = 0; turn < 4; turn++) {
        if (turn == 2) {
            put_log(copy, bytes);
            if (is_sealed) recover(0);
        }
        steplog_store *other = kit_store("other", (turn ? 0 : STEPLOG_CREATE) | STEPLOG_NO_THREAD, 0);
        OK(steplog_store_merge(other, "store", NULL, NULL, &result, &kit_error));
        cr_assert_eq(result.files_copied, turn % 2 ? 0 : 1, "turn %d: %d files copied", turn, (int)result.files_copied);
        steplog_reader *reader = kit_reader(other);
        size_t facts = steplog_reader_event_count(reader, &run);
        if (turn == 0) seen = facts;
        cr_assert_eq(facts, seen + (turn >= 2 && kind == SL_RECORD_FACT), "turn %d", turn);
        cr_assert_eq(steplog_reader_blob_count(reader, &run), turn >= 2 || kind == SL_RECORD_FACT, "turn %d", turn);
        steplog_reader_close(reader);
        kit_store_close(other);
    }
    free(copy);
    end();
}

Test(recover, a_fact_of_a_later_version_is_merged_by_it) { merge_text_of_later_version(SL_RECORD_FACT, 0, 0); }
Test(recover, a_sealed_fact_of_a_later_version_is_merged_by_it) { merge_text_of_later_version(SL_RECORD_FACT, 0, 1); }
Test(recover, a_blob_of_a_later_version_is_merged_by_it) { merge_text_of_later_version(SL_RECORD_BLOB, 16, 0); }
Test(recover, a_sealed_blob_of_a_later_version_is_merged_by_it) { merge_text_of_later_version(SL_RECORD_BLOB, 16, 1); }

Test(recover, a_log_with_a_fact_that_breaks_a_rule_stays) { keep_broken_text(SL_RECORD_FACT, 0); }
Test(recover, a_log_with_a_blob_that_breaks_a_rule_stays) { keep_broken_text(SL_RECORD_BLOB, 16); }

/* A writer that has ten rows and a text of three parts is killed, and one part is spoilt. */
static steplog_id make_broken_part(uint32_t flags, uint64_t at)
{
    static char data[150000];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(kit_bits(kit_value(3, 0, i, 0)) >> 8);
    machine = sim_new(7);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    for (int64_t step = 0; step < 10; step++) kit_log(writer, "m", step, 1);
    OK(steplog_writer_blob(writer, "b", 1, STEPLOG_TIME_NONE, "text/plain", data, sizeof data, &kit_error));
    sim_kill_begin(machine);
    steplog_writer_close(writer, 0, &kit_error);
    steplog_store_close(store, &kit_error);
    sim_kill_end(machine);
    sim_set_process(machine, 77);
    sim_each_file(machine, find_log, NULL);
    int fd = sl_os->open(-1, log_path[0], SL_OS_WRITE);
    cr_assert(fd >= 0 && sl_os_write_full(fd, "damage", 6, at) == 0);
    sl_os->close(fd);
    return run;
}

/* Its other parts are listed as dropped, and it stays for the damage: that is no reason to seal again. */
IN_BOTH_MODES(recover, a_log_with_a_text_that_lost_a_part_is_sealed_once)
{
    make_broken_part(flags, 100000);
    for (int round = 0; round < 3; round++) {
        recover(flags);
        cr_assert(is_there(log_path[0]), "round %d: the damaged log is gone", round);
        cr_assert_eq(segment_count(), 1, "round %d: %d segments", round, segment_count());
    }
    end();
}

/* What sealing lists as dropped was not freed by a removal. */
IN_BOTH_MODES(recover, a_text_that_was_not_completed_does_not_keep_a_removal)
{
    steplog_id run = make_broken_part(flags, 150000);
    recover(flags);
    cr_assert(!is_there(log_path[0]) && segment_count() == 1);
    steplog_store *store = kit_store("store", STEPLOG_NO_THREAD | flags, 0);
    steplog_remove_options options = {.size_bytes = sizeof options, .run = run};
    steplog_remove_result removed = {.size_bytes = sizeof removed};
    OK(steplog_remove(store, &options, &removed, &kit_error));
    uint64_t restored = 0;
    OK(steplog_remove_undo(store, &run, &restored, &kit_error));
    cr_assert_eq(restored, removed.tombstone_count);
    kit_store_close(store);
    size_t damaged;
    kit_rows rows = read_all(&run, &damaged);
    cr_assert_eq(rows.row_count, 10);
    kit_rows_free(&rows);
    end();
}

/* Nor does a compaction that carries that on: what is left of the removed is there to be had back. */
static void undo_after_compaction(uint32_t flags, const char *selector)
{
    steplog_id run = make_broken_part(flags, 150000);
    recover(flags);
    steplog_store *store = kit_store("store", STEPLOG_NO_THREAD | flags, 0);
    steplog_writer *writer = kit_writer(store, "other", 0, 0);
    kit_log(writer, "m", 1, 1);
    kit_writer_close(writer);
    steplog_remove_options options = {.size_bytes = sizeof options, .run = run, .selector = selector};
    steplog_remove_result removed = {.size_bytes = sizeof removed};
    OK(steplog_remove(store, &options, &removed, &kit_error));
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    cr_assert_eq(segment_count(), 1);
    uint64_t restored = 0;
    OK(steplog_remove_undo(store, &run, &restored, &kit_error));
    cr_assert_eq(restored, removed.tombstone_count);
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, &run, "m", NULL);
    cr_assert_eq(rows.row_count, 10);
    kit_rows_free(&rows);
    steplog_reader_close(reader);
    kit_store_close(store);
    end();
}

IN_BOTH_MODES(recover, a_compacted_part_of_a_text_does_not_keep_a_removal) { undo_after_compaction(flags, NULL); }
IN_BOTH_MODES(recover, a_compacted_part_of_a_text_does_not_keep_a_removed_series) { undo_after_compaction(flags, "m"); }

/* A text that is not complete brings nothing, again and again, whatever became of what was merged before. */
static void merge_broken_part(uint32_t flags, int is_sealed)
{
    steplog_id run = make_broken_part(flags, 150000);
    if (is_sealed) recover(flags);
    for (int turn = 0; turn < 3; turn++) {
        steplog_merge_result result = {.size_bytes = sizeof result};
        steplog_store *other = kit_store("other", (turn ? 0 : STEPLOG_CREATE) | STEPLOG_NO_THREAD | flags, 0);
        OK(steplog_store_merge(other, "store", NULL, NULL, &result, &kit_error));
        cr_assert_eq(result.files_copied, turn == 0, "turn %d: %d files copied", turn, (int)result.files_copied);
        steplog_remove_options options = {.size_bytes = sizeof options, .run = run};
        steplog_remove_result removed = {.size_bytes = sizeof removed};
        if (turn == 1) OK(steplog_remove(other, &options, &removed, &kit_error));
        kit_writer_close(kit_writer(other, turn ? "one more" : "one", 0, 0));
        OK(steplog_store_compact(other, &(steplog_compact_options){.size_bytes = sizeof(steplog_compact_options),
                                                                   .flags = STEPLOG_COMPACT_NOW}, NULL, &kit_error));
        kit_store_close(other);
    }
    end();
}

IN_BOTH_MODES(recover, a_part_of_a_text_is_merged_once) { merge_broken_part(flags, 0); }
IN_BOTH_MODES(recover, a_sealed_part_of_a_text_is_merged_once) { merge_broken_part(flags, 1); }

static sl_os_table table;
static const sl_os_table *under;

/* ---- a disk that is full while its writer dies ---- */

static steplog_store *full_store;
static steplog_writer *full_writer;
static steplog_schema full_schema;
static int64_t refused_count;
static int is_dying;

static void refuse(int count)
{
    double values[COLUMNS] = {0};
    for (int i = 0; i < count; i++, refused_count++)
        GIVES(FULL, steplog_writer_append(full_writer, full_schema, refused_count, STEPLOG_TIME_NONE, values));
}

/* Its log has been looked at already. */
static int lock_after_death(int fd)
{
    if (is_dying) {
        is_dying = 0; /* it locks files, too */
        sim_set_process(machine, 1);
        refuse(3);
        sim_kill_begin(machine);
        steplog_writer_close(full_writer, 0, NULL);
        steplog_store_close(full_store, NULL);
        sim_kill_end(machine);
        sim_set_process(machine, 77);
        sim_set_budget(machine, UINT64_MAX, SIM_PAGE_BYTES);
    }
    return under->lock(fd);
}

IN_BOTH_MODES(recover, tells_of_all_that_was_refused_until_its_writer_died)
{
    machine = sim_new(7);
    sim_use(machine);
    sim_set_process(machine, 1);
    full_store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    full_writer = kit_writer(full_store, "run", 0, 0);
    steplog_id run = kit_run_of(full_writer);
    full_schema = kit_schema(full_writer, "m", COLUMNS);
    double values[COLUMNS] = {0};
    OK(steplog_writer_append(full_writer, full_schema, 0, STEPLOG_TIME_NONE, values));
    sim_set_budget(machine, sim_used_bytes(machine), SIM_PAGE_BYTES);
    while (steplog_writer_append(full_writer, full_schema, 0, STEPLOG_TIME_NONE, values) == STEPLOG_OK) continue;
    refused_count = 1;
    refuse(3);
    sim_set_process(machine, 77);
    under = sl_os;
    table = *under;
    table.lock = lock_after_death;
    sl_os = &table;
    is_dying = 1;
    recover(flags);
    sl_os = under;
    cr_assert_eq(is_dying, 0, "no log was looked at");
    recover(flags);
    cr_assert_eq(segment_count(), 1, "%d segments", segment_count());
    steplog_store *store = kit_store("store", STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    int64_t told = 0;
    for (size_t i = 0; i < steplog_reader_event_count(reader, &run); i++) {
        steplog_event event = {.size_bytes = sizeof event};
        OK(steplog_reader_event(reader, &run, i, &event, &kit_error));
        if (event.kind == STEPLOG_EVENT_GAP) told += event.number;
    }
    cr_assert_eq(told, refused_count * COLUMNS, "%d points were refused, the gaps tell of %d",
                 (int)(refused_count * COLUMNS), (int)told);
    steplog_reader_close(reader);
    kit_store_close(store);
    end();
}

/* ---- a disk that takes everything and keeps something else ---- */

static int is_lying;

static int64_t pwrite_wrong(int fd, const void *data, size_t bytes, uint64_t offset)
{
    static uint8_t copy[1 << 20];
    if (!is_lying || bytes < 512 || bytes > sizeof copy) return under->pwrite(fd, data, bytes, offset);
    is_lying = 0;
    memcpy(copy, data, bytes);
    copy[bytes / 2] ^= 4;
    return under->pwrite(fd, copy, bytes, offset);
}

static void begin_to_lie(void)
{
    under = sl_os;
    table = *under;
    table.pwrite = pwrite_wrong;
    sl_os = &table;
    is_lying = 1;
}

static void check_whole(const steplog_id *run)
{
    size_t damaged;
    kit_rows rows = read_all(run, &damaged);
    cr_assert_eq(rows.row_count, ROWS, "%d rows", (int)rows.row_count);
    for (size_t row = 0; row < ROWS; row++) {
        cr_assert_eq(rows.steps[row], (int64_t)row);
        for (size_t c = 0; c < COLUMNS; c++) cr_assert(kit_has(&rows, row, c));
    }
    kit_rows_free(&rows);
}

Test(recover, logs_stay_until_their_segment_was_read_back)
{
    steplog_id run = make_killed(0);
    begin_to_lie();
    steplog_store *store = kit_store("store", STEPLOG_NO_THREAD, 0);
    steplog_store_tick(store, 10000, &kit_error);
    cr_assert_eq(is_lying, 0, "nothing was sealed");
    kit_store_close(store);
    check_whole(&run);
    recover(0);
    check_whole(&run);
    end();
}

Test(recover, segments_stay_until_what_they_were_merged_into_was_read_back)
{
    steplog_id run = make_killed(0);
    recover(0);
    steplog_store *store = kit_store("store", STEPLOG_NO_THREAD, 0);
    kit_writer_close(kit_writer(store, "run", 0, 0));
    begin_to_lie();
    GIVES(IO, steplog_store_compact(store, NULL, NULL, &kit_error));
    cr_assert_eq(is_lying, 0, "nothing was compacted");
    kit_store_close(store);
    check_whole(&run);
    end();
}

static int other_host(uint8_t out[16])
{
    memset(out, 0x5a, 16);
    return 0;
}

/* Nobody here can tell whether its writer lives: until someone says that the host is lost. */
IN_BOTH_MODES(recover, a_log_of_another_host_stays_until_it_is_adopted)
{
    steplog_id run = make_killed(flags);
    const sl_os_table *own = sl_os;
    sl_os_table elsewhere = *sl_os;
    elsewhere.host_id = other_host;
    sl_os = &elsewhere;
    steplog_store *store = kit_store("store", STEPLOG_NO_THREAD | flags, 65536);
    log_path[0][0] = log_path[1][0] = 0;
    for (int i = 0; i < 3; i++) OK(steplog_store_tick(store, 1000, &kit_error));
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    sim_each_file(machine, find_log, NULL);
    cr_assert(log_path[0][0] && log_path[1][0], "the logs were taken from a writer that may live");
    kit_rows rows = kit_read_store("store", &run, "m*", 0);
    cr_assert_eq(rows.row_count, ROWS);
    kit_rows_free(&rows);
    steplog_compact_options adopt = {.size_bytes = sizeof adopt, .flags = STEPLOG_COMPACT_ADOPT};
    OK(steplog_store_compact(store, &adopt, NULL, &kit_error));
    log_path[0][0] = log_path[1][0] = 0;
    sim_each_file(machine, find_log, NULL);
    cr_assert(!log_path[0][0] && !log_path[1][0], "a log that was adopted is still there");
    rows = kit_read_store("store", &run, "m*", 0);
    cr_assert_eq(rows.row_count, ROWS);
    kit_rows_free(&rows);
    kit_store_close(store);
    sl_os = own;
    sim_use(NULL);
    sim_free(machine);
}
