/* format/stats_codec.c: nodes and statistics, made, encoded and decoded. */
#include "format/stats_codec.h"

#include "base/float_mode.h"

#include <math.h>

#define ONLY_NAN 0x7ff8000000000000u

/* ---- nodes ---- */

void sl_node_entry_encode(const sl_node_entry *entry, uint8_t *out)
{
    sl_store32(out, entry->flags);
    sl_store32(out + 4, 0);
    sl_store64(out + 8, entry->row_count);
    sl_store64(out + 16, entry->sequence_first);
    sl_store64(out + 24, entry->sequence_last);
    sl_store64(out + 32, (uint64_t)entry->step_min);
    sl_store64(out + 40, (uint64_t)entry->step_max);
}

int sl_node_entry_decode(const uint8_t *in, sl_node_entry *out)
{
    *out = (sl_node_entry){.flags = sl_load32(in),
                           .row_count = sl_load64(in + 8),
                           .sequence_first = sl_load64(in + 16),
                           .sequence_last = sl_load64(in + 24),
                           .step_min = (int64_t)sl_load64(in + 32),
                           .step_max = (int64_t)sl_load64(in + 40)};
    return out->flags <= SL_NODE_IS_ASCENDING && sl_is_zero(in + 4, 4) && out->row_count >= 1 &&
           out->row_count <= (uint64_t)SL_NODE_CHUNKS * SL_CHUNK_ROWS_MAX && out->sequence_first >= 1 &&
           out->sequence_first <= out->sequence_last && out->step_min <= out->step_max;
}

void sl_node_make(const sl_chunk_entry *chunks, uint32_t count, sl_node_entry *out)
{
    *out = (sl_node_entry){.flags = SL_NODE_IS_ASCENDING,
                           .sequence_first = UINT64_MAX,
                           .step_min = INT64_MAX,
                           .step_max = INT64_MIN};
    for (uint32_t i = 0; i < count; i++) {
        const sl_chunk_entry *chunk = &chunks[i];
        if (!(chunk->flags & SL_CHUNK_STEPS_SORTED) || (i && chunk->step_min <= chunks[i - 1].step_max)) out->flags = 0;
        out->row_count += chunk->row_count;
        if (chunk->sequence_first < out->sequence_first) out->sequence_first = chunk->sequence_first;
        if (chunk->sequence_last > out->sequence_last) out->sequence_last = chunk->sequence_last;
        if (chunk->step_min < out->step_min) out->step_min = chunk->step_min;
        if (chunk->step_max > out->step_max) out->step_max = chunk->step_max;
    }
}

/* ---- statistics of a chunk ---- */

void sl_stats_entry_encode(const sl_stats_entry *entry, uint8_t *out)
{
    sl_store64(out, sl_bits_of(entry->first));
    sl_store64(out + 8, sl_bits_of(entry->last));
    sl_store64(out + 16, sl_bits_of(entry->smallest));
    sl_store64(out + 24, sl_bits_of(entry->largest));
    sl_store32(out + 32, entry->first_distance);
    sl_store32(out + 36, entry->last_distance);
    sl_store32(out + 40, entry->smallest_distance);
    sl_store32(out + 44, entry->largest_distance);
    sl_store16(out + 48, entry->value_count);
    sl_store16(out + 50, entry->nan_count);
    sl_store16(out + 52, entry->positive_inf_count);
    sl_store16(out + 54, entry->negative_inf_count);
}

int sl_stats_entry_decode(const uint8_t *in, sl_stats_entry *out)
{
    *out = (sl_stats_entry){.first = sl_double_of(sl_load64(in)),
                            .last = sl_double_of(sl_load64(in + 8)),
                            .smallest = sl_double_of(sl_load64(in + 16)),
                            .largest = sl_double_of(sl_load64(in + 24)),
                            .first_distance = sl_load32(in + 32),
                            .last_distance = sl_load32(in + 36),
                            .smallest_distance = sl_load32(in + 40),
                            .largest_distance = sl_load32(in + 44),
                            .value_count = sl_load16(in + 48),
                            .nan_count = sl_load16(in + 50),
                            .positive_inf_count = sl_load16(in + 52),
                            .negative_inf_count = sl_load16(in + 54)};
    if (out->value_count == SL_STATS_NONE || out->value_count == 0) return sl_is_zero(in, 48) && sl_is_zero(in + 50, 6);
    uint32_t odd = (uint32_t)out->nan_count + out->positive_inf_count + out->negative_inf_count;
    return out->value_count <= SL_CHUNK_ROWS_MAX && odd <= out->value_count;
}

static int are_all_present(const uint64_t *present, uint32_t row_count)
{
    uint64_t every = UINT64_MAX;
    for (uint32_t word = 0; word < row_count / 64; word++) every &= present[word];
    if (row_count % 64) every &= present[row_count / 64] | (UINT64_MAX << (row_count % 64));
    return every == UINT64_MAX;
}

SL_BEHIND_MODE static void make_stats(const double *values, const uint64_t *present, uint32_t row_count,
                                      const int64_t *steps, int64_t step_min, sl_stats_entry *out)
{
    double dense[SL_CHUNK_ROWS_MAX];
    uint16_t rows[SL_CHUNK_ROWS_MAX];
    uint32_t count = 0;
    *out = (sl_stats_entry){0};
    const int is_whole = !present || are_all_present(present, row_count);
    for (uint32_t row = 0; !is_whole && row < row_count; row++) {
        if (!(present[row / 64] >> (row % 64) & 1)) continue;
        dense[count] = values[row];
        rows[count++] = (uint16_t)row;
    }
    if (is_whole) count = row_count;
    if (count == 0) return;
    sl_column_stats stats;
    sl_column_stats_make(is_whole ? values : dense, count, &stats);
    const uint32_t at[4] = {0, count - 1, stats.smallest_at, stats.largest_at};
    uint32_t *const distances[4] = {&out->first_distance, &out->last_distance, &out->smallest_distance,
                                    &out->largest_distance};
    const int has_finite = !isnan(stats.smallest);
    for (int i = 0; i < (has_finite ? 4 : 2); i++) {
        uint64_t distance = (uint64_t)steps[is_whole ? at[i] : rows[at[i]]] - (uint64_t)step_min;
        if (distance > UINT32_MAX) {
            *out = (sl_stats_entry){.value_count = SL_STATS_NONE};
            return;
        }
        *distances[i] = (uint32_t)distance;
    }
    out->first = stats.first;
    out->last = stats.last;
    out->smallest = has_finite ? stats.smallest : sl_double_of(ONLY_NAN);
    out->largest = has_finite ? stats.largest : sl_double_of(ONLY_NAN);
    out->value_count = (uint16_t)count;
    out->nan_count = stats.nan_count;
    out->positive_inf_count = stats.positive_inf_count;
    out->negative_inf_count = stats.negative_inf_count;
}

void sl_stats_make(const double *values, const uint64_t *present, uint32_t row_count, const int64_t *steps,
                   int64_t step_min, sl_stats_entry *out)
{
    const sl_float_mode host = sl_float_mode_begin();
    make_stats(values, present, row_count, steps, step_min, out);
    sl_float_mode_end(host);
}

/* ---- statistics of a node ---- */

void sl_node_stats_entry_encode(const sl_node_stats_entry *entry, uint8_t *out)
{
    sl_store64(out, sl_bits_of(entry->first));
    sl_store64(out + 8, sl_bits_of(entry->last));
    sl_store64(out + 16, sl_bits_of(entry->smallest));
    sl_store64(out + 24, sl_bits_of(entry->largest));
    sl_store64(out + 32, (uint64_t)entry->first_step);
    sl_store64(out + 40, (uint64_t)entry->last_step);
    sl_store64(out + 48, (uint64_t)entry->smallest_step);
    sl_store64(out + 56, (uint64_t)entry->largest_step);
    sl_store32(out + 64, entry->value_count);
    sl_store32(out + 68, entry->nan_count);
    sl_store32(out + 72, entry->positive_inf_count);
    sl_store32(out + 76, entry->negative_inf_count);
}

int sl_node_stats_entry_decode(const uint8_t *in, sl_node_stats_entry *out)
{
    *out = (sl_node_stats_entry){.first = sl_double_of(sl_load64(in)),
                                 .last = sl_double_of(sl_load64(in + 8)),
                                 .smallest = sl_double_of(sl_load64(in + 16)),
                                 .largest = sl_double_of(sl_load64(in + 24)),
                                 .first_step = (int64_t)sl_load64(in + 32),
                                 .last_step = (int64_t)sl_load64(in + 40),
                                 .smallest_step = (int64_t)sl_load64(in + 48),
                                 .largest_step = (int64_t)sl_load64(in + 56),
                                 .value_count = sl_load32(in + 64),
                                 .nan_count = sl_load32(in + 68),
                                 .positive_inf_count = sl_load32(in + 72),
                                 .negative_inf_count = sl_load32(in + 76)};
    if (out->value_count == SL_NODE_STATS_NONE || out->value_count == 0)
        return sl_is_zero(in, 64) && sl_is_zero(in + 68, 12);
    uint64_t odd = (uint64_t)out->nan_count + out->positive_inf_count + out->negative_inf_count;
    return out->value_count <= SL_NODE_CHUNKS * SL_CHUNK_ROWS_MAX && odd <= out->value_count;
}

void sl_node_stats_begin(sl_node_stats_entry *node) { *node = (sl_node_stats_entry){0}; }

static int64_t step_of(const sl_chunk_entry *chunk, uint32_t distance)
{
    return (int64_t)((uint64_t)chunk->step_min + distance);
}

SL_BEHIND_MODE static void add_stats(sl_node_stats_entry *node, const sl_chunk_entry *chunk,
                                     const sl_stats_entry *stats)
{
    if (node->value_count == SL_NODE_STATS_NONE || stats->value_count == 0) return;
    if (stats->value_count == SL_STATS_NONE) {
        *node = sl_node_stats_none();
        return;
    }
    if (node->value_count == 0) {
        node->first = stats->first;
        node->first_step = step_of(chunk, stats->first_distance);
        node->smallest = node->largest = sl_double_of(ONLY_NAN);
    }
    node->last = stats->last;
    node->last_step = step_of(chunk, stats->last_distance);
    node->value_count += stats->value_count;
    node->nan_count += stats->nan_count;
    node->positive_inf_count += stats->positive_inf_count;
    node->negative_inf_count += stats->negative_inf_count;
    if (isnan(stats->smallest)) return;
    if (isnan(node->smallest) || stats->smallest < node->smallest) {
        node->smallest = stats->smallest;
        node->smallest_step = step_of(chunk, stats->smallest_distance);
    }
    if (isnan(node->largest) || stats->largest > node->largest) {
        node->largest = stats->largest;
        node->largest_step = step_of(chunk, stats->largest_distance);
    }
}

void sl_node_stats_add(sl_node_stats_entry *node, const sl_chunk_entry *chunk, const sl_stats_entry *stats)
{
    const sl_float_mode host = sl_float_mode_begin();
    add_stats(node, chunk, stats);
    sl_float_mode_end(host);
}
