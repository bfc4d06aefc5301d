/* read/event.c: one record of a run's history.
 *
 * Its short texts are kept. A long one is read again from its file when it is asked for: hundreds of them, of a MiB
 * each, may stand in pages that LZ4 made short. What was asked for stays until the next refresh. */
#include "read/reader.h"

#include "base/error.h"
#include "format/checksum.h"

#define SHORT_BYTES 128u /* key and value together: no more than their record takes anyway */
#define MIDDLING_BYTES 4096u
#define MIDDLING_BYTES_MAX (4u << 20) /* of all runs of a reader together */

/* Texts end at a zero byte, as their caller sees them. */
static uint64_t hash_key(const char *key, uint32_t bytes) { return sl_hash(key, strnlen(key, bytes)); }

static int must_keep(steplog_reader *r, sl_event *event, const sl_fact *fact)
{
    uint32_t bytes = fact->key_bytes + fact->value_bytes;
    if (bytes <= SHORT_BYTES) return 1;
    if (bytes > MIDDLING_BYTES || r->kept_bytes + bytes > MIDDLING_BYTES_MAX) return 0;
    event->kept_bytes = bytes;
    r->kept_bytes += bytes;
    return 1;
}

static int copy_texts(sl_event *event, const sl_fact *fact)
{
    if (fact->key && !event->key && !(event->key = sl_copy_bytes(fact->key, fact->key_bytes))) return 0;
    return !fact->value || event->value || (event->value = sl_copy_bytes(fact->value, fact->value_bytes));
}

int sl_event_init(steplog_reader *r, sl_event *event, const sl_fact *fact)
{
    sl_fact kept = *fact;
    int is_at_hand = !fact->has_value || fact->value;
    if (!is_at_hand || !must_keep(r, event, fact)) {
        kept.value = NULL;
        /* What a tombstone covers must be known. */
        if (fact->key_bytes > SHORT_BYTES && fact->kind != STEPLOG_EVENT_TOMBSTONE) kept.key = NULL;
    }
    event->fact = *fact;
    event->fact.key = event->fact.value = NULL;
    event->key_hash = fact->has_key ? hash_key(fact->key, fact->key_bytes) : 0;
    if (copy_texts(event, &kept)) return 1;
    sl_event_clear(r, event);
    return 0;
}

void sl_event_clear(steplog_reader *r, sl_event *event)
{
    r->kept_bytes -= event->kept_bytes;
    sl_free(event->key);
    sl_free(event->value);
    event->key = event->value = NULL;
    event->kept_bytes = 0;
}

int sl_event_is_of_key(const sl_event *event, const sl_event *other)
{
    if (event->key && other->key) return strcmp(event->key, other->key) == 0;
    return event->key_hash == other->key_hash && event->fact.key_bytes == other->fact.key_bytes;
}

int sl_event_may_be_of_key(const sl_event *event, const char *key)
{
    return event->key ? strcmp(event->key, key) == 0 : event->key_hash == hash_key(key, (uint32_t)strlen(key));
}

const sl_event *sl_run_event(const steplog_reader *r, const sl_run *run, const steplog_id *incarnation, uint64_t sequence,
                             uint64_t lamport)
{
    size_t low = 0, high = run->events.count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const sl_event *event = &run->events.items[middle];
        int order = memcmp(r->incarnations.items[event->incarnation].id.bytes, incarnation->bytes, 16);
        if (!order) order = event->sequence < sequence ? -1 : event->sequence > sequence;
        if (event->fact.lamport != lamport) order = event->fact.lamport < lamport ? -1 : 1;
        if (!order) return event;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* A writer asks for each fact that it records. */
uint64_t sl_run_lamport_max(const steplog_reader *r, const sl_run *run)
{
    uint64_t most = 0;
    for (size_t n = 0; n < run->incarnations.count; n++) {
        const sl_incarnation *i = &r->incarnations.items[run->incarnations.items[n]];
        for (size_t s = 0; s < i->sources.count; s++) {
            const sl_log *log = i->sources.items[s].log;
            if (log && log->lamport_max > most) most = log->lamport_max;
        }
    }
    for (size_t n = 0; n < run->incarnations.count; n++) {
        const sl_incarnation *i = &r->incarnations.items[run->incarnations.items[n]];
        for (size_t s = 0; s < i->sources.count; s++) {
            const sl_segment *segment = i->sources.items[s].segment;
            if (!segment || (!segment->is_rebuilt && segment->trailer.lamport_max <= most)) continue;
            const sl_writer_entry *w = &segment->writers.items[i->sources.items[s].writer];
            for (uint32_t e = 0; e < w->record_count; e++) {
                const sl_record_entry *entry = &segment->records.items[w->record_first + e];
                if (entry->lamport > most) most = entry->lamport;
            }
        }
    }
    return most;
}

/* ---- loading ---- */

static int is_loaded(const sl_event *event)
{
    return (!event->fact.has_key || event->key) && (!event->fact.has_value || event->value);
}

static steplog_status load(const steplog_reader *r, sl_event *event, steplog_error *err)
{
    sl_record_prefix prefix;
    sl_record_entry place = {.type = SL_ENTRY_FACT,
                             .page_offset = event->page_offset,
                             .content_offset = event->content_offset,
                             .bytes = event->bytes,
                             .sequence = event->sequence};
    const sl_incarnation *i = &r->incarnations.items[event->incarnation];
    for (size_t s = 0; s < i->sources.count; s++)
        if (i->sources.items[s].segment == event->segment) place.writer = i->sources.items[s].writer;
    sl_buffer scratch = {0};
    const uint8_t *content = NULL;
    sl_fact fact;
    steplog_status status;
    size_t bytes = event->bytes;
    if (event->log) {
        status = sl_log_fact(event->log, &event->log->texts.items[event->page_offset], &scratch, err);
        content = scratch.data;
        bytes = scratch.bytes;
    } else {
        status = sl_segment_record(event->segment, &place, &prefix, &content, err);
    }
    if (status >= 0 && !sl_fact_decode(content, bytes, &fact))
        status = sl_fail(err, STEPLOG_CORRUPT, -1, "a fact can not be read again");
    if (status >= 0 && !copy_texts(event, &fact)) status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a fact");
    sl_buffer_free(&scratch);
    return status;
}

/* The same from where a snapshot of this moment finds it. */
static steplog_status load_moved(const steplog_reader *r, const sl_run *run, sl_event *event, steplog_error *err)
{
    const steplog_id *incarnation = &r->incarnations.items[event->incarnation].id;
    steplog_reader *now;
    SL_TRY(sl_reader_new(&r->context, &now, err));
    sl_run *again = sl_reader_run(now, &run->id);
    steplog_status status = again ? sl_run_load(now, again, err) : STEPLOG_MISSING;
    sl_event *found = NULL;
    for (size_t i = 0; status >= 0 && i < again->events.count && !found; i++) {
        sl_event *other = &again->events.items[i];
        if (other->sequence == event->sequence &&
            sl_id_equal(&now->incarnations.items[other->incarnation].id, incarnation))
            found = other;
    }
    if (status >= 0)
        status = found ? is_loaded(found) ? STEPLOG_OK : load(now, found, err)
                       : sl_fail(err, STEPLOG_MISSING, -1, "a fact was removed meanwhile");
    if (status >= 0 && !copy_texts(event, &(sl_fact){.key = found->key,
                                                     .key_bytes = event->fact.key_bytes,
                                                     .value = found->value,
                                                     .value_bytes = event->fact.value_bytes}))
        status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a fact");
    sl_reader_free(now);
    return status;
}

steplog_status sl_event_load(steplog_reader *r, const sl_run *run, sl_event *event, steplog_error *err)
{
    if (is_loaded(event)) return STEPLOG_OK;
    steplog_status status = load(r, event, err);
    /* Its log was sealed meanwhile, and perhaps the segment merged too. */
    for (int tries = 0; status == STEPLOG_MISSING && tries < 100; tries++) status = load_moved(r, run, event, err);
    return status;
}
