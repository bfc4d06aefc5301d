/* import_input.h: the bytes of a file to import, by the line, with a look at its beginning. */
#ifndef STEPLOG_IMPORT_INPUT_H
#define STEPLOG_IMPORT_INPUT_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#define IMPORT_HEAD_BYTES (1u << 20)      /* how much of a file decides its format and its step column */
#define IMPORT_LINE_BYTES_MAX (16u << 20) /* longer lines are passed over */
#define IMPORT_WHOLE_BYTES_MAX (64u << 20) /* of a file that is one JSON text */

/* Set by a signal handler: the import stops after the row, or the piece of a pipe, that it is at. */
extern volatile sig_atomic_t import_stop;

typedef struct import_input {
    const char *path;
    int fd;
    uint64_t total_bytes; /* of the file when it was opened */
    uint64_t line;        /* number of the line last given, from 1 */
    uint64_t long_lines;  /* passed over */
    uint64_t first_long_line;
    int is_unterminated;  /* the line last given was the last and has no line end */
    /* inside */
    char *buffer;
    size_t begin, end, capacity;
    uint64_t offset; /* of buffer[begin] in the file */
    uint64_t limit;  /* reading ends here */
    uint64_t head_bytes; /* of the head: IMPORT_HEAD_BYTES, more when no record ends in them */
    int is_at_end;
    int os_errno;
} import_input;

/* Opens a file, "-" for standard input (what cannot seek is first copied to a temporary file). Returns 0, or an exit
 * code after saying why. */
int import_input_open(import_input *input, const char *path);
void import_input_close(import_input *input);

/* Begins again, at the first byte behind a byte order mark. With is_head only whole lines of the head are given. */
void import_input_rewind(import_input *input, int is_head);

/* Makes the head longer. Returns 0 when it is the whole file already. */
int import_input_extend_head(import_input *input);

/* Whether reading ended where the head does, not the file. */
int import_input_is_cut(const import_input *input);

/* Gives the next line without its line end (LF or CR LF), lent until the next call. Returns 1; 0 at the end; -1 when
 * reading failed, and then os_errno says why. */
int import_input_line(import_input *input, const char **text, size_t *bytes);

/* Remembers the place behind the line last given, and goes back to it. */
typedef struct import_mark {
    uint64_t offset, line;
} import_mark;
import_mark import_input_mark(const import_input *input);
void import_input_return(import_input *input, import_mark mark);

/* Reads the whole file. Returns it, to be freed; NULL after saying why. */
char *import_input_whole(import_input *input, size_t *bytes);

#endif
