/* fuzz/make_corpus.c: the first inputs of every target: make_corpus DIRECTORY writes DIRECTORY/TARGET/seed-NAME.
 *
 * Stores are written through the public calls on a machine in memory, which is the same every time, and then taken
 * apart into what each target reads. */
#include "format/chunk_codec.h"
#include "format/fact_codec.h"
#include "format/log_header.h"
#include "format/log_walk.h"
#include "format/page_walk.h"
#include "format/segment_codec.h"
#include "format/value_codec.h"
#include "fuzz/archive.h"
#include "fuzz/corpus_texts.h"
#include "fuzz/repair.h"
#include "support/sim_os.h"
#include "support/store_kit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CHUNKS_TAKEN_APART = 6, KEY = 12345, SEED_BYTES_MAX = 64 << 10, NAME_KINDS = 32, NODE_ENTRY = 15 /* in fuzz_heads.c; then those of statistics */ };

static const char *corpus;

/* ---- writing ---- */

static void write_seed(const char *target, const char *name, const void *data, size_t bytes)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", corpus, target);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/seed-%s", corpus, target, name);
    FILE *file = fopen(path, "wb");
    HOLDS(file && fwrite(data, 1, bytes, file) == bytes && fclose(file) == 0, "'%s'", path);
}

/* With bytes of the target's own in front. */
static void write_headed(const char *target, const char *name, const void *head, size_t head_bytes, const void *data,
                         size_t bytes)
{
    static uint8_t all[SEED_BYTES_MAX];
    if (head_bytes + bytes > sizeof all) return;
    memcpy(all, head, head_bytes);
    if (bytes) memcpy(all + head_bytes, data, bytes);
    write_seed(target, name, all, head_bytes + bytes);
}

/* One of the structures of fuzz_heads.c, as it is and with each of its bytes changed. */
static void write_head(const char *name, uint8_t which, const void *data, size_t bytes)
{
    char each[256];
    /* One store shows them all, and a log; but for nodes and statistics, which another one has. */
    if (strncmp(name, "small", 5) != 0 && strncmp(name, "killed", 6) != 0 && which < NODE_ENTRY) return;
    uint8_t from = (uint8_t)(which + 240);
    snprintf(each, sizeof each, "%s-each", name);
    write_headed("heads", name, &which, 1, data, bytes);
    write_headed("heads", each, &from, 1, data, bytes);
}

/* ---- segments taken apart ---- */

typedef struct from_file {
    const uint8_t *data;
    uint64_t bytes;
} from_file;

static int64_t read_file(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    const from_file *file = context;
    if (offset >= file->bytes) return 0;
    if (bytes > file->bytes - offset) bytes = (size_t)(file->bytes - offset);
    memcpy(buffer, file->data + offset, bytes);
    return (int64_t)bytes;
}

static void write_chunk(const char *name, const uint8_t *content, uint32_t bytes)
{
    sl_chunk_head head;
    sl_column_info info;
    char part_name[256];
    write_seed("chunk", name, content, bytes);
    HOLDS(sl_chunk_head_decode(content, bytes, &head), "'%s'", name);
    uint8_t count[2];
    sl_store16(count, (uint16_t)(head.row_count - 1));
    for (int part = 0; part < SL_PART_COUNT; part++) {
        if (head.is_reference[part] || head.part_bytes[part] == 0) continue;
        snprintf(part_name, sizeof part_name, "%s-%d", name, part);
        write_headed("ints", part_name, count, 2, head.part[part], head.part_bytes[part]);
    }
    sl_chunk_walk walk = sl_chunk_directory_begin(&head);
    for (uint32_t column = 0; sl_chunk_directory_next(&walk, &info) && column < 4; column++) {
        if (!info.payload) continue;
        sl_store16(count, (uint16_t)(info.value_count - 1));
        snprintf(part_name, sizeof part_name, "%s-%u", name, column);
        write_headed("values", part_name, count, 2, info.payload + info.presence_bytes,
                     info.payload_bytes - info.presence_bytes);
    }
}

static void write_facts(const char *name, const uint8_t *content, uint32_t bytes)
{
    uint32_t at = 0;
    for (int i = 0; at + SL_RECORD_PREFIX_BYTES <= bytes; i++) {
        char body_name[256];
        sl_record_prefix prefix;
        uint8_t which;
        HOLDS(sl_record_prefix_decode(content + at, &prefix), "'%s' at %u", name, at);
        which = (uint8_t)(prefix.type == SL_ENTRY_FACT ? 0 : 1);
        snprintf(body_name, sizeof body_name, "%s-%d", name, i);
        write_headed("bodies", body_name, &which, 1, content + at + SL_RECORD_PREFIX_BYTES, prefix.bytes);
        at += SL_RECORD_PREFIX_BYTES + prefix.bytes;
    }
}

/* The first entry of a table page, the trailer's content, by the kinds of fuzz_heads.c. */
static void write_entry(const char *name, const sl_page_item *item)
{
    char head_name[256];
    uint8_t which = item->head.kind == SL_PAGE_TRAILER      ? 12
                    : item->head.kind >= SL_PAGE_NODE_TABLE ? (uint8_t)(NODE_ENTRY + item->head.kind - SL_PAGE_NODE_TABLE)
                                                            : (uint8_t)(5 + item->head.kind - SL_PAGE_WRITER_TABLE);
    size_t bytes = item->head.kind == SL_PAGE_TRAILER ? SL_TRAILER_CONTENT_BYTES
                                                      : sl_table_entry_bytes[item->head.kind - SL_PAGE_WRITER_TABLE];
    snprintf(head_name, sizeof head_name, "%s-%u", name, item->head.kind);
    write_head(head_name, which, item->content, bytes);
}

static void write_segment(const char *name, const uint8_t *data, uint64_t bytes)
{
    from_file file = {data, bytes};
    steplog_id id;
    sl_page_walk walk;
    sl_page_item item;
    memcpy(id.bytes, data + 16, 16);
    write_seed("segment", name, data, (size_t)bytes);
    write_head(name, 4, data, SL_SEGMENT_HEADER_BYTES);
    sl_page_walk_init(&walk, read_file, &file, sl_file_key(&id), bytes);
    for (int i = 0;; i++) {
        char page_name[200];
        sl_page_walk_next(&walk, &item);
        if (item.kind != SL_PAGE_ITEM_PAGE) break;
        snprintf(page_name, sizeof page_name, "%s-%d", name, i);
        if (item.head.kind == SL_PAGE_CHUNK && i < CHUNKS_TAKEN_APART) write_chunk(page_name, item.content, item.content_bytes);
        if (item.head.kind == SL_PAGE_FACTS) write_facts(page_name, item.content, item.content_bytes);
        if (item.head.kind == SL_PAGE_WRITER)
            write_headed("bodies", page_name, &(uint8_t){2}, 1, item.content, item.content_bytes);
        if (item.head.kind >= SL_PAGE_WRITER_TABLE) write_entry(name, &item);
    }
    HOLDS(item.kind == SL_PAGE_ITEM_END, "'%s' is damaged", name);
    sl_page_walk_free(&walk);
    uint8_t *pages = malloc((size_t)bytes);
    HOLDS(pages, "memory");
    memcpy(pages, data, (size_t)bytes);
    fuzz_repair_pages(pages + SL_SEGMENT_HEADER_BYTES, (size_t)bytes - SL_SEGMENT_HEADER_BYTES, KEY,
                      SL_SEGMENT_HEADER_BYTES);
    write_seed("pages", name, pages + SL_SEGMENT_HEADER_BYTES, (size_t)bytes - SL_SEGMENT_HEADER_BYTES);
    free(pages);
}

/* ---- logs taken apart ---- */

static void write_log(const char *name, const uint8_t *data, uint64_t bytes)
{
    static uint8_t records[SEED_BYTES_MAX];
    size_t held = (size_t)bytes;
    while (held > SL_LOG_HEADER_BYTES && data[held - 1] == 0) held--;
    held -= SL_LOG_HEADER_BYTES;
    held = held + 16 < sizeof records ? held + 16 : sizeof records; /* the zero word at the end too */
    memcpy(records, data + SL_LOG_HEADER_BYTES, held);
    fuzz_repair_records(records, held, KEY, SL_LOG_HEADER_BYTES, 1);
    static const uint8_t heads[][4] = {{0, 0, 0, 0}, {3, 0, 40, 0}};
    char log_name[256];
    for (int i = 0; i < 2; i++) {
        snprintf(log_name, sizeof log_name, "%s-%d", name, i);
        write_headed("log", log_name, heads[i], 4, records, held);
    }
    write_head(name, 1, data, 2112);
    snprintf(log_name, sizeof log_name, "%s-record", name);
    fuzz_repair_record(records, held, KEY, 512, 7);
    write_head(log_name, 14, records, 8u * sl_load16(records));
}

/* Names of metrics far ahead of each other: a few bytes that ask for much. */
static void write_far_names(void)
{
    uint8_t records[24 * 32] = {0};
    for (uint32_t i = 0; i < 24; i++) {
        uint8_t *record = records + 32 * i;
        uint32_t index = i < 16 ? 65535 + 65536 * i : i;
        sl_store64(record, sl_record_head(32, SL_RECORD_NAME, SL_PART_IS_FIRST, index));
        sl_store32(record + 16, 1);
        sl_store32(record + 20, 1);
        record[24] = (uint8_t)('a' + i);
    }
    fuzz_repair_records(records, sizeof records, KEY, SL_LOG_HEADER_BYTES, 1);
    write_headed("log", "far-names", (uint8_t[4]){0}, 4, records, sizeof records);
}

/* ---- stores ---- */

typedef struct taken {
    const char *name;
    fuzz_archive archive;
    int file_count;
} taken;

static void take_file(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    taken *t = context;
    char name[128];
    while (*path == '/') path++;
    if (strncmp(path, "store/", 6) != 0) return;
    fuzz_archive_add(&t->archive, path + 6, data, (size_t)bytes, (size_t)bytes);
    snprintf(name, sizeof name, "%s-%d", t->name, t->file_count++);
    if (memcmp(data, "SLSEGMNT", 8) == 0) write_segment(name, data, bytes);
    if (memcmp(data, "SLROWLOG", 8) == 0 && !sl_is_zero(data + 16, 16)) write_log(name, data, bytes);
    if (memcmp(data, "STEPLOG\n", 8) == 0) write_head(name, 0, data, (size_t)bytes);
}

static void write_archive(const char *name, const fuzz_archive *archive)
{
    static uint8_t out[SEED_BYTES_MAX];
    size_t bytes = fuzz_archive_write(archive, out, sizeof out);
    HOLDS(bytes > 0, "'%s' is too large", name);
    write_seed("store", name, out, bytes);
}

static void write_store(const char *name, const sim *machine)
{
    taken t = {.name = name};
    sim_each_file(machine, take_file, &t);
    write_archive(name, &t.archive);
    fuzz_archive_free(&t.archive);
}

/* The same with segments that lost their trailers: their tables are made anew from the pages. */
static void write_store_cut(const char *name, const sim *machine)
{
    taken t = {.name = name};
    sim_each_file(machine, take_file, &t);
    for (size_t i = 0; i < t.archive.count; i++) {
        fuzz_file *file = &t.archive.files[i];
        if (memcmp(file->data, "SLSEGMNT", 8) != 0) continue;
        file->file_bytes -= SL_TRAILER_BYTES;
        if (file->file_bytes < 4096) write_seed("segment", name, file->data, file->file_bytes);
    }
    write_archive(name, &t.archive);
    fuzz_archive_free(&t.archive);
}

static void append_rows(steplog_writer *writer, const char *prefix, size_t columns, int64_t begin, int64_t end)
{
    steplog_schema schema = kit_schema(writer, prefix, columns);
    for (int64_t step = begin; step < end; step++) {
        double values[8];
        for (size_t i = 0; i < columns; i++) values[i] = kit_value(1, 1, (uint64_t)step, i);
        OK(steplog_writer_append(writer, schema, step,
                                 step % 7 ? 1700000000000000000 + step * 1000003 : STEPLOG_TIME_NONE, values));
    }
}

static void append_others(steplog_writer *writer)
{
    steplog_schema schema = kit_schema(writer, "p", 5);
    double values[5] = {1, -0.0, 1e300, 0.1, 5};
    for (uint64_t i = 0; i < 9; i++)
        OK(steplog_writer_append_present(writer, schema, (int64_t)i * 10, STEPLOG_TIME_NONE, values,
                                         &(uint64_t){1 + i * 3}));
    for (int64_t i = 0; i < 6; i++)
        OK(steplog_writer_point(writer, kit_metric(writer, i % 2 ? "x" : "y/é"), i / 3, 1700000000000000000 + i,
                                (double)i / 3));
    OK(steplog_writer_set_fact(writer, "param.lr", "0.001", &kit_error));
    OK(steplog_writer_set_fact(writer, "note", "", &kit_error));
    OK(steplog_writer_blob(writer, "sample", 5, STEPLOG_TIME_NONE, "text/plain", "hello, hello, hello, hello, hello",
                           33, &kit_error));
}

static steplog_store *begin_store(sim **machine)
{
    *machine = sim_new(1);
    sim_use(*machine);
    return kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
}

static void end_store(const char *name, sim *machine, steplog_store *store)
{
    kit_store_close(store);
    write_store(name, machine);
    sim_free(machine);
}

/* A job that ended, one that was killed: a segment and a log, with every kind of record. */
static void make_small(void)
{
    sim *machine;
    steplog_store *store = begin_store(&machine);
    steplog_writer *writer = kit_writer(store, "small", 0, 1);
    append_rows(writer, "m", 2, 0, 12);
    append_others(writer);
    sim *killed = sim_after_kill(machine);
    kit_writer_close(writer);
    end_store("small", machine, store);
    sim_use(killed);
    write_store("killed", killed);
    sim_free(killed);
}

/* More than a chunk, columns of their own pages; then two segments in one above a rest. */
static void make_large(void)
{
    sim *machine;
    steplog_store *store = begin_store(&machine);
    steplog_writer *writer = kit_writer(store, "large", 3, 1);
    append_rows(writer, "c", 3, 0, 1030);
    kit_writer_close(writer);
    end_store("large", machine, store);
}

/* A group with nodes, which is long, and then one with statistics alone: of values that take no room. */
static void make_nodes(void)
{
    sim *machine = sim_new(1);
    sim_use(machine);
    steplog_store *store = kit_store("store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 8 << 20);
    steplog_writer *writer = kit_writer(store, "nodes", 0, 1);
    for (int pass = 0; pass < 2; pass++) {
        steplog_schema schema = kit_schema(writer, pass ? "s" : "n", 1);
        for (int64_t i = 0; i < (pass ? 3073 : 65 * 1024); i++)
            OK(steplog_writer_append(writer, schema, i, STEPLOG_TIME_NONE, &(double){pass ? (double)(i / 64) : 0.5}));
    }
    kit_writer_close(writer);
    end_store("nodes", machine, store);
}

static void make_compacted(void)
{
    sim *machine;
    steplog_store *store = begin_store(&machine);
    for (uint32_t rank = 0; rank < 2; rank++) {
        steplog_writer *writer = kit_writer(store, "ranks", rank, 1);
        append_rows(writer, "m", 1, 0, 30);
        kit_writer_close(writer);
    }
    OK(steplog_store_compact(store, NULL, NULL, &kit_error));
    steplog_writer *writer = kit_writer(store, "later", 0, 1);
    append_rows(writer, "m", 1, 0, 5);
    kit_writer_close(writer);
    end_store("compacted", machine, store);
}

/* Rewinds, forks, removals and what takes them back. */
static void make_history(void)
{
    sim *machine;
    uint32_t attempt;
    steplog_id fork;
    steplog_store *store = begin_store(&machine);
    steplog_writer *writer = kit_writer(store, "history", 0, 1);
    steplog_id run = kit_run_of(writer);
    append_rows(writer, "m", 2, 0, 20);
    kit_writer_close(writer);
    writer = kit_writer_resumed(store, "history", 0, 2, 10);
    append_rows(writer, "m", 2, 10, 15);
    kit_writer_close(writer);
    OK(steplog_run_rewind(store, &run, 12, &attempt, &kit_error));
    OK(steplog_run_rewind_undo(store, &run, &attempt, &kit_error));
    OK(steplog_run_fork(store, &run, 6, "fork", "a fork", &fork, &kit_error));
    steplog_remove_options options = {
        .size_bytes = sizeof options, .run = run, .selector = "m1", .has_end = 1, .step_end = 4};
    steplog_remove_result result = {.size_bytes = sizeof result};
    OK(steplog_remove(store, &options, &result, &kit_error));
    writer = kit_writer(store, "fork", 0, 1);
    append_rows(writer, "m", 2, 6, 9);
    kit_writer_close(writer);
    write_store_cut("history-cut", machine);
    end_store("history", machine, store);
}

/* A log in which two metrics have one name, as no writer makes it. */
static void change_name(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    uint8_t *changed = malloc((size_t)bytes);
    HOLDS(changed, "memory");
    memcpy(changed, data, (size_t)bytes);
    if (bytes > SL_LOG_HEADER_BYTES && memcmp(data, "SLROWLOG", 8) == 0) {
        for (size_t at = SL_LOG_HEADER_BYTES; at + 4 < bytes; at++)
            if (memcmp(changed + at, "twin", 4) == 0) changed[at + 4] = '0';
        fuzz_repair_file(changed, (size_t)bytes);
    }
    while (*path == '/') path++;
    sim_put_file(context, path, changed, bytes);
    free(changed);
}

static void make_twins(void)
{
    sim *machine, *twins = sim_new(2);
    steplog_store *store = begin_store(&machine);
    steplog_writer *writer = kit_writer(store, "twins", 0, 1);
    append_rows(writer, "twin", 3, 0, 5);
    OK(steplog_writer_point(writer, kit_metric(writer, "twin1"), 7, STEPLOG_TIME_NONE, 0.5));
    sim_each_file(machine, change_name, twins);
    kit_writer_close(writer);
    kit_store_close(store);
    sim_free(machine);
    write_store("twins", twins);
    sim_free(twins);
}

/* ---- texts ---- */

static void write_texts(void)
{
    for (size_t i = 0; i < fuzz_text_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "text-%zu", i);
        write_seed(fuzz_texts[i].target, name, fuzz_texts[i].text, fuzz_texts[i].bytes);
    }
}

/* What doubles become, named by the codec. */
static void write_encoded(const uint8_t *doubles, size_t count)
{
    static uint8_t out[2 + SL_VALUE_ENCODED_BYTES_MAX(64) + SL_DECODE_SLACK_BYTES];
    double values[64];
    char name[32];
    for (size_t i = 0; i < count; i++) values[i] = sl_double_of(sl_load64(doubles + 8 * i));
    size_t bytes = sl_value_encode(values, count, out + 2);
    sl_store16(out, (uint16_t)(count - 1));
    snprintf(name, sizeof name, "codec-%d-%zu", out[2] & 7, bytes);
    write_seed("values", name, out, 2 + bytes);
}

/* Values and integers to encode rather than decode, of every shape. */
static void write_numbers(void)
{
    static uint8_t out[2 + 8 * 64];
    for (uint64_t shape = 0; shape < 11; shape++) {
        char name[32];
        for (uint64_t i = 0; i < 64; i++) {
            double value = shape < 4   ? kit_value(9, shape, i, shape)
                           : shape < 6 ? (double)(i / 9) * 0.25
                           : shape < 8 ? (i % 9 ? 0.0 : -1.5e-310)
                           : shape < 9 ? (double)(i * i % 47) / 1319                   /* a share */
                           : shape < 10 ? ((double)(i * i % 97) / 10 + 0.1 * (double)i) / 3 /* a mean */
                                        : sqrt(2 + (double)(i * i % 11));               /* few values */
            sl_store64(out + 2 + 8 * i, sl_bits_of(value));
        }
        snprintf(name, sizeof name, "encode-%d", (int)shape);
        sl_store16(out, 0x8000 | 63);
        write_seed("values", name, out, sizeof out);
        if (shape >= 8) write_encoded(out + 2, 64);
        for (uint64_t i = 0; i < 64; i++)
            sl_store64(out + 2 + 8 * i, shape < 4 ? i * i * i << (8 * shape) : (uint64_t)(i % 13 == 5) << 40 | i);
        sl_store16(out, 0x4000 | 63);
        write_seed("ints", name, out, sizeof out);
    }
    for (unsigned width = 0; width <= 64; width += 16) {
        char name[32];
        snprintf(name, sizeof name, "packed-%u", width);
        sl_store16(out, 0x8000 | 20);
        out[2] = (uint8_t)width;
        write_seed("ints", name, out, 160);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: make_corpus DIRECTORY\n", stderr);
        return 2;
    }
    corpus = argv[1];
    mkdir(corpus, 0777);
    make_small();
    make_large();
    make_nodes();
    make_compacted();
    make_history();
    make_twins();
    write_far_names();
    write_numbers();
    write_texts();
    return 0;
}
