/* A snapshot has no hole: a writer goes on into logs that a reader has passed over as spares, or has not listed at all,
 * while the reader looks at the others. */
#include "steplog.h"

#include "os/os.h"
#include "support/call_hook.h"
#include "support/random.h"
#include "support/sim_os.h"
#include "support/store_kit.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { LOG_ROWS = 3400 }; /* a log of 64 KiB holds fewer */

static sl_os_table table;
static const sl_os_table *under;
static steplog_store *store;
static steplog_writer *writer;
static steplog_schema schema;
static steplog_id run;
static int64_t written;
static sim *machine;

static void append(int64_t rows)
{
    const double value = 1;
    for (int64_t end = written + rows; written < end; written++)
        OK(steplog_writer_append(writer, schema, written, STEPLOG_TIME_NONE, &value));
}

static void begin_unsealed(uint64_t seed, uint32_t flags)
{
    machine = sim_new(seed);
    sim_use(machine);
    written = 0;
    store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, 65536);
    writer = kit_writer(store, "run", 0, 0);
    run = kit_run_of(writer);
    schema = kit_schema(writer, "m", 1);
    append(5 * LOG_ROWS);
}

/* Four logs and some were sealed, and most of their files are spares. */
static void begin(uint64_t seed, uint32_t flags)
{
    begin_unsealed(seed, flags);
    OK(steplog_store_tick(store, 10000, &kit_error));
    append(100);
}

static void end(void)
{
    kit_writer_close(writer);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}

/* All that had been written when the reader began, and what is shown of the rest is the beginning of it. */
static void look(steplog_reader *reader, int64_t least, const char *what, int number)
{
    kit_rows rows = kit_read(reader, &run, "*", NULL);
    for (size_t row = 0; row < rows.row_count; row++)
        cr_assert_eq(rows.steps[row], (int64_t)row, "%s %d: rows %d to %d are missing, later ones are shown", what,
                     number, (int)row, (int)rows.steps[row] - 1);
    cr_assert_geq((int64_t)rows.row_count, least, "%s %d: %d rows of %d", what, number, (int)rows.row_count,
                  (int)least);
    kit_rows_free(&rows);
    kit_no_damage(reader);
}

/* ---- the writer acts at the opening of a log ---- */

static int opened, listed, act_at, act_from;
static int64_t fill;

static int open_and_act(int dir, const char *name, int mode)
{
    int fd = under->open(dir, name, mode);
    size_t bytes = strlen(name);
    if (mode != SL_OS_READ || bytes < 4 || strcmp(name + bytes - 4, ".log") != 0) return fd;
    opened++;
    if (opened == act_at || (act_from && opened >= act_from)) append(fill);
    return fd;
}

static int open_dir_and_count(int dir, const char *name)
{
    listed += strcmp(name, "log") == 0;
    return under->open_dir(dir, name);
}

static void hook(int at, int from)
{
    opened = listed = 0;
    act_at = at, act_from = from;
    under = sl_os;
    table = *under;
    table.open = open_and_act;
    table.open_dir = open_dir_and_count;
    sl_os = &table;
}

static void unhook(void) { sl_os = under; }

IN_BOTH_MODES(holes, are_not_made_by_logs_that_were_spares)
{
    for (fill = LOG_ROWS; fill <= 3 * LOG_ROWS; fill += LOG_ROWS)
        for (int at = 1; at <= 5; at++) {
            begin(3, flags);
            int64_t least = written;
            hook(at, 0);
            steplog_reader *reader = kit_reader(store);
            unhook();
            look(reader, least, "opened at", at);
            OK(steplog_reader_refresh(reader, &kit_error));
            look(reader, written, "refreshed after", at);
            steplog_reader_close(reader);
            end();
        }
}

IN_BOTH_MODES(holes, are_not_made_when_a_reader_is_refreshed)
{
    for (fill = LOG_ROWS; fill <= 3 * LOG_ROWS; fill += LOG_ROWS)
        for (int at = 1; at <= 5; at++) {
            begin(3, flags);
            steplog_reader *reader = kit_reader(store);
            append(50);
            int64_t least = written;
            hook(at, 0);
            OK(steplog_reader_refresh(reader, &kit_error));
            unhook();
            look(reader, least, "refreshed at", at);
            steplog_reader_close(reader);
            end();
        }
}

/* It fills logs as fast as the reader opens them: that one looks twice and no more, and shows what it can. */
IN_BOTH_MODES(holes, are_not_made_by_a_writer_that_never_rests)
{
    for (fill = LOG_ROWS; fill <= 4 * LOG_ROWS; fill += LOG_ROWS)
        for (int from = 1; from <= 4; from++) {
            begin(3, flags);
            int64_t least = written;
            hook(0, from);
            steplog_reader *reader = kit_reader(store);
            unhook();
            cr_assert_leq(listed, 2, "logs were listed %d times", listed);
            look(reader, least, "opened from", from);
            OK(steplog_reader_refresh(reader, &kit_error));
            look(reader, written, "refreshed after", from);
            steplog_reader_close(reader);
            end();
        }
}

/* ---- what it costs ---- */

static char second_log[128];

static int note_second(void *context, const char *name)
{
    (void)context;
    size_t bytes = strlen(name);
    if (bytes > 6 && strcmp(name + bytes - 6, "-2.log") == 0) snprintf(second_log, sizeof second_log, "%s", name);
    return 0;
}

IN_BOTH_MODES(holes, that_are_not_there_cost_nothing)
{
    begin(3, flags);
    hook(0, 0);
    steplog_reader *reader = kit_reader(store);
    int at_first = opened;
    cr_assert_eq(listed, 1, "listed %d times", listed);
    OK(steplog_reader_refresh(reader, &kit_error));
    cr_assert_eq(listed, 2, "listed %d times", listed);
    cr_assert_lt(opened - at_first, at_first, "the log that is known was opened again");
    unhook();
    steplog_reader_close(reader);
    end();
}

/* A number that is really missing is looked for once more, and then no more. */
IN_BOTH_MODES(holes, that_are_there_are_looked_for_once)
{
    begin_unsealed(4, flags);
    second_log[0] = 0;
    int dir = sl_os->open_dir(-1, "store/log");
    cr_assert(dir >= 0 && sl_os->list(dir, note_second, NULL) >= 0 && second_log[0]);
    cr_assert_eq(sl_os->unlink(dir, second_log), 0);
    sl_os->close(dir);
    hook(0, 0);
    steplog_reader *reader = kit_reader(store);
    cr_assert_eq(listed, 2, "a missing log was looked for %d times", listed - 1);
    kit_rows rows = kit_read(reader, &run, "*", NULL);
    cr_assert_eq(rows.steps[rows.row_count - 1], written - 1, "what is behind it is shown");
    cr_assert_lt((int64_t)rows.row_count, written);
    size_t shown = rows.row_count;
    kit_rows_free(&rows);
    for (int i = 1; i < 4; i++) {
        append(20);
        OK(steplog_reader_refresh(reader, &kit_error));
        cr_assert_eq(listed, 2 + i, "refreshed %d times: listed %d times", i, listed);
        rows = kit_read(reader, &run, "*", NULL);
        cr_assert_eq(rows.row_count, shown + 20 * (size_t)i);
        kit_rows_free(&rows);
    }
    unhook();
    steplog_reader_close(reader);
    end();
}

/* ---- at random ---- */

static test_random random_acts;

static void act(void)
{
    switch (test_random_below(&random_acts, 12)) {
    case 0: append(1 + (int64_t)test_random_below(&random_acts, 3 * LOG_ROWS)); break;
    case 1: append(100); break;
    case 2: OK(steplog_store_tick(store, 10000, &kit_error)); break;
    case 3: append(LOG_ROWS); break;
    default: break;
    }
}

/* Rows are appended, sealed and compacted between any two calls of a reader. */
IN_BOTH_MODES(holes, are_not_made_whatever_happens_meanwhile)
{
    test_random seeds = test_random_begin("holes");
    for (int i = 0; i < 8; i++) {
        uint64_t seed = test_random_u64(&seeds);
        begin(seed, flags);
        random_acts = test_random_from(seed);
        steplog_store *other = kit_store("store", STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
        steplog_reader *reader = NULL;
        for (int turn = 0; turn < 3; turn++) {
            int64_t least = written;
            test_hook_calls(0, act);
            if (reader)
                OK(steplog_reader_refresh(reader, &kit_error));
            else
                reader = kit_reader(other);
            test_unhook_calls();
            look(reader, least, "store", i);
        }
        steplog_reader_close(reader);
        kit_store_close(other);
        end();
    }
}
