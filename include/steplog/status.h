/* steplog/status.h: what a call answers.
 *
 * Every call that can fail returns a steplog_status: 0 done, positive another
 * ordinary outcome, negative a failure. Cold calls also take a steplog_error,
 * which receives the code, the operating system's errno, a file offset and one
 * line of text. Numbers are stable: they are never reused or renumbered. */
#ifndef STEPLOG_STATUS_H
#define STEPLOG_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define STEPLOG_API __attribute__((visibility("default")))
#else
#define STEPLOG_API
#endif

#define STEPLOG_STATUS_TABLE(X)                                                        \
    X(OK, 0, "done")                                                                   \
    X(END, 1, "the cursor has passed its last point")                                  \
    X(WAIT, 2, "nothing new yet")                                                      \
    X(IO, -1, "the operating system refused; os_errno says why")                       \
    X(CORRUPT, -2, "stored bytes fail a checksum or break a rule of FORMAT.md")        \
    X(NEWER, -3, "written by a later format version than this library reads")          \
    X(FULL, -4, "no space left; nothing earlier is lost, try again later")             \
    X(BUSY, -5, "a child handle is still open")                                        \
    X(MISUSE, -6, "the call breaks a rule stated in its header; nothing changed")      \
    X(FAILED, -7, "this handle failed earlier and now accepts only close")             \
    X(MISSING, -8, "no such store, run, series, blob or record")                       \
    X(NOMEM, -9, "no memory; nothing changed")                                         \
    X(LIMIT, -10, "a documented limit would be passed; nothing changed")

typedef int32_t steplog_status;

enum {
#define STEPLOG_STATUS_ENUM(name, number, sentence) STEPLOG_##name = number,
    STEPLOG_STATUS_TABLE(STEPLOG_STATUS_ENUM)
#undef STEPLOG_STATUS_ENUM
};

/* What went wrong, filled by a call that fails and left alone by one that does
 * not. text is one line, lower case, without a full stop: what failed, on what
 * (quoted), where, what was expected and what was found. */
typedef struct steplog_error {
    steplog_status code;  /* what the call returned */
    int os_errno;         /* errno of the system call that refused, else 0 */
    int64_t file_offset;  /* where in the file text names, else -1 */
    char text[512];       /* UTF-8, always terminated */
} steplog_error;

/* Names a status: "OK", "CORRUPT". Unknown numbers give "UNKNOWN".
 *
 * status  any number.
 *
 * The string is static. Threads: any. Cost: a table look-up. */
STEPLOG_API const char *steplog_status_name(steplog_status status);

/* Says a status in a sentence, without a full stop.
 *
 * status  any number; unknown ones give "unknown status".
 *
 * The string is static. Threads: any. Cost: a table look-up. */
STEPLOG_API const char *steplog_status_text(steplog_status status);

#ifdef __cplusplus
}
#endif
#endif
