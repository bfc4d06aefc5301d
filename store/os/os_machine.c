/* os/os_machine.c: clocks, random bytes, and who and where this process is. */
#include "os/os_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) < 0) return 0;
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t sl_machine_wall_time_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

int64_t sl_machine_monotonic_time_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

int sl_machine_random(void *buffer, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t got = getrandom((char *)buffer + done, bytes - done, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        done += (size_t)got;
    }
    return 0;
}

int sl_machine_host_name(char *buffer, size_t bytes)
{
    if (bytes == 0) return -EINVAL;
    char name[HOST_NAME_MAX + 1];
    if (gethostname(name, sizeof name) < 0) return -errno;
    name[sizeof name - 1] = '\0';
    size_t used = strnlen(name, bytes - 1);
    memcpy(buffer, name, used);
    buffer[used] = '\0';
    return 0;
}

static int open_system_file(const char *path)
{
    int fd;
    do fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

static int64_t read_at(int fd, char *buffer, size_t bytes, uint64_t offset)
{
    ssize_t got;
    do got = pread(fd, buffer, bytes, (off_t)offset);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

/* The beginning of a small system file, terminated; its length or -errno. */
static int64_t read_small(const char *path, char *buffer, size_t bytes)
{
    int fd = open_system_file(path);
    if (fd < 0) return fd;
    int64_t got = read_at(fd, buffer, bytes - 1, 0);
    close(fd);
    buffer[got > 0 ? got : 0] = '\0';
    return got;
}

static int is_hex_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static uint8_t hex_value(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
}

int sl_machine_host_id(uint8_t out[16])
{
    char text[HOST_NAME_MAX + 64];
    int64_t got = read_small("/etc/machine-id", text, sizeof text);
    size_t used = 0;
    while (got > 0 && is_hex_digit(text[used])) used++;
    /* Empty, or "uninitialized" in an image that has not booted yet: not an identity. */
    if (used != 32) {
        int status = sl_machine_host_name(text, sizeof text);
        if (status < 0) return status;
        used = strlen(text);
    }
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(text, used));
    memcpy(out, canonical.digest, 16);
    return 0;
}

int sl_machine_boot_id(uint8_t out[16])
{
    memset(out, 0, 16);
    char text[64];
    int64_t got = read_small("/proc/sys/kernel/random/boot_id", text, sizeof text);
    if (got < 0) return 0;
    uint8_t id[16];
    size_t digits = 0;
    for (const char *c = text; *c && digits < 32; c++) {
        if (!is_hex_digit(*c)) continue;
        if (digits % 2 == 0) id[digits / 2] = 0;
        id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | hex_value(*c));
        digits++;
    }
    if (digits == 32) memcpy(out, id, 16);
    return 0;
}

static int64_t decimal(const char *text)
{
    int64_t value = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *text - '0', &value)) return 0;
    }
    return value;
}

/* Seconds since 1970 at which the machine booted, by the kernel's own account; 0 when not known. Its
 * line comes after one number for each interrupt, so the file can be large: read in pieces that overlap. */
static int64_t boot_time_s(void)
{
    int fd = open_system_file("/proc/stat");
    if (fd < 0) return 0;
    char buffer[4096];
    const size_t overlap = 64;
    int64_t seconds = 0;
    for (uint64_t offset = 0; seconds == 0; offset += sizeof buffer - 1 - overlap) {
        int64_t got = read_at(fd, buffer, sizeof buffer - 1, offset);
        if (got <= 0) break;
        buffer[got] = '\0';
        const char *line = strstr(buffer, "\nbtime ");
        if (line && (size_t)(line - buffer) + overlap <= sizeof buffer) seconds = decimal(line + 7);
        if ((size_t)got <= overlap) break;
    }
    close(fd);
    return seconds;
}

/* Field 22 of /proc/self/stat, in clock ticks after boot. The second field is the program's name in
 * parentheses and may hold anything, so fields are counted from its last parenthesis. */
static int64_t start_ticks(void)
{
    char text[2048];
    if (read_small("/proc/self/stat", text, sizeof text) <= 0) return -1;
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    return at ? decimal(at + 1) : -1;
}

int64_t sl_machine_process_start_time_ns(void)
{
    int64_t ticks = start_ticks(), boot_s = boot_time_s();
    int64_t ticks_per_second = sysconf(_SC_CLK_TCK);
    if (ticks < 0 || boot_s <= 0 || boot_s > INT32_MAX * (int64_t)2 || ticks_per_second <= 0) return 0;
    int64_t seconds = ticks / ticks_per_second;
    if (seconds > INT32_MAX) return 0;
    return (boot_s + seconds) * 1000000000 + ticks % ticks_per_second * (1000000000 / ticks_per_second);
}

uint32_t sl_machine_process_id(void)
{
    return (uint32_t)getpid();
}

void sl_machine_sleep_ns(int64_t ns)
{
    if (ns <= 0) return;
    /* To a fixed point in time: what is left over after each signal would add up its roundings. */
    int64_t now = sl_machine_monotonic_time_ns();
    int64_t end = ns < INT64_MAX - now ? now + ns : INT64_MAX;
    const struct timespec until = {.tv_sec = (time_t)(end / 1000000000), .tv_nsec = (long)(end % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {}
}

void sl_machine_lower_priority(void)
{
    /* On Linux nice values belong to threads, and an id of one may stand where a process is asked for. */
    id_t self = (id_t)syscall(SYS_gettid);
    errno = 0;
    int now = getpriority(PRIO_PROCESS, self);
    if (now == -1 && errno != 0) return;
    (void)setpriority(PRIO_PROCESS, self, now + 10 < 19 ? now + 10 : 19);
}
