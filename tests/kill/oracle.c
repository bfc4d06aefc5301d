/* kill/oracle.c: what a store must hold, whoever was killed when. */
#include "kill/kill.h"

#include "format/checksum.h"
#include "format/log_header.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t mix(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t x = shared->seed * 0x9E3779B97F4A7C15u + a * 0xC2B2AE3D27D4EB4Fu + b * 0x165667B19E3779F9u + c;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* ---- operations: blocks of four of one kind; four points share a step ---- */

op_kind op_kind_of(uint32_t rank, uint64_t n)
{
    switch (mix(rank, n / POINTS_A_STEP, 1) % 8) {
    case 0: case 1: case 2: return OP_ROW;
    case 3: return OP_SPARSE_ROW;
    case 4: case 5: return OP_WIDE_ROW;
    default: return OP_POINT;
    }
}

int64_t op_step(uint32_t rank, uint64_t n)
{
    return (int64_t)(op_kind_of(rank, n) == OP_POINT ? n / POINTS_A_STEP * POINTS_A_STEP : n);
}

int64_t op_time(uint32_t rank, uint64_t n)
{
    uint64_t x = mix(rank, n, 2);
    return x % 3 == 0 ? STEPLOG_TIME_NOW : x % 3 == 1 ? STEPLOG_TIME_NONE : (int64_t)(n * 1000003 + x % 1000);
}

uint64_t op_presence(uint32_t rank, uint64_t n)
{
    uint64_t all = (1u << ROW_COLUMNS) - 1, bits = mix(rank, n, 3) & all;
    return bits ? bits : all;
}

double op_value(uint32_t rank, uint64_t n, op_kind kind, uint32_t column)
{
    uint32_t first = kind == OP_WIDE_ROW ? 100 : kind == OP_POINT ? 200 : 0;
    return kit_value(shared->seed, rank, n, first + column);
}

uint8_t *blob_content(uint32_t rank, uint64_t n, size_t *bytes)
{
    test_random random = test_random_from(mix(rank, n, 4));
    /* Some are longer than one record of a log may be. */
    *bytes = (size_t)(n % 5 == 3 ? 66000 + test_random_below(&random, 70000) : test_random_below(&random, 400));
    uint8_t *content = malloc(*bytes + 1);
    HOLDS(content, "out of memory");
    test_random_fill(&random, content, *bytes);
    return content;
}

/* ---- progress ---- */

static void reset(progress *p)
{
    atomic_store(&p->acknowledged, 0);
    atomic_store(&p->begun, 0);
}

void oracle_reset(uint64_t seed)
{
    shared->seed = seed;
    for (uint32_t r = 0; r < RANKS; r++) {
        reset(&shared->rows[r]);
        reset(&shared->facts[r]);
        reset(&shared->blobs[r]);
    }
    reset(&shared->outside);
    reset(&shared->rewinds);
    for (int g = 0; g < GONE_RUNS; g++) {
        reset(&shared->gone[g].rows);
        reset(&shared->gone[g].removal);
        shared->gone[g].is_hidden = 0;
    }
    atomic_store(&shared->gone_count, 0);
    atomic_store(&shared->is_over, 0);
}

/* found of something: all that was acknowledged before it was looked for, nothing that was not begun. */
static void decide(progress *p, uint64_t least, uint64_t found, int is_live, const char *what, uint32_t which)
{
    uint64_t most = atomic_load(&p->begun);
    HOLDS(found >= least, "%s %" PRIu32 ": %" PRIu64 " acknowledged, %" PRIu64 " there: %" PRIu64 " lost", what, which,
          least, found, least - found);
    HOLDS(found <= most, "%s %" PRIu32 ": %" PRIu64 " begun, %" PRIu64 " there: invented", what, which, most, found);
    if (is_live) return;
    atomic_store(&p->acknowledged, found);
    atomic_store(&p->begun, found);
}

steplog_id oracle_run(const char *key)
{
    steplog_id id;
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(key, strlen(key)));
    memcpy(id.bytes, canonical.digest, 16);
    return id;
}

/* ---- rows ---- */

typedef struct column {
    uint32_t rank;
    op_kind kind; /* OP_ROW stands for OP_SPARSE_ROW too */
    uint32_t number;
} column;

enum { COLUMNS_MAX = RANKS * (ROW_COLUMNS + WIDE_COLUMNS + POINTS_A_STEP) };

static void know_columns(steplog_reader *reader, const steplog_cursor *cursor, column *columns, size_t *known,
                         size_t count)
{
    HOLDS(count <= COLUMNS_MAX, "%zu columns", count);
    for (; *known < count; ++*known) {
        steplog_series series;
        steplog_series_info info = {.size_bytes = sizeof info};
        OK(steplog_cursor_series(cursor, *known, &series));
        OK(steplog_reader_series(reader, series, &info, &kit_error));
        HOLDS(info.rank < RANKS && strchr("rwp", info.name[0]), "series %s of rank %" PRIu32, info.name, info.rank);
        columns[*known] = (column){.rank = info.rank,
                                   .kind = info.name[0] == 'r' ? OP_ROW : info.name[0] == 'w' ? OP_WIDE_ROW : OP_POINT,
                                   .number = (uint32_t)atoi(info.name + 1)};
    }
}

static int is_present(const steplog_batch *batch, size_t c, size_t row)
{
    return batch->present[c][row / 64] >> (row % 64) & 1;
}

/* How many values operation n has. */
static uint32_t op_size(uint32_t rank, uint64_t n)
{
    switch (op_kind_of(rank, n)) {
    case OP_ROW: return ROW_COLUMNS;
    case OP_SPARSE_ROW: return (uint32_t)__builtin_popcountll(op_presence(rank, n));
    case OP_WIDE_ROW: return WIDE_COLUMNS;
    default: return 1;
    }
}

/* Whether the column belongs to operation n. */
static int is_of_op(const column *c, uint32_t rank, uint64_t n)
{
    op_kind kind = op_kind_of(rank, n);
    if (kind == OP_SPARSE_ROW) return c->kind == OP_ROW && (op_presence(rank, n) >> c->number & 1);
    return kind == c->kind && (kind != OP_POINT || c->number == n % POINTS_A_STEP);
}

static void check_value(const column *c, uint64_t n, double value)
{
    uint64_t found = kit_bits(value), expected = kit_bits(op_value(c->rank, n, c->kind, c->number));
    HOLDS(found == expected, "rank %" PRIu32 " operation %" PRIu64 " column %" PRIu32 ": %016" PRIx64
          ", expected %016" PRIx64, c->rank, n, c->number, found, expected);
}

static void check_time(uint32_t rank, uint64_t n, int64_t found)
{
    int64_t expected = op_time(rank, n);
    if (expected == STEPLOG_TIME_NOW) /* points share the time of the first one at their step, whatever it is */
        HOLDS(op_kind_of(rank, n) == OP_POINT || found != STEPLOG_TIME_NONE,
              "rank %" PRIu32 " operation %" PRIu64 " has no time", rank, n);
    else
        HOLDS(found == expected, "rank %" PRIu32 " operation %" PRIu64 ": time %" PRId64 ", expected %" PRId64, rank, n,
              found, expected);
}

/* Takes the operations from n on that stand in a row of the view; gives the next one. */
static uint64_t take_row(const steplog_batch *batch, size_t row, const column *columns, uint32_t rank, uint64_t n)
{
    uint32_t there = 0, taken = 0;
    for (size_t c = 0; c < batch->column_count; c++) there += (uint32_t)is_present(batch, c, row);
    int64_t step = batch->steps[row];
    HOLDS(step == op_step(rank, n), "rank %" PRIu32 ": step %" PRId64 " where operation %" PRIu64 " at step %" PRId64
          " comes next", rank, step, n, op_step(rank, n));
    while (taken < there && op_step(rank, n) == step) {
        uint32_t found = 0;
        for (size_t c = 0; c < batch->column_count; c++) {
            if (!is_present(batch, c, row) || !is_of_op(&columns[c], rank, n)) continue;
            check_value(&columns[c], n, batch->values[c][row]);
            found++;
        }
        HOLDS(found == op_size(rank, n), "rank %" PRIu32 " operation %" PRIu64 ": %" PRIu32 " values of %" PRIu32,
              rank, n, found, op_size(rank, n));
        if (op_kind_of(rank, n) != OP_POINT) check_time(rank, n, batch->times_ns[row]);
        taken += found;
        n++;
    }
    HOLDS(taken == there, "rank %" PRIu32 " step %" PRId64 ": %" PRIu32 " values that nobody recorded", rank, step,
          there - taken);
    return n;
}

static uint64_t check_rows(steplog_reader *reader, const steplog_id *run, uint32_t rank)
{
    char selector[32];
    snprintf(selector, sizeof selector, "*{rank=%" PRIu32 "}", rank);
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_ALL_ATTEMPTS};
    steplog_cursor *cursor = NULL;
    steplog_status status = steplog_cursor_open_matching(reader, run, selector, &view, &cursor, &kit_error);
    if (status == STEPLOG_MISSING) return 0;
    OK(status);
    column columns[COLUMNS_MAX];
    size_t known = 0;
    uint64_t n = 0;
    steplog_batch batch;
    while ((status = steplog_cursor_next(cursor, &batch, 0, &kit_error)) == STEPLOG_OK) {
        know_columns(reader, cursor, columns, &known, batch.column_count);
        for (size_t row = 0; row < batch.row_count; row++) n = take_row(&batch, row, columns, rank, n);
    }
    GIVES(END, status);
    steplog_cursor_close(cursor);
    return n;
}

/* ---- facts and blobs ---- */

static void check_facts(steplog_reader *reader, const steplog_id *run, uint64_t *ranks, uint64_t *outside,
                        uint64_t *rewinds)
{
    size_t count = steplog_reader_event_count(reader, run);
    for (size_t i = 0; i < count; i++) {
        steplog_event event = {.size_bytes = sizeof event};
        OK(steplog_reader_event(reader, run, i, &event, &kit_error));
        if (event.kind == STEPLOG_EVENT_REWIND) ++*rewinds;
        if (event.kind != STEPLOG_EVENT_SET || strncmp(event.key, "tag.", 4) != 0) continue;
        uint64_t *next = strcmp(event.key, "tag.out") == 0 ? outside : &ranks[event.key[4] - '0'];
        HOLDS(event.value && strtoull(event.value, NULL, 10) == *next, "fact %s is %s where %" PRIu64 " comes next",
              event.key, event.value ? event.value : "nothing", *next);
        ++*next;
    }
}

static void check_blobs(steplog_reader *reader, const steplog_id *run, uint64_t *ranks)
{
    size_t count = steplog_reader_blob_count(reader, run);
    for (size_t i = 0; i < count; i++) {
        steplog_blob_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_blob(reader, run, i, &info, &kit_error));
        HOLDS(info.rank < RANKS && info.step == (int64_t)ranks[info.rank], "blob %s at step %" PRId64 " where %" PRIu64
              " comes next", info.name, info.step, ranks[info.rank < RANKS ? info.rank : 0]);
        size_t bytes;
        uint8_t *expected = blob_content(info.rank, (uint64_t)info.step, &bytes), *found = malloc(info.bytes + 1);
        HOLDS(found && info.bytes == bytes, "blob %" PRId64 " of %" PRIu64 " bytes: expected %zu", info.step,
              info.bytes, bytes);
        OK(steplog_reader_blob_read(reader, run, i, found, info.bytes, &kit_error));
        HOLDS(memcmp(found, expected, bytes) == 0, "blob %" PRId64 " holds other bytes", info.step);
        free(expected);
        free(found);
        ranks[info.rank]++;
    }
}

/* ---- removed runs ---- */

static void check_gone(steplog_reader *reader, uint32_t g)
{
    char key[16];
    snprintf(key, sizeof key, "gone%" PRIu32, g);
    steplog_id run = oracle_run(key);
    uint64_t acknowledged = atomic_load(&shared->gone[g].rows.acknowledged);
    kit_rows rows = kit_read(reader, &run, "*", &(steplog_view){.size_bytes = sizeof(steplog_view)});
    for (size_t row = 0; row < rows.row_count; row++)
        HOLDS(rows.steps[row] == (int64_t)row &&
                  kit_bits(kit_at(&rows, row, 0)) == kit_bits(kit_value(shared->seed, g, row, 0)),
              "row %zu of run %s is another one", row, key);
    int must_be_gone = shared->gone[g].is_hidden || atomic_load(&shared->gone[g].removal.acknowledged);
    int may_be_gone = must_be_gone || atomic_load(&shared->gone[g].removal.begun);
    HOLDS(!must_be_gone || rows.row_count == 0, "%zu rows of the removed run %s came back", rows.row_count, key);
    HOLDS((may_be_gone && rows.row_count == 0) || rows.row_count >= acknowledged,
          "run %s: %" PRIu64 " acknowledged, %zu there", key, acknowledged, rows.row_count);
    HOLDS(rows.row_count <= atomic_load(&shared->gone[g].rows.begun), "run %s: %zu rows", key, rows.row_count);
    if (rows.row_count == 0 && atomic_load(&shared->gone[g].removal.begun)) shared->gone[g].is_hidden = 1;
    kit_rows_free(&rows);
}

/* ---- all of it ---- */

static steplog_reader *open_reader(const char *path, steplog_store **store)
{
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_READ_ONLY};
    steplog_status status = steplog_store_open(path, &options, store, &kit_error);
    if (status == STEPLOG_MISSING || (status == STEPLOG_IO && kit_error.os_errno == 2)) return NULL; /* not made yet */
    OK(status);
    return kit_reader(*store);
}

static int is_mapped_log(const char *path, const char *name)
{
    char file[512];
    uint8_t head[SL_LOG_HEADER_BYTES];
    sl_log_header header;
    snprintf(file, sizeof file, "%s/%s", path, name);
    FILE *in = fopen(file, "rb");
    int is_read = in && fread(head, sizeof head, 1, in) == 1;
    if (in) fclose(in);
    return is_read && sl_log_header_decode(head, name, &header, NULL) == STEPLOG_OK && header.mode == SL_LOG_MODE_MAPPED;
}

/* A kill leaves no half of a record in a mapped log: its commit word is its last store. A write may be cut short. */
static void check_ends(const char *path, const steplog_reader *reader)
{
    for (size_t i = 0; i < steplog_reader_damage_count(reader); i++) {
        steplog_damage damage = {.size_bytes = sizeof damage};
        OK(steplog_reader_damage(reader, i, &damage));
        HOLDS(!strstr(damage.what, "not completed") || !is_mapped_log(path, damage.file), "%s at %" PRId64 ": %s",
              damage.file, damage.offset, damage.what);
    }
}

void oracle_check(const char *path, uint32_t live_ranks)
{
    steplog_store *store;
    steplog_id run = oracle_run("run");
    uint64_t rows[RANKS] = {0}, facts[RANKS] = {0}, blobs[RANKS] = {0}, outside = 0, rewinds = 0;
    uint64_t least_rows[RANKS], least_facts[RANKS], least_blobs[RANKS];
    uint64_t least_outside = atomic_load(&shared->outside.acknowledged);
    uint64_t least_rewinds = atomic_load(&shared->rewinds.acknowledged);
    for (uint32_t r = 0; r < RANKS; r++) {
        least_rows[r] = atomic_load(&shared->rows[r].acknowledged);
        least_facts[r] = atomic_load(&shared->facts[r].acknowledged);
        least_blobs[r] = atomic_load(&shared->blobs[r].acknowledged);
    }
    steplog_reader *reader = open_reader(path, &store);
    if (reader) {
        for (uint32_t r = 0; r < RANKS; r++) rows[r] = check_rows(reader, &run, r);
        check_facts(reader, &run, facts, &outside, &rewinds);
        check_blobs(reader, &run, blobs);
        for (uint32_t g = 0; g < atomic_load(&shared->gone_count); g++) check_gone(reader, g);
        kit_no_damage(reader);
        if (!live_ranks) check_ends(path, reader);
        steplog_reader_close(reader);
        kit_store_close(store);
        if (!live_ranks) kit_verify(path);
    }
    for (uint32_t r = 0; r < RANKS; r++) {
        int is_live = live_ranks >> r & 1;
        decide(&shared->rows[r], least_rows[r], rows[r], is_live, "rows of rank", r);
        decide(&shared->facts[r], least_facts[r], facts[r], is_live, "facts of rank", r);
        decide(&shared->blobs[r], least_blobs[r], blobs[r], is_live, "blobs of rank", r);
    }
    decide(&shared->outside, least_outside, outside, live_ranks != 0, "facts from outside", 0);
    decide(&shared->rewinds, least_rewinds, rewinds, live_ranks != 0, "rewinds", 0);
}

/* ---- following ---- */

typedef struct follower {
    uint8_t *seen[RANKS];
    uint64_t capacity[RANKS], count[RANKS];
} follower;

static void mark_seen(follower *f, uint32_t rank, uint64_t n)
{
    if (n >= f->capacity[rank]) {
        uint64_t capacity = 2 * n + 4096;
        f->seen[rank] = realloc(f->seen[rank], capacity);
        HOLDS(f->seen[rank], "out of memory");
        memset(f->seen[rank] + f->capacity[rank], 0, capacity - f->capacity[rank]);
        f->capacity[rank] = capacity;
    }
    HOLDS(!f->seen[rank][n], "the follower saw operation %" PRIu64 " of rank %" PRIu32 " twice", n, rank);
    HOLDS(n < atomic_load(&shared->rows[rank].begun), "the follower saw operation %" PRIu64 " of rank %" PRIu32
          " that was not begun", n, rank);
    f->seen[rank][n] = 1;
    f->count[rank]++;
}

static void follow_row(follower *f, const steplog_batch *batch, size_t row, const column *columns)
{
    const column *first = NULL;
    uint64_t n = (uint64_t)batch->steps[row];
    uint32_t found = 0;
    for (size_t c = 0; c < batch->column_count; c++) {
        if (!is_present(batch, c, row)) continue;
        if (!first) first = &columns[c];
        if (!found && first->kind == OP_POINT) n += first->number;
        HOLDS(columns[c].rank == first->rank && is_of_op(&columns[c], first->rank, n),
              "a row of several operations at step %" PRId64, batch->steps[row]);
        check_value(&columns[c], n, batch->values[c][row]);
        found++;
    }
    HOLDS(first && found == op_size(first->rank, n), "%" PRIu32 " values at step %" PRId64, found, batch->steps[row]);
    check_time(first->rank, n, batch->times_ns[row]);
    mark_seen(f, first->rank, n);
    atomic_fetch_add(&shared->followed, 1);
}

static int has_seen_all(const follower *f)
{
    for (uint32_t r = 0; r < RANKS; r++)
        if (f->count[r] < atomic_load(&shared->rows[r].acknowledged)) return 0;
    return 1;
}

void oracle_follow(const char *path)
{
    steplog_id run = oracle_run("run");
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY, 0);
    steplog_reader *reader = kit_reader(store);
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW};
    steplog_cursor *cursor = NULL;
    steplog_status status;
    while ((status = steplog_cursor_open_matching(reader, &run, "*", &view, &cursor, &kit_error)) == STEPLOG_MISSING) {
        if (atomic_load(&shared->is_over)) break; /* nothing was ever recorded */
        OK(steplog_reader_refresh(reader, &kit_error));
    }
    follower f = {0};
    column columns[COLUMNS_MAX];
    size_t known = 0;
    double since = 0;
    while (status != STEPLOG_MISSING) {
        steplog_batch batch;
        int was_over = atomic_load(&shared->is_over);
        status = steplog_cursor_next(cursor, &batch, 20, &kit_error);
        if (status == STEPLOG_WAIT) {
            if (was_over && has_seen_all(&f)) break;
            if (!was_over) since = now_s();
            HOLDS(!was_over || now_s() - since < 60, "the follower waits for rows that were acknowledged: it saw %"
                  PRIu64 " %" PRIu64 " %" PRIu64, f.count[0], f.count[1], f.count[2]);
            continue;
        }
        OK(status);
        since = now_s();
        know_columns(reader, cursor, columns, &known, batch.column_count);
        for (size_t row = 0; row < batch.row_count; row++) follow_row(&f, &batch, row, columns);
    }
    steplog_cursor_close(cursor);
    kit_no_damage(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
    for (uint32_t r = 0; r < RANKS; r++) free(f.seen[r]);
}
