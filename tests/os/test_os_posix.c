/* The os table: the calls whose promises the rest of the library builds on, against the real system. */
#include "os/os.h"

#include "support/counts.h"
#include "support/fail_os.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* A fresh directory, by descriptor. */
static int new_directory(const char **path)
{
    *path = test_temp_dir();
    int dir = sl_os->open_dir(-1, *path);
    cr_assert_geq(dir, 0);
    return dir;
}

static int new_file(int dir, const char *name)
{
    int fd = sl_os->open(dir, name, SL_OS_WRITE | SL_OS_CREATE);
    cr_assert_geq(fd, 0, "%s: %d", name, fd);
    return fd;
}

/* What a child made by fork() answers: 0 to 255. */
static int answer_of_child(int (*question)(void *context), void *context)
{
    pid_t child = fork();
    if (child == 0) {
        int answer = question(context);
        test_leave_counts();
        _exit(answer);
    }
    cr_assert_gt(child, 0);
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/* ---- opening ---- */

Test(os_open, creates_only_what_is_not_there)
{
    const char *path;
    int dir = new_directory(&path);
    int fd = new_file(dir, "a");
    cr_assert_eq(sl_os->open(dir, "a", SL_OS_WRITE | SL_OS_CREATE), -EEXIST);
    cr_assert_eq(sl_os->open(dir, "b", SL_OS_READ), -ENOENT);
    sl_os->close(fd);
    fd = sl_os->open(-1, test_path(path, "a"), SL_OS_READ);
    cr_assert_geq(fd, 0);
    cr_assert_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    cr_assert_lt(sl_os->pwrite(fd, "x", 1, 0), 0);
    sl_os->close(fd);
    sl_os->close(dir);
}

static int open_without_standard(void *context)
{
    int dir = *(int *)context, given = 0;
    for (int fd = 0; fd <= STDERR_FILENO; fd++) close(fd);
    int made = sl_os->open(dir, "made", SL_OS_WRITE | SL_OS_CREATE), found = sl_os->open(dir, "made", SL_OS_READ);
    int directory = sl_os->open_dir(dir, ".");
    given |= made <= STDERR_FILENO || found <= STDERR_FILENO || directory <= STDERR_FILENO;
    for (int fd = 0; fd <= STDERR_FILENO; fd++) given |= fcntl(fd, F_GETFD) >= 0;
    given |= fcntl(made, F_GETFD) != FD_CLOEXEC;
    struct rlimit none = {.rlim_cur = 3, .rlim_max = 3};
    return given || setrlimit(RLIMIT_NOFILE, &none) != 0 || sl_os->open(dir, "made", SL_OS_READ) != -EMFILE;
}

Test(os_open, never_gives_a_descriptor_that_programs_print_to)
{
    const char *path;
    int dir = new_directory(&path);
    cr_assert_eq(answer_of_child(open_without_standard, &dir), 0);
    sl_os->close(dir);
}

static void *print_all_the_time(void *context)
{
    while (!atomic_load((atomic_int *)context)) (void)!write(STDERR_FILENO, "printed", 7);
    return NULL;
}

static int open_beside_who_prints(void *context)
{
    int dir = *(int *)context;
    atomic_int must_end = 0;
    sl_os_stat stat = {0};
    pthread_t printer;
    close(STDERR_FILENO);
    if (pthread_create(&printer, NULL, print_all_the_time, &must_end) != 0) return 1;
    for (int i = 0; i < 20000 && stat.bytes == 0; i++) {
        int fd = sl_os->open(dir, "made", i ? SL_OS_WRITE : SL_OS_WRITE | SL_OS_CREATE);
        if (fd < 0 || sl_os->stat(fd, &stat) < 0) return 2;
        sl_os->close(fd);
    }
    atomic_store(&must_end, 1);
    pthread_join(printer, NULL);
    return stat.bytes == 0 ? 0 : 3;
}

Test(os_open, never_has_a_descriptor_that_programs_print_to_for_a_moment_either)
{
    const char *path;
    int dir = new_directory(&path);
    cr_assert_eq(answer_of_child(open_beside_who_prints, &dir), 0);
    sl_os->close(dir);
}

Test(os_open, refuses_a_fifo_a_directory_a_socket_and_a_device_without_waiting)
{
    const char *path;
    int dir = new_directory(&path);
    cr_assert_eq(mkfifoat(dir, "fifo", 0600), 0);
    cr_assert_eq(mkdirat(dir, "directory", 0700), 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", test_path(path, "socket"));
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (const struct sockaddr *)&name, sizeof name), 0);
    for (int mode = SL_OS_READ; mode <= SL_OS_WRITE; mode++) {
        cr_assert_eq(sl_os->open(dir, "fifo", mode), -EINVAL);
        cr_assert_eq(sl_os->open(dir, "directory", mode), -EINVAL);
        cr_assert_eq(sl_os->open(dir, "socket", mode), -EINVAL);
        cr_assert_eq(sl_os->open(-1, "/dev/null", mode), -EINVAL);
    }
    cr_assert_eq(sl_os->open_dir(dir, "fifo"), -ENOTDIR);
    close(listener);
    sl_os->close(dir);
}

Test(os_open, follows_no_link_except_to_the_store_itself)
{
    const char *path;
    int dir = new_directory(&path);
    sl_os->close(new_file(dir, "file"));
    cr_assert_eq(mkdirat(dir, "real", 0700), 0);
    cr_assert_eq(symlinkat("file", dir, "link"), 0);
    cr_assert_eq(symlinkat("real", dir, "way"), 0);
    cr_assert_eq(symlinkat("nowhere", dir, "dangling"), 0);
    cr_assert_eq(sl_os->open(dir, "link", SL_OS_READ), -ELOOP);
    cr_assert_eq(sl_os->open(dir, "link", SL_OS_WRITE), -ELOOP);
    cr_assert_eq(sl_os->open(dir, "dangling", SL_OS_WRITE | SL_OS_CREATE), -EEXIST);
    int status = sl_os->open_dir(dir, "way");
    cr_assert(status == -ELOOP || status == -ENOTDIR);
    int top = sl_os->open_dir(-1, test_path(path, "way"));
    cr_assert_geq(top, 0);
    sl_os->close(top);
    sl_os->close(dir);
}

Test(os_open, goes_down_but_never_out_of_its_directory)
{
    const char *path;
    int dir = new_directory(&path);
    cr_assert_eq(sl_os->make_dir(dir, "log"), 0);
    cr_assert_eq(sl_os->make_dir(dir, "log"), -EEXIST);
    cr_assert_eq(sl_os->make_dir(dir, "log/deep"), 0);
    int fd = new_file(dir, "log/deep/a");
    sl_os->close(fd);
    cr_assert_eq(symlinkat("/", dir, "root"), 0);
    sl_os_stat info;
    cr_assert_eq(sl_os->stat_name(dir, "log/deep/a", &info), 0);
    cr_assert(info.is_file);
    fd = new_file(dir, ".a");
    sl_os->close(fd);
    static const char *const names[] = {"..", "../x", "log/../../x", "/etc/passwd", "", "log//a", "log/"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cr_assert_eq(sl_os->open(dir, names[i], SL_OS_READ), -EINVAL, "%s", names[i]);
        cr_assert_eq(sl_os->stat_name(dir, names[i], &info), -EINVAL, "%s", names[i]);
        cr_assert_eq(sl_os->unlink(dir, names[i]), -EINVAL, "%s", names[i]);
        cr_assert_eq(sl_os->make_dir(dir, names[i]), -EINVAL, "%s", names[i]);
        cr_assert_eq(sl_os->open_dir(dir, names[i]), -EINVAL, "%s", names[i]);
        cr_assert_eq(sl_os->rename(dir, names[i], dir, "b"), -EINVAL, "%s", names[i]);
        cr_assert_eq(sl_os->rename(dir, ".a", dir, names[i]), -EINVAL, "%s", names[i]);
    }
    char much[NAME_MAX + 2] = {0};
    memset(much, 'x', NAME_MAX + 1);
    cr_assert_eq(sl_os->open(dir, much, SL_OS_READ), -ENAMETOOLONG);
    cr_assert_eq(sl_os->open(-1, "", SL_OS_READ), -ENOENT);
    cr_assert_lt(sl_os->open(dir, "root/etc/passwd", SL_OS_READ), 0);
    cr_assert_eq(sl_os->unlink(dir, "log/deep/a"), 0);
    sl_os->close(dir);
}

Test(os_stat, tells_of_a_link_and_not_of_what_it_points_to)
{
    const char *path;
    int dir = new_directory(&path);
    cr_assert_eq(symlinkat(".", dir, "link"), 0);
    sl_os_stat info;
    cr_assert_eq(sl_os->stat_name(dir, "link", &info), 0);
    cr_assert_not(info.is_file);
    cr_assert_not(info.is_directory);
    cr_assert_eq(sl_os->stat_name(dir, "none", &info), -ENOENT);
    cr_assert_eq(sl_os->stat(dir, &info), 0);
    cr_assert(info.is_directory);
    sl_os->close(dir);
}

/* ---- reading, writing, space ---- */

Test(os_file, gives_back_what_was_written_and_is_short_only_at_its_end)
{
    const char *path;
    int dir = new_directory(&path);
    int fd = new_file(dir, "a");
    cr_assert_eq(sl_os->pwrite(fd, "0123456789", 10, 5), 10);
    char bytes[32];
    cr_assert_eq(sl_os->pread(fd, bytes, sizeof bytes, 0), 15);
    cr_assert_arr_eq(bytes, "\0\0\0\0\0" "0123456789", 15);
    cr_assert_eq(sl_os->pread(fd, bytes, 4, 15), 0);
    cr_assert_eq(sl_os_read_full(fd, bytes, 15, 0), 0);
    cr_assert_eq(sl_os_read_full(fd, bytes, 16, 0), -ENODATA);
    cr_assert_eq(sl_os_write_full(fd, "end", 3, 15), 0);
    cr_assert_eq(sl_os_read_full(fd, bytes, 3, 15), 0);
    cr_assert_arr_eq(bytes, "end", 3);
    cr_assert_eq(sl_os->pread(fd, bytes, 1, UINT64_MAX), -EINVAL);
    cr_assert_eq(sl_os->pwrite(fd, bytes, 1, UINT64_MAX), -EINVAL);
    cr_assert_eq(sl_os->pread(fd, bytes, SIZE_MAX, 0), -EINVAL);
    cr_assert_eq(sl_os->pwrite(fd, bytes, SIZE_MAX, 0), -EINVAL);
    cr_assert_eq(sl_os->allocate(fd, UINT64_MAX), -EFBIG);
    cr_assert_eq(sl_os->truncate(fd, UINT64_MAX), -EFBIG);
    sl_os_stat info;
    cr_assert_eq(sl_os->stat(-1, &info), -EBADF);
    sl_os->close(fd);
    sl_os->close(dir);
}

Test(os_file, truncate_and_touch_and_stat_agree)
{
    const char *path;
    int dir = new_directory(&path);
    int fd = new_file(dir, "a");
    cr_assert_eq(sl_os->truncate(fd, 12345), 0);
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    cr_assert_eq(futimens(fd, old), 0);
    sl_os_stat info;
    cr_assert_eq(sl_os->stat(fd, &info), 0);
    cr_assert_eq(info.bytes, 12345);
    cr_assert_eq(info.modified_time_ns, INT64_C(1000000000000));
    cr_assert_eq(info.link_count, 1);
    cr_assert_eq(sl_os->touch(fd), 0);
    cr_assert_eq(sl_os->stat(fd, &info), 0);
    cr_assert_lt(llabs(info.modified_time_ns - sl_os->wall_time_ns()), INT64_C(10000000000));
    cr_assert_eq(sl_os->truncate(fd, UINT64_MAX), -EFBIG);
    cr_assert_eq(sl_os->unlink(dir, "a"), 0);
    cr_assert_eq(sl_os->stat(fd, &info), 0);
    cr_assert_eq(info.link_count, 0);
    cr_assert_eq(sl_os->sync_data(fd), 0);
    cr_assert_eq(sl_os->sync_all(dir), 0);
    cr_assert_eq(sl_os->sync_file_system(dir), 0);
    sl_os->close(fd);
    sl_os->close(dir);
}

Test(os_next_data, never_passes_over_what_was_written)
{
    const char *path;
    int dir = new_directory(&path), fd = new_file(dir, "file");
    uint64_t written = (1 << 20) + 5, end = 4 << 20;
    cr_assert_eq(sl_os->pwrite(fd, "a", 1, 0), 1);
    cr_assert_eq(sl_os->pwrite(fd, "b", 1, written), 1);
    cr_assert_eq(sl_os->truncate(fd, end), 0);
    cr_expect_eq(sl_os->next_data(fd, 0), 0u);
    for (uint64_t at = 1; at < written; at += 4099) {
        uint64_t next = sl_os_next_data(fd, at);
        cr_assert(next >= at && next <= written, "%llu from %llu on", (unsigned long long)next, (unsigned long long)at);
    }
    cr_expect_eq(sl_os->next_data(fd, written), written);
    cr_expect_geq(sl_os->next_data(fd, end), end);
    cr_expect_eq(sl_os->next_data(fd, UINT64_MAX), UINT64_MAX);
    cr_expect_eq(sl_os->next_data(-1, 7), 7u, "nothing is known");
    sl_os_table table = sl_os_posix;
    table.next_data = NULL;
    sl_os = &table;
    cr_expect_eq(sl_os_next_data(fd, 5000), 5000u);
    test_os_restore();
    sl_os->close(fd);
    sl_os->close(dir);
}

Test(os_allocate, puts_real_blocks_under_every_byte_and_keeps_what_was_there)
{
    const char *path;
    int dir = new_directory(&path);
    int fd = new_file(dir, "a");
    const uint64_t bytes = (20u << 20) + 4096;
    cr_assert_eq(sl_os_write_full(fd, "kept", 4, 8192), 0);
    cr_assert_eq(sl_os->allocate(fd, bytes), 0);
    sl_os_stat info;
    cr_assert_eq(sl_os->stat(fd, &info), 0);
    cr_assert_eq(info.bytes, bytes);
    cr_assert_geq(info.allocated_bytes, bytes);
    char kept[5] = {0};
    cr_assert_eq(sl_os_read_full(fd, kept, 4, 8192), 0);
    cr_assert_str_eq(kept, "kept");
    cr_assert_eq(sl_os->allocate(fd, 4096), 0);
    cr_assert_eq(sl_os->stat(fd, &info), 0);
    cr_assert_eq(info.bytes, bytes, "allocate made a file smaller");
    cr_assert_eq(sl_os->allocate(fd, UINT64_MAX), -EFBIG);
    sl_os->close(fd);
    sl_os->close(dir);
}

static void ignore_signal(int number)
{
    (void)number;
}

Test(os_allocate, ends_in_spite_of_timer_signals)
{
    const char *path;
    int dir = new_directory(&path);
    int fd = new_file(dir, "a");
    const struct sigaction action = {.sa_handler = ignore_signal};
    sigaction(SIGALRM, &action, NULL);
    const struct itimerval often = {.it_interval.tv_usec = 500, .it_value.tv_usec = 500};
    setitimer(ITIMER_REAL, &often, NULL);
    cr_assert_eq(sl_os->allocate(fd, 32u << 20), 0);
    int64_t begin = sl_os->monotonic_time_ns();
    sl_os->sleep_ns(20000000);
    cr_assert_geq(sl_os->monotonic_time_ns() - begin, 20000000);
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    sl_os->close(fd);
    sl_os->close(dir);
}

/* ---- names ---- */

Test(os_rename, never_replaces)
{
    const char *path;
    int dir = new_directory(&path);
    cr_assert_eq(sl_os->make_dir(dir, "seg"), 0);
    int seg = sl_os->open_dir(dir, "seg");
    int fd = new_file(dir, "from");
    cr_assert_eq(sl_os_write_full(fd, "new", 3, 0), 0);
    sl_os->close(fd);
    sl_os->close(new_file(seg, "to"));
    cr_assert_eq(sl_os->rename(dir, "from", seg, "to"), -EEXIST);
    sl_os_stat info;
    cr_assert_eq(sl_os->stat_name(dir, "from", &info), 0);
    cr_assert_eq(sl_os->stat_name(seg, "to", &info), 0);
    cr_assert_eq(info.bytes, 0);
    cr_assert_eq(sl_os->rename(dir, "from", seg, "fresh"), 0);
    cr_assert_eq(sl_os->stat_name(dir, "from", &info), -ENOENT);
    cr_assert_eq(sl_os->stat_name(seg, "fresh", &info), 0);
    cr_assert_eq(info.bytes, 3);
    cr_assert_eq(sl_os->rename(dir, "from", seg, "other"), -ENOENT);
    sl_os->close(seg);
    sl_os->close(dir);
}

typedef struct names {
    int count, stop_at;
    char all[64];
} names;

static int take_name(void *context, const char *name)
{
    names *taken = context;
    taken->all[taken->count++] = name[0];
    return taken->count == taken->stop_at ? 7 : 0;
}

static int compare_characters(const void *a, const void *b)
{
    return *(const char *)a - *(const char *)b;
}

Test(os_list, gives_each_name_once_every_time_and_stops_when_told)
{
    const char *path;
    int dir = new_directory(&path);
    names none = {0};
    cr_assert_eq(sl_os->list(dir, take_name, &none), 0);
    cr_assert_eq(none.count, 0);
    sl_os->close(new_file(dir, "a"));
    sl_os->close(new_file(dir, "b"));
    cr_assert_eq(sl_os->make_dir(dir, "c"), 0);
    cr_assert_eq(symlinkat("nowhere", dir, "d"), 0);
    sl_os->close(new_file(dir, "..e"));
    sl_os->close(new_file(dir, ".f"));
    for (int round = 0; round < 2; round++) {
        names taken = {0};
        cr_assert_eq(sl_os->list(dir, take_name, &taken), 0);
        qsort(taken.all, (size_t)taken.count, 1, compare_characters);
        cr_assert_str_eq(taken.all, "..abcd");
    }
    names some = {.stop_at = 2};
    cr_assert_eq(sl_os->list(dir, take_name, &some), 7);
    cr_assert_eq(some.count, 2);
    sl_os->close(dir);
}

/* ---- locks ---- */

typedef struct lock_question {
    const char *path;
    int inherited;
} lock_question;

static int probe_in_child(void *context)
{
    const lock_question *question = context;
    int fd = sl_os->open(-1, question->path, SL_OS_READ);
    return fd < 0 ? 99 : (int)sl_os->probe(fd);
}

static int lock_in_child(void *context)
{
    const lock_question *question = context;
    int fd = sl_os->open(-1, question->path, SL_OS_WRITE);
    return fd < 0 ? 99 : sl_os->lock(fd) == -EAGAIN ? 1 : 0;
}

Test(os_lock, is_seen_by_other_processes_and_by_other_descriptors_of_this_one)
{
    const char *path;
    int dir = new_directory(&path);
    int fd = new_file(dir, "a");
    lock_question question = {.path = test_path(path, "a")};
    int other = sl_os->open(dir, "a", SL_OS_WRITE);
    cr_assert_eq(answer_of_child(probe_in_child, &question), SL_OS_LOCK_FREE);
    cr_assert_eq(sl_os->lock(fd), 0);
    cr_assert_eq(answer_of_child(probe_in_child, &question), SL_OS_LOCK_HELD);
    cr_assert_eq(answer_of_child(lock_in_child, &question), 1);
    cr_assert_eq(sl_os->probe(other), SL_OS_LOCK_HELD);
    cr_assert_eq(sl_os->lock(other), -EAGAIN);
    /* Closing another descriptor of the file, as a reader does, must not release it. */
    sl_os->close(other);
    cr_assert_eq(answer_of_child(probe_in_child, &question), SL_OS_LOCK_HELD);
    cr_assert_eq(sl_os->unlock(fd), 0);
    cr_assert_eq(answer_of_child(probe_in_child, &question), SL_OS_LOCK_FREE);
    cr_assert_eq(sl_os->lock(fd), 0);
    sl_os->close(fd);
    cr_assert_eq(answer_of_child(probe_in_child, &question), SL_OS_LOCK_FREE);
    sl_os->close(dir);
}

Test(os_lock, ends_with_the_process_that_held_it)
{
    const char *path;
    int dir = new_directory(&path);
    int fd = new_file(dir, "a");
    int ready[2];
    cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        int mine = sl_os->open(-1, test_path(path, "a"), SL_OS_WRITE);
        char answer = mine >= 0 && sl_os->lock(mine) == 0 ? 'y' : 'n';
        if (write(ready[1], &answer, 1) != 1) _exit(1);
        for (;;) pause();
    }
    char answer = 'n';
    cr_assert_eq(read(ready[0], &answer, 1), 1);
    cr_assert_eq(answer, 'y');
    cr_assert_eq(sl_os->probe(fd), SL_OS_LOCK_HELD);
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    cr_assert_eq(sl_os->probe(fd), SL_OS_LOCK_FREE);
    close(ready[0]), close(ready[1]);
    sl_os->close(fd);
    sl_os->close(dir);
}

Test(os_lock, cannot_be_told_from_what_is_not_a_file)
{
    cr_assert_eq(sl_os->probe(-1), SL_OS_LOCK_UNKNOWN);
}

/* ---- mappings ---- */

static int first_byte_of(void *context)
{
    return *(const volatile unsigned char *)context;
}

Test(os_map, shares_its_bytes_with_the_file)
{
    const char *path;
    int dir = new_directory(&path);
    int fd = new_file(dir, "a");
    cr_assert_eq(sl_os->allocate(fd, 8192), 0);
    void *writable, *readable;
    cr_assert_eq(sl_os->map(fd, 8192, 1, &writable), 0);
    cr_assert_eq(sl_os->map(fd, 8192, 0, &readable), 0);
    memcpy((char *)writable + 4096, "mapped", 6);
    char bytes[6];
    cr_assert_eq(sl_os_read_full(fd, bytes, 6, 4096), 0);
    cr_assert_arr_eq(bytes, "mapped", 6);
    cr_assert_eq(sl_os_write_full(fd, "pwrite", 6, 0), 0);
    cr_assert_arr_eq((const char *)readable, "pwrite", 6);
    cr_assert_eq(sl_os->sync_map((char *)writable + 4096, 4096), 0);
    cr_assert_eq(sl_os->unmap(writable, 8192), 0);
    cr_assert_eq(sl_os->unmap(readable, 8192), 0);
    cr_assert_eq(sl_os->map(fd, 0, 1, &writable), -EINVAL);
    cr_assert_null(writable);
    cr_assert_eq(sl_os->map(-1, 4096, 1, &writable), -EBADF);
    sl_os->close(fd);
    sl_os->close(dir);
}

/* What a plain look at a page that the file does not have would end the process with. */
Test(os_map, is_copied_out_of_without_a_signal)
{
    const char *path;
    int dir = new_directory(&path);
    int fd = new_file(dir, "a");
    cr_assert_eq(sl_os->allocate(fd, 8192), 0);
    cr_assert_eq(sl_os_write_full(fd, "mapped", 6, 0), 0);
    void *map;
    char bytes[6];
    cr_assert_eq(sl_os->map(fd, 8192, 0, &map), 0);
    cr_assert_eq(sl_os->unlink(dir, "a"), 0);
    cr_assert_eq(sl_os->read_map(map, bytes, 6), 6);
    cr_assert_arr_eq(bytes, "mapped", 6);
    cr_assert_eq(sl_os->truncate(fd, 0), 0);
    cr_assert_eq(sl_os->read_map((const char *)map + 4096, bytes, 6), -EIO);
    cr_assert_eq(sl_os->unmap(map, 8192), 0);
    sl_os->close(fd);
    sl_os->close(dir);
}

static int is_mapped_in_child(void *address)
{
    unsigned char resident;
    return mincore(address, SL_OS_PAGE_BYTES, &resident) == 0;
}

Test(os_map, is_not_there_in_a_child)
{
    const char *path;
    int dir = new_directory(&path);
    int fd = new_file(dir, "a");
    cr_assert_eq(sl_os->allocate(fd, SL_OS_PAGE_BYTES), 0);
    void *address;
    cr_assert_eq(sl_os->map(fd, SL_OS_PAGE_BYTES, 1, &address), 0);
    cr_assert_eq(is_mapped_in_child(address), 1);
    cr_assert_eq(answer_of_child(is_mapped_in_child, address), 0);
    cr_assert_eq(sl_os->unmap(address, SL_OS_PAGE_BYTES), 0);
    sl_os->close(fd);
    sl_os->close(dir);
}

Test(os_wipe_on_fork_page, is_zero_in_a_child_and_as_it_was_in_the_parent)
{
    void *page;
    cr_assert_eq(sl_os->wipe_on_fork_page(&page), 0);
    memset(page, 42, SL_OS_PAGE_BYTES);
    cr_assert_eq(answer_of_child(first_byte_of, page), 0);
    cr_assert_eq(first_byte_of(page), 42);
    cr_assert_eq(sl_os->unmap(page, SL_OS_PAGE_BYTES), 0);
}

/* ---- the machine ---- */

Test(os_file_system, knows_where_shared_mappings_and_locks_can_be_relied_on)
{
    sl_os_file_system found;
    int dir = sl_os->open_dir(-1, "/proc");
    cr_assert_eq(sl_os->file_system(dir, &found), 0);
    cr_assert_not(found.is_mappable);
    cr_assert_not(found.is_local);
    cr_assert_str_eq(found.name, "0x9fa0");
    sl_os->close(dir);
    dir = sl_os->open_dir(-1, "/dev/shm");
    if (dir < 0) return;
    cr_assert_eq(sl_os->file_system(dir, &found), 0);
    if (strcmp(found.name, "tmpfs") == 0) cr_assert(found.is_mappable && found.is_local);
    sl_os->close(dir);
    cr_assert_eq(sl_os->file_system(-1, &found), -EBADF);
}

Test(os_machine, identities_are_the_same_each_time)
{
    uint8_t first[16], second[16], zero[16] = {0};
    cr_assert_eq(sl_os->host_id(first), 0);
    cr_assert_eq(sl_os->host_id(second), 0);
    cr_assert_arr_eq(first, second, 16);
    cr_assert_arr_neq(first, zero, 16);
    cr_assert_eq(sl_os->boot_id(first), 0);
    cr_assert_eq(sl_os->boot_id(second), 0);
    cr_assert_arr_eq(first, second, 16);
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (file) {
        unsigned int byte;
        cr_assert_eq(fscanf(file, "%2x", &byte), 1);
        cr_assert_eq(first[0], byte);
        fclose(file);
    }
    char name[256], cut[3];
    cr_assert_eq(sl_os->host_name(name, sizeof name), 0);
    cr_assert_eq(sl_os->host_name(cut, sizeof cut), 0);
    cr_assert_lt(strlen(cut), sizeof cut);
    cr_assert_eq(strncmp(name, cut, strlen(cut)), 0);
    cr_assert_eq(sl_os->host_name(name, 0), -EINVAL);
    cr_assert_eq(sl_os->process_id(), (uint32_t)getpid());
}

Test(os_machine, process_started_a_short_while_ago)
{
    int64_t started = sl_os->process_start_time_ns();
    cr_assert_eq(started, sl_os->process_start_time_ns());
    int64_t age_ns = sl_os->wall_time_ns() - started;
    cr_assert_gt(age_ns, -INT64_C(3000000000));
    cr_assert_lt(age_ns, INT64_C(3600000000000));
}

Test(os_machine, random_bytes_differ)
{
    uint8_t first[300] = {0}, second[300] = {0};
    cr_assert_eq(sl_os->random(first, sizeof first), 0);
    cr_assert_eq(sl_os->random(second, sizeof second), 0);
    cr_assert_arr_neq(first, second, sizeof first);
}

static void *niceness_after_lowering(void *out)
{
    sl_os->lower_priority();
    errno = 0;
    *(int *)out = nice(0);
    return NULL;
}

Test(os_machine, lower_priority_is_for_the_calling_thread_only)
{
    int before = nice(0), inside = -100;
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, niceness_after_lowering, &inside), 0);
    pthread_join(thread, NULL);
    cr_assert_eq(nice(0), before);
    cr_assert_eq(inside, before + 10 < 19 ? before + 10 : 19);
}

static int map_without_memory(void *context)
{
    (void)context;
    struct rlimit limit;
    void *page = &limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0) return 1;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 4096;
    if (setrlimit(RLIMIT_AS, &limit) != 0) return 2;
    int given = sl_os->wipe_on_fork_page(&page);
    limit.rlim_cur = before;
    if (setrlimit(RLIMIT_AS, &limit) != 0) return 3;
    return given == -ENOMEM && !page ? 0 : 4;
}

Test(os_map, says_when_there_is_no_room_for_it)
{
    void *address = NULL;
    cr_assert_eq(answer_of_child(map_without_memory, NULL), 0);
    cr_assert_eq(sl_os->unmap(&address, UINT64_MAX), -EINVAL);
    cr_assert_eq(sl_os->sync_map(&address, UINT64_MAX), -EINVAL);
}

static int64_t write_nothing(int fd, const void *data, size_t bytes, uint64_t offset)
{
    (void)fd, (void)data, (void)bytes, (void)offset;
    return 0;
}

Test(os_write, that_writes_nothing_and_gives_no_reason_does_not_hang)
{
    sl_os_table table = sl_os_posix;
    table.pwrite = write_nothing;
    sl_os = &table;
    int given = sl_os_write_full(-1, "x", 1, 0);
    sl_os = &sl_os_posix;
    cr_assert_eq(given, -ENOSPC);
}

Test(os_list, of_what_is_no_directory_is_an_error)
{
    const char *path;
    int dir = new_directory(&path), fd = new_file(dir, "a");
    cr_assert_eq(sl_os->list(fd, NULL, NULL), -ENOTDIR);
    sl_os->close(fd);
    sl_os->close(dir);
}

/* ---- a limit of file size, which the system enforces with a signal ---- */

static int write_beyond_limit(void *context)
{
    int fd = *(int *)context;
    char bytes[100] = {1};
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    limit.rlim_cur = 5000;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    if (sl_os->pwrite(fd, bytes, 100, 4900) != 100) return 2;
    if (sl_os->pwrite(fd, bytes, 100, 4950) != 50 || sl_os->pwrite(fd, bytes, 0, 6000) != 0) return 3;
    if (sl_os->pwrite(fd, bytes, 1, 5000) != -EFBIG || sl_os_write_full(fd, bytes, 100, 4950) != -EFBIG) return 4;
    if (sl_os->allocate(fd, 5000) != 0 || sl_os->allocate(fd, 5001) != -EFBIG) return 5;
    return sl_os->truncate(fd, 5000) != 0 || sl_os->truncate(fd, 5001) != -EFBIG ? 6 : 0;
}

Test(os_write, beyond_the_limit_of_file_size_is_an_error_and_no_signal)
{
    const char *path;
    int dir = new_directory(&path), fd = new_file(dir, "a");
    cr_assert_eq(answer_of_child(write_beyond_limit, &fd), 0);
    sl_os->close(fd);
    sl_os->close(dir);
}

/* ---- the failing table that other tests stand on ---- */

Test(os_fail, makes_the_call_that_was_chosen_fail_and_no_other)
{
    const char *path;
    int dir = new_directory(&path);
    test_os_fail(TEST_OS_WRITE | TEST_OS_OPEN, 2, ENOSPC, 0);
    int fd = sl_os->open(dir, "a", SL_OS_WRITE | SL_OS_CREATE);
    cr_assert_geq(fd, 0);
    cr_assert_eq(sl_os_write_full(fd, "x", 1, 0), -ENOSPC);
    cr_assert_eq(sl_os_write_full(fd, "x", 1, 0), 0);
    cr_assert_eq(test_os_count(), 3);
    test_os_fail(TEST_OS_ALL, 1, EIO, 1);
    char byte;
    cr_assert_eq(sl_os->pread(fd, &byte, 1, 0), -EIO);
    cr_assert_eq(sl_os->sync_data(fd), -EIO);
    cr_assert_eq(sl_os->close(fd), 0);
    test_os_restore();
    sl_os->close(dir);
}
