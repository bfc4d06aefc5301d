/* import_cell.c: the meaning of one cell.
 *
 * Everything that decides whether a piece of text is a number is here, so that a value means the same in a CSV cell,
 * in a JSON string and in free text. A unit must be one of a short list: "10k" or "3rd" is text, because taking it for
 * 10 or 3 would record something false. */
#include "import_cell.h"

#include "number.h"
#include "print.h"
#include "time_text.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>

static const char *const units[] = {
    "ms",  "us",  "ns",  "s",   "sec", "secs", "seconds", "min",       "h",         "hr",    "hrs", "%",  "x",  "B",
    "KB",  "MB",  "GB",  "TB",  "KiB", "MiB",  "GiB",     "TiB",       "it",        "it/s",  "s/it", "/s", "Hz", "MHz",
    "GHz", "W",   "J",   "C",   "tok/s", "tokens/s", "samples/s", "img/s", "images/s", "iter/s", "\xc2\xb5s", NULL};

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

void import_cell_trim(const char **text, size_t *bytes)
{
    while (*bytes > 0 && is_blank((*text)[0])) {
        (*text)++;
        (*bytes)--;
    }
    while (*bytes > 0 && is_blank((*text)[*bytes - 1])) {
        (*bytes)--;
    }
}

static int equals(const char *text, size_t bytes, const char *word)
{
    return bytes == strlen(word) && strncasecmp(text, word, bytes) == 0;
}

/* The bytes of a number without a unit at the start of text, or 0. */
static size_t number_bytes(const char *text, size_t bytes)
{
    size_t at = 0;
    size_t digits = 0;
    if (at < bytes && (text[at] == '+' || text[at] == '-')) {
        at++;
    }
    for (; at < bytes && isdigit((unsigned char)text[at]); at++) {
        digits++;
    }
    if (at < bytes && text[at] == '.') {
        size_t fraction = at + 1;
        while (fraction < bytes && isdigit((unsigned char)text[fraction])) {
            fraction++;
            digits++;
        }
        at = fraction;
    }
    if (digits == 0) {
        return 0;
    }
    if (at < bytes && (text[at] == 'e' || text[at] == 'E')) {
        size_t exponent = at + 1;
        if (exponent < bytes && (text[exponent] == '+' || text[exponent] == '-')) {
            exponent++;
        }
        const size_t first = exponent;
        while (exponent < bytes && isdigit((unsigned char)text[exponent])) {
            exponent++;
        }
        if (exponent > first) {
            at = exponent;
        }
    }
    return at;
}

/* The bytes of "nan", "-inf", "infinity" at the start of text, or 0. */
static size_t special_bytes(const char *text, size_t bytes, double *out)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {{"infinity", INFINITY}, {"inf", INFINITY}, {"nan(ind)", NAN}, {"nan", NAN}};
    const size_t sign = bytes > 0 && (text[0] == '-' || text[0] == '+');
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const size_t length = strlen(words[i].word);
        if (bytes - sign >= length && strncasecmp(text + sign, words[i].word, length) == 0) {
            *out = sign && text[0] == '-' && isinf(words[i].value) ? -words[i].value : words[i].value;
            return sign + length;
        }
    }
    return 0;
}

static int is_unit(const char *text, size_t bytes)
{
    if (bytes == 0) {
        return 1;
    }
    for (size_t i = 0; units[i] != NULL; i++) {
        if (bytes == strlen(units[i]) && memcmp(text, units[i], bytes) == 0) {
            return 1;
        }
    }
    return 0;
}

static int read_bool(const char *text, size_t bytes, double *out)
{
    if (equals(text, bytes, "true") || equals(text, bytes, "false")) {
        *out = bytes == 4;
        return 1;
    }
    return 0;
}

import_kind import_cell_read(const char *text, size_t bytes, double *out)
{
    import_cell_trim(&text, &bytes);
    if (bytes == 0 || equals(text, bytes, "null") || equals(text, bytes, "none") || equals(text, bytes, "na") ||
        equals(text, bytes, "n/a")) {
        return IMPORT_MISSING;
    }
    if (number_parse_double(text, bytes, out) || read_bool(text, bytes, out)) {
        return IMPORT_NUMBER;
    }
    size_t used = number_bytes(text, bytes);
    if (used > 0) {
        return is_unit(text + used, bytes - used) && number_parse_double(text, used, out) ? IMPORT_NUMBER : IMPORT_TEXT;
    }
    used = special_bytes(text, bytes, out);
    if (used > 0 && is_unit(text + used, bytes - used)) {
        return IMPORT_NUMBER;
    }
    const char first = text[0];
    const char last = text[bytes - 1];
    if ((first == '[' && last == ']') || (first == '(' && last == ')') || (first == '{' && last == '}')) {
        return IMPORT_LIST;
    }
    return IMPORT_TEXT;
}

int import_cell_is_inner_comma(const char *text, size_t bytes, size_t at)
{
    return text[at] == ',' && at > 0 && isdigit((unsigned char)text[at - 1]) && at + 1 < bytes &&
           isdigit((unsigned char)text[at + 1]);
}

/* Whether a value may end before text: not inside a word, a time, a version or a number with a decimal comma. */
static int is_boundary(const char *text, size_t bytes)
{
    if (bytes > 1 && text[0] == ',' && isdigit((unsigned char)text[1])) {
        return 0;
    }
    if (bytes == 0 || is_blank(text[0]) || strchr(",;|)]}'\"", text[0]) != NULL) {
        return 1;
    }
    if (text[0] == '/') {
        return bytes > 1 && isalpha((unsigned char)text[1]);
    }
    if (text[0] == '.' || text[0] == ':') {
        return bytes == 1 || is_blank(text[1]);
    }
    return 0;
}

/* The bytes of the longest unit that ends at a boundary, or SIZE_MAX when there is none, not even the empty one. */
static size_t unit_bytes(const char *text, size_t bytes)
{
    size_t best = SIZE_MAX;
    if (is_boundary(text, bytes)) {
        best = 0;
    }
    for (size_t i = 0; units[i] != NULL; i++) {
        const size_t length = strlen(units[i]);
        if (length <= bytes && memcmp(text, units[i], length) == 0 && is_boundary(text + length, bytes - length) &&
            (best == SIZE_MAX || length > best)) {
            best = length;
        }
    }
    return best;
}

size_t import_cell_unit(const char *text, size_t bytes)
{
    const size_t used = unit_bytes(text, bytes);
    return used == SIZE_MAX || (used < bytes && text[used] == ':') ? 0 : used;
}

/* The bytes of "/1480" behind a whole number, or 0. */
static size_t total_bytes(const char *text, size_t bytes)
{
    size_t at = 1;
    if (bytes < 2 || text[0] != '/') {
        return 0;
    }
    while (at < bytes && isdigit((unsigned char)text[at])) {
        at++;
    }
    return at > 1 ? at : 0;
}

size_t import_cell_prefix(const char *text, size_t bytes, double *out)
{
    size_t used = number_bytes(text, bytes);
    if (used > 0) {
        if (!number_parse_double(text, used, out)) {
            return 0;
        }
        const size_t total = total_bytes(text + used, bytes - used);
        if (total > 0) {
            return is_boundary(text + used + total, bytes - used - total) ? used + total : 0;
        }
    } else {
        used = special_bytes(text, bytes, out);
    }
    if (used == 0) {
        const size_t word = bytes >= 4 && strncasecmp(text, "true", 4) == 0    ? 4
                            : bytes >= 5 && strncasecmp(text, "false", 5) == 0 ? 5
                                                                               : 0;
        *out = word == 4;
        return word > 0 && is_boundary(text + word, bytes - word) ? word : 0;
    }
    const size_t unit = unit_bytes(text + used, bytes - used);
    return unit == SIZE_MAX ? 0 : used + unit;
}

int import_cell_step(const char *text, size_t bytes, int64_t *out)
{
    import_cell_trim(&text, &bytes);
    if (number_parse_step(text, bytes, out)) {
        return 1;
    }
    const char *slash = bytes > 0 ? memchr(text, '/', bytes) : NULL;
    if (slash == NULL || slash == text) {
        return 0;
    }
    const size_t before = (size_t)(slash - text);
    return total_bytes(slash, bytes - before) == bytes - before && number_parse_int64(text, before, out);
}

/* Times as numbers: only magnitudes that no step count or duration is likely to have. */
static int read_epoch(const char *text, size_t bytes, int64_t *out)
{
    size_t whole = 0;
    int64_t value = 0;
    while (whole < bytes && isdigit((unsigned char)text[whole])) {
        whole++;
    }
    if (whole < 9 || whole > 19 || !number_parse_int64(text, whole, &value)) {
        return 0;
    }
    int64_t scale = 0;
    for (int64_t unit = 1000000000; unit >= 1 && scale == 0; unit /= 1000) {
        const int64_t per_second = 1000000000 / unit;
        if (value / per_second >= 473385600 && value / per_second <= 4990000000) {
            scale = unit;
        }
    }
    if (scale == 0) {
        return 0;
    }
    int64_t fraction = 0;
    size_t at = whole;
    if (at < bytes && text[at] == '.') {
        int64_t unit = scale / 10;
        for (at++; at < bytes && isdigit((unsigned char)text[at]); at++, unit /= 10) {
            fraction += (text[at] - '0') * unit;
        }
    }
    if (at != bytes) {
        /* 1.5e9 and the like */
        double number;
        if (!number_parse_double(text, bytes, &number) || !(number >= 473385600.0 && number <= 4990000000.0)) {
            return 0;
        }
        *out = (int64_t)(number * 1e6) * 1000;
        return 1;
    }
    *out = value * scale + fraction;
    return 1;
}

static int is_digits(const char *text, const char *pattern)
{
    for (size_t i = 0; pattern[i] != 0; i++) {
        const char *marks = pattern[i] == '-' ? "-/" : pattern[i] == ' ' ? " T_" : ":-";
        const int fits = pattern[i] == '0' ? isdigit((unsigned char)text[i]) != 0 : strchr(marks, text[i]) != NULL;
        if (!fits || text[i] == 0) {
            return 0;
        }
    }
    return 1;
}

/* A date and time of day at the start of text: gives the bytes of it, with its fraction and offset, or 0. */
static size_t read_date(const char *text, size_t bytes, int64_t *out)
{
    char copy[64];
    if (bytes < 19 || !is_digits(text, "0000-00-00 00:00:00")) {
        return 0;
    }
    memcpy(copy, text, 19);
    copy[4] = copy[7] = '-';
    copy[10] = 'T';
    copy[13] = copy[16] = ':';
    size_t used = 19;
    size_t length = 19;
    if (used + 1 < bytes && (text[used] == '.' || text[used] == ',') && isdigit((unsigned char)text[used + 1])) {
        copy[length++] = '.';
        for (used++; used < bytes && isdigit((unsigned char)text[used]); used++) {
            if (length < 29) {
                copy[length++] = text[used];
            }
        }
    }
    if (used < bytes && (text[used] == 'Z' || text[used] == 'z')) {
        used++;
    } else if (used + 6 <= bytes && (text[used] == '+' || text[used] == '-') && text[used + 3] == ':') {
        memcpy(copy + length, text + used, 6);
        if (time_text_parse_rfc3339(copy, length + 6, out)) {
            return used + 6;
        }
    }
    return time_text_parse_rfc3339(copy, length, out) ? used : 0;
}

int import_cell_time(const char *text, size_t bytes, int64_t *out)
{
    import_cell_trim(&text, &bytes);
    if (read_epoch(text, bytes, out)) {
        return 1;
    }
    const size_t used = read_date(text, bytes, out);
    return used > 0 && used == bytes;
}

size_t import_cell_stamp(const char *text, size_t bytes, int64_t *out)
{
    size_t at = 0;
    while (at < bytes && is_blank(text[at])) {
        at++;
    }
    const int is_bracketed = at < bytes && text[at] == '[';
    at += is_bracketed;
    const size_t used = read_date(text + at, bytes - at, out);
    if (used == 0) {
        return 0;
    }
    at += used;
    return at + (is_bracketed && at < bytes && text[at] == ']');
}

int import_cell_is_utf8(const char *text, size_t bytes, size_t *bad)
{
    for (size_t at = 0; at < bytes;) {
        uint32_t ignored;
        const size_t used = print_decode_utf8(text + at, bytes - at, &ignored);
        if (used == 0) {
            *bad = at;
            return 0;
        }
        at += used;
    }
    return 1;
}
