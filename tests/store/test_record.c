/* Facts from outside when something fails after their segment has its name: the call failed, so none is recorded. */
#include "steplog.h"

#include "base/memory.h"
#include "os/os.h"
#include "support/sim_os.h"
#include "support/store_kit.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef enum failing { NONE, ALLOCATE, OPEN, READ, SYNC } failing;

static sim *machine;
static sl_os_table table;
static const sl_os_table *under;
static failing kind;
static int is_armed, is_named, fails_at, call_count, unlink_fails;

/* Calls count once the segment has its name; one of them fails. */
static int is_due(failing what)
{
    return is_armed && is_named && kind == what && ++call_count == fails_at;
}

static void *resize(void *old, size_t bytes) { return is_due(ALLOCATE) ? NULL : realloc(old, bytes); }

static int open_or_fail(int dir, const char *name, int mode)
{
    return is_due(OPEN) ? -EMFILE : under->open(dir, name, mode);
}

static int64_t pread_or_fail(int fd, void *buffer, size_t bytes, uint64_t offset)
{
    return is_due(READ) ? -EIO : under->pread(fd, buffer, bytes, offset);
}

static int sync_or_fail(int fd) { return is_due(SYNC) ? -EIO : under->sync_all(fd); }

static int rename_seen(int dir, const char *from, int to_dir, const char *to)
{
    int e = under->rename(dir, from, to_dir, to);
    if (is_armed && e == 0 && strstr(to, ".seg")) is_named = 1;
    return e;
}

static int unlink_or_fail(int dir, const char *name)
{
    return is_armed && unlink_fails && strstr(name, ".seg") ? -EIO : under->unlink(dir, name);
}

static steplog_id begin(steplog_store **store)
{
    machine = sim_new(1);
    sim_use(machine);
    under = sl_os;
    table = *under;
    table.open = open_or_fail;
    table.pread = pread_or_fail;
    table.sync_all = sync_or_fail;
    table.rename = rename_seen;
    table.unlink = unlink_or_fail;
    sl_os = &table;
    sl_memory_functions.resize = resize;
    *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    steplog_writer *writer = kit_writer(*store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    for (int i = 0; i < 10; i++) kit_log(writer, "m", i, i);
    kit_writer_close(writer);
    return run;
}

static void end(steplog_store *store)
{
    kit_store_close(store);
    sl_memory_functions.resize = realloc;
    sim_use(NULL);
    sim_free(machine);
}

static steplog_status rewind_with(steplog_store *store, const steplog_id *run, failing what, int at)
{
    kind = what;
    fails_at = at;
    is_named = call_count = 0;
    is_armed = 1;
    steplog_status status = steplog_run_rewind(store, run, 5, NULL, &kit_error);
    is_armed = 0;
    return status;
}

static size_t row_count(const steplog_id *run)
{
    kit_rows rows = kit_read_store("store", run, "m", 0);
    size_t count = rows.row_count;
    kit_rows_free(&rows);
    return count;
}

static void expect_none_where_it_failed(failing what, steplog_status expected)
{
    steplog_store *store;
    steplog_id run = begin(&store);
    int at = 1;
    for (;; at++) {
        steplog_status status = rewind_with(store, &run, what, at);
        if (status == STEPLOG_OK) break;
        cr_assert_eq(status, expected, "call %d: %s: %s", at, steplog_status_name(status), kit_error.text);
        cr_assert(!strstr(kit_error.text, "may be recorded"), "call %d: %s", at, kit_error.text);
        cr_assert_eq(row_count(&run), 10, "call %d: rewound though it failed", at);
    }
    cr_assert(at > 1, "nothing failed");
    cr_assert_eq(row_count(&run), 5);
    end(store);
}

Test(record, nothing_when_memory_is_short_after_the_segment_has_its_name)
{
    expect_none_where_it_failed(ALLOCATE, STEPLOG_NOMEM);
}

Test(record, nothing_when_the_segment_cannot_be_opened_again) { expect_none_where_it_failed(OPEN, STEPLOG_IO); }

Test(record, nothing_when_the_segment_cannot_be_read_back) { expect_none_where_it_failed(READ, STEPLOG_IO); }

Test(record, nothing_when_the_directory_cannot_be_synced) { expect_none_where_it_failed(SYNC, STEPLOG_IO); }

Test(record, says_that_it_may_be_there_when_it_cannot_be_taken_back)
{
    steplog_store *store;
    steplog_id run = begin(&store);
    unlink_fails = 1;
    cr_assert_eq(rewind_with(store, &run, ALLOCATE, 1), STEPLOG_IO, "%s", kit_error.text);
    cr_assert(strstr(kit_error.text, "may be recorded"), "%s", kit_error.text);
    cr_assert_eq(row_count(&run), 5);
    end(store);
}

/* More facts than one log holds: those before the log in use are taken back, too. */
Test(record, nothing_when_a_later_fact_finds_no_room)
{
    enum { FACTS = 5, VALUE_BYTES = 300000 };
    steplog_store *store;
    steplog_id run = begin(&store);
    char *value = malloc(VALUE_BYTES + 1);
    memset(value, 'v', VALUE_BYTES);
    value[VALUE_BYTES] = '\0';
    const steplog_pair facts[FACTS] = {{"a", value}, {"b", value}, {"c", value}, {"d", value}, {"e", value}};
    int at = 1;
    for (steplog_status status = STEPLOG_FULL; status != STEPLOG_OK; at++) {
        const sim_fault no_room = {.kinds = SIM_SPACE | SIM_WRITE, .at = (uint64_t)at, .os_errno = ENOSPC, .is_sticky = 1};
        sim_set_faults(machine, &no_room, 1);
        status = steplog_run_set_facts(store, &run, facts, FACTS, &kit_error);
        const int has_failed = status != STEPLOG_OK;
        sim_set_faults(machine, NULL, 0);
        cr_assert(status == STEPLOG_OK || status == STEPLOG_FULL, "%s", kit_error.text);
        OK(steplog_store_close(store, &kit_error));
        store = kit_store("store", STEPLOG_NO_THREAD, 65536);
        OK(steplog_store_tick(store, 1000, &kit_error)); /* seals what is left behind */
        steplog_reader *reader = kit_reader(store);
        for (int i = 0; i < FACTS && has_failed; i++) {
            const char *recorded = NULL;
            steplog_status found = steplog_reader_fact(reader, &run, facts[i].key, &recorded);
            cr_assert_eq(found, STEPLOG_MISSING, "'%s' is there; no room from call %d on", facts[i].key, at);
        }
        steplog_reader_close(reader);
    }
    cr_assert(at > 4, "%d calls that take room: too few", at);
    free(value);
    end(store);
}
