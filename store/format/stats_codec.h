/* format/stats_codec.h: what is known of the values of a column without decoding them: of each chunk, and of each node.
 *
 * A node is up to 64 chunks of a group, one behind the other. Statistics answer how a series looks from afar: first,
 * last, smallest and largest value, where they are, and how many are not finite. */
#ifndef SL_FORMAT_STATS_CODEC_H
#define SL_FORMAT_STATS_CODEC_H

#include "format/chunk_codec.h"
#include "format/segment_codec.h"

/* A node of a group; groups of more than one node have entries for theirs. */
typedef struct sl_node_entry {
    uint32_t flags; /* SL_NODE_IS_ASCENDING */
    uint64_t row_count;
    uint64_t sequence_first, sequence_last;
    int64_t step_min, step_max;
} sl_node_entry;
enum { SL_NODE_IS_ASCENDING = 1 }; /* all steps ascend, those within chunks perhaps not strictly */

/* Of the values of one column in one chunk. Distances are from the smallest step of the chunk. */
#define SL_STATS_NONE UINT16_MAX
typedef struct sl_stats_entry {
    double first, last;       /* in the order of rows */
    double smallest, largest; /* of the finite ones; NaN when there is none */
    uint32_t first_distance, last_distance, smallest_distance, largest_distance;
    uint16_t value_count; /* SL_STATS_NONE: nothing is known; then all else is 0 */
    uint16_t nan_count, positive_inf_count, negative_inf_count;
} sl_stats_entry;

/* Of the values of one column in one node. */
#define SL_NODE_STATS_NONE UINT32_MAX
typedef struct sl_node_stats_entry {
    double first, last, smallest, largest;
    int64_t first_step, last_step, smallest_step, largest_step;
    uint32_t value_count; /* SL_NODE_STATS_NONE: something of it is not known; then all else is 0 */
    uint32_t nan_count, positive_inf_count, negative_inf_count;
} sl_node_stats_entry;

void sl_node_entry_encode(const sl_node_entry *entry, uint8_t *out);
int sl_node_entry_decode(const uint8_t *in, sl_node_entry *out);
void sl_stats_entry_encode(const sl_stats_entry *entry, uint8_t *out);
int sl_stats_entry_decode(const uint8_t *in, sl_stats_entry *out);
void sl_node_stats_entry_encode(const sl_node_stats_entry *entry, uint8_t *out);
int sl_node_stats_entry_decode(const uint8_t *in, sl_node_stats_entry *out);

/* How many nodes a group of so many chunks has entries for: none when there would be only one. */
static inline uint32_t sl_node_count(uint32_t chunk_count)
{
    return chunk_count > SL_NODE_CHUNKS ? (chunk_count - 1) / SL_NODE_CHUNKS + 1 : 0;
}

/* Makes the statistics of a column: values[row] where bit row of present is set (NULL: all). step_min: the smallest of
 * steps. */
void sl_stats_make(const double *values, const uint64_t *present, uint32_t row_count, const int64_t *steps,
                   int64_t step_min, sl_stats_entry *out);

/* Makes the entry of a node of so many chunks. */
void sl_node_make(const sl_chunk_entry *chunks, uint32_t count, sl_node_entry *out);

/* Puts the statistics of a node together: first begin, then the chunks in their order. A node whose steps do not ascend
 * has none: see sl_node_stats_none(). */
void sl_node_stats_begin(sl_node_stats_entry *node);
void sl_node_stats_add(sl_node_stats_entry *node, const sl_chunk_entry *chunk, const sl_stats_entry *stats);

static inline sl_node_stats_entry sl_node_stats_none(void)
{
    return (sl_node_stats_entry){.value_count = SL_NODE_STATS_NONE};
}

#endif
