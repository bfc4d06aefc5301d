/* core/verify_log.c: checking one row log: its header, its slots, each record, what the records say.
 *
 * Logs are alive: their owner appends, moves marks, and may make the file a spare or another log at any moment. So
 * findings wait in a list until it is certain that the file still is the log that was read; a log that looks damaged
 * while it may be in use is read again before anyone believes it. */
#include "core/verify.h"

#include "base/error.h"
#include "format/checksum.h"
#include "format/fact_codec.h"
#include "format/file_names.h"
#include "format/log_header.h"
#include "format/log_walk.h"

#include <errno.h>
#include <stdio.h>

#define TRIES_MAX 4
#define PAUSE_NS 2000000

typedef struct log_check {
    sl_verify *verify;
    const char *name;
    int fd, is_live; /* is_live: a writer may hold it */
    uint64_t file_bytes;
    uint8_t head[SL_LOG_HEADER_BYTES];
    sl_log_header header;
    uint32_t header_at; /* of the one that counts */
    uint64_t file_key;
    int has_header;
    sl_log_mark mark;
    sl_damage_list findings;
    uint64_t damage_count;
    /* of the walk */
    sl_log_walk walk;
    sl_log_dictionary dictionary;
    XXH3_state_t *blob_hash; /* of the blob that goes on */
    int64_t last_step;
    int has_last_step, is_mark_seen, has_numbered;
    size_t open_finding; /* damage whose last step is not known yet, plus one */
    uint64_t row_count, point_count;
} log_check;

static void put(log_check *c, steplog_damage *finding)
{
    finding->size_bytes = sizeof *finding;
    finding->file = c->name;
    if (c->has_header) {
        finding->has_run = 1;
        finding->run = c->header.run;
    }
    if (!finding->is_notice) c->damage_count++;
    sl_damage_add(&c->findings, finding);
}

static void damage(log_check *c, int64_t offset, uint64_t bytes, const char *what)
{
    put(c, &(steplog_damage){.offset = offset, .bytes = bytes, .what = what});
}

static void notice(log_check *c, int64_t offset, uint64_t bytes, const char *what)
{
    put(c, &(steplog_damage){.offset = offset, .bytes = bytes, .what = what, .is_notice = 1});
}

static int64_t read_file(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    return sl_os_read(((log_check *)context)->fd, buffer, bytes, offset);
}

static uint64_t next_data(void *context, uint64_t offset)
{
    return sl_os_next_data(((log_check *)context)->fd, offset);
}

/* ---- header ---- */

static void check_zeros(log_check *c, uint64_t begin, uint64_t end)
{
    if (!sl_is_zero(c->head + begin, (size_t)(end - begin)))
        damage(c, (int64_t)begin, end - begin, "bytes of the log header that must be zero are not");
}

/* One of two slots may have been in writing when the machine stopped: that is why there are two. */
static void report_slot(log_check *c, uint64_t at, int is_other_whole, const char *what)
{
    if (is_other_whole)
        notice(c, (int64_t)at, SL_LOG_SLOT_BYTES, what);
    else
        damage(c, (int64_t)at, SL_LOG_SLOT_BYTES, what);
}

/* Each number up to the mark's takes a record before its offset. */
static uint64_t sequence_max(const log_check *c, const sl_log_mark *mark)
{
    return c->header.first_sequence - 1 + (mark->offset - SL_LOG_HEADER_BYTES) / (SL_RECORD_HEAD_BYTES + 8);
}

static void check_slots(log_check *c)
{
    uint64_t largest = 0;
    for (uint64_t i = 0; i < 2; i++) {
        uint64_t at = SL_LOG_MARK_OFFSET + i * SL_LOG_SLOT_STRIDE;
        sl_log_mark mark = {0};
        int found = sl_log_mark_decode(c->head + at, c->file_key, at, &mark);
        uint64_t other_at = SL_LOG_MARK_OFFSET + (1 - i) * SL_LOG_SLOT_STRIDE;
        if (found < 0)
            report_slot(c, at, sl_log_mark_decode(c->head + other_at, c->file_key, other_at, &(sl_log_mark){0}) >= 0,
                        "mark slot fails its check: what is durable is known from the other one only");
        if (found == 1 && (mark.offset < SL_LOG_HEADER_BYTES || mark.offset % 8 ||
                           mark.offset > c->header.capacity_bytes || mark.counter == 0))
            damage(c, (int64_t)at, SL_LOG_SLOT_BYTES,
                   "mark slot passes its check but its offset or counter is impossible");
        else if (found == 1 && mark.sequence > sequence_max(c, &mark))
            damage(c, (int64_t)at, SL_LOG_SLOT_BYTES,
                   "mark slot passes its check but its sequence is more than the log can hold before its offset");
        if (found == 1 && mark.counter == largest)
            damage(c, (int64_t)at, SL_LOG_SLOT_BYTES, "both mark slots have the same counter");
        if (found == 1 && mark.counter > largest) {
            largest = mark.counter;
            c->mark = mark;
        }
        check_zeros(c, at + SL_LOG_SLOT_BYTES, at + SL_LOG_SLOT_STRIDE);
    }
    largest = 0;
    for (uint64_t i = 0; i < 2; i++) {
        uint64_t at = SL_LOG_GAP_OFFSET + i * SL_LOG_SLOT_STRIDE;
        sl_log_gap gap = {0};
        int found = sl_log_gap_decode(c->head + at, c->file_key, at, &gap);
        uint64_t other_at = SL_LOG_GAP_OFFSET + (1 - i) * SL_LOG_SLOT_STRIDE;
        if (found < 0)
            report_slot(c, at, sl_log_gap_decode(c->head + other_at, c->file_key, other_at, &(sl_log_gap){0}) >= 0,
                        "gap slot fails its check: what was refused is known from the other one only");
        if (found == 1 && (gap.counter == 0 || gap.step_first > gap.step_last))
            damage(c, (int64_t)at, SL_LOG_SLOT_BYTES,
                   "gap slot passes its check but its steps or counter are impossible");
        if (found == 1 && gap.counter == largest)
            damage(c, (int64_t)at, SL_LOG_SLOT_BYTES, "both gap slots have the same counter");
        if (found == 1 && gap.counter > largest) largest = gap.counter;
        check_zeros(c, at + SL_LOG_SLOT_BYTES, at + SL_LOG_SLOT_STRIDE);
    }
    check_zeros(c, SL_LOG_UNUSED_OFFSET, SL_LOG_HEADER_BYTES);
}

/* The fixed part and its copy are the same, unless the writer stopped or the power went while one was written. */
static void check_twins(log_check *c)
{
    sl_log_twin twin = sl_log_header_twin(c->head, c->header_at);
    if (twin == SL_LOG_TWIN_SAME) return;
    if (c->header_at && twin == SL_LOG_TWIN_PARTIAL)
        notice(c, 0, SL_LOG_FIXED_BYTES, "the log's header is not complete: its copy counts");
    else if (c->header_at)
        damage(c, 0, SL_LOG_FIXED_BYTES, SL_LOG_WORDS_HEADER_DAMAGED);
    else if (twin == SL_LOG_TWIN_PARTIAL)
        notice(c, SL_LOG_COPY_OFFSET, SL_LOG_FIXED_BYTES, "the copy of the log's header is not complete");
    else
        damage(c, SL_LOG_COPY_OFFSET, SL_LOG_FIXED_BYTES, SL_LOG_WORDS_COPY_DAMAGED);
}

static void check_name(log_check *c)
{
    steplog_id incarnation;
    uint32_t ordinal;
    const char *slash = strchr(c->name, '/');
    if (!slash || !sl_log_name_parse(slash + 1, &incarnation, &ordinal)) return;
    if (!sl_id_equal(&incarnation, &c->header.incarnation))
        damage(c, c->header_at + 32, 16, "the log's header names another incarnation than the file's name");
    if (ordinal != c->header.ordinal)
        notice(c, c->header_at + 112, 4, "the log has another ordinal than its name: kept for reuse when the machine stopped");
}

/* ---- records ---- */

/* Damage before a row: the steps it can have hit lie between the rows around it. */
static void close_finding(log_check *c, int64_t step)
{
    if (c->open_finding && c->open_finding <= c->findings.count && c->has_last_step && c->last_step <= step) {
        steplog_damage *finding = &c->findings.items[c->open_finding - 1];
        int64_t first = c->last_step, last = step;
        if (last - 1 > first) {
            first++;
            last--;
        }
        finding->has_steps = 1;
        finding->step_first = first;
        finding->step_last = last;
    }
    c->open_finding = 0;
}

static void take_row(log_check *c, const sl_log_item *item)
{
    close_finding(c, item->step);
    c->has_last_step = 1;
    c->last_step = item->step;
    c->row_count++;
    c->point_count += item->value_count;
}

static void hash_part(void *context, const uint8_t *data, size_t bytes, uint64_t at)
{
    log_check *c = context;
    if (at == 0) XXH3_64bits_reset(c->blob_hash);
    XXH3_64bits_update(c->blob_hash, data, bytes);
}

static void check_blob(log_check *c, const sl_log_item *item)
{
    sl_blob blob;
    if (!sl_blob_decode(item->content, item->content_bytes, &blob, NULL) || blob.data_bytes != item->data_bytes) {
        damage(c, (int64_t)item->offset, item->bytes, "blob record breaks a rule");
        return;
    }
    uint64_t hash = blob.data_bytes ? XXH3_64bits_digest(c->blob_hash) : sl_hash("", 0);
    if (hash == blob.content_hash) return;
    char *name = sl_copy_bytes(blob.name, blob.name_bytes);
    put(c, &(steplog_damage){.offset = (int64_t)item->offset,
                             .bytes = item->bytes,
                             .what = "content hash of a blob differs",
                             .series = name,
                             .has_steps = 1,
                             .step_first = blob.step,
                             .step_last = blob.step});
    sl_free(name);
}

static void check_text(log_check *c, const sl_log_item *item)
{
    sl_fact fact;
    if (item->record_kind == SL_RECORD_BLOB)
        check_blob(c, item);
    else if (!sl_fact_decode(item->content, item->content_bytes, &fact))
        damage(c, (int64_t)item->offset, item->bytes, "fact record breaks a rule");
}

static void check_writer(log_check *c, const sl_log_item *item)
{
    const sl_writer_description *d = &c->dictionary.writer;
    if (!c->dictionary.has_writer || item->record_kind != SL_RECORD_WRITER) return;
    if (d->attempt != c->header.attempt || d->rank != c->header.rank)
        damage(c, (int64_t)item->offset, item->bytes, "the writer's description does not agree with the log's header");
}

static void take_item(log_check *c, const sl_log_item *item)
{
    if (item->offset == c->mark.offset || item->offset + item->bytes == c->mark.offset) c->is_mark_seen = 1;
    if (SL_RECORD_IS_NUMBERED(item->record_kind) && item->kind != SL_ITEM_DAMAGE && !c->has_numbered) {
        c->has_numbered = 1;
        if (!c->dictionary.has_writer)
            damage(c, (int64_t)item->offset, item->bytes, "numbered record before the log says who its writer is");
    }
    switch (item->kind) {
    case SL_ITEM_ROW:
    case SL_ITEM_POINT: take_row(c, item); break;
    case SL_ITEM_TEXT: check_text(c, item); break;
    case SL_ITEM_OTHER: check_writer(c, item); break;
    case SL_ITEM_DAMAGE:
        if (item->offset < c->mark.offset && item->offset + item->bytes > c->mark.offset) c->is_mark_seen = 1;
        damage(c, (int64_t)item->offset, item->bytes, item->what);
        c->open_finding = c->findings.count;
        break;
    default: break;
    }
}

static void report_tail(log_check *c)
{
    char text[160];
    uint64_t count = sl_log_walk_salvageable(&c->walk);
    snprintf(text, sizeof text,
             "the log ends in a record that was not completed; %llu valid records behind it are not shown",
             (unsigned long long)count);
    notice(c, (int64_t)c->walk.offset, 0, text);
}

static steplog_status walk_records(log_check *c, steplog_error *err)
{
    sl_log_item item;
    XXH3_state_t blob_hash;
    steplog_status status = STEPLOG_OK;
    uint64_t at = SL_LOG_HEADER_BYTES;
    c->blob_hash = &blob_hash;
    c->dictionary.header = &c->header;
    sl_log_walk_init(&c->walk, read_file, c, c->file_key, c->header.capacity_bytes, c->header.first_sequence,
                     c->mark.offset, &c->dictionary);
    c->walk.has_heads_only = 1;
    c->walk.next_data = next_data;
    c->walk.take_data = hash_part;
    c->walk.data_context = c;
    c->walk.is_same_boot = c->verify->is_local &&
                           sl_log_header_is_same_boot(&c->header, &c->verify->host_id, &c->verify->boot_id);
    for (;;) {
        sl_log_walk_next(&c->walk, &item);
        if (item.kind == SL_ITEM_END) break;
        if (item.kind == SL_ITEM_ERROR) {
            if (!item.os_errno)
                status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory to verify log '%s'", c->name);
            else
                status = sl_verify_refused(c->verify, c->name, item.os_errno, item.offset, err);
            return status;
        }
        take_item(c, &item);
        sl_verify_advance(c->verify, c->walk.offset > at ? c->walk.offset - at : 0);
        at = c->walk.offset;
        if (c->verify->must_stop) return STEPLOG_OK;
    }
    if (c->mark.offset == SL_LOG_HEADER_BYTES || c->mark.offset == c->walk.offset || c->mark.counter == 0)
        c->is_mark_seen = 1;
    if (!c->is_mark_seen)
        damage(c, SL_LOG_MARK_OFFSET, SL_LOG_SLOT_BYTES, "the mark's offset is not between two records");
    if (c->walk.is_torn && c->walk.offset < c->header.capacity_bytes) report_tail(c);
    return STEPLOG_OK;
}

/* ---- the file ---- */

/* The file is still that log, and still has that name. */
static int is_still_the_same(log_check *c)
{
    uint8_t id[16];
    sl_os_stat open, named;
    if (c->file_bytes >= SL_LOG_HEADER_BYTES &&
        (sl_os_read_full(c->fd, id, sizeof id, c->header_at + 16) < 0 || !sl_id_equal(id, c->head + c->header_at + 16)))
        return 0;
    return sl_os->stat(c->fd, &open) == 0 && sl_os->stat_name(c->verify->store_dir, c->name, &named) == 0 &&
           open.device == named.device && open.inode == named.inode;
}

static void clear(log_check *c)
{
    sl_log_walk_free(&c->walk);
    sl_dictionary_free(&c->dictionary);
    sl_damage_clear(&c->findings);
    c->walk = (sl_log_walk){0};
    c->damage_count = c->row_count = c->point_count = 0;
    c->has_header = c->has_last_step = c->is_mark_seen = c->has_numbered = 0;
    c->open_finding = 0;
    c->header_at = 0;
    c->mark = (sl_log_mark){.offset = SL_LOG_HEADER_BYTES};
}

static steplog_status check_once(log_check *c, steplog_error *err)
{
    sl_os_stat stat;
    steplog_error why;
    clear(c);
    int e = sl_os->stat(c->fd, &stat);
    if (e < 0) return sl_fail_os(err, -e, -1, "cannot verify log '%s'", c->name);
    c->file_bytes = stat.bytes;
    memset(c->head, 0, sizeof c->head);
    if (stat.bytes < SL_LOG_HEADER_BYTES) {
        notice(c, -1, 0, "shorter than a log's header: in the making, or cut; it holds no records");
        return STEPLOG_OK;
    }
    if ((e = sl_os_read_full(c->fd, c->head, sizeof c->head, 0)) < 0 && e != -ENODATA)
        return sl_verify_refused(c->verify, c->name, -e, 0, err);
    steplog_status status = sl_log_header_read(c->head, c->name, &c->header, &c->header_at, &why);
    if (status == STEPLOG_MISSING) notice(c, -1, 0, "a spare log: prepared or kept for reuse, it holds no records");
    if (status == STEPLOG_NEWER) notice(c, -1, 0, why.text);
    if (status == STEPLOG_CORRUPT) damage(c, 0, SL_LOG_FIXED_BYTES, why.text);
    if (status != STEPLOG_OK) return STEPLOG_OK;
    c->has_header = 1;
    c->file_key = sl_file_key(&c->header.log_id);
    check_twins(c);
    check_name(c);
    check_slots(c);
    if (stat.bytes < c->header.capacity_bytes)
        notice(c, (int64_t)stat.bytes, 0, "the file is shorter than its capacity: a copy that was cut");
    if (stat.bytes > c->header.capacity_bytes)
        notice(c, (int64_t)c->header.capacity_bytes, stat.bytes - c->header.capacity_bytes,
               "bytes behind the capacity of the log belong to nothing");
    return walk_records(c, err);
}

steplog_status sl_verify_log(sl_verify *v, const char *name, steplog_error *err)
{
    log_check *c = sl_alloc_zero(1, sizeof *c);
    if (!c) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to verify a log");
    c->verify = v;
    c->name = name;
    c->fd = sl_os->open(v->store_dir, name, SL_OS_READ);
    steplog_status status = STEPLOG_OK;
    if (c->fd == -ENOENT)
        v->must_list_again = 1;
    else if (c->fd == -EINVAL || c->fd == -ELOOP)
        sl_verify_report_place(v, name, -1, 0, 1, "not a regular file: readers ignore it");
    else if (c->fd < 0)
        status = sl_verify_refused(v, name, -c->fd, 0, err);
    if (c->fd < 0) goto done;
    uint64_t done_before = v->done_bytes;
    int is_same = 0;
    for (int i = 0; i < TRIES_MAX && !v->must_stop; i++) {
        if (i) sl_os->sleep_ns(PAUSE_NS);
        v->done_bytes = done_before;
        c->is_live = sl_os->probe(c->fd) != SL_OS_LOCK_FREE;
        SL_TRY_DONE(check_once(c, err));
        is_same = is_still_the_same(c);
        if (is_same && (c->damage_count == 0 || !c->is_live)) break;
    }
    /* Made a spare, another log, or removed meanwhile: its records have gone elsewhere. */
    if (!is_same && !v->must_stop) {
        v->must_list_again = 1;
        goto done;
    }
    for (size_t i = 0; i < c->findings.count && !v->must_stop; i++) sl_verify_report(v, &c->findings.items[i]);
    v->result.file_count++;
    v->result.byte_count += c->file_bytes;
    v->result.row_count += c->row_count;
    v->result.point_count += c->point_count;
    v->done_bytes = done_before;
    sl_verify_advance(v, c->file_bytes);
done:
    if (c->fd >= 0) sl_os->close(c->fd);
    clear(c);
    sl_free(c);
    return status;
}
