/* import_input.c: lines of a file through one buffer that grows only with the longest line, up to a limit.
 *
 * Importing reads a file up to three times: its head to see what it is, then from the start; and from the start once
 * more when it turns out not to be a longer copy of what is recorded. So a pipe is copied to a temporary file first. */
#include "import_input.h"

#include "print.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

volatile sig_atomic_t import_stop;

enum { CHUNK_BYTES = 1 << 16 };

static int fail(const import_input *input, const char *what, int os_errno)
{
    print_error("%s '%s': %s", what, input->path, strerror(os_errno));
    return os_errno == ENOENT || os_errno == ENOTDIR ? TOOL_NOT_FOUND : TOOL_IO;
}

/* Copies what cannot seek, or does not stand at its beginning, to an unnamed file. */
static int spool(import_input *input)
{
    char chunk[CHUNK_BYTES];
    FILE *copy = tmpfile();
    if (copy == NULL) {
        return fail(input, "making a temporary copy of", errno);
    }
    for (;;) {
        const ssize_t got = import_stop ? 0 : read(input->fd, chunk, sizeof chunk);
        if (import_stop) {
            fclose(copy);
            print_note("stopped while reading '%s'; nothing of it is recorded", input->path);
            return TOOL_IO;
        }
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 || (got > 0 && fwrite(chunk, 1, (size_t)got, copy) != (size_t)got)) {
            const int os_errno = errno;
            fclose(copy);
            return fail(input, "copying", os_errno);
        }
        if (got == 0) {
            break;
        }
    }
    const int fd = fflush(copy) == 0 ? fcntl(fileno(copy), F_DUPFD_CLOEXEC, 0) : -1;
    const int os_errno = errno;
    fclose(copy);
    if (fd < 0) {
        return fail(input, "copying", os_errno);
    }
    close(input->fd);
    input->fd = fd;
    return 0;
}

int import_input_open(import_input *input, const char *path)
{
    struct stat status;
    const int is_stdin = strcmp(path, "-") == 0;
    *input = (import_input){.path = is_stdin ? "standard input" : path, .fd = -1, .head_bytes = IMPORT_HEAD_BYTES};
    input->fd = is_stdin ? fcntl(0, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC);
    if (input->fd < 0) {
        return fail(input, "opening", errno);
    }
    int code = fstat(input->fd, &status) == 0 ? 0 : fail(input, "opening", errno);
    if (code == 0 && S_ISDIR(status.st_mode)) {
        code = fail(input, "reading", EISDIR);
    }
    /* Of standard input what is before its place has been read by somebody else. */
    if (code == 0 && lseek(input->fd, 0, SEEK_CUR) != 0) {
        code = spool(input);
    }
    if (code == 0 && fstat(input->fd, &status) != 0) {
        code = fail(input, "reading", errno);
    }
    if (code != 0) {
        import_input_close(input);
        return code;
    }
    input->total_bytes = status.st_size > 0 ? (uint64_t)status.st_size : 0;
    input->capacity = CHUNK_BYTES;
    input->buffer = xmalloc(input->capacity);
    import_input_rewind(input, 0);
    return 0;
}

void import_input_close(import_input *input)
{
    if (input->fd >= 0) {
        close(input->fd);
    }
    free(input->buffer);
    input->fd = -1;
    input->buffer = NULL;
}

/* Reads more behind buffer[end]. Returns 1 when something came. */
static int fill(import_input *input)
{
    if (input->begin > 0) {
        memmove(input->buffer, input->buffer + input->begin, input->end - input->begin);
        input->end -= input->begin;
        input->begin = 0;
    }
    if (input->end == input->capacity) {
        input->capacity *= 2;
        input->buffer = xrealloc(input->buffer, input->capacity);
    }
    const uint64_t at = input->offset + input->end;
    size_t room = input->capacity - input->end;
    if (at >= input->limit) {
        input->is_at_end = 1;
        return 0;
    }
    if (room > input->limit - at) {
        room = (size_t)(input->limit - at);
    }
    ssize_t got;
    do {
        got = pread(input->fd, input->buffer + input->end, room, (off_t)at);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        input->os_errno = errno;
    }
    if (got <= 0) {
        input->is_at_end = 1;
        return 0;
    }
    input->end += (size_t)got;
    return 1;
}

void import_input_rewind(import_input *input, int is_head)
{
    input->begin = input->end = 0;
    input->offset = 0;
    input->line = 0;
    input->long_lines = 0;
    input->is_unterminated = 0;
    input->is_at_end = 0;
    input->os_errno = 0;
    input->limit = is_head ? input->head_bytes : UINT64_MAX;
    while (input->end < 3 && fill(input)) {
    }
    if (input->end >= 3 && memcmp(input->buffer, "\xef\xbb\xbf", 3) == 0) {
        input->begin = 3;
    }
    input->offset += input->begin;
    memmove(input->buffer, input->buffer + input->begin, input->end - input->begin);
    input->end -= input->begin;
    input->begin = 0;
}

int import_input_extend_head(import_input *input)
{
    if (input->head_bytes > input->total_bytes) {
        return 0;
    }
    input->head_bytes *= 2;
    return 1;
}

int import_input_is_cut(const import_input *input)
{
    return input->limit != UINT64_MAX && input->offset + (input->end - input->begin) >= input->limit;
}

import_mark import_input_mark(const import_input *input)
{
    return (import_mark){input->offset, input->line};
}

void import_input_return(import_input *input, import_mark mark)
{
    input->begin = input->end = 0;
    input->offset = mark.offset;
    input->line = mark.line;
    input->is_at_end = 0;
    input->is_unterminated = 0;
}

/* Passes over bytes of the buffer. */
static void consume(import_input *input, size_t bytes)
{
    input->begin += bytes;
    input->offset += bytes;
}

/* Passes over the rest of a line that is too long. */
static void skip_long_line(import_input *input)
{
    for (;;) {
        char *stop = memchr(input->buffer + input->begin, '\n', input->end - input->begin);
        if (stop != NULL) {
            consume(input, (size_t)(stop + 1 - (input->buffer + input->begin)));
            return;
        }
        consume(input, input->end - input->begin);
        if (import_stop || !fill(input)) {
            return;
        }
    }
}

int import_input_line(import_input *input, const char **text, size_t *bytes)
{
    size_t searched = 0;
    for (;;) {
        if (import_stop) { /* in a stretch without rows too */
            input->os_errno = EINTR;
            return -1;
        }
        char *start = input->buffer + input->begin;
        const size_t held = input->end - input->begin;
        char *stop = held > searched ? memchr(start + searched, '\n', held - searched) : NULL;
        if (stop == NULL && held <= IMPORT_LINE_BYTES_MAX && !input->is_at_end) {
            searched = held;
            fill(input);
            continue;
        }
        if (input->os_errno != 0) {
            return -1;
        }
        if (stop == NULL && held == 0) {
            return 0;
        }
        /* A head ends in the middle of a line: that one is for the reading of the whole file. */
        if (stop == NULL && input->is_at_end && import_input_is_cut(input)) {
            return 0;
        }
        input->line++;
        if (stop == NULL && held > IMPORT_LINE_BYTES_MAX) {
            input->first_long_line = input->long_lines++ == 0 ? input->line : input->first_long_line;
            skip_long_line(input);
            searched = 0;
            continue;
        }
        input->is_unterminated = stop == NULL;
        size_t length = stop == NULL ? held : (size_t)(stop - start);
        consume(input, length + (stop != NULL));
        if (length > 0 && start[length - 1] == '\r') {
            length--;
        }
        *text = start;
        *bytes = length;
        return 1;
    }
}

char *import_input_whole(import_input *input, size_t *bytes)
{
    import_input_rewind(input, 0);
    while (input->end <= IMPORT_WHOLE_BYTES_MAX && fill(input)) {
    }
    if (input->os_errno != 0) {
        fail(input, "reading", input->os_errno);
        return NULL;
    }
    if (input->end > IMPORT_WHOLE_BYTES_MAX) {
        print_error("'%s' is one JSON text of more than %u MiB", input->path, IMPORT_WHOLE_BYTES_MAX >> 20);
        return NULL;
    }
    *bytes = input->end;
    char *copy = xmalloc(input->end + 1);
    memcpy(copy, input->buffer, input->end);
    copy[input->end] = 0;
    return copy;
}
