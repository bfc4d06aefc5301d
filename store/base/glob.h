/* base/glob.h: matching names: * any characters, ? one, [a-z] [!a-z] one of a class, \x the character x.
 *
 * In a class a ']' that comes first and a '-' at either end stand for themselves; a backslash escapes.
 * Nothing is special about '/' or a leading dot: names are not paths. */
#ifndef SL_BASE_GLOB_H
#define SL_BASE_GLOB_H

#include <stddef.h>

/* 1 when the whole of text matches; 0 when not or when the pattern is malformed. A byte of text that is
 * not UTF-8 counts as one character that only * ? and [!..] match, and that a pattern byte equal to it
 * matches. Cost: at most pattern_bytes times text_bytes; no recursion, no allocation. */
int sl_glob_match(const char *pattern, size_t pattern_bytes, const char *text, size_t text_bytes);

/* 1 when pattern is well formed; else 0 and *bad_offset (NULL allowed) is where the malformed part
 * begins: a class without its ']', an empty or backward range, a lone backslash at the end, bad UTF-8. */
int sl_glob_check(const char *pattern, size_t pattern_bytes, size_t *bad_offset);

#endif
