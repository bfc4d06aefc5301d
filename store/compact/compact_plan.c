/* compact/compact_plan.c: levels by size, fan-out 8. */
#include "compact/compact_plan.h"

static size_t pick_level(sl_compact_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t same = 0;
        if (files[i].bytes >= SL_COMPACT_LARGE_BYTES) continue;
        for (size_t j = 0; j < count; j++)
            same += files[j].level == files[i].level && files[j].bytes < SL_COMPACT_LARGE_BYTES;
        if (same < SL_COMPACT_FAN_OUT) continue;
        size_t picked = 0;
        for (size_t j = 0; j < count && picked < SL_COMPACT_INPUTS_MAX; j++) {
            files[j].is_picked = files[j].level == files[i].level && files[j].bytes < SL_COMPACT_LARGE_BYTES;
            picked += (size_t)files[j].is_picked;
        }
        return picked;
    }
    return 0;
}

size_t sl_compact_pick(sl_compact_file *files, size_t count, int is_light)
{
    size_t picked = 0, removed = 0;
    for (size_t i = 0; i < count; i++) files[i].is_picked = 0;
    if (is_light) return pick_level(files, count);
    for (size_t i = 0; i < count && picked < SL_COMPACT_INPUTS_MAX; i++) {
        files[i].is_picked = files[i].has_removed || files[i].bytes < SL_COMPACT_LARGE_BYTES;
        picked += (size_t)files[i].is_picked;
        removed += files[i].has_removed ? 1 : 0;
    }
    if (picked > 1 || removed) return picked;
    for (size_t i = 0; i < count; i++) files[i].is_picked = 0;
    return 0;
}
