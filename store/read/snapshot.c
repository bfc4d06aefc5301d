/* read/snapshot.c: listing the files of a store, opening those that are new, and finding out which incarnations and
 * runs they hold.
 *
 * A file that goes while it is listed was sealed or compacted: its records are in a file that came, so the listing is
 * made again. Levels are listed upward: what moves, moves ahead of the listing. So it is when a level came, and when
 * numbers are missing: holes.c. */
#include "read/reader.h"

#include "base/error.h"
#include "format/checksum.h"
#include "format/store_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LISTINGS_MAX 100

typedef struct names {
    SL_VEC(char *) items;
    int is_out_of_memory;
} names;

static int add_name(void *context, const char *name)
{
    names *list = context;
    char *copy = sl_copy_text(name);
    if (copy && SL_VEC_PUSH(&list->items, copy)) return 0;
    sl_free(copy);
    list->is_out_of_memory = 1;
    return 1;
}

static void free_names(names *list)
{
    for (size_t i = 0; i < list->items.count; i++) sl_free(list->items.items[i]);
    SL_VEC_FREE(&list->items);
}

static void report_file(steplog_reader *r, const char *name, const char *what, int is_notice)
{
    steplog_damage finding = {
        .size_bytes = sizeof finding, .file = name, .offset = -1, .what = what, .is_notice = is_notice};
    sl_damage_add(&r->damage, &finding);
}

/* A log or segment that can not be read at all, or not by us. */
static void leave_out(steplog_reader *r, const char *name, const steplog_error *why)
{
    report_file(r, name, why->text, why->code == STEPLOG_NEWER);
    if (r->left_out.code == STEPLOG_OK) sl_fail(&r->left_out, why->code, -1, "%.400s; it was left out", why->text);
}

/* The names in a directory of the store; none when it is not there, or is something else: that hides nothing but what
 * it should hold. */
static steplog_status list_dir(steplog_reader *r, const char *name, names *out, steplog_error *err)
{
    int fd = sl_os->open_dir(r->context.store_dir, name);
    if (fd == -ENOENT) return STEPLOG_OK;
    if (fd == -ENOTDIR || fd == -ELOOP) {
        report_file(r, name, "not a directory: what it should hold is missing", 0);
        return STEPLOG_OK;
    }
    if (fd < 0) return sl_fail_os(err, -fd, -1, "cannot open directory '%s'", name);
    int e = sl_os->list(fd, add_name, out);
    sl_os->close(fd);
    if (out->is_out_of_memory) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to list a store");
    return e < 0 ? sl_fail_os(err, -e, -1, "cannot list directory '%s'", name) : STEPLOG_OK;
}

/* A FIFO, a device, a directory or a link that has the name of a file of the store: nothing of the store's. 1 when why
 * tells of one. */
static int is_foreign(steplog_reader *r, const char *name, const steplog_error *why)
{
    if (why->os_errno != EINVAL && why->os_errno != ELOOP) return 0;
    report_file(r, name, "not a regular file: readers ignore it", 1);
    return 1;
}

static uint64_t hash_name(const char *path) { return sl_hash_text(path, strlen(path)); }

static sl_log *find_log(steplog_reader *r, const char *path)
{
    size_t probe = 0;
    uint32_t index;
    while (sl_hash_map_find(&r->logs_by_name, hash_name(path), &probe, &index)) {
        sl_log *log = r->logs.items[index];
        if (strcmp(log->name, path) == 0 && !log->is_gone && !sl_log_is_replaced(log, r->context.store_dir)) return log;
    }
    return NULL;
}

/* Returns OK; MISSING when the file went away meanwhile. */
static steplog_status see_log(steplog_reader *r, const char *name, steplog_error *err)
{
    char path[80];
    steplog_id incarnation;
    uint32_t ordinal;
    if (!sl_log_name_parse(name, &incarnation, &ordinal)) return STEPLOG_OK;
    snprintf(path, sizeof path, "%s/%s", SL_LOG_DIR, name);
    sl_log *log = find_log(r, path);
    if (log && sl_log_is_still_itself(log)) {
        SL_TRY(sl_log_advance(log, err));
        if (log->is_gone) return STEPLOG_MISSING; /* recycled while it was read: list again */
        log->is_seen = 1;
        if (log->lock != SL_OS_LOCK_UNKNOWN) log->lock = sl_os->probe(log->fd);
        return STEPLOG_OK;
    }
    steplog_error why;
    steplog_status status = sl_log_open(r->context.store_dir, path, &r->context.host_id, &r->context.boot_id,
                                        r->context.is_local, r->context.is_mapping, &r->damage, &log, &why);
    if (status == STEPLOG_MISSING) return why.os_errno == ENOENT ? STEPLOG_MISSING : STEPLOG_OK; /* gone, or a spare */
    if (status == STEPLOG_CORRUPT || status == STEPLOG_NEWER) {
        leave_out(r, path, &why);
        return STEPLOG_OK;
    }
    if (status < 0 && is_foreign(r, path, &why)) return STEPLOG_OK;
    if (status < 0) {
        if (err) *err = why;
        return status;
    }
    if (!sl_id_equal(&log->header.incarnation, &incarnation)) /* what counts is the header */
        report_file(r, path, "the log's header names another incarnation than the file's name", 0);
    /* What it holds is known from now on, whatever its owner does with the file before its run is read. */
    status = sl_log_advance(log, err);
    if (status < 0 || log->is_gone) {
        int is_gone = log->is_gone;
        sl_log_release(log);
        return status < 0 ? status : is_gone ? STEPLOG_MISSING : STEPLOG_OK;
    }
    log->is_seen = 1;
    if (SL_VEC_RESERVE(&r->logs, r->logs.count + 1) &&
        sl_hash_map_add(&r->logs_by_name, hash_name(path), (uint32_t)r->logs.count)) {
        r->logs.items[r->logs.count++] = log;
        return STEPLOG_OK;
    }
    sl_log_release(log);
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to list a store");
}

static steplog_status see_segment(steplog_reader *r, uint32_t level, const char *name, steplog_error *err)
{
    char path[80];
    steplog_id file_id;
    if (!sl_segment_name_parse(name, &file_id)) return STEPLOG_OK;
    snprintf(path, sizeof path, "%s/%u/%s", SL_SEGMENT_DIR, (unsigned)level, name);
    size_t probe = 0;
    uint32_t index;
    uint64_t hash = hash_name(path);
    while (sl_hash_map_find(&r->segments_by_name, hash, &probe, &index))
        if (strcmp(r->segments.items[index]->name, path) == 0 && !sl_segment_is_replaced(r->segments.items[index])) {
            r->segments.items[index]->is_seen = 1;
            return STEPLOG_OK;
        }
    sl_segment *segment;
    steplog_error why;
    r->open_segments.is_mapping = r->context.is_mapping;
    steplog_status status = sl_segment_open(r->context.store_dir, path, level, &r->damage, &r->open_segments, &segment,
                                            &why);
    if (status == STEPLOG_CORRUPT || status == STEPLOG_NEWER) {
        leave_out(r, path, &why);
        return STEPLOG_OK;
    }
    if (status < 0 && is_foreign(r, path, &why)) return STEPLOG_OK;
    if (status < 0) {
        if (err) *err = why;
        return status;
    }
    segment->is_seen = 1;
    if (SL_VEC_RESERVE(&r->segments, r->segments.count + 1) &&
        sl_hash_map_add(&r->segments_by_name, hash, (uint32_t)r->segments.count)) {
        r->segments.items[r->segments.count++] = segment;
        return STEPLOG_OK;
    }
    sl_segment_release(segment);
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to list a store");
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static steplog_status see_level(steplog_reader *r, uint32_t level, int *must_list_again, steplog_error *err)
{
    char path[32];
    names list = {0};
    snprintf(path, sizeof path, "%s/%u", SL_SEGMENT_DIR, (unsigned)level);
    steplog_status status = list_dir(r, path, &list, err);
    for (size_t i = 0; i < list.items.count && status >= 0; i++) {
        status = see_segment(r, level, list.items.items[i], err);
        if (status == STEPLOG_MISSING) {
            *must_list_again = 1;
            status = STEPLOG_OK;
        }
    }
    free_names(&list);
    return status;
}

static steplog_status see_logs(steplog_reader *r, int *must_list_again, steplog_error *err)
{
    names list = {0};
    steplog_status status = list_dir(r, SL_LOG_DIR, &list, err);
    for (size_t i = 0; i < list.items.count && status >= 0; i++) {
        status = see_log(r, list.items.items[i], err);
        if (status == STEPLOG_MISSING) {
            *must_list_again = 1;
            status = STEPLOG_OK;
        }
    }
    free_names(&list);
    return status;
}

typedef SL_VEC(uint32_t) level_list;

/* The levels that are there, upward. */
static steplog_status list_levels(steplog_reader *r, level_list *out, steplog_error *err)
{
    names list = {0};
    steplog_status status = list_dir(r, SL_SEGMENT_DIR, &list, err);
    for (size_t i = 0; i < list.items.count && status >= 0; i++) {
        uint32_t level;
        if (sl_level_parse(list.items.items[i], &level) && !SL_VEC_PUSH(out, level))
            status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory to list a store");
    }
    if (out->count) qsort(out->items, out->count, sizeof *out->items, compare_numbers);
    free_names(&list);
    return status;
}

static steplog_status see_levels(steplog_reader *r, int *must_list_again, steplog_error *err)
{
    level_list levels = {0}, levels_after = {0};
    steplog_status status = list_levels(r, &levels, err);
    for (size_t i = 0; i < levels.count && status >= 0; i++)
        status = see_level(r, levels.items[i], must_list_again, err);
    /* A level made meanwhile may hold what was moved out of those below before they were listed. */
    if (status >= 0 && !*must_list_again) status = list_levels(r, &levels_after, err);
    if (levels_after.count > levels.count) *must_list_again = 1;
    r->level_count = levels.count ? levels.items[levels.count - 1] + 1 : 0;
    SL_VEC_FREE(&levels);
    SL_VEC_FREE(&levels_after);
    return status;
}

static steplog_status list_once(steplog_reader *r, int *must_list_again, steplog_error *err)
{
    *must_list_again = 0;
    r->left_out = (steplog_error){0};
    sl_hash_map_clear(&r->logs_by_name);
    for (size_t i = 0; i < r->logs.count; i++) {
        r->logs.items[i]->is_seen = 0;
        if (!sl_hash_map_add(&r->logs_by_name, hash_name(r->logs.items[i]->name), (uint32_t)i))
            return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to list a store");
    }
    sl_hash_map_clear(&r->segments_by_name);
    for (size_t i = 0; i < r->segments.count; i++) {
        sl_segment *segment = r->segments.items[i];
        segment->is_seen = 0;
        if (!sl_hash_map_add(&r->segments_by_name, hash_name(segment->name), (uint32_t)i))
            return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to list a store");
    }
    SL_TRY(see_logs(r, must_list_again, err));
    return see_levels(r, must_list_again, err);
}

static void forget_unseen(steplog_reader *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->logs.count; i++) {
        if (r->logs.items[i]->is_seen && !r->logs.items[i]->is_gone)
            r->logs.items[kept++] = r->logs.items[i];
        else
            sl_log_release(r->logs.items[i]);
    }
    r->logs.count = kept;
    kept = 0;
    for (size_t i = 0; i < r->segments.count; i++) {
        if (r->segments.items[i]->is_seen)
            r->segments.items[kept++] = r->segments.items[i];
        else
            sl_segment_release(r->segments.items[i]);
    }
    r->segments.count = kept;
}

/* ---- incarnations and runs ---- */

static sl_incarnation *find_incarnation(steplog_reader *r, const steplog_id *id)
{
    size_t probe = 0;
    uint32_t index;
    while (sl_hash_map_find(&r->by_incarnation, sl_hash_id(id), &probe, &index))
        if (sl_id_equal(&r->incarnations.items[index].id, id)) return &r->incarnations.items[index];
    return NULL;
}

sl_incarnation *sl_reader_incarnation(steplog_reader *r, const steplog_id *id) { return find_incarnation(r, id); }

sl_run *sl_reader_run(steplog_reader *r, const steplog_id *id)
{
    size_t probe = 0;
    uint32_t index;
    while (sl_hash_map_find(&r->by_run, sl_hash_id(id), &probe, &index))
        if (sl_id_equal(&r->runs.items[index].id, id)) return &r->runs.items[index];
    return NULL;
}

static sl_incarnation *know_incarnation(steplog_reader *r, const sl_incarnation *fresh)
{
    sl_incarnation *known = find_incarnation(r, &fresh->id);
    if (known) return known;
    if (!SL_VEC_PUSH(&r->incarnations, *fresh)) return NULL;
    if (!sl_hash_map_add(&r->by_incarnation, sl_hash_id(&fresh->id), (uint32_t)r->incarnations.count - 1)) {
        r->incarnations.count--;
        return NULL;
    }
    return &r->incarnations.items[r->incarnations.count - 1];
}

static int add_source(sl_incarnation *incarnation, const sl_source *source)
{
    return incarnation && SL_VEC_PUSH(&incarnation->sources, *source);
}

static int compare_segments(const void *a, const void *b)
{
    const sl_segment *x = *(sl_segment *const *)a, *y = *(sl_segment *const *)b;
    if (x->level != y->level) return x->level > y->level ? -1 : 1;
    return memcmp(x->header.file_id.bytes, y->header.file_id.bytes, 16);
}

static int compare_logs(const void *a, const void *b)
{
    const sl_log *x = *(sl_log *const *)a, *y = *(sl_log *const *)b;
    if (x->header.first_sequence != y->header.first_sequence)
        return x->header.first_sequence < y->header.first_sequence ? -1 : 1;
    return x->header.ordinal < y->header.ordinal ? -1 : x->header.ordinal > y->header.ordinal;
}

static int index_files(steplog_reader *r)
{
    if (r->segments.count) qsort(r->segments.items, r->segments.count, sizeof *r->segments.items, compare_segments);
    if (r->logs.count) qsort(r->logs.items, r->logs.count, sizeof *r->logs.items, compare_logs);
    for (size_t i = 0; i < r->segments.count; i++) {
        sl_segment *segment = r->segments.items[i];
        for (uint32_t w = 0; w < segment->writers.count; w++) {
            const sl_writer_entry *entry = &segment->writers.items[w];
            if (entry->attempt == 0) continue; /* its page is damaged */
            sl_incarnation fresh = {.id = entry->incarnation,
                                    .run = entry->run,
                                    .attempt = entry->attempt,
                                    .rank = entry->rank,
                                    .flags = entry->flags,
                                    .start_time_ns = entry->start_time_ns};
            if (!add_source(know_incarnation(r, &fresh), &(sl_source){.segment = segment, .writer = w})) return 0;
        }
    }
    for (size_t i = 0; i < r->logs.count; i++) {
        sl_log *log = r->logs.items[i];
        sl_incarnation fresh = {.id = log->header.incarnation,
                                .run = log->header.run,
                                .attempt = log->header.attempt,
                                .rank = log->header.rank,
                                .start_time_ns = log->header.created_time_ns};
        if (!add_source(know_incarnation(r, &fresh), &(sl_source){.log = log})) return 0;
    }
    for (size_t i = 0; r->context.is_view && i < r->holes.count; i++) {
        sl_incarnation *incarnation = find_incarnation(r, &r->holes.items[i].id);
        if (incarnation) incarnation->listed_end = r->holes.items[i].shown_end;
    }
    return 1;
}

static int compare_runs(const void *a, const void *b)
{
    const sl_run *x = a, *y = b;
    if (x->start_time_ns != y->start_time_ns) return x->start_time_ns > y->start_time_ns ? -1 : 1;
    return memcmp(x->id.bytes, y->id.bytes, 16);
}

static int index_runs(steplog_reader *r)
{
    for (uint32_t i = 0; i < r->incarnations.count; i++) {
        const sl_incarnation *incarnation = &r->incarnations.items[i];
        sl_run *run = sl_reader_run(r, &incarnation->run);
        if (!run) {
            sl_run fresh = {.id = incarnation->run, .start_time_ns = incarnation->start_time_ns};
            if (!SL_VEC_PUSH(&r->runs, fresh) ||
                !sl_hash_map_add(&r->by_run, sl_hash_id(&fresh.id), (uint32_t)r->runs.count - 1))
                return 0;
            run = &r->runs.items[r->runs.count - 1];
        }
        if (incarnation->start_time_ns < run->start_time_ns) run->start_time_ns = incarnation->start_time_ns;
        if (!SL_VEC_PUSH(&run->incarnations, i)) return 0;
    }
    if (r->runs.count) qsort(r->runs.items, r->runs.count, sizeof *r->runs.items, compare_runs);
    sl_hash_map_clear(&r->by_run);
    for (uint32_t i = 0; i < r->runs.count; i++)
        if (!sl_hash_map_add(&r->by_run, sl_hash_id(&r->runs.items[i].id), i)) return 0;
    return 1;
}

static void clear_index(steplog_reader *r)
{
    for (size_t i = 0; i < r->runs.count; i++) {
        sl_run_clear(r, &r->runs.items[i]);
        SL_VEC_FREE(&r->runs.items[i].incarnations);
    }
    r->runs.count = 0;
    for (size_t i = 0; i < r->incarnations.count; i++) {
        sl_incarnation *incarnation = &r->incarnations.items[i];
        sl_incarnation_clear(incarnation);
        for (size_t s = 0; s < incarnation->sources.count; s++) SL_VEC_FREE(&incarnation->sources.items[s].assigned);
        SL_VEC_FREE(&incarnation->sources);
    }
    r->incarnations.count = 0;
    sl_hash_map_clear(&r->by_run);
    sl_hash_map_clear(&r->by_incarnation);
}

static steplog_status list_files(steplog_reader *r, int *has_new_holes, steplog_error *err)
{
    int must_list_again = 1;
    for (int i = 0; must_list_again && i < LISTINGS_MAX; i++) SL_TRY(list_once(r, &must_list_again, err));
    return sl_holes_find(r, has_new_holes) ? STEPLOG_OK : sl_fail(err, STEPLOG_NOMEM, -1, "no memory to list a store");
}

steplog_status sl_snapshot_take(steplog_reader *r, steplog_error *err)
{
    int has_new_holes;
    SL_TRY(list_files(r, &has_new_holes, err));
    if (has_new_holes) SL_TRY(list_files(r, &has_new_holes, err));
    clear_index(r);
    forget_unseen(r);
    r->has_shown = 0;
    r->snapshot++;
    if (index_files(r) && index_runs(r)) return STEPLOG_OK;
    clear_index(r);
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to list a store");
}

void sl_snapshot_clear(steplog_reader *r)
{
    clear_index(r);
    for (size_t i = 0; i < r->logs.count; i++) sl_log_release(r->logs.items[i]);
    for (size_t i = 0; i < r->segments.count; i++) sl_segment_release(r->segments.items[i]);
    SL_VEC_FREE(&r->logs);
    SL_VEC_FREE(&r->segments);
    SL_VEC_FREE(&r->holes);
    SL_VEC_FREE(&r->runs);
    SL_VEC_FREE(&r->incarnations);
    sl_hash_map_free(&r->by_run);
    sl_hash_map_free(&r->by_incarnation);
    sl_hash_map_free(&r->segments_by_name);
    sl_hash_map_free(&r->logs_by_name);
}
