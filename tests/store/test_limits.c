/* A call that would pass a limit says so and changes nothing. */
#include "steplog.h"

#include "support/sim_os.h"
#include "support/store_kit.h"

#include <criterion/criterion.h>
#include <stdio.h>

static sim *machine;
static steplog_store *store;

static void begin(void)
{
    machine = sim_new(1);
    sim_use(machine);
    store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
}

static void end(void)
{
    kit_store_close(store);
    kit_verify("store");
    sim_use(NULL);
    sim_free(machine);
}

Test(limits, a_run_at_its_last_attempt_is_not_rewound)
{
    begin();
    for (uint32_t left = 2; left-- > 0;) {
        char key[16];
        snprintf(key, sizeof key, "%u", left);
        steplog_writer *writer = kit_writer(store, key, 0, UINT32_MAX - left);
        steplog_id run = kit_run_of(writer);
        for (int64_t step = 0; step < 10; step++) kit_log(writer, "m", step, 1);
        kit_writer_close(writer);
        uint32_t attempt = 7;
        if (left) OK(steplog_run_rewind(store, &run, 5, &attempt, &kit_error));
        else GIVES(LIMIT, steplog_run_rewind(store, &run, 5, &attempt, &kit_error));
        cr_expect_eq(attempt, left ? UINT32_MAX : 7);
        kit_rows rows = kit_read_store("store", &run, "m", 0);
        cr_expect_eq(rows.row_count, left ? 5 : 10);
        kit_rows_free(&rows);
    }
    end();
}
