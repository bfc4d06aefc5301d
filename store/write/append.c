/* write/append.c: the hot path: a row or a point into the active log.
 *
 * Mapped mode: fill the bytes, zero the next commit word, store this one with release order. No allocation, no
 * lock, no system call while the log has room. Pwrite mode: the same bytes in a buffer, then one write.
 * Committed bytes never change. */
#include "steplog/writer.h"

#include "base/error.h"
#include "base/kill_point.h"
#include "format/log_walk.h"
#include "os/os.h"
#include "write/writer.h"

/* Left to itself gcc calls these, for a tenth of what a short row costs. */
#define HOT static inline __attribute__((always_inline))

/* A log that is used again stands in no near cache: its lines are asked for this far ahead of the record. Without that
 * a row of 1 takes 12.4 ns, not 9.3, a row of 20 39, not 31; with 256 or 512 bytes some of it. */
#define AHEAD_BYTES 1024u
#define LINE_BYTES 64u

static inline sl_row_log *active_log(steplog_writer *w) { return atomic_load_explicit(&w->log, memory_order_relaxed); }

/* Where a record of bytes goes, or NULL when the slow way has to be taken. */
static inline uint8_t *reserve(steplog_writer *w, sl_row_log *log, uint64_t bytes)
{
    if (__builtin_expect(sl_writer_is_of_parent(w), 0)) return NULL; /* there may be no log */
    uint64_t tail = atomic_load_explicit(&log->tail, memory_order_relaxed);
    if (__builtin_expect(tail + bytes > atomic_load_explicit(&log->limit, memory_order_relaxed), 0)) return NULL;
    return log->base ? log->base + tail : log->scratch;
}

/* The slow way to a place for a record. The background work may close a log just made ready (a failed sync), so
 * it is asked again. */
static steplog_status reserve_slowly(steplog_writer *w, sl_row_log **log, uint8_t **p, uint64_t bytes, uint64_t points,
                                     int64_t step, int64_t time_ns)
{
    do {
        SL_TRY(sl_writer_make_room(w, bytes, points, step, time_ns));
        *log = active_log(w);
        *p = reserve(w, *log, bytes);
    } while (!*p);
    return STEPLOG_OK;
}

/* Makes the record at p exist. Its body is in place. */
HOT steplog_status commit(steplog_writer *w, sl_row_log *log, uint8_t *p, uint32_t bytes, uint64_t head)
{
    uint64_t tail = atomic_load_explicit(&log->tail, memory_order_relaxed);
    sl_store64(p + 8, sl_record_check_of(p, bytes, head, log->file_key, tail, w->next_sequence));
    SL_KILL_POINT("append.filled");
    if (__builtin_expect(log->base != NULL, 1)) {
        for (uint32_t at = 0; at < bytes; at += LINE_BYTES) __builtin_prefetch(p + bytes + AHEAD_BYTES + at, 1);
        sl_store64(p + bytes, 0);
        SL_KILL_POINT("append.next_word_zeroed");
        __atomic_store_n((uint64_t *)(void *)p, SL_LE(64, head), __ATOMIC_RELEASE);
    } else {
        sl_store64(p, head);
        sl_store64(p + bytes, 0); /* a recycled log has old bytes there */
        SL_TRY(sl_writer_put(w, log, tail, bytes, &w->error));
    }
    SL_KILL_POINT("append.committed");
    atomic_store_explicit(&log->tail, tail + bytes, memory_order_release);
    atomic_store_explicit(&log->tail_sequence, w->next_sequence, memory_order_release);
    w->next_sequence++;
    SL_KILL_POINT("append.counted");
    return STEPLOG_OK;
}

/* A caller whose records are all of one length has the hash of that length in it, without a call and a choice. */
#define OF_ONE_LENGTH __attribute__((flatten, noinline))

static inline int64_t time_of(int64_t time_ns) { return time_ns == STEPLOG_TIME_NOW ? sl_os->wall_time_ns() : time_ns; }

/* A row that could not be written. */
static steplog_status commit_failed(steplog_writer *w, steplog_status status, uint64_t points, int64_t step,
                                    int64_t time_ns)
{
    return status == STEPLOG_FULL ? sl_writer_refuse(w, points, step, time_ns) : status;
}

HOT steplog_status append_row(steplog_writer *w, uint32_t schema, uint32_t count, int64_t step, int64_t time_ns,
                              const double *values)
{
    uint32_t bytes = SL_ROW_BYTES(count);
    sl_row_log *log = active_log(w);
    uint8_t *p = reserve(w, log, bytes + 8);
    if (__builtin_expect(!p, 0)) SL_TRY(reserve_slowly(w, &log, &p, bytes + 8, count, step, time_ns));
    sl_store64(p + 16, (uint64_t)step);
    sl_store64(p + 24, (uint64_t)time_ns);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(p + 32, values, 8 * (size_t)count);
#else
    for (uint32_t i = 0; i < count; i++) sl_store64(p + 32 + 8 * i, sl_bits_of(values[i]));
#endif
    w->has_base = 0;
    steplog_status status = commit(w, log, p, bytes, sl_record_head(bytes, SL_RECORD_ROW, 0, schema));
    if (__builtin_expect(status < 0, 0)) return commit_failed(w, status, count, step, time_ns);
    w->row_count++;
    return STEPLOG_OK;
}

OF_ONE_LENGTH static steplog_status append_row_of_1(steplog_writer *w, uint32_t schema, int64_t step, int64_t time_ns,
                                                    const double *values)
{
    return append_row(w, schema, 1, step, time_ns, values);
}

steplog_status steplog_writer_append(steplog_writer *w, steplog_schema schema, int64_t step, int64_t time_ns,
                                     const double *values)
{
    if (!w) return STEPLOG_MISUSE;
    if (schema.index >= w->table.schemas.count || !values)
        return sl_writer_fail(w, STEPLOG_MISUSE, "schema %u is not of this writer, or values is NULL",
                              (unsigned)schema.index);
    uint32_t count = w->table.schemas.items[schema.index].count;
    if (count == 1) return append_row_of_1(w, schema.index, step, time_of(time_ns), values);
    return append_row(w, schema.index, count, step, time_of(time_ns), values);
}

steplog_status steplog_writer_append_present(steplog_writer *w, steplog_schema schema, int64_t step, int64_t time_ns,
                                             const double *values, const uint64_t *present)
{
    if (!present) return steplog_writer_append(w, schema, step, time_ns, values);
    if (!w) return STEPLOG_MISUSE;
    if (schema.index >= w->table.schemas.count || !values)
        return sl_writer_fail(w, STEPLOG_MISUSE, "schema %u is not of this writer, or values is NULL",
                              (unsigned)schema.index);
    uint32_t count = w->table.schemas.items[schema.index].count, present_count = 0, words = (count + 63) / 64;
    for (uint32_t i = 0; i < words; i++) {
        uint64_t mask = i + 1 < words || count % 64 == 0 ? UINT64_MAX : ((uint64_t)1 << (count % 64)) - 1;
        present_count += (uint32_t)__builtin_popcountll(present[i] & mask);
    }
    if (present_count == 0) return sl_writer_fail(w, STEPLOG_MISUSE, "a row without any value");
    if (present_count == count) return steplog_writer_append(w, schema, step, time_ns, values);
    uint32_t bytes = SL_ROW_BYTES(present_count) + SL_PRESENCE_BYTES(count);
    time_ns = time_of(time_ns);
    sl_row_log *log = active_log(w);
    uint8_t *p = reserve(w, log, bytes + 8);
    if (!p) SL_TRY(reserve_slowly(w, &log, &p, bytes + 8, present_count, step, time_ns));
    sl_store64(p + 16, (uint64_t)step);
    sl_store64(p + 24, (uint64_t)time_ns);
    uint8_t *at = p + 32 + 8 * words;
    for (uint32_t i = 0; i < words; i++) {
        uint64_t bits = present[i];
        if (i + 1 == words && count % 64) bits &= ((uint64_t)1 << (count % 64)) - 1;
        sl_store64(p + 32 + 8 * i, bits);
        for (; bits; bits &= bits - 1, at += 8)
            sl_store64(at, sl_bits_of(values[64 * i + (uint32_t)__builtin_ctzll(bits)]));
    }
    w->has_base = 0;
    steplog_status status = commit(w, log, p, bytes,
                                   sl_record_head(bytes, SL_RECORD_ROW, SL_ROW_HAS_PRESENCE, schema.index));
    if (status < 0) return commit_failed(w, status, present_count, step, time_ns);
    w->row_count++;
    return STEPLOG_OK;
}

steplog_status steplog_writer_append_rows(steplog_writer *w, steplog_schema schema, size_t row_count,
                                          const int64_t *steps, const int64_t *times_ns, const double *values)
{
    if (!w) return STEPLOG_MISUSE;
    if (row_count == 0) return STEPLOG_OK;
    if (schema.index >= w->table.schemas.count || !values || !steps)
        return sl_writer_fail(w, STEPLOG_MISUSE, "schema %u is not of this writer, or an array is NULL",
                              (unsigned)schema.index);
    uint32_t count = w->table.schemas.items[schema.index].count;
    int64_t now = times_ns ? 0 : sl_os->wall_time_ns();
    for (size_t i = 0; i < row_count; i++)
        SL_TRY(append_row(w, schema.index, count, steps[i], times_ns ? time_of(times_ns[i]) : now, values + i * count));
    return STEPLOG_OK;
}

steplog_status steplog_writer_point(steplog_writer *w, steplog_metric metric, int64_t step, int64_t time_ns,
                                    double value)
{
    if (!w) return STEPLOG_MISUSE;
    if (metric.index >= w->table.metrics.count)
        return sl_writer_fail(w, STEPLOG_MISUSE, "metric %u is not of this writer", (unsigned)metric.index);
    sl_row_log *log = active_log(w);
    uint8_t *p = reserve(w, log, 48);
    if (__builtin_expect(!p, 0))
        SL_TRY(reserve_slowly(w, &log, &p, 48, 1, step, time_ns == STEPLOG_TIME_NOW ? STEPLOG_TIME_NONE : time_ns));
    uint32_t bytes;
    uint64_t head;
    int is_same_step = w->has_base && w->base_step == step;
    if (is_same_step && (time_ns == w->base_asked_ns || time_ns == w->base_time_ns)) {
        bytes = 24;
        head = sl_record_head(bytes, SL_RECORD_CONTINUATION, 0, metric.index);
        sl_store64(p + 16, sl_bits_of(value));
    } else if (is_same_step && time_ns != STEPLOG_TIME_NOW) {
        bytes = 32;
        head = sl_record_head(bytes, SL_RECORD_CONTINUATION, SL_CONTINUATION_HAS_TIME, metric.index);
        sl_store64(p + 16, (uint64_t)time_ns);
        sl_store64(p + 24, sl_bits_of(value));
    } else {
        bytes = 40;
        head = sl_record_head(bytes, SL_RECORD_POINT, 0, metric.index);
        w->base_step = step;
        w->base_asked_ns = time_ns;
        w->base_time_ns = time_of(time_ns);
        sl_store64(p + 16, (uint64_t)step);
        sl_store64(p + 24, (uint64_t)w->base_time_ns);
        sl_store64(p + 32, sl_bits_of(value));
        w->has_base = 0; /* until it is committed */
    }
    steplog_status status = commit(w, log, p, bytes, head);
    if (__builtin_expect(status < 0, 0))
        return commit_failed(w, status, 1, step, time_ns == STEPLOG_TIME_NOW ? STEPLOG_TIME_NONE : time_ns);
    w->has_base = 1;
    w->row_count++;
    return STEPLOG_OK;
}

/* ---- by name ---- */

static uint64_t hash_names(const steplog_named *named, size_t count)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++) hash = sl_scramble(hash + sl_hash(named[i].name, strlen(named[i].name)));
    return hash;
}

static int is_same_names(const sl_names_list *list, const steplog_named *named, size_t count)
{
    const char *at = list->names;
    if (list->count != count) return 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(at, named[i].name) != 0) return 0;
        at += strlen(at) + 1;
    }
    return 1;
}

static steplog_status remember_names(steplog_writer *w, const steplog_named *named, size_t count, uint64_t hash,
                                     steplog_schema *out)
{
    SL_TRY(sl_writer_check_names(w, named, count, &w->error)); /* before any of them is recorded */
    steplog_metric *metrics = sl_alloc(count * sizeof *metrics);
    steplog_status status = STEPLOG_OK;
    sl_buffer names = {0};
    if (!metrics) return sl_writer_fail(w, STEPLOG_NOMEM, "no memory for a schema");
    for (size_t i = 0; i < count && status >= 0; i++) {
        status = steplog_writer_metric(w, named[i].name, strlen(named[i].name), &metrics[i], &w->error);
        sl_buffer_put(&names, named[i].name, strlen(named[i].name) + 1);
    }
    if (status >= 0) status = steplog_writer_schema(w, metrics, count, out, &w->error);
    if (status >= 0) {
        sl_names_list list = {*out, (uint32_t)count, (char *)names.data, names.bytes};
        if (names.is_out_of_memory || !sl_hash_map_reserve(&w->names_seen) ||
            !SL_VEC_PUSH(&w->names_lists, list) ||
            !sl_hash_map_add(&w->names_seen, hash, (uint32_t)w->names_lists.count - 1))
            status = sl_writer_fail(w, STEPLOG_NOMEM, "no memory for a schema");
        else
            names.data = NULL;
    }
    sl_free(names.data);
    sl_free(metrics);
    return status;
}

steplog_status steplog_writer_log(steplog_writer *w, int64_t step, const steplog_named *named, size_t count)
{
    double values[STEPLOG_ROW_METRICS_MAX];
    steplog_schema schema = {0};
    size_t probe = 0;
    uint32_t index;
    int is_known = 0;
    if (!w) return STEPLOG_MISUSE;
    if (count == 0 || count > STEPLOG_ROW_METRICS_MAX)
        return sl_writer_fail(w, STEPLOG_MISUSE, "%zu names in a row: expected 1 to %u", count,
                              STEPLOG_ROW_METRICS_MAX);
    if (!named) return sl_writer_fail(w, STEPLOG_MISUSE, "steplog_writer_log: named is NULL");
    for (size_t i = 0; i < count; i++)
        if (!named[i].name)
            return sl_writer_fail(w, STEPLOG_MISUSE, "steplog_writer_log: name %zu of %zu is NULL", i, count);
    uint64_t hash = hash_names(named, count);
    while (!is_known && sl_hash_map_find(&w->names_seen, hash, &probe, &index)) {
        is_known = is_same_names(&w->names_lists.items[index], named, count);
        if (is_known) schema = w->names_lists.items[index].schema;
    }
    steplog_status status = is_known ? STEPLOG_OK : remember_names(w, named, count, hash, &schema);
    if (status == STEPLOG_FULL) return sl_writer_refuse(w, count, step, sl_os->wall_time_ns()); /* names are no points */
    if (status < 0) return status;
    for (size_t i = 0; i < count; i++) values[i] = named[i].value;
    return append_row(w, schema.index, (uint32_t)count, step, sl_os->wall_time_ns(), values);
}
