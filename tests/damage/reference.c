/* damage/reference.c: making the reference store.
 *
 *   run a   a writer whose logs were filled to the brim and refused points (a gap), most of its rows removed since (what
 *           is left has a column page), a second attempt, a rewind and its undo; compacted twice, so that
 *           it lies on level 2 and has dropped ranges; then a removal that is not compacted yet
 *   run b   a fork of a; its writer was killed: a log with a mark in its middle and an unsynced tail. Somebody recovered
 *           a copy of the store while it lived, and the segment came back: each record before that lies in two files
 *   run c   every codec, and blobs that are packed and not; a second writer's segment, written block by block, whose group
 *           has statistics (a full chunk four times over would be three times as many points to read in each case)
 *
 * Nodes do not fit: there are none in a group of up to 64 chunks, and 65 of the smallest take 10 KB. Their damage is in
 * core/test_verify_segment.c and format_reader/test_made_nodes.py. */
#include "damage/reference.h"

#include "format/checksum.h"
#include "format/layout.h"
#include "os/os.h"
#include "support/random.h"
#include "support/store_kit.h"
#include "write/segment_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 8, COLUMNS_MAX = 16 };

/* Steps of run a: removed whole, removed of the metric k, seen by the fork, begun again. */
enum {
    KEPT_ROWS = 260, /* so many bytes have a page of their own */
    REMOVED_BEGIN = 10000,
    REMOVED_END = 100000,
    REMOVED_K_BEGIN = 160,
    REMOVED_K_END = 500,
    FORK_STEP = 200,
    RESUME_STEP = 2500
};

/* The writer of run c whose rows have statistics: the fewest that do. */
enum { STATS_CHUNKS = SL_STATS_CHUNKS_MIN, STATS_CHUNK_ROWS = SL_STATS_VALUES_MIN };

static memory_disk disk; /* on which the store is made */

typedef struct source {
    reference *reference;
    steplog_writer *writer;
    steplog_writer_stats stats;
} source;

static void remember_of(reference *r, steplog_id run, steplog_id incarnation, uint64_t sequence, uint32_t attempt,
                        const char *metric, int64_t step, int64_t time_ns, double value)
{
    if (r->point_count % 1024 == 0) {
        r->points = realloc(r->points, (r->point_count + 1024) * sizeof *r->points);
        HOLDS(r->points, "out of memory");
    }
    reference_point *point = &r->points[r->point_count++];
    *point = (reference_point){.run = run,
                               .incarnation = incarnation,
                               .sequence = sequence,
                               .attempt = attempt,
                               .step = step,
                               .time_ns = time_ns,
                               .bits = kit_bits(value)};
    snprintf(point->metric, sizeof point->metric, "%s", metric);
}

static void remember(source *s, const char *metric, int64_t step, int64_t time_ns, double value)
{
    s->stats = kit_stats(s->writer);
    remember_of(s->reference, s->stats.run, s->stats.incarnation, s->stats.last_sequence, s->stats.attempt, metric, step,
                time_ns, value);
}

static source source_open(reference *r, steplog_store *store, const steplog_writer_options *options)
{
    steplog_writer_options full = *options;
    source s = {.reference = r};
    full.size_bytes = sizeof full;
    OK(steplog_writer_open(store, &full, &s.writer, &kit_error));
    return s;
}

typedef struct table {
    steplog_schema schema;
    const char *names[COLUMNS_MAX];
    size_t count;
} table;

/* names: one letter each. */
static table table_of(source *s, const char *names)
{
    static char texts[256][2];
    table t = {.count = strlen(names)};
    steplog_metric metrics[COLUMNS_MAX];
    for (size_t i = 0; i < t.count; i++) {
        texts[(uint8_t)names[i]][0] = names[i];
        t.names[i] = texts[(uint8_t)names[i]];
        metrics[i] = kit_metric(s->writer, t.names[i]);
    }
    OK(steplog_writer_schema(s->writer, metrics, t.count, &t.schema, &kit_error));
    return t;
}

/* present: a bit for each column. */
static steplog_status put_row(source *s, const table *t, int64_t step, int64_t time_ns, const double *values,
                              uint64_t present)
{
    uint64_t all = (UINT64_C(1) << t->count) - 1;
    steplog_status status = steplog_writer_append_present(s->writer, t->schema, step, time_ns, values,
                                                          present == all ? NULL : &present);
    for (size_t i = 0; i < t->count && status >= 0; i++)
        if (present >> i & 1) remember(s, t->names[i], step, time_ns, values[i]);
    return status;
}

static void put_point(source *s, const char *metric, int64_t step, int64_t time_ns, double value)
{
    steplog_metric handle = kit_metric(s->writer, metric);
    int64_t before = memory_os_now_ns();
    OK(steplog_writer_point(s->writer, handle, step, time_ns, value));
    static int64_t shared_ns;
    if (time_ns == STEPLOG_TIME_NOW && memory_os_now_ns() != before) shared_ns = memory_os_now_ns();
    remember(s, metric, step, time_ns == STEPLOG_TIME_NOW ? shared_ns : time_ns, value);
}

static void put_blob(source *s, const char *name, const char *content_type, const void *data, size_t bytes)
{
    OK(steplog_writer_blob(s->writer, name, 3, 4, content_type, data, bytes, &kit_error));
    s->stats = kit_stats(s->writer);
    HOLDS(s->reference->blob_count < REFERENCE_BLOBS, "too many blobs");
    reference_blob *blob = &s->reference->blobs[s->reference->blob_count++];
    *blob = (reference_blob){.incarnation = s->stats.incarnation, .sequence = s->stats.last_sequence};
    snprintf(blob->name, sizeof blob->name, "%s", name);
}

/* ---- the store's files ---- */

/* A log as a copy that was cut behind its last record: what lies there belongs to nothing (FORMAT.md 16). */
static size_t used_bytes(const memory_node *log)
{
    size_t end = SL_LOG_HEADER_BYTES;
    while (end + 8 <= log->bytes && sl_load64(log->data + end) != 0) end += (sl_load64(log->data + end) & 0xffff) * 8;
    return end + 8 <= log->bytes ? end + 8 : end; /* with the commit word of zero */
}

static int is_log(const char *name)
{
    return strncmp(name, "log/", 4) == 0;
}

static const memory_file *log_in_use(const memory_disk *from)
{
    for (size_t i = 0; i < from->count; i++)
        if (is_log(from->files[i].name) && !sl_is_zero(from->files[i].node->data + 16, 16)) return &from->files[i];
    return NULL;
}

static steplog_store *open_store(uint32_t flags)
{
    return kit_store(MEMORY_STORE, STEPLOG_CREATE | STEPLOG_NO_THREAD | flags, SL_LOG_BYTES_MIN);
}

/* What lies on the disk while a writer still lives is what its death leaves. */
static void take_log(memory_disk *to, memory_disk *from)
{
    const memory_file *file = log_in_use(from);
    HOLDS(file, "there is no log");
    memory_disk_put(to, file->name, file->node->data, used_bytes(file->node));
}

/* ---- run a ---- */

/* Fills logs until points are refused. */
static void fill_logs(source *s, test_random *random)
{
    table t = table_of(s, "mkp");
    steplog_status status = STEPLOG_OK;
    OK(steplog_writer_set_fact(s->writer, "param.lr", "0.1", &kit_error));
    memory_os_set_room(0);
    for (int64_t i = 0; status == STEPLOG_OK; i++) {
        double values[3] = {(double)test_random_below(random, UINT64_C(1) << 32) / 100, (double)(i * 7), i % 99 == 0 ? 0.5 : 0.25};
        uint64_t present = 1 | (i % 16 == 0 ? 2 : 0) | (i % 3 == 0 ? 4 : 0);
        int64_t step = i < KEPT_ROWS ? i * 10 + (i < 150 ? 0 : 70) : REMOVED_BEGIN + i;
        status = put_row(s, &t, step, STEPLOG_TIME_NONE, values, present);
        HOLDS(status == STEPLOG_OK || (status == STEPLOG_FULL && i > KEPT_ROWS), "row %d gave %s", (int)i,
              steplog_status_name(status));
    }
    memory_os_set_room(UINT64_MAX);
}

static void make_run_a(reference *r, steplog_store *store, test_random *random)
{
    uint32_t attempt;
    steplog_pair label = {"split", "va"};
    source first = source_open(r, store, &(steplog_writer_options){.run_key = "a", .labels = &label, .label_count = 1});
    fill_logs(&first, random);
    r->run_a = kit_run_of(first.writer);
    kit_writer_close(first.writer);
    OK(steplog_run_rewind(store, &r->run_a, 2000, &attempt, &kit_error));
    OK(steplog_run_rewind_undo(store, &r->run_a, &attempt, &kit_error));
    steplog_remove_options removal = {.size_bytes = sizeof removal, .run = r->run_a, .has_begin = 1, .has_end = 1,
                                      .step_begin = REMOVED_BEGIN, .step_end = REMOVED_END};
    steplog_remove_result removed = {.size_bytes = sizeof removed};
    OK(steplog_remove(store, &removal, &removed, &kit_error));
    steplog_compact_options options = {.size_bytes = sizeof options, .flags = STEPLOG_COMPACT_NOW};
    OK(steplog_store_compact(store, &options, NULL, &kit_error));
    source second = source_open(r, store, &(steplog_writer_options){.run_key = "a", .labels = &label, .label_count = 1,
                                                                    .attempt = 3, .is_resume = 1, .resume_step = RESUME_STEP});
    put_point(&second, "m", RESUME_STEP, 77, 1.5);
    put_point(&second, "m", RESUME_STEP + 10, 78, NAN);
    kit_writer_close(second.writer);
    OK(steplog_run_fork(store, &r->run_a, FORK_STEP, "b", "fork", &r->run_b, &kit_error));
    OK(steplog_store_compact(store, &options, NULL, &kit_error));
    removal = (steplog_remove_options){.size_bytes = sizeof removal, .run = r->run_a, .selector = "k", .has_begin = 1,
                                       .has_end = 1, .step_begin = REMOVED_K_BEGIN, .step_end = REMOVED_K_END};
    OK(steplog_remove(store, &removal, &removed, &kit_error));
}

/* ---- run b ---- */

/* The store as it is now, recovered by somebody who has a copy of it: gives the segment that this makes. */
static void seal_copy(memory_disk *sealed)
{
    static memory_disk copy;
    memory_disk_copy(&copy, &disk);
    memory_os_use(&copy, SEED + 1);
    steplog_store *store = kit_store(MEMORY_STORE, STEPLOG_NO_THREAD, SL_LOG_BYTES_MIN);
    OK(steplog_store_tick(store, 1000, &kit_error));
    kit_store_close(store);
    for (size_t i = 0; i < copy.count; i++)
        if (!copy.files[i].node->is_directory && !is_log(copy.files[i].name) && !memory_disk_find(&disk, copy.files[i].name))
            memory_disk_put(sealed, copy.files[i].name, copy.files[i].node->data, copy.files[i].node->bytes);
    memory_disk_free(&copy);
    memory_os_use(&disk, SEED + 2);
}

static source make_run_b(reference *r, steplog_store *store, memory_disk *sealed)
{
    source s = source_open(r, store, &(steplog_writer_options){.run_key = "b"});
    table t = table_of(&s, "mx");
    for (int i = 0; i < 3; i++)
        put_row(&s, &t, 200 + i, 1000 + i, (double[]){i * 0.5, -0.0}, i == 1 ? 2 : 3);
    seal_copy(sealed);
    put_point(&s, "y", 210, STEPLOG_TIME_NOW, 1);
    put_point(&s, "z", 210, STEPLOG_TIME_NOW, 2);
    put_point(&s, "x", 210, 5, 3);
    OK(steplog_writer_set_fact(s.writer, "note", "killed", &kit_error));
    put_point(&s, "y", 211, STEPLOG_TIME_NONE, INFINITY);
    OK(steplog_writer_sync(s.writer, &kit_error));
    take_log(&r->older, &disk);
    put_blob(&s, "o", "t", "abc", 3);
    put_row(&s, &t, 220, 2000, (double[]){4, 5}, 3);
    put_row(&s, &t, 221, 2001, (double[]){6, 7}, 3);
    return s;
}

/* ---- run c ---- */

/* Columns for each codec: what value row i has in column c. */
static double codec_value(test_random *random, int column, int i)
{
    uint64_t bits;
    switch (column) {
    case 0: return -INFINITY;                                                  /* constant */
    case 1: return 100 + i * 0.5;                                              /* decimal, affine */
    case 2: return (double)(i * i) / 10;                                       /* decimal, order 2 */
    case 3: return (double)(i * i * i);                                        /* decimal, order 3 */
    case 4: return (double)(float)((double)test_random_below(random, 90) / 10); /* decimal through a float */
    case 5: return (double)(float)(test_random_unit(random) + 1);              /* ordered */
    case 6: return (double)(i == 7 ? 123456 : (int)test_random_below(random, 8)); /* patched */
    case 7: return i == 3 ? NAN : (double)test_random_below(random, 64) / 100; /* exceptions */
    case 8: return (double)(1 + i * 5 % 13) / 7;                               /* a fraction */
    case 9: return i % 4 < 2 ? 0.12345678901234567 : 0.98765432109876543;      /* a dictionary */
    default:                                                                   /* raw */
        bits = test_random_u64(random);
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
}

static source make_run_c(reference *r, steplog_store *store, test_random *random)
{
    static const char text[] = "loss loss loss loss loss loss loss loss loss loss";
    uint8_t noise[24];
    source s = source_open(r, store, &(steplog_writer_options){.run_key = "c", .rank = 1});
    table t = table_of(&s, "ABCDEFGHIJK");
    static const int64_t gaps[] = {3, 5, 4, 9};
    int64_t step = 0;
    for (int i = 0; i < 9; i++) {
        double values[11];
        for (int c = 0; c < 11; c++) values[c] = codec_value(random, c, i);
        put_row(&s, &t, step, 50 + i * 3, values, i == 5 ? 2046 : 2047); /* one value left out: a bitmap */
        step += i == 6 ? 3000 : gaps[i % 4];
    }
    for (int i = 0; i < 4; i++) { /* times that are nothing but bits, long enough to be shared */
        int64_t time_ns = (int64_t)(test_random_u64(random) >> 2);
        put_point(&s, "y", 40 + i * i * i, time_ns, i);
        put_point(&s, "z", 40 + i * i * i, time_ns, i);
    }
    OK(steplog_writer_set_fact(s.writer, "tag.t", text, &kit_error));
    put_blob(&s, "txt", "text/plain", text, sizeof text);
    test_random_fill(random, noise, sizeof noise);
    put_blob(&s, "raw", "b", noise, sizeof noise);
    return s;
}

/* A segment of a writer that has long ended. */
static void make_statistics(reference *r)
{
    sl_writer_description d = {.run = r->run_c, .attempt = 1, .rank = 1, .step_axis = "step", .step_axis_bytes = 4,
                               .incarnation = {{9, 9, 9}}};
    sl_buffer description = {0};
    sl_segment_writer *writer;
    sl_ranges held = {0}, dropped = {0};
    uint32_t ordinal;
    uint64_t sequence = 0;
    sl_writer_description_encode(&d, &description);
    int dir = sl_os->open_dir(-1, MEMORY_STORE);
    HOLDS(dir >= 0, "the store");
    OK(sl_segment_writer_open(dir, 0, &writer, &kit_error));
    OK(sl_segment_writer_begin(writer, description.data, description.bytes, &kit_error));
    OK(sl_segment_writer_schema(writer, (const char *const[]){"n"}, (const uint32_t[]){1}, 1, &ordinal, &kit_error));
    for (int chunk = 0; chunk < STATS_CHUNKS; chunk++) {
        for (int row = 0; row < STATS_CHUNK_ROWS; row++) {
            double value = chunk == 1 ? (double)NAN : (double)chunk;
            int64_t step = 5000 + 2 * (int64_t)++sequence;
            OK(sl_segment_writer_row(writer, ordinal, step, STEPLOG_TIME_NONE, sequence, &value, NULL, &kit_error));
            remember_of(r, d.run, d.incarnation, sequence, d.attempt, "n", step, STEPLOG_TIME_NONE, value);
        }
        OK(sl_segment_writer_flush(writer, &kit_error));
    }
    HOLDS(sl_ranges_add(&held, 1, sequence + 1), "out of memory");
    OK(sl_segment_writer_end(writer, &held, &dropped, &kit_error));
    OK(sl_segment_writer_publish(writer, NULL, NULL, &kit_error));
    sl_os->close(dir);
    SL_VEC_FREE(&held);
    sl_buffer_free(&description);
}

/* ---- the store ---- */

int reference_shows(const reference *r, const steplog_id *run, int view, const reference_point *point)
{
    int is_of_a = memcmp(&point->run, &r->run_a, 16) == 0, is_fork = memcmp(run, &r->run_b, 16) == 0;
    if (is_of_a && point->attempt == 1) {
        if (point->step >= REMOVED_BEGIN && point->step < REMOVED_END) return 0;
        if (point->metric[0] == 'k' && point->step >= REMOVED_K_BEGIN && point->step < REMOVED_K_END) return 0;
    }
    if (is_of_a && is_fork) return point->step < FORK_STEP;
    if (memcmp(&point->run, run, 16) != 0) return 0;
    int is_cut = is_of_a && point->attempt == 1 && point->step >= RESUME_STEP;
    return !is_cut || view == VIEW_ALL || view == VIEW_ARRIVAL;
}

void reference_make(reference *r)
{
    static memory_disk kept; /* the log, and the segment of the copy */
    test_random random = test_random_from(SEED);
    *r = (reference){0};
    memory_disk_free(&disk);
    memory_disk_free(&kept);
    memory_os_set_boot(1);
    memory_os_use(&disk, SEED);

    steplog_store *store = open_store(0);
    make_run_a(r, store, &random);
    kit_store_close(store);

    store = open_store(STEPLOG_FORCE_PWRITE | STEPLOG_NO_ADOPT);
    source c = make_run_c(r, store, &random);
    r->run_c = kit_run_of(c.writer);
    kit_writer_close(c.writer);
    kit_store_close(store);
    make_statistics(r);

    memory_disk held;
    memset(&held, 0, sizeof held);
    store = open_store(STEPLOG_NO_ADOPT);
    source b = make_run_b(r, store, &kept);
    take_log(&kept, &disk);
    memory_disk_copy(&held, &disk);
    kit_writer_close(b.writer);
    kit_store_close(store);

    for (size_t i = 0; i < held.count; i++) {
        const memory_file *file = &held.files[i];
        if (!file->node->is_directory && !is_log(file->name))
            memory_disk_put(&r->disk, file->name, file->node->data, file->node->bytes);
    }
    for (size_t i = 0; i < kept.count; i++)
        if (!kept.files[i].node->is_directory)
            memory_disk_put(&r->disk, kept.files[i].name, kept.files[i].node->data, kept.files[i].node->bytes);
    memory_disk_put(&r->disk, "log/00000000000000000000000000000001-1.log", "spare that was cut short", 24);
    memory_disk_put(&r->disk, "seg/0/00000000000000000000000000000002.tmp", "SLSEGMNT that was never done", 28);
    memory_disk_free(&held);
    for (size_t i = 0; i < r->disk.count; i++) {
        r->bytes += r->disk.files[i].node->bytes;
        r->zero_bytes += is_log(r->disk.files[i].name) && r->disk.files[i].node->bytes > SL_LOG_HEADER_BYTES ? 2816 : 0;
    }
}

/* What the store has to hold, as dump tells it: the structure, one of its fields, and what this is or contains. */
typedef struct wanted {
    const char *structure, *field, *value;
    int is_part; /* of the value */
} wanted;

static const wanted everything[] = {
    {"STEPLOG", "version", "1", 0},
    {"log header", "version", "1", 0},
    {"segment header", "version", "1", 0},
    {"page", "flags", "0", 0},
    {"page", "flags", "1", 0}, /* LZ4 */
    {"page", "kind name", "WRITER", 0},
    {"page", "kind name", "SCHEMA", 0},
    {"page", "kind name", "COLUMN", 0},
    {"page", "kind name", "CHUNK", 0},
    {"page", "kind name", "FACTS", 0},
    {"page", "kind name", "BLOB", 0},
    {"page", "kind name", "WRITER_TABLE", 0},
    {"page", "kind name", "SCHEMA_TABLE", 0},
    {"page", "kind name", "GROUP_TABLE", 0},
    {"page", "kind name", "CHUNK_TABLE", 0},
    {"page", "kind name", "RANGE_TABLE", 0},
    {"page", "kind name", "RECORD_TABLE", 0},
    {"page", "kind name", "STATS_TABLE", 0},
    {"page", "kind name", "TRAILER", 0},
    {"log record", "kind name", "ROW", 0},
    {"log record", "kind name", "POINT", 0},
    {"log record", "kind name", "CONTINUATION", 0},
    {"log record", "kind name", "FACT", 0},
    {"log record", "kind name", "BLOB", 0},
    {"log record", "kind name", "WRITER", 0},
    {"log record", "kind name", "NAME", 0},
    {"log record", "kind name", "SCHEMA", 0},
    {"fact", "kind name", "SET", 0},
    {"fact", "kind name", "END", 0},
    {"fact", "kind name", "REWIND", 0},
    {"fact", "kind name", "UNDO", 0},
    {"fact", "kind name", "FORK", 0},
    {"fact", "kind name", "TOMBSTONE", 0},
    {"fact", "kind name", "GAP", 0},
    {"steps", "encoding", "integer factor=1 ", 1},
    {"steps", "encoding", "integer factor=10 ", 1},
    {"steps", "encoding", "delta=0", 1},
    {"steps", "encoding", "delta=1", 1},
    {"steps", "encoding", "patches=1", 1},
    {"times", "encoding", "raw", 0},
    {"times", "reference", "", 1},
    {"directory entry", "page distance", "", 1},
    {"statistics entry", "value count", "256", 0},
    {"payload", "presence", "bitmap", 0},
    {"payload", "positions", "integer", 1},
    {"payload", "encoding", "constant", 0},
    {"payload", "encoding", "raw", 0},
    {"payload", "encoding", "decimal e=", 1},
    {"payload", "encoding", "decimal-float", 1},
    {"payload", "encoding", "ordered", 1},
    {"payload", "encoding", "fraction", 1},
    {"payload", "encoding", "dictionary", 1},
    {"payload", "encoding", "delta=0", 1},
    {"payload", "encoding", "delta=1", 1},
    {"payload", "encoding", "delta=2", 1},
    {"payload", "encoding", "delta=3", 1},
    {"payload", "encoding", "patches=1", 1},
    {"payload", "encoding", "exceptions=1", 1},
};
enum { WANTED = sizeof everything / sizeof *everything };

static int look_for(void *context, const steplog_dump_item *item)
{
    int *is_seen = context;
    for (size_t i = 0; i < WANTED; i++) {
        const wanted *w = &everything[i];
        if (strcmp(item->structure, w->structure) != 0 || strcmp(item->field, w->field) != 0) continue;
        is_seen[i] |= w->is_part ? strstr(item->value, w->value) != NULL : strcmp(item->value, w->value) == 0;
    }
    return 0;
}

void reference_check(const reference *r)
{
    static const char *const names[] = {"STEPLOG", "log/", "seg/0/", "seg/2/"};
    int is_seen[WANTED] = {0};
    OK(steplog_dump(MEMORY_STORE, NULL, STEPLOG_DUMP_VALUES, look_for, is_seen, &kit_error));
    for (size_t i = 0; i < WANTED; i++)
        HOLDS(is_seen[i], "the reference store has no %s with %s '%s'", everything[i].structure, everything[i].field,
              everything[i].value);
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        size_t found = 0;
        for (size_t i = 0; i < r->disk.count; i++)
            found += !r->disk.files[i].node->is_directory && strncmp(r->disk.files[i].name, names[n], strlen(names[n])) == 0;
        HOLDS(found, "the reference store has no %s", names[n]);
    }
    HOLDS(r->bytes <= REFERENCE_BYTES_MAX, "the reference store has %zu bytes", r->bytes);
}

void reference_free(reference *r)
{
    memory_disk_free(&r->disk);
    memory_disk_free(&r->older);
    free(r->points);
}
