/* places/names.c: what is not a file or directory of the store's stands where one should: FIFOs, devices, sockets,
 * links; and files that are none of its business. */
#include "places.h"

#include "disk.h"
#include "support/store_kit.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

typedef enum object {
    FIFO,
    SOCKET,
    DEVICE,
    LINK_LOOP,
    LINK_DANGLING,
    LINK_TO_FILE,
    LINK_TO_DIRECTORY,
    DIRECTORY,
    EMPTY_FILE,
    GARBAGE,
    OBJECT_COUNT
} object;

static const char *const object_names[] = {"a FIFO",           "a socket",          "a device",
                                           "a link to itself", "a dangling link",   "a link to a file",
                                           "a link to a directory", "a directory",  "an empty file",
                                           "garbage"};

/* What stands in a store before: rows in a segment, and rows in the log of a writer that was killed. */
typedef struct base {
    const char *store, *outside;
    char log[96], segment[96];
    play *sealed, *killed;
} base;

static void write_and_close(void *context) { play_all(context); }

static void write_and_die(void *context)
{
    steplog_store *store;
    steplog_writer *writer;
    play_write(context, &store, &writer);
    _exit(0);
}

static int make_base(tally *t, const char *root, base *b)
{
    b->store = place_path(root, "base");
    b->outside = place_path(root, "outside");
    b->sealed = shared_memory(sizeof *b->sealed);
    b->killed = shared_memory(sizeof *b->killed);
    play_init(b->sealed, b->store, STEPLOG_CREATE | STEPLOG_NO_THREAD, t->seed, 0, 300);
    play_init(b->killed, b->store, STEPLOG_NO_THREAD | (t->seed % 2 ? STEPLOG_FORCE_PWRITE : 0u), t->seed, 1, 200);
    if (!in_child(t, 20, write_and_close, b->sealed, "making a store") ||
        !in_child(t, 20, write_and_die, b->killed, "a writer that is killed"))
        return 0;
    const char *level = tree_find(place_path(b->store, "seg/1"), ".seg") ? "seg/1" : "seg/0";
    const char *name = tree_find(place_path(b->store, level), ".seg");
    HOLDS(name, "there is no segment");
    snprintf(b->segment, sizeof b->segment, "%s/%.70s", level, name);
    name = tree_find(place_path(b->store, "log"), ".log");
    HOLDS(name, "there is no log");
    snprintf(b->log, sizeof b->log, "log/%.70s", name);
    tree_copy(b->store, b->outside);
    return 1;
}

static void free_base(base *b)
{
    shared_free(b->sealed, sizeof *b->sealed);
    shared_free(b->killed, sizeof *b->killed);
}

/* 0 when the machine does not let it be made. */
static int make_object(object kind, const char *path, const char *outside)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;
    switch (kind) {
    case FIFO: return mkfifo(path, 0666) == 0;
    case SOCKET:
        if (strlen(path) >= sizeof address.sun_path) return 0;
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int is_bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
        if (fd >= 0) close(fd);
        return is_bound;
    case DEVICE: return mknod(path, S_IFCHR | 0666, makedev(1, 5)) == 0; /* /dev/zero: without an end */
    case LINK_LOOP: return symlink(path, path) == 0;
    case LINK_DANGLING: return symlink(place_path(outside, "nothing"), path) == 0;
    case LINK_TO_FILE: return symlink(place_path(outside, "STEPLOG"), path) == 0;
    case LINK_TO_DIRECTORY: return symlink(place_path(outside, "seg/0"), path) == 0;
    case DIRECTORY: return mkdir(path, 0777) == 0;
    case EMPTY_FILE: tree_put(path, ""); return 1;
    default: tree_put(path, "this is not what was looked for\n"); return 1;
    }
}

static void read_everything(void *context) { play_read_everything(context); }

typedef struct check {
    const char *path;
    const base *base;
    const play *mine;
} check;

static void check_all(void *context)
{
    const check *c = context;
    play_check(c->base->sealed, c->path);
    play_check(c->base->killed, c->path);
    if (c->mine) play_check(c->mine, c->path);
}

/* One object in one place: everything that reads, then everything that writes; then the object goes, what was there
 * before comes back, and nothing is missing. */
static void try_object(tally *t, const base *b, const char *root, object kind, const char *target, int is_added)
{
    /* Sanitizers take ten times as long: a third of the pairs with each seed. */
    static uint64_t pair;
    if (PLACES_HAS_SANITIZER && (pair++ + t->seed) % 3) return;
    const char *store = place_path(root, "store"), *saved = place_path(root, "saved");
    char path[PATH_MAX];
    tree_copy(b->store, store);
    snprintf(path, sizeof path, "%s%s%s", store, *target ? "/" : "", target);
    if (!is_added) tree_move(path, saved);
    if (make_object(kind, path, b->outside)) {
        const char *what = object_names[kind], *where = *target ? target : "the store";
        uint64_t outside = tree_print(b->outside, NULL), before = tree_print(store, NULL);
        play *mine = shared_memory(sizeof *mine);
        check c = {store, b, NULL};
        play_init(mine, store, STEPLOG_NO_THREAD, t->seed + 1, 2, 400);
        in_child(t, 20, read_everything, (void *)(uintptr_t)store, "reading with %s as %s", what, where);
        if (tree_print(store, NULL) != before) violation(t, "reading with %s as %s changed the store", what, where);
        if (is_added) in_child(t, 20, check_all, &c, "what is there beside %s as %s", what, where);
        in_child(t, 20, write_and_close, mine, "writing with %s as %s", what, where);
        if (tree_print(b->outside, NULL) != outside) violation(t, "%s as %s: a step outside", what, where);
        if (is_added && kind != EMPTY_FILE && access(path, F_OK) != 0 && kind < LINK_LOOP)
            violation(t, "%s as %s was removed", what, where);
        tree_remove(path);
        if (!is_added) tree_move(saved, path);
        c.mine = mine;
        in_child(t, 20, check_all, &c, "what is there after %s as %s", what, where);
        shared_free(mine, sizeof *mine);
    } else if (!is_added) {
        tree_move(saved, path);
    }
    tree_remove(store);
}

void test_objects(tally *t)
{
    static const char *const added[] = {"log/0123456789abcdef0123456789abcdef-1.log",
                                        "seg/0/0123456789abcdef0123456789abcdef.seg",
                                        "seg/0/0123456789abcdef0123456789abcdef.tmp",
                                        "seg/7",
                                        "seg/1",
                                        "STEPLOG.0123456789abcdef0123456789abcdef"};
    const char *root = place_begin();
    base b;
    if (make_base(t, root, &b)) {
        const char *const replaced[] = {"", "STEPLOG", "log", "seg", "seg/0", b.log, b.segment};
        for (object kind = 0; kind < OBJECT_COUNT; kind++) {
            for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++) {
                /* A directory in a directory's place is nothing odd, nor is a store that a link names. */
                if (kind == DIRECTORY && i != 1 && i < 5) continue;
                if (kind == LINK_TO_DIRECTORY && i == 0) continue;
                try_object(t, &b, root, kind, replaced[i], 0);
            }
            for (size_t i = 0; i < sizeof added / sizeof *added; i++) {
                if (kind == DIRECTORY && !strchr(added[i], '.')) continue;
                if (access(place_path(b.store, added[i]), F_OK) == 0) continue;
                try_object(t, &b, root, kind, added[i], 1);
            }
        }
    }
    free_base(&b);
    place_end(root);
}

/* ---- files of others ---- */

void test_foreign(tally *t)
{
    static const char *const names[] = {
        "foreign", ".foreign", "foreign.seg", "foreign.log", "foreign.tmp", ".nfs0000foreign", "STEPLOG foreign",
        "0123456789ABCDEF0123456789ABCDEF-1 foreign.log", "0123456789abcdef0123456789abcdef-01.log foreign",
        "foreign\n\033[31mred\033[0m", "foreign \302\233 31m", "foreign \xff\xfe", "foreign \xe2\x80\xae txt",
        "4294967296 foreign", "-1 foreign", "00 foreign"};
    static const char *const places[] = {"", "/log", "/seg", "/seg/0", "/seg/1"};
    const char *root = place_begin();
    base b;
    if (make_base(t, root, &b)) {
        char path[PATH_MAX], longest[256];
        memset(longest, 'f', 255);
        memcpy(longest, "foreign", 7);
        longest[255] = '\0';
        mkdir(place_path(b.store, "seg/1"), 0777);
        for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
            for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                snprintf(path, sizeof path, "%s%s/%s", b.store, places[p], names[i]);
                if (i % 4 == 3) HOLDS(mkdir(path, 0777) == 0, "can not make %s", path);
                else tree_put(path, "foreign");
            }
            snprintf(path, sizeof path, "%s%s/%s", b.store, places[p], longest);
            tree_put(path, "foreign");
        }
        uint64_t before = tree_print(b.store, "foreign");
        play *mine = shared_memory(sizeof *mine);
        check c = {b.store, &b, mine};
        play_init(mine, b.store, STEPLOG_NO_THREAD, t->seed + 1, 2, 3000);
        in_child(t, 20, read_everything, (void *)(uintptr_t)b.store, "reading beside foreign files");
        in_child(t, 20, write_and_close, mine, "writing beside foreign files");
        if (mine->failures) violation(t, "%u calls failed beside foreign files: %s", mine->failures, mine->first.text);
        in_child(t, 20, check_all, &c, "what is there beside foreign files");
        if (tree_print(b.store, "foreign") != before) violation(t, "foreign files were changed");
        shared_free(mine, sizeof *mine);
    }
    free_base(&b);
    place_end(root);
}

/* ---- paths ---- */

typedef struct path_case {
    const char *root;
    play *mine;
    char text[8192];
    int leaves; /* the directory of the program changes after opening */
    int must_fail;
} path_case;

static void leave_directory(void *context, uint64_t row)
{
    path_case *c = context;
    if (row == 0 && c->leaves) HOLDS(chdir("/") == 0, "can not go to /");
}

static void play_path(void *context)
{
    path_case *c = context;
    HOLDS(chdir(c->root) == 0, "can not go to %s", c->root);
    c->mine->between = leave_directory;
    c->mine->between_context = c;
    play_all(c->mine);
    HOLDS(c->must_fail || c->mine->failures == 0, "%u calls failed: %s", c->mine->failures, c->mine->first.text);
    HOLDS(!c->must_fail || !c->mine->is_open, "a path that can not be was opened");
    HOLDS(chdir(c->root) == 0, "can not go to %s", c->root);
    play_read_everything(c->mine->path);
    if (!c->must_fail) play_check(c->mine, c->mine->path);
}

static void try_path(tally *t, const char *root, const char *path, int leaves, int must_fail, const char *what)
{
    path_case c = {.root = root, .leaves = leaves, .must_fail = must_fail, .mine = shared_memory(sizeof *c.mine)};
    play_init(c.mine, path, STEPLOG_CREATE | (leaves ? STEPLOG_NO_THREAD : 0u), t->seed, 0, 1200);
    in_child(t, 20, play_path, &c, "%s", what);
    shared_free(c.mine, sizeof *c.mine);
}

/* Directories of 200 bytes one in the other, until only rest bytes are missing to bytes. */
static void make_deep(const char *root, size_t bytes, char *path)
{
    size_t used = 0;
    HOLDS(chdir(root) == 0, "can not go to %s", root);
    path[0] = '\0';
    while (bytes - used > 250) {
        char part[201];
        memset(part, 'a' + (int)(used / 201 % 26), 200);
        part[200] = '\0';
        HOLDS((mkdir(part, 0777) == 0 || errno == EEXIST) && chdir(part) == 0, "can not make a deep directory");
        used += (size_t)sprintf(path + used, "%s/", part);
    }
    memset(path + used, 'z', bytes - used);
    path[bytes] = '\0';
    HOLDS(chdir("/") == 0, "can not go to /");
}

static void in_removed_directory(void *context)
{
    const char *path = place_path(context, "gone");
    steplog_error err = {0};
    steplog_store *store;
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_CREATE};
    HOLDS(mkdir(path, 0777) == 0 && chdir(path) == 0 && rmdir(path) == 0, "can not stand in a removed directory");
    HOLDS(CLEAR(steplog_store_open("store", &options, &store, &err), &err) < 0, "a store where nothing can be");
    play_read_everything("store");
    play_read_everything(".");
}

static void open_nothing(void *context)
{
    (void)context;
    steplog_error err = {0};
    steplog_store *store = NULL;
    HOLDS(CLEAR(steplog_store_open("", NULL, &store, &err), &err) == STEPLOG_MISUSE && !store, "an empty path");
    HOLDS(CLEAR(steplog_store_open(NULL, NULL, &store, &err), &err) == STEPLOG_MISUSE && !store, "no path");
}

void test_paths(tally *t)
{
    static const char *const odd[] = {"./a/../plain", "plain//", ".//dots", "with space", "with\nline", "with\033[31m",
                                      "not \xff utf8", "quote'quote\"", "percent %s%n", "-C", "dot."};
    const char *root = place_begin();
    char path[8192];
    mkdir(place_path(root, "a"), 0777);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        snprintf(path, sizeof path, "the path %zu", i);
        char name[64];
        snprintf(name, sizeof name, "%s%zu", odd[i], i);
        try_path(t, root, i == 1 || i == 2 ? odd[i] : name, (int)(i % 2), 0, path);
    }
    memset(path, 'n', 256);
    path[255] = '\0';
    try_path(t, root, path, 1, 0, "a name of 255 bytes");
    strcpy(path + 255, "n");
    try_path(t, root, path, 0, 1, "a name of 256 bytes");
    for (size_t bytes = PATH_MAX - 1; bytes >= PATH_MAX - 90; bytes -= t->seed % 2 ? 7 : 11) {
        make_deep(root, bytes, path);
        try_path(t, root, path, 0, 0, "a path as long as can be");
    }
    make_deep(root, PATH_MAX, path);
    try_path(t, root, path, 0, 1, "a path that is too long");
    make_deep(root, 7000, path);
    try_path(t, root, path, 0, 1, "a path that is much too long");
    in_child(t, 20, in_removed_directory, (void *)(uintptr_t)root, "standing in a removed directory");
    in_child(t, 20, open_nothing, NULL, "no path");
    place_end(root);
}

/* ---- read-only mounts ---- */

static void write_on_read_only(void *context)
{
    play *p = context;
    steplog_error err = {0};
    steplog_store *store = NULL;
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_CREATE};
    play_all(p);
    HOLDS(p->acknowledged_count == 0 && p->failures > 0, "rows were taken on a read-only mount");
    HOLDS(p->first.os_errno == EROFS, "a read-only mount gives: %s", p->first.text);
    if (CLEAR(steplog_store_open(p->path, &options, &store, &err), &err) < 0) return;
    CLEAR(steplog_store_compact(store, NULL, NULL, &err), &err); /* there may be nothing to do */
    HOLDS(CLEAR(steplog_run_rewind(store, &p->run, 1, NULL, &err), &err) < 0, "rewinding on a read-only mount");
    CLEAR(steplog_store_close(store, &err), &err);
}

typedef struct live {
    const char *path;
    play *writer;
    volatile int is_done;
} live;

static void read_while_written(void *context)
{
    live *l = context;
    uint64_t before = 0;
    for (int i = 0; i < 200; i++) {
        uint64_t acknowledged = __atomic_load_n(&l->writer->acknowledged_count, __ATOMIC_ACQUIRE);
        int is_done = l->is_done;
        if (l->writer->has_run) {
            uint64_t found = play_check_prefix(l->writer, l->path, acknowledged, PLAY_ROWS_MAX);
            HOLDS(found >= before, "rows went away");
            before = found;
        }
        if (is_done) return;
        usleep(1000);
    }
}

static void slow_down(void *context, uint64_t row)
{
    (void)context;
    if (row % 64 == 0) usleep(2000);
}

static void write_live(void *context)
{
    live *l = context;
    l->writer->between = slow_down;
    play_all(l->writer);
    l->is_done = 1;
}

void test_readonly(tally *t)
{
    if (disk_why_not()) {
        skip(t, "%s", disk_why_not());
        return;
    }
    const char *root = place_begin(), *seen = place_path(root, "seen");
    base b;
    if (make_base(t, root, &b)) {
        check c = {seen, &b, NULL};
        mkdir(seen, 0777);
        tree_remove(seen);
        tree_copy(b.store, seen);
        int e = disk_make_read_only(seen);
        HOLDS(e == 0, "can not make a mount read-only: %s", strerror(-e));
        uint64_t before = tree_print(seen, NULL);
        play *mine = shared_memory(sizeof *mine);
        live *l = shared_memory(sizeof *l);
        play_init(mine, seen, t->seed % 2 ? STEPLOG_NO_THREAD : 0, t->seed + 1, 2, 300);
        in_child(t, 20, read_everything, (void *)(uintptr_t)seen, "reading a read-only mount");
        in_child(t, 20, check_all, &c, "what is there on a read-only mount");
        in_child(t, 20, write_on_read_only, mine, "writing on a read-only mount");
        if (tree_print(seen, NULL) != before) violation(t, "a store on a read-only mount changed");
        disk_unmount(seen);
        /* And while it is written to through another mount. */
        const char *store = place_path(root, "live");
        tree_remove(seen);
        mkdir(seen, 0777);
        mkdir(store, 0777);
        *l = (live){.path = seen, .writer = mine};
        play_init(mine, store, STEPLOG_CREATE, t->seed + 2, 3, 8000);
        kit_store_close(kit_store(store, STEPLOG_CREATE | STEPLOG_NO_THREAD, 0));
        if (disk_bind_read_only(store, seen) == 0) {
            fflush(NULL);
            pid_t writer = fork();
            if (writer == 0) {
                write_live(l);
                _exit(0);
            }
            in_child(t, 60, read_while_written, l, "reading a read-only mount while it is written");
            waitpid(writer, NULL, 0);
            if (mine->failures) violation(t, "the writer beside it failed: %s", mine->first.text);
            disk_unmount(seen);
        }
        shared_free(l, sizeof *l);
        shared_free(mine, sizeof *mine);
    }
    free_base(&b);
    place_end(root);
}
