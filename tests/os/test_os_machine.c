/* What the system's own files say of the machine and the process, also when they are missing or say something odd: the C
 * library's open() is replaced in this program, and gives files of the test while it says so. */
#include "os/os.h"

#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *system_files; /* NULL: the real ones */

/* The test's file for a name: the slashes are dashes. */
static const char *replaced(const char *name)
{
    static char path[600];
    int length = snprintf(path, sizeof path, "%s/", system_files);
    for (const char *c = name; *c && length < (int)sizeof path - 1; c++) path[length++] = *c == '/' ? '-' : *c;
    path[length] = 0;
    return path;
}

int open(const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    int is_replaced = system_files && (strncmp(name, "/proc/", 6) == 0 || strncmp(name, "/etc/machine-id", 15) == 0);
    return (int)syscall(SYS_openat, AT_FDCWD, is_replaced ? replaced(name) : name, flags, mode);
}

/* NULL: there is no such file. */
static void say_bytes(const char *name, const char *content, size_t bytes)
{
    if (!content) {
        unlink(replaced(name));
        return;
    }
    FILE *file = fopen(replaced(name), "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(content, 1, bytes, file), bytes);
    fclose(file);
}

static void say(const char *name, const char *content) { say_bytes(name, content, content ? strlen(content) : 0); }

static void begin(void) { system_files = test_temp_dir(); }

static void host_id_of(const char *machine_id, uint8_t out[16])
{
    say("/etc/machine-id", machine_id);
    memset(out, 0, 16);
    cr_assert_eq(sl_os->host_id(out), 0);
}

Test(os_machine_files, host_id_comes_from_a_whole_machine_id_or_from_the_name)
{
    uint8_t first[16], other[16], upper[16], named[16], id[16];
    begin();
    host_id_of("0123456789abcdef0123456789abcdef\n", first);
    host_id_of("1123456789abcdef0123456789abcdef\n", other);
    host_id_of("0123456789ABCDEF0123456789ABCDEF\n", upper);
    cr_assert_arr_neq(first, other, 16);
    cr_assert_arr_neq(first, upper, 16);
    static const char *const none[] = {NULL, "", "\n", "uninitialized\n", "0123456789abcdef0123456789abcde\n",
                                       "0123456789abcdef0123456789abcdef0\n", "0123456789abcdef:123456789abcdef\n",
                                       "0123456789abcdeg0123456789abcdef\n", "0123456789abcdef@123456789abcdef\n",
                                       "0123456789abcdef/123456789abcdef\n"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        host_id_of(none[i], i ? id : named);
        if (i) cr_assert_arr_eq(id, named, 16, "'%s' is no machine id", none[i]);
    }
    cr_assert_arr_neq(first, named, 16);
}

Test(os_machine_files, boot_id_is_zero_where_there_is_no_whole_one)
{
    static const char file[] = "/proc/sys/kernel/random/boot_id";
    static const uint8_t expected[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                         0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};
    uint8_t id[16], zero[16] = {0};
    begin();
    static const char *const good[] = {"01234567-89ab-cdef-fedc-ba9876543210\n", "01234567-89AB-CDEF-FEDC-BA9876543210",
                                       "0123456789abcdeffedcba9876543210ff\n"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        say(file, good[i]);
        cr_assert_eq(sl_os->boot_id(id), 0);
        cr_assert_arr_eq(id, expected, 16, "'%s'", good[i]);
    }
    static const char *const bad[] = {NULL, "", "01234567-89ab-cdef-fedc-ba987654321\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        say(file, bad[i]);
        cr_assert_eq(sl_os->boot_id(id), 0);
        cr_assert_arr_eq(id, zero, 16);
    }
}

/* The start of a process, with these two files. */
static int64_t started(const char *stat, const char *self)
{
    say("/proc/stat", stat);
    say("/proc/self/stat", self);
    return sl_os->process_start_time_ns();
}

#define FIELDS_3_TO_21 "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 "

Test(os_machine_files, process_start_is_counted_from_the_boot)
{
    const int64_t ticks = sysconf(_SC_CLK_TCK);
    const int64_t expected = 1600000000 * INT64_C(1000000000) + 250 * (INT64_C(1000000000) / ticks) -
                             250 / ticks * (INT64_C(1000000000) % ticks);
    static const char self[] = "7 (a) b) " FIELDS_3_TO_21 "250 0\n", boot[] = "cpu 1\nbtime 1600000000\nctxt 5\n";
    begin();
    cr_assert_eq(started(boot, self), expected);
    static const char *const bad_boots[] = {NULL, "", "cpu 1\n", "btime 5\n", "cpu\nbtime 99999999999999999999\n",
                                            "cpu\nbtime 9223372036854775809\n", "cpu\nbtime 99999999999\n", "cpu\nbtime x\n"};
    for (size_t i = 0; i < sizeof bad_boots / sizeof *bad_boots; i++)
        cr_assert_eq(started(bad_boots[i], self), 0, "'%s'", bad_boots[i]);
    static const char *const bad_selves[] = {NULL, "", "7 a b", "7 (a) S 1 2", "7 (a) " FIELDS_3_TO_21 "922337203685477580\n"};
    for (size_t i = 0; i < sizeof bad_selves / sizeof *bad_selves; i++)
        cr_assert_eq(started(boot, bad_selves[i]), 0, "'%s'", bad_selves[i]);
}

/* One number for each interrupt stands before the line, which may come at any place of the pieces that are read. */
Test(os_machine_files, boot_is_found_wherever_its_line_stands)
{
    static char text[20000];
    static const char line[] = "\nbtime 1600000000\n", self[] = "7 (a) " FIELDS_3_TO_21 "0 0\n";
    begin();
    for (size_t at = 3900; at < 9000; at += at > 4150 && at < 7950 ? 97 : 1) {
        memset(text, '1', at + 200);
        memcpy(text + at, line, sizeof line - 1);
        say_bytes("/proc/stat", text, at + 200);
        say("/proc/self/stat", self);
        cr_assert_eq(sl_os->process_start_time_ns(), 1600000000 * INT64_C(1000000000), "at %zu", at);
    }
    memset(text, '1', sizeof text);
    say_bytes("/proc/stat", text, sizeof text);
    cr_assert_eq(sl_os->process_start_time_ns(), 0);
}

Test(os_machine_files, sleeping_for_no_time_returns)
{
    int64_t before = sl_os->monotonic_time_ns();
    sl_os->sleep_ns(0);
    sl_os->sleep_ns(INT64_MIN);
    sl_os->sleep_ns(1000000);
    cr_assert_geq(sl_os->monotonic_time_ns() - before, 1000000);
}
