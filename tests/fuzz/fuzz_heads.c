/* fuzz/fuzz_heads.c: the structures of fixed size: the file STEPLOG, headers, slots, table entries, the trailer, page
 * and record heads.
 *
 * Input: u8 which, then its bytes, zeros behind them. What is accepted must be the same bytes when it is encoded again.
 * From 240 on the same for each byte of it changed in turn, its check repaired. */
#include "fuzz/fuzz.h"

#include "base/span.h"
#include "format/log_header.h"
#include "format/page_codec.h"
#include "format/record_codec.h"
#include "format/segment_codec.h"
#include "format/stats_codec.h"
#include "format/store_file.h"
#include "fuzz/repair.h"

#include <stdlib.h>

enum { HEAD_BYTES_MAX = 4096, EACH_BYTE_FROM = 240, SLOT_AT = 512, KEY = 12345 };

static void must_be_same(const uint8_t *in, const uint8_t *again, size_t bytes)
{
    FUZZ_HOLDS(memcmp(in, again, bytes) == 0, "%zu bytes", bytes);
}

static void take_store_file(const uint8_t *in)
{
    sl_store_file file;
    uint8_t again[SL_STORE_FILE_BYTES];
    if (sl_store_file_decode(in, SL_STORE_FILE_BYTES, &file, NULL) != STEPLOG_OK) return;
    sl_store_file_encode(&file, again);
    must_be_same(in, again, sizeof again);
}

static void take_log_header(const uint8_t *in)
{
    sl_log_header header;
    sl_log_mark mark;
    sl_log_gap gap;
    uint8_t again[SL_LOG_FIXED_BYTES];
    steplog_error err = {0};
    (void)sl_log_mark_latest(in, KEY, &mark);
    (void)sl_log_gap_latest(in, KEY, &gap);
    steplog_status status = sl_log_header_decode(in, "log", &header, &err);
    if (status == STEPLOG_CORRUPT) FUZZ_HOLDS(err.text[0], "no word about it");
    if (status != STEPLOG_OK) return;
    sl_log_header_encode(&header, again);
    must_be_same(in, again, sizeof again);
}

static void take_mark(const uint8_t *in)
{
    sl_log_mark mark;
    uint8_t again[SL_LOG_SLOT_BYTES];
    if (sl_log_mark_decode(in, KEY, SLOT_AT, &mark) != 1) return;
    sl_log_mark_encode(&mark, KEY, SLOT_AT, again);
    must_be_same(in, again, sizeof again);
}

static void take_gap(const uint8_t *in)
{
    sl_log_gap gap;
    uint8_t again[SL_LOG_SLOT_BYTES];
    if (sl_log_gap_decode(in, KEY, SLOT_AT, &gap) != 1) return;
    sl_log_gap_encode(&gap, KEY, SLOT_AT, again);
    must_be_same(in, again, sizeof again);
}

static void take_segment_header(const uint8_t *in)
{
    sl_segment_header header;
    uint8_t again[SL_SEGMENT_HEADER_BYTES];
    if (sl_segment_header_decode(in, "segment", &header, NULL) != STEPLOG_OK) return;
    sl_segment_header_encode(&header, again);
    must_be_same(in, again, sizeof again);
}

#define TAKE(name, type, entry_bytes)                \
    static void take_##name(const uint8_t *in)       \
    {                                                \
        type entry;                                  \
        uint8_t again[entry_bytes];                  \
        if (!sl_##name##_decode(in, &entry)) return; \
        sl_##name##_encode(&entry, again);           \
        must_be_same(in, again, sizeof again);       \
    }
TAKE(writer_entry, sl_writer_entry, SL_WRITER_ENTRY_BYTES)
TAKE(schema_entry, sl_schema_entry, SL_SCHEMA_ENTRY_BYTES)
TAKE(group_entry, sl_group_entry, SL_GROUP_ENTRY_BYTES)
TAKE(chunk_entry, sl_chunk_entry, SL_CHUNK_ENTRY_BYTES)
TAKE(range_entry, sl_range_entry, SL_RANGE_ENTRY_BYTES)
TAKE(record_entry, sl_record_entry, SL_RECORD_ENTRY_BYTES)
TAKE(record_prefix, sl_record_prefix, SL_RECORD_PREFIX_BYTES)
TAKE(node_entry, sl_node_entry, SL_NODE_ENTRY_BYTES)
TAKE(stats_entry, sl_stats_entry, SL_STATS_ENTRY_BYTES)
TAKE(node_stats_entry, sl_node_stats_entry, SL_NODE_STATS_ENTRY_BYTES)

static void take_trailer(const uint8_t *in)
{
    sl_trailer trailer;
    uint8_t again[SL_TRAILER_CONTENT_BYTES];
    if (!sl_trailer_decode(in, &trailer)) return;
    sl_trailer_encode(&trailer, again);
    must_be_same(in, again, sizeof again);
    /* Where the pages of a table are is arithmetic on what was read. */
    for (int table = 0; table < SL_TABLE_COUNT; table++) {
        uint64_t count = trailer.tables[table].entry_count;
        (void)sl_table_page_offset(&trailer, table, count / sl_table_page_most(table, count));
        (void)sl_table_page_entries(&trailer, table, 0);
    }
}

static void take_page_head(const uint8_t *in)
{
    sl_page_head head;
    if (!sl_page_head_decode(in, &head)) return;
    const uint32_t most = sl_page_content_bytes_max(head.kind);
    FUZZ_HOLDS(most <= SL_PAGE_CONTENT_BYTES_MAX && head.content_bytes <= most && head.raw_bytes <= most,
               "%u and %u bytes", head.content_bytes, head.raw_bytes);
    if (sl_page_bytes(&head) <= HEAD_BYTES_MAX) (void)sl_page_verify(in, &head, KEY, SLOT_AT);
}

/* A record alone, its body as a row of 70 metrics and as a part. */
static void take_record(const uint8_t *in)
{
    sl_record record;
    sl_row_body row;
    sl_part part;
    sl_record_state state = sl_record_decode(in, HEAD_BYTES_MAX, KEY, SLOT_AT, 7, &record);
    if (state != SL_RECORD_GOOD && state != SL_RECORD_ELSEWHEN) return;
    FUZZ_HOLDS(record.bytes <= HEAD_BYTES_MAX, "%u bytes", record.bytes);
    uint64_t head = sl_record_head(record.bytes, record.kind, record.flags, record.index);
    FUZZ_HOLDS(head == sl_load64(in), "the head reads otherwise");
    FUZZ_HOLDS(sl_record_check_of(in, record.bytes, head, KEY, SLOT_AT, record.sequence) == sl_load64(in + 8),
               "sequence %llu", (unsigned long long)record.sequence);
    if (sl_row_body_decode(&record, 70, &row)) {
        FUZZ_HOLDS(row.value_count >= 1 && row.value_count <= 70, "%u values", row.value_count);
        fuzz_touch(row.values, 8 * row.value_count);
    }
    if (sl_part_decode(&record, &part)) fuzz_touch(part.data, part.bytes);
}

typedef struct head_kind {
    void (*take)(const uint8_t *in);
    size_t check_at; /* where a check of the bytes before it stands; 0: none */
    size_t id_at;    /* of the file's id; 0: the key is KEY, the place SLOT_AT */
} head_kind;

static const head_kind kinds[] = {{take_store_file, 56, 16},
                                  {take_log_header, SL_LOG_FIXED_BYTES - 8, 16},
                                  {take_mark, 56, 0},
                                  {take_gap, 56, 0},
                                  {take_segment_header, 56, 16},
                                  {take_writer_entry, 0, 0},
                                  {take_schema_entry, 0, 0},
                                  {take_group_entry, 0, 0},
                                  {take_chunk_entry, 0, 0},
                                  {take_range_entry, 0, 0},
                                  {take_record_entry, 0, 0},
                                  {take_record_prefix, 0, 0},
                                  {take_trailer, 0, 0},
                                  {take_page_head, 0, 0},
                                  {take_record, 0, 0},
                                  {take_node_entry, 0, 0},
                                  {take_stats_entry, 0, 0},
                                  {take_node_stats_entry, 0, 0}};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

static void repair(const head_kind *kind, uint8_t *in)
{
    if (kind->take == take_record)
        fuzz_repair_record(in, HEAD_BYTES_MAX, KEY, SLOT_AT, 7);
    else if (kind->check_at > 0)
        fuzz_repair_head(in, kind->check_at, kind->id_at, KEY, SLOT_AT);
}

static void change_each_byte(const head_kind *kind, uint8_t *in, size_t bytes)
{
    for (size_t at = 0; at < bytes && at < SL_LOG_FIXED_BYTES; at++) {
        in[at] ^= 0x81;
        repair(kind, in);
        kind->take(in);
        in[at] ^= 0x81;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input input = fuzz_input_of(data, bytes);
    const head_kind *kind = &kinds[fuzz_take(&input, 1) % KIND_COUNT];
    uint8_t *in = fuzz_copy(NULL, 0, HEAD_BYTES_MAX, 0);
    if (input.left) memcpy(in, input.at, input.left < HEAD_BYTES_MAX ? input.left : HEAD_BYTES_MAX);
    kind->take(in);
    if (bytes > 0 && data[0] >= EACH_BYTE_FROM) change_each_byte(kind, in, bytes - 1);
    free(in);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t bytes_max, unsigned seed)
{
    bytes = LLVMFuzzerMutate(data, bytes, bytes_max);
    if (bytes == 0 || seed % 4 == 0) return bytes;
    const head_kind *kind = &kinds[data[0] % KIND_COUNT];
    uint8_t in[HEAD_BYTES_MAX] = {0};
    memcpy(in, data + 1, bytes - 1 < sizeof in ? bytes - 1 : sizeof in);
    repair(kind, in);
    if (kind->check_at > 0 && bytes < kind->check_at + 9 && kind->check_at + 9 <= bytes_max) bytes = kind->check_at + 9;
    memcpy(data + 1, in, bytes - 1 < sizeof in ? bytes - 1 : sizeof in);
    return bytes;
}
