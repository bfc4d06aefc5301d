/* format/kernels.h: the inner loops of the numeric codecs, compiled for several widths of vectors.
 *
 * The same source (kernels_decode.h, kernels_encode.h, over the few operations of vector.h) makes one table for
 * any machine, one for AVX2 and two for AVX-512; the best that the processor has is chosen at the first call. All
 * of them give the same results, bit for bit: integers wrap in all of them, and floating point is never
 * contracted (-ffp-contract=off). Not by ifunc: pointers in a table work in static libraries, under sanitizers and
 * with any loader, and tests choose among them. -DSL_PLAIN_KERNELS leaves only the plain one. */
#ifndef SL_FORMAT_KERNELS_H
#define SL_FORMAT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(SL_PLAIN_KERNELS)
#define SL_HAS_WIDE_KERNELS 1
#else
#define SL_HAS_WIDE_KERNELS 0
#endif

/* For the wide ones: the address sanitizer of gcc 12 puts vectors of 64 bytes at addresses that their moves do not bear
 * (with detect_stack_use_after_return). The plain ones are instrumented, and all give the same results. */
#define SL_NOT_INSTRUMENTED __attribute__((no_sanitize("address")))

/* Arrays that are written have room for a multiple of this many values: two of the widest vectors. */
#define SL_KERNEL_LANES_MAX 16u
#define SL_KERNEL_COUNT_MAX 1024u
#define SL_KERNEL_SELECT_MAX 32u

/* Decimal integers are in [-half, half): different ones then always give different values. */
#define SL_DECIMAL_HALF ((uint64_t)1 << 51)
#define SL_DECIMAL_FLOAT_HALF ((uint64_t)1 << 22)
#define SL_DECIMAL_EXPONENT_MAX 22u
extern const double sl_power_of_ten[SL_DECIMAL_EXPONENT_MAX + 1]; /* exact */
extern const double sl_power_inverse[SL_DECIMAL_EXPONENT_MAX + 1]; /* rounded once */

typedef struct sl_kernels {
    const char *name;

    /* ---- decoding; what is read and written is rounded up to whole vectors, so arrays have room for 1024 ---- */

    /* 1024 values of 1 to 64 bits in lanes (bit_pack.h), with base added to each. Returns the values before
     * that, or-ed. Reads no byte behind the packed ones. */
    uint64_t (*unpack)(const uint8_t *in, unsigned width, uint64_t base, uint64_t *values);
    /* The same of count values in one string of bits. Reads up to 16 bytes behind it; writes only count values. */
    uint64_t (*unpack_string)(const uint8_t *in, size_t count, unsigned width, uint64_t base, uint64_t *values);
    /* values[i] = first + i * step; writes only count values. */
    void (*fill)(uint64_t first, uint64_t step, size_t count, void *values);
    /* Undoes differences of order 1 to 3 in place; heads are the first value, its first difference, its second. */
    void (*sum)(uint64_t *values, size_t count, unsigned order, const uint64_t *heads);
    /* values[i] = first + values[i] * factor. Returns 1 when all multiples are within -limit to limit. */
    int (*multiply)(uint64_t *values, size_t count, uint64_t factor, uint64_t first, uint64_t limit);
    /* Both make doubles of integers, and return 0 when one is out of range: not in [-2^51, 2^51), or with is_float
     * [-2^22, 2^22); with bits that the shift drops. */
    int (*decimals)(const uint64_t *integers, size_t count, unsigned exponent, int is_float, double *values);
    int (*ordered)(const uint64_t *integers, size_t count, unsigned shift, double *values);
    /* Doubles rests steps behind those nearest to integers / divisor (1 to 2^51). Returns 0 when an integer is not in
     * [-2^51, 2^51). */
    int (*fractions)(const uint64_t *integers, const uint64_t *rests, size_t count, double divisor, double *values);

    /* ---- encoding; only count values are read ---- */

    /* 1024 values in lanes: the bits within width of their offsets from base. */
    void (*pack)(const uint64_t *values, uint64_t base, unsigned width, uint8_t *out);
    /* count - 1 differences to out, which may be values; the least and the largest of them as signed numbers unless
     * min is NULL. */
    void (*difference)(const uint64_t *values, size_t count, uint64_t *out, int64_t *min, int64_t *max);
    int (*is_affine)(const uint64_t *values, size_t count);
    void (*extremes)(const uint64_t *values, size_t count, int64_t *min, int64_t *max);
    /* out[i] is what sorting at most 32 items would put at places[i]. */
    void (*select)(const int64_t *items, size_t count, const unsigned *places, size_t place_count, int64_t *out);
    /* The sum of the distances from middle, each moved to within bound of it. */
    int64_t (*sum_distances)(const uint64_t *values, size_t count, uint64_t middle, int64_t bound);
    /* Bit lengths of the distances of the values, stride apart, from origin: signed ones (a sign is not counted) or,
     * one-sided, unsigned ones. lengths has room for 1024. Returns how many. *seen: bit n - 1 for each length n. */
    size_t (*lengths)(const uint64_t *values, size_t count, size_t stride, uint64_t origin, int is_one_sided,
                      uint8_t *lengths, uint64_t *seen);
    /* How many of count lengths, a multiple of 8 (or padded with zeros), are above length (0 to 63). */
    size_t (*count_longer)(const uint8_t *lengths, size_t count, unsigned length);
    /* The sum of the signed bit lengths of the distances from middle. */
    size_t (*sum_lengths)(const uint64_t *values, size_t count, uint64_t middle);
    /* Differences of order 0 to 3 that end at values[3] and the 15 after it, to each of four arrays. */
    void (*sample)(const uint64_t *values, uint64_t *const out[4]);
    /* How many differ from value; *every: the zigzag codes of their distances, or-ed. */
    size_t (*count_others)(const uint64_t *values, size_t count, uint64_t value, uint64_t *every);
    /* Lists which values are outside of [base, base + mask], and ors the offsets of all. Returns how many. */
    size_t (*find_outside)(const uint64_t *values, size_t count, uint64_t base, uint64_t mask, uint16_t *positions,
                           uint64_t *every);
    /* The decimal view; is_exception[i] tells which values have none, with room for 8 more. Returns how many. */
    size_t (*to_decimals)(const double *values, size_t count, unsigned exponent, int is_float, uint8_t *is_exception,
                          uint64_t *integers);
    /* The fraction view, with rests in (-rest_max, rest_max); otherwise as to_decimals. */
    size_t (*to_fractions)(const double *values, size_t count, double divisor, uint64_t rest_max, uint8_t *is_exception,
                           uint64_t *integers, uint64_t *rests);
    /* The ordered view. Returns 1 when no value is a zero, an infinity or a NaN. */
    int (*to_ordered)(const double *values, size_t count, uint64_t *integers, uint64_t *every);
    /* How many are 0.0, and how many are floats (no bit of below_float). */
    void (*count_kinds)(const double *values, size_t count, uint64_t below_float, size_t *zeros, size_t *floats);
    /* Marks infinities, NaN, -0.0; 0.0 too with are_zeros_odd; what has any of odd_bits. Returns how many. */
    size_t (*mark_odd)(const double *values, size_t count, int are_zeros_odd, uint64_t odd_bits, uint8_t *is_exception);
    void (*shift_right)(uint64_t *integers, size_t count, unsigned shift); /* signed */

    /* ---- statistics ---- */

    int (*are_finite)(const double *values, size_t count);
    void (*extremes_of_doubles)(const double *values, size_t count, double *least, double *most); /* all finite */
    size_t (*find)(const double *values, size_t count, double value); /* the first that is equal; one is there */
} sl_kernels;

/* The best table for this processor, or what a test chose. Callable from any thread. */
const sl_kernels *sl_kernels_now(void);

/* For tests: the tables that this processor can run, the plain one first; NULL behind the last. */
const sl_kernels *sl_kernels_at(size_t index);
/* For tests: what sl_kernels_now() returns from now on; NULL: the best again. */
void sl_kernels_use(const sl_kernels *kernels);

extern const sl_kernels sl_kernels_plain;
#if SL_HAS_WIDE_KERNELS
extern const sl_kernels sl_kernels_avx2, sl_kernels_avx512, sl_kernels_vbmi2;
#endif

#endif
