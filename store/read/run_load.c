/* read/run_load.c: everything about one run that is not points: who wrote it, which file each record is read from,
 * its history, its blobs.
 *
 * Coverage: coverage.c says which file each record is read from. The prefix rule: what a writer committed after a hole
 * that no durable mark covers is not shown. Nor is what came behind a hole while files were listed: holes.c. */
#include "read/reader.h"

#include "base/error.h"
#include "format/checksum.h"

#include <stdio.h>
#include <stdlib.h>

static steplog_status no_memory(steplog_error *err)
{
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read a run");
}

void sl_incarnation_clear(sl_incarnation *i)
{
    sl_buffer_free(&i->description_bytes);
    sl_free(i->labels);
    sl_free(i->label_text);
    sl_free(i->host);
    sl_free(i->step_axis);
    SL_VEC_FREE(&i->covered);
    SL_VEC_FREE(&i->dropped);
    i->labels = NULL;
    i->label_text = i->host = i->step_axis = NULL;
}

void sl_run_clear(steplog_reader *r, sl_run *run)
{
    for (size_t i = 0; i < run->events.count; i++) sl_event_clear(r, &run->events.items[i]);
    for (size_t i = 0; i < run->blobs.count; i++) sl_free(run->blobs.items[i].name);
    SL_VEC_FREE(&run->events);
    SL_VEC_FREE(&run->blobs);
    SL_VEC_FREE(&run->tombstones);
    SL_VEC_FREE(&run->writers);
    run->is_loaded = 0;
}

/* ---- who ---- */

static int copy_labels(sl_incarnation *i)
{
    const sl_writer_description *d = &i->description;
    if (d->label_count == 0) return 1;
    i->labels = sl_alloc(d->label_count * sizeof *i->labels);
    i->label_text = sl_alloc(d->labels_bytes + 2 * (size_t)d->label_count);
    if (!i->labels || !i->label_text) return 0;
    sl_span span = sl_span_of(d->labels, d->labels_bytes);
    char *to = i->label_text;
    for (uint32_t n = 0; n < d->label_count; n++) {
        const char *key, *value;
        uint32_t key_bytes, value_bytes;
        sl_label_next(&span, &key, &key_bytes, &value, &value_bytes);
        i->labels[n] = (steplog_pair){to, to + key_bytes + 1};
        memcpy(to, key, key_bytes);
        to[key_bytes] = 0;
        memcpy(to + key_bytes + 1, value, value_bytes);
        to[key_bytes + 1 + value_bytes] = 0;
        to += key_bytes + value_bytes + 2;
    }
    return 1;
}

static steplog_status load_description(sl_incarnation *i, steplog_error *err)
{
    for (size_t s = 0; s < i->sources.count && !i->has_description; s++) {
        sl_source *source = &i->sources.items[s];
        steplog_status status = STEPLOG_OK;
        if (source->segment) {
            status = sl_segment_writer_description(source->segment, source->writer, &i->description_bytes,
                                                   &i->description);
        } else if (source->log->dictionary.has_writer) {
            sl_buffer_clear(&i->description_bytes);
            sl_buffer_put(&i->description_bytes, source->log->dictionary.writer_bytes.data,
                          source->log->dictionary.writer_bytes.bytes);
            if (i->description_bytes.is_out_of_memory) return no_memory(err);
            if (!sl_writer_description_decode(i->description_bytes.data, i->description_bytes.bytes, &i->description))
                continue;
        } else {
            continue;
        }
        if (status == STEPLOG_NOMEM) return no_memory(err);
        i->has_description = status >= 0;
    }
    if (!i->has_description) {
        i->key_hash = sl_key_hash(i->rank, NULL, 0);
        return STEPLOG_OK;
    }
    i->flags = i->description.flags;
    i->start_time_ns = i->description.start_time_ns;
    i->host = sl_copy_bytes(i->description.host, i->description.host_bytes);
    i->step_axis = sl_copy_bytes(i->description.step_axis, i->description.step_axis_bytes);
    if (!i->host || !i->step_axis || !copy_labels(i)) return no_memory(err);
    i->key_hash = sl_key_hash(i->rank, i->labels, i->description.label_count);
    return STEPLOG_OK;
}

/* ---- which file ---- */

static void widen(sl_incarnation *i, int64_t step_min, int64_t step_max, int64_t time_min_ns, int64_t time_max_ns)
{
    if (step_min < i->step_min) i->step_min = step_min;
    if (step_max > i->step_max) i->step_max = step_max;
    if (time_min_ns != STEPLOG_TIME_NONE && (i->time_min_ns == STEPLOG_TIME_NONE || time_min_ns < i->time_min_ns))
        i->time_min_ns = time_min_ns;
    if (time_max_ns != STEPLOG_TIME_NONE && (i->time_max_ns == STEPLOG_TIME_NONE || time_max_ns > i->time_max_ns))
        i->time_max_ns = time_max_ns;
}

/* A part of count; something of something: a writer of no rows would not be read. */
static uint64_t share_of(uint64_t count, uint64_t assigned, uint64_t held)
{
    uint64_t share = (uint64_t)((double)count * (double)assigned / (double)held);
    return share || !count ? share : 1;
}

/* Counts what a source contributes. Where only a part of it counts, rows and points are in proportion. */
static void count_source(sl_incarnation *i, const sl_source *source, uint64_t held)
{
    uint64_t rows = 0, points = 0, assigned = sl_ranges_count(&source->assigned);
    if (held == 0 || assigned == 0) return;
    if (source->segment) {
        const sl_writer_entry *w = &source->segment->writers.items[source->writer];
        for (uint32_t g = 0; g < w->group_count; g++) {
            const sl_group_entry *group = &source->segment->groups.items[w->group_first + g];
            rows += group->row_count;
            points += group->value_count;
            widen(i, group->step_min, group->step_max, group->time_min_ns, group->time_max_ns);
        }
    } else {
        rows = source->log->row_count;
        points = source->log->point_count;
        if (rows)
            widen(i, source->log->step_min, source->log->step_max, source->log->time_min_ns, source->log->time_max_ns);
    }
    if (assigned < held) {
        rows = share_of(rows, assigned, held);
        points = share_of(points, assigned, held);
    }
    i->row_count += rows;
    i->point_count += points;
}

/* Numbers that a failed sync lost, and the writer said so: no hole, whether a mark covers them or not. */
static int add_declared_lost(const sl_incarnation *i, sl_ranges *out)
{
    for (size_t s = 0; s < i->sources.count; s++) {
        const sl_log *log = i->sources.items[s].log;
        for (size_t n = 0; log && n < log->texts.count; n++) {
            const sl_fact *fact = &log->texts.items[n].fact;
            if (log->texts.items[n].record_kind != SL_RECORD_FACT || fact->kind != STEPLOG_EVENT_GAP ||
                !fact->has_target || fact->number <= 0 || !sl_id_equal(&fact->target, &i->id))
                continue;
            uint64_t end = fact->target_sequence + (uint64_t)fact->number;
            if (end > fact->target_sequence && !sl_ranges_add(out, fact->target_sequence, end)) return 0;
        }
    }
    return 1;
}

/* The first number that is missing and not durable: where the prefix ends. 0 when there is no memory: it is above
 * durable, which is not the largest number there is. */
static uint64_t prefix_end(const sl_incarnation *i, uint64_t durable)
{
    uint64_t missing = sl_ranges_first_missing(&i->covered, durable + 1);
    if (!i->covered.count || missing >= i->covered.items[i->covered.count - 1].end) return missing;
    sl_ranges known = {0};
    int is_good = sl_ranges_add_all(&known, &i->covered) && add_declared_lost(i, &known);
    if (is_good) missing = sl_ranges_first_missing(&known, durable + 1);
    SL_VEC_FREE(&known);
    return is_good ? missing : 0;
}

/* Takes away again what an incarnation has from number on. */
static int hide_from(sl_incarnation *i, uint64_t number)
{
    sl_ranges hidden = {0};
    int is_good = sl_ranges_add(&hidden, number, UINT64_MAX) && sl_ranges_subtract(&i->covered, &hidden);
    for (size_t s = 0; s < i->sources.count && is_good; s++)
        is_good = sl_ranges_subtract(&i->sources.items[s].assigned, &hidden);
    SL_VEC_FREE(&hidden);
    return is_good;
}

/* Everything after a hole that no durable mark covers is taken away again. */
static int apply_prefix_rule(sl_incarnation *i)
{
    uint64_t durable = 0, last = i->covered.count ? i->covered.items[i->covered.count - 1].end : 0;
    for (size_t s = 0; s < i->sources.count; s++) {
        const sl_source *source = &i->sources.items[s];
        if (source->log) {
            if (source->log->mark.sequence > durable) durable = source->log->mark.sequence;
            if (source->log->is_same_boot && source->log->held.count &&
                source->log->held.items[source->log->held.count - 1].end - 1 > durable)
                durable = source->log->held.items[source->log->held.count - 1].end -
                          1; /* no power cut can be the reason */
            continue;
        }
        const sl_writer_entry *w = &source->segment->writers.items[source->writer];
        for (uint32_t n = 0; n < w->range_count; n++) {
            uint64_t end = source->segment->ranges.items[w->range_first + n].sequence_end;
            if (end - 1 > durable) durable = end - 1;
        }
    }
    i->durable_sequence = durable;
    if (durable == UINT64_MAX) return 1; /* no number is above it: so some mark says */
    uint64_t missing = prefix_end(i, durable);
    if (missing == 0) return 0;
    if (missing >= last) return 1;
    uint64_t before = sl_ranges_count(&i->covered);
    if (!hide_from(i, missing)) return 0;
    i->salvageable_count += before - sl_ranges_count(&i->covered);
    return 1;
}

int sl_incarnation_logged(const sl_incarnation *i, sl_ranges *out)
{
    sl_ranges logged = {0}, hidden = {0};
    int is_good = 1;
    for (size_t s = 0; s < i->sources.count && is_good; s++)
        if (i->sources.items[s].log) is_good = sl_ranges_add_all(&logged, &i->sources.items[s].log->held);
    is_good = is_good && sl_ranges_copy(&hidden, &logged) && sl_ranges_subtract(&hidden, &i->covered) &&
              sl_ranges_subtract(&logged, &hidden) && sl_ranges_add_all(out, &logged);
    SL_VEC_FREE(&logged);
    SL_VEC_FREE(&hidden);
    return is_good;
}

uint64_t sl_incarnation_uncut(const sl_incarnation *i)
{
    uint64_t last = i->covered.count ? i->covered.items[i->covered.count - 1].end - 1 : 0;
    return last > i->durable_sequence ? last : i->durable_sequence;
}

static steplog_status load_coverage(sl_incarnation *i, steplog_error *err)
{
    i->step_min = INT64_MAX;
    i->step_max = INT64_MIN;
    i->time_min_ns = i->time_max_ns = STEPLOG_TIME_NONE;
    i->row_count = i->point_count = i->unsealed_bytes = i->salvageable_count = 0;
    i->liveness = STEPLOG_LIVENESS_DEAD;
    int has_unknown_lock = 0, is_alive = 0;
    for (size_t s = 0; s < i->sources.count; s++) {
        sl_log *log = i->sources.items[s].log;
        if (!log) continue;
        SL_TRY(sl_log_advance(log, err));
        i->unsealed_bytes += log->walk.offset < log->header.capacity_bytes ? log->walk.offset
                                                                           : log->header.capacity_bytes;
        i->salvageable_count += log->salvageable_count;
        if (log->lock == SL_OS_LOCK_HELD) is_alive = 1;
        if (log->lock == SL_OS_LOCK_UNKNOWN) has_unknown_lock = 1;
    }
    SL_TRY(sl_incarnation_assign(i, err));
    if (!apply_prefix_rule(i) || (i->listed_end && !hide_from(i, i->listed_end))) return no_memory(err);
    for (size_t s = 0; s < i->sources.count; s++) {
        sl_source *source = &i->sources.items[s];
        sl_ranges held = {0};
        /* Parts of a text that is not complete are no rows that could be read from elsewhere. */
        if (source->segment ? !sl_segment_ranges(source->segment, source->writer, &held, NULL)
                            : !sl_ranges_copy(&held, &source->log->held) ||
                                  !sl_ranges_subtract(&held, &source->log->parts)) {
            SL_VEC_FREE(&held);
            return no_memory(err);
        }
        count_source(i, source, sl_ranges_count(&held));
        SL_VEC_FREE(&held);
    }
    if (is_alive)
        i->liveness = STEPLOG_LIVENESS_ALIVE;
    else if (has_unknown_lock)
        i->liveness = STEPLOG_LIVENESS_UNKNOWN;
    return load_description(i, err);
}

/* ---- history ---- */

static int push_event(steplog_reader *r, sl_run *run, sl_event *event, const sl_fact *fact)
{
    if (!sl_event_init(r, event, fact)) return 0;
    if (SL_VEC_PUSH(&run->events, *event)) return 1;
    sl_event_clear(r, event);
    return 0;
}

static int push_blob(sl_run *run, sl_blob_place *place, const uint8_t *content, uint32_t bytes)
{
    sl_blob *blob = &place->blob;
    if (!sl_blob_decode(content, bytes, blob, NULL)) return 1;
    place->name = sl_alloc((size_t)blob->name_bytes + blob->content_type_bytes + 2);
    if (!place->name) return 0;
    place->content_type = place->name + blob->name_bytes + 1;
    memcpy(place->name, blob->name, blob->name_bytes);
    memcpy(place->content_type, blob->content_type, blob->content_type_bytes);
    place->name[blob->name_bytes] = place->content_type[blob->content_type_bytes] = 0;
    blob->name = blob->content_type = NULL;
    if (SL_VEC_PUSH(&run->blobs, *place)) return 1;
    sl_free(place->name);
    return 0;
}

static int push_segment_fact(steplog_reader *r, sl_run *run, sl_event *event, const uint8_t *content)
{
    sl_fact fact;
    return !sl_fact_decode(content, event->bytes, &fact) /* of a later version */ ||
           push_event(r, run, event, &fact);
}

static steplog_status load_segment_records(steplog_reader *r, sl_run *run, uint32_t index, sl_source *source,
                                           steplog_error *err)
{
    sl_segment *segment = source->segment;
    const sl_writer_entry *w = &segment->writers.items[source->writer];
    size_t fact_count = 0;
    for (uint32_t n = 0; n < w->record_count; n++)
        fact_count += segment->records.items[w->record_first + n].type == SL_ENTRY_FACT;
    if (source->assigned.count && fact_count && !SL_VEC_RESERVE(&run->events, run->events.count + fact_count))
        return no_memory(err);
    for (uint32_t n = 0; n < w->record_count; n++) {
        const sl_record_entry *entry = &segment->records.items[w->record_first + n];
        sl_record_prefix prefix;
        const uint8_t *content;
        if (!sl_ranges_has(&source->assigned, entry->sequence)) continue;
        steplog_status status = sl_segment_record(segment, entry, &prefix, &content, err);
        if (status == STEPLOG_CORRUPT) continue; /* reported */
        if (status < 0) return status;
        sl_event event = {.incarnation = index,
                          .sequence = entry->sequence,
                          .segment = segment,
                          .page_offset = entry->page_offset,
                          .content_offset = entry->content_offset,
                          .bytes = entry->bytes};
        sl_blob_place place = {
            .incarnation = index, .sequence = entry->sequence, .segment = segment, .data_offset = prefix.data_offset};
        if (entry->type == SL_ENTRY_FACT ? !push_segment_fact(r, run, &event, content)
                                         : !push_blob(run, &place, content, entry->bytes))
            return no_memory(err);
    }
    return STEPLOG_OK;
}

/* A gap that is still open tells in the header of its log how much was refused. */
static void complete_gap(sl_fact *fact, const sl_log *log)
{
    fact->number = 0;
    sl_fact_close_gap(fact, &log->gap);
}

typedef struct open_gap {
    uint64_t sequence;
    const sl_log *log;
} open_gap;

static int compare_open_gaps(const void *a, const void *b)
{
    const open_gap *x = a, *y = b;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

/* Of an open gap that was sealed or brought elsewhere meanwhile, what its log has counted since. 1, or 0 when out of
 * memory. */
static int complete_sealed_gaps(sl_run *run, sl_incarnation *i, size_t event_first)
{
    SL_VEC(open_gap) gaps = {0};
    int is_good = 1;
    for (size_t s = 0; s < i->sources.count && is_good; s++) {
        const sl_log *log = i->sources.items[s].log;
        size_t n = log && log->gap.counter ? log->texts.count : 0;
        while (n > 0 && (log->texts.items[n - 1].record_kind != SL_RECORD_FACT ||
                         log->texts.items[n - 1].fact.kind != STEPLOG_EVENT_GAP || log->texts.items[n - 1].fact.number))
            n--;
        if (n > 0) is_good = SL_VEC_PUSH(&gaps, (open_gap){log->texts.items[n - 1].sequence, log});
    }
    if (gaps.count) qsort(gaps.items, gaps.count, sizeof *gaps.items, compare_open_gaps);
    for (size_t n = event_first; n < run->events.count && gaps.count && is_good; n++) {
        sl_event *event = &run->events.items[n];
        const open_gap wanted = {.sequence = event->sequence};
        const open_gap *gap = event->segment && event->fact.kind == STEPLOG_EVENT_GAP
                                  ? bsearch(&wanted, gaps.items, gaps.count, sizeof wanted, compare_open_gaps)
                                  : NULL;
        if (!gap || (uint64_t)event->fact.number >= gap->log->gap.refused_count) continue;
        complete_gap(&event->fact, gap->log);
        i->has_gap_in_log = 1;
    }
    SL_VEC_FREE(&gaps);
    return is_good;
}

static steplog_status load_log_records(steplog_reader *r, sl_run *run, uint32_t index, sl_source *source,
                                       steplog_error *err)
{
    sl_log *log = source->log;
    for (size_t n = 0; n < log->texts.count; n++) {
        const sl_log_text *text = &log->texts.items[n];
        if (!sl_ranges_has(&source->assigned, text->sequence)) continue;
        sl_event event = {.incarnation = index, .sequence = text->sequence, .log = log, .page_offset = n};
        sl_blob_place place = {.incarnation = index, .sequence = text->sequence, .log = log, .text = n};
        if (text->record_kind == SL_RECORD_FACT ? !push_event(r, run, &event, &text->fact)
                                                : !push_blob(run, &place, text->content, text->bytes))
            return no_memory(err);
        if (text->record_kind == SL_RECORD_FACT && text->fact.number == 0)
            complete_gap(&run->events.items[run->events.count - 1].fact, log);
    }
    return STEPLOG_OK;
}

/* Sorting needs the incarnations' ids, which are behind an index. */
static _Thread_local const steplog_reader *sorting_reader;

static int compare_places(uint32_t a, uint64_t a_sequence, uint32_t b, uint64_t b_sequence)
{
    int order = memcmp(sorting_reader->incarnations.items[a].id.bytes, sorting_reader->incarnations.items[b].id.bytes,
                       16);
    if (order) return order;
    return a_sequence < b_sequence ? -1 : a_sequence > b_sequence;
}

static int compare_events(const void *a, const void *b)
{
    const sl_event *x = a, *y = b;
    if (x->fact.lamport != y->fact.lamport) return x->fact.lamport < y->fact.lamport ? -1 : 1;
    return compare_places(x->incarnation, x->sequence, y->incarnation, y->sequence);
}

static int compare_blobs(const void *a, const void *b)
{
    const sl_blob_place *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    if (order) return order;
    if (x->blob.step != y->blob.step) return x->blob.step < y->blob.step ? -1 : 1;
    uint32_t x_attempt = sorting_reader->incarnations.items[x->incarnation].attempt;
    uint32_t y_attempt = sorting_reader->incarnations.items[y->incarnation].attempt;
    if (x_attempt != y_attempt) return x_attempt < y_attempt ? -1 : 1;
    return compare_places(x->incarnation, x->sequence, y->incarnation, y->sequence);
}

/* What an UNDO takes back. */
typedef struct undone_place {
    steplog_id incarnation;
    uint64_t sequence;
} undone_place;

static int compare_undone(const void *a, const void *b)
{
    const undone_place *x = a, *y = b;
    int order = memcmp(x->incarnation.bytes, y->incarnation.bytes, 16);
    if (order) return order;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

/* Marks what an UNDO names. 1, or 0 when out of memory. */
static int mark_undone(steplog_reader *r, sl_run *run)
{
    SL_VEC(undone_place) undone = {0};
    int is_good = 1;
    for (size_t i = 0; i < run->events.count && is_good; i++) {
        const sl_fact *undo = &run->events.items[i].fact;
        if (undo->kind == STEPLOG_EVENT_UNDO && undo->has_target)
            is_good = SL_VEC_PUSH(&undone, (undone_place){undo->target, undo->target_sequence});
    }
    if (undone.count) qsort(undone.items, undone.count, sizeof *undone.items, compare_undone);
    for (size_t i = 0; i < run->events.count && is_good && undone.count; i++) {
        sl_event *event = &run->events.items[i];
        undone_place place = {r->incarnations.items[event->incarnation].id, event->sequence};
        if (event->fact.kind != STEPLOG_EVENT_UNDO)
            event->is_undone = bsearch(&place, undone.items, undone.count, sizeof place, compare_undone) != NULL;
    }
    SL_VEC_FREE(&undone);
    return is_good;
}

static int is_kept_for_ever(const sl_event *event)
{
    return event->fact.kind == STEPLOG_EVENT_TOMBSTONE || event->fact.kind == STEPLOG_EVENT_UNDO;
}

/* 1 for the first SET of its key that is asked about: facts come from the latest on. -1: out of memory. */
static int is_latest(const sl_run *run, uint32_t index, sl_hash_map *seen)
{
    const sl_event *event = &run->events.items[index];
    size_t probe = 0;
    uint32_t known;
    while (sl_hash_map_find(seen, event->key_hash, &probe, &known))
        if (sl_event_is_of_key(event, &run->events.items[known])) return 0;
    return sl_hash_map_add(seen, event->key_hash, index) ? 1 : -1;
}

static int is_key(const sl_event *event, const char *key) { return event->key && strcmp(event->key, key) == 0; }

/* Drops what whole tombstones cover, then finds out which facts hold. 1, or 0 when out of memory. */
static int settle_history(steplog_reader *r, sl_run *run)
{
    size_t kept = 0;
    for (size_t i = 0; i < run->events.count; i++) {
        sl_event *event = &run->events.items[i];
        if (is_kept_for_ever(event) ||
            !sl_run_is_removed(run, &r->incarnations.items[event->incarnation].id, event->sequence)) {
            run->events.items[kept++] = *event;
            continue;
        }
        sl_event_clear(r, event);
    }
    run->events.count = kept;
    kept = 0;
    for (size_t i = 0; i < run->blobs.count; i++) {
        sl_blob_place *blob = &run->blobs.items[i];
        if (!sl_run_is_removed(run, &r->incarnations.items[blob->incarnation].id, blob->sequence)) {
            run->blobs.items[kept++] = *blob;
            continue;
        }
        sl_free(blob->name);
    }
    run->blobs.count = kept;
    sl_hash_map latest = {0};
    int result = 1;
    for (size_t i = run->events.count; i-- > 0 && result >= 0;) { /* from the latest on */
        sl_event *event = &run->events.items[i];
        event->is_in_force = !event->is_undone;
        if (event->fact.kind != STEPLOG_EVENT_SET) continue;
        result = is_latest(run, (uint32_t)i, &latest);
        if (result == 0) event->is_in_force = 0;
        if (result != 1) continue;
        if (is_key(event, "name")) run->name = event;
        if (is_key(event, "project")) run->project = event;
    }
    sl_hash_map_free(&latest);
    return result >= 0;
}

static void read_ends_and_fork(steplog_reader *r, sl_run *run)
{
    for (size_t i = 0; i < run->events.count; i++) {
        const sl_event *event = &run->events.items[i];
        sl_incarnation *writer = &r->incarnations.items[event->incarnation];
        if (event->fact.kind == STEPLOG_EVENT_END) {
            writer->has_end = 1;
            writer->exit_code = (int)event->fact.number;
            if (writer->liveness != STEPLOG_LIVENESS_ALIVE) writer->liveness = STEPLOG_LIVENESS_ENDED;
        }
        if (event->fact.kind == STEPLOG_EVENT_FORK && !event->is_undone) {
            run->has_parent = 1;
            run->parent = event->fact.target;
            run->parent_attempt = event->fact.parent_attempt;
            run->parent_step = event->fact.step_end;
            run->parent_lamport = (uint64_t)event->fact.number;
        }
        if (event->fact.kind == STEPLOG_EVENT_GAP && is_key(event, "refused"))
            writer->refused_count += (uint64_t)event->fact.number;
    }
}

/* 1, or 0 when out of memory. */
static int settle_windows(steplog_reader *r, sl_run *run, sl_window *windows)
{
    run->attempt = sl_run_highest_attempt(r, run, &run->attempt_count);
    if (run->attempt_count == UINT32_MAX || !sl_run_windows(r, run, UINT32_MAX, UINT64_MAX, windows)) return 0;
    int has_anything = run->blobs.count > 0;
    for (size_t n = 0; n < run->incarnations.count; n++) {
        sl_incarnation *i = &r->incarnations.items[run->incarnations.items[n]];
        i->is_visible = windows[n].is_visible;
        i->visible_is_bounded = windows[n].has_end;
        i->visible_end = windows[n].step_end;
        uint64_t last = i->covered.count ? i->covered.items[i->covered.count - 1].end - 1 : 0;
        if (!(i->flags & SL_WRITER_IS_FACTS_ONLY) && last > 0 && !sl_run_is_removed(run, &i->id, last))
            has_anything = 1;
        if (i->liveness == STEPLOG_LIVENESS_ALIVE && !(i->flags & SL_WRITER_IS_FACTS_ONLY)) has_anything = 1;
    }
    /* What is left of a removed run are the records that say so. */
    for (size_t n = 0; n < run->events.count && !has_anything; n++)
        has_anything = !is_kept_for_ever(&run->events.items[n]) && run->events.items[n].fact.kind != STEPLOG_EVENT_END;
    run->is_hidden = !has_anything;
    return 1;
}

steplog_status sl_run_load(steplog_reader *r, sl_run *run, steplog_error *err)
{
    if (run->is_loaded) return STEPLOG_OK;
    sl_run_clear(r, run);
    run->name = run->project = NULL;
    for (size_t n = 0; n < run->incarnations.count; n++) {
        uint32_t index = run->incarnations.items[n];
        sl_incarnation *i = &r->incarnations.items[index];
        sl_incarnation_clear(i);
        i->has_description = i->has_end = i->has_gap_in_log = 0;
        i->refused_count = 0;
        const size_t event_first = run->events.count;
        SL_TRY(load_coverage(i, err));
        for (size_t s = 0; s < i->sources.count; s++) {
            sl_source *source = &i->sources.items[s];
            SL_TRY(source->segment ? load_segment_records(r, run, index, source, err)
                                   : load_log_records(r, run, index, source, err));
        }
        if (!complete_sealed_gaps(run, i, event_first)) return no_memory(err);
    }
    sl_window *windows = sl_alloc_zero(run->incarnations.count, sizeof *windows);
    if (!windows) return no_memory(err);
    sorting_reader = r;
    if (run->events.count) qsort(run->events.items, run->events.count, sizeof *run->events.items, compare_events);
    if (run->blobs.count) qsort(run->blobs.items, run->blobs.count, sizeof *run->blobs.items, compare_blobs);
    int is_good = sl_run_order_writers(r, run) && mark_undone(r, run) && sl_run_make_tombstones(run);
    is_good = is_good && settle_history(r, run);
    if (is_good) {
        read_ends_and_fork(r, run);
        run->is_loaded = is_good = settle_windows(r, run, windows);
    }
    sl_free(windows);
    return is_good ? STEPLOG_OK : no_memory(err);
}
