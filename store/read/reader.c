/* read/reader.c: the public side of a snapshot: runs, writers, facts, history, blobs, damage. */
#include "steplog/reader.h"

#include "base/error.h"
#include "base/glob.h"
#include "format/checksum.h"
#include "read/piece.h"

#include <stdlib.h>

steplog_status sl_reader_new(const sl_read_context *context, steplog_reader **out, steplog_error *err)
{
    *out = NULL;
    steplog_reader *r = sl_alloc_zero(1, sizeof *r);
    if (!r) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a reader");
    r->context = *context;
    steplog_status status = sl_snapshot_take(r, err);
    if (status < 0) {
        sl_reader_free(r);
        return status;
    }
    *out = r;
    return STEPLOG_OK;
}

void sl_reader_free(steplog_reader *r)
{
    if (!r) return;
    sl_snapshot_clear(r);
    sl_open_segments_free(&r->open_segments);
    for (size_t i = 0; i < r->series.count; i++) sl_free(r->series.items[i].name);
    SL_VEC_FREE(&r->series);
    for (size_t i = 0; i < r->label_sets.count; i++) sl_label_set_free(&r->label_sets.items[i]);
    SL_VEC_FREE(&r->label_sets);
    sl_hash_map_free(&r->by_labels);
    sl_hash_map_free(&r->by_series);
    SL_VEC_FREE(&r->shown);
    sl_damage_clear(&r->damage);
    sl_free(r);
}

steplog_status steplog_reader_refresh(steplog_reader *r, steplog_error *err)
{
    if (!r) return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_reader_refresh: reader is NULL");
    return sl_snapshot_take(r, err);
}

/* ---- runs ---- */

/* Runs of which something is left. Loading tells; a run that can not be loaded is shown. */
static int is_shown(steplog_reader *r, sl_run *run) { return sl_run_load(r, run, NULL) < 0 || !run->is_hidden; }

static _Thread_local const steplog_reader *sorting_reader;

static int compare_ids(const void *a, const void *b)
{
    return memcmp(sorting_reader->runs.items[*(const uint32_t *)a].id.bytes,
                  sorting_reader->runs.items[*(const uint32_t *)b].id.bytes, 16);
}

/* Loads all runs in the order of segments, so that each page is read once. What fails will fail again where it is asked
 * for. */
static void load_all(steplog_reader *r)
{
    uint32_t *order = r->runs.count ? sl_alloc(r->runs.count * sizeof *order) : NULL;
    if (!order) return;
    for (uint32_t i = 0; i < r->runs.count; i++) order[i] = i;
    sorting_reader = r;
    qsort(order, r->runs.count, sizeof *order, compare_ids);
    for (size_t i = 0; i < r->runs.count; i++) (void)sl_run_load(r, &r->runs.items[order[i]], NULL);
    sl_free(order);
}

/* Finds out which runs are shown, once after each snapshot. 1, or 0 when out of memory. */
static int list_shown(steplog_reader *r)
{
    if (r->has_shown) return 1;
    load_all(r);
    r->shown.count = 0;
    for (uint32_t i = 0; i < r->runs.count; i++)
        if (is_shown(r, &r->runs.items[i]) && !SL_VEC_PUSH(&r->shown, i)) return 0;
    r->has_shown = 1;
    return 1;
}

size_t steplog_reader_run_count(const steplog_reader *r)
{
    steplog_reader *reader = (steplog_reader *)(uintptr_t)r; /* loading fills in what was always so */
    return r && list_shown(reader) ? r->shown.count : 0;
}

/* The highest attempt that counts and has writers: a rewind begins one that has none yet. */
static uint32_t written_attempt(const steplog_reader *r, const sl_run *run)
{
    uint32_t attempt = 0;
    for (size_t n = 0; n < run->incarnations.count; n++) {
        const sl_incarnation *i = &r->incarnations.items[run->incarnations.items[n]];
        if (!(i->flags & SL_WRITER_IS_FACTS_ONLY) && i->attempt > attempt && i->attempt <= run->attempt)
            attempt = i->attempt;
    }
    return attempt;
}

static steplog_run_status status_of(steplog_reader *r, const sl_run *run)
{
    const uint32_t attempt = written_attempt(r, run);
    int is_any = 0, is_alive = 0, is_killed = 0, is_failed = 0, is_unknown = 0;
    for (size_t n = 0; n < run->incarnations.count; n++) {
        const sl_incarnation *i = &r->incarnations.items[run->incarnations.items[n]];
        if (i->flags & SL_WRITER_IS_FACTS_ONLY) continue;
        is_any = 1;
        if (i->liveness == STEPLOG_LIVENESS_ALIVE) is_alive = 1;
        if (i->attempt != attempt) continue;
        if (i->liveness == STEPLOG_LIVENESS_DEAD) is_killed = 1;
        if (i->liveness == STEPLOG_LIVENESS_UNKNOWN) is_unknown = 1;
        if (i->liveness == STEPLOG_LIVENESS_ENDED && i->exit_code) is_failed = 1;
    }
    if (!is_any) return STEPLOG_RUN_EMPTY;
    if (is_alive) return STEPLOG_RUN_RUNNING;
    if (is_killed) return STEPLOG_RUN_KILLED;
    if (is_unknown) return STEPLOG_RUN_UNKNOWN;
    return is_failed ? STEPLOG_RUN_FAILED : STEPLOG_RUN_FINISHED;
}

static uint64_t stored_bytes_of(const steplog_reader *r, const sl_run *run)
{
    uint64_t bytes = 0;
    for (size_t n = 0; n < run->incarnations.count; n++) {
        const sl_incarnation *i = &r->incarnations.items[run->incarnations.items[n]];
        bytes += i->unsealed_bytes;
        for (size_t s = 0; s < i->sources.count; s++) {
            const sl_segment *segment = i->sources.items[s].segment;
            if (!segment || segment->writers.count == 0) continue;
            /* A segment's bytes are shared out by points; what has none counts by writers. */
            uint64_t points = 0, all = segment->trailer.value_count;
            const sl_writer_entry *w = &segment->writers.items[i->sources.items[s].writer];
            for (uint32_t g = 0; g < w->group_count; g++)
                points += segment->groups.items[w->group_first + g].value_count;
            double share = all ? (double)points / (double)all : 1.0 / (double)segment->writers.count;
            bytes += (uint64_t)(share * (double)segment->file_bytes);
        }
    }
    return bytes;
}

static steplog_status describe_run(steplog_reader *r, sl_run *run, steplog_run_info *out, steplog_error *err)
{
    SL_TRY(sl_run_load(r, run, err));
    if (run->name) SL_TRY(sl_event_load(r, run, run->name, err));
    if (run->project) SL_TRY(sl_event_load(r, run, run->project, err));
    size_t size_bytes = out->size_bytes;
    *out = (steplog_run_info){.size_bytes = size_bytes,
                              .id = run->id,
                              .name = run->name ? run->name->value : NULL,
                              .project = run->project ? run->project->value : NULL,
                              .status = status_of(r, run),
                              .attempt = run->attempt,
                              .attempt_count = run->attempt_count,
                              .time_first_ns = STEPLOG_TIME_NONE,
                              .time_last_ns = STEPLOG_TIME_NONE,
                              .blob_count = run->blobs.count,
                              .stored_bytes = stored_bytes_of(r, run),
                              .has_parent = run->has_parent,
                              .parent = run->parent,
                              .parent_attempt = run->parent_attempt,
                              .parent_step = run->parent_step};
    int has_last = 0;
    for (size_t n = 0; n < run->incarnations.count; n++) {
        const sl_incarnation *i = &r->incarnations.items[run->incarnations.items[n]];
        if (i->flags & SL_WRITER_IS_FACTS_ONLY) continue;
        uint64_t last = i->covered.count ? i->covered.items[i->covered.count - 1].end - 1 : 0;
        if (last && sl_run_is_removed(run, &i->id, last)) continue;
        out->writer_count++;
        out->row_count += i->row_count;
        out->point_count += i->point_count;
        if (out->time_first_ns == STEPLOG_TIME_NONE ||
            (i->time_min_ns != STEPLOG_TIME_NONE && i->time_min_ns < out->time_first_ns))
            out->time_first_ns = i->time_min_ns;
        if (i->time_max_ns != STEPLOG_TIME_NONE && i->time_max_ns > out->time_last_ns)
            out->time_last_ns = i->time_max_ns;
        if (i->row_count == 0) continue;
        if (!out->has_steps || i->step_min < out->step_first) out->step_first = i->step_min;
        out->has_steps = 1;
        if (!i->is_visible || (i->visible_is_bounded && i->visible_end <= i->step_min)) continue;
        int64_t step_last = i->visible_is_bounded && i->visible_end <= i->step_max ? i->visible_end - 1 : i->step_max;
        if (!has_last || step_last > out->step_last) out->step_last = step_last;
        has_last = 1;
    }
    if (!has_last) out->step_last = out->step_first;
    int64_t event_last_ns = STEPLOG_TIME_NONE;
    for (size_t n = 0; n < run->events.count; n++) {
        const sl_event *event = &run->events.items[n];
        out->gap_count += event->fact.kind == STEPLOG_EVENT_GAP;
        if (event->fact.time_ns > event_last_ns) event_last_ns = event->fact.time_ns;
    }
    if (out->time_last_ns == STEPLOG_TIME_NONE) out->time_last_ns = event_last_ns;
    size_t count;
    SL_TRY(sl_reader_series_count(r, run, &count, err));
    out->series_count = count;
    return STEPLOG_OK;
}

steplog_status steplog_reader_run(steplog_reader *r, size_t index, steplog_run_info *out, steplog_error *err)
{
    if (!r || !out || out->size_bytes < sizeof *out)
        return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_reader_run: an argument is NULL or size_bytes is not set");
    if (!list_shown(r)) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to list runs");
    if (index >= r->shown.count)
        return sl_fail(err, STEPLOG_MISSING, -1, "there are %zu runs, there is no number %zu", r->shown.count, index);
    return describe_run(r, &r->runs.items[r->shown.items[index]], out, err);
}

steplog_status steplog_reader_run_by_id(steplog_reader *r, const steplog_id *id, steplog_run_info *out,
                                        steplog_error *err)
{
    if (!r || !id || !out || out->size_bytes < sizeof *out)
        return sl_fail(err, STEPLOG_MISUSE, -1,
                       "steplog_reader_run_by_id: an argument is NULL or size_bytes is not set");
    sl_run *run = sl_reader_run(r, id);
    if (!run || !is_shown(r, run)) return sl_fail(err, STEPLOG_MISSING, -1, "no such run");
    return describe_run(r, run, out, err);
}

/* ---- selecting runs ---- */

typedef struct run_search {
    steplog_id *out;
    size_t capacity, found;
    steplog_status failed; /* what the first run whose name could not be read failed with */
    steplog_error why;
} run_search;

static void add_found(run_search *search, const sl_run *run)
{
    if (search->found < search->capacity) search->out[search->found] = run->id;
    search->found++;
}

/* 1 when the run has a name and the selector is it, or as a glob matches it. A long name is not kept for that. */
static int is_name_matching(run_search *search, steplog_reader *r, sl_run *run, const char *selector, int is_glob)
{
    steplog_error why = {0};
    steplog_status status = sl_run_load(r, run, &why);
    sl_event *name = status >= 0 ? run->name : NULL;
    int was_there = name && name->value, is_matching = 0;
    if (name) status = sl_event_load(r, run, name, &why);
    if (status < 0 && search->failed == STEPLOG_OK) {
        search->failed = status;
        search->why = why;
    }
    if (!name) return 0;
    if (status >= 0 && name->value)
        is_matching = is_glob ? sl_glob_match(selector, strlen(selector), name->value, strlen(name->value))
                              : strcmp(name->value, selector) == 0;
    if (!was_there) {
        sl_free(name->value);
        name->value = NULL;
    }
    return is_matching;
}

static int is_hex(const char *text)
{
    size_t count = 0;
    for (; *text; text++, count++)
        if (!strchr("0123456789abcdefABCDEF", *text)) return 0;
    return count >= 4 && count <= 32;
}

static int has_prefix(const sl_run *run, const char *prefix)
{
    char hex[STEPLOG_ID_TEXT_BYTES];
    steplog_id_format(&run->id, hex);
    for (size_t i = 0; prefix[i]; i++) {
        char c = prefix[i] >= 'A' && prefix[i] <= 'F' ? (char)(prefix[i] - 'A' + 'a') : prefix[i];
        if (hex[i] != c) return 0;
    }
    return 1;
}

steplog_status steplog_reader_find_runs(steplog_reader *r, const char *selector, steplog_id *out, size_t capacity,
                                        size_t *found, steplog_error *err)
{
    size_t bad = 0;
    if (!r || !selector || !found || (!out && capacity))
        return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_reader_find_runs: an argument is NULL");
    *found = 0;
    run_search search = {.out = out, .capacity = capacity};
    if (strcmp(selector, "@latest") == 0) {
        for (size_t i = 0; i < r->runs.count && search.found == 0; i++)
            if (is_shown(r, &r->runs.items[i])) add_found(&search, &r->runs.items[i]);
    } else {
        size_t by_prefix = 0;
        for (size_t i = 0; i < r->runs.count && is_hex(selector); i++)
            if (is_shown(r, &r->runs.items[i]) && has_prefix(&r->runs.items[i], selector)) by_prefix++;
        for (size_t i = 0; i < r->runs.count && by_prefix == 1; i++)
            if (is_shown(r, &r->runs.items[i]) && has_prefix(&r->runs.items[i], selector))
                add_found(&search, &r->runs.items[i]);
        for (size_t i = 0; i < r->runs.count && by_prefix != 1; i++)
            if (is_shown(r, &r->runs.items[i]) && is_name_matching(&search, r, &r->runs.items[i], selector, 0))
                add_found(&search, &r->runs.items[i]);
        if (search.found == 0) {
            if (by_prefix > 1)
                return sl_fail(err, STEPLOG_MISSING, -1, "'%s' begins the ids of %zu runs: give more digits", selector,
                               by_prefix);
            if (!sl_glob_check(selector, strlen(selector), &bad))
                return sl_fail(err, STEPLOG_MISUSE, (int64_t)bad, "run '%s' at byte %zu: bad glob", selector, bad);
            for (size_t i = 0; i < r->runs.count; i++)
                if (is_shown(r, &r->runs.items[i]) && is_name_matching(&search, r, &r->runs.items[i], selector, 1))
                    add_found(&search, &r->runs.items[i]);
            if (strcmp(selector, "*") == 0) {
                search.found = 0;
                for (size_t i = 0; i < r->runs.count; i++)
                    if (is_shown(r, &r->runs.items[i])) add_found(&search, &r->runs.items[i]);
            }
        }
    }
    *found = search.found;
    if (!search.found && search.failed < 0) {
        if (err) *err = search.why;
        return search.failed;
    }
    return search.found ? STEPLOG_OK : sl_fail(err, STEPLOG_MISSING, -1, "no run matches '%s'", selector);
}

/* ---- writers ---- */

/* OK; MISSING; what loading it failed with. */
static steplog_status load_run(steplog_reader *r, const steplog_id *id, sl_run **out, steplog_error *err)
{
    *out = r && id ? sl_reader_run(r, id) : NULL;
    return *out ? sl_run_load(r, *out, err) : sl_fail(err, STEPLOG_MISSING, -1, "no such run");
}

size_t steplog_reader_writer_count(steplog_reader *r, const steplog_id *id)
{
    sl_run *run;
    return load_run(r, id, &run, NULL) >= 0 ? run->writers.count : 0;
}

steplog_status steplog_reader_writer(steplog_reader *r, const steplog_id *id, size_t index, steplog_writer_info *out,
                                     steplog_error *err)
{
    if (!r || !id || !out || out->size_bytes < sizeof *out)
        return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_reader_writer: an argument is NULL or size_bytes is not set");
    sl_run *run;
    SL_TRY(load_run(r, id, &run, err));
    if (index >= run->writers.count)
        return sl_fail(err, STEPLOG_MISSING, -1, "the run has %zu writers, there is no number %zu", run->writers.count,
                       index);
    const sl_incarnation *i = &r->incarnations.items[run->writers.items[index]];
    uint64_t first = i->covered.count ? i->covered.items[0].begin : 0;
    uint64_t last = i->covered.count ? i->covered.items[i->covered.count - 1].end - 1 : 0;
    *out = (steplog_writer_info){.size_bytes = out->size_bytes,
                                 .incarnation = i->id,
                                 .run = i->run,
                                 .attempt = i->attempt,
                                 .rank = i->rank,
                                 .is_resume = (i->flags & SL_WRITER_IS_RESUME) != 0,
                                 .liveness = i->liveness,
                                 .exit_code = i->exit_code,
                                 .host = i->host,
                                 .step_axis = i->step_axis,
                                 .start_time_ns = i->start_time_ns,
                                 .is_mapped = (i->flags & SL_WRITER_IS_MAPPED) != 0,
                                 .first_sequence = first,
                                 .last_sequence = last,
                                 .missing_count = last ? last - first + 1 - sl_ranges_count(&i->covered) : 0,
                                 .salvageable_count = i->salvageable_count,
                                 .durable_sequence = i->durable_sequence,
                                 .unsealed_bytes = i->unsealed_bytes,
                                 .refused_count = i->refused_count};
    if (i->has_description) {
        out->resume_step = i->description.resume_step;
        out->pid = i->description.process_id;
        out->labels = i->labels;
        out->label_count = i->description.label_count;
    }
    return STEPLOG_OK;
}

/* ---- facts, history, blobs ---- */

steplog_status steplog_reader_fact(steplog_reader *r, const steplog_id *id, const char *key, const char **value)
{
    sl_run *run;
    SL_TRY(load_run(r, id, &run, NULL));
    if (!key || !value) return STEPLOG_MISUSE;
    for (size_t i = run->events.count; i-- > 0;) {
        sl_event *event = &run->events.items[i];
        if (event->fact.kind != STEPLOG_EVENT_SET || !event->is_in_force) continue;
        if (!sl_event_may_be_of_key(event, key)) continue;
        SL_TRY(sl_event_load(r, run, event, NULL));
        if (strcmp(event->key, key) != 0) continue;
        *value = event->value;
        return event->value ? STEPLOG_OK : STEPLOG_MISSING;
    }
    return STEPLOG_MISSING;
}

size_t steplog_reader_event_count(steplog_reader *r, const steplog_id *id)
{
    sl_run *run;
    return load_run(r, id, &run, NULL) >= 0 ? run->events.count : 0;
}

steplog_status steplog_reader_event(steplog_reader *r, const steplog_id *id, size_t index, steplog_event *out,
                                    steplog_error *err)
{
    if (!out || out->size_bytes < sizeof *out)
        return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_reader_event: size_bytes is not set");
    sl_run *run;
    SL_TRY(load_run(r, id, &run, err));
    if (index >= run->events.count) return sl_fail(err, STEPLOG_MISSING, -1, "the run has no such record");
    sl_event *event = &run->events.items[index];
    SL_TRY(sl_event_load(r, run, event, err));
    const sl_fact *fact = &event->fact;
    *out = (steplog_event){.size_bytes = out->size_bytes,
                           .kind = (steplog_event_kind)fact->kind,
                           .is_in_force = event->is_in_force,
                           .lamport = fact->lamport,
                           .time_ns = fact->time_ns,
                           .incarnation = r->incarnations.items[event->incarnation].id,
                           .sequence = event->sequence,
                           .key = event->key,
                           .value = event->value,
                           .attempt = fact->attempt,
                           .parent_attempt = fact->parent_attempt,
                           .number = fact->number,
                           .has_steps = fact->has_steps,
                           .step_begin = fact->step_begin,
                           .step_end = fact->step_end,
                           .target = fact->target,
                           .target_sequence = fact->target_sequence};
    return STEPLOG_OK;
}

size_t steplog_reader_blob_count(steplog_reader *r, const steplog_id *id)
{
    sl_run *run;
    return load_run(r, id, &run, NULL) >= 0 ? run->blobs.count : 0;
}

steplog_status steplog_reader_blob(steplog_reader *r, const steplog_id *id, size_t index, steplog_blob_info *out,
                                   steplog_error *err)
{
    if (!out || out->size_bytes < sizeof *out)
        return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_reader_blob: size_bytes is not set");
    sl_run *run;
    SL_TRY(load_run(r, id, &run, err));
    if (index >= run->blobs.count) return sl_fail(err, STEPLOG_MISSING, -1, "the run has no such blob");
    const sl_blob_place *blob = &run->blobs.items[index];
    *out = (steplog_blob_info){.size_bytes = out->size_bytes,
                               .name = blob->name,
                               .content_type = blob->content_type,
                               .step = blob->blob.step,
                               .time_ns = blob->blob.time_ns,
                               .bytes = blob->blob.data_bytes,
                               .content_hash = blob->blob.content_hash,
                               .attempt = r->incarnations.items[blob->incarnation].attempt,
                               .rank = r->incarnations.items[blob->incarnation].rank};
    return STEPLOG_OK;
}

static steplog_status read_blob(const sl_blob_place *blob, void *buffer, steplog_error *err)
{
    uint64_t bytes = blob->blob.data_bytes;
    steplog_status status = blob->segment ? sl_segment_blob_data(blob->segment, blob->data_offset, buffer, bytes, err)
                                          : sl_log_blob_data(blob->log, &blob->log->texts.items[blob->text], buffer,
                                                             bytes, err);
    if (status >= 0 && sl_hash(buffer, (size_t)bytes) != blob->blob.content_hash)
        status = sl_fail(err, STEPLOG_CORRUPT, -1,
                         "the content of blob '%s' does not have the hash that was recorded", blob->name);
    return status;
}

/* Reads a blob from where a snapshot of this moment finds it. The reader's own stays: there an index means what it
 * meant when the caller asked for the blob's description. */
static steplog_status read_moved_blob(const steplog_reader *r, const steplog_id *id, const sl_blob_place *blob,
                                      void *buffer, steplog_error *err)
{
    const steplog_id *incarnation = &r->incarnations.items[blob->incarnation].id;
    steplog_reader *now;
    SL_TRY(sl_reader_new(&r->context, &now, err));
    sl_run *run = sl_reader_run(now, id);
    steplog_status status = run ? sl_run_load(now, run, err) : STEPLOG_MISSING;
    const sl_blob_place *found = NULL;
    for (size_t i = 0; status >= 0 && i < run->blobs.count && !found; i++) {
        const sl_blob_place *place = &run->blobs.items[i];
        if (place->sequence == blob->sequence &&
            sl_id_equal(&now->incarnations.items[place->incarnation].id, incarnation))
            found = place;
    }
    if (status >= 0)
        status = found ? read_blob(found, buffer, err)
                       : sl_fail(err, STEPLOG_MISSING, -1, "blob '%s' was removed meanwhile", blob->name);
    sl_reader_free(now);
    return status;
}

steplog_status steplog_reader_blob_read(steplog_reader *r, const steplog_id *id, size_t index, void *buffer,
                                        size_t capacity, steplog_error *err)
{
    sl_run *run;
    SL_TRY(load_run(r, id, &run, err));
    if (index >= run->blobs.count) return sl_fail(err, STEPLOG_MISSING, -1, "the run has no such blob");
    const sl_blob_place *blob = &run->blobs.items[index];
    if (!buffer || capacity < blob->blob.data_bytes)
        return sl_fail(err, STEPLOG_MISUSE, -1, "a blob of %llu bytes does not fit into %zu",
                       (unsigned long long)blob->blob.data_bytes, capacity);
    steplog_status status = read_blob(blob, buffer, err);
    /* Its log was sealed meanwhile, and perhaps the segment merged too. */
    for (int tries = 0; status == STEPLOG_MISSING && tries < 100; tries++)
        status = read_moved_blob(r, id, blob, buffer, err);
    return status;
}

/* ---- damage and the store ---- */

size_t steplog_reader_damage_count(const steplog_reader *r) { return r ? r->damage.count : 0; }

steplog_status steplog_reader_damage(const steplog_reader *r, size_t index, steplog_damage *out)
{
    if (!r || !out || out->size_bytes < sizeof *out) return STEPLOG_MISUSE;
    if (index >= r->damage.count) return STEPLOG_MISSING;
    size_t size_bytes = out->size_bytes;
    *out = r->damage.items[index];
    out->size_bytes = size_bytes;
    return STEPLOG_OK;
}
