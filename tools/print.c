/* print.c: results to stdout or a file, words to stderr, and nothing that a terminal would obey.
 *
 * Names come from whoever wrote the store; they are shown with every control byte escaped. A file given by -o is
 * written under a temporary name beside it and renamed when complete, so that it is whole or absent. */
#include "print.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- UTF-8 ---- */

size_t print_decode_utf8(const char *text, size_t bytes, uint32_t *out)
{
    const unsigned char *s = (const unsigned char *)text;
    if (bytes == 0) return 0;
    if (s[0] < 0x80) {
        *out = s[0];
        return 1;
    }
    size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || bytes < length) return 0;
    uint32_t code = s[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (s[i] & 0x3fu);
    }
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return 0;
    *out = code;
    return length;
}

typedef struct code_range {
    uint32_t first, last;
} code_range;

static int is_in(uint32_t code, const code_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i].first && code <= ranges[i].last) return 1;
    return 0;
}
#define IS_IN(code, ranges) is_in(code, ranges, sizeof(ranges) / sizeof((ranges)[0]))

/* Controls, line separators, and what turns the reading direction or hides in it. */
static int is_unsafe(uint32_t code)
{
    static const code_range unsafe[] = {{0, 0x1f},         {0x7f, 0x9f},     {0x61c, 0x61c},  {0x200e, 0x200f},
                                        {0x2028, 0x202e},  {0x2066, 0x2069}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb},
                                        {0xe0000, 0xe007f}};
    if (code >= 0x20 && code < 0x7f) return 0;
    return IS_IN(code, unsafe);
}

static size_t code_width(uint32_t code)
{
    static const code_range none[] = {{0x300, 0x36f},   {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f},
                                      {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
    static const code_range wide[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},  {0xac00, 0xd7a3},
                                      {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},  {0xffe0, 0xffe6},
                                      {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
    if (code < 0x300) return 1;
    if (IS_IN(code, none)) return 0;
    return IS_IN(code, wide) ? 2 : 1;
}

size_t print_width(const char *text, size_t bytes)
{
    size_t width = 0;
    for (size_t i = 0; i < bytes;) {
        uint32_t code = 0;
        size_t length = print_decode_utf8(text + i, bytes - i, &code);
        width += length ? code_width(code) : 1;
        i += length ? length : 1;
    }
    return width;
}

/* ---- escaping ---- */

static void print_escape(FILE *file, const char *text, size_t length, uint32_t code)
{
    if (length == 0) fprintf(file, "\\x%02x", (unsigned char)text[0]);
    else if (code == '\n') fputs("\\n", file);
    else if (code == '\t') fputs("\\t", file);
    else if (code == '\r') fputs("\\r", file);
    else if (code == '\\') fputs("\\\\", file);
    else if (code < 0x80) fprintf(file, "\\x%02x", (unsigned)code);
    else fprintf(file, "\\u{%" PRIx32 "}", code);
}

static void print_escaped(FILE *file, const char *text, size_t bytes, int has_backslash)
{
    size_t start = 0;
    for (size_t i = 0; i < bytes;) {
        uint32_t code = 0;
        size_t length = print_decode_utf8(text + i, bytes - i, &code);
        int is_escaped = length == 0 || is_unsafe(code) || (has_backslash && code == '\\');
        if (is_escaped) {
            fwrite(text + start, 1, i - start, file);
            print_escape(file, text + i, length, code);
        }
        i += length ? length : 1;
        if (is_escaped) start = i;
    }
    fwrite(text + start, 1, bytes - start, file);
}

void print_safe(FILE *file, const char *text, size_t bytes)
{
    print_escaped(file, text, bytes, 1);
}

char *print_safe_copy(const char *text, size_t bytes, size_t *out_bytes)
{
    char *copy = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&copy, &length);
    if (file == NULL) return NULL;
    print_safe(file, text, bytes);
    if (fclose(file) != 0) {
        free(copy);
        return NULL;
    }
    if (out_bytes) *out_bytes = length;
    return copy;
}

void print_csv(FILE *file, const char *text, size_t bytes)
{
    int is_quoted = bytes > 0 && (text[0] == ' ' || text[bytes - 1] == ' ');
    for (size_t i = 0; i < bytes && !is_quoted; i++) is_quoted = memchr(",\"\r\n", text[i], 4) != NULL;
    if (!is_quoted) {
        fwrite(text, 1, bytes, file);
        return;
    }
    putc('"', file);
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '"') putc('"', file);
        putc(text[i], file);
    }
    putc('"', file);
}

char *print_labels(const steplog_series_info *series, int is_full)
{
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    if (file == NULL) return NULL;
    const char *lead = "{";
    if (is_full || series->rank != 0) {
        fprintf(file, "{rank=%" PRIu32, series->rank);
        lead = ",";
    }
    for (size_t i = 0; i < series->label_count; i++) {
        fprintf(file, "%s%s=%s", lead, series->labels[i].key, series->labels[i].value);
        lead = ",";
    }
    if (*lead == ',') putc('}', file);
    if (fclose(file) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- words ---- */

static void print_words(const char *lead, const char *format, va_list list)
{
    char text[2048];
    vsnprintf(text, sizeof text, format, list);
    fflush(stdout); /* so that words come after the results they are about */
    fprintf(stderr, "steplog%s%s: %s", *tool.verb ? " " : "", tool.verb, lead);
    print_escaped(stderr, text, strlen(text), 0);
    putc('\n', stderr);
}

void print_error(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    print_words("", format, list);
    va_end(list);
}

void print_note(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    print_words("note: ", format, list);
    va_end(list);
}

int print_failure(const char *what, steplog_status status, const steplog_error *err)
{
    const char *text = err && err->text[0] ? err->text : steplog_status_text(status);
    print_error("%s%s%s", what ? what : "", what ? ": " : "", text);
    if (status == STEPLOG_MISSING) return TOOL_NOT_FOUND;
    return status == STEPLOG_MISUSE ? TOOL_USAGE : TOOL_IO;
}

size_t print_damage(const steplog_reader *reader)
{
    enum { LINES_MAX = 10 };
    size_t count = steplog_reader_damage_count(reader), damaged = 0;
    for (size_t i = 0; i < count; i++) {
        steplog_damage d = {.size_bytes = sizeof d};
        if (steplog_reader_damage(reader, i, &d) != STEPLOG_OK || d.is_notice) continue;
        damaged++;
        if (damaged > LINES_MAX) continue;
        char place[32] = "";
        if (d.offset >= 0) snprintf(place, sizeof place, " at offset %" PRId64, d.offset);
        print_error("damaged: '%s'%s: %s%s%s%s", d.file ? d.file : "?", place, d.what ? d.what : "unreadable",
                    d.series ? " (series '" : "", d.series ? d.series : "", d.series ? "')" : "");
    }
    if (damaged > LINES_MAX) print_error("damaged: %zu places in all; `steplog verify` lists them", damaged);
    return damaged;
}

/* ---- results ---- */

static void measure_terminal(out_file *o)
{
    struct winsize size;
    o->columns = 80;
    o->lines = 24;
    if (!o->is_terminal) return;
    if (ioctl(fileno(o->file), TIOCGWINSZ, &size) == 0) {
        if (size.ws_col > 0) o->columns = size.ws_col;
        if (size.ws_row > 0) o->lines = size.ws_row;
    }
    const char *term = getenv("TERM");
    o->has_color = !tool.is_colorless && !(term && strcmp(term, "dumb") == 0);
}

/* ---- a signal that ends the tool takes the temporary file along ---- */

static const int end_signals[] = {SIGINT, SIGTERM, SIGHUP};
static const char *volatile signal_temporary;

static void on_end_signal(int number)
{
    const char *path = signal_temporary;
    if (path) unlink(path);
    raise(number); /* SA_RESETHAND: with its usual effect, once this returns */
}

static void guard_temporary(const char *path)
{
    struct sigaction action = {.sa_handler = on_end_signal, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)}, before;
    sigemptyset(&action.sa_mask);
    signal_temporary = path;
    for (size_t i = 0; i < sizeof end_signals / sizeof end_signals[0]; i++)
        if (sigaction(end_signals[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
            sigaction(end_signals[i], &action, NULL);
}

static void release_temporary(void)
{
    struct sigaction before;
    for (size_t i = 0; i < sizeof end_signals / sizeof end_signals[0]; i++)
        if (sigaction(end_signals[i], NULL, &before) == 0 && before.sa_handler == on_end_signal)
            signal(end_signals[i], SIG_DFL);
    signal_temporary = NULL;
}

/* Opens a fresh file beside the one to be, with the mode any new file gets. */
static FILE *open_temporary(const char *path, char **temporary)
{
    static const char digits[] = "0123456789abcdef";
    for (int attempt = 0; attempt < 16; attempt++) {
        uint64_t random = 0;
        if (getentropy(&random, sizeof random) != 0) return NULL;
        char *name = xmalloc(strlen(path) + 16);
        size_t length = (size_t)sprintf(name, "%s.part-", path);
        for (int i = 0; i < 8; i++, random >>= 4) name[length++] = digits[random & 15];
        name[length] = 0;
        guard_temporary(name); /* before it is there: a signal may come right after */
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            FILE *file = fdopen(fd, "w");
            if (file == NULL) close(fd);
            *temporary = name;
            return file;
        }
        const int os_errno = errno;
        release_temporary();
        free(name);
        errno = os_errno;
        if (errno != EEXIST) return NULL;
    }
    return NULL;
}

int out_open(out_file *o, const char *path)
{
    struct stat st;
    memset(o, 0, sizeof *o);
    o->file = stdout;
    if (path == NULL || strcmp(path, "-") == 0) {
        o->is_terminal = isatty(STDOUT_FILENO);
        measure_terminal(o);
        return TOOL_YES;
    }
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        o->file = S_ISDIR(st.st_mode) ? (errno = EISDIR, NULL) : fopen(path, "we"); /* a device or FIFO */
        if (o->file) o->is_terminal = isatty(fileno(o->file));
    } else {
        /* Through a symbolic link to the file it names, which keeps the link. */
        char *real = realpath(path, NULL);
        o->path = real ? real : xstrdup(path);
        o->file = open_temporary(o->path, &o->temporary);
    }
    if (o->file == NULL) {
        print_error("cannot write '%s': %s", path, strerror(errno));
        if (o->temporary) {
            unlink(o->temporary);
            release_temporary();
        }
        free(o->path);
        free(o->temporary);
        memset(o, 0, sizeof *o);
        return TOOL_IO;
    }
    measure_terminal(o);
    return TOOL_YES;
}

int out_has_failed(const out_file *o)
{
    return ferror(o->file);
}

static int close_stdout(out_file *o, int exit_code)
{
    errno = 0;
    if (fflush(o->file) == 0 && !ferror(o->file)) return exit_code;
    if (errno != EPIPE) print_error("cannot write to standard output: %s", errno ? strerror(errno) : "write error");
    return TOOL_IO;
}

int out_close(out_file *o, int exit_code)
{
    if (o->file == NULL) return exit_code;
    if (o->file == stdout) return close_stdout(o, exit_code);
    int is_wanted = exit_code == TOOL_YES || exit_code == TOOL_NO;
    errno = 0;
    int has_failed = ferror(o->file) || fflush(o->file) != 0;
    if (o->temporary && is_wanted && !has_failed) has_failed = fsync(fileno(o->file)) != 0;
    int error = errno;
    if (fclose(o->file) != 0 && !has_failed) {
        has_failed = 1;
        error = errno;
    }
    if (o->temporary && is_wanted && !has_failed && rename(o->temporary, o->path) != 0) {
        has_failed = 1;
        error = errno;
    }
    if (o->temporary && (has_failed || !is_wanted)) unlink(o->temporary);
    if (has_failed && is_wanted) {
        print_error("cannot write '%s': %s", o->path ? o->path : "output", error ? strerror(error) : "write error");
        exit_code = TOOL_IO;
    }
    if (o->temporary) release_temporary();
    free(o->path);
    free(o->temporary);
    memset(o, 0, sizeof *o);
    return exit_code;
}

/* ---- memory ---- */

static void *checked(void *memory)
{
    if (memory) return memory;
    print_error("no memory");
    exit(TOOL_IO);
}

void *xmalloc(size_t bytes)
{
    return checked(malloc(bytes ? bytes : 1));
}

void *xrealloc(void *old, size_t bytes)
{
    return checked(realloc(old, bytes ? bytes : 1));
}

void *xcalloc(size_t count, size_t bytes)
{
    return checked(calloc(count ? count : 1, bytes ? bytes : 1));
}

char *xstrdup(const char *text)
{
    return checked(strdup(text));
}
