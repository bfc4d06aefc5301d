/* core/verify.c: checking every byte of a store, without changing one.
 *
 * Each file is checked alone (verify_log.c, verify_segment.c); then a snapshot says whether records are missing between
 * those that the files hold together. The store may be in use meanwhile: a file that goes away was sealed or compacted,
 * so the directories are listed again until everything that stayed has been checked. */
#include "core/verify.h"

#include "base/error.h"
#include "base/hash_map.h"
#include "format/checksum.h"
#include "format/file_names.h"
#include "format/store_file.h"
#include "read/reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LISTINGS_MAX 100
#define SNAPSHOTS_MAX 5
#define SNAPSHOT_PAUSE_NS 20000000
#define TELL_BYTES (1u << 20)

typedef enum file_kind { FILE_LOG, FILE_SEGMENT, FILE_OTHER } file_kind;

typedef struct store_file {
    char *name; /* relative to the store */
    file_kind kind;
    int is_done;
} store_file;

typedef struct listing {
    sl_verify *verify;
    const char *directory; /* being listed, "" for the store's own */
    SL_VEC(store_file) files;
    sl_hash_map by_name;
    int is_out_of_memory;
} listing;

void sl_verify_report(sl_verify *v, const steplog_damage *finding)
{
    if (finding->is_notice)
        v->result.notice_count++;
    else
        v->result.damage_count++;
    if (v->options.callback && !v->must_stop && v->options.callback(v->options.context, finding) != 0) v->must_stop = 1;
}

void sl_verify_report_place(sl_verify *v, const char *file, int64_t offset, uint64_t bytes, int is_notice,
                            const char *format, ...)
{
    char what[sizeof(((steplog_error *)0)->text)];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    sl_verify_report(v, &(steplog_damage){.size_bytes = sizeof(steplog_damage),
                                          .file = file,
                                          .offset = offset,
                                          .bytes = bytes,
                                          .what = what,
                                          .is_notice = is_notice});
}

void sl_verify_advance(sl_verify *v, uint64_t bytes)
{
    v->done_bytes += bytes;
    if (!v->options.progress || v->must_stop || v->done_bytes < v->told_bytes + TELL_BYTES) return;
    v->told_bytes = v->done_bytes;
    uint64_t total = v->total_bytes > v->done_bytes ? v->total_bytes : v->done_bytes;
    if (v->options.progress(v->options.progress_context, v->done_bytes, total) != 0) v->must_stop = 1;
}

steplog_status sl_verify_refused(sl_verify *v, const char *file, int os_errno, uint64_t offset, steplog_error *err)
{
    if (os_errno != EIO) return sl_fail_os(err, os_errno, (int64_t)offset, "cannot verify '%s'", file);
    sl_verify_report_place(v, file, (int64_t)offset, 0, 0,
                           "the disk can not read the file here: the rest of it was not checked");
    return STEPLOG_OK;
}

/* ---- listing ---- */

static file_kind kind_of(const char *directory, const char *name)
{
    steplog_id id;
    uint32_t number;
    if (strcmp(directory, SL_LOG_DIR) == 0) return sl_log_name_parse(name, &id, &number) ? FILE_LOG : FILE_OTHER;
    return strncmp(directory, SL_SEGMENT_DIR "/", 4) == 0 && sl_segment_name_parse(name, &id) ? FILE_SEGMENT
                                                                                              : FILE_OTHER;
}

static int was_listed(const listing *l, uint64_t hash, const char *name)
{
    size_t probe = 0;
    uint32_t index;
    while (sl_hash_map_find(&l->by_name, hash, &probe, &index))
        if (strcmp(l->files.items[index].name, name) == 0) return 1;
    return 0;
}

static int add_file(void *context, const char *name)
{
    listing *l = context;
    size_t bytes = strlen(l->directory) + strlen(name) + 2;
    uint32_t level;
    int is_known_dir = l->directory[0] ? strcmp(l->directory, SL_SEGMENT_DIR) == 0 && sl_level_parse(name, &level)
                                       : strcmp(name, SL_LOG_DIR) == 0 || strcmp(name, SL_SEGMENT_DIR) == 0 ||
                                             strcmp(name, SL_STORE_FILE_NAME) == 0;
    if (is_known_dir) return 0;
    store_file file = {.kind = kind_of(l->directory, name)};
    if ((file.name = sl_alloc(bytes)))
        snprintf(file.name, bytes, "%s%s%s", l->directory, l->directory[0] ? "/" : "", name);
    uint64_t hash = file.name ? sl_hash_text(file.name, bytes - 1) : 0;
    if (file.name && was_listed(l, hash, file.name)) {
        sl_free(file.name);
        return 0;
    }
    if (file.name && SL_VEC_RESERVE(&l->files, l->files.count + 1) &&
        sl_hash_map_add(&l->by_name, hash, (uint32_t)l->files.count)) {
        l->files.items[l->files.count++] = file;
        return 0;
    }
    sl_free(file.name);
    l->is_out_of_memory = 1;
    return 1;
}

static steplog_status list_directory(listing *l, const char *directory, sl_os_name_callback callback, void *context,
                                     steplog_error *err)
{
    l->directory = directory;
    int fd = directory[0] ? sl_os->open_dir(l->verify->store_dir, directory) : l->verify->store_dir;
    if (fd == -ENOENT) return STEPLOG_OK;
    if (fd == -ENOTDIR || fd == -ELOOP) {
        sl_verify_report_place(l->verify, directory, -1, 0, 0, "not a directory: what it should hold is missing");
        return STEPLOG_OK;
    }
    if (fd < 0) return sl_fail_os(err, -fd, -1, "cannot open directory '%s'", directory);
    int e = sl_os->list(fd, callback, context);
    if (directory[0]) sl_os->close(fd);
    if (l->is_out_of_memory) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to list a store");
    return e < 0 ? sl_fail_os(err, -e, -1, "cannot list directory '%s'", directory) : STEPLOG_OK;
}

typedef SL_VEC(uint32_t) level_list;

static int add_level(void *context, const char *name)
{
    uint32_t level;
    return sl_level_parse(name, &level) && !SL_VEC_PUSH((level_list *)context, level);
}

static int compare_levels(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* log/ first, then the levels upward: what moves, moves ahead of the listing. */
static steplog_status list_store(listing *l, steplog_error *err)
{
    level_list levels = {0};
    char name[32];
    steplog_status status;
    SL_TRY_DONE(list_directory(l, "", add_file, l, err));
    SL_TRY_DONE(list_directory(l, SL_LOG_DIR, add_file, l, err));
    SL_TRY_DONE(list_directory(l, SL_SEGMENT_DIR, add_file, l, err));
    SL_TRY_DONE(list_directory(l, SL_SEGMENT_DIR, add_level, &levels, err));
    if (levels.count) qsort(levels.items, levels.count, sizeof *levels.items, compare_levels);
    for (size_t i = 0; i < levels.count; i++) {
        snprintf(name, sizeof name, "%s/%u", SL_SEGMENT_DIR, (unsigned)levels.items[i]);
        SL_TRY_DONE(list_directory(l, name, add_file, l, err));
    }
done:
    SL_VEC_FREE(&levels);
    return status;
}

static void measure(listing *l)
{
    sl_os_stat stat;
    l->verify->total_bytes = SL_STORE_FILE_BYTES;
    for (size_t i = 0; i < l->files.count; i++)
        if (l->files.items[i].kind != FILE_OTHER &&
            sl_os->stat_name(l->verify->store_dir, l->files.items[i].name, &stat) == 0)
            l->verify->total_bytes += stat.bytes;
}

/* ---- files ---- */

static void report_other(sl_verify *v, const char *name)
{
    const char *slash = strrchr(name, '/'), *leaf = slash ? slash + 1 : name;
    sl_os_stat stat;
    steplog_id id;
    int e = sl_os->stat_name(v->store_dir, name, &stat);
    if (e == -ENOENT) return; /* it came and went */
    if (slash && strncmp(name, SL_SEGMENT_DIR "/", 4) == 0 && sl_temporary_name_parse(leaf, &id))
        sl_verify_report_place(v, name, -1, 0, 1, "a segment that is being written, or that an interruption left");
    else
        sl_verify_report_place(v, name, -1, 0, 1, "%s that is no part of a store: readers ignore it",
                               e == 0 && stat.is_directory ? "a directory" : "a file");
}

static steplog_status check_files(listing *l, steplog_error *err)
{
    sl_verify *v = l->verify;
    for (size_t i = 0; i < l->files.count && !v->must_stop; i++) {
        store_file *file = &l->files.items[i];
        if (file->is_done) continue;
        int must_list_again = v->must_list_again;
        v->must_list_again = 0;
        if (file->kind == FILE_LOG)
            SL_TRY(sl_verify_log(v, file->name, err));
        else if (file->kind == FILE_SEGMENT)
            SL_TRY(sl_verify_segment(v, file->name, err));
        else
            report_other(v, file->name);
        /* One that went away may come back under its name as another log. */
        file->is_done = !v->must_list_again;
        v->must_list_again |= must_list_again;
    }
    return STEPLOG_OK;
}

/* The table of names had room for all of them, so it has for those that stay. */
static void forget_missing(listing *l)
{
    size_t kept = 0;
    sl_os_stat stat;
    sl_hash_map_clear(&l->by_name);
    for (size_t i = 0; i < l->files.count; i++) {
        store_file *file = &l->files.items[i];
        if (!file->is_done && sl_os->stat_name(l->verify->store_dir, file->name, &stat) == -ENOENT) {
            sl_free(file->name);
            continue;
        }
        sl_hash_map_add(&l->by_name, sl_hash_text(file->name, strlen(file->name)), (uint32_t)kept);
        l->files.items[kept++] = *file;
    }
    l->files.count = kept;
}

static steplog_status check_all_files(sl_verify *v, steplog_error *err)
{
    listing l = {.verify = v};
    steplog_status status = STEPLOG_OK;
    for (int i = 0; i < LISTINGS_MAX && !v->must_stop; i++) {
        v->must_list_again = 0;
        SL_TRY_DONE(list_store(&l, err));
        if (i == 0) measure(&l);
        SL_TRY_DONE(check_files(&l, err));
        if (!v->must_list_again) break;
        forget_missing(&l);
    }
done:
    for (size_t i = 0; i < l.files.count; i++) sl_free(l.files.items[i].name);
    SL_VEC_FREE(&l.files);
    sl_hash_map_free(&l.by_name);
    return status;
}

/* ---- sequences ---- */

typedef struct missing_range {
    steplog_id run, incarnation;
    uint64_t begin, end;
    int is_notice; /* not missing: valid, but behind a hole that no mark covers */
} missing_range;

typedef SL_VEC(missing_range) missing_list;

/* Bytes that were appended and could not be read back after a failed sync: a gap fact says which, and whose. */
typedef struct lost_range {
    steplog_id incarnation;
    uint64_t begin, end;
} lost_range;

typedef SL_VEC(lost_range) lost_list; /* by incarnation */

static int compare_lost(const void *a, const void *b)
{
    const lost_range *x = a, *y = b;
    int order = memcmp(x->incarnation.bytes, y->incarnation.bytes, sizeof x->incarnation.bytes);
    if (order) return order;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static int list_lost(const sl_run *run, lost_list *out)
{
    out->count = 0;
    for (size_t n = 0; n < run->events.count; n++) {
        const sl_fact *fact = &run->events.items[n].fact;
        if (fact->kind != STEPLOG_EVENT_GAP || !fact->has_target || fact->number <= 0) continue;
        uint64_t begin = fact->target_sequence, end = begin + (uint64_t)fact->number;
        if (end > begin && !SL_VEC_PUSH(out, (lost_range){fact->target, begin, end})) return 0;
    }
    if (out->count) qsort(out->items, out->count, sizeof *out->items, compare_lost);
    return 1;
}

static int add_lost(const lost_list *lost, const steplog_id *incarnation, sl_ranges *explained)
{
    size_t low = 0, high = lost->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(lost->items[middle].incarnation.bytes, incarnation->bytes, sizeof incarnation->bytes) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < lost->count && sl_id_equal(&lost->items[low].incarnation, incarnation); low++)
        if (!sl_ranges_add(explained, lost->items[low].begin, lost->items[low].end)) return 0;
    return 1;
}

static int find_missing(const lost_list *lost, const sl_incarnation *i, missing_list *out)
{
    sl_ranges missing = {0}, explained = {0};
    int is_good = sl_ranges_add(&missing, 1, i->durable_sequence + 1) && sl_ranges_subtract(&missing, &i->covered) &&
                  add_lost(lost, &i->id, &explained) && sl_ranges_subtract(&missing, &explained);
    for (size_t n = 0; n < missing.count && is_good; n++)
        is_good = SL_VEC_PUSH(out, (missing_range){i->run, i->id, missing.items[n].begin, missing.items[n].end, 0});
    if (is_good && i->salvageable_count)
        is_good = SL_VEC_PUSH(out, (missing_range){i->run, i->id, 0, i->salvageable_count, 1});
    SL_VEC_FREE(&missing);
    SL_VEC_FREE(&explained);
    return is_good;
}

static steplog_status look_for_missing(sl_verify *v, missing_list *out, int *is_settled, steplog_error *err)
{
    sl_read_context context = {
        .store_dir = v->store_dir, .host_id = v->host_id, .boot_id = v->boot_id, .is_local = v->is_local};
    steplog_reader *r;
    lost_list lost = {0};
    out->count = 0;
    *is_settled = 1;
    SL_TRY(sl_reader_new(&context, &r, err));
    steplog_status status = STEPLOG_OK;
    for (size_t n = 0; n < r->runs.count && status >= 0; n++) {
        sl_run *run = &r->runs.items[n];
        if ((status = sl_run_load(r, run, err)) < 0) break;
        int is_good = list_lost(run, &lost);
        for (size_t m = 0; m < run->incarnations.count && is_good; m++)
            is_good = find_missing(&lost, &r->incarnations.items[run->incarnations.items[m]], out);
        if (!is_good) status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory to verify a store");
        sl_run_clear(r, run); /* one run at a time in memory */
    }
    /* A log that is in use may move on while it is read: look again before saying that something is missing. */
    for (size_t i = 0; i < r->logs.count; i++)
        if (!sl_log_is_still_itself(r->logs.items[i]) || (out->count && r->logs.items[i]->lock != SL_OS_LOCK_FREE))
            *is_settled = 0;
    SL_VEC_FREE(&lost);
    sl_reader_free(r);
    return status;
}

static void report_missing(sl_verify *v, const missing_range *range)
{
    char what[200], hex[STEPLOG_ID_TEXT_BYTES];
    steplog_id_format(&range->incarnation, hex);
    if (range->is_notice)
        snprintf(what, sizeof what,
                 "writer %s: %llu records lie behind a torn or missing one that no mark covers; they are not shown",
                 hex, (unsigned long long)range->end);
    else
        snprintf(what, sizeof what, "writer %s: records %llu to %llu are missing: no file holds them", hex,
                 (unsigned long long)range->begin, (unsigned long long)range->end - 1);
    sl_verify_report(v, &(steplog_damage){.size_bytes = sizeof(steplog_damage),
                                          .offset = -1,
                                          .what = what,
                                          .has_run = 1,
                                          .run = range->run,
                                          .is_notice = range->is_notice});
}

/* What is missing has to be missing in each of several snapshots: files may be moving. */
static steplog_status check_sequences(sl_verify *v, steplog_error *err)
{
    missing_list missing = {0};
    steplog_status status = STEPLOG_OK;
    int is_settled = 0;
    for (int i = 0; i < SNAPSHOTS_MAX && !is_settled && !v->must_stop; i++) {
        if (i) sl_os->sleep_ns(SNAPSHOT_PAUSE_NS);
        SL_TRY_DONE(look_for_missing(v, &missing, &is_settled, err));
    }
    for (size_t i = 0; i < missing.count && !v->must_stop; i++) report_missing(v, &missing.items[i]);
done:
    SL_VEC_FREE(&missing);
    return status;
}

/* ---- the store ---- */

static steplog_status check_store_file(sl_verify *v, const char *path, steplog_error *err)
{
    uint8_t bytes[SL_STORE_FILE_BYTES + 1];
    sl_store_file file;
    steplog_error why;
    int fd = sl_os->open(v->store_dir, SL_STORE_FILE_NAME, SL_OS_READ);
    if (fd == -ENOENT) return sl_fail(err, STEPLOG_MISSING, -1, "'%s' is not a store", path);
    if (fd < 0) return sl_fail_os(err, -fd, -1, "cannot open '%s/%s'", path, SL_STORE_FILE_NAME);
    int64_t got = sl_os_read(fd, bytes, sizeof bytes, 0);
    sl_os->close(fd);
    if (got < 0) return sl_verify_refused(v, SL_STORE_FILE_NAME, (int)-got, 0, err);
    v->result.file_count++;
    v->result.byte_count += (uint64_t)got;
    steplog_status status = sl_store_file_decode(bytes, (size_t)got, &file, &why);
    if (status == STEPLOG_NEWER && err) *err = why;
    if (status == STEPLOG_CORRUPT) sl_verify_report_place(v, SL_STORE_FILE_NAME, 0, (uint64_t)got, 0, "%s", why.text);
    return status == STEPLOG_CORRUPT ? STEPLOG_OK : status;
}

static steplog_status open_store(sl_verify *v, const char *path, steplog_error *err)
{
    sl_os_file_system file_system = {0};
    v->store_dir = sl_os->open_dir(-1, path);
    if (v->store_dir < 0) return sl_fail_os(err, -v->store_dir, -1, "cannot open store '%s'", path);
    sl_os->host_id(v->host_id.bytes);
    sl_os->boot_id(v->boot_id.bytes);
    v->is_local = sl_os->file_system(v->store_dir, &file_system) == 0 && file_system.is_local;
    return STEPLOG_OK;
}

steplog_status steplog_store_verify(const char *path, const steplog_verify_options *options, steplog_verify_result *out,
                                    steplog_error *err)
{
    sl_verify v = {.store_dir = -1};
    if (!path || !*path) return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_store_verify: path is NULL or empty");
    if ((options && options->size_bytes < sizeof *options) || (out && out->size_bytes < sizeof *out))
        return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_store_verify: size_bytes is not set");
    sl_error_clear(err);
    if (options) v.options = *options;
    steplog_status status;
    SL_TRY_DONE(open_store(&v, path, err));
    SL_TRY_DONE(check_store_file(&v, path, err));
    if (!v.must_stop) SL_TRY_DONE(check_all_files(&v, err));
    if (!v.must_stop) SL_TRY_DONE(check_sequences(&v, err));
    if (!v.must_stop && v.options.progress &&
        v.options.progress(v.options.progress_context, v.total_bytes, v.total_bytes) != 0)
        v.must_stop = 1;
    if (v.must_stop)
        status = STEPLOG_END;
    else if (v.result.damage_count)
        status = sl_fail(err, STEPLOG_CORRUPT, -1, "store '%s' has %llu damaged places", path,
                         (unsigned long long)v.result.damage_count);
done:
    if (v.store_dir >= 0) sl_os->close(v.store_dir);
    if (out) {
        v.result.size_bytes = out->size_bytes;
        *out = v.result;
    }
    return status;
}
