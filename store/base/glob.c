/* base/glob.c: matching names against patterns that strangers wrote.
 *
 * Only the latest star can still matter: if the rest matches at all with an earlier star longer, it
 * also matches with that one as it is and the latest star longer. So one remembered place to go back to
 * is enough, and the cost is bounded by the product of the lengths instead of growing exponentially. */
#include "base/glob.h"

#include "base/utf8.h"

/* Characters above all of Unicode stand for bytes that are not UTF-8. */
#define RAW_BYTE 0x110000u

static size_t next_character(const char *text, size_t bytes, uint32_t *character)
{
    size_t length = sl_utf8_decode(text, bytes, character);
    if (length) return length;
    *character = RAW_BYTE + (unsigned char)text[0];
    return 1;
}

/* A character of a pattern, with its backslash if it has one; 0 when the pattern ends. */
static size_t literal(const char *pattern, size_t bytes, uint32_t *character)
{
    if (bytes == 0) return 0;
    if (pattern[0] != '\\') return next_character(pattern, bytes, character);
    if (bytes == 1) return 0;
    return 1 + next_character(pattern + 1, bytes - 1, character);
}

/* Reads a class from its '[' on: its length in the pattern, 0 when malformed; whether c is in it. */
static size_t class_of(const char *pattern, size_t bytes, uint32_t c, int *is_in)
{
    size_t at = 1;
    int is_negated = at < bytes && pattern[at] == '!';
    if (is_negated) at++;
    int found = 0;
    for (int is_first = 1;; is_first = 0) {
        if (at >= bytes) return 0;
        if (pattern[at] == ']' && !is_first) break;
        uint32_t low, high;
        size_t length = literal(pattern + at, bytes - at, &low);
        if (length == 0) return 0;
        at += length;
        high = low;
        if (bytes - at >= 2 && pattern[at] == '-' && pattern[at + 1] != ']') {
            length = literal(pattern + at + 1, bytes - at - 1, &high);
            if (length == 0 || high < low) return 0;
            at += 1 + length;
        }
        found |= c >= low && c <= high;
    }
    *is_in = found != is_negated;
    return at + 1;
}

/* Matches one character c against the piece at pattern: the piece's length, 0 when it does not match. */
static size_t match_one(const char *pattern, size_t bytes, uint32_t c)
{
    if (pattern[0] == '?') return 1;
    if (pattern[0] == '[') {
        int is_in = 0;
        size_t length = class_of(pattern, bytes, c, &is_in);
        return is_in ? length : 0;
    }
    uint32_t wanted;
    size_t length = literal(pattern, bytes, &wanted);
    return length && wanted == c ? length : 0;
}

static int match(const char *pattern, size_t pattern_bytes, const char *text, size_t text_bytes)
{
    size_t p = 0, t = 0;
    size_t star = SIZE_MAX, star_text = 0; /* behind the latest star; the text it has not swallowed */
    while (t < text_bytes) {
        if (p < pattern_bytes && pattern[p] == '*') {
            star = ++p;
            star_text = t;
            continue;
        }
        uint32_t c;
        size_t text_step = next_character(text + t, text_bytes - t, &c);
        size_t pattern_step = p < pattern_bytes ? match_one(pattern + p, pattern_bytes - p, c) : 0;
        if (pattern_step) {
            p += pattern_step;
            t += text_step;
            continue;
        }
        if (star == SIZE_MAX) return 0;
        star_text += next_character(text + star_text, text_bytes - star_text, &c);
        p = star;
        t = star_text;
    }
    while (p < pattern_bytes && pattern[p] == '*') p++;
    return p == pattern_bytes;
}

/* Walks the pieces: 1, or 0 and where the malformed one begins. */
static int well_formed(const char *pattern, size_t bytes, size_t *bad_offset)
{
    for (size_t at = 0; at < bytes;) {
        size_t length;
        uint32_t c;
        int is_in;
        if (pattern[at] == '[') length = class_of(pattern + at, bytes - at, 0, &is_in);
        else length = literal(pattern + at, bytes - at, &c);
        if (length == 0) {
            if (bad_offset) *bad_offset = at;
            return 0;
        }
        at += length;
    }
    return 1;
}

int sl_glob_match(const char *pattern, size_t pattern_bytes, const char *text, size_t text_bytes)
{
    return well_formed(pattern, pattern_bytes, NULL) && match(pattern, pattern_bytes, text, text_bytes);
}

int sl_glob_check(const char *pattern, size_t pattern_bytes, size_t *bad_offset)
{
    return sl_utf8_check(pattern, pattern_bytes, bad_offset) && well_formed(pattern, pattern_bytes, bad_offset);
}
