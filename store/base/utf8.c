/* base/utf8.c: strict UTF-8. Names are checked where they enter the library and again where they are
 * read back from disk. */
#include "base/utf8.h"

#include "base/bytes.h"

/* Length, lowest and highest character of the form that a first byte announces; 0 when none does. */
static size_t form_of(unsigned char first, uint32_t *bits, uint32_t *smallest)
{
    if (first < 0xc2) return 0;
    if (first < 0xe0) return *bits = first & 0x1fu, *smallest = 0x80, 2;
    if (first < 0xf0) return *bits = first & 0x0fu, *smallest = 0x800, 3;
    if (first < 0xf5) return *bits = first & 0x07u, *smallest = 0x10000, 4;
    return 0;
}

size_t sl_utf8_decode(const char *text, size_t bytes, uint32_t *character)
{
    if (bytes == 0) return 0;
    const unsigned char *at = (const unsigned char *)text;
    if (at[0] < 0x80) {
        *character = at[0];
        return 1;
    }
    uint32_t value = 0, smallest = 0;
    size_t length = form_of(at[0], &value, &smallest);
    if (length == 0 || length > bytes) return 0;
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
        value = value << 6 | (at[i] & 0x3fu);
    }
    if (value < smallest || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return 0;
    *character = value;
    return length;
}

int sl_utf8_check(const char *text, size_t bytes, size_t *bad_offset)
{
    size_t at = 0;
    while (at < bytes) {
        if (bytes - at >= 8 && (sl_load64(text + at) & UINT64_C(0x8080808080808080)) == 0) {
            at += 8;
            continue;
        }
        uint32_t character;
        size_t length = sl_utf8_decode(text + at, bytes - at, &character);
        if (length == 0) {
            if (bad_offset) *bad_offset = at;
            return 0;
        }
        at += length;
    }
    return 1;
}
