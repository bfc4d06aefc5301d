/* kill/tree.c: copies and fingerprints of directories. */
#include "kill/kill.h"

#include "format/checksum.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 512 };

static void join(char *out, const char *directory, const char *name)
{
    HOLDS(snprintf(out, PATH_BYTES, "%s/%s", directory, name) < PATH_BYTES, "%s/%s is too long", directory, name);
}

/* The file's bytes, or NULL when it is gone. */
static uint8_t *read_whole(const char *path, size_t *bytes)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    HOLDS(fstat(fd, &info) == 0, "cannot look at %s", path);
    uint8_t *content = malloc((size_t)info.st_size + 1);
    HOLDS(content, "out of memory");
    ssize_t got = read(fd, content, (size_t)info.st_size);
    HOLDS(got >= 0, "cannot read %s", path);
    *bytes = (size_t)got;
    close(fd);
    return content;
}

static void copy_file(const char *from, const char *to)
{
    size_t bytes;
    uint8_t *content = read_whole(from, &bytes);
    if (!content) return;
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    HOLDS(fd >= 0 && write(fd, content, bytes) == (ssize_t)bytes, "cannot write %s", to);
    close(fd);
    free(content);
}

static void copy(const char *from, const char *to, int only_missing)
{
    DIR *directory = opendir(from);
    if (!directory) return;
    mkdir(to, 0777);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char source[PATH_BYTES], target[PATH_BYTES];
        if (entry->d_name[0] == '.') continue;
        join(source, from, entry->d_name);
        join(target, to, entry->d_name);
        if (entry->d_type == DT_DIR)
            copy(source, target, only_missing);
        else if (!only_missing || access(target, F_OK) != 0)
            copy_file(source, target);
    }
    closedir(directory);
}

void tree_copy(const char *from, const char *to) { copy(from, to, 0); }

void tree_add_missing(const char *from, const char *to)
{
    char source[PATH_BYTES], target[PATH_BYTES];
    join(source, from, "seg");
    join(target, to, "seg");
    copy(source, target, 1);
    join(source, from, "log");
    join(target, to, "log");
    copy(source, target, 1);
}

uint64_t tree_fingerprint(const char *path)
{
    DIR *directory = opendir(path);
    uint64_t sum = 0;
    if (!directory) return 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char name[PATH_BYTES];
        if (entry->d_name[0] == '.') continue;
        join(name, path, entry->d_name);
        uint64_t hash = sl_hash(name, strlen(name));
        size_t bytes = 0;
        uint8_t *content = entry->d_type == DT_DIR ? NULL : read_whole(name, &bytes);
        hash = sl_scramble(hash + (entry->d_type == DT_DIR ? tree_fingerprint(name) : sl_hash(content, bytes)));
        free(content);
        sum += hash; /* in whatever order they are listed */
    }
    closedir(directory);
    return sum;
}

void tree_age_logs(const char *path, int seconds)
{
    char name[PATH_BYTES], file[PATH_BYTES];
    join(name, path, "log");
    DIR *directory = opendir(name);
    if (!directory) return;
    struct timespec times[2] = {{time(NULL) - seconds, 0}, {time(NULL) - seconds, 0}};
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.') continue;
        join(file, name, entry->d_name);
        utimensat(AT_FDCWD, file, times, 0);
    }
    closedir(directory);
}
