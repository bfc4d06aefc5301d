/* base/hash_map.h: from 64-bit hashes to 32-bit indices; the caller keeps what the indices mean and
 * compares, since hashes may collide. Open addressing, linear probing; nothing is ever removed. */
#ifndef SL_BASE_HASH_MAP_H
#define SL_BASE_HASH_MAP_H

#include "base/memory.h"

typedef struct sl_hash_slot {
    uint64_t hash;
    uint32_t index;
    uint32_t is_used;
} sl_hash_slot;

typedef struct sl_hash_map {
    sl_hash_slot *slots;
    size_t capacity, count; /* capacity: 0 or a power of two */
} sl_hash_map;

/* Walks the indices stored under a hash: start with *probe = 0; 1 and *index while there are more. */
int sl_hash_map_find(const sl_hash_map *map, uint64_t hash, size_t *probe, uint32_t *index);
/* 1, or 0 when out of memory. Does not look for doubles. */
int sl_hash_map_add(sl_hash_map *map, uint64_t hash, uint32_t index);
/* 1: the next add does not fail; 0 when out of memory. */
int sl_hash_map_reserve(sl_hash_map *map);
void sl_hash_map_clear(sl_hash_map *map); /* forgets all, keeps memory */
void sl_hash_map_free(sl_hash_map *map);

#endif
