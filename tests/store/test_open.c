/* Opening and closing a store: what is made, what is refused, what stays as it was. */
#include "steplog.h"

#include "os/os.h"
#include "support/call_hook.h"
#include "support/sim_os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static steplog_status try_open(const char *path, const steplog_store_options *options)
{
    steplog_store *store = (steplog_store *)(uintptr_t)1;
    kit_error = (steplog_error){0};
    steplog_status status = steplog_store_open(path, options, &store, &kit_error);
    if (status == STEPLOG_OK) {
        kit_store_close(store);
    } else {
        cr_assert_null(store);
        cr_assert_eq(kit_error.code, status);
        cr_assert(strlen(kit_error.text) > 0);
    }
    return status;
}

Test(store_open, makes_a_store_only_when_told_to)
{
    const char *path = test_path(test_temp_dir(), "store");
    cr_assert_eq(try_open(path, NULL), STEPLOG_MISSING);
    cr_assert_eq(access(path, F_OK), -1);
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_CREATE};
    cr_assert_eq(try_open(path, &options), STEPLOG_OK);
    cr_assert_eq(try_open(path, NULL), STEPLOG_OK);
    cr_assert_eq(try_open(path, &options), STEPLOG_OK);
}

Test(store_open, takes_an_empty_directory)
{
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_CREATE};
    cr_assert_eq(try_open(test_temp_dir(), &options), STEPLOG_OK);
}

Test(store_open, refuses_a_directory_that_holds_something_else)
{
    const char *path = test_temp_dir();
    write_file(test_path(path, "thesis.tex"), "mine");
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_CREATE};
    cr_assert_eq(try_open(path, &options), STEPLOG_MISUSE);
    cr_assert_eq(access(test_path(path, "STEPLOG"), F_OK), -1);
    cr_assert_eq(access(test_path(path, "log"), F_OK), -1);
}

Test(store_open, refuses_a_file_and_a_fifo)
{
    const char *directory = test_temp_dir();
    write_file(test_path(directory, "file"), "text");
    cr_assert_eq(mkfifo(test_path(directory, "fifo"), 0600), 0);
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_CREATE};
    cr_assert(try_open(test_path(directory, "file"), &options) < 0);
    cr_assert(try_open(test_path(directory, "fifo"), &options) < 0);
    cr_assert(try_open(test_path(directory, "file/store"), &options) < 0);
}

Test(store_open, makes_a_store_at_a_path_as_long_as_can_be)
{
    char path[PATH_MAX];
    size_t used = 0;
    cr_assert_eq(chdir(test_temp_dir()), 0);
    while (PATH_MAX - 1 - used > 250) {
        memset(path + used, 'd', 200);
        path[used + 200] = '\0';
        cr_assert_eq(mkdir(path, 0700), 0);
        used += 200;
        path[used++] = '/';
    }
    memset(path + used, 's', PATH_MAX - 1 - used);
    path[PATH_MAX - 1] = '\0';
    kit_store_close(kit_store(path, STEPLOG_CREATE, 0));
    kit_verify(path);
}

/* Nothing of what has the name of a file or directory of the store and is none hides what lies beside it. */
Test(store_open, reads_beside_fifos_links_and_files_in_the_place_of_directories)
{
    static const char *const fifos[] = {"log/0123456789abcdef0123456789abcdef-1.log",
                                        "seg/0/0123456789abcdef0123456789abcdef.seg", "seg/7"};
    static const char *const links[] = {"log/1123456789abcdef0123456789abcdef-1.log",
                                        "seg/0/1123456789abcdef0123456789abcdef.seg", "seg/8"};
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    kit_log(writer, "loss", 1, 0.5);
    kit_writer_close(writer);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(mkfifo(test_path(path, fifos[i]), 0600), 0);
        cr_assert_eq(symlink("nothing", test_path(path, links[i])), 0);
    }
    steplog_reader *reader = kit_reader(store);
    kit_rows rows = kit_read(reader, &run, "loss", NULL);
    cr_assert_eq(rows.row_count, 1);
    cr_assert_eq(steplog_reader_damage_count(reader), 6);
    kit_rows_free(&rows);
    steplog_reader_close(reader);
    kit_store_close(store);
}

/* A store whose maker was killed early, or that was copied without its empty directories. */
Test(store_open, read_only_makes_nothing_that_is_missing)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_READ_ONLY};
    kit_store_close(kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    cr_assert_eq(rmdir(test_path(path, "log")), 0);
    cr_assert_eq(try_open(path, &options), STEPLOG_OK);
    kit_verify(path);
    cr_assert_eq(access(test_path(path, "log"), F_OK), -1, "a reader made a directory");
}

/* Links to whole files of another store: nothing of it is shown. */
Test(store_open, follows_no_link_to_files_of_another_store)
{
    const char *path = test_path(test_temp_dir(), "store"), *outside = test_path(test_temp_dir(), "outside");
    kit_store_close(kit_store(outside, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    steplog_store *theirs = kit_store(outside, STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(theirs, "run", 0, 0);
    kit_log(writer, "loss", 1, 0.5);
    kit_store_close(kit_store(path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
    DIR *logs = opendir(test_path(outside, "log"));
    cr_assert_not_null(logs);
    for (struct dirent *entry; (entry = readdir(logs)) != NULL;)
        if (entry->d_name[0] != '.')
            cr_assert_eq(symlink(test_path(test_path(outside, "log"), entry->d_name),
                                 test_path(test_path(path, "log"), entry->d_name)), 0);
    closedir(logs);
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    cr_assert_eq(steplog_reader_run_count(reader), 0, "a link was followed");
    steplog_reader_close(reader);
    kit_store_close(store);
    kit_writer_close(writer);
    kit_store_close(theirs);
}

static const char *shared_path;
static uint8_t first_file[4096];
static size_t first_bytes;

static size_t read_store_file(uint8_t *out)
{
    FILE *file = fopen(test_path(shared_path, "STEPLOG"), "rb");
    size_t bytes = file ? fread(out, 1, sizeof first_file, file) : 0;
    if (file) fclose(file);
    return bytes;
}

static void make_first(void)
{
    steplog_store *store = kit_store(shared_path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    first_bytes = read_store_file(first_file);
    kit_store_close(store);
}

/* Whoever comes second takes the store that is there. */
Test(store_open, of_two_that_make_a_store_at_once_one_does)
{
    int came = 1;
    for (uint64_t at = 1; came; at++) {
        uint8_t now[sizeof first_file];
        shared_path = test_path(test_temp_dir(), "store");
        first_bytes = 0;
        test_hook_calls(at, make_first);
        steplog_store *store = kit_store(shared_path, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
        came = test_unhook_calls();
        kit_store_close(store);
        cr_assert(came || at > 5, "only %d calls", (int)at);
        if (!came) break;
        cr_assert(first_bytes > 0 && read_store_file(now) == first_bytes);
        cr_assert_arr_eq(now, first_file, first_bytes, "at call %d the store that was there was replaced", (int)at);
        kit_verify(shared_path);
        test_remove_tree(shared_path);
    }
}

Test(store_open, refuses_bad_options)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = NULL;
    steplog_store_options good = {.size_bytes = sizeof good, .flags = STEPLOG_CREATE};
    steplog_store_options bad = good;
    bad.size_bytes = 0;
    cr_assert_eq(try_open(path, &bad), STEPLOG_MISUSE);
    bad = good, bad.log_bytes = 65535;
    cr_assert_eq(try_open(path, &bad), STEPLOG_MISUSE);
    bad = good, bad.log_bytes = ((uint64_t)1 << 30) + 1;
    cr_assert_eq(try_open(path, &bad), STEPLOG_MISUSE);
    bad = good, bad.flags |= 0x40000000;
    cr_assert_eq(try_open(path, &bad), STEPLOG_MISUSE);
    bad = good, bad.flags |= STEPLOG_READ_ONLY;
    cr_assert_eq(try_open(path, &bad), STEPLOG_MISUSE);
    GIVES(MISUSE, steplog_store_open(NULL, &good, &store, &kit_error));
    cr_assert_eq(access(path, F_OK), -1);
    cr_assert_eq(try_open(path, &good), STEPLOG_OK);
}

Test(store_open, tells_a_damaged_store_file_and_a_newer_version)
{
    const char *path = test_path(test_temp_dir(), "store");
    kit_store_close(kit_store(path, STEPLOG_CREATE, 0));
    FILE *file = fopen(test_path(path, "STEPLOG"), "r+b");
    cr_assert_not_null(file);
    fseek(file, 20, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, 20, SEEK_SET);
    fputc(byte ^ 1, file);
    fclose(file);
    cr_assert_eq(try_open(path, NULL), STEPLOG_CORRUPT);
}

Test(store_open, gives_id_and_path)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE, 0);
    steplog_id id = steplog_store_id(store);
    cr_assert_str_eq(steplog_store_path(store), path);
    kit_store_close(store);
    store = kit_store(path, 0, 0);
    steplog_id again = steplog_store_id(store);
    cr_assert_arr_eq(id.bytes, again.bytes, 16);
    kit_store_close(store);
}

Test(store_open, a_store_with_open_children_stays_open)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    GIVES(BUSY, steplog_store_close(store, &kit_error));
    kit_log(writer, "loss", 1, 1);
    steplog_reader *reader = kit_reader(store);
    kit_writer_close(writer);
    GIVES(BUSY, steplog_store_close(store, &kit_error));
    cr_assert_eq(steplog_reader_run_count(reader), 1);
    steplog_reader_close(reader);
    kit_store_close(store);
}

Test(store_open, nothing_can_be_closed)
{
    OK(steplog_store_close(NULL, NULL));
    OK(steplog_writer_close(NULL, 0, NULL));
    steplog_reader_close(NULL);
    steplog_cursor_close(NULL);
}

Test(store_open, a_read_only_store_has_no_writers_and_no_changes)
{
    const char *path = test_path(test_temp_dir(), "store");
    steplog_store *store = kit_store(path, STEPLOG_CREATE, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    kit_log(writer, "loss", 1, 1);
    steplog_id run = kit_run_of(writer);
    kit_writer_close(writer);
    OK(steplog_run_rewind(store, &run, 9, NULL, &kit_error));
    kit_store_close(store);

    store = kit_store(path, STEPLOG_READ_ONLY, 0);
    GIVES(MISUSE, steplog_writer_open(store, NULL, &writer, &kit_error));
    cr_assert_null(writer);
    steplog_pair fact = {"note", "x"};
    GIVES(MISUSE, steplog_run_set_facts(store, &run, &fact, 1, &kit_error));
    GIVES(MISUSE, steplog_run_rewind(store, &run, 1, NULL, &kit_error));
    GIVES(MISUSE, steplog_run_rewind_undo(store, &run, NULL, &kit_error));
    steplog_id forked;
    GIVES(MISUSE, steplog_run_fork(store, &run, 1, NULL, NULL, &forked, &kit_error));
    steplog_remove_options remove = {.size_bytes = sizeof remove, .run = run};
    steplog_remove_result removed = {.size_bytes = sizeof removed};
    GIVES(MISUSE, steplog_remove(store, &remove, &removed, &kit_error));
    GIVES(MISSING, steplog_remove_undo(store, &run, NULL, &kit_error));
    GIVES(MISUSE, steplog_store_compact(store, NULL, NULL, &kit_error));
    GIVES(MISUSE, steplog_store_merge(store, path, NULL, NULL, NULL, &kit_error));
    kit_store_close(store);
    kit_rows rows = kit_read_store(path, &run, "*", 0);
    cr_assert_eq(rows.row_count, 1);
    kit_rows_free(&rows);
}

Test(store_open, names_statuses_ids_and_the_version)
{
    cr_assert_str_eq(steplog_version(), STEPLOG_VERSION);
    cr_assert_str_eq(steplog_status_name(STEPLOG_FULL), "FULL");
    cr_assert_str_eq(steplog_status_name(77), "UNKNOWN");
    cr_assert(strlen(steplog_status_text(STEPLOG_CORRUPT)) > 0);
    steplog_id id, again;
    for (int i = 0; i < 16; i++) id.bytes[i] = (uint8_t)(i * 17);
    char text[STEPLOG_ID_TEXT_BYTES];
    steplog_id_format(&id, text);
    cr_assert_str_eq(text, "00112233445566778899aabbccddeeff");
    OK(steplog_id_parse("00112233445566778899AABBCCDDEEFF", &again));
    cr_assert_arr_eq(id.bytes, again.bytes, 16);
    GIVES(MISUSE, steplog_id_parse("00112233445566778899aabbccddeef", &again));
    GIVES(MISUSE, steplog_id_parse("00112233445566778899aabbccddeeffa", &again));
    GIVES(MISUSE, steplog_id_parse("0011223344556677889 aabbccddeeff", &again));
}

static int host_name_of_latin_1(char *buffer, size_t bytes)
{
    snprintf(buffer, bytes, "m\xfcll\xe9r-1");
    return 0;
}

Test(store_open, writers_on_a_host_whose_name_is_not_utf_8)
{
    sim *machine = sim_new(1);
    sim_use(machine);
    sl_os_table table = *sl_os;
    table.host_name = host_name_of_latin_1;
    sl_os = &table;
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 0);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    kit_log(writer, "loss", 1, 1);
    kit_writer_close(writer);
    steplog_reader *reader = kit_reader(store);
    steplog_writer_info info = {.size_bytes = sizeof info};
    OK(steplog_reader_writer(reader, &run, 0, &info, &kit_error));
    cr_assert_str_eq(info.host, "m?ll?r-1");
    steplog_reader_close(reader);
    kit_store_close(store);
    sim_use(NULL);
    sim_free(machine);
}
