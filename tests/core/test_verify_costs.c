/* Verify, of segments that say more than they are: what it costs is in proportion to the file. */
#include "steplog.h"

#include "support/costs.h"
#include "support/made_segment.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16 << 20 };

typedef struct told {
    size_t impossible, columns;
    char last[20000]; /* series */
} told;

static int take(void *context, const steplog_damage *finding)
{
    told *t = context;
    if (strstr(finding->what, "or it is impossible")) t->impossible++;
    if (finding->series && strcmp(finding->series, t->last) != 0) {
        t->columns++;
        cr_assert_lt(strlen(finding->series), sizeof t->last);
        memcpy(t->last, finding->series, strlen(finding->series) + 1);
    }
    return 0;
}

static told verify(const char *path)
{
    static told t;
    steplog_verify_options options = {.size_bytes = sizeof options, .callback = take, .context = &t};
    steplog_verify_result result = {.size_bytes = sizeof result};
    memset(&t, 0, sizeof t);
    cr_assert_eq(steplog_store_verify(path, &options, &result, &kit_error), STEPLOG_CORRUPT, "%s", kit_error.text);
    return t;
}

/* Ordinals that leave out what was never there; the file is as long as if it could have been. */
Test(verify_costs, ordinals_that_leave_out_many_are_impossible)
{
    enum { PAGES = 3, APART = 60000 };
    const char *path = test_temp_dir();
    made_store(path);
    made_segment s = made_segment_begin(path, 0);
    for (uint32_t i = 0; i < PAGES; i++) {
        steplog_id run = made_id(2 * i), incarnation = made_id(2 * i + 1);
        made_writer_page(&s, (i + 1) * APART, &run, &incarnation, 0);
        (void)made_schema_page(&s, (i + 1) * APART, 1, 16, i);
    }
    uint64_t noise[20000] = {0};
    while (s.file.bytes < (uint64_t)PAGES * APART * 30) {
        for (size_t i = 0; i < sizeof noise / sizeof *noise; i++) noise[i] = (s.file.bytes + i) * 0x9e3779b97f4a7c15;
        made_page(&s, SL_PAGE_BLOB, 0, noise, sizeof noise);
    }
    made_segment_end(&s);
    test_costs_begin();
    cr_expect_eq(verify(path).impossible, 2 * (PAGES - 1));
    cr_expect_leq(test_costs_peak(), MOST);
    cr_expect_eq(test_costs_held(), 0);
    test_costs_end();
}
