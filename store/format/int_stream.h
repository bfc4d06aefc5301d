/* format/int_stream.h: the integers under every numeric codec: up to 1024 of 64 bits, as differences of order
 * 0 to 3, a base, packed offsets from it, and patches for the few that do not fit.
 *
 * A plan says how; it is made first, so that its exact size can be compared with others. */
#ifndef SL_FORMAT_INT_STREAM_H
#define SL_FORMAT_INT_STREAM_H

#include "steplog/status.h"

#include <stddef.h>
#include <stdint.h>

#define SL_STREAM_COUNT_MAX 1024u
#define SL_STREAM_ORDER_MAX 3u

typedef struct sl_stream_plan {
    size_t count;
    unsigned order;       /* of differences; below count */
    unsigned width;       /* bits of a packed offset */
    uint64_t base;        /* offsets are from here, wrapping */
    uint64_t heads[SL_STREAM_ORDER_MAX]; /* the first value, its first difference, its second */
    unsigned patch_count; /* entries, those included that only skip; 0: none */
    unsigned gap_width, high_width;
    size_t bytes;         /* exactly what sl_stream_write() will write */
} sl_stream_plan;

/* What lies between header bytes and end while decoding. what: which rule is broken. */
typedef struct sl_stream_input {
    const uint8_t *at, *end;
    const char *what;
} sl_stream_input;

static inline uint64_t sl_zigzag(uint64_t value) { return value << 1 ^ (0 - (value >> 63)); }
static inline uint64_t sl_unzigzag(uint64_t code) { return code >> 1 ^ (0 - (code & 1)); }

/* Base-128 numbers, low group first, at most 10 bytes, shortest form only. The reader gives 0 and
 * sets input->what when there is none. */
size_t sl_stream_number_bytes(uint64_t number);
uint8_t *sl_stream_put_number(uint8_t *out, uint64_t number);
uint64_t sl_stream_take_number(sl_stream_input *input);
/* One byte, at most maximum; 0 and input->what on failure. */
unsigned sl_stream_take_byte(sl_stream_input *input, unsigned maximum, const char *what);

/* The tag byte that every encoding starts with: codec in bits 0 to 2, order in 3 and 4, patches in 5, exceptions in 6;
 * bit 7 makes the number of ones even, so that no flipped bit turns one codec into another that happens to
 * say the same. */
#define SL_TAG_CODEC 0x07u
#define SL_TAG_PATCHES 0x20u
#define SL_TAG_EXCEPTIONS 0x40u

static inline uint8_t sl_tag_make(unsigned codec, unsigned order, int has_patches, int has_exceptions)
{
    unsigned tag = codec | order << 3 | (has_patches ? SL_TAG_PATCHES : 0) | (has_exceptions ? SL_TAG_EXCEPTIONS : 0);
    return (uint8_t)(tag | (unsigned)__builtin_parity(tag) << 7);
}

static inline unsigned sl_tag_order(unsigned tag) { return tag >> 3 & 3; }
static inline int sl_tag_is_even(unsigned tag) { return !__builtin_parity(tag & 0xff); }

/* How regular the values are, from a sample: what differences of each order would take. */
typedef struct sl_stream_score {
    size_t count, sampled;
    size_t bits[SL_STREAM_ORDER_MAX + 1]; /* of the sample */
} sl_stream_score;

void sl_stream_make_score(sl_stream_score *score, const uint64_t *values, size_t count);

/* About how many bits the values will take at the best order: to compare ways of making integers of the same data
 * before planning any. */
size_t sl_stream_estimate_bits(const sl_stream_score *score);

/* Values that do not fit the packed width. */
typedef struct sl_patch_list {
    size_t count;                 /* of real patches */
    unsigned gap_width, high_width;
    size_t entries;               /* with those that only skip */
    uint16_t gaps[SL_STREAM_COUNT_MAX];
    uint64_t highs[SL_STREAM_COUNT_MAX];
} sl_patch_list;

#define SL_STREAM_DIFFERENCES_AT 8u

/* What planning leaves for writing, about 40 KB. A plan belongs to the work and the values it was made with, until
 * another is made with the same work. */
typedef struct sl_stream_work {
    unsigned best; /* which of the two below is that of the plan */
    struct {
        /* Unless the order is 0; before them is room for what is packed in the places of the first values. */
        _Alignas(64) uint64_t differences[SL_STREAM_DIFFERENCES_AT + SL_STREAM_COUNT_MAX];
        sl_patch_list list;
    } side[2];
} sl_stream_work;

/* Finds the order, base, width and patches with the fewest bytes. count is 1 to 1024; score is that of the values. */
void sl_stream_make_plan(sl_stream_plan *plan, const uint64_t *values, size_t count, const sl_stream_score *score,
                         sl_stream_work *work);

/* Writes what plan says. out must have 16 bytes more than plan->bytes.
 * The order and whether there are patches are not in it: they belong in the codec's tag byte. */
uint8_t *sl_stream_write(const sl_stream_plan *plan, const uint64_t *values, sl_stream_work *work, uint8_t *out);

/* Reads the header, up to the packed offsets, and checks it; base, heads and widths into plan, whose bytes is
 * what the packed parts take. Returns 1 or, with input->what set, 0. */
int sl_stream_read_header(sl_stream_input *input, size_t count, unsigned order, int has_patches,
                          sl_stream_plan *plan);

/* Reads count values and requires that the input ends with them. 64 bytes past its end must be
 * readable, values must have room for 1024; after the last one zeros fill up a vector. *is_constant: all are the
 * same, and only the first is there. Returns 1 or, with input->what set, 0. */
int sl_stream_read(sl_stream_input *input, size_t count, unsigned order, int has_patches, uint64_t *values,
                   int *is_constant);

#endif
