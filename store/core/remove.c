/* core/remove.c: rm and its undo: tombstones.
 *
 * A tombstone names an incarnation and the last record of it that it covers, so that what is logged later stays. It is
 * kept for ever; the bytes go at a compaction after the grace time. */
#include "steplog/maintain.h"

#include "base/age.h"
#include "base/error.h"
#include "base/kill_point.h"
#include "compact/removed.h"
#include "core/store.h"
#include "read/piece.h"

typedef struct removal {
    steplog_store *store;
    steplog_reader *reader;
    const steplog_remove_options *options;
    steplog_remove_result *result;
    SL_VEC(sl_fact) facts;
    SL_VEC(char *) names; /* that facts lend */
    uint64_t lamport;
    steplog_error *err;
} removal;

static steplog_status no_memory(steplog_error *err)
{
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to remove points");
}

static steplog_status add_tombstone(removal *r, const sl_incarnation *i, const char *name, uint32_t name_bytes)
{
    uint64_t last = i->covered.count ? i->covered.items[i->covered.count - 1].end - 1 : 0;
    int has_steps = r->options->has_begin || r->options->has_end;
    sl_fact fact = {.kind = STEPLOG_EVENT_TOMBSTONE,
                    .time_ns = sl_os->wall_time_ns(),
                    .lamport = r->lamport++,
                    .has_target = 1,
                    .target = i->id,
                    .target_sequence = last,
                    .has_key = name != NULL,
                    .key_bytes = name_bytes,
                    .has_steps = has_steps,
                    .step_begin = r->options->has_begin ? r->options->step_begin : INT64_MIN,
                    .step_end = r->options->has_end ? r->options->step_end : INT64_MAX};
    if (last == 0) return STEPLOG_OK;
    if (name) {
        char *copy = sl_copy_bytes(name, name_bytes);
        if (!copy || !SL_VEC_PUSH(&r->names, copy)) {
            sl_free(copy);
            return no_memory(r->err);
        }
        fact.key = copy;
    }
    return SL_VEC_PUSH(&r->facts, fact) ? STEPLOG_OK : no_memory(r->err);
}

/* Counts the points of series that the removal covers, and the series that have some. In a fork its parent's are none. */
static steplog_status count_points(removal *r, const steplog_series *series, size_t count)
{
    steplog_view view = {.size_bytes = sizeof view,
                         .flags = STEPLOG_VIEW_ALL_ATTEMPTS | STEPLOG_VIEW_ARRIVAL_ORDER,
                         .has_begin = r->options->has_begin,
                         .has_end = r->options->has_end && r->options->step_end < INT64_MAX,
                         .step_begin = r->options->step_begin,
                         .step_end = r->options->step_end};
    steplog_cursor *cursor = NULL;
    steplog_batch batch;
    uint64_t *counts = sl_alloc_zero(count, sizeof *counts);
    if (!counts) return no_memory(r->err);
    steplog_status status = steplog_cursor_open(r->reader, series, count, &view, &cursor, r->err);
    while (status >= 0 && (status = steplog_cursor_next(cursor, &batch, 0, r->err)) == STEPLOG_OK)
        for (size_t c = 0; c < batch.column_count; c++)
            for (size_t row = 0; row < batch.row_count; row++)
                counts[c] += batch.writers[row] != UINT32_MAX && (batch.present[c][row / 64] >> (row % 64) & 1);
    steplog_cursor_close(cursor);
    for (size_t c = 0; c < count; c++) {
        r->result->point_count += counts[c];
        r->result->series_count += counts[c] != 0;
    }
    sl_free(counts);
    return status < 0 ? status : STEPLOG_OK;
}

/* One tombstone for each metric in each incarnation that has it. */
static steplog_status remove_series(removal *r, sl_run *run, const steplog_series *list, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        const sl_series *series = &r->reader->series.items[list[n].index];
        for (size_t k = 0; k < run->incarnations.count; k++) {
            const sl_incarnation *i = &r->reader->incarnations.items[run->incarnations.items[k]];
            if (i->row_count && i->key_hash == series->key_hash)
                SL_TRY(add_tombstone(r, i, series->name, series->name_bytes));
        }
    }
    return STEPLOG_OK;
}

static steplog_status remove_all(removal *r, sl_run *run)
{
    int is_whole = !r->options->has_begin && !r->options->has_end;
    for (size_t k = 0; k < run->incarnations.count; k++) {
        const sl_incarnation *i = &r->reader->incarnations.items[run->incarnations.items[k]];
        if (is_whole && i->liveness == STEPLOG_LIVENESS_ALIVE && !(i->flags & SL_WRITER_IS_FACTS_ONLY))
            return sl_fail(r->err, STEPLOG_BUSY, -1,
                           "the run is being written: remove a step range or series of it, or wait for its end");
        if (is_whole || i->row_count) SL_TRY(add_tombstone(r, i, NULL, 0));
    }
    return STEPLOG_OK;
}

static steplog_status plan(removal *r)
{
    const steplog_remove_options *o = r->options;
    sl_selector selector;
    steplog_series *list = NULL;
    size_t count = 0;
    sl_run *run = sl_reader_run(r->reader, &o->run);
    if (!run) return sl_fail(r->err, STEPLOG_MISSING, -1, "no such run");
    SL_TRY(sl_run_load(r->reader, run, r->err));
    if (run->is_hidden) return sl_fail(r->err, STEPLOG_MISSING, -1, "no such run");
    for (size_t i = 0; i < run->events.count; i++)
        if (run->events.items[i].fact.lamport >= r->lamport) r->lamport = run->events.items[i].fact.lamport + 1;
    SL_TRY(sl_selector_parse(o->selector, &selector, r->err));
    steplog_status status = sl_reader_find(r->reader, &o->run, &selector, &list, &count, r->err);
    sl_selector_free(&selector);
    if (status >= 0 && count) status = count_points(r, list, count);
    /* The counting may have taken the snapshot again. */
    run = sl_reader_run(r->reader, &o->run);
    if (status >= 0 && run) status = sl_run_load(r->reader, run, r->err);
    if (status >= 0 && run) status = o->selector ? remove_series(r, run, list, count) : remove_all(r, run);
    sl_free(list);
    int is_part = o->selector || o->has_begin || o->has_end;
    if (status >= 0 && (r->facts.count == 0 || (is_part && r->result->point_count == 0)))
        status = sl_fail(r->err, STEPLOG_MISSING, -1, "the removal matches no point");
    return status;
}

steplog_status steplog_remove(steplog_store *s, const steplog_remove_options *options, steplog_remove_result *out,
                              steplog_error *err)
{
    if (!s || !options || options->size_bytes < sizeof *options || !out || out->size_bytes < sizeof *out)
        return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_remove: an argument is NULL or size_bytes is not set");
    if ((s->flags & STEPLOG_READ_ONLY) && !options->is_dry_run)
        return sl_fail(err, STEPLOG_MISUSE, -1, "store '%s' was opened read-only", s->path);
    *out = (steplog_remove_result){.size_bytes = out->size_bytes};
    removal r = {.store = s, .options = options, .result = out, .lamport = 1, .err = err};
    sl_read_context context = sl_store_read_context(s);
    SL_TRY(sl_reader_new(&context, &r.reader, err));
    steplog_status status = plan(&r);
    SL_KILL_POINT("remove.planned");
    out->tombstone_count = status >= 0 ? r.facts.count : 0;
    if (status >= 0 && !options->is_dry_run)
        status = sl_store_record(s, &options->run, 1, r.facts.items, r.facts.count, err);
    SL_KILL_POINT("remove.recorded");
    for (size_t i = 0; i < r.names.count; i++) sl_free(r.names.items[i]);
    SL_VEC_FREE(&r.names);
    SL_VEC_FREE(&r.facts);
    sl_reader_free(r.reader);
    return status;
}

/* 1 when a block has a row that a tombstone reaches, or can not be read. */
static int has_row(sl_segment *segment, const sl_group_entry *group, const sl_chunk_entry *entry, const sl_fact *t)
{
    int64_t steps[SL_CHUNK_ROWS_MAX], sequences[SL_CHUNK_ROWS_MAX];
    sl_chunk chunk = {0};
    int yes = entry->sequence_first <= t->target_sequence;
    if (t->has_steps && (entry->step_max < t->step_begin ||
                         (entry->step_min >= t->step_end && t->step_end < INT64_MAX)))
        yes = 0;
    if (yes && sl_segment_chunk(segment, entry->page_offset, entry, group, &chunk, NULL) >= 0 &&
        sl_segment_axis(segment, &chunk, SL_PART_STEPS, steps, NULL) >= 0 &&
        sl_segment_sequences(segment, &chunk, entry, sequences, NULL) >= 0) {
        yes = 0;
        for (uint32_t row = 0; row < chunk.head.row_count && !yes; row++)
            yes = (uint64_t)sequences[row] <= t->target_sequence &&
                  (!t->has_steps || sl_removal_has_step(t->step_begin, t->step_end, steps[row]));
    }
    sl_chunk_free(&chunk);
    return yes;
}

/* The same for a group. Of a removed metric any row counts that could have it. */
static int has_rows(sl_segment *segment, uint32_t index, const sl_event *tombstone)
{
    const sl_group_entry *group = &segment->groups.items[index];
    const sl_fact *t = &tombstone->fact;
    const sl_schema_names *names;
    sl_chunk_list chunks = {0};
    int yes = !t->has_key || sl_segment_names(segment, group->schema, &names, NULL) < 0;
    for (uint32_t n = 0; !yes && n < names->count; n++)
        yes = names->bytes[n] == t->key_bytes && tombstone->key &&
              memcmp(names->names[n], tombstone->key, t->key_bytes) == 0;
    if (!yes) return 0;
    yes = sl_segment_chunks(segment, index, &chunks, NULL) < 0;
    for (size_t n = 0; n < chunks.count && !yes; n++) yes = has_row(segment, group, &chunks.items[n], t);
    SL_VEC_FREE(&chunks);
    return yes;
}

/* 1 when a file has something that a tombstone of its incarnation reaches, as far as it can be read. */
static int has_left(const sl_source *source, const sl_event *tombstone)
{
    const sl_fact *t = &tombstone->fact;
    sl_segment *segment = source->segment;
    if (!segment) return source->log->held.count && source->log->held.items[0].begin <= t->target_sequence;
    const sl_writer_entry *w = &segment->writers.items[source->writer];
    int yes = 0;
    for (uint32_t n = 0; n < w->record_count && !yes && !t->has_key && !t->has_steps; n++) {
        const sl_record_entry *entry = &segment->records.items[w->record_first + n];
        yes = entry->sequence <= t->target_sequence && !sl_is_kept_for_ever(entry);
    }
    for (uint32_t g = 0; g < w->group_count && !yes; g++) yes = has_rows(segment, w->group_first + g, tombstone);
    return yes;
}

/* 1 when the bytes that a tombstone covers are known to be freed: numbers are listed as dropped, and nothing is left, so
 * that not only parts of a text that was not completed are why; and no earlier tombstone of that incarnation can be why,
 * as what is removed first is freed first. In doubt 0: to take back a removal of which nothing is left does no harm, to
 * refuse one of which something is left loses that. */
static int was_freed(const steplog_reader *r, const sl_run *run, size_t index)
{
    const sl_event *tombstone = &run->events.items[index];
    const sl_fact *t = &tombstone->fact;
    for (size_t n = 0; n < index; n++) {
        const sl_fact *earlier = &run->events.items[n].fact;
        if (earlier->kind == STEPLOG_EVENT_TOMBSTONE && sl_id_equal(&earlier->target, &t->target)) return 0;
    }
    for (size_t k = 0; k < run->incarnations.count; k++) {
        const sl_incarnation *i = &r->incarnations.items[run->incarnations.items[k]];
        if (!sl_id_equal(&i->id, &t->target)) continue;
        if (!sl_ranges_has_any(&i->dropped, 1, t->target_sequence + 1)) return 0;
        for (size_t s = 0; s < i->sources.count; s++)
            if (has_left(&i->sources.items[s], tombstone)) return 0;
        return 1;
    }
    return 0;
}

steplog_status steplog_remove_undo(steplog_store *s, const steplog_id *id, uint64_t *restored, steplog_error *err)
{
    steplog_reader *r;
    if (restored) *restored = 0;
    if (!s || !id) return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_remove_undo: an argument is NULL");
    SL_VEC(sl_fact) undos = {0};
    SL_TRY(sl_store_facts(s, &r, err));
    sl_run *run = sl_reader_run(r, id);
    steplog_status status = run ? sl_run_load(r, run, err) : sl_fail(err, STEPLOG_MISSING, -1, "no such run");
    uint64_t lamport = 1;
    int64_t now = sl_os->wall_time_ns();
    for (size_t i = 0; status >= 0 && i < run->events.count; i++)
        if (run->events.items[i].fact.lamport >= lamport) lamport = run->events.items[i].fact.lamport + 1;
    for (size_t i = 0; status >= 0 && i < run->events.count; i++) {
        const sl_event *event = &run->events.items[i];
        if (event->fact.kind != STEPLOG_EVENT_TOMBSTONE || event->is_undone ||
            sl_age_ns(now, event->fact.time_ns) >= SL_GRACE_NS || was_freed(r, run, i))
            continue;
        sl_fact undo = {.kind = STEPLOG_EVENT_UNDO,
                        .time_ns = now,
                        .lamport = lamport++,
                        .has_target = 1,
                        .target = r->incarnations.items[event->incarnation].id,
                        .target_sequence = event->sequence};
        if (!SL_VEC_PUSH(&undos, undo)) status = no_memory(err);
    }
    sl_store_facts_done(s);
    if (status >= 0 && undos.count == 0)
        status = sl_fail(err, STEPLOG_MISSING, -1, "the run has no removal that can be taken back");
    SL_KILL_POINT("remove.undo_planned");
    if (status >= 0) status = sl_store_record(s, id, 1, undos.items, undos.count, err);
    if (status >= 0 && restored) *restored = undos.count;
    SL_VEC_FREE(&undos);
    return status;
}
