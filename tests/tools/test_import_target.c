/* test_import_target.c: an import that is interrupted, killed, or not alone. */
#include "import_target.h"

#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 3000, STOP_ROW = 2048 };

static void stop_at_row(void *context, const import_file *file)
{
    (void)context;
    import_stop = file->table.row_count == STOP_ROW;
}

/* An import as the command does it, in steps. */
typedef struct importing {
    session s;
    import_runs runs;
    import_file file;
    import_target target;
} importing;

static const import_target_options default_target;

static void begin_import(importing *i, const char *path)
{
    const import_options options = {0};
    *i = (importing){.file = {.json = json_new(0)}};
    import_stop = 0;
    cr_assert_eq(session_open_writer(&i->s, STEPLOG_CREATE), 0);
    cr_assert_eq(steplog_reader_open(i->s.store, &i->s.reader, NULL), STEPLOG_OK);
    cr_assert_eq(import_runs_read(&i->runs, &i->s), 0);
    cr_assert_eq(import_input_open(&i->file.input, path), 0);
    import_file_detect(&i->file);
    import_table_init(&i->file.table, &options, IMPORT_STEP_FIXED);
    cr_assert_eq(import_file_parse(&i->file, 1), 0);
    import_target_init(&i->target, &default_target, &i->s, &i->runs, &i->file);
}

/* Returns what the parser answered. */
static int read_rows(importing *i)
{
    int code;
    do {
        cr_assert_eq(import_target_next(&i->target), 0);
        import_table_start(&i->file.table, i->target.step_rank, import_target_row, &i->target);
        code = import_file_parse(&i->file, 0);
    } while (code == IMPORT_RESTART);
    return code;
}

static int end_import(importing *i, int read_code)
{
    const int code = import_target_finish(&i->target, read_code == 0);
    import_target_clear(&i->target);
    import_runs_clear(&i->runs);
    import_file_close(&i->file);
    return session_close(&i->s, code);
}

/* Returns its exit code; *target receives the counts, *read_code what the parser answered. */
static int import(const char *path, int is_stopped, import_target *target, int *read_code)
{
    importing i;
    begin_import(&i, path);
    i.target.progress = is_stopped ? stop_at_row : NULL;
    *read_code = read_rows(&i);
    const int code = end_import(&i, *read_code);
    *target = i.target;
    return code;
}

static void write_text(const char *path, int row_count, const char *last)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs("step,loss\n", file);
    for (int i = 0; i < row_count; i++) {
        fprintf(file, "%d,%d\n", i, i);
    }
    fputs(last, file);
    fclose(file);
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

Test(import_target, a_kill_leaves_no_half_row_that_passes_for_a_whole_one)
{
    enum { ROWS_KILLED = 6000 };
    const char *path = test_path(test_temp_dir(), "a.csv");
    import_target target;
    int read_code;
    setenv("STEPLOG_DIR", test_path(test_temp_dir(), "store"), 1);
    write_text(path, ROWS_KILLED, "6000,0.2"); /* by then rows are recorded as they come */
    const pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        importing i;
        begin_import(&i, path);
        (void)read_rows(&i);
        _exit(0); /* before anything that follows the last row */
    }
    cr_assert_eq(waitpid(child, NULL, 0), child);

    write_text(path, ROWS_KILLED, "6000,0.25\n6001,0.5\n");
    cr_assert_eq(import(path, 0, &target, &read_code), 0);
    cr_assert_eq(read_code, 0);
    cr_assert_eq(target.candidate, 1, "the file goes on in the run it began in, not in number %u", target.candidate);
    cr_assert_eq(target.known_rows, ROWS_KILLED);
    cr_assert_eq(target.new_rows, 2);
}

Test(import_target, two_imports_of_one_file_at_once_record_it_once)
{
    const char *path = test_path(test_temp_dir(), "a.csv");
    importing first, second, third;
    import_target target;
    int read_code;
    setenv("STEPLOG_DIR", test_path(test_temp_dir(), "store"), 1);
    write_text(path, ROWS, "");
    begin_import(&first, path);
    begin_import(&second, path); /* before the first has noted what it reads */
    cr_assert_eq(read_rows(&first), 0);
    cr_assert_eq(read_rows(&second), TOOL_IO, "the second sees the first");
    cr_assert_eq(end_import(&second, TOOL_IO), 0);
    cr_assert_eq(second.target.new_rows, 0);
    begin_import(&third, path); /* while the first is at work */
    cr_assert_eq(read_rows(&third), TOOL_IO, "so does one that comes later");
    cr_assert_eq(end_import(&third, TOOL_IO), 0);
    cr_assert_eq(third.target.new_rows, 0);
    cr_assert_eq(end_import(&first, 0), 0);
    cr_assert_eq(first.target.new_rows, ROWS);

    cr_assert_eq(import(path, 0, &target, &read_code), 0);
    cr_assert_eq(read_code, 0);
    cr_assert_eq(target.known_rows, ROWS);
    cr_assert_eq(target.new_rows, 0);
}
