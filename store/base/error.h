/* base/error.h: filling a steplog_error where a fact is known. */
#ifndef SL_BASE_ERROR_H
#define SL_BASE_ERROR_H

#include "steplog/status.h"

/* Sets *err (NULL allowed) and returns code, so that a failure is one line:
 *   return sl_fail(err, STEPLOG_CORRUPT, offset, "block checksum differs in '%s' ...", name);
 * errno of the failed call is recorded by sl_fail_os(). Text is cut to fit, at a UTF-8
 * boundary, and control bytes in it are replaced. */
steplog_status sl_fail(steplog_error *err, steplog_status code, int64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* As sl_fail(), for a system call that gave os_errno (positive): the code is FULL for
 * ENOSPC, EDQUOT and EFBIG, NOMEM for ENOMEM, MISSING for ENOENT and ENOTDIR, else IO; the text
 * ends with ": " and the system's words. */
steplog_status sl_fail_os(steplog_error *err, int os_errno, int64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Makes *err "no error". NULL allowed. */
void sl_error_clear(steplog_error *err);

/* Passes a failure on: nothing is held. */
#define SL_TRY(call)                          \
    do {                                      \
        steplog_status sl_try_status = (call); \
        if (sl_try_status < 0) return sl_try_status; \
    } while (0)

/* Passes a failure on through the done: label; wants a steplog_status named status. */
#define SL_TRY_DONE(call)              \
    do {                               \
        status = (call);               \
        if (status < 0) goto done;     \
    } while (0)

#endif
