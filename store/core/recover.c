/* core/recover.c: sealing the logs that dead writers left behind.
 *
 * A log may be taken when its lock can be had, it is on a local file system and its header names this host: then its
 * writer is gone. With adopt the host does not matter: the caller knows that it is lost. Logs of one incarnation are
 * sealed together, in the order of their numbers, and removed after the segment was read back. One that holds valid
 * records behind a torn end stays, so that nothing is thrown away. Where segments hold the records already, their names
 * are synced first: whoever published them may not have lived to do it. What fails for one incarnation does not keep the
 * others from being sealed. */
#include "base/age.h"
#include "base/error.h"
#include "base/kill_point.h"
#include "core/store.h"
#include "os/private_fd.h"
#include "write/level_dir.h"
#include "write/seal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SPARE_AGE_NS 60000000000ll /* a younger spare may be about to become a log */

typedef struct orphan {
    int fd;
    char name[80];
    sl_log_header header;
    sl_log_mark mark;
    sl_log_gap gap;
} orphan;

typedef struct orphan_list {
    SL_VEC(orphan *) items;
    steplog_store *store;
    int adopt, is_out_of_memory;
} orphan_list;

static int64_t read_orphan(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    return sl_os_read(((orphan *)context)->fd, buffer, bytes, offset);
}

/* The lock may have been had only because the owner, after the look, made the spare a log and died. */
static int is_still_spare(orphan *o)
{
    uint8_t head[SL_LOG_HEADER_BYTES];
    uint32_t header_at;
    return sl_os_read_full(o->fd, head, sizeof head, 0) == 0 &&
           sl_log_header_read(head, o->name, &o->header, &header_at, NULL) == STEPLOG_MISSING;
}

/* 1 when the log at fd is free to take and is locked now. */
static int take(orphan_list *list, orphan *o, int *is_old_spare)
{
    uint8_t head[SL_LOG_HEADER_BYTES];
    sl_os_stat stat;
    *is_old_spare = 0;
    if (sl_os_read_full(o->fd, head, sizeof head, 0) < 0 || sl_os->stat(o->fd, &stat) < 0) return 0;
    uint32_t header_at;
    steplog_status status = sl_log_header_read(head, o->name, &o->header, &header_at, NULL);
    if (status == STEPLOG_MISSING) {
        *is_old_spare = list->store->file_system.is_local &&
                        sl_age_ns(sl_os->wall_time_ns(), stat.modified_time_ns) > SPARE_AGE_NS &&
                        sl_os->lock(o->fd) == 0 && is_still_spare(o);
        return 0;
    }
    if (status < 0) return 0; /* damaged: verify tells, nothing is removed */
    int is_ours = list->store->file_system.is_local && sl_id_equal(&o->header.host_id, &list->store->host_id);
    if (!is_ours && !list->adopt) return 0;
    if (sl_os->lock(o->fd) < 0) return 0;
    SL_KILL_POINT("recover.log_locked");
    /* Between the look and the lock someone else may have sealed it, or its writer refused more before it died. */
    if (sl_os_read_full(o->fd, head, sizeof head, 0) < 0 || !sl_id_equal(head + header_at + 16, &o->header.log_id) ||
        sl_os->stat(o->fd, &stat) < 0 || stat.link_count == 0)
        return 0;
    uint64_t key = sl_file_key(&o->header.log_id);
    sl_log_mark_latest(head, key, &o->mark);
    sl_log_gap_latest(head, key, &o->gap);
    return 1;
}

static void free_orphan(orphan *o)
{
    sl_private_close(&o->fd);
    sl_free(o);
}

static int see_name(void *context, const char *name)
{
    orphan_list *list = context;
    steplog_id incarnation;
    uint32_t ordinal;
    int is_old_spare;
    if (!sl_log_name_parse(name, &incarnation, &ordinal)) return 0;
    orphan *o = sl_alloc_zero(1, sizeof *o);
    if (!o) return list->is_out_of_memory = 1;
    snprintf(o->name, sizeof o->name, "%s", name);
    list->is_out_of_memory = sl_private_open(&o->fd, list->store->log_dir, name, SL_OS_WRITE) == -ENOMEM;
    if (o->fd >= 0 && take(list, o, &is_old_spare)) {
        if (SL_VEC_PUSH(&list->items, o)) return 0;
        list->is_out_of_memory = 1;
    } else if (o->fd >= 0 && is_old_spare) {
        SL_KILL_POINT("recover.removing_spare");
        sl_os->unlink(list->store->log_dir, name);
        SL_KILL_POINT("recover.spare_removed");
    }
    free_orphan(o);
    return list->is_out_of_memory;
}

static int compare_orphans(const void *a, const void *b)
{
    const orphan *x = *(orphan *const *)a, *y = *(orphan *const *)b;
    int order = memcmp(x->header.incarnation.bytes, y->header.incarnation.bytes, 16);
    if (order) return order;
    if (x->header.first_sequence != y->header.first_sequence)
        return x->header.first_sequence < y->header.first_sequence ? -1 : 1;
    return x->header.ordinal < y->header.ordinal ? -1 : x->header.ordinal > y->header.ordinal;
}

typedef struct known_writer {
    uint64_t uncut_sequence; /* see sl_incarnation_uncut() */
    int is_sealed;  /* segments hold everything that these logs do, but for what the prefix rule hides */
    int has_damage; /* some of them could not be read whole, or hold what is hidden */
    sl_ranges levels; /* where its segments are */
} known_writer;

/* Parts of texts that no log has whole, and that segments list as dropped. 1, or 0 when out of memory. */
static int add_dropped_parts(const sl_incarnation *i, sl_ranges *out)
{
    sl_ranges parts = {0}, rest = {0};
    int is_good = sl_incarnation_parts(i, &parts) && sl_ranges_copy(&rest, &parts) &&
                  sl_ranges_subtract(&rest, &i->dropped) && sl_ranges_subtract(&parts, &rest) &&
                  sl_ranges_add_all(out, &parts);
    SL_VEC_FREE(&parts);
    SL_VEC_FREE(&rest);
    return is_good;
}

/* What the store knows of a writer whose logs were found. */
static steplog_status look_up(steplog_store *s, const sl_log_header *header, known_writer *out, steplog_error *err)
{
    steplog_reader *r;
    sl_ranges in_segments = {0}, in_logs = {0};
    *out = (known_writer){0};
    SL_TRY(sl_store_facts(s, &r, err));
    sl_run *run = sl_reader_run(r, &header->run);
    steplog_status status = run ? sl_run_load(r, run, err) : STEPLOG_OK;
    const sl_incarnation *i = run && status >= 0 ? sl_reader_incarnation(r, &header->incarnation) : NULL;
    int is_good = 1;
    for (size_t n = 0; i && n < i->sources.count && is_good; n++) {
        const sl_source *source = &i->sources.items[n];
        if (source->log)
            out->has_damage |= source->log->has_damage;
        else
            is_good = sl_ranges_add(&out->levels, source->segment->level, (uint64_t)source->segment->level + 1);
    }
    if (i && i->salvageable_count) out->has_damage = 1;
    if (i && is_good) is_good = sl_incarnation_logged(i, &in_logs);
    /* What was dropped and no removal reaches are parts, or a text that an earlier version did not know. */
    if (i && is_good)
        status = sl_incarnation_whole(i, &in_logs, sl_run_removed_last(run, &i->id), &in_segments, err);
    is_good = is_good && (!i || add_dropped_parts(i, &in_segments)) && sl_ranges_subtract(&in_logs, &in_segments);
    if (i) {
        out->uncut_sequence = sl_incarnation_uncut(i);
        out->is_sealed = in_segments.count > 0 && in_logs.count == 0 && !i->has_gap_in_log;
    }
    SL_VEC_FREE(&in_segments);
    SL_VEC_FREE(&in_logs);
    sl_store_facts_done(s);
    return status >= 0 && !is_good ? sl_fail(err, STEPLOG_NOMEM, -1, "no memory to recover logs") : status;
}

static steplog_status seal_anew(steplog_store *s, orphan **group, size_t count, const known_writer *known,
                                sl_seal_result *out, steplog_error *err)
{
    sl_seal_source *sources = sl_alloc_zero(count, sizeof *sources);
    if (!sources) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to recover logs");
    for (size_t i = 0; i < count; i++)
        sources[i] = (sl_seal_source){.read = read_orphan,
                                      .context = group[i],
                                      .header = group[i]->header,
                                      .mark_offset = group[i]->mark.offset,
                                      .gap = group[i]->gap,
                                      .is_same_boot = s->file_system.is_local &&
                                                      sl_log_header_is_same_boot(&group[i]->header, &s->host_id,
                                                                                 &s->boot_id)};
    steplog_status status = sl_seal_logs(&s->write, sources, count, known->uncut_sequence, out, err);
    sl_free(sources);
    return status;
}

static steplog_status seal_group(steplog_store *s, orphan **group, size_t count, uint64_t *sealed, steplog_error *err)
{
    sl_seal_result result = {0};
    known_writer known;
    steplog_status status;
    SL_TRY_DONE(look_up(s, &group[0]->header, &known, err));
    SL_KILL_POINT("recover.looked_up");
    if (known.is_sealed && known.has_damage) goto done; /* sealed earlier; kept for what could not be read */
    if (known.is_sealed)
        SL_TRY_DONE(sl_level_dirs_sync(s->store_dir, &known.levels, err));
    else
        SL_TRY_DONE(seal_anew(s, group, count, &known, &result, err));
    /* Nothing is thrown away that was not read. */
    if (result.salvageable_count || result.damaged_count) goto done;
    for (size_t i = 0; i < count; i++) {
        SL_KILL_POINT("recover.removing_log");
        sl_os->unlink(s->log_dir, group[i]->name);
        SL_KILL_POINT("recover.log_removed");
        if (sealed) ++*sealed;
    }
done:
    SL_VEC_FREE(&known.levels);
    return status;
}

steplog_status sl_recover_logs(steplog_store *s, int adopt, uint64_t *sealed, steplog_error *err)
{
    orphan_list list = {.store = s, .adopt = adopt};
    steplog_status status = STEPLOG_OK;
    int e = sl_os->list(s->log_dir, see_name, &list);
    if (list.is_out_of_memory)
        status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory to recover logs");
    else if (e < 0)
        status = sl_fail_os(err, -e, -1, "cannot list '%s/%s'", s->path, SL_LOG_DIR);
    if (list.items.count) qsort(list.items.items, list.items.count, sizeof *list.items.items, compare_orphans);
    SL_KILL_POINT("recover.listed");
    int is_whole = status >= 0; /* of a part of an incarnation's logs nothing is sealed */
    for (size_t i = 0; i < list.items.count && is_whole;) {
        size_t end = i + 1;
        while (end < list.items.count &&
               sl_id_equal(&list.items.items[end]->header.incarnation, &list.items.items[i]->header.incarnation))
            end++;
        steplog_error why;
        steplog_status one = seal_group(s, &list.items.items[i], end - i, sealed, &why);
        if (one < 0 && status >= 0) {
            status = one;
            if (err) *err = why;
        }
        i = end;
    }
    for (size_t i = 0; i < list.items.count; i++) free_orphan(list.items.items[i]);
    SL_VEC_FREE(&list.items);
    return status;
}
