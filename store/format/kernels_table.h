/* format/kernels_table.h: one table of inner loops, for kernels_*.c alone. A file may define SL_LANES, SL_TARGET,
 * SL_KERNELS and SL_KERNELS_NAME before it includes this; without them the table is the plain one. */
#ifndef SL_FORMAT_KERNELS_TABLE_H
#define SL_FORMAT_KERNELS_TABLE_H

#ifndef SL_KERNELS
#define SL_LANES 2
#define SL_TARGET
#define SL_KERNELS sl_kernels_plain
#define SL_KERNELS_NAME "plain"
#endif

#include "format/kernels.h"
#include "format/kernels_decode.h"
#include "format/kernels_encode.h"
#include "format/vector.h"

const sl_kernels SL_KERNELS = {
    .name = SL_KERNELS_NAME,
    .unpack = unpack,
    .unpack_string = unpack_string,
    .fill = fill,
    .sum = sum,
    .multiply = multiply,
    .decimals = decimals,
    .ordered = ordered,
    .fractions = fractions,
    .pack = pack,
    .difference = difference,
    .is_affine = is_affine,
    .extremes = extremes,
    .select = select_places,
    .sum_distances = sum_distances,
    .lengths = lengths_from,
    .count_longer = count_longer,
    .sum_lengths = sum_lengths,
    .sample = sample,
    .count_others = count_others,
    .find_outside = find_outside,
    .to_decimals = to_decimals,
    .to_fractions = to_fractions,
    .to_ordered = to_ordered,
    .count_kinds = count_kinds,
    .mark_odd = mark_odd,
    .shift_right = shift_right,
    .are_finite = are_finite,
    .extremes_of_doubles = extremes_of_doubles,
    .find = find,
};

#endif
