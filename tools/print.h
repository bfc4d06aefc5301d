/* print.h: everything the tool prints: where it goes, errors, escaping. Tables are in table.h. */
#ifndef STEPLOG_PRINT_H
#define STEPLOG_PRINT_H

#include "tool.h"

#include <stdio.h>

/* ---- words, on stderr ---- */

/* Prints "steplog VERB: ..." with control bytes made harmless. */
void print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says why a call failed (err->text, or the status's sentence when err is NULL or empty; after "what: " unless
 * what is NULL) and returns the exit code that suits: MISSING is NOT_FOUND, MISUSE is USAGE, else IO. */
int print_failure(const char *what, steplog_status status, const steplog_error *err);

/* Says on stderr what the reader could not read so far, at most 10 lines. Returns how much damage there is
 * (notices not counted). */
size_t print_damage(const steplog_reader *reader);

/* ---- escaping ---- */

/* Prints text for people and TSV: control bytes, DEL, C1 and bidirectional controls, and bytes that are not UTF-8
 * come out as \n, \t, \xNN or \u{NNNN}, a backslash as \\. */
void print_safe(FILE *file, const char *text, size_t bytes);

/* The same into memory: returns a terminated string to free(), or NULL when there is no memory. */
char *print_safe_copy(const char *text, size_t bytes, size_t *out_bytes);

/* Prints a CSV field, quoted where needed, exact. */
void print_csv(FILE *file, const char *text, size_t bytes);

/* How many terminal columns UTF-8 text takes. */
size_t print_width(const char *text, size_t bytes);

/* Decodes one character; returns its bytes, or 0 when text does not begin with valid UTF-8. */
size_t print_decode_utf8(const char *text, size_t bytes, uint32_t *out);

/* Writes a series' labels for people: "{rank=1,split=val}", "" when rank is 0 and there are no labels; with
 * is_full always with rank. To free(); NULL when there is no memory. */
char *print_labels(const steplog_series_info *series, int is_full);

/* ---- results ---- */

/* A place for results: stdout, or a file that appears under its name only when complete. */
typedef struct out_file {
    FILE *file;
    int is_terminal;
    int has_color;   /* a terminal, and colour is wanted */
    int columns;     /* width of the terminal, or 80 */
    int lines;       /* height of the terminal, or 24 */
    char *path;      /* of the file, or NULL for stdout */
    char *temporary; /* until complete */
} out_file;

/* Opens stdout (path NULL or "-") or a file to be. Returns 0, or an exit code after saying why. */
int out_open(out_file *o, const char *path);

/* Tells whether writing failed so far: then a long loop may stop. */
int out_has_failed(const out_file *o);

/* Ends the output. With an exit code of TOOL_YES or TOOL_NO the file takes its name; with others it is dropped. Returns
 * that exit code, or TOOL_IO after saying why when writing failed (quietly when the reader of a pipe went away). */
int out_close(out_file *o, int exit_code);

/* Allocate or end the program with exit code 4 and a word: for tools small sizes need no more. */
void *xmalloc(size_t bytes);
void *xrealloc(void *old, size_t bytes);
void *xcalloc(size_t count, size_t bytes);
char *xstrdup(const char *text);

#endif
