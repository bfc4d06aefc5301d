/* write/row_log.c: creating, activating, syncing and recycling row logs. Appending to one is in append.h.
 *
 * Invariants:
 *  1. A log never changes size after it was created, and all its blocks are allocated before it is mapped: a
 *     store into it can not meet a full disk.
 *  2. Only the owner holds the lock on a log; it is taken before the log has a name that others may adopt.
 *  3. A spare has a zero id in its header and in the copy of it, so no reader takes its bytes for records. A log that
 *     is used again has both zero on the disk first: whatever the power leaves of its next header and records, nobody
 *     looks at them with the old id.
 *  4. After a failed sync the mark is frozen and the file is never synced again. So is a log that lost its name, which
 *     can not be made durable at all. */
#include "write/row_log.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/kill_point.h"
#include "base/span.h"
#include "os/os.h"
#include "os/private_fd.h"

#include <errno.h>

#define READ_TURNS 3

static steplog_status open_file(sl_row_log *log, int log_dir, steplog_error *err)
{
    int e = sl_private_open(&log->fd, log_dir, log->name, SL_OS_WRITE | SL_OS_CREATE);
    if (e < 0) {
        steplog_status status = sl_fail_os(err, -e, -1, "cannot create log '%s'", log->name);
        if (status != STEPLOG_MISSING) return status;
        if (err) err->code = STEPLOG_IO; /* the store was removed: nothing is missing that somebody asked for */
        return STEPLOG_IO;
    }
    SL_KILL_POINT("log.created");
    e = sl_os->lock(log->fd);
    SL_KILL_POINT("log.locked");
    if (e < 0 && e != -ENOLCK && e != -EOPNOTSUPP && e != -ENOSYS && e != -EINVAL)
        return sl_fail_os(err, -e, -1, "cannot lock log '%s'", log->name);
    if ((e = sl_os->allocate(log->fd, log->capacity_bytes)) < 0)
        return sl_fail_os(err, -e, -1, "cannot allocate %llu bytes for log '%s'",
                          (unsigned long long)log->capacity_bytes, log->name);
    SL_KILL_POINT("log.allocated");
    sl_os_stat stat;
    log->inode = sl_os->stat(log->fd, &stat) == 0 ? stat.inode : 0; /* without it a copy looks like the original */
    return STEPLOG_OK;
}

steplog_status sl_row_log_create(int log_dir, const steplog_id *incarnation, uint32_t ordinal, uint64_t capacity_bytes,
                                 int is_mapped, sl_row_log **out, steplog_error *err)
{
    *out = NULL;
    sl_row_log *log = sl_alloc_zero(1, sizeof *log);
    if (!log) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a log");
    log->fd = -1;
    log->capacity_bytes = (capacity_bytes + SL_OS_PAGE_BYTES - 1) & ~(uint64_t)(SL_OS_PAGE_BYTES - 1);
    sl_log_name(incarnation, ordinal, log->name);
    steplog_status status;
    SL_TRY_DONE(open_file(log, log_dir, err));
    if (is_mapped) {
        void *base;
        int e = sl_private_map(log->fd, log->capacity_bytes, 1, &base);
        if (e < 0) {
            status = sl_fail_os(err, -e, -1, "cannot map log '%s'", log->name);
            goto done;
        }
        log->base = base;
    } else if (!(log->scratch = sl_alloc(SL_RECORD_BYTES_MAX + 8))) {
        status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a log");
        goto done;
    }
    log->header.ordinal = ordinal;
    *out = log;
    SL_KILL_POINT("log.ready");
    return STEPLOG_OK;
done:
    if (log->fd >= 0) sl_os->unlink(log_dir, log->name);
    sl_row_log_close(log);
    return status;
}

/* Written first: then the system puts them into memory in large pieces. Page by page, by faults alone, they cost three
 * times as much, 2.8 us each instead of 1.0 with everything until the file is removed; MADV_POPULATE_WRITE 2.4. */
void sl_row_log_touch_pages(sl_row_log *log)
{
    static uint8_t zeros[256 * 1024]; /* not const: so it takes no room in any file */
    if (!log->base) return;
    for (uint64_t at = 0; at < log->capacity_bytes; at += sizeof zeros) {
        uint64_t left = log->capacity_bytes - at;
        if (sl_os_write_full(log->fd, zeros, left < sizeof zeros ? (size_t)left : sizeof zeros, at) < 0) break;
    }
    for (uint64_t at = 0; at < log->capacity_bytes; at += SL_OS_PAGE_BYTES) *(volatile uint8_t *)(log->base + at) = 0;
}

/* Writes bytes of the header, through the mapping where there is one. */
static steplog_status put_header(sl_row_log *log, const uint8_t *data, size_t bytes, uint64_t at, steplog_error *err)
{
    if (log->base) {
        memcpy(log->base + at, data, bytes);
        return STEPLOG_OK;
    }
    int e = sl_os_write_full(log->fd, data, bytes, at);
    return e < 0 ? sl_fail_os(err, -e, (int64_t)at, "cannot write log '%s'", log->name) : STEPLOG_OK;
}

int sl_row_log_has_lost_its_name(const sl_row_log *log, int log_dir)
{
    sl_os_stat named, own;
    int e = sl_os->stat_name(log_dir, log->name, &named);
    if (e < 0) return e == -ENOENT;
    return log->inode && named.inode != log->inode && sl_os->stat(log->fd, &own) == 0 && named.inode != own.inode;
}

static int sync_bytes(sl_row_log *log, uint64_t from, uint64_t to)
{
    if (!log->base) return sl_os->sync_data(log->fd);
    from &= ~(uint64_t)(SL_OS_PAGE_BYTES - 1);
    to = (to + SL_OS_PAGE_BYTES - 1) & ~(uint64_t)(SL_OS_PAGE_BYTES - 1);
    return sl_os->sync_map(log->base + from, to - from);
}

/* Makes the log nobody's, on the disk too: whatever the power leaves of its name, no one looks at its records, and of its
 * next header, no slot of this one stands beside it. */
static steplog_status clear_header(sl_row_log *log, steplog_error *err)
{
    static const uint8_t zeros[SL_LOG_HEADER_BYTES];
    SL_TRY(put_header(log, zeros, 16, 16, err)); /* the id first of all: followers look here */
    atomic_thread_fence(memory_order_release);
    SL_KILL_POINT("recycle.id_cleared"); /* by its copy it is still the old log, and whole */
    SL_TRY(put_header(log, zeros, 16, SL_LOG_COPY_OFFSET + 16, err));
    atomic_thread_fence(memory_order_release);
    SL_KILL_POINT("recycle.copy_id_cleared");
    SL_TRY(put_header(log, zeros, sizeof zeros, 0, err));
    SL_KILL_POINT("recycle.cleared");
    int e = sync_bytes(log, 0, SL_LOG_HEADER_BYTES);
    return e < 0 ? sl_fail_os(err, -e, 0, "cannot sync log '%s'", log->name) : STEPLOG_OK;
}

steplog_status sl_row_log_recycle(sl_row_log *log, int log_dir, const steplog_id *incarnation, uint32_t ordinal,
                                  steplog_error *err)
{
    char name[SL_FILE_NAME_BYTES];
    if (sl_row_log_has_lost_its_name(log, log_dir))
        return sl_fail(err, STEPLOG_IO, -1, "log '%s' was removed or replaced", log->name);
    SL_TRY(clear_header(log, err));
    SL_KILL_POINT("recycle.synced");
    sl_log_name(incarnation, ordinal, name);
    int e = sl_os->rename(log_dir, log->name, log_dir, name);
    if (e < 0) return sl_fail_os(err, -e, -1, "cannot rename log '%s'", log->name);
    SL_KILL_POINT("recycle.renamed");
    memcpy(log->name, name, sizeof name);
    log->header = (sl_log_header){.ordinal = ordinal};
    log->mark = (sl_log_mark){0};
    log->gap = (sl_log_gap){0};
    atomic_store_explicit(&log->gap_counter, 0, memory_order_relaxed);
    log->gap_synced = 0;
    log->is_directory_synced = 0;
    log->next = NULL;
    return STEPLOG_OK;
}

static steplog_status put_fixed(sl_row_log *log, const uint8_t *fixed, uint64_t at, steplog_error *err)
{
    SL_TRY(put_header(log, fixed + 32, SL_LOG_FIXED_BYTES - 32, at + 32, err));
    SL_TRY(put_header(log, fixed, 16, at, err));
    atomic_thread_fence(memory_order_release);
    SL_KILL_POINT("activate.without_id");
    return put_header(log, fixed + 16, 16, at + 16, err);
}

steplog_status sl_row_log_activate(sl_row_log *log, const sl_log_header *header, steplog_error *err)
{
    static const uint8_t zeros[SL_LOG_HEADER_BYTES - SL_LOG_FIXED_BYTES];
    uint8_t fixed[SL_LOG_FIXED_BYTES], nothing[8] = {0};
    uint32_t ordinal = log->header.ordinal;
    /* A log that was used before has no record any more, whatever becomes of this. */
    atomic_store_explicit(&log->tail, SL_LOG_HEADER_BYTES, memory_order_relaxed);
    atomic_store_explicit(&log->tail_sequence, header->first_sequence - 1, memory_order_relaxed);
    log->mark = (sl_log_mark){.offset = SL_LOG_HEADER_BYTES, .sequence = header->first_sequence - 1};
    log->header = *header;
    log->header.version = SL_FORMAT_VERSION;
    log->header.features = 0;
    log->header.ordinal = ordinal;
    log->header.capacity_bytes = log->capacity_bytes;
    log->header.mode = log->base ? SL_LOG_MODE_MAPPED : SL_LOG_MODE_PWRITE;
    log->header.created_time_ns = sl_os->wall_time_ns();
    log->header.inode = log->inode;
    int e = sl_os->random(log->header.log_id.bytes, 16);
    if (e < 0) return sl_fail_os(err, -e, -1, "no random bytes for a log's id");
    log->file_key = sl_file_key(&log->header.log_id);
    sl_log_header_encode(&log->header, fixed);
    SL_TRY(put_header(log, zeros, sizeof zeros, SL_LOG_FIXED_BYTES, err));
    SL_KILL_POINT("activate.slots_zeroed");
    SL_TRY(put_header(log, nothing, sizeof nothing, SL_LOG_HEADER_BYTES, err));
    SL_KILL_POINT("activate.first_word_zeroed");
    /* The id goes last: with it the header counts. The copy is whole before: a header that is torn has one. */
    SL_TRY(put_fixed(log, fixed, SL_LOG_COPY_OFFSET, err));
    SL_KILL_POINT("activate.copy_counts");
    SL_TRY(put_fixed(log, fixed, 0, err));
    SL_KILL_POINT("activate.counts");
    atomic_store_explicit(&log->limit, log->capacity_bytes - SL_LOG_RESERVE_BYTES, memory_order_relaxed);
    atomic_store_explicit(&log->is_frozen, 0, memory_order_relaxed);
    atomic_store_explicit(&log->is_moved, 0, memory_order_relaxed);
    return STEPLOG_OK;
}

void sl_row_log_freeze(sl_row_log *log)
{
    atomic_store_explicit(&log->is_frozen, 1, memory_order_release); /* with the mark as it stays */
    atomic_store_explicit(&log->limit, 0, memory_order_release);
}

steplog_status sl_row_log_sync(sl_row_log *log, int log_dir, uint64_t *sequence, steplog_error *err)
{
    /* The number first: the tail read after it covers at least that record. */
    uint64_t last = atomic_load_explicit(&log->tail_sequence, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&log->tail, memory_order_acquire);
    uint64_t gap = atomic_load_explicit(&log->gap_counter, memory_order_acquire);
    int e = 0;
    if (!atomic_load_explicit(&log->is_frozen, memory_order_relaxed) && sl_row_log_has_lost_its_name(log, log_dir)) {
        /* No reader finds it: all of it has to go elsewhere, what was durable too. */
        log->mark = (sl_log_mark){log->mark.counter, SL_LOG_HEADER_BYTES, log->header.first_sequence - 1};
        log->is_nameless = 1;
        sl_row_log_freeze(log);
    }
    *sequence = log->mark.sequence;
    if (log->is_nameless) return STEPLOG_WAIT;
    if (atomic_load_explicit(&log->is_frozen, memory_order_relaxed))
        return sl_fail(err, STEPLOG_IO, -1, "log '%s' failed to sync earlier: its durable mark stays at %llu",
                       log->name, (unsigned long long)log->mark.sequence);
    if (tail == log->mark.offset && last == log->mark.sequence && gap == log->gap_synced && log->mark.counter)
        return STEPLOG_OK;
    if (!log->is_directory_synced) e = sl_os->sync_all(log_dir);
    SL_KILL_POINT("sync.directory_synced");
    if (e == 0) {
        log->is_directory_synced = 1;
        e = sync_bytes(log, log->mark.counter ? log->mark.offset : 0, tail);
    }
    if (e == 0 && log->base && log->mark.counter && gap != log->gap_synced) e = sync_bytes(log, 0, SL_LOG_HEADER_BYTES);
    if (e < 0) {
        sl_row_log_freeze(log);
        return sl_fail_os(err, -e, (int64_t)log->mark.offset, "cannot sync log '%s'", log->name);
    }
    SL_KILL_POINT("sync.data_synced");
    log->gap_synced = gap;
    uint8_t slot[SL_LOG_SLOT_BYTES];
    log->mark = (sl_log_mark){log->mark.counter + 1, tail, last};
    uint64_t at = SL_LOG_MARK_OFFSET + log->mark.counter % 2 * SL_LOG_SLOT_STRIDE;
    sl_log_mark_encode(&log->mark, log->file_key, at, slot);
    *sequence = last;
    put_header(log, slot, sizeof slot, at, NULL); /* a mark that was not written is only an older mark */
    SL_KILL_POINT("sync.marked");
    sl_os->touch(log->fd);                        /* mapped stores do not set the times that copying tools look at */
    return STEPLOG_OK;
}

void sl_row_log_count_refused(sl_row_log *log, uint64_t points, int64_t step, int64_t time_ns)
{
    uint8_t slot[SL_LOG_SLOT_BYTES];
    sl_log_gap *gap = &log->gap;
    sl_log_gap_count(gap, points, step, time_ns);
    uint64_t at = SL_LOG_GAP_OFFSET + gap->counter % 2 * SL_LOG_SLOT_STRIDE;
    sl_log_gap_encode(gap, log->file_key, at, slot);
    SL_KILL_POINT("gap.slot_made");
    put_header(log, slot, sizeof slot, at, NULL);
    SL_KILL_POINT("gap.slot_written");
    atomic_store_explicit(&log->gap_counter, gap->counter, memory_order_release);
}

int64_t sl_row_log_read(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    sl_row_log *log = context;
    if (!log->base) {
        int64_t got = -EIO; /* what can not be read would have to be given up */
        for (int turn = 0; turn < READ_TURNS && got < 0; turn++) got = sl_os_read(log->fd, buffer, bytes, offset);
        return got;
    }
    if (offset >= log->capacity_bytes) return 0;
    if (bytes > log->capacity_bytes - offset) bytes = (size_t)(log->capacity_bytes - offset);
    memcpy(buffer, log->base + offset, bytes);
    return (int64_t)bytes;
}

steplog_status sl_row_log_remove(sl_row_log *log, int log_dir, steplog_error *err)
{
    if (!log) return STEPLOG_OK;
    steplog_status status = STEPLOG_OK;
    SL_KILL_POINT("log.removing");
    /* What has its name now is not ours. */
    int e = sl_row_log_has_lost_its_name(log, log_dir) ? 0 : sl_os->unlink(log_dir, log->name);
    SL_KILL_POINT("log.removed");
    if (e < 0 && e != -ENOENT) status = sl_fail_os(err, -e, -1, "cannot remove log '%s'", log->name);
    sl_row_log_close(log);
    return status;
}

steplog_status sl_row_log_revoke(sl_row_log *log, int log_dir, steplog_error *err)
{
    if (!log) return STEPLOG_OK;
    int is_lost = sl_row_log_has_lost_its_name(log, log_dir);
    steplog_status cleared = is_lost ? STEPLOG_OK : clear_header(log, err);
    steplog_status removed = sl_row_log_remove(log, log_dir, cleared < 0 ? NULL : err);
    return cleared < 0 ? cleared : removed;
}

void sl_row_log_close(sl_row_log *log)
{
    if (!log) return;
    if (log->base) sl_os->unmap(log->base, log->capacity_bytes);
    sl_private_close(&log->fd);
    sl_free(log->scratch);
    sl_free(log);
}
