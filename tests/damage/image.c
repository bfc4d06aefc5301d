/* damage/image.c: reading everything and telling what differs. */
#include "damage/image.h"

#include "format/checksum.h"
#include "support/store_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS_MAX = 64, WRITERS_MAX = 64, SERIES_MAX = 256, PIXELS = 7 };

typedef struct pass {
    store_image *image;
    image_reading *out;
    steplog_reader *reader;
    steplog_id run;
    steplog_id writers[WRITERS_MAX];
    size_t writer_count;
    int is_making, is_quick;
    uint64_t m4_digest;
} pass;

/* ---- items ---- */

static uint64_t mixed(uint64_t hash, uint64_t value)
{
    return sl_scramble(hash ^ value) + 0x9E3779B97F4A7C15u;
}

static uint64_t mixed_bytes(uint64_t hash, const void *data, size_t bytes)
{
    return mixed(hash, data ? sl_hash(data, bytes) : 1);
}

static uint64_t mixed_text(uint64_t hash, const char *text)
{
    return mixed_bytes(hash, text, text ? strlen(text) : 0);
}

/* Not the run and its writer: points of a fork's parent come without. */
static uint64_t point_hash(const char *metric, uint64_t sequence, uint32_t attempt, int64_t step, int64_t time_ns,
                           uint64_t bits)
{
    uint64_t hash = mixed(mixed((uint8_t)metric[0] | (uint64_t)(uint8_t)metric[1] << 8, sequence), attempt);
    return mixed(mixed(mixed(hash, (uint64_t)step), (uint64_t)time_ns), bits);
}

static int is_same(const steplog_id *a, const steplog_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static const reference_point *point_of(const store_image *image, uint64_t hash, const steplog_id *incarnation)
{
    size_t mask = image->table_size - 1;
    const reference *r = image->reference;
    for (size_t at = hash & mask; image->by_point[at]; at = (at + 1) & mask) {
        const reference_point *p = &r->points[image->by_point[at] - 1];
        if ((!incarnation || is_same(incarnation, &p->incarnation)) &&
            point_hash(p->metric, p->sequence, p->attempt, p->step, p->time_ns, p->bits) == hash)
            return p;
    }
    return NULL;
}

/* 1 when the item is one that is expected. */
static int is_expected(store_image *image, uint64_t hash)
{
    size_t mask = image->table_size - 1, index = image->next;
    if (index >= image->count || image->hashes[index] != hash || image->is_seen[index]) {
        size_t at = hash & mask;
        for (; image->table[at]; at = (at + 1) & mask) {
            index = image->table[at] - 1;
            if (image->hashes[index] == hash && !image->is_seen[index]) break;
        }
        if (!image->table[at]) return 0;
    }
    image->is_seen[index] = 1;
    image->next = index + 1;
    return 1;
}

static void take(pass *p, const image_item *item)
{
    store_image *image = p->image;
    if (is_expected(image, item->hash)) return;
    if (!p->is_making) {
        if (p->out->extra_count++ < IMAGE_EXTRA_MAX) p->out->extra[p->out->extra_count - 1] = *item;
        return;
    }
    HOLDS(image->count < image->capacity, "an image of more than %zu items", image->capacity);
    size_t at = item->hash & (image->table_size - 1);
    while (image->table[at]) at = (at + 1) & (image->table_size - 1);
    image->items[image->count] = *item;
    image->hashes[image->count] = item->hash;
    image->is_seen[image->count] = 1;
    image->table[at] = (uint32_t)++image->count;
}

static void failed(pass *p, steplog_status status, const char *call)
{
    if (p->out->status != STEPLOG_OK) return;
    p->out->status = status;
    snprintf(p->out->failed, sizeof p->out->failed, "%s gave %s: %s", call, steplog_status_name(status),
             kit_error.text);
}

/* 1 when a call is OK. MISSING, where a call may find nothing, is neither. */
static int is_ok(pass *p, steplog_status status, const char *call)
{
    if (status < 0 && status != STEPLOG_MISSING) failed(p, status, call);
    return status == STEPLOG_OK;
}

/* ---- points ---- */

static void take_point(pass *p, int view, const char *metric, const steplog_batch *batch, size_t row, size_t column)
{
    uint32_t writer = batch->writers[row];
    static const steplog_id unknown;
    const steplog_id *incarnation = writer < p->writer_count ? &p->writers[writer] : NULL;
    if (incarnation && is_same(incarnation, &unknown)) incarnation = NULL;
    uint64_t hash = point_hash(metric, batch->sequences[row], batch->attempts[row], batch->steps[row],
                               batch->times_ns[row], kit_bits(batch->values[column][row]));
    uint64_t place = incarnation ? sl_load64(incarnation->bytes) : 0;
    uint64_t shown = mixed(mixed(mixed(hash, (uint64_t)view), sl_load64(p->run.bytes)), place);
    if (is_expected(p->image, shown)) return;
    image_item item = {.hash = shown, .kind = ITEM_POINT, .view = (uint8_t)view, .run = p->run,
                       .sequence = batch->sequences[row]};
    item.point = point_of(p->image, hash, incarnation);
    if (incarnation) item.incarnation = *incarnation;
    else if (item.point) item.incarnation = item.point->incarnation;
    take(p, &item);
}

/* A union gives each value with its step; the rest is that of the first series of the row. */
static void take_union(pass *p, const char *metric, const steplog_batch *batch, size_t row, size_t column)
{
    image_item item = {.kind = ITEM_DETAIL, .view = VIEW_UNION, .run = p->run};
    uint64_t hash = mixed(mixed((uint64_t)batch->steps[row], kit_bits(batch->values[column][row])), (uint8_t)metric[0]);
    item.hash = mixed(hash, sl_load64(p->run.bytes));
    take(p, &item);
}

static void read_cursor(pass *p, const steplog_series *series, size_t count, int view)
{
    static const uint32_t flags[VIEW_COUNT] = {0, STEPLOG_VIEW_ALL_ATTEMPTS,
                                               STEPLOG_VIEW_ALL_ATTEMPTS | STEPLOG_VIEW_ARRIVAL_ORDER, 0};
    steplog_view options = {.size_bytes = sizeof options, .flags = flags[view]};
    steplog_cursor *cursor = NULL;
    if (!is_ok(p, steplog_cursor_open(p->reader, series, count, &options, &cursor, &kit_error), "cursor open")) return;
    char names[SERIES_MAX][2];
    for (size_t i = 0; i < count; i++) {
        steplog_series_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_series(p->reader, series[i], &info, &kit_error));
        names[i][0] = info.name[0];
        names[i][1] = info.name_bytes > 1 ? info.name[1] : 0;
    }
    for (;;) {
        steplog_batch batch;
        steplog_status status = steplog_cursor_next(cursor, &batch, 0, &kit_error);
        if (!is_ok(p, status, "cursor next")) break;
        for (size_t row = 0; row < batch.row_count; row++)
            for (size_t column = 0; column < batch.column_count; column++) {
                if (!(batch.present[column][row / 64] >> (row % 64) & 1)) continue;
                if (view == VIEW_UNION)
                    take_union(p, names[column], &batch, row, column);
                else
                    take_point(p, view, names[column], &batch, row, column);
            }
    }
    steplog_cursor_close(cursor);
}

static void read_m4(pass *p, steplog_series series)
{
    steplog_m4 buckets[PIXELS];
    int64_t begin = 0, end = 0;
    steplog_view view = {.size_bytes = sizeof view, .has_begin = 1, .has_end = 1, .step_end = 12000};
    memset(buckets, 0, sizeof buckets);
    steplog_status status = steplog_reader_m4(p->reader, series, &view, PIXELS, buckets, &begin, &end, &kit_error);
    if (!is_ok(p, status, "m4")) return;
    p->m4_digest = mixed(mixed(p->m4_digest, (uint64_t)begin), (uint64_t)end);
    for (size_t i = 0; i < PIXELS; i++)
        if (buckets[i].count) p->m4_digest = mixed_bytes(p->m4_digest, &buckets[i], sizeof buckets[i]);
}

static void read_series(pass *p)
{
    steplog_series series[SERIES_MAX];
    size_t found = 0;
    steplog_status status = steplog_reader_find(p->reader, &p->run, NULL, series, SERIES_MAX, &found, &kit_error);
    if (!is_ok(p, status, "find series")) return;
    if (found > SERIES_MAX) found = SERIES_MAX;
    for (size_t i = 0; i < found; i++) {
        steplog_series_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_series(p->reader, series[i], &info, &kit_error));
        image_item item = {.kind = ITEM_DETAIL, .run = p->run};
        item.hash = mixed_bytes(mixed_bytes(mixed(2, info.rank), info.name, info.name_bytes), &p->run, 16);
        for (size_t l = 0; l < info.label_count; l++)
            item.hash = mixed_text(mixed_text(item.hash, info.labels[l].key), info.labels[l].value);
        take(p, &item);
        if (p->is_quick) continue;
        read_cursor(p, &series[i], 1, VIEW_DEFAULT);
        read_cursor(p, &series[i], 1, VIEW_ALL);
        read_m4(p, series[i]);
    }
    read_cursor(p, series, found, VIEW_ARRIVAL); /* rows are as they were recorded: all their columns are of one record */
    read_cursor(p, series, found, VIEW_UNION);
}

/* ---- the rest of a run ---- */

static void read_writers(pass *p)
{
    p->writer_count = steplog_reader_writer_count(p->reader, &p->run);
    if (p->writer_count > WRITERS_MAX) p->writer_count = WRITERS_MAX;
    for (size_t i = 0; i < p->writer_count; i++) {
        steplog_writer_info info = {.size_bytes = sizeof info};
        p->writers[i] = (steplog_id){{0}};
        if (!is_ok(p, steplog_reader_writer(p->reader, &p->run, i, &info, &kit_error), "writer")) continue;
        p->writers[i] = info.incarnation;
        image_item item = {.kind = ITEM_DETAIL, .run = p->run};
        item.hash = mixed_text(mixed_text(mixed_bytes(3, &info.incarnation, 16), info.host), info.step_axis);
        item.hash = mixed(mixed(item.hash, info.attempt), (uint64_t)info.resume_step);
        take(p, &item);
    }
}

static void read_events(pass *p)
{
    size_t count = steplog_reader_event_count(p->reader, &p->run);
    for (size_t i = 0; i < count; i++) {
        steplog_event e = {.size_bytes = sizeof e};
        if (!is_ok(p, steplog_reader_event(p->reader, &p->run, i, &e, &kit_error), "event")) continue;
        image_item item = {.kind = ITEM_EVENT, .run = p->run, .incarnation = e.incarnation, .sequence = e.sequence};
        uint64_t hash = mixed_bytes(mixed(mixed(4, e.kind), e.sequence), &e.incarnation, 16);
        hash = mixed_text(mixed_text(mixed(mixed(hash, e.lamport), (uint64_t)e.time_ns), e.key), e.value);
        hash = mixed(mixed(mixed(hash, e.attempt), e.parent_attempt), (uint64_t)e.number);
        if (e.has_steps) hash = mixed(mixed(hash, (uint64_t)e.step_begin), (uint64_t)e.step_end);
        hash = mixed(mixed_bytes(hash, &e.target, 16), e.target_sequence);
        item.hash = mixed_bytes(hash, &p->run, 16);
        take(p, &item);
        item = (image_item){.kind = ITEM_DETAIL, .run = p->run, .hash = mixed(item.hash, 5 + (uint64_t)e.is_in_force)};
        take(p, &item);
    }
}

static const reference_blob *blob_named(const reference *r, const char *name)
{
    for (size_t i = 0; i < r->blob_count; i++)
        if (strcmp(r->blobs[i].name, name) == 0) return &r->blobs[i];
    return NULL;
}

static void read_blobs(pass *p)
{
    size_t count = steplog_reader_blob_count(p->reader, &p->run);
    for (size_t i = 0; i < count; i++) {
        steplog_blob_info info = {.size_bytes = sizeof info};
        if (!is_ok(p, steplog_reader_blob(p->reader, &p->run, i, &info, &kit_error), "blob")) continue;
        void *content = malloc(info.bytes + 1);
        HOLDS(content, "out of memory");
        steplog_status status =
            steplog_reader_blob_read(p->reader, &p->run, i, content, info.bytes, &kit_error);
        if (status == STEPLOG_OK) {
            image_item item = {.kind = ITEM_BLOB, .run = p->run};
            const reference_blob *blob = blob_named(p->image->reference, info.name);
            if (blob) item.incarnation = blob->incarnation, item.sequence = blob->sequence;
            uint64_t hash = mixed_bytes(mixed_text(mixed_text(6, info.name), info.content_type), content, info.bytes);
            hash = mixed(mixed(mixed(hash, (uint64_t)info.step), (uint64_t)info.time_ns), info.content_hash);
            item.hash = mixed_bytes(mixed(mixed(hash, info.attempt), info.rank), &p->run, 16);
            take(p, &item);
        } else if (status != STEPLOG_CORRUPT && status != STEPLOG_MISSING) {
            failed(p, status, "blob content");
        }
        free(content);
    }
}

static void read_run(pass *p, size_t index)
{
    steplog_run_info info = {.size_bytes = sizeof info};
    if (!is_ok(p, steplog_reader_run(p->reader, index, &info, &kit_error), "run")) return;
    p->run = info.id;
    image_item item = {.kind = ITEM_DETAIL, .run = p->run};
    item.hash = mixed(mixed_text(mixed_text(mixed_bytes(7, &p->run, 16), info.name), info.project), info.attempt);
    take(p, &item);
    read_writers(p);
    read_events(p);
    read_blobs(p);
    read_series(p);
}

static void note_damage(pass *p)
{
    size_t count = steplog_reader_damage_count(p->reader);
    for (size_t i = 0; i < count; i++) {
        steplog_damage damage = {.size_bytes = sizeof damage};
        OK(steplog_reader_damage(p->reader, i, &damage));
        if (damage.is_notice) p->out->notice_count++;
        else if (p->out->damage_count++ == 0)
            snprintf(p->out->first_damage, sizeof p->out->first_damage, "%s at %lld: %s", damage.file ? damage.file : "?",
                     (long long)damage.offset, damage.what);
    }
}

static void read_store(pass *p)
{
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_READ_ONLY};
    steplog_store *store = NULL;
    if (!is_ok(p, steplog_store_open(MEMORY_STORE, &options, &store, &kit_error), "store open")) {
        if (p->out->status == STEPLOG_OK) failed(p, STEPLOG_MISSING, "store open");
        return;
    }
    if (is_ok(p, steplog_reader_open(store, &p->reader, &kit_error), "reader open")) {
        size_t count = steplog_reader_run_count(p->reader);
        for (size_t i = 0; i < count && i < RUNS_MAX; i++) read_run(p, i);
        note_damage(p);
        steplog_reader_close(p->reader);
    }
    OK(steplog_store_close(store, &kit_error));
}

/* ---- images ---- */

int image_is_quick(const image_item *item)
{
    return item->kind != ITEM_POINT || item->view == VIEW_ARRIVAL;
}

void image_read(store_image *image, int is_quick, image_reading *out)
{
    pass p = {.image = image, .out = out, .is_quick = is_quick};
    out->status = STEPLOG_OK;
    out->failed[0] = out->first_damage[0] = 0;
    out->damage_count = out->notice_count = out->lost_count = out->extra_count = 0;
    image->next = 0;
    memset(image->is_seen, 0, image->count);
    read_store(&p);
    for (size_t i = 0; i < image->count; i++) out->lost_count += !image->is_seen[i] && (!is_quick || image_is_quick(&image->items[i]));
    out->is_m4_equal = is_quick || p.m4_digest == image->m4_digest;
}

static void index_points(store_image *image)
{
    const reference *r = image->reference;
    for (size_t i = 0; i < r->point_count; i++) {
        const reference_point *p = &r->points[i];
        uint64_t hash = point_hash(p->metric, p->sequence, p->attempt, p->step, p->time_ns, p->bits);
        size_t at = hash & (image->table_size - 1);
        while (image->by_point[at]) at = (at + 1) & (image->table_size - 1);
        image->by_point[at] = (uint32_t)i + 1;
    }
}

/* Each point is in each view of each run exactly when it was recorded so. */
static void check_views(const store_image *image)
{
    const reference *r = image->reference;
    const steplog_id *runs[] = {&r->run_a, &r->run_b, &r->run_c};
    size_t expected = 0, shown = 0;
    for (size_t i = 0; i < image->count; i++) {
        const image_item *item = &image->items[i];
        if (item->kind != ITEM_POINT) continue;
        shown++;
        HOLDS(item->point && reference_shows(r, &item->run, item->view, item->point),
              "a view %d of the intact store shows what it should not: record %llu", item->view,
              (unsigned long long)item->sequence);
    }
    for (size_t n = 0; n < 3; n++)
        for (int view = VIEW_DEFAULT; view <= VIEW_ARRIVAL; view++)
            for (size_t i = 0; i < r->point_count; i++) expected += reference_shows(r, runs[n], view, &r->points[i]) != 0;
    HOLDS(shown == expected, "the views of the intact store show %zu points, expected %zu", shown, expected);
}

void image_make(store_image *out, const reference *r)
{
    static image_reading reading;
    *out = (store_image){.reference = r, .capacity = 5 * r->point_count + 1000};
    for (out->table_size = 1; out->table_size < 4 * out->capacity; out->table_size *= 2) continue;
    out->items = calloc(out->capacity, sizeof *out->items);
    out->hashes = calloc(out->capacity, sizeof *out->hashes);
    out->is_seen = calloc(out->capacity, 1);
    out->table = calloc(out->table_size, sizeof *out->table);
    out->by_point = calloc(out->table_size, sizeof *out->by_point);
    HOLDS(out->items && out->hashes && out->is_seen && out->table && out->by_point, "out of memory");
    index_points(out);
    pass p = {.image = out, .out = &reading, .is_making = 1};
    reading = (image_reading){0};
    read_store(&p);
    out->m4_digest = p.m4_digest;
    HOLDS(reading.status == STEPLOG_OK && reading.damage_count == 0, "the intact store: %s %s", reading.failed,
          reading.first_damage);
    check_views(out);
    image_read(out, 0, &reading);
    HOLDS(reading.lost_count == 0 && reading.extra_count == 0 && reading.is_m4_equal,
          "reading twice gives two images: %zu lost, %zu extra", reading.lost_count, reading.extra_count);
}

void image_free(store_image *image)
{
    free(image->items);
    free(image->hashes);
    free(image->is_seen);
    free(image->table);
    free(image->by_point);
}
