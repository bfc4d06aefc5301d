/* core/store.c: opening and closing a store. */
#include "steplog/store.h"

#include "base/error.h"
#include "base/kill_point.h"
#include "base/utf8.h"
#include "core/store.h"
#include "os/private_fd.h"

#include <errno.h>
#include <stdio.h>

#define LOG_BYTES_DEFAULT (8u << 20)
#define BACKLOG_BYTES_DEFAULT (32u << 20)

typedef struct directory_look {
    int has_store_file, has_other;
} directory_look;

static int look_at_name(void *context, const char *name)
{
    directory_look *look = context;
    if (strcmp(name, SL_STORE_FILE_NAME) == 0) look->has_store_file = 1;
    /* What an interrupted creation may have left. */
    else if (strcmp(name, SL_LOG_DIR) != 0 && strcmp(name, SL_SEGMENT_DIR) != 0 && strncmp(name, "STEPLOG.", 8) != 0)
        look->has_other = 1;
    return 0;
}

static steplog_status read_store_file(steplog_store *s, steplog_error *err)
{
    uint8_t bytes[SL_STORE_FILE_BYTES + 1];
    int fd = sl_os->open(s->store_dir, SL_STORE_FILE_NAME, SL_OS_READ);
    if (fd < 0) return sl_fail_os(err, -fd, -1, "cannot open '%s/%s'", s->path, SL_STORE_FILE_NAME);
    int64_t got = sl_os_read(fd, bytes, sizeof bytes, 0);
    sl_os->close(fd);
    if (got < 0) return sl_fail_os(err, (int)-got, 0, "cannot read '%s/%s'", s->path, SL_STORE_FILE_NAME);
    return sl_store_file_decode(bytes, (size_t)got, &s->file, err);
}

/* The store's own name must outlast a power cut too. A parent that we may pass but not read can not be synced itself:
 * then everything on its file system is, which costs more, once in a store's life. */
static int sync_parent(const steplog_store *s)
{
    size_t bytes = strlen(s->path) + sizeof "/..";
    char *parent = sl_alloc(bytes);
    if (!parent) return -ENOMEM;
    snprintf(parent, bytes, "%s/..", s->path);
    int fd = sl_os->open_dir(-1, parent);
    if (fd == -ENAMETOOLONG) { /* nearly as long as can be: cut instead, for what was just made is no link */
        size_t end = strlen(s->path);
        while (end > 0 && parent[end - 1] == '/') end--;
        while (end > 0 && parent[end - 1] != '/') end--;
        parent[end] = '\0';
        fd = sl_os->open_dir(-1, end ? parent : ".");
    }
    sl_free(parent);
    if (fd == -EACCES) return sl_os->sync_file_system(s->store_dir);
    if (fd < 0) return fd;
    int e = sl_os->sync_all(fd);
    sl_os->close(fd);
    return e;
}

/* Writes the store file under a name of its own, then gives it its name: two creators at once make one store. */
static steplog_status write_store_file(steplog_store *s, steplog_error *err)
{
    uint8_t bytes[SL_STORE_FILE_BYTES];
    char name[64], hex[STEPLOG_ID_TEXT_BYTES];
    s->file = (sl_store_file){.version = SL_FORMAT_VERSION, .created_time_ns = sl_os->wall_time_ns()};
    int e = sl_os->random(s->file.store_id.bytes, 16);
    if (e < 0) return sl_fail_os(err, -e, -1, "no random bytes for a store's id");
    steplog_id_format(&s->file.store_id, hex);
    memcpy(name, "STEPLOG.", 8);
    memcpy(name + 8, hex, sizeof hex);
    sl_store_file_encode(&s->file, bytes);
    int fd;
    e = sl_private_open(&fd, s->store_dir, name, SL_OS_WRITE | SL_OS_CREATE);
    if (e < 0) return sl_fail_os(err, -e, -1, "cannot create '%s/%s'", s->path, name);
    SL_KILL_POINT("create.file_created");
    e = sl_os_write_full(fd, bytes, sizeof bytes, 0);
    SL_KILL_POINT("create.file_written");
    if (e == 0) e = sl_os->sync_all(fd);
    sl_private_close(&fd);
    if (e == 0) e = sync_parent(s); /* before others can see a store: whoever does need not think of it */
    SL_KILL_POINT("create.file_synced");
    if (e == 0) e = sl_os->rename(s->store_dir, name, s->store_dir, SL_STORE_FILE_NAME);
    SL_KILL_POINT("create.file_named");
    if (e == 0) e = sl_os->sync_all(s->store_dir);
    if (e == -EEXIST) { /* someone else was first */
        sl_os->unlink(s->store_dir, name);
        return read_store_file(s, err);
    }
    if (e == 0) return STEPLOG_OK;
    sl_os->unlink(s->store_dir, name);
    return sl_fail_os(err, -e, -1, "cannot write '%s/%s'", s->path, SL_STORE_FILE_NAME);
}

static steplog_status open_directory(steplog_store *s, steplog_error *err)
{
    directory_look look = {0};
    int may_create = (s->flags & STEPLOG_CREATE) && !(s->flags & STEPLOG_READ_ONLY);
    s->store_dir = sl_os->open_dir(-1, s->path);
    if (s->store_dir == -ENOENT && may_create) {
        int e = sl_os->make_dir(-1, s->path);
        if (e < 0 && e != -EEXIST) return sl_fail_os(err, -e, -1, "cannot make directory '%s'", s->path);
        SL_KILL_POINT("create.directory_made");
        s->store_dir = sl_os->open_dir(-1, s->path);
    }
    if (s->store_dir == -ENOTDIR)
        return sl_fail(err, STEPLOG_MISUSE, -1, "'%s' is not a directory: a store is one", s->path);
    if (s->store_dir < 0) return sl_fail_os(err, -s->store_dir, -1, "cannot open store '%s'", s->path);
    int e = sl_os->list(s->store_dir, look_at_name, &look);
    if (e < 0) return sl_fail_os(err, -e, -1, "cannot list '%s'", s->path);
    if (look.has_store_file) return read_store_file(s, err);
    if (look.has_other)
        return sl_fail(err, STEPLOG_MISUSE, -1, "'%s' is a directory that is neither a store nor empty", s->path);
    if (!may_create) return sl_fail(err, STEPLOG_MISSING, -1, "'%s' is not a store", s->path);
    return write_store_file(s, err);
}

static steplog_status open_log_dir(steplog_store *s, steplog_error *err)
{
    s->log_dir = -1;
    if (s->flags & STEPLOG_READ_ONLY) return STEPLOG_OK;
    int made = sl_os->make_dir(s->store_dir, SL_LOG_DIR);
    if (made < 0 && made != -EEXIST)
        return sl_fail_os(err, -made, -1, "cannot make directory '%s/%s'", s->path, SL_LOG_DIR);
    if (made == 0) SL_KILL_POINT("create.log_directory_made");
    s->log_dir = sl_os->open_dir(s->store_dir, SL_LOG_DIR);
    if (s->log_dir < 0) return sl_fail_os(err, -s->log_dir, -1, "cannot open directory '%s/%s'", s->path, SL_LOG_DIR);
    /* Whoever made it, or the store, may not have lived to sync their names. */
    int e = sl_os->sync_all(s->store_dir);
    return e < 0 ? sl_fail_os(err, -e, -1, "cannot sync directory '%s'", s->path) : STEPLOG_OK;
}

/* The system takes any bytes for its name; what is recorded is UTF-8. */
static void know_host(steplog_store *s)
{
    size_t bad;
    sl_os->host_name(s->host, sizeof s->host);
    while (!sl_utf8_check(s->host, strlen(s->host), &bad)) s->host[bad] = '?';
}

static void know_machine(steplog_store *s)
{
    know_host(s);
    sl_os->host_id(s->host_id.bytes);
    sl_os->boot_id(s->boot_id.bytes);
    s->process_id = sl_os->process_id();
    s->process_start_ns = sl_os->process_start_time_ns();
    if (sl_os->file_system(s->store_dir, &s->file_system) < 0) s->file_system = (sl_os_file_system){.name = "unknown"};
}

static steplog_status check_options(const steplog_store_options *o, steplog_error *err)
{
    uint32_t known = STEPLOG_CREATE | STEPLOG_READ_ONLY | STEPLOG_NO_THREAD | STEPLOG_FORCE_PWRITE | STEPLOG_NO_ADOPT |
                     STEPLOG_MAP_READS;
    if (o->size_bytes < offsetof(steplog_store_options, backlog_bytes))
        return sl_fail(err, STEPLOG_MISUSE, -1, "store options: size_bytes is not set");
    if (o->flags & ~known)
        return sl_fail(err, STEPLOG_MISUSE, -1, "store options: unknown flags %#x", (unsigned)(o->flags & ~known));
    if ((o->flags & STEPLOG_CREATE) && (o->flags & STEPLOG_READ_ONLY))
        return sl_fail(err, STEPLOG_MISUSE, -1, "store options: CREATE and READ_ONLY exclude each other");
    if (o->log_bytes && (o->log_bytes < SL_LOG_BYTES_MIN || o->log_bytes > SL_LOG_BYTES_MAX))
        return sl_fail(err, STEPLOG_MISUSE, -1, "store options: log_bytes is %llu: expected %u to %u",
                       (unsigned long long)o->log_bytes, SL_LOG_BYTES_MIN, SL_LOG_BYTES_MAX);
    return STEPLOG_OK;
}

static void bound_backlog(sl_write_context *write, const steplog_store_options *o)
{
    uint64_t bytes = o->backlog_bytes;
    if (bytes == 0) bytes = 4 * o->log_bytes > BACKLOG_BYTES_DEFAULT ? 4 * o->log_bytes : BACKLOG_BYTES_DEFAULT;
    write->backlog_bytes = write->help_bytes = bytes;
    if (!(o->flags & STEPLOG_NO_THREAD)) write->help_bytes = bytes > UINT64_MAX / 4 ? UINT64_MAX : 4 * bytes;
}

static void free_store(steplog_store *s)
{
    if (s->facts) sl_reader_free(s->facts);
    if (s->log_dir >= 0) sl_os->close(s->log_dir);
    if (s->store_dir >= 0) sl_os->close(s->store_dir);
    if (s->alive_page) sl_os->unmap(s->alive_page, SL_OS_PAGE_BYTES);
    pthread_mutex_destroy(&s->list_lock);
    pthread_mutex_destroy(&s->work_lock);
    pthread_mutex_destroy(&s->compact_lock);
    pthread_mutex_destroy(&s->fact_lock);
    pthread_cond_destroy(&s->work);
    sl_free(s->path);
    sl_free(s);
}

steplog_status steplog_store_open(const char *path, const steplog_store_options *options, steplog_store **out,
                                  steplog_error *err)
{
    steplog_store_options o = {.size_bytes = sizeof o};
    if (out) *out = NULL;
    if (!path || !*path || !out)
        return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_store_open: path is NULL or empty, or out is NULL");
    if (options) {
        SL_TRY(check_options(options, err));
        memcpy(&o, options, options->size_bytes < sizeof o ? options->size_bytes : sizeof o);
    }
    steplog_store *s = sl_alloc_zero(1, sizeof *s);
    if (!s) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a store");
    s->store_dir = s->log_dir = -1;
    s->flags = o.flags;
    s->sync_interval_ns = o.sync_interval_ms == UINT32_MAX
                              ? INT64_MAX
                              : (o.sync_interval_ms ? o.sync_interval_ms : 1000) * 1000000ull;
    pthread_mutex_init(&s->list_lock, NULL);
    pthread_mutex_init(&s->work_lock, NULL);
    pthread_mutex_init(&s->compact_lock, NULL);
    pthread_mutex_init(&s->fact_lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->work, &attributes);
    pthread_condattr_destroy(&attributes);
    steplog_status status;
    void *page = NULL;
    if (!(s->path = sl_copy_text(path))) {
        status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a store");
        goto failed;
    }
    sl_fork_watch();
    if ((status = open_directory(s, err)) < 0 || (status = open_log_dir(s, err)) < 0) goto failed;
    know_machine(s);
    int e = sl_os->wipe_on_fork_page(&page);
    if (e < 0) {
        status = sl_fail_os(err, -e, -1, "cannot map a page");
        goto failed;
    }
    s->alive_page = page;
    atomic_init(s->alive_page, 1);
    s->generation = 1;
    s->write = (sl_write_context){.store_dir = s->store_dir,
                                  .log_dir = s->log_dir,
                                  .is_mapped = s->file_system.is_mappable && !(s->flags & STEPLOG_FORCE_PWRITE),
                                  .log_bytes = o.log_bytes ? o.log_bytes : LOG_BYTES_DEFAULT,
                                  .alive_page = s->alive_page,
                                  .store = s,
                                  .next_lamport = sl_store_next_lamport,
                                  .is_sealed = sl_store_is_sealed,
                                  .wake = sl_background_wake,
                                  .after_fork = sl_store_after_fork};
    bound_backlog(&s->write, &o);
    s->last_sync_ns = sl_os->monotonic_time_ns();
    atomic_init(&s->last_compact_ns, s->last_sync_ns);
    sl_fork_register(s); /* before there is a thread that opens logs */
    if (!(s->flags & (STEPLOG_READ_ONLY | STEPLOG_NO_THREAD)) && (status = sl_background_start(s, err)) < 0) {
        sl_fork_unregister(s);
        goto failed;
    }
    *out = s;
    return STEPLOG_OK;
failed:
    free_store(s);
    return status;
}

steplog_id steplog_store_id(const steplog_store *s) { return s->file.store_id; }

const char *steplog_store_path(const steplog_store *s) { return s->path; }

steplog_status steplog_store_close(steplog_store *s, steplog_error *err)
{
    if (!s) return STEPLOG_OK;
    sigset_t before;
    sl_store_enter(s);
    sl_store_lock_list(s, &before);
    int is_busy = s->writer_count || s->reader_count;
    size_t writers = s->writer_count, readers = s->reader_count;
    sl_store_unlock_list(s, &before);
    if (is_busy)
        return sl_fail(err, STEPLOG_BUSY, -1, "store '%s' has %zu writers and %zu readers open", s->path, writers,
                       readers);
    sl_fork_unregister(s);
    sl_background_stop(s);
    steplog_status status = s->background_error.code;
    if (status < 0 && err) *err = s->background_error;
    free_store(s);
    return status < 0 ? status : STEPLOG_OK;
}

steplog_status steplog_store_tick(steplog_store *s, uint32_t budget_ms, steplog_error *err)
{
    if (!s) return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_store_tick: store is NULL");
    if (s->flags & STEPLOG_READ_ONLY) return STEPLOG_OK;
    sl_store_enter(s);
    return sl_background_work(s, budget_ms ? sl_os->monotonic_time_ns() + (int64_t)budget_ms * 1000000 : 0, err);
}

/* ---- readers ---- */

sl_read_context sl_store_read_context(steplog_store *s)
{
    return (sl_read_context){
        .store_dir = s->store_dir, .host_id = s->host_id, .boot_id = s->boot_id, .is_local = s->file_system.is_local,
        .is_mapping = (s->flags & STEPLOG_MAP_READS) != 0};
}

static void count_reader(steplog_store *s, int change)
{
    sigset_t before;
    sl_store_enter(s);
    sl_store_lock_list(s, &before);
    if (change > 0)
        s->reader_count++;
    else
        s->reader_count--;
    sl_store_unlock_list(s, &before);
}

static void reader_closed(void *store) { count_reader(store, -1); }

steplog_status steplog_reader_open(steplog_store *s, steplog_reader **out, steplog_error *err)
{
    if (out) *out = NULL;
    if (!s || !out) return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_reader_open: an argument is NULL");
    sl_read_context context = sl_store_read_context(s);
    context.is_view = 1;
    context.closed = reader_closed;
    context.store = s;
    SL_TRY(sl_reader_new(&context, out, err));
    (*out)->store_id = s->file.store_id;
    (*out)->created_time_ns = s->file.created_time_ns;
    count_reader(s, 1);
    return STEPLOG_OK;
}

void steplog_reader_close(steplog_reader *r)
{
    if (!r) return;
    sl_read_context context = r->context;
    sl_reader_free(r);
    if (context.closed) context.closed(context.store);
}

steplog_status steplog_reader_store_info(steplog_reader *r, steplog_store_info *out, steplog_error *err)
{
    if (!r || !out || out->size_bytes < sizeof *out)
        return sl_fail(err, STEPLOG_MISUSE, -1,
                       "steplog_reader_store_info: an argument is NULL or size_bytes is not set");
    const steplog_store *s = r->context.store;
    *out = (steplog_store_info){.size_bytes = out->size_bytes,
                                .id = r->store_id,
                                .format_version = SL_FORMAT_VERSION,
                                .created_time_ns = r->created_time_ns,
                                .log_count = r->logs.count,
                                .segment_count = r->segments.count,
                                .level_count = r->level_count,
                                .log_mode = s->file_system.is_mappable && !(s->flags & STEPLOG_FORCE_PWRITE) ? "mapped"
                                                                                                             : "pwrite",
                                .file_system = s->file_system.name};
    for (size_t i = 0; i < r->segments.count; i++) out->segment_bytes += r->segments.items[i]->file_bytes;
    for (size_t i = 0; i < r->logs.count; i++) out->log_bytes += r->logs.items[i]->header.capacity_bytes;
    steplog_run_info run = {.size_bytes = sizeof run};
    steplog_status status;
    while ((status = steplog_reader_run(r, out->run_count, &run, err)) >= 0) {
        out->run_count++;
        out->writer_count += run.writer_count;
        out->row_count += run.row_count;
        out->point_count += run.point_count;
    }
    return status == STEPLOG_MISSING ? STEPLOG_OK : status;
}
