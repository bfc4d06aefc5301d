/* support/temp_dir.c: directories for one test each, removed when the process exits. A child made by
 * fork() that exits removes nothing. */
#include "support/temp_dir.h"

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Kept reachable, so that the leak sanitizer has no complaint. */
typedef struct kept_text {
    struct kept_text *next;
    int is_directory;
    pid_t owner;
    char text[];
} kept_text;

static kept_text *kept;

static char *keep(const char *text, int is_directory)
{
    size_t bytes = strlen(text) + 1;
    kept_text *fresh = malloc(sizeof *fresh + bytes);
    if (!fresh) abort();
    *fresh = (kept_text){.next = kept, .is_directory = is_directory, .owner = getpid()};
    memcpy(fresh->text, text, bytes);
    kept = fresh;
    return fresh->text;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path), 0;
}

static int make_writable(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)where;
    if (kind == FTW_D || kind == FTW_DNR) (void)chmod(path, 0700);
    return 0;
}

void test_remove_tree(const char *path)
{
    nftw(path, make_writable, 16, FTW_PHYS);
    nftw(path, remove_one, 16, FTW_PHYS | FTW_DEPTH);
}

static void remove_directories(void)
{
    for (const kept_text *at = kept; at; at = at->next) {
        if (at->is_directory && at->owner == getpid()) test_remove_tree(at->text);
    }
}

const char *test_temp_dir(void)
{
    static int is_registered;
    if (!is_registered && atexit(remove_directories) != 0) abort();
    is_registered = 1;
    const char *parent = getenv("TMPDIR");
    char path[PATH_MAX];
    int wanted = snprintf(path, sizeof path, "%s/steplog-test.XXXXXX", parent && *parent ? parent : "/tmp");
    if (wanted < 0 || wanted >= (int)sizeof path || !mkdtemp(path)) {
        perror(path);
        abort();
    }
    return keep(path, 1);
}

const char *test_path(const char *directory, const char *name)
{
    char path[PATH_MAX];
    int wanted = snprintf(path, sizeof path, "%s/%s", directory, name);
    if (wanted < 0 || wanted >= (int)sizeof path) abort();
    return keep(path, 0);
}
