/* bit_pack.c: packs and unpacks integers of equal width; the innermost loops of every codec.
 *
 * The lane layout puts value i into lane i mod 16 at bit (i div 16) * width of that lane, and word k of all
 * lanes side by side. One row of 16 values then needs the same word index and the same shift in every
 * lane: the inner loops below have a fixed count, no carried state and no branches, and compilers turn them into
 * vectors on any machine. Rows come out in the order of the values, so what follows (adding a base,
 * undoing differences) needs no transposition.
 *
 * Knows nothing of what the integers mean; int_stream.c does. */
#include "format/bit_pack.h"

#include "base/assert.h"
#include "base/bytes.h"

#if SL_HAS_WIDE_LOOPS
#include <immintrin.h>
#endif

#define LANES SL_PACK_LANES
#define ROWS SL_PACK_LANE_ROWS
#define LANE_ROW_BYTES (8u * LANES)

static uint64_t mask_of(unsigned width)
{
    return width == 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1;
}

static void store_lanes(uint8_t *out, const uint64_t *words)
{
    for (unsigned lane = 0; lane < LANES; lane++) sl_store64(out + 8 * lane, words[lane]);
}

SL_VECTORISED
static void pack_lanes(const uint64_t *values, unsigned width, uint8_t *out)
{
    uint64_t words[LANES] = {0};
    unsigned fill = 0;
    for (unsigned row = 0; row < ROWS; row++, values += LANES) {
        for (unsigned lane = 0; lane < LANES; lane++) words[lane] |= values[lane] << fill;
        fill += width;
        if (fill < 64) continue;
        store_lanes(out, words);
        out += LANE_ROW_BYTES;
        fill -= 64;
        /* What did not fit starts the next word; nothing when the value ended with the word. */
        unsigned taken = width - fill;
        for (unsigned lane = 0; lane < LANES; lane++) words[lane] = fill == 0 ? 0 : values[lane] >> taken;
    }
}

/* Each way to unpack returns the values, or-ed, before the base is added. */
SL_VECTORISED
static uint64_t unpack_lanes(const uint8_t *in, unsigned width, uint64_t base, uint64_t *values)
{
    const uint64_t mask = mask_of(width);
    uint64_t any[LANES] = {0}, all = 0;
    for (unsigned row = 0; row < ROWS; row++, values += LANES) {
        unsigned shift = row * width % 64;
        const uint8_t *low = in + (size_t)(row * width / 64) * LANE_ROW_BYTES;
        if (shift + width <= 64) {
            for (unsigned lane = 0; lane < LANES; lane++) {
                uint64_t value = sl_load64(low + 8 * lane) >> shift & mask;
                any[lane] |= value;
                values[lane] = value + base;
            }
        } else {
            const uint8_t *high = low + LANE_ROW_BYTES;
            for (unsigned lane = 0; lane < LANES; lane++) {
                uint64_t value =
                    (sl_load64(low + 8 * lane) >> shift | sl_load64(high + 8 * lane) << (64 - shift)) & mask;
                any[lane] |= value;
                values[lane] = value + base;
            }
        }
    }
    for (unsigned lane = 0; lane < LANES; lane++) all |= any[lane];
    return all;
}

#if SL_HAS_WIDE_LOOPS
SL_WITH_AVX512
static uint64_t unpack_lanes_avx512(const uint8_t *in, unsigned width, uint64_t base, uint64_t *values)
{
    const __m512i mask = _mm512_set1_epi64((long long)mask_of(width)), from = _mm512_set1_epi64((long long)base);
    const __m512i step = _mm512_set1_epi64((long long)width), end = _mm512_set1_epi64(64);
    __m512i any_0 = _mm512_setzero_si512(), any_1 = any_0;
    __m512i word_0 = _mm512_loadu_si512(in), word_1 = _mm512_loadu_si512(in + 64), right = any_0;
    /* In each row the words are those that its values begin in. */
    for (unsigned row = 0, shift = 0; row < ROWS; row++, values += LANES) {
        __m512i value_0 = _mm512_srlv_epi64(word_0, right), value_1 = _mm512_srlv_epi64(word_1, right);
        right = _mm512_add_epi64(right, step);
        shift += width;
        if (shift >= 64 && row + 1 < ROWS) {
            /* By 64 bits where the values ended with their words: that shifts all out. */
            __m512i left = _mm512_sub_epi64(step, _mm512_sub_epi64(right, end));
            in += LANE_ROW_BYTES;
            word_0 = _mm512_loadu_si512(in);
            word_1 = _mm512_loadu_si512(in + 64);
            value_0 = _mm512_or_si512(value_0, _mm512_sllv_epi64(word_0, left));
            value_1 = _mm512_or_si512(value_1, _mm512_sllv_epi64(word_1, left));
            right = _mm512_sub_epi64(right, end);
            shift -= 64;
        }
        value_0 = _mm512_and_si512(value_0, mask);
        value_1 = _mm512_and_si512(value_1, mask);
        any_0 = _mm512_or_si512(any_0, value_0);
        any_1 = _mm512_or_si512(any_1, value_1);
        _mm512_storeu_si512(values, _mm512_add_epi64(value_0, from));
        _mm512_storeu_si512(values + 8, _mm512_add_epi64(value_1, from));
    }
    return (uint64_t)_mm512_reduce_or_epi64(_mm512_or_si512(any_0, any_1));
}
#endif

static void pack_string(const uint64_t *values, size_t count, unsigned width, uint8_t *out)
{
    uint64_t word = 0;
    unsigned fill = 0;
    for (size_t i = 0; i < count; i++) {
        word |= values[i] << fill;
        fill += width;
        if (fill < 64) continue;
        sl_store64(out, word);
        out += 8;
        fill -= 64;
        word = fill == 0 ? 0 : values[i] >> (width - fill);
    }
    sl_store64(out, word);
}

static uint64_t unpack_string(const uint8_t *in, size_t count, unsigned width, uint64_t base, uint64_t *values)
{
    const uint64_t mask = mask_of(width);
    size_t bit = 0;
    uint64_t all = 0;
    if (width <= 57) {
        for (size_t i = 0; i < count; i++, bit += width) {
            uint64_t value = sl_load64(in + bit / 8) >> bit % 8 & mask;
            all |= value;
            values[i] = value + base;
        }
        return all;
    }
    for (size_t i = 0; i < count; i++, bit += width) {
        /* Two shifts, because shifting by 64 is undefined when the value starts on a byte. */
        uint64_t high = (uint64_t)in[bit / 8 + 8] << 1 << (63 - bit % 8);
        uint64_t value = (sl_load64(in + bit / 8) >> bit % 8 | high) & mask;
        all |= value;
        values[i] = value + base;
    }
    return all;
}

size_t sl_pack(const uint64_t *values, size_t count, unsigned width, uint8_t *out)
{
    SL_ASSERT(width <= 64);
    if (width == 0 || count == 0) return 0;
    if (count == SL_PACK_LANED_COUNT) {
        pack_lanes(values, width, out);
    } else {
        pack_string(values, count, width, out);
    }
    return sl_pack_bytes(count, width);
}

static uint64_t unpack(const uint8_t *in, size_t count, unsigned width, uint64_t base, uint64_t *values)
{
    if (count != SL_PACK_LANED_COUNT) return unpack_string(in, count, width, base, values);
#if SL_HAS_WIDE_LOOPS
    if (sl_has_avx512()) return unpack_lanes_avx512(in, width, base, values);
#endif
    return unpack_lanes(in, width, base, values);
}

int sl_unpack_from(const uint8_t *in, size_t count, unsigned width, uint64_t base, uint64_t *values)
{
    SL_ASSERT(width <= 64);
    if (width == 0 || count == 0) {
        for (size_t i = 0; i < count; i++) values[i] = base;
        return width == 0;
    }
    uint64_t all = unpack(in, count, width, base, values);
    size_t spare = sl_pack_bytes(count, width) * 8 - count * width;
    int is_padding_zero = spare == 0 || in[sl_pack_bytes(count, width) - 1] >> (8 - spare) == 0;
    return is_padding_zero && all >> (width - 1) != 0;
}

int sl_unpack(const uint8_t *in, size_t count, unsigned width, uint64_t *values)
{
    return sl_unpack_from(in, count, width, 0, values);
}
