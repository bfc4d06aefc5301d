/* base/hash_map.c: see the header. Grows at three quarters full. */
#include "base/hash_map.h"

#include <string.h>

int sl_hash_map_find(const sl_hash_map *map, uint64_t hash, size_t *probe, uint32_t *index)
{
    while (*probe < map->capacity) {
        const sl_hash_slot *slot = &map->slots[(hash + *probe) & (map->capacity - 1)];
        if (!slot->is_used) return 0;
        (*probe)++;
        if (slot->hash == hash) {
            *index = slot->index;
            return 1;
        }
    }
    return 0;
}

static void place(sl_hash_slot *slots, size_t capacity, uint64_t hash, uint32_t index)
{
    size_t at = hash & (capacity - 1);
    while (slots[at].is_used) at = (at + 1) & (capacity - 1);
    slots[at] = (sl_hash_slot){hash, index, 1};
}

int sl_hash_map_reserve(sl_hash_map *map)
{
    if ((map->count + 1) * 4 <= map->capacity * 3) return 1;
    size_t capacity = map->capacity ? map->capacity * 2 : 16;
    sl_hash_slot *slots = sl_alloc_zero(capacity, sizeof *slots);
    if (!slots) return 0;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].is_used) place(slots, capacity, map->slots[i].hash, map->slots[i].index);
    sl_free(map->slots);
    map->slots = slots;
    map->capacity = capacity;
    return 1;
}

int sl_hash_map_add(sl_hash_map *map, uint64_t hash, uint32_t index)
{
    if (!sl_hash_map_reserve(map)) return 0;
    place(map->slots, map->capacity, hash, index);
    map->count++;
    return 1;
}

void sl_hash_map_clear(sl_hash_map *map)
{
    if (map->capacity) memset(map->slots, 0, map->capacity * sizeof *map->slots);
    map->count = 0;
}

void sl_hash_map_free(sl_hash_map *map)
{
    sl_free(map->slots);
    *map = (sl_hash_map){0};
}
