/* test_import_target.c: an import that is interrupted while its rows are held back. */
#include "import_target.h"

#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 3000, STOP_ROW = 2048 };

static void stop_at_row(void *context, const import_file *file)
{
    (void)context;
    import_stop = file->table.row_count == STOP_ROW;
}

/* Imports a file as the command does. Returns its exit code; *target receives the counts, *read_code what the parser
 * answered. */
static int import(const char *path, int is_stopped, import_target *target, int *read_code)
{
    session s = {0};
    import_runs runs = {0};
    import_file file = {.json = json_new(0)};
    const import_options options = {0};
    const import_target_options target_options = {0};
    cr_assert_eq(session_open_writer(&s, STEPLOG_CREATE), 0);
    cr_assert_eq(steplog_reader_open(s.store, &s.reader, NULL), STEPLOG_OK);
    cr_assert_eq(import_runs_read(&runs, &s), 0);
    cr_assert_eq(import_input_open(&file.input, path), 0);
    import_file_detect(&file);
    import_table_init(&file.table, &options, IMPORT_STEP_FIXED);
    cr_assert_eq(import_file_parse(&file, 1), 0);
    import_target_init(target, &target_options, &s, &runs, &file);
    target->progress = is_stopped ? stop_at_row : NULL;
    import_stop = 0;
    cr_assert_eq(import_target_next(target), 0);
    import_table_start(&file.table, target->step_rank, import_target_row, target);
    *read_code = import_file_parse(&file, 0);
    const int code = import_target_finish(target, *read_code == 0);
    import_target_clear(target);
    import_runs_clear(&runs);
    import_file_close(&file);
    return session_close(&s, code);
}

Test(import_target, an_interrupt_keeps_the_rows_held_back)
{
    const char *path = test_path(test_temp_dir(), "a.csv");
    import_target target;
    int read_code;
    setenv("STEPLOG_DIR", test_path(test_temp_dir(), "store"), 1);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs("step,loss,val\n", file);
    for (int i = 0; i < ROWS; i++) {
        fprintf(file, "%d,%s%d%s\n", i, i % 7 == 0 ? "," : "", i, i % 7 == 0 ? "" : ",");
    }
    fclose(file);

    cr_assert_eq(import(path, 1, &target, &read_code), 0, "what was held back is recorded");
    cr_assert_eq(read_code, TOOL_IO, "the interrupt ends the reading");
    cr_assert_eq(target.new_rows, STOP_ROW, "found %llu rows", (unsigned long long)target.new_rows);
    cr_assert_eq(target.new_points, STOP_ROW);

    cr_assert_eq(import(path, 0, &target, &read_code), 0);
    cr_assert_eq(read_code, 0);
    cr_assert_eq(target.known_rows, STOP_ROW, "the store has %llu rows", (unsigned long long)target.known_rows);
    cr_assert_eq(target.new_rows, ROWS - STOP_ROW);

    cr_assert_eq(import(path, 0, &target, &read_code), 0);
    cr_assert_eq(target.known_rows, ROWS);
    cr_assert_eq(target.new_rows, 0);
}
