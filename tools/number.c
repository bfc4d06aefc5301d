/* number.c: numbers to text and back.
 *
 * The tool never calls setlocale(), so the C library's conversions are those of the "C" locale; what is written here is
 * the choice of digits, the special values, and the strictness that strtod() lacks. */
#include "number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define QUIET_NAN_BITS 0x7ff8000000000000u

uint64_t number_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

double number_from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static size_t format_special(double value, char *text)
{
    if (isnan(value)) {
        if (number_bits(value) == QUIET_NAN_BITS) return (size_t)snprintf(text, NUMBER_TEXT_BYTES, "nan");
        return (size_t)snprintf(text, NUMBER_TEXT_BYTES, "nan:%016llx", (unsigned long long)number_bits(value));
    }
    return (size_t)snprintf(text, NUMBER_TEXT_BYTES, value < 0 ? "-inf" : "inf");
}

/* Whole numbers are common (steps, counts, token totals) and printf is slow at them. */
static size_t format_whole(int64_t value, char *text)
{
    char reversed[24];
    size_t count = 0, length = 0;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        reversed[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) text[length++] = '-';
    while (count > 0) text[length++] = reversed[--count];
    text[length] = 0;
    return length;
}

/* The doubles below a power of two lie closer than those above, so that sixteen digits nearest to it may miss while
 * the next ones hit. Such powers print with an exponent. Returns the length, or 0. */
static size_t format_power_of_two(double value, char *text)
{
    char digits[NUMBER_TEXT_BYTES], next[NUMBER_TEXT_BYTES];
    if (number_bits(value) << 12 != 0) return 0;
    snprintf(digits, sizeof digits, "%.15e", fabs(value));
    uint64_t mantissa = (uint64_t)(digits[0] - '0') * 1000000000000000u + strtoull(digits + 2, NULL, 10) + 1;
    const char *exponent = strchr(digits, 'e');
    snprintf(next, sizeof next, "%s%llu.%015llu%s", value < 0 ? "-" : "",
             (unsigned long long)(mantissa / 1000000000000000u), (unsigned long long)(mantissa % 1000000000000000u),
             exponent);
    if (strtod(next, NULL) != value) return 0;
    return (size_t)snprintf(text, NUMBER_TEXT_BYTES, "%s", next);
}

size_t number_format_double(double value, char text[NUMBER_TEXT_BYTES])
{
    if (!isfinite(value)) return format_special(value, text);
    if (fabs(value) < 1e15 && value == (double)(int64_t)value && !(value == 0 && signbit(value)))
        return format_whole((int64_t)value, text);
    /* Any decimal of up to 15 digits survives the trip through a normal double, so 15 digits give the shortest form
     * (%g drops trailing zeros) unless 16 or 17 are needed. Subnormals hold fewer digits: search from one. */
    int digits = fabs(value) < 2.3e-308 ? 1 : 15;
    for (;; digits++) {
        int length = snprintf(text, NUMBER_TEXT_BYTES, "%.*g", digits, value);
        if (digits >= 17 || strtod(text, NULL) == value) return (size_t)length;
        if (digits == 16) {
            size_t shorter = format_power_of_two(value, text);
            if (shorter > 0) return shorter;
        }
    }
}

size_t number_format_brief(double value, int digits, char text[NUMBER_TEXT_BYTES])
{
    if (isnan(value)) return (size_t)snprintf(text, NUMBER_TEXT_BYTES, "nan");
    if (isinf(value)) return format_special(value, text);
    if (fabs(value) < 1e15 && value == (double)(int64_t)value && !(value == 0 && signbit(value)))
        return format_whole((int64_t)value, text);
    if (digits < 1) digits = 1;
    if (digits > 17) digits = 17;
    return (size_t)snprintf(text, NUMBER_TEXT_BYTES, "%.*g", digits, value);
}

size_t number_format_bytes(uint64_t value, char text[NUMBER_TEXT_BYTES])
{
    static const char units[] = "KMGTPE";
    if (value < 1000) return (size_t)snprintf(text, NUMBER_TEXT_BYTES, "%u", (unsigned)value);
    double scaled = (double)value / 1024;
    size_t unit = 0;
    while (scaled >= 999.5 && unit + 1 < sizeof units - 1) {
        scaled /= 1024;
        unit++;
    }
    return (size_t)snprintf(text, NUMBER_TEXT_BYTES, scaled < 9.95 ? "%.1f%c" : "%.0f%c", scaled, units[unit]);
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int is_equal_word(const char *text, size_t bytes, const char *word)
{
    return strlen(word) == bytes && strncasecmp(text, word, bytes) == 0;
}

static int parse_hex16(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    for (int i = 0; i < 16; i++) {
        char c = text[i];
        unsigned digit;
        if (is_digit(c)) digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f') digit = (unsigned)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F') digit = (unsigned)(c - 'A') + 10;
        else return 0;
        value = value << 4 | digit;
    }
    *out = value;
    return 1;
}

/* Reads inf, nan and nan:HEX after an optional sign. */
static int parse_special(const char *text, size_t bytes, double *out)
{
    int is_negative = bytes > 0 && text[0] == '-';
    size_t sign = bytes > 0 && (text[0] == '-' || text[0] == '+');
    const char *word = text + sign;
    size_t length = bytes - sign;
    uint64_t bits;
    if (is_equal_word(word, length, "inf") || is_equal_word(word, length, "infinity")) {
        *out = is_negative ? -(double)INFINITY : (double)INFINITY;
        return 1;
    }
    if (is_equal_word(word, length, "nan")) {
        *out = number_from_bits(QUIET_NAN_BITS | (is_negative ? (uint64_t)1 << 63 : 0));
        return 1;
    }
    if (sign == 0 && length == 20 && strncasecmp(word, "nan:", 4) == 0 && parse_hex16(word + 4, &bits)) {
        *out = number_from_bits(bits);
        return isnan(*out);
    }
    return 0;
}

/* Tells whether text is [sign] digits [. digits] [e [sign] digits] with a digit in the mantissa. */
static int is_decimal(const char *text, size_t bytes)
{
    size_t i = 0, digits = 0;
    if (i < bytes && (text[i] == '-' || text[i] == '+')) i++;
    for (; i < bytes && is_digit(text[i]); i++) digits++;
    if (i < bytes && text[i] == '.') i++;
    for (; i < bytes && is_digit(text[i]); i++) digits++;
    if (digits == 0) return 0;
    if (i == bytes) return 1;
    if (text[i] != 'e' && text[i] != 'E') return 0;
    i++;
    if (i < bytes && (text[i] == '-' || text[i] == '+')) i++;
    if (i == bytes) return 0;
    while (i < bytes && is_digit(text[i])) i++;
    return i == bytes;
}

int number_parse_double(const char *text, size_t bytes, double *out)
{
    if (!is_decimal(text, bytes)) return parse_special(text, bytes, out);
    char small[64];
    char *copy = bytes < sizeof small ? small : malloc(bytes + 1);
    if (copy == NULL) return 0;
    memcpy(copy, text, bytes);
    copy[bytes] = 0;
    *out = strtod(copy, NULL); /* too large reads as infinity, too small as the nearest, as everywhere */
    if (copy != small) free(copy);
    return 1;
}

int number_parse_uint64(const char *text, size_t bytes, uint64_t *out)
{
    uint64_t value = 0;
    if (bytes == 0) return 0;
    for (size_t i = 0; i < bytes; i++) {
        if (!is_digit(text[i])) return 0;
        unsigned digit = (unsigned)(text[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) return 0;
        value = value * 10 + digit;
    }
    *out = value;
    return 1;
}

int number_parse_int64(const char *text, size_t bytes, int64_t *out)
{
    size_t sign = bytes > 0 && (text[0] == '-' || text[0] == '+');
    int is_negative = sign && text[0] == '-';
    uint64_t magnitude;
    if (!number_parse_uint64(text + sign, bytes - sign, &magnitude)) return 0;
    if (magnitude > (uint64_t)INT64_MAX + (is_negative ? 1 : 0)) return 0;
    *out = is_negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return 1;
}

int number_parse_step(const char *text, size_t bytes, int64_t *out)
{
    double value;
    if (number_parse_int64(text, bytes, out)) return 1;
    if (!is_decimal(text, bytes) || !number_parse_double(text, bytes, &value)) return 0;
    /* Beyond 2^53 a double may have lost the digits that were typed: those must be plain integers. */
    if (!(fabs(value) <= 9007199254740992.0) || value != floor(value)) return 0;
    *out = (int64_t)value;
    return 1;
}

int number_parse_count(const char *text, uint64_t *out)
{
    size_t bytes = strlen(text);
    uint64_t unit = 1;
    int64_t whole;
    if (number_parse_uint64(text, bytes, out)) return 1;
    if (bytes > 1) {
        switch (text[bytes - 1]) {
        case 'k': case 'K': unit = 1000; break;
        case 'm': case 'M': unit = 1000000; break;
        case 'g': case 'G': unit = 1000000000; break;
        default: break;
        }
    }
    if (unit > 1) {
        double value;
        if (!is_decimal(text, bytes - 1) || !number_parse_double(text, bytes - 1, &value)) return 0;
        value *= (double)unit;
        if (!(value >= 0 && value <= 9007199254740992.0) || value != floor(value)) return 0;
        *out = (uint64_t)value;
        return 1;
    }
    if (!number_parse_step(text, bytes, &whole) || whole < 0) return 0;
    *out = (uint64_t)whole;
    return 1;
}

int number_parse_steps(const char *text, number_steps *out)
{
    const char *colon = strchr(text, ':');
    number_steps range = {0};
    if (colon == NULL) {
        if (!number_parse_step(text, strlen(text), &range.begin)) return 0;
        range.has_begin = 1;
        range.has_end = range.begin != INT64_MAX; /* the largest step has no step after it: no end says the same */
        range.end = range.has_end ? range.begin + 1 : 0;
        *out = range;
        return 1;
    }
    if (colon > text) {
        if (!number_parse_step(text, (size_t)(colon - text), &range.begin)) return 0;
        range.has_begin = 1;
    }
    if (colon[1] != 0) {
        if (!number_parse_step(colon + 1, strlen(colon + 1), &range.end)) return 0;
        range.has_end = 1;
    }
    if (range.has_begin && range.has_end && range.begin > range.end) return 0;
    *out = range;
    return 1;
}
