/* read/follow.c: a cursor that does not end: rows of a run as they are committed, each once.
 *
 * For each incarnation the follower keeps the number of the next record. While that record is in a log it walks the
 * log, reading only what is new; when it is in a segment it reads blocks. A log that was recycled, a number that is
 * nowhere, a metric that was not there before: each makes it list the store again. */
#include "read/cursor.h"

#include "base/error.h"
#include "base/glob.h"
#include "format/checksum.h"

#define LIST_INTERVAL_NS 20000000 /* at least 20 ms between listings while nothing comes */
#define LIST_URGENT_NS 1000000    /* and at least 1 ms when something is known to have moved */
#define LIST_SHARE 10             /* a listing that takes t is not made again for 10 t: large stores cost more */
#define GAP_BELIEVED_NS 200000000 /* a missing number is believed after this long */
#define SPIN_NS 50000
#define SLEEP_NS 200000

enum { MAP_UNKNOWN = 0, MAP_NONE = 1, MAP_FIRST = 2 }; /* then: output column + MAP_FIRST */
#define MAP_FAILED UINT32_MAX /* out of memory */

typedef struct followed {
    steplog_id id;
    uint32_t attempt, writer;
    uint64_t key_hash;
    uint64_t next_sequence;
    int64_t missing_since_ns; /* 0: nothing is missing */
    /* in a log */
    sl_log *log;
    sl_log_walk walk;
    SL_VEC(uint32_t) map; /* by the place of a name in the dictionary */
    sl_removals removals;  /* of those places */
    uint64_t removals_of;  /* the snapshot that they are from; 0: none */
    /* in segments */
    int is_in_segments;
    sl_piece_set set;
    sl_merge merge;
    uint64_t segments_end; /* the first number that they do not hold */
} followed;

struct sl_follow {
    SL_VEC(followed *) writers;
    sl_hash_map by_id; /* of those */
    sl_hash_map by_name; /* of key and name, the cursor's first column_count series: which one */
    size_t column_count;
    sl_selector selector;
    int has_selector;
    int has_more; /* the snapshot may hold rows behind the end of the logs that are read now */
    int must_list;
    int must_list_first; /* the last call failed: what it looked for may be elsewhere, or not be known yet */
    steplog_status status; /* what the next call tells: the last one had rows to give */
    steplog_error why;
    int64_t listed_ns;    /* when the last listing ended */
    int64_t list_cost_ns; /* what it took */
    uint64_t snapshot;    /* the reader's that was taken in last */
    size_t turn; /* which writer is asked first */
};

static steplog_status no_memory(steplog_error *err)
{
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to follow a run");
}

static void leave_log(followed *f)
{
    if (!f->log) return;
    sl_log_walk_free(&f->walk);
    sl_log_release(f->log);
    SL_VEC_FREE(&f->map);
    sl_removals_clear(&f->removals);
    f->removals_of = 0;
    f->log = NULL;
}

static void leave_segments(followed *f)
{
    sl_merge_free(&f->merge);
    sl_pieces_free(&f->set);
    f->set = (sl_piece_set){0};
    f->is_in_segments = 0;
}

void sl_follow_close(steplog_cursor *c)
{
    if (!c->follow) return;
    for (size_t i = 0; i < c->follow->writers.count; i++) {
        leave_log(c->follow->writers.items[i]);
        leave_segments(c->follow->writers.items[i]);
        sl_free(c->follow->writers.items[i]);
    }
    SL_VEC_FREE(&c->follow->writers);
    sl_hash_map_free(&c->follow->by_id);
    sl_hash_map_free(&c->follow->by_name);
    sl_selector_free(&c->follow->selector);
    sl_free(c->follow);
    c->follow = NULL;
}

/* ---- what there is to follow ---- */

static followed *know_writer(sl_follow *follow, const sl_incarnation *i)
{
    uint32_t n;
    for (size_t probe = 0; sl_hash_map_find(&follow->by_id, sl_hash_id(&i->id), &probe, &n);)
        if (sl_id_equal(&follow->writers.items[n]->id, &i->id)) return follow->writers.items[n];
    followed *fresh = sl_alloc_zero(1, sizeof *fresh);
    if (!fresh) return NULL;
    fresh->id = i->id;
    fresh->attempt = i->attempt;
    fresh->next_sequence = 1;
    if (SL_VEC_RESERVE(&follow->writers, follow->writers.count + 1) &&
        sl_hash_map_add(&follow->by_id, sl_hash_id(&i->id), (uint32_t)follow->writers.count)) {
        follow->writers.items[follow->writers.count++] = fresh;
        return fresh;
    }
    sl_free(fresh);
    return NULL;
}

static uint64_t hash_column(uint64_t key_hash, const char *name, uint32_t bytes)
{
    return sl_scramble(sl_hash_text(name, bytes) ^ key_hash);
}

/* The first column of a key and name, or as many as there are. */
static uint32_t known_column(const steplog_cursor *c, uint64_t key_hash, const char *name, uint32_t bytes)
{
    uint32_t first = (uint32_t)c->follow->column_count, column;
    for (size_t probe = 0;
         sl_hash_map_find(&c->follow->by_name, hash_column(key_hash, name, bytes), &probe, &column);) {
        const sl_series *series = &c->reader->series.items[c->series.items[column].index];
        if (column < first && series->key_hash == key_hash && series->name_bytes == bytes &&
            memcmp(series->name, name, bytes) == 0)
            first = column;
    }
    return first;
}

/* Makes the columns known that came since. 1, or 0 when out of memory. */
static int index_columns(steplog_cursor *c)
{
    for (sl_follow *follow = c->follow; follow->column_count < c->series.count; follow->column_count++) {
        const sl_series *series = &c->reader->series.items[c->series.items[follow->column_count].index];
        if (!sl_hash_map_add(&follow->by_name, hash_column(series->key_hash, series->name, series->name_bytes),
                             (uint32_t)follow->column_count))
            return 0;
    }
    return 1;
}

/* Adds the series that are new as further columns. The batch is empty. */
static steplog_status add_columns(steplog_cursor *c, steplog_error *err)
{
    steplog_series *list;
    size_t count, before = c->series.count;
    if (!c->follow->has_selector) return STEPLOG_OK;
    steplog_status status = sl_reader_find(c->reader, &c->run, &c->follow->selector, &list, &count, err);
    if (status == STEPLOG_MISSING) return STEPLOG_OK;
    SL_TRY(status);
    for (size_t i = 0; i < count && status >= 0; i++) {
        const sl_series *series = &c->reader->series.items[list[i].index];
        const int is_new = known_column(c, series->key_hash, series->name, series->name_bytes) == before;
        if (is_new && !SL_VEC_PUSH(&c->series, list[i])) status = no_memory(err);
    }
    sl_free(list);
    if (status >= 0 && c->series.count > before) status = sl_batch_grow(&c->batch, c->series.count, err);
    if (status < 0) c->series.count = before; /* the batch has no room for more; they are new again next time */
    if (c->series.count > before) {
        for (size_t n = 0; n < c->follow->writers.count; n++)
            c->follow->writers.items[n]->map.count = 0; /* look names up again */
        /* Segment pieces were collected for the old columns. */
        for (size_t n = 0; n < c->follow->writers.count; n++)
            if (c->follow->writers.items[n]->is_in_segments) leave_segments(c->follow->writers.items[n]);
    }
    return status;
}

/* Takes in what the reader's snapshot has: writers, series, files behind those that are read now. The batch is empty. */
static steplog_status take_in(steplog_cursor *c, steplog_error *err)
{
    sl_follow *follow = c->follow;
    sl_run *run = sl_reader_run(c->reader, &c->run);
    follow->has_more = 1;
    if (!run) return STEPLOG_OK;
    SL_TRY(sl_run_load(c->reader, run, err));
    steplog_status status = STEPLOG_OK;
    for (size_t n = 0; n < run->writers.count && status >= 0; n++) {
        const sl_incarnation *i = &c->reader->incarnations.items[run->writers.items[n]];
        followed *f = know_writer(follow, i);
        if (!f)
            status = no_memory(err);
        else
            f->key_hash = i->key_hash, f->writer = (uint32_t)n;
    }
    if (status >= 0 && !index_columns(c)) status = no_memory(err);
    if (status >= 0) status = add_columns(c, err);
    if (status >= 0 && !index_columns(c)) status = no_memory(err);
    if (status >= 0) follow->snapshot = c->reader->snapshot;
    return status;
}

static steplog_status list_again(steplog_cursor *c, steplog_error *err)
{
    sl_follow *follow = c->follow;
    int64_t begin = sl_os->monotonic_time_ns();
    SL_TRY(sl_snapshot_take(c->reader, err));
    follow->must_list = 0;
    follow->listed_ns = sl_os->monotonic_time_ns();
    follow->list_cost_ns = follow->listed_ns - begin;
    return take_in(c, err);
}

steplog_status sl_follow_open(steplog_cursor *c, const char *selector, steplog_error *err)
{
    c->follow = sl_alloc_zero(1, sizeof *c->follow);
    if (!c->follow) return no_memory(err);
    if (selector) {
        SL_TRY(sl_selector_parse(selector, &c->follow->selector, err));
        c->follow->has_selector = 1;
    }
    return list_again(c, err);
}

/* ---- rows out of a log ---- */

static uint32_t find_column(const steplog_cursor *c, const followed *f, const sl_dictionary_name *name)
{
    const uint32_t column = known_column(c, f->key_hash, name->text, name->bytes);
    return column < c->follow->column_count ? column + MAP_FIRST : MAP_NONE;
}

/* Where a metric goes. A name that the selector wants and that has no column yet: MAP_UNKNOWN, and a listing is due. Only
 * the first call for a name may be MAP_FAILED. */
static uint32_t column_of(steplog_cursor *c, followed *f, uint32_t name_place)
{
    uint32_t unknown = MAP_UNKNOWN;
    while (f->map.count <= name_place)
        if (!SL_VEC_PUSH(&f->map, unknown)) return MAP_FAILED;
    uint32_t *place = &f->map.items[name_place];
    if (*place != MAP_UNKNOWN) return *place;
    const sl_dictionary_name *name = &f->log->dictionary.names.items[name_place];
    uint32_t column = find_column(c, f, name);
    int is_wanted = c->follow->has_selector &&
                    sl_glob_match(c->follow->selector.text, c->follow->selector.text_bytes, name->text, name->bytes);
    if (column == MAP_NONE && is_wanted) {
        const sl_incarnation *i = sl_reader_incarnation(c->reader, &f->id);
        if (!i || sl_selector_matches_key(&c->follow->selector, i->rank, i->labels,
                                          i->has_description ? i->description.label_count : 0)) {
            c->follow->must_list = 1;
            return MAP_UNKNOWN;
        }
    }
    *place = column;
    return column;
}

static int is_step_wanted(const steplog_view *view, int64_t step)
{
    return (!view->has_begin || step >= view->step_begin) && (!view->has_end || step < view->step_end);
}

/* What tombstones take of the writer's rows, by the names of the log that is read: what they cover was there, and had its
 * name, when the snapshot was taken. 1, or 0 when out of memory. */
static int make_removals(const steplog_cursor *c, const sl_run *run, followed *f)
{
    SL_VEC(sl_removed) items = {0};
    int is_good = 1;
    if (f->removals_of == c->reader->snapshot) return 1;
    sl_removals_clear(&f->removals);
    f->removals_of = 0;
    for (size_t i = sl_run_first_tombstone(run, &f->id); i < run->tombstones.count && is_good; i++) {
        const sl_tombstone *t = &run->tombstones.items[i];
        if (!sl_id_equal(&t->incarnation, &f->id)) break;
        sl_removed item = {.output = SL_ALL_OUTPUTS,
                           .has_steps = t->has_steps,
                           .step_begin = t->step_begin,
                           .step_end = t->step_end,
                           .sequence_last = t->sequence_last};
        if (t->metric) item.output = sl_dictionary_place_of_text(&f->log->dictionary, t->metric, t->metric_bytes);
        if (!t->metric || item.output != SL_NO_PLACE) is_good = SL_VEC_PUSH(&items, item);
    }
    is_good = is_good && sl_removals_make(items.items, items.count, &f->removals);
    if (is_good) f->removals_of = c->reader->snapshot;
    SL_VEC_FREE(&items);
    return is_good;
}

/* Of a value, by the place of its name; of the whole row: SL_ALL_OUTPUTS. */
static int is_removed(const followed *f, const sl_log_item *item, uint32_t place)
{
    const sl_removal *removal = f->removals.count ? sl_removals_of(&f->removals, place) : NULL;
    return removal && sl_removal_covers(removal, item->step, item->sequence);
}

static int is_value_present(const sl_log_item *item, uint32_t m)
{
    return !item->presence || (sl_load64(item->presence + m / 64 * 8) >> (m % 64) & 1);
}

/* Adds a row of a log to the batch, without what was removed. 1; 0: it has to wait for a listing; -1: out of memory. Then
 * nothing was added. */
static int emit_item(steplog_cursor *c, followed *f, const sl_log_item *item)
{
    sl_batch_arrays *b = &c->batch;
    const sl_dictionary_schema *schema = NULL;
    uint32_t row = b->row_count, count = 1, point_place = SL_NO_PLACE;
    int has_value = 0;
    if (item->kind == SL_ITEM_ROW) {
        schema = sl_dictionary_schema_of(&f->log->dictionary, item->index);
        count = schema->count;
    } else {
        point_place = sl_dictionary_place_of(&f->log->dictionary, item->index);
    }
    if (is_removed(f, item, SL_ALL_OUTPUTS)) return 1;
    for (uint32_t m = 0; m < count; m++) {
        /* A metric that no row had a value of yet is no series: a listing would not make it one. */
        if (!is_value_present(item, m)) continue;
        uint32_t place = schema ? schema->places[m] : point_place;
        if (is_removed(f, item, place)) continue;
        uint32_t column = column_of(c, f, place);
        if (column == MAP_UNKNOWN || column == MAP_FAILED) return column == MAP_FAILED ? -1 : 0;
    }
    if (!is_step_wanted(&c->view, item->step)) return 1;
    const uint8_t *at = item->values;
    for (uint32_t m = 0; m < count; m++) {
        if (!is_value_present(item, m)) continue;
        uint32_t place = schema ? schema->places[m] : point_place;
        double value = item->kind == SL_ITEM_POINT ? item->value : sl_double_of(sl_load64(at));
        if (item->kind == SL_ITEM_ROW) at += 8;
        if (is_removed(f, item, place)) continue;
        uint32_t column = column_of(c, f, place);
        if (column < MAP_FIRST) continue;
        sl_batch_put(b, row, column - MAP_FIRST, value);
        has_value = 1;
    }
    if (!has_value) return 1;
    b->steps[row] = item->step;
    b->times[row] = item->time_ns;
    b->sequences[row] = item->sequence;
    b->attempts[row] = f->attempt;
    b->writers[row] = f->writer;
    b->row_count++;
    return 1;
}

static steplog_status follow_log(steplog_cursor *c, followed *f, steplog_error *err)
{
    sl_run *run = sl_reader_run(c->reader, &c->run);
    if (!run) { /* its last file went away */
        leave_log(f);
        c->follow->must_list = 1;
        return STEPLOG_OK;
    }
    SL_TRY(sl_run_load(c->reader, run, err)); /* the caller may have taken a new snapshot */
    if (!make_removals(c, run, f)) return no_memory(err);
    while (c->batch.row_count < c->batch.rows_max) {
        sl_log_item item;
        uint64_t offset = f->walk.offset, sequence = f->walk.next_sequence;
        sl_point_base base = f->walk.base;
        sl_log_walk_next(&f->walk, &item);
        if (item.kind == SL_ITEM_ERROR)
            return item.os_errno
                       ? sl_fail_os(err, item.os_errno, (int64_t)item.offset, "cannot read log '%s'", f->log->name)
                       : no_memory(err);
        if (item.kind == SL_ITEM_END || item.kind == SL_ITEM_DAMAGE) {
            if (!sl_log_is_still_itself(f->log)) {
                leave_log(f);
                c->follow->must_list = 1;
                return STEPLOG_OK;
            }
            if (item.kind == SL_ITEM_END) return STEPLOG_OK;
            f->next_sequence = f->walk.next_sequence; /* damage: passed over, reported by the snapshot */
            continue;
        }
        int is_due = (item.kind == SL_ITEM_ROW || item.kind == SL_ITEM_POINT) && item.sequence >= f->next_sequence;
        int done = is_due ? emit_item(c, f, &item) : 1;
        if (done <= 0) {
            f->walk.offset = offset;
            f->walk.next_sequence = sequence;
            f->walk.base = base;
            return done < 0 ? no_memory(err) : STEPLOG_OK;
        }
        if (f->walk.next_sequence > f->next_sequence) f->next_sequence = f->walk.next_sequence;
    }
    return STEPLOG_OK;
}

/* ---- rows out of segments ---- */

static steplog_status follow_segments(steplog_cursor *c, followed *f, steplog_error *err)
{
    while (c->batch.row_count < c->batch.rows_max) {
        sl_piece *piece;
        steplog_status status = sl_merge_top(&f->merge, &piece, err);
        if (status < 0) { /* the merge has left out what it could not decode: it is collected again */
            leave_segments(f);
            return status;
        }
        if (!piece) {
            leave_segments(f);
            if (f->segments_end > f->next_sequence) f->next_sequence = f->segments_end;
            return STEPLOG_OK;
        }
        uint32_t from = piece->row, row = c->batch.row_count;
        uint64_t sequence = (uint64_t)piece->rows->sequences[from];
        if (sequence >= f->next_sequence && sequence < f->segments_end) {
            double value;
            for (uint32_t at = 0, n; sl_rows_next(piece->rows, from, &at, &n, &value);)
                sl_batch_put(&c->batch, row, piece->rows->outputs[n], value);
            c->batch.steps[row] = piece->rows->steps[from];
            c->batch.times[row] = piece->rows->times[from];
            c->batch.sequences[row] = sequence;
            c->batch.attempts[row] = f->attempt;
            c->batch.writers[row] = f->writer;
            c->batch.row_count++;
            f->next_sequence = sequence + 1;
        }
        sl_merge_advance(&f->merge, 1);
    }
    return STEPLOG_OK;
}

/* ---- from one place to the next ---- */

static steplog_status enter_segments(steplog_cursor *c, followed *f, const sl_ranges *held, steplog_error *err)
{
    const int is_empty = c->view.has_end && c->view.step_end == INT64_MIN;
    sl_piece_view view = {.all_attempts = 1,
                          .step_begin = c->view.has_begin ? c->view.step_begin : INT64_MIN,
                          .step_last = c->view.has_end && !is_empty ? c->view.step_end - 1 : INT64_MAX,
                          .without_logs = 1,
                          .sequence_from = f->next_sequence,
                          .only_incarnation = &f->id};
    steplog_status status = STEPLOG_OK;
    f->set = (sl_piece_set){.is_arrival_order = 1};
    f->segments_end = sl_ranges_first_missing(held, f->next_sequence);
    f->is_in_segments = 1;
    if (c->series.count && !is_empty)
        status = sl_pieces_collect(c->reader, &c->run, c->series.items, c->series.count, &view, &f->set, err);
    sl_merge_init(&f->merge, &f->set);
    if (status < 0) leave_segments(f);
    return status;
}

static void enter_log(followed *f, sl_log *log)
{
    const sl_log_stretch *start = NULL;
    for (size_t i = 0; i < log->stretches.count && log->stretches.items[i].sequence <= f->next_sequence; i++)
        start = &log->stretches.items[i];
    sl_log_retain(log);
    f->log = log;
    f->map.count = 0;
    if (start)
        sl_log_replay(log, start->offset, start->sequence, &start->base, &f->walk);
    else
        sl_log_replay(log, SL_LOG_HEADER_BYTES, log->header.first_sequence, NULL, &f->walk);
    f->walk.is_replay = 0; /* it may run ahead of the snapshot: names and schemas go into the same dictionary */
}

/* One that holds the next record; else the later one. A log that failed to sync, or could not be begun, may begin with
 * the number that the log after it begins with, and hold nothing. */
static int is_better_log(const followed *f, const sl_log *log, const sl_log *than)
{
    int has_next = log->walk.next_sequence > f->next_sequence;
    if (has_next != (than->walk.next_sequence > f->next_sequence)) return has_next;
    if (log->header.first_sequence != than->header.first_sequence)
        return log->header.first_sequence > than->header.first_sequence;
    return log->header.ordinal > than->header.ordinal;
}

/* Goes to where the next record of a writer is, in the snapshot as it stands; stays in its log when there is no
 * better place. */
static steplog_status move(steplog_cursor *c, followed *f, steplog_error *err)
{
    const sl_incarnation *i = sl_reader_incarnation(c->reader, &f->id);
    sl_ranges in_segments = {0};
    steplog_status status = STEPLOG_OK;
    if (f->log && f->log->is_gone) leave_log(f);
    if (!i) return STEPLOG_OK;
    for (size_t s = 0; s < i->sources.count; s++)
        if (i->sources.items[s].segment && !sl_ranges_add_all(&in_segments, &i->sources.items[s].assigned))
            status = no_memory(err);
    if (status >= 0 && !sl_ranges_add_all(&in_segments, &i->dropped)) status = no_memory(err);
    if (status >= 0 && sl_ranges_has(&in_segments, f->next_sequence)) {
        leave_log(f);
        status = enter_segments(c, f, &in_segments, err);
    } else if (status >= 0) {
        sl_log *best = NULL;
        for (size_t s = 0; s < i->sources.count; s++) {
            sl_log *log = i->sources.items[s].log;
            if (log && !log->is_gone && log->header.first_sequence <= f->next_sequence &&
                f->next_sequence <= log->walk.next_sequence && (!best || is_better_log(f, log, best)))
                best = log;
        }
        if (best && best != f->log) {
            leave_log(f);
            enter_log(f, best);
        } else if (f->log) {
            f->walk.mark_offset = f->log->mark.offset;
        }
    }
    SL_VEC_FREE(&in_segments);
    return status;
}

/* A number that is nowhere although later ones are: after a while it is taken for a gap. */
static void pass_gap(steplog_cursor *c, followed *f)
{
    const sl_incarnation *i = sl_reader_incarnation(c->reader, &f->id);
    uint64_t next = 0;
    for (size_t n = 0; i && n < i->covered.count && !next; n++) {
        if (i->covered.items[n].begin <= f->next_sequence && f->next_sequence < i->covered.items[n].end) return;
        if (i->covered.items[n].begin > f->next_sequence) next = i->covered.items[n].begin;
    }
    if (!next) {
        f->missing_since_ns = 0;
        return;
    }
    int64_t now = sl_os->monotonic_time_ns();
    c->follow->must_list = 1;
    if (!f->missing_since_ns) f->missing_since_ns = now;
    if (now - f->missing_since_ns < GAP_BELIEVED_NS) return;
    f->next_sequence = next;
    f->missing_since_ns = 0;
}

static steplog_status read_here(steplog_cursor *c, followed *f, steplog_error *err)
{
    if (f->is_in_segments) return follow_segments(c, f, err);
    return f->log ? follow_log(c, f, err) : STEPLOG_OK;
}

/* Reads on until rows come or nothing is left, through as many files as that takes: whoever does not want to wait
 * still gets everything that the snapshot holds. */
static steplog_status follow_writer(steplog_cursor *c, followed *f, int may_move, steplog_error *err)
{
    uint32_t before = c->batch.row_count;
    SL_TRY(read_here(c, f, err));
    while (c->batch.row_count == before && !f->is_in_segments && (!f->log || may_move)) {
        uint64_t sequence = f->next_sequence;
        SL_TRY(move(c, f, err));
        if (!f->log && !f->is_in_segments) {
            pass_gap(c, f);
            return STEPLOG_OK;
        }
        SL_TRY(read_here(c, f, err));
        if (f->next_sequence == sequence) return STEPLOG_OK;
    }
    return STEPLOG_OK;
}

/* One look at every writer; the batch is empty before. Where some fail: what the first one says. The rows of the others,
 * and those that came before the failure, are in the batch and are not given again. */
static steplog_status look(steplog_cursor *c, int may_move, steplog_error *err)
{
    sl_follow *follow = c->follow;
    steplog_status first = STEPLOG_OK;
    for (size_t n = 0; n < follow->writers.count && c->batch.row_count < c->batch.rows_max; n++) {
        followed *f = follow->writers.items[(follow->turn + n) % follow->writers.count];
        steplog_status status = follow_writer(c, f, may_move, first < 0 ? NULL : err);
        if (first >= 0) first = status;
    }
    if (follow->writers.count) follow->turn = (follow->turn + 1) % follow->writers.count;
    return first < 0 ? first : STEPLOG_OK;
}

/* Whether the store is to be listed now. What a listing costs bounds how often it is made. */
static int is_listing_due(const sl_follow *follow, int has_listed, int64_t now)
{
    int64_t since = now - follow->listed_ns;
    if (follow->must_list && !has_listed) return 1;
    if (follow->must_list)
        return since >= (follow->list_cost_ns > LIST_URGENT_NS ? follow->list_cost_ns : LIST_URGENT_NS);
    return since >= (follow->list_cost_ns * LIST_SHARE > LIST_INTERVAL_NS ? follow->list_cost_ns * LIST_SHARE
                                                                          : LIST_INTERVAL_NS);
}

static steplog_status tell(sl_follow *follow, steplog_error *err)
{
    steplog_status status = follow->status;
    follow->status = STEPLOG_OK;
    if (err) *err = follow->why;
    return status;
}

steplog_status sl_follow_next(steplog_cursor *c, int32_t wait_ms, steplog_error *err)
{
    if (c->follow->status < 0) return tell(c->follow, err);
    int64_t start = sl_os->monotonic_time_ns();
    int has_listed = 0;
    sl_batch_start(&c->batch);
    if (c->follow->must_list_first) {
        SL_TRY(list_again(c, err));
        c->follow->must_list_first = 0;
        has_listed = 1;
    } else if (c->follow->snapshot != c->reader->snapshot) { /* someone else refreshed */
        SL_TRY(take_in(c, err));
    }
    for (;;) {
        steplog_status status = look(c, c->follow->has_more, &c->follow->why);
        if (status < 0) {
            c->follow->must_list_first = 1;
            c->follow->status = status;
            if (!c->batch.row_count) return tell(c->follow, err);
        }
        if (c->batch.row_count) return STEPLOG_OK; /* they count as given */
        c->follow->has_more = 0;
        int64_t now = sl_os->monotonic_time_ns();
        int is_due = is_listing_due(c->follow, has_listed, now);
        int is_over = wait_ms >= 0 && now - start >= (int64_t)wait_ms * 1000000;
        if (is_over && (!is_due || has_listed)) return STEPLOG_WAIT;
        if (is_due) {
            c->follow->must_list_first = 1; /* if it fails */
            SL_TRY(list_again(c, err));
            c->follow->must_list_first = 0;
            has_listed = 1;
        } else if (now - start > SPIN_NS) {
            sl_os->sleep_ns(SLEEP_NS);
        }
    }
}
