/* bit_pack.c: packs and unpacks integers of equal width; the innermost loops of every codec.
 *
 * The lane layout puts value i into lane i mod 16 at bit (i div 16) * width of that lane, and word k of all
 * lanes side by side. One row of 16 values then needs the same word index and the same shift in every
 * lane: the inner loops (kernels_decode.h, kernels_encode.h) have a fixed count, no carried state and no branches, and
 * run as vectors on any machine. Rows come out in the order of the values, so what follows (adding a base,
 * undoing differences) needs no transposition.
 *
 * Knows nothing of what the integers mean; int_stream.c does. */
#include "format/bit_pack.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "format/kernels.h"

static void pack_string(const uint64_t *values, size_t count, uint64_t base, unsigned width, uint8_t *out)
{
    const uint64_t mask = UINT64_MAX >> (64 - width);
    uint64_t word = 0;
    unsigned fill = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t low = (values[i] - base) & mask;
        word |= low << fill;
        fill += width;
        if (fill < 64) continue;
        sl_store64(out, word);
        out += 8;
        fill -= 64;
        word = fill == 0 ? 0 : low >> (width - fill);
    }
    sl_store64(out, word);
}

size_t sl_pack_from(const uint64_t *values, size_t count, unsigned width, uint64_t base, uint8_t *out)
{
    SL_ASSERT(width <= 64);
    if (width == 0 || count == 0) return 0;
    if (count == SL_PACK_LANED_COUNT) {
        sl_kernels_now()->pack(values, base, width, out);
    } else {
        pack_string(values, count, base, width, out);
    }
    return sl_pack_bytes(count, width);
}

size_t sl_pack(const uint64_t *values, size_t count, unsigned width, uint8_t *out)
{
    return sl_pack_from(values, count, width, 0, out);
}

int sl_unpack_from(const uint8_t *in, size_t count, unsigned width, uint64_t base, uint64_t *values)
{
    SL_ASSERT(width <= 64);
    if (width == 0 || count == 0) {
        sl_kernels_now()->fill(base, 0, count, values);
        return width == 0;
    }
    const sl_kernels *kernels = sl_kernels_now();
    const uint64_t every = count == SL_PACK_LANED_COUNT ? kernels->unpack(in, width, base, values)
                                                        : kernels->unpack_string(in, count, width, base, values);
    size_t spare = sl_pack_bytes(count, width) * 8 - count * width;
    int is_padding_zero = spare == 0 || in[sl_pack_bytes(count, width) - 1] >> (8 - spare) == 0;
    return is_padding_zero && every >> (width - 1) != 0;
}

int sl_unpack(const uint8_t *in, size_t count, unsigned width, uint64_t *values)
{
    return sl_unpack_from(in, count, width, 0, values);
}
