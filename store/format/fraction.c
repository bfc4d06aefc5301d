/* fraction.c: powers of ten, or the common denominator that continued fractions of some values have. */
#include "format/fraction.h"

#include "base/bytes.h"
#include "format/kernels.h"

#include <math.h>

#define SAMPLE_COUNT 32u
#define DECIMALS_MAX 12u
#define DENOMINATOR_MAX 32768.0
#define COMMON_MAX 4194304.0 /* of all together */
/* A double is near some m / d with an m of n bits by chance once in some 2^(48 - n) times. */
#define NEAR 8
#define NUMERATOR_MAX 68719476736.0 /* 2^36 */

/* 1.5 * 2^52: added to a double below 2^51 it leaves the rounded integer. */
#define ROUNDER 6755399441055744.0

/* Whether two positive numbers are a few roundings apart: of a value and a fraction multiplied out, without dividing. */
static int is_near(double a, double b) { return fabs(a - b) <= b * (NEAR * 0x1p-52); }

/* What there is to look at: finite, and neither 0 nor so large that everything is near an integer. */
static size_t take_sample(const double *values, size_t count, double *sample)
{
    size_t wanted = count < SAMPLE_COUNT ? count : SAMPLE_COUNT, taken = 0;
    for (size_t i = 0; i < wanted; i++) {
        double value = fabs(values[i * count / wanted]);
        if (value > 0 && value < NUMERATOR_MAX) sample[taken++] = value;
    }
    return taken;
}

static int is_multiple(double value, double divisor)
{
    double scaled = value * divisor;
    return scaled < NUMERATOR_MAX && is_near(scaled + ROUNDER - ROUNDER, scaled);
}

/* The smallest power of ten, from *divisor up, of which value is a multiple. */
static int grow_power(double value, double *divisor)
{
    for (double d = *divisor; d <= sl_power_of_ten[DECIMALS_MAX] && value * d < NUMERATOR_MAX; d *= 10) {
        if (!is_multiple(value, d)) continue;
        *divisor = d;
        return 1;
    }
    return 0;
}

/* Of what is below 2^51, and not negative. */
static double floor_of(double value) { return (double)(int64_t)value; }

/* The smallest denominator of a fraction near value, by its continued fraction; 0 when there is none. */
static double denominator_of(double value)
{
    double whole = floor_of(value), rest = value - whole;
    double numerator = whole, before = 1, denominator = 1, denominator_before = 0;
    while (!is_near(numerator, value * denominator)) {
        rest = 1 / rest;
        if (!(rest < DENOMINATOR_MAX)) return 0;
        whole = floor_of(rest);
        rest -= whole;
        double next = whole * numerator + before, next_denominator = whole * denominator + denominator_before;
        before = numerator, numerator = next;
        denominator_before = denominator, denominator = next_denominator;
        if (denominator > DENOMINATOR_MAX || numerator > NUMERATOR_MAX) return 0;
    }
    return denominator;
}

static double common_multiple(double a, double b)
{
    double x = a, y = b;
    while (y != 0) {
        double rest = fmod(x, y);
        x = y;
        y = rest;
    }
    return a / x * b;
}

/* The divisor grows so that value is a multiple as well, if it does not grow too much. */
static int grow_common(double value, double *divisor)
{
    if (is_multiple(value, *divisor)) return 1;
    double denominator = denominator_of(value);
    if (denominator == 0) return 0;
    double common = common_multiple(*divisor, denominator);
    if (common > COMMON_MAX || !is_multiple(value, common)) return 0;
    *divisor = common;
    return 1;
}

static int find_by(int (*grow)(double value, double *divisor), const double *sample, size_t taken, double *divisor)
{
    size_t misses = 0;
    *divisor = 1;
    for (size_t i = 0; i < taken; i++) {
        misses += (size_t)!grow(sample[i], divisor);
        /* What is no fraction at all shows at once; some among others must not decide. */
        if (misses > 1 + i / 8) return 0;
    }
    return 1;
}

int sl_find_divisor(const double *values, size_t count, double *divisor)
{
    double sample[SAMPLE_COUNT];
    size_t taken = take_sample(values, count, sample);
    if (taken == 0) return 0;
    return find_by(grow_power, sample, taken, divisor) || find_by(grow_common, sample, taken, divisor);
}
