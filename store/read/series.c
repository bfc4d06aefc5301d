/* read/series.c: series handles: a metric name under the rank and labels of its writers. They are the reader's for
 * its life; which blocks they have is looked up when a cursor is opened. */
#include "read/reader.h"

#include "base/error.h"
#include "format/checksum.h"

#include <stdlib.h>

uint64_t sl_key_hash(uint32_t rank, const steplog_pair *labels, size_t label_count)
{
    uint64_t hash = sl_scramble(rank + 1);
    for (size_t i = 0; i < label_count; i++) {
        hash = sl_scramble(hash ^ sl_hash(labels[i].key, strlen(labels[i].key) + 1));
        hash = sl_scramble(hash ^ sl_hash(labels[i].value, strlen(labels[i].value) + 1));
    }
    return hash;
}

static steplog_status segment_names(sl_incarnation *i, const sl_source *source, sl_name_callback callback,
                                    void *context, steplog_error *err)
{
    sl_segment *segment = source->segment;
    const sl_writer_entry *w = &segment->writers.items[source->writer];
    for (uint32_t g = 0; g < w->group_count; g++) {
        const sl_schema_names *names;
        steplog_status status = sl_segment_names(segment, segment->groups.items[w->group_first + g].schema, &names, err);
        if (status < 0 && status != STEPLOG_CORRUPT) return status;
        for (uint32_t n = 0; status >= 0 && n < names->count; n++)
            SL_TRY(callback(context, i, names->names[n], names->bytes[n]));
    }
    return STEPLOG_OK;
}

steplog_status sl_incarnation_names(sl_incarnation *i, sl_name_callback callback, void *context, steplog_error *err)
{
    for (size_t s = 0; s < i->sources.count; s++) {
        const sl_source *source = &i->sources.items[s];
        if (source->assigned.count == 0) continue;
        if (source->segment) {
            SL_TRY(segment_names(i, source, callback, context, err));
            continue;
        }
        for (uint32_t m = 0; m < source->log->uses.count; m++) {
            const sl_dictionary_name *name = &source->log->dictionary.names.items[m];
            if (source->log->uses.items[m].count) SL_TRY(callback(context, i, name->text, name->bytes));
        }
    }
    return STEPLOG_OK;
}

static uint64_t hash_series(const steplog_id *run, uint64_t key_hash, const char *name, uint32_t bytes)
{
    return sl_scramble(sl_hash_text(name, bytes) ^ sl_scramble(key_hash ^ sl_hash_id(run)));
}

static int copy_labels(sl_label_set *set, const sl_incarnation *i, size_t count)
{
    size_t bytes = 0;
    for (size_t n = 0; n < count; n++) bytes += strlen(i->labels[n].key) + strlen(i->labels[n].value) + 2;
    set->labels = sl_alloc(count * sizeof *set->labels);
    set->text = sl_alloc(bytes);
    if (!set->labels || !set->text) return 0;
    char *to = set->text;
    for (size_t n = 0; n < count; n++) {
        size_t key_bytes = strlen(i->labels[n].key) + 1, value_bytes = strlen(i->labels[n].value) + 1;
        memcpy(to, i->labels[n].key, key_bytes);
        memcpy(to + key_bytes, i->labels[n].value, value_bytes);
        set->labels[n] = (steplog_pair){to, to + key_bytes};
        to += key_bytes + value_bytes;
    }
    set->label_count = count;
    return 1;
}

void sl_label_set_free(sl_label_set *set)
{
    sl_free(set->labels);
    sl_free(set->text);
}

/* Gives the series the labels of the writer, as the reader has or will have them. 0: out of memory. */
static int lend_labels(steplog_reader *r, const sl_incarnation *i, sl_series *series)
{
    size_t count = i->has_description ? i->description.label_count : 0, probe = 0;
    uint64_t hash = sl_hash_text(&i->key_hash, sizeof i->key_hash);
    uint32_t index;
    if (count == 0) return 1;
    if (!sl_hash_map_find(&r->by_labels, hash, &probe, &index)) {
        sl_label_set set = {.key_hash = i->key_hash};
        index = (uint32_t)r->label_sets.count;
        if (!copy_labels(&set, i, count) || !SL_VEC_RESERVE(&r->label_sets, r->label_sets.count + 1) ||
            !sl_hash_map_add(&r->by_labels, hash, index)) {
            sl_label_set_free(&set);
            return 0;
        }
        r->label_sets.items[r->label_sets.count++] = set;
    }
    series->labels = r->label_sets.items[index].labels;
    series->label_count = r->label_sets.items[index].label_count;
    return 1;
}

steplog_status sl_reader_series_of(steplog_reader *r, const steplog_id *run, const sl_incarnation *i, const char *name,
                                   uint32_t bytes, steplog_series *out, steplog_error *err)
{
    size_t probe = 0;
    uint64_t hash = hash_series(run, i->key_hash, name, bytes);
    while (sl_hash_map_find(&r->by_series, hash, &probe, &out->index)) {
        const sl_series *known = &r->series.items[out->index];
        if (known->key_hash == i->key_hash && known->name_bytes == bytes && memcmp(known->name, name, bytes) == 0 &&
            sl_id_equal(&known->run, run))
            return STEPLOG_OK;
    }
    sl_series series = {
        .run = *run, .name = sl_copy_bytes(name, bytes), .name_bytes = bytes, .rank = i->rank, .key_hash = i->key_hash};
    out->index = (uint32_t)r->series.count;
    if (series.name && lend_labels(r, i, &series) && SL_VEC_RESERVE(&r->series, r->series.count + 1) &&
        sl_hash_map_add(&r->by_series, hash, out->index)) {
        r->series.items[r->series.count++] = series;
        return STEPLOG_OK;
    }
    sl_free(series.name);
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a series");
}

/* ---- finding ---- */

typedef struct finding {
    steplog_reader *reader;
    const steplog_id *run;
    const sl_selector *selector;
    SL_VEC(steplog_series) found;
    sl_hash_map seen; /* of series indices */
    steplog_error *err;
} finding;

static steplog_status find_name(void *context, sl_incarnation *i, const char *name, uint32_t bytes)
{
    finding *f = context;
    steplog_series series;
    size_t probe = 0;
    uint32_t index;
    size_t label_count = i->has_description ? i->description.label_count : 0;
    if (!sl_selector_matches(f->selector, name, bytes, i->rank, i->labels, label_count)) return STEPLOG_OK;
    SL_TRY(sl_reader_series_of(f->reader, f->run, i, name, bytes, &series, f->err));
    uint64_t hash = sl_scramble(series.index + 1);
    while (sl_hash_map_find(&f->seen, hash, &probe, &index))
        if (index == series.index) return STEPLOG_OK;
    if (SL_VEC_PUSH(&f->found, series) && sl_hash_map_add(&f->seen, hash, series.index)) return STEPLOG_OK;
    return sl_fail(f->err, STEPLOG_NOMEM, -1, "no memory to find series");
}

/* Calls back for the names of a run and of those it is a fork of. */
static steplog_status find_in_run(steplog_reader *r, sl_run *run, sl_name_callback callback, void *context, int depth,
                                  steplog_error *err)
{
    SL_TRY(sl_run_load(r, run, err));
    for (size_t n = 0; n < run->incarnations.count; n++) {
        sl_incarnation *i = &r->incarnations.items[run->incarnations.items[n]];
        uint64_t last = i->covered.count ? i->covered.items[i->covered.count - 1].end - 1 : 0;
        if (i->row_count == 0 || sl_run_is_removed(run, &i->id, last)) continue;
        SL_TRY(sl_incarnation_names(i, callback, context, err));
    }
    sl_run *parent = run->has_parent && depth < STEPLOG_FORK_DEPTH_MAX ? sl_reader_run(r, &run->parent) : NULL;
    return parent ? find_in_run(r, parent, callback, context, depth + 1, err) : STEPLOG_OK;
}

static _Thread_local const steplog_reader *sorting_reader;

static int compare_series(const void *a, const void *b)
{
    const sl_series *x = &sorting_reader->series.items[((const steplog_series *)a)->index];
    const sl_series *y = &sorting_reader->series.items[((const steplog_series *)b)->index];
    uint32_t least = x->name_bytes < y->name_bytes ? x->name_bytes : y->name_bytes;
    int order = memcmp(x->name, y->name, least);
    if (order) return order;
    if (x->name_bytes != y->name_bytes) return x->name_bytes < y->name_bytes ? -1 : 1;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    for (size_t i = 0; i < x->label_count && i < y->label_count; i++) {
        if ((order = strcmp(x->labels[i].key, y->labels[i].key)) != 0) return order;
        if ((order = strcmp(x->labels[i].value, y->labels[i].value)) != 0) return order;
    }
    return x->label_count < y->label_count ? -1 : x->label_count > y->label_count;
}

/* Takes out the series that are covered by tombstones for good: metric tombstones without steps. */
static int is_removed_series(steplog_reader *r, const sl_run *run, uint64_t key_hash, const char *name, uint32_t bytes)
{
    int has_writer = 0;
    if (run->tombstones.count == 0 || run->has_parent) return 0;
    for (size_t n = 0; n < run->incarnations.count; n++) {
        const sl_incarnation *i = &r->incarnations.items[run->incarnations.items[n]];
        if (i->key_hash != key_hash || i->row_count == 0) continue;
        uint64_t last = i->covered.count ? i->covered.items[i->covered.count - 1].end - 1 : 0;
        if (!sl_run_is_metric_removed(run, &i->id, name, bytes, last)) return 0;
        has_writer = 1;
    }
    return has_writer;
}

steplog_status sl_reader_find(steplog_reader *r, const steplog_id *run_id, const sl_selector *selector,
                              steplog_series **out, size_t *count, steplog_error *err)
{
    finding f = {.reader = r, .run = run_id, .selector = selector, .err = err};
    *out = NULL;
    *count = 0;
    sl_run *run = sl_reader_run(r, run_id);
    if (!run) return sl_fail(err, STEPLOG_MISSING, -1, "no such run");
    steplog_status status = find_in_run(r, run, find_name, &f, 0, err);
    size_t kept = 0;
    for (size_t i = 0; i < f.found.count; i++) {
        const sl_series *series = &r->series.items[f.found.items[i].index];
        if (!is_removed_series(r, run, series->key_hash, series->name, series->name_bytes))
            f.found.items[kept++] = f.found.items[i];
    }
    f.found.count = kept;
    sorting_reader = r;
    if (status >= 0 && kept) qsort(f.found.items, kept, sizeof *f.found.items, compare_series);
    sl_hash_map_free(&f.seen);
    if (status < 0) {
        SL_VEC_FREE(&f.found);
        return status;
    }
    *out = f.found.items;
    *count = kept;
    return STEPLOG_OK;
}

/* ---- counting ---- */

/* A series by the hash of its key and 128 bits of its name: names may be long, and of a run there may be many. */
typedef struct counted {
    uint64_t key_hash;
    XXH128_hash_t name_hash;
} counted;

typedef struct counting {
    steplog_reader *reader;
    const sl_run *run;
    SL_VEC(counted) known;
    sl_hash_map seen; /* of those */
    size_t removed_count;
    steplog_error *err;
} counting;

static steplog_status count_name(void *context, sl_incarnation *i, const char *name, uint32_t bytes)
{
    counting *c = context;
    counted fresh = {i->key_hash, XXH3_128bits(name, bytes)};
    uint64_t hash = sl_scramble(fresh.name_hash.low64 ^ sl_scramble(fresh.key_hash));
    size_t probe = 0;
    uint32_t index;
    while (sl_hash_map_find(&c->seen, hash, &probe, &index)) {
        const counted *known = &c->known.items[index];
        if (known->key_hash == fresh.key_hash && XXH128_isEqual(known->name_hash, fresh.name_hash)) return STEPLOG_OK;
    }
    if (!SL_VEC_PUSH(&c->known, fresh) || !sl_hash_map_add(&c->seen, hash, (uint32_t)c->known.count - 1))
        return sl_fail(c->err, STEPLOG_NOMEM, -1, "no memory to count series");
    c->removed_count += (size_t)is_removed_series(c->reader, c->run, i->key_hash, name, bytes);
    return STEPLOG_OK;
}

steplog_status sl_reader_series_count(steplog_reader *r, sl_run *run, size_t *count, steplog_error *err)
{
    counting c = {.reader = r, .run = run, .err = err};
    steplog_status status = find_in_run(r, run, count_name, &c, 0, err);
    *count = c.known.count - c.removed_count;
    SL_VEC_FREE(&c.known);
    sl_hash_map_free(&c.seen);
    return status;
}

/* ---- for callers ---- */

steplog_status steplog_reader_find(steplog_reader *r, const steplog_id *run, const char *selector, steplog_series *out,
                                   size_t capacity, size_t *found, steplog_error *err)
{
    sl_selector parsed;
    steplog_series *list;
    size_t count;
    if (!r || !run || !found || (!out && capacity))
        return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_reader_find: an argument is NULL");
    *found = 0;
    SL_TRY(sl_selector_parse(selector, &parsed, err));
    steplog_status status = sl_reader_find(r, run, &parsed, &list, &count, err);
    sl_selector_free(&parsed);
    if (status < 0) return status;
    *found = count;
    for (size_t i = 0; i < count && i < capacity; i++) out[i] = list[i];
    sl_free(list);
    return count ? STEPLOG_OK : sl_fail(err, STEPLOG_MISSING, -1, "no series matches '%s'", selector ? selector : "*");
}

steplog_status steplog_reader_series(steplog_reader *r, steplog_series series, steplog_series_info *out,
                                     steplog_error *err)
{
    if (!r || !out || out->size_bytes < sizeof *out || series.index >= r->series.count)
        return sl_fail(err, STEPLOG_MISUSE, -1,
                       "steplog_reader_series: not a series of this reader, or size_bytes is not set");
    const sl_series *s = &r->series.items[series.index];
    *out = (steplog_series_info){.size_bytes = out->size_bytes,
                                 .run = s->run,
                                 .name = s->name,
                                 .name_bytes = s->name_bytes,
                                 .rank = s->rank,
                                 .labels = s->labels,
                                 .label_count = s->label_count};
    return STEPLOG_OK;
}
