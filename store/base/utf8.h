/* base/utf8.h: strict UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef SL_BASE_UTF8_H
#define SL_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Reads the first character of text: its length in bytes (1 to 4) and *character, or 0 and
 * *character untouched when text is empty or does not begin with a valid one. */
size_t sl_utf8_decode(const char *text, size_t bytes, uint32_t *character);

/* 1 when all of text is valid; else 0 and *bad_offset (NULL allowed) is where the first character
 * that is not valid begins. Empty text is valid. */
int sl_utf8_check(const char *text, size_t bytes, size_t *bad_offset);

#endif
