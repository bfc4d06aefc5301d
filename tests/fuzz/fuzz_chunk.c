/* fuzz/fuzz_chunk.c: the content of a chunk page: axis, directory, inline columns (format/chunk_codec.h).
 *
 * Input: the content. Taken apart and put together again it must be the same bytes; columns that decode must come back
 * after being encoded again. */
#include "fuzz/fuzz.h"

#include "format/chunk_codec.h"
#include "format/int_codec.h"

#include <stdlib.h>

static void take_column(const sl_column_info *info, uint32_t row_count)
{
    double values[SL_CHUNK_ROWS_MAX], others[SL_CHUNK_ROWS_MAX];
    uint64_t present[SL_PRESENT_WORDS], others_present[SL_PRESENT_WORDS];
    const char *what = NULL;
    sl_column_info again;
    sl_buffer payload = {0};
    steplog_status status = sl_column_decode(info, info->payload, row_count, values, present, &what);
    FUZZ_HOLDS(status == STEPLOG_OK || (status == STEPLOG_CORRUPT && what), "status %d", (int)status);
    if (status != STEPLOG_OK) return;
    uint32_t count = 0;
    for (size_t i = 0; i < SL_PRESENT_WORDS; i++) count += (uint32_t)__builtin_popcountll(present[i]);
    FUZZ_HOLDS(count == (info->flags ? info->value_count : 0), "%u rows of %u have a value", count, info->value_count);
    sl_column_encode(values, present, row_count, &payload, &again);
    sl_buffer_zeros(&payload, SL_DECODE_SLACK_BYTES);
    FUZZ_HOLDS(again.value_count == count, "%u values became %u", count, again.value_count);
    status = sl_column_decode(&again, payload.data, row_count, others, others_present, &what);
    FUZZ_HOLDS(status == STEPLOG_OK, "encoded again: %s", what);
    FUZZ_HOLDS(memcmp(present, others_present, sizeof present) == 0 &&
                   memcmp(values, others, row_count * sizeof *values) == 0,
               "%u values came back otherwise", count);
    sl_buffer_free(&payload);
}

static void take_part(const sl_chunk_head *head, int part)
{
    int64_t numbers[SL_CHUNK_ROWS_MAX];
    const char *what = NULL;
    if (head->is_reference[part] || head->part_bytes[part] == 0) return;
    steplog_status status = sl_int_decode(head->part[part], head->part_bytes[part], head->row_count, numbers, &what);
    FUZZ_HOLDS(status == STEPLOG_OK || (status == STEPLOG_CORRUPT && what), "status %d", (int)status);
}

static void take_chunk(const uint8_t *content, uint32_t bytes)
{
    sl_chunk_head head;
    sl_column_info info;
    sl_buffer again = {0}, directory = {0};
    uint32_t column_count = 0;
    if (!sl_chunk_head_decode(content, bytes, &head)) return;
    for (int part = 0; part < SL_PART_COUNT; part++) take_part(&head, part);
    sl_chunk_walk walk = sl_chunk_directory_begin(&head);
    for (; sl_chunk_directory_next(&walk, &info); column_count++) {
        FUZZ_HOLDS(info.value_count <= head.row_count, "%u values in %u rows", info.value_count, head.row_count);
        if (info.flags == 0 || info.payload) take_column(&info, head.row_count);
        sl_chunk_directory_put(&directory, &info);
    }
    if (!walk.is_bad) {
        FUZZ_HOLDS(column_count == head.column_count, "%u columns of %u", column_count, head.column_count);
        FUZZ_HOLDS(directory.bytes == head.directory_bytes &&
                       memcmp(directory.data, head.directory, directory.bytes) == 0,
                   "a directory of %u bytes became another of %zu", head.directory_bytes, directory.bytes);
    }
    sl_chunk_encode(&head, &again);
    FUZZ_HOLDS(again.bytes == bytes && memcmp(again.data, content, bytes) == 0, "%u bytes became %zu others", bytes,
               again.bytes);
    sl_buffer_free(&directory);
    sl_buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint8_t *content = fuzz_copy(data, bytes, SL_DECODE_SLACK_BYTES, 0xa5);
    fuzz_memory_begin(FUZZ_MEMORY_BYTES_MAX);
    take_chunk(content, (uint32_t)bytes);
    fuzz_memory_end();
    free(content);
    return 0;
}
