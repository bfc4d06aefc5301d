/* fuzz/fuzz_match.c: globs and selectors.
 *
 * Input: a pattern, a zero byte, a name, a zero byte, the value of a label. Globs are compared with a matcher that
 * tries everything; selectors that parse are matched with a series. */
#include "fuzz/fuzz.h"

#include "base/glob.h"
#include "base/utf8.h"
#include "read/reader.h"

#include <stdlib.h>

/* The same rules, written to be plain: character by character, every length of every star. Bytes that are no UTF-8 are
 * characters beyond Unicode. */
typedef struct letters {
    uint32_t at[64];
    size_t count;
} letters;

static int spell(const char *text, size_t bytes, letters *out)
{
    out->count = 0;
    for (size_t at = 0; at < bytes;) {
        uint32_t c = 0;
        size_t length = sl_utf8_decode(text + at, bytes - at, &c);
        if (length == 0) {
            c = 0x110000u + (unsigned char)text[at];
            length = 1;
        }
        if (out->count == sizeof out->at / sizeof out->at[0]) return 0;
        out->at[out->count++] = c;
        at += length;
    }
    return 1;
}

static int plain_match(const letters *p, size_t pi, const letters *t, size_t ti);

/* Matches t[ti] with the class that begins at p[pi], then the rest. */
static int plain_class(const letters *p, size_t pi, const letters *t, size_t ti)
{
    size_t at = pi + 1;
    int is_negated = p->at[at] == '!', is_in = 0;
    at += (size_t)is_negated;
    for (size_t first = at; p->at[at] != ']' || at == first;) {
        uint32_t low = p->at[at] == '\\' ? p->at[++at] : p->at[at], high = low;
        at++;
        if (at + 1 < p->count && p->at[at] == '-' && p->at[at + 1] != ']') {
            at++;
            high = p->at[at] == '\\' ? p->at[++at] : p->at[at];
            at++;
        }
        is_in |= t->at[ti] >= low && t->at[ti] <= high;
    }
    return is_in != is_negated && plain_match(p, at + 1, t, ti + 1);
}

static int plain_match(const letters *p, size_t pi, const letters *t, size_t ti)
{
    if (pi == p->count) return ti == t->count;
    if (p->at[pi] == '*') {
        for (size_t next = ti; next <= t->count; next++)
            if (plain_match(p, pi + 1, t, next)) return 1;
        return 0;
    }
    if (ti == t->count) return 0;
    if (p->at[pi] == '?') return plain_match(p, pi + 1, t, ti + 1);
    if (p->at[pi] == '[') return plain_class(p, pi, t, ti);
    if (p->at[pi] == '\\') pi++;
    return p->at[pi] == t->at[ti] && plain_match(p, pi + 1, t, ti + 1);
}

static void compare(const char *pattern, size_t pattern_bytes, const char *text, size_t text_bytes)
{
    letters p, t;
    size_t bad = SIZE_MAX, stars = 0;
    int is_good = sl_glob_check(pattern, pattern_bytes, &bad);
    int is_match = sl_glob_match(pattern, pattern_bytes, text, text_bytes);
    FUZZ_HOLDS(is_good || bad < pattern_bytes, "bad at %zu of %zu", bad, pattern_bytes);
    if (!is_good || !spell(pattern, pattern_bytes, &p) || !spell(text, text_bytes, &t)) return;
    for (size_t i = 0; i < p.count; i++) stars += p.at[i] == '*';
    if (stars > 3) return;
    FUZZ_HOLDS(plain_match(&p, 0, &t, 0) == is_match, "'%.*s' and '%.*s'", (int)pattern_bytes, pattern, (int)text_bytes,
               text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *pattern = (char *)fuzz_copy(data, bytes, 3, 0);
    char *name = pattern + strlen(pattern) + 1;
    size_t name_bytes = strlen(name);
    char *label = name + name_bytes + (name < pattern + bytes);
    char *pattern_alone = (char *)fuzz_copy((uint8_t *)pattern, strlen(pattern), 0, 0);
    compare(pattern_alone, strlen(pattern), name, name_bytes);
    free(pattern_alone);
    sl_selector selector;
    steplog_error err = {0};
    steplog_pair labels[] = {{"host", label}, {"split", "val"}};
    fuzz_memory_begin(FUZZ_MEMORY_BYTES_MAX);
    steplog_status status = sl_selector_parse(pattern, &selector, &err);
    FUZZ_HOLDS(status == STEPLOG_OK || (status == STEPLOG_MISUSE && err.text[0] && err.file_offset >= 0), "status %d",
               (int)status);
    if (status == STEPLOG_OK) {
        int is_match = sl_selector_matches(&selector, name, (uint32_t)name_bytes, 7, labels, 2);
        int is_key = sl_selector_matches_key(&selector, 7, labels, 2);
        FUZZ_HOLDS(!is_match || is_key, "the key does not match where the whole does");
        sl_selector_free(&selector);
    }
    fuzz_memory_end();
    free(pattern);
    return 0;
}
