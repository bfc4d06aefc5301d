/* core/run.c: opening and closing writers, facts from outside the job, rewinds and forks.
 *
 * What a new record has to know of the others (the highest attempt, the largest Lamport number) is read from a snapshot
 * that the store keeps for this and takes again each time. */
#include "steplog/maintain.h"

#include "base/error.h"
#include "base/kill_point.h"
#include "base/utf8.h"
#include "core/store.h"
#include "format/checksum.h"

#include <errno.h>
#include <stdlib.h>

steplog_status sl_store_facts(steplog_store *s, steplog_reader **out, steplog_error *err)
{
    sl_store_enter(s);
    pthread_mutex_lock(&s->fact_lock);
    sl_read_context context = sl_store_read_context(s);
    steplog_status status = s->facts ? sl_snapshot_take(s->facts, err) : sl_reader_new(&context, &s->facts, err);
    if (status >= 0) {
        sl_damage_clear(&s->facts->damage);
        *out = s->facts;
        return STEPLOG_OK;
    }
    pthread_mutex_unlock(&s->fact_lock);
    return status;
}

void sl_store_facts_done(steplog_store *s) { pthread_mutex_unlock(&s->fact_lock); }

/* One above every Lamport number of the run that can be seen. */
static steplog_status lamport_after(steplog_reader *r, sl_run *run, uint64_t *lamport, steplog_error *err)
{
    *lamport = 1;
    if (!run) return STEPLOG_OK;
    SL_TRY(sl_run_load(r, run, err));
    for (size_t i = 0; i < run->events.count; i++)
        if (run->events.items[i].fact.lamport >= *lamport) *lamport = run->events.items[i].fact.lamport + 1;
    return STEPLOG_OK;
}

steplog_status sl_store_next_lamport(steplog_store *s, const steplog_id *run, uint64_t *lamport, steplog_error *err)
{
    steplog_reader *r;
    SL_TRY(sl_store_facts(s, &r, err));
    const sl_run *known = sl_reader_run(r, run);
    *lamport = known ? sl_run_lamport_max(r, known) + 1 : 1;
    sl_store_facts_done(s);
    return STEPLOG_OK;
}

steplog_status sl_store_is_sealed(steplog_store *s, const sl_log_header *log, const sl_ranges *numbers, int *yes,
                                  steplog_error *err)
{
    steplog_reader *r;
    sl_read_context context = sl_store_read_context(s);
    sl_ranges left = {0}, whole = {0};
    *yes = 0;
    SL_TRY(sl_reader_new(&context, &r, err));
    sl_run *run = sl_reader_run(r, &log->run);
    steplog_status status = run ? sl_run_load(r, run, err) : STEPLOG_OK;
    const sl_incarnation *i = status >= 0 ? sl_reader_incarnation(r, &log->incarnation) : NULL;
    if (i) status = sl_incarnation_whole(i, numbers, sl_run_removed_last(run, &i->id), &whole, err);
    if (i && status >= 0 && !(sl_ranges_copy(&left, numbers) && sl_ranges_subtract(&left, &whole)))
        status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory to look for records");
    *yes = i && status >= 0 && left.count == 0;
    SL_VEC_FREE(&left);
    SL_VEC_FREE(&whole);
    sl_reader_free(r);
    return status;
}

/* ---- opening a writer ---- */

static steplog_status check_text(const char *what, const char *text, size_t least, steplog_error *err)
{
    size_t bad = 0, bytes = text ? strlen(text) : 0;
    if (!text) return STEPLOG_OK;
    if (bytes < least) return sl_fail(err, STEPLOG_MISUSE, -1, "%s is empty", what);
    if (bytes > STEPLOG_NAME_BYTES_MAX)
        return sl_fail(err, STEPLOG_LIMIT, -1, "%s has %zu bytes: expected at most %u", what, bytes,
                       STEPLOG_NAME_BYTES_MAX);
    if (!sl_utf8_check(text, bytes, &bad))
        return sl_fail(err, STEPLOG_MISUSE, (int64_t)bad, "%s is not UTF-8: byte %zu is 0x%02x", what, bad,
                       (unsigned char)text[bad]);
    return STEPLOG_OK;
}

static steplog_status check_options(const steplog_writer_options *o, steplog_error *err)
{
    if (o->size_bytes < sizeof *o) return sl_fail(err, STEPLOG_MISUSE, -1, "writer options: size_bytes is not set");
    if (o->run_key && o->run_id)
        return sl_fail(err, STEPLOG_MISUSE, -1, "writer options: run_key and run_id exclude each other");
    if (o->label_count > STEPLOG_LABELS_MAX)
        return sl_fail(err, STEPLOG_LIMIT, -1, "%zu labels: expected at most %u", o->label_count, STEPLOG_LABELS_MAX);
    if (o->label_count && !o->labels) return sl_fail(err, STEPLOG_MISUSE, -1, "writer options: labels is NULL");
    SL_TRY(check_text("run name", o->run_name, 0, err));
    SL_TRY(check_text("project", o->project, 0, err));
    SL_TRY(check_text("step axis", o->step_axis, 1, err));
    size_t bytes = 0;
    for (size_t i = 0; i < o->label_count; i++) {
        if (!o->labels[i].key || !o->labels[i].value)
            return sl_fail(err, STEPLOG_MISUSE, -1, "label %zu: key or value is NULL", i);
        SL_TRY(check_text("label key", o->labels[i].key, 1, err));
        SL_TRY(check_text("label value", o->labels[i].value, 0, err));
        bytes += strlen(o->labels[i].key) + strlen(o->labels[i].value);
        if (strcmp(o->labels[i].key, "rank") == 0)
            return sl_fail(err, STEPLOG_MISUSE, -1, "label 'rank' is the option rank");
        for (size_t n = 0; n < i; n++)
            if (strcmp(o->labels[i].key, o->labels[n].key) == 0)
                return sl_fail(err, STEPLOG_MISUSE, -1, "label '%s' is there twice", o->labels[i].key);
    }
    if (bytes > STEPLOG_LABELS_BYTES_MAX)
        return sl_fail(err, STEPLOG_LIMIT, -1, "labels have %zu bytes together: expected at most %u", bytes,
                       STEPLOG_LABELS_BYTES_MAX);
    return STEPLOG_OK;
}

static steplog_id id_of_key(const char *key)
{
    steplog_id id;
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(key, strlen(key)));
    memcpy(id.bytes, canonical.digest, 16);
    return id;
}

static steplog_status choose_run(const steplog_writer_options *o, steplog_id *run, steplog_error *err)
{
    const char *key = o->run_key ? o->run_key : getenv("STEPLOG_RUN_KEY");
    if (o->run_id) {
        *run = *o->run_id;
        return STEPLOG_OK;
    }
    if (key && *key) {
        SL_TRY(check_text("run key", key, 1, err));
        *run = id_of_key(key);
        return STEPLOG_OK;
    }
    int e = sl_os->random(run->bytes, 16);
    return e < 0 ? sl_fail_os(err, -e, -1, "no random bytes for a run's id") : STEPLOG_OK;
}

static int compare_pairs(const void *a, const void *b)
{
    return strcmp(((const steplog_pair *)a)->key, ((const steplog_pair *)b)->key);
}

static steplog_status encode_labels(const steplog_writer_options *o, sl_buffer *out, steplog_error *err)
{
    steplog_pair sorted[STEPLOG_LABELS_MAX];
    if (o->label_count) memcpy(sorted, o->labels, o->label_count * sizeof *sorted);
    if (o->label_count) qsort(sorted, o->label_count, sizeof *sorted, compare_pairs);
    for (size_t i = 0; i < o->label_count; i++) {
        sl_buffer_u32(out, (uint32_t)strlen(sorted[i].key));
        sl_buffer_put(out, sorted[i].key, strlen(sorted[i].key));
        sl_buffer_u32(out, (uint32_t)strlen(sorted[i].value));
        sl_buffer_put(out, sorted[i].value, strlen(sorted[i].value));
    }
    return out->is_out_of_memory ? sl_fail(err, STEPLOG_NOMEM, -1, "no memory for labels") : STEPLOG_OK;
}

typedef struct run_now {
    uint32_t attempt; /* to write to */
    uint64_t lamport;
    int has_name, has_project; /* as wanted already */
} run_now;

static int is_same(const char *a, const char *b) { return a && b && strcmp(a, b) == 0; }

static steplog_status look_at_run(steplog_store *s, const steplog_id *id, const steplog_writer_options *o, run_now *now,
                                  steplog_error *err)
{
    steplog_reader *r;
    *now = (run_now){.attempt = 1};
    SL_TRY(sl_store_facts(s, &r, err));
    sl_run *run = sl_reader_run(r, id);
    steplog_status status = lamport_after(r, run, &now->lamport, err);
    if (status >= 0 && run && run->name && o->run_name) status = sl_event_load(r, run, run->name, err);
    if (status >= 0 && run && run->project && o->project) status = sl_event_load(r, run, run->project, err);
    if (status >= 0 && run) {
        if (run->attempt) now->attempt = run->attempt;
        now->has_name = run->name && is_same(run->name->value, o->run_name);
        now->has_project = run->project && is_same(run->project->value, o->project);
    }
    if (o->attempt) now->attempt = o->attempt;
    sl_store_facts_done(s);
    return status;
}

static steplog_status new_writer(steplog_store *s, sl_write_context *context, const steplog_id *run,
                                 uint32_t attempt, uint32_t flags, const steplog_writer_options *o,
                                 steplog_writer **out, steplog_error *err)
{
    sl_buffer labels = {0};
    if (atomic_load(&s->is_forked) || sl_store_generation(s) == 0) sl_store_after_fork(s);
    steplog_status status = encode_labels(o, &labels, err);
    if (status >= 0) {
        sl_writer_setup setup = {.run = *run,
                                 .attempt = attempt,
                                 .rank = o->rank,
                                 .flags = flags | (o->is_resume ? (uint32_t)SL_WRITER_IS_RESUME : 0),
                                 .resume_step = o->is_resume ? o->resume_step : 0,
                                 .step_axis = o->step_axis ? o->step_axis : "step",
                                 .labels = labels.data,
                                 .labels_bytes = (uint32_t)labels.bytes,
                                 .label_count = (uint32_t)o->label_count,
                                 .host_id = s->host_id,
                                 .boot_id = s->boot_id,
                                 .host = s->host,
                                 .process_id = s->process_id,
                                 .process_start_ns = s->process_start_ns};
        status = sl_writer_new(context, &setup, out, err);
    }
    sl_buffer_free(&labels);
    return status;
}

static void enlist(steplog_store *s, steplog_writer *w)
{
    sigset_t before;
    sl_store_lock_list(s, &before);
    w->next = s->writers;
    s->writers = w;
    s->writer_count++;
    sl_store_unlock_list(s, &before);
}

/* Under work_lock. */
static void delist(steplog_store *s, steplog_writer *w)
{
    sigset_t before;
    sl_store_lock_list(s, &before);
    for (steplog_writer **at = &s->writers; *at; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            s->writer_count--;
            break;
        }
    sl_store_unlock_list(s, &before);
}

static steplog_status record_fact(steplog_writer *w, const char *key, const char *value, steplog_error *err)
{
    sl_fact fact = {.kind = STEPLOG_EVENT_SET,
                    .time_ns = sl_os->wall_time_ns(),
                    .has_key = 1,
                    .key = key,
                    .key_bytes = (uint32_t)strlen(key),
                    .has_value = value != NULL,
                    .value = value,
                    .value_bytes = value ? (uint32_t)strlen(value) : 0};
    return sl_writer_append_fact(w, &fact, err);
}

static void discard(steplog_writer *w, int log_dir)
{
    sl_row_log *log = atomic_exchange(&w->log, NULL);
    sl_row_log_remove(log, log_dir, NULL);
    sl_writer_free(w);
}

steplog_status steplog_writer_open(steplog_store *s, const steplog_writer_options *options, steplog_writer **out,
                                   steplog_error *err)
{
    steplog_writer_options o = {.size_bytes = sizeof o};
    steplog_id run;
    run_now now;
    if (out) *out = NULL;
    if (!s || !out) return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_writer_open: an argument is NULL");
    if (s->flags & STEPLOG_READ_ONLY)
        return sl_fail(err, STEPLOG_MISUSE, -1, "store '%s' was opened read-only", s->path);
    if (options) {
        SL_TRY(check_options(options, err));
        o = *options;
    }
    SL_TRY(choose_run(&o, &run, err));
    SL_TRY(look_at_run(s, &run, &o, &now, err));
    steplog_writer *w;
    SL_TRY(new_writer(s, &s->write, &run, now.attempt, 0, &o, &w, err));
    SL_KILL_POINT("writer.made");
    w->lamport = now.lamport - 1;
    steplog_status status = STEPLOG_OK;
    if (o.run_name && !now.has_name) status = record_fact(w, "name", o.run_name, err);
    if (status >= 0 && o.project && !now.has_project) status = record_fact(w, "project", o.project, err);
    if (status < 0) {
        discard(w, s->log_dir);
        return status;
    }
    enlist(s, w);
    SL_KILL_POINT("writer.enlisted");
    *out = w;
    return STEPLOG_OK;
}

/* ---- closing ---- */

/* In a child that did not append: the parent's files are not touched, only memory is freed. */
static void leave(steplog_store *s, steplog_writer *w)
{
    pthread_mutex_lock(&s->work_lock); /* the child may have a background thread of its own by now */
    delist(s, w);
    pthread_mutex_unlock(&s->work_lock);
    sl_writer_leave_parent(w);
    sl_writer_free(w);
}

static steplog_status append_end(steplog_writer *w, int exit_code, steplog_error *err)
{
    sl_row_log *log = atomic_load(&w->log);
    sl_fact end = {.kind = STEPLOG_EVENT_END, .time_ns = sl_os->wall_time_ns(), .number = exit_code};
    if (w->state == SL_WRITER_FAILED)
        return sl_fail(err, STEPLOG_FAILED, -1, "the writer failed earlier: %.300s", w->error.text);
    if (!atomic_load(&log->is_frozen)) atomic_store(&log->limit, log->capacity_bytes - 8); /* its reserve is for this */
    sl_writer_record_gap(w);
    return sl_writer_append_fact(w, &end, err);
}

steplog_status steplog_writer_close(steplog_writer *w, int exit_code, steplog_error *err)
{
    if (!w) return STEPLOG_OK;
    steplog_store *s = w->context->store;
    sl_store_enter(s);
    if (sl_writer_is_of_parent(w)) {
        leave(s, w);
        return STEPLOG_OK;
    }
    steplog_error why = {0};
    steplog_status status = append_end(w, exit_code, &why);
    SL_KILL_POINT("close.end_recorded");
    pthread_mutex_lock(&s->work_lock);
    delist(s, w);
    steplog_error seal_why = {0};
    steplog_status sealed = sl_writer_seal(w, 1, &seal_why);
    SL_KILL_POINT("close.sealed");
    if (sealed < 0) sl_writer_sync_logs(w, NULL); /* the logs stay as they are: at least let them be durable */
    else s->sealed_count++;
    pthread_mutex_unlock(&s->work_lock);
    sl_writer_free(w);
    if (status >= 0 && sealed < 0) {
        status = sealed;
        why = seal_why;
    }
    if (status < 0 && err) *err = why;
    return status < 0 ? status : STEPLOG_OK;
}

/* ---- facts from outside ---- */

/* The logs of facts that were not recorded, or not known to be. */
static steplog_status revoke_logs(steplog_store *s, steplog_writer *w, steplog_error *err)
{
    sl_row_log *lists[3] = {atomic_exchange(&w->log, NULL), atomic_exchange(&w->sealing, NULL), w->sealing_taken};
    steplog_status status = STEPLOG_OK;
    w->sealing_taken = NULL;
    for (unsigned i = 0; i < 3; i++)
        for (sl_row_log *log = lists[i], *next; log; log = next) {
            next = log->next;
            steplog_status also = sl_row_log_revoke(log, s->log_dir, status < 0 ? NULL : err);
            if (status >= 0) status = also;
        }
    return status;
}

/* Removes the segment of facts that nobody was told are recorded. One that is gone already was compacted. */
static steplog_status revoke_segment(steplog_store *s, const sl_named_segment *named, steplog_error *err)
{
    if (!named->name[0]) return STEPLOG_OK;
    int e = sl_os->unlink(s->store_dir, named->name);
    if (e == -ENOENT && !named->is_named) e = 0;
    else if (e == 0) {
        int dir = sl_os->open_dir(s->store_dir, SL_SEGMENT_DIR "/0");
        e = dir < 0 ? dir : sl_os->sync_all(dir);
        if (dir >= 0) sl_os->close(dir);
    }
    if (e < 0) return sl_fail_os(err, -e, -1, "the facts may be recorded: cannot take '%s' back", named->name);
    return named->has_others ? sl_fail(err, STEPLOG_IO, -1, "the facts may be recorded: a segment of them is gone")
                             : STEPLOG_OK;
}

steplog_status sl_store_record(steplog_store *s, const steplog_id *run, uint32_t attempt, sl_fact *facts, size_t count,
                               steplog_error *err)
{
    steplog_writer *w;
    steplog_writer_options o = {.size_bytes = sizeof o};
    steplog_error why = {0};
    if (s->flags & STEPLOG_READ_ONLY)
        return sl_fail(err, STEPLOG_MISUSE, -1, "store '%s' was opened read-only", s->path);
    sl_named_segment named = {0};
    sl_write_context context = s->write;
    context.named = &named;
    SL_TRY(new_writer(s, &context, run, attempt ? attempt : 1, SL_WRITER_IS_FACTS_ONLY, &o, &w, err));
    steplog_status status = STEPLOG_OK;
    for (size_t i = 0; i < count && status >= 0; i++) status = sl_writer_append_fact(w, &facts[i], &why);
    SL_KILL_POINT("record.facts_appended");
    /* All or nothing: only the published segment counts; without it the log goes, and what there is of it too. */
    if (status >= 0) status = sl_writer_seal(w, 1, &why);
    SL_KILL_POINT("record.facts_sealed");
    if (status < 0) {
        steplog_error revoke_why = {0};
        steplog_status revoked = revoke_logs(s, w, &revoke_why);
        steplog_status also = revoke_segment(s, &named, revoked < 0 ? NULL : &revoke_why);
        if (revoked < 0 || also < 0) { /* then nobody can say that nothing was recorded */
            status = STEPLOG_IO;
            why = revoke_why;
            why.code = STEPLOG_IO;
        }
        if (err) *err = why;
    }
    sl_writer_free(w);
    return status;
}

steplog_status steplog_run_set_facts(steplog_store *s, const steplog_id *id, const steplog_pair *pairs, size_t count,
                                     steplog_error *err)
{
    steplog_reader *r;
    uint64_t lamport;
    uint32_t attempt = 1;
    if (!s || !id || (!pairs && count))
        return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_run_set_facts: an argument is NULL");
    for (size_t i = 0; i < count; i++) {
        if (!pairs[i].key) return sl_fail(err, STEPLOG_MISUSE, -1, "key of fact %zu is NULL", i);
        SL_TRY(check_text("fact key", pairs[i].key, 1, err));
        if (pairs[i].value && strlen(pairs[i].value) > STEPLOG_VALUE_BYTES_MAX)
            return sl_fail(err, STEPLOG_LIMIT, -1, "value of fact '%s' is longer than %u bytes", pairs[i].key,
                           STEPLOG_VALUE_BYTES_MAX);
        size_t bad = 0;
        if (pairs[i].value && !sl_utf8_check(pairs[i].value, strlen(pairs[i].value), &bad))
            return sl_fail(err, STEPLOG_MISUSE, (int64_t)bad, "value of fact '%s' is not UTF-8 at byte %zu",
                           pairs[i].key, bad);
    }
    SL_TRY(sl_store_facts(s, &r, err));
    sl_run *run = sl_reader_run(r, id);
    steplog_status status = run ? lamport_after(r, run, &lamport, err)
                                : sl_fail(err, STEPLOG_MISSING, -1, "no such run");
    if (status >= 0 && run->is_hidden) status = sl_fail(err, STEPLOG_MISSING, -1, "no such run");
    if (status >= 0 && run->attempt) attempt = run->attempt;
    sl_store_facts_done(s);
    if (status < 0 || count == 0) return status;
    sl_fact *facts = sl_alloc_zero(count, sizeof *facts);
    if (!facts) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory for facts");
    int64_t now = sl_os->wall_time_ns();
    for (size_t i = 0; i < count; i++)
        facts[i] = (sl_fact){.kind = STEPLOG_EVENT_SET,
                             .time_ns = now,
                             .lamport = lamport + i,
                             .has_key = 1,
                             .key = pairs[i].key,
                             .key_bytes = (uint32_t)strlen(pairs[i].key),
                             .has_value = pairs[i].value != NULL,
                             .value = pairs[i].value,
                             .value_bytes = pairs[i].value ? (uint32_t)strlen(pairs[i].value) : 0};
    status = sl_store_record(s, id, attempt, facts, count, err);
    sl_free(facts);
    return status;
}

/* ---- attempts ---- */

steplog_status steplog_run_rewind(steplog_store *s, const steplog_id *id, int64_t step, uint32_t *attempt,
                                  steplog_error *err)
{
    steplog_reader *r;
    sl_fact rewind = {.kind = STEPLOG_EVENT_REWIND,
                      .time_ns = sl_os->wall_time_ns(),
                      .has_steps = 1,
                      .step_begin = step,
                      .step_end = INT64_MAX};
    if (!s || !id) return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_run_rewind: an argument is NULL");
    SL_TRY(sl_store_facts(s, &r, err));
    sl_run *run = sl_reader_run(r, id);
    steplog_status status = run ? lamport_after(r, run, &rewind.lamport, err)
                                : sl_fail(err, STEPLOG_MISSING, -1, "no such run");
    if (status >= 0 && run->is_hidden) status = sl_fail(err, STEPLOG_MISSING, -1, "no such run");
    if (status >= 0) {
        rewind.parent_attempt = run->attempt;
        rewind.attempt = sl_run_largest_attempt_number(r, run) + 1;
        if (rewind.attempt == 0) status = sl_fail(err, STEPLOG_LIMIT, -1, "attempt %u is the last of a run", UINT32_MAX);
    }
    sl_store_facts_done(s);
    if (status >= 0) status = sl_store_record(s, id, rewind.attempt, &rewind, 1, err);
    if (status >= 0 && attempt) *attempt = rewind.attempt;
    return status;
}

steplog_status steplog_run_rewind_undo(steplog_store *s, const steplog_id *id, uint32_t *attempt, steplog_error *err)
{
    steplog_reader *r;
    sl_fact undo = {.kind = STEPLOG_EVENT_UNDO, .time_ns = sl_os->wall_time_ns(), .has_target = 1};
    uint32_t taken_back = 0;
    if (!s || !id) return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_run_rewind_undo: an argument is NULL");
    SL_TRY(sl_store_facts(s, &r, err));
    sl_run *run = sl_reader_run(r, id);
    steplog_status status = run ? lamport_after(r, run, &undo.lamport, err)
                                : sl_fail(err, STEPLOG_MISSING, -1, "no such run");
    for (size_t i = run && status >= 0 ? run->events.count : 0; i-- > 0 && !taken_back;) {
        const sl_event *event = &run->events.items[i];
        if (event->fact.kind != STEPLOG_EVENT_REWIND || event->is_undone) continue;
        undo.target = r->incarnations.items[event->incarnation].id;
        undo.target_sequence = event->sequence;
        taken_back = event->fact.attempt;
    }
    sl_store_facts_done(s);
    if (status < 0) return status;
    if (!taken_back) return sl_fail(err, STEPLOG_MISSING, -1, "the run has no rewind in force");
    if (attempt) *attempt = taken_back;
    return sl_store_record(s, id, taken_back, &undo, 1, err);
}

/* Views show no more ancestors than that. */
static steplog_status check_depth(steplog_reader *r, sl_run *run, steplog_error *err)
{
    for (unsigned depth = 0; run && run->has_parent; depth++) {
        if (depth + 1 >= STEPLOG_FORK_DEPTH_MAX)
            return sl_fail(err, STEPLOG_LIMIT, -1, "a fork has at most %d runs above it", STEPLOG_FORK_DEPTH_MAX);
        if ((run = sl_reader_run(r, &run->parent)) != NULL) SL_TRY(sl_run_load(r, run, err));
    }
    return STEPLOG_OK;
}

steplog_status steplog_run_fork(steplog_store *s, const steplog_id *id, int64_t step, const char *run_key,
                                const char *name, steplog_id *out, steplog_error *err)
{
    steplog_reader *r;
    sl_fact facts[2] = {{.kind = STEPLOG_EVENT_FORK,
                         .lamport = 1,
                         .time_ns = sl_os->wall_time_ns(),
                         .has_steps = 1,
                         .step_begin = INT64_MIN,
                         .step_end = step,
                         .has_target = 1}};
    steplog_writer_options o = {.size_bytes = sizeof o, .run_key = run_key};
    steplog_id fork_id;
    uint64_t lamport = 0;
    if (!s || !id || !out) return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_run_fork: an argument is NULL");
    SL_TRY(check_text("run name", name, 0, err));
    SL_TRY(check_text("run key", run_key, 1, err));
    if (run_key)
        fork_id = id_of_key(run_key);
    else {
        int e = sl_os->random(fork_id.bytes, 16);
        if (e < 0) return sl_fail_os(err, -e, -1, "no random bytes for a run's id");
    }
    SL_TRY(sl_store_facts(s, &r, err));
    sl_run *run = sl_reader_run(r, id);
    steplog_status status = run ? lamport_after(r, run, &lamport, err)
                                : sl_fail(err, STEPLOG_MISSING, -1, "no such run");
    if (status >= 0 && run->is_hidden) status = sl_fail(err, STEPLOG_MISSING, -1, "no such run");
    if (status >= 0) status = check_depth(r, run, err);
    if (status >= 0 && run_key && sl_reader_run(r, &fork_id))
        status = sl_fail(err, STEPLOG_MISUSE, -1, "run key '%s' names a run that exists", run_key);
    if (status >= 0) {
        facts[0].target = *id;
        facts[0].parent_attempt = run->attempt;
        facts[0].number = (int64_t)(lamport - 1);
    }
    sl_store_facts_done(s);
    if (status < 0) return status;
    if (name)
        facts[1] = (sl_fact){.kind = STEPLOG_EVENT_SET,
                             .lamport = 2,
                             .time_ns = facts[0].time_ns,
                             .has_key = 1,
                             .key = "name",
                             .key_bytes = 4,
                             .has_value = 1,
                             .value = name,
                             .value_bytes = (uint32_t)strlen(name)};
    status = sl_store_record(s, &fork_id, 1, facts, name ? 2 : 1, err);
    if (status >= 0) *out = fork_id;
    return status;
}
