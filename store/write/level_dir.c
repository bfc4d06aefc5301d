/* write/level_dir.c: seg, and a level in it. */
#include "write/level_dir.h"

#include "base/error.h"
#include "base/kill_point.h"
#include "format/file_names.h"
#include "os/os.h"

#include <errno.h>
#include <stdio.h>

/* A directory in another one, which is synced. */
static steplog_status make_durably(int parent, const char *name, const char *path, int *out, steplog_error *err)
{
    int e = sl_os->make_dir(parent, name);
    if (e < 0 && e != -EEXIST) return sl_fail_os(err, -e, -1, "cannot make directory '%s'", path);
    if (e == 0) SL_KILL_POINT("level.directory_made");
    e = sl_os->sync_all(parent);
    if (e < 0) return sl_fail_os(err, -e, -1, "cannot sync the directory of '%s'", path);
    SL_KILL_POINT("level.directory_synced");
    *out = sl_os->open_dir(parent, name);
    return *out < 0 ? sl_fail_os(err, -*out, -1, "cannot open directory '%s'", path) : STEPLOG_OK;
}

steplog_status sl_level_dir_open(int store_dir, uint32_t level, int *out, steplog_error *err)
{
    char name[16], path[32];
    int seg_dir;
    snprintf(name, sizeof name, "%u", (unsigned)level);
    snprintf(path, sizeof path, "%s/%u", SL_SEGMENT_DIR, (unsigned)level);
    SL_TRY(make_durably(store_dir, SL_SEGMENT_DIR, SL_SEGMENT_DIR, &seg_dir, err));
    steplog_status status = make_durably(seg_dir, name, path, out, err);
    sl_os->close(seg_dir);
    return status;
}

steplog_status sl_level_dirs_sync(int store_dir, const sl_ranges *levels, steplog_error *err)
{
    for (size_t i = 0; i < levels->count; i++)
        for (uint64_t level = levels->items[i].begin; level < levels->items[i].end; level++) {
            int dir;
            SL_TRY(sl_level_dir_open(store_dir, (uint32_t)level, &dir, err));
            int e = sl_os->sync_all(dir);
            sl_os->close(dir);
            if (e < 0) return sl_fail_os(err, -e, -1, "cannot sync '%s/%u'", SL_SEGMENT_DIR, (unsigned)level);
        }
    return STEPLOG_OK;
}
