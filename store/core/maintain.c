/* core/maintain.c: compaction and merging, as a caller asks for them. */
#include "steplog/maintain.h"

#include "base/age.h"
#include "base/error.h"
#include "base/kill_point.h"
#include "compact/compact_job.h"
#include "compact/removed.h"
#include "core/store.h"
#include "format/checksum.h"
#include "os/private_fd.h"
#include "write/level_dir.h"
#include "write/seal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t count_logs(steplog_store *s, uint64_t *bytes)
{
    sl_read_context context = sl_store_read_context(s);
    steplog_reader *r;
    uint64_t count = 0;
    if (sl_reader_new(&context, &r, NULL) < 0) return 0;
    for (size_t i = 0; i < r->logs.count; i++) *bytes += r->logs.items[i]->header.capacity_bytes;
    count = r->logs.count;
    sl_reader_free(r);
    return count;
}

/* A child that was forked in the caller's callback does not go on with what its parent does. */
typedef struct own_progress {
    steplog_store *store;
    uint64_t generation;
    steplog_progress progress;
    void *context;
} own_progress;

static int tell_own_progress(void *context, uint64_t done, uint64_t total)
{
    const own_progress *p = context;
    int must_stop = p->progress ? p->progress(p->context, done, total) : 0;
    return must_stop || sl_store_generation(p->store) != p->generation;
}

/* ---- what stopped processes left under temporary names ---- */

typedef struct leftovers {
    int seg_dir, level_dir;
    int64_t now_ns;
} leftovers;

/* Whoever is at it still, after so long a pause, finds that he can not rename it, and has published nothing. */
static int see_temporary(void *context, const char *name)
{
    const leftovers *left = context;
    steplog_id id;
    sl_os_stat stat;
    if (sl_temporary_name_parse(name, &id) && sl_os->stat_name(left->level_dir, name, &stat) == 0 &&
        sl_age_ns(left->now_ns, stat.modified_time_ns) >= SL_GRACE_NS)
        sl_os->unlink(left->level_dir, name);
    return 0;
}

static int see_level(void *context, const char *name)
{
    leftovers *left = context;
    uint32_t level;
    if (!sl_level_parse(name, &level) || (left->level_dir = sl_os->open_dir(left->seg_dir, name)) < 0) return 0;
    sl_os->list(left->level_dir, see_temporary, left);
    sl_os->close(left->level_dir);
    return 0;
}

/* Where another machine has the clock that the files' times are from, nothing is done. */
static void remove_leftovers(const steplog_store *s)
{
    leftovers left = {.now_ns = sl_os->wall_time_ns()};
    if (!s->file_system.is_local || (left.seg_dir = sl_os->open_dir(s->store_dir, SL_SEGMENT_DIR)) < 0) return;
    sl_os->list(left.seg_dir, see_level, &left);
    sl_os->close(left.seg_dir);
}

/* ---- compaction ---- */

/* One job merges so many files at most: there are as many jobs as it takes. */
static steplog_status compact_all(const sl_read_context *context, sl_compact_request *request,
                                  steplog_compact_result *result, steplog_error *err)
{
    for (int is_first = 1;; is_first = 0) {
        int has_more = 0;
        steplog_compact_result one = {.size_bytes = sizeof one};
        request->has_more = &has_more;
        steplog_status status = sl_compact_segments(context, request, &one, err);
        if (is_first) {
            result->files_before += one.files_before;
            result->bytes_before += one.bytes_before;
        }
        result->files_after = one.files_after;
        result->bytes_after = one.bytes_after;
        result->points_dropped += one.points_dropped;
        result->points_lost += one.points_lost;
        if (status != STEPLOG_OK || !has_more || one.files_after >= one.files_before) return status;
        if (request->flags & STEPLOG_COMPACT_LIGHT) return status;
    }
}

/* The counts of result are those of the whole store: logs and segments. */
steplog_status steplog_store_compact(steplog_store *s, const steplog_compact_options *options,
                                     steplog_compact_result *out, steplog_error *err)
{
    steplog_compact_options o = {.size_bytes = sizeof o};
    steplog_compact_result result = {.size_bytes = sizeof result};
    if (!s || (options && options->size_bytes < sizeof *options) || (out && out->size_bytes < sizeof *out))
        return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_store_compact: store is NULL or size_bytes is not set");
    if (s->flags & STEPLOG_READ_ONLY)
        return sl_fail(err, STEPLOG_MISUSE, -1, "store '%s' was opened read-only", s->path);
    if (options) o = *options;
    sl_store_enter(s);
    sl_read_context context = sl_store_read_context(s);
    own_progress progress = {s, sl_store_generation(s), o.progress, o.progress_context};
    sl_compact_request request = {.flags = o.flags,
                                  .progress = tell_own_progress,
                                  .progress_context = &progress,
                                  .now_ns = sl_os->wall_time_ns()};
    pthread_mutex_lock(&s->compact_lock);
    result.files_before = count_logs(s, &result.bytes_before);
    steplog_status status = STEPLOG_OK;
    if (!(o.flags & STEPLOG_COMPACT_LIGHT))
        status = sl_recover_logs(s, (o.flags & STEPLOG_COMPACT_ADOPT) != 0, &result.logs_sealed, err);
    if (status >= 0 && !(o.flags & STEPLOG_COMPACT_LIGHT)) remove_leftovers(s);
    if (status >= 0) status = compact_all(&context, &request, &result, err);
    result.files_after += count_logs(s, &result.bytes_after);
    if (sl_store_generation(s) == progress.generation) pthread_mutex_unlock(&s->compact_lock);
    if (out) *out = result;
    return status;
}

/* ---- merging ---- */

typedef struct merging {
    steplog_store *store;
    steplog_reader *from, *to;
    steplog_progress progress;
    void *progress_context;
    steplog_merge_result *result;
    uint64_t done, total;
    int is_again, has_known; /* is_again: what is known has been counted */
    uint64_t generation;     /* of the process that does it */
    steplog_error failure;   /* the first file that failed while others could be brought */
    steplog_error *err;
} merging;

static steplog_status tell_progress(const merging *m)
{
    if (!m->progress) return STEPLOG_OK;
    int must_stop = m->progress(m->progress_context, m->done, m->total);
    return must_stop || sl_store_generation(m->store) != m->generation ? STEPLOG_END : STEPLOG_OK;
}

/* What can not be read or written is no reason to leave out what comes behind it. */
static steplog_status go_on_after(merging *m, steplog_status status)
{
    if (status != STEPLOG_IO) return status;
    if (m->failure.code == STEPLOG_OK) m->failure = *m->err;
    return STEPLOG_OK;
}

static void count_known(merging *m, size_t files)
{
    m->has_known = 1;
    if (!m->is_again) m->result->files_known += files;
}

/* 1 when everything that a file holds of a writer can be read in the target too: from logs, or from segments, whose
 * blocks are read for it. What the file has dropped (NULL: nothing) the target need not have, but know of. */
static int is_known(merging *m, const steplog_id *incarnation, const steplog_id *run_id, const sl_ranges *held,
                    const sl_ranges *dropped, int has_description)
{
    const sl_incarnation *i = sl_reader_incarnation(m->to, incarnation);
    sl_run *run = sl_reader_run(m->to, run_id);
    sl_ranges whole = {0};
    if (!i || !run || sl_run_load(m->to, run, NULL) < 0) return 0;
    i = sl_reader_incarnation(m->to, incarnation);
    int is_good = i->has_description || !has_description;
    for (size_t n = 0; n < held->count && is_good; n++)
        is_good = sl_ranges_has_all(&i->covered, held->items[n].begin, held->items[n].end);
    for (size_t n = 0; dropped && n < dropped->count && is_good; n++)
        is_good = sl_ranges_has_all(&i->covered, dropped->items[n].begin, dropped->items[n].end);
    for (size_t s = 0; s < i->sources.count && is_good; s++)
        if (i->sources.items[s].log) is_good = sl_ranges_add_all(&whole, &i->sources.items[s].log->held);
    /* What the target dropped and no removal reaches are texts that an earlier version did not know. */
    is_good = is_good && sl_incarnation_whole(i, held, sl_run_removed_last(run, incarnation), &whole, NULL) >= 0;
    for (size_t n = 0; n < held->count && is_good; n++)
        is_good = sl_ranges_has_all(&whole, held->items[n].begin, held->items[n].end);
    SL_VEC_FREE(&whole);
    return is_good;
}

/* 1 when the target has a gap, and knows of less that was refused: an open one goes on counting. The run was asked for. */
static int is_gap_behind(const merging *m, const steplog_id *incarnation, const steplog_id *run_id, uint64_t sequence,
                         const sl_fact *gap)
{
    const sl_run *run = sl_reader_run(m->to, run_id);
    const sl_event *event = run && run->is_loaded ? sl_run_event(m->to, run, incarnation, sequence, gap->lamport) : NULL;
    return event && event->fact.kind == STEPLOG_EVENT_GAP && (uint64_t)event->fact.number < (uint64_t)gap->number;
}

static int is_writer_behind(const merging *m, sl_segment *segment, uint32_t w)
{
    const sl_writer_entry *entry = &segment->writers.items[w];
    for (uint32_t n = 0; n < entry->record_count; n++) {
        const sl_record_entry *record = &segment->records.items[entry->record_first + n];
        sl_record_prefix prefix;
        const uint8_t *content;
        sl_fact fact;
        if (record->type == SL_ENTRY_FACT && record->fact_kind == STEPLOG_EVENT_GAP &&
            sl_segment_record(segment, record, &prefix, &content, NULL) >= 0 &&
            sl_fact_decode(content, record->bytes, &fact) &&
            is_gap_behind(m, &entry->incarnation, &entry->run, record->sequence, &fact))
            return 1;
    }
    return 0;
}

/* held: what is sealed of it. */
static int is_log_behind(const merging *m, const sl_log *log, const sl_ranges *held)
{
    for (size_t n = log->gap.counter ? log->texts.count : 0; n-- > 0;) {
        const sl_log_text *text = &log->texts.items[n];
        sl_fact fact = text->fact;
        if (text->record_kind == SL_RECORD_FACT && sl_fact_close_gap(&fact, &log->gap))
            return sl_ranges_has(held, text->sequence) &&
                   is_gap_behind(m, &log->header.incarnation, &log->header.run, text->sequence, &fact);
    }
    return 0;
}

/* The same for a writer of a segment. What cannot be read of that one either is not asked for. */
static int is_writer_known(merging *m, sl_segment *segment, uint32_t w)
{
    const sl_writer_entry *entry = &segment->writers.items[w];
    const sl_ranges *broken;
    sl_writer_description description;
    sl_buffer scratch = {0};
    sl_ranges held = {0}, dropped = {0};
    int has_description = sl_segment_writer_description(segment, w, &scratch, &description) >= 0;
    int known = sl_segment_ranges(segment, w, &held, &dropped) &&
                (is_known(m, &entry->incarnation, &entry->run, &held, &dropped, has_description) ||
                 (sl_segment_broken(segment, w, &broken, NULL) >= 0 && broken->count &&
                  sl_ranges_subtract(&held, broken) &&
                  is_known(m, &entry->incarnation, &entry->run, &held, &dropped, has_description)));
    known = known && !is_writer_behind(m, segment, w);
    SL_VEC_FREE(&held);
    SL_VEC_FREE(&dropped);
    sl_buffer_free(&scratch);
    return known;
}

static int is_same(const sl_segment *a, const sl_segment *b)
{
    return sl_id_equal(&a->header.file_id, &b->header.file_id);
}

/* 1 when what the target has under a name is that file, byte for byte. What can not be read is not. */
static int has_same_bytes(merging *m, const char *name, sl_segment *segment)
{
    enum { PART = 1 << 17 };
    int fd = sl_os->open(m->store->store_dir, name, SL_OS_READ);
    uint8_t *bytes = fd < 0 ? NULL : sl_alloc(2 * PART);
    sl_os_stat stat;
    int is_same = bytes && sl_os->stat(fd, &stat) == 0 && stat.bytes == segment->file_bytes;
    for (uint64_t at = 0; is_same && at < segment->file_bytes; at += PART) {
        size_t part = segment->file_bytes - at < PART ? (size_t)(segment->file_bytes - at) : PART;
        is_same = sl_os_read_full(fd, bytes, part, at) == 0 &&
                  sl_segment_read(segment, bytes + PART, part, at) == (int64_t)part &&
                  memcmp(bytes, bytes + PART, part) == 0;
    }
    if (fd >= 0) sl_os->close(fd);
    sl_free(bytes);
    return is_same;
}

/* 1 when a segment has nothing to give that the target does not have. */
static int is_segment_known(merging *m, sl_segment *segment)
{
    int has_damaged = 0;
    for (size_t i = 0; i < m->to->segments.count; i++) {
        const sl_segment *own = m->to->segments.items[i];
        if (!is_same(own, segment)) continue;
        steplog_status status = sl_segment_read_back(m->store->store_dir, own->name, NULL);
        if (status >= 0) return 1;
        if (status != STEPLOG_MISSING && has_same_bytes(m, own->name, segment)) return 1;
        if (status != STEPLOG_MISSING) has_damaged = 1;
    }
    if (has_damaged && sl_segment_read_back(m->from->context.store_dir, segment->name, NULL) >= 0) return 0;
    for (uint32_t w = 0; w < segment->writers.count; w++)
        if (!is_writer_known(m, segment, w)) return 0;
    return 1;
}

/* The path that a copy of a segment has on a level. */
static void path_of(const sl_segment *segment, uint32_t level, char *path, size_t bytes)
{
    char name[SL_FILE_NAME_BYTES];
    sl_segment_name(&segment->header.file_id, name);
    snprintf(path, bytes, "%s/%u/%s", SL_SEGMENT_DIR, (unsigned)level, name);
}

/* 1 when a level has a copy already, or something damaged under its name, so badly that no reader lists it. */
static int is_taken(const merging *m, const sl_segment *segment, uint32_t level)
{
    char path[96];
    sl_os_stat stat;
    for (size_t i = 0; i < m->to->segments.count; i++)
        if (m->to->segments.items[i]->level == level && is_same(m->to->segments.items[i], segment)) return 1;
    path_of(segment, level, path, sizeof path);
    if (sl_os->stat_name(m->store->store_dir, path, &stat) < 0) return 0;
    steplog_status status = sl_segment_read_back(m->store->store_dir, path, NULL);
    return status < 0 && status != STEPLOG_MISSING;
}

/* A copy goes above a damaged one of the same file, which has its name on its own level. Where nothing lies above that,
 * it goes to the highest level that is free. */
static uint32_t level_for(const merging *m, const sl_segment *segment)
{
    uint32_t level = segment->level;
    for (size_t i = 0; i < m->to->segments.count; i++) {
        const sl_segment *own = m->to->segments.items[i];
        if (is_same(own, segment) && own->level >= level)
            level = own->level < SL_LEVEL_MAX ? own->level + 1 : SL_LEVEL_MAX;
    }
    while (level < SL_LEVEL_MAX && is_taken(m, segment, level)) level++;
    while (is_taken(m, segment, level)) level--;
    return level;
}

/* Removes damaged copies of a file that is whole on a higher level. */
static steplog_status retire_damaged(merging *m, const sl_segment *segment)
{
    for (size_t i = 0; i < m->to->segments.count; i++) {
        const sl_segment *own = m->to->segments.items[i];
        if (!is_same(own, segment)) continue;
        steplog_status status = sl_segment_read_back(m->store->store_dir, own->name, NULL);
        if (status >= 0 || status == STEPLOG_MISSING) continue;
        int e = sl_os->unlink(m->store->store_dir, own->name);
        if (e < 0 && e != -ENOENT) return sl_fail_os(m->err, -e, -1, "cannot remove '%s'", own->name);
    }
    return STEPLOG_OK;
}

static steplog_status copy_bytes(merging *m, sl_segment *segment, int to)
{
    uint8_t *buffer = sl_alloc(1u << 18);
    steplog_status status = buffer ? STEPLOG_OK : sl_fail(m->err, STEPLOG_NOMEM, -1, "no memory to merge stores");
    for (uint64_t at = 0; status == STEPLOG_OK && at < segment->file_bytes;) {
        int64_t got = sl_segment_read(segment, buffer, 1u << 18, at);
        int e = got <= 0 ? (got < 0 ? (int)got : -EIO) : sl_os_write_full(to, buffer, (size_t)got, at);
        if (e < 0) status = sl_fail_os(m->err, -e, (int64_t)at, "cannot copy '%s'", segment->name);
        at += got > 0 ? (uint64_t)got : 0;
        m->done += got > 0 ? (uint64_t)got : 0;
        if (status == STEPLOG_OK) status = tell_progress(m);
    }
    sl_free(buffer);
    return status;
}

/* The copy keeps the file's name. While it is made it has one that is nobody else's: others may copy the same file. */
static steplog_status copy_segment(merging *m, sl_segment *segment)
{
    uint32_t level = level_for(m, segment);
    char temporary[SL_FILE_NAME_BYTES], name[SL_FILE_NAME_BYTES], path[96];
    steplog_id temporary_id;
    int to, dir = -1, e = sl_os->random(temporary_id.bytes, 16);
    if (e < 0) return sl_fail_os(m->err, -e, -1, "no random bytes for a temporary name");
    SL_TRY(sl_level_dir_open(m->store->store_dir, level, &dir, m->err));
    SL_KILL_POINT("merge.level_there");
    sl_temporary_name(&temporary_id, temporary);
    sl_segment_name(&segment->header.file_id, name);
    e = sl_private_open(&to, dir, temporary, SL_OS_WRITE | SL_OS_CREATE);
    steplog_status status = e < 0 ? sl_fail_os(m->err, -e, -1, "cannot create '%s'", temporary)
                                  : copy_bytes(m, segment, to);
    e = 0;
    SL_KILL_POINT("merge.copied");
    if (status == STEPLOG_OK && (e = sl_os->sync_data(to)) == 0) {
        SL_KILL_POINT("merge.synced");
        e = sl_os->rename(dir, temporary, dir, name);
        /* Another's, synced as this one is; or it was this one, asked twice. */
        if (e == -EEXIST && (e = sl_os->unlink(dir, temporary)) == -ENOENT) e = 0;
        SL_KILL_POINT("merge.renamed");
        if (e == 0) e = sl_os->sync_all(dir);
    }
    if (e < 0) status = sl_fail_os(m->err, -e, -1, "cannot publish '%s'", name);
    if (status != STEPLOG_OK && to >= 0) sl_os->unlink(dir, temporary); /* in a forked child it is not ours: -1 */
    sl_private_close(&to);
    sl_os->close(dir);
    if (status != STEPLOG_OK) return status;
    path_of(segment, level, path, sizeof path);
    m->result->files_copied++;
    m->result->bytes_copied += segment->file_bytes;
    status = sl_segment_read_back(m->store->store_dir, path, m->err);
    if (status >= 0) return retire_damaged(m, segment);
    /* A damaged one comes as it is: it may give what nothing else has. */
    return status != STEPLOG_MISSING && has_same_bytes(m, path, segment) ? STEPLOG_OK : status;
}

/* A copy that was gone before it was read back was compacted by somebody, or deleted: then it is copied again. */
static steplog_status bring_segment(merging *m, sl_segment *segment)
{
    for (int turn = 0; turn < SL_PUBLISH_TURNS; turn++) {
        steplog_status status = copy_segment(m, segment);
        if (status != STEPLOG_MISSING) return status;
        SL_TRY(sl_snapshot_take(m->to, m->err));
        if (is_segment_known(m, segment)) {
            count_known(m, 1);
            return STEPLOG_OK;
        }
    }
    return sl_fail(m->err, STEPLOG_IO, -1, "what is copied of '%s' is removed at once", segment->name);
}

static int64_t read_log(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    return sl_os_read(((sl_log *)context)->fd, buffer, bytes, offset);
}

/* Up to where the logs of a writer are not cut. */
static steplog_status uncut_of(merging *m, const sl_log_header *header, uint64_t *out)
{
    sl_run *run = sl_reader_run(m->from, &header->run);
    *out = 0;
    if (!run) return STEPLOG_OK;
    SL_TRY(sl_run_load(m->from, run, m->err));
    const sl_incarnation *i = sl_reader_incarnation(m->from, &header->incarnation);
    if (i) *out = sl_incarnation_uncut(i);
    return STEPLOG_OK;
}

/* A log of the other store is sealed into this one as it stands; what its writer adds later comes with the next merge. */
static steplog_status copy_logs(merging *m, size_t first, size_t count)
{
    sl_seal_result sealed;
    uint64_t uncut;
    SL_TRY(uncut_of(m, &m->from->logs.items[first]->header, &uncut));
    sl_seal_source *sources = sl_alloc_zero(count, sizeof *sources);
    if (!sources) return sl_fail(m->err, STEPLOG_NOMEM, -1, "no memory to merge stores");
    for (size_t i = 0; i < count; i++) {
        sl_log *log = m->from->logs.items[first + i];
        sources[i] = (sl_seal_source){.read = read_log,
                                      .context = log,
                                      .header = log->header,
                                      .mark_offset = log->mark.offset,
                                      .gap = log->gap,
                                      .is_same_boot = log->is_same_boot};
    }
    steplog_status status = sl_seal_logs(&m->store->write, sources, count, uncut, &sealed, m->err);
    sl_free(sources);
    SL_KILL_POINT("merge.logs_copied");
    if (status >= 0 && sealed.is_published) m->result->files_copied += count;
    return status;
}

/* The same for logs of a writer. What the prefix rule hides is not sealed, nor are texts that are not complete: nothing
 * of them is missing. */
static int are_logs_known(merging *m, size_t first, size_t count)
{
    const sl_log_header *header = &m->from->logs.items[first]->header;
    sl_run *run = sl_reader_run(m->from, &header->run);
    sl_ranges held = {0}, parts = {0};
    int has_description = 0;
    if (!run || sl_run_load(m->from, run, NULL) < 0) return 0;
    for (size_t i = 0; i < count; i++) has_description |= m->from->logs.items[first + i]->dictionary.has_writer;
    const sl_incarnation *i = sl_reader_incarnation(m->from, &header->incarnation);
    int known = i && sl_incarnation_logged(i, &held) && sl_incarnation_parts(i, &parts) &&
                sl_ranges_subtract(&held, &parts) &&
                is_known(m, &header->incarnation, &header->run, &held, NULL, has_description);
    for (size_t n = 0; n < count && known; n++) known = !is_log_behind(m, m->from->logs.items[first + n], &held);
    SL_VEC_FREE(&held);
    SL_VEC_FREE(&parts);
    return known;
}

/* By writer, and in the order in which each filled its logs. */
static int compare_logs(const void *a, const void *b)
{
    const sl_log_header *x = &(*(sl_log *const *)a)->header, *y = &(*(sl_log *const *)b)->header;
    int order = memcmp(x->incarnation.bytes, y->incarnation.bytes, sizeof x->incarnation.bytes);
    if (order) return order;
    if (x->first_sequence != y->first_sequence) return x->first_sequence < y->first_sequence ? -1 : 1;
    return x->ordinal < y->ordinal ? -1 : x->ordinal > y->ordinal;
}

static steplog_status merge_segments(merging *m)
{
    const steplog_reader *from = m->from;
    steplog_status status = STEPLOG_OK;
    for (size_t i = 0; i < from->segments.count && !m->is_again; i++) m->total += from->segments.items[i]->file_bytes;
    for (size_t i = 0; i < from->segments.count && status == STEPLOG_OK; i++) {
        sl_segment *segment = from->segments.items[i];
        if (is_segment_known(m, segment)) {
            count_known(m, 1);
            continue;
        }
        if (m->is_again) m->total += segment->file_bytes;
        status = go_on_after(m, bring_segment(m, segment));
    }
    return status;
}

/* has_gone: the owner of one of them has used it again, and not all may have been taken from it. */
static steplog_status merge_logs(merging *m, int *has_gone)
{
    steplog_reader *from = m->from;
    if (from->logs.count) qsort(from->logs.items, from->logs.count, sizeof *from->logs.items, compare_logs);
    for (size_t i = 0; i < from->logs.count;) {
        size_t end = i + 1;
        while (end < from->logs.count &&
               sl_id_equal(&from->logs.items[end]->header.incarnation, &from->logs.items[i]->header.incarnation))
            end++;
        if (are_logs_known(m, i, end - i))
            count_known(m, end - i);
        else
            SL_TRY(go_on_after(m, copy_logs(m, i, end - i)));
        for (; i < end; i++)
            if (!sl_log_is_still_itself(from->logs.items[i])) *has_gone = 1;
    }
    return STEPLOG_OK;
}

/* A log is used again once a segment holds all of it: what was in the logs at the start is in those that are there then,
 * so that looking for them once more is enough. */
static steplog_status merge_files(merging *m)
{
    int has_gone = 0;
    steplog_status status = merge_segments(m);
    if (status == STEPLOG_OK) status = merge_logs(m, &has_gone);
    if (status != STEPLOG_OK || !has_gone) return status;
    SL_TRY(sl_snapshot_take(m->from, m->err));
    SL_TRY(sl_snapshot_take(m->to, m->err));
    m->is_again = 1;
    return merge_segments(m);
}

/* What was known already may have come with a merge that was stopped before it synced the names. */
static steplog_status sync_levels(merging *m)
{
    sl_ranges levels = {0};
    steplog_status status = STEPLOG_OK;
    for (size_t i = 0; i < m->to->segments.count && status >= 0; i++) {
        uint32_t level = m->to->segments.items[i]->level;
        if (!sl_ranges_add(&levels, level, (uint64_t)level + 1))
            status = sl_fail(m->err, STEPLOG_NOMEM, -1, "no memory to merge");
    }
    if (status >= 0) status = sl_level_dirs_sync(m->store->store_dir, &levels, m->err);
    SL_VEC_FREE(&levels);
    return status;
}

steplog_status steplog_store_merge(steplog_store *s, const char *source, steplog_progress progress,
                                   void *progress_context, steplog_merge_result *out, steplog_error *err)
{
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_READ_ONLY};
    steplog_merge_result result = {.size_bytes = sizeof result};
    steplog_store *other;
    steplog_error why = {0};
    if (!s || !source || (out && out->size_bytes < sizeof *out))
        return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_store_merge: an argument is NULL or size_bytes is not set");
    if (s->flags & STEPLOG_READ_ONLY)
        return sl_fail(err, STEPLOG_MISUSE, -1, "store '%s' was opened read-only", s->path);
    SL_TRY(steplog_store_open(source, &options, &other, err));
    merging m = {.store = s,
                 .progress = progress,
                 .progress_context = progress_context,
                 .result = &result,
                 .generation = sl_store_generation(s),
                 .err = &why};
    sl_read_context context = sl_store_read_context(other);
    steplog_status status = sl_reader_new(&context, &m.from, &why);
    context = sl_store_read_context(s);
    if (status >= 0) status = sl_reader_new(&context, &m.to, &why);
    SL_KILL_POINT("merge.snapshots_taken");
    if (status >= 0) status = merge_files(&m);
    if (status == STEPLOG_OK && m.has_known) status = sync_levels(&m);
    if (status == STEPLOG_OK && (status = m.failure.code) < 0) why = m.failure;
    if (status == STEPLOG_OK && (status = m.from->left_out.code) < 0) why = m.from->left_out;
    if (status < 0 && err) *err = why;
    sl_reader_free(m.from);
    sl_reader_free(m.to);
    steplog_store_close(other, NULL);
    if (out) *out = result;
    return status;
}
