/* fuzz/fuzz_segment.c: one segment, read as the library reads it (read/segment_reader.h).
 *
 * Input: the file. Directory, names, descriptions, chunks, columns, facts and blobs are read through it. */
#include "fuzz/fuzz.h"

#include "fuzz/repair.h"
#include "os/os.h"
#include "read/segment_reader.h"
#include "support/sim_os.h"

#include <stdlib.h>

enum { MACHINE_SEED = 1, BLOB_BYTES_MAX = 1 << 20 };

static const char path[] = "store/seg/0/00000000000000000000000000000000.seg",
                  name[] = "seg/0/00000000000000000000000000000000.seg";

static void must_be_answer(steplog_status status)
{
    FUZZ_HOLDS(status == STEPLOG_OK || status == STEPLOG_CORRUPT || status == STEPLOG_NEWER || status == STEPLOG_IO,
               "%s", steplog_status_name(status));
}

static void read_chunk(sl_segment *segment, const sl_chunk_entry *entry)
{
    double values[SL_CHUNK_ROWS_MAX];
    int64_t axis[SL_CHUNK_ROWS_MAX];
    uint64_t present[SL_PRESENT_WORDS];
    sl_chunk chunk = {0};
    steplog_status status = sl_segment_chunk(segment, entry->page_offset, entry, NULL, &chunk, NULL);
    must_be_answer(status);
    if (status == STEPLOG_OK) {
        for (int part = 0; part < SL_PART_COUNT; part++)
            must_be_answer(sl_segment_axis(segment, &chunk, part, axis, NULL));
        for (uint32_t column = 0; column < chunk.head.column_count; column++)
            must_be_answer(sl_segment_column(segment, &chunk, column, values, present, NULL));
    }
    sl_chunk_free(&chunk);
}

static void read_record(sl_segment *segment, const sl_record_entry *entry)
{
    sl_record_prefix prefix;
    const uint8_t *content;
    sl_blob blob;
    size_t head_bytes;
    steplog_status status = sl_segment_record(segment, entry, &prefix, &content, NULL);
    must_be_answer(status);
    if (status != STEPLOG_OK) return;
    fuzz_touch(content, prefix.bytes);
    if (entry->type != SL_ENTRY_BLOB || !sl_blob_decode(content, prefix.bytes, &blob, &head_bytes)) return;
    if (blob.data_bytes > BLOB_BYTES_MAX) return;
    uint64_t data_bytes = blob.data_bytes; /* the name is lent until the next call */
    uint8_t *data = fuzz_copy(NULL, 0, (size_t)data_bytes, 0);
    must_be_answer(sl_segment_blob_data(segment, prefix.data_offset, data, data_bytes, NULL));
    free(data);
}

static void read_segment(sl_segment *segment)
{
    for (uint32_t i = 0; i < segment->schemas.count; i++) {
        const sl_schema_names *names;
        steplog_status status = sl_segment_names(segment, i, &names, NULL);
        must_be_answer(status);
        for (uint32_t n = 0; status >= 0 && n < names->count; n++) fuzz_touch(names->names[n], names->bytes[n]);
    }
    for (uint32_t i = 0; i < segment->writers.count; i++) {
        sl_buffer scratch = {0};
        sl_writer_description description;
        sl_ranges held = {0}, dropped = {0};
        must_be_answer(sl_segment_writer_description(segment, i, &scratch, &description));
        (void)sl_segment_ranges(segment, i, &held, &dropped);
        SL_VEC_FREE(&held);
        SL_VEC_FREE(&dropped);
        sl_buffer_free(&scratch);
    }
    for (uint32_t i = 0; i < segment->groups.count; i++) {
        sl_chunk_list chunks = {0};
        must_be_answer(sl_segment_chunks(segment, i, &chunks, NULL));
        for (size_t n = 0; n < chunks.count; n++) read_chunk(segment, &chunks.items[n]);
        SL_VEC_FREE(&chunks);
    }
    for (size_t i = 0; i < segment->records.count; i++) read_record(segment, &segment->records.items[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    sim *machine = sim_new(MACHINE_SEED);
    sim_put_file(machine, path, data, bytes);
    sim_use(machine);
    fuzz_memory_begin(FUZZ_MEMORY_BYTES_MAX);
    sl_open_segments open_segments = {0};
    sl_damage_list damage = {0};
    sl_segment *segment = NULL;
    steplog_error err = {0};
    int store = sl_os->open_dir(-1, "store");
    steplog_status status = sl_segment_open(store, name, 0, &damage, &open_segments, &segment, &err);
    must_be_answer(status);
    if (status == STEPLOG_OK)
        read_segment(segment);
    else
        FUZZ_HOLDS(err.text[0], "no word about it");
    sl_segment_release(segment);
    sl_open_segments_free(&open_segments);
    sl_damage_clear(&damage);
    sl_os->close(store);
    fuzz_memory_end();
    sim_free(machine);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t bytes_max, unsigned seed)
{
    bytes = LLVMFuzzerMutate(data, bytes, bytes_max);
    if (seed % 4 != 0) fuzz_repair_file(data, bytes);
    return bytes;
}
