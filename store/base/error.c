/* base/error.c: filling a steplog_error where a fact is known.
 *
 * The line is set once, at the place that knows what happened, and passed up untouched. What goes
 * into it may come from a hostile store (a file name, a metric name), so the text is made harmless
 * here, for everybody: valid UTF-8, one line, no control characters that a terminal would obey. */
#include "base/error.h"

#include "base/assert.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int is_control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character < 0xa0) || character == 0x2028 || character == 0x2029;
}

/* Copies bytes of raw to text, with '?' for what is not printable UTF-8: never more bytes than there are in raw. */
static void copy_harmless(char *text, size_t text_bytes, const char *raw, size_t bytes)
{
    size_t used = 0;
    SL_ASSERT(bytes < text_bytes);
    for (size_t at = 0; at < bytes;) {
        uint32_t character = 0;
        size_t length = sl_utf8_decode(raw + at, bytes - at, &character);
        size_t step = length ? length : 1;
        size_t needed = length && !is_control(character) ? length : 1;
        if (length && !is_control(character)) memcpy(text + used, raw + at, length);
        else text[used] = '?';
        used += needed;
        at += step;
    }
    text[used] = '\0';
}

/* How many bytes snprintf() left in a buffer. */
static size_t fitted(int wanted, size_t capacity)
{
    if (wanted < 0) return 0;
    return (size_t)wanted < capacity ? (size_t)wanted : capacity - 1;
}

/* A character that the end of the buffer cut in two is not an error of the text: it is left out. */
static size_t without_torn_end(const char *raw, size_t bytes)
{
    for (size_t back = 1; back <= 3 && back <= bytes; back++) {
        unsigned char byte = (unsigned char)raw[bytes - back];
        if (byte < 0x80) return bytes;
        if (byte < 0xc0) continue;
        size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
        return length > back ? bytes - back : bytes;
    }
    return bytes;
}

static void fill(steplog_error *err, steplog_status code, int os_errno, int64_t offset, const char *raw, size_t bytes)
{
    err->code = code;
    err->os_errno = os_errno;
    err->file_offset = offset;
    copy_harmless(err->text, sizeof err->text, raw, bytes);
}

steplog_status sl_fail(steplog_error *err, steplog_status code, int64_t offset, const char *format, ...)
{
    if (!err) return code;
    /* Formatted aside: an argument may be err->text itself. */
    char raw[sizeof err->text];
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    size_t bytes = fitted(wanted, sizeof raw);
    if (wanted >= (int)sizeof raw) bytes = without_torn_end(raw, bytes);
    fill(err, code, 0, offset, raw, bytes);
    return code;
}

static steplog_status status_of_errno(int os_errno)
{
    switch (os_errno) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return STEPLOG_FULL;
    case ENOMEM: return STEPLOG_NOMEM;
    case ENOENT:
    case ENOTDIR: return STEPLOG_MISSING;
    default: return STEPLOG_IO;
    }
}

/* The system's words for an errno, whichever strerror_r() this C library has. */
static const char *words_of_errno(int os_errno, char *buffer, size_t bytes)
{
#if defined(__GLIBC__)
    return strerror_r(os_errno, buffer, bytes);
#else
    return strerror_r(os_errno, buffer, bytes) == 0 ? buffer : "unknown error";
#endif
}

steplog_status sl_fail_os(steplog_error *err, int os_errno, int64_t offset, const char *format, ...)
{
    steplog_status code = status_of_errno(os_errno);
    if (!err) return code;
    char buffer[128];
    const char *words = words_of_errno(os_errno, buffer, sizeof buffer);
    size_t words_bytes = strnlen(words, sizeof buffer);
    char raw[sizeof err->text];
    /* The system's words are kept whole; it is the front that is cut. */
    size_t front = sizeof raw - (words_bytes + 2);
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(raw, front, format, arguments);
    va_end(arguments);
    size_t bytes = fitted(wanted, front);
    if (wanted >= (int)front) bytes = without_torn_end(raw, bytes);
    memcpy(raw + bytes, ": ", 2);
    memcpy(raw + bytes + 2, words, words_bytes);
    fill(err, code, os_errno, offset, raw, bytes + 2 + words_bytes);
    return code;
}

void sl_error_clear(steplog_error *err)
{
    if (!err) return;
    err->code = STEPLOG_OK;
    err->os_errno = 0;
    err->file_offset = -1;
    err->text[0] = '\0';
}
