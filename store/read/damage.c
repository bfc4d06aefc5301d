/* read/damage.c: a list of findings with strings of its own. */
#include "read/damage.h"

#include <string.h>

static int is_same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

void sl_damage_add(sl_damage_list *list, const steplog_damage *finding)
{
    for (size_t i = 0; i < list->count; i++) {
        const steplog_damage *known = &list->items[i];
        if (known->offset == finding->offset && is_same_text(known->file, finding->file) &&
            is_same_text(known->what, finding->what) && is_same_text(known->series, finding->series))
            return;
    }
    if (list->count >= SL_DAMAGE_COUNT_MAX) return;
    steplog_damage copy = *finding;
    copy.file = sl_copy_text(finding->file);
    copy.what = sl_copy_text(finding->what);
    copy.series = sl_copy_text(finding->series);
    if ((finding->file && !copy.file) || (finding->what && !copy.what) || !SL_VEC_PUSH(list, copy)) {
        sl_free((char *)(uintptr_t)copy.file);
        sl_free((char *)(uintptr_t)copy.what);
        sl_free((char *)(uintptr_t)copy.series);
    }
}

void sl_damage_clear(sl_damage_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        sl_free((char *)(uintptr_t)list->items[i].file);
        sl_free((char *)(uintptr_t)list->items[i].what);
        sl_free((char *)(uintptr_t)list->items[i].series);
    }
    SL_VEC_FREE(list);
}
