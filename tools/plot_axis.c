/* plot_axis.c: from values to places on an axis, and which places get a label.
 *
 * Ticks are whole multiples n of mantissa x 10^exponent with a mantissa of 1, 2 or 5. They are kept as two integers
 * and turned into doubles and into text from these, so that a label is exactly the number it stands for, at 1e308
 * and among the denormals too. */
#include "plot_axis.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DECIMAL_BYTES 48

/* number x 10^exponent */
typedef struct decimal {
    long long number;
    int exponent;
} decimal;

static double factor_for(double low, double high)
{
    const double largest = fmax(fabs(low), fabs(high));
    if (largest > 1e300) return 0x1p-4;
    if (largest < 1e-200) return 0x1p+200;
    return 1;
}

static void widen(double *low, double *high, bool is_log, bool is_whole)
{
    const double value = *low, size = fabs(value);
    if (is_whole) {
        *low = value - 1;
        *high = value + 1;
        if (*low == value) *low = value - size / 1e9; /* beyond 2^53 */
        if (*high == value) *high = value + size / 1e9;
        if (is_log && *low <= 0) *low = value / 2;
    } else if (value == 0) {
        *low = -1;
        *high = 1;
    } else {
        *low = value - size / 2;
        *high = value + size / 2;
    }
    *low = fmax(*low, -DBL_MAX);
    *high = fmin(*high, DBL_MAX);
    if (*low < *high && (!is_log || *low > 0)) return;
    *low = value > 0 ? (is_log ? value : 0) : 2 * value; /* the smallest denormals cannot be halved */
    *high = value > 0 ? 2 * value : 0;
}

void plot_axis_init(plot_axis *axis, double low, double high, bool is_log, bool is_whole)
{
    if (!(low < high)) widen(&low, &high, is_log, is_whole);
    axis->low = low;
    axis->high = high;
    axis->is_log = is_log;
    axis->is_whole = is_whole;
    axis->factor = factor_for(low, high);
}

double plot_axis_position(const plot_axis *axis, double value)
{
    const double log_low = axis->is_log ? log10(axis->low) : 0, log_high = axis->is_log ? log10(axis->high) : 0;
    if (axis->is_log && !(value > 0)) return -1;
    if (log_high - log_low > 1e-9) return (log10(value) - log_low) / (log_high - log_low);
    /* So short a stretch of a log axis is straight, and log10() no longer tells its values apart. */
    const double low = axis->low * axis->factor, high = axis->high * axis->factor;
    return (value * axis->factor - low) / (high - low);
}

size_t plot_axis_dot(const plot_axis *axis, double value, size_t count)
{
    const double place = plot_axis_position(axis, value);
    if (!(place > 0)) return 0;
    if (place >= 1) return count - 1;
    return (size_t)floor(place * (double)(count - 1) + 0.5);
}

static double decimal_value(decimal from)
{
    char text[DECIMAL_BYTES];
    snprintf(text, sizeof text, "%llde%d", from.number, from.exponent);
    return strtod(text, NULL); /* no decimal point, so no locale */
}

/* Plain digits where they are short and exact, a power of ten otherwise. */
static int plain_text(decimal from, char out[DECIMAL_BYTES])
{
    const char *sign = from.number < 0 ? "-" : "";
    const unsigned long long size = from.number < 0 ? 0ULL - (unsigned long long)from.number
                                                    : (unsigned long long)from.number;
    if (from.number == 0) return snprintf(out, DECIMAL_BYTES, "0");
    if (from.exponent >= 0) {
        int bytes = snprintf(out, DECIMAL_BYTES, "%s%llu", sign, size);
        for (int i = 0; i < from.exponent && bytes < DECIMAL_BYTES - 1; i++) out[bytes++] = '0';
        out[bytes] = 0;
        return bytes;
    }
    char digits[DECIMAL_BYTES];
    const int places = -from.exponent;
    if (places > 20) return DECIMAL_BYTES;
    const int count = snprintf(digits, sizeof digits, "%0*llu", places + 1, size);
    return snprintf(out, DECIMAL_BYTES, "%s%.*s.%s", sign, count - places, digits, digits + count - places);
}

static void power_text(decimal from, char out[DECIMAL_BYTES])
{
    if (from.number == 0) {
        snprintf(out, DECIMAL_BYTES, "0");
        return;
    }
    while (from.number % 10 == 0) {
        from.number /= 10;
        from.exponent++;
    }
    char digits[DECIMAL_BYTES];
    const int count = snprintf(digits, sizeof digits, "%lld", llabs(from.number));
    const char *sign = from.number < 0 ? "-" : "";
    const int exponent = from.exponent + count - 1;
    if (count == 1) snprintf(out, DECIMAL_BYTES, "%s%.1se%d", sign, digits, exponent);
    else snprintf(out, DECIMAL_BYTES, "%s%.1s.%.20se%d", sign, digits, digits + 1, exponent);
}

/* One style for all ticks of an axis: what the longest of them allows. */
static void label_ticks(const decimal *from, size_t count, plot_tick *out)
{
    char text[DECIMAL_BYTES];
    bool is_plain = true;
    for (size_t i = 0; i < count; i++)
        if (from[i].exponent > 9 || from[i].exponent < -7 || plain_text(from[i], text) > 8) is_plain = false;
    for (size_t i = 0; i < count; i++) {
        if (is_plain) plain_text(from[i], text);
        else power_text(from[i], text);
        snprintf(out[i].label, sizeof out[i].label, "%.31s", text);
    }
}

static size_t place_ticks(const plot_axis *axis, const decimal *from, size_t count, plot_tick *out)
{
    for (size_t i = 0; i < count; i++) {
        out[i].value = decimal_value(from[i]);
        out[i].position = plot_axis_position(axis, out[i].value);
    }
    label_ticks(from, count, out);
    return count;
}

/* The smallest 1, 2 or 5 times a power of ten that is no smaller than 10^log_size. */
static decimal round_step(double log_size, bool is_whole)
{
    if (is_whole && log_size < 0) log_size = 0;
    const double floor_log = floor(log_size + 1e-9), ratio = pow(10, log_size - floor_log);
    const int exponent = (int)floor_log;
    if (ratio <= 1.0000001) return (decimal){1, exponent};
    if (ratio <= 2.0000001) return (decimal){2, exponent};
    if (ratio <= 5.0000001) return (decimal){5, exponent};
    return (decimal){1, exponent + 1};
}

static size_t linear_ticks(const plot_axis *axis, size_t wanted, plot_tick *out)
{
    const double span = axis->high * axis->factor - axis->low * axis->factor;
    const decimal step = round_step(log10(span / (double)(wanted - 1)) - log10(axis->factor), axis->is_whole);
    const double scaled_step = (double)step.number * pow(10, step.exponent + log10(axis->factor));
    const double first = ceil(axis->low * axis->factor / scaled_step);
    if (!(fabs(first) < 1e15)) return 0; /* no round values between: a few units in the last place */
    decimal chosen[PLOT_TICKS_MAX];
    size_t count = 0;
    for (long long n = (long long)first - 1; count < PLOT_TICKS_MAX && n < (long long)first + 2 * PLOT_TICKS_MAX; n++) {
        const decimal tick = {n * step.number, step.exponent};
        const double value = decimal_value(tick);
        if (value > axis->high) break;
        /* Among denormals a step may round to 0. */
        const bool is_new = count == 0 || value > decimal_value(chosen[count - 1]);
        if (value >= axis->low && is_new) chosen[count++] = tick;
    }
    return place_ticks(axis, chosen, count, out);
}

static size_t log_ticks(const plot_axis *axis, size_t wanted, plot_tick *out)
{
    static const int mantissas[] = {1, 2, 5};
    const double decades = log10(axis->high) - log10(axis->low);
    const bool is_fine = decades * 3 <= (double)wanted;
    const int stride = is_fine ? 1 : (int)fmax(1, ceil(decades / (double)wanted));
    decimal chosen[PLOT_TICKS_MAX];
    size_t count = 0;
    for (int exponent = (int)floor(log10(axis->low)); exponent <= (int)ceil(log10(axis->high)); exponent++) {
        if (!is_fine && exponent % stride != 0) continue;
        for (size_t i = 0; i < (is_fine ? 3u : 1u); i++) {
            const decimal tick = {mantissas[i], exponent};
            const double value = decimal_value(tick);
            if (value < axis->low || value > axis->high || count == PLOT_TICKS_MAX) continue;
            if (count == 0 || value > decimal_value(chosen[count - 1])) chosen[count++] = tick;
        }
    }
    if (count >= 2) return place_ticks(axis, chosen, count, out);
    return linear_ticks(axis, wanted, out); /* less than a decade: round steps say more */
}

size_t plot_axis_ticks(const plot_axis *axis, size_t wanted, plot_tick *out)
{
    wanted = wanted < 2 ? 2 : wanted > PLOT_TICKS_MAX ? PLOT_TICKS_MAX : wanted;
    size_t count = 0;
    /* A step that is rounded up may leave one tick or none: a finer one says more than too few. */
    for (size_t aim = wanted; count < 2 && aim <= 3 * wanted && aim <= PLOT_TICKS_MAX; aim++)
        count = axis->is_log ? log_ticks(axis, aim, out) : linear_ticks(axis, aim, out);
    return count;
}

void plot_axis_value_text(double value, char out[PLOT_LABEL_BYTES])
{
    if (isnan(value)) {
        snprintf(out, PLOT_LABEL_BYTES, "nan");
    } else if (isinf(value)) {
        snprintf(out, PLOT_LABEL_BYTES, value > 0 ? "inf" : "-inf");
    } else if (value == floor(value) && fabs(value) < 1e9) {
        snprintf(out, PLOT_LABEL_BYTES, "%.0f", value);
    } else {
        snprintf(out, PLOT_LABEL_BYTES, "%.5g", value);
        char *mark = strpbrk(out, "e"); /* 3e-05 reads as 3e-5 */
        if (mark == NULL) return;
        char *digits = mark[1] == '-' ? mark + 2 : mark[1] == '+' ? mark + 1 : mark + 1;
        char *from = digits;
        while (*from == '+' || (*from == '0' && from[1] != 0)) from++;
        memmove(digits, from, strlen(from) + 1);
    }
}
