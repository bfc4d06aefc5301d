/* places/tree.c: looking at a directory from outside, with the system's own calls. */
#include "tree.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t sum;
static const char *wanted_part;

static uint64_t mix(uint64_t hash, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t print_content(uint64_t hash, const char *path)
{
    char buffer[65536];
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return hash;
    for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0;) hash = mix(hash, buffer, (size_t)got);
    close(fd);
    return hash;
}

static int print_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)kind, (void)where;
    if (wanted_part && !strstr(path, wanted_part)) return 0;
    uint64_t hash = mix(0xcbf29ce484222325u, path, strlen(path));
    hash = mix(hash, &info->st_mode, sizeof info->st_mode);
    hash = mix(hash, &info->st_ino, sizeof info->st_ino);
    if (!S_ISDIR(info->st_mode)) hash = mix(hash, &info->st_size, sizeof info->st_size);
    if (!wanted_part || !S_ISDIR(info->st_mode)) hash = mix(hash, &info->st_mtim, sizeof info->st_mtim);
    if (S_ISREG(info->st_mode)) hash = print_content(hash, path);
    sum += hash; /* in whatever order they are found */
    return 0;
}

uint64_t tree_print(const char *path, const char *wanted)
{
    sum = 0;
    wanted_part = wanted;
    nftw(path, print_one, 32, FTW_PHYS);
    return sum;
}

void tree_copy(const char *from, const char *to)
{
    char command[9000];
    snprintf(command, sizeof command, "cp -a '%s' '%s'", from, to);
    HOLDS(system(command) == 0, "can not copy %s", from);
}

void tree_move(const char *from, const char *to) { HOLDS(rename(from, to) == 0, "can not move %s", from); }

void tree_remove(const char *path)
{
    struct stat info;
    if (lstat(path, &info) != 0) return;
    if (S_ISDIR(info.st_mode))
        test_remove_tree(path);
    else
        HOLDS(unlink(path) == 0, "can not remove %s", path);
}

void tree_put(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    HOLDS(file, "can not make %s", path);
    HOLDS(fputs(text, file) >= 0 && fclose(file) == 0, "can not write %s", path);
}

const char *tree_find(const char *directory, const char *suffix)
{
    static char name[256];
    DIR *stream = opendir(directory);
    const char *found = NULL;
    if (!stream) return NULL;
    for (struct dirent *entry; !found && (entry = readdir(stream));) {
        size_t bytes = strlen(entry->d_name), end = strlen(suffix);
        if (bytes < end || strcmp(entry->d_name + bytes - end, suffix) != 0) continue;
        snprintf(name, sizeof name, "%s", entry->d_name);
        found = name;
    }
    closedir(stream);
    return found;
}
