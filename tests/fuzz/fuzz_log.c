/* fuzz/fuzz_log.c: the records of a row log (format/log_walk.h).
 *
 * Input: u8 flags (1 same boot, 2 the file is longer than what was given), u8 first sequence, u16 mark offset in units
 * of 8 bytes behind the header, then the bytes from offset 4096 on. The file key is KEY.
 *
 * The log is walked three times: with whole reads, with short ones, and as a follower does who sees ever more of it.
 * All must give the same items; the walk must end, and read no more than a few times what there is. */
#include "fuzz/fuzz.h"

#include "format/log_walk.h"
#include "fuzz/repair.h"

#include <stdlib.h>

enum { KEY = 12345, HEAD_BYTES = 4, IS_SAME_BOOT = 1, IS_LONGER = 2, TEXTS_MAX = 1 << 20 };

typedef struct log_file {
    const uint8_t *data;
    size_t bytes; /* that can be seen */
    uint64_t capacity;
    size_t read_max; /* at once */
    uint64_t read_bytes, read_count;
} log_file;

static int64_t read_log(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    log_file *file = context;
    file->read_count++;
    FUZZ_HOLDS(offset >= SL_LOG_HEADER_BYTES && bytes <= file->capacity && offset <= file->capacity - bytes,
               "%zu bytes at %llu of %llu", bytes, (unsigned long long)offset, (unsigned long long)file->capacity);
    uint64_t at = offset - SL_LOG_HEADER_BYTES;
    if (at >= file->bytes) return 0;
    size_t left = file->bytes - (size_t)at;
    if (bytes > left) bytes = left;
    if (bytes > file->read_max) bytes = file->read_max;
    memcpy(buffer, file->data + at, bytes);
    file->read_bytes += bytes;
    return (int64_t)bytes;
}

static uint64_t mixed(uint64_t hash, uint64_t number)
{
    hash = (hash ^ number) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
}

static uint64_t mixed_bytes(uint64_t hash, const uint8_t *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) hash = mixed(hash, data[i]);
    return hash;
}

typedef struct walk_result {
    uint64_t hash, item_count, end_offset, next_sequence;
    int is_torn;
} walk_result;

/* Checks one item and takes it into the result. */
static void take_item(walk_result *result, const sl_log_item *item, const sl_log_dictionary *dictionary,
                      uint64_t capacity)
{
    uint64_t hash = result->hash;
    FUZZ_HOLDS(item->offset % 8 == 0 && item->bytes % 8 == 0 && item->bytes > 0 &&
                   item->offset + item->bytes <= capacity,
               "kind %d, %llu bytes at %llu", (int)item->kind, (unsigned long long)item->bytes,
               (unsigned long long)item->offset);
    hash = mixed(mixed(mixed(hash, item->kind), item->offset), item->bytes);
    hash = mixed(mixed(hash, item->sequence), item->sequence_count);
    switch (item->kind) {
    case SL_ITEM_ROW: {
        const sl_dictionary_schema *schema = sl_dictionary_schema_of(dictionary, item->index);
        uint32_t count = item->presence ? 0 : item->value_count;
        FUZZ_HOLDS(schema, "schema %u is not known", item->index);
        for (uint32_t i = 0; item->presence && i < (schema->count + 63) / 64; i++)
            count += (uint32_t)__builtin_popcountll(sl_load64(item->presence + 8 * i));
        FUZZ_HOLDS(item->value_count >= 1 && item->value_count == count && count <= schema->count, "%u values of %u",
                   item->value_count, schema->count);
        hash = mixed_bytes(hash, item->values, 8 * (size_t)item->value_count);
        break;
    }
    case SL_ITEM_POINT:
        FUZZ_HOLDS(sl_dictionary_name_of(dictionary, item->index), "metric %u is not known", item->index);
        hash = mixed(hash, sl_bits_of(item->value));
        break;
    case SL_ITEM_TEXT: hash = mixed_bytes(hash, item->content, item->content_bytes); break;
    case SL_ITEM_DAMAGE: FUZZ_HOLDS(item->what, "no word about damage"); break;
    default: break;
    }
    if (item->kind == SL_ITEM_ROW || item->kind == SL_ITEM_POINT) hash = mixed(mixed(hash, item->step), item->time_ns);
    result->hash = hash;
    result->item_count++;
}

static void go_on(sl_log_walk *walk, walk_result *result, uint64_t capacity)
{
    sl_log_item item;
    for (;;) {
        uint64_t before = walk->offset, sequence = walk->next_sequence;
        sl_log_walk_next(walk, &item);
        FUZZ_HOLDS(item.kind != SL_ITEM_ERROR, "errno %d", item.os_errno);
        FUZZ_HOLDS(walk->next_sequence >= sequence, "numbers go back from %llu", (unsigned long long)sequence);
        if (item.kind == SL_ITEM_END) break;
        FUZZ_HOLDS(walk->offset > before, "the walk stands at %llu", (unsigned long long)before);
        take_item(result, &item, walk->dictionary, capacity);
    }
    result->end_offset = walk->offset;
    result->next_sequence = walk->next_sequence;
    result->is_torn = walk->is_torn;
}

typedef struct log_case {
    uint64_t first_sequence, mark_offset;
    int is_same_boot;
} log_case;

/* growth: how much more a follower sees each time; 0: all at once. */
static walk_result walk_log(log_file *file, const log_case *which, size_t growth)
{
    walk_result result = {0};
    sl_log_dictionary dictionary = {0};
    sl_log_walk walk;
    size_t all = file->bytes;
    file->read_bytes = file->read_count = 0;
    sl_log_walk_init(&walk, read_log, file, KEY, file->capacity, which->first_sequence, which->mark_offset,
                     &dictionary);
    walk.is_same_boot = which->is_same_boot;
    for (size_t seen = growth ? growth : all; seen < all; seen += growth) {
        file->bytes = seen;
        go_on(&walk, &result, file->capacity);
        if (seen % 3 == 0) sl_log_walk_rest(&walk);
    }
    file->bytes = all;
    go_on(&walk, &result, file->capacity);
    uint64_t count = sl_log_walk_salvageable(&walk);
    FUZZ_HOLDS(count <= file->capacity / 24, "%llu records to salvage", (unsigned long long)count);
    sl_log_walk_free(&walk);
    sl_dictionary_free(&dictionary);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz_input input = fuzz_input_of(data, bytes);
    unsigned flags = (unsigned)fuzz_take(&input, 1);
    log_case which = {.is_same_boot = flags & IS_SAME_BOOT};
    which.first_sequence = 1 + fuzz_take(&input, 1);
    which.mark_offset = SL_LOG_HEADER_BYTES + 8 * fuzz_take(&input, 2);
    log_file file = {.data = input.at, .bytes = input.left, .read_max = SIZE_MAX};
    file.capacity = SL_LOG_HEADER_BYTES + (input.left & ~(size_t)7) + (flags & IS_LONGER ? 65536 : 0);
    if (which.mark_offset > file.capacity) which.mark_offset = file.capacity;
    fuzz_memory_begin(FUZZ_MEMORY_BYTES_MAX);
    walk_result whole = walk_log(&file, &which, 0);
    FUZZ_HOLDS(file.read_bytes <= 40 * (uint64_t)file.bytes + (4u << 20), "%llu bytes read of %zu",
               (unsigned long long)file.read_bytes, file.bytes);
    /* A walk that sees only a part may take its end for a torn one, and what is below the mark for damage. */
    int has_damage = whole.is_torn || which.mark_offset > SL_LOG_HEADER_BYTES || which.is_same_boot;
    if (!has_damage) {
        walk_result grown = walk_log(&file, &which, 8 + input.left / 5);
        FUZZ_HOLDS(grown.is_torn || (grown.hash == whole.hash && grown.item_count == whole.item_count),
                   "%llu items at once, %llu as it grows", (unsigned long long)whole.item_count,
                   (unsigned long long)grown.item_count);
    }
    fuzz_memory_end();
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t bytes_max, unsigned seed)
{
    bytes = LLVMFuzzerMutate(data, bytes, bytes_max);
    if (bytes > HEAD_BYTES && seed % 4 != 0)
        fuzz_repair_records(data + HEAD_BYTES, bytes - HEAD_BYTES, KEY, SL_LOG_HEADER_BYTES, 1u + data[1]);
    return bytes;
}
