/* read/damage.c: a list of findings with strings of its own. */
#include "read/damage.h"

#include "format/checksum.h"

#include <string.h>

static int is_same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return sl_scramble(hash ^ (text ? sl_hash(text, strlen(text)) : 1));
}

/* Cut names are told apart by what they were before. */
static uint64_t hash_of(const steplog_damage *finding)
{
    return hash_text(hash_text(hash_text(sl_scramble((uint64_t)finding->offset), finding->file), finding->what),
                     finding->series);
}

/* A copy, cut between two characters; NULL of NULL. */
static char *copy_name(const char *name)
{
    size_t bytes = name ? strlen(name) : 0;
    if (bytes <= SL_DAMAGE_NAME_BYTES_MAX) return sl_copy_text(name);
    bytes = SL_DAMAGE_NAME_BYTES_MAX - 3;
    while (bytes && (name[bytes] & 0xc0) == 0x80) bytes--;
    char *copy = sl_alloc(bytes + 4);
    if (!copy) return NULL;
    memcpy(copy, name, bytes);
    memcpy(copy + bytes, "...", 4);
    return copy;
}

static void free_texts(const steplog_damage *finding)
{
    sl_free((char *)(uintptr_t)finding->file);
    sl_free((char *)(uintptr_t)finding->what);
    sl_free((char *)(uintptr_t)finding->series);
}

static size_t text_bytes(const char *text) { return text ? strlen(text) + 1 : 0; }

void sl_damage_add(sl_damage_list *list, const steplog_damage *finding)
{
    if (list->count >= SL_DAMAGE_COUNT_MAX || list->bytes >= SL_DAMAGE_BYTES_MAX) return;
    const uint64_t hash = hash_of(finding);
    steplog_damage copy = *finding;
    copy.series = copy_name(finding->series);
    size_t probe = 0;
    uint32_t index;
    while (sl_hash_map_find(&list->seen, hash, &probe, &index)) {
        const steplog_damage *known = &list->items[index];
        if (known->offset == finding->offset && is_same_text(known->file, finding->file) &&
            is_same_text(known->what, finding->what) && is_same_text(known->series, copy.series)) {
            sl_free((char *)(uintptr_t)copy.series);
            return;
        }
    }
    copy.file = sl_copy_text(finding->file);
    copy.what = sl_copy_text(finding->what);
    if ((finding->file && !copy.file) || (finding->what && !copy.what) || !SL_VEC_RESERVE(list, list->count + 1) ||
        !sl_hash_map_add(&list->seen, hash, (uint32_t)list->count)) {
        free_texts(&copy);
        return;
    }
    list->bytes += sizeof copy + text_bytes(copy.file) + text_bytes(copy.what) + text_bytes(copy.series);
    list->items[list->count++] = copy;
}

void sl_damage_clear(sl_damage_list *list)
{
    for (size_t i = 0; i < list->count; i++) free_texts(&list->items[i]);
    sl_free(list->items);
    sl_hash_map_free(&list->seen);
    *list = (sl_damage_list){0};
}
